/* SPDX-License-Identifier: GPL-2.0-or-later */
/* view.h - daemons' answers made ready for out.h: names and composed columns
 * added to each row, and the columns that more than one verb shows. */
#ifndef NETCTL_VIEW_H
#define NETCTL_VIEW_H

#include <json-c/json.h>

#include "netctl/docker.h"
#include "netctl/out.h"

extern const struct out_col view_port_cols[];
/* With what was counted: as a table, as JSON. */
extern const struct out_col view_port_stat_cols[];
extern const struct out_col view_port_stat_json[];

/* view_ports() - adds Host, Target, Network and Container to port rows. */
void view_ports(json_object *rows, const struct docker_names *names);
/* view_stats() - adds to each row what VIEW_STAT_COLS shows of its Stats: "-"
 * where nothing is counted. */
void view_stats(json_object *rows);

/* Columns of a table. */
#define VIEW_STAT_COLS                                        \
	{ "flows", "FLOWS", OUT_NUM, NULL },                  \
		{ "packets_in", "PKTS IN", OUT_NUM, NULL },   \
		{ "bytes_in", "IN", OUT_NUM, NULL },          \
		{ "packets_out", "PKTS OUT", OUT_NUM, NULL }, \
	{                                                     \
		"bytes_out", "OUT", OUT_NUM, NULL             \
	}

#endif
