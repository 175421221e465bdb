// SPDX-License-Identifier: GPL-2.0-or-later
/* The store: records, and what happens to its file. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/journal.h"
#include "lib/store_priv.h"

struct place {
	char root[64], dir[80];
	struct store *s;
	bool mounted;
};

static int rm_one(const char *path, const struct stat *st, int flag,
		  struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static int place_new(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->root, "/tmp/berth-store-XXXXXX");
	assert_non_null(mkdtemp(p->root));
	snprintf(p->dir, sizeof(p->dir), "%s/d", p->root);
	*state = p;
	return 0;
}

static int place_free(void **state)
{
	struct place *p = *state;

	store_close(p->s);
	if (p->mounted)
		umount2(p->root, MNT_DETACH);
	nftw(p->root, rm_one, 8, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static void must(int r, const struct err *err)
{
	if (r < 0)
		fail_msg("%s (%d)", err->msg, r);
}

static void open_life(struct place *p, enum store_life life)
{
	struct err err = { 0 };

	must(store_open(p->dir, life, &p->s, &err), &err);
}

static void reopen(struct place *p)
{
	store_close(take_ptr(p->s));
	open_life(p, STORE_STATE);
}

static int open_again(struct place *p, struct err *err)
{
	store_close(take_ptr(p->s));
	return store_open(p->dir, STORE_STATE, &p->s, err);
}

static void put(struct place *p, const char *kind, const char *id,
		const char *parent, const char *json)
{
	struct err err = { 0 };

	must(store_put(p->s, kind, id, parent, json, &err), &err);
}

static void assert_has(struct place *p, const char *id, const char *json)
{
	_cleanup_free_ char *got = NULL;
	struct err err = { 0 };
	int r = store_get(p->s, "k", id, &got, &err);

	if (!json) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	must(r, &err);
	assert_string_equal(got, json);
}

static void path_of(const struct place *p, const char *name, char *buf,
		    size_t size)
{
	snprintf(buf, size, "%s/%s", p->dir, name);
}

static bool there(const struct place *p, const char *name)
{
	char path[160];

	path_of(p, name, path, sizeof(path));
	return access(path, F_OK) == 0;
}

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

	open_life(p, STORE_STATE);
	put(p, "k", "b", "x", "{}");
	put(p, "k", "a", "y", "{\"v\":1}");
	put(p, "other", "z", "", "{}");
	put(p, "k", "c", "x", "{}");
	put(p, "k", "b", "x", "{\"v\":2}"); /* replaced: keeps its place */
	must(store_each(p->s, "k", NULL, join_ids, ids, &err), &err);
	assert_string_equal(ids, "bac");
	ids[0] = '\0';
	must(store_each(p->s, "k", "x", join_ids, ids, &err), &err);
	assert_string_equal(ids, "bc");
	assert_has(p, "b", "{\"v\":2}");
	assert_has(p, "none", NULL);
	must(store_del(p->s, "k", "b", &err), &err);
	must(store_del(p->s, "k", "b", &err), &err); /* absent: fine */
	assert_has(p, "b", NULL);
}

static void walk_ends_with_the_callbacks_error(void **state)
{
	struct place *p = *state;
	char ids[16] = "";

	open_life(p, STORE_STATE);
	put(p, "k", "a", "", "{}");
	put(p, "k", "!", "", "{}");
	put(p, "k", "b", "", "{}");
	assert_int_equal(store_each(p->s, "k", NULL, join_ids, ids, NULL),
			 -ECANCELED);
	assert_string_equal(ids, "a!");
	assert_has(p, "b", "{}");
}

static void any_text_is_kept(void **state)
{
	static const char *const ids[] = { "", "'; DROP TABLE rec; --", "a\"b",
					   "\xff\xfe", "a\nb" };
	struct place *p = *state;

	open_life(p, STORE_STATE);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		put(p, "k", ids[i], ids[i], ids[i]);
	reopen(p);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		assert_has(p, ids[i], ids[i]);
}

static void transaction_is_all_or_nothing(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };

	open_life(p, STORE_STATE);
	put(p, "k", "old", "", "1");
	must(store_begin(p->s, &err), &err);
	put(p, "k", "new", "", "1");
	must(store_del(p->s, "k", "old", &err), &err);
	assert_has(p, "new", "1"); /* seen inside */
	store_rollback(p->s);
	assert_has(p, "new", NULL);
	assert_has(p, "old", "1");
	must(store_begin(p->s, &err), &err);
	put(p, "k", "new", "", "2");
	must(store_commit(p->s, &err), &err);
	store_rollback(p->s); /* after commit: nothing */
	assert_has(p, "new", "2");
	assert_int_equal(store_commit(p->s, &err), -EINVAL);
}

