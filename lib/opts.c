/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver options: text values into a struct by table, with helpful refusals. */
#include "lib/opts.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/log.h"

#define KEY_MAX  128 /* longer keys get no suggestion */
#define SHOW_MAX 96

static int bad_value(const struct opt_field *f, const char *val,
		     const char *want, struct err *err)
{
	char shown[SHOW_MAX];

	return err_set(err, -EINVAL, "option %s=%s: not %s", f->key,
		       log_quote(shown, sizeof(shown), val), want);
}

/* Digits of @base up to the first other character; false: none, or too big. */
static bool get_digits(const char **s, unsigned int base, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;

	for (; *p >= '0' && (unsigned int)(*p - '0') < base; p++)
		if (__builtin_mul_overflow(n, base, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	if (p == *s)
		return false;
	*s = p;
	*ret = n;
	return true;
}

static int set_str(const struct opt_field *f, const char *val, void *to,
		   struct err *err)
{
	if (strlen(val) >= f->size)
		return err_set(err, -EINVAL, "option %s: longer than %zu bytes",
			       f->key, f->size - 1);
	if (f->min && !*val)
		return err_set(err, -EINVAL,
			       "option %s: empty: write a value, or leave it "
			       "out",
			       f->key);
	memcpy(to, val, strlen(val) + 1);
	return 0;
}

static int set_bool(const struct opt_field *f, const char *val, bool *to,
		    struct err *err)
{
	static const char *const yes[] = { "", "true", "1", "t", "on", "yes" };
	static const char *const no[] = { "false", "0", "f", "off", "no" };

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (strcasecmp(val, yes[i]) == 0) {
			*to = true;
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (strcasecmp(val, no[i]) == 0) {
			*to = false;
			return 0;
		}
	return bad_value(f, val, "true or false", err);
}

static int set_u32(const struct opt_field *f, const char *val, uint32_t *to,
		   struct err *err)
{
	uint32_t max = f->max ? f->max : UINT32_MAX;
	const char *s = val;
	char want[64];
	uint64_t n;

	if (!get_digits(&s, 10, &n) || *s || n < f->min || n > max) {
		snprintf(want, sizeof(want), "a whole number in %u..%u", f->min,
			 max);
		return bad_value(f, val, want, err);
	}
	*to = (uint32_t)n;
	return 0;
}

/* "", b, k, kb, kib, ... in any case: the power of two, or -1. */
static int size_shift(const char *suffix)
{
	static const char units[] = "kmgt";
	const char *unit;

	if (!*suffix || strcasecmp(suffix, "b") == 0)
		return 0;
	unit = strchr(units, *suffix | 0x20);
	if (!unit || (suffix[1] && strcasecmp(suffix + 1, "b") != 0 &&
		      strcasecmp(suffix + 1, "ib") != 0))
		return -1;
	return 10 * (int)(unit - units + 1);
}

static bool get_size(const char *val, uint64_t *to)
{
	int shift;
	uint64_t n;

	if (!get_digits(&val, 10, &n))
		return false;
	shift = size_shift(val);
	if (shift < 0 || n > UINT64_MAX >> shift)
		return false;
	*to = n << shift;
	return true;
}

static int set_size(const struct opt_field *f, const char *val, uint64_t *to,
		    struct err *err)
{
	return get_size(val, to)
		       ? 0
		       : bad_value(f, val, "a size like 512m or 10g", err);
}

int opts_size(const char *text, uint64_t *ret, struct err *err)
{
	char shown[SHOW_MAX];

	if (get_size(text, ret))
		return 0;
	return err_set(err, -EINVAL, "%s is not a size like 512m or 10g",
		       log_quote(shown, sizeof(shown), text));
}

int opts_duration(const char *text, uint32_t *ret_s, struct err *err)
{
	static const struct {
		const char *suffix;
		uint32_t factor;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };
	const uint64_t max = 30u * 86400;
	const char *s = text;
	char shown[SHOW_MAX];
	uint64_t n;

	if (get_digits(&s, 10, &n) && n > 0 && n <= max)
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (strcmp(s, units[i].suffix) == 0 &&
			    n * units[i].factor <= max) {
				*ret_s = (uint32_t)n * units[i].factor;
				return 0;
			}
	return err_set(err, -EINVAL,
		       "%s is not a duration like 10s, 10m or 1h, up to 30 "
		       "days",
		       log_quote(shown, sizeof(shown), text));
}

static int set_mode(const struct opt_field *f, const char *val, uint32_t *to,
		    struct err *err)
{
	const char *s = val;
	uint64_t n;

	if (!get_digits(&s, 8, &n) || *s || n > 07777)
		return bad_value(f, val, "an octal mode like 0755", err);
	*to = (uint32_t)n;
	return 0;
}

static int set_enum(const struct opt_field *f, const char *val, int *to,
		    struct err *err)
{
	char want[200] = "one of ";
	size_t len = strlen(want);

	for (int i = 0; f->names[i]; i++) {
		if (strcmp(val, f->names[i]) == 0) {
			*to = i;
			return 0;
		}
		snprintf(want + len, sizeof(want) - len, "%s%s", i ? ", " : "",
			 f->names[i]);
		len = strlen(want);
	}
	return bad_value(f, val, want, err);
}

static int set_value(const struct opt_field *f, const char *val, void *out,
		     const char *what, struct err *err)
{
	void *to = (char *)out + f->offset;

	switch (f->type) {
	case OPT_STR:
		return set_str(f, val, to, err);
	case OPT_BOOL:
		return set_bool(f, val, to, err);
	case OPT_U32:
		return set_u32(f, val, to, err);
	case OPT_SIZE:
		return set_size(f, val, to, err);
	case OPT_MODE:
		return set_mode(f, val, to, err);
	case OPT_IP:
		if (ip_parse(val, to, NULL) < 0)
			return bad_value(f, val, "an IP address", err);
		return 0;
	case OPT_ENUM:
		return set_enum(f, val, to, err);
	case OPT_REFUSED:
		return err_set(err, -EINVAL,
			       "option \"%s\" is not supported for %s: %s",
			       f->key, what, f->why);
	}
	return -EINVAL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

size_t opts_distance(const char *a, const char *b)
{
	size_t row[KEY_MAX + 1], n = strlen(b);

	if (n > KEY_MAX || strlen(a) > KEY_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diag = row[0]; /* of the row above */

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t above = row[j + 1];

			row[j + 1] = min3(above + 1, row[j] + 1,
					  diag + (a[i] != b[j]));
			diag = above;
		}
	}
	return row[n];
}

const char *opts_nearest(const char *key, const struct opt_field *fields)
{
	size_t best = (strlen(key) + 1) / 2; /* exclusive */
	const char *found = NULL;

	for (const struct opt_field *f = fields; f->key; f++) {
		size_t d = opts_distance(key, f->key);

		if (d < best) {
			best = d;
			found = f->key;
		}
	}
	return found;
}

static int unknown(const char *key, const struct opt_field *fields,
		   const char *what, struct err *err)
{
	const char *near = opts_nearest(key, fields);
	char shown[KEY_MAX], known[300] = "";
	size_t len = 0;

	log_quote(shown, sizeof(shown), key);
	if (near)
		return err_set(err, -EINVAL,
			       "unknown option %s for %s: did you mean "
			       "\"%s\"?",
			       shown, what, near);
	for (const struct opt_field *f = fields; f->key; f++) {
		if (f->type == OPT_REFUSED)
			continue;
		snprintf(known + len, sizeof(known) - len, "%s%s",
			 len ? ", " : "", f->key);
		len = strlen(known);
	}
	return err_set(err, -EINVAL, "unknown option %s for %s: it knows %s",
		       shown, what, len ? known : "none");
}

/* The text of an option's value, NULL for an array, an object or null. */
static const char *value_text(json_object *val)
{
	switch (json_object_get_type(val)) {
	case json_type_string:
	case json_type_boolean:
	case json_type_int:
	case json_type_double:
		return json_object_get_string(val);
	case json_type_null:
	case json_type_object:
	case json_type_array:
		break;
	}
	return NULL;
}

int opts_decode(json_object *map, const struct opt_field *fields, void *out,
		const char *what, struct err *err)
{
	if (!map)
		return 0;
	json_object_object_foreach(map, key, val)
	{
		const struct opt_field *f = fields;
		const char *text = value_text(val);
		char shown[KEY_MAX];
		int r;

		while (f->key && strcmp(f->key, key) != 0)
			f++;
		if (!f->key)
			return unknown(key, fields, what, err);
		if (!text)
			return err_set(err, -EINVAL,
				       "option %s: the value is not text",
				       log_quote(shown, sizeof(shown), key));
		r = set_value(f, text, out, what, err);
		if (r < 0)
			return r;
	}
	return 0;
}
