/* SPDX-License-Identifier: GPL-2.0-or-later */
/* netctl ports: what is published, which `docker ps` does not show. */
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/docker.h"
#include "netctl/drivers.h"
#include "netctl/jget.h"
#include "netctl/view.h"

static const struct out_col *columns(const struct ctl *ctl)
{
	if (!ctl->stats)
		return view_port_cols;
	return ctl->format == OUT_JSON ? view_port_stat_json
				       : view_port_stat_cols;
}

static int ports_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *body = json_object_new_object();
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	int r, partial;

	jset(body, "Stats", json_object_new_boolean(ctl->stats));
	partial = driver_collect(ctl, DRIVER_NETWORK, "Berth.Ports", "Ports",
				 body, &rows, err);
	if (partial < 0)
		return partial;
	docker_names_load(ctl, &names);
	view_ports(rows, &names);
	if (ctl->stats)
		view_stats(rows);
	r = out_rows(stdout, ctl->format, columns(ctl), rows, err);
	return r < 0 ? r : partial;
}

const struct cmd cmd_ports = {
	.name = "ports",
	.summary = "list published ports",
	.help = "\n"
		"Docker keeps no record of the ports that a network plugin\n"
		"publishes: 'docker ps' and 'docker port' show none of them.\n"
		"They are here, a range as one line, with the container's "
		"name\n"
		"where dockerd answers within a second.  LIVE: added by "
		"'netctl "
		"port add'.\n"
		"\n"
		"With --stats, what the eBPF dataplane counted since a port "
		"was\n"
		"published: connections begun, packets and bytes of frames "
		"into "
		"the\n"
		"container and out of it, and packets refused (policy, limit, "
		"table\n"
		"full). Of this host's own clients only the connections are "
		"counted.\n"
		"\"-\" where nothing is: with nftables, or when all counters "
		"are taken.\n"
		"\n"
		"  netctl ports\n"
		"  netctl ports --stats\n"
		"  netctl ports --json | jq -r '.[].HostFirst'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT | CLI_STATS,
	.run = ports_run,
};
