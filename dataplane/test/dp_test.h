/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dp_test.h - what the dataplane's privileged tests share: a host of their own
 * (network namespace, bpf pins), a dataplane in it, and objects to tell it.
 */
#ifndef DATAPLANE_TEST_DP_TEST_H
#define DATAPLANE_TEST_DP_TEST_H

#include "lib/test/test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "dataplane/dataplane.h"

#define DRIVER "berth-bridge"

static char out[4 << 20];
static char bpf_dir[] = "/tmp/test-nft-XXXXXX";

/* Run a command and keep what it prints. Return: its status. */
static inline int sh(const char *cmd)
{
	FILE *f = popen(cmd, "r");
	size_t n;
	int st;

	assert_non_null(f);
	n = fread(out, 1, sizeof(out) - 1, f);
	out[n] = '\0';
	st = pclose(f);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -1;
}

static inline struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	if (*s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static inline struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p = { 0 };

	assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

static inline struct dp_network network(const char *id, const char *bridge,
					int n)
{
	struct dp_network net = { .masquerade4 = true,
				  .masquerade6 = true,
				  .icc = true,
				  .no_ct = true,
				  .guard = true };
	char buf[64];

	snprintf(net.id, sizeof(net.id), "%s", id);
	snprintf(net.bridge, sizeof(net.bridge), "%s", bridge);
	snprintf(buf, sizeof(buf), "10.%d.%d.1/24", n / 256, n % 256);
	net.gateway4 = net.subnet4 = prefix(buf);
	snprintf(buf, sizeof(buf), "fd00:%x::1/64", n);
	net.gateway6 = net.subnet6 = prefix(buf);
	return net;
}

static inline struct dp_port port(const char *net, const char *ep,
				  const char *ifname, const char *ip4,
				  const char *ip6)
{
	struct dp_port p = { .ip4 = ip(ip4), .ip6 = ip(ip6) };

	snprintf(p.network, sizeof(p.network), "%s", net);
	snprintf(p.endpoint, sizeof(p.endpoint), "%s", ep);
	snprintf(p.ifname, sizeof(p.ifname), "%s", ifname);
	p.mac = mac_from_ip(&p.ip4);
	return p;
}

static inline struct dp_publish publish(const char *net, const char *ep,
					const char *ip4, const char *ip6)
{
	struct dp_publish p = { .ip4 = ip(ip4), .ip6 = ip(ip6) };

	snprintf(p.network, sizeof(p.network), "%s", net);
	snprintf(p.endpoint, sizeof(p.endpoint), "%s", ep);
	return p;
}

static inline void want(struct portmap *m, const char *host, uint8_t proto,
			int first, int last, int to)
{
	struct ip_addr a = ip(host);

	assert_int_equal(portmap_add(m, &a, proto, (uint16_t)first,
				     (uint16_t)last, (uint16_t)to, NULL),
			 0);
}

static inline struct dp *open_dp(void)
{
	const struct dp_config cfg = { .driver = DRIVER, .bpf_dir = bpf_dir };
	struct err err = { "" };
	struct dp *dp = NULL;
	int r = dp_open(&cfg, &dp, &err);

	if (r < 0)
		fail_msg("dp_open: %s", err.msg);
	return dp;
}

static inline void ok_(int r, const struct err *err, int line)
{
	if (r < 0)
		fail_msg("line %d: %d %s", line, r, err->msg);
}
#define ok(r) ok_(r, &err, __LINE__)

static inline double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Can a server have the port?  0, or the errno that bind or listen gave. */
static inline int try_serve(const char *addr, int type, int number)
{
	struct ip_addr a = ip(addr);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)number) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)number) };
	int fd = socket(a.family, type, 0), one = 1, r;

	assert_true(fd >= 0);
	memcpy(&in.sin_addr, a.bytes, 4);
	memcpy(&in6.sin6_addr, a.bytes, 16);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (a.family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	r = a.family == AF_INET
		    ? bind(fd, (struct sockaddr *)&in, sizeof(in))
		    : bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	if (r == 0 && type == SOCK_STREAM)
		r = listen(fd, 1);
	r = r < 0 ? errno : 0;
	close(fd);
	return r;
}

/* A host of our own; false: said SKIP. */
static inline bool dp_test_host(void)
{
	if (unshare(CLONE_NEWNET) < 0 || unshare(CLONE_NEWNS) < 0) {
		printf("1..0 # SKIP needs CAP_SYS_ADMIN\n");
		return false;
	}
	/* pins of our own, gone with the mount namespace */
	if (!mkdtemp(bpf_dir) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("bpf", bpf_dir, "bpf", 0, NULL) < 0) {
		printf("1..0 # SKIP no bpf file system\n");
		return false;
	}
	sh("ip link set lo up");
	return true;
}

/* Bridges and the host's ends of links: a guard needs something to hang on. */
static inline void dp_test_links(const char *bridges, const char *ports)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd),
		 "for l in %s; do ip link add $l type bridge || exit 1; done; "
		 "for l in %s; do ip link add $l type veth peer name c-$l || "
		 "exit 1; done",
		 bridges, ports);
	if (sh(cmd) != 0)
		fail_msg("%s", cmd);
}

static inline void dp_test_done(void)
{
	umount(bpf_dir);
	rmdir(bpf_dir);
}

#endif
