/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * out.h - print rows as a table for people or as JSON for programs, both from
 * one description of the columns.
 *
 * A row is a JSON object.  A column names one member of it, so the JSON form
 * of a listing is exactly its columns, untouched, and the table the same
 * values made short.  Text that came from outside (names, paths) cannot reach
 * the terminal's interpreter: control and direction-changing characters are
 * printed as \uXXXX in both forms.
 */
#ifndef NETCTL_OUT_H
#define NETCTL_OUT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>

#include "lib/err.h"

enum out_format {
	OUT_TABLE,
	OUT_JSON,
};

enum out_kind {
	OUT_TEXT,
	OUT_ID,    /* 64 hex digits; the table shows 12 */
	OUT_NUM,   /* right-aligned */
	OUT_SIZE,  /* bytes; the table shows 1.5M */
	OUT_SPAN,  /* milliseconds; the table shows 3h12m */
	OUT_BOOL,  /* the table shows yes or nothing */
	OUT_LIST,  /* array of text */
	OUT_PAIRS, /* object of text; the table shows a=b c=d */
	OUT_ROWS,  /* array of objects, described by .sub; out_object() only */
};

struct out_col {
	const char *key;   /* member of the row; NULL ends the table */
	const char *title; /* NULL: in the JSON form only */
	enum out_kind kind;
	const struct out_col *sub; /* OUT_ROWS */
};

/*
 * out_rows() - print the array @rows.
 *
 * An empty listing is [] in JSON and only its titles as a table.
 *
 * Return: 0; -ENOMEM; -EIO when @f can't be written.
 */
int out_rows(FILE *f, enum out_format format, const struct out_col *cols,
	     json_object *rows, struct err *err);

/*
 * out_blocks() - as out_rows(), for rows of long text: the first @head columns
 * on a line, aligned, and each other that is not empty on a line of its own
 * below it, "title: text".  Titles of the head are not printed.
 */
int out_blocks(FILE *f, enum out_format format, const struct out_col *cols,
	       size_t head, json_object *rows, struct err *err);

/*
 * out_object() - print one object: "Title: value" lines, then its OUT_ROWS
 * members as tables under their title.
 */
int out_object(FILE *f, enum out_format format, const struct out_col *cols,
	       json_object *obj, struct err *err);

/* out_line() - @o as JSON on a line of its own, written out at once.  Return: as
 * out_rows(). */
int out_line(FILE *f, json_object *o, struct err *err);

/*
 * out_escape() - @text with what a terminal might act on as \uXXXX: control
 * characters (C0, DEL, C1), direction overrides, and bytes that are no UTF-8
 * as \xXX.
 *
 * Return: owned; NULL when out of memory.
 */
char *out_escape(const char *text);

/* out_value() - one value as the table shows it, escaped.  @v may be NULL.
 * Return: owned; NULL when out of memory. */
char *out_value(enum out_kind kind, json_object *v);

#endif
