/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * box.h - the containers that netctl runs: a directory each, with its record.
 *
 * STATE_DIR/netctl/containers/<id>/ has "record" (JSON, replaced whole), "lock",
 * and what monitor.h and life.h put there.  Whoever holds the lock may change what the
 * record stands for: the container's monitor, for its life; else a netctl that removes it
 * or cleans up after a monitor that was killed.
 *
 * The record is written before what it tells of is made, and after that is gone
 * (life.h), so whatever is killed nothing is forgotten.
 */
#ifndef NETCTL_BOX_BOX_H
#define NETCTL_BOX_BOX_H

#include <json-c/json.h>

#include "lib/base.h"
#include "netctl/book.h"

struct box {
	char id[BOOK_ID_MAX];
	char *path;       /* owned; its directory */
	int dir, lock;    /* owned; lock -1: not ours */
	json_object *rec; /* owned */
};

/* "State" of a record. */
#define BOX_CREATING   "creating"
#define BOX_RUNNING    "running"
#define BOX_RESTARTING "restarting" /* waits for its next start */
#define BOX_EXITED     "exited"
#define BOX_REMOVING   "removing"

/*
 * box_new() - a directory for @rec, which gets ID, and Name if it has none; ours.
 * @rec: shared with the caller, who puts his reference.
 * Return: 0; -EEXIST: the name is taken; what the disk said: nothing is left.
 */
int box_new(const struct ctl *ctl, json_object *rec, struct box *ret,
	    struct err *err);
/* box_free() - its lock, if ours, goes with the last process that has it. */
void box_free(struct box *b);

/*
 * box_find() - by name, id, or the beginning of an id that one has; not locked.
 * Return: 0; -ENOENT; -ENOTUNIQ.
 */
int box_find(const struct ctl *ctl, const char *word, struct box *ret,
	     struct err *err);
/* box_open() - by its whole id.  -ENOENT also where it has no record (yet). */
int box_open(const struct ctl *ctl, const char *id, struct box *ret,
	     struct err *err);
/* box_ids() - @ret: owned array of the ids of all directories. */
int box_ids(const struct ctl *ctl, json_object **ret, struct err *err);

#define BOX_LOCK "lock"
/* box_lock() - of a new one; others: box_own().  @make: O_CREAT, or 0.  -EBUSY. */
int box_lock(struct box *b, int make, struct err *err);
/* box_own() - lock it and read the record again.  -EBUSY: somebody has it. */
int box_own(struct box *b, struct err *err);
/* Has it a monitor (or somebody who cleans up)? */
bool box_is_held(const struct box *b);
/* box_wait() - until nobody holds it.  -ETIMEDOUT. */
int box_wait(const struct box *b, unsigned int timeout_ms);
/*
 * box_is_ending() - is the life at work still that was asked to end by BOX_STOP?  Who lets
 * the container begin again takes the file away, so one that is held without it has another life.
 * box_wait_end() - until it is not.  -ETIMEDOUT.
 */
bool box_is_ending(const struct box *b);
int box_wait_end(const struct box *b, unsigned int timeout_ms);

/*
 * box_await() - sleep until nobody holds it, then read the record again.
 *
 * box_watch() before it: an fd, owned, by which the end is seen also of one that is removed
 * meanwhile; its exit code is in the lock's file then (box_leave_code(), box_remove()).
 * Return: 0: there is a record (of one whose monitor was killed, too); -ENOENT: it was
 * removed, @ret_code is what it ended with; -ENODATA: removed, and that is not known.
 * box_is_awaited() - does somebody sleep so?  Where nobody holds it, who does has not yet read.
 */
int box_watch(const struct box *b, struct err *err);
int box_await(struct box *b, int watch, int *ret_code, struct err *err);
bool box_is_awaited(const struct box *b);
void box_leave_code(const struct box *b);

/* box_save() - on the disk on return. */
int box_save(struct box *b, struct err *err);
int box_reload(struct box *b, struct err *err);
const char *box_state(const struct box *b);
void box_set_state(struct box *b, const char *state);
/* box_text() - replace a text of the record. */
void box_text(struct box *b, const char *key, const char *value);
void box_number(struct box *b, const char *key, int64_t value);
void box_flag(struct box *b, const char *key, bool value);

/* box_write() - a file of the directory, in place (others have it mounted). */
int box_write(const struct box *b, const char *name, const char *text,
	      struct err *err);
/* box_touch(), box_has(), box_drop() - a file whose being there is what it says. */
int box_touch(const struct box *b, const char *name, struct err *err);
bool box_has(const struct box *b, const char *name);
void box_drop(const struct box *b, const char *name);
/* Somebody asked for its end: no restart.  It stands until the next life. */
#define BOX_STOP "stop"

/* box_remove() - the directory and all in it.  Ours. */
int box_remove(struct box *b, struct err *err);

/* box_sweep() - directories without a record: of who was killed while it made or
 * removed one. */
int box_sweep(const struct ctl *ctl, struct err *err);

/* box_now() - RFC 3339 in nanoseconds, UTC, as Docker writes it. */
#define BOX_TIME_MAX 32
const char *box_now(char buf[static BOX_TIME_MAX]);

#endif
