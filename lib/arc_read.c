/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An archive into an empty directory.
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

#include "lib/arc_priv.h"

#define BUFFER (1u << 20)

struct reader {
	struct archive *a, *disk;
	struct digest *digest;
	int in, failed; /* -errno of .in */
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

static int get_entry(struct reader *r, struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e);
	int t = 0;

	if (!path)
		return err_set(r->err, -EBADMSG,
			       "the archive: a file without "
			       "a name");
	/* a link leads nowhere yet, and says so by its own error */
	if (archive_write_header(r->disk, e) != ARCHIVE_OK)
		return fail(r, r->disk, 0, path);
	r->sum.files++;
	if (archive_entry_size(e) > 0)
		t = get_data(r, path);
	if (t != 0)
		return t;
	if (archive_write_finish_entry(r->disk) != ARCHIVE_OK)
		return fail(r, r->disk, 0, path);
	return told(r);
}

static int get_all(struct reader *r)
{
	struct archive_entry *e;
	int rc, t = stream_open(r);

	while (t == 0) {
		rc = archive_read_next_header(r->a, &e);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK)
			return fail(r, r->a, -EBADMSG, "the archive");
		t = get_entry(r, e);
	}
	/* modes and times of directories, that were kept for the end */
	if (t == 0 && archive_write_close(r->disk) != ARCHIVE_OK)
		t = fail(r, r->disk, 0, "directories");
	return t == 0 ? check_end(r) : t;
}

int arc_read(int in, int root, const struct arc_hooks *hooks,
	     struct arc_sum *ret, struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_close_ int before =
		open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct reader r = { .in = in, .hooks = hooks, .err = err };
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
