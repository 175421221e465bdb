/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * named.h - named volumes: a directory each, and what fills it (backing.h).
 *
 *   <state-dir>/berth-named/volumes/      0700, so that no user of this host
 *                                         gets at a setuid file in a volume
 *     NAME/_data                          what containers see
 *          meta                           what it is made of (named_meta.h)
 *          image, ...                     its backing's
 *     .staging/NAME/                      being made, one rename from ready
 *     .trash/N/                           removed, being deleted
 *
 * A volume appears and disappears by one rename; nobody sees half of one.
 * All below volumes/ is reached by descriptor, a component at a time, and no
 * symbolic link is followed.
 */
#ifndef VOLPLUGINS_NAMED_NAMED_H
#define VOLPLUGINS_NAMED_NAMED_H

#include <pthread.h>

#include "volplugins/vol_driver.h"

extern const struct vol_driver named_driver;

/* What was removed and is still to be deleted, by a thread where it takes
 * long. */
struct named_heap;
struct named_trash {
	int fd;      /* of .trash */
	int volumes; /* borrowed: what .trash is in */
	/* Let go what deleting a heap's files does not; again after a failure.
	 * NULL: nothing. */
	int (*purge)(void *ctx, int dir, struct err *err);
	void *ctx;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t wake;      /* more heaps, or stop */
	struct named_heap *heaps; /* owned; what the thread was given */
	bool busy;                /* it has something to try now */
	bool stop; /* also read without the lock, so that a walk ends */
};

/*
 * named_trash_open()  - from now on things can be put.  @volumes_fd: borrowed until
 *                       named_trash_fini().
 * named_trash_start() - begin to delete in the background: first what is there by
 *                       now, left by an earlier life or put since.
 */
int named_trash_open(struct named_trash *t, int volumes_fd,
		     int (*purge)(void *ctx, int dir, struct err *err),
		     void *ctx, struct err *err);
int named_trash_start(struct named_trash *t, struct err *err);
void named_trash_fini(struct named_trash *t);
/*
 * named_trash_put() - take the directory @name of @fd away, by one rename.
 *
 * @heap: gets its new name, for named_trash_delete().
 * Return: 0; -ENOENT.
 */
#define NAMED_HEAP_MAX 24
int named_trash_put(struct named_trash *t, int fd, const char *name,
		    char heap[static NAMED_HEAP_MAX], struct err *err);
/*
 * named_trash_delete() - delete what was put: for two seconds now, the rest in the
 * background.
 * named_trash_later()  - all of it in the background.
 *
 * The rename of @heap is on the disk, or there is nothing in it but files, and a
 * record that has the volume removed once more.  What can't be deleted is tried
 * again by the thread, not before half of NAMED_TRASH_MIN_MS, then less and less
 * often, at least once an hour.
 */
#define NAMED_TRASH_MIN_MS 10000
void named_trash_delete(struct named_trash *t, const char *heap);
void named_trash_later(struct named_trash *t, const char *heap);
/* Is the thread at it?  Then heaps are no sign of trouble. */
bool named_trash_busy(struct named_trash *t);
/* Each remaining heap, whoever was given it, after a sync of their renames: its
 * number, and what is in the way.  @dry: only that it is there.  Return: how many
 * were (or would be) removed. */
int named_trash_sweep(struct named_trash *t, bool dry,
		      void (*fn)(void *ctx, const char *line), void *ctx,
		      struct err *err);

#endif
