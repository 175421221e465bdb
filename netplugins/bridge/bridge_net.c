/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A network's kernel objects: the bridge, its addresses, its rules. */
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/netns.h"
#include "netplugins/bridge/bridge.h"

#define MTU_DEFAULT 1500

static struct bridge_host *host_of(const struct bridge_network *br)
{
	return br->base.host;
}

/* ---- MTU ----------------------------------------------------------------- */

struct uplink {
	struct nlk_route best;
	bool found;
};

static int on_default_route(void *ctx, const struct nlk_route *r)
{
	struct uplink *u = ctx;

	if (r->dst.len != 0 || r->type != RTN_UNICAST || !r->oif ||
	    r->table != RT_TABLE_MAIN)
		return 0;
	if (!u->found || r->metric < u->best.metric)
		u->best = *r;
	u->found = true;
	return 0;
}

static int uplink_mtu(struct bridge_host *host, uint32_t *ret, struct err *err)
{
	struct uplink u = { .found = false };
	struct nlk_link link;
	int r = nlk_route_each(host->nlk, AF_INET, on_default_route, &u, err);

	if (r == 0 && !u.found)
		r = nlk_route_each(host->nlk, AF_INET6, on_default_route, &u,
				   err);
	if (r < 0)
		return r;
	*ret = MTU_DEFAULT;
	if (!u.found)
		return 0;
	if (u.best.mtu)
		*ret = u.best.mtu;
	else if (nlk_link_get(host->nlk, NULL, u.best.oif, &link, NULL) == 0)
		*ret = link.mtu;
	return 0;
}

static int choose_mtu(struct bridge_network *br, struct err *err)
{
	int r;

	br->mtu = br->opt.mtu ? br->opt.mtu : br->base.kept_mtu;
	if (br->mtu)
		return 0;
	r = uplink_mtu(host_of(br), &br->mtu, err);
	if (r == 0)
		br->base.kept_mtu = br->mtu;
	return r;
}

/* ---- the bridge ---------------------------------------------------------- */

static int add_link(struct bridge_network *br, struct err *err)
{
	const struct nlk_bridge_conf conf = {
		.name = br->name,
		.alias = br->alias,
		.mac = br->mac,
		.mtu = br->mtu,
	};

	return nlk_bridge_add(host_of(br)->nlk, &conf, err);
}

/*
 * Something bears the name: our own bridge of an earlier life, half of one, one
 * on its way out, the bridge the user wants to be used, or somebody else's.
 */
static int adopt_link(struct bridge_network *br, struct nlk_link *link,
		      struct err *err)
{
	struct bridge_host *host = host_of(br);
	bool wanted = br->opt.name[0];

	if (strcmp(link->alias, br->alias) == 0)
		return 0;
	/* made but not marked yet when its daemon died: this deletes only what
	 * bears our group */
	if (!link->alias[0] &&
	    nlk_link_del(host->slow, br->name, br->alias, NULL) == 0) {
		int r = add_link(br, err);

		return r < 0 ? r
			     : nlk_link_get(host->nlk, br->name, 0, link, err);
	}
	if (strncmp(link->alias, "berth:", 6) == 0)
		return err_set(err, -EEXIST,
			       "link %s belongs to another Berth network "
			       "(alias %s): netctl gc removes what is left "
			       "over",
			       br->name, link->alias);
	if (!wanted || strcmp(link->kind, "bridge") != 0)
		return err_set(err, -EEXIST,
			       "link %s exists and is not ours: remove it, or "
			       "choose another name with "
			       "com.docker.network.bridge.name",
			       br->name);
	if (strcmp(br->name, "docker0") == 0 ||
	    strcmp(br->name, "docker_gwbridge") == 0)
		return err_set(err, -EEXIST,
			       "bridge %s belongs to dockerd: choose another "
			       "com.docker.network.bridge.name",
			       br->name);
	br->foreign = true;
	br->base.borrowed = true;
	return 0;
}

static int find_or_add_link(struct bridge_network *br, struct err *err)
{
	struct bridge_host *host = host_of(br);
	struct nlk_link link = { 0 };
	int r = nlk_link_get(host->nlk, br->name, 0, &link, err);

	br->foreign = false;
	if (r == 0) {
		r = adopt_link(br, &link, err);
	} else if (r == -ENODEV && br->base.borrowed) {
		return err_set(
			err, r,
			"bridge %s, which is yours, does not exist: make "
			"it again",
			br->name);
	} else if (r == -ENODEV) {
		r = choose_mtu(br, err);
		if (r == 0)
			r = add_link(br, err);
		if (r == 0)
			r = nlk_link_get(host->nlk, br->name, 0, &link, err);
	}
	if (r < 0)
		return r;
	br->mtu = br->opt.mtu ? br->opt.mtu : link.mtu;
	pthread_mutex_lock(&host->lock);
	br->index = link.index;
	br->lost = false;
	pthread_mutex_unlock(&host->lock);
	if (!br->foreign && link.mtu != br->mtu)
		return nlk_link_mtu(host->nlk, link.index, br->mtu, err);
	return 0;
}

