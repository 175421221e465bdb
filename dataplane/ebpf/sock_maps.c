/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in the maps of the socket hooks: published ports, held ports. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/ebpf/sock_priv.h"
#include "lib/fail.h"

/* ---- entries ------------------------------------------------------------ */

/* Not of SOCK_ANY, which is mapped. */
static int map_fd(const struct sock *s, enum sock_table table)
{
	const struct bpf_map *const maps[SOCK_TABLE_MAX] = {
		[SOCK_PUB] = s->skel->maps.sock_pub,
		[SOCK_RANGE] = s->skel->maps.sock_range,
		[SOCK_HELD] = s->skel->maps.sock_held,
	};

	return bpf_map__fd(maps[table]);
}

static const void *key_of(const struct sock_entry *e)
{
	if (e->table == SOCK_PUB)
		return &e->key.key;
	return &e->key;
}

static int table_error(int r, enum sock_table table, struct err *err)
{
	static const char *const names[SOCK_TABLE_MAX] = {
		[SOCK_ANY] = "published ports",
		[SOCK_PUB] = "published ports",
		[SOCK_RANGE] = "published port ranges",
		[SOCK_HELD] = "held ports",
	};

	if (r == -E2BIG || r == -ENOSPC)
		return err_set(err, -E2BIG,
			       "socket hooks: the table of %s is full",
			       names[table]);
	return err_set(err, r, "socket hooks: %s: %s", names[table],
		       strerror(-r));
}

static bool same(const struct sock_dst *a, const struct sock_dst *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* What is there under @e's very key. Return: 1; 0; -errno. */
static int look(struct sock *s, const struct sock_entry *e,
		struct sock_dst *ret, struct err *err)
{
	struct sock_span span = { .bits = e->key.bits };
	uint64_t word = 0;
	int r;

	if (e->table == SOCK_ANY) {
		word = __atomic_load_n(&s->any[sock_entry_index(e)],
				       __ATOMIC_RELAXED);
		memcpy(ret, &word, sizeof(*ret));
		return word != 0;
	}
	/* .dst is the first in the one, and the other */
	r = bpf_map_lookup_elem(map_fd(s, e->table), key_of(e), &span);
	if (r < 0 && r != -ENOENT)
		return table_error(r, e->table, err);
	*ret = span.dst;
	return r == 0 && span.bits == e->key.bits;
}

/* Let @e's key lead to @dst. */
static int put(struct sock *s, const struct sock_entry *e,
	       const struct sock_dst *dst, struct err *err)
{
	const struct sock_span span = { .dst = *dst, .bits = e->key.bits };
	uint64_t word;
	int r;

	if (e->table == SOCK_ANY) {
		memcpy(&word, dst, sizeof(word));
		__atomic_store_n(&s->any[sock_entry_index(e)], word,
				 __ATOMIC_RELEASE);
		return 0;
	}
	r = bpf_map_update_elem(map_fd(s, e->table), key_of(e), &span, BPF_ANY);
	return r < 0 ? table_error(r, e->table, err) : 0;
}

static int take_out(struct sock *s, const struct sock_entry *e)
{
	if (e->table != SOCK_ANY)
		return bpf_map_delete_elem(map_fd(s, e->table), key_of(e));
	__atomic_store_n(&s->any[sock_entry_index(e)], 0, __ATOMIC_RELEASE);
	return 0;
}

static bool to_ip6(const struct sock_entry *e)
{
	return sock_dst_kind(&e->dst) == SOCK_TO_IP6;
}

/* What is to be in the maps for @e.  An address has one reference more then. */
static int resolve(struct sock *s, const struct sock_entry *e,
		   struct sock_dst *ret, struct err *err)
{
	*ret = e->dst;
	return to_ip6(e) ? sock_ip6_get(s, &e->ip6, &ret->at, err) : 0;
}

/* Add one that must not be there in another form; *@added: it was not there. */
static int add_entry(struct sock *s, const struct sock_entry *e, bool *added,
		     struct err *err)
{
	struct sock_dst old = { 0 }, dst;
	int there = look(s, e, &old, err), r;

	*added = false;
	if (there < 0)
		return there;
	r = resolve(s, e, &dst, err);
	if (r < 0)
		return r;
	if (!there)
		r = put(s, e, &dst, err);
	else if (!same(&old, &dst))
		r = err_set(err, -EEXIST,
			    "socket hooks: host port %u leads elsewhere",
			    ntohs(e->key.key.port));
	*added = !there && r == 0;
	if (!*added && to_ip6(e))
		sock_ip6_put(s, &e->ip6);
	return r;
}

static void delete_entry(struct sock *s, const struct sock_entry *e)
{
	struct sock_dst old = { 0 }, dst = e->dst;

	if (to_ip6(e))
		dst.at = sock_ip6_number(s, &e->ip6);
	/* one that leads elsewhere belongs to somebody else by now */
	if (look(s, e, &old, NULL) <= 0 || !same(&old, &dst) ||
	    take_out(s, e) < 0)
		return;
	if (to_ip6(e))
		sock_ip6_put(s, &e->ip6);
}

/* @step: +1 or -1. */
static int count_entry(struct sock *s, const struct sock_entry *e, int step,
		       struct err *err)
{
	int fd = map_fd(s, e->table), r;
	struct sock_hold hold = { 0 };

	r = bpf_map_lookup_elem(fd, key_of(e), &hold);
	if (r < 0 && r != -ENOENT)
		return table_error(r, e->table, err);
	if (hold.bits != e->key.bits)
		hold = (struct sock_hold){ .bits = e->key.bits };
	if (step < 0 && hold.refs <= 1) {
		r = bpf_map_delete_elem(fd, key_of(e));
		return r < 0 && r != -ENOENT ? table_error(r, e->table, err)
					     : 0;
	}
	hold.refs = step < 0 ? hold.refs - 1 : hold.refs + 1;
	r = bpf_map_update_elem(fd, key_of(e), &hold, BPF_ANY);
	return r < 0 ? table_error(r, e->table, err) : 0;
}

static int add_all(struct sock *s, struct sock_entries *l, struct err *err)
{
	size_t done = 0;
	bool added;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->count; i++) {
		r = FAILPOINT("sock.publish");
		if (r < 0)
			err_set(err, r, "socket hooks: %s", strerror(-r));
		else
			r = add_entry(s, &l->e[i], &added, err);
		if (r == 0 && added)
			l->e[done++] = l->e[i];
	}
	if (r == 0)
		return 0;
	while (done > 0)
		delete_entry(s, &l->e[--done]);
	return r;
}

