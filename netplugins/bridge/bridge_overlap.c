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

struct route_check {
	const struct net_pool *pool;
	int own; /* ifindex of the network's bridge, 0: none yet */
	struct nlk_route hit;
	bool found;
};

static int on_route(void *ctx, const struct nlk_route *r)
{
	struct route_check *c = ctx;

	/* A default route overlaps everything and means nothing. */
	if (c->found || r->dst.len == 0 || r->type != RTN_UNICAST ||
	    r->table == RT_TABLE_LOCAL || (c->own && r->oif == c->own) ||
	    !ip_prefix_overlaps(&c->pool->pool, &r->dst))
		return 0;
	c->hit = *r;
	c->found = true;
	return 0;
}

static int check_routes(struct bridge_host *host,
			const struct bridge_network *br,
			const struct net_pool *pool, struct err *err)
{
	struct route_check c = { .pool = pool };
	struct nlk_link link = { 0 };
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];
	int r;

	if (ip_is_none(&pool->pool.addr))
		return 0;
	if (nlk_link_get(host->nlk, br->name, 0, &link, NULL) == 0)
		c.own = link.index;
	r = nlk_route_each(host->nlk, pool->pool.addr.family, on_route, &c,
			   err);
	if (r < 0 || !c.found)
		return r;
	if (nlk_link_get(host->nlk, NULL, c.hit.oif, &link, NULL) < 0)
		strcpy(link.name, "?");
	return err_set(err, -EEXIST,
		       "subnet %s overlaps this host's route %s on %s: choose "
		       "another with --subnet",
		       ip_prefix_str(&pool->pool, a),
		       ip_prefix_str(&c.hit.dst, b), link.name);
}

int bridge_overlap_check(struct bridge_host *host,
			 const struct bridge_network *br, struct err *err)
{
	int r = check_routes(host, br, &br->base.v4, err);

	return r < 0 ? r : check_routes(host, br, &br->base.v6, err);
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
		r = bridge_overlap_check(host, br, err);
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
