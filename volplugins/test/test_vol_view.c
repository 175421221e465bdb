/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views: what is shown to another process goes with it, and with the daemon. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "volplugins/test/fake.h"
#include "volplugins/vol_priv.h"

/* A process that reads, until it is killed. */
static pid_t reader_new(int *ret_fd)
{
	int ready[2];
	char byte;
	pid_t pid;

	CHECK(pipe2(ready, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		close_range(3, ~0u, 0); /* the locks of the stores */
		pause();
		_exit(0);
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 0); /* it has closed them */
	close(ready[0]);
	*ret_fd = pidfd_open(pid, 0);
	CHECK(*ret_fd >= 0);
	return pid;
}

static void reader_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int open_view(struct life *l, const char *snap, bool live_too,
		     pid_t *reader, struct vol_view_info *info)
{
	int fd;
	struct err err = { 0 };
	int r;

	*reader = reader_new(&fd);
	r = vol_view_open(l->core, "v", snap, live_too, fd, *reader, info,
			  &err);
	CHECK((r < 0) == (err.msg[0] != '\0'));
	if (r < 0)
		reader_end(*reader);
	return r;
}

static int close_view(struct life *l, const char *id, bool keep, bool *shared)
{
	uint64_t seq = 0;
	int r = vol_view_close(l->core, id, keep, shared, &seq, NULL);

	vol_core_delivered(l->core, seq);
	return r;
}

static int count_kept(struct life *l)
{
	struct err err = { 0 };
	uint64_t seq = 0;

	return vol_snapshot_del(l->core, "v", "s", &seq, &err);
}

/* Are there snapshots of the core's own? */
static bool own_left(void)
{
	return system("ls -A $D | grep -q '^snap-v@[.]backup-'") == 0;
}

static void reads(struct life *l, void *arg)
{
	struct vol_view_info info;
	bool shared;
	pid_t pid;
	uint64_t seq = 0;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(open_view(l, "none", false, &pid, &info) == -ENOENT);
	CHECK(mount_id(l, "v", "x") == 0); /* in use is fine */
	CHECK(open_view(l, "", false, &pid, &info) == 0);
	CHECK(!info.live && own_left());
	CHECK(faccessat(AT_FDCWD, info.path, F_OK, 0) == 0);
	CHECK(unmount_id(l, "v", "x") == 0);
	CHECK(remove_it(l, "v") == -EBUSY);
	CHECK(close_view(l, info.id, false, &shared) == 0);
	CHECK(!own_left());
	CHECK(close_view(l, info.id, false, &shared) == -ENOENT);
	reader_end(pid);
	/* somebody's snapshot is held, too, and stays */
	CHECK(vol_snapshot_add(l->core, "v", "s", &seq, NULL) == 0);
	vol_core_delivered(l->core, seq);
	CHECK(open_view(l, "s", false, &pid, &info) == 0);
	CHECK(count_kept(l) == -EBUSY);
	reader_end(pid);
	vol_core_tick(l->core); /* it has ended: so has the view */
	CHECK(fake_there("snap", "v@s"));
	CHECK(count_kept(l) == 0);
	CHECK(open_view(l, "", false, &pid, &info) == 0);
	reader_end(pid);
	CHECK(own_left());
	vol_core_tick(l->core);
	CHECK(!own_left());
	CHECK(remove_it(l, "v") == 0);
}

struct holder {
	struct vol_core *core;
	int ready;
};

/* Another request, which takes longer than the tick waits. */
static void *take_and_hold(void *arg)
{
	const struct holder *h = arg;
	struct vol_entry *e = vol_entry_take(h->core, "v");

	if (write(h->ready, "x", 1) == 1)
		test_pause_ms(500);
	vol_entry_give(e);
	return NULL;
}

static void closes_behind_another(struct life *l, void *arg)
{
	struct holder h = { .core = l->core };
	struct vol_view_info info;
	pthread_t thread;
	int pipes[2];
	bool shared;
	char byte;
	pid_t pid;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(open_view(l, "", false, &pid, &info) == 0);
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	h.ready = pipes[1];
	CHECK(pthread_create(&thread, NULL, take_and_hold, &h) == 0);
	CHECK(read(pipes[0], &byte, 1) == 1);
	CHECK(close_view(l, info.id, false, &shared) == 0);
	CHECK(!own_left());
	CHECK(pthread_join(thread, NULL) == 0);
	close(pipes[0]);
	close(pipes[1]);
	reader_end(pid);
	CHECK(remove_it(l, "v") == 0);
}

static void a_view_that_is_closed_waits_for_its_volume(void **state)
{
	(void)state;
	assert_int_equal(live(closes_behind_another, NULL, NULL), 0);
}

static void snapshot_goes_with_the_reader(void **state)
{
	(void)state;
	assert_int_equal(live(reads, NULL, NULL), 0);
}

static void reads_live(struct life *l, void *arg)
{
	struct vol_view_info info;
	bool shared = true;
	pid_t pid;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(fake_set("unable", "v", true) == 0);
	CHECK(mount_id(l, "v", "x") == 0);
	CHECK(open_view(l, "", false, &pid, &info) == -EBUSY);
	CHECK(users(l, "v") == 1);
	CHECK(unmount_id(l, "v", "x") == 0);
	/* the fake's path is none: to open it fails, and nothing is left */
	CHECK(open_view(l, "", false, &pid, &info) == -ENOENT);
	CHECK(users(l, "v") == 0);
	CHECK(!fake_there("mnt", "v"));
	(void)shared;
}

/* No room for a snapshot: who uses it is told that, unless it is to be read all the
 * same; whom nobody uses is read itself.  The fake's path is none. */
static void reads_without_room(struct life *l, void *arg)
{
	struct vol_view_info info;
	pid_t pid;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(fake_set("full", "v", true) == 0);
	CHECK(mount_id(l, "v", "x") == 0);
	CHECK(open_view(l, "", false, &pid, &info) == -ENOSPC);
	CHECK(open_view(l, "", true, &pid, &info) == -ENOENT);
	CHECK(open_view(l, "s", true, &pid, &info) == -ENOENT);
	CHECK(users(l, "v") == 1);
	CHECK(unmount_id(l, "v", "x") == 0);
	CHECK(open_view(l, "", false, &pid, &info) == -ENOENT);
	CHECK(users(l, "v") == 0);
	CHECK(!fake_there("mnt", "v") && !own_left());
}

static void nothing_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(problems(l) == 0);
}

