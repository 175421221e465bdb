/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket hooks, with real sockets: what programs on the host meet. */
#include "dataplane/ebpf/sock.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/ebpf/test/host.h"
#include "lib/test/test.h"

#define MARK4 "::ffff:127.0.0.1"

static struct host host;

struct env {
	struct sock *sock;
	struct err err;
	int fds[8];
};

#define NEED_HOST()                 \
	do {                        \
		if (!host.usable) { \
			skip();     \
			return;     \
		}                   \
	} while (0)

static int try_open(struct env *e)
{
	struct sock_config cfg = { .driver = "test",
				   .bpf_dir = host.bpffs,
				   .cgroup = host.cgroup };

	return sock_open(&cfg, &e->sock, &e->err);
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!e)
		return -1;
	memset(e->fds, 0xff, sizeof(e->fds));
	return host.usable ? try_open(e) : 0;
}

static int teardown(void **state)
{
	struct env *e = *state;
	int r = e->sock ? sock_detach(e->sock, &e->err) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(e->fds); i++)
		closep(&e->fds[i]);
	sock_close(e->sock);
	free(e);
	return r;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a = { 0 };

	if (s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct port_range ports(uint8_t proto, const char *host_ip,
			       uint16_t first, uint16_t port, uint32_t count)
{
	return (struct port_range){ .host_ip = addr(host_ip),
				    .proto = proto,
				    .host_first = first,
				    .port_first = port,
				    .count = count };
}

static int publish_to(struct env *e, struct port_range r, const char *c4,
		      const char *c6)
{
	struct ip_addr ip4 = addr(c4), ip6 = addr(c6);
	struct portmap m = { .ranges = &r, .count = 1 };

	return sock_publish_add(e->sock, &m, &ip4, &ip6, &e->err);
}

static void publish(struct env *e, struct port_range r)
{
	if (publish_to(e, r, HOST_C4, HOST_C6) < 0)
		fail_msg("%s", e->err.msg);
}

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

static const char *peer_of(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);

	assert_int_equal(getpeername(fd, (struct sockaddr *)&a, &len), 0);
	return host_addr_str(&a);
}

/* Accept on @server what @client sent, and carry a byte each way. */
static void exchange(int server, int client, const char *seen)
{
	int fd = accept(server, NULL, NULL);
	char c = 0;

	assert_true(fd >= 0);
	if (seen)
		assert_non_null(strstr(peer_of(fd), seen));
	assert_int_equal(send(client, "a", 1, 0), 1);
	assert_int_equal(recv(fd, &c, 1, 0), 1);
	assert_int_equal(send(fd, "b", 1, 0), 1);
	assert_int_equal(recv(client, &c, 1, 0), 1);
	assert_int_equal(c, 'b');
	close(fd);
}

