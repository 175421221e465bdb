/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vol_priv.h - what the parts of the volume core share: vol_table.c (names and
 * locks), vol_core.c (requests), vol_resize.c, vol_rename.c, vol_snapshot.c (copies of one
 * moment), vol_view.c (what netctl reads or fills), vol_recover.c (start, replay,
 * expiry), vol_later.c (what is not on the disk yet), vol_stale.c (users that are
 * gone) and vol_info.c (telling).
 */
#ifndef VOLPLUGINS_VOL_PRIV_H
#define VOLPLUGINS_VOL_PRIV_H

#include <pthread.h>
#include <time.h>

#include "lib/journal.h"
#include "lib/problems.h"
#include "volplugins/vol_core.h"

/* A name that is known or being asked for; outlives its volume while held. */
struct vol_entry {
	struct vol_core *core;
	pthread_mutex_t lock; /* the volume's; guards all below but refs */
	unsigned int refs;    /* by core->lock */

	struct vol_volume *v; /* owned; NULL: absent.  Set under both locks */
	json_object *opts;    /* owned; as given to Create, or NULL */
	struct vol_mount *mounts; /* owned; v->users of them */
	bool attached;            /* the driver has it mounted */
	/* Nobody had it mounted when it was made, or looked for last, and
	 * nobody was given it since. */
	bool seen_free;
	char *broken; /* owned; why the record can't be used, or NULL */

	/* An intent that could not be taken back: nothing may change before
	 * it is, or a restart would carry it out on another volume. */
	struct store *stale_store;
	uint64_t stale_seq;
	/* A Remove that deleted the volume but not yet its record. */
	uint64_t removing_seq;
	/* A Rename that could be neither ended nor undone: the other of the two
	 * names, at both.  The old one has its intent. */
	struct vol_entry *moving;
	uint64_t moving_seq;
	/* A Create rolled forward, whose answer nobody fetched yet. */
	uint64_t recovered_seq;
	/* CLOCK_BOOTTIME seconds: of the last Mount (or the load), and since
	 * when nobody was seen to have it mounted (0: somebody, or unknown). */
	time_t last_mount, idle_since;
	uint64_t mount_calls; /* how often somebody asked for it */
	bool staged;          /* a Restore is filling it: the name is taken */
	/* What was done is for .flush to bring to the disk.  Set under both
	 * locks; vol_later.c. */
	bool later;

	char name[VOL_NAME_MAX];
};

struct vol_core {
	const struct vol_driver *driver;
	const struct plugd *d;
	void *host;
	pthread_mutex_t lock; /* of the table, .blind, any .v and .later */
	void *names;          /* tsearch(3) tree of vol_entry */
	struct problems problems;
	char blind
		[ERR_MSG_MAX]; /* why users can't be looked for; "": they can */
	struct vol_view *views; /* owned list */
	char boot[37];          /* id of this boot */
	unsigned int laters;    /* entries with .later; by .lock */
	bool later_told;        /* that they can't be flushed */
	unsigned int ticks;
	uint32_t grace_s;
	time_t next_sweep;       /* CLOCK_BOOTTIME */
	struct timespec started; /* CLOCK_BOOTTIME */
};

/* ---- vol_table.c ------------------------------------------------------- */

/* vol_entry_take() - the locked entry of @name, absent ones included.  NULL:
 * out of memory.  vol_entry_give() unlocks it. */
struct vol_entry *vol_entry_take(struct vol_core *core, const char *name);
void vol_entry_give(struct vol_entry *e);
DEFINE_CLEANUP(struct vol_entry, vol_entry_give)

/*
 * vol_entry_take_within() - the same, but not behind a request that takes long:
 * a Mount may wait a minute and a half for a server that is dead.
 *
 * Return: 0; -EBUSY after @wait_ms; -ENOMEM.
 */
int vol_entry_take_within(struct vol_core *core, const char *name, int wait_ms,
			  struct vol_entry **ret);

