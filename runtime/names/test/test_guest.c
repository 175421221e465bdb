/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What berth-dns is told of a container's own 127.0.0.11, and whose limits count there. */
#include "lib/test/test.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/fdpass.h"
#include "runtime/names/guest.h"
#include "runtime/names/serve_priv.h"

#define WAIT_MS 8000

struct fixture {
	char dir[32], file[64];
	struct sockaddr_un door;
	struct names *names;
	struct serve *s;
	int resolver;
};

static int bound(int type, uint32_t host, struct sockaddr_in *ret)
{
	const int one = 1;
	socklen_t len = sizeof(*ret);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr =
					     htonl(0x7f000000 | host) };
	assert_true(fd >= 0);
	assert_int_equal(
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)ret, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 5), 0);
	return fd;
}

static int setup(void **state)
{
	struct name_record web = { .name = "web", .ptr = true };
	struct fixture *f = calloc(1, sizeof(*f));
	struct serve_config cfg = { .resolv_conf = f->file,
				    .door = f->door.sun_path };
	struct sockaddr_in at;
	struct err err = { 0 };
	FILE *conf;

	*state = f;
	strcpy(f->dir, "/tmp/test_guest.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->file, sizeof(f->file), "%s/resolv.conf", f->dir);
	snprintf(f->door.sun_path, sizeof(f->door.sun_path), "%s/door", f->dir);
	f->door.sun_family = AF_UNIX;
	conf = fopen(f->file, "we");
	fputs("nameserver 127.0.0.1\n", conf);
	fclose(conf);
	f->resolver = bound(SOCK_DGRAM, 1, &at);
	cfg.port = ntohs(at.sin_port);
	assert_int_equal(names_new(&f->names, &err), 0);
	assert_int_equal(ip_parse("10.1.0.2", &web.addr, &err), 0);
	assert_int_equal(names_set(f->names, NAMES_USER, "two", &web, 1, &err),
			 0);
	if (serve_new(f->names, &cfg, &f->s, &err) < 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	serve_free(f->s);
	names_free(f->names);
	close(f->resolver);
	assert_int_equal(access(f->door.sun_path, F_OK), -1);
	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static int come(const struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_int_equal(
		connect(fd, (const struct sockaddr *)&f->door, sizeof(f->door)),
		0);
	return fd;
}

/* What is said to @says; "closed": nothing more. */
static void tell(int conn, const char *says, const int *fds, size_t n,
		 char ret[static 512])
{
	struct pollfd p = { .fd = conn, .events = POLLIN };
	ssize_t len;

	assert_int_equal(fdpass_send(conn, says, strlen(says), fds, n), 0);
	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	len = fdpass_recv(conn, ret, 511, 0, NULL, 0);
	assert_true(len >= 0);
	ret[len] = '\0';
}

static bool is_closed_within(int conn, int ms)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };
	char drop[8];

	return poll(&p, 1, ms) == 1 && recv(conn, drop, 8, 0) == 0;
}

static bool is_closed(int conn)
{
	return is_closed_within(conn, WAIT_MS);
}

/* A guest at @address with the sockets @fds. */
static int guest_with(const struct fixture *f, const char *address,
		      bool forward, const char *servers, const int *fds)
{
	int conn = come(f);
	char says[512], got[512];

	snprintf(says, sizeof(says),
		 "{\"Address\":\"%s\",\"Forward\":%s,\"Servers\":[%s],"
		 "\"Networks\":[{\"Key\":\"one\"},{\"Key\":\"two\",\"Domain\":"
		 "\"shop\",\"Subnet4\":"
		 "\"10.1.0.0/16\",\"Host4\":\"10.1.0.1\"}]}",
		 address, forward ? "true" : "false", servers);
	tell(conn, says, fds, GUEST_FDS, got);
	assert_string_equal(got, "{ \"Err\": \"\" }");
	return conn;
}

/* @ret: where its UDP socket is. */
static int guest(const struct fixture *f, const char *address, bool forward,
		 struct sockaddr_in *ret)
{
	struct sockaddr_in tcp;
	int fds[GUEST_FDS] = { bound(SOCK_DGRAM, 11, ret),
			       bound(SOCK_STREAM, 11, &tcp) };
	int conn = guest_with(f, address, forward, "", fds);

	close(fds[0]);
	close(fds[1]);
	return conn;
}

/* Its header of 12 and the name, A, IN. */
static size_t question(uint8_t *buf, const char *name)
{
	static const uint8_t head[12] = { 0x12, 0x34, 1, 0, 0, 1 };
	static const uint8_t tail[5] = { 0, 0, 1, 0, 1 };
	uint8_t *at = buf + sizeof(head);

	memcpy(buf, head, sizeof(head));
	while (*name) {
		size_t len = strcspn(name, ".");

		*at++ = (uint8_t)len;
		memcpy(at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	memcpy(at, tail, sizeof(tail));
	return (size_t)(at - buf) + sizeof(tail);
}

static void ask(int fd, const struct sockaddr_in *at, const char *name)
{
	uint8_t msg[128];
	size_t len = question(msg, name);

	assert_int_equal(sendto(fd, msg, len, 0, (const struct sockaddr *)at,
				sizeof(*at)),
			 len);
}

/* Return: its code, and how many answers; -1: none within @ms. */
static int said(int fd, int ms, int *ret_answers)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t msg[512];

	if (poll(&p, 1, ms) != 1)
		return -1;
	assert_true(recv(fd, msg, sizeof(msg), 0) >= 12);
	if (ret_answers)
		*ret_answers = msg[7];
	return msg[3] & 0xf;
}

static void names_of_all_its_networks_until_it_ends(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at, own;
	int conn = guest(f, "10.1.0.9", false, &at);
	int fd = bound(SOCK_DGRAM, 1, &own), n;

	ask(fd, &at, "web");
	assert_int_equal(said(fd, WAIT_MS, &n), WIRE_NOERROR);
	assert_int_equal(n, 1);
	ask(fd, &at, "web.shop");
	assert_int_equal(said(fd, WAIT_MS, &n), WIRE_NOERROR);
	assert_int_equal(n, 1);
	ask(fd, &at,
	    "9.0.1.10.in-addr.arpa"); /* A of an address that is ours */
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_NXDOMAIN);
	ask(fd, &at, "Host.berth.internal");
	assert_int_equal(said(fd, WAIT_MS, &n), WIRE_NOERROR);
	assert_int_equal(n, 1);
	ask(fd, &at, "up.example");
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_REFUSED);
	close(conn);
	for (int i = 0;; i++) { /* its port is closed */
		struct sockaddr_in took = at;
		int again = socket(AF_INET, SOCK_DGRAM, 0);
		int r = bind(again, (struct sockaddr *)&took, sizeof(took));

		close(again);
		if (r == 0)
			break;
		assert_true(i < WAIT_MS / 10);
		poll(NULL, 0, 10);
	}
	close(fd);
}

