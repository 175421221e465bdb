/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of bridge networks, row by row, and subnets that overlap. */
#include "lib/test/test.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "netplugins/bridge/bridge.h"

#define P "com.docker.network."

struct row {
	const char *name, *options; /* JSON */
	const char *pool6;          /* NULL: IPv6 is off */
	const char *pool4;          /* NULL: 10.1.0.0/24 */
	bool internal, no_pool;
	const char *msg; /* part of the error, NULL: accepted */
	int (*check)(const struct bridge_network *br);
};

static void pool_set(struct net_pool *p, const char *pool, const char *gateway)
{
	assert_int_equal(ip_prefix_parse(pool, &p->pool, NULL), 0);
	assert_int_equal(ip_prefix_parse(gateway, &p->gateway, NULL), 0);
}

static struct bridge_network *network_new(void)
{
	struct bridge_network *br = calloc(1, sizeof(*br));

	assert_non_null(br);
	br->base.driver = &bridge_driver;
	memset(br->base.id, 'a', 64);
	bridge_defaults(&br->base);
	return br;
}

/* ---- options ----------------------------------------------------------------- */

static int defaults(const struct bridge_network *br)
{
	return br->opt.icc && br->opt.masquerade && br->opt.guard &&
	       !br->opt.inhibit4 && br->opt.mode4 == DP_GW_NAT &&
	       br->opt.firewall == DP_FW_OPEN && !br->opt.mtu &&
	       strcmp(br->opt.prefix, "eth") == 0 &&
	       strcmp(br->name, "bb-aaaaaaaaaaaa") == 0 &&
	       strncmp(br->alias, "berth:berth-bridge:aaa", 22) == 0 &&
	       mac_check(&br->mac, NULL) == 0;
}

static int icc_off(const struct bridge_network *br)
{
	return !br->opt.icc;
}

static int named(const struct bridge_network *br)
{
	return strcmp(br->name, "lan.7") == 0;
}

static int trusted(const struct bridge_network *br)
{
	return strcmp(br->trusted[0], "eth0") == 0 &&
	       strcmp(br->trusted[1], "wg0") == 0 && !br->trusted[2][0];
}

static int routed6(const struct bridge_network *br)
{
	return br->opt.mode4 == DP_GW_NAT && br->opt.mode6 == DP_GW_ROUTED;
}

static int respect(const struct bridge_network *br)
{
	return br->opt.firewall == DP_FW_RESPECT && !br->opt.guard;
}

static int isolated(const struct bridge_network *br)
{
	return !bridge_has_gateway4(br) && bridge_has_gateway6(br);
}

static int jumbo(const struct bridge_network *br)
{
	return br->opt.mtu == 9000;
}

static int ebpf(const struct bridge_network *br)
{
	return br->opt.dataplane == DP_EBPF;
}

static bool has_rule(const struct dp_policy *p, uint32_t n, const char *text,
		     bool allow)
{
	char shown[PREFIX_STR_MAX];

	return n < p->count && p->rules[n].allow == allow &&
	       strcmp(ip_prefix_str(&p->rules[n].net, shown), text) == 0;
}

static int lists(const struct bridge_network *br)
{
	const struct dp_policy *p = &br->policy;

	return p->count == 4 && has_rule(p, 0, "10.0.0.0/8", true) &&
	       has_rule(p, 1, "2001:db8::/32", true) &&
	       has_rule(p, 2, "10.0.0.7/32", false) &&
	       has_rule(p, 3, "2001:db8::7/128", false) && !p->rate;
}

static int limited(const struct bridge_network *br)
{
	return !br->policy.count && br->policy.rate == 20 &&
	       br->policy.burst == 20;
}

static int limited_burst(const struct bridge_network *br)
{
	return br->policy.rate == 1 && br->policy.burst == 1000000;
}

static int rated(const struct bridge_network *br)
{
	return br->rate.in.bytes == 2500000 && br->rate.out.bytes == 125000 &&
	       br->rate.out.burst == 65536;
}

static int unrated(const struct bridge_network *br)
{
	return dp_rates_is_none(&br->rate);
}

