/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * root.h - the root of a container that was made from an image: its layers (the record's
 * Layers, the lowest first), and above them what the container writes.
 *
 * That is in "upper" of the container's directory, and stays until it is removed; "root"
 * is where it is mounted while the container runs.
 */
#ifndef NETCTL_BOX_ROOT_H
#define NETCTL_BOX_ROOT_H

#include "netctl/box/box.h"

/* box_root_mount() - and say in the record where (Root).  Of a container from a root
 * directory: nothing.  On failure box_root_unmount() undoes what was done. */
int box_root_mount(const struct ctl *ctl, struct box *b, struct err *err);
/* box_root_unmount() - twice is harmless; an error: it stays on record. */
int box_root_unmount(struct box *b, struct err *err);

#endif
