// SPDX-License-Identifier: GPL-2.0-or-later
/* The client against a server of raw answers. */
#include "lib/test/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "lib/client.h"
#include "lib/jdec.h"
#include "lib/test/fw_test.h"

struct row {
	const char *name, *raw; /* what the server writes */
	int want;
	const char *msg; /* in the error */
	const char *json;
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct row rows[] = {
	{ "an object", OK "Content-Length: 7\r\n\r\n{\"a\":1}", 0, "",
	  "{\"a\":1}" },
	{ "no body", OK "Content-Length: 0\r\n\r\n", 0, "", "{}" },
	{ "null", OK "Content-Length: 4\r\n\r\nnull", 0, "", "{}" },
	{ "up to the end of the connection", OK "\r\n{\"a\":1}", 0, "",
	  "{\"a\":1}" },
	{ "chunked",
	  OK "Transfer-Encoding: chunked\r\n\r\n7\r\n{\"a\":1}\r\n0\r\n\r\n", 0,
	  "", "{\"a\":1}" },
	{ "Err empty is no error",
	  OK "Content-Length: 10\r\n\r\n{\"Err\":\"\"}", 0, "",
	  "{\"Err\":\"\"}" },
	{ "Err", OK "Content-Length: 14\r\n\r\n{\"Err\":\"boom\"}", -EREMOTEIO,
	  "boom", NULL },
	{ "Error, of IPAM", OK "Content-Length: 16\r\n\r\n{\"Error\":\"full\"}",
	  -EREMOTEIO, "full", NULL },
	{ "dockerd's message",
	  "HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\n\r\n"
	  "{\"message\":\"gone\"}",
	  -EREMOTEIO, "gone", NULL },
	{ "500 with text",
	  "HTTP/1.1 500 Oops\r\nContent-Length: 5\r\n\r\nplain", -EREMOTEIO,
	  "HTTP status 500: plain", NULL },
	{ "500 without", "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
	  -EREMOTEIO, "HTTP status 500", NULL },
	{ "not JSON", OK "Content-Length: 4\r\n\r\noops", -EBADMSG,
	  "not JSON: oops", NULL },
	{ "JSON cut short", OK "Content-Length: 5\r\n\r\n{\"a\":", -EBADMSG,
	  "not JSON", NULL },
	{ "closed before the answer", "", -ECONNRESET, "broke", NULL },
	{ "closed in the answer", OK "Content-Length: 7\r\n\r\n{", -ECONNRESET,
	  "broke", NULL },
};

static char path[64];

static int listen_here(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

struct served {
	int fd;
	const char *raw; /* NULL: never answer */
	char asked[4096];
};

/* Read one whole request, write the answer, close. */
static void *serve_one(void *arg)
{
	struct served *s = arg;
	int fd = accept(s->fd, NULL, NULL);
	size_t len = 0;
	char c;

	while (len < sizeof(s->asked) - 1) {
		ssize_t n =
			recv(fd, s->asked + len, sizeof(s->asked) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		s->asked[len] = '\0';
		if (s->raw && strstr(s->asked, "\r\n\r\n"))
			break;
	}
	if (s->raw)
		send(fd, s->raw, strlen(s->raw), MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	while (s->raw && *s->raw && recv(fd, &c, 1, 0) > 0)
		;
	close(fd);
	return NULL;
}

static void answer_row(void **state)
{
	const struct row *row = *state;
	struct served s = { .fd = listen_here(), .raw = row->raw };
	_cleanup_(json_putp) json_object *o = NULL;
	struct err err = { 0 };
	pthread_t t;
	int r;

	pthread_create(&t, NULL, serve_one, &s);
	r = client_call(path, "T.Method", NULL, 3000, &o, &err);
	pthread_join(t, NULL);
	close(s.fd);
	if (r != row->want)
		fail_msg("%d (%s), not %d", r, err.msg, row->want);
	assert_non_null(strstr(err.msg, row->msg));
	if (row->json)
		assert_string_equal(json_object_to_json_string_ext(
					    o, JSON_C_TO_STRING_PLAIN),
				    row->json);
}

static void request_is_as_dockerds(void **state)
{
	struct served s = { .fd = listen_here(),
			    .raw = OK "Content-Length: 2\r\n\r\n{}" };
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	struct err err = { 0 };
	pthread_t t;

	(void)state;
	json_object_object_add(body, "Name", json_object_new_string("v"));
	pthread_create(&t, NULL, serve_one, &s);
	assert_int_equal(client_call(path, "T.Method", body, 3000, NULL, &err),
			 0);
	pthread_join(t, NULL);
	close(s.fd);
	assert_int_equal(strncmp(s.asked, "POST /T.Method HTTP/1.1\r\n", 25),
			 0);
	assert_non_null(strstr(s.asked, "Content-Length: 12\r\n"));
	assert_null(strstr(s.asked, "Expect"));
}

static void get_asks_for_the_path(void **state)
{
	struct served s = { .fd = listen_here(),
			    .raw = OK "Content-Length: 3\r\n\r\n[1]" };
	_cleanup_(json_putp) json_object *o = NULL;
	struct err err = { 0 };
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, serve_one, &s);
	assert_int_equal(client_http_get(path, "/networks?x=y", 3000, &o, &err),
			 0);
	pthread_join(t, NULL);
	close(s.fd);
	assert_int_equal(strncmp(s.asked, "GET /networks?x=y HTTP/1.1\r\n", 27),
			 0);
	assert_int_equal(json_object_array_length(o), 1);
}

static void delete_asks_for_the_path(void **state)
{
	struct served s = { .fd = listen_here(),
			    .raw = "HTTP/1.1 204 No Content\r\n\r\n" };
	struct err err = { 0 };
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, serve_one, &s);
	assert_int_equal(client_http_delete(path, "/volumes/x", 3000, &err), 0);
	pthread_join(t, NULL);
	close(s.fd);
	assert_int_equal(strncmp(s.asked, "DELETE /volumes/x HTTP/1.1\r\n", 28),
			 0);
}

static void times_out(void **state)
{
	struct served s = { .fd = listen_here() };
	struct err err = { 0 };
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, serve_one, &s);
	assert_int_equal(client_call(path, "T.Method", NULL, 100, NULL, &err),
			 -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "T.Method"));
	pthread_join(t, NULL);
	close(s.fd);
}

