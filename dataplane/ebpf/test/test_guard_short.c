/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The short way: the guard's programs, frame by frame, and what guard.h keeps of it.
 *
 *   b0: ports p 10.65.0.2 fd00:65::2, q 10.65.0.3 fd00:65::3, rated .4, and wire w to
 *       another host, where far 10.65.0.9 fd00:65::9 and far4 10.65.0.10 are
 */
#include "dataplane/ebpf/guard.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>

#include "bpf/guard_map.h"
#include "dataplane/ebpf/test/guard_env.h"
#include "dataplane/ebpf/test/host.h"
#include "lib/test/test.h"

static struct host host;
static struct pin_dir pins = { .lock = -EBADF };
static struct guard *guard;

/* ---- frames, in hex ------------------------------------------------------- */

/* clang-format off */
#define P     "02420a410002"
#define Q     "02420a410003"
#define RATED "02420a410004"
#define FAR   "02420a410009"
#define FAR4  "02420a41000a"
#define TWICE "02420a41000b"
#define NOBODY "02420a4100ff"
#define IP_P  "0a410002"
#define IP_Q  "0a410003"
#define IP_FAR "0a410009"
#define IP_FAR4 "0a41000a"
#define P6    "fd000065 00000000 00000000 00000002"
#define Q6    "fd000065 00000000 00000000 00000003"
#define FAR6  "fd000065 00000000 00000000 00000009"
#define LL_FAR "fe800000 00000000 00420aff fe410009"
#define ANY6  "00000000 00000000 00000000 00000000"
#define UDP   "1388 1389 0008 0000"
#define V4(to, from, src, dst) \
	to from "0800 45 00 001c 0000 0000 4011 0000" src dst UDP
#define V6(to, from, next, src, dst) \
	to from "86dd 60000000 0008" next "ff" src dst UDP
#define ARP(to, from, src) \
	to from "0806 0001 0800 06 04 0001" from src "000000000000" IP_Q

enum want { SHORT, BRIDGE, DROP };

static const struct row {
	const char *name, *port, *frame;
	enum want want;
} rows[] = {
	{ "to a neighbour", "p", V4(Q, P, IP_P, IP_Q), SHORT },
	{ "to another host", "p", V4(FAR, P, IP_P, IP_FAR), SHORT },
	{ "to a neighbour by IPv6", "p", V6(Q, P, "11", P6, Q6), SHORT },
	{ "to another host by IPv6", "p", V6(FAR, P, "06", P6, FAR6), SHORT },
	{ "to itself", "p", V4(P, P, IP_P, IP_P), BRIDGE },
	{ "to nobody", "p", V4(NOBODY, P, IP_P, IP_Q), BRIDGE },
	{ "to a group", "p", V4("01005e000001", P, IP_P, "e0000001"), BRIDGE },
	{ "to all", "p", V4("ffffffffffff", P, IP_P, "ffffffff"), BRIDGE },
	{ "to who is there twice", "p", V4(TWICE, P, IP_P, IP_Q), BRIDGE },
	{ "ARP", "p", ARP(Q, P, IP_P), BRIDGE },
	{ "ICMPv6", "p", Q P "86dd 60000000 0008 3a ff" P6 Q6 "8000 0000 00000000", BRIDGE },
	{ "ICMPv6 behind a header", "p", Q P "86dd 60000000 0010 00 ff" P6 Q6 "3a00 0104 00000000 8700 0000 00000000", BRIDGE },
	{ "a fragment of IPv6", "p", Q P "86dd 60000000 0010 2c ff" P6 Q6 "1100 0001 00000007" UDP, BRIDGE },
	{ "another's address", "p", V4(Q, P, IP_Q, IP_Q), DROP },
	{ "another's MAC", "p", V4(FAR, Q, IP_P, IP_Q), DROP },
	{ "a tag", "p", Q P "8100 0005 0800 45", DROP },
	/* from the wire */
	{ "from another host", "w", V4(P, FAR, IP_FAR, IP_P), SHORT },
	{ "from another host by IPv6", "w", V6(P, FAR, "11", FAR6, P6), SHORT },
	{ "from a link-local one", "w", V6(P, FAR, "11", LL_FAR, P6), SHORT },
	{ "from another's address", "w", V4(P, FAR, IP_FAR4, IP_P), BRIDGE },
	{ "from an address of this host's", "w", V4(P, FAR, IP_Q, IP_P), BRIDGE },
	{ "from another's MAC", "w", V4(P, FAR4, IP_FAR, IP_P), BRIDGE },
	{ "from a MAC of this host's", "w", V4(P, Q, IP_Q, IP_P), BRIDGE },
	{ "from nobody's MAC", "w", V4(P, NOBODY, IP_FAR, IP_P), BRIDGE },
	{ "from an address of IPv6 it has not", "w", V6(P, FAR, "11", Q6, P6), BRIDGE },
	{ "IPv6 from who has none", "w", V6(P, FAR4, "11", FAR6, P6), BRIDGE },
	{ "from :: to who has none", "w", V6(P, FAR4, "11", ANY6, P6), BRIDGE },
	{ "from 0.0.0.0", "w", V4(P, FAR, "00000000", IP_P), BRIDGE },
	{ "back to another host", "w", V4(FAR4, FAR, IP_FAR, IP_FAR4), BRIDGE },
	{ "to nobody, from there", "w", V4(NOBODY, FAR, IP_FAR, IP_P), BRIDGE },
	{ "to all, from there", "w", V4("ffffffffffff", FAR, IP_FAR, IP_P), BRIDGE },
	{ "ARP from there", "w", ARP(P, FAR, IP_FAR), BRIDGE },
	{ "ICMPv6 from there", "w", P FAR "86dd 60000000 0008 3a ff" FAR6 P6 "8800 0000 00000000", BRIDGE },
	{ "a tag from there", "w", P FAR "8100 0005 0800 45", BRIDGE },
};
/* clang-format on */

