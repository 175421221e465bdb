// SPDX-License-Identifier: GPL-2.0-or-later
/* Networks made and removed without Docker, step by step on record. */
#include "netctl/nets.h"

#include <string.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/ip.h"
#include "lib/jdec.h"
#include "netctl/drivers.h"
#include "netctl/ipam_ask.h"
#include "netctl/jget.h"
#include "netctl/plug.h"

/* Another netctl may be at work for as long as a daemon takes: a listing does not
 * wait for that. */
#define LIST_MS      3000

#define GENERIC      "com.docker.network.generic"
#define NAMES        "berth.names"
#define ENABLE_IPV6  "com.docker.network.enable_ipv6"
#define INTERNAL     "com.docker.network.internal"
#define ADDRESS_TYPE "RequestAddressType"
#define GATEWAY      "com.docker.network.gateway"

static bool put_set(json_object *o, const char *key, json_object *v)
{
	return v && json_object_object_add(o, key, v) == 0;
}

/* ---- pools --------------------------------------------------------------- */

struct making {
	const struct ctl *ctl;
	struct book *book;
	const struct net_spec *spec;
	json_object *net; /* borrowed */
	struct ipam ipam;
	bool skip_gateway[2]; /* IPv4, IPv6: the driver wants none */
};

static int take_gateway(struct making *m, json_object *pool, const char *subnet,
			struct err *err)
{
	const char *given =
		subnet ? net_spec_given(m->spec, &m->spec->gateways, subnet)
		       : "";
	bool v6 = jget_bool(pool, "V6");
	char got[PREFIX_STR_MAX];
	int r;

	if (m->ipam.is_null || (*jget_str(pool, "Gateway") && !*given))
		return 0;
	if (m->skip_gateway[v6] && !*given)
		return 0;
	r = ipam_address(&m->ipam, jget_str(pool, "PoolID"), given,
			 ADDRESS_TYPE, GATEWAY, got, err);
	if (r < 0)
		return err_wrap(err, r, "the gateway");
	jset_str(pool, "Gateway", got);
	jset(pool, "GatewayTaken", json_object_new_boolean(true));
	return book_put_network(m->book, m->net, err);
}

static int take_aux(struct making *m, json_object *pool, const char *subnet,
		    struct err *err)
{
	json_object *all = json_object_new_object();

