// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Blocks and single addresses of a cluster's pool in etcd.
 *
 * A block is taken where there is no record of it, by a host that is a member of the
 * pool; which of its addresses somebody has by themselves is read in the same
 * transaction.  An address is claimed by itself where there is no record of it and its
 * block is nobody's or this host's: so whoever comes second sees the first.
 *
 * When nobody knows whether a transaction was done it is sent again, and what it reads
 * then is ours: a block that etcd says is this host's and that is not on record here is
 * taken over.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/blocks_priv.h"
#include "ipam/num.h"
#include "lib/clock.h"
#include "lib/fail.h"

static int run(struct blocks *b, struct etcd_txn *t, struct etcd_result *ret,
	       struct err *err)
{
	return etcd_seen_txn(&b->seen, b->etcd, t, ret, err);
}

/* This host is still a member, of the pool that it has joined. */
static void if_member(struct blocks *b, const struct bl_net *n,
		      const struct bl_list *l, struct etcd_txn *t)
{
	char key[BL_KEY_MAX];

	bl_net_key(b, n, "member", NULL, key);
	strncat(key, b->node, BL_KEY_MAX - strlen(key) - 1);
	etcd_txn_if_value(t, key, b->member);
	bl_pool_key(b, &n->pool.addr, key);
	etcd_txn_if_create(t, key, l->create);
}

/* Where somebody has removed it (gc --node) the thread is to join it again. */
static int member_check(struct blocks *b, const struct bl_net *n,
			const struct bl_list *l, struct err *err)
{
	char text[PREFIX_STR_MAX];

	if (l->pool && l->member && !strcmp(l->own.machine, b->machine) &&
	    l->rec.block == n->block_len)
		return 0;
	pthread_mutex_lock(&b->lock);
	b->look = true;
	pthread_mutex_unlock(&b->lock);
	blocks_settle(b);
	return err_set(err, -EAGAIN,
		       "this host was removed from pool %s of the cluster, and "
		       "joins it again now: try again",
		       ip_prefix_str(&n->pool, text));
}

/* ---- a block ---------------------------------------------------------------- */

/* Is there an address in it that could be handed out? */
static bool worth(const struct bl_net *n, const struct ip_addr *first,
		  uint64_t claimed)
{
	struct ip_prefix block = bl_block_of(n, first);
	struct ip_addr last = ip_prefix_last(&block);
	runs_num from = num_of(first), to = num_of(&last);

	for (runs_num i = from; i <= to; i++) {
		struct ip_addr a = num_to_ip(first->family, i);

		if (!(claimed >> (unsigned int)(i - from) & 1) &&
		    ip_prefix_contains(&n->area, &a) &&
		    pool_look(n->shape, &a) != POOL_OUTSIDE)
			return true;
	}
	return false;
}

/* The free block after @skip others, by what is listed, or the last.  -ENOSPC. */
static int choose(const struct bl_net *n, const struct bl_list *l,
		  unsigned int skip, struct ip_addr *ret)
{
	struct ip_addr low = ip_prefix_first(&n->area);
	struct ip_addr high = ip_prefix_last(&n->area), first;
	struct ip_prefix at = bl_block_of(n, &low);
	runs_num step = (runs_num)1 << (ip_bytes(&low) * 8 - n->block_len);
	runs_num i = num_of(&at.addr), end = num_of(&high);
	bool found = false;
	size_t k = 0;

	/* the keys sort as the blocks do */
	for (; i <= end; i += step) {
		struct ip_addr a;

		first = num_to_ip(low.family, i);
		while (k < l->blocks->count &&
		       (!bl_key_addr(l->blocks->v[k].key, low.family, &a) ||
			num_of(&a) < i))
			k++;
		if (k < l->blocks->count && num_of(&a) == i)
			continue;
		if (!worth(n, &first, bl_claimed_in(n, l->addrs, &first)))
			continue;
		*ret = first;
		found = true;
		if (skip-- == 0)
			break;
	}
	return found ? 0 : -ENOSPC;
}

/* Return: 1: ours; 0: look again. */
static int take_once(struct blocks *b, struct bl_net *n,
		     const struct bl_list *l, const struct ip_addr *first,
		     uint64_t *ret_claimed, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct ip_prefix block = bl_block_of(n, first);
	struct ip_addr last = ip_prefix_last(&block);
	char key[BL_KEY_MAX], low[BL_KEY_MAX], high[BL_KEY_MAX + 1];
	struct etcd_result res = { 0 };
	int r;

	if (!t)
		return bl_no_memory(err);
	if_member(b, n, l, t);
	bl_net_key(b, n, "block", first, key);
	etcd_txn_if_mod(t, key, 0);
	etcd_txn_put(t, key, b->owner, 0);
	bl_net_key(b, n, "addr", first, low);
	bl_net_key(b, n, "addr", &last, high);
	strcat(high, " ");
	etcd_txn_get(t, &(struct etcd_range){ .key = low, .end = high });
	r = run(b, t, &res, err);
	if (r == 0 && res.done && res.got_count == 1)
		*ret_claimed = bl_claimed_in(n, &res.got[0], first);
	if (r == 0)
		r = res.done;
	etcd_result_clear(&res);
	return r;
}