static void nobody_there_says_what_to_do(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(client_call("/nowhere/berth-bridge.sock", "T.Method",
				     NULL, 100, NULL, &err),
			 -ENOENT);
	assert_non_null(strstr(err.msg, "netctl up berth-bridge"));
	assert_non_null(strstr(err.msg, "/nowhere/berth-bridge.sock"));
	close(listen_here());
	assert_int_equal(client_call(path, "T.Method", NULL, 100, NULL, &err),
			 -ECONNREFUSED);
	assert_non_null(strstr(err.msg, "nobody listens"));
	assert_int_equal(
		client_http_get("/nowhere/docker.sock", "/", 100, NULL, &err),
		-ENOENT);
	assert_non_null(strstr(err.msg, "systemctl start docker"));
}

static void lo_set(bool up)
{
	struct ifreq ifr = { .ifr_name = "lo",
			     .ifr_flags = up ? IFF_UP | IFF_RUNNING : 0 };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
}

/* As a host does that lost its power: no FIN, no RST, nothing. */
static void a_stream_whose_peer_fell_silent_ends(void **state)
{
	static const char head[] = OK "\r\n{}\n";
	_cleanup_close_ int old =
		open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct client_stream *s = NULL;
	char host[32], body[] = "{}";
	struct client_post post = {
		.host = host,
		.path = "/watch",
		.body = body,
		.timeout_ms = 2000,
		.max = 4096,
	};
	json_object *o = NULL;
	struct timespec start;
	struct err err = { 0 };
	int fd, peer;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		skip();
	lo_set(true);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (void *)&at, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (void *)&at, &len), 0);
	snprintf(host, sizeof(host), "127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(client_stream_open(NULL, &post, &s, &err), 0);
	/* it connects; nothing has come */
	assert_int_equal(client_stream_next(s, -1, 200, &o, &err), 0);
	peer = accept(fd, NULL, NULL);
	assert_int_equal(write(peer, head, strlen(head)), strlen(head));
	assert_int_equal(client_stream_next(s, -1, 2000, &o, &err), 1);
	json_object_put(o);

	lo_set(false);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(client_stream_next(s, -1, 30000, &o, &err),
			 -ECONNRESET);
	assert_in_range(test_ms_since(&start), 2000, 25000);
	client_stream_close(s);
	close(peer);
	close(fd);
	assert_int_equal(setns(old, CLONE_NEWNET), 0);
}

