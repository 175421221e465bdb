/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sock_env.h - one test of the socket hooks: a host, a handle, descriptors. */
#ifndef DATAPLANE_EBPF_TEST_SOCK_ENV_H
#define DATAPLANE_EBPF_TEST_SOCK_ENV_H

#include <stdint.h>

#include "dataplane/ebpf/sock.h"
#include "dataplane/ebpf/test/host.h"

extern struct host host; /* made by main() */

struct env {
	struct sock *sock;
	struct err err;
	int fds[8];
};

/* cmocka's setup and teardown: the handle is open, and detached at the end. */
int env_setup(void **state);
int env_teardown(void **state);
int env_open(struct env *e); /* again, after sock_close() */

struct ip_addr env_addr(const char *s); /* NULL: none */
struct port_range env_ports(uint8_t proto, const char *host_ip, uint16_t first,
			    uint16_t port, uint32_t count);
int env_publish_to(struct env *e, struct port_range r, const char *c4,
		   const char *c6);
void env_publish(struct env *e, struct port_range r); /* must succeed */

int env_server(const char *ip); /* listens in the container, port 80 */
int env_dial(uint16_t port);    /* connect to 127.0.0.1. Return: 0, -errno */
const char *env_peer(int fd);   /* getpeername() as text */
/* Try a bind and close again, in a namespace, or TCP on the host. */
int env_bind_in(int netns, int type, const char *ip, uint16_t port);
int env_bind(const char *ip, uint16_t port);

#endif
