/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arc_index.h - what an archive and those before it make: a line a name, by which
 * the next backup tells what was changed.
 *
 * It is at the end of the archive, before the line with the digest, in a frame
 * that zstd skips:
 *
 *     5c 2a 4d 18  length  zstd("berth-index 1" NUL, then records)  text
 *
 * The text has ARC_INDEX_TEXT bytes, so that it is found from the end of the file:
 * "berth-index 1 bytes N sha256 HEX", of the N bytes of zstd.  A record is
 *
 *     MODE UID GID SIZE MTIME CTIME INODE LINKS RDEV DOUBT META DATA PATH NUL
 *
 * MODE in octal, times as seconds.nanoseconds, META and DATA as 32 digits of hex
 * (arc_data.h), DOUBT 0 or 1, PATH "." or "./a/b".
 */
#ifndef LIB_ARC_INDEX_H
#define LIB_ARC_INDEX_H

#include <stdbool.h>
#include <time.h>

#include "lib/arc_data.h"

#define ARC_INDEX_TEXT 120

struct arc_entry {
	char *path; /* owned by the index; read only */
	uint32_t mode, uid, gid, links;
	uint64_t size, ino, rdev;
	struct timespec mtime, ctime;
	uint8_t meta[ARC_DIGEST], data[ARC_DIGEST];
	bool doubt; /* the same times may hide a change */
	bool same;  /* arc_plan.h's; not in an archive */
};

struct arc_index {
	struct arc_entry *entries; /* owned; by path, after arc_index_sort() */
	size_t count, room;
	char sha256[DIGEST_HEX_MAX]; /* of the archive; "": not read from one */
};

void arc_index_free(struct arc_index *x);
DEFINE_CLEANUP(struct arc_index, arc_index_free)

/* arc_entry_set() - from @st; path, digests and .doubt stay. */
void arc_entry_set(struct arc_entry *e, const struct stat *st);

/* arc_index_add() - @e and its path are copied.  0; -ENOMEM. */
int arc_index_add(struct arc_index *x, const struct arc_entry *e);
void arc_index_sort(struct arc_index *x);
/* Of a sorted one.  Borrowed; NULL: none. */
struct arc_entry *arc_index_find(const struct arc_index *x, const char *path,
				 size_t len);

/*
 * arc_index_load() - the index of the archive @fd, sorted; the rest of the archive
 * is not read.
 *
 * Entries that were changed within a second of the newest are in doubt: a change
 * right after may have left the same times.
 *
 * @fd:  a regular file.
 * @ret: owned; free it.
 * Return: 0; -EBADMSG: no archive of ours, cut, or changed there; -ENODATA: it has
 *         no index; -ESPIPE: no regular file; -errno.
 */
int arc_index_load(int fd, struct arc_index **ret, struct err *err);

/* arc_index_parse() - records, as they come: any number of bytes.  What is no
 * whole record yet is kept in @rest.  Return: 0; -EBADMSG; -ENOMEM. */
struct arc_index_rest {
	char *bytes; /* owned */
	size_t count, room;
	bool begun;
};
int arc_index_parse(struct arc_index *x, struct arc_index_rest *rest,
		    const char *bytes, size_t count);

/* An index that is being written: its frame, in memory. */
struct arc_index_out;
struct arc_index_out *arc_index_out_new(void); /* NULL: out of memory */
void arc_index_out_free(struct arc_index_out *o);
int arc_index_out_add(struct arc_index_out *o, const struct arc_entry *e,
		      struct err *err);
/* @ret_frame: borrowed, as long as @o is there. */
int arc_index_out_end(struct arc_index_out *o, const uint8_t **ret_frame,
		      size_t *ret_size, struct err *err);

#endif
