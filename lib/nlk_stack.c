/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links on top of another link (macvlan, ipvlan, VLAN), and dummies. */
#include "lib/nlk.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "lib/nlk_priv.h"

static const char *const kinds[] = {
	[NLK_MACVLAN] = "macvlan",     [NLK_IPVLAN] = "ipvlan",
	[NLK_VLAN] = "vlan",           [NLK_DUMMY] = "dummy",
	[NLK_WIREGUARD] = "wireguard",
};

static void put_data(struct nlk_msg *b, const void *ctx)
{
	const struct nlk_stack_conf *conf = ctx;

	switch (conf->kind) {
	case NLK_MACVLAN:
		nlk_put_u32(b, IFLA_MACVLAN_MODE, conf->mode);
		break;
	case NLK_IPVLAN:
		nlk_put(b, IFLA_IPVLAN_MODE, &conf->mode, sizeof(conf->mode));
		nlk_put(b, IFLA_IPVLAN_FLAGS, &conf->flags,
			sizeof(conf->flags));
		break;
	case NLK_VLAN:
		nlk_put(b, IFLA_VLAN_ID, &conf->mode, sizeof(conf->mode));
		break;
	case NLK_DUMMY:
	case NLK_WIREGUARD:
		break;
	}
}

int nlk_stack_add(struct nlk *nlk, const struct nlk_stack_conf *conf,
		  struct err *err)
{
	const bool plain =
		conf->kind == NLK_DUMMY || conf->kind == NLK_WIREGUARD;
	const struct nlk_new n = {
		.name = conf->name,
		.alias = conf->alias,
		.kind = kinds[conf->kind],
		.mac = &conf->mac,
		.mtu = conf->mtu,
		.lower = conf->lower,
		.put_data = plain ? NULL : put_data,
		.conf = conf,
	};

	return nlk_make(nlk, &n, err);
}

int nlk_link_netns(struct nlk *nlk, int index, int netns, struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_SETLINK, 0, &ifi, sizeof(ifi));

	nlk_put_u32(&b, IFLA_NET_NS_FD, (uint32_t)netns);
	return nlk_call(nlk, &b, NULL, NULL, err, "link",
			"to be moved into a container");
}
