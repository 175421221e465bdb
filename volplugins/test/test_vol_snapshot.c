/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots, copies and rollback in the core: whatever happens between, what is
 * there is what was answered. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base.h"
#include "volplugins/test/fake.h"

static int done(struct life *l, uint64_t seq, int r)
{
	if (r == 0)
		vol_core_delivered(l->core, seq);
	return r;
}

static int snapshot(struct life *l, const char *name, const char *snap)
{
	uint64_t seq = 0;

	return done(l, seq, vol_snapshot_add(l->core, name, snap, &seq, NULL));
}

static int unsnapshot(struct life *l, const char *name, const char *snap)
{
	uint64_t seq = 0;

	return done(l, seq, vol_snapshot_del(l->core, name, snap, &seq, NULL));
}

static int rollback(struct life *l, const char *name, const char *snap)
{
	uint64_t seq = 0;

	return done(l, seq, vol_rollback(l->core, name, snap, &seq, NULL));
}

static void count_snapshot(void *ctx, const struct vol_snapshot *s)
{
	CHECK(s->name[0] != '.');
	++*(int *)ctx;
}

static int snapshots(struct life *l, const char *name)
{
	int n = 0, r = vol_snapshots(l->core, name, count_snapshot, &n, NULL);

	return r < 0 ? r : n;
}

/* ---- what is asked for ------------------------------------------------------- */

static void asks(struct life *l, void *arg)
{
	struct err err = { 0 };
	uint64_t seq = 0;

	(void)arg;
	CHECK(snapshot(l, "v", "a") == -ENOENT);
	CHECK(create(l, "v", NULL) == 0);
	CHECK(snapshots(l, "v") == 0);
	CHECK(snapshot(l, "v", "a") == 0);
	CHECK(snapshot(l, "v", "a") == -EEXIST);
	CHECK(snapshot(l, "v", "b") == 0);
	CHECK(snapshots(l, "v") == 2);
	CHECK(unsnapshot(l, "v", "c") == -ENOENT);
	CHECK(rollback(l, "v", "c") == -ENOENT);
	CHECK(mount_id(l, "v", "x") == 0);
	CHECK(snapshot(l, "v", "used") == 0);
	CHECK(rollback(l, "v", "a") == -EBUSY);
	CHECK(unmount_id(l, "v", "x") == 0);
	CHECK(!fake_there("rolled", "v"));
	CHECK(rollback(l, "v", "a") == 0);
	CHECK(fake_there("rolled", "v"));
	/* one the core made does not count */
	CHECK(fake_set("snap", "v@.backup-1", true) == 0);
	CHECK(snapshots(l, "v") == 3);
	CHECK(vol_remove(l->core, "v", &seq, &err) == -ENOTEMPTY);
	CHECK(strstr(err.msg, "volume v has 3 snapshots (a, ...), which would "
			      "go with it"));
	CHECK(unsnapshot(l, "v", "a") == 0);
	CHECK(unsnapshot(l, "v", "b") == 0);
	CHECK(remove_it(l, "v") == -ENOTEMPTY);
	CHECK(unsnapshot(l, "v", "used") == 0);
	CHECK(remove_it(l, "v") == 0);
}

static void only_what_was_asked(void **state)
{
	(void)state;
	assert_int_equal(live(asks, NULL, NULL), 0);
}

static void asks_plain(struct life *l, void *arg)
{
	struct vol_view_info info;
	struct err err = { 0 };
	uint64_t seq = 0;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(vol_snapshot_add(l->core, "v", "a", &seq, &err) == -EOPNOTSUPP);
	CHECK(strcmp(err.msg, "volumes of plain have no snapshots") == 0);
	CHECK(unsnapshot(l, "v", "a") == -EOPNOTSUPP);
	CHECK(rollback(l, "v", "a") == -EOPNOTSUPP);
	CHECK(snapshots(l, "v") == 0);
	CHECK(create(l, "w", "{\"from\":\"v\"}") == -EOPNOTSUPP);
	CHECK(vol_view_stage(l->core, "w", NULL, -EBADF, 0, &info, NULL) ==
	      -EOPNOTSUPP);
	CHECK(remove_it(l, "v") == 0);
}

static void drivers_without_say_so(void **state)
{
	(void)state;
	fake_is_plain = true;
	assert_int_equal(live(asks_plain, NULL, NULL), 0);
	fake_is_plain = false;
}

/* ---- copies -------------------------------------------------------------------- */

