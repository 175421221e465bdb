// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is published, packed: of ten thousand containers most have one port, and
 * what is said of it fits into a hundred bytes, most of them the endpoint's id.
 *
 * .data is what is there of: IPv4 address, IPv6 address, claim; then the ranges,
 * each two bytes of kind and protocol, host port, container port, count, counter,
 * and what is there of: host address, ports it was chosen from.
 */
#include <linux/types.h>
#include <string.h>

#include "bpf/nat_map.h"
#include "dataplane/state.h"

_Static_assert(NAT_STAT_MAX <= 65536, "a counter's index has 16 bits here");

enum row_flags {
	ROW_IP4 = 1 << 0,
	ROW_IP6 = 1 << 1,
	ROW_JUDGED = 1 << 2,
	ROW_HOLDS = 1 << 3,
	ROW_CLAIM = 1 << 4, /* it is in .data */
	ROW_HELD = 1 << 5,  /* it is the ranges themselves: claim_is_plain() */
	ROW_WHOLE = 1 << 6, /* with that: claim.whole */
};

enum range_flags {
	RANGE_IP4 = 1 << 0,
	RANGE_IP6 = 1 << 1,
	RANGE_CHOSEN = 1 << 2,
	RANGE_LIVE = 1 << 3,
};

/* ---- networks' names ------------------------------------------------------ */

struct state_name {
	char id[65];
	uint32_t refs; /* rows */
};

static struct state_name *name_get(struct state *st, const char *id)
{
	struct state_name *n = tab_find(&st->names, id);

	if (!n) {
		n = calloc(1, sizeof(*n));
		if (!n)
			return NULL;
		memcpy(n->id, id, strnlen(id, sizeof(n->id) - 1));
		if (tab_put(&st->names, n) < 0) {
			free(n);
			return NULL;
		}
	}
	n->refs++;
	return n;
}

static void name_put(struct state *st, struct state_name *n)
{
	if (n && --n->refs == 0)
		free(tab_take(&st->names, n->id));
}

const char *state_row_network(const struct state_row *row)
{
	return row->network->id;
}

/* ---- packing -------------------------------------------------------------- */

struct writer {
	uint8_t *to; /* NULL: only count */
	size_t len;
};

static void put(struct writer *w, const void *from, size_t size)
{
	if (w->to)
		memcpy(w->to + w->len, from, size);
	w->len += size;
}

static void put16(struct writer *w, uint32_t n)
{
	const uint16_t v = (uint16_t)n;

	put(w, &v, sizeof(v));
}

static uint8_t range_kind(const struct port_range *r)
{
	uint8_t kind = r->host_ip.family == AF_INET    ? RANGE_IP4
		       : r->host_ip.family == AF_INET6 ? RANGE_IP6
						       : 0;

	if (r->live)
		kind |= RANGE_LIVE;
	return r->choose_last ? kind | RANGE_CHOSEN : kind;
}

static void put_range(struct writer *w, const struct port_range *r)
{
	const uint8_t kind[2] = { range_kind(r), r->proto };

	put(w, kind, sizeof(kind));
	put16(w, r->host_first);
	put16(w, r->port_first);
	put16(w, r->count);
	put16(w, r->stat);
	put(w, r->host_ip.bytes, ip_bytes(&r->host_ip));
	if (kind[0] & RANGE_CHOSEN) {
		put16(w, r->choose_first);
		put16(w, r->choose_last);
	}
}

static uint8_t row_flags(const struct state_pub *p)
{
	uint8_t f = 0;

	if (!ip_is_none(&p->pub.ip4))
		f |= ROW_IP4;
	if (!ip_is_none(&p->pub.ip6))
		f |= ROW_IP6;
	if (p->pub.judged)
		f |= ROW_JUDGED;
	if (p->holds)
		f |= ROW_HOLDS;
	if (!p->claim)
		return f;
	if (!claim_is_plain(p->claim, &p->pub.ports))
		return f | ROW_CLAIM;
	return f | ROW_HELD | (p->claim->whole ? ROW_WHOLE : 0);
}

static void put_all(struct writer *w, const struct state_pub *p, uint8_t flags)
{
	put(w, p->pub.ip4.bytes, ip_bytes(&p->pub.ip4));
	put(w, p->pub.ip6.bytes, ip_bytes(&p->pub.ip6));
	if (flags & ROW_CLAIM)
		put(w, &p->claim, sizeof(p->claim));
	for (size_t i = 0; i < p->pub.ports.count; i++)
		put_range(w, &p->pub.ports.ranges[i]);
}

struct state_row *state_row_new(struct state *st, const struct state_pub *p)
{
	const uint8_t flags = row_flags(p);
	struct writer w = { .to = NULL };
	struct state_row *row;

	put_all(&w, p, flags);
	row = calloc(1, sizeof(*row) + w.len);
	if (!row)
		return NULL;
	row->network = name_get(st, p->pub.network);
	if (!row->network) {
		free(row);
		return NULL;
	}
	memcpy(row->id, p->id, sizeof(row->id));
	row->flags = flags;
	row->count = (uint32_t)p->pub.ports.count;
	w = (struct writer){ .to = row->data };
	put_all(&w, p, flags);
	return row;
}

