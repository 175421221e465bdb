/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat.h against the kernel: which links and addresses the maps get, which flows
 * end, and what a daemon's life does to both.  Flows are written into the maps by
 * hand; links and addresses are made with ip(8).
 */
#include "dataplane/ebpf/nat.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/ebpf/nat_priv.h"
#include "dataplane/ebpf/test/nat_env.h"
#include "lib/test/test.h"

static struct host host;

static void ok_(int r, const struct err *err, int line)
{
	if (r < 0)
		fail_msg("line %d: %d %s", line, r, err->msg);
}
#define ok(r) ok_(r, &e->err, __LINE__)

static int setup(void **state)
{
	return nat_env_up(state, &host, 4096);
}

static int teardown(void **state)
{
	return nat_env_down(state, &host);
}

static void addr16(const char *text, __u32 ret[4])
{
	memset(ret, 0, 16);
	if (inet_pton(AF_INET6, text, ret) == 1)
		return;
	ret[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, text, &ret[3]), 1);
}

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	if (s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

/* ---- links and addresses -------------------------------------------------- */

static enum nat_link_kind kind(void *ctx, const struct nlk_link *l)
{
	(void)ctx;
	if (strncmp(l->name, "ours", 4) == 0)
		return NAT_KIND_OURS;
	if (strncmp(l->name, "closed", 6) == 0)
		return NAT_KIND_CLOSED;
	return strncmp(l->name, "not", 3) == 0 ? NAT_KIND_OTHER
					       : NAT_KIND_UPLINK;
}

static bool is_gateway(void *ctx, const struct nlk_link *l,
		       const struct ip_addr *a)
{
	struct ip_addr gw = ip("10.88.0.1");

	(void)ctx;
	(void)l;
	return ip_equal(a, &gw);
}

static const struct nat_view view = { NULL, kind, is_gateway };

static bool is_uplink_program(__u32 id)
{
	struct bpf_prog_info info = { 0 };
	int fd = bpf_prog_get_fd_by_id(id);
	__u32 len = sizeof(info);
	bool is;

	if (fd < 0)
		return false;
	is = bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
	     strncmp(info.name, "publish_uplink", BPF_OBJ_NAME_LEN - 1) == 0;
	close(fd);
	return is;
}

/* How often is the uplink's program at @link's ingress?  bpftool 7.1 does not
 * show tcx. */
static int attached(const char *link)
{
	unsigned int index = if_nametoindex(link);
	__u32 ids[8] = { 0 }, count = ARRAY_SIZE(ids), id;
	char cmd[128], line[256];
	int n = 0;
	FILE *f;

	if (bpf_prog_query((int)index, (enum bpf_attach_type)46, 0, NULL, ids,
			   &count) == 0)
		for (__u32 i = 0; i < count; i++)
			n += is_uplink_program(ids[i]);
	snprintf(cmd, sizeof(cmd),
		 "tc filter show dev %s ingress 2>/dev/null | "
		 "grep -o ' id [0-9]*'",
		 link);
	f = popen(cmd, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += sscanf(line, " id %u", &id) == 1 && is_uplink_program(id);
	pclose(f);
	return n;
}

static unsigned int link_flags(const char *name)
{
	int fd = nat_env_map(&host, "nat_link"), r;
	__u32 key = if_nametoindex(name);
	struct nat_link l;

	r = bpf_map_lookup_elem(fd, &key, &l);
	close(fd);
	return r < 0 ? ~0u : l.flags;
}

/* -1: not there. */
static int local_bridge(const char *addr)
{
	int fd = nat_env_map(&host, "nat_local"), r;
	struct nat_local l = { 0 };
	__u32 key[4];

	addr16(addr, key);
	r = bpf_map_lookup_elem(fd, key, &l);
	close(fd);
	return r < 0 ? -1 : (int)l.bridge;
}

static void links_by_kind(void **state)
{
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	host_sh("for l in x0 ours0 closed0 not0; do ip link add $l type bridge "
		"&& ip link set $l up; done; "
		"ip link add x1 type veth peer name x2; "
		"ip link set x1 master x0; ip link set x1 up; "
		"ip link set x2 up; ip addr add 192.0.2.1/24 dev x0; "
		"ip addr add 10.88.0.1/24 dev ours0; "
		"ip addr add 10.88.0.7/24 dev ours0; "
		"ip addr add 203.0.113.1/32 dev lo; "
		"ip addr add 203.0.113.2/32 dev lo scope host; "
		"ip addr add 2001:db8:5::1/64 dev x0");
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(attached("x0"), 1);
	assert_int_equal(attached("closed0"), 1);
	assert_int_equal(attached("ours0"), 0);
	assert_int_equal(attached("not0"), 0);
	assert_int_equal(attached("x1"), 0); /* a bridge's port */
	assert_int_equal(attached("x2"), 1);
	assert_int_equal(attached("lo"), 0);
	assert_int_equal(link_flags("x0"), 0);
	assert_int_equal(link_flags("x1"), ~0u);
	assert_int_equal(link_flags("lo"), ~0u);
	assert_int_equal(link_flags("ours0"), NAT_LINK_OURS);
	assert_int_equal(link_flags("closed0"), NAT_LINK_CLOSED);
	assert_int_equal(local_bridge("192.0.2.1"), 0);
	assert_int_equal(local_bridge("203.0.113.1"), 0);
	assert_int_equal(local_bridge("203.0.113.2"), 0);
	assert_int_equal(local_bridge("127.0.0.1"), -1);
	assert_int_equal(local_bridge("::1"), -1);
	assert_int_equal(local_bridge("10.88.0.1"),
			 (int)if_nametoindex("ours0"));
	assert_int_equal(local_bridge("10.88.0.7"), 0);
	/* a tentative one is nobody's yet */
	assert_int_equal(local_bridge("2001:db8:5::1"), -1);
	/* enslaved: it has no place of its own any more */
	host_sh("ip link set x2 master closed0");
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(attached("x2"), 0);
	host_sh("ip link del x1; ip addr del 203.0.113.1/32 dev lo; "
		"ip addr del 203.0.113.2/32 dev lo; "
		"for l in x0 ours0 closed0 not0; do ip link del $l; done");
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(local_bridge("192.0.2.1"), -1);
	assert_int_equal(local_bridge("203.0.113.1"), -1);
}

static void nothing_changes_twice(void **state)
{
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(nat_host_sync(e->nat, &view, &back, &e->err), 0);
	assert_int_equal(nat_host_mend(e->nat, &e->err), 0);
}

static void count_line(void *ctx, const char *line)
{
	(void)line;
	(*(int *)ctx)++;
}

static void what_others_detach_comes_back(void **state)
{
	struct nat_env *e = *state;
	int back, n = 0;

	NEED_HOST();
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(attached("h0"), 1);
	ok(nat_host_check(e->nat, &view, count_line, &n, &e->err));
	assert_int_equal(n, 0);
	host_sh("bpftool link detach pinned %s/berth/v1/test/publish_in_%d "
		"2>/dev/null || tc filter del dev h0 ingress",
		host.bpffs, if_nametoindex("h0"));
	assert_true(TEST_WITHIN_S(5, attached("h0") == 0));
	ok(nat_host_check(e->nat, &view, count_line, &n, &e->err));
	assert_int_equal(n, 1);
	assert_int_equal(nat_host_mend(e->nat, &e->err), 1);
	assert_int_equal(attached("h0"), 1);
	assert_int_equal(nat_host_mend(e->nat, &e->err), 0);
}

/* ---- flows ---------------------------------------------------------------- */

struct flow {
	const char *from, *to, *as, *on; /* saddr, daddr, then rewritten */
	uint16_t sport, dport, as_port, on_port;
	uint8_t proto, state, flags, tcp;
};

/* A published port's, from the LAN to 10.88.0.2. */
static const struct flow published = { "192.0.2.9", "192.0.2.1", "192.0.2.9",
				       "10.88.0.2", 40000,       8080,
				       40000,       80,          IPPROTO_TCP,
				       NAT_OPEN,    0,           0 };
static const struct flow masqueraded = { "10.88.0.2", "192.0.2.9", "192.0.2.1",
					 "192.0.2.9", 40000,       80,
					 2000,        80,          IPPROTO_TCP,
					 NAT_OPEN,    NAT_MASQ,    0 };

static uint32_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint32_t)ts.tv_sec;
}

