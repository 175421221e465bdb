/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a change of directories is on the disk.
 *
 * ext4 with a journal and xfs have one log for all changes of directories and
 * inodes: what is forced to the disk brings all earlier ones with it.  There
 * the last directory changed, volumes/, is synced, and those in it are not.
 * Elsewhere each is.  A commit to state.db does not do it: its fdatasync
 * overwrites blocks that SQLite's log has already, which moves no other log.
 */
#include <errno.h>
#include <fcntl.h>
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
	char path[64], link[512], pid[16] = "", *name;
	_cleanup_close_ int fd = -EBADF;
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
	fd = open(path, O_RDONLY | O_CLOEXEC);
	/* its thread's pid, or "<none>" */
	return fd >= 0 && read(fd, pid, sizeof(pid) - 1) > 0 && pid[0] >= '1' &&
	       pid[0] <= '9';
}

bool named_is_ordered(int volumes)
{
	struct stat st;
	struct statfs sf;

	if (fstat(volumes, &st) < 0 || fstatfs(volumes, &sf) < 0)
		return false;
	if (sf.f_type == XFS_SUPER_MAGIC)
		return true;
	return sf.f_type == EXT4_SUPER_MAGIC && has_journal(st.st_dev);
}

int named_sync(const struct named_host *h, int dir)
{
	return h->ordered ? 0 : tree_sync(dir);
}
