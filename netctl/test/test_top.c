/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "top": rates of counters that begin anew, rows of answers, tables that fit. */
#include "lib/test/test.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/jdec.h"
#include "netctl/askers.h"
#include "netctl/jget.h"
#include "netctl/top/draw.h"
#include "netctl/top/rows.h"

#define S 1000000000ull

/* ---- rates --------------------------------------------------------------------------- */

static const struct {
	const char *name;
	struct top_count was, now;
	double want;
} rates[] = {
	{ "a second", { 100, S }, { 350, 2 * S }, 250 },
	{ "half of one", { 100, S }, { 350, S + S / 2 }, 500 },
	{ "nothing came", { 100, S }, { 100, 2 * S }, 0 },
	{ "over 2^63", { 1, S }, { UINT64_MAX, 3 * S }, 9223372036854775807.0 },
	{ "began anew", { 100, S }, { 99, 2 * S }, TOP_UNKNOWN },
	{ "began anew at 0", { 5000000000, S }, { 0, 2 * S }, TOP_UNKNOWN },
	{ "no figure before", { 0, 0 }, { 99, 2 * S }, TOP_UNKNOWN },
	{ "none now", { 100, S }, { 0, 0 }, TOP_UNKNOWN },
	{ "no time between", { 100, S }, { 350, S }, TOP_UNKNOWN },
	{ "time went back", { 100, 2 * S }, { 350, S }, TOP_UNKNOWN },
};

static void rate_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		double got = top_rate(rates[i].was, rates[i].now);

		if (got < rates[i].want - 0.5 || got > rates[i].want + 0.5)
			fail_msg("%s: %f, not %f", rates[i].name, got,
				 rates[i].want);
	}
}

static const struct {
	double rate;
	enum top_unit unit;
	const char *want;
} texts[] = {
	{ TOP_UNKNOWN, TOP_BYTES, "-" }, { 0, TOP_BYTES, "0B" },
	{ 0.4, TOP_BYTES, "0B" },        { 999, TOP_BYTES, "999B" },
	{ 999.6, TOP_BYTES, "1.0K" },    { 1536, TOP_BYTES, "1.5K" },
	{ 102400, TOP_BYTES, "100K" },   { 1.25e9, TOP_BYTES, "1.2G" },
	{ 1e21, TOP_BYTES, "867E" },     { 0, TOP_NUMBER, "0" },
	{ 0.01, TOP_NUMBER, "0" },       { 0.5, TOP_NUMBER, "0.5" },
	{ 99.94, TOP_NUMBER, "99.9" },   { 99.96, TOP_NUMBER, "100" },
	{ 9999, TOP_NUMBER, "9999" },    { 9999.6, TOP_NUMBER, "10.0k" },
	{ 1234567, TOP_NUMBER, "1.2M" },
};

static void text_table(void **state)
{
	char buf[TOP_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_string_equal(top_text(texts[i].rate, texts[i].unit, buf),
				    texts[i].want);
}

static void sort_words(void **state)
{
	enum top_sort by = TOP_SORT_BYTES;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(top_sort_parse("name", &by, &err), 0);
	assert_int_equal(by, TOP_SORT_NAME);
	assert_int_equal(top_sort_parse("byte", &by, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "bytes, packets, conns or name"));
}

/* ---- rows ----------------------------------------------------------------------------- */

/* Two networks; the counted port of the first has @flows and @bytes. */
static json_object *answer(int flows, int bytes)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"Networks\":[{\"NetworkID\":\"aaaaaaaaaaaaaaaa\","
		 "\"Dataplane\":\"ebpf\",\"Endpoints\":1,\"EndpointList\":[{"
		 "\"EndpointID\":\"e1\",\"Interface\":\"veth1\","
		 "\"Address\":\"10.0.0.2/24\",\"Stats\":{\"Flows\":%d},"
		 "\"Ports\":[{\"EndpointID\":\"e1\",\"Proto\":\"tcp\","
		 "\"HostIP\":\"\",\"HostFirst\":80,\"HostLast\":81,"
		 "\"Stats\":{\"PacketsIn\":1,\"BytesIn\":%d,\"PacketsOut\":2,"
		 "\"BytesOut\":3,\"Flows\":%d,\"Refused\":0}}]}]},"
		 "{\"NetworkID\":\"b\",\"Endpoints\":1,\"EndpointList\":[{"
		 "\"EndpointID\":\"e2\",\"Interface\":\"\",\"Stats\":null,"
		 "\"Ports\":[]}]}]}",
		 flows, bytes, flows);
	return json_tokener_parse(text);
}

