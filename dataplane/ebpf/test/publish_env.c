/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See publish_env.h. */
#include "dataplane/ebpf/test/publish_env.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/types.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bpf/guard_map.h"
#include "bpf/nat_map.h"
#include "bpf/publish.skel.h"
#include "bpf/sock_map.h"
#include "dataplane/ebpf/pin.h"
#include "dataplane/ebpf/sock_entry.h"
#include "dataplane/ebpf/test/frame.h"
#include "lib/base.h"
#include "lib/test/test.h"

static const uint8_t bridge_mac[6] = { 2, 0, 0, 0, 1, 1 };
static const uint8_t uplink_mac[6] = { 2, 0, 0, 0, 2, 1 };
static const uint8_t container_mac[6] = { 2, 0, 0, 0, 3, 1 };

static struct publish_bpf *skel;
static int ncpu;
static char star[64];

/* ---- the host ------------------------------------------------------------ */

#define BRIDGE(n, address)                                              \
	"ip link add br" n " address 02:00:00:00:01:01 type bridge && " \
	"ip addr add " address " dev br" n " && ip link set br" n " up && "
#define VETH(n, br)                                                        \
	"ip link add v" n " type veth peer name c" n " && ip link set v" n \
	" master " br " up && ip link set c" n " up && "

static const char host[] = "ip link set lo up && " BRIDGE(
	"0", "10.9.0.1/24") BRIDGE("1", "10.8.0.1/24") BRIDGE("2",
							      "10.6.0.1/24")
	BRIDGE("3", "10.5.0.1/24") BRIDGE("4", "10.4.0.1/24") VETH(
		"5",
		"br4") VETH("6",
			    "br4") VETH("7",
					"br4") VETH("1",
						    "br0") VETH("2",
								"br1") VETH("3",
									    "br"
									    "2")
		VETH("4",
		     "br3") "ip addr add fd09::1/64 dev br0 nodad && "
			    "ip addr add fd04::1/64 dev br4 nodad && "
			    "ip link add up0 address 02:00:00:00:02:01 type "
			    "veth peer name lan0 && "
			    "ip addr add 192.0.2.1/24 dev up0 && "
			    "ip addr add fd02::1/64 dev up0 nodad && "
			    "ip link set up0 up && ip link set lan0 up && "
			    "ip route add default via 192.0.2.254 && "
			    "ip -6 route add default via fd02::fe dev up0 && "
			    "ip neigh add 192.0.2.254 lladdr 02:00:00:00:02:fe "
			    "dev up0 && "
			    "ip neigh add 192.0.2.2 lladdr 02:00:00:00:02:02 "
			    "dev up0 && "
			    "ip neigh add fd02::fe lladdr 02:00:00:00:02:fe "
			    "dev up0 && "
			    "ip route add 203.0.113.0/24 via 192.0.2.254 mtu "
			    "lock 1000 && "
			    "ip route add blackhole 203.0.114.0/24 && "
			    "ip -6 route add fd13::/64 via fd02::fe mtu lock "
			    "1280 && "
			    "ip route add local 198.18.0.0/24 dev lo && "
			    "ip -6 route add local fd18::/64 dev lo && "
			    "ip route add local 198.18.1.0/24 dev lo table 7 "
			    "&& ip rule add to 198.18.1.0/24 lookup 7 && "
			    "sysctl -qw net.ipv4.ip_forward=1 "
			    "net.ipv6.conf.all.forwarding=1";

static void addr_key(const char *text, __u32 ret[4])
{
	memset(ret, 0, 16);
	if (strchr(text, ':')) {
		assert_int_equal(inet_pton(AF_INET6, text, ret), 1);
		return;
	}
	ret[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, text, &ret[3]), 1);
}

