// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Records and transactions of a store; its file's safety is in store_file.c.
 *
 * Space: on a full disk what adds is refused before anything is touched, and
 * what takes away goes on.  For that a file of its own (FILE.reserve) holds
 * some blocks.  A transaction that has begun may spend them, so a request
 * whose intent was accepted can also record its result; a new one that adds is
 * accepted only while the reserve is whole.
 */
#include "lib/store.h"

#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/netns.h"
#include "lib/store_priv.h"

/* Without the casts of SQLITE_STATIC/TRANSIENT: texts outlive the step. */
#define BIND_STATIC ((sqlite3_destructor_type)0)

static const char *const stmt_text[STMT_MAX] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_ROLLBACK] = "ROLLBACK",
	[STMT_PUT] = "INSERT INTO rec(kind, id, parent, body, sum)"
		     " VALUES(?1, ?2, ?3, ?4, ?5)"
		     " ON CONFLICT(kind, id) DO UPDATE SET parent = ?3,"
		     " body = ?4, sum = ?5",
	[STMT_DEL] = "DELETE FROM rec WHERE kind = ?1 AND id = ?2",
	[STMT_GET] = "SELECT id, parent, body, sum FROM rec"
		     " WHERE kind = ?1 AND id = ?2",
	[STMT_EACH] = "SELECT id, parent, body, sum FROM rec WHERE kind = ?1"
		      " ORDER BY n",
	[STMT_EACH_PARENT] = "SELECT id, parent, body, sum FROM rec"
			     " WHERE kind = ?1 AND parent = ?2 ORDER BY n",
	[STMT_META_GET] = "SELECT value FROM meta WHERE key = ?1",
	[STMT_META_PUT] = "INSERT OR REPLACE INTO meta(key, value)"
			  " VALUES(?1, ?2)",
	[STMT_J_BEGIN] = "INSERT INTO intent(state, life, method, key, body,"
			 " sum) VALUES(?6, ?1, ?2, ?3, ?4, ?5)",
	[STMT_J_START] = "UPDATE intent SET state = 0 WHERE n = ?1"
			 " AND state = 4",
	[STMT_J_START_AS] = "UPDATE intent SET state = 0, method = ?2,"
			    " key = ?3, body = ?4, sum = ?5 WHERE n = ?1"
			    " AND state IN (0, 4)",
	[STMT_J_COMMIT] = "UPDATE intent SET state = 1, done_life = ?2,"
			  " done_ms = ?3, answer = ?4 WHERE n = ?1",
	[STMT_J_ABORT_OWN] = "DELETE FROM intent WHERE n = ?1 AND life = ?2",
	[STMT_J_ABORT_OLD] = "UPDATE intent SET state = 2, done_life = ?2,"
			     " done_ms = ?3 WHERE n = ?1",
	[STMT_J_SENDING] = "UPDATE intent SET state = 5 WHERE n = ?1"
			   " AND state = 1",
	[STMT_J_SETTLE] = "DELETE FROM intent WHERE n = ?1"
			  " AND state IN (1, 5)",
	[STMT_J_OPEN] = "SELECT n, method, key, body, state = 4, life < ?2"
			" FROM intent WHERE state IN (0, 4) AND life < ?1"
			" ORDER BY n",
	[STMT_J_KEPT] = "SELECT n, method, key, body, 0, life < ?2 FROM intent"
			" WHERE state IN (1, 3) AND life < ?1 ORDER BY n",
	[STMT_J_SENT] = "SELECT n, method, key, body, 0, life < ?2 FROM intent"
			" WHERE state = 5 AND life < ?1 ORDER BY n",
	[STMT_J_CANDIDATES] = "SELECT n, method, key, body, answer, state,"
			      " done_life > life FROM intent WHERE method = ?1"
			      " AND life < ?2 AND state IN (1, 2, 5)"
			      " AND done_ms > ?3 ORDER BY n",
	[STMT_J_TAKE] = "UPDATE intent SET life = ?2, done_life = ?2"
			" WHERE n = ?1",
	[STMT_J_SPOIL] = "UPDATE intent SET state = 3 WHERE n = ?1",
	[STMT_J_DROP] = "DELETE FROM intent WHERE n = ?1",
	[STMT_J_EXPIRED] =
		"SELECT n, method, key, body, answer, state,"
		" done_life > life FROM intent WHERE state = 3"
		" OR (state IN (1, 2, 5) AND done_ms <= ?1) ORDER BY n",
};

