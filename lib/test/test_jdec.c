/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON text to struct: every type, every limit, every refusal by its text. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "lib/jdec.h"

struct elem {
	char name[8];
	uint16_t port;
	struct jdec_array inner;
};

struct inner {
	uint8_t n;
};

struct out {
	char str[6], id[8];
	bool flag;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	struct ip_addr ip;
	struct ip_prefix pool;
	struct mac_addr mac;
	struct inner obj;
	struct jdec_array list;
	json_object *map;
	const char *text;
	struct jdec_array texts, u32s;
	int32_t i32;
	int64_t i64;
	uint64_t top;
};

static const struct jdec_field inner_fields[] = {
	JDEC_FIELD("N", JDEC_U8, struct inner, n, 0),
	{ 0 },
};

static const struct jdec_field elem_fields[] = {
	JDEC_FIELD("Name", JDEC_STR, struct elem, name, JDEC_REQUIRED),
	JDEC_FIELD("Port", JDEC_U16, struct elem, port, 0),
	JDEC_FIELD_ARRAY("Inner", struct elem, inner, struct inner,
			 inner_fields, 0),
	{ 0 },
};

static const struct jdec_field fields[] = {
	JDEC_FIELD("ID", JDEC_ID, struct out, id, JDEC_REQUIRED),
	JDEC_FIELD("Str", JDEC_STR, struct out, str, 0),
	JDEC_FIELD("Flag", JDEC_BOOL, struct out, flag, 0),
	JDEC_FIELD("U8", JDEC_U8, struct out, u8, 0),
	JDEC_FIELD("U16", JDEC_U16, struct out, u16, 0),
	JDEC_FIELD("U32", JDEC_U32, struct out, u32, 0),
	JDEC_FIELD("U64", JDEC_U64, struct out, u64, 0),
	JDEC_FIELD("IP", JDEC_IP, struct out, ip, 0),
	JDEC_FIELD("Pool", JDEC_PREFIX, struct out, pool, 0),
	JDEC_FIELD("Mac", JDEC_MAC, struct out, mac, 0),
	JDEC_FIELD_OBJ("Obj", struct out, obj, inner_fields, 0),
	{ .key = "List",
	  .type = JDEC_ARRAY,
	  .offset = offsetof(struct out, list),
	  .size = sizeof(struct jdec_array),
	  .sub = elem_fields,
	  .elem_size = sizeof(struct elem),
	  .elem_max = 3 },
	JDEC_FIELD("Map", JDEC_MAP, struct out, map, 0),
	JDEC_FIELD("Text", JDEC_TEXT, struct out, text, 0),
	JDEC_FIELD("Texts", JDEC_TEXTS, struct out, texts, 0),
	JDEC_FIELD("U32s", JDEC_U32S, struct out, u32s, 0),
	JDEC_FIELD("I32", JDEC_I32, struct out, i32, 0),
	JDEC_FIELD("I64", JDEC_I64, struct out, i64, 0),
	JDEC_FIELD("Top", JDEC_U64, struct out, top, JDEC_TO_MAX),
	{ 0 },
};

struct row {
	const char *name, *json;
	const char *msg;  /* NULL: accepted */
	const char *back; /* what jdec_to_json() gives; NULL: the same text */
};

/* "ID" is always there, so that rows are about the other field. */
#define ROW(text) "{ \"ID\": \"a\", " text " }"

