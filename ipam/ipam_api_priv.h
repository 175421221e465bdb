/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipam_api_priv.h - what ipam_api.c (Docker's methods) and ipam_api_berth.c (our
 * own) share. */
#ifndef IPAM_IPAM_API_PRIV_H
#define IPAM_IPAM_API_PRIV_H

#include "ipam/ipam_core.h"
#include "lib/jdec.h"
#include "lib/rpc.h"

struct ipam_request {
	char space[64], pool_id[IPAM_ID_MAX];
	struct ip_prefix pool, sub;
	struct ip_addr addr;
	struct mac_addr mac;
	json_object *options;        /* borrowed from the body; NULL: none */
	char node[CLUSTER_NODE_MAX]; /* that is gone for ever */
	char since[32];              /* RFC 3339; "": not said */
	bool v6, dry;
};

extern const struct jdec_field ipam_api_leases_fields[],
	ipam_api_forget_fields[], ipam_api_gc_fields[];

#endif
