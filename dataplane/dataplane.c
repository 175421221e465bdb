// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The facade: keeps what it was told in memory, and changes the kernel and the
 * memory together or not at all.  Ports are in ports.c, publishing in publish.c,
 * looking after what others change in watch.c.
 */
#include "dataplane/dataplane.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/nat_stat.h"
#include "lib/fail.h"
#include "lib/log.h"

static void *copy_of(const void *p, size_t size)
{
	void *c = malloc(size);

	return c ? memcpy(c, p, size) : NULL;
}

/* Some claims are descriptors, and the soft limit is 1024 in most places. */
static void raise_descriptor_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 &&
	    lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim); /* ranges need none */
	}
}

static void tell_others(const struct dp *dp)
{
	if (sock_is_other(dp->sock))
		log_warn("event=hooks-replaced text=\"the socket hooks' maps "
			 "are of another version of this program: they are not "
			 "read but made anew, the old ones work until then\"");
	if (guard_is_other(dp->guard))
		log_warn("event=guard-replaced text=\"the maps of the guard of "
			 "containers' ports are of another version of this "
			 "program: they are not read but made anew, the old "
			 "guard stands until then\"");
}

int dp_open(const struct dp_config *cfg, struct dp **ret, struct err *err)
{
	const struct sock_config sock = { .driver = cfg->driver,
					  .bpf_dir = cfg->bpf_dir,
					  .cgroup = cfg->cgroup };
	_cleanup_(dp_closep) struct dp *dp = calloc(1, sizeof(*dp));
	int r;

	if (!dp)
		return err_set(err, -ENOMEM, "dataplane");
	pthread_mutex_init(&dp->lock, NULL);
	pthread_mutex_init(&dp->tracing, NULL);
	snprintf(dp->driver, sizeof(dp->driver), "%s", cfg->driver);
	dp->again = -1;
	raise_descriptor_limit();
	r = ruleset_open(cfg->driver, &dp->rs, err);
	if (r < 0)
		return r;
	r = sock_open(&sock, &dp->sock, err);
	if (r < 0)
		return r;
	dp->host.sock = dp->sock;
	r = guard_open(sock_pins(dp->sock), &dp->guard, err);
	if (r < 0)
		return r;
	tell_others(dp);
	r = fw_monitor_open(&dp->rules, err);
	if (r < 0)
		return r;
	r = fw_monitor_ignore(dp->rules, fw_portid(ruleset_fw(dp->rs)), err);
	if (r < 0)
		return r;
	r = nlk_open(&dp->nlk, err);
	if (r < 0)
		return r;
	r = nlk_monitor_open(&dp->links, err);
	if (r == 0)
		r = nlk_monitor_add_tc(dp->links, err);
	if (r == 0)
		r = dp_fast_open(dp, cfg, err);
	if (r < 0)
		return r;
	dp_conntrack_open(dp, cfg->conntrack_auto);
	*ret = take_ptr(dp);
	return 0;
}

void dp_close(struct dp *dp)
{
	if (!dp)
		return;
	/* what is published stays so */
	claim_tick(&dp->host);
	dp->host.leaving = true;
	dp_fast_close(dp);
	nlk_monitor_close(dp->links);
	nlk_close(dp->nlk);
	guard_close(dp->guard);
	dp_services_fini(dp);
	sock_close(dp->sock);
	fw_monitor_close(dp->rules);
	ruleset_close(dp->rs);
	state_fini(&dp->st);
	pthread_mutex_destroy(&dp->tracing);
	pthread_mutex_destroy(&dp->lock);
	free(dp);
}

void dp_load_begin(struct dp *dp)
{
	DP_LOCKED(dp);

	dp->loading = true;
	dp->host.adopting = true;
	/* where that fails they begin anew */
	if (dp->fast.stats)
		(void)nat_stats_recall(dp->fast.stats, NULL);
	sock_load_begin(dp->sock);
}

int dp_hooks_stop(struct dp *dp, struct err *err)
{
	return dp->st.networks.count || dp->services.count
		       ? 0
		       : sock_detach(dp->sock, err);
}

int dp_load_hooks(struct dp *dp, struct err *err)
{
	int r = dp_services_load(dp, err);

	if (r == 0)
		r = sock_load_end(dp->sock, err);
	dp->unhooked = r < 0;
	if (r < 0)
		return r;
	claim_forget(&dp->host, sock_load_dropped(dp->sock));
	dp_fast_load(dp);
	dp_services_loaded(dp);
	return dp_hooks_stop(dp, err);
}

/* Each step is done whatever became of the one before.  Rules that could not be
 * made dp_event() makes, or tells why not. */
