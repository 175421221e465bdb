// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dataplane's memory of what it was told.
 *
 * A thousand networks and ten thousand endpoints are sorted arrays of
 * pointers: found in a dozen compares, walked in order.  Whether a host port
 * is taken is first asked of a bitmap, so that 500 new ports against 10,000
 * existing ranges do not become five million compares.
 */
#include "dataplane/state.h"

#include <string.h>

static const char *id_of(const void *item)
{
	return item;
}

/* Where @id is, or where it would go. */
static size_t tab_place(const struct tab *t, const char *id, bool *found)
{
	size_t lo = 0, hi = t->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(id_of(t->items[mid]), id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	*found = lo < t->count && strcmp(id_of(t->items[lo]), id) == 0;
	return lo;
}

void *tab_find(const struct tab *t, const char *id)
{
	bool found;
	size_t i = tab_place(t, id, &found);

	return found ? t->items[i] : NULL;
}

int tab_put(struct tab *t, void *item)
{
	bool found;
	size_t i = tab_place(t, id_of(item), &found);

	if (found) {
		free(t->items[i]);
		t->items[i] = item;
		return 0;
	}
	if (t->count == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		void **p = realloc(t->items, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		t->items = p;
		t->cap = cap;
	}
	memmove(&t->items[i + 1], &t->items[i],
		(t->count - i) * sizeof(*t->items));
	t->items[i] = item;
	t->count++;
	return 0;
}

void *tab_take(struct tab *t, const char *id)
{
	bool found;
	size_t i = tab_place(t, id, &found);
	void *item;

	if (!found)
		return NULL;
	item = t->items[i];
	t->count--;
	memmove(&t->items[i], &t->items[i + 1],
		(t->count - i) * sizeof(*t->items));
	if (t->count == 0) {
		free(t->items);
		*t = (struct tab){ 0 };
	}
	return item;
}

void state_pub_free(struct state_pub *p)
{
	if (!p)
		return;
	claim_free(p->claim);
	portmap_free(&p->pub.ports);
	free(p);
}

static void tab_fini(struct tab *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
	*t = (struct tab){ 0 };
}

void state_fini(struct state *st)
{
	for (size_t i = 0; i < st->pubs.count; i++)
		claim_free(state_row_claim(st->pubs.items[i]));
	tab_fini(&st->pubs);
	tab_fini(&st->names);
	tab_fini(&st->networks);
	tab_fini(&st->ports);
	tab_fini(&st->links);
}

struct dp_network *state_network(const struct state *st, const char *id)
{
	return tab_find(&st->networks, id);
}

static int proto_index(uint8_t proto)
{
	return proto == IPPROTO_TCP ? 0 : proto == IPPROTO_UDP ? 1 : 2;
}

/* One family's view: none and 0.0.0.0 meet every IPv4 address. */
bool state_addr_meets(const struct ip_addr *a, const struct ip_addr *b)
{
	if (ip_is_none(a) || ip_is_none(b))
		return true;
	if (a->family != b->family)
		return false;
	return ip_is_any(a) || ip_is_any(b) || ip_equal(a, b);
}

static bool any_used(const struct state *st, const struct port_range *r)
{
	const uint64_t *map = st->used[proto_index(r->proto)];

	for (uint32_t p = r->host_first; p < r->host_first + r->count; p++) {
		if (map[p / 64] & 1ull << p % 64)
			return true;
	}
	return false;
}

bool port_range_meets(const struct port_range *a, const struct port_range *b)
{
	return a->host_first && b->host_first && a->proto == b->proto &&
	       a->host_first < b->host_first + b->count &&
	       b->host_first < a->host_first + a->count &&
	       state_addr_meets(&a->host_ip, &b->host_ip);
}

static bool ranges_meet(const struct port_range *a, const struct port_range *b,
			uint16_t *ret_port)
{
	if (!port_range_meets(a, b))
		return false;
	*ret_port =
		a->host_first > b->host_first ? a->host_first : b->host_first;
	return true;
}

const struct state_row *state_clash(const struct state *st,
				    const struct port_range *r,
				    const char *except, uint16_t *ret_port)
{
	if (!any_used(st, r))
		return NULL;
	for (size_t i = 0; i < st->pubs.count; i++) {
		const struct state_row *row = st->pubs.items[i];
		struct state_ranges it = state_row_ranges(row);
		struct port_range o;

		if (!state_row_holds(row) ||
		    (except && strcmp(row->id, except) == 0))
			continue;
		while (state_ranges_next(&it, &o)) {
			if (ranges_meet(&o, r, ret_port))
				return row;
		}
	}
	return NULL;
}

static void mark(struct state *st, const struct port_range *r)
{
	uint64_t *map = st->used[proto_index(r->proto)];

	for (uint32_t k = 0; r->host_first && k < r->count; k++) {
		uint32_t p = r->host_first + k;

		map[p / 64] |= 1ull << p % 64;
	}
}

void state_mark(struct state *st, const struct portmap *m)
{
	for (size_t i = 0; i < m->count; i++)
		mark(st, &m->ranges[i]);
}

void state_remark(struct state *st)
{
	memset(st->used, 0, sizeof(st->used));
	st->stale = false;
	for (size_t i = 0; i < st->pubs.count; i++) {
		const struct state_row *row = st->pubs.items[i];
		struct state_ranges it = state_row_ranges(row);
		struct port_range r;

		while (state_row_holds(row) && state_ranges_next(&it, &r))
			mark(st, &r);
	}
}

bool state_pub_opens(const struct dp_network *net, int family)
{
	return !net->internal &&
	       (family == AF_INET ? net->mode4 : net->mode6) != DP_GW_ISOLATED;
}

static bool prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return ip_equal(&a->addr, &b->addr) && a->len == b->len;
}

bool network_equal(const struct dp_network *a, const struct dp_network *b)
{
	for (size_t i = 0; i < DP_TRUSTED_MAX; i++) {
		if (strcmp(a->trusted[i], b->trusted[i]) != 0)
			return false;
		if (!a->trusted[i][0])
			break;
	}
	return strcmp(a->id, b->id) == 0 && strcmp(a->bridge, b->bridge) == 0 &&
	       prefix_equal(&a->gateway4, &b->gateway4) &&
	       prefix_equal(&a->gateway6, &b->gateway6) &&
	       prefix_equal(&a->subnet4, &b->subnet4) &&
	       prefix_equal(&a->subnet6, &b->subnet6) && a->mode4 == b->mode4 &&
	       a->mode6 == b->mode6 && a->firewall == b->firewall &&
	       a->backend == b->backend && a->masquerade4 == b->masquerade4 &&
	       a->masquerade6 == b->masquerade6 &&
	       ip_equal(&a->snat4, &b->snat4) &&
	       ip_equal(&a->snat6, &b->snat6) && a->internal == b->internal &&
	       a->icc == b->icc && a->guard == b->guard &&
	       dp_policy_equal(&a->policy, &b->policy);
}

bool port_equal(const struct dp_port *a, const struct dp_port *b)
{
	return strcmp(a->network, b->network) == 0 &&
	       strcmp(a->endpoint, b->endpoint) == 0 &&
	       strcmp(a->ifname, b->ifname) == 0 &&
	       mac_equal(&a->mac, &b->mac) && ip_equal(&a->ip4, &b->ip4) &&
	       ip_equal(&a->ip6, &b->ip6) &&
	       dp_policy_equal(&a->policy, &b->policy) &&
	       strcmp(a->join.name, b->join.name) == 0 &&
	       a->join.port == b->join.port &&
	       a->join.weight == b->join.weight &&
	       dp_rates_equal(&a->rate, &b->rate);
}

bool publish_equal(const struct dp_publish *a, const struct dp_publish *b)
{
	return strcmp(a->network, b->network) == 0 &&
	       strcmp(a->endpoint, b->endpoint) == 0 &&
	       ip_equal(&a->ip4, &b->ip4) && ip_equal(&a->ip6, &b->ip6) &&
	       portmap_equal(&a->ports, &b->ports) && a->judged == b->judged;
}
