/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints: made, joined, and all the way back. */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "netplugins/net_core.h"

static int forget_endpoint(struct net_call *c, struct net_slot *s,
			   struct err *err)
{
	int r = net_txn_begin(c, err);

	if (r < 0)
		return r;
	r = net_record_endpoint_del(c->core->run, &s->ep, err);
	if (r < 0)
		store_rollback(c->core->run);
	return r < 0 ? r : net_txn_commit(c, err);
}

/* ---- CreateEndpoint ------------------------------------------------------ */

static int check_address(const struct net_pool *pool, const struct ip_prefix *a,
			 const char *key, struct err *err)
{
	struct ip_addr first = ip_prefix_first(&pool->pool);
	struct ip_addr last = ip_prefix_last(&pool->pool);
	unsigned int bits = ip_bytes(&pool->pool.addr) * 8;
	char text[IP_STR_MAX], of[PREFIX_STR_MAX];

	if (ip_is_none(&a->addr))
		return 0;
	ip_str(&a->addr, text);
	ip_prefix_str(&pool->pool, of);
	if (ip_is_none(&pool->pool.addr))
		return err_set(err, -EINVAL,
			       "%s %s: the network has no such subnet", key,
			       text);
	if (!ip_prefix_contains(&pool->pool, &a->addr))
		return err_set(err, -EINVAL, "%s %s: not in subnet %s", key,
			       text, of);
	if (ip_equal(&a->addr, &pool->gateway.addr))
		return err_set(err, -EADDRINUSE,
			       "%s %s: that is the network's gateway", key,
			       text);
	if (bits - pool->pool.len < 2)
		return 0; /* /31, /32: every address is a host's */
	if (ip_equal(&a->addr, &first) ||
	    (a->addr.family == AF_INET && ip_equal(&a->addr, &last)))
		return err_set(err, -EINVAL,
			       "%s %s: the network or broadcast address of %s",
			       key, text, of);
	return 0;
}

static int check_mac(const struct net_network *net,
		     const struct net_req_interface *itf, struct err *err)
{
	char text[MAC_STR_MAX];
	int r;

	if (!itf->mac_text[0])
		return 0;
	r = mac_check(&itf->mac, err);
	if (r < 0)
		return err_wrap(err, r, "MacAddress %s", itf->mac_text);
	for (struct net_endpoint *ep = net->endpoints; ep; ep = ep->next)
		if (mac_equal(&ep->mac, &itf->mac))
			return err_set(
				err, -EADDRINUSE,
				"MacAddress %s is that of endpoint " NET_SHORT
				" of this network",
				mac_str(&itf->mac, text), ep->id);
	return 0;
}

static bool has_address(const struct net_endpoint *ep,
			const struct net_req_interface *itf)
{
	return (!ip_is_none(&itf->addr4.addr) &&
		ip_equal(&ep->addr4.addr, &itf->addr4.addr)) ||
	       (!ip_is_none(&itf->addr6.addr) &&
		ip_equal(&ep->addr6.addr, &itf->addr6.addr));
}

static bool has_mac(const struct net_endpoint *ep,
		    const struct net_req_interface *itf)
{
	return itf->mac_text[0] && mac_equal(&ep->mac, &itf->mac);
}

static int refuse_alive(const struct net_endpoint *ep,
			const struct net_req_interface *itf, struct err *err)
{
	bool v4 = !ip_is_none(&itf->addr4.addr) &&
		  ip_equal(&ep->addr4.addr, &itf->addr4.addr);
	char text[IP_STR_MAX];

	return err_set(
		err, -EADDRINUSE,
		"address %s is that of endpoint " NET_SHORT
		", which is in use (sandbox %s): stop its container first",
		ip_str(v4 ? &ep->addr4.addr : &ep->addr6.addr, text), ep->id,
		ep->sandbox);
}

static int replace_one(struct net_core *core, struct net_entry *e,
		       struct net_slot *s, const struct net_req_interface *itf,
		       struct err *err)
{
	const char *why = net_dead_reason(s);
	char id[65];
	int r;

