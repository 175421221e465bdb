/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named volumes as directories; named.h shows where. */
#include "volplugins/named/named.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/fail.h"
#include "lib/tree.h"

#define DATA     "_data"
#define ROOT_MAX 2048

struct options {
	uint32_t uid, gid, mode;
};

struct named_volume {
	struct vol_volume base;
	struct options opts;
};

struct named_host {
	int volumes, staging; /* directories */
	struct named_trash trash;
	char root[ROOT_MAX]; /* path of volumes, for containers */
};

static const struct opt_field options[] = {
	{ .key = "uid",
	  .type = OPT_U32,
	  .offset = offsetof(struct options, uid),
	  .size = sizeof(uint32_t),
	  .max = UINT32_MAX - 1,
	  .doc = "owner of the volume's root directory; default 0" },
	{ .key = "gid",
	  .type = OPT_U32,
	  .offset = offsetof(struct options, gid),
	  .size = sizeof(uint32_t),
	  .max = UINT32_MAX - 1,
	  .doc = "group of the volume's root directory; default 0" },
	OPT_FIELD("mode", OPT_MODE, struct options, mode,
		  "permissions of the volume's root directory; default 0755"),
	{ .key = "size",
	  .type = OPT_REFUSED,
	  .why = "a plain directory has no limit of its own" },
	{ .key = "type",
	  .type = OPT_REFUSED,
	  .why = "a named volume is a directory, nothing is mounted for it" },
	{ .key = "o",
	  .type = OPT_REFUSED,
	  .why = "a named volume is a directory, it has no mount options" },
	{ .key = "device",
	  .type = OPT_REFUSED,
	  .why = "a named volume is a directory, not a device or a bind of "
		 "another path" },
	{ 0 },
};

static struct named_volume *to_named(struct vol_volume *v)
{
	return container_of(v, struct named_volume, base);
}

/* ---- the host ---------------------------------------------------------- */

/* A directory of ours: made where missing, and closed to others. */
static int own_dir(int fd, const char *name, struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	struct stat st;

	if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make directory %s: %s", name,
			       strerror(errno));
	dir = tree_open(fd, name, err);
	if (dir < 0)
		return dir;
	if (fstat(dir, &st) < 0 || st.st_uid != geteuid())
		return err_set(err, -EPERM,
			       "directory %s does not belong to this daemon's "
			       "user",
			       name);
	if ((st.st_mode & 07777) != 0700 && fchmod(dir, 0700) < 0)
		return err_set(err, -errno, "directory %s: %s", name,
			       strerror(errno));
	return take_fd(dir);
}

/* The path of a descriptor, as containers' mounts need it. */
static int path_of(int fd, char *buf, size_t size, struct err *err)
{
	char proc[64];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, buf, size);
	if (n < 0 || (size_t)n >= size || buf[0] != '/')
		return err_set(err, n < 0 ? -errno : -ENAMETOOLONG,
			       "the path of the state directory");
	buf[n] = '\0';
	return 0;
}

/* Volumes that were being made when the last life ended. */
static int clear_staging(struct named_host *h, struct err *err)
{
	return tree_empty(h->staging, NULL, NULL, err);
}

static void host_close(void *host)
{
	struct named_host *h = host;

	named_trash_fini(&h->trash);
	closep(&h->staging);
	closep(&h->volumes);
	free(h);
}

static void host_closep(struct named_host **h)
{
	if (*h)
		host_close(*h);
}

static int host_open(const struct plugd *d, void **ret, struct err *err)
{
	_cleanup_(host_closep) struct named_host *h = calloc(1, sizeof(*h));
	_cleanup_close_ int state = -EBADF, own = -EBADF;
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->volumes = h->staging = h->trash.fd = -EBADF;
	state = open(d->dirs.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state < 0)
		return err_set(err, -errno, "%s: %s", d->dirs.state_dir,
			       strerror(errno));
	own = own_dir(state, named_driver.name, err);
	if (own < 0)
		return own;
	h->volumes = own_dir(own, "volumes", err);
	if (h->volumes < 0)
		return h->volumes;
	h->staging = own_dir(h->volumes, ".staging", err);
	if (h->staging < 0)
		return h->staging;
	r = path_of(h->volumes, h->root, sizeof(h->root), err);
	if (r == 0)
		r = clear_staging(h, err);
	if (r == 0)
		r = named_trash_init(&h->trash, h->volumes, err);
	if (r < 0)
		return r;
	*ret = take_ptr(h);
	return 0;
}

