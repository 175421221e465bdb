/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_maglev.c - everybody his share, and few move when one comes or goes. */
#include "lib/test/test.h"

#include <string.h>

#include "dataplane/maglev.h"
#include "lib/base.h"

#define SLOTS 1021u
#define MOST  64u

static int by_id(const void *va, const void *vb)
{
	const struct maglev_backend *a = va, *b = vb;

	return (a->id > b->id) - (a->id < b->id);
}

/* Backends 0..@count-1 but @without, sorted. Return: their number. */
static size_t make(struct maglev_backend *list, uint32_t count,
		   uint32_t without, const uint32_t *weights)
{
	size_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		if (i != without)
			list[n++] = (struct maglev_backend){
				.id = maglev_id(&i, sizeof(i)),
				.weight = weights ? weights[i] : 1
			};
	qsort(list, n, sizeof(*list), by_id);
	return n;
}

/* Whose is each slot, by id. */
static void owners(const struct maglev_backend *list, size_t count,
		   uint64_t ret[SLOTS])
{
	uint16_t table[SLOTS];

	maglev_fill(list, count, table, SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_in_range(table[i], 0, count - 1);
		ret[i] = list[table[i]].id;
	}
}

static uint32_t share(const uint64_t own[SLOTS], uint32_t who)
{
	uint64_t id = maglev_id(&who, sizeof(who));
	uint32_t n = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		n += own[i] == id;
	return n;
}

static void nobody_has_no_slot(void **state)
{
	uint16_t table[SLOTS];

	(void)state;
	maglev_fill(NULL, 0, table, SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++)
		assert_int_equal(table[i], MAGLEV_NONE);
}

/* They take turns: no two differ by more than one slot. */
static void equal_ones_have_equal_shares(void **state)
{
	static const uint32_t counts[] = { 1, 2, 3, 5, 10, 33, MOST };
	struct maglev_backend list[MOST];
	uint64_t own[SLOTS];

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		owners(list, make(list, counts[c], MOST, NULL), own);
		for (uint32_t i = 0; i < counts[c]; i++)
			assert_in_range(share(own, i), SLOTS / counts[c],
					SLOTS / counts[c] + 1);
	}
}

static void weights_are_shares(void **state)
{
	static const uint32_t weights[] = { 1, 3, 6 };
	struct maglev_backend list[3];
	uint64_t own[SLOTS];

	(void)state;
	owners(list, make(list, 3, 3, weights), own);
	for (uint32_t i = 0; i < 3; i++)
		assert_in_range(share(own, i), SLOTS * weights[i] / 10 - 3,
				SLOTS * weights[i] / 10 + 3);
}

/* A hundred times lighter than 63 others, it still has something. */
static void nobody_starves(void **state)
{
	uint32_t weights[MOST];
	struct maglev_backend list[MOST];
	uint64_t own[SLOTS];
	uint32_t least = SLOTS;

	(void)state;
	for (uint32_t i = 0; i < MOST; i++)
		weights[i] =
			i == 5 ? MAGLEV_WEIGHT_MAX / 10 : MAGLEV_WEIGHT_MAX;
	owners(list, make(list, MOST, MOST, weights), own);
	for (uint32_t i = 0; i < MOST; i++)
		least = share(own, i) < least ? share(own, i) : least;
	assert_int_equal(least, share(own, 5));
	assert_true(least >= 1);
}

/* All of who goes changes hands, and little else: the paper has under 2 % with
 * tables a hundred times their number, Maglev's price for equal shares. */
static void few_move_when_one_goes(void **state)
{
	static const uint32_t counts[] = { 2, 3, 5, 10, 20 };
	struct maglev_backend list[MOST];
	uint64_t before[SLOTS], after[SLOTS];

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		uint32_t n = counts[c];

		owners(list, make(list, n, MOST, NULL), before);
		for (uint32_t gone = 0; gone < n; gone++) {
			uint64_t id = maglev_id(&gone, sizeof(gone));
			uint32_t moved = 0;

			owners(list, make(list, n, gone, NULL), after);
			for (uint32_t i = 0; i < SLOTS; i++)
				moved += before[i] != id &&
					 before[i] != after[i];
			assert_int_equal(share(after, gone), 0);
			assert_true(moved <= SLOTS / 6);
		}
	}
}

/* A hash of the number of backends alone would move nearly all. */
static void it_comes_back_to_its_slots(void **state)
{
	struct maglev_backend list[MOST];
	uint64_t before[SLOTS], after[SLOTS];

	(void)state;
	owners(list, make(list, 10, MOST, NULL), before);
	owners(list, make(list, 10, 3, NULL), after);
	owners(list, make(list, 10, MOST, NULL), after);
	assert_memory_equal(before, after, sizeof(before));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_has_no_slot),
		cmocka_unit_test(equal_ones_have_equal_shares),
		cmocka_unit_test(weights_are_shares),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(few_move_when_one_goes),
		cmocka_unit_test(it_comes_back_to_its_slots),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
