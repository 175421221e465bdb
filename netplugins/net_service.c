/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /Berth.PortAdd, PortDel, PortBackends, Services: host ports balanced over
 * several containers.
 *
 * Their records are the user's wish, and in state.db.  The kernel is changed
 * first and the record written then, and for a removal the other way round: the
 * next daemon makes the kernel what the records say (dp_load_end()), so a crash
 * between the two undoes what was not answered.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/portmap.h"
#include "dataplane/service.h"
#include "lib/rpc.h"
#include "netplugins/net_core.h"

/* ---- requests and records ---------------------------------------------------- */

struct service_req {
	struct ip_addr host_ip;
	char proto[8]; /* "": tcp */
	uint16_t port;
	char name[DP_SERVICE_NAME_MAX];
	uint32_t number;            /* in records alone */
	struct jdec_array backends; /* struct dp_member */
	struct jdec_array removed;  /* likewise: PortBackends */
};

static const struct jdec_field member_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_STR, struct dp_member, network, 0),
	JDEC_FIELD("Address", JDEC_IP, struct dp_member, ip, JDEC_REQUIRED),
	JDEC_FIELD("Port", JDEC_U16, struct dp_member, port, 0),
	JDEC_FIELD("Weight", JDEC_U16, struct dp_member, weight, 0),
	{ 0 },
};

#define ADDRESS_FIELDS                                                       \
	JDEC_FIELD("HostIP", JDEC_IP, struct service_req, host_ip, 0),       \
		JDEC_FIELD("Proto", JDEC_STR, struct service_req, proto, 0), \
		JDEC_FIELD("Port", JDEC_U16, struct service_req, port,       \
			   JDEC_REQUIRED)
#define MEMBERS_FIELD(key_, member_)                                          \
	JDEC_FIELD_ARRAY(key_, struct service_req, member_, struct dp_member, \
			 member_fields, 0)

const struct jdec_field net_port_add_fields[] = {
	ADDRESS_FIELDS,
	JDEC_FIELD("Service", JDEC_ID, struct service_req, name, 0),
	MEMBERS_FIELD("Backends", backends),
	{ 0 },
};

const struct jdec_field net_port_del_fields[] = { ADDRESS_FIELDS, { 0 } };

const struct jdec_field net_port_backends_fields[] = {
	ADDRESS_FIELDS,
	MEMBERS_FIELD("Add", backends),
	MEMBERS_FIELD("Remove", removed),
	{ 0 },
};

static const struct jdec_field record_fields[] = {
	ADDRESS_FIELDS,
	JDEC_FIELD("Service", JDEC_ID, struct service_req, name, 0),
	JDEC_FIELD("Number", JDEC_U32, struct service_req, number, 0),
	MEMBERS_FIELD("Backends", backends),
	{ 0 },
};

static int parse_proto(const char *text, uint8_t *ret, struct err *err)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP,
					  IPPROTO_SCTP };

	*ret = IPPROTO_TCP;
	for (size_t i = 0; text[0] && i < ARRAY_SIZE(protos); i++)
		if (strcmp(text, proto_name(protos[i])) == 0) {
			*ret = protos[i];
			return 0;
		}
	return text[0] ? err_set(err, -EINVAL,
				 "Proto: \"%s\" is not tcp, udp or sctp", text)
		       : 0;
}

static int add_members(struct dp_service *s, const struct jdec_array *list,
		       struct err *err)
{
	const struct dp_member *m = list->items;

	for (size_t i = 0; i < list->count; i++) {
		if (s->count == DP_MEMBERS_MAX)
			return err_set(err, -E2BIG,
				       "a port has at most %d backends",
				       DP_MEMBERS_MAX);
		s->members[s->count] = m[i];
		if (!m[i].weight)
			s->members[s->count].weight = 1;
		if (!m[i].port)
			s->members[s->count].port = s->port;
		s->count++;
	}
	return 0;
}

/* What @req says, its removals excepted. */
static int service_of(const struct service_req *req, struct dp_service *ret,
		      struct err *err)
{
	int r;

