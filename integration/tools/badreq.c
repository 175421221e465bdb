// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * badreq: malformed requests, made from the daemons' own field tables, over a
 * plugin's real socket.
 *
 * Each table entry gives, for each kind of JSON value that it does not take,
 * one request that is right but for that value; each type adds texts of its
 * own.  Then come broken JSON for each method and broken HTTP.  Of each request
 * it checks: the status and the error's text (it names the field), that what
 * the daemon lists is the same as before, and that the next request is
 * answered.  Prints the requests that were treated wrongly; exits 1 if any, or
 * if fewer than the daemon's methods make were sent.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "integration/tools/badreq_values.h"
#include "ipam/ipam_api.h"
#include "lib/base.h"
#include "lib/jdec.h"
#include "netplugins/net_api.h"
#include "runtime/names/dns.h"
#include "volplugins/vol_api.h"

#define ANSWER_MAX (1u << 20)
#define DEPTH_MAX  8
#define HOLE       "@hole@" /* replaced by raw text */

struct run;

/* A kind of daemon: by what it implements. */
struct plugin_kind {
	const char *implements, *list; /* the method that lists all it keeps */
	void (*try)(struct run *run);
	unsigned int least; /* as many requests are sent at least */
};

struct run {
	struct sockaddr_un addr;
	const struct plugin_kind *kind;
	bool verbose;
	unsigned int sent, wrong;
	char *before; /* owned: what the daemon listed */
};

/* What came back; .text is reused. */
struct answer {
	unsigned int status; /* 0: closed without one */
	char text[ANSWER_MAX];
};

static struct answer got;

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

/* ---- the wire ---------------------------------------------------------- */

static int dial(const struct run *run)
{
	const struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&run->addr,
			      sizeof(run->addr)) < 0)
		die("connect %s: %m", run->addr.sun_path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return fd;
}

static void put(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* refused early: its answer says why */
		data += n;
		len -= (size_t)n;
	}
}

/* Is the answer in .text whole? */
static bool whole(size_t len)
{
	const char *end = strstr(got.text, "\r\n\r\n");
	const char *cl = strcasestr(got.text, "content-length:");

	if (!end || !cl || cl > end)
		return false;
	return len >= (size_t)(end + 4 - got.text) + strtoul(cl + 15, NULL, 10);
}

