/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links against the kernel, in network namespaces of the tests' own. */
#include "lib/test/nlk_test.h"

#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void bridge_has_what_was_asked(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	env_bridge(e);
	l = env_link(e, "br-t");
	assert_string_equal(l.kind, "bridge");
	assert_string_equal(l.alias, ALIAS);
	assert_int_equal(l.mtu, 1400);
	assert_memory_equal(l.mac.bytes, "\x02\x42\x01\x02\x03\x04", 6);
	assert_false(l.up);
	assert_int_equal(l.master, 0);
}

static void bridge_twice_names_the_holder(void **state)
{
	struct nlk_bridge_conf conf = { .name = "br-t", .alias = ALIAS };
	struct nlk_env *e = *state;

	NEED_NETNS();
	env_bridge(e);
	assert_int_equal(nlk_bridge_add(e->nlk, &conf, &e->err), -EEXIST);
	assert_non_null(strstr(e->err.msg, "br-t"));
	assert_non_null(strstr(e->err.msg, "bridge with alias \"" ALIAS));
	assert_int_equal(env_link(e, "br-t").mtu, 1400);
}

static void bridge_mtu_stays_when_a_port_comes(void **state)
{
	struct nlk_veth_conf v = { .name = "h0", .peer = "c0", .alias = ALIAS };
	struct nlk_env *e = *state;

	NEED_NETNS();
	v.master = env_bridge(e);
	v.mtu = 1300;
	assert_int_equal(nlk_veth_add(e->nlk, &v, &e->err), 0);
	assert_int_equal(env_link(e, "br-t").mtu, 1400);
}

static void bad_bridge_leaves_nothing(void **state)
{
	struct nlk_bridge_conf conf = { .name = "br-t",
					.alias = ALIAS,
					.mtu = 1u << 30 };
	struct nlk_env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(nlk_bridge_add(e->nlk, &conf, &e->err), -EINVAL);
	assert_int_equal(nlk_link_get(e->nlk, "br-t", 0, &l, NULL), -ENODEV);
}

static void veth_has_what_was_asked(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_link h, c;
	int br;

	NEED_NETNS();
	br = env_bridge(e);
	if (env_veth(e, br, true) < 0)
		fail_msg("%s", e->err.msg);
	h = env_link(e, "h0");
	c = env_link(e, "c0");
	assert_string_equal(h.kind, "veth");
	assert_string_equal(h.alias, ALIAS);
	assert_string_equal(c.alias, ALIAS);
	assert_int_equal(h.master, br);
	assert_int_equal(c.master, 0);
	assert_true(h.up);
	assert_false(c.up);
	assert_int_equal(h.mtu, 1400);
	assert_int_equal(c.mtu, 1400);
	assert_int_equal(h.peer_index, c.index);
	assert_false(h.peer_elsewhere);
	assert_memory_equal(c.mac.bytes, "\x02\x42\x0a\x00\x00\x02", 6);
	assert_int_equal(system("bridge -d link show dev h0 | "
				"grep -q 'hairpin on'"),
			 0);
}

static void veth_names_taken(void **state)
{
	struct nlk_veth_conf conf = { .name = "h1",
				      .peer = "c0",
				      .alias = ALIAS };
	struct nlk_env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(env_veth(e, 0, false), 0);
	assert_int_equal(env_veth(e, 0, false), -EEXIST);
	assert_non_null(strstr(e->err.msg, "link h0:"));
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EEXIST);
	assert_non_null(strstr(e->err.msg, "link c0:"));
	assert_int_equal(nlk_link_get(e->nlk, "h1", 0, &l, NULL), -ENODEV);
	/* the one that was there is as it was */
	assert_string_equal(env_link(e, "h0").alias, ALIAS);
}

static void veth_of_a_bad_bridge_leaves_nothing(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_not_equal(env_veth(e, 99999, false), 0);
	assert_int_equal(nlk_link_get(e->nlk, "h0", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, "c0", 0, &l, NULL), -ENODEV);
}

