/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How fast ports may be, as the programs count it: ns a byte. */
#include "dataplane/ebpf/guard_rate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "bpf/guard_map.h"

#define NS_A_SECOND UINT64_C(1000000000)

/* 8 kbit and 1 gb, and 512 KiB in one frame, stay below 2^63. */
static struct guard_bucket bucket_of(const struct dp_rate *r)
{
	if (!r->bytes)
		return (struct guard_bucket){ 0 };
	return (struct guard_bucket){
		.cost = (NS_A_SECOND << GUARD_RATE_SHIFT) / r->bytes,
		.burst = r->burst * NS_A_SECOND / r->bytes,
	};
}

static struct guard_rate entry_of(const struct dp_rates *r)
{
	return (struct guard_rate){ .in = bucket_of(&r->in),
				    .out = bucket_of(&r->out) };
}

static bool same(const struct guard_bucket *a, const struct guard_bucket *b)
{
	return a->cost == b->cost && a->burst == b->burst;
}

bool guard_rate_is(int map, int ifindex, const struct dp_rates *r)
{
	const struct guard_rate want = entry_of(r);
	__u32 key = (__u32)ifindex;
	struct guard_rate now;

	if (bpf_map_lookup_elem(map, &key, &now) < 0)
		return dp_rates_is_none(r);
	return !dp_rates_is_none(r) && same(&now.in, &want.in) &&
	       same(&now.out, &want.out);
}

int guard_rate_put(int map, int ifindex, const struct dp_rates *r,
		   struct err *err)
{
	const struct guard_rate want = entry_of(r);
	__u32 key = (__u32)ifindex;
	int e;

	if (guard_rate_is(map, ifindex, r))
		return 0;
	if (dp_rates_is_none(r)) {
		guard_rate_del(map, ifindex);
		return 1;
	}
	e = bpf_map_update_elem(map, &key, &want, BPF_ANY);
	if (e == -E2BIG)
		return err_set(err, e,
			       "rates of containers' ports: more than "
			       "%d",
			       GUARD_PORT_MAX);
	return e < 0 ? err_set(err, e, "rates of containers' ports: map: %s",
			       strerror(-e))
		     : 1;
}

void guard_rate_del(int map, int ifindex)
{
	__u32 key = (__u32)ifindex;

	(void)bpf_map_delete_elem(map, &key);
}
