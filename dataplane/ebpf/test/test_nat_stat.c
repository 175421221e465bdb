/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counters and room for flows over a daemon's life: who had a counter finds it
 * again with its figures, nobody gets another's, and another size of the flows'
 * table costs the flows alone.
 */
#include "dataplane/ebpf/nat_stat.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/ebpf/nat.h"
#include "dataplane/ebpf/test/nat_env.h"
#include "lib/test/test.h"

static struct host host;

#define EST_MAX  1000u

#define CHECK(r) NAT_CHECK(e, r)

static int setup(void **state)
{
	return nat_env_up(state, &host, EST_MAX);
}

static int teardown(void **state)
{
	return nat_env_down(state, &host);
}

static uint32_t map_id(const char *name)
{
	_cleanup_close_ int fd = nat_env_map(&host, name);
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	return info.id;
}

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

/* @n packets in on the first processor, twice that on the last. */
static void have_counted(uint32_t index, uint64_t n)
{
	int cpus = libbpf_num_possible_cpus();
	struct nat_stat *each = calloc((size_t)cpus, sizeof(*each));
	_cleanup_close_ int fd = nat_env_map(&host, "nat_stat");

	assert_non_null(each);
	each[cpus - 1].packets_in = 2 * n;
	each[0].packets_in += n;
	assert_int_equal(bpf_map_update_elem(fd, &index, each, BPF_ANY), 0);
	free(each);
}

static uint64_t counted(struct nat_env *e, uint32_t index)
{
	struct nat_stat st;

	CHECK(nat_stats_read(e->stats, index, &st, &e->err));
	return st.packets_in;
}

/* ---- counters ------------------------------------------------------------ */

static uint32_t take(struct nat_env *e)
{
	uint32_t index;

	nat_stats_take(e->stats, &index, 1);
	return index;
}

static void a_counter_begins_at_zero(void **state)
{
	struct nat_env *e = *state;
	struct nat_stat st;
	uint32_t a;

	NEED_HOST();
	for (uint32_t i = 1; i < 8; i++)
		have_counted(i, i);
	a = take(e);
	assert_in_range(a, 1, 7);
	assert_int_equal(counted(e, a), 0);
	have_counted(a, 5);
	assert_int_equal(counted(e, a), 15);
	assert_int_equal(nat_stats_read(e->stats, 0, &st, &e->err), -ENOENT);
}