	if (!why) /* that of the same MAC only: check_mac() */
		return has_address(&s->ep, itf) ? refuse_alive(&s->ep, itf, err)
						: 0;
	snprintf(id, sizeof(id), "%s", s->ep.id);
	r = net_endpoint_drop(core, e, s, err);
	if (r < 0)
		return err_wrap(err, r,
				"stale endpoint " NET_SHORT
				" with the same address or MAC",
				id);
	log_warn("op=replace endpoint=" NET_SHORT " network=" NET_SHORT
		 " msg=\"its address or MAC is given out again, and %s\"",
		 id, e->id, why);
	return 0;
}

/*
 * After dockerd was killed it gives an address out again without ever having
 * deleted the endpoint that had it; or, where what was given back rests for a while,
 * another address to the container that has the MAC.
 */
static int replace_stale(struct net_core *core, struct net_entry *e,
			 const struct net_req_interface *itf, struct err *err)
{
	struct net_endpoint *ep = e->net->endpoints;
	int r = 0;

	while (r == 0 && ep) {
		struct net_endpoint *next = ep->next;

		if (has_address(ep, itf) || has_mac(ep, itf))
			r = replace_one(core, e, net_slot_of(ep), itf, err);
		ep = next;
	}
	return r;
}

static int build_slot(struct net_network *net,
		      const struct net_req_endpoint *req, struct net_slot **ret,
		      struct err *err)
{
	_cleanup_(net_slot_freep) struct net_slot *s = calloc(1, sizeof(*s));
	_cleanup_(json_putp) json_object *own =
		net_api_driver_options(req->options);
	int r;

	if (!s || !own)
		return err_set(err, -ENOMEM, "endpoint");
	snprintf(s->ep.id, sizeof(s->ep.id), "%s", req->endpoint);
	s->ep.network = net;
	s->ep.addr4 = req->interface.addr4;
	s->ep.addr6 = req->interface.addr6;
	s->ep.mac = req->interface.mac;
	s->ep.mac_given = req->interface.mac_text[0] != '\0';
	r = net_slot_options(s, own, err);
	if (r < 0)
		return r;
	*ret = take_ptr(s);
	return 0;
}

static int answer_endpoint(struct net_call *c, const struct net_endpoint *ep,
			   struct err *err)
{
	static const struct mac_addr none;

	/* Only what we chose may be sent back. */
	c->answer = net_api_endpoint_reply(ep->mac_given ? &none : &ep->mac);
	return c->answer ? 0 : err_set(err, -ENOMEM, "answer");
}

static bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len == b->len && ip_equal(&a->addr, &b->addr);
}

/* @old NULL: none. */
static bool same_options(json_object *new, json_object *old)
{
	return old ? json_object_equal(new, old)
		   : json_object_object_length(new) == 0;
}

static int endpoint_again(struct net_call *c, const struct net_slot *s,
			  const struct net_req_endpoint *req, struct err *err)
{
	_cleanup_(json_putp) json_object *own =
		net_api_driver_options(req->options);
	const struct net_req_interface *itf = &req->interface;
	bool mac_same = s->ep.mac_given ? mac_equal(&s->ep.mac, &itf->mac)
					: !itf->mac_text[0];

	if (!prefix_equal(&s->ep.addr4, &itf->addr4) ||
	    !prefix_equal(&s->ep.addr6, &itf->addr6) || !mac_same || !own ||
	    !same_options(own, s->options))
		return err_set(err, -EEXIST,
			       "endpoint " NET_SHORT
			       " is there already, with another "
			       "address, MAC or options",
			       s->ep.id);
	return answer_endpoint(c, &s->ep, err);
}

/* @s is linked in the network's list; the caller takes it out on failure. */
static int make_endpoint(struct net_call *c, struct net_slot *s,
			 struct err *err)
{
	const struct net_driver *drv = c->core->driver;
	int r = drv->endpoint_add(&s->ep, err);

