/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an endpoint has of the established flows, as far as we change it.
 *
 * The programs add and subtract at the same time; so the counts are mapped and
 * changed in place, not read and written.  A kill between the steps of
 * nat_share_drop() leaves one too many, and a packet that closes the flow at the
 * very moment one too few, of tens of thousands.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "dataplane/ebpf/nat_priv.h"

#define SHARE_BYTES (NAT_SHARE_SLOTS * sizeof(int64_t))

int nat_share_open(struct nat *nat, int fd, struct err *err)
{
	void *p = mmap(NULL, SHARE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);

	if (p == MAP_FAILED)
		return err_set(err, -errno, "counts of flows: %s",
			       strerror(errno));
	nat_share_close(nat);
	nat->share = p;
	return 0;
}

void nat_share_close(struct nat *nat)
{
	if (nat->share)
		munmap(nat->share, SHARE_BYTES);
	nat->share = NULL;
}

/* Remove one entry. Return: it was there, as *@ret. */
static bool take(struct nat *nat, const struct nat_tuple *key,
		 struct nat_flow *ret)
{
	return bpf_map_lookup_and_delete_elem(
		       bpf_map__fd(nat->skel->maps.nat_flows), key, ret) == 0;
}

static void uncount(struct nat *nat, const struct nat_flow *f)
{
	if (f->flags & NAT_PEER)
		__atomic_fetch_sub(&nat->share[f->ifindex % NAT_SHARE_SLOTS], 1,
				   __ATOMIC_RELAXED);
}

int nat_share_drop(struct nat *nat, const struct nat_tuple *first,
		   const struct nat_tuple *other)
{
	struct nat_flow f, g;
	bool is_f = take(nat, first, &f), is_g = take(nat, other, &g);
	/* the first one's state counts, as for the programs */
	bool open = is_f ? f.state == NAT_OPEN : is_g && g.state == NAT_OPEN;

	if (open && is_f)
		uncount(nat, &f);
	if (open && is_g)
		uncount(nat, &g);
	return is_f + is_g;
}
