/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Networks: made, deleted, asked about. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "netplugins/net_core.h"

static struct net_network *network_alloc(struct net_core *core)
{
	struct net_network *net = calloc(1, core->driver->network_size);

	if (!net)
		return NULL;
	net->driver = core->driver;
	net->host = core->host;
	if (core->driver->network_defaults)
		core->driver->network_defaults(net);
	return net;
}

static int decode_options(struct net_network *net,
			  const struct net_req_options *from, struct err *err)
{
	const struct net_driver *drv = net->driver;
	char what[64];

	net->internal = from->internal;
	net->ipv6 = from->ipv6;
	snprintf(what, sizeof(what), "%s network", drv->name);
	return opts_decode(from->generic, drv->network_options,
			   (char *)net + drv->options_offset, what, err);
}

static void req_network_fini(struct net_req_network *req)
{
	jdec_free(net_network_fields, req);
}

/* Before .network_init has succeeded there is nothing to .network_fini. */
static void half_free(struct net_network *net)
{
	if (!net)
		return;
	free(net->v4.aux);
	free(net->v6.aux);
	free(net);
}
DEFINE_CLEANUP(struct net_network, half_free)

int net_network_build(struct net_core *core, json_object *request,
		      struct net_network **ret, struct err *err)
{
	_cleanup_(req_network_fini) struct net_req_network req = { 0 };
	_cleanup_(half_freep) struct net_network *net = network_alloc(core);
	int r;

	if (!net)
		return err_set(err, -ENOMEM, "network");
	r = jdec_object(request, net_network_fields, &req, err);
	if (r < 0)
		return r;
	snprintf(net->id, sizeof(net->id), "%s", req.network);
	r = decode_options(net, &req.options, err);
	if (r == 0)
		r = net_api_pools(&req, net, err);
	if (r == 0)
		r = core->driver->network_init(net, err);
	if (r < 0)
		return r;
	*ret = take_ptr(net);
	return 0;
}

int net_network_get(struct net_core *core, const char *id, struct net_hold *ret,
		    struct err *err)
{
	int r = net_table_get(&core->table, id, false, ret);

	if (r == -ENOENT)
		return err_set(err, r,
			       "network " NET_SHORT
			       " is not known to %s; create it again",
			       id, core->driver->name);
	return r < 0 ? err_set(err, r, "network " NET_SHORT, id) : 0;
}

int net_endpoint_raise(struct net_slot *s, struct err *err)
{
	const struct net_driver *drv = s->ep.network->driver;
	int r = drv->endpoint_place(&s->ep, err);

	if (r > NET_LINK_GONE) {
		r = drv->endpoint_add(&s->ep, err);
		if (r == 0 && s->ep.exposed && drv->expose)
			r = drv->expose(&s->ep, err);
		/* It may go at any moment, with its container. */
		if (r == -ENODEV &&
		    drv->endpoint_place(&s->ep, NULL) == NET_LINK_GONE)
			r = NET_LINK_GONE;
		else if (r == 0)
			return 0;
	}
	if (r == NET_LINK_GONE) {
		s->absent = true;
		s->gone_for = net_now();
	}
	return r;
}

/* All of them: one that can't be is in no other's way.  The first error. */
static int raise_endpoints(struct net_entry *e, struct err *err)
{
	int first = 0;

	for (struct net_endpoint *ep = e->net->endpoints; ep; ep = ep->next) {
		struct err why = { 0 };
		int r;

		if (net_slot_of(ep)->absent)
			continue;
		r = net_endpoint_raise(net_slot_of(ep), &why);
		if (r < 0 && first == 0)
			first = err_set(err, r, "endpoint " NET_SHORT ": %s",
					ep->id, why.msg);
	}
	return first;
}

/* @ret_there: the network's own part is. */
static int raise_all(struct net_entry *e, bool *ret_there, struct err *err)
{
	struct err why = { 0 };
	int r = e->net->driver->network_add(e->net, false, &why);

	*ret_there = r == 0;
	if (r == 0)
		r = raise_endpoints(e, &why);
	snprintf(e->problem, sizeof(e->problem), "%s", r < 0 ? why.msg : "");
	e->undeleted = false;
	return r < 0 ? err_set(err, r, "%s", why.msg) : 0;
}

