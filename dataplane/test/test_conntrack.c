/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_conntrack.c - when the rules do without connection tracking: the choice row
 * by row; the text of that form; and that the kernel then tracks nothing, through
 * all that changes the choice.
 */
#include "dataplane/test/nft_text.h"

#include <poll.h>

#include "dataplane/conntrack.h"
#include "dataplane/dp_priv.h"
#include "lib/base.h"

static struct err err;

/* ---- the choice ------------------------------------------------------------- */

struct choice {
	const char *name, *why; /* why NULL: not needed */
	void (*change)(struct conntrack_view *v, struct dp_network *net);
};

static void nothing(struct conntrack_view *v, struct dp_network *net)
{
	(void)v;
	(void)net;
}

#define CHANGE(name, what)                                                 \
	static void name(struct conntrack_view *v, struct dp_network *net) \
	{                                                                  \
		(void)v;                                                   \
		(void)net;                                                 \
		what;                                                      \
	}

CHANGE(by_nft, net->backend = DP_NFT)
CHANGE(respect, net->firewall = DP_FW_RESPECT)
CHANGE(unguarded, net->guard = false)
CHANGE(trusted, snprintf(net->trusted[0], IFNAMSIZ, "eth9"))
CHANGE(routed4, net->mode4 = DP_GW_ROUTED)
CHANGE(routed6, net->mode6 = DP_GW_ROUTED)
CHANGE(unprotected4, net->mode4 = DP_GW_NAT_UNPROTECTED)
CHANGE(unprotected6, net->mode6 = DP_GW_NAT_UNPROTECTED)
CHANGE(isolated4, net->mode4 = DP_GW_ISOLATED)
CHANGE(plain4, net->masquerade4 = false)
CHANGE(plain6, net->masquerade6 = false)
CHANGE(plain6_off, net->masquerade6 = false; net->subnet6.addr.family = 0)
CHANGE(internal, net->internal = true; net->masquerade4 = false)
CHANGE(internal_nft, net->internal = true; net->backend = DP_NFT)
CHANGE(no_programs, v->programs = false)
CHANGE(no_hooks, v->hooks = false)
CHANGE(lent, v->lent = true)
CHANGE(tunnel, v->links = true)
CHANGE(bare, v->bare = true)
CHANGE(sctp, v->sctp = true)
CHANGE(refused, v->refused = true)
CHANGE(others, v->others = true)

static const struct choice choices[] = {
	{ "the programs do it all", NULL, nothing },
	{ "a network by nftables", "nftables carries", by_nft },
	{ "respect", "respect", respect },
	{ "no source guard", "guard=off", unguarded },
	{ "a trusted interface", "trusted", trusted },
	{ "routed, IPv4", "directly", routed4 },
	{ "routed, IPv6", "directly", routed6 },
	{ "unprotected, IPv4", "directly", unprotected4 },
	{ "unprotected, IPv6", "directly", unprotected6 },
	{ "isolated", NULL, isolated4 },
	{ "no masquerade, IPv4", "without masquerade", plain4 },
	{ "no masquerade, IPv6", "without masquerade", plain6 },
	{ "no masquerade and no IPv6", NULL, plain6_off },
	{ "internal", NULL, internal },
	{ "internal, by nftables", "nftables carries", internal_nft },
	{ "the programs stand aside", "all packets", no_programs },
	{ "hooks for some", "every process", no_hooks },
	{ "a cable in the bridge", "no container's", lent },
	{ "a tunnel", "Ethernet header", tunnel },
	{ "unnumbered", "without an address", bare },
	{ "SCTP", "SCTP", sctp },
	{ "an old kernel", "kernel", refused },
	{ "others' rules", "others", others },
};

static struct dp_network fast(const char *id, const char *bridge, int n)
{
	struct dp_network net = network(id, bridge, n);

	net.backend = DP_EBPF;
	return net;
}

static void is_chosen(void **state)
{
	const struct choice *row = *state;
	struct dp_network first = fast("n1", "br1", 1);
	struct dp_network second = fast("n2", "br2", 2);
	void *items[] = { &first, &second };
	const struct state st = { .networks = { items, 2, 2 } };
	struct conntrack_view v = { .st = &st,
				    .programs = true,
				    .hooks = true };
	const char *why;

	row->change(&v, &second);
	why = conntrack_why(&v);
	if (!row->why != !why || (why && !strstr(why, row->why)))
		fail_msg("%s", why ? why : "not needed");
}

/* ---- in the kernel ----------------------------------------------------------- */

static struct dp *open_auto(void)
{
	const struct dp_config cfg = { .driver = DRIVER,
				       .bpf_dir = bpf_dir,
				       .conntrack_auto = true };
	struct dp *dp = NULL;

