// SPDX-License-Identifier: GPL-2.0-or-later
/* An endpoint in a namespace, step by step on record. */
#include "netctl/plug.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base64.h"
#include "lib/fail.h"
#include "lib/jdec.h"
#include "netctl/drivers.h"
#include "netctl/ipam_ask.h"
#include "netctl/jget.h"
#include "netctl/nets.h"
#include "netctl/plug_priv.h"
#include "netctl/publish.h"
#include "netctl/sandbox.h"

#define PORTMAP    "com.docker.network.portmap"
#define EXPOSED    "com.docker.network.endpoint.exposedports"
#define MAC_OPTION "com.docker.network.endpoint.macaddress"

/* ---- addresses ----------------------------------------------------------- */

struct attaching {
	char name[IFNAMSIZ]; /* in there; plug points here, too */
	const struct ctl *ctl;
	struct book *book;
	const struct plug_spec *spec;
	json_object *net, *ep; /* borrowed */
	struct ipam ipam;
	struct sandbox_plug plug;
	json_object
		*joined; /* owned: the answer to Join, which plug points into */
	int netns;
};

static int save(struct attaching *a, struct err *err)
{
	return book_put_endpoint(a->book, a->ep, err);
}

static int choose_mac(struct attaching *a, struct err *err)
{
	char text[MAC_STR_MAX];
	struct mac_addr mac;
	int r;

	if (!a->spec->mac && !a->ipam.needs_mac)
		return 0;
	if (a->spec->mac) {
		r = mac_parse(a->spec->mac, &mac, err);
		if (r == 0)
			r = mac_check(&mac, err);
		if (r < 0)
			return r;
	} else {
		if (getrandom(mac.bytes, sizeof(mac.bytes), 0) != 6)
			return err_set(err, -EIO, "no random numbers");
		mac.bytes[0] = 0x02; /* of an administrator, to one */
		mac.bytes[1] = 0x42;
	}
	jset_str(a->ep, "MacAddress", mac_str(&mac, text));
	return 0;
}

/* The pool of a family to take from: that which has @wanted, else the first. */
static json_object *choose_pool(json_object *net, bool v6,
				const struct ip_addr *wanted)
{
	json_object *pools = jget_array(net, "Pools"), *first = NULL;

	for (size_t i = 0; i < jget_len(pools); i++) {
		json_object *pool = json_object_array_get_idx(pools, i);
		struct ip_prefix p;

		if (jget_bool(pool, "V6") != v6 ||
		    ip_prefix_parse(jget_str(pool, "Pool"), &p, NULL) < 0)
			continue;
		if (wanted->family && ip_prefix_contains(&p, wanted))
			return pool;
		if (!first)
			first = pool;
	}
	return wanted->family ? NULL : first;
}

/* IPv4 is 0, IPv6 is 1: which of @ep's members and of the flags. */
static int take_address(struct attaching *a, bool v6, struct err *err)
{
	static const char *const members[] = { "Address", "AddressIPv6" };
	static const char *const pools[] = { "PoolID", "PoolIDv6" };
	const char *wish = v6 ? a->spec->ip6 : a->spec->ip;
	const char *mac = jget_str(a->ep, "MacAddress");
	struct ip_addr wanted = { 0 };
	char got[PREFIX_STR_MAX];
	json_object *pool;
	int r = 0;

	if (wish)
		r = ip_parse(wish, &wanted, err);
	if (r < 0)
		return r;
	if (wish && (wanted.family == AF_INET6) != v6)
		return err_set(err, -EINVAL, "--%s %s is no IPv%d address",
			       v6 ? "ip6" : "ip", wish, v6 ? 6 : 4);
	pool = choose_pool(a->net, v6, &wanted);
	if (!pool && !wish)
		return 0;
	if (!pool || (wish && a->ipam.is_null))
		return err_set(
			err, -EINVAL, "--%s %s is in no subnet of network %s",
			v6 ? "ip6" : "ip", wish, jget_str(a->net, "Name"));
	if (a->ipam.is_null)
		return 0;
	r = ipam_address(&a->ipam, jget_str(pool, "PoolID"), wish ? wish : "",
			 *mac ? MAC_OPTION : NULL, mac, got, err);
	if (r < 0)
		return r;
	jset_str(a->ep, members[v6], got);
	jset_str(a->ep, pools[v6], jget_str(pool, "PoolID"));
	return save(a, err);
}

