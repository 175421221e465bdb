// SPDX-License-Identifier: GPL-2.0-or-later
/* The plugin server over a real socket: raw HTTP in, raw HTTP out. */
#include "lib/test/test.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/log.h"
#include "lib/rpc.h"

#define TYPE "T"

static struct server {
	struct rpc *rpc;
	struct sockaddr_un addr;
	atomic_uint calls, delivered, inside, inside_max;
	atomic_bool hold;
} srv;

/* ---- methods ----------------------------------------------------------- */

static int on_echo(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct server *s = ctx;

	(void)err;
	atomic_fetch_add(&s->calls, 1);
	*ret = call->body ? json_object_get(call->body) : NULL;
	return 0;
}

static int on_fail(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	json_object *v = NULL;

	(void)ctx;
	*ret = json_object_new_object(); /* dropped: the call fails */
	json_object_object_get_ex(call->body, "Code", &v);
	return err_set(err, -json_object_get_int(v), "it \"failed\"");
}

static int on_seq(void *ctx, struct rpc_call *call, json_object **ret,
		  struct err *err)
{
	(void)ctx;
	(void)ret;
	(void)err;
	call->seq = 42;
	return 0;
}

static int on_hold(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct server *s = ctx;
	unsigned int n = atomic_fetch_add(&s->inside, 1) + 1;
	unsigned int max = atomic_load(&s->inside_max);

	(void)call;
	(void)ret;
	(void)err;
	while (n > max &&
	       !atomic_compare_exchange_weak(&s->inside_max, &max, n))
		;
	while (atomic_load(&s->hold))
		nanosleep(&ms, NULL);
	atomic_fetch_sub(&s->inside, 1);
	return 0;
}

static int on_own(void *ctx, struct rpc_call *call, json_object **ret,
		  struct err *err)
{
	(void)call;
	(void)err;
	*ret = json_object_new_object();
	json_object_object_add(*ret, "Own", json_object_new_string(ctx));
	return 0;
}

static void on_delivered(void *ctx, uint64_t seq)
{
	struct server *s = ctx;

	if (seq == 42)
		atomic_fetch_add(&s->delivered, 1);
}

static const struct rpc_method table_a[] = {
	{ TYPE ".Echo", on_echo },
	{ TYPE ".Fail", on_fail },
	{ 0 },
};
static const struct rpc_method table_b[] = {
	{ TYPE ".Seq", on_seq },
	{ TYPE ".Hold", on_hold },
	{ 0 },
};
static const struct rpc_method own[] = {
	{ "Plugin.Own", on_own },
	{ 0 },
};
static const struct rpc_method *const tables[] = { table_a, table_b, NULL };

/* ---- server and raw client --------------------------------------------- */

static int listen_at(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	srv.addr.sun_family = AF_UNIX;
	snprintf(srv.addr.sun_path, sizeof(srv.addr.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&srv.addr, sizeof(srv.addr)), 0);
	assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

static char sock_path[64];

static int server_up(void **state)
{
	struct rpc_config cfg = {
		.tables = tables,
		.ctx = &srv,
		.own = own,
		.own_ctx = (void *)(uintptr_t) "yes",
		.delivered = on_delivered,
		.driver = "test",
	};
	struct err err = { 0 };

	(void)state;
	snprintf(sock_path, sizeof(sock_path), "/tmp/berth-rpc-%d.sock",
		 getpid());
	memset(&srv, 0, sizeof(srv));
	cfg.listen_fd = listen_at(sock_path);
	assert_int_equal(rpc_start(&cfg, &srv.rpc, &err), 0);
	return 0;
}

static int server_down(void **state)
{
	(void)state;
	atomic_store(&srv.hold, false);
	assert_true(rpc_stop(srv.rpc));
	unlink(sock_path);
	return 0;
}

static int dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&srv.addr, sizeof(srv.addr)), 0);
	return fd;
}

static void put(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* refused early: the answer tells */
		data += n;
		len -= (size_t)n;
	}
}

