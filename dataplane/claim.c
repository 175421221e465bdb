// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Claims on host ports.
 *
 * First the hooks hold the port, then a bind of our own (SOCK_CLAIM_MARK lets it
 * pass) tells whether somebody has it already: so nobody else can take it unseen,
 * but for one who was let pass by the hook and had not come from there to the port
 * when we looked; nothing can wait for him (inet_bind_sk(): the hook is over before
 * the port is taken).  The bind shares with nobody, so where it succeeds nothing at
 * all has the port, and its socket can be closed again.
 *
 * A socket that is bound and does not listen holds the port instead of, or
 * besides, the hooks:
 * - for an IPv4 address: what the hooks would refuse there is [::], and they can't
 *   see whether that socket is IPV6_V6ONLY and takes nothing from the port;
 * - for a TCP port that refuses to be shared with nobody, but can be had with
 *   SO_REUSEADDR: old connections, in TIME_WAIT or not, do no harm; a socket that is
 *   bound already and will listen later is seen by no hook;
 * - for SCTP, which has no bind hooks;
 * - where the hooks are not at the root of cgroup v2, so not for everybody, or
 *   could not be attached, or the list of reserved ports not be written.
 *
 * TCP binds it with SO_REUSEADDR, so that old connections do not refuse it, and
 * clears that then, so that nobody who sets it can share the port; see
 * stop_sharing() for what older kernels need besides.  UDP must not set it: there
 * it means sharing.  What reaches a claimed UDP port all the same is dropped by a
 * filter of one instruction instead of filling a buffer.
 */
#include "dataplane/claim.h"

#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "dataplane/ebpf/sock.h"
#include "lib/fail.h"

void claim_shed(struct claim *c)
{
	free(c->fds);
	portmap_free(&c->held);
	free(c);
}

static void free_one(struct claim *c)
{
	if (!c->host->leaving) {
		claim_unreserve(c, 0);
		for (size_t i = 0; !c->keeps && i < c->held.count; i++)
			(void)sock_range_release(c->host->sock,
						 &c->held.ranges[i], NULL);
	}
	for (size_t i = 0; i < c->fd_count; i++)
		close(c->fds[i]);
	claim_shed(c);
}

void claim_free(struct claim *c)
{
	while (c) {
		struct claim *next = c->next;

		free_one(c);
		c = next;
	}
}

void claim_add(struct claim *c, struct claim *more, const struct port_range *r)
{
	more->alone = *r;
	more->next = c->next;
	c->next = more;
}

struct claim *claim_part(struct claim *c, const struct port_range *r)
{
	for (struct claim **at = &c->next; *at; at = &(*at)->next) {
		struct claim *found = *at;

		if (!port_range_same(&found->alone, r))
			continue;
		*at = take_ptr(found->next);
		return found;
	}
	return NULL;
}

bool claim_has(const struct claim *c, const struct port_range *r)
{
	for (c = c->next; c; c = c->next)
		if (port_range_same(&c->alone, r))
			return true;
	return false;
}

static bool same_hosts(const struct portmap *a, const struct portmap *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct port_range *x = &a->ranges[i], *y = &b->ranges[i];

		if (x->proto != y->proto || x->host_first != y->host_first ||
		    x->count != y->count || !ip_equal(&x->host_ip, &y->host_ip))
			return false;
	}
	return true;
}

/* Chosen ports stand at the end of what is held, and in their place in @m; and
 * neighbours are joined there.  On any address that is all the same: the hooks hold
 * it port by port. */
static bool same_sorted(const struct portmap *held, const struct portmap *m)
{
	struct portmap copy = { 0 };
	bool same = true;

	for (size_t i = 0; same && i < held->count; i++)
		same = ip_is_none(&held->ranges[i].host_ip);
	same = same && portmap_copy(held, &copy, NULL) == 0 &&
	       portmap_normalize(&copy, NULL) == 0 && same_hosts(&copy, m);
	portmap_free(&copy);
	return same;
}

bool claim_is_plain(const struct claim *c, const struct portmap *m)
{
	if (c->next || c->fd_count || c->keeps || c->counted != c->held.count)
		return false;
	return same_hosts(&c->held, m) || same_sorted(&c->held, m);
}

