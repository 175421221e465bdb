/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loop devices: one a file, gone with its last user, found by inode. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/loop.h"

static int make_file(char path[static 64], off_t size)
{
	int fd;

	snprintf(path, 64, "/tmp/berth-test-loop-XXXXXX");
	fd = mkostemp(path, O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	return fd;
}

static void need_loop(void)
{
	if (geteuid() != 0 || loop_probe(NULL) < 0) {
		print_message("SKIP: no loop devices\n");
		skip();
	}
}

static int count_one(void *ctx, unsigned int number, const char *file)
{
	const char *const *want = ctx;

	(void)number;
	return strncmp(file, *want, strlen(*want)) == 0;
}

static bool has_device(const char *path)
{
	return loop_each(count_one, &path, NULL) == 1;
}

static void wait_gone(const char *path)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && has_device(path); i++)
		nanosleep(&ms, NULL);
	assert_false(has_device(path));
}

static void one_a_file_and_gone_with_its_user(void **state)
{
	char file[64], a[LOOP_PATH_MAX], b[LOOP_PATH_MAX], mark[LOOP_MARK_MAX];
	struct loop_info64 info;
	struct err err = { 0 };
	struct stat st;
	int image, x, y, z, other;

	(void)state;
	need_loop();
	image = make_file(file, 1 << 20);
	assert_int_equal(loop_has(image, &err), 0);
	x = loop_attach(image, "mark", a, &err);
	assert_true(x >= 0);
	assert_int_equal(loop_has(image, &err), 1);
	y = loop_attach(image, "mark", b, &err);
	assert_true(y >= 0);
	assert_string_equal(a, b);
	assert_int_equal(ioctl(x, LOOP_GET_STATUS64, &info), 0);
	assert_true(info.lo_flags & LO_FLAGS_AUTOCLEAR);
	loop_mark(info.lo_number, mark);
	assert_string_equal(mark, "mark");
	assert_int_equal(fstat(x, &st), 0);
	z = loop_of(st.st_rdev, image, &err);
	assert_true(z >= 0);
	close(z);
	other = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(loop_of(st.st_rdev, other, &err), -ENOENT);
	close(other);
	close(x);
	assert_true(has_device(file));
	close(y);
	wait_gone(file);
	assert_int_equal(loop_of(st.st_rdev, image, &err), -ENOENT);
	assert_int_equal(loop_has(image, &err), 0);
	close(image);
	unlink(file);
}

/* A name says nothing: another file of that name has another device. */
static void found_by_inode(void **state)
{
	char file[64], a[LOOP_PATH_MAX], b[LOOP_PATH_MAX];
	int image, again, x, y;

	(void)state;
	need_loop();
	image = make_file(file, 1 << 20);
	x = loop_attach(image, "", a, NULL);
	assert_true(x >= 0);
	assert_int_equal(unlink(file), 0);
	again = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(again, 1 << 20), 0);
	y = loop_attach(again, "", b, NULL);
	assert_true(y >= 0);
	assert_string_not_equal(a, b);
	close(x);
	close(y);
	wait_gone(file);
	close(image);
	close(again);
	unlink(file);
}

static void grows_with_its_file(void **state)
{
	char file[64], a[LOOP_PATH_MAX];
	int image, x;

	(void)state;
	need_loop();
	image = make_file(file, 1 << 20);
	x = loop_attach(image, "", a, NULL);
	assert_int_equal(lseek(x, 0, SEEK_END), 1 << 20);
	assert_int_equal(ftruncate(image, 3 << 20), 0);
	assert_int_equal(loop_resize(x, NULL), 0);
	assert_int_equal(lseek(x, 0, SEEK_END), 3 << 20);
	close(x);
	wait_gone(file);
	close(image);
	unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_a_file_and_gone_with_its_user),
		cmocka_unit_test(found_by_inode),
		cmocka_unit_test(grows_with_its_file),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
