/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NAME/meta: what is written comes back, and nothing else is believed. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/tree.h"
#include "volplugins/named/named_meta.h"

struct row {
	const char *name, *text;
	int want;
};

static const struct row rows[] = {
	{ .name = "all there is", .text = "backing=image\nfs=xfs\nsize=1\n" },
	{ .name = "empty", .text = "", .want = -EUCLEAN },
	{ .name = "no backing", .text = "size=1\n", .want = -EUCLEAN },
	{ .name = "cut", .text = "backing=image\nsize=10", .want = -EUCLEAN },
	{ .name = "no value", .text = "backing\n", .want = -EUCLEAN },
	{ .name = "empty number",
	  .text = "backing=image\nsize=\n",
	  .want = -EUCLEAN },
	{ .name = "negative",
	  .text = "backing=image\nsize=-1\n",
	  .want = -EUCLEAN },
	{ .name = "too big",
	  .text = "backing=image\nsize=18446744073709551616\n",
	  .want = -EUCLEAN },
	{ .name = "project too big",
	  .text = "backing=project\nproject=4294967296\n",
	  .want = -EUCLEAN },
	{ .name = "text too long",
	  .text = "backing=0123456789abcdef\n",
	  .want = -EUCLEAN },
	{ .name = "text of other signs",
	  .text = "backing=../x\n",
	  .want = -EUCLEAN },
	{ .name = "a key of tomorrow",
	  .text = "backing=image\ncolour=red\n",
	  .want = -EUCLEAN },
};

static int open_dir(char path[static 64])
{
	snprintf(path, 64, "/tmp/berth-test-meta-XXXXXX");
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_dir(int dir, const char *path)
{
	assert_int_equal(tree_empty(dir, NULL, NULL, NULL), 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

static void put(int dir, const void *text, size_t len)
{
	int fd = openat(dir, "meta", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);

	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void read_row(void **state)
{
	const struct row *row = *state;
	struct named_meta m = { .size = 77 };
	struct err err = { 0 };
	char path[64];
	int dir = open_dir(path);

	put(dir, row->text, strlen(row->text));
	assert_int_equal(named_meta_read(dir, &m, &err), row->want);
	if (row->want < 0)
		assert_int_equal(m.size, 77);
	close_dir(dir, path);
}

static void comes_back(void **state)
{
	struct named_meta m = { .backing = "image",
				.fs = "ext4",
				.size = UINT64_MAX,
				.project = UINT32_MAX },
			  got;
	char path[64];
	int dir = open_dir(path);

	(void)state;
	assert_int_equal(named_meta_write(dir, &m, NULL), 0);
	assert_int_equal(named_meta_read(dir, &got, NULL), 0);
	assert_memory_equal(&m, &got, sizeof(m));
	m.size = 5;
	assert_int_equal(named_meta_write(dir, &m, NULL), 0);
	assert_int_equal(named_meta_read(dir, &got, NULL), 0);
	assert_int_equal(got.size, 5);
	assert_int_equal(named_meta_remove(dir, NULL), 0);
	assert_int_equal(named_meta_remove(dir, NULL), 0);
	assert_int_equal(named_meta_read(dir, &got, NULL), 0);
	assert_string_equal(got.backing, "directory");
	assert_int_equal(got.size, 0);
	close_dir(dir, path);
}

static void what_is_no_file_is_refused(void **state)
{
	struct named_meta m;
	char path[64], big[600];
	int dir = open_dir(path);

	(void)state;
	memset(big, 'x', sizeof(big));
	put(dir, big, sizeof(big));
	assert_int_equal(named_meta_read(dir, &m, NULL), -EUCLEAN);
	put(dir, "backing=image\n\0size=1\n", 22);
	assert_int_equal(named_meta_read(dir, &m, NULL), -EUCLEAN);
	assert_int_equal(unlinkat(dir, "meta", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dir, "meta"), 0);
	assert_int_equal(named_meta_read(dir, &m, NULL), -ELOOP);
	assert_int_equal(unlinkat(dir, "meta", 0), 0);
	assert_int_equal(mkfifoat(dir, "meta", 0600), 0);
	assert_true(named_meta_read(dir, &m, NULL) < 0);
	close_dir(dir, path);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];
	size_t n = 0;

	for (; n < ARRAY_SIZE(rows); n++)
		tests[n] = (struct CMUnitTest){
			.name = rows[n].name,
			.test_func = read_row,
			.initial_state = (void *)(uintptr_t)&rows[n],
		};
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(comes_back);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(what_is_no_file_is_refused);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