int claim_again(struct claim_host *host, const struct portmap *m, bool whole,
		struct claim **ret, struct err *err)
{
	_cleanup_free_ struct claim *c = calloc(1, sizeof(*c));
	int r = c ? portmap_copy(m, &c->held, err)
		  : err_set(err, -ENOMEM, "host ports");

	if (r < 0)
		return r;
	c->host = host;
	c->counted = c->held.count;
	c->whole = whole;
	*ret = take_ptr(c);
	return 0;
}

/* ---- sockets ------------------------------------------------------------ */

/* Past our own bind hooks; where that is not allowed there are none. */
static void set_mark(const struct claim_host *host, int fd)
{
	uint32_t mark = sock_claim_mark(host->sock);

	(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

static int set_options(const struct claim_host *host, int fd, int family,
		       uint8_t proto)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog drop = { .len = 1, .filter = &nothing };
	int one = 1;

	set_mark(host, fd);
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

static int bind_fd(int fd, int family, const struct ip_addr *ip, uint16_t port)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port) };
	struct sockaddr_in a4 = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int r;

	if (!ip_is_none(ip)) {
		memcpy(&a4.sin_addr, ip->bytes, 4);
		memcpy(&a6.sin6_addr, ip->bytes, 16);
	}
	r = family == AF_INET ? bind(fd, (struct sockaddr *)&a4, sizeof(a4))
			      : bind(fd, (struct sockaddr *)&a6, sizeof(a6));
	return r < 0 ? -errno : 0;
}

static int sock_type(uint8_t proto)
{
	return (proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC;
}

/* Return: a descriptor; -errno. */
static int bind_socket(const struct claim_host *host, int family,
		       const struct ip_addr *ip, uint8_t proto, uint16_t port)
{
	_cleanup_close_ int fd = socket(family, sock_type(proto), proto);
	int r;

	if (fd < 0)
		return -errno;
	if (is_spare(fd))
		return -EMFILE;
	r = set_options(host, fd, family, proto);
	if (r == 0)
		r = bind_fd(fd, family, ip, port);
	if (r == 0 && proto != IPPROTO_UDP)
		r = stop_sharing(fd, proto);
	return r < 0 ? r : take_fd(fd);
}

/* Has nobody @port on the addresses of @r, whoever would share it?  One socket
 * asks for both families.  Return: 0; the kernel's errno. */
static int try_bind(const struct claim_host *host, const struct port_range *r,
		    uint16_t port)
{
	int family = ip_is_none(&r->host_ip) ? AF_INET6 : r->host_ip.family;
	int type = sock_type(r->proto), only = !ip_is_none(&r->host_ip);
	_cleanup_close_ int fd = socket(family, type, r->proto);

	if (fd < 0 && errno == EAFNOSUPPORT && ip_is_none(&r->host_ip)) {
		family = AF_INET; /* a host without IPv6 */
		fd = socket(family, type, r->proto);
	}
	if (fd < 0)
		return -errno;
	set_mark(host, fd);
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0)
		return -errno;
	return bind_fd(fd, family, &r->host_ip, port);
}

static int keep_fd(struct claim *c, int fd)
{
	int *fds;

	/* a power of two, or none: no more room */
	if ((c->fd_count & (c->fd_count - 1)) == 0) {
		size_t room = c->fd_count ? 2 * c->fd_count : 1;

		fds = reallocarray(c->fds, room, sizeof(*fds));
		if (!fds) {
			close(fd);
			return -ENOMEM;
		}
		c->fds = fds;
	}
	c->fds[c->fd_count++] = fd;
	return 0;
}

static void drop_fds(struct claim *c, size_t keep)
{
	while (c->fd_count > keep)
		close(c->fds[--c->fd_count]);
}

/* Hold @port on the addresses of @r by sockets.  Return: 0; the kernel's errno. */
static int hold(struct claim *c, const struct port_range *r, uint16_t port)
{
	static const int families[] = { AF_INET, AF_INET6 };
	bool none = ip_is_none(&r->host_ip);
	size_t before = c->fd_count;

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int fd;

		if (!none && r->host_ip.family != families[i])
			continue;
		fd = bind_socket(c->host, families[i], &r->host_ip, r->proto,
				 port);
		/* a host without IPv6; a kernel without SCTP: no other holder */
		if (fd == -EPROTONOSUPPORT || fd == -ESOCKTNOSUPPORT ||
		    (fd == -EAFNOSUPPORT && families[i] == AF_INET6))
			continue;
		if (fd >= 0)
			fd = keep_fd(c, fd);
		if (fd < 0) {
			drop_fds(c, before);
			return fd;
		}
	}
	return 0;
}

