/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool's layout and state, as numbers and text. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "volplugins/thin/layout.h"

#define GIB (1ull << 30)

static const struct plan_row {
	const char *name;
	uint64_t bytes;
	int want;
	uint64_t block, meta; /* sectors */
} plans[] = {
	{ "less than a pool has", (32ull << 20) - 1, -EINVAL, 0, 0 },
	{ "the least", 32ull << 20, 0, 128, 16384 },
	{ "10 GiB: 96 bytes a block", 10 * GIB, 0, 128, 32768 - 2048 },
	{ "1 TiB: the smallest blocks still", 1024 * GIB, 0, 128, 3145728 },
	{ "16 TiB: larger blocks", 16384 * GIB, 0, 2048, 3145728 },
};

static void plan_row(void **state)
{
	const struct plan_row *row = *state;
	struct thin_layout l = { 0 };
	uint64_t data;

	assert_int_equal(thin_layout_plan(row->bytes, &l, NULL), row->want);
	if (row->want < 0)
		return;
	assert_int_equal(l.block, row->block);
	assert_int_equal(l.meta_sectors, row->meta);
	assert_int_equal(l.data_start, THIN_META_START + l.meta_sectors);
	data = thin_layout_data(&l, row->bytes);
	assert_int_equal(data % l.block, 0);
	assert_true(l.data_start + data <= row->bytes / 512);
	assert_true(l.data_start + data + l.block > row->bytes / 512);
}

static void header(void **state)
{
	struct thin_layout l = { 0 }, back = { 0 };
	char buf[THIN_HEADER_SIZE];
	struct err err = { 0 };

	(void)state;
	assert_int_equal(thin_layout_plan(10 * GIB, &l, NULL), 0);
	snprintf(l.uuid, sizeof(l.uuid), "%s",
		 "0123456789abcdef0123456789abcdef");
	thin_layout_print(&l, buf);
	assert_int_equal(thin_layout_parse(buf, &back, &err), 0);
	assert_memory_equal(&l, &back, sizeof(l));

	/* a bit anywhere */
	for (size_t i = 0; i < 120; i++) {
		buf[i] ^= 1;
		assert_true(thin_layout_parse(buf, &back, NULL) < 0 ||
			    memcmp(&l, &back, sizeof(l)) != 0);
		buf[i] ^= 1;
	}
	buf[THIN_HEADER_SIZE - 1] = 1;
	assert_int_equal(thin_layout_parse(buf, &back, &err), -EUCLEAN);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(thin_layout_parse(buf, &back, &err), -ENODATA);
}

static void table(void **state)
{
	const struct thin_layout l = { .block = 128 };
	char line[128];

	(void)state;
	thin_table_print(&l, "254:0", "254:1", 128 * 1000, true, line,
			 sizeof(line));
	assert_string_equal(line, "254:0 254:1 128 200 1 error_if_no_space");
	thin_table_print(&l, "254:0", "254:1", 128 * 1000, false, line,
			 sizeof(line));
	assert_string_equal(
		line,
		"254:0 254:1 128 200 2 no_discard_passdown error_if_no_space");
}

#define RW " - rw no_discard_passdown error_if_no_space - 1024"

static const struct status_row {
	const char *name, *text;
	int parse;
	unsigned int full;
	int room;
	const char *says; /* NULL: nothing is wrong */
} statuses[] = {
	{ "new", "0 10/1024 0/1000" RW, 0, 1, 0, NULL },
	{ "89 %", "7 10/1024 890/1000" RW, 0, 89, 0, NULL },
	{ "just over 89 %", "7 10/1024 891/1000" RW, 0, 90, -ENOSPC,
	  "room for data is 90% full" },
	{ "90 % of the data", "7 10/1024 900/1000" RW, 0, 90, -ENOSPC,
	  "--pool-size" },
	{ "90 % of the metadata", "7 922/1024 1/1000" RW, 0, 91, -ENOSPC,
	  "metadata is 91% full" },
	{ "no block left",
	  "7 10/1024 1000/1000 - out_of_data_space discard_passdown "
	  "error_if_no_space - 1024",
	  0, 100, -ENOSPC, "writes to its volumes fail" },
	{ "read-only",
	  "7 10/1024 1/1000 - ro discard_passdown error_if_no_space "
	  "needs_check 1024",
	  0, 1, -EROFS, "A damaged pool" },
	{ "given up", "Fail", 0, 100, -EROFS, "see dmesg" },
	{ "something else", "hello", -EUCLEAN, 0, 0, NULL },
	{ "cut", "0 10/1024 0/", -EUCLEAN, 0, 0, NULL },
};

