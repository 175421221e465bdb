/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * named_priv.h - what the parts of the named driver share: named.c (the life
 * of a volume's directory), named_host.c (what is there for all of them),
 * named_options.c (options, and which backing they choose) and the backings.
 */
#ifndef VOLPLUGINS_NAMED_NAMED_PRIV_H
#define VOLPLUGINS_NAMED_NAMED_PRIV_H

#include <stdbool.h>

#include "lib/base.h"
#include "volplugins/named/backing.h"
#include "volplugins/named/named.h"
#include "volplugins/named/named_job.h"
#include "volplugins/named/named_meta.h"
#include "volplugins/named/named_usage.h"

#define NAMED_DATA  "_data"
#define NAMED_SNAPS "snapshots"

/* As given to Create.  Compared bytewise with those of a Create that comes
 * again, so all of it is zero where nothing was given. */
struct named_options {
	uint64_t size; /* 0: no limit */
	char backing[NAMED_BACKING_MAX];
	char fs[8]; /* "": ext4, where there is one to choose */
	uint32_t uid, gid, mode;
	char from[512]; /* "": not a copy */
	/* Docker's own, for backing=mount; mntopt.h */
	char type[32], o[512], device[512];
};

/* .base and .opts first: the core knows their places.  What .backing and .meta
 * say is read from NAME/meta at first need, under the volume's lock. */
struct named_volume {
	struct vol_volume base;
	struct named_options opts;
	const struct named_backing *backing; /* NULL: not read yet */
	struct named_meta meta;
	/* The last figure .usage had while there was one to have, for when
	 * there is none; used_at: CLOCK_BOOTTIME seconds, 0: never. */
	uint64_t used;
	int64_t used_at;
};

#define NAMED_BACKINGS_MAX 8

struct named_host {
	int volumes, staging; /* directories */
	struct named_trash trash;
	/* To sync volumes/ brings what was done before to the disk as well:
	 * see named_order.c. */
	bool ordered;
	struct named_jobs *jobs; /* owned; mounts under way */
	struct named_walker walker;
	char root[2048]; /* path of volumes, for containers */
	char mark[32];   /* what objects in the kernel bear before the name */
	/* Was each of named_backings[] there when the daemon started? */
	bool had[NAMED_BACKINGS_MAX];
	struct {
		pthread_mutex_t lock;
		uint32_t next; /* for prjquota_pick() */
	} project;
	struct {
		pthread_mutex_t lock;
		/* subvolumes deleted, whose quota groups may be left */
		uint64_t *gone;
		size_t count;
	} btrfs;
};

static inline struct named_volume *to_named(struct vol_volume *v)
{
	return container_of(v, struct named_volume, base);
}

static inline struct named_host *named_host_of(const struct named_volume *v)
{
	return v->base.host;
}

/* ---- named_options.c --------------------------------------------------- */

extern const struct opt_field named_options[];
extern const struct named_backing *const named_backings[]; /* ended by NULL */

void named_defaults(struct vol_volume *v);
/* For .plan of a backing without a file system of its own.  -EINVAL. */
int named_no_fs(const struct named_volume *v, struct err *err);
/* Do the options go together? -EINVAL. */
int named_init(struct vol_volume *v, struct err *err);
/* Up to whole blocks of 4096: no file system counts in less.  -EINVAL. */
int named_size_round(uint64_t *size, struct err *err);
/* NULL: no such. */
const struct named_backing *named_backing_find(const char *name);
/* At the start: ask every backing whether this host has it. */
void named_probe(struct named_host *h);
/*
 * named_choose() - the backing for a new volume with @v's options.
 *
 * Return: 0, v->backing and v->meta set; -EOPNOTSUPP with the reason.
 */
int named_choose(struct named_volume *v, struct err *err);
/* The same for a copy of @src, which is known.  -EINVAL. */
int named_choose_copy(struct named_volume *v, const struct named_volume *src,
		      struct err *err);
/* -EOPNOTSUPP: not with this backing.  @what: "copied". */
int named_cannot(const struct named_volume *v, const char *what,
		 struct err *err);
/* Is what was found (v->meta) what the options ask for?  -EEXIST. */
int named_fits(const struct named_volume *v, struct err *err);

/* ---- named.c ----------------------------------------------------------- */

/* The volume's directory NAME, with v->backing and v->meta known.  Return: fd;
 * -ENOENT; -errno. */
int named_open(struct named_volume *v, struct err *err);

/* Give the root directory of a volume the owner and mode asked for; the caller
 * puts that on the disk.  -errno. */
int named_data_own(const struct named_volume *v, int data);
/* Make @dir/_data so; again: 0 and left as it is.  named_data_sync() puts it on
 * the disk. */
int named_data_make(const struct named_volume *v, int dir, struct err *err);
int named_data_sync(int dir, struct err *err);
/* A figure for named_usage() to tell later. */
void named_note_usage(struct named_volume *v, uint64_t used);
/* What is at hand of @v's usage, else what was last known; limit included. */
int named_usage(struct named_volume *v, int dir, struct vol_usage *ret,
		struct err *err);

/* ---- named_make.c: ops of the driver, and what rollback needs of them ---- */

int named_create(struct vol_volume *v, struct err *err);
int named_flush(void *host, const char *const *names, struct err *err);
int named_clone(struct vol_volume *v, struct vol_volume *src, const char *snap,
		struct err *err);
int named_unmake(struct vol_volume *v, struct err *err);
int named_rename(struct vol_volume *v, const char *name, struct err *err);
int named_stage(struct vol_volume *v, struct err *err);
int named_settle(struct vol_volume *v, struct err *err);
void named_unstage(struct vol_volume *v);
/* .staging/NAME, empty but for meta.  Return: fd; -errno. */
int named_stage_open(struct named_volume *v, struct err *err);
/* What is in it goes as a removed volume does. */
void named_stage_drop(struct named_volume *v);

/* ---- named_snapshot.c: ops of the driver --------------------------------- */

int named_snapshot_add(struct vol_volume *v, const char *snap, struct err *err);
int named_snapshot_del(struct vol_volume *v, const char *snap, struct err *err);
int named_snapshots(struct vol_volume *v,
		    void (*fn)(void *ctx, const struct vol_snapshot *s),
		    void *ctx, struct err *err);
int named_snapshot_open(struct vol_volume *v, const char *snap,
			struct err *err);
int named_rollback(struct vol_volume *v, const char *snap, struct err *err);
/* NAME/snapshots of @dir.  Return: fd; -ENOENT: it never had one. */
int named_snaps_open(int dir, struct err *err);
/* @fn for each name in it; -errno of @fn ends it. */
int named_snaps_each(int snaps, int (*fn)(void *ctx, const char *name),
		     void *ctx, struct err *err);
void named_created(int64_t at_s, char buf[static 32]);

/* ---- named_host.c ------------------------------------------------------ */

/* Call .purge of whatever @dir is made of. */
int named_purge(struct named_host *h, int dir, struct err *err);

int named_host_open(const struct plugd *d, void **ret, struct err *err);
void named_host_close(void *host);
int named_host_check(void *host, bool (*known)(void *ctx, const char *name),
		     void (*fn)(void *ctx, const char *line), void *ctx,
		     struct err *err);
int named_host_gc(void *host, bool dry,
		  bool (*known)(void *ctx, const char *name),
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err);

/* ---- named_order.c ----------------------------------------------------- */

/* Is @volumes on a file system that keeps the order of changes? */
bool named_is_ordered(int volumes);
/* tree_sync() of a directory that is on its way into volumes/, where the sync of
 * that does not do.  Return: 0; -errno. */
int named_sync(const struct named_host *h, int dir);

/* ---- named_left.c ------------------------------------------------------ */

/* Mounts below volumes/ of a volume that nobody knows: told and, if not @dry,
 * unmounted.  Return: their number. */
int named_left_mounts(struct named_host *h, bool dry,
		      bool (*known)(void *ctx, const char *name),
		      void (*fn)(void *ctx, const char *line), void *ctx,
		      struct err *err);
/* At the start: images that an earlier life froze, to copy them, and that died
 * together with who would have thawed them. */
void named_left_thaw(struct named_host *h);
/* Loop devices of such: told.  They go with whoever holds them. */
int named_left_loops(struct named_host *h,
		     bool (*known)(void *ctx, const char *name),
		     void (*fn)(void *ctx, const char *line), void *ctx,
		     struct err *err);

#endif
