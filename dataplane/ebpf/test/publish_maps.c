/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the maps have: containers, published ports, lists, rates; see publish_env.h. */
#include "dataplane/ebpf/test/publish_env_priv.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bpf/guard_map.h"
#include "bpf/nat_map.h"
#include "bpf/sock_map.h"
#include "dataplane/ebpf/sock_entry.h"
#include "dataplane/ebpf/test/frame.h"
#include "lib/base.h"
#include "lib/test/test.h"

/* ---- containers and ports ---------------------------------------------- */

void publish_key(const char *text, __u32 ret[4])
{
	memset(ret, 0, 16);
	if (strchr(text, ':')) {
		assert_int_equal(inet_pton(AF_INET6, text, ret), 1);
		return;
	}
	ret[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, text, &ret[3]), 1);
}

void publish_put(struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map__update_elem(map, key, bpf_map__key_size(map),
					      value, bpf_map__value_size(map),
					      BPF_ANY),
			 0);
}

/* Counters: of ports by the number, of containers by the address. */
static const struct {
	const char *who;
	__u32 index;
} stats[] = {
	{ "8080", 1 },     { "5353", 2 },     { "19968", 3 },
	{ "7000", 4 },     { "10.9.0.2", 5 }, { "10.8.0.2", 6 },
	{ "10.4.0.2", 7 }, { "10.4.0.3", 8 },
};

static __u32 stat_of(const char *who)
{
	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		if (strcmp(stats[i].who, who) == 0)
			return stats[i].index;
	return 0;
}

static void add_container(const char *ifname, const char *bridge,
			  const char *ip4, const char *ip6, __u32 flags)
{
	__u32 index = if_nametoindex(ifname), key[4];
	struct guard_port port = { .bridge = if_nametoindex(bridge) };
	struct nat_ep ep = { .ifindex = index,
			     .bridge = port.bridge,
			     .flags = flags };
	char gateway[32];

	publish_put(publish_skel->maps.guard_port, &index, &port);
	ep.stat = stat_of(ip4);
	memcpy(ep.mac, publish_container_mac, 6);
	memcpy(ep.bridge_mac, publish_bridge_mac, 6);
	snprintf(gateway, sizeof(gateway), "%.*s.1",
		 (int)(strrchr(ip4, '.') - ip4), ip4);
	publish_key(gateway, ep.gateway);
	publish_key(ip4, key);
	publish_put(publish_skel->maps.nat_ep, key, &ep);
	if (!ip6)
		return;
	publish_key(strncmp(ip6, "fd04", 4) == 0 ? "fd04::1" : "fd09::1",
		    ep.gateway);
	publish_key(ip6, key);
	publish_put(publish_skel->maps.nat_ep, key, &ep);
}

/* Its container's addresses and MAC are looked at. */
static void guard_source(const char *ifname, const char *bridge,
			 const char *ip4, const char *ip6)
{
	__u32 index = if_nametoindex(ifname), key[4];
	struct guard_port port = { .bridge = if_nametoindex(bridge),
				   .flags = GUARD_SOURCE };

	publish_key(ip4, key);
	port.ip4 = key[3];
	publish_key(ip6, port.ip6);
	memcpy(port.mac, frame_smac, 6);
	publish_put(publish_skel->maps.guard_port, &index, &port);
}

static void add_link(const char *ifname, const char *ip4, const char *ip6,
		     __u32 flags)
{
	__u32 index = if_nametoindex(ifname), key[4];
	struct nat_link link = { .flags = flags };

	if (ip4) {
		publish_key(ip4, key);
		link.ip4 = key[3];
	}
	if (ip6)
		publish_key(ip6, link.ip6);
	publish_put(publish_skel->maps.nat_link, &index, &link);
}

/* What leaves by @ifname to @subnet does so with @ip. */
static void add_source(const char *ifname, const char *subnet,
		       unsigned int bits, const char *ip)
{
	struct nat_source_key k = { .bits = NAT_SOURCE_BITS + bits,
				    .ifindex = if_nametoindex(ifname) };
	struct nat_source s;

	publish_key(subnet, k.addr);
	publish_key(ip, s.addr);
	publish_put(publish_skel->maps.nat_source, &k, &s);
}

