/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * port_live.h - the ports of a container that runs: "port add|rm|ls CONTAINER ...",
 * args[0] the container of Docker's or the namespace of "attach", behind it ports as
 * docker run -p has them.
 */
#ifndef NETCTL_PORT_LIVE_H
#define NETCTL_PORT_LIVE_H

#include "netctl/cli.h"

/* Return: 0; as cmd.run. */
int port_live_add(struct ctl *ctl, struct err *err);
/* What is not there: -ENOENT. */
int port_live_rm(struct ctl *ctl, struct err *err);
int port_live_ls(struct ctl *ctl, struct err *err);

#endif