static void take(int fd)
{
	size_t len = 0;
	ssize_t n;

	got.text[0] = '\0';
	got.status = 0;
	while (!whole(len)) {
		n = recv(fd, got.text + len, ANSWER_MAX - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		got.text[len] = '\0';
	}
	if (sscanf(got.text, "HTTP/1.%*c %u", &got.status) != 1)
		got.status = 0;
}

static const char *answer_body(void)
{
	const char *end = strstr(got.text, "\r\n\r\n");

	return end ? end + 4 : "";
}

static void send_raw(const struct run *run, const char *data, size_t len)
{
	int fd = dial(run);

	put(fd, data, len);
	take(fd);
	close(fd);
}

static void post(const struct run *run, const char *method, const char *body,
		 size_t len)
{
	char head[256];
	int fd = dial(run);
	int n = snprintf(head, sizeof(head),
			 "POST /%s HTTP/1.1\r\nHost: \r\n"
			 "Content-Length: %zu\r\n\r\n",
			 method, len);

	put(fd, head, (size_t)n);
	put(fd, body, len);
	take(fd);
	close(fd);
}

/* ---- the verdict ------------------------------------------------------- */

static void wrong(struct run *run, const char *what, const char *why)
{
	run->wrong++;
	printf("wrong: %s: %s\n  answer: status %u %.300s\n", what, why,
	       got.status, answer_body());
}

/* What the daemon keeps, as text.  Owned. */
/* Figures that come and age by themselves. */
static void drop_figures(json_object *o)
{
	static const char *const keys[] = { "UsageKnown", "UsedBytes",
					    "UsageAgeS" };

	if (json_object_is_type(o, json_type_array))
		for (size_t i = 0; i < json_object_array_length(o); i++)
			drop_figures(json_object_array_get_idx(o, i));
	if (!json_object_is_type(o, json_type_object))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_object_del(o, keys[i]);
	json_object_object_foreach(o, key, val)
	{
		(void)key;
		drop_figures(val);
	}
}

static char *listing(const struct run *run)
{
	json_object *all;
	char *text;

	post(run, run->kind->list, "{}", 2);
	all = got.status == 200 ? json_tokener_parse(answer_body()) : NULL;
	if (!all)
		die("the daemon does not list what it keeps");
	drop_figures(all);
	text = strdup(json_object_to_json_string(all));
	json_object_put(all);
	if (!text)
		die("out of memory");
	return text;
}

/*
 * Judge the answer in @got.
 * @names: a word of the error's text; NULL: any.  @statuses: ended by 0xffff;
 * 0 among them: may close without an answer.
 */
static void judge(struct run *run, const char *what, const char *names,
		  const unsigned int *statuses)
{
	bool listed = false;

	run->sent++;
	if (run->verbose)
		printf("%s: %u %.200s\n", what, got.status, answer_body());
	for (; *statuses != 0xffff; statuses++)
		listed |= *statuses == got.status;
	if (!listed)
		wrong(run, what, "another status was expected");
	else if (got.status && names && !strstr(answer_body(), names))
		wrong(run, what, "the error does not name the field");
	post(run, "Plugin.Activate", "", 0);
	if (got.status != 200)
		wrong(run, what, "the next request was not answered");
}

static const unsigned int refused[] = { 400, 0xffff };

/* ---- bodies ------------------------------------------------------------ */

/* From a method's table down to one field. */
struct path {
	const struct jdec_field *steps[DEPTH_MAX];
	unsigned int depth;
};

static json_object *raw_value(const char *text)
{
	json_object *o = json_tokener_parse(text);

	return o ? o : json_object_new_string(text);
}

/* An object of @fields with what is required, and a hole at @p's end. */
static json_object *object_with_hole(const struct jdec_field *fields,
				     const struct path *p, unsigned int at)
{
	const struct jdec_field *target = p->steps[at];
	json_object *o = json_object_new_object(), *v;

	for (const struct jdec_field *f = fields; f->key; f++)
		if ((f->flags & JDEC_REQUIRED) && strcmp(f->key, target->key))
			json_object_object_add(o, f->key,
					       raw_value(value_sample(f)));
	if (at + 1 == p->depth) {
		v = json_object_new_string(HOLE);
	} else {
		v = object_with_hole(target->sub, p, at + 1);
		if (target->type == JDEC_ARRAY) {
			json_object *list = json_object_new_array();

			json_object_array_add(list, v);
			v = list;
		}
	}
	json_object_object_add(o, target->key, v);
	return o;
}

/* The body with @raw in the hole; @len of it.  Owned. */
static char *body_fill(const struct jdec_field *fields, const struct path *p,
		       const char *raw, size_t *len)
{
	json_object *o = object_with_hole(fields, p, 0);
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	const char *hole = strstr(text, "\"" HOLE "\"");
	char *body = NULL;
	int n = asprintf(&body, "%.*s%s%s", (int)(hole - text), text, raw,
			 hole + strlen(HOLE) + 2);

	json_object_put(o);
	if (n < 0)
		die("out of memory");
	*len = (size_t)n;
	return body;
}

static void path_text(const char *method, const struct path *p, const char *raw,
		      char *buf, size_t size)
{
	size_t n = (size_t)snprintf(buf, size, "%s ", method);

	for (unsigned int i = 0; i < p->depth && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%s", i ? "." : "",
				      p->steps[i]->key);
	if (n < size)
		snprintf(buf + n, size - n, " = %.60s", raw);
}

/* ---- fields ------------------------------------------------------------ */

struct target {
	struct run *run;
	const char *method;
	const struct jdec_field *fields;
	struct path path;
};

/* @named: the error must name the field (broken JSON has no fields yet). */
static void try_value(struct target *t, const char *raw, bool named)
{
	const struct jdec_field *f = t->path.steps[t->path.depth - 1];
	char what[512];
	size_t len;
	char *body = body_fill(t->fields, &t->path, raw, &len);

	path_text(t->method, &t->path, raw, what, sizeof(what));
	post(t->run, t->method, body, len);
	judge(t->run, what, named ? f->key : NULL, refused);
	free(body);
}

static void try_list(struct target *t, const char *const *list, bool named)
{
	for (; *list; list++)
		try_value(t, *list, named);
}

static void try_repeated(struct target *t, const char *open, char c, size_t n,
			 const char *close, bool named)
{
	size_t a = strlen(open), b = strlen(close);
	char *raw = malloc(a + n + b + 1);

	if (!raw)
		die("out of memory");
	memcpy(raw, open, a);
	memset(raw + a, c, n);
	memcpy(raw + a + n, close, b + 1);
	try_value(t, raw, named);
	free(raw);
}

static void try_too_many(struct target *t, size_t max)
{
	size_t len = (max + 1) * 3;
	char *raw = malloc(len + 2);

	if (!raw)
		die("out of memory");
	for (size_t i = 0; i <= max; i++)
		memcpy(raw + 1 + i * 3, "{},", 3);
	raw[0] = '[';
	strcpy(raw + len, "]");
	try_value(t, raw, true);
	free(raw);
}

static void try_number_range(struct target *t, const struct jdec_field *f)
{
	if (f->type == JDEC_U8)
		try_value(t, "256", true);
	if (f->type == JDEC_U16)
		try_value(t, "65536", true);
	if (f->type == JDEC_U32)
		try_value(t, "4294967296", true);
	try_list(t, value_bad_numbers, false);
	try_repeated(t, "", '9', 1u << 20, "", false); /* 1 MiB of digits */
}

static void try_type(struct target *t, const struct jdec_field *f)
{
	if (value_is_number(f))
		try_number_range(t, f);
	if (value_is_text(f))
		try_list(t, value_bad_texts, false);
	if (f->type == JDEC_STR || f->type == JDEC_ID) {
		try_repeated(t, "\"", 'a', f->size, "\"", true);
		try_repeated(t, "\"", 'a', 10240, "\"", true);
	}
	if (f->type == JDEC_ID)
		try_list(t, value_bad_ids, true);
	if (f->type == JDEC_IP)
		try_list(t, value_bad_ips, true);
	if (f->type == JDEC_PREFIX)
		try_list(t, value_bad_prefixes, true);
	if (f->type == JDEC_MAC)
		try_list(t, value_bad_macs, true);
	if (f->type == JDEC_ARRAY) {
		try_value(t, "[null]", true);
		try_value(t, "[[]]", true);
		try_value(t, "[\"x\"]", true);
		try_too_many(t, f->elem_max ? f->elem_max : 65536);
	}
}

static void try_left_out(struct target *t, const struct jdec_field *f)
{
	json_object *o = object_with_hole(t->fields, &t->path, 0), *at = o;
	char what[512];
	const char *text;

	for (unsigned int i = 0; i + 1 < t->path.depth; i++) {
		json_object_object_get_ex(at, t->path.steps[i]->key, &at);
		if (t->path.steps[i]->type == JDEC_ARRAY)
			at = json_object_array_get_idx(at, 0);
	}
	json_object_object_del(at, f->key);
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	path_text(t->method, &t->path, "(left out)", what, sizeof(what));
	post(t->run, t->method, text, strlen(text));
	judge(t->run, what, f->key, refused);
	json_object_put(o);
}

static void try_fields(struct target *t, const struct jdec_field *fields)
{
	if (t->path.depth == DEPTH_MAX)
		die("%s: tables are deeper than %d", t->method, DEPTH_MAX);
	for (const struct jdec_field *f = fields; f->key; f++) {
		t->path.steps[t->path.depth++] = f;
		for (int k = 0; k < KIND_MAX; k++)
			if (!value_kind_fits(f, (enum kind)k))
				try_value(t, value_kinds[k], k != KIND_HUGE);
		try_type(t, f);
		if (f->flags & JDEC_REQUIRED)
			try_left_out(t, f);
		if (f->sub)
			try_fields(t, f->sub);
		t->path.depth--;
	}
}

/* ---- JSON as a whole --------------------------------------------------- */

static const struct {
	const char *name, *text;
} documents[] = {
	{ "null", "null" },
	{ "true", "true" },
	{ "a number", "12" },
	{ "a string", "\"{}\"" },
	{ "an array", "[]" },
	{ "an array of objects", "[{}]" },
	{ "blanks", " \t\r\n" },
	{ "cut after the brace", "{" },
	{ "cut in a key", "{\"Na" },
	{ "cut after a colon", "{\"Name\":" },
	{ "no closing brace", "{\"Name\":\"x\"" },
	{ "two documents", "{}{}" },
	{ "text behind", "{} x" },
	{ "a comma too much", "{\"a\":1,}" },
	{ "a comma first", "{,\"a\":1}" },
	{ "no colon", "{\"a\" 1}" },
	{ "a key without quotes", "{a:1}" },
	{ "single quotes", "{\"a\":'b'}" },
	{ "a comment", "{/* */}" },
	{ "a byte order mark", "\xef\xbb\xbf{}" },
	{ "UTF-16", "{\x01\"\x01" },
	{ "bad UTF-8 in a key", "{\"\xff\":1}" },
	{ "\\u0000 in a key", "{\"\\u0000\":1}" },
	{ "half a surrogate in a key", "{\"\\ud83d\":1}" },
	{ "a control character", "{\"a\":\"\x02\"}" },
};

static void try_deep(struct run *run, const char *method, const char *open,
		     const char *name)
{
	size_t one = strlen(open), n = 10000;
	char what[256], *body = malloc(n * one + 16);

	if (!body)
		die("out of memory");
	strcpy(body, "{\"a\":");
	for (size_t i = 0; i < n; i++)
		memcpy(body + 5 + i * one, open, one);
	snprintf(what, sizeof(what), "%s: 10,000 %s", method, name);
	post(run, method, body, 5 + n * one);
	judge(run, what, "Err", refused);
	free(body);
}

static void try_documents(struct run *run, const char *method)
{
	/* An empty body is a broken request's retry: an error, of any kind. */
	static const unsigned int error[] = { 200, 400, 500, 0xffff };
	char what[256];

	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		snprintf(what, sizeof(what), "%s: %s", method,
			 documents[i].name);
		post(run, method, documents[i].text, strlen(documents[i].text));
		judge(run, what, "\"Err\":", refused);
	}
	try_deep(run, method, "[", "open brackets");
	try_deep(run, method, "{\"a\":", "open braces");
	/* OperInfo reads, and an error there fails the container's start: an
	 * empty retry gets an empty answer.  /Berth.* is never retried. */
	if (!strcmp(method, "NetworkDriver.EndpointOperInfo") ||
	    !strncmp(method, "Berth.", 6))
		return;
	snprintf(what, sizeof(what), "%s: no body", method);
	post(run, method, "", 0);
	judge(run, what, "\"Err\":", error);
}

