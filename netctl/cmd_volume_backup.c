/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netctl volume backup, restore.
 *
 * The daemon shows us the volume's files (a snapshot where there can be one), or
 * an empty volume that nobody sees yet, by a path; it takes both back when we
 * are gone.  The archive is ours to write and read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/arc.h"
#include "lib/arc_index.h"
#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/newfile.h"
#include "netctl/progress.h"
#include "netctl/snap_time.h"
#include "netctl/volumes.h"

/* What the daemon has opened for us. */
struct view {
	const struct ctl *ctl;
	const char *driver;
	json_object *answer; /* owned; NULL: none */
	int fd;              /* the root directory */
};

static int view_open(struct view *v, const char *method, json_object *body,
		     struct err *err)
{
	int r = volumes_call(v->ctl, v->driver, method, body, &v->answer, err);

	if (r < 0)
		return r;
	v->fd = open(jget_str(v->answer, "Path"),
		     O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return v->fd < 0 ? err_set(err, -errno,
				   "%s, which %s has opened for us: %s",
				   jget_str(v->answer, "Path"), v->driver,
				   strerror(errno))
			 : 0;
}

/* @ret_shared: somebody else came to use what was read.  May be NULL. */
static int view_close(struct view *v, bool keep, bool *ret_shared,
		      struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	json_object *body;
	int r;

	closep(&v->fd);
	v->fd = -EBADF;
	if (!v->answer)
		return 0;
	body = json_object_new_object();
	jset_str(body, "View", jget_str(v->answer, "View"));
	jset(body, "Keep", json_object_new_boolean(keep));
	json_object_put(take_ptr(v->answer));
	r = volumes_call(v->ctl, v->driver, "Berth.VolumeClose", body, &answer,
			 err);
	if (r == 0 && ret_shared)
		*ret_shared = jget_bool(answer, "Shared");
	return r;
}

static void view_fini(struct view *v)
{
	(void)view_close(v, false, NULL, NULL); /* the failure was told */
}

static int on_progress(void *ctx, uint64_t bytes)
{
	return progress_tell(ctx, bytes);
}

static void on_total(void *ctx, uint64_t bytes)
{
	struct progress *p = ctx;

	p->total = bytes;
}

static void on_left_out(void *ctx, const char *path, const char *why)
{
	struct progress *p = ctx;
	bool shown = p->shown;

	progress_end(p);
	cli_warn("left out: %s: %s", path, why);
	p->shown = shown;
}

static int stopped(int r, struct err *err)
{
	return r == -EINTR ? err_set(err, r, "ended; nothing is left of it")
			   : r;
}

/* A descriptor a level of directories is needed. */
static void many_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

/* To where the archive itself is not. */
static void tell_sum(const char *what, const struct arc_sum *sum,
		     bool to_stderr)
{
	json_object *n = json_object_new_uint64(sum->size);
	_cleanup_free_ char *size = out_value(OUT_SIZE, n);
	_cleanup_free_ char *safe = out_escape(what);
	char deleted[48] = "";

	json_object_put(n);
	if (sum->deleted)
		snprintf(deleted, sizeof(deleted), "%llu deleted, ",
			 (unsigned long long)sum->deleted);
	fprintf(to_stderr ? stderr : stdout,
		"%s: %llu files, %s%s, sha256 %s\n", safe ? safe : "?",
		(unsigned long long)sum->files, deleted, size ? size : "?",
		sum->sha256);
}

/* ---- backup ------------------------------------------------------------------- */

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The file to make.  Owned; NULL: out of memory. */
static char *target_of(const struct ctl *ctl, const struct volumes_ref *ref)
{
	const char *dir = ctl->output ? ctl->output : ".";
	time_t now = time(NULL);
	char stamp[32] = "";
	struct tm tm;
	char *path;

	if (ctl->output && !is_dir(ctl->output))
		return strdup(ctl->output);
	if (gmtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	return asprintf(&path, "%s/%s%s%s-%s%s.tar.zst", dir, ref->name,
			ref->snap[0] ? "@" : "", ref->snap, stamp,
			ctl->since ? ".inc" : "") < 0
		       ? NULL
		       : path;
}

static int write_archive(struct view *v, const struct volumes_ref *ref,
			 time_t begun, const struct arc_index *since, int out,
			 struct arc_sum *sum, struct err *err)
{
	struct progress p;
	const struct arc_hooks hooks = { .ctx = &p,
					 .progress = on_progress,
					 .total = on_total,
					 .left_out = on_left_out };
	char what[300];
	int r;

	snprintf(what, sizeof(what), "backup of %s", ref->name);
	progress_begin(&p, what,
		       since ? 0 : (uint64_t)jget_int(v->answer, "UsedBytes"));
	r = arc_write(v->fd, begun, since, out, &hooks, sum, err);
	progress_end(&p);
	return stopped(r, err);
}

/* arc_write()'s @begun, before the view is opened. */
static int begun_at(const struct ctl *ctl, const struct volumes_ref *ref,
		    time_t *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = NULL;
	int r;

	*ret = time(NULL);
	if (!ref->snap[0])
		return 0;
	r = volumes_call(ctl, ref->driver, "Berth.VolumeSnapshots",
			 volumes_body(ref), &answer, err);
	if (r == 0)
		*ret = snap_time_begun(jget_array(answer, "Snapshots"),
				       ref->snap);
	return r;
}

static int backup_to(struct ctl *ctl, const struct volumes_ref *ref,
		     const struct arc_index *since, struct newfile *f,
		     struct arc_sum *sum, struct err *err)
{
	_cleanup_(view_fini) struct view v = { .ctl = ctl,
					       .driver = ref->driver,
					       .fd = -EBADF };
	json_object *body = volumes_body(ref);
	bool shared = false;
	time_t begun = 0;
	int r = begun_at(ctl, ref, &begun, err);

	if (r < 0) {
		json_object_put(body);
		return r;
	}
	jset(body, "Live", json_object_new_boolean(ctl->live));
	r = view_open(&v, "Berth.VolumeOpen", body, err);
	if (r == 0 && ctl->live && jget_bool(v.answer, "Live"))
		cli_warn("%s is read while others may write to it: there can "
			 "be no snapshot of it",
			 ref->name);
	if (r == 0)
		r = write_archive(&v, ref, begun, since, f->fd, sum, err);
	if (r == 0)
		r = view_close(&v, false, &shared, err);
	if (r == 0 && shared && !ctl->live)
		r = err_set(err, -EBUSY,
			    "somebody began to use %s while it was read, so "
			    "%s: repeat it while nobody does, or say --live",
			    ref->name,
			    f->is_stdout
				    ? "the archive that was written "
				      "must not be used, though it is whole"
				    : "the backup is not kept");
	return r == 0 ? newfile_commit(f, err) : r;
}

/* The index of the archive before.  @ret: owned; NULL: all is to be backed up. */
static int open_since(const struct ctl *ctl, struct arc_index **ret,
		      struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!ctl->since)
		return 0;
	fd = open(ctl->since, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", ctl->since,
			       strerror(errno));
	r = arc_index_load(fd, ret, err);
	return r < 0 ? err_wrap(err, r, "%s", ctl->since) : 0;
}

static int backup_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(newfile_close) struct newfile f = { .dir = -EBADF,
						      .fd = -EBADF };
	_cleanup_(arc_index_freep) struct arc_index *since = NULL;
	_cleanup_free_ char *path = NULL;
	struct volumes_ref ref = { 0 };
	struct arc_sum sum;
	int r = open_since(ctl, &since, err);