static void both_ways(const struct flow *f, struct nat_tuple key[2],
		      struct nat_flow value[2])
{
	memset(key, 0, 2 * sizeof(*key));
	memset(value, 0, 2 * sizeof(*value));
	addr16(f->from, key[0].saddr);
	addr16(f->to, key[0].daddr);
	addr16(f->as, value[0].to.saddr);
	addr16(f->on, value[0].to.daddr);
	key[0].sport = htons(f->sport);
	key[0].dport = htons(f->dport);
	value[0].to.sport = htons(f->as_port);
	value[0].to.dport = htons(f->on_port);
	memcpy(key[1].saddr, value[0].to.daddr, 16);
	memcpy(key[1].daddr, value[0].to.saddr, 16);
	key[1].sport = value[0].to.dport;
	key[1].dport = value[0].to.sport;
	memcpy(value[1].to.saddr, key[0].daddr, 16);
	memcpy(value[1].to.daddr, key[0].saddr, 16);
	value[1].to.sport = key[0].dport;
	value[1].to.dport = key[0].sport;
	for (int i = 0; i < 2; i++) {
		key[i].proto = value[i].to.proto = f->proto;
		value[i].state = f->state;
		value[i].flags = f->flags | (i ? 0 : NAT_FORWARD);
		value[i].tcp = f->tcp;
	}
}

