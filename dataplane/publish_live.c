// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ports that come to what is published already, or go: the others of it are not
 * touched.
 *
 * Claim, hook, then one change of the rules from the old to the new, and only then
 * what has gone is unhooked, let go and forgotten: what stays leads to the container
 * at each moment, and none of its flows ends.
 */
#include <string.h>

#include "dataplane/dp_priv.h"
#include "lib/fail.h"

struct alter {
	struct dp *dp;
	const struct dp_network *net;
	struct state_row *row;
	struct state_pub *old;     /* as .row has it; owned */
	struct state_pub *p;       /* as it is to be; borrowed */
	struct portmap come, gone; /* owned */
	struct claim *let_go;      /* owned: of .gone */
};

/* @from without what is in @but as well. */
static int subtract(const struct portmap *from, const struct portmap *but,
		    struct portmap *to, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->count; i++)
		if (!portmap_find(but, &from->ranges[i]))
			r = portmap_append(to, &from->ranges[i], err);
	return r;
}

static bool all_live(const struct portmap *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!m->ranges[i].live)
			return false;
	return true;
}

/* A port that comes and goes at once: it leads elsewhere. */
static bool meet(const struct portmap *a, const struct portmap *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t k = 0; k < b->count; k++)
			if (port_range_meets(&a->ranges[i], &b->ranges[k]))
				return true;
	return false;
}

static bool is_chosen(const struct portmap *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!m->ranges[i].host_first)
			return false;
	return true;
}

static bool is_claimed(const struct claim *c, const struct portmap *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (!claim_has(c, &m->ranges[i]))
			return false;
	return true;
}

/* Is that all that changes? */
static bool can_alter(const struct alter *a)
{
	const struct dp_publish *x = &a->old->pub, *y = &a->p->pub;

	return !a->dp->loading && a->old->holds == a->p->holds &&
	       strcmp(x->network, y->network) == 0 && x->judged == y->judged &&
	       ip_equal(&x->ip4, &y->ip4) && ip_equal(&x->ip6, &y->ip6) &&
	       all_live(&a->come) && all_live(&a->gone) &&
	       !meet(&a->come, &a->gone) &&
	       (!a->gone.count || is_chosen(&a->come)) &&
	       (!a->p->holds ||
		(a->old->claim && is_claimed(a->old->claim, &a->gone)));
}

/* Of @a->p, with @ports alone. Owns nothing. */
static struct state_pub part_of(const struct alter *a,
				const struct portmap *ports)
{
	struct state_pub part = *a->p;

	part.claim = NULL;
	part.pub.ports = *ports;
	return part;
}

/* ---- claims ---------------------------------------------------------------- */

/* The one claim goes from the old to the new, without the parts that go. */
static void take_claim(struct alter *a)
{
	a->p->claim = take_ptr(a->old->claim);
	for (size_t i = 0; a->p->claim && i < a->gone.count; i++) {
		struct claim *c = claim_part(a->p->claim, &a->gone.ranges[i]);

		if (!a->let_go)
			a->let_go = c;
		else if (c)
			claim_add(a->let_go, c, &a->gone.ranges[i]);
	}
}

/* ... and back, without the parts that came. */
static void give_back(struct alter *a)
{
	struct claim *c = take_ptr(a->p->claim), *first = a->let_go;

	for (struct claim *n = c ? c->next : NULL, *next; n; n = next) {
		next = n->next;
		if (!portmap_find(&a->old->pub.ports, &n->alone))
			claim_free(claim_part(c, &n->alone));
	}
	for (size_t i = 1; first && i < a->gone.count; i++) {
		struct claim *one = claim_part(first, &a->gone.ranges[i]);

		if (one)
			claim_add(c, one, &a->gone.ranges[i]);
	}
	if (first)
		claim_add(c, first, &a->gone.ranges[0]);
	a->let_go = NULL;
	a->old->claim = c;
}

/* Claim what comes; those to be chosen are chosen then. */
static int claim_coming(struct alter *a, struct err *err)
{
	int r = 0;

	if (a->p->holds)
		r = dp_hold_live(a->dp, a->p, &a->old->pub.ports, err);
	if (r == 0) {
		portmap_free(&a->come); /* now with what was chosen */
		r = subtract(&a->p->pub.ports, &a->old->pub.ports, &a->come,
			     err);
	}
	if (r == 0)
		r = portmap_normalize(&a->p->pub.ports, err);
	if (r < 0)
		return r;
	r = FAILPOINT("dp.publish.claimed");
	return r < 0 ? err_set(err, r, "test: dp.publish.claimed") : 0;
}

/* ---- counters -------------------------------------------------------------- */

static void count_coming(struct alter *a)
{
	struct state_pub part = part_of(a, &a->come);

	dp_stats_inherit(a->old, a->p);
	dp_stats_ports(a->dp, a->net, &part);
	for (size_t i = 0; i < a->come.count; i++) {
		struct port_range *r =
			portmap_find(&a->p->pub.ports, &a->come.ranges[i]);

		if (r)
			r->stat = a->come.ranges[i].stat;
	}
}

/* ---- rules ----------------------------------------------------------------- */

static void put_row(struct alter *a, struct state_row *row)
{
	struct tab *pubs = &a->dp->st.pubs;

	(void)tab_take(pubs, a->p->id);
	(void)tab_put(pubs, row); /* room is there */
}

static int apply(struct alter *a, const struct state_pub *from,
		 const struct state_pub *to, struct err *err)
{
	const struct ruleset_change change = { .net_old = a->net,
					       .net_new = a->net,
					       .pub_old = &from->pub,
					       .pub_new = &to->pub };

	return ruleset_apply(a->dp->rs, &a->dp->st, &change, err);
}