static void status_row(void **state)
{
	const struct status_row *row = *state;
	struct thin_status s = { 0 };
	struct err err = { 0 };

	assert_int_equal(thin_status_parse(row->text, &s, NULL), row->parse);
	if (row->parse < 0)
		return;
	assert_int_equal(thin_status_full(&s), row->full);
	assert_int_equal(thin_status_room(&s, THIN_FULL, &err), row->room);
	if (row->says)
		assert_non_null(strstr(err.msg, row->says));
	else
		assert_string_equal(err.msg, "");
}

/* What is written at once stays below 90 %: blocks of 64 KiB, 100 of them in use. */
static void what_fits_is_told_in_figures(void **state)
{
	struct thin_status s = { .used_data = 100, .total_data = 1600 };
	const uint64_t block = 65536, room = (1440 - 100) * block;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(thin_status_fits(&s, block, 0, &err), 0);
	assert_int_equal(thin_status_fits(&s, block, room, &err), 0);
	assert_int_equal(thin_status_fits(&s, block, room + 1, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "takes up to 84m, and the pool has 83m "
					"until it is 90% full"));
	s.used_data = 1500;
	assert_int_equal(thin_status_fits(&s, block, 0, &err), 0);
	assert_int_equal(thin_status_fits(&s, block, 1, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "takes up to 1m, and the pool has 0m"));
}

static void metadata_doubles_to_its_limit(void **state)
{
	struct thin_layout l;
	uint64_t mib = 2048, data, more = 0;

	(void)state;
	assert_int_equal(thin_layout_plan(GIB, &l, NULL), 0);
	assert_int_equal(l.meta_sectors, 8 * mib);
	data = thin_layout_data(&l, GIB);
	more = thin_layout_meta_next(&l, more, data);
	assert_int_equal(more, 8 * mib);
	more = thin_layout_meta_next(&l, more, data);
	assert_int_equal(more, 24 * mib);
	more = thin_layout_meta_next(&l, more, data);
	assert_int_equal(more, (63 - 8) * mib); /* of 1015 MiB of data */
	assert_int_equal(thin_layout_meta_next(&l, more, data), more);
	/* the smallest has none to come, the largest what the kernel can use */
	assert_int_equal(thin_layout_meta_next(&l, 0, 64 * mib), 0);
	assert_int_equal(thin_layout_plan(64 * 1024 * GIB, &l, NULL), 0);
	data = thin_layout_data(&l, 64 * 1024 * GIB);
	for (int i = 0; i < 20; i++)
		more = thin_layout_meta_next(&l, i ? more : 0, data);
	assert_int_equal(l.meta_sectors + more, 15 * 1024 * mib);
}

int main(void)
{
	struct CMUnitTest
		tests[ARRAY_SIZE(plans) + ARRAY_SIZE(statuses) + 4] = {
			cmocka_unit_test(header),
			cmocka_unit_test(table),
			cmocka_unit_test(metadata_doubles_to_its_limit),
			cmocka_unit_test(what_fits_is_told_in_figures),
		};
	size_t n = 4;

	n += TEST_ROWS(tests + n, plans, plan_row);
	TEST_ROWS(tests + n, statuses, status_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
