// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Publishing: claim the host ports, then open them, then forget what the
 * connection tracker remembers of them.
 */
#include <stdio.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "dataplane/dp_priv.h"
#include "lib/ct.h"
#include "lib/fail.h"
#include "lib/sockdiag.h"

static bool opens(const struct dp_network *net, const struct ip_addr *ip,
		  int family)
{
	enum dp_gateway_mode mode = family == AF_INET ? net->mode4 : net->mode6;

	return !ip_is_none(ip) && state_pub_opens(net, family) &&
	       mode != DP_GW_ROUTED;
}

bool dp_publish_holds(const struct dp_network *net,
		      const struct dp_publish *pub)
{
	return opens(net, &pub->ip4, AF_INET) ||
	       opens(net, &pub->ip6, AF_INET6);
}

/* One walk of the connection table for all ports. */
void dp_forget_flows(const struct portmap *m)
{
	struct ct_filter *f = calloc(m->count ? m->count : 1, sizeof(*f));
	size_t n = 0;

	if (!f)
		return;
	for (size_t i = 0; i < m->count; i++) {
		const struct port_range *r = &m->ranges[i];

		if (!r->host_first)
			continue;
		f[n++] = (struct ct_filter){ .orig_dst = r->host_ip,
					     .proto = r->proto,
					     .first = r->host_first,
					     .last = (uint16_t)(r->host_first +
								r->count - 1) };
	}
	/* what is left times out; ports work all the same for new flows */
	(void)ct_flush(f, n, NULL);
	free(f);
}

/* Flows straight to the container's ports, where those were open. */
void dp_forget_direct(const struct dp_network *net,
		      const struct dp_publish *pub)
{
	const struct ip_addr *const ips[] = { &pub->ip4, &pub->ip6 };
	const bool routed[] = { net->mode4 == DP_GW_ROUTED,
				net->mode6 == DP_GW_ROUTED };
	struct ct_filter *f = calloc(2 * pub->ports.count + 1, sizeof(*f));
	size_t n = 0;

	for (size_t i = 0; f && i < ARRAY_SIZE(ips); i++) {
		if (ip_is_none(ips[i]) || !(routed[i] || net->trusted[0][0]))
			continue;
		for (size_t k = 0; k < pub->ports.count; k++) {
			const struct port_range *r = &pub->ports.ranges[k];

			f[n++] = (struct ct_filter){
				.orig_dst = *ips[i],
				.reply_src = *ips[i],
				.proto = r->proto,
				.first = r->port_first,
				.last = (uint16_t)(r->port_first + r->count - 1)
			};
		}
	}
	if (n)
		(void)ct_flush(f, n, NULL);
	free(f);
}

/* ---- socket hooks: this host's own loopback ----------------------------- */

void dp_publish_hooked(const struct dp_network *net, const struct state_pub *p,
		       struct ip_addr *ip4, struct ip_addr *ip6)
{
	*ip4 = *ip6 = (struct ip_addr){ 0 };
	if (opens(net, &p->pub.ip4, AF_INET))
		*ip4 = p->pub.ip4;
	if (opens(net, &p->pub.ip6, AF_INET6))
		*ip6 = p->pub.ip6;
}

int dp_hook(struct dp *dp, const struct dp_network *net,
	    const struct state_pub *p, struct err *err)
{
	bool v4 = opens(net, &p->pub.ip4, AF_INET);
	bool v6 = opens(net, &p->pub.ip6, AF_INET6);

	if (!v4 && !v6)
		return 0;
	return sock_publish_add(dp->sock, &p->pub.ports,
				v4 ? &p->pub.ip4 : NULL,
				v6 ? &p->pub.ip6 : NULL, err);
}

void dp_unhook(struct dp *dp, const struct dp_network *net,
	       const struct state_pub *p)
{
	bool v4 = opens(net, &p->pub.ip4, AF_INET);
	bool v6 = opens(net, &p->pub.ip6, AF_INET6);

	if (!v4 && !v6)
		return;
	(void)sock_publish_del(dp->sock, &p->pub.ports, v4 ? &p->pub.ip4 : NULL,
			       v6 ? &p->pub.ip6 : NULL, NULL);
}

/*
 * A UDP socket of this host that connected to 127.0.0.1 leads to the container
 * for good: the hook wrote its address into the socket.  Where that container
 * goes, or has another address when it comes back, the client would talk to
 * nobody for ever; with an error it connects anew.  A socket that was connected
 * to the container's own address looks the same, and has lost its peer as well.
 */
