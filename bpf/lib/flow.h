/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.h - the flows' maps, and a flow's life.
 *
 *            SYN             SYN ACK              ACK
 *   (none) ------> NAT_HALF --------> NAT_REPLIED -----> NAT_OPEN
 *                     |                   |                | both FIN, or RST
 *                     +-------RST---------+-> NAT_CLOSING <+
 *
 * HALF, REPLIED and CLOSING are in nat_new, OPEN in nat_est (and, as it was
 * before, in nat_new, until it gives way there).  UDP is the same
 * with any packet for SYN, an answer, and one more packet two seconds later: what
 * was asked and answered at once never gets into nat_est.  ICMP echoes stay in nat_new.
 *
 * The two entries of a flow are changed one after the other, without a lock: of
 * two processors that do so at once the later one wins, in the same state.
 */
#ifndef BPF_LIB_FLOW_H
#define BPF_LIB_FLOW_H

#include "bpf/lib/packet.h"
#include "bpf/lib/share.h"

#define MASQ_TRIES  16
#define CLASH_TRIES 8

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NAT_NEW_MAX);
	__type(key, struct nat_tuple);
	__type(value, struct nat_flow);
} nat_new SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NAT_FRAG_MAX);
	__type(key, struct nat_frag_key);
	__type(value, struct nat_frag);
} nat_frag SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAT_COUNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} nat_count SEC(".maps");

/* What does not fit the stack of 512 bytes.  A processor runs one program at a
 * time at these hooks. */
struct work {
	struct packet p;
	struct nat_flow f;    /* of the packet's direction, as it goes into the
			       * map or came out of it */
	struct nat_flow back; /* of the answers */
	struct nat_tuple key; /* for a look */
	struct nat_tuple in, out; /* of an ICMP error */
	__u32 inside;             /* NAT_INSIDE: it came out of a container */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} nat_work SEC(".maps");

static __always_inline struct work *work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_work, &zero);
}

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&nat_count, &what);

	if (n)
		(*n)++;
}

static __always_inline __u32 now_seconds(void)
{
	return (__u32)(bpf_ktime_get_coarse_ns() / 1000000000ull);
}

static __always_inline struct nat_flow *flow_find(const struct nat_tuple *t)
{
	struct nat_flow *f = bpf_map_lookup_elem(&nat_est, t);

	return f ? f : bpf_map_lookup_elem(&nat_new, t);
}

static __always_inline void pair_of(const struct nat_flow *f,
				    struct nat_tuple *ret)
{
	tuple_reverse(ret, &f->to);
}

/* ---- fragments ----------------------------------------------------------- */

static __always_inline void frag_key(const struct packet *p,
				     struct nat_frag_key *k)
{
	addr_copy(k->saddr, p->t.saddr);
	addr_copy(k->daddr, p->t.daddr);
	k->id = p->frag_id;
	k->proto = p->t.proto;
	k->pad[0] = k->pad[1] = k->pad[2] = 0;
}

/* Fill in a later fragment's ports. Return: 0; -1: its first was not seen. */
static __always_inline int frag_follow(struct packet *p)
{
	struct nat_frag_key k;
	const struct nat_frag *f;

	frag_key(p, &k);
	f = bpf_map_lookup_elem(&nat_frag, &k);
	if (!f)
		return -1;
	p->t.sport = f->sport;
	p->t.dport = f->dport;
	return 0;
}

static __always_inline void frag_remember(const struct packet *p)
{
	struct nat_frag f = { .sport = p->t.sport, .dport = p->t.dport };
	struct nat_frag_key k;

	frag_key(p, &k);
	/* no memory: the later ones go to the stack, which drops them */
	(void)bpf_map_update_elem(&nat_frag, &k, &f, BPF_ANY);
}

/* ---- birth --------------------------------------------------------------- */

/* Is w->key free for the answers of a new flow that w->p begins? */
static __always_inline int is_free(struct work *w)
{
	const struct nat_tuple *first = &w->p.t;
	const struct nat_flow *f = bpf_map_lookup_elem(&nat_est, &w->key);

	if (f)
		return 0;
	f = bpf_map_lookup_elem(&nat_new, &w->key);
	if (!f || f->state == NAT_CLOSING)
		return 1;
	/* what is left of an earlier try of the same */
	return addr_same(f->to.daddr, first->saddr) &&
	       addr_same(f->to.saddr, first->daddr) &&
	       f->to.dport == first->sport && f->to.sport == first->dport;
}

/* flow_add() - enter the new flow w->f and w->back, which w->p begins and whose
 * answers are free. */
static __always_inline int flow_add(struct work *w)
{
	int r;

	pair_of(&w->f, &w->key);
	tuple_reverse(&w->back.to, &w->p.t);
	w->f.state = w->back.state = NAT_HALF;
	w->f.flags |= NAT_FORWARD;
	w->f.seen = w->back.seen = now_seconds();
	w->f.born = w->back.born = w->f.seen;
	r = bpf_map_update_elem(&nat_new, &w->key, &w->back, BPF_ANY);
	if (r == 0)
		r = bpf_map_update_elem(&nat_new, &w->p.t, &w->f, BPF_ANY);
	if (r == 0)
		count(NAT_COUNT_FLOW);
	return r;
}

