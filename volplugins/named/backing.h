/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backing.h - what a named volume is made of: one table a kind.
 *
 * named.c keeps the life of a volume's directory NAME (staging, one rename,
 * trash); a backing fills it, and makes NAME/_data reachable while the volume
 * is in use.  Which backing a volume has is written into NAME/meta when it is
 * staged and never changes; a volume without that file is a "directory".
 *
 * Every op gets @dir, a descriptor of NAME, and reaches everything by it,
 * following no link.  Every op is idempotent; one that fails half way leaves
 * things as they were.  Run under the volume's lock.
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

	/* Can the file system below volumes/ do it?  Asked once, at the start;
	 * what it needs to know later it keeps in @h.
	 * Return: 0; -EOPNOTSUPP with the reason, for who asked for it. */
	int (*probe)(struct named_host *h, struct err *err);

	/* Fill the empty @dir (still in .staging): _data and what it needs. */
	int (*make)(struct named_volume *v, int dir, struct err *err);
	/* Empty @dir again, if no data got in; -ENOTEMPTY. */
	int (*unmake)(struct named_volume *v, int dir, struct err *err);
	/* Is what make() left there?  Changes nothing. */
	int (*verify)(struct named_volume *v, int dir, struct err *err);
	/* First user, last user.  NULL: _data is reachable as it is. */
	int (*attach)(struct named_volume *v, int dir, struct err *err);
	int (*detach)(struct named_volume *v, int dir, struct err *err);
	/* The volume is in the trash and not attached: let go what deleting
	 * files does not (a subvolume, a quota).  Again, and after a crash with
	 * @v NULL: for what is left of anybody's.  NULL: nothing. */
	int (*purge)(struct named_host *h, int dir, struct err *err);
	/* A figure at hand (quota, statfs); NULL or -ENODATA: none is. */
	int (*usage)(struct named_volume *v, int dir, struct vol_usage *ret,
		     struct err *err);
	/* A new limit; -EOPNOTSUPP, -EBUSY (not while mounted), -ENOSPC (below
	 * what is used).  Growing works while mounted.  NULL: no limit. */
	int (*resize)(struct named_volume *v, int dir, uint64_t size,
		      struct err *err);
};

extern const struct named_backing named_directory, named_image, named_btrfs,
	named_project, named_mount;

#endif
