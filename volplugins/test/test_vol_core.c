/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The volume core with a driver whose kernel is a directory: every request,
 * its refusals, and a death or an error at every fail point.
 *
 * A life of the daemon is a child process; what it leaves on disk is all the
 * next one knows.
 */
#include "lib/test/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/journal.h"
#include "lib/tree.h"
#include "volplugins/vol_core.h"

/* ---- a driver ---------------------------------------------------------- */

/* "vol-NAME": it exists; "mnt-NAME": it is mounted. */
struct fake_volume {
	struct vol_volume base;
	struct {
		uint32_t flavour;
		char label[16];
	} opts;
};

static int fake_dir = -EBADF;

static bool there(const char *kind, const char *name)
{
	char file[300];

	snprintf(file, sizeof(file), "%s-%s", kind, name);
	return faccessat(fake_dir, file, F_OK, 0) == 0;
}

static int set(const char *kind, const char *name, bool on)
{
	char file[300];
	int fd;

	snprintf(file, sizeof(file), "%s-%s", kind, name);
	if (!on)
		return unlinkat(fake_dir, file, 0) < 0 && errno != ENOENT
			       ? -errno
			       : 0;
	fd = openat(fake_dir, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int fake_create(struct vol_volume *v, struct err *err)
{
	(void)err;
	return set("vol", v->name, true);
}

static int fake_unmake(struct vol_volume *v, struct err *err)
{
	if (there("data", v->name))
		return err_set(err, -ENOTEMPTY, "it holds data");
	return set("vol", v->name, false);
}

static int fake_remove(struct vol_volume *v, struct err *err)
{
	if (there("stuck", v->name))
		return err_set(err, -EPERM, "it is stuck");
	if (there("mnt", v->name))
		return err_set(err, -EBUSY, "it is mounted");
	set("data", v->name, false);
	return set("vol", v->name, false);
}

static int fake_mount(struct vol_volume *v, struct err *err)
{
	if (!there("vol", v->name))
		return err_set(err, -ENOENT, "it is gone");
	return set("mnt", v->name, true);
}

static int fake_unmount(struct vol_volume *v, struct err *err)
{
	if (there("busy", v->name))
		return err_set(err, -EBUSY, "somebody is in it");
	return set("mnt", v->name, false);
}

static int fake_path(const struct vol_volume *v, char *buf, size_t size,
		     struct err *err)
{
	(void)err;
	snprintf(buf, size, "/fake/%s", v->name);
	return 0;
}

static int fake_verify(struct vol_volume *v, struct err *err)
{
	return there("vol", v->name) ? 0 : err_set(err, -ENOENT, "it is gone");
}

static int fake_init(struct vol_volume *v, struct err *err)
{
	struct fake_volume *f = container_of(v, struct fake_volume, base);

	if (f->opts.flavour == 13)
		return err_set(err, -EINVAL, "flavour 13 is bad luck");
	return 0;
}

static const struct opt_field fake_options[] = {
	{ .key = "flavour",
	  .type = OPT_U32,
	  .offset = offsetof(struct fake_volume, opts.flavour) -
		    offsetof(struct fake_volume, opts),
	  .size = sizeof(uint32_t) },
	{ .key = "label",
	  .type = OPT_STR,
	  .offset = offsetof(struct fake_volume, opts.label) -
		    offsetof(struct fake_volume, opts),
	  .size = 16 },
	{ 0 },
};

static const struct vol_driver fake_driver = {
	.name = "fake",
	.volume_size = sizeof(struct fake_volume),
	.options_offset = offsetof(struct fake_volume, opts),
	.options_size = sizeof(((struct fake_volume *)0)->opts),
	.options = fake_options,
	.init = fake_init,
	.create = fake_create,
	.unmake = fake_unmake,
	.remove = fake_remove,
	.mount = fake_mount,
	.unmount = fake_unmount,
	.path = fake_path,
	.verify = fake_verify,
};

/* ---- a life ------------------------------------------------------------ */

struct life {
	struct plugd d;
	struct vol_core *core;
};

static char dir[64];
static _Atomic int64_t *clock_skew_s; /* shared with the children */

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = __real_clock_gettime(id, ts);

	if (id == CLOCK_BOOTTIME && clock_skew_s)
		ts->tv_sec += *clock_skew_s;
	return r;
}

/* In a child assertions are told and end it. */
#define CHECK(cond)                                                          \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "# %s:%d: %s\n", __FILE__, __LINE__, \
				#cond);                                      \
			_exit(1);                                            \
		}                                                            \
	} while (0)

