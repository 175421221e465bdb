/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - a record (ask.h) as the config.json of an OCI bundle.
 *
 * What the record does not say is Docker's: mounts, masked and read-only paths, devices,
 * capabilities, PATH.
 */
#ifndef NETCTL_BOX_CONFIG_H
#define NETCTL_BOX_CONFIG_H

#include <json-c/json.h>

#include "netctl/box/user.h"

struct box_place {
	const char *dir;   /* hostname, hosts and resolv.conf are there */
	const char *netns; /* a path; "": the host's; NULL: a new one */
	const char *hostname;
	const char *cgroup; /* path below the root of each hierarchy */
	struct box_user user;
};

/* box_config() - @ret: owned.  Return: 0; -EINVAL: an unknown capability; -ENOMEM. */
int box_config(json_object *rec, const struct box_place *place,
	       json_object **ret, struct err *err);

#endif
