// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory in etcd: hosts that share one, without kernel objects. */
#include "lib/test/etcd_test.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "netplugins/overlay/cluster.h"

static bool in_box; /* else every test is a SKIP */
static struct etcd_servers one;
static struct etcd *raw; /* to look past the directory */
static unsigned int relist_s;
static char cluster[32]; /* each test has one of its own */

#define BOX_OR_SKIP()           \
	do {                    \
		(void)state;    \
		if (!in_box) {  \
			skip(); \
			return; \
		}               \
	} while (0)

static struct ip_prefix pool(const char *s)
{
	struct ip_prefix p = { 0 };

	if (*s)
		assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a = { 0 };

	if (*s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct ov_network network(const char *id, const char *name,
				 const char *pool4)
{
	struct ov_network n = { .pool4 = pool(pool4) };

	snprintf(n.id, sizeof(n.id), "%s", id);
	snprintf(n.name, sizeof(n.name), "%s", name);
	return n;
}

static struct ov_endpoint endpoint(const char *id, const char *a4)
{
	struct ov_endpoint e = { .addr4 = addr(a4) };

	snprintf(e.id, sizeof(e.id), "%s", id);
	e.mac = mac_from_ip(&e.addr4);
	return e;
}

static struct ov_dir *host_at(const struct etcd_servers *s, const char *node,
			      const char *machine, const char *vtep)
{
	struct cluster_config cfg = {
		.name = cluster,
		.node = node,
		.machine = machine,
		.vtep = addr(vtep),
		.lease_s = 2,
		.relist_s = relist_s,
		.grace_s = 2,
		.etcd.timeout_ms = 1000,
	};
	struct err err = { 0 };
	struct ov_dir *d = NULL;

	etcd_servers_config(s, &cfg.etcd);
	if (cluster_open(&cfg, &d, &err) < 0)
		fail_msg("%s", err.msg);
	return d;
}

static struct ov_dir *host(const char *node, const char *vtep)
{
	return host_at(&one, node, node, vtep);
}

static void host_close(struct ov_dir *d)
{
	d->ops->close(d);
}

static uint32_t joined(struct ov_dir *d, struct ov_network net)
{
	struct err err = { 0 };

	if (d->ops->join(d, &net, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(net.vni > 0 && net.vni <= OV_VNI_MAX);
	return net.vni;
}

static void has_put(struct ov_dir *d, const char *net, struct ov_endpoint ep)
{
	struct err err = { 0 };

	if (d->ops->put(d, net, &ep, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(err.msg, "");
}

/* What a view is to have. */
struct want {
	size_t hosts, endpoints, fenced;
	const char *vtep; /* of the first endpoint, else of the first host */
	bool stale;
};

static bool view_is(struct ov_dir *d, const char *net, const struct want *w)
{
	struct ov_view v = { 0 };
	struct ip_addr vtep = addr(w->vtep ? w->vtep : "");
	bool ok;

	assert_int_equal(d->ops->view(d, net, &v, NULL), 0);
	assert_false(v.learn);
	ok = v.host_count == w->hosts && v.endpoint_count == w->endpoints &&
	     v.fenced_count == w->fenced && v.stale == w->stale;
	if (ok && w->vtep)
		ok = ip_equal(&vtep, v.endpoint_count ? &v.endpoints[0].vtep
						      : &v.hosts[0].vtep);
	ov_view_free(&v);
	return ok;
}

static void ignore(void *ctx, const char *net_id)
{
	(void)ctx;
	(void)net_id;
}

/* By the directory's own word that something changed; 8 s. */
static void view_gets(struct ov_dir *d, const char *net, struct want w)
{
	struct pollfd p = { .fd = d->ops->fd(d), .events = POLLIN };
	struct timespec start;
	struct ov_view v = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!view_is(d, net, &w)) {
		if (test_ms_since(&start) > 8000) {
			assert_int_equal(d->ops->view(d, net, &v, NULL), 0);
			fail_msg("%zu hosts, %zu endpoints, %zu fenced, %s",
				 v.host_count, v.endpoint_count, v.fenced_count,
				 v.stale ? "stale" : "not stale");
		}
		/* Staleness comes with time alone. */
		poll(&p, 1, w.stale ? 50 : 500);
		d->ops->changed(d, ignore, NULL);
	}
}

struct said {
	char text[4096];
};

static void say(void *ctx, const char *line)
{
	struct said *s = ctx;

	strncat(s->text, line, sizeof(s->text) - strlen(s->text) - 1);
}

static bool says(struct ov_dir *d, const char *what)
{
	struct said s = { "" };

	d->ops->check(d, say, &s);
	return strstr(s.text, what) != NULL;
}

static void comes_to_say(struct ov_dir *d, const char *what)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!says(d, what)) {
		if (test_ms_since(&start) > 8000)
			fail_msg("never said \"%s\"", what);
		poll(NULL, 0, 20);
	}
}

/* Keys below /berth/CLUSTER/@below. */
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

static void keys_get(const char *below, size_t n)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (keys(below) != n) {
		if (test_ms_since(&start) > 8000)
			fail_msg("%zu keys below %s, not %zu", keys(below),
				 below, n);
		poll(NULL, 0, 20);
	}
}

static void raw_put(const char *below, const char *value)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char key[256];

	snprintf(key, sizeof(key), "/berth/%s/%s", cluster, below);
	etcd_txn_put(t, key, value, 0);
	assert_int_equal(etcd_txn_run(raw, t, true, &res, NULL), 0);
	etcd_result_clear(&res);
}

/* The second host asks; the first has 10.1.0.0/16 as "shop", VNI 77. */
static const struct join_row {
	const char *name, *net, *pool4, *pool6;
	uint32_t vni;
	bool encrypt;
	int want;
	const char *msg;
} join_rows[] = {
	{ "the same", "shop", "10.1.0.0/16", "", 0, false, 0, "" },
	{ "the same, of another host bit", "shop", "10.1.0.9/16", "", 0, false,
	  0, "" },
	{ "the same VNI", "shop", "10.1.0.0/16", "", 77, false, 0, "" },
	{ "another VNI", "shop", "10.1.0.0/16", "", 78, false, -EEXIST,
	  "VNI 77" },
	{ "another subnet", "shop", "10.2.0.0/16", "", 0, false, -EEXIST,
	  "subnet 10.1.0.0/16" },
	{ "a second family", "shop", "10.1.0.0/16", "fd00::/64", 0, false,
	  -EEXIST, "IPv6 subnet (none)" },
	{ "encrypted", "shop", "10.1.0.0/16", "", 0, true, -EEXIST,
	  "berth.encrypt off" },
	{ "no name, its subnet", "", "10.1.0.0/16", "", 0, false, -EEXIST,
	  "network n.shop's" },
	{ "a part of its subnet", "x", "10.1.8.0/24", "", 0, false, -EEXIST,
	  "overlaps 10.1.0.0/16" },
	{ "its last address", "x", "10.1.255.255/32", "", 0, false, -EEXIST,
	  "overlaps 10.1.0.0/16" },
	{ "what its subnet is a part of", "x", "10.0.0.0/8", "", 0, false,
	  -EEXIST, "overlaps 10.1.0.0/16" },
	{ "the subnet before", "x", "10.0.0.0/16", "", 0, false, 0, "" },
	{ "the subnet after", "x", "10.2.0.0/16", "", 0, false, 0, "" },
	{ "its VNI", "x", "10.2.0.0/16", "", 77, false, -EEXIST,
	  "VNI 77 is network n.shop's" },
	{ "IPv6 alone", "x", "", "fd00::/64", 0, false, 0, "" },
	{ "neither name nor subnet", "", "", "", 0, false, -EINVAL,
	  "needs a subnet" },
	{ "a name that is a path", "a/b", "10.2.0.0/16", "", 0, false, -EINVAL,
	  "letters" },
	{ "a VNI too large", "x", "10.2.0.0/16", "", OV_VNI_MAX + 1, false,
	  -EINVAL, "not in 1.." },
};

static void join_row(void **state)
{
	const struct join_row *row = *state;
	struct ov_network shop = network("n1", "shop", "10.1.0.0/16");
	struct ov_network net = network("n2", row->net, row->pool4);
	struct err err = { 0 };
	struct ov_dir *a, *b;
	int r;

	BOX_OR_SKIP();
	a = host("a", "192.0.2.1");
	b = host("b", "192.0.2.2");
	shop.vni = 77;
	assert_int_equal(joined(a, shop), 77);
	net.pool6 = pool(row->pool6);
	net.vni = row->vni;
	net.encrypt = row->encrypt;
	r = b->ops->join(b, &net, &err);
	if (r != row->want)
		fail_msg("%d (%s), not %d", r, err.msg, row->want);
	assert_non_null(strstr(err.msg, row->msg));
	if (r == 0 && !strcmp(row->net, "shop"))
		assert_int_equal(net.vni, 77);
	/* Refused is not half there. */
	assert_int_equal(keys("net/"),
			 r == 0 && strcmp(row->net, "shop") ? 2 : 1);
	assert_int_equal(keys("vni/"), keys("net/"));
	assert_int_equal(b->ops->join(b, &net, &err), row->want);
	host_close(a);
	host_close(b);
}

#define RACERS 6

struct racer {
	struct ov_dir *dir;
	struct ov_network net;
	int r;
	pthread_t thread;
	void (*act)(struct racer *r);
};

static pthread_barrier_t start_line;

static void race_join(struct racer *r)
{
	r->r = r->dir->ops->join(r->dir, &r->net, NULL);
}

static void race_leave(struct racer *r)
{
	r->r = r->dir->ops->leave(r->dir, r->net.id, NULL);
}

static void *race_one(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(&start_line);
	r->act(r);
	return NULL;
}

/* All at the same moment. */
static void race(struct racer *r, void (*act)(struct racer *r))
{
	assert_int_equal(pthread_barrier_init(&start_line, NULL, RACERS), 0);
	for (unsigned int i = 0; i < RACERS; i++) {
		r[i].act = act;
		pthread_create(&r[i].thread, NULL, race_one, &r[i]);
	}
	for (unsigned int i = 0; i < RACERS; i++)
		pthread_join(r[i].thread, NULL);
	pthread_barrier_destroy(&start_line);
}

static void racers_open(struct racer *r)
{
	char node[8], vtep[16];

	for (unsigned int i = 0; i < RACERS; i++) {
		snprintf(node, sizeof(node), "r%u", i);
		snprintf(vtep, sizeof(vtep), "192.0.2.%u", i + 1);
		r[i].dir = host(node, vtep);
	}
	keys_get("node/", RACERS); /* they have their leases */
}

static void racers_close(struct racer *r)
{
	for (unsigned int i = 0; i < RACERS; i++)
		host_close(r[i].dir);
}

/* F076 */
static void one_network_of_many_at_once(void **state)
{
	struct racer r[RACERS] = { 0 };

	BOX_OR_SKIP();
	racers_open(r);
	for (unsigned int i = 0; i < RACERS; i++)
		r[i].net = network("n1", "shop", "10.1.0.0/16");
	race(r, race_join);
	for (unsigned int i = 0; i < RACERS; i++) {
		assert_int_equal(r[i].r, 0);
		assert_int_equal(r[i].net.vni, r[0].net.vni);
	}
	assert_int_equal(keys("net/"), 1);
	assert_int_equal(keys("vni/"), 1);
	assert_int_equal(keys("member/"), RACERS);
	/* All leave at once: one of them is the last. */
	race(r, race_leave);
	keys_get("net/", 0);
	assert_int_equal(keys("vni/"), 0);
	assert_int_equal(keys("sub4/"), 0);
	assert_int_equal(keys("member/"), 0);
	assert_int_equal(keys(""), RACERS); /* the hosts themselves */
	racers_close(r);
}

static void subnets_never_overlap(void **state)
{
	struct racer r[RACERS] = { 0 };
	unsigned int ok = 0;
	char name[8];

	BOX_OR_SKIP();
	racers_open(r);
	for (unsigned int i = 0; i < RACERS; i++) {
		snprintf(name, sizeof(name), "x%u", i);
		r[i].net = network("n1", name,
				   i % 2 ? "10.1.128.0/17" : "10.1.0.0/16");
	}
	race(r, race_join);
	for (unsigned int i = 0; i < RACERS; i++)
		if (r[i].r == 0)
			ok++;
		else
			assert_int_equal(r[i].r, -EEXIST);
	assert_int_equal(ok, 1);
	assert_int_equal(keys("net/"), 1);
	racers_close(r);
}

static void endpoints_come_and_go(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ip_addr moved = addr("192.0.2.9");
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	relist_s = 60; /* the watch alone tells */
	a = host("a", "192.0.2.1");
	b = host("b", "192.0.2.2");
	assert_int_equal(joined(a, net), joined(b, net));
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	has_put(a, "n1", endpoint("e1", "10.1.0.2")); /* twice is once */
	view_gets(b, "n1",
		  (struct want){
			  .hosts = 1, .endpoints = 1, .vtep = "192.0.2.1" });
	view_gets(a, "n1", (struct want){ .hosts = 1, .vtep = "192.0.2.2" });
	/* F080 */
	assert_int_equal(cluster_host_set(a, &moved, "key", NULL), 0);
	view_gets(b, "n1",
		  (struct want){
			  .hosts = 1, .endpoints = 1, .vtep = "192.0.2.9" });
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	view_gets(b, "n1", (struct want){ .hosts = 1 });
	assert_int_equal(keys("addr/"), 0);
	assert_int_equal(keys("mac/"), 0);
	has_put(a, "n1", endpoint("e2", "10.1.0.3"));
	assert_int_equal(a->ops->leave(a, "n1", NULL), 0);
	view_gets(b, "n1", (struct want){ 0 });
	assert_int_equal(keys("net/"), 1);
	assert_int_equal(keys("addr/"), 0);
	assert_int_equal(a->ops->leave(a, "n1", NULL), 0);
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	assert_int_equal(keys(""), 2);
	host_close(a);
	host_close(b);
}

static void no_address_is_twice(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = endpoint("e2", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = host("a", "192.0.2.1");
	b = host("b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	assert_int_equal(b->ops->put(b, "n1", &ep, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "10.1.0.2 is endpoint e1's on host a"));
	ep.addr4 = addr("10.1.0.3"); /* the MAC is still the other's */
	assert_int_equal(b->ops->put(b, "n1", &ep, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "MAC"));
	assert_int_equal(a->ops->put(a, "n1", &ep, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "on this host"));
	/* Refused leaves nothing. */
	assert_int_equal(keys("addr/"), 1);
	assert_int_equal(keys("mac/"), 1);
	assert_int_equal(keys("node/b/ep/"), 0);
	host_close(a);
	host_close(b);
}

static uint64_t lease_of(const char *node)
{
	char key[64];
	struct etcd_kvs kvs = { 0 };
	struct etcd_head head;
	uint64_t lease;

	snprintf(key, sizeof(key), "/berth/%s/node/%s/host", cluster, node);
	assert_int_equal(etcd_range(raw, &(struct etcd_range){ .key = key },
				    &kvs, &head, NULL),
			 0);
	assert_int_equal(kvs.count, 1);
	lease = kvs.v[0].lease;
	assert_true(lease != 0);
	etcd_kvs_clear(&kvs);
	return lease;
}

/* F087 and a restart: what a host told lives as long as its lease. */
static void a_dead_host_goes_and_a_quick_one_stays(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct want there = { .hosts = 1, .endpoints = 2, .vtep = "192.0.2.1" };
	struct ov_dir *a, *b;
	struct timespec start;
	uint64_t lease;

	BOX_OR_SKIP();
	a = host("a", "192.0.2.1");
	b = host("b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	has_put(a, "n1", endpoint("e2", "10.1.0.3"));
	view_gets(b, "n1", there);
	lease = lease_of("a");
	host_close(a);
	a = host("a", "192.0.2.1");
	joined(a, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	/* By the lease of the first life.  So e2 is still there, and goes when
	 * nobody has put it again. */
	assert_int_equal(lease_of("a"), lease);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (test_ms_since(&start) < 500) {
		assert_true(view_is(b, "n1", &there));
		poll(NULL, 0, 50);
	}
	view_gets(b, "n1",
		  (struct want){
			  .hosts = 1, .endpoints = 1, .vtep = "192.0.2.1" });
	assert_int_equal(keys("addr/"), 1);
	host_close(a);
	view_gets(b, "n1", (struct want){ 0 });
	assert_int_equal(keys("addr/"), 0);
	assert_int_equal(keys("node/a/"), 0);
	host_close(b);
}

/* F071 */
static void etcd_away_is_waited_for(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_network known = network("n2", "known", "10.2.0.0/16");
	struct ov_network fresh = network("n3", "fresh", "10.3.0.0/16");
	struct ov_dir *a, *b;
	struct err err = { 0 };
	int r;

	BOX_OR_SKIP();
	a = host("a", "192.0.2.1");
	b = host("b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	has_put(a, "n1", endpoint("e2", "10.1.0.3"));
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 2 });
	kill(one.pid[0], SIGSTOP);
	has_put(a, "n1", endpoint("e3", "10.1.0.4"));
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	r = a->ops->join(a, &fresh, &err);
	assert_true(r == -EAGAIN || r == -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "etcd"));
	known.known = true;
	known.vni = 4711;
	assert_int_equal(joined(a, known), 4711);
	has_put(a, "n2", endpoint("e4", "10.2.0.2"));
	comes_to_say(a, "etcd has not answered");
	/* What is known stays. */
	view_gets(b, "n1",
		  (struct want){ .hosts = 1, .endpoints = 2, .stale = true });
	kill(one.pid[0], SIGCONT);
	joined(b, known);
	view_gets(b, "n2", (struct want){ .hosts = 1, .endpoints = 1 });
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 2 });
	keys_get("node/a/ep/", 3);
	keys_get("addr/", 3);
	assert_false(says(a, "etcd"));
	host_close(a);
	host_close(b);
}

/* F073 */
static void what_another_has_by_now_is_fenced(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint again = endpoint("e1", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = host("a", "192.0.2.1");
	b = host("b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	has_put(a, "n1", endpoint("e2", "10.1.0.3"));
	assert_int_equal(etcd_lease_revoke(raw, lease_of("a"), NULL), 0);
	has_put(b, "n1", endpoint("e9", "10.1.0.2"));
	view_gets(a, "n1",
		  (struct want){ .hosts = 1,
				 .endpoints = 1,
				 .fenced = 1,
				 .vtep = "192.0.2.2" });
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	assert_true(says(a, "cut off: address 10.1.0.2 is endpoint e9's"));
	assert_int_equal(a->ops->put(a, "n1", &again, &err), -EADDRINUSE);
	/* It is free again: taken at the next look. */
	assert_int_equal(b->ops->del(b, "n1", "e9", NULL), 0);
	view_gets(a, "n1", (struct want){ .hosts = 1 });
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 2 });
	host_close(a);
	host_close(b);
}

/* F089, and records that no host of ours writes. */
static void what_no_host_writes_is_ignored(void **state)
{
	static const char *const bad[][2] = {
		{ "node/c/ep/n.shop/e1",
		  "{\"node\":\"a\",\"id\":\"e1\",\"mac\":\"02:42:0a:01:00:05\","
		  "\"addr4\":\"10.1.0.5\"}" },
		{ "node/c/ep/n.shop/e2",
		  "{\"node\":\"c\",\"id\":\"e1\",\"mac\":\"02:42:0a:01:00:05\","
		  "\"addr4\":\"10.1.0.5\"}" },
		{ "node/c/ep/n.shop/e3",
		  "{\"node\":\"c\",\"id\":\"e3\",\"mac\":\"02:42:0a:01:00:05\","
		  "\"addr4\":\"10.9.0.5\"}" },
		{ "node/c/ep/n.shop/e4", "{\"node\":\"c\",\"id\":\"e4\","
					 "\"mac\":\"ff:ff:ff:ff:ff:ff\"}" },
		{ "node/c/ep/n.shop/e5", "{" },
		{ "node/c/ep/n.shop/e6",
		  "{\"node\":\"c\",\"id\":\"e6\",\"mac\":\"02:42:0a:01:00:02\","
		  "\"addr4\":\"10.1.0.2\"}" }, /* as one of ours */
		{ "node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.3\"}" },
		{ "member/n.shop/c", "" },
	};
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = host("a", "192.0.2.1");
	joined(a, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		raw_put(bad[i][0], bad[i][1]);
	view_gets(a, "n1", (struct want){ .hosts = 1, .vtep = "192.0.2.3" });
	assert_true(says(a, "5 records of host c are not"));
	/* Without a word to the watch: seen when records are counted. */
	raw_put("node/c/ep/n.shop/e7",
		"{\"node\":\"c\",\"id\":\"e7\",\"mac\":\"02:42:0a:01:00:07\","
		"\"addr4\":\"10.1.0.7\"}");
	view_gets(a, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	/* It says that it is where we are. */
	raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.1\"}");
	raw_put("member/n.shop/c", "");
	view_gets(a, "n1", (struct want){ 0 });
	assert_true(says(a, "this host's address"));
	host_close(a);
}

static void two_machines_of_one_name(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = host_at(&one, "a", "m1", "192.0.2.1");
	joined(a, net);
	b = host_at(&one, "a", "m2", "192.0.2.2");
	assert_int_equal(b->ops->join(b, &net, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "--node"));
	comes_to_say(b, "another machine (at 192.0.2.1)");
	host_close(b);
	host_close(a);
}

/* F075 */
static void another_etcd_is_not_believed(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = endpoint("e2", "10.1.0.3");
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct err err = { 0 };
	struct ov_dir *a, *b;
	char data[96];

	BOX_OR_SKIP();
	etcd_servers_start(&s, 1, "http", NULL);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	a = host_at(&s, "a", "a", "192.0.2.1");
	b = host_at(&s, "b", "b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	etcd_servers_kill(&s, 0);
	snprintf(data, sizeof(data), "%s/0", s.dir);
	test_rmdir(data); /* all is lost */
	etcd_servers_again(&s, 0, "http", NULL);
	comes_to_say(a, "nothing is written until");
	comes_to_say(b, "nothing is written until");
	assert_true(view_is(
		b, "n1",
		&(struct want){ .hosts = 1, .endpoints = 1, .stale = true }));
	assert_int_equal(a->ops->put(a, "n1", &ep, &err), -ESTALE);
	assert_int_equal(cluster_adopt(a, NULL), 0);
	assert_int_equal(cluster_adopt(b, NULL), 0);
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	has_put(a, "n1", ep);
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 2 });
	host_close(a);
	host_close(b);
	etcd_servers_stop(&s);
}

/* F072: the member that all are with stops, and with it perhaps the leader. */
static void a_member_that_stops_is_left(void **state)
{
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	relist_s = 60; /* the watch alone tells */
	etcd_servers_start(&s, 3, "http", NULL);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	a = host_at(&s, "a", "a", "192.0.2.1");
	b = host_at(&s, "b", "b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	kill(s.pid[0], SIGSTOP);
	has_put(a, "n1", endpoint("e2", "10.1.0.3"));
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 2 });
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	kill(s.pid[0], SIGCONT);
	host_close(a);
	host_close(b);
	etcd_servers_stop(&s);
}

