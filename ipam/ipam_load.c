/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPAM core's records at the start: from the stores into the tables, and away
 * with those of a pool that is gone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"
#include "lib/log.h"

/* ---- loading, without locks: there is no other thread yet ------------------ */

/* Records to delete, and resting ones to be put in order: what a walk over the
 * store must not do itself. */
struct later {
	struct ipam_record *rests; /* owned */
	char (*dead)[IPAM_ID_MAX]; /* owned; ids of run.db's records */
	size_t rest_count, dead_count;
};

static void later_fini(struct later *l)
{
	free(l->rests);
	free(l->dead);
}

/* Records of the PoolID .id; with .all of what rests in its pool, too. */
struct sweeping {
	struct later later;
	const char *id;
	bool all;
};

static void sweeping_fini(struct sweeping *s)
{
	later_fini(&s->later);
}

struct loading {
	struct ipam_core *core;
	struct later *later;
	struct err *err;
};

/* In powers of two: @count is one below a step. */
static void *grow(void *array, size_t count, size_t size)
{
	if (count & (count - 1))
		return array;
	return reallocarray(array, count ? count * 2 : 1, size);
}

static int later_dead(struct later *l, const char *id)
{
	void *grew = grow(l->dead, l->dead_count, sizeof(*l->dead));

	if (!grew)
		return -ENOMEM;
	l->dead = grew;
	snprintf(l->dead[l->dead_count++], IPAM_ID_MAX, "%s", id);
	return 0;
}

static int later_rest(struct later *l, const struct ipam_record *rec)
{
	void *grew = grow(l->rests, l->rest_count, sizeof(*l->rests));

	if (!grew)
		return -ENOMEM;
	l->rests = grew;
	l->rests[l->rest_count++] = *rec;
	return 0;
}

static int unusable(struct ipam_core *core, const char *kind, const char *id,
		    const char *why)
{
	char quoted[200];

	problems_add(&core->problems, "the record of %s %s can't be used: %s",
		     kind, id, why);
	log_warn("op=load kind=%s id=%s err=%s", kind, id,
		 log_quote(quoted, sizeof(quoted), why));
	return 0;
}

/* ---- pools whose record can't be used --------------------------------------- */

static int pool_unusable(struct loading *l, const char *id, const char *why)
{
	struct ipam_doubt *d = calloc(1, sizeof(*d));

	if (!d)
		return ipam_no_memory(l->err);
	snprintf(d->id, sizeof(d->id), "%s", id);
	d->pool = ipam_id_pool(id);
	ipam_now(d->found);
	d->next = l->core->doubt;
	l->core->doubt = d;
	return unusable(l->core, POOL_KIND, id, why);
}

static int collect_of(void *ctx, const char *id, const char *parent,
		      const char *json)
{
	struct sweeping *s = ctx;
	struct ipam_record rec;

	(void)parent;
	if (ipam_record_parse(json, &rec, NULL) < 0 ||
	    strcmp(rec.id, s->id) != 0)
		return 0;
	return later_dead(&s->later, id);
}

/* The record of the pool, and where it is @alone what was reserved through it. */
static int doubt_unrecord(struct ipam_core *core, const char *id, bool alone,
			  struct err *err)
{
	_cleanup_(sweeping_fini) struct sweeping of = { .id = id };
	_cleanup_(store_rollbackp) struct store *s = core->d->state;
	int r = store_begin(s, err);

	if (r == 0)
		r = store_del(s, POOL_KIND, id, err);
	if (r == 0 && alone)
		r = store_each(s, RESERVED_KIND, NULL, collect_of, &of, err);
	for (size_t i = 0; r == 0 && i < of.later.dead_count; i++)
		r = store_del(s, RESERVED_KIND, of.later.dead[i], err);
	if (r == -ENOMEM)
		return ipam_no_memory(err);
	return r < 0 ? r : store_commit(s, err);
}

static struct ipam_doubt *doubt_of(const struct ipam_core *core, const char *id)
{
	struct ipam_doubt *d = core->doubt;

