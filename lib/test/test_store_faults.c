/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: damaged files, cut logs, other versions. */
#include "lib/test/store_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- damage ------------------------------------------------------------ */

static void write_at(const struct place *p, const char *name, off_t at,
		     const void *data, size_t len)
{
	char path[160];
	int fd;

	place_path(p, name, path, sizeof(path));
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), len);
	close(fd);
}

static void zeroed_pages_are_replaced_by_the_copy(void **state)
{
	static const off_t pages[] = { 0, 4096, 8192, 16384 };
	struct place *p = *state;
	char zeros[4096] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		place_fifty(p);
		write_at(p, "state.db", pages[i], zeros, sizeof(zeros));
		place_open(p, STORE_STATE);
		place_has_fifty(p);
		assert_true(store_was_restored(p->s));
		assert_true(place_there(p, "state.db.damaged-1"));
		place_reopen(p);
		assert_false(store_was_restored(p->s));
		store_close(take_ptr(p->s));
		test_rmdir(p->dir);
	}
}

static off_t find_in(const struct place *p, const char *name, const char *text)
{
	_cleanup_free_ char *buf = malloc(1 << 20);
	_cleanup_close_ int fd = -EBADF;
	char path[160], *at;
	ssize_t n;

	place_path(p, name, path, sizeof(path));
	fd = open(path, O_RDONLY);
	n = read(fd, buf, 1 << 20);
	at = n > 0 ? memmem(buf, (size_t)n, text, strlen(text)) : NULL;
	assert_non_null(at);
	return at - buf;
}

static void a_flipped_bit_in_a_text_is_found(void **state)
{
	struct place *p = *state;

	place_fifty(p);
	write_at(p, "state.db", find_in(p, "state.db", "text to find"), "T", 1);
	place_open(p, STORE_STATE);
	assert_true(store_was_restored(p->s));
	place_told(p, "state.db was damaged: the copy of an earlier start is "
		      "in use");
	place_has_fifty(p);
}

