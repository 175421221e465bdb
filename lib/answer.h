/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer.h - a JSON answer, put together piece by piece.
 *
 * Each takes what it is given (also where it fails), so that a chain of them needs
 * one test; -ENOMEM is all that goes wrong.
 */
#ifndef LIB_ANSWER_H
#define LIB_ANSWER_H

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/err.h"

/* @val as @key.  Either may be NULL for out of memory. */
int answer_put(json_object *to, const char *key, json_object *val);
int answer_text(json_object *to, const char *key, const char *text);
int answer_uint(json_object *to, const char *key, uint64_t n);
int answer_bool(json_object *to, const char *key, bool yes);

/* -ENOMEM, with the text for it. */
static inline int answer_no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* answer_list() - {@key: []}.  @list: borrowed from @ret, which the caller frees
 * also where this fails. */
int answer_list(json_object **ret, const char *key, json_object **list,
		struct err *err);
/* One line more in the array @list; one that memory has no room for is lost. */
void answer_line(void *list, const char *line);

/*
 * answer_info() - what /Berth.Info says of any daemon.
 *
 * @kind: "volume"; @started: CLOCK_BOOTTIME.
 * @problems: as answer_list()'s @list.
 */
int answer_info(json_object **ret, const char *name, const char *kind,
		const struct timespec *started, json_object **problems,
		struct err *err);

#endif
