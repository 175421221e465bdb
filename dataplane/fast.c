// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Networks on the eBPF dataplane: have it while one wants it, and keep it right.
 *
 * nftables stays underneath with all it has for the other networks, so here
 * everything may be late or missing without a packet being lost: what the
 * programs do not know they let pass, and the rules do it.  So each step that
 * fails is told and tried again.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/guard_count.h"
#include "dataplane/ebpf/nat_stat.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/netns.h"

#define HOST_GAP_MS 100
#define SWEEP_MAX   16384 /* flows looked at each second */
#define MASQ_LEAST  4096u /* ports; fewer would not do */

static void say(const char *event, const char *text)
{
	char quoted[ERR_MSG_MAX + 64];

	log_warn("event=%s text=%s", event,
		 log_quote(quoted, sizeof(quoted), text));
}

int dp_fast_open(struct dp *dp, const struct dp_config *cfg, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	struct nat_config nat = { .pins = sock_pins(dp->sock),
				  .nlk = dp->nlk,
				  .others = sock_is_other(dp->sock) ||
					    guard_is_other(dp->guard) };
	int r = tc_open(nat.pins, !cfg->no_tcx, &f->tc, err);

	f->masq_first = cfg->masq_first;
	f->masq_last = cfg->masq_last;
	if (r == 0)
		r = dp_fast_ipsec_open(dp, err);
	/* without tc there is no eBPF dataplane; the others do without it */
	if (r == -EOPNOTSUPP) {
		snprintf(f->trouble, sizeof(f->trouble), "%s",
			 err ? err->msg : "no tc programs");
		return 0;
	}
	if (r < 0)
		return r;
	nat.tc = f->tc;
	if (cfg->flow_table) {
		nat.est_max = 2 * cfg->flow_table;
		nat.new_max = cfg->flow_table / 2;
	}
	r = nat_stats_open(nat.pins, &f->stats, err);
	if (r < 0)
		return r;
	r = nat_open(&nat, &f->nat, &f->dropped, err);
	if (r == 0 && f->dropped)
		say("flows-dropped",
		    "the eBPF dataplane's maps are of another version of this "
		    "program: its flows end or go on by nftables");
	return r;
}

void dp_fast_close(struct dp *dp)
{
	/* what is masqueraded goes on: dp_close() leaves all claims */
	claim_free(take_ptr(dp->fast.masq));
	dp_fast_ipsec_close(dp);
	nat_close(dp->fast.nat);
	nat_stats_close(dp->fast.stats);
	tc_close(dp->fast.tc);
}

bool dp_fast_wants(const struct dp_network *net)
{
	return net->backend == DP_EBPF && net->firewall == DP_FW_OPEN;
}

bool dp_fast_runs(const struct dp *dp)
{
	return dp->fast.nat && nat_is_attached(dp->fast.nat);
}

int dp_fast_program(const struct dp *dp, const struct dp_network *net)
{
	return dp_fast_runs(dp) && dp_fast_wants(net)
		       ? nat_endpoint_program(dp->fast.nat)
		       : -1;
}

static bool any_wants(const struct dp *dp)
{
	for (size_t i = 0; i < dp->st.networks.count; i++)
		if (dp_fast_wants(dp->st.networks.items[i]))
			return true;
	return false;
}

/* ---- the host's view ----------------------------------------------------- */

static bool is_gateway(void *ctx, const struct nlk_link *l,
		       const struct ip_addr *ip)
{
	const struct dp *dp = ctx;
	bool known = false;

	for (size_t i = 0; i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (strcmp(net->bridge, l->name) != 0)
			continue;
		known = true;
		if (ip_equal(&net->gateway4.addr, ip) ||
		    ip_equal(&net->gateway6.addr, ip))
			return true;
	}
	/* another Berth driver's bridge has no other addresses */
	return !known;
}

