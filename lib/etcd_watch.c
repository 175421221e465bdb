// SPDX-License-Identifier: GPL-2.0-or-later
/* Watches of etcd: one connection, a line of JSON for what happened. */
#include <stdio.h>
#include <string.h>

#include "lib/etcd_priv.h"
#include "lib/jdec.h"

struct etcd_watch {
	struct client_stream *stream; /* owned */
};

static int create(json_object *array, const struct etcd_watch_range *w)
{
	json_object *in = json_object_new_object();
	json_object *o = json_object_new_object();
	int r = etcd_json_add_bytes(in, "key", w->key);

	if (r == 0 && w->end)
		r = etcd_json_add_bytes(in, "range_end", w->end);
	if (r == 0 && w->since)
		r = etcd_json_add_s64(in, "start_revision", w->since);
	if (r < 0)
		json_object_put(in);
	else
		r = etcd_json_add(o, "create_request", in);
	if (r == 0 && json_object_array_add(array, o) == 0)
		return 0;
	json_object_put(o);
	return -ENOMEM;
}

/* The gateway takes one document after the other for requests of one stream. */
static char *body_of(const struct etcd_watch_range *ranges, size_t count)
{
	_cleanup_(json_putp) json_object *all = json_object_new_array();
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	bool ok = f && all;

	for (size_t i = 0; ok && i < count; i++) {
		ok = create(all, &ranges[i]) == 0;
		if (ok)
			fprintf(f, "%s\n",
				json_object_to_json_string_ext(
					json_object_array_get_idx(all, i),
					JSON_C_TO_STRING_PLAIN));
	}
	if (f && fclose(f) != 0)
		ok = false;
	if (ok)
		return text;
	free(text);
	return NULL;
}

int etcd_watch_open(struct etcd *e, const struct etcd_watch_range *ranges,
		    size_t count, struct etcd_watch **ret, struct err *err)
{
	_cleanup_(etcd_watch_closep) struct etcd_watch *w =
		calloc(1, sizeof(*w));
	_cleanup_free_ char *body = body_of(ranges, count);
	struct client_post p = {
		.path = "/v3/watch",
		.body = body,
		.timeout_ms = e->cfg.timeout_ms,
		.max = ETCD_ANSWER_MAX,
	};
	int r;

	if (!w || !body)
		return err_set(err, -ENOMEM, "etcd: watch");
	pthread_mutex_lock(&e->lock);
	p.host = e->cfg.member[e->at];
	p.token = e->token; /* got by the calls before */
	r = client_stream_open(e->cfg.ca ? &e->tls : NULL, &p, &w->stream, err);
	pthread_mutex_unlock(&e->lock);
	if (r < 0)
		return r;
	*ret = take_ptr(w);
	return 0;
}

void etcd_watch_close(struct etcd_watch *w)
{
	if (!w)
		return;
	client_stream_close(w->stream);
	free(w);
}

void etcd_events_clear(struct etcd_events *events)
{
	for (size_t i = 0; i < events->count; i++)
		etcd_kv_clear(&events->v[i].kv);
	free(take_ptr(events->v));
	events->count = 0;
}

static int event_from(json_object *o, struct etcd_event *ret, struct err *err)
{
	json_object *v, *kv;
	int r;

	if (!json_object_is_type(o, json_type_object))
		return err_set(err, -EBADMSG, "etcd's answer: events");
	ret->deleted = json_object_object_get_ex(o, "type", &v) &&
		       json_object_is_type(v, json_type_string) &&
		       !strcmp(json_object_get_string(v), "DELETE");
	r = etcd_json_object(o, "kv", &kv, err);
	if (r == 0 && !kv)
		r = err_set(err, -EBADMSG, "etcd's answer: events without kv");
	return r < 0 ? r : etcd_json_kv(kv, &ret->kv, err);
}

static int events_from(json_object *res, struct etcd_events *ret,
		       struct err *err)
{
	json_object *a;
	size_t n;
	int r = etcd_json_array(res, "events", &a, err);

	if (r < 0 || !a)
		return r;
	n = json_object_array_length(a);
	ret->v = calloc(n ? n : 1, sizeof(*ret->v));
	if (!ret->v)
		return err_set(err, -ENOMEM, "etcd: watch");
	while (r == 0 && ret->count < n) {
		r = event_from(json_object_array_get_idx(a, ret->count),
			       &ret->v[ret->count], err);
		ret->count++;
	}
	return r;
}

static int line_from(json_object *o, struct etcd_events *ret, struct err *err)
{
	json_object *res, *v;
	bool canceled = false;
	int64_t compacted = 0;
	int r;

	if (json_object_object_get_ex(o, "error", &v))
		return etcd_error(o, "watch", err);
	r = etcd_json_object(o, "result", &res, err);
	if (r == 0 && !res)
		r = err_set(err, -EBADMSG, "etcd's answer: result: missing");
	if (r == 0)
		r = etcd_json_head(res, &ret->head, err);
	if (r == 0)
		r = etcd_json_bool(res, "created", &ret->created, err);
	if (r == 0)
		r = etcd_json_bool(res, "canceled", &canceled, err);
	if (r == 0)
		r = etcd_json_s64(res, "compact_revision", &compacted, err);
	if (r == 0 && compacted)
		r = err_set(err, -ERANGE, "the watch's revision is compacted");
	if (r == 0 && canceled)
		r = err_set(err, -ECANCELED, "etcd ended the watch");
	return r < 0 ? r : events_from(res, ret, err);
}

int etcd_watch_next(struct etcd_watch *w, int wake_fd, unsigned int timeout_ms,
		    struct etcd_events *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	struct etcd_events got = { 0 };
	int r = client_stream_next(w->stream, wake_fd, timeout_ms, &o, err);

	if (r <= 0)
		return r;
	r = line_from(o, &got, err);
	if (r < 0) {
		etcd_events_clear(&got);
		return r;
	}
	*ret = got;
	return 1;
}
