/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fast_policy.c - who may reach published ports, at the facade: what is open
 * only to some has no rule that would open it to all, whatever happens to the
 * rules; where it cannot be had it is refused; a failure leaves nothing.
 */
#include "dataplane/test/dp_test.h"

#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/test/pool_slots.h"
#include "lib/base.h"

static struct err err;

static struct dp_policy policy(const char *allow, const char *deny)
{
	struct dp_policy p = { 0 };

	if (allow)
		p.rules[p.count++] =
			(struct dp_policy_rule){ prefix(allow), true };
	if (deny)
		p.rules[p.count++] =
			(struct dp_policy_rule){ prefix(deny), false };
	return p;
}

static struct dp_network listed_network(void)
{
	struct dp_network net = network("n1", "br1", 1);

	net.backend = DP_EBPF;
	net.policy = policy("192.0.2.0/24", "192.0.2.128/25");
	return net;
}

/* ---- refused --------------------------------------------------------------- */

struct refused_row {
	const char *name, *msg;
	void (*change)(struct dp_network *net);
};

static void by_nft(struct dp_network *net)
{
	net->backend = DP_NFT;
}

static void by_respect(struct dp_network *net)
{
	net->firewall = DP_FW_RESPECT;
}

static void be_internal(struct dp_network *net)
{
	net->internal = true;
}

static void be_routed(struct dp_network *net)
{
	net->mode4 = DP_GW_ROUTED;
}

static void be_unprotected(struct dp_network *net)
{
	net->mode6 = DP_GW_NAT_UNPROTECTED;
}

static void trust(struct dp_network *net)
{
	strcpy(net->trusted[0], "x0");
}

static const struct refused_row refused_rows[] = {
	{ "nftables", "need -o berth.dataplane=ebpf", by_nft },
	{ "the host's rules", "need -o berth.dataplane=ebpf", by_respect },
	{ "an internal network", "publishes nothing", be_internal },
	{ "routed", "are reached past published ports", be_routed },
	{ "unprotected", "are reached past published ports", be_unprotected },
	{ "a trusted interface", "are reached past published ports", trust },
};

/* The network, and an endpoint of one without a list. */
static void refused_row(void **state)
{
	const struct refused_row *row = *state;
	struct dp_network net = listed_network();
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp *dp = open_dp();

	row->change(&net);
	assert_int_equal(dp_network_add(dp, &net, &err), -EINVAL);
	assert_non_null(strstr(err.msg, row->msg));
	p.policy = net.policy;
	net.policy = (struct dp_policy){ 0 };
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(dp_port_add(dp, &p, &err), -EINVAL);
	assert_non_null(strstr(err.msg, row->msg));
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
}

/* ---- open to some ---------------------------------------------------------- */

static int listed(void) /* entries of the trie; -1: it is not there */
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "bpftool -j map dump pinned %s/berth/v1/" DRIVER
		 "/nat_policy 2>/dev/null | jq 'if type == \"array\" then "
		 "length else -1 end'",
		 bpf_dir);
	return sh(cmd) == 0 && out[0] ? atoi(out) : -1;
}

static bool has_rule_for(const char *port_number)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd),
		 "nft list table inet " DRIVER " | grep -w %s", port_number);
	return sh(cmd) == 0;
}

/* e1, with or without a list of its own, publishes 8080 and a range. */
static int add_endpoint(struct dp *dp, const struct dp_policy *own)
{
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	int r;

	if (own)
		p.policy = *own;
	pub.judged = own;
	r = dp_port_add(dp, &p, &err);
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "192.0.2.1", IPPROTO_UDP, 5353, 5353, 53);
	want(&pub.ports, "", IPPROTO_TCP, 9000, 9099, 9000);
	if (r == 0)
		r = dp_publish_add(dp, &pub, &err);
	portmap_free(&pub.ports);
	return r;
}

static int differences(struct dp *dp)
{
	double end = now_ms() + 20000;
	int n = -1;

	while (n != 0 && now_ms() < end) {
		usleep(20000);
		ok(dp_event(dp, &err));
		n = dp_check(dp, NULL, NULL, &err);
	}
	return n;
}

static void end_all(struct dp *dp)
{
	char cmd[256];

	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_port_del(dp, "e1", &err));
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
	snprintf(cmd, sizeof(cmd),
		 "find %s/berth 2>/dev/null; nft list ruleset", bpf_dir);
	sh(cmd);
	assert_string_equal(out, "");
}

/* After a restart and a flush as before: nothing is opened to all. */
static void no_rule_opens_it(struct dp *dp)
{
	assert_int_equal(differences(dp), 0);
	assert_false(has_rule_for("8080"));
	assert_false(has_rule_for("5353"));
	assert_false(has_rule_for("9000-9099"));
	sh("nft flush ruleset");
	assert_int_equal(differences(dp), 0);
	assert_true(has_rule_for("br1"));
	assert_false(has_rule_for("8080"));
	assert_false(has_rule_for("9000-9099"));
}

static void a_networks_list(void **state)
{
	struct dp_network net = listed_network();
	struct dp *dp = open_dp();

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(listed(), 4);
	ok(add_endpoint(dp, NULL));
	no_rule_opens_it(dp);
	dp_close(dp);
	assert_int_equal(listed(), 4);
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(add_endpoint(dp, NULL));
	ok(dp_load_end(dp, &err));
	assert_int_equal(listed(), 4);
	no_rule_opens_it(dp);
	end_all(dp);
}

