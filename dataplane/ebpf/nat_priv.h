/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nat_priv.h - the handle of nat.h, shared by its files. */
#ifndef DATAPLANE_EBPF_NAT_PRIV_H
#define DATAPLANE_EBPF_NAT_PRIV_H

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "bpf/publish.skel.h"
#include "dataplane/ebpf/maps.h"
#include "dataplane/ebpf/nat.h"
#include "dataplane/ebpf/tc.h"

_Static_assert(sizeof(struct nat_meta) == sizeof(struct maps_meta),
	       "maps_meta");

/* The walk over all flows, some entries a tick. */
struct nat_walk {
	bool running, begun;  /* begun: .at counts */
	uint32_t at;          /* the kernel's cursor: a bucket */
	uint32_t started;     /* seconds; 0: never */
	uint64_t entries;     /* seen so far */
	uint64_t established; /* of them, and kept */
	uint64_t flows;       /* NAT_COUNT_FLOW when it began */
	bool recheck;    /* the next one looks for what lost its port ... */
	bool checking;   /* ... and this one does */
	bool empty;      /* the last whole walk saw nothing, and ... */
	uint64_t before; /* ... NAT_COUNT_FLOW was this when it began */
};

struct nat {
	struct nat_config cfg;
	struct maps_meta meta;
	uint16_t masq_first, masq_last;
	bool resized;             /* nat_resized() */
	bool foreign;             /* the pins are of another namespace */
	bool aside;               /* nat_stand_aside() */
	struct publish_bpf *skel; /* owned; NULL: not attached */
	uint64_t *percpu;         /* owned; one value a possible CPU */
	int cpus;
	int *uplinks; /* owned; sorted indices that have our program */
	size_t uplink_count;
	int64_t *share; /* owned: nat_share, mapped; or NULL */
	struct nat_walk walk;
	bool crowded;             /* nat_flow_crowded() */
	struct nat_filter *again; /* owned; once more at the next tick */
	size_t again_count;
};

/* ::ffff:a.b.c.d, or the IPv6 address; none: ::. */
static inline void nat_addr(__u32 to[4], const struct ip_addr *ip)
{
	memset(to, 0, 16);
	if (ip->family == AF_INET6)
		memcpy(to, ip->bytes, 16);
	if (ip->family != AF_INET)
		return;
	to[2] = htonl(0xffff);
	memcpy(&to[3], ip->bytes, 4);
}

/* Map the counts of flows by endpoint, or no more (nat_share.c). */
int nat_share_open(struct nat *nat, int fd, struct err *err);
void nat_share_close(struct nat *nat);
/* Remove a flow, whose entries have these keys, the one with NAT_FORWARD first, and
 * from its endpoints' counts. Return: entries that were there. */
int nat_share_drop(struct nat *nat, const struct nat_tuple *first,
		   const struct nat_tuple *other);

/* End all flows. Return: entries removed; -errno. */
int nat_flow_clear(struct nat *nat, struct err *err);

/* New flows since boot, as the programs count them. */
int nat_count_flows(struct nat *nat, uint64_t *ret, struct err *err);

#endif
