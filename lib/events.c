/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A ring of events under one lock, and who waits for the next. */
#include "lib/events.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct events {
	pthread_mutex_t lock;
	pthread_cond_t came; /* CLOCK_MONOTONIC */
	uint64_t run, last;  /* .last: number of the newest; 0: none */
	unsigned int waiters;
	bool ended;
	struct event ring[EVENTS_KEPT]; /* number n is at n % EVENTS_KEPT */
};

static uint64_t wall_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct events *events_new(void)
{
	/* Pages that no event has reached are none of the process' memory. */
	struct events *e = calloc(1, sizeof(*e));
	pthread_condattr_t attr;

	if (!e)
		return NULL;
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->came, &attr);
	pthread_condattr_destroy(&attr);
	e->run = wall_ns() / 1000000; /* fits a double, as some read JSON */
	return e;
}

void events_free(struct events *e)
{
	if (!e)
		return;
	pthread_cond_destroy(&e->came);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

uint64_t events_run(const struct events *e)
{
	return e->run;
}

void events_add(struct events *e, const char *type, const char *action,
		const char *id, const char *of)
{
	struct event *ev;

	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	ev = &e->ring[++e->last % EVENTS_KEPT];
	ev->seq = e->last;
	ev->time_ns = (int64_t)wall_ns();
	snprintf(ev->type, sizeof(ev->type), "%s", type);
	snprintf(ev->action, sizeof(ev->action), "%s", action);
	snprintf(ev->id, sizeof(ev->id), "%s", id ? id : "");
	snprintf(ev->of, sizeof(ev->of), "%s", of ? of : "");
	pthread_cond_broadcast(&e->came);
	pthread_mutex_unlock(&e->lock);
}

int events_wait(struct events *e, uint64_t after, unsigned int wait_ms)
{
	struct timespec end;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += wait_ms / 1000;
	end.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (end.tv_nsec >= 1000000000) {
		end.tv_sec++;
		end.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&e->lock);
	if (e->last <= after && e->waiters == EVENTS_WAITERS)
		r = -EBUSY;
	e->waiters += r == 0;
	while (r == 0 && e->last <= after && !e->ended)
		if (pthread_cond_timedwait(&e->came, &e->lock, &end) ==
		    ETIMEDOUT)
			break;
	e->waiters -= r == 0;
	pthread_mutex_unlock(&e->lock);
	return r;
}

void events_end(struct events *e)
{
	pthread_mutex_lock(&e->lock);
	e->ended = true;
	pthread_cond_broadcast(&e->came);
	pthread_mutex_unlock(&e->lock);
}

int events_read(struct events *e, uint64_t after, unsigned int max,
		struct events_copy *ret)
{
	struct events_copy c = { 0 };
	uint64_t first;
	int r = 0;

	pthread_mutex_lock(&e->lock);
	first = e->last > EVENTS_KEPT ? e->last - EVENTS_KEPT + 1 : 1;
	if (after > e->last) /* of another run */
		after = e->last;
	c.missed = after + 1 < first ? first - after - 1 : 0;
	after += c.missed;
	c.count = e->last - after < max ? (size_t)(e->last - after) : max;
	c.last = after + c.count;
	if (c.count) {
		c.list = malloc(c.count * sizeof(*c.list));
		r = c.list ? 0 : -ENOMEM;
	}
	for (size_t i = 0; r == 0 && i < c.count; i++)
		c.list[i] = e->ring[(after + 1 + i) % EVENTS_KEPT];
	pthread_mutex_unlock(&e->lock);
	if (r == 0)
		*ret = c;
	return r;
}

void events_copy_fini(struct events_copy *c)
{
	free(take_ptr(c->list));
}