static void copies(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "c", "{\"from\":\"v\"}") == -ENOENT);
	CHECK(create(l, "v", NULL) == 0);
	CHECK(create(l, "c", "{\"from\":\"v@s\"}") == -ENOENT);
	CHECK(users(l, "c") == -1);
	CHECK(snapshot(l, "v", "s") == 0);
	CHECK(create(l, "c", "{\"from\":\"v@s\",\"size\":\"5\"}") == 0);
	CHECK(fake_there("of", "c"));
	CHECK(create(l, "c", "{\"size\":\"5\",\"from\":\"v@s\"}") == 0);
	CHECK(create(l, "c", "{\"from\":\"v\",\"size\":\"5\"}") == -EEXIST);
	CHECK(create(l, "c", "{\"from\":\"v@s\"}") == -EEXIST);
	CHECK(create(l, "c", NULL) == -EEXIST);
	CHECK(create(l, "v", "{\"from\":\"c\"}") == -EEXIST);
	/* an empty text is no name */
	CHECK(create(l, "d", "{\"from\":\"\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"d\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"d@s\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"../v\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"v@\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"@s\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"v@.s\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\"v@s@s\"}") == -EINVAL);
	CHECK(create(l, "d", "{\"from\":\".v\"}") == -EINVAL);
	CHECK(unsnapshot(l, "v", "s") == 0);
	CHECK(remove_it(l, "v") == 0);
	CHECK(create(l, "c", "{\"size\":\"5\",\"from\":\"v@s\"}") == 0);
	CHECK(create(l, "d", "{\"from\":\"v\"}") == -ENOENT);
}

static void copies_later(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "c", "{\"size\":\"5\",\"from\":\"v@s\"}") == 0);
	CHECK(create(l, "c", "{\"size\":\"5\",\"from\":\"v@t\"}") == -EEXIST);
	CHECK(problems(l) == 0);
	CHECK(remove_it(l, "c") == 0);
}

static void copy_outlives_its_source(void **state)
{
	(void)state;
	assert_int_equal(live(copies, NULL, NULL), 0);
	assert_int_equal(live(copies_later, NULL, NULL), 0);
}

struct race {
	struct life *l;
	const char *name, *opts;
};

static void *create_often(void *arg)
{
	const struct race *race = arg;

	for (int i = 0; i < 300; i++)
		(void)create(race->l, race->name, race->opts);
	return NULL;
}

/* Two that want each other's volume: whoever is first, none waits for ever. */
static void crossed(struct life *l, void *arg)
{
	struct race a = { l, "a", "{\"from\":\"b\"}" };
	struct race b = { l, "b", "{\"from\":\"a\"}" };
	pthread_t one, two;

	(void)arg;
	CHECK(pthread_create(&one, NULL, create_often, &a) == 0);
	CHECK(pthread_create(&two, NULL, create_often, &b) == 0);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	CHECK(users(l, "a") == -1 && users(l, "b") == -1);
}

static void copies_of_each_other_do_not_hang(void **state)
{
	(void)state;
	assert_int_equal(live(crossed, NULL, NULL), 0);
}

/* ---- a fault at every point ------------------------------------------------------ */

static void prepare(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(snapshot(l, "v", "old") == 0);
}

static void add(struct life *l, void *arg)
{
	*(int *)arg = snapshot(l, "v", "new");
}

static void del(struct life *l, void *arg)
{
	*(int *)arg = unsnapshot(l, "v", "old");
}

static void roll(struct life *l, void *arg)
{
	*(int *)arg = rollback(l, "v", "old");
}

struct row {
	const char *name; /* the fault */
	void (*act)(struct life *l, void *arg);
	/* In the next life: snapshots, and what the same request gets. */
	int there, again;
	bool answered; /* or killed before */
};

static const struct row rows[] = {
	{ "vol.snapshot.intent:kill", add, 1, 0, false },
	{ "vol.snapshot.made:kill", add, 1, 0, false },
	/* recorded, so its repetition is told of success */
	{ "vol.snapshot.done:kill", add, 2, 0, false },
	{ "vol.snapshot.intent:err=EIO", add, 1, 0, true },
	{ "vol.snapshot.made:err=EIO", add, 1, 0, true },
	{ "vol.unsnapshot.intent:kill", del, 0, 0, false },
	{ "vol.unsnapshot.deleted:kill", del, 0, 0, false },
	{ "vol.unsnapshot.done:kill", del, 0, 0, false },
	{ "vol.unsnapshot.intent:err=EIO", del, 1, 0, true },
	{ "vol.unsnapshot.deleted:err=EIO", del, 0, -ENOENT, true },
	{ "vol.rollback.intent:kill", roll, 1, 0, false },
	{ "vol.rollback.rolled:kill", roll, 1, 0, false },
	{ "vol.rollback.done:kill", roll, 1, 0, false },
	{ "vol.rollback.intent:err=EIO", roll, 1, 0, true },
	{ "vol.rollback.rolled:err=EIO", roll, 1, 0, true },
};

