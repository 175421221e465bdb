/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: routes that take addresses of a network, and packets too big. */
#include "netctl/doc.h"

#include <linux/rtnetlink.h>
#include <stdio.h>

#define MAX_ROUTES 100 /* told; a host with full tables has a million */

static const struct doc_bridge *bridge_of(const struct doc *d, int index)
{
	for (size_t i = 0; i < d->bridge_count; i++)
		if (d->bridges[i].index == index)
			return &d->bridges[i];
	return NULL;
}

static void overlap(struct doc *d, const struct nlk_route *r,
		    const struct doc_bridge *b, const struct ip_prefix *p)
{
	char route[PREFIX_STR_MAX], net[PREFIX_STR_MAX];
	struct nlk_link link = { 0 };
	struct ip_prefix subnet = *p;

	subnet.addr = ip_prefix_first(p);
	ip_prefix_str(&r->dst, route);
	ip_prefix_str(&subnet, net);
	if (r->oif)
		(void)nlk_link_get(d->nlk, NULL, r->oif, &link, NULL);
	if (r->dst.len >= p->len)
		doc_find(d, DOC_BAD,
			 doc_text(d,
				  "route %s dev %s takes addresses of network "
				  "%.12s (%s on %s)",
				  route, link.name, b->id, net, b->name),
			 "packets to these containers leave by the other "
			 "interface",
			 doc_text(d,
				  "ip route del %s dev %s (or make the network "
				  "anew with another --subnet)",
				  route, link.name));
	else
		doc_find(d, DOC_WARN,
			 doc_text(d,
				  "network %.12s (%s on %s) lies within route "
				  "%s dev %s",
				  b->id, net, b->name, route, link.name),
			 "hosts of that route with the same addresses are not "
			 "reached from here",
			 "if there are such hosts, make the network anew with "
			 "another --subnet");
}

static int judge_route(void *ctx, const struct nlk_route *r)
{
	struct doc *d = ctx;

	if (r->dst.len == 0 || r->table == RT_TABLE_LOCAL ||
	    r->type != RTN_UNICAST || bridge_of(d, r->oif))
		return 0;
	for (size_t i = 0; i < d->bridge_count; i++)
		for (size_t n = 0; n < d->bridges[i].prefix_count; n++)
			if (ip_prefix_overlaps(&d->bridges[i].prefixes[n],
					       &r->dst) &&
			    d->found < MAX_ROUTES)
				overlap(d, r, &d->bridges[i],
					&d->bridges[i].prefixes[n]);
	return 0;
}

static void judge_pair(struct doc *d, const struct doc_bridge *a,
		       const struct doc_bridge *b)
{
	for (size_t i = 0; i < a->prefix_count; i++)
		for (size_t n = 0; n < b->prefix_count; n++)
			if (ip_prefix_overlaps(&a->prefixes[i],
					       &b->prefixes[n]))
				doc_find(d, DOC_BAD,
					 doc_text(d,
						  "networks %.12s and %.12s "
						  "overlap (%s and %s)",
						  a->id, b->id, a->name,
						  b->name),
					 "only one of them is reached from "
					 "this host and from outside",
					 "remove one, or make it anew with "
					 "another --subnet");
}

void doc_check_routes(struct doc *d)
{
	struct err err = { 0 };

	if (!d->nlk || d->bridge_count == 0)
		return;
	if (nlk_route_each(d->nlk, AF_INET, judge_route, d, &err) < 0 ||
	    nlk_route_each(d->nlk, AF_INET6, judge_route, d, &err) < 0)
		doc_find(d, DOC_WARN,
			 doc_text(d, "cannot read the routes: %s", err.msg),
			 NULL, NULL);
	for (size_t i = 0; i < d->bridge_count; i++)
		for (size_t n = i + 1; n < d->bridge_count; n++)
			judge_pair(d, &d->bridges[i], &d->bridges[n]);
}

void doc_check_mtu(struct doc *d)
{
	struct nlk_link up;

	if (doc_uplink(d, AF_INET, &up) < 0 && doc_uplink(d, AF_INET6, &up) < 0)
		return;
	for (size_t i = 0; i < d->bridge_count; i++) {
		const struct doc_bridge *b = &d->bridges[i];

		if (b->internal || b->mtu <= up.mtu)
			continue;
		doc_find(d, DOC_BAD,
			 doc_text(d,
				  "network %.12s has MTU %u, the uplink %s "
				  "only %u",
				  b->id, b->mtu, up.name, up.mtu),
			 "large packets are cut up or lost: connections open "
			 "and then hang",
			 doc_text(d,
				  "make the network anew without "
				  "com.docker.network.driver.mtu (Berth then "
				  "takes the uplink's), or with %u",
				  up.mtu));
	}
}
