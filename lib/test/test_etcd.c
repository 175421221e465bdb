// SPDX-License-Identifier: GPL-2.0-or-later
/* etcd's client against real etcds, and against servers that are none. */
#include "lib/test/etcd_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "lib/base64.h"
#include "lib/etcd.h"

static bool in_box; /* else every test is a SKIP */
static struct etcd_servers one;

#define BOX_OR_SKIP()           \
	do {                    \
		(void)state;    \
		if (!in_box) {  \
			skip(); \
			return; \
		}               \
	} while (0)

static struct etcd *dial(const struct etcd_servers *s)
{
	struct etcd_config cfg = { 0 };
	struct etcd *e = NULL;

	etcd_servers_config(s, &cfg);
	etcd_servers_ready(&cfg);
	assert_int_equal(etcd_open(&cfg, &e, NULL), 0);
	return e;
}

/* "etcd://" as it is written. */
static const struct url_row {
	const char *name, *url;
	size_t count; /* 0: -EINVAL */
	const char *last;
} url_rows[] = {
	{ "one", "etcd://a:2379", 1, "a:2379" },
	{ "three", "etcd://a.b-c:1,10.0.0.1:2,[fd00::1]:3", 3, "[fd00::1]:3" },
	{ "no scheme", "a:2379", 0, NULL },
	{ "another scheme", "http://a:2379", 0, NULL },
	{ "no port", "etcd://a", 0, NULL },
	{ "an empty port", "etcd://a:", 0, NULL },
	{ "a port of letters", "etcd://a:b", 0, NULL },
	{ "a port too long", "etcd://a:123456", 0, NULL },
	{ "no host", "etcd://:1", 0, NULL },
	{ "a path", "etcd://a:1/x", 0, NULL },
	{ "a password for all to see", "etcd://u:p@a:1", 0, NULL },
	{ "an empty member", "etcd://a:1,,b:2", 0, NULL },
	{ "IPv6 without brackets", "etcd://fd00::1:2379", 0, NULL },
	{ "IPv6 half in brackets", "etcd://[fd00::1:2379", 0, NULL },
};

static void url_row(void **state)
{
	const struct url_row *row = *state;
	struct etcd_config cfg = { 0 };
	struct err err = { 0 };
	int r = etcd_config_members(&cfg, row->url, &err);

	assert_int_equal(r, row->count ? 0 : -EINVAL);
	assert_int_equal(cfg.member_count, row->count);
	if (row->last)
		assert_string_equal(cfg.member[row->count - 1], row->last);
	else
		assert_non_null(strstr(err.msg, "etcd://HOST:PORT"));
	assert_null(strstr(err.msg, "u:p"));
}

static const struct b64_row {
	const char *name, *text;
	int want;
	const char *data;
} b64_rows[] = {
	{ "empty", "", 0, "" },
	{ "one", "YQ==", 0, "a" },
	{ "three", "YWJj", 0, "abc" },
	{ "no padding", "YQ", -EBADMSG, NULL },
	{ "padding in the middle", "YQ==YQ==", -EBADMSG, NULL },
	{ "white space", "YW Jj", -EBADMSG, NULL },
	{ "of the URL alphabet", "_-__", -EBADMSG, NULL },
	{ "one character", "Y", -EBADMSG, NULL },
};

static void b64_row(void **state)
{
	const struct b64_row *row = *state;
	_cleanup_free_ char *data = NULL, *text = NULL;
	size_t len = 0;

	assert_int_equal(
		base64_decode(row->text, strlen(row->text), &data, &len),
		row->want);
	if (row->want < 0)
		return;
	assert_int_equal(len, strlen(row->data));
	assert_string_equal(data, row->data);
	text = base64_encode(data, len);
	assert_string_equal(text, row->text);
}

#define OK  "HTTP/1.1 200 OK\r\n"
#define EOC OK "\r\n" /* up to the end of the connection */
#define HEAD                                                                 \
	"\"header\":{\"cluster_id\":\"1\",\"member_id\":\"2\",\"revision\":" \
	"\"3\"}"

