/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core's opening and closing, and the way of a request through it. */
#include "netplugins/net_core.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/log.h"

/* ---- the driver's memo, in run.db --------------------------------------- */

static int memo_put(void *ctx, const char *key, const char *text,
		    struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(json_putp) json_object *obj = json_object_new_object();
	json_object *val = json_object_new_string(text);

	if (!obj || !val || json_object_object_add(obj, "Text", val) < 0)
		return err_set(err, -ENOMEM, "note %s", key);
	return store_put(core->run, NET_KIND_MEMO, key, "",
			 json_object_to_json_string(obj), err);
}

static int memo_text(const char *json, json_object **ret, const char **text)
{
	json_object *val;

	if (jdec_parse(json, strlen(json), ret, NULL) < 0 ||
	    !json_object_object_get_ex(*ret, "Text", &val))
		return -EBADMSG;
	*text = json_object_get_string(val);
	return 0;
}

static int memo_get(void *ctx, const char *key, char *buf, size_t size,
		    struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(json_putp) json_object *obj = NULL;
	_cleanup_free_ char *json = NULL;
	const char *text = NULL;
	int r = store_get(core->run, NET_KIND_MEMO, key, &json, err);

	if (r < 0)
		return r;
	r = memo_text(json, &obj, &text);
	if (r == 0 && strlen(text) >= size)
		r = -ENAMETOOLONG;
	if (r < 0)
		return err_set(err, r, "note %s: damaged", key);
	strcpy(buf, text);
	return 0;
}

static int memo_del(void *ctx, const char *key, struct err *err)
{
	struct net_core *core = ctx;

	return store_del(core->run, NET_KIND_MEMO, key, err);
}

struct memo_walk {
	int (*fn)(void *arg, const char *key, const char *text);
	void *arg;
};

static int memo_one(void *ctx, const char *id, const char *parent,
		    const char *json)
{
	const struct memo_walk *w = ctx;
	_cleanup_(json_putp) json_object *obj = NULL;
	const char *text;

	(void)parent;
	if (memo_text(json, &obj, &text) < 0)
		return 0;
	return w->fn(w->arg, id, text);
}

static int memo_each(void *ctx,
		     int (*fn)(void *arg, const char *key, const char *text),
		     void *arg, struct err *err)
{
	struct net_core *core = ctx;
	struct memo_walk w = { fn, arg };

	return store_each(core->run, NET_KIND_MEMO, NULL, memo_one, &w, err);
}

/* ---- opening and closing ------------------------------------------------- */

time_t net_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

static struct net_core *core_alloc(const struct net_core_config *cfg)
{
	struct net_core *core = calloc(1, sizeof(*core));

	if (!core)
		return NULL;
	core->driver = cfg->driver;
	core->news = cfg->plugd->events;
	core->state = cfg->plugd->state;
	core->run = cfg->plugd->run;
	core->gc_grace_s = cfg->gc_grace_s;
	core->started = net_now();
	core->memo = (struct net_memo){ core, memo_put, memo_get, memo_del,
					memo_each };
	core->events_stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/* Neither can fail for default attributes on Linux. */
	(void)net_table_init(&core->table);
	(void)pthread_mutex_init(&core->service_lock, NULL);
	(void)pthread_mutex_init(&core->trouble_lock, NULL);
	(void)pthread_mutex_init(&core->rolled_lock, NULL);
	return core;
}

int net_core_open(const struct net_core_config *cfg, struct net_core **ret,
		  struct err *err)
{
	_cleanup_(net_core_closep) struct net_core *core = core_alloc(cfg);
	int r;

	if (!core || core->events_stop < 0)
		return err_set(err, -ENOMEM, "network core");
	r = cfg->driver->host_open(cfg->plugd, cfg->driver_config, &core->memo,
				   &core->host, err);
	if (r == 0)
		r = net_recover(core, err);
	if (r == 0)
		r = net_events_start(core, err);
	if (r < 0)
		return r;
	*ret = take_ptr(core);
	return 0;
}

void net_core_close(struct net_core *core)
{
	if (!core)
		return;
	net_events_stop(core);
	net_table_fini(&core->table);
	if (core->host)
		core->driver->host_close(core->host);
	if (core->events_stop >= 0)
		close(core->events_stop);
	net_rolled_clear(core);
	pthread_mutex_destroy(&core->rolled_lock);
	pthread_mutex_destroy(&core->trouble_lock);
	pthread_mutex_destroy(&core->service_lock);
	free(core);
}

/* ---- requests ------------------------------------------------------------ */

