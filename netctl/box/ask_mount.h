/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask_mount.h - what "run" was told of mounts, and an image of its volumes, as the record's
 * Mounts.
 *
 * Of each: Type ("bind", "volume" or "tmpfs"), Target, ReadOnly.  A bind: Source, MustExist (it
 * is not made), Propagation, NonRecursive, WritableBelow (what is mounted there, of one that is
 * ReadOnly).  A tmpfs: Options.  A volume: Name, Driver, DriverOpts,
 * MountID, NoCopy, Subpath (below its root), and Anonymous where nobody named it: its name is
 * random, and it may be removed with the container; OfImage: the image asked for it.
 */
#ifndef NETCTL_BOX_ASK_MOUNT_H
#define NETCTL_BOX_ASK_MOUNT_H

#include <json-c/json.h>

#include "lib/err.h"
#include "netctl/cli.h"

/* Mounts: -v, --tmpfs, --mount, and for each volume of the image's that none of them covers an
 * anonymous one.  @config: the image's, or NULL. */
int box_ask_mounts(const struct ctl *ctl, json_object *config, json_object *rec,
		   struct err *err);

/* For tests, smaller ones; @ret: an element of Mounts, owned. */
/* "/path", "NAME:/path[:ro,nocopy]", "/host:/path[:ro]". */
int box_ask_volume(const char *text, const char *driver, json_object **ret,
		   struct err *err);
/* "/path[:options]". */
int box_ask_tmpfs(const char *text, json_object **ret, struct err *err);

/* "type=bind,src=/host,dst=/path,...", as docker run --mount reads it. */
int box_ask_mount(const char *text, const char *driver, json_object **ret,
		  struct err *err);

/* What these are made of. */
/* @target: cleaned in place. */
int box_mount_new(const char *flag, const char *text, const char *type,
		  char *target, json_object **ret, struct err *err);
/* Name, Driver, MountID.  @name: NULL: an anonymous one. */
int box_mount_volume(json_object *m, const char *name, const char *driver,
		     struct err *err);

/* As Docker wants those of volumes and containers. */
bool box_is_name(const char *s);

#endif
