// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory in etcd: networks, endpoints, and what a daemon is told. */
#include "netplugins/overlay/cluster_test.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

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
	struct ov_network shop = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_network net = box_network("n2", row->net, row->pool4);
	struct err err = { 0 };
	struct ov_dir *a, *b;
	int r;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	shop.vni = 77;
	assert_int_equal(box_joined(a, shop), 77);
	net.pool6 = box_pool(row->pool6);
	net.vni = row->vni;
	net.encrypt = row->encrypt;
	r = b->ops->join(b, &net, &err);
	if (r != row->want)
		fail_msg("%d (%s), not %d", r, err.msg, row->want);
	assert_non_null(strstr(err.msg, row->msg));
	if (r == 0 && !strcmp(row->net, "shop"))
		assert_int_equal(net.vni, 77);
	/* Refused is not half there. */
	assert_int_equal(box_keys("net/"),
			 r == 0 && strcmp(row->net, "shop") ? 2 : 1);
	assert_int_equal(box_keys("vni/"), box_keys("net/"));
	assert_int_equal(b->ops->join(b, &net, &err), row->want);
	box_host_close(a);
	box_host_close(b);
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
		r[i].dir = box_host(node, vtep);
	}
	box_keys_get("node/", RACERS); /* they have their leases */
}

static void racers_close(struct racer *r)
{
	for (unsigned int i = 0; i < RACERS; i++)
		box_host_close(r[i].dir);
}

/* F076 */
static void one_network_of_many_at_once(void **state)
{
	struct racer r[RACERS] = { 0 };

	BOX_OR_SKIP();
	racers_open(r);
	for (unsigned int i = 0; i < RACERS; i++)
		r[i].net = box_network("n1", "shop", "10.1.0.0/16");
	race(r, race_join);
	for (unsigned int i = 0; i < RACERS; i++) {
		assert_int_equal(r[i].r, 0);
		assert_int_equal(r[i].net.vni, r[0].net.vni);
	}
	assert_int_equal(box_keys("net/"), 1);
	assert_int_equal(box_keys("vni/"), 1);
	assert_int_equal(box_keys("member/"), RACERS);
	/* All leave at once: one of them is the last. */
	race(r, race_leave);
	box_keys_get("net/", 0);
	assert_int_equal(box_keys("vni/"), 0);
	assert_int_equal(box_keys("sub4/"), 0);
	assert_int_equal(box_keys("member/"), 0);
	assert_int_equal(box_keys(""), RACERS); /* the hosts themselves */
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
		r[i].net = box_network("n1", name,
				       i % 2 ? "10.1.128.0/17" : "10.1.0.0/16");
	}
	race(r, race_join);
	for (unsigned int i = 0; i < RACERS; i++)
		if (r[i].r == 0)
			ok++;
		else
			assert_int_equal(r[i].r, -EEXIST);
	assert_int_equal(ok, 1);
	assert_int_equal(box_keys("net/"), 1);
	racers_close(r);
}

