// SPDX-License-Identifier: GPL-2.0
/*
 * sock.bpf.c - cgroup socket hooks: the host's own addresses, loopback and, with
 * the eBPF dataplane, all others, with a published port lead to the container,
 * and nobody binds a port that is held.
 *
 * What was rewritten is remembered in the socket's own storage, so that it goes
 * with the socket and costs other sockets one pointer look.  An unconnected UDP
 * socket may talk to several ports: PEERS of them are remembered.
 */
#include <linux/types.h>

#include <linux/bpf.h>
#include <linux/in.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/lib/pool.h"
#include "bpf/lib/published.h"
#include "bpf/nat_map.h"

#define PEERS      4u
#define ECONNREF   111
#define EADDRINUSE 98

/* AF_* are not in the uapi headers */
#define FAMILY_INET  2
#define FAMILY_INET6 10

const volatile __u64 netns_cookie;
const volatile __u8 can_set_retval; /* bpf_set_retval(): Linux 5.18 */
const volatile __u32 claim_mark;

/* Ports held on every address: the daemon sets bits by mmap(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOCK_PORT_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} sock_port SEC(".maps");

/* Ports held on certain addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SOCK_HELD_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sock_prefix);
	__type(value, struct sock_hold);
} sock_held SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sock_meta);
} sock_meta SEC(".maps");

/* The same as publish.bpf.c's: whoever is loaded first makes it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_LOCAL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32[4]);
	__type(value, struct nat_local);
} nat_local SEC(".maps");

/* Likewise. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAT_STAT_MAX);
	__type(key, __u32);
	__type(value, struct nat_stat);
} nat_stat SEC(".maps");

struct place {
	__u32 addr[4];
	__u32 port; /* as in bpf_sock_addr: network order in the low half */
};

struct pair {
	struct place asked; /* by the program */
	struct place used;  /* of the container */
};

struct peers {
	struct bpf_spin_lock lock;
	__u32 next;
	struct pair pair[PEERS];
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct peers);
} sock_peer SEC(".maps");

static __always_inline void set_v4(struct place *p, __u32 ip, __u32 port)
{
	p->addr[0] = 0;
	p->addr[1] = 0;
	p->addr[2] = bpf_htonl(0xffff);
	p->addr[3] = ip;
	p->port = port;
}

static __always_inline int is_v4(const struct place *p)
{
	return p->addr[0] == 0 && p->addr[1] == 0 &&
	       p->addr[2] == bpf_htonl(0xffff);
}

