/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What Docker's protocol has no word for: the /Berth.* methods of a network
 * daemon (docs/protocol.md). */
#include <stdio.h>
#include <string.h>

#include "lib/problems.h"
#include "lib/rpc.h"
#include "netplugins/net_core.h"

/* ---- lists of lines -------------------------------------------------------- */

struct lines {
	json_object *list; /* owned */
	bool failed;
};

static void add_line(void *ctx, const char *line)
{
	struct lines *l = ctx;
	json_object *text = json_object_new_string(line);

	if (!text || json_object_array_add(l->list, text) < 0) {
		json_object_put(text);
		l->failed = true;
	}
}

static struct lines lines_new(void)
{
	return (struct lines){ .list = json_object_new_array() };
}

static void lines_fini(struct lines *l)
{
	json_object_put(l->list);
}

/* {"@key": [...]} */
static int answer_lines(struct lines *l, const char *key, json_object **ret,
			struct err *err)
{
	json_object *o = json_object_new_object();

	if (l->failed || !o || !net_put(o, key, take_ptr(l->list))) {
		json_object_put(o);
		return err_set(err, -ENOMEM, "answer");
	}
	*ret = o;
	return 0;
}

/* ---- Info ------------------------------------------------------------------ */

static int add_problem(void *ctx, struct net_entry *e)
{
	char line[ERR_MSG_MAX + 64];

	if (!e->problem[0])
		return 0;
	snprintf(line, sizeof(line), "network " NET_SHORT ": %s", e->id,
		 e->problem);
	add_line(ctx, line);
	return 0;
}

/* What keeps the daemon from being well: for Info and for Check. */
static void add_troubles(struct net_core *core, struct lines *l)
{
	problems_of_store(core->state, add_line, l);
	problems_of_store(core->run, add_line, l);
	pthread_mutex_lock(&core->trouble_lock);
	if (core->load_trouble[0])
		add_line(l, core->load_trouble);
	if (core->repair_trouble[0])
		add_line(l, core->repair_trouble);
	pthread_mutex_unlock(&core->trouble_lock);
	if (net_table_each(&core->table, add_problem, l) < 0)
		l->failed = true;
}

static int on_info(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(lines_fini) struct lines l = lines_new();
	json_object *o;
	int r;

	(void)call;
	if (!l.list)
		return err_set(err, -ENOMEM, "answer");
	add_troubles(core, &l);
	r = answer_lines(&l, "Problems", &o, err);
	if (r < 0)
		return r;
	*ret = o;
	if (!net_put_str(o, "Name", core->driver->name) ||
	    !net_put_str(o, "Version", BERTH_VERSION) ||
	    !net_put_str(o, "Kind", "network") ||
	    !net_put_int(o, "Pid", (uint64_t)getpid()) ||
	    !net_put_int(o, "UptimeMs",
			 (uint64_t)(net_now() - core->started) * 1000))
		return err_set(err, -ENOMEM, "answer");
	return 0;
}

/* ---- ports ------------------------------------------------------------------ */

static const char *addr_text(const struct ip_prefix *p,
			     char buf[static IP_STR_MAX])
{
	return ip_str(&p->addr, buf);
}

json_object *net_port_object(struct net_endpoint *ep,
			     const struct port_range *r, bool stats)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	const struct net_driver *driver = ep->network->driver;
	struct net_info info = { 0 };
	char buf[IP_STR_MAX];
	bool v4 = r->host_ip.family != AF_INET6;
	bool v6 = r->host_ip.family != AF_INET;

	if (driver->network_info)
		driver->network_info(ep->network, &info);
	if (!o || !net_put_str(o, "NetworkID", ep->network->id) ||
	    !net_put_str(o, "EndpointID", ep->id) ||
	    !net_put_str(o, "Proto", proto_name(r->proto)) ||
	    !net_put_str(o, "HostIP", ip_str(&r->host_ip, buf)) ||
	    !net_put_int(o, "HostFirst", r->host_first) ||
	    !net_put_int(o, "HostLast", r->host_first + r->count - 1) ||
	    !net_put_str(o, "ContainerIP",
			 v4 ? addr_text(&ep->addr4, buf) : "") ||
	    !net_put_str(o, "ContainerIPv6",
			 v6 ? addr_text(&ep->addr6, buf) : "") ||
	    !net_put_int(o, "ContainerFirst", r->port_first) ||
	    !net_put_int(o, "ContainerLast", r->port_first + r->count - 1) ||
	    !net_put_str(o, "Dataplane", info.dataplane) ||
	    !net_put_bool(o, "Live", r->live) ||
	    (stats && net_put_port_stats(o, ep, r) < 0))
		return NULL;
	return take_ptr(o);
}