	ok(dp_open(&cfg, &dp, &err));
	return dp;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	print_message("# %s\n", line);
}

/* What the kernel itself says: is a packet of this host's to itself tracked? */
static bool kernel_tracks(void)
{
	assert_int_equal(sh("conntrack -F 2>/dev/null; "
			    "ping -qc1 -W5 127.0.0.1 >/dev/null && "
			    "cat /proc/sys/net/netfilter/nf_conntrack_count"),
			 0);
	return atoi(out) > 0;
}

/* It comes to be so by what dp_event() does. */
static void becomes(struct dp *dp, bool tracked, int line)
{
	double end = now_ms() + 5000;

	while ((kernel_tracks() != tracked ||
		dp_check(dp, NULL, NULL, &err) != 0) &&
	       now_ms() < end) {
		usleep(20000);
		ok(dp_event(dp, &err));
	}
	if (kernel_tracks() != tracked)
		fail_msg("line %d: %s", line,
			 dp->ct.why ? dp->ct.why : "not needed");
	if (tracked == (sh("nft list chain inet " DRIVER " astray "
			   "2>/dev/null") == 0))
		fail_msg("line %d: the other form", line);
	assert_int_equal(dp_check(dp, say, NULL, &err), 0);
}
#define BECOMES(dp, tracked) becomes(dp, tracked, __LINE__)

/* With no event.  The kernel gives up tracking some time after the transaction: what a
 * removed rule needed is put back by a worker, after a grace period. */
static void is(bool tracked, int line)
{
	double end = now_ms() + 5000;

	while (kernel_tracks() != tracked && now_ms() < end)
		usleep(20000);
	if (kernel_tracks() != tracked)
		fail_msg("line %d: %s", line,
			 tracked ? "not tracked" : "tracked");
}
#define IS(tracked) is(tracked, __LINE__)

static void end_all(struct dp *dp)
{
	ok(dp_network_del(dp, "n1", &err));
	ok(dp_network_del(dp, "n2", &err));
	sh("nft list ruleset");
	assert_string_equal(out, "");
	dp_close(dp);
}

static void its_text(void **state)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp *dp = open_auto();

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	nft_is_text("dataplane/test/ruleset-untracked.nft");
	/* with nothing that tracks in it */
	assert_int_equal(
		sh("nft -j list ruleset | jq -e '[.. | objects | "
		   "select(has(\"ct\") or has(\"notrack\") or "
		   "has(\"dnat\") or has(\"snat\") or "
		   "has(\"masquerade\") or .type? == \"nat\")] == []'"),
		0);
	IS(false);
	end_all(dp);
}

static void always_is_the_default(void **state)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp *dp = open_dp();

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	IS(true);
	end_all(dp);
}

static void networks_come_and_go(void **state)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp_network other = network("n2", "br2", 2);
	struct dp *dp = open_auto();

	(void)state;
	IS(false);
	ok(dp_network_add(dp, &net, &err));
	IS(false);
	ok(dp_network_add(dp, &other, &err));
	IS(true);
	BECOMES(dp, true);
	ok(dp_network_del(dp, "n2", &err));
	IS(false);
	BECOMES(dp, false);
	/* the same one in another form */
	net.backend = DP_NFT;
	ok(dp_network_add(dp, &net, &err));
	IS(true);
	net.backend = DP_EBPF;
	ok(dp_network_add(dp, &net, &err));
	IS(false);
	end_all(dp);
	IS(false);
}

static void ports_of_sctp(void **state)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp_port p = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	struct dp *dp = open_auto();

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	ok(dp_port_add(dp, &p, &err));
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 80);
	for (int i = 9000; i < 9100; i++)
		want(&pub.ports, "192.0.2.1", IPPROTO_UDP, i, i, i);
	ok(dp_publish_add(dp, &pub, &err));
	IS(false);
	assert_int_equal(
		sh("nft get element inet " DRIVER " any4 '{ tcp . 8080 }'"), 0);
	sh("nft list set inet " DRIVER " addr4r");
	if (!strstr(out, "192.0.2.1 . udp . 9000-9099"))
		fail_msg("%s", out);
	want(&pub.ports, "", IPPROTO_SCTP, 7777, 7777, 77);
	ok(dp_publish_add(dp, &pub, &err));
	IS(true);
	BECOMES(dp, true);
	ok(dp_publish_del(dp, "e1", &err));
	BECOMES(dp, false);
	ok(dp_port_del(dp, "e1", &err));
	portmap_free(&pub.ports);
	end_all(dp);
}

/* What comes and goes on a host: a command that makes the kernel track, and the one
 * that takes it back. */
