/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Docker's NetworkDriver requests into structs, and structs into answers. */
#include "netplugins/net_api.h"

#include <string.h>

#include "lib/base.h"

/* ---- requests ----------------------------------------------------------- */

static const struct jdec_field option_fields[] = {
	JDEC_FIELD("com.docker.network.enable_ipv6", JDEC_BOOL,
		   struct net_req_options, ipv6, 0),
	/* Absent, true, or (with --config-from) false. */
	JDEC_FIELD("com.docker.network.internal", JDEC_BOOL,
		   struct net_req_options, internal, 0),
	JDEC_FIELD("com.docker.network.generic", JDEC_MAP,
		   struct net_req_options, generic, 0),
	{ 0 },
};

static const struct jdec_field pool_fields[] = {
	JDEC_FIELD("AddressSpace", JDEC_STR, struct net_req_pool, space, 0),
	JDEC_FIELD("Pool", JDEC_PREFIX, struct net_req_pool, pool,
		   JDEC_REQUIRED),
	JDEC_FIELD("Gateway", JDEC_PREFIX, struct net_req_pool, gateway, 0),
	JDEC_FIELD("AuxAddresses", JDEC_MAP, struct net_req_pool, aux, 0),
	{ 0 },
};

const struct jdec_field net_gw_check_fields[] = {
	JDEC_FIELD_OBJ("Options", struct net_req_gw_check, options,
		       option_fields, 0),
	{ 0 },
};

const struct jdec_field net_network_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_network, network,
		   JDEC_REQUIRED),
	JDEC_FIELD_OBJ("Options", struct net_req_network, options,
		       option_fields, 0),
	JDEC_FIELD_ARRAY("IPv4Data", struct net_req_network, v4,
			 struct net_req_pool, pool_fields, 0),
	JDEC_FIELD_ARRAY("IPv6Data", struct net_req_network, v6,
			 struct net_req_pool, pool_fields, 0),
	{ 0 },
};

const struct jdec_field net_id_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_id, network,
		   JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field interface_fields[] = {
	JDEC_FIELD("Address", JDEC_PREFIX, struct net_req_interface, addr4, 0),
	JDEC_FIELD("AddressIPv6", JDEC_PREFIX, struct net_req_interface, addr6,
		   0),
	JDEC_FIELD("MacAddress", JDEC_MAC, struct net_req_interface, mac, 0),
	JDEC_FIELD("MacAddress", JDEC_STR, struct net_req_interface, mac_text,
		   0),
	{ 0 },
};

const struct jdec_field net_endpoint_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_endpoint, network,
		   JDEC_REQUIRED),
	JDEC_FIELD("EndpointID", JDEC_ID, struct net_req_endpoint, endpoint,
		   JDEC_REQUIRED),
	JDEC_FIELD_OBJ("Interface", struct net_req_endpoint, interface,
		       interface_fields, 0),
	JDEC_FIELD("Options", JDEC_MAP, struct net_req_endpoint, options, 0),
	{ 0 },
};

const struct jdec_field net_endpoint_id_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_endpoint_id, network,
		   JDEC_REQUIRED),
	JDEC_FIELD("EndpointID", JDEC_ID, struct net_req_endpoint_id, endpoint,
		   JDEC_REQUIRED),
	{ 0 },
};

