// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods of berth-dns, for netctl. */
#include <string.h>

#include "lib/answer.h"
#include "lib/jdec.h"
#include "runtime/names/dns.h"

struct request {
	char net[NAMES_NET_MAX], name[NAMES_NAME_MAX];
	struct ip_addr addr;
	bool alias;
};

static const struct jdec_field list_fields[] = {
	JDEC_FIELD("Network", JDEC_STR, struct request, net, 0), /* "": all */
	{ 0 },
};

static const struct jdec_field add_fields[] = {
	JDEC_FIELD("Network", JDEC_STR, struct request, net, JDEC_REQUIRED),
	JDEC_FIELD("Name", JDEC_STR, struct request, name, JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_IP, struct request, addr, JDEC_REQUIRED),
	JDEC_FIELD("Alias", JDEC_BOOL, struct request, alias, 0),
	{ 0 },
};

static const struct jdec_field remove_fields[] = {
	JDEC_FIELD("Network", JDEC_STR, struct request, net, JDEC_REQUIRED),
	JDEC_FIELD("Name", JDEC_STR, struct request, name, JDEC_REQUIRED),
	JDEC_FIELD("Address", JDEC_IP, struct request, addr, 0),
	{ 0 },
};

static int on_info(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct dns *dns = ctx;
	json_object *list;
	int r = answer_info(ret, dns->d->prog->name, "names", &dns->started,
			    &list, err);

	(void)call;
	if (r < 0)
		return r;
	serve_problems(dns->serve, answer_line, list);
	sources_problems(dns->sources, answer_line, list);
	return 0;
}

struct listing {
	json_object *list; /* borrowed */
	const char *key;
	char net[NAMES_NAME_MAX]; /* as a user calls it */
};

static int list_one(void *arg, enum names_source source,
		    const struct name_record *rec)
{
	static const char *const told_by[NAMES_SOURCES] = {
		[NAMES_DOCKER] = "docker",
		[NAMES_USER] = "user",
		[NAMES_HOSTS] = "hosts",
	};
	json_object *o = json_object_new_object();
	struct listing *to = arg;
	char addr[IP_STR_MAX];

	if (answer_text(o, "Network", to->net) ||
	    answer_text(o, "Key", to->key) ||
	    answer_text(o, "Name", rec->name) ||
	    answer_text(o, "Address", ip_str(&rec->addr, addr)) ||
	    answer_text(o, "Source", told_by[source]) ||
	    json_object_array_add(to->list, o) < 0) {
		json_object_put(o);
		return -ENOMEM;
	}
	return 0;
}

static int list_net(struct dns *dns, const char *key, struct listing *to)
{
	to->key = key;
	sources_net_name(dns->sources, key, to->net);
	return names_each(dns->names, key, list_one, to);
}

static int list_all(struct dns *dns, struct listing *to)
{
	_cleanup_free_ char(*nets)[NAMES_NET_MAX] = NULL;
	size_t count = 0;
	int r = names_nets(dns->names, &nets, &count);

	for (size_t i = 0; r == 0 && i < count; i++)
		r = list_net(dns, nets[i], to);
	return r;
}

/* One that is not here now goes by its key: names may be on record.  Return: as
 * sources_net(). */
static int net_find(struct dns *dns, struct request *req, struct err *err)
{
	char key[NAMES_NET_MAX];
	int r = sources_net(dns->sources, req->net, key, err);

	if (r == 0)
		memcpy(req->net, key, sizeof(req->net));
	return r;
}

static int on_names(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	struct request req = { 0 };
	struct listing to = { .list = NULL };
	struct dns *dns = ctx;
	int there = 0, r = 0;

	if (call->body)
		r = jdec_object(call->body, list_fields, &req, err);
	if (r == 0)
		r = answer_list(ret, "Names", &to.list, err);
	if (r < 0)
		return r;
	if (*req.net)
		there = net_find(dns, &req, err);
	r = *req.net ? list_net(dns, req.net, &to) : list_all(dns, &to);
	if (r < 0)
		return answer_no_memory(err);
	return json_object_array_length(to.list) ? 0 : there;
}

static int on_add(void *ctx, struct rpc_call *call, json_object **ret,
		  struct err *err)
{
	struct request req = { 0 };
	struct dns *dns = ctx;
	char key[NAMES_NET_MAX];
	int r = jdec_object(call->body, add_fields, &req, err);

	(void)ret;
	if (r == 0)
		r = sources_net(dns->sources, req.net, key, err);
	if (r == 0)
		r = names_user_add(dns->user, key, req.name, &req.addr,
				   req.alias, err);
	if (r == 0)
		sources_kick(dns->sources);
	return r;
}

static int on_remove(void *ctx, struct rpc_call *call, json_object **ret,
		     struct err *err)
{
	struct request req = { 0 };
	struct dns *dns = ctx;
	int r = jdec_object(call->body, remove_fields, &req, err);

	(void)ret;
	if (r < 0)
		return r;
	(void)net_find(dns, &req, NULL);
	r = names_user_remove(dns->user, req.net, req.name, &req.addr, err);
	if (r == 0)
		sources_kick(dns->sources);
	return r;
}

/* What `netctl gc` asks of all daemons: in the kernel there is nothing of ours. */
static int on_gc(void *ctx, struct rpc_call *call, json_object **ret,
		 struct err *err)
{
	json_object *list;

	(void)ctx;
	(void)call;
	return answer_list(ret, "Removed", &list, err);
}

const struct rpc_method names_api_methods[] = {
	{ "Berth.Info", on_info },         { "Berth.Gc", on_gc },
	{ "Berth.Names", on_names },       { "Berth.NameAdd", on_add },
	{ "Berth.NameRemove", on_remove }, { 0 },
};

const struct jdec_field *names_api_fields(const char *method)
{
	static const struct {
		const char *method;
		const struct jdec_field *fields;
	} tables[] = {
		{ "Berth.Names", list_fields },
		{ "Berth.NameAdd", add_fields },
		{ "Berth.NameRemove", remove_fields },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (!strcmp(method, tables[i].method))
			return tables[i].fields;
	return NULL;
}