/*
 * vol_pair_take() - two at once, always in the same order, so that two requests
 * that want the same two do not wait for each other.
 *
 * @other: not @name; "": .other is NULL.
 * @ret:   .e is NULL: out of memory, and nothing is held.
 */
struct vol_pair {
	struct vol_entry *e, *other;
};
void vol_pair_take(struct vol_core *core, const char *name, const char *other,
		   struct vol_pair *ret);
void vol_pair_give(struct vol_pair *p);

/* The same for the start, when there is no other thread: not locked, nothing to
 * give back.  NULL: out of memory, or absent where not to @make. */
struct vol_entry *vol_entry_load(struct vol_core *core, const char *name,
				 bool make);

/* Make @v the volume of @e, made with @opts (both taken; NULL: none); frees what
 * was before. */
void vol_entry_set(struct vol_entry *e, struct vol_volume *v,
		   json_object *opts);
/*
 * vol_opts_copy() - for an entry, and out of it: json-c counts references
 * without atomics, so no object is shared with a request or an answer, which
 * other threads free.
 * @from: NULL: @ret is NULL.  @ret: owned.  Return: 0; -ENOMEM.
 */
int vol_opts_copy(json_object *from, json_object **ret, struct err *err);
/* All entries' names in order; owned, ended by NULL, vol_names_free(). */
char **vol_names(struct vol_core *core);
char **vol_names_later(struct vol_core *core); /* those with .later */
void vol_names_free(char **names);
DEFINE_CLEANUP(char *, vol_names_free)
void vol_table_free(struct vol_core *core);

/* A volume object with its options decoded and checked; owned, free(). */
int vol_new(struct vol_core *core, const char *name, json_object *opts,
	    struct vol_volume **ret, struct err *err);

struct vol_mount *vol_mount_find(struct vol_entry *e, const char *id);
/* -ENOMEM. */
int vol_mount_add(struct vol_entry *e, const char *id, const char *since,
		  uint64_t recovered);
void vol_mount_drop(struct vol_entry *e, struct vol_mount *m);

/* Present, of a good record, and not half removed or renamed?  -ENOENT, -EUCLEAN,
 * -EBUSY. */
int vol_readable(struct vol_entry *e, struct err *err);
/* vol_usable() - the same for who changes it: as vol_ready(). */
int vol_usable(struct vol_entry *e, struct err *err);
/* vol_ready() - may it be changed now, present or absent?  -EUCLEAN, -EBUSY. */
int vol_ready(struct vol_entry *e, struct err *err);

/* ---- vol_core.c, vol_use.c: a request's effect, with its intent written - */

extern const char vol_method_create[], vol_method_remove[], vol_method_mount[],
	vol_method_unmount[], vol_method_resize[], vol_method_snapshot[],
	vol_method_unsnapshot[], vol_method_rollback[], vol_method_restore[],
	vol_method_rename[];

/* Each ends the intent @seq when it succeeds, and leaves it open when it
 * fails; what a failure left is for vol_*_undo(). */
/* @src: what it is a copy of, locked; NULL: of nothing.  @v: taken on success. */
int vol_create_apply(struct vol_entry *e, struct vol_entry *src,
		     struct vol_volume *v, json_object *opts, uint64_t seq,
		     struct err *err);
int vol_remove_apply(struct vol_entry *e, uint64_t seq, struct err *err);
int vol_mount_apply(struct vol_entry *e, const char *id, uint64_t seq,
		    struct err *err);
int vol_unmount_apply(struct vol_entry *e, const char *id, uint64_t seq,
		      struct err *err);
int vol_resize_apply(struct vol_entry *e, uint64_t size, uint64_t seq,
		     struct err *err);
/* @to: of the new name, locked and absent.  What failed and could not be undone
 * either has .moving_seq, and its intent is to stay. */
int vol_rename_apply(struct vol_entry *e, struct vol_entry *to, uint64_t seq,
		     struct err *err);
int vol_unsnapshot_apply(struct vol_entry *e, const char *snap, uint64_t seq,
			 struct err *err);
