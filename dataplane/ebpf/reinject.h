/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reinject.h - let a packet come in a second time, after the host's own INPUT
 * rules accepted it: what berth.firewall=respect is made of.
 *
 * DNAT in prerouting would take a published port past ufw, firewalld and every
 * other INPUT rule.  So the first packet of a flow to such a port is not
 * translated: it goes to INPUT with its own destination.  The nftables side
 * (one table a family, as dup knows only ip and ip6):
 *
 *   prerouting, raw:   meta mark & MARK == 0  meta pkttype broadcast
 *                      fib daddr type local  meta pkttype set multicast
 *   prerouting, dstnat: PORT  meta pkttype broadcast  dnat to CONTAINER
 *   prerouting, after dstnat: meta pkttype broadcast  ct status dnat
 *                      meta mark set mark & ~MARK  meta pkttype set host
 *   input, late (250): meta pkttype broadcast  fib daddr type local  drop
 *                      PORT  dup to GATEWAY device IFINDEX  drop
 *
 * The copy leaves on our device, where a tc egress program marks it and hands
 * it to the ingress of the interface it came from: conntrack, which forgot the
 * dropped original, sees it as new, rp_filter sees the right interface, and what
 * it is lets DNAT happen.  Later packets follow conntrack.
 *
 * The mark counts in raw alone: others restore marks of their own in mangle.
 * From there on the copy is told by its broadcast MAC, which nobody else's
 * packet to an address of the host has any more.
 *
 * What it costs: two passes for the first packet of a flow, none later.  The
 * copy's TTL is one less (as dup does), DF is set on it, and it passes OUTPUT
 * and POSTROUTING untracked with the client's source: a host that drops by
 * default in OUTPUT must let the device out.  For its broadcast MAC
 * net.*.drop_unicast_in_l2_multicast=1 on the incoming interface drops it.
 */
#ifndef DATAPLANE_EBPF_REINJECT_H
#define DATAPLANE_EBPF_REINJECT_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/nlk.h"

#define REINJECT_MARK 0x01000000u /* one bit; others' bits are kept */
#define REINJECT_GW4 \
	"192.0.0.8" /* any on-link address; never seen on a wire:
				    * RFC 7600's dummy */
#define REINJECT_GW6 "fe80::1"

struct reinject_conf {
	const char *ifname; /* our device: "berth-again"; 15 characters */
	const char *alias;  /* "berth:<driver>:reinject" */
};

/*
 * reinject_add() - the device, up, with the program at its egress, in the
 * calling thread's network namespace, which must be @nlk's.
 *
 * Again: puts back what is missing, replaces the program in place, and gives
 * the same index; nothing of it needs the daemon afterwards.
 *
 * @ret_index: for the rules' "device"; another one if the device was deleted
 *             by somebody in between: then the rules must be made anew.
 * Return: 0; -EEXIST when the name is another's; -EOPNOTSUPP without clsact.
 */
int reinject_add(struct nlk *nlk, const struct reinject_conf *conf,
		 int *ret_index, struct err *err);
int reinject_del(struct nlk *nlk, const struct reinject_conf *conf,
		 struct err *err); /* absent: 0 */

#endif