/* @age: seconds of the first and the second direction. */
static void put_flow(const struct flow *f, const uint32_t age[2])
{
	int fd = nat_env_map(&host, "nat_flows");
	struct nat_tuple key[2];
	struct nat_flow value[2];

	both_ways(f, key, value);
	for (int i = 0; i < 2; i++) {
		value[i].seen = now_s() - age[i];
		assert_int_equal(
			bpf_map_update_elem(fd, &key[i], &value[i], BPF_ANY),
			0);
	}
	close(fd);
}

/* How many of its two entries are there? */
static int count_flow(const struct flow *f)
{
	struct nat_tuple key[2];
	int fd = nat_env_map(&host, "nat_flows"), n = 0;
	struct nat_flow value[2];

	both_ways(f, key, value);
	for (int i = 0; i < 2; i++)
		n += bpf_map_lookup_elem(fd, &key[i], &value[0]) == 0;
	close(fd);
	return n;
}

/* ---- endpoints ------------------------------------------------------------ */

static bool ep_leads_to(const char *addr, int ifindex)
{
	int fd = nat_env_map(&host, "nat_ep"), r;
	struct nat_ep ep;
	__u32 key[4];

	addr16(addr, key);
	r = bpf_map_lookup_elem(fd, key, &ep);
	close(fd);
	return ifindex ? r == 0 && (int)ep.ifindex == ifindex : r < 0;
}

