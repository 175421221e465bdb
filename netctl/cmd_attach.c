// SPDX-License-Identifier: GPL-2.0-or-later
/* netctl attach, detach: any network namespace in a network. */
#include <stdio.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/cmds.h"
#include "netctl/jget.h"
#include "netctl/nets.h"
#include "netctl/plug.h"

static const struct out_col cols[] = {
	{ "Interface", "Interface", OUT_TEXT, NULL },
	{ "Address", "Address", OUT_TEXT, NULL },
	{ "AddressIPv6", "IPv6", OUT_TEXT, NULL },
	{ "MacAddress", "MAC", OUT_TEXT, NULL },
	{ "DefaultRoute", "Default route", OUT_BOOL, NULL },
	{ "Netns", "Namespace", OUT_TEXT, NULL },
	{ "EndpointID", "Endpoint ID", OUT_ID, NULL },
	{ "NetworkID", NULL, OUT_ID, NULL },
	{ 0 },
};

static int need_netns(const struct ctl *ctl, struct err *err)
{
	if (ctl->netns)
		return 0;
	return err_set(err, -EINVAL,
		       "which namespace?  Give --netns NAME, PID or PATH");
}

static int attach_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	_cleanup_(json_putp) json_object *net = NULL, *ep = NULL;
	const struct plug_spec spec = {
		.netns = ctl->netns,
		.ip = ctl->ip,
		.ip6 = ctl->ip6,
		.mac = ctl->mac,
		.ifname = ctl->ifname,
		.ports = ctl->ports,
		.opts = ctl->opts,
		.no_default_route = ctl->no_default_route,
	};
	int r = need_netns(ctl, err);

	if (r == 0)
		r = nets_open(ctl, true, &b, err);
	if (r == 0)
		r = book_find_network(b, ctl->args[0], &net, err);
	if (r == 0)
		r = plug_attach(ctl, b, net, &spec, &ep, err);
	return r < 0 ? r : out_object(stdout, ctl->format, cols, ep, err);
}

static int detach_run(struct ctl *ctl, struct err *err)
{
	_cleanup_(book_closep) struct book *b = NULL;
	_cleanup_(json_putp) json_object *net = NULL, *ep = NULL;
	int r = need_netns(ctl, err);

	/* what it is to detach may be half removed: that goes on first */
	if (r == 0)
		r = book_open(ctl, false, &b, err);
	if (r == 0)
		r = book_find_network(b, ctl->args[0], &net, err);
	if (r == 0)
		r = plug_find(b, net, ctl->netns, &ep, err);
	if (r == 0)
		r = plug_detach(ctl, b, net, ep, err);
	if (r == 0)
		nets_settle(ctl, b);
	return r;
}

const struct cmd cmd_attach = {
	.name = "attach",
	.args = "NETWORK --netns NAME|PID|PATH",
	.summary = "plug a network namespace into a network",
	.help = "\n"
		"NETWORK is one that 'netctl network create' made.  The "
		"namespace may be of ip\nnetns (a name), of a process "
		"(systemd-nspawn, a VM), or any file.  The interface\n"
		"gets its address and, unless there is one, the default "
		"route; \"lo\" is brought up.\nPorts are published as docker "
		"run -p does.\n"
		"\n"
		"When the namespace is gone, so is the endpoint; its address "
		"is free again after\n'netctl detach' or 'netctl network "
		"rm'.\n"
		"\n"
		"  ip netns add web\n"
		"  netctl attach shop --netns web -p 8080:80\n"
		"  netctl attach shop --netns 4711 --ip 10.1.0.7 --ifname "
		"lan0\n",
	.takes = CLI_DIRS | CLI_FORMAT | CLI_TIMEOUT | CLI_NETNS | CLI_PLUG |
		 CLI_OPT,
	.min_args = 1,
	.max_args = 1,
	.run = attach_run,
};

const struct cmd cmd_detach = {
	.name = "detach",
	.args = "NETWORK --netns NAME|PID|PATH",
	.summary = "take a network namespace out of a network",
	.help = "\n"
		"Also one that is gone, by what it was attached by.  --force: "
		"although the driver\nrefuses.\n"
		"\n"
		"  netctl detach shop --netns web\n",
	.takes = CLI_DIRS | CLI_TIMEOUT | CLI_NETNS | CLI_FORCE,
	.min_args = 1,
	.max_args = 1,
	.run = detach_run,
};
