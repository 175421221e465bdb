// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this host holds, what it uses, and what etcd says: made to agree.
 *
 * A block, an address or a pool goes first from the disk here, then from etcd: a death in
 * between leaves one that etcd says is ours and nobody uses, which is taken over by the
 * next look, or given back.  The other way round another host could have it, and a
 * start without etcd hand it out.
 *
 * Where etcd has it as another's, that is believed if nothing here uses it; if something
 * does nothing more is handed out of it, and somebody is told.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/blocks_priv.h"
#include "ipam/num.h"
#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 4000
#define LOOK_MS      5000 /* what is not used any more, without asking etcd */
#define FIRST_MS     2000 /* after joining: others may claim gateways meanwhile */

static uint64_t at_most(const struct blocks *b, uint64_t ms)
{
	return b->rest_ms < ms ? b->rest_ms : ms;
}

/* ---- what is used ----------------------------------------------------------- */

struct shutting {
	struct blocks *b;
	struct bl_block *k;
};

static void shut(void *arg)
{
	struct shutting *s = arg;

	pthread_mutex_lock(&s->b->lock);
	s->k->shut = true;
	pthread_mutex_unlock(&s->b->lock);
}

static void nothing(void *arg)
{
	(void)arg;
}

static bool unused(struct blocks *b, const struct bl_net *n,
		   const struct ip_addr *a, uint8_t len, void (*fn)(void *arg),
		   void *arg)
{
	struct ip_prefix part = { .addr = *a, .len = len };

	return b->user.unused(b->user.ctx, &n->pool, &part, fn, arg);
}

unsigned int bl_pending(struct blocks *b, const unsigned int *n)
{
	unsigned int ret;

	pthread_mutex_lock(&b->lock);
	ret = *n;
	pthread_mutex_unlock(&b->lock);
	return ret;
}

static bool claim_unused(struct blocks *b, const struct bl_net *n,
			 const struct bl_claim *k)
{
	return !bl_pending(b, &k->pending) &&
	       (k->going || k->use != IPAM_ENDPOINT ||
		unused(b, n, &k->addr, (uint8_t)(ip_bytes(&k->addr) * 8),
		       nothing, NULL));
}

static bool shut_unused(struct blocks *b, const struct bl_net *n,
			struct bl_block *k)
{
	struct shutting s = { .b = b, .k = k };

	return k->shut || unused(b, n, &k->first, n->block_len, shut, &s);
}

/* ---- giving back -------------------------------------------------------------- */

/* From the disk, from etcd, from memory. */
static int give(struct blocks *b, struct bl_net *n, struct bl_block *k,
		struct err *err)
{
	struct ip_addr first = k->first;
	int64_t mod;
	int r = bl_give_look(b, n, &first, &mod, err);

	if (r == 0)
		r = bl_block_unsave(b, k, err);
	if (r == 0)
		r = bl_give(b, n, &first, mod, err);
	if (r == 0)
		bl_block_forget(b, n, &first);
	return r;
}

/* Is there another one that could do instead of it? */
static bool spare(const struct bl_net *n, const struct bl_block *k)
{
	for (size_t i = 0; i < n->block_count; i++) {
		const struct bl_block *o = &n->blocks[i];

		if (o != k && !o->shut && !o->whose[0])
			return true;
	}
	return false;
}

/* A test does not wait a minute: an error here ends the rest. */
static bool rested(const struct blocks *b, const struct bl_block *k,
		   uint64_t now)
{
	return now - k->idle_ms >= b->rest_ms || FAILPOINT("blocks.rest") < 0;
}

/* What is not used for a while goes back, but for one. */
static int give_idle(struct blocks *b, struct bl_net *n, struct err *err)
{
	bool ready = bl_ask(b, NULL) == 0;
	uint64_t now = clock_boot_ms();
	int r = 0;

	for (size_t i = n->block_count; ready && r == 0 && i-- > 0;) {
		struct bl_block *k = &n->blocks[i];

		if (!k->shut &&
		    !unused(b, n, &k->first, n->block_len, nothing, NULL)) {
			k->idle_ms = 0;
			continue;
		}
		if (!k->idle_ms)
			k->idle_ms = now;
		if (!k->shut && (!spare(n, k) || !rested(b, k, now) ||
				 !shut_unused(b, n, k)))
			continue;
		r = give(b, n, k, err);
	}
	return r;
}

