/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume core without faults: every request, its refusals, and races. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "lib/tree.h"
#include "volplugins/test/fake.h"

static void whole_life(struct life *l, void *arg)
{
	int n = 0;

	(void)arg;
	CHECK(users(l, "v") == -1);
	CHECK(mount_id(l, "v", "a") == -ENOENT);
	CHECK(create(l, "v", NULL) == 0);
	CHECK(users(l, "v") == 0);
	CHECK(!fake_there("mnt", "v"));
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(mount_id(l, "v", "b") == 0);
	CHECK(mount_id(l, "v", "a") == 0); /* a set, not a counter */
	CHECK(users(l, "v") == 2);
	CHECK(remove_it(l, "v") == -EBUSY);
	CHECK(unmount_id(l, "v", "none") == 0);
	CHECK(unmount_id(l, "nothing", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(fake_there("mnt", "v"));
	CHECK(unmount_id(l, "v", "b") == 0);
	CHECK(!fake_there("mnt", "v"));
	OK(vol_each(l->core, count_one, &n, &err));
	CHECK(n == 1);
	CHECK(remove_it(l, "v") == 0);
	CHECK(remove_it(l, "v") == 0);
	CHECK(!fake_there("vol", "v"));
	CHECK(users(l, "v") == -1);
}

static void requests_do_what_they_say(void **state)
{
	(void)state;
	assert_int_equal(live(whole_life, NULL, NULL), 0);
	assert_int_equal(live(whole_life, NULL, NULL), 0);
}

static void create_rules(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(fake_set("data", "v", true) == 0);
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "v", "{\"flavour\":\"03\"}") == 0);
	CHECK(create(l, "v", "{\"flavour\":\"4\"}") == -EEXIST);
	CHECK(create(l, "v", NULL) == -EEXIST);
	CHECK(create(l, "v", "{\"flavour\":\"3\",\"label\":\"x\"}") == -EEXIST);
	CHECK(create(l, "w", "{\"flavor\":\"3\"}") == -EINVAL);
	CHECK(create(l, "w", "{\"flavour\":\"13\"}") == -EINVAL);
	CHECK(users(l, "w") == -1);
	CHECK(!fake_there("vol", "w"));
	CHECK(fake_there("data", "v"));
}

static int has_no_figure(void *ctx, const struct vol_info *v)
{
	json_object *why = json_object_object_get(v->status, "problem");

	CHECK(!v->usage.used_known && why);
	CHECK(strcmp(json_object_get_string(why), "its data is gone") == 0);
	++*(int *)ctx;
	return 0;
}

static void is_there_with_a_hole(struct life *l, void *arg)
{
	int seen = 0;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(fake_set("holed", "v", true) == 0);
	OK(vol_get(l->core, "v", true, has_no_figure, &seen, &err));
	CHECK(seen == 1);
	CHECK(fake_set("holed", "v", false) == 0);
	CHECK(remove_it(l, "v") == 0);
}

static void damaged_volume_is_there_all_the_same(void **state)
{
	(void)state;
	assert_int_equal(live(is_there_with_a_hole, NULL, NULL), 0);
}

static void create_again(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "v", "{\"flavour\":\"4\"}") == -EEXIST);
	CHECK(fake_there("data", "v"));
}

static void create_never_wipes_nor_changes(void **state)
{
	(void)state;
	assert_int_equal(live(create_rules, NULL, NULL), 0);
	assert_int_equal(live(create_again, NULL, NULL), 0);
}

static void mount_three(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(mount_id(l, "v", "b") == 0);
	CHECK(mount_id(l, "v", "c") == 0);
}

static void unmount_one(struct life *l, void *arg)
{
	int before = users(l, "v");

	CHECK(fake_there("mnt", "v"));
	CHECK(unmount_id(l, "v", arg) == 0);
	CHECK(users(l, "v") == before - 1);
	CHECK(fake_there("mnt", "v") == (before > 1));
	CHECK(before == 1 || remove_it(l, "v") == -EBUSY);
}

