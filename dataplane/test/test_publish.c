/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_publish.c - claims on host ports: who clashes with whom, what is held,
 * what is given back, what it costs.
 */
#include "dataplane/test/dp_test.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "dataplane/ebpf/sock.h"
#include "lib/base.h"
#include "lib/netns.h"

static struct dp *dp;
static struct err err;

static int setup(void **state)
{
	struct dp_network net = network("n1", "br1", 1);

	(void)state;
	dp = open_dp();
	err.msg[0] = '\0';
	return dp_network_add(dp, &net, &err);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What each test must leave: no table, no reserved port, no socket. */
static int teardown(void **state)
{
	char buf[64] = "";

	(void)state;
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
	sh("nft list ruleset");
	assert_string_equal(out, "");
	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	assert_string_equal(buf, "");
	assert_true(open_descriptors() < 16);
	return 0;
}

static struct dp_publish one(const char *ep, const char *host, uint8_t proto,
			     int port_number)
{
	struct dp_publish p = publish("n1", ep, "10.0.1.2", "fd00:1::2");

	want(&p.ports, host, proto, port_number, port_number, 80);
	return p;
}

static int bound(const char *addr, int type, int number, uint32_t mark)
{
	struct ip_addr a = ip(addr);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)number) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)number) };
	int fd = socket(a.family, type, 0), opt = 1, r;

	memcpy(&in.sin_addr, a.bytes, 4);
	memcpy(&in6.sin6_addr, a.bytes, 16);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &opt, sizeof(opt));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &opt, sizeof(opt));
	if (mark)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	r = a.family == AF_INET
		    ? bind(fd, (struct sockaddr *)&in, sizeof(in))
		    : bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	assert_int_equal(r, 0);
	return fd;
}

static int serve(const char *addr, int type, int number)
{
	int fd = bound(addr, type, number, 0);

	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static const char *reserved(void)
{
	static char buf[4096];

	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	return buf;
}

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

/* ---- what is held ------------------------------------------------------- */

/* Its first flow is a TCP socket that it binds itself. */
static int try_mptcp(int number)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)number) };
	int fd = socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */), r;

	r = bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	return r;
}

static void single_port_is_held(void **state)
{
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080);

	(void)state;
	want(&p.ports, "", IPPROTO_UDP, 53, 53, 53);
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("::", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("::1", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("0.0.0.0", SOCK_DGRAM, 53), EADDRINUSE);
	assert_int_equal(try_serve("::1", SOCK_DGRAM, 53), EADDRINUSE);
	assert_int_equal(try_serve("0.0.0.0", SOCK_DGRAM, 8080), 0);
	if (try_mptcp(8081) == 0)
		assert_int_equal(try_mptcp(8080), EADDRINUSE);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), 0);
	assert_int_equal(try_serve("::", SOCK_DGRAM, 53), 0);
	portmap_free(&p.ports);
}

/* Both families in one socket, as most servers do. */
static int try_dual(int number)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)number) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0, r;

	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	r = bind(fd, (struct sockaddr *)&in6, sizeof(in6)) < 0 ? errno : 0;
	close(fd);
	return r;
}

struct held_row {
	const char *name;
	const char *host;
	/* errno of a server on it */
	int any4, one4, other4, any6, one6, dual;
	int fds; /* that the claim keeps */
};

#define TAKEN EADDRINUSE

static const struct held_row held_rows[] = {
	{ "any address", "", TAKEN, TAKEN, TAKEN, TAKEN, TAKEN, TAKEN, 0 },
	{ "any of IPv4", "0.0.0.0", TAKEN, TAKEN, TAKEN, 0, 0, TAKEN, 1 },
	{ "one of IPv4", "127.0.0.2", TAKEN, TAKEN, 0, 0, 0, TAKEN, 1 },
	{ "any of IPv6", "::", 0, 0, 0, TAKEN, TAKEN, TAKEN, 0 },
	{ "one of IPv6", "::1", 0, 0, 0, TAKEN, TAKEN, TAKEN, 0 },
};

