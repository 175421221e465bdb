/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root: a mount of its own, pivoted to, and what is closed off in it. */
#include "runtime/oci/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/inroot.h"
#include "lib/mnt.h"
#include "runtime/oci/mount_opts.h"

static int propagation_of(const struct spec *spec, uint64_t *ret, bool *ret_rec,
			  struct err *err)
{
	const char *name = spec->linux_.propagation;

	*ret = MS_SLAVE;
	*ret_rec = true;
	if (!name || !*name || mount_opts_propagation(name, ret, ret_rec))
		return 0;
	return err_set(err, -EINVAL,
		       "linux.rootfsPropagation: \"%.32s\" is not shared, "
		       "slave, private or unbindable, or these with r",
		       name);
}

/* pivot_root() refuses a root whose parent mount is shared, and what we mount
 * on it would show on the host. */
static int parent_private(const char *path, struct err *err)
{
	_cleanup_close_ int at = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx sx;
	int up;

	while (at >= 0) {
		if (statx(at, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &sx) <
		    0)
			break;
		if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
			return mnt_propagate(at, MS_PRIVATE, false, err);
		up = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = up;
	}
	return err_set(err, -errno, "root %.200s: its mount: %s", path,
		       strerror(errno));
}

static int host_files(struct rootfs *fs, struct err *err)
{
	struct stat st;

	fs->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->proc < 0 || !inroot_fs(fs->proc, PROC_SUPER_MAGIC))
		return err_set(err, -ENOENT, "/proc of the host is no procfs");
	fs->null = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fs->null < 0 || fstat(fs->null, &st) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(1, 3))
		return err_set(err, -ENOENT,
			       "/dev/null of the host is not that device");
	return 0;
}

