/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ten thousand random steps (networks, endpoints, published ports, addresses of
 * the host, restarts) against a model of a few arrays: after each one the maps
 * hold what the model says, for every key that the steps could have made, and
 * now and then nothing else.
 *
 * MODEL_STEPS and MODEL_SEED in the environment choose others.
 */
#include "dataplane/test/dp_test.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "bpf/nat_map.h"
#include "bpf/sock_map.h"
#include "dataplane/ebpf/sock_entry.h"
#include "lib/base.h"
#include "lib/nlk.h"

#define NETS      3
#define EPS       4 /* of each network */
#define RANGES    3
#define PORT_LO   8000 /* the ports that steps use */
#define PORT_HI   8024
#define LONG_LO   9000 /* 100 of them, as a range */
#define LONG_LEN  100
#define HOST_IPS  6
#define EXTRA_IPS 3

static const char *const host_ips[HOST_IPS] = {
	"", "0.0.0.0", "::", "192.0.2.1", "192.0.2.3", "127.0.0.1",
};
/* of the uplink, come and go; the first is one to publish on */
static const char *const extra_ips[EXTRA_IPS] = { "192.0.2.3", "192.0.2.5",
						  "2001:db8:7::1" };

/* The last is nftables'. */
static bool on_ebpf(int net)
{
	return net < NETS - 1;
}

struct range {
	int ip; /* into host_ips */
	uint8_t proto;
	uint16_t first, port;
	uint32_t count;
};

struct model {
	bool net[NETS], started[NETS][EPS], extra[EXTRA_IPS];
	struct range pub[NETS][EPS][RANGES];
	int pubs[NETS][EPS];
};

static struct model m;
static struct dp *dp;
static struct err err;
static uint64_t seed = 1;
static int step, bridge_index[NETS], veth_index[NETS][EPS], uplink;
static struct mac_addr bridge_mac[NETS];

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 16) % below;
}

#define bad(fmt, ...) fail_msg("step %d: " fmt, step, ##__VA_ARGS__)

/* ---- names ----------------------------------------------------------------- */

static struct ip_addr ep_ip(int net, int ep, bool v6)
{
	char text[64];

	snprintf(text, sizeof(text), v6 ? "fd00:%x::%x" : "10.0.%d.%d", net + 1,
		 ep + 2);
	return ip(text);
}

static void key_of(const struct ip_addr *a, __u32 ret[4])
{
	memset(ret, 0, 16);
	if (a->family == AF_INET6) {
		memcpy(ret, a->bytes, 16);
	} else {
		ret[2] = htonl(0xffff);
		memcpy(&ret[3], a->bytes, 4);
	}
}

static void ep_name(int net, int ep, char id[32], char link[IFNAMSIZ])
{
	snprintf(id, 32, "e%d%d", net, ep);
	snprintf(link, IFNAMSIZ, "v%d%d", net, ep);
}

static struct dp_network net_of(int net)
{
	char id[16], bridge[16];
	struct dp_network n;

	snprintf(id, sizeof(id), "n%d", net);
	snprintf(bridge, sizeof(bridge), "m%d", net);
	n = network(id, bridge, net + 1);
	n.backend = on_ebpf(net) ? DP_EBPF : DP_NFT;
	n.masquerade4 = net != 1;
	return n;
}

/* ---- the maps -------------------------------------------------------------- */

/* -1: it is not pinned. */
static int map_fd(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/berth/v1/" DRIVER "/%s", bpf_dir,
		 name);
	return bpf_obj_get(path);
}

static size_t map_count(int fd, size_t key_size)
{
	char key[64], next[64];
	void *from = NULL;
	size_t n = 0;

	while (bpf_map_get_next_key(fd, from, next) == 0) {
		memcpy(key, next, key_size);
		from = key;
		n++;
	}
	return n;
}

/* ---- published ports ------------------------------------------------------- */

/* What leads @port of @addr somewhere? */
static const struct range *published(const __u32 addr[4], uint8_t proto,
				     uint32_t port, int *net, int *ep)
{
	static const __u32 any6[4];
	const __u32 any4[4] = { 0, 0, htonl(0xffff), 0 };

	for (int n = 0; n < NETS; n++)
		for (int e = 0; e < EPS; e++)
			for (int i = 0; i < m.pubs[n][e]; i++) {
				const struct range *r = &m.pub[n][e][i];
				struct ip_addr a = ip(host_ips[r->ip]);
				__u32 key[4];

				key_of(&a, key);
				if (r->proto != proto || port < r->first ||
				    port >= r->first + r->count ||
				    !(r->ip ? memcmp(key, addr, 16) == 0
					    : memcmp(any4, addr, 16) == 0 ||
						      memcmp(any6, addr, 16) ==
							      0))
					continue;
				*net = n;
				*ep = e;
				return r;
			}
	return NULL;
}

