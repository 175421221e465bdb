// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An overlayfs, its layers named by descriptors: /proc/self/fd/N is short, and has none
 * of the characters that mean something in a list of them.
 */
#include "netctl/box/root.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "lib/fail.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "netctl/image/store.h"
#include "netctl/jget.h"

#define UPPER   "upper"
#define WORK    "work"
#define ROOT    "root"
#define OPAQUE  "trusted.overlay.opaque"
#define FD_PATH 32

struct parts {
	int *layers; /* owned; descriptors, the lowest first */
	size_t n;
	int upper, work;
};

static void parts_fini(struct parts *p)
{
	while (p->n)
		closep(&p->layers[--p->n]);
	free(p->layers);
	closep(&p->upper);
	closep(&p->work);
}

static const char *fd_path(char buf[static FD_PATH], int fd)
{
	snprintf(buf, FD_PATH, "/proc/self/fd/%d", fd);
	return buf;
}

/* ---- directories ------------------------------------------------------------------- */

static bool is_opaque(int fd)
{
	char path[FD_PATH], v = 0;

	return getxattr(fd_path(path, fd), OPAQUE, &v, 1) == 1 && v == 'y';
}

/* Overlayfs does not ask the root of a layer whether it hides those below. */
static void drop_hidden(struct parts *p)
{
	size_t top = p->n - 1;

	while (top > 0 && !is_opaque(p->layers[top]))
		top--;
	for (size_t i = 0; i < top; i++)
		closep(&p->layers[i]);
	p->n -= top;
	memmove(p->layers, p->layers + top, p->n * sizeof(*p->layers));
}

/* Builders write the same layer twice, an empty one above all, which overlayfs refuses
 * (ELOOP).  Of what it says the upper one says all again. */
static bool is_above(json_object *list, size_t i, const char *id)
{
	while (++i < jget_len(list))
		if (strcmp(json_object_get_string(
				   json_object_array_get_idx(list, i)),
			   id) == 0)
			return true;
	return false;
}

static int open_layers(const struct ctl *ctl, json_object *list,
		       struct parts *p, struct err *err)
{
	p->layers = calloc(jget_len(list) + 1, sizeof(*p->layers));
	if (!p->layers)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < jget_len(list); i++) {
		const char *id = json_object_get_string(
			json_object_array_get_idx(list, i));
		_cleanup_free_ char *path = NULL;
		int fd;

		if (is_above(list, i, id))
			continue;
		path = image_store_layer(ctl, id);
		fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
		if (fd < 0)
			return err_set(err, -errno, "the image's layer %s: %s",
				       path ? path : "", strerror(errno));
		p->layers[p->n++] = fd;
	}
	drop_hidden(p);
	return 0;
}

