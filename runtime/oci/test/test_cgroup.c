/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real cgroups of this host: made, filled, stopped, killed, removed. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/oci/cgroup_priv.h"

#define WAIT_MS 10000

static char name[64];

static struct cgroup *resolve(const char *path)
{
	struct cgroup *cg = NULL;
	struct err err = { 0 };

	if (geteuid() != 0) {
		print_message("SKIP: not root\n");
		skip();
	}
	if (cgroup_resolve(path, "x", &cg, &err) < 0)
		fail_msg("%s", err.msg);
	return cg;
}

#define OK(call)                                         \
	do {                                             \
		struct err err = { 0 };                  \
		if ((call) < 0)                          \
			fail_msg(#call ": %s", err.msg); \
	} while (0)

static struct cgroup *made(const char *json)
{
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res = NULL;
	_cleanup_(json_putp) json_object *o = json_tokener_parse(json);
	struct cgroup *cg = resolve(name);

	OK(cgroup_resources_decode(o, &res, &err));
	OK(cgroup_make(cg, &err));
	OK(cgroup_apply(cg, res, &err));
	return cg;
}

static void gone(struct cgroup *cg)
{
	struct cgroup_part part;

	OK(cgroup_kill(cg, SIGKILL, &err));
	while (waitpid(-1, NULL, 0) > 0)
		;
	OK(cgroup_remove(cg, WAIT_MS, &err));
	for (size_t i = 0; cgroup_part(cg, i, &part); i++)
		assert_int_equal(access(part.dir, F_OK), -1);
	OK(cgroup_remove(cg, 0, &err)); /* once more is nothing */
	cgroup_free(cg);
}

/* A process in @cg that runs @fn once it is in, and exits with what it says. */
static pid_t inside(struct cgroup *cg, int (*fn)(void))
{
	char byte = 0;
	int ready[2];
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ready[1]);
		if (read(ready[0], &byte, 1) != 1)
			_exit(99);
		_exit(fn());
	}
	close(ready[0]);
	OK(cgroup_join(cg, pid, &err));
	assert_int_equal(write(ready[1], &byte, 1), 1);
	close(ready[1]);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int sleeps(void)
{
	while (pause() < 0)
		;
	return 0;
}

static void lies_in_every_hierarchy(void **state)
{
	struct cgroup *cg = made("{}"), *again = NULL;
	_cleanup_(json_putp) json_object *saved = NULL;
	struct cgroup_part part;
	size_t n = 0, i;
	pid_t pid, *pids = NULL;

	(void)state;
	pid = inside(cg, sleeps);
	assert_int_equal(cgroup_save(cg, &saved), 0);
	OK(cgroup_load(saved, &again, &err));
	for (i = 0; cgroup_part(again, i, &part); i++) {
		char path[512], text[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "%s/cgroup.procs", part.dir);
		f = fopen(path, "re");
		assert_non_null(f);
		assert_non_null(fgets(text, sizeof(text), f));
		assert_int_equal(atoi(text), pid);
		fclose(f);
	}
	assert_true(i > 0);
	OK(cgroup_pids(again, &pids, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	free(pids);
	cgroup_free(again);
	gone(cg);
}

static void another_ones_is_refused(void **state)
{
	struct cgroup *cg = made("{}"), *other = resolve(name);
	struct cgroup_part part;
	struct err err = { 0 };

	(void)state;
	inside(cg, sleeps);
	assert_int_equal(cgroup_make(other, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "has 1 process already"));
	assert_true(cgroup_part(cg, 0, &part));
	assert_int_equal(access(part.dir, F_OK), 0);
	cgroup_free(other);
	gone(cg);
}

/* First, while nothing has passed a fail point: it is read once. */
static void half_made_leaves_nothing(void **state)
{
	struct cgroup *cg = resolve("/berth-test-none/a/b");
	struct cgroup_part part;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		char at[64];

		snprintf(at, sizeof(at), "oci.cgroup.make:err=EIO:nth=%zu",
			 cg->count);
		setenv("BERTH_FP", at, 1);
		_exit(cgroup_make(cg, NULL) == -EIO ? 0 : 1);
	}
	assert_int_equal(wait_for(pid), 0);
	for (size_t i = 0; cgroup_part(cg, i, &part); i++) {
		_cleanup_free_ char *top =
			strndup(part.dir, strlen(part.dir) - strlen("/a/b"));

		assert_int_equal(access(top, F_OK), -1);
	}
	cgroup_free(cg);
}

static char proc_state(pid_t pid)
{
	char path[64], c = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%*d (%*[^)]) %c", &c) != 1)
			c = '?';
		fclose(f);
	}
	return c;
}

