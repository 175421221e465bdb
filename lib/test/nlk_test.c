/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A namespace and links for a test. */
#include "lib/test/nlk_test.h"

#include <sched.h>

static bool in_netns; /* else every test is a SKIP */

int nlk_env_new(void **state)
{
	struct nlk_env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!in_netns)
		return 0;
	if (!e || unshare(CLONE_NEWNET) < 0)
		return -1;
	if (nlk_monitor_open(&e->mon, NULL) < 0)
		return -1;
	return nlk_open(&e->nlk, NULL);
}

int nlk_env_free(void **state)
{
	struct nlk_env *e = *state;

	nlk_monitor_close(e->mon);
	nlk_close(e->nlk);
	free(e);
	return 0;
}

int nlk_test_run(const struct CMUnitTest *tests, size_t count)
{
	in_netns = unshare(CLONE_NEWNET) == 0;
	if (!in_netns)
		print_message("# SKIP: needs CAP_SYS_ADMIN\n");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("nlk", tests, count, NULL, NULL);
}

struct nlk_link env_link(struct nlk_env *e, const char *name)
{
	struct nlk_link l = { 0 };
	int r = nlk_link_get(e->nlk, name, 0, &l, &e->err);

	if (r < 0)
		fail_msg("%s", e->err.msg);
	return l;
}

int env_bridge(struct nlk_env *e)
{
	struct nlk_bridge_conf conf = { .name = "br-t",
					.alias = ALIAS,
					.mac = { { 2, 0x42, 1, 2, 3, 4 } },
					.mtu = 1400 };
	int r = nlk_bridge_add(e->nlk, &conf, &e->err);

	if (r < 0)
		fail_msg("%s", e->err.msg);
	return env_link(e, "br-t").index;
}

int env_veth(struct nlk_env *e, int master, bool hairpin)
{
	struct nlk_veth_conf conf = { .name = "h0",
				      .peer = "c0",
				      .alias = ALIAS,
				      .master = master,
				      .peer_mac = { { 2, 0x42, 10, 0, 0, 2 } },
				      .mtu = 1400,
				      .hairpin = hairpin };

	return nlk_veth_add(e->nlk, &conf, &e->err);
}