static const struct row rows[] = {
	{ "only the required", "{ \"ID\": \"a\" }", NULL, NULL },
	{ "required left out", "{}", "ID: missing", NULL },
	{ "required null", "{\"ID\":null}", "ID: missing", NULL },
	{ "required empty", "{\"ID\":\"\"}", "ID: missing", NULL },
	{ "unknown key ignored", ROW("\"New\": [ 1 ]"), NULL,
	  "{ \"ID\": \"a\" }" },
	{ "keys are case sensitive", "{\"id\":\"a\"}", "ID: missing", NULL },
	{ "duplicate: last wins", "{\"ID\":\"a\",\"ID\":\"b\"}", NULL,
	  "{ \"ID\": \"b\" }" },
	{ "duplicate: last is checked", "{\"ID\":\"a\",\"ID\":\"/\"}",
	  "ID: not letters, digits, '_', '.', '-' with a letter or digit "
	  "first",
	  NULL },

	{ "id with all it may have", "{ \"ID\": \"aZ9_.-x\" }", NULL, NULL },
#define BAD_ID(n, t)                                                     \
	{                                                                \
		n, "{\"ID\":\"" t "\"}",                                 \
			"ID: not letters, digits, '_', '.', '-' with a " \
			"letter or digit first",                         \
			NULL                                             \
	}
	BAD_ID("id dots", ".."),
	BAD_ID("id dot", "."),
	BAD_ID("id slash", "a/b"),
	BAD_ID("id absolute", "/abs"),
	BAD_ID("id up", "../x"),
	BAD_ID("id leading dash", "-rf"),
	BAD_ID("id leading underscore", "_a"),
	BAD_ID("id percent", "%2e"),
	BAD_ID("id newline", "a\\n"),
	BAD_ID("id space", "a b"),
	BAD_ID("id shell", "$(id)"),
	BAD_ID("id ansi", "a\\u001bc"),
	BAD_ID("id utf8", "\xc3\xa9"),
	{ "id too long", "{\"ID\":\"12345678\"}", "ID: longer than 7 bytes",
	  NULL },
	{ "id number", "{\"ID\":5}", "ID: not a string", NULL },
	{ "id object", "{\"ID\":{}}", "ID: not a string", NULL },
	{ "id bool", "{\"ID\":true}", "ID: not a string", NULL },

	{ "string", ROW("\"Str\": \"hello\""), NULL, NULL },
	{ "string too long is no cut", ROW("\"Str\":\"hello!\""),
	  "Str: longer than 5 bytes", NULL },
	{ "string: bytes count, not characters",
	  ROW("\"Str\":\"\xc3\xa9\xc3\xa9\xc3\xa9\""),
	  "Str: longer than 5 bytes", NULL },
	{ "string null", ROW("\"Str\":null"), NULL, "{ \"ID\": \"a\" }" },
	{ "string empty", ROW("\"Str\":\"\""), NULL, "{ \"ID\": \"a\" }" },
	{ "string array", ROW("\"Str\":[]"), "Str: not a string", NULL },
	{ "string surrogate pair", ROW("\"Str\":\"\\ud83d\\ude00\""), NULL,
	  ROW("\"Str\": \"\xf0\x9f\x98\x80\"") },

	{ "bool", ROW("\"Flag\": true"), NULL, NULL },
	{ "bool false", ROW("\"Flag\":false"), NULL, "{ \"ID\": \"a\" }" },
	{ "bool as text", ROW("\"Flag\":\"true\""), "Flag: not true or false",
	  NULL },
	{ "bool as number", ROW("\"Flag\":1"), "Flag: not true or false",
	  NULL },

	{ "u8 largest", ROW("\"U8\": 255"), NULL, NULL },
	{ "u8 above", ROW("\"U8\":256"), "U8: not in 0..255", NULL },
	{ "u16 largest", ROW("\"U16\": 65535"), NULL, NULL },
	{ "u16 above", ROW("\"U16\":65536"), "U16: not in 0..65535", NULL },
	{ "u32 largest", ROW("\"U32\": 4294967295"), NULL, NULL },
	{ "u32 above", ROW("\"U32\":4294967296"), "U32: not in 0..4294967295",
	  NULL },
	{ "u64 above 2^63", ROW("\"U64\": 9223372036854775809"), NULL, NULL },
	{ "u64 2^53+1", ROW("\"U64\": 9007199254740993"), NULL, NULL },
	{ "u64 largest taken", ROW("\"U64\": 18446744073709551614"), NULL,
	  NULL },
	{ "u64 2^64", ROW("\"U64\":18446744073709551616"),
	  "U64: not in 0..18446744073709551614", NULL },
	{ "u64 far above", ROW("\"U64\":99999999999999999999999999999999"),
	  "U64: not in 0..18446744073709551614", NULL },
	{ "u16 negative", ROW("\"U16\":-1"), "U16: not in 0..65535", NULL },
	{ "u64 negative", ROW("\"U64\":-1"),
	  "U64: not in 0..18446744073709551614", NULL },
	{ "u64 below int64", ROW("\"U64\":-99999999999999999999"),
	  "U64: not in 0..18446744073709551614", NULL },
	{ "u16 fraction", ROW("\"U16\":80.5"), "U16: not a whole number",
	  NULL },
	{ "u16 1.0", ROW("\"U16\":1.0"), "U16: not a whole number", NULL },
	{ "u16 exponent", ROW("\"U16\":1e2"), "U16: not a whole number", NULL },
	{ "u16 1e400", ROW("\"U16\":1e400"), "U16: not a whole number", NULL },
	{ "u16 text", ROW("\"U16\":\"80\""), "U16: not a whole number", NULL },
	{ "u16 bool", ROW("\"U16\":true"), "U16: not a whole number", NULL },
	{ "u16 zero", ROW("\"U16\":0"), NULL, "{ \"ID\": \"a\" }" },

	{ "ip", ROW("\"IP\": \"10.0.0.1\""), NULL, NULL },
	{ "ip empty", ROW("\"IP\":\"\""), NULL, "{ \"ID\": \"a\" }" },
	{ "ip wrong", ROW("\"IP\":\"10.0.0\""),
	  "IP: \"10.0.0\" is not an IP address", NULL },
	{ "ip number", ROW("\"IP\":1"), "IP: not a string", NULL },
	{ "prefix", ROW("\"Pool\": \"10.0.0.9\\/8\""), NULL, NULL },
	{ "prefix wrong", ROW("\"Pool\":\"10.0.0.9\""),
	  "Pool: \"10.0.0.9\" is not a prefix like 10.1.0.0/16", NULL },
	{ "mac", ROW("\"Mac\": \"02:42:00:00:00:01\""), NULL, NULL },
	{ "mac wrong", ROW("\"Mac\":\"02:42\""),
	  "Mac: \"02:42\" is not a MAC address like 02:42:0a:01:00:02", NULL },

	{ "object in place", ROW("\"Obj\": { \"N\": 7 }"), NULL, NULL },
	{ "object wrong inside", ROW("\"Obj\":{\"N\":700}"),
	  "Obj.N: not in 0..255", NULL },
	{ "object as array", ROW("\"Obj\":[]"), "Obj: not an object", NULL },
	{ "object null", ROW("\"Obj\":null"), NULL, "{ \"ID\": \"a\" }" },
	{ "text of any length", ROW("\"Text\": \"longer than all others\""),
	  NULL, NULL },
	{ "text number", ROW("\"Text\":1"), "Text: not a string", NULL },
	{ "texts", ROW("\"Texts\": [ \"a\", \"\" ]"), NULL, NULL },
	{ "texts with a number", ROW("\"Texts\":[\"a\",1]"),
	  "Texts[1]: not a string", NULL },
	{ "texts with null", ROW("\"Texts\":[null]"), "Texts[0]: not a string",
	  NULL },
	{ "texts no array", ROW("\"Texts\":\"a\""), "Texts: not an array",
	  NULL },
	{ "numbers", ROW("\"U32s\": [ 0, 4294967295 ]"), NULL, NULL },
	{ "numbers above", ROW("\"U32s\":[4294967296]"),
	  "U32s[0]: not in 0..4294967295", NULL },
	{ "i32 smallest", ROW("\"I32\": -2147483648"), NULL, NULL },
	{ "i32 below", ROW("\"I32\":-2147483649"),
	  "I32: not in -2147483648..2147483647", NULL },
	{ "i32 text", ROW("\"I32\":\"1\""), "I32: not a whole number", NULL },
	{ "i64 negative", ROW("\"I64\": -1"), NULL, NULL },
	{ "i64 above", ROW("\"I64\":9223372036854775808"),
	  "I64: not in -9223372036854775807..9223372036854775806", NULL },
	{ "u64 that may be the largest", ROW("\"Top\": 18446744073709551615"),
	  NULL, NULL },
	{ "map", ROW("\"Map\": { \"k\": 1, \"l\": { } }"), NULL, NULL },
	{ "map as text", ROW("\"Map\":\"x\""), "Map: not an object", NULL },

	{ "array",
	  ROW("\"List\": [ { \"Name\": \"x\", \"Port\": 1 }, "
	      "{ \"Name\": \"y\" } ]"),
	  NULL, NULL },
	{ "array in an array",
	  ROW("\"List\": [ { \"Name\": \"x\", \"Inner\": [ { \"N\": 1 }, "
	      "{ } ] } ]"),
	  NULL, NULL },
	{ "array empty", ROW("\"List\":[]"), NULL, "{ \"ID\": \"a\" }" },
	{ "array of numbers", ROW("\"List\":[1]"), "List[0]: not an object",
	  NULL },
	{ "array with null", ROW("\"List\":[{\"Name\":\"x\"},null]"),
	  "List[1]: not an object", NULL },
	{ "array wrong deep",
	  ROW("\"List\":[{\"Name\":\"x\"},{\"Name\":\"y\",\"Inner\":["
	      "{\"N\":1},{\"N\":-1}]}]"),
	  "List[1].Inner[1].N: not in 0..255", NULL },
	{ "array missing inside", ROW("\"List\":[{\"Port\":1}]"),
	  "List[0].Name: missing", NULL },
	{ "array too long", ROW("\"List\":[{},{},{},{}]"),
	  "List: more than 3 elements", NULL },
	{ "array as object", ROW("\"List\":{}"), "List: not an array", NULL },

	{ "empty text", "", "JSON: ends too early", NULL },
	{ "only space", "  \n", "JSON: ends too early", NULL },
	{ "newline after, as dockerd sends", "{ \"ID\": \"a\" }\n", NULL,
	  "{ \"ID\": \"a\" }" },
	{ "null", "null", "JSON: not an object", NULL },
	{ "array on top", "[]", "JSON: not an object", NULL },
	{ "text on top", "\"x\"", "JSON: not an object", NULL },
	{ "cut short", "{\"ID\":\"a\"", "JSON: ends too early", NULL },
	{ "cut in a string", "{\"ID\":\"a", "JSON: ends too early", NULL },
	{ "trailing garbage", "{\"ID\":\"a\"}x",
	  "JSON: unexpected character at byte 10", NULL },
	{ "two documents", "{\"ID\":\"a\"}{\"ID\":\"b\"}",
	  "JSON: unexpected character at byte 10", NULL },
	{ "two documents, a newline between", "{\"ID\":\"a\"}\n{}",
	  "JSON: unexpected character at byte 11", NULL },
	{ "byte order mark", "\xef\xbb\xbf{\"ID\":\"a\"}",
	  "JSON: unexpected character at byte 0", NULL },
	{ "NaN", ROW("\"U16\":NaN"), "JSON: NaN and Infinity are no JSON",
	  NULL },
	{ "nan", ROW("\"U16\":nan"), "JSON: ", NULL },
	{ "NaN in a string", ROW("\"Str\": \"NaN\""), NULL, NULL },
	{ "infinity", ROW("\"U16\":infinity"), "JSON: ", NULL },
	{ "minus zero", ROW("\"U16\":-0"), NULL, "{ \"ID\": \"a\" }" },
	{ "number on top", "17", "JSON: not an object", NULL },
	{ "text after null", "null x", "JSON: ", NULL },
	{ "Infinity", ROW("\"U16\":-Infinity"),
	  "JSON: NaN and Infinity are no JSON", NULL },
	{ "hex number", ROW("\"U16\":0x10"), "JSON: ", NULL },
	{ "leading zeros", ROW("\"U16\":007"), "JSON: ", NULL },
	{ "plus sign", ROW("\"U16\":+7"), "JSON: ", NULL },
	{ "bare point", ROW("\"U16\":.5"), "JSON: ", NULL },
	{ "single quotes", "{'ID':'a'}", "JSON: ", NULL },
	{ "comment", "{\"ID\":\"a\"/* x */}", "JSON: ", NULL },
	{ "trailing comma", "{\"ID\":\"a\",}", "JSON: ", NULL },
	{ "True", ROW("\"Flag\":True"), "JSON: ", NULL },
	{ "escaped NUL", "{\"ID\":\"a\\u0000b\"}",
	  "JSON: a NUL character (\\u0000) in a string", NULL },
	{ "escaped NUL in a key", "{\"ID\\u0000\":\"a\"}",
	  "JSON: a NUL character (\\u0000) in a string", NULL },
	{ "no NUL: the backslash is escaped",
	  ROW("\"Map\": { \"k\": \"\\\\u0000\" }"), NULL, NULL },
	{ "lone high surrogate", ROW("\"Str\":\"\\ud800\""),
	  "JSON: half of a surrogate pair", NULL },
	{ "high surrogate and a letter", ROW("\"Str\":\"\\ud800\\u0041\""),
	  "JSON: half of a surrogate pair", NULL },
	{ "lone low surrogate", ROW("\"Str\":\"\\udc00\""),
	  "JSON: half of a surrogate pair", NULL },
	{ "broken escape", ROW("\"Str\":\"\\u00g0\""),
	  "JSON: a broken \\u escape", NULL },
	{ "unknown escape", ROW("\"Str\":\"\\x\""), "JSON: ", NULL },
	{ "overlong UTF-8", ROW("\"Str\":\"\xc0\x80\""), "JSON: not UTF-8",
	  NULL },
	{ "overlong UTF-8, three bytes", ROW("\"Str\":\"\xe0\x80\x80\""),
	  "JSON: not UTF-8", NULL },
	{ "UTF-8 surrogate", ROW("\"Str\":\"\xed\xa0\x80\""), "JSON: not UTF-8",
	  NULL },
	{ "UTF-8 above U+10FFFF", ROW("\"Str\":\"\xf4\x90\x80\x80\""),
	  "JSON: not UTF-8", NULL },
	{ "lone continuation", ROW("\"Str\":\"\x80\""), "JSON: not UTF-8",
	  NULL },
	{ "UTF-8 cut by the quote", ROW("\"Str\":\"\xe2\x82\""),
	  "JSON: not UTF-8", NULL },
	{ "raw newline in a string", ROW("\"Str\":\"a\nb\""),
	  "JSON: a control character in a string", NULL },
	{ "raw tab in a string", ROW("\"Str\":\"a\tb\""),
	  "JSON: a control character in a string", NULL },
};

