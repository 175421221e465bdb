/* SPDX-License-Identifier: GPL-2.0-or-later */
/* File systems on loop devices for unit tests. */
#include "lib/test/loopfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/test/test.h"
#include "lib/test/tree_look.h"

#define SIZE (512 << 20) /* sparse */

static int why(const char *what)
{
	printf("# %s: %s\n", what, strerror(errno));
	return -1;
}

static void take_back(struct loopfs *fs)
{
	unlink(fs->image);
	rmdir(fs->dir);
	fs->dir[0] = '\0';
}

int loopfs_open(struct loopfs *fs, const char *mkfs, const char *opts)
{
	char line[512];
	int fd;

	fs->dir[0] = '\0';
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return why("mount namespace");
	snprintf(fs->dir, sizeof(fs->dir), "/tmp/berth-test-fs-XXXXXX");
	if (!mkdtemp(fs->dir)) {
		why(fs->dir);
		fs->dir[0] = '\0';
		return -1;
	}
	snprintf(fs->image, sizeof(fs->image), "%s.img", fs->dir);
	fd = open(fs->image, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, SIZE) < 0) {
		why(fs->image);
		take_back(fs);
		return -1;
	}
	close(fd);
	snprintf(line, sizeof(line), "exec >&2; %s %s && mount -o %s %s %s",
		 mkfs, fs->image, opts, fs->image, fs->dir);
	if (system(line) != 0) {
		printf("# failed: %s\n", line);
		take_back(fs);
		return -1;
	}
	return 0;
}

int loopfs_close(struct loopfs *fs)
{
	int r = 0;

	if (!fs->dir[0])
		return 0;
	/* a process that a test left behind may still be on its way out */
	if (!TEST_WITHIN_S(30, umount(fs->dir) == 0))
		r = why("umount");
	take_back(fs);
	return r;
}

void loopfs_need(const struct loopfs *fs)
{
	if (fs->dir[0])
		return;
	print_message("SKIP: no such file system on a loop device here\n");
	skip();
}

struct loopfs loopfs_ext4;

int loopfs_ext4_setup(void **state)
{
	(void)state;
	(void)loopfs_open(&loopfs_ext4, "mkfs.ext4 -q", "loop");
	return 0; /* without one each test says so */
}

int loopfs_ext4_teardown(void **state)
{
	(void)state;
	return loopfs_close(&loopfs_ext4);
}

int loopfs_run(struct loopfs *fs, const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && { %s; } >&2", fs->dir, command);
	return system(line);
}

void loopfs_must(struct loopfs *fs, const char *command)
{
	if (loopfs_run(fs, command) != 0)
		fail_msg("failed: %s", command);
}

int loopfs_file(const struct loopfs *fs, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fs->dir, name);
	fd = open(path, flags | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

void loopfs_alike(const struct loopfs *fs, const char *a, const char *b,
		  const char *after)
{
	char was[128], is[128];

	snprintf(was, sizeof(was), "%s/%s", fs->dir, a);
	snprintf(is, sizeof(is), "%s/%s", fs->dir, b);
	trees_alike(was, is, after);
}
