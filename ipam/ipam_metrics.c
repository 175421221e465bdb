/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What berth-ipam tells Prometheus of its pools. */
#include "ipam/ipam_api.h"

#define PER_POOL                                                          \
	.type = PROM_GAUGE, .method = "Berth.IpamPools", .rows = "Pools", \
	.labels = { { "PoolID", "pool" }, { NULL, NULL } }

const struct plugd_metric ipam_metrics[] = {
	{ .name = "berth_pools",
	  .help = "Address pools.",
	  .type = PROM_GAUGE,
	  .method = "Berth.IpamPools",
	  .rows = "Pools" },
	{ .name = "berth_pool_networks",
	  .help = "Networks that have a pool.",
	  .value = "Networks",
	  PER_POOL },
	{ .name = "berth_pool_leases",
	  .help = "Addresses of a pool that are handed out.",
	  .value = "Leases",
	  PER_POOL },
	{ .name = "berth_pool_resting",
	  .help = "Addresses that were given back and rest for now.",
	  .value = "Resting",
	  PER_POOL },
	{ .name = "berth_pool_size",
	  .help = "Addresses that a pool can hand out.",
	  .value = "Size",
	  PER_POOL },
	{ 0 },
};

/* Which requests are events. */
const struct plugd_event ipam_events[] = {
	{ "IpamDriver.RequestPool", "pool", "take", "PoolID", NULL },
	{ "IpamDriver.ReleasePool", "pool", "give", "PoolID", NULL },
	{ "IpamDriver.RequestAddress", "address", "take", "Address", "PoolID" },
	{ "IpamDriver.ReleaseAddress", "address", "give", "Address", "PoolID" },
	{ 0 },
};