/* While etcd can't be told it stays: its container can start again. */
static int drop_claim(struct blocks *b, struct bl_net *n, struct bl_claim *k,
		      struct err *err)
{
	struct ip_addr a = k->addr;
	struct bl_block *block = bl_block_find(n, &a);
	bool own = k->use == IPAM_ENDPOINT;
	int64_t mod = 0;
	int r = own ? bl_unclaim_look(b, n, &a, &mod, err) : 0;

	if (r == 0)
		r = bl_claim_unsave(b, k, err);
	if (r == 0 && own)
		r = bl_unclaim(b, n, &a, mod, err);
	/* what is another's by now stays so */
	if (r == 0 && mod && block)
		r = bl_block_claimed(b, n, &block->first,
				     block->claimed & ~bl_bit(n, &a), err);
	if (r == 0)
		bl_claim_forget(b, n, &a);
	return r;
}

static int give_claims(struct blocks *b, struct bl_net *n, struct err *err)
{
	int r = 0;

	for (size_t i = n->claim_count; r == 0 && i-- > 0;) {
		struct bl_claim *k = &n->claims[i];

		if (claim_unused(b, n, k))
			r = drop_claim(b, n, k, err);
	}
	return r;
}

int bl_net_leave(struct blocks *b, struct bl_net *n, struct err *err)
{
	int r = n->joined ? bl_net_shut(b, n, err) : 0;

	if (r == 0)
		r = bl_ask(b, err);
	if (r == 0)
		r = bl_leave(b, n, b->node, err);
	return r < 0 ? r : bl_net_drop(b, n, err);
}

/* ---- what etcd says -------------------------------------------------------------- */

static void name_whose(struct blocks *b, char whose[static CLUSTER_NODE_MAX],
		       const char *node)
{
	pthread_mutex_lock(&b->lock);
	memcpy(whose, node, CLUSTER_NODE_MAX);
	pthread_mutex_unlock(&b->lock);
}

static void look_again(struct blocks *b)
{
	pthread_mutex_lock(&b->lock);
	b->look = true;
	pthread_mutex_unlock(&b->lock);
	blocks_settle(b);
}

/* One that etcd does not have as ours.  Without use here it is nobody's business. */
static int block_differs(struct blocks *b, struct bl_net *n, struct bl_block *k,
			 const struct etcd_kv *kv, struct err *err)
{
	struct ip_addr first = k->first;
	struct bl_record rec = { .joined = false };
	char none[CLUSTER_NODE_MAX] = "", unknown[CLUSTER_NODE_MAX] = "?";
	int r;

	if (kv)
		rec = bl_of(kv);
	if (shut_unused(b, n, k)) {
		r = bl_block_unsave(b, k, err);
		if (r == 0)
			bl_block_forget(b, n, &first);
		return r;
	}
	if (kv) {
		name_whose(b, k->whose, rec.node);
		return 0;
	}
	r = bl_retake(b, n, &first, err);
	if (r < 0)
		return r;
	/* another was faster; who, the next look says */
	name_whose(b, k->whose, r > 0 ? none : unknown);
	if (r == 0)
		look_again(b);
	return 0;
}

static int check_blocks(struct blocks *b, struct bl_net *n,
			const struct bl_list *l, struct err *err)
{
	char none[CLUSTER_NODE_MAX] = "";
	int r = 0;

	for (size_t i = n->block_count; r == 0 && i-- > 0;) {
		struct bl_block *k = &n->blocks[i];
		const struct etcd_kv *kv = bl_kv_of(l->blocks, &k->first);

		if (!kv || strcmp(kv->value, b->owner) != 0) {
			r = block_differs(b, n, k, kv, err);
			continue;
		}
		name_whose(b, k->whose, none);
		r = bl_block_claimed(b, n, &k->first,
				     bl_claimed_in(n, l->addrs, &k->first),
				     err);
	}
	return r;
}

