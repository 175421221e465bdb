/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines as they reach stderr, and the quoting of foreign text. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/log.h"

struct row {
	const char *name, *in;
	size_t size;
	const char *out;
};

static const struct row rows[] = {
	{ "plain", "abc", 32, "\"abc\"" },
	{ "empty", "", 32, "\"\"" },
	{ "quotes and backslash", "a\"b\\c", 32, "\"a\\\"b\\\\c\"" },
	{ "newline", "a\nb", 32, "\"a\\nb\"" },
	{ "escape sequence", "\x1b[31m", 32, "\"\\x1b[31m\"" },
	{ "DEL and UTF-8", "\x7f\xc3\xa9", 32, "\"\\x7f\\xc3\\xa9\"" },
	{ "exactly fits", "abcdef", 9, "\"abcdef\"" },
	{ "one too long", "abcdefg", 9, "\"abc...\"" },
	{ "cut before an escape", "abc\n\n\n", 9, "\"abc...\"" },
	{ "smallest buffer", "abcdefg", 6, "\"...\"" },
	{ "too small for anything", "abc", 5, "" },
};

static void quote_row(void **state)
{
	const struct row *row = *state;
	char buf[64];

	memset(buf, 'X', sizeof(buf));
	assert_string_equal(log_quote(buf, row->size, row->in), row->out);
	assert_int_equal(buf[row->size], 'X');
}

/* Run log_line() with stderr on a temporary file and give what arrived. */
static size_t capture(char *buf, size_t size, enum log_level level,
		      const char *text)
{
	_cleanup_close_ int old = dup(STDERR_FILENO);
	_cleanup_close_ int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	ssize_t n;

	assert_true(old >= 0 && fd >= 0);
	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	log_line(level, "%s", text);
	dup2(old, STDERR_FILENO);
	n = pread(fd, buf, size - 1, 0);
	assert_true(n >= 0);
	buf[n] = '\0';
	return (size_t)n;
}

static void line_has_time_and_level(void **state)
{
	char buf[256];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	capture(buf, sizeof(buf), LOG_LVL_WARN, "op=x id=1");
	assert_int_equal(strncmp(buf, "time=20", 7), 0);
	assert_non_null(strstr(buf, "Z level=warn op=x id=1\n"));
}

static void control_characters_are_replaced(void **state)
{
	char buf[256];

	(void)state;
	capture(buf, sizeof(buf), LOG_LVL_ERROR,
		"a\nb\x1b"
		"c");
	assert_non_null(strstr(buf, "level=error a?b?c\n"));
}

static void level_decides(void **state)
{
	struct err err = { 0 };
	char buf[256];

	(void)state;
	assert_int_equal(capture(buf, sizeof(buf), LOG_LVL_DEBUG, "x"), 0);
	assert_int_equal(log_level_set("debug", &err), 0);
	assert_int_not_equal(capture(buf, sizeof(buf), LOG_LVL_DEBUG, "x"), 0);
	assert_int_equal(log_level_set("error", &err), 0);
	assert_int_equal(capture(buf, sizeof(buf), LOG_LVL_WARN, "x"), 0);
	assert_int_equal(log_level_set("loud", &err), -EINVAL);
	assert_string_equal(err.msg, "log level \"loud\" is none of error, "
				     "warn, info, debug");
	assert_int_equal(log_level_set("info", &err), 0);
}

static void a_long_line_is_cut_and_ended(void **state)
{
	char buf[8192], text[5000];
	size_t n;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	n = capture(buf, sizeof(buf), LOG_LVL_INFO, text);
	assert_int_equal(n, 2048);
	assert_string_equal(buf + n - 5, "a...\n");
}

static void journal_gets_the_priority(void **state)
{
	_cleanup_close_ int old = dup(STDERR_FILENO);
	_cleanup_close_ int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	char buf[256] = "", env[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	snprintf(env, sizeof(env), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", env, 1);
	dup2(fd, STDERR_FILENO);
	log_error("op=x");
	dup2(old, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	assert_true(pread(fd, buf, sizeof(buf) - 1, 0) > 0);
	assert_string_equal(buf, "<3>level=error op=x\n");
}

#define TEST(fn)                               \
	(struct CMUnitTest)                    \
	{                                      \
		.name = #fn, .test_func = (fn) \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 5];
	size_t n = TEST_ROWS(tests, rows, quote_row);

	tests[n++] = TEST(line_has_time_and_level);
	tests[n++] = TEST(control_characters_are_replaced);
	tests[n++] = TEST(level_decides);
	tests[n++] = TEST(a_long_line_is_cut_and_ended);
	tests[n++] = TEST(journal_gets_the_priority);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