static void put_text(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

/* All that comes until @want answers are whole, the peer closes, or 5 s. */
static size_t get_answers(int fd, char *buf, size_t size, unsigned int want)
{
	size_t len = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		unsigned int whole = 0;
		ssize_t n;

		buf[len] = '\0';
		for (char *h = buf; (h = strstr(h, "\r\n\r\n"));) {
			char *cl, *at = h + 4;
			char keep = *h;

			/* look for the length in this head only */
			*h = '\0';
			cl = strstr(buf, "Content-Length: ");
			for (char *next = cl; next; cl = next)
				if (!(next = strstr(cl + 1,
						    "Content-Length: ")))
					break;
			*h = keep;
			if (cl)
				at += strtoul(cl + 16, NULL, 10);
			if (at > buf + len)
				break;
			whole++;
			h = at;
		}
		if (whole >= want || poll(&p, 1, 5000) <= 0)
			return len;
		n = recv(fd, buf + len, size - 1 - len, 0);
		if (n <= 0)
			return len;
		len += (size_t)n;
		buf[len] = '\0';
		if (!strncmp(buf, "HTTP/1.1 100", 12) &&
		    strstr(buf, "\r\n\r\n")) { /* the answer follows */
			size_t skip =
				(size_t)(strstr(buf, "\r\n\r\n") - buf) + 4;

			len -= skip;
			memmove(buf, buf + skip, len);
		}
	}
}

static unsigned int status_of(const char *answer)
{
	unsigned int status = 0;

	return sscanf(answer, "HTTP/1.%*c %u", &status) == 1 ? status : 0;
}

/* One request on a connection of its own.  Return: its status, 0: closed. */
static unsigned int ask(const char *head, const char *body, char *buf,
			size_t size)
{
	int fd = dial();

	put_text(fd, head);
	put_text(fd, body);
	buf[get_answers(fd, buf, size, 1)] = '\0';
	close(fd);
	return status_of(buf);
}

static void still_serves(void)
{
	char buf[1024];

	assert_int_equal(ask("POST /T.Echo HTTP/1.1\r\nHost: \r\n"
			     "Content-Length: 7\r\n\r\n",
			     "{\"a\":1}", buf, sizeof(buf)),
			 200);
	assert_non_null(strstr(buf, "{\"a\":1}"));
}

/* ---- one request a row ------------------------------------------------- */

struct row {
	const char *name, *head, *body;
	unsigned int status; /* 0: closed without an answer is fine too */
	const char *has;     /* in the answer */
};

#define POST_ECHO "POST /T.Echo HTTP/1.1\r\nHost: \r\n"
#define LEN(n)    "Content-Length: " n "\r\n"
#define CHUNKED   "Transfer-Encoding: chunked\r\n"
#define END       "\r\n"

