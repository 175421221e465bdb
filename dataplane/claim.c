// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Claims on host ports.
 *
 * A claim is a socket that is bound and does not listen.  TCP binds with
 * SO_REUSEADDR, so that old connections in TIME_WAIT do not refuse it, and
 * clears it then, so that nobody who sets it can share the port; see
 * stop_sharing() for what older kernels need besides.  UDP must not
 * set it: there it means sharing.  What reaches a claimed UDP port all the same
 * is dropped by a filter of one instruction instead of filling a buffer.
 */
#include "dataplane/claim.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "dataplane/ebpf/sock.h"
#include "lib/netns.h"

void claim_free(struct claim *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->fd_count; i++)
		close(c->fds[i]);
	free(c->fds);
	if (c->by_range)
		claim_release(c);
	portmap_free(&c->ports);
	free(c);
}

static int set_options(int fd, int family, uint8_t proto)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog drop = { .len = 1, .filter = &nothing };
	uint32_t mark = SOCK_CLAIM_MARK;
	int one = 1;

	/* past our own bind hooks; where that is not allowed there are none */
	(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return -errno;
	if (proto == IPPROTO_UDP) {
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop,
			       sizeof(drop)) < 0 ||
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &one, sizeof(one)) <
			    0)
			return -errno;
		return 0;
	}
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0
		       ? -errno
		       : 0;
}

#define SPARE_FDS 256 /* for connections and files: never spent on claims */

/* The kernel gives the lowest number that is free, so @fd tells how many are
 * in use. */
static bool is_spare(int fd)
{
	struct rlimit lim;
	rlim_t spare = SPARE_FDS;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 || lim.rlim_cur == RLIM_INFINITY)
		return false;
	if (spare > lim.rlim_cur / 4)
		spare = lim.rlim_cur / 4;
	return (rlim_t)fd >= lim.rlim_cur - spare;
}

/*
 * The kernel remembers for the port that all who bound it would share it, and up
 * to 6.1 at least lets one with SO_REUSEADDR and SO_REUSEPORT bind and listen on
 * that ground, whatever the others have set since.  Listening makes it forget;
 * shutdown() ends that at once and keeps the port.
 */
static int stop_sharing(int fd, uint8_t proto)
{
	int zero = 0;

	if (proto == IPPROTO_TCP &&
	    (listen(fd, 0) < 0 || shutdown(fd, SHUT_RD) < 0))
		return -errno;
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &zero, sizeof(zero)) < 0
		       ? -errno
		       : 0;
}

/* Return: a descriptor; -errno. */
static int bind_socket(int family, const struct ip_addr *ip, uint8_t proto,
		       uint16_t port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int type = proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM, r;
	_cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC, proto);

	if (fd < 0)
		return -errno;
	if (is_spare(fd))
		return -EMFILE;
	r = set_options(fd, family, proto);
	if (r < 0)
		return r;
	if (ip) {
		memcpy(&a4.sin_addr, ip->bytes, 4);
		memcpy(&a6.sin6_addr, ip->bytes, 16);
	}
	r = family == AF_INET ? bind(fd, (struct sockaddr *)&a4, sizeof(a4))
			      : bind(fd, (struct sockaddr *)&a6, sizeof(a6));
	if (r < 0)
		return -errno;
	if (proto != IPPROTO_UDP) {
		r = stop_sharing(fd, proto);
		if (r < 0)
			return r;
	}
	return take_fd(fd);
}

/* Hold @port on the addresses of @r.  Return: 0; the kernel's errno. */
static int hold(struct claim *c, const struct port_range *r, uint16_t port)
{
	static const int families[] = { AF_INET, AF_INET6 };
	bool none = ip_is_none(&r->host_ip);
	size_t before = c->fd_count;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int fd;

		if (!none && r->host_ip.family != families[i])
			continue;
		fd = bind_socket(families[i], none ? NULL : &r->host_ip,
				 r->proto, port);
		if (fd >= 0) {
			c->fds[c->fd_count++] = fd;
			continue;
		}
		/* a host without IPv6; a kernel without SCTP: no other holder */
		if (fd == -EPROTONOSUPPORT || fd == -ESOCKTNOSUPPORT ||
		    (fd == -EAFNOSUPPORT && families[i] == AF_INET6))
			continue;
		while (c->fd_count > before)
			close(c->fds[--c->fd_count]);
		return fd;
	}
	return 0;
}

/* ---- ports to be chosen ------------------------------------------------- */

/* Is @port, on @r's address, another entry's of the same list? */
static bool taken_within(const struct portmap *m, const struct port_range *r,
			 uint32_t port)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct port_range *o = &m->ranges[i];

		if (o != r && o->proto == r->proto && o->host_first &&
		    port >= o->host_first && port < o->host_first + o->count)
			return true;
	}
	return false;
}

