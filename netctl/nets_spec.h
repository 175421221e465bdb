/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nets_spec.h - what "network create" was told: checked, and what belongs to which
 * subnet. */
#ifndef NETCTL_NETS_SPEC_H
#define NETCTL_NETS_SPEC_H

#include <json-c/json.h>

#include "lib/ip.h"
#include "netctl/cli.h"

/* What "network create" was told; all borrowed, as typed. */
struct net_spec {
	const char *name, *driver, *ipam;
	struct cli_list subnets, gateways, ranges, aux; /* aux: NAME=ADDRESS */
	struct cli_list opts, ipam_opts;                /* KEY=VALUE */
	bool ipv6, internal;
};

/* Return: 0; -EINVAL, saying what would be right. */
int net_spec_check(const struct net_spec *s, struct err *err);

/* The subnet, as typed, that @a is in; NULL: none. */
const char *net_spec_subnet(const struct net_spec *s, const struct ip_addr *a);
/* Of @list (gateways, ranges) the first that is in @subnet; "": none. */
const char *net_spec_given(const struct net_spec *s,
			   const struct cli_list *list, const char *subnet);
/* "printer=10.1.0.4" -> the address. */
int net_spec_aux(const char *text, struct ip_addr *ret, struct err *err);
/* KEY=VALUE texts as an object; owned. */
json_object *net_spec_pairs(const struct cli_list *list);

#endif
