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
};

/*
 * thin_lower_open() - also makes pool.img larger, where the flags say so.
 *
 * @fresh: pool.img may be made.
 * @ret:   thin_lower_closep() whatever is returned; a pool on it keeps it.
 */
int thin_lower_open(struct thin_pool *p, bool fresh, struct thin_lower *ret,
		    struct err *err);
void thin_lower_closep(struct thin_lower *l);

/* thin_header_read() - -ENODATA: it is no pool. */
int thin_header_read(const struct thin_lower *l, struct thin_layout *ret,
		     struct err *err);
/* thin_header_write() - make it a pool, of p->layout, with nothing in it. */
int thin_header_write(const struct thin_pool *p, const struct thin_lower *l,
		      struct err *err);

#endif
