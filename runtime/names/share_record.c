// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A host's names of one network, as text and back:
 *
 *   {"node":"a","names":{"10.9.0.2":["web","www"]},"ptr":{"10.9.0.2":"web"}}
 *
 * What others wrote is not believed further than it goes: an address is in the
 * network's subnets, a name is one that may be told.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/jdec.h"
#include "runtime/names/share_priv.h"

#define RECORDS_MAX 16384 /* of a host in a network */

struct writer {
	const struct share_net *net;
	json_object *names, *ptr; /* owned */
	size_t size, left_out;
	bool failed;
};

static bool is_inside(const struct share_net *net, const struct ip_addr *a)
{
	for (size_t i = 0; i < 2; i++)
		if (net->subnet[i].addr.family == a->family &&
		    ip_prefix_contains(&net->subnet[i], a))
			return true;
	return false;
}

static bool array_has(json_object *array, const char *s)
{
	for (size_t i = 0; i < json_object_array_length(array); i++)
		if (!strcasecmp(json_object_get_string(
					json_object_array_get_idx(array, i)),
				s))
			return true;
	return false;
}

static bool add_text(json_object *array, const char *s)
{
	json_object *v = json_object_new_string(s);

	if (v && json_object_array_add(array, v) == 0)
		return true;
	json_object_put(v);
	return false;
}

static bool set(json_object *o, const char *key, json_object *v)
{
	if (v && json_object_object_add(o, key, v) == 0)
		return true;
	json_object_put(v);
	return false;
}

static bool write_one(struct writer *w, enum names_source source,
		      const struct name_record *rec)
{
	json_object *list = NULL;
	bool ptr;
	char addr[IP_STR_MAX];
	size_t more;

	ip_str(&rec->addr, addr);
	json_object_object_get_ex(w->names, addr, &list);
	if (list && array_has(list, rec->name))
		return true;
	/* quotes, commas, brackets and colons */
	more = strlen(rec->name) + 3 + (list ? 0 : strlen(addr) + 6);
	/* as names_reverse() has it: Docker's, else the first */
	ptr = rec->ptr && (source == NAMES_DOCKER ||
			   !json_object_object_get_ex(w->ptr, addr, NULL));
	if (ptr)
		more += strlen(addr) + strlen(rec->name) + 6;
	if (w->size + more > SHARE_VALUE_MAX - 256) {
		w->left_out++;
		return true;
	}
	w->size += more;
	if (!list) {
		list = json_object_new_array();
		if (!set(w->names, addr, list))
			return false;
	}
	if (!add_text(list, rec->name))
		return false;
	return !ptr || set(w->ptr, addr, json_object_new_string(rec->name));
}

static int on_record(void *arg, enum names_source source,
		     const struct name_record *rec)
{
	struct writer *w = arg;

	if (source == NAMES_HOSTS || !is_inside(w->net, &rec->addr))
		return 0;
	if (!write_one(w, source, rec))
		w->failed = true;
	return w->failed;
}

char *share_encode(struct names *names, const struct share_net *net,
		   const char *node, size_t *left_out)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	_cleanup_(json_putp) json_object *all = json_object_new_object();
	_cleanup_(json_putp) json_object *ptr = json_object_new_object();
	struct writer w = { .net = net, .names = all, .ptr = ptr };
	const char *text;

	if (!o || !all || !ptr)
		return NULL;
	(void)names_each(names, net->net, on_record, &w);
	*left_out = w.left_out;
	if (w.failed || !set(o, "node", json_object_new_string(node)) ||
	    !set(o, "names", take_ptr(all)) || !set(o, "ptr", take_ptr(ptr)))
		return NULL;
	text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	return text ? strdup(text) : NULL;
}

/* ---- and back ------------------------------------------------------------------ */

struct record {
	char node[CLUSTER_NODE_MAX];
	json_object *names, *ptr; /* borrowed */
};

static const struct jdec_field record_fields[] = {
	JDEC_FIELD("node", JDEC_ID, struct record, node, JDEC_REQUIRED),
	JDEC_FIELD("names", JDEC_MAP, struct record, names, 0),
	JDEC_FIELD("ptr", JDEC_MAP, struct record, ptr, 0),
	{ 0 },
};

static size_t count_names(json_object *names)
{
	size_t n = 0;

	json_object_object_foreach(names, key, list)
	{
		(void)key;
		if (json_object_is_type(list, json_type_array))
			n += json_object_array_length(list);
	}
	return n;
}

static const char *text_of(json_object *v)
{
	return json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : "";
}

static void read_list(struct share_peer *peer, size_t room,
		      const struct ip_addr *addr, json_object *list,
		      const char *ptr)
{
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *name = text_of(json_object_array_get_idx(list, i));
		struct name_record *rec = &peer->recs[peer->count];

		if (peer->count == room || names_valid(name, NULL) < 0) {
			peer->refused++;
			continue;
		}
		snprintf(rec->name, sizeof(rec->name), "%s", name);
		rec->addr = *addr;
		rec->ptr = !strcasecmp(name, ptr);
		peer->count++;
	}
}

static void read_names(struct share_peer *peer, size_t room,
		       const struct share_net *net, const struct record *rec)
{
	json_object_object_foreach(rec->names, key, list)
	{
		json_object *ptr = NULL;
		struct ip_addr addr;

		if (ip_parse(key, &addr, NULL) < 0 || !is_inside(net, &addr) ||
		    !json_object_is_type(list, json_type_array)) {
			peer->refused++;
			continue;
		}
		if (rec->ptr)
			json_object_object_get_ex(rec->ptr, key, &ptr);
		read_list(peer, room, &addr, list, text_of(ptr));
	}
}

int share_decode(const char *text, size_t len, const struct share_net *net,
		 struct share_peer *peer)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct record rec = { .names = NULL };
	size_t room;

	free(take_ptr(peer->recs));
	peer->count = peer->refused = 0;
	peer->bad = len > SHARE_VALUE_MAX || !cluster_word_valid(peer->node) ||
		    jdec_parse(text, len, &o, NULL) < 0 ||
		    jdec_object(o, record_fields, &rec, NULL) < 0 ||
		    strcmp(rec.node, peer->node) != 0;
	if (peer->bad || !rec.names)
		return 0;
	room = count_names(rec.names);
	if (room > RECORDS_MAX)
		room = RECORDS_MAX;
	peer->recs = calloc(room + 1, sizeof(*peer->recs));
	if (!peer->recs)
		return -ENOMEM;
	read_names(peer, room, net, &rec);
	return 0;
}
