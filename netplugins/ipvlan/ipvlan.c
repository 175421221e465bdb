/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ipvlan driver's table, its modes and flags. */
#include "netplugins/ipvlan/ipvlan.h"

#include <linux/if_link.h>

enum mode { L2, L3, L3S, MODE_MAX };
enum flag { BRIDGE, PRIVATE, VEPA, FLAG_MAX };

static const char *const mode_names[] = { "l2", "l3", "l3s", NULL };
_Static_assert(ARRAY_SIZE(mode_names) == MODE_MAX + 1, "enum mode");
static const uint16_t modes[] = {
	[L2] = IPVLAN_MODE_L2,
	[L3] = IPVLAN_MODE_L3,
	[L3S] = IPVLAN_MODE_L3S,
};
static const char *const flag_names[] = { "bridge", "private", "vepa", NULL };
_Static_assert(ARRAY_SIZE(flag_names) == FLAG_MAX + 1, "enum flag");
static const uint16_t flags[] = {
	[BRIDGE] = 0,
	[PRIVATE] = IPVLAN_F_PRIVATE,
	[VEPA] = IPVLAN_F_VEPA,
};

/* The kernel keeps both with the parent: another would change them for those that
 * are there, and it does not say so. */
static const char *clash(const struct lan_options *a,
			 const struct lan_options *b)
{
	if (a->mode != b->mode)
		return "all ipvlan networks of a parent have one ipvlan_mode, "
		       "and it has another";
	if (a->flag != b->flag)
		return "all ipvlan networks of a parent have one ipvlan_flag, "
		       "and it has another";
	return NULL;
}

static bool is_routed(const struct lan_options *o)
{
	return o->mode != L2;
}

static const struct lan_kind kind = {
	.driver = IPVLAN_DRIVER,
	.what = "ipvlan",
	.stack = NLK_IPVLAN,
	.prefix = "iv",
	.modes = modes,
	.flags = flags,
	.clash = clash,
	.is_routed = is_routed,
};

static const struct opt_field options[] = {
	LAN_OPTIONS,
	LAN_OPTION_ENUM("ipvlan_mode", mode, mode_names, "l2, l3 or l3s (l2)"),
	LAN_OPTION_ENUM("ipvlan_flag", flag, flag_names,
			"bridge, private or vepa (bridge)"),
	LAN_REFUSED("macvlan_mode",
		    "it is for macvlan networks: use berth-macvlan"),
	LAN_REFUSED("berth.host_access",
		    "an ipvlan has no link to reach its host by: use "
		    "berth-macvlan, or a route through the LAN's router"),
	{ 0 },
};

static int network_init(struct net_network *net, struct err *err)
{
	return lan_init(net, &kind, err);
}

static void gateway_skip(const struct net_network *net, bool *skip4,
			 bool *skip6)
{
	lan_gateway_skip(net, &kind, skip4, skip6);
}

static int host_open(const struct plugd *d, const void *config,
		     const struct net_memo *memo, void **ret, struct err *err)
{
	(void)d;
	(void)config;
	(void)memo;
	return lan_host_open(&kind, ret, err);
}

const struct net_driver ipvlan_driver = {
	.name = IPVLAN_DRIVER,
	.summary = "containers as hosts of the LAN, all with the parent's MAC",
	LAN_OPS,
	.network_options = options,
	.host_open = host_open,
	.network_init = network_init,
	.gateway_skip = gateway_skip,
};