static void put(struct bpf_map *map, const void *key, const void *value)
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

	put(skel->maps.guard_port, &index, &port);
	ep.stat = stat_of(ip4);
	memcpy(ep.mac, container_mac, 6);
	memcpy(ep.bridge_mac, bridge_mac, 6);
	snprintf(gateway, sizeof(gateway), "%.*s.1",
		 (int)(strrchr(ip4, '.') - ip4), ip4);
	addr_key(gateway, ep.gateway);
	addr_key(ip4, key);
	put(skel->maps.nat_ep, key, &ep);
	if (!ip6)
		return;
	addr_key(strncmp(ip6, "fd04", 4) == 0 ? "fd04::1" : "fd09::1",
		 ep.gateway);
	addr_key(ip6, key);
	put(skel->maps.nat_ep, key, &ep);
}

static void add_link(const char *ifname, const char *ip4, const char *ip6,
		     __u32 flags)
{
	__u32 index = if_nametoindex(ifname), key[4];
	struct nat_link link = { .flags = flags };

	if (ip4) {
		addr_key(ip4, key);
		link.ip4 = key[3];
	}
	if (ip6)
		addr_key(ip6, link.ip6);
	put(skel->maps.nat_link, &index, &link);
}

static void add_local(const char *ip, const char *bridge)
{
	struct nat_local l = { bridge ? if_nametoindex(bridge) : 0 };
	__u32 key[4];

	addr_key(ip, key);
	put(skel->maps.nat_local, key, &l);
}

/* Of a container's address, which is entered. */
static __u32 number_of(const char *ip)
{
	struct sock_ip6 value;
	__u32 number;

	addr_key(ip, value.addr);
	number = ntohl(value.addr[0]) + ntohl(value.addr[3]);
	put(skel->maps.sock_ip6, &number, &value);
	return number;
}

static void put_port(struct sock_entry *e, unsigned prefix,
		     const struct sock_span *span)
{
	struct sock_key *k = &e->key.key;
	__u32 at = sock_entry_index(e);

	if (prefix != 16)
		put(skel->maps.sock_range, &e->key, span);
	else if (k->addr[3] || k->addr[0] || k->proto == IPPROTO_SCTP)
		put(skel->maps.sock_pub, k, &span->dst);
	else
		put(skel->maps.sock_any, &at, &span->dst);
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
	addr_key(host_ip, e.key.key.addr);
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
	addr_key("0.0.0.0", e.key.key.addr);
	span.dst.at = pool4;
	put_port(&e, 16, &span);
}

static struct sock_backend backend(const char *ip, __u16 port)
{
	struct sock_backend b = { .port = port };
	__u32 key[4];

	addr_key(ip, key);
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
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.sock_pool),
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
	addr_key(ip, k.addr);
	put(skel->maps.nat_policy, &k, &verdict);
}

void publish_env_judge(const char *ip, unsigned int bits, bool allow)
{
	judge(LIST_A, ip, bits, allow);
}

static void give_list(const char *ip, __u32 list, __u32 gap, __u32 burst)
{
	struct nat_ep ep;
	__u32 key[4];

	addr_key(ip, key);
	assert_int_equal(bpf_map__lookup_elem(skel->maps.nat_ep, key,
					      sizeof(key), &ep, sizeof(ep), 0),
			 0);
	ep.policy = list;
	ep.limit_gap = gap;
	ep.limit_burst = burst;
	put(skel->maps.nat_ep, key, &ep);
}

static void fill_lists(void)
{
	__u32 v6 = if_nametoindex("v6"), gap = 4000000000u;
	struct guard_port apart = { .bridge = if_nametoindex("br4"),
				    .flags = GUARD_APART };

	add_container("v5", "br4", "10.4.0.5", NULL, 0);
	add_container("v5", "br4", "10.4.0.2", "fd04::2", NAT_EP_MASQ);
	add_container("v6", "br4", "10.4.0.3", "fd04::3", NAT_EP_MASQ);
	put(skel->maps.guard_port, &v6, &apart);
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
	put(skel->maps.guard_rate, &index, &r);
}

