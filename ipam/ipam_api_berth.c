/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our own methods on the IPAM daemon's socket: what netctl asks. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipam/ipam_api.h"
#include "ipam/ipam_api_priv.h"
#include "ipam/ipam_priv.h"

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
	{ 0 },
};

const struct jdec_field ipam_api_gc_fields[] = {
	JDEC_FIELD("DryRun", JDEC_BOOL, struct ipam_request, dry, 0),
	{ 0 },
};

static int add_uint(json_object *to, const char *key, uint64_t n)
{
	return ipam_api_add(to, key, json_object_new_uint64(n));
}

static int add_text(json_object *to, const char *key, const char *s)
{
	return ipam_api_add(to, key, json_object_new_string(s));
}

static int add_prefix(json_object *to, const char *key,
		      const struct ip_prefix *p)
{
	char text[PREFIX_STR_MAX];

	return add_text(to, key, ip_prefix_str(p, text));
}

static int add_bool(json_object *to, const char *key, bool yes)
{
	return ipam_api_add(to, key, json_object_new_boolean(yes));
}

/* Lines into an array; a line that memory has no room for is lost. */
static void add_line(void *ctx, const char *line)
{
	json_object *list = ctx, *text = json_object_new_string(line);

	if (text && json_object_array_add(list, text) < 0)
		json_object_put(text);
}

/* An answer of one array, @key. */
static int new_list(json_object **ret, const char *key, json_object **list,
		    struct err *err)
{
	*ret = json_object_new_object();
	*list = json_object_new_array();
	return ipam_api_add(*ret, key, *list) < 0 ? ipam_api_no_memory(err) : 0;
}

static uint64_t uptime_ms(const struct ipam_core *core)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec - core->started.tv_sec) * 1000 +
	       (uint64_t)(now.tv_nsec / 1000000) -
	       (uint64_t)(core->started.tv_nsec / 1000000);
}

static int on_info(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct ipam_core *core = ctx;
	json_object *list;
	int r = new_list(ret, "Problems", &list, err);

	(void)call;
	if (r < 0)
		return r;
	if (add_text(*ret, "Name", core->d->prog->name) ||
	    add_text(*ret, "Version", BERTH_VERSION) ||
	    add_text(*ret, "Kind", "ipam") ||
	    add_uint(*ret, "Pid", (uint64_t)getpid()) ||
	    add_uint(*ret, "UptimeMs", uptime_ms(core)))
		return ipam_api_no_memory(err);
	ipam_problems(core, add_line, list);
	return 0;
}

/* A number of addresses, as far as JSON readers have whole numbers. */
static json_object *size_of(double n)
{
	return n < 9007199254740992.0 ? json_object_new_int64((int64_t)n)
				      : json_object_new_double(n);
}

static int list_pool(void *ctx, const struct ipam_pool_info *p)
{
	json_object *list = ctx, *o = json_object_new_object();

	if (add_text(o, "PoolID", p->id) ||
	    add_text(o, "AddressSpace", p->space) ||
	    add_prefix(o, "Pool", &p->pool) ||
	    add_prefix(o, "SubPool", &p->sub) ||
	    add_bool(o, "Automatic", p->automatic) ||
	    add_uint(o, "Networks", p->refs) ||
	    add_uint(o, "Leases", p->leases) ||
	    add_uint(o, "Reserved", p->reserved) ||
	    add_uint(o, "Resting", p->resting) ||
	    ipam_api_add(o, "Size", size_of(p->usable)) ||
	    add_text(o, "Created", p->created) ||
	    json_object_array_add(list, o) < 0) {
		json_object_put(o);
		return -ENOMEM;
	}
	return 0;
}

static int on_pools(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	json_object *list;
	int r = new_list(ret, "Pools", &list, err);

	(void)call;
	return r < 0 ? r : ipam_pools_each(ctx, list_pool, list, err);
}

static int list_lease(void *ctx, const struct ipam_lease_info *l)
{
	json_object *list = ctx, *o = json_object_new_object();
	char mac[MAC_STR_MAX];

	if (add_prefix(o, "Address", &l->addr) ||
	    add_text(o, "Use", ipam_use_to_string(l->use)) ||
	    add_text(o, "MacAddress", mac_str(&l->mac, mac)) ||
	    add_bool(o, "Fixed", l->fixed) ||
	    add_uint(o, "Networks", l->refs) ||
	    add_text(o, "PoolID", l->pool_id) ||
	    add_text(o, "Since", l->since) ||
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
	r = new_list(ret, "Leases", &list, err);
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
					&call->seq, err);
}

static int on_check(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	json_object *list;
	int r = new_list(ret, "Problems", &list, err);

	(void)call;
	return r < 0 ? r : ipam_check(ctx, add_line, list, err);
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
		r = new_list(ret, "Removed", &list, err);
	if (r == 0)
		r = ipam_gc(ctx, q.dry, add_line, list, err);
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
