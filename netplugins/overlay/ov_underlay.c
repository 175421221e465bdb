/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The address that other hosts reach this one by, and what fits on the way. */
#include <linux/rtnetlink.h>
#include <string.h>

#include "netplugins/overlay/overlay.h"

#define ROOM4 50U /* Ethernet 14, IPv4 20, UDP 8, VXLAN 8 */
#define ROOM6 70U

uint32_t ov_underlay_room(const struct ov_underlay *u, bool encrypt)
{
	uint32_t taken = u->local.family == AF_INET6 ? ROOM6 : ROOM4;
	uint32_t mtu = u->mtu;

	if (encrypt) { /* inside it is IPv6 */
		mtu = ov_crypt_room(u);
		taken = ROOM6;
		if (mtu < 1280)
			return 0;
	}
	return mtu > taken ? mtu - taken : 0;
}

struct find {
	const struct ip_addr *addr; /* NULL: the first of .index and .family */
	uint8_t family;             /* 0: any, IPv4 first */
	int index;                  /* 0: any */
	struct nlk_addr found;
};

static bool is_usable(const struct find *f, const struct nlk_addr *a)
{
	if (f->addr)
		return ip_equal(&a->p.addr, f->addr);
	return a->index == f->index && a->scope == RT_SCOPE_UNIVERSE &&
	       (!f->family || a->p.addr.family == f->family);
}

static int on_addr(void *ctx, const struct nlk_addr *a)
{
	struct find *f = ctx;

	if (is_usable(f, a) &&
	    (!f->found.index || (f->found.p.addr.family == AF_INET6 &&
				 a->p.addr.family == AF_INET)))
		f->found = *a;
	return 0;
}

static int take(struct nlk *nlk, const struct ip_addr *local, int index,
		uint32_t mtu, struct ov_underlay *ret, struct err *err)
{
	struct nlk_link link;
	int r = nlk_link_get(nlk, NULL, index, &link, err);

	if (r < 0)
		return r;
	ret->local = *local;
	ret->mtu = mtu && mtu < link.mtu ? mtu : link.mtu;
	return 0;
}

/* What the user said: an address or an interface. */
static int find_given(struct nlk *nlk, const char *want, uint8_t family,
		      struct ov_underlay *ret, struct err *err)
{
	struct find f = { .family = family };
	struct ip_addr addr;
	struct nlk_link link;
	int r;

	if (ip_parse(want, &addr, NULL) == 0)
		f.addr = &addr;
	else if (nlk_link_get(nlk, want, 0, &link, NULL) == 0)
		f.index = link.index;
	else
		return err_set(err, -EADDRNOTAVAIL,
			       "--underlay %s: this host has no such interface",
			       want);
	r = nlk_addr_walk(nlk, on_addr, &f, err);
	if (r < 0)
		return r;
	if (!f.found.index)
		return err_set(err, -EADDRNOTAVAIL,
			       f.addr ? "--underlay %s: this host does not "
					"have that address"
				      : "--underlay %s: that interface has no "
					"address of the peers' family",
			       want);
	if (family && f.found.p.addr.family != family)
		return err_set(err, -EADDRNOTAVAIL,
			       "--underlay %s: the other hosts' addresses are "
			       "of the other family",
			       want);
	return take(nlk, &f.found.p.addr, f.found.index, 0, ret, err);
}

/* What this host would send to @dst with. */
static int find_towards(struct nlk *nlk, const struct ip_addr *dst,
			struct ov_underlay *ret)
{
	struct nlk_route route;
	int r = nlk_route_lookup(nlk, dst, &route, NULL);

	if (r < 0 || ip_is_none(&route.source) || route.type != RTN_UNICAST)
		return -ENETUNREACH;
	return take(nlk, &route.source, route.oif, route.mtu, ret, NULL);
}

/* Root name servers stand for the world: nothing is sent. */
static int find_default(struct nlk *nlk, uint8_t family,
			struct ov_underlay *ret)
{
	static const char *const world[] = { "198.41.0.4",
					     "2001:503:ba3e::2:30" };

	for (size_t i = 0; i < ARRAY_SIZE(world); i++) {
		struct ip_addr ip;

		if (ip_parse(world[i], &ip, NULL) == 0 &&
		    (!family || ip.family == family) &&
		    find_towards(nlk, &ip, ret) == 0)
			return 0;
	}
	return -ENETUNREACH;
}

struct own {
	const struct ov_network *net;
	size_t peer; /* the first that is an address of this host */
	int index;   /* 0: none is */
};

static int on_own(void *ctx, const struct nlk_addr *a)
{
	struct own *o = ctx;
	size_t end = o->index ? o->peer : o->net->peer_count;

	for (size_t i = 0; i < end; i++)
		if (ip_equal(&a->p.addr, &o->net->peers[i])) {
			o->peer = i;
			o->index = a->index;
			break;
		}
	return 0;
}

/* One of them may be this host: then the others know it by that address. */
static int find_by_peers(struct nlk *nlk, const struct ov_network *net,
			 struct ov_underlay *ret)
{
	struct own o = { .net = net };

	if (net->peer_count && nlk_addr_walk(nlk, on_own, &o, NULL) == 0 &&
	    o.index)
		return take(nlk, &net->peers[o.peer], o.index, 0, ret, NULL);
	for (size_t i = 0; i < net->peer_count; i++)
		if (find_towards(nlk, &net->peers[i], ret) == 0)
			return 0;
	return -ENETUNREACH;
}

int ov_underlay_find(struct nlk *nlk, const char *want,
		     const struct ov_network *net, uint8_t family,
		     struct ov_underlay *ret, struct err *err)
{
	char text[IP_STR_MAX] = "";

	if (net->peer_count)
		family = net->peers[0].family;
	*ret = (struct ov_underlay){ .mtu = 0 };
	if (want[0])
		return find_given(nlk, want, family, ret, err);
	if (find_by_peers(nlk, net, ret) == 0 ||
	    find_default(nlk, family, ret) == 0)
		return 0;
	return err_set(err, -EADDRNOTAVAIL,
		       "no address to reach other hosts from: there is no "
		       "default route%s%s; say --underlay ADDRESS or INTERFACE",
		       net->peer_count ? ", nor one to " : "",
		       net->peer_count
			       ? ip_str(&net->peers[net->peer_count - 1], text)
			       : "");
}

/* ---- one for all networks of a cluster ------------------------------------------ */

static bool is_heard_of(const struct overlay_host *host)
{
	for (const struct overlay_network *n = host->networks; n; n = n->next)
		if (n->dir == host->cluster && (n->vtep_count || n->peer_count))
			return true;
	return false;
}

int ov_underlay_tell(struct overlay_host *host, struct err *err)
{
	static const struct ov_network anybody;
	uint8_t family = host->told.local.family;
	struct ov_underlay now;
	bool other;
	int r;

	if (family == AF_INET6 && !is_heard_of(host))
		family = 0;
	r = ov_underlay_find(host->br->nlk, host->underlay, &anybody, family,
			     &now, err);
	if (r < 0)
		return r;
	other = !ip_equal(&now.local, &host->told.local);
	host->told = now;
	return other ? ov_crypt_tell(host, err) : 0;
}

int ov_underlay_have(struct overlay_host *host, const struct overlay_network *n,
		     struct ov_underlay *ret, struct err *err)
{
	int r;

	if (!host->cluster || n->dir != host->cluster)
		return ov_underlay_find(host->br->nlk, host->underlay, &n->net,
					n->under.local.family, ret, err);
	r = ov_underlay_tell(host, err);
	if (r == 0)
		*ret = host->told;
	return r;
}
