/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /Berth.PortPublish, PortUnpublish: ports of a container that runs already.
 *
 * They are held among the endpoint's others, marked as live, and on its record, and
 * end as those do: with Leave, or when dockerd revokes what it published.  What
 * dockerd asked for stays as it asked.
 *
 * The kernel is changed first and the record written then, and for a removal the
 * other way round: the next daemon makes the kernel what the records say, so a crash
 * between the two undoes what was not answered.
 */
#include <stdio.h>
#include <string.h>

#include "lib/rpc.h"
#include "netplugins/net_core.h"

/* ---- requests -------------------------------------------------------------- */

struct live_port {
	uint8_t proto;
	struct ip_addr host_ip;
	uint16_t port, host_first, host_last, count;
};

struct live_req {
	char network[65], endpoint[65];
	struct jdec_array ports; /* of struct live_port */
};

static const struct jdec_field port_fields[] = {
	JDEC_FIELD("Proto", JDEC_U8, struct live_port, proto, JDEC_REQUIRED),
	JDEC_FIELD("HostIP", JDEC_IP, struct live_port, host_ip, 0),
	JDEC_FIELD("Port", JDEC_U16, struct live_port, port, JDEC_REQUIRED),
	JDEC_FIELD("HostPort", JDEC_U16, struct live_port, host_first, 0),
	JDEC_FIELD("HostPortEnd", JDEC_U16, struct live_port, host_last, 0),
	JDEC_FIELD("Count", JDEC_U16, struct live_port, count, 0),
	{ 0 },
};

const struct jdec_field net_live_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct live_req, network,
		   JDEC_REQUIRED),
	JDEC_FIELD("EndpointID", JDEC_ID, struct live_req, endpoint,
		   JDEC_REQUIRED),
	JDEC_FIELD_ARRAY("Ports", struct live_req, ports, struct live_port,
			 port_fields, JDEC_REQUIRED),
	{ 0 },
};

/* .choose_last of one from the ephemeral range, whose .choose_first is 0: so that one
 * that was chosen is known from one that was told. */
#define CHOSEN 65535

static int add_range(struct portmap *m, const struct live_port *p,
		     struct err *err)
{
	uint16_t last = p->count > 1 ? p->host_first : p->host_last;
	int r = portmap_add(m, &p->host_ip, p->proto, p->host_first,
			    last ? last : p->host_first, p->port, err);
	struct port_range *to;

	if (r < 0)
		return r;
	to = &m->ranges[m->count - 1];
	to->live = true;
	to->count = p->count ? p->count : 1;
	if (!to->host_first && !to->choose_last)
		to->choose_last = CHOSEN;
	return 0;
}

static int wanted(const struct live_req *req, struct portmap *ret,
		  struct err *err)
{
	const struct live_port *ports = req->ports.items;
	int r = 0;

	for (size_t i = 0; r == 0 && i < req->ports.count; i++)
		r = add_range(ret, &ports[i], err);
	if (r == 0 && !ret->count)
		r = err_set(err, -EINVAL, "Ports: none");
	return r < 0 ? r : portmap_normalize(ret, err);
}

/* ---- which of them --------------------------------------------------------- */

/* Is @have, which is live, what @want asks for?  @loose: where host address or port are
 * left out any will do. */
static bool is_asked(const struct port_range *have,
		     const struct port_range *want, bool loose)
{
	if (!have->live || have->proto != want->proto ||
	    have->port_first != want->port_first ||
	    have->count != want->count ||
	    !(ip_equal(&have->host_ip, &want->host_ip) ||
	      (loose && ip_is_none(&want->host_ip))))
		return false;
	if (want->host_first)
		return have->host_first == want->host_first;
	if (loose && want->choose_last == CHOSEN)
		return true;
	return have->choose_first == want->choose_first &&
	       have->choose_last == want->choose_last;
}

static const struct port_range *
find_asked(const struct portmap *m, const struct port_range *want, bool loose)
{
	for (size_t i = 0; i < m->count; i++)
		if (is_asked(&m->ranges[i], want, loose))
			return &m->ranges[i];
	return NULL;
}

/* Does one of them mean addresses that the other means, too? */
static bool addresses_meet(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_is_none(a) || ip_is_none(b) || ip_equal(a, b) ||
	       (a->family == b->family && (ip_is_any(a) || ip_is_any(b)));
}

/* What has @want's host ports, live or not. */
static const struct port_range *find_holder(const struct portmap *m,
					    const struct port_range *want)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct port_range *r = &m->ranges[i];

		if (r->proto == want->proto && want->host_first &&
		    want->host_first >= r->host_first &&
		    want->host_first < r->host_first + r->count &&
		    addresses_meet(&r->host_ip, &want->host_ip))
			return r;
	}
	return NULL;
}