static void veth_bad_input(void **state)
{
	struct nlk_veth_conf conf = { .name = "a-name-that-is-too-long",
				      .peer = "c0",
				      .alias = ALIAS };
	struct nlk_env *e = *state;

	NEED_NETNS();
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	assert_non_null(strstr(e->err.msg, "1 to 15 characters"));
	conf.name = "bad/name";
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	conf.name = "h0";
	conf.alias = NULL;
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	conf.alias = ALIAS;
	conf.hairpin = true;
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	assert_non_null(strstr(e->err.msg, "without a bridge"));
}

static void del_only_with_the_alias(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(env_veth(e, 0, false), 0);
	assert_int_equal(
		nlk_link_del(e->nlk, "h0", "berth:test:other", &e->err),
		-EPERM);
	assert_non_null(strstr(e->err.msg, ALIAS));
	assert_int_equal(nlk_link_del(e->nlk, "h0", "", &e->err), -EPERM);
	assert_int_equal(nlk_link_del(e->nlk, "lo", ALIAS, &e->err), -EPERM);
	assert_int_equal(nlk_link_del(e->nlk, "h0", ALIAS, &e->err), 0);
	assert_int_equal(nlk_link_get(e->nlk, "c0", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_del(e->nlk, "h0", ALIAS, &e->err), 0);
}

static void del_of_foreign_without_alias_is_refused(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	assert_int_equal(system("ip link add f0 type veth peer name f1"), 0);
	assert_int_equal(nlk_link_del(e->nlk, "f0", ALIAS, &e->err), -EPERM);
	/* ours, caught between its creation and its alias */
	assert_int_equal(system("ip link add o0 group 0x62727468 type veth "
				"peer name o1"),
			 0);
	assert_int_equal(nlk_link_del(e->nlk, "o0", ALIAS, &e->err), 0);
}

static void many_are_deleted_at_once_and_only_ours(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_link_ref refs[] = { { .name = "h0", .alias = ALIAS },
				       { .name = "none", .alias = ALIAS },
				       { .name = "f0", .alias = ALIAS },
				       { .name = "h1", .alias = ALIAS } };
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(env_veth(e, 0, false), 0);
	assert_int_equal(system("ip link add f0 type veth peer name f1; "
				"ip link add h1 type veth peer name c1; "
				"ip link set h1 alias " ALIAS),
			 0);
	assert_int_equal(
		nlk_link_del_many(e->nlk, refs, ARRAY_SIZE(refs), &e->err), 0);
	assert_int_equal(refs[0].result, 0);
	assert_int_equal(refs[1].result, 0);
	assert_int_equal(refs[2].result, -EPERM);
	assert_int_equal(refs[3].result, 0);
	assert_int_equal(nlk_link_get(e->nlk, "h0", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, "c1", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, "f0", 0, &l, NULL), 0);
	/* again: nothing to do */
	assert_int_equal(nlk_link_del_many(e->nlk, refs, 2, &e->err), 0);
}

static void link_setters(void **state)
{
	const struct mac_addr mac = { { 2, 9, 9, 9, 9, 9 } };
	struct nlk_env *e = *state;
	struct nlk_link c;
	int br;

	NEED_NETNS();
	br = env_bridge(e);
	assert_int_equal(env_veth(e, 0, false), 0);
	c = env_link(e, "c0");
	assert_int_equal(nlk_link_mtu(e->nlk, c.index, 1280, &e->err), 0);
	assert_int_equal(nlk_link_mac(e->nlk, c.index, &mac, &e->err), 0);
	assert_int_equal(nlk_link_rename(e->nlk, c.index, "eth0", &e->err), 0);
	assert_int_equal(nlk_link_alias(e->nlk, c.index, "x", &e->err), 0);
	assert_int_equal(nlk_link_master(e->nlk, c.index, br, &e->err), 0);
	assert_int_equal(nlk_port_hairpin(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(system("bridge -d link show dev eth0 | "
				"grep -q 'hairpin on'"),
			 0);
	assert_int_equal(nlk_link_up(e->nlk, c.index, true, &e->err), 0);
	c = env_link(e, "eth0");
	assert_int_equal(c.mtu, 1280);
	assert_memory_equal(&c.mac, &mac, sizeof(mac));
	assert_string_equal(c.alias, "x");
	assert_int_equal(c.master, br);
	assert_true(c.up);
	assert_int_equal(nlk_link_up(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(nlk_link_alias(e->nlk, c.index, "", &e->err), 0);
	assert_int_equal(nlk_link_up(e->nlk, c.index, false, &e->err), 0);
	assert_int_equal(nlk_link_arp(e->nlk, c.index, false, &e->err), 0);
	assert_int_equal(system("ip link show eth0 | grep -q NOARP"), 0);
	assert_int_equal(nlk_link_arp(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(system("ip link show eth0 | grep -qv NOARP"), 0);
	assert_int_equal(nlk_link_master(e->nlk, c.index, 0, &e->err), 0);
	c = env_link(e, "eth0");
	assert_string_equal(c.alias, "");
	assert_int_equal(c.master, 0);
	assert_false(c.up);
}

static void absent_links_are_enodev(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(nlk_link_get(e->nlk, "none", 0, &l, &e->err), -ENODEV);
	assert_non_null(strstr(e->err.msg, "link none: "));
	assert_int_equal(nlk_link_get(e->nlk, NULL, 4711, &l, &e->err),
			 -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, NULL, 0, &l, &e->err), -ENODEV);
	assert_int_equal(nlk_link_up(e->nlk, 4711, true, &e->err), -ENODEV);
	assert_int_equal(nlk_link_rename(e->nlk, 4711, "x", &e->err), -ENODEV);
	assert_int_equal(nlk_port_hairpin(e->nlk, 4711, true, &e->err),
			 -ENODEV);
}

static int count_link(void *ctx, const struct nlk_link *l)
{
	int *n = ctx;

	if (strcmp(l->name, "stop") == 0)
		return -ECANCELED;
	(*n)++;
	return 0;
}

static void each_shows_every_link(void **state)
{
	struct nlk_env *e = *state;
	char name[IFNAMSIZ], peer[IFNAMSIZ];
	int n = 0;

	NEED_NETNS();
	for (int i = 0; i < 200; i++) {
		struct nlk_veth_conf conf = { .name = name,
					      .peer = peer,
					      .alias = ALIAS };

		snprintf(name, sizeof(name), "h%d", i);
		snprintf(peer, sizeof(peer), "c%d", i);
		assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), 0);
	}
	assert_int_equal(nlk_link_each(e->nlk, count_link, &n, &e->err), 0);
	assert_int_equal(n, 401); /* and lo */
	assert_int_equal(nlk_link_rename(e->nlk, env_link(e, "c7").index,
					 "stop", &e->err),
			 0);
	assert_int_equal(nlk_link_each(e->nlk, count_link, &n, &e->err),
			 -ECANCELED);
}

static int count_base(void *ctx, const struct nlk_link *l)
{
	*(int *)ctx += l->name[0] == 'b';
	return 0;
}

/* Others come and go while we look: what stays is seen, once. */
static void each_is_whole_while_links_come_and_go(void **state)
{
	struct nlk_env *e = *state;
	int status, looks = 0;
	pid_t pid;

	NEED_NETNS();
	assert_int_equal(system("for i in $(seq 100); do echo link add b$i "
				"type veth peer name bb$i; done | "
				"ip -batch -"),
			 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execlp("sh", "sh", "-c",
		       "for i in $(seq 150); do echo link add x$i type veth "
		       "peer name y$i; echo link set x$i alias z; done | "
		       "ip -batch -",
		       NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		int n = 0, r = nlk_link_each(e->nlk, count_base, &n, &e->err);

		if (r == -EAGAIN) /* said so, not half an answer */
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(n, 200);
		looks++;
	}
	assert_int_equal(status, 0);
	print_message("# whole looks: %d\n", looks);
}

static void counts_are_of_both_ends(void **state)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	struct nlk_env *e = *state;
	struct nlk_counts was, now, peer;
	struct nlk_link h, c;
	char frame[100] = { [12] = (char)0x88, [13] = (char)0xb5 };
	int fd;

	NEED_NETNS();
	env_veth(e, 0, false);
	h = env_link(e, "h0");
	c = env_link(e, "c0");
	assert_int_equal(h.peer_nsid, -1);
	assert_int_equal(nlk_link_up(e->nlk, h.index, true, &e->err), 0);
	assert_int_equal(nlk_link_up(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(nlk_link_counts(e->nlk, -1, h.index, &was, &e->err),
			 0);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	to.sll_ifindex = h.index;
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0,
				(struct sockaddr *)&to, sizeof(to)),
			 sizeof(frame));
	close(fd);
	assert_int_equal(nlk_link_counts(e->nlk, -1, h.index, &now, &e->err),
			 0);
	/* The kernel may have words of its own (IPv6). */
	assert_true(now.tx_bytes >= was.tx_bytes + sizeof(frame));
	assert_true(now.tx_packets > was.tx_packets);
	assert_int_equal(nlk_link_counts(e->nlk, -1, c.index, &peer, &e->err),
			 0);
	assert_true(peer.rx_bytes >= now.tx_bytes);
	assert_int_equal(now.peer_index, c.index);
	assert_int_equal(peer.peer_index, h.index);
	assert_int_equal(nlk_link_counts(e->nlk, -1, 9999, &now, &e->err),
			 -ENODEV);
	assert_int_equal(nlk_link_counts(e->nlk, -1, 0, &now, &e->err),
			 -ENODEV);
	assert_int_equal(nlk_link_counts(e->nlk, 12345, h.index, &now, &e->err),
			 -EINVAL);
}

/* Not a benchmark: prints what one attach costs here. */
static void attach_cost(void **state)
{
	struct nlk_env *e = *state;
	struct timespec a, b;
	char name[IFNAMSIZ], peer[IFNAMSIZ];
	int br, n = 100;

	NEED_NETNS();
	br = env_bridge(e);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < n; i++) {
		struct nlk_veth_conf conf = { .name = name,
					      .peer = peer,
					      .alias = ALIAS,
					      .master = br,
					      .mtu = 1400,
					      .hairpin = true,
					      .peer_mac = { { 2, 0x42, 10, 0, 0,
							      (uint8_t)i } } };

		snprintf(name, sizeof(name), "h%d", i);
		snprintf(peer, sizeof(peer), "c%d", i);
		assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("# veth_add: %.0f us each\n",
		      ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		       (double)(b.tv_nsec - a.tv_nsec)) /
			      1e3 / n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NLK_TEST(bridge_has_what_was_asked),
		NLK_TEST(bridge_twice_names_the_holder),
		NLK_TEST(bridge_mtu_stays_when_a_port_comes),
		NLK_TEST(bad_bridge_leaves_nothing),
		NLK_TEST(veth_has_what_was_asked),
		NLK_TEST(veth_names_taken),
		NLK_TEST(veth_of_a_bad_bridge_leaves_nothing),
		NLK_TEST(veth_bad_input),
		NLK_TEST(del_only_with_the_alias),
		NLK_TEST(del_of_foreign_without_alias_is_refused),
		NLK_TEST(many_are_deleted_at_once_and_only_ours),
		NLK_TEST(link_setters),
		NLK_TEST(absent_links_are_enodev),
		NLK_TEST(each_shows_every_link),
		NLK_TEST(each_is_whole_while_links_come_and_go),
		NLK_TEST(counts_are_of_both_ends),
		NLK_TEST(attach_cost),
	};

	return nlk_test_run(tests, ARRAY_SIZE(tests));
}
