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

#define SOCK_LAYOUT     2u /* raised with every change of this file */

#define SOCK_PUB_MAX    262144 /* single ports; three keys a port at most */
#define SOCK_RANGE_MAX  65536  /* prefixes, 30 a range at most */
#define SOCK_HELD_MAX   65536

#define SOCK_POOL_MAX   4096  /* two a balanced port */
#define SOCK_POOL_SLOTS 1021u /* of each: a prime, for Maglev */

/*
 * Ports held on every address: one bit a port, 64 in an entry, TCP's and
 * behind them UDP's.  (SCTP has no bind hooks.)  So a port costs nothing, and
 * any number of them fits.
 */
#define SOCK_PORT_WORDS 1024u /* of a protocol */
#define SOCK_PORT_MAX   (2u * SOCK_PORT_WORDS)

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

struct sock_dst {
	__u32 ip6[4]; /* network order; 0: the container has none */
	__u32 ip4;    /* network order; 0: none */
	__u16 delta;  /* container port - host port, modulo 65536, host order */
	__u16 bits;   /* sock_prefix.bits: a trie's lookup may find a shorter
		       * prefix, this tells */
	__u32 stat;   /* index of nat_stat; 0: not counted */
	__u32 pool;   /* of several containers: key of sock_pool, and then the
		       * addresses above are 0; 0: there is one container */
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
_Static_assert(sizeof(struct sock_dst) == 32, "sock_dst has a hole");
_Static_assert(sizeof(struct sock_backend) == 24, "sock_backend has a hole");
_Static_assert(sizeof(struct sock_hold) == 8, "sock_hold has a hole");
_Static_assert(sizeof(struct sock_meta) == 16, "sock_meta has a hole");

#endif
