// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory in etcd when things go wrong: hosts, etcd, and what is in it. */
#include "netplugins/overlay/cluster_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

/* F087 and a restart: what a host told lives as long as its lease. */
static void a_dead_host_goes_and_a_quick_one_stays(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct box_want there = { .hosts = 1,
				  .endpoints = 2,
				  .vtep = "192.0.2.1" };
	struct ov_dir *a, *b;
	struct timespec start;
	uint64_t lease;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_view_gets(b, "n1", there);
	box_joined(a, box_network("n2", "old", "10.2.0.0/16"));
	lease = box_lease_of("a");
	assert_true(lease != 0);
	box_host_close(a);
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	/* By the lease of the first life.  So e2 is still there, and goes when
	 * nobody has put it again. */
	assert_int_equal(box_lease_of("a"), lease);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (test_ms_since(&start) < 500) {
		assert_true(box_view_is(b, "n1", &there));
		poll(NULL, 0, 50);
	}
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .vtep = "192.0.2.1" });
	assert_int_equal(box_keys("addr/"), 1);
	box_keys_get("net/", 1); /* so does the network */
	box_host_close(a);
	box_view_gets(b, "n1", (struct box_want){ 0 });
	assert_int_equal(box_keys("addr/"), 0);
	assert_int_equal(box_keys("node/a/"), 0);
	box_host_close(b);
}

/* When this is back it answers nothing more. */
static void etcd_stop(void)
{
	int status = 0;

	kill(box()->one.pid[0], SIGSTOP);
	assert_int_equal(waitpid(box()->one.pid[0], &status, WUNTRACED),
			 box()->one.pid[0]);
	assert_true(WIFSTOPPED(status));
}

/* F071 */
static void etcd_away_is_waited_for(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_network known = box_network("n2", "known", "10.2.0.0/16");
	struct ov_network fresh = box_network("n3", "fresh", "10.3.0.0/16");
	struct ov_dir *a, *b;
	struct err err = { 0 };
	int r;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	etcd_stop();
	box_has_put(a, "n1", box_endpoint("e3", "10.1.0.4"));
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	r = a->ops->join(a, &fresh, &err);
	assert_true(r == -EAGAIN || r == -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "etcd"));
	known.known = true;
	known.vni = 4711;
	assert_int_equal(box_joined(a, known), 4711);
	box_has_put(a, "n2", box_endpoint("e4", "10.2.0.2"));
	box_comes_to_say(a, "etcd has not answered");
	/* What is known stays. */
	box_view_gets(
		b, "n1",
		(struct box_want){ .hosts = 1, .endpoints = 2, .stale = true });
	kill(box()->one.pid[0], SIGCONT);
	box_joined(b, known);
	box_view_gets(b, "n2", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	box_keys_get("node/a/ep/", 3);
	box_keys_get("addr/", 3);
	assert_false(box_says(a, "etcd"));
	box_host_close(a);
	box_host_close(b);
}

/* F073 */
static void what_another_has_by_now_is_fenced(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint again = box_endpoint("e1", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	assert_int_equal(etcd_lease_revoke(box()->raw, box_lease_of("a"), NULL),
			 0);
	box_has_put(b, "n1", box_endpoint("e9", "10.1.0.2"));
	box_view_gets(a, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .fenced = 1,
					 .vtep = "192.0.2.2" });
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	assert_true(box_says(a, "cut off: address 10.1.0.2 is endpoint e9's"));
	assert_int_equal(a->ops->put(a, "n1", &again, false, &err),
			 -EADDRINUSE);
	/* It is free again: taken at the next look. */
	assert_int_equal(b->ops->del(b, "n1", "e9", NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1 });
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	box_host_close(a);
	box_host_close(b);
}

static uint64_t serial_of(struct ov_dir *d, const char *net)
{
	struct ov_view v = { 0 };
	uint64_t serial;

	assert_int_equal(d->ops->view(d, net, &v, NULL), 0);
	serial = v.serial;
	ov_view_free(&v);
	return serial;
}

/* What a container has already is kept, and cut off while another has its address. */
static void what_lives_is_fenced_not_refused(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e9", "10.1.0.2");
	struct ov_endpoint twin = box_endpoint("e8", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	assert_int_equal(b->ops->put(b, "n1", &ep, false, &err), -EADDRINUSE);
	err.msg[0] = '\0';
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(b->ops->put(b, "n1", &ep, true, &err), 0);
		assert_string_equal(err.msg, "");
	}
	assert_int_equal(b->ops->put(b, "n1", &twin, true, &err), 0);
	box_view_gets(
		b, "n1",
		(struct box_want){ .hosts = 1, .endpoints = 1, .fenced = 2 });
	assert_true(box_says(b, "cut off: address 10.1.0.2 is endpoint e1's"));
	assert_int_equal(b->ops->put(b, "n1", &ep, false, &err), -EADDRINUSE);
	assert_int_equal(b->ops->del(b, "n1", "e8", NULL), 0);
	/* It is free again. */
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1 });
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_host_close(a);
	box_host_close(b);
}

