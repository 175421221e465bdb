// SPDX-License-Identifier: GPL-2.0-or-later
/* test_box_log.c - a container's log: lines, parts, rotation, the last ones, following. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "netctl/box/log.h"

struct fixture {
	char path[40];
	int dir;
	struct box_log log;
	char *out, *err; /* what was shown */
	size_t out_len, err_len;
	atomic_bool over; /* nothing is written any more */
};

static int make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->path, sizeof(f->path), "/tmp/test_box_log.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(f->dir >= 0);
	assert_int_equal(box_log_open(f->dir, BOX_LOG_SIZE, &f->log, NULL), 0);
	*state = f;
	return 0;
}

static int drop(void **state)
{
	struct fixture *f = *state;

	box_log_close(&f->log);
	(void)unlinkat(f->dir, "log", 0);
	(void)unlinkat(f->dir, "log.1", 0);
	close(f->dir);
	(void)rmdir(f->path);
	free(f->out);
	free(f->err);
	free(f);
	return 0;
}

static void say(struct fixture *f, int stream, const char *text)
{
	assert_int_equal(box_log_write(&f->log, stream, text, strlen(text)), 0);
}

static bool ended(void *ctx)
{
	struct fixture *f = ctx;

	return atomic_load(&f->over);
}

static void show(struct fixture *f, long tail, bool follow)
{
	struct box_log_show s = {
		.tail = tail, .follow = follow, .ended = ended, .ctx = f
	};

	free(f->out);
	free(f->err);
	s.out = open_memstream(&f->out, &f->out_len);
	s.err = open_memstream(&f->err, &f->err_len);
	assert_int_equal(box_log_show(f->dir, &s, NULL), 0);
	fclose(s.out);
	fclose(s.err);
}

static void streams_and_parts_come_back(void **state)
{
	struct fixture *f = *state;

	say(f, BOX_STDOUT, "one\ntw");
	say(f, BOX_STDERR, "wrong\n");
	say(f, BOX_STDOUT, "o\n\nno end");
	show(f, -1, false);
	assert_string_equal(f->out, "one\ntwo\n\nno end");
	assert_string_equal(f->err, "wrong\n");
}

static void lines_are_as_cri_has_them(void **state)
{
	struct fixture *f = *state;
	char line[128] = "";
	FILE *in;
	int fd;

	say(f, BOX_STDERR, "a b\n");
	say(f, BOX_STDOUT, "c");
	fd = openat(f->dir, "log", O_RDONLY | O_CLOEXEC);
	in = fdopen(fd, "r");
	assert_non_null(in);
	assert_non_null(fgets(line, sizeof(line), in));
	/* 2026-11-28T21:00:00.123456789Z */
	assert_int_equal(strcspn(line, " "), 30);
	assert_int_equal(line[10], 'T');
	assert_int_equal(line[29], 'Z');
	assert_string_equal(line + 30, " stderr F a b\n");
	assert_non_null(fgets(line, sizeof(line), in));
	assert_string_equal(line + 30, " stdout P c\n");
	fclose(in);
}

static void any_bytes_come_back(void **state)
{
	struct fixture *f = *state;
	static char big[3 * BOX_LOG_PART + 7];

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 % 251 == '\n' ? 0 : i * 7 % 251);
	assert_int_equal(box_log_write(&f->log, BOX_STDOUT, big, sizeof(big)),
			 0);
	show(f, -1, false);
	assert_int_equal(f->out_len, sizeof(big));
	assert_memory_equal(f->out, big, sizeof(big));
}

static void the_last_lines(void **state)
{
	struct fixture *f = *state;

	say(f, BOX_STDOUT, "1\n2\n3\n");
	show(f, 2, false);
	assert_string_equal(f->out, "2\n3\n");
	show(f, 0, false);
	assert_string_equal(f->out, "");
	show(f, 9, false);
	assert_string_equal(f->out, "1\n2\n3\n");
	say(f, BOX_STDOUT, "4");
	show(f, 2, false);
	assert_string_equal(f->out, "3\n4");
}

static off_t size_of(struct fixture *f, const char *name)
{
	struct stat st = { 0 };

	return fstatat(f->dir, name, &st, 0) < 0 ? -1 : st.st_size;
}

static void a_full_file_makes_way(void **state)
{
	struct fixture *f = *state;
	char line[32];

	f->log.max = 1000;
	for (int i = 0; i < 100; i++) {
		snprintf(line, sizeof(line), "line %03d\n", i);
		say(f, BOX_STDOUT, line);
	}
	assert_in_range(size_of(f, "log"), 1, 1000);
	assert_in_range(size_of(f, "log.1"), 900, 1000);
	assert_int_equal(size_of(f, "log.2"), -1);
	/* both are shown, in order, and without a gap */
	show(f, -1, false);
	assert_string_equal(f->out + f->out_len - 9, "line 099\n");
	for (size_t i = 0; i + 9 < f->out_len; i += 9)
		assert_int_equal(atoi(f->out + i + 5) + 1,
				 atoi(f->out + i + 14));
	show(f, 25, false);
	assert_int_equal(f->out_len, 25 * 9);
	assert_string_equal(f->out + 24 * 9, "line 099\n");
	/* and it goes on where it was */
	box_log_close(&f->log);
	assert_int_equal(box_log_open(f->dir, 1000, &f->log, NULL), 0);
	say(f, BOX_STDOUT, "line 100\n");
	assert_in_range(size_of(f, "log"), 1, 1000);
	show(f, 2, false);
	assert_string_equal(f->out, "line 099\nline 100\n");
}

static void *write_more(void *arg)
{
	struct fixture *f = arg;
	char line[32];

	for (int i = 0; i < 30; i++) {
		snprintf(line, sizeof(line), "more %02d\n", i);
		(void)box_log_write(&f->log, BOX_STDOUT, line, strlen(line));
		test_pause_ms(10);
	}
	atomic_store(&f->over, true);
	return NULL;
}

static void what_comes_is_followed_over_a_rotation(void **state)
{
	struct fixture *f = *state;
	pthread_t writer;

	say(f, BOX_STDOUT, "before\n");
	f->log.max = 500;
	assert_int_equal(pthread_create(&writer, NULL, write_more, f), 0);
	show(f, -1, true);
	pthread_join(writer, NULL);
	assert_int_equal(f->out_len, 7 + 30 * 8);
	for (int i = 0; i < 30; i++)
		assert_int_equal(atoi(f->out + 7 + i * 8 + 5), i);
}

static void a_log_that_cannot_grow_is_whole(void **state)
{
	struct fixture *f = *state;

	say(f, BOX_STDOUT, "one\n");
	close(f->log.fd);
	f->log.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(box_log_write(&f->log, BOX_STDOUT, "lost\n", 5),
			 -ENOSPC);
	box_log_close(&f->log);
	say(f, BOX_STDOUT, "two\n");
	show(f, -1, false);
	assert_string_equal(f->out, "one\ntwo\n");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, make, drop)
	const struct CMUnitTest tests[] = {
		T(streams_and_parts_come_back),
		T(lines_are_as_cri_has_them),
		T(any_bytes_come_back),
		T(the_last_lines),
		T(a_full_file_makes_way),
		T(what_comes_is_followed_over_a_rotation),
		T(a_log_that_cannot_grow_is_whole),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