static void decode_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(json_putp) json_object *obj = NULL;
	_cleanup_(json_putp) json_object *back = NULL;
	struct err err = { 0 };
	struct out out = { 0 };
	int r = jdec_parse(row->json, strlen(row->json), &obj, &err);

	if (r == 0)
		r = jdec_object(obj, fields, &out, &err);
	else
		assert_null(obj);
	if (row->msg) {
		/* json-c's own wording is pinned down only where it matters */
		if (strncmp(row->msg, "JSON: ", 6) == 0)
			err.msg[strlen(row->msg)] = '\0';
		assert_string_equal(err.msg, row->msg);
		assert_int_equal(r, -EBADMSG);
	} else {
		assert_string_equal(err.msg, "");
		assert_int_equal(r, 0);
		back = jdec_to_json(fields, &out);
		assert_string_equal(json_object_to_json_string(back),
				    row->back ? row->back : row->json);
	}
	jdec_free(fields, &out);
	jdec_free(fields, &out);
	assert_null(out.list.items);
}

static int nest(size_t depth, struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	_cleanup_free_ char *text = malloc(6 * depth + 8);
	size_t n = 0;

	assert_non_null(text);
	for (size_t i = 0; i < depth; i++) {
		n += (size_t)sprintf(text + n, "{\"k\":");
	}
	text[n++] = '1';
	memset(text + n, '}', depth);
	return jdec_parse(text, n + depth, &obj, err);
}

