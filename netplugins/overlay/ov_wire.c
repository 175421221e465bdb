/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the networks are, as elements of the wires' tables (ov_wire_rules.c): told by
 * what differs from what was told before, in one transaction, and compared with the
 * kernel's by digest.
 */
#include "netplugins/overlay/ov_wire.h"

#include <stdlib.h>
#include <string.h>

static const struct fw_table *table_of(enum ov_wire_set id)
{
	return &ov_wire_halves[id < SET_BRIDGE_FIRST ? 0 : 1].table;
}

/* ---- elements ----------------------------------------------------------------- */

typedef void (*elem_fn)(void *ctx, enum ov_wire_set id,
			const struct fw_elem *e);

struct key {
	uint8_t bytes[48];
	size_t len;
};

/* Each part takes whole slots. */
static void part(struct key *k, const void *bytes, size_t len)
{
	memcpy(k->bytes + k->len, bytes, len);
	k->len += (len + 3) & ~(size_t)3;
}

static struct key vni_key(uint32_t vni)
{
	const uint8_t bytes[4] = { (uint8_t)(vni >> 16), (uint8_t)(vni >> 8),
				   (uint8_t)vni, 0 };
	struct key k = { .len = 0 };

	part(&k, bytes, sizeof(bytes));
	return k;
}

static struct key wire_key(const struct overlay_network *n)
{
	char name[IFNAMSIZ] = "";
	struct key k = { .len = 0 };

	memcpy(name, n->wire, strlen(n->wire));
	part(&k, name, sizeof(name));
	return k;
}

static void emit(elem_fn fn, void *ctx, enum ov_wire_set id,
		 const struct key *k)
{
	const struct fw_elem e = { .key = k->bytes };

	fn(ctx, id, &e);
}

/* Where a packet with the network's VNI is judged. */
static const char *chain_of(const struct overlay_network *n)
{
	if (n->net.encrypt)
		return n->known ? "secret-known" : "secret";
	return n->known ? "clear-known" : "clear";
}

static void each_host(const struct overlay_network *n, elem_fn fn, void *ctx)
{
	struct key k = vni_key(n->net.vni);

	fn(ctx, SET_VNIS,
	   &(struct fw_elem){ .key = k.bytes,
			      .verdict = (uint32_t)NFT_GOTO,
			      .chain = chain_of(n) });
	if (n->net.encrypt)
		emit(fn, ctx, SET_SECRET, &k);
	for (size_t i = 0; i < n->vtep_count; i++) {
		const struct ip_addr *ip = &n->vteps[i];

		k = vni_key(n->net.vni);
		part(&k, ip->bytes, ip_bytes(ip));
		emit(fn, ctx, ip->family == AF_INET ? SET_HOSTS4 : SET_HOSTS6,
		     &k);
	}
	for (size_t i = 0; i < n->far_count; i++) {
		const struct ov_endpoint *ep = &n->far[i];

		k = vni_key(n->net.vni);
		part(&k, ep->vtep.bytes, ip_bytes(&ep->vtep));
		part(&k, ep->mac.bytes, sizeof(ep->mac.bytes));
		emit(fn, ctx, ep->vtep.family == AF_INET ? SET_FAR4 : SET_FAR6,
		     &k);
	}
}

/* Without the source guard containers send from where they like, here as there. */
static bool is_bound(const struct overlay_network *n)
{
	return n->known && n->br.opt.guard;
}

static void each_owner(const struct overlay_network *n, elem_fn fn, void *ctx)
{
	for (size_t i = 0; is_bound(n) && i < n->owner_count; i++) {
		const struct ov_owner *o = &n->owners[i];
		struct key k = wire_key(n);

		part(&k, o->mac.bytes, sizeof(o->mac.bytes));
		part(&k, o->ip.bytes, ip_bytes(&o->ip));
		if (o->ip.family == AF_INET) {
			emit(fn, ctx, SET_OWN4, &k);
			continue;
		}
		emit(fn, ctx, SET_OWN6, &k);
		emit(fn, ctx, SET_SAYS6, &k);
	}
}

