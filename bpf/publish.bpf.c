// SPDX-License-Identifier: GPL-2.0
/*
 * publish.bpf.c - published ports and masquerade at the tc hooks: a packet goes
 * from the wire into the container, and back, past bridge, routing, netfilter
 * and conntrack.
 *
 * publish_uplink runs where packets come into the host, publish_endpoint where
 * they leave a container.  What is of no flow of ours and begins none, and what
 * can't be done here (a device without Ethernet header, SCTP with other ports, a
 * hop limit that ends) goes on to the kernel's own stack as it is, where nftables
 * does the same more slowly.
 */
#include <linux/types.h>
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/guard_map.h"
#include "bpf/lib/aside.h"
#include "bpf/lib/big.h"
#include "bpf/lib/flow.h"
#include "bpf/lib/guard.h"
#include "bpf/lib/hosts.h"
#include "bpf/lib/inside.h"
#include "bpf/lib/local.h"
#include "bpf/lib/packet.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/pool.h"
#include "bpf/lib/published.h"
#include "bpf/lib/rate.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/stat.h"
#include "bpf/lib/trace.h"
#include "bpf/nat_map.h"

const volatile __u32 claim_mark; /* of claims' sockets, but for the last byte */
const volatile __u32 est_share = NAT_EST_MAX / 4;
const volatile __u32 young_max = NAT_NEW_MAX / 2; /* nat_ring's: 2^n */
const volatile __u8 csum_ipv6; /* bpf_l4_csum_replace() knows CSUM_IPV6 */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_EP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32[4]);
	__type(value, struct nat_ep);
} nat_ep SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_LINK_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct nat_link);
} nat_link SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, NAT_SOURCE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nat_source_key);
	__type(value, struct nat_source);
} nat_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_LOCAL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32[4]);
	__type(value, struct nat_local);
} nat_local SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nat_ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_meta);
} nat_meta SEC(".maps");

/* ---- routes -------------------------------------------------------------- */

/* The MTU of the link itself; 0: not known. */
static __always_inline __u16 link_mtu(struct __sk_buff *skb, __u32 ifindex)
{
	__u32 mtu = 0;

	return bpf_check_mtu(skb, ifindex, &mtu, 0, 0) < 0 ? 0 : (__u16)mtu;
}

/* The way of a packet of tuple @t that came in by @from, into @f.  Return: 0; -1:
 * there is none for a forwarded packet. */
static __noinline int route(struct __sk_buff *skb, __u32 from,
			    const struct work *w, const struct nat_tuple *t,
			    struct nat_flow *f)
{
	__u8 v6 = w->p.v6;
	struct bpf_fib_lookup fib = {
		.family = v6 ? FAMILY_INET6 : FAMILY_INET,
		.tot_len = 1, /* asks for the MTU */
		.ifindex = from,
	};
	long r;

	if (v6) {
		addr_copy(fib.ipv6_src, t->saddr);
		addr_copy(fib.ipv6_dst, t->daddr);
	} else {
		fib.ipv4_src = t->saddr[3];
		fib.ipv4_dst = t->daddr[3];
	}
	r = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -1;
	f->ifindex = fib.ifindex;
	f->routed = w->now;
	/* with nobody's MAC known there it is not told */
	f->mtu = r == BPF_FIB_LKUP_RET_SUCCESS ? fib.mtu_result
					       : link_mtu(skb, fib.ifindex);
	f->flags &= ~NAT_GW6;
	if (fib.family == FAMILY_INET6) {
		f->flags |= NAT_GW6;
		addr_copy(f->next_hop, fib.ipv6_dst);
	} else {
		f->next_hop[0] = fib.ipv4_dst;
	}
	return 0;
}

/* Is what it was masqueraded with not, or no more, the address of where it goes
 * out by now?  An address that the user chose is his matter. */
