/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * life.h - one start of a container and its end, step by step on record.
 *
 * Start: an image's root, volumes, files of /etc and config.json, berth-oci create, networks, names, berth-oci
 * start.  End: berth-oci delete, names, networks, volumes, the root.  The end works from the record alone and at any
 * stage, so another process can go on with it.
 */
#ifndef NETCTL_BOX_LIFE_H
#define NETCTL_BOX_LIFE_H

#include <sys/types.h>

#include "netctl/box/box.h"
#include "netctl/box/resolver.h"
#include "netctl/box/runtime.h"

struct life {
	const struct ctl *ctl;
	struct box *box; /* ours (box_own()) */
	struct runtime rt;
	struct resolver *resolver; /* owned; of the container that runs */
};

/*
 * life_start() - @stdio: of the container; the terminal's are the runtime's.
 * @ret_pid: its first process, a child of ours where we are the subreaper.
 * On failure all of it is undone, as far as that can be done.
 */
int life_start(struct life *l, const int *stdio, pid_t *ret_pid,
	       struct err *err);
/* life_end() - kills what runs.  Twice is harmless; an error: it stays on record. */
int life_end(struct life *l, struct err *err);
/* Is there something on record that life_end() has to do? */
bool life_is_clean(json_object *rec);
/* life_remove() - of one that is clean and whose state is removing, what berth-dns has of
 * it, with AutoRemove or RemoveVolumes its anonymous volumes, and the record.  RemoveVolumes
 * false: not them, also with AutoRemove.  An error: it stays for life_settle(). */
int life_remove(const struct ctl *ctl, struct box *b, struct err *err);

/* Of a container that is to stop; borrowed. */
const char *life_stop_signal(json_object *rec);

/* 125, or as Docker: 127 no such program, 126 it can't be run. */
int life_exit_code(const char *message);

/*
 * life_settle_one() - end what is left of one whose monitor is gone.  @b: ours.  Then it has
 * exited, or, where it was to be removed, is removed.  An error: it stays on record.
 */
int life_settle_one(const struct ctl *ctl, struct box *b, struct err *err);

/*
 * life_settle() - end what is left of containers whose monitor was killed, of a host that
 * was restarted, and of removals that were cut off.  What can't be is told on stderr and
 * stays for the next time.
 */
void life_settle(const struct ctl *ctl);

#endif
