/* SPDX-License-Identifier: GPL-2.0-or-later */
/* view.h - daemons' answers made ready for out.h: names and composed columns
 * added to each row, and the columns that more than one verb shows. */
#ifndef NETCTL_VIEW_H
#define NETCTL_VIEW_H

#include <json-c/json.h>

#include "netctl/docker.h"
#include "netctl/out.h"

extern const struct out_col view_port_cols[];

/* view_ports() - adds Host, Target, Network and Container to port rows. */
void view_ports(json_object *rows, const struct docker_names *names);

#endif
