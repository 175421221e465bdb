/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which keys are taken, from where, and which options go together. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "volplugins/thin/crypt.h"

#define OTHER 65534

struct place {
	char dir[64], credentials[80], keys[80];
	struct thin_keys k;
};

static void write_file(const char *dir, const char *name, char fill,
		       size_t size, mode_t mode)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(write(fd, &fill, 1), 1);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void own(const char *dir, const char *name, uid_t uid)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(lchown(path, uid, 0), 0);
}

static void make_link(const char *to, const char *dir, const char *name)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(symlink(to, path), 0);
}

static int setup(void **state)
{
	static struct place p;

	if (geteuid() != 0) {
		print_message("SKIP: not root\n");
		skip();
	}
	p = (struct place){ .k = { 0 } };
	snprintf(p.dir, sizeof(p.dir), "/tmp/berth-test-keys-XXXXXX");
	assert_non_null(mkdtemp(p.dir));
	snprintf(p.keys, sizeof(p.keys), "%s/keys", p.dir);
	snprintf(p.credentials, sizeof(p.credentials), "%s/cred", p.dir);
	assert_int_equal(mkdir(p.keys, 0700), 0);
	assert_int_equal(mkdir(p.credentials, 0700), 0);
	p.k.dir = p.keys;
	p.k.credentials = p.credentials;
	*state = &p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	thin_keys_close(&p->k);
	test_rmdir(p->dir);
	return 0;
}

/* ---- files ------------------------------------------------------------------------ */

static void a_file_is_read(void **state)
{
	const struct place *p = *state;
	struct luks_key key = { 0 };

	write_file(p->keys, "db", 'k', 64, 0600);
	assert_int_equal(thin_keys_get(&p->k, "db", &key, NULL), 0);
	assert_int_equal(key.size, 64);
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(key.bytes[i], 'k');
	assert_int_equal(thin_keys_get(&p->k, "db", NULL, NULL), 0);
}

static void none_says_where_to_put_it(void **state)
{
	const struct place *p = *state;
	struct err err = { 0 };

	assert_int_equal(thin_keys_get(&p->k, "db", NULL, &err), -ENOKEY);
	assert_non_null(strstr(err.msg, "key db is not here"));
	assert_non_null(strstr(err.msg, p->keys));
	rmdir(p->keys);
	assert_int_equal(thin_keys_get(&p->k, "db", NULL, &err), -ENOKEY);
}

static const struct file_row {
	const char *name;
	size_t size;
	mode_t mode;
	uid_t uid;
	int want;
	const char *says;
} files[] = {
	{ "the least", LUKS_KEY_MIN, 0400, 0, 0, NULL },
	{ "the most", LUKS_KEY_MAX, 0600, 0, 0, NULL },
	{ "one byte too few", LUKS_KEY_MIN - 1, 0600, 0, -EINVAL,
	  "less than 32" },
	{ "one byte too many", LUKS_KEY_MAX + 1, 0600, 0, -EINVAL,
	  "more than 8192" },
	{ "empty", 0, 0600, 0, -EINVAL, "less than 32" },
	{ "its group reads it", 64, 0640, 0, -EPERM, "chmod 600" },
	{ "others read it", 64, 0604, 0, -EPERM, "chmod 600" },
	{ "others write it", 64, 0602, 0, -EPERM, "chmod 600" },
	{ "somebody else's", 64, 0600, OTHER, -EPERM, "chown root" },
};

static void file_row(void **state)
{
	const struct file_row *row = *state;
	struct luks_key key = { 0 };
	struct err err = { 0 };
	void *place = NULL;
	const struct place *p;

	setup(&place);
	p = place;
	write_file(p->keys, "db", 'k', row->size, row->mode);
	own(p->keys, "db", row->uid);
	assert_int_equal(thin_keys_get(&p->k, "db", &key, &err), row->want);
	if (row->says)
		assert_non_null(strstr(err.msg, row->says));
	if (row->want == -EPERM) /* nothing of it was read */
		assert_int_equal(key.size, 0);
	teardown(&place);
}

static void the_directory_is_roots(void **state)
{
	const struct place *p = *state;
	struct err err = { 0 };

	write_file(p->keys, "db", 'k', 64, 0600);
	assert_int_equal(chmod(p->keys, 0755), 0);
	assert_int_equal(thin_keys_get(&p->k, "db", NULL, NULL), 0);
	assert_int_equal(chmod(p->keys, 0770), 0);
	assert_int_equal(thin_keys_get(&p->k, "db", NULL, &err), -EPERM);
	assert_non_null(strstr(err.msg, p->keys));
	assert_int_equal(chmod(p->keys, 0700), 0);
	own(p->dir, "keys", OTHER);
	assert_int_equal(thin_keys_get(&p->k, "db", NULL, NULL), -EPERM);
}

