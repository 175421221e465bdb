// SPDX-License-Identifier: GPL-2.0-or-later
/* Two of one name: machines that were given one node name, and networks that go and are
 * made anew. */
#include "netplugins/overlay/cluster_test.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

/* Whatever lease is held: what is there of another machine is not written over. */
static void whose_record_is_anothers_gives_way(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_endpoint ep = box_endpoint("e2", "10.1.0.3");
	static const char *const records[] = {
		"{\"node\":\"a\",\"machine\":\"m2\",\"vtep\":\"192.0.2.2\"}",
		"{\"node\":\"a\",\"machine\":\"m2\"}",
	};
	struct ov_dir *a;

	BOX_OR_SKIP();
	a = box_host_at(&box()->one, "a", "m1", "192.0.2.1");
	box_joined(a, net);
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		box_has_put(a, "n1", box_endpoint("e1", "10.1.0.2"));
		box_raw_put("node/a/host", records[i]);
		box_raw_put("node/a/ep/n.shop/e9", "");
		box_comes_to_say(a, i ? "another machine (at no address yet)"
				      : "another machine (at 192.0.2.2)");
		assert_int_equal(a->ops->put(a, "n1", &ep, false, NULL),
				 -EEXIST);
		/* Its lease is not kept, and what the other has is left alone. */
		box_keys_get("node/a/ep/n.shop/e1", 0);
		assert_int_equal(box_keys("node/a/ep/n.shop/e9"), 1);
		box_raw_del("node/a/host");
		box_keys_get("node/a/ep/n.shop/e1", 1);
		box_keys_get("node/a/ep/", 1);
		assert_false(box_says(a, "another machine"));
	}
	box_host_close(a);
}

/* Both have looked, and have a lease, before one of them has written: "twins" CLUSTER
 * PORT is told to be that slow.  Return: how many have joined. */
static int twins(char **argv)
{
	struct etcd_servers s = { .n = 1, .port = (unsigned int)atoi(argv[1]) };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *d[2];
	int joined = 0;

	snprintf(box()->cluster, sizeof(box()->cluster), "%s", argv[0]);
	box()->timeout_ms = 4000;
	d[0] = box_host_at(&s, "a", "m1", "192.0.2.1");
	d[1] = box_host_at(&s, "a", "m2", "192.0.2.2");
	for (size_t i = 0; i < 2; i++) {
		struct ov_network n = net;

		joined += d[i]->ops->join(d[i], &n, NULL) == 0;
	}
	for (size_t i = 0; i < 2; i++)
		d[i]->ops->close(d[i]);
	return joined;
}

/* A network is left and made anew while it is listed: "anew" CLUSTER PORT is told to be
 * slow at the end of the list.  Return: the endpoints it is shown after that. */
static int anew(char **argv)
{
	struct etcd_servers s = { .n = 1, .port = (unsigned int)atoi(argv[1]) };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_view v = { .partial = true };
	struct timespec start;
	struct ov_dir *d;

	snprintf(box()->cluster, sizeof(box()->cluster), "%s", argv[0]);
	box()->timeout_ms = 4000;
	box()->relist_s = 60;
	d = box_host_at(&s, "a", "m1", "192.0.2.1");
	box_joined(d, net);
	poll(NULL, 0, 700); /* it is there */
	(void)d->ops->leave(d, "n1", NULL);
	box_joined(d, box_network("n2", "shop", "10.1.0.0/16"));
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (v.partial && test_ms_since(&start) < 8000) {
		ov_view_free(&v);
		poll(NULL, 0, 10);
		assert_int_equal(d->ops->view(d, "n2", &v, NULL), 0);
	}
	d->ops->close(d);
	return v.partial ? 99 : (int)v.endpoint_count;
}

/* Somebody takes the network away, and its making again fails once: "again" CLUSTER PORT.
 * Return: 0: its endpoint is told, long before the next list. */
static int again(char **argv)
{
	struct etcd_servers s = { .n = 1, .port = (unsigned int)atoi(argv[1]) };
	struct ov_endpoint e1 = box_endpoint("e1", "10.1.0.2");
	struct etcd_config cfg = { 0 };
	struct timespec start;
	struct ov_dir *a;
	char vni[16];
	size_t told = 0;

	snprintf(box()->cluster, sizeof(box()->cluster), "%s", argv[0]);
	box()->relist_s = 60;
	box()->timeout_ms = 1000;
	etcd_servers_config(&s, &cfg);
	assert_int_equal(etcd_open(&cfg, &box()->raw, NULL), 0);
	a = box_host_at(&s, "a", "a", "192.0.2.1");
	snprintf(vni, sizeof(vni), "vni/%06x",
		 box_joined(a, box_network("n1", "shop", "10.1.0.0/16")));
	poll(NULL, 0, 500); /* it is listed */
	box_raw_del(vni);
	box_raw_del("sub4/0a010000");
	box_raw_del("net/n.shop");
	(void)a->ops->put(a, "n1", &e1, true, NULL);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!told && test_ms_since(&start) < 8000) {
		poll(NULL, 0, 20);
		told = box_keys("node/a/ep/");
	}
	a->ops->close(a);
	etcd_close(box()->raw);
	return !told;
}

static int child_of(const char *what, const char *plan)
{
	char port[8];
	int status = -1;
	pid_t pid;

	snprintf(port, sizeof(port), "%u", box()->one.port);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", plan, 1);
		execl("/proc/self/exe", "test", what, box()->cluster, port,
		      NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void of_two_that_begin_at_once_one_is(void **state)
{
	BOX_OR_SKIP();
	assert_int_equal(child_of("twins", "cluster.host:sleep=400"), 1);
}

static void a_network_made_anew_is_listed(void **state)
{
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct ov_dir *b;

	BOX_OR_SKIP();
	b = box_host("b", "192.0.2.2");
	box_joined(b, net);
	box_has_put(b, "n1", box_endpoint("e1", "10.1.0.2"));
	assert_int_equal(child_of("anew", "cluster.listed:sleep=2000:nth=1"),
			 1);
	box_host_close(b);
}

static void a_network_that_went_is_told_at_once(void **state)
{
	BOX_OR_SKIP();
	assert_int_equal(child_of("again", "cluster.net:err=EAGAIN:nth=2"), 0);
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[] = {
		BY_HAND(two_machines_of_one_name),
		BY_HAND(whose_record_is_anothers_gives_way),
		BY_HAND(of_two_that_begin_at_once_one_is),
		BY_HAND(a_network_made_anew_is_listed),
		BY_HAND(a_network_that_went_is_told_at_once),
	};

	if (argc == 4 && !strcmp(argv[1], "twins"))
		return twins(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "anew"))
		return anew(argv + 2);
	if (argc == 4 && !strcmp(argv[1], "again"))
		return again(argv + 2);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tests[i].setup_func = box_test_up;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
