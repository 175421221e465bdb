// SPDX-License-Identifier: GPL-2.0-or-later
/* What the driver is shown of a network: what was read, without what can't be. */
#include <stdlib.h>
#include <string.h>

#include "netplugins/overlay/cluster_priv.h"

/* What an endpoint of this host has: sorted, for each of the others' is looked for. */
struct has {
	uint8_t what; /* a family; 0: a MAC */
	uint8_t bytes[16];
};

struct ours {
	struct has *v; /* owned */
	size_t count;
};

static void ours_fini(struct ours *o)
{
	free(o->v);
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct has));
}

/* Return: how many of @h are filled. */
static size_t has_of(const struct ov_endpoint *ep, struct has h[static 3])
{
	const struct ip_addr *addr[] = { &ep->addr4, &ep->addr6 };
	size_t n = 1;

	memset(h, 0, 3 * sizeof(*h));
	memcpy(h[0].bytes, ep->mac.bytes, sizeof(ep->mac.bytes));
	for (size_t i = 0; i < 2; i++) {
		if (ip_is_none(addr[i]))
			continue;
		h[n].what = addr[i]->family;
		memcpy(h[n++].bytes, addr[i]->bytes, ip_bytes(addr[i]));
	}
	return n;
}

static int ours_take(const struct cl_net *n, struct ours *o)
{
	size_t count = 0;

	for (const struct cl_mine *m = n->mine; m; m = m->next)
		count++;
	o->v = calloc(3 * count + 3, sizeof(*o->v));
	if (!o->v)
		return -ENOMEM;
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		if (m->told && !m->gone)
			o->count += has_of(&m->ep, o->v + o->count);
	qsort(o->v, o->count, sizeof(*o->v), by_bytes);
	return 0;
}

/* Does somebody else's record say an address that is this host's? */
static bool is_ours(const struct ours *o, const struct ov_endpoint *ep)
{
	struct has h[3];
	size_t n = has_of(ep, h);

	for (size_t i = 0; i < n; i++)
		if (bsearch(&h[i], o->v, o->count, sizeof(*o->v), by_bytes))
			return true;
	return false;
}

/* Of two hosts that say one address the later is right: the other had it before. */
static bool host_valid(struct cluster *c, const struct cl_net *n,
		       const struct cl_peer *p)
{
	if (ip_is_none(&p->host.vtep) || ip_equal(&p->host.vtep, &c->vtep))
		return false;
	for (size_t i = 0; i < n->count; i++)
		if (&n->peers[i] != p && n->peers[i].host_rev > p->host_rev &&
		    ip_equal(&n->peers[i].host.vtep, &p->host.vtep))
			return false;
	return true;
}

/* One that could be shown. */
struct shown {
	const struct cl_theirs *at;
	struct ip_addr vtep;
	bool twice;
};

static int shown_order(const struct shown *a, const struct shown *b)
{
	int r;

	if (a->at->create_rev != b->at->create_rev)
		return a->at->create_rev < b->at->create_rev ? -1 : 1;
	r = strcmp(a->at->ep.node, b->at->ep.node);
	return r ? r : strcmp(a->at->ep.id, b->at->ep.id);
}

static int by_mac(const void *x, const void *y)
{
	const struct shown *a = x, *b = y;
	int r = memcmp(&a->at->ep.mac, &b->at->ep.mac, sizeof(a->at->ep.mac));

	return r ? r : shown_order(a, b);
}

static int addr_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_bytes(a));
}

static int by_addr4(const void *x, const void *y)
{
	const struct shown *a = x, *b = y;
	int r = addr_cmp(&a->at->ep.addr4, &b->at->ep.addr4);

	return r ? r : shown_order(a, b);
}

static int by_addr6(const void *x, const void *y)
{
	const struct shown *a = x, *b = y;
	int r = addr_cmp(&a->at->ep.addr6, &b->at->ep.addr6);

	return r ? r : shown_order(a, b);
}

static bool same_mac(const struct ov_endpoint *a, const struct ov_endpoint *b)
{
	return mac_equal(&a->mac, &b->mac);
}

static bool same_addr4(const struct ov_endpoint *a, const struct ov_endpoint *b)
{
	return !ip_is_none(&a->addr4) && ip_equal(&a->addr4, &b->addr4);
}

static bool same_addr6(const struct ov_endpoint *a, const struct ov_endpoint *b)
{
	return !ip_is_none(&a->addr6) && ip_equal(&a->addr6, &b->addr6);
}