static void many_at_once(void **state)
{
	const uint32_t size = nat_stats_size(libbpf_num_possible_cpus());
	uint32_t *got = calloc(size + 10, sizeof(*got)), n = 0;
	struct nat_env *e = *state;

	if (!host.usable) {
		free(got);
		skip();
		return;
	}
	assert_non_null(got);
	for (uint32_t i = 1; i < 200; i++)
		have_counted(i, i);
	nat_stats_take(e->stats, got, size + 10);
	while (n < size + 10 && got[n])
		n++;
	assert_int_equal(n, size - 1);
	for (uint32_t i = n; i < size + 10; i++)
		assert_int_equal(got[i], 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(counted(e, got[i]), 0);
	assert_int_equal(take(e), 0);
	free(got);
}

/* Fail points are read once: before all others, in a process of its own. */
static void a_failure_counts_nothing(void **state)
{
	pid_t pid;
	int st;

	if (!host.usable) {
		skip();
		return;
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		uint32_t got[3] = { 9, 9, 9 };
		struct nat_env *e;

		setenv("BERTH_FP", "nat.stat.clear:err=ENOSPC:nth=1", 1);
		if (setup(state) < 0)
			_exit(3);
		e = *state;
		nat_stats_take(e->stats, got, 3);
		st = got[0] || got[1] || got[2];
		nat_stats_take(e->stats, got, 3);
		if (!got[0] || !got[1] || !got[2])
			st = 2;
		(void)teardown(state);
		_exit(st);
	}
	assert_int_equal(waitpid(pid, &st, 0), pid);
	assert_true(WIFEXITED(st));
	assert_int_equal(WEXITSTATUS(st), 0);
}

static void each_finds_its_own_again(void **state)
{
	struct port_range ports[] = {
		{ .proto = IPPROTO_TCP, .host_first = 80, .port_first = 80 },
		{ .proto = IPPROTO_TCP,
		  .host_first = 1000,
		  .port_first = 1000 },
		{ .proto = IPPROTO_UDP, .host_first = 80, .port_first = 80 },
	};
	const struct portmap m = { ports, 2 };
	const struct ip_addr ip4 = ip("10.88.0.2"), ip6 = ip("fd88::2"),
			     other = ip("10.88.0.3"), none = { 0 };
	struct nat_endpoint ep = { .ip4 = ip4, .ip6 = ip6, .ifindex = 7 };
	struct nat_env *e = *state;

	NEED_HOST();
	ports[0].count = ports[2].count = 1;
	ports[1].count = 100; /* in the trie */
	for (int i = 0; i < 2; i++) {
		ports[i].stat = take(e);
		have_counted(ports[i].stat, 10u + (unsigned)i);
	}
	ep.stat = take(e);
	have_counted(ep.stat, 20);
	CHECK(sock_publish_add(e->sock, &m, &ip4, &ip6, &e->err));
	CHECK(nat_ep_add(e->nat, &ep, &e->err));
	nat_env_close(e);

	nat_env_open(e, &host, EST_MAX);
	CHECK(nat_stats_recall(e->stats, &e->err));
	/* what is new meanwhile gets nobody's */
	for (int i = 0; i < 3; i++) {
		uint32_t fresh = take(e);

		assert_int_not_equal(fresh, 0);
		assert_int_not_equal(fresh, ports[0].stat);
		assert_int_not_equal(fresh, ports[1].stat);
		assert_int_not_equal(fresh, ep.stat);
	}
	/* another container, protocol, size, or link: not the same */
	assert_int_equal(nat_stats_of_port(e->stats, &ports[0], &other, &none),
			 0);
	assert_int_equal(nat_stats_of_port(e->stats, &ports[2], &ip4, &ip6), 0);
	ports[1].count = 99;
	assert_int_equal(nat_stats_of_port(e->stats, &ports[1], &ip4, &none),
			 0);
	ports[1].count = 100;
	assert_int_equal(nat_stats_of_endpoint(e->stats, &ip4, &ip6, 8), 0);
	assert_int_equal(nat_stats_of_endpoint(e->stats, &other, &none, 7), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			nat_stats_of_port(e->stats, &ports[i], &ip4, &ip6),
			ports[i].stat);
		assert_int_equal(counted(e, ports[i].stat), 30 + 3 * i);
		/* one has it by now */
		assert_int_equal(
			nat_stats_of_port(e->stats, &ports[i], &ip4, &ip6), 0);
	}
	assert_int_equal(nat_stats_of_endpoint(e->stats, &none, &ip6, 7),
			 ep.stat);
	assert_int_equal(counted(e, ep.stat), 60);
	nat_stats_recalled(e->stats);
	assert_int_equal(nat_stats_of_endpoint(e->stats, &ip4, &ip6, 7), 0);
	nat_env_attach(e);
}

static void of_another_layout_nothing_is_recalled(void **state)
{
	struct nat_env *e = *state;
	struct nat_endpoint ep = { .ip4 = ip("10.88.0.2"), .ifindex = 7 };
	const struct ip_addr none = { 0 };

	NEED_HOST();
	ep.stat = take(e);
	CHECK(nat_ep_add(e->nat, &ep, &e->err));
	host_sh("bpftool map update pinned %s/berth/v1/test/nat_meta key 0 0 0 "
		"0 value 0 0 0 0 0 0 0 0 99 0 0 0 0 0 0 0",
		host.bpffs);
	nat_stats_put(e->stats, ep.stat);
	CHECK(nat_stats_recall(e->stats, &e->err));
	assert_int_equal(nat_stats_of_endpoint(e->stats, &ep.ip4, &none, 7), 0);
	nat_stats_recalled(e->stats);
}