/* What a socket in the kernel's own table would refuse, and nothing else. */
static void a_port_is_held_as_by_a_socket(void **state)
{
	const struct held_row *row = *state;
	struct dp_publish first = one("e0", "", IPPROTO_TCP, 8179);
	struct dp_publish p = one("e1", row->host, IPPROTO_TCP, 8180);
	int before;

	ok(dp_publish_add(dp, &first, &err)); /* opens the hooks */
	before = open_descriptors();
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(open_descriptors(), before + row->fds);
	for (int i = 0; i < 2; i++) {
		int on = i == 0;

		assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8180),
				 on * row->any4);
		assert_int_equal(try_serve("127.0.0.2", SOCK_STREAM, 8180),
				 on * row->one4);
		assert_int_equal(try_serve("127.0.0.3", SOCK_STREAM, 8180),
				 on * row->other4);
		assert_int_equal(try_serve("::", SOCK_STREAM, 8180),
				 on * row->any6);
		assert_int_equal(try_serve("::1", SOCK_STREAM, 8180),
				 on * row->one6);
		assert_int_equal(try_dual(8180), on * row->dual);
		if (on)
			ok(dp_publish_del(dp, "e1", &err));
	}
	assert_int_equal(open_descriptors(), before);
	portmap_free(&p.ports);
	portmap_free(&first.ports);
}

/* No hook sees listen(): the kernel must refuse it. */
static void who_is_bound_already_does_not_listen_later(void **state)
{
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080);
	struct dp_publish q = one("e2", "", IPPROTO_TCP, 8081);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(8081) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0),
	    fd6 = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(8080) };

	(void)state;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd6, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok(bind(fd, (struct sockaddr *)&in, sizeof(in)));
	ok(bind(fd6, (struct sockaddr *)&in6, sizeof(in6)));
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_add(dp, &q, &err));
	assert_int_equal(listen(fd, 1), -1);
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(listen(fd6, 1), -1);
	assert_int_equal(errno, EADDRINUSE);
	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_publish_del(dp, "e2", &err));
	ok(listen(fd, 1));
	ok(listen(fd6, 1));
	close(fd);
	close(fd6);
	portmap_free(&p.ports);
	portmap_free(&q.ports);
}

/* A server of this host had the port a moment ago. */
static void time_wait_refuses_nothing(void **state)
{
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(8080),
				  .sin_addr.s_addr = htonl(0x7f000001) };
	int server = serve("127.0.0.1", SOCK_STREAM, 8080), fd, other;
	char byte;

	(void)state;
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ok(connect(fd, (struct sockaddr *)&in, sizeof(in)));
	other = accept(server, NULL, NULL);
	assert_true(other >= 0);
	close(other); /* who closes first waits */
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
	close(server);
	sh("ss -Htan state time-wait sport = :8080");
	assert_string_not_equal(out, "");
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("::", SOCK_STREAM, 8080), EADDRINUSE);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8080), 0);
	portmap_free(&p.ports);
}

/* The daemon is away, by its own will or not. */
static void held_without_the_daemon(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080);

	(void)state;
	want(&p.ports, "", IPPROTO_UDP, 40000, 40000, 53);
	ok(dp_publish_add(dp, &p, &err));
	dp_close(dp);
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), EADDRINUSE);
	assert_int_equal(try_serve("::", SOCK_DGRAM, 40000), EADDRINUSE);
	assert_string_equal(reserved(), "40000");
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), EADDRINUSE);
	ok(dp_load_end(dp, &err));
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), EADDRINUSE);
	assert_string_equal(reserved(), "40000");
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), 0);
	assert_string_equal(reserved(), "");
	portmap_free(&p.ports);
}

/* Hooks at a cgroup of their own do not see everybody. */
static void who_no_hook_sees_is_refused_all_the_same(void **state)
{
	struct dp_config cfg = { .driver = DRIVER, .bpf_dir = bpf_dir };
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8380);
	char dir[128];

	(void)state;
	dp_close(dp);
	sh("awk '$3 == \"cgroup2\" { printf \"%s\", $2; exit }' /proc/mounts");
	snprintf(dir, sizeof(dir), "%.80s/test-publish-%d", out, getpid());
	ok(mkdir(dir, 0755));
	cfg.cgroup = dir;
	ok(dp_open(&cfg, &dp, &err));
	ok(dp_network_add(dp, &net, &err));
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8380), EADDRINUSE);
	assert_int_equal(try_serve("::1", SOCK_STREAM, 8380), EADDRINUSE);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 8380), 0);
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
	ok(rmdir(dir));
	dp = open_dp();
	portmap_free(&p.ports);
}