	*ret = (struct dp_service){ .host_ip = req->host_ip,
				    .port = req->port,
				    .number = req->number };
	memcpy(ret->name, req->name, sizeof(ret->name));
	if (!req->port)
		return err_set(err, -EINVAL, "Port: 1 to 65535 is wanted");
	r = parse_proto(req->proto, &ret->proto, err);
	return r < 0 ? r : add_members(ret, &req->backends, err);
}

static int record(struct net_core *core, const struct dp_service *s,
		  struct err *err)
{
	struct dp_service copy = *s;
	struct service_req rec = {
		.host_ip = s->host_ip,
		.port = s->port,
		.number = s->number,
		.backends = { copy.members, copy.count },
	};
	char id[DP_SERVICE_ID_MAX];
	_cleanup_(json_putp) json_object *obj = NULL;
	const char *text;

	snprintf(rec.proto, sizeof(rec.proto), "%s", proto_name(s->proto));
	memcpy(rec.name, s->name, sizeof(rec.name));
	obj = jdec_to_json(record_fields, &rec);
	text = obj ? json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN)
		   : NULL;
	if (!text)
		return err_set(err, -ENOMEM, "record of a balanced port");
	return store_put(core->state, NET_KIND_SERVICE, dp_service_id(s, id),
			 "", text, err);
}

static int decode_record(const char *json, struct dp_service *ret,
			 struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	struct service_req rec = { 0 };
	int r = jdec_parse(json, strlen(json), &obj, err);

	if (r == 0)
		r = jdec_object(obj, record_fields, &rec, err);
	if (r == 0)
		r = service_of(&rec, ret, err);
	jdec_free(record_fields, &rec);
	return r < 0 ? err_wrap(err, r, "record of a balanced port") : 0;
}

/* Return: 0; -ENOENT, without a text. */
static int read_record(struct net_core *core, const struct dp_service *key,
		       struct dp_service *ret, struct err *err)
{
	_cleanup_free_ char *json = NULL;
	char id[DP_SERVICE_ID_MAX];
	int r = store_get(core->state, NET_KIND_SERVICE, dp_service_id(key, id),
			  &json, NULL);

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return err_set(err, r, "reading the record of %s", id);
	return decode_record(json, ret, err);
}

int net_service_load(struct net_core *core, const char *json, struct err *err)
{
	_cleanup_free_ struct dp_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "balanced port");
	if (!core->driver->service_add)
		return 0;
	r = decode_record(json, s, err);
	if (r == 0)
		r = core->driver->service_add(core->host, s, err);
	return r < 0 ? r : NET_STEP("net.recover.service", err);
}

/* ---- adding, removing ------------------------------------------------------- */

static int not_there(const struct dp_service *s, struct err *err)
{
	char id[DP_SERVICE_ID_MAX];

	return err_set(err, -ENOENT,
		       "no balanced port %s: 'netctl port ls' lists them",
		       dp_service_id(s, id));
}

static bool same_service(const struct dp_service *a, const struct dp_service *b)
{
	if (a->count != b->count || strcmp(a->name, b->name) != 0)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!dp_member_same(&a->members[i], &b->members[i]) ||
		    a->members[i].weight != b->members[i].weight)
			return false;
	return true;
}

static void put_back(struct net_core *core, const struct dp_service *s,
		     struct dp_service *old)
{
	char id[DP_SERVICE_ID_MAX];

	if (old) {
		(void)record(core, old, NULL);
		(void)core->driver->service_add(core->host, old, NULL);
		return;
	}
	(void)store_del(core->state, NET_KIND_SERVICE, dp_service_id(s, id),
			NULL);
	(void)core->driver->service_del(core->host, s, NULL);
}

/* The kernel as @s, then the record; @old, or nothing, again where that fails. */
static int put_service(struct net_core *core, struct dp_service *s,
		       struct dp_service *old, struct err *err)
{
	int r = core->driver->service_add(core->host, s, err);