/* ---- one claim ---------------------------------------------------------- */

enum how {
	BY_HOOK,   /* where that is as good as a socket */
	BY_SOCKET, /* all of it */
	BY_LOOK,   /* by the hooks, and found by a look at all sockets */
};

struct search {
	struct claim *c;
	enum how how;
	const struct portmap *m;
	claim_own_fn own;
	void *ctx;
	struct claim_busy **busy;
	bool unlisted; /* the list of reserved ports could not be written */
};

static bool wants_hook(const struct search *s, const struct port_range *r)
{
	if (s->how == BY_HOOK)
		return r->host_ip.family != AF_INET && r->proto != IPPROTO_SCTP;
	return s->how == BY_LOOK;
}

/* Let the hooks hold @r; claim_reserve() is next. */
static int hook_range(struct claim *c, const struct port_range *r,
		      struct err *err)
{
	int e = FAILPOINT("claim.hold");

	if (e < 0)
		return err_set(err, e, "test: claim.hold");
	e = sock_range_hold(c->host->sock, r, err);
	if (e == 0)
		c->held.ranges[c->held.count++] = *r;
	return e;
}

static int reserve(struct search *s, struct err *err)
{
	int e = claim_reserve(s->c, err);

	s->unlisted = s->unlisted || e < 0;
	if (e < 0)
		return e;
	e = FAILPOINT("claim.reserved");
	return e < 0 ? err_set(err, e, "test: claim.reserved") : 0;
}

/* Hold what is held already against those who came before.  Return: 0; the
 * kernel's errno. */
static int confirm(struct claim *c, const struct port_range *r, uint16_t port)
{
	int e = try_bind(c->host, r, port);

	/* who shares it with our socket is known to the kernel from then on */
	return e == -EADDRINUSE && r->proto == IPPROTO_TCP ? hold(c, r, port)
							   : e;
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

/* As try_port(), by the hooks. */
static int hook_port(struct search *s, const struct port_range *one,
		     struct err *err)
{
	struct claim *c = s->c;
	size_t held = c->held.count;
	int e = s->how == BY_LOOK ? claim_range_check(one, s->busy, NULL)
				  : try_bind(c->host, one, one->host_first);

	if (e == 0)
		e = hook_range(c, one, err);
	if (e == 0)
		e = reserve(s, err);
	if (e == 0)
		e = confirm(c, one, one->host_first);
	if (e == -EPROTONOSUPPORT || e == -ESOCKTNOSUPPORT)
		e = 0; /* no SCTP here */
	if (s->how == BY_LOOK && (e == -EMFILE || e == -ENFILE))
		e = 0; /* the look must do */
	if (e < 0 && c->held.count > held) {
		claim_unreserve(c, held);
		c->held.count = held;
		(void)sock_range_release(c->host->sock, one, NULL);
	}
	return e;
}

/* Return: 0: @port is ours now; -EADDRINUSE: try the next; -errno. */
static int try_port(struct search *s, const struct port_range *r, uint32_t port,
		    struct err *err)
{
	struct port_range one = *r;

	one.host_first = (uint16_t)port;
	if (taken_within(s->m, r, port) || s->own(s->ctx, &one, NULL) < 0)
		return -EADDRINUSE;
	if (r->choose_first == 0 && claim_is_others(s->c->host, port))
		return -EADDRINUSE;
	return wants_hook(s, r) ? hook_port(s, &one, err)
				: hold(s->c, r, (uint16_t)port);
}

static int choose(struct search *s, struct port_range *r, struct err *err)
{
	uint32_t first = r->choose_first, last = r->choose_last, count, start;
	struct claim_host *host = s->c->host;
	bool ephemeral = first == 0;

	if (ephemeral)
		claim_ephemeral(host, &first, &last);
	count = last - first + 1;
	start = ephemeral && host->cursor >= first && host->cursor <= last
			? host->cursor - first
			: 0;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t port = first + (start + i) % count;
		int e = try_port(s, r, port, err);

		if (e == 0) {
			r->host_first = (uint16_t)port;
			if (ephemeral)
				host->cursor = (uint16_t)(port + 1);
			return 0;
		}
		if (s->unlisted)
			return e;
		if (e != -EADDRINUSE)
			return claim_refused(r, port, e, err);
	}
	return err_set(err, -EADDRINUSE,
		       "no free host port in %u-%u/%s for container port %u: "
		       "all %u are taken",
		       first, last, proto_name(r->proto), r->port_first, count);
}