static void add_local(const char *ip, const char *bridge)
{
	struct nat_local l = { bridge ? if_nametoindex(bridge) : 0 };
	__u32 key[4];

	publish_key(ip, key);
	publish_put(publish_skel->maps.nat_local, key, &l);
}

/* Of a container's address, which is entered. */
static __u32 number_of(const char *ip)
{
	struct sock_ip6 value;
	__u32 number;

	publish_key(ip, value.addr);
	number = ntohl(value.addr[0]) + ntohl(value.addr[3]);
	publish_put(publish_skel->maps.sock_ip6, &number, &value);
	return number;
}

static void put_port(struct sock_entry *e, unsigned prefix,
		     const struct sock_span *span)
{
	struct sock_key *k = &e->key.key;
	__u32 at = sock_entry_index(e);

	if (prefix != 16)
		publish_put(publish_skel->maps.sock_range, &e->key, span);
	else if (k->addr[3] || k->addr[0] || k->proto == IPPROTO_SCTP)
		publish_put(publish_skel->maps.sock_pub, k, &span->dst);
	else
		publish_put(publish_skel->maps.sock_any, &at, &span->dst);
}

/* @prefix: of the port, in bits: 16: one port. */
static void publish(const char *host_ip, __u8 proto, unsigned port,
		    unsigned prefix, const char *ip4, const char *ip6,
		    unsigned to)
{
	struct sock_entry e = { .key = { .bits = SOCK_KEY_BITS + prefix } };
	struct sock_span span = { .bits = e.key.bits };
	bool v6 = ip6 && strchr(host_ip, ':');
	char number[8];

	snprintf(number, sizeof(number), "%u", port);
	span.dst.delta = (__u16)(to - port);
	span.dst.stat = (__u16)(stat_of(number) |
				(v6 ? (__u32)SOCK_TO_IP6 : SOCK_TO_IP4)
					<< SOCK_KIND_SHIFT);
	publish_key(host_ip, e.key.key.addr);
	e.key.key.proto = proto;
	e.key.key.port = htons((uint16_t)port);
	if (v6)
		span.dst.at = number_of(ip6);
	else
		assert_int_equal(inet_pton(AF_INET, ip4, &span.dst.at), 1);
	put_port(&e, prefix, &span);
}

static void publish_both(__u8 proto, unsigned port, unsigned prefix,
			 const char *ip4, unsigned to)
{
	publish("0.0.0.0", proto, port, prefix, ip4, "fd09::2", to);
	publish("::", proto, port, prefix, ip4, "fd09::2", to);
}

/* ---- pools --------------------------------------------------------------- */

static void publish_pool(__u8 proto, unsigned port, __u32 pool4, __u32 pool6)
{
	struct sock_entry e = { .key.key = { .proto = proto,
					     .port = htons((uint16_t)port) } };
	struct sock_span span = {
		.dst = { .at = pool6, .stat = SOCK_TO_POOL << SOCK_KIND_SHIFT },
	};

	put_port(&e, 16, &span);
	publish_key("0.0.0.0", e.key.key.addr);
	span.dst.at = pool4;
	put_port(&e, 16, &span);
}

static struct sock_backend backend(const char *ip, __u16 port)
{
	struct sock_backend b = { .port = port };
	__u32 key[4];

	publish_key(ip, key);
	if (strchr(ip, ':'))
		memcpy(b.ip6, key, sizeof(b.ip6));
	else
		b.ip4 = key[3];
	return b;
}

void publish_env_pool(unsigned int number, const char *even, uint16_t even_port,
		      const char *odd, uint16_t odd_port)
{
	const struct sock_backend b[] = { backend(even, even_port),
					  backend(odd, odd_port) };
	_cleanup_close_ int fd =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "pool", 4, sizeof(b[0]),
			       SOCK_POOL_SLOTS, NULL);

	assert_true(fd >= 0);
	for (__u32 i = 0; i < SOCK_POOL_SLOTS; i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, &b[i % 2], 0), 0);
	assert_int_equal(
		bpf_map_update_elem(bpf_map__fd(publish_skel->maps.sock_pool),
				    &number, &fd, 0),
		0);
}