	if (r < 0)
		return r;
	r = NET_STEP("net.service.added", err);
	if (r == 0)
		r = record(core, s, err);
	if (r == 0)
		r = NET_STEP("net.service.recorded", err);
	if (r < 0)
		put_back(core, s, old);
	return r;
}

static int add_service(struct net_core *core, struct dp_service *s,
		       struct err *err)
{
	_cleanup_free_ struct dp_service *old = calloc(1, sizeof(*old));
	char id[DP_SERVICE_ID_MAX];
	int r;

	if (!old)
		return err_set(err, -ENOMEM, "balanced port");
	if (!s->count && !s->name[0])
		return err_set(err, -EINVAL,
			       "Backends, or Service: one is wanted");
	r = read_record(core, s, old, err);
	if (r == -ENOENT)
		return put_service(core, s, NULL, err);
	if (r < 0)
		return r;
	/* on record, and perhaps not in the kernel: loading it failed */
	if (same_service(s, old))
		return core->driver->service_add(core->host, old, err);
	return err_set(err, -EEXIST,
		       "port %s is balanced already, over other backends: "
		       "'netctl port backend add' and 'rm' change them, "
		       "'netctl port rm' ends it",
		       dp_service_id(s, id));
}

static int del_service(struct net_core *core, const struct dp_service *s,
		       struct err *err)
{
	_cleanup_free_ struct dp_service *old = calloc(1, sizeof(*old));
	char id[DP_SERVICE_ID_MAX];
	int r;

	if (!old)
		return err_set(err, -ENOMEM, "balanced port");
	r = read_record(core, s, old, err);
	if (r == -ENOENT) /* perhaps in the kernel: ending it failed */
		return core->driver->service_del(core->host, s, err);
	if (r < 0)
		return r;
	r = store_del(core->state, NET_KIND_SERVICE, dp_service_id(s, id), err);
	if (r == 0)
		r = NET_STEP("net.service.forgotten", err);
	if (r == 0)
		r = core->driver->service_del(core->host, s, err);
	if (r < 0) /* it is there as before */
		(void)record(core, old, NULL);
	return r;
}

static bool removes(const struct dp_member *gone, const struct dp_member *m)
{
	return ip_equal(&gone->ip, &m->ip) &&
	       (!gone->port || gone->port == m->port);
}

static void remove_members(struct dp_service *s, const struct jdec_array *gone)
{
	const struct dp_member *list = gone->items;

	for (size_t i = 0; i < gone->count; i++) {
		uint32_t n = 0;

		for (uint32_t k = 0; k < s->count; k++)
			if (!removes(&list[i], &s->members[k]))
				s->members[n++] = s->members[k];
		s->count = n;
	}
}

/* Those that are there already only get the weight that is said. */
static int more_members(struct dp_service *s, const struct dp_service *more,
			struct err *err)
{
	for (uint32_t i = 0; i < more->count; i++) {
		const struct dp_member *m = &more->members[i];
		uint32_t k = 0;

		while (k < s->count && !dp_member_same(&s->members[k], m))
			k++;
		if (k == DP_MEMBERS_MAX)
			return err_set(err, -E2BIG,
				       "a port has at most %d backends",
				       DP_MEMBERS_MAX);
		if (k == s->count)
			s->members[s->count++] = *m;
		s->members[k].weight = m->weight;
	}
	return 0;
}

static int change_members(struct net_core *core, const struct dp_service *more,
			  const struct jdec_array *gone, struct err *err)
{
	_cleanup_free_ struct dp_service *now = calloc(1, sizeof(*now));
	_cleanup_free_ struct dp_service *old = calloc(1, sizeof(*old));
	int r;

	if (!now || !old)
		return err_set(err, -ENOMEM, "balanced port");
	r = read_record(core, more, old, err);
	if (r < 0)
		return r == -ENOENT ? not_there(more, err) : r;
	*now = *old;
	remove_members(now, gone);
	r = more_members(now, more, err);
	return r < 0 ? r : put_service(core, now, old, err);
}

/* ---- handlers ----------------------------------------------------------------- */