static struct nat_view view_of(struct dp *dp)
{
	return (struct nat_view){ .ctx = dp,
				  .kind = dp_link_kind,
				  .is_gateway = is_gateway };
}

static void say_attached(int uplinks)
{
	char text[96];

	snprintf(text, sizeof(text),
		 "somebody detached the eBPF program of %d uplinks: attached "
		 "again",
		 uplinks);
	say("attached-again", text);
}

static int look_at_host(struct dp *dp, struct err *err)
{
	const struct nat_view view = view_of(dp);
	int back = 0, r = nat_host_sync(dp->fast.nat, &view, &back, err);

	dp->fast.blind = r < 0;
	if (back)
		say_attached(back);
	return r < 0 ? r : back;
}

/* ---- ports for masquerade ------------------------------------------------ */

bool dp_masq_choose(uint32_t lo, uint32_t hi, uint16_t *first, uint16_t *last)
{
	uint32_t a = *first, b = *last;

	if (hi < a || lo > b)
		return false;
	if (lo >= a + MASQ_LEAST) {
		*last = (uint16_t)(lo - 1);
		return false;
	}
	if (hi + MASQ_LEAST <= b) {
		*first = (uint16_t)(hi + 1);
		return false;
	}
	/* most of a machine's ports are ephemeral: take the last of ours */
	if (b - a >= 2 * MASQ_LEAST)
		*first = (uint16_t)(b - 2 * MASQ_LEAST + 1);
	return true;
}

/* ip_local_port_range is @lo to @hi. */
static int keep_ports_from(struct dp *dp, unsigned int lo, unsigned int hi,
			   struct err *err)
{
	struct dp_fast *f = &dp->fast;
	uint16_t first = f->masq_first ? f->masq_first : NAT_MASQ_FIRST;
	uint16_t last = f->masq_first ? f->masq_last : NAT_MASQ_LAST;
	_cleanup_(claim_freep) struct claim *kept = NULL;
	int r = 0;

	if (dp_masq_choose(lo, hi, &first, &last))
		r = claim_keep(&dp->host, first, last, &kept, err);
	if (r == 0)
		r = nat_masquerade_ports(f->nat, first, last, err);
	if (r < 0)
		return r;
	/* the new ones first: what both have is never let go */
	claim_free(f->masq);
	f->masq = take_ptr(kept);
	f->eph_first = lo;
	f->eph_last = hi;
	return 0;
}

/* Keep them out of the ephemeral ports as those are now.  Return: 1: they changed; 0;
 * -errno. */
static int keep_ports(struct dp *dp, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	char text[64] = "";
	unsigned int lo = 0, hi = 0;
	int r = sysctl_get("net/ipv4/ip_local_port_range", text, sizeof(text),
			   err);

	if (r < 0)
		return r;
	if (sscanf(text, "%u %u", &lo, &hi) != 2)
		return err_set(err, -EBADMSG, "ip_local_port_range is \"%s\"",
			       text);
	if (nat_is_attached(f->nat) && lo == f->eph_first && hi == f->eph_last)
		return 0;
	r = keep_ports_from(dp, lo, hi, err);
	return r < 0 ? r : 1;
}

/* ---- start, stop --------------------------------------------------------- */

static void let_go(struct dp *dp)
{
	(void)nat_detach(dp->fast.nat, NULL);
	claim_free(take_ptr(dp->fast.masq));
}

