// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The journal: intents and kept answers, in the table "intent".
 *
 *      announce         start        commit        sending        settle
 * (none) -----> WAITING -----> OPEN -------> DONE --------> SENT -------> (gone)
 *                  | abort      | abort        | an empty retry takes it: the
 *                  v            v              v row is of this life now
 *            (gone), or UNDONE if            DONE
 *            an earlier life began it
 *
 * A row that an earlier life began and this or a later one committed was
 * "rolled": its peer cannot have had the answer.  Those are undone on expiry;
 * all that were not SENT, when an empty retry could belong to several rows.  In that case
 * the others are forgotten at once, so that the next empty retry does not find
 * a single one left and take it for its own; the rolled ones become SPOILED
 * until their undoing has succeeded, whatever happens meanwhile.
 *
 * UNDONE and SENT rows answer nothing.  They count as candidates, because an empty
 * retry may be theirs: with one of those beside a kept answer we cannot know.
 */
#include "lib/journal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/store_priv.h"

enum intent_state { /* on disk: never renumber */
		    INTENT_OPEN = 0,
		    INTENT_DONE = 1,
		    INTENT_UNDONE = 2,
		    INTENT_SPOILED = 3,
		    INTENT_WAITING = 4,
		    INTENT_SENT = 5,
};

struct kept {
	struct journal_intent i;
	char *answer; /* owned */
	int state;
	bool rolled;
};

struct kept_list {
	struct kept *rows; /* owned */
	size_t count;
};

static void kept_list_clear(struct kept_list *l)
{
	for (size_t i = 0; i < l->count; i++) {
		free(l->rows[i].i.body);
		free(l->rows[i].answer);
	}
	free(l->rows);
	*l = (struct kept_list){ 0 };
}

static int64_t boottime_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Numbers of the two stores never meet: run.db's are odd, state.db's even, so
 * settling on the wrong one does nothing. */
static uint64_t seq_of(const struct store *s, int64_t n)
{
	return (uint64_t)n * 2 + (s->life == STORE_RUN);
}

static int64_t row_of(const struct store *s, uint64_t seq)
{
	return seq % 2 == (s->life == STORE_RUN) ? (int64_t)(seq / 2) : 0;
}

/* Methods that free something go on when the disk is full. */
static bool method_frees(const char *method)
{
	static const char *const verbs[] = { "Delete", "Remove",  "Leave",
					     "Revoke", "Unmount", "Release",
					     "Free",   "Gc" };
	const char *dot = strchr(method, '.');
	const char *verb = dot ? dot + 1 : method;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strncmp(verb, verbs[i], strlen(verbs[i])))
			return true;
	return false;
}

/* ---- one row ----------------------------------------------------------- */

static void bind_text(sqlite3_stmt *st, int i, const char *text)
{
	/* NULL destructor: the text outlives the step */
	sqlite3_bind_text(st, i, text, -1, NULL);
}

static int insert(struct store *s, const char *const texts[3],
		  enum intent_state state, int64_t *ret, struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, STMT_J_BEGIN, &r, err);

	if (!st)
		return r;
	sqlite3_bind_int64(st, 1, s->epoch);
	for (int i = 0; i < 3; i++)
		bind_text(st, i + 2, texts[i]);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)store_sum(texts, 3));
	sqlite3_bind_int(st, 6, (int)state);
	r = store_step(s, st, err);
	if (r == 0)
		*ret = sqlite3_last_insert_rowid(s->db);
	return r;
}

static int begin_point(struct err *err)
{
	int r = FAILPOINT("journal.begin");

	return r < 0 ? err_set(err, r, "journal: %s", strerror(-r)) : 0;
}

static int begin_write(struct store *s, bool frees, bool unsynced,
		       bool *ret_own, struct err *err)
{
	if (!frees)
		return store_write_begin_growing(s, unsynced, ret_own, err);
	*ret_own = !store_in_txn(s);
	return !*ret_own  ? 0
	       : unsynced ? store_begin_unsynced(s, err)
			  : store_begin(s, err);
}

