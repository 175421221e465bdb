/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The whole mechanism of reinject.h: a client in a namespace of its own, INPUT
 * rules such as ufw and firewalld write, rp_filter on, and a published port.
 */
#include "dataplane/ebpf/reinject.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/ebpf/test/host.h"
#include "lib/base.h"
#include "lib/test/test.h"

#define CLIENT4 "192.168.50.2"
#define CLIENT6 "fd50::2"
#define HOST4   "192.168.50.1"
#define HOST6   "fd50::1"

static const struct reinject_conf conf = { .ifname = "berth-again",
					   .alias = "berth:test:reinject" };

static struct host host;
static int client = -EBADF; /* namespace */
static struct nlk *nlk;

/* Port 8080 of both protocols leads to the container's port 80. */
#define OURS                                                                  \
	"table inet ours {\n"                                                 \
	" chain raw { type filter hook prerouting priority -300\n"            \
	"  meta mark & 0x01000000 != 0 meta pkttype set host\n }\n"           \
	" chain dstnat { type nat hook prerouting priority -100\n"            \
	"  meta l4proto {tcp,udp} th dport 8080 fib daddr type local "        \
	"  meta mark & 0x01000000 != 0 meta nfproto ipv4 "                    \
	"  dnat ip to 10.77.0.2:80\n"                                         \
	"  meta l4proto {tcp,udp} th dport 8080 fib daddr type local "        \
	"  meta mark & 0x01000000 != 0 meta nfproto ipv6 "                    \
	"  dnat ip6 to [fd77::2]:80\n }\n"                                    \
	" chain clear { type filter hook prerouting priority -90\n"           \
	"  meta mark & 0x01000000 != 0 ct status dnat counter "               \
	"  meta mark set meta mark & 0xfeffffff\n }\n}\n"                     \
	"table ip ours { chain late { type filter hook input priority 250\n"  \
	"  meta mark & 0x01000000 == 0 meta l4proto {tcp,udp} "               \
	"  th dport 8080 counter dup to 192.0.0.8 device berth-again drop\n"  \
	"  meta mark & 0x01000000 != 0 counter drop\n }\n}\n"                 \
	"table ip6 ours { chain late { type filter hook input priority 250\n" \
	"  meta mark & 0x01000000 == 0 meta l4proto {tcp,udp} "               \
	"  th dport 8080 counter dup to fe80::1 device berth-again drop\n"    \
	"  meta mark & 0x01000000 != 0 counter drop\n }\n}\n"

#define ND "icmpv6 type {135,136} accept\n"

/* As ufw writes them: a chain of policy drop, one user rule. */
#define UFW(rule)                                                             \
	"table inet filter { chain INPUT { type filter hook input "           \
	"priority 0; policy drop\n iifname lo accept\n"                       \
	" ct state established,related accept\n ct state invalid drop\n" ND   \
		rule "\n }\n"                                                 \
	" chain FORWARD { type filter hook forward priority 0; policy drop\n" \
	"  ct state established,related accept\n  ct status dnat accept\n "   \
	"}\n}\n"

/* As firewalld: its own table, reject at the end, dnat let through. */
#define FIREWALLD(rule)                                                        \
	"table inet firewalld { chain filter_INPUT { type filter hook input "  \
	"priority 10; policy accept\n"                                         \
	" ct state {established,related} accept\n ct status dnat accept\n"     \
	" iifname lo accept\n ct state invalid drop\n" ND                      \
	" iifname u0 jump zone\n reject with icmpx admin-prohibited\n }\n"     \
	" chain zone {\n " rule "\n }\n"                                       \
	" chain filter_FORWARD { type filter hook forward priority 10; "       \
	"policy accept\n ct state {established,related} accept\n"              \
	" ct status dnat accept\n reject with icmpx admin-prohibited\n }\n"    \
	" chain filter_PREROUTING { type filter hook prerouting priority 10\n" \
	"  meta nfproto ipv6 fib saddr . mark . iif oif missing drop\n }\n}\n"

struct row {
	const char *name, *rules;
	int type;
	bool v6;
	int want; /* 0: it works; TCP: connect's errno; UDP: EAGAIN or as
		   * the rejection says */
};

