/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which daemons there are, for who asks for another. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "netctl/drivers.h"

static void every_driver_is_found(void **state)
{
	(void)state;
	for (const struct driver *d = drivers; d->name; d++)
		assert_ptr_equal(driver_find(d->name, NULL), d);
}

static void every_driver_is_told(void **state)
{
	struct err err = { 0 };
	const struct driver *last = drivers;

	(void)state;
	assert_null(driver_find("xyzzy", &err));
	for (const struct driver *d = drivers; d->name; d++) {
		char name[64];

		snprintf(name, sizeof(name), " \"%s\"", d->name);
		assert_non_null(strstr(err.msg, name));
		last = d;
	}
	assert_string_equal(strrchr(err.msg, ' ') + 2 + strlen(last->name),
			    "\"");
	assert_non_null(strstr(err.msg, "no driver \"xyzzy\": there are \""));
	assert_non_null(strstr(err.msg, "\" and \""));
}

static void near_one_is_named_alone(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_null(driver_find("berth-brigde", &err));
	assert_string_equal(err.msg, "no driver \"berth-brigde\": did you "
				     "mean \"berth-bridge\"?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_driver_is_found),
		cmocka_unit_test(every_driver_is_told),
		cmocka_unit_test(near_one_is_named_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
