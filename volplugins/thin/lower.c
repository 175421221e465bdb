/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device or file below a pool, and the line at its head. */
#include "volplugins/thin/lower.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "lib/base.h"
#include "lib/blkdev.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/tree.h"

#define IMAGE        "pool.img"
#define SIZE_DEFAULT (10ull << 30)
#define SECTOR       512

void thin_lower_closep(struct thin_lower *l)
{
	closep(&l->fd);
	closep(&l->more_fd);
}

/* ---- the device below ---------------------------------------------------------- */

/* The size of a new pool.img: what was asked for, else a quarter of what is
 * free, at most 10 GiB. */
static uint64_t image_size(const struct thin_pool *p)
{
	struct statvfs fs;
	uint64_t free_bytes = 0;

	if (p->config->size)
		return p->config->size;
	if (fstatvfs(p->dir, &fs) == 0)
		free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize / 4;
	if (free_bytes > SIZE_DEFAULT)
		free_bytes = SIZE_DEFAULT;
	return free_bytes & ~(uint64_t)((1u << 20) - 1);
}

/* All of its blocks are reserved: a full disk of the host can't make a write to a
 * volume fail. */
static int image_reserve(int fd, uint64_t now, uint64_t bytes, struct err *err)
{
	int r;

	do
		r = fallocate(fd, 0, 0, (off_t)bytes) < 0 ? -errno : 0;
	while (r == -EINTR);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		return 0;
	/* what it got before it failed is all that the host had */
	if (ftruncate(fd, (off_t)now) < 0)
		log_warn("op=thin.pool file=" IMAGE " err=\"give its blocks "
			 "back: %s\"",
			 strerror(errno));
	return err_set(err, r,
		       "reserve %" PRIu64 " bytes for the pool on this host's "
		       "disk: %s (--pool-size says how many)",
		       bytes, strerror(-r));
}

/* One that was cut would be filled up with zeros. */
static bool image_is_whole(const struct thin_pool *p, int fd, uint64_t bytes)
{
	const struct thin_lower l = { .fd = fd, .name = IMAGE };
	struct thin_layout layout;

	return thin_header_read(&l, &layout, NULL) == 0 &&
	       thin_layout_data(&layout, bytes) >= p->data_sectors;
}

/* Larger, where the flags say so. */
static int image_fit(struct thin_pool *p, int fd, bool fresh, struct err *err)
{
	uint64_t bytes = 0, want = fresh ? image_size(p) : p->config->size;
	struct err why = { 0 };
	int r = blkdev_size(fd, &bytes, err);

	if (r < 0 || want <= bytes)
		return r;
	if (!fresh && !image_is_whole(p, fd, bytes))
		return 0; /* whoever reads it says what is wrong */
	if (fresh)
		return image_reserve(fd, bytes, want & ~(uint64_t)4095, err);
	if (image_reserve(fd, bytes, want & ~(uint64_t)4095, &why) == 0)
		return 0;
	/* its volumes can be used as it is */
	log_error("op=thin.pool err=\"%s: the pool stays as large as it was\"",
		  why.msg);
	return 0;
}

static int image_open(struct thin_pool *p, bool fresh, struct thin_lower *ret,
		      struct err *err)
{
	_cleanup_close_ int fd = openat(
		p->dir, IMAGE,
		O_RDWR | O_NOFOLLOW | O_CLOEXEC | (fresh ? O_CREAT : 0), 0600);
	struct stat st;
	int r;

	ret->name = IMAGE;
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, fd < 0 ? -errno : -EUCLEAN,
			       "file " IMAGE " of the pool: %s",
			       fd < 0 ? strerror(errno) : "not a file");
	r = image_fit(p, fd, fresh, err);
	if (r == 0)
		r = ret->fd = loop_attach(fd, "berth-thin", ret->path, err);
	if (r >= 0)
		r = loop_resize(ret->fd, err);
	return r;
}

int thin_lower_open(struct thin_pool *p, bool fresh, struct thin_lower *ret,
		    struct err *err)
{
	struct stat st;
	int r;

