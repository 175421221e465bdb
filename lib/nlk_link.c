/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links: bridges, veth pairs, and what can be set on any of them.
 *
 * The kernel ignores IFLA_IFALIAS when it makes a link, so the mark comes in a
 * second message.  Until then the interface group says the link is ours: that
 * is what nlk_link_del() goes by when a crash came between the two.
 */
#include "lib/nlk.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_priv.h"

#define REAP_GROUP 0x62727478 /* "brtx": about to be deleted together */

/* ---- reading ------------------------------------------------------------ */

static void copy_str(char *to, size_t size, const struct nlattr *a)
{
	if (a)
		nla_strlcpy(to, a, size);
}

static uint16_t vlan_id(struct nlattr *data)
{
	struct nlattr *tb[IFLA_VLAN_MAX + 1];

	if (!data || nla_parse_nested(tb, IFLA_VLAN_MAX, data, NULL) < 0 ||
	    !tb[IFLA_VLAN_ID])
		return 0;
	return nla_get_u16(tb[IFLA_VLAN_ID]);
}

static void decode_info(struct nlattr *info, struct nlk_link *l)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1];

	if (!info || nla_parse_nested(tb, IFLA_INFO_MAX, info, NULL) < 0)
		return;
	copy_str(l->kind, sizeof(l->kind), tb[IFLA_INFO_KIND]);
	if (strcmp(l->kind, "vlan") == 0)
		l->vlan = vlan_id(tb[IFLA_INFO_DATA]);
}

static int attr_int(const struct nlattr *a)
{
	return a ? (int)nla_get_u32(a) : 0;
}

/* Filled in beside struct nlk_link: only deletion looks at it. */
struct link_row {
	struct nlk_link link;
	uint32_t group;
};