#define OK(call)                                                          \
	do {                                                              \
		struct err err = { 0 };                                   \
		int r_ = (call);                                          \
                                                                          \
		if (r_ != 0) {                                            \
			fprintf(stderr, "# %s:%d: %s: %d %s\n", __FILE__, \
				__LINE__, #call, r_, err.msg);            \
			_exit(1);                                         \
		}                                                         \
	} while (0)

static void life_open(struct life *l)
{
	char sub[96];

	snprintf(sub, sizeof(sub), "%s/state", dir);
	OK(store_open(sub, STORE_STATE, &l->d.state, &err));
	snprintf(sub, sizeof(sub), "%s/run", dir);
	OK(store_open(sub, STORE_RUN, &l->d.run, &err));
	OK(vol_core_open(&fake_driver, &l->d, 60, &l->core, &err));
}

static void life_close(struct life *l)
{
	vol_core_close(l->core);
	store_close(l->d.run);
	store_close(l->d.state);
}

/* Run @fn in a life of its own, with the fault @fp.  Return: wait status. */
static int live(void (*fn)(struct life *l, void *arg), void *arg,
		const char *fp)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		struct life l = { 0 };

		setenv("BERTH_FP", fp ? fp : "", 1);
		life_open(&l);
		fn(&l, arg);
		life_close(&l);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/berth-test-vol-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	fake_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*clock_skew_s = 0;
	return fake_dir < 0;
}

static int teardown(void **state)
{
	int r = tree_empty(fake_dir, NULL, NULL, NULL);

	(void)state;
	close(fake_dir);
	return r | rmdir(dir);
}

/* ---- requests ---------------------------------------------------------- */

/* The answer reached the peer. */
static int delivered(struct life *l, uint64_t seq, int r)
{
	if (r == 0 && seq)
		vol_core_delivered(l->core, seq);
	return r;
}

static int create(struct life *l, const char *name, const char *opts)
{
	_cleanup_(json_putp) json_object *map = NULL;
	struct err said = { 0 };
	uint64_t seq = 0;
	int r;

	if (opts)
		OK(jdec_parse(opts, strlen(opts), &map, &err));
	r = vol_create(l->core, name, map, &seq, &said);
	CHECK((r < 0) || !said.msg[0]);
	return delivered(l, seq, r);
}

static int mount_id(struct life *l, const char *name, const char *id)
{
	char path[VOL_PATH_MAX] = "";
	uint64_t seq = 0;
	int r = vol_mount(l->core, name, id, path, &seq, NULL);

	if (r == 0) {
		CHECK(strncmp(path, "/fake/", 6) == 0);
		CHECK(strcmp(path + 6, name) == 0);
		CHECK(there("mnt", name));
	}
	return delivered(l, seq, r);
}

static int unmount_id(struct life *l, const char *name, const char *id)
{
	uint64_t seq = 0;
	int r = vol_unmount(l->core, name, id, &seq, NULL);

	return delivered(l, seq, r);
}

static int remove_it(struct life *l, const char *name)
{
	uint64_t seq = 0;
	int r = vol_remove(l->core, name, &seq, NULL);

	return delivered(l, seq, r);
}

static int note_users(void *ctx, const struct vol_info *v)
{
	*(int *)ctx = (int)v->users;
	return 0;
}

/* -1: no such volume. */
static int users(struct life *l, const char *name)
{
	int n = -1;

	(void)vol_get(l->core, name, true, note_users, &n, NULL);
	return n;
}

static int count_one(void *ctx, const struct vol_info *v)
{
	CHECK(v->path[0] == '/');
	++*(int *)ctx;
	return 0;
}

static void complain(void *ctx, const char *line)
{
	fprintf(stderr, "# %s\n", line);
	++*(int *)ctx;
}