	if (r == 0)
		r = volumes_ref(ctl, ctl->args[0], false, &ref, err);
	if (r < 0)
		return r;
	path = target_of(ctl, &ref);
	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	many_descriptors();
	r = newfile_open(path, &f, err);
	if (r == 0)
		r = backup_to(ctl, &ref, since, &f, &sum, err);
	if (r == 0)
		tell_sum(f.is_stdout ? ref.name : path, &sum, f.is_stdout);
	if (r == 0 && sum.lost)
		return err_set(
			err, -E2BIG,
			"the backup is whole but for %llu that had to be "
			"left out, as was told",
			(unsigned long long)sum.lost);
	return r;
}

/* ---- restore ------------------------------------------------------------------ */

static int open_archive(const char *path, struct err *err)
{
	struct stat st;
	int fd;

	if (strcmp(path, "-") == 0)
		return isatty(STDIN_FILENO)
			       ? err_set(err, -EINVAL,
					 "standard input is a terminal")
			       : dup(STDIN_FILENO);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (S_ISDIR(st.st_mode)) {
		closep(&fd);
		return err_set(err, -EISDIR, "%s is a directory", path);
	}
	return fd;
}

/* A chain of archives; the last argument is the volume. */
struct chain {
	char **paths; /* borrowed */
	int *fds;     /* owned */
	int count;
};

static void chain_close(struct chain *c)
{
	for (int i = 0; c->fds && i < c->count; i++)
		closep(&c->fds[i]);
	free(c->fds);
}

/* All of them, so that one that is not there is told before anything is made. */
static int chain_open(const struct ctl *ctl, struct chain *c, struct err *err)
{
	c->paths = ctl->args;
	c->count = ctl->arg_count - 1;
	c->fds = calloc((size_t)c->count, sizeof(*c->fds));
	if (!c->fds)
		return err_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < c->count; i++)
		c->fds[i] = -EBADF;
	for (int i = 0; i < c->count; i++) {
		c->fds[i] = open_archive(c->paths[i], err);
		if (c->fds[i] < 0)
			return c->fds[i];
	}
	return 0;
}