static void each_gate(const struct overlay_network *n, elem_fn fn, void *ctx)
{
	const struct ip_addr fe80 = ip_from_mac(&n->br.mac);
	struct key k = wire_key(n);

	emit(fn, ctx, SET_WIRES, &k);
	fn(ctx, SET_WAYS,
	   &(struct fw_elem){ .key = k.bytes,
			      .verdict = (uint32_t)NFT_GOTO,
			      .chain = is_bound(n) ? "in-own" : "in" });
	if (n->known)
		emit(fn, ctx, SET_KNOWN, &k);
	part(&k, n->br.mac.bytes, sizeof(n->br.mac.bytes));
	emit(fn, ctx, SET_GATE_MAC, &k);
	if (bridge_has_gateway4(&n->br)) {
		k = wire_key(n);
		part(&k, n->br.base.v4.gateway.addr.bytes, 4);
		emit(fn, ctx, SET_GATE4, &k);
	}
	if (bridge_has_gateway6(&n->br)) {
		k = wire_key(n);
		part(&k, n->br.base.v6.gateway.addr.bytes, 16);
		emit(fn, ctx, SET_GATE6, &k);
		emit(fn, ctx, SET_TARGET6, &k);
	}
	k = wire_key(n);
	part(&k, fe80.bytes, 16);
	emit(fn, ctx, SET_GATE6, &k);
	emit(fn, ctx, SET_TARGET6, &k);
}

static void each_elem(const struct overlay_host *host, elem_fn fn, void *ctx)
{
	for (const struct overlay_network *n = host->networks; n; n = n->next) {
		each_host(n, fn, ctx);
		each_gate(n, fn, ctx);
		each_owner(n, fn, ctx);
	}
}

/* ---- all of them, in order ------------------------------------------------------ */

struct list {
	struct ov_wire_elem *items; /* owned */
	size_t count, room;
	bool failed;
};

static void list_fini(struct list *l)
{
	free(l->items);
}

static void list_elem(void *ctx, enum ov_wire_set id, const struct fw_elem *e)
{
	struct list *l = ctx;
	struct ov_wire_elem *it;

	if (l->count == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct ov_wire_elem *items =
			reallocarray(l->items, room, sizeof(*items));

		if (!items) {
			l->failed = true;
			return;
		}
		l->items = items;
		l->room = room;
	}
	it = &l->items[l->count++];
	memset(it, 0, sizeof(*it));
	it->set = (uint8_t)id;
	memcpy(it->key, e->key, ov_wire_sets[id].key_len);
	it->chain = e->chain;
}

static int compare_keys(const struct ov_wire_elem *a,
			const struct ov_wire_elem *b)
{
	if (a->set != b->set)
		return a->set < b->set ? -1 : 1;
	return memcmp(a->key, b->key, sizeof(a->key));
}

static int compare(const void *a, const void *b)
{
	return compare_keys(a, b);
}

/* Return: 0; -ENOMEM. */
static int gather(const struct overlay_host *host, struct list *ret,
		  struct err *err)
{
	size_t kept = 0;

	each_elem(host, list_elem, ret);
	if (ret->failed)
		return err_set(err, -ENOMEM, "nftables");
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	for (size_t i = 0; i < ret->count; i++)
		if (!kept ||
		    compare_keys(&ret->items[kept - 1], &ret->items[i]) != 0)
			ret->items[kept++] = ret->items[i];
	ret->count = kept;
	return 0;
}

/* From now on that is what was told. */
static void keep(struct overlay_host *host, struct list *l)
{
	free(host->elems);
	host->elems = l->items;
	host->elem_count = l->count;
	*l = (struct list){ .count = 0 };
}

void ov_wire_forget(struct overlay_host *host)
{
	keep(host, &(struct list){ .count = 0 });
}

