// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who counts where: each published port, or range, and each endpoint of a network
 * on the eBPF dataplane has a counter of its own, as long as there are free ones.
 *
 * nftables counts nothing of theirs: what it does in the programs' place is not
 * in the figures.
 */
#include <errno.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/nat_stat.h"

/* ---- ports --------------------------------------------------------------- */

/* As it was under an earlier daemon. */
static uint32_t recall(struct dp *dp, const struct dp_network *net,
		       const struct state_pub *p, const struct port_range *r)
{
	struct ip_addr ip4, ip6;

	dp_publish_hooked(net, p, &ip4, &ip6);
	return nat_stats_of_port(dp->fast.stats, r, &ip4, &ip6);
}

/* New ones for all of @m that have none. */
static void take_rest(struct nat_stats *s, struct portmap *m)
{
	_cleanup_free_ uint32_t *got = calloc(m->count + 1, sizeof(*got));
	size_t n = 0;

	if (!got)
		return; /* they are not counted */
	for (size_t i = 0; i < m->count; i++)
		n += !m->ranges[i].stat;
	nat_stats_take(s, got, n);
	for (size_t i = m->count; i-- > 0;)
		if (!m->ranges[i].stat)
			m->ranges[i].stat = got[--n];
}

void dp_stats_ports(struct dp *dp, const struct dp_network *net,
		    struct state_pub *p)
{
	struct nat_stats *s = dp->fast.stats;
	bool counts = s && dp_fast_wants(net) && p->holds;

	for (size_t i = 0; i < p->pub.ports.count; i++) {
		struct port_range *r = &p->pub.ports.ranges[i];
		uint32_t had = r->stat;

		r->stat = 0;
		if (counts && had)
			r->stat = nat_stats_keep(s, had);
		if (counts && !r->stat)
			r->stat = recall(dp, net, p, r);
	}
	if (counts)
		take_rest(s, &p->pub.ports);
}

void dp_stats_drop_ports(struct dp *dp, const struct state_pub *p)
{
	for (size_t i = 0; dp->fast.stats && i < p->pub.ports.count; i++)
		nat_stats_put(dp->fast.stats, p->pub.ports.ranges[i].stat);
}

void dp_stats_inherit(const struct state_pub *from, struct state_pub *to)
{
	for (size_t i = 0; i < to->pub.ports.count; i++) {
		struct port_range *r = &to->pub.ports.ranges[i];
		const struct port_range *old =
			portmap_find(&from->pub.ports, r);

		r->stat = old ? old->stat : 0;
	}
}

/* ---- endpoints ----------------------------------------------------------- */

void dp_stats_port(struct dp *dp, struct state_port *p, int ifindex)
{
	struct nat_stats *s = dp->fast.stats;

	if (!s || p->stat)
		return;
	p->stat = nat_stats_of_endpoint(s, &p->port.ip4, &p->port.ip6, ifindex);
	if (!p->stat)
		nat_stats_take(s, &p->stat, 1);
}

void dp_stats_drop_port(struct dp *dp, struct state_port *p)
{
	if (dp->fast.stats)
		nat_stats_put(dp->fast.stats, p->stat);
	p->stat = 0;
}

/* ---- asked for ----------------------------------------------------------- */

static int read_stat(struct dp *dp, uint32_t index, struct dp_stats *ret,
		     struct err *err)
{
	struct nat_stat st;
	int r = index ? nat_stats_read(dp->fast.stats, index, &st, err) : 0;

	*ret = (struct dp_stats){ 0 };
	if (!index || r < 0)
		return r;
	*ret = (struct dp_stats){ .counted = true,
				  .packets_in = st.packets_in,
				  .bytes_in = st.bytes_in,
				  .packets_out = st.packets_out,
				  .bytes_out = st.bytes_out,
				  .flows = st.flows,
				  .refused = st.refused };
	return 0;
}

/* Is it the programs that do this network's ports now? */
static bool counts(const struct dp *dp, const char *network)
{
	const struct dp_network *net = state_network(&dp->st, network);

	return net && dp_fast_wants(net) && dp_fast_runs(dp);
}

int dp_port_stats(struct dp *dp, const char *endpoint,
		  const struct port_range *range, struct dp_stats *ret,
		  struct err *err)
{
	DP_LOCKED(dp);
	const struct state_row *row = tab_find(&dp->st.pubs, endpoint);
	struct state_ranges it = { .left = 0 };
	struct port_range r;

	if (row && counts(dp, state_row_network(row)))
		it = state_row_ranges(row);
	while (state_ranges_next(&it, &r))
		if (port_range_same(&r, range))
			return read_stat(dp, r.stat, ret, err);
	return read_stat(dp, 0, ret, err);
}

int dp_endpoint_stats(struct dp *dp, const char *endpoint, struct dp_stats *ret,
		      struct err *err)
{
	DP_LOCKED(dp);
	const struct state_port *p = tab_find(&dp->st.ports, endpoint);
	bool counted = p && counts(dp, p->port.network);

	return read_stat(dp, counted ? p->stat : 0, ret, err);
}
