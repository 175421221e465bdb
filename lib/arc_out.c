/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files into an archive.
 *
 * libarchive gets each file's descriptor and reads attributes, ACLs and holes from
 * that.  What can't be opened without effect (links, devices, fifos) it gets by a
 * path that begins at our descriptor of the directory it is in.
 */
#include "lib/arc_out.h"

#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define XFS_MAGIC 0x58465342
#define TICK_S    2 /* the kernel may stamp with a time so long past */

/* libarchive writes more than it reads back or makes: a head of 1 MiB, and a directory
 * by a path of PATH_MAX, with a slash. */
#define HEADER_MOST (900u << 10)
#define PATH_MOST   (PATH_MAX - 1)
#define XATTR_HEAD  32 /* its length, and what is in front of its name */

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static void entry_freep(struct archive_entry **e)
{
	archive_entry_free(*e);
}

void arc_out_fini(struct arc_out *o)
{
	if (!o->failed) /* what is half written is not to be ended well */
		o->failed = -ECANCELED;
	archive_read_free(o->disk);
	archive_write_free(o->a);
	arc_index_out_free(o->index);
	digest_free(o->digest);
	arc_hash_fini(&o->hash);
	arc_inodes_fini(&o->links);
	free(o->buf);
}

/* ---- the stream ------------------------------------------------------------------ */

static int write_all(struct arc_out *o, const void *data, size_t size)
{
	const char *p = data;

	while (size && !o->failed) {
		ssize_t n = write(o->out, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			o->failed = -errno;
			break;
		}
		p += n;
		size -= (size_t)n;
		o->sum.size += (uint64_t)n;
	}
	return o->failed;
}

static int write_hashed(struct arc_out *o, const void *data, size_t size)
{
	if (write_all(o, data, size) < 0)
		return -1;
	digest_add(o->digest, data, size);
	return 0;
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data,
			   size_t size)
{
	(void)a;
	return write_hashed(ctx, data, size) < 0 ? -1 : (la_ssize_t)size;
}

/* A failure of @a: what the archive is written to may be the reason. */
static int fail(struct arc_out *o, struct archive *a)
{
	if (o->failed)
		return err_set(o->err, o->failed, "write the archive: %s",
			       strerror(-o->failed));
	return arc_fail(a, 0, o->path, o->err);
}

/*
 * Here every change of a file, its attributes or names gives it a new change time,
 * writing through a mapping included once what was dirty is written back: that of
 * before @begun is, by the sync here or by the snapshot.  What is written to a
 * mapping afterwards may be written to again, and keep its time.  In memory (tmpfs)
 * nothing is written back.
 */
static bool times_tell(int root)
{
	struct statfs sf;

	return fstatfs(root, &sf) == 0 &&
	       (sf.f_type == EXT4_SUPER_MAGIC || sf.f_type == XFS_MAGIC ||
		sf.f_type == BTRFS_SUPER_MAGIC) &&
	       syncfs(root) == 0;
}

int arc_out_open(struct arc_out *o, int root, time_t begun, int out,
		 const struct arc_hooks *hooks, struct err *err)
{
	*o = (struct arc_out){ .out = out,
			       .hooks = hooks,
			       .path = "the archive",
			       .trust = times_tell(root),
			       .begun = begun,
			       .err = err };
	o->a = archive_write_new();
	o->disk = archive_read_disk_new();
	o->index = arc_index_out_new();
	o->digest = digest_new();
	o->buf = malloc(ARC_BUFFER);
	if (arc_hash_init(&o->hash) < 0 || !o->a || !o->disk || !o->index ||
	    !o->digest || !o->buf)
		return no_memory(err);
	if (archive_read_disk_set_symlink_physical(o->disk) != ARCHIVE_OK ||
	    archive_read_disk_set_behavior(
		    o->disk, ARCHIVE_READDISK_NO_FFLAGS) != ARCHIVE_OK)
		return fail(o, o->disk);
	/* the restricted form has no parts of a second */
	if (archive_write_set_format_pax(o->a) != ARCHIVE_OK ||
	    /* the one form that tar reads, without a second one beside it */
	    archive_write_set_format_option(o->a, "pax", "xattrheader",
					    "SCHILY") != ARCHIVE_OK ||
	    archive_write_add_filter_zstd(o->a) != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(o->a, 1) != ARCHIVE_OK ||
	    archive_write_open2(o->a, o, NULL, on_write, NULL, NULL) !=
		    ARCHIVE_OK)
		return fail(o, o->a);
	return 0;
}