static int spins(void)
{
	for (volatile bool on = true; on;)
		;
	return 0;
}

static void freezes_and_thaws(void **state)
{
	struct cgroup *cg = made("{}");
	pid_t pid = inside(cg, spins);

	(void)state;
	assert_int_equal(cgroup_frozen(cg, NULL), 0);
	for (int i = 0; i < 3; i++) {
		OK(cgroup_freeze(cg, true, WAIT_MS, &err));
		OK(cgroup_freeze(cg, true, WAIT_MS, &err));
		assert_int_equal(cgroup_frozen(cg, NULL), 1);
		assert_int_not_equal(proc_state(pid), 'R');
		OK(cgroup_freeze(cg, false, WAIT_MS, &err));
		assert_int_equal(cgroup_frozen(cg, NULL), 0);
		assert_true(TEST_WITHIN_S(5, proc_state(pid) == 'R'));
	}
	gone(cg);
}

static void kills_what_is_frozen(void **state)
{
	struct cgroup *cg = made("{}");
	pid_t pid = inside(cg, sleeps);

	(void)state;
	OK(cgroup_freeze(cg, true, WAIT_MS, &err));
	OK(cgroup_kill(cg, SIGKILL, &err));
	assert_int_equal(WTERMSIG(wait_for(pid)), SIGKILL);
	gone(cg);
}

/* Forks all the time, each generation in a cgroup below if it can. */
static int breeds(void)
{
	for (;;) {
		pid_t pid = fork();

		if (pid > 0)
			_exit(0);
		if (pid < 0)
			test_pause_ms(1);
	}
}

static void kills_what_forks_away(void **state)
{
	struct cgroup *cg = made("{\"pids\":{\"limit\":20}}");
	size_t n = 1;

	(void)state;
	wait_for(inside(cg, breeds));
	OK(cgroup_kill(cg, SIGKILL, &err));
	assert_true(TEST_WITHIN_S(10, ({
					  pid_t *pids = NULL;

					  n = 1;
					  OK(cgroup_pids(cg, &pids, &n, &err));
					  free(pids);
					  n == 0;
				  })));
	gone(cg);
}

static void signals_all(void **state)
{
	struct cgroup *cg = made("{}");
	pid_t a = inside(cg, sleeps), b = inside(cg, spins);

	(void)state;
	OK(cgroup_kill(cg, SIGUSR1, &err));
	assert_int_equal(WTERMSIG(wait_for(a)), SIGUSR1);
	assert_int_equal(WTERMSIG(wait_for(b)), SIGUSR1);
	gone(cg);
}

static int eats(void)
{
	size_t size = 64 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return p == MAP_FAILED ? 1 : 0;
}

static void too_much_memory_is_killed_and_counted(void **state)
{
	struct cgroup *cg = made("{\"memory\":{\"limit\":8388608,"
				 "\"swap\":8388608}}");
	struct cgroup_stat stat = { 0 };
	uint64_t kills = 9;

	(void)state;
	OK(cgroup_oom_kills(cg, &kills, &err));
	assert_int_equal(kills, 0);
	assert_int_equal(WTERMSIG(wait_for(inside(cg, eats))), SIGKILL);
	OK(cgroup_oom_kills(cg, &kills, &err));
	assert_int_equal(kills, 1);
	OK(cgroup_stat(cg, &stat, &err));
	assert_int_equal(stat.memory_limit, 8388608);
	assert_int_equal(stat.swap_limit, 0);
	assert_true(stat.memory_peak >= 8000000);
	assert_true(stat.memory_peak <= 8388608);
	assert_int_equal(stat.oom_kills, 1);
	gone(cg);
}

