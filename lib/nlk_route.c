/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes, and the neighbour entries that go stale beside them. */
#include "lib/nlk.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_priv.h"

struct route_text {
	char s[PREFIX_STR_MAX + IP_STR_MAX + 24];
};

static struct route_text route_text(const struct nlk_route *r)
{
	char dst[PREFIX_STR_MAX], gw[IP_STR_MAX];
	struct route_text t;

	if (r->dst.len)
		ip_prefix_str(&r->dst, dst);
	else
		snprintf(dst, sizeof(dst), "default");
	snprintf(t.s, sizeof(t.s), "%s via %s link #%d", dst,
		 ip_is_none(&r->gateway) ? "-" : ip_str(&r->gateway, gw),
		 r->oif);
	return t;
}

/* ---- reading ------------------------------------------------------------ */

static uint32_t attr_u32(const struct nlattr *a)
{
	return a ? nla_get_u32(a) : 0;
}

static uint32_t decode_mtu(struct nlattr *metrics)
{
	struct nlattr *tb[RTAX_MAX + 1];

	if (!metrics || nla_parse_nested(tb, RTAX_MAX, metrics, NULL) < 0)
		return 0;
	return attr_u32(tb[RTAX_MTU]);
}

/* RTA_VIA: a gateway of the other family. */
static struct ip_addr decode_gateway(int family, struct nlattr *const *tb)
{
	const struct nlattr *a = tb[RTA_VIA];
	struct ip_addr ip = { 0 };
	const struct rtvia *via;

	if (!a || nla_len(a) < (int)sizeof(*via))
		return nlk_ip_decode(family, tb[RTA_GATEWAY]);
	via = nla_data(a);
	ip.family = (uint8_t)via->rtvia_family;
	if (nla_len(a) - (int)sizeof(*via) != (int)ip_bytes(&ip))
		return (struct ip_addr){ 0 };
	memcpy(ip.bytes, via->rtvia_addr, ip_bytes(&ip));
	return ip;
}

struct route_sink {
	int (*add)(struct route_sink *sink, const struct nlk_route *r);
	struct nlk_list list; /* nlk_route_each */
	struct nlk_route one; /* nlk_route_lookup */
};

/* One route of several next hops is shown once for each. */
static int decode_hops(struct nlattr *multipath, struct nlk_route *r,
		       struct route_sink *sink)
{
	int left = nla_len(multipath), code = 0, step;
	char *at = nla_data(multipath);

	for (; code == 0 && left >= (int)sizeof(struct rtnexthop);
	     left -= step, at += step) {
		struct nlattr *tb[RTA_MAX + 1];
		struct rtnexthop nh;

		memcpy(&nh, at, sizeof(nh));
		step = (int)NLA_ALIGN(nh.rtnh_len);
		if (nh.rtnh_len < sizeof(nh) || nh.rtnh_len > left ||
		    nla_parse(tb, RTA_MAX, (void *)(at + sizeof(nh)),
			      nh.rtnh_len - (int)sizeof(nh), NULL) < 0)
			return -EBADMSG;
		r->oif = nh.rtnh_ifindex;
		r->gateway = decode_gateway(r->dst.addr.family, tb);
		code = sink->add(sink, r);
	}
	return code;
}

static int on_route(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[RTA_MAX + 1];
	struct route_sink *sink = ctx;
	const struct rtmsg *rtm;
	struct nlk_route r;

	if (nlmsg_parse(h, sizeof(*rtm), tb, RTA_MAX, NULL) < 0)
		return -EBADMSG;
	rtm = nlmsg_data(h);
	if (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)
		return 0; /* MPLS, multicast */
	r = (struct nlk_route){
		.dst = { nlk_ip_decode(rtm->rtm_family, tb[RTA_DST]),
			 rtm->rtm_dst_len },
		.source = nlk_ip_decode(rtm->rtm_family, tb[RTA_PREFSRC]),
		.gateway = decode_gateway(rtm->rtm_family, tb),
		.oif = (int)attr_u32(tb[RTA_OIF]),
		.table = tb[RTA_TABLE] ? nla_get_u32(tb[RTA_TABLE])
				       : rtm->rtm_table,
		.metric = attr_u32(tb[RTA_PRIORITY]),
		.mtu = decode_mtu(tb[RTA_METRICS]),
		.protocol = rtm->rtm_protocol,
		.scope = rtm->rtm_scope,
		.type = rtm->rtm_type,
	};
	r.dst.addr.family = rtm->rtm_family;
	if (tb[RTA_MULTIPATH])
		return decode_hops(tb[RTA_MULTIPATH], &r, sink);
	return sink->add(sink, &r);
}

static int sink_list(struct route_sink *sink, const struct nlk_route *r)
{
	return nlk_list_add(&sink->list, r);
}

static int sink_one(struct route_sink *sink, const struct nlk_route *r)
{
	sink->one = *r;
	return 0;
}

static void sink_forget(void *ctx)
{
	((struct route_sink *)ctx)->list.count = 0;
}

static void sink_fini(struct route_sink *sink)
{
	nlk_list_fini(&sink->list);
}

