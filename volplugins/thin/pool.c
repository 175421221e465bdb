/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A thin pool: made, taken up at the start, let go. */
#include "volplugins/thin/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base.h"
#include "lib/blkdev.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "volplugins/thin/lower.h"

#define SECTOR 512

static void unlockp(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

/* To be read by those who must not wait for the pool. */
static void tell(struct thin_pool *p, struct err *to, const struct err *what)
{
	pthread_mutex_lock(&p->seen.lock);
	*to = *what;
	pthread_mutex_unlock(&p->seen.lock);
}

/* ---- records against the pool -------------------------------------------------------- */

/* It tells no transaction then, so the records can't be held against it. */
static void doubt_given_up(struct thin_pool *p)
{
	const struct thin_status s = { .mode = THIN_MODE_FAIL };
	struct err doubt = { 0 };
	char why[256];

	err_set(&doubt, -EIO, "%s", thin_status_trouble(&s, why, sizeof(why)));
	log_warn("op=thin.pool err=\"%s\"", doubt.msg);
	tell(p, &p->doubt, &doubt);
}

/* Numbers given since are at most as many as there were messages. */
static int settle_transaction(struct thin_pool *p, struct err *err)
{
	struct err doubt = { 0 };
	uint64_t gap;
	int r;

	if (p->gave_up) {
		doubt_given_up(p);
		return 0;
	}
	if (p->transaction == p->recorded || p->transaction + 1 == p->recorded)
		return 0;
	if (!p->config->accept || p->config->transaction != p->transaction) {
		err_set(&doubt, -EUCLEAN,
			"the pool is at transaction %" PRIu64 ", the records "
			"at %" PRIu64 ": they are of another moment (was "
			"state.db put back?), so nothing is made or deleted. "
			"To go on from here restart berth-thin with "
			"--pool-transaction %" PRIu64,
			p->transaction, p->recorded, p->transaction);
		log_warn("op=thin.pool err=\"%s\"", doubt.msg);
		tell(p, &p->doubt, &doubt);
		return 0;
	}
	gap = p->transaction > p->recorded ? p->transaction - p->recorded : 0;
	p->next += (uint32_t)gap;
	p->recorded = p->transaction;
	log_warn("op=thin.pool transaction=%" PRIu64 " msg=accepted",
		 p->transaction);
	r = thin_record_undoom(p, err);
	return r == 0 ? thin_record_put(p, true, err) : r;
}

/* What was suspended for a moment when an earlier life was killed. */
static int resume_one(void *ctx, const char *name)
{
	struct dmx_info info;

	(void)ctx;
	if (dmx_find(name, &info, NULL) == 0 && info.suspended)
		(void)dmx_resume(name, NULL);
	return 0;
}

/* ---- from nothing to active ------------------------------------------------------------ */

static void set_prefix(struct thin_pool *p)
{
	snprintf(p->prefix, sizeof(p->prefix), THIN_PREFIX "-%.8s",
		 p->layout.uuid);
}

static int is_ours(struct thin_pool *p, const struct thin_lower *l,
		   const char *uuid, struct err *err)
{
	struct thin_layout found;
	int r = thin_header_read(l, &found, err);

	if (r < 0)
		return err_wrap(err, r, "the pool on %s is not there any more",
				l->name);
	if (strcmp(uuid, found.uuid) != 0)
		return err_set(err, -EUCLEAN,
			       "%s has another pool (%.8s) than the records "
			       "(%.8s): give the right --pool-device",
			       l->name, found.uuid, uuid);
	p->layout = found;
	if (thin_layout_data(&p->layout, l->bytes) < p->data_sectors)
		return err_set(
			err, -EUCLEAN,
			"%s was cut: %" PRIu64 " bytes, its pool needs %" PRIu64
			". Nothing was changed",
			l->name, l->bytes,
			(p->layout.data_start + p->data_sectors) * SECTOR);
	return 0;
}

static int activate(struct thin_pool *p, const struct thin_lower *l, bool check,
		    struct err *err)
{
	char name[DMX_NAME_MAX];
	struct thin_status s = { 0 };
	struct dmx_info info;
	int r;

	thin_part_name(p, THIN_POOL, name);
	/* without a table it is what a kill left of making it */
	r = dmx_find(name, &info, err);
	if (r == 0 && info.live)
		r = thin_parts_same(p, l, err);
	else if (r == 0 || r == -ENOENT)
		r = thin_parts_up(p, l, check, err);
	if (r == 0)
		r = thin_parts_grow(p, l, err);
	if (r == 0)
		r = dmx_each(p->prefix, resume_one, NULL, err);
	if (r == 0)
		r = thin_watch_ask(p, &s, err);
	if (r < 0)
		return r;
	p->transaction = s.transaction;
	p->gave_up = s.mode == THIN_MODE_FAIL;
	return 0;
}

/* A record that is whole, whether the pool is or not. */
static int take_up(struct thin_pool *p, const char *uuid, struct err *err)
{
	_cleanup_(thin_lower_closep) struct thin_lower l = THIN_LOWER_NONE;
	uint64_t data;
	int r = thin_lower_open(p, false, &l, err);

	if (r == 0)
		r = is_ours(p, &l, uuid, err);
	if (r == 0)
		r = activate(p, &l, true, err);
	if (r == 0)
		r = settle_transaction(p, err);
	if (r < 0)
		return r;
	data = thin_layout_data(&p->layout, l.bytes);
	if (data > p->data_sectors || l.more > p->more) {
		p->data_sectors = data;
		p->more = l.more;
		r = thin_record_put(p, true, err);
	}
	return r;
}

static int new_uuid(char uuid[static THIN_UUID_MAX], struct err *err)
{
	unsigned char raw[16];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return err_set(err, -EIO, "no random numbers");
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(uuid + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

/* What a killed daemon had begun bears the uuid of the record. */
static int is_free(struct thin_pool *p, const struct thin_lower *l,
		   const char *uuid, struct err *err)
{
	_cleanup_close_ int alone = -EBADF;
	struct thin_layout found;
	int r = thin_header_read(l, &found, NULL);

	if (r == 0 && strcmp(found.uuid, uuid) == 0)
		return 0;
	if (r == 0)
		return err_set(err, -EEXIST,
			       "%s has a pool that is not in the records: put "
			       "its state.db back, or wipe it",
			       l->name);
	if (p->config->device) {
		alone = blkdev_open(p->config->device, true, err);
		if (alone < 0)
			return alone;
	}
	return blkdev_blank(l->fd, l->name, err);
}

/* A killed daemon's: the kernel would never see what is written below it, and
 * write its own there. */
static int let_go_begun(struct thin_pool *p, struct err *err)
{
	char name[DMX_NAME_MAX];
	struct dmx_info info;
	int r;

	set_prefix(p);
	thin_parts_drop(p);
	thin_part_name(p, THIN_POOL, name);
	r = dmx_find(name, &info, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return err_set(err, -EBUSY,
		       "device %s of a pool that was begun is in use: see "
		       "dmsetup info %s, and ask again",
		       name, name);
}

static int make_on(struct thin_pool *p, const struct thin_lower *l,
		   const char *uuid, struct err *err)
{
	int r = is_free(p, l, uuid, err);

	if (r == 0)
		r = thin_layout_plan(l->bytes, &p->layout, err);
	if (r < 0)
		return err_wrap(err, r, "%s", l->name);
	snprintf(p->layout.uuid, sizeof(p->layout.uuid), "%s", uuid);
	p->data_sectors = thin_layout_data(&p->layout, l->bytes);
	p->recorded = 0;
	p->next = 1;
	r = let_go_begun(p, err);
	if (r == 0)
		r = thin_record_put(p, false, err);
	if (r == 0)
		r = FAILPOINT("thin.pool.recorded");
	if (r == 0)
		r = thin_header_write(p, l, err);
	if (r == 0)
		r = activate(p, l, false, err);
	if (r == 0)
		r = thin_record_put(p, true, err);
	if (r == 0)
		r = FAILPOINT("thin.pool.made");
	return r;
}

/* @uuid: of one that was begun; "": none was. */
static int make(struct thin_pool *p, char uuid[static THIN_UUID_MAX],
		struct err *err)
{
	_cleanup_(thin_lower_closep) struct thin_lower l = THIN_LOWER_NONE;
	int r = dmx_probe(err);

	if (r == 0 && !uuid[0])
		r = new_uuid(uuid, err);
	if (r == 0)
		r = thin_lower_open(p, true, &l, err);
	if (r == 0)
		r = make_on(p, &l, uuid, err);
	return r < 0 ? err_wrap(err, r, "make the thin pool") : 0;
}

/* ---- for the driver ---------------------------------------------------------------------- */

/* Not what is wrong with the pool itself: that is for people to look at. */
static bool may_pass(int r)
{
	return r != -EUCLEAN && r != -ENODATA && r != -EPERM;
}

/* -ENOENT is that there is no pool, and so nothing that is in it. */
static int not_gone(int r)
{
	return r == -ENOENT || r == -ENXIO ? -ENODEV : r;
}

static int take_up_known(struct thin_pool *p, const char *uuid, struct err *err)
{
	char when[64] = "It is tried again every few seconds";
	struct err why = { 0 };
	int r = dmx_probe(&why);

	if (r == 0)
		r = not_gone(take_up(p, uuid, &why));
	if (r == 0) /* what was not there was made */
		why.msg[0] = '\0';
	p->active = r == 0;
	p->again = r < 0 && may_pass(r);
	p->failed = r;
	if (thin_watch_due(p))
		p->wait_s = 0; /* it was not the check */
	if (p->again && p->wait_s)
		snprintf(when, sizeof(when), "It is tried again in %u s",
			 p->wait_s);
	if (r < 0 && !strstr(why.msg, "restart berth-thin")) {
		struct err said = why;

		err_set(&why, r, "%.400s. %s", said.msg,
			p->again ? when
				 : "It is looked at once, at the start: mend "
				   "that, then restart berth-thin");
	}
	if (r < 0 && strcmp(why.msg, p->why.msg) != 0)
		log_error("op=thin.pool err=\"%s\"", why.msg);
	tell(p, &p->why, &why);
	return r < 0 ? err_set(err, r, "%s", why.msg) : 0;
}

int thin_pool_retry(struct thin_pool *p, struct err *err)
{
	char uuid[THIN_UUID_MAX] = "";
	bool ready;
	int r;

	if (p->active || !p->again)
		return 0;
	if (!thin_watch_due(p))
		return err_set(err, p->failed, "%s", p->why.msg);
	r = thin_record_load(p, uuid, &ready, err);
	if (r == 0)
		r = take_up_known(p, uuid, err);
	if (r == 0 && !p->first)
		log_info("op=thin.pool msg=\"it is there now\"");
	pthread_mutex_lock(&p->seen.lock);
	p->first = false;
	pthread_mutex_unlock(&p->seen.lock);
	if (r < 0)
		return r;
	p->unsettled = true;
	return 0;
}

static void begin(struct thin_pool *p)
{
	char uuid[THIN_UUID_MAX] = "";
	struct err err = { 0 };
	bool ready = false;
	int r = thin_record_load(p, uuid, &ready, &err);

	if (r == -ENOENT || (r == 0 && !ready))
		return; /* at the first Create */
	p->known = true;
	/* what is mounted can be let go even when the pool can't be read */
	snprintf(p->layout.uuid, sizeof(p->layout.uuid), "%s", uuid);
	set_prefix(p);
	if (uuid[0])
		thin_device_wake(p);
	/* before anything else: the next start doesn't know of it */
	if (r == 0 && store_was_restored(p->store))
		r = thin_record_undoom(p, &err);
	if (r == 0) {
		p->again = p->first = true;
		err_set(&p->why, -EAGAIN,
			"the pool is being taken up, its metadata is checked "
			"first");
		return;
	}
	err_set(&p->why, r, "%.400s: mend that, then restart berth-thin",
		err.msg);
	log_error("op=thin.pool err=\"%s\"", p->why.msg);
}

int thin_pool_open(struct thin_pool *p, int dir, struct store *store,
		   const struct thin_config *config, struct err *err)
{
	*p = (struct thin_pool){ .dir = dir, .store = store, .config = config };
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->seen.lock, NULL);
	begin(p);
	return p->again ? thin_watch_start(p, err) : 0;
}

static int is_in_use(void *ctx, const char *name)
{
	const char *kind = name + strlen(ctx) + 1;

	return kind[0] >= '0' && kind[0] <= '9';
}

void thin_pool_close(struct thin_pool *p)
{
	thin_watch_stop(p);
	if (p->active && dmx_each(p->prefix, is_in_use, p->prefix, NULL) == 0)
		thin_parts_drop(p);
	free(p->begun);
	free(p->seen.mapped);
	pthread_mutex_destroy(&p->seen.lock);
	pthread_mutex_destroy(&p->lock);
}

int thin_pool_use(struct thin_pool *p, bool make_it, struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;
	char uuid[THIN_UUID_MAX] = "";
	bool ready = false;
	int r;

	pthread_mutex_lock(held);
	r = thin_pool_retry(p, err);
	if (r < 0 || p->active)
		return r;
	if (p->known)
		return err_set(err, -EUCLEAN, "%s", p->why.msg);
	if (!make_it)
		return err_set(err, -ENOENT, "there is no thin pool");
	(void)thin_record_load(p, uuid, &ready, NULL);
	r = make(p, uuid, err);
	if (r < 0)
		return r;
	p->known = p->active = true;
	return thin_watch_start(p, err);
}

static int more_meta(struct thin_pool *p, struct err *err)
{
	_cleanup_(thin_lower_closep) struct thin_lower l = THIN_LOWER_NONE;
	uint64_t had = p->more;
	uint64_t next = thin_layout_meta_next(&p->layout, had, p->data_sectors);
	int r;

	if (!p->active || p->config->device || next == had)
		return 0;
	r = thin_lower_open(p, false, &l, err);
	if (r == 0 && l.more < next)
		r = thin_more_grow(p, &l, next, err);
	if (r < 0)
		return r;
	p->more = l.more; /* on record before the kernel has it */
	r = thin_record_put(p, true, err);
	if (r < 0)
		p->more = had;
	if (r == 0)
		r = thin_parts_grow(p, &l, err);
	return r < 0 ? r : 1;
}

int thin_pool_more_meta(struct thin_pool *p, struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;
	int r;

	pthread_mutex_lock(held);
	r = more_meta(p, err);
	return r < 0 ? err_wrap(err, r, "make the pool's metadata larger") : r;
}

int thin_pool_status(struct thin_pool *p, struct thin_status *ret,
		     struct err *err)
{
	int r = thin_pool_use(p, false, err);

	return r < 0 ? r : thin_watch_ask(p, ret, err);
}

uint64_t thin_pool_block(struct thin_pool *p)
{
	_cleanup_(unlockp) pthread_mutex_t *held = &p->lock;

	pthread_mutex_lock(held);
	return p->layout.block * 512;
}

int thin_pool_room(struct thin_pool *p, unsigned int full, uint64_t bytes,
		   struct err *err)
{
	struct thin_status s;
	int r = thin_pool_status(p, &s, err);

	if (r == 0)
		r = thin_status_room(&s, full, err);
	return r < 0 ? r : thin_status_fits(&s, thin_pool_block(p), bytes, err);
}