static void an_address_given_out_again(void **state)
{
	struct nat_endpoint list[2] = {
		{ .ip4 = ip("10.88.0.2"), .ip6 = ip("fd88::2"), .ifindex = 20 },
		{ .ip4 = ip("10.88.0.2"), .ifindex = 7 },
	};
	struct nat_env *e = *state;

	NEED_HOST();
	ok(nat_ep_add(e->nat, &list[1], &e->err));
	assert_true(ep_leads_to("10.88.0.2", 7));
	put_flow(&published, (uint32_t[]){ 0, 0 });
	ok(nat_ep_add(e->nat, &list[1], &e->err)); /* the same again */
	assert_int_equal(count_flow(&published), 2);
	ok(nat_ep_add(e->nat, &list[0], &e->err));
	assert_int_equal(count_flow(&published), 0);
	assert_true(ep_leads_to("10.88.0.2", 20));
	/* his own, made before the tick that forgets the earlier one's again */
	put_flow(&masqueraded, (uint32_t[]){ 0, 0 });
	ok(nat_flow_tick(e->nat, 1000, &e->err));
	assert_int_equal(count_flow(&masqueraded), 2);
	ok(nat_ep_del(e->nat, &list[1], &e->err)); /* the earlier one's end */
	assert_true(ep_leads_to("10.88.0.2", 20));
	assert_int_equal(nat_ep_differ(e->nat, list, 2, &e->err), 0);
	ok(nat_ep_del(e->nat, &list[0], &e->err));
	assert_true(ep_leads_to("10.88.0.2", 0));
	assert_true(ep_leads_to("fd88::2", 0));
	assert_int_equal(nat_ep_differ(e->nat, list, 2, &e->err), 2);
	assert_int_equal(nat_ep_sync(e->nat, list, 2, &e->err), 2);
	assert_true(ep_leads_to("10.88.0.2", 20));
	assert_int_equal(nat_ep_sync(e->nat, list, 0, &e->err), 2);
	assert_true(ep_leads_to("fd88::2", 0));
}

/* ---- idle ones ------------------------------------------------------------ */

struct idle_row {
	const char *name;
	uint8_t proto, state;
	uint32_t age[2];
	bool gone;
	uint8_t tcp;
};

static const struct idle_row idle_rows[] = {
	{ "half open, 29 s", IPPROTO_TCP, NAT_HALF, { 29, 29 }, false, 0 },
	{ "half open, 32 s", IPPROTO_TCP, NAT_HALF, { 32, 32 }, true, 0 },
	{ "one direction is young",
	  IPPROTO_TCP,
	  NAT_HALF,
	  { 900, 3 },
	  false,
	  0 },
	{ "the other is young", IPPROTO_TCP, NAT_HALF, { 3, 900 }, false, 0 },
	{ "answered, 40 s", IPPROTO_TCP, NAT_REPLIED, { 40, 40 }, false, 0 },
	{ "answered, 62 s", IPPROTO_TCP, NAT_REPLIED, { 62, 62 }, true, 0 },
	{ "open, an hour",
	  IPPROTO_TCP,
	  NAT_OPEN,
	  { 3600, 3600 },
	  false,
	  NAT_TCP_SPOKE },
	{ "open, and silent, 9 minutes",
	  IPPROTO_TCP,
	  NAT_OPEN,
	  { 540, 540 },
	  false,
	  0 },
	{ "open, and silent, 10 minutes",
	  IPPROTO_TCP,
	  NAT_OPEN,
	  { 602, 602 },
	  true,
	  0 },
	{ "closing, 32 s", IPPROTO_TCP, NAT_CLOSING, { 32, 32 }, true, 0 },
	{ "closing by a RST that may be anybody's, an hour",
	  IPPROTO_TCP,
	  NAT_CLOSING,
	  { 3600, 3600 },
	  false,
	  NAT_TCP_DOUBT },
	{ "udp asked, 32 s", IPPROTO_UDP, NAT_HALF, { 32, 32 }, true, 0 },
	{ "udp, 100 s", IPPROTO_UDP, NAT_OPEN, { 100, 100 }, false, 0 },
	{ "udp, 122 s", IPPROTO_UDP, NAT_OPEN, { 122, 122 }, true, 0 },
	{ "udp, one direction, 122 s",
	  IPPROTO_UDP,
	  NAT_OPEN,
	  { 122, 5 },
	  false,
	  0 },
	{ "echo, 32 s", IPPROTO_ICMP, NAT_REPLIED, { 32, 32 }, true, 0 },
	{ "sctp answered, 40 s",
	  IPPROTO_SCTP,
	  NAT_REPLIED,
	  { 40, 40 },
	  false,
	  0 },
	{ "sctp answered, 62 s",
	  IPPROTO_SCTP,
	  NAT_REPLIED,
	  { 62, 62 },
	  true,
	  0 },
	{ "sctp asked, 32 s", IPPROTO_SCTP, NAT_HALF, { 32, 32 }, true, 0 },
	{ "sctp, 212 s", IPPROTO_SCTP, NAT_OPEN, { 212, 212 }, true, 0 },
	{ "sctp, 200 s", IPPROTO_SCTP, NAT_OPEN, { 200, 200 }, false, 0 },
};

