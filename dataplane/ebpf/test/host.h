/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * host.h - a host and a container for tests of BPF programs: two network
 * namespaces joined by a veth pair, a bpffs and a cgroup of the test's own.
 *
 *   host: h0 10.77.0.1/24 fd77::1/64 --- container: c0 .2 ::2
 */
#ifndef DATAPLANE_EBPF_TEST_HOST_H
#define DATAPLANE_EBPF_TEST_HOST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define HOST_C4 "10.77.0.2"
#define HOST_C6 "fd77::2"

struct host {
	char bpffs[64], cgroup[128];
	int net, container; /* namespaces */
	bool usable;        /* else: print SKIP */
};

/* In a test whose file has its struct host by that name. */
#define NEED_HOST()                 \
	do {                        \
		if (!host.usable) { \
			skip();     \
			return;     \
		}                   \
	} while (0)

/* host_make() - the calling process is then on the host, in the cgroup. */
void host_make(struct host *h);
void host_remove(struct host *h);

void host_enter(const struct host *h, int netns); /* fails the test */
void host_sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* host_answers() - wait until @ip does, from the namespace the process is in. */
void host_answers(const char *ip);

/* host_sock() - a socket bound to @ip:@port, made in namespace @netns; TCP
 * listens if @listening. @ip NULL: not bound, @family counts. */
int host_sock(const struct host *h, int netns, int family, int type,
	      const char *ip, uint16_t port, bool listening);
socklen_t host_addr(const char *ip, uint16_t port,
		    struct sockaddr_storage *ret);
/* "ip:port", "[ip]:port". Return: a static buffer of four in turn. */
const char *host_addr_str(const struct sockaddr_storage *a);
/* Return: 0 or -errno. */
int host_connect(int fd, const char *ip, uint16_t port);

#endif
