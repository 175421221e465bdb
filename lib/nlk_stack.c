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

static void put_data(struct nlk_msg *b, const struct nlk_stack_conf *conf)
{
	struct nlattr *data;

	if (conf->kind == NLK_DUMMY || conf->kind == NLK_WIREGUARD)
		return;
	data = nlk_nest(b, IFLA_INFO_DATA);
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
	nlk_nest_end(b, data);
}

static int create(struct nlk *nlk, const struct nlk_stack_conf *conf,
		  struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b = nlk_msg_new(
		RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info;

	nlk_put_str(&b, IFLA_IFNAME, conf->name);
	nlk_put_u32(&b, IFLA_GROUP, NLK_LINK_GROUP);
	nlk_put_mac(&b, &conf->mac);
	if (conf->mtu)
		nlk_put_u32(&b, IFLA_MTU, conf->mtu);
	if (conf->lower)
		nlk_put_u32(&b, IFLA_LINK, (uint32_t)conf->lower);
	info = nlk_nest(&b, IFLA_LINKINFO);
	nlk_put_str(&b, IFLA_INFO_KIND, kinds[conf->kind]);
	put_data(&b, conf);
	nlk_nest_end(&b, info);
	return nlk_call(nlk, &b, NULL, NULL, err, "link", conf->name);
}

int nlk_stack_add(struct nlk *nlk, const struct nlk_stack_conf *conf,
		  struct err *err)
{
	_cleanup_(nlk_undo_fini) struct nlk_undo undo = { .nlk = nlk };
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	int r = nlk_new_check(conf->name, conf->alias, err);

	if (r < 0)
		return r;
	r = create(nlk, conf, err);
	if (r == -EEXIST)
		(void)nlk_tell_holder(nlk, conf->name, err);
	if (r < 0)
		return r;
	undo.name = conf->name;
	nlk_put_str(&b, IFLA_IFNAME, conf->name);
	nlk_put_str(&b, IFLA_IFALIAS, conf->alias);
	r = nlk_call(nlk, &b, NULL, NULL, err, "link", conf->name);
	if (r < 0)
		return r;
	undo.name = NULL;
	return 0;
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
