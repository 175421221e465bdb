/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of several daemons as one. */
#include "lib/test/test.h"

#include <stdlib.h>
#include <string.h>

#include "netctl/figures.h"

#define A_HEAD  "# HELP a What a is.\n# TYPE a gauge\n"
#define B_HEAD  "# HELP b What b is.\n# TYPE b counter\n"
#define AB_HEAD "# HELP ab Not a.\n# TYPE ab gauge\n"

struct row {
	const char *name, *pages[3], *want;
};

static const struct row rows[] = {
	{ "none", { NULL }, "" },
	{ "an empty one", { "", "" }, "" },
	{ "one",
	  { A_HEAD "a 1\n" B_HEAD "b 2\n" },
	  A_HEAD "a 1\n" B_HEAD "b 2\n" },
	{ "two with the same families",
	  { A_HEAD "a{x=\"1\"} 1\n" B_HEAD "b 2\n",
	    A_HEAD "a{x=\"2\"} 3\n" B_HEAD "b{y=\"# HELP\"} 4\n" },
	  A_HEAD "a{x=\"1\"} 1\na{x=\"2\"} 3\n" B_HEAD
		 "b 2\nb{y=\"# HELP\"} 4\n" },
	{ "some of one only",
	  { A_HEAD "a 1\n", AB_HEAD "ab 5\n" A_HEAD "a{x=\"2\"} 3\n" },
	  A_HEAD "a 1\na{x=\"2\"} 3\n" AB_HEAD "ab 5\n" },
	{ "a family without samples",
	  { B_HEAD, B_HEAD "b 2\n" },
	  B_HEAD "b 2\n" },
	{ "samples of no family",
	  { "lost 1\n" A_HEAD "a 1\n" },
	  A_HEAD "a 1\n" },
	{ "an end without a newline", { A_HEAD "a 1" }, A_HEAD "a 1" },
};

static void join(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		_cleanup_free_ char *got = NULL;
		size_t count = 0, len = 99;

		while (count < 3 && row->pages[count])
			count++;
		got = figures_join(row->pages, count, &len);
		if (!got || strcmp(got, row->want) != 0)
			print_message("# %s\n", row->name);
		assert_string_equal(got, row->want);
		assert_int_equal(len, strlen(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(join),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