int vol_rollback_apply(struct vol_entry *e, const char *snap, uint64_t seq,
		       struct err *err);
/* -EBUSY: @e is one of the two names of a Rename that is half done. */
int vol_rename_check(const struct vol_entry *e, struct err *err);
/* vol_unmount() of a locked entry that has @id. */
int vol_unmount_locked(struct vol_entry *e, const char *id, uint64_t *ret_seq,
		       struct err *err);
/* -EBUSY: a mount namespace other than ours has it, whoever is on record. */
int vol_check_unseen(struct vol_entry *e, struct err *err);
/* vol_check_kept() - may it be removed, for all that was made of it?
 * -ENOTEMPTY: it has snapshots; -EBUSY: it is being read. */
int vol_check_kept(struct vol_entry *e, struct err *err);
/* Where containers find it; from .path, and absolute.  -EIO. */
int vol_path(struct vol_entry *e, char path[static VOL_PATH_MAX],
	     struct err *err);
/* Somebody knows of the volume: a Create rolled forward is to stay.  Its kept answer
 * stays, too: the one who asked may still come for it. */
static inline void vol_acknowledge(struct vol_entry *e)
{
	e->recovered_seq = 0;
}

/* ---- vol_info.c -------------------------------------------------------- */

/*
 * vol_tell_busy() - what can be told of a volume that is held by a request,
 * without its lock: as vol_each(), and "busy" in its status.
 *
 * Return: -EAGAIN: it is not there (yet), or damaged: wait for the lock; else
 * what @fn returned.
 */
int vol_tell_busy(struct vol_core *core, const char *name,
		  int (*fn)(void *ctx, const struct vol_info *v), void *ctx,
		  struct err *err);

/* ---- vol_view.c -------------------------------------------------------- */

#define VIEW_KIND   "view" /* in state.db, id = the view's, parent = the volume */
#define VOL_VIEW_ID "backup-" /* how ids begin, also as a mount ID */

/* Is @snap of the volume (NULL: anything of it) being read?  -EBUSY, by whom. */
int vol_view_check(struct vol_core *core, const char *name, const char *snap,
		   struct err *err);
/* Views whose reader is gone.  From the tick. */
void vol_view_tick(struct vol_core *core);
void vol_view_close_all(struct vol_core *core);
/* vol_view_left.c: take away what an earlier life left.  No other thread is
 * there yet. */
int vol_view_recover(struct vol_core *core, struct err *err);

/* ---- vol_recover.c ----------------------------------------------------- */

int vol_recover(struct vol_core *core, struct err *err);

/* ---- vol_later.c ------------------------------------------------------- */

/*
 * vol_later_note() - in the transaction that ends an intent: is what @method did to
 * @e on the disk, or @later by .flush?  Before vol_entry_set().
 * vol_later_noted() - that was committed.
 */
int vol_later_note(struct vol_entry *e, const char *method, bool later,
		   struct err *err);
void vol_later_noted(struct vol_entry *e, bool later);
/* vol_later_settle() - have on the disk what was done to the locked @e. */
int vol_later_settle(struct vol_entry *e, struct err *err);
/* The same for all that nobody is at, whichever of them fails; @err: of the first.
 * _tick() tells the log. */
int vol_later_flush(struct vol_core *core, struct err *err);
void vol_later_tick(struct vol_core *core);
/* vol_later_recover() - do once more what an earlier boot left.  Volumes are
 * loaded, no other thread is there yet. */
int vol_later_recover(struct vol_core *core, struct err *err);

/* ---- vol_stale.c ------------------------------------------------------- */

time_t vol_clock(void); /* CLOCK_BOOTTIME, seconds */
/* @by_hand: what is idle now, if its last Mount is a minute ago; else only
 * what was idle for the grace time.  Return: mounts dropped. */
int vol_stale_sweep(struct vol_core *core, bool by_hand, bool dry,
		    vol_line_fn *fn, void *ctx, struct err *err);
/* From the tick: a sweep when it is time. */
void vol_stale_tick(struct vol_core *core);

#endif