static int everybody(const struct bridge_network *br)
{
	return has_rule(&br->policy, 0, "0.0.0.0/0", true) &&
	       has_rule(&br->policy, 1, "::/0", true);
}

static int full(const struct bridge_network *br)
{
	return br->policy.count == DP_POLICY_MAX;
}

#define EBPF       "\"berth.dataplane\":\"ebpf\","
#define LIST(o, v) "{" EBPF "\"berth." o "\":\"" v "\"}"
#define EIGHT                                                    \
	"10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,10.0.0.6," \
	"10.0.0.7,10.0.0.8"

static const struct row rows[] = {
	{ .name = "nothing given", .options = "{}", .check = defaults },
	{ .name = "icc off",
	  .options = "{\"" P "bridge.enable_icc\":\"false\"}",
	  .check = icc_off },
	{ .name = "a name with a dot",
	  .options = "{\"" P "bridge.name\":\"lan.7\"}",
	  .check = named },
	{ .name = "trusted interfaces",
	  .options = "{\"" P "bridge.trusted_host_interfaces\":\"eth0:wg0\"}",
	  .check = trusted },
	{ .name = "a mode for one family",
	  .options = "{\"" P "bridge.gateway_mode_ipv6\":\"routed\"}",
	  .pool6 = "fd00:1::/64",
	  .check = routed6 },
	{ .name = "ours",
	  .options = "{\"berth.firewall\":\"respect\",\"berth.guard\":\"off\","
		     "\"berth.dataplane\":\"nft\"}",
	  .check = respect },
	{ .name = "respect and routed",
	  .options = "{\"berth.firewall\":\"respect\","
		     "\"" P "bridge.gateway_mode_ipv4\":\"routed\"}",
	  .msg = "with gateway mode routed containers are reached past them" },
	{ .name = "respect and unprotected IPv6",
	  .options = "{\"berth.firewall\":\"respect\","
		     "\"" P "bridge.gateway_mode_ipv6\":\"nat-unprotected\"}",
	  .pool6 = "fd00:1::/64",
	  .msg = "with gateway mode nat-unprotected" },
	{ .name = "respect and a trusted interface",
	  .options = "{\"berth.firewall\":\"respect\","
		     "\"" P "bridge.trusted_host_interfaces\":\"eth0\"}",
	  .msg = "trusted_host_interfaces reach containers past them" },
	{ .name = "open and routed",
	  .options = "{\"berth.firewall\":\"open\","
		     "\"" P "bridge.gateway_mode_ipv6\":\"routed\"}",
	  .pool6 = "fd00:1::/64",
	  .check = routed6 },
	{ .name = "isolated needs internal",
	  .options = "{\"" P "bridge.gateway_mode_ipv4\":\"isolated\"}",
	  .msg = "only for an internal network" },
	{ .name = "isolated and internal",
	  .options = "{\"" P "bridge.gateway_mode_ipv4\":\"isolated\"}",
	  .pool6 = "fd00:1::/64",
	  .internal = true,
	  .check = isolated },
	{ .name = "mtu",
	  .options = "{\"" P "driver.mtu\":\"9000\"}",
	  .check = jumbo },
	{ .name = "mtu of zero",
	  .options = "{\"" P "driver.mtu\":\"0\"}",
	  .msg = "whole number" },
	{ .name = "mtu too small for IPv6",
	  .options = "{\"" P "driver.mtu\":\"1279\"}",
	  .pool6 = "fd00:1::/64",
	  .msg = "IPv6 needs 1280" },
	{ .name = "mtu too large",
	  .options = "{\"" P "driver.mtu\":\"65536\"}",
	  .msg = "whole number" },
	{ .name = "name too long",
	  .options = "{\"" P "bridge.name\":\"sixteen-letters-\"}",
	  .msg = "not a name for a link" },
	{ .name = "name with a slash",
	  .options = "{\"" P "bridge.name\":\"a/b\"}",
	  .msg = "not a name for a link" },
	{ .name = "name with a colon",
	  .options = "{\"" P "bridge.name\":\"a:b\"}",
	  .msg = "not a name for a link" },
	{ .name = "name of dots",
	  .options = "{\"" P "bridge.name\":\"..\"}",
	  .msg = "not a name for a link" },
	{ .name = "name with a pattern",
	  .options = "{\"" P "bridge.name\":\"br%d\"}",
	  .msg = "not a name for a link" },
	{ .name = "prefix that leaves no room",
	  .options = "{\"" P "container_iface_prefix\":\"twelve-chars\"}",
	  .msg = "not the beginning" },
	{ .name = "empty prefix",
	  .options = "{\"" P "container_iface_prefix\":\"\"}",
	  .msg = "not the beginning" },
	{ .name = "host address of the wrong family",
	  .options = "{\"" P "host_ipv4\":\"fd00::1\"}",
	  .msg = "not an IPv4 address" },
	{ .name = "host address of the wrong family, 6",
	  .options = "{\"" P "host_ipv6\":\"10.0.0.1\"}",
	  .msg = "not an IPv6 address" },
	{ .name = "binding of the wrong family",
	  .options = "{\"" P "bridge.host_binding_ipv4\":\"::1\"}",
	  .msg = "not an IPv4 address" },
	{ .name = "trusted interface that can't be",
	  .options = "{\"" P "bridge.trusted_host_interfaces\":\"eth0:a b\"}",
	  .msg = "is not a link's name" },
	{ .name = "too many trusted interfaces",
	  .options = "{\"" P "bridge.trusted_host_interfaces\":"
		     "\"a:b:c:d:e:f:g:h:i:j:k:l:m:n:o:p:q\"}",
	  .msg = "more than 16" },
	{ .name = "unknown mode",
	  .options = "{\"" P "bridge.gateway_mode_ipv4\":\"open\"}",
	  .msg = "one of nat, nat-unprotected, routed, isolated" },
	{ .name = "default bridge",
	  .options = "{\"" P "bridge.default_bridge\":\"true\"}",
	  .msg = "docker0 belongs to dockerd" },
	{ .name = "parent",
	  .options = "{\"parent\":\"eth0\"}",
	  .msg = "no parent interface" },
	{ .name = "the eBPF dataplane",
	  .options = "{\"berth.dataplane\":\"ebpf\"}",
	  .check = ebpf },
	{ .name = "a dataplane that is none",
	  .options = "{\"berth.dataplane\":\"iptables\"}",
	  .msg = "not one of nft, ebpf" },
	{ .name = "allow and deny",
	  .options = "{" EBPF "\"berth.deny\":\"10.0.0.7,2001:db8::7\","
		     "\"berth.allow\":\"10.0.0.0/8,2001:db8::/32\"}",
	  .check = lists },
	{ .name = "everybody",
	  .options = LIST("allow", "0.0.0.0/0,::/0"),
	  .check = everybody },
	{ .name = "as many as go",
	  .options = LIST("allow", EIGHT "," EIGHT "," EIGHT "," EIGHT),
	  .check = full },
	{ .name = "one more than that",
	  .options = "{" EBPF "\"berth.deny\":\"10.0.0.1\","
		     "\"berth.allow\":\"" EIGHT "," EIGHT "," EIGHT "," EIGHT
		     "\"}",
	  .msg = "berth.deny: more than 32 networks" },
	{ .name = "by the daemon's default",
	  .check = limited,
	  .options = "{\"berth.limit\":\"20/s\"}" },
	{ .name = "a limit and its burst",
	  .options = LIST("limit", "1/s:1000000"),
	  .check = limited_burst },
	{ .name = "an empty list",
	  .options = LIST("allow", ""),
	  .msg = "option berth.allow: empty" },
	{ .name = "an empty limit",
	  .options = LIST("limit", ""),
	  .msg = "option berth.limit: empty" },
	{ .name = "a comma alone",
	  .options = LIST("allow", ","),
	  .msg = "berth.allow: \"\" is not a network" },
	{ .name = "a comma at the end",
	  .options = LIST("deny", "10.0.0.0/8,"),
	  .msg = "berth.deny: \"\" is not a network" },
	{ .name = "a name for a network",
	  .options = LIST("allow", "office"),
	  .msg = "berth.allow: \"office\" is not a network: write them as "
		 "192.168.0.0/16,2001:db8::/32" },
	{ .name = "blanks in a list",
	  .options = LIST("allow", "10.0.0.0/8, 11.0.0.0/8"),
	  .msg = "\" 11.0.0.0/8\" is not a network" },
	{ .name = "too long a prefix",
	  .options = LIST("deny", "10.0.0.0/33"),
	  .msg = "berth.deny: \"10.0.0.0/33\" is not a network" },
	{ .name = "an address in a network",
	  .options = LIST("allow", "10.0.0.9/8"),
	  .msg = "\"10.0.0.9/8\" is an address in a network: write "
		 "10.0.0.0/8" },
	{ .name = "IPv4 as IPv6",
	  .options = LIST("allow", "::ffff:10.0.0.1"),
	  .msg = "write it as IPv4" },
	{ .name = "IPv4 as IPv6, all of it",
	  .options = LIST("deny", "::ffff:0:0/96"),
	  .msg = "write it as IPv4" },
	{ .name = "a limit of none",
	  .options = LIST("limit", "0/s"),
	  .msg = "berth.limit: \"0/s\" is not a number of new connections a "
		 "second: write 20/s" },
	{ .name = "a limit without its unit",
	  .options = LIST("limit", "20"),
	  .msg = "berth.limit: \"20\" is not" },
	{ .name = "a limit a minute",
	  .options = LIST("limit", "20/m"),
	  .msg = "berth.limit: \"20/m\" is not" },
	{ .name = "a limit above the most",
	  .options = LIST("limit", "1000001/s"),
	  .msg = "(1 to 1000000)" },
	{ .name = "a limit below none",
	  .options = LIST("limit", "-1/s"),
	  .msg = "berth.limit: \"-1/s\" is not" },
	{ .name = "a burst of none",
	  .options = LIST("limit", "20/s:0"),
	  .msg = "berth.limit: \"20/s:0\" is not" },
	{ .name = "a burst and more",
	  .options = LIST("limit", "20/s:9x"),
	  .msg = "berth.limit: \"20/s:9x\" is not" },
	{ .name = "a burst that is missing",
	  .options = LIST("limit", "20/s:"),
	  .msg = "berth.limit: \"20/s:\" is not" },
	{ .name = "rates, by nftables as well",
	  .options = "{\"berth.dataplane\":\"nft\","
		     "\"berth.rate\":\"in=20mbit,out=1mbit:64kb\"}",
	  .check = rated },
	{ .name = "no rate", .options = "{}", .check = unrated },
	{ .name = "a rate of an internal network, and the host's rules",
	  .internal = true,
	  .options = "{\"berth.firewall\":\"respect\","
		     "\"berth.rate\":\"in=20mbit,out=1mbit:64kb\"}",
	  .check = rated },
	{ .name = "an empty rate",
	  .options = "{\"berth.rate\":\"\"}",
	  .msg = "option berth.rate: empty" },
	{ .name = "a rate that is none",
	  .options = "{\"berth.rate\":\"20mb\"}",
	  .msg = "berth.rate: \"20mb\" is not a rate: write 10mbit" },
	{ .name = "a list by nftables",
	  .options = "{\"berth.dataplane\":\"nft\","
		     "\"berth.deny\":\"10.0.0.0/8\"}",
	  .msg = "berth.deny needs -o berth.dataplane=ebpf" },
	{ .name = "a list and the host's rules",
	  .options = "{" EBPF "\"berth.firewall\":\"respect\","
		     "\"berth.limit\":\"20/s\"}",
	  .msg = "berth.limit needs -o berth.dataplane=ebpf, which" },
	{ .name = "a list and nothing published",
	  .internal = true,
	  .options = LIST("allow", "10.0.0.0/8"),
	  .msg = "berth.allow: an internal network publishes nothing" },
	{ .name = "a list and a way past it",
	  .options = "{" EBPF "\"berth.allow\":\"10.0.0.0/8\","
		     "\"" P "bridge.gateway_mode_ipv4\":\"routed\"}",
	  .msg = "are reached past them" },
	{ .name = "a list and trusted interfaces",
	  .options = "{" EBPF "\"berth.allow\":\"10.0.0.0/8\","
		     "\"" P "bridge.trusted_host_interfaces\":\"eth0\"}",
	  .msg = "are reached past them" },
	{ .name = "a slip",
	  .options = "{\"berth.gaurd\":\"on\"}",
	  .msg = "did you mean \"berth.guard\"" },
	{ .name = "loopback subnet",
	  .options = "{}",
	  .pool4 = "127.1.0.0/16",
	  .msg = "no addresses for hosts" },
	{ .name = "multicast subnet",
	  .options = "{}",
	  .pool4 = "224.1.0.0/16",
	  .msg = "no addresses for hosts" },
	{ .name = "link-local subnet",
	  .options = "{}",
	  .pool6 = "fe80::/64",
	  .msg = "no addresses for hosts" },
	{ .name = "null IPAM",
	  .options = "{}",
	  .no_pool = true,
	  .msg = "needs a subnet" },
};

