/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links inside containers: found by their mark, which survives the move and the
 * new name, and made again after their parent was away.
 *
 * What dockerd did when the container started is done here: name, addresses, up,
 * default routes.  A link that is not finished bears another mark, so that one
 * which a kill left half made is begun anew.
 */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/netns.h"
#include "netplugins/lan/lan.h"
#include "netplugins/net_names.h"

#define PASSING "mx" /* begins the name of a link on its way */

static void again_alias(const struct net_endpoint *ep,
			char buf[static NLK_ALIAS_MAX])
{
	char id[80];

	snprintf(id, sizeof(id), "%s:again", ep->id);
	lan_alias(lan_of(ep->network)->kind, id, buf);
}

static void own_alias(const struct net_endpoint *ep,
		      char buf[static NLK_ALIAS_MAX])
{
	lan_alias(lan_of(ep->network)->kind, ep->id, buf);
}

struct find {
	const char *alias;
	struct nlk_link link;
	bool found;
};

static int on_link(void *ctx, const struct nlk_link *l)
{
	struct find *f = ctx;

	if (strcmp(l->alias, f->alias) == 0) {
		f->link = *l;
		f->found = true;
	}
	return 0;
}

static int find_marked(struct nlk *nlk, const char *alias, struct nlk_link *ret,
		       struct err *err)
{
	struct find f = { .alias = alias };
	int r = nlk_link_each(nlk, on_link, &f, err);

	if (r < 0)
		return r;
	if (!f.found)
		return err_set(err, -ENODEV, "no link with alias %s", alias);
	*ret = f.link;
	return 0;
}

int lan_find_in(int netns, const struct net_endpoint *ep, struct nlk_link *ret,
		struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	char alias[NLK_ALIAS_MAX];
	int r = nlk_open_in(netns, &nlk, err);

	own_alias(ep, alias);
	return r < 0 ? r : find_marked(nlk, alias, ret, err);
}

static int del_marked(struct nlk *nlk, const char *alias, struct err *err)
{
	struct nlk_link link;
	int r = find_marked(nlk, alias, &link, err);

	if (r == 0)
		r = nlk_link_del(nlk, link.name, alias, err);
	return r == -ENODEV ? 0 : r;
}

int lan_detach(struct net_endpoint *ep, int netns, struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	char own[NLK_ALIAS_MAX], again[NLK_ALIAS_MAX];
	int r = nlk_open_in(netns, &nlk, err);

	own_alias(ep, own);
	again_alias(ep, again);
	if (r == 0)
		r = del_marked(nlk, own, err);
	return r < 0 ? r : del_marked(nlk, again, err);
}

/* ---- attach ------------------------------------------------------------------ */

/* Before it is up: neighbours are told, for the parent's MAC may be another. */
static int set_sysctls(const struct net_endpoint *ep, const char *name,
		       struct err *err)
{
	bool v6 = !ip_is_none(&ep->addr6.addr);
	char path[96];
	int r;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/arp_notify", name);
	r = sysctl_set(path, "1", err);
	if (r == 0)
		r = sysctl_set_ip6(name, "ndisc_notify", "1", err);
	if (r == 0)
		r = sysctl_set_ip6(name, "disable_ipv6", v6 ? "0" : "1", err);
	return r;
}

static int has_default(void *ctx, const struct nlk_route *r)
{
	if (r->dst.len == 0 && r->oif && r->table == RT_TABLE_MAIN)
		*(bool *)ctx = true;
	return 0;
}

/* dockerd gave the default route to one network of the container. */
static int add_default(struct nlk *nlk, int index, int family,
		       const struct ip_addr *gateway, bool on_link,
		       struct err *err)
{
	struct nlk_route route = { .dst.addr.family = (uint8_t)family,
				   .gateway = *gateway,
				   .protocol = RTPROT_BOOT, /* as dockerd */
				   .oif = index };
	bool there = false;
	int r;

	if (ip_is_none(gateway) && !on_link)
		return 0;
	r = nlk_route_each(nlk, family, has_default, &there, err);
	return r < 0 || there ? r : nlk_route_add(nlk, &route, err);
}

static int add_routes(struct nlk *nlk, int index, struct net_endpoint *ep,
		      struct err *err)
{
	struct net_join_reply join = { 0 };
	bool link4 = false, link6 = false;
	int r = lan_join(ep, &join, err);

	for (unsigned int i = 0; i < join.route_count; i++) {
		link4 |= join.routes[i].dst.addr.family == AF_INET;
		link6 |= join.routes[i].dst.addr.family == AF_INET6;
	}
	if (r < 0 || (!ep->exposed && !link4 && !link6))
		return r;
	r = add_default(nlk, index, AF_INET, &join.gateway4, link4, err);
	if (r == 0)
		r = add_default(nlk, index, AF_INET6, &join.gateway6, link6,
				err);
	return r;
}

struct inside {
	struct net_endpoint *ep;
	const char *name;
};