static void an_endpoints_list(void **state)
{
	const struct dp_policy own = policy("198.51.100.0/24", NULL);
	struct dp_network net = listed_network();
	struct dp *dp = open_dp();

	(void)state;
	net.policy = (struct dp_policy){ 0 };
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(listed(), 0);
	ok(add_endpoint(dp, &own));
	assert_int_equal(listed(), 3);
	no_rule_opens_it(dp);
	/* without it: as any other port */
	ok(add_endpoint(dp, NULL));
	assert_int_equal(listed(), 0);
	assert_int_equal(differences(dp), 0);
	assert_true(has_rule_for("8080"));
	end_all(dp);
}

static void a_list_comes_and_goes(void **state)
{
	struct dp_network net = listed_network();
	struct dp *dp = open_dp();

	(void)state;
	net.policy = (struct dp_policy){ 0 };
	ok(dp_network_add(dp, &net, &err));
	ok(add_endpoint(dp, NULL));
	assert_true(has_rule_for("8080"));
	net = listed_network();
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(listed(), 4);
	no_rule_opens_it(dp);
	net.policy = policy(NULL, "192.0.2.0/24");
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(listed(), 3);
	assert_int_equal(differences(dp), 0);
	net.policy = (struct dp_policy){ 0 };
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(listed(), 0);
	assert_true(has_rule_for("8080"));
	end_all(dp);
}

/* A list that others changed is told. */
static void a_change_by_others_is_told(void **state)
{
	struct dp_network net = listed_network();
	struct dp *dp = open_dp();
	char cmd[512];

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	ok(add_endpoint(dp, NULL));
	assert_int_equal(differences(dp), 0);
	snprintf(cmd, sizeof(cmd),
		 "cd %s/berth/v1/" DRIVER " && k=$(bpftool -j map dump pinned "
		 "nat_policy | jq -r '.[0].key | join(\" \")') && bpftool map "
		 "delete pinned nat_policy key $k",
		 bpf_dir);
	assert_int_equal(sh(cmd), 0);
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 1);
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
}

/* ---- failures -------------------------------------------------------------- */

struct fail_row {
	const char *name, *point;
	int code;
	bool own; /* the endpoint's list, not the network's */
};

static const struct fail_row fail_rows[] = {
	{ "a network's first entry", "nat.policy.put:err=ENOSPC:nth=1", E2BIG,
	  false },
	{ "a network's last entry", "nat.policy.put:err=EIO:nth=4", EIO,
	  false },
	{ "the rules after it", "dp.network.mapped:err=ENOSPC:nth=1", ENOSPC,
	  false },
	{ "an endpoint's entry", "nat.policy.put:err=EIO:nth=3", EIO, true },
	{ "the endpoint after its list", "nat.ep.add:err=ENOSPC:nth=1", ENOSPC,
	  true },
	{ "the publish", "dp.publish.mapped:err=ENOMEM:nth=1", ENOMEM, true },
};

static void snapshot(char *to, size_t size)
{
	char cmd[1024], dir[128];
	int n;

	snprintf(cmd, sizeof(cmd),
		 "nft -s list ruleset; cd %s && find . -type f | grep nat_; "
		 "for m in nat_ep nat_policy sock_pub; do bpftool -j map dump "
		 "pinned berth/v1/" DRIVER "/$m; done 2>/dev/null",
		 bpf_dir);
	sh(cmd);
	n = snprintf(to, size, "%.*s", (int)size / 2, out);
	snprintf(dir, sizeof(dir), "%s/berth/v1/" DRIVER, bpf_dir);
	any_ports(dir, to + n, size - (size_t)n);
}

static int run(const struct fail_row *row)
{
	const struct dp_policy own = policy("198.51.100.0/24", NULL);
	static char before[1 << 16], after[1 << 16];
	struct dp_network net = listed_network();
	struct dp *dp;
	int r;

	setenv("BERTH_FP", row->point, 1);
	dp = open_dp();
	if (row->own) {
		net.policy = (struct dp_policy){ 0 };
		if (dp_network_add(dp, &net, &err) < 0)
			return 1;
	}
	snapshot(before, sizeof(before));
	r = row->own ? add_endpoint(dp, &own) : dp_network_add(dp, &net, &err);
	if (r != -row->code)
		return 2;
	if (row->own && (dp_publish_del(dp, "e1", NULL) < 0 ||
			 dp_port_del(dp, "e1", NULL) < 0))
		return 3;
	snapshot(after, sizeof(after));
	if (strcmp(before, after) != 0) {
		fprintf(stderr, "%s\n--\n%s\n", before, after);
		return 4;
	}
	if (!row->own && dp_network_add(dp, &net, &err) < 0)
		return 5;
	if (add_endpoint(dp, row->own ? &own : NULL) < 0)
		return 6;
	if (listed() != (row->own ? 3 : 4) || has_rule_for("8080"))
		return 7;
	end_all(dp);
	return 0;
}

static void in_a_child(void **state)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run(*state));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(a_networks_list),
		cmocka_unit_test(an_endpoints_list),
		cmocka_unit_test(a_list_comes_and_goes),
		cmocka_unit_test(a_change_by_others_is_told),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(fail_rows) +
				ARRAY_SIZE(refused_rows)];
	size_t n = TEST_ROWS(tests, fail_rows, in_a_child); /* before any passes
							     * a fail point */
	int failed;

	n += TEST_ROWS(&tests[n], refused_rows, refused_row);
	memcpy(&tests[n], plain, sizeof(plain));
	if (!dp_test_host())
		return 0;
	dp_test_links("br1 x0 x1", "v1");
	sh("ip addr add 192.0.2.1/24 dev x0; ip link set x0 up; ip link set "
	   "br1 up; ip link set v1 up master br1");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
