/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin server over a real socket, and its peers. */
#include "lib/test/rpc_test.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/log.h"

#define TYPE "T"

static struct server srv;

struct server *server(void)
{
	return &srv;
}

/* ---- methods ----------------------------------------------------------- */

static int on_echo(void *ctx, struct rpc_call *call, json_object **ret,
		   struct err *err)
{
	struct server *s = ctx;
	json_object *v = NULL;

	(void)err;
	if (json_object_object_get_ex(call->body, "WaitedUs", &v))
		call->waited_us = json_object_get_uint64(v);
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
	call->usual = json_object_object_get_ex(call->body, "Usual", &v);
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
	{ "VolumeDriver.Fail", on_fail },
	{ "VolumeDriver.Get", on_fail },
	{ 0 },
};
static const struct rpc_method table_b[] = {
	{ TYPE ".Seq", on_seq },
	{ TYPE ".Hold", on_hold },
	{ 0 },
};
static int page(void *ctx, struct rpc *rpc, char **ret, size_t *ret_len,
		struct err *err)
{
	(void)ctx;
	(void)rpc;
	*ret = strdup("berth_up 1\n");
	*ret_len = *ret ? strlen(*ret) : 0;
	return *ret ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static const struct rpc_method own[] = {
	{ "Plugin.Own", on_own },
	{ 0 },
};
static const struct rpc_method *const tables[] = { table_a, table_b, NULL };

/* ---- server and raw client --------------------------------------------- */

int server_listen_at(const char *path)
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

int server_up(void **state)
{
	struct rpc_config cfg = {
		.tables = tables,
		.ctx = &srv,
		.own = own,
		.own_ctx = (void *)(uintptr_t) "yes",
		.page = page,
		.delivered = on_delivered,
		.driver = "test",
	};
	struct err err = { 0 };

	(void)state;
	memset(&srv, 0, sizeof(srv));
	snprintf(srv.path, sizeof(srv.path), "/tmp/berth-rpc-%d.sock",
		 getpid());
	cfg.listen_fd = server_listen_at(srv.path);
	assert_int_equal(rpc_start(&cfg, &srv.rpc, &err), 0);
	return 0;
}

int server_down(void **state)
{
	(void)state;
	atomic_store(&srv.hold, false);
	assert_true(rpc_stop(srv.rpc));
	unlink(srv.path);
	return 0;
}

int server_dial(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&srv.addr, sizeof(srv.addr)), 0);
	return fd;
}

void peer_put(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* refused early: the answer tells */
		data += n;
		len -= (size_t)n;
	}
}

void peer_put_text(int fd, const char *text)
{
	peer_put(fd, text, strlen(text));
}

/* Where the answer that begins at @from ends, going by its head; 0: that is not whole. */
static size_t answer_end(char *buf, size_t from)
{
	char *head = buf + from, *end = strstr(head, "\r\n\r\n"), *length;
	size_t body = 0;

	if (!end)
		return 0;
	*end = '\0';
	length = strstr(head, "Content-Length: ");
	if (length)
		body = strtoul(length + 16, NULL, 10);
	*end = '\r';
	return (size_t)(end - buf) + 4 + body;
}

size_t peer_get(int fd, char *buf, size_t size, unsigned int want)
{
	size_t len = 0, done = 0; /* bytes of answers that are whole */
	unsigned int whole = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		size_t at;
		ssize_t n;

		buf[len] = '\0';
		/* each once only: a thousand come at a time */
		while ((at = answer_end(buf, done)) && at <= len) {
			done = at;
			whole++;
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

unsigned int peer_status(const char *answer)
{
	unsigned int status = 0;

	return sscanf(answer, "HTTP/1.%*c %u", &status) == 1 ? status : 0;
}

unsigned int peer_ask(const char *head, const char *body, char *buf,
		      size_t size)
{
	int fd = server_dial();

	peer_put_text(fd, head);
	peer_put_text(fd, body);
	buf[peer_get(fd, buf, size, 1)] = '\0';
	close(fd);
	return peer_status(buf);
}

void server_still_serves(void)
{
	char buf[1024];

	assert_int_equal(peer_ask("POST /T.Echo HTTP/1.1\r\nHost: \r\n"
				  "Content-Length: 7\r\n\r\n",
				  "{\"a\":1}", buf, sizeof(buf)),
			 200);
	assert_non_null(strstr(buf, "{\"a\":1}"));
}

void server_wait_for(atomic_uint *what, unsigned int value)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && atomic_load(what) < value; i++)
		nanosleep(&ms, NULL);
	assert_true(atomic_load(what) >= value);
}

void server_tests_begin(void)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	log_level_set(getenv("TEST_ONLY") ? "debug" : "error", NULL);
	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (getenv("TEST_ONLY"))
		cmocka_set_test_filter(getenv("TEST_ONLY"));
}
