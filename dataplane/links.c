// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Others' links: which bridges are somebody else's network.
 *
 * Our accept rule in Docker's FORWARD stands before everything that Docker,
 * libvirt or podman say of their own networks there, so what it would open has
 * to be closed by us.  Such a network cannot be told by its bridge's name (it
 * may be any) nor by its owner's rules (each has others, and podman and LXD may
 * have none).  It can be told by what it is: a bridge that only containers and
 * machines of this host hang on.  One with a cable, or that the default route
 * goes out by, is a way to the outside, and open as any other interface.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"

static bool is_hex(const char *s)
{
	return s[strspn(s, "0123456789abcdef")] == '\0';
}

static bool is_bridge(const struct nlk_link *l)
{
	return strcmp(l->kind, "bridge") == 0;
}

static bool is_docker_bridge(const struct nlk_link *l)
{
	return strcmp(l->name, "docker0") == 0 ||
	       strcmp(l->name, "docker_gwbridge") == 0 ||
	       (strncmp(l->name, "br-", 3) == 0 && strlen(l->name) == 15 &&
		is_hex(l->name + 3));
}

/* May there be something outside this host behind a port of this kind? */
static bool is_wire(const struct nlk_link *l)
{
	return strcmp(l->kind, "veth") != 0 && strcmp(l->kind, "tun") != 0 &&
	       strcmp(l->kind, "dummy") != 0 &&
	       strncmp(l->alias, "berth:", 6) != 0;
}

static bool is_ours(const struct dp *dp, const struct nlk_link *l)
{
	size_t len = strlen(dp->driver);

	if (strncmp(l->alias, "berth:", 6) == 0 &&
	    strncmp(l->alias + 6, dp->driver, len) == 0 &&
	    l->alias[6 + len] == ':')
		return true;
	for (size_t i = 0; i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (strcmp(net->bridge, l->name) == 0)
			return true; /* the user's, lent to us */
	}
	return false;
}

/* ---- scan ----------------------------------------------------------------- */

struct scan {
	const struct dp *dp;
	struct tab links; /* struct state_link */
	int *wired;       /* owned: indices of bridges with a cable */
	size_t count, room;
};

static int add_wired(struct scan *s, int bridge)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 8;
		int *p = reallocarray(s->wired, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->wired = p;
		s->room = room;
	}
	s->wired[s->count++] = bridge;
	return 0;
}

static int scan_link(void *ctx, const struct nlk_link *l)
{
	bool berth = strncmp(l->alias, "berth:", 6) == 0;
	struct scan *s = ctx;
	struct state_link *item;

	if (l->master && is_wire(l))
		return add_wired(s, l->master);
	if (is_ours(s->dp, l) || (berth ? l->master != 0 : !is_bridge(l)))
		return 0;
	item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	memcpy(item->id, l->name, sizeof(item->id));
	item->index = l->index;
	item->docker = !berth && is_docker_bridge(l);
	item->closed = !berth;
	item->friend = berth;
	item->bridge = is_bridge(l);
	if (tab_put(&s->links, item) < 0) {
		free(item);
		return -ENOMEM;
	}
	return 0;
}

/* Out of which link this host reaches the world, by IPv4 and by IPv6.  A root
 * name server stands for it: nothing is sent. */
static void find_uplinks(struct nlk *nlk, int ret[static 2])
{
	static const char *const world[] = { "198.41.0.4",
					     "2001:503:ba3e::2:30" };

	for (size_t i = 0; i < ARRAY_SIZE(world); i++) {
		struct nlk_route r = { 0 };
		struct ip_addr ip;

		ret[i] = 0;
		if (ip_parse(world[i], &ip, NULL) == 0 &&
		    nlk_route_lookup(nlk, &ip, &r, NULL) == 0)
			ret[i] = r.oif;
	}
}

static bool leads_out(const struct scan *s, const int uplinks[static 2],
		      int index)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->wired[i] == index)
			return true;
	return index == uplinks[0] || index == uplinks[1];
}

static bool same_links(const struct tab *a, const struct tab *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct state_link *x = a->items[i], *y = b->items[i];

		if (strcmp(x->id, y->id) != 0 || x->closed != y->closed ||
		    x->friend != y->friend)
			return false;
	}
	return true;
}

static void free_links(struct tab *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
}

int dp_scan_links(struct dp *dp, struct err *err)
{
	struct scan s = { .dp = dp };
	int r = nlk_link_each(dp->nlk, scan_link, &s, err);
	bool same;

	if (r < 0) {
		free_links(&s.links);
		free(s.wired);
		return r;
	}
	find_uplinks(dp->nlk, dp->uplinks);
	for (size_t i = 0; i < s.links.count; i++) {
		struct state_link *l = s.links.items[i];

		/* Docker keeps its networks apart whatever hangs on them */
		if (!l->docker && leads_out(&s, dp->uplinks, l->index))
			l->closed = false;
	}
	free(s.wired);
	same = same_links(&s.links, &dp->st.links);
	free_links(&dp->st.links);
	dp->st.links = s.links;
	return same ? 0 : 1;
}

/* ---- events --------------------------------------------------------------- */

void dp_on_link(void *ctx, const struct nlk_event *e)
{
	const struct nlk_link *l = &e->link;
	struct dp *dp = ctx;

	switch (e->type) {
	case NLK_LINK_NEW:
	case NLK_LINK_DEL:
		/* endpoints come and go all the time: only what could matter.
		 * One of ours may have been seen before it had its alias. */
		if (tab_find(&dp->st.links, l->name) ||
		    (!is_ours(dp, l) &&
		     (is_bridge(l) || is_wire(l) ||
		      (strncmp(l->alias, "berth:", 6) == 0 && !l->master))))
			dp->relink = true;
		break;
	case NLK_LOST:
		dp->relink = true;
		break;
	case NLK_ROUTE_NEW:
	case NLK_ROUTE_DEL:
		dp->routes = true;
		break;
	case NLK_ADDR_NEW:
	case NLK_ADDR_DEL:
		break;
	}
}

void dp_follow_routes(struct dp *dp)
{
	int now[2];

	if (!dp->routes)
		return;
	dp->routes = false;
	find_uplinks(dp->nlk, now);
	if (now[0] != dp->uplinks[0] || now[1] != dp->uplinks[1])
		dp->relink = true;
}
