// SPDX-License-Identifier: GPL-2.0-or-later
/* What the driver is shown of a network: what was read, without what can't be. */
#include <string.h>

#include "netplugins/overlay/cluster_priv.h"

/* Does somebody else's record say an address that is this host's? */
static bool ours(const struct cl_net *n, const struct ov_endpoint *ep)
{
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		if (m->told && !m->gone &&
		    ((!ip_is_none(&ep->addr4) &&
		      ip_equal(&ep->addr4, &m->ep.addr4)) ||
		     (!ip_is_none(&ep->addr6) &&
		      ip_equal(&ep->addr6, &m->ep.addr6)) ||
		     mac_equal(&ep->mac, &m->ep.mac)))
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

static void view_peer(const struct cl_net *n, const struct cl_peer *p,
		      struct ov_view *v)
{
	v->hosts[v->host_count++] = p->host;
	for (size_t i = 0; i < p->count; i++) {
		if (ours(n, &p->eps[i]))
			continue;
		v->endpoints[v->endpoint_count] = p->eps[i];
		v->endpoints[v->endpoint_count++].vtep = p->host.vtep;
	}
}

/* Under ->lock. */
static int view_fill(struct cluster *c, const struct cl_net *n,
		     struct ov_view *v)
{
	size_t eps = 0, mine = 0;

	for (size_t i = 0; i < n->count; i++)
		eps += n->peers[i].count;
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		mine++;
	v->hosts = calloc(n->count + 1, sizeof(*v->hosts));
	v->endpoints = calloc(eps + 1, sizeof(*v->endpoints));
	v->fenced = calloc(mine + 1, sizeof(*v->fenced));
	if (!v->hosts || !v->endpoints || !v->fenced)
		return -ENOMEM;
	for (size_t i = 0; i < n->count; i++)
		if (host_valid(c, n, &n->peers[i]))
			view_peer(n, &n->peers[i], v);
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		if (!m->gone && (m->fenced || n->why[0]))
			memcpy(v->fenced[v->fenced_count++], m->ep.id,
			       sizeof(m->ep.id));
	v->serial = n->serial;
	v->partial = !n->rev; /* the first list may be half done */
	v->stale = c->safe || !n->rev ||
		   (c->away_ms &&
		    cl_now_ms() - c->away_ms > (uint64_t)c->lease_s * 1000);
	return 0;
}

int cl_view(struct ov_dir *dir, const char *net_id, struct ov_view *ret,
	    struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct ov_view v = { 0 };
	struct cl_net *n;
	int r;

	pthread_mutex_lock(&c->lock);
	n = cl_net_find(c, net_id);
	r = n ? view_fill(c, n, &v) : -ENOENT;
	pthread_mutex_unlock(&c->lock);
	if (r < 0) {
		ov_view_free(&v);
		return err_set(err, r, "network %.12s%s", net_id,
			       r == -ENOENT ? ": not joined" : "");
	}
	*ret = v;
	return 0;
}
