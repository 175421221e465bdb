/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Thin volumes in use: mounting, growing, telling; thin.h shows what they are. */
#include "volplugins/thin/crypt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "lib/mnt.h"
#include "lib/tree.h"

/* Its record and its pool. */
static int usable(struct thin_volume *v, struct err *err)
{
	int r = thin_know(v, err);

	if (r == -ENOENT)
		return err_set(err, r, "its record is gone: remove the volume");
	return r == 0 ? thin_pool_use(&thin_host_of(v)->pool, false, err) : r;
}

/* Before anybody can write to it. */
static int touch(struct thin_volume *v, struct err *err)
{
	struct thin_record rec = v->rec;
	int r;

	if (rec.touched)
		return 0;
	rec.touched = true;
	r = thin_save(thin_host_of(v), v->base.name, &rec, 0, err);
	if (r == 0)
		v->rec = rec;
	return r;
}

static int attach(struct thin_volume *v, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	_cleanup_close_ int fd = thin_mount(h, &v->rec, false, err);
	int r = fd < 0 ? fd : FAILPOINT("thin.mount.made");

	if (r == 0 && mkdirat(h->volumes, v->base.name, 0700) < 0 &&
	    errno != EEXIST)
		r = err_set(err, -errno, "make directory %s: %s", v->base.name,
			    strerror(errno));
	if (r == 0)
		r = mnt_attach(fd, h->volumes, v->base.name, err);
	if (r == 0)
		r = FAILPOINT("thin.mount.attached");
	if (r < 0)
		(void)thin_detach(v, NULL);
	return r;
}

/* Mounted by an earlier life, whose pool is being taken up: nothing is to be done,
 * and the start waits for no disk. */
static bool is_there_already(struct thin_volume *v)
{
	return thin_pool_is_awaited(&thin_host_of(v)->pool) &&
	       thin_know(v, NULL) == 0 && thin_is_mounted(v, NULL) == 1;
}

static int mount_volume(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r;

	if (is_there_already(v))
		return 0;
	r = usable(v, err);

	if (r == 0)
		r = thin_is_mounted(v, err);
	if (r == 1)
		return 0;
	if (r == 0)
		r = touch(v, err);
	if (r == 0)
		r = attach(v, err);
	return r < 0 ? err_wrap(err, r, "volume %s", base->name) : 0;
}

static int unmount_volume(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r = thin_know(v, err);

	if (r == 0)
		r = thin_detach(v, err);
	if (r == 0)
		r = FAILPOINT("thin.unmount.detached");
	return r == -ENOENT ? 0
	       : r < 0      ? err_wrap(err, r, "volume %s", base->name)
			    : 0;
}

/* ---- another size ------------------------------------------------------------- */

static int refuse_smaller(struct thin_volume *v, uint64_t size, struct err *err)
{
	if (size < v->used && v->used_at)
		return err_set(err, -ENOSPC,
			       "%" PRIu64
			       " bytes are in use, more than %" PRIu64,
			       v->used, size);
	return err_set(err, -EOPNOTSUPP,
		       "a thin volume can grow but not shrink: make a smaller "
		       "one and copy");
}

static int record(struct thin_volume *v, const struct thin_record *rec,
		  struct err *err)
{
	int r = thin_save(thin_host_of(v), v->base.name, rec, 0, err);

	if (r == 0)
		v->rec = *rec;
	return r;
}

static int grow_mounted(struct thin_volume *v, const struct thin_record *rec,
			struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	_cleanup_close_ int root = tree_open(h->volumes, v->base.name, err);
	int r = root < 0 ? root : thin_block_grow(h, rec, err);

	if (r == 0)
		r = FAILPOINT("thin.resize.device-grown");
	return r == 0 ? thin_grow_fs(rec, root, err) : r;
}

/* What fails half way may leave a larger file system, so that the device is to be
 * as large is written down first; that it is done, last.  Again: 0. */
static int grow(struct thin_volume *v, uint64_t size, struct err *err)
{
	struct thin_record rec = v->rec;
	int r = 0;

	if (size > thin_device_size(&rec)) {
		rec.device = size;
		r = record(v, &rec, err);
	}
	if (r == 0)
		r = FAILPOINT("thin.resize.announced");
	if (r == 0)
		r = thin_is_mounted(v, err);
	rec.size = size;
	if (r == 1)
		r = grow_mounted(v, &rec, err);
	else if (r == 0)
		r = thin_fit(thin_host_of(v), &rec, err);
	if (r == 0)
		r = FAILPOINT("thin.resize.fs-grown");
	return r == 0 ? record(v, &rec, err) : r;
}

