/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_dp_threads.c - many callers at once, events in between, the firewall
 * flushed now and then: all that was told is there, then nothing is.
 */
#include "dataplane/test/dp_test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/base.h"

#define THREADS 8
#define ROUNDS  25

static struct dp *dp;
static atomic_bool done;

struct worker {
	pthread_t thread;
	int n;
	struct err err;
	int failed;
};

static void make_links(void)
{
	FILE *f = popen("ip -batch -", "w");

	assert_non_null(f);
	for (int n = 1; n <= THREADS; n++) {
		fprintf(f, "link add n%d type bridge\n", n);
		for (int i = 0; i < ROUNDS; i++)
			fprintf(f,
				"link add e%d-%d type veth peer name c%d-%d\n",
				n, i, n, i);
	}
	assert_int_equal(pclose(f), 0);
}

/* One endpoint's life, over and over, on a network of its own. */
static int life(struct worker *w, int round)
{
	char net[8], ep[16], ip4[16];
	struct dp_network n;
	struct dp_port p;
	struct dp_publish pub;
	int r;

	snprintf(net, sizeof(net), "n%d", w->n);
	snprintf(ep, sizeof(ep), "e%d-%d", w->n, round);
	snprintf(ip4, sizeof(ip4), "10.0.%d.2", w->n);
	n = network(net, net, w->n);
	p = port(net, ep, ep, ip4, "");
	pub = publish(net, ep, ip4, "");
	for (int i = 0; i < 3; i++)
		want(&pub.ports, "", IPPROTO_TCP, 0, 0, 80 + 2 * i);
	r = dp_network_add(dp, &n, &w->err);
	r = r < 0 ? r : dp_port_add(dp, &p, &w->err);
	r = r < 0 ? r : dp_publish_add(dp, &pub, &w->err);
	r = r < 0 ? r : dp_publish_del(dp, ep, &w->err);
	r = r < 0 ? r : dp_port_del(dp, ep, &w->err);
	if (round % 5 == 4)
		r = r < 0 ? r : dp_network_del(dp, net, &w->err);
	portmap_free(&pub.ports);
	return r;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < ROUNDS && !w->failed; i++)
		w->failed = life(w, i);
	return NULL;
}

static void *watch(void *arg)
{
	struct worker *w = arg;

	while (!done) {
		if (dp_event(dp, &w->err) < 0 ||
		    dp_check(dp, NULL, NULL, &w->err) < 0)
			w->failed = 1;
		usleep(1000);
	}
	return NULL;
}

static void everybody_at_once(void **state)
{
	struct worker w[THREADS + 1] = { 0 };
	struct err err = { "" };

	(void)state;
	dp = open_dp();
	pthread_create(&w[THREADS].thread, NULL, watch, &w[THREADS]);
	for (int i = 0; i < THREADS; i++) {
		w[i].n = i + 1;
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(system("nft flush ruleset"), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	done = true;
	pthread_join(w[THREADS].thread, NULL);
	for (int i = 0; i <= THREADS; i++) {
		if (w[i].failed)
			fail_msg("thread %d: %s", i, w[i].err.msg);
	}
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	dp_close(dp);
	sh("nft list ruleset");
	assert_string_equal(out, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everybody_at_once),
	};
	int failed;

	if (!dp_test_host())
		return 0;
	make_links();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