static const struct row rows[] = {
	{ "as dockerd sends it",
	  POST_ECHO "User-Agent: Go-http-client/1.1\r\n" LEN(
		  "8") "Accept: "
		       "application/vnd.docker.plugins.v1.2+json\r\n" END,
	  "{\"a\":1}\n", 200, "{\"a\":1}" },
	{ "answer type and length", POST_ECHO LEN("0") END, "", 200,
	  "Content-Type: application/vnd.docker.plugins.v1.2+json\r\n" },
	{ "empty body is no body", POST_ECHO LEN("0") END, "", 200, "{}" },
	{ "no length at all is no body", POST_ECHO END, "", 200, "{}" },
	{ "no Host", "POST /T.Echo HTTP/1.1\r\n" LEN("2") END, "{}", 200,
	  "{}" },
	{ "HTTP/1.0", "POST /T.Echo HTTP/1.0\r\n" LEN("2") END, "{}", 200,
	  "{}" },
	{ "a Content-Type of any kind",
	  POST_ECHO LEN("2") "Content-Type: text/html; charset=x\r\n" END, "{}",
	  200, "{}" },
	{ "chunked", POST_ECHO CHUNKED END,
	  "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n", 200, "{\"a\":1}" },
	{ "chunked, nothing in it", POST_ECHO CHUNKED END, "0\r\n\r\n", 200,
	  "{}" },
	{ "chunked with an extension", POST_ECHO CHUNKED END,
	  "7;x=y\r\n{\"a\":1}\r\n0\r\n\r\n", 200, "{\"a\":1}" },
	{ "chunked, bad number", POST_ECHO CHUNKED END, "zz\r\n{}\r\n0\r\n\r\n",
	  400, NULL },
	{ "chunked, size above 64 bits", POST_ECHO CHUNKED END,
	  "10000000000000000\r\n{}", 413, NULL },
	{ "Expect: 100-continue",
	  POST_ECHO LEN("2") "Expect: 100-continue\r\n" END, "{}", 200, "{}" },
	{ "Expect: something else", POST_ECHO LEN("2") "Expect: tea\r\n" END,
	  "{}", 417, "Err" },
	{ "own method with its own context",
	  "POST /Plugin.Own HTTP/1.1\r\n" LEN("0") END, "", 200,
	  "{\"Own\":\"yes\"}" },
	{ "method of the second table", "POST /T.Seq HTTP/1.1\r\n" LEN("0") END,
	  "", 200, "{}" },
	{ "an upgrade is not taken",
	  POST_ECHO LEN(
		  "2") "Upgrade: websocket\r\nConnection: upgrade\r\n" END,
	  "{}", 200, "{}" },

	{ "unknown method", "POST /T.None HTTP/1.1\r\n" LEN("2") END, "{}", 404,
	  "\"Err\":\"\\\"/T.None\\\": no such method\"" },
	{ "method in escapes", "POST /T.%45cho HTTP/1.1\r\n" LEN("2") END, "{}",
	  404, NULL },
	{ "method with %00 behind it",
	  "POST /T.Echo%00x HTTP/1.1\r\n" LEN("2") END, "{}", 404, NULL },
	{ "method in lower case", "POST /t.echo HTTP/1.1\r\n" LEN("2") END,
	  "{}", 404, NULL },
	{ "no method", "POST / HTTP/1.1\r\n" LEN("2") END, "{}", 404, NULL },
	{ "a path above", "POST /../T.Echo HTTP/1.1\r\n" LEN("2") END, "{}",
	  404, NULL },
	{ "two slashes", "POST //T.Echo HTTP/1.1\r\n" LEN("2") END, "{}", 404,
	  NULL },
	{ "GET", "GET /T.Echo HTTP/1.1\r\n" END, "", 405, "Allow: POST" },
	{ "PUT", "PUT /T.Echo HTTP/1.1\r\n" LEN("2") END, "{}", 405, "Err" },
	{ "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "", 505, NULL },
	{ "HTTP/0.9", "GET /T.Echo\r\n\r\n", "", 0, NULL },
	{ "TLS hello", "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03", "\r\n\r\n",
	  0, NULL },
	{ "a blank line first", "\r\n" POST_ECHO LEN("2") END, "{}", 200,
	  "{}" },

	{ "Content-Length negative", POST_ECHO LEN("-1") END, "{}", 400, NULL },
	{ "Content-Length +2", POST_ECHO LEN("+2") END, "{}", 400, NULL },
	{ "Content-Length 0x2", POST_ECHO LEN("0x2") END, "{}", 400, NULL },
	{ "Content-Length 1e3", POST_ECHO LEN("1e3") END, "{}", 400, NULL },
	{ "Content-Length 2^63", POST_ECHO LEN("9223372036854775808") END, "{}",
	  413, NULL },
	{ "Content-Length 2^64", POST_ECHO LEN("18446744073709551616") END,
	  "{}", 413, NULL },
	{ "Content-Length twice, equal", POST_ECHO LEN("2") LEN("2") END, "{}",
	  400, "given more than once" },
	{ "Content-Length twice, different", POST_ECHO LEN("2") LEN("3") END,
	  "{}", 400, "Err" },
	{ "Content-Length as a list", POST_ECHO LEN("2, 2") END, "{}", 400,
	  NULL },
	{ "Content-Length and chunked", POST_ECHO LEN("2") CHUNKED END,
	  "0\r\n\r\n", 400, "Err" },
	{ "two codings", POST_ECHO CHUNKED CHUNKED END, "0\r\n\r\n", 400,
	  NULL },
	{ "a coding we don't know",
	  POST_ECHO "Transfer-Encoding: gzip, chunked\r\n" END, "0\r\n\r\n",
	  501, "Err" },
	{ "body above 16 MiB, by its length", POST_ECHO LEN("16777217") END, "",
	  413, "above 16 MiB" },

	{ "null", POST_ECHO LEN("4") END, "null", 400, "Err" },
	{ "an array", POST_ECHO LEN("2") END, "[]", 400, "Err" },
	{ "a number", POST_ECHO LEN("1") END, "1", 400, "Err" },
	{ "two documents", POST_ECHO LEN("4") END, "{}{}", 400, "Err" },
	{ "cut short", POST_ECHO LEN("5") END, "{\"a\":", 400, "Err" },
	{ "blanks only", POST_ECHO LEN("3") END, "   ", 400, "Err" },
	{ "\\u0000", POST_ECHO LEN("14") END, "{\"a\":\"\\u0000\"}", 400,
	  "Err" },
	{ "a NUL byte is data", POST_ECHO LEN("2") END, "{\x01", 400, "Err" },
	{ "bad UTF-8", POST_ECHO LEN("9") END, "{\"a\":\"\xff\"}", 400, "Err" },

	{ "EBADMSG is 400", "POST /T.Fail HTTP/1.1\r\n" LEN("11") END,
	  "{\"Code\":74}", 400, "\"Code\":\"EBADMSG\"" },
	{ "any other errno is 200 with its text",
	  "POST /T.Fail HTTP/1.1\r\n" LEN("11") END, "{\"Code\":17}", 200,
	  "{\"Err\":\"it \\\"failed\\\"\",\"Error\":\"it \\\"failed\\\"\","
	  "\"Code\":\"EEXIST\"}" },
	{ "ENOSYS of a handler is not 404",
	  "POST /T.Fail HTTP/1.1\r\n" LEN("11") END, "{\"Code\":38}", 200,
	  "ENOSYS" },
};

static void request_row(void **state)
{
	const struct row *row = *state;
	char buf[8192];
	unsigned int status = ask(row->head, row->body, buf, sizeof(buf));

	if (row->status || status)
		assert_int_equal(row->status ? status : status >= 400,
				 row->status ? row->status : 1);
	if (row->has && !strstr(buf, row->has))
		fail_msg("no %s in:\n%s", row->has, buf);
	still_serves();
}

/* ---- heads ------------------------------------------------------------- */

static void head_of_65_lines(void **state)
{
	char head[4096] = POST_ECHO LEN("2");
	char buf[4096];

	(void)state;
	for (int i = 0; i < 63; i++)
		strcat(head, "X-A: b\r\n");
	strcat(head, END);
	assert_int_equal(ask(head, "{}", buf, sizeof(buf)), 431);
	still_serves();
}

static void head_above_8_kib(void **state)
{
	static const size_t sizes[] = { 8500, 20000, 40000, 200000 };
	char buf[4096];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *head = calloc(1, sizes[i] + 256);
		unsigned int status;

		strcpy(head, POST_ECHO LEN("2") "X-A: ");
		memset(head + strlen(head), 'x', sizes[i]);
		strcat(head, "\r\n" END);
		status = ask(head, "{}", buf, sizeof(buf));
		free(head);
		/* too large for libmicrohttpd too: it may just close */
		assert_true(status == 431 || status == 413 || status == 0);
		still_serves();
	}
}