static int begin(struct store *s, const char *const texts[3], bool unsynced,
		 uint64_t *ret, struct err *err)
{
	bool frees = method_frees(texts[0]), own;
	int64_t n = 0;
	int r = begin_point(err);

	if (r == 0)
		r = begin_write(s, frees, unsynced, &own, err);
	if (r < 0)
		return r;
	r = insert(s, texts, INTENT_OPEN, &n, err);
	r = frees ? store_write_end(s, own, r, err)
		  : store_write_end_growing(s, own, r, err);
	if (r == 0)
		*ret = seq_of(s, n);
	return r;
}

int journal_begin(struct store *s, const char *method, const char *key,
		  const char *body, uint64_t *ret, struct err *err)
{
	const char *const texts[3] = { method, key, body ? body : "" };

	return begin(s, texts, false, ret, err);
}

int journal_begin_unsynced(struct store *s, const char *method, const char *key,
			   const char *body, uint64_t *ret, struct err *err)
{
	const char *const texts[3] = { method, key, body ? body : "" };

	return begin(s, texts, true, ret, err);
}

int journal_commit(struct store *s, uint64_t seq, const char *answer,
		   struct err *err)
{
	sqlite3_stmt *st;
	int r = 0;

	if (!store_in_txn(s))
		return err_set(err, -EINVAL,
			       "journal: commit outside of a transaction");
	st = store_stmt(s, STMT_J_COMMIT, &r, err);
	if (!st)
		return r;
	sqlite3_bind_int64(st, 1, row_of(s, seq));
	sqlite3_bind_int64(st, 2, s->epoch);
	sqlite3_bind_int64(st, 3, boottime_ms());
	bind_text(st, 4, answer ? answer : "{}");
	r = store_step(s, st, err);
	if (r == 0 && sqlite3_changes(s->db) != 1)
		r = err_set(err, -ENOENT, "journal: no intent %llu",
			    (unsigned long long)seq);
	return r;
}

/* Run a statement of ?1 = row and, where @epoch, ?2 = life, ?3 = now. */
static int row_step(struct store *s, enum store_stmt id, int64_t n, bool epoch,
		    struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, id, &r, err);

	if (!st)
		return r;
	sqlite3_bind_int64(st, 1, n);
	if (epoch)
		sqlite3_bind_int64(st, 2, s->epoch);
	if (sqlite3_bind_parameter_count(st) > 2)
		sqlite3_bind_int64(st, 3, boottime_ms());
	return store_step(s, st, err);
}

int journal_abort(struct store *s, uint64_t seq, struct err *err)
{
	int64_t n = row_of(s, seq);
	bool own;
	int r = store_write_begin(s, &own, err);

	if (r < 0)
		return r;
	r = row_step(s, STMT_J_ABORT_OWN, n, true, err);
	if (r == 0 && sqlite3_changes(s->db) == 0)
		r = row_step(s, STMT_J_ABORT_OLD, n, true, err);
	return store_write_end(s, own, r, err);
}

/* What a killed process must not lose, but a power cut may, is written with
 * store_sync_set() off: the next commit of the daemon brings it to the disk. */

static bool writable(const struct store *s)
{
	return s->db && !s->readonly && !s->suspect;
}

uint64_t journal_announce(struct store *s, const char *method, const char *key,
			  const char *body)
{
	const char *const texts[3] = { method, key, body ? body : "" };
	int64_t n = 0;
	int r = -EROFS;

	if (store_in_txn(s) || FAILPOINT("journal.announce") < 0)
		return 0;
	pthread_mutex_lock(&s->lock);
	if (writable(s))
		r = method_frees(method) ? 0 : store_grow_check(s, NULL);
	if (r == 0) {
		store_sync_set(s, false);
		r = insert(s, texts, INTENT_WAITING, &n, NULL);
	}
	pthread_mutex_unlock(&s->lock);
	return r == 0 ? seq_of(s, n) : 0;
}

static int start_row(struct store *s, int64_t n, struct err *err)
{
	int r = row_step(s, STMT_J_START, n, false, err);

	if (r == 0 && sqlite3_changes(s->db) != 1)
		r = err_set(err, -ENOENT, "journal: nothing was announced");
	return r;
}