/* @len: with what is added behind the frame; 0: as it is. */
static enum want run_as(const char *port, const char *frame, size_t len,
			struct __sk_buff *ctx)
{
	static uint8_t data[4096];
	struct __sk_buff out = { 0 };
	char pin[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .ctx_in = ctx,
		    .ctx_size_in = sizeof(*ctx), .ctx_out = &out,
		    .ctx_size_out = sizeof(out));
	_cleanup_close_ int fd = -EBADF;
	size_t n;

	ctx->ifindex = if_nametoindex(port);
	snprintf(pin, sizeof(pin), "guard_in_%u", ctx->ifindex);
	fd = guard_pinned(&pins, pin);
	memset(data, 0, sizeof(data));
	n = guard_unhex(frame, data, sizeof(data));
	opts.data_size_in = (__u32)(len > n ? len : n);
	assert_int_equal(bpf_prog_test_run_opts(fd, &opts), 0);
	*ctx = out;
	switch ((int)opts.retval) {
	case TC_ACT_REDIRECT:
		return SHORT;
	case TC_ACT_UNSPEC:
		return BRIDGE;
	default:
		assert_int_equal(opts.retval, TC_ACT_SHOT);
		return DROP;
	}
}

static enum want run(const char *port, const char *frame)
{
	struct __sk_buff ctx = { 0 };

	return run_as(port, frame, 0, &ctx);
}

static enum want run_long(const char *port, const char *frame, size_t len)
{
	struct __sk_buff ctx = { 0 };

	return run_as(port, frame, len, &ctx);
}

static void frame(void **state)
{
	const struct row *row = *state;

	NEED_HOST();
	assert_int_equal(run(row->port, row->frame), row->want);
}

/* ---- guard.h -------------------------------------------------------------- */

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static struct mac_addr mac(uint8_t last)
{
	return (struct mac_addr){ { 2, 0x42, 10, 0x41, 0, last } };
}

static struct guard_conf conf_of(const char *name)
{
	uint8_t n = name[0] == 'p' ? 2 : name[0] == 'q' ? 3 : 4;
	struct guard_conf c = {
		.mac = mac(n), .source = true, .open = true, .ingress = -1
	};
	char text[32];