static int decode_row(struct nlmsghdr *h, struct link_row *row)
{
	struct nlk_link *l = &row->link;
	struct nlattr *tb[IFLA_MAX + 1];
	const struct ifinfomsg *ifi;

	if (nlmsg_parse(h, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	ifi = nlmsg_data(h);
	/* AF_BRIDGE: about a port's place in its bridge, not about the link */
	if (ifi->ifi_family != AF_UNSPEC)
		return -ENOMSG;
	*row = (struct link_row){ 0 };
	l->index = ifi->ifi_index;
	l->type = ifi->ifi_type;
	l->up = ifi->ifi_flags & IFF_UP;
	l->running = ifi->ifi_flags & IFF_RUNNING;
	l->master = attr_int(tb[IFLA_MASTER]);
	l->peer_index = attr_int(tb[IFLA_LINK]);
	l->mtu = (uint32_t)attr_int(tb[IFLA_MTU]);
	l->peer_elsewhere = tb[IFLA_LINK_NETNSID];
	l->peer_nsid = l->peer_elsewhere ? attr_int(tb[IFLA_LINK_NETNSID]) : -1;
	row->group = (uint32_t)attr_int(tb[IFLA_GROUP]);
	copy_str(l->name, sizeof(l->name), tb[IFLA_IFNAME]);
	copy_str(l->alias, sizeof(l->alias), tb[IFLA_IFALIAS]);
	if (tb[IFLA_ADDRESS] &&
	    nla_len(tb[IFLA_ADDRESS]) == (int)sizeof(l->mac.bytes))
		memcpy(l->mac.bytes, nla_data(tb[IFLA_ADDRESS]),
		       sizeof(l->mac.bytes));
	decode_info(tb[IFLA_LINKINFO], l);
	return 0;
}

int nlk_link_decode(struct nlmsghdr *h, struct nlk_link *ret)
{
	struct link_row row;
	int r = decode_row(h, &row);

	if (r == 0)
		*ret = row.link;
	return r;
}

static int on_row(void *ctx, struct nlmsghdr *h)
{
	return decode_row(h, ctx);
}

/* What errors call the link: its name, or "#index". */
struct label {
	char s[IFNAMSIZ + 8];
};

static struct label link_label(const char *name, int index)
{
	struct label l;

	if (name)
		snprintf(l.s, sizeof(l.s), "%s", name);
	else
		snprintf(l.s, sizeof(l.s), "#%d", index);
	return l;
}

static bool name_fits(const char *name)
{
	return name[0] && strlen(name) < IFNAMSIZ;
}

static int row_get(struct nlk *nlk, const char *name, int index,
		   struct link_row *ret, struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = name ? 0 : index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct label label = link_label(name, index);

	if (name && !name_fits(name))
		return err_set(err, -ENODEV, "link %s: no such name possible",
			       name);
	if (!name && index <= 0)
		return err_set(err, -ENODEV, "link #%d: no such index possible",
			       index);
	if (name)
		nlk_put_str(&b, IFLA_IFNAME, name);
	nlk_put_u32(&b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return nlk_call(nlk, &b, on_row, ret, err, "link", label.s);
}

int nlk_link_get(struct nlk *nlk, const char *name, int index,
		 struct nlk_link *ret, struct err *err)
{
	struct link_row row = { 0 };
	int r = row_get(nlk, name, index, &row, err);

	if (r == 0)
		*ret = row.link;
	return r;
}

static void add_no_stats(struct nlk_msg *b, void *ctx)
{
	(void)ctx;
	nlk_put_u32(b, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

static int collect_link(void *ctx, struct nlmsghdr *h)
{
	struct nlk_link link;
	int r = nlk_link_decode(h, &link);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	return nlk_list_add(ctx, &link);
}

static void forget_links(void *ctx)
{
	((struct nlk_list *)ctx)->count = 0;
}

int nlk_link_each(struct nlk *nlk,
		  int (*fn)(void *ctx, const struct nlk_link *link), void *ctx,
		  struct err *err)
{
	_cleanup_(nlk_list_fini) struct nlk_list list = {
		.item = sizeof(struct nlk_link)
	};
	struct ifinfomsg ifi = { 0 };
	int r = nlk_dump(nlk, RTM_GETLINK, &ifi, sizeof(ifi), add_no_stats,
			 collect_link, forget_links, &list, err, "links");

	for (size_t i = 0; r >= 0 && i < list.count; i++)
		r = fn(ctx, &((struct nlk_link *)(void *)list.items)[i]);
	return r < 0 ? r : 0;
}

/* ---- making ------------------------------------------------------------- */

int nlk_new_check(const char *name, const char *alias, struct err *err)
{
	if (!name_fits(name))
		return err_set(err, -EINVAL,
			       "link name \"%s\": must have 1 to %d characters",
			       name, IFNAMSIZ - 1);
	if (!alias || !alias[0] || strlen(alias) >= NLK_ALIAS_MAX)
		return err_set(err, -EINVAL,
			       "link %s: needs an alias of 1 to %d bytes", name,
			       NLK_ALIAS_MAX - 1);
	return 0;
}

/* After -EEXIST: say who bears the name. Return: true if @name is taken. */
bool nlk_tell_holder(struct nlk *nlk, const char *name, struct err *err)
{
	struct nlk_link l = { 0 };

	if (nlk_link_get(nlk, name, 0, &l, NULL) < 0)
		return false;
	err_set(err, -EEXIST,
		"link %s: the name is taken by a %s%s%s%s; remove it or choose "
		"another name",
		name, l.kind[0] ? l.kind : "device",
		l.alias[0] ? " with alias \"" : " without alias", l.alias,
		l.alias[0] ? "\"" : "");
	return true;
}

static int set_by_name(struct nlk *nlk, struct nlk_msg *b, struct err *err,
		       const char *name)
{
	return nlk_call(nlk, b, NULL, NULL, err, "link", name);
}

void nlk_put_mac(struct nlk_msg *b, const struct mac_addr *mac)
{
	if (!mac_is_none(mac))
		nlk_put(b, IFLA_ADDRESS, mac->bytes, sizeof(mac->bytes));
}

void nlk_undo_fini(struct nlk_undo *u)
{
	struct ifinfomsg ifi = { 0 };

	if (!u->name)
		return;
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_DELLINK, 0, &ifi, sizeof(ifi));
	nlk_put_str(&b, IFLA_IFNAME, u->name);
	/* Nothing better can be done; the caller reports the first failure. */
	(void)nlk_call(u->nlk, &b, NULL, NULL, NULL, "link", u->name);
}

static int bridge_create(struct nlk *nlk, const struct nlk_bridge_conf *conf,
			 struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b = nlk_msg_new(
		RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	/* Frames to 01:80:c2:00:00:0x pass no filter and would teach the bridge
	 * whatever source they claim. */
	const struct br_boolopt_multi opts = {
		.optval = 1u << BR_BOOLOPT_NO_LL_LEARN,
		.optmask = 1u << BR_BOOLOPT_NO_LL_LEARN,
	};
	struct nlattr *info, *data;

	nlk_put_str(&b, IFLA_IFNAME, conf->name);
	nlk_put_u32(&b, IFLA_GROUP, NLK_LINK_GROUP);
	nlk_put_mac(&b, &conf->mac);
	info = nlk_nest(&b, IFLA_LINKINFO);
	nlk_put_str(&b, IFLA_INFO_KIND, "bridge");
	data = nlk_nest(&b, IFLA_INFO_DATA);
	nlk_put_u8(&b, IFLA_BR_MCAST_SNOOPING, 0);
	nlk_put_u32(&b, IFLA_BR_STP_STATE, 0);
	nlk_put(&b, IFLA_BR_MULTI_BOOLOPT, &opts, sizeof(opts));
	nlk_nest_end(&b, data);
	nlk_nest_end(&b, info);
	return set_by_name(nlk, &b, err, conf->name);
}

int nlk_bridge_add(struct nlk *nlk, const struct nlk_bridge_conf *conf,
		   struct err *err)
{
	_cleanup_(nlk_undo_fini) struct nlk_undo undo = { .nlk = nlk };
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_SETLINK, 0, &ifi, sizeof(ifi));
	int r = nlk_new_check(conf->name, conf->alias, err);

	if (r < 0)
		return r;
	r = bridge_create(nlk, conf, err);
	if (r == -EEXIST)
		(void)nlk_tell_holder(nlk, conf->name, err);
	if (r < 0)
		return r;
	undo.name = conf->name;

	/* Only an MTU set on the bridge that is there stays when ports with
	 * another one come. */
	nlk_put_str(&b, IFLA_IFNAME, conf->name);
	nlk_put_str(&b, IFLA_IFALIAS, conf->alias);
	if (conf->mtu)
		nlk_put_u32(&b, IFLA_MTU, conf->mtu);
	r = set_by_name(nlk, &b, err, conf->name);
	if (r < 0)
		return r;
	undo.name = NULL;
	return 0;
}

static void put_end(struct nlk_msg *b, const char *name,
		    const struct mac_addr *mac, uint32_t mtu)
{
	nlk_put_str(b, IFLA_IFNAME, name);
	nlk_put_u32(b, IFLA_GROUP, NLK_LINK_GROUP);
	if (mac)
		nlk_put_mac(b, mac);
	if (mtu)
		nlk_put_u32(b, IFLA_MTU, mtu);
}

static int veth_create(struct nlk *nlk, const struct nlk_veth_conf *conf,
		       struct err *err)
{
	struct ifinfomsg ifi = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	/* IFF_UP in here is refused with ENOTCONN */
	const struct ifinfomsg peer_ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b = nlk_msg_new(
		RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info, *data, *peer;

	put_end(&b, conf->name, NULL, conf->mtu);
	if (conf->master)
		nlk_put_u32(&b, IFLA_MASTER, (uint32_t)conf->master);
	info = nlk_nest(&b, IFLA_LINKINFO);
	nlk_put_str(&b, IFLA_INFO_KIND, "veth");
	data = nlk_nest(&b, IFLA_INFO_DATA);
	peer = nlk_nest(&b, VETH_INFO_PEER);
	nlk_put_raw(&b, &peer_ifi, sizeof(peer_ifi));
	put_end(&b, conf->peer, &conf->peer_mac, conf->mtu);
	nlk_nest_end(&b, peer);
	nlk_nest_end(&b, data);
	nlk_nest_end(&b, info);
	return set_by_name(nlk, &b, err, conf->name);
}

static void put_hairpin(struct nlk_msg *b, bool on)
{
	struct nlattr *info = nlk_nest(b, IFLA_LINKINFO), *data;

	nlk_put_str(b, IFLA_INFO_SLAVE_KIND, "bridge");
	data = nlk_nest(b, IFLA_INFO_SLAVE_DATA);
	nlk_put_u8(b, IFLA_BRPORT_MODE, on);
	nlk_nest_end(b, data);
	nlk_nest_end(b, info);
}

/* The alias, and the port flag where it is wanted, of one new end. */
static int veth_mark(struct nlk *nlk, const char *name, const char *alias,
		     bool hairpin, struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_NEWLINK, 0, &ifi, sizeof(ifi));

	nlk_put_str(&b, IFLA_IFNAME, name);
	nlk_put_str(&b, IFLA_IFALIAS, alias);
	if (hairpin)
		put_hairpin(&b, true);
	return set_by_name(nlk, &b, err, name);
}

int nlk_veth_add(struct nlk *nlk, const struct nlk_veth_conf *conf,
		 struct err *err)
{
	_cleanup_(nlk_undo_fini) struct nlk_undo undo = { .nlk = nlk };
	int r = nlk_new_check(conf->name, conf->alias, err);

	if (r == 0)
		r = nlk_new_check(conf->peer, conf->alias, err);
	if (r == 0 && conf->hairpin && !conf->master)
		r = err_set(err, -EINVAL, "link %s: hairpin without a bridge",
			    conf->name);
	if (r < 0)
		return r;
	r = veth_create(nlk, conf, err);
	if (r == -EEXIST && !nlk_tell_holder(nlk, conf->name, err))
		(void)nlk_tell_holder(nlk, conf->peer, err);
	if (r < 0)
		return r;
	undo.name = conf->name;

	r = veth_mark(nlk, conf->name, conf->alias, conf->hairpin, err);
	if (r == 0)
		r = veth_mark(nlk, conf->peer, conf->alias, false, err);
	if (r < 0)
		return r;
	undo.name = NULL;
	return 0;
}

/* ---- changing ----------------------------------------------------------- */

/* Send @b, a change of link @index. */
static int set_by_index(struct nlk *nlk, struct nlk_msg *b, int index,
			struct err *err)
{
	struct label label = link_label(NULL, index);

	return nlk_call(nlk, b, NULL, NULL, err, "link", label.s);
}

static struct nlk_msg change_of(int index)
{
	struct ifinfomsg ifi = { .ifi_index = index };

	return nlk_msg_new(RTM_SETLINK, 0, &ifi, sizeof(ifi));
}

static int set_flag(struct nlk *nlk, int index, unsigned int flag, bool on,
		    struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = index,
				 .ifi_flags = on ? flag : 0,
				 .ifi_change = flag };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_SETLINK, 0, &ifi, sizeof(ifi));

	return set_by_index(nlk, &b, index, err);
}

int nlk_link_up(struct nlk *nlk, int index, bool up, struct err *err)
{
	return set_flag(nlk, index, IFF_UP, up, err);
}

int nlk_link_arp(struct nlk *nlk, int index, bool arp, struct err *err)
{
	return set_flag(nlk, index, IFF_NOARP, !arp, err);
}

int nlk_link_mtu(struct nlk *nlk, int index, uint32_t mtu, struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b = change_of(index);

	nlk_put_u32(&b, IFLA_MTU, mtu);
	return set_by_index(nlk, &b, index, err);
}

int nlk_link_mac(struct nlk *nlk, int index, const struct mac_addr *mac,
		 struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b = change_of(index);

	nlk_put(&b, IFLA_ADDRESS, mac->bytes, sizeof(mac->bytes));
	return set_by_index(nlk, &b, index, err);
}

int nlk_link_rename(struct nlk *nlk, int index, const char *name,
		    struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b = change_of(index);

	if (!name_fits(name))
		return err_set(err, -EINVAL,
			       "link name \"%s\": must have 1 to %d characters",
			       name, IFNAMSIZ - 1);
	nlk_put_str(&b, IFLA_IFNAME, name);
	return set_by_index(nlk, &b, index, err);
}

int nlk_link_alias(struct nlk *nlk, int index, const char *alias,
		   struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b = change_of(index);

	if (strlen(alias) >= NLK_ALIAS_MAX)
		return err_set(err, -EINVAL,
			       "link #%d: alias longer than %d bytes", index,
			       NLK_ALIAS_MAX - 1);
	nlk_put(&b, IFLA_IFALIAS, alias, strlen(alias));
	return set_by_index(nlk, &b, index, err);
}

int nlk_link_master(struct nlk *nlk, int index, int master, struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b = change_of(index);

	nlk_put_u32(&b, IFLA_MASTER, (uint32_t)master);
	return set_by_index(nlk, &b, index, err);
}

int nlk_port_hairpin(struct nlk *nlk, int index, bool on, struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_NEWLINK, 0, &ifi, sizeof(ifi));

	put_hairpin(&b, on);
	return set_by_index(nlk, &b, index, err);
}

/* Is @row what nlk_link_del() may delete under @alias? */
static int check_ours(const struct link_row *row, const char *alias,
		      struct err *err)
{
	bool fresh = !row->link.alias[0] && row->group == NLK_LINK_GROUP;

	if (alias[0] && (fresh || strcmp(row->link.alias, alias) == 0))
		return 0;
	return err_set(err, -EPERM,
		       "link %s: not deleted, its alias is \"%s\", not \"%s\"",
		       row->link.name, row->link.alias, alias);
}

int nlk_link_del(struct nlk *nlk, const char *name, const char *alias,
		 struct err *err)
{
	struct link_row row = { 0 };
	struct ifinfomsg ifi = { 0 };
	int r = row_get(nlk, name, 0, &row, err);

	if (r == 0)
		r = check_ours(&row, alias, err);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	ifi.ifi_index = row.link.index;
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_DELLINK, 0, &ifi, sizeof(ifi));
	r = nlk_call(nlk, &b, NULL, NULL, err, "link", name);
	return r == -ENODEV ? 0 : r;
}

