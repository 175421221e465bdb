// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Published ports as a sorted list of ranges.
 *
 * Docker sends one entry a port, so 500 ports are 500 entries: they are sorted
 * once and neighbours joined, O(n log n).
 */
#include "dataplane/portmap.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"

/* The list has no capacity member: it is always the next power of two. */
static size_t capacity(size_t count)
{
	size_t cap = 1;

	while (cap < count)
		cap *= 2;
	return cap;
}

static uint32_t last_host(const struct port_range *r)
{
	return r->host_first + r->count - 1;
}

int portmap_append(struct portmap *m, const struct port_range *r,
		   struct err *err)
{
	if (m->count == 0 || m->count == capacity(m->count)) {
		size_t cap = capacity(m->count + 1);
		struct port_range *p =
			realloc(m->ranges, cap * sizeof(*m->ranges));

		if (!p)
			return err_set(err, -ENOMEM, "ports");
		m->ranges = p;
	}
	m->ranges[m->count++] = *r;
	return 0;
}

void portmap_free(struct portmap *m)
{
	free(m->ranges);
	*m = (struct portmap){ 0 };
}

int portmap_copy(const struct portmap *from, struct portmap *to,
		 struct err *err)
{
	struct port_range *p = NULL;

	if (from->count) {
		p = malloc(capacity(from->count) * sizeof(*p));
		if (!p)
			return err_set(err, -ENOMEM, "ports");
		memcpy(p, from->ranges, from->count * sizeof(*p));
	}
	*to = (struct portmap){ .ranges = p, .count = from->count };
	return 0;
}

int portmap_add(struct portmap *m, const struct ip_addr *host_ip, uint8_t proto,
		uint16_t host_first, uint16_t host_last, uint16_t port,
		struct err *err)
{
	struct port_range r = { .proto = proto,
				.port_first = port,
				.count = 1 };

	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP &&
	    proto != IPPROTO_SCTP)
		return err_set(err, -EINVAL,
			       "protocol %u: only tcp, udp and sctp ports can "
			       "be published",
			       proto);
	if (port == 0)
		return err_set(err, -EINVAL, "container port 0");
	if (host_last && host_last < host_first)
		return err_set(err, -EINVAL, "host ports %u-%u: backwards",
			       host_first, host_last);
	if (host_first == 0 && host_last)
		return err_set(err, -EINVAL, "host port 0-%u", host_last);
	if (host_ip)
		r.host_ip = *host_ip;
	if (host_last && host_last != host_first) {
		r.choose_first = host_first;
		r.choose_last = host_last;
	} else {
		r.host_first = host_first;
	}
	return portmap_append(m, &r, err);
}

/* Is what arrives at @b's address also @a's?  none: both families. */
static bool covers(const struct ip_addr *a, const struct ip_addr *b)
{
	if (ip_is_none(a) || ip_equal(a, b))
		return true;
	return ip_is_any(a) && a->family == b->family;
}

/* none, then 0.0.0.0 and ::, then the rest: what covers comes first. */
static int breadth(const struct ip_addr *a)
{
	return ip_is_none(a) ? 0 : ip_is_any(a) ? 1 : 2;
}

static int cmp_uint(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

static int cmp_by_port(const void *x, const void *y)
{
	const struct port_range *a = x, *b = y;
	int r = cmp_uint(a->proto, b->proto);

	r = r ? r : cmp_uint(a->host_first, b->host_first);
	r = r ? r : breadth(&a->host_ip) - breadth(&b->host_ip);
	r = r ? r : ip_cmp(&a->host_ip, &b->host_ip);
	r = r ? r : cmp_uint(a->port_first, b->port_first);
	r = r ? r : a->live - b->live;
	return r ? r : cmp_uint(b->count, a->count);
}

static int cmp_by_address(const void *x, const void *y)
{
	const struct port_range *a = x, *b = y;
	int r = cmp_uint(a->proto, b->proto);

	r = r ? r : breadth(&a->host_ip) - breadth(&b->host_ip);
	r = r ? r : ip_cmp(&a->host_ip, &b->host_ip);
	/* those to be chosen last */
	r = r ? r : (a->host_first == 0) - (b->host_first == 0);
	r = r ? r : cmp_uint(a->host_first, b->host_first);
	r = r ? r : cmp_uint(a->port_first, b->port_first);
	r = r ? r : cmp_uint(a->choose_first, b->choose_first);
	return r ? r : a->live - b->live;
}

static int clash(const struct port_range *a, const struct port_range *b,
		 const char *why, struct err *err)
{
	char sa[128], sb[128];

	return err_set(err, -EEXIST, "%s and %s: %s",
		       port_range_str(a, sa, sizeof(sa)),
		       port_range_str(b, sb, sizeof(sb)), why);
}

/* What the next one may still overlap: at most one range an address. */
struct active {
	struct port_range *list[64];
	size_t count;
};

static void forget_ended(struct active *act, const struct port_range *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < act->count; i++) {
		if (act->list[i]->proto == r->proto &&
		    last_host(act->list[i]) >= r->host_first)
			act->list[kept++] = act->list[i];
	}
	act->count = kept;
}

