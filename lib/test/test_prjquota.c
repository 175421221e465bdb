/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Project quotas: where the kernel has none, that this is said; what they do is
 * tested on a kernel that has them, by integration/vm. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/prjquota.h"
#include "lib/test/loopfs.h"

#define MIB (1u << 20)
/* ext4 lets root's CAP_SYS_RESOURCE pass */
#define DD "setpriv --bounding-set -sys_resource dd if=/dev/zero bs=1M "

static void no_quotas_is_said_with_the_reason(void **state)
{
	const struct {
		const char *mkfs, *why;
	} rows[] = {
		{ "mkfs.xfs -q", "mount it with the option prjquota" },
		{ "mkfs.ext4 -q", "ext4 has project quotas off: it needs "
				  "tune2fs -O project" },
		{ "mkfs.btrfs -q", "neither ext4 nor xfs" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_close_ int fd = -EBADF;
		struct loopfs fs = { 0 };
		struct err err = { 0 };
		uint32_t id = 1;

		if (loopfs_open(&fs, rows[i].mkfs, "loop") < 0) {
			print_message("SKIP: %s on a loop device\n",
				      rows[i].mkfs);
			continue;
		}
		fd = open(fs.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_int_equal(prjquota_check(fd, &err), -EOPNOTSUPP);
		if (!strstr(err.msg, rows[i].why))
			fail_msg("%s: %s", rows[i].mkfs, err.msg);
		assert_int_equal(prjquota_id(fd, &id, NULL), 0);
		assert_int_equal(id, 0);
		close(take_fd(fd));
		assert_int_equal(loopfs_close(&fs), 0);
	}
}

/* All of it, on a file system that has quotas. */
static void quotas_work(struct loopfs *fs)
{
	_cleanup_close_ int root =
		open(fs->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int a = -EBADF, b = -EBADF;
	uint32_t next = 0, id = 0, other = 0, got = 0;
	struct prjquota q;

	assert_int_equal(prjquota_check(root, NULL), 0);
	assert_int_equal(mkdirat(root, "a", 0700), 0);
	assert_int_equal(mkdirat(root, "b", 0700), 0);
	a = openat(root, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b = openat(root, "b", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(prjquota_pick(root, &next, &id, NULL), 0);
	assert_in_range(id, PRJQUOTA_FIRST,
			PRJQUOTA_FIRST + PRJQUOTA_COUNT - 1);
	assert_int_equal(prjquota_claim(a, id, NULL), 0);
	assert_int_equal(prjquota_claim(a, id, NULL), 0);
	assert_int_equal(prjquota_id(a, &got, NULL), 0);
	assert_int_equal(got, id);
	/* an id with files, or with a limit, is not free */
	next = id;
	assert_int_equal(prjquota_pick(root, &next, &other, NULL), 0);
	assert_int_not_equal(other, id);
	assert_int_equal(prjquota_limit(root, other, MIB, NULL), 0);
	next = other;
	assert_int_equal(prjquota_pick(root, &next, &got, NULL), 0);
	assert_int_not_equal(got, other);
	assert_int_equal(prjquota_limit(root, other, 0, NULL), 0);
	next = other;
	assert_int_equal(prjquota_pick(root, &next, &got, NULL), 0);
	assert_int_equal(got, other);

	assert_int_equal(prjquota_limit(root, id, 10 * MIB, NULL), 0);
	assert_int_equal(mkdirat(a, "sub", 0700), 0);
	assert_int_not_equal(loopfs_run(fs, DD "of=a/sub/x count=20"), 0);
	assert_int_equal(prjquota_get(root, id, &q, NULL), 0);
	assert_int_equal(q.limit, 10 * MIB);
	assert_in_range(q.used, 9 * MIB, 10 * MIB);
	assert_int_equal(q.inodes, 3);
	assert_int_equal(prjquota_limit(root, id, 0, NULL), 0);
	assert_int_equal(loopfs_run(fs, DD "of=a/y count=20"), 0);
	assert_int_equal(prjquota_claim(a, 0, NULL), 0);
	assert_int_equal(prjquota_id(a, &got, NULL), 0);
	assert_int_equal(got, 0);
	assert_int_equal(prjquota_get(root, PRJQUOTA_FIRST - 1, &q, NULL), 0);
	assert_int_equal(q.used + q.limit + q.inodes, 0);
}

static void quotas_of_ext4(void **state)
{
	struct loopfs fs = { 0 };

	(void)state;
	if (loopfs_open(&fs, "mkfs.ext4 -q -O quota,project", "loop,prjquota") <
	    0) {
		print_message("SKIP: no project quotas of ext4 here\n");
		skip();
	}
	quotas_work(&fs);
	assert_int_equal(loopfs_close(&fs), 0);
}

static void quotas_of_xfs(void **state)
{
	struct loopfs fs = { 0 };

	(void)state;
	if (loopfs_open(&fs, "mkfs.xfs -q", "loop,prjquota") < 0) {
		print_message("SKIP: no project quotas of xfs here\n");
		skip();
	}
	quotas_work(&fs);
	assert_int_equal(loopfs_close(&fs), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_quotas_is_said_with_the_reason),
		cmocka_unit_test(quotas_of_ext4),
		cmocka_unit_test(quotas_of_xfs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
