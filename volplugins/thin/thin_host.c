/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What thin volumes share: flags, directories, and what no volume owns. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/mnt.h"
#include "lib/mounts.h"
#include "lib/tree.h"
#include "volplugins/thin/crypt.h"
#include "volplugins/vol_dir.h"

/* ---- flags ------------------------------------------------------------------- */

static int set_device(struct plugd *d, void *config, const char *value,
		      struct err *err)
{
	struct thin_config *c = vol_config(d);

	(void)config;
	if (value[0] != '/')
		return err_set(err, -EINVAL,
			       "the path of a block device, as /dev/sdb1");
	c->device = value;
	return 0;
}

static int set_size(struct plugd *d, void *config, const char *value,
		    struct err *err)
{
	struct thin_config *c = vol_config(d);

	(void)config;
	return opts_size(value, &c->size, err);
}

static int set_transaction(struct plugd *d, void *config, const char *value,
			   struct err *err)
{
	struct thin_config *c = vol_config(d);
	char rest;

	(void)config;
	if (sscanf(value, "%" SCNu64 "%c", &c->transaction, &rest) != 1)
		return err_set(err, -EINVAL, "a number, as the error said it");
	c->accept = true;
	return 0;
}

static int set_key_dir(struct plugd *d, void *config, const char *value,
		       struct err *err)
{
	struct thin_config *c = vol_config(d);

	(void)config;
	if (value[0] != '/')
		return err_set(err, -EINVAL, "an absolute path");
	c->keys.dir = value;
	return 0;
}

static int set_key_fd(struct plugd *d, void *config, const char *value,
		      struct err *err)
{
	struct thin_config *c = vol_config(d);

	(void)config;
	return thin_keys_flag(&c->keys, value, err);
}

const struct plugd_flag thin_flags[] = {
	{ "pool-device", "PATH",
	  "block device or partition the pool is on, all of it (default: "
	  "pool.img in the state directory)",
	  set_device },
	{ "pool-size", "SIZE",
	  "of pool.img; a larger one makes it grow (default: a quarter of "
	  "what is free, at most 10g)",
	  set_size },
	{ "pool-transaction", "N",
	  "go on with a pool of another moment than the records, which is at N",
	  set_transaction },
	{ "key-dir", "DIR",
	  "where the keys of encrypted volumes are, as files "
	  "(default: " THIN_KEY_DIR ")",
	  set_key_dir },
	{ "key-fd", "NAME=FD",
	  "read the key NAME from this open descriptor, to its end; may be "
	  "said more than once",
	  set_key_fd },
	{ 0 },
};

static void free_host(struct thin_host *h)
{
	if (!h)
		return;
	if (h->keys)
		thin_keys_close(h->keys);
	closep(&h->volumes);
	closep(&h->own);
	free(h);
}
DEFINE_CLEANUP(struct thin_host, free_host)

static int open_dirs(struct thin_host *h, const char *state_dir,
		     struct err *err)
{
	_cleanup_close_ int state =
		open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (state < 0)
		return err_set(err, -errno, "%s: %s", state_dir,
			       strerror(errno));
	h->own = vol_dir_own(state, thin_driver.name, err);
	if (h->own < 0)
		return h->own;
	h->volumes = vol_dir_own(h->own, "volumes", err);
	if (h->volumes < 0)
		return h->volumes;
	return vol_dir_path(h->volumes, h->root, sizeof(h->root), err);
}

int thin_host_open(const struct plugd *d, void **ret, struct err *err)
{
	_cleanup_(free_hostp) struct thin_host *h = calloc(1, sizeof(*h));
	struct thin_config *config = vol_config(d);
	int r;

	if (!h)
		return err_set(err, -ENOMEM, "out of memory");
	h->own = h->volumes = -EBADF;
	h->keys = &config->keys;
	thin_keys_open(h->keys, getenv("CREDENTIALS_DIRECTORY"));
	r = open_dirs(h, d->dirs.state_dir, err);
	if (r == 0)
		r = thin_pool_open(&h->pool, h->own, d->state, config, err);
	if (r < 0)
		return r;
	*ret = take_ptr(h);
	return 0;
}

void thin_host_close(void *host)
{
	struct thin_host *h = host;

	thin_pool_close(&h->pool);
	free_host(h);
}

/* ---- what no volume owns ----------------------------------------------------------- */

struct left {
	struct thin_host *h;
	bool dry;
	bool (*known)(void *ctx, const char *name);
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int count;
};

static void tell(const struct left *l, const char *line)
{
	if (l->fn)
		l->fn(l->ctx, line);
}

static int look_at_mount(void *ctx, const char *target)
{
	struct left *l = ctx;
	const char *name = target + strlen(l->h->root) + 1;
	char line[2048];
	struct err why = { 0 };

	if (strchr(name, '/') || l->known(l->ctx, name))
		return 0;
	if (!l->dry && mnt_detach(l->h->volumes, name, false, &why) < 0) {
		snprintf(line, sizeof(line), "mount %s of no volume stays: %s",
			 target, why.msg);
	} else {
		snprintf(line, sizeof(line), "mount %s of no volume", target);
		l->count++;
		if (!l->dry)
			unlinkat(l->h->volumes, name, AT_REMOVEDIR);
	}
	tell(l, line);
	return 0;
}

static int look_at_record(void *ctx, const char *name)
{
	const struct left *l = ctx;
	char line[768];

	if (l->known(l->ctx, name))
		return 0;
	snprintf(line, sizeof(line),
		 "data of %s have no volume: docker volume create -d %s %s "
		 "takes them up again",
		 name, thin_driver.name, name);
	tell(l, line);
	return 0;
}

int thin_host_check(void *host, bool (*known)(void *ctx, const char *name),
		    void (*fn)(void *ctx, const char *line), void *ctx,
		    struct err *err)
{
	struct left l = {
		.h = host, .dry = true, .known = known, .fn = fn, .ctx = ctx
	};
	char trouble[ERR_MSG_MAX];
	int r = thin_each_name(l.h, look_at_record, &l, err), undeleted;

	if (r == 0)
		r = mounts_below(l.h->root, look_at_mount, &l, err);
	if (thin_pool_trouble(&l.h->pool, trouble, sizeof(trouble)))
		tell(&l, trouble);
	undeleted = thin_pool_undeleted(&l.h->pool);
	if (undeleted > 0) {
		snprintf(trouble, sizeof(trouble),
			 "%d deleted device(s) of the pool are open still, and "
			 "keep their blocks until whoever has them lets go "
			 "(dmsetup info -c %s)",
			 undeleted, l.h->pool.prefix);
		tell(&l, trouble);
	}
	return r < 0 ? r : 0;
}

int thin_host_gc(void *host, bool dry,
		 bool (*known)(void *ctx, const char *name),
		 void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err)
{
	struct left l = {
		.h = host, .dry = dry, .known = known, .fn = fn, .ctx = ctx
	};
	int r = mounts_below(l.h->root, look_at_mount, &l, err);

	if (r < 0)
		return r;
	if (!dry && thin_pool_use(&l.h->pool, false, NULL) == 0)
		(void)thin_device_settle(&l.h->pool, fn, ctx);
	return l.count;
}
