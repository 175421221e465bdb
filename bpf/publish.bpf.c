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
#include "bpf/lib/begin.h"
#include "bpf/lib/big.h"
#include "bpf/lib/flow.h"
#include "bpf/lib/guard.h"
#include "bpf/lib/hosts.h"
#include "bpf/lib/inside.h"
#include "bpf/lib/local.h"
#include "bpf/lib/masq.h"
#include "bpf/lib/packet.h"
#include "bpf/lib/policy.h"
#include "bpf/lib/rate.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/stat.h"
#include "bpf/lib/trace.h"
#include "bpf/lib/up.h"
#include "bpf/lib/ways.h"
#include "bpf/nat_map.h"

const volatile __u32 claim_mark; /* of claims' sockets, but for the last byte */
const volatile __u32 est_share = NAT_EST_MAX / 4;
const volatile __u32 young_max = NAT_NEW_MAX / 2; /* nat_ring's: 2^n */
const volatile __u8 csum_ipv6; /* bpf_l4_csum_replace() knows CSUM_IPV6 */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_meta);
} nat_meta SEC(".maps");

/* ---- of a flow that is known ---------------------------------------------- */

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
	if (local->bridge && port->flags & GUARD_SOURCE &&
	    may_go_up(skb, w, own))
		return bpf_redirect(bridge, BPF_F_INGRESS);
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
