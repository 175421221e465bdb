/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * packet.h - what a frame with an Ethernet header says: addresses, ports, and
 * where its headers are.
 *
 * Reads through bpf_skb_load_bytes(): headers may be outside the linear part,
 * and a program that wrote through pointers would have every packet copied.
 */
#ifndef BPF_LIB_PACKET_H
#define BPF_LIB_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/nat_map.h"

/* not in the uapi headers */
#define PROTO_SCTP     132
#define PROTO_ICMPV6   58
#define PROTO_HOPOPTS  0
#define PROTO_ROUTING  43
#define PROTO_FRAGMENT 44
#define PROTO_DSTOPTS  60

#define TCP_FIN        0x01
#define TCP_SYN        0x02
#define TCP_RST        0x04
#define TCP_ACK        0x10

#define EXT_MAX        6 /* IPv6 extension headers that are walked */

enum packet_frag { FRAG_NO, FRAG_FIRST, FRAG_LATER };

/* ICMP and ICMPv6 */
enum packet_icmp { ICMP_NO, ICMP_ASK, ICMP_ANSWER, ICMP_ERROR, ICMP_OTHER };

struct packet {
	struct nat_tuple t;
	__u32 l4; /* offset of its header */
	__u32 frag_id;
	__u8 v6, ttl;
	__u8 frag;               /* enum packet_frag; LATER: no ports, no l4 */
	__u8 icmp;               /* enum packet_icmp */
	__u8 tcp_flags, tcp_len; /* of the header, in bytes */
	__u16 check;             /* of the IPv4 header */
	__u32 seq, ack;          /* TCP's, host order */
};

static __always_inline void addr_v4(__u32 to[4], __u32 ip)
{
	to[0] = 0;
	to[1] = 0;
	to[2] = bpf_htonl(0xffff);
	to[3] = ip;
}

static __always_inline void addr_copy(__u32 to[4], const __u32 from[4])
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

static __always_inline int addr_same(const __u32 a[4], const __u32 b[4])
{
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) |
		(a[3] ^ b[3])) == 0;
}

static __always_inline int addr_none(const __u32 a[4])
{
	return (a[0] | a[1] | a[2] | a[3]) == 0;
}

/* Is it of one host, and may it leave that host and its own link? */
static __always_inline int addr_routable(const __u32 a[4], __u8 v6)
{
	__u32 ip = bpf_ntohl(v6 ? a[0] : a[3]);

	if (v6) /* not ::, ::1 */
		return (ip & 0xff000000) != 0xff000000 &&
		       (ip & 0xffc00000) != 0xfe800000 &&
		       ((a[0] | a[1] | a[2]) != 0 || bpf_ntohl(a[3]) > 1);
	/* not groups, everybody, "this network", or loopback */
	return ip < 0xe0000000 && ip >= 0x01000000 &&
	       (ip & 0xff000000) != 0x7f000000;
}

static __always_inline void tuple_reverse(struct nat_tuple *r,
					  const struct nat_tuple *t)
{
	addr_copy(r->saddr, t->daddr);
	addr_copy(r->daddr, t->saddr);
	r->sport = t->dport;
	r->dport = t->sport;
	r->proto = t->proto;
	r->pad[0] = r->pad[1] = r->pad[2] = 0;
}

/* @off, @len: constants.  What is in the linear part needs no call. */
static __always_inline long packet_load(struct __sk_buff *skb, __u32 off,
					void *to, __u32 len)
{
	const char *data = (const char *)(long)skb->data;
	const char *end = (const char *)(long)skb->data_end;

	if (data + off + len > end)
		return bpf_skb_load_bytes(skb, off, to, len);
	__builtin_memcpy(to, data + off, len);
	return 0;
}

/* ---- transport header ---------------------------------------------------- */

static __always_inline int read_icmp(struct __sk_buff *skb, struct packet *p)
{
	__u16 h[4]; /* type and code, checksum, id, sequence */
	__u8 type;

	if (bpf_skb_load_bytes(skb, p->l4, h, sizeof(h)) < 0)
		return -1;
	type = bpf_ntohs(h[0]) >> 8;
	if (type == (p->v6 ? 128 : 8)) {
		p->icmp = ICMP_ASK;
		p->t.sport = h[2];
	} else if (type == (p->v6 ? 129 : 0)) {
		p->icmp = ICMP_ANSWER;
		p->t.dport = h[2];
	} else if (p->v6 ? type >= 1 && type <= 4
			 : type == 3 || type == 11 || type == 12) {
		p->icmp = ICMP_ERROR;
	} else {
		p->icmp = ICMP_OTHER;
	}
	return 0;
}

static __always_inline int read_tcp(struct __sk_buff *skb, struct packet *p)
{
	struct {
		__u16 sport, dport;
		__u32 seq, ack;
		__u8 offset, flags;
		__u16 window; /* a whole number of words is read */
	} h;

	long r;

	/* a constant, mostly */
	if (p->l4 == ETH_HLEN + sizeof(struct iphdr))
		r = packet_load(skb, ETH_HLEN + sizeof(struct iphdr), &h,
				sizeof(h));
	else
		r = bpf_skb_load_bytes(skb, p->l4, &h, sizeof(h));
	if (r < 0)
		return -1;
	p->t.sport = h.sport;
	p->t.dport = h.dport;
	p->seq = bpf_ntohl(h.seq);
	p->ack = bpf_ntohl(h.ack);
	p->tcp_flags = h.flags;
	p->tcp_len = (h.offset >> 4) * 4;
	return 0;
}

