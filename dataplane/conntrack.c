// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of its two forms the ruleset has; why is in conntrack.h. */
#include "dataplane/conntrack.h"

#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "lib/clock.h"
#include "lib/log.h"

#define SCAN_GAP_MS 100
#define READ_GAP_MS 1000 /* some firewalls have tens of thousands of rules */

/* ---- the choice ----------------------------------------------------------- */

static const char *family_why(const struct ip_prefix *subnet,
			      enum dp_gateway_mode mode, bool masquerade)
{
	if (ip_is_none(&subnet->addr))
		return NULL;
	if (mode == DP_GW_ISOLATED)
		return NULL; /* nothing leaves, nothing comes in */
	if (mode != DP_GW_NAT)
		return "a network whose containers are reached directly";
	return masquerade ? NULL : "a network without masquerade";
}

static const char *network_why(const struct dp_network *net)
{
	const char *why;

	if (net->backend != DP_EBPF)
		return "a network that nftables carries";
	if (net->firewall != DP_FW_OPEN)
		return "a network with berth.firewall=respect";
	if (!net->guard)
		return "a network with berth.guard=off";
	if (net->trusted[0][0])
		return "a network with trusted_host_interfaces";
	if (net->internal)
		return NULL;
	why = family_why(&net->subnet4, net->mode4, net->masquerade4);
	return why ? why
		   : family_why(&net->subnet6, net->mode6, net->masquerade6);
}

const char *conntrack_why(const struct conntrack_view *v)
{
	const char *why = NULL;

	for (size_t i = 0; !why && i < v->st->networks.count; i++)
		why = network_why(v->st->networks.items[i]);
	if (why)
		return why;
	if (!v->programs)
		return "the eBPF programs do not have all packets";
	if (!v->hooks)
		return "the socket hooks do not see every process";
	if (v->lent)
		return "a port in a network's bridge that is no container's";
	if (v->links)
		return "an interface without Ethernet header, or a VRF";
	if (v->bare)
		return "a default route by an interface without an address";
	if (v->sctp)
		return "a published port of SCTP";
	if (v->refused)
		return "a kernel that does not take the rules without it";
	return v->others ? "rules of others" : NULL;
}

/* ---- looking at the host --------------------------------------------------- */

struct scan {
	struct dp *dp;
	bool odd;
	bool addressed[2]; /* the default routes' links */
};

static int scan_link(void *ctx, const struct nlk_link *l)
{
	struct scan *s = ctx;

	if (l->up && l->type != ARPHRD_LOOPBACK &&
	    (l->type != ARPHRD_ETHER || strcmp(l->kind, "vrf") == 0))
		s->odd = true;
	return 0;
}

static int scan_addr(void *ctx, const struct nlk_addr *a)
{
	struct scan *s = ctx;
	int family = a->p.addr.family == AF_INET6;

	if (a->index == s->dp->uplinks[family] && a->scope == RT_SCOPE_UNIVERSE)
		s->addressed[family] = true;
	return 0;
}

static int scan(struct dp *dp, struct err *err)
{
	struct dp_conntrack *c = &dp->ct;
	struct scan s = { .dp = dp };
	int r = nlk_link_each(dp->nlk, scan_link, &s, err);

	if (r >= 0)
		r = nlk_addr_walk(dp->nlk, scan_addr, &s, err);
	c->unseen = r < 0;
	if (r < 0)
		return r;
	c->links = s.odd;
	c->bare = (dp->uplinks[0] && !s.addressed[0]) ||
		  (dp->uplinks[1] && !s.addressed[1]);
	return 0;
}

/* Legacy iptables shows which tables there are, and not what is in them. */
static bool has_legacy(void)
{
	static const char *const lists[] = {
		"/proc/thread-self/net/ip_tables_names",
		"/proc/thread-self/net/ip6_tables_names",
	};
	bool any = false;

	for (size_t i = 0; !any && i < ARRAY_SIZE(lists); i++) {
		FILE *f = fopen(lists[i], "re");

		if (!f)
			continue;
		any = fgetc(f) != EOF;
		fclose(f);
	}
	return any;
}

/* ---- the facade's ---------------------------------------------------------- */

