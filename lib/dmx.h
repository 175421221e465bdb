/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dmx.h - block devices made by the kernel's device-mapper.  The only user of
 * libdevmapper.
 *
 * A device has a name, the caller's, and a uuid that says whose it is: ours begin
 * with DMX_UUID_OURS.  One of that name without it is somebody else's: -EPERM from
 * all functions, which says so, and nothing is done to it.  Nothing here waits for udev: devices are
 * opened as /dev/dm-N, which the kernel makes.  Sizes are in sectors of 512
 * bytes.  Thread-safe.
 */
#ifndef LIB_DMX_H
#define LIB_DMX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

#define DMX_UUID_OURS  "BERTH-"
#define DMX_NAME_MAX   128 /* with the NUL, as in the kernel */
#define DMX_UUID_MAX   129
#define DMX_PARAMS_MAX 512 /* of a table's line */
#define DMX_PATH_MAX   32

#define DMX_LINES      2 /* of a table, at most */

/* A line of a table, from the sector where the one before it ends. */
struct dmx_table {
	const char *target; /* "linear", "thin-pool", "thin", "crypt" */
	uint64_t sectors;
	const char *params;
	bool readonly;
	bool secret; /* .params has a key: no copy of them stays behind */
	const struct dmx_table *next; /* the line after it; NULL: none */
};

struct dmx_info {
	char uuid[DMX_UUID_MAX];
	dev_t dev;
	int users;            /* who has it open, other devices included */
	bool suspended, live; /* .live: it has a table */
	uint32_t events;      /* how many it had: grows with each */
};

/* dmx_probe() - is there a device-mapper?  -EOPNOTSUPP: why not. */
int dmx_probe(struct err *err);

/* dmx_listen() - another library took libdevmapper's log for itself: to be called
 * after.  Calls that are under way in other threads may say less. */
void dmx_listen(void);

/* dmx_create() - with its table, ready for use.  -EEXIST: the name is taken. */
int dmx_create(const char *name, const char *uuid, const struct dmx_table *t,
	       struct err *err);
/* dmx_reload() - another table; what is written meanwhile waits.  A failure
 * leaves the old one. */
int dmx_reload(const char *name, const struct dmx_table *t, struct err *err);
/* dmx_suspend() - hold all writes back, what was written is in the device, and
 * a file system on it is as if unmounted.  dmx_resume() - go on; again: 0. */
int dmx_suspend(const char *name, struct err *err);
int dmx_resume(const char *name, struct err *err);
/*
 * dmx_remove() - absent: 0.
 *
 * Somebody who looks at every new device (udev) may have it open for a moment:
 * tried again for two seconds.
 *
 * Return: 0; -EBUSY.
 */
int dmx_remove(const char *name, struct err *err);
/* dmx_remove_last() - remove it when its last user is gone, be that now; also
 * when we are killed.  Absent: 0. */
int dmx_remove_last(const char *name, struct err *err);
/* dmx_message() - to the target at sector 0. */
int dmx_message(const char *name, const char *text, struct err *err);

/* dmx_find() - -ENOENT: there is no such device. */
int dmx_find(const char *name, struct dmx_info *ret, struct err *err);
/* dmx_status(), dmx_table() - what follows the target's name on the first line, a key
 * included: then @buf is the caller's to wipe.  @ret_sectors: of all lines; may be NULL.
 * -ENOENT; -EUCLEAN: it is not a @target. */
int dmx_status(const char *name, const char *target, char *buf, size_t size,
	       struct err *err);
int dmx_table(const char *name, const char *target, char *buf, size_t size,
	      uint64_t *ret_sectors, struct err *err);
/* dmx_each() - the names that begin with @prefix; @fn may call into here. */
int dmx_each(const char *prefix, int (*fn)(void *ctx, const char *name),
	     void *ctx, struct err *err);

/*
 * dmx_events_open() - a descriptor that poll() finds readable (POLLIN) once a device,
 * any device, had an event after the last dmx_events_arm(): it was made, removed or
 * resumed, or its target has something to tell (a thin pool gets full).  .events of
 * dmx_find() tells whose it was.
 *
 * Return: fd, armed; -EOPNOTSUPP: this kernel can't (before 4.13).
 */
int dmx_events_open(struct err *err);
int dmx_events_arm(int fd, struct err *err);

/*
 * dmx_open() - open the device; it can't go while that is open.
 *
 * @path: gets /dev/dm-N.  @flags: O_RDONLY or O_RDWR.
 * Return: fd; -ENOENT.
 */
int dmx_open(const char *name, int flags, char path[static DMX_PATH_MAX],
	     struct err *err);

#endif
