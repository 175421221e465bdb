/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The devices in a pool.  One that is open is there in the kernel; it goes with
 * whoever had it open last (dmx_remove_last()), as a loop device does.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "volplugins/thin/pool.h"

#define NUMBER_MAX 0xffffffu /* the kernel's */
#define TRIES      250
#define TRY_MS     20

static void unlockp(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000 }, NULL);
}

void thin_device_name(const struct thin_pool *p, uint32_t number,
		      char name[static DMX_NAME_MAX])
{
	snprintf(name, DMX_NAME_MAX, "%s-%" PRIu32, p->prefix, number);
}

static void pool_name(const struct thin_pool *p, char name[static DMX_NAME_MAX])
{
	snprintf(name, DMX_NAME_MAX, "%s-pool", p->prefix);
}

/* ---- messages ---------------------------------------------------------------- */

/* The record is ahead of the pool by this message, whatever others did since the
 * number it is about was written down. */
static int announce(struct thin_pool *p, struct err *err)
{
	uint64_t recorded = p->recorded;
	int r;

	if (recorded == p->transaction + 1)
		return 0;
	p->recorded = p->transaction + 1;
	r = thin_record_put(p, true, err);
	if (r < 0)
		p->recorded = recorded; /* still */
	return r;
}

static int message(struct thin_pool *p, const char *text, struct err *err)
{
	char pool[DMX_NAME_MAX], next[64];
	int r = announce(p, err);

	pool_name(p, pool);
	if (r == 0)
		r = dmx_message(pool, text, err);
	if (r == 0)
		r = FAILPOINT("thin.pool.messaged");
	if (r < 0)
		return r;
	snprintf(next, sizeof(next), "set_transaction_id %" PRIu64 " %" PRIu64,
		 p->transaction, p->transaction + 1);
	r = dmx_message(pool, next, err);
	if (r < 0)
		return r;
	p->transaction++;
	return FAILPOINT("thin.pool.transacted");
}

/* ---- numbers being made --------------------------------------------------------- */

static int begun_find(const struct thin_pool *p, uint32_t number)
{
	for (size_t i = 0; i < p->begun_count; i++)
		if (p->begun[i] == number)
			return (int)i;
	return -ENOENT;
}

static int begun_add(struct thin_pool *p, uint32_t number, struct err *err)
{
	uint32_t *more =
		realloc(p->begun, (p->begun_count + 1) * sizeof(*more));

	if (!more)
		return err_set(err, -ENOMEM, "out of memory");
	p->begun = more;
	p->begun[p->begun_count++] = number;
	return 0;
}

void thin_device_begun_del(struct thin_pool *p, uint32_t number)
{
	int i = begun_find(p, number);

	if (i >= 0)
		p->begun[i] = p->begun[--p->begun_count];
}

/* ---- made and deleted ------------------------------------------------------------ */

/* -EBUSY: it is open.  What the records gave to a volume stays, whoever asks. */
static int delete_locked(struct thin_pool *p, uint32_t number, struct err *err)
{
	const struct thin_change done = { .keep = number };
	char text[DMX_NAME_MAX];
	int r = thin_record_is_doomed(p, number, err);

	if (r <= 0)
		return r;
	snprintf(text, sizeof(text), "delete %" PRIu32, number);
	r = message(p, text, err);
	if (r == -EBUSY) {
		/* killed before it said so itself (thin_device_open(),
		 * thin_block_open()) */
		thin_crypt_name(p, number, text);
		(void)dmx_remove_last(text, NULL);
		thin_device_name(p, number, text);
		(void)dmx_remove_last(text, NULL);
	}
	if (r == -ENODATA) /* it never came to be, or is gone */
		r = 0;
	return r == 0 ? thin_change_locked(p, &done, err) : r;
}

int thin_pool_changeable(struct thin_pool *p, struct err *err)
{
	struct err doubt;

	pthread_mutex_lock(&p->seen.lock);
	doubt = p->doubt;
	pthread_mutex_unlock(&p->seen.lock);
	return doubt.msg[0] ? err_set(err, -EUCLEAN, "%s", doubt.msg) : 0;
}

/* @settle: not by who made it. */
static int delete_once(struct thin_pool *p, uint32_t number, bool settle,
		       struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;
	int r;

	pthread_mutex_lock(held);
	if (settle && begun_find(p, number) >= 0)
		return 0;
	thin_device_begun_del(p, number);
	r = thin_pool_changeable(p, err);
	return r == 0 ? delete_locked(p, number, err) : r;
}

