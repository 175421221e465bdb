/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounting by descriptor, in a mount namespace of the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/mnt.h"
#include "lib/tree.h"

static char root[] = "/tmp/berth-test-mnt-XXXXXX";
static int top;

static int setup(void **state)
{
	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 0;
	if (!mkdtemp(root))
		return -1;
	top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return mkdirat(top, "a", 0700) | mkdirat(top, "b", 0700) |
	       symlinkat("a", top, "link");
}

static int teardown(void **state)
{
	(void)state;
	if (!top)
		return 0;
	(void)tree_empty(top, NULL, NULL, NULL);
	close(top);
	return rmdir(root);
}

static void need_root(void)
{
	if (!top) {
		print_message("SKIP: no mount namespace\n");
		skip();
	}
}

static int make_tmpfs(void)
{
	int fs = mnt_open("tmpfs", NULL), fd;

	assert_true(fs >= 0);
	assert_int_equal(mnt_set(fs, "size", "64k", NULL), 0);
	fd = mnt_make(fs, MNT_ATTRS_DEFAULT, NULL);
	assert_true(fd >= 0);
	close(fs);
	return fd;
}

static void shown_only_when_attached(void **state)
{
	int fd, in;
	struct statfs sf;

	(void)state;
	need_root();
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 0);
	fd = make_tmpfs();
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 0);
	assert_int_equal(mkdirat(fd, "in", 0700), 0);
	assert_int_equal(mnt_attach(fd, top, "a", NULL), 0);
	close(fd);
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 1);
	in = openat(top, "a/in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(in >= 0);
	assert_int_equal(fstatfs(in, &sf), 0);
	assert_true(sf.f_flags & MS_NODEV);
	assert_true(sf.f_flags & MS_NOSUID);
	assert_int_equal(mnt_detach(top, "a", false, NULL), -EBUSY);
	close(in);
	assert_int_equal(mnt_detach(top, "a", false, NULL), 0);
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 0);
	assert_int_equal(mnt_detach(top, "a", false, NULL), 0);
}

static void dropped_is_gone(void **state)
{
	int fd;

	(void)state;
	need_root();
	fd = make_tmpfs();
	close(fd);
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 0);
}

static void links_are_not_followed(void **state)
{
	struct err err = { 0 };
	int fd;

	(void)state;
	need_root();
	fd = make_tmpfs();
	assert_true(mnt_attach(fd, top, "link", &err) < 0);
	close(fd);
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 0);
	assert_int_equal(mnt_is_mounted(top, "link", NULL), 0);
	assert_true(mnt_clone(top, "no-such", false, &err) < 0);
	fd = make_tmpfs();
	assert_int_equal(mnt_attach(fd, top, "a", NULL), 0);
	close(fd);
	assert_int_equal(mnt_detach(top, "link", false, NULL), 0);
	assert_int_equal(mnt_is_mounted(top, "a", NULL), 1);
	assert_int_equal(mnt_detach(top, "a", true, NULL), 0);
}

static void a_value_is_one_value(void **state)
{
	struct err err = { 0 };
	int fs;

	(void)state;
	need_root();
	fs = mnt_open("tmpfs", NULL);
	assert_int_equal(mnt_set(fs, "mode", "0700,suid", &err), -EINVAL);
	assert_int_equal(mnt_set(fs, "no-such", NULL, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "no-such"));
	close(fs);
	assert_int_equal(mnt_open("no-such", &err), -ENODEV);
}

static void bind_with_other_attributes(void **state)
{
	int fd;

	(void)state;
	need_root();
	assert_int_equal(mkdirat(top, "a/sub", 0700), 0);
	fd = mnt_clone(top, "a", false, NULL);
	assert_true(fd >= 0);
	assert_int_equal(mnt_attrs(fd, MOUNT_ATTR_RDONLY, 0, false, NULL), 0);
	assert_int_equal(mnt_attach(fd, top, "b", NULL), 0);
	close(fd);
	assert_int_equal(mkdirat(top, "b/x", 0700), -1);
	assert_int_equal(errno, EROFS);
	assert_int_equal(faccessat(top, "b/sub", F_OK, 0), 0);
	assert_int_equal(mnt_detach(top, "b", false, NULL), 0);
}

static uint64_t bytes_of(int fd)
{
	struct statfs sf = { 0 };

	assert_int_equal(fstatfs(fd, &sf), 0);
	return sf.f_blocks * (uint64_t)sf.f_bsize;
}

/* Attached or not; a directory that is no mount's root is refused. */
static void options_change_by_the_root(void **state)
{
	struct err err = { 0 };
	int fd, fs, in;

	(void)state;
	need_root();
	fd = make_tmpfs();
	assert_int_equal(bytes_of(fd), 64 << 10);
	fs = mnt_pick(fd, "", NULL);
	assert_true(fs >= 0);
	assert_int_equal(mnt_set(fs, "size", "128k", NULL), 0);
	assert_int_equal(bytes_of(fd), 64 << 10);
	assert_int_equal(mnt_reconfigure(fs, NULL), 0);
	close(fs);
	assert_int_equal(bytes_of(fd), 128 << 10);
	assert_int_equal(mkdirat(fd, "in", 0700), 0);
	in = openat(fd, "in", O_PATH | O_CLOEXEC);
	assert_true(in >= 0);
	assert_int_equal(mnt_pick(in, "", &err), -EINVAL);
	assert_non_null(strstr(err.msg, "change a mount"));
	close(in);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown_only_when_attached),
		cmocka_unit_test(dropped_is_gone),
		cmocka_unit_test(links_are_not_followed),
		cmocka_unit_test(a_value_is_one_value),
		cmocka_unit_test(bind_with_other_attributes),
		cmocka_unit_test(options_change_by_the_root),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
