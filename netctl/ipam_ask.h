/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipam_ask.h - ask an IpamDriver for pools and addresses, as dockerd does
 * (docs/protocol.md, IpamDriver).  "null" is no daemon: it has no addresses to give.
 */
#ifndef NETCTL_IPAM_ASK_H
#define NETCTL_IPAM_ASK_H

#include <json-c/json.h>

#include "lib/ip.h"
#include "netctl/cli.h"

struct ipam {
	const struct ctl *ctl;
	const char *driver;  /* borrowed */
	json_object *spaces; /* owned; the answer with the default spaces */
	bool is_null, needs_mac;
};

/* ipam_open() - ask what it can.  ipam_close() in any case. */
int ipam_open(const struct ctl *ctl, const char *driver, struct ipam *ret,
	      struct err *err);
void ipam_close(struct ipam *i);

/*
 * ipam_pool() - a pool of addresses.
 *
 * @pool:    "10.1.0.0/16"; "": the driver chooses.
 * @range:   what addresses are chosen from; "": all of it.
 * @options: borrowed; NULL: none.
 * @ret:     owned: AddressSpace, PoolID, Pool, V6; Gateway ("ip/len") where the driver
 *           gave one with it.
 */
int ipam_pool(const struct ipam *i, bool v6, const char *pool,
	      const char *range, json_object *options, json_object **ret,
	      struct err *err);

/*
 * ipam_address() - an address of a pool.
 *
 * @address: "10.1.0.7"; "": the driver chooses.
 * @key, @value: one option; @key NULL: none.
 * @ret: with the pool's length, "10.1.0.7/16".
 */
int ipam_address(const struct ipam *i, const char *pool_id, const char *address,
		 const char *key, const char *value,
		 char ret[static PREFIX_STR_MAX], struct err *err);
/*
 * ipam_give_back() - release @address (with or without a length) of a pool, or with @address NULL the pool, once
 * and for all: what the driver refuses it does not have, and where its answer does not
 * come it is told on stderr and left to 'netctl ipam gc'.
 * Return: 0; -ENOENT, -ECONNREFUSED: nobody was there to be asked.
 */
int ipam_give_back(const struct ctl *ctl, const char *driver,
		   const char *pool_id, const char *address, struct err *err);

#endif
