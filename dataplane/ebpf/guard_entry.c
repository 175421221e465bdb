/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of a port, as its map entry. */
#include "dataplane/ebpf/guard_entry.h"

#include <arpa/inet.h>
#include <string.h>

static void ip6_of(__u32 ret[static 4], const struct ip_addr *a)
{
	if (!ip_is_none(a))
		memcpy(ret, a->bytes, 16);
}

static void put_subnets(const struct guard_conf *c, struct guard_port *v)
{
	struct ip_addr first4 = ip_prefix_first(&c->subnet4),
		       first6 = ip_prefix_first(&c->subnet6);

	/* a family without a subnet: nothing is in it */
	v->net4 = v->mask4 = htonl(~0u);
	v->len6 = 128;
	if (!ip_is_none(&c->subnet4.addr)) {
		memcpy(&v->net4, first4.bytes, sizeof(v->net4));
		v->mask4 = c->subnet4.len ? htonl(~0u << (32 - c->subnet4.len))
					  : 0;
	}
	if (!ip_is_none(&c->subnet6.addr)) {
		ip6_of(v->net6, &first6);
		v->len6 = c->subnet6.len;
	}
}

struct guard_port guard_entry(const struct guard_conf *c, int bridge)
{
	struct ip_addr local = ip_from_mac(&c->mac);
	struct guard_port v = { .bridge = (__u32)bridge };

	if (c->source)
		v.flags |= GUARD_SOURCE;
	if (c->apart)
		v.flags |= GUARD_APART;
	if (c->internal4)
		v.flags |= GUARD_INTERNAL4;
	if (c->internal6)
		v.flags |= GUARD_INTERNAL6;
	memcpy(v.mac, c->mac.bytes, sizeof(v.mac));
	if (!ip_is_none(&c->ip4))
		memcpy(&v.ip4, c->ip4.bytes, sizeof(v.ip4));
	ip6_of(v.ip6, &c->ip6);
	if (!ip_is_none(&c->ip6))
		ip6_of(v.ip6_local, &local);
	put_subnets(c, &v);
	return v;
}