static void depth_ends_at_32(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(nest(31, &err), 0);
	assert_int_equal(nest(33, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "nesting too deep"));
	assert_int_equal(nest(10000, &err), -EBADMSG);
}

static void raw_nul_bytes_are_refused(void **state)
{
	static const char text[] = "{\"ID\":\"a\"}\0{}", in[] = "{\"I\0D\":1}";
	json_object *obj = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(jdec_parse(text, sizeof(text) - 1, &obj, &err),
			 -EBADMSG);
	assert_string_equal(err.msg, "JSON: a NUL byte");
	assert_int_equal(jdec_parse(in, sizeof(in) - 1, &obj, &err), -EBADMSG);
	assert_null(obj);
}

static void text_needs_no_terminator(void **state)
{
	static const char text[10] = { '{', '"', 'I', 'D', '"',
				       ':', '"', 'a', '"', '}' };
	_cleanup_(json_putp) json_object *obj = NULL;

	(void)state;
	assert_int_equal(jdec_parse(text, sizeof(text), &obj, NULL), 0);
	assert_int_equal(json_object_object_length(obj), 1);
}

static void a_mebibyte_of_digits(void **state)
{
	size_t digits = 1u << 20, n = 0;
	_cleanup_(json_putp) json_object *obj = NULL;
	_cleanup_free_ char *text = malloc(digits + 64);
	struct err err = { 0 };
	struct out out = { 0 };

	(void)state;
	assert_non_null(text);
	n = (size_t)sprintf(text, "{\"ID\":\"a\",\"U16\":");
	memset(text + n, '7', digits);
	n += digits;
	text[n++] = '}';
	assert_int_equal(jdec_parse(text, n, &obj, &err), 0);
	assert_int_equal(jdec_object(obj, fields, &out, &err), -EBADMSG);
	assert_string_equal(err.msg, "U16: not in 0..65535");
}

static void not_an_object_is_an_error(void **state)
{
	_cleanup_(json_putp) json_object *arr = json_object_new_array();
	struct out out = { 0 };

	(void)state;
	assert_int_equal(jdec_object(arr, fields, &out, NULL), -EBADMSG);
	assert_int_equal(jdec_object(NULL, fields, &out, NULL), -EBADMSG);
}

#define TEST(fn)                               \
	(struct CMUnitTest)                    \
	{                                      \
		.name = #fn, .test_func = (fn) \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 5];
	size_t n = TEST_ROWS(tests, rows, decode_row);

	tests[n++] = TEST(depth_ends_at_32);
	tests[n++] = TEST(raw_nul_bytes_are_refused);
	tests[n++] = TEST(text_needs_no_terminator);
	tests[n++] = TEST(a_mebibyte_of_digits);
	tests[n++] = TEST(not_an_object_is_an_error);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
