/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An archive into a directory: an empty one, or that which the archive before has
 * filled.
 *
 * The bytes at the end that may be the line with the digest are held back from
 * libarchive until more come.  Whether they are is known when all is read, so a
 * caller keeps what was made out of sight until then.
 *
 * What leads out: libarchive refuses absolute paths, "..", and to go through a
 * symbolic link, also where a hard link begins.  No name is looked up (users are
 * numbers) and no character set converted, so nothing of what was just made is
 * ever loaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/arc_beneath.h"
#include "lib/arc_inodes.h"
#include "lib/arc_priv.h"

#define BUFFER   (1u << 20)
#define PATH_LEN (1u << 20) /* of a path to delete, at most */
#define AGAIN    10000u     /* directories met again: a live tree has few */

/* libarchive sets the times of a directory that was there at once, and then what is
 * made in it changes them. */
struct dir_time {
	char *path; /* owned */
	struct timespec mtime;
};

struct reader {
	struct archive *a, *disk;
	struct digest *digest;
	int in, failed; /* -errno of .in */
	int root;
	const char *after;     /* NULL: the first of its chain */
	struct dir_time *dirs; /* owned */
	size_t dir_count, dir_room;
	struct arc_inodes made; /* directories that were in the archive */
	unsigned int again;
	bool eof;
	uint8_t *buf;      /* owned; BUFFER + ARC_END_SIZE */
	size_t have, gave; /* bytes in it; at its start, given out */
	const struct arc_hooks *hooks;
	struct arc_sum sum;
	struct err *err;
};

static void reader_fini(struct reader *r)
{
	archive_read_free(r->a);
	archive_write_free(r->disk);
	digest_free(r->digest);
	free(r->buf);
	while (r->dir_count)
		free(r->dirs[--r->dir_count].path);
	free(r->dirs);
	arc_inodes_fini(&r->made);
}

/* ---- the stream -------------------------------------------------------------- */

/* More of it, ARC_END_SIZE bytes held back.  Return: how much is at .buf. */
static size_t fetch(struct reader *r)
{
	memmove(r->buf, r->buf + r->gave, r->have - r->gave);
	r->have -= r->gave;
	r->gave = 0;
	while (!r->eof && !r->failed && r->have <= ARC_END_SIZE) {
		ssize_t n = read(r->in, r->buf + r->have,
				 BUFFER + ARC_END_SIZE - r->have);

		if (n < 0 && errno != EINTR)
			r->failed = -errno;
		if (n == 0)
			r->eof = true;
		if (n > 0)
			r->have += (size_t)n;
	}
	if (r->failed || r->have <= ARC_END_SIZE)
		return 0;
	r->gave = r->have - ARC_END_SIZE;
	r->sum.size += r->gave;
	digest_add(r->digest, r->buf, r->gave);
	return r->gave;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **buf)
{
	struct reader *r = ctx;
	size_t n = fetch(r);

	(void)a;
	*buf = r->buf;
	return r->failed ? -1 : (la_ssize_t)n;
}

/* Is what is held back the line at the end? */
static bool has_end(const struct reader *r, char sha256[static DIGEST_HEX_MAX])
{
	return r->have - r->gave == ARC_END_SIZE &&
	       arc_end_parse(r->buf + r->gave, sha256) == 0;
}

static int check_end(struct reader *r)
{
	char want[DIGEST_HEX_MAX];

	while (fetch(r))
		;
	if (r->failed)
		return err_set(r->err, r->failed, "read the archive: %s",
			       strerror(-r->failed));
	digest_end(r->digest, r->sum.sha256);
	if (!has_end(r, want))
		return err_set(r->err, -EBADMSG, ARC_NO_END);
	r->sum.size += ARC_END_SIZE;
	if (strcmp(want, r->sum.sha256) != 0)
		return err_set(r->err, -EBADMSG,
			       "the archive was changed since it was written: "
			       "its checksum is %.16s..., it says %.16s...",
			       r->sum.sha256, want);
	return 0;
}