/* "owe DIRECTION SECONDS" */
static bool change_rate(const char *what, const char *arg, char *ret,
			size_t size)
{
	__u32 index = if_nametoindex("v7");
	struct guard_rate was, r;
	char way[4];
	int seconds;

	if (strcmp(what, "owe") != 0)
		return false;
	assert_int_equal(sscanf(arg, "%3s %d", way, &seconds), 2);
	assert_int_equal(bpf_map__lookup_elem(skel->maps.guard_rate, &index,
					      sizeof(index), &was, sizeof(was),
					      0),
			 0);
	owe(seconds);
	assert_int_equal(bpf_map__lookup_elem(skel->maps.guard_rate, &index,
					      sizeof(index), &r, sizeof(r), 0),
			 0);
	if (strcmp(way, "in") == 0)
		r.out = was.out;
	else
		r.in = was.in;
	put(skel->maps.guard_rate, &index, &r);
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
	put(skel->maps.guard_port, &index, &port);
	owe(0);
	publish("0.0.0.0", IPPROTO_TCP, 7300, 16, "10.4.0.7", "fd04::7", 73);
	publish("::", IPPROTO_TCP, 7300, 16, "10.4.0.7", "fd04::7", 73);
}

static void fill(void)
{
	add_local("10.4.0.1", "br4");
	add_local("fd04::1", "br4");
	add_link("br4", "10.4.0.1", "fd04::1", NAT_LINK_OURS);
	fill_lists();
	fill_pools();
	fill_rated();
	add_container("v1", "br0", "10.9.0.2", "fd09::2", NAT_EP_MASQ);
	add_container("v2", "br1", "10.8.0.2", NULL, NAT_EP_MASQ);
	add_container("v3", "br2", "10.6.0.2", NULL,
		      NAT_EP_INTERNAL | NAT_EP_MASQ);
	add_link("up0", "192.0.2.1", "fd02::1", 0);
	add_link("br0", "10.9.0.1", NULL, NAT_LINK_OURS);
	add_link("br1", "10.8.0.1", NULL, NAT_LINK_OURS);
	add_link("br2", "10.6.0.1", NULL, NAT_LINK_OURS);
	add_link("br3", "10.5.0.1", NULL, NAT_LINK_CLOSED);
	add_local("192.0.2.1", NULL);
	add_local("fd02::1", NULL);
	add_local("10.9.0.1", "br0");
	add_local("fd09::1", "br0");
	add_local("10.8.0.1", "br1");
	add_local("10.6.0.1", "br2");
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

bool publish_env_make(void)
{
	if (unshare(CLONE_NEWNET) < 0) {
		print_message("SKIP: no network namespace: %s\n",
			      strerror(errno));
		return false;
	}
	pin_quiet_libbpf();
	assert_int_equal(system(host), 0);
	ncpu = libbpf_num_possible_cpus();
	skel = publish_bpf__open();
	assert_non_null(skel);
	skel->rodata->claim_mark = 0x100; /* no test sets it */
	skel->rodata->young_max = PUBLISH_ENV_YOUNG;
	assert_int_equal(bpf_map__set_max_entries(skel->maps.nat_ring,
						  PUBLISH_ENV_YOUNG),
			 0);
	assert_int_equal(bpf_map__set_max_entries(skel->maps.nat_flows,
						  PUBLISH_ENV_ROOM),
			 0);
	assert_int_equal(publish_bpf__load(skel), 0);
	fill();
	return true;
}

void publish_env_done(void)
{
	publish_bpf__destroy(skel);
	skel = NULL;
}

static void clear_map(struct bpf_map *map)
{
	unsigned char key[64], next[64];
	int fd = bpf_map__fd(map), r;

	/* each is looked for from where the one before was: the first costs a
	 * walk through all that is empty */
	for (r = bpf_map_get_next_key(fd, NULL, key); r == 0;) {
		r = bpf_map_get_next_key(fd, key, next);
		assert_int_equal(bpf_map_delete_elem(fd, key), 0);
		memcpy(key, next, sizeof(key));
	}
}

void publish_env_share(const char *ifname, long long n)
{
	__u32 slot = if_nametoindex(ifname) % NAT_SHARE_SLOTS;
	__s64 value = n;

	put(skel->maps.nat_share, &slot, &value);
}

long long publish_env_shared(const char *ifname)
{
	__u32 slot = if_nametoindex(ifname) % NAT_SHARE_SLOTS;
	__s64 n = -1;

	assert_int_equal(bpf_map__lookup_elem(skel->maps.nat_share, &slot,
					      sizeof(slot), &n, sizeof(n), 0),
			 0);
	return n;
}

void publish_env_turn(uint32_t next)
{
	__u32 zero = 0;

	put(skel->maps.nat_turn, &zero, &next);
}

static void stand_aside(__u32 on)
{
	__u32 zero = 0;

	put(skel->maps.nat_aside, &zero, &on);
}

static void clear_stats(void)
{
	struct nat_stat *none = calloc((size_t)ncpu, sizeof(*none));
	int fd = bpf_map__fd(skel->maps.nat_stat);

	assert_non_null(none);
	for (__u32 i = 0; i <= ARRAY_SIZE(stats); i++)
		assert_int_equal(bpf_map_update_elem(fd, &i, none, BPF_ANY), 0);
	free(none);
}

/* "stat WHO". Return: false: another word. */
static bool read_stat(const char *what, const char *who, char *ret, size_t size)
{
	struct nat_stat *each, sum = { 0 };
	__u32 index = stat_of(who);

	if (strcmp(what, "stat") != 0)
		return false;
	each = calloc((size_t)ncpu, sizeof(*each));
	assert_non_null(each);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.nat_stat),
					     &index, each),
			 0);
	for (int i = 0; i < ncpu; i++) {
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

void publish_env_clear(void)
{
	clear_stats();
	clear_map(skel->maps.nat_flows);
	clear_map(skel->maps.nat_frag);
	clear_map(skel->maps.nat_limit);
	fill(); /* what was lost */
	stand_aside(0);
	for (char n = '1'; n <= '6'; n++)
		publish_env_share((char[]){ 'v', n, '\0' }, 0);
}

/* As if two seconds had passed: the flows look for their way, and for their other
 * half, again. */
static void grow_old(struct bpf_map *map)
{
	struct nat_tuple key, *at = NULL;
	int fd = bpf_map__fd(map);
	struct nat_flow f;

	for (; bpf_map_get_next_key(fd, at, &key) == 0; at = &key) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
		f.routed--;
		f.born -= NAT_UDP_LASTS;
		f.seen -= NAT_UDP_LASTS;
		put(map, &key, &f);
	}
}

