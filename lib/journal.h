/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal.h - intents: what a request set out to do, on disk before the
 * kernel is touched, and its answer until the peer has it.
 *
 * Why: dockerd re-sends a request whose connection broke with an EMPTY body
 * (docs/protocol.md).  The journal lets a restarted daemon finish the request
 * and answer that retry.
 *
 *   begin   -> row OPEN (method, key, body)
 *   commit  -> in the caller's transaction: row DONE, with the answer
 *   settle  -> the answer reached the peer: row gone
 *   abort   -> the request failed and was undone: row gone
 *
 * On start the core walks the OPEN rows of the last life (journal_each_open),
 * rolls each forward (then journal_commit) or undoes it (journal_abort).
 * journal_replay() serves the empty retry.
 */
#ifndef LIB_JOURNAL_H
#define LIB_JOURNAL_H

#include "lib/store.h"

struct journal_intent {
	uint64_t seq;
	char method[64], key[160]; /* key: "network" or "network/endpoint" */
	char *body;                /* owned by the walk */
};

#define JOURNAL_KEEP_MS 20000 /* dockerd gives up after 15 s */

/* journal_begin() - durable on return.  @ret: non-zero. */
int journal_begin(struct store *s, const char *method, const char *key,
		  const char *body, uint64_t *ret, struct err *err);
/* journal_commit() - call between store_begin() and store_commit(). */
int journal_commit(struct store *s, uint64_t seq, const char *answer,
		   struct err *err);
/*
 * journal_abort() - undone.  A row that an earlier life began leaves a mark for
 * JOURNAL_KEEP_MS: an empty retry may be its own, so beside that mark no kept
 * answer of the method is given out.
 */
int journal_abort(struct store *s, uint64_t seq, struct err *err);
/*
 * journal_settle() - the answer was delivered.  Failure only means that an
 * empty retry may be answered once more; so it is not reported.  Not in a
 * transaction.  Numbers of state.db and run.db never meet: on the store that
 * did not give @seq it does nothing, so both may be told.
 */
void journal_settle(struct store *s, uint64_t seq);

/*
 * journal_each_open() - OPEN rows left by an earlier life, oldest first.
 * @fn may call into the store (the rows are read first).
 */
int journal_each_open(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err);

/*
 * journal_replay() - the kept answer for an empty retry of @method.
 *
 * Candidates are rows of an earlier life, DONE or undone, younger than
 * JOURNAL_KEEP_MS (CLOCK_BOOTTIME) and not yet taken in this life.  Exactly one
 * that is DONE: taken, its answer in @ret; it is kept until journal_settle(), so
 * that a life that ends before the answer is delivered loses nothing.  Several: none is answered, now or later; those
 * that were still OPEN when a life after theirs began (their peers never had an
 * answer) are handed to @undo; what may have been answered is never undone.
 * Where @undo fails, journal_expire() tries again.
 *
 * @ret: owned text.  @ret_seq: for journal_settle().
 * Return: 0; -ENODATA when there is none; -ENOTUNIQ.
 */
int journal_replay(struct store *s, const char *method, char **ret,
		   uint64_t *ret_seq,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err);

/*
 * journal_expire() - forget DONE rows older than JOURNAL_KEEP_MS.  A row that
 * was rolled forward and whose answer nobody fetched is handed to @undo first:
 * dockerd gave up on it and does not know the object.
 */
int journal_expire(struct store *s,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err);

#endif
