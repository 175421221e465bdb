/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_foreign.c - our rules in FORWARD as iptables prints them. */
#include <time.h>

#include "lib/test/test.h"

#include "dataplane/nft/foreign.h"
#include "lib/test/fw_test.h"

#define COMMENT(id)        "-m comment --comment \"berth:berth-bridge:" id "\""
#define IN(chain, br, id)  "-A " chain " -i " br " " COMMENT(id) " -j ACCEPT\n"
#define OUT(chain, br, id) "-A " chain " -o " br " " COMMENT(id) " -j ACCEPT\n"

/* as dockerd does */
#define DOCKER                                                       \
	"iptables-nft -P FORWARD DROP; iptables-nft -N DOCKER-USER;" \
	"iptables-nft -A DOCKER-USER -j RETURN;"                     \
	"iptables-nft -I FORWARD -j DOCKER-USER"

static struct fw *fw;
static char out[OUT_MAX];
static const struct foreign_net a = { "br-a", "aaaa", true };
static const struct foreign_net b = { "br-b", "bbbb", true };

static void run(const char *cmd)
{
	if (sh(out, cmd) != 0)
		fail_msg("%s: %s", cmd, out);
}

static int fresh(void **state)
{
	(void)state;
	return sh(out, "nft flush ruleset");
}

static void sync_to(const struct foreign_net *nets, size_t n, int repairs)
{
	struct err err = { 0 };
	int r = foreign_sync(fw, "berth-bridge", nets, n, NULL, &err);

	if (r < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(r, repairs);
	/* and then all is right */
	assert_int_equal(foreign_sync(fw, "berth-bridge", nets, n, NULL, &err),
			 0);
}

/* ... with that many changes, of which these only move what is there. */
static void moves(int changes, int want)
{
	struct err err = { 0 };
	int moved = -1;

	assert_int_equal(foreign_sync(fw, "berth-bridge", &a, 1, &moved, &err),
			 changes);
	assert_int_equal(moved, want);
	sync_to(&a, 1, 0);
}

static void chain_is(const char *chain, const char *text)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "iptables-nft -S %s 2>&1", chain);
	run(cmd);
	assert_string_equal(out, text);
}

static void nothing_to_do_without_a_forward_chain(void **state)
{
	(void)state;
	sync_to(&a, 1, 0);
	run("nft add table ip filter; nft add chain ip filter FORWARD");
	sync_to(&a, 1, 0);
	run("nft list ruleset");
	assert_null(strstr(out, "berth"));
}

static void at_the_head_of_forward(void **state)
{
	(void)state;
	run("iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -j DROP");
	sync_to(&a, 1, 2);
	chain_is("FORWARD",
		 "-P FORWARD DROP\n" OUT("FORWARD", "br-a", "aaaa")
			 IN("FORWARD", "br-a", "aaaa") "-A FORWARD -j DROP\n");
}

static void in_docker_user_before_its_return(void **state)
{
	(void)state;
	run(DOCKER ";iptables-nft -I DOCKER-USER -s 192.0.2.1 -j DROP");
	sync_to(&a, 1, 2);
	chain_is("DOCKER-USER",
		 "-N DOCKER-USER\n"
		 "-A DOCKER-USER -s 192.0.2.1/32 -j DROP\n" IN("DOCKER-USER",
							       "br-a", "aaaa")
			 OUT("DOCKER-USER", "br-a",
			     "aaaa") "-A DOCKER-USER -j RETURN\n");
	chain_is("FORWARD", "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n");
}

static void not_in_a_docker_user_that_nobody_jumps_to(void **state)
{
	(void)state;
	run(DOCKER ";iptables-nft -D FORWARD -j DOCKER-USER");
	sync_to(&a, 1, 2);
	chain_is("DOCKER-USER", "-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n");
}