/* Answers whatever comes by whichever connection. */
static void *serve_kept(void *arg)
{
	static const char answer[] = OK
		"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
	struct pollfd p[8] = { { .fd = *(int *)arg, .events = POLLIN } };
	nfds_t n = 1;
	char buf[4096];

	while (poll(p, n, 10000) > 0) {
		if (p[0].revents & ~POLLIN)
			break;
		if (p[0].revents && n < ARRAY_SIZE(p))
			p[n++] = (struct pollfd){
				.fd = accept(p[0].fd, NULL, NULL),
				.events = POLLIN,
			};
		if (p[n - 1].fd < 0)
			break;
		for (nfds_t i = 1; i < n; i++)
			if (p[i].revents && read(p[i].fd, buf, sizeof(buf)) > 0)
				(void)!write(p[i].fd, answer, strlen(answer));
			else if (p[i].revents)
				p[i].events = 0;
	}
	while (n-- > 1)
		close(p[n].fd);
	return NULL;
}

/* As a host whose address changed: by what began from the old one nothing comes back. */
static void a_connection_goes_with_its_address(void **state)
{
	_cleanup_close_ int old =
		open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct client *c = NULL;
	char host[32], body[] = "{}", out[OUT_MAX];
	struct client_post post = {
		.host = host,
		.path = "/v3",
		.body = body,
		.timeout_ms = 20000,
		.max = 4096,
	};
	json_object *o = NULL;
	struct timespec start;
	struct err err = { 0 };
	pthread_t thread;
	long status;
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		skip();
	lo_set(true);
	sh(out,
	   "ip addr add 10.9.0.9/32 dev lo; ip addr add 10.9.0.1/32 dev lo;"
	   "ip route replace local 10.9.0.9 dev lo src 10.9.0.1");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (void *)&at, len), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (void *)&at, &len), 0);
	snprintf(host, sizeof(host), "10.9.0.9:%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&thread, NULL, serve_kept, &fd), 0);
	assert_int_equal(client_open(NULL, &c, &err), 0);
	assert_int_equal(client_post(c, &post, &status, &o, &err), 0);
	json_object_put(o);

	sh(out, "ip addr add 10.9.0.2/32 dev lo;"
		"ip route replace local 10.9.0.9 dev lo src 10.9.0.2;"
		"ip addr del 10.9.0.1/32 dev lo");
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (client_post(c, &post, &status, &o, &err) < 0)
		fail_msg("%s", err.msg);
	json_object_put(o);
	assert_in_range(test_ms_since(&start), 0, 15000);
	client_close(c);
	shutdown(fd, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(fd);
	assert_int_equal(setns(old, CLONE_NEWNET), 0);
}

int main(void)
{
	static const struct CMUnitTest by_hand[] = {
		cmocka_unit_test(a_stream_whose_peer_fell_silent_ends),
		cmocka_unit_test(a_connection_goes_with_its_address),
		cmocka_unit_test(request_is_as_dockerds),
		cmocka_unit_test(get_asks_for_the_path),
		cmocka_unit_test(delete_asks_for_the_path),
		cmocka_unit_test(times_out),
		cmocka_unit_test(nobody_there_says_what_to_do),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	int failed;

	signal(SIGPIPE, SIG_IGN);
	snprintf(path, sizeof(path), "/tmp/berth-client-%d.sock", getpid());
	(void)TEST_ROWS(tests, rows, answer_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	failed += cmocka_run_group_tests(by_hand, NULL, NULL);
	unlink(path);
	return failed;
}