void dp_abort_clients(const struct dp_network *net, const struct state_pub *p)
{
	const struct ip_addr *const ips[] = { &p->pub.ip4, &p->pub.ip6 };

	for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
		if (!opens(net, ips[i], i ? AF_INET6 : AF_INET))
			continue;
		for (size_t k = 0; k < p->pub.ports.count; k++) {
			const struct port_range *r = &p->pub.ports.ranges[k];
			uint32_t last = r->port_first + r->count - 1u;

			if (r->proto == IPPROTO_UDP)
				(void)sockdiag_abort_udp(ips[i], r->port_first,
							 (uint16_t)last, NULL);
		}
	}
}

/* ---- publish ------------------------------------------------------------ */

static int open_ports(struct dp *dp, const struct dp_network *net,
		      struct state_pub *p, struct err *err)
{
	struct ruleset_change change = { .net_old = net,
					 .net_new = net,
					 .pub_new = &p->pub };
	struct state_row *row = state_row_new(&dp->st, p);
	int r = row ? tab_put(&dp->st.pubs, row) : -ENOMEM;
	bool applied;

	if (r < 0) {
		state_row_free(&dp->st, row);
		return err_set(err, r, "endpoint %.12s", p->id);
	}
	if (!dp->loading)
		r = ruleset_apply(dp->rs, &dp->st, &change, err);
	applied = r == 0;
	if (applied)
		r = FAILPOINT("dp.publish.mapped");
	if (r == 0)
		return 0;
	state_row_free(&dp->st, tab_take(&dp->st.pubs, p->id));
	if (applied) {
		change = (struct ruleset_change){ .net_old = net,
						  .net_new = net,
						  .pub_old = &p->pub };
		err_set(err, r, "test: dp.publish.mapped");
		(void)ruleset_apply(dp->rs, &dp->st, &change, NULL);
	}
	return r;
}

/* Hooks and rules for what is claimed. */
static int open_claimed(struct dp *dp, const struct dp_network *net,
			struct state_pub *p, struct err *err)
{
	int r = dp_hook(dp, net, p, err);

	if (r < 0)
		return r;
	r = FAILPOINT("dp.publish.hooked");
	if (r < 0)
		err_set(err, r, "test: dp.publish.hooked");
	else
		r = open_ports(dp, net, p, err);
	if (r < 0) {
		dp_unhook(dp, net, p);
		return r;
	}
	if (p->holds) {
		state_mark(&dp->st, &p->pub.ports);
		if (!dp->loading)
			dp_forget_flows(&p->pub.ports);
	}
	return 0;
}

/* @ret: the ports as they are now, copied before anything is open; owned; may be
 * NULL. */
static int open_held(struct dp *dp, const struct dp_network *net,
		     struct state_pub *p, struct portmap *ret, struct err *err)
{
	int r = FAILPOINT("dp.publish.claimed");
	if (r < 0)
		return err_set(err, r, "test: dp.publish.claimed");
	r = FAILPOINT("dp.publish.copy");
	if (r < 0)
		return err_set(err, r, "test: dp.publish.copy");
	if (ret)
		r = portmap_copy(&p->pub.ports, ret, err);
	if (r < 0)
		return r;
	r = open_claimed(dp, net, p, err);
	if (r < 0 && ret)
		portmap_free(ret);
	return r;
}

/* All of one new publish; with success its claim is the table's. */
static int publish(struct dp *dp, const struct dp_network *net,
		   struct state_pub *p, struct portmap *ret, struct err *err)
{
	int r;

	p->holds = dp_publish_holds(net, &p->pub);
	r = dp_hold_ports(dp, p, err);
	if (r < 0)
		return r;
	dp_stats_ports(dp, net, p);
	r = open_held(dp, net, p, ret, err);
	if (r < 0)
		dp_stats_drop_ports(dp, p);
	else
		state_row_keep(tab_find(&dp->st.pubs, p->id), p);
	return r;
}

/* Close what @p opened, which is out of the table. */
static int unpublish(struct dp *dp, struct state_pub *p, struct err *err)
{
	const struct dp_network *net = state_network(&dp->st, p->pub.network);
	struct ruleset_change change = { .net_old = net,
					 .net_new = net,
					 .pub_old = &p->pub };
	int r = 0;

	if (net && !dp->loading)
		r = ruleset_apply(dp->rs, &dp->st, &change, err);
	if (r < 0)
		return r;
	if (net)
		dp_unhook(dp, net, p);
	dp_stats_drop_ports(dp, p);
	claim_free(take_ptr(p->claim));
	dp->st.stale =
		true; /* a walk over all of them: once, at the next add */
	if (dp->loading)
		return 0;
	dp_fast_forget(dp, p);
	if (p->holds)
		dp_forget_flows(&p->pub.ports);
	if (net)
		dp_forget_direct(net, &p->pub);
	return 0;
}

