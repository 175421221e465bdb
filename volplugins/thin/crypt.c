/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a volume's file system is on: its device in the pool, or, where it is
 * encrypted, one above that deciphers it (LUKS2: a header of 1 MiB, then the
 * data).
 *
 * That one is in use as long as it is open, and uses the one below; either goes
 * with its last user.  Its key is needed only to make it: what is mounted can be
 * taken up, made larger, and copied without.
 */
#include "volplugins/thin/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/luks.h"

#define TRIES  250
#define TRY_MS 20

static bool is_encrypted(const struct thin_record *rec)
{
	return rec->key[0] != '\0';
}

uint64_t thin_crypt_cost(const struct thin_record *rec)
{
	return is_encrypted(rec) ? LUKS_HEADER : 0;
}

static uint64_t below_size(const struct thin_record *rec)
{
	return thin_device_size(rec) + thin_crypt_cost(rec);
}

void thin_block_name(const struct thin_pool *p, const struct thin_record *rec,
		     char name[static DMX_NAME_MAX])
{
	if (is_encrypted(rec))
		thin_crypt_name(p, rec->number, name);
	else
		thin_device_name(p, rec->number, name);
}

void thin_crypt_name(const struct thin_pool *p, uint32_t number,
		     char name[static DMX_NAME_MAX])
{
	/* as .prefix: of our pool, whatever is on the device now */
	snprintf(name, DMX_NAME_MAX, "berth-crypt%s-%" PRIu32,
		 p->prefix + strlen(THIN_PREFIX), number);
}

static int below_open(struct thin_host *h, const struct thin_record *rec,
		      char path[static DMX_PATH_MAX], struct err *err)
{
	return thin_device_open(&h->pool, rec->number, below_size(rec), path,
				err);
}

/* ---- made ----------------------------------------------------------------------- */

int thin_crypt_format(struct thin_host *h, const struct thin_record *rec,
		      struct err *err)
{
	_cleanup_(luks_key_wipe) struct luks_key key = { 0 };
	char path[DMX_PATH_MAX];
	_cleanup_close_ int below = -EBADF;
	int r;

	if (!is_encrypted(rec))
		return 0;
	r = thin_keys_get(h->keys, rec->key, &key, err);
	if (r < 0)
		return r;
	below = below_open(h, rec, path, err);
	if (below < 0)
		return below;
	r = luks_format(path, &key, err);
	return r < 0 ? r : FAILPOINT("thin.crypt.formatted");
}

/* ---- in the kernel ------------------------------------------------------------------ */

/* The table's line, by the key: -ENOKEY and others say what to do. */
static int unlock(struct thin_host *h, const struct thin_record *rec, int below,
		  const char *path, struct luks_line *ret, struct err *err)
{
	_cleanup_(luks_key_wipe) struct luks_key key = { 0 };
	struct stat st;
	char dev[24];
	int r = thin_keys_get(h->keys, rec->key, &key, err);

	if (r < 0)
		return r;
	if (fstat(below, &st) < 0)
		return err_set(err, -errno, "stat: %s", strerror(errno));
	snprintf(dev, sizeof(dev), "%u:%u", major(st.st_rdev),
		 minor(st.st_rdev));
	r = luks_open(path, dev, &key, ret, err);
	if (r == -EKEYREJECTED)
		return err_set(err, r,
			       "key %s is not the one it was made with: put "
			       "that back",
			       rec->key);
	return r;
}

static int make(struct thin_host *h, const struct thin_record *rec, int below,
		const char *path, const char *name, struct err *err)
{
	_cleanup_(luks_line_wipe) struct luks_line line = { 0 };
	const struct dmx_table t = { .target = "crypt",
				     .sectors = thin_device_size(rec) / 512,
				     .params = line.params,
				     .secret = true };
	char uuid[DMX_UUID_MAX];
	int r = unlock(h, rec, below, path, &line, err);

	if (r < 0)
		return r;
	snprintf(uuid, sizeof(uuid), "BERTH-CRYPT-%s-%" PRIu32,
		 h->pool.layout.uuid, rec->number);
	return dmx_create(name, uuid, &t, err);
}

/* As large as it is to be. */
static int fit(const char *name, uint64_t bytes, struct err *err)
{
	_cleanup_(luks_line_wipe) struct luks_line line = { 0 };
	const struct dmx_table t = { .target = "crypt",
				     .sectors = bytes / 512,
				     .params = line.params,
				     .secret = true };
	uint64_t have = 0;
	int r = dmx_table(name, "crypt", line.params, sizeof(line.params),
			  &have, err);

	if (r == 0)
		r = dmx_resume(name, err);
	return r < 0 || have >= t.sectors ? r : dmx_reload(name, &t, err);
}

/* Take hold of what may be on its way out, or make it. */
static int open_once(struct thin_host *h, const struct thin_record *rec,
		     int below, const char *under,
		     char path[static DMX_PATH_MAX], struct err *err)
{
	char name[DMX_NAME_MAX];
	_cleanup_close_ int fd = -EBADF;
	int r = 0;

	thin_crypt_name(&h->pool, rec->number, name);
	fd = dmx_open(name, O_RDWR, path, err);
	if (fd == -ENOENT) {
		r = make(h, rec, below, under, name, err);
		if (r == -EEXIST)
			r = -EAGAIN; /* it goes right now */
		if (r == 0)
			fd = dmx_open(name, O_RDWR, path, err);
		if (r == 0 && fd < 0)
			(void)dmx_remove(name, NULL);
	}
	if (r < 0 || fd < 0)
		return r < 0 ? r : fd;
	r = FAILPOINT("thin.crypt.open");
	if (r == 0)
		r = dmx_remove_last(name, err);
	if (r == 0)
		r = fit(name, thin_device_size(rec), err);
	return r < 0 ? r : take_fd(fd);
}

