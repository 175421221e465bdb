/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copying directory trees that somebody else fills. */
#include "lib/tree_copy.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include "lib/arc_inodes.h"
#include "lib/base.h"
#include "lib/inroot.h"
#include "lib/log.h"
#include "lib/tree.h"

#define DIR_FLAGS  (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define BUF_SIZE   (128u << 10)
#define ATTRS_SIZE (64u << 10)
#define LINKS_MAX  65536
#define FD_PATH    32

struct copying {
	int root;         /* of what is made */
	struct stat made; /* that directory */
	dev_t dev;        /* of what is read */
	struct arc_inodes
		links; /* of files with several names: where the first is */
	size_t link_count;
	char *buf, *attrs;   /* owned */
	char path[PATH_MAX]; /* of the entry, from the root */
	size_t len, depth;
	bool (*stop)(void *ctx);
	void *ctx;
	struct err *err;
};

static void copying_fini(struct copying *c)
{
	arc_inodes_fini(&c->links);
	free(c->buf);
	free(c->attrs);
}

static const char *fd_path(char buf[static FD_PATH], int fd)
{
	snprintf(buf, FD_PATH, "/proc/self/fd/%d", fd);
	return buf;
}

static int failed(const struct copying *c, int code, const char *what)
{
	char shown[160];

	return err_set(c->err, code, "%s %s: %s", what,
		       log_quote(shown, sizeof(shown), c->len ? c->path : "."),
		       strerror(-code));
}

static bool is_stopped(const struct copying *c)
{
	return c->stop && c->stop(c->ctx);
}

/* ---- attributes -------------------------------------------------------------------- */

#define ACL_ACCESS    "system.posix_acl_access"
#define ACL_GROUP_OBJ 0x04

static bool is_kept(const char *name, bool regular)
{
	if (strcmp(name, "security.capability") == 0)
		return regular;
	/* user.overlay.* means something to overlayfs, too */
	if (strncmp(name, "user.", 5) == 0)
		return strncmp(name, "user.overlay.", 13) != 0;
	return strcmp(name, ACL_ACCESS) == 0 ||
	       strcmp(name, "system.posix_acl_default") == 0;
}

/* Where there are no ACLs: the mode of one that has an ACL says of the group what anybody
 * named there may at most, and of the group itself only the ACL does.  In the kernel's form:
 * a version of 4 bytes, then for each tag and permissions of 2, a number of 4. */
static mode_t mode_without(mode_t mode, const char *acl, size_t size)
{
	for (size_t at = 4; at + 8 <= size; at += 8) {
		uint16_t tag, may;

		memcpy(&tag, acl + at, sizeof(tag));
		memcpy(&may, acl + at + 2, sizeof(may));
		if (le16toh(tag) == ACL_GROUP_OBJ)
			return mode & ~(~(le16toh(may) & 07u) << 3 & 070u);
	}
	return mode;
}

/* A file system without user.* or ACLs costs those; a program without its capability is
 * another one. */
static int put_attr(int to, const char *name, const char *value, size_t size,
		    const struct stat *st)
{
	if (fsetxattr(to, name, value, size, 0) == 0)
		return 0;
	if (errno != ENOTSUP || strncmp(name, "security.", 9) == 0)
		return -errno;
	if (strcmp(name, ACL_ACCESS) == 0 &&
	    fchmod(to, mode_without(st->st_mode & 07777, value, size)) < 0)
		return -errno;
	return 0;
}

static int copy_attrs(struct copying *c, int from, int to,
		      const struct stat *st)
{
	char of[FD_PATH];
	ssize_t n = listxattr(fd_path(of, from), c->attrs, ATTRS_SIZE);

	for (char *name = c->attrs; n > 0 && name < c->attrs + n;
	     name += strlen(name) + 1) {
		ssize_t size;
		int r;

		if (!is_kept(name, S_ISREG(st->st_mode)))
			continue;
		size = getxattr(of, name, c->buf, BUF_SIZE);
		if (size < 0 && errno == ENODATA)
			continue; /* gone meanwhile */
		r = size < 0 ? -errno
			     : put_attr(to, name, c->buf, (size_t)size, st);
		if (r < 0)
			return failed(c, r, name);
	}
	return n < 0 && errno != ENOTSUP ? failed(c, -errno, "attributes of")
					 : 0;
}

/* Of a file that is open.  The owner first: that takes setuid and capabilities away. */
static int dress(struct copying *c, int from, int to, const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };
	int r = 0;

	if (fchown(to, st->st_uid, st->st_gid) < 0 ||
	    fchmod(to, st->st_mode & 07777) < 0)
		r = failed(c, -errno, "owner and mode of");
	if (r == 0)
		r = copy_attrs(c, from, to, st);
	if (r == 0 && futimens(to, times) < 0)
		r = failed(c, -errno, "times of");
	return r;
}

