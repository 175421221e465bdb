/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The short way: which networks have it, and the map by which frames go it.
 *
 * Two things let a frame go past the bridge: the map has its MACs, and the port that
 * it goes to bears GUARD_SHORT.  The flag is what counts: it is taken off first, one
 * entry at a time, and nothing is led into a port without it, whatever the map says.
 */
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/guard_map.h"
#include "dataplane/ebpf/guard_priv.h"
#include "dataplane/ebpf/maps.h"
#include "lib/fail.h"
#include "lib/log.h"

#define WHAT "the short way"

/* ---- networks -------------------------------------------------------------- */

static struct short_net *find_net(const struct guard *g, const char *bridge)
{
	for (size_t i = 0; i < g->net_count; i++)
		if (strcmp(g->nets[i].bridge, bridge) == 0)
			return &g->nets[i];
	return NULL;
}

bool guard_short_has(const struct guard *g, const struct port *p)
{
	const struct guard_conf *c = &p->conf;

	return c->open && c->source && !c->apart && c->ingress < 0 &&
	       find_net(g, c->bridge);
}

bool guard_shortcut_any(const struct guard *g)
{
	return g->net_count != 0;
}

bool guard_short_is_wire(const struct guard *g, int ifindex)
{
	for (size_t i = 0; i < g->net_count; i++)
		if (g->nets[i].wire_index == ifindex)
			return true;
	return false;
}

static void drop_net(struct guard *g, struct short_net *n)
{
	free(n->far);
	*n = g->nets[--g->net_count];
}

void guard_short_fini(struct guard *g)
{
	while (g->net_count)
		drop_net(g, &g->nets[0]);
	free(take_ptr(g->nets));
}

static int by_mac(const void *va, const void *vb)
{
	const struct dp_far *a = va, *b = vb;

	return memcmp(a->mac.bytes, b->mac.bytes, sizeof(a->mac.bytes));
}

/* Sorted, without those whose MAC another has. Return: how many. */
static size_t only_once(struct dp_far *list, size_t count)
{
	size_t kept = 0;

	if (count)
		qsort(list, count, sizeof(*list), by_mac);
	for (size_t i = 0; i < count;) {
		size_t next = i + 1;

		while (next < count && by_mac(&list[i], &list[next]) == 0)
			next++;
		if (next == i + 1)
			list[kept++] = list[i];
		i = next;
	}
	return kept;
}

static bool same_far(const struct short_net *n, const struct dp_far *list,
		     size_t count)
{
	if (n->far_count != count)
		return false;
	for (size_t i = 0; i < count; i++)
		if (by_mac(&n->far[i], &list[i]) != 0 ||
		    !ip_equal(&n->far[i].ip4, &list[i].ip4) ||
		    !ip_equal(&n->far[i].ip6, &list[i].ip6))
			return false;
	return true;
}

/* ---- the map --------------------------------------------------------------- */

static struct guard_way_key key_of(int bridge, const struct mac_addr *mac)
{
	struct guard_way_key k = { .bridge = (__u32)bridge };

	memcpy(k.mac, mac->bytes, sizeof(k.mac));
	return k;
}

static int list_far(const struct short_net *n, struct maps_list *l,
		    struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n->far_count; i++) {
		const struct dp_far *f = &n->far[i];
		const struct guard_way_key k = key_of(n->bridge_index, &f->mac);
		struct guard_way v = { .ifindex = (__u32)n->wire_index,
				       .far = 1 };

		if (!ip_is_none(&f->ip4))
			memcpy(&v.ip4, f->ip4.bytes, sizeof(v.ip4));
		if (!ip_is_none(&f->ip6)) {
			const struct ip_addr fe80 = ip_from_mac(&f->mac);

			memcpy(v.ip6, f->ip6.bytes, sizeof(v.ip6));
			memcpy(v.ip6_local, fe80.bytes, sizeof(v.ip6_local));
		}
		r = maps_list_add(l, &k, &v, err);
	}
	return r;
}

/* An endpoint that is here is nowhere else: it comes later, and counts. */
static int list_all(const struct guard *g, struct maps_list *l, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < g->net_count; i++)
		if (g->nets[i].bridge_index && g->nets[i].wire_index)
			r = list_far(&g->nets[i], l, err);
	for (size_t i = 0; r == 0 && i < g->count; i++) {
		const struct port *p = &g->ports[i];
		const struct guard_way_key k = key_of(p->bridge, &p->conf.mac);
		const struct guard_way v = { .ifindex = (__u32)p->ifindex };

		if (p->ifindex && guard_short_has(g, p))
			r = maps_list_add(l, &k, &v, err);
	}
	return r;
}

#define WAYS_LIST                                         \
	{                                                 \
		.key_size = sizeof(struct guard_way_key), \
		.value_size = sizeof(struct guard_way)    \
	}

