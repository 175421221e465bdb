/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where removed volumes go: the volume's directory becomes the heap .trash/N/,
 * by one rename.  It has no name any more: a crash at any point leaves only
 * work for the next start.  Deleting one heap does not wait for another.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/tree.h"
#include "volplugins/named/named.h"

#define NOW_MS 2000 /* deleting within the request: space is free on return */

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
	return name[0] >= '0' && name[0] <= '9';
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

/* All heaps.  @fn may be NULL.  Return: heaps deleted; -ETIME. */
static int sweep(struct named_trash *t, bool dry, struct budget *b,
		 void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err)
{
	_cleanup_close_ int fd =
		openat(t->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int done = 0;

	if (!dir)
		return err_set(err, -errno, "read the trash: %s",
			       strerror(errno));
	(void)take_fd(fd);
	while ((entry = readdir(dir))) {
		struct err why = { 0 };
		char line[ERR_MSG_MAX + 320];
		int r;

		if (!is_heap(entry->d_name))
			continue;
		r = dry ? 0 : heap_delete(t, entry->d_name, b, &why);
		if (r == -ETIME)
			return r;
		done += r == 0;
		if (r < 0)
			snprintf(line, sizeof(line),
				 "heap %s of a removed volume stays: %s",
				 entry->d_name, why.msg);
		else
			snprintf(line, sizeof(line),
				 "heap %s of a removed volume", entry->d_name);
		if (fn)
			fn(ctx, line);
	}
	return done;
}

int named_trash_sweep(struct named_trash *t, bool dry,
		      void (*fn)(void *ctx, const char *line), void *ctx,
		      struct err *err)
{
	struct budget b = { .t = t };

	return sweep(t, dry, &b, fn, ctx, err);
}

void named_trash_later(struct named_trash *t)
{
	pthread_mutex_lock(&t->lock);
	t->work = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
}

void named_trash_delete(struct named_trash *t, const char *heap)
{
	struct budget b = { .t = t, .until_ms = now_ms() + NOW_MS };

	/* what stays for another reason is told by /Berth.Check */
	if (heap_delete(t, heap, &b, NULL) == -ETIME)
		named_trash_later(t);
}

bool named_trash_busy(struct named_trash *t)
{
	bool busy;

	pthread_mutex_lock(&t->lock);
	busy = t->work || t->busy;
	pthread_mutex_unlock(&t->lock);
	return busy;
}

static void *reaper(void *arg)
{
	struct named_trash *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		if (!t->work) {
			pthread_cond_wait(&t->wake, &t->lock);
			continue;
		}
		t->work = false;
		t->busy = true;
		pthread_mutex_unlock(&t->lock);
		(void)named_trash_sweep(t, false, NULL, NULL, NULL);
		pthread_mutex_lock(&t->lock);
		t->busy = false;
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int named_trash_init(struct named_trash *t, int volumes_fd,
		     int (*purge)(void *ctx, int dir, struct err *err),
		     void *ctx, struct err *err)
{
	pthread_attr_t attr;
	int r;

	t->purge = purge;
	t->ctx = ctx;
	if (mkdirat(volumes_fd, ".trash", 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make the trash: %s",
			       strerror(errno));
	t->fd = tree_open(volumes_fd, ".trash", err);
	if (t->fd < 0)
		return t->fd;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	t->work = true; /* what the last life left */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	r = -pthread_create(&t->thread, &attr, reaper, t);
	pthread_attr_destroy(&attr);
	if (r < 0)
		return err_set(err, r, "start a thread: %s", strerror(-r));
	t->started = true;
	return 0;
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
	closep(&t->fd);
	t->fd = -EBADF;
}