static void idle_row(void **state)
{
	const struct idle_row *row = *state;
	struct flow f = published;
	struct nat_env *e = NULL;
	int r;

	NEED_HOST();
	/* before it was switched on there was no clock */
	if (now_s() <= row->age[0] || now_s() <= row->age[1]) {
		print_message("# not run: this machine is too young\n");
		return;
	}
	assert_int_equal(setup((void **)&e), 0);
	f.proto = row->proto;
	f.state = row->state;
	f.tcp = row->tcp;
	put_flow(&f, row->age);
	r = nat_flow_tick(e->nat, 1000, &e->err);
	ok(r);
	assert_int_equal(r, row->gone ? 2 : 0);
	assert_int_equal(count_flow(&f), row->gone ? 0 : 2);
	teardown((void **)&e);
}

/* Its flows end, also those that a program made at that moment; and the next
 * daemon finds it so. */
static void standing_aside_ends_flows(void **state)
{
	const struct nat_filter filter = { .proto = IPPROTO_TCP,
					   .first = 8080,
					   .count = 1 };
	struct nat_env *e = *state;
	int fd;
	__u32 zero = 0, value = 9;

	NEED_HOST();
	put_flow(&published, (uint32_t[]){ 0, 0 });
	put_flow(&masqueraded, (uint32_t[]){ 0, 0 });
	ok(nat_stand_aside(e->nat, true, &e->err));
	assert_int_equal(count_flow(&published), 0);
	assert_int_equal(count_flow(&masqueraded), 0);
	put_flow(&masqueraded, (uint32_t[]){ 0, 0 });
	ok(nat_flow_forget(e->nat, &filter, 1, &e->err));
	assert_int_equal(e->nat->again_count, 1);
	ok(nat_flow_tick(e->nat, 1, &e->err));
	assert_int_equal(count_flow(&masqueraded), 0);
	/* nor does what was to be forgotten heap up */
	assert_int_equal(e->nat->again_count, 0);
	nat_env_close(e);
	fd = nat_env_map(&host, "nat_aside");
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &value), 0);
	assert_int_equal(value, 1);
	nat_env_open(e, &host, 4096);
	nat_env_attach(e);
	ok(nat_stand_aside(e->nat, false, &e->err));
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &value), 0);
	assert_int_equal(value, 0);
	close(fd);
	put_flow(&masqueraded, (uint32_t[]){ 0, 0 });
	ok(nat_flow_tick(e->nat, 1, &e->err));
	assert_int_equal(count_flow(&masqueraded), 2);
}

static long long share_of_0(long long put)
{
	int fd = nat_env_map(&host, "nat_share");
	__u32 slot = 0; /* of interface 0, as in put_flow() */
	__s64 n = put;

	if (put >= 0)
		assert_int_equal(bpf_map_update_elem(fd, &slot, &n, 0), 0);
	else
		assert_int_equal(bpf_map_lookup_elem(fd, &slot, &n), 0);
	close(fd);
	return n;
}

