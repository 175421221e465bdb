// SPDX-License-Identifier: GPL-2.0-or-later
/* The journal, row by row: what each life left, and what a retry gets. */
#include "lib/test/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/journal.h"
#include "lib/store_priv.h"

/*
 * A script of one letter a step, run against one store:
 *   b   begin a request of method M (keys a, b, c, ... in order)
 *   n   announce one of M;  g   start the one announced last
 *   p   the answer committed last is being sent
 *   o   begin one of method O
 *   a-f commit the request of that key: 'A'..'E' here
 *   1-6 abort the request of that number
 *   s   settle the request committed last
 *   |   kill -9 and start again: a new life (reopened)
 *   r   an empty retry of M;  R   one of several at once
 *   k   how many candidates there are for one: told like what 'r' gets
 *   Q   they are refused
 *   w   let JOURNAL_KEEP_MS pass (by making the rows older)
 *   x   journal_expire()
 *   f   the next undo fails
 * Expected: what each 'r' got, and the keys handed to undo, in order.
 */
struct row {
	const char *name, *script, *retries, *undone;
};

static const struct row rows[] = {
	{ "a retry gets the answer kept over a restart", "bA|r", "a", "" },
	{ "and only once", "bA|rr", "a-", "" },
	{ "taken, and killed before it was delivered: again", "bA|r|r", "aa",
	  "" },
	{ "taken and delivered: gone", "bA|rs|r", "a-", "" },
	{ "rolled, taken, killed, nobody came: perhaps answered, kept",
	  "b|Ar|wx", "a", "" },
	{ "taken in this life, beside one of the next: no guess", "b|Arpb|Br",
	  "a!", "b" },
	{ "taken and not sent, beside one of the next: both undone", "b|Arb|Br",
	  "a!", "ab" },
	{ "a settled one is gone", "bAs|r", "-", "" },
	{ "an answer of this life is not replayed", "bAr", "-", "" },
	{ "an open one is not replayed", "b|r", "-", "" },
	{ "rolled forward: replayed", "b|Ar", "a", "" },
	{ "rolled forward and fetched: not undone", "b|Arwx", "a", "" },
	{ "rolled forward, nobody came: undone", "b|Awx", "", "a" },
	{ "answered perhaps, nobody came: kept", "bA|wx", "", "" },
	{ "too old to be replayed", "bA|wr", "-", "" },
	{ "rolled and too old: undone by expiry only", "b|Awrx", "-", "a" },
	{ "two rolled: none is answered, both undone", "bb|ABrr", "!-", "ab" },
	{ "two done and not sent: both undone", "bbAB|rr", "!-", "ab" },
	{ "one of each: both undone, never guessed", "bbA|Brr", "!-", "ab" },
	{ "candidates are counted, the undone among them", "bbo|A2Ckkr", "22!",
	  "a" },
	{ "of this life there are none", "bAk", "0", "" },
	{ "refused: undone, and never answered", "bb|ABQkrwx", "0-", "ab" },
	{ "refused: what was not sent is undone", "bA|Qr", "-", "a" },
	{ "refused: what was answered perhaps stays", "bAp|Qr", "-", "" },
	{ "refused, and the undo fails: tried at expiry", "b|AfQrwx", "-",
	  "a" },
	{ "another method does not count", "boA|Br", "a", "" },
	{ "undone in recovery beside a kept answer: no guess", "bb|A2rr", "!-",
	  "a" },
	{ "undone in recovery alone: nothing to say", "b|1r", "-", "" },
	{ "aborted in its own life leaves nothing", "bb1B|r", "b", "" },
	{ "the undone one is forgotten with time", "bb|A2wxr", "-", "a" },
	{ "rolled in one life, still there in the next", "b|A|r", "a", "" },
	{ "rolled in one life, undone in the next", "b|A|wx", "", "a" },
	{ "undo that fails is tried again", "b|Awfxx", "", "a" },
	{ "undo that fails at a retry is tried at expiry", "bb|ABfrx", "!",
	  "ba" },
	{ "after a failed undo a retry still gets nothing", "bb|ABfrrx", "!-",
	  "ba" },
	{ "a killed daemon finishes the undoing later", "bb|ABfr|x", "!",
	  "ba" },
	{ "a delivered answer of this life expires silently", "bAwx", "", "" },
	{ "announced, rolled forward: replayed", "n|Ar", "a", "" },
	{ "announced, and started: as one begun", "ng|Ar", "a", "" },
	{ "one at work and two that waited: none answered, all undone",
	  "bnn|ABCrrr", "!--", "abc" },
	{ "one done and one that waited: no guess", "bnA|Brr", "!-", "ab" },
	{ "one that waited was refused: no guess", "bn|A2rr", "!-", "a" },
	{ "announced and taken back leaves nothing", "bn2|Ar", "a", "" },
	{ "announced, not begun: open for the next life", "n|r", "-", "" },
	{ "one known, several retries: another was never read", "b|ARR", "!-",
	  "a" },
	{ "done, several retries: no guess, undone", "bA|RR", "!-", "a" },
	{ "perhaps answered, several retries: no guess, kept", "bAp|RR", "!-",
	  "" },
	{ "was being sent: never given to another", "bAp|rr", "--", "" },
	{ "was being sent, beside one of another: no guess", "bbAp|Brr", "!-",
	  "b" },
	{ "was being sent, and delivered: gone", "bAps|r", "-", "" },
	{ "was being sent, nobody came: kept", "bAp|wx", "", "" },
	{ "taken and being sent when killed: not again", "b|Arp|r", "a-", "" },
};

