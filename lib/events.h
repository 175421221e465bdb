/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.h - what happened in a daemon, the newest EVENTS_KEPT of it, for readers who wait.
 *
 * Memory is bounded: the oldest gives way.  Each event has a number, one more than the one
 * before, so that a reader who is late learns how many it missed.  Nothing is kept over a
 * restart; .run says whether the numbers are still those of before.
 */
#ifndef LIB_EVENTS_H
#define LIB_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"

#define EVENTS_KEPT    1024
#define EVENTS_WAITERS 8 /* each keeps a thread */

struct event {
	uint64_t seq;    /* from 1 on */
	int64_t time_ns; /* since 1970 */
	char type[12];   /* "network", "endpoint", "volume" */
	char action[16]; /* "create" */
	char id[128];    /* of what; cut where it is longer */
	char of[128];    /* where, or for whom; "" */
};

struct events;

/* NULL: no memory. */
struct events *events_new(void);
void events_free(struct events *e); /* nobody waits any more; NULL is fine */
DEFINE_CLEANUP(struct events, events_free)

/* events_run() - a number of this ring alone: another after a restart. */
uint64_t events_run(const struct events *e);

/* events_add() - at the end, with the time of now.  @type, @action: short words; @id, @of:
 * may be NULL.  NULL @e is fine. */
void events_add(struct events *e, const char *type, const char *action,
		const char *id, const char *of);

/*
 * events_wait() - until there is one after @after, @wait_ms are over, or events_end().
 * Return: 0; -EBUSY: EVENTS_WAITERS wait already.
 */
int events_wait(struct events *e, uint64_t after, unsigned int wait_ms);
/* Nobody waits from now on. */
void events_end(struct events *e);

struct events_copy {
	struct event *list; /* owned; oldest first */
	size_t count;
	/* Number of the last of them, or of the newest there is where there are none. */
	uint64_t last;
	uint64_t
		missed; /* how many after the number asked for were gone already */
};

/* events_read() - those after @after, @max at most; a copy, so that whoever has something to
 * tell waits for nobody who reads.  Return: 0; -ENOMEM. */
int events_read(struct events *e, uint64_t after, unsigned int max,
		struct events_copy *ret);
void events_copy_fini(struct events_copy *c);

#endif
