/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deleting trees: what goes, what stays, and that nothing outside is touched. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/tree.h"

/* A directory of the test's own: "tree" is the victim, "canary" is not. */
struct fix {
	char path[64];
	int base, tree;
	atomic_bool stop;
};

static void put_file(int dir, const char *name)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	snprintf(f->path, sizeof(f->path), "/tmp/berth-test-tree-XXXXXX");
	if (!mkdtemp(f->path))
		return -1;
	f->base = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	mkdirat(f->base, "tree", 0700);
	mkdirat(f->base, "canary", 0700);
	f->tree = openat(f->base, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = f;
	return f->tree < 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;
	int r = tree_empty(f->base, NULL, NULL, NULL);

	close(f->tree);
	close(f->base);
	r |= rmdir(f->path);
	free(f);
	return r;
}

static bool is_empty(int fd)
{
	struct err err = { 0 };

	return tree_removable(fd, &err) == 0 &&
	       unlinkat(fd, ".", AT_REMOVEDIR) < 0 && errno == EINVAL;
}

static void gone(struct fix *f)
{
	assert_true(is_empty(f->tree));
	assert_int_equal(unlinkat(f->base, "tree", AT_REMOVEDIR), 0);
}

static void opens_one_component_only(void **state)
{
	struct fix *f = *state;
	int fd = tree_open(f->base, "tree", NULL);

	assert_true(fd >= 0);
	close(fd);
	put_file(f->base, "file");
	assert_int_equal(symlinkat("canary", f->base, "link"), 0);
	assert_int_equal(tree_open(f->base, "", NULL), -EINVAL);
	assert_int_equal(tree_open(f->base, ".", NULL), -EINVAL);
	assert_int_equal(tree_open(f->base, "..", NULL), -EINVAL);
	assert_int_equal(tree_open(f->base, "/tmp", NULL), -EINVAL);
	assert_int_equal(tree_open(f->base, "tree/.", NULL), -EINVAL);
	assert_int_equal(tree_open(f->base, "none", NULL), -ENOENT);
	assert_int_equal(tree_open(f->base, "file", NULL), -ENOTDIR);
	assert_int_equal(tree_open(f->base, "link", NULL), -ENOTDIR);
}

static void renames_onto_nothing_only(void **state)
{
	struct fix *f = *state;

	put_file(f->base, "canary/bird");
	assert_int_equal(tree_rename_new(f->base, "none", f->base, "x"),
			 -ENOENT);
	assert_int_equal(tree_rename_new(f->base, "tree", f->base, "canary"),
			 -EEXIST);
	assert_int_equal(faccessat(f->base, "canary/bird", F_OK, 0), 0);
	assert_int_equal(tree_rename_new(f->base, "tree", f->base, "moved"), 0);
	assert_int_equal(tree_rename_new(f->base, "moved", f->base, "tree"), 0);
	assert_int_equal(tree_sync(f->base), 0);
	assert_int_equal(tree_sync(-1), -EBADF);
}

