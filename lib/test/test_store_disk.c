/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store on full and read-only disks, and on one that fails. */
#include "lib/test/store_test.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/journal.h"

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

/* Somebody writes all the time, and once had a part of what was given for a commit. */
static void full_disk_that_is_filled_again_lets_go(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };
	char id[16];
	uint64_t seq = 0;

	mount_small(p, "1m");
	place_open(p, STORE_STATE);
	for (int i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		place_put(p, "k", id, "", "{}");
	}
	fill_up(p);
	assert_true(store_reserve_give(p->s, 1));
	for (int i = 0; i < 40; i++) {
		fill_up(p);
		snprintf(id, sizeof(id), "f%d", i);
		place_must(journal_begin(p->s, "NetworkDriver.DeleteNetwork",
					 id, "{}", &seq, &err),
			   &err);
		fill_up(p);
		place_must(store_begin(p->s, &err), &err);
		place_must(store_del(p->s, "k", id, &err), &err);
		place_must(journal_commit(p->s, seq, "{}", &err), &err);
		place_must(store_commit(p->s, &err), &err);
		place_has(p, id, NULL);
	}
	place_reopen(p);
	place_has(p, "f39", NULL);
	assert_false(store_was_restored(p->s));
}

static void full_disk_is_no_reason_not_to_start(void **state)
{
	struct place *p = *state;
	struct err err = { 0 };

	mount_small(p, "1m");
	place_fifty(p);
	fill_up(p);
	for (int i = 0; i < 3; i++) {
		place_open(p, STORE_STATE);
		place_has_fifty(p);
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
	place_fifty(p);
	assert_int_equal(
		mount(NULL, p->root, NULL, MS_REMOUNT | MS_RDONLY, "size=4m"),
		0);
	place_open(p, STORE_STATE);
	assert_true(store_is_readonly(p->s));
	place_told(p, "state.db is read-only: nothing can be changed");
	place_has_fifty(p);
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
	place_killed_writer(p);
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
		PLACE_TEST(full_disk_refuses_growth_and_lets_go),
		PLACE_TEST(full_disk_that_is_filled_again_lets_go),
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
