/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket hooks, with real sockets: what programs on the host meet. */
#include "dataplane/ebpf/sock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/ebpf/test/sock_env.h"
#include "lib/test/test.h"

#define MARK4 "::ffff:127.0.0.1"

/* ---- TCP ---------------------------------------------------------------- */

struct tcp_row {
	const char *name;
	const char *host_ip;     /* published on; NULL: any */
	const char *c4, *c6;     /* where the container listens, port 80 */
	const char *bind, *dial; /* what the client does, to port 8080 */
	int family;              /* 0: as dial */
	bool v6only;
	int want;         /* of connect() */
	const char *peer; /* getpeername() */
	const char *seen; /* the server's view of the client */
};

static const struct tcp_row tcp_rows[] = {
	{ .name = "tcp: 127.0.0.1",
	  .c4 = HOST_C4,
	  .dial = "127.0.0.1",
	  .peer = "127.0.0.1:8080",
	  .seen = "10.77.0.1" },
	{ .name = "tcp: any loopback address",
	  .c4 = HOST_C4,
	  .dial = "127.9.9.9",
	  .peer = "127.9.9.9:8080" },
	{ .name = "tcp: published on 127.0.0.1",
	  .host_ip = "127.0.0.1",
	  .c4 = HOST_C4,
	  .dial = "127.0.0.1",
	  .peer = "127.0.0.1:8080" },
	{ .name = "tcp: published on 127.0.0.1 is not on 127.0.0.2",
	  .host_ip = "127.0.0.1",
	  .c4 = HOST_C4,
	  .dial = "127.0.0.2",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: published on another address is not on loopback",
	  .host_ip = "10.77.0.1",
	  .c4 = HOST_C4,
	  .dial = "127.0.0.1",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: published on 0.0.0.0 is not on ::1",
	  .host_ip = "0.0.0.0",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .dial = "::1",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: published on :: is not on 127.0.0.1",
	  .host_ip = "::",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .dial = "127.0.0.1",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: ::1",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .dial = "::1",
	  .peer = "[::1]:8080",
	  .seen = "fd77::1" },
	{ .name = "tcp: ::1 to a container without IPv6",
	  .c4 = HOST_C4,
	  .dial = "::1",
	  .peer = "[::1]:8080",
	  .seen = "10.77.0.1" },
	{ .name = "tcp: ::1, IPv6 only, to a container without IPv6",
	  .c4 = HOST_C4,
	  .dial = "::1",
	  .v6only = true,
	  .want = -ENETUNREACH },
	{ .name = "tcp: published on ::1",
	  .host_ip = "::1",
	  .c6 = HOST_C6,
	  .dial = "::1",
	  .peer = "[::1]:8080" },
	{ .name = "tcp: ::ffff:127.0.0.1",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .dial = MARK4,
	  .peer = "[::ffff:127.0.0.1]:8080",
	  .seen = "10.77.0.1" },
	{ .name = "tcp: 127.0.0.1 to a container without IPv4",
	  .c6 = HOST_C6,
	  .dial = "127.0.0.1",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: bound to 127.0.0.1 is left alone",
	  .c4 = HOST_C4,
	  .bind = "127.0.0.1",
	  .dial = "127.0.0.1",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: bound to ::1 is left alone",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .bind = "::1",
	  .dial = "::1",
	  .want = -ECONNREFUSED },
	{ .name = "tcp: bound to the host's address",
	  .c4 = HOST_C4,
	  .bind = "10.77.0.1",
	  .dial = "127.0.0.1",
	  .peer = "127.0.0.1:8080",
	  .seen = "10.77.0.1" },
	{ .name = "tcp: bound to an IPv6 address, container without IPv6",
	  .c4 = HOST_C4,
	  .bind = "fd77::1",
	  .dial = "::1",
	  .want = -ECONNREFUSED },
};

/* Accept on @server what @client sent, and carry a byte each way. */
static void exchange(int server, int client, const char *seen)
{
	int fd = accept(server, NULL, NULL);
	char c = 0;

	assert_true(fd >= 0);
	if (seen)
		assert_non_null(strstr(env_peer(fd), seen));
	assert_int_equal(send(client, "a", 1, 0), 1);
	assert_int_equal(recv(fd, &c, 1, 0), 1);
	assert_int_equal(send(fd, "b", 1, 0), 1);
	assert_int_equal(recv(client, &c, 1, 0), 1);
	assert_int_equal(c, 'b');
	close(fd);
}

