/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which address of a link something leaves with: of the link, and of its subnets. */
#include "dataplane/ebpf/nat_source.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "dataplane/ebpf/nat_priv.h"

/* Addresses of one family that @link has. */
struct own {
	struct nlk *nlk;
	const struct nat_addrs *all;
	int link, family;
	struct ip_addr first; /* for what is in none of its subnets, or none */
};

static bool is_local6(const struct ip_addr *ip)
{
	return (ip->bytes[0] & 0xfe) == 0xfc; /* fc00::/7 */
}

/* How good a source is @a for the world?  0: none. */
static int worth(const struct nlk_addr *a)
{
	if (a->scope != RT_SCOPE_UNIVERSE)
		return 0;
	if (a->p.addr.family == AF_INET)
		return a->flags & IFA_F_SECONDARY ? 1 : 2;
	return 1 + 4 * !(a->flags & IFA_F_DEPRECATED) +
	       2 * !is_local6(&a->p.addr) + !(a->flags & IFA_F_TEMPORARY);
}

/* The next usable one after @a. Return: NULL: no more; @a NULL: the first. */
static const struct nlk_addr *next(const struct own *o,
				   const struct nlk_addr *a)
{
	const struct nlk_addr *end = o->all->items + o->all->count;

	for (a = a ? a + 1 : o->all->items; a < end; a++)
		if (a->index == o->link && a->p.addr.family == o->family &&
		    worth(a))
			return a;
	return NULL;
}

/* ---- the link ------------------------------------------------------------ */

/* What the kernel would send to @dst with out of the link, if that is an address of
 * the link.  Nothing is sent. */
static bool ask_kernel(const struct own *o, const struct ip_addr *dst,
		       struct ip_addr *ret)
{
	struct nlk_route r = { 0 };

	if (nlk_route_lookup_by(o->nlk, dst, o->link, &r, NULL) < 0 ||
	    r.type != RTN_UNICAST)
		return false;
	for (const struct nlk_addr *a = next(o, NULL); a; a = next(o, a)) {
		if (ip_equal(&a->p.addr, &r.source)) {
			*ret = r.source;
			return true;
		}
	}
	return false;
}

/* For the world, for which a root name server stands; without a way there the best
 * it has, and the first of equal ones. */
static struct ip_addr for_world(const struct own *o)
{
	const char *world =
		o->family == AF_INET ? "198.41.0.4" : "2001:503:ba3e::2:30";
	struct ip_addr ret = { 0 }, dst;
	int best = 0;

	if (ip_parse(world, &dst, NULL) == 0 && ask_kernel(o, &dst, &ret))
		return ret;
	for (const struct nlk_addr *a = next(o, NULL); a; a = next(o, a)) {
		if (worth(a) <= best)
			continue;
		best = worth(a);
		ret = a->p.addr;
	}
	return ret;
}

/* ---- its subnets --------------------------------------------------------- */

/* What @a's length is of: with a peer, the peer's. */
static struct ip_prefix subnet(const struct nlk_addr *a)
{
	struct ip_prefix p = { a->other, a->p.len };

	p.addr = ip_prefix_first(&p);
	return p;
}

/* Does @a's subnet have all of @p? */
static bool holds(const struct nlk_addr *a, const struct ip_prefix *p)
{
	const struct ip_prefix own = subnet(a);

	return own.len <= p->len && ip_prefix_contains(&own, &p->addr);
}

/* As inet_select_addr() for a next hop in @p; what the user set for the world
 * (ip route ... src) holds for the subnet that it is of as well. */
static struct ip_addr in_subnet4(const struct own *o, const struct ip_prefix *p)
{
	struct ip_addr ret = { 0 };

	for (const struct nlk_addr *a = next(o, NULL); a; a = next(o, a)) {
		if (!holds(a, p))
			continue;
		if (ip_equal(&a->p.addr, &o->first))
			return o->first;
		if (ip_is_none(&ret) && !(a->flags & IFA_F_SECONDARY))
			ret = a->p.addr;
	}
	return ip_is_none(&ret) ? o->first : ret;
}

