// SPDX-License-Identifier: GPL-2.0-or-later
/* The short way: which networks may have it, and which ports are led to. */
#include <string.h>

#include "dataplane/dp_priv.h"

bool dp_shortcut_allowed(const struct dp_network *net)
{
	return net->guard && net->icc && net->backend == DP_NFT &&
	       net->firewall == DP_FW_OPEN && !net->trusted[0][0];
}

int dp_shortcut(struct dp *dp, const char *network, const struct dp_shortcut *s,
		struct err *err)
{
	DP_LOCKED(dp);
	const struct dp_network *net = state_network(&dp->st, network);
	bool any = guard_shortcut_any(dp->guard);
	int r;

	if (!net)
		return s ? err_set(err, -ENOENT, "network %.12s is not known",
				   network)
			 : 0;
	if (!s || !dp_shortcut_allowed(net))
		return guard_shortcut_del(dp->guard, net->bridge, err);
	r = guard_shortcut_set(dp->guard, net->bridge, s, err);
	/* nobody followed the links until now; dp_poll() looks */
	if (r == 0 && !any)
		dp->reopen = true;
	if (r == 0 && dp->reopen && !dp->loading)
		dp_shortcut_look(dp);
	return r;
}

bool dp_port_is_open(struct dp *dp, const struct dp_network *net,
		     const struct dp_port *port)
{
	struct nlk_link l, bridge;

	return guard_shortcut_any(dp->guard) && dp_shortcut_allowed(net) &&
	       nlk_link_get(dp->nlk, port->ifname, 0, &l, NULL) == 0 &&
	       l.running &&
	       nlk_link_get(dp->nlk, net->bridge, 0, &bridge, NULL) == 0 &&
	       l.master == bridge.index;
}

void dp_port_leave(struct dp *dp, const char *endpoint)
{
	DP_LOCKED(dp);
	struct state_port *p = tab_find(&dp->st.ports, endpoint);
	struct nlk_link l;

	if (!p)
		return;
	p->leaving = true;
	if (nlk_link_get(dp->nlk, p->port.ifname, 0, &l, NULL) == 0)
		guard_port_link(dp->guard, l.index, false, 0);
}

static void look_at(struct dp *dp, const struct nlk_link *l)
{
	for (size_t i = 0; i < dp->st.ports.count; i++) {
		const struct state_port *p = dp->st.ports.items[i];

		if (strcmp(p->port.ifname, l->name) == 0)
			guard_port_link(dp->guard, l->index,
					l->running && !p->leaving, l->master);
	}
}

void dp_shortcut_on_link(struct dp *dp, const struct nlk_event *e)
{
	struct nlk_link now;

	if (!guard_shortcut_any(dp->guard))
		return;
	/* a bridge's message on its port does not say all of it */
	if (nlk_link_get(dp->nlk, NULL, e->link.index, &now, NULL) == 0)
		look_at(dp, &now);
	else
		guard_port_link(dp->guard, e->link.index, false, 0);
}

static int on_link(void *ctx, const struct nlk_link *l)
{
	look_at(ctx, l);
	return 0;
}

void dp_shortcut_look(struct dp *dp)
{
	dp->reopen = nlk_link_each(dp->nlk, on_link, dp, NULL) < 0;
}