void state_row_free(struct state *st, struct state_row *row)
{
	if (!row)
		return;
	name_put(st, row->network);
	free(row);
}

void state_row_keep(const struct state_row *row, struct state_pub *p)
{
	if (row->flags & ROW_HELD)
		claim_shed(p->claim);
	p->claim = NULL;
}

/* ---- unpacking ------------------------------------------------------------ */

static void get(const uint8_t **at, void *to, size_t size)
{
	memcpy(to, *at, size);
	*at += size;
}

static uint16_t get16(const uint8_t **at)
{
	uint16_t v;

	get(at, &v, sizeof(v));
	return v;
}

static void get_ip(const uint8_t **at, uint8_t family, struct ip_addr *ret)
{
	*ret = (struct ip_addr){ .family = family };
	get(at, ret->bytes, ip_bytes(ret));
}

/* What is before the ranges.  Return: where these begin. */
static const uint8_t *get_head(const struct state_row *row, struct ip_addr *ip4,
			       struct ip_addr *ip6, struct claim **claim)
{
	const uint8_t *at = row->data;

	get_ip(&at, row->flags & ROW_IP4 ? AF_INET : 0, ip4);
	get_ip(&at, row->flags & ROW_IP6 ? AF_INET6 : 0, ip6);
	*claim = NULL;
	if (row->flags & ROW_CLAIM)
		get(&at, claim, sizeof(struct claim *));
	return at;
}

struct state_ranges state_row_ranges(const struct state_row *row)
{
	struct ip_addr ip4, ip6;
	struct claim *claim;

	return (struct state_ranges){ .at = get_head(row, &ip4, &ip6, &claim),
				      .left = row->count };
}

bool state_ranges_next(struct state_ranges *it, struct port_range *ret)
{
	uint8_t kind[2];

	if (!it->left)
		return false;
	it->left--;
	get(&it->at, kind, sizeof(kind));
	*ret = (struct port_range){ .proto = kind[1],
				    .live = kind[0] & RANGE_LIVE };
	ret->host_first = get16(&it->at);
	ret->port_first = get16(&it->at);
	ret->count = get16(&it->at);
	ret->stat = get16(&it->at);
	get_ip(&it->at,
	       kind[0] & RANGE_IP4   ? AF_INET
	       : kind[0] & RANGE_IP6 ? AF_INET6
				     : 0,
	       &ret->host_ip);
	if (kind[0] & RANGE_CHOSEN) {
		ret->choose_first = get16(&it->at);
		ret->choose_last = get16(&it->at);
	}
	return true;
}

void state_row_ips(const struct state_row *row, struct ip_addr *ip4,
		   struct ip_addr *ip6)
{
	struct claim *claim;

	(void)get_head(row, ip4, ip6, &claim);
}

struct claim *state_row_claim(const struct state_row *row)
{
	struct ip_addr ip4, ip6;
	struct claim *claim;

	(void)get_head(row, &ip4, &ip6, &claim);
	return claim;
}

bool state_row_holds(const struct state_row *row)
{
	return row->flags & ROW_HOLDS;
}

bool state_row_is_claimed(const struct state_row *row)
{
	return row->flags & (ROW_CLAIM | ROW_HELD);
}

static int get_ports(const struct state_row *row, struct portmap *ret,
		     struct err *err)
{
	struct state_ranges it = state_row_ranges(row);
	size_t room = 1;

	*ret = (struct portmap){ 0 };
	if (!row->count)
		return 0;
	while (room < row->count) /* as portmap.c has it */
		room *= 2;
	ret->ranges = calloc(room, sizeof(*ret->ranges));
	if (!ret->ranges)
		return err_set(err, -ENOMEM, "endpoint %.12s", row->id);
	while (state_ranges_next(&it, &ret->ranges[ret->count]))
		ret->count++;
	return 0;
}

int state_row_view(const struct state_row *row, struct state_pub *ret,
		   struct err *err)
{
	*ret = (struct state_pub){ .holds = state_row_holds(row) };
	state_row_ips(row, &ret->pub.ip4, &ret->pub.ip6);
	memcpy(ret->id, row->id, sizeof(ret->id));
	memcpy(ret->pub.endpoint, row->id, sizeof(ret->pub.endpoint));
	memcpy(ret->pub.network, row->network->id, sizeof(ret->pub.network));
	ret->pub.judged = row->flags & ROW_JUDGED;
	return get_ports(row, &ret->pub.ports, err);
}

int state_row_open(const struct state_row *row, struct claim_host *host,
		   struct state_pub **ret, struct err *err)
{
	_cleanup_(state_pub_freep) struct state_pub *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return err_set(err, -ENOMEM, "endpoint %.12s", row->id);
	r = state_row_view(row, p, err);
	if (r == 0 && row->flags & ROW_HELD)
		r = claim_again(host, &p->pub.ports, row->flags & ROW_WHOLE,
				&p->claim, err);
	if (r < 0)
		return r;
	if (row->flags & ROW_CLAIM)
		p->claim = state_row_claim(row);
	*ret = take_ptr(p);
	return 0;
}