/* ---- a volume ---------------------------------------------------------- */

static void defaults(struct vol_volume *v)
{
	to_named(v)->opts.mode = 0755;
}

/* The volume's directory, not yet its data.  Return: fd; -errno. */
static int open_volume(const struct vol_volume *v, struct err *err)
{
	const struct named_host *h = v->host;

	return tree_open(h->volumes, v->name, err);
}

/* Make @dir/_data as asked for. */
static int make_data(int dir, const struct options *o, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (mkdirat(dir, DATA, 0700) < 0)
		return err_set(err, -errno, "make " DATA ": %s",
			       strerror(errno));
	fd = tree_open(dir, DATA, err);
	if (fd < 0)
		return fd;
	/* the mode last: a change of owner takes set-id bits away */
	r = fchown(fd, o->uid, o->gid) < 0 || fchmod(fd, o->mode) < 0
		    ? -errno
		    : tree_sync(fd);
	if (r == 0)
		r = tree_sync(dir);
	if (r < 0) {
		unlinkat(dir, DATA, AT_REMOVEDIR);
		return err_set(err, r, "set up " DATA ": %s", strerror(-r));
	}
	return 0;
}

/* .staging/NAME with all that belongs in it. */
static int stage(struct vol_volume *v, struct err *err)
{
	struct named_host *h = v->host;
	_cleanup_close_ int dir = -EBADF;
	int r;

	if (mkdirat(h->staging, v->name, 0700) < 0)
		return err_set(err, -errno, "make directory %s: %s", v->name,
			       strerror(errno));
	dir = tree_open(h->staging, v->name, err);
	r = dir < 0 ? dir : FAILPOINT("named.create.staged");
	return r < 0 ? r : make_data(dir, &to_named(v)->opts, err);
}

static void unstage(struct vol_volume *v)
{
	struct named_host *h = v->host;
	_cleanup_close_ int dir = tree_open(h->staging, v->name, NULL);

	if (dir < 0)
		return;
	unlinkat(dir, DATA, AT_REMOVEDIR);
	unlinkat(h->staging, v->name, AT_REMOVEDIR);
}

static int make_volume(struct vol_volume *v, struct err *err)
{
	struct named_host *h = v->host;
	int r = stage(v, err);

	if (r == 0)
		r = FAILPOINT("named.create.ready");
	if (r == 0) {
		r = tree_rename_new(h->staging, v->name, h->volumes, v->name);
		if (r < 0)
			err_set(err, r, "put directory %s in place: %s",
				v->name, strerror(-r));
	}
	if (r < 0) {
		unstage(v);
		return r;
	}
	r = tree_sync(h->volumes); /* else a power cut may undo the rename */
	return r < 0 ? err_set(err, r, "directory %s: %s", v->name,
			       strerror(-r))
		     : 0;
}

static int create(struct vol_volume *v, struct err *err)
{
	_cleanup_close_ int dir = open_volume(v, err);
	_cleanup_close_ int data = -EBADF;

	if (dir == -ENOENT)
		return make_volume(v, err);
	if (dir < 0)
		return dir;
	/* found: whoever made it, what is in it is not touched */
	data = tree_open(dir, DATA, err);
	if (data == -ENOENT)
		return make_data(dir, &to_named(v)->opts, err);
	return data < 0 ? data : 0;
}

static int unmake(struct vol_volume *v, struct err *err)
{
	const struct named_host *h = v->host;
	_cleanup_close_ int dir = open_volume(v, err);

	if (dir == -ENOENT)
		return 0;
	if (dir < 0)
		return dir;
	/* rmdir is the proof that there is no data */
	if ((unlinkat(dir, DATA, AT_REMOVEDIR) < 0 && errno != ENOENT) ||
	    (unlinkat(h->volumes, v->name, AT_REMOVEDIR) < 0 &&
	     errno != ENOENT))
		return err_set(err, errno == EEXIST ? -ENOTEMPTY : -errno,
			       "take back directory %s: %s", v->name,
			       strerror(errno));
	return 0;
}