void dp_conntrack_open(struct dp *dp, bool automatic)
{
	dp->ct = (struct dp_conntrack){ .automatic = automatic,
					.relook = true,
					.reread = true };
}

void dp_conntrack_on_link(struct dp *dp, const struct nlk_event *e, bool ours)
{
	switch (e->type) {
	case NLK_LINK_NEW:
	case NLK_LINK_DEL:
		/* our endpoints come and go all the time */
		dp->ct.relook = dp->ct.relook || !ours || !e->link.master;
		/* the port in our bridge, perhaps; nobody else waits for it */
		if (dp->ct.automatic && dp->lent && !ours)
			dp->relink = true;
		return;
	case NLK_LOST:
	case NLK_ADDR_NEW:
	case NLK_ADDR_DEL:
		dp->ct.relook = true;
		return;
	case NLK_ROUTE_NEW:
	case NLK_ROUTE_DEL:
	case NLK_TC_DEL:
		return; /* dp_follow_routes() tells what matters */
	}
}

static void look(struct dp *dp, uint64_t now)
{
	struct dp_conntrack *c = &dp->ct;
	int r;

	if (c->relook && now - c->looked_ms >= SCAN_GAP_MS) {
		c->looked_ms = now;
		c->relook = scan(dp, NULL) < 0;
	}
	if (!c->reread || now - c->read_ms < READ_GAP_MS)
		return;
	c->read_ms = now;
	r = fw_tracks(ruleset_fw(dp->rs), dp->driver, NULL);
	/* what could not be read may track */
	c->others = r != 0;
	c->reread = r < 0;
}

static bool is_used(const struct state *st, int proto)
{
	for (size_t i = 0; i < ARRAY_SIZE(st->used[0]); i++)
		if (st->used[proto][i])
			return true;
	return false;
}

static bool has_sctp(struct state *st)
{
	const int sctp = STATE_PROTOS - 1;

	if (is_used(st, sctp) && st->stale)
		state_remark(st);
	return is_used(st, sctp);
}

static bool programs_have_all(const struct dp *dp)
{
	const struct dp_fast *f = &dp->fast;

	return dp_fast_runs(dp) && !f->again && !f->ipsec && !f->blind &&
	       !f->unmended;
}

static void tell(struct dp *dp, const char *why)
{
	struct dp_conntrack *c = &dp->ct;
	char quoted[256];

	if (c->told && why == c->why)
		return;
	c->told = true;
	c->why = why;
	if (why)
		log_info("event=conntrack-used text=%s",
			 log_quote(quoted, sizeof(quoted), why));
	else
		log_info("event=conntrack-unused text=\"the rules of this "
			 "driver do without connection tracking\"");
}

void dp_conntrack_choose(struct dp *dp)
{
	struct dp_conntrack *c = &dp->ct;
	struct conntrack_view v = { .st = &dp->st };
	const char *why;

	if (!c->automatic || dp->st.networks.count == 0) {
		ruleset_set_tracked(dp->rs, true);
		return;
	}
	look(dp, clock_mono_ms());
	v.programs = programs_have_all(dp);
	v.hooks = !dp->unhooked && sock_sees_everybody(dp->sock);
	v.lent = dp->lent || c->unseen;
	v.links = c->links;
	v.bare = c->bare;
	v.sctp = has_sctp(&dp->st);
	v.refused = !ruleset_can_untracked(dp->rs);
	v.others = c->others || c->legacy;
	why = conntrack_why(&v);
	tell(dp, why);
	ruleset_set_tracked(dp->rs, why != NULL);
}

static bool is_other_form(const struct dp *dp)
{
	return dp->st.networks.count && !ruleset_is_as_set(dp->rs);
}

int dp_conntrack_follow(struct dp *dp, bool tick)
{
	if (!dp->ct.automatic)
		return 0;
	if (tick)
		dp->ct.legacy = has_legacy();
	dp_conntrack_choose(dp);
	return is_other_form(dp);
}

void dp_conntrack_now(struct dp *dp)
{
	if (!dp->ct.automatic || dp->loading)
		return;
	dp_conntrack_choose(dp);
	if (is_other_form(dp) && ruleset_rebuild(dp->rs, &dp->st, NULL) < 0)
		dp->dirty = true;
}
