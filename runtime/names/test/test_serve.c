/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of the host's resolvers is asked first: two of the test's own on loopback. */
#include "lib/test/test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/names/serve_priv.h"

#define WAIT_MS 8000

/* id 0x1234, RD; "up.example", A, IN */
static const char question[] =
	"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
	"\x02up\x07"
	"example\x00\x00\x01\x00\x01";

struct fixture {
	char file[64]; /* the host's resolv.conf */
	int resolver[2];
	struct serve_sock client; /* what questions come from and go back to */
	struct served of, *list[1];
	union upstream_sock at; /* .client's */
	struct serve *s;
};

/* A UDP socket at 127.0.0.@host.  @port: 0: any, which is set. */
static int udp_at(uint8_t host, in_port_t *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = *port,
				 .sin_addr.s_addr =
					 htonl(INADDR_LOOPBACK - 1U + host) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*port = a.sin_port;
	return fd;
}

static int setup(void **state)
{
	static const char conf[] = "nameserver 127.0.0.1\n"
				   "nameserver 127.0.0.2\n";
	struct fixture *f = calloc(1, sizeof(*f));
	struct serve_config cfg = { .resolv_conf = f->file };
	in_port_t port = 0, own = 0;
	struct err err = { 0 };
	int fd;

	*state = f;
	strcpy(f->file, "/tmp/test_serve.XXXXXX");
	fd = mkstemp(f->file);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, conf, sizeof(conf) - 1), sizeof(conf) - 1);
	close(fd);
	f->resolver[0] = udp_at(1, &port);
	f->resolver[1] = udp_at(2, &port);
	f->client.watch.fd = udp_at(1, &own);
	f->client.of = f->list[0] = &f->of;
	f->of.id = 1;
	f->at.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_port = own,
					 .sin_addr.s_addr =
						 htonl(INADDR_LOOPBACK) };
	cfg.port = ntohs(port);
	if (serve_new(NULL, &cfg, &f->s, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	serve_free(f->s);
	close(f->client.watch.fd);
	close(f->resolver[0]);
	close(f->resolver[1]);
	unlink(f->file);
	free(f);
	return 0;
}

static void say(int fd, enum wire_rcode rcode)
{
	uint8_t msg[WIRE_UDP_MIN];
	union upstream_sock who;
	socklen_t len = sizeof(who);
	ssize_t n = recvfrom(fd, msg, sizeof(msg), 0, &who.sa, &len);

	assert_true(n > 3);
	msg[2] |= 0x80;
	msg[3] = (uint8_t)rcode;
	assert_int_equal(sendto(fd, msg, (size_t)n, 0, &who.sa, len), n);
}

/* .of is one of its networks, or not. */
static void serve_it(struct fixture *f, bool served)
{
	serve_lock(f->s);
	f->s->served = served ? f->list : NULL;
	f->s->count = served;
	serve_unlock(f->s);
}

/* One question, to which each resolver says its own.
 * Return: who was asked first; @ret: what the asker got. */
static int ask(struct fixture *f, const enum wire_rcode says[2], int *ret)
{
	struct pollfd p[] = { { .fd = f->resolver[0], .events = POLLIN },
			      { .fd = f->resolver[1], .events = POLLIN },
			      { .fd = f->client.watch.fd, .events = POLLIN } };
	uint8_t msg[WIRE_UDP_MIN];
	struct ip_addr who = upstream_addr(&f->at);
	struct wire_query q;
	int first = -1;

	assert_int_equal(wire_query_parse((const uint8_t *)question,
					  sizeof(question) - 1, &q),
			 WIRE_NOERROR);
	serve_it(f, true);
	serve_lock(f->s);
	assert_int_equal(forward_begin(f->s, &f->client, &f->at, &who, &q,
				       (const uint8_t *)question,
				       sizeof(question) - 1),
			 0);
	serve_unlock(f->s);
	for (;;) {
		assert_true(poll(p, ARRAY_SIZE(p), WAIT_MS) > 0);
		for (int i = 0; i < 2; i++) {
			if (!p[i].revents)
				continue;
			first = first < 0 ? i : first;
			say(p[i].fd, says[i]);
		}
		if (p[2].revents)
			break;
	}
	assert_true(recv(p[2].fd, msg, sizeof(msg), 0) > 3);
	serve_it(f, false);
	*ret = msg[3] & 0xf;
	return first;
}

/* What the last one says is passed on, and makes it the first only where it is an
 * answer. */
static void who_refuses_is_not_the_first(void **state)
{
	static const enum wire_rcode neither[] = { WIRE_SERVFAIL,
						   WIRE_REFUSED };
	static const enum wire_rcode second[] = { WIRE_REFUSED, WIRE_NOERROR };
	static const enum wire_rcode none_there[] = { WIRE_NXDOMAIN,
						      WIRE_REFUSED };
	struct fixture *f = *state;
	int got;

	assert_int_equal(ask(f, neither, &got), 0);
	assert_int_equal(got, WIRE_REFUSED);
	assert_int_equal(ask(f, second, &got), 0);
	assert_int_equal(got, WIRE_NOERROR);
	/* The second has answered: it is asked first, until the other has. */
	assert_int_equal(ask(f, neither, &got), 1);
	assert_int_equal(got, WIRE_SERVFAIL);
	assert_int_equal(ask(f, none_there, &got), 1);
	assert_int_equal(got, WIRE_NXDOMAIN);
	assert_int_equal(ask(f, second, &got), 0);
}

static bool connects(const union upstream_sock *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = connect(fd, &at->sa, upstream_len(at));

	close(fd);
	return r == 0;
}

/* As "ss -K" does it. */
static void a_listener_that_was_closed_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct serve_net net = { .net = "one", .ifname = "lo" };
	union upstream_sock at;
	struct err err = { 0 };

	assert_int_equal(ip_parse("127.0.0.9", &net.gateway[0], &err), 0);
	if (serve_nets_set(f->s, &net, 1, &err) < 0)
		fail_msg("%s", err.msg);
	at = upstream_at(&net.gateway[0], f->s->port);
	assert_true(connects(&at));
	serve_lock(f->s);
	assert_int_equal(
		shutdown(f->s->served[0]->socks[1].watch.fd, SHUT_RDWR), 0);
	serve_unlock(f->s);
	assert_false(connects(&at));
	for (int i = 0; !connects(&at); i++) {
		assert_true(i < WAIT_MS / 10);
		poll(NULL, 0, 10);
		serve_tick(f->s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_listener_that_was_closed_is_made_again, setup,
			teardown),
		cmocka_unit_test_setup_teardown(who_refuses_is_not_the_first,
						setup, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
