/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal.h - intents: what a request set out to do, on disk before the
 * kernel is touched, and its answer until the peer has it.
 *
 * Why: dockerd re-sends a request whose connection broke with an EMPTY body
 * (docs/protocol.md).  The journal lets a restarted daemon finish the request
 * and answer that retry.
 *
 *   announce-> row WAITING (method, key, body): read, nothing touched
 *   begin   -> row OPEN
 *   commit  -> in the caller's transaction: row DONE, with the answer (also
 *              what only waited, where nothing else but the store is touched)
 *   sending -> row SENT: from now on the peer may have the answer
 *   settle  -> the answer reached the peer: row gone
 *   abort   -> the request failed and was undone: row gone
 *
 * On start the core walks the WAITING and OPEN rows of the last life
 * (journal_each_open), rolls each forward (then journal_commit) or undoes it
 * (journal_abort).  journal_replay() serves the empty retry.
 *
 * A request is announced before it waits for anything: dockerd runs many of a
 * method at once, a kill cuts all of them off, and each comes again empty.
 * What was not read yet at that moment has no row, and comes again empty as
 * well: so replay also has to be told whether the retry came alone.
 */
#ifndef LIB_JOURNAL_H
#define LIB_JOURNAL_H

#include "lib/store.h"

struct journal_intent {
	uint64_t seq;
	char method[64], key[160]; /* key: "network" or "network/endpoint" */
	char *body;                /* owned by the walk */
	bool waiting; /* was never begun: nothing was touched for it */
	/* Begun before the host booted: nobody will come for its answer, and
	 * whoever asked may have had it (store_begin_unsynced()). */
	bool before_boot;
};

#define JOURNAL_KEEP_MS 20000 /* dockerd gives up after 15 s */

/*
 * journal_announce() - the request is here.  Survives the process, not the
 * power.  Where it fails (a full disk) the request goes on without, and
 * journal_begin() says what is wrong.  Not in a transaction.
 *
 * Return: the number for journal_start() or journal_abort(); 0: failed.
 */
uint64_t journal_announce(struct store *s, const char *method, const char *key,
			  const char *body);
/* journal_start() - begin what was announced.  Durable on return. */
int journal_start(struct store *s, uint64_t seq, struct err *err);
/* journal_start_as() - the same, also in a transaction and of what is begun; from
 * now on the row has this @key and @body: what the request turned out to be.
 * @method: the one announced. */
int journal_start_as(struct store *s, uint64_t seq, const char *method,
		     const char *key, const char *body, struct err *err);
/* journal_begin() - both at once.  Durable on return.  @ret: non-zero. */
int journal_begin(struct store *s, const char *method, const char *key,
		  const char *body, uint64_t *ret, struct err *err);
/* journal_begin_unsynced() - the same for who makes a synced commit to @s before it
 * changes anything else: that brings the intent to the disk, too. */
int journal_begin_unsynced(struct store *s, const char *method, const char *key,
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
 * journal_sending() - call before the answer goes to the peer.  A kill from here
 * on leaves us not knowing whether it has it: its row is never undone, and never
 * given to an empty retry, which may be another's.
 * journal_settle() - the answer was delivered.  Failure only means that an
 * empty retry may be answered once more; so it is not reported.  Not in a
 * transaction.  Numbers of state.db and run.db never meet: on the store that
 * did not give @seq it does nothing, so both may be told.
 */
void journal_sending(struct store *s, uint64_t seq);
void journal_settle(struct store *s, uint64_t seq);

/*
 * journal_each_open() - OPEN and WAITING rows left by an earlier life, oldest first.
 * @fn may call into the store (the rows are read first).
 */
int journal_each_open(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err);

/*
 * journal_each_kept() - what an earlier life did and whose peer has no answer: on
 * start, for who must know what journal_replay() may yet hand to its @undo.
 */
int journal_each_kept(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err);

/*
 * journal_each_sent() - what an earlier life did and was telling its peer when it
 * ended: whether the peer has the answer nobody can know.
 */
int journal_each_sent(struct store *s,
		      int (*fn)(void *ctx, const struct journal_intent *i),
		      void *ctx, struct err *err);

/*
 * journal_replay() - the kept answer for an empty retry of @method.
 *
 * Candidates are rows of an earlier life, DONE, SENT or undone, younger than
 * JOURNAL_KEEP_MS (CLOCK_BOOTTIME) and not yet taken in this life.  Exactly one
 * that is DONE: taken, its answer in @ret; it is kept until journal_settle(), so
 * that a life that ends before the answer is delivered loses nothing.  Several:
 * none is answered, now or later; those that are DONE (their peers never had an
 * answer) are handed to @undo; what may have been answered (SENT) is never
 * undone.  Where @undo fails, journal_expire() tries
 * again.
 *
 * @alone: no other empty retry of @method is here (rpc_retry_alone()); false: a
 *         single candidate is treated as several are.
 * @ret: owned text.  @ret_seq: for journal_settle().
 * Return: 0; -ENODATA when there is none; -ENOTUNIQ.
 */
int journal_replay(struct store *s, const char *method, bool alone, char **ret,
		   uint64_t *ret_seq,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err);

/*
 * For a method whose intents may lie in either of two stores, where one
 * candidate in each is as good as two in one:
 *
 * journal_candidates() - how many journal_replay() would find; -errno.
 * journal_refuse() - do with all of them what it does with several.
 */
int journal_candidates(struct store *s, const char *method, struct err *err);
int journal_refuse(struct store *s, const char *method,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err);

/*
 * journal_was_done() - did an earlier life carry out a request of @method with
 * exactly this @answer, in the last JOURNAL_KEEP_MS, and may not have told its
 * peer?  For peers that repeat a request whole: what it made may be in the way.
 */
bool journal_was_done(struct store *s, const char *method, const char *answer);

/*
 * journal_expire() - forget DONE rows older than JOURNAL_KEEP_MS.  A row that
 * was rolled forward and whose answer nobody fetched is handed to @undo first:
 * dockerd gave up on it and does not know the object.
 */
int journal_expire(struct store *s,
		   int (*undo)(void *ctx, const struct journal_intent *i),
		   void *ctx, struct err *err);

#endif
