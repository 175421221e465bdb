/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow.h - the flows' maps, and a flow's life.
 *
 *            SYN             SYN ACK              ACK
 *   (none) ------> NAT_HALF --------> NAT_REPLIED -----> NAT_OPEN
 *                     |                   |                | both FIN, or RST
 *                     +-------RST---------+-> NAT_CLOSING <+
 *
 * TCP's third packet is an ACK of the second one's number: who did not see that, as
 * his source is forged, establishes nothing.
 *
 * A RST is taken for what it is where the other side would take it: its sequence
 * number is what that side acknowledged last.  Any other one is passed on, and
 * changes something only where the flow is established: it may give way from then
 * on, idles as long as before, and is established again by what goes on.
 *
 * HALF, REPLIED and CLOSING may give way (young_enter()), OPEN never does.  UDP is
 * the same with any packet for SYN, an answer, and one more packet two seconds
 * later: what was asked and answered at once is never established.  Nor are ICMP
 * echoes.
 *
 * The two entries of a flow are entered and removed together.  What is of both is
 * changed by who had the state of the first one changed; flow_begins() mends what
 * two processors make of it all the same.
 */
#ifndef BPF_LIB_FLOW_H
#define BPF_LIB_FLOW_H

#include <linux/errno.h>

#include "bpf/lib/packet.h"
#include "bpf/lib/share.h"

#define MASQ_TRIES  16
#define CLASH_TRIES 8
#define ACK_MOST \
	65536u /* bytes that a third packet may acknowledge: what came
			    * with the SYN ACK (TCP Fast Open) */

extern const volatile __u32 young_max;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_FLOW_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nat_tuple);
	__type(value, struct nat_flow);
} nat_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAT_NEW_MAX / 2);
	__type(key, __u32);
	__type(value, struct nat_young);
} nat_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nat_turn SEC(".maps");

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
	struct nat_tuple key; /* of the other direction */
	struct nat_tuple oldest, other; /* of one that is removed */
	struct nat_tuple in, out;       /* of an ICMP error */
	__u32 inside;      /* NAT_INSIDE: it came out of a container */
	__u32 over, stale; /* .p's tuple, .key: there is a flow, to be
			    * removed for the new one */
	__u32 again;       /* it was half known */
	__u32 now;         /* seconds */
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

/* w->p has been read. */
static __always_inline void work_begin(struct work *w, __u32 inside)
{
	w->inside = inside;
	w->over = w->again = 0;
	w->now = now_seconds();
}

