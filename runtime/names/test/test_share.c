// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of a cluster's hosts, against a real etcd. */
#include "lib/test/etcd_test.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#include "lib/jdec.h"
#include "runtime/names/test/share_test.h"

static bool in_box; /* else every test is a SKIP */
static struct etcd_servers one;
static struct etcd *raw;
static char cluster[32]; /* each test has one of its own */

#define BOX_OR_SKIP()           \
	do {                    \
		(void)state;    \
		if (!in_box) {  \
			skip(); \
			return; \
		}               \
	} while (0)

/* ---- hosts --------------------------------------------------------------------------- */

struct host {
	struct names *names;
	struct share *share;
	const char *node;
	unsigned int limit_ms;
};

static void host_start(struct host *h, const char *node)
{
	struct share_config cfg = {
		.at.name = cluster,
		.at.node = node,
		.at.machine = node,
		.at.etcd.timeout_ms = 1000,
		.relist_s = 1,
		.limit_ms = h->limit_ms,
	};
	struct err err = { 0 };

	etcd_servers_config(&one, &cfg.at.etcd);
	if (!h->names)
		assert_int_equal(names_new(&h->names, NULL), 0);
	h->node = node;
	if (share_new(h->names, &cfg, &h->share, &err) < 0)
		fail_msg("%s", err.msg);
}

static void host_stop(struct host *h)
{
	share_free(take_ptr(h->share));
	names_free(take_ptr(h->names));
}

static void raw_do(const char *key, const char *value, uint64_t lease)
{
	struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char full[256];

	snprintf(full, sizeof(full), "/berth/%s/%s", cluster, key);
	if (value)
		etcd_txn_put(t, full, value, lease);
	else
		etcd_txn_del(t, full, NULL);
	assert_int_equal(etcd_txn_run(raw, t, true, &res, NULL), 0);
	etcd_result_clear(&res);
	etcd_txn_free(t);
}

/* As berth-overlay does. */
static uint64_t host_record(const char *node)
{
	unsigned int ttl;
	uint64_t lease;
	char key[64];

	assert_int_equal(etcd_lease_grant(raw, 60, &lease, &ttl, NULL), 0);
	snprintf(key, sizeof(key), "node/%s/host", node);
	raw_do(key, "{}", lease);
	return lease;
}

static void host_in(struct host *h, const char *key, const char *key2)
{
	struct share_net nets[2] = { network(key) };

	if (key2)
		nets[1] = network(key2);
	assert_int_equal(share_nets_set(h->share, nets, key2 ? 2 : 1, NULL), 0);
}

static void host_says(struct host *h, const char *key, const char *name,
		      const char *addr)
{
	struct name_record rec;

	if (name)
		rec = record(name, addr, true);
	assert_int_equal(names_set(h->names, NAMES_DOCKER, key, &rec,
				   name ? 1 : 0, NULL),
			 0);
	share_kick(h->share);
}

static int find(struct host *h, const char *key, const char *name)
{
	struct ip_addr a;

	return names_find(h->names, key, name, AF_INET, &a, 1);
}

static size_t keys(const char *below)
{
	char key[128], end[128];
	struct etcd_range q = { .key = key, .end = end, .count_only = true };
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;

	snprintf(key, sizeof(key), "/berth/%s/%s", cluster, below);
	etcd_prefix_end(key, end);
	assert_int_equal(etcd_range(raw, &q, &kvs, &head, NULL), 0);
	etcd_kvs_clear(&kvs);
	return kvs.total;
}

static int64_t rev_of(const char *below)
{
	char key[128];
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	int64_t rev;

	snprintf(key, sizeof(key), "/berth/%s/%s", cluster, below);
	assert_int_equal(etcd_range(raw, &(struct etcd_range){ .key = key },
				    &kvs, &head, NULL),
			 0);
	rev = kvs.count ? kvs.v[0].mod_rev : 0;
	etcd_kvs_clear(&kvs);
	return rev;
}

static void on_line(void *arg, const char *line)
{
	char *text = arg;

	strncat(text, line, 4096 - strlen(text) - 1);
}

static bool says(struct host *h, const char *what)
{
	char text[4096] = "";

	share_problems(h->share, on_line, text);
	return strstr(text, what);
}

#define SOON(cond) assert_true(TEST_WITHIN_S(30, cond))

/* What was read and could not be taken into the table is so later.  The first test that
 * sets names, as that fails once. */