static int sync_map(struct guard *g, struct err *err)
{
	_cleanup_(maps_list_fini) struct maps_list l = WAYS_LIST;
	int r = list_all(g, &l, err);

	if (r < 0)
		return r;
	r = FAILPOINT("guard.short");
	if (r < 0)
		return err_set(err, r, "test: guard.short");
	return maps_sync(g->ways_map, WHAT, &l, err);
}

/* ---- wires ----------------------------------------------------------------- */

/* Return: 1: the program was missing; 0; -errno. */
static int attach(struct guard *g, struct short_net *n, struct err *err)
{
	int before = n->wire_index, r;

	n->bridge_index = (int)if_nametoindex(n->bridge);
	n->wire_index = (int)if_nametoindex(n->wire);
	if (before && before != n->wire_index)
		(void)tc_detach(g->tc, GUARD_NAME, before, TC_IN, NULL);
	n->suspect = false;
	if (!n->bridge_index || !n->wire_index)
		return err_set(err, -ENODEV, WHAT ": %s is not there",
			       n->bridge_index ? n->wire : n->bridge);
	r = tc_is_attached(g->tc, GUARD_NAME, n->wire_index, TC_IN, g->wire,
			   err);
	if (r > 0)
		return 0;
	if (r == 0)
		r = tc_attach(g->tc, GUARD_NAME, n->wire_index, TC_IN, g->wire,
			      err);
	n->suspect = r < 0;
	return r < 0 ? r : 1;
}

int guard_short_sync(struct guard *g, struct err *err)
{
	int r, changed = 0, failed = 0;

	if (!g->tc || g->loading)
		return 0;
	for (size_t i = 0; i < g->net_count; i++) {
		if (!g->nets[i].suspect && g->nets[i].wire_index)
			continue;
		r = attach(g, &g->nets[i], failed < 0 ? NULL : err);
		if (r == -ENODEV) /* on its way out; the driver will tell */
			continue;
		changed += r > 0;
		failed = r < 0 ? r : failed;
	}
	r = sync_map(g, failed < 0 ? NULL : err);
	if (failed == 0 && r < 0)
		failed = r;
	g->short_due = failed < 0;
	return failed < 0 ? failed : changed || r > 0;
}

/* The ports of @bridge are to say whether they have it. */
static int flag_ports(struct guard *g, const char *bridge, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < g->count; i++)
		if (g->ports[i].ifindex &&
		    strcmp(g->ports[i].conf.bridge, bridge) == 0)
			r = guard_put_entry(g, &g->ports[i], err);
	return r < 0 ? r : 0;
}

void guard_port_link(struct guard *g, int ifindex, bool up, int master)
{
	struct port *p = NULL;
	bool open;

	for (size_t i = 0; !p && i < g->count; i++)
		if (g->ports[i].ifindex == ifindex)
			p = &g->ports[i];
	if (!p)
		return;
	open = up && master == p->bridge;
	if (p->conf.open == open)
		return;
	p->conf.open = open;
	if (!g->tc || g->loading || !find_net(g, p->conf.bridge))
		return;
	/* guard_follow() tries again */
	if (guard_put_entry(g, p, NULL) < 0 || guard_short_sync(g, NULL) < 0)
		g->short_due = p->suspect = true;
}

/* ---- set, del -------------------------------------------------------------- */

int guard_shortcut_del(struct guard *g, const char *bridge, struct err *err)
{
	struct short_net *n = find_net(g, bridge);
	int wire, r, synced;

	if (!n)
		return 0;
	wire = n->wire_index;
	drop_net(g, n);
	if (!g->tc || g->loading)
		return 0;
	r = flag_ports(g, bridge, err);
	synced = guard_short_sync(g, r < 0 ? NULL : err);
	if (r == 0 && synced < 0)
		r = synced;
	if (wire && !guard_short_is_wire(g, wire)) {
		int off = tc_detach(g->tc, GUARD_NAME, wire, TC_IN,
				    r < 0 ? NULL : err);

		r = r < 0 ? r : off;
	}
	return r;
}

/* @far: sorted; taken over. */
static int put_net(struct guard *g, const char *bridge, const char *wire,
		   struct dp_far *far, size_t count, struct err *err)
{
	struct short_net *n = find_net(g, bridge);
	struct short_net *nets;

	if (!n) {
		nets = reallocarray(g->nets, g->net_count + 1, sizeof(*nets));
		if (!nets) {
			free(far);
			return err_set(err, -ENOMEM, WHAT);
		}
		g->nets = nets;
		n = &nets[g->net_count++];
		*n = (struct short_net){ .suspect = true };
		snprintf(n->bridge, sizeof(n->bridge), "%s", bridge);
	}
	snprintf(n->wire, sizeof(n->wire), "%s", wire);
	n->suspect |= n->wire_index != (int)if_nametoindex(wire) ||
		      n->bridge_index != (int)if_nametoindex(bridge);
	free(n->far);
	n->far = far;
	n->far_count = count;
	return 0;
}

