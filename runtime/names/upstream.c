// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's resolvers, as /etc/resolv.conf names them. */
#include "runtime/names/upstream.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define LOOK_EVERY_MS 1000
#define TRIES_MIN     2

uint16_t upstream_random_id(void)
{
	uint16_t id = 0;

	/* never short for so few bytes; before the pool is ready it waits */
	while (getrandom(&id, sizeof(id), 0) != sizeof(id))
		;
	return id;
}

unsigned int upstream_tries(size_t count)
{
	return count < TRIES_MIN ? TRIES_MIN : (unsigned int)count;
}

unsigned int upstream_try_ms(size_t count)
{
	return UPSTREAM_TOTAL_MS / upstream_tries(count);
}

socklen_t upstream_len(const union upstream_sock *at)
{
	return at->sa.sa_family == AF_INET ? sizeof(at->v4) : sizeof(at->v6);
}

union upstream_sock upstream_at(const struct ip_addr *a, uint16_t port)
{
	union upstream_sock at = { .sa.sa_family = a->family };

	if (a->family == AF_INET) {
		at.v4.sin_port = htons(port);
		memcpy(&at.v4.sin_addr, a->bytes, 4);
	} else {
		at.v6.sin6_port = htons(port);
		memcpy(&at.v6.sin6_addr, a->bytes, 16);
	}
	return at;
}

struct ip_addr upstream_addr(const union upstream_sock *at)
{
	struct ip_addr a = { .family = (uint8_t)at->sa.sa_family };

	if (a.family == AF_INET)
		memcpy(a.bytes, &at->v4.sin_addr, 4);
	else
		memcpy(a.bytes, &at->v6.sin6_addr, 16);
	return a;
}

/* An address, perhaps with a zone: "fe80::1%eth0". */
static bool add(struct upstream_list *list, char *text, uint16_t port)
{
	union upstream_sock *at = &list->at[list->count];
	char *zone = strchr(text, '%');
	struct ip_addr a;

	if (zone)
		*zone++ = '\0';
	if (ip_parse(text, &a, NULL) < 0)
		return false;
	*at = upstream_at(&a, port);
	if (a.family == AF_INET6)
		at->v6.sin6_scope_id = zone ? if_nametoindex(zone) : 0;
	list->count++;
	return true;
}

static void fclosep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void load(struct upstreams *u)
{
	_cleanup_(fclosep) FILE *f = fopen(u->path, "re");
	char line[512], addr[128];

	u->list = (struct upstream_list){ 0 };
	u->problem[0] = '\0';
	if (!f) {
		snprintf(u->problem, sizeof(u->problem),
			 "%s: %s: only names of containers are answered",
			 u->path, strerror(errno));
		return;
	}
	while (u->list.count < UPSTREAM_MAX && fgets(line, sizeof(line), f))
		if (sscanf(line, " nameserver %127s", addr) == 1)
			(void)add(&u->list, addr, u->port); /* as libc: skip */
	if (u->list.count == 0)
		snprintf(u->problem, sizeof(u->problem),
			 "%s names no nameserver: only names of containers are "
			 "answered",
			 u->path);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool upstreams_follow(struct upstreams *u, uint64_t now_ms)
{
	struct stat st = { 0 };
	bool first = u->looked_ms == 0;

	if (!first && now_ms - u->looked_ms < LOOK_EVERY_MS)
		return false;
	u->looked_ms = now_ms;
	if (stat(u->path, &st) < 0)
		st = (struct stat){ 0 }; /* load() says why */
	if (!first && same_file(&st, &u->seen))
		return false;
	u->seen = st;
	load(u);
	return true;
}
