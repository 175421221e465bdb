// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pools of a cluster in etcd: made once, joined by all who say the same.
 *
 * Pools are keyed by their first address and never overlap, so of those that begin at or
 * before ours only the last can reach into it.  It is read first, with the first behind
 * ours; the transaction demands that since then none has come between it and our end.
 *
 * Who joins or leaves writes the pool's record again, and demands that it is as it was
 * read: of two that leave at once one sees that it is the last, and nobody joins what
 * is being removed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/blocks_priv.h"
#include "lib/fail.h"

#define LEAVE_OPS 40 /* below etcd's 128 a transaction */

int bl_ask(struct blocks *b, struct err *err)
{
	if (!b->etcd)
		return err_set(err, -ENOTCONN,
			       "it is a pool of a cluster, and berth-ipam was "
			       "started without --store");
	return etcd_seen_ready(&b->seen, err);
}

static int run(struct blocks *b, struct etcd_txn *t, struct etcd_result *ret,
	       struct err *err)
{
	return etcd_seen_txn(&b->seen, b->etcd, t, ret, err);
}

static int run_done(struct blocks *b, struct etcd_txn *t, struct err *err)
{
	struct etcd_result res = { 0 };
	int r = run(b, t, &res, err);

	if (r == 0)
		r = res.done;
	etcd_result_clear(&res);
	return r;
}

static void get(struct etcd_txn *t, const char *key, bool all)
{
	char end[BL_KEY_MAX];

	etcd_prefix_end(key, end);
	etcd_txn_get(
		t, &(struct etcd_range){ .key = key, .end = all ? end : NULL });
}

static int name_of(const struct bl_net *n, int r, struct err *err)
{
	char text[PREFIX_STR_MAX];

	return err_wrap(err, r, "pool %s", ip_prefix_str(&n->pool, text));
}

static bool same_prefix(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return ip_equal(&a->addr, &b->addr) && a->len == b->len;
}

/* ---- looking ------------------------------------------------------------- */

void bl_list_clear(struct bl_list *l)
{
	etcd_result_clear(&l->res);
	*l = (struct bl_list){ .pool = false };
}

static const struct etcd_kv *member_of(const struct bl_list *l,
				       const char *node)
{
	for (size_t i = 0; i < l->members->count; i++) {
		const char *slash = strrchr(l->members->v[i].key, '/');

		if (slash && !strcmp(slash + 1, node))
			return &l->members->v[i];
	}
	return NULL;
}

bool bl_is_member(const struct bl_list *l, const char *node)
{
	return member_of(l, node);
}

static void list_own(struct blocks *b, struct bl_list *l)
{
	const struct etcd_kv *kv = member_of(l, b->node);

	l->member = kv;
	if (kv)
		l->own = bl_of(kv);
}

int bl_list(struct blocks *b, const struct bl_net *n, struct bl_list *ret,
	    struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	char pool[BL_KEY_MAX], member[BL_KEY_MAX], block[BL_KEY_MAX],
		addr[BL_KEY_MAX];
	int r;

	*ret = (struct bl_list){ .pool = false };
	if (!t)
		return bl_no_memory(err);
	bl_pool_key(b, &n->pool.addr, pool);
	bl_net_key(b, n, "member", NULL, member);
	bl_net_key(b, n, "block", NULL, block);
	bl_net_key(b, n, "addr", NULL, addr);
	get(t, pool, false);
	get(t, member, true);
	get(t, block, true);
	get(t, addr, true);
	r = run(b, t, &ret->res, err);
	if (r < 0)
		return name_of(n, r, err);
	if (ret->res.got_count != 4) {
		bl_list_clear(ret);
		return err_set(err, -EBADMSG, "etcd's answer: %zu lists of 4",
			       ret->res.got_count);
	}
	if (ret->res.got[0].count) {
		ret->rec = bl_of(&ret->res.got[0].v[0]);
		ret->mod = ret->res.got[0].v[0].mod_rev;
		ret->create = ret->res.got[0].v[0].create_rev;
		/* another one may begin where ours does */
		ret->pool = same_prefix(&ret->rec.pool, &n->pool);
	}
	ret->members = &ret->res.got[1];
	ret->blocks = &ret->res.got[2];
	ret->addrs = &ret->res.got[3];
	list_own(b, ret);
	return 0;
}

/* ---- joining --------------------------------------------------------------- */

/* What is about where a pool begins. */
struct around {
	char key[BL_KEY_MAX];
	char from[BL_KEY_MAX + 1], to[BL_KEY_MAX + 1]; /* to be empty */
	struct etcd_kv *before, *behind,
		*own;           /* borrowed of .res; NULL: none */
	struct etcd_result res; /* owned */
};

static void around_clear(struct around *a)
{
	etcd_result_clear(&a->res);
}

static struct etcd_kv *first_of(struct around *a, size_t i)
{
	return i < a->res.got_count && a->res.got[i].count ? &a->res.got[i].v[0]
							   : NULL;
}

