/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jdec.h - decode a JSON object into a struct by table, once, at the edge.
 *
 * A field table is data: a decoder reads it, and so does the generator of
 * malformed requests (integration/tools/badreq.c), which needs each key, its
 * type and its limits.  Unknown keys are ignored: newer dockerds send more.
 * JSON null counts as left out.  Errors name the path: "IPv4Data[1].Pool: ...".
 */
#ifndef LIB_JDEC_H
#define LIB_JDEC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

enum jdec_type {
	JDEC_STR,  /* char[size]; too long is an error, never a cut; no NUL */
	JDEC_ID,   /* char[size]; [A-Za-z0-9][A-Za-z0-9_.-]*, safe in a path */
	JDEC_BOOL, /* bool */
	JDEC_U8,   /* uint8_t */
	JDEC_U16,  /* uint16_t */
	JDEC_U32,  /* uint32_t */
	JDEC_U64,  /* uint64_t */
	JDEC_IP,   /* struct ip_addr; "" is none */
	JDEC_PREFIX, /* struct ip_prefix "a/len"; "" is none */
	JDEC_MAC,    /* struct mac_addr; "" is none */
	JDEC_OBJ,    /* a struct in place, by .sub */
	JDEC_ARRAY,  /* struct jdec_array of structs, by .sub and .elem_size */
	JDEC_MAP,    /* json_object *, borrowed from the body: an object */
	JDEC_TEXT, /* const char *, borrowed from the body: any length; no NUL */
	JDEC_TEXTS, /* struct jdec_array of const char *, borrowed likewise */
	JDEC_U32S,  /* struct jdec_array of uint32_t */
	JDEC_I32,   /* int32_t */
	JDEC_I64,   /* int64_t; the two ends are not taken */
};

enum {
	JDEC_REQUIRED = 1 << 0, /* missing, null or "" is an error */
	JDEC_TO_MAX = 1 << 1,   /* JDEC_U64: 2^64-1 is a value ("no limit"), and
				 * so is what json-c makes it of, all above */
};

struct jdec_field {
	const char *key;
	enum jdec_type type;
	size_t offset, size;
	unsigned int flags;
	const struct jdec_field *sub; /* JDEC_OBJ, JDEC_ARRAY */
	size_t elem_size, elem_max;   /* JDEC_ARRAY, ...S; elem_max 0: 65536 */
};

struct jdec_array {
	void *items; /* owned: jdec_free() */
	size_t count;
};

#define JDEC_FIELD(key_, type_, st, member, flags_)                   \
	{                                                             \
		.key = (key_), .type = (type_),                       \
		.offset = offsetof(st, member),                       \
		.size = sizeof(((st *)0)->member), .flags = (flags_), \
	}
#define JDEC_FIELD_OBJ(key_, st, member, sub_, flags_)                \
	{                                                             \
		.key = (key_), .type = JDEC_OBJ,                      \
		.offset = offsetof(st, member),                       \
		.size = sizeof(((st *)0)->member), .flags = (flags_), \
		.sub = (sub_),                                        \
	}
#define JDEC_FIELD_ARRAY(key_, st, member, elem_, sub_, flags_)       \
	{                                                             \
		.key = (key_), .type = JDEC_ARRAY,                    \
		.offset = offsetof(st, member),                       \
		.size = sizeof(struct jdec_array), .flags = (flags_), \
		.sub = (sub_), .elem_size = sizeof(elem_),            \
	}

/*
 * jdec_object() - fill @out from @obj by the table @fields.
 *
 * @obj:    borrowed; JDEC_MAP members point into it.
 * @fields: table ended by { 0 }.
 * @out:    zeroed by the caller.  Call jdec_free() on it whatever is returned.
 *
 * Return: 0; -EBADMSG for a missing or ill-typed field, a number out of range
 *         or a string that doesn't fit (@err names the key); -ENOMEM.
 */
int jdec_object(json_object *obj, const struct jdec_field *fields, void *out,
		struct err *err);

/* jdec_free() - free the arrays in @out and clear them.  Twice is harmless. */
void jdec_free(const struct jdec_field *fields, void *out);

/*
 * jdec_parse() - text to object, with the limits of shared faults F031-F036:
 * depth 32, valid UTF-8, no \u0000, one document and nothing after it.
 *
 * @ret: owned, json_object_put(); never NULL on success, always an object.
 *
 * Return: 0; -EBADMSG with the reason.
 */
int jdec_parse(const char *text, size_t len, json_object **ret,
	       struct err *err);

/*
 * jdec_to_json() - the inverse of jdec_object(): @in as an object, by the
 * same table.  Empty strings, none addresses, false, 0 and empty arrays are
 * left out; JDEC_MAP members are shared (a reference is taken).  A negative
 * JDEC_I32 or JDEC_I64 is written.
 *
 * Return: owned; NULL when out of memory.
 */
json_object *jdec_to_json(const struct jdec_field *fields, const void *in);

static inline void json_putp(json_object **o)
{
	json_object_put(*o);
}

#endif