/* What we remove counts no more, once, and the next daemon finds it so. */
static void removed_flows_count_no_more(void **state)
{
	struct nat_filter all = { .container = ip("10.88.0.2") };
	struct flow inside = published;
	struct nat_env *e = *state;

	NEED_HOST();
	inside.flags = NAT_PEER; /* both entries: between containers */
	put_flow(&inside, (uint32_t[]){ 0, 0 });
	share_of_0(2);
	ok(nat_flow_forget(e->nat, &all, 1, &e->err));
	assert_int_equal(count_flow(&inside), 0);
	assert_int_equal(share_of_0(-1), 0);
	/* the other is masqueraded: of its entries here none leads inside */
	put_flow(&inside, (uint32_t[]){ 0, 0 });
	put_flow(&masqueraded, (uint32_t[]){ 0, 0 });
	share_of_0(2);
	ok(nat_flow_forget(e->nat, &all, 1, &e->err));
	ok(nat_flow_forget(e->nat, &all, 1, &e->err));
	assert_int_equal(share_of_0(-1), 0);
	share_of_0(7);
	nat_env_close(e);
	nat_env_open(e, &host, 4096);
	nat_env_attach(e);
	assert_int_equal(share_of_0(-1), 7);
}

struct forget_row {
	const char *name;
	const struct flow *flow;
	struct nat_filter filter;
	const char *container, *host;
	bool gone;
};

static const struct forget_row forget_rows[] = {
	{ "a container's port",
	  &published,
	  { .proto = 0 },
	  "10.88.0.2",
	  NULL,
	  true },
	{ "what a container sent",
	  &masqueraded,
	  { .proto = 0 },
	  "10.88.0.2",
	  NULL,
	  true },
	{ "another container",
	  &published,
	  { .proto = 0 },
	  "10.88.0.3",
	  NULL,
	  false },
	{ "the port",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8080, .count = 1 },
	  "10.88.0.2",
	  NULL,
	  true },
	{ "a range",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8000, .count = 81 },
	  "10.88.0.2",
	  NULL,
	  true },
	{ "a range that ends before",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8000, .count = 80 },
	  "10.88.0.2",
	  NULL,
	  false },
	{ "the port after",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8081, .count = 9 },
	  "10.88.0.2",
	  NULL,
	  false },
	{ "another protocol",
	  &published,
	  { .proto = IPPROTO_UDP, .first = 8080, .count = 1 },
	  "10.88.0.2",
	  NULL,
	  false },
	{ "on that address",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8080, .count = 1 },
	  "10.88.0.2",
	  "192.0.2.1",
	  true },
	{ "on any address",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8080, .count = 1 },
	  "10.88.0.2",
	  "0.0.0.0",
	  true },
	{ "on another address",
	  &published,
	  { .proto = IPPROTO_TCP, .first = 8080, .count = 1 },
	  "10.88.0.2",
	  "192.0.2.3",
	  false },
	{ "the port, what it sent stays",
	  &masqueraded,
	  { .proto = IPPROTO_TCP, .first = 1, .count = 65535 },
	  "10.88.0.2",
	  NULL,
	  false },
};

static void forget_row(void **state)
{
	const struct forget_row *row = *state;
	struct nat_filter filter = row->filter;
	struct nat_env *e = NULL;
	int r;

	NEED_HOST();
	assert_int_equal(setup((void **)&e), 0);
	filter.container = ip(row->container);
	filter.host = ip(row->host);
	put_flow(row->flow, (uint32_t[]){ 0, 0 });
	r = nat_flow_forget(e->nat, &filter, 1, &e->err);
	ok(r);
	assert_int_equal(r, row->gone ? 2 : 0);
	assert_int_equal(count_flow(row->flow), row->gone ? 0 : 2);
	/* made by a program that looked just before: at the next tick */
	put_flow(row->flow, (uint32_t[]){ 0, 0 });
	ok(nat_flow_tick(e->nat, 1000, &e->err));
	assert_int_equal(count_flow(row->flow), row->gone ? 0 : 2);
	/* and then no more: somebody else may have the address */
	put_flow(row->flow, (uint32_t[]){ 0, 0 });
	ok(nat_flow_tick(e->nat, 1000, &e->err));
	assert_int_equal(count_flow(row->flow), 2);
	teardown((void **)&e);
}

