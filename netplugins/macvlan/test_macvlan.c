/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of macvlan networks, parents and what shares them, row by row. */
#include "netplugins/lan/lan_rows.h"

#include <stdio.h>
#include <string.h>

#include "netplugins/macvlan/macvlan.h"

#define P       "com.docker.network."
#define ON(p)   "{\"parent\":\"" p "\"}"
#define MODE(m) "{\"parent\":\"eth0\",\"macvlan_mode\":\"" m "\"}"

static int plain(const struct lan_network *ln)
{
	return strcmp(ln->parent, "eth0") == 0 && !ln->own && !ln->vlan &&
	       !ln->opt.host_access && strcmp(ln->opt.prefix, "eth") == 0 &&
	       strcmp(ln->alias,
		      "berth:berth-macvlan:aaaaaaaaaaaaaaaaaaaaaaaa"
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") == 0;
}

static int own(const struct lan_network *ln)
{
	return ln->own && !ln->vlan &&
	       strcmp(ln->parent, "dm-aaaaaaaaaaaa") == 0;
}

static int vlan10(const struct lan_network *ln)
{
	return ln->vlan == 10 && strcmp(ln->root, "eth0") == 0 &&
	       strcmp(ln->parent, "eth0.10") == 0;
}

static int vlan_of_dotted(const struct lan_network *ln)
{
	return ln->vlan == 4094 && strcmp(ln->root, "br.lan") == 0;
}

static int no_vlan(const struct lan_network *ln)
{
	return !ln->vlan && !ln->root[0] && !ln->own;
}

static int access_on(const struct lan_network *ln)
{
	return ln->opt.host_access;
}

static int jumbo(const struct lan_network *ln)
{
	return ln->opt.mtu == 9000 && strcmp(ln->opt.prefix, "lan") == 0;
}

static const struct lan_row rows[] = {
	{ .name = "a parent",
	  .options = ON("eth0"),
	  .check = plain,
	  .join = "10.1.0.1//0/gateway",
	  .skip = 1 },
	{ .name = "a parent, both families",
	  .options = ON("eth0"),
	  .ipv6 = true,
	  .join = "10.1.0.1/fd00:1::1/0/gateway" },
	{ .name = "no parent",
	  .options = "{}",
	  .check = own,
	  .join = "//0/none",
	  .skip = 2 },
	{ .name = "internal with a parent",
	  .options = ON("eth0"),
	  .internal = true,
	  .check = own,
	  .join = "//0/none",
	  .skip = 2 },
	{ .name = "VLAN 10", .options = ON("eth0.10"), .check = vlan10 },
	{ .name = "VLAN 4094 of a dotted name",
	  .options = ON("br.lan.4094"),
	  .check = vlan_of_dotted },
	{ .name = "4095 is no VLAN",
	  .options = ON("eth0.4095"),
	  .check = no_vlan },
	{ .name = "0 is no VLAN", .options = ON("eth0.0"), .check = no_vlan },
	{ .name = "010 is no VLAN",
	  .options = ON("eth0.010"),
	  .check = no_vlan },
	{ .name = "no digits, no VLAN",
	  .options = ON("eth0.lan"),
	  .check = no_vlan },
	{ .name = "a dot at the end",
	  .options = ON("eth0."),
	  .check = no_vlan },
	{ .name = "a dot at the beginning",
	  .options = ON(".10"),
	  .check = no_vlan },
	{ .name = "digits and more",
	  .options = ON("eth0.10x"),
	  .check = no_vlan },
	{ .name = "loopback", .options = ON("lo"), .msg = "loopback" },
	{ .name = "a name too long",
	  .options = ON("interface-nummer"),
	  .msg = "is not a name for a link" },
	{ .name = "a name with a slash",
	  .options = ON("a/b"),
	  .msg = "is not a name for a link" },
	{ .name = "an unknown mode",
	  .options = MODE("brige"),
	  .msg = "macvlan_mode" },
	{ .name = "an ipvlan option",
	  .options = "{\"ipvlan_mode\":\"l2\"}",
	  .msg = "use berth-ipvlan" },
	{ .name = "a misspelt option",
	  .options = "{\"perent\":\"eth0\"}",
	  .msg = "did you mean \"parent\"" },
	{ .name = "MTU and prefix",
	  .options = "{\"parent\":\"eth0\",\"" P "driver.mtu\":\"9000\",\"" P
		     "container_iface_prefix\":\"lan\"}",
	  .check = jumbo },
	{ .name = "MTU too small for IPv6",
	  .ipv6 = true,
	  .options = "{\"" P "driver.mtu\":\"1000\"}",
	  .msg = "1280" },
	{ .name = "MTU too great",
	  .options = "{\"" P "driver.mtu\":\"65536\"}",
	  .msg = "driver.mtu" },
	{ .name = "a prefix with a slash",
	  .options = "{\"" P "container_iface_prefix\":\"a/b\"}",
	  .msg = "is not the beginning" },
	{ .name = "no subnet",
	  .options = ON("eth0"),
	  .no_pool = true,
	  .msg = "needs a subnet" },
	{ .name = "host access",
	  .options = "{\"parent\":\"eth0\",\"berth.host_access\":\"on\"}",
	  .check = access_on },
	{ .name = "host access in mode vepa",
	  .options = "{\"parent\":\"eth0\",\"macvlan_mode\":\"vepa\","
		     "\"berth.host_access\":\"on\"}",
	  .msg = "only with macvlan_mode=bridge; in mode vepa" },
	{ .name = "host access without a parent",
	  .options = "{\"berth.host_access\":\"on\"}",
	  .msg = "no parent of this host's" },
	{ .name = "two on one parent",
	  .options = ON("eth0"),
	  .beside = ON("eth0") },
	{ .name = "two modes on one parent",
	  .options = MODE("vepa"),
	  .beside = MODE("private") },
	{ .name = "passthru beside another",
	  .options = MODE("passthru"),
	  .beside = ON("eth0"),
	  .msg = "that of network bbbbbbbbbbbb: " },
	{ .name = "another beside passthru",
	  .options = ON("eth0"),
	  .beside = MODE("passthru"),
	  .msg = "shares it with none" },
	{ .name = "passthru beside another's parent",
	  .options = ON("eth1"),
	  .beside = MODE("passthru") },
	{ .name = "a VLAN of a passthru's parent",
	  .options = ON("eth0.10"),
	  .beside = MODE("passthru") },
};

int main(void)
{
	return lan_rows_run(&macvlan_driver, rows, ARRAY_SIZE(rows));
}