/* Take @row out of the table and close it; it is freed, or back when this fails.
 * @ret: owned: what it was. */
static int remove_row(struct dp *dp, struct state_row *row,
		      struct state_pub **ret, struct err *err)
{
	_cleanup_(state_pub_freep) struct state_pub *p = NULL;
	int r = state_row_open(row, &dp->host, &p, err);

	if (r < 0)
		return r;
	(void)tab_take(&dp->st.pubs, row->id);
	r = unpublish(dp, p, err);
	if (r < 0) {
		state_row_keep(row, p);
		(void)tab_put(&dp->st.pubs, row); /* room is there */
		return r;
	}
	state_row_free(&dp->st, row);
	*ret = take_ptr(p);
	return 0;
}

static int new_pub(const struct dp_publish *pub, struct state_pub **ret,
		   struct err *err)
{
	_cleanup_(state_pub_freep) struct state_pub *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "endpoint %.12s", pub->endpoint);
	p->pub = *pub;
	p->pub.ports = (struct portmap){ 0 };
	snprintf(p->id, sizeof(p->id), "%s", pub->endpoint);
	r = portmap_copy(&pub->ports, &p->pub.ports, err);
	if (r < 0)
		return r;
	r = portmap_normalize(&p->pub.ports, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->pub.ports.count; i++)
		p->pub.ports.ranges[i].stat = 0; /* of an earlier publish */
	*ret = take_ptr(p);
	return 0;
}

/* What was published before gives way; back to it when the new one fails. */
static int replace(struct dp *dp, const struct dp_network *net,
		   struct state_row *row, struct state_pub *p,
		   struct portmap *ret, struct err *err)
{
	_cleanup_(state_pub_freep) struct state_pub *old = NULL;
	int r = remove_row(dp, row, &old, err);

	if (r < 0)
		return r;
	dp_stats_inherit(old, p);
	r = publish(dp, net, p, ret, err);
	if (r == 0)
		return 0;
	claim_free(take_ptr(p->claim)); /* the old one wants them */
	(void)publish(dp, net, old, NULL, NULL);
	return r;
}

/* What is published already, and is to be another. */
static int change(struct dp *dp, const struct dp_network *net,
		  struct state_row *row, struct state_pub *p,
		  struct portmap *ret, struct err *err)
{
	bool done = false;
	int r = dp_publish_alter(dp, net, row, p, ret, &done, err);

	return r < 0 || done ? r : replace(dp, net, row, p, ret, err);
}

/* Is that what @row says already?  Then @ret: its ports; owned. */
static int is_same(const struct state_row *row, const struct state_pub *p,
		   bool *same, struct portmap *ret, struct err *err)
{
	struct state_pub old;
	int r = state_row_view(row, &old, err);

	if (r < 0)
		return r;
	*same = publish_equal(&old.pub, &p->pub);
	if (*same)
		*ret = old.pub.ports;
	else
		portmap_free(&old.pub.ports);
	return 0;
}

int dp_publish_add(struct dp *dp, struct dp_publish *pub, struct err *err)
{
	DP_LOCKED(dp);
	const struct dp_network *net = state_network(&dp->st, pub->network);
	struct state_row *row = tab_find(&dp->st.pubs, pub->endpoint);
	_cleanup_(state_pub_freep) struct state_pub *p = NULL;
	struct portmap done = { 0 };
	bool same = false;
	int r;

	if (!net)
		return err_set(err, -ENOENT, "network %.12s is not known",
			       pub->network);
	if (dp->st.stale)
		state_remark(&dp->st);
	r = new_pub(pub, &p, err);
	if (r == 0 && row)
		r = is_same(row, p, &same, &done, err);
	if (r == 0 && !same)
		r = row ? change(dp, net, row, p, &done, err)
			: publish(dp, net, p, &done, err);
	if (r < 0)
		return r;
	portmap_free(&pub->ports);
	pub->ports = done; /* sorted, and no port to be chosen */
	dp_conntrack_now(dp);
	return 0;
}

int dp_publish_del(struct dp *dp, const char *endpoint, struct err *err)
{
	DP_LOCKED(dp);
	struct state_row *row = tab_find(&dp->st.pubs, endpoint);
	_cleanup_(state_pub_freep) struct state_pub *p = NULL;
	const struct dp_network *net;
	int r;

	if (!row)
		return 0;
	r = remove_row(dp, row, &p, err);
	if (r < 0)
		return r; /* may be asked again */
	net = state_network(&dp->st, p->pub.network);
	if (net && !dp->loading)
		dp_abort_clients(net, p);
	return 0;
}