static int expand(const struct portmap *ports, const struct ip_addr *ip4,
		  const struct ip_addr *ip6, struct sock_entries *l,
		  struct err *err)
{
	return sock_entries_publish(l, ports, ip4, ip6, SOCK_SINGLES_MAX, err);
}

/* What an earlier daemon left is put right before anything is added to it. */
static int catch_up(struct sock *sock, struct err *err)
{
	return sock->late ? sock_load_end(sock, err) : 0;
}

int sock_maps_add(struct sock *s, struct sock_entries *l, struct err *err)
{
	int r = catch_up(s, err);

	for (size_t i = 0; r == 0 && s->loading && i < l->count; i++)
		r = sock_entries_append(&s->wanted, &l->e[i], err);
	if (r < 0 || s->loading || l->count == 0)
		return r;
	r = sock_attach(s, err);
	return r < 0 ? r : add_all(s, l, err);
}

void sock_maps_del(struct sock *s, struct sock_entries *l)
{
	if (s->loading)
		sock_entries_remove(&s->wanted, l);
	else if (s->skel)
		for (size_t i = 0; i < l->count; i++)
			delete_entry(s, &l->e[i]);
}

int sock_publish_add(struct sock *sock, const struct portmap *ports,
		     const struct ip_addr *ip4, const struct ip_addr *ip6,
		     struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int r = expand(ports, ip4, ip6, &l, err);

	return r < 0 ? r : sock_maps_add(sock, &l, err);
}

int sock_publish_del(struct sock *sock, const struct portmap *ports,
		     const struct ip_addr *ip4, const struct ip_addr *ip6,
		     struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int r = expand(ports, ip4, ip6, &l, err);

	if (r == 0)
		sock_maps_del(sock, &l);
	return r;
}