int arc_out_end(struct arc_out *o)
{
	uint8_t end[ARC_END_SIZE];
	const uint8_t *frame;
	size_t size;
	int r;

	o->path = "the archive";
	if (archive_write_close(o->a) != ARCHIVE_OK)
		return fail(o, o->a);
	r = arc_index_out_end(o->index, &frame, &size, o->err);
	if (r < 0)
		return r;
	if (write_hashed(o, frame, size) < 0)
		return fail(o, o->a);
	digest_end(o->digest, o->sum.sha256);
	arc_end_make(end, o->sum.sha256);
	return write_all(o, end, sizeof(end)) < 0 ? fail(o, o->a) : 0;
}

/* ---- one file ---------------------------------------------------------------------- */

int arc_out_told(struct arc_out *o)
{
	return o->hooks->progress
		       ? o->hooks->progress(o->hooks->ctx, o->sum.bytes)
		       : 0;
}

int arc_out_begin(struct arc_out *o, const char *path, size_t size)
{
	_cleanup_(entry_freep) struct archive_entry *e = archive_entry_new();

	if (!e)
		return no_memory(o->err);
	o->path = path;
	archive_entry_copy_pathname(e, path);
	archive_entry_set_mode(e, S_IFREG | 0600);
	archive_entry_set_size(e, (la_int64_t)size);
	archive_entry_set_mtime(e, time(NULL), 0);
	return archive_write_header(o->a, e) == ARCHIVE_OK ? 0 : fail(o, o->a);
}

int arc_out_data(struct arc_out *o, const void *data, size_t size)
{
	return archive_write_data(o->a, data, size) < 0 ? fail(o, o->a) : 0;
}

static int put(struct arc_out *o, const char *data, size_t size)
{
	if (archive_write_data(o->a, data, size) < 0)
		return fail(o, o->a);
	o->sum.bytes += size;
	return arc_out_told(o);
}

static int put_data(void *ctx, const char *data, size_t size)
{
	struct arc_out *o = ctx;

	arc_hash_data(&o->hash, data, size);
	return put(o, data, size);
}

/* libarchive knows by itself that it is one, and wants the zeros. */
static int put_hole(void *ctx, off_t from, off_t to)
{
	struct arc_out *o = ctx;
	int r = 0;

	arc_hash_hole(&o->hash, from, to);
	memset(o->buf, 0, ARC_BUFFER);
	while (r == 0 && from < to) {
		off_t n = to - from < ARC_BUFFER ? to - from : ARC_BUFFER;

		r = put(o, o->buf, (size_t)n);
		from += n;
	}
	return r;
}

static int put_content(struct arc_out *o, struct arc_place *p,
		       struct arc_entry *e)
{
	const struct arc_sink sink = { .ctx = o,
				       .data = put_data,
				       .hole = put_hole };
	int r = arc_data_read(p, p->st.st_size, o->buf, &sink, o->err);

	arc_hash_end(&o->hash, e->data);
	return r;
}

void arc_out_times(const struct arc_out *o, struct arc_entry *e,
		   const struct stat *st)
{
	arc_entry_set(e, st);
	e->doubt = !o->trust || st->st_ctim.tv_sec >= o->begun - TICK_S;
}