enum what { ADD, DEL, CHANGE };

static int run(struct net_core *core, enum what what,
	       const struct service_req *req, struct err *err)
{
	_cleanup_free_ struct dp_service *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "balanced port");
	r = service_of(req, s, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&core->service_lock);
	r = what == ADD   ? add_service(core, s, err)
	    : what == DEL ? del_service(core, s, err)
			  : change_members(core, s, &req->removed, err);
	pthread_mutex_unlock(&core->service_lock);
	return r;
}

static int handle(struct net_core *core, struct rpc_call *call, enum what what,
		  const struct jdec_field *fields, struct err *err)
{
	struct service_req req = { 0 };
	int r;

	if (!call->body)
		return err_set(err, -EBADMSG, "Port: missing");
	r = jdec_object(call->body, fields, &req, err);
	if (r == 0 && !core->driver->service_add)
		r = err_set(err, -EOPNOTSUPP, "%s does not balance ports",
			    core->driver->name);
	if (r == 0)
		r = run(core, what, &req, err);
	jdec_free(fields, &req);
	return r;
}

int net_on_port_add(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	(void)ret;
	return handle(ctx, call, ADD, net_port_add_fields, err);
}

int net_on_port_del(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	(void)ret;
	return handle(ctx, call, DEL, net_port_del_fields, err);
}

int net_on_port_backends(void *ctx, struct rpc_call *call, json_object **ret,
			 struct err *err)
{
	(void)ret;
	return handle(ctx, call, CHANGE, net_port_backends_fields, err);
}

/* ---- listing ------------------------------------------------------------------ */

struct listing {
	json_object *list; /* owned */
	bool failed;
};

static json_object *member_object(const struct dp_member_state *m)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	const struct ip_addr *ip = ip_is_none(&m->ip4) ? &m->ip6 : &m->ip4;
	char buf[IP_STR_MAX];

	if (m->told)
		ip = &m->told->ip;
	if (!o || !net_put_str(o, "Address", ip_str(ip, buf)) ||
	    !net_put_int(o, "Port", m->port) ||
	    !net_put_int(o, "Weight", m->weight) ||
	    !net_put_str(o, "NetworkID", m->network) ||
	    !net_put_str(o, "EndpointID", m->endpoint) ||
	    !net_put_bool(o, "Alive", m->endpoint[0] != '\0') ||
	    !net_put_bool(o, "Joined", !m->told))
		return NULL;
	return take_ptr(o);
}

static json_object *service_object(const struct dp_service *s,
				   const struct dp_member_state *members,
				   size_t count)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();
	char buf[IP_STR_MAX];

	if (!net_put(o, "Backends", list) ||
	    !net_put_str(o, "HostIP", ip_str(&s->host_ip, buf)) ||
	    !net_put_str(o, "Proto", proto_name(s->proto)) ||
	    !net_put_int(o, "Port", s->port) ||
	    !net_put_str(o, "Service", s->name))
		return NULL;
	for (size_t i = 0; i < count; i++) {
		json_object *m = member_object(&members[i]);

		if (!m || json_object_array_add(list, m) < 0) {
			json_object_put(m);
			return NULL;
		}
	}
	return take_ptr(o);
}

static void add_to_list(void *ctx, const struct dp_service *s,
			const struct dp_member_state *members, size_t count)
{
	struct listing *l = ctx;
	json_object *o = service_object(s, members, count);

	if (!o || json_object_array_add(l->list, o) < 0) {
		json_object_put(o);
		l->failed = true;
	}
}

int net_on_services(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct net_core *core = ctx;
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	struct listing l = { .list = json_object_new_array() };
	int r = 0;

	(void)call;
	if (!net_put(o, "Services", l.list))
		return err_set(err, -ENOMEM, "answer");
	if (core->driver->service_each)
		r = core->driver->service_each(core->host, add_to_list, &l,
					       err);
	if (r < 0)
		return r;
	if (l.failed)
		return err_set(err, -ENOMEM, "answer");
	*ret = take_ptr(o);
	return 0;
}
