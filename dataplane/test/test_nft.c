/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nft.c - the ruleset as nft(8) reads it, its elements, its repair.
 */
#include "dataplane/test/nft_text.h"

#include <poll.h>

#include "dataplane/dp_priv.h"
#include "lib/base.h"

/* ---- tests -------------------------------------------------------------- */

/* What we make is what nft(8) makes of the text in docs, rule by rule. */
static void ruleset_is_the_text(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	nft_is_text("dataplane/test/ruleset.nft");
	ok(dp_network_del(dp, "n1", &err));
	sh("nft list ruleset");
	assert_string_equal(out, "");
	dp_close(dp);
}

static void publish_makes_elements(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	ok(dp_port_add(dp, &p, &err));
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "", IPPROTO_TCP, 0, 0, 81);
	want(&pub.ports, "", IPPROTO_SCTP, 7777, 7777, 77);
	want(&pub.ports, "127.0.0.1", IPPROTO_UDP, 53, 53, 53);
	for (int i = 0; i < 20; i++)
		want(&pub.ports, "", IPPROTO_UDP, 9000 + i, 9000 + i, 9000 + i);
	ok(dp_publish_add(dp, &pub, &err));
	for (size_t i = 0; i < pub.ports.count; i++)
		assert_int_not_equal(pub.ports.ranges[i].host_first, 0);
	sh("nft list map inet " DRIVER " any4");
	assert_non_null(strstr(out, "tcp . 8080 : 10.0.1.2 . 80"));
	assert_non_null(strstr(out, "sctp . 7777 : 10.0.1.2 . 77"));
	sh("nft list map inet " DRIVER " any6");
	assert_non_null(strstr(out, "tcp . 8080 : fd00:1::2 . 80"));
	sh("nft list map inet " DRIVER " any4r");
	assert_non_null(strstr(out, "udp . 9000-9019 : 10.0.1.2"));
	sh("nft list ruleset");
	assert_null(strstr(out, "127.0.0.1"));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	ok(dp_publish_add(dp, &pub, &err)); /* the same again */
	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_publish_del(dp, "e1", &err));
	sh("nft list map inet " DRIVER " any4");
	assert_null(strstr(out, "8080"));
	ok(dp_port_del(dp, "e1", &err));
	ok(dp_network_del(dp, "n1", &err));
	sh("nft list ruleset; ss -Htuna");
	assert_string_equal(out, "");
	portmap_free(&pub.ports);
	dp_close(dp);
}

/* What publish of each mode leaves in the maps: "set element" lines. */
struct mode_row {
	const char *name;
	enum dp_gateway_mode mode;
	bool internal, trusted;
	const char *there, *absent;
};

static const struct mode_row mode_rows[] = {
	{ .name = "nat",
	  .mode = DP_GW_NAT,
	  .there = "any4",
	  .absent = "open4" },
	{ .name = "nat, with a trusted interface",
	  .mode = DP_GW_NAT,
	  .trusted = true,
	  .there = "open4" },
	{ .name = "nat-unprotected",
	  .mode = DP_GW_NAT_UNPROTECTED,
	  .there = "direct4",
	  .absent = "open4" },
	{ .name = "routed",
	  .mode = DP_GW_ROUTED,
	  .there = "open4",
	  .absent = "any4" },
	{ .name = "isolated",
	  .mode = DP_GW_ISOLATED,
	  .there = "isolated4",
	  .absent = "any4" },
	{ .name = "internal",
	  .mode = DP_GW_NAT,
	  .internal = true,
	  .there = "internal4",
	  .absent = "any4" },
};

static bool holds(const struct mode_row *row)
{
	return !row->internal && row->mode != DP_GW_ROUTED &&
	       row->mode != DP_GW_ISOLATED;
}

static bool has_elements(const char *set)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd),
		 "nft list set inet " DRIVER " %s 2>/dev/null"
		 " || nft list map inet " DRIVER " %s",
		 set, set);
	assert_int_equal(sh(cmd), 0);
	return strstr(out, "elements");
}