int net_network_raise(struct net_entry *e, struct err *err)
{
	bool there;

	return raise_all(e, &there, err);
}

int net_network_usable(struct net_entry *e, struct err *err)
{
	struct err why = { 0 };
	bool there = true;
	int r = e->problem[0] ? raise_all(e, &there, &why) : 0;

	if (there)
		return 0;
	return err_set(err, r,
		       "network " NET_SHORT " could not be made again: %s",
		       e->id, why.msg);
}

static void now_text(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
}

static bool same_request(const struct net_entry *e, json_object *body)
{
	_cleanup_(json_putp) json_object *old = NULL;

	return jdec_parse(e->request, strlen(e->request), &old, NULL) == 0 &&
	       json_object_equal(old, body);
}

static int add_again(const struct net_call *c, struct net_entry *e,
		     struct err *err)
{
	if (!same_request(e, c->body))
		return err_set(err, -EEXIST,
			       "network " NET_SHORT
			       " is there already, with other "
			       "options",
			       e->id);
	return net_network_usable(e, err);
}

static int save_network(struct net_call *c, struct net_entry *e,
			struct err *err)
{
	int r = net_txn_begin(c, err);

	if (r < 0)
		return r;
	r = net_record_network(c->core->state, e, err);
	if (r < 0)
		store_rollback(c->core->state);
	return r < 0 ? r : net_txn_commit(c, err);
}

/* As text: an object takes ten times as much. */
static int keep_request(struct net_entry *e, json_object *body, struct err *err)
{
	const char *text =
		json_object_to_json_string_ext(body, JSON_C_TO_STRING_PLAIN);

	e->request = text ? strdup(text) : NULL;
	return e->request ? 0 : err_set(err, -ENOMEM, "network");
}

/* The entry is ours alone and empty; it stays so on failure. */
static int make_network(struct net_call *c, struct net_entry *e,
			struct err *err)
{
	_cleanup_(net_network_freep) struct net_network *net = NULL;
	const struct net_driver *drv = c->core->driver;
	int r = net_network_build(c->core, c->body, &net, err);

	if (r < 0)
		return r;
	net->redo = c->redo;
	r = net_intent_begin(c, e->id, NULL, err);
	if (r == 0)
		r = NET_STEP("net.create_network.intent", err);
	if (r == 0)
		r = drv->network_add(net, true, err);
	if (r < 0)
		return r;
	now_text(e->created, sizeof(e->created));
	e->borrowed = net->borrowed;
	e->kept_mtu = net->kept_mtu;
	memcpy(e->kept_dataplane, net->kept_dataplane,
	       sizeof(e->kept_dataplane));
	r = keep_request(e, c->body, err);
	if (r == 0)
		r = NET_STEP("net.create_network.kernel", err);
	if (r == 0)
		r = save_network(c, e, err);
	if (r < 0) {
		struct err undo = { 0 };

		if (drv->network_del(net, &undo) < 0)
			err_wrap(err, r, "%s; left behind", undo.msg);
		free(take_ptr(e->request));
		return r;
	}
	net->redo = false;
	e->net = take_ptr(net);
	(void)FAILPOINT("net.create_network.committed");
	return 0;
}

int net_do_network_add(struct net_call *c, struct err *err)
{
	_cleanup_(net_hold_fini) struct net_hold h = { 0 };
	_cleanup_(req_network_fini) struct net_req_network req = { 0 };
	int r = jdec_object(c->body, net_network_fields, &req, err);

	if (r == 0)
		r = net_intent_announce(c, err);
	if (r < 0)
		return r;
	r = net_table_get(&c->core->table, req.network, true, &h);
	if (r < 0)
		return err_set(err, r, "network " NET_SHORT, req.network);
	if (h.entry->net)
		return add_again(c, h.entry, err);
	return make_network(c, h.entry, err);
}

