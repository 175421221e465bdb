/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fast.c - networks on the eBPF dataplane at the facade: a call that fails
 * at any step leaves the kernel as it was; who falls back to nftables and who is
 * refused; changing over.  A process a row: the fail points are read once.
 */
#include "dataplane/test/dp_test.h"

#include "bpf/guard_map.h"
#include "dataplane/dp_priv.h"
#include "dataplane/ebpf/test/pool_slots.h"
#include "lib/base.h"

/* ---- ports for masquerade -------------------------------------------------- */

struct masq_row {
	const char *name;
	uint32_t lo, hi; /* the ephemeral range */
	uint16_t first, last, want_first, want_last;
	bool keep;
};

static const struct masq_row masq_rows[] = {
	{ "the kernel's default", 32768, 60999, 1024, 32767, 1024, 32767,
	  false },
	{ "meets its end", 20000, 60999, 1024, 32767, 1024, 19999, false },
	{ "meets its beginning", 1024, 20000, 1024, 32767, 20001, 32767,
	  false },
	{ "all are ephemeral", 1024, 65535, 1024, 32767, 24576, 32767, true },
	{ "all, and few are wished", 1024, 65535, 61000, 62000, 61000, 62000,
	  true },
	{ "too few are left before", 3000, 60999, 1024, 32767, 24576, 32767,
	  true },
	{ "above", 32768, 60999, 61000, 65535, 61000, 65535, false },
};

static void masq_row(void **state)
{
	const struct masq_row *row = *state;
	uint16_t first = row->first, last = row->last;

	assert_int_equal(dp_masq_choose(row->lo, row->hi, &first, &last),
			 row->keep);
	assert_int_equal(first, row->want_first);
	assert_int_equal(last, row->want_last);
}

static struct err err;

static void say(void *ctx, const char *line)
{
	(void)ctx;
	print_message("# %s\n", line);
}

/* Addresses come when the kernel has looked for duplicates: follow them. */
static int differences(struct dp *dp, int want_n)
{
	double end = now_ms() + 20000;
	int n = -1;

	while (n != want_n && now_ms() < end) {
		usleep(20000);
		ok(dp_event(dp, &err));
		n = dp_check(dp, NULL, NULL, &err);
	}
	return n == want_n ? n : dp_check(dp, say, NULL, &err);
}

/* ---- failures --------------------------------------------------------------- */

#define PINS "cd %s && find . -type f | grep -v 'sock_\\|guard_' | sort; "

/* Everything that a call of ours can leave in the kernel. */
static void snapshot(char *to, size_t size)
{
	char cmd[2048], dir[128];
	int n;

	snprintf(cmd, sizeof(cmd),
		 "nft -s list ruleset; for l in v1 x0; do "
		 "tc filter show dev $l ingress | grep -o 'bpf .* direct'; "
		 "done; cat /proc/sys/net/ipv4/ip_local_reserved_ports; " PINS
		 "for m in nat_ep nat_local nat_link sock_pub sock_range; do "
		 "bpftool -j map dump pinned berth/v1/" DRIVER "/$m | tr '{' "
		 "'\\n' | sort; done 2>/dev/null",
		 bpf_dir);
	sh(cmd);
	n = snprintf(to, size, "%.*s", (int)size / 2, out);
	snprintf(dir, sizeof(dir), "%s/berth/v1/" DRIVER, bpf_dir);
	any_ports(dir, to + n, size - (size_t)n);
}

struct row {
	const char *name, *point;
	int code;
	bool fall_back;
	bool stays; /* the call succeeds all the same: it fell back */
};

static const struct row rows[] = {
	{ "the programs can't be loaded", "nat.load", ENOSPC, false, false },
	{ "whether to stand aside", "nat.aside", EIO, false, false },
	{ "something after them", "dp.fast.attached", EIO, false, false },
	{ "the first uplink", "nat.uplink:nth=1", ENOSPC, false, false },
	{ "the second uplink", "nat.uplink:nth=2", ENOSPC, false, false },
	{ "falls back", "nat.load", EOPNOTSUPP, true, true },
	{ "the rules after the programs", "dp.network.mapped", ENOSPC, false,
	  false },
	{ "an endpoint's entry", "nat.ep.add", ENOSPC, false, false },
	{ "an endpoint's rules", "dp.port.mapped", ENOSPC, false, false },
	{ "a publish's hooks", "dp.publish.hooked", EPERM, false, false },
	{ "a publish's rules", "dp.publish.mapped", ENOMEM, false, false },
};

