/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thin.h - volumes that take blocks of a pool as they are written to.
 *
 *   <state-dir>/berth-thin/pool.img       the pool, where no device was given
 *                          volumes/NAME   where a volume is while it is used
 *
 * A volume is a device in the pool, with a file system; so is each snapshot.
 * Which device is whose is in state.db: a record "NAME" or "NAME@SNAPSHOT".
 */
#ifndef VOLPLUGINS_THIN_THIN_H
#define VOLPLUGINS_THIN_THIN_H

#include "lib/base.h"
#include "volplugins/thin/pool.h"
#include "volplugins/vol_driver.h"

extern const struct vol_driver thin_driver;

/* As given to Create; zero where nothing was. */
struct thin_options {
	uint64_t size;
	char fs[8];
	uint32_t uid, gid, mode;
	char from[512];
	int encrypt;                 /* enum thin_encrypt */
	char key[THIN_KEY_NAME_MAX]; /* "": none given */
};

enum thin_encrypt { THIN_ENCRYPT_OFF, THIN_ENCRYPT_ON, THIN_ENCRYPT_UNSAID };

struct thin_host {
	int own, volumes; /* directories */
	char root[2048];  /* path of volumes */
	struct thin_pool pool;
	struct thin_keys *keys; /* borrowed, of the flags */
};

/* What state.db has of a volume or a snapshot. */
struct thin_record {
	uint32_t number;
	uint64_t size; /* bytes, of the device and the file system */
	/* Bytes that a resize made of both, or of one, or was about to; less than
	 * .size: nothing of that. */
	uint64_t device;
	char fs[8], from[512], created[32];
	uint64_t used;               /* bytes in use when it was made */
	bool touched;                /* mounted since it was made */
	char key[THIN_KEY_NAME_MAX]; /* the key's name; "": not encrypted */
};

/* thin_device_size() - of the device its file system is on: never smaller than that,
 * which could not be mounted then. */
static inline uint64_t thin_device_size(const struct thin_record *rec)
{
	return rec->device > rec->size ? rec->device : rec->size;
}

/* .base and .opts first: the core knows their places. */
struct thin_volume {
	struct vol_volume base;
	struct thin_options opts;
	struct thin_record rec; /* .number 0: not read yet */
	/* What was in use when that could be seen last; at: CLOCK_BOOTTIME
	 * seconds, 0: never. */
	uint64_t used;
	int64_t used_at;
};

static inline struct thin_volume *to_thin(struct vol_volume *v)
{
	return container_of(v, struct thin_volume, base);
}

static inline struct thin_host *thin_host_of(const struct thin_volume *v)
{
	return v->base.host;
}

/* ---- record.c ------------------------------------------------------------- */

#define THIN_KEY_MAX (2 * VOL_NAME_MAX)

/* "NAME@SNAP"; @snap "": "NAME". */
void thin_key(char key[static THIN_KEY_MAX], const char *name,
	      const char *snap);
/* -ENOENT. */
int thin_load(struct thin_host *h, const char *key, struct thin_record *ret,
	      struct err *err);
/* v->rec, read at first need.  -ENOENT: there is no such volume. */
int thin_know(struct thin_volume *v, struct err *err);
/* thin_save() - the record of @name is @rec from now on, its number is kept, and
 * @doom (0: none) is doomed. */
int thin_save(struct thin_host *h, const char *name,
	      const struct thin_record *rec, uint32_t doom, struct err *err);
/* thin_save_snap() - the record of a new snapshot; until the next synced commit to
 * state.db a power cut leaves its number doomed. */
int thin_save_snap(struct thin_host *h, const char *name, const char *snap,
		   const struct thin_record *rec, struct err *err);
/* Away with the record @key and its device @number: sure to go, if not now. */
int thin_forget(struct thin_host *h, const char *key, uint32_t number,
		struct err *err);
/* The records of @name and its snapshots are those of @to from now on; done before: 0.
 * -EEXIST, -ENOENT. */