static void live_is_refused_while_in_use(void **state)
{
	(void)state;
	assert_int_equal(live(reads_live, NULL, NULL), 0);
	assert_int_equal(live(nothing_stays, NULL, NULL), 0);
}

static void volume_is_read_where_there_is_no_room(void **state)
{
	(void)state;
	assert_int_equal(live(reads_without_room, NULL, NULL), 0);
	assert_int_equal(live(nothing_stays, NULL, NULL), 0);
}

/* ---- killed in between ----------------------------------------------------------- */

static void leaves(struct life *l, void *arg)
{
	struct vol_view_info info;
	pid_t *pid = arg;

	CHECK(create(l, "v", NULL) == 0);
	CHECK(open_view(l, "", false, pid, &info) == 0);
	raise(SIGKILL);
}

static void finds_none(struct life *l, void *arg)
{
	(void)arg;
	CHECK(!own_left());
	CHECK(problems(l) == 0);
	CHECK(users(l, "v") == 0);
}

static void next_life_takes_it_away(void **state)
{
	pid_t *pid = fake_shared(sizeof(*pid));
	static const char *const points[] = { NULL, "vol.view.intent:kill",
					      "vol.view.made:kill" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		assert_int_equal(fake_setup(NULL), 0);
		setenv("D", fake_path_of_dir(), 1);
		assert_true(was_killed(live(leaves, pid, points[i])));
		if (*pid > 0)
			kill(*pid, SIGKILL);
		*pid = 0;
		assert_int_equal(live(finds_none, NULL, NULL), 0);
		assert_int_equal(fake_teardown(NULL), 0);
	}
}

/* ---- filling ---------------------------------------------------------------------- */