static int change_rules(struct alter *a, struct err *err)
{
	struct state_row *row = state_row_new(&a->dp->st, a->p);
	bool applied;
	int r;

	if (!row)
		return err_set(err, -ENOMEM, "endpoint %.12s", a->p->id);
	put_row(a, row);
	r = apply(a, a->old, a->p, err);
	applied = r == 0;
	if (applied)
		r = FAILPOINT("dp.publish.mapped");
	if (r == 0) {
		state_row_keep(row, a->p);
		state_row_free(&a->dp->st, a->row);
		return 0;
	}
	put_row(a, a->row);
	if (applied) {
		err_set(err, r, "test: dp.publish.mapped");
		(void)apply(a, a->p, a->old, NULL);
	}
	state_row_free(&a->dp->st, row);
	return r;
}

/* ---- all of it ------------------------------------------------------------- */

static int open_coming(struct alter *a, struct err *err)
{
	struct state_pub part = part_of(a, &a->come);
	int r = dp_hook(a->dp, a->net, &part, err);

	if (r < 0)
		return r;
	r = FAILPOINT("dp.publish.hooked");
	if (r < 0)
		err_set(err, r, "test: dp.publish.hooked");
	else
		r = change_rules(a, err);
	if (r < 0)
		dp_unhook(a->dp, a->net, &part);
	return r;
}

/* Does something else still lead to one of the container's ports of @r? */
static bool stays(const struct alter *a, const struct port_range *r)
{
	for (size_t i = 0; i < a->p->pub.ports.count; i++) {
		const struct port_range *o = &a->p->pub.ports.ranges[i];

		if (o->proto == r->proto &&
		    o->port_first < r->port_first + r->count &&
		    r->port_first < o->port_first + o->count)
			return true;
	}
	return false;
}

/* What comes straight to the container's ports, and this host's clients of them:
 * which host port they came by is not known, so only where none is left. */
static void end_direct(struct alter *a)
{
	_cleanup_(portmap_free) struct portmap closed = { 0 };
	struct state_pub part;

	for (size_t i = 0; i < a->gone.count; i++)
		if (!stays(a, &a->gone.ranges[i]) &&
		    portmap_append(&closed, &a->gone.ranges[i], NULL) < 0)
			return;
	part = part_of(a, &closed);
	dp_forget_direct(a->net, &part.pub);
	dp_abort_clients(a->net, &part);
}

/* As publish.c does it of all; of what is gone and what came here. */
static void settle(struct alter *a)
{
	struct dp *dp = a->dp;
	struct state_pub gone = part_of(a, &a->gone);

	if (a->p->holds) {
		state_mark(&dp->st, &a->come);
		dp_forget_flows(&a->come);
	}
	if (!a->gone.count)
		return;
	dp_unhook(dp, a->net, &gone);
	dp_stats_drop_ports(dp, &gone);
	claim_free(take_ptr(a->let_go));
	dp->st.stale = true;
	dp_fast_forget(dp, &gone);
	if (a->p->holds)
		dp_forget_flows(&a->gone);
	end_direct(a);
}

static int run(struct alter *a, struct portmap *ret, struct err *err)
{
	struct state_pub part;
	int r;

	take_claim(a);
	r = claim_coming(a, err);
	if (r == 0) {
		count_coming(a);
		r = portmap_copy(&a->p->pub.ports, ret, err);
		if (r == 0)
			r = open_coming(a, err);
		if (r < 0)
			portmap_free(ret);
		part = part_of(a, &a->come);
		if (r < 0)
			dp_stats_drop_ports(a->dp, &part);
	}
	if (r < 0)
		give_back(a);
	else
		settle(a);
	return r;
}

static void alter_fini(struct alter *a)
{
	portmap_free(&a->come);
	portmap_free(&a->gone);
	state_pub_free(a->old);
}

/* One that lost a port to another process while the daemon was away holds none of
 * them: to claim them all anew would fail, and close them all. */
static int refuse_unclaimed(const struct alter *a, struct err *err)
{
	if (a->dp->loading || !a->old->holds || !a->p->holds || a->old->claim ||
	    !a->old->pub.ports.count || !(a->come.count + a->gone.count) ||
	    !all_live(&a->come) || !all_live(&a->gone))
		return 0;
	return err_set(
		err, -EBUSY,
		"another process has a port of endpoint %.12s since this "
		"daemon was away (netctl doctor): end that process, "
		"restart this daemon, and ask again",
		a->p->id);
}

int dp_publish_alter(struct dp *dp, const struct dp_network *net,
		     struct state_row *row, struct state_pub *p,
		     struct portmap *ret, bool *done, struct err *err)
{
	_cleanup_(alter_fini) struct alter a = {
		.dp = dp, .net = net, .row = row, .p = p
	};
	int r = state_row_open(row, &dp->host, &a.old, err);

	if (r < 0)
		return r;
	p->holds = dp_publish_holds(net, &p->pub);
	r = subtract(&p->pub.ports, &a.old->pub.ports, &a.come, err);
	if (r == 0)
		r = subtract(&a.old->pub.ports, &p->pub.ports, &a.gone, err);
	if (r == 0)
		r = refuse_unclaimed(&a, err);
	*done = r == 0 && can_alter(&a);
	if (*done)
		r = run(&a, ret, err);
	if (r < 0 || !*done)
		state_row_keep(row, a.old); /* it has its claim still */
	return r;
}
