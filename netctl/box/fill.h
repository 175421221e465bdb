/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fill.h - what an empty volume has at first: the files of the container's root where it
 * is mounted, with their owner and mode, as docker run does it.
 *
 * At a container's first start, unless NoCopy.  All is copied into a directory of ours in
 * the volume, ".berth-fill-ID", and then moved out of it, so a volume has all of the files
 * or none, whoever is killed.  Of an element of Mounts: "Fill", as long as that is at work,
 * "copy" or "move"; "Filled": there was a first start.
 */
#ifndef NETCTL_BOX_FILL_H
#define NETCTL_BOX_FILL_H

#include "netctl/box/box.h"

/* box_fill() - the volume @m, which is mounted at its Source.  On failure, and whoever was
 * killed, box_fill_settle() does the rest. */
int box_fill(struct box *b, json_object *m, struct err *err);
/*
 * box_fill_settle() - "copy": nothing of it is left; "move": all of it is done.  Twice is
 * harmless.
 *
 * @at: where the volume is mounted.
 * @give_up: where the volume is in the way (read-only now, broken), box_fill_give_up().
 */
int box_fill_settle(struct box *b, json_object *m, const char *at, bool give_up,
		    struct err *err);
/* box_fill_give_up() - it is told, and not on record any more. */
void box_fill_give_up(const struct box *b, json_object *m, const char *why);

#endif
