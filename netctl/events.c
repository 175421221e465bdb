/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which events are wanted, and what a person reads of one. */
#include "netctl/events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"

#define ID_LEN   64
#define SHORT_ID 12
#define WAIT_MS  2000 /* what a daemon holds at most */

static const char *const types[] = {
	"network", "endpoint", "port",  "balanced", "volume",
	"pool",    "address",  "rules", "daemon",   "events",
};

/* ---- filters --------------------------------------------------------------------------- */

static bool is_type(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i], word) == 0)
			return true;
	return false;
}

static int add(struct cli_list *list, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--filter: nothing after \"=\"");
	list->v[list->n++] = value; /* no longer than the list of pairs */
	return 0;
}

int events_filter_parse(const struct cli_list *pairs, struct events_filter *ret,
			struct err *err)
{
	*ret = (struct events_filter){ 0 };
	for (size_t i = 0; i < pairs->n; i++) {
		const char *value = strchr(pairs->v[i], '=') + 1;
		size_t len = (size_t)(value - pairs->v[i]) - 1;
		const char *key = pairs->v[i];
		int r = -EINVAL;

		if (len == 6 && strncmp(key, "driver", len) == 0)
			r = driver_find(value, err)
				    ? add(&ret->driver, value, err)
				    : -EINVAL;
		else if (len == 4 && strncmp(key, "type", len) == 0)
			r = is_type(value) ? add(&ret->type, value, err)
					   : err_set(err, -EINVAL,
						     "no event is of type "
						     "\"%s\": docs/events.md "
						     "lists them",
						     value);
		else if (len == 7 && strncmp(key, "network", len) == 0)
			r = add(&ret->network, value, err);
		else
			return err_set(err, -EINVAL,
				       "--filter is driver=, type= or "
				       "network=, not \"%s\"",
				       key);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool any(const struct cli_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return list->n == 0;
}

bool events_filter_driver(const struct events_filter *f, const char *driver)
{
	return any(&f->driver, driver);
}

bool events_filter_type(const struct events_filter *f, json_object *event)
{
	return any(&f->type, jget_str(event, "Type"));
}

bool events_filter_match(const struct events_filter *f, json_object *event,
			 const char *name)
{
	const char *id = events_network(event);

	if (!events_filter_type(f, event))
		return false;
	for (size_t i = 0; i < f->network.n; i++) {
		const char *want = f->network.v[i];

		if (*id && (strcmp(want, name) == 0 ||
			    strncmp(id, want, strlen(want)) == 0))
			return true;
	}
	return f->network.n == 0;
}

unsigned int events_wait_ms(unsigned int timeout_ms)
{
	unsigned int half = timeout_ms - timeout_ms / 2;

	return timeout_ms && half < WAIT_MS ? half : WAIT_MS;
}

const char *events_network(json_object *event)
{
	const char *type = jget_str(event, "Type");

	if (strcmp(type, "network") == 0)
		return jget_str(event, "ID");
	if (strcmp(type, "endpoint") == 0 || strcmp(type, "port") == 0)
		return jget_str(event, "Of");
	return "";
}

/* ---- text -------------------------------------------------------------------------------- */

/* Docker's ids are cut, names are not. */
static int shown(const char *s)
{
	size_t len = strlen(s);

	return len == ID_LEN && strspn(s, "0123456789abcdef") == len ? SHORT_ID
								     : (int)len;
}

char *events_text(json_object *event, const char *name)
{
	const char *id = jget_str(event, "ID"), *of = jget_str(event, "Of");
	const char *type = jget_str(event, "Type");
	bool network = strcmp(type, "network") == 0;
	_cleanup_free_ char *line = NULL;
	char when[CLI_CLOCK_MAX];

	if (*name && !network) {
		of = name;
		name = "";
	}
	if (asprintf(&line, "%s %-13s %-8s %-9s %.*s%s%.*s%s%s%s",
		     cli_clock(jget_int(event, "TimeNs"), when),
		     jget_str(event, "Driver"), type, jget_str(event, "Action"),
		     shown(id), id, *of ? " of " : "", shown(of), of,
		     *name ? " (" : "", name, *name ? ")" : "") < 0)
		line = NULL;
	return line ? out_escape(line) : NULL;
}