	ret->fd = ret->more_fd = -EBADF;
	if (p->config->device) {
		ret->name = p->config->device;
		ret->fd = blkdev_open(p->config->device, false, err);
		r = ret->fd < 0 ? ret->fd : 0;
	} else {
		r = image_open(p, fresh, ret, err);
	}
	if (r == 0)
		r = blkdev_size(ret->fd, &ret->bytes, err);
	if (r == 0 && fstat(ret->fd, &st) < 0)
		r = err_set(err, -errno, "stat: %s", strerror(errno));
	if (r == 0)
		snprintf(ret->dev, sizeof(ret->dev), "%u:%u", major(st.st_rdev),
			 minor(st.st_rdev));
	if (r == 0 && !p->config->device && !fresh)
		r = thin_more_open(p, ret, err);
	return r;
}

/* ---- more metadata ---------------------------------------------------------------- */

static void more_name(const struct thin_pool *p, char name[static 32])
{
	snprintf(name, 32, "meta-%.8s.img", p->layout.uuid);
}

static int more_attach(struct thin_lower *l, int file, struct err *err)
{
	char path[LOOP_PATH_MAX];
	struct stat st;
	int r;

	closep(&l->more_fd);
	l->more_fd = loop_attach(file, "berth-thin", path, err);
	r = l->more_fd < 0 ? l->more_fd : loop_resize(l->more_fd, err);
	if (r == 0 && fstat(l->more_fd, &st) < 0)
		r = err_set(err, -errno, "stat: %s", strerror(errno));
	if (r == 0)
		snprintf(l->more_dev, sizeof(l->more_dev), "%u:%u",
			 major(st.st_rdev), minor(st.st_rdev));
	return r;
}

int thin_more_open(const struct thin_pool *p, struct thin_lower *l,
		   struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	uint64_t bytes = 0;
	char name[32];
	int r;

	more_name(p, name);
	fd = openat(p->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !p->more)
		return 0;
	if (fd < 0)
		return err_set(err, errno == ENOENT ? -ENODEV : -errno,
			       "file %s, which has a part of the pool's "
			       "metadata: %s",
			       name, strerror(errno));
	r = blkdev_size(fd, &bytes, err);
	if (r < 0)
		return r;
	l->more = bytes / SECTOR & ~(uint64_t)7;
	if (l->more < p->more)
		return err_set(err, -EUCLEAN,
			       "%s was cut: %" PRIu64
			       " bytes, the pool's metadata needs %" PRIu64
			       ". Nothing was changed",
			       name, bytes, p->more * SECTOR);
	return l->more ? more_attach(l, fd, err) : 0;
}

int thin_more_grow(const struct thin_pool *p, struct thin_lower *l,
		   uint64_t sectors, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char name[32];
	int r;

	more_name(p, name);
	fd = openat(p->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return err_set(err, -errno, "make %s: %s", name,
			       strerror(errno));
	r = image_reserve(fd, l->more * SECTOR, sectors * SECTOR, err);
	if (r == 0)
		r = tree_sync(p->dir);
	if (r == 0)
		r = FAILPOINT("thin.pool.grown-file");
	if (r == 0)
		r = more_attach(l, fd, err);
	if (r == 0)
		l->more = sectors;
	return r;
}

/* ---- the header ------------------------------------------------------------------ */

int thin_header_read(const struct thin_lower *l, struct thin_layout *ret,
		     struct err *err)
{
	char head[THIN_HEADER_SIZE];
	ssize_t n = pread(l->fd, head, sizeof(head), 0);

	if (n != sizeof(head))
		return err_set(err, n < 0 ? -errno : -ENODATA, "read %s: %s",
			       l->name,
			       n < 0 ? strerror(errno) : "nothing is there");
	return thin_layout_parse(head, ret, err);
}

static int write_all(int fd, const char *buf, off_t at)
{
	ssize_t n = pwrite(fd, buf, THIN_HEADER_SIZE, at);

	return n == THIN_HEADER_SIZE ? 0 : n < 0 ? -errno : -EIO;
}

/* The header last: without it there is no pool. */
int thin_header_write(const struct thin_pool *p, const struct thin_lower *l,
		      struct err *err)
{
	char buf[THIN_HEADER_SIZE] = { 0 };
	int r = write_all(l->fd, buf, (off_t)THIN_META_START * SECTOR);

	if (r == 0 && fsync(l->fd) < 0)
		r = -errno;
	thin_layout_print(&p->layout, buf);
	if (r == 0)
		r = write_all(l->fd, buf, 0);
	if (r == 0 && fsync(l->fd) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "write the pool's header to %s: %s",
			       l->name, strerror(-r));
	return FAILPOINT("thin.pool.formatted");
}
