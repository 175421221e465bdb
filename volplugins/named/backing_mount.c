/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A named volume as a mount: of a server's export, a device, memory or another
 * directory of this host, by Docker's type=, o= and device=.
 *
 * The volume's directory holds nothing but the place to mount on.  With the
 * first user the mount is made, with the last it goes; what is in it belongs
 * to whoever has it elsewhere and is never deleted by us.  Making and taking
 * away run as jobs (named_job.h): a dead server holds up its own volume only.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/mntopt.h"
#include "volplugins/named/named_job.h"
#include "volplugins/named/named_mount.h"
#include "volplugins/named/named_priv.h"

/* dockerd waits 120 s for a Mount, and then a moment for an Unmount. */
#define ATTACH_MS 90000
#define DETACH_MS 20000

static int parse(const struct named_volume *v, struct mntopt **ret,
		 struct err *err)
{
	const struct mntopt_given given = {
		.type = v->opts.type,
		.o = v->opts.o,
		.device = v->opts.device,
		.size = v->opts.size,
	};

	return mntopt_parse(&given, ret, err);
}

/* ---- the place to mount on ------------------------------------------------ */

static int mount_plan(struct named_volume *v, struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;

	return parse(v, &m, err);
}

static int mount_make(struct named_volume *v, int dir, struct err *err)
{
	int r = 0;

	if (mkdirat(dir, NAMED_DATA, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = named_sync(named_host_of(v), dir);
	return r < 0 ? err_set(err, r, "make " NAMED_DATA ": %s", strerror(-r))
		     : 0;
}

static int rmdir_data(int dir, struct err *err)
{
	if (unlinkat(dir, NAMED_DATA, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(err, errno == EEXIST ? -ENOTEMPTY : -errno,
			       "delete " NAMED_DATA ": %s", strerror(errno));
	return 0;
}

static int mount_unmake(struct named_volume *v, int dir, struct err *err)
{
	(void)v;
	return rmdir_data(dir, err);
}

static int mount_verify(struct named_volume *v, int dir, struct err *err)
{
	int r = mnt_is_mounted(dir, NAMED_DATA, err);
	struct stat st;

	(void)v;
	if (r != 0)
		return r < 0 ? r : 0;
	if (fstatat(dir, NAMED_DATA, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, NAMED_DATA ": %s", strerror(errno));
	return S_ISDIR(st.st_mode) ? 0
				   : err_set(err, -ENOTDIR,
					     NAMED_DATA " is not a directory");
}

/* What got into the place while nothing was mounted there is deleted with the
 * volume like any data; what is mounted there never is. */
static int mount_removable(struct named_volume *v, int dir, struct err *err)
{
	int r = mnt_is_mounted(dir, NAMED_DATA, err);

	(void)v;
	if (r == -ENOENT)
		return 0;
	if (r > 0)
		return err_set(err, -EBUSY, NAMED_DATA " is still mounted");
	return r < 0 ? r : tree_removable(dir, err);
}

static int mount_purge(struct named_host *h, int dir, struct err *err)
{
	int r = mnt_is_mounted(dir, NAMED_DATA, err);

	(void)h;
	if (r == -ENOENT)
		return 0;
	return r > 0 ? err_set(err, -EBUSY, NAMED_DATA " is still mounted") : r;
}

/* ---- making the mount ----------------------------------------------------- */

struct making {
	struct mntopt *m; /* owned */
	char *volumes;    /* owned */
};

static void making_free(void *arg)
{
	struct making *w = arg;

	if (!w)
		return;
	mntopt_free(w->m);
	free(w->volumes);
	free(w);
}

static int making_run(void *arg, uint64_t *ret_used, struct err *err)
{
	struct making *w = arg;

	return named_mount_make(w->m, w->volumes, ret_used, err);
}

/* Return: fd of the detached mount; -ETIMEDOUT. */
static int mount_run(struct named_volume *v, struct mntopt *m /* taken */,
		     uint64_t *ret_used, struct err *err)
{
	const struct named_host *h = named_host_of(v);
	const struct named_options *o = &v->opts;
	struct making *w = calloc(1, sizeof(*w));
	_cleanup_free_ char *key = NULL;
	char slow[384];

	snprintf(slow, sizeof(slow),
		 "%.200s does not answer: nothing is mounted, start the "
		 "container again when it does",
		 m->host ? m->host : o->device);
	if (asprintf(&key, "mount %s %s %s %s %llu", v->base.name, o->type,
		     o->o, o->device, (unsigned long long)o->size) < 0)
		key = NULL;
	if (w) {
		w->m = take_ptr(m);
		w->volumes = strdup(h->root);
	}
	if (!w || !key || !w->volumes) {
		mntopt_free(m);
		making_free(w);
		return err_set(err, -ENOMEM, "out of memory");
	}
	return named_job_run(h->jobs,
			     &(struct named_job_spec){
				     .key = key,
				     .run = making_run,
				     .free = making_free,
				     .arg = w,
				     .wait_ms = ATTACH_MS,
				     .slow = slow,
			     },
			     ret_used, err);
}

/* Show it, and only then: what its parent is part of, it becomes part of. */
static int show(const struct mntopt *m, int mount, int dir, struct err *err)
{
	int r = mnt_attach(mount, dir, NAMED_DATA, err);

	if (r < 0)
		return r;
	r = mnt_propagate(mount, m->propagation, m->recursive, err);
	if (r == 0)
		r = FAILPOINT("named.mount.shown");
	if (r < 0)
		(void)mnt_detach(dir, NAMED_DATA, true, NULL);
	return r;
}

static int mount_attach(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;
	struct mntopt *taken = NULL;
	_cleanup_close_ int mount = -EBADF;
	uint64_t used = 0;
	int r = mnt_is_mounted(dir, NAMED_DATA, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = parse(v, &m, err);
	if (r == 0)
		r = parse(v, &taken, err);
	if (r < 0 || !m || !taken)
		return r;
	mount = mount_run(v, taken, &used, err);
	if (mount < 0)
		return mount;
	r = FAILPOINT("named.mount.made");
	if (r == 0)
		r = show(m, mount, dir, err);
	if (r == 0 && used)
		named_note_usage(v, used);
	return r;
}

/* ---- taking it away -------------------------------------------------------- */

struct parting {
	int dir; /* owned */
	bool lazy;
};

static void parting_free(void *arg)
{
	struct parting *w = arg;

	if (!w)
		return;
	closep(&w->dir);
	free(w);
}

static int parting_run(void *arg, uint64_t *ret_used, struct err *err)
{
	const struct parting *w = arg;

	(void)ret_used;
	return mnt_detach(w->dir, NAMED_DATA, w->lazy, err);
}

static int part(struct named_volume *v, int dir, bool lazy, struct err *err)
{
	struct parting *w = calloc(1, sizeof(*w));
	char key[VOL_NAME_MAX + 48];
	struct stat st;

	if (!w)
		return err_set(err, -ENOMEM, "out of memory");
	w->dir = fcntl(dir, F_DUPFD_CLOEXEC, 3);
	w->lazy = lazy;
	if (w->dir < 0 || fstat(w->dir, &st) < 0) {
		parting_free(w);
		return err_set(err, -errno, "directory: %s", strerror(errno));
	}
	/* Not by the name alone: one of a removed volume may still hang.  While
	 * it does it holds its directory, whose number nobody else gets. */
	snprintf(key, sizeof(key), "%s %s %llu", lazy ? "drop" : "unmount",
		 v->base.name, (unsigned long long)st.st_ino);
	return named_job_run(named_host_of(v)->jobs,
			     &(struct named_job_spec){
				     .key = key,
				     .run = parting_run,
				     .free = parting_free,
				     .arg = w,
				     .wait_ms = DETACH_MS,
				     .slow = "what is mounted does not answer",
			     },
			     NULL, err);
}

/* A server that is dead may take the last writes with it; the container is
 * gone already, and to hold on to the mount would not bring them back. */
static int drop(struct named_volume *v, int dir, struct err *err)
{
	int r = mnt_is_mounted(dir, NAMED_DATA, err);

	if (r <= 0)
		return r; /* gone; what is unwritten goes on in the job */
	log_warn("op=unmount volume=%s msg=\"does not answer: taken out of "
		 "sight, unmounted when it does\"",
		 v->base.name);
	return part(v, dir, true, err);
}

static int mount_detach(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;
	int r = mnt_is_mounted(dir, NAMED_DATA, err);

	if (r == -ENOENT || r == 0)
		return 0;
	if (r > 0)
		r = parse(v, &m, err);
	if (r == 0)
		r = FAILPOINT("named.unmount.begin");
	if (r < 0 || !m)
		return r;
	/* a tree goes as one: what is mounted below it, too */
	r = part(v, dir, m->recursive, err);
	if (r == -ETIMEDOUT)
		r = drop(v, dir, err);
	return r < 0 ? r : FAILPOINT("named.unmount.gone");
}

/* ---- telling ---------------------------------------------------------------- */

/* By statfs, where that can't hang and is about this volume alone: a server
 * may be dead, and a bind's figure would be that of the disk it is on. */
static int mount_usage(struct named_volume *v, int dir, struct vol_usage *ret,
		       struct err *err)
{
	_cleanup_(mntopt_freep) struct mntopt *m = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct statfs st;
	int r = parse(v, &m, err);

	if (r < 0)
		return r;
	if (m->kind != MNTOPT_TMPFS && m->kind != MNTOPT_BLOCK)
		return -ENODATA;
	if (mnt_is_mounted(dir, NAMED_DATA, NULL) <= 0) {
		/* memory is empty now; a device has what it had */
		ret->used_known = m->kind == MNTOPT_TMPFS;
		return ret->used_known ? 0 : -ENODATA;
	}
	fd = openat(dir, NAMED_DATA,
		    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstatfs(fd, &st) < 0)
		return -ENODATA;
	ret->used_known = true;
	ret->used_bytes =
		(uint64_t)(st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
	ret->limit_bytes = (uint64_t)st.f_blocks * (uint64_t)st.f_bsize;
	return 0;
}

static int mount_status(struct named_volume *v, int dir, json_object *to,
			struct err *err)
{
	bool mounted = mnt_is_mounted(dir, NAMED_DATA, NULL) > 0;
	int r = answer_text(to, "type", v->opts.type);

	if (r == 0)
		r = answer_text(to, "device", v->opts.device);
	if (r == 0)
		r = answer_bool(to, "mounted", mounted);
	return r < 0 ? answer_no_memory(err) : 0;
}

const struct named_backing named_mount = {
	.name = "mount",
	.limits = true, /* of tmpfs; .plan refuses it for the rest */
	.plan = mount_plan,
	.make = mount_make,
	.unmake = mount_unmake,
	.verify = mount_verify,
	.attach = mount_attach,
	.detach = mount_detach,
	.removable = mount_removable,
	.purge = mount_purge,
	.usage = mount_usage,
	.status = mount_status,
};
