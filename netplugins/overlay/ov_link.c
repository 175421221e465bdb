/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The wire: a network's VXLAN link, a port of its bridge. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/netns.h"
#include "netplugins/overlay/overlay.h"

/* Its device takes no address, as that of any port. */
static int no_ip6(const char *name, struct err *err)
{
	return sysctl_set_ip6(name, "disable_ipv6", "1", err);
}

/* Can what is there be used, perhaps with another address? */
static bool fits(const struct overlay_network *n, const struct nlk_vxlan *v)
{
	return v->vni == n->net.vni && v->port == OV_PORT &&
	       v->learning == !n->known && v->local.family == n->vtep.family;
}

static int make(struct overlay_host *host, struct overlay_network *n,
		struct err *err)
{
	const struct nlk_vxlan_conf conf = {
		.name = n->wire,
		.alias = n->br.alias,
		.vni = n->net.vni,
		.port = OV_PORT,
		.local = n->vtep,
		.learning = !n->known,
	};

	return nlk_vxlan_add(host->br->nlk, &conf, err);
}

/* Something has the name: what an earlier life made, whole or not, or another's. */
static int find_or_make(struct overlay_host *host, struct overlay_network *n,
			struct nlk_vxlan *ret, struct err *err)
{
	struct nlk *nlk = host->br->nlk;
	struct nlk_link link;
	int r = nlk_link_get(nlk, n->wire, 0, &link, NULL);

	if (r == 0) {
		bool ours = strcmp(link.alias, n->br.alias) == 0;

		if (ours && nlk_vxlan_get(nlk, n->wire, ret, NULL) == 0 &&
		    fits(n, ret))
			return 0;
		/* deletes only what bears our mark, or none yet */
		r = nlk_link_del(host->br->slow, n->wire, n->br.alias, err);
		if (r < 0)
			return r;
	}
	r = make(host, n, err);
	return r < 0 ? r : nlk_vxlan_get(nlk, n->wire, ret, err);
}

static int set_up(struct overlay_host *host, struct overlay_network *n,
		  struct err *err)
{
	const struct nlk_port_flags flags = {
		.learning = !n->known,
		.flood = !n->known,
		.suppress = n->known,
	};
	struct nlk *nlk = host->br->nlk;
	struct nlk_link link;
	int r = nlk_link_get(nlk, n->wire, 0, &link, err);

	if (r == 0 && link.mtu != n->br.mtu)
		r = nlk_link_mtu(nlk, link.index, n->br.mtu, err);
	if (r == 0) /* an MTU that grew beyond 1280 brings the defaults back */
		r = no_ip6(n->wire, err);
	if (r == 0 && link.master != n->br.index)
		r = nlk_link_master(nlk, link.index, n->br.index, err);
	if (r == 0)
		r = nlk_port_set(nlk, link.index, &flags, err);
	if (r == 0)
		r = NET_STEP("overlay.link.port", err);
	n->held = !link.up && ov_wire_waits(host);
	if (r == 0 && !link.up && !n->held)
		r = nlk_vxlan_up(nlk, link.index, OV_PORT, err);
	return r;
}

int ov_link_sync(struct overlay_host *host, struct overlay_network *n,
		 struct err *err)
{
	struct nlk_vxlan v = { 0 };
	int r = find_or_make(host, n, &v, err);

	if (r == 0)
		r = NET_STEP("overlay.link.made", err);
	if (r == 0 && !ip_equal(&v.local, &n->vtep)) {
		r = nlk_vxlan_set_local(host->br->nlk, v.index, &n->vtep, err);
		if (r == 0)
			r = ov_link_reroute(host, &n->vtep, err);
	}
	if (r == 0)
		r = set_up(host, n, err);
	if (r < 0)
		return r;
	n->wire_index = v.index;
	n->lost = false;
	return 0;
}

int ov_link_del(struct overlay_host *host, struct overlay_network *n,
		struct err *err)
{
	int r = nlk_link_del(host->br->slow, n->wire, n->br.alias, err);

	if (r == -EPERM) /* another's, that stood in the way */
		r = 0;
	if (r == 0)
		n->wire_index = 0;
	return r;
}

void ov_link_lower(struct overlay_host *host, const struct overlay_network *n)
{
	struct nlk_link link;

	if (nlk_link_get(host->br->nlk, n->wire, 0, &link, NULL) == 0 &&
	    link.up && strcmp(link.alias, n->br.alias) == 0)
		(void)nlk_link_up(host->br->nlk, link.index, false, NULL);
}

/* ---- fences ------------------------------------------------------------------- */

struct fence {
	const struct overlay_host *host;
	char (*was)[65], (*now)[65]; /* borrowed */
	size_t was_count, now_count;
	struct err *err;
};

static bool is_of(const struct overlay_host *host, char (*ids)[65],
		  size_t count, const struct nlk_link *l)
{
	char alias[NLK_ALIAS_MAX];

	for (size_t i = 0; i < count; i++) {
		bridge_alias(host->br->kind, ids[i], alias);
		if (strcmp(alias, l->alias) == 0)
			return true;
	}
	return false;
}

/* The host's side of an endpoint that is fenced, or was. */
static int on_link(void *ctx, const struct nlk_link *l)
{
	const struct fence *f = ctx;
	bool down;

	if (strncmp(l->name, "bv", 2) != 0)
		return 0;
	down = is_of(f->host, f->now, f->now_count, l);
	if (l->up != down ||
	    (!down && !is_of(f->host, f->was, f->was_count, l)))
		return 0;
	return nlk_link_up(f->host->br->nlk, l->index, !down, f->err);
}

int ov_link_fence(struct overlay_host *host, struct overlay_network *n,
		  const struct ov_view *view, struct err *err)
{
	size_t was = n->fenced_count, now = view->fenced_count;
	struct fence f = { .host = host, .err = err };
	char(*all)[65];
	int r;

	if (!was && !now)
		return 0;
	all = calloc(was + now, sizeof(*all));
	if (!all)
		return err_set(err, -ENOMEM, "fenced endpoints");
	if (now)
		memcpy(all, view->fenced, now * sizeof(*all));
	if (was)
		memcpy(all + now, n->fenced, was * sizeof(*all));
	f.now = all;
	f.now_count = now;
	f.was = all + now;
	f.was_count = was;
	r = nlk_link_each(host->br->nlk, on_link, &f, err);
	free(n->fenced);
	n->fenced = all;
	/* after a failure those that were may be down still */
	n->fenced_count = r < 0 ? now + was : now;
	return r < 0 ? r : 0;
}
