/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * named_meta.h - NAME/meta: what a volume is made of, beside its data.
 *
 * Text, "key=value" a line, written with the volume while it is staged, so it
 * is there as soon as the volume is, and stays with the directory should the
 * records be lost.  A volume without it is a plain directory.
 */
#ifndef VOLPLUGINS_NAMED_NAMED_META_H
#define VOLPLUGINS_NAMED_NAMED_META_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define NAMED_BACKING_MAX 16

struct named_meta {
	char backing[NAMED_BACKING_MAX]; /* "directory", ... */
	char fs[8];                      /* image: "ext4", "xfs"; "": none */
	uint64_t size;                   /* limit in bytes; 0: none */
	uint32_t project;                /* project id; 0: none */
	/* A copy: of what (option from), .stamp when it was made, and when the
	 * Create was asked for that made it (vol_volume.created). */
	char from[512];
	uint64_t made;
	char created[32];
};

/*
 * named_meta_read() - NAME/meta; missing: a directory without a limit.
 *
 * @dir: of NAME.
 * Return: 0; -EUCLEAN when it is not what named_meta_write() writes (also what
 *         a newer version wrote: nothing is guessed).
 */
int named_meta_read(int dir, struct named_meta *ret, struct err *err);

/*
 * named_meta_write() - make or replace it, atomically, on the disk on return.
 *
 * A plain directory without a limit has none, nothing is written for it.
 */
int named_meta_write(int dir, const struct named_meta *m, struct err *err);

/* Delete it, for who deletes NAME; absent is success. */
int named_meta_remove(int dir, struct err *err);

#endif
