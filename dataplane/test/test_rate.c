/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates as they are written: tc's units, bursts, directions. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>

#include "dataplane/rate.h"
#include "dataplane/state.h"
#include "lib/base.h"

#define KB 1024u
#define GB (1024u * 1024 * 1024)

struct row {
	const char *name, *text;
	struct dp_rate in, out;
	const char *msg; /* part of the error; NULL: accepted */
};

#define BOTH(bytes, burst) \
	.in = { (bytes), (burst) }, .out = { (bytes), (burst) }
#define WRONG "is not a rate: write 10mbit, 10mbit:256kb with a burst, "

static const struct row rows[] = {
	{ "both ways", "20mbit", BOTH(2500000, 1250000), NULL },
	{ "one way in", "in=20mbit", .in = { 2500000, 1250000 } },
	{ "one way out", "out=20mbit", .out = { 2500000, 1250000 } },
	{ "each its own", "out=10mbit:256kb,in=1gbit",
	  .in = { 125000000, 62500000 }, .out = { 1250000, 256 * KB } },
	{ .name = "none", .text = "none" },
	{ "none one way", "in=none,out=8kbit", .out = { 1000, 128 * KB } },
	/* tc's units */
	{ "a number alone is bits", "8000", BOTH(1000, 128 * KB), NULL },
	{ "bit", "8000bit", BOTH(1000, 128 * KB), NULL },
	{ "bps is bytes", "100mbps", BOTH(100000000, 50000000), NULL },
	{ "kbps is 1000 bytes", "500kbps:4kb", BOTH(500000, 4 * KB), NULL },
	{ "kibit", "8kibit", BOTH(1024, 128 * KB), NULL },
	{ "mibps", "2MiBps:2kb", BOTH(2 * KB * KB, 2 * KB), NULL },
	{ "any case", "8MBit:4KB", BOTH(1000000, 4 * KB), NULL },
	{ "a fraction", "1.5mbit:2.5kb", BOTH(187500, 2560), NULL },
	{ "bytes of a burst", "1mbit:3000", BOTH(125000, 3000), NULL },
	{ "b of a burst", "1mbit:3000b", BOTH(125000, 3000), NULL },
	{ "bits of a burst", "1mbit:1mbit", BOTH(125000, 128 * KB), NULL },
	/* the ends */
	{ "the least", "8kbit:2kb", BOTH(1000, 2 * KB), NULL },
	{ "the most", "100gbit:1gb", BOTH(12500000000, GB), NULL },
	{ "a burst of itself, at most", "100gbit", BOTH(12500000000, GB),
	  NULL },
	{ "below the least", "7.9kbit",
	  .msg = "\"7.9kbit\" is not in 8kbit to 100gbit" },
	{ "0", "0", .msg = "\"0\" is not in 8kbit to" },
	{ "above the most", "101gbit", .msg = "\"101gbit\" is not in 8kbit" },
	{ "far above", "999999999999999tbit",
	  .msg = "\"999999999999999tbit\" is not in" },
	{ "a burst below the least", "1mbit:2047",
	  .msg = "burst \"2047\" is not in 2kb to 1gb" },
	{ "a burst above the most", "1mbit:1.01gb",
	  .msg = "burst \"1.01gb\" is not in" },
	/* no rates */
	{ "no unit of it", "20mb", .msg = "\"20mb\" " WRONG },
	{ "a percentage", "20%", .msg = WRONG },
	{ "a sign", "-1mbit", .msg = WRONG },
	{ "a blank", " 1mbit", .msg = WRONG },
	{ "a blank before the unit", "1 mbit", .msg = WRONG },
	{ "an exponent", "1e6bit", .msg = WRONG },
	{ "hexadecimal", "0x10mbit", .msg = WRONG },
	{ "two points", "1.0.0mbit", .msg = WRONG },
	{ "a point at its end", "1.mbit", .msg = WRONG },
	{ "a point at its head", ".5mbit", .msg = WRONG },
	{ "infinity", "inf", .msg = WRONG },
	{ "nothing", "", .msg = WRONG },
	{ "an empty burst", "1mbit:", .msg = WRONG },
	{ "a burst of bytes a second", "1mbit:10kbps", .msg = WRONG },
	{ "two bursts", "1mbit:10kb:10kb", .msg = WRONG },
	{ "a burst of none", "none:10kb", .msg = WRONG },
	{ "more digits than anybody needs", "1111111111111111111111111bit",
	  .msg = WRONG },
	{ "no direction", "up=1mbit", .msg = "\"up=1mbit\" " WRONG },
	{ "a direction in capitals", "IN=1mbit", .msg = WRONG },
	{ "one direction twice", "in=1mbit,in=2mbit",
	  .msg = "\"in=1mbit,in=2mbit\" " WRONG },
	{ "three", "in=1mbit,out=1mbit,in=1mbit", .msg = WRONG },
	{ "one without its direction", "in=1mbit,2mbit", .msg = WRONG },
	{ "one without its direction first", "1mbit,in=2mbit", .msg = WRONG },
	{ "two without", "1mbit,2mbit", .msg = WRONG },
	{ "a comma at the end", "in=1mbit,", .msg = WRONG },
	{ "nothing in", "in=", .msg = WRONG },
};

static void row_reads(void **state)
{
	const struct row *row = *state;
	const struct dp_rates untouched = { .in = { 4711, 4711 } };
	const struct dp_rates want = { row->in, row->out };
	struct dp_rates got = untouched;
	struct err err = { "" };
	int r = dp_rates_parse(row->text, &got, &err);

	if (row->msg) {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.msg, row->msg))
			fail_msg("says: %s", err.msg);
		assert_true(dp_rates_equal(&got, &untouched));
		return;
	}
	if (r < 0)
		fail_msg("refused: %s", err.msg);
	assert_int_equal(got.in.bytes, want.in.bytes);
	assert_int_equal(got.in.burst, want.in.burst);
	assert_int_equal(got.out.bytes, want.out.bytes);
	assert_int_equal(got.out.burst, want.out.burst);
	assert_int_equal(dp_rates_is_none(&got),
			 !want.in.bytes && !want.out.bytes);
}

static void compares(void **state)
{
	const struct dp_rates a = { { 1, 2 }, { 3, 4 } };
	const struct dp_rates others[] = {
		{ { 9, 2 }, { 3, 4 } },
		{ { 1, 9 }, { 3, 4 } },
		{ { 1, 2 }, { 9, 4 } },
		{ { 1, 2 }, { 3, 9 } },
	};

	(void)state;
	assert_true(dp_rates_equal(&a, &a));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(dp_rates_equal(&a, &others[i]));
}

/* Told again with another rate, a port is another one. */
static void a_ports_rate_is_part_of_it(void **state)
{
	struct dp_port a = { .ifname = "v0" }, b = a;

	(void)state;
	assert_true(port_equal(&a, &b));
	b.rate.out.bytes = 1000;
	assert_false(port_equal(&a, &b));
}

int main(void)
{
	static const struct CMUnitTest more[] = {
		cmocka_unit_test(compares),
		cmocka_unit_test(a_ports_rate_is_part_of_it),
	};
	static struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(more)];
	size_t n = TEST_ROWS(tests, rows, row_reads);

	memcpy(tests + n, more, sizeof(more));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
