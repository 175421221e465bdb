// SPDX-License-Identifier: GPL-2.0-or-later
/* Keep the device that berth.firewall=respect needs, while a network does. */
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/reinject.h"

struct names {
	char ifname[IFNAMSIZ], alias[NLK_ALIAS_MAX];
};

/* "berth-bridge": again-bridge */
static struct reinject_conf device(const struct dp *dp, struct names *n)
{
	const char *short_name = strncmp(dp->driver, "berth-", 6) == 0
					 ? dp->driver + 6
					 : dp->driver;

	snprintf(n->ifname, sizeof(n->ifname), "again-%.9s", short_name);
	snprintf(n->alias, sizeof(n->alias), "berth:%s:" DP_LINK_ID,
		 dp->driver);
	return (struct reinject_conf){ .ifname = n->ifname, .alias = n->alias };
}

static bool wanted(const struct dp *dp)
{
	for (size_t i = 0; i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (net->firewall == DP_FW_RESPECT)
			return true;
	}
	return false;
}

static bool is_there(struct dp *dp, const struct reinject_conf *conf)
{
	struct nlk_link link;

	return nlk_link_get(dp->nlk, conf->ifname, 0, &link, NULL) == 0 &&
	       link.index == dp->again && link.up &&
	       strcmp(link.alias, conf->alias) == 0;
}

int dp_follow_again(struct dp *dp, struct err *err)
{
	struct names names;
	struct reinject_conf conf = device(dp, &names);
	bool want = wanted(dp);
	int index = 0, r, before = dp->again; /* -1: not looked yet */

	if (want == (before != 0) && (!want || is_there(dp, &conf)))
		return 0;
	r = want ? reinject_add(dp->nlk, &conf, &index, err)
		 : reinject_del(dp->nlk, &conf, err);
	if (r < 0)
		return err_wrap(err, r, "berth.firewall=respect");
	dp->again = index;
	ruleset_set_again(dp->rs, index);
	return before < 0 ? 0 : index != before;
}

int dp_check_again(struct dp *dp, void (*fn)(void *ctx, const char *line),
		   void *ctx)
{
	char line[128];
	struct names names;
	struct reinject_conf conf = device(dp, &names);

	if (!wanted(dp) || is_there(dp, &conf))
		return 0;
	snprintf(line, sizeof(line),
		 "link %s, which berth.firewall=respect needs, is missing",
		 names.ifname);
	fn(ctx, line);
	return 1;
}
