/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat_source.h - with which of a link's addresses something leaves masqueraded.
 *
 * nat_link has one a family: what the kernel would choose for the world.  Where a
 * link has several subnets nat_source has one for each, as nftables' masquerade
 * chooses: IPv4, the first primary address in whose subnet the next hop is; IPv6,
 * what the kernel chooses for that destination (RFC 6724).
 */
#ifndef DATAPLANE_EBPF_NAT_SOURCE_H
#define DATAPLANE_EBPF_NAT_SOURCE_H

#include <linux/types.h>
#include <stddef.h>

#include "bpf/nat_map.h"
#include "dataplane/ebpf/maps.h"
#include "lib/err.h"
#include "lib/nlk.h"

struct nat_addrs {
	const struct nlk_addr *items; /* borrowed; in the kernel's order */
	size_t count;
};

/*
 * nat_source_list() - fill in @value's addresses, and NAT_LINK_MANY if nat_source
 * is to be asked; add what it is to have to @ret.
 * @all: of all links; @link: index of the one.
 * Return: 0; -ENOMEM.
 */
int nat_source_list(struct nlk *nlk, const struct nat_addrs *all, int link,
		    struct nat_link *value, struct maps_list *ret,
		    struct err *err);

#endif
