/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at the pool every few seconds, and tells the log what became of it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "volplugins/thin/pool.h"

#define EVERY_S 5

enum level { FINE, LOW, TROUBLE };

static enum level level_of(const struct thin_status *s, char *why, size_t size)
{
	unsigned int full = thin_status_full(s);

	if (thin_status_trouble(s, why, size))
		return TROUBLE;
	if (full < THIN_LOW)
		return FINE;
	snprintf(why, size,
		 "the pool is %u%% full: make it larger (--pool-size), or "
		 "remove snapshots or volumes",
		 full);
	return LOW;
}

/* Each level once, and that it is over. */
static void look(struct thin_pool *p, enum level *last)
{
	struct thin_status s;
	char why[256];
	enum level now;

	if (thin_pool_status(p, &s, NULL) < 0)
		return;
	now = level_of(&s, why, sizeof(why));
	if (now > *last)
		log_warn("op=thin.pool full=%u%% err=\"%s\"",
			 thin_status_full(&s), why);
	else if (now == FINE && *last != FINE)
		log_info("op=thin.pool full=%u%% msg=\"enough room again\"",
			 thin_status_full(&s));
	*last = now;
}

static void *watch(void *arg)
{
	struct thin_pool *p = arg;
	enum level last = FINE;
	bool stop = false;

	while (!stop) {
		struct timespec until;

		look(p, &last);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += EVERY_S;
		pthread_mutex_lock(&p->lock);
		while (!p->stop &&
		       pthread_cond_timedwait(&p->wake, &p->lock, &until) == 0)
			;
		stop = p->stop;
		pthread_mutex_unlock(&p->lock);
	}
	return NULL;
}

int thin_watch_start(struct thin_pool *p, struct err *err)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	r = -pthread_create(&p->thread, NULL, watch, p);
	if (r < 0) {
		pthread_cond_destroy(&p->wake);
		return err_set(err, r, "start a thread: %s", strerror(-r));
	}
	p->started = true;
	return 0;
}

void thin_watch_stop(struct thin_pool *p)
{
	if (!p->started)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	p->started = false;
}