static int fail(struct reader *r, struct archive *a, int code, const char *what)
{
	char sha256[DIGEST_HEX_MAX];

	/* libarchive says what it misses, and not why */
	if (a == r->a && r->eof && !r->failed && !has_end(r, sha256))
		return err_set(r->err, -EBADMSG, ARC_NO_END);
	if (r->failed)
		return err_set(r->err, r->failed, "read the archive: %s",
			       strerror(-r->failed));
	return arc_fail(a, code, what, r->err);
}

static int stream_open(struct reader *r)
{
	const int flags = ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
			  ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
			  ARCHIVE_EXTRACT_XATTR |
			  ARCHIVE_EXTRACT_SECURE_SYMLINKS |
			  ARCHIVE_EXTRACT_SECURE_NODOTDOT |
			  ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;

	r->a = archive_read_new();
	r->disk = archive_write_disk_new();
	r->digest = digest_new();
	r->buf = malloc(BUFFER + ARC_END_SIZE);
	if (!r->a || !r->disk || !r->digest || !r->buf)
		return err_set(r->err, -ENOMEM, "out of memory");
	if (archive_write_disk_set_options(r->disk, flags) != ARCHIVE_OK)
		return fail(r, r->disk, 0, "extract");
	if (archive_read_support_format_tar(r->a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(r->a) != ARCHIVE_OK ||
	    archive_read_open(r->a, r, NULL, on_read, NULL) != ARCHIVE_OK)
		return fail(r, r->a, -EBADMSG, "the archive");
	return 0;
}

/* ---- files --------------------------------------------------------------------- */

static int told(struct reader *r)
{
	return r->hooks->progress
		       ? r->hooks->progress(r->hooks->ctx, r->sum.bytes)
		       : 0;
}

static int get_data(struct reader *r, const char *path)
{
	const void *data;
	size_t size;
	la_int64_t at;
	int rc, t = 0;

	while (t == 0) {
		rc = archive_read_data_block(r->a, &data, &size, &at);
		if (rc == ARCHIVE_EOF)
			return 0;
		if (rc != ARCHIVE_OK)
			return fail(r, r->a, -EBADMSG, path);
		if (archive_write_data_block(r->disk, data, size, at) !=
		    ARCHIVE_OK)
			return fail(r, r->disk, 0, path);
		r->sum.bytes += size;
		t = told(r);
	}
	return t;
}

/*
 * A directory that is there gets its attributes anew.  libarchive keeps a default ACL
 * for the end, when it no longer knows that this is a directory unless it has a mode
 * to set as well; so it gets one.
 */
static int clear_dir(struct reader *r, const char *path, mode_t mode)
{
	_cleanup_close_ int fd = arc_beneath_dir(r->root, path, r->err);

	/* it is new, or what is wrong with it libarchive says */
	if (fd == -ENOENT || fd == -EBADMSG)
		return 0;
	if (fd < 0)
		return fd;
	if (fchmod(fd, (mode & 0777) == 0700 ? 0500 : 0700) < 0)
		return err_set(r->err, -errno, "%.300s: %s", path,
			       strerror(errno));
	return arc_meta_clear(fd, path, r->err);
}

static int keep_time(struct reader *r, const char *path,
		     struct archive_entry *e)
{
	struct dir_time *d;

	if (r->dir_count == r->dir_room) {
		size_t room = r->dir_room ? r->dir_room * 2 : 32;
		struct dir_time *grew = reallocarray(r->dirs, room, sizeof(*d));

		if (!grew)
			return err_set(r->err, -ENOMEM, "out of memory");
		r->dirs = grew;
		r->dir_room = room;
	}
	d = &r->dirs[r->dir_count];
	d->mtime.tv_sec = archive_entry_mtime(e);
	d->mtime.tv_nsec = archive_entry_mtime_nsec(e);
	d->path = strdup(path);
	if (!d->path)
		return err_set(r->err, -ENOMEM, "out of memory");
	r->dir_count++;
	return 0;
}

static int set_times(struct reader *r)
{
	for (size_t i = 0; i < r->dir_count; i++) {
		const struct dir_time *d = &r->dirs[i];
		const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
						   d->mtime };
		_cleanup_close_ int fd =
			arc_beneath_dir(r->root, d->path, r->err);

		if (fd == -ENOENT || fd == -EBADMSG) /* forged: no more one */
			continue;
		if (fd < 0 || futimens(fd, times) < 0)
			return err_set(r->err, fd < 0 ? fd : -errno,
				       "%.300s: set its time: %s", d->path,
				       strerror(fd < 0 ? -fd : errno));
	}
	return 0;
}

