// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Containers' ports: the guard at tc, which no firewall command takes away, and
 * the same rules in nftables, which stand while this port is not told yet or no
 * longer.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "lib/ct.h"
#include "lib/fail.h"

/* ---- the guard ------------------------------------------------------------ */

static struct guard_conf guard_conf(struct dp *dp, const struct dp_network *net,
				    const struct dp_port *port)
{
	struct guard_conf c = {
		.mac = port->mac,
		.ip4 = port->ip4,
		.ip6 = port->ip6,
		.subnet4 = net->subnet4,
		.subnet6 = net->subnet6,
		.source = net->guard,
		.apart = !net->icc,
		.internal4 = net->internal || net->mode4 == DP_GW_ISOLATED,
		.internal6 = net->internal || net->mode6 == DP_GW_ISOLATED,
		.open = dp_port_is_open(dp, net, port),
		.rate = port->rate,
		.ingress = dp_fast_program(dp, net),
	};

	memcpy(c.ifname, port->ifname, sizeof(c.ifname));
	memcpy(c.bridge, net->bridge, sizeof(c.bridge));
	return c;
}

static int guard_add(struct dp *dp, const struct dp_network *net,
		     const struct dp_port *port, struct err *err)
{
	const struct guard_conf c = guard_conf(dp, net, port);
	int r = dp->unguarded ? dp_load_guard(dp, err) : 0;

	return r < 0 ? r : guard_port_add(dp->guard, &c, err);
}

int dp_guard_network(struct dp *dp, const struct dp_network *net,
		     struct err *err)
{
	for (size_t i = 0; i < dp->st.ports.count; i++) {
		const struct state_port *p = dp->st.ports.items[i];
		int r = strcmp(p->port.network, net->id) == 0
				? guard_add(dp, net, &p->port, err)
				: 0;

		if (r < 0)
			return r;
	}
	return 0;
}

int dp_load_guard(struct dp *dp, struct err *err)
{
	int r = 0;

	dp->unguarded = false;
	if (!dp->st.networks.count)
		return guard_stop(dp->guard, err);
	guard_load_begin(dp->guard);
	for (size_t i = 0; r >= 0 && i < dp->st.ports.count; i++) {
		const struct state_port *p = dp->st.ports.items[i];
		const struct dp_network *net =
			state_network(&dp->st, p->port.network);

		if (net)
			r = guard_add(dp, net, &p->port, err);
	}
	if (r >= 0)
		r = FAILPOINT("dp.load.guard");
	/* an earlier daemon's stands, rather than half of ours */
	if (r >= 0)
		r = guard_load_end(dp->guard, err);
	dp->unguarded = r < 0;
	return r < 0 ? r : 0;
}

/* ---- add, del ------------------------------------------------------------- */

static int check_port(struct dp *dp, const struct dp_port *port,
		      const struct dp_network **ret, struct err *err)
{
	if (!port->endpoint[0] || !port->ifname[0] || mac_is_none(&port->mac))
		return err_set(err, -EINVAL,
			       "port without endpoint, interface or MAC");
	*ret = state_network(&dp->st, port->network);
	if (!*ret)
		return err_set(err, -ENOENT, "network %.12s is not known",
			       port->network);
	if (port->join.name[0] && (*ret)->backend != DP_EBPF)
		return err_set(err, -EINVAL,
			       "berth.service needs -o berth.dataplane=ebpf on "
			       "the network: nftables balances nothing");
	return dp_policy_check(*ret, &port->policy, err);
}

/* Has another endpoint @ip?  One that goes may still be waiting for its link's
 * end when its address is given out again. */
static bool is_shared(const struct dp *dp, const struct dp_port *port,
		      const struct ip_addr *ip)
{
	for (size_t i = 0; i < dp->st.ports.count; i++) {
		const struct state_port *o = dp->st.ports.items[i];

		if (strcmp(o->id, port->endpoint) != 0 &&
		    (ip_equal(&o->port.ip4, ip) || ip_equal(&o->port.ip6, ip)))
			return true;
	}
	return false;
}

/* @shared: only flows to addresses that another endpoint has, or has not. */
static void forget_flows(const struct dp *dp, const struct dp_port *port,
			 bool shared)
{
	const struct ip_addr *const ips[] = { &port->ip4, &port->ip6 };
	struct ct_filter filters[2];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ips); i++)
		if (!ip_is_none(ips[i]) &&
		    is_shared(dp, port, ips[i]) == shared)
			filters[n++] =
				(struct ct_filter){ .reply_src = *ips[i] };
	/* an entry left behind times out; the endpoint must go all the same */
	if (n)
		(void)ct_flush(filters, n, NULL);
}

/* @old: as it was; NULL: it is new. */
static void undo_port(struct dp *dp, const struct dp_network *net,
		      const struct dp_port *port, const struct dp_port *old,
		      bool mapped)
{
	struct ruleset_change undo = { .net_old = net,
				       .net_new = net,
				       .port_old = port,
				       .port_new = old };

	struct state_port *back = tab_find(&dp->st.ports, port->endpoint);

	if (mapped && ruleset_apply(dp->rs, &dp->st, &undo, NULL) < 0)
		dp->dirty = true;
	dp_fast_port_del(dp, back);
	if (!old || strcmp(old->ifname, port->ifname) != 0)
		(void)guard_port_del(dp->guard, port->ifname, NULL);
	if (!old)
		return;
	back->port = *old;
	/* the guard first: what leads there would meet none */
	if (guard_add(dp, net, old, NULL) < 0)
		dp->unguarded = dp->fast.again = true;
	else if (dp_fast_port_add(dp, net, back, NULL) < 0)
		dp->fast.again = true;
}