static void tcp_connects(void **state)
{
	const struct tcp_row *row = *state;
	int on = row->v6only,
	    family = strchr(row->dial, ':') ? AF_INET6 : AF_INET;
	struct env *e;
	void *p = NULL;
	int *fd;

	NEED_HOST();
	assert_int_equal(env_setup(&p), 0);
	e = p;
	fd = e->fds;
	if (row->c4)
		fd[0] = env_server(row->c4);
	if (row->c6)
		fd[1] = env_server(row->c6);
	if (env_publish_to(e, env_ports(IPPROTO_TCP, row->host_ip, 8080, 80, 1),
			   row->c4, row->c6) < 0)
		fail_msg("%s", e->err.msg);
	fd[2] = host_sock(&host, host.net, family, SOCK_STREAM, row->bind, 0,
			  false);
	assert_true(fd[2] >= 0);
	if (family == AF_INET6)
		setsockopt(fd[2], IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	assert_int_equal(host_connect(fd[2], row->dial, 8080), row->want);
	if (row->want == 0) {
		bool six = row->seen && strchr(row->seen, ':');

		assert_string_equal(env_peer(fd[2]), row->peer);
		exchange(fd[six || !row->c4], fd[2], row->seen);
	}
	env_teardown(&p);
}

static void tcp_of_another_netns_is_not_touched(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	e->fds[0] = env_server(HOST_C4);
	e->fds[1] = host_sock(&host, host.container, AF_INET, SOCK_STREAM, NULL,
			      0, false);
	assert_int_equal(host_connect(e->fds[1], "127.0.0.1", 8080),
			 -ECONNREFUSED);
}

static void unpublished_is_refused_again(void **state)
{
	struct port_range r = env_ports(IPPROTO_TCP, NULL, 8080, 80, 1);
	struct ip_addr ip4 = env_addr(HOST_C4), ip6 = env_addr(HOST_C6);
	struct ip_addr other = env_addr("10.77.0.9");
	struct portmap m = { .ranges = &r, .count = 1 };
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, r);
	env_publish(e, r); /* the same again */
	assert_int_equal(sock_publish_del(e->sock, &m, &other, &ip6, NULL), 0);
	e->fds[1] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL, 0,
			      false);
	assert_int_equal(host_connect(e->fds[1], "127.0.0.1", 8080), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			sock_publish_del(e->sock, &m, &ip4, &ip6, &e->err), 0);
	e->fds[2] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL, 0,
			      false);
	assert_int_equal(host_connect(e->fds[2], "127.0.0.1", 8080),
			 -ECONNREFUSED);
}

static void range_is_shifted_and_has_ends(void **state)
{
	static const struct {
		uint16_t dial, served;
		int want;
	} at[] = { { 19999, 0, -ECONNREFUSED },
		   { 20000, 30001, 0 },
		   { 20777, 30778, 0 },
		   { 20999, 31000, 0 },
		   { 21000, 0, -ECONNREFUSED } };
	struct env *e = *state;

	NEED_HOST();
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 20000, 30001, 1000));
	for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
		const char *dial = i % 2 ? "127.0.0.1" : "::1";
		const char *serve = i % 2 ? HOST_C4 : HOST_C6;
		_cleanup_close_ int s = -EBADF, c = -EBADF;

		if (at[i].served)
			s = host_sock(&host, host.container, 0, SOCK_STREAM,
				      serve, at[i].served, true);
		c = host_sock(&host, host.net, i % 2 ? AF_INET : AF_INET6,
			      SOCK_STREAM, NULL, 0, false);
		assert_int_equal(host_connect(c, dial, at[i].dial), at[i].want);
		if (at[i].want == 0)
			exchange(s, c, NULL);
	}
}

static void failed_publish_leaves_nothing(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = env_server(HOST_C4);
	env_publish(e, env_ports(IPPROTO_TCP, NULL, 8005, 80, 1));
	assert_int_equal(
		env_publish_to(e, env_ports(IPPROTO_TCP, NULL, 8000, 80, 20),
			       HOST_C4, NULL),
		-EEXIST);
	assert_non_null(strstr(e->err.msg, "host port 8005"));
	e->fds[1] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL, 0,
			      false);
	assert_int_equal(host_connect(e->fds[1], "127.0.0.1", 8000),
			 -ECONNREFUSED);
	e->fds[2] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL, 0,
			      false);
	assert_int_equal(host_connect(e->fds[2], "127.0.0.1", 8005), 0);
}

