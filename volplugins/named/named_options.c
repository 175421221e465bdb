/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of a named volume, and the backing they choose. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "volplugins/mntopt.h"
#include "volplugins/named/named_priv.h"

#define SIZE_LARGEST (1ull << 60)
#define MODE_DEFAULT 0755

const struct named_backing *const named_backings[] = {
	&named_directory, &named_image, &named_btrfs,
	&named_project,   &named_mount, NULL,
};
_Static_assert(ARRAY_SIZE(named_backings) - 1 <= NAMED_BACKINGS_MAX,
	       "a verdict for each");

const struct opt_field named_options[] = {
	OPT_FIELD("size", OPT_SIZE, struct named_options, size,
		  "how much fits in, at most; 0, the default: no limit"),
	OPT_FIELD("backing", OPT_STR, struct named_options, backing,
		  "what the volume is made of; default by size and host"),
	OPT_FIELD("fs", OPT_STR, struct named_options, fs,
		  "file system of an image: ext4 or xfs; default ext4"),
	{ .key = "uid",
	  .type = OPT_U32,
	  .offset = offsetof(struct named_options, uid),
	  .size = sizeof(uint32_t),
	  .max = UINT32_MAX - 1,
	  .doc = "owner of the volume's root directory; default 0" },
	{ .key = "gid",
	  .type = OPT_U32,
	  .offset = offsetof(struct named_options, gid),
	  .size = sizeof(uint32_t),
	  .max = UINT32_MAX - 1,
	  .doc = "group of the volume's root directory; default 0" },
	OPT_FIELD("mode", OPT_MODE, struct named_options, mode,
		  "permissions of the volume's root directory; default 0755"),
	OPT_FIELD("from", OPT_STR, struct named_options, from,
		  "make it as a copy of VOLUME or VOLUME@SNAPSHOT"),
	OPT_FIELD("type", OPT_STR, struct named_options, type,
		  "what to mount, as for Docker's local driver: none (with "
		  "o=bind), tmpfs, nfs, nfs4, cifs, ext4, xfs, ..."),
	OPT_FIELD("o", OPT_STR, struct named_options, o,
		  "its mount options, separated by commas"),
	OPT_FIELD("device", OPT_STR, struct named_options, device,
		  "the directory, device, export or share"),
	{ 0 },
};

void named_defaults(struct vol_volume *v)
{
	to_named(v)->opts.mode = MODE_DEFAULT;
}

const struct named_backing *named_backing_find(const char *name)
{
	for (size_t i = 0; named_backings[i]; i++)
		if (strcmp(named_backings[i]->name, name) == 0)
			return named_backings[i];
	return NULL;
}

static int no_such_backing(const char *name, struct err *err)
{
	char known[NAMED_BACKINGS_MAX * (NAMED_BACKING_MAX + 2)] = "";
	char shown[64];

	for (size_t i = 0; named_backings[i]; i++) {
		strcat(known, i ? ", " : "");
		strcat(known, named_backings[i]->name);
	}
	return err_set(err, -EINVAL, "option backing=%s: not one of %s",
		       log_quote(shown, sizeof(shown), name), known);
}

int named_size_round(uint64_t *size, struct err *err)
{
	if (*size > SIZE_LARGEST)
		return err_set(err, -EINVAL, "option size: more than 1 EiB");
	*size = (*size + 4095) & ~(uint64_t)4095;
	return 0;
}

/* Are any of Docker's mount options given? */
static bool is_mount(const struct named_options *o)
{
	return o->type[0] || o->o[0] || o->device[0];
}

static int init_mount(const struct named_options *o, struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;
	const struct mntopt_given given = {
		.type = o->type, .o = o->o, .device = o->device, .size = o->size
	};

	if (o->backing[0] && strcmp(o->backing, named_mount.name) != 0)
		return err_set(err, -EINVAL,
			       "option backing=%s: with type=, o= and device= "
			       "the volume is what they mount",
			       o->backing);
	if (o->from[0])
		return err_set(
			err, -EINVAL,
			"option from: a copy has files of its own, so it "
			"mounts nothing by type=, o= and device=");
	if (o->uid || o->gid || o->mode != MODE_DEFAULT)
		return err_set(err, -EINVAL,
			       "options uid, gid and mode are for volumes that "
			       "are made here: what is mounted has its own "
			       "(type=tmpfs takes them in o=)");
	return mntopt_parse(&given, &m, err);
}