static int remove_volume(struct vol_volume *v, struct err *err)
{
	struct named_host *h = v->host;
	_cleanup_close_ int dir = open_volume(v, err);
	char heap[NAMED_HEAP_MAX];
	int r;

	if (dir == -ENOENT)
		return 0;
	r = dir < 0 ? dir : tree_removable(dir, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s stays", v->name);
	r = FAILPOINT("named.remove.checked");
	if (r == 0)
		r = named_trash_put(&h->trash, h->volumes, v->name, heap, err);
	if (r < 0)
		return r;
	/* from here it is removed, whatever else goes wrong */
	(void)tree_sync(h->volumes);
	(void)FAILPOINT("named.remove.moved");
	named_trash_delete(&h->trash, heap);
	return 0;
}

static int verify(struct vol_volume *v, struct err *err)
{
	_cleanup_close_ int dir = open_volume(v, err);
	_cleanup_close_ int data = dir < 0 ? dir : tree_open(dir, DATA, err);

	if (data == -ENOENT)
		return err_set(err, -ENOENT,
			       "its directory is gone: restore it, or remove "
			       "the volume");
	return data < 0 ? data : 0;
}

static int mount_volume(struct vol_volume *v, struct err *err)
{
	int r = verify(v, err);

	return r < 0 ? err_wrap(err, r, "volume %s", v->name) : 0;
}

static int unmount_volume(struct vol_volume *v, struct err *err)
{
	(void)v; /* a directory needs nothing undone */
	(void)err;
	return 0;
}

static int path(const struct vol_volume *v, char *buf, size_t size,
		struct err *err)
{
	const struct named_host *h = v->host;
	int n = snprintf(buf, size, "%s/%s/" DATA, h->root, v->name);

	if (n < 0 || (size_t)n >= size)
		return err_set(err, -ENAMETOOLONG, "volume %s: path too long",
			       v->name);
	return 0;
}

static int status(struct vol_volume *v, json_object *to, struct err *err)
{
	json_object *text = json_object_new_string("directory");

	(void)v;
	if (text && json_object_object_add(to, "backing", text) == 0)
		return 0;
	json_object_put(text);
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- what no volume owns ----------------------------------------------- */

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Directories without a record: their state was lost, or somebody put them
 * there.  They are data, so they are told and never deleted. */
static int check(void *host, bool (*known)(void *ctx, const char *name),
		 void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err)
{
	struct named_host *h = host;
	_cleanup_close_ int fd =
		openat(h->volumes, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	char line[768];
	int heaps;

	if (!dir)
		return err_set(err, -errno, "read %s: %s", h->root,
			       strerror(errno));
	(void)take_fd(fd);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || known(ctx, entry->d_name))
			continue;
		snprintf(line, sizeof(line),
			 "directory %s has no volume: docker volume create -d "
			 "%s %s takes it up again",
			 entry->d_name, named_driver.name, entry->d_name);
		fn(ctx, line);
	}
	if (named_trash_busy(&h->trash))
		return 0;
	heaps = named_trash_sweep(&h->trash, true, fn, ctx, err);
	return heaps < 0 ? heaps : 0;
}

static int gc(void *host, bool dry, bool (*known)(void *ctx, const char *name),
	      void (*fn)(void *ctx, const char *line), void *ctx,
	      struct err *err)
{
	struct named_host *h = host;

	(void)known; /* a directory without a volume may be somebody's data */
	return named_trash_sweep(&h->trash, dry, fn, ctx, err);
}

const struct vol_driver named_driver = {
	.name = "berth-named",
	.summary = "Docker volumes as directories on this host",
	.volume_size = sizeof(struct named_volume),
	.options_offset = offsetof(struct named_volume, opts),
	.options_size = sizeof(struct options),
	.options = options,
	.host_open = host_open,
	.host_close = host_close,
	.defaults = defaults,
	.create = create,
	.unmake = unmake,
	.remove = remove_volume,
	.mount = mount_volume,
	.unmount = unmount_volume,
	.path = path,
	.status = status,
	.verify = verify,
	.check = check,
	.gc = gc,
};