const struct jdec_field net_join_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_join, network,
		   JDEC_REQUIRED),
	JDEC_FIELD("EndpointID", JDEC_ID, struct net_req_join, endpoint,
		   JDEC_REQUIRED),
	JDEC_FIELD("SandboxKey", JDEC_STR, struct net_req_join, sandbox,
		   JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field port_fields[] = {
	JDEC_FIELD("Proto", JDEC_U8, struct net_req_port, proto, JDEC_REQUIRED),
	JDEC_FIELD("HostIP", JDEC_IP, struct net_req_port, host_ip, 0),
	JDEC_FIELD("Port", JDEC_U16, struct net_req_port, port, JDEC_REQUIRED),
	JDEC_FIELD("HostPort", JDEC_U16, struct net_req_port, host_first, 0),
	JDEC_FIELD("HostPortEnd", JDEC_U16, struct net_req_port, host_last, 0),
	{ 0 },
};

static const struct jdec_field ports_fields[] = {
	JDEC_FIELD_ARRAY("com.docker.network.portmap", struct net_req_ports,
			 list, struct net_req_port, port_fields, 0),
	{ 0 },
};

const struct jdec_field net_expose_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_expose, network,
		   JDEC_REQUIRED),
	JDEC_FIELD("EndpointID", JDEC_ID, struct net_req_expose, endpoint,
		   JDEC_REQUIRED),
	JDEC_FIELD_OBJ("Options", struct net_req_expose, ports, ports_fields,
		       0),
	{ 0 },
};

const struct jdec_field net_gc_fields[] = {
	JDEC_FIELD("DryRun", JDEC_BOOL, struct net_req_gc, dry, 0),
	{ 0 },
};

const struct jdec_field net_ports_fields[] = {
	JDEC_FIELD("Stats", JDEC_BOOL, struct net_req_show, stats, 0),
	{ 0 },
};

const struct jdec_field net_network_show_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct net_req_show, network,
		   JDEC_REQUIRED),
	JDEC_FIELD("Stats", JDEC_BOOL, struct net_req_show, stats, 0),
	{ 0 },
};

const struct net_api_method net_api_methods[] = {
	{ "NetworkDriver.GwAllocCheck", net_gw_check_fields },
	{ "NetworkDriver.CreateNetwork", net_network_fields },
	{ "NetworkDriver.DeleteNetwork", net_id_fields },
	{ "NetworkDriver.CreateEndpoint", net_endpoint_fields },
	{ "NetworkDriver.DeleteEndpoint", net_endpoint_id_fields },
	{ "NetworkDriver.EndpointOperInfo", net_endpoint_id_fields },
	{ "NetworkDriver.Join", net_join_fields },
	{ "NetworkDriver.Leave", net_endpoint_id_fields },
	{ "NetworkDriver.ProgramExternalConnectivity", net_expose_fields },
	{ "NetworkDriver.RevokeExternalConnectivity", net_endpoint_id_fields },
	{ "Berth.Network", net_network_show_fields },
	{ "Berth.Networks", net_ports_fields },
	{ "Berth.Ports", net_ports_fields },
	{ "Berth.Gc", net_gc_fields },
	{ "Berth.PortAdd", net_port_add_fields },
	{ "Berth.PortDel", net_port_del_fields },
	{ "Berth.PortBackends", net_port_backends_fields },
	{ "Berth.PortPublish", net_live_fields },
	{ "Berth.PortUnpublish", net_live_fields },
	{ 0 },
};

static int decode_aux(json_object *aux, int family, struct net_pool *to,
		      struct err *err)
{
	size_t count = aux ? (size_t)json_object_object_length(aux) : 0;

	if (count == 0)
		return 0;
	if (count > NET_AUX_MAX)
		return err_set(err, -EINVAL, "AuxAddresses: more than %d",
			       NET_AUX_MAX);
	to->aux = calloc(count, sizeof(*to->aux));
	if (!to->aux)
		return err_set(err, -ENOMEM, "AuxAddresses");
	json_object_object_foreach(aux, name, val)
	{
		const char *text = json_object_get_string(val);
		struct ip_prefix p = { 0 };

		if (!json_object_is_type(val, json_type_string) ||
		    strlen(name) >= sizeof(to->aux[0].name))
			return err_set(err, -EBADMSG,
				       "AuxAddresses: not short names with "
				       "addresses");
		/* "a/len" from Docker, plain "a" from others */
		if (ip_prefix_parse(text, &p, NULL) < 0 &&
		    ip_parse(text, &p.addr, NULL) < 0)
			return err_set(err, -EBADMSG,
				       "AuxAddresses: not an address");
		if (p.addr.family != family)
			return err_set(err, -EINVAL,
				       "AuxAddresses: an address of the other "
				       "family");
		strcpy(to->aux[to->aux_count].name, name);
		to->aux[to->aux_count++].addr = p.addr;
	}
	return 0;
}

