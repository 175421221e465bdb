/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own methods on the IPAM daemon's socket: what netctl asks. */
#include <errno.h>
#include <string.h>

#include "ipam/dhcp_talk.h"
#include "ipam/ipam_api.h"
#include "ipam/ipam_api_priv.h"
#include "ipam/ipam_priv.h"
#include "lib/answer.h"
#include "lib/clock.h"

const struct jdec_field ipam_api_leases_fields[] = {
	JDEC_FIELD("PoolID", JDEC_STR, struct ipam_request, pool_id, 0),
	{ 0 },
};

const struct jdec_field ipam_api_forget_fields[] = {
	JDEC_FIELD("PoolID", JDEC_STR, struct ipam_request, pool_id,
		   JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_IP, struct ipam_request, addr,
		   JDEC_REQUIRED),
	JDEC_FIELD("MacAddress", JDEC_MAC, struct ipam_request, mac, 0),
	JDEC_FIELD("Since", JDEC_STR, struct ipam_request, since, 0),
	{ 0 },
};

const struct jdec_field ipam_api_gc_fields[] = {
	JDEC_FIELD("DryRun", JDEC_BOOL, struct ipam_request, dry, 0),
	JDEC_FIELD("Node", JDEC_STR, struct ipam_request, node, 0),
	{ 0 },
};

static int add_prefix(json_object *to, const char *key,
		      const struct ip_prefix *p)
{
	char text[PREFIX_STR_MAX];

	return answer_text(to, key, ip_prefix_str(p, text));
}

static int on_info(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct ipam_core *core = ctx;
	json_object *list;
	int r = answer_info(ret, core->d->prog->name, "ipam", &core->started,
			    &list, err);

	(void)call;
	if (r == 0)
		ipam_problems(core, answer_line, list);
	return r;
}

/* A number of addresses, as far as JSON readers have whole numbers. */
static json_object *size_of(double n)
{
	return n < 9007199254740992.0 ? json_object_new_int64((int64_t)n)
				      : json_object_new_double(n);
}

/* Where pools are listed. */
struct pools {
	struct ipam_core *core;
	json_object *list;
};

static void list_block(void *ctx, const struct ip_prefix *block)
{
	char text[PREFIX_STR_MAX];

	answer_line(ctx, ip_prefix_str(block, text));
}

/* Those of a pool that is shared. */
static int add_blocks(struct pools *to, json_object *o,
		      const struct ipam_pool_info *p)
{
	json_object *blocks = json_object_new_array();

	if (answer_put(o, "Blocks", blocks))
		return -ENOMEM;
	ipam_blocks_each(to->core, &p->pool, list_block, blocks);
	return 0;
}

static int list_pool(void *ctx, const struct ipam_pool_info *p)
{
	struct pools *to = ctx;
	json_object *o = json_object_new_object();

	if (answer_text(o, "PoolID", p->id) ||
	    answer_text(o, "AddressSpace", p->space) ||
	    add_prefix(o, "Pool", &p->pool) ||
	    add_prefix(o, "SubPool", &p->sub) ||
	    answer_bool(o, "Automatic", p->automatic) ||
	    answer_text(o, "DhcpParent", p->dhcp) ||
	    answer_uint(o, "Networks", p->refs) ||
	    answer_uint(o, "Leases", p->leases) ||
	    answer_uint(o, "Reserved", p->reserved) ||
	    answer_uint(o, "Resting", p->resting) ||
	    answer_put(o, "Size", size_of(p->usable)) ||
	    answer_text(o, "Created", p->created) ||
	    answer_bool(o, "Cluster", p->cluster) ||
	    answer_bool(o, "Damaged", p->damaged) ||
	    (p->cluster && add_blocks(to, o, p)) ||
	    json_object_array_add(to->list, o) < 0) {
		json_object_put(o);
		return -ENOMEM;
	}
	return 0;
}

static int on_pools(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct pools to = { .core = ctx };
	int r = answer_list(ret, "Pools", &to.list, err);

	(void)call;
	return r < 0 ? r : ipam_pools_each(ctx, list_pool, &to, err);
}

