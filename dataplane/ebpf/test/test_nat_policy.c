/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of who may reach a published port, in the kernel's own trie: which entry
 * is found for a client, and what a changed list, a failure and a restart leave.
 */
#include "dataplane/ebpf/nat_policy.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dataplane/ebpf/test/nat_env.h"
#include "lib/test/test.h"

static struct host host;

#define CHECK(r) NAT_CHECK(e, r)

static int setup(void **state)
{
	return nat_env_up(state, &host, 1024);
}

static int teardown(void **state)
{
	return nat_env_down(state, &host);
}

/* "+10.0.0.0/8 -10.1.0.0/16": allowed and denied ones. */
static struct dp_policy policy(const char *text)
{
	char copy[256], *save = NULL;
	struct dp_policy p = { 0 };

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *w = strtok_r(copy, " ", &save); w;
	     w = strtok_r(NULL, " ", &save)) {
		struct dp_policy_rule *r = &p.rules[p.count++];

		r->allow = *w == '+';
		assert_int_equal(ip_prefix_parse(w + 1, &r->net, NULL), 0);
	}
	return p;
}

static int map_fd(void)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/berth/v1/test/nat_policy", host.bpffs);
	fd = bpf_obj_get(path);
	assert_true(fd >= 0);
	return fd;
}

/* What the programs find. */
static bool may(uint32_t list, const char *ip)
{
	struct nat_policy_key k = { .bits = NAT_POLICY_BITS + 128,
				    .policy = list };
	__u32 verdict = NAT_POLICY_DENY;
	int fd = map_fd();

	if (inet_pton(AF_INET6, ip, k.addr) != 1) {
		k.addr[2] = htonl(0xffff);
		assert_int_equal(inet_pton(AF_INET, ip, &k.addr[3]), 1);
	}
	(void)bpf_map_lookup_elem(fd, &k, &verdict);
	close(fd);
	return verdict == NAT_POLICY_ALLOW;
}

static int entries(void)
{
	struct nat_policy_key key;
	const void *from = NULL;
	int fd = map_fd(), n = 0;

	while (bpf_map_get_next_key(fd, from, &key) == 0) {
		from = &key;
		n++;
	}
	close(fd);
	return n;
}

/* ---- who is found ------------------------------------------------------------ */

struct row {
	const char *name, *list, *allowed, *denied; /* clients */
};

static const struct row rows[] = {
	{ "allow alone denies the rest", "+192.0.2.0/24",
	  "192.0.2.0 192.0.2.255", "192.0.1.255 192.0.3.0 0.0.0.0 fd00::1 ::" },
	{ "allow of IPv6 alone denies IPv4", "+fd00::/64",
	  "fd00:: fd00::ffff:ffff:ffff:ffff", "fd00:0:0:1:: 192.0.2.1" },
	{ "deny alone allows the rest", "-192.0.2.0/24",
	  "192.0.1.255 192.0.3.0 fd00::1", "192.0.2.0 192.0.2.255" },
	{ "deny of IPv6 alone", "-fd00::/64", "fd00:0:0:1:: 192.0.2.1",
	  "fd00::1" },
	{ "the longest decides", "+10.0.0.0/8 -10.1.0.0/16 +10.1.2.3/32",
	  "10.0.0.1 10.2.0.1 10.1.2.3", "10.1.0.1 10.1.2.2 11.0.0.1" },
	{ "the longest decides, whatever the order",
	  "-10.1.0.0/16 +10.1.2.3/32 +10.0.0.0/8", "10.0.0.1 10.1.2.3",
	  "10.1.0.1" },
	{ "of equal ones deny decides", "+10.0.0.0/8 -10.0.0.0/8", "",
	  "10.0.0.1 11.0.0.1" },
	{ "of equal ones deny decides, said first",
	  "-10.0.0.0/8 +10.0.0.0/8 +11.0.0.0/8", "11.0.0.1", "10.0.0.1" },
	{ "all of IPv4", "+0.0.0.0/0", "192.0.2.1 0.0.0.0 255.255.255.255",
	  "fd00::1 ::1" },
	{ "all of IPv6", "+::/0", "fd00::1 2001:db8::1 ::", "192.0.2.1" },
	{ "none of IPv6", "-::/0", "192.0.2.1", "fd00::1 ::" },
	{ "none of IPv4", "-0.0.0.0/0", "fd00::1", "192.0.2.1" },
	{ "short prefixes of IPv6 are not IPv4's", "+::/8 +::/64",
	  "::1 0:0:0:1::", "192.0.2.1 fd00::1" },
	{ "nobody", "-0.0.0.0/0 -::/0", "", "192.0.2.1 fd00::1" },
	{ "a rate alone", "", "192.0.2.1 fd00::1", "" },
};

static void each(const char *clients, uint32_t list, bool want)
{
	char copy[128], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", clients);
	for (char *w = strtok_r(copy, " ", &save); w;
	     w = strtok_r(NULL, " ", &save))
		if (may(list, w) != want)
			fail_msg("%s is %s", w, want ? "denied" : "allowed");
}

