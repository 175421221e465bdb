// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls of etcd, and what the answers say of etcd itself.
 *
 * Its revision only grows.  An answer below what had been seen before it was asked
 * for, or of another cluster, means that the data is another's or a backup: what this
 * host has told is not in it, and what is in it may be long gone.  Then nothing is
 * written and views stay as they are, until someone says that this is the truth now
 * (cluster_adopt()).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "netplugins/overlay/cluster_priv.h"

#define READY_MS 1000 /* of being away nobody waits again */

void cl_note(struct cluster *c, int r, const struct err *err)
{
	pthread_mutex_lock(&c->lock);
	if (r == -ENOSPC)
		c->full = true;
	/* An answer too long is one. */
	if (r == 0 || r == -ENOENT || r == -ENOSPC || r == -EMSGSIZE) {
		c->away_ms = 0;
	} else {
		if (!c->away_ms)
			c->away_ms = clock_boot_ms();
		snprintf(c->away_why, sizeof(c->away_why), "%.*s",
			 CL_WHY_MAX - 1, err->msg);
	}
	pthread_mutex_unlock(&c->lock);
}

/* Under ->lock.  @floor: the revision before the question. */
static void head_check(struct cluster *c, const struct etcd_head *h,
		       uint64_t cluster_id, int64_t floor)
{
	if (cluster_id && h->cluster_id != cluster_id)
		snprintf(c->safe_why, sizeof(c->safe_why),
			 "another etcd answers: cluster %" PRIx64
			 " instead of %" PRIx64,
			 h->cluster_id, cluster_id);
	else if (h->revision < floor)
		snprintf(c->safe_why, sizeof(c->safe_why),
			 "etcd went back from revision %" PRId64 " to %" PRId64
			 ": was it restored from a backup?",
			 floor, h->revision);
	else
		c->safe_why[0] = '\0';
	if (c->safe_why[0]) {
		c->safe = true;
		return;
	}
	c->cluster_id = h->cluster_id;
	if (h->revision > c->revision)
		c->revision = h->revision;
}

static int safe_error(struct cluster *c, struct err *err)
{
	return err_set(
		err, -ESTALE,
		"%s: nothing is written until `netctl overlay adopt`; say that "
		"on each host when etcd's data is right",
		c->safe_why);
}

static int head_note(struct cluster *c, const struct etcd_head *h,
		     uint64_t cluster_id, int64_t floor, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->safe)
		head_check(c, h, cluster_id, floor);
	if (c->safe)
		r = safe_error(c, err);
	pthread_mutex_unlock(&c->lock);
	return r;
}

static void before(struct cluster *c, uint64_t *cluster_id, int64_t *floor)
{
	pthread_mutex_lock(&c->lock);
	*cluster_id = c->cluster_id;
	*floor = c->revision;
	pthread_mutex_unlock(&c->lock);
}

/* A call of the thread has as long as a request: who ends it waits for it. */
static void limit(struct cluster *c, struct etcd *e)
{
	if (e == c->ro)
		etcd_limit(e, CL_LIMIT_MS);
}

int cl_range(struct cluster *c, struct etcd *e, const struct etcd_range *q,
	     struct etcd_kvs *ret, struct etcd_head *head, struct err *err)
{
	struct err why = { 0 };
	uint64_t cluster_id;
	int64_t floor;
	int r;

	before(c, &cluster_id, &floor);
	limit(c, e);
	r = etcd_range(e, q, ret, head, &why);
	cl_note(c, r, &why);
	if (r < 0)
		return err_set(err, r, "%s", why.msg);
	r = head_note(c, head, cluster_id, floor, err);
	if (r < 0)
		etcd_kvs_clear(ret);
	return r;
}

int cl_txn(struct cluster *c, struct etcd *e, const struct etcd_txn *t,
	   struct etcd_result *ret, struct err *err)
{
	struct err why = { 0 };
	uint64_t cluster_id;
	int64_t floor;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->safe)
		r = safe_error(c, err);
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return r;
	before(c, &cluster_id, &floor);
	limit(c, e);
	r = etcd_txn_run(e, t, true, ret, &why);
	cl_note(c, r, &why);
	if (r < 0)
		return err_set(err, r, "%s", why.msg);
	r = head_note(c, &ret->head, cluster_id, floor, err);
	if (r < 0)
		etcd_result_clear(ret);
	return r;
}

void cl_written(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	c->full = false;
	pthread_mutex_unlock(&c->lock);
}

int cl_ready(struct cluster *c, struct err *err)
{
	uint64_t now = clock_boot_ms();
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->safe)
		r = safe_error(c, err);
	else if (c->twin_why[0])
		r = err_set(err, -EEXIST, "%s", c->twin_why);
	else if (c->away_ms && now - c->away_ms > READY_MS)
		r = err_set(err, -EAGAIN,
			    "no word of etcd for %" PRIu64 " s: %s",
			    (now - c->away_ms) / 1000, c->away_why);
	pthread_mutex_unlock(&c->lock);
	return r;
}