static void fill_pools(void)
{
	publish_pool(IPPROTO_TCP, 8000, 1, 2);
	publish_pool(IPPROTO_UDP, 8000, 1, 2);
	publish_pool(IPPROTO_SCTP, 90, 1, 2);
	publish_pool(IPPROTO_TCP, 8001, 3, 3);
	publish_pool(IPPROTO_TCP, 8002, 4, 4);
	publish_env_pool(1, "10.9.0.2", 80, "10.8.0.2", 90);
	publish_env_pool(2, "fd09::2", 80, "fd09::2", 80);
	publish_env_pool(4, "10.4.0.2", 70, "10.4.0.2", 70);
}

/* ---- who may ------------------------------------------------------------- */

#define LIST_A       5
#define LIST_LIMITED 6
#define LIST_MISSING 7

static void judge(__u32 list, const char *ip, unsigned int bits, bool allow)
{
	struct nat_policy_key k = { .policy = list };
	__u32 verdict = allow ? NAT_POLICY_ALLOW : NAT_POLICY_DENY;

	k.bits = NAT_POLICY_BITS + bits + (strchr(ip, ':') ? 0 : 96);
	publish_key(ip, k.addr);
	publish_put(publish_skel->maps.nat_policy, &k, &verdict);
}

void publish_env_judge(const char *ip, unsigned int bits, bool allow)
{
	judge(LIST_A, ip, bits, allow);
}

static void give_list(const char *ip, __u32 list, __u32 gap, __u32 burst)
{
	struct nat_ep ep;
	__u32 key[4];

	publish_key(ip, key);
	assert_int_equal(bpf_map__lookup_elem(publish_skel->maps.nat_ep, key,
					      sizeof(key), &ep, sizeof(ep), 0),
			 0);
	ep.policy = list;
	ep.limit_gap = gap;
	ep.limit_burst = burst;
	publish_put(publish_skel->maps.nat_ep, key, &ep);
}

static void fill_lists(void)
{
	__u32 v6 = if_nametoindex("v6"), gap = 4000000000u;
	struct guard_port apart = { .bridge = if_nametoindex("br4"),
				    .flags = GUARD_APART };

	add_container("v5", "br4", "10.4.0.5", NULL, 0);
	add_container("v5", "br4", "10.4.0.2", "fd04::2", NAT_EP_MASQ);
	add_container("v6", "br4", "10.4.0.3", "fd04::3", NAT_EP_MASQ);
	publish_put(publish_skel->maps.guard_port, &v6, &apart);
	give_list("10.4.0.2", LIST_A, 0, 0);
	give_list("fd04::2", LIST_A, 0, 0);
	give_list("10.4.0.3", LIST_LIMITED, gap, 2);
	give_list("fd04::3", LIST_LIMITED, gap, 2);
	give_list("10.4.0.5", LIST_MISSING, 0, 0);
	judge(LIST_A, "0.0.0.0", 0, false);
	judge(LIST_A, "::", 0, false);
	judge(LIST_A, "192.0.2.0", 24, true);
	judge(LIST_A, "192.0.2.128", 25, false);
	judge(LIST_A, "192.0.2.200", 32, true);
	judge(LIST_A, "fd02::", 64, true);
	judge(LIST_A, "fd02::bad", 128, false);
	judge(LIST_A, "10.9.0.0", 24, true);
	judge(LIST_LIMITED, "0.0.0.0", 0, true);
	judge(LIST_LIMITED, "::", 0, true);
	judge(LIST_LIMITED, "192.0.2.66", 32, false);
	publish("0.0.0.0", IPPROTO_TCP, 7000, 16, "10.4.0.2", "fd04::2", 70);
	publish("::", IPPROTO_TCP, 7000, 16, "10.4.0.2", "fd04::2", 70);
	publish("0.0.0.0", IPPROTO_TCP, 7100, 16, "10.4.0.3", "fd04::3", 71);
	publish("::", IPPROTO_TCP, 7100, 16, "10.4.0.3", "fd04::3", 71);
	publish("0.0.0.0", IPPROTO_TCP, 7200, 16, "10.4.0.5", NULL, 72);
}