	while (d && strcmp(d->id, id) != 0)
		d = d->next;
	return d;
}

bool ipam_in_doubt(const struct ipam_core *core, const char *id)
{
	return doubt_of(core, id);
}

const struct ipam_doubt *ipam_doubt_find(const struct ipam_core *core,
					 const struct ip_prefix *p)
{
	for (const struct ipam_doubt *d = core->doubt; d; d = d->next)
		if (!ip_is_none(&d->pool.addr) &&
		    ip_prefix_overlaps(&d->pool, p))
			return d;
	return NULL;
}

static void doubt_drop(struct ipam_core *core, struct ipam_doubt *d)
{
	struct ipam_doubt **at = &core->doubt;

	pthread_mutex_lock(&core->lock);
	while (*at != d)
		at = &(*at)->next;
	*at = d->next;
	pthread_mutex_unlock(&core->lock);
	free(d);
}

int ipam_doubt_end(struct ipam_core *core, const char *id, struct err *err)
{
	struct ipam_doubt *d = doubt_of(core, id);
	struct ipam_net *net;
	struct err why = { 0 };
	int r;

	if (!d)
		return 0;
	net = ip_is_none(&d->pool.addr) ? NULL : ipam_net_find(core, &d->pool);
	r = doubt_unrecord(core, id, !net, err);
	if (r < 0)
		return r;
	/* the next start does it where this fails */
	if (ipam_sweep(core, &d->pool, id, !net, &why) < 0)
		log_warn("op=sweep pool=%s err=\"%s\"", id, why.msg);
	if (net) {
		ipam_net_take(net);
		ipam_doubt_empty(net, d);
		ipam_net_give(net);
	}
	doubt_drop(core, d);
	return 0;
}

void ipam_doubts_free(struct ipam_core *core)
{
	while (core->doubt) {
		struct ipam_doubt *d = core->doubt;

		core->doubt = d->next;
		free(d);
	}
}

/* ---- kinds ------------------------------------------------------------------ */

static int load_pool(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	struct loading *l = ctx;
	struct ipam_record rec;
	struct err err = { 0 };
	struct ipam_range *range = NULL;
	struct ipam_net *net;
	int r = ipam_record_parse(json, &rec, &err);

	(void)parent;
	if (r < 0 || ip_is_none(&rec.pool.addr) || !rec.refs)
		return pool_unusable(l, id,
				     r < 0 ? err.msg : "it is not whole");
	net = ipam_net_find(l->core, &rec.pool);
	if (net && (net->prefix.len != rec.pool.len ||
		    strcmp(net->space, rec.space) != 0))
		return pool_unusable(l, id, "it overlaps another pool");
	if (!net)
		net = ipam_net_add(l->core, rec.space, &rec.pool);
	range = net ? ipam_range_add(net, &rec) : NULL;
	if (!range)
		return ipam_no_memory(l->err);
	range->refs = rec.refs;
	return 0;
}

struct ipam_range *ipam_range_of(struct ipam_core *core,
				 const struct ipam_record *rec)
{
	struct ipam_range *range = ipam_range_peek(core, rec->id);

	return range && range->born == rec->born ? range : NULL;
}

static int load_taken(struct ipam_range *range, const struct ipam_record *rec,
		      enum ipam_use use)
{
	int r = range ? pool_take_exact(range->net->pool, &rec->addr) : -ENOENT;

	if (r < 0)
		return r;
	return ipam_lease_add(range->net, rec, use, range) ? 0 : -ENOMEM;
}

/* Whose is an address of which the record says nothing?  That of the narrowest PoolID
 * it is in; of any where it is in none, as a gateway may be.  A guess: it outlives that
 * PoolID (ipam_range_drop()). */
static struct ipam_range *narrowest(struct ipam_core *core,
				    const struct ip_addr *a)
{
	struct ip_prefix one = { .addr = *a,
				 .len = (uint8_t)(ip_bytes(a) * 8) };
	struct ipam_net *net = ipam_net_find(core, &one);
	struct ipam_range *best = NULL;

	for (struct ipam_range *r = net ? net->ranges : NULL; r; r = r->next)
		if (ip_prefix_contains(&r->at.prefix, a) &&
		    (!best || r->at.prefix.len >= best->at.prefix.len))
			best = r;
	return best || !net ? best : net->ranges;
}