/* What adds was let in by journal_announce(); it may use the reserve. */
int journal_start(struct store *s, uint64_t seq, struct err *err)
{
	bool own;
	int r = begin_point(err);

	if (r == 0)
		r = store_write_begin(s, &own, err);
	if (r < 0)
		return r;
	r = start_row(s, row_of(s, seq), err);
	return store_write_end(s, own, r, err);
}

static int start_row_as(struct store *s, int64_t n, const char *const texts[3],
			struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, STMT_J_START_AS, &r, err);

	if (!st)
		return r;
	sqlite3_bind_int64(st, 1, n);
	for (int i = 0; i < 3; i++)
		bind_text(st, i + 2, texts[i]);
	sqlite3_bind_int64(st, 5, (sqlite3_int64)store_sum(texts, 3));
	r = store_step(s, st, err);
	if (r == 0 && sqlite3_changes(s->db) != 1)
		r = err_set(err, -ENOENT, "journal: nothing was announced");
	return r;
}

int journal_start_as(struct store *s, uint64_t seq, const char *method,
		     const char *key, const char *body, struct err *err)
{
	const char *const texts[3] = { method, key, body };
	bool own;
	int r = begin_point(err);

	if (r == 0)
		r = store_write_begin(s, &own, err);
	if (r < 0)
		return r;
	r = start_row_as(s, row_of(s, seq), texts, err);
	return store_write_end(s, own, r, err);
}

/* Failure is not reported, and a number of the other store is none of ours. */
static void row_unsynced(struct store *s, enum store_stmt id, uint64_t seq)
{
	int64_t n = row_of(s, seq);

	if (!n || store_in_txn(s))
		return;
	pthread_mutex_lock(&s->lock);
	if (writable(s)) {
		store_sync_set(s, false);
		(void)row_step(s, id, n, false, NULL);
	}
	pthread_mutex_unlock(&s->lock);
}

void journal_sending(struct store *s, uint64_t seq)
{
	row_unsynced(s, STMT_J_SENDING, seq);
}

void journal_settle(struct store *s, uint64_t seq)
{
	row_unsynced(s, STMT_J_SETTLE, seq);
}

/* ---- many rows --------------------------------------------------------- */

static char *column_dup(sqlite3_stmt *st, int i)
{
	const char *text = (const char *)sqlite3_column_text(st, i);

	return strdup(text ? text : "");
}

/* Columns: n, method, key, body, and waiting, before_boot or answer, state,
 * rolled. */
static int kept_add(const struct store *s, sqlite3_stmt *st,
		    struct kept_list *l)
{
	bool whole = sqlite3_column_count(st) > 6;
	struct kept *rows = realloc(l->rows, (l->count + 1) * sizeof(*rows));
	struct kept *k;

	if (!rows)
		return -ENOMEM;
	l->rows = rows;
	k = &rows[l->count];
	*k = (struct kept){ 0 };
	k->i.seq = seq_of(s, sqlite3_column_int64(st, 0));
	snprintf(k->i.method, sizeof(k->i.method), "%s",
		 (const char *)sqlite3_column_text(st, 1));
	snprintf(k->i.key, sizeof(k->i.key), "%s",
		 (const char *)sqlite3_column_text(st, 2));
	k->i.body = column_dup(st, 3);
	if (whole) {
		k->answer = column_dup(st, 4);
		k->state = sqlite3_column_int(st, 5);
		k->rolled = sqlite3_column_int(st, 6);
	} else {
		k->i.waiting = sqlite3_column_int(st, 4);
		k->i.before_boot = sqlite3_column_int(st, 5);
	}
	l->count++;
	return k->i.body && (!whole || k->answer) ? 0 : -ENOMEM;
}

static int collect(struct store *s, sqlite3_stmt *st, struct kept_list *l,
		   struct err *err)
{
	int rc, r = 0;