/* ---- the driver ---------------------------------------------------------- */

static int parse_ports(struct attaching *a, struct err *err)
{
	json_object *ports = json_object_new_array();
	int r = 0;

	jset(a->ep, "Ports", ports);
	for (size_t i = 0; i < a->spec->ports.n && r == 0; i++)
		r = publish_parse(a->spec->ports.v[i], ports, err);
	if (r == 0 && jget_len(ports) && jget_bool(a->net, "Internal"))
		return err_set(err, -EINVAL,
			       "network %s is internal: nothing comes in, so "
			       "no port can be published",
			       jget_str(a->net, "Name"));
	return r;
}

static json_object *options(struct attaching *a)
{
	json_object *o = json_object_new_object();
	json_object *ports = jget_array(a->ep, "Ports");
	json_object *exposed = json_object_new_array();
	const char *mac = jget_str(a->ep, "MacAddress");

	for (size_t i = 0; i < jget_len(ports); i++) {
		json_object *row = json_object_array_get_idx(ports, i);
		json_object *e = json_object_new_object();

		jset(e, "Proto", json_object_get(jget(row, "Proto")));
		jset(e, "Port", json_object_get(jget(row, "Port")));
		json_object_array_add(exposed, e);
	}
	jset(o, EXPOSED, exposed);
	jset(o, PORTMAP, json_object_get(ports));
	for (size_t i = 0; i < a->spec->opts.n; i++) {
		const char *text = a->spec->opts.v[i], *eq = strchr(text, '=');
		_cleanup_free_ char *key = strndup(text, (size_t)(eq - text));

		if (key)
			jset_str(o, key, eq + 1);
	}
	if (a->spec->mac && *mac) {
		_cleanup_free_ char *text = NULL;
		struct mac_addr m;

		if (mac_parse(mac, &m, NULL) == 0)
			text = base64_encode(m.bytes, sizeof(m.bytes));
		if (text)
			jset_str(o, MAC_OPTION, text);
	}
	return o;
}

/* What the driver chose where nothing was given; what was given it may not alter. */
static int take_over(struct attaching *a, json_object *interface,
		     struct err *err)
{
	static const char *const members[] = { "Address", "AddressIPv6",
					       "MacAddress" };

	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		const char *had = jget_str(a->ep, members[i]);
		const char *says = jget_str(interface, members[i]);

		if (*had && *says && strcmp(had, says) != 0)
			return err_set(err, -EBADMSG,
				       "%s changes %s from %s to \"%s\"",
				       jget_str(a->net, "Driver"), members[i],
				       had, says);
		if (*says)
			jset_str(a->ep, members[i], says);
	}
	return 0;
}

static int create_endpoint(struct attaching *a, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *got = NULL;
	json_object *interface = json_object_new_object();
	int r;

	jset_str(interface, "Address", jget_str(a->ep, "Address"));
	jset_str(interface, "AddressIPv6", jget_str(a->ep, "AddressIPv6"));
	jset_str(interface, "MacAddress", jget_str(a->ep, "MacAddress"));
	jset(body, "Interface", interface);
	jset(body, "Options", options(a));
	r = plug_call(a->ctl, a->net, a->ep, "NetworkDriver.CreateEndpoint",
		      body, &got, err);
	if (r < 0)
		return r;
	jset(a->ep, "Made", json_object_new_boolean(true));
	r = take_over(a, jget(got, "Interface"), err);
	return r < 0 ? r : save(a, err);
}

static int bad_answer(struct attaching *a, struct err *err, const char *what,
		      const char *value)
{
	return err_set(err, -EBADMSG, "%s answered Join with %s \"%s\"",
		       jget_str(a->net, "Driver"), what, value);
}

