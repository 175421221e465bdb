/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What state.db knows of a pool, and which of its numbers are doomed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/log.h"
#include "volplugins/thin/pool.h"

#define KIND_POOL   "thin-pool"
#define POOL_ID     "pool"
#define KIND_DOOMED "thin-doomed" /* id: the number */

struct record {
	char uuid[THIN_UUID_MAX];
	bool ready;
	uint64_t transaction, sectors, more;
	uint32_t next;
};

static const struct jdec_field fields[] = {
	JDEC_FIELD("UUID", JDEC_STR, struct record, uuid, JDEC_REQUIRED),
	JDEC_FIELD("Ready", JDEC_BOOL, struct record, ready, 0),
	JDEC_FIELD("Transaction", JDEC_U64, struct record, transaction, 0),
	JDEC_FIELD("Sectors", JDEC_U64, struct record, sectors, 0),
	JDEC_FIELD("Metadata", JDEC_U64, struct record, more, 0),
	JDEC_FIELD("Next", JDEC_U32, struct record, next, 0),
	{ 0 },
};

int thin_record_load(struct thin_pool *p, char uuid[static THIN_UUID_MAX],
		     bool *ret_ready, struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	_cleanup_free_ char *text = NULL;
	struct record rec = { 0 };
	int r = store_get(p->store, KIND_POOL, POOL_ID, &text, err);

	if (r == 0)
		r = jdec_parse(text, strlen(text), &obj, err);
	if (r == 0)
		r = jdec_object(obj, fields, &rec, err);
	if (r < 0)
		return r == -ENOENT ? r : err_wrap(err, r, "the pool's record");
	snprintf(uuid, THIN_UUID_MAX, "%s", rec.uuid);
	p->recorded = rec.transaction;
	p->data_sectors = rec.sectors;
	p->more = rec.more;
	p->next = rec.next ? rec.next : 1;
	*ret_ready = rec.ready;
	return 0;
}

int thin_record_put(struct thin_pool *p, bool ready, struct err *err)
{
	struct record rec = { .ready = ready,
			      .transaction = p->recorded,
			      .sectors = p->data_sectors,
			      .more = p->more,
			      .next = p->next };
	_cleanup_(json_putp) json_object *obj = NULL;

	snprintf(rec.uuid, sizeof(rec.uuid), "%s", p->layout.uuid);
	obj = jdec_to_json(fields, &rec);
	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	return store_put(p->store, KIND_POOL, POOL_ID, "",
			 json_object_to_json_string(obj), err);
}

int thin_record_is_doomed(struct thin_pool *p, uint32_t number, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	char id[16];
	int r;

	snprintf(id, sizeof(id), "%" PRIu32, number);
	r = store_get(p->store, KIND_DOOMED, id, &text, err);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

struct doomed {
	uint32_t *numbers;
	size_t count;
};

static int add_doomed(void *ctx, const char *id, const char *parent,
		      const char *json)
{
	struct doomed *d = ctx;
	uint32_t *more =
		realloc(d->numbers, (d->count + 1) * sizeof(*d->numbers));

	(void)parent;
	(void)json;
	if (!more)
		return -ENOMEM;
	d->numbers = more;
	d->numbers[d->count++] = (uint32_t)strtoul(id, NULL, 10);
	return 0;
}

int thin_record_doomed(struct thin_pool *p, uint32_t **ret, size_t *ret_count,
		       struct err *err)
{
	struct doomed d = { 0 };
	int r = store_each(p->store, KIND_DOOMED, NULL, add_doomed, &d, err);

	if (r < 0) {
		free(d.numbers);
		return r;
	}
	*ret = d.numbers;
	*ret_count = d.count;
	return 0;
}

int thin_record_undoom(struct thin_pool *p, struct err *err)
{
	_cleanup_free_ uint32_t *numbers = NULL;
	struct thin_change c = { 0 };
	size_t count = 0;
	int r = thin_record_doomed(p, &numbers, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		c.keep = numbers[i];
		log_warn("op=thin.pool device=%" PRIu32
			 " msg=\"to be deleted, said records of another "
			 "moment: it stays in the pool (thin_ls)\"",
			 numbers[i]);
		r = thin_change_locked(p, &c, err);
	}
	return r;
}

static int change(struct thin_pool *p, const struct thin_change *c,
		  struct err *err)
{
	char id[16];
	int r = 0;

	if (c->keep) {
		snprintf(id, sizeof(id), "%" PRIu32, c->keep);
		r = store_del(p->store, KIND_DOOMED, id, err);
	}
	if (r == 0 && c->doom) {
		snprintf(id, sizeof(id), "%" PRIu32, c->doom);
		r = store_put(p->store, KIND_DOOMED, id, "", "{}", err);
		/* a message follows */
		p->recorded = p->transaction + 1;
		if (r == 0)
			r = thin_record_put(p, true, err);
	}
	if (r == 0 && c->del)
		r = store_del(p->store, THIN_KIND, c->del, err);
	if (r == 0 && c->put)
		r = store_put(p->store, THIN_KIND, c->put,
			      c->put_parent ? c->put_parent : "", c->json, err);
	return r;
}

int thin_change_locked(struct thin_pool *p, const struct thin_change *c,
		       struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = NULL;
	uint64_t recorded = p->recorded;
	int r = c->unsynced ? store_begin_unsynced(p->store, err)
			    : store_begin(p->store, err);

	if (r < 0)
		return r;
	s = p->store;
	r = change(p, c, err);
	if (r == 0)
		r = store_commit(p->store, err);
	if (r < 0)
		p->recorded = recorded; /* still */
	return r;
}

int thin_change(struct thin_pool *p, const struct thin_change *c,
		struct err *err)
{
	int r;

	pthread_mutex_lock(&p->lock);
	r = thin_change_locked(p, c, err);
	if (r == 0 && c->keep)
		thin_device_begun_del(p, c->keep);
	pthread_mutex_unlock(&p->lock);
	return r;
}
