/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hooks' handle and the moves that their tests share. */
#include "dataplane/ebpf/test/sock_env.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/test/test.h"

struct host host;

int env_open(struct env *e)
{
	struct sock_config cfg = { .driver = "test",
				   .bpf_dir = host.bpffs,
				   .cgroup = host.cgroup };

	return sock_open(&cfg, &e->sock, &e->err);
}

int env_setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!e)
		return -1;
	memset(e->fds, 0xff, sizeof(e->fds));
	return host.usable ? env_open(e) : 0;
}

int env_teardown(void **state)
{
	struct env *e = *state;
	int r = e->sock ? sock_detach(e->sock, &e->err) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(e->fds); i++)
		closep(&e->fds[i]);
	sock_close(e->sock);
	free(e);
	return r;
}

struct ip_addr env_addr(const char *s)
{
	struct ip_addr a = { 0 };

	if (s)
		assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

struct port_range env_ports(uint8_t proto, const char *host_ip, uint16_t first,
			    uint16_t port, uint32_t count)
{
	return (struct port_range){ .host_ip = env_addr(host_ip),
				    .proto = proto,
				    .host_first = first,
				    .port_first = port,
				    .count = count };
}

int env_publish_to(struct env *e, struct port_range r, const char *c4,
		   const char *c6)
{
	struct ip_addr ip4 = env_addr(c4), ip6 = env_addr(c6);
	struct portmap m = { .ranges = &r, .count = 1 };

	return sock_publish_add(e->sock, &m, &ip4, &ip6, &e->err);
}

void env_publish(struct env *e, struct port_range r)
{
	if (env_publish_to(e, r, HOST_C4, HOST_C6) < 0)
		fail_msg("%s", e->err.msg);
}

int env_server(const char *ip)
{
	return host_sock(&host, host.container, 0, SOCK_STREAM, ip, 80, true);
}

const char *env_peer(int fd)
{
	struct sockaddr_storage a = { 0 };
	socklen_t len = sizeof(a);

	assert_int_equal(getpeername(fd, (struct sockaddr *)&a, &len), 0);
	return host_addr_str(&a);
}

int env_dial(uint16_t port)
{
	_cleanup_close_ int fd = host_sock(&host, host.net, AF_INET,
					   SOCK_STREAM, NULL, 0, false);

	return host_connect(fd, "127.0.0.1", port);
}

int env_bind_in(int netns, int type, const char *ip, uint16_t port)
{
	int fd = host_sock(&host, netns, 0, type, ip, port, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int env_bind(const char *ip, uint16_t port)
{
	return env_bind_in(host.net, SOCK_STREAM, ip, port);
}
