/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports of several containers: the tables that say which one gets a new
 * connection. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/ebpf/sock_priv.h"
#include "lib/fail.h"

/* ---- ports --------------------------------------------------------------- */

int sock_balance_add(struct sock *sock, const struct port_range *port,
		     uint32_t pool4, uint32_t pool6, struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int r = sock_entries_balance(&l, port, pool4, pool6, err);

	return r < 0 ? r : sock_maps_add(sock, &l, err);
}

int sock_balance_del(struct sock *sock, const struct port_range *port,
		     uint32_t pool4, uint32_t pool6, struct err *err)
{
	_cleanup_(sock_entries_fini) struct sock_entries l = { 0 };
	int r = sock_entries_balance(&l, port, pool4, pool6, err);

	if (r == 0)
		sock_maps_del(sock, &l);
	return r;
}

/* ---- tables -------------------------------------------------------------- */

static int pool_fd(const struct sock *s)
{
	return bpf_map__fd(s->skel->maps.sock_pool);
}

static int pool_error(int r, uint32_t number, struct err *err)
{
	if (r == -E2BIG || r == -ENOSPC)
		return err_set(err, -E2BIG,
			       "socket hooks: the table of balanced ports is "
			       "full: %d of them",
			       SOCK_POOL_MAX / 2);
	return err_set(err, r, "socket hooks: pool %u: %s", number,
		       strerror(-r));
}

/* A map with @table in it.  Return: owned fd; -errno. */
static int make_table(const struct sock_backend *table)
{
	_cleanup_close_ int fd = bpf_map_create(
		BPF_MAP_TYPE_ARRAY, "sock_pool_table", sizeof(__u32),
		sizeof(*table), SOCK_POOL_SLOTS, NULL);
	__u32 slots[SOCK_POOL_SLOTS], count = SOCK_POOL_SLOTS;
	int r;

	if (fd < 0)
		return fd;
	for (__u32 i = 0; i < SOCK_POOL_SLOTS; i++)
		slots[i] = i;
	r = bpf_map_update_batch(fd, slots, table, &count, NULL);
	if (r < 0)
		return r;
	r = fd;
	fd = -EBADF;
	return r;
}

int sock_pool_set(struct sock *sock, uint32_t number,
		  const struct sock_backend *table, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r = sock->skel || table ? sock_attach(sock, err) : 0;

	if (r < 0 || !sock->skel)
		return r;
	r = FAILPOINT("sock.pool");
	if (r < 0)
		return pool_error(r, number, err);
	if (!table) {
		r = bpf_map_delete_elem(pool_fd(sock), &number);
		return r < 0 && r != -ENOENT ? pool_error(r, number, err) : 0;
	}
	fd = make_table(table);
	r = fd < 0 ? fd
		   : bpf_map_update_elem(pool_fd(sock), &number, &fd, BPF_ANY);
	return r < 0 ? pool_error(r, number, err) : 0;
}

/* The table of pool @number.  Return: owned fd; -ENOENT; -errno. */
static int open_table(const struct sock *s, uint32_t number)
{
	__u32 id;
	int r = bpf_map_lookup_elem(pool_fd(s), &number, &id);

	return r < 0 ? r : bpf_map_get_fd_by_id(id);
}

int sock_pool_differs(struct sock *sock, uint32_t number,
		      const struct sock_backend *table, struct err *err)
{
	_cleanup_close_ int fd =
		sock->skel ? open_table(sock, number) : -ENOENT;
	struct sock_backend got;
	int r = 0;

	if (fd == -ENOENT)
		return table != NULL;
	if (fd < 0)
		return pool_error(fd, number, err);
	for (__u32 i = 0; table && r == 0 && i < SOCK_POOL_SLOTS; i++) {
		r = bpf_map_lookup_elem(fd, &i, &got);
		if (r < 0)
			return pool_error(r, number, err);
		r = memcmp(&got, &table[i], sizeof(got)) != 0;
	}
	return table ? r : 1;
}

int sock_pool_sweep(struct sock *sock,
		    bool (*wanted)(void *ctx, uint32_t number), void *ctx,
		    struct err *err)
{
	__u32 gone[64], key, *from = NULL;
	size_t n;
	int r = 0;

	if (!sock->skel)
		return 0;
	do { /* a walk over a map that shrinks starts again */
		n = 0;
		from = NULL;
		while (n < ARRAY_SIZE(gone) &&
		       bpf_map_get_next_key(pool_fd(sock), from, &key) == 0) {
			from = &key;
			if (!wanted(ctx, key))
				gone[n++] = key;
		}
		for (size_t i = 0; r == 0 && i < n; i++)
			r = bpf_map_delete_elem(pool_fd(sock), &gone[i]);
	} while (r == 0 && n == ARRAY_SIZE(gone));
	return r < 0 && r != -ENOENT ? pool_error(r, 0, err) : 0;
}
