/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vol_driver.h - what a volume driver gives to the core: one table.
 *
 * The same shape as netplugins/net_driver.h: the core owns records, intents,
 * locks and the refcount by mount ID; the driver sees structs and the kernel.
 * A volume's ops run under that volume's lock, except .path.  Each op leaves
 * one line in @err when it fails; an op that is NULL is not offered.
 */
#ifndef VOLPLUGINS_VOL_DRIVER_H
#define VOLPLUGINS_VOL_DRIVER_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/opts.h"
#include "lib/plugd.h"

#define VOL_NAME_MAX 256 /* with the NUL */
#define VOL_FOUND    1   /* .create: it was there */
#define VOL_LATER    2   /* done now; .flush brings it to the disk */

/* "NAME" or "NAME@SNAPSHOT", names as volumes have them; "": none. */
struct vol_ref {
	char name[VOL_NAME_MAX], snap[VOL_NAME_MAX];
};

struct vol_volume {
	const struct vol_driver *driver;
	void *host;              /* what .host_open gave */
	char name[VOL_NAME_MAX]; /* checked: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
	char created[32];        /* RFC 3339 */
	unsigned int users;      /* mount IDs that hold it now */
	bool recorded;       /* it was made: what is missing of it is lost */
	struct vol_ref from; /* the option "from": made as a copy of it */
	/* Others wait: what takes the longer the more data there are is given
	 * up after this moment (clock_mono_ms()), with -ETIME.  0: never. */
	uint64_t until_ms;
};

struct vol_usage {
	uint64_t used_bytes, limit_bytes; /* limit 0: none */
	bool used_known;
	uint64_t age_s; /* of the figure; 0: now */
};

struct vol_snapshot {
	char name[VOL_NAME_MAX]; /* of the core's own: begins with a dot */
	char created[32];        /* RFC 3339; "": not known */
	/* What is in it, and what of that would be free without it. */
	uint64_t used_bytes, own_bytes;
	bool used_known, own_known;
};

struct vol_driver {
	const char *name; /* "berth-named" */
	const char *summary;

	/* The daemon's own flags, ended by { 0 }, whose .set fill vol_config().
	 * Optional. */
	const struct plugd_flag *flags;
	size_t config_size; /* at most VOL_CONFIG_MAX */

	size_t volume_size, options_offset, options_size;
	const struct opt_field *options;

	int (*host_open)(const struct plugd *d, void **ret, struct err *err);
	void (*host_close)(void *host);

	void (*defaults)(struct vol_volume *v);             /* optional */
	int (*init)(struct vol_volume *v, struct err *err); /* check options */
	/* Make it, or find it made: on the disk on return, for the core syncs
	 * nothing more.  Existing data is never touched, and what is .recorded
	 * never made anew where that would pass an empty volume off for a full
	 * one.  Return: 0: made now, so nobody has it; VOL_LATER: the same;
	 * VOL_FOUND; -errno. */
	int (*create)(struct vol_volume *v, struct err *err);
	/* Take a create back, the one of @v->created: only what holds no data,
	 * neither now nor in a snapshot, and a copy only where it made that;
	 * else -ENOTEMPTY.  Absent is success. */
	int (*unmake)(struct vol_volume *v, struct err *err);
	/* Delete it and its data; absent is success.  Never called in use.
	 * On failure the volume is whole.  That it is gone is on the disk on
	 * return, or VOL_LATER. */
	int (*remove)(struct vol_volume *v, struct err *err);
	/*
	 * Bring to the disk that each of @names (ended by NULL) is there, or
	 * not, as .create and .remove left it with VOL_LATER.  After a power
	 * cut that came first they are called once more.  The names' locks are
	 * held.  NULL: no VOL_LATER.
	 */
	int (*flush)(void *host, const char *const *names, struct err *err);
	/* First user: make it reachable at the path.  Again: 0. */
	int (*mount)(struct vol_volume *v, struct err *err);
	/* Last user gone.  Not mounted: 0. */
	int (*unmount)(struct vol_volume *v, struct err *err);
	/* Another limit in bytes, mounted or not; the one it has: 0.  On
	 * success the option "size" in its options is @size.  -EOPNOTSUPP;
	 * -ENOSPC when more is used.  Optional. */
	int (*resize)(struct vol_volume *v, uint64_t size, struct err *err);
	/* Take out of @opts, those of its Create, what else than the option
	 * "size" says a size: that comes next.  -ENOMEM.  Optional. */
	int (*unsize)(json_object *opts);
	/* Whatever is there of it is called @name from now on, on the disk; @v
	 * itself is the caller's to change.  Never called in use.  Done before:
	 * 0.  When it fails it has the old one.  -EEXIST: something has that
	 * name.  Optional. */
	int (*rename)(struct vol_volume *v, const char *name, struct err *err);
	/* Where a container finds it while mounted, never "".  Reaches no
	 * kernel; called without the volume's lock. */
	int (*path)(const struct vol_volume *v, char *buf, size_t size,
		    struct err *err);
	/* A figure that is at hand; never a walk.  Optional. */
	int (*usage)(struct vol_volume *v, struct vol_usage *ret,
		     struct err *err);
	/* Extra keys for Status, e.g. the backing.  Optional. */
	int (*status)(struct vol_volume *v, json_object *status,
		      struct err *err);
	/* Is what the record says there?  Changes nothing.  No .created: it was
	 * settled, or not (.settle).  -EBUSY: it is mounted, though it has no
	 * users. */
	int (*verify)(struct vol_volume *v, struct err *err);

