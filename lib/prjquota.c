/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Project quotas by quotactl_fd(2), which both file systems answer alike, and
 * by the attributes of a directory.
 */
#include "lib/prjquota.h"

#include <errno.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base.h"

#define EXT4_MAGIC 0xef53
#define XFS_MAGIC  0x58465342
#define TRIES      1000

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

static int quota(int fd, unsigned int cmd, uint32_t id, void *arg)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(cmd, PRJQUOTA), id, arg) < 0
		       ? -errno
		       : 0;
}

/* ---- can it? ----------------------------------------------------------- */

static const char ext4_how[] =
	"it needs tune2fs -O project -Q prjquota DEVICE while unmounted, and "
	"the mount option prjquota";
static const char xfs_how[] =
	"mount it with the option prjquota (of the root file system: "
	"rootflags=prjquota for the kernel)";

int prjquota_check(int fd, struct err *err)
{
	struct fs_quota_statv st = { .qs_version = FS_QSTATV_VERSION1 };
	struct statfs fs;
	bool xfs;
	int r;

	if (fstatfs(fd, &fs) < 0)
		return err_set(err, -errno, "statfs: %s", strerror(errno));
	xfs = fs.f_type == XFS_MAGIC;
	if (!xfs && fs.f_type != EXT4_MAGIC)
		return err_set(
			err, -EOPNOTSUPP,
			"the file system is neither ext4 nor xfs: it has "
			"no project quotas");
	r = quota(fd, Q_XGETQSTATV, 0, &st);
	if (r == 0 && st.qs_flags & FS_QUOTA_PDQ_ENFD)
		return 0;
	if (r == -ENOSYS && xfs)
		return err_set(err, -EOPNOTSUPP,
			       "project quotas of xfs: %s; or this kernel has "
			       "none",
			       xfs_how);
	if (r == -EPERM)
		return err_set(err, -EOPNOTSUPP,
			       "project quotas: not allowed to ask for them");
	return err_set(err, -EOPNOTSUPP, "%s has project quotas off: %s",
		       xfs ? "xfs" : "ext4", xfs ? xfs_how : ext4_how);
}

/* ---- figures ----------------------------------------------------------- */

static int failed(int r, const char *what, uint32_t id, struct err *err)
{
	return err_set(err, r, "%s of project %u: %s", what, id, strerror(-r));
}

int prjquota_get(int fd, uint32_t id, struct prjquota *ret, struct err *err)
{
	struct if_dqblk q = { 0 };
	int r = quota(fd, Q_GETQUOTA, id, &q);

	if (r < 0 && r != -ENOENT) /* xfs: never used */
		return failed(r, "quota", id, err);
	*ret = (struct prjquota){
		.used = q.dqb_curspace,
		.limit = q.dqb_bhardlimit * QIF_DQBLKSIZE,
		.inodes = q.dqb_curinodes,
	};
	return 0;
}

int prjquota_limit(int fd, uint32_t id, uint64_t bytes, struct err *err)
{
	struct if_dqblk q = { .dqb_valid = QIF_BLIMITS };
	int r;

	/* the soft limit too: it would be kept from an earlier one */
	q.dqb_bhardlimit =
		bytes / QIF_DQBLKSIZE + (bytes % QIF_DQBLKSIZE ? 1 : 0);
	q.dqb_bsoftlimit = q.dqb_bhardlimit;
	r = quota(fd, Q_SETQUOTA, id, &q);
	return r < 0 ? failed(r, "limit", id, err) : 0;
}

/* ---- ids --------------------------------------------------------------- */

int prjquota_claim(int fd, uint32_t id, struct err *err)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return failed(-errno, "attributes", id, err);
	x.fsx_projid = id;
	if (id)
		x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	else
		x.fsx_xflags &= ~(uint32_t)FS_XFLAG_PROJINHERIT;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0)
		return failed(-errno, "attributes", id, err);
	return 0;
}

int prjquota_id(int fd, uint32_t *ret, struct err *err)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0) {
		if (errno != ENOTTY && errno != EOPNOTSUPP)
			return err_set(err, -errno, "project id: %s",
				       strerror(errno));
		x.fsx_xflags = 0; /* a file system without */
	}
	*ret = x.fsx_xflags & FS_XFLAG_PROJINHERIT ? x.fsx_projid : 0;
	return 0;
}

static void filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* Has the administrator given @id a name?  /etc/projid: "NAME:ID" a line. */
static bool has_name(uint32_t id)
{
	_cleanup_(filep) FILE *f = fopen("/etc/projid", "re");
	char line[256], *at;

	while (f && fgets(line, sizeof(line), f)) {
		at = line[0] == '#' ? NULL : strchr(line, ':');
		if (at && strtoul(at + 1, NULL, 10) == id)
			return true;
	}
	return false;
}

int prjquota_pick(int fd, uint32_t *next, uint32_t *ret, struct err *err)
{
	uint32_t at = *next;
	struct prjquota q;
	int r;

	/* Another daemon's ids (a lab has several) begin elsewhere. */
	if (at == 0 && getrandom(&at, sizeof(at), 0) != sizeof(at))
		return err_set(err, -errno, "random number: %s",
			       strerror(errno));
	for (int i = 0; i < TRIES; i++, at++) {
		at = PRJQUOTA_FIRST + (at - PRJQUOTA_FIRST) % PRJQUOTA_COUNT;
		r = prjquota_get(fd, at, &q, err);
		if (r < 0)
			return r;
		if (q.used || q.limit || q.inodes || has_name(at))
			continue;
		*ret = at;
		*next = at + 1;
		return 0;
	}
	return err_set(err, -EUSERS,
		       "no free project id: %u to %u are all in use",
		       at - TRIES, at - 1);
}