	jset(pool, "AuxAddresses", all);
	for (size_t i = 0; subnet && i < m->spec->aux.n; i++) {
		const char *text = m->spec->aux.v[i], *eq = strchr(text, '=');
		_cleanup_free_ char *name = strndup(text, (size_t)(eq - text));
		char got[PREFIX_STR_MAX];
		struct ip_addr a;
		int r = net_spec_aux(text, &a, err);

		if (r < 0 || !name)
			return r < 0 ? r : err_set(err, -ENOMEM, "no memory");
		if (net_spec_subnet(m->spec, &a) != subnet)
			continue;
		r = ipam_address(&m->ipam, jget_str(pool, "PoolID"), eq + 1,
				 NULL, NULL, got, err);
		if (r < 0)
			return err_wrap(err, r, "--aux-address %s", text);
		jset_str(all, name, got);
		r = book_put_network(m->book, m->net, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* @subnet: as typed; NULL: the driver's choice. */
static int take_pool(struct making *m, bool v6, const char *subnet,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *options =
		net_spec_pairs(&m->spec->ipam_opts);
	const char *range =
		subnet ? net_spec_given(m->spec, &m->spec->ranges, subnet) : "";
	json_object *pool = NULL;
	int r = ipam_pool(&m->ipam, v6, subnet ? subnet : "", range, options,
			  &pool, err);

	if (r < 0)
		return r;
	json_object_array_add(jget_array(m->net, "Pools"), pool);
	r = book_put_network(m->book, m->net, err);
	if (r == 0)
		r = FAILPOINT("nets.pool");
	if (r == 0)
		r = take_gateway(m, pool, subnet, err);
	if (r == 0)
		r = FAILPOINT("nets.gateway");
	return r < 0 ? r : take_aux(m, pool, subnet, err);
}

static int take_family(struct making *m, bool v6, struct err *err)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < m->spec->subnets.n && r == 0; i++) {
		struct ip_prefix p;

		ip_prefix_parse(m->spec->subnets.v[i], &p, NULL);
		if ((p.addr.family == AF_INET6) != v6)
			continue;
		any = true;
		r = take_pool(m, v6, m->spec->subnets.v[i], err);
	}
	return r < 0 || any ? r : take_pool(m, v6, NULL, err);
}

/* ---- the network --------------------------------------------------------- */

/* Without a Docker nobody else knows names on a bridge. */
static json_object *options(const struct net_spec *s)
{
	json_object *o = net_spec_pairs(&s->opts);

	if (strcmp(s->driver, "berth-bridge") == 0 && !jget(o, NAMES))
		jset_str(o, NAMES, "on");
	return o;
}

static json_object *driver_options(const struct net_spec *s)
{
	json_object *o = json_object_new_object();

	jset(o, ENABLE_IPV6, json_object_new_boolean(s->ipv6));
	jset(o, GENERIC, options(s));
	if (s->internal)
		jset(o, INTERNAL, json_object_new_boolean(true));
	return o;
}

/* Docker 28 asks a driver that can say it whether it needs no gateway. */
static int ask_gateways(struct making *m, struct err *err)
{
	_cleanup_(json_putp) json_object *can = NULL, *says = NULL;
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r = driver_call(m->ctl, m->spec->driver,
			    "NetworkDriver.GetCapabilities", NULL, &can, err);

	if (r < 0)
		return r;
	if (!jget_bool(can, "GwAllocChecker"))
		return 0;
	jset(body, "Options", driver_options(m->spec));
	r = driver_call(m->ctl, m->spec->driver, "NetworkDriver.GwAllocCheck",
			body, &says, err);
	m->skip_gateway[0] = jget_bool(says, "SkipIPv4");
	m->skip_gateway[1] = jget_bool(says, "SkipIPv6");
	return r;
}

/* What CreateNetwork is told of the pools of a family. */
static json_object *ipam_data(json_object *net, bool v6)
{
	json_object *list = json_object_new_array();
	json_object *pools = jget_array(net, "Pools");

	for (size_t i = 0; i < jget_len(pools); i++) {
		json_object *pool = json_object_array_get_idx(pools, i), *row;

		if (jget_bool(pool, "V6") != v6)
			continue;
		row = json_object_new_object();
		jset_str(row, "AddressSpace", jget_str(pool, "AddressSpace"));
		jset_str(row, "Pool", jget_str(pool, "Pool"));
		if (*jget_str(pool, "Gateway"))
			jset_str(row, "Gateway", jget_str(pool, "Gateway"));
		if (jget(pool, "AuxAddresses"))
			jset(row, "AuxAddresses",
			     json_object_get(jget(pool, "AuxAddresses")));
		json_object_array_add(list, row);
	}
	return list;
}

static int make_network(struct making *m, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();

	jset_str(body, "NetworkID", jget_str(m->net, "NetworkID"));
	jset(body, "Options", driver_options(m->spec));
	jset(body, "IPv4Data", ipam_data(m->net, false));
	jset(body, "IPv6Data", ipam_data(m->net, true));
	return driver_call(m->ctl, m->spec->driver,
			   "NetworkDriver.CreateNetwork", body, NULL, err);
}

static json_object *new_record(const struct net_spec *s, const char *id)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	if (gmtime_r(&now, &tm))
		strftime(when, sizeof(when), "%FT%TZ", &tm);
	if (!o || !put_set(o, "NetworkID", json_object_new_string(id)) ||
	    !put_set(o, "Name", json_object_new_string(s->name)) ||
	    !put_set(o, "State", json_object_new_string(NETS_MAKING)) ||
	    !put_set(o, "Driver", json_object_new_string(s->driver)) ||
	    !put_set(o, "Ipam", json_object_new_string(s->ipam)) ||
	    !put_set(o, "Internal", json_object_new_boolean(s->internal)) ||
	    !put_set(o, "IPv6", json_object_new_boolean(s->ipv6)) ||
	    !put_set(o, "Options", options(s)) ||
	    !put_set(o, "Created", json_object_new_string(when)) ||
	    !put_set(o, "Pools", json_object_new_array()))
		return NULL;
	return take_ptr(o);
}

static int name_is_free(struct book *b, const char *name, struct err *err)
{
	_cleanup_(json_putp) json_object *list = NULL;
	int r = book_networks(b, &list, err);

	for (size_t i = 0; i < jget_len(list); i++)
		if (strcmp(jget_str(json_object_array_get_idx(list, i), "Name"),
			   name) == 0)
			return err_set(err, -EEXIST,
				       "there is a network \"%s\"", name);
	return r;
}

/* ---- undone -------------------------------------------------------------- */

/*
 * As plug.c's: what is given back leaves the record first.  @key: the member of
 * @from that stands for it, taken out; back when nobody was there to be asked.
 */