static void deletes_every_kind_of_file(void **state)
{
	struct fix *f = *state;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	put_file(f->base, "canary/bird");
	put_file(f->tree, "file");
	put_file(f->tree, "setuid");
	assert_int_equal(fchmodat(f->tree, "setuid", 04755, 0), 0);
	assert_int_equal(symlinkat("../canary", f->tree, "dirlink"), 0);
	assert_int_equal(symlinkat("../canary/bird", f->tree, "link"), 0);
	assert_int_equal(symlinkat("/nowhere", f->tree, "dangling"), 0);
	assert_int_equal(linkat(f->tree, "file", f->tree, "hard", 0), 0);
	assert_int_equal(mkfifoat(f->tree, "fifo", 0600), 0);
	if (geteuid() == 0)
		assert_int_equal(
			mknodat(f->tree, "mem", S_IFCHR | 0600, makedev(1, 1)),
			0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/tree/sock", f->path);
	assert_int_equal(bind(sock, (void *)&addr, sizeof(addr)), 0);
	close(sock);
	assert_int_equal(mkdirat(f->tree, "shut", 0), 0);
	assert_int_equal(mkdirat(f->tree, "a", 0700), 0);
	assert_int_equal(mkdirat(f->tree, "a/b", 0700), 0);
	put_file(f->tree, "a/b/\n \xff");
	assert_int_equal(tree_removable(f->tree, NULL), 0);
	assert_int_equal(tree_empty(f->tree, NULL, NULL, NULL), 0);
	gone(f);
	assert_int_equal(faccessat(f->base, "canary/bird", F_OK, 0), 0);
}

static void deep_tree_takes_few_descriptors(void **state)
{
	struct fix *f = *state;
	struct rlimit old, few = { 64, 64 };
	int fd = openat(f->tree, ".", O_RDONLY | O_DIRECTORY);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	for (int i = 0; i < 10000; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
		assert_true(fd >= 0);
	}
	put_file(fd, "bottom");
	close(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(tree_removable(f->tree, NULL), 0);
	assert_int_equal(tree_empty(f->tree, NULL, NULL, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	gone(f);
}

static void wide_tree_goes(void **state)
{
	struct fix *f = *state;

	for (int d = 0; d < 20; d++) {
		char name[32];

		snprintf(name, sizeof(name), "d%d", d);
		assert_int_equal(mkdirat(f->tree, name, 0700), 0);
		for (int i = 0; i < 500; i++) {
			snprintf(name, sizeof(name), "d%d/%d", d, i);
			put_file(f->tree, name);
		}
	}
	/* names that the moving up would like to use */
	assert_int_equal(mkdirat(f->tree, "0", 0700), 0);
	put_file(f->tree, "1");
	assert_int_equal(tree_empty(f->tree, NULL, NULL, NULL), 0);
	gone(f);
}

static bool after(void *ctx)
{
	int *left = ctx;

	return (*left)-- <= 0;
}

static void stops_when_told_and_goes_on(void **state)
{
	struct fix *f = *state;
	int rounds = 0, left, r;

	for (int i = 0; i < 100; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(mkdirat(f->tree, name, 0700), 0);
		snprintf(name, sizeof(name), "d%d/sub", i);
		assert_int_equal(mkdirat(f->tree, name, 0700), 0);
		snprintf(name, sizeof(name), "d%d/sub/x", i);
		put_file(f->tree, name);
	}
	do {
		left = 17;
		r = tree_empty(f->tree, after, &left, NULL);
		rounds++;
	} while (r == -ETIME && rounds < 1000);
	assert_int_equal(r, 0);
	assert_true(rounds > 5);
	gone(f);
}

static bool set_flags(int dir, const char *name, int flags)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
}

static void immutable_file_is_named(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };
	bool can;

	assert_int_equal(mkdirat(f->tree, "a", 0700), 0);
	put_file(f->tree, "a/rock");
	put_file(f->tree, "a/log");
	can = set_flags(f->tree, "a/rock", FS_IMMUTABLE_FL);
	if (!can) {
		print_message("SKIP: chattr +i: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(tree_removable(f->tree, &err), -EPERM);
	assert_string_equal(err.msg, "\"rock\", 1 directories down, is "
				     "immutable: chattr -i it first");
	/* the rest goes, and the culprit is told */
	assert_int_equal(tree_empty(f->tree, NULL, NULL, &err), -EPERM);
	assert_string_equal(err.msg, "cannot delete \"rock\": Operation not "
				     "permitted");
	assert_int_equal(faccessat(f->tree, "a/log", F_OK, 0), -1);
	set_flags(f->tree, "a/rock", FS_APPEND_FL);
	assert_int_equal(tree_removable(f->tree, &err), -EPERM);
	assert_non_null(strstr(err.msg, "append-only"));
	set_flags(f->tree, "a/rock", 0);
	assert_int_equal(tree_empty(f->tree, NULL, NULL, &err), 0);
	gone(f);
}

static struct tree_usage usage_of(int dir)
{
	struct tree_usage u = { 0 };

	assert_int_equal(tree_usage(dir, &u, NULL, NULL, NULL), 0);
	return u;
}

/* As stat(2) has it, of each name once. */
static uint64_t blocks_of(int dir, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void usage_counts_each_file_once(void **state)
{
	static const char *const names[] = { ".",      "a",    "a/b",
					     "a/file", "link", "fifo" };
	struct fix *f = *state;
	struct tree_usage u;
	uint64_t want = 0;
	char name[32];

	put_file(f->base, "canary/bird");
	assert_int_equal(mkdirat(f->tree, "a", 0700), 0);
	assert_int_equal(mkdirat(f->tree, "a/b", 0700), 0);
	put_file(f->tree, "a/file");
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "a/b/name%d", i);
		assert_int_equal(linkat(f->tree, "a/file", f->tree, name, 0),
				 0);
	}
	assert_int_equal(symlinkat("../canary", f->tree, "link"), 0);
	assert_int_equal(mkfifoat(f->tree, "fifo", 0600), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		want += blocks_of(f->tree, names[i]);
	u = usage_of(f->tree);
	assert_int_equal(u.bytes, want);
	assert_int_equal(u.entries, ARRAY_SIZE(names) + 200);
}

static bool third(void *ctx)
{
	return ++*(int *)ctx == 3;
}

static void usage_stops_when_told(void **state)
{
	struct fix *f = *state;
	struct tree_usage u = { .bytes = 7 };
	int asked = 0;

	for (char name[] = "a"; name[0] < 'g'; name[0]++)
		put_file(f->tree, name);
	assert_int_equal(tree_usage(f->tree, &u, third, &asked, NULL), -ETIME);
	assert_int_equal(asked, 3);
	assert_int_equal(u.bytes, 7);
}

static void *grow_and_shrink(void *arg)
{
	struct fix *f = arg;

	while (!atomic_load(&f->stop)) {
		(void)renameat(f->tree, "a/b", f->tree, "b");
		if (symlinkat("../../canary", f->tree, "a/b") == 0)
			(void)unlinkat(f->tree, "a/b", 0);
		(void)renameat(f->tree, "b", f->tree, "a/b");
	}
	return NULL;
}

/* What is outside is never counted, whatever moves. */
static void usage_is_not_led_astray(void **state)
{
	struct fix *f = *state;
	int fine = 0, lost = 0;
	pthread_t thread;
	uint64_t most;

	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "canary/f%d", i);
		put_file(f->base, name);
	}
	assert_int_equal(mkdirat(f->tree, "a", 0700), 0);
	assert_int_equal(mkdirat(f->tree, "a/b", 0700), 0);
	assert_int_equal(mkdirat(f->tree, "a/b/c", 0700), 0);
	put_file(f->tree, "a/b/c/file");
	/* moved while it is read, a part may be seen twice */
	most = 2 * usage_of(f->tree).bytes + 8192;
	assert_int_equal(pthread_create(&thread, NULL, grow_and_shrink, f), 0);
	for (int i = 0; i < 10000; i++) {
		struct tree_usage u = { 0 };
		int r = tree_usage(f->tree, &u, NULL, NULL, NULL);

		fine += r == 0;
		lost += r == -EAGAIN;
		assert_true(r == 0 || r == -EAGAIN);
		assert_true(u.bytes <= most && u.entries < 20);
	}
	atomic_store(&f->stop, true);
	pthread_join(thread, NULL);
	print_message("# %d read, %d lost their way\n", fine, lost);
	assert_true(fine > 0);
}

static void mount_point_is_named_and_not_crossed(void **state)
{
	struct fix *f = *state;
	struct err err = { 0 };
	char at[96], canary[96];

	snprintf(at, sizeof(at), "%s/tree/a/m", f->path);
	snprintf(canary, sizeof(canary), "%s/canary", f->path);
	put_file(f->base, "canary/bird");
	assert_int_equal(mkdirat(f->tree, "a", 0700), 0);
	assert_int_equal(mkdirat(f->tree, "a/m", 0700), 0);
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(canary, at, NULL, MS_BIND, NULL) < 0) {
		print_message("SKIP: mount: %s\n", strerror(errno));
		skip();
	}
	/* the descriptor is of the old namespace, which has no such mount */
	close(f->tree);
	close(f->base);
	f->base = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	f->tree = openat(f->base, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(tree_removable(f->tree, &err), -EBUSY);
	assert_string_equal(err.msg, "\"m\", 1 directories down, is a mount "
				     "point: unmount it first");
	assert_int_equal(tree_empty(f->tree, NULL, NULL, &err), -EBUSY);
	assert_int_equal(faccessat(f->base, "canary/bird", F_OK, 0), 0);
	assert_int_equal(usage_of(f->tree).entries, 2); /* not what is in m */
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	/* one that is mounted at the top, after somebody looked */
	snprintf(at, sizeof(at), "%s/tree/top", f->path);
	assert_int_equal(mkdirat(f->tree, "top", 0700), 0);
	assert_int_equal(mount(canary, at, NULL, MS_BIND, NULL), 0);
	assert_int_equal(tree_empty(f->tree, NULL, NULL, &err), -EBUSY);
	assert_int_equal(faccessat(f->base, "canary/bird", F_OK, 0), 0);
	assert_int_equal(umount2(at, MNT_DETACH), 0);
	assert_int_equal(tree_empty(f->tree, NULL, NULL, &err), 0);
	gone(f);
}

struct swapper {
	int dir;
	_Atomic bool stop;
};

/* Turns "s" from a directory into a link to the canary and back. */
static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!atomic_load(&s->stop)) {
		unlinkat(s->dir, "s", 0);
		mkdirat(s->dir, "s", 0700);
		mkdirat(s->dir, "s/t", 0700);
		unlinkat(s->dir, "s/t", AT_REMOVEDIR);
		unlinkat(s->dir, "s", AT_REMOVEDIR);
		if (symlinkat("../../canary", s->dir, "s") < 0)
			continue; /* the other was faster */
	}
	return NULL;
}

