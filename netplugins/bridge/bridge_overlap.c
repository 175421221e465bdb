/* SPDX-License-Identifier: GPL-2.0-or-later */
/* No two networks, and no network and route of the host, share addresses. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "netplugins/bridge/bridge.h"

static bool pools_overlap(const struct net_pool *a, const struct net_pool *b)
{
	return !ip_is_none(&a->pool.addr) && !ip_is_none(&b->pool.addr) &&
	       ip_prefix_overlaps(&a->pool, &b->pool);
}

static int clash(const struct net_pool *mine, const struct net_pool *other,
		 const char *id, struct err *err)
{
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];

	return err_set(err, -EEXIST,
		       "subnet %s overlaps %s of network %.12s: choose another "
		       "with --subnet",
		       ip_prefix_str(&mine->pool, a),
		       ip_prefix_str(&other->pool, b), id);
}

/* Under host->lock. */
static int check_networks(const struct bridge_host *host,
			  const struct bridge_network *br, struct err *err)
{
	const struct net_network *net = &br->base;

	for (const struct bridge_network *o = host->networks; o; o = o->next) {
		if (pools_overlap(&net->v4, &o->base.v4))
			return clash(&net->v4, &o->base.v4, o->base.id, err);
		if (pools_overlap(&net->v6, &o->base.v6))
			return clash(&net->v6, &o->base.v6, o->base.id, err);
		if (strcmp(br->name, o->name) == 0)
			return err_set(err, -EEXIST,
				       "bridge %s belongs to network %.12s: "
				       "choose another "
				       "com.docker.network.bridge.name",
				       br->name, o->base.id);
	}
	return 0;
}

/* ---- routes of the host ------------------------------------------------------ */

struct routes {
	struct nlk_route *items; /* owned */
	size_t count, room;
};

static void routes_fini(struct routes *rs)
{
	free(rs->items);
}

static int on_route(void *ctx, const struct nlk_route *r)
{
	struct routes *rs = ctx;

	if (nlk_is_default(&r->dst) || r->type != RTN_UNICAST ||
	    r->table == RT_TABLE_LOCAL)
		return 0;
	if (rs->count == rs->room) {
		size_t room = rs->room ? rs->room * 2 : 32;
		struct nlk_route *items =
			reallocarray(rs->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		rs->items = items;
		rs->room = room;
	}
	rs->items[rs->count++] = *r;
	return 0;
}

/* -EEXIST when one of @rs that is not on link @own takes of the pool. */
static int judge(struct bridge_host *host, const struct net_pool *pool,
		 const struct routes *rs, int own, struct err *err)
{
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];
	struct nlk_link link = { .name = "?" };

	for (size_t i = 0; i < rs->count; i++) {
		const struct nlk_route *r = &rs->items[i];

		if ((own && r->oif == own) ||
		    !ip_prefix_overlaps(&pool->pool, &r->dst))
			continue;
		(void)nlk_link_get(host->nlk, NULL, r->oif, &link, NULL);
		return err_set(err, -EEXIST,
			       "subnet %s overlaps this host's route %s on %s: "
			       "choose another with --subnet",
			       ip_prefix_str(&pool->pool, a),
			       ip_prefix_str(&r->dst, b), link.name);
	}
	return 0;
}

static int check_routes(struct bridge_host *host,
			const struct bridge_network *br,
			const struct net_pool *pool, struct err *err)
{
	_cleanup_(routes_fini) struct routes rs = { .items = NULL };
	struct nlk_link link = { .index = 0 };
	int r;

	if (ip_is_none(&pool->pool.addr))
		return 0;
	(void)nlk_link_get(host->nlk, br->name, 0, &link, NULL);
	r = nlk_route_each(host->nlk, pool->pool.addr.family, on_route, &rs,
			   err);
	return r < 0 ? r : judge(host, pool, &rs, link.index, err);
}

static int check_host(struct bridge_host *host, const struct bridge_network *br,
		      struct err *err)
{
	int r = check_routes(host, br, &br->base.v4, err);

	return r < 0 ? r : check_routes(host, br, &br->base.v6, err);
}

static void tell(struct bridge_host *host, const struct bridge_network *br,
		 const struct net_pool *pool, const struct routes *rs,
		 void (*fn)(void *ctx, const char *line), void *ctx)
{
	char line[ERR_MSG_MAX + 40];
	struct err err = { 0 };

	if (ip_is_none(&pool->pool.addr) ||
	    judge(host, pool, rs, br->index, &err) == 0)
		return;
	snprintf(line, sizeof(line), "network %.12s: %s", br->base.id, err.msg);
	fn(ctx, line);
}

int bridge_overlap_report(struct bridge_host *host,
			  void (*fn)(void *ctx, const char *line), void *ctx,
			  struct err *err)
{
	_cleanup_(routes_fini) struct routes rs4 = { .items = NULL };
	_cleanup_(routes_fini) struct routes rs6 = { .items = NULL };
	int r = nlk_route_each(host->nlk, AF_INET, on_route, &rs4, err);

	if (r == 0)
		r = nlk_route_each(host->nlk, AF_INET6, on_route, &rs6, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&host->lock);
	for (const struct bridge_network *br = host->networks; br;
	     br = br->next) {
		tell(host, br, &br->base.v4, &rs4, fn, ctx);
		tell(host, br, &br->base.v6, &rs6, fn, ctx);
	}
	pthread_mutex_unlock(&host->lock);
	return 0;
}

int bridge_claim(struct bridge_host *host, struct bridge_network *br,
		 bool fresh, struct err *err)
{
	int r;

	if (br->claimed)
		return 0;
	pthread_mutex_lock(&host->lock);
	r = check_networks(host, br, err);
	if (r == 0) {
		br->next = host->networks;
		host->networks = br;
		br->claimed = true;
	}
	pthread_mutex_unlock(&host->lock);
	if (r == 0 && fresh)
		r = check_host(host, br, err);
	if (r < 0)
		bridge_release(host, br);
	return r;
}

void bridge_release(struct bridge_host *host, struct bridge_network *br)
{
	struct bridge_network **at;

	pthread_mutex_lock(&host->lock);
	for (at = &host->networks; *at && *at != br; at = &(*at)->next)
		;
	if (*at)
		*at = br->next;
	br->claimed = false;
	pthread_mutex_unlock(&host->lock);
}