static const struct row rows[] = {
	{ "no rules at all: tcp", "", SOCK_STREAM, false, 0 },
	{ "no rules at all: udp", "", SOCK_DGRAM, false, 0 },
	{ "no rules at all: tcp, IPv6", "", SOCK_STREAM, true, 0 },
	{ "no rules at all: udp, IPv6", "", SOCK_DGRAM, true, 0 },
	{ "ufw allows: tcp", UFW("tcp dport 8080 accept"), SOCK_STREAM, false,
	  0 },
	{ "ufw allows: udp", UFW("udp dport 8080 accept"), SOCK_DGRAM, false,
	  0 },
	{ "ufw allows: tcp, IPv6", UFW("tcp dport 8080 accept"), SOCK_STREAM,
	  true, 0 },
	{ "ufw allows: udp, IPv6", UFW("udp dport 8080 accept"), SOCK_DGRAM,
	  true, 0 },
	{ "ufw drops: tcp", UFW(""), SOCK_STREAM, false, -EINPROGRESS },
	{ "ufw drops: udp", UFW(""), SOCK_DGRAM, false, -EAGAIN },
	{ "ufw drops: tcp, IPv6", UFW(""), SOCK_STREAM, true, -EINPROGRESS },
	{ "ufw rejects: tcp", UFW("tcp dport 8080 reject with tcp reset"),
	  SOCK_STREAM, false, -ECONNREFUSED },
	{ "ufw allows this source: tcp",
	  UFW("ip saddr 192.168.50.2 tcp dport 8080 accept"), SOCK_STREAM,
	  false, 0 },
	{ "ufw allows another source: tcp",
	  UFW("ip saddr 192.168.50.3 tcp dport 8080 accept"), SOCK_STREAM,
	  false, -EINPROGRESS },
	{ "ufw allows the container's port only: tcp",
	  UFW("tcp dport 80 accept"), SOCK_STREAM, false, -EINPROGRESS },
	{ "firewalld opens the port: tcp", FIREWALLD("tcp dport 8080 accept"),
	  SOCK_STREAM, false, 0 },
	{ "firewalld opens the port: udp", FIREWALLD("udp dport 8080 accept"),
	  SOCK_DGRAM, false, 0 },
	{ "firewalld opens the port: tcp, IPv6",
	  FIREWALLD("tcp dport 8080 accept"), SOCK_STREAM, true, 0 },
	{ "firewalld does not: tcp", FIREWALLD(""), SOCK_STREAM, false,
	  -EHOSTUNREACH },
	{ "firewalld does not: udp", FIREWALLD(""), SOCK_DGRAM, false,
	  -EAGAIN },
	{ "firewalld does not: tcp, IPv6", FIREWALLD(""), SOCK_STREAM, true,
	  -EACCES },
};

static void nft(const char *rules)
{
	FILE *p = popen("nft -f -", "w");

	assert_non_null(p);
	fputs(rules, p);
	if (pclose(p) != 0)
		fail_msg("nft refused:\n%s", rules);
}

static void limit(int fd, int ms)
{
	struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
}

static void assert_is_client(const struct sockaddr_storage *a, bool v6)
{
	assert_non_null(strstr(host_addr_str(a), v6 ? CLIENT6 : CLIENT4));
}

/* Many segments each way: later packets go by conntrack alone. */
static void talk(int server, int c, bool v6)
{
	static char out[200000], in[200000];
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	_cleanup_close_ int fd = accept(server, (struct sockaddr *)&a, &len);

	assert_true(fd >= 0);
	assert_is_client(&a, v6);
	for (int i = 0; i < 2; i++) {
		int from = i ? c : fd, to = i ? fd : c;

		assert_int_equal(send(from, out, sizeof(out), 0), sizeof(out));
		assert_int_equal(recv(to, in, sizeof(in), MSG_WAITALL),
				 sizeof(in));
	}
}

static int try_tcp(const struct row *row, int server)
{
	_cleanup_close_ int c =
		host_sock(&host, client, row->v6 ? AF_INET6 : AF_INET,
			  SOCK_STREAM, NULL, 0, false);
	int r;

	limit(c, row->want == -EINPROGRESS ? 300 : 10000);
	r = host_connect(c, row->v6 ? HOST6 : HOST4, 8080);
	if (r == 0) {
		limit(c, 10000);
		talk(server, c, row->v6);
	}
	return r;
}