static void a_network_that_is_ours_again_is_told(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e2", "10.1.0.3");
	struct ov_dir *a;
	uint64_t serial;
	char text[128];

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	snprintf(text, sizeof(text),
		 "{\"pool4\":\"10.1.0.0/16\",\"vni\":%u,\"encrypt\":true}",
		 box_joined(a, net));
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_raw_put("net/n.shop", text);
	assert_int_equal(etcd_lease_revoke(box()->raw, box_lease_of("a"), NULL),
			 0);
	box_view_gets(a, "n1", (struct box_want){ .fenced = 1 });
	assert_int_equal(a->ops->put(a, "n1", &ep, false, NULL), -EEXIST);
	assert_int_equal(a->ops->put(a, "n1", &ep, true, NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ .fenced = 2 });
	serial = serial_of(a, "n1");
	strcpy(strstr(text, ",\"encrypt\""), "}");
	box_raw_put("net/n.shop", text);
	box_view_gets(a, "n1", (struct box_want){ 0 });
	assert_true(serial_of(a, "n1") > serial);
	box_keys_get("node/a/ep/", 2);
	box_host_close(a);
}

/* Is one lease enough for host @node to tell 4,000 endpoints?  Nobody else has its
 * network, 10.@net.0.0/16. */
static bool is_told_with_one_lease(const char *node, unsigned int net_id)
{
	enum { MANY = 4000 };
	char id[16], addr[16], pool[24], name[16], keys[32];
	struct ov_network net;
	struct timespec start;
	struct ov_dir *a;
	uint64_t lease;
	bool same;

	snprintf(pool, sizeof(pool), "10.%u.0.0/16", net_id);
	snprintf(name, sizeof(name), "shop%u", net_id);
	snprintf(keys, sizeof(keys), "node/%s/ep/", node);
	net = box_network("n1", name, pool);
	a = box_host(node, "192.0.2.1");
	box_joined(a, net);
	etcd_stop();
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		snprintf(addr, sizeof(addr), "10.%u.%u.%u", net_id, 1 + i / 250,
			 1 + i % 250);
		box_has_put(a, "n1", box_endpoint(id, addr));
	}
	kill(box()->one.pid[0], SIGCONT);
	while (box_keys(keys) == 0)
		poll(NULL, 0, 20);
	lease = box_lease_of(node);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (box_keys(keys) < MANY) {
		if (test_ms_since(&start) > 120000)
			fail_msg("%zu told", box_keys(keys));
		poll(NULL, 0, 50);
	}
	same = lease && box_lease_of(node) == lease;
	box_host_close(a);
	return same;
}

/* Whoever has much to tell keeps its lease of 2 s meanwhile.  A machine that does not
 * let it run for so long takes it away once, but not three times. */
static void much_to_tell_keeps_the_lease(void **state)
{
	bool kept = false;

	BOX_OR_SKIP();
	for (unsigned int i = 0; i < 3 && !kept; i++)
		kept = is_told_with_one_lease(
			(const char *[]){ "a", "b", "c" }[i], 1 + i);
	assert_true(kept);
}

/* What an earlier life left is named by its id, or by who has its address next. */
static void what_an_earlier_life_left_is_taken_back(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint next = box_endpoint("e3", "10.1.0.3");
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_host_close(a);
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	assert_int_equal(box_keys("node/a/ep/"), 1);
	assert_int_equal(box_keys("addr/") + box_keys("mac/"), 2);
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	assert_int_equal(a->ops->del(a, "n1", "../e2", NULL), 0);
	next.mac.bytes[5] ^= 1;
	box_has_put(a, "n1", next);
	assert_int_equal(box_keys("node/a/ep/"), 1);
	assert_int_equal(box_keys("addr/") + box_keys("mac/"), 2);
	box_host_close(a);
}

struct putter {
	struct ov_dir *dir;
	pthread_t thread;
};

static void *putter_run(void *arg)
{
	struct putter *p = arg;
	struct ov_endpoint ep = box_endpoint("e1", "10.1.0.2");

	(void)p->dir->ops->put(p->dir, "n1", &ep, false, NULL);
	return NULL;
}