static int problems(struct life *l)
{
	int n = 0;

	OK(vol_check(l->core, complain, &n, &err));
	return n;
}

/* ---- without faults ---------------------------------------------------- */

static void whole_life(struct life *l, void *arg)
{
	int n = 0;

	(void)arg;
	CHECK(users(l, "v") == -1);
	CHECK(mount_id(l, "v", "a") == -ENOENT);
	CHECK(create(l, "v", NULL) == 0);
	CHECK(users(l, "v") == 0);
	CHECK(!there("mnt", "v"));
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(mount_id(l, "v", "b") == 0);
	CHECK(mount_id(l, "v", "a") == 0); /* a set, not a counter */
	CHECK(users(l, "v") == 2);
	CHECK(remove_it(l, "v") == -EBUSY);
	CHECK(unmount_id(l, "v", "none") == 0);
	CHECK(unmount_id(l, "nothing", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(there("mnt", "v"));
	CHECK(unmount_id(l, "v", "b") == 0);
	CHECK(!there("mnt", "v"));
	OK(vol_each(l->core, count_one, &n, &err));
	CHECK(n == 1);
	CHECK(remove_it(l, "v") == 0);
	CHECK(remove_it(l, "v") == 0);
	CHECK(!there("vol", "v"));
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
	CHECK(set("data", "v", true) == 0);
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "v", "{\"flavour\":\"03\"}") == 0);
	CHECK(create(l, "v", "{\"flavour\":\"4\"}") == -EEXIST);
	CHECK(create(l, "v", NULL) == -EEXIST);
	CHECK(create(l, "v", "{\"flavour\":\"3\",\"label\":\"x\"}") == -EEXIST);
	CHECK(create(l, "w", "{\"flavor\":\"3\"}") == -EINVAL);
	CHECK(create(l, "w", "{\"flavour\":\"13\"}") == -EINVAL);
	CHECK(users(l, "w") == -1);
	CHECK(!there("vol", "w"));
	CHECK(there("data", "v"));
}

static void create_again(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "v", "{\"flavour\":\"4\"}") == -EEXIST);
	CHECK(there("data", "v"));
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

	CHECK(there("mnt", "v"));
	CHECK(unmount_id(l, "v", arg) == 0);
	CHECK(users(l, "v") == before - 1);
	CHECK(there("mnt", "v") == (before > 1));
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
	run = openat(fake_dir, "run", O_RDONLY | O_DIRECTORY);
	assert_int_equal(tree_empty(run, NULL, NULL, NULL), 0);
	close(run);
	set("mnt", "v", false);
	assert_int_equal(live(after_reboot, NULL, NULL), 0);
}

static void remount_seen(struct life *l, void *arg)
{
	(void)arg;
	CHECK(there("mnt", "v"));
	CHECK(users(l, "v") == 3);
	CHECK(problems(l) == 0);
}

static void lost_mount_is_made_again_at_start(void **state)
{
	(void)state;
	assert_int_equal(live(mount_three, NULL, NULL), 0);
	set("mnt", "v", false);
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
	set("vol", "v", false);
	set("mnt", "v", false);
	assert_int_equal(live(lost_volume_is_told, NULL, NULL), 0);
}