static void moved_when_docker_comes_and_goes(void **state)
{
	(void)state;
	run("iptables-nft -P FORWARD ACCEPT");
	moves(2, 0); /* made */
	run(DOCKER);
	moves(4, 4);
	chain_is("FORWARD", "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n");
	run("iptables-nft -F FORWARD; iptables-nft -F DOCKER-USER;"
	    "iptables-nft -X DOCKER-USER");
	moves(2, 0); /* they were taken away */
	chain_is("FORWARD", "-P FORWARD DROP\n" OUT("FORWARD", "br-a", "aaaa")
				    IN("FORWARD", "br-a", "aaaa"));
}

static void unreachable_ones_are_moved(void **state)
{
	(void)state;
	run(DOCKER);
	sync_to(&a, 1, 2);
	run("iptables-nft -I DOCKER-USER -j RETURN");
	sync_to(&a, 1, 4);
	chain_is("DOCKER-USER",
		 "-N DOCKER-USER\n" IN("DOCKER-USER", "br-a", "aaaa")
			 OUT("DOCKER-USER", "br-a",
			     "aaaa") "-A DOCKER-USER -j RETURN\n"
				     "-A DOCKER-USER -j RETURN\n");
}

static void networks_come_go_and_change(void **state)
{
	struct foreign_net nets[] = { b, a };
	struct foreign_net renamed = a, internal = a;

	(void)state;
	strcpy(renamed.bridge, "br-x");
	internal.out = false;
	run(DOCKER);
	sync_to(nets, 2, 4);
	sync_to(&b, 1, 2);
	chain_is("DOCKER-USER",
		 "-N DOCKER-USER\n" IN("DOCKER-USER", "br-b", "bbbb")
			 OUT("DOCKER-USER", "br-b",
			     "bbbb") "-A DOCKER-USER -j RETURN\n");
	sync_to(&a, 1, 4);
	sync_to(&renamed, 1, 4);
	sync_to(&internal, 1, 3);
	chain_is("DOCKER-USER",
		 "-N DOCKER-USER\n-A DOCKER-USER -i br-a -o br-a -m comment "
		 "--comment \"berth:berth-bridge:aaaa\" -j ACCEPT\n"
		 "-A DOCKER-USER -j RETURN\n");
	sync_to(&internal, 1, 0);
	sync_to(nets, 2, 5);
	sync_to(NULL, 0, 4);
	chain_is("DOCKER-USER", "-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n");
}

static void missing_and_doubled_ones_repaired(void **state)
{
	(void)state;
	run(DOCKER);
	sync_to(&a, 1, 2);
	run("iptables-nft -D DOCKER-USER 1");
	sync_to(&a, 1, 1);
	run("iptables-nft -I DOCKER-USER -i br-a -m comment --comment "
	    "berth:berth-bridge:aaaa -j ACCEPT");
	sync_to(&a, 1, 1);
	run("iptables-nft -F DOCKER-USER");
	sync_to(&a, 1, 2);
	run("iptables-nft -F FORWARD; iptables-nft -I FORWARD -j DOCKER-USER");
	sync_to(&a, 1, 0);
}

/* firewalld, ufw and netfilter-persistent save and load what they find. */
static void saved_and_restored_ones_are_still_ours(void **state)
{
	(void)state;
	run(DOCKER);
	sync_to(&a, 1, 2);
	run("iptables-nft-save | iptables-nft-restore");
	sync_to(&a, 1, 0);
	run("nft -s list ruleset >/dev/null && iptables-nft -S DOCKER-USER");
	sync_to(NULL, 0, 2);
}

static void rules_of_others_are_left_alone(void **state)
{
	(void)state;
	run(DOCKER ";iptables-nft -I DOCKER-USER -i br-a -j ACCEPT;"
		   "iptables-nft -I DOCKER-USER -i br-a -m comment --comment "
		   "berth:berth-macvlan:aaaa -j ACCEPT;"
		   "iptables-nft -I DOCKER-USER -i br-a -m comment --comment "
		   "berth:berth-bridge2:aaaa -j ACCEPT");
	sync_to(&a, 1, 2);
	sync_to(NULL, 0, 2);
	run("iptables-nft -S DOCKER-USER | grep -c -- '-i br-a'");
	assert_string_equal(out, "3\n");
}