	if (r < 0)
		return r;
	r = NET_STEP("net.create_endpoint.kernel", err);
	if (r == 0)
		r = answer_endpoint(c, &s->ep, err);
	if (r == 0)
		r = net_endpoint_save(c, s, err);
	if (r < 0) {
		struct err undo = { 0 };

		if (drv->endpoint_del(&s->ep, &undo) < 0)
			err_wrap(err, r, "%s; left behind", undo.msg);
		return r;
	}
	s->ep.redo = false;
	(void)FAILPOINT("net.create_endpoint.committed");
	return 0;
}

static int check_addresses(const struct net_network *net,
			   const struct net_req_interface *itf, struct err *err)
{
	int r = check_address(&net->v4, &itf->addr4, "Address", err);

	if (r < 0)
		return r;
	return check_address(&net->v6, &itf->addr6, "AddressIPv6", err);
}

static int endpoint_new(struct net_call *c, struct net_entry *e,
			const struct net_req_endpoint *req, struct err *err)
{
	_cleanup_(net_slot_freep) struct net_slot *s = NULL;
	int r = check_addresses(e->net, &req->interface, err);

	if (r == 0)
		r = build_slot(e->net, req, &s, err);
	if (r == 0)
		r = net_slot_claim(&c->core->table, s, err);
	if (r == 0)
		r = net_intent_begin(c, e->id, req->endpoint, err);
	if (r == 0)
		r = NET_STEP("net.create_endpoint.intent", err);
	if (r == 0)
		r = replace_stale(c->core, e, &req->interface, err);
	if (r == 0)
		r = check_mac(e->net, &req->interface, err);
	if (r < 0)
		return r;
	s->ep.redo = c->redo;
	net_slot_link(e->net, s);
	r = make_endpoint(c, s, err);
	if (r < 0) {
		net_slot_unlink(e->net, s);
		return r;
	}
	(void)take_ptr(s); /* the list's now */
	return 0;
}

int net_do_endpoint_add(struct net_call *c, struct err *err)
{
	struct net_req_endpoint req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	int r = jdec_object(c->body, net_endpoint_fields, &req, err);

	if (r == 0)
		r = net_intent_announce(c, err);
	if (r == 0)
		r = net_network_get(c->core, req.network, &t.hold, err);
	if (r == 0)
		r = net_network_usable(t.hold.entry, err);
	if (r < 0)
		return r;
	t.slot = net_slot_find(t.hold.entry->net, req.endpoint);
	if (t.slot && t.slot->absent) {
		r = net_endpoint_drop(c->core, t.hold.entry, t.slot, err);
		t.slot = NULL;
	}
	if (r < 0)
		return r;
	if (t.slot)
		return endpoint_again(c, t.slot, &req, err);
	return endpoint_new(c, t.hold.entry, &req, err);
}

/* ---- DeleteEndpoint ------------------------------------------------------ */

static int unmake_endpoint(struct net_call *c, struct net_entry *e,
			   struct net_slot *s, struct err *err)
{
	int r = NET_STEP("net.delete_endpoint.intent", err);

	if (r == 0)
		r = c->core->driver->endpoint_del(&s->ep, err);
	if (r < 0)
		return r;
	r = NET_STEP("net.delete_endpoint.kernel", err);
	if (r == 0)
		r = forget_endpoint(c, s, err);
	if (r < 0) {
		/* On record without a link: for the sweep. */
		s->absent = true;
		return r;
	}
	net_slot_unlink(e->net, s);
	net_slot_free(s);
	(void)FAILPOINT("net.delete_endpoint.committed");
	return 0;
}

int net_do_endpoint_del(struct net_call *c, struct err *err)
{
	struct net_req_endpoint_id req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	int r = net_target_read(c, &req, &t, err);

	if (r < 0 || !t.slot)
		return r;
	r = net_intent_begin_removal(c, req.network, req.endpoint, err);
	return r < 0 ? r : unmake_endpoint(c, t.hold.entry, t.slot, err);
}

int net_endpoint_drop(struct net_core *core, struct net_entry *e,
		      struct net_slot *s, struct err *err)
{
	/* No intent: an endpoint without a link is swept up again. */
	int r = core->driver->endpoint_del(&s->ep, err);