static void *put_many(void *arg)
{
	struct place *p = arg;
	struct err err = { 0 };
	char id[32];

	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "%lx-%d", pthread_self(), i);
		must(store_begin(p->s, &err), &err);
		put(p, "k", id, "", "{}");
		must(store_commit(p->s, &err), &err);
		put(p, "k", "shared", "", id);
		assert_has(p, id, "{}");
	}
	return NULL;
}

static int count_one(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	(void)id;
	(void)parent;
	(void)json;
	++*(int *)ctx;
	return 0;
}

static void threads_share_it(void **state)
{
	struct place *p = *state;
	pthread_t t[8];
	int n = 0;

	open_life(p, STORE_RUN);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_create(&t[i], NULL, put_many, p);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(store_each(p->s, "k", NULL, count_one, &n, NULL), 0);
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

	open_life(p, STORE_RUN);
	put(p, "k", "a", "", "1");
	store_close(take_ptr(p->s));
	open_life(p, STORE_RUN);
	assert_has(p, "a", "1");
	set_meta(p, "boot", "another");
	store_close(take_ptr(p->s));
	open_life(p, STORE_RUN);
	assert_has(p, "a", NULL);
	put(p, "k", "a", "", "1");
	set_meta(p, "netns", "another");
	store_close(take_ptr(p->s));
	open_life(p, STORE_RUN);
	assert_has(p, "a", NULL);
}

static void state_records_survive_the_boot(void **state)
{
	struct place *p = *state;

	open_life(p, STORE_STATE);
	put(p, "k", "a", "", "1");
	set_meta(p, "boot", "another");
	reopen(p);
	assert_has(p, "a", "1");
}

/* ---- who may use it ---------------------------------------------------- */

static void second_one_is_told_the_pid(void **state)
{
	struct place *p = *state;
	struct store *other = NULL;
	struct err err = { 0 };
	char pid[16];

	open_life(p, STORE_STATE);
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
		path_of(p, names[i], path, sizeof(path));
		assert_int_equal(symlink("/etc/passwd", path), 0);
		assert_int_equal(open_again(p, &err), -ELOOP);
		unlink(path);
		assert_int_equal(mkfifo(path, 0600), 0);
		assert_int_equal(open_again(p, &err), -EPERM);
		unlink(path);
		assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)),
				 0);
		chmod(path, 0666);
		if (i < 3)
			assert_int_equal(open_again(p, &err), -EPERM);
		nftw(p->dir, rm_one, 8, FTW_DEPTH | FTW_PHYS);
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
	assert_int_equal(open_again(p, &err), -ELOOP);
	unlink(p->dir);
	mkdir(p->dir, 0700);
	chmod(p->dir, 0777);
	assert_int_equal(open_again(p, &err), -EPERM);
	chmod(p->dir, 0700);
	must(open_again(p, &err), &err);
}

/* ---- damage ------------------------------------------------------------ */

static void write_at(const struct place *p, const char *name, off_t at,
		     const void *data, size_t len)
{
	char path[160];
	int fd;

	path_of(p, name, path, sizeof(path));
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), len);
	close(fd);
}

/* A store with 50 records, closed, its copy up to date. */
static void fifty(struct place *p)
{
	char id[16];

	open_life(p, STORE_STATE);
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "id%d", i);
		put(p, "k", id, "", "{\"text\":\"some text to find again\"}");
	}
	store_close(take_ptr(p->s));
}

static void assert_fifty(struct place *p)
{
	int n = 0;

	assert_int_equal(store_each(p->s, "k", NULL, count_one, &n, NULL), 0);
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
		open_life(p, STORE_STATE);
		assert_fifty(p);
		assert_true(store_was_restored(p->s));
		assert_true(there(p, "state.db.damaged-1"));
		reopen(p);
		assert_false(store_was_restored(p->s));
		store_close(take_ptr(p->s));
		nftw(p->dir, rm_one, 8, FTW_DEPTH | FTW_PHYS);
	}
}

static off_t find_in(const struct place *p, const char *name, const char *text)
{
	_cleanup_free_ char *buf = malloc(1 << 20);
	_cleanup_close_ int fd = -EBADF;
	char path[160], *at;
	ssize_t n;

	path_of(p, name, path, sizeof(path));
	fd = open(path, O_RDONLY);
	n = read(fd, buf, 1 << 20);
	at = n > 0 ? memmem(buf, (size_t)n, text, strlen(text)) : NULL;
	assert_non_null(at);
	return at - buf;
}