/* Return: 0; -1: a protocol without ports, or cut off. */
static __always_inline int read_ports(struct __sk_buff *skb, struct packet *p)
{
	__u16 ports[2];

	if (p->t.proto == IPPROTO_TCP)
		return read_tcp(skb, p);
	if (p->t.proto == (p->v6 ? PROTO_ICMPV6 : IPPROTO_ICMP))
		return read_icmp(skb, p);
	if (p->t.proto != IPPROTO_UDP && p->t.proto != PROTO_SCTP)
		return -1;
	if (bpf_skb_load_bytes(skb, p->l4, ports, sizeof(ports)) < 0)
		return -1;
	p->t.sport = ports[0];
	p->t.dport = ports[1];
	return 0;
}

/* ---- network header ------------------------------------------------------ */

static __always_inline int read_v4(struct __sk_buff *skb, struct packet *p)
{
	struct iphdr h;
	__u16 off;

	if (packet_load(skb, ETH_HLEN, &h, sizeof(h)) < 0 || h.version != 4 ||
	    h.ihl < 5)
		return -1;
	off = bpf_ntohs(h.frag_off);
	addr_v4(p->t.saddr, h.saddr);
	addr_v4(p->t.daddr, h.daddr);
	p->t.proto = h.protocol;
	p->ttl = h.ttl;
	p->check = h.check;
	p->l4 = ETH_HLEN + h.ihl * 4u;
	p->frag_id = h.id;
	if (off & 0x1fff)
		p->frag = FRAG_LATER;
	else if (off & 0x2000)
		p->frag = FRAG_FIRST;
	return 0;
}

/* Where a chain of IPv6 headers ends, from where it begins. */
struct chain {
	__u32 l4, frag_id; /* as in struct packet */
	__u8 frag;
};

/* Return: the next header's number; -1: cut off, or too many. */
static __always_inline int skip_extensions(struct __sk_buff *skb,
					   struct chain *c, __u8 next)
{
	struct {
		__u8 next, len;
		__u16 off;
		__u32 id;
	} h;

	/* Linux 6.1 takes no loop that clang enters from above ("back-edge") */
#pragma unroll
	for (int i = 0; i <= EXT_MAX; i++) {
		if (next != PROTO_HOPOPTS && next != PROTO_ROUTING &&
		    next != PROTO_FRAGMENT && next != PROTO_DSTOPTS)
			return next;
		if (i == EXT_MAX ||
		    bpf_skb_load_bytes(skb, c->l4, &h, sizeof(h)) < 0)
			return -1;
		if (next == PROTO_FRAGMENT) {
			c->frag_id = h.id;
			if (bpf_ntohs(h.off) & 0xfff8) {
				c->frag = FRAG_LATER;
				return h.next;
			}
			if (bpf_ntohs(h.off) & 1)
				c->frag = FRAG_FIRST;
			c->l4 += 8;
		} else {
			c->l4 += (h.len + 1u) * 8u;
		}
		next = h.next;
	}
	return -1;
}

/* ::ffff:0:0/96 */
static __always_inline int is_mapped(const __u32 a[4])
{
	return (a[0] | a[1]) == 0 && a[2] == bpf_htonl(0xffff);
}

static __always_inline int read_v6(struct __sk_buff *skb, struct packet *p)
{
	__u32 h[10]; /* struct ipv6hdr, whose bit fields are no help */
	struct chain c = { .l4 = ETH_HLEN + sizeof(h) };
	int next;

	if (packet_load(skb, ETH_HLEN, h, sizeof(h)) < 0 ||
	    bpf_ntohl(h[0]) >> 28 != 6)
		return -1;
	addr_copy(p->t.saddr, &h[2]);
	addr_copy(p->t.daddr, &h[6]);
	/* no such packet is meant well, and we would take it for IPv4 */
	if (is_mapped(p->t.saddr) || is_mapped(p->t.daddr))
		return -1;
	p->ttl = bpf_ntohl(h[1]) & 0xff;
	p->v6 = 1;
	next = skip_extensions(skb, &c, (bpf_ntohl(h[1]) >> 8) & 0xff);
	if (next < 0)
		return -1;
	p->l4 = c.l4;
	p->frag = c.frag;
	p->frag_id = c.frag_id;
	p->t.proto = (__u8)next;
	return 0;
}

/*
 * packet_read() - read @skb into @p.
 * Return: 0; -1: not IP, tagged, cut off, or of a protocol without ports.
 */
static __always_inline int packet_read(struct __sk_buff *skb, struct packet *p)
{
	int r;

	__builtin_memset(p, 0, sizeof(*p));
	if (skb->vlan_present)
		return -1;
	if (skb->protocol == bpf_htons(ETH_P_IP))
		r = read_v4(skb, p);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		r = read_v6(skb, p);
	else
		return -1;
	if (r < 0 || p->frag == FRAG_LATER)
		return r;
	return read_ports(skb, p);
}

#endif
