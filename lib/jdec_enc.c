/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Structs to JSON objects, by the table that decodes them. */
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/jdec.h"

static const void *member(const struct jdec_field *f, const void *in)
{
	return (const char *)in + f->offset;
}

static uint64_t get_uint(const struct jdec_field *f, const void *p)
{
	if (f->type == JDEC_U8)
		return *(const uint8_t *)p;
	if (f->type == JDEC_U16)
		return *(const uint16_t *)p;
	if (f->type == JDEC_U32)
		return *(const uint32_t *)p;
	return *(const uint64_t *)p;
}

/* The text of a string or address; "" is to be left out. */
static const char *get_text(const struct jdec_field *f, const void *p,
			    char buf[static PREFIX_STR_MAX])
{
	if (f->type == JDEC_TEXT)
		return *(const char *const *)p;
	if (f->type == JDEC_IP)
		return ip_str(p, buf);
	if (f->type == JDEC_PREFIX)
		return ip_prefix_str(p, buf);
	if (f->type == JDEC_MAC)
		return mac_str(p, buf);
	return p;
}

static json_object *enc_elem(const struct jdec_field *f,
			     const struct jdec_array *arr, size_t i)
{
	if (f->type == JDEC_TEXTS)
		return json_object_new_string(((const char **)arr->items)[i]);
	if (f->type == JDEC_U32S)
		return json_object_new_uint64(
			((const uint32_t *)arr->items)[i]);
	return jdec_to_json(f->sub,
			    (const char *)arr->items + i * f->elem_size);
}

static json_object *enc_array(const struct jdec_field *f,
			      const struct jdec_array *arr)
{
	_cleanup_(json_putp) json_object *list =
		json_object_new_array_ext((int)arr->count);

	if (!list)
		return NULL;
	for (size_t i = 0; i < arr->count; i++) {
		json_object *elem = enc_elem(f, arr, i);

		if (!elem)
			return NULL;
		if (json_object_array_add(list, elem) < 0) {
			json_object_put(elem);
			return NULL;
		}
	}
	return take_ptr(list);
}

/* @ret stays NULL where the field is to be left out. */
static int enc_field(const struct jdec_field *f, const void *p,
		     json_object **ret)
{
	char buf[PREFIX_STR_MAX];
	const char *s;
	uint64_t n;
	int64_t i;

	switch (f->type) {
	case JDEC_STR:
	case JDEC_ID:
	case JDEC_TEXT:
	case JDEC_IP:
	case JDEC_PREFIX:
	case JDEC_MAC:
		s = get_text(f, p, buf);
		if (!s || !*s)
			return 0;
		*ret = json_object_new_string(s);
		break;
	case JDEC_BOOL:
		if (!*(const bool *)p)
			return 0;
		*ret = json_object_new_boolean(1);
		break;
	case JDEC_U8:
	case JDEC_U16:
	case JDEC_U32:
	case JDEC_U64:
		n = get_uint(f, p);
		if (!n)
			return 0;
		*ret = json_object_new_uint64(n);
		break;
	case JDEC_I32:
	case JDEC_I64:
		i = f->type == JDEC_I32 ? *(const int32_t *)p
					: *(const int64_t *)p;
		if (!i)
			return 0;
		*ret = json_object_new_int64(i);
		break;
	case JDEC_OBJ:
		*ret = jdec_to_json(f->sub, p);
		if (*ret && json_object_object_length(*ret) == 0) {
			json_object_put(take_ptr(*ret));
			return 0;
		}
		break;
	case JDEC_ARRAY:
	case JDEC_TEXTS:
	case JDEC_U32S:
		if (((const struct jdec_array *)p)->count == 0)
			return 0;
		*ret = enc_array(f, p);
		break;
	case JDEC_MAP:
		*ret = json_object_get(*(json_object *const *)p);
		return 0;
	}
	return *ret ? 0 : -ENOMEM;
}

json_object *jdec_to_json(const struct jdec_field *fields, const void *in)
{
	_cleanup_(json_putp) json_object *obj = json_object_new_object();

	if (!obj)
		return NULL;
	for (const struct jdec_field *f = fields; f->key; f++) {
		json_object *val = NULL;

		if (enc_field(f, member(f, in), &val) < 0)
			return NULL;
		if (val && json_object_object_add(obj, f->key, val) < 0) {
			json_object_put(val);
			return NULL;
		}
	}
	return take_ptr(obj);
}
