/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a port may be: the guard's programs, frame by frame, on a bucket whose
 * state is set, so that no test waits; then what guard.h keeps of it.
 *
 * Port p may send 1,000 bytes a second and get 2,000, 102,400 at once; port free
 * has no rate; port small sends 1,000, 2,048 at once.
 */
#include "dataplane/ebpf/guard.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bpf/guard_map.h"
#include "dataplane/ebpf/test/guard_env.h"
#include "dataplane/ebpf/test/host.h"
#include "lib/test/test.h"

#define S     1000000000ll
#define BURST 102400u

static struct host host;
static struct pin_dir pins = { .lock = -EBADF };
static struct guard *guard;

enum way { OUT, IN };
enum kind { TCP4, ECT4, TCP6, ECT6, ARP, NS, RA, ECHO6 };

#define DROP (-1)
#define PASS 0
#define MARK 1 /* and it says "congestion" from now on */

struct row {
	const char *name, *port;
	enum way way;
	int ahead; /* seconds that the bucket owes; < 0: idle for so long */
	enum kind kind;
	unsigned int len, segs; /* of the frame; frames that it stands for */
	int want;
	unsigned int charged; /* bytes */
};

static const struct row rows[] = {
	{ "a full bucket", "p", OUT, -5, TCP4, 1000, 0, PASS, 1000 },
	{ "within the burst", "p", OUT, 40, TCP4, 1000, 0, PASS, 1000 },
	{ "near its end", "p", OUT, 97, TCP4, 1000, 0, PASS, 1000 },
	{ "above it", "p", OUT, 120, TCP4, 1000, 0, DROP, 0 },
	{ "above it, the least frame", "p", OUT, 120, TCP4, 54, 0, DROP, 0 },
	{ "far above it", "p", OUT, 100000, TCP4, 1000, 0, DROP, 0 },
	{ "to it, a full bucket", "p", IN, -5, TCP4, 1000, 0, PASS, 1000 },
	{ "to it, within the burst", "p", IN, 40, TCP4, 1000, 0, PASS, 1000 },
	{ "to it, above it", "p", IN, 60, TCP4, 1000, 0, DROP, 0 },
	/* super packets: as the frames that they stand for */
	{ "one segment", "p", OUT, 40, TCP4, 1000, 1, PASS, 1000 },
	{ "45 segments", "p", OUT, 40, TCP4, 1000, 45, PASS, 1000 + 44 * 66 },
	{ "45 segments, 6", "p", OUT, 40, TCP6, 1000, 45, PASS,
	  1000 + 44 * 86 },
	{ "more than the burst at once", "small", OUT, 0, TCP4, 1000, 900, PASS,
	  1000 + 899 * 66 },
	{ "and nothing in debt", "small", OUT, 30, TCP4, 100, 0, DROP, 0 },
	/* who says that he listens */
	{ "ECN, less than half", "p", OUT, 40, ECT4, 1000, 0, PASS, 1000 },
	{ "ECN, more than half", "p", OUT, 80, ECT4, 1000, 0, MARK, 1000 },
	{ "ECN, less than half, 6", "p", OUT, 40, ECT6, 1000, 0, PASS, 1000 },
	{ "ECN, more than half, 6", "p", OUT, 80, ECT6, 1000, 0, MARK, 1000 },
	{ "ECN to it, more than half", "p", IN, 40, ECT4, 1000, 0, MARK, 1000 },
	{ "no ECN, more than half", "p", OUT, 80, TCP4, 1000, 0, PASS, 1000 },
	{ "ECN, above it", "p", OUT, 120, ECT4, 1000, 0, DROP, 0 },
	/* who is at his rate stays reachable, but not faster */
	{ "ARP above it", "p", OUT, 120, ARP, 42, 0, PASS, 42 },
	{ "NS above it", "p", OUT, 120, NS, 86, 0, PASS, 86 },
	{ "ARP far above it", "p", OUT, 300, ARP, 42, 0, DROP, 0 },
	{ "ARP to it above it", "p", IN, 60, ARP, 42, 0, PASS, 42 },
	{ "RA to it above it", "p", IN, 60, RA, 86, 0, PASS, 86 },
	{ "RA to it far above it", "p", IN, 200, RA, 86, 0, DROP, 0 },
	{ "ping above it", "p", OUT, 120, ECHO6, 86, 0, DROP, 0 },
	{ "TCP above it, 6", "p", OUT, 120, TCP6, 86, 0, DROP, 0 },
};