int thin_move(struct thin_host *h, const char *name, const char *to,
	      struct err *err);
/* @fn for each snapshot of @name; it may not call in here. */
int thin_each_snap(struct thin_host *h, const char *name,
		   int (*fn)(void *ctx, const char *snap,
			     const struct thin_record *rec),
		   void *ctx, struct err *err);
/* @fn for the name of each volume with a record. */
int thin_each_name(struct thin_host *h, int (*fn)(void *ctx, const char *name),
		   void *ctx, struct err *err);

/* ---- thin_fs.c: the file system on a device ---------------------------------- */

/* Mounted and not attached.  Return: an O_PATH fd, that holds the device. */
int thin_mount(struct thin_host *h, const struct thin_record *rec,
	       bool readonly, struct err *err);
/* A descriptor of the root of @mount that can be used. */
int thin_root_of(int mount, struct err *err);
/* An empty one on the new device of @rec; its root directory as @v's options
 * say.  rec->used. */
int thin_format(struct thin_volume *v, struct thin_record *rec,
		struct err *err);
/* Bytes of the pool, which is there, that thin_format() takes at most. */
uint64_t thin_format_cost(struct thin_host *h, const struct thin_record *rec);
/* The file system mounted at @root to rec->size, if it is smaller. */
int thin_grow_fs(const struct thin_record *rec, int root, struct err *err);
/* The device of @rec and its file system to rec->size, if they are smaller. */
int thin_fit(struct thin_host *h, struct thin_record *rec, struct err *err);
/* Is its device mounted at volumes/NAME?  Return: 1, 0; -EBUSY: something else
 * is. */
int thin_is_mounted(struct thin_volume *v, struct err *err);
/* What is in use, while it is mounted. */
int thin_statfs(struct thin_volume *v, uint64_t *ret, struct err *err);
void thin_note_usage(struct thin_volume *v, uint64_t used);
int thin_detach(struct thin_volume *v, struct err *err);

/* ---- ops of the driver: thin_make.c, thin_snapshot.c, thin_host.c -------------- */

extern const struct opt_field thin_option_fields[];
extern const struct plugd_flag thin_flags[];

void thin_defaults(struct vol_volume *base);
int thin_init(struct vol_volume *base, struct err *err);
int thin_size_round(uint64_t *size, struct err *err);
int thin_create(struct vol_volume *base, struct err *err);
int thin_unmake(struct vol_volume *base, struct err *err);
int thin_remove(struct vol_volume *base, struct err *err);
int thin_clone(struct vol_volume *base, struct vol_volume *src,
	       const char *snap, struct err *err);
int thin_stage(struct vol_volume *base, struct err *err);
int thin_settle(struct vol_volume *base, struct err *err);
void thin_unstage(struct vol_volume *base);

/* A device with what is on that of @origin now, be that in use; doomed until
 * thin_save().  @full: as thin_pool_room(). */
int thin_copy(struct thin_host *h, const struct thin_record *origin,
	      unsigned int full, uint32_t *ret, struct err *err);
int thin_snapshot_add(struct vol_volume *base, const char *snap,
		      struct err *err);
int thin_snapshot_del(struct vol_volume *base, const char *snap,
		      struct err *err);
int thin_snapshots(struct vol_volume *base,
		   void (*fn)(void *ctx, const struct vol_snapshot *s),
		   void *ctx, struct err *err);
int thin_snapshot_open(struct vol_volume *base, const char *snap,
		       struct err *err);
int thin_rollback(struct vol_volume *base, const char *snap, struct err *err);

int thin_host_open(const struct plugd *d, void **ret, struct err *err);
void thin_host_close(void *host);
int thin_host_check(void *host, bool (*known)(void *ctx, const char *name),
		    void (*fn)(void *ctx, const char *line), void *ctx,
		    struct err *err);
int thin_host_gc(void *host, bool dry,
		 bool (*known)(void *ctx, const char *name),
		 void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err);

#endif