static struct flow numbered(int i)
{
	struct flow f = published;

	f.state = i % 2 ? NAT_OPEN : NAT_HALF;
	f.proto = IPPROTO_UDP;
	f.sport = f.as_port = (uint16_t)(10000 + i);
	return f;
}

static void a_tick_is_bounded(void **state)
{
	struct nat_env *e = *state;
	const uint32_t age[] = { 125, 125 };
	int left = 0, ticks = 0, gone = 0;

	NEED_HOST();
	while (now_s() <= age[0]) /* since it was switched on */
		usleep(100000);
	for (int i = 0; i < 400; i++) {
		struct flow f = numbered(i);

		put_flow(&f, age);
	}
	while (gone < 800 && ticks < 100) {
		int r = nat_flow_tick(e->nat, 100, &e->err);

		ok(r);
		assert_in_range(r, 0, 2 * 200);
		gone += r;
		ticks++;
	}
	assert_int_equal(gone, 800);
	assert_true(ticks >= 4);
	for (int i = 0; i < 400; i++) {
		struct flow f = numbered(i);

		left += count_flow(&f);
	}
	assert_int_equal(left, 0);
}

/* ---- a daemon's life ------------------------------------------------------ */

static void flows_outlive_the_daemon(void **state)
{
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	put_flow(&published, (uint32_t[]){ 0, 0 });
	nat_env_close(e);
	assert_int_equal(count_flow(&published), 2);
	assert_int_equal(attached("h0"), 1);
	nat_env_open(e, &host, 4096);
	assert_false(e->dropped);
	nat_env_attach(e);
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(attached("h0"), 1);
	assert_int_equal(count_flow(&published), 2);
}

static void lost_ports_end_their_flows_after_a_restart(void **state)
{
	const struct nat_endpoint ep = { .ip4 = ip("10.88.0.2"), .ifindex = 7 };
	struct port_range r = { .proto = IPPROTO_TCP,
				.host_first = 8080,
				.port_first = 80,
				.count = 1 };
	const struct portmap m = { &r, 1 };
	struct flow gone = published;
	struct nat_env *e = *state;

	NEED_HOST();
	gone.dport = 8081;
	gone.sport = gone.as_port = 40001;
	ok(sock_publish_add(e->sock, &m, &ep.ip4, NULL, &e->err));
	ok(nat_ep_add(e->nat, &ep, &e->err));
	put_flow(&published, (uint32_t[]){ 0, 0 });
	put_flow(&gone, (uint32_t[]){ 0, 0 });
	put_flow(&masqueraded, (uint32_t[]){ 0, 0 });
	nat_flow_recheck(e->nat);
	ok(nat_flow_tick(e->nat, 1000, &e->err));
	assert_int_equal(count_flow(&published), 2);
	assert_int_equal(count_flow(&masqueraded), 2);
	assert_int_equal(count_flow(&gone), 0);
	ok(nat_ep_sync(e->nat, NULL, 0, &e->err));
	nat_flow_recheck(e->nat);
	ok(nat_flow_tick(e->nat, 1000, &e->err));
	assert_int_equal(count_flow(&published), 0);
	assert_int_equal(count_flow(&masqueraded), 0);
}

static void another_layout_is_dropped(void **state)
{
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	put_flow(&published, (uint32_t[]){ 0, 0 });
	nat_env_close(e);
	host_sh("bpftool map update pinned %s/berth/v1/test/nat_meta key 0 0 0 "
		"0 value 0 0 0 0 0 0 0 0 99 0 0 0 0 0 0 0",
		host.bpffs);
	nat_env_open(e, &host, 4096);
	assert_true(e->dropped);
	assert_int_equal(attached("h0"), 0);
	nat_env_attach(e);
	assert_int_equal(count_flow(&published), 0);
}

