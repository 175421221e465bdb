/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_map.h - layout of the maps of sock.bpf.c; included by bpf/ and
 * dataplane/ebpf/sock*.c.  The includer brings __u32 (linux/types.h).
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d.  Three
 * stand for more than themselves: ::ffff:0.0.0.0 and :: for any address of
 * their family, ::ffff:255.255.255.255 and ff..ff for "some address" (sock_held
 * only: what a bind to the wildcard would meet).
 */
#ifndef BPF_SOCK_MAP_H
#define BPF_SOCK_MAP_H

#define SOCK_LAYOUT     3u /* raised with every change of this file */

#define SOCK_PUB_MAX    65536 /* single ports on certain addresses, SCTP's */
#define SOCK_RANGE_MAX  65536 /* prefixes, 30 a range at most */
#define SOCK_HELD_MAX   65536
#define SOCK_IP6_MAX    65536 /* containers with IPv6 */

#define SOCK_POOL_MAX   4096  /* two a balanced port */
#define SOCK_POOL_SLOTS 1021u /* of each: a prime, for Maglev */

/*
 * Ports held on every address: one bit a port, 64 in an entry, TCP's and
 * behind them UDP's.  (SCTP has no bind hooks.)  So a port costs nothing, and
 * any number of them fits.
 */
#define SOCK_PORT_WORDS 1024u /* of a protocol */
#define SOCK_PORT_MAX   (2u * SOCK_PORT_WORDS)

/*
 * Single ports that are published on any address: an entry a port, as struct
 * sock_dst, TCP's and behind them UDP's, for clients of IPv4 and behind them for
 * those of IPv6.  The table is there as a whole, so a port costs nothing more.
 */
#define SOCK_ANY_PORTS 65536u
#define SOCK_ANY_UDP   SOCK_ANY_PORTS
#define SOCK_ANY_V6    (2u * SOCK_ANY_PORTS)
#define SOCK_ANY_MAX   (4u * SOCK_ANY_PORTS)

struct sock_key {
	__u32 addr[4]; /* network order */
	__u8 proto;    /* IPPROTO_* */
	__u8 pad;      /* 0 */
	__u16 port;    /* network order: prefixes are compared bit by bit */
};

/* Key of the tries: the first bits of key, SOCK_KEY_BITS and 0..16 of port. */
struct sock_prefix {
	__u32 bits;
	struct sock_key key;
};

#define SOCK_KEY_BITS 144u /* of struct sock_key, before port */

/* What sock_dst.at is.  An entry that is all zero leads nowhere. */
enum sock_kind {
	SOCK_TO_IP4 = 1, /* the container's address, network order; 0: it has
			  * none */
	SOCK_TO_IP6,     /* for clients of IPv6: key of sock_ip6 */
	SOCK_TO_POOL,    /* of several containers: key of sock_pool */
};

/* Where a port leads, for clients of the family that its key is of.  One word, as
 * programs read it while it changes. */
struct sock_dst {
	__u32 at;
	__u16 delta; /* container port - host port, modulo 65536, host order;
		      * means nothing of a pool */
	__u16 stat;  /* index of nat_stat (0: not counted), and above it, from
		      * SOCK_KIND_SHIFT on, enum sock_kind */
} __attribute__((aligned(8)));

#define SOCK_KIND_SHIFT 14

static inline __u32 sock_dst_kind(const struct sock_dst *d)
{
	return d->stat >> SOCK_KIND_SHIFT;
}

static inline __u32 sock_dst_stat(const struct sock_dst *d)
{
	return d->stat & ((1u << SOCK_KIND_SHIFT) - 1);
}

/* Of a range. */
struct sock_span {
	struct sock_dst dst;
	__u32 bits; /* sock_prefix.bits: a trie's lookup may find a shorter
		     * prefix, this tells */
	__u32 pad;  /* 0 */
};

/* A container's address, once for all of its ports; the number of one that went
 * is not given to another before all the others were. */
struct sock_ip6 {
	__u32 addr[4]; /* network order */
};

/* A slot of a pool: one that a new connection may go to. */
struct sock_backend {
	__u32 ip6[4]; /* network order; 0: the container has none */
	__u32 ip4;    /* network order; 0: none */
	__u16 port;   /* of the container, host order */
	__u16 pad;    /* 0 */
};

struct sock_hold {
	__u32 refs; /* how often it is held */
	__u32 bits; /* sock_prefix.bits */
};

struct sock_meta {
	__u64 netns_cookie; /* whose sockets these maps are for */
	__u32 layout;       /* SOCK_LAYOUT, and above it NAT_LAYOUT: the hooks
			     * have nat_local and nat_stat of nat_map.h */
	__u32 pad;          /* 0 */
};

_Static_assert(sizeof(struct sock_key) == 20, "sock_key has a hole");
_Static_assert(sizeof(struct sock_prefix) == 24, "sock_prefix has a hole");
_Static_assert(sizeof(struct sock_dst) == 8, "sock_dst is one word");
_Static_assert(sizeof(struct sock_span) == 16, "sock_span has a hole");
_Static_assert(sizeof(struct sock_backend) == 24, "sock_backend has a hole");
_Static_assert(sizeof(struct sock_hold) == 8, "sock_hold has a hole");
_Static_assert(sizeof(struct sock_meta) == 16, "sock_meta has a hole");

#endif
