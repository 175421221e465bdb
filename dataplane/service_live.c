/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who of a service's members is alive, and the table made of them. */
#include <stdio.h>
#include <string.h>

#include "dataplane/service_priv.h"

bool service_opens(const struct dp_network *net, int family)
{
	enum dp_gateway_mode mode = family == AF_INET ? net->mode4 : net->mode6;

	return state_pub_opens(net, family) && mode != DP_GW_ROUTED;
}

/* ---- members --------------------------------------------------------------- */

/* Where published ports of it are the programs' matter: its network, or NULL. */
static const struct dp_network *network_of(const struct state *st,
					   const struct state_port *p)
{
	const struct dp_network *net = state_network(st, p->port.network);

	return net && !p->leaving && net->backend == DP_EBPF &&
			       net->firewall == DP_FW_OPEN
		       ? net
		       : NULL;
}

static void fill(struct dp_member_state *m, const struct dp_network *net,
		 const struct state_port *p)
{
	snprintf(m->network, sizeof(m->network), "%s", net->id);
	snprintf(m->endpoint, sizeof(m->endpoint), "%s", p->id);
	if (service_opens(net, AF_INET))
		m->ip4 = p->port.ip4;
	if (service_opens(net, AF_INET6))
		m->ip6 = p->port.ip6;
}

static void find_told(const struct state *st, const struct dp_member *told,
		      struct dp_member_state *m)
{
	for (size_t i = 0; i < st->ports.count; i++) {
		const struct state_port *p = st->ports.items[i];
		const struct dp_network *net;

		if (!ip_equal(&p->port.ip4, &told->ip) &&
		    !ip_equal(&p->port.ip6, &told->ip))
			continue;
		if (strcmp(p->port.network, told->network) != 0)
			continue;
		net = network_of(st, p);
		if (!net)
			continue; /* another one may have the address by now */
		fill(m, net, p);
		return;
	}
}

static size_t find_joined(const struct state *st, const struct dp_service *svc,
			  struct dp_member_state *ret, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; svc->name[0] && n < room && i < st->ports.count;
	     i++) {
		const struct state_port *p = st->ports.items[i];
		const struct dp_join *join = &p->port.join;
		const struct dp_network *net = network_of(st, p);
		uint16_t port = join->port ? join->port : svc->port;

		if (!net || strcmp(join->name, svc->name) != 0 ||
		    (svc->proto == IPPROTO_SCTP && port != svc->port))
			continue;
		ret[n] = (struct dp_member_state){ .port = port,
						   .weight = join->weight };
		fill(&ret[n++], net, p);
	}
	return n;
}

size_t service_members(const struct state *st, const struct dp_service *svc,
		       struct dp_member_state *ret)
{
	size_t n = 0;

	for (; n < svc->count; n++) {
		const struct dp_member *m = &svc->members[n];

		ret[n] = (struct dp_member_state){ .told = m,
						   .port = m->port,
						   .weight = m->weight };
		snprintf(ret[n].network, sizeof(ret[n].network), "%s",
			 m->network);
		find_told(st, m, &ret[n]);
	}
	return n + find_joined(st, svc, ret + n, SERVICE_LIVE_MAX - n);
}

/* ---- tables -------------------------------------------------------------- */

static int by_id(const void *va, const void *vb)
{
	const struct service_backend *a = va, *b = vb;

	return (a->id > b->id) - (a->id < b->id);
}

/* Told and joined: it is one, with the weight it was told. */
static void drop_doubles(struct service_live *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->count; i++)
		if (!n || l->items[n - 1].id != l->items[i].id)
			l->items[n++] = l->items[i];
	l->count = n;
}

static void collect(const struct dp_member_state *members, size_t count,
		    bool v6, struct service_live *ret)
{
	for (size_t i = 0; i < count; i++) {
		const struct ip_addr *ip =
			v6 ? &members[i].ip6 : &members[i].ip4;
		struct service_backend b = { .weight = members[i].weight };

		if (ip_is_none(ip))
			continue;
		if (v6)
			memcpy(b.to.ip6, ip->bytes, sizeof(b.to.ip6));
		else
			memcpy(&b.to.ip4, ip->bytes, sizeof(b.to.ip4));
		b.to.port = members[i].port;
		b.id = maglev_id(&b.to, sizeof(b.to));
		ret->items[ret->count++] = b;
	}
}

void service_find_live(const struct dp_member_state *members, size_t count,
		       bool v6, struct service_live *ret)
{
	ret->count = 0;
	ret->told = false;
	collect(members, count, v6, ret);
	/* ::1 leads to containers without IPv6 as well (sock.h) */
	if (v6 && !ret->count)
		collect(members, count, false, ret);
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_id);
	drop_doubles(ret);
}

bool service_live_equal(const struct service_live *a,
			const struct service_live *b)
{
	return a->count == b->count &&
	       memcmp(a->items, b->items, a->count * sizeof(a->items[0])) == 0;
}

void service_table(const struct service_live *l, struct sock_backend *table)
{
	struct maglev_backend list[SERVICE_LIVE_MAX];
	uint16_t index[SOCK_POOL_SLOTS];

	for (size_t i = 0; i < l->count; i++)
		list[i] =
			(struct maglev_backend){ .id = l->items[i].id,
						 .weight = l->items[i].weight };
	maglev_fill(list, l->count, index, SOCK_POOL_SLOTS);
	for (uint32_t i = 0; i < SOCK_POOL_SLOTS; i++)
		table[i] = l->items[index[i]].to;
}