/* ---- frames and buckets --------------------------------------------------- */

static const uint8_t mac[6] = { 2, 0x42, 10, 0x41, 0, 2 };
static const uint8_t ip4[4] = { 10, 65, 0, 2 };
static const uint8_t ip6[16] = { 0xfd, 0, 0, 0x65, [15] = 2 };

static void make_v4(uint8_t *p, enum kind kind)
{
	p[0] = 0x45;
	p[1] = kind == ECT4 ? 2 : 0;
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, ip4, 4);
}

static void make_v6(uint8_t *p, enum kind kind)
{
	static const uint8_t types[] = {
		[NS] = 135, [RA] = 134, [ECHO6] = 128
	};
	bool icmp = kind == NS || kind == RA || kind == ECHO6;

	p[0] = 0x60;
	p[1] = kind == ECT6 ? 2 << 4 : 0;
	p[6] = icmp ? 58 : 6;
	p[7] = 255;
	memcpy(p + 8, ip6, 16);
	if (icmp)
		p[40] = types[kind];
}

static void make_arp(uint8_t *p)
{
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memcpy(p, head, sizeof(head));
	memcpy(p + 8, mac, 6);
	memcpy(p + 14, ip4, 4);
}

static void make_frame(uint8_t *f, enum kind kind)
{
	bool v4 = kind == TCP4 || kind == ECT4;

	memset(f, 0xff, 6);
	memcpy(f + 6, mac, 6);
	f[12] = v4 || kind == ARP ? 8 : 0x86;
	f[13] = v4 ? 0 : kind == ARP ? 6 : 0xdd;
	if (v4)
		make_v4(f + 14, kind);
	else if (kind == ARP)
		make_arp(f + 14);
	else
		make_v6(f + 14, kind);
}

static long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * S + ts.tv_nsec;
}

/* Return: 0: there is none. */
static int get(const char *port, struct guard_rate *ret)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_rate");
	__u32 key = if_nametoindex(port);

	return bpf_map_lookup_elem(fd, &key, ret) == 0;
}

/* Both owe so many seconds. */
static void owe(const char *port, long long in, long long out)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_rate");
	__u32 key = if_nametoindex(port);
	struct guard_rate r;

	assert_int_equal(bpf_map_lookup_elem(fd, &key, &r), 0);
	r.in.due = (__u64)(now_ns() + in * S);
	r.out.due = (__u64)(now_ns() + out * S);
	assert_int_equal(bpf_map_update_elem(fd, &key, &r, BPF_EXIST), 0);
}

static uint64_t count_drops(void)
{
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_count");
	uint64_t each[256] = { 0 }, sum = 0;
	__u32 why = GUARD_DROP_RATE;

	assert_int_equal(bpf_map_lookup_elem(fd, &why, each), 0);
	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		sum += each[i];
	return sum;
}

/* Return: DROP, PASS, MARK. */
static int run(const struct row *row)
{
	uint8_t frame[1024] = { 0 }, after[1024];
	struct __sk_buff ctx = { .ifindex = if_nametoindex(row->port),
				 .gso_segs = row->segs,
				 .gso_size = row->segs ? 100 : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = frame,
		    .data_size_in = row->len, .data_out = after,
		    .data_size_out = sizeof(after), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx));
	uint64_t before = count_drops();
	char name[64];

	snprintf(name, sizeof(name), "guard_%s_%u",
		 row->way == IN ? "out" : "in", if_nametoindex(row->port));
	_cleanup_close_ int fd = guard_pinned(&pins, name);

	make_frame(frame, row->kind);
	assert_int_equal(bpf_prog_test_run_opts(fd, &o), 0);
	if (o.retval == TC_ACT_SHOT) {
		assert_int_equal(count_drops(), before + 1);
		assert_memory_equal(frame, after, row->len);
		return DROP;
	}
	assert_int_equal(o.retval, (__u32)TC_ACT_UNSPEC);
	assert_int_equal(count_drops(), before);
	if (memcmp(frame, after, row->len) == 0)
		return PASS;
	assert_int_equal(row->kind == ECT6 ? after[15] >> 4 : after[15], 3);
	return MARK;
}

