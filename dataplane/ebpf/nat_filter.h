/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat_filter.h - many filters (nat.h) as one: is a flow meant by any of them?
 *
 * A question costs the logarithm of their number, so that closing thousands of
 * scattered ports is one walk over the flows and not thousands.
 */
#ifndef DATAPLANE_EBPF_NAT_FILTER_H
#define DATAPLANE_EBPF_NAT_FILTER_H

#include <string.h>

#include "dataplane/ebpf/nat.h"

/* One packet's ends by what they are, whichever direction it has: of what is
 * published. */
struct nat_ends {
	const __u32 *host, *container;
	__u16 host_port, port; /* network order */
};

static inline struct nat_ends nat_ends_of(const struct nat_tuple *key,
					  const struct nat_flow *f)
{
	if (f->flags & NAT_FORWARD)
		return (struct nat_ends){ key->daddr, f->to.daddr, key->dport,
					  f->to.dport };
	return (struct nat_ends){ f->to.saddr, key->saddr, f->to.sport,
				  key->sport };
}

static inline bool nat_same(const __u32 a[4], const __u32 b[4])
{
	return memcmp(a, b, 16) == 0;
}

struct nat_filters {
	struct nat_filter_item *items; /* owned; sorted */
	size_t count;
	uint64_t compared; /* items looked at so far: what the tests count */
};

/* nat_filters_make() - of @list, which may have the same thing twice.
 * @ret: nat_filters_fini().  Return: 0; -ENOMEM. */
int nat_filters_make(const struct nat_filter *list, size_t count,
		     struct nat_filters *ret, struct err *err);
void nat_filters_fini(struct nat_filters *f);
/* Does any of them mean the flow with entry @key, @flow? */
bool nat_filters_match(struct nat_filters *f, const struct nat_tuple *key,
		       const struct nat_flow *flow);

#endif
