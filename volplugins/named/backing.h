/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backing.h - what a named volume is made of: one table a kind.
 *
 * named.c keeps the life of a volume's directory NAME (staging, one rename,
 * trash); a backing fills it, and makes NAME/_data reachable while the volume
 * is in use.  Which backing a volume has is written into NAME/meta before
 * .make and never changes; a volume without that file is a "directory".
 *
 * Every op gets @dir, a descriptor of NAME, and reaches everything by it,
 * following no link.  Every op is idempotent; one that fails half way leaves
 * things as they were.  Run under the volume's lock.  v->meta is read, and
 * v->opts are those of Create; of a volume that was found, v->meta counts.
 *
 * A new one: its file, a line in dir.mk, a line in named_backings[]
 * (named_options.c), and where it is chosen by itself, in named_choose().
 * What it needs of all volumes it keeps in struct named_host, what of one in
 * struct named_volume (memory) or struct named_meta (disk) (named_priv.h).
 */
#ifndef VOLPLUGINS_NAMED_BACKING_H
#define VOLPLUGINS_NAMED_BACKING_H

#include "lib/err.h"
#include "volplugins/vol_driver.h"

struct named_host;
struct named_volume;

struct named_backing {
	const char *name; /* -o backing=NAME, Status.backing, meta */
	bool limits;      /* size= works */
	bool must_limit;  /* size= is required */

	/* Can the file system below volumes/ do it?  Asked at the start, and if
	 * it could not, again for each volume that needs it, by any thread: it
	 * keeps nothing.  NULL: always.
	 * Return: 0; -EOPNOTSUPP with the reason, for who asked for it. */
	int (*probe)(struct named_host *h, struct err *err);

	/* Do its own options go together?  Called for a new volume, before
	 * anything is made; may complete v->meta.  NULL: any.  -EINVAL. */
	int (*plan)(struct named_volume *v, struct err *err);
	/* Fill @dir (still in .staging, empty but for meta): _data and what it
	 * needs, on the disk on return.  After a failure or a crash .purge is
	 * called for it, then all that is left is deleted. */
	int (*make)(struct named_volume *v, int dir, struct err *err);
	/* Empty @dir again, if no data got in; -ENOTEMPTY. */
	int (*unmake)(struct named_volume *v, int dir, struct err *err);
	/* Is what make() left there?  Changes nothing.  -ENOENT. */
	int (*verify)(struct named_volume *v, int dir, struct err *err);
	/* Every Mount, last user's Unmount (and Remove).  Again: 0.  NULL:
	 * _data is reachable as it is. */
	int (*attach)(struct named_volume *v, int dir, struct err *err);
	int (*detach)(struct named_volume *v, int dir, struct err *err);
	/* Would deleting @dir leave nothing behind?  Detached.  NULL: as
	 * tree_removable(). */
	int (*removable)(struct named_volume *v, int dir, struct err *err);
	/* @dir is in the trash, or is what staging left: let go what deleting
	 * files does not (a subvolume, a quota).  It may be half made; after a
	 * failure it is tried again.  No volume's lock is held.  NULL:
	 * nothing. */
	int (*purge)(struct named_host *h, int dir, struct err *err);
	/* A figure at hand (quota, statfs), never a walk; fills used_*, and
	 * limit_bytes where meta does not have it.  NULL or -ENODATA: none is;
	 * the last one known is told, with its age. */
	int (*usage)(struct named_volume *v, int dir, struct vol_usage *ret,
		     struct err *err);
	/* A new limit; v->meta.size is the old one, and written by the caller
	 * after it.  -EOPNOTSUPP, -EBUSY (not while mounted), -ENOSPC (below
	 * what is used).  Growing works while mounted.  NULL: no limit. */
	int (*resize)(struct named_volume *v, int dir, uint64_t size,
		      struct err *err);
	/* What .make left in @dir (staged), for filling: a descriptor of its
	 * root directory.  NULL: _data, unless there is .detach; then it can't
	 * be done. */
	int (*fill)(struct named_volume *v, int dir, struct err *err);

	/*
	 * Copies of one moment: all of the following, or none.  @snaps is
	 * NAME/snapshots.  Names with a dot first are the core's.
	 */
	const char *body; /* what in NAME holds the data; a rollback exchanges
			   * it for that of another directory */
	/* Whole or not at all, on the disk on return.  -EEXIST. */
	int (*snap_add)(struct named_volume *v, int dir, int snaps,
			const char *name, struct err *err);
	int (*snap_del)(struct named_host *h, int snaps, const char *name,
			struct err *err); /* -ENOENT */
	int (*snap_get)(int snaps, const char *name, struct vol_snapshot *ret,
			struct err *err); /* -ENOENT */
	/* A descriptor of its root directory, that holds all it needs. */
	int (*snap_open)(struct named_volume *v, int snaps, const char *name,
			 struct err *err);
	/* As .make, with what @src (its directory @from) has now, or with its
	 * snapshot @snap in @snaps (NULL, -EBADF: none). */
	int (*copy)(struct named_volume *v, int dir, struct named_volume *src,
		    int from, int snaps, const char *snap, struct err *err);
	/* A number that any write to it changes. */
	int (*stamp)(int dir, uint64_t *ret, struct err *err);
	/* Is there anything in it that no snapshot holds?  -ENOTEMPTY.  NULL:
	 * never. */
	int (*replaceable)(struct named_volume *v, int dir, struct err *err);
	/* More for Status.  NULL: nothing. */
	int (*status)(struct named_volume *v, int dir, json_object *to,
		      struct err *err);
};

extern const struct named_backing named_directory, named_image, named_btrfs,
	named_project, named_mount;

#endif
