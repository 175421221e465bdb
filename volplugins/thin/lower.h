/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lower.h - the block device that a pool lies on: the one that was given, or a loop
 * device of pool.img. */
#ifndef VOLPLUGINS_THIN_LOWER_H
#define VOLPLUGINS_THIN_LOWER_H

#include "lib/loop.h"
#include "volplugins/thin/pool.h"

struct thin_lower {
	int fd;
	const char *name; /* for messages */
	char path[LOOP_PATH_MAX];
	uint64_t bytes;
	char dev[24]; /* MAJOR:MINOR */
	/* meta-UUID.img, which has the rest of the metadata; .more 0: none */
	int more_fd;
	uint64_t more; /* sectors */
	char more_dev[24];
};

#define THIN_LOWER_NONE                         \
	{                                       \
		.fd = -EBADF, .more_fd = -EBADF \
	}

/*
 * thin_lower_open() - also makes pool.img larger, where the flags say so.
 *
 * @fresh: pool.img may be made.
 * @ret:   thin_lower_closep() whatever is returned; a pool on it keeps it.
 */
int thin_lower_open(struct thin_pool *p, bool fresh, struct thin_lower *ret,
		    struct err *err);
void thin_lower_closep(struct thin_lower *l);

/*
 * thin_more_open() - meta-UUID.img of p->layout.uuid beside pool.img; none is fine
 * where the records have none.
 *
 * Return: 0; -ENODEV: it is gone; -EUCLEAN: it was cut.
 */
int thin_more_open(const struct thin_pool *p, struct thin_lower *l,
		   struct err *err);
/* thin_more_grow() - it has @sectors now, on the disk; a failure leaves what it had. */
int thin_more_grow(const struct thin_pool *p, struct thin_lower *l,
		   uint64_t sectors, struct err *err);

/* thin_header_read() - -ENODATA: it is no pool. */
int thin_header_read(const struct thin_lower *l, struct thin_layout *ret,
		     struct err *err);
/* thin_header_write() - make it a pool, of p->layout, with nothing in it. */
int thin_header_write(const struct thin_pool *p, const struct thin_lower *l,
		      struct err *err);

/* ---- pool_parts.c: the devices that a pool is made of --------------------------- */

enum thin_part { THIN_META, THIN_DATA, THIN_POOL };
void thin_part_name(const struct thin_pool *p, enum thin_part part,
		    char name[static DMX_NAME_MAX]);
/* thin_parts_up() - not active: from what is on @l.  -EUCLEAN: thin_check, which is asked
 * if @check, found damage; the metadata's device stays. */
int thin_parts_up(struct thin_pool *p, const struct thin_lower *l, bool check,
		  struct err *err);
void thin_parts_drop(const struct thin_pool *p);
/* It is active: on @l?  -EUCLEAN. */
int thin_parts_same(const struct thin_pool *p, const struct thin_lower *l,
		    struct err *err);
/* thin_parts_grow() - active, and as large as @l is, its metadata too; again: 0. */
int thin_parts_grow(struct thin_pool *p, const struct thin_lower *l,
		    struct err *err);

#endif