/* A request waits for etcd; who tells this host's address waits for neither. */
static void an_address_is_told_without_waiting(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ip_addr moved = box_addr("192.0.2.9");
	struct putter p = { 0 };
	struct timespec start;
	struct ov_dir *b;

	BOX_OR_SKIP();
	p.dir = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(p.dir, net);
	box_joined(b, net);
	etcd_stop();
	pthread_create(&p.thread, NULL, putter_run, &p);
	poll(NULL, 0, 200);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_int_equal(cluster_host_set(p.dir, &moved, "key", NULL), 0);
	assert_in_range(test_ms_since(&start), 0, 300);
	pthread_join(p.thread, NULL);
	kill(box()->one.pid[0], SIGCONT);
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .vtep = "192.0.2.9" });
	box_host_close(p.dir);
	box_host_close(b);
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
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		box_raw_put(bad[i][0], bad[i][1]);
	box_view_gets(a, "n1",
		      (struct box_want){ .hosts = 1, .vtep = "192.0.2.3" });
	assert_true(box_says(a, "5 records of host c are not"));
	/* Without a word to the watch: seen when records are counted. */
	box_raw_put(
		"node/c/ep/n.shop/e7",
		"{\"node\":\"c\",\"id\":\"e7\",\"mac\":\"02:42:0a:01:00:07\","
		"\"addr4\":\"10.1.0.7\"}");
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	/* It says that it is where we are. */
	box_raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.1\"}");
	box_raw_put("member/n.shop/c", "");
	box_view_gets(a, "n1", (struct box_want){ 0 });
	assert_true(box_says(a, "this host's address"));
	box_host_close(a);
}

/* Of two that say one MAC or address the older is shown: the other was forged. */
static void of_two_the_older_is_shown(void **state)
{
	static const char *const forged[][2] = {
		{ "node/c/ep/n.shop/e1",
		  "{\"node\":\"c\",\"id\":\"e1\",\"mac\":\"02:42:0a:01:00:99\","
		  "\"addr4\":\"10.1.0.2\"}" },
		{ "node/c/ep/n.shop/e2",
		  "{\"node\":\"c\",\"id\":\"e2\",\"mac\":\"02:42:0a:01:00:02\","
		  "\"addr4\":\"10.1.0.99\"}" },
		{ "node/c/ep/n.shop/e3",
		  "{\"node\":\"c\",\"id\":\"e3\",\"mac\":\"02:42:0a:01:00:98\","
		  "\"addr4\":\"10.1.0.98\"}" },
		{ "node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.3\"}" },
		{ "member/n.shop/c", "" },
	};
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e1", "10.1.0.2");
	struct ov_view v = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", ep);
	for (size_t i = 0; i < ARRAY_SIZE(forged); i++)
		box_raw_put(forged[i][0], forged[i][1]);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 2, .endpoints = 2 });
	assert_true(box_says(b, "2 endpoints of other hosts have an address"));
	assert_int_equal(b->ops->view(b, "n1", &v, NULL), 0);
	for (size_t i = 0; i < v.endpoint_count; i++)
		assert_string_equal(v.endpoints[i].node,
				    strcmp(v.endpoints[i].id, "e1") ? "c"
								    : "a");
	ov_view_free(&v);
	/* When the older is gone there is no quarrel. */
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 2, .endpoints = 3 });
	assert_false(box_says(b, "ignored"));
	box_host_close(a);
	box_host_close(b);
}

/* One host with records that no answer holds does not stop what others say. */
static void one_too_big_stops_nobody(void **state)
{
	enum { BIG = 1000000, MANY = 10 };
	_cleanup_free_ char *big = malloc(BIG + 1);
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *a, *b;
	char key[64];

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	memset(big, ' ', BIG);
	big[BIG] = '\0';
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(key, sizeof(key), "node/c/ep/n.shop/e%u", i);
		box_raw_put(key, big);
	}
	box_raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.3\"}");
	box_raw_put("member/n.shop/c", "");
	box_view_gets(b, "n1", (struct box_want){ .hosts = 2 });
	assert_true(box_says(b, "all 10 are ignored"));
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 2, .endpoints = 1 });
	assert_false(box_says(b, "has not answered"));
	box_host_close(a);
	box_host_close(b);
}

