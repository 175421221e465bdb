/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The bridge driver's table. */
#include <stdio.h>
#include <string.h>

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

static int set_dataplane(struct plugd *d, void *config, const char *value,
			 struct err *err)
{
	struct bridge_config *cfg = net_flag_config(config);

	(void)d;
	return bridge_dataplane_parse(value, &cfg->dataplane, err);
}

static int set_masquerade_ports(struct plugd *d, void *config,
				const char *value, struct err *err)
{
	struct bridge_config *cfg = net_flag_config(config);
	unsigned int first, last;
	char end;

	(void)d;
	if (sscanf(value, "%5u-%5u%c", &first, &last, &end) != 2 ||
	    first == 0 || last > 65535 || first + 255 > last)
		return err_set(err, -EINVAL,
			       "\"%s\" is not FIRST-LAST, at least 256 ports "
			       "of 1 to 65535",
			       value);
	cfg->masq_first = (uint16_t)first;
	cfg->masq_last = (uint16_t)last;
	return 0;
}

static int set_flow_table(struct plugd *d, void *config, const char *value,
			  struct err *err)
{
	struct bridge_config *cfg = net_flag_config(config);
	unsigned int flows;
	char end;

	(void)d;
	if (sscanf(value, "%8u%c", &flows, &end) != 1 ||
	    value[strspn(value, "0123456789")] || flows < DP_FLOWS_LEAST ||
	    flows > DP_FLOWS_MOST)
		return err_set(err, -EINVAL,
			       "\"%s\" is no number of flows from %d to %d",
			       value, DP_FLOWS_LEAST, DP_FLOWS_MOST);
	cfg->flow_table = flows;
	return 0;
}

static int set_conntrack(struct plugd *d, void *config, const char *value,
			 struct err *err)
{
	struct bridge_config *cfg = net_flag_config(config);
	bool automatic = strcmp(value, "auto") == 0;

	(void)d;
	if (!automatic && strcmp(value, "always") != 0)
		return err_set(err, -EINVAL,
			       "\"%s\" is neither always nor auto", value);
	cfg->conntrack_auto = automatic;
	return 0;
}

static const struct plugd_flag flags[] = {
	{ "dataplane", "nft|ebpf",
	  "what carries new networks that do not say (nft)", set_dataplane },
	{ "masquerade-ports", "FIRST-LAST",
	  "source ports of what the eBPF dataplane masquerades (1024-32767)",
	  set_masquerade_ports },
	{ "flow-table", "N",
	  "established connections that the eBPF dataplane has room for, about "
	  "400 bytes each (131072)",
	  set_flow_table },
	{ "conntrack", "always|auto",
	  "auto: rules without connection tracking while the eBPF dataplane "
	  "does all that needs it (always)",
	  set_conntrack },
	{ 0 },
};

static const struct bridge_kind kind = {
	.driver = BRIDGE_DRIVER,
	.prefix = "bb",
};

static int host_open(const struct plugd *d, const void *config,
		     const struct net_memo *memo, void **ret, struct err *err)
{
	return bridge_host_open(d, &kind, config, memo, ret, err);
}

static int network_init(struct net_network *net, struct err *err)
{
	return bridge_init(net, &kind, err);
}

const struct net_driver bridge_driver = {
	.name = BRIDGE_DRIVER,
	.summary = "container networks on bridges, with NAT and published "
		   "ports",
	BRIDGE_OPS,
	.network_info = bridge_network_info,
	.network_size = sizeof(struct bridge_network),
	.network_options = bridge_network_options,
	.endpoint_options = bridge_endpoint_options,
	.flags = flags,
	.config_size = sizeof(struct bridge_config),
	.host_open = host_open,
	.host_close = bridge_host_close,
	.load_begin = bridge_load_begin,
	.load_end = bridge_load_end,
	.fds = bridge_fds,
	.event = bridge_event,
	.check = bridge_check,
	.gc = bridge_gc,
	.network_lost = bridge_network_lost,
	.network_init = network_init,
	.network_fini = bridge_network_fini,
	.network_add = bridge_network_add,
	.network_del = bridge_network_del,
	.endpoint_add = bridge_endpoint_add,
	.endpoint_del = bridge_endpoint_del,
};