/* What the kernel says for a host in @p; without a way there by this link, the rules
 * of RFC 6724 in their order, as far as they tell here. */
static struct ip_addr in_subnet6(const struct own *o, const struct ip_prefix *p)
{
	struct ip_addr ret = o->first, dst = ip_prefix_last(p);
	int best = -1;

	if (ask_kernel(o, &dst, &ret))
		return ret;
	for (const struct nlk_addr *a = next(o, NULL); a; a = next(o, a)) {
		int good = 8 * !(a->flags & IFA_F_DEPRECATED) +
			   4 * (is_local6(&a->p.addr) == is_local6(&p->addr)) +
			   2 * !(a->flags & IFA_F_TEMPORARY) + holds(a, p);

		if (good <= best)
			continue;
		best = good;
		ret = a->p.addr;
	}
	return ret;
}

static struct ip_addr in_subnet(const struct own *o, const struct ip_prefix *p)
{
	return o->family == AF_INET ? in_subnet4(o, p) : in_subnet6(o, p);
}

static int add(const struct own *o, const struct ip_prefix *p,
	       struct maps_list *ret, struct err *err)
{
	const struct ip_addr ip = in_subnet(o, p);
	struct nat_source_key key = { .ifindex = (__u32)o->link };
	struct nat_source value;

	key.bits = NAT_SOURCE_BITS + p->len + (o->family == AF_INET ? 96u : 0u);
	nat_addr(key.addr, &p->addr);
	nat_addr(value.addr, &ip);
	return maps_list_add(ret, &key, &value, err);
}

/* Is there a subnet that the link's own address is not of, and for fc00::/7 an
 * address of that beside one of the world? */
static bool has_several(const struct own *o, bool *local)
{
	bool several = false;

	*local = false;
	for (const struct nlk_addr *a = next(o, NULL); a; a = next(o, a)) {
		const struct ip_prefix p = subnet(a);

		several = several || !ip_prefix_contains(&p, &o->first);
		*local = *local ||
			 (o->family == AF_INET6 && is_local6(&a->p.addr) &&
			  !is_local6(&o->first));
	}
	return several;
}

/* Return: 1: it has several subnets, which are in @ret; 0; -ENOMEM. */
static int list_family(const struct own *o, struct maps_list *ret,
		       struct err *err)
{
	static const struct ip_prefix local6 = {
		.addr = { .family = AF_INET6, .bytes = { 0xfc } }, .len = 7
	};
	bool local;
	int r = 0;

	if (!has_several(o, &local))
		return 0;
	for (const struct nlk_addr *a = next(o, NULL); a; a = next(o, a)) {
		const struct ip_prefix p = subnet(a);

		if (r == 0)
			r = add(o, &p, ret, err);
	}
	/* what else is there of those, behind a router */
	if (r == 0 && local)
		r = add(o, &local6, ret, err);
	return r < 0 ? r : 1;
}

int nat_source_list(struct nlk *nlk, const struct nat_addrs *all, int link,
		    struct nat_link *value, struct maps_list *ret,
		    struct err *err)
{
	struct own v4 = { .nlk = nlk, .all = all, .link = link }, v6 = v4;
	int r4, r6;

	v4.family = AF_INET;
	v6.family = AF_INET6;
	v4.first = for_world(&v4);
	v6.first = for_world(&v6);
	memcpy(&value->ip4, v4.first.bytes, 4);
	memcpy(value->ip6, v6.first.bytes, 16);
	r4 = list_family(&v4, ret, err);
	r6 = r4 < 0 ? 0 : list_family(&v6, ret, err);
	if (r4 < 0 || r6 < 0)
		return r4 < 0 ? r4 : r6;
	if (r4 || r6)
		value->flags |= NAT_LINK_MANY;
	return 0;
}