static void swapped_links_lead_nowhere(void **state)
{
	struct fix *f = *state;
	struct swapper s = { 0 };
	char name[32];
	pthread_t thread;

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "canary/%d", i);
		put_file(f->base, name);
	}
	assert_int_equal(mkdirat(f->tree, "a", 0700), 0);
	s.dir = openat(f->tree, "a", O_RDONLY | O_DIRECTORY);
	assert_int_equal(pthread_create(&thread, NULL, swap, &s), 0);
	for (int i = 0; i < 10000; i++) {
		(void)tree_removable(f->tree, NULL);
		(void)tree_empty(f->tree, NULL, NULL, NULL);
		mkdirat(f->tree, "a", 0700);
		if (i % 100 == 0) {
			int fresh =
				openat(f->tree, "a", O_RDONLY | O_DIRECTORY);
			if (fresh >= 0)
				dup2(fresh, s.dir);
			close(fresh);
		}
	}
	atomic_store(&s.stop, true);
	pthread_join(thread, NULL);
	close(s.dir);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "canary/%d", i);
		assert_int_equal(faccessat(f->base, name, F_OK, 0), 0);
	}
}

static void *empty_it(void *arg)
{
	return (void *)(intptr_t)tree_empty(*(int *)arg, NULL, NULL, NULL);
}

