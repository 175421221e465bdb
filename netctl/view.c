/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Composes the columns that no daemon sends: "0.0.0.0:8080-8090" and names. */
#include "netctl/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "netctl/jget.h"

#define PORT_COLS                                             \
	{ "Proto", "PROTO", OUT_TEXT, NULL },                 \
		{ "Host", "HOST", OUT_TEXT, NULL },           \
		{ "Target", "TARGET", OUT_TEXT, NULL },       \
		{ "Dataplane", "DATAPLANE", OUT_TEXT, NULL }, \
		{ "Live", "LIVE", OUT_BOOL, NULL },           \
		{ "Container", "CONTAINER", OUT_TEXT, NULL }, \
		{ "Network", "NETWORK", OUT_TEXT, NULL },     \
		{ "EndpointID", "ENDPOINT", OUT_ID, NULL },   \
		{ "NetworkID", NULL, OUT_ID, NULL },          \
		{ "Driver", NULL, OUT_TEXT, NULL },           \
		{ "HostIP", NULL, OUT_TEXT, NULL },           \
		{ "HostFirst", NULL, OUT_NUM, NULL },         \
		{ "HostLast", NULL, OUT_NUM, NULL },          \
		{ "ContainerIP", NULL, OUT_TEXT, NULL },      \
		{ "ContainerIPv6", NULL, OUT_TEXT, NULL },    \
		{ "ContainerFirst", NULL, OUT_NUM, NULL },    \
	{                                                     \
		"ContainerLast", NULL, OUT_NUM, NULL          \
	}

const struct out_col view_port_cols[] = { PORT_COLS, { 0 } };

const struct out_col view_port_stat_json[] = {
	PORT_COLS,
	{ "Stats", NULL, OUT_PAIRS, NULL },
	{ 0 },
};

const struct out_col view_port_stat_cols[] = {
	{ "Proto", "PROTO", OUT_TEXT, NULL },
	{ "Host", "HOST", OUT_TEXT, NULL },
	{ "Container", "CONTAINER", OUT_TEXT, NULL },
	{ "Dataplane", "DATAPLANE", OUT_TEXT, NULL },
	VIEW_STAT_COLS,
	{ "refused", "REFUSED", OUT_NUM, NULL },
	{ 0 },
};

/* "[fd00::2]:80", "10.0.0.2:80-90", "*:80". */
static void set_range(json_object *row, const char *key, const char *ip,
		      int64_t first, int64_t last)
{
	bool v6 = strchr(ip, ':') != NULL;
	char text[128], end[24] = "";

	if (last > first)
		snprintf(end, sizeof(end), "-%" PRId64, last);
	snprintf(text, sizeof(text), "%s%.60s%s:%" PRId64 "%s", v6 ? "[" : "",
		 *ip ? ip : "*", v6 ? "]" : "", first, end);
	jset_str(row, key, text);
}

void view_ports(json_object *rows, const struct docker_names *names)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *ip = jget_str(row, "ContainerIP");
		const char *net =
			docker_network(names, jget_str(row, "NetworkID"));

		set_range(row, "Host", jget_str(row, "HostIP"),
			  jget_int(row, "HostFirst"),
			  jget_int(row, "HostLast"));
		set_range(row, "Target",
			  *ip ? ip : jget_str(row, "ContainerIPv6"),
			  jget_int(row, "ContainerFirst"),
			  jget_int(row, "ContainerLast"));
		jset_str(row, "Network", net);
		jset_str(row, "Container",
			 docker_container(names, jget_str(row, "EndpointID")));
	}
}

/* @row gets @to: what Stats has as @key, as a table shows it. */
static void show_stat(json_object *row, const char *to, const char *key,
		      enum out_kind kind)
{
	json_object *v = jget(jget(row, "Stats"), key);
	_cleanup_free_ char *text = out_value(kind, v);

	jset_str(row, to, v && text ? text : "-");
}

void view_stats(json_object *rows)
{
	for (size_t i = 0; i < jget_len(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		show_stat(row, "flows", "Flows", OUT_NUM);
		show_stat(row, "packets_in", "PacketsIn", OUT_NUM);
		show_stat(row, "bytes_in", "BytesIn", OUT_SIZE);
		show_stat(row, "packets_out", "PacketsOut", OUT_NUM);
		show_stat(row, "bytes_out", "BytesOut", OUT_SIZE);
		show_stat(row, "refused", "Refused", OUT_NUM);
	}
}