static __always_inline int has_moved(const struct work *w,
				     const struct nat_flow *f)
{
	const struct nat_flow *c = &w->f;
	const struct nat_ep *own;

	if (!(c->flags & NAT_MASQ) ||
	    (c->ifindex == f->ifindex &&
	     bpf_map_lookup_elem(&nat_local, c->to.saddr)))
		return 0;
	own = bpf_map_lookup_elem(&nat_ep, w->p.t.saddr);
	return own && addr_none(own->snat);
}

/* Once a second: routes change, and nobody tells flow @f, found by @key.  Return:
 * 0; -1: the stack's, which may know a way; or the flow is over. */
static __noinline int route_anew(struct __sk_buff *skb, struct work *w,
				 const struct nat_tuple *key,
				 struct nat_flow *f)
{
	struct nat_flow *c = &w->f;
	const struct guard_port *port;
	__u32 own = skb->ifindex;

	port = bpf_map_lookup_elem(&guard_port, &own);
	if (!port || route(skb, port->bridge, w, &c->to, c) < 0)
		return -1;
	if (has_moved(w, f)) {
		flow_remove(w, key, f, 0); /* the next packet begins another */
		return -1;
	}
	f->ifindex = c->ifindex;
	f->routed = c->routed;
	f->mtu = c->mtu;
	f->flags = c->flags;
	addr_copy(f->next_hop, c->next_hop);
	return 0;
}

static __always_inline int route_again(struct __sk_buff *skb, struct work *w,
				       const struct nat_tuple *key,
				       struct nat_flow *f)
{
	return w->f.routed == w->now ? 0 : route_anew(skb, w, key, f);
}

/* ---- onward -------------------------------------------------------------- */

static __noinline int drop(struct __sk_buff *skb, const struct work *w,
			   __u32 why)
{
	count(why);
	trace_drop(skb, w->inside ? TRACE_ENDPOINT : TRACE_UPLINK, (__u8)why);
	return TC_ACT_SHOT;
}

/* What a published port was asked for, and does not do. */
static __always_inline int refuse(struct __sk_buff *skb, const struct work *w,
				  __u32 why)
{
	stat_refused(w->f.port_stat);
	return drop(skb, w, why);
}