/* ---- one file ------------------------------------------------------------------------ */

static int copy_part(struct copying *c, int in, int out, off_t at, off_t end)
{
	while (at < end) {
		size_t want = end - at < (off_t)BUF_SIZE ? (size_t)(end - at)
							 : BUF_SIZE;
		ssize_t n;

		if (is_stopped(c))
			return -ETIME;
		n = pread(in, c->buf, want, at);
		if (n == 0)
			return 0; /* cut meanwhile */
		if (n < 0 && errno == EINTR)
			continue;
		for (ssize_t done = 0, w; n > 0 && done < n; done += w) {
			w = pwrite(out, c->buf + done, (size_t)(n - done),
				   at + done);
			if (w < 0 && errno == EINTR)
				w = 0;
			else if (w <= 0)
				return w < 0 ? -errno : -EIO;
		}
		if (n < 0)
			return -errno;
		at += n;
	}
	return 0;
}

static int copy_data(struct copying *c, int in, int out, off_t size)
{
	int r = ftruncate(out, size) < 0 ? -errno : 0;

	for (off_t at = 0, end; r == 0 && at < size; at = end) {
		off_t data = lseek(in, at, SEEK_DATA);

		if (data < 0 && errno == ENXIO)
			return 0; /* a hole to the end */
		if (data < 0)
			data = at;
		end = lseek(in, data, SEEK_HOLE);
		if (end <= data || end > size)
			end = size;
		r = copy_part(c, in, out, data, end);
	}
	return r;
}

