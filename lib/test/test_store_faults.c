/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store: damaged files, cut logs, other versions, full and read-only disks. */
#include "lib/test/store_test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/journal.h"
#include "lib/problems.h"

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

/* A store with 50 records, closed, its copy up to date. */
static void fifty(struct place *p)
{
	char id[16];

	place_open(p, STORE_STATE);
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "id%d", i);
		place_put(p, "k", id, "",
			  "{\"text\":\"some text to find again\"}");
	}
	store_close(take_ptr(p->s));
}

static void assert_fifty(struct place *p)
{
	int n = 0;

	assert_int_equal(store_each(p->s, "k", NULL, place_count_one, &n, NULL),
			 0);
	assert_int_equal(n, 50);
}

static void zeroed_pages_are_replaced_by_the_copy(void **state)
{
	static const off_t pages[] = { 0, 4096, 8192, 16384 };
	struct place *p = *state;
	char zeros[4096] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		fifty(p);
		write_at(p, "state.db", pages[i], zeros, sizeof(zeros));
		place_open(p, STORE_STATE);
		assert_fifty(p);
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

static void told(void *ctx, const char *line)
{
	strncat(ctx, line, 127);
}

/* What a person is told of it. */
static void assert_told(const struct place *p, const char *want)
{
	char text[256] = "";

	problems_of_store(p->s, told, text);
	assert_string_equal(text, want);
}

static void a_flipped_bit_in_a_text_is_found(void **state)
{
	struct place *p = *state;

	fifty(p);
	write_at(p, "state.db", find_in(p, "state.db", "text to find"), "T", 1);
	place_open(p, STORE_STATE);
	assert_true(store_was_restored(p->s));
	assert_told(p, "state.db was damaged: the copy of an earlier start is "
		       "in use");
	assert_fifty(p);
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

	fifty(p);
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

	fifty(p);
	place_path(p, "state.db", path, sizeof(path));
	unlink(path);
	place_open(p, STORE_STATE);
	assert_true(store_was_restored(p->s));
	assert_fifty(p);
}

/* ---- the log ----------------------------------------------------------- */

/* A child commits ten records and is killed; the WAL has them all. */
static void killed_writer(struct place *p)
{
	pid_t pid = fork();

	if (pid == 0) {
		char id[16];

		if (store_open(p->dir, STORE_STATE, &p->s, NULL) < 0)
			_exit(1);
		for (int i = 0; i < 10; i++) {
			snprintf(id, sizeof(id), "%d", i);
			if (store_put(p->s, "k", id, "", "{}", NULL) < 0)
				_exit(1);
		}
		kill(getpid(), SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void killed_writer_loses_nothing(void **state)
{
	struct place *p = *state;
	int n = 0;

	killed_writer(p);
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

	killed_writer(p);
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

	killed_writer(p);
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

	fifty(p);
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

	fifty(p);
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
	assert_fifty(p);
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

	fifty(p);
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

/* ---- disk trouble ------------------------------------------------------ */

/* A small tmpfs over the place's root. */
static void mount_small(struct place *p, const char *size)
{
	char opts[64];

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0) {
		print_message("SKIP: needs root\n");
		skip();
	}
	snprintf(opts, sizeof(opts), "size=%s,mode=0755", size);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("tmpfs", p->root, "tmpfs", 0, opts), 0);
	p->mounted = true;
}

/* Until there is not a page left, for any user. */
static void fill_up(const struct place *p)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/filler", p->root);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, "", 1) > 0 && lseek(fd, 4095, SEEK_CUR) > 0)
		;
	close(fd);
}

static int fill_until(struct place *p, int want, int max)
{
	char body[2048], id[16];
	struct err err = { 0 };
	int r = 0, n = 0;

	memset(body, 'x', sizeof(body) - 1);
	body[sizeof(body) - 1] = '\0';
	for (; n < max && r == 0; n++) {
		snprintf(id, sizeof(id), "f%d", n);
		r = store_put(p->s, "k", id, "", body, &err);
	}
	assert_int_equal(r, want);
	assert_non_null(strstr(err.msg, "deleting still works"));
	return n - 1;
}

static void full_disk_refuses_growth_and_lets_go(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	char id[16], filler[96];
	uint64_t seq = 0;
	int n;

	mount_small(p, "1m");
	place_open(p, STORE_STATE);
	place_put(p, "k", "first", "", "{}");
	n = fill_until(p, -ENOSPC, 2000);
	print_message("# %d records of 2 KiB fit on 1 MiB\n", n);
	assert_true(n > 50);
	/* somebody else takes the rest */
	fill_up(p);
	/* reads go on; a request that adds is refused; one that frees works */
	place_has(p, "first", "{}");
	assert_int_equal(journal_begin(p->s, "NetworkDriver.CreateNetwork", "n",
				       "{}", &seq, &err),
			 -ENOSPC);
	for (int i = 0; i < n; i++) {
		place_must(journal_begin(p->s, "NetworkDriver.DeleteNetwork",
					 "n", "{}", &seq, &err),
			   &err);
		snprintf(id, sizeof(id), "f%d", i);
		place_must(store_begin(p->s, &err), &err);
		place_must(store_del(p->s, "k", id, &err), &err);
		place_must(journal_commit(p->s, seq, "{}", &err), &err);
		place_must(store_commit(p->s, &err), &err);
		journal_settle(p->s, seq);
	}
	snprintf(filler, sizeof(filler), "%s/filler", p->root);
	unlink(filler);
	place_put(p, "k", "again", "", "{}");
	place_reopen(p);
	place_has(p, "first", "{}");
	place_has(p, "again", "{}");
	place_has(p, "f0", NULL);
	assert_false(store_was_restored(p->s));
}

static void full_disk_is_no_reason_not_to_start(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };

	mount_small(p, "1m");
	fifty(p);
	fill_up(p);
	for (int i = 0; i < 3; i++) {
		place_open(p, STORE_STATE);
		assert_fifty(p);
		assert_false(store_was_restored(p->s));
		store_close(take_ptr(p->s));
	}
	place_open(p, STORE_STATE);
	place_must(store_del(p->s, "k", "id0", &err), &err);
	place_has(p, "id0", NULL);
}

static void disk_of_64_kib_opens_or_says_so(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	int r;

	mount_small(p, "64k");
	r = store_open(p->dir, STORE_STATE, &p->s, &err);
	print_message("# %d %s\n", r, err.msg);
	assert_true(r == 0 || r == -ENOSPC);
	if (r == 0)
		fill_until(p, -ENOSPC, 100);
}

static void readonly_disk_is_read(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	uint64_t seq;

	mount_small(p, "4m");
	fifty(p);
	assert_int_equal(
		mount(NULL, p->root, NULL, MS_REMOUNT | MS_RDONLY, "size=4m"),
		0);
	place_open(p, STORE_STATE);
	assert_true(store_is_readonly(p->s));
	assert_told(p, "state.db is read-only: nothing can be changed");
	assert_fifty(p);
	assert_int_equal(store_put(p->s, "k", "a", "", "{}", &err), -EROFS);
	assert_non_null(strstr(err.msg, "read-only"));
	assert_int_equal(journal_begin(p->s, "M", "k", "{}", &seq, &err),
			 -EROFS);
}

static void killed_on_a_disk_that_turned_readonly(void **state)
{
	struct place *p = *state;
	int n = 0;

	mount_small(p, "4m");
	killed_writer(p);
	assert_int_equal(
		mount(NULL, p->root, NULL, MS_REMOUNT | MS_RDONLY, "size=4m"),
		0);
	place_open(p, STORE_STATE);
	assert_int_equal(store_each(p->s, "k", NULL, place_count_one, &n, NULL),
			 0);
	assert_int_equal(n, 10); /* from the log, which cannot be written */
}

/* BERTH_FP is read once a process: this one is run by the test below. */
static int child_with_a_failing_write(const char *dir)
{
	struct store *s = NULL;
	struct err err = { 0 };

	if (store_open(dir, STORE_STATE, &s, &err) < 0)
		return 1;
	if (store_put(s, "k", "a", "", "1", &err) != -EIO)
		return 2;
	if (store_put(s, "k", "b", "", "2", &err) != 0)
		return 3;
	store_close(s);
	return 0;
}

static void failed_write_makes_a_new_file(void **state)
{
	struct place *p = *state;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		/* the first is the life's own */
		setenv("BERTH_FP", "store.commit:err=EIO:nth=2", 1);
		execl("/proc/self/exe", "test_store", p->dir, NULL);
		_exit(99);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_true(place_there(p, "state.db.damaged-1"));
	place_open(p, STORE_STATE);
	place_has(p, "a", NULL);
	place_has(p, "b", "2");
}

/* The file could not be opened anew; the next request tries again. */
static void rewriting_is_tried_again(void **state)
{
	struct place *p = *state;

	place_open(p, STORE_STATE);
	place_put(p, "k", "a", "", "1");
	store_db_close(p->s);
	p->s->suspect = true;
	place_put(p, "k", "b", "", "2");
	place_has(p, "a", "1");
	place_has(p, "b", "2");
}

/* Killed after the old file was set aside, before the new one was in place. */
static void crash_while_rewriting_loses_nothing(void **state)
{
	struct place *p = *state;
	char from[128], to[128];

	place_open(p, STORE_STATE);
	place_put(p, "k", "a", "", "1");
	store_close(take_ptr(p->s));
	place_path(p, "state.db", from, sizeof(from));
	place_path(p, "state.db.rewritten", to, sizeof(to));
	assert_int_equal(rename(from, to), 0);
	place_path(p, "state.db.bak", to, sizeof(to));
	assert_int_equal(unlink(to), 0);
	place_open(p, STORE_STATE);
	place_has(p, "a", "1");
	assert_false(place_there(p, "state.db.rewritten"));
}

int main(int argc, char **argv)
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
		PLACE_TEST(full_disk_refuses_growth_and_lets_go),
		PLACE_TEST(full_disk_is_no_reason_not_to_start),
		PLACE_TEST(disk_of_64_kib_opens_or_says_so),
		PLACE_TEST(readonly_disk_is_read),
		PLACE_TEST(killed_on_a_disk_that_turned_readonly),
		PLACE_TEST(failed_write_makes_a_new_file),
		PLACE_TEST(rewriting_is_tried_again),
		PLACE_TEST(crash_while_rewriting_loses_nothing),
	};

	if (argc > 1)
		return child_with_a_failing_write(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("TEST_ONLY"))
		cmocka_set_test_filter(getenv("TEST_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