static int decode_pool(const struct jdec_array *list, int family,
		       const char *key, struct net_pool *to, struct err *err)
{
	const struct net_req_pool *from = list->items;
	int r;

	if (list->count == 0)
		return 0;
	if (list->count > 1)
		return err_set(err, -EINVAL,
			       "%s: %zu subnets, but a network has one of each "
			       "family; make a second network",
			       key, list->count);
	if (from->pool.addr.family != family ||
	    (!ip_is_none(&from->gateway.addr) &&
	     from->gateway.addr.family != family))
		return err_set(err, -EINVAL,
			       "%s: an address of the other family", key);
	/* Docker's null IPAM says 0.0.0.0/0 for "no pool". */
	if (from->pool.len == 0)
		return 0;
	to->pool = from->pool;
	to->pool.addr = ip_prefix_first(&from->pool);
	to->gateway = from->gateway;
	r = decode_aux(from->aux, family, to, err);
	return r < 0 ? err_wrap(err, r, "%s", key) : 0;
}

int net_api_pools(const struct net_req_network *req, struct net_network *net,
		  struct err *err)
{
	int r = decode_pool(&req->v4, AF_INET, "IPv4Data", &net->v4, err);

	if (r < 0)
		return r;
	return decode_pool(&req->v6, AF_INET6, "IPv6Data", &net->v6, err);
}

int net_api_portmap(const struct net_req_expose *req, struct portmap *ret,
		    struct err *err)
{
	const struct net_req_port *ports = req->ports.list.items;
	struct portmap map = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->ports.list.count; i++) {
		uint16_t last = ports[i].host_last;

		if (!last)
			last = ports[i].host_first;
		r = portmap_add(&map, &ports[i].host_ip, ports[i].proto,
				ports[i].host_first, last, ports[i].port, err);
	}
	if (r == 0)
		r = portmap_normalize(&map, err);
	if (r < 0) {
		portmap_free(&map);
		return r;
	}
	*ret = map;
	return 0;
}

/* What dockerd puts among the Options of every driver's endpoints. */
static bool is_dockers_own(const char *key)
{
	static const char *const keys[] = {
		"com.docker.network.endpoint.dnsservers",
		"com.docker.network.endpoint.exposedports",
		"com.docker.network.endpoint.macaddress",
		"com.docker.network.portmap",
	};
	static const char private[] = "com.docker.network.driver.private.";

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return strncmp(key, private, strlen(private)) == 0;
}

/* ---- answers ------------------------------------------------------------ */

bool net_put(json_object *obj, const char *key, json_object *val)
{
	if (!val)
		return false;
	if (json_object_object_add(obj, key, val) == 0)
		return true;
	json_object_put(val);
	return false;
}

bool net_put_str(json_object *obj, const char *key, const char *text)
{
	return net_put(obj, key, json_object_new_string(text));
}

bool net_put_bool(json_object *obj, const char *key, bool val)
{
	return net_put(obj, key, json_object_new_boolean(val));
}

bool net_put_int(json_object *obj, const char *key, uint64_t val)
{
	return net_put(obj, key, json_object_new_uint64(val));
}

json_object *net_api_driver_options(json_object *options)
{
	_cleanup_(json_putp) json_object *own = json_object_new_object();

	if (!own || !options)
		return take_ptr(own);
	json_object_object_foreach(options, key, val)
	{
		if (is_dockers_own(key))
			continue;
		if (json_object_object_add(own, key, json_object_get(val)) < 0)
			return NULL;
	}
	return take_ptr(own);
}

json_object *net_api_capabilities(bool gw_check)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();

	/* Always local: what spans hosts is synchronised by us, and a global
	 * plugin is refused outside of swarm. */
	if (!o || !net_put_str(o, "Scope", "local") ||
	    !net_put_str(o, "ConnectivityScope", "local") ||
	    (gw_check && !net_put_bool(o, "GwAllocChecker", true)))
		return NULL;
	return take_ptr(o);
}

