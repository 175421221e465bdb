// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a network, a guarded port and a publish are in elements.
 *
 * The same walk serves adding, deleting and comparing, so the three can't
 * disagree.
 */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "dataplane/nft/ruleset_priv.h"

#define IF_LEN FW_IFNAME_LEN

/* Ranges shorter than this are single elements: a hash is cheaper to change
 * than an interval set. */
#define RANGE_MIN 16

struct ctx {
	elem_fn fn;
	void *ctx;
};

/* A key or data under construction: parts padded to four bytes. */
struct bytes {
	uint8_t b[64];
	size_t len;
};

static void put(struct bytes *k, const void *part, size_t len)
{
	memcpy(k->b + k->len, part, len);
	k->len += (len + 3) & ~(size_t)3;
}

static void put_if(struct bytes *k, const char *name)
{
	memcpy(k->b + k->len, name, strnlen(name, IF_LEN - 1));
	k->len += IF_LEN;
}

static void put_ip(struct bytes *k, const struct ip_addr *a)
{
	put(k, a->bytes, ip_bytes(a));
}

static void put_port(struct bytes *k, uint32_t port)
{
	uint16_t be = htons((uint16_t)port);

	put(k, &be, sizeof(be));
}

static void emit(const struct ctx *c, enum set_id set, const struct bytes *key,
		 const struct bytes *end, const struct bytes *data)
{
	const struct fw_elem e = { .key = key->b,
				   .key_end = end ? end->b : NULL,
				   .data = data ? data->b : NULL };

	c->fn(c->ctx, set, &e);
}

static void name(const struct ctx *c, enum set_id set, const char *ifname)
{
	struct bytes k = { .len = 0 };

	put_if(&k, ifname);
	emit(c, set, &k, NULL, NULL);
}

static void pair(const struct ctx *c, enum set_id set, const char *a,
		 const char *b)
{
	struct bytes k = { .len = 0 };

	put_if(&k, a);
	put_if(&k, b);
	emit(c, set, &k, NULL, NULL);
}

static void name_ip(const struct ctx *c, enum set_id set, const char *ifname,
		    const struct ip_addr *ip)
{
	struct bytes k = { .len = 0 };

	put_if(&k, ifname);
	put_ip(&k, ip);
	emit(c, set, &k, NULL, NULL);
}

/* ---- networks ----------------------------------------------------------- */

/* Sets of one family follow each other: 4, then 6. */
static enum set_id of_family(enum set_id set4, bool v6)
{
	return v6 ? set4 + 1 : set4;
}

static void subnet(const struct ctx *c, const struct dp_network *net, bool v6)
{
	const struct ip_prefix *p = v6 ? &net->subnet6 : &net->subnet4;
	struct ip_addr first = ip_prefix_first(p), last = ip_prefix_last(p);
	struct bytes k = { .len = 0 }, end = { .len = 0 };

	put_ip(&k, &first);
	put_ip(&end, &last);
	emit(c, of_family(SET_SUBNETS4, v6), &k, &end, NULL);

	k = end = (struct bytes){ .len = 0 };
	put_if(&k, net->bridge);
	put_ip(&k, &first);
	put_if(&end, net->bridge);
	put_ip(&end, &last);
	emit(c, of_family(SET_LOCAL4, v6), &k, &end, NULL);
}

static void network_family(const struct ctx *c, const struct dp_network *net,
			   bool v6)
{
	enum dp_gateway_mode mode = v6 ? net->mode6 : net->mode4;
	const struct ip_prefix *gw = v6 ? &net->gateway6 : &net->gateway4;
	const struct ip_addr *snat = v6 ? &net->snat6 : &net->snat4;
	bool masq = v6 ? net->masquerade6 : net->masquerade4;

	if (net->internal || mode == DP_GW_ISOLATED)
		name(c, of_family(SET_INTERNAL4, v6), net->bridge);
	if (mode == DP_GW_ISOLATED)
		name(c, of_family(SET_ISOLATED4, v6), net->bridge);
	if (mode == DP_GW_ROUTED)
		name(c, of_family(SET_ROUTED4, v6), net->bridge);
	if (mode == DP_GW_NAT_UNPROTECTED)
		name(c, of_family(SET_DIRECT4, v6), net->bridge);
	if (masq && mode != DP_GW_ROUTED && mode != DP_GW_ISOLATED) {
		name(c, of_family(SET_MASQ4, v6), net->bridge);
		if (!ip_is_none(snat)) {
			struct bytes k = { .len = 0 }, data = { .len = 0 };

			put_if(&k, net->bridge);
			put_ip(&data, snat);
			emit(c, of_family(SET_SNAT4, v6), &k, NULL, &data);
		}
	}
	if (!ip_is_none(&gw->addr)) {
		struct bytes k = { .len = 0 };

		put_ip(&k, &gw->addr);
		emit(c, of_family(SET_GATES4, v6), &k, NULL, NULL);
		if (mode != DP_GW_ISOLATED)
			name_ip(c, of_family(SET_GATE4, v6), net->bridge,
				&gw->addr);
	}
	if (!ip_is_none(v6 ? &net->subnet6.addr : &net->subnet4.addr))
		subnet(c, net, v6);
}