static void no_link_leads_out(void **state)
{
	const struct place *p = *state;
	struct err err = { 0 };
	char path[160];

	write_file(p->dir, "outside", 'o', 64, 0600);
	snprintf(path, sizeof(path), "%s/outside", p->dir);
	make_link("../outside", p->keys, "up");
	make_link(path, p->keys, "absolute");
	assert_int_equal(thin_keys_get(&p->k, "up", NULL, &err), -EPERM);
	assert_non_null(strstr(err.msg, "link out of the directory"));
	assert_int_equal(thin_keys_get(&p->k, "absolute", NULL, NULL), -EPERM);
	write_file(p->keys, "real", 'r', 64, 0600);
	make_link("real", p->keys, "inside");
	assert_int_equal(thin_keys_get(&p->k, "inside", NULL, NULL), 0);
}

static void only_files_are_read(void **state)
{
	const struct place *p = *state;
	char path[160];

	snprintf(path, sizeof(path), "%s/fifo", p->keys);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(thin_keys_get(&p->k, "fifo", NULL, NULL), -EINVAL);
	snprintf(path, sizeof(path), "%s/dir", p->keys);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(thin_keys_get(&p->k, "dir", NULL, NULL), -EINVAL);
}

static void a_credential_comes_first(void **state)
{
	struct place *p = *state;
	struct luks_key key = { 0 };

	write_file(p->keys, "db", 'k', 64, 0600);
	write_file(p->credentials, "db", 'c', 64, 0400);
	assert_int_equal(thin_keys_get(&p->k, "db", &key, NULL), 0);
	assert_int_equal(key.bytes[0], 'c');
	p->k.credentials = NULL;
	assert_int_equal(thin_keys_get(&p->k, "db", &key, NULL), 0);
	assert_int_equal(key.bytes[0], 'k');
}

/* ---- descriptors --------------------------------------------------------------------- */

static unsigned long locked_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	unsigned long n = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %lu", &n) == 1)
			break;
	fclose(f);
	return n;
}

/* mlock() of the sanitizers does nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MLOCK_WORKS false
#else
#define MLOCK_WORKS true
#endif

static void not_in_swap_nor_in_a_core_dump(void **state)
{
	struct place *p = *state;
	unsigned long before = locked_kib();
	char spec[32], fill[64] = "random";
	int fds[2];

	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], fill, sizeof(fill)), sizeof(fill));
	close(fds[1]);
	snprintf(spec, sizeof(spec), "db=%d", fds[0]);
	assert_int_equal(thin_keys_flag(&p->k, spec, NULL), 0);
	assert_true(!MLOCK_WORKS ||
		    locked_kib() >= before + sizeof(struct luks_key) / 1024);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	thin_keys_close(&p->k);

	/* those that are read when they are needed */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	thin_keys_open(&p->k, NULL);
	assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
}

static void by_descriptor(void **state)
{
	struct place *p = *state;
	struct luks_key key = { 0 };
	char spec[32], fill[64];
	int fds[2];

	write_file(p->keys, "db", 'k', 64, 0600);
	memset(fill, 'f', sizeof(fill));
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], fill, sizeof(fill)), sizeof(fill));
	close(fds[1]);
	snprintf(spec, sizeof(spec), "db=%d", fds[0]);
	assert_int_equal(thin_keys_flag(&p->k, spec, NULL), 0);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* closed */
	for (int i = 0; i < 2; i++) {
		luks_key_wipe(&key);
		assert_int_equal(thin_keys_get(&p->k, "db", &key, NULL), 0);
		assert_int_equal(key.size, 64);
		assert_int_equal(key.bytes[63], 'f');
	}
	assert_int_equal(thin_keys_flag(&p->k, "db=3", NULL), -EINVAL);
	thin_keys_close(&p->k);
	assert_int_equal(thin_keys_get(&p->k, "db", &key, NULL), 0);
	assert_int_equal(key.bytes[0], 'k');
}

static void a_bad_descriptor_is_refused(void **state)
{
	struct thin_keys k = { 0 };
	struct err err = { 0 };
	char spec[32];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[1]);
	snprintf(spec, sizeof(spec), "db=%d", fds[0]);
	assert_int_equal(thin_keys_flag(&k, spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "key db has less"));
	/* closed: no such descriptor now */
	assert_int_equal(thin_keys_flag(&k, spec, &err), -EBADF);
	assert_int_equal(k.held_count, 0);
}