static void charges(void **state)
{
	const struct row *row = *state;
	struct guard_rate before, after;
	const struct guard_bucket *b, *a, *b2, *a2;
	long long rate = row->way == IN ? 2000 : 1000, start;

	NEED_HOST();
	owe(row->port, row->way == IN ? row->ahead : 7,
	    row->way == OUT ? row->ahead : 7);
	assert_true(get(row->port, &before));
	start = now_ns();
	assert_int_equal(run(row), row->want);
	assert_true(get(row->port, &after));
	b = row->way == IN ? &before.in : &before.out;
	a = row->way == IN ? &after.in : &after.out;
	b2 = row->way == IN ? &before.out : &before.in;
	a2 = row->way == IN ? &after.out : &after.in;
	assert_memory_equal(a2, b2, sizeof(*a2)); /* the other way */
	if (row->ahead > 0) {
		assert_int_equal(a->due - b->due,
				 (uint64_t)(row->charged * S / rate));
		return;
	}
	/* what was not used is lost */
	assert_true((long long)a->due >= start + row->charged * S / rate);
	assert_true((long long)a->due <= now_ns() + row->charged * S / rate);
}

/* ---- guard.h -------------------------------------------------------------- */

static struct guard_conf conf_of(const char *port)
{
	struct guard_conf c = { .source = true, .ingress = -1 };

	snprintf(c.ifname, sizeof(c.ifname), "%s", port);
	snprintf(c.bridge, sizeof(c.bridge), "b0");
	memcpy(c.mac.bytes, mac, 6);
	assert_int_equal(ip_parse("10.65.0.2", &c.ip4, NULL), 0);
	assert_int_equal(ip_parse("fd00:65::2", &c.ip6, NULL), 0);
	if (strcmp(port, "p") == 0)
		c.rate = (struct dp_rates){ .in = { 2000, BURST },
					    .out = { 1000, BURST } };
	if (strcmp(port, "small") == 0)
		c.rate.out = (struct dp_rate){ 1000, 2048 };
	return c;
}

static void add_as(const struct guard_conf *c)
{
	struct err err = { "" };

	if (guard_port_add(guard, c, &err) < 0)
		fail_msg("%s: %s", c->ifname, err.msg);
}

static void add(const char *port)
{
	const struct guard_conf c = conf_of(port);

	add_as(&c);
}

static void tell_all(void)
{
	add("p");
	add("free");
	add("small");
}

static char said[256];

static void say(void *ctx, const char *line)
{
	(void)ctx;
	snprintf(said, sizeof(said), "%s", line);
}

static void told(void **state)
{
	struct guard_rate r;

	(void)state;
	NEED_HOST();
	tell_all();
	assert_true(get("p", &r));
	assert_true(r.in.burst == 51200000000 && r.out.burst == 102400000000);
	assert_true(get("small", &r));
	assert_int_equal(r.in.cost, 0); /* no limit */
	assert_false(get("free", &r));
	assert_int_equal(guard_check(guard, say, NULL), 0);
}

/* No entry, no charge; one direction alone. */
static void no_rate_no_change(void **state)
{
	const struct row any = { .port = "free", .kind = TCP4, .len = 1000 };
	struct row in = { .port = "small",
			  .way = IN,
			  .kind = TCP4,
			  .len = 1000,
			  .segs = 900 };
	struct guard_rate r;

	(void)state;
	NEED_HOST();
	owe("small", 0, 0);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(run(&any), PASS);
		assert_int_equal(run(&in), PASS);
	}
	assert_false(get("free", &r));
}

/* 100 frames of 1,000 bytes and what the bucket takes beyond: then it is shut. */
static void a_burst_then_nothing(void **state)
{
	const struct row f = { .port = "p", .kind = TCP4, .len = 1000 };
	int n = 0;

	(void)state;
	NEED_HOST();
	owe("p", -50, -50);
	while (n < 1000 && run(&f) == PASS)
		n++;
	assert_in_range(n, 103, 130); /* one a second more */
	owe("p", 0, 90);              /* and some of it comes back */
	assert_int_equal(run(&f), PASS);
}