/* ---- how fast ------------------------------------------------------------ */

/* v7 may send and get 100 bytes a second, 6,000 at once, and owes so much. */
static void owe(int seconds)
{
	__u32 index = if_nametoindex("v7");
	struct guard_bucket b = { .cost = UINT64_C(10000000)
					  << GUARD_RATE_SHIFT,
				  .burst = UINT64_C(60000000000) };
	struct guard_rate r;
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	b.due = (__u64)(ts.tv_sec + seconds) * 1000000000u + (__u64)ts.tv_nsec;
	r = (struct guard_rate){ .in = b, .out = b };
	publish_put(publish_skel->maps.guard_rate, &index, &r);
}

bool publish_step_rate(const char *what, const char *arg, char *ret,
		       size_t size)
{
	__u32 index = if_nametoindex("v7");
	struct guard_rate was, r;
	char way[4];
	int seconds;

	if (strcmp(what, "owe") != 0)
		return false;
	assert_int_equal(sscanf(arg, "%3s %d", way, &seconds), 2);
	assert_int_equal(bpf_map__lookup_elem(publish_skel->maps.guard_rate,
					      &index, sizeof(index), &was,
					      sizeof(was), 0),
			 0);
	owe(seconds);
	assert_int_equal(bpf_map__lookup_elem(publish_skel->maps.guard_rate,
					      &index, sizeof(index), &r,
					      sizeof(r), 0),
			 0);
	if (strcmp(way, "in") == 0)
		r.out = was.out;
	else
		r.in = was.in;
	publish_put(publish_skel->maps.guard_rate, &index, &r);
	snprintf(ret, size, "done");
	return true;
}

static void fill_rated(void)
{
	__u32 index = if_nametoindex("v7");
	struct guard_port port = { .bridge = if_nametoindex("br4"),
				   .flags = GUARD_RATED };

	add_container("v7", "br4", "10.4.0.7", "fd04::7",
		      NAT_EP_MASQ | NAT_EP_RATED);
	publish_put(publish_skel->maps.guard_port, &index, &port);
	owe(0);
	publish("0.0.0.0", IPPROTO_TCP, 7300, 16, "10.4.0.7", "fd04::7", 73);
	publish("::", IPPROTO_TCP, 7300, 16, "10.4.0.7", "fd04::7", 73);
}

