/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A daemon's requests as events, and the method that reads them. */
#include "lib/plugd_events.h"

#include <errno.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/events.h"
#include "lib/jdec.h"

#define READ_MAX    500
#define WAIT_MAX_MS 2000 /* a reader keeps one of the server's threads */

/* ---- written ------------------------------------------------------------------------- */

static const char *member(json_object *o, const char *key)
{
	json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v) ||
	    (!json_object_is_type(v, json_type_string) &&
	     !json_object_is_type(v, json_type_int)))
		return "";
	return json_object_get_string(v);
}

static const char *named(const char *key, json_object *answer,
			 json_object *body)
{
	const char *s = key ? member(answer, key) : "";

	return !key || *s ? s : member(body, key);
}

void plugd_event_done(void *ctx, const struct rpc_call *call,
		      json_object *answer)
{
	const struct plugd *d = ctx;

	for (const struct plugd_event *e = d->prog->events; e && e->method; e++)
		if (strcmp(e->method, call->method) == 0) {
			events_add(d->events, e->type, e->action,
				   named(e->id, answer, call->body),
				   named(e->of, answer, call->body));
			return;
		}
}

/* ---- read ---------------------------------------------------------------------------- */

struct read_req {
	uint64_t run, after;
	uint32_t wait_ms;
	bool all;
};

static const struct jdec_field read_fields[] = {
	JDEC_FIELD("Run", JDEC_U64, struct read_req, run, 0),
	JDEC_FIELD("After", JDEC_U64, struct read_req, after, 0),
	JDEC_FIELD("WaitMs", JDEC_U32, struct read_req, wait_ms, 0),
	JDEC_FIELD("All", JDEC_BOOL, struct read_req, all, 0),
	{ 0 },
};

static int put(json_object *o, const char *key, json_object *v)
{
	if (v && json_object_object_add(o, key, v) == 0)
		return 0;
	json_object_put(v);
	return -ENOMEM;
}

static int add_event(json_object *list, const struct event *ev)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();

	if (!o || put(o, "Seq", json_object_new_uint64(ev->seq)) < 0 ||
	    put(o, "TimeNs", json_object_new_int64(ev->time_ns)) < 0 ||
	    put(o, "Type", json_object_new_string(ev->type)) < 0 ||
	    put(o, "Action", json_object_new_string(ev->action)) < 0 ||
	    put(o, "ID", json_object_new_string(ev->id)) < 0 ||
	    put(o, "Of", json_object_new_string(ev->of)) < 0 ||
	    json_object_array_add(list, o) < 0)
		return -ENOMEM;
	o = NULL; /* the list's */
	return 0;
}

static int answer_read(struct events *e, const struct read_req *req,
		       json_object **ret)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();
	bool same = req->run == events_run(e);
	_cleanup_(events_copy_fini) struct events_copy got = { 0 };
	/* From now on, but for who wants all that is kept. */
	uint64_t after = same                   ? req->after
			 : req->run || req->all ? 0
						: UINT64_MAX;

	if (!o || put(o, "Events", list) < 0)
		return -ENOMEM;
	if (events_read(e, after, READ_MAX, &got) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < got.count; i++)
		if (add_event(list, &got.list[i]) < 0)
			return -ENOMEM;
	if (put(o, "Run", json_object_new_uint64(events_run(e))) < 0 ||
	    put(o, "Last", json_object_new_uint64(got.last)) < 0 ||
	    put(o, "Missed",
		json_object_new_uint64(req->all && !same ? 0 : got.missed)) < 0)
		return -ENOMEM;
	*ret = take_ptr(o);
	return 0;
}

int plugd_on_events(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err)
{
	const struct plugd *d = ctx;
	struct read_req req = { 0 };
	uint64_t start;
	int r = call->body ? jdec_object(call->body, read_fields, &req, err)
			   : 0;

	if (r < 0)
		return r;
	if (req.wait_ms > WAIT_MAX_MS)
		return err_set(err, -EINVAL, "WaitMs: not in 0..%u",
			       WAIT_MAX_MS);
	if (req.run == events_run(d->events) && req.wait_ms) {
		start = clock_mono_ns();
		r = events_wait(d->events, req.after, req.wait_ms);
		call->waited_us = (clock_mono_ns() - start) / 1000;
		/* Its peer says it, and asks again. */
		call->usual = r == -EBUSY;
		if (r < 0)
			return err_set(err, r,
				       "%u others wait for events of %s",
				       EVENTS_WAITERS, d->prog->name);
	}
	return answer_read(d->events, &req, ret) < 0
		       ? err_set(err, -ENOMEM, "answer")
		       : 0;
}
