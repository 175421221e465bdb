/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard_map.h - layout of the maps of guard.bpf.c, which publish.bpf.c shares;
 * included by bpf/ and dataplane/ebpf/guard.c.  The includer brings __u32
 * (linux/types.h).
 *
 * Addresses are in network order, interfaces by index.
 */
#ifndef BPF_GUARD_MAP_H
#define BPF_GUARD_MAP_H

#define GUARD_LAYOUT   3u /* raised with every change of this file */

#define GUARD_PORT_MAX 16384 /* a bridge has at most 1024 ports */

/*
 * skb->priority of what our own nftables rules let pass to a container.  The
 * rule that sets it is in the chain that judges, so that one never works
 * without the other: a packet that lacks it came while the rules were away.
 * A container can't set it itself, for a veth clears the priority.
 */
#define GUARD_STAMP 0x62747000u

/* ... and of what guard_ingress found right, on its way to the rules of the bridge
 * that look at the same again: they clear it. */
#define GUARD_SEEN 0x62747001u

enum guard_flags {
	GUARD_SOURCE = 1 << 0,    /* only from its own MAC and addresses */
	GUARD_APART = 1 << 1,     /* not to and from others of its network */
	GUARD_INTERNAL4 = 1 << 2, /* nothing leaves the subnet */
	GUARD_INTERNAL6 = 1 << 3,
	GUARD_OTHER = 1 << 4, /* a port of the bridge that is nobody's
				  * endpoint (the user's own cable): what it
				  * bridges bears no stamp */
	GUARD_RATED = 1 << 5, /* it has an entry in guard_rate */
	GUARD_SHORT = 1 << 6, /* it sends and gets by the short way (guard_way):
			       * GUARD_SOURCE, not GUARD_APART */
};

/* By interface index of the host's side. */
struct guard_port {
	__u32 ip6[4];       /* :: : the family is dropped on this port */
	__u32 ip6_local[4]; /* fe80:: with its MAC; :: as ip6 */
	__u32 net6[4];      /* the subnet, for GUARD_INTERNAL6 */
	__u32 ip4;          /* 0: the family is dropped on this port */
	__u32 net4, mask4;  /* the subnet, for GUARD_INTERNAL4 */
	__u32 bridge;       /* interface index */
	__u32 flags;        /* enum guard_flags */
	__u8 len6;          /* prefix length of net6 */
	__u8 mac[6];        /* the container's */
	__u8 pad;           /* 0 */
};

/*
 * The short way: where a frame for a MAC goes past the bridge.  What is not here
 * goes by the bridge, and is judged there.
 */
#define GUARD_WAY_MAX \
	32768 /* twice what is told: one is added before another
			      * goes */

struct guard_way_key {
	__u32 bridge; /* interface index */
	__u8 mac[6];
	__u8 pad[2]; /* 0 */
};

struct guard_way {
	__u32 ip6[4];       /* of one on another host: what it may send from; */
	__u32 ip6_local[4]; /* :: and 0: nothing of that family */
	__u32 ip4;
	__u32 ifindex; /* of this host's endpoint the host's side of the veth;
			* of another's the VXLAN link to it */
	__u32 far;     /* 1: it is on another host */
};

#define GUARD_RATE_SHIFT 20 /* of guard_bucket.cost */
#define GUARD_RATE_ROOM \
	(128 * 1024) /* bytes beyond the burst that are for ARP
				       * and neighbour discovery alone */

/* A direction's token bucket, all in one word: .due is when the next frame would
 * come if all had kept to the rate. */
struct guard_bucket {
	__u64 due;   /* ns of the monotonic clock */
	__u64 cost;  /* of a byte: ns << GUARD_RATE_SHIFT; 0: no limit */
	__u64 burst; /* ns that .due may be ahead of the clock */
};

/* By interface index, where guard_port has GUARD_RATED. */
struct guard_rate {
	struct guard_bucket in, out; /* to the container, from it */
};

/* Why a frame was dropped; the key of guard_count (per CPU, __u64). */
enum guard_drop {
	GUARD_DROP_MAC,
	GUARD_DROP_ETHERTYPE,
	GUARD_DROP_SHORT, /* a header that can't be read */
	GUARD_DROP_ARP,
	GUARD_DROP_IP4_OFF,
	GUARD_DROP_IP6_OFF,
	GUARD_DROP_ADDRESS,
	GUARD_DROP_REDIRECT,
	GUARD_DROP_DHCP,
	GUARD_DROP_ROUTER,
	GUARD_DROP_NEIGHBOUR,
	GUARD_DROP_INTERNAL,
	GUARD_DROP_ICC,
	GUARD_DROP_HAIRPIN, /* its own broadcast back */
	GUARD_DROP_STAMP,   /* our rules were away, or it went round them */
	GUARD_DROP_RATE,    /* above the rate of the port */
	GUARD_DROP_MAX,
};

struct guard_meta {
	__u64 netns_cookie; /* whose interfaces these maps are for */
	__u32 layout;       /* GUARD_LAYOUT */
	__u32 pad;          /* 0 */
};

_Static_assert(sizeof(struct guard_port) == 76, "guard_port has a hole");
_Static_assert(sizeof(struct guard_rate) == 48, "guard_rate has a hole");
_Static_assert(sizeof(struct guard_way_key) == 12, "guard_way_key has a hole");
_Static_assert(sizeof(struct guard_way) == 44, "guard_way has a hole");
_Static_assert(sizeof(struct guard_meta) == 16, "guard_meta has a hole");

#endif