/* The programs and their maps.  Uplinks have none yet, or an earlier daemon's. */
static int start(struct dp *dp, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	int r;

	if (!f->nat)
		return err_set(err, -EOPNOTSUPP, "%s", f->trouble);
	r = sock_attach(dp->sock, err); /* the maps of published ports */
	if (r == 0)
		r = guard_start(dp->guard, err); /* and of guarded ones */
	if (r == 0)
		r = keep_ports(dp, err);
	if (r >= 0)
		r = nat_attach(f->nat, err);
	if (r == 0 && nat_resized(f->nat))
		say("flows-dropped",
		    "the eBPF dataplane's table of flows has another size than "
		    "before (--flow-table): its flows end");
	if (r == 0) /* before a packet meets the programs */
		r = dp_fast_ipsec_look(dp, true, err);
	if (r == 0) {
		r = FAILPOINT("dp.fast.attached");
		if (r < 0)
			err_set(err, r, "test: dp.fast.attached");
	}
	if (r == 0) {
		f->again = false;
		f->listed = true; /* by an earlier daemon, perhaps */
		f->trouble[0] = '\0';
		return 0;
	}
	let_go(dp);
	return r;
}

static void note_trouble(struct dp *dp, int r, const struct err *err)
{
	struct dp_fast *f = &dp->fast;

	if (strcmp(f->trouble, err->msg) != 0)
		say("dataplane-falls-back", err->msg);
	snprintf(f->trouble, sizeof(f->trouble), "%s", err->msg);
	/* a kernel that can't will not learn it */
	f->again = r != -EOPNOTSUPP;
}

int dp_fast_start(struct dp *dp, const struct dp_network *net, struct err *err)
{
	struct err own = { "" };
	int r;

	if (net->backend == DP_EBPF && !dp_fast_wants(net))
		say("dataplane-falls-back",
		    "a network with berth.firewall=respect is carried by "
		    "nftables alone");
	if (!dp_fast_wants(net) || dp_fast_runs(dp))
		return 0;
	r = start(dp, &own);
	if (r == 0) {
		r = look_at_host(dp, &own);
		if (r >= 0)
			return 0;
		let_go(dp);
	}
	/* nftables would open to all what a policy closes to some */
	if (!net->fall_back || !dp_policy_is_none(&net->policy))
		return err_set(err, r,
			       "berth.dataplane=ebpf: %s; or use "
			       "berth.dataplane=nft",
			       own.msg);
	note_trouble(dp, r, &own);
	return 0;
}

int dp_fast_stop(struct dp *dp, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	int r;

	if (!f->nat || any_wants(dp))
		return 0;
	f->again = false;
	f->trouble[0] = '\0';
	if (!dp_fast_runs(dp) && !nat_is_pinned(f->nat))
		return 0;
	r = nat_detach(f->nat, err);
	claim_free(take_ptr(f->masq));
	return r;
}

void dp_fast_take_over(struct dp *dp)
{
	struct err err = { "" };
	int r;

	if (!any_wants(dp) || dp_fast_runs(dp))
		return;
	r = start(dp, &err);
	if (r < 0)
		note_trouble(dp, r, &err);
}

static int guard_anew(struct dp *dp, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < dp->st.networks.count; i++)
		if (dp_fast_wants(dp->st.networks.items[i]))
			r = dp_guard_network(dp, dp->st.networks.items[i], err);
	return r;
}

/* Who had a counter under an earlier daemon has said so. */
static void end_recall(struct dp *dp)
{
	if (dp->fast.stats)
		nat_stats_recalled(dp->fast.stats);
}

/* What an earlier daemon left is taken over, or removed. */
void dp_fast_load(struct dp *dp)
{
	/* after a failure some ports may have the guard alone, and an entry
	 * must not lead there */
	bool anew = !dp_fast_runs(dp) || dp->fast.again;
	struct err err = { "" };
	int r = 0;

	if (!any_wants(dp)) {
		(void)dp_fast_stop(dp, NULL);
		end_recall(dp);
		return;
	}
	if (!dp_fast_runs(dp))
		r = start(dp, &err);
	if (r >= 0 && anew)
		r = guard_anew(dp, &err);
	if (r >= 0)
		r = dp_fast_ports(dp, &err);
	if (r >= 0)
		r = look_at_host(dp, &err);
	if (r < 0) {
		note_trouble(dp, r, &err);
		return; /* nftables does it meanwhile */
	}
	nat_flow_recheck(dp->fast.nat);
	end_recall(dp);
	dp->fast.again = false;
}

