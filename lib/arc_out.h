/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_out.h - the stream that a backup is: files, then the index of what it makes,
 * then the line with the digest. */
#ifndef LIB_ARC_OUT_H
#define LIB_ARC_OUT_H

#include "lib/arc_inodes.h"
#include "lib/arc_priv.h"

struct arc_out {
	struct archive *a, *disk; /* owned, as all of these */
	struct arc_index_out *index;
	struct digest *digest;
	struct arc_hash hash;
	struct arc_inodes links; /* written, or there already */
	char *buf;
	int out, failed; /* -errno of .out */
	bool trust;      /* an equal change time proves an equal file */
	time_t begun;    /* if it is of before */
	const struct arc_hooks *hooks;
	struct arc_sum sum;
	const char *path; /* borrowed; what is at work */
	struct err *err;
};

/* @root, @begun: as arc_write()'s.  arc_out_fini() it in any case. */
int arc_out_open(struct arc_out *o, int root, time_t begun, int out,
		 const struct arc_hooks *hooks, struct err *err);
void arc_out_fini(struct arc_out *o);

/* A file that is in no tree: its head, then @size bytes of it. */
int arc_out_begin(struct arc_out *o, const char *path, size_t size);
int arc_out_data(struct arc_out *o, const void *data, size_t size);

/*
 * arc_out_put() - the file @p, or its further name where it was put before.
 *
 * @e: all but its path is set, as put: a further name is what the first one was,
 *     whatever it has become meanwhile.  Not yet in the index.
 * Return: 0; -ENOENT: gone meanwhile, or left out, as was told, and nothing was put;
 *         -errno.
 */
int arc_out_put(struct arc_out *o, struct arc_place *p, struct arc_entry *e);
/* Its times, and whether a change from now on may leave them as they are. */
void arc_out_times(const struct arc_out *o, struct arc_entry *e,
		   const struct stat *st);
int arc_out_index(struct arc_out *o, const struct arc_entry *e);
int arc_out_told(struct arc_out *o);

/* Index and digest; nothing can be put any more. */
int arc_out_end(struct arc_out *o);

#endif
