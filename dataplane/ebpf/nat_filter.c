/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters sorted by container, protocol, host address (a group) and first port.
 * Of a group, those that begin at a port or before mean it if any of them
 * reaches that far; the last of them knows how far they reach.
 */
#include "dataplane/ebpf/nat_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/ebpf/nat_priv.h"

struct nat_filter_item {
	__u32 container[4], host[4]; /* ::: any */
	uint32_t proto;              /* 0: whatever it is */
	uint32_t first, last;
	uint32_t reach; /* the largest .last of the group so far */
};

static int by_first(const void *va, const void *vb)
{
	const struct nat_filter_item *a = va, *b = vb;
	int c = memcmp(a->container, b->container, sizeof(a->container));

	if (c == 0)
		c = (a->proto > b->proto) - (a->proto < b->proto);
	if (c == 0)
		c = memcmp(a->host, b->host, sizeof(a->host));
	return c ? c : (a->first > b->first) - (a->first < b->first);
}

static bool same_group(const struct nat_filter_item *a,
		       const struct nat_filter_item *b)
{
	return nat_same(a->container, b->container) && a->proto == b->proto &&
	       nat_same(a->host, b->host);
}

static struct nat_filter_item item_of(const struct nat_filter *f)
{
	struct nat_filter_item i = { .proto = f->proto };

	if (!ip_is_none(&f->container))
		nat_addr(i.container, &f->container);
	if (!f->proto)
		return i;
	i.first = f->first;
	i.last = f->first + f->count - 1;
	if (!ip_is_none(&f->host) && !ip_is_any(&f->host))
		nat_addr(i.host, &f->host);
	return i;
}

int nat_filters_make(const struct nat_filter *list, size_t count,
		     struct nat_filters *ret, struct err *err)
{
	struct nat_filter_item *items = calloc(count + 1, sizeof(*items));
	size_t n = 0;

	if (!items)
		return err_set(err, -ENOMEM, "flows: out of memory");
	for (size_t i = 0; i < count; i++)
		if (!list[i].proto || list[i].count)
			items[n++] = item_of(&list[i]);
	qsort(items, n, sizeof(*items), by_first);
	for (size_t i = 0; i < n; i++) {
		items[i].reach = items[i].last;
		if (i && same_group(&items[i], &items[i - 1]) &&
		    items[i - 1].reach > items[i].reach)
			items[i].reach = items[i - 1].reach;
	}
	*ret = (struct nat_filters){ .items = items, .count = n };
	return 0;
}

void nat_filters_fini(struct nat_filters *f)
{
	free(f->items);
	*f = (struct nat_filters){ 0 };
}

/* Return: how many are not behind @at. */
static size_t up_to(struct nat_filters *f, const struct nat_filter_item *at)
{
	size_t lo = 0, hi = f->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		f->compared++;
		if (by_first(&f->items[mid], at) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool means(struct nat_filters *f, const __u32 container[4],
		  uint32_t proto, uint32_t port, const __u32 host[4])
{
	struct nat_filter_item at = { .proto = proto, .first = port };
	size_t n;

	memcpy(at.container, container, sizeof(at.container));
	memcpy(at.host, host, sizeof(at.host));
	n = up_to(f, &at);
	return n && same_group(&f->items[n - 1], &at) &&
	       f->items[n - 1].reach >= port;
}

bool nat_filters_match(struct nat_filters *f, const struct nat_tuple *key,
		       const struct nat_flow *flow)
{
	const __u32 *const ends[] = { key->saddr, key->daddr, flow->to.saddr,
				      flow->to.daddr };
	struct nat_ends e = nat_ends_of(key, flow);
	uint32_t port = ntohs(e.host_port);
	static const __u32 any[4];

	if (!(flow->flags & NAT_MASQ) && key->proto &&
	    (means(f, e.container, key->proto, port, any) ||
	     means(f, e.container, key->proto, port, e.host) ||
	     means(f, any, key->proto, port, any) ||
	     means(f, any, key->proto, port, e.host)))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (means(f, ends[i], 0, 0, any))
			return true;
	return false;
}