	snprintf(c.ifname, sizeof(c.ifname), "%s", name);
	snprintf(c.bridge, sizeof(c.bridge), "b0");
	snprintf(text, sizeof(text), "10.65.0.%u", n);
	c.ip4 = ip(text);
	snprintf(text, sizeof(text), "fd00:65::%u", n);
	c.ip6 = ip(text);
	if (n == 4)
		c.rate.in = (struct dp_rate){ 1000, 2048 };
	return c;
}

static void add(const char *name)
{
	struct guard_conf c = conf_of(name);
	struct err err = { "" };

	if (guard_port_add(guard, &c, &err) < 0)
		fail_msg("%s: %s", name, err.msg);
}

static int set(size_t count)
{
	const struct dp_far far[] = {
		{ mac(11), ip("10.65.0.11"), { 0 } },
		{ mac(9), ip("10.65.0.9"), ip("fd00:65::9") },
		{ mac(10), ip("10.65.0.10"), { 0 } },
		{ mac(11), ip("10.65.0.12"), { 0 } }, /* twice */
		{ mac(3), ip("10.65.0.13"), { 0 } },  /* q's */
	};
	const struct dp_shortcut s = { "w", far, count };

	return guard_shortcut_set(guard, "b0", &s, NULL);
}
#define ALL 5

static void tell_others(void)
{
	struct guard_other other = { (int)if_nametoindex("w"),
				     (int)if_nametoindex("b0") };

	assert_int_equal(guard_set_others(guard, &other, 1, NULL), 0);
}

static void tell_all(void)
{
	add("p");
	add("q");
	add("rated");
	tell_others();
	assert_int_equal(set(ALL), 0);
}

static int entries(void)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_way");
	struct guard_way_key key = { 0 }, next;
	int n = 0;

	for (; bpf_map_get_next_key(fd, n ? &key : NULL, &next) == 0; n++)
		key = next;
	return n;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	print_message("# %s\n", line);
}

#define TO_Q     V4(Q, P, IP_P, IP_Q)
#define TO_FAR   V4(FAR, P, IP_P, IP_FAR)
#define FROM_FAR V4(P, FAR, IP_FAR, IP_P)

static void told(void **state)
{
	(void)state;
	NEED_HOST();
	add("p");
	add("q");
	assert_int_equal(entries(), 0);
	assert_int_equal(run("p", TO_Q), BRIDGE);
	tell_all();
	assert_int_equal(set(ALL), 0);
	/* three here, two there */
	assert_int_equal(entries(), 5);
	assert_int_equal(guard_check(guard, say, NULL), 0);
}

/* As the bridge: a super packet is cut to what fits on its way. */
static void too_large(void **state)
{
	struct __sk_buff ctx = { .gso_size = 800, .gso_segs = 2 };

	(void)state;
	NEED_HOST();
	host_sh("ip link set q mtu 1000; ip link set w mtu 900");
	assert_int_equal(run_long("p", TO_Q, 1014), SHORT);
	assert_int_equal(run_long("p", TO_Q, 1015), BRIDGE);
	assert_int_equal(run_long("p", TO_FAR, 914), SHORT);
	assert_int_equal(run_long("p", TO_FAR, 915), BRIDGE);
	assert_int_equal(run_as("p", TO_Q, 1500, &ctx), SHORT);
	host_sh("ip link set q mtu 1500; ip link set w mtu 1500");
}

/* A veth clears both. */
static void marks(void **state)
{
	struct __sk_buff ctx = { .mark = 7, .priority = GUARD_STAMP };

	(void)state;
	NEED_HOST();
	assert_int_equal(run_as("w", FROM_FAR, 0, &ctx), SHORT);
	assert_int_equal(ctx.mark, 0);
	assert_int_equal(ctx.priority, 0);
}

static uint64_t drops(void)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_count");
	uint64_t each[256] = { 0 }, sum = 0;
	__u32 why = GUARD_DROP_RATE;

	assert_int_equal(bpf_map_lookup_elem(fd, &why, each), 0);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		sum += each[i];
	return sum;
}