static void option_row(void **state)
{
	const struct row *row = *state;
	struct bridge_network *br = network_new();
	_cleanup_(json_putp) json_object *map =
		json_tokener_parse(row->options);
	struct err err = { 0 };
	int r;

	assert_non_null(map);
	br->base.internal = row->internal;
	br->base.ipv6 = row->pool6;
	if (!row->no_pool)
		pool_set(&br->base.v4, row->pool4 ? row->pool4 : "10.1.0.0/24",
			 row->pool4 ? row->pool4 : "10.1.0.1/24");
	if (row->pool6)
		pool_set(&br->base.v6, row->pool6, "fd00:1::1/64");
	r = opts_decode(map, bridge_network_options, br, "a network", &err);
	if (r == 0)
		r = bridge_driver.network_init(&br->base, &err);
	if (!row->msg && r < 0)
		fail_msg("%s", err.msg);
	if (row->msg) {
		assert_int_equal(r, -EINVAL);
		if (!strstr(err.msg, row->msg))
			fail_msg("\"%s\" is not in \"%s\"", row->msg, err.msg);
	}
	if (row->check)
		assert_true(row->check(br));
	free(br);
}

static void every_option_is_documented(void **state)
{
	(void)state;
	for (const struct opt_field *f = bridge_network_options; f->key; f++)
		assert_true(f->doc && f->doc[0]);
	for (const struct opt_field *f = bridge_endpoint_options; f->key; f++)
		assert_true(f->doc && f->doc[0]);
}

