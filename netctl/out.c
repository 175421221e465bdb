/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One description of columns, two forms: a libsmartcols table or JSON. */
#include "netctl/out.h"

#include <inttypes.h>
#include <libsmartcols.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/jget.h"

#define SHORT_ID 12

DEFINE_CLEANUP(struct libscols_table, scols_unref_table)

/* Length of the UTF-8 sequence at @s and its code point; 0: not UTF-8. */
static size_t decode(const unsigned char *s, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *s < 0x80             ? 1
		     : (*s & 0xe0) == 0xc0 ? 2
		     : (*s & 0xf0) == 0xe0 ? 3
		     : (*s & 0xf8) == 0xf0 ? 4
					   : 0;
	uint32_t cp;

	if (len == 0)
		return 0;
	cp = len == 1 ? *s : *s & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if (cp < least[len] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret = cp;
	return len;
}

/* Would a terminal act on it, or show the text around it in another order? */
static bool is_active(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) ||
	       (cp >= 0x200e && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

/* @json: the text is JSON: its line ends are ours and \\x is no escape. */
static char *escape(const char *text, bool json)
{
	const unsigned char *s = (const unsigned char *)text;
	_cleanup_free_ char *out = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&out, &size);

	if (!f)
		return NULL;
	while (*s) {
		uint32_t cp = 0;
		size_t len = decode(s, &cp);

		if (len == 0 && json)
			fputs("\\ufffd", f);
		else if (len == 0)
			fprintf(f, "\\x%02x", *s);
		else if (is_active(cp) && !(json && cp == '\n'))
			fprintf(f, "\\u%04" PRIx32, cp);
		else
			fwrite(s, 1, len, f);
		s += len ? len : 1;
	}
	return fclose(f) == 0 ? take_ptr(out) : NULL;
}

char *out_escape(const char *text)
{
	return escape(text, false);
}

static void put_size(FILE *f, int64_t bytes)
{
	static const char unit[] = "BKMGTPE";
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 1024 && unit[u + 1]) {
		v /= 1024;
		u++;
	}
	if (u == 0 || v >= 100)
		fprintf(f, "%.0f%c", v, unit[u]);
	else
		fprintf(f, "%.1f%c", v, unit[u]);
}

