/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of an index into their frame. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/arc_priv.h"

#define FRAME_HEAD 8

struct arc_index_out {
	struct archive *a;
	struct digest *digest;
	uint8_t *frame; /* owned; FRAME_HEAD bytes, then zstd */
	size_t used, room;
	bool failed;
};

void arc_index_out_free(struct arc_index_out *o)
{
	if (!o)
		return;
	o->failed = true; /* nothing more is wanted */
	archive_write_free(o->a);
	digest_free(o->digest);
	free(o->frame);
	free(o);
}

static int keep(struct arc_index_out *o, const void *data, size_t size)
{
	if (o->room - o->used < size) {
		size_t room = (o->used + size) * 2;
		uint8_t *grew = realloc(o->frame, room);

		if (!grew)
			return -ENOMEM;
		o->frame = grew;
		o->room = room;
	}
	memcpy(o->frame + o->used, data, size);
	o->used += size;
	return 0;
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data,
			   size_t size)
{
	struct arc_index_out *o = ctx;

	if (o->failed)
		return -1;
	if (keep(o, data, size) < 0) {
		archive_set_error(a, ENOMEM, "out of memory");
		return -1;
	}
	digest_add(o->digest, data, size);
	return (la_ssize_t)size;
}

/* One nameless file, of which the filter is all that is there. */
static int begin(struct arc_index_out *o)
{
	static const uint8_t head[FRAME_HEAD];
	struct archive_entry *e = archive_entry_new();
	int r = -1;

	if (e && keep(o, head, sizeof(head)) == 0 &&
	    archive_write_set_format_raw(o->a) == ARCHIVE_OK &&
	    archive_write_add_filter_zstd(o->a) == ARCHIVE_OK &&
	    archive_write_set_bytes_in_last_block(o->a, 1) == ARCHIVE_OK &&
	    archive_write_open2(o->a, o, NULL, on_write, NULL, NULL) ==
		    ARCHIVE_OK) {
		archive_entry_set_filetype(e, AE_IFREG);
		if (archive_write_header(o->a, e) == ARCHIVE_OK)
			r = 0;
	}
	archive_entry_free(e);
	if (r == 0 && archive_write_data(o->a, ARC_INDEX_HEAD,
					 sizeof(ARC_INDEX_HEAD)) < 0)
		r = -1;
	return r;
}

struct arc_index_out *arc_index_out_new(void)
{
	struct arc_index_out *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->a = archive_write_new();
	o->digest = digest_new();
	if (o->a && o->digest && begin(o) == 0)
		return o;
	arc_index_out_free(o);
	return NULL;
}

static void put_hex(char *to, const uint8_t raw[static ARC_DIGEST])
{
	for (size_t i = 0; i < ARC_DIGEST; i++)
		snprintf(to + 2 * i, 3, "%02x", raw[i]);
}

int arc_index_out_add(struct arc_index_out *o, const struct arc_entry *e,
		      struct err *err)
{
	char line[400], meta[2 * ARC_DIGEST + 1], data[2 * ARC_DIGEST + 1];
	int n;

	put_hex(meta, e->meta);
	put_hex(data, e->data);
	n = snprintf(line, sizeof(line),
		     "%" PRIo32 " %" PRIu32 " %" PRIu32 " %" PRIu64
		     " %lld.%09ld %lld.%09ld %" PRIu64 " %" PRIu32 " %" PRIu64
		     " %d %s %s ",
		     e->mode, e->uid, e->gid, e->size,
		     (long long)e->mtime.tv_sec, e->mtime.tv_nsec,
		     (long long)e->ctime.tv_sec, e->ctime.tv_nsec, e->ino,
		     e->links, e->rdev, e->doubt, meta, data);
	if (archive_write_data(o->a, line, (size_t)n) < 0 ||
	    archive_write_data(o->a, e->path, strlen(e->path) + 1) < 0)
		return arc_fail(o->a, 0, "the index", err);
	return 0;
}

int arc_index_out_end(struct arc_index_out *o, const uint8_t **ret_frame,
		      size_t *ret_size, struct err *err)
{
	static const uint8_t magic[4] = ARC_INDEX_MAGIC;
	char text[ARC_INDEX_TEXT + 1], hex[DIGEST_HEX_MAX];
	size_t bytes;

	if (archive_write_close(o->a) != ARCHIVE_OK)
		return arc_fail(o->a, 0, "the index", err);
	bytes = o->used - FRAME_HEAD;
	digest_end(o->digest, hex);
	arc_index_text(text, bytes, hex);
	if (bytes > UINT32_MAX - ARC_INDEX_TEXT)
		return err_set(err, -EFBIG,
			       "the index of this many files has more than "
			       "4 GiB: put them into more than one volume");
	if (keep(o, text, ARC_INDEX_TEXT) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(o->frame, magic, sizeof(magic));
	for (unsigned int i = 0; i < 4; i++)
		o->frame[4 + i] =
			(uint8_t)((bytes + ARC_INDEX_TEXT) >> (8 * i));
	*ret_frame = o->frame;
	*ret_size = o->used;
	return 0;
}