static int add_ports(json_object *list, struct net_endpoint *ep, bool stats)
{
	for (size_t i = 0; ep->exposed && i < ep->ports.count; i++) {
		json_object *o =
			net_port_object(ep, &ep->ports.ranges[i], stats);

		if (!o || json_object_array_add(list, o) < 0) {
			json_object_put(o);
			return -ENOMEM;
		}
	}
	return 0;
}

static int list_ports(json_object *list, struct net_entry *e, bool stats)
{
	int r = 0;

	for (struct net_endpoint *ep = e->net->endpoints; r == 0 && ep;
	     ep = ep->next)
		if (!net_slot_of(ep)->absent)
			r = add_ports(list, ep, stats);
	return r;
}

static int ports_of_network(void *ctx, struct net_entry *e)
{
	return list_ports(ctx, e, false);
}

static int ports_with_stats(void *ctx, struct net_entry *e)
{
	return list_ports(ctx, e, true);
}

/* {@key: [...]}, of what @fn puts into the array for each network. */
static int answer_list(struct net_core *core, const char *key,
		       int (*fn)(void *list, struct net_entry *e),
		       json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	_cleanup_(json_putp) json_object *o = json_object_new_object();

	if (!list || !o || net_table_each(&core->table, fn, list) < 0 ||
	    !net_put(o, key, take_ptr(list)))
		return err_set(err, -ENOMEM, "answer");
	*ret = take_ptr(o);
	return 0;
}

/* Of /Berth.Ports and /Berth.Networks. */
static int read_show(const struct rpc_call *call, struct net_req_show *req,
		     struct err *err)
{
	return call->body ? jdec_object(call->body, net_ports_fields, req, err)
			  : 0;
}

static int on_ports(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct net_req_show req = { 0 };
	int r = read_show(call, &req, err);

	if (r < 0)
		return r;
	return answer_list(ctx, "Ports",
			   req.stats ? ports_with_stats : ports_of_network, ret,
			   err);
}

/* ---- networks --------------------------------------------------------------- */

static bool put_pool(json_object *subnets, json_object *gateways,
		     const struct net_pool *p)
{
	char text[PREFIX_STR_MAX], gw[IP_STR_MAX];

	if (ip_is_none(&p->pool.addr))
		return true;
	if (json_object_array_add(subnets, json_object_new_string(ip_prefix_str(
						   &p->pool, text))) < 0)
		return false;
	return ip_is_none(&p->gateway.addr) ||
	       json_object_array_add(
		       gateways, json_object_new_string(
					 ip_str(&p->gateway.addr, gw))) == 0;
}

static bool put_pools(json_object *o, const struct net_network *net)
{
	json_object *subnets = json_object_new_array();
	json_object *gateways = json_object_new_array();

	if (!net_put(o, "Subnets", subnets)) {
		json_object_put(gateways);
		return false;
	}
	return net_put(o, "Gateways", gateways) &&
	       put_pool(subnets, gateways, &net->v4) &&
	       put_pool(subnets, gateways, &net->v6);
}

/* The user's -o, as sent. */
static bool put_options(json_object *o, const struct net_entry *e)
{
	_cleanup_(json_putp) json_object *request = NULL;
	json_object *at = NULL, *map = NULL;

	if (jdec_parse(e->request, strlen(e->request), &request, NULL) < 0)
		return false;
	if (json_object_object_get_ex(request, "Options", &at))
		json_object_object_get_ex(at, "com.docker.network.generic",
					  &map);
	return net_put(o, "Options",
		       json_object_is_type(map, json_type_object)
			       ? json_object_get(map)
			       : json_object_new_object());
}

static uint64_t count_endpoints(const struct net_network *net)
{
	uint64_t n = 0;

	for (const struct net_endpoint *ep = net->endpoints; ep; ep = ep->next)
		n++;
	return n;
}