static void both_families(void **state)
{
	(void)state;
	run("ip6tables-nft -P FORWARD DROP; iptables-nft -P FORWARD DROP");
	sync_to(&a, 1, 4);
	run("ip6tables-nft -S FORWARD");
	assert_string_equal(out,
			    "-P FORWARD DROP\n" OUT("FORWARD", "br-a", "aaaa")
				    IN("FORWARD", "br-a", "aaaa"));
}

static void line_add(void *ctx, const char *line)
{
	strcat(ctx, line);
	strcat(ctx, "\n");
}

static void check_tells_and_changes_nothing(void **state)
{
	char lines[1024] = "";
	struct err err = { 0 };

	(void)state;
	run(DOCKER);
	sync_to(&b, 1, 2);
	assert_int_equal(
		foreign_check(fw, "berth-bridge", &a, 1, line_add, lines, &err),
		4);
	assert_string_equal(lines,
			    "chain DOCKER-USER of table ip filter: rule "
			    "berth:berth-bridge:bbbb is not wanted\n"
			    "chain DOCKER-USER of table ip filter: rule "
			    "berth:berth-bridge:bbbb is not wanted\n"
			    "chain DOCKER-USER of table ip filter: rule "
			    "berth:berth-bridge:aaaa is missing (in)\n"
			    "chain DOCKER-USER of table ip filter: rule "
			    "berth:berth-bridge:aaaa is missing (out)\n");
	sync_to(&b, 1, 0);
}

static void a_thousand_networks(void **state)
{
	static struct foreign_net nets[1000];
	struct timespec from, to;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(nets[i].bridge, IFNAMSIZ, "br-%04x", i);
		snprintf(nets[i].id, sizeof(nets[i].id), "%060d", i * 7919);
		nets[i].out = true;
	}
	run(DOCKER);
	sync_to(nets, 1000, 2000);
	clock_gettime(CLOCK_MONOTONIC, &from);
	sync_to(nets, 1000, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	print_message("# two looks at 2,000 rules: %ld us\n",
		      (to.tv_sec - from.tv_sec) * 1000000 +
			      (to.tv_nsec - from.tv_nsec) / 1000);
	sync_to(NULL, 0, 2000);
}

static void events_that_matter(void **state)
{
	struct fw_event e = { .family = NFPROTO_IPV4, .table = "filter" };

	(void)state;
	assert_true(foreign_cares(&e)); /* the table */
	strcpy(e.chain, "FORWARD");
	assert_true(foreign_cares(&e));
	strcpy(e.chain, "DOCKER-USER");
	assert_true(foreign_cares(&e));
	strcpy(e.chain, "DOCKER");
	assert_false(foreign_cares(&e));
	strcpy(e.chain, "FORWARD");
	strcpy(e.table, "nat");
	assert_false(foreign_cares(&e));
	strcpy(e.table, "filter");
	e.family = NFPROTO_INET;
	assert_false(foreign_cares(&e));
	e.lost = true;
	assert_true(foreign_cares(&e));
}

#define T(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(nothing_to_do_without_a_forward_chain),
		T(at_the_head_of_forward),
		T(in_docker_user_before_its_return),
		T(not_in_a_docker_user_that_nobody_jumps_to),
		T(moved_when_docker_comes_and_goes),
		T(unreachable_ones_are_moved),
		T(networks_come_go_and_change),
		T(missing_and_doubled_ones_repaired),
		T(saved_and_restored_ones_are_still_ours),
		T(rules_of_others_are_left_alone),
		T(both_families),
		T(check_tells_and_changes_nothing),
		T(a_thousand_networks),
		T(events_that_matter),
	};

	return fw_test_run(&fw, tests, ARRAY_SIZE(tests));
}