/* ---- overlap ------------------------------------------------------------------ */

static struct bridge_network *network_with(struct bridge_host *host, char id,
					   const char *pool, const char *pool6)
{
	struct bridge_network *br = network_new();

	memset(br->base.id, id, 64);
	br->base.host = host;
	snprintf(br->name, sizeof(br->name), "bb-%.12s", br->base.id);
	if (pool)
		assert_int_equal(ip_prefix_parse(pool, &br->base.v4.pool, NULL),
				 0);
	if (pool6)
		assert_int_equal(
			ip_prefix_parse(pool6, &br->base.v6.pool, NULL), 0);
	return br;
}

static void claim(struct bridge_host *host, char id, const char *pool,
		  const char *pool6, const char *msg)
{
	struct bridge_network *br = network_with(host, id, pool, pool6);
	struct err err = { 0 };
	int r = bridge_claim(host, br, true, &err);

	if (!msg) {
		if (r < 0)
			fail_msg("%s", err.msg);
		return; /* stays in the list */
	}
	assert_int_equal(r, -EEXIST);
	if (!strstr(err.msg, msg))
		fail_msg("\"%s\" is not in \"%s\"", msg, err.msg);
	assert_false(br->claimed);
	free(br);
}

static void add_route(struct nlk *nlk, int index, const char *dst)
{
	struct nlk_route r = { .oif = index, .table = 254, .type = 1 };
	struct err err = { 0 };

	assert_int_equal(ip_prefix_parse(dst, &r.dst, NULL), 0);
	r.scope = r.dst.addr.family == AF_INET ? 253 : 0;
	if (nlk_route_add(nlk, &r, &err) < 0)
		fail_msg("%s", err.msg);
}