static void mode_makes_elements(void **state)
{
	const struct mode_row *row = *state;
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	struct dp *dp = open_dp();
	struct err err = { "" };

	net.mode4 = row->mode;
	net.internal = row->internal;
	if (row->trusted)
		strcpy(net.trusted[0], "eth0");
	ok(dp_network_add(dp, &net, &err));
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "", IPPROTO_TCP, 8081, 8081, 80);
	ok(dp_publish_add(dp, &pub, &err));
	assert_true(has_elements(row->there));
	assert_true(!row->absent || !has_elements(row->absent));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080),
			 holds(row) ? EADDRINUSE : 0);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	ok(dp_network_del(dp, "n1", &err));
	portmap_free(&pub.ports);
	dp_close(dp);
}

/* Until the tables are there again, polling as the core does. */
static double repaired(struct dp *dp)
{
	struct err err = { "" };
	double start = now_ms();
	int fds[4], n = (int)dp_fds(dp, fds);
	struct pollfd p[4];

	for (int i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	while (dp_check(dp, NULL, NULL, &err) != 0) {
		poll(p, (nfds_t)n, 1000);
		ok(dp_event(dp, &err));
		assert_true(now_ms() - start < 20000);
	}
	return now_ms() - start;
}

static const char *const damages[] = {
	"nft flush ruleset",
	"nft delete table inet " DRIVER,
	"nft delete table bridge " DRIVER,
	"nft flush chain inet " DRIVER " wire",
	"nft delete element inet " DRIVER " nets '{ \"br1\" }'",
	"nft flush map inet " DRIVER " any4",
	"nft delete element inet " DRIVER " nets '{ \"br1\" }';"
	"nft add element inet " DRIVER " nets '{ \"br9\" }'",
	"nft delete element inet " DRIVER " any4 '{ tcp . 8080 }';"
	"nft add element inet " DRIVER " any4 '{ tcp . 8080 : 10.0.1.3 . 80 }'",
	"nft delete element inet " DRIVER " subnets4 '{ 10.0.1.0/24 }';"
	"nft add element inet " DRIVER " subnets4 '{ 10.0.1.0/25 }'",
	"nft delete element bridge " DRIVER
	" mac '{ \"v1\" . 02:42:0a:00:01:02 }';"
	"nft add element bridge " DRIVER
	" mac '{ \"v1\" . 02:42:0a:00:01:09 }'",
	"nft add rule inet " DRIVER " forward accept",
	"nft flush table bridge " DRIVER,
	"tc qdisc del dev v1 clsact",
	"tc filter del dev v1 egress",
	"bpftool map delete pinned $BPF/berth/v1/" DRIVER "/guard_port "
	"key $(ip -o link show v1 | cut -d: -f1) 0 0 0",
};

static void damage_is_repaired(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	struct dp *dp = open_dp();
	struct err err = { "" };

	ok(dp_network_add(dp, &net, &err));
	ok(dp_port_add(dp, &p, &err));
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	ok(dp_publish_add(dp, &pub, &err));
	assert_int_equal(sh("nft -s list ruleset > $D/before"), 0);
	assert_int_equal(sh(*state), 0);
	assert_true(dp_check(dp, NULL, NULL, &err) > 0);
	printf("# repaired in %.1f ms\n", repaired(dp));
	assert_int_equal(sh("nft -s list ruleset | diff $D/before -"), 0);
	/* a change through a table that is gone mends it, too */
	sh("nft flush ruleset");
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	ok(dp_port_del(dp, "e1", &err));
	ok(dp_network_del(dp, "n1", &err));
	portmap_free(&pub.ports);
	dp_close(dp);
}

/* A daemon's restart: the same is told again, and what is not told goes. */
static void restart_keeps_what_is_told(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_network gone = network("n2", "br2", 2);
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	ok(dp_network_add(dp, &gone, &err));
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	ok(dp_publish_add(dp, &pub, &err));
	dp_close(dp);
	sh("nft list ruleset");
	assert_non_null(strstr(out, "8080"));

	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_publish_add(dp, &pub, &err));
	sh("nft list ruleset");
	assert_non_null(strstr(out, "br2"));
	ok(dp_load_end(dp, &err));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	sh("nft list ruleset");
	assert_non_null(strstr(out, "8080"));
	assert_null(strstr(out, "br2"));
	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_network_del(dp, "n1", &err));
	sh("nft list ruleset");
	assert_string_equal(out, "");
	portmap_free(&pub.ports);
	dp_close(dp);
}

