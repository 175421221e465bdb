/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Figures of plain directories: told at once, taken in the background, seldom. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/tree.h"
#include "volplugins/named/named_usage.h"

struct fix {
	char dir[64];
	int fd;
	struct named_walker w;
};

static atomic_int walks, slow_ms, step_us;

/* Linked in for tree_usage() (dir.mk): counted, and as slow as asked for. */
int __real_tree_usage(int dirfd, struct tree_usage *ret,
		      bool (*stop)(void *ctx), void *ctx, struct err *err);
int __wrap_tree_usage(int dirfd, struct tree_usage *ret,
		      bool (*stop)(void *ctx), void *ctx, struct err *err);

struct step {
	bool (*stop)(void *ctx);
	void *ctx;
};

static bool step_slowly(void *arg)
{
	const struct timespec ts = { .tv_nsec = atomic_load(&step_us) * 1000L };
	struct step *s = arg;

	nanosleep(&ts, NULL);
	return s->stop(s->ctx);
}

int __wrap_tree_usage(int dirfd, struct tree_usage *ret,
		      bool (*stop)(void *ctx), void *ctx, struct err *err)
{
	struct step s = { .stop = stop, .ctx = ctx };
	int ms = atomic_load(&slow_ms);
	const struct timespec ts = { .tv_nsec = ms * 1000000L };

	atomic_fetch_add(&walks, 1);
	nanosleep(&ts, NULL);
	if (atomic_load(&step_us))
		return __real_tree_usage(dirfd, ret, step_slowly, &s, err);
	return __real_tree_usage(dirfd, ret, stop, ctx, err);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/berth-test-usage-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	named_walker_init(&f->w, f->fd);
	atomic_store(&walks, 0);
	atomic_store(&slow_ms, 0);
	atomic_store(&step_us, 0);
	*state = f;
	return f->fd < 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int r;

	named_walker_fini(&f->w);
	r = tree_empty(f->fd, NULL, NULL, NULL) | rmdir(f->dir);
	close(f->fd);
	free(f);
	return r;
}

static void put_file(struct fix *f, const char *path, size_t size)
{
	_cleanup_close_ int fd =
		openat(f->fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(posix_fallocate(fd, 0, (off_t)size), 0);
}

static void make_volume(struct fix *f, const char *name)
{
	char data[300];

	snprintf(data, sizeof(data), "%s/_data", name);
	assert_int_equal(mkdirat(f->fd, name, 0700), 0);
	assert_int_equal(mkdirat(f->fd, data, 0700), 0);
}

static int ask(struct fix *f, const char *name, struct vol_usage *u)
{
	*u = (struct vol_usage){ 0 };
	return named_walker_ask(&f->w, name, u, NULL);
}

/* Ask until there is a figure of at least @bytes. */
static void wait_for_figure(struct fix *f, const char *name, uint64_t bytes)
{
	const struct timespec ms = { .tv_nsec = 2000000 };
	struct vol_usage u;

	for (int i = 0; i < 2500; i++) {
		if (ask(f, name, &u) == 0 && u.used_bytes >= bytes)
			return;
		nanosleep(&ms, NULL);
	}
	fail_msg("no figure of %s", name);
}

static void figure_comes_with_the_second_question(void **state)
{
	struct fix *f = *state;
	struct vol_usage u;

	make_volume(f, "v");
	put_file(f, "v/_data/file", 1 << 20);
	assert_int_equal(ask(f, "v", &u), -ENODATA);
	assert_false(u.used_known);
	wait_for_figure(f, "v", 1 << 20);
	assert_int_equal(ask(f, "v", &u), 0);
	assert_true(u.used_known);
	assert_in_range(u.used_bytes, 1 << 20, (1 << 20) + 65536);
	assert_in_range(u.age_s, 0, 5);
}

static void fresh_figure_is_not_taken_again(void **state)
{
	struct fix *f = *state;
	struct vol_usage u;

	make_volume(f, "v");
	ask(f, "v", &u);
	wait_for_figure(f, "v", 1);
	put_file(f, "v/_data/file", 1 << 20);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ask(f, "v", &u), 0);
	assert_in_range(u.used_bytes, 1, 65536);
	assert_int_equal(atomic_load(&walks), 1);
	f->w.fresh_s = 0;
	wait_for_figure(f, "v", 1 << 20);
}

static void costly_walk_is_not_repeated_soon(void **state)
{
	const struct timespec while_ = { .tv_nsec = 500000000 };
	struct fix *f = *state;
	struct vol_usage u;

	make_volume(f, "v");
	f->w.fresh_s = 0;
	atomic_store(&slow_ms, 50); /* a rest of 5 s */
	ask(f, "v", &u);
	wait_for_figure(f, "v", 1);
	ask(f, "v", &u);
	nanosleep(&while_, NULL);
	ask(f, "v", &u);
	assert_int_equal(atomic_load(&walks), 1);
}

static void forgotten_volume_has_no_figure(void **state)
{
	struct fix *f = *state;
	struct vol_usage u;

	make_volume(f, "v");
	atomic_store(&slow_ms, 100);
	for (int i = 0; i < 3; i++) {
		/* queued, or being walked, or done */
		ask(f, "v", &u);
		while (i && atomic_load(&walks) < i)
			sched_yield();
		named_walker_forget(&f->w, "v");
		assert_int_equal(ask(f, "v", &u), -ENODATA);
	}
	named_walker_forget(&f->w, "never heard of");
	wait_for_figure(f, "v", 1);
}

static void gone_volume_keeps_the_old_figure(void **state)
{
	struct fix *f = *state;
	struct vol_usage u;

	make_volume(f, "v");
	ask(f, "v", &u);
	wait_for_figure(f, "v", 1);
	assert_int_equal(renameat(f->fd, "v", f->fd, "w"), 0);
	f->w.fresh_s = 0;
	ask(f, "v", &u);
	wait_for_figure(f, "v", 1);
	ask(f, "w", &u);
	wait_for_figure(f, "w", 1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void stop_ends_a_walk(void **state)
{
	struct fix *f = *state;
	struct vol_usage u;
	char path[64];
	int64_t begin;

	make_volume(f, "v");
	/* all of it would be 20 s */
	atomic_store(&step_us, 10000);
	for (int i = 0; i < 2000; i++) {
		snprintf(path, sizeof(path), "v/_data/d%d", i);
		assert_int_equal(mkdirat(f->fd, path, 0700), 0);
	}
	ask(f, "v", &u);
	while (!atomic_load(&walks))
		sched_yield();
	begin = now_ms();
	named_walker_fini(&f->w);
	assert_in_range(now_ms() - begin, 0, 5000);
	assert_int_equal(u.used_known, false);
	named_walker_init(&f->w, f->fd);
}

static void *ask_a_lot(void *arg)
{
	struct fix *f = arg;
	struct vol_usage u;
	char name[8];

	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "v%d", i % 20);
		ask(f, name, &u);
		if (i % 97 == 0)
			named_walker_forget(&f->w, name);
	}
	return NULL;
}

static void many_ask_at_once(void **state)
{
	struct fix *f = *state;
	pthread_t t[8];
	char name[8];

	f->w.fresh_s = 0;
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		make_volume(f, name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, ask_a_lot, f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		wait_for_figure(f, name, 1);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(figure_comes_with_the_second_question),
		TEST(fresh_figure_is_not_taken_again),
		TEST(costly_walk_is_not_repeated_soon),
		TEST(forgotten_volume_has_no_figure),
		TEST(gone_volume_keeps_the_old_figure),
		TEST(stop_ends_a_walk),
		TEST(many_ask_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
