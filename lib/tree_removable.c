/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Would deleting a directory tree leave anything behind? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/tree.h"
#include "lib/tree_priv.h"

static int look(struct tree_walk *w, const char *name)
{
	struct statx sx;

	if (statx(w->fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE, &sx) < 0)
		return errno == ENOENT ? 0
				       : tree_walk_refuse(w, -errno, name,
							  strerror(errno));
	if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return tree_walk_refuse(w, -EBUSY, name,
					"a mount point: unmount it first");
	/* Before Linux 5.8 a mount shows by the device only.  Of directories:
	 * files of an overlay may have the device of its lower layer. */
	if (S_ISDIR(sx.stx_mode) &&
	    makedev(sx.stx_dev_major, sx.stx_dev_minor) !=
		    tree_walk_level(w)->dev)
		return tree_walk_refuse(
			w, -EBUSY, name,
			"on another file system (a btrfs subvolume?): "
			"remove it first");
	if (sx.stx_attributes & STATX_ATTR_IMMUTABLE)
		return tree_walk_refuse(w, -EPERM, name,
					"immutable: chattr -i it first");
	if (sx.stx_attributes & STATX_ATTR_APPEND)
		return tree_walk_refuse(w, -EPERM, name,
					"append-only: chattr -a it first");
	return S_ISDIR(sx.stx_mode) ? tree_walk_later(w, name) : 0;
}

int tree_removable(int dirfd, struct err *err)
{
	struct tree_walk w = { .look = look, .err = err };

	return tree_walk(&w, dirfd);
}
