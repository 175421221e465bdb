/* SPDX-License-Identifier: GPL-2.0-or-later */
/* user.h - "--user" as numbers, by the passwd and group of the container's root. */
#ifndef NETCTL_BOX_USER_H
#define NETCTL_BOX_USER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define BOX_GROUPS_MAX 64

struct box_user {
	uint32_t uid, gid;
	uint32_t groups[BOX_GROUPS_MAX]; /* supplementary */
	size_t group_count;
};

/*
 * box_user() - "", "NAME", "UID", each with ":GROUP" or ":GID".
 *
 * As Docker: a group that is given stands alone, else the user's own and those that list
 * him; in each case his group is the first of the supplementary ones.  A number needs no
 * entry.  Links in @root lead nowhere outside of it.
 * Return: 0; -ENOENT: there is no such name; -EINVAL.
 */
int box_user(const char *root, const char *text, struct box_user *ret,
	     struct err *err);

#endif
