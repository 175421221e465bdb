/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making and removing thin volumes.
 *
 * The one step that makes a volume is its record; until then the number of its
 * device is doomed (pool.h), from when it is gone it is again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "volplugins/fs/mkfs.h"
#include "volplugins/thin/crypt.h"

#define SIZE_LARGEST (256ull << 40)
#define SIZE_DEFAULT (10ull << 30)
#define MIN_EXT4     (16ull << 20) /* below, nothing is left beside the journal */
#define MIN_XFS      (300ull << 20) /* what mkfs.xfs asks for */
#define MODE_DEFAULT 0755

static const char *const on_off[] = {
	[THIN_ENCRYPT_OFF] = "off", [THIN_ENCRYPT_ON] = "on", NULL
};

const struct opt_field thin_option_fields[] = {
	OPT_FIELD("size", OPT_SIZE, struct thin_options, size,
		  "how much fits in, at most; default 10g"),
	OPT_FIELD("fs", OPT_STR, struct thin_options, fs,
		  "its file system: ext4 or xfs; default ext4"),
	{ .key = "uid",
	  .type = OPT_U32,
	  .offset = offsetof(struct thin_options, uid),
	  .size = sizeof(uint32_t),
	  .max = UINT32_MAX - 1,
	  .doc = "owner of the volume's root directory; default 0" },
	{ .key = "gid",
	  .type = OPT_U32,
	  .offset = offsetof(struct thin_options, gid),
	  .size = sizeof(uint32_t),
	  .max = UINT32_MAX - 1,
	  .doc = "group of the volume's root directory; default 0" },
	OPT_FIELD("mode", OPT_MODE, struct thin_options, mode,
		  "permissions of the volume's root directory; default 0755"),
	OPT_FIELD("from", OPT_STR, struct thin_options, from,
		  "make it as a copy of VOLUME or VOLUME@SNAPSHOT"),
	{ .key = "encrypt",
	  .type = OPT_ENUM,
	  .offset = offsetof(struct thin_options, encrypt),
	  .size = sizeof(int),
	  .names = on_off,
	  .doc = "on: what is in it is enciphered in the pool; default off" },
	OPT_FIELD("keyfile", OPT_STR, struct thin_options, key,
		  "name of the key it is enciphered with, a file in the "
		  "directory of keys"),
	{ 0 },
};

void thin_defaults(struct vol_volume *base)
{
	to_thin(base)->opts.mode = MODE_DEFAULT;
	to_thin(base)->opts.encrypt = THIN_ENCRYPT_UNSAID;
}

int thin_size_round(uint64_t *size, struct err *err)
{
	if (*size > SIZE_LARGEST)
		return err_set(err, -EINVAL, "option size: more than 256 TiB");
	*size = (*size + 4095) & ~(uint64_t)4095;
	return 0;
}

int thin_init(struct vol_volume *base, struct err *err)
{
	struct thin_options *o = &to_thin(base)->opts;
	bool xfs = strcmp(o->fs, "xfs") == 0;
	uint64_t min = xfs ? MIN_XFS : MIN_EXT4;
	int r;

	if (o->fs[0] && !xfs && strcmp(o->fs, "ext4") != 0)
		return err_set(err, -EINVAL, "option fs: not ext4 or xfs");
	if (o->from[0] && (o->uid || o->gid || o->mode != MODE_DEFAULT))
		return err_set(err, -EINVAL,
			       "options uid, gid and mode: a copy (from=) has "
			       "the owner and permissions of what it is of");
	if (o->size && o->size < min && !o->from[0])
		return err_set(err, -EINVAL,
			       "option size: a volume with %s has at least "
			       "%" PRIu64 "m",
			       xfs ? "xfs" : "ext4", min >> 20);
	r = thin_crypt_options(o, err);
	return r < 0 ? r : thin_size_round(&o->size, err);
}

/* ---- empty ------------------------------------------------------------------------ */