static const struct spec_row {
	const char *name, *spec;
} specs[] = {
	{ "no descriptor", "db" },     { "an empty one", "db=" },
	{ "no number", "db=x" },       { "more than a number", "db=900x" },
	{ "standard output", "db=1" }, { "a negative one", "db=-1" },
	{ "no name", "=900" },         { "a path", "../db=900" },
};

static void spec_row(void **state)
{
	const struct spec_row *row = *state;
	struct thin_keys k = { 0 };
	struct err err = { 0 };

	assert_int_equal(thin_keys_flag(&k, row->spec, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "NAME=FD"));
}

/* ---- options -------------------------------------------------------------------------- */

#define ON     THIN_ENCRYPT_ON
#define OFF    THIN_ENCRYPT_OFF
#define UNSAID THIN_ENCRYPT_UNSAID

static const struct option_row {
	const char *name;
	struct thin_options o;
	int want;
	const char *says, *never;
} options[] = {
	{ "nothing", { .encrypt = UNSAID }, 0, NULL, NULL },
	{ "off", { .encrypt = OFF }, 0, NULL, NULL },
	{ "with a key", { .encrypt = ON, .key = "db.1" }, 0, NULL, NULL },
	{ "without a key", { .encrypt = ON }, -EINVAL, "keyfile=NAME", NULL },
	{ "a key alone",
	  { .encrypt = UNSAID, .key = "db" },
	  -EINVAL,
	  "encrypt=on",
	  NULL },
	{ "off, and a key",
	  { .encrypt = OFF, .key = "db" },
	  -EINVAL,
	  "encrypt=on",
	  NULL },
	{ "a path",
	  { .encrypt = ON, .key = "/etc/key" },
	  -EINVAL,
	  "neither a path",
	  "/etc/key" },
	{ "a way out",
	  { .encrypt = ON, .key = ".." },
	  -EINVAL,
	  "neither a path",
	  NULL },
	{ "the key itself, which no answer repeats",
	  { .encrypt = ON, .key = "c2VjcmV0+Zw==" },
	  -EINVAL,
	  "nor the key itself",
	  "c2Vj" },
};

static void option_row(void **state)
{
	const struct option_row *row = *state;
	struct err err = { 0 };

	assert_int_equal(thin_crypt_options(&row->o, &err), row->want);
	if (row->says)
		assert_non_null(strstr(err.msg, row->says));
	if (row->never)
		assert_null(strstr(err.msg, row->never));
}

static const struct copy_row {
	const char *name;
	int encrypt;
	const char *key, *src; /* keys */
	int want;
} copies[] = {
	{ "plain", UNSAID, "", "", 0 },
	{ "plain, said so", OFF, "", "", 0 },
	{ "as its source", UNSAID, "", "db", 0 },
	{ "as its source, said so", ON, "db", "db", 0 },
	{ "its key alone", UNSAID, "db", "db", 0 },
	{ "encrypted of a plain one", ON, "db", "", -EINVAL },
	{ "plain of an encrypted one", OFF, "", "db", -EINVAL },
	{ "another key", ON, "other", "db", -EINVAL },
	{ "a key for a plain one", UNSAID, "db", "", -EINVAL },
};

static void copy_row(void **state)
{
	const struct copy_row *row = *state;
	struct thin_options o = { .encrypt = row->encrypt, .from = "src" };
	struct thin_record rec = { .number = 1 };
	struct err err = { 0 };

	snprintf(o.key, sizeof(o.key), "%s", row->key);
	snprintf(rec.key, sizeof(rec.key), "%s", row->src);
	assert_int_equal(thin_crypt_copy(&o, &rec, &err), row->want);
	if (row->want < 0)
		assert_non_null(strstr(err.msg, "src"));
}

#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[9 + ARRAY_SIZE(files) + ARRAY_SIZE(specs) +
				ARRAY_SIZE(options) + ARRAY_SIZE(copies)] = {
		PLACE_TEST(a_file_is_read),
		PLACE_TEST(none_says_where_to_put_it),
		PLACE_TEST(the_directory_is_roots),
		PLACE_TEST(no_link_leads_out),
		PLACE_TEST(only_files_are_read),
		PLACE_TEST(a_credential_comes_first),
		PLACE_TEST(not_in_swap_nor_in_a_core_dump),
		PLACE_TEST(by_descriptor),
		cmocka_unit_test(a_bad_descriptor_is_refused),
	};
	size_t n = 9;

	n += TEST_ROWS(tests + n, files, file_row);
	n += TEST_ROWS(tests + n, specs, spec_row);
	n += TEST_ROWS(tests + n, options, option_row);
	TEST_ROWS(tests + n, copies, copy_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
