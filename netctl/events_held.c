/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the events that came are due, and in which order. */
#include "netctl/events_held.h"

#include <errno.h>

#include "lib/jdec.h"
#include "netctl/events.h"
#include "netctl/jget.h"

#define ARRIVED "Arrived" /* of an event that is held */

int events_held_init(struct events_held *h, unsigned int name_ms)
{
	*h = (struct events_held){ .list = json_object_new_array(),
				   .names = json_object_new_object(),
				   .vain = json_object_new_object(),
				   .name_ms = name_ms };
	return h->list && h->names && h->vain ? 0 : -ENOMEM;
}

void events_held_fini(struct events_held *h)
{
	json_object_put(take_ptr(h->list));
	json_object_put(take_ptr(h->names));
	json_object_put(take_ptr(h->vain));
}

void events_held_add(struct events_held *h, const char *driver,
		     json_object *event, uint64_t now_ms)
{
	jset_str(event, "Driver", driver);
	jset(event, ARRIVED, json_object_new_uint64(now_ms));
	if (json_object_array_add(h->list, event) < 0)
		json_object_put(event);
}

void events_held_name(struct events_held *h, json_object *networks)
{
	if (!json_object_is_type(networks, json_type_object))
		return;
	json_object_object_foreach(networks, id, name)
		jset(h->names, id, json_object_get(name));
}

const char *events_held_network(const struct events_held *h, json_object *event)
{
	return jget_str(h->names, events_network(event));
}

/* Is the network's name, which may come later than the network, to be waited for? */
static bool awaits_name(struct events_held *h, json_object *o, uint64_t now_ms)
{
	const char *id = events_network(o);

	if (!*id || *events_held_network(h, o) || jget_bool(h->vain, id))
		return false;
	if (now_ms - (uint64_t)jget_int(o, ARRIVED) < h->name_ms)
		return true;
	jset(h->vain, id, json_object_new_boolean(true));
	return false;
}

/* Up to where in time all is due. */
static int64_t due_until(struct events_held *h, uint64_t now_ms)
{
	int64_t until = INT64_MIN, named = INT64_MAX;

	h->wanted = false;
	for (size_t i = 0; i < jget_len(h->list); i++) {
		json_object *o = json_object_array_get_idx(h->list, i);
		int64_t at = jget_int(o, "TimeNs");

		if (awaits_name(h, o, now_ms)) {
			h->wanted = true;
			named = at - 1 < named ? at - 1 : named;
		}
		if ((uint64_t)jget_int(o, ARRIVED) + EVENTS_HOLD_MS <= now_ms &&
		    at > until)
			until = at;
	}
	return until < named ? until : named;
}

static int by_time(const void *a, const void *b)
{
	json_object *x = *(json_object *const *)a,
		    *y = *(json_object *const *)b;
	int64_t tx = jget_int(x, "TimeNs"), ty = jget_int(y, "TimeNs");

	if (tx != ty)
		return tx < ty ? -1 : 1;
	tx = jget_int(x, "Seq");
	ty = jget_int(y, "Seq");
	return tx < ty ? -1 : tx > ty;
}

int events_held_due(struct events_held *h, uint64_t now_ms, bool all,
		    json_object **ret)
{
	_cleanup_(json_putp) json_object *due = json_object_new_array();
	_cleanup_(json_putp) json_object *rest = json_object_new_array();
	int64_t until = due_until(h, now_ms);

	if (!due || !rest)
		return -ENOMEM;
	for (size_t i = 0; i < jget_len(h->list); i++) {
		json_object *o = json_object_array_get_idx(h->list, i);
		bool now = all || jget_int(o, "TimeNs") <= until;

		if (json_object_array_add(now ? due : rest,
					  json_object_get(o)) < 0) {
			json_object_put(o);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < jget_len(due); i++)
		json_object_object_del(json_object_array_get_idx(due, i),
				       ARRIVED);
	json_object_array_sort(due, by_time);
	json_object_put(h->list);
	h->list = take_ptr(rest);
	*ret = take_ptr(due);
	return 0;
}