/* ---- life ---------------------------------------------------------------- */

static __always_inline struct nat_flow *pair_find(struct work *w)
{
	pair_of(&w->f, &w->key);
	return flow_find(&w->key);
}

/* Have @f in nat_new.  It mostly is there still, and changing it costs less than
 * another entry, for which an old one must be found that gives way. */
static __always_inline void keep_new(const struct nat_tuple *key,
				     const struct nat_flow *f)
{
	struct nat_flow *old = bpf_map_lookup_elem(&nat_new, key);

	if (!old) {
		(void)bpf_map_update_elem(&nat_new, key, f, BPF_ANY);
		return;
	}
	old->state = f->state;
	old->flags = f->flags;
	old->seen = f->seen;
}

/* Move both entries to @state, and to the map where it belongs.  Return: 0; why
 * the packet is to be dropped: no room. */
static __always_inline __u32 flow_move(struct work *w, __u8 state)
{
	const struct nat_flow *pair = pair_find(w);

	if (!pair)
		return 0; /* gave way: the flow begins anew or ends */
	__builtin_memcpy(&w->back, pair, sizeof(w->back));
	w->f.state = w->back.state = state;
	if (state == NAT_OPEN) {
		if (share_is_spent(&w->f) || share_is_spent(&w->back))
			return NAT_DROP_SHARE;
		if (est_put(&w->key, &w->back) < 0)
			return NAT_DROP_FULL;
		if (est_put(&w->p.t, &w->f) < 0) {
			est_drop(&w->key, &w->back);
			return NAT_DROP_FULL;
		}
		/* what is in nat_new gives way in time */
		return 0;
	}
	keep_new(&w->key, &w->back);
	keep_new(&w->p.t, &w->f);
	est_drop(&w->key, &w->back);
	est_drop(&w->p.t, &w->f);
	return 0;
}

/* The flow of packet w->p is no more: the next one begins another. */
static __always_inline void flow_end(struct work *w)
{
	const struct nat_flow *pair = pair_find(w);

	if (pair) {
		__builtin_memcpy(&w->back, pair, sizeof(w->back));
		est_drop(&w->key, &w->back);
	}
	est_drop(&w->p.t, &w->f);
	(void)bpf_map_delete_elem(&nat_new, &w->key);
	(void)bpf_map_delete_elem(&nat_new, &w->p.t);
}

static __always_inline __u8 tcp_next(struct work *w, struct nat_flow *f)
{
	__u8 flags = w->p.tcp_flags;
	const struct nat_flow *pair;

	/* of a question that nobody answered it says nothing, and an ACK
	 * behind it must not look like going on: no answer was needed for
	 * that, so no true address either */
	if (flags & TCP_RST)
		return f->state == NAT_HALF && f->flags & NAT_FORWARD
			       ? NAT_HALF
			       : NAT_CLOSING;
	if (flags & TCP_FIN && !(f->flags & NAT_FIN)) {
		f->flags |= NAT_FIN;
		pair = pair_find(w);
		if (pair && pair->flags & NAT_FIN)
			return NAT_CLOSING;
	}
	/* it goes on after a RST: that was not the other side's */
	if (f->state == NAT_CLOSING && !(f->flags & NAT_FIN) &&
	    (flags & (TCP_ACK | TCP_SYN)) == TCP_ACK)
		return NAT_OPEN;
	return f->state;
}

/*
 * flow_step() - packet w->p of the flow came: @f is its entry in the map, w->f
 * a copy of that.
 * Return: 0; why the packet is to be dropped: no room for one more established
 * flow.
 */
static __always_inline __u32 flow_step(struct work *w, struct nat_flow *f)
{
	const struct packet *p = &w->p;
	__u32 now = now_seconds();
	struct nat_flow *pair;
	__u8 next = f->state;

	if (f->seen != now)
		f->seen = w->f.seen = now;
	if (p->frag == FRAG_LATER || p->icmp)
		return 0;
	if (p->t.proto == IPPROTO_TCP) {
		next = tcp_next(w, f);
		w->f.flags = f->flags;
	}
	if (f->state == NAT_HALF && next == NAT_HALF &&
	    !(f->flags & NAT_FORWARD)) {
		f->state = NAT_REPLIED;
		pair = pair_find(w);
		if (pair && pair->state == NAT_HALF)
			pair->state = NAT_REPLIED;
		return 0;
	}
	if (f->state == NAT_REPLIED && next == NAT_REPLIED &&
	    f->flags & NAT_FORWARD && !(p->tcp_flags & TCP_SYN) &&
	    (p->t.proto == IPPROTO_TCP || now - f->born >= NAT_UDP_LASTS))
		next = NAT_OPEN;
	return next == f->state ? 0 : flow_move(w, next);
}

#endif
