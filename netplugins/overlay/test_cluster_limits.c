/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is taken of others' records, and how many: etcd's data is not trusted. */
#include "netplugins/overlay/cluster_test.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netplugins/overlay/cluster_priv.h"

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
		{ "node/c/ep/n.shop/e8", "{\"node\":\"c\",\"id\":\"e8\","
					 "\"mac\":\"02:42:0a:01:00:08\","
					 "\"addr4\":\"10.1.0.8\",\"addr6\":"
					 "\"fd00::1\"}" }, /* has no IPv6 */
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
	assert_true(box_says(a, "6 records of host c are not"));
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
	/* Where no wire can go. */
	box_raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.3\"}");
	box_raw_put("member/n.shop/c", "");
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"127.0.0.1\"}");
	box_raw_put("member/n.shop/c", "");
	box_view_gets(a, "n1", (struct box_want){ 0 });
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

#define EP_OF_C(n)                                                             \
	"{\"node\":\"c\",\"id\":\"e" n "\",\"mac\":\"02:42:0a:01:00:0" n "\"," \
	"\"addr4\":\"10.1.0." n "\"}"

/* Its endpoints in a view are those, "e1 e3 ", in order of their names. */
static void of_c_are(struct ov_dir *d, const char *want)
{
	char got[64] = "", id[8];
	struct ov_view v = { 0 };

	assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
	for (char n = '1'; n <= '9'; n++)
		for (size_t i = 0; i < v.endpoint_count; i++) {
			snprintf(id, sizeof(id), "e%c", n);
			if (strcmp(v.endpoints[i].id, id) == 0)
				strcat(strcat(got, id), " ");
		}
	ov_view_free(&v);
	assert_string_equal(got, want);
}

/* Who went is told by name, or not at all: then all of the host is read. */
static void who_went_is_not_there(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *b;

	BOX_OR_SKIP();
	box()->relist_s = 600;
	b = box_host("b", "192.0.2.2");
	box_joined(b, net);
	box_raw_put("node/c/host", "{\"node\":\"c\",\"vtep\":\"192.0.2.3\"}");
	box_raw_put("node/c/ep/n.shop/e1", EP_OF_C("1"));
	box_raw_put("node/c/ep/n.shop/e2", EP_OF_C("2"));
	box_raw_put("node/c/ep/n.shop/e3", EP_OF_C("3"));
	box_raw_put("member/n.shop/c", "");
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 3 });
	box_raw_del("node/c/ep/n.shop/e2");
	box_raw_put("node/c/net/n.shop", "e9 e2");
	box_raw_put("member/n.shop/c", "");
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 2 });
	of_c_are(b, "e1 e3 ");
	/* there again, though it is named, and another is not */
	box_raw_put("node/c/ep/n.shop/e2", EP_OF_C("2"));
	box_raw_put("node/c/ep/n.shop/e4", EP_OF_C("4"));
	box_raw_del("node/c/ep/n.shop/e3");
	box_raw_del("node/c/ep/n.shop/e1");
	box_raw_put("node/c/ep/n.shop/e5", EP_OF_C("5"));
	box_raw_put("member/n.shop/c", "");
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1, .endpoints = 3 });
	of_c_are(b, "e2 e4 e5 ");
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

/* Who has no address has nobody else's. */
static void without_an_address_nobody_has_the_same(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	static const struct ip_addr none;
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	assert_int_equal(cluster_host_set(a, &none, NULL, NULL, NULL), 0);
	box_joined(a, net);
	box_raw_put("member/n.shop/c", "");
	b = box_host("b", "192.0.2.2");
	box_joined(b, net);
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1 });
	assert_false(box_says(a, "address is its own"));
	box_host_close(a);
	box_host_close(b);
}

static bool is_partial(struct ov_dir *d)
{
	struct ov_view v;
	bool partial;

	assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
	partial = v.partial;
	ov_view_free(&v);
	return partial;
}

/* The least of five, ms. */
static double view_takes(struct ov_dir *d)
{
	double least = 1e9;

	for (unsigned int i = 0; i < 5; i++) {
		struct ov_view v;
		struct timespec t;

		clock_gettime(CLOCK_MONOTONIC, &t);
		assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
		least = test_ms_since(&t) < least ? test_ms_since(&t) : least;
		assert_int_equal(v.endpoint_count, 5000);
		ov_view_free(&v);
	}
	return least;
}

/* Two thousand of our own make a view of 5000 others no more than a few times dearer. */
static void our_own_cost_a_view_little(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.0.0.0/8");
	struct ov_dir *d;
	struct cluster *c;
	struct cl_net *n;
	double alone, many;
	char a[32];

	BOX_OR_SKIP();
	box()->relist_s = 60; /* the thread keeps off */
	d = box_host("a", "192.0.2.1");
	c = cl_of(d);
	box_joined(d, net);
	while (is_partial(d))
		poll(NULL, 0, 20);
	pthread_mutex_lock(&c->lock);
	n = c->nets;
	free(n->peers);
	n->peers = calloc(1, sizeof(*n->peers));
	n->count = 1;
	strcpy(n->peers[0].node, "b");
	n->peers[0].host.vtep = box_addr("192.0.2.2");
	n->peers[0].eps = calloc(5000, sizeof(*n->peers[0].eps));
	n->peers[0].count = 5000;
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(a, sizeof(a), "10.2.%u.%u", i / 200, i % 200 + 1);
		n->peers[0].eps[i].ep = box_endpoint("y", a);
		n->peers[0].eps[i].create_rev = i + 1;
	}
	pthread_mutex_unlock(&c->lock);
	alone = view_takes(d);
	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < 2000; i++) {
		struct cl_mine *m = calloc(1, sizeof(*m));

		assert_non_null(m);
		snprintf(a, sizeof(a), "10.1.%u.%u", i / 200, i % 200 + 1);
		m->ep = box_endpoint("x", a);
		m->told = true;
		m->next = n->mine;
		n->mine = m;
	}
	pthread_mutex_unlock(&c->lock);
	many = view_takes(d);
	print_message("# a view takes %.1f ms, with 2000 of ours %.1f ms\n",
		      alone, many);
	assert_true(many < 8 * alone);
	box_host_close(d);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		BY_HAND(what_no_host_writes_is_ignored),
		BY_HAND(of_two_the_older_is_shown),
		BY_HAND(who_went_is_not_there),
		BY_HAND(one_too_big_stops_nobody),
		BY_HAND(no_more_than_so_many_are_read),
		BY_HAND(without_an_address_nobody_has_the_same),
		BY_HAND(our_own_cost_a_view_little),
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tests[i].setup_func = box_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
