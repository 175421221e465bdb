// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What Docker says of a container, as names.
 *
 * As dockerd 20.10 answers (captured in test/): a stopped container keeps its networks
 * and aliases, with addresses "", one that was never started has them without network
 * id, and one that restarts over and over runs.  A connect to an alias comes as a
 * "connect" of the network with the container's id, on "docker run" before the
 * container's "start"; a disconnect comes twice.
 */
#include "runtime/names/docker_names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/jdec.h"

#define ALIASES_MAX 1024 /* of a container in a network */

struct state {
	bool running;
};

struct container {
	char id[DOCKER_ID_MAX];
	char name[NAMES_NAME_MAX + 1]; /* with its '/' */
	struct state state;
	json_object *settings; /* borrowed */
};

static const struct jdec_field state_fields[] = {
	JDEC_FIELD("Running", JDEC_BOOL, struct state, running, 0),
	{ 0 },
};

static const struct jdec_field container_fields[] = {
	JDEC_FIELD("Id", JDEC_ID, struct container, id, JDEC_REQUIRED),
	JDEC_FIELD("Name", JDEC_STR, struct container, name, JDEC_REQUIRED),
	JDEC_FIELD_OBJ("State", struct container, state, state_fields,
		       JDEC_REQUIRED),
	JDEC_FIELD("NetworkSettings", JDEC_MAP, struct container, settings, 0),
	{ 0 },
};

struct endpoint {
	char network[DOCKER_ID_MAX];
	struct ip_addr addr4, addr6;
};

static const struct jdec_field endpoint_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_STR, struct endpoint, network, 0),
	JDEC_FIELD("IPAddress", JDEC_IP, struct endpoint, addr4, 0),
	JDEC_FIELD("GlobalIPv6Address", JDEC_IP, struct endpoint, addr6, 0),
	{ 0 },
};

void docker_names_clear(struct docker_container *c)
{
	for (size_t i = 0; i < c->count; i++)
		free(c->nets[i].recs);
	free(c->nets);
	*c = (struct docker_container){ .count = 0 };
}

static bool has_name(const struct docker_net *net, const char *name)
{
	for (size_t i = 0; i < net->count; i++)
		if (!strcasecmp(net->recs[i].name, name))
			return true;
	return false;
}

/* ->recs has room. */
static void name_add(struct docker_net *net, const struct endpoint *ep,
		     const char *name, bool ptr)
{
	const struct ip_addr *addrs[] = { &ep->addr4, &ep->addr6 };

	if (!name || names_valid(name, NULL) < 0) {
		net->refused++;
		return;
	}
	if (has_name(net, name))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++) {
		struct name_record *rec = &net->recs[net->count];

		if (ip_is_none(addrs[i]))
			continue;
		snprintf(rec->name, sizeof(rec->name), "%s", name);
		rec->addr = *addrs[i];
		rec->ptr = ptr;
		net->count++;
	}
}

static const char *text_at(json_object *array, size_t i)
{
	json_object *v = json_object_array_get_idx(array, i);

	return json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : NULL;
}

static size_t names_in(json_object *o, const char *key, json_object **ret)
{
	size_t n;

	if (!json_object_object_get_ex(o, key, ret) ||
	    !json_object_is_type(*ret, json_type_array))
		return 0;
	n = json_object_array_length(*ret);
	return n < ALIASES_MAX ? n : ALIASES_MAX;
}

/* "Aliases" had the short id and the host name, too; since Docker 26 (API 1.45) it has
 * only what the user gave, and "DNSNames" all (moby, api/server/router/container). */
static int net_parse(json_object *o, const char *name, struct docker_net *ret,
		     struct err *err)
{
	struct endpoint ep = { 0 };
	json_object *aliases = NULL, *all = NULL;
	size_t n, m;
	int r = jdec_object(o, endpoint_fields, &ep, err);

