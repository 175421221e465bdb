/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sockdiag against sockets that the test opens in a namespace of its own. */
#include "lib/sockdiag.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/test.h"

static bool in_netns; /* else every test is a SKIP */

#define NEED_NETNS()             \
	do {                     \
		if (!in_netns) { \
			skip();  \
			return;  \
		}                \
	} while (0)

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

enum how { BOUND, LISTENING, CONNECTED };

/* A socket on @ip:@port. */
static int sock(int type, const char *ip, uint16_t port, bool v6only,
		enum how how)
{
	const struct ip_addr a = addr(ip);
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	struct sockaddr_in s4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	const struct sockaddr *sa = (struct sockaddr *)&s4;
	socklen_t len = sizeof(s4);
	int on = v6only, fd = socket(a.family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (a.family == AF_INET6) {
		memcpy(&s6.sin6_addr, a.bytes, 16);
		sa = (struct sockaddr *)&s6;
		len = sizeof(s6);
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
					    sizeof(on)),
				 0);
	} else {
		memcpy(&s4.sin_addr, a.bytes, 4);
	}
	assert_int_equal(bind(fd, sa, len), 0);
	if (how == LISTENING)
		assert_int_equal(listen(fd, 1), 0);
	if (how == CONNECTED) {
		s4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		s4.sin_port = htons(9);
		assert_int_equal(
			connect(fd, (struct sockaddr *)&s4, sizeof(s4)), 0);
	}
	return fd;
}

static uint32_t inode_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint32_t)st.st_ino;
}

static int setup(void **state)
{
	(void)state;
	if (!in_netns)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return system("ip link set lo up");
}

struct row {
	const char *name;
	int type;
	const char *bound; /* on port 5000 */
	bool v6only;
	enum how how;
	const char *asked; /* NULL: any address */
	uint16_t first, last;
	bool found;
};

static const struct row rows[] = {
	{ .name = "tcp listener, any address asked",
	  .type = SOCK_STREAM,
	  .bound = "127.0.0.1",
	  .how = LISTENING,
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "tcp listener inside a range",
	  .type = SOCK_STREAM,
	  .bound = "127.0.0.1",
	  .how = LISTENING,
	  .first = 4000,
	  .last = 6000,
	  .found = true },
	{ .name = "tcp listener below the range",
	  .type = SOCK_STREAM,
	  .bound = "127.0.0.1",
	  .how = LISTENING,
	  .first = 5001,
	  .last = 65535 },
	{ .name = "tcp listener above the range",
	  .type = SOCK_STREAM,
	  .bound = "127.0.0.1",
	  .how = LISTENING,
	  .first = 1,
	  .last = 4999 },
	{ .name = "tcp listener on 0.0.0.0, one address asked",
	  .type = SOCK_STREAM,
	  .bound = "0.0.0.0",
	  .how = LISTENING,
	  .asked = "192.0.2.1",
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "tcp listener on another address",
	  .type = SOCK_STREAM,
	  .bound = "127.0.0.1",
	  .how = LISTENING,
	  .asked = "127.0.0.2",
	  .first = 5000,
	  .last = 5000 },
	{ .name = "tcp listener on ::, v4 asked",
	  .type = SOCK_STREAM,
	  .bound = "::",
	  .how = LISTENING,
	  .asked = "127.0.0.2",
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "tcp listener on ::, v6only, v4 asked",
	  .type = SOCK_STREAM,
	  .bound = "::",
	  .v6only = true,
	  .how = LISTENING,
	  .asked = "127.0.0.2",
	  .first = 5000,
	  .last = 5000 },
	{ .name = "tcp listener on 0.0.0.0, v6 asked",
	  .type = SOCK_STREAM,
	  .bound = "0.0.0.0",
	  .how = LISTENING,
	  .asked = "::1",
	  .first = 5000,
	  .last = 5000 },
	{ .name = "tcp listener on ::ffff:127.0.0.1, v4 asked",
	  .type = SOCK_STREAM,
	  .bound = "::ffff:127.0.0.1",
	  .how = LISTENING,
	  .asked = "127.0.0.1",
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "tcp bound only",
	  .type = SOCK_STREAM,
	  .bound = "127.0.0.1",
	  .how = BOUND,
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "udp bound",
	  .type = SOCK_DGRAM,
	  .bound = "0.0.0.0",
	  .how = BOUND,
	  .asked = "127.0.0.1",
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "udp bound on ::",
	  .type = SOCK_DGRAM,
	  .bound = "::",
	  .how = BOUND,
	  .first = 5000,
	  .last = 5000,
	  .found = true },
	{ .name = "udp connected",
	  .type = SOCK_DGRAM,
	  .bound = "127.0.0.1",
	  .how = CONNECTED,
	  .first = 5000,
	  .last = 5000,
	  .found = true },
};

