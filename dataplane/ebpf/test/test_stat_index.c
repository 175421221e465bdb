/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which counters are taken, which rest, and which an earlier daemon gave out. */
#include "dataplane/ebpf/stat_index.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/ebpf/nat_stat.h"
#include "lib/test/test.h"

/*
 * Steps, one a word: t=N takes at the clock's time and expects N; p=N puts;
 * n=N notes; c=N claims it, x=N must not get it; s sweeps; +N: N seconds later.
 */
struct row {
	const char *name, *steps;
	uint32_t size;
};

static const struct row rows[] = {
	{ "one after the other, never the first", "t=1 t=2 t=3 t=0", 4 },
	{ "an empty table has none", "t=0", 0 },
	{ "a table of nobody's alone", "t=0", 1 },
	{ "what was given back rests", "t=1 t=2 p=1 t=0 +4 t=0 +1 t=1", 3 },
	{ "the one that was free longest comes first", "t=1 p=1 t=2 +9 t=3 t=1",
	  4 },
	{ "given back twice", "t=1 p=1 +3 p=1 +2 t=1 t=0", 2 },
	{ "given back, and never taken", "p=1 p=0 p=7 t=1 t=2 t=0", 3 },
	{ "noted ones are not given out", "n=1 n=2 t=3 t=0", 4 },
	{ "claimed once", "n=2 c=2 x=2 t=1 t=0", 3 },
	{ "swept: rests, but for the claimed", "n=1 n=2 c=1 s t=0 +5 t=2 t=0",
	  3 },
	{ "noted after it was claimed", "c=1 n=1 s +9 t=2 t=0", 3 },
	{ "kept although given back", "t=1 p=1 c=1 +9 t=0", 2 },
	{ "another's by then", "t=1 p=1 +5 t=1 x=1", 2 },
	{ "out of range", "x=0 x=3 x=99 n=3 n=99 n=0 t=1", 3 },
};

static void play_row(void **state)
{
	const struct row *row = *state;
	struct stat_index x;
	uint64_t now = 1000;
	const char *at = row->steps;

	assert_int_equal(stat_index_init(&x, row->size, NULL), 0);
	for (; *at; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");
		uint32_t n = (uint32_t)atoi(at + (at[0] == '+' ? 1 : 2));
		bool good = true;

		if (at[0] == 't')
			good = stat_index_take(&x, now) == n;
		else if (at[0] == 'p')
			stat_index_put(&x, n, now);
		else if (at[0] == 'n')
			stat_index_note(&x, n);
		else if (at[0] == 'c' || at[0] == 'x')
			good = stat_index_claim(&x, n) == (at[0] == 'c');
		else if (at[0] == 's')
			stat_index_sweep(&x, now);
		else
			now += n;
		if (!good)
			fail_msg("at \"%s\"", at);
		at += len;
	}
	stat_index_fini(&x);
}

/* Small on any host, never none. */
static void a_table_for_each_host(void **state)
{
	(void)state;
	assert_int_equal(nat_stats_size(1), 8192);
	assert_int_equal(nat_stats_size(32), 8192);
	assert_int_equal(nat_stats_size(256), 1365);
	assert_int_equal(nat_stats_size(8192), 256);
	assert_int_equal(nat_stats_size(-1), 8192);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1] = {
		cmocka_unit_test(a_table_for_each_host),
	};

	(void)TEST_ROWS(&tests[1], rows, play_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