/* Open still, by somebody who is about to let go: the kernel takes a moment.
 * @tries: what is left of them. */
static int delete_within(struct thin_pool *p, uint32_t number, bool settle,
			 int *tries, struct err *err)
{
	int r = delete_once(p, number, settle, err);

	while (r == -EBUSY && *tries > 0) {
		--*tries;
		pause_ms(TRY_MS);
		r = delete_once(p, number, settle, err);
	}
	return r;
}

int thin_device_del(struct thin_pool *p, uint32_t number, struct err *err)
{
	int tries = TRIES, r;

	r = delete_within(p, number, false, &tries, err);
	if (r < 0) {
		pthread_mutex_lock(&p->lock);
		p->unsettled = true; /* pool_watch.c tries again */
		pthread_mutex_unlock(&p->lock);
	}
	return r;
}

static int number_take(struct thin_pool *p, uint32_t *ret, struct err *err)
{
	const struct thin_change doom = { .doom = p->next };
	int r;

	if (p->next > NUMBER_MAX)
		return err_set(err, -ENOSPC,
			       "the pool has given all its %u numbers: make a "
			       "new one",
			       NUMBER_MAX);
	r = begun_add(p, p->next, err);
	if (r < 0)
		return r;
	p->next++; /* in the record before the pool has it */
	r = thin_change_locked(p, &doom, err);
	if (r == 0) {
		r = FAILPOINT("thin.pool.doomed");
		if (r < 0)
			(void)delete_locked(p, doom.doom, NULL);
	}
	if (r < 0)
		thin_device_begun_del(p, doom.doom);
	else
		*ret = doom.doom;
	return r;
}

static int make_locked(struct thin_pool *p, uint32_t number, uint32_t origin,
		       struct err *err)
{
	const struct thin_change theirs = { .keep = number };
	char text[64];
	int r;

	if (origin)
		snprintf(text, sizeof(text), "create_snap %" PRIu32 " %" PRIu32,
			 number, origin);
	else
		snprintf(text, sizeof(text), "create_thin %" PRIu32, number);
	r = message(p, text, err);
	if (r == -EEXIST) /* we know nothing of it: not ours to delete */
		(void)thin_change_locked(p, &theirs, NULL);
	else if (r < 0)
		(void)delete_locked(p, number, NULL);
	if (r < 0)
		thin_device_begun_del(p, number);
	return r;
}

int thin_device_begin(struct thin_pool *p, uint32_t *ret, struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;
	int r;

	pthread_mutex_lock(held);
	r = thin_pool_changeable(p, err);
	return r == 0 ? number_take(p, ret, err) : r;
}

int thin_device_make(struct thin_pool *p, uint32_t number, uint32_t origin,
		     struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;
	int r;

	pthread_mutex_lock(held);
	/* the lock was free since the number was taken */
	r = thin_pool_changeable(p, err);
	if (r < 0)
		thin_device_begun_del(p, number);
	return r == 0 ? make_locked(p, number, origin, err) : r;
}

int thin_device_add(struct thin_pool *p, uint32_t *ret, struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;
	int r;

	pthread_mutex_lock(held);
	r = thin_pool_changeable(p, err);
	if (r == 0)
		r = number_take(p, ret, err);
	return r == 0 ? make_locked(p, *ret, 0, err) : r;
}

int thin_device_settle(struct thin_pool *p,
		       void (*fn)(void *ctx, const char *line), void *ctx)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	size_t count = 0;
	char line[ERR_MSG_MAX + 64];
	int left = 0, tries = TRIES; /* of all: the daemon's start waits */

	if (thin_record_doomed(p, &numbers, &count, NULL) < 0)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct err err = { 0 };

		if (delete_within(p, numbers[i], true, &tries, &err) == 0)
			continue;
		left++;
		snprintf(line, sizeof(line),
			 "device %" PRIu32 " of the pool is to be deleted: %s",
			 numbers[i], err.msg);
		if (fn)
			fn(ctx, line);
		else
			log_warn("op=thin.settle err=\"%s\"", line);
	}
	return left;
}

/* ---- in the kernel -------------------------------------------------------------- */

