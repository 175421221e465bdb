/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tc.h both ways, with programs of two instructions: what runs is told by what
 * passes, and looked at with tc(8) and bpftool(8).
 */
#include "dataplane/ebpf/tc.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/ebpf/test/host.h"
#include "lib/base.h"
#include "lib/test/test.h"

static struct host host;
static struct pin_dir pins = { .lock = -EBADF };
static int pass = -EBADF, drop = -EBADF; /* programs */

static int make_prog(int verdict)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K,
		  .dst_reg = BPF_REG_0,
		  .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", code,
			     ARRAY_SIZE(code), NULL);
}

/* @state: NULL: clsact. */
static struct tc *open_tc(void **state)
{
	bool want = *state;
	struct err err = { 0 };
	struct tc *tc = NULL;

	if (tc_open(&pins, want, &tc, &err) < 0)
		fail_msg("%s", err.msg);
	if (want && !tc_has_tcx(tc)) {
		tc_close(tc);
		print_message("# SKIP: this kernel has no tcx\n");
		return NULL;
	}
	return tc;
}

#define OPEN_TC(tc)                                \
	_cleanup_(tc_closep) struct tc *tc = NULL; \
	NEED_HOST();                               \
	tc = open_tc(state);                       \
	if (!tc) {                                 \
		skip();                            \
		return;                            \
	}

static int h0(void)
{
	return (int)if_nametoindex("h0");
}

/* A loaded machine answers late; a packet that is dropped never comes. */
static bool reaches(void)
{
	return system("ping -c1 -W10 -q " HOST_C4 " >/dev/null 2>&1") == 0;
}

static bool is_cut(void)
{
	return system("ping -c1 -W1 -q " HOST_C4 " >/dev/null 2>&1") != 0;
}

static bool has_pin(const char *fmt, int ifindex)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%d", fmt, ifindex);
	return pin_exists(&pins, name);
}

static void attach(struct tc *tc, int ifindex, enum tc_hook hook, int prog)
{
	struct err err = { 0 };

	if (tc_attach(tc, "t", ifindex, hook, prog, &err) < 0)
		fail_msg("%s", err.msg);
}

static void detach(struct tc *tc, int ifindex, enum tc_hook hook)
{
	struct err err = { 0 };

	if (tc_detach(tc, "t", ifindex, hook, &err) < 0)
		fail_msg("%s", err.msg);
}

static void runs_in_both_directions(void **state)
{
	static const enum tc_hook hooks[] = { TC_IN, TC_OUT };

	OPEN_TC(tc);
	assert_true(reaches());
	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		attach(tc, h0(), hooks[i], drop);
		assert_true(is_cut());
		assert_int_equal(
			tc_is_attached(tc, "t", h0(), hooks[i], drop, NULL), 1);
		assert_int_equal(
			tc_is_attached(tc, "t", h0(), hooks[i], pass, NULL), 0);
		assert_int_equal(
			tc_is_attached(tc, "t", h0(), !hooks[i], drop, NULL),
			0);
		detach(tc, h0(), hooks[i]);
		assert_true(reaches());
		assert_int_equal(
			tc_is_attached(tc, "t", h0(), hooks[i], drop, NULL), 0);
		detach(tc, h0(), hooks[i]);
	}
	assert_false(has_pin("t_in", h0()));
	assert_false(has_pin("t_out", h0()));
	host_sh("! tc qdisc show dev h0 | grep -q clsact");
}

/* The same again is nothing; another program takes its place; a second handle,
 * as of a daemon that started anew, goes on with both. */