/* "lose ADDRESS", "route WHAT", "wait TIME", "aside N". Return: false: none of them. */
static bool change_host(const char *what, const char *arg, char *ret,
			size_t size)
{
	char cmd[256];
	__u32 key[4];

	if (strcmp(what, "lose") != 0 && strcmp(what, "route") != 0 &&
	    strcmp(what, "wait") != 0 && strcmp(what, "aside") != 0)
		return false;
	grow_old(skel->maps.nat_flows);
	snprintf(ret, size, "done");
	if (what[0] == 'l') {
		addr_key(arg, key);
		bpf_map_delete_elem(bpf_map__fd(skel->maps.nat_local), key);
		return true;
	}
	if (what[0] == 'a')
		stand_aside((__u32)atoi(arg));
	if (what[0] == 'w' || what[0] == 'a')
		return true;
	snprintf(cmd, sizeof(cmd), "ip route %s", arg);
	if (system(cmd) != 0)
		snprintf(ret, size, "failed");
	return true;
}

/* ---- one step ------------------------------------------------------------ */

static const char *const drops[NAT_COUNT_MAX] = {
	[NAT_DROP_FULL] = "full",       [NAT_DROP_FORGED] = "forged",
	[NAT_DROP_REWRITE] = "rewrite", [NAT_DROP_GATEWAY] = "gateway",
	[NAT_DROP_HOPS] = "hops",       [NAT_DROP_POLICY] = "policy",
	[NAT_DROP_LIMIT] = "limit",     [NAT_DROP_SHARE] = "share",
	[NAT_DROP_BIG] = "big",         [NAT_DROP_RATE] = "rate",
};

static void read_counts(uint64_t ret[static NAT_COUNT_MAX])
{
	uint64_t *each = calloc((size_t)ncpu, sizeof(*each));

	assert_non_null(each);
	for (__u32 i = 0; i < NAT_COUNT_MAX; i++) {
		assert_int_equal(
			bpf_map_lookup_elem(bpf_map__fd(skel->maps.nat_count),
					    &i, each),
			0);
		ret[i] = 0;
		for (int c = 0; c < ncpu; c++)
			ret[i] += each[c];
	}
	free(each);
}

