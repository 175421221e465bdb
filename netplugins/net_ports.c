/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The endpoint a request names, and its published ports. */
#include <stdio.h>
#include <string.h>

#include "lib/events.h"
#include "netplugins/net_core.h"

/* ---- the endpoint of a request --------------------------------------------- */

void net_target_fini(struct net_target *t)
{
	net_hold_fini(&t->hold);
}

int net_target_read(struct net_call *c, struct net_req_endpoint_id *req,
		    struct net_target *t, struct err *err)
{
	int r = jdec_object(c->body, net_endpoint_id_fields, req, err);

	if (r == 0)
		r = net_intent_announce(c, err);
	if (r < 0)
		return r;
	r = net_table_get(&c->core->table, req->network, false, &t->hold);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return err_set(err, r, "network " NET_SHORT, req->network);
	t->slot = net_slot_find(t->hold.entry->net, req->endpoint);
	return 0;
}

int net_target_get(struct net_core *core, const char *network,
		   const char *endpoint, struct net_target *t, struct err *err)
{
	int r = net_network_get(core, network, &t->hold, err);

	if (r == 0)
		r = net_network_usable(t->hold.entry, err);
	if (r < 0)
		return r;
	t->slot = net_slot_find(t->hold.entry->net, endpoint);
	if (!t->slot)
		return err_set(err, -ENOENT,
			       "endpoint " NET_SHORT
			       " is not known on network " NET_SHORT
			       "; create it again",
			       endpoint, network);
	if (t->slot->absent)
		return err_set(err, -ENODEV,
			       "endpoint " NET_SHORT
			       ": its link is gone; delete and create it again",
			       endpoint);
	return 0;
}

int net_endpoint_save(struct net_call *c, struct net_slot *s, struct err *err)
{
	int r = net_txn_begin(c, err);

	if (r < 0)
		return r;
	r = net_record_endpoint(c->core->run, s, err);
	if (r < 0)
		store_rollback(c->core->run);
	return r < 0 ? r : net_txn_commit(c, err);
}

/* ---- ports --------------------------------------------------------------- */

static int record_closed(struct net_core *core, const struct net_slot *s,
			 struct err *err)
{
	struct net_slot after = *s; /* owns nothing */

	after.ep.exposed = false;
	after.ep.ports = after.asked = (struct portmap){ 0 };
	return net_record_endpoint(core->run, &after, err);
}

/* Only of those that have ports, or @had some: dockerd asks for any endpoint. */
static void tell(const struct net_call *c, const struct net_slot *s, bool had)
{
	bool has = s->ep.ports.count;

	if ((has || had) && !c->redo)
		events_add(c->core->news, "port", has ? "publish" : "unpublish",
			   s->ep.id, s->ep.network->id);
}

/*
 * The record comes first: dockerd does not ask again after an error, and a
 * record that still has the ports would publish them at the next start, for a
 * container that is gone.
 */
int net_ports_close(struct net_call *c, struct net_slot *s, struct err *err)
{
	struct net_core *core = c->core;
	bool had = s->ep.ports.count;
	int r = 0;

	if (s->ep.exposed)
		r = record_closed(core, s, err);
	if (r == 0)
		r = NET_STEP("net.close.recorded", err);
	if (r == 0 && s->ep.exposed && core->driver->unexpose)
		r = core->driver->unexpose(&s->ep, err);
	if (r < 0)
		return r;
	s->ep.exposed = false;
	portmap_free(&s->ep.ports);
	portmap_free(&s->asked);
	tell(c, s, had);
	return 0;
}

/* What was exposed before, kept to go back to. */
struct before {
	struct portmap ports, asked;
	bool exposed;
};

static void before_fini(struct before *b)
{
	portmap_free(&b->ports);
	portmap_free(&b->asked);
}

/* Best effort: the request has failed already and says so. */
static void expose_back(struct net_core *core, struct net_slot *s,
			struct before *old)
{
	if (core->driver->unexpose)
		(void)core->driver->unexpose(&s->ep, NULL);
	portmap_free(&s->ep.ports);
	portmap_free(&s->asked);
	s->ep.ports = old->ports;
	s->asked = old->asked;
	s->ep.exposed = old->exposed;
	*old = (struct before){ 0 };
	if (s->ep.exposed && core->driver->expose)
		(void)core->driver->expose(&s->ep, NULL);
}

static int do_expose(struct net_call *c, struct net_slot *s,
		     struct portmap *want, struct err *err)
{
	const struct net_driver *drv = c->core->driver;
	_cleanup_(before_fini) struct before old = { s->ep.ports, s->asked,
						     s->ep.exposed };
	int r;

	s->ep.ports = (struct portmap){ 0 };
	s->asked = *want;
	*want = (struct portmap){ 0 };
	s->ep.exposed = true;
	r = portmap_copy(&s->asked, &s->ep.ports, err);
	if (r == 0)
		r = net_live_keep(&old.ports, &s->ep.ports, err);
	if (r == 0)
		r = NET_STEP("net.expose.intent", err);
	if (r == 0 && drv->expose)
		r = drv->expose(&s->ep, err);
	if (r == 0)
		r = NET_STEP("net.expose.kernel", err);
	if (r == 0)
		r = net_endpoint_save(c, s, err);
	if (r < 0) {
		expose_back(c->core, s, &old);
		return r;
	}
	(void)FAILPOINT("net.expose.committed");
	tell(c, s, old.ports.count);
	return 0;
}

static void req_expose_fini(struct net_req_expose *req)
{
	jdec_free(net_expose_fields, req);
}

int net_do_expose(struct net_call *c, struct err *err)
{
	_cleanup_(req_expose_fini) struct net_req_expose req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	_cleanup_(portmap_free) struct portmap want = { 0 };
	int r = jdec_object(c->body, net_expose_fields, &req, err);

	if (r == 0)
		r = net_api_portmap(&req, &want, err);
	if (r == 0)
		r = net_intent_announce(c, err);
	if (r == 0)
		r = net_target_get(c->core, req.network, req.endpoint, &t, err);
	if (r < 0)
		return r;
	/* internal: nothing comes in */
	if (t.hold.entry->net->internal || c->core->driver->ignores_ports)
		portmap_free(&want);
	if (want.count && !c->core->driver->expose)
		return err_set(err, -EOPNOTSUPP,
			       "%s publishes no ports: containers are reached "
			       "by their own addresses",
			       c->core->driver->name);
	if (t.slot->ep.exposed && portmap_equal(&want, &t.slot->asked)) {
		tell(c, t.slot, false);
		return 0;
	}
	r = net_intent_begin(c, req.network, req.endpoint, err);
	return r < 0 ? r : do_expose(c, t.slot, &want, err);
}

static int do_unexpose(struct net_call *c, struct net_slot *s, struct err *err)
{
	int r = NET_STEP("net.revoke.intent", err);

	if (r == 0)
		r = net_ports_close(c, s, err);
	if (r == 0)
		r = NET_STEP("net.revoke.kernel", err);
	if (r == 0)
		r = net_endpoint_save(c, s, err);
	if (r == 0)
		(void)FAILPOINT("net.revoke.committed");
	return r;
}

int net_do_unexpose(struct net_call *c, struct err *err)
{
	struct net_req_endpoint_id req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	int r = net_target_read(c, &req, &t, err);

	if (r < 0 || !t.slot || !t.slot->ep.exposed)
		return r;
	r = net_intent_begin_removal(c, req.network, req.endpoint, err);
	return r < 0 ? r : do_unexpose(c, t.slot, err);
}