/* @sum: of all; the digest is the last one's. */
static int chain_read(const struct chain *c, int root,
		      const struct arc_hooks *hooks, struct arc_sum *sum,
		      struct err *err)
{
	char after[65] = "";
	int r = 0;

	*sum = (struct arc_sum){ 0 };
	for (int i = 0; r == 0 && i < c->count; i++) {
		struct arc_sum one = { 0 };

		r = arc_read(c->fds[i], root, i ? after : NULL, hooks, &one,
			     err);
		if (r < 0 && c->count > 1)
			(void)err_wrap(err, r, "%s", c->paths[i]);
		sum->files += one.files;
		sum->bytes += one.bytes;
		sum->size += one.size;
		sum->deleted += one.deleted;
		snprintf(sum->sha256, sizeof(sum->sha256), "%s", one.sha256);
		snprintf(after, sizeof(after), "%s", one.sha256);
	}
	return r;
}

static int read_archives(struct view *v, const char *name,
			 const struct chain *c, struct arc_sum *sum,
			 struct err *err)
{
	struct progress p;
	const struct arc_hooks hooks = { .ctx = &p, .progress = on_progress };
	char what[300];
	int r;

	snprintf(what, sizeof(what), "restore of %s", name);
	progress_begin(&p, what, 0);
	r = chain_read(c, v->fd, &hooks, sum, err);
	progress_end(&p);
	return stopped(r, err);
}

static int restore_run(struct ctl *ctl, struct err *err)
{
	const char *name = ctl->args[ctl->arg_count - 1];
	_cleanup_(view_fini) struct view v = {
		.ctl = ctl,
		.driver = ctl->driver ? ctl->driver : "berth-named",
		.fd = -EBADF,
	};
	_cleanup_(chain_close) struct chain c = { 0 };
	json_object *body;
	struct arc_sum sum;
	int r;

	if (!driver_find(v.driver, err))
		return -ENOENT;
	r = volumes_is_new(ctl, name, NULL, err);
	if (r == 0)
		r = chain_open(ctl, &c, err);
	if (r < 0)
		return r;
	body = json_object_new_object();
	jset_str(body, "Name", name);
	jset(body, "Opts", volumes_opts(ctl));
	r = view_open(&v, "Berth.VolumeStage", body, err);
	if (r == 0)
		r = read_archives(&v, name, &c, &sum, err);
	if (r == 0)
		r = view_close(&v, true, NULL, err);
	if (r == 0)
		tell_sum(name, &sum, false);
	return r;
}

const struct cmd cmd_volume_backup = {
	.name = "volume backup",
	.args = "VOLUME[@SNAPSHOT]",
	.summary = "write a volume into an archive",
	.help = "\n"
		"A tar archive (pax) in zstd, with a checksum at its end; tar "
		"--zstd -x reads it.  A\nvolume in use is read from a "
		"snapshot; "
		"where there can be none it is refused, unless\n--live is "
		"given.  An existing file is not replaced, and a backup that "
		"was interrupted\nleaves nothing.  In a directory (or here, "
		"without -o) it is called by volume and\ntime.\n"
		"\n"
		"--since makes an increment: what was changed since another "
		"backup, whole or an\nincrement itself.  A restore needs that "
		"one as well, and those before it.\n"
		"\n"
		"  netctl volume backup -o /backup data\n"
		"  netctl volume backup -o /backup --since "
		"/backup/data-20261126-184500.tar.zst data\n"
		"  netctl volume backup -o - data@monday | ssh host netctl "
		"volume restore - data\n",
	.takes = CLI_DIRS | CLI_OUTPUT | CLI_LIVE | CLI_SINCE,
	.min_args = 1,
	.max_args = 1,
	.run = backup_run,
};

const struct cmd cmd_volume_restore = {
	.name = "volume restore",
	.args = "FILE|- [INCREMENT...] NEW",
	.summary = "make a volume of an archive, or of several",
	.help = "\n"
		"NEW appears when all is in it and the checksum is right, or "
		"not at all.  A volume that\nexists is never touched, "
		"and NEW is no volume of another driver's in dockerd.\n"
		"\n"
		"  netctl volume restore /backup/data-20261126-184500.tar.zst "
		"data2\n"
		"  netctl volume restore full.tar.zst mon.inc.tar.zst "
		"tue.inc.tar.zst data2\n"
		"  netctl volume restore -o size=10g - data2 <archive\n",
	.takes = CLI_DIRS | CLI_OPT | CLI_DRIVER | CLI_DOCKER,
	.min_args = 2,
	.max_args = -1,
	.run = restore_run,
};
