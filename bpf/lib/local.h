/* SPDX-License-Identifier: GPL-2.0-or-later */
/* local.h - addresses of this host that no interface has. */
#ifndef BPF_LIB_LOCAL_H
#define BPF_LIB_LOCAL_H

#include "bpf/lib/packet.h"

#define FAMILY_INET  2
#define FAMILY_INET6 10

/* Is @p for an address that is the host's by a route alone (ip route add local)?
 * The rest of what the kernel would not send on, in a frame to our MAC, is a
 * subnet's broadcast address and what there is no route to: who sends there means
 * this host and reaches no more than by its own address. */
static __always_inline int is_local_by_route(struct __sk_buff *skb,
					     const struct packet *p)
{
	struct bpf_fib_lookup fib = {
		.family = p->v6 ? FAMILY_INET6 : FAMILY_INET,
		.ifindex = skb->ifindex,
	};

	if (!addr_routable(p->t.daddr, p->v6))
		return 0;
	if (p->v6) {
		addr_copy(fib.ipv6_src, p->t.saddr);
		addr_copy(fib.ipv6_dst, p->t.daddr);
	} else {
		fib.ipv4_src = p->t.saddr[3];
		fib.ipv4_dst = p->t.daddr[3];
	}
	return bpf_fib_lookup(skb, &fib, sizeof(fib), 0) ==
	       BPF_FIB_LKUP_RET_NOT_FWDED;
}

#endif
