/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An endpoint's kernel objects: a veth pair, its guard, its ports. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/netns.h"
#include "netplugins/bridge/bridge.h"
#include "netplugins/net_names.h"

static struct bridge_network *net_of(const struct net_endpoint *ep)
{
	return bridge_of(ep->network);
}

static struct bridge_host *host_of(const struct net_endpoint *ep)
{
	return ep->network->host;
}

/* ---- names and MACs ------------------------------------------------------- */

static void link_names(const char *id, unsigned int nth,
		       char host[static IFNAMSIZ], char peer[static IFNAMSIZ])
{
	net_link_name("bv", id, nth, host);
	net_link_name("bc", id, nth, peer);
}

static bool mac_taken(const struct net_endpoint *ep, const struct mac_addr *mac)
{
	if (mac_equal(mac, &net_of(ep)->mac))
		return true;
	for (const struct net_endpoint *o = ep->network->endpoints; o;
	     o = o->next)
		if (o != ep && mac_equal(mac, &o->mac))
			return true;
	return false;
}

/* As Docker does, from the address: a container that comes back with it has
 * the MAC its neighbours remember. */
static int choose_mac(struct net_endpoint *ep, struct err *err)
{
	char text[MAC_STR_MAX];

	if (ep->mac_given) {
		if (!mac_equal(&ep->mac, &net_of(ep)->mac))
			return 0;
		return err_set(err, -EADDRINUSE,
			       "MacAddress %s is that of the bridge",
			       mac_str(&ep->mac, text));
	}
	if (!ip_is_none(&ep->addr4.addr))
		ep->mac = mac_from_ip(&ep->addr4.addr);
	else if (!ip_is_none(&ep->addr6.addr))
		ep->mac = mac_from_ip(&ep->addr6.addr);
	for (uint64_t seed = 0;
	     mac_is_none(&ep->mac) || mac_taken(ep, &ep->mac); seed++) {
		uint64_t h = net_hash(ep->id, seed);

		ep->mac.bytes[0] = 0x02;
		for (unsigned int i = 1; i < 6; i++)
			ep->mac.bytes[i] = (uint8_t)(h >> (8 * i));
	}
	return 0;
}

/* ---- add ------------------------------------------------------------------ */

static int add_veth(const struct net_endpoint *ep, const char *name,
		    const char *peer, const char *alias, struct err *err)
{
	const struct bridge_network *br = net_of(ep);
	const struct nlk_veth_conf conf = {
		.name = name,
		.peer = peer,
		.alias = alias,
		.master = br->index,
		.peer_mac = ep->mac,
		.mtu = br->mtu,
		.hairpin = true, /* see dp_port: its own published port */
	};

	return nlk_veth_add(host_of(ep)->nlk, &conf, err);
}

/* Delete @name if it is this endpoint's own, left by a cut-off request. */
static bool clear_name(const struct net_endpoint *ep, const char *name,
		       const char *alias)
{
	struct bridge_host *host = host_of(ep);
	struct nlk_link link;

	if (nlk_link_get(host->nlk, name, 0, &link, NULL) < 0)
		return false;
	return nlk_link_del(host->slow, name, alias, NULL) == 0;
}

static int add_named(struct net_endpoint *ep, struct err *err)
{
	char alias[NLK_ALIAS_MAX], name[IFNAMSIZ], peer[IFNAMSIZ];
	int r = -EEXIST;

	bridge_alias(host_of(ep)->kind, ep->id, alias);
	for (unsigned int nth = 0; r == -EEXIST && nth < NET_NAME_TRIES;
	     nth++) {
		link_names(ep->id, nth, name, peer);
		r = add_veth(ep, name, peer, alias, err);
		if (r == -EEXIST && clear_name(ep, name, alias))
			r = add_veth(ep, name, peer, alias, err);
	}
	if (r < 0)
		return r;
	memcpy(ep->ifname, name, sizeof(name));
	memcpy(ep->peer, peer, sizeof(peer));
	return 0;
}

/* The port's device needs no address, and must take none: frames to link-local
 * groups are handed to it, and with them a container's router advertisement. */