static void read_but_not_taken(void **state)
{
	struct host a = { 0 };

	BOX_OR_SKIP();
	raw_do("names/n.shop/x",
	       "{\"node\":\"x\",\"names\":{\"10.9.0.8\":[\"web\"]}}", 0);
	host_start(&a, "a");
	host_in(&a, "n.shop", NULL);
	SOON(find(&a, "n.shop", "web") == 1);
	host_stop(&a);
}

static void two_hosts(void **state)
{
	struct host a = { 0 }, b = { 0 };
	uint64_t lease;

	BOX_OR_SKIP();
	host_record("a");
	lease = host_record("b");
	host_start(&a, "a");
	host_start(&b, "b");
	host_in(&a, "n.shop", NULL);
	host_in(&b, "n.shop", "n.other");
	host_says(&b, "n.shop", "web", "10.9.0.2");
	host_says(&b, "n.other", "secret", "10.9.0.2");
	SOON(find(&a, "n.shop", "web") == 1);
	SOON(keys("names/n.other/") == 1);
	assert_int_equal(find(&a, "n.shop", "secret"), -ENOENT);
	assert_int_equal(find(&a, "n.other", "secret"), -ENOENT);
	host_says(&b, "n.shop", "db", "10.9.0.2"); /* a new name */
	SOON(find(&a, "n.shop", "db") == 1);
	assert_int_equal(find(&a, "n.shop", "web"), -ENOENT);
	host_says(&a, "n.shop", "db", "10.9.0.3"); /* of both */
	SOON(find(&b, "n.shop", "db") == 2);
	host_in(&b, "n.other", NULL); /* it leaves */
	SOON(find(&a, "n.shop", "db") == 1);
	SOON(keys("names/n.shop/b") == 0);
	assert_int_equal(find(&b, "n.shop", "db"), 1); /* its own is its own */
	host_in(&b, "n.shop", "n.other");
	host_says(&b, "n.shop", "web", "10.9.0.2");
	SOON(find(&a, "n.shop", "web") == 1);
	/* it dies: its names go with its lease */
	host_stop(&b);
	assert_int_equal(find(&a, "n.shop", "web"), 1);
	assert_int_equal(etcd_lease_revoke(raw, lease, NULL), 0);
	SOON(find(&a, "n.shop", "web") == -ENOENT);
	host_stop(&a);
}

/* A daemon that is back changes nothing until it knows better. */
static void back_again(void **state)
{
	struct host b = { 0 };
	int64_t rev;

	BOX_OR_SKIP();
	host_record("b");
	host_start(&b, "b");
	host_in(&b, "n.shop", "n.left");
	host_says(&b, "n.shop", "web", "10.9.0.2");
	host_says(&b, "n.left", "web", "10.9.0.2");
	SOON(keys("names/") == 2);
	SOON(!says(&b, "x") && rev_of("names/n.shop/b"));
	rev = rev_of("names/n.shop/b");
	host_stop(&b);
	host_start(&b, "b");
	host_in(&b, "n.shop", NULL);
	SOON(keys("names/n.left/") == 0); /* it is not in that any more */
	assert_int_equal(rev_of("names/n.shop/b"), rev);
	host_says(&b, "n.shop", "web", "10.9.0.2");
	host_in(&b, "n.shop", "n.new");
	SOON(keys("names/n.new/") == 1);
	assert_int_equal(rev_of("names/n.shop/b"), rev);
	/* somebody removes or writes what is ours */
	raw_do("names/n.shop/b", NULL, 0);
	SOON(rev_of("names/n.shop/b") > rev);
	rev = rev_of("names/n.shop/b");
	raw_do("names/n.shop/b", "{\"node\":\"b\"}", 0);
	SOON(rev_of("names/n.shop/b") > rev + 1);
	host_stop(&b);
}

/* Its lease expires, and it gets another: all is told again, by that. */
static void another_lease(void **state)
{
	struct host a = { 0 }, b = { 0 };
	uint64_t lease;

	BOX_OR_SKIP();
	host_start(&b, "b");
	host_in(&b, "n.shop", NULL);
	host_says(&b, "n.shop", "web", "10.9.0.2");
	SOON(says(&b, "no record of node b"));
	assert_int_equal(keys("names/"), 0);
	lease = host_record("b");
	SOON(keys("names/n.shop/b") == 1);
	SOON(!says(&b, "no record"));
	host_start(&a, "a");
	host_in(&a, "n.shop", NULL);
	SOON(find(&a, "n.shop", "web") == 1);
	assert_int_equal(etcd_lease_revoke(raw, lease, NULL), 0);
	SOON(find(&a, "n.shop", "web") == -ENOENT);
	lease = host_record("b");
	SOON(find(&a, "n.shop", "web") == 1);
	assert_int_equal(etcd_lease_revoke(raw, lease, NULL), 0);
	SOON(keys("names/n.shop/b") == 0);
	host_stop(&a);
	host_stop(&b);
}