void elems_network(const struct dp_network *net, elem_fn fn, void *ctx)
{
	const struct ctx c = { fn, ctx };

	name(&c, SET_NETS, net->bridge);
	pair(&c, SET_SAME, net->bridge, net->bridge);
	if (net->icc)
		pair(&c, SET_ICC, net->bridge, net->bridge);
	for (size_t i = 0; i < DP_TRUSTED_MAX && net->trusted[i][0]; i++)
		pair(&c, SET_TRUSTED, net->trusted[i], net->bridge);
	network_family(&c, net, false);
	network_family(&c, net, true);
}

/* ---- guarded ports ------------------------------------------------------ */

static void port_v6(const struct ctx *c, const struct dp_port *port)
{
	struct ip_addr local = ip_from_mac(&port->mac);

	name(c, SET_PORTS6, port->ifname);
	name_ip(c, SET_FROM6, port->ifname, &port->ip6);
	name_ip(c, SET_TARGET6, port->ifname, &port->ip6);
	if (ip_equal(&local, &port->ip6))
		return;
	name_ip(c, SET_FROM6, port->ifname, &local);
	name_ip(c, SET_TARGET6, port->ifname, &local);
}

void elems_port(const struct dp_network *net, const struct dp_port *port,
		elem_fn fn, void *ctx)
{
	const struct ctx c = { fn, ctx };
	struct bytes k = { .len = 0 };

	pair(&c, SET_SELF, port->ifname, port->ifname);
	name(&c, SET_PORTS, port->ifname);
	if (!net->icc)
		name(&c, SET_APART, port->ifname);
	if (net->no_ct)
		name(&c, SET_NO_CT, port->ifname);
	if (!net->guard)
		return;
	name(&c, SET_GUARDED, port->ifname);
	put_if(&k, port->ifname);
	put(&k, port->mac.bytes, sizeof(port->mac.bytes));
	emit(&c, SET_MAC, &k, NULL, NULL);
	if (!ip_is_none(&port->ip4)) {
		put_ip(&k, &port->ip4);
		emit(&c, SET_SENDER4, &k, NULL, NULL);
		name(&c, SET_PORTS4, port->ifname);
		name_ip(&c, SET_FROM4, port->ifname, &port->ip4);
	}
	if (!ip_is_none(&port->ip6))
		port_v6(&c, port);
}

/* ---- published ports ---------------------------------------------------- */

struct target {
	const struct ip_addr *host; /* NULL: any */
	const struct ip_addr *cont;
	bool v6;
	bool judge; /* the host's INPUT rules decide */
};

static void dest(struct bytes *k, const struct ip_addr *ip, uint8_t proto,
		 uint32_t port)
{
	if (ip)
		put_ip(k, ip);
	put(k, &proto, sizeof(proto));
	put_port(k, port);
}

static void map_single(const struct ctx *c, const struct target *t,
		       uint8_t proto, uint32_t host, uint32_t port)
{
	struct bytes k = { .len = 0 }, data = { .len = 0 };

	dest(&k, t->host, proto, host);
	put_ip(&data, t->cont);
	put_port(&data, port);
	emit(c, of_family(t->host ? SET_ADDR4 : SET_ANY4, t->v6), &k, NULL,
	     &data);
	if (t->judge)
		emit(c,
		     of_family(t->host ? SET_JUDGE_ADDR4 : SET_JUDGE_ANY4,
			       t->v6),
		     &k, NULL, NULL);
}

static void map_range(const struct ctx *c, const struct target *t,
		      const struct port_range *r)
{
	struct bytes k = { .len = 0 }, end = { .len = 0 }, data = { .len = 0 };

	if (r->host_first != r->port_first || r->count < RANGE_MIN) {
		for (uint32_t i = 0; i < r->count; i++)
			map_single(c, t, r->proto, r->host_first + i,
				   r->port_first + i);
		return;
	}
	dest(&k, t->host, r->proto, r->host_first);
	dest(&end, t->host, r->proto, r->host_first + r->count - 1);
	put_ip(&data, t->cont);
	emit(c, of_family(t->host ? SET_ADDR4R : SET_ANY4R, t->v6), &k, &end,
	     &data);
	if (t->judge)
		emit(c,
		     of_family(t->host ? SET_JUDGE_ADDR4R : SET_JUDGE_ANY4R,
			       t->v6),
		     &k, &end, NULL);
}