static void overlaps(void **state)
{
	struct bridge_host host = { .announce_fd = -EBADF };
	const struct nlk_bridge_conf conf = { .name = "up0",
					      .alias = "berth:test:up0" };
	struct nlk_link link;
	struct err err = { 0 };

	(void)state;
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: no network namespace\n");
		skip();
	}
	pthread_mutex_init(&host.lock, NULL);
	assert_int_equal(nlk_open(&host.nlk, &err), 0);
	assert_int_equal(nlk_bridge_add(host.nlk, &conf, &err), 0);
	assert_int_equal(nlk_link_get(host.nlk, "up0", 0, &link, &err), 0);
	assert_int_equal(nlk_link_up(host.nlk, link.index, true, &err), 0);
	add_route(host.nlk, link.index, "10.20.0.0/16");
	add_route(host.nlk, link.index, "fd00:20::/48");
	add_route(host.nlk, link.index, "0.0.0.0/0"); /* means nothing */
	claim(&host, '1', "10.20.9.0/24", NULL, "route 10.20.0.0/16 on up0");
	claim(&host, '1', "10.0.0.0/8", NULL, "route 10.20.0.0/16 on up0");
	claim(&host, '1', "10.30.0.0/24", "fd00:20:0:1::/64",
	      "route fd00:20::/48 on up0");
	claim(&host, '2', "10.30.0.0/24", "fd00:30::/64", NULL);
	claim(&host, '3', "10.30.0.128/25", NULL, "network 222222222222");
	claim(&host, '3', "10.31.0.0/24", "fd00:30::/80",
	      "network 222222222222");
	claim(&host, '2', "10.40.0.0/24", NULL, "bb-222222222222 belongs to");
	claim(&host, '4', "10.30.1.0/24", "fd00:31::/64", NULL);
	claim(&host, '5', NULL, "fd00:32::/64", NULL);
	while (host.networks) {
		struct bridge_network *br = host.networks;

		bridge_release(&host, br);
		free(br);
	}
	nlk_close(host.nlk);
	pthread_mutex_destroy(&host.lock);
}