int thin_block_open(struct thin_host *h, const struct thin_record *rec,
		    char path[static DMX_PATH_MAX], struct err *err)
{
	static const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };
	char under[DMX_PATH_MAX];
	_cleanup_close_ int below = -EBADF;
	int r = -EAGAIN;

	if (!is_encrypted(rec))
		return below_open(h, rec, path, err);
	below = below_open(h, rec, under, err);
	if (below < 0)
		return below;
	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		r = open_once(h, rec, below, under, path, err);
	}
	return r == -EAGAIN ? err_set(err, -EBUSY,
				      "deciphering device %" PRIu32
				      " of the pool does not go away",
				      rec->number)
			    : r;
}

int thin_block_grow(struct thin_host *h, const struct thin_record *rec,
		    struct err *err)
{
	char name[DMX_NAME_MAX];
	int r = thin_device_grow(&h->pool, rec->number, below_size(rec), err);

	if (r < 0 || !is_encrypted(rec))
		return r;
	r = FAILPOINT("thin.crypt.below-grown");
	thin_crypt_name(&h->pool, rec->number, name);
	if (r == 0)
		r = fit(name, thin_device_size(rec), err);
	return r == -ENOENT ? 0 : r;
}

/* ---- nobody may write ------------------------------------------------------------------ */

/* The upper one first: that makes the file system whole, which writes. */
int thin_block_freeze(struct thin_pool *p, const struct thin_record *rec,
		      struct err *err)
{
	char name[DMX_NAME_MAX];
	int r;

	if (!is_encrypted(rec))
		return thin_device_freeze(p, rec->number, err);
	thin_crypt_name(p, rec->number, name);
	r = dmx_suspend(name, err);
	if (r < 0 && r != -ENOENT)
		return r;
	r = thin_device_freeze(p, rec->number, err);
	if (r < 0)
		(void)dmx_resume(name, NULL);
	return r;
}

/* The lower one first: what the file system writes when it goes on waits for it. */
int thin_block_thaw(struct thin_pool *p, const struct thin_record *rec,
		    struct err *err)
{
	char name[DMX_NAME_MAX];
	int r = thin_device_thaw(p, rec->number, err), upper;

	if (!is_encrypted(rec))
		return r;
	thin_crypt_name(p, rec->number, name);
	upper = dmx_resume(name, r < 0 ? NULL : err);
	return r < 0 ? r : upper == -ENOENT ? 0 : upper;
}

static int wake_one(void *ctx, const char *name)
{
	struct dmx_info info;

	(void)ctx;
	if (dmx_find(name, &info, NULL) < 0)
		return 0;
	if (info.suspended)
		(void)dmx_resume(name, NULL);
	(void)dmx_remove_last(name, NULL);
	return 0;
}

void thin_crypt_wake(struct thin_pool *p)
{
	char prefix[DMX_NAME_MAX];

	if (!p->prefix[0])
		return;
	snprintf(prefix, sizeof(prefix), "berth-crypt%s-",
		 p->prefix + strlen(THIN_PREFIX));
	(void)dmx_each(prefix, wake_one, NULL, NULL);
}

/* ---- options ------------------------------------------------------------------------- */

int thin_crypt_options(const struct thin_options *o, struct err *err)
{
	if (o->key[0] && !thin_key_name_ok(o->key, strlen(o->key)))
		return err_set(err, -EINVAL,
			       "option keyfile: the name of a key (letters, "
			       "digits, \"_\", \".\" and \"-\", at most %d), "
			       "neither a path nor the key itself",
			       THIN_KEY_NAME_MAX - 1);
	if (o->from[0])
		return 0; /* thin_crypt_copy() */
	if (o->encrypt == THIN_ENCRYPT_ON && !o->key[0])
		return err_set(err, -EINVAL,
			       "option encrypt: by which key? keyfile=NAME, of "
			       "a file NAME with random bytes in the "
			       "directory of keys");
	if (o->encrypt != THIN_ENCRYPT_ON && o->key[0])
		return err_set(err, -EINVAL,
			       "option keyfile: goes with encrypt=on");
	return 0;
}

int thin_crypt_copy(const struct thin_options *o, const struct thin_record *src,
		    struct err *err)
{
	bool off = o->encrypt == THIN_ENCRYPT_OFF;

	if ((o->encrypt == THIN_ENCRYPT_ON && !is_encrypted(src)) ||
	    (off && is_encrypted(src)))
		return err_set(err, -EINVAL,
			       "option encrypt=%s: %s is %sencrypted, and so "
			       "will its copy; to change that make another "
			       "volume and copy the files",
			       off ? "off" : "on", o->from, off ? "" : "not ");
	if (o->key[0] && strcmp(o->key, src->key) != 0)
		return err_set(err, -EINVAL,
			       "option keyfile=%s: %s %s%s, and so will its "
			       "copy",
			       o->key, o->from,
			       is_encrypted(src) ? "has the key "
						 : "is not encrypted",
			       src->key);
	return 0;
}

int thin_crypt_check(struct thin_host *h, const struct thin_record *rec,
		     struct err *err)
{
	return is_encrypted(rec) ? thin_keys_get(h->keys, rec->key, NULL, err)
				 : 0;
}
