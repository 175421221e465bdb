// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking after what others change: our tables flushed, their own chains made
 * anew, their bridges coming and going (links.c).
 *
 * Our own changes make no events (the monitor drops them in the kernel).  Any
 * event of another's in our tables has them made anew, in one transaction, at
 * most ten times a second.  Once a second the ruleset's generation is asked as
 * well: only where it is another one than at the last look may an event have
 * been missed, and the tables and others' chains are looked at again.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "dataplane/dp_priv.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"

#define REPAIR_GAP_MS 100
#define LOOK_MS       1000

/* ---- rules -------------------------------------------------------------- */

static void on_rules(void *ctx, const struct fw_event *e)
{
	struct dp *dp = ctx;

	if (e->lost)
		dp->look = true;
	else if (ruleset_is_ours(dp->rs, e))
		dp->dirty = true;
	if (foreign_cares(e))
		dp->foreign = true;
	dp->ct.reread = true; /* our own changes make no events */
}

size_t dp_fds(struct dp *dp, int fds[static 4])
{
	fds[0] = fw_monitor_fd(dp->rules);
	fds[1] = nlk_monitor_fd(dp->links);
	if (!dp->fast.xfrm)
		return 2;
	fds[2] = nlk_xfrm_fd(dp->fast.xfrm);
	return 3;
}

/* Return: a list for foreign.h, owned; NULL: no memory. */
static struct foreign_net *foreign_nets(const struct dp *dp)
{
	size_t count = dp->st.networks.count;
	struct foreign_net *list = calloc(count ? count : 1, sizeof(*list));

	if (!list)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		memcpy(list[i].bridge, net->bridge, sizeof(list[i].bridge));
		memcpy(list[i].id, net->id, sizeof(list[i].id));
		list[i].out = !net->internal;
	}
	return list;
}

static int sync_foreign(struct dp *dp, int *moved, struct err *err)
{
	_cleanup_free_ struct foreign_net *list = foreign_nets(dp);
	int r;

	dp->foreign = true;
	if (!list)
		return err_set(err, -ENOMEM, "firewall rules");
	r = FAILPOINT("dp.foreign");
	if (r < 0)
		return err_set(err, r, "test: dp.foreign");
	r = foreign_sync(ruleset_fw(dp->rs), dp->driver, list,
			 dp->st.networks.count, moved, err);
	dp->foreign = r < 0;
	return r;
}

int dp_sync_foreign(struct dp *dp, struct err *err)
{
	return sync_foreign(dp, NULL, err);
}

/* That our rules go where Docker's chains went, as they do with each network that is
 * made, is no repair: nobody had taken anything away. */
static int follow_foreign(struct dp *dp, struct err *err)
{
	int moved = 0;
	int r = sync_foreign(dp, &moved, err);

	if (r >= 0 && moved)
		log_info("op=follow what=forward-chains rules=%d", moved / 2);
	return r < 0 ? r : r - moved;
}

int dp_follow_links(struct dp *dp, struct err *err)
{
	int r;

	if (!dp->relink)
		return 0;
	dp->relink = false;
	if (!dp->st.networks.count)
		return 0;
	r = dp_scan_links(dp, err);
	dp->ct.relook = true;
	if (r < 0)
		dp->relink = true; /* at the next event */
	if (r <= 0)
		return r;
	dp->fast.rehost = true; /* who is closed, and who not any more */
	r = ruleset_links(dp->rs, &dp->st, err);
	if (r < 0)
		dp->dirty = true;
	return r;
}

/* Has anybody, ourselves included, changed anything since the last look? */
static bool changed(struct dp *dp)
{
	uint32_t now, before = dp->seen;

	if (fw_generation(ruleset_fw(dp->rs), &now, NULL) < 0)
		return true;
	dp->seen = now;
	return now != before;
}

static int repair(struct dp *dp, uint64_t now, bool check, struct err *err)
{
	int r;

	if (dp->look || check) {
		r = dp->look ? ruleset_check(dp->rs, &dp->st, NULL, NULL, err)
			     : ruleset_missing(dp->rs, &dp->st, err);
		if (r < 0)
			return r;
		dp->look = false;
		dp->dirty = dp->dirty || r > 0;
	}
	if (!dp->dirty || now - dp->fixed_ms < REPAIR_GAP_MS)
		return 0;
	dp->dirty = false;
	dp->fixed_ms = now;
	r = ruleset_rebuild(dp->rs, &dp->st, err);
	if (r < 0)
		dp->dirty = true;
	return r < 0 ? r : 1;
}

static int follow_guard(struct dp *dp, bool tick, struct err *err)
{
	if (dp->reopen)
		dp_shortcut_look(dp);
	if (tick && dp->unguarded)
		return dp_load_guard(dp, err) < 0 ? 0 : 1;
	return guard_follow(dp->guard, tick, err);
}

/* Each part goes on where another one fails: an uplink that takes no program is
 * no reason to leave the rules flushed. */
struct done {
	int failed, repairs; /* the first failure, or 0 */
};