/* No two hosts of ours write one MAC or address: who came second is not shown, for the
 * kernel would have the one this time and the other the next. */
static void twice_mark(struct shown *v, size_t count)
{
	static const struct {
		int (*order)(const void *x, const void *y);
		bool (*same)(const struct ov_endpoint *a,
			     const struct ov_endpoint *b);
	} by[] = { { by_mac, same_mac },
		   { by_addr4, same_addr4 },
		   { by_addr6, same_addr6 } };

	for (size_t k = 0; k < ARRAY_SIZE(by); k++) {
		qsort(v, count, sizeof(*v), by[k].order);
		for (size_t i = 1; i < count; i++)
			if (by[k].same(&v[i - 1].at->ep, &v[i].at->ep))
				v[i].twice = true;
	}
}

static size_t view_peer(const struct ours *o, const struct cl_peer *p,
			struct ov_view *v, struct shown *shown)
{
	size_t count = 0;

	v->hosts[v->host_count++] = p->host;
	for (size_t i = 0; i < p->count; i++)
		if (!is_ours(o, &p->eps[i].ep))
			shown[count++] = (struct shown){ .at = &p->eps[i],
							 .vtep = p->host.vtep };
	return count;
}

/* Under ->lock.  @eps: how many there are. */
static int view_theirs(struct cluster *c, struct cl_net *n, size_t eps,
		       struct ov_view *v)
{
	_cleanup_free_ struct shown *shown = calloc(eps + 1, sizeof(*shown));
	_cleanup_(ours_fini) struct ours ours = { .count = 0 };
	size_t count = 0;

	if (!shown || ours_take(n, &ours) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n->count; i++)
		if (host_valid(c, n, &n->peers[i]))
			count += view_peer(&ours, &n->peers[i], v,
					   shown + count);
	twice_mark(shown, count);
	n->twice = 0;
	for (size_t i = 0; i < count; i++) {
		if (shown[i].twice) {
			n->twice++;
			continue;
		}
		v->endpoints[v->endpoint_count] = shown[i].at->ep;
		v->endpoints[v->endpoint_count++].vtep = shown[i].vtep;
	}
	return 0;
}

/* Under ->lock. */
static int fenced_fill(const struct cl_net *n, struct ov_view *v)
{
	size_t mine = 0;

	for (const struct cl_mine *m = n->mine; m; m = m->next)
		mine += m->fenced || n->why[0];
	v->fenced = calloc(mine + 1, sizeof(*v->fenced));
	if (!v->fenced)
		return -ENOMEM;
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		if (!m->gone && (m->fenced || n->why[0]))
			memcpy(v->fenced[v->fenced_count++], m->ep.id,
			       sizeof(m->ep.id));
	return 0;
}

/* Under ->lock. */
static int view_fill(struct cluster *c, struct cl_net *n, struct ov_view *v)
{
	size_t eps = 0;

	for (size_t i = 0; i < n->count; i++)
		eps += n->peers[i].count;
	v->hosts = calloc(n->count + 1, sizeof(*v->hosts));
	v->endpoints = calloc(eps + 1, sizeof(*v->endpoints));
	if (!v->hosts || !v->endpoints || view_theirs(c, n, eps, v) < 0 ||
	    fenced_fill(n, v) < 0)
		return -ENOMEM;
	v->serial = n->serial;
	v->partial = !n->rev; /* the first list may be half done */
	v->stale = etcd_seen_back(&c->seen) || !n->rev ||
		   etcd_seen_away_ms(&c->seen) > (uint64_t)c->lease_s * 1000;
	return 0;
}

static int view(struct ov_dir *dir, const char *net_id, bool all,
		struct ov_view *ret, struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct ov_view v = { 0 };
	struct cl_net *n;
	int r = -ENOENT;

	pthread_mutex_lock(&c->lock);
	n = cl_net_find(c, net_id);
	if (n)
		r = all ? view_fill(c, n, &v) : fenced_fill(n, &v);
	pthread_mutex_unlock(&c->lock);
	if (r < 0) {
		ov_view_free(&v);
		return err_set(err, r, "network %.12s%s", net_id,
			       r == -ENOENT ? ": not joined" : "");
	}
	*ret = v;
	return 0;
}

int cl_view(struct ov_dir *dir, const char *net_id, struct ov_view *ret,
	    struct err *err)
{
	return view(dir, net_id, true, ret, err);
}

int cl_fenced(struct ov_dir *dir, const char *net_id, struct ov_view *ret,
	      struct err *err)
{
	return view(dir, net_id, false, ret, err);
}
