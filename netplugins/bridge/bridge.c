/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bridge driver's table. */
#include "netplugins/bridge/bridge.h"

struct bridge_network *bridge_of(struct net_network *net)
{
	return container_of(net, struct bridge_network, base);
}

const struct bridge_network *bridge_of_const(const struct net_network *net)
{
	return (const struct bridge_network *)(const void *)net;
}

_Static_assert(offsetof(struct bridge_network, base) == 0,
	       "bridge_of_const() casts");

const struct net_driver bridge_driver = {
	.name = BRIDGE_DRIVER,
	.summary = "container networks on bridges, with NAT and published "
		   "ports",
	.network_size = sizeof(struct bridge_network),
	.options_offset = offsetof(struct bridge_network, opt),
	.network_options = bridge_network_options,
	.endpoint_options = bridge_endpoint_options,
	.host_open = bridge_host_open,
	.host_close = bridge_host_close,
	.load_begin = bridge_load_begin,
	.load_end = bridge_load_end,
	.fds = bridge_fds,
	.event = bridge_event,
	.check = bridge_check,
	.network_lost = bridge_network_lost,
	.network_defaults = bridge_defaults,
	.network_init = bridge_init,
	.network_fini = bridge_network_fini,
	.gateway_skip = bridge_gateway_skip,
	.network_info = bridge_network_info,
	.network_add = bridge_network_add,
	.network_del = bridge_network_del,
	.endpoint_add = bridge_endpoint_add,
	.endpoint_del = bridge_endpoint_del,
	.endpoint_place = bridge_endpoint_place,
	.join = bridge_join,
	.expose = bridge_expose,
	.unexpose = bridge_unexpose,
	.gc = bridge_gc,
};
