/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_portmap.c - entries as Docker sends them become few ranges. */
#include "lib/test/test.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dataplane/portmap.h"
#include "lib/base.h"

#define MANY 60000

struct entry {
	const char *ip;
	int first, last, port;
	char proto; /* t, u, s; in capitals: live */
};

struct row {
	const char *name;
	struct entry in[6];
	const char *out; /* ranges, separated by a space */
	int want;
	const char *msg;
};

static const struct row rows[] = {
	{ .name = "one port",
	  .in = { { "", 80, 80, 80, 't' } },
	  .out = "80->80/tcp" },
	{ .name = "neighbours are joined",
	  .in = { { "", 81, 81, 81, 't' },
		  { "", 80, 80, 80, 't' },
		  { "", 82, 82, 82, 't' } },
	  .out = "80-82->80-82/tcp" },
	{ .name = "shifted neighbours are joined",
	  .in = { { "", 8081, 8081, 81, 't' }, { "", 8080, 8080, 80, 't' } },
	  .out = "8080-8081->80-81/tcp" },
	{ .name = "a gap on the container's side parts them",
	  .in = { { "", 80, 80, 80, 't' }, { "", 81, 81, 90, 't' } },
	  .out = "80->80/tcp 81->90/tcp" },
	{ .name = "protocols are apart",
	  .in = { { "", 80, 80, 80, 'u' },
		  { "", 81, 81, 81, 't' },
		  { "", 80, 80, 80, 's' } },
	  .out = "81->81/tcp 80->80/udp 80->80/sctp" },
	{ .name = "addresses are apart",
	  .in = { { "192.0.2.2", 80, 80, 80, 't' },
		  { "192.0.2.1", 80, 80, 81, 't' } },
	  .out = "192.0.2.1:80->81/tcp 192.0.2.2:80->80/tcp" },
	{ .name = "families are apart",
	  .in = { { "::", 80, 80, 80, 't' }, { "0.0.0.0", 80, 80, 81, 't' } },
	  .out = "0.0.0.0:80->81/tcp [::]:80->80/tcp" },
	{ .name = "the same twice is once",
	  .in = { { "", 80, 80, 80, 't' }, { "", 80, 80, 80, 't' } },
	  .out = "80->80/tcp" },
	{ .name = "any address covers one",
	  .in = { { "127.0.0.1", 80, 80, 80, 't' }, { "", 80, 80, 80, 't' } },
	  .out = "80->80/tcp" },
	{ .name = "both families cover 0.0.0.0 and ::",
	  .in = { { "0.0.0.0", 80, 80, 80, 't' },
		  { "::", 80, 80, 80, 't' },
		  { "", 80, 80, 80, 't' } },
	  .out = "80->80/tcp" },
	{ .name = "two container ports behind one host port",
	  .in = { { "", 80, 80, 80, 't' }, { "", 80, 80, 81, 't' } },
	  .want = -EEXIST,
	  .msg = "80->80/tcp and 80->81/tcp: " },
	{ .name = "the same through any address",
	  .in = { { "192.0.2.1", 80, 80, 81, 't' }, { "", 80, 80, 80, 't' } },
	  .want = -EEXIST,
	  .msg = "80->80/tcp and 192.0.2.1:80->81/tcp: " },
	{ .name = "ephemeral ports stay apart",
	  .in = { { "", 0, 0, 81, 't' }, { "", 0, 0, 80, 't' } },
	  .out = "?->80/tcp ?->81/tcp" },
	{ .name = "one of a range is to be chosen",
	  .in = { { "", 9100, 9110, 82, 't' } },
	  .out = "9100-9110->82/tcp" },
	{ .name = "a fixed port next to a choice",
	  .in = { { "", 9100, 9110, 82, 't' }, { "", 9100, 9100, 82, 't' } },
	  .out = "9100->82/tcp 9100-9110->82/tcp" },
	{ .name = "the last port",
	  .in = { { "", 65535, 65535, 65535, 'u' },
		  { "", 65534, 65534, 65534, 'u' } },
	  .out = "65534-65535->65534-65535/udp" },
	{ .name = "v6 address",
	  .in = { { "::1", 6060, 6060, 60, 't' } },
	  .out = "[::1]:6060->60/tcp" },
	{ .name = "live ones are joined with nothing",
	  .in = { { "", 80, 80, 80, 't' },
		  { "", 81, 81, 81, 'T' },
		  { "", 82, 82, 82, 'T' } },
	  .out = "80->80/tcp 81->81/tcp 82->82/tcp" },
	{ .name = "a live one that is there is no second one",
	  .in = { { "127.0.0.1", 80, 80, 80, 'T' },
		  { "", 80, 80, 80, 't' },
		  { "", 81, 81, 81, 't' },
		  { "", 81, 81, 81, 'T' } },
	  .out = "80-81->80-81/tcp" },
	{ .name = "a live one does not cover what is not",
	  .in = { { "127.0.0.1", 80, 80, 80, 't' }, { "", 80, 80, 80, 'T' } },
	  .want = -EEXIST,
	  .msg = "80->80/tcp and 127.0.0.1:80->80/tcp: " },
	{ .name = "nor another live one's address",
	  .in = { { "127.0.0.1", 80, 80, 80, 'T' }, { "", 80, 80, 80, 'T' } },
	  .want = -EEXIST,
	  .msg = "80->80/tcp and 127.0.0.1:80->80/tcp: given twice" },
	{ .name = "container port 0",
	  .in = { { "", 80, 80, 0, 't' } },
	  .want = -EINVAL,
	  .msg = "container port 0" },
	{ .name = "backwards",
	  .in = { { "", 80, 79, 80, 't' } },
	  .want = -EINVAL,
	  .msg = "host ports 80-79: backwards" },
	{ .name = "unknown protocol",
	  .in = { { "", 80, 80, 80, 'x' } },
	  .want = -EINVAL,
	  .msg = "protocol 99: only tcp, udp and sctp" },
};