static void table_of(const struct thin_pool *p, uint32_t number, uint64_t bytes,
		     char line[static 64], struct dmx_table *ret)
{
	char pool[DMX_NAME_MAX];
	struct dmx_info info = { 0 };

	pool_name(p, pool);
	(void)dmx_find(pool, &info, NULL);
	snprintf(line, 64, "%u:%u %" PRIu32, major(info.dev), minor(info.dev),
		 number);
	*ret = (struct dmx_table){ .target = "thin",
				   .sectors = bytes / 512,
				   .params = line };
}

/* As large as it is to be: a kill may have come between. */
static int fit(struct thin_pool *p, uint32_t number, uint64_t bytes,
	       struct err *err)
{
	char name[DMX_NAME_MAX], line[64], now[DMX_PARAMS_MAX];
	struct dmx_table t;
	uint64_t have = 0;
	int r;

	thin_device_name(p, number, name);
	r = dmx_table(name, "thin", now, sizeof(now), &have, err);
	if (r == 0)
		r = dmx_resume(name, err);
	if (r < 0 || have >= bytes / 512)
		return r;
	table_of(p, number, bytes, line, &t);
	return dmx_reload(name, &t, err);
}

int thin_device_grow(struct thin_pool *p, uint32_t number, uint64_t bytes,
		     struct err *err)
{
	int r = fit(p, number, bytes, err);

	return r == -ENOENT ? 0 : r;
}

/* Take hold of what may be on its way out, or make it. */
static int open_once(struct thin_pool *p, uint32_t number, uint64_t bytes,
		     char path[static DMX_PATH_MAX], struct err *err)
{
	char name[DMX_NAME_MAX], uuid[DMX_UUID_MAX], line[64];
	_cleanup_close_ int fd = -EBADF;
	struct dmx_table t;
	int r;

	thin_device_name(p, number, name);
	fd = dmx_open(name, O_RDWR, path, err);
	if (fd == -ENOENT) {
		snprintf(uuid, sizeof(uuid), "BERTH-%s-%" PRIu32,
			 p->layout.uuid, number);
		table_of(p, number, bytes, line, &t);
		r = dmx_create(name, uuid, &t, err);
		if (r == -EEXIST)
			return -EAGAIN; /* it goes right now */
		if (r == 0)
			fd = dmx_open(name, O_RDWR, path, err);
		if (r == 0 && fd < 0)
			(void)dmx_remove(name, NULL);
		if (r < 0)
			return r;
	}
	if (fd < 0)
		return fd;
	r = FAILPOINT("thin.device.open");
	if (r == 0)
		r = dmx_remove_last(name, err);
	if (r == 0)
		r = fit(p, number, bytes, err);
	return r < 0 ? r : take_fd(fd);
}

int thin_device_open(struct thin_pool *p, uint32_t number, uint64_t bytes,
		     char path[static DMX_PATH_MAX], struct err *err)
{
	int r = -EAGAIN;

	for (int i = 0; r == -EAGAIN && i < TRIES; i++) {
		if (i)
			pause_ms(TRY_MS);
		r = open_once(p, number, bytes, path, err);
	}
	return r == -EAGAIN ? err_set(err, -EBUSY,
				      "device %" PRIu32 " of the pool does "
				      "not go away",
				      number)
			    : r;
}

static int wake_one(void *ctx, const char *name)
{
	const struct thin_pool *p = ctx;
	const char *kind = name + strlen(p->prefix) + 1;
	struct dmx_info info;

	if (dmx_find(name, &info, NULL) < 0)
		return 0;
	if (info.suspended)
		(void)dmx_resume(name, NULL);
	if (kind[0] >= '0' && kind[0] <= '9')
		(void)dmx_remove_last(name, NULL);
	return 0;
}

void thin_device_wake(struct thin_pool *p)
{
	static const char *const below[] = { "meta", "data", "pool" };
	char name[DMX_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		snprintf(name, sizeof(name), "%s-%s", p->prefix, below[i]);
		(void)wake_one(p, name);
	}
	(void)dmx_each(p->prefix, wake_one, p, NULL);
	thin_crypt_wake(p);
}

int thin_device_freeze(struct thin_pool *p, uint32_t number, struct err *err)
{
	char name[DMX_NAME_MAX];
	int r;

	thin_device_name(p, number, name);
	r = dmx_suspend(name, err);
	return r == -ENOENT ? 0 : r;
}

int thin_device_thaw(struct thin_pool *p, uint32_t number, struct err *err)
{
	char name[DMX_NAME_MAX];
	int r;

	thin_device_name(p, number, name);
	r = dmx_resume(name, err);
	return r == -ENOENT ? 0 : r;
}
