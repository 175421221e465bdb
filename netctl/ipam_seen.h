/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipam_seen.h - which pools and addresses somebody on this host uses, as Docker,
 * the network daemons and netctl's own records say: to be compared with what
 * berth-ipam handed out. */
#ifndef NETCTL_IPAM_SEEN_H
#define NETCTL_IPAM_SEEN_H

#include <json-c/json.h>

#include "netctl/cli.h"

/* A lease is not judged before: its container may just be starting, and each of
 * dockerd's calls may take 15 s. */
#define IPAM_SEEN_AGE_S 60

struct ipam_seen {
	json_object
		*pools; /* PoolID -> true, of Docker's and netctl's networks */
	json_object *prefixes; /* "10.1.0.0/16" -> true, of our daemons' */
	json_object *addrs;    /* "10.1.0.2" -> true, of both's endpoints */
};

/*
 * ipam_seen_load() - ask them all.  Ask berth-ipam before: what is handed out
 * in between is not in an older list.
 *
 * With ctl->force a dockerd that is not there uses nothing.
 *
 * Return: 0; -errno when dockerd or a network daemon does not answer, be it that
 * it is stopped and has networks on record: then nothing can be said.
 */
int ipam_seen_load(struct ctl *ctl, struct ipam_seen *ret, struct err *err);
void ipam_seen_fini(struct ipam_seen *s);

/* Is this row of /Berth.IpamPools (IpamLeases) used by nobody, and not new? */
bool ipam_seen_pool_lost(const struct ipam_seen *s, json_object *pool);
bool ipam_seen_lease_lost(const struct ipam_seen *s, json_object *lease);

#endif