struct tables {
	int any, pub, range, ip6;
};

/* Is there an entry of @e's key?  *@ret: where it leads. */
static bool in_table(const struct tables *t, const struct sock_entry *e,
		     struct sock_dst *ret)
{
	const struct sock_key *k = &e->key.key;
	struct sock_span span = { 0 };
	__u32 at = sock_entry_index(e);
	bool any = !k->addr[0] && !k->addr[3];
	int r;

	if (ntohs(k->port) >= LONG_LO)
		r = bpf_map_lookup_elem(t->range, &e->key, &span);
	else if (any)
		r = bpf_map_lookup_elem(t->any, &at, &span);
	else
		r = bpf_map_lookup_elem(t->pub, k, &span);
	*ret = span.dst;
	return r == 0 && sock_dst_kind(ret);
}

/* As clients of the family of @addr are led. */
static bool is_target(const struct tables *t, const __u32 addr[4],
		      const struct sock_dst *dst, int net, int ep)
{
	bool v6 = addr[2] != htonl(0xffff);
	struct ip_addr ip4 = ep_ip(net, ep, false), ip6 = ep_ip(net, ep, true);
	struct sock_ip6 got;

	if (!v6 || ip_is_none(&ip6))
		return sock_dst_kind(dst) == SOCK_TO_IP4 &&
		       memcmp(&dst->at, ip4.bytes, 4) == 0;
	return sock_dst_kind(dst) == SOCK_TO_IP6 &&
	       bpf_map_lookup_elem(t->ip6, &dst->at, &got) == 0 &&
	       memcmp(&got, ip6.bytes, 16) == 0;
}

static size_t check_port(const struct tables *t, const __u32 addr[4],
			 uint8_t proto, uint32_t port)
{
	struct sock_entry e = {
		.key = { .bits = SOCK_KEY_BITS + 16,
			 .key = { .proto = proto,
				  .port = htons((uint16_t)port) } },
	};
	struct sock_dst dst = { 0 };
	int net, ep, found;
	const struct range *r = published(addr, proto, port, &net, &ep);

	memcpy(e.key.key.addr, addr, 16);
	found = in_table(t, &e, &dst);
	if (found != (r != NULL))
		bad("port %u/%u is %sin the map", port, proto,
		    found ? "" : "not ");
	if (!r)
		return 0;
	if (!is_target(t, addr, &dst, net, ep) ||
	    (uint16_t)(port + dst.delta) !=
		    (uint16_t)(port - r->first + r->port))
		bad("port %u/%u leads elsewhere", port, proto);
	return 1;
}

static size_t any_count(int fd)
{
	const size_t size = SOCK_ANY_MAX * sizeof(uint64_t);
	const uint64_t *words = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	size_t n = 0;

	if (words == MAP_FAILED)
		bad("map sock_any: %s", strerror(errno));
	for (size_t i = 0; i < SOCK_ANY_MAX; i++)
		n += words[i] != 0;
	(void)munmap((void *)(uintptr_t)words, size);
	return n;
}

/* Endpoints that clients of IPv6 are led to. */
static size_t ip6_count(void)
{
	size_t n = 0;

	for (int net = 0; net < NETS; net++)
		for (int ep = 0; ep < EPS; ep++) {
			bool has = false;

			for (int i = 0; i < m.pubs[net][ep]; i++) {
				const struct range *r = &m.pub[net][ep][i];

				has = has || r->ip == 0 ||
				      strchr(host_ips[r->ip], ':');
			}
			n += has;
		}
	return n;
}

static void check_no_strangers(const struct tables *t, size_t n)
{
	if (t->any < 0)
		return;
	if (map_count(t->pub, sizeof(struct sock_key)) + any_count(t->any) != n)
		bad("strangers among the published ports");
	if (map_count(t->ip6, sizeof(__u32)) != ip6_count())
		bad("strangers among the containers' addresses");
}