static size_t acl_size(struct archive_entry *e, int which)
{
	_cleanup_free_ char *text = NULL;
	la_ssize_t n = 0;

	if (archive_entry_acl_types(e) & which)
		text = archive_entry_acl_to_text(
			e, &n,
			which | ARCHIVE_ENTRY_ACL_STYLE_EXTRA_ID |
				ARCHIVE_ENTRY_ACL_STYLE_SEPARATOR_COMMA);
	return text && n > 0 ? (size_t)n : 0;
}

/* What of it is written before its content, at most, but for paths. */
static size_t header_size(struct archive_entry *e)
{
	size_t size = acl_size(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS) +
		      acl_size(e, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
	const char *name;
	const void *value;
	size_t n;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &n) == ARCHIVE_OK)
		size += strlen(name) + n + XATTR_HEAD;
	archive_entry_xattr_reset(e);
	return size;
}

static int leave_out(struct arc_out *o, const struct arc_place *p,
		     const char *what)
{
	char why[128];

	snprintf(why, sizeof(why), "its %s too large for a restore%s", what,
		 S_ISDIR(p->st.st_mode) ? ", and so is all that is in it" : "");
	o->sum.lost++;
	if (o->hooks->left_out)
		o->hooks->left_out(o->hooks->ctx, p->path, why);
	return -ENOENT;
}

static int put_header(struct arc_out *o, struct arc_place *p, const char *link)
{
	_cleanup_(entry_freep) struct archive_entry *e = archive_entry_new();
	_cleanup_free_ char *at = arc_place_proc(p);
	int r;

	if (!e || !at)
		return no_memory(o->err);
	if (strlen(p->path) >= PATH_MOST)
		return leave_out(o, p, "path is");
	archive_entry_copy_pathname(e, p->path);
	archive_entry_copy_sourcepath(e, at);
	if (archive_read_disk_entry_from_file(o->disk, e, p->fd, &p->st) !=
	    ARCHIVE_OK)
		return fail(o, o->disk);
	if (link) {
		archive_entry_unset_size(e);
		archive_entry_copy_hardlink(e, link);
	}
	if (header_size(e) > HEADER_MOST)
		return leave_out(o, p, "attributes are");
	r = archive_write_header(o->a, e);
	/* a name that is no UTF-8: it is written as the bytes it is */
	if (r == ARCHIVE_WARN && archive_errno(o->a) == EILSEQ)
		r = ARCHIVE_OK;
	return r == ARCHIVE_OK ? 0 : fail(o, o->a);
}

static int put_link(struct arc_out *o, struct arc_place *p,
		    const struct arc_entry *made, struct arc_entry *e)
{
	char *path = e->path;
	int r = put_header(o, p, made->path);

	*e = *made;
	e->path = path;
	return r;
}

static int put_file(struct arc_out *o, struct arc_place *p, struct arc_entry *e)
{
	int r;

	arc_out_times(o, e, &p->st);
	r = put_header(o, p, NULL);
	if (r == 0 && S_ISREG(p->st.st_mode))
		r = put_content(o, p, e);
	if (r == 0 && e->links > 1 && !S_ISDIR(e->mode) &&
	    !arc_inodes_add(&o->links, e->ino, e))
		r = no_memory(o->err);
	return r;
}

int arc_out_put(struct arc_out *o, struct arc_place *p, struct arc_entry *e)
{
	struct arc_inode *link = NULL;
	int r = 0;

	o->path = p->path;
	if (S_ISREG(p->st.st_mode) || S_ISDIR(p->st.st_mode))
		r = arc_place_open(p, o->err);
	if (r == 0)
		r = arc_meta(p, e->meta, o->err);
	if (r < 0)
		return r;
	if (p->st.st_nlink > 1 && !S_ISDIR(p->st.st_mode))
		link = arc_inodes_find(&o->links, p->st.st_ino);
	r = link ? put_link(o, p, &link->made, e) : put_file(o, p, e);
	if (r != 0)
		return r;
	o->sum.files++;
	return arc_out_told(o);
}

int arc_out_index(struct arc_out *o, const struct arc_entry *e)
{
	return arc_index_out_add(o->index, e, o->err);
}
