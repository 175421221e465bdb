/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who can be reached through the maps: endpoints by their addresses. */
#include "dataplane/ebpf/nat.h"

#include <bpf/bpf.h>

#include "dataplane/ebpf/nat_priv.h"
#include "lib/fail.h"

/* One family of @ep. Return: false: it has none. */
static bool entry_of(const struct nat_endpoint *ep, bool v6, __u32 key[4],
		     struct nat_ep *ret)
{
	const struct ip_addr *ip = v6 ? &ep->ip6 : &ep->ip4;
	bool masq = v6 ? ep->masquerade6 : ep->masquerade4;
	bool internal = v6 ? ep->internal6 : ep->internal4;

	if (ip_is_none(ip))
		return false;
	*ret = (struct nat_ep){
		.ifindex = (__u32)ep->ifindex,
		.bridge = (__u32)ep->bridge,
		.flags = (masq ? NAT_EP_MASQ : 0u) |
			 (internal ? NAT_EP_INTERNAL : 0u) |
			 (ep->rated ? NAT_EP_RATED : 0u),
		.policy = ep->policy,
		.limit_gap = ep->rate ? 1000000000u / ep->rate : 0,
		.limit_burst = ep->burst,
		.stat = ep->stat,
	};
	nat_addr(key, ip);
	nat_addr(ret->gateway, v6 ? &ep->gateway6 : &ep->gateway4);
	nat_addr(ret->snat, v6 ? &ep->snat6 : &ep->snat4);
	memcpy(ret->mac, ep->mac.bytes, sizeof(ret->mac));
	memcpy(ret->bridge_mac, ep->bridge_mac.bytes, sizeof(ret->bridge_mac));
	return true;
}

static int fd_of(const struct nat *nat)
{
	return bpf_map__fd(nat->skel->maps.nat_ep);
}

int nat_ep_add(struct nat *nat, const struct nat_endpoint *ep, struct err *err)
{
	struct nat_filter before[2] = { 0 };
	int r = FAILPOINT("nat.ep.add");
	struct nat_ep value, there;
	size_t n = 0;
	__u32 key[4];

	for (int v6 = 0; r == 0 && v6 < 2; v6++) {
		if (!entry_of(ep, v6, key, &value))
			continue;
		/* who had the address has not gone yet, and his flows are not
		 * this one's */
		if (bpf_map_lookup_elem(fd_of(nat), key, &there) == 0 &&
		    there.ifindex != value.ifindex)
			before[n++].container = v6 ? ep->ip6 : ep->ip4;
		r = bpf_map_update_elem(fd_of(nat), key, &value, BPF_ANY);
	}
	if (r == 0) {
		(void)nat_flow_forget(nat, before, n, NULL);
		return 0;
	}
	(void)nat_ep_del(nat, ep, NULL);
	if (r == -E2BIG)
		return err_set(err, r,
			       "the table of endpoints is full: %d addresses",
			       NAT_EP_MAX);
	return err_set(err, r, "table of endpoints: %s", strerror(-r));
}

int nat_ep_del(struct nat *nat, const struct nat_endpoint *ep, struct err *err)
{
	struct nat_filter filters[2] = { 0 };
	struct nat_ep value, there;
	size_t n = 0;
	__u32 key[4];
	int r = 0;

	for (int v6 = 0; v6 < 2; v6++) {
		if (!entry_of(ep, v6, key, &value) ||
		    bpf_map_lookup_elem(fd_of(nat), key, &there) < 0 ||
		    there.ifindex != value.ifindex)
			continue; /* somebody else's by now, with his flows */
		(void)bpf_map_delete_elem(fd_of(nat), key);
		filters[n++].container = v6 ? ep->ip6 : ep->ip4;
	}
	if (n)
		r = nat_flow_forget(nat, filters, n, err);
	return r < 0 ? r : 0;
}

/* ---- all of them --------------------------------------------------------- */

static int by_ifindex(const void *va, const void *vb)
{
	const struct nat_endpoint *const *a = va, *const *b = vb;

	return ((*a)->ifindex > (*b)->ifindex) -
	       ((*a)->ifindex < (*b)->ifindex);
}

static int list_of(const struct nat_endpoint *list, size_t count,
		   struct maps_list *ret, struct err *err)
{
	_cleanup_free_ const struct nat_endpoint **order =
		calloc(count + 1, sizeof(*order));
	struct nat_ep value;
	__u32 key[4];
	int r = 0;

	if (!order)
		return err_set(err, -ENOMEM, "endpoints: out of memory");
	for (size_t i = 0; i < count; i++)
		order[i] = &list[i];
	qsort(order, count, sizeof(*order), by_ifindex);
	for (size_t i = 0; r == 0 && i < 2 * count; i++)
		if (entry_of(order[i / 2], i % 2, key, &value))
			r = maps_list_add(ret, key, &value, err);
	return r;
}

int nat_ep_sync(struct nat *nat, const struct nat_endpoint *list, size_t count,
		struct err *err)
{
	_cleanup_(maps_list_fini) struct maps_list l = {
		.key_size = 16, .value_size = sizeof(struct nat_ep)
	};
	int r = list_of(list, count, &l, err);

	if (r == 0)
		r = maps_sync(fd_of(nat), "endpoints", &l, err);
	if (r > 0)
		nat_flow_recheck(nat);
	return r;
}

int nat_ep_differ(struct nat *nat, const struct nat_endpoint *list,
		  size_t count, struct err *err)
{
	_cleanup_(maps_list_fini) struct maps_list l = {
		.key_size = 16, .value_size = sizeof(struct nat_ep)
	};
	int r = list_of(list, count, &l, err);

	return r < 0 ? r : maps_differ(fd_of(nat), "endpoints", &l, err);
}