static const char *verdict(__u32 retval, const uint64_t before[],
			   const uint64_t after[])
{
	bool icmp = after[NAT_COUNT_ICMP] > before[NAT_COUNT_ICMP];
	static char text[64];

	if (retval == TC_ACT_SHOT) {
		for (size_t i = 0; i < NAT_COUNT_MAX; i++)
			if (drops[i] && after[i] > before[i]) {
				snprintf(text, sizeof(text), "drop %s",
					 drops[i]);
				return text;
			}
		return "drop";
	}
	if (retval == (__u32)TC_ACT_UNSPEC)
		return "pass";
	if (retval != TC_ACT_REDIRECT)
		return "what?";
	if (after[NAT_DROP_BIG] > before[NAT_DROP_BIG])
		return "told";
	if (after[NAT_COUNT_IN] > before[NAT_COUNT_IN])
		return icmp ? "icmp-peer" : "peer";
	if (after[NAT_COUNT_OUT] > before[NAT_COUNT_OUT])
		return icmp ? "icmp-wire" : "wire";
	return "redirect without a count";
}

static void run(const char *hook, const char *packet, char *ret, size_t size)
{
	bool wire = strcmp(hook, "U") == 0;
	struct bpf_program *prog = wire ? skel->progs.publish_uplink
					: skel->progs.publish_endpoint;
	char ifname[8] = "up0";
	uint64_t before[NAT_COUNT_MAX], after[NAT_COUNT_MAX];
	uint8_t out[FRAME_MAX + 64];
	struct frame f;
	const char *said;
	char text[512];

	if (!wire)
		snprintf(ifname, sizeof(ifname), "v%c",
			 hook[1] ? hook[1] : '1');
	frame_make(&f, packet, wire ? uplink_mac : bridge_mac);
	struct __sk_buff ctx = { .ifindex = if_nametoindex(ifname),
				 .gso_size = f.gso,
				 .gso_segs = f.gso ? 2 : 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f.bytes,
		    .data_size_in = (__u32)f.len, .data_out = out,
		    .data_size_out = sizeof(out), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	read_counts(before);
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &o) < 0) {
		snprintf(ret, size, "not run: %s", strerror(errno));
		return;
	}
	read_counts(after);
	said = verdict(o.retval, before, after);
	snprintf(ret, size, "%s", said);
	if (strcmp(said, "pass") == 0 || strncmp(said, "drop", 4) == 0) {
		/* what the stack gets must be as it came */
		if (o.data_size_out != f.len ||
		    memcmp(out, f.bytes, f.len) != 0)
			snprintf(ret, size, "%s, changed", said);
		return;
	}
	if ((strstr(said, "peer") || strcmp(said, "told") == 0) &&
	    (memcmp(out, container_mac, 6) != 0 ||
	     memcmp(out + 6, bridge_mac, 6) != 0))
		said = "peer with wrong MACs";
	snprintf(ret, size, "%s %s", said,
		 frame_text(out, o.data_size_out, text, sizeof(text)));
}

static __u8 proto_of(const char *name)
{
	static const struct {
		const char *name;
		__u8 number;
	} all[] = {
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP },
		{ "icmp", IPPROTO_ICMP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(name, all[i].name) == 0)
			return all[i].number;
	fail_msg("no protocol: %s", name);
	return 0;
}

/* An echo's id stands where nat_map.h has it. */
static void tuple_of(const char *packet, struct nat_tuple *ret)
{
	char proto[8], src[64], dst[64];
	struct nat_tuple t = { 0 };
	char *colon;

	assert_int_equal(sscanf(packet, "%7s %63[^>]>%63s", proto, src, dst),
			 3);
	colon = strrchr(src, ':');
	t.sport = htons((uint16_t)atoi(colon + 1));
	*colon = '\0';
	colon = strrchr(dst, ':');
	t.dport = htons((uint16_t)atoi(colon + 1));
	*colon = '\0';
	addr_key(src, t.saddr);
	addr_key(dst, t.daddr);
	t.proto = proto_of(proto);
	*ret = t;
}

