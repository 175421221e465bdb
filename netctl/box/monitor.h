/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * monitor.h - the process that stays with a container: it starts it, writes its log,
 * waits for its end, restarts it or gives everything back, and holds the container's lock
 * meanwhile.
 *
 * It is a copy of the netctl that ran "run" or "start" and needs nothing of that one: a client that
 * goes away leaves a container that runs.  Killed itself, the next netctl that looks at
 * containers ends this one (life_settle()).
 */
#ifndef NETCTL_BOX_MONITOR_H
#define NETCTL_BOX_MONITOR_H

#include "netctl/box/box.h"

/* What a monitor tells its client: one packet each. */
enum monitor_what {
	MONITOR_STARTED, /* with the terminal's master, if there is one */
	MONITOR_FAILED,  /* .code: exit status; .text: why */
	MONITOR_EXITED,  /* .code: the container's; all output was passed on */
};

struct monitor_msg {
	enum monitor_what what;
	int code;
	char text[ERR_MSG_MAX];
};

/* The client's ends; -1: none. */
struct monitor_client {
	int sock;     /* struct monitor_msg */
	int out, err; /* to read the output from; -1: detached */
	int in;       /* to write the input to; -1: none, or not passed on */
};

/*
 * monitor_spawn() - @b: ours; its lock is the monitor's from here on, and @b is freed.
 * @output: it is passed on.  @input: the client writes it; else nobody does, and one that
 * wants to read waits.
 * @ret: owned; monitor_close().
 */
int monitor_spawn(const struct ctl *ctl, struct box *b, bool output, bool input,
		  struct monitor_client *ret, struct err *err);
void monitor_close(struct monitor_client *c);

/* monitor_recv() - @ret_master: a terminal's, owned; -1: none.
 * Return: 0; -EPIPE: the monitor is gone. */
int monitor_recv(int sock, struct monitor_msg *ret, int *ret_master);

#endif