uint64_t store_sum(const char *const *texts, size_t count)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a */

	for (size_t i = 0; i < count; i++) {
		const char *p = texts[i] ? texts[i] : "";

		do {
			h = (h ^ (unsigned char)*p) * 0x100000001b3;
		} while (*p++); /* the NUL parts the texts */
	}
	return h;
}

struct store_name store_name(const struct store *s, const char *suffix)
{
	struct store_name n;

	snprintf(n.s, sizeof(n.s), "%s%s", store_file(s), suffix);
	return n;
}

/* ---- sqlite's errors --------------------------------------------------- */

static int errno_of(struct store *s, int rc)
{
	int sys = s->db ? sqlite3_system_errno(s->db) : 0;

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_TOOBIG:
		return -EMSGSIZE;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EPERM;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		if (sys == ENOSPC || sys == EDQUOT)
			return -ENOSPC;
		return sys == EROFS ? -EROFS : -EIO;
	default:
		return -EIO;
	}
}

int store_fail(struct store *s, int rc, struct err *err)
{
	int ext = s->db ? sqlite3_extended_errcode(s->db) : rc;
	int code = errno_of(s, rc);
	const char *hint = "";

	if (code == -EIO && (ext & 0xff) == SQLITE_IOERR)
		s->suspect = true;
	if (code == -EROFS)
		s->readonly = true;
	if (code == -ENOSPC)
		hint = "; free some space there, deleting still works";
	if (code == -EBUSY)
		hint = "; another program has it open, end that (fuser shows "
		       "it)";
	return err_set(err, code, "%s in %s: %s%s", store_name(s, "").s, s->dir,
		       code == -ENOSPC ? "no space left on the disk"
		       : s->db         ? sqlite3_errmsg(s->db)
				       : sqlite3_errstr(rc),
		       hint);
}

sqlite3_stmt *store_stmt(struct store *s, enum store_stmt id, int *ret,
			 struct err *err)
{
	int rc;

	if (!s->stmts[id]) {
		rc = s->db ? sqlite3_prepare_v3(s->db, stmt_text[id], -1,
						SQLITE_PREPARE_PERSISTENT,
						&s->stmts[id], NULL)
			   : SQLITE_IOERR;
		if (rc != SQLITE_OK) {
			*ret = store_fail(s, rc, err);
			return NULL;
		}
	}
	sqlite3_clear_bindings(s->stmts[id]);
	return s->stmts[id];
}

int store_step(struct store *s, sqlite3_stmt *st, struct err *err)
{
	int rc = sqlite3_step(st), r = 0;

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		r = store_fail(s, rc, err);
	sqlite3_reset(st);
	return r;
}

/* ---- transactions ------------------------------------------------------ */

bool store_enter(struct store *s)
{
	if (store_in_txn(s))
		return false;
	pthread_mutex_lock(&s->lock);
	return true;
}

void store_leave(struct store *s, bool taken)
{
	if (taken)
		pthread_mutex_unlock(&s->lock);
}

void store_sync_set(struct store *s, bool on)
{
	/* a pragma is parsed each time, and most writes come in pairs */
	if (s->life != STORE_STATE || s->unsynced == !on)
		return;
	s->unsynced = sqlite3_exec(s->db,
				   on ? "PRAGMA synchronous=FULL"
				      : "PRAGMA synchronous=NORMAL",
				   NULL, NULL, NULL) == SQLITE_OK
			      ? !on
			      : s->unsynced;
}

void store_spill_set(struct store *s, bool on)
{
	if (s->unspilled != on)
		return;
	s->unspilled = sqlite3_exec(s->db,
				    on ? "PRAGMA cache_spill=ON"
				       : "PRAGMA cache_spill=OFF",
				    NULL, NULL, NULL) == SQLITE_OK
			       ? !on
			       : s->unspilled;
}

static void txn_end(struct store *s)
{
	atomic_store(&s->owner, (pthread_t)0);
	pthread_mutex_unlock(&s->lock);
}

