/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text to JSON object.  json-c parses; what it lets pass is refused by a scan
 * before it: bytes that are no UTF-8, \u0000 (json-c strings may hold a NUL,
 * C strings may not), lone surrogates (json-c puts U+FFFD), control
 * characters in strings, and NaN and Infinity (taken even when strict).
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"

#define DEPTH_MAX 32

struct scan {
	const unsigned char *at, *end;
	const char *why; /* NULL: no fault found */
};

/* Bytes of the UTF-8 character at @p, 0 when it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *p, const unsigned char *end)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0; /* overlong, a surrogate, above U+10FFFF */
	return n;
}

/* The value of "XXXX" at @p, -1 when it is none. */
static int hex4(const unsigned char *p, const unsigned char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		unsigned char c = p[i] | 0x20;

		if (p[i] >= '0' && p[i] <= '9')
			v = v * 16 + (p[i] - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* At a backslash in a string. */
static void scan_escape(struct scan *s)
{
	int v, low;

	if (s->end - s->at < 2 || s->at[1] != 'u') {
		s->at += s->end - s->at < 2 ? 1 : 2; /* json-c judges it */
		return;
	}
	v = hex4(s->at + 2, s->end);
	if (v < 0) {
		s->why = "a broken \\u escape";
	} else if (v == 0) {
		s->why = "a NUL character (\\u0000) in a string";
	} else if (v >= 0xd800 && v <= 0xdbff) {
		low = s->end - s->at >= 12 && s->at[6] == '\\' &&
				      s->at[7] == 'u'
			      ? hex4(s->at + 8, s->end)
			      : -1;
		if (low < 0xdc00 || low > 0xdfff)
			s->why = "half of a surrogate pair";
		s->at += 12;
	} else if (v >= 0xdc00 && v <= 0xdfff) {
		s->why = "half of a surrogate pair";
	} else {
		s->at += 6;
	}
}

/* The first fault of the text, or NULL. */
static const char *scan_text(const char *text, size_t len)
{
	struct scan s = { .at = (const unsigned char *)text };
	bool in_string = false;

	s.end = s.at + len;
	while (s.at < s.end && !s.why) {
		size_t n = utf8_len(s.at, s.end);

		if (n == 0) {
			s.why = "not UTF-8";
		} else if (*s.at == 0) {
			s.why = "a NUL byte";
		} else if (in_string && *s.at < 0x20) {
			s.why = "a control character in a string";
		} else if (in_string && *s.at == '\\') {
			scan_escape(&s);
		} else if (!in_string && (*s.at == 'N' || *s.at == 'I')) {
			s.why = "NaN and Infinity are no JSON";
		} else {
			in_string ^= *s.at == '"';
			s.at += n;
		}
	}
	return s.why;
}

static void tokener_freep(json_tokener **tok)
{
	if (*tok)
		json_tokener_free(*tok);
}

int jdec_parse(const char *text, size_t len, json_object **ret, struct err *err)
{
	_cleanup_(tokener_freep) json_tokener *tok = NULL;
	_cleanup_(json_putp) json_object *obj = NULL;
	const char *why = scan_text(text, len);
	enum json_tokener_error fault;

	if (len > INT_MAX)
		return err_set(err, -EBADMSG, "JSON: longer than 2 GiB");
	if (why)
		return err_set(err, -EBADMSG, "JSON: %s", why);
	tok = json_tokener_new_ex(DEPTH_MAX);
	if (!tok)
		return err_set(err, -ENOMEM, "JSON: out of memory");
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	obj = json_tokener_parse_ex(tok, text, (int)len);
	fault = json_tokener_get_error(tok);
	if (fault == json_tokener_continue) {
		/* a bare null or number ends only at what follows */
		obj = json_tokener_parse_ex(tok, " ", 1);
		fault = json_tokener_get_error(tok);
		len = 1;
	}
	if (fault == json_tokener_continue)
		return err_set(err, -EBADMSG, "JSON: ends too early");
	if (fault != json_tokener_success)
		return err_set(err, -EBADMSG, "JSON: %s at byte %zu",
			       json_tokener_error_desc(fault),
			       json_tokener_get_parse_end(tok));
	if (json_tokener_get_parse_end(tok) != len)
		return err_set(err, -EBADMSG, "JSON: text after the document");
	if (!json_object_is_type(obj, json_type_object))
		return err_set(err, -EBADMSG, "JSON: not an object");
	*ret = take_ptr(obj);
	return 0;
}
