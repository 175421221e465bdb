/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where removed volumes go: the volume's directory becomes the heap .trash/N/,
 * by one rename.  It has no name any more: a crash at any point leaves only
 * work for the next start.  Deleting one heap does not wait for another.
 *
 * While the rename is not on the disk a power cut may bring the volume back under
 * its name, and what is more than files must then be whole.  So the thread takes
 * no heap that it was not given, and who takes all there are (the start, gc)
 * lists them first, syncs, and deletes what was listed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/backoff.h"
#include "lib/fail.h"
#include "lib/tree.h"
#include "volplugins/named/named.h"

#define NOW_MS 2000 /* deleting within the request: space is free on return */
#define MAX_MS 3600000

/* One that the thread was given. */
struct named_heap {
	struct named_heap *next;
	struct backoff backoff; /* of what could not be deleted */
	char name[NAMED_HEAP_MAX];
};

static void heaps_freep(struct named_heap **list)
{
	while (*list) {
		struct named_heap *h = *list;

		*list = h->next;
		free(h);
	}
}

static int heap_push(struct named_heap **list, const char *name)
{
	struct named_heap *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	snprintf(h->name, sizeof(h->name), "%s", name);
	h->next = *list;
	*list = h;
	return 0;
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool is_heap(const char *name)
{
	return name[0] >= '0' && name[0] <= '9' &&
	       strlen(name) < NAMED_HEAP_MAX;
}

int named_trash_put(struct named_trash *t, int fd, const char *name,
		    char heap[static NAMED_HEAP_MAX], struct err *err)
{
	struct timespec ts;
	uint64_t n;
	int r = -EEXIST;

	clock_gettime(CLOCK_REALTIME, &ts); /* only a first guess */
	n = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	for (int tries = 0; r == -EEXIST && tries < 1000; tries++, n++) {
		snprintf(heap, NAMED_HEAP_MAX, "%llu", (unsigned long long)n);
		r = tree_rename_new(fd, name, t->fd, heap);
	}
	return r < 0 ? err_set(err, r, "take directory %s away: %s", name,
			       strerror(-r))
		     : 0;
}

struct budget {
	const struct named_trash *t;
	int64_t until_ms; /* 0: none */
};

static bool spent(void *ctx)
{
	const struct budget *b = ctx;

	return __atomic_load_n(&b->t->stop, __ATOMIC_RELAXED) ||
	       (b->until_ms && now_ms() >= b->until_ms);
}

/* Delete one heap and what is in it. */
static int heap_delete(struct named_trash *t, const char *name,
		       struct budget *b, struct err *err)
{
	_cleanup_close_ int fd = tree_open(t->fd, name, err);
	int r;

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	r = t->purge ? t->purge(t->ctx, fd, err) : 0;
	if (r == 0)
		r = tree_empty(fd, spent, b, err);
	if (r < 0)
		return r;
	if (unlinkat(t->fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(err, -errno, "delete heap %s: %s", name,
			       strerror(errno));
	return 0;
}

/* All heaps there are, onto @list; @sync: their renames are on the disk. */
static int list_heaps(struct named_trash *t, bool sync,
		      struct named_heap **list, struct err *err)
{
	_cleanup_close_ int fd =
		openat(t->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "read the trash: %s",
			       strerror(errno));
	(void)take_fd(fd);
	while (r == 0 && (entry = readdir(dir)))
		if (is_heap(entry->d_name))
			r = heap_push(list, entry->d_name);
	if (r == 0 && sync && *list)
		r = tree_sync(t->volumes);
	return r < 0 ? err_set(err, r, "empty the trash: %s", strerror(-r)) : 0;
}

int named_trash_sweep(struct named_trash *t, bool dry,
		      void (*fn)(void *ctx, const char *line), void *ctx,
		      struct err *err)
{
	_cleanup_(heaps_freep) struct named_heap *list = NULL;
	struct budget b = { .t = t };
	int done = 0, r = list_heaps(t, !dry, &list, err);

	if (r < 0)
		return r;
	for (const struct named_heap *h = list; h; h = h->next) {
		struct err why = { 0 };
		char line[ERR_MSG_MAX + 320];

		r = dry ? 0 : heap_delete(t, h->name, &b, &why);
		if (r == -ETIME)
			return r;
		done += r == 0;
		if (r < 0)
			snprintf(line, sizeof(line),
				 "heap %s of a removed volume stays: %s",
				 h->name, why.msg);
		else
			snprintf(line, sizeof(line),
				 "heap %s of a removed volume", h->name);
		if (fn)
			fn(ctx, line);
	}
	return done;
}

/* To the thread; @failed: it was tried in vain.  Without memory it is left to
 * the next start. */
static void give(struct named_trash *t, const char *heap, bool failed)
{
	pthread_mutex_lock(&t->lock);
	if (heap_push(&t->heaps, heap) == 0) {
		if (failed)
			backoff_failed(&t->heaps->backoff, NAMED_TRASH_MIN_MS,
				       MAX_MS);
		else
			t->busy = true;
		pthread_cond_signal(&t->wake);
	}
	pthread_mutex_unlock(&t->lock);
}

void named_trash_later(struct named_trash *t, const char *heap)
{
	give(t, heap, false);
}

void named_trash_delete(struct named_trash *t, const char *heap)
{
	struct budget b = { .t = t, .until_ms = now_ms() + NOW_MS };
	int r = heap_delete(t, heap, &b, NULL);

	/* what stays for another reason is told by /Berth.Check */
	if (r < 0)
		give(t, heap, r != -ETIME);
}

bool named_trash_busy(struct named_trash *t)
{
	bool busy;

	pthread_mutex_lock(&t->lock);
	busy = t->busy;
	pthread_mutex_unlock(&t->lock);
	return busy;
}

/* ---- the thread; it holds the lock --------------------------------------- */

/* The next that may be tried, out of the list; NULL: none, for @ret_ms (0: there
 * is no other). */
static struct named_heap *take_due(struct named_trash *t, unsigned int *ret_ms)
{
	*ret_ms = 0;
	for (struct named_heap **p = &t->heaps; *p; p = &(*p)->next) {
		struct named_heap *h = *p;
		unsigned int ms = backoff_left_ms(&h->backoff);

		if (ms == 0) {
			*p = h->next;
			return h;
		}
		if (!*ret_ms || ms < *ret_ms)
			*ret_ms = ms;
	}
	return NULL;
}

static void wait_for_work(struct named_trash *t, unsigned int ms)
{
	struct timespec until;

	if (!ms) {
		pthread_cond_wait(&t->wake, &t->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000 + 1;
	pthread_cond_timedwait(&t->wake, &t->lock, &until);
}

/* Leaves the lock open meanwhile. */
static void try_heap(struct named_trash *t, struct named_heap *h)
{
	struct budget b = { .t = t };
	int r;

	t->busy = true;
	pthread_mutex_unlock(&t->lock);
	r = heap_delete(t, h->name, &b, NULL);
	pthread_mutex_lock(&t->lock);
	if (r == 0) {
		free(h);
		return;
	}
	backoff_failed(&h->backoff, NAMED_TRASH_MIN_MS, MAX_MS);
	h->next = t->heaps;
	t->heaps = h;
}

static void *reaper(void *arg)
{
	struct named_trash *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		unsigned int ms;
		struct named_heap *h = take_due(t, &ms);

		if (h) {
			try_heap(t, h);
			continue;
		}
		t->busy = false;
		wait_for_work(t, ms);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int thread_start(struct named_trash *t)
{
	pthread_condattr_t clock;
	pthread_attr_t attr;
	int r;

	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	r = -pthread_create(&t->thread, &attr, reaper, t);
	pthread_attr_destroy(&attr);
	t->started = r == 0;
	return r;
}

int named_trash_open(struct named_trash *t, int volumes_fd,
		     int (*purge)(void *ctx, int dir, struct err *err),
		     void *ctx, struct err *err)
{
	t->purge = purge;
	t->ctx = ctx;
	t->volumes = volumes_fd;
	if (mkdirat(volumes_fd, ".trash", 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make the trash: %s",
			       strerror(errno));
	t->fd = tree_open(volumes_fd, ".trash", err);
	return t->fd < 0 ? t->fd : 0;
}

int named_trash_start(struct named_trash *t, struct err *err)
{
	int r;

	/* what the last life left; what can't be is told by /Berth.Check */
	if (list_heaps(t, true, &t->heaps, NULL) < 0)
		heaps_freep(&t->heaps);
	t->busy = t->heaps;
	r = thread_start(t);
	return r < 0 ? err_set(err, r, "start a thread: %s", strerror(-r)) : 0;
}

void named_trash_fini(struct named_trash *t)
{
	if (t->started) {
		pthread_mutex_lock(&t->lock);
		__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
		pthread_cond_signal(&t->wake);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->thread, NULL);
		pthread_cond_destroy(&t->wake);
		pthread_mutex_destroy(&t->lock);
	}
	heaps_freep(&t->heaps);
	closep(&t->fd);
	t->fd = -EBADF;
}