static int give_back(const struct ctl *ctl, struct book *b, json_object *net,
		     json_object *from, const char *key, const char *pool,
		     const char *address, struct err *err)
{
	json_object *had = json_object_get(jget(from, key));
	int r;

	json_object_object_del(from, key);
	r = book_put_network(b, net, err);
	if (r == 0)
		r = ipam_give_back(ctl, jget_str(net, "Ipam"), pool, address,
				   err);
	if (r == 0) {
		json_object_put(had);
		return 0;
	}
	jset(from, key, had);
	book_put_network(b, net, NULL);
	return r;
}

static int release_aux(const struct ctl *ctl, struct book *b, json_object *net,
		       json_object *pool, struct err *err)
{
	json_object *aux = jget(pool, "AuxAddresses");
	int r = 0;

	while (r == 0 && json_object_is_type(aux, json_type_object) &&
	       json_object_object_length(aux) > 0) {
		struct json_object_iterator it = json_object_iter_begin(aux);
		_cleanup_free_ char *name =
			strdup(json_object_iter_peek_name(&it));
		_cleanup_free_ char *addr =
			name ? strdup(jget_str(aux, name)) : NULL;

		if (!addr)
			return err_set(err, -ENOMEM, "out of memory");
		r = give_back(ctl, b, net, aux, name, jget_str(pool, "PoolID"),
			      addr, err);
	}
	return r;
}

static int release_pools(const struct ctl *ctl, struct book *b,
			 json_object *net, struct err *err)
{
	json_object *pools = jget_array(net, "Pools");
	int r = 0;

	for (size_t i = 0; i < jget_len(pools) && r == 0; i++) {
		json_object *pool = json_object_array_get_idx(pools, i);
		_cleanup_free_ char *id = strdup(jget_str(pool, "PoolID"));

		if (!id)
			return err_set(err, -ENOMEM, "out of memory");
		if (!*id)
			continue;
		if (jget_bool(pool, "GatewayTaken"))
			r = give_back(ctl, b, net, pool, "GatewayTaken", id,
				      jget_str(pool, "Gateway"), err);
		if (r == 0)
			r = release_aux(ctl, b, net, pool, err);
		if (r == 0)
			r = give_back(ctl, b, net, pool, "PoolID", id, NULL,
				      err);
	}
	return r;
}

static int delete (const struct ctl *ctl, struct book *b, json_object *net,
		   struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	int r;

	if (jget_bool(net, "Deleted"))
		return 0;
	jset_str(body, "NetworkID", jget_str(net, "NetworkID"));
	r = driver_call(ctl, jget_str(net, "Driver"),
			"NetworkDriver.DeleteNetwork", body, NULL, err);
	/* one that never got to know it says so in its own words */
	if (r == -EREMOTEIO && !jget_bool(net, "Made"))
		r = 0;
	if (r < 0 && ctl->force) {
		cli_warn("%s: %s", jget_str(net, "Name"), err->msg);
		r = 0;
	}
	if (r < 0)
		return r;
	r = FAILPOINT("nets.deleted");
	jset(net, "Deleted", json_object_new_boolean(true));
	return r < 0 ? r : book_put_network(b, net, err);
}

/* The record goes last.  Idempotent. */
static int undo(const struct ctl *ctl, struct book *b, json_object *net,
		struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	const char *id = jget_str(net, "NetworkID");
	int r = book_endpoints(b, id, &eps, err);

	if (r == 0 && jget_len(eps) > 0)
		return err_set(err, -EBUSY,
			       "%zu endpoints of network %s are on record",
			       jget_len(eps), jget_str(net, "Name"));
	if (r == 0)
		r = delete (ctl, b, net, err);
	if (r == 0)
		r = release_pools(ctl, b, net, err);
	if (r == 0)
		r = FAILPOINT("nets.released");
	return r < 0 ? r : book_del_network(b, id, err);
}

