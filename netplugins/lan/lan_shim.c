/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * This host and its containers reach each other.
 *
 * The kernel delivers nothing between a parent and the macvlans on it.  So the host
 * gets a macvlan of its own on the parent, the shim, and a route to each container
 * that leads there, with the parent's address as source.
 *
 * IPv4: the shim has no address.  Linux answers ARP for an address on whatever link it
 * is asked, so containers find the parent's address there.  arp_filter makes that true
 * for the containers alone, to whom a route leads by the shim: the LAN, whose requests
 * the shim hears as well, goes on to see one MAC.
 *
 * IPv6: neighbours are answered on a link that has the address.  So the shim has all of
 * the parent's, without a route of their own.  What the LAN asks is dropped by the rule
 * that arp_filter is for IPv4: no route to the asker by this link.
 *
 * A parent without addresses: those of --aux-address host=.
 */
/* net/if.h before linux/if.h, which netfilter.h brings */
#include "netplugins/lan/lan.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/netns.h"
#include "netplugins/net_names.h"

#define SHIM       "bh-"
#define ADDRS_MAX  64 /* of a parent */
#define ND_SOLICIT 135

/* ---- what there should be --------------------------------------------------- */

struct shim {
	struct lan_host *host;
	const char *parent;
	char name[IFNAMSIZ], alias[NLK_ALIAS_MAX];
	int parent_index, index;
	struct lan_seat *seats; /* owned array: copies */
	size_t seat_count;
	struct ip_prefix addrs[ADDRS_MAX]; /* of the parent, and aux ones */
	size_t addr_count;
};

static void shim_fini(struct shim *s)
{
	free(s->seats);
}

static void shim_names(struct shim *s)
{
	char id[IFNAMSIZ + 8];

	snprintf(id, sizeof(id), "shim:%s", s->parent);
	lan_alias(s->host->kind, id, s->alias);
	if (strlen(s->parent) + strlen(SHIM) < IFNAMSIZ)
		snprintf(s->name, sizeof(s->name), SHIM "%.12s", s->parent);
	else
		snprintf(s->name, sizeof(s->name), SHIM "%010llx",
			 (unsigned long long)(net_hash(s->parent, 0) >> 24));
}

static bool wants(const struct lan_seat *seat, const char *parent)
{
	return seat->access && strcmp(seat->parent, parent) == 0;
}

bool lan_shim_wanted(struct lan_host *host, const char *parent)
{
	bool wanted = false;

	pthread_mutex_lock(&host->lock);
	for (const struct lan_seat *s = host->seats; s; s = s->next)
		wanted |= wants(s, parent);
	pthread_mutex_unlock(&host->lock);
	return wanted;
}

static int copy_seats(struct shim *s, struct err *err)
{
	size_t n = 0;

	pthread_mutex_lock(&s->host->lock);
	for (const struct lan_seat *seat = s->host->seats; seat;
	     seat = seat->next)
		n += wants(seat, s->parent);
	s->seats = calloc(n + 1, sizeof(*s->seats));
	for (const struct lan_seat *seat = s->host->seats; s->seats && seat;
	     seat = seat->next)
		if (wants(seat, s->parent))
			s->seats[s->seat_count++] = *seat;
	pthread_mutex_unlock(&s->host->lock);
	return s->seats ? 0 : err_set(err, -ENOMEM, "shim");
}

static void add_addr(struct shim *s, const struct ip_prefix *p)
{
	for (size_t i = 0; i < s->addr_count; i++)
		if (ip_equal(&s->addrs[i].addr, &p->addr))
			return;
	if (s->addr_count < ADDRS_MAX)
		s->addrs[s->addr_count++] = *p;
}

