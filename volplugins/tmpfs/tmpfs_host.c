/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What volumes in memory share: their directory, and what no volume owns. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/mounts.h"
#include "volplugins/tmpfs/tmpfs_priv.h"
#include "volplugins/vol_dir.h"

void tmpfs_host_close(void *host)
{
	struct tmpfs_host *h = host;

	closep(&h->volumes);
	free(h);
}

static void host_closep(struct tmpfs_host **h)
{
	if (*h)
		tmpfs_host_close(*h);
}

int tmpfs_host_open(const struct plugd *d, void **ret, struct err *err)
{
	_cleanup_(host_closep) struct tmpfs_host *h = calloc(1, sizeof(*h));
	_cleanup_close_ int run = -EBADF, own = -EBADF;
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->volumes = -EBADF;
	run = open(d->dirs.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (run < 0)
		return err_set(err, -errno, "%s: %s", d->dirs.run_dir,
			       strerror(errno));
	own = vol_dir_own(run, tmpfs_driver.name, err);
	if (own < 0)
		return own;
	h->volumes = vol_dir_own(own, "volumes", err);
	if (h->volumes < 0)
		return h->volumes;
	r = vol_dir_path(h->volumes, h->root, sizeof(h->root), err);
	if (r < 0)
		return r;
	*ret = take_ptr(h);
	return 0;
}

/* ---- mounts of no volume ----------------------------------------------------- */

struct left {
	struct tmpfs_host *h;
	bool dry;
	bool (*known)(void *ctx, const char *name);
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int count;
};

/* One with files in it may be all that is left of somebody's data. */
static int take_away(struct left *l, const char *target, const char *name,
		     char *line, size_t size)
{
	struct tmpfs_volume v = { .base.host = l->h };
	struct tmpfs_figures f = { 0 };
	struct err why = { 0 };
	int r;

	snprintf(v.base.name, sizeof(v.base.name), "%s", name);
	r = tmpfs_figures(&v, &f, &why);
	if (r == 0 && f.used_inodes > 1)
		r = err_set(&why, -ENOTEMPTY,
			    "it has files: docker volume create -d %s with its "
			    "name takes it up again, umount %s lets it go",
			    tmpfs_driver.name, target);
	if (r == 0 && !l->dry)
		r = tmpfs_hide(&v, &why);
	if (r < 0)
		snprintf(line, size, "mount %s of no volume stays: %s", target,
			 why.msg);
	else
		snprintf(line, size, "mount %s of no volume", target);
	return r;
}

static int look_at(void *ctx, const char *target)
{
	struct left *l = ctx;
	const char *name = target + strlen(l->h->root) + 1;
	char line[4096];

	if (strchr(name, '/') || strlen(name) >= VOL_NAME_MAX ||
	    l->known(l->ctx, name))
		return 0;
	if (take_away(l, target, name, line, sizeof(line)) == 0)
		l->count++;
	if (l->fn)
		l->fn(l->ctx, line);
	return 0;
}

int tmpfs_host_gc(void *host, bool dry,
		  bool (*known)(void *ctx, const char *name),
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err)
{
	struct tmpfs_host *h = host;
	struct left l = {
		.h = h, .dry = dry, .known = known, .fn = fn, .ctx = ctx
	};
	int r = mounts_below(h->root, look_at, &l, err);

	return r < 0 ? r : l.count;
}

int tmpfs_host_check(void *host, bool (*known)(void *ctx, const char *name),
		     void (*fn)(void *ctx, const char *line), void *ctx,
		     struct err *err)
{
	int r = tmpfs_host_gc(host, true, known, fn, ctx, err);

	return r < 0 ? r : 0;
}