/* F086: deletes go on when nothing can be written. */
static void full_still_takes_back(void **state)
{
	static const char *const extra[] = { "--quota-backend-bytes", "300000",
					     NULL };
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct etcd_result res = { 0 };
	struct ov_dir *a, *b;
	char big[20001];
	int r = 0;

	BOX_OR_SKIP();
	etcd_servers_start(&s, 1, "http", extra);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	a = host_at(&s, "a", "a", "192.0.2.1");
	b = host_at(&s, "b", "b", "192.0.2.2");
	joined(a, net);
	joined(b, net);
	has_put(a, "n1", endpoint("e1", "10.1.0.2"));
	view_gets(b, "n1", (struct want){ .hosts = 1, .endpoints = 1 });
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	etcd_txn_put(t, "fill", big, 0);
	assert_int_equal(etcd_open(&cfg, &e, NULL), 0);
	for (unsigned int i = 0; r == 0 && i < 100; i++) {
		r = etcd_txn_run(e, t, true, &res, NULL);
		etcd_result_clear(&res);
	}
	assert_int_equal(r, -ENOSPC);
	has_put(a, "n1", endpoint("e2", "10.1.0.3")); /* kept in mind */
	comes_to_say(a, "alarm NOSPACE");
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	view_gets(b, "n1", (struct want){ .hosts = 1 });
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	view_gets(a, "n1", (struct want){ 0 }); /* it goes on reading */
	assert_true(says(a, "alarm NOSPACE"));
	host_close(a);
	host_close(b);
	etcd_servers_stop(&s);
}