int nets_create(const struct ctl *ctl, struct book *b,
		const struct net_spec *spec, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *net = NULL;
	struct making m = { .ctl = ctl, .book = b, .spec = spec };
	char id[BOOK_ID_MAX];
	struct err why = { 0 };
	int r = net_spec_check(spec, err);

	if (r == 0)
		r = name_is_free(b, spec->name, err);
	if (r == 0)
		r = ask_gateways(&m, err);
	if (r == 0)
		r = book_new_id(id, err);
	if (r < 0)
		return r;
	net = new_record(spec, id);
	if (!net)
		return err_set(err, -ENOMEM, "out of memory");
	m.net = net;
	r = ipam_open(ctl, spec->ipam, &m.ipam, err);
	if (r == 0)
		r = book_put_network(b, net, err);
	if (r < 0)
		goto out;
	r = FAILPOINT("nets.recorded");
	if (r == 0)
		r = take_family(&m, false, err);
	if (r == 0 && spec->ipv6)
		r = take_family(&m, true, err);
	if (r == 0)
		r = make_network(&m, err);
	if (r == 0)
		jset(net, "Made", json_object_new_boolean(true));
	if (r == 0)
		r = FAILPOINT("nets.made");
	if (r == 0) {
		jset_str(net, "State", NETS_THERE);
		r = book_put_network(b, net, err);
	}
	if (r == 0) {
		*ret = take_ptr(net);
		goto out;
	}
	jset_str(net, "State", NETS_MAKING);
	if (undo(ctl, b, net, &why) < 0)
		cli_warn("%s is half made, the next netctl tries again to "
			 "undo it: %s",
			 spec->name, why.msg);
out:
	ipam_close(&m.ipam);
	return r;
}

/* One half made, or half removed, is nobody's. */
static bool uses(json_object *ep)
{
	return strcmp(jget_str(ep, "State"), NETS_THERE) == 0 && plug_alive(ep);
}

int nets_remove(const struct ctl *ctl, struct book *b, json_object *net,
		struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	int r = book_endpoints(b, jget_str(net, "NetworkID"), &eps, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);

		if (uses(ep))
			return err_set(
				err, -EBUSY,
				"network %s is in use by %s: netctl "
				"detach %s --netns %s",
				jget_str(net, "Name"), jget_str(ep, "Netns"),
				jget_str(net, "Name"), jget_str(ep, "Netns"));
	}
	for (size_t i = 0; i < jget_len(eps); i++) {
		r = plug_detach(ctl, b, net, json_object_array_get_idx(eps, i),
				err);
		if (r < 0)
			return r;
	}
	jset_str(net, "State", NETS_REMOVING);
	r = book_put_network(b, net, err);
	return r < 0 ? r : undo(ctl, b, net, err);
}

int nets_in_use(struct book *b, json_object *net, bool *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *eps = NULL;
	int r = book_endpoints(b, jget_str(net, "NetworkID"), &eps, err);

	*ret = false;
	for (size_t i = 0; i < jget_len(eps); i++)
		if (uses(json_object_array_get_idx(eps, i)))
			*ret = true;
	return r;
}

static void settle_endpoints(const struct ctl *ctl, struct book *b,
			     json_object *net)
{
	_cleanup_(json_putp) json_object *eps = NULL;

	if (book_endpoints(b, jget_str(net, "NetworkID"), &eps, NULL) < 0)
		return;
	for (size_t i = 0; i < jget_len(eps); i++) {
		json_object *ep = json_object_array_get_idx(eps, i);
		struct err why = { 0 };

		if (strcmp(jget_str(ep, "State"), NETS_THERE) != 0 &&
		    plug_detach(ctl, b, net, ep, &why) < 0)
			cli_warn("an endpoint of %s in %s is half made and "
				 "could not be undone: %s",
				 jget_str(net, "Name"), jget_str(ep, "Netns"),
				 why.msg);
	}
}

void nets_settle(const struct ctl *ctl, struct book *b)
{
	_cleanup_(json_putp) json_object *list = NULL;

	if (book_networks(b, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *net = json_object_array_get_idx(list, i);
		struct err why = { 0 };

		settle_endpoints(ctl, b, net);
		if (strcmp(jget_str(net, "State"), NETS_THERE) != 0 &&
		    undo(ctl, b, net, &why) < 0)
			cli_warn("network %s is half made and could not be "
				 "undone: %s",
				 jget_str(net, "Name"), why.msg);
	}
}

int nets_open(const struct ctl *ctl, bool make, struct book **ret,
	      struct err *err)
{
	int r = book_open(ctl, make, ret, err);

	if (r == 0)
		nets_settle(ctl, *ret);
	return r;
}

int nets_list(const struct ctl *ctl, json_object **nets, json_object **eps,
	      struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	struct ctl soon = *ctl;
	int r;

	if (soon.timeout_ms > LIST_MS)
		soon.timeout_ms = LIST_MS;
	r = book_open(&soon, false, &b, err);
	if (r == -ENOENT) {
		*nets = json_object_new_array();
		if (eps)
			*eps = json_object_new_array();
		return 0;
	}
	if (r == 0)
		r = book_networks(b, nets, err);
	if (r == 0 && eps)
		r = book_endpoints(b, NULL, eps, err);
	return r;
}
