/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Etcd away, half away, full, or another one. */
#include "netplugins/overlay/cluster_test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

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
	box_etcd_stop();
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

/* One that was cut off in an earlier life stays so until etcd says that it may be told. */
static void what_was_cut_off_waits_for_etcd(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint cut = box_endpoint("e1", "10.1.0.2");
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host("a", "192.0.2.1");
	net.vni = box_joined(a, net);
	net.known = true;
	box_host_close(a);
	box_etcd_stop();
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	cut.cut = true;
	assert_int_equal(a->ops->put(a, "n1", &cut, true, NULL), 0);
	cut = box_endpoint("e2", "10.1.0.3");
	assert_int_equal(a->ops->put(a, "n1", &cut, true, NULL), 0);
	box_view_gets(a, "n1", (struct box_want){ .fenced = 1, .stale = true });
	assert_true(box_says(a, "endpoint e1 of network n1 is cut off: as "
				"before: "));
	kill(box()->one.pid[0], SIGCONT);
	box_view_gets(a, "n1", (struct box_want){ 0 });
	box_keys_get("node/a/ep/", 2);
	box_host_close(a);
}

static const struct anew_row {
	const char *pool;
	bool encrypt;
	uint32_t vni;
	const char *says; /* NULL: it is the same network */
} anew_rows[] = {
	{ "10.2.0.0/16", true, 0, "the IPv4 subnet" },
	{ "10.1.0.0/16", false, 0, "berth.encrypt" },
	{ "10.1.0.0/16", true, 77, "the VNI" },
	{ "10.1.0.0/16", true, 0, NULL },
};

/* What is made anew of a name that etcd has not heard of as left is that network, or
 * waits. */
static void one_made_anew_while_etcd_is_away_is_the_same(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *a, *b;
	struct timespec start;
	struct err err;
	int r;

	BOX_OR_SKIP();
	net.encrypt = true;
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	net.vni = box_joined(a, net);
	box_joined(b, net);
	box_etcd_stop();
	assert_int_equal(a->ops->leave(a, "n1", NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(anew_rows); i++) {
		const struct anew_row *row = &anew_rows[i];
		struct ov_network anew = box_network("n2", "shop", row->pool);

		err = (struct err){ 0 };
		anew.encrypt = row->encrypt;
		anew.vni = row->vni;
		r = a->ops->join(a, &anew, &err);
		assert_int_equal(r, row->says ? -EAGAIN : 0);
		assert_true(!row->says || strstr(err.msg, row->says));
		assert_true(row->says || anew.vni == net.vni);
	}
	assert_int_equal(a->ops->leave(a, "n2", NULL), 0);
	kill(box()->one.pid[0], SIGCONT);
	clock_gettime(CLOCK_MONOTONIC, &start);
	/* It is b's still: refused now by what is there, as ever. */
	net.encrypt = false;
	while ((r = a->ops->join(a, &net, &err)) == -EAGAIN &&
	       test_ms_since(&start) < 8000)
		poll(NULL, 0, 50);
	assert_int_equal(r, -EEXIST);
	assert_int_equal(b->ops->leave(b, "n1", NULL), 0);
	net.vni = 77;
	assert_int_equal(box_joined(a, net), 77);
	box_host_close(a);
	box_host_close(b);
}

/* However many members are mute, whoever asks for a network waits for the call that is
 * under way and for its own, and no longer. */
static void many_mute_members_are_soon_given_up(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct cluster_config cfg = { .at.node = "a",
				      .at.machine = "a",
				      .at.etcd.timeout_ms = 1000,
				      .limit_ms = 1000 };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
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
	assert_int_equal(poll(&p, 1, 20000),
			 1); /* the thread's call is under way */
	clock_gettime(CLOCK_MONOTONIC, &start);
	assert_true(a->ops->join(a, &net, NULL) < 0);
	print_message("# answered after %.0f ms\n", test_ms_since(&start));
	assert_in_range(test_ms_since(&start), 0,
			12000); /* 2 s, not 16 and more */
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

int main(void)
{
	struct CMUnitTest tests[] = {
		BY_HAND(etcd_away_is_waited_for),
		BY_HAND(what_was_cut_off_waits_for_etcd),
		BY_HAND(one_made_anew_while_etcd_is_away_is_the_same),
		BY_HAND(many_mute_members_are_soon_given_up),
		BY_HAND(another_etcd_is_not_believed),
		BY_HAND(a_member_that_stops_is_left),
		BY_HAND(full_still_takes_back),
	};

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tests[i].setup_func = box_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
