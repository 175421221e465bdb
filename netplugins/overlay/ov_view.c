/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a view is taken: what other hosts say is not believed where it can't be, and
 * what is only not known yet is what the wire says.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netplugins/overlay/overlay.h"

void ov_view_refuse(struct overlay_network *n, const char *fmt, ...)
{
	va_list args;

	if (n->refused++)
		return;
	va_start(args, fmt);
	vsnprintf(n->why_refused, sizeof(n->why_refused), fmt, args);
	va_end(args);
}

/* ---- what can't be -------------------------------------------------------------- */

/* Each host has the gateway for itself: it is nowhere else. */
static bool is_gateway(const struct bridge_network *br,
		       const struct ov_endpoint *ep)
{
	const struct ip_addr fe80 = ip_from_mac(&br->mac);

	return mac_equal(&ep->mac, &br->mac) ||
	       (!ip_is_none(&ep->addr4) && bridge_has_gateway4(br) &&
		ip_equal(&ep->addr4, &br->base.v4.gateway.addr)) ||
	       (!ip_is_none(&ep->addr6) &&
		(ip_equal(&ep->addr6, &fe80) ||
		 (bridge_has_gateway6(br) &&
		  ip_equal(&ep->addr6, &br->base.v6.gateway.addr))));
}

/* A link sends to one family only, and the kernel refuses the other. */
static bool fits(struct overlay_network *n, const struct ip_addr *vtep)
{
	return vtep->family == n->vtep.family;
}

void ov_view_clean(struct overlay_network *n, struct ov_view *v)
{
	size_t kept = 0;

	for (size_t i = 0; i < v->host_count; i++) {
		if (fits(n, &v->hosts[i].vtep))
			v->hosts[kept++] = v->hosts[i];
		else
			ov_view_refuse(n,
				       "host %s has an address of the other "
				       "family than this one: see --underlay",
				       v->hosts[i].node);
	}
	v->host_count = kept;
	kept = 0;
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct ov_endpoint *ep = &v->endpoints[i];

		if (is_gateway(&n->br, ep))
			ov_view_refuse(n,
				       "endpoint %.12s of host %s says that it "
				       "is the gateway",
				       ep->id, ep->node);
		else if (fits(n, &ep->vtep))
			v->endpoints[kept++] = *ep;
	}
	v->endpoint_count = kept;
}

/* ---- what is not known yet ------------------------------------------------------- */

struct recall {
	struct overlay_network *n;
	struct ov_view *v;
};

static int recall_host(struct ov_view *v, const struct ip_addr *vtep)
{
	struct ov_host *hosts;

	for (size_t i = 0; i < v->host_count; i++)
		if (ip_equal(&v->hosts[i].vtep, vtep))
			return 0;
	hosts = reallocarray(v->hosts, v->host_count + 1, sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	v->hosts = hosts;
	hosts[v->host_count++] = (struct ov_host){ .vtep = *vtep };
	return 0;
}

/* Where the view has it, it is there. */
static int recall_endpoint(struct ov_view *v, const struct nlk_fdb *f)
{
	struct ov_endpoint *eps;

	for (size_t i = 0; i < v->endpoint_count; i++)
		if (mac_equal(&v->endpoints[i].mac, &f->mac))
			return 0;
	eps = reallocarray(v->endpoints, v->endpoint_count + 1, sizeof(*eps));
	if (!eps)
		return -ENOMEM;
	v->endpoints = eps;
	eps[v->endpoint_count++] =
		(struct ov_endpoint){ .mac = f->mac, .vtep = f->dst };
	return 0;
}

static int on_fdb(void *ctx, const struct nlk_fdb *f)
{
	struct recall *rc = ctx;

	if (f->learnt || !fits(rc->n, &f->dst) ||
	    ip_equal(&f->dst, &rc->n->vtep) ||
	    mac_equal(&f->mac, &rc->n->br.mac))
		return 0;
	return mac_is_none(&f->mac) ? recall_host(rc->v, &f->dst)
				    : recall_endpoint(rc->v, f);
}

/* The view's word on an address comes first, as it does for a MAC. */
static bool has_address(const struct ov_view *v, const struct ip_addr *ip)
{
	for (size_t i = 0; i < v->endpoint_count; i++)
		if (ip_equal(&v->endpoints[i].addr4, ip) ||
		    ip_equal(&v->endpoints[i].addr6, ip))
			return true;
	return false;
}

/* Of an endpoint that was recalled, which has no id. */
static int on_neigh(void *ctx, const struct nlk_neigh *nb)
{
	const struct ip_addr fe80 = ip_from_mac(&nb->mac);
	struct recall *rc = ctx;

	if (ip_equal(&nb->ip, &fe80) || has_address(rc->v, &nb->ip))
		return 0;
	for (size_t i = 0; i < rc->v->endpoint_count; i++) {
		struct ov_endpoint *ep = &rc->v->endpoints[i];

		if (ep->id[0] || !mac_equal(&ep->mac, &nb->mac))
			continue;
		if (nb->ip.family == AF_INET)
			ep->addr4 = nb->ip;
		else
			ep->addr6 = nb->ip;
	}
	return 0;
}

int ov_view_recall(struct overlay_host *host, struct overlay_network *n,
		   struct ov_view *v, struct err *err)
{
	struct recall rc = { n, v };
	struct nlk_vxlan wire;
	int r;

	if (nlk_vxlan_get(host->br->nlk, n->wire, &wire, NULL) < 0 ||
	    wire.vni != n->net.vni)
		return 0;
	r = nlk_fdb_each(host->br->nlk, wire.index, on_fdb, &rc, err);
	if (r < 0 || !n->br.index)
		return r;
	return nlk_neigh_each(host->br->nlk, n->br.index, on_neigh, &rc, err);
}

/* ---- what rules are made from ----------------------------------------------------- */

static int compare_vteps(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static int compare_far(const void *a, const void *b)
{
	const struct ov_endpoint *x = a, *y = b;
	int c = ip_cmp(&x->vtep, &y->vtep);

	return c ? c : memcmp(x->mac.bytes, y->mac.bytes, sizeof(x->mac.bytes));
}

static int compare_owners(const void *a, const void *b)
{
	const struct ov_owner *x = a, *y = b;
	int c = ip_cmp(&x->ip, &y->ip);

	return c ? c : memcmp(x->mac.bytes, y->mac.bytes, sizeof(x->mac.bytes));
}

/* As the neighbours of ov_table.c.  @ret: has room for three of each endpoint. */
static size_t owners_of(const struct ov_view *v, struct ov_owner *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct ov_endpoint *ep = &v->endpoints[i];

		if (!ip_is_none(&ep->addr4))
			ret[count++] = (struct ov_owner){ ep->mac, ep->addr4 };
		if (ip_is_none(&ep->addr6))
			continue;
		ret[count++] = (struct ov_owner){ ep->mac, ep->addr6 };
		ret[count++] =
			(struct ov_owner){ ep->mac, ip_from_mac(&ep->mac) };
	}
	return count;
}

/* Sorted, each once: the kernel's sets have each once.  Return: how many. */
static size_t unique(void *items, size_t count, size_t size,
		     int (*cmp)(const void *a, const void *b))
{
	char *all = items;
	size_t kept = 0;

	if (count)
		qsort(all, count, size, cmp);
	for (size_t i = 0; i < count; i++) {
		if (kept && cmp(all + (kept - 1) * size, all + i * size) == 0)
			continue;
		if (kept != i)
			memcpy(all + kept * size, all + i * size, size);
		kept++;
	}
	return kept;
}

static bool same(const void *a, size_t a_count, const void *b, size_t b_count,
		 size_t size, int (*cmp)(const void *a, const void *b))
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (cmp((const char *)a + i * size,
			(const char *)b + i * size) != 0)
			return false;
	return true;
}

