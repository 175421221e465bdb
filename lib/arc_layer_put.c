// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One file of a layer.  Its directory is opened in the root, and all else is done by
 * that descriptor and one component: nothing below follows a link.
 */
#include "lib/arc_layer_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "lib/inroot.h"
#include "lib/tree.h"

#define WH          ".wh."
#define WH_AUFS     ".wh..wh."
#define WH_OPAQUE   ".wh..wh..opq"
#define OPAQUE      "trusted.overlay.opaque"
#define DIR_BYTES   (128u << 20) /* of what is kept of directories */
#define XATTR_BYTES (64u << 10)  /* of a file's attributes */

static const struct timespec no_time = { .tv_nsec = UTIME_OMIT };

/* ---- paths ----------------------------------------------------------------------- */

int layer_path(const char *name, char ret[static PATH_MAX], struct err *err)
{
	size_t used = 0;

	for (const char *s = name; *s;) {
		size_t len = strcspn(s, "/");

		if (len == 2 && s[0] == '.' && s[1] == '.')
			return err_set(err, -EBADMSG,
				       "the layer: \"%.300s\" leads out of it",
				       name);
		if (len && !(len == 1 && *s == '.')) {
			if (len > NAME_MAX || used + len + 2 > PATH_MAX)
				return err_set(err, -EBADMSG,
					       "the layer: \"%.100s...\" is "
					       "too long for a path",
					       name);
			if (used)
				ret[used++] = '/';
			memcpy(ret + used, s, len);
			used += len;
		}
		s += len + (s[len] == '/');
	}
	ret[used] = '\0';
	return 0;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const char *or_dot(const char *path)
{
	return *path ? path : ".";
}

static int io_fail(struct layer *l, const char *path, int code)
{
	return err_set(l->err, code, "the layer: %.300s: %s", path,
		       strerror(-code));
}

static int open_fail(struct layer *l, const char *path, int code)
{
	if (code == -ENOTDIR || code == -ELOOP || code == -ENAMETOOLONG)
		return err_set(l->err, -EBADMSG,
			       "the layer: \"%.300s\" is in what is no "
			       "directory",
			       path);
	return io_fail(l, path, code);
}

/* Those that the layer does not have are made, and count as files of it: one path may
 * need two thousand. */
static int open_parent(struct layer *l)
{
	int r;

	l->parent_fd =
		inroot_open(l->root, or_dot(l->parent), O_PATH | O_DIRECTORY);
	if (l->parent_fd != -ENOENT)
		return 0;
	for (const char *s = l->parent; *s; s++)
		l->sum.entries += *s == '/';
	r = layer_check_count(l);
	if (r == 0)
		l->parent_fd = inroot_dir(l->root, or_dot(l->parent), NULL);
	return r;
}

/* The directory that @path is in, borrowed. */
static int parent_of(struct layer *l, const char *path, int *ret)
{
	size_t len = (size_t)(base_of(path) - path);
	int r;

	if (l->parent_fd < 0 || strncmp(l->parent, path, len) != 0 ||
	    l->parent[len]) {
		closep(&l->parent_fd);
		memcpy(l->parent, path, len);
		l->parent[len] = '\0';
		r = open_parent(l);
		if (r < 0)
			return r;
	}
	*ret = l->parent_fd;
	return l->parent_fd < 0 ? open_fail(l, path, l->parent_fd) : 0;
}

/* What was opened may be another now. */
static void forget_parent(struct layer *l)
{
	closep(&l->parent_fd);
	l->parent_fd = -1;
}

/* ---- what is there already ---------------------------------------------------------- */

static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int delete_tree(struct layer *l, int dir, const char *path)
{
	_cleanup_close_ int fd = tree_open(dir, base_of(path), l->err);

	return fd < 0 ? fd : tree_empty(fd, NULL, NULL, l->err);
}

struct before {
	bool dir;   /* there is a directory of the name, and it stays */
	bool white; /* it was to be removed of the layers below */
};

static int make_room(struct layer *l, int dir, const char *path, bool for_dir,
		     struct before *ret)
{
	const char *name = base_of(path);
	struct stat st;
	int r;

	*ret = (struct before){ 0 };
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : io_fail(l, path, -errno);
	if (S_ISDIR(st.st_mode) && for_dir) {
		ret->dir = true;
		return 0;
	}
	ret->white = is_whiteout(&st);
	if (S_ISDIR(st.st_mode)) {
		r = delete_tree(l, dir, path);
		if (r < 0)
			return r;
	}
	if (unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) < 0)
		return io_fail(l, path, -errno);
	/* a link, or directories, may have been on the way to what is open */
	if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
		forget_parent(l);
	return 0;
}