/* ---- telling ------------------------------------------------------------------- */

static struct fw_elem elem_of(const struct ov_wire_elem *it)
{
	return (struct fw_elem){ .key = it->key,
				 .verdict = it->chain ? (uint32_t)NFT_GOTO : 0,
				 .chain = it->chain };
}

static void add_elem(struct fw_batch *b, const struct ov_wire_elem *it)
{
	const struct fw_elem e = elem_of(it);

	fw_elem_add(b, table_of(it->set), &ov_wire_sets[it->set], &e, false);
}

static void del_elem(struct fw_batch *b, const struct ov_wire_elem *it)
{
	const struct fw_elem e = elem_of(it);

	fw_elem_del(b, table_of(it->set), &ov_wire_sets[it->set], &e);
}

static void build(struct fw_batch *b, const struct ov_wire_half *h)
{
	fw_table_add(b, &h->table);
	fw_table_del(b, &h->table);
	fw_table_add(b, &h->table);
	for (int i = h->first; i < h->end; i++)
		fw_set_add(b, &h->table, &ov_wire_sets[i]);
	for (size_t i = 0; i < h->chain_count; i++)
		fw_chain_add(b, &h->table, &h->chains[i]);
	for (size_t i = 0; i < h->rule_count; i++) {
		const struct fw_rule r = { .chain = h->rules[i].chain,
					   .exprs = h->rules[i].exprs,
					   .comment = h->rules[i].comment };

		fw_rule_add(b, &h->table, &r);
	}
}

static int rebuild(struct overlay_host *host, const struct list *want,
		   struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(host->fw);
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "nftables");
	for (size_t i = 0; i < ARRAY_SIZE(ov_wire_halves); i++)
		build(b, &ov_wire_halves[i]);
	for (size_t i = 0; i < want->count; i++)
		add_elem(b, &want->items[i]);
	r = fw_commit(b, err);
	host->ruled = r == 0;
	return r;
}

/* Are they one element with the same verdict? */
static bool is_same(const struct ov_wire_elem *a, const struct ov_wire_elem *b)
{
	return compare_keys(a, b) == 0 &&
	       (a->chain == b->chain ||
		(a->chain && b->chain && strcmp(a->chain, b->chain) == 0));
}

typedef void (*tell_fn)(struct fw_batch *b, const struct ov_wire_elem *it);

/* @fn for each of @a that @b has not, both in order.  Return: how many. */
static size_t each_other(const struct ov_wire_elem *a, size_t a_count,
			 const struct ov_wire_elem *b, size_t b_count,
			 struct fw_batch *batch, tell_fn fn)
{
	size_t k = 0, n = 0;

	for (size_t i = 0; i < a_count; i++) {
		while (k < b_count && compare_keys(&b[k], &a[i]) < 0)
			k++;
		if (k < b_count && is_same(&b[k], &a[i]))
			continue;
		fn(batch, &a[i]);
		n++;
	}
	return n;
}

/* What was told and is not there is an error of the kernel: then all is made again.
 * Return: 1; 0: nothing differs, nothing was committed. */
static int refill(struct overlay_host *host, const struct list *want,
		  struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(host->fw);
	size_t n;
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "nftables");
	n = each_other(host->elems, host->elem_count, want->items, want->count,
		       b, del_elem);
	n += each_other(want->items, want->count, host->elems, host->elem_count,
			b, add_elem);
	if (!n)
		return 0;
	r = fw_commit(b, err);
	return r < 0 ? r : 1;
}

static int take_away(struct overlay_host *host, struct err *err)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(host->fw);
	int r;

	if (!b)
		return err_set(err, -ENOMEM, "nftables");
	for (size_t i = 0; i < ARRAY_SIZE(ov_wire_halves); i++) {
		fw_table_add(b, &ov_wire_halves[i].table);
		fw_table_del(b, &ov_wire_halves[i].table);
	}
	r = fw_commit(b, err);
	if (r == 0) {
		host->ruled = false;
		ov_wire_forget(host);
	}
	return r;
}