/* ---- UDP ---------------------------------------------------------------- */

static int udp_server(const char *ip, uint16_t port)
{
	return host_sock(&host, host.container, 0, SOCK_DGRAM, ip, port, false);
}

static int udp_client(int family)
{
	return host_sock(&host, host.net, family, SOCK_DGRAM, NULL, 0, false);
}

static int udp_send(int fd, const char *ip, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = host_addr(ip, port, &a);

	return sendto(fd, "q", 1, 0, (struct sockaddr *)&a, len) < 0 ? -errno
								     : 0;
}

/* The server sends back what it got. */
static void udp_echo(int server)
{
	struct sockaddr_storage a;
	socklen_t len = sizeof(a);
	char c;

	assert_int_equal(
		recvfrom(server, &c, 1, 0, (struct sockaddr *)&a, &len), 1);
	assert_int_equal(sendto(server, &c, 1, 0, (struct sockaddr *)&a, len),
			 1);
}

static const char *udp_from(int client)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);
	char c;

	if (recvfrom(client, &c, 1, 0, (struct sockaddr *)&a, &len) != 1)
		return strerror(errno);
	return host_addr_str(&a);
}

struct udp_row {
	const char *name, *c4, *c6, *dial;
	bool connect;
	int want;
	const char *from;
};

static const struct udp_row udp_rows[] = {
	{ .name = "udp: 127.0.0.1",
	  .c4 = HOST_C4,
	  .dial = "127.0.0.1",
	  .from = "127.0.0.1:5353" },
	{ .name = "udp: 127.0.0.1, connected",
	  .c4 = HOST_C4,
	  .dial = "127.0.0.1",
	  .connect = true,
	  .from = "127.0.0.1:5353" },
	{ .name = "udp: ::1",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .dial = "::1",
	  .from = "[::1]:5353" },
	{ .name = "udp: ::1, connected",
	  .c6 = HOST_C6,
	  .dial = "::1",
	  .connect = true,
	  .from = "[::1]:5353" },
	{ .name = "udp: ::ffff:127.0.0.1",
	  .c4 = HOST_C4,
	  .c6 = HOST_C6,
	  .dial = MARK4,
	  .from = "[::ffff:127.0.0.1]:5353" },
	{ .name = "udp: ::ffff:127.0.0.1, connected",
	  .c4 = HOST_C4,
	  .dial = MARK4,
	  .connect = true,
	  .from = "[::ffff:127.0.0.1]:5353" },
	{ .name = "udp: ::1, connected, to a container without IPv6",
	  .c4 = HOST_C4,
	  .dial = "::1",
	  .connect = true,
	  .from = "[::1]:5353" },
	{ .name = "udp: ::1 to a container without IPv6",
	  .c4 = HOST_C4,
	  .dial = "::1",
	  .want = -ECONNREFUSED },
};

static void udp_answers_come_from_the_asked_address(void **state)
{
	const struct udp_row *row = *state;
	bool six = strchr(row->dial, ':') != NULL;
	bool mapped = strcmp(row->dial, MARK4) == 0;
	struct env *e;
	void *p = NULL;
	int *fd, r;

	NEED_HOST();
	assert_int_equal(env_setup(&p), 0);
	e = p;
	fd = e->fds;
	if (row->c4)
		fd[0] = udp_server(row->c4, 53);
	if (row->c6)
		fd[1] = udp_server(row->c6, 53);
	assert_int_equal(
		env_publish_to(e, env_ports(IPPROTO_UDP, NULL, 5353, 53, 1),
			       row->c4, row->c6),
		0);
	fd[2] = udp_client(six ? AF_INET6 : AF_INET);
	if (row->connect) {
		r = host_connect(fd[2], row->dial, 5353);
		assert_int_equal(r, row->want);
		assert_string_equal(env_peer(fd[2]), row->from);
		assert_int_equal(send(fd[2], "q", 1, 0), 1);
	} else {
		r = udp_send(fd[2], row->dial, 5353);
		assert_int_equal(r, row->want);
	}
	if (r == 0) {
		udp_echo(fd[six && !mapped && row->c6 ? 1 : 0]);
		assert_string_equal(udp_from(fd[2]), row->from);
	}
	env_teardown(&p);
}

