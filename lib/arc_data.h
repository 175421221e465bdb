/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_data.h - what a file holds: its data and holes, its link, its extended
 * attributes and ACLs; and digests of that, to tell whether it is still the same. */
#ifndef LIB_ARC_DATA_H
#define LIB_ARC_DATA_H

#include <stdint.h>

#include "lib/arc_walk.h"
#include "lib/digest.h"

#define ARC_BUFFER (1u << 20) /* bytes at a time */
#define ARC_DIGEST 16         /* bytes of SHA-256 that are kept */

/* Of data, and of where holes are. */
struct arc_hash {
	struct digest *data, *holes; /* owned */
};

int arc_hash_init(struct arc_hash *h); /* 0; -ENOMEM */
void arc_hash_fini(struct arc_hash *h);
void arc_hash_data(struct arc_hash *h, const void *data, size_t size);
void arc_hash_hole(struct arc_hash *h, off_t from, off_t to);
/* Of all since the last end. */
void arc_hash_end(struct arc_hash *h, uint8_t ret[static ARC_DIGEST]);

struct arc_sink {
	void *ctx;
	int (*data)(void *ctx, const char *data, size_t size);
	int (*hole)(void *ctx, off_t from, off_t to);
};

/*
 * arc_data_read() - exactly @size bytes of @p from the start, in order; where the
 * file ends before, a hole.
 *
 * @buf: ARC_BUFFER bytes to work in; the sink may write to it.
 * Return: 0; what the sink returned, if not 0; -errno.
 */
int arc_data_read(const struct arc_place *p, off_t size, char *buf,
		  const struct arc_sink *sink, struct err *err);

/*
 * arc_meta() - digest of link, attributes and ACLs of @p; zeros: it has none.
 *
 * Return: 0; -ENOENT: gone meanwhile; -errno.
 */
int arc_meta(const struct arc_place *p, uint8_t ret[static ARC_DIGEST],
	     struct err *err);

/* arc_meta_clear() - take attributes and ACLs off @fd.  @path: for @err. */
int arc_meta_clear(int fd, const char *path, struct err *err);

#endif
