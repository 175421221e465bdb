/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events_held.h - events of several daemons, held until those of before have come from the
 * others too, and until the name of their network is known: then they are due, in order of
 * time.
 */
#ifndef NETCTL_EVENTS_HELD_H
#define NETCTL_EVENTS_HELD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"

#define EVENTS_HOLD_MS 100 /* those of others may be on their way */

struct events_held {
	json_object *list;  /* owned */
	json_object *names; /* owned: of networks, by id */
	json_object *vain;  /* owned: ids that were waited for in vain */
	unsigned int
		name_ms; /* a name is waited for so long, once for each network */
	bool wanted;     /* one is waited for */
};

/* Return: 0; -ENOMEM.  Fini in any case. */
int events_held_init(struct events_held *h, unsigned int name_ms);
void events_held_fini(struct events_held *h);

/* Takes @event, that came at @now_ms (CLOCK_MONOTONIC). */
void events_held_add(struct events_held *h, const char *driver,
		     json_object *event, uint64_t now_ms);

/* More names; those that are gone stay known: events of them are yet to come. */
void events_held_name(struct events_held *h, json_object *networks);
/* Borrowed; "". */
const char *events_held_network(const struct events_held *h,
				json_object *event);

/*
 * events_held_due() - those whose time has come, and no longer held.  Sets .wanted.
 *
 * @all: hold nothing back.
 * @ret: owned array, in order of time.  Return: 0; -ENOMEM: all are still held.
 */
int events_held_due(struct events_held *h, uint64_t now_ms, bool all,
		    json_object **ret);

#endif