int named_init(struct vol_volume *v, struct err *err)
{
	struct named_options *o = &to_named(v)->opts;
	const struct named_backing *b;

	int r = named_size_round(&o->size, err);

	if (r == 0 &&
	    (is_mount(o) || strcmp(o->backing, named_mount.name) == 0))
		return init_mount(o, err);
	if (r == 0 && o->from[0] &&
	    (o->uid || o->gid || o->mode != MODE_DEFAULT))
		return err_set(err, -EINVAL,
			       "options uid, gid and mode: a copy (from=) has "
			       "the owner and permissions of what it is of");
	if (r < 0 || !o->backing[0])
		return r;
	b = named_backing_find(o->backing);
	if (!b)
		return no_such_backing(o->backing, err);
	if (o->size && !b->limits)
		return err_set(err, -EINVAL,
			       "option size: backing=%s has no limit of its "
			       "own",
			       b->name);
	if (!o->size && b->must_limit && !o->from[0])
		return err_set(err, -EINVAL,
			       "option size: missing, backing=%s needs it",
			       b->name);
	return 0;
}

/* ---- what this host has ------------------------------------------------- */

void named_probe(struct named_host *h)
{
	for (size_t i = 0; named_backings[i]; i++) {
		const struct named_backing *b = named_backings[i];
		struct err why = { 0 };

		h->had[i] = !b->probe || b->probe(h, &why) == 0;
		if (!h->had[i])
			log_info("op=probe backing=%s result=no err=\"%s\"",
				 b->name, why.msg);
	}
}

/* Was it there when the daemon started? */
static bool had(const struct named_host *h, const struct named_backing *b)
{
	for (size_t i = 0; named_backings[i]; i++)
		if (named_backings[i] == b)
			return h->had[i];
	return false;
}

/* Is it there now?  What was missing may be installed by now, or turned on.
 * Return: 0; -EOPNOTSUPP with the reason. */
static int have(struct named_host *h, const struct named_backing *b,
		struct err *err)
{
	struct err why = { 0 };
	int r = had(h, b) ? 0 : b->probe(h, &why);

	if (r == 0)
		return 0;
	return err_set(err, r, "backing=%s can't be used here: %s", b->name,
		       why.msg);
}

/* The backing @name, if it was built and this host had it at the start: no
 * volume costs another look at what it would rather be made of. */
static const struct named_backing *usable(const struct named_host *h,
					  const char *name)
{
	const struct named_backing *b = named_backing_find(name);

	return b && had(h, b) ? b : NULL;
}

/* ---- choosing ----------------------------------------------------------- */

static const struct named_backing *by_options(const struct named_host *h,
					      const struct named_options *o)
{
	const struct named_backing *b;

	if (o->backing[0])
		return named_backing_find(o->backing);
	if (is_mount(o))
		return &named_mount;
	if (o->fs[0] && o->size) /* only this has one to choose */
		return named_backing_find("image");
	b = usable(h, "btrfs");
	if (!b && o->size)
		b = usable(h, "project");
	if (!b && o->size)
		b = named_backing_find("image"); /* its reason, if it can't */
	return b ? b : &named_directory;
}

int named_no_fs(const struct named_volume *v, struct err *err)
{
	if (!v->opts.fs[0])
		return 0;
	return err_set(err, -EINVAL,
		       "option fs: only a volume with backing=image has a file "
		       "system of its own, this is %s",
		       v->meta.backing);
}

