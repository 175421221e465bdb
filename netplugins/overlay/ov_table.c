/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's tables, as a view has them: where each MAC is (the wire's entries),
 * that it is behind the wire (the bridge's), who has which address (the bridge's
 * neighbours, from which ARP and ND are answered).  By difference: what is right is
 * not touched, so that no packet finds an entry missing.  Reading the tables costs much
 * more than a change of one endpoint: what they were made to hold is remembered, and
 * taken for what they hold where nothing says otherwise.
 */
#include <stdlib.h>
#include <string.h>

#include "netplugins/overlay/overlay.h"

static void pairs_fini(struct ov_lines *p)
{
	free(p->items);
}

static int put(struct ov_lines *p, const struct mac_addr *mac,
	       const struct ip_addr *ip, bool learnt)
{
	struct ov_line *it;

	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 32;
		struct ov_line *items =
			reallocarray(p->items, room, sizeof(*items));

		if (!items)
			return p->failed = -ENOMEM;
		p->items = items;
		p->room = room;
	}
	it = &p->items[p->count++];
	memset(it, 0, sizeof(*it)); /* compared by bytes */
	if (mac)
		it->mac = *mac;
	if (ip) {
		it->ip.family = ip->family;
		memcpy(it->ip.bytes, ip->bytes, ip_bytes(ip));
	}
	it->learnt = learnt;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct ov_line *x = a, *y = b;
	int c = memcmp(&x->mac, &y->mac, sizeof(x->mac));

	return c ? c : memcmp(&x->ip, &y->ip, sizeof(x->ip));
}

static bool has(const struct ov_lines *p, const struct ov_line *it)
{
	return p->count &&
	       bsearch(it, p->items, p->count, sizeof(*it), compare);
}

static void sort(struct ov_lines *p)
{
	if (p->count)
		qsort(p->items, p->count, sizeof(p->items[0]), compare);
}

/* ---- the three tables --------------------------------------------------------- */

struct sync {
	struct ov_tables *had; /* .wire 0: not to be used */
	struct nlk *nlk;
	int wire, bridge;
	const struct ov_view *view;
	const struct ip_addr *local;
	struct ov_counts counts;
};

/* One table: what it is to hold, what it holds, and how a line is changed. */
struct kind {
	void (*want)(const struct sync *s, struct ov_lines *ret);
	int (*read)(const struct sync *s, struct ov_lines *ret,
		    struct err *err);
	int (*add)(const struct sync *s, const struct ov_line *p,
		   struct err *err);
	int (*del)(const struct sync *s, const struct ov_line *p,
		   struct err *err);
	bool by_ip; /* the kernel's key is the address, else the MAC, but for
		     * what is for all: each host has a line */
};

static void want_fdb(const struct sync *s, struct ov_lines *ret)
{
	const struct ov_view *v = s->view;

	for (size_t i = 0; i < v->host_count; i++)
		if (!ip_equal(&v->hosts[i].vtep, s->local))
			(void)put(ret, NULL, &v->hosts[i].vtep, false);
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (!ip_equal(&v->endpoints[i].vtep, s->local))
			(void)put(ret, &v->endpoints[i].mac,
				  &v->endpoints[i].vtep, false);
}

static int on_fdb(void *ctx, const struct nlk_fdb *f)
{
	return put(ctx, &f->mac, &f->dst, f->learnt);
}

static int read_fdb(const struct sync *s, struct ov_lines *ret, struct err *err)
{
	return nlk_fdb_each(s->nlk, s->wire, on_fdb, ret, err);
}

static int add_fdb(const struct sync *s, const struct ov_line *p,
		   struct err *err)
{
	const struct nlk_fdb f = { .mac = p->mac, .dst = p->ip };

	return nlk_fdb_add(s->nlk, s->wire, &f, err);
}

/* What was learnt stays while its host is one of the view's. */
static bool is_welcome(const struct sync *s, const struct ov_line *p)
{
	if (!p->learnt || !s->view->learn)
		return false;
	for (size_t i = 0; i < s->view->host_count; i++)
		if (ip_equal(&s->view->hosts[i].vtep, &p->ip))
			return true;
	return false;
}

static int del_fdb(const struct sync *s, const struct ov_line *p,
		   struct err *err)
{
	const struct nlk_fdb f = { .mac = p->mac, .dst = p->ip };

	return nlk_fdb_del(s->nlk, s->wire, &f, err);
}

static void want_macs(const struct sync *s, struct ov_lines *ret)
{
	for (size_t i = 0; i < s->view->endpoint_count; i++)
		(void)put(ret, &s->view->endpoints[i].mac, NULL, false);
}

static int on_mac(void *ctx, const struct mac_addr *mac)
{
	return put(ctx, mac, NULL, false);
}

static int read_macs(const struct sync *s, struct ov_lines *ret,
		     struct err *err)
{
	return nlk_port_mac_each(s->nlk, s->wire, on_mac, ret, err);
}

static int add_mac(const struct sync *s, const struct ov_line *p,
		   struct err *err)
{
	return nlk_port_mac_add(s->nlk, s->wire, &p->mac, err);
}

static int del_mac(const struct sync *s, const struct ov_line *p,
		   struct err *err)
{
	return nlk_port_mac_del(s->nlk, s->wire, &p->mac, err);
}

