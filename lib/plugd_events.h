/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugd_events.h - a daemon's events: its requests that succeeded, by a table, and what it
 * adds itself; read by /Berth.Events.
 */
#ifndef LIB_PLUGD_EVENTS_H
#define LIB_PLUGD_EVENTS_H

#include "lib/plugd.h"

/* A method whose success is an event. */
struct plugd_event {
	const char *method;
	const char *type, *action;
	/* Members of the answer, or else of the request, that say of what, and where or
	 * for whom; NULL: nothing does. */
	const char *id, *of;
};

/* For rpc_config.done; @ctx: a struct plugd. */
void plugd_event_done(void *ctx, const struct rpc_call *call,
		      json_object *answer);
/* Berth.Events; @ctx: a struct plugd. */
int plugd_on_events(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err);

#endif