/* ---- attributes --------------------------------------------------------------------- */

static bool is_kept(const char *name, bool regular)
{
	if (strcmp(name, "security.capability") == 0)
		return regular;
	/* user.overlay.* means something to overlayfs, too */
	return strncmp(name, "user.", 5) == 0 &&
	       strncmp(name, "user.overlay.", 13) != 0;
}

static int set_xattrs(struct layer *l, int fd, const char *path,
		      struct archive_entry *e)
{
	bool regular = archive_entry_filetype(e) == AE_IFREG;
	const char *name;
	const void *value;
	size_t size, all = 0;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &size) ==
	       ARCHIVE_OK) {
		if (!name || !is_kept(name, regular))
			continue;
		all += strlen(name) + size;
		if (all > XATTR_BYTES)
			return err_set(l->err, -EFBIG,
				       "the layer: %.300s: more than %u bytes "
				       "of attributes",
				       path, XATTR_BYTES);
		/* a file system without user.* costs those; a program without its
		 * capability is another one */
		if (fsetxattr(fd, name, value, size, 0) < 0 &&
		    !(errno == ENOTSUP && *name == 'u'))
			return io_fail(l, path, -errno);
	}
	return 0;
}

static uid_t id_of(la_int64_t id)
{
	return id < 0 || id >= UINT32_MAX ? (uid_t)-1 : (uid_t)id;
}

static int check_owner(struct layer *l, const char *path,
		       struct archive_entry *e)
{
	if (id_of(archive_entry_uid(e)) == (uid_t)-1 ||
	    id_of(archive_entry_gid(e)) == (uid_t)-1)
		return err_set(l->err, -EBADMSG,
			       "the layer: %.300s: its owner is no user or "
			       "group number",
			       path);
	return 0;
}

static struct timespec mtime_of(struct archive_entry *e)
{
	return (struct timespec){ .tv_sec = archive_entry_mtime(e),
				  .tv_nsec = archive_entry_mtime_nsec(e) };
}

/* Owner first: it takes setuid and capabilities off. */
static int set_by_fd(struct layer *l, int fd, const char *path,
		     struct archive_entry *e)
{
	const struct timespec times[2] = { mtime_of(e), mtime_of(e) };
	int r;

	if (fchown(fd, id_of(archive_entry_uid(e)),
		   id_of(archive_entry_gid(e))) < 0 ||
	    fchmod(fd, archive_entry_perm(e) & 07777) < 0)
		return io_fail(l, path, -errno);
	r = set_xattrs(l, fd, path, e);
	/* before the year 1901, or after 2446: what the disk can't keep */
	if (r == 0 && futimens(fd, times) < 0 && errno != EINVAL &&
	    errno != ERANGE)
		r = io_fail(l, path, -errno);
	return r;
}

/* Of what can't be opened without an effect; it was just made, so it is no link but
 * where it is meant to be one. */
static int set_by_name(struct layer *l, int dir, const char *path,
		       struct archive_entry *e)
{
	const struct timespec times[2] = { mtime_of(e), mtime_of(e) };
	const char *name = base_of(path);

	if (fchownat(dir, name, id_of(archive_entry_uid(e)),
		     id_of(archive_entry_gid(e)), AT_SYMLINK_NOFOLLOW) < 0)
		return io_fail(l, path, -errno);
	if (archive_entry_filetype(e) != AE_IFLNK &&
	    fchmodat(dir, name, archive_entry_perm(e) & 07777, 0) < 0)
		return io_fail(l, path, -errno);
	if (utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno != EINVAL && errno != ERANGE)
		return io_fail(l, path, -errno);
	return 0;
}

static int keep_time(struct layer *l, const char *path, struct archive_entry *e)
{
	struct layer_dir *d;

	l->dir_bytes += strlen(path) + 64;
	if (l->dir_bytes > DIR_BYTES)
		return err_set(l->err, -EFBIG,
			       "the layer has too many directories");
	if (l->dir_count == l->dir_room) {
		size_t room = l->dir_room ? l->dir_room * 2 : 64;

		d = reallocarray(l->dirs, room, sizeof(*d));
		if (!d)
			return err_set(l->err, -ENOMEM, "out of memory");
		l->dirs = d;
		l->dir_room = room;
	}
	d = &l->dirs[l->dir_count];
	d->mtime = mtime_of(e);
	d->path = strdup(path);
	if (!d->path)
		return err_set(l->err, -ENOMEM, "out of memory");
	l->dir_count++;
	return 0;
}

