/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON objects to structs and back, by a table of fields. */
#include "lib/jdec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"

#define ARRAY_MAX_DEFAULT 65536
#define PATH_TEXT_MAX     200

/* Where we are, for messages: "IPv4Data[1].Pool". */
struct where {
	const struct where *up;
	const char *key; /* NULL: an element */
	size_t index;
};

static void where_str(const struct where *w, char *buf, size_t size)
{
	size_t len;

	if (w->up)
		where_str(w->up, buf, size);
	else
		buf[0] = '\0';
	len = strlen(buf);
	if (w->key)
		snprintf(buf + len, size - len, "%s%s", len ? "." : "", w->key);
	else
		snprintf(buf + len, size - len, "[%zu]", w->index);
}

static int bad(struct err *err, const struct where *w, const char *why)
{
	char path[PATH_TEXT_MAX];

	where_str(w, path, sizeof(path));
	return err_set(err, -EBADMSG, "%s: %s", path, why);
}

static void *member(const struct jdec_field *f, void *out)
{
	return (char *)out + f->offset;
}

/* Our own copy of the alphabet: isalnum() follows the locale. */
static bool id_char(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9'))
		return true;
	return !first && (c == '_' || c == '.' || c == '-');
}

static bool id_valid(const char *s)
{
	for (size_t i = 0; s[i]; i++)
		if (!id_char(s[i], i == 0))
			return false;
	return true;
}

static int get_text(json_object *val, const char **ret, const struct where *w,
		    struct err *err)
{
	const char *s;

	if (!json_object_is_type(val, json_type_string))
		return bad(err, w, "not a string");
	s = json_object_get_string(val);
	if (strlen(s) != (size_t)json_object_get_string_len(val))
		return bad(err, w, "a string with a NUL character");
	*ret = s;
	return 0;
}

static int dec_str(json_object *val, const struct jdec_field *f, void *to,
		   const struct where *w, struct err *err)
{
	char why[64];
	const char *s;
	int r = get_text(val, &s, w, err);

	if (r < 0)
		return r;
	if (strlen(s) >= f->size) {
		snprintf(why, sizeof(why), "longer than %zu bytes",
			 f->size - 1);
		return bad(err, w, why);
	}
	if (f->type == JDEC_ID && !id_valid(s))
		return bad(err, w,
			   "not letters, digits, '_', '.', '-' with a letter "
			   "or digit first");
	memcpy(to, s, strlen(s) + 1);
	return 0;
}

static int dec_addr(json_object *val, const struct jdec_field *f, void *to,
		    const struct where *w, struct err *err)
{
	struct err inner = { 0 };
	const char *s;
	int r = get_text(val, &s, w, err);

	if (r < 0)
		return r;
	if (!*s)
		return 0;
	if (f->type == JDEC_IP)
		r = ip_parse(s, to, &inner);
	else if (f->type == JDEC_PREFIX)
		r = ip_prefix_parse(s, to, &inner);
	else
		r = mac_parse(s, to, &inner);
	return r < 0 ? bad(err, w, inner.msg) : 0;
}

/* json-c clamps what does not fit, so that its own maximum is not told from
 * what lies above it: the largest value we take is one less. */
static int dec_uint(json_object *val, uint64_t max, bool to_max, uint64_t *ret,
		    const struct where *w, struct err *err)
{
	char why[64];

	if (!json_object_is_type(val, json_type_int))
		return bad(err, w, "not a whole number");
	if (max == UINT64_MAX && !to_max)
		max--;
	if (json_object_get_int64(val) < 0 ||
	    json_object_get_uint64(val) > max) {
		snprintf(why, sizeof(why), "not in 0..%llu",
			 (unsigned long long)max);
		return bad(err, w, why);
	}
	*ret = json_object_get_uint64(val);
	return 0;
}

static int dec_number(json_object *val, const struct jdec_field *f, void *to,
		      const struct where *w, struct err *err)
{
	uint64_t n = 0, max = f->type == JDEC_U8    ? UINT8_MAX
			      : f->type == JDEC_U16 ? UINT16_MAX
			      : f->type == JDEC_U32 ? UINT32_MAX
						    : UINT64_MAX;
	int r = dec_uint(val, max, f->flags & JDEC_TO_MAX, &n, w, err);

	if (r < 0)
		return r;
	if (f->type == JDEC_U8)
		*(uint8_t *)to = (uint8_t)n;
	else if (f->type == JDEC_U16)
		*(uint16_t *)to = (uint16_t)n;
	else if (f->type == JDEC_U32)
		*(uint32_t *)to = (uint32_t)n;
	else
		*(uint64_t *)to = n;
	return 0;
}

static int dec_int(json_object *val, const struct jdec_field *f, void *to,
		   const struct where *w, struct err *err)
{
	int64_t low = INT64_MIN + 1, high = INT64_MAX - 1, n;
	char why[64];

	if (!json_object_is_type(val, json_type_int))
		return bad(err, w, "not a whole number");
	if (f->type == JDEC_I32) {
		low = INT32_MIN;
		high = INT32_MAX;
	}
	n = json_object_get_int64(val);
	if (n < low || n > high) {
		snprintf(why, sizeof(why), "not in %lld..%lld", (long long)low,
			 (long long)high);
		return bad(err, w, why);
	}
	if (f->type == JDEC_I32)
		*(int32_t *)to = (int32_t)n;
	else
		*(int64_t *)to = n;
	return 0;
}

