/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May a port be balanced, and over these? */
#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "dataplane/service_priv.h"

int dp_service_clash(const struct dp *dp, const struct port_range *r,
		     const char *except, struct err *err)
{
	for (size_t i = 0; i < dp->services.count; i++) {
		const struct service *s = dp->services.items[i];

		if ((except && strcmp(s->id, except) == 0) ||
		    s->svc.proto != r->proto || s->svc.port < r->host_first ||
		    s->svc.port >= r->host_first + r->count ||
		    !state_addr_meets(&s->svc.host_ip, &r->host_ip))
			continue;
		return err_set(err, -EADDRINUSE,
			       "host port %u/%s is balanced over containers: "
			       "'netctl port rm %s' gives it free, or publish "
			       "another port",
			       s->svc.port, proto_name(s->svc.proto), s->id);
	}
	return 0;
}

static const struct dp_network *find_network(const struct dp *dp,
					     const struct dp_member *m)
{
	if (m->network[0])
		return state_network(&dp->st, m->network);
	for (size_t i = 0; i < dp->st.networks.count; i++) {
		const struct dp_network *net = dp->st.networks.items[i];

		if (ip_prefix_contains(&net->subnet4, &m->ip) ||
		    ip_prefix_contains(&net->subnet6, &m->ip))
			return net;
	}
	return NULL;
}

static int check_network(const struct dp *dp, struct dp_member *m,
			 struct err *err)
{
	const struct dp_network *net = find_network(dp, m);
	char ip[IP_STR_MAX];

	ip_str(&m->ip, ip);
	if (!net)
		return err_set(err, -ENOENT,
			       "backend %s: no network of %s has that "
			       "address: 'netctl network ls' lists them",
			       ip, dp->driver);
	if (!dp_fast_wants(net) || !dp_fast_runs(dp))
		return err_set(err, -EINVAL,
			       "backend %s: network %.12s is carried by "
			       "nftables, which balances nothing: make it "
			       "with -o berth.dataplane=ebpf (and not "
			       "berth.firewall=respect)",
			       ip, net->id);
	if (!service_opens(net, m->ip.family))
		return err_set(err, -EINVAL,
			       "backend %s: network %.12s publishes nothing: "
			       "it is internal, isolated or routed",
			       ip, net->id);
	snprintf(m->network, sizeof(m->network), "%s", net->id);
	return 0;
}

static bool has_member(const struct dp_service *svc, uint32_t count,
		       const struct dp_member *m)
{
	for (uint32_t i = 0; svc && i < count; i++)
		if (dp_member_same(&svc->members[i], m))
			return true;
	return false;
}

static int check_member(const struct dp *dp, struct dp_service *svc, uint32_t i,
			const struct dp_service *old, struct err *err)
{
	struct dp_member *m = &svc->members[i];
	char ip[IP_STR_MAX];

	ip_str(&m->ip, ip);
	if (!m->port)
		m->port = svc->port;
	if (!m->weight || m->weight > DP_WEIGHT_MAX || ip_is_none(&m->ip))
		return err_set(err, -EINVAL,
			       "backend %s: an address and a weight of 1 to "
			       "%d are wanted",
			       ip, DP_WEIGHT_MAX);
	if (svc->proto == IPPROTO_SCTP && m->port != svc->port)
		return err_set(err, -EINVAL,
			       "backend %s: port %u must be the host's, %u: "
			       "SCTP's checksum covers it",
			       ip, m->port, svc->port);
	if (has_member(svc, i, m))
		return err_set(err, -EINVAL, "backend %s, port %u: twice", ip,
			       m->port);
	/* one whose network went may stay on the list */
	if (dp->loading || (old && has_member(old, old->count, m)))
		return 0;
	return check_network(dp, m, err);
}

int service_check(const struct dp *dp, struct dp_service *svc,
		  const struct dp_service *old, struct err *err)
{
	int r = 0;

	if (!svc->port || svc->count > DP_MEMBERS_MAX ||
	    strcmp(proto_name(svc->proto), "?") == 0)
		return err_set(err, -EINVAL,
			       "a host port, a protocol and at most %d "
			       "backends are wanted",
			       DP_MEMBERS_MAX);
	if (old && strcmp(old->name, svc->name) != 0)
		return err_set(err, -EEXIST,
			       "host port %u/%s is balanced over %s%s already",
			       svc->port, proto_name(svc->proto),
			       old->name[0] ? "service " : "other backends",
			       old->name);
	if (!old && !dp->loading && !service_may_open(dp))
		return err_set(err, -EINVAL,
			       "ports are balanced by the eBPF dataplane: "
			       "there is no network with -o "
			       "berth.dataplane=ebpf");
	for (uint32_t i = 0; r == 0 && i < svc->count; i++)
		r = check_member(dp, svc, i, old, err);
	return r;
}