/* Is @name an element of set @set? */
static bool set_has(const char *set, const char *name)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd),
		 "nft list set inet " DRIVER " %s | grep -q '\"%s\"'", set,
		 name);
	return sh(cmd) == 0;
}

static void look_again(struct dp *dp)
{
	struct err err = { "" };

	dp->looked_ms = 0; /* routes are looked at once a second */
	ok(dp_event(dp, &err));
}

static void others_networks_are_followed(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	sh("ip link del br1");
	ok(dp_network_add(dp, &net, &err));
	ok(dp_forward_guard(dp, true, false, &err));
	sh("nft list set inet " DRIVER " stop");
	assert_non_null(strstr(out, "ipv4"));
	assert_int_equal(sh("ip link add docker0 type bridge && "
			    "ip link add br-0123456789ab type bridge && "
			    "ip link add br-web type bridge && "
			    "ip link add vm1 type veth peer vm1c && "
			    "ip link set vm1 master br-web && "
			    "ip link add br1 type bridge"),
			 0);
	ok(dp_event(dp, &err));
	assert_true(set_has("foreign", "docker0"));
	assert_true(set_has("foreign", "br-0123456789ab"));
	assert_true(set_has("foreign", "br-web"));
	assert_false(set_has("foreign", "br1"));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	sh("ip link del docker0; ip link del br-0123456789ab; "
	   "ip link del br-web; ip link del vm1");
	ok(dp_event(dp, &err));
	assert_false(has_elements("foreign"));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
}

/* The user's, lent to a network; and ours, seen before it had its alias. */
static void our_bridges_are_not_others(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_network lent = network("n2", "br-mine", 2);
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	assert_int_equal(sh("ip link del br1; ip link add br-mine type bridge"),
			 0);
	ok(dp_network_add(dp, &net, &err));
	assert_true(set_has("foreign", "br-mine"));
	ok(dp_network_add(dp, &lent, &err));
	assert_false(set_has("foreign", "br-mine"));
	ok(dp_network_del(dp, "n2", &err));
	look_again(dp);
	assert_true(set_has("foreign", "br-mine"));
	sh("ip link add bb-3 type bridge");
	ok(dp_event(dp, &err));
	assert_true(set_has("foreign", "bb-3"));
	sh("ip link set bb-3 alias berth:" DRIVER ":n3; "
	   "ip link set bb-3 up"); /* which makes the event */
	ok(dp_event(dp, &err));
	assert_false(set_has("foreign", "bb-3"));
	sh("ip link del br-mine; ip link del bb-3");
	ok(dp_network_del(dp, "n1", &err));
	/* lent from the first */
	sh("ip link add br-mine type bridge");
	ok(dp_network_add(dp, &lent, &err));
	assert_false(has_elements("foreign"));
	ok(dp_network_del(dp, "n2", &err));
	sh("ip link del br-mine; ip link add br1 type bridge");
	dp_close(dp);
}

static int told_to_guard(void)
{
	assert_int_equal(sh("bpftool -j map dump pinned $BPF/berth/v1/" DRIVER
			    "/guard_port | jq length"),
			 0);
	return atoi(out);
}

/* Ports of a lent bridge that are nobody's endpoints: before it was lent, and
 * after. */
static void the_users_cables_are_told(void **state)
{
	struct dp_network lent = network("n2", "br-mine", 2);
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	assert_int_equal(sh("ip link add br-mine type bridge && "
			    "ip link add l1 type veth peer name l2 && "
			    "ip link add l3 type veth peer name l4 && "
			    "ip link set l1 master br-mine && "
			    "ip link set l3 master br1"),
			 0);
	ok(dp_network_add(dp, &lent, &err));
	ok(dp_event(dp, &err));
	assert_int_equal(told_to_guard(), 1);
	sh("ip link set l2 master br-mine");
	ok(dp_event(dp, &err));
	assert_int_equal(told_to_guard(), 2);
	sh("ip link set l1 nomaster");
	look_again(dp);
	assert_int_equal(told_to_guard(), 1);
	ok(dp_network_del(dp, "n2", &err));
	sh("ip link del l1; ip link del l3; ip link del br-mine");
	dp_close(dp);
}

