/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers' IPv6 addresses in the kernel: there as long as a port leads there. */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/types.h>
#include <stdio.h>

#include "dataplane/ebpf/sock.h"
#include "dataplane/ebpf/test/sock_env.h"
#include "lib/base.h"
#include "lib/test/test.h"

/* In sock_ip6.  -1: it is not there. */
static int addresses(void)
{
	char path[256];
	_cleanup_close_ int fd = -EBADF;
	__u32 key, *from = NULL;
	int n = 0;

	snprintf(path, sizeof(path), "%s/berth/v1/test/sock_ip6", host.bpffs);
	fd = bpf_obj_get(path);
	for (; fd >= 0 && bpf_map_get_next_key(fd, from, &key) == 0; n++)
		from = &key;
	return fd < 0 ? -1 : n;
}

static void unpublish(struct env *e, struct port_range r, const char *c6)
{
	struct ip_addr ip4 = env_addr(HOST_C4), ip6 = env_addr(c6);
	struct portmap m = { .ranges = &r, .count = 1 };

	assert_int_equal(sock_publish_del(e->sock, &m, &ip4, &ip6, &e->err), 0);
}

static void an_address_goes_with_its_last_port(void **state)
{
	struct port_range a = env_ports(IPPROTO_TCP, NULL, 8080, 80, 2);
	struct port_range b = env_ports(IPPROTO_TCP, "::1", 8082, 80, 1);
	struct port_range c = env_ports(IPPROTO_UDP, NULL, 9000, 80, 100);
	struct port_range d = env_ports(IPPROTO_TCP, "127.0.0.1", 83, 80, 1);
	struct env *e = *state;

	NEED_HOST();
	env_publish(e, d);
	assert_int_equal(addresses(), 0); /* no client of IPv6 gets there */
	env_publish(e, a);
	env_publish(e, b);
	env_publish(e, c);
	env_publish(e, a);
	assert_int_equal(addresses(), 1);
	assert_int_equal(env_publish_to(e, a, HOST_C4, "fd99::9"), -EEXIST);
	assert_int_equal(addresses(), 1);
	a.host_first = 8090;
	assert_int_equal(env_publish_to(e, a, HOST_C4, "fd99::9"), 0);
	assert_int_equal(addresses(), 2);
	a.host_first = 8080;
	unpublish(e, a, "fd99::9"); /* leads elsewhere */
	unpublish(e, a, HOST_C6);
	unpublish(e, b, HOST_C6);
	unpublish(e, b, HOST_C6);
	assert_int_equal(addresses(), 2);
	unpublish(e, c, HOST_C6);
	assert_int_equal(addresses(), 1);
	a.host_first = 8090;
	unpublish(e, a, "fd99::9");
	assert_int_equal(addresses(), 0);
}

/* Of a daemon that was killed between an address and its port, and twice. */
static void a_stray_address_is_removed(void **state)
{
	struct port_range a = env_ports(IPPROTO_TCP, NULL, 8080, 80, 1);
	struct port_range b = env_ports(IPPROTO_TCP, NULL, 8081, 80, 1);
	struct env *e = *state;

	NEED_HOST();
	env_publish(e, a);
	assert_int_equal(env_publish_to(e, b, HOST_C4, "fd99::9"), 0);
	host_sh("cd %s/berth/v1/test && "
		"bpftool map update pinned sock_ip6 key hex 77 00 00 00 value "
		"hex fd 77 00 00 00 00 00 00 00 00 00 00 00 00 00 02 && "
		"bpftool map update pinned sock_ip6 key hex 78 00 00 00 value "
		"hex fd 78 00 00 00 00 00 00 00 00 00 00 00 00 00 02",
		host.bpffs);
	assert_int_equal(addresses(), 4);
	sock_close(take_ptr(e->sock));
	assert_int_equal(env_open(e), 0);
	sock_load_begin(e->sock);
	env_publish(e, a);
	assert_int_equal(env_publish_to(e, b, HOST_C4, "fd99::9"), 0);
	assert_int_equal(sock_load_end(e->sock, &e->err), 0);
	assert_int_equal(addresses(), 2);
	unpublish(e, b, "fd99::9");
	assert_int_equal(addresses(), 1);
	unpublish(e, a, HOST_C6);
	assert_int_equal(addresses(), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, env_setup, env_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_address_goes_with_its_last_port),
		T(a_stray_address_is_removed),
	};
	int r;

	cmocka_set_message_output(CM_OUTPUT_TAP);
	host_make(&host);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	host_remove(&host);
	return r;
}
