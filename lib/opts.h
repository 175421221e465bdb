/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opts.h - driver options (-o key=value, strings all) into a struct by table.
 *
 * An option that no table names is an error that says the nearest known one:
 * nothing is accepted and ignored.
 */
#ifndef LIB_OPTS_H
#define LIB_OPTS_H

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum opt_type {
	OPT_STR,  /* char[size]; too long is an error, and so is "" with .min */
	OPT_BOOL, /* bool: true false 1 0 t f on off yes no, any case; "" true */
	OPT_U32,  /* uint32_t decimal, within min..max (max 0: no limit) */
	OPT_SIZE, /* uint64_t bytes; suffix b k m g t (1024), optional "ib"/"b" */
	OPT_MODE,    /* uint32_t, octal 0..07777 */
	OPT_IP,      /* struct ip_addr */
	OPT_ENUM,    /* int: index into .names (NULL-ended) */
	OPT_REFUSED, /* known, but not done: .why is the error's text */
};

struct opt_field {
	const char *key;
	enum opt_type type;
	size_t offset, size;
	uint32_t min, max;
	const char *const *names;
	const char *why;
	const char *doc; /* one line, for docs/options.md and netctl --help */
};

#define OPT_FIELD(key_, type_, st, member, doc_)                  \
	{                                                         \
		.key = (key_), .type = (type_),                   \
		.offset = offsetof(st, member),                   \
		.size = sizeof(((st *)0)->member), .doc = (doc_), \
	}

/*
 * opts_decode() - fill @out from the JSON object @map.
 *
 * @map:    borrowed; may be NULL.  Values are strings; JSON booleans and
 *          numbers are taken by their text (docker compose may send them).
 * @fields: ended by { 0 }.
 * @out:    defaults set by the caller; untouched members keep them.
 * @what:   whose options, for the message: "berth-bridge network".
 *
 * Return: 0; -EINVAL: `unknown option "berth.fierwall" for ...: did you mean
 *         "berth.firewall"?`, or what is wrong with the value and what would
 *         be right.
 */
int opts_decode(json_object *map, const struct opt_field *fields, void *out,
		const char *what, struct err *err);

/* opts_duration() - "10s", "10m", "2h" as seconds, 1 to 30 days.  -EINVAL. */
int opts_duration(const char *text, uint32_t *ret_s, struct err *err);

/* opts_size() - "512m", "10g" as bytes, as OPT_SIZE.  -EINVAL. */
int opts_size(const char *text, uint64_t *ret, struct err *err);

/* opts_nearest() - the key with the smallest edit distance, or NULL when none
 * is closer than half its length. */
const char *opts_nearest(const char *key, const struct opt_field *fields);

/* opts_distance() - insertions, deletions and changes that make @b of @a;
 * SIZE_MAX when either is longer than 128 bytes. */
size_t opts_distance(const char *a, const char *b);

#endif