/* A commit is one generation.  Were there others since all was seen right, it is looked
 * at again. */
static void seen_right(struct overlay_host *host)
{
	uint32_t now;

	if (host->generation && fw_generation(host->fw, &now, NULL) == 0 &&
	    now == host->generation + 1)
		host->generation = now;
}

static int tell(struct overlay_host *host, struct err *err)
{
	_cleanup_(list_fini) struct list want = { .count = 0 };
	int r = gather(host, &want, err), filled = -ENOENT;

	if (r == 0 && host->ruled)
		filled = refill(host, &want, NULL);
	if (r == 0 && filled < 0)
		r = rebuild(host, &want, err);
	if (r < 0) {
		ov_wire_forget(host);
		host->ruled = false;
		return r;
	}
	keep(host, &want);
	/* no commit of ours: one that there was is another's */
	if (filled > 0)
		seen_right(host);
	return 0;
}

int ov_wire_sync(struct overlay_host *host, struct err *err)
{
	int r;

	if (ov_wire_waits(host))
		return 0;
	r = host->networks ? tell(host, err) : take_away(host, err);
	return r < 0 ? err_wrap(err, r, "rules of the wires") : 0;
}

/* ---- looking ------------------------------------------------------------------- */

static int count_rule(void *ctx, const struct fw_rule_info *r)
{
	(void)r;
	++*(size_t *)ctx;
	return 0;
}

static bool has_chains(struct overlay_host *host, const struct ov_wire_half *h)
{
	for (size_t i = 0; i < h->chain_count; i++) {
		size_t found = 0, want = 0;

		for (size_t j = 0; j < h->rule_count; j++)
			want += strcmp(h->rules[j].chain, h->chains[i].name) ==
				0;
		if (fw_rule_each(host->fw, &h->table, h->chains[i].name,
				 count_rule, &found, NULL) < 0 ||
		    found != want)
			return false;
	}
	return true;
}

bool ov_wire_stands(struct overlay_host *host)
{
	const struct ov_wire_half *h = &ov_wire_halves[0];
	size_t found = 0;

	return fw_rule_each(host->fw, &h->table, "vxlan", count_rule, &found,
			    NULL) == 0 &&
	       found > 0;
}

static bool is_right(struct overlay_host *host, const struct list *l)
{
	struct fw_digest want[SET_MAX] = { { 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(ov_wire_halves); i++)
		if (!has_chains(host, &ov_wire_halves[i]))
			return false;
	for (size_t i = 0; i < l->count; i++) {
		const struct fw_elem e = elem_of(&l->items[i]);

		fw_digest_add(&want[l->items[i].set],
			      &ov_wire_sets[l->items[i].set], &e);
	}
	for (int i = 0; i < SET_MAX; i++) {
		struct fw_digest got = { 0 };

		if (i == SET_GROUPS)
			continue;
		if (fw_set_digest(host->fw, table_of((enum ov_wire_set)i),
				  ov_wire_sets[i].name, &got, NULL) < 0 ||
		    got.count != want[i].count || got.sum != want[i].sum)
			return false;
	}
	return true;
}

int ov_wire_mend(struct overlay_host *host, struct err *err)
{
	_cleanup_(list_fini) struct list want = { .count = 0 };
	uint32_t now;
	int r = fw_generation(host->fw, &now, err);

	if (r < 0 || now == host->generation || !host->networks)
		return r < 0 ? r : 0;
	r = gather(host, &want, err);
	if (r < 0)
		return r;
	if (is_right(host, &want)) {
		host->ruled = true;
		host->generation = now;
		keep(host, &want);
		return 0;
	}
	host->ruled = false;
	r = ov_wire_sync(host, err);
	return r < 0 ? r : 1;
}