/*
 * Before the bridge is up: a network without IPv6 gets no fe80:: address
 * either, and nobody's router advertisement configures the host.  Its fe80::
 * address is from a MAC of ours, so nobody else's: it needs no looking for a
 * duplicate, until the end of which, a second or two after the first container,
 * the host asks for no neighbour and what is published by IPv6 does not answer.
 */
int bridge_set_sysctls(const struct bridge_network *br, struct err *err)
{
	bool v6 = !ip_is_none(&br->base.v6.pool.addr);
	int r;

	if (br->foreign) /* the user's, as it is */
		return 0;
	if (v6 && access("/proc/sys/net/ipv6", F_OK) < 0)
		return err_set(err, -EAFNOSUPPORT,
			       "this kernel has IPv6 turned off: leave out "
			       "--ipv6");
	if (v6 && br->mtu < 1280)
		return err_set(err, -EINVAL,
			       "bridge %s has an MTU of %u: IPv6 needs 1280 "
			       "at least: give com.docker.network.driver.mtu",
			       br->name, br->mtu);
	r = sysctl_set_ip6(br->name, "accept_ra", "0", err);
	if (r == 0)
		r = sysctl_set_ip6(br->name, "accept_dad", "0", err);
	if (r == 0)
		r = sysctl_set_ip6(br->name, "disable_ipv6", v6 ? "0" : "1",
				   err);
	return r;
}

/* ---- addresses ----------------------------------------------------------- */

struct addr_find {
	const struct ip_prefix *want;
	bool found;
};

static int on_addr(void *ctx, int index, const struct ip_prefix *p)
{
	struct addr_find *f = ctx;

	(void)index;
	f->found |=
		p->len == f->want->len && ip_equal(&p->addr, &f->want->addr);
	return 0;
}

static void addr_note(const struct bridge_network *br,
		      const struct ip_prefix *p, char key[static 80])
{
	snprintf(key, 80, "addr%d:%s", p->addr.family == AF_INET ? 4 : 6,
		 br->base.id);
}

/* On the user's own bridge we remember which addresses are from us. */
static int add_addr(struct bridge_network *br, const struct ip_prefix *p,
		    struct err *err)
{
	struct bridge_host *host = host_of(br);
	struct addr_find find = { .want = p };
	char key[80];
	int r;

	if (br->foreign) {
		r = nlk_addr_each(host->nlk, br->index, on_addr, &find, err);
		if (r < 0 || find.found)
			return r;
		addr_note(br, p, key);
		r = host->memo->put(host->memo->ctx, key, "1", err);
		if (r < 0)
			return r;
	}
	return nlk_addr_add(host->nlk, br->index, p, err);
}

static int add_addrs(struct bridge_network *br, struct err *err)
{
	int r = 0;

	if (bridge_has_gateway4(br) && !br->opt.inhibit4)
		r = add_addr(br, &br->base.v4.gateway, err);
	if (r == 0 && bridge_has_gateway6(br))
		r = add_addr(br, &br->base.v6.gateway, err);
	return r;
}

static int del_noted_addr(struct bridge_network *br, const struct ip_prefix *p,
			  int index, struct err *err)
{
	struct bridge_host *host = host_of(br);
	char key[80], text[8];
	int r;

	if (ip_is_none(&p->addr))
		return 0;
	addr_note(br, p, key);
	if (host->memo->get(host->memo->ctx, key, text, sizeof(text), NULL) < 0)
		return 0;
	r = nlk_addr_del(host->nlk, index, p, err);
	return r < 0 ? r : host->memo->del(host->memo->ctx, key, err);
}

/* ---- dataplane ------------------------------------------------------------ */

/* What the user said, else what was chosen when the network was made; of one that
 * is older than the choice: nftables.  @fresh: it is made now. */
static enum dp_backend choose_backend(struct bridge_network *br, bool fresh)
{
	char *kept = br->base.kept_dataplane;
	enum dp_backend backend = DP_NFT;

	if (br->opt.dataplane != BRIDGE_DATAPLANE_DEFAULT)
		return (enum dp_backend)br->opt.dataplane;
	if (kept[0])
		(void)bridge_dataplane_parse(kept, &backend, NULL);
	else if (fresh)
		backend = host_of(br)->cfg.dataplane;
	snprintf(kept, sizeof(br->base.kept_dataplane), "%s",
		 bridge_dataplane_name(backend));
	return backend;
}

static int tell_dataplane(struct bridge_network *br, bool fresh,
			  struct err *err)
{
	const struct bridge_options *o = &br->opt;
	const struct net_network *net = &br->base;
	struct dp_network dn = {
		.subnet4 = net->v4.pool,
		.subnet6 = net->v6.pool,
		.mode4 = (enum dp_gateway_mode)o->mode4,
		.mode6 = (enum dp_gateway_mode)o->mode6,
		.firewall = (enum dp_firewall)o->firewall,
		.backend = choose_backend(br, fresh),
		.fall_back = o->dataplane == BRIDGE_DATAPLANE_DEFAULT &&
			     dp_policy_is_none(&br->policy),
		.masquerade4 = o->masquerade,
		.masquerade6 = o->masquerade,
		.snat4 = o->host_snat4,
		.snat6 = o->host_snat6,
		.internal = net->internal,
		.icc = o->icc,
		.guard = o->guard,
		.no_ct = br->kind->no_ct,
		.policy = br->policy,
	};