/* A bridge with a cable, or with the default route, is the LAN. */
static void bridges_to_the_outside_stay_open(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(sh("ip link add br-lan type bridge && "
			    "ip link add vx7 type vxlan id 7 dstport 4789 && "
			    "ip link add br-wan type bridge && "
			    "ip addr add 192.0.2.1/24 dev br-wan && "
			    "ip link set br-wan up"),
			 0);
	ok(dp_event(dp, &err));
	assert_true(set_has("foreign", "br-lan"));
	assert_true(set_has("foreign", "br-wan"));
	assert_int_equal(sh("ip link set vx7 master br-lan && "
			    "ip route add default via 192.0.2.2"),
			 0);
	look_again(dp);
	assert_false(set_has("foreign", "br-lan"));
	assert_false(set_has("foreign", "br-wan"));
	assert_int_equal(sh("ip link set vx7 nomaster && "
			    "ip route del default"),
			 0);
	look_again(dp);
	assert_true(set_has("foreign", "br-lan"));
	assert_true(set_has("foreign", "br-wan"));
	sh("ip link del br-lan; ip link del br-wan; ip link del vx7");
	ok(dp_event(dp, &err));
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
}

static void respect_lets_input_decide(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	net.firewall = DP_FW_RESPECT;
	ok(dp_network_add(dp, &net, &err));
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "127.0.0.1", IPPROTO_TCP, 8081, 8081, 80);
	for (int i = 0; i < 100; i++)
		want(&pub.ports, "", IPPROTO_UDP, 9000 + i, 9000 + i, 9000 + i);
	ok(dp_publish_add(dp, &pub, &err));
	assert_true(has_elements("judge-any4"));
	assert_true(has_elements("judge-any6r"));
	assert_int_equal(sh("nft list table ip " DRIVER), 0);
	assert_non_null(strstr(out, "dup to 192.0.0.8 device"));
	assert_int_equal(sh("nft list table ip6 " DRIVER), 0);
	assert_int_equal(sh("nft -s list ruleset > $D/ours && "
			    "nft -c -f $D/ours"),
			 0);
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	/* the device deleted: a new one has another index */
	sh("ip link del again-bridge");
	printf("# repaired in %.1f ms\n", repaired(dp));
	sh("nft -s list ruleset | diff $D/ours -; rm $D/ours");
	assert_string_equal(out, "");
	ok(dp_publish_del(dp, "e1", &err));
	assert_false(has_elements("judge-any4"));
	net.firewall = DP_FW_OPEN;
	ok(dp_network_add(dp, &net, &err));
	sh("ip link show again-bridge 2>&1");
	assert_non_null(strstr(out, "does not exist"));
	sh("nft list tables ip; nft list tables ip6");
	assert_string_equal(out, "");
	ok(dp_network_del(dp, "n1", &err));
	portmap_free(&pub.ports);
	dp_close(dp);
}

int main(void)
{
	struct CMUnitTest
		tests[8 + ARRAY_SIZE(mode_rows) + ARRAY_SIZE(damages)] = {
			cmocka_unit_test(ruleset_is_the_text),
			cmocka_unit_test(publish_makes_elements),
			cmocka_unit_test(restart_keeps_what_is_told),
			cmocka_unit_test(others_networks_are_followed),
			cmocka_unit_test(our_bridges_are_not_others),
			cmocka_unit_test(the_users_cables_are_told),
			cmocka_unit_test(bridges_to_the_outside_stay_open),
			cmocka_unit_test(respect_lets_input_decide),
		};
	size_t n = 8;
	int failed;

	for (size_t i = 0; i < ARRAY_SIZE(mode_rows); i++)
		tests[n++] = (struct CMUnitTest){
			.name = mode_rows[i].name,
			.test_func = mode_makes_elements,
			.initial_state = (void *)(uintptr_t)&mode_rows[i],
		};
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
		tests[n++] = (struct CMUnitTest){
			.name = damages[i],
			.test_func = damage_is_repaired,
			.initial_state = (void *)(uintptr_t)damages[i],
		};
	if (!dp_test_host())
		return 0;
	dp_test_links("br1", "v1");
	setenv("BPF", bpf_dir, 1);
	if (!nft_text_begin())
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	nft_text_end();
	dp_test_done();
	return failed;
}
