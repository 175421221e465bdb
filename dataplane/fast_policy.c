// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lists of who may reach published ports: of networks, and of endpoints that
 * have their own.
 *
 * Only the programs judge by them, so nftables publishes nothing of such an
 * endpoint (nft/ruleset_elems.c): what the programs leave to it meets no open
 * port.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/nat_policy.h"

const struct dp_policy *dp_policy_of(const struct dp_network *net,
				     const struct dp_port *port)
{
	if (!dp_policy_is_none(&port->policy))
		return &port->policy;
	return dp_policy_is_none(&net->policy) ? NULL : &net->policy;
}

int dp_policy_check(const struct dp_network *net,
		    const struct dp_policy *policy, struct err *err)
{
	const bool direct = net->trusted[0][0] || net->mode4 == DP_GW_ROUTED ||
			    net->mode6 == DP_GW_ROUTED ||
			    net->mode4 == DP_GW_NAT_UNPROTECTED ||
			    net->mode6 == DP_GW_NAT_UNPROTECTED;

	if (dp_policy_is_none(policy))
		return 0;
	if (!dp_fast_wants(net))
		return err_set(err, -EINVAL,
			       "berth.allow, berth.deny and berth.limit need "
			       "-o berth.dataplane=ebpf on the network (and "
			       "not berth.firewall=respect)");
	if (net->internal)
		return err_set(err, -EINVAL,
			       "berth.allow, berth.deny and berth.limit: an "
			       "internal network publishes nothing");
	if (direct)
		return err_set(err, -EINVAL,
			       "berth.allow, berth.deny and berth.limit: "
			       "containers of this network are reached past "
			       "published ports");
	return 0;
}

/* ---- all of them --------------------------------------------------------- */

struct lists {
	struct nat_policy_list *items; /* owned */
	size_t count;
};

static void lists_fini(struct lists *l)
{
	free(l->items);
}

/* A link that is not there has nobody behind it. */
static int add_list(struct dp *dp, struct lists *l, const char *link,
		    const struct dp_policy *policy, struct err *err)
{
	struct nlk_link found;
	int r;

	if (dp_policy_is_none(policy))
		return 0;
	r = nlk_link_get(dp->nlk, link, 0, &found, NULL);
	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return err_set(err, r, "link %s: %s", link, strerror(-r));
	l->items[l->count++] =
		(struct nat_policy_list){ .id = (uint32_t)found.index,
					  .policy = policy };
	return 0;
}

static int find_lists(struct dp *dp, struct lists *ret, struct err *err)
{
	int r = 0;

	ret->items = calloc(dp->st.networks.count + dp->st.ports.count + 1,
			    sizeof(*ret->items));
	if (!ret->items)
		return err_set(err, -ENOMEM, "lists: out of memory");
	for (size_t i = 0; r == 0 && i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (dp_fast_wants(net))
			r = add_list(dp, ret, net->bridge, &net->policy, err);
	}
	for (size_t i = 0; r == 0 && i < dp->st.ports.count; i++) {
		const struct state_port *p = dp->st.ports.items[i];
		const struct dp_network *net =
			state_network(&dp->st, p->port.network);

		if (net && dp_fast_wants(net))
			r = add_list(dp, ret, p->port.ifname, &p->port.policy,
				     err);
	}
	return r;
}

int dp_fast_policies(struct dp *dp, struct err *err)
{
	_cleanup_(lists_fini) struct lists l = { 0 };
	int r;

	if (!dp_fast_runs(dp))
		return 0;
	r = find_lists(dp, &l, err);
	if (r < 0 || (!l.count && !dp->fast.listed))
		return r;
	r = nat_policy_sync(dp->fast.nat, l.items, l.count, err);
	if (r >= 0)
		dp->fast.listed = l.count > 0;
	return r;
}

void dp_fast_drop_policies(struct dp *dp)
{
	if (dp->fast.listed)
		(void)dp_fast_policies(dp, NULL);
}

int dp_fast_check_policies(struct dp *dp,
			   void (*fn)(void *ctx, const char *line), void *ctx,
			   struct err *err)
{
	_cleanup_(lists_fini) struct lists l = { 0 };
	int r = find_lists(dp, &l, err);
	char line[128];

	if (r == 0)
		r = nat_policy_differ(dp->fast.nat, l.items, l.count, err);
	if (r <= 0)
		return r;
	snprintf(line, sizeof(line),
		 "eBPF map of allowed and denied addresses: %d entries are "
		 "wrong",
		 r);
	fn(ctx, line);
	return 1;
}