static __always_inline int to_peer(struct __sk_buff *skb, const struct work *w)
{
	const struct nat_flow *c = &w->f;

	if (rewrite_macs(skb, c) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	count(NAT_COUNT_IN);
	stat_packet(skb, w);
	return (int)bpf_redirect_peer(c->ifindex, 0);
}

/* What is led past the egress of the container's port is charged here. */
static __always_inline int too_fast(struct __sk_buff *skb,
				    const struct nat_flow *c)
{
	return (c->flags & (NAT_PEER | NAT_RATED)) == (NAT_PEER | NAT_RATED) &&
	       rate_in(skb, c->ifindex);
}

static __always_inline int to_wire(struct __sk_buff *skb, const struct work *w)
{
	const struct nat_flow *c = &w->f;
	struct bpf_redir_neigh nh = { 0 };

	if (c->flags & NAT_GW6) {
		nh.nh_family = FAMILY_INET6;
		addr_copy(nh.ipv6_nh, c->next_hop);
	} else {
		nh.nh_family = FAMILY_INET;
		nh.ipv4_nh = c->next_hop[0];
	}
	count(NAT_COUNT_OUT);
	stat_packet(skb, w);
	return (int)bpf_redirect_neigh(c->ifindex, &nh, sizeof(nh), 0);
}

static __noinline int onward(struct __sk_buff *skb, const struct work *w)
{
	return w->f.flags & NAT_PEER ? to_peer(skb, w) : to_wire(skb, w);
}

/* May it be another's than masqueraded flow @f's, to whom it looks like an answer?
 * So does whatever comes by UDP, and a connection that its peer begins. */
static __always_inline int is_anybodys(const struct packet *p,
				       const struct nat_flow *f)
{
	if ((f->flags & (NAT_MASQ | NAT_INSIDE)) != NAT_MASQ ||
	    p->frag == FRAG_LATER)
		return 0;
	if (p->t.proto == IPPROTO_TCP)
		return f->state != NAT_OPEN &&
		       (p->tcp_flags &
			(TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
	return p->t.proto == IPPROTO_UDP;
}

/* Packet w->p of flow @f. */
static __always_inline int translate(struct __sk_buff *skb, struct work *w,
				     struct nat_flow *f)
{
	const struct packet *p = &w->p;
	struct nat_flow *c = &w->f;
	__u32 why;

	__builtin_memcpy(c, f, sizeof(*c));
	if ((c->flags & NAT_INSIDE) != w->inside)
		return drop(skb, w, NAT_DROP_FORGED);
	/* a server or a resolver of this host took the port since */
	if (is_anybodys(p, c) && host_has(skb, p->v6, &p->t, 1))
		return TC_ACT_UNSPEC;
	if (p->ttl <= 1) {
		/* the stack tells its sender; of what came from a wire it would
		 * say that nobody listens */
		return w->inside ? TC_ACT_UNSPEC : drop(skb, w, NAT_DROP_HOPS);
	}
	if (!(c->flags & NAT_PEER)) {
		if (route_again(skb, w, &p->t, f) < 0)
			return TC_ACT_UNSPEC;
		if (too_big(skb, p, c->mtu))
			return leave_big(
				skb, p,
				bpf_map_lookup_elem(&nat_ep, p->t.saddr),
				c->mtu);
	}
	if (too_fast(skb, c))
		return drop(skb, w, NAT_DROP_RATE);
	why = flow_step(w, f);
	if (why)
		return refuse(skb, w, why);
	if (p->frag == FRAG_FIRST)
		frag_remember(w);
	if (rewrite(skb, p, &c->to) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	return onward(skb, w);
}

/* ---- ICMP errors --------------------------------------------------------- */

static __noinline int translate_error(struct __sk_buff *skb, struct work *w)
{
	const struct packet *p = &w->p;
	struct nat_tuple *in = &w->in, *out = &w->out;
	struct nat_flow *f, *c = &w->f;
	__u32 l4 = read_inside(skb, p, in);

	if (!l4)
		return TC_ACT_UNSPEC;
	f = flow_find(in);
	if (!f || p->ttl <= 1)
		return TC_ACT_UNSPEC;
	__builtin_memcpy(c, f, sizeof(*c));
	/* nobody is a router behind a container: it speaks of its own flows */
	if ((c->flags & NAT_INSIDE) != w->inside ||
	    (w->inside && !addr_same(p->t.saddr, in->saddr)))
		return drop(skb, w, NAT_DROP_FORGED);
	if (!(c->flags & NAT_PEER) && route_again(skb, w, in, f) < 0)
		return TC_ACT_UNSPEC;
	if (too_fast(skb, c))
		return drop(skb, w, NAT_DROP_RATE);
	__builtin_memcpy(out, &p->t, sizeof(*out));
	addr_copy(out->daddr, c->to.daddr);
	/* a router on the way speaks for itself */
	if (addr_same(p->t.saddr, in->saddr))
		addr_copy(out->saddr, c->to.saddr);
	if (rewrite_inside(skb, p, l4, in, &c->to) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	if (p->v6 && bpf_l4_csum_replace(skb, p->l4 + 2, 0, sum_tuple(p, out),
					 pseudo_flags(p)) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	if (rewrite_ip(skb, p, out) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	count(NAT_COUNT_ICMP);
	return onward(skb, w);
}

/* ---- new flows ----------------------------------------------------------- */

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

/* ---- from the wire ------------------------------------------------------- */

static __noinline int publish_from_wire(struct __sk_buff *skb, struct work *w)
{
	const struct packet *p = &w->p;
	const struct nat_local *local;
	const struct nat_link *link;
	const struct nat_ep *ep;
	struct sock_dst d;
	__u32 why;

	if (!begins(skb, w) || !addr_routable(p->t.saddr, p->v6))
		return TC_ACT_UNSPEC;
	local = bpf_map_lookup_elem(&nat_local, p->t.daddr);
	/* left to the stack, an UDP answer would look like a first packet here */
	if (find_publish(&p->t, p->v6, &d) < 0 ||
	    (!local && !is_local_by_route(skb, p)))
		return TC_ACT_UNSPEC;
	prepare(w, 0, NAT_INSIDE);
	w->f.port_stat = sock_dst_stat(&d);
	ep = find_container(p, &d, &w->f.to);
	if (!ep || ep->flags & NAT_EP_INTERNAL || p->ttl <= 1 ||
	    host_has(skb, p->v6, &p->t, 0))
		return TC_ACT_UNSPEC;
	if (bpf_map_lookup_elem(&nat_ep, p->t.saddr))
		return drop(skb, w, NAT_DROP_FORGED);
	why = refused(ep, p, w->again);
	if (why)
		return refuse(skb, w, why);
	tuple_reverse(&w->back.to, &p->t);
	if (route(skb, ep->bridge, w, &w->back.to, &w->back) < 0)
		return TC_ACT_UNSPEC;
	link = bpf_map_lookup_elem(&nat_link, &w->back.ifindex);
	/* a host of the LAN with a source of another local network: its lists
	 * would judge that, and it get the answer */
	if (link &&
	    (link->flags & NAT_LINK_OURS || (link->flags & NAT_LINK_CLOSED &&
					     w->back.ifindex != skb->ifindex)))
		return drop(skb, w, NAT_DROP_FORGED);
	to_endpoint(&w->f, ep);
	if (settle_clash(w) < 0)
		return TC_ACT_UNSPEC;
	return begin(skb, w);
}

/* Was the port of masqueraded flow @f published since?  UDP's packets ask once a
 * second. */
static __always_inline int is_published_now(struct work *w,
					    const struct nat_flow *f)
{
	if (!is_anybodys(&w->p, f) ||
	    (w->p.t.proto == IPPROTO_UDP && f->seen == w->now) ||
	    !is_published(&w->p.t, w->p.v6))
		return 0;
	w->over = 1;
	return 1;
}

SEC("tc")
int publish_uplink(struct __sk_buff *skb)
{
	struct work *w = work_get();
	struct nat_flow *f;

	if (!w || stands_aside() || skb->pkt_type != PACKET_HOST ||
	    packet_read(skb, &w->p) < 0)
		return TC_ACT_UNSPEC;
	work_begin(w, 0);
	if (w->p.icmp == ICMP_ERROR)
		return translate_error(skb, w);
	if (w->p.frag == FRAG_LATER && frag_follow(w) < 0)
		return TC_ACT_UNSPEC;
	f = flow_find(&w->p.t);
	if (f && !flow_begins(w, f) && !is_published_now(w, f))
		return translate(skb, w, f);
	return publish_from_wire(skb, w);
}

/* ---- from a container ---------------------------------------------------- */

/* To a published port of this host: of its own network, another, itself. */
static __noinline int publish_from_endpoint(struct __sk_buff *skb,
					    struct work *w,
					    const struct nat_ep *own,
					    __u32 apart)
{
	const struct packet *p = &w->p;
	const struct nat_ep *ep;
	struct sock_dst d;
	__u32 why;

	if (!begins(skb, w))
		return TC_ACT_UNSPEC;
	if (find_publish(&p->t, p->v6, &d) < 0)
		return TC_ACT_UNSPEC;
	prepare(w, NAT_INSIDE, NAT_INSIDE);
	w->f.port_stat = sock_dst_stat(&d);
	ep = find_container(p, &d, &w->f.to);
	if (!ep || (ep->flags | own->flags) & NAT_EP_INTERNAL || p->ttl <= 1 ||
	    host_has(skb, p->v6, &p->t, 0))
		return TC_ACT_UNSPEC;
	/* who reaches the container without the port is not judged by it */
	if (ep->bridge != own->bridge ||
	    (apart && ep->ifindex != own->ifindex)) {
		why = refused(ep, p, w->again);
		if (why)
			return refuse(skb, w, why);
	}
	if (addr_same(w->f.to.daddr, p->t.saddr) ||
	    (apart && ep->bridge == own->bridge)) {
		/* nobody accepts a packet from himself that comes by a wire,
		 * or may answer to a neighbour that he is kept from */
		if (addr_none(own->gateway))
			return TC_ACT_UNSPEC;
		addr_copy(w->f.to.saddr, own->gateway);
	}
	to_endpoint(&w->f, ep);
	to_endpoint(&w->back, own);
	if (settle_clash(w) < 0)
		return TC_ACT_UNSPEC;
	return begin(skb, w);
}

/* May w->f.to.sport be had?  Not if who answers would mean another: a published port,
 * a server of this host, a connection of its own. */
static __noinline int may_have(struct __sk_buff *skb, struct work *w)
{
	pair_of(&w->f, &w->key);
	return is_free(w) &&
	       (w->p.icmp || (!is_published(&w->key, w->p.v6) &&
			      !host_has(skb, w->p.v6, &w->key, 1)));
}

/*
 * Find a source port that nobody uses toward there.  The first try depends on
 * the container and its port alone: a connection that comes again has the port
 * that it had, which a server still in TIME_WAIT takes for what it is.
 */
static __always_inline int choose_port(struct __sk_buff *skb, struct work *w)
{
	__u32 at = w->p.t.saddr[3] * 0x9e3779b1u, zero = 0;
	const __u32 *range = bpf_map_lookup_elem(&nat_ports, &zero);
	__u32 both = range ? *(const volatile __u32 *)range : 0;
	__u32 first = both & 0xffff, ports = (both >> 16) - first + 1u;

	if (!both)
		return -1;
	at = (at >> 16) + bpf_ntohs(w->p.t.sport);
	/* as in skip_extensions(): a loop would not load on Linux 6.1 */
#pragma unroll
	for (int i = 0; i < MASQ_TRIES; i++) {
		w->f.to.sport = bpf_htons((__u16)(first + at % ports));
		if (may_have(skb, w))
			return 0;
		at = bpf_get_prandom_u32();
	}
	count(NAT_COUNT_PORTS);
	return -1;
}

/* On a link of several subnets, as the kernel does it: IPv4 by the next hop, IPv6 by
 * the destination.  NULL: nothing is said of that one. */
static __always_inline const struct nat_source *
find_source(const struct work *w)
{
	struct nat_source_key k = { .bits = NAT_SOURCE_BITS + 128,
				    .ifindex = w->f.ifindex };

	/* IPv4 by a router that has IPv6 alone: it has no subnet of ours */
	if (w->p.v6 || w->f.flags & NAT_GW6)
		addr_copy(k.addr, w->p.t.daddr);
	else
		addr_v4(k.addr, w->f.next_hop[0]);
	return bpf_map_lookup_elem(&nat_source, &k);
}

/* The host's address for what leaves by @link, as w->f does. Return: 0; -1: it has
 * none. */
static __always_inline int choose_source(const struct work *w,
					 const struct nat_ep *own,
					 const struct nat_link *link,
					 __u32 ret[4])
{
	const struct nat_source *s;

	if (!addr_none(own->snat)) {
		addr_copy(ret, own->snat);
		return 0;
	}
	s = link->flags & NAT_LINK_MANY ? find_source(w) : 0;
	if (s) {
		addr_copy(ret, s->addr);
		return 0;
	}
	if (w->p.v6) {
		addr_copy(ret, link->ip6);
		return addr_none(ret) ? -1 : 0;
	}
	addr_v4(ret, link->ip4);
	return link->ip4 ? 0 : -1;
}

/* From this host's address the hosts of its overlay networks take it for this host's:
 * what is theirs is told at forward (ov_wire.c). */
static __always_inline bool is_vxlan(const struct nat_tuple *t)
{
	return t->proto == IPPROTO_UDP && t->dport == bpf_htons(4789);
}

static __noinline int masquerade(struct __sk_buff *skb, struct work *w,
				 __u32 bridge, const struct nat_ep *own)
{
	const struct packet *p = &w->p;
	const struct nat_link *link;

	if (!(own->flags & NAT_EP_MASQ) || own->flags & NAT_EP_INTERNAL ||
	    p->ttl <= 1 || p->t.proto == PROTO_SCTP || is_vxlan(&p->t) ||
	    !addr_routable(p->t.daddr, p->v6) ||
	    (p->icmp ? p->icmp != ICMP_ASK : !begins(skb, w)))
		return TC_ACT_UNSPEC;
	prepare(w, NAT_MASQ | NAT_INSIDE, NAT_MASQ);
	__builtin_memcpy(&w->f.to, &p->t, sizeof(w->f.to));
	if (route(skb, bridge, w, &p->t, &w->f) < 0)
		return TC_ACT_UNSPEC;
	link = bpf_map_lookup_elem(&nat_link, &w->f.ifindex);
	if (!link || link->flags & (NAT_LINK_OURS | NAT_LINK_CLOSED) ||
	    choose_source(w, own, link, w->f.to.saddr) < 0)
		return TC_ACT_UNSPEC;
	if (too_big(skb, p, w->f.mtu))
		return leave_big(skb, p, own, w->f.mtu);
	if (choose_port(skb, w) < 0)
		return TC_ACT_UNSPEC;
	to_endpoint(&w->back, own);
	return begin(skb, w);
}

/* The port's own entry. Return: NULL: the packet has another one's address. */
static __always_inline const struct nat_ep *own_of(struct __sk_buff *skb,
						   const struct packet *p)
{
	const struct nat_ep *own = bpf_map_lookup_elem(&nat_ep, p->t.saddr);

	return own && own->ifindex == skb->ifindex ? own : 0;
}

static __always_inline int begin_from_endpoint(struct __sk_buff *skb,
					       struct work *w,
					       const struct guard_port *port)
{
	__u32 bridge = port->bridge;
	const struct nat_ep *own = own_of(skb, &w->p);
	const struct nat_local *local;

	if (!own)
		return TC_ACT_UNSPEC;
	local = bpf_map_lookup_elem(&nat_local, w->p.t.daddr);
	if (!local)
		return masquerade(skb, w, bridge, own);
	if (local->bridge && local->bridge != bridge)
		return drop(skb, w, NAT_DROP_GATEWAY);
	return publish_from_endpoint(skb, w, own, port->flags & GUARD_APART);
}

/* What the guard let out of @port.  Return: TC_ACT_UNSPEC: by the bridge. */
static __always_inline int from_endpoint(struct __sk_buff *skb, struct work *w,
					 const struct guard_port *port)
{
	struct nat_flow *f;

	if (stands_aside() || packet_read(skb, &w->p) < 0)
		return TC_ACT_UNSPEC;
	if (!(port->flags & GUARD_SOURCE) && !own_of(skb, &w->p))
		return TC_ACT_UNSPEC; /* anybody's, with flows of his */
	work_begin(w, NAT_INSIDE);
	if (w->p.icmp == ICMP_ERROR)
		return translate_error(skb, w);
	if (w->p.frag == FRAG_LATER && frag_follow(w) < 0)
		return TC_ACT_UNSPEC;
	f = flow_find(&w->p.t);
	if (f && !flow_begins(w, f))
		return translate(skb, w, f);
	return begin_from_endpoint(skb, w, port);
}

SEC("tc")
int publish_endpoint(struct __sk_buff *skb)
{
	__u32 index = skb->ifindex;
	const struct guard_port *port =
		bpf_map_lookup_elem(&guard_port, &index);
	struct work *w = work_get();
	int r;

	if (!port || !w)
		return TC_ACT_SHOT;
	r = guard_in(skb, port);
	if (!r && port->flags & GUARD_RATED && rate_out(skb, index))
		r = guard_drop(GUARD_DROP_RATE);
	if (r) {
		trace_drop(skb, TRACE_GUARD_IN, (__u8)(r - GUARD_DROPPED));
		return TC_ACT_SHOT;
	}
	r = from_endpoint(skb, w, port);
	if (r == TC_ACT_UNSPEC && port->flags & GUARD_SOURCE)
		skb->priority = GUARD_SEEN;
	return r;
}

char LICENSE[] SEC("license") = "GPL";