static int read_routes(struct attaching *a, struct err *err)
{
	json_object *rows = jget_array(a->joined, "StaticRoutes");

	if (jget_len(rows) > SANDBOX_ROUTES_MAX)
		return err_set(err, -E2BIG, "%s gives %zu routes, more than %d",
			       jget_str(a->net, "Driver"), jget_len(rows),
			       SANDBOX_ROUTES_MAX);
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		struct sandbox_route *to =
			&a->plug.routes[a->plug.route_count++];
		const char *dst = jget_str(row, "Destination");
		const char *via = jget_str(row, "NextHop");

		if (ip_prefix_parse(dst, &to->dst, NULL) < 0)
			return bad_answer(a, err, "the route", dst);
		if (jget_int(row, "RouteType") == 0 &&
		    ip_parse(via, &to->via, NULL) < 0)
			return bad_answer(a, err, "the next hop", via);
	}
	return 0;
}

static int read_join(struct attaching *a, struct err *err)
{
	static const char *const gateways[] = { "Gateway", "GatewayIPv6" };
	static const char *const addrs[] = { "Address", "AddressIPv6" };
	json_object *name = jget(a->joined, "InterfaceName");
	struct sandbox_plug *p = &a->plug;

	p->src = jget_str(name, "SrcName");
	p->no_default = a->spec->no_default_route;
	if (strlen(p->src) >= IFNAMSIZ)
		return bad_answer(a, err, "SrcName", p->src);
	if (*jget_str(a->ep, "MacAddress") &&
	    mac_parse(jget_str(a->ep, "MacAddress"), &p->mac, err) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < 2; i++) {
		const char *gw = jget_str(a->joined, gateways[i]);
		const char *addr = jget_str(a->ep, addrs[i]);

		if (*gw && ip_parse(gw, &p->gateways[i], NULL) < 0)
			return bad_answer(a, err, gateways[i], gw);
		if (*addr && ip_prefix_parse(addr, &p->addrs[i], err) < 0)
			return -EBADMSG;
	}
	return read_routes(a, err);
}

static int join(struct attaching *a, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r;

	jset_str(body, "SandboxKey", jget_str(a->ep, "Netns"));
	jset(body, "Options", options(a));
	r = plug_call(a->ctl, a->net, a->ep, "NetworkDriver.Join", body,
		      &a->joined, err);
	if (r == 0)
		r = read_join(a, err);
	if (r < 0)
		return r;
	jset_str(a->ep, "SrcName", a->plug.src);
	return save(a, err);
}

static int plug_in(struct attaching *a, struct err *err)
{
	const char *prefix =
		jget_str(jget(a->joined, "InterfaceName"), "DstPrefix");
	char text[MAC_STR_MAX];
	struct mac_addr mac;
	bool is_default;
	int r;

	if (!*a->plug.src) /* legal: the driver has no link for it */
		return 0;
	r = sandbox_name(a->netns, *prefix ? prefix : "eth", a->spec->ifname,
			 a->name, err);
	if (r == 0)
		r = sandbox_mac(a->plug.src, &mac, err);
	if (r < 0)
		return err_wrap(err, r, "%s", jget_str(a->ep, "Netns"));
	/* by these two it is found again, whenever we end */
	jset_str(a->ep, "Interface", a->name);
	jset_str(a->ep, "LinkMac", mac_str(&mac, text));
	r = save(a, err);
	if (r < 0)
		return r;
	a->plug.name = a->name;
	r = sandbox_plug(a->netns, &a->plug, &is_default, err);
	if (r < 0)
		return err_wrap(err, r, "%s", jget_str(a->ep, "Netns"));
	jset(a->ep, "DefaultRoute", json_object_new_boolean(is_default));
	return save(a, err);
}

/* dockerd sends it for the endpoint that is the way out, and for no other. */
static int go_outside(struct attaching *a, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r;

	if (jget_bool(a->net, "Internal") ||
	    (!jget_bool(a->ep, "DefaultRoute") &&
	     jget_len(jget_array(a->ep, "Ports")) == 0))
		return 0;
	jset(body, "Options", options(a));
	r = plug_call(a->ctl, a->net, a->ep,
		      "NetworkDriver.ProgramExternalConnectivity", body, NULL,
		      err);
	/* a driver need not have it; one that has no ports to publish loses
	 * nothing */
	if (r == -EREMOTEIO && jget_len(jget_array(a->ep, "Ports")) == 0 &&
	    strstr(err->msg, "HTTP status 404"))
		r = 0;
	return r;
}

