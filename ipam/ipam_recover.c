/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The IPAM core's start and what belongs to an earlier life: load the records,
 * roll open intents forward (take back where that fails), answer requests that
 * come again without a body, and take back what nobody asked for again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"
#include "lib/fail.h"
#include "lib/log.h"

#define EXPIRE_TICKS 5

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

	ipam_problem(core, "the record of %s %s can't be used: %s", kind, id,
		     why);
	log_warn("op=load kind=%s id=%s err=%s", kind, id,
		 log_quote(quoted, sizeof(quoted), why));
	return 0;
}

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
		return unusable(l->core, POOL_KIND, id,
				r < 0 ? err.msg : "it is not whole");
	net = ipam_net_find(l->core, &rec.pool);
	if (net && (net->prefix.len != rec.pool.len ||
		    strcmp(net->space, rec.space) != 0))
		return unusable(l->core, POOL_KIND, id,
				"it overlaps another pool");
	if (!net)
		net = ipam_net_add(l->core, rec.space, &rec.pool);
	range = net ? ipam_range_add(net, &rec) : NULL;
	if (!range)
		return ipam_no_memory(l->err);
	range->refs = rec.refs;
	return 0;
}

/* The pool that a record speaks of, if it is still that one. */
static struct ipam_range *range_of(struct ipam_core *core,
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

static int load_reserved(void *ctx, const char *id, const char *parent,
			 const char *json)
{
	struct loading *l = ctx;
	struct ipam_record rec;
	enum ipam_use use;
	struct err err = { 0 };
	int r = ipam_record_parse(json, &rec, &err);

	(void)parent;
	if (r == 0)
		r = ipam_use_parse(rec.use, &use, &err);
	if (r == 0) {
		r = load_taken(range_of(l->core, &rec), &rec, use);
		if (r < 0)
			err_set(&err, r, "pool %s: %s", rec.id, strerror(-r));
	}
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
		return unusable(l->core, LEASE_KIND, id, err.msg);
	if (!ipam_record_lives(l->core, &rec))
		r = later_dead(l->later, id);
	else if (rec.rest)
		r = later_rest(l->later, &rec);
	else
		r = load_taken(range_of(l->core, &rec), &rec, IPAM_ENDPOINT);
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
		range = range_of(l->core, &rec);
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

static int load(struct ipam_core *core, struct err *err)
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

struct sweeping {
	struct later later;
	const char *id;
	bool all;
};

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

/* ---- open intents ---------------------------------------------------------- */

/* Each: 0 when the intent's end is recorded; else what failed. */

static int redo_pool(struct ipam_core *core, const struct ipam_record *rec,
		     uint64_t seq, struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	struct ipam_net *net = ipam_net_find(core, &rec->pool);
	int r;

	if (net && (net->prefix.len != rec->pool.len ||
		    strcmp(net->space, rec->space) != 0))
		return err_set(err, -EEXIST, "it overlaps another pool");
	r = ipam_pool_apply(core, rec, seq, err);
	if (r < 0)
		return r;
	ipam_hold_take(core, rec->id, &h);
	if (h.range)
		h.range->recovered = seq;
	return 0;
}

static int redo_addr(struct ipam_hold *h, const struct ipam_record *rec,
		     uint64_t seq, struct err *err)
{
	struct ipam_lease *l = ipam_lease_find(h->net, &rec->addr);
	bool again = l && l->use != IPAM_ENDPOINT &&
		     strcmp(ipam_use_to_string(l->use), rec->use) == 0;
	int r;

	if (l && !again)
		return err_set(err, -EADDRINUSE, "it is taken by now");
	r = l ? 0 : pool_take_exact(h->net->pool, &rec->addr);
	if (r < 0)
		return err_set(err, r, "it can't be taken");
	if (!rec->fixed)
		pool_range_after(&h->range->at, &rec->addr);
	r = ipam_addr_apply(h, rec, seq, err);
	if (r < 0 && !l)
		pool_untake(h->net->pool, &rec->addr);
	l = ipam_lease_find(h->net, &rec->addr);
	if (r == 0 && l)
		l->recovered = seq;
	return r;
}

static int redo_addr_release(struct ipam_hold *h, const struct ipam_record *rec,
			     uint64_t seq, struct err *err)
{
	struct ipam_lease *l = ipam_lease_find(h->net, &rec->addr);

	if (!l)
		return err_set(err, -ENOENT, "it is not handed out");
	return ipam_addr_release_apply(h, l, seq, err);
}

static int redo(struct ipam_core *core, const struct journal_intent *i,
		const struct ipam_record *rec, struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };

	if (strcmp(i->method, ipam_method_pool) == 0)
		return redo_pool(core, rec, i->seq, err);
	ipam_hold_take(core, rec->id, &h);
	if (!h.range)
		return err_set(err, -ENOENT, "there is no such pool");
	if (strcmp(i->method, ipam_method_pool_release) == 0)
		return ipam_pool_release_apply(&h, i->seq, err);
	if (strcmp(i->method, ipam_method_addr) == 0)
		return redo_addr(&h, rec, i->seq, err);
	if (strcmp(i->method, ipam_method_addr_release) == 0)
		return redo_addr_release(&h, rec, i->seq, err);
	return err_set(err, -EBADMSG, "a method nobody knows");
}

/* Until that succeeds, what the intent speaks of stays as it is. */
static void abort_one(struct ipam_core *core, struct store *s, uint64_t seq,
		      const char *id)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };

	ipam_hold_take(core, id, &h);
	ipam_abort(h.net ? &h.net->stale : &core->stale, s, seq);
}