static uint8_t proto(char c)
{
	return c == 't'   ? IPPROTO_TCP
	       : c == 'u' ? IPPROTO_UDP
	       : c == 's' ? IPPROTO_SCTP
			  : 99;
}

static int add(struct portmap *m, const struct entry *e, struct err *err)
{
	struct ip_addr ip = { 0 };

	if (e->ip[0])
		assert_int_equal(ip_parse(e->ip, &ip, NULL), 0);
	int r = portmap_add(m, &ip, proto((char)tolower(e->proto)),
			    (uint16_t)e->first, (uint16_t)e->last,
			    (uint16_t)e->port, err);

	if (r == 0)
		m->ranges[m->count - 1].live = isupper(e->proto);
	return r;
}

static void normalize_row(void **state)
{
	const struct row *row = *state;
	char text[512] = "", one[128];
	struct portmap m = { 0 }, again = { 0 };
	struct err err = { "" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(row->in) && row->in[i].ip;
	     i++)
		r = add(&m, &row->in[i], &err);
	if (r == 0)
		r = portmap_normalize(&m, &err);
	assert_int_equal(r, row->want);
	if (row->msg)
		assert_memory_equal(err.msg, row->msg, strlen(row->msg));
	for (size_t i = 0; r == 0 && i < m.count; i++) {
		if (i)
			strcat(text, " ");
		strcat(text, port_range_str(&m.ranges[i], one, sizeof(one)));
	}
	assert_string_equal(text, row->out ? row->out : "");
	if (r == 0) { /* once more changes nothing */
		assert_int_equal(portmap_copy(&m, &again, NULL), 0);
		assert_int_equal(portmap_normalize(&again, NULL), 0);
		assert_true(portmap_equal(&m, &again));
	}
	portmap_free(&again);
	portmap_free(&m);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void sixty_thousand_entries_are_fast(void **state)
{
	struct portmap m = { 0 };
	double start = now_ms();

	(void)state;
	/* in an order that defeats appending */
	for (int i = 0; i < MANY; i++) {
		int p = 1 + (int)((unsigned int)i * 7919u % MANY);
		struct entry e = { "", p, p, p, 't' };

		assert_int_equal(add(&m, &e, NULL), 0);
	}
	assert_int_equal(portmap_normalize(&m, NULL), 0);
	printf("# 60000 entries: %.1f ms\n", now_ms() - start);
	assert_int_equal(m.count, 1);
	assert_int_equal(portmap_total(&m), MANY);
	assert_true(now_ms() - start < 10000);
	portmap_free(&m);
}

static void a_copy_can_grow(void **state)
{
	struct portmap m = { 0 }, c = { 0 };

	(void)state;
	for (int i = 0; i < 9; i++) {
		struct entry e = { "", 80, 80, 80 + i, 't' };

		e.first = e.last = 100 + 2 * i;
		assert_int_equal(add(&m, &e, NULL), 0);
	}
	assert_int_equal(portmap_copy(&m, &c, NULL), 0);
	for (int i = 0; i < 20; i++) {
		struct entry e = { "", 200 + 2 * i, 200 + 2 * i, 80, 't' };

		assert_int_equal(add(&c, &e, NULL), 0);
	}
	assert_int_equal(c.count, 29);
	assert_int_equal(c.ranges[8].host_first, 116);
	portmap_free(&c);
	portmap_free(&m);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];
	size_t n = TEST_ROWS(tests, rows, normalize_row);

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(
		sixty_thousand_entries_are_fast);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(a_copy_can_grow);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