int layer_end(struct layer *l)
{
	forget_parent(l);
	for (size_t i = 0; i < l->dir_count; i++) {
		const struct timespec times[2] = { no_time, l->dirs[i].mtime };
		_cleanup_close_ int fd =
			inroot_open(l->root, or_dot(l->dirs[i].path),
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		/* replaced since */
		if (fd < 0 && (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP))
			continue;
		if (fd < 0)
			return io_fail(l, l->dirs[i].path, fd);
		if (futimens(fd, times) < 0 && errno != EINVAL &&
		    errno != ERANGE)
			return io_fail(l, l->dirs[i].path, -errno);
	}
	return 0;
}

/* ---- kinds of files ------------------------------------------------------------------- */

static int write_at(int fd, const char *data, size_t size, off_t at)
{
	while (size) {
		ssize_t n = pwrite(fd, data, size, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		data += n;
		size -= (size_t)n;
		at += n;
	}
	return 0;
}

static int data_fail(struct layer *l)
{
	if (l->failed) /* told below, where it was read */
		return l->err && *l->err->msg ? l->failed
					      : io_fail(l, "", l->failed);
	return arc_fail(l->tar, -EBADMSG, "the layer", l->err);
}

static int put_data(struct layer *l, int fd, const char *path, la_int64_t most)
{
	const void *data;
	size_t size;
	la_int64_t at;
	int rc, r = 0;

	while (r == 0) {
		rc = archive_read_data_block(l->tar, &data, &size, &at);
		if (rc == ARCHIVE_EOF)
			return ftruncate(fd, most) < 0
				       ? io_fail(l, path, -errno)
				       : 0;
		if (rc != ARCHIVE_OK)
			return data_fail(l);
		if (at < 0 || at > most || (la_int64_t)size > most - at)
			return err_set(l->err, -EBADMSG,
				       "the layer: %.300s has more than its "
				       "size",
				       path);
		l->sum.bytes += size;
		r = write_at(fd, data, size, at);
		if (r < 0)
			r = io_fail(l, path, r);
	}
	return r;
}

static int put_file(struct layer *l, int dir, const char *path,
		    struct archive_entry *e)
{
	_cleanup_close_ int fd = openat(
		dir, base_of(path),
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return io_fail(l, path, -errno);
	r = put_data(l, fd, path, archive_entry_size(e));
	return r == 0 ? set_by_fd(l, fd, path, e) : r;
}

static int set_opaque(struct layer *l, int fd, const char *path)
{
	return fsetxattr(fd, OPAQUE, "y", 1, 0) < 0 ? io_fail(l, path, -errno)
						    : 0;
}

/* @path "": the root itself. */
static int put_dir(struct layer *l, int dir, const char *path,
		   const struct before *was, struct archive_entry *e)
{
	_cleanup_close_ int fd = -EBADF;
	const char *name = *path ? base_of(path) : ".";
	int r = 0;

	if (*path && !was->dir && mkdirat(dir, name, 0700) < 0)
		return io_fail(l, path, -errno);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return io_fail(l, path, -errno);
	if (was->white)
		r = set_opaque(l, fd, path);
	if (r == 0)
		r = set_by_fd(l, fd, path, e);
	return r == 0 ? keep_time(l, path, e) : r;
}

static int put_symlink(struct layer *l, int dir, const char *path,
		       struct archive_entry *e)
{
	const char *to = archive_entry_symlink(e);

	if (!to || !*to || strlen(to) >= PATH_MAX)
		return err_set(l->err, -EBADMSG,
			       "the layer: %.300s: a link to no path", path);
	if (symlinkat(to, dir, base_of(path)) < 0)
		return io_fail(l, path, -errno);
	return set_by_name(l, dir, path, e);
}

/* To a file of the same layer: those below are not there. */
static int put_hardlink(struct layer *l, int dir, const char *path,
			const char *to)
{
	char target[PATH_MAX], up[PATH_MAX];
	_cleanup_close_ int from = -EBADF;
	struct stat st;
	size_t len;
	int r = layer_path(to, target, l->err);

	if (r < 0)
		return r;
	len = (size_t)(base_of(target) - target);
	memcpy(up, target, len);
	up[len] = '\0';
	from = inroot_open(l->root, or_dot(up), O_PATH | O_DIRECTORY);
	if (from < 0 || !*target ||
	    fstatat(from, base_of(target), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    S_ISDIR(st.st_mode) || is_whiteout(&st))
		return err_set(l->err, -EBADMSG,
			       "the layer: %.200s is a link to %.200s, which "
			       "is no file of the layer",
			       path, to);
	return linkat(from, base_of(target), dir, base_of(path), 0) < 0
		       ? io_fail(l, path, -errno)
		       : 0;
}

static int put_node(struct layer *l, int dir, const char *path,
		    struct archive_entry *e)
{
	mode_t type = archive_entry_filetype(e);
	dev_t dev = type == AE_IFIFO
			    ? 0
			    : makedev((unsigned int)archive_entry_rdevmajor(e),
				      (unsigned int)archive_entry_rdevminor(e));

	if (mknodat(dir, base_of(path), type | 0600, dev) < 0)
		return io_fail(l, path, -errno);
	return set_by_name(l, dir, path, e);
}

static int put_kind(struct layer *l, int dir, const char *path,
		    const struct before *was, struct archive_entry *e)
{
	if (archive_entry_hardlink(e))
		return put_hardlink(l, dir, path, archive_entry_hardlink(e));
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		return put_file(l, dir, path, e);
	case AE_IFDIR:
		return put_dir(l, dir, path, was, e);
	case AE_IFLNK:
		return put_symlink(l, dir, path, e);
	case AE_IFCHR:
	case AE_IFBLK:
	case AE_IFIFO:
		return put_node(l, dir, path, e);
	default:
		return err_set(l->err, -EBADMSG,
			       "the layer: %.300s: a file of no known kind",
			       path);
	}
}

/* ---- whiteouts ------------------------------------------------------------------------- */

static int put_opaque(struct layer *l, const char *path)
{
	_cleanup_close_ int fd = -EBADF;
	int dir, r = parent_of(l, path, &dir);

	if (r < 0)
		return r;
	fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? io_fail(l, path, -errno) : set_opaque(l, fd, path);
}

/* What the layer itself has of that name stays, and is all there is of it. */
static int put_whiteout(struct layer *l, const char *path)
{
	const char *name = base_of(path) + strlen(WH);
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	int dir, r;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(l->err, -EBADMSG,
			       "the layer: \"%.300s\" removes no file", path);
	r = parent_of(l, path, &dir);
	if (r < 0)
		return r;
	if (mknodat(dir, name, S_IFCHR, 0) == 0)
		return 0;
	if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return io_fail(l, path, -errno);
	if (!S_ISDIR(st.st_mode))
		return 0;
	fd = tree_open(dir, name, l->err);
	return fd < 0 ? fd : set_opaque(l, fd, path);
}

/* Is a directory on the way one that AUFS keeps for itself, or none at all? */
static int check_way(struct layer *l, const char *path, bool *ret_skip)
{
	const char *base = base_of(path);

	*ret_skip = strncmp(base, WH_AUFS, strlen(WH_AUFS)) == 0 &&
		    strcmp(base, WH_OPAQUE) != 0;
	for (const char *s = path; s < base; s = strchr(s, '/') + 1) {
		if (strncmp(s, WH_AUFS, strlen(WH_AUFS)) == 0)
			*ret_skip = true;
		else if (strncmp(s, WH, strlen(WH)) == 0)
			return err_set(l->err, -EBADMSG,
				       "the layer: \"%.300s\" is in what is "
				       "removed",
				       path);
	}
	return 0;
}

int layer_put(struct layer *l, struct archive_entry *e)
{
	const char *name = archive_entry_pathname(e);
	struct before was = { 0 };
	bool skip = false, is_dir;
	char path[PATH_MAX] = "";
	int dir, r;

	if (!name)
		return err_set(l->err, -EBADMSG,
			       "the layer: a file without a name");
	r = layer_path(name, path, l->err);
	if (r == 0)
		r = check_way(l, path, &skip);
	if (r < 0 || skip)
		return r;
	is_dir = archive_entry_filetype(e) == AE_IFDIR &&
		 !archive_entry_hardlink(e);
	if (strcmp(base_of(path), WH_OPAQUE) == 0)
		return put_opaque(l, path);
	if (strncmp(base_of(path), WH, strlen(WH)) == 0)
		return put_whiteout(l, path);
	if (!*path && !is_dir)
		return err_set(l->err, -EBADMSG,
			       "the layer: \"%.300s\" is no directory", name);
	r = check_owner(l, path, e);
	if (r < 0 || !*path)
		return r < 0 ? r : put_dir(l, l->root, path, &was, e);
	r = parent_of(l, path, &dir);
	if (r == 0)
		r = make_room(l, dir, path, is_dir, &was);
	/* what was removed may have been on its way */
	if (r == 0)
		r = parent_of(l, path, &dir);
	return r == 0 ? put_kind(l, dir, path, &was, e) : r;
}
