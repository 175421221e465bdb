// SPDX-License-Identifier: GPL-2.0-or-later
/* The blocks of a cluster's pools: what the core asks for. */
#include "ipam/blocks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ipam/blocks_priv.h"
#include "ipam/num.h"
#include "lib/clock.h"

#define RELIST_MS 45000
#define REST_MS   60000
#define LIMIT_MS \
	8000 /* dockerd gives a request 30 s; it may wait for another's */

void bl_unlockp(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

void bl_begin(struct blocks *b)
{
	pthread_mutex_lock(&b->io);
	/* else it is not asked, but by the thread */
	if (b->etcd && etcd_seen_ready(&b->seen, NULL) == 0)
		etcd_limit(b->etcd, b->limit_ms);
}

void bl_endp(struct blocks **b)
{
	pthread_mutex_unlock(&(*b)->io);
}

int bl_no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- pools ----------------------------------------------------------------- */

static int joined_again(const struct bl_net *n, const struct ip_prefix *sub,
			struct err *err)
{
	char pool[PREFIX_STR_MAX], range[PREFIX_STR_MAX];
	struct ip_addr first = ip_prefix_first(sub);

	if (n->sub.len == sub->len && ip_equal(&n->sub.addr, &first))
		return 0;
	return err_set(err, -EEXIST,
		       "pool %s of the cluster has %s%s on this host: ask for "
		       "the same --ip-range",
		       ip_prefix_str(&n->pool, pool),
		       ip_is_none(&n->sub.addr) ? "no range" : "the range ",
		       ip_prefix_str(&n->sub, range));
}

/* One that is being left is left first: it may have another range now. */
static int join_new(struct blocks *b, const struct ip_prefix *pool,
		    const struct ip_prefix *sub, struct bl_net **ret,
		    struct err *err)
{
	struct bl_net *n = bl_net_find(b, pool);
	int r = bl_ask(b, err);

	if (r == 0 && n) {
		r = bl_leave(b, n, b->node, err);
		if (r == 0)
			r = bl_net_drop(b, n, err);
	}
	if (r == 0)
		r = bl_net_add(b, pool, sub, &n, err);
	if (r < 0)
		return r;
	r = bl_join(b, n, err);
	if (r == 0) {
		n->joined = true;
		n->joined_ms = clock_boot_ms();
		r = bl_net_save(b, n, err);
	}
	if (r == 0)
		*ret = n;
	return r;
}

static int join(struct blocks *b, const struct ip_prefix *pool,
		const struct ip_prefix *sub, struct bl_net **ret,
		struct err *err)
{
	struct bl_net *n = bl_net_find(b, pool);
	int r;

	if (!n || !n->joined)
		return join_new(b, pool, sub, ret, err);
	*ret = n;
	r = joined_again(n, sub, err);
	/* the range of a network that is gone, and that the thread has not come to? */
	if (r == 0 || bl_pending(b, &n->pending) ||
	    b->user.has_pool(b->user.ctx, pool))
		return r;
	r = bl_net_leave(b, n, err);
	return r < 0 ? r : join_new(b, pool, sub, ret, err);
}

int blocks_join(struct blocks *b, const struct ip_prefix *pool,
		const struct ip_prefix *sub, struct err *err)
{
	_cleanup_(bl_endp) struct blocks *io = b;
	struct bl_net *n = NULL;
	int r;

	bl_begin(io);
	r = join(b, pool, sub, &n, err);
	if (r < 0 || !n) {
		blocks_settle(b);
		return r;
	}
	pthread_mutex_lock(&b->lock);
	n->pending++;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

void blocks_join_done(struct blocks *b, const struct ip_prefix *pool)
{
	struct bl_net *n;

	pthread_mutex_lock(&b->lock);
	n = bl_net_find(b, pool);
	if (n && n->pending)
		n->pending--;
	pthread_mutex_unlock(&b->lock);
	blocks_settle(b);
}

/* ---- addresses --------------------------------------------------------------- */

static bool usable(const struct bl_block *k)
{
	return !k->shut && !k->whose[0];
}

static bool can(struct bl_net *n, const struct ip_addr *a)
{
	const struct bl_block *k = bl_block_find(n, a);

	/* with .why it is another's pool, or this host another machine */
	return k && !n->why[0] && usable(k) && !(k->claimed & bl_bit(n, a)) &&
	       ip_prefix_contains(&n->area, a);
}

/* The first free address at or behind @from (none: of all). */
static bool take_free(struct bl_net *n, const struct pool *pool,
		      const struct ip_addr *from, struct ip_addr *ret)
{
	for (size_t i = 0; i < n->block_count; i++) {
		const struct bl_block *k = &n->blocks[i];
		struct ip_prefix at = { .addr = k->first, .len = n->block_len };
		struct ip_addr last = ip_prefix_last(&at);
		runs_num num = num_of(&k->first), end = num_of(&last);

		if (!usable(k))
			continue;
		if (!ip_is_none(from) && num_of(from) > num)
			num = num_of(from);
		for (; num <= end; num++) {
			*ret = num_to_ip(k->first.family, num);
			if (pool_is_free(pool, ret) && can(n, ret))
				return true;
		}
	}
	return false;
}

struct waking {
	struct bl_net *n;
	struct ip_addr found;
};

static int wake_one(void *ctx, const struct ip_addr *a)
{
	struct waking *w = ctx;

	if (ip_is_none(&w->found) && can(w->n, a))
		w->found = *a;
	return 0;
}

int blocks_take(struct blocks *b, const struct ip_prefix *prefix,
		struct pool *pool, struct pool_range *range,
		struct ip_addr *ret)
{
	_cleanup_(bl_unlockp) pthread_mutex_t *lock = &b->lock;
	struct ip_addr none = { 0 }, a;
	struct waking w = { .found = none };
	int r;

	pthread_mutex_lock(lock);
	w.n = bl_net_find(b, prefix);
	if (!w.n)
		return -EXFULL;
	if (!take_free(w.n, pool, &range->next, &a) &&
	    !take_free(w.n, pool, &none, &a)) {
		(void)pool_each_resting(pool, wake_one, &w);
		if (ip_is_none(&w.found))
			return -EXFULL;
		a = w.found;
	}
	r = pool_take_exact(pool, &a);
	if (r < 0)
		return r;
	*ret = a;
	pool_range_after(range, ret);
	return 0;
}

bool blocks_may(struct blocks *b, const struct ip_prefix *prefix,
		const struct ip_addr *a, enum ipam_use use)
{
	_cleanup_(bl_unlockp) pthread_mutex_t *lock = &b->lock;
	const struct bl_claim *c;
	struct bl_net *n;

	pthread_mutex_lock(lock);
	n = bl_net_find(b, prefix);
	if (!n)
		return false;
	c = bl_claim_find(n, a);
	if (c && c->use == use && c->pending && !c->whose[0])
		return true;
	return use == IPAM_ENDPOINT && can(n, a);
}

static int more_block(struct blocks *b, struct bl_net *n, struct err *err)
{
	char pool[PREFIX_STR_MAX];
	int r = bl_ask(b, err);

	if (r == 0)
		r = bl_take(b, n, err);
	if (r == 0 || r == -ENOSPC)
		return r;
	return err_wrap(err, r,
			"no address of pool %s is free in the %zu blocks that "
			"this host has, and it gets no more",
			ip_prefix_str(&n->pool, pool), n->block_count);
}

static int more_address(struct blocks *b, struct bl_net *n, struct ip_addr *a,
			enum ipam_use use, struct err *err)
{
	struct bl_claim *c = bl_claim_find(n, a);
	char text[IP_STR_MAX];
	int r = 0;

	if (ip_is_none(a) || !c || c->going || c->use != use || c->whose[0]) {
		r = bl_ask(b, err);
		if (r == 0 && ip_is_none(a))
			r = bl_gateway(b, n, a, err);
		else if (r == 0)
			r = bl_claim(b, n, a, use, err);
		if (r == 0)
			r = bl_claim_add(b, n, a, use, err);
	}
	if (r < 0)
		return r == -EADDRINUSE
			       ? r
			       : err_wrap(err, r, "address %s",
					  ip_is_none(a) ? "of a gateway"
							: ip_str(a, text));
	c = bl_claim_find(n, a);
	pthread_mutex_lock(&b->lock);
	c->pending++;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

int blocks_more(struct blocks *b, const struct ip_prefix *prefix,
		struct ip_addr *addr, enum ipam_use use, struct err *err)
{
	_cleanup_(bl_endp) struct blocks *io = b;
	char text[PREFIX_STR_MAX];
	struct bl_net *n;

	bl_begin(io);
	n = bl_net_find(b, prefix);
	if (!n || !n->joined)
		return err_set(err, -ESTALE,
			       "pool %s of the cluster is not on record here: "
			       "remove the network and make it again",
			       ip_prefix_str(prefix, text));
	if (n->why[0])
		return err_set(err, -EEXIST, "%s", n->why);
	if (ip_is_none(addr) && use == IPAM_ENDPOINT)
		return more_block(b, n, err);
	if (!ip_is_none(addr) && !ip_prefix_contains(&n->pool, addr))
		return 0; /* the pool says so itself */
	return more_address(b, n, addr, use, err);
}

void blocks_more_done(struct blocks *b, const struct ip_prefix *prefix,
		      const struct ip_addr *addr)
{
	struct bl_net *n;
	struct bl_claim *c = NULL;

	pthread_mutex_lock(&b->lock);
	n = bl_net_find(b, prefix);
	if (n)
		c = bl_claim_find(n, addr);
	if (c && c->pending)
		c->pending--;
	pthread_mutex_unlock(&b->lock);
	blocks_settle(b);
}

void blocks_settle(struct blocks *b)
{
	pthread_mutex_lock(&b->lock);
	b->due = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
}

/* ---- telling ------------------------------------------------------------------ */

void blocks_each(struct blocks *b, const struct ip_prefix *prefix,
		 void (*fn)(void *ctx, const struct ip_prefix *block),
		 void *ctx)
{
	struct bl_net *n;

	pthread_mutex_lock(&b->lock);
	n = bl_net_find(b, prefix);
	for (size_t i = 0; n && i < n->block_count; i++) {
		struct ip_prefix at = { .addr = n->blocks[i].first,
					.len = n->block_len };

		if (usable(&n->blocks[i]))
			fn(ctx, &at);
	}
	pthread_mutex_unlock(&b->lock);
}

static void net_problems(struct bl_net *n, ipam_line_fn *fn, void *ctx)
{
	char line[400], a[IP_STR_MAX], pool[PREFIX_STR_MAX];

	ip_prefix_str(&n->pool, pool);
	if (n->why[0])
		fn(ctx, n->why);
	for (size_t i = 0; i < n->block_count; i++) {
		const struct bl_block *k = &n->blocks[i];

		if (!k->whose[0])
			continue;
		snprintf(line, sizeof(line),
			 "block %s/%u of pool %s is host %s's by now, and "
			 "containers here have addresses of it: start them "
			 "anew, for others may get the same addresses",
			 ip_str(&k->first, a), n->block_len, pool, k->whose);
		fn(ctx, line);
	}
	for (size_t i = 0; i < n->claim_count; i++) {
		const struct bl_claim *c = &n->claims[i];

		if (!c->whose[0])
			continue;
		snprintf(line, sizeof(line),
			 "address %s of pool %s is %s%s's by now, and a "
			 "container here has it: start that anew",
			 ip_str(&c->addr, a), pool,
			 strcmp(c->whose, BL_ALL) ? "host " : "", c->whose);
		fn(ctx, line);
	}
}

void blocks_problems(struct blocks *b, ipam_line_fn *fn, void *ctx)
{
	pthread_mutex_lock(&b->lock);
	if (b->nets)
		etcd_seen_lines(&b->seen, fn, ctx);
	for (struct bl_net *n = b->nets; n; n = n->next)
		net_problems(n, fn, ctx);
	pthread_mutex_unlock(&b->lock);
}

/* ---- a host that is gone for ever ---------------------------------------------- */

static size_t count_of(const struct etcd_kvs *kvs, const char *node)
{
	size_t n = 0;

	for (size_t i = 0; i < kvs->count; i++) {
		struct bl_record rec = bl_of(&kvs->v[i]);

		n += !strcmp(rec.node, node);
	}
	return n;
}

/* Return: how many pools it was in: 1 or 0. */
static int forget_in(struct blocks *b, const struct etcd_kv *kv,
		     const char *node, bool dry, ipam_line_fn *fn, void *ctx,
		     struct err *err)
{
	struct bl_record rec = bl_of(kv);
	struct bl_net n = { .pool = rec.pool };
	char line[256], pool[PREFIX_STR_MAX];
	struct bl_list l;
	size_t blocks, addrs;
	bool member;
	int r;

	if (ip_is_none(&rec.pool.addr))
		return 0;
	r = bl_list(b, &n, &l, err);
	if (r < 0)
		return r;
	blocks = count_of(l.blocks, node);
	addrs = count_of(l.addrs, node);
	member = bl_is_member(&l, node);
	bl_list_clear(&l);
	if (!blocks && !addrs && !member)
		return 0;
	if (!dry)
		r = bl_leave(b, &n, node, err);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line),
		 "%zu blocks and %zu single addresses of host %s in pool %s of "
		 "the cluster",
		 blocks, addrs, node, ip_prefix_str(&n.pool, pool));
	fn(ctx, line);
	return 1;
}

static int forget(struct blocks *b, const char *node, bool dry,
		  ipam_line_fn *fn, void *ctx, struct err *err)
{
	char key[BL_KEY_MAX], end[BL_KEY_MAX];
	struct etcd_kvs kvs = { 0 };
	int r, n = 0;

	bl_key(b, key, "pool");
	etcd_prefix_end(key, end);
	r = etcd_seen_range(&b->seen, b->etcd,
			    &(struct etcd_range){ .key = key, .end = end },
			    &kvs, NULL, err);
	for (size_t i = 0; r >= 0 && i < kvs.count; i++) {
		r = forget_in(b, &kvs.v[i], node, dry, fn, ctx, err);
		if (r > 0)
			n++;
	}
	etcd_kvs_clear(&kvs);
	return r < 0 ? r : n;
}

int blocks_forget(struct blocks *b, const char *node, bool dry,
		  ipam_line_fn *fn, void *ctx, struct err *err)
{
	_cleanup_(bl_endp) struct blocks *io = b;
	int r;

	bl_begin(io);
	if (!strcmp(node, b->node))
		return err_set(err, -EINVAL,
			       "host %s is this one: it gives back what it "
			       "does not use by itself",
			       node);
	if (!cluster_word_valid(node))
		return err_set(err, -EINVAL, "no host is called \"%.64s\"",
			       node);
	if (!b->etcd)
		return err_set(err, -EINVAL,
			       "berth-ipam was started without --store: there "
			       "is no cluster");
	r = etcd_seen_ready(&b->seen, err);
	return r < 0 ? r : forget(b, node, dry, fn, ctx, err);
}

/* ---- open and close --------------------------------------------------------------- */

static int open_etcd(struct blocks *b, const struct ipam_cluster *cfg,
		     struct err *err)
{
	struct bl_record rec = { .joined = false };

	if (cfg->at.etcd.member_count) {
		int r = etcd_open(&cfg->at.etcd, &b->etcd, err);

		if (r < 0)
			return r;
	}
	memcpy(rec.node, b->node, sizeof(rec.node));
	b->owner = bl_encode(&rec);
	rec = (struct bl_record){ .joined = true };
	memcpy(rec.machine, b->machine, sizeof(rec.machine));
	b->member = bl_encode(&rec);
	return b->owner && b->member ? 0 : bl_no_memory(err);
}

int blocks_open(struct store *state, const struct ipam_cluster *cfg,
		const struct blocks_user *user, struct blocks **ret,
		struct err *err)
{
	_cleanup_(blocks_closep) struct blocks *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;
	int r;

	if (!b)
		return bl_no_memory(err);
	b->state = state;
	b->user = *user;
	b->relist_ms = cfg->relist_ms ? cfg->relist_ms : RELIST_MS;
	b->rest_ms = cfg->rest_ms ? cfg->rest_ms : REST_MS;
	b->limit_ms = cfg->limit_ms ? cfg->limit_ms : LIMIT_MS;
	pthread_mutex_init(&b->io, NULL);
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->wake, &attr);
	pthread_condattr_destroy(&attr);
	etcd_seen_init(&b->seen, "netctl restart berth-ipam");
	r = cluster_at_names(&cfg->at, b->prefix, b->node, b->machine, err);
	/* who has no cluster may have any name */
	if (r < 0 && !cfg->at.etcd.member_count)
		r = 0;
	if (r == 0)
		r = open_etcd(b, cfg, err);
	if (r == 0)
		r = bl_load(b, err);
	if (r == 0)
		*ret = take_ptr(b);
	return r;
}

int blocks_check(struct blocks *b, struct err *err)
{
	_cleanup_(bl_endp) struct blocks *io = b;

	bl_begin(io);
	return b->etcd ? bl_check(b, err) : 0;
}

int blocks_start(struct blocks *b, struct err *err)
{
	int r;

	if (!b->etcd)
		return 0;
	b->due = true;
	r = pthread_create(&b->thread, NULL, bl_thread, b);
	if (r != 0)
		return err_set(err, -r, "the thread of the blocks");
	b->started = true;
	return 0;
}

void blocks_close(struct blocks *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	b->stop = true;
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
	if (b->started)
		pthread_join(b->thread, NULL);
	while (b->nets) {
		struct bl_net *n = b->nets;

		b->nets = n->next;
		bl_net_free(n);
	}
	etcd_close(b->etcd);
	free(b->member);
	free(b->owner);
	etcd_seen_fini(&b->seen);
	pthread_cond_destroy(&b->wake);
	pthread_mutex_destroy(&b->lock);
	pthread_mutex_destroy(&b->io);
	free(b);
}