static void rates(void **state)
{
	struct __sk_buff ctx = { .gso_size = 1000, .gso_segs = 900 };
	uint64_t before;

	(void)state;
	NEED_HOST();
	before = drops();
	assert_int_equal(
		run_as("p", V4(RATED, P, IP_P, "0a410004"), 2000, &ctx), SHORT);
	assert_int_equal(run("p", V4(RATED, P, IP_P, "0a410004")), DROP);
	assert_int_equal(run("w", V4(RATED, FAR, IP_FAR, "0a410004")), DROP);
	assert_int_equal(drops() - before, 2);
}

/* ---- life ----------------------------------------------------------------- */

static void a_port_that_is_down(void **state)
{
	int q = (int)if_nametoindex("q"), b0 = (int)if_nametoindex("b0");

	(void)state;
	NEED_HOST();
	guard_port_link(guard, q, false, b0);
	assert_int_equal(entries(), 5); /* whose MAC it is, another host says */
	assert_int_equal(guard_check(guard, say, NULL), 0);
	guard_port_link(guard, q, true, b0 + 1);
	assert_int_equal(run("q", V4(P, Q, IP_Q, IP_P)), BRIDGE);
	assert_int_equal(run("w", V4(Q, FAR, IP_FAR, IP_Q)), BRIDGE);
	guard_port_link(guard, q, true, b0);
	assert_int_equal(run("p", TO_Q), SHORT);
	assert_int_equal(run("w", V4(Q, FAR, IP_FAR, IP_Q)), SHORT);
	assert_int_equal(guard_check(guard, say, NULL), 0);
}

/* Whatever the map says, nothing is led into such a port. */
static void who_may_not(void **state)
{
	struct guard_conf c;

	(void)state;
	NEED_HOST();
	c = conf_of("q");
	c.apart = true;
	assert_int_equal(guard_port_add(guard, &c, NULL), 0);
	assert_int_equal(run("w", V4(Q, FAR, IP_FAR, IP_Q)), BRIDGE);
	c.apart = c.source = false;
	assert_int_equal(guard_port_add(guard, &c, NULL), 0);
	assert_int_equal(run("w", V4(Q, FAR, IP_FAR, IP_Q)), BRIDGE);
	add("q");
	assert_int_equal(run("w", V4(Q, FAR, IP_FAR, IP_Q)), SHORT);
	assert_int_equal(guard_port_del(guard, "q", NULL), 0);
	assert_int_equal(run("w", V4(Q, FAR, IP_FAR, IP_Q)), BRIDGE);
	/* it is the other host's by now */
	assert_int_equal(run("p", V4(Q, P, IP_P, "0a41000d")), SHORT);
	add("q");
	assert_int_equal(guard_check(guard, say, NULL), 0);
}

static void fewer_and_none(void **state)
{
	(void)state;
	NEED_HOST();
	assert_int_equal(set(1), 0);
	assert_int_equal(run("p", TO_FAR), BRIDGE);
	assert_int_equal(run("w", FROM_FAR), BRIDGE);
	assert_int_equal(run("p", TO_Q), SHORT);
	assert_int_equal(guard_shortcut_del(guard, "b0", NULL), 0);
	assert_int_equal(guard_shortcut_del(guard, "b0", NULL), 0);
	assert_int_equal(entries(), 0);
	assert_int_equal(run("p", TO_Q), BRIDGE);
	host_sh("! tc qdisc show dev w | grep -q clsact");
	assert_int_equal(set(ALL), 0);
	assert_int_equal(run("p", TO_Q), SHORT);
}

static void what_can_not_be(void **state)
{
	static struct dp_far many[GUARD_WAY_MAX / 2 + 1];
	struct dp_shortcut s = { "w", many, ARRAY_SIZE(many) };
	struct err err = { "" };

	(void)state;
	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i].mac =
			(struct mac_addr){ { 2, 0, 0, 1, (uint8_t)(i >> 8),
					     (uint8_t)i } };
	assert_int_equal(guard_shortcut_set(guard, "b0", &s, &err), -ENOSPC);
	assert_int_equal(entries(), 0);
	s = (struct dp_shortcut){ "nowhere", NULL, 0 };
	assert_int_equal(guard_shortcut_set(guard, "b0", &s, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "nowhere"));
	assert_int_equal(run("p", TO_Q), BRIDGE);
	assert_int_equal(set(ALL), 0);
	assert_int_equal(entries(), 5);
}