/* What a network keeps of a view. */
struct kept {
	struct ip_addr *vteps; /* all owned */
	size_t vtep_count;
	struct ov_endpoint *far;
	size_t far_count;
	struct ov_owner *owners;
	size_t owner_count;
};

static void keep(struct overlay_network *n, const struct kept *k)
{
	if (!same(n->vteps, n->vtep_count, k->vteps, k->vtep_count,
		  sizeof(*k->vteps), compare_vteps) ||
	    !same(n->far, n->far_count, k->far, k->far_count, sizeof(*k->far),
		  compare_far) ||
	    !same(n->owners, n->owner_count, k->owners, k->owner_count,
		  sizeof(*k->owners), compare_owners))
		n->ruled = false;
	ov_view_forget(n);
	n->vteps = k->vteps;
	n->vtep_count = k->vtep_count;
	n->far = k->far;
	n->far_count = k->far_count;
	n->owners = k->owners;
	n->owner_count = k->owner_count;
}

int ov_view_keep(struct overlay_network *n, const struct ov_view *v,
		 struct err *err)
{
	struct kept k = {
		.vteps = calloc(2 * v->host_count + 1, sizeof(*k.vteps)),
		.far = calloc(2 * v->endpoint_count + 1, sizeof(*k.far)),
		.owners = calloc(3 * v->endpoint_count + 1, sizeof(*k.owners))
	};

	if (!k.vteps || !k.far || !k.owners) {
		free(k.vteps);
		free(k.far);
		free(k.owners);
		return err_set(err, -ENOMEM, "view of a network");
	}
	for (size_t i = 0; i < v->host_count; i++) {
		if (!ip_equal(&v->hosts[i].vtep, &n->vtep))
			k.vteps[k.vtep_count++] = v->hosts[i].vtep;
		if (!ip_is_none(&v->hosts[i].also))
			k.vteps[k.vtep_count++] = v->hosts[i].also;
	}
	for (size_t i = 0; i < v->endpoint_count; i++) {
		const struct ov_endpoint *ep = &v->endpoints[i];

		k.far[k.far_count++] = *ep;
		if (ip_is_none(&ep->also))
			continue;
		k.far[k.far_count] = *ep;
		k.far[k.far_count++].vtep = ep->also;
	}
	k.owner_count = owners_of(v, k.owners);
	k.vtep_count =
		unique(k.vteps, k.vtep_count, sizeof(*k.vteps), compare_vteps);
	k.far_count = unique(k.far, k.far_count, sizeof(*k.far), compare_far);
	k.owner_count = unique(k.owners, k.owner_count, sizeof(*k.owners),
			       compare_owners);
	keep(n, &k);
	return 0;
}

void ov_view_forget(struct overlay_network *n)
{
	free(n->vteps);
	free(n->far);
	free(n->owners);
	n->vteps = NULL;
	n->far = NULL;
	n->owners = NULL;
	n->vtep_count = n->far_count = n->owner_count = 0;
}
