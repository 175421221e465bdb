// SPDX-License-Identifier: GPL-2.0-or-later
/* What this host holds of a cluster's pools, in memory and on disk. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/blocks_priv.h"
#include "lib/log.h"

static int put(struct blocks *b, const char *kind, const char *id,
	       const char *parent, const struct bl_record *rec, struct err *err)
{
	_cleanup_free_ char *text = bl_encode(rec);

	return text ? store_put(b->state, kind, id, parent, text, err)
		    : bl_no_memory(err);
}

/* ---- pools ---------------------------------------------------------------- */

struct bl_net *bl_net_find(struct blocks *b, const struct ip_prefix *pool)
{
	struct ip_addr first = ip_prefix_first(pool);

	for (struct bl_net *n = b->nets; n; n = n->next)
		if (n->pool.len == pool->len && ip_equal(&n->pool.addr, &first))
			return n;
	return NULL;
}

void bl_net_free(struct bl_net *n)
{
	pool_free(n->shape);
	free(n->blocks);
	free(n->claims);
	free(n);
}

/* 64 addresses, at most a 16th of @area, at least one. */
static uint8_t block_len(const struct ip_prefix *area)
{
	unsigned int all = ip_bytes(&area->addr) * 8, bits = all - area->len;

	bits = bits > BL_PART_BITS ? bits - BL_PART_BITS : 0;
	return (uint8_t)(all - (bits < BL_BITS ? bits : BL_BITS));
}

static struct bl_net *net_new(struct blocks *b, const struct ip_prefix *pool,
			      const struct ip_prefix *sub)
{
	struct bl_net *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->pool = *pool;
	n->pool.addr = ip_prefix_first(pool);
	n->sub = *sub;
	n->sub.addr = ip_prefix_first(sub);
	n->area = ip_is_none(&sub->addr) ? n->pool : n->sub;
	n->block_len = block_len(&n->area);
	n->shape = pool_new(&n->pool);
	if (!n->shape) {
		free(n);
		return NULL;
	}
	pthread_mutex_lock(&b->lock);
	n->next = b->nets;
	b->nets = n;
	pthread_mutex_unlock(&b->lock);
	return n;
}

static void net_unlink(struct blocks *b, struct bl_net *n)
{
	struct bl_net **at = &b->nets;

	pthread_mutex_lock(&b->lock);
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	pthread_mutex_unlock(&b->lock);
	bl_net_free(n);
}

int bl_net_save(struct blocks *b, const struct bl_net *n, struct err *err)
{
	struct bl_record rec = { .pool = n->pool,
				 .sub = n->sub,
				 .block = n->block_len,
				 .joined = n->joined };
	char id[PREFIX_STR_MAX];

	return put(b, SHARE_KIND, ip_prefix_str(&n->pool, id), "", &rec, err);
}

int bl_net_add(struct blocks *b, const struct ip_prefix *pool,
	       const struct ip_prefix *sub, struct bl_net **ret,
	       struct err *err)
{
	struct bl_net *n = net_new(b, pool, sub);
	int r;

	if (!n)
		return bl_no_memory(err);
	r = bl_net_save(b, n, err);
	if (r < 0)
		net_unlink(b, n);
	else
		*ret = n;
	return r;
}

static int shut_records(struct blocks *b, struct bl_net *n, struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = b->state;
	char id[IP_STR_MAX];
	int r = store_begin(s, err);

	for (size_t i = 0; r == 0 && i < n->block_count; i++)
		r = store_del(s, BLOCK_KIND, ip_str(&n->blocks[i].first, id),
			      err);
	for (size_t i = 0; r == 0 && i < n->claim_count; i++)
		r = store_del(s, CLAIM_KIND, ip_str(&n->claims[i].addr, id),
			      err);
	if (r == 0)
		r = bl_net_save(b, n, err);
	return r < 0 ? r : store_commit(s, err);
}