/* What may come instead of etcd's answer to a range. */
static const struct fake_row {
	const char *name, *raw;
	size_t fill;
	unsigned int slow_ms;
	int want;
	const char *msg;
} fake_rows[] = {
	{ "not JSON", EOC "{\"kvs\":[", 0, 0, -EBADMSG, "the answer" },
	{ "not an object", EOC "[]", 0, 0, -EBADMSG, "the answer" },
	{ "no header", EOC "{}", 0, 0, -EBADMSG, "header: missing" },
	{ "a header of another type", EOC "{\"header\":7}", 0, 0, -EBADMSG,
	  "header" },
	{ "a revision of letters", EOC "{\"header\":{\"revision\":\"x\"}}", 0,
	  0, -EBADMSG, "revision" },
	{ "a revision below 0", EOC "{\"header\":{\"revision\":\"-1\"}}", 0, 0,
	  -EBADMSG, "revision" },
	{ "a revision above 2^63",
	  EOC "{\"header\":{\"revision\":\"9223372036854775808\"}}", 0, 0,
	  -EBADMSG, "revision" },
	{ "kvs of another type", EOC "{" HEAD ",\"kvs\":{}}", 0, 0, -EBADMSG,
	  "kvs" },
	{ "a kv that is none", EOC "{" HEAD ",\"kvs\":[1]}", 0, 0, -EBADMSG,
	  "kv" },
	{ "a key that is not base64",
	  EOC "{" HEAD ",\"kvs\":[{\"key\":\"a!\"}]}", 0, 0, -EBADMSG,
	  "not base64" },
	{ "a value that is not base64",
	  EOC "{" HEAD ",\"kvs\":[{\"key\":\"YQ==\",\"value\":\"Y\"}]}", 0, 0,
	  -EBADMSG, "not base64" },
	{ "11 MiB", EOC, 11u << 20, 0, -EMSGSIZE, "larger" },
	{ "a redirect",
	  "HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\n"
	  "Content-Length: 0\r\n\r\n",
	  0, 0, -EPROTO, "redirect" },
	{ "nothing", "", 0, 0, -ETIMEDOUT, "broke" },
	{ "not HTTP", "220 smtp ready\r\n\r\n", 0, 0, -EBADMSG, "" },
	{ "slowly, for ever", OK "X-Long: 012345678901234567890123456789\r\n",
	  0, 50, -ETIMEDOUT, "no answer in time" },
	{ "NOSPACE",
	  "HTTP/1.1 429 T\r\n\r\n{\"error\":\"e\",\"message\":\"etcdserver: "
	  "mvcc: database space exceeded\",\"code\":8}",
	  0, 0, -ENOSPC, "etcdctl alarm disarm" },
	{ "denied",
	  "HTTP/1.1 403 F\r\n\r\n{\"error\":\"e\",\"message\":\"etcdserver: "
	  "permission denied\",\"code\":7}",
	  0, 0, -EACCES, "permission denied" },
	{ "no leader",
	  "HTTP/1.1 503 U\r\n\r\n{\"error\":\"e\",\"message\":\"etcdserver: no "
	  "leader\",\"code\":14}",
	  0, 0, -EAGAIN, "no leader" },
	{ "another server's 404", "HTTP/1.1 404 N\r\n\r\nnot here", 0, 0,
	  -EPROTO, "404" },
};

static void fake_row(void **state)
{
	const struct fake_row *row = *state;
	struct fake_server s = { .raw = row->raw,
				 .fill = row->fill,
				 .slow_ms = row->slow_ms };
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	/* 11 MiB take a while */
	struct etcd_config cfg = { .member_count = 1,
				   .timeout_ms = row->fill ? 20000 : 500 };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct err err = { 0 };
	int r;

	BOX_OR_SKIP();
	fake_server_start(&s);
	snprintf(cfg.member[0], ETCD_MEMBER_LEN, "127.0.0.1:%u", s.port);
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	r = etcd_range(e, &(struct etcd_range){ .key = "a" }, &kvs, &head,
		       &err);
	etcd_close(take_ptr(e)); /* the server waits for the end */
	fake_server_stop(&s);
	if (r != row->want)
		fail_msg("%d (%s), not %d", r, err.msg, row->want);
	assert_non_null(strstr(err.msg, row->msg));
	assert_null(kvs.v);
}