static void endpoints_come_and_go(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ip_addr moved = box_addr("192.0.2.9");
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	box()->relist_s = 60; /* the watch alone tells */
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	assert_int_equal(box_joined(a, net), box_joined(b, net));
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	box_has_put(a, "n1",
		    box_endpoint("e1", "10.1.0.2")); /* twice is once */
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .vtep = "192.0.2.1" });
	box_view_gets(a, "n1",
		      (struct box_want){ .hosts = 1, .vtep = "192.0.2.2" });
	/* F080 */
	assert_int_equal(cluster_host_set(a, &moved, "key", NULL, NULL), 0);
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1,
					 .endpoints = 1,
					 .vtep = "192.0.2.9" });
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1 });
	assert_int_equal(box_keys("addr/"), 0);
	assert_int_equal(box_keys("mac/"), 0);
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	assert_int_equal(a->ops->leave(a, "n1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ 0 });
	assert_int_equal(box_keys("net/"), 1);
	assert_int_equal(box_keys("addr/"), 0);
	assert_int_equal(a->ops->leave(a, "n1", NULL), 0);
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	assert_int_equal(box_keys(""), 2);
	box_host_close(a);
	box_host_close(b);
}

/* Of the first host that @d sees. */
static int64_t since(struct ov_dir *d)
{
	struct ov_view v = { 0 };
	int64_t r;

	assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
	assert_int_equal(v.host_count, 1);
	r = v.hosts[0].since;
	ov_view_free(&v);
	return r;
}

static bool key_is(struct ov_dir *d, const char *key)
{
	struct ov_view v = { 0 };
	bool is;

	assert_int_equal(d->ops->view(d, "n1", &v, NULL), 0);
	is = v.host_count == 1 && !strcmp(v.hosts[0].key, key);
	ov_view_free(&v);
	return is;
}

static void comes_to_say_key(struct ov_dir *by, struct ov_dir *d,
			     const char *vtep, const char *key)
{
	struct ip_addr at = box_addr(vtep);
	struct timespec start;

	assert_int_equal(cluster_host_set(d, &at, key, NULL, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!key_is(by, key)) {
		assert_in_range(test_ms_since(&start), 0, 30000);
		poll(NULL, 0, 20);
	}
}

static struct ov_host host_of(struct ov_dir *by)
{
	struct ov_view v = { 0 };
	struct ov_host h;

	assert_int_equal(by->ops->view(by, "n1", &v, NULL), 0);
	assert_int_equal(v.host_count, 1);
	h = v.hosts[0];
	ov_view_free(&v);
	return h;
}

static int64_t next_since(struct ov_dir *by)
{
	return host_of(by).next_since;
}

static void comes_to_say_next(struct ov_dir *by, const char *next)
{
	struct timespec start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (strcmp(host_of(by).next, next) != 0) {
		assert_in_range(test_ms_since(&start), 0, 30000);
		poll(NULL, 0, 20);
	}
}

/* Whoever takes another's key says it later than that one, though it was there first;
 * who moves has had its key all the time. */
static void a_key_is_as_old_as_it_is_said(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	int64_t first, then;
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1 });
	comes_to_say_key(b, a, "192.0.2.1", "one");
	first = since(b);
	comes_to_say_key(b, a, "192.0.2.1", "another");
	then = since(b);
	assert_true(then > first);
	assert_int_equal(
		cluster_host_set(a, (struct ip_addr[]){ box_addr("192.0.2.9") },
				 "another", NULL, NULL),
		0);
	box_view_gets(b, "n1",
		      (struct box_want){ .hosts = 1, .vtep = "192.0.2.9" });
	assert_int_equal(since(b), then);
	/* one that was said before it is had is as old as that */
	assert_int_equal(
		cluster_host_set(a, (struct ip_addr[]){ box_addr("192.0.2.9") },
				 "another", "third", NULL),
		0);
	comes_to_say_next(b, "third");
	assert_int_equal(since(b), then);
	then = next_since(b);
	assert_true(then > since(b));
	comes_to_say_key(b, a, "192.0.2.9", "third");
	assert_int_equal(since(b), then);
	comes_to_say_next(b, "");
	box_host_close(a);
	box_host_close(b);
}

static void no_address_is_twice(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e2", "10.1.0.2");
	struct err err = { 0 };
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	assert_int_equal(b->ops->put(b, "n1", &ep, false, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "10.1.0.2 is endpoint e1's on host a"));
	ep.addr4 = box_addr("10.1.0.3"); /* the MAC is still the other's */
	assert_int_equal(b->ops->put(b, "n1", &ep, false, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "MAC"));
	assert_int_equal(a->ops->put(a, "n1", &ep, false, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "on this host"));
	/* Refused leaves nothing. */
	assert_int_equal(box_keys("addr/"), 1);
	assert_int_equal(box_keys("mac/"), 1);
	assert_int_equal(box_keys("node/b/ep/"), 0);
	box_host_close(a);
	box_host_close(b);
}

