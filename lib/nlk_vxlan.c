/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VXLAN links. */
#include "lib/nlk_vxlan.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_priv.h"

/* ---- making ---------------------------------------------------------------- */

static void put_local(struct nlk_msg *b, const struct ip_addr *local)
{
	if (!ip_is_none(local))
		nlk_put_ip(b,
			   local->family == AF_INET ? IFLA_VXLAN_LOCAL
						    : IFLA_VXLAN_LOCAL6,
			   local);
}

static void put_data(struct nlk_msg *b, const void *ctx)
{
	const struct nlk_vxlan_conf *conf = ctx;
	const uint16_t port = htons(conf->port);

	nlk_put_u32(b, IFLA_VXLAN_ID, conf->vni);
	put_local(b, &conf->local);
	nlk_put(b, IFLA_VXLAN_PORT, &port, sizeof(port));
	nlk_put_u8(b, IFLA_VXLAN_LEARNING, conf->learning);
	nlk_put_u8(b, IFLA_VXLAN_UDP_CSUM, 1);
	/* No IFLA_VXLAN_TTL_INHERIT: an inner TTL of 1 (multicast, eBGP) has to get there.
	 * What does not fit is told to the sender, not cut up. */
	if (conf->local.family == AF_INET)
		nlk_put_u8(b, IFLA_VXLAN_DF, VXLAN_DF_SET);
}

struct vni_find {
	struct nlk *nlk;
	const struct nlk_vxlan_conf *conf;
	struct nlk_link found;
};

static int on_link(void *ctx, const struct nlk_link *l)
{
	struct vni_find *f = ctx;
	struct nlk_vxlan v;

	if (strcmp(l->kind, "vxlan") == 0 &&
	    nlk_vxlan_get(f->nlk, l->name, &v, NULL) == 0 &&
	    v.vni == f->conf->vni && v.port == f->conf->port)
		f->found = *l;
	return 0;
}

/* The kernel says -EEXIST of the name and of the VNI. */
static void tell_vni_holder(struct nlk *nlk, const struct nlk_vxlan_conf *conf,
			    struct err *err)
{
	struct vni_find f = { .nlk = nlk, .conf = conf };
	const struct nlk_link *l = &f.found;
	struct nlk_link same;

	if (nlk_link_get(nlk, conf->name, 0, &same, NULL) == 0)
		return; /* and @err says so */
	(void)nlk_link_each(nlk, on_link, &f, NULL);
	err_set(err, -EEXIST,
		"VNI %u on UDP port %u is that of link %s%s%s%s on this host; "
		"remove it or choose another VNI",
		conf->vni, conf->port, l->name[0] ? l->name : "of somebody",
		l->alias[0] ? " (alias \"" : "", l->alias,
		l->alias[0] ? "\")" : "");
}

int nlk_vxlan_add(struct nlk *nlk, const struct nlk_vxlan_conf *conf,
		  struct err *err)
{
	const struct nlk_new n = {
		.name = conf->name,
		.alias = conf->alias,
		.kind = "vxlan",
		.mac = &conf->mac,
		.mtu = conf->mtu,
		.put_data = put_data,
		.conf = conf,
	};
	int r = nlk_make(nlk, &n, err);

	if (r == -EEXIST)
		tell_vni_holder(nlk, conf, err);
	return r;
}

struct port_find {
	struct nlk *nlk;
	int index; /* not this one */
	uint16_t port;
	struct nlk_link found;
};

static int on_port(void *ctx, const struct nlk_link *l)
{
	struct port_find *f = ctx;
	struct nlk_vxlan v;

	if (l->up && l->index != f->index && strcmp(l->kind, "vxlan") == 0 &&
	    nlk_vxlan_get(f->nlk, l->name, &v, NULL) == 0 && v.alone &&
	    v.port == f->port)
		f->found = *l;
	return 0;
}

int nlk_vxlan_up(struct nlk *nlk, int index, uint16_t port, struct err *err)
{
	struct port_find f = { .nlk = nlk, .index = index, .port = port };
	int r = nlk_link_up(nlk, index, true, err);

	if (r != -EADDRINUSE)
		return r;
	/* whose socket is the kernel's, ss does not say */
	(void)nlk_link_each(nlk, on_port, &f, NULL);
	if (f.found.name[0])
		return err_set(err, r,
			       "UDP port %u is in use on this host by VXLAN "
			       "link %s, which shares it with no other (made "
			       "with external, gbp, gpe or the like): remove "
			       "it, or give it another dstport",
			       port, f.found.name);
	return err_set(err, r,
		       "UDP port %u is in use on this host (ss -ulnp 'sport = "
		       ":%u' shows by whom): VXLAN needs it",
		       port, port);
}

int nlk_vxlan_set_local(struct nlk *nlk, int index, const struct ip_addr *local,
			struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *info = nlk_nest(&b, IFLA_LINKINFO), *data;

	nlk_put_str(&b, IFLA_INFO_KIND, "vxlan");
	data = nlk_nest(&b, IFLA_INFO_DATA);
	put_local(&b, local);
	nlk_nest_end(&b, data);
	nlk_nest_end(&b, info);
	return nlk_call(nlk, &b, NULL, NULL, err, "link",
			"whose address is to change");
}

/* ---- reading --------------------------------------------------------------- */

static bool is_set(const struct nlattr *flag)
{
	return flag && nla_get_u8(flag);
}