/* etcd says it is ours, and we know nothing of it: a death, or a lost disk. */
static int check_theirs(struct blocks *b, struct bl_net *n,
			const struct bl_list *l, struct err *err)
{
	struct ip_addr a;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->blocks->count; i++) {
		const struct etcd_kv *kv = &l->blocks->v[i];

		if (strcmp(kv->value, b->owner) != 0 ||
		    !bl_key_addr(kv->key, n->pool.addr.family, &a) ||
		    !ip_prefix_contains(&n->pool, &a) || bl_block_find(n, &a))
			continue;
		r = bl_block_add(b, n, &a, bl_claimed_in(n, l->addrs, &a), err);
	}
	for (size_t i = 0; r == 0 && i < l->addrs->count; i++) {
		struct bl_record rec = bl_of(&l->addrs->v[i]);

		if (strcmp(rec.node, b->node) != 0 ||
		    !bl_key_addr(l->addrs->v[i].key, n->pool.addr.family, &a))
			continue;
		r = bl_claim_add(b, n, &a, IPAM_ENDPOINT, err);
	}
	return r;
}

/* An address of our block that somebody claimed while the block was nobody's, or that is
 * all hosts', and that an endpoint here has: as a claim that was lost. */
static int check_taken(struct blocks *b, struct bl_net *n,
		       const struct bl_list *l, struct err *err)
{
	uint8_t all = (uint8_t)(ip_bytes(&n->pool.addr) * 8);
	struct ip_addr a;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->addrs->count; i++) {
		struct bl_record rec = bl_of(&l->addrs->v[i]);

		if (strcmp(rec.node, b->node) != 0 &&
		    bl_key_addr(l->addrs->v[i].key, n->pool.addr.family, &a) &&
		    bl_block_find(n, &a) && !bl_claim_find(n, &a) &&
		    !unused(b, n, &a, all, nothing, NULL))
			r = bl_claim_note(b, n, &a, err);
	}
	return r;
}

static int check_claims(struct blocks *b, struct bl_net *n,
			const struct bl_list *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->claim_count; i++) {
		struct bl_claim *k = &n->claims[i];
		const struct etcd_kv *kv = bl_kv_of(l->addrs, &k->addr);
		struct bl_record rec = { .joined = false };

		if (k->use != IPAM_ENDPOINT || k->going ||
		    bl_pending(b, &k->pending))
			continue;
		if (kv)
			rec = bl_of(kv);
		if (kv && !strcmp(rec.node, b->node))
			rec.node[0] = '\0';
		else if (!kv)
			r = bl_claim(b, n, &k->addr, IPAM_ENDPOINT, err);
		else if (!rec.node[0])
			snprintf(rec.node, sizeof(rec.node), BL_ALL);
		if (r == -EADDRINUSE) {
			r = 0;
			snprintf(rec.node, sizeof(rec.node), "?");
		}
		name_whose(b, k->whose, rec.node);
	}
	return r;
}

static int check(struct blocks *b, struct bl_net *n, struct err *err)
{
	struct bl_list l = { 0 };
	struct err why = { 0 };
	int r = bl_ask(b, err);

	if (r == 0)
		r = bl_list(b, n, &l, err);
	if (r < 0)
		return r;
	if (!l.pool || !l.member || strcmp(l.own.machine, b->machine) != 0 ||
	    l.rec.block != n->block_len) {
		bl_list_clear(&l);
		r = bl_join(b, n, &why);
		if (r == 0) /* its blocks may have another size */
			r = bl_net_save(b, n, &why);
		pthread_mutex_lock(&b->lock);
		snprintf(n->why, sizeof(n->why), "%.255s",
			 r == -EEXIST ? why.msg : "");
		pthread_mutex_unlock(&b->lock);
		if (r == 0)
			r = bl_list(b, n, &l, err);
		else
			return r == -EEXIST ? 0
					    : err_set(err, r, "%s", why.msg);
	}
	if (r == 0)
		r = check_blocks(b, n, &l, err);
	if (r == 0)
		r = check_theirs(b, n, &l, err);
	if (r == 0)
		r = check_taken(b, n, &l, err);
	if (r == 0)
		r = check_claims(b, n, &l, err);
	bl_list_clear(&l);
	return r;
}

/* ---- all of it -------------------------------------------------------------------- */