enum step { STEP_NETWORK, STEP_PORT, STEP_PUBLISH, STEP_MAX };

static struct dp_network fast_network(bool fall_back)
{
	struct dp_network net = network("n1", "br1", 1);

	net.backend = DP_EBPF;
	net.fall_back = fall_back;
	return net;
}

static int do_step(struct dp *dp, bool fall_back, enum step step)
{
	struct dp_network net = fast_network(fall_back);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	int r;

	if (step == STEP_NETWORK)
		return dp_network_add(dp, &net, &err);
	if (step == STEP_PORT)
		return dp_port_add(dp, &p, &err);
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	want(&pub.ports, "192.0.2.1", IPPROTO_UDP, 5353, 5353, 53);
	r = dp_publish_add(dp, &pub, &err);
	portmap_free(&pub.ports);
	return r;
}

static void set_failpoint(const struct row *row)
{
	const char *nth = strstr(row->point, ":nth");
	char text[96];

	snprintf(text, sizeof(text), "%.*s:err=%s%s",
		 (int)(nth ? nth - row->point : (long)strlen(row->point)),
		 row->point, strerrorname_np(row->code), nth ? nth : ":nth=1");
	setenv("BERTH_FP", text, 1);
}

static int end_all(struct dp *dp)
{
	char cmd[256];

	if (dp_publish_del(dp, "e1", &err) < 0 ||
	    dp_port_del(dp, "e1", &err) < 0 ||
	    dp_network_del(dp, "n1", &err) < 0)
		return 70;
	dp_close(dp);
	snprintf(cmd, sizeof(cmd),
		 "find %s/berth 2>/dev/null; nft list ruleset", bpf_dir);
	sh(cmd);
	if (out[0])
		fprintf(stderr, "left: %s\n", out);
	return out[0] ? 80 : 0;
}

/* In the child; exits 0 when all is as it should be. */
static int run(const struct row *row)
{
	static char before[1 << 16], after[1 << 16];
	int failed = 0, r;
	struct dp *dp;

	set_failpoint(row);
	dp = open_dp();
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++) {
		snapshot(before, sizeof(before));
		r = do_step(dp, row->fall_back, s);
		if (r == 0)
			continue;
		snapshot(after, sizeof(after));
		if (r != -row->code || strcmp(before, after) != 0) {
			fprintf(stderr, "%d %s\n%s\n--\n%s\n", r, err.msg,
				before, after);
			return 10 + (int)s;
		}
		failed++;
		if (do_step(dp, row->fall_back, s) < 0)
			return 50 + (int)s;
	}
	if (failed != !row->stays || dp_network_is_fast(dp, "n1") == row->stays)
		return 60;
	if (differences(dp, row->stays) != row->stays)
		return 61;
	return end_all(dp);
}

static int published(const char *map)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "bpftool -j map dump pinned %s/berth/v1/" DRIVER
		 "/%s 2>/dev/null | jq 'if type == \"array\" then length else "
		 "-1 end'",
		 bpf_dir, map);
	return sh(cmd) == 0 ? atoi(out) : -1;
}

/* An uplink that takes no program keeps nobody from mending the rules, nor the
 * uplinks after it from theirs. */
static int rules_in_spite_of_an_uplink(const struct row *row)
{
	struct dp *dp;
	char point[64];

	(void)row;
	/* all but br1 are uplinks: the first one that comes later */
	sh("ip -o link show | grep -c link/ether");
	snprintf(point, sizeof(point), "nat.uplink:err=ENOSPC:nth=%d",
		 atoi(out));
	setenv("BERTH_FP", point, 1);
	dp = open_dp();
	if (do_step(dp, false, STEP_NETWORK) < 0 || differences(dp, 0) != 0)
		return 10;
	sh("ip link add y1 type veth peer name y2");
	sh("nft flush ruleset");
	dp->fixed_ms = dp->fast.rehosted_ms = 0;
	if (dp_event(dp, &err) != -ENOSPC)
		return 20;
	sh("nft list table inet " DRIVER);
	if (!strstr(out, "chain forward"))
		return 30;
	if (differences(dp, 0) != 0)
		return 40;
	sh("ip link del y1");
	return dp_network_del(dp, "n1", &err) < 0 ? 50 : 0;
}

