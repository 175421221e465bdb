/* SPDX-License-Identifier: GPL-2.0-or-later */
/* service_priv.h - a balanced port in memory, and who is alive of it. */
#ifndef DATAPLANE_SERVICE_PRIV_H
#define DATAPLANE_SERVICE_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/claim.h"
#include "dataplane/ebpf/sock_entry.h"
#include "dataplane/service.h"
#include "dataplane/state.h"
#include "lib/base.h"

#define SERVICE_LIVE_MAX (2 * DP_MEMBERS_MAX)

/* Whom a table was made of, in maglev.h's order. */
struct service_live {
	struct service_backend {
		uint64_t id;
		uint32_t weight, pad;
		struct sock_backend to;
	} items[SERVICE_LIVE_MAX];
	size_t count;
	bool told; /* the kernel has it */
};

struct service {
	char id[DP_SERVICE_ID_MAX];
	struct dp_service svc;
	struct claim *claim; /* owned; NULL: somebody else has the port */
	bool open;           /* the maps lead to its pools */
	struct service_live live[2]; /* for clients of IPv4, of IPv6 */
};

void service_free(struct service *s); /* NULL is fine */
DEFINE_CLEANUP(struct service, service_free)

/* ---- service_live.c: pure ------------------------------------------------ */

/* Members told and joined, as they are.  @ret: SERVICE_LIVE_MAX.
 * Return: their number. */
size_t service_members(const struct state *st, const struct dp_service *svc,
		       struct dp_member_state *ret);
/* Of these the ones that are alive, for clients of a family. */
void service_find_live(const struct dp_member_state *members, size_t count,
		       bool v6, struct service_live *ret);
bool service_live_equal(const struct service_live *a,
			const struct service_live *b);
/* @table: SOCK_POOL_SLOTS.  @l is not empty. */
void service_table(const struct service_live *l, struct sock_backend *table);
/* Does the network let in what comes by host ports of @family? */
bool service_opens(const struct dp_network *net, int family);

/* ---- between service.c and service_check.c ------------------------------- */

/* Is there a network whose ports can be balanced? */
bool service_may_open(const struct dp *dp);
/* Check what is asked, and fill in networks and ports.  @old: the service as it
 * is; NULL: none. */
int service_check(const struct dp *dp, struct dp_service *svc,
		  const struct dp_service *old, struct err *err);

#endif