/* What the kernel demands to be the same of links that share a port; ours have none. */
static bool is_alone(struct nlattr *const *d)
{
	return is_set(d[IFLA_VXLAN_COLLECT_METADATA]) ||
	       is_set(d[IFLA_VXLAN_UDP_ZERO_CSUM6_RX]) ||
	       is_set(d[IFLA_VXLAN_REMCSUM_RX]) || d[IFLA_VXLAN_GBP] ||
	       d[IFLA_VXLAN_GPE];
}

static int decode(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1],
		*d[IFLA_VXLAN_MAX + 1];
	const struct ifinfomsg *ifi;
	struct nlk_vxlan *v = ctx;
	uint16_t port = 0;

	if (nlmsg_parse(h, sizeof(*ifi), tb, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	ifi = nlmsg_data(h);
	if (!tb[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) <
		    0 ||
	    !info[IFLA_INFO_KIND] || !info[IFLA_INFO_DATA] ||
	    nla_strcmp(info[IFLA_INFO_KIND], "vxlan") != 0 ||
	    nla_parse_nested(d, IFLA_VXLAN_MAX, info[IFLA_INFO_DATA], NULL) < 0)
		return 0;
	v->index = ifi->ifi_index;
	if (tb[IFLA_IFNAME])
		nla_strlcpy(v->name, tb[IFLA_IFNAME], sizeof(v->name));
	v->vni = d[IFLA_VXLAN_ID] ? nla_get_u32(d[IFLA_VXLAN_ID]) : 0;
	if (d[IFLA_VXLAN_PORT])
		port = nla_get_u16(d[IFLA_VXLAN_PORT]);
	v->port = ntohs(port);
	v->learning = is_set(d[IFLA_VXLAN_LEARNING]);
	v->alone = is_alone(d);
	v->local = d[IFLA_VXLAN_LOCAL]
			   ? nlk_ip_decode(AF_INET, d[IFLA_VXLAN_LOCAL])
			   : nlk_ip_decode(AF_INET6, d[IFLA_VXLAN_LOCAL6]);
	return 0;
}

int nlk_vxlan_get(struct nlk *nlk, const char *name, struct nlk_vxlan *ret,
		  struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct nlk_vxlan v = { 0 };
	int r;

	nlk_put_str(&b, IFLA_IFNAME, name);
	r = nlk_call(nlk, &b, decode, &v, err, "link", name);
	if (r < 0)
		return r;
	if (!v.index)
		return err_set(err, -ENODEV, "link %s is no VXLAN", name);
	*ret = v;
	return 0;
}

/* ---- the bridge's port ------------------------------------------------------ */

struct port {
	struct nlk_port_flags flags;
	bool known; /* it is a bridge's port, and the kernel says all of them */
};

static int decode_port(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1],
		*d[IFLA_BRPORT_MAX + 1];
	struct port *p = ctx;

	if (nlmsg_parse(h, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0)
		return -EBADMSG;
	if (!tb[IFLA_LINKINFO] ||
	    nla_parse_nested(info, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) <
		    0 ||
	    !info[IFLA_INFO_SLAVE_KIND] || !info[IFLA_INFO_SLAVE_DATA] ||
	    nla_strcmp(info[IFLA_INFO_SLAVE_KIND], "bridge") != 0 ||
	    nla_parse_nested(d, IFLA_BRPORT_MAX, info[IFLA_INFO_SLAVE_DATA],
			     NULL) < 0 ||
	    !d[IFLA_BRPORT_LEARNING] || !d[IFLA_BRPORT_UNICAST_FLOOD] ||
	    !d[IFLA_BRPORT_NEIGH_SUPPRESS])
		return 0;
	p->flags.learning = nla_get_u8(d[IFLA_BRPORT_LEARNING]);
	p->flags.flood = nla_get_u8(d[IFLA_BRPORT_UNICAST_FLOOD]);
	p->flags.suppress = nla_get_u8(d[IFLA_BRPORT_NEIGH_SUPPRESS]);
	p->known = true;
	return 0;
}

static bool port_has(struct nlk *nlk, int index,
		     const struct nlk_port_flags *flags)
{
	struct ifinfomsg ifi = { .ifi_index = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct port p = { .known = false };

	return nlk_call(nlk, &b, decode_port, &p, NULL, "link", "") == 0 &&
	       p.known && p.flags.learning == flags->learning &&
	       p.flags.flood == flags->flood &&
	       p.flags.suppress == flags->suppress;
}

int nlk_port_set(struct nlk *nlk, int index, const struct nlk_port_flags *flags,
		 struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	struct nlattr *info, *data;

	if (port_has(nlk, index, flags))
		return 0;
	info = nlk_nest(&b, IFLA_LINKINFO);
	nlk_put_str(&b, IFLA_INFO_SLAVE_KIND, "bridge");
	data = nlk_nest(&b, IFLA_INFO_SLAVE_DATA);
	nlk_put_u8(&b, IFLA_BRPORT_LEARNING, flags->learning);
	nlk_put_u8(&b, IFLA_BRPORT_UNICAST_FLOOD, flags->flood);
	nlk_put_u8(&b, IFLA_BRPORT_NEIGH_SUPPRESS, flags->suppress);
	nlk_nest_end(&b, data);
	nlk_nest_end(&b, info);
	return nlk_call(nlk, &b, NULL, NULL, err, "link",
			"whose port flags are to change");
}
