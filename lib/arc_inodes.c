/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A balanced tree of inodes. */
#include "lib/arc_inodes.h"

#include <search.h>
#include <string.h>

#include "lib/base.h"

static int by_ino(const void *a, const void *b)
{
	const struct arc_inode *x = a, *y = b;

	return (x->ino > y->ino) - (x->ino < y->ino);
}

static void inode_free(void *p)
{
	struct arc_inode *i = p;

	if (i)
		free(i->made.path);
	free(i);
}

static void inode_freep(struct arc_inode **i)
{
	inode_free(*i);
}

void arc_inodes_fini(struct arc_inodes *n)
{
	tdestroy(n->tree, inode_free);
	n->tree = NULL;
}

struct arc_inode *arc_inodes_find(const struct arc_inodes *n, uint64_t ino)
{
	const struct arc_inode key = { .ino = ino };
	struct arc_inode **at = tfind(&key, &n->tree, by_ino);

	return at ? *at : NULL;
}

struct arc_inode *arc_inodes_add(struct arc_inodes *n, uint64_t ino,
				 const struct arc_entry *made)
{
	struct arc_inode *there = arc_inodes_find(n, ino);
	_cleanup_(inode_freep) struct arc_inode *i =
		there ? NULL : calloc(1, sizeof(*i));

	if (there || !i)
		return there;
	i->ino = ino;
	if (made) {
		i->made = *made;
		i->made.path = strdup(made->path);
	}
	if ((made && !i->made.path) || !tsearch(i, &n->tree, by_ino))
		return NULL;
	return take_ptr(i);
}
