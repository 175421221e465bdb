/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block devices and what is on them. */
#include "lib/blkdev.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "lib/base.h"

#define HEAD (1u << 20)

static void probep(blkid_probe *pr)
{
	blkid_free_probe(*pr);
}

int blkdev_open(const char *path, bool alone, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "%s is not a block device", path);
	fd = open(path, O_RDWR | O_CLOEXEC | (alone ? O_EXCL : 0));
	if (fd < 0 && errno == EBUSY)
		return err_set(err, -EBUSY,
			       "%s is in use: mounted, or part of another "
			       "device (lsblk %s shows it)",
			       path, path);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	return take_fd(fd);
}

int blkdev_size(int fd, uint64_t *ret, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "stat: %s", strerror(errno));
	*ret = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, ret) < 0)
		return err_set(err, -errno, "size of the device: %s",
			       strerror(errno));
	return 0;
}

static int head_is_zero(int fd, const char *path, struct err *err)
{
	_cleanup_free_ char *head = malloc(HEAD);
	ssize_t n = head ? pread(fd, head, HEAD, 0) : -1;

	if (n < 0)
		return err_set(err, -errno, "read %s: %s", path,
			       strerror(errno));
	for (ssize_t i = 0; i < n; i++)
		if (head[i])
			return err_set(
				err, -EEXIST,
				"%s has data on it that is none of ours: if "
				"nobody needs it, wipe the device (blkdiscard "
				"-z, or dd if=/dev/zero bs=1M count=1)",
				path);
	return 0;
}

int blkdev_blank(int fd, const char *path, struct err *err)
{
	_cleanup_(probep) blkid_probe pr = blkid_new_probe();
	const char *type = NULL;
	int r;

	if (!pr || blkid_probe_set_device(pr, fd, 0, 0) < 0)
		return err_set(err, -EIO, "look at %s: libblkid can't", path);
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE |
						      BLKID_SUBLKS_BADCSUM);
	blkid_probe_enable_partitions(pr, 1);
	r = blkid_do_probe(pr);
	if (r < 0)
		return err_set(err, -EIO, "look at %s: it can't be read", path);
	if (r > 0) /* nothing */
		return head_is_zero(fd, path, err);
	if (blkid_probe_lookup_value(pr, "TYPE", &type, NULL) < 0)
		(void)blkid_probe_lookup_value(pr, "PTTYPE", &type, NULL);
	return err_set(err, -EEXIST,
		       "%s has data on it (%s): if nobody needs it, run "
		       "wipefs -a %s",
		       path, type ? type : "of a known kind", path);
}