/* A host's life, as another process: "life" CLUSTER PORT.  What fails is tried again,
 * as Docker would. */
static int life(char **argv)
{
	struct etcd_servers s = { .n = 1, .port = (unsigned int)atoi(argv[1]) };
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint e1 = endpoint("e1", "10.1.0.2");
	struct ov_dir *a;
	int r = -1;

	snprintf(cluster, sizeof(cluster), "%s", argv[0]);
	relist_s = 1;
	a = host_at(&s, "a", "a", "192.0.2.1");
	for (unsigned int i = 0; r < 0 && i < 3; i++)
		r = a->ops->join(a, &net, NULL);
	for (unsigned int i = 0; r < 0 || i == 0; i++)
		r = i < 3 ? a->ops->put(a, "n1", &e1, NULL) : 1;
	if (r == 0)
		r = a->ops->del(a, "n1", "e1", NULL);
	if (r == 0)
		r = a->ops->leave(a, "n1", NULL);
	poll(NULL, 0, 300); /* what is left the thread does */
	a->ops->close(a);
	return r != 0;
}

static int life_of(const char *plan)
{
	char port[8];
	int status = -1;
	pid_t pid;

	snprintf(port, sizeof(port), "%u", one.port);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", plan, 1);
		execl("/proc/self/exe", "test", "life", cluster, port, NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static const struct step_row {
	const char *name, *plan;
	int end; /* of the life */
} step_rows[] = {
	{ "killed at nothing", "", 0 },
	{ "killed before its record", "cluster.host:kill", -SIGKILL },
	{ "killed before the network", "cluster.net:kill", -SIGKILL },
	{ "killed before an endpoint", "cluster.claim:kill", -SIGKILL },
	{ "killed before it is taken back", "cluster.disclaim:kill", -SIGKILL },
	{ "killed in leaving", "cluster.leave:kill", -SIGKILL },
	{ "its record fails", "cluster.host:err=EIO:nth=1", 0 },
	{ "the network fails", "cluster.net:err=EIO:nth=1", 0 },
	{ "an endpoint fails", "cluster.claim:err=EIO:nth=1", 0 },
	{ "taking back fails", "cluster.disclaim:err=EIO:nth=1", 0 },
	{ "leaving fails", "cluster.leave:err=EIO:nth=1", 0 },
};

/* Whatever a life left, the next one ends it, and nothing of it stays. */
static void step_row(void **state)
{
	const struct step_row *row = *state;
	struct ov_network net = network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *b;

	BOX_OR_SKIP();
	b = host("b", "192.0.2.2");
	if (!strstr(row->plan, "net"))
		joined(b, net); /* then it is not the last */
	assert_int_equal(life_of(row->plan), row->end);
	assert_int_equal(life_of(""), 0);
	joined(b, net);
	assert_int_equal(keys("member/"), 1);
	assert_int_equal(keys("addr/") + keys("mac/"), 0);
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	assert_int_equal(keys(""), 2); /* the hosts themselves */
	host_close(b);
}

static const struct config_row {
	const char *name, *cluster, *node;
	const char *msg;
} config_rows[] = {
	{ "a node that is a path", "c", "a/b", "--node" },
	{ "no node", "c", "", "--node" },
	{ "a node too long", "c",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "--node" },
	{ "a cluster of blanks", " ", "a", "--cluster" },
	{ "this host's name, no member", "c", NULL, "without members" },
	{ "no member", "c", "a", "without members" },
};

static void config_row(void **state)
{
	const struct config_row *row = *state;
	struct cluster_config cfg = { .name = row->cluster, .node = row->node };
	struct ov_dir *d = NULL;
	struct err err = { 0 };

	assert_int_equal(cluster_open(&cfg, &d, &err), -EINVAL);
	assert_non_null(strstr(err.msg, row->msg));
	assert_null(d);
}

static const struct flag_row {
	const char *name, *flag, *value;
	int want;
} flag_rows[] = {
	{ "a store", "store", "etcd://a:1,b:2", 0 },
	{ "a store of nothing", "store", "", -EINVAL },
	{ "a store of another kind", "store", "consul://a:1", -EINVAL },
	{ "a CA", "store-ca", "/etc/ca", 0 },
	{ "a CA of nothing", "store-ca", "", -EINVAL },
	{ "a certificate", "store-cert", "/etc/cert", 0 },
	{ "a key", "store-key", "/etc/key", 0 },
	{ "user and password", "store-auth", "/etc/auth", 0 },
	{ "a cluster", "cluster", "shop", 0 },
	{ "a cluster that is a path", "cluster", "a/b", -EINVAL },
	{ "a node", "node", "host-1.example", 0 },
	{ "a node that is a path", "node", "../x", -EINVAL },
	{ "none of ours", "underlay", "eth0", -ENOENT },
};

static void flag_row(void **state)
{
	const struct flag_row *row = *state;
	struct cluster_config cfg = { 0 };
	struct err err = { 0 };

	assert_int_equal(cluster_flag(&cfg, row->flag, row->value, &err),
			 row->want);
	if (row->want == -EINVAL)
		assert_true(err.msg[0]);
	assert_int_equal(cfg.etcd.member_count,
			 strstr(row->value, "etcd:") ? 2 : 0);
}

static int test_up(void **state)
{
	static unsigned int n;

	(void)state;
	snprintf(cluster, sizeof(cluster), "c%u", n++);
	relist_s = 1;
	return 0;
}

static int group_up(void **state)
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

static int group_down(void **state)
{
	(void)state;
	etcd_close(raw);
	if (in_box)
		etcd_servers_stop(&one);
	return 0;
}

#define BY_HAND(f)                            \
	{                                     \
		.name = #f, .test_func = (f), \
	}

int main(int argc, char **argv)
{
	static const struct CMUnitTest by_hand[] = {
		BY_HAND(one_network_of_many_at_once),
		BY_HAND(subnets_never_overlap),
		BY_HAND(endpoints_come_and_go),
		BY_HAND(no_address_is_twice),
		BY_HAND(a_dead_host_goes_and_a_quick_one_stays),
		BY_HAND(etcd_away_is_waited_for),
		BY_HAND(what_another_has_by_now_is_fenced),
		BY_HAND(what_no_host_writes_is_ignored),
		BY_HAND(two_machines_of_one_name),
		BY_HAND(another_etcd_is_not_believed),
		BY_HAND(a_member_that_stops_is_left),
		BY_HAND(full_still_takes_back),
	};
	struct CMUnitTest tests[ARRAY_SIZE(join_rows) +
				ARRAY_SIZE(config_rows) +
				ARRAY_SIZE(flag_rows) + ARRAY_SIZE(step_rows) +
				ARRAY_SIZE(by_hand)];
	size_t n = 0;

	if (argc == 4 && !strcmp(argv[1], "life"))
		return life(argv + 2);

	n += TEST_ROWS(tests + n, config_rows, config_row);
	n += TEST_ROWS(tests + n, flag_rows, flag_row);
	n += TEST_ROWS(tests + n, join_rows, join_row);
	n += TEST_ROWS(tests + n, step_rows, step_row);
	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++)
		tests[n++] = by_hand[i];
	for (size_t i = 0; i < n; i++)
		tests[i].setup_func = test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, group_up, group_down);
}