static void want_neighs(const struct sync *s, struct ov_lines *ret)
{
	for (size_t i = 0; i < s->view->endpoint_count; i++) {
		const struct ov_endpoint *ep = &s->view->endpoints[i];
		const struct ip_addr fe80 = ip_from_mac(&ep->mac);

		if (!ip_is_none(&ep->addr4))
			(void)put(ret, &ep->mac, &ep->addr4, false);
		if (ip_is_none(&ep->addr6))
			continue;
		(void)put(ret, &ep->mac, &ep->addr6, false);
		(void)put(ret, &ep->mac, &fe80, false);
	}
}

static int on_neigh(void *ctx, const struct nlk_neigh *n)
{
	return put(ctx, &n->mac, &n->ip, false);
}

static int read_neighs(const struct sync *s, struct ov_lines *ret,
		       struct err *err)
{
	return nlk_neigh_each(s->nlk, s->bridge, on_neigh, ret, err);
}

static int add_neigh(const struct sync *s, const struct ov_line *p,
		     struct err *err)
{
	const struct nlk_neigh n = { .ip = p->ip, .mac = p->mac };

	return nlk_neigh_add(s->nlk, s->bridge, &n, err);
}

static int del_neigh(const struct sync *s, const struct ov_line *p,
		     struct err *err)
{
	return nlk_neigh_del(s->nlk, s->bridge, &p->ip, err);
}

/* ---- by difference ------------------------------------------------------------ */

/* Has the key of @p another line in @want, whose adding replaces it? */
static bool is_replaced(const struct kind *k, const struct ov_lines *want,
			const struct ov_line *p)
{
	if (!k->by_ip && mac_is_none(&p->mac))
		return false;
	for (size_t i = 0; i < want->count; i++)
		if (k->by_ip ? ip_equal(&want->items[i].ip, &p->ip)
			     : mac_equal(&want->items[i].mac, &p->mac))
			return true;
	return false;
}

/* One that the kernel refuses keeps no other from its place; the first is told. */
static int add_missing(struct sync *s, const struct kind *k,
		       const struct ov_lines *want, const struct ov_lines *now,
		       struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < want->count; i++) {
		const struct ov_line *p = &want->items[i];
		int r;

		if (has(now, p))
			continue;
		r = k->add(s, p, first ? NULL : err);
		s->counts.added += r == 0;
		first = first ? first : r;
	}
	return first;
}

static int del_others(struct sync *s, const struct kind *k,
		      const struct ov_lines *want, const struct ov_lines *now,
		      struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < now->count; i++) {
		const struct ov_line *p = &now->items[i];
		int r;

		if (has(want, p) || is_welcome(s, p) || is_replaced(k, want, p))
			continue;
		r = k->del(s, p, first ? NULL : err);
		s->counts.removed += r == 0;
		first = first ? first : r;
	}
	return first;
}

static const struct kind kinds[OV_TABLES] = {
	{ want_fdb, read_fdb, add_fdb, del_fdb, false },
	{ want_macs, read_macs, add_mac, del_mac, false },
	{ want_neighs, read_neighs, add_neigh, del_neigh, true },
};

/* What table @i holds: as remembered, sorted, or read. */
static int get_now(const struct sync *s, size_t i, struct ov_lines *ret,
		   struct err *err)
{
	int r;

	if (s->had->wire) {
		*ret = s->had->lines[i];
		s->had->lines[i] = (struct ov_lines){ .count = 0 };
		return 0;
	}
	r = kinds[i].read(s, ret, err);
	if (r == 0)
		sort(ret);
	return r;
}

static int sync_one(struct sync *s, size_t i, struct err *err)
{
	_cleanup_(pairs_fini) struct ov_lines want = { .count = 0 };
	_cleanup_(pairs_fini) struct ov_lines now = { .count = 0 };
	const struct kind *k = &kinds[i];
	int added, r;

	k->want(s, &want);
	if (want.failed)
		return err_set(err, want.failed, "forwarding table");
	r = get_now(s, i, &now, err);
	if (r < 0)
		return r;
	sort(&want);
	added = add_missing(s, k, &want, &now, err);
	r = s->view->partial
		    ? 0
		    : del_others(s, k, &want, &now, added ? NULL : err);
	pairs_fini(&s->had->lines[i]);
	s->had->lines[i] = want;
	want = (struct ov_lines){ .count = 0 };
	return added ? added : r;
}

void ov_tables_forget(struct ov_tables *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(t->lines); i++)
		pairs_fini(&t->lines[i]);
	*t = (struct ov_tables){ .wire = 0 };
}

void ov_tables_lost(struct ov_tables *t, const struct ip_addr *ip)
{
	const struct ov_lines *neighs = &t->lines[OV_TABLES - 1];

	for (size_t i = 0; i < neighs->count; i++)
		if (ip_equal(&neighs->items[i].ip, ip)) {
			ov_tables_forget(t);
			return;
		}
}

int ov_table_sync(struct nlk *nlk, int wire, int bridge,
		  const struct ov_view *view, const struct ip_addr *local,
		  struct ov_tables *had, struct ov_counts *ret, struct err *err)
{
	struct sync s = { .nlk = nlk,
			  .had = had,
			  .wire = wire,
			  .bridge = bridge,
			  .view = view,
			  .local = local };
	int first = 0;

	if (had->wire != wire || had->bridge != bridge)
		ov_tables_forget(had);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		int r = sync_one(&s, i, first ? NULL : err);

		first = first ? first : r;
	}
	*ret = s.counts;
	/* of what is learnt, or only added to, more may be there */
	if (first || view->learn || view->partial) {
		ov_tables_forget(had);
	} else {
		had->wire = wire;
		had->bridge = bridge;
	}
	return first;
}
