/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_layer_priv.h - a layer's files, one by one, into its directory. */
#ifndef LIB_ARC_LAYER_PRIV_H
#define LIB_ARC_LAYER_PRIV_H

#include <limits.h>
#include <stdbool.h>
#include <time.h>

#include "lib/arc_layer.h"
#include "lib/arc_priv.h"

/* Set at the end: what is made in a directory changes its time. */
struct layer_dir {
	char *path; /* owned */
	struct timespec mtime;
};

struct layer {
	struct archive *raw, *tar;    /* owned, as all of these */
	struct digest *packed, *diff; /* of what was read so far */
	void *in, *out;               /* a buffer each */
	struct layer_dir *dirs;
	size_t dir_count, dir_room, dir_bytes;
	char parent[PATH_MAX]; /* whose descriptor is .parent_fd; -1: none's */
	int parent_fd;
	const struct arc_from *from;
	const struct arc_layer_limits *lim;
	int root, failed; /* -errno of .from */
	uint64_t tar_bytes;
	struct arc_layer_sum sum;
	struct err *err;
};

/* layer_put() - the file @e, with its content.  0; -errno. */
int layer_put(struct layer *l, struct archive_entry *e);
/* layer_end() - all was put: times of directories. */
int layer_end(struct layer *l);

/* layer_check_count() - -EFBIG: it has more files than .lim says. */
int layer_check_count(struct layer *l);

/*
 * layer_header() - archive_read_next_header(), where names that are no UTF-8 are as good
 * as others.
 *
 * Some write them raw into a pax header, which says that it is UTF-8: libarchive warns,
 * and gives them as they are.  Of what else it warns something is missing.
 */
int layer_header(struct archive *a, struct archive_entry **ret);

/* layer_path() - @name without "." and doubled slashes; "": the root itself.
 * -EBADMSG: it leads out, or is too long. */
int layer_path(const char *name, char ret[static PATH_MAX], struct err *err);

#endif