static void try_method(struct run *run, const char *method,
		       const struct jdec_field *fields)
{
	struct target t = { .run = run, .method = method, .fields = fields };

	try_fields(&t, fields);
	try_documents(run, method);
}

/* ---- HTTP -------------------------------------------------------------- */

#define POST  "POST /Plugin.Activate HTTP/1.1\r\nHost: \r\n"
#define LEN   "Content-Length: "
#define CHUNK "Transfer-Encoding: chunked\r\n"
#define END   "\r\n\r\n"

/* .status 1: 4xx, 5xx or closed; 2: that, or taken as harmless. */
static const struct {
	const char *name, *raw;
	unsigned int status;
} messages[] = {
	{ "unknown method", "POST /No.Such HTTP/1.1\r\n" LEN "2" END "{}",
	  404 },
	{ "no method", "POST / HTTP/1.1\r\n" LEN "2" END "{}", 404 },
	{ "a path above", "POST /../x HTTP/1.1\r\n" LEN "2" END "{}", 404 },
	{ "an encoded name", "POST /Plugin%2eActivate HTTP/1.1" END, 404 },
	{ "%00 in the path", "POST /Plugin.Activate%00 HTTP/1.1" END, 404 },
	{ "GET", "GET /Plugin.Activate HTTP/1.1" END, 405 },
	{ "HEAD", "HEAD /Plugin.Activate HTTP/1.1" END, 405 },
	{ "PUT", "PUT /Plugin.Activate HTTP/1.1\r\n" LEN "2" END "{}", 405 },
	{ "DELETE", "DELETE /Plugin.Activate HTTP/1.1" END, 405 },
	{ "OPTIONS", "OPTIONS * HTTP/1.1" END, 405 },
	{ "a verb of ours", "BREW /Plugin.Activate HTTP/1.1" END, 405 },
	{ "post in lower case", "post /Plugin.Activate HTTP/1.1" END, 405 },
	{ "HTTP/0.9", "GET /Plugin.Activate" END, 1 },
	{ "HTTP/2.0", "POST /Plugin.Activate HTTP/2.0" END, 505 },
	{ "HTTP/2 preface", "PRI * HTTP/2.0" END "SM" END, 505 },
	{ "HTTP/1.1.1", "POST /Plugin.Activate HTTP/1.1.1" END, 1 },
	{ "not HTTP", "POST /Plugin.Activate FTP/1.1" END, 1 },
	{ "no version", "POST /Plugin.Activate" END, 1 },
	{ "TLS hello", "\x16\x03\x01\x01\x05\x01\x01\x01\x01" END, 1 },
	{ "blanks only", "    " END, 1 },
	{ "a header without a colon", POST "Colonless" END, 1 },
	{ "a header without a name", POST ": x" END, 2 },
	{ "a bare CR in a header", POST "A: b\rc" END, 2 },
	{ "Content-Length -1", POST LEN "-1" END, 400 },
	{ "Content-Length +2", POST LEN "+2" END "{}", 400 },
	{ "Content-Length 0x2", POST LEN "0x2" END "{}", 400 },
	{ "Content-Length 1e3", POST LEN "1e3" END "{}", 400 },
	{ "Content-Length 2^63", POST LEN "9223372036854775808" END, 413 },
	{ "Content-Length 2^64", POST LEN "18446744073709551616" END, 413 },
	{ "Content-Length empty", POST LEN END, 400 },
	{ "Content-Length as words", POST LEN "two" END, 400 },
	{ "Content-Length with a tail", POST LEN "2 x" END "{}", 400 },
	{ "Content-Length as a list", POST LEN "2,2" END "{}", 400 },
	{ "Content-Length twice", POST LEN "2\r\n" LEN "2" END "{}", 400 },
	{ "Content-Length twice, differing", POST LEN "2\r\n" LEN "3" END "{}",
	  400 },
	{ "Content-Length with chunks", POST LEN "2\r\n" CHUNK "\r\n0" END,
	  400 },
	{ "chunked twice", POST CHUNK CHUNK "\r\n0" END, 400 },
	{ "gzip, chunked", POST "Transfer-Encoding: gzip, chunked" END "0" END,
	  501 },
	{ "identity", POST "Transfer-Encoding: identity" END, 501 },
	{ "xchunked", POST "Transfer-Encoding: xchunked" END "0" END, 501 },
	{ "17 MiB announced", POST LEN "17825792" END, 413 },
	{ "64 MiB announced", POST LEN "67108864" END, 413 },
	{ "a chunk's size in words", POST CHUNK "\r\nzz\r\n{}\r\n0" END, 400 },
	{ "a chunk's size missing", POST CHUNK "\r\n\r\n{}\r\n0" END, 400 },
	{ "a chunk's size negative", POST CHUNK "\r\n-2\r\n{}\r\n0" END, 400 },
	{ "a chunk of 2^64", POST CHUNK "\r\n10000000000000000\r\n{}", 413 },
	{ "a chunk without its end", POST CHUNK "\r\n2\r\n{}xx0" END, 400 },
	{ "Expect: tea", POST LEN "2\r\nExpect: tea" END "{}", 417 },
};