static void put_span(FILE *f, int64_t ms)
{
	int64_t s = ms / 1000;

	if (s < 60)
		fprintf(f, "%" PRId64 "s", s);
	else if (s < 3600)
		fprintf(f, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		fprintf(f, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		fprintf(f, "%" PRId64 "d%02" PRId64 "h", s / 86400,
			s / 3600 % 24);
}

static void put_text(FILE *f, json_object *v)
{
	if (json_object_is_type(v, json_type_string))
		fputs(json_object_get_string(v), f);
	else
		fputs(json_object_to_json_string_ext(
			      v, JSON_C_TO_STRING_PLAIN |
					 JSON_C_TO_STRING_NOSLASHESCAPE),
		      f);
}

static void put_list(FILE *f, json_object *v)
{
	for (size_t i = 0; i < jget_len(v); i++) {
		if (i)
			fputs(", ", f);
		put_text(f, json_object_array_get_idx(v, i));
	}
}

static void put_pairs(FILE *f, json_object *v)
{
	const char *space = "";

	if (!json_object_is_type(v, json_type_object))
		return;
	json_object_object_foreach(v, key, val)
	{
		fprintf(f, "%s%s=", space, key);
		put_text(f, val);
		space = " ";
	}
}

static void put_value(FILE *f, enum out_kind kind, json_object *v)
{
	switch (kind) {
	case OUT_ID:
		fprintf(f, "%.*s", SHORT_ID, json_object_get_string(v));
		break;
	case OUT_SIZE:
		put_size(f, json_object_get_int64(v));
		break;
	case OUT_SPAN:
		put_span(f, json_object_get_int64(v));
		break;
	case OUT_BOOL:
		fputs(json_object_get_boolean(v) ? "yes" : "", f);
		break;
	case OUT_LIST:
	case OUT_ROWS:
		put_list(f, v);
		break;
	case OUT_PAIRS:
		put_pairs(f, v);
		break;
	case OUT_TEXT:
	case OUT_NUM:
	default:
		put_text(f, v);
		break;
	}
}

char *out_value(enum out_kind kind, json_object *v)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	if (v)
		put_value(f, kind, v);
	return fclose(f) == 0 ? out_escape(text) : NULL;
}

/* ---- JSON ---------------------------------------------------------------- */

static json_object *project(const struct out_col *cols, json_object *row);

static json_object *project_all(const struct out_col *cols, json_object *rows)
{
	json_object *out = json_object_new_array();

	for (size_t i = 0; i < jget_len(rows); i++)
		json_object_array_add(
			out, project(cols, json_object_array_get_idx(rows, i)));
	return out;
}

/* The described members of @row, in the order described; null when absent. */
static json_object *project(const struct out_col *cols, json_object *row)
{
	json_object *out = json_object_new_object();

	for (const struct out_col *c = cols; c->key; c++) {
		json_object *v = jget(row, c->key);

		jset(out, c->key,
		     c->kind == OUT_ROWS ? project_all(c->sub, v)
					 : json_object_get(v));
	}
	return out;
}

/* json-c leaves DEL and what is beyond ASCII as it is: escaped here; between the
 * strings of a JSON text there are no such bytes. */
static int write_json(FILE *f, json_object *v, int flags, struct err *err)
{
	_cleanup_free_ char *text =
		escape(json_object_to_json_string_ext(
			       v, flags | JSON_C_TO_STRING_NOSLASHESCAPE),
		       true);

	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (fprintf(f, "%s\n", text) < 0 || fflush(f) != 0)
		return err_set(err, -EIO, "cannot write the output: %s",
			       strerror(errno));
	return 0;
}

int out_line(FILE *f, json_object *o, struct err *err)
{
	return write_json(f, o, JSON_C_TO_STRING_PLAIN, err);
}

/* Takes @v. */
static int print_json(FILE *f, json_object *v, struct err *err)
{
	_cleanup_(json_putp) json_object *json = v;

	return write_json(f, json, JSON_C_TO_STRING_PRETTY, err);
}

/* ---- tables -------------------------------------------------------------- */

static int fill_line(struct libscols_table *tb, const struct out_col *cols,
		     json_object *row)
{
	struct libscols_line *line = scols_table_new_line(tb, NULL);
	size_t n = 0;

	if (!line)
		return -ENOMEM;
	for (const struct out_col *c = cols; c->key; c++) {
		char *text;

		if (!c->title)
			continue;
		text = out_value(c->kind, jget(row, c->key));
		if (!text || scols_line_refer_data(line, n++, text) != 0) {
			free(text);
			return -ENOMEM;
		}
	}
	return 0;
}

static void print_titles(FILE *f, const struct out_col *cols)
{
	const char *space = "";

	for (const struct out_col *c = cols; c->key; c++) {
		if (!c->title)
			continue;
		fprintf(f, "%s%s", space, c->title);
		space = "  ";
	}
	fputc('\n', f);
}

static int print_table(FILE *f, const struct out_col *cols, json_object *rows,
		       struct err *err)
{
	_cleanup_(scols_unref_tablep) struct libscols_table *tb =
		scols_new_table();

	if (!tb)
		return err_set(err, -ENOMEM, "out of memory");
	if (jget_len(rows) == 0) { /* libsmartcols prints nothing at all */
		print_titles(f, cols);
		return 0;
	}
	scols_table_set_stream(tb, f);
	scols_table_set_column_separator(tb, "  ");
	/* Already done, and without a regard to the locale. */
	scols_table_enable_noencoding(tb, 1);
	for (const struct out_col *c = cols; c->key; c++) {
		int flags = c->kind == OUT_NUM || c->kind == OUT_SIZE
				    ? SCOLS_FL_RIGHT
				    : 0;

		if (c->title && !scols_table_new_column(tb, c->title, 0, flags))
			return err_set(err, -ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < jget_len(rows); i++)
		if (fill_line(tb, cols, json_object_array_get_idx(rows, i)) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	if (scols_print_table(tb) != 0 || fflush(f) != 0)
		return err_set(err, -EIO, "cannot write the output");
	return 0;
}

int out_rows(FILE *f, enum out_format format, const struct out_col *cols,
	     json_object *rows, struct err *err)
{
	if (format == OUT_JSON)
		return print_json(f, project_all(cols, rows), err);
	return print_table(f, cols, rows, err);
}

/* Width of the widest value of @col; the last of a line needs none. */
static int widest(const struct out_col *col, json_object *rows)
{
	size_t width = 0;

	for (size_t i = 0; i < jget_len(rows); i++) {
		_cleanup_free_ char *text = out_value(
			col->kind,
			jget(json_object_array_get_idx(rows, i), col->key));

		if (text && strlen(text) > width)
			width = strlen(text);
	}
	return (int)width;
}

int out_blocks(FILE *f, enum out_format format, const struct out_col *cols,
	       size_t head, json_object *rows, struct err *err)
{
	if (format == OUT_JSON)
		return out_rows(f, format, cols, rows, err);
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		for (size_t n = 0; cols[n].key; n++) {
			_cleanup_free_ char *text =
				out_value(cols[n].kind, jget(row, cols[n].key));

			if (!text)
				return err_set(err, -ENOMEM, "out of memory");
			if (n + 1 < head)
				fprintf(f, "%-*s  ", widest(&cols[n], rows),
					text);
			else if (n + 1 == head)
				fprintf(f, "%s\n", text);
			else if (*text)
				fprintf(f, "      %s: %s\n", cols[n].title,
					text);
		}
	}
	return fflush(f) == 0 ? 0
			      : err_set(err, -EIO, "cannot write the output");
}

static int title_width(const struct out_col *cols)
{
	size_t width = 0;

	for (const struct out_col *c = cols; c->key; c++)
		if (c->title && c->kind != OUT_ROWS && strlen(c->title) > width)
			width = strlen(c->title);
	return (int)width + 1;
}

/* One object has room for the whole of its id, and for a no. */
static char *one_value(enum out_kind kind, json_object *v)
{
	if (kind == OUT_BOOL && v && !json_object_get_boolean(v))
		return strdup("no");
	return out_value(kind == OUT_ID ? OUT_TEXT : kind, v);
}

int out_object(FILE *f, enum out_format format, const struct out_col *cols,
	       json_object *obj, struct err *err)
{
	int width = title_width(cols), r;

	if (format == OUT_JSON)
		return print_json(f, project(cols, obj), err);
	for (const struct out_col *c = cols; c->key; c++) {
		_cleanup_free_ char *text = NULL;

		if (!c->title || c->kind == OUT_ROWS)
			continue;
		text = one_value(c->kind, jget(obj, c->key));
		if (!text)
			return err_set(err, -ENOMEM, "out of memory");
		fprintf(f, "%s:%*s%s\n", c->title,
			width - (int)strlen(c->title), "", text);
	}
	for (const struct out_col *c = cols; c->key; c++) {
		if (!c->title || c->kind != OUT_ROWS ||
		    jget_len(jget(obj, c->key)) == 0)
			continue;
		fprintf(f, "\n%s:\n", c->title);
		r = print_table(f, c->sub, jget(obj, c->key), err);
		if (r < 0)
			return r;
	}
	return fflush(f) == 0 ? 0
			      : err_set(err, -EIO, "cannot write the output");
}