static void udp_socket_with_several_ports(void **state)
{
	struct env *e = *state;
	int *fd = e->fds;

	NEED_HOST();
	fd[0] = udp_server(HOST_C4, 53);
	fd[1] = udp_server(HOST_C4, 54);
	env_publish(e, env_ports(IPPROTO_UDP, NULL, 5353, 53, 2));
	fd[2] = udp_client(AF_INET);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(udp_send(fd[2], "127.0.0.1", 5353), 0);
		assert_int_equal(udp_send(fd[2], "127.0.0.2", 5354), 0);
		udp_echo(fd[1]);
		assert_string_equal(udp_from(fd[2]), "127.0.0.2:5354");
		udp_echo(fd[0]);
		assert_string_equal(udp_from(fd[2]), "127.0.0.1:5353");
	}
}

static void udp_to_others_is_not_touched(void **state)
{
	struct env *e = *state;
	int *fd = e->fds;

	NEED_HOST();
	env_publish(e, env_ports(IPPROTO_UDP, NULL, 5353, 53, 1));
	fd[0] = udp_server(HOST_C4, 53);
	fd[1] = host_sock(&host, host.net, 0, SOCK_DGRAM, "127.0.0.1", 6000,
			  false);
	fd[2] = udp_client(AF_INET);
	assert_int_equal(udp_send(fd[2], HOST_C4, 53), 0);
	udp_echo(fd[0]);
	assert_string_equal(udp_from(fd[2]), HOST_C4 ":53");
	assert_int_equal(udp_send(fd[2], "127.0.0.1", 6000), 0);
	udp_echo(fd[1]);
	assert_string_equal(udp_from(fd[2]), "127.0.0.1:6000");
}

/* ---- bind --------------------------------------------------------------- */

static void hold_on_any_address(void **state)
{
	struct port_range r = env_ports(IPPROTO_TCP, NULL, 20000, 80, 1000);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	assert_int_equal(env_bind("0.0.0.0", 20000), -EADDRINUSE);
	assert_int_equal(env_bind("127.0.0.1", 20999), -EADDRINUSE);
	assert_int_equal(env_bind("10.77.0.1", 20500), -EADDRINUSE);
	assert_int_equal(env_bind("::", 20500), -EADDRINUSE);
	assert_int_equal(env_bind("::1", 20500), -EADDRINUSE);
	assert_int_equal(env_bind("0.0.0.0", 19999), 0);
	assert_int_equal(env_bind("0.0.0.0", 21000), 0);
	assert_int_equal(env_bind("0.0.0.0", 0), 0);
	assert_int_equal(env_bind_in(host.net, SOCK_DGRAM, "0.0.0.0", 20000),
			 0);
	assert_int_equal(
		env_bind_in(host.container, SOCK_STREAM, "0.0.0.0", 20000), 0);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
	assert_int_equal(env_bind("0.0.0.0", 20000), 0);
	assert_int_equal(env_bind("::1", 20500), 0);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
}

static void hold_on_one_address(void **state)
{
	struct port_range a =
		env_ports(IPPROTO_TCP, "10.77.0.1", 20000, 80, 1000);
	struct port_range b =
		env_ports(IPPROTO_TCP, "127.0.0.1", 20512, 80, 100);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &a, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &b, &e->err), 0);
	assert_int_equal(env_bind("10.77.0.1", 20999), -EADDRINUSE);
	assert_int_equal(env_bind("0.0.0.0", 20999), -EADDRINUSE);
	assert_int_equal(env_bind("127.0.0.1", 20999), 0);
	assert_int_equal(env_bind("127.0.0.1", 20550), -EADDRINUSE);
	assert_int_equal(env_bind("::1", 20999), 0);
	assert_int_equal(sock_range_release(e->sock, &a, &e->err), 0);
	assert_int_equal(env_bind("10.77.0.1", 20550), 0);
	assert_int_equal(env_bind("0.0.0.0", 20999), 0);
	assert_int_equal(env_bind("0.0.0.0", 20550), -EADDRINUSE);
	assert_int_equal(sock_range_release(e->sock, &b, &e->err), 0);
	assert_int_equal(env_bind("0.0.0.0", 20550), 0);
}