/* ---- bodies ------------------------------------------------------------ */

static char *big_json(size_t len)
{
	char *s = malloc(len + 1);

	memset(s, ' ', len);
	memcpy(s, "{\"a\":1", 6);
	s[len - 1] = '}';
	s[len] = '\0';
	return s;
}

static void body_of_16_mib(void **state)
{
	char *body = big_json(RPC_BODY_MAX), buf[1024];

	(void)state;
	assert_int_equal(
		ask(POST_ECHO LEN("16777216") END, body, buf, sizeof(buf)),
		200);
	assert_non_null(strstr(buf, "{\"a\":1}"));
	free(body);
	still_serves();
}

static void chunked_body_above_16_mib(void **state)
{
	char *body = big_json(RPC_BODY_MAX), buf[1024];
	int fd = dial();

	(void)state;
	put_text(fd, POST_ECHO CHUNKED END "1000000\r\n");
	put(fd, body, RPC_BODY_MAX);
	put_text(fd, "\r\n1\r\n \r\n0\r\n\r\n");
	buf[get_answers(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(status_of(buf), 413);
	close(fd);
	free(body);
	still_serves();
}

/* Three at once: the second and third wait until the first is done. */
static void *send_2_mib(void *arg)
{
	char *body = big_json(2u << 20), buf[1024];

	*(unsigned int *)arg =
		ask("POST /T.Hold HTTP/1.1\r\n" LEN("2097152") END, body, buf,
		    sizeof(buf));
	free(body);
	return NULL;
}

static void wait_for(atomic_uint *what, unsigned int value)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && atomic_load(what) < value; i++)
		nanosleep(&ms, NULL);
	assert_true(atomic_load(what) >= value);
}