/* Who handed over the sockets has them still: what comes there after the guest's end is
 * none of ours, and wakes nobody (under ASan: not with what was freed). */
/* Where the host has no address nobody is it: not the outside, and not who is called so. */
static void the_host_is_nobody_else(void **state)
{
	struct name_record host = { .name = NAMES_HOST };
	struct fixture *f = *state;
	struct sockaddr_in at, own, tcp;
	const int fds[GUEST_FDS] = { bound(SOCK_DGRAM, 11, &at),
				     bound(SOCK_STREAM, 11, &tcp) };
	int conn = come(f), fd = bound(SOCK_DGRAM, 1, &own);
	char got[512];

	assert_int_equal(ip_parse("10.1.0.7", &host.addr, NULL), 0);
	assert_int_equal(
		names_set(f->names, NAMES_DOCKER, "one", &host, 1, NULL), 0);
	tell(conn,
	     "{\"Address\":\"10.1.0.9\",\"Forward\":true,\"Networks\":"
	     "[{\"Key\":\"one\"}]}",
	     fds, GUEST_FDS, got);
	assert_string_equal(got, "{ \"Err\": \"\" }");
	ask(fd, &at, NAMES_HOST);
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_NXDOMAIN);
	close(conn);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

static void what_comes_after_its_end_is_not_ours(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at, tcp, other, own;
	int fds[GUEST_FDS] = { bound(SOCK_DGRAM, 11, &at),
			       bound(SOCK_STREAM, 11, &tcp) };
	int conn = guest_with(f, "10.1.0.9", false, "", fds), second;
	int fd = bound(SOCK_DGRAM, 1, &own);
	int caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint8_t drop[128];

	ask(fd, &at, "web");
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_NOERROR);
	assert_int_equal(shutdown(conn, SHUT_WR), 0);
	assert_true(is_closed(conn));
	ask(fd, &at, "web");
	assert_int_equal(connect(caller, (struct sockaddr *)&tcp, sizeof(tcp)),
			 0);
	second = guest(f, "10.1.0.8", false, &other);
	for (int i = 0; i < 10; i++) {
		ask(fd, &other, "web");
		assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_NOERROR);
	}
	assert_true(recv(fds[0], drop, sizeof(drop), MSG_DONTWAIT) > 0);
	assert_int_equal(said(fd, 0, NULL), -1);
	close(caller);
	close(second);
	close(conn);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

