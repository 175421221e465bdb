/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask_mount.h - what "run" was told of mounts, and an image of its volumes, as the record's
 * Mounts.
 *
 * Of each: Type ("bind", "volume" or "tmpfs"), Target, ReadOnly.  A bind: Source.  A tmpfs:
 * Options.  A volume: Name, Driver, MountID, NoCopy, and Anonymous where nobody named it: its
 * name is random, and it may be removed with the container.
 */
#ifndef NETCTL_BOX_ASK_MOUNT_H
#define NETCTL_BOX_ASK_MOUNT_H

#include <json-c/json.h>

#include "lib/err.h"
#include "netctl/cli.h"

/* Mounts: -v, --tmpfs, and for each volume of the image's that none of them covers an
 * anonymous one.  @config: the image's, or NULL. */
int box_ask_mounts(const struct ctl *ctl, json_object *config, json_object *rec,
		   struct err *err);

/* For tests, smaller ones; @ret: an element of Mounts, owned. */
/* "/path", "NAME:/path[:ro,nocopy]", "/host:/path[:ro]". */
int box_ask_volume(const char *text, const char *driver, json_object **ret,
		   struct err *err);
/* "/path[:options]". */
int box_ask_tmpfs(const char *text, json_object **ret, struct err *err);

/* As Docker wants those of volumes and containers. */
bool box_is_name(const char *s);

#endif
