/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that a field must not take, and one that it does. */
#include "integration/tools/badreq_values.h"

#include <stddef.h>

const char *const value_kinds[KIND_MAX] = {
	[KIND_NULL] = "null",        [KIND_FALSE] = "false",
	[KIND_TRUE] = "true",        [KIND_INT] = "1",
	[KIND_NEGATIVE] = "-1",      [KIND_REAL] = "1.5",
	[KIND_HUGE] = "1e400",       [KIND_EMPTY] = "\"\"",
	[KIND_STRING] = "\"x\"",     [KIND_ARRAY] = "[1]",
	[KIND_OBJECT] = "{\"a\":1}",
};

bool value_is_text(const struct jdec_field *f)
{
	return f->type == JDEC_STR || f->type == JDEC_ID ||
	       f->type == JDEC_IP || f->type == JDEC_PREFIX ||
	       f->type == JDEC_MAC || f->type == JDEC_TEXT;
}

bool value_is_number(const struct jdec_field *f)
{
	return f->type == JDEC_U8 || f->type == JDEC_U16 ||
	       f->type == JDEC_U32 || f->type == JDEC_U64 ||
	       f->type == JDEC_I32 || f->type == JDEC_I64;
}

/* Would a right decoder take it? */
bool value_kind_fits(const struct jdec_field *f, enum kind k)
{
	bool required = f->flags & JDEC_REQUIRED;

	if (k == KIND_NULL)
		return !required;
	if (k == KIND_EMPTY)
		return value_is_text(f) && !required;
	if (k == KIND_STRING)
		return f->type == JDEC_STR || f->type == JDEC_ID ||
		       f->type == JDEC_TEXT;
	if (k == KIND_FALSE || k == KIND_TRUE)
		return f->type == JDEC_BOOL;
	if (k == KIND_INT)
		return value_is_number(f);
	if (k == KIND_OBJECT)
		return f->type == JDEC_OBJ || f->type == JDEC_MAP;
	return false;
}

const char *const value_bad_numbers[] = {
	"-1",
	"-9223372036854775809",
	"18446744073709551616",
	"1e3",
	"0.5",
	"1e400",
	"NaN",
	"Infinity",
	"0x1",
	"01",
	"+1",
	"\"1\"",
	"--1",
	"1e",
	".5",
	NULL,
};
const char *const value_bad_texts[] = {
	"\"\\u0000\"",
	"\"a\\u0000b\"",
	"\"\\ud800\"",
	"\"\\udc00\\ud800\"",
	"\"\xff\"",
	"\"\xc0\xaf\"",
	"\"\xed\xa0\x80\"",
	"\"a\nb\"",
	"\"a\tb\"",
	"\"\\x\"",
	"'x'",
	"\"x",
	NULL,
};
const char *const value_bad_ids[] = {
	"\"/\"",      "\"../x\"",  "\"a/b\"", "\"..\"",          "\"%2e%2e\"",
	"\"a\\nb\"",  "\"$(id)\"", "\"a;b\"", "\"`id`\"",        "\"a b\"",
	"\" a\"",     "\"-a\"",    "\".a\"",  "\"\\u001b[31m\"", "\"\xc3\xa9\"",
	"\"a\\\\b\"", NULL,
};
const char *const value_bad_ips[] = {
	"\"1.2.3\"",     "\"1.2.3.4.5\"",    "\"1.2.3.256\"", "\"01.2.3.4\"",
	"\"1.2.3.4/8\"", "\"fe80::1%eth0\"", "\"::g\"",       "\" 1.2.3.4\"",
	"\"1.2.3.4 \"",  "\"0x7f.1\"",       "\"localhost\"", NULL,
};
const char *const value_bad_prefixes[] = {
	"\"10.0.0.0/33\"", "\"10.0.0.0/-1\"",  "\"10.0.0.0/\"",
	"\"10.0.0.0/8x\"", "\"10.0.0.0/8/8\"", "\"/8\"",
	"\"10.0.0/8\"",    "\"fd00::/129\"",   "\"fd00::1%lo/64\"",
	"\"10.0.0.0/ 8\"", "\"10.0.0.0/08\"",  NULL,
};
const char *const value_bad_macs[] = {
	"\"02:42:11:22:33\"",
	"\"02:42:11:22:33:44:55\"",
	"\"02:42:11:22:33:gg\"",
	"\"024211223344\"",
	"\"02-42-11-22-33\"",
	"\"2:42:11:22:33:4444\"",
	NULL,
};

/* The smallest right value. */
const char *value_sample(const struct jdec_field *f)
{
	switch (f->type) {
	case JDEC_BOOL:
		return "true";
	case JDEC_U8:
	case JDEC_U16:
	case JDEC_U32:
	case JDEC_U64:
	case JDEC_I32:
	case JDEC_I64:
		return "1";
	case JDEC_IP:
		return "\"192.0.2.1\"";
	case JDEC_PREFIX:
		return "\"192.0.2.0/24\"";
	case JDEC_MAC:
		return "\"02:42:c0:00:02:01\"";
	case JDEC_ARRAY:
	case JDEC_TEXTS:
	case JDEC_U32S:
		return "[]";
	case JDEC_OBJ:
	case JDEC_MAP:
		return "{}";
	case JDEC_STR:
	case JDEC_ID:
	case JDEC_TEXT:
		break;
	}
	return "\"badreq\"";
}