	if (r < 0 || !ep.network[0] ||
	    (ip_is_none(&ep.addr4) && ip_is_none(&ep.addr6)))
		return r;
	n = names_in(o, "Aliases", &aliases);
	m = names_in(o, "DNSNames", &all);
	ret->recs = calloc(2 * (n + m + 1), sizeof(*ret->recs));
	if (!ret->recs)
		return err_set(err, -ENOMEM, "container %s", name);
	memcpy(ret->id, ep.network, sizeof(ret->id));
	name_add(ret, &ep, name, true);
	for (size_t i = 0; i < n; i++)
		name_add(ret, &ep, text_at(aliases, i), false);
	for (size_t i = 0; i < m; i++)
		name_add(ret, &ep, text_at(all, i), false);
	return 0;
}

static int nets_parse(const struct container *c, const char *name,
		      struct docker_container *ret, struct err *err)
{
	json_object *nets = NULL;
	int r = 0;

	if (!c->settings ||
	    !json_object_object_get_ex(c->settings, "Networks", &nets) ||
	    !json_object_is_type(nets, json_type_object))
		return 0;
	ret->nets = calloc((size_t)json_object_object_length(nets) + 1,
			   sizeof(*ret->nets));
	if (!ret->nets)
		return err_set(err, -ENOMEM, "container %s", name);
	json_object_object_foreach(nets, key, o)
	{
		struct docker_net *net = &ret->nets[ret->count];

		r = net_parse(o, name, net, err);
		if (r < 0)
			return err_wrap(err, r, "container %s, network %.64s",
					name, key);
		if (net->recs)
			ret->count++;
	}
	return 0;
}

int docker_names_parse(json_object *inspect, struct docker_container *ret,
		       struct err *err)
{
	struct docker_container got = { .count = 0 };
	struct container c = { .settings = NULL };
	const char *name;
	int r = jdec_object(inspect, container_fields, &c, err);

	if (r < 0)
		return err_wrap(err, r, "what dockerd says of a container");
	memcpy(got.id, c.id, sizeof(got.id));
	name = c.name[0] == '/' ? c.name + 1 : c.name;
	if (c.state.running)
		r = nets_parse(&c, name, &got, err);
	if (r < 0)
		docker_names_clear(&got);
	else
		*ret = got;
	return r;
}

/* ---- events ------------------------------------------------------------------ */

struct actor {
	char id[DOCKER_ID_MAX];
	json_object *attributes; /* borrowed */
};

struct event {
	char type[32], action[128];
	struct actor actor;
};

static const struct jdec_field actor_fields[] = {
	JDEC_FIELD("ID", JDEC_STR, struct actor, id, 0),
	JDEC_FIELD("Attributes", JDEC_MAP, struct actor, attributes, 0),
	{ 0 },
};

static const struct jdec_field event_fields[] = {
	JDEC_FIELD("Type", JDEC_STR, struct event, type, 0),
	JDEC_FIELD("Action", JDEC_STR, struct event, action, 0),
	JDEC_FIELD_OBJ("Actor", struct event, actor, actor_fields, 0),
	{ 0 },
};

static bool one_of(const char *s, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(s, *list))
			return true;
	return false;
}

bool docker_event_parse(json_object *event, struct docker_event *ret)
{
	static const char *const of_container[] = { "start",   "die",
						    "destroy", "rename",
						    "restart", NULL };
	static const char *const of_link[] = { "connect", "disconnect", NULL };
	static const char *const of_network[] = { "create", "destroy", "remove",
						  "update", NULL };
	struct event e = { .actor.attributes = NULL };
	json_object *v = NULL;

	*ret = (struct docker_event){ .networks = false };
	if (jdec_object(event, event_fields, &e, NULL) < 0)
		return false;
	if (!strcmp(e.type, "container") && one_of(e.action, of_container)) {
		memcpy(ret->container, e.actor.id, sizeof(ret->container));
	} else if (!strcmp(e.type, "network") && one_of(e.action, of_link)) {
		if (e.actor.attributes &&
		    json_object_object_get_ex(e.actor.attributes, "container",
					      &v) &&
		    json_object_is_type(v, json_type_string))
			snprintf(ret->container, sizeof(ret->container), "%s",
				 json_object_get_string(v));
	} else if (!strcmp(e.type, "network")) {
		ret->networks = one_of(e.action, of_network);
	}
	return ret->networks || ret->container[0];
}
