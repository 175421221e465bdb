/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: records, lives, and what they cost. */
#include "lib/test/store_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/journal.h"

/* ---- records ----------------------------------------------------------- */

static int join_ids(void *ctx, const char *id, const char *parent,
		    const char *json)
{
	(void)parent;
	(void)json;
	strcat(ctx, id);
	return strcmp(id, "!") == 0 ? -ECANCELED : 0;
}

static void records_come_back_in_order(void **state)
{
	struct place *p = *state;
	char ids[16] = "";
	struct err err = { 0 };

	place_open(p, STORE_STATE);
	place_put(p, "k", "b", "x", "{}");
	place_put(p, "k", "a", "y", "{\"v\":1}");
	place_put(p, "other", "z", "", "{}");
	place_put(p, "k", "c", "x", "{}");
	place_put(p, "k", "b", "x",
		  "{\"v\":2}"); /* replaced: keeps its place */
	place_must(store_each(p->s, "k", NULL, join_ids, ids, &err), &err);
	assert_string_equal(ids, "bac");
	ids[0] = '\0';
	place_must(store_each(p->s, "k", "x", join_ids, ids, &err), &err);
	assert_string_equal(ids, "bc");
	place_has(p, "b", "{\"v\":2}");
	place_has(p, "none", NULL);
	place_must(store_del(p->s, "k", "b", &err), &err);
	place_must(store_del(p->s, "k", "b", &err), &err); /* absent: fine */
	place_has(p, "b", NULL);
}

static void walk_ends_with_the_callbacks_error(void **state)
{
	struct place *p = *state;
	char ids[16] = "";

	place_open(p, STORE_STATE);
	place_put(p, "k", "a", "", "{}");
	place_put(p, "k", "!", "", "{}");
	place_put(p, "k", "b", "", "{}");
	assert_int_equal(store_each(p->s, "k", NULL, join_ids, ids, NULL),
			 -ECANCELED);
	assert_string_equal(ids, "a!");
	place_has(p, "b", "{}");
}

static void any_text_is_kept(void **state)
{
	static const char *const ids[] = { "", "'; DROP TABLE rec; --", "a\"b",
					   "\xff\xfe", "a\nb" };
	struct place *p = *state;

	place_open(p, STORE_STATE);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		place_put(p, "k", ids[i], ids[i], ids[i]);
	place_reopen(p);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		place_has(p, ids[i], ids[i]);
}

static void transaction_is_all_or_nothing(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };

	place_open(p, STORE_STATE);
	place_put(p, "k", "old", "", "1");
	place_must(store_begin(p->s, &err), &err);
	place_put(p, "k", "new", "", "1");
	place_must(store_del(p->s, "k", "old", &err), &err);
	place_has(p, "new", "1"); /* seen inside */
	store_rollback(p->s);
	place_has(p, "new", NULL);
	place_has(p, "old", "1");
	place_must(store_begin(p->s, &err), &err);
	place_put(p, "k", "new", "", "2");
	place_must(store_commit(p->s, &err), &err);
	store_rollback(p->s); /* after commit: nothing */
	place_has(p, "new", "2");
	assert_int_equal(store_commit(p->s, &err), -EINVAL);
}

/* What another program sees of it. */
static int peeked(const struct place *p, const char *kind)
{
	struct err err = { 0 };
	int r = store_peek(p->dir, STORE_STATE, kind, &err);

	assert_true(r >= 0 || err.msg[0]);
	return r;
}

static void another_program_looks(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	uint64_t seq;

	assert_int_equal(peeked(p, "k"), -ENOENT);
	assert_int_equal(access(p->dir, F_OK), -1); /* nor is it made */
	place_open(p, STORE_STATE);
	assert_int_equal(peeked(p, "k"), -EAGAIN);
	store_close(take_ptr(p->s));
	assert_int_equal(peeked(p, "k"), 0);
	place_open(p, STORE_STATE);
	place_put(p, "k", "a", "", "{}");
	store_close(take_ptr(p->s));
	assert_int_equal(peeked(p, "k"), 1);
	assert_int_equal(peeked(p, "other"), 0);
	/* It may make one of what was cut off, not of what is done. */
	place_open(p, STORE_STATE);
	place_must(journal_begin(p->s, "M", "k", "{}", &seq, &err), &err);
	store_close(take_ptr(p->s));
	assert_int_equal(peeked(p, "other"), 1);
	place_open(p, STORE_STATE);
	place_must(journal_abort(p->s, seq, &err), &err);
	store_close(take_ptr(p->s));
	assert_int_equal(peeked(p, "other"), 0);
	assert_false(place_there(p, "state.db-wal"));
}

static void killed_daemon_is_not_looked_into(void **state)
{
	struct place *p = *state;

	place_killed_writer(p);
	assert_int_equal(peeked(p, "k"), -EAGAIN);
	assert_true(place_there(p, "state.db-wal"));
	place_open(p, STORE_STATE);
	store_close(take_ptr(p->s));
	assert_int_equal(peeked(p, "k"), 1);
}

static void *put_many(void *arg)
{
	struct place *p = arg;
	struct err err = { 0 };
	char id[32];

	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%lx-%d", pthread_self(), i);
		place_must(store_begin(p->s, &err), &err);
		place_put(p, "k", id, "", "{}");
		place_must(store_commit(p->s, &err), &err);
		place_put(p, "k", "shared", "", id);
		place_has(p, id, "{}");
	}
	return NULL;
}