static int around_look(struct blocks *b, const struct bl_net *n,
		       struct around *a, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct ip_addr last = ip_prefix_last(&n->pool);
	char low[BL_KEY_MAX], after[BL_KEY_MAX + 1], member[BL_KEY_MAX];
	int r;

	if (!t)
		return bl_no_memory(err);
	bl_pool_key(b, &n->pool.addr, a->key);
	bl_key(b, low, "pool%c/", last.family == AF_INET ? '4' : '6');
	bl_net_key(b, n, "member", NULL, member);
	strncat(member, b->node, BL_KEY_MAX - strlen(member) - 1);
	/* a blank is below all that follows a key in another one */
	snprintf(after, sizeof(after), "%s ", a->key);
	bl_pool_key(b, &last, a->to);
	strcat(a->to, " ");
	etcd_txn_get(t, &(struct etcd_range){ .key = low,
					      .end = after,
					      .highest_only = true });
	etcd_txn_get(t, &(struct etcd_range){
				.key = after, .end = a->to, .limit = 1 });
	etcd_txn_get(t, &(struct etcd_range){ .key = member });
	etcd_result_clear(&a->res);
	r = run(b, t, &a->res, err);
	if (r < 0)
		return r;
	a->before = first_of(a, 0);
	a->behind = strcmp(after, a->to) < 0 ? first_of(a, 1) : NULL;
	a->own = first_of(a, 2);
	snprintf(a->from, sizeof(a->from), "%s%s",
		 a->before ? a->before->key : low, a->before ? " " : "");
	return 0;
}

static int overlap(const struct bl_net *n, const struct etcd_kv *kv,
		   struct err *err)
{
	struct bl_record rec;
	char mine[PREFIX_STR_MAX], theirs[PREFIX_STR_MAX];

	if (bl_decode(kv->value, &rec, NULL) < 0 || ip_is_none(&rec.pool.addr))
		return err_set(err, -EEXIST,
			       "%s in etcd can't be read: look at it, and "
			       "remove it if nobody needs it",
			       kv->key);
	if (!ip_prefix_overlaps(&rec.pool, &n->pool))
		return 0;
	return err_set(err, -EEXIST,
		       "pool %s overlaps pool %s of the cluster, made by host "
		       "%s: choose another with --subnet",
		       ip_prefix_str(&n->pool, mine),
		       ip_prefix_str(&rec.pool, theirs), rec.node);
}

/* There is one that begins where ours does: the same? */
static int same(struct blocks *b, struct bl_net *n, const struct etcd_kv *kv,
		struct err *err)
{
	struct bl_record rec = bl_of(kv);
	char pool[PREFIX_STR_MAX], sub[PREFIX_STR_MAX];
	bool fits = rec.block >= n->area.len &&
		    rec.block <= ip_bytes(&n->pool.addr) * 8 &&
		    rec.block + BL_BITS >= ip_bytes(&n->pool.addr) * 8;

	if (!same_prefix(&rec.pool, &n->pool))
		return overlap(n, kv, err);
	if (!same_prefix(&rec.sub, &n->sub) || !fits)
		return err_set(err, -EEXIST,
			       "pool %s of the cluster, made by host %s, has "
			       "%s%s: ask for the same --ip-range",
			       ip_prefix_str(&n->pool, pool), rec.node,
			       ip_is_none(&rec.sub.addr) ? "no range"
							 : "the range ",
			       ip_prefix_str(&rec.sub, sub));
	/* requests look at it meanwhile */
	pthread_mutex_lock(&b->lock);
	fits = !n->block_count || n->block_len == rec.block;
	if (fits)
		n->block_len = (uint8_t)rec.block;
	pthread_mutex_unlock(&b->lock);
	return fits ? 0
		    : err_set(err, -EEXIST,
			      "pool %s of the cluster was made anew with "
			      "blocks of another size",
			      ip_prefix_str(&n->pool, pool));
}

static int twin(struct blocks *b, const struct etcd_kv *own, struct err *err)
{
	struct bl_record rec = bl_of(own);

	if (!strcmp(rec.machine, b->machine))
		return 0;
	return err_set(err, -EEXIST,
		       "another machine is host %s of this cluster: give "
		       "--node; or if that one is gone for ever, say netctl "
		       "ipam gc --node %s on another host",
		       b->node, b->node);
}

