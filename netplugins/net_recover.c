/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * After a start: what the records say is put back, then the requests that a
 * crash cut off are finished, or undone where that fails.
 *
 * Everything here may be cut off itself and begins again at the next start:
 * each step finds what is there.
 */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "netplugins/net_core.h"

/* Records read whole before any is used: a walk must not call the store. */
struct rows {
	struct row {
		char *id, *parent, *json; /* owned */
	} * items;
	size_t count, room;
};

static void rows_fini(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->items[i].id);
		free(rows->items[i].parent);
		free(rows->items[i].json);
	}
	free(rows->items);
}

static int row_add(void *ctx, const char *id, const char *parent,
		   const char *json)
{
	struct rows *rows = ctx;
	struct row *row;

	if (rows->count == rows->room) {
		size_t room = rows->room ? rows->room * 2 : 64;
		struct row *items =
			reallocarray(rows->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		rows->items = items;
		rows->room = room;
	}
	row = &rows->items[rows->count++];
	*row = (struct row){ strdup(id), strdup(parent), strdup(json) };
	return row->id && row->parent && row->json ? 0 : -ENOMEM;
}

static void trouble(struct net_core *core, const char *what,
		    const struct err *why)
{
	log_error("op=recover what=%s err=\"%s\"", what, why->msg);
	pthread_mutex_lock(&core->trouble_lock);
	snprintf(core->load_trouble, sizeof(core->load_trouble), "%.400s",
		 why->msg);
	pthread_mutex_unlock(&core->trouble_lock);
}

/* What the driver tries again at every event, until it is well or something else. */
static void end_trouble(struct net_core *core, const struct err *why)
{
	log_error("op=recover what=load_end err=\"%s\"", why->msg);
	pthread_mutex_lock(&core->trouble_lock);
	snprintf(core->repair_trouble, sizeof(core->repair_trouble), "%s",
		 why->msg);
	pthread_mutex_unlock(&core->trouble_lock);
}

/* ---- records ------------------------------------------------------------- */

static int load_network(struct net_core *core, const struct row *row,
			struct err *err)
{
	_cleanup_(net_hold_fini) struct net_hold h = { 0 };
	_cleanup_(net_network_freep) struct net_network *net = NULL;
	_cleanup_(json_putp) json_object *request = NULL;
	struct err why = { 0 };
	int r = net_table_get(&core->table, row->id, true, &h);

	if (r < 0)
		return err_set(err, r, "network " NET_SHORT, row->id);
	r = net_record_network_load(row->json, h.entry, &request, err);
	if (r == 0)
		r = net_network_build(core, request, &net, err);
	if (r < 0)
		return r;
	net->borrowed = h.entry->borrowed;
	net->kept_mtu = h.entry->kept_mtu;
	memcpy(net->kept_dataplane, h.entry->kept_dataplane,
	       sizeof(net->kept_dataplane));
	/* It stays on record: what stands in its way may go away. */
	if (core->driver->network_add(net, false, &why) < 0) {
		snprintf(h.entry->problem, sizeof(h.entry->problem), "%s",
			 why.msg);
		log_error("op=recover network=" NET_SHORT " err=\"%s\"",
			  row->id, why.msg);
	}
	h.entry->net = take_ptr(net);
	return NET_STEP("net.recover.network", err);
}

/* The network's problem, until the endpoint is raised at a tick.  That of the
 * network itself goes first: the endpoint has failed for it. */
static void endpoint_trouble(struct net_entry *e, const char *id,
			     const struct err *why)
{
	log_error("op=recover endpoint=" NET_SHORT " err=\"%s\"", id, why->msg);
	if (!e->problem[0])
		snprintf(e->problem, sizeof(e->problem),
			 "endpoint " NET_SHORT ": %.400s", id, why->msg);
}

/* True also when that can't be said. */
static bool is_on_record(struct net_core *core, const char *network)
{
	_cleanup_free_ char *json = NULL;

	return store_get(core->state, NET_KIND_NETWORK, network, &json, NULL) !=
	       -ENOENT;
}

static int load_endpoint(struct net_core *core, const struct row *row,
			 struct err *err)
{
	_cleanup_(net_hold_fini) struct net_hold h = { 0 };
	_cleanup_(net_slot_freep) struct net_slot *s = NULL;
	struct err why = { 0 };
	int r = net_table_get(&core->table, row->parent, false, &h);

	if (r == -ENOENT && is_on_record(core, row->parent))
		return err_set(err, -EUCLEAN,
			       "endpoint %s stays on record: its network's "
			       "record can't be used",
			       row->id);
	if (r == -ENOENT) {
		/* state.db came back from its copy: the link is for gc. */
		log_warn("op=recover endpoint=%.80s err=\"its network is not "
			 "on record: forgotten\"",
			 row->id);
		return store_del(core->run, NET_KIND_ENDPOINT, row->id, err);
	}
	if (r < 0)
		return err_set(err, r, "endpoint %s", row->id);
	r = net_record_endpoint_load(row->json, h.entry->net, &s, err);
	if (r == 0)
		r = net_slot_claim(&core->table, s, err);
	if (r < 0)
		return r;
	if (net_endpoint_raise(s, &why) < 0)
		endpoint_trouble(h.entry, s->ep.id, &why);
	net_slot_link(h.entry->net, take_ptr(s));
	return NET_STEP("net.recover.endpoint", err);
}

static int load_service(struct net_core *core, const struct row *row,
			struct err *err)
{
	int r = net_service_load(core, row->json, err);

	return r < 0 ? err_wrap(err, r, "balanced port %s", row->id) : 0;
}

static int load_kind(struct net_core *core, struct store *s, const char *kind,
		     int (*load)(struct net_core *core, const struct row *row,
				 struct err *err),
		     struct err *err)
{
	_cleanup_(rows_fini) struct rows rows = { 0 };
	int r = store_each(s, kind, NULL, row_add, &rows, err);

	if (r < 0)
		return err_wrap(err, r, "reading the %s records", kind);
	for (size_t i = 0; i < rows.count; i++) {
		struct err why = { 0 };

		r = load(core, &rows.items[i], &why);
		if (r == -ENOMEM)
			return err_set(err, r, "%s", why.msg);
		if (r < 0)
			trouble(core, rows.items[i].id, &why);
	}
	return 0;
}

static int load_records(struct net_core *core, struct err *err)
{
	const struct net_driver *drv = core->driver;
	struct err why = { 0 };
	int r;

	if (drv->load_begin)
		drv->load_begin(core->host);
	r = load_kind(core, core->state, NET_KIND_NETWORK, load_network, err);
	if (r == 0)
		r = load_kind(core, core->run, NET_KIND_ENDPOINT, load_endpoint,
			      err);
	if (r == 0)
		r = load_kind(core, core->state, NET_KIND_SERVICE, load_service,
			      err);
	/* Live traffic goes on with what is in the kernel. */
	if (r == 0 && drv->load_end && drv->load_end(core->host, &why) < 0)
		end_trouble(core, &why);
	return r;
}

/* ---- intents ------------------------------------------------------------- */

static json_object *ids_body(const char *key)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	const char *slash = strchr(key, '/');
	size_t len = slash ? (size_t)(slash - key) : strlen(key);
	json_object *id = json_object_new_string_len(key, (int)len);

	if (!body || !id || json_object_object_add(body, "NetworkID", id) < 0)
		return NULL;
	if (!slash)
		return take_ptr(body);
	id = json_object_new_string(slash + 1);
	if (!id || json_object_object_add(body, "EndpointID", id) < 0)
		return NULL;
	return take_ptr(body);
}