static void a_transaction_is_done_once(void **state)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	struct err err = { 0 };

	BOX_OR_SKIP();
	e = dial(&one);
	etcd_txn_if_mod(t, "t/a", 0);
	etcd_txn_if_none(t, "t/b/", "t/b0");
	etcd_txn_put(t, "t/a", "mine \xc3\xa4", 0);
	etcd_txn_put(t, "t/b/1", "", 0);
	etcd_txn_else_get(t, &(struct etcd_range){ .key = "t/a" });
	etcd_txn_else_get(t,
			  &(struct etcd_range){ .key = "t/b/", .end = "t/b0" });
	assert_int_equal(etcd_txn_run(e, t, true, &res, &err), 0);
	assert_true(res.done);
	assert_true(res.head.revision > 0);
	etcd_result_clear(&res);
	assert_int_equal(etcd_txn_run(e, t, true, &res, &err), 0);
	assert_false(res.done);
	assert_int_equal(res.got_count, 2);
	assert_string_equal(res.got[0].v[0].value, "mine \xc3\xa4");
	assert_string_equal(res.got[1].v[0].key, "t/b/1");
	assert_int_equal(res.got[1].v[0].value_len, 0);
	etcd_result_clear(&res);
}

static void ranges_are_cut_and_filtered(void **state)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_range q = { .key = "r/", .end = "r0" };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct err err = { 0 };
	char key[16];

	BOX_OR_SKIP();
	e = dial(&one);
	for (unsigned int i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "r/%u", i);
		etcd_test_put(e, key, "x", 0);
	}
	q.limit = 2;
	assert_int_equal(etcd_range(e, &q, &kvs, &head, &err), 0);
	assert_int_equal(kvs.count, 2);
	assert_int_equal(kvs.total, 5);
	assert_true(kvs.more);
	etcd_kvs_clear(&kvs);
	q.limit = 0;
	q.min_mod = head.revision;
	assert_int_equal(etcd_range(e, &q, &kvs, &head, &err), 0);
	assert_int_equal(kvs.count, 1);
	assert_int_equal(kvs.total, 5);
	assert_string_equal(kvs.v[0].key, "r/4");
	etcd_kvs_clear(&kvs);
	q = (struct etcd_range){ .key = "r/",
				 .end = "r0",
				 .highest_only = true };
	assert_int_equal(etcd_range(e, &q, &kvs, &head, &err), 0);
	assert_int_equal(kvs.count, 1);
	assert_string_equal(kvs.v[0].key, "r/4");
	etcd_kvs_clear(&kvs);
}

static void a_lease_takes_its_keys_along(void **state)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct err err = { 0 };
	unsigned int ttl = 0;
	uint64_t lease = 0;

	BOX_OR_SKIP();
	e = dial(&one);
	assert_int_equal(etcd_lease_grant(e, 60, &lease, &ttl, &err), 0);
	assert_int_equal(ttl, 60);
	etcd_test_put(e, "l/a", "x", lease);
	assert_int_equal(etcd_lease_keep(e, lease, &ttl, &err), 0);
	assert_int_equal(etcd_range(e, &(struct etcd_range){ .key = "l/a" },
				    &kvs, &head, &err),
			 0);
	assert_int_equal(kvs.v[0].lease, lease);
	etcd_kvs_clear(&kvs);
	assert_int_equal(etcd_lease_revoke(e, lease, &err), 0);
	assert_int_equal(etcd_lease_revoke(e, lease, &err), 0);
	assert_int_equal(etcd_lease_keep(e, lease, &ttl, &err), -ENOENT);
	assert_int_equal(etcd_range(e, &(struct etcd_range){ .key = "l/a" },
				    &kvs, &head, &err),
			 0);
	assert_int_equal(kvs.count, 0);
	etcd_kvs_clear(&kvs);
}

