// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Who has a port: many of them looked for among the host's sockets, one that was
 * refused named with its process.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/claim.h"
#include "lib/sockdiag.h"

static bool bit(const uint64_t *map, uint32_t port)
{
	return map[port / 64] >> port % 64 & 1;
}

static void set_bit(uint64_t *map, uint32_t port)
{
	map[port / 64] |= 1ull << port % 64;
}

/* ---- who holds it ------------------------------------------------------- */

static int first_holder(void *ctx, const struct sockdiag_entry *e)
{
	/* a client's own port: its flow is tracked and stays its own */
	if (e->connected)
		return 0;
	*(struct sockdiag_entry *)ctx = *e;
	return 1;
}

static const char *host_str(const struct port_range *r, uint32_t port,
			    char *buf, size_t size)
{
	char ip[IP_STR_MAX];

	ip_str(&r->host_ip, ip);
	snprintf(buf, size,
		 r->host_ip.family == AF_INET6 ? "[%s]%s%u/%s" : "%s%s%u/%s",
		 ip, ip[0] ? ":" : "", port, proto_name(r->proto));
	return buf;
}

int claim_refused(const struct port_range *r, uint32_t port, int code,
		  struct err *err)
{
	char where[80], owner[SOCKDIAG_OWNER_MAX] = "";
	struct sockdiag_entry e;

	host_str(r, port, where, sizeof(where));
	if (code == -EADDRNOTAVAIL)
		return err_set(err, code,
			       "host port %s: this host does not have that "
			       "address",
			       where);
	if (code == -EINVAL && r->host_ip.family == AF_INET6)
		return err_set(err, code,
			       "host port %s: a link-local address needs an "
			       "interface; publish on another address",
			       where);
	if (code != -EADDRINUSE)
		return err_set(err, code, "host port %s: %s", where,
			       strerror(-code));
	if (err && sockdiag_find(r->proto, &r->host_ip, (uint16_t)port,
				 (uint16_t)port, &e, NULL) == 1)
		sockdiag_owner(e.inode, owner);
	return err_set(err, code,
		       "host port %s is taken by %s: stop it or publish "
		       "another port",
		       where, owner[0] ? owner : "another socket of this host");
}

/* Does this host have the address?  A socket bound to no port tells. */
static int check_address(const struct port_range *r, struct err *err)
{
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in a4 = { .sin_family = AF_INET };
	_cleanup_close_ int fd = -EBADF;
	int failed;

	if (ip_is_none(&r->host_ip) || ip_is_any(&r->host_ip))
		return 0;
	fd = socket(r->host_ip.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return claim_refused(r, r->host_first, -errno, err);
	memcpy(&a4.sin_addr, r->host_ip.bytes, 4);
	memcpy(&a6.sin6_addr, r->host_ip.bytes, 16);
	failed = r->host_ip.family == AF_INET
			 ? bind(fd, (struct sockaddr *)&a4, sizeof(a4))
			 : bind(fd, (struct sockaddr *)&a6, sizeof(a6));
	return failed ? claim_refused(r, r->host_first, -errno, err) : 0;
}

void claim_busy_free(struct claim_busy *b)
{
	while (b) {
		struct claim_busy *next = b->next;

		free(b);
		b = next;
	}
}

static int mark_busy(void *ctx, const struct sockdiag_entry *e)
{
	if (!e->connected)
		set_bit(ctx, e->port);
	return 0;
}

static int busy_ports(struct claim_busy **list, uint8_t proto,
		      const struct claim_busy **ret, struct err *err)
{
	_cleanup_(claim_busy_freep) struct claim_busy *b = NULL;
	int r;

	for (*ret = *list; *ret; *ret = (*ret)->next)
		if ((*ret)->proto == proto)
			return 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return err_set(err, -ENOMEM, "host ports");
	b->proto = proto;
	r = sockdiag_each(proto, NULL, 1, 65535, mark_busy, b->ports, err);
	if (r < 0)
		return r;
	b->next = *list;
	*ret = *list = take_ptr(b);
	return 0;
}

int claim_range_check(const struct port_range *r, struct claim_busy **list,
		      struct err *err)
{
	const struct claim_busy *b = NULL;
	int n = check_address(r, err);

	if (n == 0)
		n = busy_ports(list, r->proto, &b, err);
	if (n < 0)
		return n;
	for (uint32_t p = r->host_first; p < r->host_first + r->count; p++) {
		struct sockdiag_entry e;

		if (!bit(b->ports, p))
			continue;
		/* on the same address? */
		n = sockdiag_each(r->proto, &r->host_ip, (uint16_t)p,
				  (uint16_t)p, first_holder, &e, err);
		if (n != 0)
			return n < 0 ? n
				     : claim_refused(r, p, -EADDRINUSE, err);
	}
	return 0;
}