/* -EBUSY, naming some, when containers still use the network. */
static int check_unused(struct net_entry *e, struct err *err)
{
	char list[128] = "";
	unsigned int n = 0;
	size_t len = 0;

	for (struct net_endpoint *ep = e->net->endpoints; ep; ep = ep->next) {
		if (net_stale_reason(net_slot_of(ep)))
			continue;
		if (n++ < 3) {
			snprintf(list + len, sizeof(list) - len, "%s" NET_SHORT,
				 len ? ", " : "", ep->id);
			len = strlen(list);
		}
	}
	if (n == 0)
		return 0;
	return err_set(err, -EBUSY,
		       "network " NET_SHORT
		       " is in use by %u endpoint%s (%s%s): "
		       "remove the containers first",
		       e->id, n, n > 1 ? "s" : "", list, n > 3 ? ", ..." : "");
}

static int forget_network(struct net_call *c, struct net_entry *e,
			  struct err *err)
{
	int r = net_txn_begin(c, err);

	if (r < 0)
		return r;
	r = store_del(c->core->state, NET_KIND_NETWORK, e->id, err);
	if (r < 0)
		store_rollback(c->core->state);
	return r < 0 ? r : net_txn_commit(c, err);
}

/* dockerd has forgotten it all the same, and does not ask again. */
static void not_deleted(struct net_entry *e, const struct err *why)
{
	e->undeleted = true;
	snprintf(e->problem, sizeof(e->problem),
		 "its removal failed: %.380s; netctl network rm " NET_SHORT
		 " tries again",
		 why->msg, e->id);
}

static int unmake_network(struct net_call *c, struct net_entry *e,
			  struct err *err)
{
	const struct net_driver *drv = c->core->driver;
	struct err why = { 0 };
	int r = net_intent_begin_removal(c, e->id, NULL, err);

	if (r == 0)
		r = NET_STEP("net.delete_network.intent", err);
	if (r < 0)
		return r;
	while (r == 0 && e->net->endpoints) /* stale, all of them */
		r = net_endpoint_drop(c->core, e,
				      net_slot_of(e->net->endpoints), &why);
	if (r == 0)
		r = drv->network_del(e->net, &why);
	if (r == 0)
		r = NET_STEP("net.delete_network.kernel", &why);
	if (r == 0)
		r = forget_network(c, e, &why);
	if (r < 0) {
		not_deleted(e, &why);
		return err_set(err, r, "%s", why.msg);
	}
	net_network_free(take_ptr(e->net));
	return 0;
}

int net_do_network_del(struct net_call *c, struct err *err)
{
	_cleanup_(net_hold_fini) struct net_hold h = { 0 };
	struct net_req_id req = { 0 };
	int r = jdec_object(c->body, net_id_fields, &req, err);

	if (r == 0)
		r = net_intent_announce(c, err);
	if (r < 0)
		return r;
	r = net_table_get(&c->core->table, req.network, false, &h);
	if (r == -ENOENT) /* dockerd asks again after an error: done */
		return 0;
	if (r < 0)
		return err_set(err, r, "network " NET_SHORT, req.network);
	r = check_unused(h.entry, err);
	return r < 0 ? r : unmake_network(c, h.entry, err);
}

int net_do_gw_check(struct net_call *c, struct err *err)
{
	_cleanup_free_ struct net_network *net = network_alloc(c->core);
	struct net_req_gw_check req = { 0 };
	bool skip4 = false, skip6 = false;
	int r;

	if (!net)
		return err_set(err, -ENOMEM, "network");
	r = jdec_object(c->body, net_gw_check_fields, &req, err);
	if (r == 0)
		r = decode_options(net, &req.options, err);
	if (r < 0)
		return r;
	if (c->core->driver->gateway_skip)
		c->core->driver->gateway_skip(net, &skip4, &skip6);
	c->answer = net_api_gw_reply(skip4, skip6);
	return c->answer ? 0 : -ENOMEM;
}
