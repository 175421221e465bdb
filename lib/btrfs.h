/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * btrfs.h - subvolumes and quota groups of a btrfs file system, by the kernel's
 * ioctls (linux/btrfs.h).  The only user of that header.
 *
 * Every call takes a descriptor of a directory of the file system and needs
 * CAP_SYS_ADMIN.  A subvolume's quota group is 0/ID, which the kernel makes
 * with the subvolume when quotas are on.
 */
#ifndef LIB_BTRFS_H
#define LIB_BTRFS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/* btrfs_is() - is @fd on btrfs? */
bool btrfs_is(int fd);

/*
 * btrfs_subvol_id() - the number of the subvolume whose root is @fd.
 *
 * Return: 0; -ENOTDIR: @fd is no root of a subvolume.
 */
int btrfs_subvol_id(int fd, uint64_t *ret, struct err *err);

/*
 * btrfs_subvol_make() - a new empty subvolume @name in @dirfd, mode 0755 less
 * the umask, owned by the caller.
 *
 * @name: one component.
 * Return: 0; -EEXIST.
 */
int btrfs_subvol_make(int dirfd, const char *name, struct err *err);

/*
 * btrfs_subvol_destroy() - delete the subvolume @name of @dirfd with all that
 * is in it, subvolumes and read-only ones among them.
 *
 * Blocks as long as there are subvolumes, not files: those are deleted by the
 * kernel afterwards.  An interrupted call leaves less than before.
 *
 * Return: 0; -ENOENT; -ENOTDIR: there, but no subvolume; -EPERM: one is in use
 *         (a swap file, a btrfs send, the default of the file system), @err
 *         naming it.
 */
int btrfs_subvol_destroy(int dirfd, const char *name, struct err *err);

/*
 * btrfs_subvol_snapshot() - a new subvolume @name in @dirfd with what is in the
 * subvolume @src at this moment; subvolumes in it become empty directories.
 *
 * What open files of @src hold unwritten is in it.  All of it or nothing; on
 * the disk with the next commit.
 *
 * @src:      the root of a subvolume of the same file system.
 * @readonly: nobody can change it, root included.
 * Return: 0; -EEXIST; -ENOTDIR: @src is no root of a subvolume.
 */
int btrfs_subvol_snapshot(int src, int dirfd, const char *name, bool readonly,
			  struct err *err);

struct btrfs_subvol {
	uint64_t id;
	uint64_t generation; /* of its last change that was committed */
	int64_t created_s;   /* CLOCK_REALTIME; 0: not known */
	bool readonly;
	bool received; /* by btrfs receive, and not changed since */
};

/* btrfs_subvol_get() - of the subvolume whose root is @fd.  Return: 0;
 * -ENOTDIR. */
int btrfs_subvol_get(int fd, struct btrfs_subvol *ret, struct err *err);

/*
 * btrfs_subvol_each() - call @fn for each subvolume below @id, at any depth.
 *
 * By the kernel's index of subvolumes, not by a walk of files.
 *
 * @fn:  not 0 ends it.
 * Return: 0; what @fn returned; -E2BIG: more than 64 levels.
 */
int btrfs_subvol_each(int fd, uint64_t id, int (*fn)(void *ctx, uint64_t id),
		      void *ctx, struct err *err);

struct btrfs_quota {
	bool on;
	bool exact; /* false: being counted, or to be counted again */
};

/* btrfs_quota_get() - are quotas on?  As of the last commit.  Return: 0. */
int btrfs_quota_get(int fd, struct btrfs_quota *ret, struct err *err);

/*
 * btrfs_quota_need() - quotas on, and being counted if the figures were lost.
 *
 * Turns on the quotas that can be turned off again ("full"); those that are on,
 * full or simple, stay as they are.  Waits two seconds at most for the kernel
 * to count what is there; on a large file system it goes on by itself.
 */
int btrfs_quota_need(int fd, struct err *err);

struct btrfs_qgroup {
	uint64_t used, limit; /* bytes; limit 0: none */
	uint64_t exclusive;   /* of those used: shared with no other */
};

/*
 * btrfs_qgroup_get() - the quota group of the subvolume @id, as of the last
 * commit (30 s at most); btrfs_sync() makes it now.
 *
 * Return: 0; -ENODATA: quotas are off, or it has none.
 */
int btrfs_qgroup_get(int fd, uint64_t id, struct btrfs_qgroup *ret,
		     struct err *err);

/*
 * btrfs_qgroup_limit() - at most @bytes of data and metadata in subvolume @id;
 * 0: no limit.  Below what is used: nothing can be added.
 *
 * @fd: not in that subvolume.  Since Linux 6.17 the kernel reserves the change's own
 * metadata where @fd lies (btrfs_ioctl_qgroup_limit()): a full one could not grow.
 *
 * Return: 0; -ENODATA: quotas are off.
 */
int btrfs_qgroup_limit(int fd, uint64_t id, uint64_t bytes, struct err *err);

/*
 * btrfs_qgroup_forget() - delete the quota group of a subvolume that was
 * deleted.  Since Linux 6.10 the kernel does it.
 *
 * Return: 0: it is not there (any more); -EBUSY: not yet, the kernel is still
 *         deleting the files.
 */
int btrfs_qgroup_forget(int fd, uint64_t id);

/* btrfs_sync() - commit, so that the figures are those of now. */
int btrfs_sync(int fd, struct err *err);

#endif