static int forks_five(void)
{
	int made_pids = 0;

	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0)
			sleeps();
		made_pids += pid > 0;
	}
	return made_pids;
}

static void limits_processes_and_is_updated(void **state)
{
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res = NULL;
	_cleanup_(json_putp) json_object *o =
		json_tokener_parse("{\"pids\":{\"limit\":6}}");
	struct cgroup *cg = made("{\"pids\":{\"limit\":3}}");
	struct cgroup_stat stat = { 0 };

	(void)state;
	assert_int_equal(WEXITSTATUS(wait_for(inside(cg, forks_five))), 2);
	OK(cgroup_stat(cg, &stat, &err));
	assert_int_equal(stat.pids, 2);
	assert_int_equal(stat.pids_limit, 3);
	OK(cgroup_resources_decode(o, &res, &err));
	OK(cgroup_update(cg, res, &err));
	assert_int_equal(WEXITSTATUS(wait_for(inside(cg, forks_five))), 3);
	gone(cg);
}

/* Which devices open, as bits: null, kmsg, loop-control by mknod. */
static int opens(void)
{
	char path[64];
	int got = 0, fd;

	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	got |= (fd >= 0) << 0;
	fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	got |= (fd >= 0) << 1;
	snprintf(path, sizeof(path), "/tmp/berth-test-dev-%d", getpid());
	if (mknod(path, S_IFCHR | 0600, makedev(1, 11)) == 0) {
		got |= 1 << 2;
		fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		got |= (fd >= 0) << 3;
		unlink(path);
	}
	return got;
}

#define RULES_KMSG                                                        \
	"{\"devices\":[{\"allow\":false},{\"allow\":true,\"type\":\"c\"," \
	"\"major\":1,\"minor\":11,\"access\":\"w\"}]}"

static void devices_of(struct cgroup *cg)
{
	static const struct {
		const char *json;
		int opens;
	} is[] = {
		{ "{}", 1 | 4 },
		{ RULES_KMSG, 1 | 2 | 4 },
		{ "{\"devices\":[{\"allow\":true}]}", 1 | 2 | 4 | 8 },
		{ "{\"devices\":[{\"allow\":true},{\"allow\":false,\"type\":"
		  "\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"}]}",
		  1 | 2 | 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(is); i++) {
		_cleanup_(json_putp) json_object *o =
			json_tokener_parse(is[i].json);
		_cleanup_(cgroup_resources_freep) struct cgroup_resources *res =
			NULL;

		OK(cgroup_resources_decode(o, &res, &err));
		OK(cgroup_make(cg, &err));
		OK(cgroup_apply(cg, res, &err));
		assert_int_equal(WEXITSTATUS(wait_for(inside(cg, opens))),
				 is[i].opens);
		OK(cgroup_remove(cg, WAIT_MS, &err));
	}
	cgroup_free(cg);
}

static void denies_devices(void **state)
{
	(void)state;
	devices_of(resolve(name));
}

/* The same where there is v2 alone: its directory, and no other. */
static void denies_devices_by_bpf(void **state)
{
	struct cgroup *cg = resolve(name), *only = calloc(1, sizeof(*only));
	struct cg_part *v2 = cg_v2(cg);

	(void)state;
	if (!v2) {
		cgroup_free(cg);
		free(only);
		print_message("SKIP: no cgroup v2\n");
		skip();
	}
	assert_int_equal(cg_part_add(only, "", v2->mount, v2->dir, true), 0);
	cgroup_free(cg);
	devices_of(only);
}

static void freezes_and_kills_by_v2(void **state)
{
	struct cgroup *cg = resolve(name), *only = calloc(1, sizeof(*only));
	struct cg_part *v2 = cg_v2(cg);
	pid_t pid;

	(void)state;
	if (!v2) {
		cgroup_free(cg);
		free(only);
		print_message("SKIP: no cgroup v2\n");
		skip();
	}
	assert_int_equal(cg_part_add(only, "", v2->mount, v2->dir, true), 0);
	cgroup_free(cg);
	OK(cgroup_make(only, &err));
	pid = inside(only, spins);
	OK(cgroup_freeze(only, true, WAIT_MS, &err));
	assert_int_equal(cgroup_frozen(only, NULL), 1);
	assert_int_not_equal(proc_state(pid), 'R');
	OK(cgroup_freeze(only, false, WAIT_MS, &err));
	OK(cgroup_freeze(only, true, WAIT_MS, &err));
	OK(cgroup_kill(only, SIGKILL, &err));
	assert_int_equal(WTERMSIG(wait_for(pid)), SIGKILL);
	gone(only);
}