/* What is cut off waits for who has its address, not for the next list. */
static void what_is_free_again_is_told_at_once(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e2", "10.1.0.2");
	struct ov_dir *a, *b;

	BOX_OR_SKIP();
	box()->relist_s = 60;
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
	assert_int_equal(b->ops->put(b, "n1", &ep, true, NULL), 0);
	box_view_gets(
		b, "n1",
		(struct box_want){ .hosts = 1, .endpoints = 1, .fenced = 1 });
	assert_int_equal(a->ops->del(a, "n1", "e1", NULL), 0);
	box_view_gets(b, "n1", (struct box_want){ .hosts = 1 });
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_host_close(a);
	box_host_close(b);
}

#define PORTS_MAX 64

/* The ports of this host's connections to etcd. */
static size_t connections(unsigned int ports[PORTS_MAX])
{
	FILE *f = fopen("/proc/self/net/tcp", "re");
	unsigned int from, to, tcp_state;
	char line[256];
	size_t n = 0;

	assert_non_null(f);
	while (n < PORTS_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, " %*d: %*x:%x %*x:%x %x", &from, &to,
			   &tcp_state) == 3 &&
		    to == box()->one.port && tcp_state == 1)
			ports[n++] = from;
	assert_int_equal(fclose(f), 0);
	return n;
}

static size_t still_there(const unsigned int *was, size_t count)
{
	unsigned int now[PORTS_MAX];
	size_t n = connections(now), both = 0;

	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < n; k++)
			both += was[i] == now[k];
	return both;
}

/* Nothing comes back by what another address was the end of: two connections for calls,
 * and the watch. */
static void with_another_address_connections_are_new(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ip_addr moved = box_addr("192.0.2.9");
	unsigned int was[PORTS_MAX];
	struct timespec start;
	struct ov_dir *a, *b;
	size_t n, others;

	BOX_OR_SKIP();
	box()->relist_s = 60;
	box_keys(""); /* the test's own connection is there */
	others = connections(was);
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while ((n = connections(was)) != others + 3) {
		assert_in_range(test_ms_since(&start), 0, 30000);
		poll(NULL, 0, 20);
	}
	assert_int_equal(cluster_host_set(a, &moved, NULL, NULL, NULL), 0);
	b = box_host("b", "192.0.2.2");
	box_joined(b, net);
	box_has_put(b, "n1", box_endpoint("e1", "10.1.0.2"));
	box_view_gets(a, "n1", (struct box_want){ .hosts = 1, .endpoints = 1 });
	box_has_put(a, "n1", box_endpoint("e2", "10.1.0.3"));
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (still_there(was, n) != others) {
		assert_in_range(test_ms_since(&start), 0, 30000);
		poll(NULL, 0, 20);
	}
	box_host_close(b);
	box_host_close(a);
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
	struct cluster_config cfg = { .at.name = row->cluster,
				      .at.node = row->node };
	struct ov_dir *d = NULL;
	struct err err = { 0 };

	assert_int_equal(cluster_open(&cfg, &d, &err), -EINVAL);
	assert_non_null(strstr(err.msg, row->msg));
	assert_null(d);
}

int main(void)
{
	static const struct CMUnitTest by_hand[] = {
		BY_HAND(one_network_of_many_at_once),
		BY_HAND(subnets_never_overlap),
		BY_HAND(endpoints_come_and_go),
		BY_HAND(a_key_is_as_old_as_it_is_said),
		BY_HAND(no_address_is_twice),
		BY_HAND(what_is_free_again_is_told_at_once),
		BY_HAND(with_another_address_connections_are_new),
	};
	struct CMUnitTest tests[ARRAY_SIZE(join_rows) +
				ARRAY_SIZE(config_rows) + ARRAY_SIZE(by_hand)];
	size_t n = 0;

	n += TEST_ROWS(tests + n, config_rows, config_row);
	n += TEST_ROWS(tests + n, join_rows, join_row);
	for (size_t i = 0; i < ARRAY_SIZE(by_hand); i++)
		tests[n++] = by_hand[i];
	for (size_t i = 0; i < n; i++)
		tests[i].setup_func = box_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
