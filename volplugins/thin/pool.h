/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.h - the pool that thin volumes take their blocks from, and the devices
 * (numbered, in the pool's metadata) that are in it.
 *
 * On a device that was given (--pool-device), else on pool.img in the state
 * directory: laid out alike (layout.h).  It is made at the first Create.
 *
 * A crash between a message to the pool and our record of it, either way round,
 * is settled by numbers that belong to nobody: before a device is made, and
 * before one is to be deleted, its number is written down as doomed; what
 * gives it to a volume takes that back in the same transaction.  At the next
 * start every doomed number is deleted, be it there or not.  Numbers are never
 * used twice.  The pool's transaction id grows by one with each message, and our
 * record of it is at most one ahead: anything else means that records and pool
 * are of different moments, and then nothing is changed.  Nor is anything deleted
 * that records of another moment call doomed.
 */
#ifndef VOLPLUGINS_THIN_POOL_H
#define VOLPLUGINS_THIN_POOL_H

#include <pthread.h>

#include "lib/dmx.h"
#include "lib/store.h"
#include "volplugins/thin/keys.h"
#include "volplugins/thin/layout.h"

/* What the daemon's flags say. */
struct thin_config {
	const char *device;   /* NULL: pool.img */
	uint64_t size;        /* of pool.img; 0: as it is, else the default */
	uint64_t transaction; /* the pool's, where the records have another */
	bool accept;          /* .transaction was given */
	struct thin_keys keys;
};

#define THIN_PREFIX     "berth-thin"
#define THIN_PREFIX_MAX 32
#define THIN_SILENT_S   30 /* so long without an answer is told */

struct thin_mapped {
	uint32_t number;
	uint64_t bytes;
};

/* What was seen of it last, for those who must not wait when it hangs: the lock is
 * held for no I/O, and with it no other is taken. */
struct thin_seen {
	pthread_mutex_t lock;
	int64_t at; /* CLOCK_MONOTONIC seconds + 1; 0: never */
	struct thin_status status;
	struct err why; /* it could be asked but said nothing of use */
	int undeleted;  /* doomed numbers that were open at the last try */
	struct thin_mapped *mapped;
	size_t mapped_count;
};

struct thin_pool {
	struct store *store;              /* borrowed */
	const struct thin_config *config; /* borrowed */
	int dir;                          /* borrowed: the daemon's own */
	pthread_mutex_t
		lock; /* of all below; held while the pool is told things */
	bool known;   /* there is a record: it was made */
	bool active;
	bool again; /* of !active, .known: what is wrong may pass by itself */
	/* of .again: thin_check did not come to an end, and is left alone until
	 * then, CLOCK_MONOTONIC seconds; what it came to */
	unsigned int wait_s; /* 0: nothing of that */
	int64_t not_before;
	int failed;
	bool gave_up;           /* the kernel did, before it was taken up */
	bool unsettled;         /* doomed numbers are still to be deleted */
	unsigned int settle_in; /* so many looks from now (pool_watch.c) */
	/* written with .seen.lock as well, which is enough to read them */
	bool first;       /* of .again: not looked at yet in this life */
	struct err why;   /* of !active, .known: what is wrong; else "" */
	struct err doubt; /* why nothing may be changed; "": it may */
	struct thin_layout layout; /* .uuid: as recorded, once .known */
	uint64_t data_sectors;
	uint64_t
		more; /* sectors of metadata beside pool.img (lower.h), as recorded */
	uint64_t transaction, recorded; /* the pool's, and our record of it */
	uint32_t next;                  /* number of the next device */
	uint32_t *
		begun; /* doomed, but being made: not to be deleted by others */
	size_t begun_count;
	char prefix
		[THIN_PREFIX_MAX]; /* of its devices' names: THIN_PREFIX-UUID */
	/* pool_watch.c: tells what becomes of it */
	struct thin_seen seen;
	pthread_t thread;
	int stop; /* eventfd, while it is started */
	bool started;
};

/*
 * thin_pool_open() - take up what there is, which goes on when this returns: a check of its
 * metadata may take long, and its disk may hang.  Who uses it waits for that.  A pool that is
 * there and can't be used is no failure: each use of it says why.  One whose device is not
 * there yet, or that could not be looked at for another reason that may pass, is taken up as
 * soon as that is over: at a use of it, or within a few seconds.
 */
int thin_pool_open(struct thin_pool *p, int dir, struct store *store,
		   const struct thin_config *config, struct err *err);
/* With none of its volumes in use its devices go, else they stay. */
void thin_pool_close(struct thin_pool *p);

/* thin_pool_use() - it is there; @make: made where there is none yet.  -ENOENT:
 * none was ever made.  One that was and can't be used is another error, -ENODEV
 * where its device or its image is not there: what is in it is not gone. */
int thin_pool_use(struct thin_pool *p, bool make, struct err *err);
int thin_pool_status(struct thin_pool *p, struct thin_status *ret,
		     struct err *err);
/* thin_pool_seen() - the same as of a few seconds ago; waits for nothing.
 * @ret_age: seconds.  -ENOENT: it was never seen. */
int thin_pool_seen(struct thin_pool *p, struct thin_status *ret,
		   uint64_t *ret_age, struct err *err);
/* Deleted devices that somebody had open at the last try: their blocks are kept. */
int thin_pool_undeleted(struct thin_pool *p);
/* One line of what is wrong with it, by what was seen; NULL: nothing. */
const char *thin_pool_trouble(struct thin_pool *p, char *buf, size_t size);
/* thin_pool_told() - can it be used, by what was seen?  Waits for nothing.  -EAGAIN: it
 * can't, or is not taken up yet; -ENODEV: there is none. */
int thin_pool_told(struct thin_pool *p, struct err *err);
/* Is it still to be taken up, for the first time in this life?  Waits for nothing. */
bool thin_pool_is_awaited(struct thin_pool *p);
/* thin_pool_room() - for something new, that writes up to @bytes at once; @full: from how
 * many per cent on it is not made, THIN_FULL or THIN_FULL_OWN.  -ENOSPC, -EROFS. */
int thin_pool_room(struct thin_pool *p, unsigned int full, uint64_t bytes,
		   struct err *err);
/* Bytes that are given to a volume at once; it is there. */
uint64_t thin_pool_block(struct thin_pool *p);

/* thin_pool_more_meta() - give it more metadata, where that is near its end and the pool is
 * on pool.img.  Return: 1; 0: it has as much as it may have, or is on a device; -ENOSPC:
 * the host's disk is full. */
int thin_pool_more_meta(struct thin_pool *p, struct err *err);

/* May anything be made or deleted?  -EUCLEAN: the records are of another moment. */
int thin_pool_changeable(struct thin_pool *p, struct err *err);

/* ---- pool_device.c: its devices --------------------------------------------- */

/* What is to be recorded at once; 0 and NULL: nothing of that. */
struct thin_change {
	uint32_t keep, doom; /* numbers: no more doomed; doomed */
	const char *put, *put_parent, *json; /* a record */
	const char *del;
	bool unsynced; /* see store_begin_unsynced(): not with .doom */
};

#define THIN_KIND "thin" /* records of volumes and snapshots */

/* thin_device_add() - an empty device of its own number; doomed until thin_change(). */
int thin_device_add(struct thin_pool *p, uint32_t *ret, struct err *err);
/*
 * The same in two steps, so that who writes to @origin waits for the second alone:
 *
 * thin_device_begin() - its number, doomed: on the disk on return.  Goes on to
 * thin_device_make(), or to thin_device_del().
 * thin_device_make() - a copy of @origin, which nobody may write to now (0: empty).  A
 * failure gives the number back.
 */
int thin_device_begin(struct thin_pool *p, uint32_t *ret, struct err *err);
int thin_device_make(struct thin_pool *p, uint32_t number, uint32_t origin,
		     struct err *err);
/* thin_device_del() - one that is doomed, by who made or doomed it; one that is
 * not: 0, and it stays.  A failure leaves it doomed. */
int thin_device_del(struct thin_pool *p, uint32_t number, struct err *err);
int thin_change(struct thin_pool *p, const struct thin_change *c,
		struct err *err);
/* Delete all that is doomed and not being made by another thread; each that can't
 * be is told.  Return: how many are left. */
int thin_device_settle(struct thin_pool *p,
		       void (*fn)(void *ctx, const char *line), void *ctx);

/* The name of a device in the kernel. */
void thin_device_name(const struct thin_pool *p, uint32_t number,
		      char name[static DMX_NAME_MAX]);
/* crypt.c: of the one above that, which deciphers it. */
void thin_crypt_name(const struct thin_pool *p, uint32_t number,
		     char name[static DMX_NAME_MAX]);
/* crypt.c: thin_device_wake() of those. */
void thin_crypt_wake(struct thin_pool *p);
/*
 * thin_device_wake() - at the start: what an earlier life was killed with goes on,
 * suspended for a moment then, from the pool up, for what is above writes to what is
 * below when it does; and goes with its last user, open or not.  Needs no pool that
 * can be used.
 */
void thin_device_wake(struct thin_pool *p);
/*
 * thin_device_open() - the block device of @number, of @bytes; it is there as
 * long as somebody has it open, a mount included.  There already: the same.
 *
 * Return: fd; -ENODATA: the pool has no such device.
 */
int thin_device_open(struct thin_pool *p, uint32_t number, uint64_t bytes,
		     char path[static DMX_PATH_MAX], struct err *err);
/* thin_device_grow() - one that may be open. */
int thin_device_grow(struct thin_pool *p, uint32_t number, uint64_t bytes,
		     struct err *err);
/* Nobody may write to it until thin_device_thaw().  Not open: 0. */
int thin_device_freeze(struct thin_pool *p, uint32_t number, struct err *err);
int thin_device_thaw(struct thin_pool *p, uint32_t number, struct err *err);
/* Bytes of the pool it takes, shared ones included; while it is open, by what was
 * seen a few seconds ago.  -ENOENT. */
int thin_device_mapped(struct thin_pool *p, uint32_t number, uint64_t *ret,
		       struct err *err);

/* ---- pool_priv: between pool.c, pool_record.c, pool_device.c, pool_watch.c --- */

int thin_change_locked(struct thin_pool *p, const struct thin_change *c,
		       struct err *err);
/* It is made. */
void thin_device_begun_del(struct thin_pool *p, uint32_t number);
int thin_record_load(struct thin_pool *p, char uuid[static THIN_UUID_MAX],
		     bool *ret_ready, struct err *err); /* -ENOENT */
/* thin_pool_retry() - take it up, where that failed for what may pass.  Its lock is
 * held.  0: also where there is nothing to do. */
int thin_pool_retry(struct thin_pool *p, struct err *err);
/* In a transaction of the caller's. */
int thin_record_put(struct thin_pool *p, bool ready, struct err *err);
/* Return: 1, 0. */
int thin_record_is_doomed(struct thin_pool *p, uint32_t number,
			  struct err *err);
/* thin_record_undoom() - the list is of another moment than the pool: what was
 * doomed then may be a volume's since.  Nothing is; the log tells the numbers. */
int thin_record_undoom(struct thin_pool *p, struct err *err);
/* All doomed numbers: owned, *@ret_count of them. */
int thin_record_doomed(struct thin_pool *p, uint32_t **ret, size_t *ret_count,
		       struct err *err);

/* What the kernel says of it now, and that this was seen. */
int thin_watch_ask(struct thin_pool *p, struct thin_status *ret,
		   struct err *err);
/* thin_check did not come to an end: .not_before, later each time. */
void thin_watch_later(struct thin_pool *p);
bool thin_watch_due(const struct thin_pool *p);
int thin_watch_start(struct thin_pool *p, struct err *err);
void thin_watch_stop(struct thin_pool *p);

#endif