static void try_messages(struct run *run)
{
	static const unsigned int harmless[] = {
		200, 400, 404, 405, 413, 417, 431, 500, 501, 505, 0, 0xffff
	};
	const unsigned int *refused_somehow = harmless + 1;

	for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
		unsigned int one[] = { messages[i].status, 0xffff };

		send_raw(run, messages[i].raw, strlen(messages[i].raw));
		judge(run, messages[i].name, NULL,
		      messages[i].status == 1   ? refused_somehow
		      : messages[i].status == 2 ? harmless
						: one);
	}
}

static void try_large_heads(struct run *run)
{
	static const unsigned int large[] = { 413, 414, 431, 0, 0xffff };
	char *raw = malloc(1u << 17), what[64];

	if (!raw)
		die("out of memory");
	for (size_t n = 9000; n < 100000; n = n * 3 / 2) {
		strcpy(raw, POST "A: ");
		memset(raw + strlen(POST "A: "), 'x', n);
		strcpy(raw + strlen(POST "A: ") + n, END);
		snprintf(what, sizeof(what), "a header of %zu bytes", n);
		send_raw(run, raw, strlen(raw));
		judge(run, what, NULL, large);
	}
	for (int n = 65; n < 1000; n *= 2) {
		strcpy(raw, POST);
		for (int i = 0; i < n; i++)
			strcat(raw, "A: b\r\n");
		strcat(raw, "\r\n");
		snprintf(what, sizeof(what), "%d headers", n);
		send_raw(run, raw, strlen(raw));
		judge(run, what, NULL, large);
	}
	free(raw);
}