static int try_udp(const struct row *row, int server)
{
	_cleanup_close_ int c =
		host_sock(&host, client, row->v6 ? AF_INET6 : AF_INET,
			  SOCK_DGRAM, NULL, 0, false);
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	char b;

	assert_int_equal(host_connect(c, row->v6 ? HOST6 : HOST4, 8080), 0);
	limit(server, row->want ? 300 : 10000);
	for (int i = 0; i < 3; i++) {
		(void)send(c, "q", 1, 0);
		if (recvfrom(server, &b, 1, 0, (struct sockaddr *)&a, &len) < 0)
			return -errno;
		assert_is_client(&a, row->v6);
		assert_int_equal(
			sendto(server, "r", 1, 0, (struct sockaddr *)&a, len),
			1);
		if (recv(c, &b, 1, 0) < 0)
			return -errno;
	}
	return 0;
}

static void input_rules_decide(void **state)
{
	const struct row *row = *state;
	_cleanup_close_ int server = -EBADF;
	struct err err = { 0 };
	int index;

	NEED_HOST();
	if (reinject_add(nlk, &conf, &index, &err) < 0)
		fail_msg("%s", err.msg);
	nft("flush ruleset\n");
	nft(row->rules);
	nft(OURS);
	server = host_sock(&host, host.container, 0, row->type,
			   row->v6 ? HOST_C6 : HOST_C4, 80,
			   row->type == SOCK_STREAM);
	if (row->type == SOCK_STREAM)
		assert_int_equal(try_tcp(row, server), row->want);
	else
		assert_int_equal(try_udp(row, server), row->want);
}

/* The client's link is a port of a bridge: the copy comes in at the bridge. */
static void through_a_bridge(void **state)
{
	(void)state;
	NEED_HOST();
	host_sh("ip link add ub type bridge && ip addr flush dev u0 && "
		"ip link set u0 master ub && ip addr add " HOST4
		"/24 dev ub && "
		"ip addr add " HOST6 "/64 dev ub nodad && ip link set ub up && "
		"sysctl -qw net.ipv4.conf.ub.rp_filter=1");
	for (size_t i = 4; i < 9; i++) {
		void *row = (void *)(uintptr_t)&rows[i];

		input_rules_decide(&row);
	}
	host_sh("ip link del ub && ip addr add " HOST4 "/24 dev u0 && "
		"ip addr add " HOST6 "/64 dev u0 nodad");
}

/* A container that dials the host's address comes in at its own bridge. */
static void from_the_container_network(void **state)
{
	_cleanup_close_ int server = -EBADF, c = -EBADF;
	int index;

	(void)state;
	NEED_HOST();
	assert_int_equal(reinject_add(nlk, &conf, &index, NULL), 0);
	nft("flush ruleset\n");
	nft(UFW("ip saddr 10.77.0.2 tcp dport 8080 accept"));
	nft(OURS);
	nft("table ip hairpin { chain c { type nat hook postrouting priority "
	    "100\n iifname h0 oifname h0 ct status dnat masquerade\n }\n}\n");
	server = host_sock(&host, host.container, 0, SOCK_STREAM, HOST_C4, 80,
			   true);
	c = host_sock(&host, host.container, AF_INET, SOCK_STREAM, NULL, 0,
		      false);
	limit(c, 10000);
	assert_int_equal(host_connect(c, HOST4, 8080), 0);
}

/* One entry, in the direction of the client; nothing of the dropped packet. */
static void one_conntrack_entry_a_flow(void **state)
{
	_cleanup_close_ int server = -EBADF;
	int index;

	(void)state;
	NEED_HOST();
	assert_int_equal(reinject_add(nlk, &conf, &index, NULL), 0);
	nft("flush ruleset\n");
	nft(OURS);
	host_sh("conntrack -F 2>/dev/null");
	server = host_sock(&host, host.container, 0, SOCK_STREAM, HOST_C4, 80,
			   true);
	assert_int_equal(try_tcp(&rows[0], server), 0);
	host_sh("test $(conntrack -L 2>/dev/null | grep -c 8080) = 1");
	host_sh("conntrack -L 2>/dev/null | grep 8080 | grep -q 'src=" CLIENT4
		" dst=" HOST4 " .*src=10.77.0.2 dst=" CLIENT4 "'");
}