static void list_row(void **state)
{
	const struct row *row = *state;
	struct dp_policy p = policy(row->list), other = policy("+1.2.3.4/32");
	const struct nat_policy_list lists[] = { { 7, &p }, { 8, &other } };
	struct nat_env *e;

	if (!host.usable)
		skip();
	p.rate = 1;
	assert_int_equal(setup(state), 0);
	e = *state;
	CHECK(nat_policy_sync(e->nat, lists, 2, &e->err));
	each(row->allowed, 7, true);
	each(row->denied, 7, false);
	each("1.2.3.4", 8, true);
	each("192.0.2.1 10.0.0.1 fd00::1", 8, false);
	each("192.0.2.1 fd00::1 1.2.3.4", 9, false); /* no such list */
	assert_int_equal(nat_policy_differ(e->nat, lists, 2, &e->err), 0);
	assert_int_equal(nat_policy_sync(e->nat, lists, 2, &e->err), 0);
	teardown(state);
}

/* ---- changes ------------------------------------------------------------------ */

static void a_list_changes_and_goes(void **state)
{
	struct dp_policy a = policy("+10.0.0.0/8 -10.1.0.0/16"),
			 b = policy("-10.0.0.0/8 -10.2.0.0/16");
	struct nat_policy_list list = { 7, &a };
	struct nat_env *e = *state;

	if (!host.usable)
		skip();
	assert_int_equal(nat_policy_sync(e->nat, &list, 1, &e->err), 4);
	assert_int_equal(entries(), 4);
	list.policy = &b;
	/* 10/8 and those for everybody change, 10.2/16 comes, 10.1/16 goes */
	assert_int_equal(nat_policy_differ(e->nat, &list, 1, &e->err), 5);
	assert_int_equal(nat_policy_sync(e->nat, &list, 1, &e->err), 5);
	assert_int_equal(entries(), 4);
	assert_true(may(7, "11.0.0.1"));
	assert_false(may(7, "10.3.0.1"));
	assert_int_equal(nat_policy_sync(e->nat, NULL, 0, &e->err), 4);
	assert_int_equal(entries(), 0);
}

static void a_list_outlives_the_daemon(void **state)
{
	struct dp_policy a = policy("+10.0.0.0/8");
	const struct nat_policy_list list = { 7, &a };
	struct nat_env *e = *state;

	if (!host.usable)
		skip();
	CHECK(nat_policy_sync(e->nat, &list, 1, &e->err));
	nat_env_close(e);
	assert_true(may(7, "10.0.0.1"));
	nat_env_open(e, &host, 1024);
	nat_env_attach(e);
	assert_int_equal(nat_policy_differ(e->nat, &list, 1, &e->err), 0);
	assert_int_equal(nat_policy_differ(e->nat, NULL, 0, &e->err), 3);
}

/* Whichever entry fails, the one before it, changed or new, is as it was. */
static int fail_at(int nth)
{
	struct dp_policy a = policy("+10.0.0.0/8 -10.1.0.0/16"),
			 b = policy("-10.0.0.0/8 +10.1.0.0/16 +12.0.0.0/8");
	struct nat_policy_list list = { 7, &a };
	char text[64];
	void *state;
	struct nat_env *e;

	/* 4 passes for the first list */
	snprintf(text, sizeof(text), "nat.policy.put:err=ENOSPC:nth=%d",
		 4 + nth);
	setenv("BERTH_FP", text, 1);
	if (setup(&state) < 0)
		return 1;
	e = state;
	if (nat_policy_sync(e->nat, &list, 1, &e->err) != 4)
		return 2;
	list.policy = &b;
	if (nat_policy_sync(e->nat, &list, 1, &e->err) != -E2BIG ||
	    !strstr(e->err.msg, "is full"))
		return 3;
	list.policy = &a;
	if (nat_policy_differ(e->nat, &list, 1, &e->err) != 0)
		return 4;
	list.policy = &b;
	if (nat_policy_sync(e->nat, &list, 1, &e->err) != 3)
		return 5;
	return teardown(&state);
}

/* In a child, and before any other pass: fail points are read once. */
static void a_failure_leaves_the_old_list(void **state)
{
	(void)state;
	if (!host.usable)
		skip();
	for (int nth = 1; nth <= 3; nth++) {
		pid_t pid = fork();
		int st;

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(fail_at(nth));
		assert_int_equal(waitpid(pid, &st, 0), pid);
		assert_true(WIFEXITED(st));
		assert_int_equal(WEXITSTATUS(st), 0);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest plain[] = {
		TEST(a_list_changes_and_goes),
		TEST(a_list_outlives_the_daemon),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(rows) + 1] = {
		cmocka_unit_test(a_failure_leaves_the_old_list),
	};
	size_t n = 1;
	int failed;

	memcpy(&tests[n], plain, sizeof(plain));
	n += ARRAY_SIZE(plain);
	n += TEST_ROWS(&tests[n], rows, list_row);
	host_make(&host);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	host_remove(&host);
	return failed;
}