static int taken(struct blocks *b, struct bl_net *n,
		 const struct ip_addr *first, uint64_t claimed, struct err *err)
{
	int r = FAILPOINT("blocks.taken");

	if (r < 0)
		return err_set(err, r, "block: %s", strerror(-r));
	return bl_block_add(b, n, first, claimed, err);
}

/* One that etcd says is ours, and that we know nothing of.  Return: 1: taken over. */
static int adopt(struct blocks *b, struct bl_net *n, const struct bl_list *l,
		 struct err *err)
{
	struct ip_addr first;
	int r;

	for (size_t i = 0; i < l->blocks->count; i++) {
		struct bl_record rec = bl_of(&l->blocks->v[i]);

		if (strcmp(rec.node, b->node) != 0 ||
		    !bl_key_addr(l->blocks->v[i].key, n->pool.addr.family,
				 &first) ||
		    !ip_prefix_contains(&n->pool, &first) ||
		    bl_block_find(n, &first))
			continue;
		r = taken(b, n, &first, bl_claimed_in(n, l->addrs, &first),
			  err);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int full(const struct bl_net *n, const struct bl_list *l,
		struct err *err)
{
	char text[PREFIX_STR_MAX];

	return err_set(err, -ENOSPC,
		       "%s %s is full: all its blocks are in use, by this host "
		       "(%zu) or others (%zu in all, %zu hosts): remove "
		       "containers, say netctl ipam gc --node of a host that "
		       "is gone for ever, or make a network with a larger %s",
		       ip_is_none(&n->sub.addr) ? "pool" : "range",
		       ip_prefix_str(&n->area, text), n->block_count,
		       l->blocks->count, l->members->count,
		       ip_is_none(&n->sub.addr) ? "--subnet" : "--ip-range");
}

static int take_listed(struct blocks *b, struct bl_net *n,
		       const struct bl_list *l, unsigned int skip,
		       struct err *err)
{
	struct ip_addr first;
	uint64_t claimed = 0;
	int r = member_check(b, n, l, err);

	if (r == 0)
		r = adopt(b, n, l, err);
	if (r != 0)
		return r;
	if (choose(n, l, skip, &first) < 0)
		return full(n, l, err);
	r = take_once(b, n, l, &first, &claimed, err);
	if (r <= 0)
		return r;
	r = taken(b, n, &first, claimed, err);
	return r < 0 ? r : 1;
}

int bl_take(struct blocks *b, struct bl_net *n, struct err *err)
{
	int r = FAILPOINT("blocks.take");

	if (r < 0)
		return err_set(err, r, "block: %s", strerror(-r));
	/* where others are faster it is not the next that all run to */
	for (unsigned int i = 0; r == 0 && i < BL_TRIES; i++) {
		unsigned int spread = i < 10 ? (1u << i) - 1 : 1023;
		struct bl_list l;

		r = bl_list(b, n, &l, err);
		if (r == 0)
			r = take_listed(b, n, &l,
					(unsigned int)clock_boot_ms() & spread,
					err);
		bl_list_clear(&l);
	}
	if (r == 0)
		return err_set(err, -EAGAIN, "blocks are fought over");
	return r < 0 ? r : 0;
}

int bl_retake(struct blocks *b, struct bl_net *n, const struct ip_addr *first,
	      struct err *err)
{
	uint64_t claimed = 0;
	struct bl_list l;
	int r = bl_list(b, n, &l, err);

	if (r == 0)
		r = member_check(b, n, &l, err);
	if (r == 0)
		r = take_once(b, n, &l, first, &claimed, err);
	bl_list_clear(&l);
	if (r <= 0)
		return r;
	r = bl_block_claimed(b, n, first, claimed, err);
	return r < 0 ? r : 1;
}

/* ---- back -------------------------------------------------------------------- */

/* A record that is as it was looked at: a request that reaches etcd late, when this host
 * has it again, must not take it away. */
static int del_seen(struct blocks *b, const char *key, int64_t mod,
		    struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	int r;

	if (!t)
		return bl_no_memory(err);
	etcd_txn_if_mod(t, key, mod);
	etcd_txn_del(t, key, NULL);
	r = run(b, t, &res, err);
	etcd_result_clear(&res);
	return r;
}

static int look_own(struct blocks *b, const char *key, const char *value,
		    int64_t *ret_mod, struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	int r = bl_ask(b, err);

	*ret_mod = 0;
	if (r == 0)
		r = etcd_seen_range(&b->seen, b->etcd,
				    &(struct etcd_range){ .key = key }, &kvs,
				    NULL, err);
	if (r == 0 && kvs.count && !strcmp(kvs.v[0].value, value))
		*ret_mod = kvs.v[0].mod_rev;
	etcd_kvs_clear(&kvs);
	return r;
}

int bl_give_look(struct blocks *b, const struct bl_net *n,
		 const struct ip_addr *first, int64_t *ret_mod, struct err *err)
{
	char key[BL_KEY_MAX];

	bl_net_key(b, n, "block", first, key);
	return look_own(b, key, b->owner, ret_mod, err);
}

int bl_give(struct blocks *b, const struct bl_net *n,
	    const struct ip_addr *first, int64_t mod, struct err *err)
{
	char key[BL_KEY_MAX];
	int r = FAILPOINT("blocks.give");

	if (r < 0)
		return err_set(err, r, "block: %s", strerror(-r));
	bl_net_key(b, n, "block", first, key);
	r = mod ? del_seen(b, key, mod, err) : 0;
	if (r == 0)
		(void)FAILPOINT("blocks.given");
	return r;
}

/* ---- a single address ----------------------------------------------------------- */

static char *use_text(struct blocks *b, enum ipam_use use)
{
	struct bl_record rec = { .joined = false };

	/* for all hosts, where it is no endpoint's */
	if (use == IPAM_ENDPOINT)
		memcpy(rec.node, b->node, sizeof(rec.node));
	snprintf(rec.use, sizeof(rec.use), "%s", ipam_use_to_string(use));
	return bl_encode(&rec);
}

static int others(const struct bl_net *n, const struct ip_addr *a,
		  const struct bl_record *rec, struct err *err)
{
	char addr[IP_STR_MAX], pool[PREFIX_STR_MAX];

	ip_str(a, addr);
	ip_prefix_str(&n->pool, pool);
	if (*rec->node)
		return err_set(err, -EADDRINUSE,
			       "Address already in use: %s of pool %s, on host "
			       "%s",
			       addr, pool, rec->node);
	return err_set(err, -EADDRINUSE,
		       "Address already in use: %s of pool %s is the cluster's "
		       "%s address",
		       addr, pool, rec->use);
}

static int in_block(const struct bl_net *n, const struct ip_addr *a,
		    const char *node, struct err *err)
{
	char addr[IP_STR_MAX], pool[PREFIX_STR_MAX], block[PREFIX_STR_MAX];
	struct ip_prefix at = bl_block_of(n, a);

	return err_set(err, -EADDRINUSE,
		       "Address already in use: %s of pool %s is in block %s, "
		       "which host %s hands out: %s",
		       ip_str(a, addr), ip_prefix_str(&n->pool, pool),
		       ip_prefix_str(&at, block), node,
		       ip_is_none(&n->sub.addr)
			       ? "make the network with an --ip-range, and "
				 "choose outside it"
			       : "choose one outside the network's --ip-range");
}

/* May it be claimed, or is it?  Return: 1: it is. */
static int judge(struct blocks *b, const struct bl_net *n,
		 const struct ip_addr *a, const char *text,
		 const struct etcd_kv *addr, const struct etcd_kv *block,
		 struct err *err)
{
	struct bl_record rec;

	if (addr) {
		rec = bl_of(addr);
		return strcmp(addr->value, text) ? others(n, a, &rec, err) : 1;
	}
	if (!block)
		return 0;
	rec = bl_of(block);
	return strcmp(rec.node, b->node) ? in_block(n, a, rec.node, err) : 0;
}

/* Return: 1: claimed; 0: look again. */
static int claim_once(struct blocks *b, struct bl_net *n,
		      const struct ip_addr *a, const char *text,
		      struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	const struct etcd_kv *addr, *block;
	struct ip_prefix at = bl_block_of(n, a);
	struct etcd_result res = { 0 };
	char key[BL_KEY_MAX];
	struct bl_list l = { 0 };
	int r = t ? bl_list(b, n, &l, err) : bl_no_memory(err);

	if (r < 0)
		return r;
	addr = bl_kv_of(l.addrs, a);
	block = bl_kv_of(l.blocks, &at.addr);
	r = member_check(b, n, &l, err);
	if (r == 0)
		r = judge(b, n, a, text, addr, block, err);
	if (r == 0) {
		if_member(b, n, &l, t);
		bl_net_key(b, n, "block", &at.addr, key);
		etcd_txn_if_mod(t, key, block ? block->mod_rev : 0);
		bl_net_key(b, n, "addr", a, key);
		etcd_txn_if_mod(t, key, 0);
		etcd_txn_put(t, key, text, 0);
		r = run(b, t, &res, err);
		if (r == 0)
			r = res.done;
		etcd_result_clear(&res);
	}
	bl_list_clear(&l);
	return r;
}

int bl_claim(struct blocks *b, struct bl_net *n, const struct ip_addr *a,
	     enum ipam_use use, struct err *err)
{
	_cleanup_free_ char *text = use_text(b, use);
	struct bl_block *k;
	int r = FAILPOINT("blocks.claim");

	if (r < 0)
		return err_set(err, r, "address: %s", strerror(-r));
	if (!text)
		return bl_no_memory(err);
	for (unsigned int i = 0; r == 0 && i < BL_TRIES; i++)
		r = claim_once(b, n, a, text, err);
	if (r == 0)
		return err_set(err, -EAGAIN, "the address is fought over");
	if (r < 0)
		return r;
	r = FAILPOINT("blocks.claimed");
	if (r < 0)
		return err_set(err, r, "address: %s", strerror(-r));
	k = bl_block_find(n, a);
	return k ? bl_block_claimed(b, n, &k->first, k->claimed | bl_bit(n, a),
				    err)
		 : 0;
}

int bl_unclaim_look(struct blocks *b, const struct bl_net *n,
		    const struct ip_addr *a, int64_t *ret_mod, struct err *err)
{
	_cleanup_free_ char *text = use_text(b, IPAM_ENDPOINT);
	char key[BL_KEY_MAX];

	if (!text)
		return bl_no_memory(err);
	bl_net_key(b, n, "addr", a, key);
	return look_own(b, key, text, ret_mod, err);
}

int bl_unclaim(struct blocks *b, const struct bl_net *n,
	       const struct ip_addr *a, int64_t mod, struct err *err)
{
	char key[BL_KEY_MAX];
	int r = FAILPOINT("blocks.unclaim");

	if (r < 0)
		return err_set(err, r, "address: %s", strerror(-r));
	bl_net_key(b, n, "addr", a, key);
	return mod ? del_seen(b, key, mod, err) : 0;
}

/* ---- the gateway ------------------------------------------------------------------ */

static bool gateway_there(const struct bl_net *n, const struct bl_list *l,
			  struct ip_addr *ret)
{
	for (size_t i = 0; i < l->addrs->count; i++) {
		struct bl_record rec = bl_of(&l->addrs->v[i]);

		if (!strcmp(rec.use, ipam_use_to_string(IPAM_GATEWAY)) &&
		    bl_key_addr(l->addrs->v[i].key, n->pool.addr.family, ret))
			return true;
	}
	return false;
}

static void nothing(void *arg)
{
	(void)arg;
}

static bool free_here(struct blocks *b, const struct bl_net *n,
		      const struct ip_addr *a)
{
	struct ip_prefix one = { .addr = *a };

	one.len = (uint8_t)(ip_bytes(a) * 8);
	return b->user.unused(b->user.ctx, &n->pool, &one, nothing, NULL);
}

/* The first that is nobody's.  -ENOSPC. */
static int gateway_new(struct blocks *b, struct bl_net *n,
		       const struct bl_list *l, struct ip_addr *ret)
{
	struct ip_addr low = ip_prefix_first(&n->area);
	struct ip_addr high = ip_prefix_last(&n->area);
	runs_num end = num_of(&high), i = num_of(&low);

	while (i <= end) {
		struct ip_addr a = num_to_ip(low.family, i);
		struct ip_prefix at = bl_block_of(n, &a);
		const struct etcd_kv *k = bl_kv_of(l->blocks, &at.addr);
		struct bl_record rec = { .joined = false };

		if (k)
			rec = bl_of(k);
		if (k && strcmp(rec.node, b->node) != 0) {
			high = ip_prefix_last(&at);
			i = num_of(&high) + 1;
			continue;
		}
		if (pool_look(n->shape, &a) != POOL_OUTSIDE &&
		    !bl_kv_of(l->addrs, &a) && free_here(b, n, &a)) {
			*ret = a;
			return 0;
		}
		i++;
	}
	return -ENOSPC;
}

int bl_gateway(struct blocks *b, struct bl_net *n, struct ip_addr *ret,
	       struct err *err)
{
	int r = -EADDRINUSE;

	/* another host may choose at the same time */
	for (unsigned int i = 0; r == -EADDRINUSE && i < BL_TRIES; i++) {
		struct bl_list l;

		r = bl_list(b, n, &l, err);
		if (r == 0 && !gateway_there(n, &l, ret))
			r = gateway_new(b, n, &l, ret);
		bl_list_clear(&l);
		if (r == -ENOSPC)
			return err_set(err, r,
				       "the pool has no address free for a "
				       "gateway");
		if (r == 0)
			r = bl_claim(b, n, ret, IPAM_GATEWAY, err);
	}
	return r;
}
