/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at the pool when the kernel has something to tell of it (that it gets full, or
 * read-only), and every few seconds, and tells the log what became of it.  The kernel
 * does not tell that a disk hangs, nor each per cent; and an old one tells nothing.
 *
 * What asks the kernel of a pool waits for a commit of its metadata, and so for as
 * long as its disk hangs: only who needs the pool anyway does that, and the thread
 * here.  All others have what it saw last.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "lib/base.h"
#include "lib/log.h"
#include "volplugins/thin/pool.h"

#define EVERY_S    5
#define SETTLE_MAX 60  /* looks */
#define LATER_S    300 /* at most */

static int64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + 1; /* 0 is never */
}

/* A check reads all of the metadata, and others wait for it: one that is killed again
 * and again is not begun again at once. */
void thin_watch_later(struct thin_pool *p)
{
	unsigned int s = p->wait_s ? 2 * p->wait_s : EVERY_S;

	p->wait_s = s < LATER_S ? s : LATER_S;
	p->not_before = now_s() + p->wait_s;
}

bool thin_watch_due(const struct thin_pool *p)
{
	return now_s() >= p->not_before;
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

int thin_pool_told(struct thin_pool *p, struct err *err)
{
	char why[ERR_MSG_MAX];
	bool seen;

	pthread_mutex_lock(&p->seen.lock);
	snprintf(why, sizeof(why), "%s", p->why.msg);
	seen = p->seen.at != 0;
	pthread_mutex_unlock(&p->seen.lock);
	if (why[0])
		return err_set(err, -EAGAIN, "%s", why);
	return seen ? 0 : err_set(err, -ENODEV, "there is no thin pool");
}

bool thin_pool_is_awaited(struct thin_pool *p)
{
	bool first;

	pthread_mutex_lock(&p->seen.lock);
	first = p->first;
	pthread_mutex_unlock(&p->seen.lock);
	return first;
}

int thin_pool_undeleted(struct thin_pool *p)
{
	int n;

	pthread_mutex_lock(&p->seen.lock);
	n = p->seen.undeleted;
	pthread_mutex_unlock(&p->seen.lock);
	return n;
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
	if (thin_status_meta_full(s) == full)
		snprintf(why, size,
			 "the pool's metadata is %u%% full: remove snapshots "
			 "or volumes (see \"The pool's metadata\" in "
			 "docs/volumes/thin.md)",
			 full);
	else
		snprintf(why, size,
			 "the pool is %u%% full: make it larger (--pool-size), "
			 "or remove snapshots or volumes",
			 full);
	return LOW;
}

/* What was told last. */
struct told {
	enum level level;
	char meta[ERR_MSG_MAX]; /* why there is no more metadata */
	unsigned int
		settle_pause; /* looks between two tries; 0: none is needed */
};

/* Return: it has more metadata now. */
static bool give_meta(struct thin_pool *p, const struct thin_status *s,
		      struct told *told)
{
	struct err err = { 0 };
	int r = 0;

	if (thin_status_meta_full(s) >= THIN_META_LOW &&
	    thin_status_writable(s))
		r = thin_pool_more_meta(p, &err);
	if (r < 0 && strcmp(told->meta, err.msg) != 0)
		log_error("op=thin.pool err=\"%s\"", err.msg);
	snprintf(told->meta, sizeof(told->meta), "%s", err.msg);
	if (r > 0)
		log_info("op=thin.pool metadata=%" PRIu64
			 " msg=\"it was %u%% full and is larger now\"",
			 (p->layout.meta_sectors + p->more) * 512,
			 thin_status_meta_full(s));
	return r > 0;
}

/* Each level once, and that it is over. */
static void look(struct thin_pool *p, struct told *told)
{
	enum level *last = &told->level, now;
	struct thin_status s;
	char why[256];

	if (thin_watch_ask(p, &s, NULL) < 0)
		return;
	if (give_meta(p, &s, told) && thin_watch_ask(p, &s, NULL) < 0)
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

static void say_nothing(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

/* What was open as it was to go (a scanner, a restore whose client lives on) is deleted
 * when it is let go: tried ever less often, and told of once. */
static void settle(struct thin_pool *p, unsigned int *pause)
{
	int left = thin_device_settle(p, *pause ? say_nothing : NULL, NULL);

	*pause = left == 0             ? 0
		 : *pause < SETTLE_MAX ? *pause * 2 + 1
				       : SETTLE_MAX;
	pthread_mutex_lock(&p->lock);
	p->unsettled = p->unsettled || left > 0;
	p->settle_in = *pause;
	pthread_mutex_unlock(&p->lock);
	pthread_mutex_lock(&p->seen.lock);
	p->seen.undeleted = left;
	pthread_mutex_unlock(&p->seen.lock);
}

/* Is there a pool to look at?  One that could not be taken up may be now. */
static bool is_there(struct thin_pool *p, struct told *told)
{
	bool active, due;

	pthread_mutex_lock(&p->lock);
	(void)thin_pool_retry(p, NULL);
	active = p->active;
	due = p->unsettled && p->settle_in == 0;
	if (due)
		p->unsettled = false;
	else if (p->settle_in)
		p->settle_in--;
	pthread_mutex_unlock(&p->lock);
	if (due)
		settle(p, &told->settle_pause);
	return active;
}

/* ---- when to look ------------------------------------------------------------------ */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* How many events the pool had; 0: there is none. */
static uint32_t events_of(const struct thin_pool *p)
{
	struct dmx_info info = { 0 };
	char name[DMX_NAME_MAX];

	snprintf(name, sizeof(name), "%s-pool", p->prefix);
	return dmx_find(name, &info, NULL) == 0 ? info.events : 0;
}

/* There may be no device-mapper yet when the thread starts, or no poll() on it, which
 * then is told by the five seconds only. */
static void listen_again(int *events)
{
	if (*events < 0)
		*events = dmx_events_open(NULL);
}

/* Events of other devices come here, too.  @seen: the pool's, before the last look.
 * False: it is to end. */
static bool wait_for_more(struct thin_pool *p, int *events, uint32_t seen)
{
	int64_t until = now_ms() + EVERY_S * 1000;
	struct err err = { 0 };

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = p->stop, .events = POLLIN },
			{ .fd = *events, .events = POLLIN },
		};
		int64_t left = until - now_ms();

		/* to look at once is no reason not to end */
		if (left <= 0 || events_of(p) != seen)
			return poll(fds, 1, 0) <= 0;
		if (poll(fds, ARRAY_SIZE(fds), (int)left) <= 0)
			continue; /* it is time, or a signal came */
		if (fds[0].revents)
			return false;
		if (dmx_events_arm(*events, &err) < 0) {
			log_warn("op=thin.pool err=\"%s\"", err.msg);
			closep(events);
			*events = -EBADF;
		}
	}
}

static void *watch(void *arg)
{
	struct thin_pool *p = arg;
	_cleanup_close_ int events = -EBADF;
	struct told told = { .level = FINE };
	uint32_t seen;

	do {
		listen_again(&events);
		seen = events_of(p);
		if (is_there(p, &told)) {
			look(p, &told);
			look_at_devices(p);
		}
	} while (wait_for_more(p, &events, seen));
	return NULL;
}

int thin_watch_start(struct thin_pool *p, struct err *err)
{
	int r;

	p->stop = eventfd(0, EFD_CLOEXEC);
	if (p->stop < 0)
		return err_set(err, -errno, "eventfd: %s", strerror(errno));
	r = -pthread_create(&p->thread, NULL, watch, p);
	if (r < 0) {
		closep(&p->stop);
		return err_set(err, r, "start a thread: %s", strerror(-r));
	}
	p->started = true;
	return 0;
}

void thin_watch_stop(struct thin_pool *p)
{
	if (!p->started)
		return;
	(void)eventfd_write(p->stop, 1);
	pthread_join(p->thread, NULL);
	closep(&p->stop);
	p->started = false;
}