/* How its DHCP lease is; one for ever has no time left to tell. */
static int add_dhcp(json_object *to, const struct dhcp_kept *e)
{
	const struct dhcp_lease *l = &e->lease;
	uint64_t now = clock_boot_ms(), end = l->end_ms;
	char server[IP_STR_MAX], router[IP_STR_MAX];

	if (end != DHCP_NEVER &&
	    answer_uint(to, "DhcpLeftMs", end > now ? end - now : 0))
		return -ENOMEM;
	return answer_text(to, "DhcpState", dhcp_state_to_string(l)) ||
			       answer_text(to, "DhcpParent", e->ifname) ||
			       answer_text(to, "DhcpServer",
					   ip_str(&l->server, server)) ||
			       answer_text(to, "DhcpRouter",
					   ip_str(&l->router, router)) ||
			       answer_text(to, "DhcpError", e->why)
		       ? -ENOMEM
		       : 0;
}

static int list_lease(void *ctx, const struct ipam_lease_info *l)
{
	json_object *list = ctx, *o = json_object_new_object();
	char mac[MAC_STR_MAX];

	if (add_prefix(o, "Address", &l->addr) ||
	    answer_text(o, "Use", ipam_use_to_string(l->use)) ||
	    answer_text(o, "MacAddress", mac_str(&l->mac, mac)) ||
	    answer_bool(o, "Fixed", l->fixed) ||
	    answer_uint(o, "Networks", l->refs) ||
	    answer_text(o, "PoolID", l->pool_id) ||
	    answer_text(o, "Since", l->since) ||
	    (l->dhcp && add_dhcp(o, l->dhcp)) ||
	    json_object_array_add(list, o) < 0) {
		json_object_put(o);
		return -ENOMEM;
	}
	return 0;
}

static int on_leases(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct ipam_request q = { 0 };
	json_object *list;
	int r = 0;

	if (call->body)
		r = jdec_object(call->body, ipam_api_leases_fields, &q, err);
	if (r < 0)
		return r;
	r = answer_list(ret, "Leases", &list, err);
	if (r < 0)
		return r;
	return ipam_leases_each(ctx, *q.pool_id ? q.pool_id : NULL, list_lease,
				list, err);
}

static int on_forget(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct ipam_request q = { 0 };
	int r;

	(void)ret;
	if (!call->body)
		return err_set(err, -EBADMSG, "the request has no body");
	r = jdec_object(call->body, ipam_api_forget_fields, &q, err);
	return r < 0 ? r
		     : ipam_addr_forget(ctx, q.pool_id, &q.addr, &q.mac,
					q.since, &call->seq, err);
}

static int on_check(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	json_object *list;
	int r = answer_list(ret, "Problems", &list, err);

	(void)call;
	return r < 0 ? r : ipam_check(ctx, answer_line, list, err);
}

static int on_gc(void *ctx, struct rpc_call *call, json_object **ret,
		 struct err *err)
{
	struct ipam_request q = { 0 };
	json_object *list;
	int r;

	if (!call->body) /* a mistake must not delete */
		return err_set(err, -EBADMSG, "the request has no body");
	r = jdec_object(call->body, ipam_api_gc_fields, &q, err);
	if (r == 0)
		r = answer_list(ret, "Removed", &list, err);
	if (r == 0)
		r = *q.node ? ipam_forget_node(ctx, q.node, q.dry, answer_line,
					       list, err)
			    : ipam_gc(ctx, q.dry, answer_line, list, err);
	return r < 0 ? r : 0;
}

/* Berth.Metrics is every daemon's, plugd serves it. */
const struct rpc_method ipam_api_berth_methods[] = {
	{ "Berth.Info", on_info },
	{ "Berth.IpamPools", on_pools },
	{ "Berth.IpamLeases", on_leases },
	{ "Berth.IpamForget", on_forget },
	{ "Berth.Check", on_check },
	{ "Berth.Gc", on_gc },
	{ 0 },
};