static bool put_hosts(json_object *o, const struct net_info *info)
{
	json_object *list = json_object_new_array();
	char text[IP_STR_MAX];
	bool ok = net_put(o, "HostAddresses", list);

	for (size_t i = 0; ok && i < ARRAY_SIZE(info->host); i++)
		if (!ip_is_none(&info->host[i]))
			ok = json_object_array_add(
				     list, json_object_new_string(ip_str(
						   &info->host[i], text))) == 0;
	return ok;
}

static json_object *network_object(struct net_entry *e, const char *count_key)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	struct net_info info = { 0 };

	if (e->net->driver->network_info)
		e->net->driver->network_info(e->net, &info);
	if (!o || !net_put_str(o, "NetworkID", e->id) ||
	    !net_put_str(o, "Bridge", info.link) ||
	    !net_put_bool(o, "Internal", e->net->internal) ||
	    !net_put_bool(o, "IPv6", !ip_is_none(&e->net->v6.pool.addr)) ||
	    !net_put_int(o, "MTU", info.mtu) ||
	    !net_put_str(o, "Dataplane", info.dataplane) ||
	    (info.names && !net_put_bool(o, "Names", true)) ||
	    (info.shared[0] && !net_put_str(o, "Shared", info.shared)) ||
	    !put_pools(o, e->net) || !put_hosts(o, &info) ||
	    !put_options(o, e) ||
	    !net_put_int(o, count_key, count_endpoints(e->net)) ||
	    !net_put_str(o, "Created", e->created))
		return NULL;
	return take_ptr(o);
}

static json_object *endpoint_object(struct net_endpoint *ep, bool stats)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	_cleanup_(json_putp) json_object *ports = json_object_new_array();
	char a4[PREFIX_STR_MAX], a6[PREFIX_STR_MAX], mac[MAC_STR_MAX];

	if (!o || !ports || add_ports(ports, ep, stats) < 0 ||
	    !net_put_str(o, "EndpointID", ep->id) ||
	    !net_put_str(o, "Interface", ep->ifname) ||
	    !net_put_str(o, "Address", ip_prefix_str(&ep->addr4, a4)) ||
	    !net_put_str(o, "AddressIPv6", ip_prefix_str(&ep->addr6, a6)) ||
	    !net_put_str(o, "MacAddress", mac_str(&ep->mac, mac)) ||
	    !net_put_str(o, "Sandbox", ep->sandbox) ||
	    !net_put_bool(o, "Gateway", ep->exposed) ||
	    !net_put(o, "Ports", take_ptr(ports)) ||
	    (stats && net_put_endpoint_stats(o, ep) < 0))
		return NULL;
	return take_ptr(o);
}

static bool put_endpoints(json_object *o, const struct net_network *net,
			  bool stats)
{
	json_object *list = json_object_new_array();

	if (!net_put(o, "EndpointList", list))
		return false;
	for (struct net_endpoint *ep = net->endpoints; ep; ep = ep->next) {
		json_object *one = endpoint_object(ep, stats);

		if (!one || json_object_array_add(list, one) < 0) {
			json_object_put(one);
			return false;
		}
	}
	return true;
}

static int add_network(void *ctx, struct net_entry *e, bool stats)
{
	json_object *o = network_object(e, "Endpoints");

	if (!o || (stats && !put_endpoints(o, e->net, true)) ||
	    json_object_array_add(ctx, o) < 0) {
		json_object_put(o);
		return -ENOMEM;
	}
	return 0;
}

static int add_plain(void *ctx, struct net_entry *e)
{
	return add_network(ctx, e, false);
}

static int add_counted(void *ctx, struct net_entry *e)
{
	return add_network(ctx, e, true);
}

static int on_networks(void *ctx, struct rpc_call *call, json_object **ret,
		       struct err *err)
{
	struct net_req_show req = { 0 };
	int r = read_show(call, &req, err);

	return r < 0 ? r
		     : answer_list(ctx, "Networks",
				   req.stats ? add_counted : add_plain, ret,
				   err);
}

struct by_prefix {
	const char *prefix;
	bool stats;
	json_object *found; /* owned */
	unsigned int count;
};