static int tcp_server(const char *ip)
{
	return host_sock(&host, host.container, 0, SOCK_STREAM, ip, 80, true);
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
	assert_int_equal(setup(&p), 0);
	e = p;
	fd = e->fds;
	if (row->c4)
		fd[0] = tcp_server(row->c4);
	if (row->c6)
		fd[1] = tcp_server(row->c6);
	if (publish_to(e, ports(IPPROTO_TCP, row->host_ip, 8080, 80, 1),
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

		assert_string_equal(peer_of(fd[2]), row->peer);
		exchange(fd[six || !row->c4], fd[2], row->seen);
	}
	teardown(&p);
}

static void tcp_of_another_netns_is_not_touched(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	e->fds[0] = tcp_server(HOST_C4);
	e->fds[1] = host_sock(&host, host.container, AF_INET, SOCK_STREAM, NULL,
			      0, false);
	assert_int_equal(host_connect(e->fds[1], "127.0.0.1", 8080),
			 -ECONNREFUSED);
}

static void unpublished_is_refused_again(void **state)
{
	struct port_range r = ports(IPPROTO_TCP, NULL, 8080, 80, 1);
	struct ip_addr ip4 = addr(HOST_C4), ip6 = addr(HOST_C6);
	struct ip_addr other = addr("10.77.0.9");
	struct portmap m = { .ranges = &r, .count = 1 };
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = tcp_server(HOST_C4);
	publish(e, r);
	publish(e, r); /* the same again */
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
	publish(e, ports(IPPROTO_TCP, NULL, 20000, 30001, 1000));
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
	e->fds[0] = tcp_server(HOST_C4);
	publish(e, ports(IPPROTO_TCP, NULL, 8005, 80, 1));
	assert_int_equal(publish_to(e, ports(IPPROTO_TCP, NULL, 8000, 80, 20),
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
	assert_int_equal(setup(&p), 0);
	e = p;
	fd = e->fds;
	if (row->c4)
		fd[0] = udp_server(row->c4, 53);
	if (row->c6)
		fd[1] = udp_server(row->c6, 53);
	assert_int_equal(publish_to(e, ports(IPPROTO_UDP, NULL, 5353, 53, 1),
				    row->c4, row->c6),
			 0);
	fd[2] = udp_client(six ? AF_INET6 : AF_INET);
	if (row->connect) {
		r = host_connect(fd[2], row->dial, 5353);
		assert_int_equal(r, row->want);
		assert_string_equal(peer_of(fd[2]), row->from);
		assert_int_equal(send(fd[2], "q", 1, 0), 1);
	} else {
		r = udp_send(fd[2], row->dial, 5353);
		assert_int_equal(r, row->want);
	}
	if (r == 0) {
		udp_echo(fd[six && !mapped && row->c6 ? 1 : 0]);
		assert_string_equal(udp_from(fd[2]), row->from);
	}
	teardown(&p);
}

static void udp_socket_with_several_ports(void **state)
{
	struct env *e = *state;
	int *fd = e->fds;

	NEED_HOST();
	fd[0] = udp_server(HOST_C4, 53);
	fd[1] = udp_server(HOST_C4, 54);
	publish(e, ports(IPPROTO_UDP, NULL, 5353, 53, 2));
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
	publish(e, ports(IPPROTO_UDP, NULL, 5353, 53, 1));
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

static int try_bind(int netns, int type, const char *ip, uint16_t port)
{
	int fd = host_sock(&host, netns, 0, type, ip, port, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int bind_here(const char *ip, uint16_t port)
{
	return try_bind(host.net, SOCK_STREAM, ip, port);
}

static void hold_on_any_address(void **state)
{
	struct port_range r = ports(IPPROTO_TCP, NULL, 20000, 80, 1000);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	assert_int_equal(bind_here("0.0.0.0", 20000), -EADDRINUSE);
	assert_int_equal(bind_here("127.0.0.1", 20999), -EADDRINUSE);
	assert_int_equal(bind_here("10.77.0.1", 20500), -EADDRINUSE);
	assert_int_equal(bind_here("::", 20500), -EADDRINUSE);
	assert_int_equal(bind_here("::1", 20500), -EADDRINUSE);
	assert_int_equal(bind_here("0.0.0.0", 19999), 0);
	assert_int_equal(bind_here("0.0.0.0", 21000), 0);
	assert_int_equal(bind_here("0.0.0.0", 0), 0);
	assert_int_equal(try_bind(host.net, SOCK_DGRAM, "0.0.0.0", 20000), 0);
	assert_int_equal(
		try_bind(host.container, SOCK_STREAM, "0.0.0.0", 20000), 0);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
	assert_int_equal(bind_here("0.0.0.0", 20000), 0);
	assert_int_equal(bind_here("::1", 20500), 0);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
}

static void hold_on_one_address(void **state)
{
	struct port_range a = ports(IPPROTO_TCP, "10.77.0.1", 20000, 80, 1000);
	struct port_range b = ports(IPPROTO_TCP, "127.0.0.1", 20512, 80, 100);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &a, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &b, &e->err), 0);
	assert_int_equal(bind_here("10.77.0.1", 20999), -EADDRINUSE);
	assert_int_equal(bind_here("0.0.0.0", 20999), -EADDRINUSE);
	assert_int_equal(bind_here("127.0.0.1", 20999), 0);
	assert_int_equal(bind_here("127.0.0.1", 20550), -EADDRINUSE);
	assert_int_equal(bind_here("::1", 20999), 0);
	assert_int_equal(sock_range_release(e->sock, &a, &e->err), 0);
	assert_int_equal(bind_here("10.77.0.1", 20550), 0);
	assert_int_equal(bind_here("0.0.0.0", 20999), 0);
	assert_int_equal(bind_here("0.0.0.0", 20550), -EADDRINUSE);
	assert_int_equal(sock_range_release(e->sock, &b, &e->err), 0);
	assert_int_equal(bind_here("0.0.0.0", 20550), 0);
}

static void holds_are_counted(void **state)
{
	struct port_range r = ports(IPPROTO_UDP, NULL, 20000, 80, 100);
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	assert_int_equal(sock_range_hold(e->sock, &r, &e->err), 0);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
	assert_int_equal(try_bind(host.net, SOCK_DGRAM, "0.0.0.0", 20050),
			 -EADDRINUSE);
	assert_int_equal(sock_range_release(e->sock, &r, &e->err), 0);
	assert_int_equal(try_bind(host.net, SOCK_DGRAM, "0.0.0.0", 20050), 0);
}

static void own_claims_may_bind(void **state)
{
	struct port_range r = ports(IPPROTO_TCP, NULL, 20000, 80, 100);
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

/* ---- the daemon's life -------------------------------------------------- */

static void restart(struct env *e)
{
	sock_close(take_ptr(e->sock));
	if (try_open(e) < 0)
		fail_msg("%s", e->err.msg);
}

static int dial(uint16_t port)
{
	_cleanup_close_ int fd = host_sock(&host, host.net, AF_INET,
					   SOCK_STREAM, NULL, 0, false);

	return host_connect(fd, "127.0.0.1", port);
}

static void hooks_outlive_the_daemon(void **state)
{
	struct env *e = *state;
	int *fd = e->fds;

	NEED_HOST();
	fd[0] = tcp_server(HOST_C4);
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	fd[1] = host_sock(&host, host.net, AF_INET, SOCK_STREAM, NULL, 0,
			  false);
	assert_int_equal(host_connect(fd[1], "127.0.0.1", 8080), 0);
	sock_close(take_ptr(e->sock));
	assert_int_equal(dial(8080), 0);
	assert_int_equal(try_open(e), 0);
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	/* a connection from before keeps its face */
	assert_string_equal(peer_of(fd[1]), "127.0.0.1:8080");
	assert_int_equal(dial(8080), 0);
}

static void load_keeps_what_is_said_and_drops_the_rest(void **state)
{
	struct port_range held = ports(IPPROTO_TCP, NULL, 30000, 80, 100);
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = tcp_server(HOST_C4);
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	publish(e, ports(IPPROTO_TCP, NULL, 8081, 80, 1));
	publish(e, ports(IPPROTO_TCP, NULL, 20000, 80, 1000));
	assert_int_equal(sock_range_hold(e->sock, &held, &e->err), 0);
	restart(e);
	sock_load_begin(e->sock);
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	publish(e, ports(IPPROTO_TCP, NULL, 8082, 80, 1));
	assert_int_equal(dial(8082), -ECONNREFUSED);
	assert_int_equal(dial(8081), 0);
	assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	assert_int_equal(dial(8080), 0);
	assert_int_equal(dial(8082), 0);
	assert_int_equal(dial(8081), -ECONNREFUSED);
	assert_int_equal(dial(20000), -ECONNREFUSED);
	assert_int_equal(bind_here("0.0.0.0", 30000), 0);
}

static void load_of_nothing_makes_nothing(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	sock_load_begin(e->sock);
	assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	host_sh("test ! -e %s/berth", host.bpffs);
}

static void no_connection_fails_while_programs_are_replaced(void **state)
{
	struct env *e = *state;
	int status = -1, n = 0;
	pid_t pid;

	NEED_HOST();
	e->fds[0] = tcp_server(HOST_C4);
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	sock_close(take_ptr(e->sock)); /* or the child would hold the lock */
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) { /* accepts and dials until it fails or 400 are done */
		for (int i = 0; i < 400; i++) {
			if (dial(8080) < 0)
				_exit(1);
			close(accept(e->fds[0], NULL, NULL));
		}
		_exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		restart(e);
		n++;
		sock_load_begin(e->sock);
		publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
		assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	}
	assert_int_equal(status, 0);
	print_message("# replaced %d times\n", n);
}

static void one_daemon_at_a_time(void **state)
{
	struct env *e = *state, other = { 0 };

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	assert_int_equal(try_open(&other), -EBUSY);
	assert_non_null(strstr(other.err.msg, "another process"));
	assert_null(other.sock);
}

static void another_layout_is_refused(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	sock_close(take_ptr(e->sock));
	host_sh("bpftool map update pinned %s/berth/v1/test/sock_meta key 0 0 "
		"0 0 value 0 0 0 0 0 0 0 0 99 0 0 0 0 0 0 0",
		host.bpffs);
	assert_int_equal(try_open(e), -EPROTO);
	assert_non_null(strstr(e->err.msg, "another version"));
	host_sh("rm %s/berth/v1/test/sock_*", host.bpffs);
	assert_int_equal(try_open(e), 0);
}

static void another_map_size_is_refused(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	sock_close(take_ptr(e->sock));
	host_sh("cd %s/berth/v1/test && rm sock_pub && bpftool map create "
		"sock_pub type hash key 4 value 4 entries 8 name x",
		host.bpffs);
	assert_int_equal(try_open(e), 0);
	assert_int_equal(sock_attach(e->sock, &e->err), -EPROTO);
	assert_non_null(strstr(e->err.msg, "sock_pub"));
}

static void pins_of_a_gone_namespace_are_replaced(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	sock_close(take_ptr(e->sock));
	host_enter(&host, host.container);
	assert_int_equal(try_open(e), 0);
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	host_enter(&host, host.net);
	e->fds[0] = tcp_server(HOST_C4);
	assert_int_equal(dial(8080), -ECONNREFUSED);
}

static void count_line(void *ctx, const char *line)
{
	(void)line;
	(*(int *)ctx)++;
}

static void check_sees_a_missing_hook(void **state)
{
	struct env *e = *state;
	int n = 0;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	assert_int_equal(sock_check(e->sock, count_line, &n, &e->err), 0);
	host_sh("rm %s/berth/v1/test/sock_link_bind4", host.bpffs);
	assert_int_equal(sock_check(e->sock, count_line, &n, &e->err), 1);
	assert_int_equal(n, 1);
	/* a restart puts it back */
	restart(e);
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	assert_int_equal(sock_check(e->sock, count_line, &n, &e->err), 0);
}

static void detach_leaves_nothing(void **state)
{
	struct env *e = *state;

	NEED_HOST();
	e->fds[0] = tcp_server(HOST_C4);
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	assert_int_equal(sock_detach(e->sock, &e->err), 0);
	assert_int_equal(sock_detach(e->sock, &e->err), 0);
	host_sh("test ! -e %s/berth", host.bpffs);
	assert_int_equal(dial(8080), -ECONNREFUSED);
	publish(e, ports(IPPROTO_TCP, NULL, 8080, 80, 1));
	assert_int_equal(dial(8080), 0);
}

static void bad_cgroup_is_named(void **state)
{
	struct sock_config cfg = { .driver = "test",
				   .bpf_dir = host.bpffs,
				   .cgroup = "/nowhere" };
	struct env *e = *state;
	struct sock *s = NULL;

	NEED_HOST();
	assert_int_equal(sock_open(&cfg, &s, &e->err), -ENOENT);
	assert_non_null(strstr(e->err.msg, "/nowhere"));
	cfg.cgroup = "/tmp";
	sock_close(take_ptr(e->sock));
	assert_int_equal(sock_open(&cfg, &s, &e->err), 0);
	assert_true(sock_attach(s, &e->err) < 0);
	assert_non_null(strstr(e->err.msg, "/tmp"));
	sock_close(s);
	host_sh("test ! -e %s/berth", host.bpffs);
}

static double us_since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e6 +
	       (double)(b.tv_nsec - a->tv_nsec) / 1e3;
}

static void many_ports_are_quick(void **state)
{
	struct env *e = *state;
	struct timespec t;

	NEED_HOST();
	assert_int_equal(sock_attach(e->sock, &e->err), 0);
	clock_gettime(CLOCK_MONOTONIC, &t);
	for (uint16_t i = 0; i < 5000; i++) /* every other port */
		publish(e,
			ports(IPPROTO_TCP, NULL, (uint16_t)(2 * i + 2), 80, 1));
	print_message("# 5000 single ports: %.0f us\n", us_since(&t));
	clock_gettime(CLOCK_MONOTONIC, &t);
	publish(e, ports(IPPROTO_UDP, NULL, 1024, 1024, 60000));
	print_message("# a range of 60000: %.0f us\n", us_since(&t));
	clock_gettime(CLOCK_MONOTONIC, &t);
	publish(e, ports(IPPROTO_TCP, NULL, 11111, 80, 1));
	print_message("# one port more: %.0f us\n", us_since(&t));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static const struct CMUnitTest plain[] = {
	T(tcp_of_another_netns_is_not_touched),
	T(unpublished_is_refused_again),
	T(range_is_shifted_and_has_ends),
	T(failed_publish_leaves_nothing),
	T(udp_socket_with_several_ports),
	T(udp_to_others_is_not_touched),
	T(hold_on_any_address),
	T(hold_on_one_address),
	T(holds_are_counted),
	T(own_claims_may_bind),
	T(hooks_outlive_the_daemon),
	T(load_keeps_what_is_said_and_drops_the_rest),
	T(load_of_nothing_makes_nothing),
	T(no_connection_fails_while_programs_are_replaced),
	T(one_daemon_at_a_time),
	T(another_layout_is_refused),
	T(another_map_size_is_refused),
	T(pins_of_a_gone_namespace_are_replaced),
	T(check_sees_a_missing_hook),
	T(detach_leaves_nothing),
	T(bad_cgroup_is_named),
	T(many_ports_are_quick),
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
