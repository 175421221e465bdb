/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the rules are looked at again, and what that costs on a quiet host. */
#include "dataplane/test/dp_test.h"

#include "dataplane/dp_priv.h"

#define NETWORKS 500
#define TICKS    100

static struct err err;

/* An event thread's turn after a second without anything. */
static int tick(struct dp *dp)
{
	int r;

	dp->looked_ms = 0;
	r = dp_event(dp, &err);
	ok(r);
	return r;
}

static void forward_chain(void)
{
	assert_int_equal(sh("iptables-nft -P FORWARD DROP 2>&1"), 0);
}

static int our_rules(void)
{
	sh("iptables-nft -S FORWARD | grep -c berth:");
	return atoi(out);
}

static struct dp *with_networks(int count)
{
	struct dp *dp = open_dp();
	char id[16], br[16];

	forward_chain();
	for (int i = 0; i < count; i++) {
		struct dp_network net;

		snprintf(id, sizeof(id), "n%d", i);
		snprintf(br, sizeof(br), "br%d", i);
		net = network(id, br, i);
		ok(dp_network_add(dp, &net, &err));
	}
	return dp;
}

static void finish(struct dp *dp, int count)
{
	char id[16];

	for (int i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "n%d", i);
		ok(dp_network_del(dp, id, &err));
	}
	dp_close(dp);
	sh("nft flush ruleset");
}

static void quiet_host_is_not_read_again(void **state)
{
	struct dp *dp = with_networks(NETWORKS);
	double look, start;

	(void)state;
	assert_int_equal(our_rules(), 2 * NETWORKS);
	tick(dp); /* our own changes count as well */
	start = test_cpu_ms();
	dp->seen = 0;
	tick(dp);
	look = test_cpu_ms() - start;
	start = test_cpu_ms();
	for (int i = 0; i < TICKS; i++)
		assert_int_equal(tick(dp), 0);
	print_message("# %d networks: a look %.2f ms, a quiet second %.3f ms\n",
		      NETWORKS, look, (test_cpu_ms() - start) / TICKS);
	assert_true((test_cpu_ms() - start) / TICKS < look / 10);
	finish(dp, NETWORKS);
}

static void ignore(void *ctx, const struct fw_event *e)
{
	(void)ctx;
	(void)e;
}

/* Somebody did @cmd, and the event never came. */
static void unheard(struct dp *dp, const char *cmd)
{
	assert_int_equal(sh(cmd), 0);
	assert_true(fw_monitor_read(dp->rules, ignore, NULL, &err) > 0);
}

static void unheard_change_is_found(void **state)
{
	struct dp *dp = with_networks(2);

	(void)state;
	tick(dp);
	unheard(dp, "iptables-nft -F FORWARD 2>&1");
	assert_int_equal(our_rules(), 0);
	assert_int_equal(tick(dp), 4);
	assert_int_equal(our_rules(), 4);
	tick(dp);
	unheard(dp, "nft flush ruleset");
	assert_true(tick(dp) > 0);
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	tick(dp);
	unheard(dp, "iptables-nft -P FORWARD DROP 2>&1"); /* Docker comes */
	assert_int_equal(tick(dp), 4);
	finish(dp, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quiet_host_is_not_read_again),
		cmocka_unit_test(unheard_change_is_found),
	};
	int failed;

	if (!dp_test_host())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