static int begin(struct store *s, bool unsynced, struct err *err)
{
	sqlite3_stmt *st;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	if (s->readonly)
		r = err_set(err, -EROFS,
			    "%s is read-only: nothing can be "
			    "changed until it is writable and the daemon is "
			    "restarted",
			    s->dir);
	else if (s->suspect)
		r = store_rewrite(s, err);
	if (r == 0) {
		store_sync_set(s, !unsynced);
		store_spill_set(s, !store_space_is_low(s));
	}
	st = r == 0 ? store_stmt(s, STMT_BEGIN, &r, err) : NULL;
	if (st)
		r = store_step(s, st, err);
	if (r < 0) {
		txn_end(s);
		return r;
	}
	s->changes_before = sqlite3_total_changes(s->db);
	atomic_store(&s->owner, pthread_self());
	return 0;
}

int store_begin(struct store *s, struct err *err)
{
	return begin(s, false, err);
}

int store_begin_unsynced(struct store *s, struct err *err)
{
	return begin(s, true, err);
}

void store_rollback(struct store *s)
{
	sqlite3_stmt *st;
	int r;

	if (!s || !store_in_txn(s))
		return;
	/* Some failures have rolled back already. */
	if (s->db && !sqlite3_get_autocommit(s->db)) {
		st = store_stmt(s, STMT_ROLLBACK, &r, NULL);
		if (st)
			(void)store_step(s, st, NULL);
	}
	txn_end(s);
}

/*
 * How much the log grows by, at most: a frame for each page that is changed.  A record
 * is in a table and its indexes; the pages of their roots and of the free list are
 * shared by all.
 */
static int64_t commit_bytes(const struct store *s)
{
	int64_t n = sqlite3_total_changes(s->db) - s->changes_before;

	return (n * 4 + 12) * (4096 + 24);
}

/* @reserve: the blocks held back may be spent. */
static int commit(struct store *s, bool reserve, struct err *err)
{
	bool given = reserve && store_space_is_low(s);
	int r = FAILPOINT("store.commit");
	sqlite3_stmt *st;

	if (!store_in_txn(s))
		return err_set(err, -EINVAL, "no transaction is under way");
	if (r < 0) {
		s->suspect = r == -EIO;
		r = err_set(err, r, "%s in %s: %s", store_name(s, "").s, s->dir,
			    strerror(-r));
		store_rollback(s);
		return r;
	}
	given = given && store_reserve_give(s, commit_bytes(s));
	st = store_stmt(s, STMT_COMMIT, &r, err);
	if (st)
		r = store_step(s, st, err);
	if (given)
		store_reserve_take(s);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	s->dirty = true;
	txn_end(s);
	return 0;
}

int store_commit(struct store *s, struct err *err)
{
	return commit(s, true, err);
}

int store_write_begin(struct store *s, bool *ret_own, struct err *err)
{
	*ret_own = !store_in_txn(s);
	return *ret_own ? store_begin(s, err) : 0;
}

int store_write_begin_growing(struct store *s, bool unsynced, bool *ret_own,
			      struct err *err)
{
	int r = 0;

	*ret_own = !store_in_txn(s);
	if (!*ret_own)
		return 0; /* that transaction was let in */
	pthread_mutex_lock(&s->lock);
	if (!s->readonly && !s->suspect)
		r = store_grow_check(s, err);
	pthread_mutex_unlock(&s->lock);
	return r < 0 ? r : begin(s, unsynced, err);
}

int store_write_end(struct store *s, bool own, int code, struct err *err)
{
	if (!own)
		return code;
	if (code < 0) {
		store_rollback(s);
		return code;
	}
	return commit(s, true, err);
}

int store_write_end_growing(struct store *s, bool own, int code,
			    struct err *err)
{
	if (code == 0 && own)
		return commit(s, false, err);
	return store_write_end(s, own, code, err);
}

/* ---- records ----------------------------------------------------------- */

static void bind_texts(sqlite3_stmt *st, const char *const *texts, int count)
{
	for (int i = 0; i < count; i++)
		sqlite3_bind_text(st, i + 1, texts[i], -1, BIND_STATIC);
}

static int put(struct store *s, const char *const texts[4], struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, STMT_PUT, &r, err);

	if (!st)
		return r;
	bind_texts(st, texts, 4);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)store_sum(texts, 4));
	return store_step(s, st, err);
}

