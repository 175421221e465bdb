/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * begin.h - new flows: what begins one, which published port it is to, who gets it, and
 * that no other has its tuple.
 */
#ifndef BPF_LIB_BEGIN_H
#define BPF_LIB_BEGIN_H

#include "bpf/lib/flow.h"
#include "bpf/lib/pool.h"
#include "bpf/lib/published.h"
#include "bpf/lib/ways.h"

/* Is it the first packet of something, or of what is half known? */
static __always_inline int begins(struct __sk_buff *skb, const struct work *w)
{
	const struct packet *p = &w->p;
	__u8 chunk;

	if (p->frag == FRAG_LATER)
		return 0;
	if (p->t.proto == IPPROTO_TCP)
		return (p->tcp_flags &
			(TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	if (p->t.proto == IPPROTO_UDP)
		return 1;
	if (w->again)
		return p->t.proto == PROTO_SCTP;
	return p->t.proto == PROTO_SCTP &&
	       bpf_skb_load_bytes(skb, p->l4 + 12, &chunk, 1) == 0 &&
	       chunk == 1; /* INIT */
}

/* Where does the published port that @t goes to lead?  Return: 0; -1: there is
 * none. */
static __always_inline int find_publish(const struct nat_tuple *t, __u8 v6,
					struct sock_dst *ret)
{
	struct sock_prefix k = { .bits = SOCK_KEY_BITS + 16 };

	addr_copy(k.key.addr, t->daddr);
	k.key.proto = t->proto;
	k.key.port = t->dport;
	return published_find(&k, v6, ret);
}

/* Is that port published?  A function, or the verifier would look at it once for each
 * of choose_port()'s tries.  (@t: of the caller's, which it does not know.) */
__noinline int is_published(const struct nat_tuple *t, __u32 v6)
{
	struct sock_dst d;

	return t && find_publish(t, (__u8)v6, &d) == 0;
}

/* One connection, one backend: which one depends on its tuple alone. */
static __always_inline __u32 hash_tuple(const struct nat_tuple *t)
{
	__u32 h = t->sport | (__u32)t->dport << 16;

	h = pool_hash(pool_hash(h, t->saddr[0]), t->saddr[1]);
	h = pool_hash(pool_hash(h, t->saddr[2]), t->saddr[3]);
	h = pool_hash(pool_hash(h, t->daddr[2]), t->daddr[3]);
	return pool_hash(h, t->proto);
}

/* Fill in who gets it.  Return: NULL: nobody that we know of. */
static __always_inline const struct nat_ep *
find_container(const struct packet *p, const struct sock_dst *d,
	       struct nat_tuple *to)
{
	struct sock_backend at;

	if (pool_resolve(
		    d, sock_dst_kind(d) == SOCK_TO_POOL ? hash_tuple(&p->t) : 0,
		    bpf_ntohs(p->t.dport), &at) < 0)
		return 0;
	__builtin_memcpy(to, &p->t, sizeof(*to));
	if (p->v6)
		addr_copy(to->daddr, at.ip6);
	else
		addr_v4(to->daddr, at.ip4);
	to->dport = bpf_htons(at.port);
	if (p->t.proto == PROTO_SCTP && to->dport != p->t.dport)
		return 0;
	return bpf_map_lookup_elem(&nat_ep, to->daddr);
}

static __always_inline void to_endpoint(struct nat_flow *f,
					const struct nat_ep *ep)
{
	f->flags |= NAT_PEER;
	if (ep->flags & NAT_EP_RATED)
		f->flags |= NAT_RATED;
	f->ifindex = ep->ifindex;
	f->to_stat = (__u16)ep->stat;
	__builtin_memcpy(f->dmac, ep->mac, 6);
	__builtin_memcpy(f->smac, ep->bridge_mac, 6);
}

/* Two clients, as it were, with one tuple behind the translation: the later one
 * gets another source port. */
static __always_inline int settle_clash(struct work *w)
{
	/* Linux 6.1 refuses a loop that is fallen into from its end */
#pragma unroll
	for (int i = 0; i < CLASH_TRIES; i++) {
		pair_of(&w->f, &w->key);
		if (is_free(w))
			return 0;
		if (w->p.t.proto == PROTO_SCTP)
			return -1;
		w->f.to.sport = bpf_htons(
			(__u16)(1024 + bpf_get_prandom_u32() % 31744));
	}
	return -1;
}

static __always_inline void prepare(struct work *w, __u8 flags, __u8 back)
{
	__builtin_memset(&w->f, 0, sizeof(w->f));
	__builtin_memset(&w->back, 0, sizeof(w->back));
	w->f.flags = flags;
	w->back.flags = back;
}

/* Enter the flow and send its first packet on. */
static __noinline int begin(struct __sk_buff *skb, struct work *w)
{
	const struct packet *p = &w->p;

	w->f.from_stat = w->back.to_stat;
	w->back.from_stat = w->f.to_stat;
	w->back.port_stat = w->f.port_stat;
	if (too_fast(skb, &w->f))
		return drop(skb, w, NAT_DROP_RATE);
	if (flow_add(w) < 0)
		return refuse(skb, w, NAT_DROP_FULL);
	stat_flow(&w->f);
	if (p->frag == FRAG_FIRST)
		frag_remember(w);
	if (rewrite(skb, p, &w->f.to) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	return onward(skb, w);
}

#endif