static int steps(struct attaching *a, struct err *err)
{
	int r = choose_mac(a, err);

	if (r == 0)
		r = FAILPOINT("plug.recorded");
	if (r == 0)
		r = take_address(a, false, err);
	if (r == 0)
		r = take_address(a, true, err);
	if (r == 0)
		r = FAILPOINT("plug.addressed");
	if (r == 0)
		r = create_endpoint(a, err);
	if (r == 0)
		r = FAILPOINT("plug.created");
	if (r == 0)
		r = join(a, err);
	if (r == 0)
		r = FAILPOINT("plug.joined");
	if (r == 0)
		r = plug_in(a, err);
	if (r == 0)
		r = FAILPOINT("plug.plugged");
	if (r == 0)
		r = go_outside(a, err);
	if (r == 0)
		r = FAILPOINT("plug.published");
	if (r < 0)
		return r;
	jset_str(a->ep, "State", NETS_THERE);
	return save(a, err);
}

static int is_attached(struct book *b, json_object *net, const char *path,
		       const char *id, struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	int r = book_endpoints(b, jget_str(net, "NetworkID"), &eps, err);

	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);

		if (strcmp(jget_str(ep, "NetnsID"), id) == 0)
			return err_set(err, -EEXIST,
				       "%s is attached to %s already, as %s %s",
				       path, jget_str(net, "Name"),
				       jget_str(ep, "Interface"),
				       jget_str(ep, "Address"));
	}
	return r;
}

/* Since a reboot, or since their namespace went.  One that can't go is no reason to keep
 * others out. */
static int sweep_dead(const struct ctl *ctl, struct book *b, json_object *net,
		      struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	int r = book_endpoints(b, jget_str(net, "NetworkID"), &eps, err);

	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		struct err why = { 0 };

		if (!plug_alive(ep) && plug_detach(ctl, b, net, ep, &why) < 0)
			cli_warn("%s, which is gone, could not be detached "
				 "from %s: %s",
				 jget_str(ep, "Netns"), jget_str(net, "Name"),
				 why.msg);
	}
	return r;
}

int plug_attach(const struct ctl *ctl, struct book *b, json_object *net,
		const struct plug_spec *spec, json_object **ret,
		struct err *err)
{
	_cleanup_(json_putp) json_object *ep = json_object_new_object();
	_cleanup_close_ int netns = -1;
	_cleanup_free_ char *path = NULL;
	struct attaching a = {
		.ctl = ctl, .book = b, .spec = spec, .net = net, .ep = ep
	};
	struct sandbox_id where;
	char id[BOOK_ID_MAX];
	struct err why = { 0 };
	int r = sandbox_path(spec->netns, &path, err);

	if (r < 0)
		return r;
	if (strcmp(jget_str(net, "State"), NETS_THERE) != 0)
		return err_set(err, -EBUSY,
			       "network %s is half made or half removed: "
			       "netctl network rm %s",
			       jget_str(net, "Name"), jget_str(net, "Name"));
	netns = sandbox_open(path, &where, err);
	if (netns < 0)
		return netns;
	if (sandbox_is_own(&where))
		return err_set(err, -EINVAL,
			       "%s is the network namespace of the host itself",
			       path);
	r = sweep_dead(ctl, b, net, err);
	if (r == 0)
		r = is_attached(b, net, path, where.s, err);
	if (r == 0)
		r = book_new_id(id, err);
	if (r == 0)
		r = parse_ports(&a, err);
	if (r < 0)
		return r;
	a.netns = netns;
	jset_str(ep, "EndpointID", id);
	jset_str(ep, "NetworkID", jget_str(net, "NetworkID"));
	jset_str(ep, "State", NETS_MAKING);
	jset_str(ep, "Netns", path);
	jset_str(ep, "NetnsID", where.s);
	r = ipam_open(ctl, jget_str(net, "Ipam"), &a.ipam, err);
	if (r == 0)
		r = save(&a, err);
	if (r == 0) {
		r = steps(&a, err);
		if (r < 0)
			jset_str(ep, "State", NETS_MAKING);
		if (r < 0 && plug_detach(ctl, b, net, ep, &why) < 0)
			cli_warn("the endpoint is half made, the next netctl "
				 "tries again to undo it: %s",
				 why.msg);
	}
	ipam_close(&a.ipam);
	json_object_put(take_ptr(a.joined));
	if (r == 0)
		*ret = take_ptr(ep);
	return r;
}
