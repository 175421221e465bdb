/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets by port, from the kernel's inet_diag. */
#include "lib/sockdiag.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_priv.h"

#define TCP_BOUND_INACTIVE 13 /* Linux 6.8; older ones find none */

struct find {
	struct ip_addr addr;
	uint16_t first, last;
	uint8_t proto;
	struct nlk_list list;
	size_t kept; /* of the family asked before */
};

static struct ip_addr addr_from(uint8_t family, const __be32 *src)
{
	struct ip_addr a = { .family = family };

	memcpy(a.bytes, src, family == AF_INET ? 4 : 16);
	return a;
}

/* ::ffff:a.b.c.d as a.b.c.d */
static struct ip_addr unmapped(const struct ip_addr *a)
{
	static const uint8_t head[12] = { [10] = 0xff, [11] = 0xff };
	struct ip_addr v4 = { .family = AF_INET };

	if (a->family != AF_INET6 || memcmp(a->bytes, head, sizeof(head)) != 0)
		return *a;
	memcpy(v4.bytes, a->bytes + 12, 4);
	return v4;
}

static bool meets(const struct find *f, const struct sockdiag_entry *e)
{
	struct ip_addr bound = unmapped(&e->addr), want = unmapped(&f->addr);

	if (e->port < f->first || e->port > f->last)
		return false;
	if (ip_is_none(&want) || ip_equal(&bound, &want))
		return true;
	if (ip_is_any(&bound))
		return bound.family == want.family ||
		       (bound.family == AF_INET6 && !e->v6only);
	return ip_is_any(&want) && bound.family == want.family;
}

static int on_socket(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[INET_DIAG_SKV6ONLY + 1];
	const struct inet_diag_msg *m;
	struct sockdiag_entry e;
	struct find *f = ctx;

	if (nlmsg_parse(h, sizeof(*m), tb, INET_DIAG_SKV6ONLY, NULL) < 0)
		return -EBADMSG;
	m = nlmsg_data(h);
	e = (struct sockdiag_entry){
		.addr = addr_from(m->idiag_family, m->id.idiag_src),
		.inode = m->idiag_inode,
		.uid = m->idiag_uid,
		.port = ntohs(m->id.idiag_sport),
		.proto = f->proto,
		.v6only = tb[INET_DIAG_SKV6ONLY] &&
			  nla_get_u8(tb[INET_DIAG_SKV6ONLY]),
		.connected = m->id.idiag_dport != 0,
	};
	return meets(f, &e) ? nlk_list_add(&f->list, &e) : 0;
}

/* Let the kernel leave out what is not in first..last: two comparisons, each
 * two ops long; the argument of a port is in the second op. */
static void add_port_filter(struct nlk_msg *b, void *ctx)
{
	const struct find *f = ctx;
	struct inet_diag_bc_op ops[4] = {
		{ .code = INET_DIAG_BC_S_GE, .yes = 8, .no = 20 },
		{ .no = f->first },
		{ .code = INET_DIAG_BC_S_LE, .yes = 8, .no = 12 },
		{ .no = f->last },
	};

	nlk_put(b, INET_DIAG_REQ_BYTECODE, ops, sizeof(ops));
}

static void forget_sockets(void *ctx)
{
	struct find *f = ctx;

	f->list.count = f->kept;
}

static int dump_family(struct nlk *nlk, uint8_t family, struct find *f,
		       struct err *err)
{
	struct inet_diag_req_v2 req = { .sdiag_family = family,
					.sdiag_protocol = f->proto,
					.idiag_states = UINT32_MAX };
	int r;

	f->kept = f->list.count;
	if (f->proto != IPPROTO_UDP)
		req.idiag_states = 1u << TCP_LISTEN | 1u << TCP_BOUND_INACTIVE;
	r = nlk_dump(nlk, SOCK_DIAG_BY_FAMILY, &req, sizeof(req),
		     add_port_filter, on_socket, forget_sockets, f, err,
		     "sockets");
	if (r != -ENOENT)
		return r;
	if (f->proto == IPPROTO_SCTP)
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "sockets: the kernel has no %s: load that module",
		       f->proto == IPPROTO_TCP ? "tcp_diag" : "udp_diag");
}

static void find_fini(struct find *f)
{
	nlk_list_fini(&f->list);
}

int sockdiag_each(uint8_t proto, const struct ip_addr *addr, uint16_t first,
		  uint16_t last,
		  int (*fn)(void *ctx, const struct sockdiag_entry *e),
		  void *ctx, struct err *err)
{
	_cleanup_(find_fini) struct find f = {
		.first = first,
		.last = last,
		.proto = proto,
		.list.item = sizeof(struct sockdiag_entry),
	};
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	int r = nlk_open_family(NETLINK_SOCK_DIAG, &nlk, err);

	if (r < 0)
		return r;
	if (addr)
		f.addr = *addr;
	r = dump_family(nlk, AF_INET6, &f, err);
	if (r == 0 && f.addr.family != AF_INET6)
		r = dump_family(nlk, AF_INET, &f, err);
	for (size_t i = 0; r == 0 && i < f.list.count; i++)
		r = fn(ctx,
		       &((struct sockdiag_entry *)(void *)f.list.items)[i]);
	return r;
}

static int take_first(void *ctx, const struct sockdiag_entry *e)
{
	*(struct sockdiag_entry *)ctx = *e;
	return 1;
}