/* Is what is there already what is asked for? */
static int fits(const struct thin_volume *v, struct err *err)
{
	const struct thin_options *o = &v->opts;
	const struct thin_record *rec = &v->rec;

	if ((!o->fs[0] || strcmp(o->fs, rec->fs) == 0) &&
	    (!o->size || o->size == rec->size) &&
	    (!o->from[0] || strcmp(o->from, rec->from) == 0) &&
	    (o->encrypt == THIN_ENCRYPT_UNSAID ||
	     (o->encrypt == THIN_ENCRYPT_ON) == (rec->key[0] != '\0')) &&
	    (!o->key[0] || strcmp(o->key, rec->key) == 0))
		return VOL_FOUND;
	return err_set(err, -EEXIST,
		       "volume %s is there already, with size=%" PRIu64
		       " fs=%s%s%s%s%s: ask for that, or remove it first",
		       v->base.name, rec->size, rec->fs,
		       rec->from[0] ? " from=" : "", rec->from,
		       rec->key[0] ? " encrypt=on keyfile=" : "", rec->key);
}

/* A new device with a file system, of @v's options; its number is doomed. */
static int make(struct thin_volume *v, struct thin_record *rec, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	int r;

	*rec = (struct thin_record){
		.size = v->opts.size ? v->opts.size : SIZE_DEFAULT,
	};
	snprintf(rec->fs, sizeof(rec->fs), "%s",
		 v->opts.fs[0] ? v->opts.fs : "ext4");
	snprintf(rec->created, sizeof(rec->created), "%s", v->base.created);
	memcpy(rec->key, v->opts.key, sizeof(rec->key));
	r = mkfs_probe(rec->fs, err);
	if (r == 0)
		r = thin_crypt_check(h, rec, err);
	if (r == 0)
		r = thin_pool_use(&h->pool, true, err);
	if (r == 0)
		r = thin_pool_room(&h->pool, THIN_FULL,
				   thin_format_cost(h, rec), err);
	if (r == 0)
		r = thin_device_add(&h->pool, &rec->number, err);
	if (r < 0)
		return r;
	r = thin_format(v, rec, err);
	if (r < 0)
		(void)thin_device_del(&h->pool, rec->number, NULL);
	return r;
}

/* The one step. */
static int put_in_place(struct thin_volume *v, const struct thin_record *rec,
			struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	int r = FAILPOINT("thin.create.ready");

	if (r == 0)
		r = thin_save(h, v->base.name, rec, 0, err);
	if (r < 0) {
		(void)thin_device_del(&h->pool, rec->number, NULL);
		return r;
	}
	v->rec = *rec;
	thin_note_usage(v, rec->used);
	return 0;
}

int thin_create(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_record rec;
	int r = thin_know(v, err);

	if (r == 0)
		return fits(v, err);
	if (r == -ENOENT)
		r = make(v, &rec, err);
	return r == 0 ? put_in_place(v, &rec, err) : r;
}

/* ---- a copy ------------------------------------------------------------------------- */

static int plan_copy(const struct thin_volume *v, const struct thin_record *src,
		     struct thin_record *rec, struct err *err)
{
	const struct thin_options *o = &v->opts;
	int r;

	if (o->fs[0] && strcmp(o->fs, src->fs) != 0)
		return err_set(err, -EINVAL,
			       "option fs=%s: %s has fs=%s, and so will its "
			       "copy",
			       o->fs, o->from, src->fs);
	if (o->size && o->size < src->size)
		return err_set(err, -ENOSPC,
			       "size=%" PRIu64 ": a thin volume can grow but "
			       "not shrink, and %s has %" PRIu64 " bytes",
			       o->size, o->from, src->size);
	r = thin_crypt_copy(o, src, err);
	if (r < 0)
		return r;
	*rec = (struct thin_record){ .size = o->size ? o->size : src->size,
				     .device = src->device };
	memcpy(rec->fs, src->fs, sizeof(rec->fs));
	memcpy(rec->key, src->key, sizeof(rec->key));
	memcpy(rec->from, o->from, sizeof(rec->from));
	snprintf(rec->created, sizeof(rec->created), "%s", v->base.created);
	return 0;
}

static int copy(struct thin_volume *v, const struct thin_record *src,
		struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	struct thin_record rec;
	int r = plan_copy(v, src, &rec, err);

	if (r == 0)
		r = thin_copy(h, src, THIN_FULL, &rec.number, err);
	if (r < 0)
		return r;
	rec.used = src->used;
	if (rec.size > src->size)
		r = thin_fit(h, &rec, err);
	if (r == 0)
		r = FAILPOINT("thin.clone.copied");
	if (r == 0)
		return put_in_place(v, &rec, err);
	(void)thin_device_del(&h->pool, rec.number, NULL);
	return r;
}