/* ---- answers --------------------------------------------------------------- */

static int put_range(json_object *list, struct net_endpoint *ep,
		     const struct port_range *r, struct err *err)
{
	json_object *o = net_port_object(ep, r, false);

	if (o && json_object_array_add(list, o) == 0)
		return 0;
	json_object_put(o);
	return err_set(err, -ENOMEM, "answer");
}

/* {"Ports": [...]}: where what was asked for is reached. */
static int put_published(json_object *list, struct net_endpoint *ep,
			 const struct portmap *want, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < want->count; i++) {
		const struct port_range *at =
			find_asked(&ep->ports, &want->ranges[i], false);

		if (!at)
			at = find_holder(&ep->ports, &want->ranges[i]);
		if (at)
			r = put_range(list, ep, at, err);
	}
	return r;
}

/* ---- publish --------------------------------------------------------------- */

static int check(const struct net_core *core, const struct net_slot *s,
		 struct err *err)
{
	const struct net_endpoint *ep = &s->ep;

	if (core->driver->ignores_ports || !core->driver->expose)
		return err_set(err, -EOPNOTSUPP,
			       "%s publishes no ports: containers are reached "
			       "by their own addresses",
			       core->driver->name);
	if (ep->network->internal)
		return err_set(err, -EINVAL,
			       "network " NET_SHORT " is internal: nothing "
			       "comes in, so no port can be published",
			       ep->network->id);
	if (!ep->sandbox[0])
		return err_set(err, -ENOENT,
			       "endpoint " NET_SHORT " has no container: ports "
			       "come to a container that runs",
			       ep->id);
	if (!ep->exposed)
		return err_set(err, -EINVAL,
			       "network " NET_SHORT " is not the container's "
			       "way out: it would answer by another one. "
			       "Publish on the network that has its default "
			       "route",
			       ep->network->id);
	return 0;
}

static void set_ports(struct net_slot *s, struct portmap *ports)
{
	portmap_free(&s->ep.ports);
	s->ep.ports = *ports;
	*ports = (struct portmap){ 0 };
}

/* @after, which is taken, in place of what is published; else as before. */
static int open_ports(struct net_core *core, struct net_slot *s,
		      struct portmap *after, struct err *err)
{
	struct portmap before = s->ep.ports;
	int r;

	s->ep.ports = *after;
	*after = (struct portmap){ 0 };
	r = core->driver->expose(&s->ep, err);
	if (r == 0)
		r = NET_STEP("net.live.kernel", err);
	if (r == 0)
		r = net_record_endpoint(core->run, s, err);
	if (r < 0) {
		set_ports(s, &before);
		(void)core->driver->expose(&s->ep, NULL);
		return r;
	}
	portmap_free(&before);
	(void)FAILPOINT("net.live.committed");
	return 0;
}

static int publish(struct net_core *core, struct net_slot *s,
		   struct portmap *want, json_object *list, struct err *err)
{
	_cleanup_(portmap_free) struct portmap after = { 0 };
	int r = check(core, s, err);

	if (core->driver->bind_ports)
		core->driver->bind_ports(&s->ep, want);
	if (r == 0)
		r = portmap_copy(&s->ep.ports, &after, err);
	for (size_t i = 0; r == 0 && i < want->count; i++)
		if (!find_asked(&after, &want->ranges[i], false))
			r = portmap_append(&after, &want->ranges[i], err);
	if (r == 0)
		r = portmap_normalize(&after, err);
	if (r == 0 && !portmap_equal(&after, &s->ep.ports))
		r = open_ports(core, s, &after, err);
	return r < 0 ? r : put_published(list, &s->ep, want, err);
}

/* ---- unpublish ------------------------------------------------------------- */

/* Why @want, which is none of the live ones, can't go: it is not there (0), or only
 * with others. */
static int refuse(const struct portmap *m, const struct port_range *want,
		  struct err *err)
{
	const struct port_range *r = find_holder(m, want);
	char text[128];

	if (!r)
		return 0;
	port_range_str(r, text, sizeof(text));
	if (!r->live)
		return err_set(err, -EPERM,
			       "%s was published with the container: it goes "
			       "with it",
			       text);
	return err_set(err, -EINVAL,
		       "it is %s that was added: it goes as a "
		       "whole, as it came",
		       text);
}