static bool is_full(const struct guard *g, const char *bridge, size_t count)
{
	for (size_t i = 0; i < g->net_count; i++)
		if (strcmp(g->nets[i].bridge, bridge) != 0)
			count += g->nets[i].far_count;
	return count > GUARD_WAY_MAX / 2;
}

/* What is known of it is right, and was done. */
static bool is_said(const struct short_net *n, const char *wire,
		    const struct dp_far *far, size_t count)
{
	return n && strcmp(n->wire, wire) == 0 && same_far(n, far, count) &&
	       !n->suspect && n->wire_index &&
	       n->wire_index == (int)if_nametoindex(wire) &&
	       n->bridge_index == (int)if_nametoindex(n->bridge);
}

int guard_shortcut_set(struct guard *g, const char *bridge,
		       const struct dp_shortcut *s, struct err *err)
{
	struct dp_far *far = calloc(s->far_count + 1, sizeof(*far));
	const struct short_net *n;
	size_t count;
	int r;

	if (!far)
		return err_set(err, -ENOMEM, WHAT);
	if (s->far_count)
		memcpy(far, s->far, s->far_count * sizeof(*far));
	count = only_once(far, s->far_count);
	if (is_said(find_net(g, bridge), s->wire, far, count)) {
		free(far);
		return 0;
	}
	r = is_full(g, bridge, count)
		    ? err_set(err, -ENOSPC,
			      WHAT ": no room for %zu endpoints of other hosts "
				   "(in all at most %u)",
			      count, GUARD_WAY_MAX / 2)
		    : 0;
	if (r < 0)
		free(far);
	else
		r = put_net(g, bridge, s->wire, far, count, err);
	if (r == 0 && g->tc && !g->loading) {
		r = guard_short_sync(g, err);
		n = find_net(g, bridge);
		if (r >= 0 && n && n->wire_index == 0)
			r = err_set(err, -ENODEV, WHAT ": %s is not there",
				    s->wire);
		/* who sends finds the map as it should be */
		if (r >= 0)
			r = flag_ports(g, bridge, err);
	}
	if (r < 0)
		(void)guard_shortcut_del(g, bridge, NULL);
	return r;
}

/* ---- others' hands --------------------------------------------------------- */

bool guard_short_lost(struct guard *g, int ifindex)
{
	bool found = false;

	for (size_t i = 0; i < g->net_count; i++)
		if (!ifindex || g->nets[i].wire_index == ifindex)
			g->nets[i].suspect = found = true;
	return found;
}

int guard_short_follow(struct guard *g, bool tick)
{
	struct err err = { "" };
	char text[ERR_MSG_MAX];
	bool due = g->short_due;
	int mended = 0, r = 0;

	if (!g->tc || g->loading || !g->net_count)
		return 0;
	if (tick) {
		g->next_net = (g->next_net + 1) % g->net_count;
		g->nets[g->next_net].suspect = true;
	}
	for (size_t i = 0; r >= 0 && i < g->net_count; i++) {
		struct short_net *n = &g->nets[i];
		int before = n->wire_index;

		if (!n->suspect)
			continue;
		r = attach(g, n, &err);
		mended += r > 0;
		due |= before != n->wire_index;
		if (r == -ENODEV)
			r = 0;
	}
	if (r >= 0 && due)
		r = guard_short_sync(g, &err);
	if (r < 0)
		log_warn("op=shortcut err=%s",
			 log_quote(text, sizeof(text), err.msg));
	return r < 0 ? r : mended;
}

/* ---- eyes ------------------------------------------------------------------ */

int guard_short_check(struct guard *g, void (*fn)(void *ctx, const char *line),
		      void *ctx)
{
	_cleanup_(maps_list_fini) struct maps_list l = WAYS_LIST;
	char line[160];
	int found = 0, r;

	for (size_t i = 0; i < g->net_count; i++) {
		struct short_net *n = &g->nets[i];

		/* a link that is gone the driver tells */
		if (!if_nametoindex(n->wire) ||
		    tc_is_attached(g->tc, GUARD_NAME, n->wire_index, TC_IN,
				   g->wire, NULL) > 0)
			continue;
		snprintf(line, sizeof(line),
			 "link %s: what comes from other hosts goes by the "
			 "bridge: somebody took the program there away",
			 n->wire);
		fn(ctx, line);
		found++;
	}
	r = list_all(g, &l, NULL);
	if (r == 0)
		r = maps_differ(g->ways_map, WHAT, &l, NULL);
	if (r == 0)
		return found;
	if (r < 0)
		snprintf(line, sizeof(line),
			 "the map of " WHAT " can't be read");
	else
		snprintf(line, sizeof(line),
			 "%d entries of the map of " WHAT
			 " are wrong: somebody changed the pins",
			 r);
	fn(ctx, line);
	return found + 1;
}
