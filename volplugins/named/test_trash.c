/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The trash: what its thread may delete, and when it tries again. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/skew.h"
#include "lib/tree.h"
#include "volplugins/named/named.h"

struct fix {
	char dir[64];
	int fd;
	struct named_trash t;
	atomic_int tried; /* how often a heap with "stuck" was */
	atomic_bool
		unsettled; /* a heap was opened whose rename was not synced */
};

static atomic_bool synced;

int __real_tree_sync(int fd);
int __wrap_tree_sync(int fd);
int __wrap_tree_sync(int fd)
{
	synced = true;
	return __real_tree_sync(fd);
}

static int purge(void *ctx, int dir, struct err *err)
{
	struct fix *f = ctx;

	if (!synced)
		f->unsettled = true;
	if (faccessat(dir, "stuck", F_OK, 0) < 0)
		return 0;
	f->tried++;
	return err_set(err, -EBUSY, "it is in use");
}

static void start(struct fix *f)
{
	struct err err = { 0 };

	if (named_trash_open(&f->t, f->fd, purge, f, &err) < 0 ||
	    named_trash_start(&f->t, &err) < 0)
		fail_msg("%s", err.msg);
}

static void stop(struct fix *f)
{
	named_trash_fini(&f->t);
	f->t = (struct named_trash){ .fd = -EBADF };
}

static int setup(void **state)
{
	static _Atomic int64_t skew;
	struct fix *f = calloc(1, sizeof(*f));

	clock_skew_s = &skew;
	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-trash-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0)
		return -1;
	start(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	stop(f);
	close(f->fd);
	test_rmdir(f->dir);
	free(f);
	return 0;
}

/* A removed volume's directory with the file @in in it. */
static void put(struct fix *f, const char *in, char heap[static NAMED_HEAP_MAX])
{
	char path[64];
	int fd;

	assert_int_equal(mkdirat(f->fd, "v", 0700), 0);
	snprintf(path, sizeof(path), "v/%s", in);
	fd = openat(f->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(named_trash_put(&f->t, f->fd, "v", heap, NULL), 0);
	synced = false;
}

static bool exists(struct fix *f, const char *heap)
{
	return faccessat(f->t.fd, heap, F_OK, 0) == 0;
}

/* Give one to the thread and wait until it did all it was given. */
static void run_thread(struct fix *f)
{
	char heap[NAMED_HEAP_MAX];

	put(f, "file", heap);
	named_trash_later(&f->t, heap);
	assert_true(TEST_WITHIN_S(60, !exists(f, heap)));
	assert_true(TEST_WITHIN_S(60, !named_trash_busy(&f->t)));
}

/* What has a disk in it must not lose parts while a power cut may bring its old
 * name back. */
static void only_what_was_handed_over_is_deleted(void **state)
{
	struct fix *f = *state;
	char heap[NAMED_HEAP_MAX];

	put(f, "image", heap);
	run_thread(f);
	assert_true(exists(f, heap));
	named_trash_later(&f->t, heap);
	assert_true(TEST_WITHIN_S(60, !exists(f, heap)));
}

static void what_was_left_goes_at_the_start_after_a_sync(void **state)
{
	struct fix *f = *state;
	char old[NAMED_HEAP_MAX], now[NAMED_HEAP_MAX];

	put(f, "image", old);
	stop(f);
	synced = false;
	start(f);
	assert_true(synced);
	put(f, "image", now);
	assert_true(TEST_WITHIN_S(60, !exists(f, old)));
	assert_true(TEST_WITHIN_S(60, !named_trash_busy(&f->t)));
	assert_true(exists(f, now));
}

static void by_hand_all_go_after_a_sync(void **state)
{
	struct fix *f = *state;
	char heap[NAMED_HEAP_MAX];

	put(f, "image", heap);
	assert_int_equal(named_trash_sweep(&f->t, true, NULL, NULL, NULL), 1);
	assert_true(exists(f, heap));
	assert_int_equal(named_trash_sweep(&f->t, false, NULL, NULL, NULL), 1);
	assert_false(exists(f, heap));
	assert_false(f->unsettled);
}

static void what_stays_is_not_tried_at_every_removal(void **state)
{
	struct fix *f = *state;
	char heap[NAMED_HEAP_MAX];

	put(f, "stuck", heap);
	named_trash_later(&f->t, heap);
	for (int i = 0; i < 10; i++)
		run_thread(f);
	assert_int_equal(f->tried, 1);
	/* but after a pause, and then a longer one */
	*clock_skew_s += NAMED_TRASH_MIN_MS / 1000;
	run_thread(f);
	run_thread(f);
	assert_int_equal(f->tried, 2);
	*clock_skew_s += 2 * NAMED_TRASH_MIN_MS / 1000;
	run_thread(f);
	assert_int_equal(f->tried, 3);
	/* also what the request began with */
	put(f, "stuck", heap);
	named_trash_delete(&f->t, heap);
	assert_int_equal(f->tried, 4);
	run_thread(f);
	assert_int_equal(f->tried, 4);
	*clock_skew_s += 24 * 3600;
	run_thread(f);
	assert_int_equal(f->tried, 6);
}

/* Nor is it work under way, which would keep it from being told. */
static void what_stays_is_told(void **state)
{
	struct fix *f = *state;
	char heap[NAMED_HEAP_MAX];

	put(f, "stuck", heap);
	named_trash_later(&f->t, heap);
	assert_true(TEST_WITHIN_S(60, f->tried == 1));
	assert_true(TEST_WITHIN_S(60, !named_trash_busy(&f->t)));
	assert_int_equal(named_trash_sweep(&f->t, true, NULL, NULL, NULL), 1);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_what_was_handed_over_is_deleted),
		TEST(what_was_left_goes_at_the_start_after_a_sync),
		TEST(by_hand_all_go_after_a_sync),
		TEST(what_stays_is_not_tried_at_every_removal),
		TEST(what_stays_is_told),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