/* Fallen back, then the programs load, then a port can't be guarded anew: no
 * entry leads to it before it is. */
static int guarded_at_last(const struct row *row)
{
	struct dp *dp;
	int n;

	(void)row;
	setenv("BERTH_FP",
	       "nat.load:err=ENOSPC:nth=1,guard.attach:err=ENOSPC:nth=3", 1);
	dp = open_dp();
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++)
		if (do_step(dp, true, s) < 0)
			return 10 + (int)s;
	if (dp_network_is_fast(dp, "n1"))
		return 20;
	for (int i = 0; i < 3; i++) {
		dp->looked_ms = 0; /* a second has passed */
		if (dp_event(dp, &err) < 0)
			return 30 + i;
		n = published("nat_ep");
		sh("tc filter show dev v1 ingress");
		if (n > 0 && !strstr(out, "publish_endpoin"))
			return 40 + i;
	}
	if (published("nat_ep") != 2 || differences(dp, 0) != 0)
		return 50;
	return end_all(dp);
}

/* To the other dataplane and back, and the ports can't be guarded anew: once, or as it
 * is put back as well. */
static int changing_over_fails(const struct row *row)
{
	static char before[1 << 16], after[1 << 16];
	struct dp_network net = network("n1", "br1", 1);
	struct dp *dp;

	setenv("BERTH_FP",
	       row->stays ? "dp.fast.renewed:err=EIO:nth=1,"
			    "dp.fast.renewed:err=EIO:nth=2"
			  : "dp.fast.renewed:err=EIO:nth=1",
	       1);
	dp = open_dp();
	net.backend = row->fall_back ? DP_EBPF : DP_NFT;
	if (dp_network_add(dp, &net, &err) < 0)
		return 10;
	for (enum step s = STEP_PORT; s < STEP_MAX; s++)
		if (do_step(dp, false, s) < 0)
			return 10 + (int)s;
	snapshot(before, sizeof(before));
	net.backend = row->fall_back ? DP_NFT : DP_EBPF;
	if (dp_network_add(dp, &net, &err) != -EIO)
		return 20;
	if (row->stays && differences(dp, 0) != 0)
		return 30;
	snapshot(after, sizeof(after));
	if (strcmp(before, after) != 0) {
		fprintf(stderr, "%s\n--\n%s\n", before, after);
		return 40;
	}
	if (dp_check(dp, say, NULL, &err) != 0)
		return 50;
	if (dp_network_add(dp, &net, &err) < 0 || differences(dp, 0) != 0)
		return 60;
	return end_all(dp);
}

/* The endpoint comes with another link, which takes no guard: it keeps its own.  When
 * it does change over nothing of it is left. */
static int replacing_a_port_fails(const struct row *row)
{
	static char before[1 << 16], after[1 << 16];
	struct dp_port p = port("n1", "e1", "v2", "10.0.1.2", "fd00:1::2");
	struct dp *dp;
	int r;

	(void)row;
	setenv("BERTH_FP", "guard.attach:err=ENOSPC:nth=3", 1);
	sh("ip link add v2 type veth peer name c-v2; "
	   "ip link set v2 addrgenmode none up master br1");
	dp = open_dp();
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++)
		if (do_step(dp, false, s) < 0)
			return 10 + (int)s;
	differences(dp, 0);
	snapshot(before, sizeof(before));
	if (dp_port_add(dp, &p, &err) != -ENOSPC)
		return 20;
	snapshot(after, sizeof(after));
	if (strcmp(before, after) != 0) {
		fprintf(stderr, "%s\n--\n%s\n", before, after);
		return 30;
	}
	if (differences(dp, 0) != 0)
		return 40;
	p.ip4 = ip("10.0.1.9"); /* and with others */
	p.ip6 = ip("");
	if (dp_port_add(dp, &p, &err) < 0 || published("nat_ep") != 1 ||
	    differences(dp, 0) != 0)
		return 50;
	r = end_all(dp);
	sh("ip link del v2");
	return r;
}