/* Somebody binds all the time: never do both have the port. */
static void who_comes_meanwhile_is_seen(void **state)
{
	volatile int *has = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8280);
	int got = 0, lost = 0, st;
	pid_t pid;

	(void)state;
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_del(dp, "e1", &err));
	pid = fork();
	if (pid == 0) {
		while (!has[1]) {
			int fd = socket(AF_INET, SOCK_STREAM, 0);
			struct sockaddr_in in = { .sin_family = AF_INET,
						  .sin_port = htons(8280) };

			if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == 0) {
				has[0] = 1;
				usleep(50);
				has[0] = 0;
			}
			close(fd);
		}
		_exit(0);
	}
	for (int i = 0; i < 5000 && (got < 200 || lost < 200); i++) {
		int r = dp_publish_add(dp, &p, &err);

		if (r < 0) {
			assert_int_equal(r, -EADDRINUSE);
			lost++;
			continue;
		}
		got++;
		usleep(20); /* who has bound says so */
		if (has[0])
			usleep(200); /* it may close at this moment */
		assert_int_equal(has[0], 0);
		ok(dp_publish_del(dp, "e1", &err));
		usleep(100);
	}
	has[1] = 1;
	assert_int_equal(waitpid(pid, &st, 0), pid);
	printf("# published %d times, refused %d times\n", got, lost);
	assert_true(got > 0 && lost > 0);
	munmap((void *)(uintptr_t)has, 4096);
	portmap_free(&p.ports);
}

/* ---- the ephemeral allocator -------------------------------------------- */

static int autobind(int type)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, type, 0), r;

	r = bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0 ? -errno : 0;
	if (r == 0)
		ok(getsockname(fd, (struct sockaddr *)&in, &len));
	close(fd);
	return r < 0 ? r : ntohs(in.sin_port);
}

static void ephemeral_ports_are_reserved(void **state)
{
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 40000);
	struct dp_publish q = one("e2", "", IPPROTO_UDP, 40002);
	struct dp_publish low = one("e3", "", IPPROTO_TCP, 8080);

	(void)state;
	ok(sysctl_set("net/ipv4/ip_local_port_range", "40000 40003", &err));
	ok(sysctl_set("net/ipv4/ip_local_reserved_ports", "7,40002", &err));
	ok(dp_publish_add(dp, &low, &err));
	assert_string_equal(reserved(), "7,40002");
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_add(dp, &q, &err));
	assert_string_equal(reserved(), "7,40000,40002");
	for (int i = 0; i < 50; i++) {
		int tcp = autobind(SOCK_STREAM), udp = autobind(SOCK_DGRAM);

		assert_true(tcp == 40001 || tcp == 40003);
		assert_true(udp == 40001 || udp == 40003);
	}
	ok(dp_publish_del(dp, "e1", &err));
	ok(dp_publish_del(dp, "e2", &err));
	ok(dp_publish_del(dp, "e3", &err));
	assert_string_equal(reserved(), "7,40002");
	ok(sysctl_set("net/ipv4/ip_local_port_range", "32768 60999", &err));
	ok(sysctl_set("net/ipv4/ip_local_reserved_ports", "\n", &err));
	portmap_free(&p.ports);
	portmap_free(&q.ports);
	portmap_free(&low.ports);
}

/* What went while no daemon ran: only what we may have put on the list is taken
 * off. */
static void what_went_meanwhile_is_not_reserved(void **state)
{
	struct dp_network net = network("n1", "br1", 1);
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080);
	struct dp_publish q = one("e2", "", IPPROTO_TCP, 40000);

	(void)state;
	ok(sysctl_set("net/ipv4/ip_local_reserved_ports", "7,8080", &err));
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_add(dp, &q, &err));
	assert_string_equal(reserved(), "7,8080,40000");
	dp_close(dp);
	dp = open_dp();
	dp_load_begin(dp);
	ok(dp_network_add(dp, &net, &err));
	ok(dp_load_end(dp, &err));
	assert_int_equal(try_serve("127.0.0.1", SOCK_STREAM, 8080), 0);
	assert_string_equal(reserved(), "7,8080");
	ok(sysctl_set("net/ipv4/ip_local_reserved_ports", "\n", &err));
	portmap_free(&p.ports);
	portmap_free(&q.ports);
}

