/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of a port, as its map entry. */
#include "dataplane/ebpf/guard_entry.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
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
	if (!dp_rates_is_none(&c->rate))
		v.flags |= GUARD_RATED;
	memcpy(v.mac, c->mac.bytes, sizeof(v.mac));
	if (!ip_is_none(&c->ip4))
		memcpy(&v.ip4, c->ip4.bytes, sizeof(v.ip4));
	ip6_of(v.ip6, &c->ip6);
	if (!ip_is_none(&c->ip6))
		ip6_of(v.ip6_local, &local);
	put_subnets(c, &v);
	return v;
}

int guard_entry_put(int map, int ifindex, const struct guard_port *v,
		    struct err *err)
{
	__u32 key = (__u32)ifindex;
	struct guard_port now;
	int r = bpf_map_lookup_elem(map, &key, &now);

	if (r == 0 && memcmp(&now, v, sizeof(now)) == 0)
		return 0;
	r = bpf_map_update_elem(map, &key, v, BPF_ANY);
	if (r == -E2BIG)
		return err_set(err, r, "guard: more than %d ports",
			       GUARD_PORT_MAX);
	return r < 0 ? err_set(err, r, "guard: map: %s", strerror(-r)) : 1;
}

/* Walks by the key before: what is deleted is not asked for again. */
void guard_entry_sweep(int map, bool (*keep)(void *ctx, int ifindex), void *ctx)
{
	__u32 key, next;
	bool first = true;

	while (bpf_map_get_next_key(map, first ? NULL : &key, &next) == 0) {
		if (keep(ctx, (int)next)) {
			key = next;
			first = false;
		} else {
			(void)bpf_map_delete_elem(map, &next);
		}
	}
}
