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
#include "lib/jdec.h"

#define SECTOR     512
#define METADATA   16384 /* bytes, twice */
#define VOLUME_KEY 64    /* bytes: AES-256, twice for XTS */
#define CIPHER     "aes"
#define MODE       "xts-plain64"
#define STRETCH    50000000u /* iterations, of all: some ten seconds */

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

/* ---- its key slots ---------------------------------------------------------------- */

/*
 * Each says itself how the key of the data is enciphered in it, and how long the
 * key that opens it is stretched.  Whoever can write to the disk can say: not at
 * all, which every key opens; or so long that it never ends.
 */
struct area {
	char encryption[64];
	uint32_t key_size;
};

struct stretch {
	char type[16], hash[16];
	uint32_t iterations;
};

struct slot {
	char type[16];
	struct area area;
	struct stretch kdf;
};

static const struct jdec_field area_fields[] = {
	JDEC_FIELD("encryption", JDEC_STR, struct area, encryption,
		   JDEC_REQUIRED),
	JDEC_FIELD("key_size", JDEC_U32, struct area, key_size, 0),
	{ 0 },
};

/* A digest, which tells the right key of the data, is one as well. */
static const struct jdec_field stretch_fields[] = {
	JDEC_FIELD("type", JDEC_STR, struct stretch, type, JDEC_REQUIRED),
	JDEC_FIELD("hash", JDEC_STR, struct stretch, hash, 0),
	JDEC_FIELD("iterations", JDEC_U32, struct stretch, iterations, 0),
	{ 0 },
};

static const struct jdec_field slot_fields[] = {
	JDEC_FIELD("type", JDEC_STR, struct slot, type, JDEC_REQUIRED),
	JDEC_FIELD_OBJ("area", struct slot, area, area_fields, JDEC_REQUIRED),
	JDEC_FIELD_OBJ("kdf", struct slot, kdf, stretch_fields, JDEC_REQUIRED),
	{ 0 },
};

static bool is_plain(const struct stretch *s, uint64_t *cost)
{
	*cost += s->iterations;
	return strcmp(s->type, CRYPT_KDF_PBKDF2) == 0 &&
	       (strcmp(s->hash, "sha256") == 0 ||
		strcmp(s->hash, "sha512") == 0) &&
	       *cost <= STRETCH;
}

static int check_slot(const char *number, json_object *obj, uint64_t *cost,
		      struct err *err)
{
	struct slot s = { 0 };
	int r = jdec_object(obj, slot_fields, &s, err);

	if (r < 0)
		return err_wrap(err, r, "key slot %.8s", number);
	if (strcmp(s.type, "luks2") != 0 ||
	    strcmp(s.area.encryption, CIPHER "-" MODE) != 0 ||
	    s.area.key_size != VOLUME_KEY)
		return err_set(err, -EUCLEAN,
			       "key slot %.8s is enciphered with %s, %u bytes",
			       number, s.area.encryption, s.area.key_size);
	if (!is_plain(&s.kdf, cost))
		return err_set(err, -EUCLEAN,
			       "the key of slot %.8s is stretched by %s, hash "
			       "%s, %u times (cryptsetup luksAddKey --pbkdf "
			       "pbkdf2 --pbkdf-force-iterations 1000)",
			       number, s.kdf.type, s.kdf.hash,
			       s.kdf.iterations);
	return 0;
}

static int check_digest(const char *number, json_object *obj, uint64_t *cost,
			struct err *err)
{
	struct stretch s = { 0 };
	int r = jdec_object(obj, stretch_fields, &s, err);

	if (r < 0)
		return err_wrap(err, r, "digest %.8s", number);
	return is_plain(&s, cost)
		       ? 0
		       : err_set(err, -EUCLEAN,
				 "digest %.8s is by %s, hash %s, %u times",
				 number, s.type, s.hash, s.iterations);
}

static int each(json_object *header, const char *what,
		int (*check)(const char *number, json_object *obj,
			     uint64_t *cost, struct err *err),
		uint64_t *cost, struct err *err)
{
	json_object *all = NULL;
	int r = 0;

	if (!json_object_object_get_ex(header, what, &all) ||
	    !json_object_is_type(all, json_type_object))
		return err_set(err, -EUCLEAN, "it has no %s", what);
	json_object_object_foreach(all, number, obj)
	{
		if (r == 0)
			r = check(number, obj, cost, err);
	}
	return r;
}

/* What it costs to try all of them is bounded, too. */
static int check_slots(struct crypt_device *cd, struct err *err)
{
	_cleanup_(json_putp) json_object *header = NULL;
	const char *text = NULL;
	uint64_t cost = 0;
	int r = crypt_dump_json(cd, &text, 0);

	if (r < 0 || !text)
		return err_set(err, -EUCLEAN, "it can't be read");
	r = jdec_parse(text, strlen(text), &header, err);
	if (r == 0)
		r = each(header, "digests", check_digest, &cost, err);
	if (r == 0)
		r = each(header, "keyslots", check_slot, &cost, err);
	return r;
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
	struct err why = { 0 };
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
	r = check_slots(cd, &why);
	if (r < 0)
		return err_set(err, -EUCLEAN,
			       "%s has a LUKS2 header of another make: %.300s",
			       path, why.msg);
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