static void holds_on_an_address_are_counted(void **state)
{
	struct port_range r =
		env_ports(IPPROTO_UDP, "127.0.0.1", 20000, 80, 100);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
	assert_int_equal(env_bind_in(host.net, SOCK_DGRAM, "0.0.0.0", 20050),
			 -EADDRINUSE);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
	assert_int_equal(env_bind_in(host.net, SOCK_DGRAM, "0.0.0.0", 20050),
			 0);
}

struct edge {
	uint8_t proto;
	uint16_t first;
	uint32_t count;
};

/* Where the words of the table end, and the protocols meet. */
static void hold_has_exact_edges(void **state)
{
	static const struct edge edges[] = {
		{ IPPROTO_TCP, 1, 1 },        { IPPROTO_TCP, 63, 2 },
		{ IPPROTO_TCP, 64, 64 },      { IPPROTO_TCP, 100, 200 },
		{ IPPROTO_TCP, 65535, 1 },    { IPPROTO_UDP, 1, 1 },
		{ IPPROTO_UDP, 65472, 64 },   { IPPROTO_UDP, 65535, 1 },
		{ IPPROTO_TCP, 40000, 1000 }, { IPPROTO_UDP, 127, 1 },
	};
	struct env *e = *state;

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		const struct edge *g = &edges[i];
		bool tcp = g->proto == IPPROTO_TCP;
		int type = tcp ? SOCK_STREAM : SOCK_DGRAM;
		int other = tcp ? SOCK_DGRAM : SOCK_STREAM;
		struct port_range r =
			env_ports(g->proto, NULL, g->first, 80, g->count);
		uint32_t last = g->first + g->count - 1;

		assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
		for (uint32_t p = g->first; p <= last; p++) {
			assert_int_equal(
				env_bind_in(host.net, type, "::", (uint16_t)p),
				-EADDRINUSE);
			assert_int_equal(env_bind_in(host.net, other, "0.0.0.0",
						     (uint16_t)p),
					 0);
		}
		assert_int_equal(env_bind_in(host.net, type, "0.0.0.0",
					     (uint16_t)(g->first - 1)),
				 0);
		assert_int_equal(env_bind_in(host.net, type, "0.0.0.0",
					     (uint16_t)(last + 1)),
				 0);
		assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
		assert_int_equal(
			env_bind_in(host.net, type, "0.0.0.0", (uint16_t)last),
			0);
	}
}

static void own_claims_may_bind(void **state)
{
	struct port_range r = env_ports(IPPROTO_TCP, NULL, 20000, 80, 100);
	unsigned int mark = SOCK_CLAIM_MARK;
	struct env *e = *state;
	struct sockaddr_storage a;
	int fd;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	fd = e->fds[0] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL,
				   0, false);
	assert_int_equal(
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a,
			      host_addr("0.0.0.0", 20050, &a)),
			 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

static const struct CMUnitTest plain[] = {
	T(tcp_of_another_netns_is_not_touched),
	T(unpublished_is_refused_again),
	T(range_is_shifted_and_has_ends),
	T(failed_publish_leaves_nothing),
	T(udp_socket_with_several_ports),
	T(udp_to_others_is_not_touched),
	T(hold_on_any_address),
	T(hold_on_one_address),
	T(holds_on_an_address_are_counted),
	T(hold_has_exact_edges),
	T(own_claims_may_bind),
};

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(tcp_rows) + ARRAY_SIZE(udp_rows) +
				ARRAY_SIZE(plain)];
	size_t n = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(tcp_rows); i++)
		tests[n++] = (struct CMUnitTest){
			.name = tcp_rows[i].name,
			.test_func = tcp_connects,
			.initial_state = (void *)(uintptr_t)&tcp_rows[i],
		};
	for (size_t i = 0; i < ARRAY_SIZE(udp_rows); i++)
		tests[n++] = (struct CMUnitTest){
			.name = udp_rows[i].name,
			.test_func = udp_answers_come_from_the_asked_address,
			.initial_state = (void *)(uintptr_t)&udp_rows[i],
		};
	memcpy(&tests[n], plain, sizeof(plain));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_remove(&host);
	return r;
}