/* The key still says which address it is of: nobody else gets that.  What is reserved may
 * be so by every network.  Known since now, so that netctl ipam gc has a time to judge by. */
static int load_damaged(struct loading *l, const char *kind, const char *id,
			enum ipam_use use, const char *why)
{
	struct ipam_record rec = { .refs = 1, .fixed = true };
	struct ipam_range *range;
	char text[ERR_MSG_MAX];
	int r;

	if (ip_parse(id, &rec.addr, NULL) < 0)
		return unusable(l->core, kind, id, why);
	ipam_now(rec.time);
	range = narrowest(l->core, &rec.addr);
	if (range && use != IPAM_ENDPOINT)
		rec.refs = ipam_net_users(range->net);
	r = load_taken(range, &rec, use);
	if (r == -ENOMEM)
		return ipam_no_memory(l->err);
	if (r < 0)
		return unusable(l->core, kind, id, why);
	ipam_lease_find(range->net, &rec.addr)->damaged = true;
	snprintf(text, sizeof(text),
		 "%.200s; the address stays taken until it is released", why);
	return unusable(l->core, kind, id, text);
}

/* Its pool is in doubt.  Other PoolIDs of the same prefix are not to hand it out; where
 * there is none, nobody can: it comes back with its pool's release. */
static int load_doubted(struct loading *l, const struct ipam_record *rec,
			enum ipam_use use)
{
	struct ipam_record known = *rec;
	struct ipam_range *range = narrowest(l->core, &rec->addr);
	struct ipam_lease *lease;
	int r;

	if (!range)
		return 0;
	if (use != IPAM_ENDPOINT && known.refs < ipam_net_users(range->net))
		known.refs = ipam_net_users(range->net);
	r = load_taken(range, &known, use);
	if (r < 0)
		return r;
	lease = ipam_lease_find(range->net, &rec->addr);
	lease->damaged = true;
	if (use == IPAM_ENDPOINT)
		lease->doubt = doubt_of(l->core, rec->id);
	return 0;
}

static int load_reserved(void *ctx, const char *id, const char *parent,
			 const char *json)
{
	struct loading *l = ctx;
	struct ipam_record rec;
	enum ipam_use use = IPAM_AUX; /* where nobody can say */
	struct err err = { 0 };
	int r = ipam_record_parse(json, &rec, &err);

	(void)parent;
	if (r == 0)
		r = ipam_use_parse(rec.use, &use, &err);
	if (r < 0)
		return load_damaged(l, RESERVED_KIND, id, use, err.msg);
	if (ipam_in_doubt(l->core, rec.id))
		r = load_doubted(l, &rec, use);
	else
		r = load_taken(ipam_range_of(l->core, &rec), &rec, use);
	if (r < 0)
		err_set(&err, r, "pool %s: %s", rec.id, strerror(-r));
	if (r == -ENOMEM)
		return ipam_no_memory(l->err);
	return r < 0 ? unusable(l->core, RESERVED_KIND, id, err.msg) : 0;
}

static int load_lease(void *ctx, const char *id, const char *parent,
		      const char *json)
{
	struct loading *l = ctx;
	struct ipam_record rec;
	struct err err = { 0 };
	int r = ipam_record_parse(json, &rec, &err);

	(void)parent;
	if (r < 0)
		return load_damaged(l, LEASE_KIND, id, IPAM_ENDPOINT, err.msg);
	if (!rec.rest && ipam_in_doubt(l->core, rec.id))
		r = load_doubted(l, &rec, IPAM_ENDPOINT);
	else if (!ipam_record_lives(l->core, &rec))
		r = later_dead(l->later, id);
	else if (rec.rest)
		r = later_rest(l->later, &rec);
	else
		r = load_taken(ipam_range_of(l->core, &rec), &rec,
			       IPAM_ENDPOINT);
	if (r == -ENOMEM)
		return ipam_no_memory(l->err);
	return r < 0 ? unusable(l->core, LEASE_KIND, id, strerror(-r)) : 0;
}

