/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tree into an archive.
 *
 * The tree is walked by descriptors; libarchive gets each file's descriptor and
 * reads attributes, ACLs and holes from that.  What can't be opened without
 * effect (links, devices, fifos) it gets by a path that begins at our
 * descriptor of the directory it is in.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/arc_priv.h"

#define BUFFER (1u << 20)

struct level {
	DIR *dir;
	size_t len; /* of the path above */
};

struct writer {
	struct archive *a, *disk;
	struct archive_entry_linkresolver *links;
	struct digest *digest;
	int out, failed; /* -errno of .out */
	const struct arc_hooks *hooks;
	struct arc_sum sum;
	struct level *levels; /* owned */
	size_t depth, room;
	char *path; /* owned; "./a/b" */
	size_t path_room;
	dev_t dev;
	char *buf; /* owned */
	struct err *err;
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static void writer_fini(struct writer *w)
{
	while (w->depth)
		closedir(w->levels[--w->depth].dir);
	free(w->levels);
	free(w->path);
	free(w->buf);
	if (w->links)
		archive_entry_linkresolver_free(w->links);
	archive_read_free(w->disk);
	archive_write_free(w->a);
	digest_free(w->digest);
}

static void entry_freep(struct archive_entry **e)
{
	archive_entry_free(*e);
}

/* ---- the stream -------------------------------------------------------------- */

static int write_all(struct writer *w, const void *data, size_t size)
{
	const char *p = data;

	while (size && !w->failed) {
		ssize_t n = write(w->out, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			w->failed = -errno;
			break;
		}
		p += n;
		size -= (size_t)n;
		w->sum.size += (uint64_t)n;
	}
	return w->failed;
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data,
			   size_t size)
{
	struct writer *w = ctx;

	(void)a;
	if (write_all(w, data, size) < 0)
		return -1;
	digest_add(w->digest, data, size);
	return (la_ssize_t)size;
}

/* A failure of @a: what the archive is written to may be the reason. */
static int fail(struct writer *w, struct archive *a)
{
	if (w->failed)
		return err_set(w->err, w->failed, "write the archive: %s",
			       strerror(-w->failed));
	return arc_fail(a, 0, w->path, w->err);
}

static int stream_open(struct writer *w)
{
	w->a = archive_write_new();
	w->disk = archive_read_disk_new();
	w->links = archive_entry_linkresolver_new();
	w->digest = digest_new();
	w->buf = malloc(BUFFER);
	w->path = strdup(".");
	w->path_room = 2;
	if (!w->a || !w->disk || !w->links || !w->digest || !w->buf || !w->path)
		return no_memory(w->err);
	archive_entry_linkresolver_set_strategy(w->links, ARCHIVE_FORMAT_TAR);
	if (archive_read_disk_set_symlink_physical(w->disk) != ARCHIVE_OK ||
	    archive_read_disk_set_behavior(
		    w->disk, ARCHIVE_READDISK_NO_FFLAGS) != ARCHIVE_OK)
		return fail(w, w->disk);
	/* the restricted form has no parts of a second */
	if (archive_write_set_format_pax(w->a) != ARCHIVE_OK ||
	    /* the one form that tar reads, without a second one beside it */
	    archive_write_set_format_option(w->a, "pax", "xattrheader",
					    "SCHILY") != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(w->a) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(w->a, 1) != ARCHIVE_OK ||
	    archive_write_open2(w->a, w, NULL, on_write, NULL, NULL) !=
		    ARCHIVE_OK)
		return fail(w, w->a);
	return 0;
}

static int stream_end(struct writer *w)
{
	uint8_t end[ARC_END_SIZE];

	if (archive_write_close(w->a) != ARCHIVE_OK)
		return fail(w, w->a);
	digest_end(w->digest, w->sum.sha256);
	arc_end_make(end, w->sum.sha256);
	return write_all(w, end, sizeof(end)) < 0 ? fail(w, w->a) : 0;
}

/* ---- one file ------------------------------------------------------------------ */

static int told(struct writer *w)
{
	return w->hooks->progress
		       ? w->hooks->progress(w->hooks->ctx, w->sum.bytes)
		       : 0;
}

static int put(struct writer *w, size_t size)
{
	if (archive_write_data(w->a, w->buf, size) < 0)
		return fail(w, w->a);
	w->sum.bytes += size;
	return told(w);
}

/* Zeros up to @end. */
static int put_hole(struct writer *w, off_t *at, off_t end)
{
	int r = 0;

	memset(w->buf, 0, BUFFER);
	while (r == 0 && *at < end) {
		off_t n = end - *at < BUFFER ? end - *at : BUFFER;

		r = put(w, (size_t)n);
		*at += n;
	}
	return r;
}

/* Exactly @size bytes, as the entry says, whatever became of the file. */
static int put_data(struct writer *w, int fd, off_t size)
{
	off_t at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		size_t most = size - at < BUFFER ? (size_t)(size - at) : BUFFER;
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			data = size;
		if (data > at) {
			r = put_hole(w, &at, data < size ? data : size);
			continue;
		}
		n = pread(fd, w->buf, most, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(w->err, -errno, "%.300s: %s", w->path,
				       strerror(errno));
		if (n == 0) /* it was cut meanwhile */
			return put_hole(w, &at, size);
		r = put(w, (size_t)n);
		at += n;
	}
	return r;
}

/* @fd: of the file; -EBADF.  @dir, @name: where it is. */
static int put_entry(struct writer *w, int dir, const char *name, int fd,
		     const struct stat *st)
{
	_cleanup_(entry_freep) struct archive_entry *e = archive_entry_new();
	_cleanup_free_ char *at = NULL;
	struct archive_entry *spare = NULL, *link;
	bool data;
	int r;

	if (!e || asprintf(&at, "/proc/self/fd/%d/%s", dir, name) < 0) {
		at = NULL;
		return no_memory(w->err);
	}
	archive_entry_copy_pathname(e, w->path);
	archive_entry_copy_sourcepath(e, at);
	if (archive_read_disk_entry_from_file(w->disk, e, fd, st) != ARCHIVE_OK)
		return fail(w, w->disk);
	link = e;
	archive_entry_linkify(w->links, &link, &spare);
	data = S_ISREG(st->st_mode) && !archive_entry_hardlink(e);
	r = archive_write_header(w->a, e);
	/* a name that is no UTF-8: it is written as the bytes it is */
	if (r == ARCHIVE_WARN && archive_errno(w->a) == EILSEQ)
		r = ARCHIVE_OK;
	if (r != ARCHIVE_OK)
		return fail(w, w->a);
	w->sum.files++;
	return data ? put_data(w, fd, st->st_size) : told(w);
}

/* ---- the tree -------------------------------------------------------------------- */

static int path_add(struct writer *w, size_t len, const char *name)
{
	size_t need = len + strlen(name) + 2;

	if (need > w->path_room) {
		char *grew = realloc(w->path, need * 2);

		if (!grew)
			return no_memory(w->err);
		w->path = grew;
		w->path_room = need * 2;
	}
	w->path[len] = '/';
	strcpy(w->path + len + 1, name);
	return 0;
}

/* @fd is taken. */
static int descend(struct writer *w, int fd)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		closep(&fd);
		return err_set(w->err, -errno, "%.300s: %s", w->path,
			       strerror(errno));
	}
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 32;
		struct level *grew =
			reallocarray(w->levels, room, sizeof(*grew));

		if (!grew) {
			closedir(dir);
			return no_memory(w->err);
		}
		w->levels = grew;
		w->room = room;
	}
	w->levels[w->depth].dir = dir;
	w->levels[w->depth++].len = strlen(w->path);
	return 0;
}