struct script {
	struct store *s;
	char dir[64];
	uint64_t seqs[8], last;
	unsigned int begun;
	char retries[16], undone[16];
	int undo_fails;
};

static int on_undo(void *ctx, const struct journal_intent *i)
{
	struct script *t = ctx;

	if (t->undo_fails > 0) {
		t->undo_fails--;
		return -EIO;
	}
	assert_string_equal(i->body, "{\"x\":1}");
	strcat(t->undone, i->key);
	return 0;
}

static void must(int r, const struct err *err)
{
	if (r < 0)
		fail_msg("%s", err->msg);
}

static void begin(struct script *t, const char *method)
{
	char key[2] = { (char)('a' + t->begun), '\0' };
	struct err err = { 0 };

	must(journal_begin(t->s, method, key, "{\"x\":1}", &t->seqs[t->begun++],
			   &err),
	     &err);
}

static void announce(struct script *t)
{
	char key[2] = { (char)('a' + t->begun), '\0' };
	uint64_t seq = journal_announce(t->s, "M", key, "{\"x\":1}");

	assert_int_not_equal(seq, 0);
	t->seqs[t->begun++] = seq;
}

static void start(struct script *t)
{
	struct err err = { 0 };

	must(journal_start(t->s, t->seqs[t->begun - 1], &err), &err);
	assert_int_equal(journal_start(t->s, t->seqs[t->begun - 1], NULL),
			 -ENOENT);
}

static void finish(struct script *t, unsigned int which)
{
	char answer[2] = { (char)('a' + which), '\0' };
	struct err err = { 0 };

	must(store_begin(t->s, &err), &err);
	must(journal_commit(t->s, t->seqs[which], answer, &err), &err);
	must(store_commit(t->s, &err), &err);
	t->last = t->seqs[which];
}

static void restart(struct script *t)
{
	struct err err = { 0 };

	store_close(t->s);
	must(store_open(t->dir, STORE_STATE, &t->s, &err), &err);
}

static void retry(struct script *t, bool alone)
{
	char *answer = NULL, got[2] = "?";
	struct err err = { 0 };
	int r = journal_replay(t->s, "M", alone, &answer, &t->last, on_undo, t,
			       &err);

	if (r == 0)
		got[0] = answer[0];
	else
		got[0] = r == -ENOTUNIQ ? '!' : r == -ENODATA ? '-' : '?';
	strcat(t->retries, got);
	free(answer);
}

static void tell_count(struct script *t)
{
	struct err err = { 0 };
	int n = journal_candidates(t->s, "M", &err);
	char text[2] = { (char)('0' + n), '\0' };

	must(n, &err);
	strcat(t->retries, text);
}

static void run_step(struct script *t, char c)
{
	struct err err = { 0 };

	if (c == 'b' || c == 'o')
		begin(t, c == 'b' ? "M" : "O");
	else if (c >= 'A' && c <= 'E')
		finish(t, (unsigned int)(c - 'A'));
	else if (c >= '1' && c <= '6')
		must(journal_abort(t->s, t->seqs[c - '1'], &err), &err);
	else if (c == 's')
		journal_settle(t->s, t->last);
	else if (c == '|')
		restart(t);
	else if (c == 'n')
		announce(t);
	else if (c == 'g')
		start(t);
	else if (c == 'p')
		journal_sending(t->s, t->last);
	else if (c == 'r' || c == 'R')
		retry(t, c == 'r');
	else if (c == 'k')
		tell_count(t);
	else if (c == 'Q')
		must(journal_refuse(t->s, "M", on_undo, t, &err), &err);
	else if (c == 'w')
		assert_int_equal(
			sqlite3_exec(t->s->db,
				     "UPDATE intent SET done_ms = done_ms - "
				     "20000 WHERE state != 0",
				     NULL, NULL, NULL),
			SQLITE_OK);
	else if (c == 'x')
		must(journal_expire(t->s, on_undo, t, &err), &err);
	else if (c == 'f')
		t->undo_fails++;
	else
		fail_msg("script: %c", c);
}

