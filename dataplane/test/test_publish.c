/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_publish.c - published host ports: who clashes with whom, ranges, ports that
 * are chosen, what is given back.
 */
#include "dataplane/test/claim_test.h"

#include <sys/resource.h>

#include "dataplane/ebpf/sock.h"
#include "lib/base.h"

/* ---- clashes ------------------------------------------------------------ */

struct clash_row {
	const char *name;
	const char *first;  /* host address of what is published, "-": none */
	const char *holder; /* of a process's socket, NULL: no process */
	const char *second;
	int first_type, holder_type, second_type; /* SOCK_*; 0: stream */
	bool clashes;
};

static const struct clash_row clash_rows[] = {
	{ "any and any", "", NULL, "", 0, 0, 0, true },
	{ "any and one address", "", NULL, "127.0.0.2", 0, 0, 0, true },
	{ "one address and any", "127.0.0.2", NULL, "", 0, 0, 0, true },
	{ "two addresses", "127.0.0.2", NULL, "127.0.0.3", 0, 0, 0, false },
	{ "the same address", "127.0.0.2", NULL, "127.0.0.2", 0, 0, 0, true },
	{ "tcp and udp", "", NULL, "", SOCK_STREAM, 0, SOCK_DGRAM, false },
	{ "udp and udp", "", NULL, "", SOCK_DGRAM, 0, SOCK_DGRAM, true },
	{ "sctp and sctp", "", NULL, "", SOCK_SEQPACKET, 0, SOCK_SEQPACKET,
	  true },
	{ "sctp and tcp", "", NULL, "", SOCK_SEQPACKET, 0, 0, false },
	{ "0.0.0.0 and ::", "0.0.0.0", NULL, "::", 0, 0, 0, false },
	{ ":: and ::1", "::", NULL, "::1", 0, 0, 0, true },
	{ "a process on any address", "-", "0.0.0.0", "", 0, 0, 0, true },
	{ "a process on ::", "-", "::", "", 0, 0, 0, true },
	{ "a process on that address", "-", "127.0.0.2", "127.0.0.2", 0, 0, 0,
	  true },
	{ "a process on another", "-", "127.0.0.2", "127.0.0.3", 0, 0, 0,
	  false },
	{ "a udp process, any", "-", "0.0.0.0", "", 0, SOCK_DGRAM, SOCK_DGRAM,
	  true },
	{ "a udp process, tcp wanted", "-", "0.0.0.0", "", 0, SOCK_DGRAM, 0,
	  false },
};

static uint8_t proto_of(int type)
{
	return type == SOCK_DGRAM       ? IPPROTO_UDP
	       : type == SOCK_SEQPACKET ? IPPROTO_SCTP
					: IPPROTO_TCP;
}

/* @count ports: more than 64 are held as a range. */
static void clash(const struct clash_row *row, int count)
{
	int type = row->holder_type ? row->holder_type : SOCK_STREAM;
	struct dp_publish a = publish("n1", "e1", "10.0.1.2", "fd00:1::2");
	struct dp_publish b = publish("n1", "e2", "10.0.1.3", "fd00:1::3");
	int fd = row->holder ? serve(row->holder, type, 5099) : -EBADF, r;
	char pid[32];

	for (int i = 0; i < count; i++) {
		if (row->first[0] != '-')
			want(&a.ports, row->first, proto_of(row->first_type),
			     5000 + i, 5000 + i, 80 + i);
		want(&b.ports, row->second, proto_of(row->second_type),
		     5099 - i, 5099 - i, 80 + i);
	}
	if (row->first[0] != '-')
		ok(dp_publish_add(dp, &a, &err));
	r = dp_publish_add(dp, &b, &err);
	assert_int_equal(r, row->clashes ? -EADDRINUSE : 0);
	if (r < 0) {
		snprintf(pid, sizeof(pid), "(pid %d)", getpid());
		assert_non_null(strstr(err.msg, "host port "));
		assert_non_null(strstr(err.msg, row->holder ? pid : "e1"));
		assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	}
	if (row->holder)
		close(fd);
	if (row->first[0] != '-')
		ok(dp_publish_del(dp, "e1", &err));
	/* what was in the way is gone */
	ok(dp_publish_add(dp, &b, &err));
	ok(dp_publish_del(dp, "e2", &err));
	portmap_free(&a.ports);
	portmap_free(&b.ports);
}

static void clash_of_few(void **state)
{
	/* 5000..5059 and 5040..5099 meet in 5040..5059 */
	clash(*state, 60);
}

