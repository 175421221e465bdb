/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at the pool every few seconds, and tells the log what became of it.
 *
 * What asks the kernel of a pool waits for a commit of its metadata, and so for as
 * long as its disk hangs: only who needs the pool anyway does that, and the thread
 * here.  All others have what it saw last.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "volplugins/thin/pool.h"

#define EVERY_S 5

static int64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + 1; /* 0 is never */
}

/* ---- what was seen ---------------------------------------------------------------- */

int thin_watch_ask(struct thin_pool *p, struct thin_status *ret,
		   struct err *err)
{
	char name[DMX_NAME_MAX], line[DMX_PARAMS_MAX];
	struct err why = { 0 };
	int r;

	snprintf(name, sizeof(name), "%s-pool", p->prefix);
	r = dmx_status(name, "thin-pool", line, sizeof(line), &why);
	if (r == 0)
		r = thin_status_parse(line, ret, &why);
	pthread_mutex_lock(&p->seen.lock);
	p->seen.at = now_s();
	p->seen.why = why;
	if (r == 0) {
		p->seen.status = *ret;
		p->seen.why.msg[0] = '\0';
	}
	pthread_mutex_unlock(&p->seen.lock);
	return r < 0 ? err_set(err, r, "%s", why.msg) : 0;
}

int thin_pool_seen(struct thin_pool *p, struct thin_status *ret,
		   uint64_t *ret_age, struct err *err)
{
	struct thin_seen *s = &p->seen;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	*ret = s->status;
	*ret_age = (uint64_t)(now_s() - s->at);
	if (!s->at)
		r = err_set(err, -ENOENT, "there is no thin pool");
	else if (s->why.msg[0])
		r = err_set(err, -EIO, "%s", s->why.msg);
	pthread_mutex_unlock(&s->lock);
	return r;
}

const char *thin_pool_trouble(struct thin_pool *p, char *buf, size_t size)
{
	struct err why = { 0 };
	struct thin_status s;
	uint64_t age;
	int r;

	pthread_mutex_lock(&p->seen.lock);
	snprintf(buf, size, "%s", p->why.msg[0] ? p->why.msg : p->doubt.msg);
	pthread_mutex_unlock(&p->seen.lock);
	if (*buf)
		return buf;
	r = thin_pool_seen(p, &s, &age, &why);
	if (r == -ENOENT)
		return NULL;
	if (r < 0) {
		snprintf(buf, size, "%s", why.msg);
		return buf;
	}
	if (age < THIN_SILENT_S)
		return thin_status_trouble(&s, buf, size);
	snprintf(buf, size,
		 "the pool has not answered for %" PRIu64
		 " s: its disk hangs, or is very slow (dmesg, dmsetup info "
		 "%s-pool)",
		 age, p->prefix);
	return buf;
}

int thin_device_mapped(struct thin_pool *p, uint32_t number, uint64_t *ret,
		       struct err *err)
{
	struct thin_seen *s = &p->seen;
	int r = -ENOENT;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; r < 0 && i < s->mapped_count; i++) {
		if (s->mapped[i].number != number)
			continue;
		*ret = s->mapped[i].bytes;
		r = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? err_set(err, r, "device %" PRIu32 " was not seen",
			       number)
		     : 0;
}

struct mapping {
	const char *prefix;
	struct thin_mapped *all;
	size_t count;
};

static int add_mapped(void *ctx, const char *name)
{
	struct mapping *m = ctx;
	char line[DMX_PARAMS_MAX];
	uint64_t sectors;
	uint32_t number;
	struct thin_mapped *more;

	if (sscanf(name + strlen(m->prefix), "-%" SCNu32, &number) != 1 ||
	    dmx_status(name, "thin", line, sizeof(line), NULL) < 0 ||
	    sscanf(line, "%" SCNu64, &sectors) != 1)
		return 0;
	more = realloc(m->all, (m->count + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	m->all = more;
	m->all[m->count++] = (struct thin_mapped){ .number = number,
						   .bytes = sectors * 512 };
	return 0;
}

static void look_at_devices(struct thin_pool *p)
{
	struct mapping m = { .prefix = p->prefix };
	struct thin_mapped *old;

	(void)dmx_each(p->prefix, add_mapped, &m, NULL);
	pthread_mutex_lock(&p->seen.lock);
	old = p->seen.mapped;
	p->seen.mapped = m.all;
	p->seen.mapped_count = m.count;
	pthread_mutex_unlock(&p->seen.lock);
	free(old);
}

/* ---- what is told ----------------------------------------------------------------- */

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

	if (thin_watch_ask(p, &s, NULL) < 0)
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

/* Is there a pool to look at?  One that could not be taken up may be now. */
static bool is_there(struct thin_pool *p)
{
	bool active, unsettled;

	pthread_mutex_lock(&p->lock);
	(void)thin_pool_retry(p, NULL);
	active = p->active;
	unsettled = p->unsettled;
	p->unsettled = false;
	pthread_mutex_unlock(&p->lock);
	if (unsettled)
		(void)thin_device_settle(p, NULL, NULL);
	return active;
}

static void *watch(void *arg)
{
	struct thin_pool *p = arg;
	enum level last = FINE;
	bool stop = false;

	while (!stop) {
		struct timespec until;

		if (is_there(p)) {
			look(p, &last);
			look_at_devices(p);
		}
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