int named_choose(struct named_volume *v, struct err *err)
{
	struct named_host *h = named_host_of(v);
	const struct named_options *o = &v->opts;
	const struct named_backing *b = by_options(h, o);
	int r = b ? have(h, b, err) : no_such_backing(o->backing, err);

	if (r < 0 || !b)
		return err_negative(r);
	if (o->size && !b->limits)
		return err_set(err, -EOPNOTSUPP,
			       "option size: a plain directory has no limit "
			       "of its own");
	v->meta = (struct named_meta){ .size = o->size };
	snprintf(v->meta.backing, sizeof(v->meta.backing), "%s", b->name);
	snprintf(v->meta.fs, sizeof(v->meta.fs), "%s", o->fs);
	r = b->plan ? b->plan(v, err) : 0;
	if (r == 0 && !b->plan)
		r = named_no_fs(v, err);
	if (r == 0)
		v->backing = b;
	return r;
}

/* A copy is what its source is. */
int named_choose_copy(struct named_volume *v, const struct named_volume *src,
		      struct err *err)
{
	const struct named_options *o = &v->opts;
	const struct named_meta *m = &src->meta;

	if (!src->backing->copy)
		return named_cannot(src, "copied", err);
	if (o->backing[0] && strcmp(o->backing, m->backing) != 0)
		return err_set(err, -EINVAL,
			       "option backing=%s: %s has backing=%s, and so "
			       "will its copy",
			       o->backing, src->base.name, m->backing);
	if (o->fs[0] && strcmp(o->fs, m->fs) != 0)
		return err_set(err, -EINVAL,
			       "option fs=%s: %s has fs=%s, and so will its "
			       "copy",
			       o->fs, src->base.name,
			       m->fs[0] ? m->fs : "none");
	v->backing = src->backing;
	v->meta = (struct named_meta){ .size = o->size ? o->size : m->size };
	snprintf(v->meta.backing, sizeof(v->meta.backing), "%s", m->backing);
	snprintf(v->meta.fs, sizeof(v->meta.fs), "%s", m->fs);
	snprintf(v->meta.from, sizeof(v->meta.from), "%s", o->from);
	return v->backing->plan ? v->backing->plan(v, err) : 0;
}

int named_cannot(const struct named_volume *v, const char *what,
		 struct err *err)
{
	return err_set(
		err, -EOPNOTSUPP,
		"volume %s is backing=%s, which cannot be %s: volumes on "
		"btrfs can, and those with -o backing=image.  netctl "
		"volume backup and restore copy any",
		v->base.name, v->backing->name, what);
}

int named_fits(const struct named_volume *v, struct err *err)
{
	const struct named_options *o = &v->opts;
	const struct named_meta *m = &v->meta;

	/* what it mounted is in the record only */
	if (is_mount(o) != (strcmp(m->backing, named_mount.name) == 0))
		return err_set(
			err, -EEXIST,
			"directory %s is there already with backing=%s%s",
			v->base.name, m->backing,
			is_mount(o) ? ": leave type=, o= and device= out"
				    : ": say what it mounts with type=, "
				      "o= and device=");
	if (o->backing[0] && strcmp(o->backing, m->backing) != 0)
		return err_set(err, -EEXIST,
			       "directory %s is there already with backing=%s: "
			       "ask for that, or leave it out",
			       v->base.name, m->backing);
	if (o->fs[0] && strcmp(o->fs, m->fs) != 0)
		return err_set(err, -EEXIST,
			       "directory %s is there already with fs=%s: ask "
			       "for that, or leave it out",
			       v->base.name, m->fs[0] ? m->fs : "none");
	if (o->from[0] && strcmp(o->from, m->from) != 0)
		return err_set(
			err, -EEXIST,
			"directory %s is there already, and is no copy "
			"of %s: leave from= out to take it up, or choose "
			"another name",
			v->base.name, o->from);
	if (o->size && o->size != m->size)
		return err_set(err, -EEXIST,
			       "directory %s is there already with size=%llu: "
			       "ask for that, or leave it out and resize it",
			       v->base.name, (unsigned long long)m->size);
	return 0;
}