/* Return: the deepest, in @part. */
static int make_deep(const struct cgroup_part *part, int levels)
{
	int fd = open(part->dir, O_PATH | O_DIRECTORY), next;

	assert_true(fd >= 0);
	for (int i = 0; i < levels; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		assert_int_equal(mkdirat(fd, "e", 0755), 0);
		next = openat(fd, "d", O_PATH | O_DIRECTORY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	return fd;
}

/* What a container that may write to its cgroup can make. */
static void goes_as_deep_as_it_is(void **state)
{
	struct cgroup *cg = made("{}");
	struct rlimit was, few;
	struct cgroup_part part;
	pid_t pid, *pids = NULL;
	size_t n = 0;
	int fd, to;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	pid = inside(cg, sleeps);
	for (size_t i = 0; cgroup_part(cg, i, &part); i++) {
		if (!part.v2 && strcmp(part.controllers, "freezer") != 0)
			continue;
		fd = make_deep(&part, 300);
		to = openat(fd, "cgroup.procs", O_WRONLY);
		assert_true(to >= 0);
		assert_true(dprintf(to, "%d", pid) > 0);
		close(to);
		close(fd);
	}
	OK(cgroup_pids(cg, &pids, &n, &err));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], pid);
	free(pids);
	gone(cg);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

/* In each hierarchy that is looked at, a process in each of @names. */
static void finds_all(const char *const *names, size_t count)
{
	struct cgroup *cg = made("{}");
	pid_t in[8], *pids = NULL;
	struct cgroup_part part;
	size_t n = 0, found = 0;

	assert_true(count <= ARRAY_SIZE(in));
	for (size_t k = 0; k < count; k++)
		in[k] = inside(cg, sleeps);
	for (size_t i = 0; cgroup_part(cg, i, &part); i++) {
		int fd = open(part.dir, O_PATH | O_DIRECTORY), to;

		for (size_t k = 0; k < count; k++) {
			char path[64];

			snprintf(path, sizeof(path), "%s/cgroup.procs",
				 names[k]);
			assert_int_equal(mkdirat(fd, names[k], 0755), 0);
			if (!part.v2 && strcmp(part.controllers, "freezer"))
				continue;
			to = openat(fd, path, O_WRONLY);
			assert_true(to >= 0);
			assert_true(dprintf(to, "%d", in[k]) > 0);
			close(to);
		}
		close(fd);
	}
	alarm(60); /* for a walk that does not end */
	OK(cgroup_pids(cg, &pids, &n, &err));
	assert_int_equal(n, count);
	for (size_t k = 0; k < count; k++)
		for (size_t i = 0; i < n; i++)
			found += pids[i] == in[k];
	assert_int_equal(found, count);
	free(pids);
	gone(cg);
	alarm(0);
}

/* cgroupfs tells where it is in a directory by a hash of names, the same one for
 * "ao" and "bd". */
static void names_of_one_hash(void **state)
{
	static const char *const names[] = { "aoao", "aobd", "bdao", "bdbd" };

	(void)state;
	finds_all(names, ARRAY_SIZE(names));
}

static void names_that_begin_with_a_dot(void **state)
{
	static const char *const names[] = { ".x", "...", ".x.y" };

	(void)state;
	finds_all(names, ARRAY_SIZE(names));
}

struct losing {
	int base, tree; /* without the mount that is walked */
	int seen;
};

/* Takes the first that is three below the top away, with those above it. */
static int lose(int dir, void *arg)
{
	static const char *const tops[] = { "a", "c" };
	struct losing *l = arg;
	struct stat is, its;

	if (++l->seen != 4)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(tops); i++) {
		char path[8], above[8];

		snprintf(path, sizeof(path), "%s/m/b", tops[i]);
		snprintf(above, sizeof(above), "%s/m", tops[i]);
		if (fstat(dir, &is) < 0 ||
		    fstatat(l->tree, path, &its, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (is.st_ino != its.st_ino)
			continue;
		if (renameat(l->tree, path, l->base, "out") < 0 ||
		    unlinkat(l->tree, above, AT_REMOVEDIR) < 0 ||
		    unlinkat(l->tree, tops[i], AT_REMOVEDIR) < 0)
			return -errno;
		return 0;
	}
	return -ENOENT;
}

/* Return: how many directories were seen; 90 and more: errors. */
static int walk_and_lose(const char *at)
{
	static const char *const dirs[] = { "t",   "t/a",   "t/a/m",  "t/a/m/b",
					    "t/c", "t/c/m", "t/c/m/b" };
	struct losing l = { 0 };
	char top[64];

	snprintf(top, sizeof(top), "%s/t", at);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("berth-test", at, "tmpfs", 0, NULL) < 0)
		return 90;
	l.base = open(at, O_PATH | O_DIRECTORY);
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (mkdirat(l.base, dirs[i], 0755) < 0)
			return 91;
	l.tree = openat(l.base, "t", O_PATH | O_DIRECTORY);
	/* what is moved out of a mount has no ".." in it */
	if (l.tree < 0 || mount(top, top, NULL, MS_BIND, NULL) < 0)
		return 92;
	return cg_walk(top, lose, NULL, &l) == 0 ? l.seen : 93;
}

static void goes_on_beside_what_is_gone(void **state)
{
	char at[] = "/tmp/berth-test-XXXXXX";
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: not root\n");
		skip();
	}
	assert_non_null(mkdtemp(at));
	pid = fork();
	if (pid == 0)
		_exit(walk_and_lose(at));
	status = wait_for(pid);
	assert_int_equal(rmdir(at), 0);
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void gone_is_no_failure(void **state)
{
	struct cgroup *cg = resolve("/berth-test-never");
	pid_t *pids = NULL;
	size_t n = 1;

	(void)state;
	OK(cgroup_pids(cg, &pids, &n, &err));
	assert_int_equal(n, 0);
	OK(cgroup_kill(cg, SIGKILL, &err));
	OK(cgroup_kill(cg, SIGTERM, &err));
	assert_int_equal(cgroup_frozen(cg, NULL), 0);
	OK(cgroup_remove(cg, 0, &err));
	assert_int_equal(cgroup_freeze(cg, true, 10, NULL), -ENOENT);
	cgroup_free(cg);
}

static void names_that_are_refused(void **state)
{
	struct cgroup *cg = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(
		cgroup_resolve("system.slice:docker:1", "x", &cg, &err),
		-EOPNOTSUPP);
	assert_int_equal(cgroup_resolve("/a/..", "x", &cg, &err), -EINVAL);
	assert_null(cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_made_leaves_nothing),
		cmocka_unit_test(lies_in_every_hierarchy),
		cmocka_unit_test(another_ones_is_refused),
		cmocka_unit_test(freezes_and_thaws),
		cmocka_unit_test(kills_what_is_frozen),
		cmocka_unit_test(kills_what_forks_away),
		cmocka_unit_test(signals_all),
		cmocka_unit_test(too_much_memory_is_killed_and_counted),
		cmocka_unit_test(limits_processes_and_is_updated),
		cmocka_unit_test(denies_devices),
		cmocka_unit_test(denies_devices_by_bpf),
		cmocka_unit_test(freezes_and_kills_by_v2),
		cmocka_unit_test(goes_as_deep_as_it_is),
		cmocka_unit_test(names_of_one_hash),
		cmocka_unit_test(names_that_begin_with_a_dot),
		cmocka_unit_test(goes_on_beside_what_is_gone),
		cmocka_unit_test(gone_is_no_failure),
		cmocka_unit_test(names_that_are_refused),
	};

	snprintf(name, sizeof(name), "berth-test-%d", getpid());
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
