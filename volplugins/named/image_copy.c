/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying an image: by sharing its blocks, or what of it is in use. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fail.h"
#include "volplugins/named/freeze.h"
#include "volplugins/named/image.h"

#define STEP (64u << 20) /* bytes a call copies, at most */

/* On btrfs only files of the same kind can share. */
static void same_copy_on_write(int in, int out)
{
	int flags, own;

	if (ioctl(in, FS_IOC_GETFLAGS, &flags) < 0 ||
	    ioctl(out, FS_IOC_GETFLAGS, &own) < 0)
		return;
	own = (own & ~FS_NOCOW_FL) | (flags & FS_NOCOW_FL);
	(void)ioctl(out, FS_IOC_SETFLAGS, &own);
}

/* The kernel holds writers off for the moment it takes.  Return: 0;
 * -EOPNOTSUPP: not on this file system. */
static int share(int in, int out)
{
	int r;

	same_copy_on_write(in, out);
	do
		r = ioctl(out, FICLONE, in) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r == -EINVAL || r == -ENOTTY || r == -EXDEV || r == -ENOSYS
		       ? -EOPNOTSUPP
		       : r;
}

struct copying {
	int in, out;
	uint64_t until_ms; /* 0: none */
	off_t unsynced;    /* bytes */
};

/* With a limit what was copied is on the disk soon, or what was quick would be
 * paid for at the end.  Return: 0; -ETIME. */
static int keep_time(struct copying *c, off_t more)
{
	if (!c->until_ms)
		return 0;
	c->unsynced += more;
	if (c->unsynced >= STEP) {
		if (fdatasync(c->out) < 0)
			return -errno;
		c->unsynced = 0;
	}
	return clock_mono_ms() >= c->until_ms ? -ETIME : 0;
}

/* [@at, @end) of both. */
static int copy_range(struct copying *c, off_t at, off_t end)
{
	int r = keep_time(c, 0);

	while (r == 0 && at < end) {
		size_t most = end - at > STEP ? STEP : (size_t)(end - at);
		off_t from = at, to = at;
		ssize_t n = copy_file_range(c->in, &from, c->out, &to, most, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO; /* it was cut meanwhile */
		at += n;
		r = keep_time(c, n);
	}
	return r;
}

/* What was reserved and never written to is a hole to the kernel. */
static int copy_data(struct copying *c, off_t size)
{
	off_t at = 0, end;
	int r = 0;

	while (r == 0 && at < size) {
		at = lseek(c->in, at, SEEK_DATA);
		if (at < 0)
			return errno == ENXIO ? 0 : -errno;
		end = lseek(c->in, at, SEEK_HOLE);
		if (end < 0)
			return -errno;
		r = copy_range(c, at, end);
		at = end;
	}
	return r;
}

static int copy_still(struct copying *c, int frozen, off_t size,
		      struct err *err)
{
	struct freeze f = { 0 };
	int r = frozen < 0 ? 0 : freeze_begin(frozen, &f, err), end;

	if (r < 0)
		return r;
	r = FAILPOINT("named.image.frozen");
	if (r == 0 && fsync(c->in) < 0)
		r = -errno;
	/* what was read of a reserved block, zeros, counts as data while it is
	 * in memory; nor is anything to be read ahead */
	(void)posix_fadvise(c->in, 0, 0, POSIX_FADV_DONTNEED);
	(void)posix_fadvise(c->in, 0, 0, POSIX_FADV_RANDOM);
	if (r == 0)
		r = copy_data(c, size);
	end = freeze_end(&f, err);
	if (r == -ETIME)
		return err_set(err, r,
			       "there is too much to copy while others wait: "
			       "ask for it again");
	if (r < 0)
		return err_set(err, r, "copy the image: %s", strerror(-r));
	return end;
}

int image_copy(int in, int out, int frozen, bool reserve, uint64_t until_ms,
	       struct err *err)
{
	struct copying c = { .in = in, .out = out, .until_ms = until_ms };
	struct stat st;
	int r;

	if (fstat(in, &st) < 0)
		return err_set(err, -errno, "image: %s", strerror(errno));
	/* what its users have written so far */
	if (frozen >= 0 && syncfs(frozen) < 0)
		return err_set(err, -errno, "write to the image: %s",
			       strerror(errno));
	r = share(in, out);
	if (r == 0)
		return 0;
	if (r != -EOPNOTSUPP)
		return err_set(err, r, "share the blocks of the image: %s",
			       strerror(-r));
	/* a full disk is to be met now, and not by somebody who waits */
	r = reserve ? image_reserve(out, (uint64_t)st.st_size, err)
	    : ftruncate(out, st.st_size) < 0
		    ? err_set(err, -errno, "copy the image: %s",
			      strerror(errno))
		    : 0;
	return r < 0 ? r : copy_still(&c, frozen, st.st_size, err);
}