static int load_cursor(void *ctx, const char *id, const char *parent,
		       const char *json)
{
	struct ipam_range *range = NULL;
	struct loading *l = ctx;
	struct ipam_record rec;

	(void)id;
	(void)parent;
	/* what can't be used only means to begin at the first */
	if (ipam_record_parse(json, &rec, NULL) == 0)
		range = ipam_range_of(l->core, &rec);
	if (range)
		range->at.next = rec.addr;
	return 0;
}

static int by_rest(const void *a, const void *b)
{
	const struct ipam_record *x = a, *y = b;

	return x->rest < y->rest ? -1 : x->rest > y->rest;
}

/* One that was handed out again as a gateway is busy: its rest is over. */
static int load_rest(struct ipam_net *net, const struct ipam_record *rec)
{
	struct ip_addr freed;
	int r = pool_take_exact(net->pool, &rec->addr);

	if (rec->rest > net->rests)
		net->rests = rec->rest;
	if (r == -ENOMEM || pool_room(net->pool, &freed) < 0)
		return -ENOMEM;
	if (r == 0)
		(void)pool_give(net->pool, &rec->addr);
	return 0;
}

static int load_rests(struct ipam_core *core, struct later *l, struct err *err)
{
	int r = 0;

	if (l->rest_count)
		qsort(l->rests, l->rest_count, sizeof(*l->rests), by_rest);
	for (size_t i = 0; i < l->rest_count && r == 0; i++) {
		struct ip_prefix one = { .addr = l->rests[i].addr };
		struct ipam_net *net;

		one.len = (uint8_t)(ip_bytes(&one.addr) * 8);
		net = ipam_net_find(core, &one);
		if (net)
			r = load_rest(net, &l->rests[i]);
	}
	return r < 0 ? ipam_no_memory(err) : 0;
}

int ipam_load(struct ipam_core *core, struct err *err)
{
	_cleanup_(later_fini) struct later later = { 0 };
	struct loading l = { .core = core, .later = &later, .err = err };
	struct store *state = core->d->state, *run = core->d->run;
	int r = store_each(state, POOL_KIND, NULL, load_pool, &l, err);

	if (r == 0)
		r = store_each(state, RESERVED_KIND, NULL, load_reserved, &l,
			       err);
	if (r == 0)
		r = store_each(run, LEASE_KIND, NULL, load_lease, &l, err);
	if (r == 0)
		r = store_each(run, CURSOR_KIND, NULL, load_cursor, &l, err);
	if (r == 0)
		r = load_rests(core, &later, err);
	for (size_t i = 0; r == 0 && i < later.dead_count; i++)
		r = store_del(run, LEASE_KIND, later.dead[i], err);
	return r;
}

/* ---- records of a pool that is gone ---------------------------------------- */

static int collect_dead(void *ctx, const char *id, const char *parent,
			const char *json)
{
	struct sweeping *s = ctx;
	struct ipam_record rec;

	(void)parent;
	if (ipam_record_parse(json, &rec, NULL) < 0)
		return 0; /* told when it was loaded */
	if (rec.rest ? !s->all : strcmp(rec.id, s->id) != 0)
		return 0;
	return later_dead(&s->later, id);
}

int ipam_sweep(struct ipam_core *core, const struct ip_prefix *pool,
	       const char *id, bool all, struct err *err)
{
	struct sweeping sweeping = { .id = id, .all = all };
	struct later *later = &sweeping.later;
	struct store *s = core->d->run;
	char parent[PREFIX_STR_MAX];
	int r = store_each(s, LEASE_KIND, ip_prefix_str(pool, parent),
			   collect_dead, &sweeping, err);

	for (size_t i = 0; r == 0 && i < later->dead_count; i++)
		r = store_del(s, LEASE_KIND, later->dead[i], err);
	later_fini(later);
	return r < 0 ? r : store_del(s, CURSOR_KIND, id, err);
}
