/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast endpoints may be: berth.rate. */
#include "netplugins/bridge/bridge.h"

static int parse(const char *text, struct dp_rates *ret, struct err *err)
{
	int r = dp_rates_parse(text, ret, err);

	return r < 0 ? err_wrap(err, r, "berth.rate") : 0;
}

int bridge_rate_init(struct bridge_network *br, struct err *err)
{
	return br->opt.rate[0] ? parse(br->opt.rate, &br->rate, err) : 0;
}

int bridge_rate_of(const struct net_endpoint *ep, struct dp_rates *ret,
		   struct err *err)
{
	const struct bridge_ep_options *opt = ep->options;

	if (opt->rate[0])
		return parse(opt->rate, ret, err);
	*ret = bridge_of(ep->network)->rate;
	return 0;
}