static void one_big_body_at_a_time(void **state)
{
	unsigned int status[3] = { 0 };
	pthread_t t[3];

	(void)state;
	atomic_store(&srv.hold, true);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, send_2_mib, &status[i]);
	wait_for(&srv.inside, 1);
	still_serves(); /* small ones pass */
	atomic_store(&srv.hold, false);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(status[i], 200);
	}
	assert_int_equal(atomic_load(&srv.inside_max), 1);
}

/* ---- connections ------------------------------------------------------- */

static void thousand_pipelined(void **state)
{
	static const char one[] = POST_ECHO LEN("7") END "{\"a\":1}";
	const size_t count = 1000, size = 1 << 20;
	char *all = malloc(count * sizeof(one)), *buf = malloc(size);
	size_t got = 0;
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < count; i++)
		memcpy(all + i * (sizeof(one) - 1), one, sizeof(one) - 1);
	put(fd, all, count * (sizeof(one) - 1));
	buf[get_answers(fd, buf, size, 1000)] = '\0';
	for (char *p = buf; (p = strstr(p, "{\"a\":1}")); p++)
		got++;
	assert_int_equal(got, count);
	close(fd);
	free(all);
	free(buf);
}

static void half_closed_peer_gets_its_answer(void **state)
{
	char buf[1024];
	int fd = dial();

	(void)state;
	put_text(fd, POST_ECHO LEN("7") END "{\"a\":1}");
	shutdown(fd, SHUT_WR);
	buf[get_answers(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(status_of(buf), 200);
	close(fd);
	still_serves();
}

static void peer_gone_before_the_answer(void **state)
{
	(void)state;
	atomic_store(&srv.hold, true);
	for (unsigned int i = 1; i <= 5; i++) {
		int fd = dial();

		put_text(fd, "POST /T.Hold HTTP/1.1\r\n" LEN("0") END);
		wait_for(&srv.inside, i);
		close(fd);
	}
	atomic_store(&srv.hold, false);
	still_serves();
}

static void delivered_is_told(void **state)
{
	char buf[1024];

	(void)state;
	ask("POST /T.Seq HTTP/1.1\r\n" LEN("0") END, "", buf, sizeof(buf));
	wait_for(&srv.delivered, 1);
	ask(POST_ECHO LEN("0") END, "", buf, sizeof(buf));
	assert_int_equal(atomic_load(&srv.delivered), 1);
}

static void idle_connection_stays_usable(void **state)
{
	char buf[1024];
	int fd = dial();

	(void)state;
	for (int i = 0; i < 3; i++) {
		put_text(fd, POST_ECHO LEN("2") END "{}");
		buf[get_answers(fd, buf, sizeof(buf), 1)] = '\0';
		assert_int_equal(status_of(buf), 200);
		rpc_tick(srv.rpc);
	}
	close(fd);
}

static double ms_since(const struct timespec *a)
{
	struct timespec b;

	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a->tv_sec) * 1e3 +
	       (double)(b.tv_nsec - a->tv_nsec) / 1e6;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* 1000 peers that never finish, in the head or in the body; and one that does. */
static void slow_senders_keep_nobody_waiting(void **state)
{
	static int fds[1000];
	double ms[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial();
		put_text(fds[i],
			 i % 2 ? "POST /T.Ec" : POST_ECHO LEN("20") END "{");
	}
	for (size_t i = 0; i < ARRAY_SIZE(ms); i++) {
		struct timespec a;

		clock_gettime(CLOCK_MONOTONIC, &a);
		still_serves();
		ms[i] = ms_since(&a);
		put_text(fds[i], "x"); /* and they go on, slowly */
	}
	qsort(ms, ARRAY_SIZE(ms), sizeof(*ms), by_value);
	print_message("# beside 1000 slow senders: p50 %.2f ms, p99 %.2f ms\n",
		      ms[100], ms[198]);
	assert_true(ms[100] < 50);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	still_serves();
}

static void a_byte_at_a_time_is_served(void **state)
{
	static const char req[] = POST_ECHO LEN("7") END "{\"a\":1}";
	char buf[1024];
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(req) - 1; i++)
		put(fd, req + i, 1);
	buf[get_answers(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(status_of(buf), 200);
	close(fd);
}

static double cpu_ms(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}

/* More peers than descriptors: we wait without spinning, and recover. */
static void out_of_descriptors(void **state)
{
	const struct timespec second = { .tv_sec = 1 };
	struct rlimit lim, low;
	int tell[2], status;
	double used;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(tell), 0);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 100; i++)
			(void)dial();
		(void)!write(tell[1], "x", 1);
		nanosleep(&second, NULL);
		nanosleep(&second, NULL);
		_exit(0);
	}
	getrlimit(RLIMIT_NOFILE, &lim);
	low = lim;
	low.rlim_cur = 24;
	setrlimit(RLIMIT_NOFILE, &low);
	assert_int_equal(read(tell[0], &c, 1), 1);
	used = cpu_ms();
	nanosleep(&second, NULL);
	used = cpu_ms() - used;
	print_message("# a second without descriptors: %.1f ms of CPU\n", used);
	assert_true(used < 50);
	waitpid(pid, &status, 0);
	setrlimit(RLIMIT_NOFILE, &lim);
	still_serves();
	close(tell[0]);
	close(tell[1]);
}