static void what_is_wrong_is_said_and_ends_it(void **state)
{
#define NETS "\"Networks\":[{\"Key\":\"one\"}]"
	static const struct {
		const char *says, *why;
		size_t fds;
		bool swapped;
	} cases[] = {
		{ "no JSON", "", 2, false },
		{ "{" NETS "}", "Address", 2, false },
		{ "{\"Address\":\"10.1.0.9\"}", "Networks", 2, false },
		{ "{\"Address\":\"10.1.0.9\",\"Networks\":[{}]}", "Key", 2,
		  false },
		{ "{\"Address\":\"10.1.0.9\",\"Servers\":[\"a.b\"]," NETS "}",
		  "a.b", 2, false },
		{ "{\"Address\":\"10.1.0.9\",\"Servers\":[\"10.0.0.1\","
		  "\"10.0.0.2\",\"10.0.0.3\",\"10.0.0.4\"]," NETS "}",
		  "4 servers", 2, false },
		{ "{\"Address\":\"10.1.0.9\"," NETS "}", "must come with it", 0,
		  false },
		{ "{\"Address\":\"10.1.0.9\"," NETS "}", "must come with it", 1,
		  false },
		{ "{\"Address\":\"10.1.0.9\"," NETS "}", "must come with it", 2,
		  true },
	};
	struct fixture *f = *state;
	struct sockaddr_in at;
	char got[512];
	int conn;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fds[GUEST_FDS] = { bound(SOCK_DGRAM, 11, &at),
				       bound(SOCK_STREAM, 11, &at) };
		const int swapped[GUEST_FDS] = { fds[1], fds[0] };

		conn = come(f);
		tell(conn, cases[i].says, cases[i].swapped ? swapped : fds,
		     cases[i].fds, got);
		assert_string_not_equal(got, "{ \"Err\": \"\" }");
		if (!strstr(got, cases[i].why))
			fail_msg("case %zu: %s", i, got);
		assert_true(is_closed(conn));
		close(conn);
		close(fds[0]);
		close(fds[1]);
	}
	conn = guest(f, "10.1.0.9", true, &at);
	tell(conn, "{\"Address\":\"10.1.0.9\"," NETS "}", NULL, 0, got);
	assert_non_null(strstr(got, "already"));
	assert_true(is_closed(conn));
	close(conn);
#undef NETS
}

static void a_door_that_was_deleted_is_made_again(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at;
	int first = guest(f, "10.1.0.9", false, &at), second;

	assert_int_equal(unlink(f->door.sun_path), 0);
	serve_tick(f->s);
	second = guest(f, "10.1.0.8", false, &at);
	assert_false(is_closed_within(first, 0));
	close(first);
	close(second);
}

static void others_than_root_are_refused(void **state)
{
	struct fixture *f = *state;
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("SKIP: needs root\n");
		skip();
	}
	assert_int_equal(chmod(f->dir, 0755), 0);
	assert_int_equal(chmod(f->door.sun_path, 0666), 0);
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) < 0 || !is_closed(come(f)));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* All of them ask from 127.0.0.1: what one has waiting is no other's burden. */
static void limits_are_each_containers_own(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in one, two, own;
	int first = guest(f, "10.1.0.9", true, &one);
	int second = guest(f, "10.1.0.8", true, &two);
	int fd = bound(SOCK_DGRAM, 1, &own);

	for (int i = 0; i < FORWARDS_SOURCE; i++) {
		ask(fd, &one, "up.example");
		assert_int_not_equal(said(f->resolver, WAIT_MS, NULL), -1);
	}
	ask(fd, &one, "up.example");
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_SERVFAIL);
	ask(fd, &two, "up.example");
	assert_int_not_equal(said(f->resolver, WAIT_MS, NULL), -1);
	close(first);
	close(second);
	close(fd);
}

/* A question has come there, which is answered: there is no such address. */
static void answer_there(int resolver)
{
	struct pollfd p = { .fd = resolver, .events = POLLIN };
	struct sockaddr_in from;
	socklen_t size = sizeof(from);
	uint8_t msg[128];
	ssize_t len;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	len = recvfrom(resolver, msg, sizeof(msg), 0, (struct sockaddr *)&from,
		       &size);
	assert_true(len >= 12);
	msg[2] |= 0x80;
	assert_int_equal(sendto(resolver, msg, (size_t)len, 0,
				(struct sockaddr *)&from, size),
			 len);
}

static void its_own_server_is_not_the_hosts_first(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in at, tcp, other, own;
	int fds[GUEST_FDS] = { bound(SOCK_DGRAM, 11, &at),
			       bound(SOCK_STREAM, 11, &tcp) };
	int conn = guest_with(f, "10.1.0.9", true, "\"127.0.0.2\"", fds);
	int plain = guest(f, "10.1.0.8", true, &other);
	int fd = bound(SOCK_DGRAM, 1, &own);
	int second = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(own);
	FILE *conf = fopen(f->file, "we");

	fputs("nameserver 127.0.0.1\nnameserver 127.0.0.2\n", conf);
	fclose(conf);
	assert_int_equal(
		getsockname(f->resolver, (struct sockaddr *)&own, &size), 0);
	own.sin_addr.s_addr = htonl(0x7f000002);
	assert_int_equal(bind(second, (struct sockaddr *)&own, sizeof(own)), 0);
	ask(fd, &at, "up.example");
	answer_there(second);
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_NOERROR);
	ask(fd, &other, "up.example");
	answer_there(f->resolver);
	assert_int_equal(said(fd, WAIT_MS, NULL), WIRE_NOERROR);
	close(second);
	close(plain);
	close(conn);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			names_of_all_its_networks_until_it_ends, setup,
			teardown),
		cmocka_unit_test_setup_teardown(the_host_is_nobody_else, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			what_comes_after_its_end_is_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_is_wrong_is_said_and_ends_it, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_door_that_was_deleted_is_made_again, setup, teardown),
		cmocka_unit_test_setup_teardown(others_than_root_are_refused,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			its_own_server_is_not_the_hosts_first, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_each_containers_own,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
