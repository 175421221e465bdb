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
#include <net/if.h>
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

static bool is_marked(const struct dp *dp, const struct nlk_link *l)
{
	size_t len = strlen(dp->driver);

	return strncmp(l->alias, "berth:", 6) == 0 &&
	       strncmp(l->alias + 6, dp->driver, len) == 0 &&
	       l->alias[6 + len] == ':';
}

/* An endpoint's: the port of an overlay network to its other hosts is not. */
static bool is_endpoint(const struct dp *dp, const struct nlk_link *l)
{
	return is_marked(dp, l) && strcmp(l->kind, "vxlan") != 0;
}

static bool has_bridge(const struct dp *dp, const char *name)
{
	for (size_t i = 0; i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (strcmp(net->bridge, name) == 0)
			return true;
	}
	return false;
}

/* Ours, or the user's bridge, lent to us. */
static bool is_ours(const struct dp *dp, const struct nlk_link *l)
{
	return is_marked(dp, l) || has_bridge(dp, l->name);
}

/* ---- scan ----------------------------------------------------------------- */

struct scan {
	const struct dp *dp;
	struct tab links; /* struct state_link */
	struct scan_port {
		int index, bridge;
		bool wire; /* it leads out */
	} * ports;         /* owned: what is a port of some bridge */
	size_t count, room;
};

static int add_port(struct scan *s, const struct nlk_link *l)
{
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 8;
		struct scan_port *p = reallocarray(s->ports, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->ports = p;
		s->room = room;
	}
	s->ports[s->count++] =
		(struct scan_port){ l->index, l->master, is_wire(l) };
	return 0;
}

static int scan_link(void *ctx, const struct nlk_link *l)
{
	bool berth = strncmp(l->alias, "berth:", 6) == 0;
	struct scan *s = ctx;
	struct state_link *item;

	if (l->master && !is_endpoint(s->dp, l) && add_port(s, l) < 0)
		return -ENOMEM;
	if (l->master && is_wire(l))
		return 0;
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
		if (s->ports[i].wire && s->ports[i].bridge == index)
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

/* Is that index a bridge of one of our networks?  Most ports are of the same
 * one as the port before. */
static bool is_our_bridge(const struct dp *dp, int index)
{
	char name[IF_NAMESIZE];

	return if_indextoname((unsigned int)index, name) &&
	       has_bridge(dp, name);
}

/* Ports of our bridges that are nobody's endpoints: the user's own, and those to
 * other hosts. */
static int tell_others(struct dp *dp, const struct scan *s, struct err *err)
{
	_cleanup_free_ struct guard_other *list =
		calloc(s->count ? s->count : 1, sizeof(*list));
	bool ours = false;
	size_t n = 0;
	int last = 0;

	dp->lent = false;
	if (!dp->st.networks.count)
		return 0;
	if (!list)
		return err_set(err, -ENOMEM, "links");
	for (size_t i = 0; i < s->count; i++) {
		if (s->ports[i].bridge != last)
			ours = is_our_bridge(dp, s->ports[i].bridge);
		last = s->ports[i].bridge;
		if (ours)
			list[n++] =
				(struct guard_other){ s->ports[i].index, last };
	}
	dp->lent = n > 0;
	return guard_set_others(dp->guard, list, n, err);
}

int dp_scan_links(struct dp *dp, struct err *err)
{
	struct scan s = { .dp = dp };
	int r = nlk_link_each(dp->nlk, scan_link, &s, err);
	bool same;

	if (r >= 0)
		r = tell_others(dp, &s, err);
	if (r < 0) {
		free_links(&s.links);
		free(s.ports);
		return r;
	}
	find_uplinks(dp->nlk, dp->uplinks);
	for (size_t i = 0; i < s.links.count; i++) {
		struct state_link *l = s.links.items[i];

		/* Docker keeps its networks apart whatever hangs on them */
		if (!l->docker && leads_out(&s, dp->uplinks, l->index))
			l->closed = false;
	}
	free(s.ports);
	same = same_links(&s.links, &dp->st.links);
	free_links(&dp->st.links);
	dp->st.links = s.links;
	return same ? 0 : 1;
}

enum nat_link_kind dp_link_kind(void *ctx, const struct nlk_link *l)
{
	const struct dp *dp = ctx;
	const char *id = strrchr(l->alias, ':');
	const struct state_link *other;

	if (strncmp(l->alias, "berth:", 6) == 0)
		return is_bridge(l) && id && strcmp(id + 1, DP_LINK_ID) != 0
			       ? NAT_KIND_OURS
			       : NAT_KIND_OTHER;
	if (is_ours(dp, l))
		return NAT_KIND_OURS;
	other = tab_find(&dp->st.links, l->name);
	return other && other->closed ? NAT_KIND_CLOSED : NAT_KIND_UPLINK;
}

/* ---- events --------------------------------------------------------------- */

/* Somebody's own cable in one of our bridges?  One of ours may be seen before it
 * had its alias: ask. */
static bool is_other(const struct dp *dp, const struct nlk_link *l)
{
	struct nlk_link now;

	return l->master && !is_endpoint(dp, l) &&
	       is_our_bridge(dp, l->master) &&
	       nlk_link_get(dp->nlk, NULL, l->index, &now, NULL) == 0 &&
	       !is_endpoint(dp, &now);
}

void dp_on_link(void *ctx, const struct nlk_event *e)
{
	const struct nlk_link *l = &e->link;
	struct dp *dp = ctx;

	dp_fast_on_link(dp, e, is_ours(dp, l));
	dp_conntrack_on_link(dp, e, is_ours(dp, l));
	if ((e->type == NLK_LINK_NEW || e->type == NLK_LINK_DEL) &&
	    is_ours(dp, l))
		dp_shortcut_on_link(dp, e);
	if (e->type == NLK_LINK_DEL)
		dp_services_on_link(dp, e);
	switch (e->type) {
	case NLK_LINK_NEW:
	case NLK_LINK_DEL:
		/* endpoints come and go all the time: only what could matter.
		 * One of ours may have been seen before it had its alias. */
		if (tab_find(&dp->st.links, l->name) || is_other(dp, l) ||
		    (!is_ours(dp, l) &&
		     (is_bridge(l) || is_wire(l) ||
		      (strncmp(l->alias, "berth:", 6) == 0 && !l->master))))
			dp->relink = true;
		break;
	case NLK_LOST:
		dp->relink = dp->reopen = true;
		(void)guard_lost(dp->guard, 0);
		break;
	case NLK_TC_DEL:
		(void)guard_lost(dp->guard, e->index);
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