struct method {
	const char *name;
	enum net_store where;
	bool changes; /* journalled: an empty body is a retry */
	int (*run)(struct net_call *c, struct err *err);
};

static const struct method methods[] = {
	{ "NetworkDriver.GwAllocCheck", NET_IN_STATE, false, net_do_gw_check },
	{ "NetworkDriver.CreateNetwork", NET_IN_STATE, true,
	  net_do_network_add },
	{ "NetworkDriver.DeleteNetwork", NET_IN_STATE, true,
	  net_do_network_del },
	{ "NetworkDriver.CreateEndpoint", NET_IN_RUN, true,
	  net_do_endpoint_add },
	{ "NetworkDriver.DeleteEndpoint", NET_IN_RUN, true,
	  net_do_endpoint_del },
	{ "NetworkDriver.EndpointOperInfo", NET_IN_RUN, false,
	  net_do_endpoint_info },
	{ "NetworkDriver.Join", NET_IN_RUN, true, net_do_join },
	{ "NetworkDriver.Leave", NET_IN_RUN, true, net_do_leave },
	{ "NetworkDriver.ProgramExternalConnectivity", NET_IN_RUN, true,
	  net_do_expose },
	{ "NetworkDriver.RevokeExternalConnectivity", NET_IN_RUN, true,
	  net_do_unexpose },
};

static const struct method *method_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

int net_core_run(struct net_call *c, struct err *err)
{
	const struct method *m = method_find(c->method);
	int r;

	if (!m)
		return err_set(err, -EOPNOTSUPP, "%s: unknown method",
			       c->method);
	c->where = m->where;
	r = m->run(c, err);
	if (r < 0)
		json_object_put(take_ptr(c->answer));
	/* Failed, or there was nothing to do.  What a crash left open is
	 * ended when all is undone: net_recover.c */
	if (!c->done && !c->redo)
		net_intent_abort(c);
	return r;
}

static int on_empty(struct net_call *c, const struct method *m,
		    const struct rpc_call *call, struct err *err)
{
	static const struct net_endpoint nobody;

	c->where = m->where;
	if (m->changes)
		return net_journal_retry(c, rpc_retry_alone(call), err);
	/* An error here fails the container's start, and there is nothing in
	 * the answer that depends on the question. */
	if (m->run == net_do_endpoint_info) {
		c->answer = net_api_oper_reply(&nobody);
		return 0;
	}
	return err_set(err, -EBADMSG, "%s: the body is empty", c->method);
}

static int on_request(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err)
{
	struct net_call c = {
		.core = ctx,
		.method = call->method,
		.body = call->body,
	};
	const struct method *m = method_find(call->method);
	int r;

	if (!m)
		return err_set(err, -EOPNOTSUPP, "%s: unknown method",
			       call->method);
	if (c.body)
		net_rolled_known(c.core, c.body);
	r = c.body ? net_core_run(&c, err) : on_empty(&c, m, call, err);
	if (r < 0)
		return r;
	*ret = c.answer;
	if (c.done)
		call->seq = c.intent;
	return 0;
}

static int on_capabilities(void *ctx, struct rpc_call *call, json_object **ret,
			   struct err *err)
{
	struct net_core *core = ctx;

	(void)call;
	*ret = net_api_capabilities(core->driver->gateway_skip);
	return *ret ? 0 : err_set(err, -ENOMEM, "answer");
}

/* Sent to swarm-scope drivers (Allocate, Free) or only telling (Discover):
 * nothing to do, and an error would stop dockerd. */
static int on_nothing(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err)
{
	(void)ctx;
	(void)call;
	(void)ret;
	(void)err;
	return 0;
}

const struct rpc_method net_core_methods[] = {
	{ "NetworkDriver.GetCapabilities", on_capabilities },
	{ "NetworkDriver.GwAllocCheck", on_request },
	{ "NetworkDriver.CreateNetwork", on_request },
	{ "NetworkDriver.DeleteNetwork", on_request },
	{ "NetworkDriver.CreateEndpoint", on_request },
	{ "NetworkDriver.DeleteEndpoint", on_request },
	{ "NetworkDriver.EndpointOperInfo", on_request },
	{ "NetworkDriver.Join", on_request },
	{ "NetworkDriver.Leave", on_request },
	{ "NetworkDriver.ProgramExternalConnectivity", on_request },
	{ "NetworkDriver.RevokeExternalConnectivity", on_request },
	{ "NetworkDriver.DiscoverNew", on_nothing },
	{ "NetworkDriver.DiscoverDelete", on_nothing },
	{ "NetworkDriver.AllocateNetwork", on_nothing },
	{ "NetworkDriver.FreeNetwork", on_nothing },
	{ 0 },
};
