/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credentials files: what is read, and that errors never repeat any of it. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volplugins/named/named_secret.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

struct row {
	const char *name, *text;
	size_t size; /* of the text, 0: up to its NUL */
	mode_t mode; /* 0: 0600 */
	int want;
	const char *user, *password, *domain;
	const char *msg; /* after the name of the file */
};

static const struct row rows[] = {
	{ .name = "as mount.cifs has it",
	  .text = "username=joe\npassword=hunter2\ndomain=D\n",
	  .user = "joe",
	  .password = "hunter2",
	  .domain = "D" },
	{ .name = "short names, blanks before, no last newline",
	  .text = "  user=joe\n\tpass=hunter2\n dom=D",
	  .user = "joe",
	  .password = "hunter2",
	  .domain = "D" },
	{ .name = "comments, empty lines, line ends of Windows",
	  .text = "# nas\r\n\r\nusername=joe\r\npassword=hunter2\r\n",
	  .user = "joe",
	  .password = "hunter2" },
	{ .name = "a password may hold anything",
	  .text = "username=joe\npassword= hunter2,=%#\\ \n",
	  .user = "joe",
	  .password = " hunter2,=%#\\ " },
	{ .name = "an empty password",
	  .text = "username=joe\npassword=\n",
	  .user = "joe",
	  .password = "" },
	{ .name = "no password", .text = "username=joe\n", .user = "joe" },
	{ .name = "the longest",
	  .text = "username=joe\npassword=" X64 X64 X64
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		  "xxx"
		  "\n",
	  .user = "joe",
	  .password = X64 X64 X64
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" },
	{ .name = "longer than the kernel takes",
	  .text = "username=joe\npassword=" X64 X64 X64 X64 "\n",
	  .want = -EINVAL,
	  .msg = ", line 2: not username=, password= or domain= with at most "
		 "255 bytes" },
	{ .name = "nobody",
	  .text = "password=hunter2\n",
	  .want = -EINVAL,
	  .msg = ": no line username=" },
	{ .name = "empty",
	  .text = "",
	  .want = -EINVAL,
	  .msg = ": no line username=" },
	{ .name = "a word that is not known",
	  .text = "username=joe\npasswrod=hunter2\n",
	  .want = -EINVAL,
	  .msg = ", line 2: not username=, password= or domain= with at most "
		 "255 bytes" },
	{ .name = "a line without a key",
	  .text = "hunter2\n",
	  .want = -EINVAL,
	  .msg = ", line 1: not username=, password= or domain= with at most "
		 "255 bytes" },
	{ .name = "a NUL",
	  .text = "username=joe\0password=hunter2\n",
	  .size = 30,
	  .want = -EINVAL,
	  .msg = ": not text" },
	{ .name = "open to the group",
	  .text = "username=joe\npassword=hunter2\n",
	  .mode = 0640,
	  .want = -EACCES,
	  .msg = ": others may read it: chown root and chmod 600 it" },
	{ .name = "open to all",
	  .text = "username=joe\npassword=hunter2\n",
	  .mode = 0604,
	  .want = -EACCES,
	  .msg = ": others may read it: chown root and chmod 600 it" },
};

static void assert_text(const char *got, const char *want)
{
	if (want) {
		assert_non_null(got);
		assert_string_equal(got, want);
	} else {
		assert_null(got);
	}
}

static void read_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(named_secret_freep) struct named_secret *s = NULL;
	char path[] = "/tmp/berth-test-secret-XXXXXX", want[512] = "";
	size_t size = row->size ? row->size : strlen(row->text);
	struct err err = { 0 };
	int r, fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, row->text, size), size);
	assert_int_equal(fchmod(fd, row->mode ? row->mode : 0600), 0);
	close(fd);
	r = named_secret_read(path, &s, &err);
	unlink(path);
	if (row->msg)
		snprintf(want, sizeof(want), "credentials file %s%s", path,
			 row->msg);
	assert_string_equal(err.msg, want);
	assert_int_equal(r, row->want);
	if (r < 0) {
		assert_null(s);
		return;
	}
	assert_text(s->user, row->user);
	assert_text(s->password, row->password);
	assert_text(s->domain, row->domain);
}

static void only_files_of_bounded_size(void **state)
{
	struct named_secret *s = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(named_secret_read("/nonexistent", &s, &err), -ENOENT);
	assert_int_equal(named_secret_read("/dev/zero", &s, &err), -EINVAL);
	assert_int_equal(named_secret_read("/tmp", &s, &err), -EINVAL);
	assert_int_equal(named_secret_read("/proc/self/exe", &s, &err),
			 -EINVAL);
	assert_null(s);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = read_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	tests[i] =
		(struct CMUnitTest)cmocka_unit_test(only_files_of_bounded_size);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