static int configure(struct nlk *nlk, struct net_endpoint *ep, const char *name,
		     struct err *err)
{
	char alias[NLK_ALIAS_MAX], pattern[IFNAMSIZ];
	struct nlk_link link;
	int r = nlk_link_get(nlk, name, 0, &link, err);

	if (r == 0)
		r = set_sysctls(ep, name, err);
	if (r == 0 && !ip_is_none(&ep->addr4.addr))
		r = nlk_addr_add(nlk, link.index, &ep->addr4, err);
	if (r == 0 && !ip_is_none(&ep->addr6.addr))
		r = nlk_addr_add(nlk, link.index, &ep->addr6, err);
	if (r < 0)
		return r;
	/* The lowest free number, as dockerd. */
	snprintf(pattern, sizeof(pattern), "%.*s%%d", IFNAMSIZ - 5,
		 lan_of(ep->network)->opt.prefix);
	r = nlk_link_rename(nlk, link.index, pattern, err);
	if (r == 0)
		r = nlk_link_up(nlk, link.index, true, err);
	if (r == 0)
		r = NET_STEP("lan.attach.up", err);
	if (r == 0)
		r = add_routes(nlk, link.index, ep, err);
	own_alias(ep, alias);
	return r < 0 ? r : nlk_link_alias(nlk, link.index, alias, err);
}

/* In a thread that is in the container: sysctls are those of its namespace. */
static int go_inside(void *ctx, struct err *err)
{
	struct inside *in = ctx;
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	char again[NLK_ALIAS_MAX];
	int r = nlk_open(&nlk, err);

	if (r < 0)
		return r;
	again_alias(in->ep, again);
	r = configure(nlk, in->ep, in->name, err);
	if (r < 0)
		(void)del_marked(nlk, again, NULL); /* next time, if not now */
	return r;
}

static int refit_inside(void *ctx, struct err *err)
{
	struct net_endpoint *ep = ctx;
	const struct lan_network *ln = lan_of(ep->network);
	uint32_t mtu =
		ln->opt.mtu && ln->opt.mtu < ln->mtu ? ln->opt.mtu : ln->mtu;
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	char alias[NLK_ALIAS_MAX];
	struct nlk_link link = { .mtu = 0 };
	int r = nlk_open(&nlk, err);

	own_alias(ep, alias);
	if (r == 0)
		r = find_marked(nlk, alias, &link, err);
	if (r < 0 || link.mtu >= mtu)
		return r;
	r = nlk_link_mtu(nlk, link.index, mtu, err);
	/* Below 1280 the kernel took all of IPv6 away, and its defaults are
	 * there now. */
	if (r < 0 || link.mtu >= 1280 || mtu < 1280)
		return r;
	r = set_sysctls(ep, link.name, err);
	if (r == 0 && !ip_is_none(&ep->addr6.addr))
		r = nlk_addr_add(nlk, link.index, &ep->addr6, err);
	return r < 0 ? r : add_routes(nlk, link.index, ep, err);
}

int lan_refit(struct net_endpoint *ep, int netns, struct err *err)
{
	return netns_run(netns, refit_inside, ep, err);
}

int lan_attach_clear(struct net_endpoint *ep, struct err *err)
{
	struct lan_host *host = ep->network->host;
	char again[NLK_ALIAS_MAX], name[IFNAMSIZ];
	int r;

	again_alias(ep, again);
	net_link_name(PASSING, ep->id, 0, name);
	r = nlk_link_del(host->slow, name, again, err);
	return r == -EPERM ? 0 : r;
}

static int make_and_move(struct net_endpoint *ep, const char *name,
			 const char *alias, int netns, struct err *err)
{
	struct lan_host *host = ep->network->host;
	const struct nlk_stack_conf conf = lan_link_conf(ep, name, alias);
	struct nlk_link link;
	int r = lan_attach_clear(ep, err);

	if (r < 0)
		return r;
	r = nlk_stack_add(host->nlk, &conf, err);
	if (r < 0)
		return lan_parent_explain(host, lan_of(ep->network), r, err);
	r = NET_STEP("lan.attach.link", err);
	if (r == 0)
		r = nlk_link_get(host->nlk, name, 0, &link, err);
	if (r == 0)
		r = nlk_link_netns(host->nlk, link.index, netns, err);
	if (r < 0)
		(void)nlk_link_del(host->slow, name, alias, NULL);
	return r;
}

int lan_attach(struct net_endpoint *ep, int netns, struct err *err)
{
	char again[NLK_ALIAS_MAX], name[IFNAMSIZ];
	struct inside in = { .ep = ep, .name = name };
	int r = lan_detach(ep, netns, err);

	again_alias(ep, again);
	net_link_name(PASSING, ep->id, 0, name);
	if (r == 0)
		r = make_and_move(ep, name, again, netns, err);
	if (r == 0)
		r = NET_STEP("lan.attach.moved", err);
	if (r == 0)
		r = netns_run(netns, go_inside, &in, err);
	return r < 0 ? err_wrap(err, r, "endpoint %.12s", ep->id) : 0;
}
