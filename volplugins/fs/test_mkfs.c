/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What mkfs writes, on files of the test's own. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "volplugins/fs/mkfs.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static int new_file(uint64_t size)
{
	char path[] = "/tmp/berth-test-mkfs-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	if (ftruncate(fd, (off_t)size) < 0) {
		close(fd);
		print_message("SKIP: no file that large\n");
		skip();
	}
	return fd;
}

static void need(const char *fs)
{
	if (mkfs_probe(fs, NULL) < 0) {
		print_message("SKIP: no mkfs.%s\n", fs);
		skip();
	}
}

static uint64_t le32(const unsigned char *at)
{
	return at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
	       (uint64_t)at[3] << 24;
}

static uint64_t be32(const unsigned char *at)
{
	return at[3] | (uint64_t)at[2] << 8 | (uint64_t)at[1] << 16 |
	       (uint64_t)at[0] << 24;
}

/* Of its journal or log: s_jnl_blocks[16], the inode's size; sb_logblocks. */
static uint64_t journal_of(const char *fs, int fd)
{
	unsigned char sb[2048];

	assert_int_equal(pread(fd, sb, sizeof(sb), 0), sizeof(sb));
	return strcmp(fs, "ext4") == 0 ? le32(sb + 1024 + 0x10c + 64)
				       : be32(sb + 96) * 4096;
}

static const struct cost_row {
	const char *name, *fs;
	uint64_t size;
	enum mkfs_content content;
	uint64_t journal; /* at most */
} costs[] = {
	{ "ext4 of 16m", "ext4", 16 * MIB, MKFS_ZEROED, 4 * MIB },
	{ "ext4 of 16m, left", "ext4", 16 * MIB, MKFS_LEAVE, 4 * MIB },
	{ "ext4 of 200m, left", "ext4", 200 * MIB, MKFS_LEAVE, 16 * MIB },
	{ "ext4 of 1g, left", "ext4", GIB, MKFS_LEAVE, 32 * MIB },
	{ "ext4 of 10g, left", "ext4", 10 * GIB, MKFS_LEAVE, 64 * MIB },
	{ "ext4 of 31g, left", "ext4", 31 * GIB, MKFS_LEAVE, 128 * MIB },
	{ "ext4 of 32g, left", "ext4", 32 * GIB, MKFS_LEAVE, 128 * MIB },
	{ "ext4 of 100g", "ext4", 100 * GIB, MKFS_ZEROED, 512 * MIB },
	{ "ext4 of 1t, left", "ext4", 1024 * GIB, MKFS_LEAVE, 128 * MIB },
	{ "xfs of 300m", "xfs", 300 * MIB, MKFS_ZEROED, 64 * MIB },
	{ "xfs of 200g", "xfs", 200 * GIB, MKFS_LEAVE, 128 * MIB },
	{ "xfs of 1t", "xfs", 1024 * GIB, MKFS_ZEROED, 128 * MIB },
	{ "xfs of 8t, left", "xfs", 8192 * GIB, MKFS_LEAVE, 128 * MIB },
};

static void cost_row(void **state)
{
	const struct cost_row *row = *state;
	uint64_t journal, cost;
	struct stat st;
	int fd;

	need(row->fs);
	fd = new_file(row->size);
	assert_int_equal(mkfs_run(row->fs, fd, row->content, NULL), 0);
	journal = journal_of(row->fs, fd);
	assert_true(journal > 0 && journal <= row->journal);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	cost = mkfs_cost(row->fs, row->size, row->content, 65536);
	assert_true((uint64_t)st.st_blocks * 512 <= cost);
	assert_true(cost <= 320 * MIB);
}

/* e2fsck in a file of any content: the daemon runs none. */
static int checked(int fd)
{
	static const char *const argv[] = { "/usr/sbin/e2fsck", "-fn",
					    "/proc/self/fd/3", NULL };
	static char *const no_env[] = { NULL };
	posix_spawn_file_actions_t files;
	int status = -1, high = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&files, high, 3);
	if (posix_spawn(&pid, argv[0], &files, NULL,
			(char *const *)(uintptr_t)argv, no_env) == 0)
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&files);
	close(high);
	return status;
}

/* How many of its blocks of 4096 bytes are as they were. */
static unsigned int untouched(int fd, const char *block)
{
	char buf[4096];
	unsigned int n = 0;

	for (off_t at = 0;
	     pread(fd, buf, sizeof(buf), at) == (ssize_t)sizeof(buf);
	     at += (off_t)sizeof(buf))
		n += memcmp(buf, block, sizeof(buf)) == 0;
	return n;
}

static void tables_are_left_and_the_journal_is_not(void **state)
{
	const uint64_t size = 64 * MIB;
	const unsigned int blocks = (unsigned int)(size / 4096);
	char block[4096];
	unsigned int left;
	int fd;

	(void)state;
	need("ext4");
	fd = new_file(size);
	memset(block, 0xa5, sizeof(block));
	for (unsigned int i = 0; i < blocks; i++)
		assert_int_equal(write(fd, block, sizeof(block)),
				 sizeof(block));
	assert_int_equal(mkfs_run("ext4", fd, MKFS_LEAVE, NULL), 0);
	left = untouched(fd, block);
	/* the journal's 1024 and few more; tables of inodes take 1024 as well */
	assert_true(left <= blocks - 1024 && left > blocks - 1024 - 128);
	assert_int_equal(checked(fd), 0);
	assert_int_equal(mkfs_run("ext4", fd, MKFS_ZERO, NULL), 0);
	assert_true(untouched(fd, block) <= blocks - 2048);
	assert_int_equal(checked(fd), 0);
	close(fd);
}

static void others_are_refused(void **state)
{
	struct err err = { 0 };
	int fd = new_file(MIB);

	(void)state;
	assert_int_equal(mkfs_run("btrfs", fd, MKFS_ZERO, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "not ext4 or xfs"));
	close(fd);
	assert_int_equal(mkfs_run("ext4", -1, MKFS_ZERO, &err), -EBADF);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(costs) + 2] = {
		cmocka_unit_test(tables_are_left_and_the_journal_is_not),
		cmocka_unit_test(others_are_refused),
	};
	size_t n = 2 + TEST_ROWS(tests + 2, costs, cost_row);

	(void)n;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