int dp_load_end(struct dp *dp, struct err *err)
{
	DP_LOCKED(dp);
	bool was_tracked = ruleset_is_tracked(dp->rs);
	int r, guarded;

	dp->loading = false;
	dp_fast_take_over(dp); /* its program is part of the guard */
	dp->host.adopting = false;
	dp->host.others_ms = 0; /* what was read may be ours by now */
	r = dp_scan_links(dp, NULL);
	if (r >= 0)
		r = dp_follow_again(dp, NULL);
	/* the other form waits until the programs know all: dp_event() */
	ruleset_set_tracked(dp->rs, true);
	if (!was_tracked)
		dp_conntrack_choose(dp);
	if (r >= 0)
		r = FAILPOINT("dp.load.rules");
	if (r >= 0)
		r = ruleset_rebuild(dp->rs, &dp->st, NULL);
	if (r < 0)
		dp->dirty = dp->relink = true;
	/* after the rules: those of a version before the guard set no stamp */
	guarded = dp_load_guard(dp, err);
	r = dp_load_hooks(dp, guarded < 0 ? NULL : err);
	/* tried again every second, and dp_check() tells */
	(void)dp_sync_foreign(dp, NULL);
	return guarded < 0 ? guarded : r;
}

/* ---- networks ----------------------------------------------------------- */

static int check_network(const struct dp_network *net, struct err *err)
{
	if (!net->id[0] || !net->bridge[0])
		return err_set(err, -EINVAL, "network without id or bridge");
	return dp_policy_check(net, &net->policy, err);
}

/* The first failure is the one that is told. */
static void note(int r, int *failed, struct err *why, struct err *err)
{
	if (r >= 0 || *failed)
		return;
	*failed = r;
	if (err)
		err_set(err, r, "%s", why->msg);
}

static int without_rules(struct dp *dp, struct err *err)
{
	int r = dp_follow_again(dp, err);

	if (r > 0)
		r = ruleset_rebuild(dp->rs, &dp->st, err);
	dp->dirty = dp->dirty || r < 0;
	return r;
}

int dp_take_down(struct dp *dp, struct err *err)
{
	struct err why = { "" };
	int failed = 0;

	note(without_rules(dp, &why), &failed, &why, err);
	note(dp_sync_foreign(dp, &why), &failed, &why, err);
	note(dp_fast_stop(dp, &why), &failed, &why, err);
	dp_fast_drop_policies(dp);
	if (!dp->st.networks.count) {
		note(guard_stop(dp->guard, &why), &failed, &why, err);
		note(dp_hooks_stop(dp, &why), &failed, &why, err);
	}
	dp->leftover = failed < 0;
	return failed;
}

/* @mapped: the rules have it. */
static void take_out(struct dp *dp, const struct dp_network *net, bool mapped)
{
	struct ruleset_change change = { .net_old = net };

	(void)guard_shortcut_del(dp->guard, net->bridge, NULL);
	free(tab_take(&dp->st.networks, net->id));
	dp_conntrack_choose(dp);
	if (mapped && ruleset_apply(dp->rs, &dp->st, &change, NULL) < 0)
		dp->dirty = true;
	(void)dp_take_down(dp, NULL);
}

static int add_network(struct dp *dp, const struct dp_network *net,
		       struct err *err)
{
	struct ruleset_change change = { .net_new = net };
	_cleanup_free_ struct dp_network *copy = copy_of(net, sizeof(*net));
	int r;

	if (!copy || tab_put(&dp->st.networks, copy) < 0)
		return err_set(err, -ENOMEM, "network %.12s", net->id);
	copy = NULL;
	if (dp->loading)
		return 0;
	r = guard_start(dp->guard, err);
	if (r >= 0)
		r = dp_fast_start(dp, net, err);
	if (r >= 0)
		r = dp_fast_policies(dp, err);
	if (r >= 0)
		r = dp_follow_again(dp, err);
	dp_conntrack_choose(dp);
	if (r >= 0)
		r = ruleset_apply(dp->rs, &dp->st, &change, err);
	if (r < 0) {
		take_out(dp, net, false);
		return r;
	}
	r = FAILPOINT("dp.network.mapped");
	if (r < 0)
		err_set(err, r, "test: dp.network.mapped");
	else
		r = dp_sync_foreign(dp, err);
	if (r >= 0)
		return 0;
	take_out(dp, net, true);
	return r;
}

/* As @before, in the kernel as well; what of that fails is made anew at the next look. */
static void put_back(struct dp *dp, struct dp_network *net,
		     const struct dp_network *before)
{
	int r;

	*net = *before;
	r = dp_follow_again(dp, NULL);
	dp_conntrack_choose(dp);
	if (r >= 0)
		r = ruleset_rebuild(dp->rs, &dp->st, NULL);
	dp->dirty = dp->dirty || r < 0;
	if (dp_fast_renew(dp, net, NULL) < 0)
		dp->unguarded = dp->fast.again = true;
	if (dp_fast_stop(dp, NULL) < 0)
		dp->leftover = true;
}

/* The same id in another form: its ports and publishes depend on it. */
static int replace_network(struct dp *dp, struct dp_network *old,
			   const struct dp_network *net, struct err *err)
{
	struct dp_network before = *old;
	int r;

	*old = *net;
	if (dp->loading)
		return 0;
	r = dp_fast_start(dp, net, err);
	if (r < 0) {
		*old = before;
		return r;
	}
	r = dp_follow_again(dp, err);
	dp_conntrack_choose(dp);
	if (r >= 0)
		r = ruleset_rebuild(dp->rs, &dp->st, err);
	if (r >= 0 && !dp_shortcut_allowed(net))
		r = guard_shortcut_del(dp->guard, before.bridge, err);
	if (r >= 0)
		r = dp_fast_renew(dp, net, err);
	if (r < 0) {
		put_back(dp, old, &before);
		return r;
	}
	return dp_take_down(dp, err);
}