static void stuck_remove(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(set("stuck", "v", true) == 0);
	CHECK(remove_it(l, "v") == -EPERM);
	CHECK(users(l, "v") == 0);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(set("stuck", "v", false) == 0);
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
	CHECK(set("busy", "v", true) == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(users(l, "v") == 0);
	CHECK(remove_it(l, "v") == -EBUSY);
	CHECK(set("busy", "v", false) == 0);
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

/* ---- a fault at every point -------------------------------------------- */

static const struct step {
	const char *method, *id;
	int users_after;
} steps[] = {
	{ "VolumeDriver.Create", NULL, 0 }, { "VolumeDriver.Mount", "a", 1 },
	{ "VolumeDriver.Mount", "b", 2 },   { "VolumeDriver.Unmount", "a", 1 },
	{ "VolumeDriver.Unmount", "b", 0 }, { "VolumeDriver.Remove", NULL, -1 },
};

#define STEPS ((int)ARRAY_SIZE(steps))

static int step_do(struct life *l, const struct step *s)
{
	if (strcmp(s->method, "VolumeDriver.Create") == 0)
		return create(l, "v", "{\"flavour\":\"3\"}");
	if (strcmp(s->method, "VolumeDriver.Mount") == 0)
		return mount_id(l, "v", s->id);
	if (strcmp(s->method, "VolumeDriver.Unmount") == 0)
		return unmount_id(l, "v", s->id);
	return remove_it(l, "v");
}

static void step_seen(struct life *l, const struct step *s)
{
	CHECK(users(l, "v") == s->users_after);
	CHECK(there("vol", "v") == (s->users_after >= 0));
	CHECK(there("mnt", "v") == (s->users_after > 0));
}

/* How far the scenario came; in shared memory, for the parent. */
struct progress {
	int next;     /* step to be done */
	bool retry;   /* it was begun in an earlier life */
	bool refused; /* its retry without a body was */
};

static void go_on(struct life *l, void *arg)
{
	struct progress *p = arg;

	for (; p->next < STEPS; p->next++) {
		const struct step *s = &steps[p->next];
		_cleanup_free_ char *answer = NULL;
		int r = -EBADMSG;

		if (p->retry) {
			p->retry = false;
			r = vol_replay(l->core, s->method, &answer, NULL);
			CHECK(r == 0 || r == -EBADMSG);
			p->refused = r < 0;
			if (r == 0 && strstr(s->method, ".Mount"))
				CHECK(strcmp(answer, "{ \"Mountpoint\": "
						     "\"\\/fake\\/v\" }") == 0);
			else if (r == 0)
				CHECK(strcmp(answer, "{}") == 0);
		}
		p->retry = true;
		if (r < 0)
			CHECK(step_do(l, s) == 0);
		p->retry = false;
		step_seen(l, s);
	}
	CHECK(problems(l) == 0);
}

static struct progress *progress;

/* The scenario with each of @fps (ended by NULL) in one life after the other,
 * then to its end.  Return: lives that ended by a fault. */
static int play(const char *const *fps)
{
	int deaths = 0, status;

	*progress = (struct progress){ 0 };
	for (; *fps; fps++) {
		status = live(go_on, progress, *fps);

		if (!was_killed(status)) {
			if (status)
				print_message("# %s\n", *fps);
			assert_int_equal(status, 0);
			break;
		}
		deaths++;
	}
	status = live(go_on, progress, NULL);
	if (status)
		print_message("# after %s\n", *(fps - (deaths > 0)));
	assert_int_equal(status, 0);
	assert_int_equal(progress->next, STEPS);
	return deaths;
}

/* The names of all fail points, NUL-separated, ended by an empty one. */
static char *points;

static void points_load(void)
{
	size_t size = 0;
	FILE *f = open_memstream(&points, &size);

	fail_list(f);
	fclose(f);
	for (char *p = points; *p; p++)
		if (*p == '\n')
			*p = '\0';
}

static const char *point_next(const char *p)
{
	return p + strlen(p) + 1;
}

/* Points that a request passes before there is anything on disk: a retry
 * without a body can only be refused. */
static bool before_intent(const char *point)
{
	return strcmp(point, "vol.request") == 0 ||
	       strcmp(point, "journal.begin") == 0;
}

static void killed_at_each_point_and_pass(void **state)
{
	int hit = 0;

	(void)state;
	for (const char *p = points; *p; p = point_next(p)) {
		int deaths = 1;

		for (int nth = 1; deaths && nth < 20; nth++) {
			char fp[128];

			snprintf(fp, sizeof(fp), "%s:kill:nth=%d", p, nth);
			deaths = play((const char *const[]){ fp, NULL });
			hit += deaths;
			if (deaths && !strncmp(p, "vol.", 4) &&
			    progress->refused != before_intent(p)) {
				print_message("# %s\n", fp);
				fail();
			}
			progress->refused = false;
		}
	}
	assert_true(hit > 30);
}

static void killed_again_in_recovery_three_deep(void **state)
{
	int deepest = 0;

	(void)state;
	for (const char *p = points; *p; p = point_next(p)) {
		if (strncmp(p, "vol.", 4) != 0)
			continue;
		for (const char *q = points; *q; q = point_next(q)) {
			char first[128], then[128];
			int deaths;

			if (strncmp(q, "vol.", 4) != 0)
				continue;
			snprintf(first, sizeof(first), "%s:kill:nth=1", p);
			snprintf(then, sizeof(then), "%s:kill:nth=1", q);
			deaths = play((const char *const[]){ first, then, then,
							     then, NULL });
			deepest = deaths > deepest ? deaths : deepest;
		}
	}
	assert_int_equal(deepest, 4);
}

static void fail_once(struct life *l, void *arg)
{
	bool failed = false;

	(void)arg;
	for (int i = 0; i < STEPS; i++) {
		int r = step_do(l, &steps[i]);

		CHECK(r == 0 || (r == -ENOSPC && !failed));
		failed |= r < 0;
		if (r < 0)
			CHECK(step_do(l, &steps[i]) == 0);
		step_seen(l, &steps[i]);
	}
	CHECK(problems(l) == 0);
}

static void error_at_each_point_changes_nothing(void **state)
{
	(void)state;
	for (const char *p = points; *p; p = point_next(p))
		for (int nth = 1; nth < 12; nth++) {
			char fp[128];
			int status;

			/* these are passed by the start, too */
			if (!strncmp(p, "store.", 6) || strstr(p, "journal."))
				continue;
			snprintf(fp, sizeof(fp), "%s:err=ENOSPC:nth=%d", p,
				 nth);
			status = live(fail_once, NULL, fp);
			if (status)
				print_message("# %s\n", fp);
			assert_int_equal(status, 0);
		}
}

/* ---- what nobody asks for again ----------------------------------------- */

static void create_only(struct life *l, void *arg)
{
	create(l, "v", arg);
}

static void mount_only(struct life *l, void *arg)
{
	(void)arg;
	mount_id(l, "v", "a");
}

/* Let the time of kept answers pass. */
static void expire(struct life *l)
{
	*clock_skew_s += JOURNAL_KEEP_MS / 1000 + 1;
	for (int i = 0; i < 10; i++)
		vol_core_tick(l->core);
}

static void forgotten_create_goes(struct life *l, void *arg)
{
	(void)arg;
	CHECK(there("vol", "v"));
	expire(l);
	CHECK(!there("vol", "v"));
	CHECK(users(l, "v") == -1);
}

static void seen_create_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == 0);
	expire(l);
	CHECK(there("vol", "v"));
	CHECK(users(l, "v") == 0);
}