static void look(struct life *l, void *arg)
{
	const struct row *row = arg;
	int r = -1;

	CHECK(snapshots(l, "v") == row->there);
	CHECK(problems(l) == 0);
	row->act(l, &r);
	CHECK(r == row->again);
	CHECK(snapshots(l, "v") == (row->act == add   ? 2
				    : row->act == del ? 0
						      : 1));
}

static void fault_row(void **state)
{
	struct row row = *(const struct row *)*state;
	int *answer = fake_shared(sizeof(*answer));
	int status;

	assert_int_equal(fake_setup(NULL), 0);
	assert_int_equal(live(prepare, NULL, NULL), 0);
	status = live(row.act, answer, row.name);
	assert_true(row.answered ? status == 0 : was_killed(status));
	assert_int_equal(live(look, &row, NULL), 0);
	assert_int_equal(fake_teardown(NULL), 0);
}

/* ---- a start that must not wait for copies --------------------------------------- */

static void copy_it(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "c", "{\"from\":\"v@old\"}") == 0);
}

static void is_taken_back(struct life *l, void *arg)
{
	int r = -1;

	(void)arg;
	CHECK(!fake_there("rolled", "v") && !fake_there("vol", "c"));
	CHECK(users(l, "v") == 0 && users(l, "c") == -1);
	CHECK(problems(l) == 0);
	/* for a request it may take as long as it takes */
	roll(l, &r);
	CHECK(r == 0 && fake_there("rolled", "v"));
	copy_it(l, NULL);
}

/* What the service manager is told meanwhile. */
static int count_extensions(int fd)
{
	char text[128];
	ssize_t len;
	int n = 0;

	while ((len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		text[len] = '\0';
		assert_string_equal(text, "EXTEND_TIMEOUT_USEC=90000000");
		n++;
	}
	return n;
}

static void start_waits_for_no_large_copy(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int *answer = fake_shared(sizeof(*answer));

	(void)state;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/notify",
		 fake_path_of_dir());
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setenv("NOTIFY_SOCKET", addr.sun_path, 1);
	assert_int_equal(live(prepare, NULL, NULL), 0);
	fake_set("slow", "v", true);
	fake_set("slow", "c", true);
	assert_int_equal(count_extensions(fd), 0);
	assert_true(was_killed(live(roll, answer, "vol.rollback.intent:kill")));
	assert_true(was_killed(live(copy_it, NULL, "vol.create.intent:kill")));
	assert_int_equal(count_extensions(fd), 1);
	assert_int_equal(live(is_taken_back, NULL, NULL), 0);
	assert_int_equal(count_extensions(fd), 1);
	unsetenv("NOTIFY_SOCKET");
	close(fd);
}

/* An intent must not outlive its request and hit what came after it. */
static void name_again(struct life *l, void *arg)
{
	(void)arg;
	CHECK(unsnapshot(l, "v", "old") == 0);
	CHECK(snapshot(l, "v", "old") == 0);
}

static void has_one(struct life *l, void *arg)
{
	(void)arg;
	CHECK(snapshots(l, "v") == 1);
}

static void deleted_and_made_again_stays(void **state)
{
	(void)state;
	assert_int_equal(live(prepare, NULL, NULL), 0);
	assert_int_equal(
		live(name_again, NULL, "vol.unsnapshot.deleted:err=EIO:nth=1"),
		0);
	assert_int_equal(live(has_one, NULL, NULL), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fake_setup, fake_teardown)

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 6] = {
		TEST(only_what_was_asked),
		TEST(drivers_without_say_so),
		TEST(copy_outlives_its_source),
		TEST(copies_of_each_other_do_not_hang),
		TEST(deleted_and_made_again_stays),
		TEST(start_waits_for_no_large_copy),
	};

	fake_init();
	TEST_ROWS(tests + 6, rows, fault_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
