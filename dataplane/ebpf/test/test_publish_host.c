/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A packet of a connection that this host has itself is never taken, published
 * or not, and no container gets the port of such a connection.
 */
#include "dataplane/ebpf/test/publish_env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/test/test.h"

enum doing { BIND, LISTEN, CONNECT };

struct row {
	const char *name;
	int type;
	bool v6;
	uint16_t port; /* the host's */
	enum doing doing;
	uint16_t peer;
	const char *steps;
};

#define TAKEN4 "peer tcp 192.0.2.2:5000>10.9.0.2:80 S ttl=63"

static const struct row rows[] = {
	{ "nobody: taken", SOCK_STREAM, false, 8099, BIND, 0,
	  "U tcp 192.0.2.2:5000>192.0.2.1:8080 S => " TAKEN4 },
	{ "a claim: taken", SOCK_STREAM, false, 8080, BIND, 0,
	  "U tcp 192.0.2.2:5000>192.0.2.1:8080 S => " TAKEN4 },
	{ "a server of the host's: taken", SOCK_STREAM, false, 8080, LISTEN, 0,
	  "U tcp 192.0.2.2:5000>192.0.2.1:8080 S => " TAKEN4 },
	{ "a connection to there: left", SOCK_STREAM, false, 8080, CONNECT,
	  5000, "U tcp 192.0.2.2:5000>192.0.2.1:8080 S => pass" },
	{ "a connection to elsewhere: taken", SOCK_STREAM, false, 8080, CONNECT,
	  5001, "U tcp 192.0.2.2:5000>192.0.2.1:8080 S => " TAKEN4 },
	{ "a connection to there, IPv6: left", SOCK_STREAM, true, 8080, CONNECT,
	  5000, "U tcp [fd02::2]:5000>[fd02::1]:8080 S => pass" },
	{ "a udp claim: taken", SOCK_DGRAM, false, 5353, BIND, 0,
	  "U udp 192.0.2.2:5000>192.0.2.1:5353 => peer udp *" },
	{ "a udp connection to there: left", SOCK_DGRAM, false, 5353, CONNECT,
	  5000, "U udp 192.0.2.2:5000>192.0.2.1:5353 => pass" },
	{ "a udp connection to elsewhere: taken", SOCK_DGRAM, false, 5353,
	  CONNECT, 5001, "U udp 192.0.2.2:5000>192.0.2.1:5353 => peer udp *" },
	{ "a udp connection to there, IPv6: left", SOCK_DGRAM, true, 5353,
	  CONNECT, 5000, "U udp [fd02::2]:5000>[fd02::1]:5353 => pass" },
};

static int open_socket(const struct row *row)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(row->port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_port = htons(row->port) };
	struct sockaddr *sa =
		row->v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4;
	socklen_t len = row->v6 ? sizeof(a6) : sizeof(a4);
	int fd = socket(sa->sa_family, row->type | SOCK_NONBLOCK | SOCK_CLOEXEC,
			0);

	assert_true(fd >= 0);
	inet_pton(AF_INET, "192.0.2.1", &a4.sin_addr);
	inet_pton(AF_INET6, "fd02::1", &a6.sin6_addr);
	assert_int_equal(bind(fd, sa, len), 0);
	if (row->doing == LISTEN)
		assert_int_equal(listen(fd, 1), 0);
	if (row->doing != CONNECT)
		return fd;
	a4.sin_port = a6.sin6_port = htons(row->peer);
	inet_pton(AF_INET, "192.0.2.2", &a4.sin_addr);
	inet_pton(AF_INET6, "fd02::2", &a6.sin6_addr);
	/* a TCP connection stays in SYN_SENT: nobody is there */
	assert_true(connect(fd, sa, len) == 0 || errno == EINPROGRESS);
	return fd;
}

static void play_row(void **state)
{
	const struct row *row = *state;
	_cleanup_close_ int fd = open_socket(row);

	assert_true(fd >= 0);
	publish_env_clear();
	publish_env_play(row->steps);
}

/* The port that a container would get for a connection: of its own alone. */
static void masquerade_avoids(void **state)
{
	static const char ask[] = "E udp 10.9.0.2:40000>192.0.2.2:53 => wire "
				  "udp 192.0.2.1:*>192.0.2.2:53 ttl=63";
	struct row row = { .type = SOCK_DGRAM, .doing = BIND };
	char star[64];

	(void)state;
	publish_env_clear();
	publish_env_play(ask);
	publish_env_star(star);
	row.port = (uint16_t)atoi(star);
	assert_int_not_equal(row.port, 0);
	{
		_cleanup_close_ int fd = open_socket(&row);

		assert_true(fd >= 0);
		publish_env_clear();
		publish_env_play(ask);
		publish_env_star(star);
		assert_int_not_equal(atoi(star), row.port);
	}
}

/* A resolver of this host binds the port of a flow that there is: the answers
 * are its own, as long as it has it. */
static void latecomer_gets_its_answers(void **state)
{
	struct row row = { .type = SOCK_DGRAM, .doing = BIND };
	char star[64], step[128];

	(void)state;
	publish_env_clear();
	publish_env_play("E udp 10.9.0.2:40000>192.0.2.2:53 => wire "
			 "udp 192.0.2.1:*>192.0.2.2:53 ttl=63");
	publish_env_star(star);
	row.port = (uint16_t)atoi(star);
	{
		_cleanup_close_ int fd = open_socket(&row);

		assert_true(fd >= 0);
		snprintf(step, sizeof(step),
			 "U udp 192.0.2.2:53>192.0.2.1:%u => pass", row.port);
		publish_env_play(step);
	}
	snprintf(step, sizeof(step),
		 "U udp 192.0.2.2:53>192.0.2.1:%u => peer udp *", row.port);
	publish_env_play(step);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2];
	size_t n;
	int r;

	if (!publish_env_make())
		return 0;
	n = TEST_ROWS(tests, rows, play_row);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(masquerade_avoids);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(latecomer_gets_its_answers);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	publish_env_done();
	return r;
}