/* What a daemon left works on; what the next is not told goes. */
static void another_daemon(void **state)
{
	struct err err = { "" };

	(void)state;
	NEED_HOST();
	for (int i = 0; i < 2; i++) {
		guard_close(take_ptr(guard));
		assert_int_equal(run("p", TO_Q), SHORT);
		assert_int_equal(guard_open(&pins, &guard, &err), 0);
		if (i == 1)
			assert_int_equal(set(ALL), 0);
		assert_int_equal(run("p", TO_Q), SHORT);
		guard_load_begin(guard);
		add("p");
		add("q");
		assert_int_equal(guard_load_end(guard, NULL), 0);
		tell_others();
		assert_int_equal(entries(), i == 1 ? 4 : 0);
		assert_int_equal(run("p", TO_Q), i == 1 ? SHORT : BRIDGE);
		assert_int_equal(guard_check(guard, say, NULL), 0);
		tell_all();
	}
}

static void others_hands(void **state)
{
	_cleanup_close_ int fd = -EBADF;
	struct guard_way_key key;

	(void)state;
	NEED_HOST();
	fd = guard_pinned(&pins, "guard_way");
	assert_int_equal(bpf_map_get_next_key(fd, NULL, &key), 0);
	assert_int_equal(bpf_map_delete_elem(fd, &key), 0);
	assert_int_equal(guard_check(guard, say, NULL), 1);
	add("p"); /* any change looks at all of it */
	assert_int_equal(guard_check(guard, say, NULL), 0);
	host_sh("tc qdisc del dev w clsact");
	assert_int_equal(guard_check(guard, say, NULL), 1);
	assert_true(guard_lost(guard, (int)if_nametoindex("w")));
	assert_int_equal(guard_follow(guard, false, NULL), 0);
	assert_int_equal(guard_check(guard, say, NULL), 0);
	/* another link by that name: said again by the driver */
	host_sh("ip link del w; ip link add w type veth peer name c-w; "
		"ip link set w master b0 up");
	tell_others();
	assert_int_equal(set(ALL), 0);
	assert_int_equal(run("w", FROM_FAR), SHORT);
	assert_int_equal(guard_check(guard, say, NULL), 0);
}

static void stop_leaves_nothing(void **state)
{
	(void)state;
	NEED_HOST();
	assert_int_equal(guard_stop(guard, NULL), 0);
	host_sh("! tc qdisc show dev w | grep -q clsact");
	host_sh("! ls %s | grep -q berth", host.bpffs);
}

static bool prepare(void)
{
	struct err err = { "" };

	host_sh("ip link add b0 type bridge && for l in p q rated w; do "
		"ip link add $l type veth peer name c-$l && "
		"ip link set $l master b0 up || exit; done; "
		"ip link set b0 up");
	if (pin_init(&pins, host.bpffs, "test", &err) < 0 ||
	    guard_open(&pins, &guard, &err) < 0 ||
	    guard_start(guard, &err) < 0) {
		print_error("%s\n", err.msg);
		return false;
	}
	return true;
}

int main(void)
{
	static const struct CMUnitTest life[] = {
		cmocka_unit_test(too_large),
		cmocka_unit_test(marks),
		cmocka_unit_test(rates),
		cmocka_unit_test(a_port_that_is_down),
		cmocka_unit_test(who_may_not),
		cmocka_unit_test(fewer_and_none),
		cmocka_unit_test(what_can_not_be),
		cmocka_unit_test(another_daemon),
		cmocka_unit_test(others_hands),
		cmocka_unit_test(stop_leaves_nothing),
	};
	static struct CMUnitTest tests[1 + ARRAY_SIZE(rows) + ARRAY_SIZE(life)];
	size_t n = 0;
	int r;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(told);
	n += TEST_ROWS(tests + n, rows, frame);
	memcpy(tests + n, life, sizeof(life));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	if (host.usable && !prepare())
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	guard_close(guard);
	pin_fini(&pins);
	host_remove(&host);
	return r;
}
