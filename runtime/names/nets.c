// SPDX-License-Identifier: GPL-2.0-or-later
/* The networks of this host whose names are told. */
#include "runtime/names/nets.h"

#include <stdio.h>
#include <string.h>

#include "lib/client.h"
#include "lib/jdec.h"

#define ASK_MS 5000

struct row {
	char id[DOCKER_ID_MAX];
	char bridge[IFNAMSIZ];
	char shared[144];
	bool internal, names;
};

static const struct jdec_field row_fields[] = {
	JDEC_FIELD("NetworkID", JDEC_ID, struct row, id, JDEC_REQUIRED),
	JDEC_FIELD("Bridge", JDEC_STR, struct row, bridge, 0),
	JDEC_FIELD("Shared", JDEC_STR, struct row, shared, 0),
	JDEC_FIELD("Internal", JDEC_BOOL, struct row, internal, 0),
	JDEC_FIELD("Names", JDEC_BOOL, struct row, names, 0),
	{ 0 },
};

void nets_clear(struct nets *n)
{
	free(n->v);
	*n = (struct nets){ .count = 0 };
}

static const char *text_at(json_object *o, const char *key, size_t i)
{
	json_object *a = NULL, *v;

	if (!json_object_object_get_ex(o, key, &a) ||
	    !json_object_is_type(a, json_type_array) ||
	    i >= json_object_array_length(a))
		return NULL;
	v = json_object_array_get_idx(a, i);
	return json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : "";
}

static size_t slot_of(const struct ip_addr *a)
{
	return a->family == AF_INET ? 0 : 1;
}

static int addrs_parse(json_object *o, struct serve_net *s, struct err *err)
{
	struct ip_prefix p;
	struct ip_addr a;
	const char *text;
	int r = 0;

	for (size_t i = 0; r == 0 && (text = text_at(o, "Subnets", i)); i++) {
		r = ip_prefix_parse(text, &p, err);
		if (r == 0)
			s->subnet[slot_of(&p.addr)] = p;
	}
	for (size_t i = 0; r == 0 && (text = text_at(o, "Gateways", i)); i++) {
		r = ip_parse(text, &a, err);
		if (r == 0)
			s->gateway[slot_of(&a)] = a;
	}
	return r < 0 ? err_set(err, -EBADMSG,
			       "a network's subnet or gateway is no address")
		     : 0;
}

/* Return: 1; 0: it has no names. */
static int one_parse(json_object *o, enum nets_driver driver,
		     struct nets_one *ret, struct err *err)
{
	struct row row = { .id = "" };
	int r = jdec_object(o, row_fields, &row, err);

	if (r < 0)
		return r;
	/* one that is being made has no bridge yet */
	if (!row.bridge[0] || (driver == NETS_BRIDGE && !row.names))
		return 0;
	*ret = (struct nets_one){ .driver = driver,
				  .shared = row.shared[0] != '\0' };
	memcpy(ret->id, row.id, sizeof(ret->id));
	if (strlen(row.shared) >= sizeof(ret->serve.net))
		return err_set(err, -EBADMSG, "network %.12s: Shared: too long",
			       row.id);
	snprintf(ret->serve.net, sizeof(ret->serve.net), "%.71s",
		 ret->shared ? row.shared : row.id);
	memcpy(ret->serve.ifname, row.bridge, sizeof(ret->serve.ifname));
	ret->serve.internal = row.internal;
	r = addrs_parse(o, &ret->serve, err);
	return r < 0 ? r : 1;
}

const char *nets_driver_name(enum nets_driver driver)
{
	return driver == NETS_BRIDGE ? "berth-bridge" : "berth-overlay";
}

int nets_parse(json_object *answer, enum nets_driver driver, struct nets *ret,
	       struct err *err)
{
	_cleanup_(nets_clear) struct nets got = { .count = 0 };
	json_object *list = NULL;
	size_t n;
	int r;

	if (!json_object_object_get_ex(answer, "Networks", &list) ||
	    !json_object_is_type(list, json_type_array))
		return err_set(err, -EBADMSG, "%s answers no list of networks",
			       nets_driver_name(driver));
	n = json_object_array_length(list);
	got.v = calloc(n + 1, sizeof(*got.v));
	if (!got.v)
		return err_set(err, -ENOMEM, "networks");
	for (size_t i = 0; i < n; i++) {
		struct nets_one *one = &got.v[got.count];

		r = one_parse(json_object_array_get_idx(list, i), driver, one,
			      err);
		if (r < 0)
			return err_wrap(err, r, "%s", nets_driver_name(driver));
		got.count += (size_t)r;
	}
	*ret = got;
	got = (struct nets){ .count = 0 };
	return 0;
}

int nets_read(const char *plugin_dir, enum nets_driver driver, struct nets *ret,
	      struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/%s.sock", plugin_dir,
		     nets_driver_name(driver)) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "networks");
	}
	r = client_call(path, "Berth.Networks", NULL, ASK_MS, &o, err);
	return r < 0 ? r : nets_parse(o, driver, ret, err);
}

int nets_add(struct nets *to, const struct nets *from, enum nets_driver driver,
	     struct err *err)
{
	struct nets_one *v =
		reallocarray(to->v, to->count + from->count + 1, sizeof(*v));

	if (!v)
		return err_set(err, -ENOMEM, "networks");
	to->v = v;
	for (size_t i = 0; i < from->count; i++)
		if (from->v[i].driver == driver)
			v[to->count++] = from->v[i];
	return 0;
}

bool nets_has(const struct nets *n, enum nets_driver driver)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->v[i].driver == driver)
			return true;
	return false;
}

struct nets_one *nets_find(const struct nets *n, const char *id)
{
	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->v[i].id, id))
			return &n->v[i];
	return NULL;
}

struct domain {
	char id[DOCKER_ID_MAX], name[256];
};

static const struct jdec_field domain_fields[] = {
	JDEC_FIELD("Id", JDEC_ID, struct domain, id, JDEC_REQUIRED),
	JDEC_FIELD("Name", JDEC_STR, struct domain, name, JDEC_REQUIRED),
	{ 0 },
};

void nets_domains(struct nets *n, json_object *networks)
{
	size_t count = json_object_array_length(networks);

	for (size_t i = 0; i < count; i++) {
		struct domain d = { .id = "" };
		struct nets_one *one;

		if (jdec_object(json_object_array_get_idx(networks, i),
				domain_fields, &d, NULL) < 0)
			continue;
		one = nets_find(n, d.id);
		if (one && names_valid(d.name, NULL) == 0)
			snprintf(one->serve.domain, sizeof(one->serve.domain),
				 "%.253s", d.name);
	}
}

static bool one_equal(const struct nets_one *a, const struct nets_one *b)
{
	bool same = !strcmp(a->id, b->id) && a->shared == b->shared &&
		    !strcmp(a->serve.net, b->serve.net) &&
		    !strcmp(a->serve.ifname, b->serve.ifname) &&
		    !strcmp(a->serve.domain, b->serve.domain) &&
		    a->serve.internal == b->serve.internal;

	for (size_t i = 0; same && i < 2; i++)
		same = ip_equal(&a->serve.gateway[i], &b->serve.gateway[i]) &&
		       ip_equal(&a->serve.subnet[i].addr,
				&b->serve.subnet[i].addr) &&
		       a->serve.subnet[i].len == b->serve.subnet[i].len;
	return same;
}

bool nets_equal(const struct nets *a, const struct nets *b)
{
	bool same = a->count == b->count;

	for (size_t i = 0; same && i < a->count; i++)
		same = one_equal(&a->v[i], &b->v[i]);
	return same;
}