/* Keys that end in 0 .. @count - 1, in few transactions. */
static void raw_many(const char *below, const char *value, unsigned int count)
{
	struct etcd_txn *t = NULL;
	struct etcd_result res = { 0 };
	char key[128], text[160];

	for (unsigned int i = 0; i < count; i++) {
		if (!t)
			t = etcd_txn_new();
		snprintf(key, sizeof(key), "/berth/%s/%s%u", box()->cluster,
			 below, i);
		snprintf(text, sizeof(text),
			 "%s%u\",\"mac\":"
			 "\"02:00:00:00:%02x:%02x\"}",
			 value, i, i >> 8, i & 255);
		etcd_txn_put(t, key, *value ? text : "", 0);
		if (i + 1 < count && (i + 1) % ETCD_OPS_MAX != 0)
			continue;
		assert_int_equal(etcd_txn_run(box()->raw, t, true, &res, NULL),
				 0);
		etcd_result_clear(&res);
		etcd_txn_free(take_ptr(t));
	}
}

static void no_more_than_so_many_are_read(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	raw_many("node/c/ep/n.shop/e", "{\"node\":\"c\",\"id\":\"e", 4100);
	box_raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.3\"}");
	box_raw_put("member/n.shop/c", "");
	box_view_gets(a, "n1",
		      (struct box_want){ .hosts = 1, .endpoints = 4096 });
	assert_true(box_says(a, "host c has 4100 endpoints"));
	raw_many("member/n.shop/x", "", 1030);
	box_comes_to_say(a, "hosts are more than the 1024");
	box_host_close(a);
}

/* Whoever asks for a network has its answer before dockerd gives up, however many
 * members are mute. */
