/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of ipvlan networks, and what shares a parent, row by row. */
#include "netplugins/lan/lan_rows.h"

#include <stdio.h>
#include <string.h>

#include "netplugins/ipvlan/ipvlan.h"

#define ON(p)   "{\"parent\":\"" p "\"}"
#define MODE(m) "{\"parent\":\"eth0\",\"ipvlan_mode\":\"" m "\"}"
#define FLAG(f) "{\"parent\":\"eth0\",\"ipvlan_flag\":\"" f "\"}"

static int own(const struct lan_network *ln)
{
	return ln->own && strcmp(ln->parent, "dm-aaaaaaaaaaaa") == 0;
}

static const struct lan_row rows[] = {
	{ .name = "l2 unless said",
	  .options = ON("eth0"),
	  .ipv6 = true,
	  .join = "10.1.0.1/fd00:1::1/0/gateway",
	  .skip = 1 },
	{ .name = "l3 needs no gateway",
	  .options = MODE("l3"),
	  .join = "//1/none",
	  .skip = 2 },
	{ .name = "l3s, both families",
	  .options = MODE("l3s"),
	  .ipv6 = true,
	  .join = "//2/none",
	  .skip = 2 },
	{ .name = "l3 without a parent",
	  .options = "{\"ipvlan_mode\":\"l3\"}",
	  .check = own,
	  .join = "//0/none",
	  .skip = 2 },
	{ .name = "internal",
	  .options = ON("eth0"),
	  .internal = true,
	  .check = own,
	  .join = "//0/none",
	  .skip = 2 },
	{ .name = "an unknown mode",
	  .options = MODE("l4"),
	  .msg = "ipvlan_mode" },
	{ .name = "an unknown flag",
	  .options = FLAG("public"),
	  .msg = "ipvlan_flag" },
	{ .name = "a macvlan option",
	  .options = "{\"macvlan_mode\":\"vepa\"}",
	  .msg = "use berth-macvlan" },
	{ .name = "host access",
	  .options = "{\"berth.host_access\":\"on\"}",
	  .msg = "use berth-macvlan" },
	{ .name = "two on one parent",
	  .options = MODE("l3"),
	  .beside = MODE("l3") },
	{ .name = "two modes on one parent",
	  .options = MODE("l3"),
	  .beside = MODE("l2"),
	  .msg = "that of network bbbbbbbbbbbb: all ipvlan networks of a "
		 "parent have one ipvlan_mode" },
	{ .name = "two flags on one parent",
	  .options = FLAG("vepa"),
	  .beside = FLAG("private"),
	  .msg = "one ipvlan_flag" },
	{ .name = "two modes on two parents",
	  .options = MODE("l3"),
	  .beside = ON("eth1") },
};

int main(void)
{
	return lan_rows_run(&ipvlan_driver, rows, ARRAY_SIZE(rows));
}
