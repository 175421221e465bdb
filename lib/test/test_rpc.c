/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin server: raw HTTP in, raw HTTP out. */
#include "lib/test/rpc_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>

#include "lib/log.h"

/* ---- one request a row ------------------------------------------------- */

struct row {
	const char *name, *head, *body;
	unsigned int status; /* 0: closed without an answer is fine too */
	const char *has;     /* in the answer */
};

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
	{ "GET of the figures", "GET /metrics HTTP/1.1\r\n" END, "", 200,
	  "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" },
	{ "and what they are", "GET /metrics HTTP/1.1\r\n" END, "", 200,
	  "\r\n\r\nberth_up 1\n" },
	{ "only GET has them", "POST /metrics HTTP/1.1\r\n" LEN("0") END, "",
	  404, "no such method" },
	{ "nothing below them", "GET /metrics/x HTTP/1.1\r\n" END, "", 405,
	  "Err" },
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
	{ "podman does not look into a 200",
	  "POST /VolumeDriver.Fail HTTP/1.1\r\n" LEN("11") END, "{\"Code\":17}",
	  500, "\"Err\":\"it \\\"failed\\\"\"" },
	{ "but for a volume that is gone",
	  "POST /VolumeDriver.Get HTTP/1.1\r\n" LEN("11") END, "{\"Code\":17}",
	  200, "\"Err\":\"it \\\"failed\\\"\"" },
	{ "a broken message is still that",
	  "POST /VolumeDriver.Fail HTTP/1.1\r\n" LEN("11") END, "{\"Code\":74}",
	  400, "EBADMSG" },
};

static void request_row(void **state)
{
	const struct row *row = *state;
	char buf[8192];
	unsigned int status = peer_ask(row->head, row->body, buf, sizeof(buf));

	if (row->status || status)
		assert_int_equal(row->status ? status : status >= 400,
				 row->status ? row->status : 1);
	if (row->has && !strstr(buf, row->has))
		fail_msg("no %s in:\n%s", row->has, buf);
	server_still_serves();
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
	assert_int_equal(peer_ask(head, "{}", buf, sizeof(buf)), 431);
	server_still_serves();
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
		status = peer_ask(head, "{}", buf, sizeof(buf));
		free(head);
		/* too large for libmicrohttpd too: it may just close */
		assert_true(status == 431 || status == 413 || status == 0);
		server_still_serves();
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
		peer_ask(POST_ECHO LEN("16777216") END, body, buf, sizeof(buf)),
		200);
	assert_non_null(strstr(buf, "{\"a\":1}"));
	free(body);
	server_still_serves();
}

static void chunked_body_above_16_mib(void **state)
{
	char *body = big_json(RPC_BODY_MAX), buf[1024];
	int fd = server_dial();

	(void)state;
	peer_put_text(fd, POST_ECHO CHUNKED END "1000000\r\n");
	peer_put(fd, body, RPC_BODY_MAX);
	peer_put_text(fd, "\r\n1\r\n \r\n0\r\n\r\n");
	buf[peer_get(fd, buf, sizeof(buf), 1)] = '\0';
	assert_int_equal(peer_status(buf), 413);
	close(fd);
	free(body);
	server_still_serves();
}

/* Three at once: the second and third wait until the first is done. */
static void *send_2_mib(void *arg)
{
	char *body = big_json(2u << 20), buf[1024];

	*(unsigned int *)arg =
		peer_ask("POST /T.Hold HTTP/1.1\r\n" LEN("2097152") END, body,
			 buf, sizeof(buf));
	free(body);
	return NULL;
}

static void one_big_body_at_a_time(void **state)
{
	unsigned int status[3] = { 0 };
	pthread_t t[3];

	(void)state;
	atomic_store(&server()->hold, true);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, send_2_mib, &status[i]);
	server_wait_for(&server()->inside, 1);
	server_still_serves(); /* small ones pass */
	atomic_store(&server()->hold, false);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(status[i], 200);
	}
	assert_int_equal(atomic_load(&server()->inside_max), 1);
}

/* Ask with stderr on a temporary file; true: the log says that it failed. */
static bool is_logged(const char *head, const char *body)
{
	_cleanup_close_ int old = dup(STDERR_FILENO);
	_cleanup_close_ int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	char buf[1024];
	ssize_t n;

	assert_true(old >= 0 && fd >= 0);
	fflush(stderr);
	dup2(fd, STDERR_FILENO);
	(void)peer_ask(head, body, buf, sizeof(buf));
	dup2(old, STDERR_FILENO);
	assert_non_null(strstr(buf, "ENOENT"));
	n = pread(fd, buf, sizeof(buf) - 1, 0);
	assert_true(n >= 0);
	buf[n] = '\0';
	return strstr(buf, "op=T.Fail");
}

/* What peers ask for is no news, whatever the answer. */
static void usual_error_is_for_debugging(void **state)
{
	(void)state;
	assert_int_equal(log_level_set("info", NULL), 0);
	assert_true(is_logged("POST /T.Fail HTTP/1.1\r\n" LEN("10") END,
			      "{\"Code\":2}"));
	assert_false(is_logged("POST /T.Fail HTTP/1.1\r\n" LEN("23") END,
			       "{\"Code\":2,\"Usual\":true}"));
	assert_int_equal(log_level_set("debug", NULL), 0);
	assert_true(is_logged("POST /T.Fail HTTP/1.1\r\n" LEN("23") END,
			      "{\"Code\":2,\"Usual\":true}"));
	assert_int_equal(log_level_set("error", NULL), 0);
}

int main(void)
{
	static const struct CMUnitTest by_hand[] = {
		SERVED(usual_error_is_for_debugging),
		SERVED(head_of_65_lines),
		SERVED(head_above_8_kib),
		SERVED(body_of_16_mib),
		SERVED(chunked_body_above_16_mib),
		SERVED(one_big_body_at_a_time),
	};
	struct CMUnitTest tests[ARRAY_SIZE(rows)];
	int failed;

	server_tests_begin();
	(void)TEST_ROWS(tests, rows, request_row);
	failed = cmocka_run_group_tests(tests, server_up, server_down);
	return failed + cmocka_run_group_tests(by_hand, NULL, NULL);
}