static void many_mute_members_are_soon_given_up(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct cluster_config cfg = { .at.node = "a",
				      .at.machine = "a",
				      .at.etcd.timeout_ms = 1000 };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct timespec start;
	struct ov_dir *a;

	(void)state;
	assert_int_equal(bind(fd, (void *)&at, len), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (void *)&at, &len), 0);
	for (size_t i = 0; i < ETCD_MEMBERS_MAX; i++)
		snprintf(cfg.at.etcd.member[i], ETCD_MEMBER_LEN, "127.0.0.1:%u",
			 ntohs(at.sin_port));
	cfg.at.etcd.member_count = ETCD_MEMBERS_MAX;
	cfg.vtep = box_addr("192.0.2.1");
	assert_int_equal(cluster_open(&cfg, &a, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_true(a->ops->join(a, &net, NULL) < 0);
	assert_in_range(test_ms_since(&start), 0, 12000);
	box_host_close(a);
}

static void two_machines_of_one_name(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host_at(&box()->one, "a", "m1", "192.0.2.1");
	box_joined(a, net);
	b = box_host_at(&box()->one, "a", "m2", "192.0.2.2");
	assert_int_equal(b->ops->join(b, &net, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "--node"));
	box_comes_to_say(b, "another machine (at 192.0.2.1)");
	box_host_close(b);
	box_host_close(a);
}

/* F075 */
static void another_etcd_is_not_believed(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e2", "10.1.0.3");
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct err err = { 0 };
	struct ov_dir *a, *b;
	char data[96];

	BOX_OR_SKIP();
	etcd_servers_start(&s, 1, "http", NULL);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	a = box_host_at(&s, "a", "a", "192.0.2.1");
	b = box_host_at(&s, "b", "b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	etcd_servers_kill(&s, 0);
	snprintf(data, sizeof(data), "%s/0", s.dir);
	test_rmdir(data); /* all is lost */
	etcd_servers_again(&s, 0, "http", NULL);
	box_comes_to_say(a, "nothing is written until");
	box_comes_to_say(b, "nothing is written until");
	assert_true(box_view_is(b, "n1",
				&(struct box_want){ .hosts = 1,
						    .endpoints = 1,
						    .stale = true }));
	assert_int_equal(a->ops->put(a, "n1", &ep, false, &err), -ESTALE);
	assert_int_equal(cluster_adopt(a, NULL), 1);
	assert_int_equal(cluster_adopt(b, NULL), 1);
	assert_int_equal(cluster_adopt(b, NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_has_put(a, "n1", ep);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	box_host_close(a);
	box_host_close(b);
	etcd_servers_stop(&s);
}

/* F072: the member that all are with stops, and with it perhaps the leader. */
static void a_member_that_stops_is_left(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	box()->relist_s = 60; /* the watch alone tells */
	etcd_servers_start(&s, 3, "http", NULL);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	a = box_host_at(&s, "a", "a", "192.0.2.1");
	b = box_host_at(&s, "b", "b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	kill(s.pid[0], SIGSTOP);
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	kill(s.pid[0], SIGCONT);
	box_host_close(a);
	box_host_close(b);
	etcd_servers_stop(&s);
}

/* F086: deletes go on when nothing can be written. */
static void full_still_takes_back(void **state)
{
	static const char *const extra[] = { "--quota-backend-bytes", "300000",
					     NULL };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	_cleanup_(etcd_closep) struct etcd *e = NULL;
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_servers s;
	struct etcd_config cfg = { 0 };
	struct etcd_result res = { 0 };
	struct ov_dir *a, *b;
	char big[20001];
	clock_t used;
	int r = 0;

	BOX_OR_SKIP();
	etcd_servers_start(&s, 1, "http", extra);
	etcd_servers_config(&s, &cfg);
	etcd_servers_ready(&cfg);
	a = box_host_at(&s, "a", "a", "192.0.2.1");
	b = box_host_at(&s, "b", "b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	etcd_txn_put(t, "fill", big, 0);
	assert_int_equal(etcd_open(&cfg, &e, NULL), 0);
	for (unsigned int i = 0; r == 0 && i < 100; i++) {
		r = etcd_txn_run(e, t, true, &res, NULL);
		etcd_result_clear(&res);
	}
	assert_int_equal(r, -ENOSPC);
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3")); /* kept in mind */
	box_comes_to_say(a, "alarm NOSPACE");
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1 });
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ 0 }); /* it goes on reading */
	assert_true(box_says(a, "alarm NOSPACE"));
	/* One that gets no lease does not ask for it all the time. */
	box_host_close(b);
	b = box_host_at(&s, "d", "d", "192.0.2.4");
	box_comes_to_say(b, "alarm NOSPACE");
	used = clock();
	poll(NULL, 0, 1000);
	assert_true(clock() - used < CLOCKS_PER_SEC / 2);
	box_host_close(a);
	box_host_close(b);
	etcd_servers_stop(&s);
}

/* A host's life, as another process: "life" CLUSTER PORT.  What fails is tried again,
 * as Docker would. */
static int life(char **argv)
{
	struct etcd_servers s = { .n = 1, .port = (unsigned int)atoi(argv[1]) };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint e1 = box_endpoint("e1", "10.1.0.2");
	struct ov_dir *a;
	int r = -1;

	snprintf(box()->cluster, sizeof(box()->cluster), "%s", argv[0]);
	box()->relist_s = 1;
	a = box_host_at(&s, "a", "a", "192.0.2.1");
	for (unsigned int i = 0; r < 0 && i < 3; i++)
		r = a->ops->join(a, &net, NULL);
	for (unsigned int i = 0; r < 0 || i == 0; i++)
		r = i < 3 ? a->ops->put(a, "n1", &e1, false, NULL) : 1;
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

	snprintf(port, sizeof(port), "%u", box()->one.port);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", plan, 1);
		execl("/proc/self/exe", "test", "life", box()->cluster, port,
		      NULL);
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
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *b;

	BOX_OR_SKIP();
	b = box_host("b", "192.0.2.2");
	if (!strstr(row->plan, "net"))
		box_joined(b, net); /* then it is not the last */
	assert_int_equal(life_of(row->plan), row->end);
	assert_int_equal(life_of(""), 0);
	box_joined(b, net);
	assert_int_equal(box_keys("member/"), 1);
	assert_int_equal(box_keys("addr/") + box_keys("mac/"), 0);
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	assert_int_equal(box_keys(""), 2); /* the hosts themselves */
	box_host_close(b);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest by_hand[] = {
		BY_HAND(a_dead_host_goes_and_a_quick_one_stays),
		BY_HAND(etcd_away_is_waited_for),
		BY_HAND(what_another_has_by_now_is_fenced),
		BY_HAND(what_lives_is_fenced_not_refused),
		BY_HAND(a_network_that_is_ours_again_is_told),
		BY_HAND(much_to_tell_keeps_the_lease),
		BY_HAND(what_an_earlier_life_left_is_taken_back),
		BY_HAND(an_address_is_told_without_waiting),
		BY_HAND(what_no_host_writes_is_ignored),
		BY_HAND(of_two_the_older_is_shown),
		BY_HAND(one_too_big_stops_nobody),
		BY_HAND(no_more_than_so_many_are_read),
		BY_HAND(many_mute_members_are_soon_given_up),
		BY_HAND(two_machines_of_one_name),
		BY_HAND(another_etcd_is_not_believed),
		BY_HAND(a_member_that_stops_is_left),
		BY_HAND(full_still_takes_back),
	};
	struct CMUnitTest tests[ARRAY_SIZE(step_rows) + ARRAY_SIZE(by_hand)];
	size_t n = 0;

	if (argc == 4 && !strcmp(argv[1], "life"))
		return life(argv + 2);
	n += TEST_ROWS(tests + n, step_rows, step_row);
	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++)
		tests[n++] = by_hand[i];
	for (size_t i = 0; i < n; i++)
		tests[i].setup_func = box_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
