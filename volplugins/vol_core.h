/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vol_core.h - volumes and who uses them: records, intents, locks, the set of
 * mount IDs.  What a volume is made of is the driver's business (vol_driver.h),
 * what a request looks like is vol_api's.
 *
 * Life of a volume: absent -> present (create) -> in use while its set of
 * mount IDs is not empty -> present -> absent (remove).  Volumes are recorded
 * in state.db, mount IDs in run.db: a reboot ends every mount.
 *
 * Every call takes the lock of its one volume; calls on different volumes run
 * side by side.  @ret_seq is the journal's number for vol_core_delivered().
 */
#ifndef VOLPLUGINS_VOL_CORE_H
#define VOLPLUGINS_VOL_CORE_H

#include "lib/base.h"
#include "volplugins/vol_driver.h"

#define VOL_ID_MAX   129 /* of a mount ID, with the NUL */
#define VOL_PATH_MAX 4096

struct vol_core;

/*
 * vol_core_open() - load the records and finish what an earlier life began.
 *
 * @d:       borrowed until vol_core_close(); its stores are open.
 * @grace_s: after so long without a mount in any other namespace a volume's
 *           mount IDs are dropped (vol_stale.c); 0: never.
 */
int vol_core_open(const struct vol_driver *driver, const struct plugd *d,
		  uint32_t grace_s, struct vol_core **ret, struct err *err);
void vol_core_close(struct vol_core *core); /* NULL is fine */
DEFINE_CLEANUP(struct vol_core, vol_core_close)

/* Around the answer of a request: it is about to go, it reached the peer. */
void vol_core_sending(struct vol_core *core, uint64_t seq);
void vol_core_delivered(struct vol_core *core, uint64_t seq);
/* Forget kept answers and users whose time is over; about once a second. */
void vol_core_tick(struct vol_core *core);

/*
 * vol_create() - make a volume.  There already, with the same options: 0;
 * with other options: -EEXIST.  Existing data is never touched.
 *
 * @opts: borrowed; NULL: none.
 */
int vol_create(struct vol_core *core, const char *name, json_object *opts,
	       uint64_t *ret_seq, struct err *err);
/* Absent: 0.  -EBUSY while it has users. */
int vol_remove(struct vol_core *core, const char *name, uint64_t *ret_seq,
	       struct err *err);
/* The same @id again: 0 and the same path.  -ENOENT: no such volume. */
int vol_mount(struct vol_core *core, const char *name, const char *id,
	      char path[static VOL_PATH_MAX], uint64_t *ret_seq,
	      struct err *err);
/* Unknown @id or volume: 0. */
int vol_unmount(struct vol_core *core, const char *name, const char *id,
		uint64_t *ret_seq, struct err *err);

/*
 * vol_resize() - another limit, in use or not; the record's option "size" says
 * so from then on.
 *
 * Return: 0; -ENOENT; -EOPNOTSUPP when the volume has no limit, or not that
 *         one; -ENOSPC when more is used, or the host has not so much.
 */
int vol_resize(struct vol_core *core, const char *name, uint64_t size,
	       uint64_t *ret_seq, struct err *err);

/*
 * vol_rename() - the volume, with its snapshots, is called @to from now on.
 *
 * Return: 0; -ENOENT; -EEXIST: there is something called @to; -EBUSY: it is in
 *         use, or being read; -EOPNOTSUPP.
 */
int vol_rename(struct vol_core *core, const char *name, const char *to,
	       uint64_t *ret_seq, struct err *err);

/*
 * Snapshots: read-only copies of what a volume had at one moment.  They belong
 * to it, and it cannot be removed while it has any.
 *
 * Return: 0; -ENOENT: no such volume, or snapshot; -EEXIST: add, there is one
 *         of that name; -EBUSY: del, it is being read; rollback, the volume is
 *         in use; -EOPNOTSUPP: not with this driver, or this volume.
 */
int vol_snapshot_add(struct vol_core *core, const char *name, const char *snap,
		     uint64_t *ret_seq, struct err *err);
int vol_snapshot_del(struct vol_core *core, const char *name, const char *snap,
		     uint64_t *ret_seq, struct err *err);
