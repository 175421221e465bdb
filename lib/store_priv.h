/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_priv.h - what store.c (records), store_file.c (the file's safety),
 * store_schema.c (versions) and journal.c share.  Nobody else includes it.
 */
#ifndef LIB_STORE_PRIV_H
#define LIB_STORE_PRIV_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdint.h>

#include "lib/store.h"

enum store_stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_PUT,
	STMT_DEL,
	STMT_GET,
	STMT_EACH,
	STMT_EACH_PARENT,
	STMT_META_GET,
	STMT_META_PUT,
	STMT_J_BEGIN,
	STMT_J_START,
	STMT_J_START_AS,
	STMT_J_COMMIT,
	STMT_J_ABORT_OWN,
	STMT_J_ABORT_OLD,
	STMT_J_SENDING,
	STMT_J_SETTLE,
	STMT_J_OPEN,
	STMT_J_KEPT,
	STMT_J_SENT,
	STMT_J_CANDIDATES,
	STMT_J_TAKE,
	STMT_J_SPOIL,
	STMT_J_DROP,
	STMT_J_EXPIRED,
	STMT_MAX,
};

struct store {
	enum store_life life;
	char *dir; /* owned */
	int dir_fd, lock_fd, reserve_fd;
	int64_t reserve_size; /* bytes it is meant to hold; 0: none */
	int64_t reserve_held; /* bytes it holds, of whole parts */
	int64_t reserve_part;
	bool restored, readonly;
	bool peek;    /* with .readonly: it may be another's any moment */
	bool suspect; /* a write failed: the file is rewritten before the next */
	bool unsynced;      /* commits do not wait for the disk now */
	bool unspilled;     /* nothing is written before it is committed */
	bool dirty;         /* written to since the copy was made */
	int changes_before; /* sqlite3_total_changes() as the transaction began */
	int64_t epoch;      /* number of this life, journal.h */
	int64_t boot_epoch; /* of the first life of this boot */

	pthread_mutex_t lock;
	_Atomic(pthread_t) owner; /* who is in a transaction; 0: nobody */
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_MAX];
};

#define STORE_SCHEMA 1 /* store_schema.c */

/* "state.db" or "run.db", with @suffix behind. */
struct store_name {
	char s[48];
};
struct store_name store_name(const struct store *s, const char *suffix);

/* sqlite's code as -errno and text: "state.db in DIR: disk full ..." */
int store_fail(struct store *s, int rc, struct err *err);
/* A prepared statement, reset; NULL: @err says why (code in *ret). */
sqlite3_stmt *store_stmt(struct store *s, enum store_stmt id, int *ret,
			 struct err *err);
/* Run a statement that returns no row, and reset it. */
int store_step(struct store *s, sqlite3_stmt *st, struct err *err);
uint64_t store_sum(const char *const *texts, size_t count);

/* Take the lock unless this thread's transaction holds it; leave undoes it. */
bool store_enter(struct store *s); /* true: taken here */
void store_leave(struct store *s, bool taken);
static inline bool store_in_txn(struct store *s)
{
	return atomic_load(&s->owner) == pthread_self();
}
/* Will the next commit wait for the disk?  Asked before each; run.db's never
 * does.  Locked, not in a transaction. */
void store_sync_set(struct store *s, bool on);
/* What is larger than SQLite's cache is written before it is committed, and no reserve is
 * given for that: not on a disk that is full.  (Always, it would cost the memory of the
 * largest transaction for good.)  Locked, not in a transaction. */
void store_spill_set(struct store *s, bool on);
/* For a write that nobody wrapped in a transaction. */
int store_write_begin(struct store *s, bool *ret_own, struct err *err);
int store_write_end(struct store *s, bool own, int code, struct err *err);
/* The same for what adds: it may not spend the reserve. */
int store_write_begin_growing(struct store *s, bool unsynced, bool *ret_own,
			      struct err *err);
int store_write_end_growing(struct store *s, bool own, int code,
			    struct err *err);

/* store_file.c */
int store_dir_open(struct store *s, const char *dir, struct err *err);
int store_lock(struct store *s, struct err *err);
int store_files_check(struct store *s, struct err *err);
int store_db_open(struct store *s, struct err *err);
/* -ENOENT: there is no FILE; -EAGAIN: not all that was committed is in it. */
int store_settled(const struct store *s, struct err *err);
void store_db_close(struct store *s);
int store_copy(struct store *s, struct err *err);    /* FILE.bak */
int store_rewrite(struct store *s, struct err *err); /* after EIO */

/* store_space.c */
void store_reserve_open(struct store *s);
bool store_space_is_low(const struct store *s);
/* -ENOSPC unless there is room for one more record.  Not in a transaction. */
int store_grow_check(struct store *s, struct err *err);
/*
 * Give back @bytes of the reserve (whole parts of it, and what there is), for what
 * must be written now; false: nothing was given.  Take tries to have it whole again
 * and keeps what it gets.  Not all is given at once: whoever filled the disk may
 * write on, and has what is free before we have it again.
 */
bool store_reserve_give(struct store *s, int64_t bytes);
void store_reserve_take(struct store *s); /* not in a transaction */

/* store_schema.c */
/* Steps [from, count) of @steps on @db, in one transaction. */
int store_migrate(sqlite3 *db, const char *const *steps, int from, int count,
		  struct err *err);
extern const char *const store_steps[STORE_SCHEMA];
/* quick_check and sums; a file without tables yet passes. */
int store_db_check(sqlite3 *db, struct err *err);
/* The schema's; 0: it has no tables yet. */
int store_db_version(sqlite3 *db, struct err *err);

#endif