static __always_inline struct nat_flow *flow_find(const struct nat_tuple *t)
{
	return bpf_map_lookup_elem(&nat_flows, t);
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

/* Fill in a later fragment's ports. Return: 0; -1: its first was not seen, or so
 * long ago that the number is another packet's by now. */
static __noinline int frag_follow(struct work *w)
{
	struct packet *p = &w->p;
	struct nat_frag_key k;
	const struct nat_frag *f;

	frag_key(p, &k);
	f = bpf_map_lookup_elem(&nat_frag, &k);
	if (!f || w->now - f->seen > NAT_FRAG_LASTS)
		return -1;
	p->t.sport = f->sport;
	p->t.dport = f->dport;
	return 0;
}

static __noinline void frag_remember(const struct work *w)
{
	const struct packet *p = &w->p;
	struct nat_frag f = { .sport = p->t.sport,
			      .dport = p->t.dport,
			      .seen = w->now };
	struct nat_frag_key k;

	frag_key(p, &k);
	/* no memory: the later ones go to the stack, which drops them */
	(void)bpf_map_update_elem(&nat_frag, &k, &f, BPF_ANY);
}

/* ---- death --------------------------------------------------------------- */

static __always_inline struct nat_flow *pair_find(struct work *w)
{
	pair_of(&w->f, &w->key);
	return flow_find(&w->key);
}

/* The flow of @turn is no more: its place is free, so that nobody looks for it. */
static __always_inline void young_free(__u32 turn)
{
	__u32 at = turn % young_max;
	struct nat_young *y = bpf_map_lookup_elem(&nat_ring, &at);

	if (y && y->turn == turn)
		y->key.proto = 0;
}

/* Remove one entry of a flow that is NAT_GONE: @f, by @key.  Older kernels refuse
 * where they interrupt work on the same bucket: then it counts for nothing, and a
 * SYN, who needs its tuple or the daemon's walk try again. */
static __always_inline void entry_remove(const struct nat_tuple *key,
					 struct nat_flow *f)
{
	long r = bpf_map_delete_elem(&nat_flows, key);

	if (r < 0 && r != -ENOENT)
		f->state = NAT_CLOSING;
}

/* Remove the flow one of whose entries is @f, by @key; @young: unless it is
 * established.  Nobody does so twice. */
static __noinline void flow_remove(struct work *w, const struct nat_tuple *key,
				   struct nat_flow *f, int young)
{
	const struct nat_tuple *first_key;
	struct nat_flow *pair, *first;
	__u32 was;

	pair_of(f, &w->other);
	pair = flow_find(&w->other);
	first = f;
	first_key = key;
	if (pair && !(f->flags & NAT_FORWARD)) {
		first = pair;
		first_key = &w->other;
	}
	was = *(volatile __u32 *)&first->state;
	if (was == NAT_GONE || (young && was == NAT_OPEN) ||
	    __sync_val_compare_and_swap(&first->state, was, NAT_GONE) != was)
		return;
	/* the map gives a removed entry to another flow at once: whose is it? */
	if (flow_find(first_key) != first) {
		__sync_val_compare_and_swap(&first->state, NAT_GONE, was);
		return;
	}
	if (was == NAT_OPEN) {
		share_add(f, -1);
		if (pair)
			share_add(pair, -1);
	}
	if (first->flags & NAT_FORWARD) /* not where the answers' is alone */
		young_free(first->turn);
	if (pair)
		entry_remove(&w->other, pair);
	entry_remove(key, f);
}

/* Who is at @y, if it still is, and is not established. */
static __always_inline void young_leave(struct work *w,
					const struct nat_young *y)
{
	struct nat_flow *f;

	if (!y->key.proto)
		return;
	f = flow_find(&y->key);
	if (!f || f->turn != y->turn || !(f->flags & NAT_FORWARD) ||
	    f->state == NAT_OPEN)
		return;
	__builtin_memcpy(&w->oldest, &y->key, sizeof(w->oldest));
	flow_remove(w, &w->oldest, f, 1);
}

/* Give the flow with @key a place among those that may give way; whoever has had
 * it longest does.  Return: its turn. */
static __noinline __u32 young_enter(struct work *w, const struct nat_tuple *key)
{
	__u32 zero = 0, turn, at;
	__u32 *next = bpf_map_lookup_elem(&nat_turn, &zero);
	struct nat_young *y;

	if (!next)
		return 0;
	turn = __sync_fetch_and_add(next, 1);
	at = turn % young_max;
	y = bpf_map_lookup_elem(&nat_ring, &at);
	if (!y)
		return turn;
	young_leave(w, y);
	__builtin_memcpy(&y->key, key, sizeof(y->key));
	y->turn = turn;
	return turn;
}

/* It closes: is its place as a young one its own still, and for a while? */
static __always_inline void young_again(struct work *w, struct nat_flow *first,
					const struct nat_tuple *key)
{
	__u32 zero = 0;
	const __u32 *next = bpf_map_lookup_elem(&nat_turn, &zero);

	if (!next ||
	    *(const volatile __u32 *)next - first->turn <= young_max / 2)
		return;
	/* the next place may be this very one: who has it must not give way */
	young_free(first->turn);
	first->turn = young_enter(w, key);
}

/* ---- birth --------------------------------------------------------------- */

/* Is w->key free for the answers of a new flow that w->p begins? */
static __noinline int is_free(struct work *w)
{
	const struct nat_tuple *first = &w->p.t;
	const struct nat_flow *f = flow_find(&w->key);

	w->stale = f != 0;
	if (!f || f->state == NAT_CLOSING)
		return 1;
	/* what is left of an earlier try of the same */
	return f->state != NAT_OPEN && addr_same(f->to.daddr, first->saddr) &&
	       addr_same(f->to.saddr, first->daddr) &&
	       f->to.dport == first->sport && f->to.sport == first->dport;
}

/* flow_add() - enter the new flow w->f and w->back, which w->p begins and whose
 * answers are free (is_free() looked last). */
static __noinline int flow_add(struct work *w)
{
	struct nat_flow *f;
	int r;

	pair_of(&w->f, &w->key);
	f = w->over ? flow_find(&w->p.t) : 0;
	if (f)
		flow_remove(w, &w->p.t, f, 0);
	f = w->stale ? flow_find(&w->key) : 0;
	if (f)
		flow_remove(w, &w->key, f, 0);
	tuple_reverse(&w->back.to, &w->p.t);
	w->f.state = w->back.state = NAT_HALF;
	w->f.flags |= NAT_FORWARD;
	w->f.seen = w->back.seen = w->now;
	w->f.born = w->back.born = w->now;
	w->back.ack = w->p.seq + 1; /* TCP: a SYN */
	w->f.turn = young_enter(w, &w->p.t);
	r = bpf_map_update_elem(&nat_flows, &w->key, &w->back, BPF_ANY);
	if (r < 0)
		return r;
	r = bpf_map_update_elem(&nat_flows, &w->p.t, &w->f, BPF_ANY);
	if (r < 0)
		(void)bpf_map_delete_elem(&nat_flows, &w->key);
	else
		count(NAT_COUNT_FLOW);
	return r;
}

/* flow_begins() - does packet w->p, no ICMP error, begin a flow of its own where
 * @f is, as that has come to an end, or is not known whole?  flow_add() puts it in
 * its place. */
static __always_inline int flow_begins(struct work *w, const struct nat_flow *f)
{
	int tcp = w->p.t.proto == IPPROTO_TCP;

	if ((f->flags & NAT_INSIDE) != w->inside)
		return 0;
	if (tcp ? f->state == NAT_OPEN ||
			    (w->p.tcp_flags & (TCP_SYN | TCP_ACK)) != TCP_SYN
		: !(f->flags & NAT_FORWARD) || f->seen == w->now ||
			    w->p.frag == FRAG_LATER)
		return 0;
	/* without TCP there is no SYN to look at, but once a second */
	if (!tcp || f->state != NAT_CLOSING) {
		pair_of(f, &w->key);
		if (flow_find(&w->key))
			return 0;
		w->again = 1;
	}
	w->over = 1;
	return 1;
}

/* ---- life ---------------------------------------------------------------- */

/* Move the flow, whose entry in the map is @f, to @next.  Return: 0; why the
 * packet is to be dropped. */
static __noinline __u32 flow_move(struct work *w, struct nat_flow *f,
				  __u32 next)
{
	struct nat_flow *pair = pair_find(w);
	__u32 forward = f->flags & NAT_FORWARD, was;
	struct nat_flow *first;

	if (!pair)
		return 0; /* gave way: the flow begins anew or ends */
	first = forward ? f : pair;
	was = *(volatile __u32 *)&first->state;
	if (was == NAT_GONE)
		return 0;
	if (was != next) {
		if (next == NAT_OPEN &&
		    (share_is_spent(f) || share_is_spent(pair)))
			return NAT_DROP_SHARE;
		if (__sync_val_compare_and_swap(&first->state, was, next) !=
		    was)
			return 0; /* the next packet, then */
		if (was == NAT_OPEN || next == NAT_OPEN) {
			share_add(f, next == NAT_OPEN ? 1 : -1);
			share_add(pair, next == NAT_OPEN ? 1 : -1);
		}
		if (next == NAT_CLOSING)
			young_again(w, first, forward ? &w->p.t : &w->key);
	}
	/* nobody may have changed the first one's since but by another swap */
	if (forward)
		pair->state = next;
	else
		f->state = next;
	return 0;
}

static __always_inline void tcp_doubt(struct nat_flow *f, struct nat_flow *pair,
				      int on)
{
	f->tcp = (__u8)(on ? f->tcp | NAT_TCP_DOUBT : f->tcp & ~NAT_TCP_DOUBT);
	pair->tcp = (__u8)(on ? pair->tcp | NAT_TCP_DOUBT
			      : pair->tcp & ~NAT_TCP_DOUBT);
}

/* A RST. */
static __noinline __u32 tcp_breaks(struct work *w, struct nat_flow *f)
{
	struct nat_flow *pair = pair_find(w);

	/* what refuses a SYN acknowledges it; who sent the SYN says nothing by
	 * a RST: no answer was needed for that, so no true address either */
	if (f->state == NAT_HALF)
		return !(f->flags & NAT_FORWARD) && w->p.tcp_flags & TCP_ACK &&
				       w->p.ack == f->ack
			       ? NAT_CLOSING
			       : NAT_HALF;
	if (!pair)
		return f->state;
	if (w->p.seq == pair->ack) {
		tcp_doubt(f, pair, 0);
		return NAT_CLOSING;
	}
	if (f->state != NAT_OPEN)
		return f->state;
	tcp_doubt(f, pair, 1);
	return NAT_CLOSING;
}

static __always_inline __u32 tcp_next(struct work *w, struct nat_flow *f)
{
	__u8 flags = w->p.tcp_flags;
	struct nat_flow *pair;

	if (flags & TCP_RST)
		return tcp_breaks(w, f);
	if (flags & TCP_ACK && f->state >= NAT_OPEN && f->ack != w->p.ack)
		f->ack = w->p.ack;
	if (flags & TCP_FIN)
		f->flags |= NAT_FIN;
	if (f->flags & NAT_FIN &&
	    (f->state != NAT_CLOSING || f->tcp & NAT_TCP_DOUBT)) {
		pair = pair_find(w);
		if (pair && pair->flags & NAT_FIN) {
			tcp_doubt(f, pair, 0);
			return NAT_CLOSING;
		}
	}
	/* it goes on after a RST: that was not the other side's */
	if (f->state == NAT_CLOSING && f->tcp & NAT_TCP_DOUBT &&
	    (flags & (TCP_ACK | TCP_SYN)) == TCP_ACK)
		return NAT_OPEN;
	return f->state;
}

/* The answers' side says where its numbers begin: SYN ACK, also the same again. */
static __always_inline void tcp_begins(struct work *w, struct nat_flow *f)
{
	struct nat_flow *pair;

	if (!(w->p.tcp_flags & TCP_SYN) || f->flags & NAT_FORWARD ||
	    f->state > NAT_REPLIED)
		return;
	if (w->p.tcp_flags & TCP_ACK)
		f->ack = w->p.ack; /* of data in the SYN, too */
	pair = pair_find(w);
	if (pair)
		pair->ack = w->p.seq + 1;
}

/* Does the packet, no RST, answer who began the flow? */
static __always_inline int answers(const struct work *w,
				   const struct nat_flow *f)
{
	return f->state == NAT_HALF && !(f->flags & NAT_FORWARD) &&
	       (w->p.t.proto != IPPROTO_TCP || w->p.tcp_flags & TCP_SYN);
}

/* Does it, of who began the flow, go on after an answer? */
static __always_inline int establishes(const struct work *w,
				       const struct nat_flow *f)
{
	if (f->state != NAT_REPLIED || !(f->flags & NAT_FORWARD))
		return 0;
	if (w->p.t.proto != IPPROTO_TCP)
		return w->now - f->born >= NAT_UDP_LASTS;
	return (w->p.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_ACK &&
	       w->p.ack - f->ack < ACK_MOST;
}

/* The answers' side goes on, too: until then the flow may be one without a
 * connection, as the checksum of what established it is not looked at. */
static __always_inline void speaks(struct work *w, struct nat_flow *f)
{
	struct nat_flow *pair;

	if (f->state != NAT_OPEN || f->flags & NAT_FORWARD ||
	    f->tcp & NAT_TCP_SPOKE || w->p.tcp_flags & (TCP_SYN | TCP_RST))
		return;
	f->tcp |= NAT_TCP_SPOKE;
	pair = pair_find(w);
	if (pair)
		pair->tcp |= NAT_TCP_SPOKE;
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
	struct nat_flow *pair;
	__u32 next = f->state;

	if (f->seen != w->now)
		f->seen = w->now;
	if (p->frag == FRAG_LATER || p->icmp)
		return 0;
	if (p->t.proto == IPPROTO_TCP) {
		next = tcp_next(w, f);
		tcp_begins(w, f);
		speaks(w, f);
	}
	if (!(p->tcp_flags & TCP_RST) && next == f->state) {
		if (answers(w, f)) {
			f->state = NAT_REPLIED;
			pair = pair_find(w);
			if (pair && pair->state == NAT_HALF)
				pair->state = NAT_REPLIED;
			return 0;
		}
		if (establishes(w, f))
			next = NAT_OPEN;
	}
	return next == f->state ? 0 : flow_move(w, f, next);
}

#endif
