/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * refs.h - which volumes the containers of this host's netctl refer to, whether they run, wait
 * for their next start or have exited: drivers know mounts alone.
 *
 * A record names its volumes before any of them is made or mounted (box_new()).
 */
#ifndef NETCTL_BOX_REFS_H
#define NETCTL_BOX_REFS_H

#include "netctl/box/box.h"

/*
 * box_refs() - @fn for each volume of each container's, an element of Mounts.
 *
 * Return: 0; -errno: the record of one could not be read, which may refer to any; the others
 * were all looked at.
 */
int box_refs(const struct ctl *ctl,
	     void (*fn)(void *ctx, const struct box *b, json_object *m),
	     void *ctx, struct err *err);
/* box_refs_none() - -EBUSY: a container refers to the volume, and @err names it; -errno as
 * above. */
int box_refs_none(const struct ctl *ctl, const char *name, const char *driver,
		  struct err *err);

/* Is @m the volume @name of @driver? */
bool box_refs_is(json_object *m, const char *name, const char *driver);

#endif