static void add(struct top_rows *rows, int flows, int bytes, uint64_t at)
{
	_cleanup_(json_putp) json_object *o = answer(flows, bytes);
	struct docker_names names = { .networks = json_object_new_object(),
				      .endpoints = json_object_new_object() };
	struct err err = { 0 };

	jset_str(names.networks, "b", "other");
	jset_str(names.endpoints, "e1", "w\033eb");
	assert_int_equal(
		top_rows_add(rows, "berth-bridge", o, at, &names, &err), 0);
	docker_names_fini(&names);
}

static const struct top_row *find(const struct top_rows *rows,
				  enum top_kind kind, const char *name)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].kind == kind &&
		    strcmp(rows->v[i].name, name) == 0)
			return &rows->v[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void rates_of_rows(void **state)
{
	struct top_rows was = { 0 }, now = { 0 }, again = { 0 };
	const struct top_row *port, *net;

	(void)state;
	add(&was, 10, 1000, S);
	top_rows_rates(&was, &again);
	top_rows_sort(&was, TOP_SORT_NAME);
	assert_int_equal(top_rows_count(&was, TOP_NETWORK), 2);
	assert_int_equal(top_rows_count(&was, TOP_ENDPOINT), 2);
	assert_int_equal(top_rows_count(&was, TOP_PORT), 1);
	port = find(&was, TOP_PORT, "*:80-81/tcp");
	assert_string_equal(port->of, "w\\u001beb");
	assert_true(port->rate[TOP_BYTES_IN] < 0);

	add(&now, 30, 5000, 3 * S);
	top_rows_rates(&now, &was);
	port = find(&now, TOP_PORT, "*:80-81/tcp");
	assert_true(port->rate[TOP_BYTES_IN] == 2000);
	assert_true(port->rate[TOP_CONNS] == 10);
	assert_true(port->rate[TOP_BYTES_OUT] == 0);
	net = find(&now, TOP_NETWORK, "aaaaaaaaaaaa");
	assert_true(net->rate[TOP_CONNS] == 10);
	assert_int_equal(net->count[TOP_CONNS].value, 30);
	assert_true(net->rate[TOP_BYTES_IN] < 0); /* no interface was read */
	assert_true(find(&now, TOP_NETWORK, "other")->rate[TOP_CONNS] < 0);

	/* Not read again: as it was.  Begun anew: nobody knows. */
	add(&again, 30, 5000, 3 * S);
	top_rows_rates(&again, &now);
	assert_true(find(&again, TOP_PORT, "*:80-81/tcp")->rate[TOP_CONNS] ==
		    10);
	top_rows_fini(&now);
	add(&now, 3, 500, 4 * S);
	top_rows_rates(&now, &again);
	assert_true(find(&now, TOP_PORT, "*:80-81/tcp")->rate[TOP_CONNS] < 0);
	assert_true(find(&now, TOP_NETWORK, "aaaaaaaaaaaa")->rate[TOP_CONNS] <
		    0);
	top_rows_fini(&was);
	top_rows_fini(&now);
	top_rows_fini(&again);
}

static void order(void **state)
{
	struct top_rows rows = { 0 }, none = { 0 };

	(void)state;
	add(&rows, 1, 1, S);
	top_rows_rates(&rows, &none);
	top_rows_sort(&rows, TOP_SORT_BYTES); /* all alike: by name */
	assert_string_equal(rows.v[0].name, "aaaaaaaaaaaa");
	assert_string_equal(rows.v[1].name, "other");
	rows.v[1].rate[TOP_BYTES_OUT] = 5;
	top_rows_sort(&rows, TOP_SORT_BYTES);
	assert_string_equal(rows.v[0].name, "other");
	top_rows_sort(&rows, TOP_SORT_NAME);
	assert_string_equal(rows.v[0].name, "aaaaaaaaaaaa");
	assert_int_equal(rows.v[4].kind, TOP_PORT);
	top_rows_fini(&rows);
}

/* ---- what is shown ---------------------------------------------------------------------- */

static size_t widest(const char *text, size_t *ret_lines)
{
	size_t most = 0;

	*ret_lines = 0;
	while (*text) {
		size_t n = strcspn(text, "\n");

		most = n > most ? n : most;
		text += n + (text[n] == '\n');
		(*ret_lines)++;
	}
	return most;
}

static void tables_fit(void **state)
{
	struct top_rows rows = { 0 }, none = { 0 };
	struct top_view v = { .rows = &rows,
			      .problems = { "berth-ipvlan: no answer for 3 s" },
			      .problem_count = 1,
			      .every_ms = 1000 };
	_cleanup_free_ char *all = NULL;
	size_t lines;

	(void)state;
	for (unsigned int i = 0; i < 30; i++)
		add(&rows, 1, 1, S);
	top_rows_rates(&rows, &none);
	top_rows_sort(&rows, TOP_SORT_NAME);
	for (size_t w = 20; w < 140; w++)
		for (size_t h = 4; h < 60; h++) {
			_cleanup_free_ char *text = top_draw(&v, w, h);
			size_t got = widest(text, &lines);

			if (got > w || lines > h)
				fail_msg("%zux%zu in %zux%zu:\n%s", got, lines,
					 w, h, text);
			if (w >= 44 && h >= 12) {
				assert_non_null(strstr(text, "no answer"));
				assert_non_null(strstr(text, "CONN/s"));
				assert_non_null(strstr(text, "PORT"));
				assert_non_null(strstr(text, " more\n"));
			}
		}
	all = top_draw(&v, 0, 0);
	assert_null(strstr(all, " more\n"));
	widest(all, &lines);
	assert_int_equal(lines, 2 + 3 + 2 + rows.n);
	top_rows_fini(&rows);
}

static void as_json(void **state)
{
	struct top_rows rows = { .words = true }, none = { 0 };
	struct top_view v = { .rows = &rows, .every_ms = 500, .now = 86400 };
	_cleanup_(json_putp) json_object *o = NULL;
	json_object *port, *net;

	(void)state;
	add(&rows, 7, 9, S);
	top_rows_rates(&rows, &none);
	o = top_json(&v);
	assert_string_equal(jget_str(o, "Time"), "1970-01-02T00:00:00Z");
	assert_int_equal(jget_int(o, "IntervalMs"), 500);
	assert_int_equal(jget_len(jget(o, "Endpoints")), 2);
	port = json_object_array_get_idx(jget(o, "Ports"), 0);
	assert_int_equal(jget_int(port, "BytesIn"), 9);
	assert_int_equal(jget_int(port, "HostFirst"), 80);
	assert_null(jget(port, "BytesInRate"));
	net = json_object_array_get_idx(jget(o, "Networks"), 1);
	assert_string_equal(jget_str(net, "Network"), "other");
	assert_null(jget(net, "Conns"));
	top_rows_fini(&rows);
}

/* ---- asking ------------------------------------------------------------------------------- */

struct gate {
	int fds[2]; /* a byte each lets one through */
};

static int slow(void *ctx, const void *arg, void **ret, struct err *err)
{
	struct gate *g = ctx;
	char c = 0;

	(void)arg;
	if (read(g->fds[0], &c, 1) != 1 || c == 'x')
		return err_set(err, -EIO, "told so");
	*ret = strdup("here");
	return *ret ? 0 : -ENOMEM;
}

static int quick(void *ctx, const void *arg, void **ret, struct err *err)
{
	(void)ctx;
	(void)err;
	*ret = strdup(arg);
	return *ret ? 0 : -ENOMEM;
}

static void until_took(struct askers *a, size_t i, unsigned int took,
		       struct asked *ret)
{
	uint64_t end = clock_mono_ms() + 10000;

	do {
		askers_look(a, i, ret);
		if (ret->took == took)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	} while (clock_mono_ms() < end);
	fail_msg("no answer came");
}

static void one_hangs_and_the_other_answers(void **state)
{
	static const struct question q[] = {
		{ .ask = slow, .free = free },
		{ .ask = quick, .free = free, .arg = "there" },
	};
	struct askers *a = NULL;
	struct err err = { 0 };
	struct gate g;
	struct asked got;

	(void)state;
	assert_int_equal(pipe(g.fds), 0);
	assert_int_equal(askers_start(q, 2, &g, &a, &err), 0);
	askers_look(a, 0, &got);
	assert_int_equal(got.took, 0);
	assert_null(got.answer);
	askers_ask(a, 0);
	askers_ask(a, 1);
	until_took(a, 1, 1, &got);
	assert_string_equal(got.answer, "there");
	assert_true(got.at_ns > 0);
	assert_true(askers_busy(a, 2));
	askers_ask(a, 0); /* it is being asked: once is enough */
	askers_look(a, 0, &got);
	assert_true(got.busy_ms > 0);
	assert_null(got.answer);
	assert_int_equal(write(g.fds[1], "y", 1), 1);
	until_took(a, 0, 1, &got);
	assert_string_equal(got.answer, "here");
	assert_int_equal(got.busy_ms, 0);
	assert_false(askers_busy(a, 2));
	/* An error takes the answer away. */
	askers_ask(a, 0);
	assert_int_equal(write(g.fds[1], "x", 1), 1);
	until_took(a, 0, 2, &got);
	assert_null(got.answer);
	assert_int_equal(got.r, -EIO);
	assert_string_equal(got.err.msg, "told so");
	askers_stop(a);
	close(g.fds[0]);
	close(g.fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_table),
		cmocka_unit_test(text_table),
		cmocka_unit_test(sort_words),
		cmocka_unit_test(rates_of_rows),
		cmocka_unit_test(order),
		cmocka_unit_test(tables_fit),
		cmocka_unit_test(as_json),
		cmocka_unit_test(one_hangs_and_the_other_answers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
