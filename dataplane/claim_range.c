// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ranges of ports held without a socket each: looked for among the host's
 * sockets, and put on the list that the kernel's ephemeral allocator avoids.
 *
 * The list, net.ipv4.ip_local_reserved_ports, is the administrator's too: what
 * was on it stays, and only what we added is taken off again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dataplane/claim.h"
#include "lib/fail.h"
#include "lib/sockdiag.h"

#define RESERVED "/proc/sys/net/ipv4/ip_local_reserved_ports"
#define WORDS    (65536 / 64)

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

/* ---- the list of reserved ports ----------------------------------------- */

/* Half of it is an error: what is written back later would lose the rest. */
static int read_list(char **ret)
{
	_cleanup_close_ int fd = open(RESERVED, O_RDONLY | O_CLOEXEC);
	size_t cap = 512 * 1024, len = 0; /* "65535," for each of them fits */
	_cleanup_free_ char *buf = NULL;
	ssize_t n;
	int r;

	if (fd < 0)
		return -errno;
	buf = malloc(cap);
	if (!buf)
		return -ENOMEM;
	do {
		r = FAILPOINT("claim.reserved.read");
		n = r < 0 ? -1 : read(fd, buf + len, cap - 1 - len);
		if (n < 0)
			return r < 0 ? r : -errno;
		len += (size_t)n;
	} while (n > 0 && len < cap - 1);
	buf[len] = '\0';
	*ret = take_ptr(buf);
	return 0;
}

int claim_reserved_read(uint64_t *ret, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = read_list(&text);
	char *p = text;

	if (!text)
		return err_set(err, r, "%s: %s", RESERVED, strerror(-r));
	memset(ret, 0, WORDS * sizeof(*ret));
	while (*(p += strcspn(p, "0123456789"))) {
		unsigned long from = strtoul(p, &p, 10), to = from;

		if (*p == '-')
			to = strtoul(p + 1, &p, 10);
		for (; from <= to && from < 65536; from++)
			set_bit(ret, (uint32_t)from);
	}
	return 0;
}

static char *list_text(const uint64_t *map, size_t *ret_len)
{
	size_t cap = 512 * 1024, len = 0;
	_cleanup_free_ char *buf = malloc(cap);
	uint32_t p = 0;

	if (!buf)
		return NULL;
	while (p < 65536) {
		uint32_t from = p;

		if (!bit(map, p)) {
			p += map[p / 64] == 0 ? 64 - p % 64 : 1;
			continue;
		}
		while (p < 65536 && bit(map, p))
			p++;
		len += (size_t)snprintf(buf + len, cap - len,
					from == p - 1 ? "%s%u" : "%s%u-%u",
					len ? "," : "", from, p - 1);
	}
	len += (size_t)snprintf(buf + len, cap - len, "\n");
	*ret_len = len;
	return take_ptr(buf);
}

static int write_list(const uint64_t *map, struct err *err)
{
	_cleanup_close_ int fd = open(RESERVED, O_WRONLY | O_CLOEXEC);
	size_t len = 0, done = 0;
	_cleanup_free_ char *text = list_text(map, &len);

	if (fd < 0)
		return err_set(err, -errno, "%s", RESERVED);
	if (!text)
		return err_set(err, -ENOMEM, "%s", RESERVED);
	/* a page at a time; the kernel adds up what one descriptor writes */
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0)
			return err_set(err, n < 0 ? -errno : -EIO, "%s",
				       RESERVED);
		done += (size_t)n;
	}
	return 0;
}

static void mark(uint64_t *map, const struct portmap *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct port_range *r = &m->ranges[i];

		for (uint32_t k = 0; k < r->count; k++)
			set_bit(map, r->host_first + k);
	}
}

int claim_reserve(struct claim *c, struct err *err)
{
	struct claim_host *host = c->host;
	uint64_t now[WORDS], want[WORDS] = { 0 };
	bool change = false;
	int r = claim_reserved_read(now, err);

	if (r < 0)
		return r;
	mark(want, &c->ports);
	for (size_t i = 0; i < WORDS; i++) {
		uint64_t more = want[i] & ~now[i];

		host->reserved[i] |= host->adopting ? want[i] : more;
		now[i] |= more;
		change = change || more;
	}
	c->next = host->ranges;
	host->ranges = c;
	return change ? write_list(now, err) : 0;
}

void claim_release(struct claim *c)
{
	struct claim_host *host = c->host;
	struct claim **at = &host->ranges;
	uint64_t now[WORDS], keep[WORDS] = { 0 };
	bool change = false;

	while (*at && *at != c)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = c->next;
	for (const struct claim *o = host->ranges; o; o = o->next)
		mark(keep, &o->ports);
	if (claim_reserved_read(now, NULL) < 0)
		return;
	for (size_t i = 0; i < WORDS; i++) {
		uint64_t gone = host->reserved[i] & ~keep[i];

		host->reserved[i] &= keep[i];
		change = change || (now[i] & gone);
		now[i] &= ~gone;
	}
	if (change)
		(void)write_list(now, NULL); /* a reserved port too many */
}

int claim_keep(struct claim_host *host, uint16_t first, uint16_t last,
	       struct claim **ret, struct err *err)
{
	_cleanup_(claim_freep) struct claim *c = calloc(1, sizeof(*c));
	const struct port_range range = { .proto = IPPROTO_TCP,
					  .host_first = first,
					  .port_first = first,
					  .count =
						  (uint32_t)last - first + 1u };
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "host ports");
	c->host = host;
	c->ports.ranges = calloc(1, sizeof(range));
	if (!c->ports.ranges)
		return err_set(err, -ENOMEM, "host ports");
	c->ports.ranges[0] = range;
	c->ports.count = 1;
	c->by_range = true;
	r = claim_reserve(c, err);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}

void claim_leave(struct claim *c)
{
	struct claim **at;

	if (!c)
		return;
	for (at = &c->host->ranges; *at; at = &(*at)->next)
		if (*at == c) {
			*at = c->next;
			break;
		}
	portmap_free(&c->ports);
	free(c->fds);
	free(c);
}

void claim_forget(struct claim_host *host, const uint64_t *ports)
{
	uint64_t now[WORDS], keep[WORDS] = { 0 };
	bool change = false;

	for (const struct claim *o = host->ranges; o; o = o->next)
		mark(keep, &o->ports);
	if (claim_reserved_read(now, NULL) < 0)
		return;
	for (size_t i = 0; i < WORDS; i++) {
		uint64_t gone = ports[i] & ~keep[i];

		change = change || (now[i] & gone);
		now[i] &= ~gone;
	}
	if (change)
		(void)write_list(now, NULL); /* a reserved port too many */
}
