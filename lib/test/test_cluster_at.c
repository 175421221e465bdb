/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flags of a cluster. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/cluster_at.h"

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
	struct cluster_at at = { 0 };
	struct err err = { 0 };

	assert_int_equal(cluster_at_flag(&at, row->flag, row->value, &err),
			 row->want);
	if (row->want == -EINVAL)
		assert_true(err.msg[0]);
	assert_int_equal(at.etcd.member_count,
			 strstr(row->value, "etcd:") ? 2 : 0);
}

static void what_is_left_out_is_put_in(void **state)
{
	struct cluster_at at = { .machine = "m1" };
	char prefix[CLUSTER_PREFIX_MAX], node[CLUSTER_NODE_MAX], machine[65];
	char host[256] = "";

	(void)state;
	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	assert_int_equal(cluster_at_names(&at, prefix, node, machine, NULL), 0);
	assert_string_equal(prefix, "/berth/berth/");
	assert_string_equal(node, host);
	assert_string_equal(machine, "m1");
	at.name = "shop";
	at.node = "a/b";
	assert_int_equal(cluster_at_names(&at, prefix, node, machine, NULL),
			 -EINVAL);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(flag_rows) + 1] = { 0 };
	size_t n = TEST_ROWS(tests, flag_rows, flag_row);

	tests[n++] =
		(struct CMUnitTest)cmocka_unit_test(what_is_left_out_is_put_in);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