static void publish_maps(const struct ctx *c, const struct dp_network *net,
			 const struct dp_publish *pub, bool v6)
{
	int family = v6 ? AF_INET6 : AF_INET;

	for (size_t i = 0; i < pub->ports.count; i++) {
		const struct port_range *r = &pub->ports.ranges[i];
		bool any = ip_is_none(&r->host_ip) || ip_is_any(&r->host_ip);
		struct target t = { .host = any ? NULL : &r->host_ip,
				    .cont = v6 ? &pub->ip6 : &pub->ip4,
				    .v6 = v6,
				    .judge = net->firewall == DP_FW_RESPECT };

		if (!ip_is_none(&r->host_ip) && r->host_ip.family != family)
			continue;
		/* 127.0.0.1 and ::1 are the socket hooks' */
		if (ip_is_loopback(&r->host_ip) || !r->host_first)
			continue;
		map_range(c, &t, r);
	}
}

static void open_range(const struct ctx *c, const struct ip_addr *ip, bool v6,
		       const struct port_range *r)
{
	struct bytes k = { .len = 0 }, end = { .len = 0 };

	if (r->count < RANGE_MIN) {
		for (uint32_t i = 0; i < r->count; i++) {
			k.len = 0;
			dest(&k, ip, r->proto, r->port_first + i);
			emit(c, of_family(SET_OPEN4, v6), &k, NULL, NULL);
		}
		return;
	}
	dest(&k, ip, r->proto, r->port_first);
	dest(&end, ip, r->proto, r->port_first + r->count - 1);
	emit(c, of_family(SET_OPEN4R, v6), &k, &end, NULL);
}

/* The container's side of the ports: each once, whatever leads there. */
static int container_ports(const struct portmap *from, struct portmap *to)
{
	int r = portmap_copy(from, to, NULL);

	for (size_t i = 0; r == 0 && i < to->count; i++) {
		struct port_range *p = &to->ranges[i];

		p->host_ip = (struct ip_addr){ 0 };
		p->host_first = p->port_first;
		p->choose_first = p->choose_last = 0;
	}
	return r < 0 ? r : portmap_normalize(to, NULL);
}

static int publish_open(const struct ctx *c, const struct dp_publish *pub,
			bool v6)
{
	struct portmap own = { 0 };
	int r = container_ports(&pub->ports, &own);

	for (size_t i = 0; r == 0 && i < own.count; i++)
		open_range(c, v6 ? &pub->ip6 : &pub->ip4, v6, &own.ranges[i]);
	portmap_free(&own);
	return r;
}

int elems_publish(const struct dp_network *net, const struct dp_publish *pub,
		  elem_fn fn, void *ctx)
{
	const struct ctx c = { fn, ctx };

	for (int v6 = 0; v6 < 2; v6++) {
		enum dp_gateway_mode mode = v6 ? net->mode6 : net->mode4;
		bool routed = mode == DP_GW_ROUTED;
		int r = 0;

		if (ip_is_none(v6 ? &pub->ip6 : &pub->ip4) ||
		    !state_pub_opens(net, v6 ? AF_INET6 : AF_INET))
			continue;
		/* a rule here would let everybody in */
		if (!routed && !pub->judged && dp_policy_is_none(&net->policy))
			publish_maps(&c, net, pub, v6);
		if (routed || net->trusted[0][0])
			r = publish_open(&c, pub, v6);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- links of others ---------------------------------------------------- */

void elems_links(const struct state *st, elem_fn fn, void *ctx)
{
	const struct ctx c = { fn, ctx };
	static const uint8_t families[] = { NFPROTO_IPV4, NFPROTO_IPV6 };

	for (size_t i = 0; i < st->links.count; i++) {
		const struct state_link *l = st->links.items[i];

		if (l->closed)
			name(&c, SET_FOREIGN, l->id);
		if (l->friend)
			name(&c, SET_FRIENDS, l->id);
		if (l->bridge)
			pair(&c, SET_WITHIN, l->id, l->id);
	}
	for (size_t i = 0; i < 2; i++) {
		struct bytes k = { .len = 0 };

		put(&k, &families[i], 1);
		if (i ? st->stop6 : st->stop4)
			emit(&c, SET_STOP, &k, NULL, NULL);
	}
}