static const char *state_of(const char *packet)
{
	static const char *const names[] = {
		[NAT_HALF] = "half",
		[NAT_REPLIED] = "replied",
		[NAT_OPEN] = "open",
		[NAT_CLOSING] = "closing",
	};
	struct nat_tuple t;
	struct nat_flow f;

	tuple_of(packet, &t);
	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.nat_flows), &t, &f) < 0)
		return "none";
	return f.state < ARRAY_SIZE(names) ? names[f.state] : "gone";
}

void publish_env_fill(void)
{
	struct nat_flow f = { .state = NAT_OPEN };
	struct nat_tuple t = { .proto = IPPROTO_SCTP };
	int fd = bpf_map__fd(skel->maps.nat_flows), r = 0;

	for (t.saddr[0] = 1; r == 0; t.saddr[0]++)
		r = bpf_map_update_elem(fd, &t, &f, BPF_NOEXIST);
	assert_int_equal(r, -E2BIG);
	assert_in_range(t.saddr[0], PUBLISH_ENV_ROOM / 2, PUBLISH_ENV_ROOM + 2);
}

const char *publish_env_state(const char *packet)
{
	return state_of(packet);
}

/* "part PACKET": its entry goes, and the other direction's stays.  Return: false:
 * another word. */
static bool part(const char *what, const char *packet, char *ret, size_t size)
{
	struct nat_tuple t;

	if (strcmp(what, "part") != 0)
		return false;
	tuple_of(packet, &t);
	snprintf(ret, size, "%s",
		 bpf_map_delete_elem(bpf_map__fd(skel->maps.nat_flows), &t) == 0
			 ? "done"
			 : "none");
	return true;
}

/* ---- a script ------------------------------------------------------------ */

/* Is @got as @want, whose * stands for anything? */
static bool matches(const char *want, const char *got)
{
	const char *at = strchr(want, '*');
	size_t before, after, len = strlen(got);

	if (!at)
		return strcmp(want, got) == 0;
	before = (size_t)(at - want);
	after = strlen(at + 1);
	if (len < before + after || strncmp(want, got, before) != 0 ||
	    strcmp(got + len - after, at + 1) != 0)
		return false;
	snprintf(star, sizeof(star), "%.*s", (int)(len - before - after),
		 got + before);
	return true;
}

static void expand(const char *line, char *ret, size_t size)
{
	size_t n = 0;

	for (; *line && n + 64 < size; line++)
		if (*line == '$')
			n += (size_t)snprintf(ret + n, size - n, "%s", star);
		else
			ret[n++] = *line;
	ret[n] = '\0';
}

static void play(char *line)
{
	char *want = strstr(line, line[0] == 'f' ? " = " : " => ");
	char got[640], *packet;

	assert_non_null(want);
	*want = '\0';
	want += line[0] == 'f' ? 3 : 4;
	packet = line + strcspn(line, " ");
	assert_int_equal(*packet, ' ');
	*packet++ = '\0';
	if (strcmp(line, "flow") == 0)
		snprintf(got, sizeof(got), "%s", state_of(packet));
	else if (!read_stat(line, packet, got, sizeof(got)) &&
		 !change_host(line, packet, got, sizeof(got)) &&
		 !change_rate(line, packet, got, sizeof(got)) &&
		 !part(line, packet, got, sizeof(got)))
		run(line, packet, got, sizeof(got));
	if (!matches(want, got))
		fail_msg("%s %s\n  got:  %s\n  want: %s", line, packet, got,
			 want);
}

void publish_env_play(const char *steps)
{
	char line[640], raw[512];

	while (*steps) {
		size_t n = strcspn(steps, "\n");

		assert_true(n < sizeof(raw));
		memcpy(raw, steps, n);
		raw[n] = '\0';
		expand(raw, line, sizeof(line));
		play(line);
		steps += n + (steps[n] == '\n');
	}
}

void publish_env_star(char ret[static 64])
{
	memcpy(ret, star, sizeof(star));
}
