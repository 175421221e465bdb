/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One description, two forms; and nothing a terminal would act on. */
#include "netctl/out.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "lib/test/test.h"

static const struct out_col pairs_cols[] = {
	{ "K", "KEY", OUT_TEXT, NULL },
	{ "V", "VALUE", OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col all_cols[] = {
	{ "Text", "TEXT", OUT_TEXT, NULL },
	{ "Id", "ID", OUT_ID, NULL },
	{ "Num", "NUM", OUT_NUM, NULL },
	{ "Size", "SIZE", OUT_SIZE, NULL },
	{ "Yes", "YES", OUT_BOOL, NULL },
	{ "List", "LIST", OUT_LIST, NULL },
	{ "Pairs", "PAIRS", OUT_PAIRS, NULL },
	{ "Hidden", NULL, OUT_TEXT, NULL },
	{ 0 },
};

static const struct out_col object_cols[] = {
	{ "Id", "Id", OUT_ID, NULL },
	{ "Yes", "Internal", OUT_BOOL, NULL },
	{ "Up", "Up", OUT_SPAN, NULL },
	{ "Rows", "Things", OUT_ROWS, pairs_cols },
	{ 0 },
};

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define FULL                                                                 \
	"[{\"Text\":\"a\",\"Id\":\"" ID                                      \
	"\",\"Num\":7,\"Size\":1572864,\"Yes\":true,\"List\":[\"x\",\"y\"]," \
	"\"Pairs\":{\"k\":\"v\",\"l\":\"\"},\"Hidden\":\"h\",\"Unknown\":1}]"

enum form { ROWS, BLOCKS, OBJECT };

struct row {
	const char *name, *json;
	const struct out_col *cols;
	enum form form;
	enum out_format format;
	const char *want;
};

static const struct row rows[] = {
	{ "table of every kind", FULL, all_cols, ROWS, OUT_TABLE,
	  "TEXT  ID            NUM  SIZE  YES  LIST  PAIRS\n"
	  "a     0123456789ab    7  1.5M  yes  x, y  k=v l=\n" },
	{ "empty table has its titles", "[]", pairs_cols, ROWS, OUT_TABLE,
	  "KEY  VALUE\n" },
	{ "empty listing in JSON is an array", "[]", pairs_cols, ROWS, OUT_JSON,
	  "[\n]\n" },
	{ "missing members are blank", "[{\"K\":\"a\"},{\"V\":\"b\"}]",
	  pairs_cols, ROWS, OUT_TABLE, "KEY  VALUE\na    \n     b\n" },
	{ "JSON has the described members, whole and in order",
	  "[{\"V\":2,\"K\":\"/x\",\"Z\":1}]", pairs_cols, ROWS, OUT_JSON,
	  "[\n  {\n    \"K\":\"/x\",\n    \"V\":2\n  }\n]\n" },
	{ "missing members are null in JSON", "[{}]", pairs_cols, ROWS,
	  OUT_JSON, "[\n  {\n    \"K\":null,\n    \"V\":null\n  }\n]\n" },
	{ "a row that is no object is blank", "[1]", pairs_cols, ROWS, OUT_JSON,
	  "[\n  {\n    \"K\":null,\n    \"V\":null\n  }\n]\n" },
	{ "escapes of a terminal in a table",
	  "[{\"K\":\"a\\u001b[31m\\n\",\"V\":\"\\u009b1m\\u007f\"}]",
	  pairs_cols, ROWS, OUT_TABLE,
	  "KEY                VALUE\na\\u001b[31m\\u000a  \\u009b1m\\u007f\n" },
	{ "escapes of a terminal in JSON",
	  "[{\"K\":\"\\u001b\\u007f\\u009b\",\"V\":1}]", pairs_cols, ROWS,
	  OUT_JSON,
	  "[\n  {\n    \"K\":\"\\u001b\\u007f\\u009b\",\n    \"V\":1\n  "
	  "}\n]\n" },
	{ "direction overrides are escaped",
	  "[{\"K\":\"a\\u202eb\",\"V\":\"\\u2066\"}]", pairs_cols, ROWS,
	  OUT_TABLE, "KEY       VALUE\na\\u202eb  \\u2066\n" },
	{ "letters of any script stay", "[{\"K\":\"gr\\u00fcn\",\"V\":\"\"}]",
	  pairs_cols, ROWS, OUT_JSON,
	  "[\n  {\n    \"K\":\"gr\xc3\xbcn\",\n    \"V\":\"\"\n  }\n]\n" },
	{ "blocks leave out what is empty",
	  "[{\"K\":\"a\",\"V\":\"b\"},{\"K\":\"c\",\"V\":\"\"}]", pairs_cols,
	  BLOCKS, OUT_TABLE, "a\n      VALUE: b\nc\n" },
	{ "one object as lines and a table",
	  "{\"Id\":\"" ID "\",\"Yes\":false,\"Up\":3723000,\"Rows\":[{\"K\":"
	  "\"a\",\"V\":\"b\"}]}",
	  object_cols, OBJECT, OUT_TABLE,
	  "Id:       " ID "\nInternal: no\nUp:       1h02m\n\nThings:\n"
	  "KEY  VALUE\na    b\n" },
	{ "one object in JSON, its rows described too",
	  "{\"Id\":\"x\",\"Rows\":[{\"K\":\"a\",\"Z\":1}]}", object_cols,
	  OBJECT, OUT_JSON,
	  "{\n  \"Id\":\"x\",\n  \"Yes\":null,\n  \"Up\":null,\n  \"Rows\":[\n"
	  "    {\n      \"K\":\"a\",\n      \"V\":null\n    }\n  ]\n}\n" },
};

static void print_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(json_putp) json_object *o = json_tokener_parse(row->json);
	_cleanup_free_ char *text = NULL;
	struct err err = { 0 };
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (row->form == ROWS)
		r = out_rows(f, row->format, row->cols, o, &err);
	else if (row->form == BLOCKS)
		r = out_blocks(f, row->format, row->cols, 1, o, &err);
	else
		r = out_object(f, row->format, row->cols, o, &err);
	fclose(f);
	assert_string_equal(err.msg, "");
	assert_int_equal(r, 0);
	assert_string_equal(text, row->want);
}

struct text_row {
	const char *name, *in, *want;
};

static const struct text_row escapes[] = {
	{ "escape: plain", "plain text", "plain text" },
	{ "escape: empty", "", "" },
	{ "escape: no UTF-8", "a\xff z", "a\\xff z" },
	{ "escape: cut sequence", "a\xe2\x82", "a\\xe2\\x82" },
	{ "escape: overlong", "\xc0\x9b", "\\xc0\\x9b" },
	{ "escape: surrogate", "\xed\xa0\x80", "\\xed\\xa0\\x80" },
	{ "escape: beyond Unicode", "\xf4\x90\x80\x80",
	  "\\xf4\\x90\\x80\\x80" },
	{ "escape: C1 in UTF-8", "\xc2\x9b", "\\u009b" },
	{ "escape: line separators", "\xe2\x80\xa8", "\\u2028" },
	{ "escape: four bytes", "\xf0\x9f\x9a\xa2", "\xf0\x9f\x9a\xa2" },
};

static void escape_row(void **state)
{
	const struct text_row *row = *state;
	_cleanup_free_ char *got = out_escape(row->in);

	assert_string_equal(got, row->want);
}

struct value_row {
	const char *name;
	enum out_kind kind;
	const char *json, *want;
};

static const struct value_row values[] = {
	{ "size: bytes", OUT_SIZE, "512", "512B" },
	{ "size: one decimal", OUT_SIZE, "10240", "10.0K" },
	{ "size: no decimal from 100", OUT_SIZE, "104857600", "100M" },
	{ "size: largest", OUT_SIZE, "9223372036854775807", "8.0E" },
	{ "span: seconds", OUT_SPAN, "59999", "59s" },
	{ "span: minutes", OUT_SPAN, "61000", "1m01s" },
	{ "span: days", OUT_SPAN, "90000000", "1d01h" },
	{ "bool: no is blank in a table", OUT_BOOL, "false", "" },
	{ "list: not a list", OUT_LIST, "\"x\"", "" },
	{ "pairs: not an object", OUT_PAIRS, "[1]", "" },
	{ "pairs: of anything", OUT_PAIRS, "{\"a\":{\"b\":1}}", "a={\"b\":1}" },
	{ "text: a number", OUT_TEXT, "5", "5" },
};

static void value_row(void **state)
{
	const struct value_row *row = *state;
	_cleanup_(json_putp) json_object *o = json_tokener_parse(row->json);
	_cleanup_free_ char *got = out_value(row->kind, o);

	assert_string_equal(got, row->want);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(escapes) +
				ARRAY_SIZE(values)] = { 0 };
	size_t n = 0;

#define ADD(table, fn)                                             \
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)             \
	tests[n++] = (struct CMUnitTest){                          \
		.name = (table)[i].name,                           \
		.test_func = (fn),                                 \
		.initial_state = (void *)(uintptr_t) & (table)[i], \
	}
	ADD(rows, print_row);
	ADD(escapes, escape_row);
	ADD(values, value_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
