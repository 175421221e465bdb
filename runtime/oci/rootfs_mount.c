/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mounts of config.json.
 *
 * Each is made detached, complete with its attributes, and then shown with one
 * move_mount() on a descriptor that was resolved below the root: there is no
 * path to swap between check and use, and no moment at which it is writable.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/inroot.h"
#include "lib/mnt.h"
#include "runtime/oci/mount_opts.h"
#include "runtime/oci/rootfs.h"

#ifndef PROC_SUPER_MAGIC
#define PROC_SUPER_MAGIC 0x9fa0
#endif

int rootfs_attach(int mount, int target, struct err *err)
{
	if (move_mount(mount, "", target, "",
		       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0)
		return 0;
	return err_set(err, -errno, "move_mount: %s", strerror(errno));
}

static const char *type_of(const struct spec_mount *m)
{
	return m->type ? m->type : "";
}

/* Files that lxcfs and the like put over those of procfs. */
static bool may_be_over_proc(const char *path)
{
	static const char *const ok[] = {
		"/proc/cpuinfo",
		"/proc/diskstats",
		"/proc/meminfo",
		"/proc/stat",
		"/proc/swaps",
		"/proc/uptime",
		"/proc/loadavg",
		"/proc/slabinfo",
		"/proc/net/dev",
		"/proc/sys/kernel/ns_last_pid",
		"/proc/sys/crypto/fips_enabled",
	};

	for (size_t i = 0; i < ARRAY_SIZE(ok); i++)
		if (strcmp(path, ok[i]) == 0)
			return true;
	return false;
}

/* A procfs that shows something else defeats every check that reads it. */
static int check_over_proc(const struct spec_mount *m, int target, int mount,
			   struct err *err)
{
	char dest[PATH_MAX];
	size_t len = strlen(m->destination);

	while (len > 1 && m->destination[len - 1] == '/')
		len--;
	snprintf(dest, sizeof(dest), "%.*s", (int)len, m->destination);
	if (inroot_fs(target, PROC_SUPER_MAGIC) && !may_be_over_proc(dest) &&
	    !inroot_fs(mount, PROC_SUPER_MAGIC))
		return err_set(err, -EINVAL,
			       "a mount over part of procfs is not allowed");
	if (strcmp(dest, "/proc") == 0 && !inroot_fs(mount, PROC_SUPER_MAGIC))
		return err_set(err, -EINVAL,
			       "only procfs may be mounted at /proc");
	return 0;
}

static int target_of(const struct rootfs *fs, const struct spec_mount *m,
		     bool dir, struct err *err)
{
	bool strict = strcmp(type_of(m), "proc") == 0 ||
		      strcmp(type_of(m), "sysfs") == 0;
	int fd = -ENOENT;

	/* the image may not choose where these appear (CVE-2019-19921) */
	if (strict)
		fd = inroot_plain(fs->root, m->destination,
				  O_PATH | O_DIRECTORY | O_NOFOLLOW);
	if (fd == -ELOOP || fd == -ENOTDIR)
		return err_set(err, fd,
			       "a %s must be mounted on a directory, "
			       "not through a link",
			       type_of(m));
	return fd >= 0 ? fd : inroot_target(fs->root, m->destination, dir, err);
}

/* Attributes, propagation, and the mount is there. */
static int finish(const struct rootfs *fs, const struct spec_mount *m,
		  const struct mount_opts *o, int mount, bool dir,
		  struct err *err)
{
	_cleanup_close_ int target = target_of(fs, m, dir, err);
	int r = target < 0 ? target : check_over_proc(m, target, mount, err);

	if (r == 0 && (o->set || o->clear))
		r = mnt_attrs(mount, o->set, o->clear, false, err);
	if (r == 0 && (o->rec_set || o->rec_clear))
		r = mnt_attrs(mount, o->rec_set, o->rec_clear, true, err);
	if (r == 0)
		r = rootfs_attach(mount, target, err);
	if (r == 0 && o->propagation)
		r = mnt_propagate(mount, o->propagation, o->propagation_rec,
				  err);
	return r;
}

static int source_of(const struct rootfs *fs, const struct spec_mount *m,
		     const struct mount_opts *o, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	if (!m->source || !*m->source)
		return err_set(err, -EINVAL, "a bind mount needs a source");
	if (snprintf(path, sizeof(path), "%s%s%s",
		     m->source[0] == '/' ? "" : fs->bundle,
		     m->source[0] == '/' ? "" : "/",
		     m->source) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "source: too long");
	fd = open_tree(AT_FDCWD, path,
		       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			       (o->bind_rec ? AT_RECURSIVE : 0));
	if (fd < 0)
		return err_set(err, -errno, "source %.200s: %s", path,
			       strerror(errno));
	return fd;
}

static int mount_bind(const struct rootfs *fs, const struct spec_mount *m,
		      const struct mount_opts *o, struct err *err)
{
	_cleanup_close_ int mount = source_of(fs, m, o, err);
	struct stat st;

	if (mount < 0)
		return mount;
	if (fstat(mount, &st) < 0)
		return err_set(err, -errno, "source: %s", strerror(errno));
	for (size_t i = 0; i < o->data_count; i++)
		if (!mount_opts_is_sb(o->data[i]))
			return err_set(err, -EINVAL,
				       "option \"%.64s\" is not one of a bind "
				       "mount",
				       o->data[i]);
	return finish(fs, m, o, mount, S_ISDIR(st.st_mode), err);
}

static int set_option(int ctx, const char *option, struct err *err)
{
	const char *eq = strchr(option, '=');
	char key[128];

	if (!eq)
		return mnt_set(ctx, option, NULL, err);
	if ((size_t)(eq - option) >= sizeof(key))
		return err_set(err, -EINVAL, "option \"%.64s...\": too long",
			       option);
	snprintf(key, sizeof(key), "%.*s", (int)(eq - option), option);
	return mnt_set(ctx, key, eq + 1, err);
}

/* A tmpfs over a directory of the image keeps its mode. */
static int keep_mode(const struct rootfs *fs, const struct spec_mount *m,
		     const struct mount_opts *o, int ctx, struct err *err)
{
	_cleanup_close_ int fd = inroot_open(fs->root, m->destination, O_PATH);
	struct stat st;
	char mode[8];

	for (size_t i = 0; i < o->data_count; i++)
		if (strncmp(o->data[i], "mode=", 5) == 0)
			return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	snprintf(mode, sizeof(mode), "%o", (unsigned int)st.st_mode & 07777);
	return mnt_set(ctx, "mode", mode, err);
}

/* Mount points and devices are still to be made in it. */
static int seal_later(struct rootfs *fs, int mount, struct err *err)
{
	int *more =
		reallocarray(fs->sealed, fs->sealed_count + 1, sizeof(*more));

	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	fs->sealed = more;
	more[fs->sealed_count] = fcntl(mount, F_DUPFD_CLOEXEC, 3);
	if (more[fs->sealed_count] < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	fs->sealed_count++;
	return 0;
}

static int mount_new(struct rootfs *fs, const struct spec_mount *m,
		     const char *type, struct mount_opts *o, struct err *err)
{
	bool later = strcmp(type, "tmpfs") == 0 &&
		     ((o->set | o->rec_set) & MOUNT_ATTR_RDONLY);
	_cleanup_close_ int ctx = mnt_open(type, err);
	_cleanup_close_ int mount = -EBADF;
	int r = ctx < 0 ? ctx : 0;

	if (r == 0 && m->source && *m->source)
		r = mnt_set(ctx, "source", m->source, err);
	for (size_t i = 0; r == 0 && i < o->data_count; i++)
		r = set_option(ctx, o->data[i], err);
	if (r == 0 && strcmp(type, "tmpfs") == 0)
		r = keep_mode(fs, m, o, ctx, err);
	if (r < 0)
		return r;
	if (later) {
		o->set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
		o->rec_set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
	}
	/* at once: in a user namespace less is refused */
	mount = mnt_make(ctx, o->set, err);
	r = mount < 0 ? mount : finish(fs, m, o, mount, true, err);
	return r == 0 && later ? seal_later(fs, mount, err) : r;
}

/* One hierarchy below the tmpfs, or the one there is. */
static int mount_part(const struct rootfs *fs, const struct cgroup_part *part,
		      const char *dest, const struct mount_opts *o,
		      struct err *err)
{
	_cleanup_close_ int mount = mnt_clone(AT_FDCWD, part->dir, false, err);
	_cleanup_close_ int target = -EBADF;
	int r = mount < 0 ? mount
			  : mnt_attrs(mount, o->set, o->clear, false, err);

	if (r < 0)
		return r;
	target = inroot_target(fs->root, dest, true, err);
	return target < 0 ? target : rootfs_attach(mount, target, err);
}

/* "cpu" beside "cpu,cpuacct", as the host has it. */
static int link_controllers(const struct rootfs *fs, const char *dest,
			    const char *name)
{
	char one[64];
	const char *p = name;
	int dir, r = 0;

	if (!strchr(name, ','))
		return 0;
	dir = inroot_open(fs->root, dest, O_PATH | O_DIRECTORY);
	if (dir < 0)
		return dir;
	while (r == 0 && *p) {
		size_t len = strcspn(p, ",");

		snprintf(one, sizeof(one), "%.*s", (int)len, p);
		if (symlinkat(name, dir, one) < 0 && errno != EEXIST)
			r = -errno;
		p += len + (p[len] == ',');
	}
	close(dir);
	return r;
}

static int mount_cgroups(struct rootfs *fs, const struct spec_mount *m,
			 struct mount_opts *o, struct err *err)
{
	static const char *const data[] = { "mode=755" };
	struct mount_opts top = { .set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
					 MOUNT_ATTR_NOEXEC,
				  .data = (const char **)(uintptr_t)data,
				  .data_count = 1 };
	const struct spec_mount tmp = { .destination = m->destination,
					.source = "tmpfs" };
	struct cgroup_part part;
	char dest[PATH_MAX];
	int r;

	o->set |= top.set;
	if (cgroup_unified(fs->cg)) {
		if (!cgroup_part(fs->cg, 0, &part))
			return err_set(err, -ENOENT, "there is no cgroup");
		return mount_part(fs, &part, m->destination, o, err);
	}
	r = mount_new(fs, &tmp, "tmpfs", &top, err);
	for (size_t i = 0; r == 0 && cgroup_part(fs->cg, i, &part); i++) {
		const char *name = strrchr(part.mount, '/');

		if (snprintf(dest, sizeof(dest), "%s%s", m->destination,
			     name ? name : "/cgroup") >= (int)sizeof(dest))
			return err_set(err, -ENAMETOOLONG, "too long");
		r = mount_part(fs, &part, dest, o, err);
		if (r == 0 && name)
			r = link_controllers(fs, m->destination, name + 1);
	}
	if (r == 0 && (o->set & MOUNT_ATTR_RDONLY)) {
		_cleanup_close_ int fd = inroot_open(fs->root, m->destination,
						     O_PATH | O_DIRECTORY);

		r = fd < 0 ? fd
			   : mnt_attrs(fd, MOUNT_ATTR_RDONLY, 0, false, err);
	}
	return r;
}

static int mount_one(struct rootfs *fs, const struct spec_mount *m,
		     struct err *err)
{
	_cleanup_(mount_opts_fini) struct mount_opts o = { 0 };
	int r = mount_opts_parse(&m->options, &o, err);

	if (r < 0)
		return r;
	if (o.bind || strcmp(type_of(m), "bind") == 0)
		return mount_bind(fs, m, &o, err);
	if (!*type_of(m))
		return err_set(err, -EINVAL, "a type is needed");
	if (strcmp(type_of(m), "cgroup") == 0 ||
	    (strcmp(type_of(m), "cgroup2") == 0 && cgroup_unified(fs->cg)))
		return mount_cgroups(fs, m, &o, err);
	return mount_new(fs, m, type_of(m), &o, err);
}

int rootfs_mounts(struct rootfs *fs, struct err *err)
{
	for (size_t i = 0; i < fs->spec->mounts.count; i++) {
		const struct spec_mount *m =
			SPEC_ELEM(struct spec_mount, fs->spec->mounts, i);
		int r = mount_one(fs, m, err);

		if (r < 0)
			return err_wrap(err, r, "mounts[%zu] at %.200s", i,
					m->destination);
	}
	return 0;
}
