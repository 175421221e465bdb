/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parents that others' links are taken for, shims of which one can't be, MTUs that
 * grow: in a network namespace of the test's own. */
#include "lib/test/test.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "lib/netns.h"
#include "netplugins/lan/lan.h"

#define SEATS 3

static const uint16_t modes[] = { 4 };
static const struct lan_kind kind = {
	.driver = "berth-macvlan",
	.what = "macvlan",
	.stack = NLK_MACVLAN,
	.prefix = "mv",
	.own_mac = true,
	.modes = modes,
};

struct fixture {
	struct lan_host *host;
	struct lan_network net[SEATS];
};

/* A bridge: each kernel that Berth runs on has them. */
static int link_new(struct lan_host *host, const char *name, const char *alias)
{
	const struct nlk_bridge_conf conf = { .name = name, .alias = alias };
	struct nlk_link link;
	struct err err = { 0 };

	if (nlk_bridge_add(host->nlk, &conf, &err) < 0 ||
	    nlk_link_get(host->nlk, name, 0, &link, &err) < 0)
		fail_msg("%s", err.msg);
	return link.index;
}

/* Networks n0 on p0, n1 on p1, ..., an endpoint each. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = { 0 };
	void *host;

	assert_non_null(f);
	*state = f;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	if (lan_host_open(&kind, &host, &err) < 0)
		fail_msg("%s", err.msg);
	f->host = host;
	for (int i = 0; i < SEATS; i++) {
		struct lan_network *ln = &f->net[i];
		struct lan_seat *s = calloc(1, sizeof(*s));

		assert_non_null(s);
		ln->kind = &kind;
		ln->base.host = host;
		snprintf(ln->base.id, sizeof(ln->base.id), "n%d", i);
		snprintf(ln->parent, sizeof(ln->parent), "p%d", i);
		ln->index = link_new(host, ln->parent, "berth-test:parent");
		ln->claimed = true;
		ln->next = f->host->networks;
		f->host->networks = ln;
		snprintf(s->id, sizeof(s->id), "e%d", i);
		snprintf(s->network, sizeof(s->network), "n%d", i);
		snprintf(s->parent, sizeof(s->parent), "p%d", i);
		ip_parse(i ? "10.1.0.2" : "10.1.0.1", &s->ip4, NULL);
		s->access = true;
		s->next = f->host->seats;
		f->host->seats = s;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < SEATS; i++) {
		char id[8];

		snprintf(id, sizeof(id), "e%d", i);
		lan_seat_give(f->host, id);
		lan_release(f->host, &f->net[i]);
	}
	lan_host_close(f->host);
	free(f);
	return 0;
}

static bool is_there(struct lan_host *host, const char *name)
{
	struct nlk_link link;

	return nlk_link_get(host->nlk, name, 0, &link, NULL) == 0;
}

/* The name of one shim is taken: the others are made, before and after it. */
static void one_shim_cannot_be(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	link_new(f->host, "bh-p1", "another's");
	assert_true(lan_shim_sync_all(f->host, &err) < 0);
	assert_non_null(strstr(err.msg, "p1"));
	assert_true(is_there(f->host, "bh-p0"));
	assert_true(is_there(f->host, "bh-p2"));
}

/* The parent is gone, and a stranger's link has its index by now. */
static void index_of_another(void **state)
{
	struct fixture *f = *state;
	struct lan_network *ln = &f->net[0];
	int own = ln->index;
	struct err err = { 0 };

	ln->index = link_new(f->host, "stranger", "another's");
	assert_int_equal(lan_parent_add(f->host, ln, false, &err), 0);
	assert_int_not_equal(ln->index, own); /* it lives, renamed perhaps */
	ln->gone = true;
	assert_int_equal(lan_parent_add(f->host, ln, false, &err), 0);
	assert_int_equal(ln->index, own);
	assert_false(ln->gone);
}

/* Whoever was not fitted yet is at the next try, whatever is asked meanwhile. */
static void growth_is_kept(void **state)
{
	struct fixture *f = *state;
	struct lan_network *ln = &f->net[1];

	ln->grown = true;
	assert_true(lan_network_lost(&ln->base));
	assert_false(lan_network_lost(&ln->base));
	assert_true(lan_seat_refit(f->host, "e1", false));
	assert_false(lan_seat_refit(f->host, "e1", false));
	assert_false(lan_seat_refit(f->host, "e0", false));
}