/* Lies are counted, and told to who looks; what else is said counts. */
static void lies(void **state)
{
	struct host a = { 0 };

	BOX_OR_SKIP();
	host_start(&a, "a");
	host_in(&a, "n.shop", NULL);
	raw_do("names/n.shop/x", "nonsense", 0);
	raw_do("names/n.shop/y",
	       "{\"node\":\"y\",\"names\":{\"10.8.0.1\":[\"evil\"],"
	       "\"10.9.0.7\":[\"good\"]}}",
	       0);
	raw_do("names/n.shop/y/z", "{\"node\":\"y\"}", 0);
	SOON(find(&a, "n.shop", "good") == 1);
	assert_int_equal(find(&a, "n.shop", "evil"), -ENOENT);
	SOON(says(&a, "2 records of other hosts, and 1 names"));
	raw_do("names/n.shop/x", NULL, 0);
	raw_do("names/n.shop/y/z", NULL, 0);
	raw_do("names/n.shop/y", NULL, 0);
	SOON(find(&a, "n.shop", "good") == -ENOENT);
	SOON(!says(&a, "records"));
	host_stop(&a);
}

/* More hosts than a page has, and answers that are more than is taken at once. */
static void many_hosts(void **state)
{
	enum { N = 40, BIG = 200000 };
	_cleanup_free_ char *big = calloc(1, BIG + 256);
	struct host a = { 0 };
	char key[64], text[256];

	BOX_OR_SKIP();
	assert_non_null(big);
	for (unsigned int i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "names/n.shop/h%02u", i);
		snprintf(text, sizeof(text),
			 "{\"node\":\"h%02u\",\"names\":{\"10.9.0.%u\":["
			 "\"all\",\"c%u\"]}",
			 i, i + 10, i);
		memset(big, ' ', BIG);
		strcpy(big + BIG, "}");
		memcpy(big, text, strlen(text));
		raw_do(key, big, 0);
	}
	host_start(&a, "a");
	host_in(&a, "n.shop", NULL);
	SOON(find(&a, "n.shop", "all") == N);
	assert_int_equal(find(&a, "n.shop", "c39"), 1);
	raw_do("names/n.shop/h07", NULL, 0);
	SOON(find(&a, "n.shop", "all") == N - 1);
	host_stop(&a);
}

static void a_host(unsigned int i, char key[static 64], char text[static 128])
{
	snprintf(key, 64, "names/n.shop/h%04u", i);
	snprintf(text, 128,
		 "{\"node\":\"h%04u\",\"names\":{\"10.9.0.9\":[\"old\"]}}", i);
}

static void a_network(unsigned int i, char key[static 64],
		      char text[static 128])
{
	snprintf(key, 64, "names/n.%u/x", i);
	snprintf(text, 128, "{\"node\":\"x\"}");
}

/* A hundred at once. */
static void raw_many(void (*make)(unsigned int i, char key[static 64],
				  char text[static 128]),
		     unsigned int n)
{
	char key[64], full[128], text[128];

	for (unsigned int i = 0; i < n;) {
		struct etcd_txn *t = etcd_txn_new();
		struct etcd_result res = { 0 };

		do {
			make(i, key, text);
			snprintf(full, sizeof(full), "/berth/%s/%s", cluster,
				 key);
			etcd_txn_put(t, full, text, 0);
		} while (++i < n && i % 100);
		assert_int_equal(etcd_txn_run(raw, t, true, &res, NULL), 0);
		etcd_result_clear(&res);
		etcd_txn_free(t);
	}
}