#define FORWARD                                                             \
	"nft add table ip filter; nft add chain ip filter FORWARD '{ type " \
	"filter hook forward priority 0; policy drop; }'"

/* The last network goes, and somebody's chain can't be cleared: the rest goes all the
 * same, and that is done at the next call or a second later. */
static int a_removal_goes_on(const struct row *row)
{
	struct dp *dp;

	setenv("BERTH_FP", "dp.foreign:err=EIO:nth=2,dp.foreign:err=EIO:nth=3",
	       1);
	sh(FORWARD);
	dp = open_dp();
	if (do_step(dp, false, STEP_NETWORK) < 0)
		return 10;
	if (dp_network_del(dp, "n1", &err) != -EIO ||
	    !strstr(err.msg, "dp.foreign"))
		return 20;
	sh("nft list ruleset");
	if (!strstr(out, "berth:") || strstr(out, "table inet"))
		return 30;
	sh("tc filter show dev x0 ingress");
	if (out[0] || published("nat_meta") >= 0 ||
	    published("guard_meta") >= 0 || published("sock_meta") >= 0)
		return 40;
	dp->looked_ms = 0; /* a second has passed */
	if (dp_event(dp, &err) != -EIO)
		return 50;
	if (row) { /* asked again */
		if (dp_network_del(dp, "n1", &err) < 0)
			return 60;
	} else {
		dp->looked_ms = 0;
		if (dp_event(dp, &err) < 0)
			return 61;
	}
	sh("nft list ruleset");
	if (strstr(out, "berth:"))
		return 70;
	sh("nft delete table ip filter");
	return end_all(dp);
}

static void fork_and(int (*fn)(const struct row *row), const struct row *row)
{
	pid_t pid = fork();
	int st;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(row));
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void in_a_child(void **state)
{
	fork_and(run, *state);
}

static void a_port_is_guarded_at_last(void **state)
{
	(void)state;
	fork_and(guarded_at_last, NULL);
}

static void a_change_that_fails_is_put_back(void **state)
{
	struct row row = { .name = "" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		row.fall_back = i & 1;
		row.stays = i & 2;
		fork_and(changing_over_fails, &row);
	}
}

static void a_port_that_is_not_replaced_stays(void **state)
{
	(void)state;
	fork_and(replacing_a_port_fails, NULL);
}

static void a_failing_removal_goes_on(void **state)
{
	(void)state;
	fork_and(a_removal_goes_on, NULL);
	fork_and(a_removal_goes_on, &rows[0]);
}

static void an_uplink_fails_alone(void **state)
{
	(void)state;
	fork_and(rules_in_spite_of_an_uplink, NULL);
}

/* ---- changing over ---------------------------------------------------------- */

/* nftables has it all the time; the programs come and go. */
static void a_network_changes_over(void **state)
{
	struct dp_network net = fast_network(false);
	struct dp *dp = open_dp();

	(void)state;
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++)
		ok(do_step(dp, false, s));
	assert_true(dp_network_is_fast(dp, "n1"));
	assert_int_equal(published("nat_ep"), 2);
	sh("nft list map inet " DRIVER " any4");
	assert_non_null(strstr(out, "8080"));
	net.backend = DP_NFT;
	ok(dp_network_add(dp, &net, &err));
	assert_false(dp_network_is_fast(dp, "n1"));
	assert_true(published("nat_ep") <= 0);
	assert_int_equal(differences(dp, 0), 0);
	net.backend = DP_EBPF;
	net.firewall = DP_FW_RESPECT;
	ok(dp_network_add(dp, &net, &err));
	assert_false(dp_network_is_fast(dp, "n1"));
	assert_int_equal(differences(dp, 1), 1); /* it says so */
	net.firewall = DP_FW_OPEN;
	ok(dp_network_add(dp, &net, &err));
	assert_true(dp_network_is_fast(dp, "n1"));
	assert_int_equal(published("nat_ep"), 2);
	assert_int_equal(differences(dp, 0), 0);
	assert_int_equal(end_all(dp), 0);
}