static void find_row(void **state)
{
	const struct row *row = *state;
	_cleanup_close_ int fd = -EBADF;
	struct sockdiag_entry e = { 0 };
	struct ip_addr asked = { 0 };
	struct err err = { 0 };
	int r;

	NEED_NETNS();
	setup(NULL);
	fd = sock(row->type, row->bound, 5000, row->v6only, row->how);
	if (row->asked)
		asked = addr(row->asked);
	r = sockdiag_find(row->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP,
			  &asked, row->first, row->last, &e, &err);
	if (r < 0)
		fail_msg("%s", err.msg);
	if (!r && row->found && row->how == BOUND && row->type == SOCK_STREAM) {
		print_message("# SKIP: this kernel does not show sockets that "
			      "are bound only (6.8)\n");
		skip();
	}
	assert_int_equal(r, row->found);
	if (!r)
		return;
	assert_int_equal(e.inode, inode_of(fd));
	assert_int_equal(e.port, 5000);
	assert_int_equal(e.uid, 0);
	assert_int_equal(e.connected, row->how == CONNECTED);
}

static void sctp_without_a_kernel_part_is_free(void **state)
{
	struct sockdiag_entry e;

	(void)state;
	NEED_NETNS();
	assert_int_equal(sockdiag_find(IPPROTO_SCTP, NULL, 1, 65535, &e, NULL),
			 0);
}

static void owner_is_this_program(void **state)
{
	char buf[SOCKDIAG_OWNER_MAX], want[SOCKDIAG_OWNER_MAX];
	int fd;

	(void)state;
	NEED_NETNS();
	fd = sock(SOCK_STREAM, "127.0.0.1", 5000, false, LISTENING);
	snprintf(want, sizeof(want), "(pid %d)", getpid());
	sockdiag_owner(inode_of(fd), buf);
	assert_non_null(strstr(buf, want));
	assert_non_null(strstr(buf, "sockdiag"));
	close(fd);
	assert_string_equal(sockdiag_owner(0, buf), "");
	assert_string_equal(sockdiag_owner(UINT32_MAX, buf), "");
}

static int count(void *ctx, const struct sockdiag_entry *e)
{
	(void)e;
	(*(int *)ctx)++;
	return 0;
}

static void all_of_a_range_are_shown(void **state)
{
	int fds[300], n = 0;

	(void)state;
	NEED_NETNS();
	for (int i = 0; i < (int)ARRAY_SIZE(fds); i++)
		fds[i] = sock(SOCK_STREAM, i % 2 ? "::1" : "127.0.0.1",
			      (uint16_t)(6000 + i), false, LISTENING);
	assert_int_equal(
		sockdiag_each(IPPROTO_TCP, NULL, 6000, 6299, count, &n, NULL),
		0);
	assert_int_equal(n, 300);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static int connected(const char *ip, uint16_t port)
{
	const struct ip_addr a = addr(ip);
	struct sockaddr_in s4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	struct sockaddr_in6 s6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	int fd = socket(a.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&s4.sin_addr, a.bytes, 4);
	memcpy(&s6.sin6_addr, a.bytes, 16);
	if (a.family == AF_INET)
		assert_int_equal(
			connect(fd, (struct sockaddr *)&s4, sizeof(s4)), 0);
	else
		assert_int_equal(
			connect(fd, (struct sockaddr *)&s6, sizeof(s6)), 0);
	return fd;
}

static bool has_peer(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getpeername(fd, (struct sockaddr *)&ss, &len) == 0;
}

static void only_the_peers_sockets_end(void **state)
{
	static const struct {
		const char *ip;
		uint16_t port;
		bool ends;
	} socks[] = {
		{ "127.0.0.2", 7001, true },
		{ "::ffff:127.0.0.2", 7003, true },
		{ "127.0.0.2", 7000, false },
		{ "127.0.0.2", 7004, false },
		{ "127.0.0.3", 7002, false },
		{ "::1", 7002, false },
	};
	const struct ip_addr peer = addr("127.0.0.2"), six = addr("::1");
	int fds[ARRAY_SIZE(socks)];

	(void)state;
	NEED_NETNS();
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		fds[i] = connected(socks[i].ip, socks[i].port);
	assert_int_equal(sockdiag_abort_udp(&peer, 7001, 7003, NULL), 2);
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		assert_int_equal(has_peer(fds[i]), !socks[i].ends);
	assert_int_equal(sockdiag_abort_udp(&peer, 7001, 7003, NULL), 0);
	assert_int_equal(sockdiag_abort_udp(&six, 7002, 7002, NULL), 1);
	assert_false(has_peer(fds[5]));
	for (size_t i = 0; i < ARRAY_SIZE(socks); i++)
		close(fds[i]);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 4] = {
		cmocka_unit_test_setup(sctp_without_a_kernel_part_is_free,
				       setup),
		cmocka_unit_test_setup(owner_is_this_program, setup),
		cmocka_unit_test_setup(all_of_a_range_are_shown, setup),
		cmocka_unit_test_setup(only_the_peers_sockets_end, setup),
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[4 + i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = find_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	in_netns = unshare(CLONE_NEWNET) == 0;
	if (!in_netns)
		print_message("# SKIP: needs CAP_SYS_ADMIN\n");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
