/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes into the maps of the socket hooks. */
#include "dataplane/ebpf/sock_entry.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/base.h"

#define ANY4  0u
#define SOME4 0xffffffffu

void sock_entries_fini(struct sock_entries *l)
{
	free(l->e);
	*l = (struct sock_entries){ 0 };
}

int sock_entries_append(struct sock_entries *l, const struct sock_entry *e,
			struct err *err)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 32;
		struct sock_entry *p =
			reallocarray(l->e, room, sizeof(l->e[0]));

		if (!p)
			return err_set(err, -ENOMEM,
				       "published ports: out of memory");
		l->e = p;
		l->room = room;
	}
	l->e[l->count++] = *e;
	return 0;
}

static void set_v4(__u32 addr[4], __u32 ip)
{
	addr[0] = addr[1] = 0;
	addr[2] = htonl(0xffff);
	addr[3] = ip;
}

static void set_addr(__u32 addr[4], const struct ip_addr *ip)
{
	__u32 v4;

	if (ip->family == AF_INET6) {
		memcpy(addr, ip->bytes, 16);
		return;
	}
	memcpy(&v4, ip->bytes, sizeof(v4));
	set_v4(addr, v4);
}

static bool is_v4(const __u32 addr[4])
{
	return addr[0] == 0 && addr[1] == 0 && addr[2] == htonl(0xffff);
}

/* Whole, and of a protocol that has it. */
static bool is_any(const struct sock_key *k)
{
	return k->addr[3] == 0 &&
	       (is_v4(k->addr) ||
		(k->addr[0] | k->addr[1] | k->addr[2]) == 0) &&
	       (k->proto == IPPROTO_TCP || k->proto == IPPROTO_UDP);
}

static void set_stat(struct sock_dst *d, enum sock_kind kind, uint32_t stat)
{
	d->stat = (__u16)(stat | (uint32_t)kind << SOCK_KIND_SHIFT);
}

/* Where @e leads to, whose key has its address: clients of IPv6 go to the
 * container's IPv6, if it has it. */
static void set_target(struct sock_entry *e, const struct ip_addr *ip4,
		       const struct ip_addr *ip6, uint32_t stat)
{
	if (!is_v4(e->key.key.addr) && ip6 && ip6->family == AF_INET6) {
		memcpy(e->ip6.addr, ip6->bytes, sizeof(e->ip6.addr));
		set_stat(&e->dst, SOCK_TO_IP6, stat);
		return;
	}
	if (ip4 && ip4->family == AF_INET)
		memcpy(&e->dst.at, ip4->bytes, sizeof(e->dst.at));
	set_stat(&e->dst, SOCK_TO_IP4, stat);
}

static void set_bits(struct sock_entry *e, __u32 bits)
{
	e->key.bits = bits;
	e->hold.bits = bits;
}

uint32_t sock_entry_index(const struct sock_entry *e)
{
	return ntohs(e->key.key.port) +
	       (e->key.key.proto == IPPROTO_UDP ? SOCK_ANY_UDP : 0) +
	       (is_v4(e->key.key.addr) ? 0 : SOCK_ANY_V6);
}

struct sock_prefix sock_entry_key(uint32_t index)
{
	struct sock_prefix k = {
		.bits = SOCK_KEY_BITS + 16,
		.key = { .proto = index & SOCK_ANY_UDP ? IPPROTO_UDP
						       : IPPROTO_TCP,
			 .port = htons((uint16_t)index) },
	};

	if (!(index & SOCK_ANY_V6))
		set_v4(k.key.addr, ANY4);
	return k;
}

static int add_singles(struct sock_entries *l, struct sock_entry e,
		       uint32_t first, uint32_t last, struct err *err)
{
	int r = 0;

	e.table = is_any(&e.key.key) ? SOCK_ANY : SOCK_PUB;
	set_bits(&e, SOCK_KEY_BITS + 16);
	for (uint32_t port = first; r == 0 && port <= last; port++) {
		e.key.key.port = htons((uint16_t)port);
		r = sock_entries_append(l, &e, err);
	}
	return r;
}

/* The largest aligned block that starts at @first and ends by @last. */
static unsigned int block_bits(uint32_t first, uint32_t last)
{
	unsigned int bits = 0;

	while (bits < 16 && first % (2u << bits) == 0 &&
	       first + (2u << bits) - 1 <= last)
		bits++;
	return bits;
}

static int add_prefixes(struct sock_entries *l, struct sock_entry e,
			uint32_t first, uint32_t last, struct err *err)
{
	int r = 0;

	while (r == 0 && first <= last) {
		unsigned int bits = block_bits(first, last);

		set_bits(&e, SOCK_KEY_BITS + 16 - bits);
		e.key.key.port = htons((uint16_t)first);
		r = sock_entries_append(l, &e, err);
		first += 1u << bits;
	}
	return r;
}

