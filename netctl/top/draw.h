/* SPDX-License-Identifier: GPL-2.0-or-later */
/* draw.h - the rows of "top" as tables and as JSON. */
#ifndef NETCTL_TOP_DRAW_H
#define NETCTL_TOP_DRAW_H

#include <json-c/json.h>

#include "netctl/top/rows.h"

#define TOP_PROBLEMS_MAX 8

/* One look. */
struct top_view {
	const struct top_rows *rows; /* sorted */
	const char *problems[TOP_PROBLEMS_MAX];
	size_t problem_count;
	unsigned int every_ms;
	time_t now;
};

/*
 * top_draw() - as lines of text.
 *
 * @width, @height: of the terminal; no line is longer, and there are no more, the
 *                  tables sharing what room there is; columns are left out where they
 *                  do not fit.  0: no limit.
 * Return: owned; NULL: out of memory.
 */
char *top_draw(const struct top_view *v, size_t width, size_t height);

/* top_json() - one object.  Owned; NULL: out of memory. */
json_object *top_json(const struct top_view *v);

#endif
