/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus' text format: what is written, character by character. */
#include "lib/test/test.h"

#include <stdlib.h>
#include <string.h>

#include "lib/prom.h"

static void as_the_format_has_it(void **state)
{
	static const struct prom_label none[] = { { 0 } };
	static const struct prom_label two[] = { { "driver", "berth-bridge" },
						 { "name",
						   "a \"b\" \\ c\nd é" },
						 { 0 } };
	_cleanup_(prom_freep) struct prom *p = prom_new();
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	(void)state;
	prom_family(p, "berth_a", PROM_GAUGE, "What a is.");
	prom_u64(p, "", NULL, 0);
	prom_u64(p, "", none, UINT64_MAX);
	prom_number(p, "", none, "1.5e+19");
	prom_family(p, "berth_b_total", PROM_COUNTER, "What b is.");
	prom_u64(p, "", two, 7);
	prom_family(p, "berth_c_seconds", PROM_HISTOGRAM, "What c is.");
	prom_us(p, "_sum", NULL, 12000345);
	text = prom_end(p, &len);
	assert_string_equal(text,
			    "# HELP berth_a What a is.\n"
			    "# TYPE berth_a gauge\n"
			    "berth_a 0\n"
			    "berth_a 18446744073709551615\n"
			    "berth_a 1.5e+19\n"
			    "# HELP berth_b_total What b is.\n"
			    "# TYPE berth_b_total counter\n"
			    "berth_b_total{driver=\"berth-bridge\",name=\"a "
			    "\\\"b\\\" \\\\ c\\nd é\"} 7\n"
			    "# HELP berth_c_seconds What c is.\n"
			    "# TYPE berth_c_seconds histogram\n"
			    "berth_c_seconds_sum 12.000345\n");
	assert_int_equal(len, strlen(text));
}

static void nothing_is_an_empty_text(void **state)
{
	_cleanup_(prom_freep) struct prom *p = prom_new();
	_cleanup_free_ char *text = NULL;
	size_t len = 1;

	(void)state;
	text = prom_end(p, &len);
	assert_string_equal(text, "");
	assert_int_equal(len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_format_has_it),
		cmocka_unit_test(nothing_is_an_empty_text),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