/* One range on one address. */
static int add_range(struct sock_entries *l, struct sock_entry e,
		     const struct port_range *r, uint32_t singles_max,
		     struct err *err)
{
	uint32_t first = r->host_first, last = first + r->count - 1;

	e.hold.refs = 1;
	e.key.key.proto = r->proto;
	if (e.table != SOCK_HELD && r->count <= singles_max)
		return add_singles(l, e, first, last, err);
	return add_prefixes(l, e, first, last, err);
}

/* No address: any one of both families. */
static int publish_range(struct sock_entries *l, const struct port_range *r,
			 const struct ip_addr *ip4, const struct ip_addr *ip6,
			 uint32_t singles_max, struct err *err)
{
	const bool any = ip_is_none(&r->host_ip);
	int code = 0;

	for (int v6 = 0; code == 0 && v6 < 1 + any; v6++) {
		struct sock_entry e = {
			.table = SOCK_RANGE,
			.dst.delta = (__u16)(r->port_first - r->host_first),
		};

		if (!any)
			set_addr(e.key.key.addr, &r->host_ip);
		else if (!v6)
			set_v4(e.key.key.addr, ANY4);
		set_target(&e, ip4, ip6, r->stat);
		code = add_range(l, e, r, singles_max, err);
	}
	return code;
}

int sock_entries_publish(struct sock_entries *l, const struct portmap *ports,
			 const struct ip_addr *ip4, const struct ip_addr *ip6,
			 uint32_t singles_max, struct err *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < ports->count; i++)
		code = publish_range(l, &ports->ranges[i], ip4, ip6,
				     singles_max, err);
	return code;
}

int sock_entries_balance(struct sock_entries *l, const struct port_range *r,
			 uint32_t pool4, uint32_t pool6, struct err *err)
{
	const bool any = ip_is_none(&r->host_ip);
	const bool is4[] = { true, false };
	int code = 0;

	for (size_t i = 0; code == 0 && i < ARRAY_SIZE(is4); i++) {
		struct sock_entry e = {
			.table = SOCK_PUB,
			.dst.at = is4[i] ? pool4 : pool6,
		};

		set_stat(&e.dst, SOCK_TO_POOL, 0);
		if (!any && (r->host_ip.family == AF_INET) != is4[i])
			continue;
		if (!any)
			set_addr(e.key.key.addr, &r->host_ip);
		else if (is4[i])
			set_v4(e.key.key.addr, ANY4);
		code = add_range(l, e, r, r->count, err);
	}
	return code;
}

int sock_entries_hold(struct sock_entries *l, const struct port_range *r,
		      struct err *err)
{
	struct sock_entry e = { .table = SOCK_HELD };
	int code;

	set_addr(e.key.key.addr, &r->host_ip);
	code = add_range(l, e, r, 0, err);
	if (code < 0)
		return code;
	/* "some address of the family" */
	if (r->host_ip.family == AF_INET)
		set_v4(e.key.key.addr, SOME4);
	else
		memset(e.key.key.addr, 0xff, sizeof(e.key.key.addr));
	return add_range(l, e, r, 0, err);
}

/* ---- sorted lists ------------------------------------------------------- */

static int compare(const void *va, const void *vb)
{
	const struct sock_entry *a = va, *b = vb;

	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	return memcmp(&a->key, &b->key, sizeof(a->key));
}

void sock_entries_sort(struct sock_entries *l)
{
	size_t n = 0;

	if (l->count == 0)
		return;
	qsort(l->e, l->count, sizeof(l->e[0]), compare);
	for (size_t i = 1; i < l->count; i++) {
		if (compare(&l->e[n], &l->e[i]) == 0)
			l->e[n].hold.refs += l->e[i].hold.refs;
		else
			l->e[++n] = l->e[i];
	}
	l->count = n + 1;
}

const struct sock_entry *sock_entries_find(const struct sock_entries *l,
					   enum sock_table table,
					   const struct sock_prefix *key)
{
	struct sock_entry want = { .key = *key, .table = table };

	if (l->count == 0)
		return NULL;
	return bsearch(&want, l->e, l->count, sizeof(l->e[0]), compare);
}

void sock_entries_remove(struct sock_entries *l,
			 const struct sock_entries *gone)
{
	size_t n = 0;

	sock_entries_sort(l);
	for (size_t i = 0; i < gone->count; i++) {
		struct sock_entry *e =
			(struct sock_entry *)(uintptr_t)sock_entries_find(
				l, gone->e[i].table, &gone->e[i].key);

		if (e && e->hold.refs)
			e->hold.refs--;
	}
	for (size_t i = 0; i < l->count; i++)
		if (l->e[i].hold.refs)
			l->e[n++] = l->e[i];
	l->count = n;
}
