/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a snapshot was begun, by what the daemon says of it. */
#include "lib/test/test.h"

#include "netctl/snap_time.h"

struct row {
	const char *name, *rows;
	time_t want;
};

static const struct row rows[] = {
	{ "a minute before it was there",
	  "[{\"Name\":\"a\",\"Created\":\"2026-11-26T18:45:00Z\"},"
	  "{\"Name\":\"s\",\"Created\":\"2026-11-27T18:45:00Z\"}]",
	  1795805040 },
	{ "no time is told", "[{\"Name\":\"s\"}]", 0 },
	{ "no time that we know",
	  "[{\"Name\":\"s\",\"Created\":\"2026-11-27T18:45:00+01:00\"}]", 0 },
	{ "half a time", "[{\"Name\":\"s\",\"Created\":\"2026-11-27\"}]", 0 },
	{ "another one only",
	  "[{\"Name\":\"ss\",\"Created\":\"2026-11-27T18:45:00Z\"}]", 0 },
	{ "none", "[]", 0 },
	{ "no list", "{}", 0 },
};

static void begun_row(void **state)
{
	const struct row *row = *state;
	json_object *list = json_tokener_parse(row->rows);

	assert_non_null(list);
	assert_int_equal(snap_time_begun(list, "s"), row->want);
	json_object_put(list);
}

int main(void)
{
	struct CMUnitTest tests[16];
	size_t n = TEST_ROWS(tests, rows, begun_row);

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("snap_time", tests, n, NULL, NULL);
}