static const char *inverse(const char *method)
{
	static const char *const pairs[][2] = {
		{ "NetworkDriver.CreateNetwork",
		  "NetworkDriver.DeleteNetwork" },
		{ "NetworkDriver.CreateEndpoint",
		  "NetworkDriver.DeleteEndpoint" },
		{ "NetworkDriver.Join", "NetworkDriver.Leave" },
		{ "NetworkDriver.ProgramExternalConnectivity",
		  "NetworkDriver.RevokeExternalConnectivity" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (strcmp(method, pairs[i][0]) == 0)
			return pairs[i][1];
	return NULL; /* removals stay done */
}

int net_undo(void *ctx, const struct journal_intent *i)
{
	struct net_call c = { .core = ctx, .method = inverse(i->method) };
	_cleanup_(json_putp) json_object *body = NULL;
	struct err err = { 0 };
	int r;

	if (!c.method)
		return 0;
	body = ids_body(i->key);
	if (!body)
		return -ENOMEM;
	c.body = body;
	r = net_core_run(&c, &err);
	log_info("op=undo method=%s key=%.80s%s%s%s", i->method, i->key,
		 r < 0 ? " err=\"" : "", r < 0 ? err.msg : "",
		 r < 0 ? "\"" : "");
	json_object_put(c.answer);
	if (r == 0 && c.done) /* nobody waits for this answer */
		journal_settle(net_core_store(c.core, c.where), c.intent);
	return r;
}

/*
 * A cut-off CreateEndpoint that can't be finished: its handler may have failed
 * before it came to what the crash had left.
 */
static void remove_half_made(struct net_core *core, json_object *body)
{
	struct net_req_endpoint req = { 0 };
	_cleanup_(net_hold_fini) struct net_hold h = { 0 };
	struct net_endpoint ep = { .redo = true };
	struct err err = { 0 };

	if (jdec_object(body, net_endpoint_fields, &req, NULL) < 0 ||
	    net_table_get(&core->table, req.network, false, &h) < 0 ||
	    net_slot_find(h.entry->net, req.endpoint))
		return;
	snprintf(ep.id, sizeof(ep.id), "%s", req.endpoint);
	ep.network = h.entry->net;
	ep.addr4 = req.interface.addr4;
	ep.addr6 = req.interface.addr6;
	if (core->driver->endpoint_del(&ep, &err) < 0)
		log_warn("op=undo endpoint=" NET_SHORT " err=\"%s\"", ep.id,
			 err.msg);
}

static int finish(void *ctx, const struct journal_intent *i)
{
	struct net_call c = {
		.core = ctx,
		.method = i->method,
		.intent = i->seq,
		.waiting = i->waiting,
		.redo = true,
	};
	_cleanup_(json_putp) json_object *body = NULL;
	struct err err = { 0 };
	int r = jdec_parse(i->body, strlen(i->body), &body, &err);

	if (r == 0) {
		c.body = body;
		r = net_core_run(&c, &err);
	}
	if (r == 0 && !c.done && !c.waiting) { /* done already */
		r = net_txn_begin(&c, &err);
		if (r == 0)
			r = net_txn_commit(&c, &err);
	}
	json_object_put(c.answer);
	log_info("op=recover method=%s key=%.80s result=%s%s%s%s", i->method,
		 i->key, r < 0 ? "undone" : "finished", r < 0 ? " err=\"" : "",
		 r < 0 ? err.msg : "", r < 0 ? "\"" : "");
	if (r < 0)
		net_refused_add(c.core, i->method, r, &err);
	if (c.waiting) { /* refused, or nothing to do: nothing was touched */
		net_intent_abort(&c);
	} else if (r < 0) {
		(void)net_undo(ctx, i); /* has logged why not */
		if (body &&
		    strcmp(i->method, "NetworkDriver.CreateEndpoint") == 0)
			remove_half_made(ctx, body);
		net_intent_abort(&c);
	} else {
		net_rolled_add(ctx, i);
	}
	return NET_STEP("net.recover.intent", NULL);
}

int net_recover(struct net_core *core, struct err *err)
{
	int r = load_records(core, err);

	/* Networks first.  One network has one open intent at most, begun under
	 * its lock, and any number that wait for it: one after the other, in
	 * the order they came. */
	for (int i = NET_IN_STATE; r == 0 && i <= NET_IN_RUN; i++)
		r = journal_each_open(net_core_store(core, (enum net_store)i),
				      finish, core, err);
	return r < 0 ? err_wrap(err, r, "recovery") : 0;
}