	snprintf(dn.id, sizeof(dn.id), "%s", net->id);
	snprintf(dn.bridge, sizeof(dn.bridge), "%s", br->name);
	if (bridge_has_gateway4(br))
		dn.gateway4 = net->v4.gateway;
	if (bridge_has_gateway6(br))
		dn.gateway6 = net->v6.gateway;
	memcpy(dn.trusted, br->trusted, sizeof(dn.trusted));
	return dp_network_add(host_of(br)->dp, &dn, err);
}

/* ---- add, del ------------------------------------------------------------- */

static int raise_network(struct bridge_network *br, bool fresh, struct err *err)
{
	struct bridge_host *host = host_of(br);
	int r = find_or_add_link(br, err);

	if (r == 0)
		r = NET_STEP("bridge.network.link", err);
	if (r == 0)
		r = bridge_set_sysctls(br, err);
	if (r == 0)
		r = NET_STEP("bridge.network.sysctl", err);
	if (r == 0)
		r = add_addrs(br, err);
	if (r == 0)
		r = NET_STEP("bridge.network.address", err);
	if (r == 0)
		r = nlk_link_up(host->nlk, br->index, true, err);
	if (r == 0)
		r = tell_dataplane(br, fresh, err);
	if (r == 0)
		r = NET_STEP("bridge.network.dataplane", err);
	/* Last: nothing is forwarded before the rules are there. */
	if (r == 0)
		r = bridge_forward_on(host, br, err);
	if (r == 0)
		r = NET_STEP("bridge.network.forward", err);
	return r;
}

int bridge_network_add(struct net_network *net, bool fresh, struct err *err)
{
	struct bridge_network *br = bridge_of(net);
	struct err undo = { 0 };
	int r = bridge_claim(host_of(br), br, fresh, err);

	/* A crash may have left half of it, before its addresses were taken. */
	if (r < 0 && !net->redo)
		return r;
	if (r == 0)
		r = raise_network(br, fresh, err);
	/* A network that is on record keeps what is left of it. */
	if (r < 0 && fresh && bridge_network_del(net, &undo) < 0)
		return err_wrap(err, r, "%s; left behind", undo.msg);
	return r;
}

static int del_link(struct bridge_network *br, struct err *err)
{
	struct bridge_host *host = host_of(br);
	struct nlk_link link;
	int r = nlk_link_get(host->nlk, br->name, 0, &link, err);

	if (r == -ENODEV)
		return 0;
	if (r < 0)
		return r;
	/* Somebody else's: what stood in the way of a new network, or the
	 * user's own bridge. */
	if (link.alias[0] && strcmp(link.alias, br->alias) != 0)
		br->foreign = true;
	if (!br->foreign) {
		r = nlk_link_del(host->slow, br->name, br->alias, err);
		if (r != -EPERM)
			return r;
	}
	/* What we noted is ours, wherever it is. */
	r = del_noted_addr(br, &br->base.v4.gateway, link.index, err);
	if (r == 0)
		r = del_noted_addr(br, &br->base.v6.gateway, link.index, err);
	return r;
}

int bridge_network_del(struct net_network *net, struct err *err)
{
	struct bridge_network *br = bridge_of(net);
	struct bridge_host *host = host_of(br);
	int r = del_link(br, err);

	if (r == 0)
		r = NET_STEP("bridge.network.unlink", err);
	/* Only now: until the bridge is gone its rules stand. */
	if (r == 0)
		r = dp_network_del(host->dp, net->id, err);
	if (r < 0)
		return r;
	bridge_release(host, br);
	return bridge_forward_off(host, err);
}

/* A network that could not be undone is forgotten all the same. */
void bridge_network_fini(struct net_network *net)
{
	bridge_release(net->host, bridge_of(net));
}

bool bridge_network_lost(struct net_network *net)
{
	struct bridge_network *br = bridge_of(net);
	struct bridge_host *host = host_of(br);
	bool lost;

	pthread_mutex_lock(&host->lock);
	lost = br->lost;
	br->lost = false;
	pthread_mutex_unlock(&host->lock);
	return lost;
}

void bridge_network_info(const struct net_network *net, struct net_info *ret)
{
	const struct bridge_network *br = bridge_of_const(net);

	memcpy(ret->link, br->name, sizeof(ret->link));
	ret->mtu = br->mtu;
	snprintf(ret->dataplane, sizeof(ret->dataplane), "%s",
		 bridge_dataplane_name(
			 dp_network_is_fast(host_of(br)->dp, net->id)
				 ? DP_EBPF
				 : DP_NFT));
	ret->names = br->opt.names;
	if (bridge_has_gateway4(br))
		ret->host[0] = br->base.v4.gateway.addr;
	if (bridge_has_gateway6(br))
		ret->host[1] = br->base.v6.gateway.addr;
}