static int on_parent_addr(void *ctx, const struct nlk_addr *a)
{
	struct shim *s = ctx;

	if (a->index == s->parent_index && a->scope == RT_SCOPE_UNIVERSE &&
	    !(a->flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
		add_addr(s, &a->p);
	return 0;
}

/* The user's own choice, if any, then the parent's. */
static int read_addrs(struct shim *s, struct err *err)
{
	for (size_t i = 0; i < s->seat_count; i++) {
		const struct ip_addr *both[] = { &s->seats[i].host4,
						 &s->seats[i].host6 };

		for (size_t k = 0; k < ARRAY_SIZE(both); k++) {
			struct ip_prefix p = {
				.addr = *both[k],
				.len = (uint8_t)(ip_bytes(both[k]) * 8),
			};

			if (!ip_is_none(both[k]))
				add_addr(s, &p);
		}
	}
	return nlk_addr_walk(s->host->nlk, on_parent_addr, s, err);
}

/* Source of what goes to @dst: what the user said, an address of the same subnet,
 * any; none at last: the kernel's choice. */
static struct ip_addr source_for(const struct shim *s,
				 const struct lan_seat *seat,
				 const struct ip_addr *dst)
{
	const struct ip_addr *own =
		dst->family == AF_INET ? &seat->host4 : &seat->host6;
	struct ip_addr any = { 0 };

	if (!ip_is_none(own))
		return *own;
	for (size_t i = 0; i < s->addr_count; i++) {
		const struct ip_prefix *p = &s->addrs[i];

		if (p->addr.family != dst->family)
			continue;
		if (ip_prefix_contains(p, dst))
			return p->addr;
		if (ip_is_none(&any))
			any = p->addr;
	}
	return any;
}

/* ---- the link ---------------------------------------------------------------- */

/* Before it is up.  Nobody's router advertisement configures it, it has no address
 * but those we give, and those are the parent's: no duplicates to look for. */
static int set_sysctls(const struct shim *s, struct err *err)
{
	char path[96];
	int r;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/arp_filter", s->name);
	r = sysctl_set(path, "1", err);
	if (r == 0)
		r = sysctl_set_ip6(s->name, "accept_ra", "0", err);
	if (r == 0)
		r = sysctl_set_ip6(s->name, "accept_dad", "0", err);
	if (r == 0)
		r = sysctl_set_ip6(s->name, "addr_gen_mode", "1", err);
	return r;
}

/* The kernel makes it smaller with its parent, and never greater again. */
static int fit(struct shim *s, const struct nlk_link *link, struct err *err)
{
	struct nlk_link parent;
	int r = nlk_link_get(s->host->nlk, NULL, s->parent_index, &parent, err);

	if (r < 0 || link->mtu >= parent.mtu)
		return r;
	return nlk_link_mtu(s->host->nlk, link->index, parent.mtu, err);
}

static int make_link(struct shim *s, struct err *err)
{
	const struct nlk_stack_conf conf = {
		.kind = NLK_MACVLAN,
		.name = s->name,
		.alias = s->alias,
		.lower = s->parent_index,
		.mode = MACVLAN_MODE_BRIDGE,
	};
	struct nlk_link link = { 0 };
	int r = nlk_link_get(s->host->nlk, s->name, 0, &link, NULL);

	/* On a parent of before, or not marked yet when the daemon died. */
	if (r == 0 && (link.peer_index != s->parent_index ||
		       strcmp(link.alias, s->alias) != 0)) {
		r = nlk_link_del(s->host->slow, s->name, s->alias, err);
		if (r < 0)
			return r;
		r = -ENODEV;
	}
	if (r == -ENODEV)
		r = nlk_stack_add(s->host->nlk, &conf, err);
	if (r == 0)
		r = nlk_link_get(s->host->nlk, s->name, 0, &link, err);
	if (r == 0)
		r = fit(s, &link, err);
	if (r == 0) /* again: an MTU that grows beyond 1280 brings defaults */
		r = set_sysctls(s, err);
	s->index = link.index;
	return r;
}

/* ---- the rule ------------------------------------------------------------------ */

static int add_rule(struct lan_host *host, struct err *err)
{
	static const char prefix[] = SHIM;
	const struct fw_table table = { NFPROTO_INET, host->kind->driver };
	const struct fw_chain chain = { .name = "solicited",
					.type = "filter",
					.hook = NF_INET_LOCAL_IN,
					.priority = -300 };
	const struct fw_expr drop[] = {
		FW_META(0, NFT_META_IIFNAME),
		FW_EQ(0, prefix, sizeof(prefix) - 1),
		FW_L4PROTO(IPPROTO_ICMPV6),
		FW_ICMP_TYPE(0),
		FW_EQ8(0, ND_SOLICIT),
		FW_FIB(0, NFT_FIB_RESULT_OIF,
		       NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF),
		FW_EQ32(0, 0),
		FW_VERDICT(NF_DROP),
		FW_END,
	};
	const struct fw_rule rule = { .chain = chain.name, .exprs = drop };
	_cleanup_(fw_batch_freep) struct fw_batch *b = NULL;

	if (fw_table_find(host->fw, &table, NULL) == 0)
		return 0;
	b = fw_batch_new(host->fw);
	if (!b)
		return err_set(err, -ENOMEM, "rule of the shims");
	fw_table_add(b, &table);
	fw_chain_add(b, &table, &chain);
	fw_rule_add(b, &table, &rule);
	return fw_commit(b, err);
}

bool lan_shim_any(struct lan_host *host)
{
	bool any = false;

	pthread_mutex_lock(&host->lock);
	for (const struct lan_seat *s = host->seats; s; s = s->next)
		any |= s->access;
	pthread_mutex_unlock(&host->lock);
	return any;
}

static int del_rule(struct lan_host *host, struct err *err)
{
	const struct fw_table table = { NFPROTO_INET, host->kind->driver };
	_cleanup_(fw_batch_freep) struct fw_batch *b = NULL;

	if (lan_shim_any(host) || fw_table_find(host->fw, &table, NULL) < 0)
		return 0;
	b = fw_batch_new(host->fw);
	if (!b)
		return err_set(err, -ENOMEM, "rule of the shims");
	fw_table_del(b, &table);
	return fw_commit(b, err);
}

/* ---- addresses ------------------------------------------------------------------ */

/* IPv4 addresses are answered for without being there: only the user's own choice
 * is on no other link. */
static bool belongs(const struct shim *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->seat_count; i++)
		if (ip_equal(a, &s->seats[i].host4))
			return true;
	if (a->family != AF_INET6)
		return false;
	for (size_t i = 0; i < s->addr_count; i++)
		if (ip_equal(a, &s->addrs[i].addr))
			return true;
	return false;
}

struct addrs {
	const struct shim *s;
	struct ip_prefix had[ADDRS_MAX + 8]; /* of the shim */
	size_t count;
};

static int on_shim_addr(void *ctx, const struct nlk_addr *a)
{
	struct addrs *all = ctx;

	if (a->index == all->s->index && a->scope == RT_SCOPE_UNIVERSE &&
	    all->count < ARRAY_SIZE(all->had))
		all->had[all->count++] = a->p;
	return 0;
}

static bool had(const struct addrs *all, const struct ip_addr *a)
{
	for (size_t i = 0; i < all->count; i++)
		if (ip_equal(&all->had[i].addr, a))
			return true;
	return false;
}

static int sync_addrs(struct shim *s, struct err *err)
{
	struct nlk *nlk = s->host->nlk;
	struct addrs all = { .s = s };
	int r = nlk_addr_walk(nlk, on_shim_addr, &all, err);

	for (size_t i = 0; r == 0 && i < all.count; i++)
		if (!belongs(s, &all.had[i].addr))
			r = nlk_addr_del(nlk, s->index, &all.had[i], err);
	for (size_t i = 0; r == 0 && i < s->addr_count; i++) {
		const struct ip_addr *a = &s->addrs[i].addr;
		const struct ip_prefix p = {
			.addr = *a, .len = (uint8_t)(ip_bytes(a) * 8)
		};

		if (belongs(s, a) && !had(&all, a))
			r = nlk_addr_add_bare(nlk, s->index, &p, err);
	}
	return r;
}

/* ---- routes ---------------------------------------------------------------------- */

struct routes {
	const struct shim *s;
	struct nlk_route *list; /* owned: of the shim, not the kernel's own */
	size_t count, room;
};

static void routes_fini(struct routes *all)
{
	free(all->list);
}

static int on_route(void *ctx, const struct nlk_route *r)
{
	struct routes *all = ctx;

	if (r->oif != all->s->index || r->table != RT_TABLE_MAIN ||
	    r->protocol == RTPROT_KERNEL)
		return 0;
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct nlk_route *list =
			reallocarray(all->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		all->list = list;
		all->room = room;
	}
	all->list[all->count++] = *r;
	return 0;
}

static struct nlk_route route_to(const struct shim *s,
				 const struct lan_seat *seat,
				 const struct ip_addr *dst)
{
	return (struct nlk_route){
		.dst = { .addr = *dst, .len = (uint8_t)(ip_bytes(dst) * 8) },
		.source = source_for(s, seat, dst),
		.oif = s->index,
		.table = RT_TABLE_MAIN,
	};
}

static bool route_equal(const struct nlk_route *a, const struct nlk_route *b)
{
	return a->dst.len == b->dst.len &&
	       ip_equal(&a->dst.addr, &b->dst.addr) &&
	       ip_equal(&a->source, &b->source);
}

static bool is_wanted(const struct shim *s, const struct nlk_route *r)
{
	for (size_t i = 0; i < s->seat_count; i++) {
		const struct lan_seat *seat = &s->seats[i];
		struct nlk_route r4 = route_to(s, seat, &seat->ip4);
		struct nlk_route r6 = route_to(s, seat, &seat->ip6);

		if (route_equal(r, &r4) || route_equal(r, &r6))
			return true;
	}
	return false;
}

static int add_route(struct shim *s, const struct routes *all,
		     const struct lan_seat *seat, const struct ip_addr *dst,
		     struct err *err)
{
	struct nlk_route r = route_to(s, seat, dst);

	if (ip_is_none(dst))
		return 0;
	for (size_t i = 0; i < all->count; i++)
		if (route_equal(&all->list[i], &r))
			return 0;
	return nlk_route_add(s->host->nlk, &r, err);
}

static int sync_routes(struct shim *s, struct err *err)
{
	struct nlk *nlk = s->host->nlk;
	_cleanup_(routes_fini) struct routes all = { .s = s };
	int r = nlk_route_each(nlk, AF_INET, on_route, &all, err);

	if (r == 0)
		r = nlk_route_each(nlk, AF_INET6, on_route, &all, err);
	for (size_t i = 0; r == 0 && i < all.count; i++)
		if (!is_wanted(s, &all.list[i]))
			r = nlk_route_del(nlk, &all.list[i], err);
	if (r < 0)
		return r;
	/* A route of the administrator's may be in one's way, not in others'. */
	for (size_t i = 0; i < s->seat_count; i++) {
		const struct lan_seat *seat = &s->seats[i];
		const struct ip_addr *both[] = { &seat->ip4, &seat->ip6 };

		for (size_t k = 0; k < ARRAY_SIZE(both); k++) {
			int one = add_route(s, &all, seat, both[k],
					    r < 0 ? NULL : err);

			if (r == 0)
				r = one;
		}
	}
	return r;
}

/* ---- all of it -------------------------------------------------------------------- */

static int raise_shim(struct shim *s, struct err *err)
{
	int r = read_addrs(s, err);

	if (r == 0)
		r = add_rule(s->host, err);
	if (r == 0)
		r = make_link(s, err);
	if (r == 0)
		r = NET_STEP("lan.shim.link", err);
	if (r == 0)
		r = nlk_link_up(s->host->nlk, s->index, true, err);
	if (r == 0)
		r = sync_addrs(s, err);
	if (r == 0)
		r = NET_STEP("lan.shim.address", err);
	return r < 0 ? r : sync_routes(s, err);
}

static int sync_locked(struct lan_host *host, const char *parent,
		       struct err *err)
{
	_cleanup_(shim_fini) struct shim s = { .host = host, .parent = parent };
	int r = copy_seats(&s, err);

	if (r < 0)
		return r;
	shim_names(&s);
	if (!s.seat_count) {
		r = nlk_link_del(host->slow, s.name, s.alias, err);
		if (r == -EPERM) /* another's */
			r = 0;
		return r < 0 ? r : del_rule(host, err);
	}
	/* With its parent gone it is gone, too, and comes with the next one. */
	s.parent_index = lan_parent_index(host, parent);
	if (!s.parent_index)
		return 0;
	r = raise_shim(&s, err);
	return r < 0 ? err_wrap(err, r, "berth.host_access on %s", parent) : 0;
}

int lan_shim_sync(struct lan_host *host, const char *parent, struct err *err)
{
	int r;

	pthread_mutex_lock(&host->shim_lock);
	r = sync_locked(host, parent, err);
	pthread_mutex_unlock(&host->shim_lock);
	return r;
}

struct parents {
	char (*names)[IFNAMSIZ]; /* owned */
	size_t count;
};

static int add_parent(struct parents *p, const char *name)
{
	char(*names)[IFNAMSIZ];

	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->names[i], name) == 0)
			return 0;
	names = reallocarray(p->names, p->count + 1, sizeof(*names));
	if (!names)
		return -ENOMEM;
	p->names = names;
	snprintf(names[p->count++], IFNAMSIZ, "%s", name);
	return 0;
}

int lan_shim_sync_all(struct lan_host *host, struct err *err)
{
	struct parents p = { 0 };
	int r = 0;

	pthread_mutex_lock(&host->lock);
	for (const struct lan_seat *s = host->seats; s && r == 0; s = s->next)
		if (s->access)
			r = add_parent(&p, s->parent);
	pthread_mutex_unlock(&host->lock);
	if (r < 0)
		err_set(err, r, "shims");
	/* One that can't be is in no other's way. */
	for (size_t i = 0; i < p.count; i++) {
		int one = lan_shim_sync(host, p.names[i], r < 0 ? NULL : err);

		if (r == 0)
			r = one;
	}
	free(p.names);
	return r;
}

int lan_shim_gc(struct lan_host *host, struct err *err)
{
	int r;

	if (!host->fw)
		return 0;
	pthread_mutex_lock(&host->shim_lock);
	r = del_rule(host, err);
	pthread_mutex_unlock(&host->shim_lock);
	return r;
}