static void a_flipped_bit_in_a_text_is_found(void **state)
{
	struct place *p = *state;

	fifty(p);
	write_at(p, "state.db", find_in(p, "state.db", "text to find"), "T", 1);
	open_life(p, STORE_STATE);
	assert_true(store_was_restored(p->s));
	assert_fifty(p);
}

static void damage_while_it_runs_is_an_error(void **state)
{
	struct place *p = *state;
	_cleanup_free_ char *got = NULL;
	struct err err = { 0 };

	open_life(p, STORE_STATE);
	put(p, "k", "a", "", "1");
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
	path_of(p, "state.db.bak", path, sizeof(path));
	unlink(path);
	write_at(p, "state.db", 0, "garbage garbage garbage", 23);
	assert_int_equal(open_again(p, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "move "));
	assert_true(there(p, "state.db")); /* left where it was */
}

static void a_file_that_is_gone_comes_back(void **state)
{
	struct place *p = *state;
	char path[160];

	fifty(p);
	path_of(p, "state.db", path, sizeof(path));
	unlink(path);
	open_life(p, STORE_STATE);
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
	open_life(p, STORE_STATE);
	assert_int_equal(store_each(p->s, "k", NULL, count_one, &n, NULL), 0);
	assert_int_equal(n, 10);
	assert_false(store_was_restored(p->s));
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
	path_of(p, "state.db-wal", wal, sizeof(wal));
	assert_int_equal(stat(wal, &st), 0);
	for (off_t len = 0; len <= st.st_size; len += 509) {
		int n = 0;

		copy_dir(kept, p->dir);
		assert_int_equal(truncate(wal, len), 0);
		open_life(p, STORE_STATE);
		assert_int_equal(store_each(p->s, "k", NULL, next_id, &n, NULL),
				 0);
		assert_true(n >= last);
		last = n;
		store_close(take_ptr(p->s));
	}
	assert_true(last >= 9);
}

static void shm_may_vanish(void **state)
{
	struct place *p = *state;
	char shm[160];
	int n = 0;

	killed_writer(p);
	path_of(p, "state.db-shm", shm, sizeof(shm));
	unlink(shm);
	open_life(p, STORE_STATE);
	assert_int_equal(store_each(p->s, "k", NULL, count_one, &n, NULL), 0);
	assert_int_equal(n, 10);
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
	assert_int_equal(open_again(p, &err), -EPROTONOSUPPORT);
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
	must(store_migrate(db, steps, 0, 1, &err), &err);
	sqlite3_exec(db, "INSERT INTO t VALUES(41)", NULL, NULL, NULL);
	must(store_migrate(db, steps, 1, 3, &err), &err);
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
	int n, fd;

	mount_small(p, "1m");
	open_life(p, STORE_STATE);
	put(p, "k", "first", "", "{}");
	n = fill_until(p, -ENOSPC, 2000);
	print_message("# %d records of 2 KiB fit on 1 MiB\n", n);
	assert_true(n > 50);
	/* somebody else takes the rest */
	snprintf(filler, sizeof(filler), "%s/filler", p->root);
	fd = open(filler, O_CREAT | O_WRONLY, 0600);
	while (write(fd, id, 1) > 0 && lseek(fd, 4095, SEEK_CUR) > 0)
		;
	close(fd);
	/* reads go on; a request that adds is refused; one that frees works */
	assert_has(p, "first", "{}");
	assert_int_equal(journal_begin(p->s, "NetworkDriver.CreateNetwork", "n",
				       "{}", &seq, &err),
			 -ENOSPC);
	for (int i = 0; i < n; i++) {
		must(journal_begin(p->s, "NetworkDriver.DeleteNetwork", "n",
				   "{}", &seq, &err),
		     &err);
		snprintf(id, sizeof(id), "f%d", i);
		must(store_begin(p->s, &err), &err);
		must(store_del(p->s, "k", id, &err), &err);
		must(journal_commit(p->s, seq, "{}", &err), &err);
		must(store_commit(p->s, &err), &err);
		journal_settle(p->s, seq);
	}
	unlink(filler);
	put(p, "k", "again", "", "{}");
	reopen(p);
	assert_has(p, "first", "{}");
	assert_has(p, "again", "{}");
	assert_has(p, "f0", NULL);
	assert_false(store_was_restored(p->s));
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
	open_life(p, STORE_STATE);
	assert_true(store_is_readonly(p->s));
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
	open_life(p, STORE_STATE);
	assert_int_equal(store_each(p->s, "k", NULL, count_one, &n, NULL), 0);
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
	assert_true(there(p, "state.db.damaged-1"));
	open_life(p, STORE_STATE);
	assert_has(p, "a", NULL);
	assert_has(p, "b", "2");
}