int store_put(struct store *s, const char *kind, const char *id,
	      const char *parent, const char *json, struct err *err)
{
	const char *const texts[4] = { kind, id, parent ? parent : "", json };
	bool own;
	int r = store_write_begin_growing(s, false, &own, err);

	if (r < 0)
		return r;
	r = put(s, texts, err);
	return store_write_end_growing(s, own, r, err);
}

int store_del(struct store *s, const char *kind, const char *id,
	      struct err *err)
{
	const char *const texts[2] = { kind, id };
	sqlite3_stmt *st;
	bool own;
	int r = store_write_begin(s, &own, err);

	if (r < 0)
		return r;
	st = store_stmt(s, STMT_DEL, &r, err);
	if (st) {
		bind_texts(st, texts, 2);
		r = store_step(s, st, err);
	}
	return store_write_end(s, own, r, err);
}

struct row {
	const char *id, *parent, *json; /* borrowed until the next step */
};

/* Read and verify the row @st stands on. */
static int row_get(struct store *s, sqlite3_stmt *st, const char *kind,
		   struct row *ret, struct err *err)
{
	const char *texts[4] = { kind };

	for (int i = 0; i < 3; i++)
		texts[i + 1] = (const char *)sqlite3_column_text(st, i);
	if (!texts[1] || !texts[2] || !texts[3])
		return err_set(err, -ENOMEM, "reading %s", s->dir);
	if ((int64_t)store_sum(texts, 4) != sqlite3_column_int64(st, 3))
		return err_set(err, -EUCLEAN,
			       "%s in %s: the record of %s \"%s\" is damaged; "
			       "restart the daemon, it will use its copy",
			       store_name(s, "").s, s->dir, kind, texts[1]);
	*ret = (struct row){ texts[1], texts[2], texts[3] };
	return 0;
}

static int get(struct store *s, const char *const texts[2], char **ret,
	       struct err *err)
{
	int r = 0, rc;
	sqlite3_stmt *st = store_stmt(s, STMT_GET, &r, err);
	struct row row = { 0 };

	if (!st)
		return r;
	bind_texts(st, texts, 2);
	rc = sqlite3_step(st);
	if (rc == SQLITE_DONE)
		r = err_set(err, -ENOENT, "no %s \"%s\"", texts[0], texts[1]);
	else if (rc != SQLITE_ROW)
		r = store_fail(s, rc, err);
	else
		r = row_get(s, st, texts[0], &row, err);
	if (row.json) {
		char *copy = strdup(row.json);

		if (copy)
			*ret = copy;
		else
			r = err_set(err, -ENOMEM, "%s \"%s\"", texts[0],
				    texts[1]);
	}
	sqlite3_reset(st);
	return r;
}

int store_get(struct store *s, const char *kind, const char *id, char **ret,
	      struct err *err)
{
	const char *const texts[2] = { kind, id };
	bool taken = store_enter(s);
	int r = get(s, texts, ret, err);

	store_leave(s, taken);
	return r;
}

static int each(struct store *s, const char *const texts[2],
		int (*fn)(void *ctx, const char *id, const char *parent,
			  const char *json),
		void *ctx, struct err *err)
{
	int r = 0, rc;
	sqlite3_stmt *st =
		store_stmt(s, texts[1] ? STMT_EACH_PARENT : STMT_EACH, &r, err);
	struct row row;

	if (!st)
		return r;
	bind_texts(st, texts, texts[1] ? 2 : 1);
	while (r >= 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW)
			r = store_fail(s, rc, err);
		else
			r = row_get(s, st, texts[0], &row, err);
		if (r >= 0)
			r = fn(ctx, row.id, row.parent, row.json);
	}
	sqlite3_reset(st);
	return r < 0 ? r : 0;
}

int store_each(struct store *s, const char *kind, const char *parent,
	       int (*fn)(void *ctx, const char *id, const char *parent,
			 const char *json),
	       void *ctx, struct err *err)
{
	const char *const texts[2] = { kind, parent };
	bool taken = store_enter(s);
	int r = each(s, texts, fn, ctx, err);

	store_leave(s, taken);
	return r;
}