static void replaces_in_place(void **state)
{
	OPEN_TC(tc);
	_cleanup_(tc_closep) struct tc *later = open_tc(state);

	attach(tc, h0(), TC_IN, drop);
	attach(tc, h0(), TC_IN, drop);
	attach(tc, h0(), TC_IN, pass);
	assert_true(reaches());
	assert_int_equal(tc_is_attached(tc, "t", h0(), TC_IN, drop, NULL), 0);
	attach(later, h0(), TC_IN, drop);
	assert_true(is_cut());
	assert_int_equal(tc_is_attached(tc, "t", h0(), TC_IN, drop, NULL), 1);
	if (!*state) /* tcx: bpftool 7.1 does not know it */
		host_sh("test $(tc filter show dev h0 ingress | "
			"grep -c 'handle 0x6274') = 1");
	detach(later, h0(), TC_IN);
	assert_true(reaches());
}

static void outlives_the_handle(void **state)
{
	OPEN_TC(tc);
	attach(tc, h0(), TC_OUT, drop);
	tc_close(take_ptr(tc));
	assert_true(is_cut());
	tc = open_tc(state);
	detach(tc, h0(), TC_OUT);
	assert_true(reaches());
}

/* What somebody took away comes back. */
static void detached_by_somebody(void **state)
{
	bool tcx = *state;
	char path[PIN_PATH_MAX], name[32];
	int link;

	OPEN_TC(tc);
	attach(tc, h0(), TC_IN, drop);
	snprintf(name, sizeof(name), "t_in_%d", h0());
	if (tcx) {
		link = bpf_obj_get(pin_path(&pins, name, path));
		assert_int_equal(bpf_link_detach(link), 0);
		closep(&link);
	} else {
		host_sh("tc qdisc del dev h0 clsact");
	}
	assert_int_equal(tc_is_attached(tc, "t", h0(), TC_IN, drop, NULL), 0);
	assert_true(reaches());
	attach(tc, h0(), TC_IN, drop);
	assert_true(is_cut());
	/* the pin removed: with tcx that detaches */
	assert_int_equal(unlink(pin_path(&pins, name, path)), 0);
	attach(tc, h0(), TC_IN, drop);
	assert_true(has_pin("t_in", h0()));
	assert_true(is_cut());
	detach(tc, h0(), TC_IN);
	assert_true(reaches());
}

/* Others' clsact filters run after ours, and stay. */
static void leaves_others_alone(void **state)
{
	OPEN_TC(tc);
	host_sh("tc qdisc add dev h0 clsact && tc filter add dev h0 ingress "
		"prio 1 handle 1 bpf da pinned %s/drop",
		host.bpffs);
	attach(tc, h0(), TC_OUT, pass);
	detach(tc, h0(), TC_OUT);
	host_sh("tc filter show dev h0 ingress | grep -q 'handle 0x1 '");
	if (*state) {
		attach(tc, h0(), TC_IN, pass);
		assert_true(is_cut());
		detach(tc, h0(), TC_IN);
	}
	host_sh("tc qdisc del dev h0 clsact");
}

static void interface_gone(void **state)
{
	OPEN_TC(tc);
	int index;

	host_sh("ip link add gone type veth peer name gone2");
	index = (int)if_nametoindex("gone");
	attach(tc, index, TC_IN, drop);
	attach(tc, index, TC_OUT, drop);
	host_sh("ip link del gone");
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, drop, NULL), 0);
	assert_int_equal(tc_attach(tc, "t", index, TC_IN, drop, NULL), -ENODEV);
	assert_true(has_pin("t_in", index));
	detach(tc, index, TC_IN);
	assert_false(has_pin("t_in", index));
	assert_int_equal(tc_sweep(tc, "t", NULL, NULL, NULL), 1);
	assert_false(has_pin("t_out", index));

	/* the same index for another interface */
	host_sh("ip link add gone index %d type veth peer name gone2", index);
	attach(tc, index, TC_IN, drop);
	host_sh("ip link del gone && "
		"ip link add gone index %d type veth peer name gone2",
		index);
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, drop, NULL), 0);
	attach(tc, index, TC_IN, drop);
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, drop, NULL), 1);
	detach(tc, index, TC_IN);
	host_sh("ip link del gone");
}

