/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts.h - connections that this host has itself.
 */
#ifndef BPF_LIB_HOSTS_H
#define BPF_LIB_HOSTS_H

#include "bpf/lib/packet.h"

extern const volatile __u32 claim_mark;

/* Has this host a connection of its own with that tuple?  @bound: or a socket that
 * takes from anybody.  (Our claim of a UDP port is none, and our claim of a TCP
 * port is no connection.) */
static __always_inline int host_has(struct __sk_buff *skb, __u8 v6,
				    const struct nat_tuple *t, int bound)
{
	struct bpf_sock_tuple s;
	struct bpf_sock *sk;
	__u32 size;
	int found;

	if (v6) {
		addr_copy(s.ipv6.saddr, t->saddr);
		addr_copy(s.ipv6.daddr, t->daddr);
		s.ipv6.sport = t->sport;
		s.ipv6.dport = t->dport;
		size = sizeof(s.ipv6);
	} else {
		s.ipv4.saddr = t->saddr[3];
		s.ipv4.daddr = t->daddr[3];
		s.ipv4.sport = t->sport;
		s.ipv4.dport = t->dport;
		size = sizeof(s.ipv4);
	}
	if (t->proto == IPPROTO_TCP) {
		sk = bpf_skc_lookup_tcp(skb, &s, size, BPF_F_CURRENT_NETNS, 0);
		if (!sk)
			return 0;
		found = sk->state != BPF_TCP_TIME_WAIT &&
			(bound || sk->state != BPF_TCP_LISTEN);
	} else if (t->proto == IPPROTO_UDP) {
		sk = bpf_sk_lookup_udp(skb, &s, size, BPF_F_CURRENT_NETNS, 0);
		if (!sk)
			return 0;
		found = sk->state == BPF_TCP_ESTABLISHED ||
			(bound && (sk->mark ^ claim_mark) >> 8);
	} else {
		return 0;
	}
	bpf_sk_release(sk);
	return found;
}

#endif