/* Of more hosts than are read those that are read follow what changes. */
static void more_hosts_than_are_read(void **state)
{
	struct host a = { 0 };

	BOX_OR_SKIP();
	raw_many(a_host, SHARE_HOSTS_MAX + 10);
	host_start(&a, "a");
	host_in(&a, "n.shop", NULL);
	SOON(says(&a, "names of 10 hosts are not read"));
	raw_do("names/n.shop/h0003",
	       "{\"node\":\"h0003\",\"names\":{\"10.9.0.8\":[\"new\"]}}", 0);
	SOON(find(&a, "n.shop", "new") == 1);
	raw_do("names/n.shop/h1030",
	       "{\"node\":\"h1030\",\"names\":{\"10.9.0.8\":[\"late\"]}}", 0);
	raw_do("names/n.shop/h0004",
	       "{\"node\":\"h0004\",\"names\":{\"10.9.0.8\":[\"newer\"]}}", 0);
	SOON(find(&a, "n.shop", "newer") == 1);
	assert_int_equal(find(&a, "n.shop", "late"), -ENOENT);
	host_stop(&a);
}

/* What all of them take is more than one may: each has its own time. */
static void many_networks(void **state)
{
	struct host a = { .limit_ms = 100 };
	int64_t rev;

	BOX_OR_SKIP();
	host_record("a");
	raw_many(a_network, 400);
	raw_do("names/n.77/a", "{\"node\":\"a\"}", 0);
	rev = rev_of("names/n.77/a");
	raw_do("names/n.shop/x",
	       "{\"node\":\"x\",\"names\":{\"10.9.0.8\":[\"web\"]}}", 0);
	host_start(&a, "a");
	host_in(&a, "n.shop", NULL);
	host_says(&a, "n.shop", "mine", "10.9.0.2");
	SOON(find(&a, "n.shop", "web") == 1);
	SOON(keys("names/n.shop/a") == 1);
	SOON(keys("names/n.77/a") == 0);
	/* the other's, the removal and what it tells are all that was written */
	raw_do("marker", "", 0);
	assert_int_equal(rev_of("marker"), rev + 4);
	host_stop(&a);
}

/* etcd dies: names stay; it is back: what changed meanwhile is told. */
static void etcd_away(void **state)
{
	struct etcd_config cfg = { 0 };
	struct host a = { 0 }, b = { 0 };

	BOX_OR_SKIP();
	host_record("a");
	host_record("b");
	host_start(&a, "a");
	host_start(&b, "b");
	host_in(&a, "n.shop", NULL);
	host_in(&b, "n.shop", NULL);
	host_says(&b, "n.shop", "web", "10.9.0.2");
	SOON(find(&a, "n.shop", "web") == 1);
	etcd_servers_kill(&one, 0);
	host_says(&b, "n.shop", "db", "10.9.0.2");
	SOON(says(&a, "etcd has not answered"));
	assert_int_equal(find(&a, "n.shop", "web"), 1);
	etcd_servers_again(&one, 0, "http", NULL);
	etcd_servers_config(&one, &cfg);
	etcd_servers_ready(&cfg);
	SOON(find(&a, "n.shop", "db") == 1);
	assert_int_equal(find(&a, "n.shop", "web"), -ENOENT);
	SOON(!says(&a, "etcd"));
	host_stop(&a);
	host_stop(&b);
}

static int up(void **state)
{
	struct etcd_config cfg = { 0 };

	(void)state;
	in_box = etcd_test_begin();
	if (!in_box)
		return 0;
	etcd_servers_start(&one, 1, "http", NULL);
	etcd_servers_config(&one, &cfg);
	etcd_servers_ready(&cfg);
	return etcd_open(&cfg, &raw, NULL);
}

static int down(void **state)
{
	(void)state;
	etcd_close(raw);
	if (in_box)
		etcd_servers_stop(&one);
	return 0;
}

static int each(void **state)
{
	static unsigned int n;

	(void)state;
	snprintf(cluster, sizeof(cluster), "c%u", n++);
	return 0;
}

/* Each step of telling and of taking back fails now and then, and the first set of names
 * is refused: it is done again. */
#define FAULTS                                                \
	"names.part:err=ENOMEM:nth=1,"                        \
	"share.put:err=EIO:nth=1,share.untell:err=EIO:nth=1," \
	"share.put:err=EIO:nth=9,share.untell:err=EIO:nth=3"

int main(void)
{
	struct CMUnitTest tests[9];
	size_t n = 0;

	signal(SIGPIPE, SIG_IGN);
	setenv("BERTH_FP", FAULTS, 1);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup(
		read_but_not_taken, each);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup(two_hosts, each);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test_setup(back_again, each);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test_setup(another_lease, each);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup(lies, each);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test_setup(many_hosts, each);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup(
		more_hosts_than_are_read, each);
	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test_setup(many_networks, each);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup(etcd_away, each);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, up, down);
}
