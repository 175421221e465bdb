/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LUKS2 by libcryptsetup.
 *
 * The library counts its contexts, and with the last it tears down what
 * libdevmapper has open for the process, whoever uses that: so one stays for
 * ever, and lib/dmx.c sets its own log after.  It has more such state (its
 * cipher backend, lists of devices): one call at a time.
 */
#include "lib/luks.h"

#include <errno.h>
#include <libcryptsetup.h>
#include <pthread.h>
#include <stdio.h>

#include "lib/base.h"

#define SECTOR     512
#define METADATA   16384 /* bytes, twice */
#define VOLUME_KEY 64    /* bytes: AES-256, twice for XTS */
#define CIPHER     "aes"
#define MODE       "xts-plain64"

/* A key of random bytes can't be guessed, however fast a guess is. */
static const struct crypt_pbkdf_type pbkdf = {
	.type = CRYPT_KDF_PBKDF2,
	.hash = "sha256",
	.iterations = 1000,
	.flags = CRYPT_PBKDF_NO_BENCHMARK,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct crypt_device *forever;
static char said[200]; /* the first complaint of a call */

static void unlockp(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static void cryptp(struct crypt_device **cd)
{
	if (*cd)
		crypt_free(*cd);
}

static void note(int level, const char *msg, void *ctx)
{
	(void)ctx;
	if (level != CRYPT_LOG_ERROR || said[0])
		return;
	snprintf(said, sizeof(said), "%s", msg);
	said[strcspn(said, "\n")] = '\0';
}

static void setup(void)
{
	crypt_set_log_callback(NULL, note, NULL);
	/* files in /run/cryptsetup, against others: a pool's devices have none */
	(void)crypt_metadata_locking(NULL, 0);
	(void)crypt_init(&forever, NULL);
	dmx_listen();
}

static int begin(const char *path, struct crypt_device **ret, struct err *err)
{
	int r;

	pthread_once(&once, setup);
	said[0] = '\0';
	if (!forever)
		return err_set(err, -ENOMEM, "LUKS: out of memory");
	r = crypt_init(ret, path);
	return r < 0 ? err_set(err, r, "LUKS on %s: %s", path, strerror(-r))
		     : 0;
}

static int failed(int r, const char *what, const char *path, struct err *err)
{
	return err_set(err, r, "%s %s: %s", what, path,
		       said[0] ? said : strerror(r < 0 ? -r : EIO));
}

/* ---- made ---------------------------------------------------------------------- */

static int format(struct crypt_device *cd, const struct luks_key *key)
{
	struct crypt_params_luks2 params = {
		.pbkdf = &pbkdf,
		.sector_size = LUKS_SECTOR,
		.subsystem = "berth",
	};
	int r = crypt_set_metadata_size(cd, METADATA,
					LUKS_HEADER - 2 * METADATA);

	crypt_set_rng_type(cd, CRYPT_RNG_URANDOM);
	if (r == 0)
		r = crypt_set_data_offset(cd, LUKS_HEADER / SECTOR);
	if (r == 0)
		r = crypt_set_pbkdf_type(cd, &pbkdf);
	if (r == 0)
		r = crypt_format(cd, CRYPT_LUKS2, CIPHER, MODE, NULL, NULL,
				 VOLUME_KEY, &params);
	if (r == 0)
		r = crypt_keyslot_add_by_volume_key(
			cd, 0, NULL, 0, (const char *)key->bytes, key->size);
	return r < 0 ? r : 0;
}

int luks_format(const char *path, const struct luks_key *key, struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &lock;
	_cleanup_(cryptp) struct crypt_device *cd = NULL;
	int r;

	pthread_mutex_lock(held);
	r = begin(path, &cd, err);
	if (r < 0)
		return r;
	r = format(cd, key);
	return r < 0 ? failed(r, "make a LUKS header on", path, err) : 0;
}

/* ---- opened ----------------------------------------------------------------------- */

static bool is_ours(struct crypt_device *cd)
{
	const char *cipher = crypt_get_cipher(cd);
	const char *mode = crypt_get_cipher_mode(cd);

	return cipher && mode && strcmp(cipher, CIPHER) == 0 &&
	       strcmp(mode, MODE) == 0 &&
	       crypt_get_volume_key_size(cd) == VOLUME_KEY &&
	       crypt_get_sector_size(cd) == LUKS_SECTOR &&
	       crypt_get_data_offset(cd) == LUKS_HEADER / SECTOR &&
	       crypt_get_iv_offset(cd) == 0;
}

static void print(const unsigned char *key, const char *below,
		  struct luks_line *ret)
{
	char hex[2 * VOLUME_KEY + 1];

	for (size_t i = 0; i < VOLUME_KEY; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
	snprintf(ret->params, sizeof(ret->params),
		 CIPHER "-" MODE " %s 0 %s %llu 2 allow_discards "
			"sector_size:%d",
		 hex, below, LUKS_HEADER / SECTOR, LUKS_SECTOR);
	explicit_bzero(hex, sizeof(hex));
}

int luks_open(const char *path, const char *below, const struct luks_key *key,
	      struct luks_line *ret, struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &lock;
	_cleanup_(cryptp) struct crypt_device *cd = NULL;
	unsigned char volume_key[VOLUME_KEY];
	size_t size = sizeof(volume_key);
	int r;

	pthread_mutex_lock(held);
	r = begin(path, &cd, err);
	if (r < 0)
		return r;
	r = crypt_load(cd, CRYPT_LUKS2, NULL);
	if (r == -EINVAL)
		return err_set(err, -EUCLEAN, "%s has no LUKS2 header", path);
	if (r < 0)
		return failed(r, "read the LUKS header of", path, err);
	if (!is_ours(cd))
		return err_set(err, -EUCLEAN,
			       "%s has a LUKS2 header of another make (look at "
			       "it with cryptsetup luksDump)",
			       path);
	r = crypt_volume_key_get(cd, CRYPT_ANY_SLOT, (char *)volume_key, &size,
				 (const char *)key->bytes, key->size);
	if (r == -EPERM || r == -ENOENT)
		return err_set(err, -EKEYREJECTED, "not the key of %s", path);
	if (r < 0)
		return failed(r, "open the LUKS header of", path, err);
	print(volume_key, below, ret);
	explicit_bzero(volume_key, sizeof(volume_key));
	return 0;
}
