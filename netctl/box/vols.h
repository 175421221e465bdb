/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vols.h - the mounts of a record made ready: volumes of any driver mounted for the
 * container, directories of the host made where there is none. */
#ifndef NETCTL_BOX_VOLS_H
#define NETCTL_BOX_VOLS_H

#include "netctl/box/box.h"

/* box_vols_check() - do the drivers of a new one's volumes answer? */
int box_vols_check(const struct ctl *ctl, json_object *rec, struct err *err);
/* box_vols_mount() - puts Source into each volume of the record's Mounts.  A volume that
 * its driver does not know is made, unless an earlier start had it (-ENOENT), and an empty
 * one filled (fill.h), as by docker run.  On failure box_vols_unmount() undoes what was
 * done. */
int box_vols_mount(const struct ctl *ctl, struct box *b, struct err *err);
/* box_vols_unmount() - by the same ids; twice is harmless.  An error: it stays on
 * record. */
int box_vols_unmount(const struct ctl *ctl, struct box *b, struct err *err);
/* box_vols_remove() - the anonymous volumes that were made for the container, unmounted,
 * unless another one has them.  One that its driver refuses to remove stays, which is told.
 * Twice is harmless; an error, of a driver that is away: it stays on record. */
int box_vols_remove(const struct ctl *ctl, struct box *b, struct err *err);
/* box_vols_hide() - of an element of Mounts that is shown, what is of use to us alone. */
void box_vols_hide(json_object *m);

#endif