static void event_after_a_second(void)
{
	double end = now_ms() + 3000;

	while (now_ms() < end && strcmp(reserved(), "") == 0) {
		assert_true(dp_event(dp, &err) >= 0);
		usleep(20000);
	}
}

static void a_new_ephemeral_range_is_followed(void **state)
{
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 5000);

	(void)state;
	ok(dp_publish_add(dp, &p, &err));
	assert_string_equal(reserved(), "");
	ok(sysctl_set("net/ipv4/ip_local_port_range", "4990 5010", &err));
	event_after_a_second();
	assert_string_equal(reserved(), "5000");
	ok(dp_publish_del(dp, "e1", &err));
	assert_string_equal(reserved(), "");
	ok(sysctl_set("net/ipv4/ip_local_port_range", "32768 60999", &err));
	portmap_free(&p.ports);
}

/* The list is as long as there are ports on it: it is not written for each. */
static void many_ephemeral_ports_come_and_go(void **state)
{
	static struct dp_publish p[1000];
	double start = now_ms();
	uint32_t n = 0;
	char id[8];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "e%d", i);
		p[i] = one(id, "", IPPROTO_TCP, 33000 + 2 * i);
		ok(dp_publish_add(dp, &p[i], &err));
	}
	printf("# 1000 ephemeral ports: add %.1f ms\n", now_ms() - start);
	sh("cat /proc/sys/net/ipv4/ip_local_reserved_ports");
	for (const char *c = out; *c; c++)
		n += *c == ',';
	assert_int_equal(n, 999);
	start = now_ms();
	for (int i = 0; i < 1000; i++) {
		ok(dp_publish_del(dp, p[i].endpoint, &err));
		portmap_free(&p[i].ports);
	}
	printf("# ... remove %.1f ms\n", now_ms() - start);
	assert_string_equal(reserved(), "");
}

static void scattered_ports_fit(void **state)
{
	struct dp_publish p = publish("n1", "e1", "10.0.1.2", "");

	(void)state;
	for (int i = 0; i < 30000; i++)
		want(&p.ports, "", IPPROTO_TCP, 2000 + 2 * i, 2000 + 2 * i, 80);
	ok(dp_publish_add(dp, &p, &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 61998), EADDRINUSE);
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 61997), 0);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(try_serve("0.0.0.0", SOCK_STREAM, 61998), 0);
	portmap_free(&p.ports);
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

/* A routed network's ports are the container's: they exclude nobody's host
 * port, and their end is the end of flows to them alone. */
static void routed_ports_hold_nothing(void **state)
{
	struct dp_network net = network("n9", "br9", 9);
	struct dp_publish routed = publish("n9", "e9", "10.0.9.2", "fd00:9::2");
	struct dp_publish nat = one("e1", "", IPPROTO_UDP, 8080);

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
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8080);
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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest plain[] = {
		TEST(single_port_is_held),
		TEST(range_is_held_and_reserved),
		TEST(one_of_two_addresses_is_freed),
		TEST(foreign_address_is_refused),
		TEST(ports_are_chosen_from_a_range),
		TEST(many_ephemeral_ports_differ),
		TEST(routed_ports_hold_nothing),
		TEST(lost_claim_is_told),
		TEST(range_left_by_a_killed_daemon_is_freed),
		TEST(claims_leave_descriptors),
		TEST(who_is_bound_already_does_not_listen_later),
		TEST(time_wait_refuses_nothing),
		TEST(held_without_the_daemon),
		TEST(who_comes_meanwhile_is_seen),
		TEST(who_no_hook_sees_is_refused_all_the_same),
		TEST(ephemeral_ports_are_reserved),
		TEST(what_went_meanwhile_is_not_reserved),
		TEST(a_new_ephemeral_range_is_followed),
		TEST(many_ephemeral_ports_come_and_go),
		TEST(scattered_ports_fit),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(held_rows) +
				2 * ARRAY_SIZE(clash_rows)];
	char names[ARRAY_SIZE(clash_rows)][64];
	size_t n = 0;
	int failed;

	for (; n < ARRAY_SIZE(plain); n++)
		tests[n] = plain[n];
	for (size_t i = 0; i < ARRAY_SIZE(held_rows); i++)
		tests[n++] = (struct CMUnitTest){
			held_rows[i].name, a_port_is_held_as_by_a_socket, setup,
			teardown, (void *)(uintptr_t)&held_rows[i]
		};
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
