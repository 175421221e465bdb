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

static int ports_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(json_putp) json_object *rows = NULL;
	_cleanup_(docker_names_fini) struct docker_names names = { 0 };
	int r, partial;

	partial = driver_collect(ctl, DRIVER_NETWORK, "Berth.Ports", "Ports",
				 NULL, &rows, err);
	if (partial < 0)
		return partial;
	docker_names_load(ctl, &names);
	view_ports(rows, &names);
	r = out_rows(stdout, ctl->format, view_port_cols, rows, err);
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
		"where dockerd answers within a second.\n"
		"\n"
		"  netctl ports\n"
		"  netctl ports --json | jq -r '.[].HostFirst'\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_DOCKER | CLI_TIMEOUT,
	.run = ports_run,
};
