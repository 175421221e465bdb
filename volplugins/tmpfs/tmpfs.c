/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a volume in memory.
 *
 * Nothing of it is on a disk but the core's record, so a Create only tries
 * whether this kernel takes its options.  Its tmpfs is made detached and shown
 * in one step with the first user, and goes with the last.
 */
#include "volplugins/tmpfs/tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "volplugins/tmpfs/tmpfs_priv.h"

/* ---- making, taking away -------------------------------------------------- */

/* What is mounted already, of records that were lost: taken up as it is. */
static int take_up(const struct tmpfs_volume *v, struct err *err)
{
	struct tmpfs_figures f;
	int r = tmpfs_figures(v, &f, err);

	if (r < 0)
		return r;
	if (v->opts.bytes && f.bytes != v->opts.bytes)
		return err_set(err, -EEXIST,
			       "%s/%s is mounted already with size=%llu: ask "
			       "for that, or umount it, which deletes what is "
			       "in it",
			       tmpfs_host_of(v)->root, v->base.name,
			       (unsigned long long)f.bytes);
	return VOL_FOUND;
}

static int create(struct vol_volume *base, struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	_cleanup_close_ int tried = -EBADF;
	int r = tmpfs_mounted(v, err);

	if (r > 0)
		return take_up(v, err);
	if (r == 0)
		r = tried = tmpfs_make(v, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s", base->name);
	return FAILPOINT("tmpfs.create.tried");
}

static int unmake(struct vol_volume *base, struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	int r = tmpfs_mounted(v, err);

	if (r > 0) {
		r = tmpfs_pristine(v, err);
		if (r == 0)
			r = err_set(err, -ENOTEMPTY,
				    "there are files in volume %s", base->name);
	}
	return r < 0 ? r : tmpfs_hide(v, err);
}

static int remove_volume(struct vol_volume *base, struct err *err)
{
	int r = FAILPOINT("tmpfs.remove.begin");

	if (r == 0)
		r = tmpfs_hide(to_tmpfs(base), err);
	return r < 0 ? err_wrap(err, r, "volume %s stays", base->name) : 0;
}

/* ---- use ------------------------------------------------------------------- */

static int make_and_show(const struct tmpfs_volume *v, struct err *err)
{
	_cleanup_close_ int mount = tmpfs_make(v, err);
	int r = mount < 0 ? mount : FAILPOINT("tmpfs.mount.made");

	return r < 0 ? r : tmpfs_show(v, mount, err);
}

static int mount_volume(struct vol_volume *base, struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	int r = tmpfs_mounted(v, err);

	if (r == 0 && base->users)
		log_warn("op=mount volume=%s msg=\"was unmounted behind our "
			 "back: who uses it from now on sees another, empty "
			 "one\"",
			 base->name);
	if (r == 0)
		r = make_and_show(v, err);
	return r < 0 ? err_wrap(err, r, "volume %s", base->name) : 0;
}

/* With nothing in it there is nothing to keep. */
static bool keeps(const struct tmpfs_volume *v)
{
	return v->opts.keep && tmpfs_pristine(v, NULL) != 1;
}

static int unmount_volume(struct vol_volume *base, struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	int r = tmpfs_mounted(v, err);

	if (r > 0 && keeps(v))
		return 0;
	if (r > 0)
		r = FAILPOINT("tmpfs.unmount.begin");
	if (r == 0)
		r = tmpfs_hide(v, err);
	return r < 0 ? err_wrap(err, r, "volume %s", base->name) : 0;
}

static int resize(struct vol_volume *base, uint64_t size, struct err *err)
{
	struct tmpfs_volume *v = to_tmpfs(base);
	int r = tmpfs_size_round(&size, err);

	if (r == 0)
		r = tmpfs_mounted(v, err);
	if (r > 0)
		r = tmpfs_limit_set(v, size, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s", base->name);
	v->opts.bytes = size;
	v->opts.percent = 0;
	return 0;
}

static int rename_volume(struct vol_volume *base, const char *name,
			 struct err *err)
{
	int r = tmpfs_move(to_tmpfs(base), name, err);

	return r < 0 ? err_wrap(err, r, "volume %s", base->name) : 0;
}

static int path(const struct vol_volume *v, char *buf, size_t size,
		struct err *err)
{
	const struct tmpfs_host *h = v->host;
	int n = snprintf(buf, size, "%s/%s", h->root, v->name);

	return n < 0 || (size_t)n >= size
		       ? err_set(err, -ENAMETOOLONG, "volume %s: path too long",
				 v->name)
		       : 0;
}

/* One without .created is being restored: then it is what is mounted. */
static int verify(struct vol_volume *base, struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	int r = tmpfs_mounted(v, err);

	if (r < 0)
		return r;
	if (r == 0 && !base->created[0])
		return err_set(err, -ENOENT,
			       "what was restored was in memory, and is gone");
	if (r == 0 && base->users)
		return err_set(err, -ENOENT,
			       "it was unmounted behind our back: its users "
			       "keep what they have, others see another, empty "
			       "one: stop all of them");
	if (r > 0 && base->created[0] && !base->users && !v->opts.keep)
		return err_set(err, -EBUSY,
			       "it is mounted, though nobody uses it: its next "
			       "user finds what is in it");
	return 0;
}

/* ---- telling ----------------------------------------------------------------- */

static int usage(struct vol_volume *base, struct vol_usage *ret,
		 struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	struct tmpfs_figures f = { 0 };

	(void)err;
	ret->limit_bytes = tmpfs_limit(&v->opts);
	if (tmpfs_mounted(v, NULL) > 0) {
		if (tmpfs_figures(v, &f, NULL) < 0)
			return 0;
		ret->limit_bytes = f.bytes;
	}
	ret->used_bytes = f.used_bytes;
	ret->used_known = true;
	return 0;
}

static int add_inodes(const struct tmpfs_volume *v, json_object *to)
{
	struct tmpfs_figures f;
	int r;

	if (tmpfs_figures(v, &f, NULL) < 0)
		return 0;
	r = answer_uint(to, "inodes", f.inodes);
	return r < 0 ? r : answer_uint(to, "inodes_used", f.used_inodes);
}

static int status(struct vol_volume *base, json_object *to, struct err *err)
{
	const struct tmpfs_volume *v = to_tmpfs(base);
	bool mounted = tmpfs_mounted(v, NULL) > 0;
	int r = answer_bool(to, "mounted", mounted);

	if (r == 0)
		r = answer_bool(to, "keep", v->opts.keep != 0);
	if (r == 0 && v->opts.huge)
		r = answer_text(to, "huge", tmpfs_huge[v->opts.huge - 1]);
	if (r == 0 && mounted)
		r = add_inodes(v, to);
	return r < 0 ? answer_no_memory(err) : 0;
}

/* ---- filling ------------------------------------------------------------------ */

/* Attached nowhere meanwhile: it goes with us, whatever kills us. */
static int stage(struct vol_volume *base, struct err *err)
{
	struct tmpfs_volume *v = to_tmpfs(base);
	int r = tmpfs_mounted(v, err), root;

	if (r == 0 && !v->opts.keep)
		r = err_set(err, -EOPNOTSUPP,
			    "what is restored would be gone before its first "
			    "user comes: say -o berth.keep=on");
	if (r == 0 && v->owned)
		r = err_set(err, -EINVAL,
			    "options uid, gid and mode: a restored volume has "
			    "the owner and permissions that are in the "
			    "archive");
	if (r > 0)
		r = err_set(err, -EEXIST, "%s/%s is mounted already",
			    tmpfs_host_of(v)->root, base->name);
	if (r == 0)
		r = tmpfs_make(v, err);
	if (r < 0)
		return r;
	v->staged = r;
	root = openat(v->staged, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? err_set(err, -errno, "open volume %s: %s", base->name,
				  strerror(errno))
			: root;
}

static void unstage(struct vol_volume *base)
{
	struct tmpfs_volume *v = to_tmpfs(base);

	if (v->staged)
		close(v->staged);
	v->staged = 0;
}

static int settle(struct vol_volume *base, struct err *err)
{
	int r = tmpfs_show(to_tmpfs(base), to_tmpfs(base)->staged, err);

	if (r == 0)
		unstage(base);
	return r;
}

const struct vol_driver tmpfs_driver = {
	.name = "berth-tmpfs",
	.summary = "Docker volumes in this host's memory",
	.volume_size = sizeof(struct tmpfs_volume),
	.options_offset = offsetof(struct tmpfs_volume, opts),
	.options_size = sizeof(struct tmpfs_options),
	.options = tmpfs_options,
	.host_open = tmpfs_host_open,
	.host_close = tmpfs_host_close,
	.defaults = tmpfs_defaults,
	.init = tmpfs_init,
	.create = create,
	.unmake = unmake,
	.remove = remove_volume,
	.mount = mount_volume,
	.unmount = unmount_volume,
	.resize = resize,
	.unsize = tmpfs_unsize,
	.rename = rename_volume,
	.path = path,
	.usage = usage,
	.status = status,
	.verify = verify,
	/* no snapshots: memory has none */
	.stage = stage,
	.settle = settle,
	.unstage = unstage,
	.check = tmpfs_host_check,
	.gc = tmpfs_host_gc,
};