/* One to go on with when etcd is away. */
static int first_block(struct blocks *b, struct bl_net *n, struct err *err)
{
	int r;

	if (n->block_count || !n->joined ||
	    clock_boot_ms() - n->joined_ms < at_most(b, FIRST_MS))
		return 0;
	r = bl_ask(b, err);
	if (r == 0)
		r = bl_take(b, n, err);
	return r == -ENOSPC ? 0 : r; /* who needs one is told */
}

static int settle_net(struct blocks *b, struct bl_net *n, bool list,
		      struct err *err)
{
	int r = 0;

	if (!bl_pending(b, &n->pending) &&
	    !b->user.has_pool(b->user.ctx, &n->pool))
		return bl_net_leave(b, n, err);
	if (list && n->joined)
		r = check(b, n, err);
	if (r == 0)
		r = give_claims(b, n, err);
	if (r == 0)
		r = give_idle(b, n, err);
	return r < 0 ? r : first_block(b, n, err);
}

int bl_settle(struct blocks *b, bool list, struct err *err)
{
	struct bl_net *next;
	int r = 0;

	for (struct bl_net *n = b->nets; n; n = next) {
		struct err why = { 0 };
		int failed;

		next = n->next;
		failed = settle_net(b, n, list, &why);
		if (failed < 0 && r == 0)
			r = err_set(err, failed, "%s", why.msg);
	}
	return r;
}

int bl_check(struct blocks *b, struct err *err)
{
	int r = 0;

	for (struct bl_net *n = b->nets; n && r == 0; n = n->next)
		if (n->joined)
			r = check(b, n, err);
	return r;
}

static void tell(int r, int before, const struct err *err)
{
	char why[200];

	if (r < 0 && before == 0)
		log_warn("op=blocks event=behind err=%s",
			 log_quote(why, sizeof(why), err->msg));
	if (r == 0 && before < 0)
		log_info("op=blocks event=settled");
}

/* False: it is over. */
static bool wait_ms(struct blocks *b, uint64_t ms)
{
	struct timespec t;
	bool go_on;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_mutex_lock(&b->lock);
	while (!b->stop && !b->due &&
	       pthread_cond_timedwait(&b->wake, &b->lock, &t) == 0)
		;
	b->due = false;
	go_on = !b->stop;
	pthread_mutex_unlock(&b->lock);
	return go_on;
}

/* Others only ask it when it answered last, so somebody has to find out that it does
 * again.  Without ->io: nobody waits for that.  Return: 0: it answers. */
static int probe(struct blocks *b, struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	char key[BL_KEY_MAX];
	int r;

	bl_key(b, key, "probe");
	etcd_limit(b->etcd, b->limit_ms);
	r = etcd_seen_range(&b->seen, b->etcd,
			    &(struct etcd_range){ .key = key }, &kvs, NULL,
			    err);
	if (r == 0)
		etcd_kvs_clear(&kvs);
	return r;
}

static int settle_once(struct blocks *b, bool *list, struct err *err)
{
	bool any;
	int r = 0;

	pthread_mutex_lock(&b->lock);
	any = b->nets;
	pthread_mutex_unlock(&b->lock);
	if (any && etcd_seen_ready(&b->seen, NULL) < 0) {
		r = probe(b, err);
		*list = true;
	}
	if (r < 0)
		return r;
	bl_begin(b);
	r = bl_settle(b, *list, err);
	bl_endp(&b);
	return r;
}

static bool take_look(struct blocks *b)
{
	bool ret;

	pthread_mutex_lock(&b->lock);
	ret = b->look;
	b->look = false;
	pthread_mutex_unlock(&b->lock);
	return ret;
}

void *bl_thread(void *arg)
{
	struct blocks *b = arg;
	struct backoff backoff = { .ms = 0 };
	uint64_t listed = clock_boot_ms();
	int r = 0;

	while (wait_ms(b, r < 0 ? backoff_left_ms(&backoff)
				: at_most(b, LOOK_MS))) {
		uint64_t now = clock_boot_ms();
		bool list =
			take_look(b) || r < 0 || now - listed > b->relist_ms;
		struct err err = { 0 };
		int before = r;

		r = settle_once(b, &list, &err);
		tell(r, before, &err);
		if (r == 0 && list)
			listed = now;
		if (r == 0)
			(void)backoff_well(&backoff);
		else
			backoff_failed(&backoff, RETRY_MIN_MS, RETRY_MAX_MS);
	}
	return NULL;
}