static __always_inline int loopback4(__u32 ip)
{
	return (ip & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

static __always_inline int is_loopback(const struct place *p)
{
	if (is_v4(p))
		return loopback4(p->addr[3]);
	return p->addr[0] == 0 && p->addr[1] == 0 && p->addr[2] == 0 &&
	       p->addr[3] == bpf_htonl(1);
}

static __always_inline int same(const struct place *a, const struct place *b)
{
	return a->addr[0] == b->addr[0] && a->addr[1] == b->addr[1] &&
	       a->addr[2] == b->addr[2] && a->addr[3] == b->addr[3] &&
	       a->port == b->port;
}

static __always_inline void key_of(struct sock_prefix *k, const struct place *p,
				   __u8 proto)
{
	k->bits = SOCK_KEY_BITS + 16;
	k->key.addr[0] = p->addr[0];
	k->key.addr[1] = p->addr[1];
	k->key.addr[2] = p->addr[2];
	k->key.addr[3] = p->addr[3];
	k->key.proto = proto;
	k->key.pad = 0;
	k->key.port = (__u16)p->port;
}

/* Is it an address of this host other than loopback? */
static __always_inline int is_host(const struct place *p)
{
	return bpf_map_lookup_elem(&nat_local, p->addr) != 0;
}

static __always_inline int find(const struct place *asked, __u8 proto,
				struct sock_dst *ret)
{
	struct sock_prefix k;

	key_of(&k, asked, proto);
	return published_find(&k, !is_v4(asked), ret);
}

/* Of several containers one for each socket: who sends datagrams without
 * connecting stays with one as well, while it lives. */
static __always_inline __u32 hash_socket(struct bpf_sock_addr *ctx)
{
	__u64 cookie = bpf_get_socket_cookie(ctx);

	return pool_hash(pool_hash(0, (__u32)cookie), (__u32)(cookie >> 32));
}

/* Only ::1 leads to a container without IPv6: others reach it no more than a
 * client from outside.  Return: 0 when it has no address that would do. */
static __always_inline int choose(struct bpf_sock_addr *ctx,
				  const struct sock_dst *d,
				  const struct place *asked, struct place *to)
{
	struct sock_backend at;

	if (pool_resolve(
		    d, sock_dst_kind(d) == SOCK_TO_POOL ? hash_socket(ctx) : 0,
		    bpf_ntohs((__u16)asked->port), &at) < 0)
		return 0;
	if (!is_v4(asked) &&
	    (at.ip6[0] | at.ip6[1] | at.ip6[2] | at.ip6[3]) != 0) {
		to->addr[0] = at.ip6[0];
		to->addr[1] = at.ip6[1];
		to->addr[2] = at.ip6[2];
		to->addr[3] = at.ip6[3];
		to->port = bpf_htons(at.port);
		return 1;
	}
	set_v4(to, at.ip4, bpf_htons(at.port));
	return at.ip4 != 0 && (is_v4(asked) || is_loopback(asked));
}

static __always_inline void remember(struct bpf_sock *sk,
				     const struct place *asked,
				     const struct place *used)
{
	struct peers *p = bpf_sk_storage_get(&sock_peer, sk, 0,
					     BPF_SK_STORAGE_GET_F_CREATE);
	struct pair *slot;
	__u32 at;

	if (!p)
		return; /* no memory: it works, getpeername() tells more */
	bpf_spin_lock(&p->lock);
	at = p->next;
#pragma unroll
	for (__u32 i = 0; i < PEERS; i++)
		if (same(&p->pair[i].used, used))
			at = i;
	slot = &p->pair[at & (PEERS - 1)];
	if (!same(&slot->used, used))
		p->next++;
	slot->asked = *asked;
	slot->used = *used;
	bpf_spin_unlock(&p->lock);
}

/* What the program asked for when it got @used. Return: 0: nothing. */
static __always_inline int recall(struct bpf_sock *sk, const struct place *used,
				  struct place *asked)
{
	struct peers *p = bpf_sk_storage_get(&sock_peer, sk, 0, 0);
	int found = 0;

	if (!p)
		return 0;
	bpf_spin_lock(&p->lock);
#pragma unroll
	for (__u32 i = 0; i < PEERS; i++)
		if (!found && same(&p->pair[i].used, used)) {
			*asked = p->pair[i].asked;
			found = 1;
		}
	bpf_spin_unlock(&p->lock);
	return found;
}

static __always_inline int refuse(int code)
{
	if (can_set_retval)
		bpf_set_retval(-code);
	return 0;
}

static __always_inline int ours(struct bpf_sock_addr *ctx)
{
	return bpf_get_netns_cookie(ctx) == netns_cookie;
}

/* ---- connect, sendmsg --------------------------------------------------- */

/* A connection to the published port @d.  A packet may come in between on this
 * processor and count as well. */
static __always_inline void count_flow(const struct sock_dst *d)
{
	__u32 index = sock_dst_stat(d);
	struct nat_stat *s = 0;

	if (index)
		s = bpf_map_lookup_elem(&nat_stat, &index);
	if (s)
		__sync_fetch_and_add(&s->flows, 1);
}

static __always_inline int out4(struct bpf_sock_addr *ctx, int sending)
{
	struct bpf_sock *sk = ctx->sk;
	struct place asked, to;
	struct sock_dst d;

	set_v4(&asked, ctx->user_ip4, ctx->user_port);
	if (!sk || (!loopback4(ctx->user_ip4) && !is_host(&asked)) ||
	    !ours(ctx))
		return 1;
	if (loopback4(sk->src_ip4))
		return 1;
	if (find(&asked, (__u8)ctx->protocol, &d) < 0 ||
	    !choose(ctx, &d, &asked, &to))
		return 1;
	if (!sending)
		count_flow(&d);
	remember(sk, &asked, &to);
	ctx->user_ip4 = to.addr[3];
	ctx->user_port = to.port;
	return 1;
}

static __always_inline void read6(struct bpf_sock_addr *ctx, struct place *p)
{
	p->addr[0] = ctx->user_ip6[0];
	p->addr[1] = ctx->user_ip6[1];
	p->addr[2] = ctx->user_ip6[2];
	p->addr[3] = ctx->user_ip6[3];
	p->port = ctx->user_port;
}

static __always_inline void write6(struct bpf_sock_addr *ctx,
				   const struct place *p)
{
	ctx->user_ip6[0] = p->addr[0];
	ctx->user_ip6[1] = p->addr[1];
	ctx->user_ip6[2] = p->addr[2];
	ctx->user_ip6[3] = p->addr[3];
	ctx->user_port = p->port;
}

/* May a socket bound like this send to @to? */
static __always_inline int source_fits(struct bpf_sock *sk,
				       const struct place *to)
{
	struct place src = {
		.addr = { sk->src_ip6[0], sk->src_ip6[1], sk->src_ip6[2],
			  sk->src_ip6[3] },
	};

	if ((src.addr[0] | src.addr[1] | src.addr[2] | src.addr[3]) == 0)
		return 1;
	return !is_loopback(&src) && !is_v4(&src) == !is_v4(to);
}

static __always_inline int out6(struct bpf_sock_addr *ctx, int sending)
{
	struct bpf_sock *sk = ctx->sk;
	struct place asked, to;
	struct sock_dst d;

	read6(ctx, &asked);
	if (!sk || (!is_loopback(&asked) && !is_host(&asked)) || !ours(ctx))
		return 1;
	if (find(&asked, (__u8)ctx->protocol, &d) < 0 ||
	    !choose(ctx, &d, &asked, &to) || !source_fits(sk, &to))
		return 1;
	/* the kernel can't turn one datagram of an IPv6 socket into IPv4 */
	if (sending && is_v4(&to))
		return refuse(ECONNREF);
	if (!sending)
		count_flow(&d);
	remember(sk, &asked, &to);
	write6(ctx, &to);
	return 1;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx)
{
	return out4(ctx, 0);
}

SEC("cgroup/connect6")
int sock_connect6(struct bpf_sock_addr *ctx)
{
	return out6(ctx, 0);
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx)
{
	return out4(ctx, 1);
}

SEC("cgroup/sendmsg6")
int sock_sendmsg6(struct bpf_sock_addr *ctx)
{
	return out6(ctx, 1);
}

/* ---- recvmsg, getpeername ----------------------------------------------- */

static __always_inline int back4(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct place used, asked;

	if (!sk)
		return 1;
	set_v4(&used, ctx->user_ip4, ctx->user_port);
	if (recall(sk, &used, &asked) && is_v4(&asked)) {
		ctx->user_ip4 = asked.addr[3];
		ctx->user_port = asked.port;
	}
	return 1;
}

static __always_inline int back6(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct place used, asked;

	if (!sk)
		return 1;
	read6(ctx, &used);
	if (recall(sk, &used, &asked))
		write6(ctx, &asked);
	return 1;
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx)
{
	return back4(ctx);
}

SEC("cgroup/recvmsg6")
int sock_recvmsg6(struct bpf_sock_addr *ctx)
{
	return back6(ctx);
}

SEC("cgroup/getpeername4")
int sock_getpeername4(struct bpf_sock_addr *ctx)
{
	return back4(ctx);
}

SEC("cgroup/getpeername6")
int sock_getpeername6(struct bpf_sock_addr *ctx)
{
	return back6(ctx);
}

/* ---- bind --------------------------------------------------------------- */

static __always_inline int held(const struct place *p, __u8 proto)
{
	struct sock_prefix k;

	key_of(&k, p, proto);
	return bpf_map_lookup_elem(&sock_held, &k) != 0;
}

/* @at with each address that stands for what a bind to it would meet. */
static __always_inline int held4(__u32 ip, __u32 port, __u8 proto)
{
	struct place p;

	set_v4(&p, ip, port);
	if (held(&p, proto))
		return 1;
	p.addr[3] = ip == 0 ? bpf_htonl(0xffffffff) : 0;
	return held(&p, proto);
}

static __always_inline int held6(const struct place *at, __u8 proto)
{
	__u32 any = at->addr[0] | at->addr[1] | at->addr[2] | at->addr[3];
	__u32 fill = any ? 0 : bpf_htonl(0xffffffff);
	struct place p = *at;

	if (is_v4(at))
		return held4(at->addr[3], at->port, proto);
	if (held(at, proto))
		return 1;
	p.addr[0] = p.addr[1] = p.addr[2] = p.addr[3] = fill;
	if (held(&p, proto))
		return 1;
	return !any && held4(0, at->port, proto);
}

static __always_inline int may_bind(struct bpf_sock_addr *ctx)
{
	struct bpf_sock *sk = ctx->sk;

	/* port 0: ip_local_reserved_ports keeps the kernel off our ports */
	return ctx->user_port == 0 || !ours(ctx) ||
	       (sk && sk->mark == claim_mark);
}

/* Whatever the address. */
static __always_inline int held_any(struct bpf_sock_addr *ctx)
{
	__u32 port = bpf_ntohs((__u16)ctx->user_port), at = port / 64;
	const __u64 *word;

	if (ctx->protocol == IPPROTO_UDP)
		at += SOCK_PORT_WORDS;
	else if (ctx->protocol != IPPROTO_TCP)
		return 0;
	word = bpf_map_lookup_elem(&sock_port, &at);
	return word && (*word >> port % 64 & 1);
}

SEC("cgroup/bind4")
int sock_bind4(struct bpf_sock_addr *ctx)
{
	if (may_bind(ctx) ||
	    (!held_any(ctx) &&
	     !held4(ctx->user_ip4, ctx->user_port, (__u8)ctx->protocol)))
		return 1;
	return refuse(EADDRINUSE);
}

SEC("cgroup/bind6")
int sock_bind6(struct bpf_sock_addr *ctx)
{
	struct place at;

	if (may_bind(ctx))
		return 1;
	read6(ctx, &at);
	if (!held_any(ctx) && !held6(&at, (__u8)ctx->protocol))
		return 1;
	return refuse(EADDRINUSE);
}

char LICENSE[] SEC("license") = "GPL";
