/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IpamDriver protocol: JSON in, a call of the core, JSON out. */
#include "ipam/ipam_api.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_api_priv.h"
#include "ipam/ipam_record.h"
#include "lib/answer.h"
#include "lib/opts.h"

static const struct jdec_field pool_fields[] = {
	JDEC_FIELD("AddressSpace", JDEC_STR, struct ipam_request, space, 0),
	JDEC_FIELD("Pool", JDEC_PREFIX, struct ipam_request, pool, 0),
	JDEC_FIELD("SubPool", JDEC_PREFIX, struct ipam_request, sub, 0),
	JDEC_FIELD("Options", JDEC_MAP, struct ipam_request, options, 0),
	JDEC_FIELD("V6", JDEC_BOOL, struct ipam_request, v6, 0),
	{ 0 },
};

static const struct jdec_field pool_release_fields[] = {
	JDEC_FIELD("PoolID", JDEC_STR, struct ipam_request, pool_id,
		   JDEC_REQUIRED),
	{ 0 },
};

static const struct jdec_field addr_fields[] = {
	JDEC_FIELD("PoolID", JDEC_STR, struct ipam_request, pool_id,
		   JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_IP, struct ipam_request, addr, 0),
	JDEC_FIELD("Options", JDEC_MAP, struct ipam_request, options, 0),
	{ 0 },
};

static const struct jdec_field addr_release_fields[] = {
	JDEC_FIELD("PoolID", JDEC_STR, struct ipam_request, pool_id,
		   JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_IP, struct ipam_request, addr,
		   JDEC_REQUIRED),
	{ 0 },
};

/* A request that came again without its body: the kept answer, or an error. */
static int replay(struct ipam_core *core, struct rpc_call *call,
		  json_object **ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = ipam_replay(core, call->method, rpc_retry_alone(call), &text,
			    &call->seq, err);

	return r < 0 ? r : jdec_parse(text, strlen(text), ret, err);
}

/* ---- pools ------------------------------------------------------------------ */

struct pool_options {
	bool dhcp, cluster;
	char parent[IFNAMSIZ];
};

/* --ipam-opt */
static const struct opt_field pool_options[] = {
	OPT_FIELD("berth.dhcp", OPT_BOOL, struct pool_options, dhcp,
		  "containers get the addresses a DHCP server leases to them"),
	OPT_FIELD("berth.dhcp.parent", OPT_STR, struct pool_options, parent,
		  "the interface or bridge where the DHCP server is asked"),
	OPT_FIELD("berth.cluster", OPT_BOOL, struct pool_options, cluster,
		  "one pool on all hosts of the cluster (--store)"),
	{ 0 },
};

/* @ret: NULL without DHCP.  --ipam-opt is sent for either family; of IPv6 the
 * addresses are ours, so there has to be a pool. */
static int decode_dhcp(const struct ipam_request *q,
		       const struct pool_options *o, const char **ret,
		       struct err *err)
{
	*ret = NULL;
	if (!o->dhcp)
		return *o->parent
			       ? err_set(err, -EINVAL,
					 "berth.dhcp.parent says where a DHCP "
					 "server is asked: add --ipam-opt "
					 "berth.dhcp=on")
			       : 0;
	if (!*o->parent)
		return err_set(err, -EINVAL,
			       "berth.dhcp needs --ipam-opt "
			       "berth.dhcp.parent=INTERFACE: where the DHCP "
			       "server is asked (the network's parent, or its "
			       "bridge)");
	if (strchr(o->parent, '/') || strchr(o->parent, ' '))
		return err_set(err, -EINVAL,
			       "berth.dhcp.parent: no interface has such a "
			       "name");
	if (q->v6 && ip_is_none(&q->pool.addr))
		return err_set(err, -EINVAL,
			       "berth.dhcp is for IPv4 only: give the IPv6 "
			       "addresses a --subnet");
	if (!q->v6)
		*ret = o->parent;
	return 0;
}

static int on_request_pool(void *ctx, struct rpc_call *call, json_object **ret,
			   struct err *err)
{
	struct ipam_request q = { 0 };
	struct pool_options opts = { 0 };
	struct ipam_pool_req req;
	struct ip_addr gateway;
	char id[IPAM_ID_MAX];
	struct ip_prefix pool;
	const char *dhcp = NULL;
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, pool_fields, &q, err);
	if (r == 0)
		r = opts_decode(q.options, pool_options, &opts,
				"a berth-ipam pool", err);
	if (r == 0)
		r = decode_dhcp(&q, &opts, &dhcp, err);
	if (r < 0)
		return r;
	req = (struct ipam_pool_req){
		.space = *q.space ? q.space : IPAM_SPACE_LOCAL,
		.pool = q.pool,
		.sub = q.sub,
		.v6 = q.v6,
		.dhcp = dhcp,
		.cluster = opts.cluster,
	};
	r = ipam_pool_request(ctx, &req, id, &pool, &gateway, &call->seq, err);
	if (r < 0)
		return r;
	*ret = ipam_pool_answer(id, &pool, &gateway);
	return *ret ? 0 : answer_no_memory(err);
}

static int on_release_pool(void *ctx, struct rpc_call *call, json_object **ret,
			   struct err *err)
{
	struct ipam_request q = { 0 };
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, pool_release_fields, &q, err);
	return r < 0 ? r : ipam_pool_release(ctx, q.pool_id, &call->seq, err);
}

/* ---- addresses ---------------------------------------------------------------- */