static void filled_create_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(set("data", "v", true) == 0);
	expire(l);
	CHECK(users(l, "v") == 0);
}

static void forgotten_mount_goes(struct life *l, void *arg)
{
	(void)arg;
	CHECK(there("mnt", "v"));
	expire(l);
	CHECK(!there("mnt", "v"));
	CHECK(users(l, "v") == 0);
}

static void repeated_mount_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(mount_id(l, "v", "a") == 0);
	expire(l);
	CHECK(there("mnt", "v"));
	CHECK(users(l, "v") == 1);
}

static void nothing(struct life *l, void *arg)
{
	(void)l;
	(void)arg;
}

/* A Create that was answered before the daemon died is nobody's to undo. */
static void answered_create_stays(struct life *l, void *arg)
{
	(void)arg;
	expire(l);
	CHECK(there("vol", "v"));
	CHECK(users(l, "v") == 0);
}

struct ending {
	const char *name;
	void (*begin)(struct life *l, void *arg);
	const char *fp;
	void (*then)(struct life *l, void *arg);
	bool prepared; /* the volume was there before */
};

static const struct ending endings[] = {
	{ "create rolled forward, nobody came: taken back", create_only,
	  "vol.create.intent:kill", forgotten_create_goes, false },
	{ "create rolled forward, then seen: it stays", create_only,
	  "vol.create.made:kill", seen_create_stays, false },
	{ "create rolled forward, then filled: it stays", create_only,
	  "vol.create.made:kill", filled_create_stays, false },
	{ "create committed before the death: it stays", create_only,
	  "vol.create.done:kill", answered_create_stays, false },
	{ "mount rolled forward, nobody came: taken back", mount_only,
	  "vol.mount.intent:kill", forgotten_mount_goes, true },
	{ "mount rolled forward, then asked again: it stays", mount_only,
	  "vol.mount.mounted:kill", repeated_mount_stays, true },
};