	if (r == 0)
		r = NET_STEP("net.drop_endpoint.kernel", err);
	if (r < 0)
		return r;
	s->absent = true;
	r = net_record_endpoint_del(core->run, &s->ep, err);
	if (r < 0)
		return r;
	net_slot_unlink(e->net, s);
	net_slot_free(s);
	return 0;
}

int net_do_endpoint_info(struct net_call *c, struct err *err)
{
	struct net_req_endpoint_id req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	int r = jdec_object(c->body, net_endpoint_id_fields, &req, err);

	if (r == 0)
		r = net_target_get(c->core, req.network, req.endpoint, &t, err);
	if (r < 0)
		return r;
	c->answer = net_api_oper_reply(&t.slot->ep);
	return c->answer ? 0 : err_set(err, -ENOMEM, "answer");
}

/* ---- Join, Leave --------------------------------------------------------- */

static int answer_join(struct net_call *c, struct net_slot *s, struct err *err)
{
	struct net_join_reply reply = { 0 };
	int r = c->core->driver->join(&s->ep, &reply, err);

	if (r < 0)
		return r;
	c->answer = net_api_join_reply(&reply);
	return c->answer ? 0 : err_set(err, -ENOMEM, "answer");
}

static int do_join(struct net_call *c, struct net_slot *s, const char *sandbox,
		   struct err *err)
{
	struct net_endpoint *ep = &s->ep;
	int r = NET_STEP("net.join.intent", err);

	if (r == 0)
		r = answer_join(c, s, err);
	if (r < 0)
		return r;
	snprintf(ep->sandbox, sizeof(ep->sandbox), "%s", sandbox);
	r = NET_STEP("net.join.kernel", err);
	if (r == 0)
		r = net_endpoint_save(c, s, err);
	if (r < 0) {
		struct err undo = { 0 };

		if (c->core->driver->leave &&
		    c->core->driver->leave(ep, &undo) < 0)
			err_wrap(err, r, "%s; left behind", undo.msg);
		ep->sandbox[0] = '\0';
		return r;
	}
	s->gone_for = 0;
	(void)FAILPOINT("net.join.committed");
	return 0;
}

int net_do_join(struct net_call *c, struct err *err)
{
	struct net_req_join req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	const char *old;
	int r = jdec_object(c->body, net_join_fields, &req, err);

	if (r == 0)
		r = net_intent_announce(c, err);
	if (r == 0)
		r = net_target_get(c->core, req.network, req.endpoint, &t, err);
	if (r < 0)
		return r;
	old = t.slot->ep.sandbox;
	if (old[0] && strcmp(old, req.sandbox) == 0)
		return answer_join(c, t.slot, err);
	if (net_sandbox_alive(old))
		return err_set(err, -EBUSY,
			       "endpoint " NET_SHORT
			       " is joined to sandbox %s already",
			       t.slot->ep.id, old);
	r = net_intent_begin(c, req.network, req.endpoint, err);
	return r < 0 ? r : do_join(c, t.slot, req.sandbox, err);
}

static int do_leave(struct net_call *c, struct net_slot *s, struct err *err)
{
	int r = NET_STEP("net.leave.intent", err);

	/* Docker 29 does not always revoke first. */
	if (r == 0)
		r = net_ports_close(c, s, err);
	if (r == 0 && c->core->driver->leave)
		r = c->core->driver->leave(&s->ep, err);
	if (r < 0)
		return r;
	s->ep.sandbox[0] = '\0';
	r = NET_STEP("net.leave.kernel", err);
	if (r == 0)
		r = net_endpoint_save(c, s, err);
	if (r == 0)
		(void)FAILPOINT("net.leave.committed");
	return r;
}

int net_do_leave(struct net_call *c, struct err *err)
{
	struct net_req_endpoint_id req = { 0 };
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	int r = net_target_read(c, &req, &t, err);

	if (r < 0 || !t.slot)
		return r;
	if (!t.slot->ep.sandbox[0] && !t.slot->ep.exposed)
		return 0;
	r = net_intent_begin_removal(c, req.network, req.endpoint, err);
	return r < 0 ? r : do_leave(c, t.slot, err);
}