static void clash_of_many(void **state)
{
	clash(*state, 100);
}

/* ---- ranges ------------------------------------------------------------- */

static void range_is_held_and_reserved(void **state)
{
	struct dp_publish p = publish("n1", "e1", "10.0.1.2", "");
	char buf[256];
	int before = open_descriptors();

	(void)state;
	ok(sysctl_set("net/ipv4/ip_local_reserved_ports", "7,30000-30010",
		      &err));
	for (int i = 0; i < 500; i++)
		want(&p.ports, "", IPPROTO_TCP, 30005 + i, 30005 + i,
		     30005 + i);
	ok(dp_publish_add(dp, &p, &err));
	/* some for the hooks, none for the ports */
	assert_true(open_descriptors() < before + 40);
	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	assert_string_equal(buf, "7,30000-30504");
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 30005), EADDRINUSE);
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 30504),
			 EADDRINUSE);
	assert_int_equal(try_serve("::1", SOCK_STREAM, 30504), EADDRINUSE);
	assert_int_equal(try_serve("0.0.0.0", SOCK_DGRAM, 30005), 0);
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 30505), 0);
	ok(dp_publish_del(dp, "e1", &err));
	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	assert_string_equal(buf, "7,30000-30010");
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 30005), 0);
	ok(sysctl_set("net/ipv4/ip_local_reserved_ports", "\n", &err));
	portmap_free(&p.ports);
}

static void one_of_two_addresses_is_freed(void **state)
{
	struct dp_publish a = one("e1", "127.0.0.2", IPPROTO_TCP, 8080);
	struct dp_publish b = one("e2", "127.0.0.3", IPPROTO_TCP, 8080);
	struct dp_publish c = one("e3", "127.0.0.2", IPPROTO_UDP, 8080);

	(void)state;
	ok(dp_publish_add(dp, &a, &err));
	ok(dp_publish_add(dp, &b, &err));
	ok(dp_publish_add(dp, &c, &err));
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(try_serve("127.0.0.2", SOCK_STREAM, 8080), 0);
	assert_int_equal(try_serve("127.0.0.3", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("127.0.0.2", SOCK_DGRAM, 8080), EADDRINUSE);
	ok(dp_publish_del(dp, "e2", &err));
	ok(dp_publish_del(dp, "e3", &err));
	portmap_free(&a.ports);
	portmap_free(&b.ports);
	portmap_free(&c.ports);
}

static void foreign_address_is_refused(void **state)
{
	struct dp_publish p = one("e1", "192.0.2.77", IPPROTO_TCP, 8080);

	(void)state;
	assert_int_equal(dp_publish_add(dp, &p, &err), -EADDRNOTAVAIL);
	assert_non_null(strstr(err.msg, "192.0.2.77:8080/tcp"));
	for (int i = 0; i < 100; i++)
		want(&p.ports, "192.0.2.77", IPPROTO_TCP, 9000 + i, 9000 + i,
		     9000 + i);
	assert_int_equal(dp_publish_add(dp, &p, &err), -EADDRNOTAVAIL);
	portmap_free(&p.ports);
}

/* ---- chosen ports ------------------------------------------------------- */

static void ports_are_chosen_from_a_range(void **state)
{
	struct dp_publish p[12];
	char id[8];
	int fd = serve("0.0.0.0", SOCK_STREAM, 9101), r;

	(void)state;
	for (int i = 0; i < 11; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		p[i] = publish("n1", id, "10.0.1.2", "");
		want(&p[i].ports, "", IPPROTO_TCP, 9100, 9110, 82);
		r = dp_publish_add(dp, &p[i], &err);
		if (i == 10)
			break; /* 11 ports, one of them a process's */
		ok(r);
		assert_int_equal(p[i].ports.ranges[0].host_first,
				 i ? 9101 + i : 9100);
	}
	assert_int_equal(r, -EADDRINUSE);
	assert_non_null(strstr(err.msg, "no free host port in 9100-9110/tcp"));
	assert_int_equal(p[10].ports.ranges[0].host_first, 0);
	close(fd);
	ok(dp_publish_add(dp, &p[10], &err));
	assert_int_equal(p[10].ports.ranges[0].host_first, 9101);
	for (int i = 0; i < 11; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		ok(dp_publish_del(dp, id, &err));
		portmap_free(&p[i].ports);
	}
}

static void many_ephemeral_ports_differ(void **state)
{
	struct dp_publish p = publish("n1", "e1", "10.0.1.2", "");
	bool seen[65536] = { false };

	(void)state;
	for (int i = 0; i < 200; i++)
		want(&p.ports, "", IPPROTO_TCP, 0, 0, 1000 + 2 * i);
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(portmap_total(&p.ports), 200);
	for (size_t i = 0; i < p.ports.count; i++) {
		uint16_t h = p.ports.ranges[i].host_first;

		assert_true(h >= 32768 && !seen[h]);
		seen[h] = true;
	}
	ok(dp_publish_del(dp, "e1", &err));
	portmap_free(&p.ports);
}

/* ---- after a restart ---------------------------------------------------- */

static void counts(void *ctx, const char *line)
{
	int *n = ctx;

	(*n) += strstr(line, "8080->80/tcp") != NULL;
}

static int flows(const char *what)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "conntrack -L 2>/dev/null | grep -c '%s'",
		 what);
	sh(cmd);
	return atoi(out);
}

