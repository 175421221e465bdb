/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of one of the drivers, row by row, without a kernel. */
#include "netplugins/lan/lan_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/jdec.h"

struct run {
	const struct net_driver *driver;
	const struct lan_row *row;
};

static void set_pool(struct net_pool *p, const char *pool, const char *gateway)
{
	assert_int_equal(ip_prefix_parse(pool, &p->pool, NULL), 0);
	assert_int_equal(ip_prefix_parse(gateway, &p->gateway, NULL), 0);
}

static int build(const struct run *run, const char *options, char id,
		 struct lan_host *host, struct lan_network **ret,
		 struct err *err)
{
	const struct net_driver *drv = run->driver;
	struct lan_network *ln = calloc(1, sizeof(*ln));
	_cleanup_(json_putp) json_object *map = NULL;
	int r;

	assert_non_null(ln);
	assert_int_equal(jdec_parse(options, strlen(options), &map, NULL), 0);
	*ret = ln;
	ln->base.driver = drv;
	ln->base.host = host;
	ln->base.internal = run->row->internal;
	ln->base.ipv6 = run->row->ipv6;
	memset(ln->base.id, id, 64);
	drv->network_defaults(&ln->base);
	r = opts_decode(map, drv->network_options, &ln->opt, drv->name, err);
	if (r < 0)
		return r;
	if (!run->row->no_pool)
		set_pool(&ln->base.v4, "10.1.0.0/24", "10.1.0.1/24");
	if (run->row->ipv6)
		set_pool(&ln->base.v6, "fd00:1::/64", "fd00:1::1/64");
	return drv->network_init(&ln->base, err);
}

static void check_join(struct lan_network *ln, const char *want)
{
	char got[200], gw4[IP_STR_MAX], gw6[IP_STR_MAX];
	struct net_join_reply reply = { 0 };
	struct net_endpoint ep = { .network = &ln->base, .peer = "mv0" };

	ep.addr4 = ln->base.v4.gateway;
	ep.addr6 = ln->base.v6.gateway;
	assert_int_equal(lan_join(&ep, &reply, NULL), 0);
	snprintf(got, sizeof(got), "%s/%s/%u/%s", ip_str(&reply.gateway4, gw4),
		 ip_str(&reply.gateway6, gw6), reply.route_count,
		 reply.disable_gateway_service ? "none" : "gateway");
	assert_string_equal(got, want);
	assert_string_equal(reply.src_name, "mv0");
	for (unsigned int i = 0; i < reply.route_count; i++)
		assert_true(reply.routes[i].on_link &&
			    reply.routes[i].dst.len == 0);
}

static void check_skip(const struct run *run, const struct lan_network *ln)
{
	bool skip4 = false, skip6 = true;

	run->driver->gateway_skip(&ln->base, &skip4, &skip6);
	assert_int_equal(skip4, run->row->skip == 2);
	assert_int_equal(skip6, run->row->skip == 2);
}

static void lan_row(void **state)
{
	const struct run *run = *state;
	const struct lan_row *row = run->row;
	struct lan_host host = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct lan_network *old = NULL, *ln = NULL;
	struct err err = { 0 };
	int r;

	if (row->beside) {
		assert_int_equal(
			build(run, row->beside, 'b', &host, &old, &err), 0);
		assert_int_equal(lan_claim(&host, old, &err), 0);
	}
	r = build(run, row->options, 'a', &host, &ln, &err);
	if (r == 0)
		r = lan_claim(&host, ln, &err);
	if (row->msg) {
		assert_true(r < 0);
		if (!strstr(err.msg, row->msg))
			fail_msg("\"%s\" is not in: %s", row->msg, err.msg);
	} else if (r < 0) {
		fail_msg("refused: %s", err.msg);
	} else {
		assert_true(!row->check || row->check(ln));
		if (row->join)
			check_join(ln, row->join);
		if (row->skip)
			check_skip(run, ln);
	}
	if (r == 0)
		lan_release(&host, ln);
	if (old)
		lan_release(&host, old);
	assert_null(host.networks);
	free(ln);
	free(old);
}

int lan_rows_run(const struct net_driver *driver, const struct lan_row *rows,
		 size_t count)
{
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	struct run *runs = calloc(count, sizeof(*runs));
	int r = 1;

	for (size_t i = 0; tests && runs && i < count; i++) {
		runs[i] = (struct run){ driver, &rows[i] };
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
						.test_func = lan_row,
						.initial_state = &runs[i] };
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	if (tests && runs)
		r = _cmocka_run_group_tests(driver->name, tests, count, NULL,
					    NULL);
	free(tests);
	free(runs);
	return r;
}