int bl_net_shut(struct blocks *b, struct bl_net *n, struct err *err)
{
	int r;

	n->joined = false;
	r = shut_records(b, n, err);
	if (r < 0) {
		n->joined = true;
		return r;
	}
	pthread_mutex_lock(&b->lock);
	n->block_count = n->claim_count = 0;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

int bl_net_drop(struct blocks *b, struct bl_net *n, struct err *err)
{
	char id[PREFIX_STR_MAX];
	int r = store_del(b->state, SHARE_KIND, ip_prefix_str(&n->pool, id),
			  err);

	if (r == 0)
		net_unlink(b, n);
	return r;
}

/* ---- blocks ---------------------------------------------------------------- */

struct bl_block *bl_block_find(struct bl_net *n, const struct ip_addr *a)
{
	struct ip_prefix at = bl_block_of(n, a);

	for (size_t i = 0; i < n->block_count; i++)
		if (ip_equal(&n->blocks[i].first, &at.addr))
			return &n->blocks[i];
	return NULL;
}

static int block_insert(struct blocks *b, struct bl_net *n,
			const struct bl_block *what)
{
	_cleanup_(bl_unlockp) pthread_mutex_t *lock = &b->lock;
	struct bl_block *grew;
	size_t i;

	pthread_mutex_lock(lock);
	grew = reallocarray(n->blocks, n->block_count + 1, sizeof(*grew));
	if (!grew)
		return -ENOMEM;
	n->blocks = grew;
	for (i = n->block_count;
	     i > 0 && ip_cmp(&grew[i - 1].first, &what->first) > 0; i--)
		grew[i] = grew[i - 1];
	grew[i] = *what;
	n->block_count++;
	return 0;
}

static int block_put(struct blocks *b, const struct bl_net *n,
		     const struct ip_addr *first, uint64_t claimed,
		     struct err *err)
{
	struct bl_record rec = { .pool = n->pool,
				 .addr = *first,
				 .claimed = claimed };
	char id[IP_STR_MAX], pool[PREFIX_STR_MAX];

	return put(b, BLOCK_KIND, ip_str(first, id),
		   ip_prefix_str(&n->pool, pool), &rec, err);
}

int bl_block_add(struct blocks *b, struct bl_net *n,
		 const struct ip_addr *first, uint64_t claimed, struct err *err)
{
	struct bl_block k = { .first = *first, .claimed = claimed };
	int r = block_put(b, n, first, claimed, err);

	if (r == 0 && block_insert(b, n, &k) < 0)
		r = bl_no_memory(err);
	return r;
}

int bl_block_unsave(struct blocks *b, const struct bl_block *k, struct err *err)
{
	char id[IP_STR_MAX];

	return store_del(b->state, BLOCK_KIND, ip_str(&k->first, id), err);
}

void bl_block_forget(struct blocks *b, struct bl_net *n,
		     const struct ip_addr *first)
{
	struct bl_block *k = bl_block_find(n, first);
	size_t after;

	if (!k)
		return;
	pthread_mutex_lock(&b->lock);
	after = (size_t)(n->blocks + n->block_count - k) - 1;
	memmove(k, k + 1, after * sizeof(*k));
	n->block_count--;
	pthread_mutex_unlock(&b->lock);
}

int bl_block_claimed(struct blocks *b, struct bl_net *n,
		     const struct ip_addr *first, uint64_t claimed,
		     struct err *err)
{
	struct bl_block *k = bl_block_find(n, first);
	int r;

	if (!k || k->claimed == claimed)
		return 0;
	/* what is more is so at once, what is less when it is on record */
	pthread_mutex_lock(&b->lock);
	k->claimed |= claimed;
	pthread_mutex_unlock(&b->lock);
	r = k->shut ? 0 : block_put(b, n, first, claimed, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&b->lock);
	k->claimed = claimed;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

/* ---- single addresses ------------------------------------------------------- */

struct bl_claim *bl_claim_find(struct bl_net *n, const struct ip_addr *a)
{
	for (size_t i = 0; i < n->claim_count; i++)
		if (ip_equal(&n->claims[i].addr, a))
			return &n->claims[i];
	return NULL;
}

static int claim_insert(struct blocks *b, struct bl_net *n,
			const struct ip_addr *a, enum ipam_use use)
{
	_cleanup_(bl_unlockp) pthread_mutex_t *lock = &b->lock;
	struct bl_claim *grew;

	pthread_mutex_lock(lock);
	grew = reallocarray(n->claims, n->claim_count + 1, sizeof(*grew));
	if (!grew)
		return -ENOMEM;
	n->claims = grew;
	n->claims[n->claim_count++] =
		(struct bl_claim){ .addr = *a, .use = use };
	return 0;
}

int bl_claim_add(struct blocks *b, struct bl_net *n, const struct ip_addr *a,
		 enum ipam_use use, struct err *err)
{
	struct bl_record rec = { .pool = n->pool, .addr = *a };
	struct bl_claim *k = bl_claim_find(n, a);
	char id[IP_STR_MAX], pool[PREFIX_STR_MAX];
	int r = 0;

	if (k && !k->going)
		return 0;
	if (use == IPAM_ENDPOINT)
		r = put(b, CLAIM_KIND, ip_str(a, id),
			ip_prefix_str(&n->pool, pool), &rec, err);
	if (r == 0 && !k && claim_insert(b, n, a, use) < 0)
		r = bl_no_memory(err);
	if (r == 0 && k) {
		pthread_mutex_lock(&b->lock);
		k->going = false;
		k->use = use;
		pthread_mutex_unlock(&b->lock);
	}
	return r;
}

int bl_claim_note(struct blocks *b, struct bl_net *n, const struct ip_addr *a,
		  struct err *err)
{
	int r = claim_insert(b, n, a, IPAM_ENDPOINT);

	return r < 0 ? bl_no_memory(err) : 0;
}

int bl_claim_unsave(struct blocks *b, struct bl_claim *k, struct err *err)
{
	char id[IP_STR_MAX];
	int r = k->use == IPAM_ENDPOINT && !k->going
			? store_del(b->state, CLAIM_KIND, ip_str(&k->addr, id),
				    err)
			: 0;

	if (r < 0)
		return r;
	pthread_mutex_lock(&b->lock);
	k->going = true;
	pthread_mutex_unlock(&b->lock);
	return 0;
}

void bl_claim_forget(struct blocks *b, struct bl_net *n,
		     const struct ip_addr *a)
{
	struct bl_claim *k = bl_claim_find(n, a);

	pthread_mutex_lock(&b->lock);
	if (k)
		*k = n->claims[--n->claim_count];
	pthread_mutex_unlock(&b->lock);
}

/* ---- at the start ------------------------------------------------------------ */

static int unusable(const char *kind, const char *id, const struct err *err)
{
	char quoted[200];

	log_warn("op=load kind=%s id=%s err=%s", kind, id,
		 log_quote(quoted, sizeof(quoted), err->msg));
	return 0;
}

static int load_net(void *ctx, const char *id, const char *parent,
		    const char *json)
{
	struct blocks *b = ctx;
	struct bl_record rec;
	struct err err = { 0 };
	struct bl_net *n;

	(void)parent;
	if (bl_decode(json, &rec, &err) < 0 || ip_is_none(&rec.pool.addr))
		return unusable(SHARE_KIND, id, &err);
	n = net_new(b, &rec.pool, &rec.sub);
	if (!n)
		return -ENOMEM;
	n->joined = rec.joined;
	if (rec.block >= n->area.len &&
	    rec.block <= ip_bytes(&rec.pool.addr) * 8)
		n->block_len = (uint8_t)rec.block;
	return 0;
}

static int load_block(void *ctx, const char *id, const char *parent,
		      const char *json)
{
	struct blocks *b = ctx;
	struct bl_record rec;
	struct err err = { 0 };
	struct bl_net *n = NULL;

	(void)parent;
	if (bl_decode(json, &rec, &err) == 0)
		n = bl_net_find(b, &rec.pool);
	if (!n || !ip_prefix_contains(&n->pool, &rec.addr))
		return unusable(BLOCK_KIND, id, &err);
	return block_insert(b, n,
			    &(struct bl_block){ .first = rec.addr,
						.claimed = rec.claimed });
}

static int load_claim(void *ctx, const char *id, const char *parent,
		      const char *json)
{
	struct blocks *b = ctx;
	struct bl_record rec;
	struct err err = { 0 };
	struct bl_net *n = NULL;

	(void)parent;
	if (bl_decode(json, &rec, &err) == 0)
		n = bl_net_find(b, &rec.pool);
	return n ? claim_insert(b, n, &rec.addr, IPAM_ENDPOINT)
		 : unusable(CLAIM_KIND, id, &err);
}

int bl_load(struct blocks *b, struct err *err)
{
	int r = store_each(b->state, SHARE_KIND, NULL, load_net, b, err);

	if (r == 0)
		r = store_each(b->state, BLOCK_KIND, NULL, load_block, b, err);
	if (r == 0)
		r = store_each(b->state, CLAIM_KIND, NULL, load_claim, b, err);
	return r == -ENOMEM ? bl_no_memory(err) : r;
}