/* Move what @want asks for from @m to @gone. */
static int take(struct portmap *m, const struct port_range *want,
		struct portmap *gone, struct err *err)
{
	const struct port_range *found = find_asked(m, want, true);
	size_t i = found ? (size_t)(found - m->ranges) : 0;
	int r;

	if (!found)
		return refuse(m, want, err);
	r = portmap_append(gone, found, err);
	if (r < 0)
		return r;
	m->ranges[i] = m->ranges[--m->count];
	if (!find_asked(m, want, true))
		return 0;
	if (want->host_first)
		return err_set(err, -ENOTUNIQ,
			       "host port %u/%s is published at several "
			       "addresses: say which, IP:%u:%u",
			       want->host_first, proto_name(want->proto),
			       want->host_first, want->port_first);
	return err_set(err, -ENOTUNIQ,
		       "container port %u/%s is published at several host "
		       "ports: say which, HOST:%u",
		       want->port_first, proto_name(want->proto),
		       want->port_first);
}

static int record_ports(struct net_core *core, const struct net_slot *s,
			const struct portmap *ports, struct err *err)
{
	struct net_slot after = *s; /* owns nothing */

	after.ep.ports = *ports;
	return net_record_endpoint(core->run, &after, err);
}

static int close_ports(struct net_core *core, struct net_slot *s,
		       struct portmap *after, struct err *err)
{
	struct portmap before = s->ep.ports;
	int r = record_ports(core, s, after, err);

	if (r < 0)
		return r;
	s->ep.ports = *after;
	*after = (struct portmap){ 0 };
	r = NET_STEP("net.unlive.recorded", err);
	if (r == 0)
		r = core->driver->expose(&s->ep, err);
	if (r < 0) {
		set_ports(s, &before);
		(void)net_record_endpoint(core->run, s, NULL);
		return r;
	}
	portmap_free(&before);
	(void)FAILPOINT("net.unlive.committed");
	return 0;
}

static int unpublish(struct net_core *core, struct net_slot *s,
		     struct portmap *want, json_object *list, struct err *err)
{
	_cleanup_(portmap_free) struct portmap after = { 0 }, gone = { 0 };
	int r = portmap_copy(&s->ep.ports, &after, err);

	for (size_t i = 0; r == 0 && i < want->count; i++)
		r = take(&after, &want->ranges[i], &gone, err);
	if (r == 0)
		r = portmap_normalize(&after, err);
	if (r == 0 && gone.count)
		r = close_ports(core, s, &after, err);
	for (size_t i = 0; r == 0 && i < gone.count; i++)
		r = put_range(list, &s->ep, &gone.ranges[i], err);
	return r;
}

/* ---- handlers -------------------------------------------------------------- */

typedef int (*live_fn)(struct net_core *core, struct net_slot *s,
		       struct portmap *want, json_object *list,
		       struct err *err);

static int run(struct net_core *core, const struct live_req *req, live_fn fn,
	       json_object *list, struct err *err)
{
	_cleanup_(net_target_fini) struct net_target t = { 0 };
	_cleanup_(portmap_free) struct portmap want = { 0 };
	int r = wanted(req, &want, err);

	if (r == 0)
		r = net_target_get(core, req->network, req->endpoint, &t, err);
	return r < 0 || !t.slot ? r : fn(core, t.slot, &want, list, err);
}

static int handle(struct net_core *core, struct rpc_call *call, live_fn fn,
		  const char *key, json_object **ret, struct err *err)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();
	struct live_req req = { .network = "" };
	int r;

	if (!call->body) {
		json_object_put(list);
		return err_set(err, -EBADMSG, "NetworkID: missing");
	}
	if (!net_put(o, key, list))
		return err_set(err, -ENOMEM, "answer");
	r = jdec_object(call->body, net_live_fields, &req, err);
	if (r == 0)
		r = run(core, &req, fn, list, err);
	jdec_free(net_live_fields, &req);
	if (r == 0)
		*ret = take_ptr(o);
	return r;
}

int net_on_port_publish(void *ctx, struct rpc_call *call, json_object **ret,
			struct err *err)
{
	return handle(ctx, call, publish, "Ports", ret, err);
}

int net_on_port_unpublish(void *ctx, struct rpc_call *call, json_object **ret,
			  struct err *err)
{
	return handle(ctx, call, unpublish, "Removed", ret, err);
}

/* ---- beside what dockerd asks ---------------------------------------------- */

int net_live_keep(const struct portmap *from, struct portmap *to,
		  struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->count; i++)
		if (from->ranges[i].live)
			r = portmap_append(to, &from->ranges[i], err);
	return r < 0 ? r : portmap_normalize(to, err);
}
