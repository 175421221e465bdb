// SPDX-License-Identifier: GPL-2.0
/*
 * reinject.bpf.c - what leaves on our device comes in again where it came from,
 * marked.
 *
 * Only copies made of received packets have an ingress interface: what the host
 * itself sends here (neighbour discovery, a socket bound to the device) is
 * dropped, so nobody can forge a packet that "came in".
 */
#include <linux/types.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

const volatile __u32 mark;

SEC("tc")
int reinject_egress(struct __sk_buff *skb)
{
	static const __u8 everyone[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	__u32 from = skb->ingress_ifindex;

	if (from == 0 || from == skb->ifindex)
		return TC_ACT_SHOT;
	/* the interface's own address would be better, but is not at hand */
	if (bpf_skb_store_bytes(skb, 0, everyone, sizeof(everyone), 0) < 0)
		return TC_ACT_SHOT;
	skb->mark |= mark;
	return (int)bpf_redirect(from, BPF_F_INGRESS);
}

char LICENSE[] SEC("license") = "GPL";