/* A daemon that starts finds its buckets as they were. */
static void another_daemon(void **state)
{
	struct guard_rate before, after;
	struct err err = { "" };

	(void)state;
	NEED_HOST();
	owe("p", 1234, 4321);
	assert_true(get("p", &before));
	guard_close(take_ptr(guard));
	if (guard_open(&pins, &guard, &err) < 0)
		fail_msg("%s", err.msg);
	guard_load_begin(guard);
	add("p");
	add("free");
	assert_int_equal(guard_load_end(guard, NULL), 0);
	assert_true(get("p", &after));
	assert_memory_equal(&before, &after, sizeof(before));
	assert_false(get("small", &after)); /* nobody spoke of it */
	tell_all();
	assert_true(get("small", &after));
}

static void changed(void **state)
{
	struct guard_conf c = conf_of("p");
	const struct row f = { .port = "p", .kind = TCP4, .len = 1000 };
	struct guard_rate r;

	(void)state;
	NEED_HOST();
	owe("p", 500, 500);
	assert_int_equal(run(&f), DROP);
	c.rate.out.bytes = 3000;
	add_as(&c);
	assert_true(get("p", &r));
	assert_int_equal(r.out.burst, BURST * S / 3000);
	assert_int_equal(run(&f), PASS);
	c.rate = (struct dp_rates){ 0 };
	add_as(&c);
	assert_false(get("p", &r));
	assert_int_equal(run(&f), PASS);
	assert_int_equal(guard_check(guard, say, NULL), 0);
	add("p");
	assert_true(get("p", &r));
}

/* An entry that somebody changed or deleted is seen, and mended. */
static void others_hands(void **state)
{
	struct guard_rate r;
	__u32 key;

	(void)state;
	NEED_HOST();
	_cleanup_close_ int fd = guard_pinned(&pins, "guard_rate");

	key = if_nametoindex("p");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &r), 0);
		r.in.cost = 0;
		assert_int_equal(i ? bpf_map_delete_elem(fd, &key)
				   : bpf_map_update_elem(fd, &key, &r, BPF_ANY),
				 0);
		assert_int_equal(guard_check(guard, say, NULL), 1);
		assert_non_null(strstr(said, "port p: its rate (berth.rate)"));
		assert_int_equal(guard_follow(guard, true, NULL), 1);
		assert_int_equal(guard_check(guard, say, NULL), 0);
	}
}

static void goes_with_its_port(void **state)
{
	struct guard_rate r;

	(void)state;
	NEED_HOST();
	assert_int_equal(guard_port_del(guard, "p", NULL), 0);
	assert_false(get("p", &r));
	assert_true(get("small", &r));
	assert_int_equal(guard_stop(guard, NULL), 0);
	host_sh("! ls %s | grep -q berth", host.bpffs);
}

/* ---- main ----------------------------------------------------------------- */

static bool prepare(void)
{
	struct err err = { "" };

	/* the other ends stay down: nothing but our frames is charged */
	host_sh("ip link add b0 type bridge && ip link set b0 up && "
		"for l in p free small; do ip link add $l type veth peer name "
		"c-$l && ip link set $l master b0 up || exit; done");
	if (pin_init(&pins, host.bpffs, "test", &err) < 0 ||
	    guard_open(&pins, &guard, &err) < 0) {
		print_error("%s\n", err.msg);
		return false;
	}
	return true;
}

int main(void)
{
	static const struct CMUnitTest life[] = {
		cmocka_unit_test(no_rate_no_change),
		cmocka_unit_test(a_burst_then_nothing),
		cmocka_unit_test(another_daemon),
		cmocka_unit_test(changed),
		cmocka_unit_test(others_hands),
		cmocka_unit_test(goes_with_its_port),
	};
	static struct CMUnitTest tests[1 + ARRAY_SIZE(rows) + ARRAY_SIZE(life)];
	size_t n = 0;
	int r;

	tests[n++] = (struct CMUnitTest)cmocka_unit_test(told);
	n += TEST_ROWS(tests + n, rows, charges);
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
