/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures of plain directories; named_usage.h. */
#include "volplugins/named/named_usage.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <search.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

#define FRESH_S    60
#define REST_MAX_S (6 * 3600)
#define SLICE_MS   20 /* of work, then as long a rest */
#define LOOKS      64 /* entries between two looks at the clock */
/* dockerd asks for a volume just before it removes it. */
#define HOLD_BACK_MS 50

struct named_figure {
	struct named_figure *next; /* in the queue */
	bool queued, gone;
	uint64_t bytes;
	int64_t at;      /* CLOCK_BOOTTIME ms; 0: never walked */
	int64_t next_ms; /* not before */
	char name[];
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + 1;
}

static int by_name(const void *a, const void *b)
{
	const struct named_figure *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The figure of @name; made where there is none.  The lock is held. */
static struct named_figure *get(struct named_walker *w, const char *name)
{
	size_t size = strlen(name) + 1;
	struct named_figure *f = calloc(1, sizeof(*f) + size), **at = NULL;

	if (f) {
		memcpy(f->name, name, size);
		at = tsearch(f, &w->figures, by_name);
	}
	if (!at || *at != f) {
		free(f);
		return at ? *at : NULL;
	}
	return f;
}

/* ---- the thread ---------------------------------------------------------- */

struct pace {
	struct named_walker *w;
	unsigned int looks;
	int64_t since, rested; /* ms */
};

/* Until then, or until the end.  The lock is held. */
static void rest_for(struct named_walker *w, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (!w->stop &&
	       pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT)
		;
}

/* Asked before each entry: rest from time to time; true: stop. */
static bool paced(void *ctx)
{
	struct pace *p = ctx;
	struct named_walker *w = p->w;
	int64_t now, rest;
	bool stop;

	if (++p->looks % LOOKS)
		return false;
	now = now_ms();
	rest = now - p->since;
	if (rest < SLICE_MS)
		return __atomic_load_n(&w->stop, __ATOMIC_RELAXED);
	pthread_mutex_lock(&w->lock);
	rest_for(w, rest);
	stop = w->stop;
	pthread_mutex_unlock(&w->lock);
	p->since = now_ms();
	p->rested += p->since - now;
	return stop;
}

static int walk(struct named_walker *w, const char *name,
		struct tree_usage *ret, int64_t *ret_cost_ms)
{
	_cleanup_close_ int dir = tree_open(w->volumes, name, NULL);
	_cleanup_close_ int data =
		dir < 0 ? -EBADF : tree_open(dir, NAMED_DATA, NULL);
	struct pace p = { .w = w, .since = now_ms() };
	int64_t begin = p.since;
	struct err err = { 0 };
	int r = data < 0 ? data : tree_usage(data, ret, paced, &p, &err);

	*ret_cost_ms = now_ms() - begin - p.rested;
	log_debug("op=walk volume=%s entries=%llu ms=%lld rested_ms=%lld "
		  "err=\"%s\"",
		  name, (unsigned long long)ret->entries,
		  (long long)*ret_cost_ms, (long long)p.rested, err.msg);
	return r;
}

/* The lock is held, but not while walking. */
static void walk_one(struct named_walker *w)
{
	struct named_figure *f = w->queue;
	struct tree_usage u = { 0 };
	int64_t cost, rest;
	int r;

	w->queue = f->next;
	f->queued = false;
	w->at = f;
	pthread_mutex_unlock(&w->lock);
	r = walk(w, f->name, &u, &cost);
	pthread_mutex_lock(&w->lock);
	w->at = NULL;
	if (f->gone) {
		free(f);
		return;
	}
	rest = cost * 100;
	if (rest > REST_MAX_S * 1000)
		rest = REST_MAX_S * 1000;
	f->next_ms = now_ms() + rest;
	if (r < 0)
		return; /* the last figure stays, and grows older */
	f->bytes = u.bytes;
	f->at = now_ms();
}

/* Of this thread alone, on Linux. */
static void be_modest(void)
{
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
}

static void *walker(void *arg)
{
	struct named_walker *w = arg;

	be_modest();
	pthread_mutex_lock(&w->lock);
	while (!w->stop)
		if (w->queue) {
			walk_one(w);
		} else {
			pthread_cond_wait(&w->wake, &w->lock);
			rest_for(w, HOLD_BACK_MS);
		}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* With the lock held.  Without a thread there are no figures; the next
 * question tries again. */
static void start(struct named_walker *w)
{
	pthread_attr_t attr;
	sigset_t all, old;

	if (w->started)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	w->started = pthread_create(&w->thread, &attr, walker, w) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
}

/* ---- who asks ------------------------------------------------------------ */

static void enqueue(struct named_walker *w, struct named_figure *f)
{
	struct named_figure **p = &w->queue;

	while (*p)
		p = &(*p)->next;
	f->next = NULL;
	f->queued = true;
	*p = f;
	start(w);
	pthread_cond_signal(&w->wake);
}

int named_walker_ask(struct named_walker *w, const char *name,
		     struct vol_usage *ret, struct err *err)
{
	struct named_figure *f;
	int64_t now = now_ms();
	int r = -ENODATA;

	pthread_mutex_lock(&w->lock);
	f = get(w, name);
	if (!f) {
		pthread_mutex_unlock(&w->lock);
		return err_set(err, -ENOMEM, "out of memory");
	}
	if (f->at) {
		ret->used_known = true;
		ret->used_bytes = f->bytes;
		ret->age_s = (uint64_t)(now - f->at) / 1000;
		r = 0;
	}
	if (!f->queued && f != w->at && now >= f->next_ms &&
	    (!f->at || now - f->at >= (int64_t)w->fresh_s * 1000))
		enqueue(w, f);
	pthread_mutex_unlock(&w->lock);
	return r;
}

void named_walker_forget(struct named_walker *w, const char *name)
{
	struct named_figure **p, *f;

	pthread_mutex_lock(&w->lock);
	f = get(w, name);
	if (f) {
		tdelete(f, &w->figures, by_name);
		for (p = &w->queue; *p && *p != f; p = &(*p)->next)
			;
		if (*p)
			*p = f->next;
		f->gone = true; /* the thread frees what it is at */
		if (f != w->at)
			free(f);
	}
	pthread_mutex_unlock(&w->lock);
}

void named_walker_init(struct named_walker *w, int volumes_fd)
{
	pthread_condattr_t attr;

	*w = (struct named_walker){ .volumes = volumes_fd, .fresh_s = FRESH_S };
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
}

void named_walker_fini(struct named_walker *w)
{
	pthread_mutex_lock(&w->lock);
	__atomic_store_n(&w->stop, true, __ATOMIC_RELAXED);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->started)
		pthread_join(w->thread, NULL);
	tdestroy(w->figures, free);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
}