#define OPT_MAC     "com.docker.network.endpoint.macaddress"
#define OPT_TYPE    "RequestAddressType"
#define OPT_GATEWAY "com.docker.network.gateway"

struct addr_options {
	char mac[32], type[64];
};

static const struct opt_field addr_options[] = {
	OPT_FIELD(OPT_MAC, OPT_STR, struct addr_options, mac, NULL),
	OPT_FIELD(OPT_TYPE, OPT_STR, struct addr_options, type, NULL),
	{ 0 },
};

/* Without Docker's own keys that do not concern us ("serial" of its swarm, and
 * what a later one adds).  @ret: owned. */
static int known_options(json_object *options, json_object **ret,
			 struct err *err)
{
	*ret = json_object_new_object();
	if (!*ret)
		return answer_no_memory(err);
	if (!options)
		return 0;
	json_object_object_foreach(options, key, val)
	{
		if (strncmp(key, "com.docker.", 11) == 0 &&
		    strcmp(key, OPT_MAC) != 0)
			continue;
		if (json_object_object_add(*ret, key, json_object_get(val)) < 0)
			return answer_no_memory(err);
	}
	return 0;
}

/* Who asks: the gateway says so; an endpoint has a MAC (we require it), or takes
 * what there is; a certain address and nothing else is one to be kept free. */
static int decode_use(const struct ipam_request *q, struct ipam_addr_req *req,
		      struct err *err)
{
	_cleanup_(json_putp) json_object *known = NULL;
	struct addr_options opts = { 0 };
	int r = known_options(q->options, &known, err);

	if (r == 0)
		r = opts_decode(known, addr_options, &opts, "an address", err);
	if (r < 0)
		return r;
	if (*opts.mac)
		r = mac_parse(opts.mac, &req->mac, err);
	if (r < 0)
		return err_wrap(err, r, "MacAddress");
	if (*opts.type && strcmp(opts.type, OPT_GATEWAY) != 0)
		return err_set(err, -EINVAL,
			       OPT_TYPE " %.60s is not known: there is %s",
			       opts.type, OPT_GATEWAY);
	if (*opts.type)
		req->use = IPAM_GATEWAY;
	else if (*opts.mac || ip_is_none(&q->addr))
		req->use = IPAM_ENDPOINT;
	else
		req->use = IPAM_AUX;
	return 0;
}

static int on_request_address(void *ctx, struct rpc_call *call,
			      json_object **ret, struct err *err)
{
	struct ipam_request q = { 0 };
	struct ipam_addr_req req = { 0 };
	struct ip_prefix addr;
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, addr_fields, &q, err);
	if (r == 0)
		r = decode_use(&q, &req, err);
	if (r < 0)
		return r;
	req.pool_id = q.pool_id;
	req.addr = q.addr;
	r = ipam_addr_request(ctx, &req, &addr, &call->seq, err);
	if (r < 0)
		return r;
	*ret = ipam_addr_answer(&addr);
	return *ret ? 0 : answer_no_memory(err);
}

static int on_release_address(void *ctx, struct rpc_call *call,
			      json_object **ret, struct err *err)
{
	struct ipam_request q = { 0 };
	int r;

	if (!call->body)
		return replay(ctx, call, ret, err);
	r = jdec_object(call->body, addr_release_fields, &q, err);
	return r < 0 ? r
		     : ipam_addr_release(ctx, q.pool_id, &q.addr, &call->seq,
					 err);
}

/* ---- the handshake -------------------------------------------------------------- */

static int on_capabilities(void *ctx, struct rpc_call *call, json_object **ret,
			   struct err *err)
{
	(void)ctx;
	(void)call;
	*ret = json_object_new_object();
	if (answer_bool(*ret, "RequiresMACAddress", true) ||
	    answer_bool(*ret, "RequiresRequestReplay", false))
		return answer_no_memory(err);
	return 0;
}

static int on_spaces(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	(void)ctx;
	(void)call;
	*ret = json_object_new_object();
	if (answer_text(*ret, "LocalDefaultAddressSpace", IPAM_SPACE_LOCAL) ||
	    answer_text(*ret, "GlobalDefaultAddressSpace", IPAM_SPACE_GLOBAL))
		return answer_no_memory(err);
	return 0;
}

static const struct {
	const char *method;
	const struct jdec_field *fields;
} tables[] = {
	{ "IpamDriver.RequestPool", pool_fields },
	{ "IpamDriver.ReleasePool", pool_release_fields },
	{ "IpamDriver.RequestAddress", addr_fields },
	{ "IpamDriver.ReleaseAddress", addr_release_fields },
	{ "Berth.IpamLeases", ipam_api_leases_fields },
	{ "Berth.IpamForget", ipam_api_forget_fields },
	{ "Berth.Gc", ipam_api_gc_fields },
};

const struct rpc_method ipam_api_methods[] = {
	{ "IpamDriver.GetCapabilities", on_capabilities },
	{ "IpamDriver.GetDefaultAddressSpaces", on_spaces },
	{ "IpamDriver.RequestPool", on_request_pool },
	{ "IpamDriver.ReleasePool", on_release_pool },
	{ "IpamDriver.RequestAddress", on_request_address },
	{ "IpamDriver.ReleaseAddress", on_release_address },
	{ 0 },
};

const struct jdec_field *ipam_api_fields(const char *method)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].method, method) == 0)
			return tables[i].fields;
	return NULL;
}