static int recover_one(struct ipam_core *core, struct store *s,
		       const struct journal_intent *i)
{
	struct ipam_record rec = { 0 };
	struct err err = { 0 };
	char why[256], addr[IP_STR_MAX];
	int r = ipam_record_parse(i->body, &rec, &err);

	if (r == 0)
		r = FAILPOINT("ipam.recover.redo");
	if (r == 0)
		r = redo(core, i, &rec, &err);
	log_info("op=recover method=%s pool=%s address=%s result=%s err=%s",
		 i->method, rec.id, ip_str(&rec.addr, addr),
		 r < 0 ? "undone" : "done",
		 log_quote(why, sizeof(why), err.msg));
	if (r < 0)
		abort_one(core, s, i->seq, rec.id);
	return 0;
}

static int recover_state(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;

	return recover_one(core, core->d->state, i);
}

static int recover_run(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;

	return recover_one(core, core->d->run, i);
}

int ipam_recover(struct ipam_core *core, struct err *err)
{
	int r = load(core, err);

	if (r == 0)
		r = journal_each_open(core->d->state, recover_state, core, err);
	return r < 0 ? r
		     : journal_each_open(core->d->run, recover_run, core, err);
}

/* ---- taking back what nobody asked for again -------------------------------- */

static int undo_pool(struct ipam_core *core, const struct ipam_record *rec,
		     uint64_t seq)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	int r;

	pthread_mutex_lock(lock);
	ipam_hold_take(core, rec->id, &h);
	if (!h.range || h.range->recovered != seq)
		return 0; /* somebody knows of it */
	r = ipam_pool_release_apply(&h, 0, NULL);
	if (r == 0 && h.range)
		h.range->recovered = 0;
	return r;
}

static int undo_addr(struct ipam_core *core, const struct ipam_record *rec,
		     uint64_t seq)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	struct ipam_lease *l;
	int r;

	ipam_hold_take(core, rec->id, &h);
	l = h.range ? ipam_lease_find(h.net, &rec->addr) : NULL;
	if (!l || l->recovered != seq)
		return 0;
	l->recovered = 0;
	r = ipam_addr_release_apply(&h, l, 0, NULL);
	if (r < 0)
		l->recovered = seq; /* it is tried again */
	return r;
}

