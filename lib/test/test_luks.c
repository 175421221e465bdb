/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LUKS2 headers, in a file: whose key opens what, and what is refused. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <libcryptsetup.h>
#include <nettle/base64.h>
#include <nettle/pbkdf2.h>
#include <nettle/sha2.h>
#include <nettle/xts.h>
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

/* ---- forged ---------------------------------------------------------------------- */

#define BINARY   4096 /* bytes before the text of a header */
#define METADATA 16384
#define SUM      448
#define SLOT     32768 /* where the first key slot's area is */
#define AREA     (64 * 4000)

static char *header_text(const struct disk *d)
{
	char *text = calloc(1, METADATA - BINARY + 1);

	assert_int_equal(pread(d->fd, text, METADATA - BINARY, BINARY),
			 METADATA - BINARY);
	return text;
}

/* Both copies, with the sum that they then have. */
static void put_text(const struct disk *d, const char *text)
{
	for (off_t at = 0; at < 2 * METADATA; at += METADATA) {
		unsigned char h[METADATA] = { 0 };
		struct sha256_ctx sha;

		assert_int_equal(pread(d->fd, h, BINARY, at), BINARY);
		memcpy(h + BINARY, text, strlen(text));
		memset(h + SUM, 0, 64);
		sha256_init(&sha);
		sha256_update(&sha, sizeof(h), h);
		sha256_digest(&sha, SHA256_DIGEST_SIZE, h + SUM);
		assert_int_equal(pwrite(d->fd, h, sizeof(h), at), sizeof(h));
	}
}

/* Of what comes after @after, the first @from. */
static void edit(const struct disk *d, const char *after, const char *from,
		 const char *to)
{
	_cleanup_free_ char *text = header_text(d), *made = NULL;
	char *at = strstr(text, after);

	assert_non_null(at);
	at = strstr(at, from);
	assert_non_null(at);
	*at = '\0';
	assert_true(asprintf(&made, "%s%s%s", text, to, at + strlen(from)) > 0);
	assert_true(strlen(made) < METADATA - BINARY);
	put_text(d, made);
}

/* What the first slot has, as its key deciphers it, put there in the clear. */
static void decipher_slot(const struct disk *d, const struct luks_key *k)
{
	_cleanup_free_ char *text = header_text(d);
	_cleanup_free_ unsigned char *area = malloc(AREA);
	const char *salt = strstr(strstr(text, "\"kdf\""), "\"salt\":\"");
	struct base64_decode_ctx b64;
	struct xts_aes256_key xts;
	unsigned char raw[64], stretched[64];
	size_t size = sizeof(raw), n;

	salt += strlen("\"salt\":\"");
	n = strcspn(salt, "\"");
	assert_int_equal(n, 44); /* of 32 bytes */
	base64_decode_init(&b64);
	assert_true(base64_decode_update(&b64, &size, raw, n, salt));
	assert_int_equal(size, 32);
	pbkdf2_hmac_sha256(k->size, k->bytes, 1000, size, raw,
			   sizeof(stretched), stretched);
	xts_aes256_set_decrypt_key(&xts, stretched);
	assert_int_equal(pread(d->fd, area, AREA, SLOT), AREA);
	for (uint64_t i = 0; i < AREA / 512; i++) {
		unsigned char tweak[16] = { (unsigned char)i,
					    (unsigned char)(i >> 8) };

		xts_aes256_decrypt_message(&xts, tweak, 512, area + i * 512,
					   area + i * 512);
	}
	assert_int_equal(pwrite(d->fd, area, AREA, SLOT), AREA);
}

/* By whoever can write to the disk, too: the key of the data is the forger's, and
 * any key gets it. */
static void a_slot_that_all_keys_open(void **state)
{
	const struct disk *d = *state;
	const struct luks_key forger = key_of(1, 64), k = key_of(2, 64);
	struct luks_line line = { 0 };
	struct err err = { 0 };

	assert_int_equal(luks_format(d->path, &forger, NULL), 0);
	decipher_slot(d, &forger);
	edit(d, "\"area\"", "aes-xts-plain64", "cipher_null-ecb");
	assert_int_equal(luks_open(d->path, "1:1", &k, &line, &err), -EUCLEAN);
	assert_string_equal(line.params, "");
	assert_non_null(strstr(err.msg, "cipher_null-ecb"));
}

static const struct forged {
	const char *name, *after, *from, *to;
	int want;
} forged[] = {
	{ "nothing", "area", "aes-xts-plain64", "aes-xts-plain64", 0 },
	{ "a slot with a short key", "\"area\"", "\"key_size\":64",
	  "\"key_size\":32", -EUCLEAN },
	{ "a slot by another mode", "\"area\"", "aes-xts-plain64",
	  "aes-cbc-plain64", -EUCLEAN },
	{ "a slot that is stretched for ever", "\"kdf\"", "\"iterations\":1000",
	  "\"iterations\":2147483647", -EUCLEAN },
	{ "a slot by a weak hash", "\"kdf\"", "sha256", "sha1", -EUCLEAN },
	{ "a digest that is stretched for ever", "\"digests\"",
	  "\"iterations\":1000", "\"iterations\":2147483647", -EUCLEAN },
	{ "a digest by a weak hash", "\"digests\"", "sha256", "sha1",
	  -EUCLEAN },
	{ "data by another cipher", "\"segments\"", "aes-xts-plain64",
	  "cipher_null-ecb", -EUCLEAN },
	{ "data in small sectors", "\"segments\"", "\"sector_size\":4096",
	  "\"sector_size\":512", -EUCLEAN },
	{ "data elsewhere", "\"segments\"", "\"offset\":\"1048576\"",
	  "\"offset\":\"2097152\"", -EUCLEAN },
};

static void forged_row(void **state)
{
	const struct forged *f = *state;
	const struct luks_key k = key_of(1, 64);
	struct luks_line line = { 0 };
	struct err err = { 0 };
	struct disk *d;
	void *made = NULL;

	setup(&made);
	d = made;
	assert_int_equal(luks_format(d->path, &k, NULL), 0);
	edit(d, f->after, f->from, f->to);
	assert_int_equal(luks_open(d->path, "1:1", &k, &line, &err), f->want);
	assert_true((line.params[0] != '\0') == (f->want == 0));
	teardown(&made);
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
	struct CMUnitTest tests[7 + 1 + ARRAY_SIZE(forged)] = {
		DISK_TEST(its_key_opens_it),
		DISK_TEST(two_with_one_key_differ),
		DISK_TEST(another_key_does_not),
		DISK_TEST(only_the_header_is_written),
		DISK_TEST(no_header),
		DISK_TEST(another_cipher),
		DISK_TEST(a_slot_that_all_keys_open),
		cmocka_unit_test(many_at_once),
	};

	for (size_t i = 0; i < ARRAY_SIZE(forged); i++)
		tests[8 + i] = (struct CMUnitTest){
			.name = forged[i].name,
			.test_func = forged_row,
			.initial_state = (void *)(uintptr_t)&forged[i],
		};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
