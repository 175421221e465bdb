/* SPDX-License-Identifier: GPL-2.0-or-later */
/* front.h - a container in the foreground: output here, input and signals there. */
#ifndef NETCTL_BOX_FRONT_H
#define NETCTL_BOX_FRONT_H

#include "netctl/box/monitor.h"
#include "netctl/box/runtime.h"

/*
 * front_wait() - until the container has exited and all it wrote is here.
 *
 * Signals that would end us go to the container instead (to one without a terminal).
 * @master: its terminal; -1: none.
 * Return: its exit status; -EPIPE: the monitor is gone.
 */
int front_wait(struct monitor_client *c, int master, bool input,
	       const struct runtime *rt, const char *id, struct err *err);

#endif
