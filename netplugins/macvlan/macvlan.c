/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The macvlan driver's table, and its modes. */
#include "netplugins/macvlan/macvlan.h"

#include <linux/if_link.h>

enum mode { BRIDGE, PRIVATE, VEPA, PASSTHRU, MODE_MAX };

static const char *const mode_names[] = { "bridge", "private", "vepa",
					  "passthru", NULL };
_Static_assert(ARRAY_SIZE(mode_names) == MODE_MAX + 1, "enum mode");
static const uint16_t modes[] = {
	[BRIDGE] = MACVLAN_MODE_BRIDGE,
	[PRIVATE] = MACVLAN_MODE_PRIVATE,
	[VEPA] = MACVLAN_MODE_VEPA,
	[PASSTHRU] = MACVLAN_MODE_PASSTHRU,
};

static const char *clash(const struct lan_options *a,
			 const struct lan_options *b)
{
	if (a->mode == PASSTHRU || b->mode == PASSTHRU)
		return "one that goes through (passthru) shares it with none";
	return NULL;
}

static bool is_alone(const struct lan_options *o)
{
	return o->mode == PASSTHRU;
}

static const struct lan_kind kind = {
	.driver = MACVLAN_DRIVER,
	.what = "macvlan",
	.stack = NLK_MACVLAN,
	.prefix = "mv",
	.own_mac = true,
	.modes = modes,
	.clash = clash,
	.is_alone = is_alone,
};

static const struct opt_field options[] = {
	LAN_OPTIONS,
	LAN_OPTION_ENUM("macvlan_mode", mode, mode_names,
			"bridge, private, vepa or passthru (bridge)"),
	LAN_OPTION("berth.host_access", OPT_BOOL, host_access,
		   "this host and the containers reach each other (off)"),
	LAN_REFUSED("ipvlan_mode",
		    "it is for ipvlan networks: use berth-ipvlan"),
	LAN_REFUSED("ipvlan_flag",
		    "it is for ipvlan networks: use berth-ipvlan"),
	{ 0 },
};

static int check_host_access(const struct lan_network *ln, struct err *err)
{
	if (!ln->opt.host_access)
		return 0;
	if (ln->opt.mode != BRIDGE)
		return err_set(err, -EINVAL,
			       "berth.host_access: only with macvlan_mode="
			       "bridge; in mode %s the kernel delivers nothing "
			       "between links of one parent",
			       mode_names[ln->opt.mode]);
	if (ln->own)
		return err_set(err, -EINVAL,
			       "berth.host_access: the network has no parent "
			       "of this host's; leave out --internal and say "
			       "parent=");
	return 0;
}

static int network_init(struct net_network *net, struct err *err)
{
	int r = lan_init(net, &kind, err);

	return r < 0 ? r : check_host_access(lan_of(net), err);
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

const struct net_driver macvlan_driver = {
	.name = MACVLAN_DRIVER,
	.summary = "containers as hosts of the LAN, each with a MAC of its own",
	LAN_OPS,
	.network_options = options,
	.host_open = host_open,
	.network_init = network_init,
	.gateway_skip = gateway_skip,
};