int nlk_route_each(struct nlk *nlk, int family,
		   int (*fn)(void *ctx, const struct nlk_route *r), void *ctx,
		   struct err *err)
{
	_cleanup_(sink_fini) struct route_sink sink = {
		.add = sink_list, .list.item = sizeof(struct nlk_route)
	};
	struct rtmsg rtm = { .rtm_family = (unsigned char)family };
	int r = nlk_dump(nlk, RTM_GETROUTE, &rtm, sizeof(rtm), NULL, on_route,
			 sink_forget, &sink, err, "routes");

	for (size_t i = 0; r >= 0 && i < sink.list.count; i++)
		r = fn(ctx, &((struct nlk_route *)(void *)sink.list.items)[i]);
	return r < 0 ? r : 0;
}

int nlk_route_lookup(struct nlk *nlk, const struct ip_addr *dst,
		     struct nlk_route *ret, struct err *err)
{
	return nlk_route_lookup_by(nlk, dst, 0, ret, err);
}

int nlk_route_lookup_by(struct nlk *nlk, const struct ip_addr *dst, int oif,
			struct nlk_route *ret, struct err *err)
{
	struct rtmsg rtm = { .rtm_family = dst->family,
			     .rtm_dst_len = (uint8_t)(ip_bytes(dst) * 8) };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	struct route_sink sink = { .add = sink_one };
	char text[IP_STR_MAX];
	int r;

	if (ip_is_none(dst))
		return err_set(err, -EINVAL, "route: to no address");
	nlk_put_ip(&b, RTA_DST, dst);
	if (oif)
		nlk_put_u32(&b, RTA_OIF, (uint32_t)oif);
	r = nlk_call(nlk, &b, on_route, &sink, err, "route to",
		     ip_str(dst, text));
	if (r == 0)
		*ret = sink.one;
	return r;
}

/* ---- changing ----------------------------------------------------------- */

static void put_gateway(struct nlk_msg *b, const struct nlk_route *r)
{
	struct {
		uint16_t family;
		uint8_t addr[16];
	} via = { .family = r->gateway.family };

	if (ip_is_none(&r->gateway))
		return;
	if (r->gateway.family == r->dst.addr.family) {
		nlk_put_ip(b, RTA_GATEWAY, &r->gateway);
		return;
	}
	memcpy(via.addr, r->gateway.bytes, sizeof(via.addr));
	nlk_put(b, RTA_VIA, &via,
		offsetof(__typeof__(via), addr) + ip_bytes(&r->gateway));
}

static struct nlk_msg route_msg(int type, int flags, const struct nlk_route *r)
{
	uint32_t table = r->table ? r->table : RT_TABLE_MAIN;
	struct rtmsg rtm = { .rtm_family = r->dst.addr.family,
			     .rtm_dst_len = r->dst.len,
			     .rtm_table = table < 256 ? (uint8_t)table
						      : RT_TABLE_UNSPEC,
			     .rtm_protocol = r->protocol,
			     .rtm_scope = r->scope,
			     .rtm_type = r->type };
	struct nlk_msg b = nlk_msg_new(type, flags, &rtm, sizeof(rtm));
	struct nlattr *metrics;

	nlk_put_u32(&b, RTA_TABLE, table);
	if (r->dst.len) {
		/* the kernel refuses host bits */
		struct ip_addr dst = ip_prefix_first(&r->dst);

		nlk_put_ip(&b, RTA_DST, &dst);
	}
	put_gateway(&b, r);
	if (!ip_is_none(&r->source))
		nlk_put_ip(&b, RTA_PREFSRC, &r->source);
	if (r->oif)
		nlk_put_u32(&b, RTA_OIF, (uint32_t)r->oif);
	if (r->metric)
		nlk_put_u32(&b, RTA_PRIORITY, r->metric);
	if (r->mtu) {
		metrics = nlk_nest(&b, RTA_METRICS);
		nlk_put_u32(&b, RTAX_MTU, r->mtu);
		nlk_nest_end(&b, metrics);
	}
	return b;
}

int nlk_route_add(struct nlk *nlk, const struct nlk_route *r, struct err *err)
{
	struct nlk_route full = *r;

	if (!full.type)
		full.type = RTN_UNICAST;
	if (!full.protocol)
		full.protocol = RTPROT_STATIC;
	if (!full.scope && full.type == RTN_UNICAST &&
	    ip_is_none(&full.gateway) && full.dst.addr.family == AF_INET)
		full.scope = RT_SCOPE_LINK;

	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		route_msg(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &full);

	return nlk_call(nlk, &b, NULL, NULL, err, "route", route_text(r).s);
}

int nlk_route_del(struct nlk *nlk, const struct nlk_route *r, struct err *err)
{
	struct nlk_route full = *r;

	/* 0 would mean global scope; without a wish any scope will do */
	if (!full.scope)
		full.scope = RT_SCOPE_NOWHERE;

	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		route_msg(RTM_DELROUTE, 0, &full);
	int code = nlk_call(nlk, &b, NULL, NULL, err, "route", route_text(r).s);

	return code == -ESRCH || code == -ENODEV ? 0 : code;
}

int nlk_neigh_del(struct nlk *nlk, int index, const struct ip_addr *ip,
		  struct err *err)
{
	struct ndmsg ndm = { .ndm_family = ip->family, .ndm_ifindex = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_DELNEIGH, 0, &ndm, sizeof(ndm));
	char text[IP_STR_MAX];
	int r;

	nlk_put_ip(&b, NDA_DST, ip);
	r = nlk_call(nlk, &b, NULL, NULL, err, "neighbour", ip_str(ip, text));
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}