/* Return: 1 when @r adds nothing to what is active; 0; -EEXIST. */
static int check_against(const struct active *act, const struct port_range *r,
			 struct err *err)
{
	for (size_t i = 0; i < act->count; i++) {
		const struct port_range *a = act->list[i];
		bool same_ip = ip_equal(&a->host_ip, &r->host_ip);

		if (!covers(&a->host_ip, &r->host_ip) &&
		    !covers(&r->host_ip, &a->host_ip))
			continue;
		if (a->port_first - a->host_first !=
		    r->port_first - r->host_first)
			return clash(a, r,
				     "one host port can't lead to two "
				     "container ports",
				     err);
		if (covers(&a->host_ip, &r->host_ip) &&
		    last_host(a) >= last_host(r) &&
		    (!a->live || (r->live && same_ip)))
			return 1;
		if (!same_ip || a->live || r->live)
			return clash(a, r, "given twice in part", err);
	}
	return 0;
}

/* Sorted by port: drop what another entry covers. */
static int drop_covered(struct portmap *m, struct err *err)
{
	struct active act = { .count = 0 };
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		struct port_range *r = &m->ranges[i];
		int covered = 0;

		if (r->host_first) {
			forget_ended(&act, r);
			covered = check_against(&act, r, err);
		}
		if (covered < 0)
			return covered;
		if (covered)
			continue;
		m->ranges[kept] = *r;
		if (r->host_first && act.count == ARRAY_SIZE(act.list))
			return err_set(err, -E2BIG,
				       "port %u on more than %zu addresses",
				       r->host_first, ARRAY_SIZE(act.list));
		if (r->host_first)
			act.list[act.count++] = &m->ranges[kept];
		kept++;
	}
	m->count = kept;
	return 0;
}

/* Sorted by address: make one of neighbours and of those that overlap. */
static void join(struct portmap *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct port_range *r = &m->ranges[i];
		struct port_range *p = kept ? &m->ranges[kept - 1] : NULL;

		if (p && p->host_first && r->host_first && !p->live &&
		    !r->live && p->proto == r->proto &&
		    ip_equal(&p->host_ip, &r->host_ip) &&
		    r->host_first <= last_host(p) + 1 &&
		    r->port_first - p->port_first ==
			    r->host_first - p->host_first) {
			if (last_host(r) > last_host(p))
				p->count = last_host(r) - p->host_first + 1;
			continue;
		}
		m->ranges[kept++] = *r;
	}
	m->count = kept;
}

int portmap_normalize(struct portmap *m, struct err *err)
{
	int r;

	for (size_t i = 0; i < m->count; i++) {
		const struct port_range *p = &m->ranges[i];
		uint32_t top = p->host_first > p->port_first ? p->host_first
							     : p->port_first;

		if (p->count == 0 || p->port_first == 0 ||
		    top + p->count > 65536 || (!p->host_first && p->count > 1))
			return err_set(err, -EINVAL,
				       "ports %u->%u, %u of them: out of range",
				       p->host_first, p->port_first, p->count);
	}
	if (m->count < 2)
		return 0;
	qsort(m->ranges, m->count, sizeof(*m->ranges), cmp_by_port);
	r = drop_covered(m, err);
	if (r < 0)
		return r;
	qsort(m->ranges, m->count, sizeof(*m->ranges), cmp_by_address);
	join(m);
	return 0;
}

bool portmap_equal(const struct portmap *a, const struct portmap *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct port_range *x = &a->ranges[i], *y = &b->ranges[i];

		if (cmp_by_address(x, y) != 0 || x->count != y->count ||
		    x->choose_last != y->choose_last)
			return false;
	}
	return true;
}

bool port_range_same(const struct port_range *a, const struct port_range *b)
{
	return a->proto == b->proto && a->host_first == b->host_first &&
	       a->port_first == b->port_first && a->count == b->count &&
	       a->live == b->live && ip_equal(&a->host_ip, &b->host_ip);
}

struct port_range *portmap_find(const struct portmap *m,
				const struct port_range *r)
{
	for (size_t i = 0; i < m->count; i++)
		if (port_range_same(&m->ranges[i], r))
			return &m->ranges[i];
	return NULL;
}

static void span_str(char *buf, size_t size, uint32_t first, uint32_t last)
{
	if (first == last)
		snprintf(buf, size, "%u", first);
	else
		snprintf(buf, size, "%u-%u", first, last);
}

const char *port_range_str(const struct port_range *r, char *buf, size_t size)
{
	char ip[IP_STR_MAX], host[16] = "?", cont[16];

	ip_str(&r->host_ip, ip);
	if (r->host_first)
		span_str(host, sizeof(host), r->host_first, last_host(r));
	else if (r->choose_first)
		span_str(host, sizeof(host), r->choose_first, r->choose_last);
	span_str(cont, sizeof(cont), r->port_first,
		 r->port_first + r->count - 1);
	snprintf(buf, size, "%s%s%s%s%s->%s/%s",
		 r->host_ip.family == AF_INET6 ? "[" : "", ip,
		 r->host_ip.family == AF_INET6 ? "]" : "", ip[0] ? ":" : "",
		 host, cont, proto_name(r->proto));
	return buf;
}

uint32_t portmap_total(const struct portmap *m)
{
	uint32_t total = 0;

	for (size_t i = 0; i < m->count; i++)
		total += m->ranges[i].count;
	return total;
}

const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	default:
		return "?";
	}
}
