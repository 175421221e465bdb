/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Three tables under one another, cut to the terminal; or one object of JSON. */
#include "netctl/top/draw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/jdec.h"
#include "netctl/jget.h"

#define GAP 2

struct column {
	const char *title;
	size_t width;
	enum top_figure figure;
	enum top_unit unit;
	size_t from; /* shown on terminals that wide */
};

static const struct column columns[] = {
	{ "IN/s", 6, TOP_BYTES_IN, TOP_BYTES, 0 },
	{ "OUT/s", 6, TOP_BYTES_OUT, TOP_BYTES, 28 },
	{ "PKT IN", 6, TOP_PACKETS_IN, TOP_NUMBER, 60 },
	{ "PKT OUT", 7, TOP_PACKETS_OUT, TOP_NUMBER, 60 },
	{ "CONN/s", 6, TOP_CONNS, TOP_NUMBER, 44 },
};

static const char *const titles[TOP_KINDS][2] = {
	[TOP_NETWORK] = { "NETWORK", "DRIVER" },
	[TOP_ENDPOINT] = { "ENDPOINT", "NETWORK" },
	[TOP_PORT] = { "PORT", "CONTAINER" },
};

#define OF_FROM 72 /* the second column of text */

struct canvas {
	FILE *f;
	size_t width, height; /* 0: no limit */
	size_t name, of;      /* widths; of 0: left out */
	size_t lines;
};

static bool fits(const struct canvas *c, size_t from)
{
	return c->width == 0 || c->width >= from;
}

/* ---- text ------------------------------------------------------------------------- */

/* Characters, not bytes: what is printed here is UTF-8, and nothing of it is wide or
 * combining as far as names go. */