/* Return: 1: joined; 0: look again. */
static int join_once(struct blocks *b, const struct bl_net *n,
		     const struct around *a, bool there, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct bl_record rec = { .pool = n->pool,
				 .sub = n->sub,
				 .block = n->block_len };
	_cleanup_free_ char *text = NULL;
	char member[BL_KEY_MAX];

	memcpy(rec.node, b->node, sizeof(rec.node));
	text = bl_encode(&rec);
	if (!t || !text)
		return bl_no_memory(err);
	if (a->before)
		etcd_txn_if_mod(t, a->before->key, a->before->mod_rev);
	if (!there)
		etcd_txn_if_none(t, a->from, a->to);
	etcd_txn_put(t, a->key, there ? a->before->value : text, 0);
	bl_net_key(b, n, "member", NULL, member);
	strncat(member, b->node, BL_KEY_MAX - strlen(member) - 1);
	etcd_txn_if_mod(t, member, a->own ? a->own->mod_rev : 0);
	etcd_txn_put(t, member, b->member, 0);
	return run_done(b, t, err);
}

int bl_join(struct blocks *b, struct bl_net *n, struct err *err)
{
	_cleanup_(around_clear) struct around a = { .before = NULL };
	int r = FAILPOINT("blocks.join");

	if (r < 0)
		return err_set(err, r, "joining: %s", strerror(-r));
	for (unsigned int i = 0; r == 0 && i < BL_TRIES; i++) {
		bool there;

		r = around_look(b, n, &a, err);
		if (r < 0)
			return name_of(n, r, err);
		there = a.before && !strcmp(a.before->key, a.key);
		if (a.own)
			r = twin(b, a.own, err);
		if (r == 0 && a.before)
			r = there ? same(b, n, a.before, err)
				  : overlap(n, a.before, err);
		if (r == 0 && a.behind && !there)
			r = overlap(n, a.behind, err);
		if (r == 0)
			r = join_once(b, n, &a, there, err);
	}
	if (r == 0)
		return err_set(err, -EAGAIN, "the pool is fought over");
	if (r > 0)
		(void)FAILPOINT("blocks.joined");
	return r < 0 ? r : 0;
}

/* ---- leaving ----------------------------------------------------------------- */

static void del_all(struct etcd_txn *t, const char *key)
{
	char end[BL_KEY_MAX];

	etcd_prefix_end(key, end);
	etcd_txn_del(t, key, end);
}

/* What @node has of @kvs, up to @room.  Return: how many were left. */
static unsigned int del_own(struct etcd_txn *t, const char *node,
			    const struct etcd_kvs *kvs, unsigned int *room)
{
	unsigned int left = 0;

	for (size_t i = 0; i < kvs->count; i++) {
		struct bl_record rec = bl_of(&kvs->v[i]);

		if (strcmp(rec.node, node) != 0)
			continue;
		if (*room == 0) {
			left++;
			continue;
		}
		--*room;
		etcd_txn_if_mod(t, kvs->v[i].key, kvs->v[i].mod_rev);
		etcd_txn_del(t, kvs->v[i].key, NULL);
	}
	return left;
}

/* Return: 1: left; 0: once more. */
static int leave_once(struct blocks *b, const struct bl_net *n,
		      const struct bl_list *l, const char *node,
		      struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	char pool[BL_KEY_MAX], key[BL_KEY_MAX];
	unsigned int room = LEAVE_OPS, left = 0;
	bool member = bl_is_member(l, node);
	bool last = l->members->count == (member ? 1 : 0);
	int r;

	if (!t)
		return bl_no_memory(err);
	bl_pool_key(b, &n->pool.addr, pool);
	etcd_txn_if_mod(t, pool, l->mod);
	if (last) {
		if (l->pool)
			etcd_txn_del(t, pool, NULL);
		bl_net_key(b, n, "member", NULL, key);
		del_all(t, key);
		bl_net_key(b, n, "block", NULL, key);
		del_all(t, key);
		bl_net_key(b, n, "addr", NULL, key);
		del_all(t, key);
		return run_done(b, t, err);
	}
	left += del_own(t, node, l->blocks, &room);
	left += del_own(t, node, l->addrs, &room);
	if (left == 0 && member) {
		bl_net_key(b, n, "member", NULL, key);
		strncat(key, node, BL_KEY_MAX - strlen(key) - 1);
		etcd_txn_del(t, key, NULL);
	}
	if (l->pool)
		etcd_txn_put(t, pool, l->res.got[0].v[0].value, 0);
	r = run_done(b, t, err);
	return r < 0 ? r : r && left == 0;
}

int bl_leave(struct blocks *b, const struct bl_net *n, const char *node,
	     struct err *err)
{
	int r = FAILPOINT("blocks.leave");

	if (r < 0)
		return err_set(err, r, "leaving: %s", strerror(-r));
	while (r == 0) {
		struct bl_list l = { 0 };

		r = bl_list(b, n, &l, err);
		if (r < 0)
			return r;
		/* another machine's, by our name: it is not ours to take away */
		if ((!strcmp(node, b->node) && l.member &&
		     strcmp(l.own.machine, b->machine) != 0) ||
		    (!l.pool && (!l.members || !l.members->count)))
			r = 1;
		else
			r = leave_once(b, n, &l, node, err);
		bl_list_clear(&l);
	}
	if (r > 0)
		(void)FAILPOINT("blocks.left");
	return r < 0 ? r : 0;
}
