/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a snapshot was begun. */
#include "netctl/snap_time.h"

#include <string.h>

#include "netctl/jget.h"

time_t snap_time_begun(json_object *rows, const char *name)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		struct tm tm = { 0 };
		const char *end;

		if (strcmp(jget_str(row, "Name"), name) != 0)
			continue;
		end = strptime(jget_str(row, "Created"), "%Y-%m-%dT%H:%M:%SZ",
			       &tm);
		return end && !*end ? timegm(&tm) - SNAP_TIME_MAKE_S : 0;
	}
	return 0;
}