static int undo(void *ctx, const struct journal_intent *i)
{
	struct ipam_core *core = ctx;
	struct ipam_record rec;
	int r = 0;

	if (ipam_record_parse(i->body, &rec, NULL) < 0)
		return 0;
	if (strcmp(i->method, ipam_method_pool) == 0)
		r = undo_pool(core, &rec, i->seq);
	if (strcmp(i->method, ipam_method_addr) == 0)
		r = undo_addr(core, &rec, i->seq);
	if (r < 0)
		log_warn("op=undo pool=%s err=\"%s\"", rec.id, strerror(-r));
	return r; /* what was released stays so */
}

/* An address may be in either store: one candidate in each is two. */
static int replay_addr(struct ipam_core *core, const char *method, bool alone,
		       char **ret, uint64_t *ret_seq, struct err *err)
{
	struct store *state = core->d->state, *run = core->d->run;
	int in_state = journal_candidates(state, method, err);
	int in_run = in_state < 0 ? 0 : journal_candidates(run, method, err);
	int r;

	if (in_state < 0 || in_run < 0)
		return in_state < 0 ? in_state : in_run;
	if (!in_state || !in_run)
		return journal_replay(in_state ? state : run, method, alone,
				      ret, ret_seq, undo, core, err);
	r = journal_refuse(state, method, undo, core, err);
	if (r == 0)
		r = journal_refuse(run, method, undo, core, err);
	return r < 0 ? r
		     : err_set(err, -ENOTUNIQ,
			       "%s came without a body (a retry of a broken "
			       "request) and may be any of %d: undone",
			       method, in_state + in_run);
}

int ipam_replay(struct ipam_core *core, const char *method, bool alone,
		char **ret, uint64_t *ret_seq, struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->replay_lock;
	bool pool = strcmp(method, ipam_method_pool) == 0 ||
		    strcmp(method, ipam_method_pool_release) == 0;
	int r;

	pthread_mutex_lock(lock);
	r = pool ? journal_replay(core->d->state, method, alone, ret, ret_seq,
				  undo, core, err)
		 : replay_addr(core, method, alone, ret, ret_seq, err);
	return r == -ENODATA ? -EBADMSG : r; /* the message is right */
}

void ipam_core_tick(struct ipam_core *core)
{
	struct store *const stores[] = { core->d->state, core->d->run };

	if (++core->ticks % EXPIRE_TICKS != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		struct err err = { 0 };

		if (journal_expire(stores[i], undo, core, &err) < 0)
			log_debug("op=expire err=\"%s\"", err.msg);
	}
}

/* ---- open and close ---------------------------------------------------------- */

int ipam_core_open(const struct plugd *d, const struct ipam_config *config,
		   struct ipam_core **ret, struct err *err)
{
	_cleanup_(ipam_core_closep) struct ipam_core *core =
		calloc(1, sizeof(*core));
	int r;

	if (!core)
		return ipam_no_memory(err);
	core->d = d;
	core->config = *config;
	pthread_mutex_init(&core->pools_lock, NULL);
	pthread_mutex_init(&core->replay_lock, NULL);
	pthread_mutex_init(&core->lock, NULL);
	clock_gettime(CLOCK_BOOTTIME, &core->started);
	r = ipam_recover(core, err);
	if (r < 0)
		return r;
	*ret = take_ptr(core);
	return 0;
}

void ipam_core_close(struct ipam_core *core)
{
	if (!core)
		return;
	ipam_table_free(core);
	nlk_close(core->nlk);
	for (size_t i = 0; i < core->problem_count; i++)
		free(core->problems[i]);
	free(core->problems);
	pthread_mutex_destroy(&core->lock);
	pthread_mutex_destroy(&core->replay_lock);
	pthread_mutex_destroy(&core->pools_lock);
	free(core);
}
