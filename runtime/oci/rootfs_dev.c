/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device nodes and the links in /dev. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/inroot.h"
#include "lib/mnt.h"
#include "runtime/oci/rootfs.h"

static const struct spec_device defaults[] = {
	{ "c", "/dev/null", 1, 3, 0666, 0, 0 },
	{ "c", "/dev/zero", 1, 5, 0666, 0, 0 },
	{ "c", "/dev/full", 1, 7, 0666, 0, 0 },
	{ "c", "/dev/random", 1, 8, 0666, 0, 0 },
	{ "c", "/dev/urandom", 1, 9, 0666, 0, 0 },
	{ "c", "/dev/tty", 5, 0, 0666, 0, 0 },
};

static const struct {
	const char *to, *at;
} links[] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
	{ "pts/ptmx", "/dev/ptmx" },
};

/* In a user namespace no node can be made, but the host's can be shown. */
static int bind_device(const struct rootfs *fs, const struct spec_device *d,
		       struct err *err)
{
	_cleanup_close_ int mount = mnt_clone(AT_FDCWD, d->path, false, err);
	_cleanup_close_ int target = -EBADF;

	if (mount < 0)
		return mount;
	target = inroot_target(fs->root, d->path, false, err);
	return target < 0 ? target : rootfs_attach(mount, target, err);
}

static int type_of(const struct spec_device *d, mode_t *ret, struct err *err)
{
	if (strcmp(d->type, "c") == 0 || strcmp(d->type, "u") == 0)
		*ret = S_IFCHR;
	else if (strcmp(d->type, "b") == 0)
		*ret = S_IFBLK;
	else if (strcmp(d->type, "p") == 0)
		*ret = S_IFIFO;
	else
		return err_set(err, -EINVAL,
			       "type \"%.16s\" is not c, b, u or p", d->type);
	return 0;
}

/* What is there already must be what is asked for. */
static int check_same(int dir, const char *name, mode_t type, dev_t dev,
		      struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if ((st.st_mode & S_IFMT) != type ||
	    (type != S_IFIFO && st.st_rdev != dev))
		return err_set(err, -EEXIST, "something else is there");
	return 0;
}

static int make_node(const struct rootfs *fs, const struct spec_device *d,
		     struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	dev_t dev = makedev((unsigned int)d->major, (unsigned int)d->minor);
	mode_t type, mode = d->mode ? d->mode & 07777 : 0666;
	const char *name;
	int r = type_of(d, &type, err);

	if (r < 0)
		return r;
	dir = inroot_parent(fs->root, d->path, &name, err);
	if (dir < 0)
		return dir;
	if (mknodat(dir, name, type | mode, type == S_IFIFO ? 0 : dev) < 0) {
		if (errno != EEXIST)
			return err_set(err, -errno, "mknod: %s",
				       strerror(errno));
		return check_same(dir, name, type, dev, err);
	}
	if (fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "chown: %s", strerror(errno));
	return 0;
}

static int add_device(const struct rootfs *fs, const struct spec_device *d,
		      struct err *err)
{
	int r;

	if (d->path[0] != '/')
		r = err_set(err, -EINVAL, "not absolute");
	else if (fs->userns)
		r = bind_device(fs, d, err);
	else
		r = make_node(fs, d, err);
	return r < 0 ? err_wrap(err, r, "device %.128s", d->path) : 0;
}

/* A /dev from outside is somebody else's to fill. */
static bool dev_is_bound(const struct spec *spec)
{
	for (size_t i = 0; i < spec->mounts.count; i++) {
		const struct spec_mount *m =
			SPEC_ELEM(struct spec_mount, spec->mounts, i);

		if (strcmp(m->destination, "/dev") != 0 &&
		    strcmp(m->destination, "/dev/") != 0)
			continue;
		if (m->type && strcmp(m->type, "bind") == 0)
			return true;
		for (size_t k = 0; k < m->options.count; k++)
			if (strcmp(SPEC_TEXT(m->options, k), "bind") == 0 ||
			    strcmp(SPEC_TEXT(m->options, k), "rbind") == 0)
				return true;
	}
	return false;
}

static int add_link(const struct rootfs *fs, const char *to, const char *at,
		    struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	const char *name;

	dir = inroot_parent(fs->root, at, &name, err);
	if (dir < 0)
		return dir;
	if (symlinkat(to, dir, name) < 0 && errno != EEXIST)
		return err_set(err, -errno, "%s: %s", at, strerror(errno));
	return 0;
}

static bool is_given(const struct spec *spec, const char *path)
{
	for (size_t i = 0; i < spec->linux_.devices.count; i++)
		if (strcmp(SPEC_ELEM(struct spec_device, spec->linux_.devices,
				     i)
				   ->path,
			   path) == 0)
			return true;
	return false;
}

int rootfs_devices(struct rootfs *fs, struct err *err)
{
	const struct jdec_array *given = &fs->spec->linux_.devices;
	int r = 0;

	if (dev_is_bound(fs->spec))
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(defaults); i++)
		if (!is_given(fs->spec, defaults[i].path))
			r = add_device(fs, &defaults[i], err);
	for (size_t i = 0; r == 0 && i < given->count; i++)
		r = add_device(fs, SPEC_ELEM(struct spec_device, *given, i),
			       err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(links); i++)
		r = add_link(fs, links[i].to, links[i].at, err);
	return r;
}
