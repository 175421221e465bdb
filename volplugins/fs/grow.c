/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a mounted file system larger, by its own ioctls. */
#include "volplugins/fs/grow.h"

#include <errno.h>
#include <linux/types.h>
#include <string.h>
#include <sys/ioctl.h>

/* Neither is in the kernel's uapi headers; both are its ABI. */
#define EXT4_RESIZE _IOW('f', 16, __u64)

struct xfs_geometry {
	__u32 blocksize, rtextsize, agblocks, agcount, logblocks, sectsize,
		inodesize, imaxpct;
	__u64 datablocks, rtblocks, rtextents, logstart;
	__u8 uuid[16];
	__u32 sunit, swidth;
	__s32 version;
	__u32 flags, logsectsize, rtsectsize, dirblocksize;
};
_Static_assert(sizeof(struct xfs_geometry) == 112, "struct xfs_fsop_geom_v1");

struct xfs_growth {
	__u64 newblocks;
	__u32 imaxpct;
};

#define XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
#define XFS_GROW     _IOW('X', 110, struct xfs_growth)

static int grow_ext4(int root, uint64_t size)
{
	__u64 blocks = size / 4096;

	return ioctl(root, EXT4_RESIZE, &blocks) < 0 ? -errno : 0;
}

static int grow_xfs(int root, uint64_t size)
{
	struct xfs_growth growth = { 0 };
	struct xfs_geometry geometry;

	if (ioctl(root, XFS_GEOMETRY, &geometry) < 0)
		return -errno;
	if (!geometry.blocksize)
		return -EUCLEAN;
	growth.newblocks = size / geometry.blocksize;
	growth.imaxpct = geometry.imaxpct;
	/* the kernel would try to shrink */
	if (growth.newblocks <= geometry.datablocks)
		return 0;
	return ioctl(root, XFS_GROW, &growth) < 0 ? -errno : 0;
}

int grow_fs(const char *fs, int root, uint64_t size, struct err *err)
{
	int r = strcmp(fs, "ext4") == 0  ? grow_ext4(root, size)
		: strcmp(fs, "xfs") == 0 ? grow_xfs(root, size)
					 : -EOPNOTSUPP;

	return r < 0 ? err_set(err, r, "grow the %s file system: %s", fs,
			       r == -EPERM ? "it has errors, or the daemon "
					     "lacks CAP_SYS_RESOURCE"
					   : strerror(-r))
		     : 0;
}