static void check_ports(bool all)
{
	static const uint8_t protos[] = { IPPROTO_TCP, IPPROTO_UDP };
	const struct tables t = { .any = map_fd("sock_any"),
				  .pub = map_fd("sock_pub"),
				  .range = map_fd("sock_range"),
				  .ip6 = map_fd("sock_ip6") };
	size_t n = 0;

	for (int i = 1; i < HOST_IPS; i++) {
		struct ip_addr a = ip(host_ips[i]);
		__u32 key[4];

		key_of(&a, key);
		for (size_t p = 0; p < ARRAY_SIZE(protos); p++) {
			for (uint32_t port = PORT_LO; port < PORT_HI; port++)
				n += check_port(&t, key, protos[p], port);
			(void)check_port(&t, key, protos[p], LONG_LO);
			(void)check_port(&t, key, protos[p],
					 LONG_LO + LONG_LEN - 1);
			(void)check_port(&t, key, protos[p],
					 LONG_LO + LONG_LEN);
		}
	}
	if (all)
		check_no_strangers(&t, n);
	close(t.any);
	close(t.pub);
	close(t.range);
	close(t.ip6);
}

/* ---- endpoints ------------------------------------------------------------- */

static bool fast_running(void)
{
	for (int n = 0; n < NETS; n++)
		if (m.net[n] && on_ebpf(n))
			return true;
	return false;
}

static size_t check_ep(int fd, int net, int ep, bool v6)
{
	struct dp_network conf = net_of(net);
	struct ip_addr a = ep_ip(net, ep, v6), a4 = ep_ip(net, ep, false);
	const struct ip_addr *gw =
		v6 ? &conf.gateway6.addr : &conf.gateway4.addr;
	struct mac_addr mac = mac_from_ip(&a4);
	bool want = m.net[net] && on_ebpf(net) && m.started[net][ep], is;
	struct nat_ep got;
	__u32 key[4], gateway[4];

	key_of(&a, key);
	key_of(gw, gateway);
	is = bpf_map_lookup_elem(fd, key, &got) == 0;
	if (is != want)
		bad("endpoint %d.%d is %sin the map", net, ep,
		    is ? "" : "not ");
	if (!want)
		return 0;
	if ((int)got.ifindex != veth_index[net][ep] ||
	    (int)got.bridge != bridge_index[net] ||
	    memcmp(got.mac, mac.bytes, 6) != 0 ||
	    memcmp(got.bridge_mac, bridge_mac[net].bytes, 6) != 0 ||
	    memcmp(got.gateway, gateway, 16) != 0 ||
	    got.flags !=
		    (v6 || conf.masquerade4 ? (unsigned int)NAT_EP_MASQ : 0u))
		bad("endpoint %d.%d is another in the map", net, ep);
	return 1;
}

static void check_eps(bool all)
{
	int fd = map_fd("nat_ep");
	size_t n = 0;

	if ((fd >= 0) != fast_running())
		bad("the map of endpoints is %sthere", fd < 0 ? "not " : "");
	for (int i = 0; fd >= 0 && i < NETS * EPS * 2; i++)
		n += check_ep(fd, i / 2 / EPS, i / 2 % EPS, i % 2);
	if (all && fd >= 0 && map_count(fd, 16) != n)
		bad("strangers among the endpoints");
	close(fd);
}

/* ---- the host -------------------------------------------------------------- */

/* Return: NULL: as it should be. */
static const char *host_differs(void)
{
	int fd = map_fd("nat_local"), links = map_fd("nat_link");
	const char *what = NULL;
	struct nat_local local;
	struct nat_link link;
	__u32 key[4];

	for (int i = 0; !what && i < EXTRA_IPS; i++) {
		struct ip_addr a = ip(extra_ips[i]);

		key_of(&a, key);
		if ((bpf_map_lookup_elem(fd, key, &local) == 0) != m.extra[i])
			what = extra_ips[i];
	}
	for (int n = 0; !what && n < NETS; n++) {
		struct dp_network conf = net_of(n);

		key_of(&conf.gateway4.addr, key);
		if (bpf_map_lookup_elem(fd, key, &local) < 0 ||
		    (int)local.bridge != (m.net[n] ? bridge_index[n] : 0))
			what = "a gateway";
		if (bpf_map_lookup_elem(links, &bridge_index[n], &link) < 0 ||
		    !(link.flags & NAT_LINK_OURS) == m.net[n])
			what = "a bridge";
	}
	key_of(&(struct ip_addr){ AF_INET, { 192, 0, 2, 1 } }, key);
	if (!what && (bpf_map_lookup_elem(links, &uplink, &link) < 0 ||
		      link.ip4 != key[3] ||
		      link.ip6[0] != (m.extra[2] ? htonl(0x20010db8) : 0)))
		what = "the uplink";
	close(fd);
	close(links);
	return what;
}