static void threads_share_it(void **state)
{
	struct place *p = *state;
	pthread_t t[8];
	int n = 0;

	place_open(p, STORE_RUN);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, put_many, p);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(store_each(p->s, "k", NULL, place_count_one, &n, NULL),
			 0);
	assert_int_equal(n, 8 * 50 + 1);
}

/* ---- lives ------------------------------------------------------------- */

static void set_meta(struct place *p, const char *key, const char *value)
{
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE meta SET value='%s' WHERE key='%s'",
		 value, key);
	assert_int_equal(sqlite3_exec(p->s->db, sql, NULL, NULL, NULL),
			 SQLITE_OK);
}

static void run_records_die_with_the_boot(void **state)
{
	struct place *p = *state;

	place_open(p, STORE_RUN);
	place_put(p, "k", "a", "", "1");
	store_close(take_ptr(p->s));
	place_open(p, STORE_RUN);
	place_has(p, "a", "1");
	set_meta(p, "boot", "another");
	store_close(take_ptr(p->s));
	place_open(p, STORE_RUN);
	place_has(p, "a", NULL);
	place_put(p, "k", "a", "", "1");
	set_meta(p, "netns", "another");
	store_close(take_ptr(p->s));
	place_open(p, STORE_RUN);
	place_has(p, "a", NULL);
}

static void state_records_survive_the_boot(void **state)
{
	struct place *p = *state;

	place_open(p, STORE_STATE);
	place_put(p, "k", "a", "", "1");
	set_meta(p, "boot", "another");
	place_reopen(p);
	place_has(p, "a", "1");
}

/* ---- who may use it ---------------------------------------------------- */

static void second_one_is_told_the_pid(void **state)
{
	struct place *p = *state;
	struct store *other = NULL;
	struct err err = { 0 };
	char pid[16];

	place_open(p, STORE_STATE);
	assert_int_equal(store_open(p->dir, STORE_STATE, &other, &err), -EBUSY);
	snprintf(pid, sizeof(pid), "pid %d", getpid());
	assert_non_null(strstr(err.msg, pid));
}

static void links_and_foreign_files_are_refused(void **state)
{
	static const char *const names[] = { "state.db", "state.db-wal",
					     "state.db.bak", "state.db.lock" };
	struct place *p = *state;
	struct err err = { 0 };
	char path[160];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		mkdir(p->dir, 0700);
		place_path(p, names[i], path, sizeof(path));
		assert_int_equal(symlink("/etc/passwd", path), 0);
		assert_int_equal(place_open_again(p, &err), -ELOOP);
		unlink(path);
		assert_int_equal(mkfifo(path, 0600), 0);
		assert_int_equal(place_open_again(p, &err), -EPERM);
		unlink(path);
		assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)),
				 0);
		chmod(path, 0666);
		if (i < 3)
			assert_int_equal(place_open_again(p, &err), -EPERM);
		test_rmdir(p->dir);
	}
}

static void directory_is_checked(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	char target[96];

	snprintf(target, sizeof(target), "%s/t", p->root);
	mkdir(target, 0700);
	assert_int_equal(symlink(target, p->dir), 0);
	assert_int_equal(place_open_again(p, &err), -ELOOP);
	unlink(p->dir);
	mkdir(p->dir, 0700);
	chmod(p->dir, 0777);
	assert_int_equal(place_open_again(p, &err), -EPERM);
	chmod(p->dir, 0700);
	place_must(place_open_again(p, &err), &err);
}

/* ---- cost -------------------------------------------------------------- */

static void requests_are_cheap(void **state)
{
	static const char body[] = "{\"NetworkID\":\"0123456789abcdef\"}";
	struct place *p = *state;
	struct err err = { 0 };
	struct timespec a;

	place_open(p, STORE_RUN);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 1000; i++) {
		uint64_t seq;
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		place_must(journal_begin(p->s, "M", id, body, &seq, &err),
			   &err);
		place_must(store_begin(p->s, &err), &err);
		place_put(p, "k", id, "", body);
		place_must(journal_commit(p->s, seq, "{}", &err), &err);
		place_must(store_commit(p->s, &err), &err);
		journal_settle(p->s, seq);
	}
	print_message("# begin + put + commit + settle: %.0f us in run.db\n",
		      test_ms_since(&a));
}

static void start_with_10000_records_is_fast(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	char id[16], body[512];
	struct timespec a;
	double ms;

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	place_open(p, STORE_RUN);
	place_must(store_begin(p->s, &err), &err);
	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		place_put(p, "k", id, "", body);
	}
	place_must(store_commit(p->s, &err), &err);
	store_close(take_ptr(p->s));
	clock_gettime(CLOCK_MONOTONIC, &a);
	place_open(p, STORE_RUN);
	ms = test_ms_since(&a);
	print_message("# opened with 10,000 records in %.0f ms\n", ms);
	assert_true(ms < 5000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(records_come_back_in_order),
		PLACE_TEST(walk_ends_with_the_callbacks_error),
		PLACE_TEST(any_text_is_kept),
		PLACE_TEST(transaction_is_all_or_nothing),
		PLACE_TEST(another_program_looks),
		PLACE_TEST(killed_daemon_is_not_looked_into),
		PLACE_TEST(threads_share_it),
		PLACE_TEST(run_records_die_with_the_boot),
		PLACE_TEST(state_records_survive_the_boot),
		PLACE_TEST(second_one_is_told_the_pid),
		PLACE_TEST(links_and_foreign_files_are_refused),
		PLACE_TEST(directory_is_checked),
		PLACE_TEST(requests_are_cheap),
		PLACE_TEST(start_with_10000_records_is_fast),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("TEST_ONLY"))
		cmocka_set_test_filter(getenv("TEST_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