static int dec_object(json_object *obj, const struct jdec_field *fields,
		      void *out, const struct where *up, struct err *err);

static int dec_elem(json_object *elem, const struct jdec_field *f, void *to,
		    const struct where *at, struct err *err)
{
	uint64_t n = 0;
	int r;

	if (f->type == JDEC_TEXTS)
		return get_text(elem, to, at, err);
	if (f->type == JDEC_U32S) {
		r = dec_uint(elem, UINT32_MAX, false, &n, at, err);
		if (r == 0)
			*(uint32_t *)to = (uint32_t)n;
		return r;
	}
	if (!json_object_is_type(elem, json_type_object))
		return bad(err, at, "not an object");
	return dec_object(elem, f->sub, to, at, err);
}

static size_t elem_size(const struct jdec_field *f)
{
	if (f->type == JDEC_TEXTS)
		return sizeof(const char *);
	return f->type == JDEC_U32S ? sizeof(uint32_t) : f->elem_size;
}

static int dec_array(json_object *val, const struct jdec_field *f, void *to,
		     const struct where *w, struct err *err)
{
	struct jdec_array *arr = to;
	size_t max = f->elem_max ? f->elem_max : ARRAY_MAX_DEFAULT, n;
	char why[64];
	int r;

	if (!json_object_is_type(val, json_type_array))
		return bad(err, w, "not an array");
	n = json_object_array_length(val);
	if (n > max) {
		snprintf(why, sizeof(why), "more than %zu elements", max);
		return bad(err, w, why);
	}
	if (n == 0)
		return 0;
	arr->items = calloc(n, elem_size(f));
	if (!arr->items)
		return err_set(err, -ENOMEM, "%s: out of memory", f->key);
	arr->count = n; /* so that jdec_free() finds half of it, too */
	for (size_t i = 0; i < n; i++) {
		struct where at = { .up = w, .index = i };

		r = dec_elem(json_object_array_get_idx(val, i), f,
			     (char *)arr->items + i * elem_size(f), &at, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int dec_field(json_object *val, const struct jdec_field *f, void *to,
		     const struct where *w, struct err *err)
{
	switch (f->type) {
	case JDEC_STR:
	case JDEC_ID:
		return dec_str(val, f, to, w, err);
	case JDEC_BOOL:
		if (!json_object_is_type(val, json_type_boolean))
			return bad(err, w, "not true or false");
		*(bool *)to = json_object_get_boolean(val);
		return 0;
	case JDEC_U8:
	case JDEC_U16:
	case JDEC_U32:
	case JDEC_U64:
		return dec_number(val, f, to, w, err);
	case JDEC_IP:
	case JDEC_PREFIX:
	case JDEC_MAC:
		return dec_addr(val, f, to, w, err);
	case JDEC_OBJ:
		if (!json_object_is_type(val, json_type_object))
			return bad(err, w, "not an object");
		return dec_object(val, f->sub, to, w, err);
	case JDEC_ARRAY:
	case JDEC_TEXTS:
	case JDEC_U32S:
		return dec_array(val, f, to, w, err);
	case JDEC_TEXT:
		return get_text(val, to, w, err);
	case JDEC_I32:
	case JDEC_I64:
		return dec_int(val, f, to, w, err);
	case JDEC_MAP:
		if (!json_object_is_type(val, json_type_object))
			return bad(err, w, "not an object");
		*(json_object **)to = val;
		return 0;
	}
	return bad(err, w, "a field type nobody decodes");
}

static bool is_empty_text(json_object *val)
{
	return json_object_is_type(val, json_type_string) &&
	       json_object_get_string_len(val) == 0;
}

static int dec_object(json_object *obj, const struct jdec_field *fields,
		      void *out, const struct where *up, struct err *err)
{
	for (const struct jdec_field *f = fields; f->key; f++) {
		struct where w = { .up = up, .key = f->key };
		json_object *val = NULL;
		int r;

		if (!json_object_object_get_ex(obj, f->key, &val))
			val = NULL;
		if ((f->flags & JDEC_REQUIRED) && (!val || is_empty_text(val)))
			return bad(err, &w, "missing");
		if (!val)
			continue;
		r = dec_field(val, f, member(f, out), &w, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int jdec_object(json_object *obj, const struct jdec_field *fields, void *out,
		struct err *err)
{
	if (!json_object_is_type(obj, json_type_object))
		return err_set(err, -EBADMSG, "not a JSON object");
	return dec_object(obj, fields, out, NULL, err);
}

static void free_array(const struct jdec_field *f, struct jdec_array *arr)
{
	for (size_t i = 0; f->sub && i < arr->count; i++)
		jdec_free(f->sub, (char *)arr->items + i * f->elem_size);
	free(arr->items);
	*arr = (struct jdec_array){ 0 };
}

void jdec_free(const struct jdec_field *fields, void *out)
{
	for (const struct jdec_field *f = fields; f->key; f++)
		if (f->type == JDEC_ARRAY || f->type == JDEC_TEXTS ||
		    f->type == JDEC_U32S)
			free_array(f, member(f, out));
		else if (f->type == JDEC_OBJ)
			jdec_free(f->sub, member(f, out));
}
