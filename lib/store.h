/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - a daemon's records on disk, in SQLite.  The only user of sqlite3.
 *
 * A store holds records (kind, id, parent, JSON text) and the journal of
 * requests (journal.h).  Two stores a daemon: state.db in the state directory
 * survives reboot (synchronous=FULL); run.db in the run directory describes
 * kernel objects and is emptied when the boot id or the network namespace is
 * not the one it was written under, so it needs no fsync (synchronous=OFF: a killed
 * daemon loses nothing, a power cut ends the boot).  Both are WAL, each locked (flock on
 * FILE.lock, and FILE itself against sqlite3(1)) for the life of the handle; nothing of
 * them is mapped.  Thread-safe: one mutex a store.
 *
 * On open: O_NOFOLLOW and owner checks on directory and file, quick_check, a
 * checksum per record; the good file is copied to FILE.bak (sqlite3_backup).
 * A damaged file is moved to FILE.damaged-<n> and the copy takes its place;
 * store_was_restored() says so.  schema newer than ours: -EPROTONOSUPPORT and
 * nothing is touched; older: migrated on a copy, the old file kept as FILE.v<N>.
 */
#ifndef LIB_STORE_H
#define LIB_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

enum store_life {
	STORE_STATE, /* survives reboot */
	STORE_RUN,   /* dies with the kernel: boot id + netns cookie */
};

struct store;

/*
 * store_open() - open or make @dir/{state,run}.db.
 *
 * @dir: made 0700 when missing (one level; its parent must exist or be made
 *       by the caller).
 * Return: 0; -EBUSY when another daemon holds it (@err names the pid) or any other
 *         program has the file open;
 *         -EPROTONOSUPPORT; -ELOOP / -EPERM for a link or a foreign owner;
 *         what the disk said.
 */
int store_open(const char *dir, enum store_life life, struct store **ret,
	       struct err *err);
void store_close(struct store *s); /* NULL is fine */
DEFINE_CLEANUP(struct store, store_close)

/*
 * store_peek() - are there records of @kind in a store of @dir that nobody has open, or a
 * request that was cut off and may make one?  For another program than its daemon:
 * nothing is written or locked, so a daemon that starts meanwhile is not in the way.
 *
 * Return: 1; 0: neither; -ENOENT: no such file; -EAGAIN: its daemon runs, or was killed:
 *         what it wrote last is not in the file yet; else as store_open().
 */
int store_peek(const char *dir, enum store_life life, const char *kind,
	       struct err *err);

bool store_was_restored(const struct store *s);
bool store_is_readonly(const struct store *s); /* EROFS, EACCES */
const char *store_file(const struct store *s); /* "state.db" or "run.db" */
/* store_copy_if_due() - renew FILE.bak when something was written since. */
int store_copy_if_due(struct store *s, struct err *err);

/*
 * A transaction: everything until commit happens or does not.  Holds the
 * store's mutex; not recursive.  store_put() and others outside of one make
 * their own.  rollback after commit, and of NULL, is a no-op, so it serves as a cleanup.
 */
int store_begin(struct store *s, struct err *err);
/* store_begin_unsynced() - the commit survives the process, but of a power cut
 * only what was committed with or before the last synced one is sure.  For what can be
 * done once more. */
int store_begin_unsynced(struct store *s, struct err *err);
int store_commit(struct store *s, struct err *err); /* -ENOSPC, -EIO, -EROFS */
void store_rollback(struct store *s);
DEFINE_CLEANUP(struct store, store_rollback)

/* Insert or replace.  @parent "" for none.  All text is copied. */
int store_put(struct store *s, const char *kind, const char *id,
	      const char *parent, const char *json, struct err *err);
/* Absent is success. */
int store_del(struct store *s, const char *kind, const char *id,
	      struct err *err);
/* @ret: owned text.  -ENOENT when there is none. */
int store_get(struct store *s, const char *kind, const char *id, char **ret,
	      struct err *err);
/*
 * store_each() - call @fn for each record of @kind (of @parent when not NULL),
 * in insertion order.  @fn must not call into the store; a negative return
 * ends the walk and is returned.
 */
int store_each(struct store *s, const char *kind, const char *parent,
	       int (*fn)(void *ctx, const char *id, const char *parent,
			 const char *json),
	       void *ctx, struct err *err);

#endif