static void another_size_is_dropped(void **state)
{
	struct nat_config cfg = { .new_max = 2048 };
	struct nat_env *e = *state;
	bool dropped;

	NEED_HOST();
	put_flow(&published, (uint32_t[]){ 0, 0 });
	nat_close(take_ptr(e->nat));
	cfg.pins = sock_pins(e->sock);
	cfg.tc = e->tc;
	cfg.nlk = e->nlk;
	ok(nat_open(&cfg, &e->nat, &dropped, &e->err));
	assert_false(dropped);
	nat_env_attach(e);
	assert_int_equal(count_flow(&published), 0);
}

/* Of the flows that may give way: a power of two, and the others' room beside it. */
static void room_is_rounded_up(void **state)
{
	struct nat_config cfg = { .new_max = 1026, .est_max = 4096 };
	struct nat_env *e = *state;
	bool dropped;

	NEED_HOST();
	nat_close(take_ptr(e->nat));
	cfg.pins = sock_pins(e->sock);
	cfg.tc = e->tc;
	cfg.nlk = e->nlk;
	ok(nat_open(&cfg, &e->nat, &dropped, &e->err));
	nat_env_attach(e);
	assert_int_equal(nat_flow_room(e->nat), 4096);
	host_sh("bpftool map show pinned %s/berth/v1/test/nat_ring | "
		"grep -q 'max_entries 1024 '",
		host.bpffs);
}

static void of_a_gone_namespace_nothing_is_left(void **state)
{
	struct nat_env *e = *state;

	NEED_HOST();
	put_flow(&published, (uint32_t[]){ 0, 0 });
	nat_env_close(e);
	host_enter(&host, host.container);
	nat_env_open(e, &host, 4096);
	nat_env_attach(e);
	assert_int_equal(count_flow(&published), 0);
	ok(nat_detach(e->nat, &e->err));
	ok(guard_stop(e->guard, &e->err));
	ok(sock_detach(e->sock, &e->err));
	nat_env_close(e);
	host_enter(&host, host.net);
	nat_env_open(e, &host, 4096);
}

static void counters_have_names(void **state)
{
	struct nat_env *e = *state;
	uint64_t n[NAT_COUNT_MAX];

	NEED_HOST();
	for (unsigned int i = 0; i < NAT_COUNT_MAX; i++)
		assert_non_null(nat_count_name(i));
	assert_null(nat_count_name(NAT_COUNT_MAX));
	ok(nat_counts(e->nat, n, &e->err));
	assert_int_equal(n[NAT_COUNT_FLOW], 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest plain[] = {
		TEST(links_by_kind),
		TEST(nothing_changes_twice),
		TEST(what_others_detach_comes_back),
		TEST(an_address_given_out_again),
		TEST(standing_aside_ends_flows),
		TEST(removed_flows_count_no_more),
		TEST(a_tick_is_bounded),
		TEST(flows_outlive_the_daemon),
		TEST(lost_ports_end_their_flows_after_a_restart),
		TEST(another_layout_is_dropped),
		TEST(another_size_is_dropped),
		TEST(room_is_rounded_up),
		TEST(of_a_gone_namespace_nothing_is_left),
		TEST(counters_have_names),
	};
	struct CMUnitTest tests[ARRAY_SIZE(plain) + ARRAY_SIZE(idle_rows) +
				ARRAY_SIZE(forget_rows)];
	size_t n = ARRAY_SIZE(plain);
	int failed;

	memcpy(tests, plain, sizeof(plain));
	n += TEST_ROWS(&tests[n], idle_rows, idle_row);
	n += TEST_ROWS(&tests[n], forget_rows, forget_row);
	host_make(&host);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	host_remove(&host);
	return failed;
}
