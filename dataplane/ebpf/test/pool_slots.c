/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks into the table of a pinned pool. */
#include "dataplane/ebpf/test/pool_slots.h"

#include <bpf/bpf.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>

#include "bpf/sock_map.h"
#include "lib/base.h"
#include "lib/test/test.h"

static bool is_his(const struct sock_backend *b, const struct ip_addr *who,
		   int port)
{
	const void *at = who->family == AF_INET ? (const void *)&b->ip4
						: (const void *)b->ip6;

	if (ip_is_none(who))
		return b->port != 0;
	return b->port == port && memcmp(at, who->bytes, ip_bytes(who)) == 0;
}

int pool_slots(const char *dir, unsigned int number, const struct ip_addr *who,
	       int port)
{
	_cleanup_close_ int fd = -EBADF, table = -EBADF;
	struct sock_backend b;
	char path[256];
	uint32_t id;
	int n = 0;

	snprintf(path, sizeof(path), "%s/sock_pool", dir);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_map_lookup_elem(fd, &number, &id) < 0)
		return -1;
	table = bpf_map_get_fd_by_id(id);
	assert_true(table >= 0);
	for (uint32_t i = 0; i < SOCK_POOL_SLOTS; i++) {
		assert_int_equal(bpf_map_lookup_elem(table, &i, &b), 0);
		n += is_his(&b, who, port);
	}
	return n;
}
