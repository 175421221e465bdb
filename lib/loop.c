/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files as block devices. */
#include "lib/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base.h"

#define CONTROL "/dev/loop-control"
#define TRIES   64 /* others take free devices, too */
#define BLOCK   4096

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

int loop_probe(struct err *err)
{
	_cleanup_close_ int ctl = open(CONTROL, O_RDWR | O_CLOEXEC);

	if (ctl < 0)
		return err_set(err, -EOPNOTSUPP,
			       "no loop devices, " CONTROL ": %s",
			       strerror(errno));
	return 0;
}

static int open_device(unsigned int n, char path[static LOOP_PATH_MAX])
{
	int fd;

	snprintf(path, LOOP_PATH_MAX, "/dev/loop%u", n);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool is_of(int dev, const struct stat *image)
{
	struct loop_info64 info;

	return ioctl(dev, LOOP_GET_STATUS64, &info) == 0 &&
	       info.lo_inode == image->st_ino &&
	       info.lo_device == image->st_dev;
}

/* ---- those that are there ------------------------------------------------ */

/* "loop12" -> 12; -1: something else. */
static int number_of(const char *name)
{
	unsigned int n;
	char rest;

	if (sscanf(name, "loop%u%c", &n, &rest) != 1 || n > INT32_MAX)
		return -1;
	return (int)n;
}

static bool backing_file(unsigned int n, char *buf, size_t size)
{
	char path[64];
	_cleanup_close_ int fd = -EBADF;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/block/loop%u/loop/backing_file", n);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	len = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (len <= 0)
		return false;
	buf[len] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

int loop_each(int (*fn)(void *ctx, unsigned int number, const char *file),
	      void *ctx, struct err *err)
{
	_cleanup_(dir_closep) DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	char file[4096];
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "/sys/block: %s", strerror(errno));
	while (r == 0 && (entry = readdir(dir))) {
		int n = number_of(entry->d_name);

		if (n >= 0 && backing_file((unsigned int)n, file, sizeof(file)))
			r = fn(ctx, (unsigned int)n, file);
	}
	return r;
}

void loop_mark(unsigned int number, char mark[static LOOP_MARK_MAX])
{
	char path[LOOP_PATH_MAX];
	_cleanup_close_ int fd = open_device(number, path);
	struct loop_info64 info;

	mark[0] = '\0';
	if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0)
		snprintf(mark, LOOP_MARK_MAX, "%.63s",
			 (const char *)info.lo_file_name);
}

struct search {
	struct stat image;
	char *path; /* LOOP_PATH_MAX */
	int fd;
};

static int try_one(void *ctx, unsigned int number, const char *file)
{
	struct search *s = ctx;
	_cleanup_close_ int fd = open_device(number, s->path);

	(void)file; /* a name says nothing */
	if (fd < 0 || !is_of(fd, &s->image))
		return 0;
	s->fd = take_fd(fd);
	return 1;
}

/* Return: fd; -ENOENT. */
static int find(int image, char path[static LOOP_PATH_MAX], struct err *err)
{
	struct search s = { .path = path, .fd = -EBADF };
	int r;

	if (fstat(image, &s.image) < 0)
		return err_set(err, -errno, "stat: %s", strerror(errno));
	r = loop_each(try_one, &s, err);
	if (r < 0)
		return r;
	return r == 1 ? s.fd
		      : err_set(err, -ENOENT, "the file has no loop device");
}

int loop_has(int image, struct err *err)
{
	char path[LOOP_PATH_MAX];
	_cleanup_close_ int fd = find(image, path, err);

	return fd == -ENOENT ? 0 : fd < 0 ? fd : 1;
}

int loop_of(dev_t dev, int image, struct err *err)
{
	char path[LOOP_PATH_MAX];
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (fstat(image, &st) < 0)
		return err_set(err, -errno, "stat: %s", strerror(errno));
	if (major(dev) == LOOP_MAJOR)
		fd = open_device(minor(dev), path);
	if (fd < 0 || !is_of(fd, &st))
		return err_set(err, -ENOENT, "not a loop device of that file");
	return take_fd(fd);
}

/* ---- a new one ----------------------------------------------------------- */

/* Trimming, by the host's fstrim.timer for one, would punch holes into what was
 * reserved.  Where it can't be set (no sysfs) nothing else is lost. */
static void no_discard(unsigned int n)
{
	char path[64];
	_cleanup_close_ int fd = -EBADF;

	snprintf(path, sizeof(path),
		 "/sys/block/loop%u/queue/discard_max_bytes", n);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "0", 1) < 0)
		return;
}

/* Return: fd; -EBUSY: somebody else was faster; -errno. */
static int configure(int ctl, int image, const char *mark,
		     char path[static LOOP_PATH_MAX])
{
	struct loop_config config = {
		.fd = (__u32)image,
		.block_size = BLOCK,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};
	_cleanup_close_ int fd = -EBADF;
	int n = ioctl(ctl, LOOP_CTL_GET_FREE);

	if (n < 0)
		return -errno;
	snprintf((char *)config.info.lo_file_name,
		 sizeof(config.info.lo_file_name), "%s", mark);
	fd = open_device((unsigned int)n, path);
	if (fd < 0)
		return fd == -ENXIO ? -EBUSY : fd;
	if (ioctl(fd, LOOP_CONFIGURE, &config) < 0)
		return -errno;
	no_discard((unsigned int)n);
	return take_fd(fd);
}

int loop_attach(int image, const char *mark, char path[static LOOP_PATH_MAX],
		struct err *err)
{
	_cleanup_close_ int ctl = open(CONTROL, O_RDWR | O_CLOEXEC);
	int r = find(image, path, err);

	if (r != -ENOENT)
		return r;
	if (ctl < 0)
		return err_set(err, -errno, CONTROL ": %s", strerror(errno));
	for (int i = 0; i < TRIES; i++) {
		r = configure(ctl, image, mark, path);
		if (r >= 0)
			return r;
		if (r != -EBUSY)
			break;
	}
	return err_set(err, r, "no loop device could be had (%s): %s", path,
		       strerror(-r));
}

int loop_resize(int dev, struct err *err)
{
	if (ioctl(dev, LOOP_SET_CAPACITY, 0) < 0)
		return err_set(err, -errno, "resize the loop device: %s",
			       strerror(errno));
	return 0;
}