static void add_live(struct portmap *to, const struct portmap *from, int proto,
		     int number, int port)
{
	const struct port_range live = { .proto = (uint8_t)proto,
					 .host_first = (uint16_t)number,
					 .port_first = (uint16_t)port,
					 .count = 1,
					 .live = true };

	*to = (struct portmap){ 0 };
	assert_int_equal(portmap_copy(from, to, NULL), 0);
	assert_int_equal(portmap_append(to, &live, NULL), 0);
}

/* A routed network's ports are the container's: they exclude nobody's host
 * port, and their end is the end of flows to them alone. */
static void routed_ports_hold_nothing(void **state)
{
	struct dp_network net = network("n9", "br9", 9);
	struct dp_publish routed = publish("n9", "e9", "10.0.9.2", "fd00:9::2");
	struct dp_publish nat = one("e1", "", IPPROTO_UDP, 8080);
	struct dp_publish two = routed;

	(void)state;
	want(&routed.ports, "", IPPROTO_UDP, 8080, 8080, 80);
	net.mode4 = net.mode6 = DP_GW_ROUTED;
	ok(dp_network_add(dp, &net, &err));
	for (int i = 0; i < 2; i++) {
		ok(dp_publish_add(dp, &routed, &err));
		ok(dp_publish_add(dp, &nat, &err));
		ok(dp_publish_del(dp, "e1", &err));
		ok(dp_publish_add(dp, &nat, &err)); /* after a recount */
		ok(dp_publish_del(dp, "e9", &err));
		ok(dp_publish_add(dp, &routed, &err)); /* nat was first */
		ok(dp_publish_del(dp, "e1", &err));
	}
	ok(dp_publish_add(dp, &nat, &err));
	assert_int_equal(
		sh("ip addr add 192.0.2.1/32 dev lo && "
		   "conntrack -I -p udp -s 192.0.2.7 -d 192.0.2.1 -r 10.0.1.2 "
		   "-q 192.0.2.7 --sport 4000 --dport 8080 --reply-port-src 80 "
		   "--reply-port-dst 4000 -t 100 2>&1 && "
		   "conntrack -I -p udp -s 192.0.2.7 -d 10.0.9.2 --sport 4001 "
		   "--dport 80 -t 100 2>&1 && "
		   "conntrack -I -p udp -s 192.0.2.7 -d 10.0.9.2 --sport 4002 "
		   "--dport 81 -t 100 2>&1"),
		0);
	/* one of two host ports of a container's port goes: that stays open */
	add_live(&two.ports, &routed.ports, IPPROTO_UDP, 8099, 80);
	ok(dp_publish_add(dp, &two, &err));
	ok(dp_publish_add(dp, &routed, &err));
	portmap_free(&two.ports);
	assert_int_equal(flows("dst=10.0.9.2 .*dport=80 "), 1);
	ok(dp_publish_del(dp, "e9", &err));
	assert_int_equal(flows("dst=192.0.2.1 .*dport=8080"), 1);
	assert_int_equal(flows("dst=10.0.9.2 .*dport=80 "), 0);
	assert_int_equal(flows("dst=10.0.9.2 .*dport=81 "), 1);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(flows("dst=192.0.2.1 .*dport=8080"), 0);
	sh("conntrack -F 2>&1; ip addr del 192.0.2.1/32 dev lo");
	ok(dp_network_del(dp, "n9", &err));
	portmap_free(&routed.ports);
	portmap_free(&nat.ports);
}