/* Links and addresses are followed at most ten times a second. */
static void check_host(void)
{
	double end = now_ms() + 3000;
	const char *what = fast_running() ? host_differs() : NULL;

	while (what && now_ms() < end) {
		usleep(5000);
		ok(dp_event(dp, &err));
		what = host_differs();
	}
	if (what)
		bad("%s is not as it should be", what);
}

/* ---- steps ----------------------------------------------------------------- */

static void tell_network(int n)
{
	struct dp_network net = net_of(n);

	ok(dp_network_add(dp, &net, &err));
}

static void tell_port(int n, int e)
{
	struct ip_addr ip6 = ep_ip(n, e, true);
	char id[32], link[IFNAMSIZ], net[16];
	struct dp_port p;

	ep_name(n, e, id, link);
	snprintf(net, sizeof(net), "n%d", n);
	p = port(net, id, link, "10.0.0.1", "");
	p.ip4 = ep_ip(n, e, false);
	p.ip6 = ip6;
	p.mac = mac_from_ip(&p.ip4);
	ok(dp_port_add(dp, &p, &err));
}

/* Return: as dp_publish_add(). */
static int tell_publish(int n, int e, const struct range *r, int count)
{
	char id[32], link[IFNAMSIZ], net[16];
	struct dp_publish p;
	int code;

	ep_name(n, e, id, link);
	snprintf(net, sizeof(net), "n%d", n);
	p = publish(net, id, "", "");
	p.ip4 = ep_ip(n, e, false);
	p.ip6 = ep_ip(n, e, true);
	for (int i = 0; i < count; i++)
		for (uint32_t k = 0; k < r[i].count; k++)
			want(&p.ports, host_ips[r[i].ip], r[i].proto,
			     (int)(r[i].first + k), (int)(r[i].first + k),
			     (int)(r[i].port + k));
	code = dp_publish_add(dp, &p, &err);
	portmap_free(&p.ports);
	return code;
}

static void do_network(int n)
{
	char id[16];

	if (!m.net[n]) {
		tell_network(n);
		m.net[n] = true;
		return;
	}
	snprintf(id, sizeof(id), "n%d", n);
	ok(dp_network_del(dp, id, &err));
	m.net[n] = false;
	memset(m.started[n], 0, sizeof(m.started[n]));
	memset(m.pubs[n], 0, sizeof(m.pubs[n]));
}

static void do_start_stop(int n, int e)
{
	char id[32], link[IFNAMSIZ];

	if (!m.net[n])
		return;
	if (!m.started[n][e]) {
		tell_port(n, e);
		m.started[n][e] = true;
		return;
	}
	ep_name(n, e, id, link);
	ok(dp_publish_del(dp, id, &err));
	ok(dp_port_del(dp, id, &err));
	m.started[n][e] = false;
	m.pubs[n][e] = 0;
}

static void do_publish(int n, int e)
{
	int count = 1 + (int)rnd(RANGES), r;
	struct range list[RANGES];

	if (!m.net[n])
		return;
	for (int i = 0; i < count; i++) {
		bool longer = rnd(16) == 0;
		uint32_t room = PORT_HI - PORT_LO;

		list[i] = (struct range){
			.ip = (int)rnd(HOST_IPS),
			.proto = rnd(2) ? IPPROTO_TCP : IPPROTO_UDP,
			.first = (uint16_t)(longer ? LONG_LO
						   : PORT_LO + rnd(room)),
			.port = (uint16_t)(80 + rnd(100)),
			.count = longer ? LONG_LEN : 1,
		};
	}
	r = tell_publish(n, e, list, count);
	if (r == -EADDRINUSE || r == -EADDRNOTAVAIL || r == -EEXIST)
		return;
	ok(r);
	memcpy(m.pub[n][e], list, sizeof(list));
	m.pubs[n][e] = count;
}