/* The file could not be opened anew; the next request tries again. */
static void rewriting_is_tried_again(void **state)
{
	struct place *p = *state;

	open_life(p, STORE_STATE);
	put(p, "k", "a", "", "1");
	store_db_close(p->s);
	p->s->suspect = true;
	put(p, "k", "b", "", "2");
	assert_has(p, "a", "1");
	assert_has(p, "b", "2");
}

/* Killed after the old file was set aside, before the new one was in place. */
static void crash_while_rewriting_loses_nothing(void **state)
{
	struct place *p = *state;
	char from[128], to[128];

	open_life(p, STORE_STATE);
	put(p, "k", "a", "", "1");
	store_close(take_ptr(p->s));
	path_of(p, "state.db", from, sizeof(from));
	path_of(p, "state.db.rewritten", to, sizeof(to));
	assert_int_equal(rename(from, to), 0);
	path_of(p, "state.db.bak", to, sizeof(to));
	assert_int_equal(unlink(to), 0);
	open_life(p, STORE_STATE);
	assert_has(p, "a", "1");
	assert_false(there(p, "state.db.rewritten"));
}

/* ---- cost -------------------------------------------------------------- */

static double ms_since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e3 +
	       (double)(b.tv_nsec - a->tv_nsec) / 1e6;
}

static void requests_are_cheap(void **state)
{
	static const char body[] = "{\"NetworkID\":\"0123456789abcdef\"}";
	struct place *p = *state;
	struct err err = { 0 };
	struct timespec a;

	open_life(p, STORE_RUN);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 1000; i++) {
		uint64_t seq;
		char id[16];

		snprintf(id, sizeof(id), "%d", i);
		must(journal_begin(p->s, "M", id, body, &seq, &err), &err);
		must(store_begin(p->s, &err), &err);
		put(p, "k", id, "", body);
		must(journal_commit(p->s, seq, "{}", &err), &err);
		must(store_commit(p->s, &err), &err);
		journal_settle(p->s, seq);
	}
	print_message("# begin + put + commit + settle: %.0f us in run.db\n",
		      ms_since(&a));
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
	open_life(p, STORE_RUN);
	must(store_begin(p->s, &err), &err);
	for (int i = 0; i < 10000; i++) {
		snprintf(id, sizeof(id), "%d", i);
		put(p, "k", id, "", body);
	}
	must(store_commit(p->s, &err), &err);
	store_close(take_ptr(p->s));
	clock_gettime(CLOCK_MONOTONIC, &a);
	open_life(p, STORE_RUN);
	ms = ms_since(&a);
	print_message("# opened with 10,000 records in %.0f ms\n", ms);
	assert_true(ms < 5000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_new, place_free)

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		TEST(records_come_back_in_order),
		TEST(walk_ends_with_the_callbacks_error),
		TEST(any_text_is_kept),
		TEST(transaction_is_all_or_nothing),
		TEST(threads_share_it),
		TEST(run_records_die_with_the_boot),
		TEST(state_records_survive_the_boot),
		TEST(second_one_is_told_the_pid),
		TEST(links_and_foreign_files_are_refused),
		TEST(directory_is_checked),
		TEST(zeroed_pages_are_replaced_by_the_copy),
		TEST(a_flipped_bit_in_a_text_is_found),
		TEST(damage_while_it_runs_is_an_error),
		TEST(without_a_copy_it_refuses),
		TEST(a_file_that_is_gone_comes_back),
		TEST(killed_writer_loses_nothing),
		TEST(log_cut_anywhere_gives_a_prefix),
		TEST(shm_may_vanish),
		TEST(newer_schema_is_left_alone),
		TEST(older_schema_is_migrated_step_by_step),
		TEST(full_disk_refuses_growth_and_lets_go),
		TEST(disk_of_64_kib_opens_or_says_so),
		TEST(readonly_disk_is_read),
		TEST(killed_on_a_disk_that_turned_readonly),
		TEST(failed_write_makes_a_new_file),
		TEST(rewriting_is_tried_again),
		TEST(crash_while_rewriting_loses_nothing),
		TEST(requests_are_cheap),
		TEST(start_with_10000_records_is_fast),
	};

	if (argc > 1)
		return child_with_a_failing_write(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("TEST_ONLY"))
		cmocka_set_test_filter(getenv("TEST_ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
