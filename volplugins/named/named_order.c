/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a change of directories is on the disk.
 *
 * The core ends a Create or Remove by a commit to state.db, with fsync.  ext4
 * with a journal and xfs have one log for all changes of directories and
 * inodes: what is forced to the disk brings all earlier ones with it.  Where
 * volumes/ and state.db are on one such file system that commit is enough, and
 * a power cut before it leaves a state that the intent's redo completes.  Each
 * fsync saved is a write barrier of the disk, a third of a Create's time.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

/* ext2 and an ext4 without a journal have the same magic number. */
static bool has_journal(dev_t dev)
{
	char path[64], link[512], *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev),
		 minor(dev));
	n = readlink(path, link, sizeof(link) - 1);
	if (n <= 0)
		return false;
	link[n] = '\0';
	name = strrchr(link, '/');
	if (!name || strlen(name) > 32)
		return false;
	snprintf(path, sizeof(path), "/sys/fs/ext4%.32s/journal_task", name);
	return access(path, F_OK) == 0;
}

bool named_is_ordered(int volumes, int state)
{
	struct stat a, b;
	struct statfs sf;

	if (fstat(volumes, &a) < 0 || fstat(state, &b) < 0 ||
	    a.st_dev != b.st_dev || fstatfs(volumes, &sf) < 0)
		return false;
	if (sf.f_type == XFS_SUPER_MAGIC)
		return true;
	return sf.f_type == EXT4_SUPER_MAGIC && has_journal(a.st_dev);
}

int named_sync(const struct named_host *h, int dir)
{
	return h->ordered ? 0 : tree_sync(dir);
}