void publish_fill(void)
{
	const __u32 zero = 0, ports = NAT_PORTS(NAT_MASQ_FIRST, NAT_MASQ_LAST);

	publish_put(publish_skel->maps.nat_ports, &zero, &ports);
	add_local("10.4.0.1", "br4");
	add_local("fd04::1", "br4");
	add_link("br4", "10.4.0.1", "fd04::1", NAT_LINK_OURS);
	fill_lists();
	fill_pools();
	fill_rated();
	add_container("v1", "br0", "10.9.0.2", "fd09::2", NAT_EP_MASQ);
	add_container("v2", "br1", "10.8.0.2", NULL, NAT_EP_MASQ);
	add_container("v3", "br2", "10.6.0.2", "fd06::2",
		      NAT_EP_INTERNAL | NAT_EP_MASQ);
	guard_source("v3", "br2", "10.6.0.2", "fd06::2");
	add_link("up0", "192.0.2.1", "fd02::1", NAT_LINK_MANY);
	add_source("up0", "192.0.2.0", 96 + 24, "192.0.2.1");
	add_source("up0", "203.0.115.0", 96 + 24, "203.0.115.1");
	add_source("up0", "fd15::", 64, "fd15::1");
	add_link("br0", "10.9.0.1", NULL, NAT_LINK_OURS);
	add_link("br1", "10.8.0.1", NULL, NAT_LINK_OURS);
	add_link("br2", "10.6.0.1", NULL, NAT_LINK_OURS);
	add_link("br3", "10.5.0.1", NULL, NAT_LINK_CLOSED);
	add_local("192.0.2.1", NULL);
	add_local("fd02::1", NULL);
	add_local("203.0.115.1", NULL);
	add_local("fd15::1", NULL);
	add_local("10.9.0.1", "br0");
	add_local("fd09::1", "br0");
	add_local("10.8.0.1", "br1");
	add_local("10.6.0.1", "br2");
	add_local("fd06::1", "br2");
	publish_both(IPPROTO_TCP, 8080, 16, "10.9.0.2", 80);
	publish_both(IPPROTO_UDP, 5353, 16, "10.9.0.2", 53);
	publish_both(IPPROTO_SCTP, 7777, 16, "10.9.0.2", 7777);
	publish_both(IPPROTO_SCTP, 7778, 16, "10.9.0.2", 77);
	publish("192.0.2.1", IPPROTO_TCP, 9090, 16, "10.8.0.2", NULL, 90);
	publish("0.0.0.0", IPPROTO_TCP, 9091, 16, "10.8.0.2", NULL, 90);
	publish("::", IPPROTO_TCP, 9091, 16, "10.8.0.2", NULL, 90);
	publish_both(IPPROTO_TCP, 19968, 8, "10.9.0.2", 19968);
	publish_both(IPPROTO_TCP, 21008, 12, "10.9.0.2", 1008);
	publish("0.0.0.0", IPPROTO_TCP, 6000, 16, "10.7.0.2", NULL, 60);
	publish("0.0.0.0", IPPROTO_TCP, 6100, 16, "10.6.0.2", NULL, 61);
}

bool publish_step_port(const char *what, const char *port, char *ret,
		       size_t size)
{
	struct sock_entry e = {
		.key.key = { .port = htons((uint16_t)atoi(port)) },
	};
	static const __u8 protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct sock_dst none = { 0 };

	if (strcmp(what, "shut") != 0 && strcmp(what, "open") != 0)
		return false;
	snprintf(ret, size, "done");
	if (what[0] == 'o') {
		publish_fill();
		return true;
	}
	publish_key("0.0.0.0", e.key.key.addr);
	for (size_t i = 0; i < ARRAY_SIZE(protos); i++) {
		__u32 at;

		e.key.key.proto = protos[i];
		at = sock_entry_index(&e);
		publish_put(publish_skel->maps.sock_any, &at, &none);
	}
	return true;
}

/* ---- what was counted ---------------------------------------------------- */

void publish_clear_stats(void)
{
	struct nat_stat *none = calloc((size_t)publish_cpus, sizeof(*none));
	int fd = bpf_map__fd(publish_skel->maps.nat_stat);

	assert_non_null(none);
	for (__u32 i = 0; i <= ARRAY_SIZE(stats); i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, none, BPF_ANY), 0);
	free(none);
}

bool publish_step_stat(const char *what, const char *who, char *ret,
		       size_t size)
{
	struct nat_stat *each, sum = { 0 };
	__u32 index = stat_of(who);

	if (strcmp(what, "stat") != 0)
		return false;
	each = calloc((size_t)publish_cpus, sizeof(*each));
	assert_non_null(each);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(publish_skel->maps.nat_stat),
				    &index, each),
		0);
	for (int i = 0; i < publish_cpus; i++) {
		sum.packets_in += each[i].packets_in;
		sum.bytes_in += each[i].bytes_in;
		sum.packets_out += each[i].packets_out;
		sum.bytes_out += each[i].bytes_out;
		sum.flows += each[i].flows;
		sum.refused += each[i].refused;
	}
	free(each);
	snprintf(ret, size,
		 "flows=%llu in=%llu/%llu out=%llu/%llu refused=%llu",
		 sum.flows, sum.packets_in, sum.bytes_in, sum.packets_out,
		 sum.bytes_out, sum.refused);
	return true;
}