static void more_peers_than_connections(void **state)
{
	char buf[1024];
	int fds[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = dial();
		put_text(fds[i], POST_ECHO LEN("2") END "{}");
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		buf[get_answers(fds[i], buf, sizeof(buf), 1)] = '\0';
		assert_int_equal(status_of(buf), 200);
		close(fds[i]);
	}
}

static void *serve_once(void *arg)
{
	(void)arg;
	still_serves();
	return NULL;
}

static void sixty_four_at_once(void **state)
{
	pthread_t t[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, serve_once, NULL),
				 0);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
}

static void others_than_root_are_refused(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	if (geteuid() != 0) {
		print_message("SKIP: needs root\n");
		skip();
	}
	chmod(sock_path, 0666);
	pid = fork();
	if (pid == 0) {
		char c;
		int fd;

		if (setuid(65534) < 0)
			_exit(1);
		fd = dial();
		put_text(fd, POST_ECHO LEN("2") END "{}");
		_exit(recv(fd, &c, 1, 0) > 0 ? 2 : 0);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(atomic_load(&srv.calls), 0);
}

static void another_listening_socket(void **state)
{
	struct err err = { 0 };

	(void)state;
	still_serves();
	assert_int_equal(rpc_relisten(srv.rpc, listen_at(sock_path), &err), 0);
	still_serves();
	still_serves();
}

/* ---- stop -------------------------------------------------------------- */

static void *stop_later(void *arg)
{
	*(bool *)arg = rpc_stop(srv.rpc);
	return NULL;
}

static void stop_waits_for_the_handler(void **state)
{
	bool clean = false;
	char buf[1024];
	pthread_t t;
	int fd, idle;

	(void)state;
	idle = dial();
	fd = dial();
	atomic_store(&srv.hold, true);
	put_text(fd, "POST /T.Hold HTTP/1.1\r\n" LEN("0") END);
	wait_for(&srv.inside, 1);
	pthread_create(&t, NULL, stop_later, &clean);
	/* the idle one is closed, nothing else */
	assert_int_equal(recv(idle, buf, 1, 0), 0);
	atomic_store(&srv.hold, false);
	buf[get_answers(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(status_of(buf), 200);
	assert_non_null(strstr(buf, "Connection: close"));
	pthread_join(t, NULL);
	assert_true(clean);
	close(fd);
	close(idle);
	srv.rpc = NULL;
}

/* What a pooled connection had sent before the stop is answered. */
static void stop_loses_no_request(void **state)
{
	bool clean = false;
	unsigned int answered = 0, refused = 0;
	pthread_t t;
	int fds[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		char buf[1024];

		fds[i] = dial();
		put_text(fds[i], POST_ECHO LEN("2") END "{}");
		get_answers(fds[i], buf, sizeof(buf), 1);
	}
	pthread_create(&t, NULL, stop_later, &clean);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		static const char req[] = POST_ECHO LEN("7") END "{\"a\":1}";
		char buf[1024];

		if (send(fds[i], req, sizeof(req) - 1, MSG_NOSIGNAL) < 0) {
			refused++; /* whole: Go's client repeats it whole */
			continue;
		}
		buf[get_answers(fds[i], buf, sizeof(buf), 1)] = '\0';
		answered += status_of(buf) == 200;
	}
	pthread_join(t, NULL);
	assert_true(clean);
	assert_int_equal(answered + refused, ARRAY_SIZE(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	srv.rpc = NULL;
}

static void metrics_count_calls(void **state)
{
	json_object *m, *v = NULL;

	(void)state;
	still_serves();
	still_serves();
	m = rpc_metrics(srv.rpc);
	json_object_object_get_ex(m, "Methods", &v);
	json_object_object_get_ex(v, "T.Echo", &v);
	json_object_object_get_ex(v, "Count", &v);
	assert_int_equal(json_object_get_int(v), 2);
	json_object_put(m);
}

#define SERVED(f) cmocka_unit_test_setup_teardown(f, server_up, server_down)

int main(void)
{
	static const struct CMUnitTest by_hand[] = {
		SERVED(head_of_65_lines),
		SERVED(head_above_8_kib),
		SERVED(body_of_16_mib),
		SERVED(chunked_body_above_16_mib),
		SERVED(one_big_body_at_a_time),
		SERVED(thousand_pipelined),
		SERVED(half_closed_peer_gets_its_answer),
		SERVED(peer_gone_before_the_answer),
		SERVED(delivered_is_told),
		SERVED(idle_connection_stays_usable),
		SERVED(slow_senders_keep_nobody_waiting),
		SERVED(a_byte_at_a_time_is_served),
		SERVED(out_of_descriptors),
		SERVED(more_peers_than_connections),
		SERVED(sixty_four_at_once),
		SERVED(others_than_root_are_refused),
		SERVED(another_listening_socket),
		SERVED(stop_waits_for_the_handler),
		SERVED(stop_loses_no_request),
		SERVED(metrics_count_calls),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	int failed;

	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	log_level_set(getenv("TEST_ONLY") ? "debug" : "error", NULL);
	signal(SIGPIPE, SIG_IGN);
	(void)TEST_ROWS(tests, rows, request_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("TEST_ONLY"))
		cmocka_set_test_filter(getenv("TEST_ONLY"));
	failed = cmocka_run_group_tests(tests, server_up, server_down);
	return failed + cmocka_run_group_tests(by_hand, NULL, NULL);
}