static void lost_claim_is_told(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080), more = p;
	struct dp_publish many = publish("n1", "e2", "10.0.1.3", "");
	int n = 0, fd;

	(void)state;
	for (int i = 0; i < 100; i++)
		want(&many.ports, "", IPPROTO_TCP, 30000 + i, 30000 + i,
		     80 + i);
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_add(dp, &many, &err));
	dp_close(dp);
	/* what no hook saw has the mark of our own */
	fd = bound("127.0.0.9", SOCK_STREAM, 8080, SOCK_CLAIM_MARK);
	assert_int_equal(listen(fd, 1), 0);
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_add(dp, &many, &err));
	ok(dp_load_end(dp, &err));
	assert_int_equal(dp_check(dp, counts, &n, &err), 1);
	assert_int_equal(n, 1);
	/* nothing is touched by a wish that can't be had */
	add_live(&more.ports, &p.ports, IPPROTO_TCP, 8081, 81);
	assert_int_equal(dp_publish_add(dp, &more, &err), -EBUSY);
	assert_non_null(
		strstr(err.msg, "another process has a port of endpoint e1"));
	portmap_free(&more.ports);
	sh("nft list ruleset");
	assert_non_null(strstr(out, "8080"));
	close(fd);
	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_publish_del(dp, "e2", &err)); /* teardown: nothing is reserved */
	portmap_free(&p.ports);
	portmap_free(&many.ports);
}

/* Connections need descriptors, however many ports are published. */
static void claims_leave_descriptors(void **state)
{
	struct rlimit all, few;
	struct dp_publish p[10];
	int fds[100], n = 0;
	char id[8];

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = (struct rlimit){ 512, all.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int e = 0; e < 10; e++) {
		snprintf(id, sizeof(id), "e%d", e);
		p[e] = publish("n1", id, "10.0.1.2", "");
		for (int i = 0; i < 60; i++)
			want(&p[e].ports, "127.0.0.2", IPPROTO_TCP,
			     3000 + 100 * e + i, 3000 + 100 * e + i, 80);
		ok(dp_publish_add(dp, &p[e], &err));
	}
	while (n < 100 && (fds[n] = dup(0)) >= 0)
		n++;
	assert_int_equal(n, 100);
	while (n > 0)
		close(fds[--n]);
	for (int e = 0; e < 10; e++) {
		ok(dp_publish_del(dp, p[e].endpoint, &err));
		portmap_free(&p[e].ports);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
}

/* Its publish is not told again: the daemon was killed while removing it. */
static void range_left_by_a_killed_daemon_is_freed(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish many = publish("n1", "e2", "10.0.1.3", "");
	char buf[64];
	pid_t pid;
	int st;

	(void)state;
	for (int i = 0; i < 100; i++)
		want(&many.ports, "", IPPROTO_TCP, 30000 + i, 30000 + i,
		     80 + i);
	dp_close(dp);
	pid = fork();
	if (pid == 0) {
		dp = open_dp();
		if (dp_network_add(dp, &net, &err) < 0 ||
		    dp_publish_add(dp, &many, &err) < 0)
			_exit(1);
		_exit(0); /* as if killed: nothing is closed */
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_int_equal(st, 0);
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	assert_string_equal(buf, "30000-30099");
	ok(dp_load_end(dp, &err));
	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	assert_string_equal(buf, "");
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 30050), 0);
	portmap_free(&many.ports);
}

int main(void)
{
	const struct CMUnitTest plain[] = {
		TEST(range_is_held_and_reserved),
		TEST(one_of_two_addresses_is_freed),
		TEST(foreign_address_is_refused),
		TEST(ports_are_chosen_from_a_range),
		TEST(many_ephemeral_ports_differ),
		TEST(routed_ports_hold_nothing),
		TEST(lost_claim_is_told),
		TEST(range_left_by_a_killed_daemon_is_freed),
		TEST(claims_leave_descriptors),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + 2 * ARRAY_SIZE(clash_rows)];
	char names[ARRAY_SIZE(clash_rows)][64];
	size_t n = 0;
	int failed;

	for (; n < ARRAY_SIZE(plain); n++)
		tests[n] = plain[n];
	for (size_t i = 0; i < ARRAY_SIZE(clash_rows); i++) {
		void *row = (void *)(uintptr_t)&clash_rows[i];

		tests[n++] =
			(struct CMUnitTest){ clash_rows[i].name, clash_of_few,
					     setup, teardown, row };
		snprintf(names[i], sizeof(names[i]), "%s, as ranges",
			 clash_rows[i].name);
		tests[n++] = (struct CMUnitTest){ names[i], clash_of_many,
						  setup, teardown, row };
	}
	if (!dp_test_host())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