/* What the programs know of both families of the one container. */
static void flags_are(const char *want)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "bpftool -j map dump pinned %s/berth/v1/" DRIVER
		 "/nat_ep | jq -c '[.[].formatted.value.flags] | sort'",
		 bpf_dir);
	assert_int_equal(sh(cmd), 0);
	assert_string_equal(out, want);
}

/* Out of an isolated family nothing leads, not even to a port that another
 * network published: each family by itself. */
static void an_isolated_family_is_closed(void **state)
{
	struct dp_network net = fast_network(false);
	struct dp *dp = open_dp();

	(void)state;
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++)
		ok(do_step(dp, false, s));
	flags_are("[1,1]\n"); /* NAT_EP_MASQ */
	net.mode4 = DP_GW_ISOLATED;
	ok(dp_network_add(dp, &net, &err));
	flags_are("[1,2]\n"); /* NAT_EP_INTERNAL */
	net.mode4 = DP_GW_NAT;
	net.mode6 = DP_GW_ISOLATED;
	ok(dp_network_add(dp, &net, &err));
	flags_are("[1,2]\n");
	net.mode4 = DP_GW_ISOLATED;
	ok(dp_network_add(dp, &net, &err));
	flags_are("[2,2]\n");
	assert_int_equal(end_all(dp), 0);
}

static void a_restart_without_ebpf_networks_removes_it(void **state)
{
	struct dp_network net = network("n2", "br1", 1);
	struct dp *dp = open_dp();

	(void)state;
	for (enum step s = STEP_NETWORK; s < STEP_MAX; s++)
		ok(do_step(dp, false, s));
	dp_close(dp);
	assert_int_equal(published("nat_ep"), 2);
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_load_end(dp, &err));
	assert_true(published("nat_ep") < 0);
	assert_int_equal(differences(dp, 0), 0);
	ok(dp_network_del(dp, "n2", &err));
	assert_int_equal(end_all(dp), 0);
}

static void note_line(void *ctx, const char *line)
{
	snprintf(ctx, 512, "%s", line);
}

/* Does the map say so, and does the doctor? */
static void stands_aside(struct dp *dp, bool want, const char *text)
{
	char cmd[256], line[512] = "";

	differences(dp, want);
	snprintf(cmd, sizeof(cmd),
		 "bpftool -j map dump pinned %s/berth/v1/" DRIVER
		 "/nat_aside | jq '.[0].formatted.value'",
		 bpf_dir);
	assert_int_equal(sh(cmd), 0);
	assert_int_equal(atoi(out), want);
	assert_int_equal(dp_network_is_fast(dp, "n1"), !want);
	assert_int_equal(dp_check(dp, note_line, line, &err), want);
	if (!strstr(line, text))
		fail_msg("%s", line);
}

#define POLICY "src 10.0.1.0/24 dst 192.0.2.0/24 dir out"

/* While there are IPsec policies nftables has it: those that come, those that an
 * earlier daemon did not see. */
static void ipsec_policies_are_heeded(void **state)
{
	struct dp_network net = fast_network(false);
	struct dp *dp = open_dp();

	(void)state;
	if (!dp->fast.xfrm) {
		dp_close(dp);
		skip();
		return;
	}
	ok(do_step(dp, false, STEP_NETWORK));
	ok(do_step(dp, false, STEP_PORT));
	stands_aside(dp, false, "");
	sh("ip xfrm policy add " POLICY " action block");
	stands_aside(dp, true, "nftables does it alone: this host has IPsec");
	sh("ip xfrm policy del " POLICY);
	stands_aside(dp, false, "");
	dp_close(dp);
	sh("ip xfrm policy add " POLICY);
	dp = open_dp();
	dp_load_begin(dp);
	net.policy.rate = net.policy.burst = 5;
	ok(dp_network_add(dp, &net, &err));
	ok(do_step(dp, false, STEP_PORT));
	ok(dp_load_end(dp, &err));
	stands_aside(dp, true, "its published ports are closed");
	assert_int_equal(dp_publish_del(dp, "e1", &err), 0);
	sh("ip xfrm policy flush");
	assert_int_equal(end_all(dp), 0);
}

static void count(void *ctx, const char *name, uint64_t value)
{
	(void)value;
	assert_non_null(name);
	(*(int *)ctx)++;
}