/* ---- what is shared with the hooks and the guard --------------------------- */

/* Does the program at endpoints have the map that is pinned as @name? */
static bool shares(struct nat_env *e, const char *name)
{
	_cleanup_close_ int fd = nat_env_map(&host, name);
	__u32 ids[64] = { 0 }, len;
	struct bpf_prog_info prog = { .nr_map_ids = ARRAY_SIZE(ids),
				      .map_ids = (uintptr_t)ids };
	struct bpf_map_info map = { 0 };

	len = sizeof(prog);
	CHECK(bpf_obj_get_info_by_fd(nat_endpoint_program(e->nat), &prog,
				     &len));
	len = sizeof(map);
	CHECK(bpf_obj_get_info_by_fd(fd, &map, &len));
	for (__u32 i = 0; i < prog.nr_map_ids && i < ARRAY_SIZE(ids); i++)
		if (ids[i] == map.id)
			return true;
	return false;
}

static enum nat_link_kind any_uplink(void *ctx, const struct nlk_link *l)
{
	(void)ctx;
	(void)l;
	return NAT_KIND_UPLINK;
}

static bool no_gateway(void *ctx, const struct nlk_link *l,
		       const struct ip_addr *addr)
{
	(void)ctx;
	(void)l;
	(void)addr;
	return false;
}

/* Of another layout are the maps that it shares: its programs must not go on with
 * them. */
static void dropped_with_what_it_shares(void **state)
{
	static const char *const metas[] = { "sock_meta", "guard_meta" };
	const struct nat_view view = { NULL, any_uplink, no_gateway };
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(metas); i++) {
		CHECK(nat_host_sync(e->nat, &view, &back, &e->err));
		nat_env_close(e);
		host_sh("cd %s/berth/v1/test && ls publish_in_* >/dev/null && "
			"bpftool map update pinned %s key 0 0 0 0 value 0 0 0 "
			"0 0 0 0 0 99 0 0 0 0 0 0 0",
			host.bpffs, metas[i]);
		nat_env_open(e, &host, EST_MAX);
		assert_true(e->dropped);
		host_sh("cd %s/berth/v1/test && ! ls | grep -E 'nat|publish'",
			host.bpffs);
		nat_env_attach(e);
		assert_true(shares(e, "sock_pub") && shares(e, "guard_port") &&
			    shares(e, "nat_local") && shares(e, "nat_stat"));
	}
}

/* ---- room for flows ------------------------------------------------------ */

struct crowd_row {
	const char *name;
	bool was;
	uint64_t entries;
	bool some; /* not all were seen yet */
	bool want;
};

static const struct crowd_row crowd_rows[] = {
	{ "empty", false, 0, false, false },
	{ "at the limit", false, 800, false, false },
	{ "above it", false, 801, false, true },
	{ "above it before all were seen", false, 801, true, true },
	{ "stays until it is emptier", true, 700, false, true },
	{ "is over below", true, 699, false, false },
	{ "is not over when few were seen yet", true, 5, true, true },
	{ "between, and was not", false, 750, false, false },
};

static void crowd_row(void **state)
{
	const struct crowd_row *row = *state;

	assert_int_equal(
		nat_is_crowded(row->was, row->entries, 1000, !row->some),
		row->want);
}

static void put_flows(unsigned int first, unsigned int count)
{
	_cleanup_close_ int fd = nat_env_map(&host, "nat_flows");
	struct nat_tuple key = { .proto = IPPROTO_TCP };
	struct nat_flow f = { .state = NAT_OPEN };
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	f.seen = (__u32)ts.tv_sec;
	for (unsigned int i = 0; i < count; i++) {
		key.sport = htons((uint16_t)(first + i));
		assert_int_equal(bpf_map_update_elem(fd, &key, &f, BPF_ANY), 0);
	}
}