/* Until @n events are there; 5 s. */
static void events_wait(struct etcd_watch *w, size_t n, struct etcd_event *ret)
{
	struct etcd_events got;
	struct err err = { 0 };
	size_t have = 0;
	int r;

	for (unsigned int i = 0; have < n && i < 50; i++) {
		memset(&got, 0, sizeof(got));
		r = etcd_watch_next(w, -1, 100, &got, &err);
		if (r < 0)
			fail_msg("%s", err.msg);
		for (size_t k = 0; r > 0 && k < got.count && have < n; k++) {
			ret[have++] = got.v[k];
			memset(&got.v[k].kv, 0, sizeof(got.v[k].kv));
		}
		etcd_events_clear(&got);
	}
	assert_int_equal(have, n);
}

static void a_watch_tells_of_two_ranges(void **state)
{
	static const struct etcd_watch_range ranges[] = {
		{ .key = "w/1/", .end = "w/10" },
		{ .key = "w/2/", .end = "w/20" },
	};
	_cleanup_(etcd_watch_closep) struct etcd_watch *w = NULL;
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_event ev[2] = { 0 };
	struct etcd_events got = { 0 };
	struct err err = { 0 };

	BOX_OR_SKIP();
	e = dial(&one);
	assert_int_equal(etcd_watch_open(e, ranges, 2, &w, &err), 0);
	for (unsigned int created = 0; created < 2; created += got.created)
		assert_true(etcd_watch_next(w, -1, 2000, &got, &err) >= 0);
	etcd_test_put(e, "w/1/a", "x", 0);
	etcd_test_put(e, "w/2/b", "y", 0);
	events_wait(w, 2, ev);
	assert_string_equal(ev[0].kv.key, "w/1/a");
	assert_string_equal(ev[1].kv.value, "y");
	assert_true(ev[1].kv.mod_rev > ev[0].kv.mod_rev);
	for (unsigned int i = 0; i < 2; i++) {
		free(ev[i].kv.key);
		free(ev[i].kv.value);
	}
	assert_int_equal(etcd_watch_next(w, -1, 10, &got, &err), 0);
}

static void compacted_is_told_by_the_watch(void **state)
{
	_cleanup_(etcd_watch_closep) struct etcd_watch *w = NULL;
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_watch_range range = { .key = "c", .since = 1 };
	struct etcd_events got = { 0 };
	struct err err = { 0 };
	char cmd[160];
	int r = 0;

	BOX_OR_SKIP();
	e = dial(&one);
	etcd_test_put(e, "c", "1", 0);
	etcd_test_put(e, "c", "2", 0);
	snprintf(cmd, sizeof(cmd),
		 "curl -sf -o /dev/null http://127.0.0.1:%u/v3/kv/compaction "
		 "-d '{\"revision\":\"2\"}'",
		 one.port);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(etcd_watch_open(e, &range, 1, &w, &err), 0);
	for (unsigned int i = 0; r >= 0 && i < 20; i++) {
		r = etcd_watch_next(w, -1, 100, &got, &err);
		etcd_events_clear(&got);
	}
	assert_int_equal(r, -ERANGE);
}

static void nobody_there_is_eagain(void **state)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_config cfg = { .member_count = 2, .timeout_ms = 500 };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct err err = { 0 };

	BOX_OR_SKIP();
	strcpy(cfg.member[0], "127.0.0.1:1");
	strcpy(cfg.member[1], "127.0.0.1:2");
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	assert_int_equal(etcd_range(e, &(struct etcd_range){ .key = "a" }, &kvs,
				    &head, &err),
			 -EAGAIN);
	assert_non_null(strstr(err.msg, "127.0.0.1:2"));
}

/* A socket that is connected to and never answers. */
static int mute_open(char *member, size_t size)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (void *)&a, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (void *)&a, &len), 0);
	snprintf(member, size, "127.0.0.1:%u", ntohs(a.sin_port));
	return fd;
}