/* Return: 1 when it was put into the group; 0 when there is no such link. */
static int condemn(struct nlk *nlk, const struct nlk_link_ref *ref,
		   struct err *err)
{
	struct link_row row = { 0 };
	int r = row_get(nlk, ref->name, 0, &row, err);

	if (r == 0)
		r = check_ours(&row, ref->alias, err);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	_cleanup_(nlk_msg_fini) struct nlk_msg b = change_of(row.link.index);
	nlk_put_u32(&b, IFLA_GROUP, REAP_GROUP);
	r = set_by_index(nlk, &b, row.link.index, err);
	if (r < 0)
		return r == -ENODEV ? 0 : r;
	return 1;
}

int nlk_link_del_many(struct nlk *nlk, struct nlk_link_ref *refs, size_t count,
		      struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	bool any = false;
	int r;

	for (size_t i = 0; i < count; i++) {
		r = condemn(nlk, &refs[i], err);
		any = any || r == 1;
		refs[i].result = r < 0 ? r : 0;
	}
	if (!any)
		return 0;
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_DELLINK, 0, &ifi, sizeof(ifi));
	nlk_put_u32(&b, IFLA_GROUP, REAP_GROUP);
	r = nlk_call(nlk, &b, NULL, NULL, err, "links", "to be deleted");
	return r == -ENODEV ? 0 : r;
}