static void a_walk_sees_the_crowd(void **state)
{
	struct nat_env *e = *state;

	NEED_HOST();
	assert_int_equal(nat_flow_room(e->nat), EST_MAX);
	put_flows(1, 790);
	CHECK(nat_flow_tick(e->nat, 100000, &e->err));
	assert_false(nat_flow_crowded(e->nat));
	nat_env_close(e);
	nat_env_open(e, &host, EST_MAX);
	nat_env_attach(e);
	put_flows(1000, 20);
	CHECK(nat_flow_tick(e->nat, 100000, &e->err));
	assert_true(nat_flow_crowded(e->nat));
	/* they are of no endpoint: the next walk ends them */
	nat_flow_recheck(e->nat);
	CHECK(nat_flow_tick(e->nat, 100000, &e->err));
	assert_false(nat_flow_crowded(e->nat));
}

static void another_size_costs_the_flows_alone(void **state)
{
	const struct nat_endpoint ep = { .ip4 = ip("10.88.0.2"), .ifindex = 7 };
	const struct nat_view view = { NULL, any_uplink, no_gateway };
	uint32_t local, stat, endpoints, est;
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	/* with programs at uplinks, which go first */
	CHECK(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_false(nat_resized(e->nat));
	CHECK(nat_ep_add(e->nat, &ep, &e->err));
	local = map_id("nat_local");
	stat = map_id("nat_stat");
	endpoints = map_id("nat_ep");
	est = map_id("nat_flows");
	nat_env_close(e);
	nat_env_open(e, &host, 2 * EST_MAX);
	nat_env_attach(e);
	assert_true(nat_resized(e->nat));
	assert_true(nat_is_attached(e->nat));
	assert_int_equal(nat_flow_room(e->nat), 2 * EST_MAX);
	assert_int_not_equal(map_id("nat_flows"), est);
	assert_int_equal(map_id("nat_local"), local);
	assert_int_equal(map_id("nat_stat"), stat);
	assert_int_equal(map_id("nat_ep"), endpoints);
	nat_env_close(e);
	nat_env_open(e, &host, 2 * EST_MAX);
	nat_env_attach(e);
	assert_false(nat_resized(e->nat));
}

/* Without the last network on eBPF, and again with one. */
static void hooks_and_programs_share_after_a_detach(void **state)
{
	__u32 key[4] = { 0, 0, 0, 1 };
	struct nat_local l = { 0 };
	struct nat_env *e = *state;
	uint32_t local, stat;
	int fd;

	NEED_HOST();
	local = map_id("nat_local");
	stat = map_id("nat_stat");
	fd = nat_env_map(&host, "nat_local");
	assert_int_equal(bpf_map_update_elem(fd, key, &l, BPF_ANY), 0);
	CHECK(nat_detach(e->nat, &e->err));
	/* nobody follows the host's addresses now */
	assert_int_equal(bpf_map_lookup_elem(fd, key, &l), -ENOENT);
	close(fd);
	CHECK(nat_attach(e->nat, &e->err));
	assert_int_equal(map_id("nat_local"), local);
	assert_int_equal(map_id("nat_stat"), stat);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(a_failure_counts_nothing),
		TEST(a_counter_begins_at_zero),
		TEST(many_at_once),
		TEST(each_finds_its_own_again),
		TEST(of_another_layout_nothing_is_recalled),
		TEST(dropped_with_what_it_shares),
		TEST(a_walk_sees_the_crowd),
		TEST(another_size_costs_the_flows_alone),
		TEST(hooks_and_programs_share_after_a_detach),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(crowd_rows)];
	size_t n = ARRAY_SIZE(plain);
	int failed;

	memcpy(tests, plain, sizeof(plain));
	n += TEST_ROWS(&tests[n], crowd_rows, crowd_row);
	(void)n;
	host_make(&host);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	host_remove(&host);
	return failed;
}