/* A directory takes memory until the end, here and in libarchive, so one that is on
 * the disk once must not be in the archive without end.  @path was made. */
static int count_dir(struct reader *r, const char *path)
{
	struct stat st;

	if (fstatat(r->root, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    arc_inodes_find(&r->made, st.st_ino))
		return r->again++ < AGAIN
			       ? 0
			       : err_set(r->err, -EBADMSG,
					 "the archive: %.300s and others "
					 "again and again",
					 path);
	return arc_inodes_add(&r->made, st.st_ino, NULL)
		       ? 0
		       : err_set(r->err, -ENOMEM, "out of memory");
}

/* One that is there stays what it is, with the attributes that it had. */
static int get_dir(struct reader *r, const char *path, struct archive_entry *e)
{
	bool root = strcmp(path, "./") == 0;
	int t = 0;

	if (r->after)
		t = clear_dir(r, path, archive_entry_perm(e));
	return t == 0 && (root || r->after) ? keep_time(r, path, e) : t;
}

static int get_entry(struct reader *r, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e);
	int t = 0;

	if (!path)
		return err_set(r->err, -EBADMSG,
			       "the archive: a file without "
			       "a name");
	if (archive_entry_filetype(e) == AE_IFDIR)
		t = get_dir(r, path, e);
	if (t < 0)
		return t;
	/* a link leads nowhere yet, and says so by its own error */
	if (archive_write_header(r->disk, e) != ARCHIVE_OK)
		return fail(r, r->disk, 0, path);
	r->sum.files++;
	if (archive_entry_filetype(e) == AE_IFDIR)
		t = count_dir(r, path);
	if (t == 0 && archive_entry_size(e) > 0)
		t = get_data(r, path);
	if (t != 0)
		return t;
	if (archive_write_finish_entry(r->disk) != ARCHIVE_OK)
		return fail(r, r->disk, 0, path);
	return told(r);
}

/* ---- what an increment begins with ------------------------------------------------ */

static bool is_member(struct archive_entry *e, const char *path)
{
	const char *name = archive_entry_pathname(e);

	return name && strcmp(name, path) == 0 &&
	       archive_entry_filetype(e) == AE_IFREG;
}

static int no_increment(struct reader *r)
{
	return err_set(r->err, -EBADMSG,
		       "the archive: an increment that does not begin as one");
}

/* Is it of the archive that was restored before? */
static int check_since(struct reader *r)
{
	char text[ARC_SINCE_SIZE + 1] = "", want[ARC_SINCE_SIZE + 1];
	const char *sha256 = text + strlen(ARC_SINCE_HEAD);
	la_ssize_t n = archive_read_data(r->a, text, ARC_SINCE_SIZE);

	if (n < 0)
		return fail(r, r->a, -EBADMSG, ARC_SINCE);
	arc_since_make(want, sha256);
	if (strcmp(text, want) != 0 || strspn(sha256, "0123456789abcdef") != 64)
		return no_increment(r);
	if (!r->after)
		return err_set(r->err, -EINVAL,
			       "it is an increment: name the whole backup "
			       "first, then each increment in order (it "
			       "follows the archive with sha256 %.16s...)",
			       sha256);
	if (strncmp(sha256, r->after, 64) != 0)
		return err_set(r->err, -EINVAL,
			       "it follows the archive with sha256 %.16s..., "
			       "not the one before, which has %.16s...: one "
			       "is missing, or the order is another",
			       sha256, r->after);
	return 0;
}

