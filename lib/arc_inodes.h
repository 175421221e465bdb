/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_inodes.h - what is known of files that have more than one name, by inode. */
#ifndef LIB_ARC_INODES_H
#define LIB_ARC_INODES_H

#include <stdint.h>

#include "lib/arc_data.h"

struct arc_inode {
	uint64_t ino;
	uint64_t as;              /* an inode of the other tree */
	char *path;               /* owned; one of its names, or NULL */
	uint8_t data[ARC_DIGEST]; /* of its content */
};

struct arc_inodes {
	void *tree; /* owned */
};

void arc_inodes_fini(struct arc_inodes *n);
/* Borrowed; NULL: none. */
struct arc_inode *arc_inodes_find(const struct arc_inodes *n, uint64_t ino);
/* The one that is there already, or a new one.  @path is copied; may be NULL.
 * Borrowed; NULL: out of memory. */
struct arc_inode *arc_inodes_add(struct arc_inodes *n, uint64_t ino,
				 const char *path);

#endif