static int copy_regular(struct copying *c, int file, const struct stat *st,
			int to, const char *name)
{
	char of[FD_PATH];
	_cleanup_close_ int in =
		open(fd_path(of, file), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int out = openat(
		to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	int r;

	if (in < 0 || out < 0)
		return failed(c, -errno, in < 0 ? "read" : "make");
	r = copy_data(c, in, out, st->st_size);
	if (r < 0)
		return failed(c, r, "copy");
	return dress(c, in, out, st);
}

static int copy_link(struct copying *c, int file, int to, const char *name)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(file, "", text, sizeof(text) - 1);

	if (n < 0)
		return failed(c, -errno, "read the link");
	text[n] = '\0';
	return symlinkat(text, to, name) < 0
		       ? failed(c, -errno, "make the link")
		       : 0;
}

/* Of what is no regular file and no directory: by name, but only of the very file. */
static int dress_special(struct copying *c, int to, const char *name,
			 const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };
	_cleanup_close_ int fd =
		openat(to, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char of[FD_PATH];
	struct stat made;

	if (fd < 0 || fstat(fd, &made) < 0)
		return failed(c, -errno, "make");
	if ((made.st_mode & S_IFMT) != (st->st_mode & S_IFMT))
		return failed(c, -EAGAIN, "somebody else replaces");
	if (fchownat(fd, "", st->st_uid, st->st_gid, AT_EMPTY_PATH) < 0 ||
	    (!S_ISLNK(st->st_mode) &&
	     chmod(fd_path(of, fd), st->st_mode & 07777) < 0) ||
	    utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return failed(c, -errno, "owner, mode and times of");
	return 0;
}

/* ---- names of the same file ------------------------------------------------------------ */

/* Return: 1: it is another name of one that was made; 0: it is the first. */
static int link_again(struct copying *c, const struct stat *st, int to,
		      const char *name)
{
	const struct arc_inode *i;
	_cleanup_close_ int first = -EBADF;

	if (S_ISDIR(st->st_mode) || st->st_nlink < 2 || st->st_dev != c->dev)
		return 0;
	i = arc_inodes_find(&c->links, st->st_ino);
	if (!i && c->link_count == LINKS_MAX)
		return 0;
	if (!i) {
		const struct arc_entry made = { .path = c->path };

		c->link_count++;
		i = arc_inodes_add(&c->links, st->st_ino, &made);
		return i ? 0 : failed(c, -ENOMEM, "copy");
	}
	first = inroot_plain(c->root, i->made.path, O_PATH | O_NOFOLLOW);
	if (first < 0)
		return failed(c, first, "the first name of");
	return linkat(first, "", to, name, AT_EMPTY_PATH) < 0
		       ? failed(c, -errno, "link")
		       : 1;
}

/* ---- directories ------------------------------------------------------------------------ */

/* The entry itself.  -EXDEV: something is mounted there. */
static int open_entry(int dir, const char *name)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS) /* before Linux 5.6 */
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Of a directory that something is mounted on, an empty one: who owns what is below that
 * can't be seen. */
static int copy_mounted(struct copying *c, int from, const char *name, int to)
{
	_cleanup_close_ int out = -EBADF;
	struct statx sx;

	if (statx(from, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE, &sx) < 0)
		return errno == ENOENT ? 0 : failed(c, -errno, "read");
	if (!S_ISDIR(sx.stx_mode))
		return 0;
	if (mkdirat(to, name, 0700) < 0)
		return failed(c, -errno, "make");
	out = openat(to, name, DIR_FLAGS);
	return out < 0 || fchmod(out, 0755) < 0 ? failed(c, -errno, "make") : 0;
}

static int copy_level(struct copying *c, DIR *from, int to,
		      const struct stat *st);

static int copy_dir(struct copying *c, int from, const char *name, int to)
{
	_cleanup_close_ int in = tree_enter(from, name), out = -EBADF;
	_cleanup_(tree_closep) DIR *dir = NULL;
	struct stat st;

	if (in == -ENOENT)
		return 0;
	if (in == -EXDEV)
		return copy_mounted(c, from, name, to);
	if (in < 0)
		return failed(c, in, "read");
	if (fstat(in, &st) < 0)
		return failed(c, -errno, "read");
	if (st.st_ino == c->made.st_ino && st.st_dev == c->made.st_dev)
		return 0; /* it would be copied into itself */
	if (mkdirat(to, name, 0700) < 0)
		return failed(c, -errno, "make");
	out = openat(to, name, DIR_FLAGS);
	if (out < 0)
		return failed(c, -errno, "make");
	dir = fdopendir(in);
	if (!dir)
		return failed(c, -errno, "read");
	(void)take_fd(in);
	return copy_level(c, dir, out, &st);
}

static int copy_named(struct copying *c, int from, const char *name, int to)
{
	_cleanup_close_ int file = open_entry(from, name);
	struct stat st;
	int r;

	if (file == -ENOENT)
		return 0;
	if (file == -EXDEV)
		return copy_mounted(c, from, name, to);
	if (file < 0)
		return failed(c, file, "read");
	if (fstat(file, &st) < 0)
		return failed(c, -errno, "read");
	if (S_ISSOCK(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode)) {
		closep(&file); /* it would be one more a level */
		file = -EBADF;
		return copy_dir(c, from, name, to);
	}
	r = link_again(c, &st, to, name);
	if (r != 0)
		return r < 0 ? r : 0;
	if (S_ISREG(st.st_mode))
		return copy_regular(c, file, &st, to, name);
	if (S_ISLNK(st.st_mode))
		r = copy_link(c, file, to, name);
	else if (mknodat(to, name, st.st_mode & (S_IFMT | 0777), st.st_rdev) <
		 0)
		r = failed(c, -errno, "make");
	return r == 0 ? dress_special(c, to, name, &st) : r;
}

static int copy_entry(struct copying *c, int from, const char *name, int to)
{
	size_t len = c->len, more = strlen(name);
	int r;

	if (len + more + 2 > sizeof(c->path))
		return failed(c, -ENAMETOOLONG, "below");
	if (len)
		c->path[c->len++] = '/';
	memcpy(c->path + c->len, name, more + 1);
	c->len += more;
	r = is_stopped(c) ? -ETIME : copy_named(c, from, name, to);
	c->len = len;
	c->path[len] = '\0';
	return r;
}

static int copy_level(struct copying *c, DIR *from, int to,
		      const struct stat *st)
{
	const struct dirent *e;
	int r = 0, more = 0;

	if (c->depth == TREE_COPY_DEPTH)
		return failed(c, -ENAMETOOLONG, "so many directories down is");
	c->depth++;
	while (r == 0 && (more = tree_next(from, &e)) > 0)
		r = copy_entry(c, dirfd(from), e->d_name, to);
	c->depth--;
	if (r == 0 && more < 0)
		r = failed(c, more, "read");
	return r == 0 ? dress(c, dirfd(from), to, st) : r;
}

int tree_copy(int from, int to, bool (*stop)(void *ctx), void *ctx,
	      struct err *err)
{
	_cleanup_(copying_fini) struct copying c = {
		.root = to, .stop = stop, .ctx = ctx, .err = err
	};
	_cleanup_(tree_closep) DIR *dir = tree_stream(from);
	struct stat st;

	if (!dir || fstat(from, &st) < 0 || fstat(to, &c.made) < 0)
		return failed(&c, -errno, "read");
	c.buf = malloc(BUF_SIZE);
	c.attrs = malloc(ATTRS_SIZE);
	if (!c.buf || !c.attrs)
		return err_set(err, -ENOMEM, "out of memory");
	c.dev = st.st_dev;
	return copy_level(&c, dir, to, &st);
}
