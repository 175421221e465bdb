/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What named volumes share: their directories, and what no volume owns. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"
#include "volplugins/vol_dir.h"

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* What deleting the files of a volume's directory does not let go. */
int named_purge(struct named_host *h, int dir, struct err *err)
{
	const struct named_backing *b;
	struct named_meta m;
	int r = named_meta_read(dir, &m, err);

	if (r < 0)
		return r;
	b = named_backing_find(m.backing);
	if (!b)
		return err_set(err, -EPROTONOSUPPORT,
			       "backing %s is not known to this version",
			       m.backing);
	return b->purge ? b->purge(h, dir, err) : 0;
}

static int purge(void *host, int dir, struct err *err)
{
	return named_purge(host, dir, err);
}

/* One volume that was being made when the last life ended, of whatever size;
 * or something that somebody put there. */
static void clear_one(struct named_host *h, const char *name)
{
	char heap[NAMED_HEAP_MAX], buf[2 * VOL_NAME_MAX];
	struct err why = { 0 };

	if (unlinkat(h->staging, name, 0) == 0)
		return; /* no directory */
	if (named_trash_put(&h->trash, h->staging, name, heap, &why) < 0)
		log_warn("op=start staged=%s err=\"%s: no volume of that name "
			 "can be made\"",
			 log_quote(buf, sizeof(buf), name), why.msg);
}

/* Into the trash, whose thread deletes it: nobody waits for that. */
static int clear_staging(struct named_host *h, struct err *err)
{
	_cleanup_close_ int fd =
		openat(h->staging, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return err_set(err, -errno, "read .staging: %s",
			       strerror(errno));
	(void)take_fd(fd);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			clear_one(h, entry->d_name);
	return 0;
}

void named_host_close(void *host)
{
	struct named_host *h = host;

	named_walker_fini(&h->walker);
	named_trash_fini(&h->trash);
	closep(&h->staging);
	closep(&h->volumes);
	named_jobs_free(h->jobs);
	free(h->btrfs.gone);
	free(h);
}

/* Of this volumes directory: there may be another, in another container, by the
 * same path. */
static int make_mark(struct named_host *h, struct err *err)
{
	struct stat st;

	if (fstat(h->volumes, &st) < 0)
		return err_set(err, -errno, "%s: %s", h->root, strerror(errno));
	snprintf(h->mark, sizeof(h->mark), "%.12s:%llx:", named_driver.name,
		 (unsigned long long)st.st_ino);
	return 0;
}

static void host_closep(struct named_host **h)
{
	if (*h)
		named_host_close(*h);
}

int named_host_open(const struct plugd *d, void **ret, struct err *err)
{
	_cleanup_(host_closep) struct named_host *h = calloc(1, sizeof(*h));
	_cleanup_close_ int state = -EBADF, own = -EBADF;
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	pthread_mutex_init(&h->project.lock, NULL);
	pthread_mutex_init(&h->btrfs.lock, NULL);
	h->volumes = h->staging = h->trash.fd = -EBADF;
	named_walker_init(&h->walker, -EBADF);
	r = named_jobs_new(&h->jobs, err);
	if (r < 0)
		return r;
	state = open(d->dirs.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state < 0)
		return err_set(err, -errno, "%s: %s", d->dirs.state_dir,
			       strerror(errno));
	own = vol_dir_own(state, named_driver.name, err);
	if (own < 0)
		return own;
	h->volumes = vol_dir_own(own, "volumes", err);
	if (h->volumes < 0)
		return h->volumes;
	h->walker.volumes = h->volumes;
	h->staging = vol_dir_own(h->volumes, ".staging", err);
	if (h->staging < 0)
		return h->staging;
	r = vol_dir_path(h->volumes, h->root, sizeof(h->root), err);
	if (r < 0)
		return r;
	h->ordered = named_is_ordered(h->volumes);
	r = make_mark(h, err);
	if (r < 0)
		return r;
	named_left_thaw(h); /* before anything waits for one */
	named_probe(h);
	r = named_trash_open(&h->trash, h->volumes, purge, h, err);
	if (r == 0)
		r = clear_staging(h, err);
	if (r == 0)
		r = named_trash_start(&h->trash, err);
	if (r < 0)
		return r;
	*ret = take_ptr(h);
	return 0;
}

/* ---- what no volume owns ----------------------------------------------- */

/* Directories without a record: their state was lost, or somebody put them
 * there.  They are data, so they are told and never deleted. */
int named_host_check(void *host, bool (*known)(void *ctx, const char *name),
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
	if (named_left_mounts(h, true, known, fn, ctx, err) < 0 ||
	    named_left_loops(h, known, fn, ctx, err) < 0)
		return -EIO;
	if (named_trash_busy(&h->trash))
		return 0;
	heaps = named_trash_sweep(&h->trash, true, fn, ctx, err);
	return heaps < 0 ? heaps : 0;
}

int named_host_gc(void *host, bool dry,
		  bool (*known)(void *ctx, const char *name),
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err)
{
	struct named_host *h = host;

	int mounts = named_left_mounts(h, dry, known, fn, ctx, err);
	int heaps = mounts < 0
			    ? mounts
			    : named_trash_sweep(&h->trash, dry, fn, ctx, err);

	/* a directory without a volume may be somebody's data: it stays */
	return heaps < 0 ? heaps : mounts + heaps;
}