/* Many members that are mute take no longer than one is given. */
static void a_limit_ends_calls_whatever_they_ask(void **state)
{
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct etcd_config cfg = { .member_count = ETCD_MEMBERS_MAX,
				   .timeout_ms = 300 };
	struct etcd_range q = { .key = "a" };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct timespec start;
	size_t first;

	BOX_OR_SKIP();
	fd = mute_open(cfg.member[0], sizeof(cfg.member[0]));
	for (size_t i = 1; i < cfg.member_count; i++)
		strcpy(cfg.member[i], cfg.member[0]);
	assert_int_equal(etcd_open(&cfg, &e, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	etcd_limit(e, 700);
	assert_int_equal(etcd_range(e, &q, &kvs, &head, NULL), -ETIMEDOUT);
	assert_in_range(test_ms_since(&start), 650, 4000);
	/* Nothing is asked any more, and the next one is asked first. */
	first = etcd_member(e);
	assert_in_range(first, 1, 4);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(etcd_range(e, &q, &kvs, &head, NULL), -EAGAIN);
	assert_in_range(test_ms_since(&start), 0, 4000);
	etcd_limit(e, 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(etcd_range(e, &q, &kvs, &head, NULL), -ETIMEDOUT);
	assert_in_range(test_ms_since(&start), 4500, 30000);
}

/* F072: the first member stops in mid-call; what it may have done is seen by the
 * second attempt, at another member. */
static void three_members_lose_one(void **state)
{
	struct etcd_servers s;
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	struct etcd_config cfg = { .timeout_ms = 700 };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	struct err err = { 0 };

	BOX_OR_SKIP();
	etcd_servers_start(&s, 3, "http", NULL);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	assert_int_equal(etcd_open(&cfg, &e, &err), 0);
	etcd_test_put(e, "m/a", "1", 0);
	kill(s.pid[0], SIGSTOP);
	/* A new leader may be due: as a caller would, until it is there. */
	for (unsigned int i = 0; i < 20; i++)
		if (etcd_range(e, &(struct etcd_range){ .key = "m/a" }, &kvs,
			       &head, &err) == 0)
			break;
	assert_int_equal(kvs.count, 1);
	etcd_kvs_clear(&kvs);
	etcd_test_put(e, "m/a", "2", 0);
	kill(s.pid[0], SIGCONT);
	etcd_servers_kill(&s, 1);
	etcd_servers_kill(&s, 2);
	assert_true(etcd_range(e, &(struct etcd_range){ .key = "m/a" }, &kvs,
			       &head, &err) < 0);
	etcd_servers_stop(&s);
}

static int group_up(void **state)
{
	(void)state;
	in_box = etcd_test_begin();
	if (in_box)
		etcd_servers_start(&one, 1, "http", NULL);
	return 0;
}

static int group_down(void **state)
{
	(void)state;
	if (in_box)
		etcd_servers_stop(&one);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest by_hand[] = {
		cmocka_unit_test(a_transaction_is_done_once),
		cmocka_unit_test(ranges_are_cut_and_filtered),
		cmocka_unit_test(a_lease_takes_its_keys_along),
		cmocka_unit_test(a_watch_tells_of_two_ranges),
		cmocka_unit_test(compacted_is_told_by_the_watch),
		cmocka_unit_test(nobody_there_is_eagain),
		cmocka_unit_test(a_limit_ends_calls_whatever_they_ask),
		cmocka_unit_test(three_members_lose_one),
	};
	struct CMUnitTest tests[ARRAY_SIZE(url_rows) + ARRAY_SIZE(b64_rows) +
				ARRAY_SIZE(fake_rows) + ARRAY_SIZE(by_hand)];
	size_t n = 0;

	n += TEST_ROWS(tests + n, url_rows, url_row);
	n += TEST_ROWS(tests + n, b64_rows, b64_row);
	n += TEST_ROWS(tests + n, fake_rows, fake_row);
	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++)
		tests[n++] = by_hand[i];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_up, group_down);
}
