/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_claim.c - claims on host ports: what is held and against whom, what the
 * ephemeral allocator is kept from, what it costs.
 */
#include "dataplane/test/claim_test.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/netns.h"

static const char *reserved(void)
{
	static char buf[4096];

	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	return buf;
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

/* Somebody binds all the time: both do not have the port.  Who was let pass by the
 * hook and stopped by the scheduler before he had the port is the exception
 * (claim.c): once in some thousand publishes on a machine with more to do than it
 * can. */
static void who_comes_meanwhile_is_seen(void **state)
{
	volatile int *has = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct dp_publish p = one("e1", "", IPPROTO_TCP, 8280);
	int got = 0, lost = 0, both = 0, st;
	pid_t pid;

	(void)state;
	ok(dp_publish_add(dp, &p, &err));
	ok(dp_publish_del(dp, "e1", &err));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
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
		both += has[0];
		ok(dp_publish_del(dp, "e1", &err));
		usleep(100);
	}
	has[1] = 1;
	assert_int_equal(waitpid(pid, &st, 0), pid);
	printf("# published %d times, refused %d times, both %d times\n", got,
	       lost, both);
	assert_true(got > 0 && lost > 0);
	assert_in_range(both, 0, 2);
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
	double end = now_ms() + 20000;

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

int main(void)
{
	static const struct CMUnitTest plain[] = {
		TEST(single_port_is_held),
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
	struct CMUnitTest tests[ARRAY_SIZE(held_rows) + ARRAY_SIZE(plain)];
	size_t n = 0;
	int failed;

	for (; n < ARRAY_SIZE(held_rows); n++)
		tests[n] = (struct CMUnitTest){
			held_rows[n].name, a_port_is_held_as_by_a_socket, setup,
			teardown, (void *)(uintptr_t)&held_rows[n]
		};
	memcpy(&tests[n], plain, sizeof(plain));
	if (!dp_test_host())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
