/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ipam_record.h - what the IPAM core keeps on disk, as JSON text. */
#ifndef IPAM_IPAM_RECORD_H
#define IPAM_IPAM_RECORD_H

#include <json-c/json.h>
#include <net/if.h>

#include "ipam/ipam_core.h"
#include "lib/err.h"

/* Pools do not overlap, so an address by itself is an id. */
#define POOL_KIND     "pool"     /* state.db, id = PoolID */
#define RESERVED_KIND "reserved" /* state.db, id = address */
#define HOST_KIND     "host"     /* state.db, id = HOST_ULA */
#define LEASE_KIND    "lease"    /* run.db, id = address, parent = pool */
#define CURSOR_KIND   "cursor"   /* run.db, id = PoolID */
#define HOST_ULA      "ula"

/* Any of them, and the body of an intent: what is asked for, then what came of it;
 * what is unused is zero. */
struct ipam_record {
	char id[IPAM_ID_MAX], space[IPAM_SPACE_MAX];
	struct ip_prefix pool, sub;
	struct ip_addr addr;
	struct mac_addr mac;
	char use[12]; /* ipam_use_to_string() */
	uint32_t refs;
	/* Which pool of that PoolID: run.db may speak of one that is gone. */
	uint64_t born;
	uint64_t rest; /* not 0: released, the lower the earlier */
	bool automatic, fixed;
	bool cluster;        /* of a pool: shared with other hosts */
	bool v6;             /* asked for, where .pool is none */
	char dhcp[IFNAMSIZ]; /* of a pool: where a DHCP server is asked */
	char time[32];       /* RFC 3339 */
};

/* Decode @text.  -EBADMSG. */
int ipam_record_parse(const char *text, struct ipam_record *ret,
		      struct err *err);
/* Owned text; NULL when out of memory. */
char *ipam_record_print(const struct ipam_record *rec);
/* -EBADMSG for none that is known. */
int ipam_use_parse(const char *text, enum ipam_use *ret, struct err *err);

/* The answers, also kept in the journal.  Owned; NULL: no memory. */
/* @gateway: the network's, if the user gives none; or none. */
json_object *ipam_pool_answer(const char *id, const struct ip_prefix *pool,
			      const struct ip_addr *gateway);
json_object *ipam_addr_answer(const struct ip_prefix *addr);

/* "space/pool[/subpool]" */
void ipam_id(char buf[static IPAM_ID_MAX], const char *space,
	     const struct ip_prefix *pool, const struct ip_prefix *sub);
/* The pool of a PoolID, as ipam_id() made it; none where it is none. */
struct ip_prefix ipam_id_pool(const char *id);
/* As RFC 3339 in UTC, "" for 0; now; a number that no other pool is born with. */
void ipam_time(char buf[static 32], time_t when);
void ipam_now(char buf[static 32]);
uint64_t ipam_born(void);

#endif