static void script_row(void **state)
{
	const struct row *row = *state;
	struct script t = { .dir = "/tmp/berth-journal-XXXXXX" };

	assert_non_null(mkdtemp(t.dir));
	restart(&t);
	for (const char *c = row->script; *c; c++)
		run_step(&t, *c);
	store_close(t.s);
	test_rmdir(t.dir);
	assert_string_equal(t.retries, row->retries);
	assert_string_equal(t.undone, row->undone);
}

/* ---- by hand ----------------------------------------------------------- */

static void temp_open(struct script *t, enum store_life life)
{
	struct err err = { 0 };

	*t = (struct script){ .dir = "/tmp/berth-journal-XXXXXX" };
	assert_non_null(mkdtemp(t->dir));
	must(store_open(t->dir, life, &t->s, &err), &err);
}

static void temp_close(struct script *t)
{
	store_close(t->s);
	test_rmdir(t->dir);
}

static int open_seen(void *ctx, const struct journal_intent *i)
{
	char *seen = ctx;

	assert_string_equal(i->method, "M");
	strcat(seen, i->key);
	if (i->waiting)
		strcat(seen, "?");
	return 0;
}

static int body_seen(void *ctx, const struct journal_intent *i)
{
	char *seen = ctx;

	strcat(seen, i->key);
	strcat(seen, i->waiting ? "?" : "");
	strcat(seen, i->body);
	return 0;
}

/* What it turned out to be holds from the transaction on that says so. */
static void a_start_may_say_more(void **state)
{
	char seen[64] = "";
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	announce(&t);
	must(store_begin(t.s, &err), &err);
	must(journal_start_as(t.s, t.seqs[0], "M", "A", "{\"y\":1}", &err),
	     &err);
	store_rollback(t.s);
	announce(&t);
	must(journal_start_as(t.s, t.seqs[1], "M", "B", "{\"y\":2}", &err),
	     &err);
	must(journal_start_as(t.s, t.seqs[1], "M", "C", "{\"y\":3}", &err),
	     &err);
	begin(&t, "M");
	finish(&t, 2);
	assert_int_equal(journal_start_as(t.s, t.seqs[2], "M", "D", "{}", NULL),
			 -ENOENT);
	restart(&t); /* which verifies the sums */
	assert_false(store_was_restored(t.s));
	must(journal_each_open(t.s, body_seen, seen, &err), &err);
	assert_string_equal(seen, "a?{\"x\":1}C{\"y\":3}");
	temp_close(&t);
}

/* Done, taken and not delivered, and waiting to be undone; not those sent, or of
 * this life. */
static void kept_are_those_without_an_answer(void **state)
{
	char seen[64] = "";
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	for (const char *c = "bAbBps|fQ|bCbDp|bE|"; *c; c++)
		run_step(&t, *c);
	begin(&t, "M");
	finish(&t, 5); /* of this life */
	must(journal_each_kept(t.s, open_seen, seen, &err), &err);
	assert_string_equal(seen, "ace");
	temp_close(&t);
}

static void sent_are_those_that_may_have_arrived(void **state)
{
	char seen[64] = "";
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	for (const char *c = "bAbBps|fQ|bCbDp|bE|"; *c; c++)
		run_step(&t, *c);
	begin(&t, "M");
	finish(&t, 5);
	journal_sending(t.s, t.seqs[5]); /* of this life */
	must(journal_each_sent(t.s, open_seen, seen, &err), &err);
	assert_string_equal(seen, "d");
	temp_close(&t);
}

static void open_rows_of_earlier_lives_only(void **state)
{
	char seen[8] = "";
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	begin(&t, "M");
	begin(&t, "M");
	announce(&t);
	restart(&t);
	begin(&t, "M");
	announce(&t);
	must(journal_each_open(t.s, open_seen, seen, &err), &err);
	assert_string_equal(seen, "abc?");
	temp_close(&t);
}

static void numbers_of_two_stores_never_meet(void **state)
{
	struct script a, b;

	(void)state;
	temp_open(&a, STORE_STATE);
	temp_open(&b, STORE_RUN);
	begin(&a, "M");
	begin(&b, "M");
	assert_int_not_equal(a.seqs[0], b.seqs[0]);
	finish(&a, 0);
	journal_settle(b.s, a.seqs[0]); /* the wrong store: nothing */
	restart(&a);
	retry(&a, true);
	assert_string_equal(a.retries, "a");
	temp_close(&a);
	temp_close(&b);
}

