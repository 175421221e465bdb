/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loopfs.h - a file system of a test's own, on a loop device. */
#ifndef LIB_TEST_LOOPFS_H
#define LIB_TEST_LOOPFS_H

struct loopfs {
	char dir[64]; /* where it is mounted; "": it is not open */
	char image[80];
};

/*
 * loopfs_open() - make the file system and mount it, in a mount namespace that
 * the test process has alone from then on.
 *
 * @mkfs: a command, the image's path follows.  @mount: options, e.g. "loop".
 * Return: 0; -1, and why on stdout as a TAP comment: not to be had here.
 */
int loopfs_open(struct loopfs *fs, const char *mkfs, const char *mount);
/* Unmount and delete it, if it is open.  0; -1. */
int loopfs_close(struct loopfs *fs);
/* loopfs_need() - the test is skipped, and says why, where @fs is not to be had. */
void loopfs_need(const struct loopfs *fs);

/* An ext4 that a program's tests share: the setup and the teardown of their group.
 * Each test that uses it has to loopfs_need() it. */
extern struct loopfs loopfs_ext4;
int loopfs_ext4_setup(void **state);
int loopfs_ext4_teardown(void **state);

/* loopfs_run() - a shell command with @fs->dir as its directory; its status. */
int loopfs_run(struct loopfs *fs, const char *command);
/* The same; the test fails if the command does. */
void loopfs_must(struct loopfs *fs, const char *command);
/* Open @name in @fs->dir, close-on-exec; mode 0600.  The test fails if it can't be. */
int loopfs_file(const struct loopfs *fs, const char *name, int flags);
/* trees_alike() of two directories in it. */
void loopfs_alike(const struct loopfs *fs, const char *a, const char *b,
		  const char *after);

#endif
