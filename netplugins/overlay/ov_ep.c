/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Endpoints: as on a bridge, and told to the other hosts. */
#include <stdio.h>
#include <string.h>

#include "netplugins/overlay/overlay.h"

/* What another endpoint has by now stays cut off, though its link was just raised. */
static int fence(struct overlay_network *n, struct err *err)
{
	struct overlay_host *host = overlay_host_of(&n->br.base);
	struct ov_view view = { 0 };
	int r;

	pthread_mutex_lock(&host->lock);
	r = n->dir->ops->fenced(n->dir, n->net.id, &view, err);
	if (r == 0)
		r = ov_link_fence(host, n, &view, err);
	pthread_mutex_unlock(&host->lock);
	ov_view_free(&view);
	return r;
}

/* The bridge takes its addresses for its own: what the kernel was told of another's
 * endpoint that has them, as after a cut, is not there any more. */
static void had_no_other(struct overlay_network *n,
			 const struct net_endpoint *ep)
{
	struct overlay_host *host = overlay_host_of(&n->br.base);

	pthread_mutex_lock(&host->lock);
	ov_tables_lost(&n->tables, &ep->addr4.addr);
	ov_tables_lost(&n->tables, &ep->addr6.addr);
	pthread_mutex_unlock(&host->lock);
}

/* As an earlier life left it. */
static bool is_cut(struct overlay_network *n, const struct net_endpoint *ep)
{
	struct overlay_host *host = overlay_host_of(&n->br.base);
	struct nlk_link link;
	bool cut;

	pthread_mutex_lock(&host->lock);
	cut = nlk_link_get(host->br->nlk, ep->ifname, 0, &link, NULL) == 0 &&
	      !link.up;
	pthread_mutex_unlock(&host->lock);
	return cut;
}

/* Of an earlier life: the cluster first.  A container has it, whatever fails here: were
 * it not told the others would cut it off, and its address be free.  And so it is known
 * by then whether its link may be up. */
static int add_again(struct net_endpoint *ep, struct ov_endpoint *told,
		     struct err *err)
{
	struct overlay_network *n = overlay_of(ep->network);
	int r;

	told->cut = is_cut(n, ep);
	r = n->dir->ops->put(n->dir, n->net.id, told, true, err);
	if (r == 0)
		r = NET_STEP("overlay.endpoint.again", err);
	if (r == 0)
		r = bridge_endpoint_add(ep, err);
	had_no_other(n, ep);
	if (r == 0)
		r = fence(n, err);
	return r;
}

int overlay_endpoint_add(struct net_endpoint *ep, struct err *err)
{
	struct overlay_network *n = overlay_of(ep->network);
	struct ov_endpoint told = {
		.mac = ep->mac,
		.addr4 = ep->addr4.addr,
		.addr6 = ep->addr6.addr,
		.multicast = true,
	};
	struct err undo = { 0 };
	int r;

	/* refused by the cluster: see overlay_network_add() */
	if (!n->dir)
		return err_set(err, -ENODEV, "network %.12s was not joined",
			       n->net.id);
	snprintf(told.id, sizeof(told.id), "%s", ep->id);
	if (ep->ifname[0])
		return add_again(ep, &told, err);
	r = bridge_endpoint_add(ep, err);
	had_no_other(n, ep);
	if (r < 0)
		return r;
	told.mac = ep->mac;
	r = n->dir->ops->put(n->dir, n->net.id, &told, false, err);
	if (r == 0)
		r = NET_STEP("overlay.endpoint.told", err);
	if (r < 0 && overlay_endpoint_del(ep, &undo) < 0)
		return err_wrap(err, r, "%s; left behind", undo.msg);
	return r;
}

int overlay_endpoint_del(struct net_endpoint *ep, struct err *err)
{
	struct overlay_network *n = overlay_of(ep->network);
	int r = bridge_endpoint_del(ep, err);

	if (r == 0)
		r = NET_STEP("overlay.endpoint.gone", err);
	return r < 0 || !n->dir
		       ? r
		       : n->dir->ops->del(n->dir, n->net.id, ep->id, err);
}