static int no_ip6(const struct net_endpoint *ep, struct err *err)
{
	return sysctl_set_ip6(ep->ifname, "disable_ipv6", "1", err);
}

static int guard_port(const struct net_endpoint *ep, struct err *err)
{
	struct dp_port port = {
		.mac = ep->mac,
		.ip4 = ep->addr4.addr,
		.ip6 = ep->addr6.addr,
	};
	const struct bridge_ep_options *opt = ep->options;
	int r = bridge_policy_parse(&opt->policy, &port.policy, err);

	if (r == 0)
		r = bridge_service_parse(opt->service, &port.join, err);
	if (r == 0)
		r = bridge_rate_of(ep, &port.rate, err);
	if (r < 0)
		return r;
	snprintf(port.network, sizeof(port.network), "%s", ep->network->id);
	snprintf(port.endpoint, sizeof(port.endpoint), "%s", ep->id);
	snprintf(port.ifname, sizeof(port.ifname), "%s", ep->ifname);
	return dp_port_add(host_of(ep)->dp, &port, err);
}

/* From an earlier life, or the bridge was made again under it. */
static int add_back(struct net_endpoint *ep, struct err *err)
{
	struct bridge_host *host = host_of(ep);
	struct bridge_network *br = net_of(ep);
	struct nlk_link link;
	int r;

	if (!br->index)
		return err_set(err, -ENODEV, "bridge %s is not there",
			       br->name);
	r = nlk_link_get(host->nlk, ep->ifname, 0, &link, err);
	if (r < 0)
		return r;
	/* The guard first: no packet passes an unguarded port. */
	r = no_ip6(ep, err);
	if (r == 0)
		r = guard_port(ep, err);
	if (r == 0 && link.master != br->index) {
		r = nlk_link_master(host->nlk, link.index, br->index, err);
		if (r == 0)
			r = nlk_port_hairpin(host->nlk, link.index, true, err);
	}
	if (r == 0 && !link.up)
		r = nlk_link_up(host->nlk, link.index, true, err);
	return r;
}

static int finish_add(struct net_endpoint *ep, struct err *err)
{
	struct bridge_host *host = host_of(ep);
	int r = NET_STEP("bridge.endpoint.veth", err);

	if (r == 0)
		r = no_ip6(ep, err);
	if (r == 0)
		r = guard_port(ep, err);
	if (r == 0)
		r = NET_STEP("bridge.endpoint.guard", err);
	/* The host may remember another MAC for this address. */
	if (r == 0 && !ip_is_none(&ep->addr4.addr))
		r = nlk_neigh_del(host->nlk, net_of(ep)->index, &ep->addr4.addr,
				  err);
	if (r == 0 && !ip_is_none(&ep->addr6.addr))
		r = nlk_neigh_del(host->nlk, net_of(ep)->index, &ep->addr6.addr,
				  err);
	if (r == 0)
		bridge_announce(host->announce_fd, net_of(ep)->index, ep);
	return r;
}

int bridge_endpoint_add(struct net_endpoint *ep, struct err *err)
{
	struct err undo = { 0 };
	int r;

	if (ep->ifname[0])
		return add_back(ep, err);
	bridge_reaper_wait(host_of(ep)->reaper, ep->id);
	r = choose_mac(ep, err);
	if (r == 0)
		r = add_named(ep, err);
	if (r < 0)
		return r;
	r = finish_add(ep, err);
	if (r < 0 && bridge_endpoint_del(ep, &undo) < 0)
		err_wrap(err, r, "%s; left behind", undo.msg);
	return r;
}

/* ---- del ------------------------------------------------------------------ */

/* Its names are not known where a crash cut the request that chose them. */
static int del_by_id(struct net_endpoint *ep, const char *alias,
		     struct err *err)
{
	struct bridge_host *host = host_of(ep);
	char name[IFNAMSIZ], peer[IFNAMSIZ];
	int r = 0;

	for (unsigned int nth = 0; r == 0 && nth < NET_NAME_TRIES; nth++) {
		link_names(ep->id, nth, name, peer);
		r = nlk_link_del(host->slow, name, alias, err);
		if (r == -EPERM) /* another's */
			r = 0;
	}
	return r < 0 ? r : dp_port_del(host->dp, ep->id, err);
}