/* ---- berth.service --------------------------------------------------------- */

struct join_row {
	const char *name; /* the option's text */
	const char *service;
	uint16_t port, weight; /* weight 0: refused */
};

static const struct join_row join_rows[] = {
	{ "web", "web", 0, 1 },
	{ "web:80", "web", 80, 1 },
	{ "web*3", "web", 0, 3 },
	{ "a.b_c-9:65535*100", "a.b_c-9", 65535, 100 },
	{ ":80", "", 0, 0 },
	{ "-web", "", 0, 0 },
	{ "web:", "", 0, 0 },
	{ "web:0", "", 0, 0 },
	{ "web:080", "", 0, 0 },
	{ "web:65536", "", 0, 0 },
	{ "web:99999999999999999999", "", 0, 0 },
	{ "web*0", "", 0, 0 },
	{ "web*101", "", 0, 0 },
	{ "web*2:80", "", 0, 0 },
	{ "web:80*", "", 0, 0 },
	{ "web/80", "", 0, 0 },
	{ "web shop", "", 0, 0 },
	{ "0123456789012345678901234567890123456789012345678901234567890123",
	  "", 0, 0 },
};

static void join_row(void **state)
{
	const struct join_row *row = *state;
	struct err err = { "" };
	struct dp_join got;
	int r = bridge_service_parse(row->name, &got, &err);

	if (!row->weight) {
		assert_int_equal(r, -EINVAL);
		assert_non_null(strstr(err.msg, "is not NAME"));
		return;
	}
	assert_int_equal(r, 0);
	assert_string_equal(got.name, row->service);
	assert_int_equal(got.port, row->port);
	assert_int_equal(got.weight, row->weight);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + ARRAY_SIZE(join_rows) + 2];
	size_t n = TEST_ROWS(tests, rows, option_row);

	n += TEST_ROWS(&tests[n], join_rows, join_row);
	tests[n++] = (struct CMUnitTest){
		.name = "every option is documented",
		.test_func = every_option_is_documented,
	};
	tests[n++] = (struct CMUnitTest){
		.name = "overlapping subnets",
		.test_func = overlaps,
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