int rootfs_open(struct rootfs *fs, struct err *err)
{
	_cleanup_close_ int target = -EBADF;
	uint64_t how;
	bool rec;
	int r = propagation_of(fs->spec, &how, &rec, err);

	fs->root = fs->proc = fs->null = -EBADF;
	if (r == 0)
		r = host_files(fs, err);
	if (r < 0)
		return r;
	if (mount(NULL, "/", NULL, how | (rec ? MS_REC : 0), NULL) < 0)
		return err_set(err, -errno, "propagation of /: %s",
			       strerror(errno));
	r = parent_private(fs->path, err);
	if (r < 0)
		return r;
	fs->root =
		open_tree(AT_FDCWD, fs->path,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	target = open(fs->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fs->root < 0 || target < 0)
		return err_set(err, -errno, "root %.200s: %s", fs->path,
			       strerror(errno));
	r = rootfs_attach(fs->root, target, err);
	return r < 0 ? err_wrap(err, r, "root %.200s", fs->path) : 0;
}

void rootfs_fini(struct rootfs *fs)
{
	closep(&fs->root);
	closep(&fs->proc);
	closep(&fs->null);
	for (size_t i = 0; i < fs->sealed_count; i++)
		closep(&fs->sealed[i]);
	free(fs->sealed);
}

int rootfs_pivot(struct rootfs *fs, struct err *err)
{
	_cleanup_close_ int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t how;
	bool rec;
	int r = propagation_of(fs->spec, &how, &rec, err);

	if (r < 0)
		return r;
	/* the old root comes to lie on the new one, and is taken off there */
	if (old < 0 || fchdir(fs->root) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || fchdir(old) < 0 ||
	    mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_set(err, -errno, "pivot_root to %.200s: %s",
			       fs->path, strerror(errno));
	if (how != MS_SLAVE &&
	    mount(NULL, "/", NULL, how | (rec ? MS_REC : 0), NULL) < 0)
		return err_set(err, -errno, "linux.rootfsPropagation: %s",
			       strerror(errno));
	return 0;
}

/* Is @path in the container's /proc: then it must be procfs that we find. */
static int check_proc(const char *path, int fd, struct err *err)
{
	if (strncmp(path, "/proc/", 6) == 0 && !inroot_fs(fd, PROC_SUPER_MAGIC))
		return err_set(err, -EINVAL, "is not on procfs");
	return 0;
}

/* Return: fd; 0 is never one; -ENOENT where there is none, which is fine. */
static int open_path(const struct rootfs *fs, const char *path, struct err *err)
{
	int fd = inroot_open(fs->root, path, O_PATH), r;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return -ENOENT;
	if (fd < 0)
		return err_set(err, fd, "%s", strerror(-fd));
	r = check_proc(path, fd, err);
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

static int make_readonly(const struct rootfs *fs, const char *path,
			 struct err *err)
{
	_cleanup_close_ int fd = open_path(fs, path, err);
	_cleanup_close_ int mount = -EBADF;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	mount = open_tree(fd, "",
			  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				  AT_RECURSIVE);
	if (mount < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	r = mnt_attrs(mount, MOUNT_ATTR_RDONLY, 0, true, err);
	return r < 0 ? r : rootfs_attach(mount, fd, err);
}

static int mask_dir(int target, struct err *err)
{
	_cleanup_close_ int ctx = mnt_open("tmpfs", err);
	_cleanup_close_ int mount = -EBADF;
	int r = ctx < 0 ? ctx : mnt_set(ctx, "nr_inodes", "1", err);

	if (r == 0)
		r = mnt_set(ctx, "mode", "755", err);
	if (r < 0)
		return r;
	mount = mnt_make(
		ctx, MNT_ATTRS_DEFAULT | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC,
		err);
	return mount < 0 ? mount : rootfs_attach(mount, target, err);
}

static int mask(const struct rootfs *fs, const char *path, struct err *err)
{
	_cleanup_close_ int fd = open_path(fs, path, err);
	_cleanup_close_ int mount = -EBADF;
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return mask_dir(fd, err);
	mount = open_tree(fs->null, "",
			  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	return rootfs_attach(mount, fd, err);
}

/* Which namespace a sysctl is of: the host's are not ours to set. */
static int check_sysctl(const struct spec *spec, const char *key,
			struct err *err)
{
	static const char *const ipc[] = {
		"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
		"kernel.sem",    "kernel.shmall",         "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced"
	};
	int flag = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ipc); i++)
		if (strcmp(key, ipc[i]) == 0)
			flag = CLONE_NEWIPC;
	if (strncmp(key, "fs.mqueue.", 10) == 0)
		flag = CLONE_NEWIPC;
	if (strncmp(key, "net.", 4) == 0)
		flag = CLONE_NEWNET;
	if (strcmp(key, "kernel.domainname") == 0)
		flag = CLONE_NEWUTS;
	if (strcmp(key, "kernel.hostname") == 0)
		return err_set(err, -EINVAL, "is said by \"hostname\"");
	if (!flag)
		return err_set(err, -EINVAL, "is not of any namespace");
	if (!spec_ns_find(spec, flag))
		return err_set(err, -EINVAL,
			       "is the host's: the container has no namespace "
			       "for it");
	return 0;
}

static int set_sysctl(const struct rootfs *fs, const char *key,
		      json_object *val, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	char path[PATH_MAX] = "sys/", dotted[PATH_MAX];
	const char *text = json_object_get_string(val);
	bool slashes = strchr(key, '/') != NULL;
	size_t len = strlen(key);
	int r;

	if (!json_object_is_type(val, json_type_string))
		return err_set(err, -EBADMSG, "not a string");
	if (len + 5 > sizeof(path) || strstr(key, ".."))
		return err_set(err, -EINVAL, "is no name of a sysctl");
	/* as sysctl(8): the first separator says which one it is */
	for (size_t i = 0; i <= len; i++) {
		char c = key[i];

		dotted[i] = c;
		if (slashes && (c == '/' || c == '.'))
			dotted[i] = (char)(c == '/' ? '.' : '/');
		path[4 + i] = (char)(!slashes && c == '.' ? '/' : c);
	}
	r = check_sysctl(fs->spec, dotted, err);
	if (r < 0)
		return r;
	fd = inroot_plain(fs->proc, path, O_WRONLY);
	if (fd < 0)
		return err_set(err, fd, "%s", strerror(-fd));
	if (!inroot_fs(fd, PROC_SUPER_MAGIC))
		return err_set(err, -EINVAL, "is not on procfs");
	if (write(fd, text, strlen(text)) < 0)
		return err_set(err, -errno, "\"%.64s\": %s", text,
			       strerror(errno));
	return 0;
}

int rootfs_mask(struct rootfs *fs, struct err *err)
{
	const struct spec_linux *l = &fs->spec->linux_;
	int r;

	for (size_t i = 0; i < l->readonly.count; i++) {
		r = make_readonly(fs, SPEC_TEXT(l->readonly, i), err);
		if (r < 0)
			return err_wrap(err, r, "linux.readonlyPaths: %.128s",
					SPEC_TEXT(l->readonly, i));
	}
	for (size_t i = 0; i < l->masked.count; i++) {
		r = mask(fs, SPEC_TEXT(l->masked, i), err);
		if (r < 0)
			return err_wrap(err, r, "linux.maskedPaths: %.128s",
					SPEC_TEXT(l->masked, i));
	}
	return 0;
}

int rootfs_close_off(struct rootfs *fs, struct err *err)
{
	const struct spec_linux *l = &fs->spec->linux_;
	int r = 0;

	if (l->sysctl) {
		json_object_object_foreach(l->sysctl, key, val)
		{
			r = set_sysctl(fs, key, val, err);
			if (r < 0)
				return err_wrap(err, r, "linux.sysctl: %.128s",
						key);
		}
	}
	for (size_t i = 0; i < fs->sealed_count; i++) {
		r = mnt_attrs(fs->sealed[i], MOUNT_ATTR_RDONLY, 0, false, err);
		if (r < 0)
			return err_wrap(err, r, "tmpfs read-only");
	}
	if (fs->spec->root_readonly)
		r = mnt_attrs(fs->root, MOUNT_ATTR_RDONLY, 0, false, err);
	return r < 0 ? err_wrap(err, r, "root.readonly") : 0;
}
