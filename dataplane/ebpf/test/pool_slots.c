/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks into pinned maps of published ports. */
#include "dataplane/ebpf/test/pool_slots.h"

#include <bpf/bpf.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

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

static size_t each_any(const char *dir,
		       void (*fn)(void *ctx, uint32_t index, uint64_t word),
		       void *ctx)
{
	const size_t bytes = SOCK_ANY_MAX * sizeof(uint64_t);
	_cleanup_close_ int fd = -EBADF;
	uint64_t *words;
	char path[256];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/sock_any", dir);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return 0;
	words = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(words != MAP_FAILED);
	for (uint32_t i = 0; i < SOCK_ANY_MAX; i++) {
		if (!words[i])
			continue;
		fn(ctx, i, words[i]);
		n++;
	}
	munmap(words, bytes);
	return n;
}

struct text {
	char *at;
	size_t size;
};

static void add_line(void *ctx, uint32_t index, uint64_t word)
{
	struct text *t = ctx;
	int n = snprintf(t->at, t->size, "%u:%lx\n", index,
			 (unsigned long)word);

	assert_true(n > 0 && (size_t)n < t->size);
	t->at += n;
	t->size -= (size_t)n;
}

size_t any_ports(const char *dir, char *buf, size_t size)
{
	struct text t = { buf, size };

	buf[0] = '\0';
	return each_any(dir, add_line, &t);
}

struct wanted {
	unsigned int port;
	bool found;
};

static void look_for(void *ctx, uint32_t index, uint64_t word)
{
	struct wanted *w = ctx;

	(void)word;
	w->found = w->found || index % SOCK_ANY_PORTS == w->port;
}

bool any_port(const char *dir, unsigned int port)
{
	struct wanted w = { .port = port };

	each_any(dir, look_for, &w);
	return w.found;
}
