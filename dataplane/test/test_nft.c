/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_nft.c - the facade against a kernel: the ruleset as nft(8) reads it,
 * repair, claims, nothing left behind.
 */
#include "lib/test/test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "dataplane/dataplane.h"

#define DRIVER "berth-bridge"

static char out[4 << 20];
static char bpf_dir[] = "/tmp/test-nft-XXXXXX";
static int oracle_ns = -EBADF, test_ns = -EBADF;

/* Run a command and keep what it prints. Return: its status. */
static int sh(const char *cmd)
{
	FILE *f = popen(cmd, "r");
	size_t n;
	int st;

	assert_non_null(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	st = pclose(f);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	if (*s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p = { 0 };

	assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

static struct dp_network network(const char *id, const char *bridge, int n)
{
	struct dp_network net = { .masquerade4 = true,
				  .masquerade6 = true,
				  .icc = true,
				  .guard = true };
	char buf[64];

	snprintf(net.id, sizeof(net.id), "%s", id);
	snprintf(net.bridge, sizeof(net.bridge), "%s", bridge);
	snprintf(buf, sizeof(buf), "10.%d.%d.1/24", n / 256, n % 256);
	net.gateway4 = net.subnet4 = prefix(buf);
	snprintf(buf, sizeof(buf), "fd00:%x::1/64", n);
	net.gateway6 = net.subnet6 = prefix(buf);
	return net;
}

static struct dp_port port(const char *net, const char *ep, const char *ifname,
			   const char *ip4, const char *ip6)
{
	struct dp_port p = { .ip4 = ip(ip4), .ip6 = ip(ip6) };

	snprintf(p.network, sizeof(p.network), "%s", net);
	snprintf(p.endpoint, sizeof(p.endpoint), "%s", ep);
	snprintf(p.ifname, sizeof(p.ifname), "%s", ifname);
	p.mac = mac_from_ip(&p.ip4);
	return p;
}

static struct dp_publish publish(const char *net, const char *ep,
				 const char *ip4, const char *ip6)
{
	struct dp_publish p = { .ip4 = ip(ip4), .ip6 = ip(ip6) };

	snprintf(p.network, sizeof(p.network), "%s", net);
	snprintf(p.endpoint, sizeof(p.endpoint), "%s", ep);
	return p;
}

static void want(struct portmap *m, const char *host, uint8_t proto, int first,
		 int last, int to)
{
	struct ip_addr a = ip(host);

	assert_int_equal(portmap_add(m, &a, proto, (uint16_t)first,
				     (uint16_t)last, (uint16_t)to, NULL),
			 0);
}

static struct dp *open_dp(void)
{
	const struct dp_config cfg = { .driver = DRIVER, .bpf_dir = bpf_dir };
	struct err err = { "" };
	struct dp *dp = NULL;
	int r = dp_open(&cfg, &dp, &err);

	if (r < 0)
		fail_msg("dp_open: %s", err.msg);
	return dp;
}

static void ok_(int r, const struct err *err, int line)
{
	if (r < 0)
		fail_msg("line %d: %d %s", line, r, err->msg);
}
#define ok(r) ok_(r, &err, __LINE__)

/* ---- tests -------------------------------------------------------------- */

/* What we make is what nft(8) makes of the text in docs, rule by rule. */
static void ruleset_is_the_text(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp *dp = open_dp();
	struct err err = { "" };

	(void)state;
	ok(dp_network_add(dp, &net, &err));
	assert_int_equal(sh("nft list ruleset > ours.tmp; "
			    "awk '/elements = {/{next} {print}' ours.tmp "
			    "> ours.nft"),
			 0);
	assert_int_equal(setns(oracle_ns, CLONE_NEWNET), 0);
	assert_int_equal(sh("nft -f dataplane/test/ruleset.nft && "
			    "nft list ruleset > text.nft"),
			 0);
	assert_int_equal(setns(test_ns, CLONE_NEWNET), 0);
	sh("diff text.nft ours.nft");
	assert_string_equal(out, "");
	/* and nft reads back what it lists */
	assert_int_equal(sh("nft flush ruleset && nft -f ours.tmp && "
			    "nft list ruleset > again.nft && "
			    "diff ours.tmp again.nft"),
			 0);
	sh("rm -f ours.tmp ours.nft text.nft again.nft");
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
	sh("nft list ruleset; ss -Htulnpa");
	assert_string_equal(out, "");
	portmap_free(&pub.ports);
	dp_close(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ruleset_is_the_text),
		cmocka_unit_test(publish_makes_elements),
	};

	int failed;

	if (unshare(CLONE_NEWNET) < 0) {
		printf("1..0 # SKIP needs CAP_SYS_ADMIN\n");
		return 0;
	}
	oracle_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0)
		return 1;
	test_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	sh("ip link set lo up");
	/* pins of our own, gone with the mount namespace */
	if (unshare(CLONE_NEWNS) < 0 || !mkdtemp(bpf_dir) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", bpf_dir, "bpf", 0, NULL) < 0) {
		printf("1..0 # SKIP no bpf file system\n");
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	umount(bpf_dir);
	rmdir(bpf_dir);
	return failed;
}