	while (r == 0 && (rc = sqlite3_step(st)) != SQLITE_DONE) {
		if (rc != SQLITE_ROW)
			r = store_fail(s, rc, err);
		else if (kept_add(s, st, l) < 0)
			r = err_set(err, -ENOMEM, "journal: reading intents");
	}
	sqlite3_reset(st);
	return r;
}

/* Rows of earlier lives. */
static int collect_old(struct store *s, enum store_stmt id, struct kept_list *l,
		       struct err *err)
{
	int r = 0;
	bool taken = store_enter(s);
	sqlite3_stmt *st = store_stmt(s, id, &r, err);

	if (st) {
		sqlite3_bind_int64(st, 1, s->epoch);
		sqlite3_bind_int64(st, 2, s->boot_epoch);
		r = collect(s, st, l, err);
	}
	store_leave(s, taken);
	return r;
}

static int each_old(struct store *s, enum store_stmt id,
		    int (*fn)(void *ctx, const struct journal_intent *i),
		    void *ctx, struct err *err)
{
	_cleanup_(kept_list_clear) struct kept_list l = { 0 };
	int r = collect_old(s, id, &l, err);

	for (size_t i = 0; i < l.count && r >= 0; i++)
		r = fn(ctx, &l.rows[i].i);
	return r < 0 ? r : 0;
}

int journal_each_open(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err)
{
	return each_old(s, STMT_J_OPEN, fn, ctx, err);
}

int journal_each_kept(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err)
{
	return each_old(s, STMT_J_KEPT, fn, ctx, err);
}

int journal_each_sent(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err)
{
	return each_old(s, STMT_J_SENT, fn, ctx, err);
}

/* Hand what is SPOILED in @l to @undo; forget it where that succeeds. */
static void undo_spoiled(struct store *s, const struct kept_list *l,
			 int (*undo)(void *ctx, const struct journal_intent *i),
			 void *ctx)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct kept *k = &l->rows[i];
		bool own;

		if (k->state != INTENT_SPOILED || undo(ctx, &k->i) < 0 ||
		    store_write_begin(s, &own, NULL) < 0)
			continue; /* journal_expire() tries again */
		(void)store_write_end(s, own,
				      row_step(s, STMT_J_DROP,
					       row_of(s, k->i.seq), false,
					       NULL),
				      NULL);
	}
}

/*
 * In a transaction: nobody is to be answered by these rows any more.
 *
 * What is DONE was not being sent yet, so its peer has no answer and, when it
 * asks again (@asked), is told of an error: undone.  On expiry nobody asked, and
 * in case the mark of the sending could not be written only "rolled" ones are.
 */
static int spoil(struct store *s, struct kept_list *l, bool asked,
		 struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < l->count && r == 0; i++) {
		struct kept *k = &l->rows[i];
		bool undo = k->state == INTENT_DONE && (asked || k->rolled);

		if (k->state == INTENT_SPOILED)
			continue;
		r = row_step(s, undo ? STMT_J_SPOIL : STMT_J_DROP,
			     row_of(s, k->i.seq), false, err);
		k->state = undo ? INTENT_SPOILED : INTENT_UNDONE;
	}
	return r;
}

/*
 * A row of this life is no candidate, so no other retry gets it; but if we die
 * before the answer is delivered, the next life finds it again.  Begun and done
 * in one life it is not "rolled" any more either: its peer may have the answer.
 */
static int take_one(struct store *s, struct kept *k, char **ret,
		    struct err *err)
{
	bool done = k->state == INTENT_DONE;
	int r = row_step(s, done ? STMT_J_TAKE : STMT_J_DROP,
			 row_of(s, k->i.seq), done, err);

	if (r < 0)
		return r;
	if (!done)
		return -ENODATA; /* undone, or sent to somebody */
	*ret = take_ptr(k->answer);
	return 0;
}

static int candidates(struct store *s, const char *method, struct kept_list *l,
		      struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, STMT_J_CANDIDATES, &r, err);

	if (!st)
		return r;
	bind_text(st, 1, method);
	sqlite3_bind_int64(st, 2, s->epoch);
	sqlite3_bind_int64(st, 3, boottime_ms() - JOURNAL_KEEP_MS);
	return collect(s, st, l, err);
}