static void damage_while_it_runs_is_an_error(void **state)
{
	struct place *p = *state;
	_cleanup_free_ char *got = NULL;
	struct err err = { 0 };

	place_open(p, STORE_STATE);
	place_put(p, "k", "a", "", "1");
	assert_int_equal(sqlite3_exec(p->s->db, "UPDATE rec SET body = '2'",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(store_get(p->s, "k", "a", &got, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "\"a\" is damaged"));
}

static void without_a_copy_it_refuses(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	char path[160];

	place_fifty(p);
	place_path(p, "state.db.bak", path, sizeof(path));
	unlink(path);
	write_at(p, "state.db", 0, "garbage garbage garbage", 23);
	assert_int_equal(place_open_again(p, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "move "));
	assert_true(place_there(p, "state.db")); /* left where it was */
}

static void a_file_that_is_gone_comes_back(void **state)
{
	struct place *p = *state;
	char path[160];

	place_fifty(p);
	place_path(p, "state.db", path, sizeof(path));
	unlink(path);
	place_open(p, STORE_STATE);
	assert_true(store_was_restored(p->s));
	place_has_fifty(p);
}

/* ---- the log ----------------------------------------------------------- */

static void killed_writer_loses_nothing(void **state)
{
	struct place *p = *state;
	int n = 0;

	place_killed_writer(p);
	place_open(p, STORE_STATE);
	assert_int_equal(store_each(p->s, "k", NULL, place_count_one, &n, NULL),
			 0);
	assert_int_equal(n, 10);
	assert_false(store_was_restored(p->s));
}

/* A store that was killed when its tables were in the log and the header did not know
 * of them; @version: of the schema, in the log. */
static void schema_in_the_log(const struct place *p, int version)
{
	char path[160], sql[64];
	int status = 0;
	pid_t pid;

	assert_int_equal(mkdir(p->dir, 0700), 0);
	place_path(p, "state.db", path, sizeof(path));
	snprintf(sql, sizeof(sql), "PRAGMA user_version=%d", version);
	pid = fork();
	if (pid == 0) {
		sqlite3 *db = NULL;

		umask(077);
		if (sqlite3_open(path, &db) != SQLITE_OK ||
		    sqlite3_exec(db,
				 "PRAGMA locking_mode=EXCLUSIVE;"
				 "PRAGMA journal_mode=WAL",
				 NULL, NULL, NULL) != SQLITE_OK ||
		    store_migrate(db, store_steps, 0, STORE_SCHEMA, NULL) < 0 ||
		    sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(place_there(p, "state.db-wal"));
}

static void killed_before_its_schema_is_in_the_file(void **state)
{
	struct place *p = *state;

	schema_in_the_log(p, STORE_SCHEMA);
	for (int i = 0; i < 2; i++) {
		place_open(p, STORE_STATE);
		place_put(p, "k", i ? "b" : "a", "", "{}");
		assert_false(store_was_restored(p->s));
		store_close(take_ptr(p->s));
	}
	place_open(p, STORE_STATE);
	place_has(p, "a", "{}");
}

static void newer_schema_in_the_log_is_refused(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };

	schema_in_the_log(p, STORE_SCHEMA + 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(place_open_again(p, &err), -EPROTONOSUPPORT);
		assert_non_null(strstr(err.msg, "newer Berth"));
	}
}

static int next_id(void *ctx, const char *id, const char *parent,
		   const char *json)
{
	char want[16];

	(void)parent;
	(void)json;
	snprintf(want, sizeof(want), "%d", (*(int *)ctx)++);
	assert_string_equal(id, want);
	return 0;
}

static void copy_dir(const char *from, const char *to)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "rm -rf %s && cp -a %s %s", to, from, to);
	assert_int_equal(system(cmd), 0);
}

/* Whatever length the log is cut to: a prefix of the commits is there. */
static void log_cut_anywhere_gives_a_prefix(void **state)
{
	struct place *p = *state;
	char kept[96], wal[160];
	int last = -1;
	struct stat st;

	place_killed_writer(p);
	snprintf(kept, sizeof(kept), "%s/kept", p->root);
	copy_dir(p->dir, kept);
	place_path(p, "state.db-wal", wal, sizeof(wal));
	assert_int_equal(stat(wal, &st), 0);
	for (off_t len = 0; len <= st.st_size; len += 509) {
		int n = 0;

		copy_dir(kept, p->dir);
		assert_int_equal(truncate(wal, len), 0);
		place_open(p, STORE_STATE);
		assert_int_equal(store_each(p->s, "k", NULL, next_id, &n, NULL),
				 0);
		assert_true(n >= last);
		last = n;
		store_close(take_ptr(p->s));
	}
	assert_true(last >= 9);
}

/* Can another process read or write FILE?  The locks are fcntl's: asked from a child. */
static bool is_locked(struct place *p)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	char path[160];
	int status = 0;
	pid_t pid;

	place_path(p, "state.db", path, sizeof(path));
	pid = fork();
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0 || fcntl(fd, F_GETLK, &l) < 0)
			_exit(2);
		_exit(l.l_type == F_WRLCK);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 1;
}

static bool is_mapped(const struct place *p)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	assert_non_null(f);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, p->dir);
	fclose(f);
	return found;
}

/* The log's index is in our memory, and what an earlier version left goes. */
static void no_file_is_mapped(void **state)
{
	struct place *p = *state;
	char shm[160];
	int fd, n = 0;

	place_killed_writer(p);
	assert_false(place_there(p, "state.db-shm"));
	place_path(p, "state.db-shm", shm, sizeof(shm));
	fd = open(shm, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 32768), 0);
	close(fd);
	place_open(p, STORE_STATE);
	assert_false(place_there(p, "state.db-shm"));
	place_put(p, "k", "after", "", "{}");
	assert_false(is_mapped(p));
	assert_true(is_locked(p));
	assert_int_equal(store_each(p->s, "k", NULL, place_count_one, &n, NULL),
			 0);
	assert_int_equal(n, 11);
}