static int match_network(void *ctx, struct net_entry *e)
{
	struct by_prefix *m = ctx;

	if (strncmp(e->id, m->prefix, strlen(m->prefix)) != 0)
		return 0;
	if (m->count++)
		return 0;
	m->found = network_object(e, "EndpointCount");
	return m->found && put_endpoints(m->found, e->net, m->stats) ? 0
								     : -ENOMEM;
}

static int on_network(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err)
{
	struct net_core *core = ctx;
	struct net_req_show req = { 0 };
	struct by_prefix m = { .prefix = req.network };
	int r = call->body ? jdec_object(call->body, net_network_show_fields,
					 &req, err)
			   : err_set(err, -EBADMSG, "NetworkID: missing");

	if (r < 0)
		return r;
	m.stats = req.stats;
	r = net_table_each(&core->table, match_network, &m);
	if (r == 0 && m.count == 1) {
		*ret = m.found;
		return 0;
	}
	json_object_put(m.found);
	if (r < 0)
		return err_set(err, r, "answer");
	if (m.count)
		return err_set(err, -ENOTUNIQ,
			       "%u networks begin with %s: give more of the id",
			       m.count, req.network);
	return err_set(err, -ENOENT, "no network of %s begins with %s",
		       core->driver->name, req.network);
}

/* ---- Key -------------------------------------------------------------------- */

/* {"Key": "..."} */
static int on_key(void *ctx, struct rpc_call *call, json_object **ret,
		  struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	char key[128];
	int r;

	(void)call;
	if (!core->driver->key)
		return err_set(err, -EOPNOTSUPP,
			       "%s has no key: it does not encrypt",
			       core->driver->name);
	r = core->driver->key(core->host, key, sizeof(key), err);
	if (r < 0)
		return r;
	if (!o || !net_put_str(o, "Key", key))
		return err_set(err, -ENOMEM, "answer");
	*ret = take_ptr(o);
	return 0;
}

/* ---- Adopt ---------------------------------------------------------- */

static int on_adopt(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	int r;

	(void)call;
	if (!core->driver->adopt)
		return err_set(err, -EOPNOTSUPP,
			       "%s shares nothing with other hosts",
			       core->driver->name);
	r = core->driver->adopt(core->host, err);
	if (r < 0)
		return r;
	if (!o || json_object_object_add(o, "Adopted",
					 json_object_new_boolean(r)) < 0)
		return err_set(err, -ENOMEM, "answer");
	*ret = take_ptr(o);
	return 0;
}

/* ---- Counters ------------------------------------------------------- */

struct counters {
	json_object *o; /* owned */
	bool failed;
};

static void add_counter(void *ctx, const char *name, uint64_t value)
{
	struct counters *c = ctx;

	c->failed = c->failed || !net_put_int(c->o, name, value);
}

/* {"Counters": {name: packets}} */
static int on_counters(void *ctx, struct rpc_call *call, json_object **ret,
		       struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	struct counters c = { .o = json_object_new_object() };
	int r = 0;

	(void)call;
	if (!c.o || !o || !net_put(o, "Counters", c.o))
		return err_set(err, -ENOMEM, "answer");
	if (core->driver->counters)
		r = core->driver->counters(core->host, add_counter, &c, err);
	if (r < 0)
		return r;
	if (c.failed)
		return err_set(err, -ENOMEM, "answer");
	*ret = take_ptr(o);
	return 0;
}

/* ---- Check, Gc ------------------------------------------------------ */

struct gc {
	struct lines lines;
	struct net_core *core;
	const char *want;
	bool known;
};

static void gc_fini(struct gc *gc)
{
	lines_fini(&gc->lines);
}

static void gc_line(void *ctx, const char *line)
{
	add_line(&((struct gc *)ctx)->lines, line);
}

static int gc_match(void *ctx, struct net_entry *e)
{
	struct gc *gc = ctx;

	gc->known |=
		strcmp(e->id, gc->want) == 0 || net_slot_find(e->net, gc->want);
	return 0;
}

/* An endpoint's is NETWORK/ENDPOINT. */
static int gc_match_record(void *ctx, const char *id, const char *parent,
			   const char *json)
{
	const char *slash = strchr(id, '/');
	struct gc *gc = ctx;

	(void)parent;
	(void)json;
	gc->known |= strcmp(slash ? slash + 1 : id, gc->want) == 0;
	return 0;
}