static void mounts_survive_restarts(void **state)
{
	static char ids[] = "b\0c\0a";

	(void)state;
	assert_int_equal(live(mount_three, NULL, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(live(unmount_one, ids + 2 * i, NULL), 0);
}

static void after_reboot(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == 0);
	CHECK(remove_it(l, "v") == 0);
}

static void mounts_end_with_the_run_directory(void **state)
{
	int run;

	(void)state;
	assert_int_equal(live(mount_three, NULL, NULL), 0);
	/* what a reboot leaves of /run, and of mounts */
	run = openat(fake_dir(), "run", O_RDONLY | O_DIRECTORY);
	assert_int_equal(tree_empty(run, NULL, NULL, NULL), 0);
	close(run);
	fake_set("mnt", "v", false);
	assert_int_equal(live(after_reboot, NULL, NULL), 0);
}

static void remount_seen(struct life *l, void *arg)
{
	(void)arg;
	CHECK(fake_there("mnt", "v"));
	CHECK(users(l, "v") == 3);
	CHECK(problems(l) == 0);
}

static void lost_mount_is_made_again_at_start(void **state)
{
	(void)state;
	assert_int_equal(live(mount_three, NULL, NULL), 0);
	fake_set("mnt", "v", false);
	assert_int_equal(live(remount_seen, NULL, NULL), 0);
}

static void lost_volume_is_told(struct life *l, void *arg)
{
	(void)arg;
	CHECK(problems(l) == 2); /* at start, and now */
	CHECK(mount_id(l, "v", "d") == -ENOENT);
	CHECK(mount_id(l, "v", "a") == -ENOENT);
	CHECK(users(l, "v") == 3);
}

static void lost_volume_is_a_problem_not_a_crash(void **state)
{
	(void)state;
	assert_int_equal(live(mount_three, NULL, NULL), 0);
	fake_set("vol", "v", false);
	fake_set("mnt", "v", false);
	assert_int_equal(live(lost_volume_is_told, NULL, NULL), 0);
}

static void stuck_remove(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(fake_set("stuck", "v", true) == 0);
	CHECK(remove_it(l, "v") == -EPERM);
	CHECK(users(l, "v") == 0);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(fake_set("stuck", "v", false) == 0);
	CHECK(remove_it(l, "v") == 0);
}

static void failed_remove_keeps_the_volume(void **state)
{
	(void)state;
	assert_int_equal(live(stuck_remove, NULL, NULL), 0);
}

static void busy_unmount(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(fake_set("busy", "v", true) == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(users(l, "v") == 0);
	CHECK(remove_it(l, "v") == -EBUSY);
	CHECK(fake_set("busy", "v", false) == 0);
	CHECK(remove_it(l, "v") == 0);
}

static void unmount_that_fails_is_made_up_at_remove(void **state)
{
	(void)state;
	assert_int_equal(live(busy_unmount, NULL, NULL), 0);
}

static void odd_records(struct life *l, void *arg)
{
	(void)arg;
	OK(store_put(l->d.state, "volume", "old", "",
		     "{\"Name\":\"old\",\"Opts\":{\"gone\":\"1\"}}", &err));
	OK(store_put(l->d.state, "volume", "torn", "", "{\"Name\":", &err));
	OK(store_put(l->d.run, "mount", "lost/a", "lost",
		     "{\"Name\":\"lost\",\"ID\":\"a\"}", &err));
	CHECK(create(l, "fine", NULL) == 0);
}

static void odd_records_kept(struct life *l, void *arg)
{
	char *text = NULL;

	(void)arg;
	CHECK(problems(l) == 3);
	CHECK(users(l, "fine") == 0);
	CHECK(users(l, "old") == -1);
	CHECK(create(l, "old", NULL) == -EUCLEAN);
	CHECK(create(l, "torn", NULL) == -EUCLEAN);
	CHECK(remove_it(l, "torn") == -EUCLEAN);
	CHECK(mount_id(l, "old", "a") == -EUCLEAN);
	OK(store_get(l->d.state, "volume", "torn", &text, &err));
	free(text);
}

static void records_we_cannot_use_are_kept_and_told(void **state)
{
	(void)state;
	assert_int_equal(live(odd_records, NULL, NULL), 0);
	assert_int_equal(live(odd_records_kept, NULL, NULL), 0);
}

/* ---- many at once ------------------------------------------------------ */

static void *worker(void *arg)
{
	struct life *l = arg;
	unsigned int seed = (unsigned int)(uintptr_t)&seed;
	struct err err = { 0 };
	char id[16], path[VOL_PATH_MAX];
	uint64_t seq;

	snprintf(id, sizeof(id), "m%lx", (unsigned long)pthread_self() >> 12);
	for (int i = 0; i < 150; i++) {
		char name[2] = { (char)('p' + rand_r(&seed) % 3), 0 };
		int r = 0;

		switch (rand_r(&seed) % 5) {
		case 0:
			r = vol_create(l->core, name, NULL, &seq, &err);
			break;
		case 1:
			r = vol_mount(l->core, name, id, path, &seq, &err);
			break;
		case 2:
			r = vol_unmount(l->core, name, id, &seq, &err);
			break;
		case 3:
			r = vol_remove(l->core, name, &seq, &err);
			break;
		default:
			users(l, name);
			r = vol_each(l->core, count_one, &(int){ 0 }, &err);
		}
		CHECK(r == 0 || r == -ENOENT || r == -EBUSY);
	}
	for (const char *c = "pqr"; *c; c++)
		CHECK(vol_unmount(l->core, (char[]){ *c, 0 }, id, &seq, &err) ==
		      0);
	return NULL;
}

static void eight_workers(struct life *l, void *arg)
{
	pthread_t threads[8];

	(void)arg;
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, worker, l);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	CHECK(problems(l) == 0);
	for (const char *c = "pqr"; *c; c++) {
		char name[2] = { *c, 0 };

		CHECK(!fake_there("mnt", name));
		CHECK(remove_it(l, name) == 0);
		CHECK(!fake_there("vol", name));
	}
}

static void races_end_in_one_order_or_the_other(void **state)
{
	(void)state;
	assert_int_equal(live(eight_workers, NULL, NULL), 0);
}

/* ---- a Mount that takes long -------------------------------------------- */

struct slow {
	struct life *l;
	atomic_bool begun, done;
};

static void *mount_slowly(void *arg)
{
	struct slow *s = arg;

	atomic_store(&s->begun, true);
	CHECK(mount_id(s->l, "v", "b") == 0);
	atomic_store(&s->done, true);
	return NULL;
}

static int told_busy(void *ctx, const struct vol_info *v)
{
	CHECK(strcmp(v->name, "v") == 0 && v->path[0] == '/');
	CHECK(v->users == 1 && !v->mounts && !v->usage.used_known);
	CHECK(json_object_get_boolean(
		json_object_object_get(v->status, "busy")));
	++*(int *)ctx;
	return 0;
}

static void count_lines(void *ctx, const char *line)
{
	CHECK(strcmp(line, "volume v: a request has it: not looked at") == 0);
	++*(int *)ctx;
}

static void others_beside_a_slow_mount(struct life *l, void *arg)
{
	const struct timespec ms = { .tv_nsec = 50000000 };
	struct slow s = { .l = l };
	struct err err = { 0 };
	pthread_t thread;
	int told = 0, lines = 0;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0 && create(l, "w", NULL) == 0);
	CHECK(mount_id(l, "v", "a") == 0);
	pthread_create(&thread, NULL, mount_slowly, &s);
	while (!atomic_load(&s.begun))
		sched_yield();
	nanosleep(&ms, NULL); /* into the driver */
	CHECK(vol_get(l->core, "v", true, told_busy, &told, &err) == 0);
	CHECK(vol_get(l->core, "v", false, told_busy, &told, &err) == 0);
	CHECK(told == 2);
	CHECK(users(l, "w") == 0);
	CHECK(vol_check(l->core, count_lines, &lines, &err) == 0);
	CHECK(lines == 1);
	CHECK(vol_gc(l->core, false, count_lines, &lines, &err) == 0);
	fake_expire(l);
	CHECK(!atomic_load(&s.done)); /* all that beside it */
	pthread_join(thread, NULL);
	CHECK(users(l, "v") == 2);
}

static void slow_mount_holds_up_no_question(void **state)
{
	(void)state;
	assert_int_equal(live(others_beside_a_slow_mount, NULL,
			      "vol.mount.mounted:sleep=4000:nth=2"),
			 0);
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
		TEST(requests_do_what_they_say),
		TEST(damaged_volume_is_there_all_the_same),
		TEST(create_never_wipes_nor_changes),
		TEST(mounts_survive_restarts),
		TEST(mounts_end_with_the_run_directory),
		TEST(lost_mount_is_made_again_at_start),
		TEST(lost_volume_is_a_problem_not_a_crash),
		TEST(failed_remove_keeps_the_volume),
		TEST(unmount_that_fails_is_made_up_at_remove),
		TEST(records_we_cannot_use_are_kept_and_told),
		TEST(races_end_in_one_order_or_the_other),
		TEST(slow_mount_holds_up_no_question),
	};

	fake_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