static void second_add_is_the_same(void **state)
{
	struct err err = { 0 };
	int a = 0, b = 0;

	(void)state;
	NEED_HOST();
	assert_int_equal(reinject_add(nlk, &conf, &a, &err), 0);
	assert_int_equal(reinject_add(nlk, &conf, &b, &err), 0);
	assert_int_equal(a, b);
	host_sh("test $(tc filter show dev berth-again egress | "
		"grep -c 'handle 0x1 ') = 1");
}

static void missing_filter_is_put_back(void **state)
{
	void *v6 = (void *)(uintptr_t)&rows[6];
	int index;

	(void)state;
	NEED_HOST();
	assert_int_equal(reinject_add(nlk, &conf, &index, NULL), 0);
	host_sh("tc qdisc del dev berth-again clsact && "
		"ip link set berth-again down");
	assert_int_equal(reinject_add(nlk, &conf, &index, NULL), 0);
	host_sh("tc filter show dev berth-again egress | grep -q reinject");
	input_rules_decide(&v6);
}

static void del_leaves_nothing_and_foreign_alone(void **state)
{
	struct err err = { 0 };
	int index;

	(void)state;
	NEED_HOST();
	nft("flush ruleset\n");
	assert_int_equal(reinject_add(nlk, &conf, &index, NULL), 0);
	assert_int_equal(reinject_del(nlk, &conf, NULL), 0);
	assert_int_equal(reinject_del(nlk, &conf, NULL), 0);
	host_sh("ip link add berth-again type bridge");
	assert_int_equal(reinject_add(nlk, &conf, &index, &err), -EEXIST);
	assert_int_equal(reinject_del(nlk, &conf, NULL), -EPERM);
	host_sh("ip link del berth-again");
}

/* What the host itself sends to the device must not "come in". */
static void own_packets_are_dropped(void **state)
{
	int index;

	(void)state;
	NEED_HOST();
	nft("flush ruleset\n");
	assert_int_equal(reinject_add(nlk, &conf, &index, NULL), 0);
	nft("table inet t { chain c { type filter hook prerouting priority "
	    "-300\n udp dport 7777 counter\n }\n}\n");
	host_sh("echo x | timeout 1 socat - "
		"UDP4:192.0.0.9:7777,so-bindtodevice=berth-again || :");
	host_sh("nft list ruleset | grep 'udp dport 7777' | "
		"grep -q 'packets 0 '");
	host_sh("tc -s qdisc show dev berth-again clsact | "
		"grep -q 'dropped [1-9]'");
}

static void make_client(void)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	client = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	host_enter(&host, host.net);
	host_sh("ip link add u0 type veth peer name k0 netns /proc/%d/fd/%d && "
		"ip addr add " HOST4 "/24 dev u0 && "
		"ip addr add " HOST6 "/64 dev u0 nodad && ip link set u0 up && "
		"sysctl -qw net.ipv4.ip_forward=1 "
		"net.ipv6.conf.all.forwarding=1 "
		"net.ipv4.conf.all.rp_filter=1 "
		"net.ipv4.conf.default.rp_filter=1 "
		"net.ipv4.conf.u0.rp_filter=1",
		getpid(), client);
	host_enter(&host, client);
	host_sh("ip link set lo up && ip addr add " CLIENT4 "/24 dev k0 && "
		"ip addr add " CLIENT6 "/64 dev k0 nodad && "
		"ip link set k0 up");
	host_answers(HOST4);
	host_answers(HOST6);
	host_enter(&host, host.container);
	host_sh("ip -6 route add default via fd77::1");
	host_enter(&host, host.net);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 7] = {
		cmocka_unit_test(second_add_is_the_same),
		cmocka_unit_test(missing_filter_is_put_back),
		cmocka_unit_test(del_leaves_nothing_and_foreign_alone),
		cmocka_unit_test(own_packets_are_dropped),
		cmocka_unit_test(through_a_bridge),
		cmocka_unit_test(from_the_container_network),
		cmocka_unit_test(one_conntrack_entry_a_flow),
	};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[7 + i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = input_rules_decide,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	if (host.usable) {
		make_client();
		if (nlk_open(&nlk, NULL) < 0)
			return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	nlk_close(nlk);
	closep(&client);
	host_remove(&host);
	return r;
}