/* ---- flows --------------------------------------------------------------- */

void dp_fast_forget(struct dp *dp, const struct state_pub *p)
{
	const struct ip_addr *const ips[] = { &p->pub.ip4, &p->pub.ip6 };
	_cleanup_free_ struct nat_filter *filters = NULL;
	size_t n = 0;

	if (!dp_fast_runs(dp) || !p->holds)
		return;
	filters = calloc(2 * p->pub.ports.count + 1, sizeof(*filters));
	for (size_t i = 0; filters && i < 2 * p->pub.ports.count; i++) {
		const struct port_range *r = &p->pub.ports.ranges[i / 2];

		if (ip_is_none(ips[i % 2]) ||
		    (!ip_is_none(&r->host_ip) &&
		     r->host_ip.family != ips[i % 2]->family))
			continue; /* a host address leads to its own family */
		filters[n++] = (struct nat_filter){ .container = *ips[i % 2],
						    .host = r->host_ip,
						    .proto = r->proto,
						    .first = r->host_first,
						    .count = r->count };
	}
	/* what stays is idle some day; the port is closed all the same */
	(void)nat_flow_forget(dp->fast.nat, filters, n, NULL);
}

/* ---- following ----------------------------------------------------------- */

void dp_fast_on_link(struct dp *dp, const struct nlk_event *e, bool ours)
{
	struct dp_fast *f = &dp->fast;

	switch (e->type) {
	case NLK_LINK_NEW:
	case NLK_LINK_DEL:
		/* our endpoints come and go all the time */
		if (ours && e->link.master)
			return;
		f->rehost = true;
		f->reports = f->reports || ours;
		return;
	case NLK_LOST:
		f->reports = true;
		f->rehost = true;
		return;
	case NLK_ADDR_NEW:
	case NLK_ADDR_DEL:
		f->rehost = true;
		return;
	case NLK_ROUTE_NEW:
	case NLK_ROUTE_DEL:
		f->reroute = true; /* of a routing daemon there are many */
		return;
	case NLK_TC_DEL:
		return; /* mend() looks every second */
	}
}

static int mend(struct dp *dp, struct err *err)
{
	int n = nat_host_mend(dp->fast.nat, err);

	dp->fast.unmended = n < 0;
	if (n > 0)
		say_attached(n);
	return n;
}

static int look_again(struct dp *dp, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	uint64_t now = clock_mono_ms();
	int n, r;

	if (!f->rehost || now - f->rehosted_ms < HOST_GAP_MS)
		return 0;
	f->rehosted_ms = now;
	f->rehost = false;
	n = look_at_host(dp, err);
	r = n >= 0 && f->reports ? dp_fast_ports(dp, err) : 0;
	f->reports = f->reports && (n < 0 || r < 0);
	f->rehost = n < 0 || r < 0;
	return n < 0 ? n : r < 0 ? r : n;
}

static void crowd_text(struct dp *dp, char *buf, size_t size)
{
	snprintf(buf, size,
		 "the eBPF dataplane's table of established flows is more than "
		 "%d %% full (room for %u): when it is full new connections "
		 "are refused; start berth-bridge with a larger --flow-table",
		 NAT_CROWDED, nat_flow_room(dp->fast.nat) / 2);
}

/* Once each time it fills. */
static void tell_crowd(struct dp *dp)
{
	struct dp_fast *f = &dp->fast;
	bool crowded = nat_flow_crowded(f->nat);
	char text[256];

	if (crowded && !f->crowded) {
		crowd_text(dp, text, sizeof(text));
		say("flow-table-fills", text);
	}
	f->crowded = crowded;
}

