/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two namespaces, a bpffs and a cgroup for one test program. */
#include "dataplane/ebpf/test/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/ebpf/pin.h"
#include "lib/base.h"
#include "lib/test/test.h"

void host_sh(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

static bool join_cgroup(const char *dir)
{
	char path[160];
	int fd, n;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = (int)dprintf(fd, "%d\n", getpid());
	close(fd);
	return n > 0;
}

static bool make_cgroup(struct host *h)
{
	char root[PIN_PATH_MAX];
	bool whole;

	if (pin_cgroup(root, sizeof(root), &whole, NULL) < 0)
		return false;
	snprintf(h->cgroup, sizeof(h->cgroup), "%.80s/berth-test-%d", root,
		 getpid());
	return mkdir(h->cgroup, 0755) == 0 && join_cgroup(h->cgroup);
}

static bool make_bpffs(struct host *h)
{
	/* other boxes have processes of the same number, and this /tmp */
	snprintf(h->bpffs, sizeof(h->bpffs), "/tmp/berth-test-XXXXXX");
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return false;
	return mkdtemp(h->bpffs) != NULL;
}

static int new_netns(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

void host_enter(const struct host *h, int netns)
{
	(void)h;
	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
}

void host_answers(const char *ip)
{
	/* one that gets an error gives up at once, whatever its deadline is */
	host_sh("timeout 30 sh -c 'until ping -q -c 1 -W 1 %s; do sleep 0.1; "
		"done' >/dev/null 2>&1",
		ip);
}

void host_make(struct host *h)
{
	*h = (struct host){ .net = -1, .container = -1 };
	h->container = new_netns();
	h->net = new_netns();
	h->usable = h->net >= 0 && h->container >= 0 && make_bpffs(h) &&
		    make_cgroup(h);
	if (!h->usable) {
		print_message("# SKIP: needs CAP_SYS_ADMIN and cgroup v2\n");
		return;
	}
	host_sh("ip link set lo up && ip link add h0 type veth peer name c0 "
		"netns /proc/%d/fd/%d && ip addr add 10.77.0.1/24 dev h0 && "
		"ip addr add fd77::1/64 dev h0 nodad && ip link set h0 up",
		getpid(), h->container);
	host_enter(h, h->container);
	host_sh("ip link set lo up && ip addr add 10.77.0.2/24 dev c0 && "
		"ip addr add fd77::2/64 dev c0 nodad && ip link set c0 up && "
		"ip route add default via 10.77.0.1");
	host_enter(h, h->net);
	/* On a busy machine IPv6 takes seconds to find its neighbour. */
	host_answers("10.77.0.2");
	host_answers("fd77::2");
}

void host_remove(struct host *h)
{
	char parent[sizeof(h->cgroup)];

	if (h->cgroup[0]) {
		memcpy(parent, h->cgroup, sizeof(parent));
		*strrchr(parent, '/') = '\0';
		join_cgroup(parent);
		rmdir(h->cgroup);
	}
	umount2(h->bpffs, MNT_DETACH);
	rmdir(h->bpffs);
	closep(&h->net);
	closep(&h->container);
}

socklen_t host_addr(const char *ip, uint16_t port, struct sockaddr_storage *ret)
{
	struct sockaddr_in6 *s6 = (void *)ret;
	struct sockaddr_in *s4 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (strchr(ip, ':')) {
		s6->sin6_family = AF_INET6;
		s6->sin6_port = htons(port);
		assert_int_equal(inet_pton(AF_INET6, ip, &s6->sin6_addr), 1);
		return sizeof(*s6);
	}
	s4->sin_family = AF_INET;
	s4->sin_port = htons(port);
	assert_int_equal(inet_pton(AF_INET, ip, &s4->sin_addr), 1);
	return sizeof(*s4);
}

const char *host_addr_str(const struct sockaddr_storage *a)
{
	static char bufs[4][80];
	static unsigned int turn;
	const struct sockaddr_in6 *s6 = (const void *)a;
	const struct sockaddr_in *s4 = (const void *)a;
	char ip[INET6_ADDRSTRLEN] = "?", *buf = bufs[turn++ % 4];

	if (a->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &s6->sin6_addr, ip, sizeof(ip));
		snprintf(buf, sizeof(bufs[0]), "[%s]:%u", ip,
			 ntohs(s6->sin6_port));
	} else {
		inet_ntop(AF_INET, &s4->sin_addr, ip, sizeof(ip));
		snprintf(buf, sizeof(bufs[0]), "%s:%u", ip,
			 ntohs(s4->sin_port));
	}
	return buf;
}

int host_sock(const struct host *h, int netns, int family, int type,
	      const char *ip, uint16_t port, bool listening)
{
	struct timeval limit = { .tv_sec = 10 };
	struct sockaddr_storage a;
	int on = 1, fd;

	if (ip)
		family = strchr(ip, ':') ? AF_INET6 : AF_INET;
	host_enter(h, netns);
	fd = socket(family, type | SOCK_CLOEXEC, 0);
	host_enter(h, h->net);
	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!ip)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, host_addr(ip, port, &a)) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	if (listening)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

int host_connect(int fd, const char *ip, uint16_t port)
{
	struct sockaddr_storage a;
	socklen_t len = host_addr(ip, port, &a);

	return connect(fd, (struct sockaddr *)&a, len) < 0 ? -errno : 0;
}