int thin_clone(struct vol_volume *base, struct vol_volume *src,
	       const char *snap, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_record from;
	char key[THIN_KEY_MAX];
	int r = thin_know(v, err);

	if (r == 0)
		return fits(v, err);
	if (r != -ENOENT)
		return r;
	if (!src)
		return err_set(err, -ENOENT,
			       "option from: there is no volume %s",
			       base->from.name);
	thin_key(key, src->name, snap);
	r = thin_load(thin_host_of(v), key, &from, err);
	if (r == -ENOENT && *snap)
		return err_set(err, r, "volume %s has no snapshot %s",
			       src->name, snap);
	if (r == 0)
		r = copy(v, &from, err);
	return r < 0 ? err_wrap(err, r, "copy of %s", src->name) : 0;
}

/* ---- filled by somebody else ---------------------------------------------------------- */

int thin_stage(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	_cleanup_close_ int mount = -EBADF;
	struct thin_record rec = { 0 };
	int r = thin_know(v, err), fd;

	if (r == 0)
		return err_set(err, -EEXIST, "volume %s is there already",
			       base->name);
	r = r == -ENOENT ? make(v, &rec, err) : r;
	if (r < 0)
		return r;
	mount = thin_mount(thin_host_of(v), &rec, false, err);
	fd = mount < 0 ? mount : thin_root_of(mount, err);
	if (fd < 0)
		(void)thin_device_del(&thin_host_of(v)->pool, rec.number, NULL);
	else
		v->rec = rec; /* for .settle and .unstage */
	return fd;
}

int thin_settle(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_record rec = v->rec;
	int r;

	rec.touched = true;
	r = thin_fit(thin_host_of(v), &rec, err); /* how much is in it */
	return r == 0 ? put_in_place(v, &rec, err) : r;
}

void thin_unstage(struct vol_volume *base)
{
	struct thin_volume *v = to_thin(base);

	if (v->rec.number)
		(void)thin_device_del(&thin_host_of(v)->pool, v->rec.number,
				      NULL);
	v->rec = (struct thin_record){ 0 };
}

/* ---- taken away -------------------------------------------------------------------------- */

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* -ENOTEMPTY. */
static int is_empty(struct thin_volume *v, struct err *err)
{
	_cleanup_close_ int mount =
		thin_mount(thin_host_of(v), &v->rec, false, err);
	int root = mount < 0 ? mount : thin_root_of(mount, err);
	_cleanup_(dir_closep) DIR *dir = root < 0 ? NULL : fdopendir(root);
	const struct dirent *entry;

	if (!dir)
		return root < 0 ? root : -ENOMEM;
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return err_set(err, -ENOTEMPTY, "volume %s has data",
				       v->base.name);
	return 0;
}

static int drop(struct thin_volume *v, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	int r = thin_detach(v, err);

	if (r == 0)
		r = FAILPOINT("thin.remove.checked");
	if (r == 0)
		r = thin_forget(h, v->base.name, v->rec.number, err);
	if (r == 0)
		v->rec = (struct thin_record){ 0 };
	return r;
}

int thin_unmake(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r = thin_know(v, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (v->rec.from[0] && strcmp(v->rec.created, base->created) != 0)
		return err_set(err, -ENOTEMPTY,
			       "volume %s is a copy that was there before",
			       base->name);
	if (v->rec.touched && v->rec.from[0])
		return err_set(err, -ENOTEMPTY,
			       "volume %s was used since it was copied",
			       base->name);
	if (v->rec.touched)
		r = is_empty(v, err);
	if (r == 0)
		r = drop(v, err);
	return r < 0 ? err_wrap(err, r, "take back volume %s", base->name) : 0;
}

int thin_remove(struct vol_volume *base, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	int r = thin_know(v, err);

	if (r == -ENOENT)
		return 0; /* an earlier life's */
	if (r == 0)
		r = drop(v, err);
	return r < 0 ? err_wrap(err, r, "volume %s stays", base->name) : 0;
}
