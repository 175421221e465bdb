/* SPDX-License-Identifier: GPL-2.0-or-later */
/* btrfs by its ioctls, against btrfs(8). */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/btrfs.h"
#include "lib/test/loopfs.h"

#define MIB (1u << 20)

static struct loopfs fs;
static int root = -EBADF;

static int setup(void **state)
{
	(void)state;
	if (loopfs_open(&fs, "mkfs.btrfs -q", "loop,commit=1") < 0)
		return 0; /* each test says so */
	root = open(fs.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0;
}

static int teardown(void **state)
{
	(void)state;
	if (root >= 0)
		close(root);
	return loopfs_close(&fs);
}

static void need_fs(void)
{
	if (root >= 0)
		return;
	print_message("SKIP: no btrfs on a loop device here\n");
	skip();
}

static void shell(const char *command)
{
	loopfs_must(&fs, command);
}

static int open_dir(const char *name)
{
	int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static uint64_t id_of(const char *name)
{
	_cleanup_close_ int fd = open_dir(name);
	uint64_t id = 0;

	assert_int_equal(btrfs_subvol_id(fd, &id, NULL), 0);
	return id;
}

static void other_file_systems_are_told(void **state)
{
	_cleanup_close_ int fd = open("/proc", O_RDONLY | O_CLOEXEC);
	uint64_t id;

	(void)state;
	assert_false(btrfs_is(fd));
	assert_int_equal(btrfs_subvol_id(fd, &id, NULL), -ENOTDIR);
	need_fs();
	assert_true(btrfs_is(root));
}

static void subvolume_is_made_and_found(void **state)
{
	uint64_t id = 0;

	(void)state;
	need_fs();
	assert_int_equal(btrfs_subvol_make(root, "made", NULL), 0);
	assert_int_equal(btrfs_subvol_make(root, "made", NULL), -EEXIST);
	assert_int_equal(btrfs_subvol_make(root, "a/b", NULL), -EINVAL);
	id = id_of("made");
	assert_true(id >= 256);
	shell("btrfs subvolume show made | grep -q 'Name:.*made'");
	assert_int_equal(mkdirat(root, "plain", 0700), 0);
	{
		_cleanup_close_ int fd = open_dir("plain");

		assert_int_equal(btrfs_subvol_id(fd, &id, NULL), -ENOTDIR);
	}
	assert_int_equal(btrfs_subvol_destroy(root, "plain", NULL), -ENOTDIR);
	assert_int_equal(symlinkat("made", root, "link"), 0);
	assert_int_equal(btrfs_subvol_destroy(root, "link", NULL), -ENOTDIR);
	shell("touch made/file; chattr +i made/file");
	assert_int_equal(btrfs_subvol_destroy(root, "made", NULL), 0);
	assert_int_equal(btrfs_subvol_destroy(root, "made", NULL), -ENOENT);
	shell("test ! -e made");
}

static int count_one(void *ctx, uint64_t id)
{
	(void)id;
	return ++*(int *)ctx == 1000;
}

static void nested_go_with_it(void **state)
{
	int n = 0;

	(void)state;
	need_fs();
	shell("btrfs subvolume create out; btrfs subvolume create out/a;"
	      "mkdir -p out/a/d; btrfs subvolume create 'out/a/d/b c';"
	      "echo x >'out/a/d/b c/file'; btrfs subvolume create out/e;"
	      "btrfs subvolume snapshot -r out out/snap;"
	      "btrfs property set out/a ro true;"
	      "btrfs property set out ro true");
	assert_int_equal(
		btrfs_subvol_each(root, id_of("out"), count_one, &n, NULL), 0);
	assert_int_equal(n, 4);
	shell("btrfs subvolume create beside");
	assert_int_equal(btrfs_subvol_destroy(root, "out", NULL), 0);
	shell("test ! -e out && test -e beside");
	shell("test $(btrfs subvolume list . | wc -l) = 1");
	shell("btrfs subvolume delete beside");
}

static void any_depth_goes(void **state)
{
	int n = 0;

	(void)state;
	need_fs();
	shell("btrfs subvolume create deep; cd deep; for i in $(seq 70); do "
	      "btrfs subvolume create n >/dev/null; cd n; done");
	assert_int_equal(
		btrfs_subvol_each(root, id_of("deep"), count_one, &n, NULL),
		-E2BIG);
	assert_int_equal(btrfs_subvol_destroy(root, "deep", NULL), 0);
	shell("test $(btrfs subvolume list . | wc -l) = 0");
}

static void subvolume_in_use_is_named(void **state)
{
	struct err err = { 0 };

	(void)state;
	need_fs();
	shell("btrfs subvolume create out; btrfs subvolume create out/deep;"
	      "btrfs subvolume set-default out/deep");
	assert_int_equal(btrfs_subvol_destroy(root, "out", &err), -EPERM);
	assert_non_null(strstr(err.msg, "(\"deep\")"));
	shell("test -e out/deep; btrfs subvolume set-default 5 .");
	assert_int_equal(btrfs_subvol_destroy(root, "out", &err), 0);
}

static void quotas_are_off_until_needed(void **state)
{
	struct btrfs_quota q;
	struct btrfs_qgroup g;
	struct err err = { 0 };

	(void)state;
	need_fs();
	shell("btrfs subvolume create vol");
	assert_int_equal(btrfs_quota_get(root, &q, NULL), 0);
	assert_false(q.on);
	assert_int_equal(btrfs_qgroup_get(root, id_of("vol"), &g, NULL),
			 -ENODATA);
	assert_int_equal(btrfs_qgroup_limit(root, id_of("vol"), MIB, &err),
			 -ENODATA);
	assert_string_equal(err.msg,
			    "btrfs quotas are off on this file system");
	assert_int_equal(btrfs_quota_need(root, NULL), 0);
	assert_int_equal(btrfs_quota_need(root, NULL), 0);
	assert_int_equal(btrfs_quota_get(root, &q, NULL), 0);
	assert_true(q.on);
	/* and can be turned off again without a trace in the format */
	shell("! ls /sys/fs/btrfs/*/features | grep -q simple_quota");
	/* the first count */
	shell("btrfs quota rescan -w . || btrfs quota rescan -W .");
	assert_int_equal(btrfs_quota_get(root, &q, NULL), 0);
	assert_true(q.exact);
}

static void limit_is_kept(void **state)
{
	struct btrfs_qgroup g;
	uint64_t id;

	(void)state;
	need_fs();
	assert_int_equal(btrfs_quota_need(root, NULL), 0);
	shell("btrfs subvolume create lim");
	id = id_of("lim");
	assert_int_equal(btrfs_qgroup_get(root, id, &g, NULL), 0);
	assert_int_equal(g.limit, 0);
	assert_int_equal(btrfs_qgroup_limit(root, id, 10 * MIB, NULL), 0);
	shell("! dd if=/dev/zero of=lim/x bs=1M count=20 2>/dev/null");
	assert_int_equal(btrfs_sync(root, NULL), 0);
	assert_int_equal(btrfs_qgroup_get(root, id, &g, NULL), 0);
	assert_int_equal(g.limit, 10 * MIB);
	assert_in_range(g.used, 9 * MIB, 10 * MIB);
	shell("btrfs qgroup show -r lim | grep -q '10.00MiB'");
	/* more, below what is used, none */
	assert_int_equal(btrfs_qgroup_limit(root, id, 20 * MIB, NULL), 0);
	shell("dd if=/dev/zero of=lim/y bs=1M count=5 2>/dev/null && sync");
	assert_int_equal(btrfs_qgroup_limit(root, id, MIB, NULL), 0);
	assert_int_equal(btrfs_qgroup_limit(root, id, 2 * MIB, NULL), 0);
	shell("! dd if=/dev/zero of=lim/z bs=64k count=1 2>/dev/null");
	shell("rm lim/x");
	assert_int_equal(btrfs_qgroup_limit(root, id, 0, NULL), 0);
	assert_int_equal(btrfs_qgroup_get(root, id, &g, NULL), 0);
	assert_int_equal(g.limit, 0);
	shell("dd if=/dev/zero of=lim/z bs=1M count=40 2>/dev/null");
	assert_int_equal(btrfs_subvol_destroy(root, "lim", NULL), 0);
}

static void deleted_group_is_made_again(void **state)
{
	struct btrfs_qgroup g;
	uint64_t id;

	(void)state;
	need_fs();
	assert_int_equal(btrfs_quota_need(root, NULL), 0);
	/* made while quotas were off: then it has none of its own */
	shell("btrfs quota disable . && btrfs subvolume create q");
	id = id_of("q");
	assert_int_equal(btrfs_quota_need(root, NULL), 0);
	assert_int_equal(btrfs_qgroup_limit(root, id, MIB, NULL), 0);
	assert_int_equal(btrfs_qgroup_get(root, id, &g, NULL), 0);
	assert_int_equal(g.limit, MIB);
	assert_int_equal(btrfs_subvol_destroy(root, "q", NULL), 0);
	/* no group outlives its subvolume: the kernel is at it */
	for (int i = 0; i < 500; i++) {
		assert_int_equal(btrfs_sync(root, NULL), 0);
		if (btrfs_qgroup_forget(root, id) == 0 &&
		    btrfs_qgroup_get(root, id, &g, NULL) == -ENODATA)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	fail_msg("group 0/%llu stays", (unsigned long long)id);
}

static void snapshot_is_of_one_moment(void **state)
{
	_cleanup_close_ int src = -EBADF, plain = -EBADF;
	struct err err = { 0 };

	(void)state;
	need_fs();
	shell("btrfs subvolume create src; echo one >src/file; mkdir src/dir;"
	      "btrfs subvolume create src/nested; touch src/nested/x");
	src = open_dir("src");
	assert_int_equal(btrfs_subvol_snapshot(src, root, "ro", true, NULL), 0);
	assert_int_equal(btrfs_subvol_snapshot(src, root, "rw", false, NULL),
			 0);
	assert_int_equal(btrfs_subvol_snapshot(src, root, "ro", true, NULL),
			 -EEXIST);
	assert_int_equal(btrfs_subvol_snapshot(src, root, "a/b", true, NULL),
			 -EINVAL);
	/* the kernel takes any directory for the whole of its subvolume */
	plain = openat(src, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(btrfs_subvol_snapshot(plain, root, "no", true, &err),
			 -ENOTDIR);
	assert_string_equal(err.msg, "not a btrfs subvolume");
	shell("test ! -e no; echo two >src/file; echo three >rw/file");
	shell("test $(cat ro/file rw/file src/file | tr -d '\\n') = "
	      "onethreetwo");
	shell("! touch ro/new 2>/dev/null; test -z \"$(ls ro/nested)\"");
	for (const char *const *n =
		     (const char *const[]){ "ro", "rw", "src", NULL };
	     *n; n++)
		assert_int_equal(btrfs_subvol_destroy(root, *n, NULL), 0);
}

static void changes_are_seen(void **state)
{
	struct btrfs_subvol was, is;
	_cleanup_close_ int fd = -EBADF, snap = -EBADF, dir = -EBADF,
			    plain = -EBADF;
	time_t now = time(NULL);

	(void)state;
	need_fs();
	shell("btrfs subvolume create one; mkdir one/d; sync");
	fd = open_dir("one");
	plain = open_dir("one/d");
	assert_int_equal(btrfs_subvol_get(fd, &was, NULL), 0);
	assert_true(was.id >= 256);
	assert_in_range(was.created_s, now - 60, now + 60);
	assert_false(was.readonly || was.received);
	shell("touch two; sync");
	assert_int_equal(btrfs_subvol_get(fd, &is, NULL), 0);
	assert_int_equal(is.generation, was.generation);
	shell("touch one/x; sync");
	assert_int_equal(btrfs_subvol_get(fd, &is, NULL), 0);
	assert_true(is.generation > was.generation);
	assert_int_equal(btrfs_subvol_snapshot(fd, root, "snap", true, NULL),
			 0);
	snap = open_dir("snap");
	assert_int_equal(btrfs_subvol_get(snap, &is, NULL), 0);
	assert_true(is.readonly && is.id != was.id);
	shell("mkdir in; btrfs send -q snap | btrfs receive -q in");
	dir = openat(root, "in/snap", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(btrfs_subvol_get(dir, &is, NULL), 0);
	assert_true(is.readonly && is.received);
	assert_int_equal(btrfs_subvol_get(plain, &is, NULL), -ENOTDIR);
	shell("btrfs subvolume delete in/snap snap one; rmdir in; rm two");
}

/* What a snapshot shares is counted in both, and exclusive in none. */
static void shared_is_not_exclusive(void **state)
{
	_cleanup_close_ int src = -EBADF;
	struct btrfs_qgroup a, b;

	(void)state;
	need_fs();
	assert_int_equal(btrfs_quota_need(root, NULL), 0);
	shell("btrfs subvolume create s; dd if=/dev/zero of=s/x bs=1M count=8 "
	      "2>/dev/null; sync");
	src = open_dir("s");
	assert_int_equal(btrfs_qgroup_get(root, id_of("s"), &a, NULL), 0);
	assert_in_range(a.exclusive, 8 * MIB, 9 * MIB);
	assert_int_equal(btrfs_subvol_snapshot(src, root, "t", false, NULL), 0);
	assert_int_equal(btrfs_sync(root, NULL), 0);
	assert_int_equal(btrfs_qgroup_get(root, id_of("s"), &a, NULL), 0);
	assert_int_equal(btrfs_qgroup_get(root, id_of("t"), &b, NULL), 0);
	assert_in_range(a.used, 8 * MIB, 9 * MIB);
	assert_in_range(b.used, 8 * MIB, 9 * MIB);
	assert_true(a.exclusive < MIB && b.exclusive < MIB);
	assert_int_equal(b.limit, 0); /* a limit is each subvolume's own */
	shell("btrfs subvolume delete s t");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_file_systems_are_told),
		cmocka_unit_test(subvolume_is_made_and_found),
		cmocka_unit_test(nested_go_with_it),
		cmocka_unit_test(any_depth_goes),
		cmocka_unit_test(subvolume_in_use_is_named),
		cmocka_unit_test(quotas_are_off_until_needed),
		cmocka_unit_test(limit_is_kept),
		cmocka_unit_test(deleted_group_is_made_again),
		cmocka_unit_test(snapshot_is_of_one_moment),
		cmocka_unit_test(changes_are_seen),
		cmocka_unit_test(shared_is_not_exclusive),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