/* ---- all of it --------------------------------------------------------- */

static void try_network(struct run *run)
{
	for (const struct net_api_method *m = net_api_methods; m->name; m++)
		try_method(run, m->name, m->fields);
}

static void try_lists(struct run *run, const struct rpc_method *const *lists,
		      const struct jdec_field *(*fields)(const char *method))
{
	for (; *lists; lists++)
		for (const struct rpc_method *m = *lists; m->name; m++)
			if (fields(m->name))
				try_method(run, m->name, fields(m->name));
}

static void try_volume(struct run *run)
{
	static const struct rpc_method *const lists[] = { vol_api_methods,
							  vol_api_berth_methods,
							  vol_api_copy_methods,
							  NULL };

	try_lists(run, lists, vol_api_fields);
}

static void try_ipam(struct run *run)
{
	static const struct rpc_method *const lists[] = {
		ipam_api_methods, ipam_api_berth_methods, NULL
	};

	try_lists(run, lists, ipam_api_fields);
}

static void try_names(struct run *run)
{
	static const struct rpc_method *const lists[] = { names_api_methods,
							  NULL };

	try_lists(run, lists, names_api_fields);
}

/* The last that fits. */
static const struct plugin_kind kinds[] = {
	{ "\"Implements\":[]", "Berth.Names", try_names, 300 },
	{ "NetworkDriver", "Berth.Networks", try_network, 500 },
	{ "VolumeDriver", "Berth.Volumes", try_volume, 500 },
	{ "IpamDriver", "Berth.IpamLeases", try_ipam, 500 },
};

int main(int argc, char **argv)
{
	struct run run = { .addr = { .sun_family = AF_UNIX } };
	char *after;

	run.verbose = argc > 2 && !strcmp(argv[2], "-v");
	if (argc < 2 || strlen(argv[1]) >= sizeof(run.addr.sun_path))
		die("usage: badreq SOCKET [-v]");
	strcpy(run.addr.sun_path, argv[1]);
	post(&run, "Plugin.Activate", "", 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strstr(answer_body(), kinds[i].implements))
			run.kind = &kinds[i];
	if (!run.kind)
		die("%s: no plugin answers", argv[1]);
	run.before = listing(&run);
	run.kind->try(&run);
	try_messages(&run);
	try_large_heads(&run);
	after = listing(&run);
	if (strcmp(run.before, after) != 0) {
		run.wrong++;
		printf("wrong: the daemon's state changed\n  before: %s\n"
		       "  after:  %s\n",
		       run.before, after);
	}
	free(run.before);
	free(after);
	printf("badreq: %u requests, %u treated wrongly\n", run.sent,
	       run.wrong);
	return run.wrong > 0 || run.sent < run.kind->least;
}
