/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The containers' IPv6 addresses that ports lead to: each is in the kernel once,
 * and the ports have its number.
 *
 * A number is counted by the entries that have it and goes with the last of
 * them.  It is not given to another address before all others were: a program
 * that has read it from a port may look it up some time later.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "dataplane/ebpf/sock_priv.h"
#include "lib/fail.h"

static int map_fd(const struct sock *s)
{
	return bpf_map__fd(s->skel->maps.sock_ip6);
}

static int failed(int r, struct err *err)
{
	if (r == -E2BIG)
		return err_set(err, r,
			       "socket hooks: %u containers with IPv6 have "
			       "published ports: no room for more",
			       SOCK_IP6_MAX);
	return err_set(err, r, "socket hooks: container addresses: %s",
		       strerror(-r));
}

/* Where @ip is among the rows, or where it would go. */
static size_t place(const struct sock_ip6_tab *t, const struct sock_ip6 *ip,
		    bool *found)
{
	size_t lo = 0, hi = t->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (memcmp(&t->rows[mid].ip, ip, sizeof(*ip)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < t->count && memcmp(&t->rows[lo].ip, ip, sizeof(*ip)) == 0;
	return lo;
}

static struct sock_ip6_row *find(const struct sock *s,
				 const struct sock_ip6 *ip)
{
	bool found;
	size_t i = place(&s->ip6, ip, &found);

	return found ? &s->ip6.rows[i] : NULL;
}

/* Return: NULL: no memory. */
static struct sock_ip6_row *add_row(struct sock_ip6_tab *t,
				    const struct sock_ip6 *ip)
{
	bool found;
	size_t i = place(t, ip, &found);

	if (!t->rows || t->count == t->room) {
		size_t room = t->room ? t->room * 2 : 16;
		struct sock_ip6_row *p =
			reallocarray(t->rows, room, sizeof(*p));

		if (!p)
			return NULL;
		t->rows = p;
		t->room = room;
	}
	memmove(&t->rows[i + 1], &t->rows[i],
		(t->count - i) * sizeof(*t->rows));
	t->count++;
	t->rows[i] = (struct sock_ip6_row){ .ip = *ip };
	return &t->rows[i];
}

static void drop_row(struct sock *s, struct sock_ip6_row *row)
{
	size_t i = (size_t)(row - s->ip6.rows);

	(void)bpf_map_delete_elem(map_fd(s), &row->number);
	s->ip6.count--;
	memmove(row, row + 1, (s->ip6.count - i) * sizeof(*row));
}

/* A number that nobody has, in the map for @ip. */
static int enter(struct sock *s, const struct sock_ip6 *ip, __u32 *ret)
{
	int r = FAILPOINT("sock.address");

	if (r < 0)
		return r;
	do {
		if (++s->ip6.last == 0)
			s->ip6.last = 1; /* once round */
		r = bpf_map_update_elem(map_fd(s), &s->ip6.last, ip,
					BPF_NOEXIST);
	} while (r == -EEXIST);
	*ret = s->ip6.last;
	return r;
}

void sock_ip6_fini(struct sock *s)
{
	free(s->ip6.rows);
	s->ip6 = (struct sock_ip6_tab){ 0 };
}

int sock_ip6_read(struct sock *s, struct err *err)
{
	__u32 key, *from = NULL;
	struct sock_ip6 ip;

	sock_ip6_fini(s);
	for (; bpf_map_get_next_key(map_fd(s), from, &key) == 0; from = &key) {
		struct sock_ip6_row *row;

		if (bpf_map_lookup_elem(map_fd(s), &key, &ip) < 0)
			continue;
		row = find(s, &ip);
		/* one was left by who was killed: either will do */
		row = row ? row : add_row(&s->ip6, &ip);
		if (!row)
			return failed(-ENOMEM, err);
		row->number = key;
		row->refs = 1; /* unknown: until sock_ip6_recount() */
		if (key > s->ip6.last)
			s->ip6.last = key;
	}
	return 0;
}

__u32 sock_ip6_number(const struct sock *s, const struct sock_ip6 *ip)
{
	const struct sock_ip6_row *row = find(s, ip);

	return row ? row->number : 0;
}

int sock_ip6_get(struct sock *s, const struct sock_ip6 *ip, __u32 *ret,
		 struct err *err)
{
	struct sock_ip6_row *row = find(s, ip);
	int r = 0;

	if (!row) {
		r = enter(s, ip, ret);
		if (r < 0)
			return failed(r, err);
		row = add_row(&s->ip6, ip);
		if (!row) {
			(void)bpf_map_delete_elem(map_fd(s), ret);
			return failed(-ENOMEM, err);
		}
		row->number = *ret;
	}
	row->refs++;
	*ret = row->number;
	return 0;
}

void sock_ip6_put(struct sock *s, const struct sock_ip6 *ip)
{
	struct sock_ip6_row *row = find(s, ip);

	if (row && --row->refs == 0)
		drop_row(s, row);
}

/* Numbers that no row has: of one address the second. */
static void drop_strangers(struct sock *s)
{
	__u32 key, next, *from = NULL;
	struct sock_ip6 ip;

	while (bpf_map_get_next_key(map_fd(s), from, &next) == 0) {
		key = next;
		from = &key;
		if (bpf_map_lookup_elem(map_fd(s), &key, &ip) == 0 &&
		    sock_ip6_number(s, &ip) != key) {
			(void)bpf_map_delete_elem(map_fd(s), &key);
			from = NULL; /* the walk lost its place */
		}
	}
}

void sock_ip6_recount(struct sock *s, const struct sock_entries *l)
{
	for (size_t i = 0; i < s->ip6.count; i++)
		s->ip6.rows[i].refs = 0;
	for (size_t i = 0; i < l->count; i++) {
		struct sock_ip6_row *row =
			sock_dst_kind(&l->e[i].dst) == SOCK_TO_IP6
				? find(s, &l->e[i].ip6)
				: NULL;

		if (row)
			row->refs++;
	}
	for (size_t i = s->ip6.count; i-- > 0;)
		if (s->ip6.rows[i].refs == 0)
			drop_row(s, &s->ip6.rows[i]);
	drop_strangers(s);
}