	/*
	 * Copies of one moment.  All optional; a driver that has them for some
	 * of its volumes says -EOPNOTSUPP for the others, and which can.  The
	 * volume may be in use but where it says otherwise.  What has succeeded
	 * is on the disk, what has failed leaves things as they were, and so
	 * does a kill, once the driver was opened again.
	 *
	 * .writes_ahead: .snapshot_add, .snapshot_del and .rollback begin by a
	 * synced commit to state.db, before anything else is changed, so their
	 * intent comes to the disk with that; and what .snapshot_add did is
	 * there after a power cut from the next one on: the core's.
	 */
	bool writes_ahead;
	/* Keep what is in it now as @snap, read-only.  -EEXIST. */
	int (*snapshot_add)(struct vol_volume *v, const char *snap,
			    struct err *err);
	int (*snapshot_del)(struct vol_volume *v, const char *snap,
			    struct err *err); /* -ENOENT */
	/* In any order; not a walk of files.  The volume gone: none. */
	int (*snapshots)(struct vol_volume *v,
			 void (*fn)(void *ctx, const struct vol_snapshot *s),
			 void *ctx, struct err *err);
	/* A descriptor of the root directory of @snap; it can be read as long
	 * as that is open, and nothing of it is left after. */
	int (*snapshot_open)(struct vol_volume *v, const char *snap,
			     struct err *err);
	/* What is in it becomes that of @snap, which stays.  Not in use, and
	 * not mounted.  Again: 0.  By .until_ms of @v. */
	int (*rollback)(struct vol_volume *v, const char *snap,
			struct err *err);
	/*
	 * As .create, filled with what is in @src now (or in its @snap; "":
	 * none given) and independent of it.  Both are locked; @src may be in
	 * use.  .unmake takes it back as long as nobody wrote to it.  By
	 * .until_ms of @v.
	 *
	 * @src: NULL: it is gone; then found made before, or -ENOENT.
	 */
	int (*clone)(struct vol_volume *v, struct vol_volume *src,
		     const char *snap, struct err *err);

	/*
	 * A volume that is filled before anybody can see it.  All or none.
	 * .stage: a descriptor of its root directory, writable.  -EEXIST: data
	 * are there already.  .settle: its descriptors are closed; put it in
	 * place, as .create would have made it.  .unstage: away with it; absent
	 * is fine, and what a killed daemon had staged is gone at its start.
	 */
	int (*stage)(struct vol_volume *v, struct err *err);
	int (*settle)(struct vol_volume *v, struct err *err);
	void (*unstage)(struct vol_volume *v);

	/* Tell what is there and no volume owns, changing nothing. Optional. */
	int (*check)(void *host, bool (*known)(void *ctx, const char *name),
		     void (*fn)(void *ctx, const char *line), void *ctx,
		     struct err *err);
	/* As net_driver.gc, except that it never removes anybody's data.
	 * Return: their number. */
	int (*gc)(void *host, bool dry,
		  bool (*known)(void *ctx, const char *name),
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err);
};

int vol_main(const struct vol_driver *driver, int argc, char **argv);

/* vol_config() - what the flags of @d's driver say: .config_size bytes, zero where
 * none was given. */
#define VOL_CONFIG_MAX 256
void *vol_config(const struct plugd *d);

#endif
