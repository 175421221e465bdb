/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host and its programs; see publish_env.h. */
#include "dataplane/ebpf/test/publish_env_priv.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/nat_map.h"
#include "dataplane/ebpf/pin.h"
#include "lib/base.h"
#include "lib/test/test.h"

const uint8_t publish_bridge_mac[6] = { 2, 0, 0, 0, 1, 1 };
const uint8_t publish_container_mac[6] = { 2, 0, 0, 0, 3, 1 };

struct publish_bpf *publish_skel;
int publish_cpus;
uint32_t publish_sums;

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
			    "ip addr add 203.0.115.1/24 dev up0 && "
			    "ip addr add fd15::1/64 dev up0 nodad && "
			    "ip route add 203.0.116.0/24 via 203.0.115.254 && "
			    "ip -6 route add fd16::/64 via fd15::fe && "
			    "ip -6 route add fd13::/64 via fd02::fe mtu lock "
			    "1280 && "
			    "ip route add local 198.18.0.0/24 dev lo && "
			    "ip -6 route add local fd18::/64 dev lo && "
			    "ip route add local 198.18.1.0/24 dev lo table 7 "
			    "&& ip rule add to 198.18.1.0/24 lookup 7 && "
			    "sysctl -qw net.ipv4.ip_forward=1 "
			    "net.ipv6.conf.all.forwarding=1";

/* BPF_F_TEST_SKB_CHECKSUM_COMPLETE; not in older headers */
#define TEST_SUMS (1u << 2)

/* Return: TEST_SUMS; 0: the kernel does not know it. */
static uint32_t find_sums(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", code,
				 ARRAY_SIZE(code), NULL);
	char packet[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet,
		    .data_size_in = sizeof(packet), .repeat = 1,
		    .flags = TEST_SUMS);
	int r;

	assert_true(prog >= 0);
	r = bpf_prog_test_run_opts(prog, &opts);
	close(prog);
	return r == 0 ? TEST_SUMS : 0;
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
	publish_cpus = libbpf_num_possible_cpus();
	publish_skel = publish_bpf__open();
	assert_non_null(publish_skel);
	publish_sums = find_sums();
	publish_skel->rodata->csum_ipv6 = publish_sums != 0; /* is older */
	publish_skel->rodata->claim_mark = 0x100; /* no test sets it */
	publish_skel->rodata->young_max = PUBLISH_ENV_YOUNG;
	assert_int_equal(bpf_map__set_max_entries(publish_skel->maps.nat_ring,
						  PUBLISH_ENV_YOUNG),
			 0);
	assert_int_equal(bpf_map__set_max_entries(publish_skel->maps.nat_flows,
						  PUBLISH_ENV_ROOM),
			 0);
	assert_int_equal(publish_bpf__load(publish_skel), 0);
	publish_fill();
	return true;
}

void publish_env_done(void)
{
	publish_bpf__destroy(publish_skel);
	publish_skel = NULL;
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

	publish_put(publish_skel->maps.nat_share, &slot, &value);
}

long long publish_env_shared(const char *ifname)
{
	__u32 slot = if_nametoindex(ifname) % NAT_SHARE_SLOTS;
	__s64 n = -1;

	assert_int_equal(bpf_map__lookup_elem(publish_skel->maps.nat_share,
					      &slot, sizeof(slot), &n,
					      sizeof(n), 0),
			 0);
	return n;
}

void publish_env_turn(uint32_t next)
{
	__u32 zero = 0;

	publish_put(publish_skel->maps.nat_turn, &zero, &next);
}

static void stand_aside(__u32 on)
{
	__u32 zero = 0;

	publish_put(publish_skel->maps.nat_aside, &zero, &on);
}

/* What bridges have heard of containers is @seconds older; -1: they have not. */
static void bridges_grow_old(int seconds)
{
	for (char n = '1'; n <= '6'; n++) {
		__u32 slot = if_nametoindex((char[]){ 'v', n, '\0' });
		__u64 last;

		assert_int_equal(bpf_map__lookup_elem(
					 publish_skel->maps.nat_learnt, &slot,
					 sizeof(slot), &last, sizeof(last), 0),
				 0);
		last = seconds < 0 ? 0 : last - (__u64)seconds;
		publish_put(publish_skel->maps.nat_learnt, &slot, &last);
	}
}

void publish_env_clear(void)
{
	publish_clear_stats();
	clear_map(publish_skel->maps.nat_flows);
	clear_map(publish_skel->maps.nat_frag);
	clear_map(publish_skel->maps.nat_limit);
	bridges_grow_old(-1);
	publish_fill(); /* what was lost */
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
		publish_put(map, &key, &f);
	}
}

/* So many seconds more. */
static void fragments_grow_old(struct bpf_map *map, int seconds)
{
	struct nat_frag_key key, *at = NULL;
	int fd = bpf_map__fd(map);
	struct nat_frag f;

	for (; bpf_map_get_next_key(fd, at, &key) == 0; at = &key) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &f), 0);
		f.seen -= (__u32)seconds;
		publish_put(map, &key, &f);
	}
}

bool publish_step_host(const char *what, const char *arg, char *ret,
		       size_t size)
{
	char cmd[256];
	__u32 key[4];

	if (strcmp(what, "lose") != 0 && strcmp(what, "route") != 0 &&
	    strcmp(what, "wait") != 0 && strcmp(what, "aside") != 0)
		return false;
	grow_old(publish_skel->maps.nat_flows);
	snprintf(ret, size, "done");
	if (what[0] == 'l') {
		publish_key(arg, key);
		bpf_map_delete_elem(bpf_map__fd(publish_skel->maps.nat_local),
				    key);
		return true;
	}
	if (what[0] == 'a')
		stand_aside((__u32)atoi(arg));
	if (what[0] == 'w') {
		fragments_grow_old(publish_skel->maps.nat_frag, atoi(arg));
		bridges_grow_old(atoi(arg));
	}
	if (what[0] == 'w' || what[0] == 'a')
		return true;
	snprintf(cmd, sizeof(cmd), "ip route %s", arg);
	if (system(cmd) != 0)
		snprintf(ret, size, "failed");
	return true;
}
