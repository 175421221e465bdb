// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A layer's bytes: packed, to be hashed; unpacked, to be hashed again; a tar.
 *
 * Two readers of libarchive stand behind each other: the first unpacks and knows
 * nothing of tar, the second reads what the first gives.  What is behind the end of
 * the tar, or of what is packed, is read as well: the digests are of all.
 */
#include "lib/arc_layer.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/arc_layer_priv.h"

#define BUFFER  (1u << 18)
#define FILTERS 2 /* one, and libarchive's own at the bottom */

static void layer_fini(struct layer *l)
{
	archive_read_free(l->tar);
	archive_read_free(l->raw);
	digest_free(l->packed);
	digest_free(l->diff);
	free(l->in);
	free(l->out);
	while (l->dir_count)
		free(l->dirs[--l->dir_count].path);
	free(l->dirs);
	closep(&l->parent_fd);
}

static int no_memory(struct layer *l)
{
	return err_set(l->err, -ENOMEM, "out of memory");
}

/* What was wrong below it is what @a could not read. */
static int fail(struct layer *l, struct archive *a)
{
	if (l->failed)
		return l->err && *l->err->msg ? l->failed
					      : err_set(l->err, l->failed,
							"read the layer: %s",
							strerror(-l->failed));
	return arc_fail(a, -EBADMSG, "the layer", l->err);
}

/* ---- the streams --------------------------------------------------------------- */

static ssize_t read_packed(struct layer *l)
{
	ssize_t n = l->from->read(l->from->ctx, l->in, BUFFER);

	if (n < 0)
		l->failed = (int)n;
	if (n <= 0)
		return n;
	digest_add(l->packed, l->in, (size_t)n);
	l->sum.size += (uint64_t)n;
	return n;
}

static la_ssize_t on_packed(struct archive *a, void *ctx, const void **buf)
{
	struct layer *l = ctx;
	ssize_t n = read_packed(l);

	(void)a;
	*buf = l->in;
	return n < 0 ? -1 : (la_ssize_t)n;
}

static la_ssize_t read_tar(struct layer *l)
{
	la_ssize_t n = archive_read_data(l->raw, l->out, BUFFER);

	if (n < 0 && !l->failed)
		l->failed = arc_fail(l->raw, -EBADMSG, "the layer", l->err);
	if (n <= 0)
		return n;
	digest_add(l->diff, l->out, (size_t)n);
	l->tar_bytes += (uint64_t)n;
	if (l->tar_bytes <= l->lim->bytes)
		return n;
	l->failed = err_set(l->err, -EFBIG,
			    "the layer has more than %llu bytes unpacked",
			    (unsigned long long)l->lim->bytes);
	return -1;
}

static la_ssize_t on_tar(struct archive *a, void *ctx, const void **buf)
{
	struct layer *l = ctx;
	la_ssize_t n = read_tar(l);

	(void)a;
	*buf = l->out;
	return n < 0 ? -1 : n;
}

static int open_raw(struct layer *l)
{
	struct archive_entry *e;

	l->raw = archive_read_new();
	if (!l->raw)
		return no_memory(l);
	if (archive_read_support_format_raw(l->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(l->raw) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(l->raw) != ARCHIVE_OK ||
	    archive_read_open(l->raw, l, NULL, on_packed, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(l->raw, &e) != ARCHIVE_OK)
		return fail(l, l->raw);
	return archive_filter_count(l->raw) > FILTERS
		       ? err_set(l->err, -EBADMSG,
				 "the layer is packed more than once")
		       : 0;
}

static int open_streams(struct layer *l)
{
	int r;

	l->packed = digest_new();
	l->diff = digest_new();
	l->in = malloc(BUFFER);
	l->out = malloc(BUFFER);
	if (!l->packed || !l->diff || !l->in || !l->out)
		return no_memory(l);
	r = open_raw(l);
	if (r < 0)
		return r;
	l->tar = archive_read_new();
	if (!l->tar)
		return no_memory(l);
	if (archive_read_support_format_tar(l->tar) != ARCHIVE_OK ||
	    archive_read_open(l->tar, l, NULL, on_tar, NULL) != ARCHIVE_OK)
		return fail(l, l->tar);
	return 0;
}

static int drain(struct layer *l)
{
	la_ssize_t n;
	ssize_t m;

	do
		n = read_tar(l);
	while (n > 0);
	if (n < 0)
		return fail(l, l->raw);
	do
		m = read_packed(l);
	while (m > 0);
	return m < 0 ? fail(l, l->raw) : 0;
}

int layer_check_count(struct layer *l)
{
	return l->sum.entries > l->lim->entries
		       ? err_set(l->err, -EFBIG,
				 "the layer has more than %llu files",
				 (unsigned long long)l->lim->entries)
		       : 0;
}

int layer_header(struct archive *a, struct archive_entry **ret)
{
	int rc = archive_read_next_header(a, ret);

	return rc == ARCHIVE_WARN && archive_errno(a) == EILSEQ &&
			       archive_entry_pathname(*ret)
		       ? ARCHIVE_OK
		       : rc;
}

/* ---- all of it ------------------------------------------------------------------- */

static int unpack(struct layer *l)
{
	struct archive_entry *e;
	int r = open_streams(l), rc;

	while (r == 0) {
		rc = layer_header(l->tar, &e);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK)
			return fail(l, l->tar);
		l->sum.entries++;
		r = layer_check_count(l);
		if (r == 0)
			r = layer_put(l, e);
	}
	if (r == 0)
		r = layer_end(l);
	return r == 0 ? drain(l) : r;
}

int arc_layer_unpack(const struct arc_from *from, int root,
		     const struct arc_layer_limits *lim,
		     struct arc_layer_sum *ret, struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale locale = { 0 };
	struct layer l = { .from = from,
			   .lim = lim,
			   .root = root,
			   .parent_fd = -1,
			   .err = err };
	int r = arc_locale_enter(&locale, err);
	mode_t mask = umask(0022);

	if (r == 0)
		r = unpack(&l);
	(void)umask(mask);
	if (r == 0) {
		digest_end(l.packed, l.sum.digest);
		digest_end(l.diff, l.sum.diff_id);
		*ret = l.sum;
	}
	layer_fini(&l);
	return r;
}