/* ---- all of them -------------------------------------------------------- */

/* Ports that are told, held by the hooks and not by anybody before. */
static int hook_fixed(struct search *s, struct err *err)
{
	const struct portmap *m = s->m;
	int e = 0;

	for (size_t i = 0; e == 0 && i < m->count; i++) {
		const struct port_range *r = &m->ranges[i];

		if (!r->host_first)
			continue;
		e = s->own(s->ctx, r, err);
		if (e == 0 && wants_hook(s, r))
			e = hook_range(s->c, r, err);
	}
	return e < 0 ? e : reserve(s, err);
}

static int check_fixed(struct search *s, const struct port_range *r,
		       struct err *err)
{
	bool hooked = wants_hook(s, r);

	if (s->how == BY_LOOK)
		return claim_range_check(r, s->busy, err);
	for (uint32_t i = 0; i < r->count; i++) {
		uint16_t port = (uint16_t)(r->host_first + i);
		int e = hooked ? confirm(s->c, r, port) : hold(s->c, r, port);

		if (e < 0)
			return claim_refused(r, port, e, err);
	}
	return 0;
}

static int take_all(struct claim_host *host, struct portmap *m,
		    struct search *s, struct claim **ret, struct err *err)
{
	_cleanup_(claim_freep) struct claim *c = calloc(1, sizeof(*c));
	_cleanup_(claim_busy_freep) struct claim_busy *busy = NULL;
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "host ports");
	c->host = host;
	c->held.ranges =
		calloc(m->count ? m->count : 1, sizeof(*c->held.ranges));
	if (!c->held.ranges)
		return err_set(err, -ENOMEM, "host ports");
	c->whole = s->how == BY_LOOK;
	s->c = c;
	s->m = m;
	s->busy = &busy;
	r = hook_fixed(s, err);
	for (size_t i = 0; r == 0 && i < m->count; i++)
		if (m->ranges[i].host_first)
			r = check_fixed(s, &m->ranges[i], err);
	for (size_t i = 0; r == 0 && i < m->count; i++)
		if (!m->ranges[i].host_first)
			r = choose(s, &m->ranges[i], err);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}

/* As take_all(), with what is chosen in @m only where it succeeds. */
static int attempt(struct claim_host *host, struct portmap *m, struct search *s,
		   struct claim **ret, struct err *err)
{
	struct portmap chosen = { 0 };
	int r = portmap_copy(m, &chosen, err);

	s->unlisted = false;
	if (r == 0)
		r = take_all(host, &chosen, s, ret, err);
	if (r < 0) {
		portmap_free(&chosen);
		return r;
	}
	portmap_free(m);
	*m = chosen;
	return 0;
}

int claim_take(struct claim_host *host, struct portmap *m, claim_own_fn own,
	       void *ctx, struct claim **ret, struct err *err)
{
	struct search s = { .own = own, .ctx = ctx };
	int r;

	if (portmap_total(m) > CLAIM_TRY_MAX)
		s.how = BY_LOOK;
	else if (!sock_sees_everybody(host->sock) ||
		 sock_ready(host->sock, NULL) < 0)
		s.how = BY_SOCKET;
	r = attempt(host, m, &s, ret, err);
	if (r < 0 && s.how == BY_HOOK && s.unlisted) {
		s.how = BY_SOCKET;
		r = attempt(host, m, &s, ret, err);
	}
	if (r == -EMFILE || r == -ENFILE) { /* no descriptors left */
		s.how = BY_LOOK;
		r = attempt(host, m, &s, ret, err);
	}
	return r;
}