static void ephemeral_range(uint32_t *first, uint32_t *last)
{
	char buf[64];

	*first = 32768;
	*last = 60999;
	if (sysctl_get("net/ipv4/ip_local_port_range", buf, sizeof(buf),
		       NULL) == 0)
		(void)sscanf(buf, "%u %u", first, last);
}

struct search {
	struct claim *c;
	const struct portmap *m;
	claim_own_fn own;
	void *ctx;
	const uint64_t *reserved; /* NULL: do not look */
	struct claim_busy **busy;
};

/* Return: 0: @port is ours now; -EADDRINUSE: try the next; -errno. */
static int try_port(const struct search *s, const struct port_range *r,
		    uint32_t port)
{
	struct port_range one = *r;

	one.host_first = (uint16_t)port;
	if (taken_within(s->m, r, port) || s->own(s->ctx, &one, NULL) < 0)
		return -EADDRINUSE;
	if (r->choose_first == 0 && s->reserved &&
	    s->reserved[port / 64] >> port % 64 & 1)
		return -EADDRINUSE;
	if (s->c->by_range)
		return claim_range_check(&one, s->busy, NULL);
	return hold(s->c, r, (uint16_t)port);
}

static int choose(const struct search *s, struct port_range *r, struct err *err)
{
	uint32_t first = r->choose_first, last = r->choose_last, count, start;
	struct claim_host *host = s->c->host;
	bool ephemeral = first == 0;

	if (ephemeral)
		ephemeral_range(&first, &last);
	count = last - first + 1;
	start = ephemeral && host->cursor >= first && host->cursor <= last
			? host->cursor - first
			: 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t port = first + (start + i) % count;
		int e = try_port(s, r, port);

		if (e == 0) {
			r->host_first = (uint16_t)port;
			if (ephemeral)
				host->cursor = (uint16_t)(port + 1);
			return 0;
		}
		if (e != -EADDRINUSE)
			return claim_refused(r, port, e, err);
	}
	return err_set(err, -EADDRINUSE,
		       "no free host port in %u-%u/%s for container port %u: "
		       "all %u are taken",
		       first, last, proto_name(r->proto), r->port_first, count);
}

/* ---- all of them -------------------------------------------------------- */

static int take_fixed(const struct search *s, const struct port_range *r,
		      struct err *err)
{
	int e = s->own(s->ctx, r, err);

	if (e < 0)
		return e;
	if (s->c->by_range)
		return claim_range_check(r, s->busy, err);
	for (uint32_t i = 0; i < r->count; i++) {
		e = hold(s->c, r, (uint16_t)(r->host_first + i));
		if (e < 0)
			return claim_refused(r, r->host_first + i, e, err);
	}
	return 0;
}

static int take_all(struct claim_host *host, struct portmap *m, bool by_range,
		    struct search *s, struct claim **ret, struct err *err)
{
	_cleanup_(claim_freep) struct claim *c = calloc(1, sizeof(*c));
	_cleanup_(claim_busy_freep) struct claim_busy *busy = NULL;
	uint64_t reserved[65536 / 64];
	int r = 0;

	if (c)
		c->fds = calloc(2 * CLAIM_SOCKETS_MAX, sizeof(*c->fds));
	if (!c || !c->fds)
		return err_set(err, -ENOMEM, "host ports");
	c->host = host;
	c->by_range = by_range;
	s->c = c;
	s->m = m;
	s->busy = &busy;
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		if (m->ranges[i].host_first)
			r = take_fixed(s, &m->ranges[i], err);
	}
	for (size_t i = 0; r == 0 && i < m->count; i++) {
		if (m->ranges[i].host_first)
			continue;
		if (!s->reserved && claim_reserved_read(reserved, NULL) == 0)
			s->reserved = reserved;
		r = choose(s, &m->ranges[i], err);
	}
	if (r == 0 && by_range)
		r = portmap_copy(m, &c->ports, err);
	if (r == 0 && by_range)
		r = claim_reserve(c, err);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}

int claim_take(struct claim_host *host, struct portmap *m, claim_own_fn own,
	       void *ctx, struct claim **ret, struct err *err)
{
	struct portmap chosen = { 0 };
	struct search s = { .own = own, .ctx = ctx };
	bool by_range = portmap_total(m) > CLAIM_SOCKETS_MAX;
	int r = portmap_copy(m, &chosen, err);

	if (r < 0)
		return r;
	r = take_all(host, &chosen, by_range, &s, ret, err);
	if (r == -EMFILE || r == -ENFILE) { /* no descriptors left */
		portmap_free(&chosen);
		r = portmap_copy(m, &chosen, err);
		s.reserved = NULL;
		if (r == 0)
			r = take_all(host, &chosen, true, &s, ret, err);
	}
	if (r == 0) {
		portmap_free(m);
		*m = chosen;
	} else {
		portmap_free(&chosen);
	}
	return r;
}
