/* SPDX-License-Identifier: GPL-2.0-or-later */
/* snap_time.h - from when on what a snapshot has may be changed in it or after it. */
#ifndef NETCTL_SNAP_TIME_H
#define NETCTL_SNAP_TIME_H

#include <json-c/json.h>
#include <time.h>

/*
 * snap_time_begun() - a time before the snapshot @name was begun: Created tells when
 * it was there, and making one is given up after SNAP_TIME_MAKE_S.
 *
 * @rows: Snapshots of /Berth.VolumeSnapshots.
 * Return: seconds since 1970; 0: not known, it may have been at any time.
 */
time_t snap_time_begun(json_object *rows, const char *name);
#define SNAP_TIME_MAKE_S 60

#endif