json_object *net_api_slim(const char *method, json_object *body)
{
	_cleanup_(json_putp) json_object *slim = NULL;
	json_object *options;
	bool create = strcmp(method, "NetworkDriver.CreateEndpoint") == 0;

	if (!create && strcmp(method, "NetworkDriver.Join") != 0)
		return json_object_get(body);
	slim = json_object_new_object();
	if (!slim)
		return NULL;
	json_object_object_foreach(body, key, val)
	{
		if (strcmp(key, "Options") != 0 &&
		    !net_put(slim, key, json_object_get(val)) && val)
			return NULL;
	}
	if (create && json_object_object_get_ex(body, "Options", &options) &&
	    !net_put(slim, "Options", net_api_driver_options(options)))
		return NULL;
	return take_ptr(slim);
}

json_object *net_api_gw_reply(bool skip4, bool skip6)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();

	if (!o || !net_put_bool(o, "SkipIPv4", skip4) ||
	    !net_put_bool(o, "SkipIPv6", skip6))
		return NULL;
	return take_ptr(o);
}

json_object *net_api_endpoint_reply(const struct mac_addr *mac)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	_cleanup_(json_putp) json_object *itf = json_object_new_object();
	char buf[MAC_STR_MAX];

	if (!o || !itf)
		return NULL;
	if (!mac_is_none(mac) &&
	    !net_put_str(itf, "MacAddress", mac_str(mac, buf)))
		return NULL;
	if (!net_put(o, "Interface", take_ptr(itf)))
		return NULL;
	return take_ptr(o);
}

static json_object *join_routes(const struct net_join_reply *join)
{
	_cleanup_(json_putp) json_object *list = json_object_new_array();
	char dst[PREFIX_STR_MAX], hop[IP_STR_MAX];

	if (!list)
		return NULL;
	for (unsigned int i = 0; i < join->route_count; i++) {
		json_object *o = json_object_new_object();

		if (!o || json_object_array_add(list, o) < 0) {
			json_object_put(o);
			return NULL;
		}
		ip_prefix_str(&join->routes[i].dst, dst);
		ip_str(&join->routes[i].next_hop, hop);
		/* 0: by NextHop, 1: on the link */
		if (!net_put_str(o, "Destination", dst) ||
		    !net_put(o, "RouteType",
			     json_object_new_int(join->routes[i].on_link)) ||
		    (!join->routes[i].on_link &&
		     !net_put_str(o, "NextHop", hop)))
			return NULL;
	}
	return take_ptr(list);
}

json_object *net_api_join_reply(const struct net_join_reply *join)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	_cleanup_(json_putp) json_object *name = json_object_new_object();
	char buf[IP_STR_MAX];

	if (!o || !name || !net_put_str(name, "SrcName", join->src_name) ||
	    !net_put_str(name, "DstPrefix", join->dst_prefix) ||
	    !net_put(o, "InterfaceName", take_ptr(name)))
		return NULL;
	if (!ip_is_none(&join->gateway4) &&
	    !net_put_str(o, "Gateway", ip_str(&join->gateway4, buf)))
		return NULL;
	if (!ip_is_none(&join->gateway6) &&
	    !net_put_str(o, "GatewayIPv6", ip_str(&join->gateway6, buf)))
		return NULL;
	if (join->route_count && !net_put(o, "StaticRoutes", join_routes(join)))
		return NULL;
	if (join->disable_gateway_service &&
	    !net_put_bool(o, "DisableGatewayService", true))
		return NULL;
	return take_ptr(o);
}

json_object *net_api_oper_reply(const struct net_endpoint *ep)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	_cleanup_(json_putp) json_object *val = json_object_new_object();

	if (!o || !val || !net_put_str(val, "berth.interface", ep->ifname) ||
	    !net_put(o, "Value", take_ptr(val)))
		return NULL;
	return take_ptr(o);
}