static const struct happening {
	const char *name, *comes, *goes;
} happenings[] = {
	{ "a tunnel without Ethernet header",
	  "ip tuntap add dev tt0 mode tun && ip link set tt0 up",
	  "ip link del tt0" },
	{ "a VRF", "ip link add vrf0 type vrf table 9 && ip link set vrf0 up",
	  "ip link del vrf0" },
	{ "a cable in the network's bridge",
	  "ip link add cable type veth peer name c-cable && "
	  "ip link set cable master br1",
	  "ip link del cable" },
	{ "an IPsec policy",
	  "ip xfrm policy add src 10.9.0.0/24 dst 10.8.0.0/24 dir out",
	  "ip xfrm policy flush" },
	{ "a default route by a bare link",
	  "ip link add bare type bridge && ip link set bare up && "
	  "ip route add default dev bare",
	  "ip link del bare" },
	{ "somebody's NAT", "iptables-nft -t nat -A POSTROUTING -j MASQUERADE",
	  "nft delete table ip nat" },
	{ "somebody's state match",
	  "nft 'table inet x { chain c { type filter hook input priority 0; "
	  "ct state new accept; }; }'",
	  "nft delete table inet x" },
};

static void follow(struct dp *dp, const struct happening *h)
{
	print_message("# %s\n", h->name);
	if (sh(h->comes) != 0) {
		print_message("# SKIP: this kernel has none\n");
		return;
	}
	/* others' rules track by themselves: what counts is our form */
	for (double end = now_ms() + 5000;
	     !ruleset_is_tracked(dp->rs) && now_ms() < end; usleep(20000))
		ok(dp_event(dp, &err));
	if (!ruleset_is_tracked(dp->rs))
		fail_msg("%s", h->name);
	IS(true);
	assert_int_equal(sh(h->goes), 0);
	BECOMES(dp, false);
}

static void what_happens_is_followed(void **state)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp *dp = open_auto();

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	IS(false);
	for (size_t i = 0; i < ARRAY_SIZE(happenings); i++)
		follow(dp, &happenings[i]);
	end_all(dp);
}

/* Ours of an earlier daemon: the form is kept, and given up where it is not asked for. */
static void restarts(void **state)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp *dp = open_auto();

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	dp_close(dp);
	IS(false);
	dp = open_auto();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_load_end(dp, &err));
	IS(false);
	BECOMES(dp, false);
	dp_close(dp);
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_load_end(dp, &err));
	IS(true);
	BECOMES(dp, true);
	dp_close(dp);
	dp = open_auto();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_load_end(dp, &err));
	BECOMES(dp, false);
	end_all(dp);
}

/* A kernel that does not take that form has the other one.  Exits 0 when all is as it
 * should be. */
static int refused_by_the_kernel(void)
{
	struct dp_network net = fast("n1", "br1", 1);
	struct dp *dp = open_auto();
	double end = now_ms() + 5000;
	int r;

	if (dp_network_add(dp, &net, &err) < 0 || !kernel_tracks())
		return 10;
	do
		r = dp_event(dp, &err);
	while (r >= 0 && dp_check(dp, NULL, NULL, &err) != 0 &&
	       now_ms() < end && usleep(20000) == 0);
	if (r < 0 || dp_check(dp, NULL, NULL, &err) != 0)
		return 20;
	if (!dp->ct.why || !strstr(dp->ct.why, "kernel"))
		return 30;
	return dp_network_del(dp, "n1", &err) < 0 ? 40 : 0;
}

static void a_kernel_that_refuses(void **state)
{
	pid_t pid = fork(); /* fail points are read once */
	int st;

	(void)state;
	if (pid == 0) {
		setenv("BERTH_FP", "nft.untracked:err=EOPNOTSUPP", 1);
		_exit(refused_by_the_kernel());
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		/* first: no fail point was read here yet */
		cmocka_unit_test(a_kernel_that_refuses),
		cmocka_unit_test(its_text),
		cmocka_unit_test(always_is_the_default),
		cmocka_unit_test(networks_come_and_go),
		cmocka_unit_test(ports_of_sctp),
		cmocka_unit_test(what_happens_is_followed),
		cmocka_unit_test(restarts),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(choices)];
	int failed;

	memcpy(tests, plain, sizeof(plain));
	(void)TEST_ROWS(&tests[ARRAY_SIZE(plain)], choices, is_chosen);
	if (!dp_test_host())
		return 0;
	dp_test_links("br1 br2 x0", "v1");
	sh("ip addr add 192.0.2.1/24 dev x0; ip link set x0 up; ip link set "
	   "br1 up; ip link set br2 up; ip link set v1 up master br1 alias "
	   "berth:" DRIVER ":e1");
	if (!nft_text_begin())
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	nft_text_end();
	dp_test_done();
	return failed;
}
