/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_inodes.h - what is known of files that have more than one name, by inode. */
#ifndef LIB_ARC_INODES_H
#define LIB_ARC_INODES_H

#include <stdint.h>

#include "lib/arc_index.h"

struct arc_inode {
	uint64_t ino;
	uint64_t as;           /* an inode of the other tree */
	struct arc_entry made; /* as one of its names was met; .path is
				* owned, or NULL */
};

struct arc_inodes {
	void *tree; /* owned */
};

void arc_inodes_fini(struct arc_inodes *n);
/* Borrowed; NULL: none. */
struct arc_inode *arc_inodes_find(const struct arc_inodes *n, uint64_t ino);
/* The one that is there already, or a new one.  @made and its path are copied; may
 * be NULL.  Borrowed; NULL: out of memory. */
struct arc_inode *arc_inodes_add(struct arc_inodes *n, uint64_t ino,
				 const struct arc_entry *made);

#endif