/* @path, @used: what is no whole path yet. */
static int delete_some(struct reader *r, const char *data, size_t size,
		       char *path, size_t *used)
{
	int t = 0;

	for (size_t i = 0; t == 0 && i < size; i++) {
		if (*used == PATH_LEN)
			return no_increment(r);
		path[(*used)++] = data[i];
		if (data[i])
			continue;
		t = arc_beneath_delete(r->root, path, r->err);
		*used = 0;
		r->sum.deleted++;
		if (t == 0)
			t = told(r);
	}
	return t;
}

static int get_deleted(struct reader *r)
{
	_cleanup_free_ char *path = malloc(PATH_LEN);
	char data[4096];
	size_t used = 0;
	la_ssize_t n = 0;
	int t = path ? 0 : err_set(r->err, -ENOMEM, "out of memory");

	while (t == 0) {
		n = archive_read_data(r->a, data, sizeof(data));
		if (n < 0)
			return fail(r, r->a, -EBADMSG, ARC_DELETED);
		if (n == 0)
			break;
		t = delete_some(r, data, (size_t)n, path, &used);
	}
	return t == 0 && used ? no_increment(r) : t;
}

static int get_since(struct reader *r)
{
	struct archive_entry *e;
	int t = check_since(r);

	if (t < 0)
		return t;
	if (archive_read_next_header(r->a, &e) != ARCHIVE_OK)
		return fail(r, r->a, -EBADMSG, "the archive");
	return is_member(e, ARC_DELETED) ? get_deleted(r) : no_increment(r);
}

/* What is called so further on is a file of the volume. */
static int get_first(struct reader *r, struct archive_entry *e)
{
	if (is_member(e, ARC_SINCE))
		return get_since(r);
	if (r->after)
		return err_set(r->err, -EINVAL,
			       "it is no increment, and can only be the first");
	return get_entry(r, e);
}

/* ---- all ------------------------------------------------------------------------- */

static int get_all(struct reader *r)
{
	struct archive_entry *e;
	bool first = true;
	int rc, t = stream_open(r);

	while (t == 0) {
		rc = archive_read_next_header(r->a, &e);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK)
			return fail(r, r->a, -EBADMSG, "the archive");
		t = first ? get_first(r, e) : get_entry(r, e);
		first = false;
	}
	if (t == 0 && first && r->after)
		t = no_increment(r);
	/* modes and times of directories, that were kept for the end */
	if (t == 0 && archive_write_close(r->disk) != ARCHIVE_OK)
		t = fail(r, r->disk, 0, "directories");
	if (t == 0)
		t = set_times(r);
	return t == 0 ? check_end(r) : t;
}

int arc_read(int in, int root, const char *after, const struct arc_hooks *hooks,
	     struct arc_sum *ret, struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_close_ int before =
		open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct reader r = { .in = in,
			    .root = root,
			    .after = after,
			    .hooks = hooks,
			    .err = err };
	int t = arc_locale_enter(&l, err);

	if (t < 0)
		return t;
	if (fchdir(root) < 0)
		return err_set(err, -errno, "go to the directory: %s",
			       strerror(errno));
	t = get_all(&r);
	reader_fini(&r); /* it may still touch directories */
	if (before >= 0 && fchdir(before) < 0 && t == 0)
		t = err_set(err, -errno, "go back: %s", strerror(errno));
	if (t == 0)
		*ret = r.sum;
	return t;
}
