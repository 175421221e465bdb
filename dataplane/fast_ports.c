// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Endpoints on the eBPF dataplane: the entries by which others find a container.
 *
 * The program at the host's side of its veth is the guard's, with ours as its
 * first half (ports.c).  It comes before the entry and goes after it: a packet
 * that is led to a container whose answers nobody translates would be lost.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "lib/fail.h"

/* ---- links by name ------------------------------------------------------- */

struct links {
	struct nlk_link *items; /* owned; sorted by name */
	size_t count, room;
};

static void links_fini(struct links *l)
{
	free(l->items);
}

static int by_name(const void *va, const void *vb)
{
	const struct nlk_link *a = va, *b = vb;

	return strcmp(a->name, b->name);
}

static int on_link(void *ctx, const struct nlk_link *l)
{
	struct links *all = ctx;

	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct nlk_link *p = reallocarray(all->items, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		all->items = p;
		all->room = room;
	}
	all->items[all->count++] = *l;
	return 0;
}

static int read_links(struct dp *dp, struct links *ret, struct err *err)
{
	int r = nlk_link_each(dp->nlk, on_link, ret, err);

	if (r == 0 && ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), by_name);
	return r;
}

static const struct nlk_link *find_link(const struct links *l, const char *name)
{
	struct nlk_link want = { 0 };

	if (l->count == 0)
		return NULL;
	snprintf(want.name, sizeof(want.name), "%s", name);
	return bsearch(&want, l->items, l->count, sizeof(want), by_name);
}

/* ---- one endpoint -------------------------------------------------------- */

static struct nat_endpoint endpoint_of(const struct dp_network *net,
				       const struct dp_port *port, int index,
				       uint32_t stat,
				       const struct nlk_link *bridge)
{
	/* An answer to who reached the container directly looks like the first
	 * packet of something: conntrack knows, the programs do not. */
	const bool direct = net->trusted[0][0];
	const bool nat4 = net->mode4 == DP_GW_NAT && !direct;
	const bool nat6 = net->mode6 == DP_GW_NAT && !direct;
	const struct dp_policy *policy = dp_policy_of(net, port);
	const int id = policy == &port->policy ? index : bridge->index;

	return (struct nat_endpoint){
		.ip4 = port->ip4,
		.ip6 = port->ip6,
		.gateway4 = net->gateway4.addr,
		.gateway6 = net->gateway6.addr,
		.snat4 = net->snat4,
		.snat6 = net->snat6,
		.ifindex = index,
		.bridge = bridge->index,
		.mac = port->mac,
		.bridge_mac = bridge->mac,
		.masquerade4 = net->masquerade4 && nat4,
		.masquerade6 = net->masquerade6 && nat6,
		.internal4 = net->internal || net->mode4 == DP_GW_ISOLATED,
		.internal6 = net->internal || net->mode6 == DP_GW_ISOLATED,
		.rated = port->rate.in.bytes != 0,
		.policy = policy ? (uint32_t)id : 0,
		.rate = policy ? policy->rate : 0,
		.burst = policy ? policy->burst : 0,
		.stat = stat,
	};
}

int dp_fast_port_add(struct dp *dp, const struct dp_network *net,
		     struct state_port *p, struct err *err)
{
	struct nlk_link link, bridge;
	struct nat_endpoint ep;
	int r;

	if (!dp_fast_runs(dp) || !dp_fast_wants(net))
		return 0;
	r = nlk_link_get(dp->nlk, p->port.ifname, 0, &link, err);
	if (r == 0)
		r = nlk_link_get(dp->nlk, net->bridge, 0, &bridge, err);
	if (r < 0)
		return r;
	dp_stats_port(dp, p, link.index);
	ep = endpoint_of(net, &p->port, link.index, p->stat, &bridge);
	/* one of the two links may be new, or a list of before be gone */
	if (ep.policy || dp->fast.listed)
		r = dp_fast_policies(dp, err);
	if (r >= 0)
		r = nat_ep_add(dp->fast.nat, &ep, err);
	if (r == 0)
		p->index = link.index;
	return r;
}

void dp_fast_port_del(struct dp *dp, const struct state_port *p)
{
	const struct nat_endpoint ep = { .ip4 = p->port.ip4,
					 .ip6 = p->port.ip6,
					 .ifindex = p->index };

	if (p->index && dp_fast_runs(dp))
		(void)nat_ep_del(dp->fast.nat, &ep, NULL);
}

/* ---- all of them --------------------------------------------------------- */

/* The endpoints that are to be in the map, with their links as they are.
 * Return: their number; -errno. */
static int list_ports(struct dp *dp, struct nat_endpoint *list, struct err *err)
{
	_cleanup_(links_fini) struct links all = { 0 };
	int r = read_links(dp, &all, err), n = 0;

	for (size_t i = 0; r == 0 && i < dp->st.ports.count; i++) {
		struct state_port *p = dp->st.ports.items[i];
		const struct dp_network *net =
			state_network(&dp->st, p->port.network);
		const struct nlk_link *link = find_link(&all, p->port.ifname);
		const struct nlk_link *bridge =
			net ? find_link(&all, net->bridge) : NULL;

		if (!net || !dp_fast_wants(net) || !link || !bridge)
			continue;
		p->index = link->index;
		dp_stats_port(dp, p, link->index);
		list[n++] = endpoint_of(net, &p->port, link->index, p->stat,
					bridge);
	}
	return r < 0 ? r : n;
}

int dp_fast_ports(struct dp *dp, struct err *err)
{
	_cleanup_free_ struct nat_endpoint *list =
		calloc(dp->st.ports.count + 1, sizeof(*list));
	int listed, n;

	if (!list)
		return err_set(err, -ENOMEM, "endpoints: out of memory");
	listed = dp_fast_policies(dp, err);
	if (listed < 0)
		return listed;
	n = list_ports(dp, list, err);
	if (n >= 0)
		n = nat_ep_sync(dp->fast.nat, list, (size_t)n, err);
	return n < 0 ? n : n + listed;
}

int dp_fast_renew(struct dp *dp, const struct dp_network *net, struct err *err)
{
	int r = 0;

	/* none leads to a port that is guarded by the guard alone */
	for (size_t i = 0; !dp_fast_wants(net) && i < dp->st.ports.count; i++) {
		struct state_port *p = dp->st.ports.items[i];

		if (strcmp(p->port.network, net->id) != 0)
			continue;
		dp_fast_port_del(dp, p);
		p->index = 0;
	}
	r = dp_guard_network(dp, net, err);
	if (r >= 0) {
		r = FAILPOINT("dp.fast.renewed");
		if (r < 0)
			err_set(err, r, "test: dp.fast.renewed");
	}
	if (r >= 0 && dp_fast_runs(dp))
		r = dp_fast_ports(dp, err);
	return r;
}

int dp_fast_check_ports(struct dp *dp, void (*fn)(void *ctx, const char *line),
			void *ctx, struct err *err)
{
	_cleanup_free_ struct nat_endpoint *list =
		calloc(dp->st.ports.count + 1, sizeof(*list));
	char line[128];
	int n, r;

	if (!list)
		return err_set(err, -ENOMEM, "endpoints: out of memory");
	n = list_ports(dp, list, err);
	r = n < 0 ? n : nat_ep_differ(dp->fast.nat, list, (size_t)n, err);
	if (r <= 0)
		return r;
	snprintf(line, sizeof(line),
		 "eBPF map of endpoints: %d entries are "
		 "wrong",
		 r);
	fn(ctx, line);
	return 1;
}
