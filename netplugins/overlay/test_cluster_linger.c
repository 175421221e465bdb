// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory in etcd when a daemon ends in good order. */
#include "netplugins/overlay/cluster_test.h"

static unsigned int lease_left(uint64_t lease)
{
	unsigned int ttl = 0;

	assert_int_equal(etcd_lease_keep(box()->raw, lease, &ttl, NULL), 0);
	return ttl;
}

/* An upgrade takes no address away; a host that is really gone goes all the same, and so
 * does what its next life has no more. */
static void who_ends_in_good_order_is_there_for_longer(void **state)
{
	enum { MANY = 70 };
	struct ov_network net = box_network("n1", "shop", "10.1.0.0/16");
	struct box_want there = { .hosts = 1, .endpoints = MANY };
	char id[16], at[24];
	struct ov_dir *a, *b;
	uint64_t before, longer;

	BOX_OR_SKIP();
	box()->lease_s = 20; /* not over by itself meanwhile */
	box()->linger_s = 600;
	a = box_host("a", "192.0.2.1");
	b = box_host("b", "192.0.2.2");
	box_joined(a, net);
	box_joined(b, net);
	for (unsigned int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "e%u", i);
		snprintf(at, sizeof(at), "10.1.1.%u", i);
		box_has_put(a, "n1", box_endpoint(id, at));
	}
	box_view_gets(b, "n1", there);
	before = box_lease_of("a");
	box_raw_put_by("names/n.shop/a", "{}", before);
	/* what is another's by now stays his */
	box_raw_put("mac/n.shop/02:42:0a:01:01:05", "{}");
	box_host_close(a);
	longer = box_lease_of("a");
	assert_true(longer && longer != before);
	assert_in_range(lease_left(longer), 600, 700);
	assert_int_equal(box_lease_at("member/n.shop/a"), longer);
	assert_int_equal(box_lease_at("node/a/net/n.shop"), longer);
	assert_int_equal(box_lease_at("names/n.shop/a"), longer);
	assert_int_equal(box_lease_at("node/a/ep/n.shop/e69"), longer);
	assert_int_equal(box_lease_at("addr/n.shop/10.1.1.69"), longer);
	assert_int_equal(box_lease_at("addr/n.shop/10.1.1.4"), longer);
	assert_int_equal(box_lease_at("mac/n.shop/02:42:0a:01:01:05"), 0);
	box_raw_del("mac/n.shop/02:42:0a:01:01:05");
	assert_int_equal(etcd_lease_revoke(box()->raw, before, NULL), 0);
	there.endpoints = MANY - 1; /* e5 went with it */
	box_view_gets(b, "n1", there);
	/* Back: by a short one of its own. */
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	box_has_put(a, "n1", box_endpoint("e1", "10.1.1.1"));
	assert_true(box_lease_of("a") != longer);
	assert_in_range(lease_left(box_lease_of("a")), 1, 60);
	box_leases_get("addr/n.shop/10.1.1.1", "a");
	there.endpoints = 1;
	box_view_gets(b, "n1", there); /* when the grace is over */
	assert_int_equal(etcd_lease_revoke(box()->raw, longer, NULL), 0);
	assert_int_equal(box_keys("node/a/ep/"), 1);
	assert_int_equal(box_keys("addr/"), 1);
	/* Back, and not to linger from now on: nor by what was left. */
	box_host_close(a);
	longer = box_lease_of("a");
	assert_in_range(lease_left(longer), 600, 700);
	box()->linger_s = 2;
	a = box_host("a", "192.0.2.1");
	box_joined(a, net);
	assert_true(box_lease_of("a") != longer);
	assert_in_range(lease_left(box_lease_of("a")), 1, 60);
	box_host_close(a);
	box_host_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		{ .name = "who_ends_in_good_order_is_there_for_longer",
		  .test_func = who_ends_in_good_order_is_there_for_longer,
		  .setup_func = box_test_up },
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, box_up, box_down);
}