static void left_out(struct writer *w, const char *why)
{
	if (w->hooks->left_out)
		w->hooks->left_out(w->hooks->ctx, w->path, why);
}

/* Return: fd; -ENOENT: gone, or another than @st; -errno. */
static int open_file(struct writer *w, int dir, const char *name,
		     struct stat *st)
{
	_cleanup_close_ int fd = openat(
		dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat now;

	if (fd < 0 && errno == EMFILE)
		return err_set(w->err, -errno,
			       "%.300s: directories are more than %zu deep, "
			       "and each needs a descriptor (ulimit -n)",
			       w->path, w->depth);
	if (fd < 0)
		return err_set(w->err, errno == ELOOP ? -ENOENT : -errno,
			       "%.300s: %s", w->path, strerror(errno));
	if (fstat(fd, &now) < 0 || now.st_ino != st->st_ino ||
	    now.st_dev != st->st_dev)
		return -ENOENT;
	*st = now;
	return take_fd(fd);
}

static int visit(struct writer *w, int dir, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st = { 0 };
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : err_set(w->err, -errno, "%.300s: %s",
						 w->path, strerror(errno));
	if (S_ISSOCK(st.st_mode)) {
		left_out(w, "a socket");
		return 0;
	}
	if (st.st_dev != w->dev) {
		left_out(w, "another file system, or a subvolume, is there");
		return 0;
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = open_file(w, dir, name, &st);
		if (fd < 0)
			return fd == -ENOENT ? 0 : fd;
	}
	r = put_entry(w, dir, name, fd, &st);
	return r == 0 && S_ISDIR(st.st_mode) ? descend(w, take_fd(fd)) : r;
}

static int walk(struct writer *w)
{
	int r = 0;

	while (r == 0 && w->depth) {
		struct level *l = &w->levels[w->depth - 1];
		struct dirent *entry;

		errno = 0;
		entry = readdir(l->dir);
		if (!entry) {
			if (errno)
				return err_set(w->err, -errno, "%.300s: %s",
					       w->path, strerror(errno));
			closedir(l->dir);
			w->depth--;
			continue;
		}
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = path_add(w, l->len, entry->d_name);
		if (r == 0)
			r = visit(w, dirfd(l->dir), entry->d_name);
	}
	return r;
}

static int write_tree(struct writer *w, int root)
{
	_cleanup_close_ int fd =
		openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st = { 0 };
	int r = stream_open(w);

	if (r == 0 && (fd < 0 || fstat(fd, &st) < 0))
		r = err_set(w->err, -errno, "read it: %s", strerror(errno));
	if (r < 0)
		return r;
	w->dev = st.st_dev;
	r = put_entry(w, fd, ".", fd, &st);
	if (r == 0)
		r = descend(w, take_fd(fd));
	if (r == 0)
		r = walk(w);
	return r == 0 ? stream_end(w) : r;
}

int arc_write(int root, int out, const struct arc_hooks *hooks,
	      struct arc_sum *ret, struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_(writer_fini) struct writer w = { .out = out,
						   .hooks = hooks,
						   .err = err };
	int r = arc_locale_enter(&l, err);

	if (r == 0)
		r = write_tree(&w, root);
	if (r != 0) /* what is half written is not to be ended well */
		w.failed = r < 0 ? r : -ECANCELED;
	else
		*ret = w.sum;
	return r;
}