/* Also after FILE was put back from its copy. */
static void restored_it_is_locked(void **state)
{
	struct place *p = *state;

	place_fifty(p);
	write_at(p, "state.db", 0, "garbage garbage garbage", 23);
	place_open(p, STORE_STATE);
	assert_true(store_was_restored(p->s));
	assert_true(is_locked(p));
}

static void beside_a_reader_it_says_so(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	sqlite3 *db = NULL;
	char path[160];

	place_fifty(p);
	place_path(p, "state.db", path, sizeof(path));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "SELECT * FROM rec", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(place_open_again(p, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "another program has it open"));
	assert_false(place_there(p, "state.db.damaged-1"));
	sqlite3_close(db);
	place_open(p, STORE_STATE);
	place_has_fifty(p);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "SELECT * FROM rec", NULL, NULL, NULL),
		SQLITE_BUSY);
	sqlite3_close(db);
}

/* ---- versions ---------------------------------------------------------- */

static void newer_schema_is_left_alone(void **state)
{
	static const unsigned char newer[4] = { 0, 0, 0, STORE_SCHEMA + 1 };
	struct place *p = *state;
	struct err err = { 0 };
	char before[96], cmd[512];

	place_fifty(p);
	write_at(p, "state.db", 60, newer, 4);
	snprintf(before, sizeof(before), "%s/before", p->root);
	copy_dir(p->dir, before);
	assert_int_equal(place_open_again(p, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.msg, "newer Berth"));
	/* the lock's text is the only thing that may differ */
	snprintf(cmd, sizeof(cmd), "diff -r -x '*.lock' %s %s", before, p->dir);
	assert_int_equal(system(cmd), 0);
}

static void older_schema_is_migrated_step_by_step(void **state)
{
	static const char *const steps[] = {
		"CREATE TABLE t(a)",
		"ALTER TABLE t ADD COLUMN b; UPDATE t SET b = a + 1",
		"CREATE INDEX t_b ON t(b)",
	};
	static const char *const bad[] = { NULL, NULL, NULL,
					   "INSERT INTO nowhere VALUES(1)" };
	struct err err = { 0 };
	sqlite3 *db = NULL;

	(void)state;
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	place_must(store_migrate(db, steps, 0, 1, &err), &err);
	sqlite3_exec(db, "INSERT INTO t VALUES(41)", NULL, NULL, NULL);
	place_must(store_migrate(db, steps, 1, 3, &err), &err);
	assert_int_equal(sqlite3_exec(db, "SELECT b FROM t", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(store_migrate(db, bad, 3, 4, &err), -EIO);
	assert_non_null(strstr(err.msg, "nowhere"));
	sqlite3_close(db);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		PLACE_TEST(zeroed_pages_are_replaced_by_the_copy),
		PLACE_TEST(a_flipped_bit_in_a_text_is_found),
		PLACE_TEST(damage_while_it_runs_is_an_error),
		PLACE_TEST(without_a_copy_it_refuses),
		PLACE_TEST(a_file_that_is_gone_comes_back),
		PLACE_TEST(killed_writer_loses_nothing),
		PLACE_TEST(killed_before_its_schema_is_in_the_file),
		PLACE_TEST(log_cut_anywhere_gives_a_prefix),
		PLACE_TEST(no_file_is_mapped),
		PLACE_TEST(restored_it_is_locked),
		PLACE_TEST(beside_a_reader_it_says_so),
		PLACE_TEST(newer_schema_is_left_alone),
		PLACE_TEST(newer_schema_in_the_log_is_refused),
		PLACE_TEST(older_schema_is_migrated_step_by_step),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("TEST_ONLY"))
		cmocka_set_test_filter(getenv("TEST_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
