/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A named volume as a directory with a project id of its own, on ext4 or xfs.
 *
 * The id is in meta, and NAME itself bears it, so that _data and all below
 * inherit it.  A container may take its own files out of the project; NAME is
 * out of its reach, and NAME is asked whose limit goes with the volume.  A copy
 * of a volume (a backup that was put back) has the meta but not the id, and so
 * never takes another's limit away.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/prjquota.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

#define BIG(number) ((unsigned long long)(number))
#define ROUNDING    65536 /* xfs rounds a limit up to its blocks */

static int project_probe(struct named_host *h, struct err *err)
{
	return prjquota_check(h->volumes, err);
}

/* No id is given out twice in one life, so that it need not be claimed under
 * the lock; with the next life it is claimed, or never was. */
static int project_plan(struct named_volume *v, struct err *err)
{
	struct named_host *h = named_host_of(v);
	int r = named_no_fs(v, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&h->project.lock);
	r = prjquota_pick(h->volumes, &h->project.next, &v->meta.project, err);
	pthread_mutex_unlock(&h->project.lock);
	return r;
}

static int project_make(struct named_volume *v, int dir, struct err *err)
{
	uint32_t id = v->meta.project;
	int r = prjquota_claim(dir, id, err);

	if (r == 0)
		r = FAILPOINT("named.project.claimed");
	if (r == 0 && v->meta.size)
		r = prjquota_limit(dir, id, v->meta.size, err);
	if (r == 0)
		r = FAILPOINT("named.project.limited");
	if (r == 0)
		r = named_data_make(v, dir, err);
	if (r == 0 && !named_host_of(v)->ordered)
		r = named_data_sync(dir, err);
	return r;
}

/* The id of @dir's limit, if it is one of ours; 0: none. */
static int limited_id(int dir, uint32_t *ret, struct err *err)
{
	struct named_meta m;
	uint32_t id = 0;
	int r = named_meta_read(dir, &m, err);

	if (r == 0)
		r = prjquota_id(dir, &id, err);
	if (r == 0)
		*ret = id == m.project ? id : 0;
	return r;
}

/* While quotas are off there is no way to: the id then keeps a limit that
 * nobody needs, and is never picked again because of it. */
static int project_purge(struct named_host *h, int dir, struct err *err)
{
	uint32_t id = 0;
	int r = limited_id(dir, &id, err);

	(void)h;
	if (r < 0 || !id)
		return r;
	if (prjquota_check(dir, NULL) == 0)
		r = prjquota_limit(dir, id, 0, err);
	(void)FAILPOINT("named.project.freed"); /* the Remove has succeeded */
	/* deleting moves files into @dir, which must not ask whose they are */
	return r < 0 ? r : prjquota_claim(dir, 0, err);
}

static int project_unmake(struct named_volume *v, int dir, struct err *err)
{
	int r = named_directory.unmake(v, dir, err);

	return r < 0 ? r : project_purge(named_host_of(v), dir, err);
}

static int project_verify(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int data = tree_open(dir, NAMED_DATA, err);
	uint32_t id = v->meta.project, outer = 0, inner = 0;
	int r = data < 0 ? data : prjquota_id(dir, &outer, err);

	if (r == 0)
		r = prjquota_id(data, &inner, err);
	if (r < 0)
		return r;
	if (outer != id || inner != id)
		return err_set(
			err, -EXDEV,
			"its files are not in project %u any more (from "
			"a backup?), so its size can't be kept: in %s/%s, "
			"chattr -R -p %u . && find . -type d -exec "
			"chattr +P {} + puts them back",
			id, named_host_of(v)->root, v->base.name, id);
	r = v->meta.size ? prjquota_check(dir, err) : 0;
	return r < 0 ? err_wrap(err, r, "its size can't be kept") : 0;
}

static bool same_limit(uint64_t is, uint64_t wanted)
{
	return is >= wanted && is - wanted < ROUNDING;
}

/* A limit that is missing (a power cut just after Create) is set again. */
static int project_attach(struct named_volume *v, int dir, struct err *err)
{
	uint32_t id = v->meta.project;
	struct prjquota q = { 0 };
	int r;

	if (!v->meta.size)
		return 0;
	r = prjquota_get(dir, id, &q, err);
	if (r == 0 && !same_limit(q.limit, v->meta.size))
		r = prjquota_limit(dir, id, v->meta.size, err);
	return r;
}

static int project_usage(struct named_volume *v, int dir, struct vol_usage *ret,
			 struct err *err)
{
	struct prjquota q = { 0 };
	int r;

	if (prjquota_check(dir, NULL) < 0)
		return -ENODATA;
	r = prjquota_get(dir, v->meta.project, &q, err);
	if (r < 0)
		return r;
	ret->used_bytes = q.used;
	ret->used_known = true;
	return 0;
}

/* xfs gives free what was deleted a moment later, after it was asked.
 * Return: 0; -ENOSPC. */
static int fits(int dir, uint32_t id, uint64_t size, struct err *err)
{
	const struct timespec step = { .tv_nsec = 20000000 };
	struct prjquota q = { 0 };
	int r;

	for (int tries = 0; tries < 50; tries++) {
		r = prjquota_get(dir, id, &q, err);
		/* the same limit: carried out again after a crash */
		if (r < 0 || q.used <= size || same_limit(q.limit, size))
			return r;
		nanosleep(&step, NULL);
	}
	return err_set(err, -ENOSPC,
		       "%llu bytes are used, more than the %llu asked for",
		       BIG(q.used), BIG(size));
}

static int project_resize(struct named_volume *v, int dir, uint64_t size,
			  struct err *err)
{
	int r = prjquota_check(dir, err);

	if (r == 0 && size)
		r = fits(dir, v->meta.project, size, err);
	if (r == 0)
		r = prjquota_limit(dir, v->meta.project, size, err);
	if (r < 0)
		return r;
	r = FAILPOINT("named.project.resized");
	if (r < 0)
		(void)prjquota_limit(dir, v->meta.project, v->meta.size, NULL);
	return r;
}

static int project_status(struct named_volume *v, int dir, json_object *to,
			  struct err *err)
{
	json_object *n = json_object_new_uint64(v->meta.project);

	(void)dir;
	if (n && json_object_object_add(to, "project", n) == 0)
		return 0;
	json_object_put(n);
	return err_set(err, -ENOMEM, "out of memory");
}

const struct named_backing named_project = {
	.name = "project",
	.limits = true,
	.probe = project_probe,
	.plan = project_plan,
	.make = project_make,
	.unmake = project_unmake,
	.verify = project_verify,
	.attach = project_attach,
	.purge = project_purge,
	.usage = project_usage,
	.resize = project_resize,
	.status = project_status,
};