/* ---- held ports --------------------------------------------------------- */

int sock_ready(struct sock *sock, struct err *err)
{
	int r = catch_up(sock, err);

	return r < 0 ? r : sock_attach(sock, err);
}

/* Set or clear the bits of @r's ports.  The programs read whole words. */
static void mark_ports(uint64_t *map, const struct port_range *r, bool on)
{
	uint32_t port = r->host_first, end = port + r->count;

	if (r->proto == IPPROTO_UDP)
		map += SOCK_PORT_WORDS;
	while (port < end) {
		uint32_t bit = port % 64, n = 64 - bit;
		uint64_t mask;

		if (n > end - port)
			n = end - port;
		mask = (n == 64 ? ~0ull : (1ull << n) - 1) << bit;
		if (on)
			__atomic_fetch_or(&map[port / 64], mask,
					  __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(&map[port / 64], ~mask,
					   __ATOMIC_SEQ_CST);
		port += n;
	}
}

/* On any address. */
static int hold_ports(struct sock *s, const struct port_range *r,
		      struct err *err)
{
	int code;

	if (r->proto == IPPROTO_SCTP)
		return 0; /* it has no bind hooks */
	if (s->loading && !s->wanted_ports)
		s->wanted_ports = calloc(1, SOCK_PORT_SIZE);
	if (s->loading && !s->wanted_ports)
		return err_set(err, -ENOMEM, "socket hooks: out of memory");
	code = s->loading ? 0 : sock_attach(s, err);
	if (code < 0)
		return code;
	if (s->loading)
		mark_ports(s->wanted_ports, r, true);
	if (s->ports)
		mark_ports(s->ports, r, true);
	return 0;
}

static void release_ports(struct sock *s, const struct port_range *r)
{
	if (r->proto == IPPROTO_SCTP)
		return;
	if (s->wanted_ports)
		mark_ports(s->wanted_ports, r, false);
	if (s->ports)
		mark_ports(s->ports, r, false);
}

static int count_all(struct sock *s, const struct sock_entries *l,
		     struct err *err)
{
	size_t done = 0;
	int r = 0;

	while (r == 0 && done < l->count) {
		r = count_entry(s, &l->e[done], 1, err);
		if (r == 0)
			done++;
	}
	if (r < 0)
		while (done > 0)
			(void)count_entry(s, &l->e[--done], -1, NULL);
	return r;
}

int sock_range_hold(struct sock *sock, const struct port_range *r,
		    struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int code = catch_up(sock, err);

	if (code < 0)
		return code;
	if (ip_is_none(&r->host_ip))
		return hold_ports(sock, r, err);
	code = sock_entries_hold(&l, r, err);
	if (code == 0 && !sock->loading)
		code = sock_attach(sock, err);
	/* what is held while loading is counted once more: load_end sets it */
	if (code == 0 && sock->skel)
		code = count_all(sock, &l, err);
	if (code < 0 || !sock->loading)
		return code;
	code = sock_entries_hold(&sock->wanted, r, err);
	for (size_t i = 0; code < 0 && sock->skel && i < l.count; i++)
		(void)count_entry(sock, &l.e[i], -1, NULL);
	return code;
}

int sock_range_release(struct sock *sock, const struct port_range *r,
		       struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int code;

	if (ip_is_none(&r->host_ip)) {
		release_ports(sock, r);
		return 0;
	}
	code = sock_entries_hold(&l, r, err);
	if (code == 0 && sock->loading)
		sock_entries_remove(&sock->wanted, &l);
	for (size_t i = 0; code == 0 && sock->skel && i < l.count; i++)
		code = count_entry(sock, &l.e[i], -1, err);
	return code;
}

/* ---- load --------------------------------------------------------------- */

void sock_load_begin(struct sock *sock)
{
	sock_entries_fini(&sock->wanted);
	free(take_ptr(sock->wanted_ports));
	sock->loading = true;
	sock->late = false;
}

static void note_dropped(struct sock *s, const struct sock_prefix *key)
{
	uint32_t count = 1u << (SOCK_KEY_BITS + 16 - key->bits);
	uint32_t first = ntohs(key->key.port) & ~(count - 1);

	for (uint32_t p = first; p < first + count && p < 65536; p++)
		s->dropped[p / 64] |= 1ull << p % 64;
}

const uint64_t *sock_load_dropped(const struct sock *sock)
{
	return sock->dropped;
}

/* Delete what is in @table and not wanted: first all such keys, then each, as
 * a walk over a map that shrinks starts again. */
static int drop_unwanted(struct sock *s, enum sock_table table, struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries old = { 0 };
	int fd = map_fd(s, table), r = 0;
	struct sock_entry e = { .table = table,
				.key.bits = SOCK_KEY_BITS + 16 };
	void *key = table == SOCK_PUB ? (void *)&e.key.key : (void *)&e.key;
	void *from = NULL;

	while (r == 0 && bpf_map_get_next_key(fd, from, key) == 0) {
		from = key;
		if (!sock_entries_find(&s->wanted, table, &e.key))
			r = sock_entries_append(&old, &e, err);
	}
	for (size_t i = 0; r == 0 && i < old.count; i++) {
		r = bpf_map_delete_elem(fd, key_of(&old.e[i]));
		if (r == -ENOENT)
			r = 0;
		if (r < 0)
			r = table_error(r, table, err);
		else if (table == SOCK_HELD)
			note_dropped(s, &old.e[i].key);
	}
	return r;
}

/* The same of SOCK_ANY. */
static void drop_unwanted_any(struct sock *s)
{
	for (uint32_t i = 0; i < SOCK_ANY_MAX; i++) {
		const struct sock_prefix key = sock_entry_key(i);

		if (s->any[i] && !sock_entries_find(&s->wanted, SOCK_ANY, &key))
			__atomic_store_n(&s->any[i], 0, __ATOMIC_RELEASE);
	}
}

/* Word by word: what is held before and after is held all the time. */
static void sync_ports(struct sock *s)
{
	for (size_t i = 0; i < SOCK_PORT_MAX; i++) {
		uint64_t want = s->wanted_ports ? s->wanted_ports[i] : 0;
		uint64_t old = __atomic_exchange_n(&s->ports[i], want,
						   __ATOMIC_SEQ_CST);

		s->dropped[i % SOCK_PORT_WORDS] |= old & ~want;
	}
}

static int sync_entry(struct sock *s, const struct sock_entry *e,
		      struct err *err)
{
	struct sock_dst dst;
	int r;

	if (e->table == SOCK_HELD) {
		r = bpf_map_update_elem(map_fd(s, SOCK_HELD), key_of(e),
					&e->hold, BPF_ANY);
		return r < 0 ? table_error(r, e->table, err) : 0;
	}
	r = resolve(s, e, &dst, err);
	return r < 0 ? r : put(s, e, &dst, err);
}

static int sync_maps(struct sock *s, struct err *err)
{
	int r = 0;

	sock_entries_sort(&s->wanted);
	for (size_t i = 0; r == 0 && i < s->wanted.count; i++)
		r = sync_entry(s, &s->wanted.e[i], err);
	for (int t = SOCK_PUB; r == 0 && t < SOCK_TABLE_MAX; t++)
		r = drop_unwanted(s, (enum sock_table)t, err);
	if (r < 0)
		return r;
	drop_unwanted_any(s);
	sock_ip6_recount(s, &s->wanted);
	sync_ports(s);
	return 0;
}

int sock_load_end(struct sock *sock, struct err *err)
{
	int r = 0;

	if (!sock->loading)
		return 0;
	if (sock->wanted.count || sock->wanted_ports || sock->other ||
	    pin_exists(&sock->pins, "sock_meta")) {
		r = sock_attach(sock, err);
		if (r == 0)
			r = sync_maps(sock, err);
		if (r == 0)
			r = sock_switch(sock, err);
	}
	sock->late = r < 0;
	if (r < 0)
		return r;
	sock->loading = false;
	sock_entries_fini(&sock->wanted);
	free(take_ptr(sock->wanted_ports));
	return 0;
}