static void add(struct done *d, int r)
{
	if (r >= 0)
		d->repairs += r;
	else if (!d->failed)
		d->failed = r;
}

/* The first failure is the one that is told. */
static struct err *still(const struct done *d, struct err *err)
{
	return d->failed ? NULL : err;
}

int dp_event(struct dp *dp, struct err *err)
{
	DP_LOCKED(dp);
	uint64_t now = clock_mono_ms();
	bool tick = now - dp->looked_ms >= LOOK_MS;
	struct done done = { 0 };
	bool check;
	int r;

	if (tick)
		dp->looked_ms = now;
	r = fw_monitor_read(dp->rules, on_rules, dp, err);
	if (r < 0)
		return r;
	r = nlk_monitor_read(dp->links, dp_on_link, dp, err);
	if (r >= 0)
		r = dp_fast_ipsec_read(dp, err);
	if (r < 0)
		return r;
	if (dp->loading)
		return 0;
	if (dp->services_late || (tick && dp->services.count))
		add(&done, dp_services_follow(dp));
	if (tick)
		claim_tick(&dp->host);
	if (tick)
		dp_follow_routes(dp);
	if (tick && dp->unhooked && dp_load_hooks(dp, NULL) == 0)
		done.repairs++;
	if (tick && dp->leftover) {
		r = dp_take_down(dp, still(&done, err));
		add(&done, r < 0 ? r : 1);
	}
	add(&done, follow_guard(dp, tick, still(&done, err)));
	r = dp_follow_links(dp, still(&done, err));
	add(&done, r < 0 ? r : 0);
	add(&done, dp_fast_follow(dp, tick, still(&done, err)));
	r = tick ? dp_follow_again(dp, still(&done, err)) : 0;
	dp->dirty = dp->dirty || r > 0;
	add(&done, r < 0 ? r : 0);
	dp->dirty |= dp_conntrack_follow(dp, tick) > 0;
	/* before the look: what changes during it is for the next */
	check = tick && changed(dp);
	r = repair(dp, now, check, still(&done, err));
	if (r < 0)
		dp->seen = 0;
	add(&done, r);
	/* Docker may come and make FORWARD at any time */
	if ((dp->foreign || check) && dp->st.networks.count)
		add(&done, follow_foreign(dp, still(&done, err)));
	return done.failed < 0 ? done.failed : done.repairs;
}

/* ---- differences -------------------------------------------------------- */

/* Are host ports to be held for it? */
static bool wants_ports(const struct dp *dp, const struct state_row *row)
{
	const struct dp_network *net =
		state_network(&dp->st, state_row_network(row));
	struct dp_publish pub = { .network = "" };

	state_row_ips(row, &pub.ip4, &pub.ip6);
	return net && row->count && dp_publish_holds(net, &pub);
}

static int check_claims(const struct dp *dp,
			void (*fn)(void *ctx, const char *line), void *ctx)
{
	int found = 0;

	for (size_t i = 0; i < dp->st.pubs.count; i++) {
		const struct state_row *row = dp->st.pubs.items[i];
		struct state_ranges it = state_row_ranges(row);
		char line[256], range[128];
		struct port_range first;

		if (state_row_is_claimed(row) || !wants_ports(dp, row) ||
		    !state_ranges_next(&it, &first))
			continue;
		port_range_str(&first, range, sizeof(range));
		snprintf(line, sizeof(line),
			 "endpoint %.12s: %s is published, but another process "
			 "took the port while this daemon was away",
			 row->id, range);
		fn(ctx, line);
		found++;
	}
	return found;
}

/* Are the socket hooks in use? */
static bool hooked(const struct dp *dp)
{
	if (dp->services.count && dp_fast_runs(dp))
		return true;
	for (size_t i = 0; i < dp->st.pubs.count; i++)
		if (wants_ports(dp, dp->st.pubs.items[i]))
			return true;
	return false;
}

static void say_nothing(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

int dp_check(struct dp *dp, void (*fn)(void *ctx, const char *line), void *ctx,
	     struct err *err)
{
	DP_LOCKED(dp);
	_cleanup_free_ struct foreign_net *list = foreign_nets(dp);
	int found, r;

	if (!list)
		return err_set(err, -ENOMEM, "firewall rules");
	fn = fn ? fn : say_nothing;
	found = ruleset_check(dp->rs, &dp->st, fn, ctx, err);
	if (found < 0)
		return found;
	r = foreign_check(ruleset_fw(dp->rs), dp->driver, list,
			  dp->st.networks.count, fn, ctx, err);
	if (r < 0)
		return r;
	found += r + check_claims(dp, fn, ctx) + dp_check_again(dp, fn, ctx) +
		 guard_check(dp->guard, fn, ctx);
	r = hooked(dp) || dp->unhooked ? sock_check(dp->sock, fn, ctx, err) : 0;
	if (r < 0)
		return r;
	found += r;
	r = dp_fast_check(dp, fn, ctx, err);
	if (r < 0)
		return r;
	found += r;
	r = dp_services_check(dp, fn, ctx, err);
	return r < 0 ? r : found + r;
}