static void two_at_a_time_are_fine(void **state)
{
	struct fix *f = *state;
	pthread_t a, b;
	void *ra, *rb;

	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d%d", i);
		assert_int_equal(mkdirat(f->tree, name, 0700), 0);
		snprintf(name, sizeof(name), "d%d/sub", i);
		assert_int_equal(mkdirat(f->tree, name, 0700), 0);
		snprintf(name, sizeof(name), "d%d/sub/x", i);
		put_file(f->tree, name);
	}
	assert_int_equal(pthread_create(&a, NULL, empty_it, &f->tree), 0);
	assert_int_equal(pthread_create(&b, NULL, empty_it, &f->tree), 0);
	pthread_join(a, &ra);
	pthread_join(b, &rb);
	assert_null(ra);
	assert_null(rb);
	gone(f);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opens_one_component_only),
		TEST(renames_onto_nothing_only),
		TEST(deletes_every_kind_of_file),
		TEST(deep_tree_takes_few_descriptors),
		TEST(wide_tree_goes),
		TEST(stops_when_told_and_goes_on),
		TEST(immutable_file_is_named),
		TEST(swapped_links_lead_nowhere),
		TEST(two_at_a_time_are_fine),
		TEST(usage_counts_each_file_once),
		TEST(usage_stops_when_told),
		TEST(usage_is_not_led_astray),
		/* last: it leaves the mount namespace */
		TEST(mount_point_is_named_and_not_crossed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