static int stage(struct life *l, pid_t *reader, struct vol_view_info *info)
{
	int fd, r;

	*reader = reader_new(&fd);
	r = vol_view_stage(l->core, "v", NULL, fd, *reader, info, NULL);
	if (r < 0)
		reader_end(*reader);
	return r;
}

static void fills(struct life *l, void *arg)
{
	struct vol_view_info info, other;
	bool shared;
	pid_t pid, two;

	(void)arg;
	CHECK(stage(l, &pid, &info) == 0);
	CHECK(fake_there("staged", "v"));
	/* the name is taken, and there is no volume */
	CHECK(users(l, "v") == -1);
	CHECK(create(l, "v", NULL) == -EBUSY);
	CHECK(stage(l, &two, &other) == -EBUSY);
	CHECK(remove_it(l, "v") == 0);
	CHECK(fake_there("staged", "v"));
	CHECK(close_view(l, info.id, false, &shared) == 0);
	CHECK(!fake_there("staged", "v"));
	reader_end(pid);
	/* who fills it dies */
	CHECK(stage(l, &pid, &info) == 0);
	reader_end(pid);
	vol_core_tick(l->core);
	CHECK(!fake_there("staged", "v"));
	CHECK(close_view(l, info.id, true, &shared) == -ENOENT);
	CHECK(stage(l, &pid, &info) == 0);
	CHECK(close_view(l, info.id, true, &shared) == 0);
	reader_end(pid);
	CHECK(users(l, "v") == 0);
	CHECK(fake_there("vol", "v"));
	CHECK(stage(l, &pid, &info) == -EEXIST);
	CHECK(create(l, "v", NULL) == 0);
}

static void filled_whole_or_not_at_all(void **state)
{
	(void)state;
	assert_int_equal(live(fills, NULL, NULL), 0);
}

struct row {
	const char *name;
	bool there; /* in the next life */
};

static const struct row rows[] = {
	{ "vol.restore.staged:err=EIO", false },
	{ "vol.restore.intent:kill", false },
	{ "vol.restore.intent:err=EIO", false },
	{ "vol.restore.settled:kill", true },
	{ "vol.restore.settled:err=EIO", false },
	{ "vol.create.recorded:err=EIO", false },
	{ "vol.create.recorded:kill", true },
	{ "vol.restore.done:kill", true },
};

static void fill_one(struct life *l, void *arg)
{
	struct vol_view_info info;
	pid_t *pid = arg;
	bool shared;

	if (stage(l, pid, &info) < 0)
		return;
	(void)close_view(l, info.id, true, &shared);
	reader_end(*pid);
}

static void is_there(struct life *l, void *arg)
{
	const struct row *row = arg;

	CHECK((users(l, "v") == 0) == row->there);
	CHECK(fake_there("vol", "v") == row->there);
	CHECK(problems(l) == 0);
}

static void fault_row(void **state)
{
	struct row row = *(const struct row *)*state;
	pid_t *pid = fake_shared(sizeof(*pid));
	int status;

	assert_int_equal(fake_setup(NULL), 0);
	status = live(fill_one, pid, row.name);
	assert_true(strstr(row.name, ":kill") ? was_killed(status)
					      : status == 0);
	if (*pid > 0)
		kill(*pid, SIGKILL);
	/* as a driver does when it is opened */
	assert_int_equal(fake_set("staged", "v", false), 0);
	assert_int_equal(live(is_there, &row, NULL), 0);
	assert_int_equal(fake_teardown(NULL), 0);
}

static int setup(void **state)
{
	int r = fake_setup(state);

	setenv("D", fake_path_of_dir(), 1);
	return r;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, fake_teardown)

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 6] = {
		TEST(snapshot_goes_with_the_reader),
		TEST(a_view_that_is_closed_waits_for_its_volume),
		TEST(live_is_refused_while_in_use),
		TEST(volume_is_read_where_there_is_no_room),
		TEST(filled_whole_or_not_at_all),
		cmocka_unit_test(next_life_takes_it_away),
	};

	fake_init();
	TEST_ROWS(tests + 6, rows, fault_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
