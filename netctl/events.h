/* SPDX-License-Identifier: GPL-2.0-or-later */
/* events.h - an event of a daemon: which are wanted, and as a line of text. */
#ifndef NETCTL_EVENTS_H
#define NETCTL_EVENTS_H

#include <json-c/json.h>
#include <stdbool.h>

#include "netctl/cli.h"

/* Borrowed words; none of a key: any. */
struct events_filter {
	struct cli_list driver, type, network;
};

/* events_filter_parse() - of "KEY=VALUE" each.  -EINVAL: no such key, driver or type. */
int events_filter_parse(const struct cli_list *pairs, struct events_filter *ret,
			struct err *err);
bool events_filter_driver(const struct events_filter *f, const char *driver);
bool events_filter_type(const struct events_filter *f, json_object *event);
/* @name: of its network, "" where it has none: --filter network= is that, or the
 * beginning of the id. */
bool events_filter_match(const struct events_filter *f, json_object *event,
			 const char *name);

/* events_wait_ms() - a daemon is to hold a question so long: less than we wait for the
 * answer.  @timeout_ms: 0: no end. */
unsigned int events_wait_ms(unsigned int timeout_ms);

/* The id of the network it is about, borrowed; "". */
const char *events_network(json_object *event);

/* events_text() - a line without its end, escaped.  Owned; NULL: out of memory. */
char *events_text(json_object *event, const char *name);

#endif
