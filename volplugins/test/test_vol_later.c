/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was answered before it was on the disk, and the power goes. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "lib/journal.h"
#include "volplugins/test/fake.h"

static bool on_disk(const char *name)
{
	return !fake_there("was", name) && !fake_there("wasnot", name);
}

static void die(void)
{
	kill(getpid(), SIGKILL);
}

/* @does ends by a kill, the power is cut, and @sees is the next life; once more
 * in the life after that. */
static void cut(void (*does)(struct life *l, void *arg),
		void (*sees)(struct life *l, void *arg))
{
	assert_true(was_killed(live(does, NULL, NULL)));
	fake_cut_power("v");
	assert_int_equal(live(sees, NULL, NULL), 0);
	assert_int_equal(live(sees, NULL, NULL), 0);
}

static void is_there(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == 0);
	CHECK(fake_there("vol", "v"));
	CHECK(on_disk("v"));
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(problems(l) == 0);
}

static void is_gone(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == -1);
	CHECK(!fake_there("vol", "v"));
	CHECK(on_disk("v"));
	CHECK(problems(l) == 0);
}

static void make(struct life *l)
{
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
}

static void make_die(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	CHECK(!on_disk("v"));
	die();
}

static void created_is_there(void **state)
{
	(void)state;
	cut(make_die, is_there);
}

static void remove_die(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	vol_core_tick(l->core);
	CHECK(on_disk("v"));
	CHECK(remove_it(l, "v") == 0);
	CHECK(!on_disk("v"));
	die();
}

static void removed_is_gone(void **state)
{
	(void)state;
	cut(remove_die, is_gone);
}

static void make_remove_die(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	CHECK(remove_it(l, "v") == 0);
	die();
}

static void created_and_removed_is_gone(void **state)
{
	(void)state;
	cut(make_remove_die, is_gone);
}

/* The old one's removal is on the disk before the new one is begun: done once
 * more, it would take the new one. */
static void remove_make_die(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	vol_core_tick(l->core);
	CHECK(remove_it(l, "v") == 0);
	make(l);
	CHECK(fake_there("wasnot", "v"));
	vol_core_tick(l->core);
	CHECK(fake_set("data", "v", true) == 0);
	die();
}

static void has_data(struct life *l, void *arg)
{
	is_there(l, arg);
	CHECK(fake_there("data", "v"));
}

static void made_again_stays_with_its_data(void **state)
{
	(void)state;
	cut(remove_make_die, has_data);
}

static void mount_seen(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(on_disk("v"));
}

static void who_is_given_it_finds_it_again(void **state)
{
	(void)state;
	assert_int_equal(live(mount_seen, NULL, NULL), 0);
}

static void end_seen(struct life *l, void *arg)
{
	(void)arg;
	make(l);
}

static void nothing_is_left_at_the_end(void **state)
{
	(void)state;
	assert_int_equal(live(end_seen, NULL, NULL), 0);
	assert_true(on_disk("v"));
}

/* Killed, in the same boot: the kernel has it all, and nothing is done again. */
static void stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == -1);
	CHECK(fake_there("vol", "v"));
}

static void same_boot_does_nothing_again(void **state)
{
	(void)state;
	assert_true(was_killed(live(remove_die, NULL, NULL)));
	fake_set("vol", "v", true); /* a directory that somebody put there */
	assert_int_equal(live(stays, NULL, NULL), 0);
	fake_cut_power("v");
	assert_int_equal(live(stays, NULL, NULL), 0);
}

static void told_and_there(struct life *l, void *arg)
{
	(void)arg;
	CHECK(problems(l) == 1);
	CHECK(users(l, "v") == 0);
	CHECK(remove_it(l, "v") == -EPERM);
	fake_set("stuck", "v", false);
	CHECK(remove_it(l, "v") == 0);
	CHECK(users(l, "v") == -1);
}

static void what_cannot_be_removed_again_is_not_hidden(void **state)
{
	(void)state;
	assert_true(was_killed(live(remove_die, NULL, NULL)));
	fake_cut_power("v");
	fake_set("stuck", "v", true);
	assert_int_equal(live(told_and_there, NULL, NULL), 0);
}

static void bad_disk(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	fake_set("unwritable", "v", true);
	vol_core_tick(l->core);
	vol_core_tick(l->core);
	CHECK(mount_id(l, "v", "a") == -EIO);
	CHECK(users(l, "v") == 0);
	CHECK(remove_it(l, "v") == 0);
	CHECK(create(l, "v", NULL) == -EIO);
	CHECK(users(l, "v") == -1);
	CHECK(!fake_there("vol", "v"));
	fake_set("unwritable", "v", false);
	make(l);
	CHECK(mount_id(l, "v", "a") == 0);
}

static void unwritable_is_not_given_to_anybody(void **state)
{
	(void)state;
	assert_int_equal(live(bad_disk, NULL, NULL), 0);
}

/* More than are written at a time. */
#define MANY 40

static const char *nth(int i)
{
	static char name[8];

	snprintf(name, sizeof(name), "v%d", i);
	return name;
}

static void many_one_bad(struct life *l, void *arg)
{
	int *bad = arg;

	for (int i = 0; i < MANY; i++)
		CHECK(create(l, nth(i), "{\"flavour\":\"3\"}") == 0);
	fake_set("unwritable", nth(*bad), true);
	vol_core_tick(l->core);
	for (int i = 0; i < MANY; i++)
		CHECK(on_disk(nth(i)) == (i != *bad));
	fake_set("unwritable", nth(*bad), false);
	vol_core_tick(l->core);
	CHECK(on_disk(nth(*bad)));
}

static void a_bad_one_keeps_no_other_off_the_disk(void **state)
{
	(void)state;
	for (int bad = 0; bad < MANY; bad += MANY - 1) {
		assert_int_equal(live(many_one_bad, &bad, NULL), 0);
		fake_teardown(state);
		fake_setup(state);
	}
}

/* A copy of the store is from before: what it says of "v" is of another one. */
static void copy_die(struct life *l, void *arg)
{
	(void)arg;
	make(l);
	CHECK(remove_it(l, "v") == 0);
	OK(store_copy_if_due(l->d.state, &err));
	make(l);
	vol_core_tick(l->core);
	die();
}

static void restored_store_removes_nothing(void **state)
{
	int dir, fd;

	(void)state;
	assert_true(was_killed(live(copy_die, NULL, NULL)));
	fake_cut_power("v");
	dir = openat(fake_dir(), "state", O_RDONLY | O_DIRECTORY);
	fd = openat(dir, "state.db", O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "junk", 4), 4);
	close(fd);
	unlinkat(dir, "state.db-wal", 0);
	close(dir);
	assert_int_equal(live(stays, NULL, NULL), 0);
	assert_int_equal(live(stays, NULL, NULL), 0);
}

#define TEST(fn)                                                          \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = #fn, .test_func = (fn), .setup_func = fake_setup, \
		.teardown_func = fake_teardown,                           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(created_is_there),
		TEST(a_bad_one_keeps_no_other_off_the_disk),
		TEST(removed_is_gone),
		TEST(created_and_removed_is_gone),
		TEST(made_again_stays_with_its_data),
		TEST(who_is_given_it_finds_it_again),
		TEST(nothing_is_left_at_the_end),
		TEST(same_boot_does_nothing_again),
		TEST(what_cannot_be_removed_again_is_not_hidden),
		TEST(unwritable_is_not_given_to_anybody),
		TEST(restored_store_removes_nothing),
	};

	fake_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