/*
 * Waits for whoever is making it: each network's lock is taken in turn.  What is on
 * record and can't be used (of a newer daemon, say) is nobody's to take away.  When
 * in doubt it is known, and stays.
 */
static bool gc_known(void *ctx, const char *id)
{
	struct gc *gc = ctx;
	struct net_core *core = gc->core;

	gc->want = id;
	gc->known = false;
	if (net_table_each(&core->table, gc_match, gc) < 0 || gc->known)
		return true;
	return store_each(core->state, NET_KIND_NETWORK, NULL, gc_match_record,
			  gc, NULL) < 0 ||
	       store_each(core->run, NET_KIND_ENDPOINT, NULL, gc_match_record,
			  gc, NULL) < 0 ||
	       gc->known;
}

static int run_gc(struct gc *gc, uint32_t grace_s, bool dry, struct err *err)
{
	struct net_core *core = gc->core;
	int r = net_stale_sweep(core, grace_s, dry, gc_line, gc);

	if (r < 0)
		return err_set(err, r, "endpoints");
	if (core->driver->gc)
		r = core->driver->gc(core->host, dry, gc_known, gc_line, gc,
				     err);
	return r < 0 ? r : 0;
}

static int on_check(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	_cleanup_(gc_fini) struct gc gc = { .core = ctx, .lines = lines_new() };
	struct lines *l = &gc.lines;
	int r = 0;

	(void)call;
	if (!l->list)
		return err_set(err, -ENOMEM, "answer");
	add_troubles(gc.core, l);
	if (gc.core->driver->check)
		r = gc.core->driver->check(gc.core->host, gc_line, &gc, err);
	/* What gc would remove; endpoints only once their grace is over. */
	if (r >= 0)
		r = run_gc(&gc, gc.core->gc_grace_s, true, err);
	return r < 0 ? r : answer_lines(l, "Problems", ret, err);
}

/* What all hosts share; what this one has is on_gc()'s. */
static int on_reap(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(gc_fini) struct gc gc = { .core = ctx, .lines = lines_new() };
	struct net_req_gc req = { 0 };
	int r = call->body ? jdec_object(call->body, net_gc_fields, &req, err)
			   : 0;

	if (r == 0 && !core->driver->reap)
		r = err_set(err, -EOPNOTSUPP,
			    "%s shares nothing with other hosts",
			    core->driver->name);
	if (r == 0 && !gc.lines.list)
		r = err_set(err, -ENOMEM, "answer");
	if (r == 0)
		r = core->driver->reap(core->host, req.dry, gc_line, &gc, err);
	return r < 0 ? r : answer_lines(&gc.lines, "Removed", ret, err);
}

static int on_gc(void *ctx, struct rpc_call *call, json_object **ret,
		 struct err *err)
{
	_cleanup_(gc_fini) struct gc gc = { .core = ctx, .lines = lines_new() };
	struct lines *l = &gc.lines;
	struct net_req_gc req = { 0 };
	int r = call->body ? jdec_object(call->body, net_gc_fields, &req, err)
			   : 0;

	if (r == 0 && !l->list)
		r = err_set(err, -ENOMEM, "answer");
	if (r == 0)
		r = run_gc(&gc, 0, req.dry, err);
	return r < 0 ? r : answer_lines(l, "Removed", ret, err);
}

const struct rpc_method net_berth_methods[] = {
	{ "Berth.Info", on_info },
	{ "Berth.Networks", on_networks },
	{ "Berth.Network", on_network },
	{ "Berth.Ports", on_ports },
	{ "Berth.PortAdd", net_on_port_add },
	{ "Berth.PortDel", net_on_port_del },
	{ "Berth.PortBackends", net_on_port_backends },
	{ "Berth.Services", net_on_services },
	{ "Berth.PortPublish", net_on_port_publish },
	{ "Berth.PortUnpublish", net_on_port_unpublish },
	{ "Berth.Counters", on_counters },
	{ "Berth.Key", on_key },
	{ "Berth.Adopt", on_adopt },
	{ "Berth.Trace", net_on_trace },
	{ "Berth.Check", on_check },
	{ "Berth.Gc", on_gc },
	{ "Berth.Reap", on_reap },
	{ 0 },
};
