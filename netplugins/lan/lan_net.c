/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: what their options say, made, deleted, lost. */
#include <stdio.h>
#include <string.h>

#include "netplugins/lan/lan.h"
#include "netplugins/net_names.h"

const struct opt_field lan_endpoint_options[] = {
	LAN_REFUSED("com.docker.network.endpoint.ifname",
		    "dockerd ignores names that a plugin gives; set "
		    "com.docker.network.container_iface_prefix on the network"),
	LAN_REFUSED("com.docker.network.endpoint.sysctls",
		    "the container's namespace does not exist yet when a "
		    "plugin is asked; use docker run --sysctl"),
	{ 0 },
};

struct lan_network *lan_of(struct net_network *net)
{
	return container_of(net, struct lan_network, base);
}

const struct lan_network *lan_of_const(const struct net_network *net)
{
	return (const struct lan_network *)(const void *)net;
}

_Static_assert(offsetof(struct lan_network, base) == 0, "lan_of_const() casts");

/* ---- options ---------------------------------------------------------------- */

void lan_defaults(struct net_network *net)
{
	strcpy(lan_of(net)->opt.prefix, "eth");
}

static int check_mtu(const struct lan_network *ln, struct err *err)
{
	if (!ln->opt.mtu || ln->opt.mtu >= 1280 || !ln->base.ipv6)
		return 0;
	return err_set(err, -EINVAL,
		       "com.docker.network.driver.mtu=%u: IPv6 needs 1280 at "
		       "least",
		       ln->opt.mtu);
}

static int check_pools(const struct lan_network *ln, struct err *err)
{
	const struct net_network *net = &ln->base;

	if (ip_is_none(&net->v4.pool.addr) && ip_is_none(&net->v6.pool.addr))
		return err_set(err, -EINVAL,
			       "a %s network needs a subnet, that of its LAN: "
			       "leave out --ipam-driver null",
			       ln->kind->what);
	if (net->ipv6 && ip_is_none(&net->v6.pool.addr))
		return err_set(err, -EINVAL,
			       "IPv6 is on but there is no IPv6 subnet: add "
			       "--subnet fd00:.../64");
	return 0;
}

static struct ip_addr host_address(const struct net_pool *p)
{
	for (unsigned int i = 0; i < p->aux_count; i++)
		if (strcmp(p->aux[i].name, "host") == 0)
			return p->aux[i].addr;
	return (struct ip_addr){ 0 };
}

int lan_init(struct net_network *net, const struct lan_kind *kind,
	     struct err *err)
{
	struct lan_network *ln = lan_of(net);
	int r;

	ln->kind = kind;
	r = lan_parent_init(ln, err);
	/* dockerd appends a number of up to four digits. */
	if (r == 0 && !net_link_name_valid(ln->opt.prefix, IFNAMSIZ - 5))
		r = err_set(err, -EINVAL,
			    "com.docker.network.container_iface_prefix: \"%s\" "
			    "is not the beginning of a link's name (1 to %d "
			    "characters)",
			    ln->opt.prefix, IFNAMSIZ - 5);
	if (r == 0)
		r = check_mtu(ln, err);
	if (r == 0)
		r = check_pools(ln, err);
	if (r < 0)
		return r;
	ln->host4 = host_address(&net->v4);
	ln->host6 = host_address(&net->v6);
	lan_alias(kind, net->id, ln->alias);
	return 0;
}

static bool is_routed(const struct lan_kind *kind, const struct lan_options *o)
{
	return kind->is_routed && kind->is_routed(o);
}

void lan_gateway_skip(const struct net_network *net,
		      const struct lan_kind *kind, bool *skip4, bool *skip6)
{
	const struct lan_options *o = &lan_of_const(net)->opt;

	*skip4 = *skip6 = net->internal || !o->parent[0] || is_routed(kind, o);
}

/* ---- add, del ---------------------------------------------------------------- */

int lan_network_add(struct net_network *net, bool fresh, struct err *err)
{
	struct lan_network *ln = lan_of(net);
	struct lan_host *host = net->host;
	struct err undo = { 0 };
	int r = lan_claim(host, ln, err);

	if (r < 0)
		return r;
	r = lan_parent_add(host, ln, fresh, err);
	if (r == 0)
		r = NET_STEP("lan.network.parent", err);
	/* A network that is on record keeps what is left of it. */
	if (r < 0 && fresh && lan_network_del(net, &undo) < 0)
		return err_wrap(err, r, "%s; left behind", undo.msg);
	return r;
}

int lan_network_del(struct net_network *net, struct err *err)
{
	struct lan_network *ln = lan_of(net);
	struct lan_host *host = net->host;
	int r;

	lan_release(host, ln);
	r = lan_parent_del(host, ln, err);
	return r < 0 ? r : NET_STEP("lan.network.unlink", err);
}

void lan_network_fini(struct net_network *net)
{
	lan_release(net->host, lan_of(net));
}

bool lan_network_lost(struct net_network *net)
{
	struct lan_network *ln = lan_of(net);
	struct lan_host *host = net->host;
	bool lost;

	pthread_mutex_lock(&host->lock);
	lost = ln->lost || ln->grown;
	if (ln->grown)
		lan_seat_grown(host, net->id);
	ln->lost = ln->grown = false;
	pthread_mutex_unlock(&host->lock);
	return lost;
}

void lan_network_info(const struct net_network *net, struct net_info *ret)
{
	const struct lan_network *ln = lan_of_const(net);

	memcpy(ret->link, ln->parent, sizeof(ret->link));
	ret->mtu = ln->opt.mtu ? ln->opt.mtu : ln->mtu;
}

/* ---- join ---------------------------------------------------------------------- */

static void add_default(struct net_join_reply *ret, uint8_t family)
{
	ret->routes[ret->route_count].dst.addr.family = family;
	ret->routes[ret->route_count++].on_link = true;
}

int lan_join(struct net_endpoint *ep, struct net_join_reply *ret,
	     struct err *err)
{
	const struct lan_network *ln = lan_of(ep->network);
	bool v4 = !ip_is_none(&ep->addr4.addr);
	bool v6 = !ip_is_none(&ep->addr6.addr);

	(void)err;
	memcpy(ret->src_name, ep->peer, sizeof(ret->src_name));
	snprintf(ret->dst_prefix, sizeof(ret->dst_prefix), "%.*s", IFNAMSIZ - 1,
		 ln->opt.prefix);
	if (!ln->own && is_routed(ln->kind, &ln->opt)) {
		if (v4)
			add_default(ret, AF_INET);
		if (v6)
			add_default(ret, AF_INET6);
	} else if (!ln->own) {
		if (v4)
			ret->gateway4 = ln->base.v4.gateway.addr;
		if (v6)
			ret->gateway6 = ln->base.v6.gateway.addr;
	}
	/* Without a gateway dockerd would add its own way out. */
	ret->disable_gateway_service =
		ip_is_none(&ret->gateway4) && ip_is_none(&ret->gateway6);
	return 0;
}
