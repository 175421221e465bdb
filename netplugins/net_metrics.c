/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a network daemon tells Prometheus of its networks and ports, and which requests
 * are events. */
#include "netplugins/net_core.h"

#define PER_NETWORK                                     \
	.method = "Berth.Networks", .rows = "Networks", \
	.labels = { { "NetworkID", "network" },         \
		    { "Bridge", "bridge" },             \
		    { "Dataplane", "dataplane" },       \
		    { NULL, NULL } }
/* Counted by eBPF: a port without has no sample. */
#define PER_PORT                                                           \
	.type = PROM_COUNTER, .method = "Berth.Ports", .body = with_stats, \
	.rows = "Ports",                                                   \
	.labels = { { "NetworkID", "network" },                            \
		    { "EndpointID", "endpoint" },                          \
		    { "Proto", "proto" },                                  \
		    { "HostIP", "host_ip" },                               \
		    { "HostFirst", "host_first" },                         \
		    { "HostLast", "host_last" },                           \
		    { NULL, NULL } }

static const char with_stats[] = "{\"Stats\":true}";

const struct plugd_metric net_metrics[] = {
	{ .name = "berth_networks",
	  .help = "Networks of this driver.",
	  .type = PROM_GAUGE,
	  .method = "Berth.Networks",
	  .rows = "Networks" },
	{ .name = "berth_network_endpoints",
	  .help = "Endpoints of a network.",
	  .type = PROM_GAUGE,
	  .value = "Endpoints",
	  PER_NETWORK },
	{ .name = "berth_ports",
	  .help = "Published ports, a range as one.",
	  .type = PROM_GAUGE,
	  .method = "Berth.Ports",
	  .body = with_stats,
	  .rows = "Ports" },
	{ .name = "berth_port_flows_total",
	  .help = "Connections begun to a published port.",
	  .value = "Stats.Flows",
	  PER_PORT },
	{ .name = "berth_port_refused_total",
	  .help = "Packets to a published port that were refused.",
	  .value = "Stats.Refused",
	  PER_PORT },
	{ .name = "berth_port_received_packets_total",
	  .help = "Packets into the container by a published port.",
	  .value = "Stats.PacketsIn",
	  PER_PORT },
	{ .name = "berth_port_received_bytes_total",
	  .help = "Bytes of frames into the container by a published port.",
	  .value = "Stats.BytesIn",
	  PER_PORT },
	{ .name = "berth_port_sent_packets_total",
	  .help = "Packets out of the container by a published port.",
	  .value = "Stats.PacketsOut",
	  PER_PORT },
	{ .name = "berth_port_sent_bytes_total",
	  .help = "Bytes of frames out of the container by a published port.",
	  .value = "Stats.BytesOut",
	  PER_PORT },
	{ 0 },
};

#define NET(method_, type_, action_, id_, of_)                     \
	{                                                          \
		"NetworkDriver." method_, type_, action_, id_, of_ \
	}

const struct plugd_event net_events[] = {
	NET("CreateNetwork", "network", "create", "NetworkID", NULL),
	NET("DeleteNetwork", "network", "remove", "NetworkID", NULL),
	NET("CreateEndpoint", "endpoint", "create", "EndpointID", "NetworkID"),
	NET("DeleteEndpoint", "endpoint", "remove", "EndpointID", "NetworkID"),
	NET("Join", "endpoint", "join", "EndpointID", "NetworkID"),
	NET("Leave", "endpoint", "leave", "EndpointID", "NetworkID"),
	/* Of what dockerd asks for: net_ports.c, which knows whether there are any. */
	{ "Berth.PortPublish", "port", "publish", "EndpointID", "NetworkID" },
	{ "Berth.PortUnpublish", "port", "unpublish", "EndpointID",
	  "NetworkID" },
	{ "Berth.PortAdd", "balanced", "add", "Port", NULL },
	{ "Berth.PortDel", "balanced", "remove", "Port", NULL },
	{ "Berth.PortBackends", "balanced", "change", "Port", NULL },
	{ 0 },
};
