/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * layout.h - what lies where on a pool's device, and what the kernel says of a
 * pool: arithmetic and text, no I/O.
 *
 *   sector 0          one line of text: that it is ours, whose, the numbers below
 *   sector 2048       the pool's metadata, as the kernel keeps it
 *   .data_start       blocks of volumes, to the end
 *
 * All numbers are sectors of 512 bytes where nothing else is said.
 */
#ifndef VOLPLUGINS_THIN_LAYOUT_H
#define VOLPLUGINS_THIN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define THIN_UUID_MAX    33 /* 32 hex digits and the NUL */
#define THIN_HEADER_SIZE 4096
#define THIN_META_START  2048
#define THIN_FULL        90 /* per cent: nothing new from here on */
#define THIN_FULL_OWN    98 /* nothing at all, backups' own snapshots included */
#define THIN_LOW         80 /* per cent: told in the log */
#define THIN_META_LOW \
	75 /* per cent of the metadata: more is to be given, if it can */

struct thin_layout {
	char uuid[THIN_UUID_MAX];
	uint64_t block; /* what is given to a volume at once */
	uint64_t meta_sectors, data_start;
};

/* thin_layout_plan() - for a new pool of @bytes.  -EINVAL: too small. */
int thin_layout_plan(uint64_t bytes, struct thin_layout *ret, struct err *err);
/* thin_layout_data() - data sectors of a device of @bytes: whole blocks. */
uint64_t thin_layout_data(const struct thin_layout *l, uint64_t bytes);
/* thin_layout_meta_next() - how much metadata a pool with @more beside its own is to
 * have there next: twice as much in all, at most a sixteenth of its data and what the
 * kernel uses.  @more: it has as much as it may have. */
uint64_t thin_layout_meta_next(const struct thin_layout *l, uint64_t more,
			       uint64_t data_sectors);
void thin_layout_print(const struct thin_layout *l,
		       char buf[static THIN_HEADER_SIZE]);
/* -ENODATA: no header of ours; -EUCLEAN: one that makes no sense. */
int thin_layout_parse(const char buf[static THIN_HEADER_SIZE],
		      struct thin_layout *ret, struct err *err);

/* The line of a thin-pool's table. */
void thin_table_print(const struct thin_layout *l, const char *meta,
		      const char *data, uint64_t data_sectors, bool pass_down,
		      char *buf, size_t size);

enum thin_mode {
	THIN_MODE_WRITE,
	THIN_MODE_NO_SPACE, /* no block is left */
	THIN_MODE_READ,     /* the kernel met an error in the metadata */
	THIN_MODE_FAIL,
};

struct thin_status {
	enum thin_mode mode;
	uint64_t transaction;
	uint64_t used_meta, total_meta; /* blocks of 4096 bytes */
	uint64_t used_data, total_data; /* blocks of .block sectors */
	bool needs_check;
};

/* thin_status_parse() - -EUCLEAN. */
int thin_status_parse(const char *text, struct thin_status *ret,
		      struct err *err);
/* Of 100, rounded up; the fuller of the two. */
unsigned int thin_status_full(const struct thin_status *s);
unsigned int thin_status_meta_full(const struct thin_status *s);
/* It can be given more metadata: not once the kernel found something wrong. */
bool thin_status_writable(const struct thin_status *s);
/* thin_status_room() - may anything be made that is not from @full per cent on?  -ENOSPC,
 * -EROFS: what to do. */
int thin_status_room(const struct thin_status *s, unsigned int full,
		     struct err *err);
/* thin_status_fits() - may @bytes be written at once, which takes room @block bytes at a
 * time?  -ENOSPC: more than it has until it is THIN_FULL; with both figures. */
int thin_status_fits(const struct thin_status *s, uint64_t block,
		     uint64_t bytes, struct err *err);
/* thin_status_trouble() - one line of what is wrong with it; NULL: nothing. */
const char *thin_status_trouble(const struct thin_status *s, char *buf,
				size_t size);

#endif