/* vol_snapshots() - in any order. */
int vol_snapshots(struct vol_core *core, const char *name,
		  void (*fn)(void *ctx, const struct vol_snapshot *s),
		  void *ctx, struct err *err);
/* vol_rollback() - the volume is again what @snap is, which stays. */
int vol_rollback(struct vol_core *core, const char *name, const char *snap,
		 uint64_t *ret_seq, struct err *err);

/*
 * Views: a volume's files for a process of this host (netctl), that reads what
 * is to be backed up, or fills what is restored.  A view ends with that
 * process at the latest, and with the daemon.
 */
#define VOL_VIEW_MAX 32 /* of its id, with the NUL */

struct vol_view_info {
	char id[VOL_VIEW_MAX];
	char path[64]; /* of its root directory, while the view is open */
	bool live;     /* of the volume itself, that others may write to */
};

/*
 * vol_view_open() - for reading: @snap; "": what is in the volume now, by a
 * snapshot that goes with the view.
 *
 * @live: where there can be no snapshot, take the volume itself although others
 *        use it.
 * @peer: pidfd of who reads it, @pid its number; taken.
 * Return: -EBUSY: in use, no snapshot possible and not @live.
 */
int vol_view_open(struct vol_core *core, const char *name, const char *snap,
		  bool live, int peer, int pid, struct vol_view_info *ret,
		  struct err *err);
/*
 * vol_view_stage() - for filling a volume that is none yet, and whose name is
 * taken from now on.  -EEXIST.
 */
int vol_view_stage(struct vol_core *core, const char *name, json_object *opts,
		   int peer, int pid, struct vol_view_info *ret,
		   struct err *err);
/*
 * vol_view_close() - end of reading; of filling, with @keep: what was staged
 * becomes a volume, else it is gone.  The process has closed what it opened.
 *
 * @shared: somebody else began to use the volume while it was read live.
 * Return: -ENOENT: no such view (any more).
 */
int vol_view_close(struct vol_core *core, const char *id, bool keep,
		   bool *shared, uint64_t *ret_seq, struct err *err);

struct vol_mount {
	char *id;           /* owned */
	char since[32];     /* RFC 3339 */
	uint64_t recovered; /* seq of a kept answer nobody fetched; 0: none */
};

/* What there is to tell of a volume; all borrowed. */
struct vol_info {
	const char *name, *created, *path;
	unsigned int users;
	const struct vol_mount *mounts; /* of .users; NULL: not known */
	json_object *opts;              /* NULL: none */
	struct vol_usage usage;
	json_object *status; /* what the driver adds */
};

/*
 * vol_get() - one volume, under its lock.
 *
 * @seen: dockerd asks, so that it knows of the volume from now on: a Create
 *        that was rolled forward is there to stay.
 * Behind a request that takes long (a Mount from a dead server) it does not
 * wait: then usage, mounts and the driver's status are missing.
 *
 * Return: -ENOENT; else what @fn returned.
 */
int vol_get(struct vol_core *core, const char *name, bool seen,
	    int (*fn)(void *ctx, const struct vol_info *v), void *ctx,
	    struct err *err);
/* vol_each() - all, by name; only name, created, path, users, opts are set.
 * @fn must be quick: nothing else is served meanwhile. */
int vol_each(struct vol_core *core,
	     int (*fn)(void *ctx, const struct vol_info *v), void *ctx,
	     struct err *err);

/*
 * vol_replay() - the answer for a request that came again without its body.
 * @alone, return: as journal_replay(); -EBADMSG for a method that keeps none.
 * @ret: owned text.  @ret_seq: for vol_core_delivered().
 */
int vol_replay(struct vol_core *core, const char *method, bool alone,
	       char **ret, uint64_t *ret_seq, struct err *err);

typedef void vol_line_fn(void *ctx, const char *line);

/* What is wrong since the start: records restored, read-only, damaged. */
void vol_problems(struct vol_core *core, vol_line_fn *fn, void *ctx);
/* vol_check() - compare the records with what is there; changes nothing. */
int vol_check(struct vol_core *core, vol_line_fn *fn, void *ctx,
	      struct err *err);
/* vol_gc() - remove what no volume owns, and users that are gone for certain.
 * Return: how many. */
int vol_gc(struct vol_core *core, bool dry, vol_line_fn *fn, void *ctx,
	   struct err *err);

#endif