/* Guard and rules, or neither. */
static int map_port(struct dp *dp, const struct dp_network *net,
		    const struct dp_port *port, const struct dp_port *old,
		    struct err *err)
{
	struct ruleset_change change = { .net_old = net,
					 .net_new = net,
					 .port_old = old,
					 .port_new = port };
	struct state_port *p = tab_find(&dp->st.ports, port->endpoint);
	struct state_port was = *p;
	bool mapped = false;
	int r;

	/* what leads to the old link would meet another guard there; by its old
	 * addresses */
	was.port = old ? *old : *port;
	dp_fast_port_del(dp, &was);
	p->index = 0;
	r = guard_add(dp, net, port, err);
	if (r < 0) {
		if (old)
			undo_port(dp, net, port, old, false);
		return r;
	}
	r = ruleset_apply(dp->rs, &dp->st, &change, err);
	if (r == 0) {
		mapped = true;
		r = FAILPOINT("dp.port.mapped");
		if (r < 0)
			err_set(err, r, "test: dp.port.mapped");
	}
	if (r == 0)
		r = dp_fast_port_add(dp, net, p, err);
	if (r == 0 && old && strcmp(old->ifname, port->ifname) != 0)
		r = guard_port_del(dp->guard, old->ifname, err);
	if (r < 0)
		undo_port(dp, net, port, old, mapped);
	return r;
}

static int renew_port(struct dp *dp, const struct dp_network *net,
		      struct state_port *p, struct err *err)
{
	int r = guard_add(dp, net, &p->port, err);

	if (r == 0)
		r = dp_fast_port_add(dp, net, p, err);
	if (r < 0)
		return r;
	p->leaving = false;
	(void)dp_services_follow(dp);
	return 0;
}

static void take_out(struct dp *dp, const char *endpoint)
{
	struct state_port *p = tab_take(&dp->st.ports, endpoint);

	if (p)
		dp_stats_drop_port(dp, p);
	free(p);
	dp_fast_drop_policies(dp);
}

int dp_port_add(struct dp *dp, const struct dp_port *port, struct err *err)
{
	DP_LOCKED(dp);
	struct state_port *old = tab_find(&dp->st.ports, port->endpoint);
	struct state_port item = { .port = *port }, before = item;
	const struct dp_network *net;
	_cleanup_free_ struct state_port *copy = NULL;
	int r = check_port(dp, port, &net, err);

	if (r < 0)
		return r;
	/* its bridge may have been made anew */
	if (old && port_equal(&old->port, port))
		return dp->loading ? 0 : renew_port(dp, net, old, err);
	if (old && strcmp(old->port.network, port->network) != 0)
		return err_set(err, -EEXIST,
			       "endpoint %.12s is on network %.12s",
			       port->endpoint, old->port.network);
	snprintf(item.id, sizeof(item.id), "%s", port->endpoint);
	if (old) {
		before = *old;
		item.index = old->index;
		item.stat = old->stat;
		*old = item;
	} else {
		copy = malloc(sizeof(*copy));
		if (copy)
			*copy = item;
		if (!copy || tab_put(&dp->st.ports, copy) < 0)
			return err_set(err, -ENOMEM, "port %s", port->ifname);
		copy = NULL;
	}
	if (dp->loading)
		return 0;
	r = map_port(dp, net, port, old ? &before.port : NULL, err);
	before.stat = old ? old->stat : 0;
	if (r < 0 && old)
		*old = before;
	else if (r < 0)
		take_out(dp, port->endpoint);
	else if (!old) /* of who had the address before */
		forget_flows(dp, port, true);
	if (r >= 0)
		(void)dp_services_follow(dp);
	return r;
}

int dp_port_del(struct dp *dp, const char *endpoint, struct err *err)
{
	DP_LOCKED(dp);
	_cleanup_free_ struct state_port *p = tab_take(&dp->st.ports, endpoint);
	struct ruleset_change change = { 0 };
	int r = 0;

	if (!p)
		return 0;
	change.port_old = &p->port;
	change.net_old = change.net_new =
		state_network(&dp->st, p->port.network);
	if (!dp->loading) {
		(void)dp_services_follow(dp); /* no new connection to it */
		dp_fast_port_del(dp, p);
		r = guard_port_del(dp->guard, p->port.ifname, err);
	}
	if (r == 0 && !dp->loading && change.net_old)
		r = ruleset_apply(dp->rs, &dp->st, &change, err);
	if (r == 0 && !dp->loading)
		dp_fast_drop_policies(dp);
	if (r == 0) { /* not those of who has the address by now */
		forget_flows(dp, &p->port, false);
		dp_stats_drop_port(dp, p);
	} else if (tab_put(&dp->st.ports, p) == 0)
		p = NULL;
	return r;
}