int dp_network_add(struct dp *dp, const struct dp_network *net, struct err *err)
{
	DP_LOCKED(dp);
	struct dp_network *old = state_network(&dp->st, net->id);
	int r = check_network(net, err);

	if (r < 0 || (old && network_equal(old, net)))
		return r;
	if (!dp->loading && !dp->st.networks.count) {
		r = dp_scan_links(dp, err);
		if (r < 0)
			return r;
		dp->ct.relook = true;
	}
	dp->fast.rehost = true; /* its gateway is one now */
	r = old ? replace_network(dp, old, net, err)
		: add_network(dp, net, err);
	/* a bridge of the user's, or seen before it had its alias */
	if (r >= 0 && !dp->loading && tab_find(&dp->st.links, net->bridge)) {
		dp->relink = true;
		(void)dp_follow_links(dp, NULL);
	}
	(void)dp_services_follow(dp);
	return r;
}

static bool has_members(const struct state *st, const char *network)
{
	for (size_t i = 0; i < st->pubs.count; i++) {
		if (strcmp(state_row_network(st->pubs.items[i]), network) == 0)
			return true;
	}
	for (size_t i = 0; i < st->ports.count; i++) {
		const struct state_port *p = st->ports.items[i];

		if (strcmp(p->port.network, network) == 0)
			return true;
	}
	return false;
}

/* What the driver did not remove before the network, and no rule knows now. */
static void drop_members(struct dp *dp, const struct dp_network *net)
{
	struct state *st = &dp->st;

	for (size_t i = st->pubs.count; i-- > 0;) {
		struct state_row *row = st->pubs.items[i];
		_cleanup_(state_pub_freep) struct state_pub *p = NULL;

		/* without memory it stays, for dp_publish_del() */
		if (strcmp(state_row_network(row), net->id) != 0 ||
		    state_row_open(row, &dp->host, &p, NULL) < 0)
			continue;
		dp_unhook(dp, net, p);
		dp_stats_drop_ports(dp, p);
		dp_fast_forget(dp, p);
		dp_abort_clients(net, p);
		state_row_free(st, tab_take(&st->pubs, p->id));
	}
	for (size_t i = st->ports.count; i-- > 0;) {
		struct state_port *p = st->ports.items[i];

		if (strcmp(p->port.network, net->id) != 0)
			continue;
		dp_fast_port_del(dp, p);
		dp_stats_drop_port(dp, p);
		(void)guard_port_del(dp->guard, p->port.ifname, NULL);
		free(tab_take(&st->ports, p->id));
	}
	state_remark(st);
}

/* The rules without @net, which is out of the table. */
static int unmap_network(struct dp *dp, const struct dp_network *net,
			 bool members, struct err *err)
{
	struct ruleset_change change = { .net_old = net };
	int r = FAILPOINT("dp.network.unmap");

	if (r < 0)
		return err_set(err, r, "test: dp.network.unmap");
	dp_conntrack_choose(dp);
	return members ? ruleset_rebuild(dp->rs, &dp->st, err)
		       : ruleset_apply(dp->rs, &dp->st, &change, err);
}

int dp_network_del(struct dp *dp, const char *network, struct err *err)
{
	DP_LOCKED(dp);
	_cleanup_free_ struct dp_network *net =
		tab_take(&dp->st.networks, network);
	bool members;
	int r;

	if (!net)
		return dp->leftover ? dp_take_down(dp, err) : 0;
	members = has_members(&dp->st, network);
	r = unmap_network(dp, net, members, err);
	if (r < 0) {
		if (tab_put(&dp->st.networks, net) == 0)
			net = NULL; /* may be asked again */
		dp_conntrack_choose(dp);
		return r;
	}
	(void)guard_shortcut_del(dp->guard, net->bridge, NULL);
	if (members)
		drop_members(dp, net);
	/* the bridge may be the user's, and stay */
	dp->relink = dp->fast.rehost = true;
	r = dp_take_down(dp, err);
	(void)dp_services_follow(dp);
	return r;
}

int dp_forward_guard(struct dp *dp, bool v4, bool v6, struct err *err)
{
	DP_LOCKED(dp);

	if (dp->st.stop4 == v4 && dp->st.stop6 == v6)
		return 0;
	dp->st.stop4 = v4;
	dp->st.stop6 = v6;
	return dp->loading ? 0 : ruleset_links(dp->rs, &dp->st, err);
}

int dp_forward_shared(struct dp *dp, bool v6, struct err *err)
{
	static const char *const drivers[] = DP_DRIVERS;
	DP_LOCKED(dp);

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		int r = strcmp(drivers[i], dp->driver) == 0
				? 0
				: ruleset_stops(dp->rs, drivers[i], v6, err);

		if (r != 0)
			return r;
	}
	return 0;
}
