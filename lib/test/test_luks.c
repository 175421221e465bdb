/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LUKS2 headers, in a file: whose key opens what, and what is refused. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/luks.h"

#define FILL 0xaa
#define SIZE (3u << 20)

struct disk {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct disk *d = calloc(1, sizeof(*d));
	unsigned char fill[4096];

	snprintf(d->path, sizeof(d->path), "/tmp/berth-test-luks-XXXXXX");
	d->fd = mkostemp(d->path, O_CLOEXEC);
	assert_true(d->fd >= 0);
	memset(fill, FILL, sizeof(fill));
	for (off_t at = 0; at < SIZE; at += (off_t)sizeof(fill))
		assert_int_equal(pwrite(d->fd, fill, sizeof(fill), at),
				 sizeof(fill));
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct disk *d = *state;

	unlink(d->path);
	close(d->fd);
	free(d);
	return 0;
}

static struct luks_key key_of(int seed, size_t size)
{
	struct luks_key k = { .size = size };

	for (size_t i = 0; i < size; i++)
		k.bytes[i] = (unsigned char)(seed + (int)(i * 7));
	return k;
}

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n && s[n] == ' ';
}

static void its_key_opens_it(void **state)
{
	static const size_t sizes[] = { LUKS_KEY_MIN, 64, LUKS_KEY_MAX };
	const struct disk *d = *state;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct luks_key k = key_of(1, sizes[i]);
		struct luks_line a = { 0 }, b = { 0 };

		assert_int_equal(luks_format(d->path, &k, NULL), 0);
		assert_int_equal(luks_open(d->path, "253:4", &k, &a, NULL), 0);
		assert_memory_equal(a.params, "aes-xts-plain64 ", 16);
		assert_true(is_hex(a.params + 16, 128));
		assert_string_equal(a.params + 16 + 128,
				    " 0 253:4 2048 2 allow_discards "
				    "sector_size:4096");
		assert_int_equal(luks_open(d->path, "253:4", &k, &b, NULL), 0);
		assert_string_equal(a.params, b.params);
		luks_line_wipe(&b);
		assert_string_equal(b.params, "");
	}
}

/* Every header has a key of its own for the data. */
static void two_with_one_key_differ(void **state)
{
	const struct disk *d = *state;
	const struct luks_key k = key_of(1, 64);
	struct luks_line a = { 0 }, b = { 0 };

	assert_int_equal(luks_format(d->path, &k, NULL), 0);
	assert_int_equal(luks_open(d->path, "1:1", &k, &a, NULL), 0);
	assert_int_equal(luks_format(d->path, &k, NULL), 0);
	assert_int_equal(luks_open(d->path, "1:1", &k, &b, NULL), 0);
	assert_string_not_equal(a.params, b.params);
}

static void another_key_does_not(void **state)
{
	const struct disk *d = *state;
	const struct luks_key k = key_of(1, 64), other = key_of(2, 64),
			      cut = key_of(1, 63), longer = key_of(1, 65);
	const struct luks_key *const wrong[] = { &other, &cut, &longer };

	assert_int_equal(luks_format(d->path, &k, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct luks_line line = { 0 };
		struct err err = { 0 };

		assert_int_equal(
			luks_open(d->path, "1:1", wrong[i], &line, &err),
			-EKEYREJECTED);
		assert_non_null(strstr(err.msg, d->path));
		assert_string_equal(line.params, "");
	}
}

static void only_the_header_is_written(void **state)
{
	const struct disk *d = *state;
	const struct luks_key k = key_of(1, 64);
	unsigned char *all = malloc(SIZE);

	assert_int_equal(luks_format(d->path, &k, NULL), 0);
	assert_int_equal(pread(d->fd, all, SIZE, 0), SIZE);
	for (size_t i = LUKS_HEADER; i < SIZE; i++)
		assert_int_equal(all[i], FILL);
	/* nor is the key, or that of the data, anywhere in it */
	assert_null(memmem(all, SIZE, k.bytes, 16));
	free(all);
}

static void no_header(void **state)
{
	const struct disk *d = *state;
	const struct luks_key k = key_of(1, 64);
	struct luks_line line = { 0 };
	struct err err = { 0 };

	assert_int_equal(luks_open(d->path, "1:1", &k, &line, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "no LUKS2 header"));
	assert_true(luks_open("/nonexistent", "1:1", &k, &line, &err) < 0);
	assert_non_null(strstr(err.msg, "/nonexistent"));
}

/* By whoever can write to the disk: the right key opens it, and what is written
 * from then on is worth less, or could be read by all. */
static void another_cipher(void **state)
{
	const struct disk *d = *state;
	const struct luks_key k = key_of(1, 64);
	const struct crypt_pbkdf_type pbkdf = {
		.type = CRYPT_KDF_PBKDF2,
		.hash = "sha256",
		.iterations = 1000,
		.flags = CRYPT_PBKDF_NO_BENCHMARK,
	};
	struct crypt_params_luks2 params = { .pbkdf = &pbkdf,
					     .sector_size = 4096 };
	struct crypt_device *cd = NULL;
	struct luks_line line = { 0 };
	struct err err = { 0 };

	assert_int_equal(luks_format(d->path, &k, NULL), 0);
	assert_int_equal(crypt_init(&cd, d->path), 0);
	assert_int_equal(crypt_set_metadata_size(cd, 16384, (1 << 20) - 32768),
			 0);
	assert_int_equal(crypt_set_data_offset(cd, 2048), 0);
	assert_int_equal(crypt_format(cd, CRYPT_LUKS2, "aes", "cbc-plain64",
				      NULL, NULL, 32, &params),
			 0);
	assert_true(crypt_keyslot_add_by_volume_key(cd, 0, NULL, 0,
						    (const char *)k.bytes,
						    k.size) >= 0);
	crypt_free(cd);
	assert_int_equal(luks_open(d->path, "1:1", &k, &line, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "another make"));
	assert_string_equal(line.params, "");
}

static void *life(void *arg)
{
	const struct luks_key k = key_of((int)(intptr_t)arg, 64);
	struct luks_line line = { 0 };
	struct disk *d;
	void *state = NULL;
	bool ok;

	setup(&state);
	d = state;
	ok = luks_format(d->path, &k, NULL) == 0 &&
	     luks_open(d->path, "1:1", &k, &line, NULL) == 0;
	teardown(&state);
	return ok ? arg : NULL;
}

static void many_at_once(void **state)
{
	pthread_t threads[8];

	(void)state;
	for (intptr_t i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, life,
						(void *)(i + 1)),
				 0);
	for (intptr_t i = 0; i < 8; i++) {
		void *ret = NULL;

		pthread_join(threads[i], &ret);
		assert_ptr_equal(ret, (void *)(i + 1));
	}
}

#define DISK_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DISK_TEST(its_key_opens_it),
		DISK_TEST(two_with_one_key_differ),
		DISK_TEST(another_key_does_not),
		DISK_TEST(only_the_header_is_written),
		DISK_TEST(no_header),
		DISK_TEST(another_cipher),
		cmocka_unit_test(many_at_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