static void set_mtu(struct lan_host *host, const char *name, uint32_t mtu)
{
	struct nlk_link link;
	struct err err = { 0 };

	if (nlk_link_get(host->nlk, name, 0, &link, &err) < 0 ||
	    nlk_link_mtu(host->nlk, link.index, mtu, &err) < 0)
		fail_msg("%s", err.msg);
}

static void ip6_is(const char *link, const char *key, const char *want)
{
	char path[96], val[16] = "";

	snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", link, key);
	assert_int_equal(sysctl_get(path, val, sizeof(val), NULL), 0);
	if (strcmp(val, want) != 0)
		fail_msg("%s = %s, not %s", path, val, want);
}

/* What we made has no IPv6, and no more when its MTU has crossed 1280. */
static void parent_stays_without_ip6(void **state)
{
	struct fixture *f = *state;
	struct lan_network *ln = &f->net[2];
	struct err err = { 0 };

	lan_release(f->host, ln);
	*ln = (struct lan_network){ .kind = &kind, .own = true };
	ln->base.host = f->host;
	strcpy(ln->base.id, "n2");
	strcpy(ln->parent, "dm-n2");
	lan_alias(&kind, "n2", ln->alias);
	assert_int_equal(lan_network_add(&ln->base, true, &err), 0);
	if (!sysctl_has_ip6("dm-n2"))
		skip(); /* a kernel without */
	(void)lan_event(f->host, &err);
	(void)lan_network_lost(&ln->base);
	ip6_is("dm-n2", "disable_ipv6", "1");
	set_mtu(f->host, "dm-n2", 1000);
	set_mtu(f->host, "dm-n2", 1600);
	ip6_is("dm-n2", "disable_ipv6", "0"); /* the kernel's doing */
	(void)lan_event(f->host, &err);
	assert_true(lan_network_lost(&ln->base));
	assert_int_equal(lan_network_add(&ln->base, false, &err), 0);
	ip6_is("dm-n2", "disable_ipv6", "1");
	/* Another's parent is let alone. */
	set_mtu(f->host, "p0", 1600);
	assert_int_equal(lan_network_add(&f->net[0].base, false, &err), 0);
	ip6_is("p0", "disable_ipv6", "0");
}

static void shim_is(struct lan_host *host, uint32_t mtu)
{
	struct nlk_link link;

	assert_int_equal(nlk_link_get(host->nlk, "bh-p0", 0, &link, NULL), 0);
	assert_int_equal(link.mtu, mtu);
	ip6_is("bh-p0", "accept_ra", "0");
	ip6_is("bh-p0", "accept_dad", "0");
	ip6_is("bh-p0", "addr_gen_mode", "1");
}

/* It grows with its parent, and takes no router's word when its MTU has crossed 1280. */
static void shim_follows_its_parent(void **state)
{
	struct fixture *f = *state;
	struct err err = { 0 };

	if (!sysctl_has_ip6("p0"))
		skip();
	for (struct lan_seat *s = f->host->seats; s; s = s->next)
		s->access = strcmp(s->parent, "p0") == 0;
	assert_int_equal(lan_shim_sync(f->host, "p0", &err), 0);
	shim_is(f->host, 1500);
	set_mtu(f->host, "p0", 1000);
	set_mtu(f->host, "p0", 1500);
	assert_int_equal(lan_shim_sync(f->host, "p0", &err), 0);
	shim_is(f->host, 1500);
	/* Its own is seen by itself. */
	(void)lan_event(f->host, &err);
	f->host->looked_ms = 0;
	set_mtu(f->host, "bh-p0", 1000);
	set_mtu(f->host, "bh-p0", 1500);
	ip6_is("bh-p0", "accept_ra", "1");
	assert_int_equal(lan_event(f->host, &err), 0);
	shim_is(f->host, 1500);
	/* What that was to the kernel is no reason to look again, and again. */
	f->host->looked_ms = 0;
	assert_int_equal(lan_event(f->host, &err), 0);
	assert_int_equal(lan_event(f->host, &err), 0); /* not yet due */
	assert_false(f->host->stirred);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_shim_cannot_be, setup,
						teardown),
		cmocka_unit_test_setup_teardown(index_of_another, setup,
						teardown),
		cmocka_unit_test_setup_teardown(growth_is_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(parent_stays_without_ip6, setup,
						teardown),
		cmocka_unit_test_setup_teardown(shim_follows_its_parent, setup,
						teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