static void counters_are_told(void **state)
{
	struct dp *dp = open_dp();
	int n = 0;

	(void)state;
	ok(dp_counts(dp, count, &n, &err));
	assert_int_equal(n, 0);
	ok(do_step(dp, false, STEP_NETWORK));
	ok(dp_counts(dp, count, &n, &err));
	assert_int_equal(n, NAT_COUNT_MAX + GUARD_DROP_MAX);
	assert_int_equal(end_all(dp), 0);
}

/* Where every port is ephemeral some are kept for masquerade, until the end. */
static void ports_are_kept_and_given_back(void **state)
{
	static const char list[] =
		"cat /proc/sys/net/ipv4/ip_local_reserved_ports";
	struct dp_network net = fast_network(false);
	struct dp *dp = open_dp();

	(void)state;
	assert_int_equal(sh("sysctl -qw net.ipv4.ip_local_port_range="
			    "'1024 65535'"),
			 0);
	ok(dp_network_add(dp, &net, &err));
	sh(list);
	assert_string_equal(out, "24576-32767\n");
	dp_close(dp); /* what is masqueraded goes on */
	sh(list);
	assert_string_equal(out, "24576-32767\n");
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_load_end(dp, &err));
	assert_int_equal(end_all(dp), 0);
	sh(list);
	assert_string_equal(out, "\n");
	sh("sysctl -qw net.ipv4.ip_local_port_range='32768 60999'");
}

/* The range of new flows' ports, as the programs have it. */
static void masquerades_from(unsigned int first, unsigned int last)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "bpftool -j map dump pinned %s/berth/v1/" DRIVER
		 "/nat_ports | jq '.[0].formatted.value'",
		 bpf_dir);
	assert_int_equal(sh(cmd), 0);
	assert_int_equal(strtoul(out, NULL, 10), NAT_PORTS(first, last));
}

/* ... and where that changes they are others, within a second. */
static void ports_follow_the_ephemeral_ones(void **state)
{
	static const char list[] =
		"cat /proc/sys/net/ipv4/ip_local_reserved_ports";
	static const struct {
		const char *range, *kept;
		unsigned int first, last;
	} steps[] = {
		{ "32768 60999", "\n", 1024, 32767 },
		{ "20000 60999", "\n", 1024, 19999 },
		{ "1024 65535", "24576-32767\n", 24576, 32767 },
		{ "1100 65000", "24576-32767\n", 24576, 32767 },
		{ "1024 20000", "\n", 20001, 32767 },
		{ "32768 60999", "\n", 1024, 32767 },
	};
	struct dp_network net = fast_network(false);
	struct dp *dp = open_dp();
	char cmd[128];

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		snprintf(cmd, sizeof(cmd),
			 "sysctl -qw net.ipv4.ip_local_port_range='%s'",
			 steps[i].range);
		assert_int_equal(sh(cmd), 0);
		dp->looked_ms = 0; /* a second has passed */
		ok(dp_event(dp, &err));
		masquerades_from(steps[i].first, steps[i].last);
		/* what is let go leaves the list a second later */
		dp->looked_ms = 0;
		ok(dp_event(dp, &err));
		sh(list);
		assert_string_equal(out, steps[i].kept);
	}
	assert_int_equal(end_all(dp), 0);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		/* first: no fail point was read here yet */
		cmocka_unit_test(an_uplink_fails_alone),
		cmocka_unit_test(a_port_is_guarded_at_last),
		cmocka_unit_test(a_failing_removal_goes_on),
		cmocka_unit_test(a_change_that_fails_is_put_back),
		cmocka_unit_test(a_port_that_is_not_replaced_stays),
		cmocka_unit_test(a_network_changes_over),
		cmocka_unit_test(an_isolated_family_is_closed),
		cmocka_unit_test(a_restart_without_ebpf_networks_removes_it),
		cmocka_unit_test(counters_are_told),
		cmocka_unit_test(ports_are_kept_and_given_back),
		cmocka_unit_test(ports_follow_the_ephemeral_ones),
		cmocka_unit_test(ipsec_policies_are_heeded),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(rows) +
				ARRAY_SIZE(masq_rows)];
	size_t n = TEST_ROWS(tests, rows, in_a_child); /* before any passes
							* a fail point here */
	int failed;

	n += TEST_ROWS(&tests[n], masq_rows, masq_row);
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