static void commit_needs_a_transaction(void **state)
{
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	begin(&t, "M");
	assert_int_equal(journal_commit(t.s, t.seqs[0], "{}", &err), -EINVAL);
	must(store_begin(t.s, &err), &err);
	assert_int_equal(journal_commit(t.s, 999, "{}", &err), -ENOENT);
	store_rollback(t.s);
	temp_close(&t);
}

static void rolled_back_with_its_transaction(void **state)
{
	char seen[8] = "";
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	begin(&t, "M");
	must(store_begin(t.s, &err), &err);
	must(journal_commit(t.s, t.seqs[0], "{}", &err), &err);
	store_rollback(t.s);
	restart(&t);
	must(journal_each_open(t.s, open_seen, seen, &err), &err);
	assert_string_equal(seen, "a");
	temp_close(&t);
}

/* The child dies right after begin() or commit() returned. */
static void durable_when_killed(void **state)
{
	char seen[8] = "";
	struct script t;
	struct err err = { 0 };
	pid_t pid;

	(void)state;
	temp_open(&t, STORE_STATE);
	store_close(t.s);
	pid = fork();
	if (pid == 0) {
		if (store_open(t.dir, STORE_STATE, &t.s, NULL) < 0)
			_exit(1);
		begin(&t, "M");
		begin(&t, "M");
		finish(&t, 0);
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
	must(store_open(t.dir, STORE_STATE, &t.s, &err), &err);
	must(journal_each_open(t.s, open_seen, seen, &err), &err);
	assert_string_equal(seen, "b");
	retry(&t, true);
	assert_string_equal(t.retries, "a");
	temp_close(&t);
}

static int note_boot(void *ctx, const struct journal_intent *i)
{
	char *seen = ctx;

	strcat(seen, i->key);
	strcat(seen, i->before_boot ? "!" : "");
	return 0;
}

static void open_of_an_earlier_boot_is_told(void **state)
{
	char seen[16] = "";
	struct script t;
	struct err err = { 0 };

	(void)state;
	temp_open(&t, STORE_STATE);
	begin(&t, "M");
	restart(&t);
	begin(&t, "M");
	assert_int_equal(sqlite3_exec(t.s->db,
				      "UPDATE meta SET value = 'another'"
				      " WHERE key = 'boot'",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	restart(&t);
	begin(&t, "M");
	must(journal_each_open(t.s, note_boot, seen, &err), &err);
	assert_string_equal(seen, "a!b!");
	/* and in the next life of this boot, too */
	restart(&t);
	seen[0] = '\0';
	must(journal_each_open(t.s, note_boot, seen, &err), &err);
	assert_string_equal(seen, "a!b!c");
	temp_close(&t);
}

/* What SQLite is told: the disk itself is integration/volumes/t-power-cut-*. */
static int synced(const struct store *s)
{
	sqlite3_stmt *st = NULL;
	int level;

	assert_int_equal(
		sqlite3_prepare_v2(s->db, "PRAGMA synchronous", -1, &st, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(st), SQLITE_ROW);
	level = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return level; /* 1: NORMAL, 2: FULL */
}

static void only_what_may_be_lost_is_unsynced(void **state)
{
	struct script t;

	(void)state;
	temp_open(&t, STORE_STATE);
	begin(&t, "M");
	assert_int_equal(synced(t.s), 2);
	assert_int_equal(store_begin_unsynced(t.s, NULL), 0);
	assert_int_equal(synced(t.s), 1);
	assert_int_equal(journal_commit(t.s, t.seqs[0], "{}", NULL), 0);
	assert_int_equal(store_commit(t.s, NULL), 0);
	journal_settle(t.s, t.seqs[0]);
	assert_int_equal(store_begin(t.s, NULL), 0);
	assert_int_equal(synced(t.s), 2);
	store_rollback(t.s);
	announce(&t);
	assert_int_equal(synced(t.s), 1);
	assert_int_equal(journal_abort(t.s, t.seqs[1], NULL), 0);
	assert_int_equal(synced(t.s), 2);
	temp_close(&t);
}

int main(void)
{
	static const struct CMUnitTest by_hand[] = {
		cmocka_unit_test(open_of_an_earlier_boot_is_told),
		cmocka_unit_test(only_what_may_be_lost_is_unsynced),
		cmocka_unit_test(open_rows_of_earlier_lives_only),
		cmocka_unit_test(a_start_may_say_more),
		cmocka_unit_test(kept_are_those_without_an_answer),
		cmocka_unit_test(sent_are_those_that_may_have_arrived),
		cmocka_unit_test(numbers_of_two_stores_never_meet),
		cmocka_unit_test(commit_needs_a_transaction),
		cmocka_unit_test(rolled_back_with_its_transaction),
		cmocka_unit_test(durable_when_killed),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	int failed;

	(void)TEST_ROWS(tests, rows, script_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	return failed + cmocka_run_group_tests(by_hand, NULL, NULL);
}