static int resize(struct vol_volume *base, uint64_t size, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r = usable(v, err);

	if (r == 0)
		r = thin_size_round(&size, err);
	if (r == 0 && size < v->rec.size)
		r = refuse_smaller(v, size, err);
	if (r == 0 && size > v->rec.size)
		r = thin_pool_room(&thin_host_of(v)->pool, THIN_FULL, 0, err);
	if (r == 0)
		r = grow(v, size, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s", base->name);
	v->opts.size = size;
	return 0;
}

/* ---- another name --------------------------------------------------------------- */

/* Its devices have numbers: only records move. */
static int rename_volume(struct vol_volume *base, const char *name,
			 struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r = thin_know(v, err);

	if (r == 0)
		r = thin_detach(v, err);
	if (r == 0 || r == -ENOENT)
		r = thin_move(thin_host_of(v), base->name, name, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s", base->name);
	v->rec = (struct thin_record){ 0 };
	return 0;
}

/* ---- telling -------------------------------------------------------------------- */

static int path(const struct vol_volume *v, char *buf, size_t size,
		struct err *err)
{
	const struct thin_host *h = v->host;
	int n = snprintf(buf, size, "%s/%s", h->root, v->name);

	if (n < 0 || (size_t)n >= size)
		return err_set(err, -ENAMETOOLONG, "volume %s: path too long",
			       v->name);
	return 0;
}

static int usage(struct vol_volume *base, struct vol_usage *ret,
		 struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct timespec now;

	(void)err;
	if (thin_know(v, NULL) < 0)
		return 0; /* told all the same, without figures */
	ret->limit_bytes = v->rec.size;
	if (thin_is_mounted(v, NULL) == 1 &&
	    thin_statfs(v, &ret->used_bytes, NULL) == 0) {
		ret->used_known = true;
		return 0;
	}
	if (!v->used_at && !v->rec.touched)
		thin_note_usage(v, v->rec.used); /* nobody wrote to it */
	if (!v->used_at)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &now);
	ret->used_known = true;
	ret->used_bytes = v->used;
	ret->age_s = (uint64_t)(now.tv_sec + 1 - v->used_at);
	return 0;
}

/* Of the pool, which all share. */
static int pool_status(struct thin_host *h, json_object *to)
{
	char why[ERR_MSG_MAX], full[8];
	const char *trouble = thin_pool_trouble(&h->pool, why, sizeof(why));
	struct thin_status s;
	uint64_t age;
	int r = answer_text(to, "pool", trouble ? why : "ok");

	if (r < 0 || thin_pool_seen(&h->pool, &s, &age, NULL) < 0)
		return r;
	snprintf(full, sizeof(full), "%u%%", thin_status_full(&s));
	r = answer_text(to, "pool_full", full);
	return r == 0 ? answer_uint(to, "pool_age", age) : r;
}

static int status(struct vol_volume *base, json_object *to, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_host *h = thin_host_of(v);
	char name[DMX_NAME_MAX];
	uint64_t mapped;
	int r = answer_text(to, "backing", "thin");

	if (r == 0)
		r = pool_status(h, to);
	if (r < 0)
		return answer_no_memory(err);
	if (thin_know(v, NULL) < 0)
		return 0;
	r = answer_text(to, "fs", v->rec.fs);
	if (r == 0 && v->rec.key[0])
		r = answer_text(to, "encrypt", "on");
	if (r == 0 && v->rec.key[0])
		r = answer_text(to, "keyfile", v->rec.key);
	thin_device_name(&h->pool, v->rec.number, name);
	if (r == 0)
		r = answer_text(to, "device", name);
	if (r == 0 &&
	    thin_device_mapped(&h->pool, v->rec.number, &mapped, NULL) == 0)
		r = answer_uint(to, "mapped", mapped);
	return r < 0 ? answer_no_memory(err) : 0;
}

/* Who asks waits for no pool; whether a restore is to be ended depends on it. */
static int there(struct thin_volume *v, struct err *err)
{
	int r = v->base.created[0] ? thin_know(v, err) : usable(v, err);

	if (r == -ENOENT)
		return err_set(err, r, "its record is gone: remove the volume");
	return r == 0 ? thin_pool_told(&thin_host_of(v)->pool, err) : r;
}

static int verify(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r = there(v, err);

	if (r == 0 && v->opts.size && v->opts.size != v->rec.size)
		return err_set(err, -EUCLEAN,
			       "its limit is %" PRIu64
			       " bytes, its record says %" PRIu64
			       ": resize it again",
			       v->rec.size, v->opts.size);
	if (r == 0)
		r = thin_crypt_check(thin_host_of(v), &v->rec, err);
	if (r == 0)
		r = thin_is_mounted(v, err);
	if (r == 1 && !base->users)
		return err_set(err, -EBUSY,
			       "it is mounted, though nobody uses it: netctl "
			       "gc unmounts it");
	return r < 0 ? r : 0;
}

const struct vol_driver thin_driver = {
	.name = "berth-thin",
	.summary = "Docker volumes that take blocks of a pool as they need "
		   "them, with snapshots",
	.flags = thin_flags,
	.config_size = sizeof(struct thin_config),
	.volume_size = sizeof(struct thin_volume),
	.options_offset = offsetof(struct thin_volume, opts),
	.options_size = sizeof(struct thin_options),
	.options = thin_option_fields,
	.host_open = thin_host_open,
	.host_close = thin_host_close,
	.defaults = thin_defaults,
	.init = thin_init,
	.create = thin_create,
	.unmake = thin_unmake,
	.remove = thin_remove,
	.mount = mount_volume,
	.unmount = unmount_volume,
	.resize = resize,
	.rename = rename_volume,
	.path = path,
	.usage = usage,
	.status = status,
	.verify = verify,
	.writes_ahead = true,
	.snapshot_add = thin_snapshot_add,
	.snapshot_del = thin_snapshot_del,
	.snapshots = thin_snapshots,
	.snapshot_open = thin_snapshot_open,
	.rollback = thin_rollback,
	.clone = thin_clone,
	.stage = thin_stage,
	.settle = thin_settle,
	.unstage = thin_unstage,
	.check = thin_host_check,
	.gc = thin_host_gc,
};
