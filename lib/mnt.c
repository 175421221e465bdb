/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mounting by descriptor. */
#include "lib/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base.h"

/* The last error line the kernel has for this context, and what errno says. */
static int fs_error(int fs, int code, const char *what, struct err *err)
{
	char line[256], last[256] = "";
	ssize_t n;

	for (;;) {
		n = read(fs, line, sizeof(line) - 1);
		if (n <= 0)
			break;
		line[n] = '\0';
		if (line[0] == 'e' && line[1] == ' ')
			snprintf(last, sizeof(last), "%s", line + 2);
	}
	last[strcspn(last, "\n")] = '\0';
	if (last[0])
		return err_set(err, code, "%s: %s (%s)", what, last,
			       strerror(-code));
	return err_set(err, code, "%s: %s", what, strerror(-code));
}

int mnt_open(const char *fstype, struct err *err)
{
	int fs = fsopen(fstype, FSOPEN_CLOEXEC);

	if (fs >= 0)
		return fs;
	return err_set(err, -errno, "mount %s: %s", fstype,
		       errno == ENODEV ? "this kernel does not have that file "
					 "system"
				       : strerror(errno));
}

int mnt_set(int fs, const char *key, const char *val, struct err *err)
{
	char what[128];

	if (fsconfig(fs, val ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key,
		     val, 0) == 0)
		return 0;
	snprintf(what, sizeof(what), "mount option %s", key);
	return fs_error(fs, -errno, what, err);
}

int mnt_make(int fs, uint64_t attrs, struct err *err)
{
	int fd;

	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fs_error(fs, -errno, "mount", err);
	fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int)attrs);
	return fd < 0 ? fs_error(fs, -errno, "mount", err) : fd;
}

int mnt_pick(int dirfd, const char *name, struct err *err)
{
	unsigned int flags =
		FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT;
	int fs = fspick(dirfd, name, *name ? flags : flags | FSPICK_EMPTY_PATH);

	return fs < 0 ? err_set(err, -errno, "%s: %s",
				*name ? name : "change a mount",
				strerror(errno))
		      : fs;
}

int mnt_reconfigure(int fs, struct err *err)
{
	if (fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) == 0)
		return 0;
	return fs_error(fs, -errno, "remount", err);
}

int mnt_clone(int dirfd, const char *path, bool recursive, struct err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			     AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	int fd;

	if (!*path)
		flags |= AT_EMPTY_PATH;
	if (recursive)
		flags |= AT_RECURSIVE;
	fd = open_tree(dirfd, path, flags);
	return fd < 0 ? err_set(err, -errno, "bind %s: %s", path,
				strerror(errno))
		      : fd;
}

int mnt_attrs(int mount, uint64_t set, uint64_t clear, bool recursive,
	      struct err *err)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };
	unsigned int flags = AT_EMPTY_PATH;

	if (recursive)
		flags |= AT_RECURSIVE;
	if (mount_setattr(mount, "", flags, &attr, sizeof(attr)) < 0)
		return err_set(err, -errno, "change a mount: %s",
			       strerror(errno));
	return 0;
}

int mnt_attach(int mount, int dirfd, const char *name, struct err *err)
{
	if (move_mount(mount, "", dirfd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_set(err, -errno, "mount on %s: %s", name,
			       strerror(errno));
	return 0;
}

int mnt_propagate(int mount, uint64_t propagation, bool recursive,
		  struct err *err)
{
	struct mount_attr attr = { .propagation = propagation };
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (mount_setattr(mount, "", flags, &attr, sizeof(attr)) < 0)
		return err_set(err, -errno, "propagation of a mount: %s",
			       strerror(errno));
	return 0;
}

/* Entering a mount is refused before the file system that is mounted is asked
 * anything; statx(2) would make NFS ask its server. */
int mnt_is_mounted(int dirfd, const char *name, struct err *err)
{
	const struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return errno == EXDEV
		       ? 1
		       : err_set(err, -errno, "%s: %s", name, strerror(errno));
}

int mnt_detach(int dirfd, const char *name, bool lazy, struct err *err)
{
	char path[320];
	int n;

	/* by the directory's descriptor: its own name may change */
	n = snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dirfd, name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(err, -ENAMETOOLONG, "unmount %s", name);
	if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 ||
	    errno == EINVAL || errno == ENOENT)
		return 0;
	return err_set(err, -errno, "unmount %s: %s", name,
		       errno == EBUSY ? "a process of this host is using it"
				      : strerror(errno));
}