int bridge_endpoint_del(struct net_endpoint *ep, struct err *err)
{
	struct bridge_host *host = host_of(ep);
	char alias[NLK_ALIAS_MAX];
	int r;

	/* the link goes some time later */
	dp_service_leave(host->dp, ep->id);
	dp_port_leave(host->dp, ep->id);
	r = dp_publish_del(host->dp, ep->id, err);
	if (r == 0)
		r = NET_STEP("bridge.endpoint.unpublish", err);
	if (r < 0)
		return r;
	bridge_alias(host_of(ep)->kind, ep->id, alias);
	if (!ep->ifname[0])
		return del_by_id(ep, alias, err);
	return bridge_reaper_add(host->reaper, ep->ifname, alias, ep->id, err);
}

int bridge_endpoint_place(struct net_endpoint *ep, struct err *err)
{
	char alias[NLK_ALIAS_MAX];
	struct nlk_link link;
	int r;

	if (!ep->ifname[0])
		return NET_LINK_GONE;
	r = nlk_link_get(host_of(ep)->nlk, ep->ifname, 0, &link, err);
	if (r == -ENODEV)
		return NET_LINK_GONE;
	if (r < 0)
		return r;
	bridge_alias(host_of(ep)->kind, ep->id, alias);
	if (strcmp(link.alias, alias) != 0)
		return NET_LINK_GONE;
	return link.peer_elsewhere ? NET_LINK_AWAY : NET_LINK_HERE;
}

/* ---- join, ports ---------------------------------------------------------- */

int bridge_join(struct net_endpoint *ep, struct net_join_reply *ret,
		struct err *err)
{
	const struct bridge_network *br = net_of(ep);

	(void)err;
	memcpy(ret->src_name, ep->peer, sizeof(ret->src_name));
	snprintf(ret->dst_prefix, sizeof(ret->dst_prefix), "%.*s", IFNAMSIZ - 1,
		 br->opt.prefix);
	/* Without a gateway dockerd would add its own way out. */
	ret->disable_gateway_service = br->base.internal;
	if (br->base.internal)
		return 0;
	if (!ip_is_none(&ep->addr4.addr) && bridge_has_gateway4(br))
		ret->gateway4 = br->base.v4.gateway.addr;
	if (!ip_is_none(&ep->addr6.addr) && bridge_has_gateway6(br))
		ret->gateway6 = br->base.v6.gateway.addr;
	if (ip_is_none(&ret->gateway4) && ip_is_none(&ret->gateway6))
		ret->disable_gateway_service = true;
	return 0;
}

void bridge_bind_ports(const struct net_endpoint *ep, struct portmap *ports)
{
	const struct bridge_network *br = net_of(ep);
	const struct ip_addr *binding = &br->opt.host_binding4;

	/* any of IPv4 is what Docker takes for any of both */
	for (size_t i = 0; i < ports->count && !ip_is_any(binding); i++)
		if (ip_is_none(&ports->ranges[i].host_ip))
			ports->ranges[i].host_ip = *binding;
}

int bridge_expose(struct net_endpoint *ep, struct err *err)
{
	struct dp_publish pub = {
		.ip4 = ep->addr4.addr,
		.ip6 = ep->addr6.addr,
		.ports = ep->ports,
		.judged = !bridge_policy_is_none(
			&((const struct bridge_ep_options *)ep->options)
				 ->policy),
	};
	int r;

	if (!ep->ports.count)
		return dp_publish_del(host_of(ep)->dp, ep->id, err);
	snprintf(pub.network, sizeof(pub.network), "%s", ep->network->id);
	snprintf(pub.endpoint, sizeof(pub.endpoint), "%s", ep->id);
	bridge_bind_ports(ep, &pub.ports);
	r = dp_publish_add(host_of(ep)->dp, &pub, err);
	ep->ports = pub.ports;
	if (r == 0)
		r = NET_STEP("bridge.expose.published", err);
	return r;
}

int bridge_unexpose(struct net_endpoint *ep, struct err *err)
{
	return dp_publish_del(host_of(ep)->dp, ep->id, err);
}