static void ending_row(void **state)
{
	const struct ending *e = *state;

	assert_int_equal(setup(NULL), 0);
	if (e->prepared)
		assert_int_equal(live(create_only, NULL, NULL), 0);
	assert_true(was_killed(live(e->begin, NULL, e->fp)));
	assert_int_equal(live(e->then, NULL, NULL), 0);
	assert_int_equal(live(nothing, NULL, NULL), 0);
	assert_int_equal(teardown(NULL), 0);
}

/* Two Creates at once, and the death of the daemon in both. */
static void *create_thread(void *arg)
{
	uint64_t seq;

	vol_create(((struct life *)arg)->core, "w", NULL, &seq, NULL);
	return NULL;
}

static void create_two(struct life *l, void *arg)
{
	pthread_t t;
	uint64_t seq;

	(void)arg;
	pthread_create(&t, NULL, create_thread, l);
	vol_create(l->core, "v", NULL, &seq, NULL);
	pthread_join(t, NULL);
}

static void two_retries(struct life *l, void *arg)
{
	char *answer = NULL;

	(void)arg;
	CHECK(there("vol", "v") && there("vol", "w"));
	CHECK(vol_replay(l->core, "VolumeDriver.Create", &answer, NULL) ==
	      -ENOTUNIQ);
	CHECK(!there("vol", "v") && !there("vol", "w"));
	CHECK(vol_replay(l->core, "VolumeDriver.Create", &answer, NULL) ==
	      -EBADMSG);
	CHECK(users(l, "v") == -1 && users(l, "w") == -1);
	CHECK(vol_replay(l->core, "VolumeDriver.Get", &answer, NULL) ==
	      -EBADMSG);
}

static void several_unanswered_are_undone_not_guessed(void **state)
{
	(void)state;
	assert_true(was_killed(live(create_two, NULL,
				    "vol.create.made:sleep=200:nth=1,"
				    "vol.create.made:kill:nth=2")));
	assert_int_equal(live(two_retries, NULL, NULL), 0);
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
	for (char c = 'p'; c < 's'; c++)
		CHECK(vol_unmount(l->core, (char[]){ c, 0 }, id, &seq, &err) ==
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
	for (char c = 'p'; c < 's'; c++) {
		char name[2] = { c, 0 };

		CHECK(!there("mnt", name));
		CHECK(remove_it(l, name) == 0);
		CHECK(!there("vol", name));
	}
}

static void races_end_in_one_order_or_the_other(void **state)
{
	(void)state;
	assert_int_equal(live(eight_workers, NULL, NULL), 0);
}

#define TEST(fn)                                                     \
	(struct CMUnitTest)                                          \
	{                                                            \
		.name = #fn, .test_func = (fn), .setup_func = setup, \
		.teardown_func = teardown                            \
	}

static void *shared(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

int main(void)
{
	struct CMUnitTest tests[14 + ARRAY_SIZE(endings)] = {
		TEST(requests_do_what_they_say),
		TEST(create_never_wipes_nor_changes),
		TEST(mounts_survive_restarts),
		TEST(mounts_end_with_the_run_directory),
		TEST(lost_mount_is_made_again_at_start),
		TEST(lost_volume_is_a_problem_not_a_crash),
		TEST(failed_remove_keeps_the_volume),
		TEST(unmount_that_fails_is_made_up_at_remove),
		TEST(records_we_cannot_use_are_kept_and_told),
		TEST(several_unanswered_are_undone_not_guessed),
		TEST(races_end_in_one_order_or_the_other),
		TEST(error_at_each_point_changes_nothing),
		TEST(killed_at_each_point_and_pass),
		TEST(killed_again_in_recovery_three_deep),
	};

	clock_skew_s = shared(sizeof(*clock_skew_s));
	progress = shared(sizeof(*progress));
	points_load();
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		tests[14 + i] = (struct CMUnitTest){
			.name = endings[i].name,
			.test_func = ending_row,
			.initial_state = (void *)(uintptr_t)&endings[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
