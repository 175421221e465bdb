// SPDX-License-Identifier: GPL-2.0-or-later
/* When what failed is tried again. */
#include "lib/test/test.h"

#include "lib/backoff.h"
#include "lib/base.h"
#include "lib/clock.h"

static void each_pause_is_twice_as_long_up_to_the_longest(void **state)
{
	static const unsigned int want[] = { 100, 200, 400, 700, 700 };
	struct backoff b = { .ms = 0 };

	(void)state;
	assert_int_equal(backoff_left_ms(&b), 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		uint64_t before = clock_boot_ms();

		backoff_failed(&b, 100, 700);
		assert_int_equal(b.ms, want[i]);
		assert_in_range(b.until_ms, before + want[i] / 2,
				clock_boot_ms() + want[i]);
	}
}

static void the_longest_may_be_any(void **state)
{
	struct backoff b = { .ms = UINT32_MAX - 1 };

	(void)state;
	backoff_failed(&b, 1, UINT32_MAX);
	assert_int_equal(b.ms, UINT32_MAX);
}

static void after_success_it_begins_anew(void **state)
{
	struct backoff b = { .ms = 0 };

	(void)state;
	assert_false(backoff_well(&b));
	backoff_failed(&b, 1000, 8000);
	backoff_failed(&b, 1000, 8000);
	assert_true(backoff_well(&b));
	assert_int_equal(backoff_left_ms(&b), 0);
	assert_false(backoff_well(&b));
	backoff_failed(&b, 1000, 8000);
	assert_int_equal(b.ms, 1000);
}

/* Hosts that failed together do not come back together. */
static void pauses_differ(void **state)
{
	uint64_t low = UINT64_MAX, high = 0, x;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		x = backoff_between(500, 1000);
		assert_in_range(x, 500, 1000);
		low = x < low ? x : low;
		high = x > high ? x : high;
	}
	assert_true(low < 550 && high > 950);
	assert_int_equal(backoff_between(7, 7), 7);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_pause_is_twice_as_long_up_to_the_longest),
		cmocka_unit_test(the_longest_may_be_any),
		cmocka_unit_test(after_success_it_begins_anew),
		cmocka_unit_test(pauses_differ),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
