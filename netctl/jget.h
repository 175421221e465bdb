/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jget.h - members of a JSON object that may be missing or of another type:
 * answers of a daemon of another version must not make netctl fall over. */
#ifndef NETCTL_JGET_H
#define NETCTL_JGET_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Borrowed; NULL when absent or @o is no object. */
static inline json_object *jget(json_object *o, const char *key)
{
	json_object *v = NULL;

	if (!json_object_is_type(o, json_type_object) ||
	    !json_object_object_get_ex(o, key, &v))
		return NULL;
	return v;
}

/* Borrowed; NULL when absent or no array. */
static inline json_object *jget_array(json_object *o, const char *key)
{
	json_object *v = jget(o, key);

	return json_object_is_type(v, json_type_array) ? v : NULL;
}

static inline size_t jget_len(json_object *array)
{
	return json_object_is_type(array, json_type_array)
		       ? json_object_array_length(array)
		       : 0;
}

/* Borrowed; "" when absent or no string. */
static inline const char *jget_str(json_object *o, const char *key)
{
	json_object *v = jget(o, key);

	return json_object_is_type(v, json_type_string)
		       ? json_object_get_string(v)
		       : "";
}

/* 0 when absent or no number. */
static inline int64_t jget_int(json_object *o, const char *key)
{
	json_object *v = jget(o, key);

	return json_object_is_type(v, json_type_int) ? json_object_get_int64(v)
						     : 0;
}

static inline bool jget_bool(json_object *o, const char *key)
{
	json_object *v = jget(o, key);

	return json_object_is_type(v, json_type_boolean) &&
	       json_object_get_boolean(v);
}

/* Sets @key unless out of memory; takes @v. */
static inline void jset(json_object *o, const char *key, json_object *v)
{
	if (json_object_object_add(o, key, v) < 0)
		json_object_put(v);
}

static inline void jset_str(json_object *o, const char *key, const char *s)
{
	jset(o, key, json_object_new_string(s));
}

/* json_object_put() for those who keep it as a pointer to anything. */
static inline void jput(void *o)
{
	json_object_put(o);
}

/* The first object of an array whose @key is @text; borrowed; NULL: none. */
static inline json_object *jget_find(json_object *list, const char *key,
				     const char *text)
{
	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *o = json_object_array_get_idx(list, i);

		if (strcmp(jget_str(o, key), text) == 0)
			return o;
	}
	return NULL;
}

#endif