static int make_dir(struct box *b, const char *name, int *ret, struct err *err)
{
	if (mkdirat(b->dir, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make %s/%s: %s", b->path, name,
			       strerror(errno));
	if (!ret)
		return 0;
	*ret = tree_open(b->dir, name, err);
	return *ret < 0 ? *ret : 0;
}

/* What "/" is in there is what the upper directory is: at first as in the image. */
static int make_upper(struct box *b, struct parts *p, struct err *err)
{
	bool is_new = faccessat(b->dir, UPPER, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
	struct stat st;
	int r = make_dir(b, UPPER, &p->upper, err);

	if (r < 0 || !is_new)
		return r;
	if (fstat(p->layers[p->n - 1], &st) < 0 ||
	    fchown(p->upper, st.st_uid, st.st_gid) < 0 ||
	    fchmod(p->upper, st.st_mode & 07777) < 0)
		return err_set(err, -errno, "%s/" UPPER ": %s", b->path,
			       strerror(errno));
	return 0;
}

/* ---- the mount ------------------------------------------------------------------------ */

/* One after the other, the uppermost first.  -EINVAL also where the kernel does not know
 * how to (before 6.7). */
static int set_layers(int fs, const struct parts *p, struct err *err)
{
	char path[FD_PATH];
	int r = FAILPOINT("boxroot.layers");

	for (size_t i = p->n; r == 0 && i > 0; i--)
		r = mnt_set(fs, "lowerdir+", fd_path(path, p->layers[i - 1]),
			    err);
	return r;
}

static int set_rest(int fs, const struct parts *p, struct err *err)
{
	char path[FD_PATH];
	int r = mnt_set(fs, "source", "berth-image", err);

	if (r == 0)
		r = mnt_set(fs, "upperdir", fd_path(path, p->upper), err);
	if (r == 0)
		r = mnt_set(fs, "workdir", fd_path(path, p->work), err);
	/* its own attributes are kept from images; this is in case */
	if (r == 0)
		r = mnt_set(fs, "metacopy", "off", err);
	return r == 0 ? mnt_set(fs, "index", "off", err) : r;
}

static int mount_new(struct box *b, const struct parts *p, struct err *err)
{
	_cleanup_close_ int fs = mnt_open("overlay", err);
	_cleanup_close_ int mount = -EBADF;
	int r = fs < 0 ? fs : set_layers(fs, p, err);

	if (r == 0)
		r = set_rest(fs, p, err);
	if (r < 0)
		return r;
	mount = mnt_make(fs, 0, err);
	return mount < 0 ? mount : mnt_attach(mount, b->dir, ROOT, err);
}

/* As before Linux 6.7: all in one text, of which the kernel reads 4095 bytes. */
static int mount_old(struct box *b, const struct parts *p, struct err *err)
{
	char text[4096] = "", path[FD_PATH], up[FD_PATH], work[FD_PATH];
	_cleanup_free_ char *at = NULL;
	size_t len = 0;

	for (size_t i = p->n; i > 0 && len < sizeof(text); i--)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
					len ? ":" : "lowerdir=",
					fd_path(path, p->layers[i - 1]));
	if (len < sizeof(text))
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					",upperdir=%s,workdir=%s,metacopy=off,"
					"index=off",
					fd_path(up, p->upper),
					fd_path(work, p->work));
	if (len >= sizeof(text) ||
	    asprintf(&at, "/proc/self/fd/%d/" ROOT, b->dir) < 0) {
		at = NULL;
		return err_set(err, -E2BIG, "too many layers for this kernel");
	}
	return mount("berth-image", at, "overlay", 0, text) < 0
		       ? err_set(err, -errno, "mount the image: %s",
				 strerror(errno))
		       : 0;
}

static int mount_it(struct box *b, const struct parts *p, struct err *err)
{
	struct err why = { 0 };
	int r = mnt_is_mounted(b->dir, ROOT, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = mount_new(b, p, &why);
	if (r == -EINVAL)
		r = mount_old(b, p, err);
	else if (r < 0)
		(void)err_set(err, r, "mount the image: %s", why.msg);
	return r;
}

int box_root_mount(const struct ctl *ctl, struct box *b, struct err *err)
{
	_cleanup_(parts_fini) struct parts p = { .upper = -1, .work = -1 };
	json_object *layers = jget_array(b->rec, "Layers");
	_cleanup_free_ char *path = NULL;
	int r;

	if (!jget_len(layers))
		return 0;
	r = open_layers(ctl, layers, &p, err);
	if (r == 0)
		r = make_upper(b, &p, err);
	if (r == 0)
		r = make_dir(b, WORK, &p.work, err);
	if (r == 0)
		r = make_dir(b, ROOT, NULL, err);
	if (r < 0)
		return r;
	if (asprintf(&path, "%s/" ROOT, b->path) < 0) {
		path = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	box_text(b, "Root", path);
	box_flag(b, "RootHeld", true);
	r = box_save(b, err);
	if (r == 0)
		r = mount_it(b, &p, err);
	return r == 0 ? FAILPOINT("boxroot.mounted") : r;
}

int box_root_unmount(struct box *b, struct err *err)
{
	int r;

	if (!jget_bool(b->rec, "RootHeld"))
		return 0;
	r = mnt_detach(b->dir, ROOT, false, err);
	/* somebody of the host looks into it: it goes when he does */
	if (r == -EBUSY)
		r = mnt_detach(b->dir, ROOT, true, err);
	if (r == 0 || r == -ENOENT)
		r = FAILPOINT("boxroot.unmounted");
	if (r < 0)
		return r;
	json_object_object_del(b->rec, "RootHeld");
	return box_save(b, err);
}