/* A pin of that index, but of another namespace's interface. */
static void index_of_another_namespace(void **state)
{
	OPEN_TC(tc);
	_cleanup_(tc_closep) struct tc *there = NULL;
	int index = 4711;

	host_sh("ip link add same index %d type veth peer name same2", index);
	host_enter(&host, host.container);
	host_sh("ip link add same index %d type veth peer name same2", index);
	there = open_tc(state);
	attach(there, index, TC_IN, drop);
	host_enter(&host, host.net);
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, drop, NULL), 0);
	attach(tc, index, TC_IN, pass);
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, pass, NULL), 1);
	detach(tc, index, TC_IN);
	host_sh("ip link del same");
	host_enter(&host, host.container);
	host_sh("ip link del same");
	host_enter(&host, host.net);
}

static bool keep_in(void *ctx, int ifindex, enum tc_hook hook)
{
	return ifindex == *(int *)ctx && hook == TC_IN;
}

static void sweep_removes_what_is_not_kept(void **state)
{
	OPEN_TC(tc);
	int index = h0();

	attach(tc, index, TC_IN, pass);
	attach(tc, index, TC_OUT, drop);
	if (*state) /* with clsact there is room for one */
		assert_int_equal(tc_attach(tc, "u", index, TC_OUT, pass, NULL),
				 0);
	assert_true(is_cut());
	assert_int_equal(tc_sweep(tc, "t", keep_in, &index, NULL), 1);
	if (*state)
		assert_int_equal(
			tc_is_attached(tc, "u", index, TC_OUT, pass, NULL), 1);
	assert_true(reaches());
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, pass, NULL), 1);
	assert_int_equal(tc_sweep(tc, "t", NULL, NULL, NULL), 1);
	assert_int_equal(tc_sweep(tc, "u", NULL, NULL, NULL), *state ? 1 : 0);
	assert_int_equal(tc_sweep(tc, "u", NULL, NULL, NULL), 0);
	assert_int_equal(tc_is_attached(tc, "t", index, TC_IN, pass, NULL), 0);
}

/* Left by a handle that would not use tcx. */
static void the_other_way_is_cleaned_up(void **state)
{
	_cleanup_(tc_closep) struct tc *cls = NULL;

	(void)state;
	NEED_HOST();
	assert_int_equal(tc_open(&pins, false, &cls, NULL), 0);
	assert_false(tc_has_tcx(cls));
	attach(cls, h0(), TC_IN, drop);
	tc_close(take_ptr(cls));
	assert_int_equal(tc_open(&pins, true, &cls, NULL), 0);
	assert_true(is_cut());
	detach(cls, h0(), TC_IN);
	assert_true(reaches());
	host_sh("! tc qdisc show dev h0 | grep -q clsact");
}

/* For tc(8). */
static bool pin_other(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/drop", host.bpffs);
	return bpf_obj_pin(drop, path) == 0;
}

static bool prepare(void)
{
	struct err err = { 0 };

	if (pin_init(&pins, host.bpffs, "test", &err) < 0 ||
	    pin_make(&pins, &err) < 0) {
		print_error("%s\n", err.msg);
		return false;
	}
	pass = make_prog(TC_ACT_UNSPEC);
	drop = make_prog(TC_ACT_SHOT);
	return pass >= 0 && drop >= 0 && pin_other();
}

#define BOTH(fn)                                                          \
	{ .name = "tcx: " #fn, .test_func = fn, .initial_state = &host }, \
	{                                                                 \
		.name = "clsact: " #fn, .test_func = fn                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(runs_in_both_directions),
		BOTH(replaces_in_place),
		BOTH(outlives_the_handle),
		BOTH(detached_by_somebody),
		BOTH(leaves_others_alone),
		BOTH(interface_gone),
		BOTH(index_of_another_namespace),
		BOTH(sweep_removes_what_is_not_kept),
		cmocka_unit_test(the_other_way_is_cleaned_up),
	};
	int r;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	if (host.usable && !prepare())
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	closep(&pass);
	closep(&drop);
	pin_fini(&pins);
	host_remove(&host);
	return r;
}