static size_t length(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Bytes of the first @max characters. */
static size_t cut(const char *s, size_t max)
{
	size_t n = 0, i = 0;

	for (; s[i]; i++) {
		n += (s[i] & 0xc0) != 0x80;
		if (n > max)
			break;
	}
	return i;
}

static void put(struct canvas *c, const char *s, size_t width)
{
	size_t len = length(s);

	if (len > width)
		fprintf(c->f, "%.*s~", (int)cut(s, width - 1), s);
	else
		fprintf(c->f, "%s%*s", s, (int)(width - len), "");
}

/* A line of text alone.  Return: false: there was no room. */
static bool put_line(struct canvas *c, const char *s)
{
	if (c->height && c->lines >= c->height)
		return false;
	if (c->width && length(s) > c->width)
		fprintf(c->f, "%.*s~\n", (int)cut(s, c->width - 1), s);
	else
		fprintf(c->f, "%s\n", s);
	c->lines++;
	return true;
}

/* ---- the tables ------------------------------------------------------------------- */

static void put_title(struct canvas *c, enum top_kind kind)
{
	put(c, titles[kind][0], c->name);
	if (c->of) {
		fprintf(c->f, "%*s", GAP, "");
		put(c, titles[kind][1], c->of);
	}
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (fits(c, columns[i].from))
			fprintf(c->f, "%*s%*s", GAP, "", (int)columns[i].width,
				columns[i].title);
	fputc('\n', c->f);
	c->lines++;
}

static void put_row(struct canvas *c, const struct top_row *row)
{
	char text[TOP_TEXT_MAX];

	put(c, row->name, c->name);
	if (c->of) {
		fprintf(c->f, "%*s", GAP, "");
		put(c, row->of, c->of);
	}
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (fits(c, columns[i].from))
			fprintf(c->f, "%*s%*s", GAP, "", (int)columns[i].width,
				top_text(row->rate[columns[i].figure],
					 columns[i].unit, text));
	fputc('\n', c->f);
	c->lines++;
}

/* The first @most rows of @kind. */
static void put_table(struct canvas *c, const struct top_rows *rows,
		      enum top_kind kind, size_t most)
{
	size_t n = top_rows_count(rows, kind), shown = 0;
	char more[64];

	put_title(c, kind);
	if (n > most && most) /* the last line says so */
		most--;
	for (size_t i = 0; i < rows->n && shown < most; i++)
		if (rows->v[i].kind == kind) {
			put_row(c, &rows->v[i]);
			shown++;
		}
	if (shown < n) {
		snprintf(more, sizeof(more), "  and %zu more", n - shown);
		put_line(c, more);
	}
}

/* What the widest need, the terminal's width permitting. */
static void measure(struct canvas *c, const struct top_rows *rows)
{
	size_t name = strlen("ENDPOINT"), of = strlen("CONTAINER"), rest = 0;

	for (size_t i = 0; i < rows->n; i++) {
		size_t n = length(rows->v[i].name), o = length(rows->v[i].of);

		name = n > name ? n : name;
		of = o > of ? o : of;
	}
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (fits(c, columns[i].from))
			rest += GAP + columns[i].width;
	c->of = fits(c, OF_FROM) ? of : 0;
	c->name = name;
	if (c->width == 0)
		return;
	rest = c->width > rest ? c->width - rest : 1;
	if (c->of && c->name + GAP + c->of > rest) {
		c->of = c->of > rest / 3 ? rest / 3 : c->of;
		c->name = rest - GAP - c->of < name ? rest - GAP - c->of : name;
	}
	if (!c->of && c->name > rest)
		c->name = rest;
}

/* How many lines of @room each table has for its rows: what one does not need is for
 * the others. */
static void share(const struct top_rows *rows, size_t room,
		  size_t most[static TOP_KINDS])
{
	size_t want[TOP_KINDS], left = TOP_KINDS;
	bool done[TOP_KINDS] = { false };

	for (size_t k = 0; k < TOP_KINDS; k++)
		want[k] = top_rows_count(rows, (enum top_kind)k);
	while (left) {
		size_t each = room / left, before = left;

		for (size_t k = 0; k < TOP_KINDS; k++)
			if (!done[k] && want[k] <= each) {
				most[k] = want[k];
				room -= want[k];
				done[k] = true;
				left--;
			}
		if (left < before)
			continue;
		for (size_t k = 0; k < TOP_KINDS; k++)
			if (!done[k])
				most[k] = each;
		return;
	}
}

static void put_head(struct canvas *c, const struct top_view *v)
{
	char when[16] = "", line[128];
	struct tm tm;

	if (localtime_r(&v->now, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	snprintf(line, sizeof(line),
		 "%s  %zu networks, %zu endpoints, %zu ports; each %g s", when,
		 top_rows_count(v->rows, TOP_NETWORK),
		 top_rows_count(v->rows, TOP_ENDPOINT),
		 top_rows_count(v->rows, TOP_PORT), v->every_ms / 1000.0);
	put_line(c, line);
	for (size_t i = 0; i < v->problem_count; i++)
		put_line(c, v->problems[i]);
}

char *top_draw(const struct top_view *v, size_t width, size_t height)
{
	_cleanup_free_ char *text = NULL;
	struct canvas c = { .width = width, .height = height };
	size_t size = 0, most[TOP_KINDS] = { SIZE_MAX, SIZE_MAX, SIZE_MAX };

	c.f = open_memstream(&text, &size);
	if (!c.f)
		return NULL;
	measure(&c, v->rows);
	put_head(&c, v);
	if (height && height > c.lines + 2 * TOP_KINDS - 1)
		share(v->rows, height - c.lines - (2 * TOP_KINDS - 1), most);
	else if (height)
		memset(most, 0, sizeof(most));
	for (size_t k = 0; k < TOP_KINDS; k++) {
		if (height && c.lines + 2 + !!k > height)
			break;
		if (k)
			put_line(&c, "");
		put_table(&c, v->rows, (enum top_kind)k, most[k]);
	}
	return fclose(c.f) == 0 ? take_ptr(text) : NULL;
}

/* ---- JSON --------------------------------------------------------------------------- */

static const struct {
	const char *total, *rate;
} keys[TOP_FIGURES] = {
	[TOP_BYTES_IN] = { "BytesIn", "BytesInRate" },
	[TOP_BYTES_OUT] = { "BytesOut", "BytesOutRate" },
	[TOP_PACKETS_IN] = { "PacketsIn", "PacketsInRate" },
	[TOP_PACKETS_OUT] = { "PacketsOut", "PacketsOutRate" },
	[TOP_CONNS] = { "Conns", "ConnsRate" },
};

static json_object *rate_json(double rate)
{
	char text[64];

	if (rate < 0)
		return NULL;
	snprintf(text, sizeof(text), "%.1f", rate);
	return json_object_new_double_s(rate, text);
}

static json_object *row_json(const struct top_row *row)
{
	json_object *o = NULL;

	if (json_object_deep_copy(row->what, &o, NULL) < 0)
		return NULL;
	for (size_t i = 0; i < TOP_FIGURES; i++) {
		jset(o, keys[i].total,
		     row->count[i].at_ns
			     ? json_object_new_uint64(row->count[i].value)
			     : NULL);
		jset(o, keys[i].rate, rate_json(row->rate[i]));
	}
	return o;
}

json_object *top_json(const struct top_view *v)
{
	static const char *const lists[TOP_KINDS] = { "Networks", "Endpoints",
						      "Ports" };
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *problems = json_object_new_array(), *list[TOP_KINDS];
	struct tm tm;
	char when[32] = "";

	if (!o || !problems)
		return NULL;
	if (gmtime_r(&v->now, &tm))
		strftime(when, sizeof(when), "%FT%TZ", &tm);
	jset_str(o, "Time", when);
	jset(o, "IntervalMs", json_object_new_int64(v->every_ms));
	for (size_t i = 0; i < v->problem_count; i++)
		json_object_array_add(problems,
				      json_object_new_string(v->problems[i]));
	jset(o, "Problems", problems);
	for (size_t k = 0; k < TOP_KINDS; k++) {
		list[k] = json_object_new_array();
		if (!list[k])
			return NULL;
		jset(o, lists[k], list[k]);
	}
	for (size_t i = 0; i < v->rows->n; i++) {
		json_object *row = row_json(&v->rows->v[i]);

		if (!row ||
		    json_object_array_add(list[v->rows->v[i].kind], row) < 0) {
			json_object_put(row);
			return NULL;
		}
	}
	return take_ptr(o);
}