/* In a transaction: 0 and @ret, -ENODATA, or -ENOTUNIQ with @l spoiled. */
static int take(struct store *s, const char *method, bool alone,
		struct kept_list *l, char **ret, struct err *err)
{
	int r = candidates(s, method, l, err);

	if (r < 0)
		return r;
	if (l->count > 1 || (l->count && !alone)) {
		r = spoil(s, l, true, err);
		return r < 0 ? r : -ENOTUNIQ;
	}
	return l->count ? take_one(s, &l->rows[0], ret, err) : -ENODATA;
}

int journal_replay(struct store *s, const char *method, bool alone, char **ret,
		   uint64_t *ret_seq,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err)
{
	_cleanup_(kept_list_clear) struct kept_list l = { 0 };
	_cleanup_free_ char *answer = NULL;
	int r = store_begin(s, err), found;

	if (r < 0)
		return r;
	found = take(s, method, alone, &l, &answer, err);
	if (found < 0 && found != -ENODATA && found != -ENOTUNIQ) {
		store_rollback(s);
		return found;
	}
	r = store_commit(s, err);
	if (r < 0)
		return r;
	if (found == -ENODATA)
		return err_set(err, found,
			       "%s came without a body (a retry of a broken "
			       "request) and nothing is known of it",
			       method);
	if (found == -ENOTUNIQ) {
		undo_spoiled(s, &l, undo, ctx);
		return err_set(err, found,
			       "%s came without a body (a retry of a broken "
			       "request), and so did others, or it may be any "
			       "of %zu: all are undone",
			       method, l.count);
	}
	r = FAILPOINT("journal.replay.taken");
	if (r < 0)
		return err_set(err, r, "journal: %s", strerror(-r));
	*ret_seq = l.rows[0].i.seq;
	*ret = take_ptr(answer);
	return 0;
}

int journal_candidates(struct store *s, const char *method, struct err *err)
{
	_cleanup_(kept_list_clear) struct kept_list l = { 0 };
	bool taken = store_enter(s);
	int r = candidates(s, method, &l, err);

	store_leave(s, taken);
	return r < 0 ? r : (int)l.count;
}

bool journal_was_done(struct store *s, const char *method, const char *answer)
{
	_cleanup_(kept_list_clear) struct kept_list l = { 0 };
	bool taken = store_enter(s), found = false;

	(void)candidates(s, method, &l, NULL); /* then it was not */
	store_leave(s, taken);
	for (size_t i = 0; i < l.count; i++)
		found |= l.rows[i].state != INTENT_UNDONE && l.rows[i].answer &&
			 strcmp(l.rows[i].answer, answer) == 0;
	return found;
}

int journal_refuse(struct store *s, const char *method,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err)
{
	_cleanup_(kept_list_clear) struct kept_list l = { 0 };
	int r = store_begin(s, err);

	if (r < 0)
		return r;
	r = candidates(s, method, &l, err);
	if (r == 0)
		r = spoil(s, &l, true, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	r = store_commit(s, err);
	if (r == 0)
		undo_spoiled(s, &l, undo, ctx);
	return r;
}

static int collect_expired(struct store *s, struct kept_list *l,
			   struct err *err)
{
	int r = 0;
	sqlite3_stmt *st = store_stmt(s, STMT_J_EXPIRED, &r, err);

	if (!st)
		return r;
	sqlite3_bind_int64(st, 1, boottime_ms() - JOURNAL_KEEP_MS);
	return collect(s, st, l, err);
}

int journal_expire(struct store *s,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err)
{
	_cleanup_(kept_list_clear) struct kept_list l = { 0 };
	bool taken = store_enter(s);
	int r = collect_expired(s, &l, err);

	store_leave(s, taken);
	if (r < 0 || l.count == 0)
		return r;
	r = store_begin(s, err);
	if (r < 0)
		return r;
	r = spoil(s, &l, false, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	r = store_commit(s, err);
	if (r == 0)
		undo_spoiled(s, &l, undo, ctx);
	return r;
}