static void do_unpublish(int n, int e)
{
	char id[32], link[IFNAMSIZ];

	ep_name(n, e, id, link);
	ok(dp_publish_del(dp, id, &err));
	m.pubs[n][e] = 0;
}

static void do_address(int i)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "ip addr %s %s/%d dev x0 %s",
		 m.extra[i] ? "del" : "add", extra_ips[i],
		 strchr(extra_ips[i], ':') ? 64 : 24,
		 strchr(extra_ips[i], ':') && !m.extra[i] ? "nodad" : "");
	assert_int_equal(sh(cmd), 0);
	m.extra[i] = !m.extra[i];
}

static void do_restart(void)
{
	dp_close(dp);
	dp = open_dp();
	dp_load_begin(dp);
	for (int n = 0; n < NETS; n++) {
		if (m.net[n])
			tell_network(n);
		for (int e = 0; e < EPS; e++) {
			if (m.started[n][e])
				tell_port(n, e);
			if (m.pubs[n][e])
				ok(tell_publish(n, e, m.pub[n][e],
						m.pubs[n][e]));
		}
	}
	ok(dp_load_end(dp, &err));
}

static void do_step(void)
{
	int n = (int)rnd(NETS), e = (int)rnd(EPS);
	uint32_t what = rnd(1000);

	if (what < 8)
		do_network(n);
	else if (what < 16)
		do_address((int)rnd(EXTRA_IPS));
	else if (what < 20)
		do_restart();
	else if (what < 250)
		do_start_stop(n, e);
	else if (what < 750)
		do_publish(n, e);
	else
		do_unpublish(n, e);
}

/* A port that was told while its address was away is held by nobody. */
static void differs(void *ctx, const char *line)
{
	if (strstr(line, "another process took the port"))
		return;
	print_message("# %s\n", line);
	(*(int *)ctx)++;
}

/* What is followed by events may take its time. */
static bool all_right(void)
{
	double end = now_ms() + 3000;
	int n = 1;

	while (n && now_ms() < end) {
		n = 0;
		ok(dp_check(dp, differs, &n, &err));
		if (n)
			usleep(20000);
		ok(dp_event(dp, &err));
	}
	return n == 0;
}

/* ---- the test -------------------------------------------------------------- */

static void make_links(void)
{
	struct nlk_link l;
	struct nlk *nlk;

	assert_int_equal(sh("ip link add x0 type bridge && "
			    "ip addr add 192.0.2.1/24 dev x0 && "
			    "ip link set x0 up && "
			    "for n in 0 1 2; do ip link add m$n type bridge; "
			    "ip addr add 10.0.$((n+1)).1/24 dev m$n; "
			    "ip link set m$n up; for e in 0 1 2 3; do "
			    "ip link add v$n$e master m$n type veth "
			    "peer name p$n$e; ip link set v$n$e up; "
			    "done; done"),
			 0);
	ok(nlk_open(&nlk, &err));
	ok(nlk_link_get(nlk, "x0", 0, &l, &err));
	uplink = l.index;
	for (int n = 0; n < NETS; n++) {
		char name[IFNAMSIZ], id[32];

		snprintf(name, sizeof(name), "m%d", n);
		ok(nlk_link_get(nlk, name, 0, &l, &err));
		bridge_index[n] = l.index;
		bridge_mac[n] = l.mac;
		for (int e = 0; e < EPS; e++) {
			ep_name(n, e, id, name);
			ok(nlk_link_get(nlk, name, 0, &l, &err));
			veth_index[n][e] = l.index;
		}
	}
	nlk_close(nlk);
}

static void maps_equal_the_model(void **state)
{
	const char *steps = getenv("MODEL_STEPS"), *from = getenv("MODEL_SEED");
	int count = steps ? atoi(steps) : 10000;

	(void)state;
	if (from)
		seed = strtoull(from, NULL, 10) | 1;
	make_links();
	dp = open_dp();
	for (step = 0; step < count; step++) {
		bool all = step % 100 == 0;

		do_step();
		check_ports(all);
		check_eps(all);
		check_host();
		if (all && !all_right())
			bad("dp_check() sees a difference");
	}
	for (int n = 0; n < NETS; n++)
		if (m.net[n])
			do_network(n);
	dp_close(dp);
	assert_true(map_fd("nat_ep") < 0);
	assert_true(map_fd("sock_pub") < 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_equal_the_model),
	};
	int failed;

	if (!dp_test_host())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