int dp_fast_follow(struct dp *dp, bool tick, struct err *err)
{
	struct dp_fast *f = &dp->fast;
	int n = 0, r = 0;

	if (tick && f->again) {
		dp_fast_load(dp);
		n = !f->again;
	}
	if (!dp_fast_runs(dp))
		return n;
	if (tick) {
		f->rehost = f->rehost || f->reroute;
		f->reroute = false;
	}
	if (f->reipsec || tick)
		r = dp_fast_ipsec_look(dp, false, err);
	if (r == 0 && !f->again)
		r = look_again(dp, err);
	n = r < 0 ? r : n + r;
	if (!tick)
		return n;
	r = mend(dp, n < 0 ? NULL : err);
	if (n >= 0)
		n = r < 0 ? r : n + r;
	/* the administrator's to change, and so no repair */
	r = keep_ports(dp, n < 0 ? NULL : err);
	if (n >= 0 && r < 0)
		n = r;
	/* flows end whatever becomes of the uplinks, or their map fills */
	r = nat_flow_tick(f->nat, SWEEP_MAX, n < 0 ? NULL : err);
	tell_crowd(dp);
	return n < 0 || r >= 0 ? n : r;
}

/* ---- looking ------------------------------------------------------------- */

static const char *why_not(const struct dp *dp, const struct dp_network *net)
{
	if (!dp_fast_wants(net))
		return "berth.firewall=respect needs the host's INPUT rules";
	return dp_fast_runs(dp) ? DP_IPSEC_TEXT : dp->fast.trouble;
}

static int check_networks(struct dp *dp,
			  void (*fn)(void *ctx, const char *line), void *ctx)
{
	char line[ERR_MSG_MAX + 128];
	int n = 0;

	for (size_t i = 0; i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (net->backend != DP_EBPF ||
		    (dp_fast_wants(net) && dp_fast_runs(dp) && !dp->fast.ipsec))
			continue;
		snprintf(line, sizeof(line),
			 "network %.12s: berth.dataplane=ebpf, but %s: %s",
			 net->id,
			 !dp_fast_is_judged(dp, net)
				 ? "nftables does it alone"
				 : "its published ports are closed, as "
				   "nftables does not know who may reach them",
			 why_not(dp, net));
		fn(ctx, line);
		n++;
	}
	return n;
}

int dp_fast_check(struct dp *dp, void (*fn)(void *ctx, const char *line),
		  void *ctx, struct err *err)
{
	const struct nat_view view = view_of(dp);
	int n = check_networks(dp, fn, ctx), r;
	char text[256];

	if (!dp_fast_runs(dp))
		return n;
	if (nat_flow_crowded(dp->fast.nat)) {
		crowd_text(dp, text, sizeof(text));
		fn(ctx, text);
		n++;
	}
	r = nat_host_check(dp->fast.nat, &view, fn, ctx, err);
	if (r < 0)
		return r;
	n += r;
	r = dp_fast_check_policies(dp, fn, ctx, err);
	if (r < 0)
		return r;
	n += r;
	r = dp_fast_check_ports(dp, fn, ctx, err);
	return r < 0 ? r : n + r;
}

bool dp_network_is_fast(struct dp *dp, const char *network)
{
	DP_LOCKED(dp);
	const struct dp_network *net = state_network(&dp->st, network);

	return net && dp_fast_wants(net) && dp_fast_runs(dp) && !dp->fast.ipsec;
}

int dp_counts(struct dp *dp,
	      void (*fn)(void *ctx, const char *name, uint64_t value),
	      void *ctx, struct err *err)
{
	DP_LOCKED(dp);
	uint64_t counts[NAT_COUNT_MAX];
	int r = guard_counts(sock_pins(dp->sock), fn, ctx, err);

	if (r < 0 || !dp_fast_runs(dp))
		return r;
	r = nat_counts(dp->fast.nat, counts, err);
	for (unsigned int i = 0; r == 0 && i < NAT_COUNT_MAX; i++)
		fn(ctx, nat_count_name(i), counts[i]);
	return r;
}