int sockdiag_find(uint8_t proto, const struct ip_addr *addr, uint16_t first,
		  uint16_t last, struct sockdiag_entry *ret, struct err *err)
{
	return sockdiag_each(proto, addr, first, last, take_first, ret, err);
}

/* ---- ending them -------------------------------------------------------- */

struct peers {
	struct ip_addr addr;
	uint16_t first, last;
	struct nlk_list list; /* struct inet_diag_req_v2 */
	size_t kept;
};

static int on_peer(void *ctx, struct nlmsghdr *h)
{
	const struct inet_diag_msg *m = nlmsg_data(h);
	struct inet_diag_req_v2 req = { .sdiag_protocol = IPPROTO_UDP,
					.idiag_states = UINT32_MAX };
	struct peers *p = ctx;
	struct ip_addr dst;

	if (nlmsg_datalen(h) < (int)sizeof(*m))
		return -EBADMSG;
	dst = addr_from(m->idiag_family, m->id.idiag_dst);
	dst = unmapped(&dst);
	if (!ip_equal(&dst, &p->addr) || ntohs(m->id.idiag_dport) < p->first ||
	    ntohs(m->id.idiag_dport) > p->last)
		return 0;
	req.sdiag_family = m->idiag_family;
	req.id = m->id;
	return nlk_list_add(&p->list, &req);
}

static void add_peer_filter(struct nlk_msg *b, void *ctx)
{
	const struct peers *p = ctx;
	struct inet_diag_bc_op ops[4] = {
		{ .code = INET_DIAG_BC_D_GE, .yes = 8, .no = 20 },
		{ .no = p->first },
		{ .code = INET_DIAG_BC_D_LE, .yes = 8, .no = 12 },
		{ .no = p->last },
	};

	nlk_put(b, INET_DIAG_REQ_BYTECODE, ops, sizeof(ops));
}

static void forget_peers(void *ctx)
{
	struct peers *p = ctx;

	p->list.count = p->kept;
}

static int find_peers(struct nlk *nlk, uint8_t family, struct peers *p,
		      struct err *err)
{
	struct inet_diag_req_v2 req = { .sdiag_family = family,
					.sdiag_protocol = IPPROTO_UDP,
					.idiag_states = 1u << TCP_ESTABLISHED };

	p->kept = p->list.count;
	return nlk_dump(nlk, SOCK_DIAG_BY_FAMILY, &req, sizeof(req),
			add_peer_filter, on_peer, forget_peers, p, err,
			"sockets");
}

static int abort_one(struct nlk *nlk, const struct inet_diag_req_v2 *req,
		     struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(SOCK_DESTROY, 0, req, sizeof(*req));
	int r = nlk_call(nlk, &b, NULL, NULL, err, "abort", "UDP socket");

	return r == -ENOENT ? 0 : r; /* closed meanwhile */
}

static void peers_fini(struct peers *p)
{
	nlk_list_fini(&p->list);
}

int sockdiag_abort_udp(const struct ip_addr *peer, uint16_t first,
		       uint16_t last, struct err *err)
{
	_cleanup_(peers_fini) struct peers p = {
		.addr = *peer,
		.first = first,
		.last = last,
		.list.item = sizeof(struct inet_diag_req_v2),
	};
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	int r = nlk_open_family(NETLINK_SOCK_DIAG, &nlk, err);

	if (r == 0)
		r = find_peers(nlk, AF_INET6, &p, err);
	if (r == 0 && peer->family == AF_INET)
		r = find_peers(nlk, AF_INET, &p, err);
	for (size_t i = 0; r == 0 && i < p.list.count; i++)
		r = abort_one(
			nlk,
			&((struct inet_diag_req_v2 *)(void *)p.list.items)[i],
			err);
	return r < 0 ? r : (int)p.list.count;
}

/* ---- whose is it -------------------------------------------------------- */

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool holds(int proc, const char *pid, const char *want)
{
	char path[64], link[64];
	_cleanup_(closedirp) DIR *dir = NULL;
	const struct dirent *de;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		closep(&fd);
		return false;
	}
	while ((de = readdir(dir))) {
		n = readlinkat(dirfd(dir), de->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		if (strcmp(link, want) == 0)
			return true;
	}
	return false;
}

static void describe(int proc, const char *pid, char *buf, size_t size)
{
	char path[64], comm[32] = "?";
	_cleanup_close_ int fd = -EBADF;
	ssize_t n;

	snprintf(path, sizeof(path), "%.20s/comm", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);
	if (n > 0)
		comm[n] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(buf, size, "%.16s (pid %.20s)", comm, pid);
}

const char *sockdiag_owner(uint32_t inode, char buf[static SOCKDIAG_OWNER_MAX])
{
	_cleanup_(closedirp) DIR *proc = opendir("/proc");
	const struct dirent *de;
	char want[32];

	buf[0] = '\0';
	if (!proc || inode == 0)
		return buf;
	snprintf(want, sizeof(want), "socket:[%u]", inode);
	while ((de = readdir(proc))) {
		if (!isdigit((unsigned char)de->d_name[0]) ||
		    !holds(dirfd(proc), de->d_name, want))
			continue;
		describe(dirfd(proc), de->d_name, buf, SOCKDIAG_OWNER_MAX);
		break;
	}
	return buf;
}
