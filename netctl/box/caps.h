/* SPDX-License-Identifier: GPL-2.0-or-later */
/* caps.h - the capabilities of a container: Docker's default set, --cap-add, --cap-drop. */
#ifndef NETCTL_BOX_CAPS_H
#define NETCTL_BOX_CAPS_H

#include <json-c/json.h>

#include "lib/err.h"

/*
 * box_caps() - @add, @drop: arrays of names with or without CAP_, and ALL.  As Docker:
 * what is named stands against ALL of the other list, and dropping wins.
 * @ret: owned array of CAP_* names.
 * Return: 0; -EINVAL: there is no such.
 */
int box_caps(json_object *add, json_object *drop, json_object **ret,
	     struct err *err);

#endif
