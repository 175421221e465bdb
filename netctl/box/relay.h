/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay.h - a program's input and outputs by pipes of ours, so that it never has our
 * own: a terminal of the host in a container could be read and typed into by whatever
 * stays behind there.
 */
#ifndef NETCTL_BOX_RELAY_H
#define NETCTL_BOX_RELAY_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct relay {
	int in, out, err; /* our ends, owned; -1: at an end */
	int theirs[3];    /* the program's 0, 1, 2, owned; -1: given */
	size_t at, len;   /* of .buf: what is to go into .in */
	char buf[4096];
};

/*
 * relay_open() - @input: pass our input on; else the program has none.
 * @output: pass its outputs on; else they go nowhere.
 * relay_fini() it in any case.
 */
int relay_open(struct relay *ret, bool input, bool output, struct err *err);
/* relay_given() - in the parent, once the child has its ends. */
void relay_given(struct relay *r);
void relay_fini(struct relay *r);

/*
 * relay_wait() - until @pid, our child, has exited, and what it has written by then is
 * passed on; others may have the pipes still.
 * @signals: a signalfd with SIGCHLD in it, nonblocking; what else comes there from outside is
 *           sent on to @pid.
 * Return: as waitpid() has it; -errno.
 */
int relay_wait(struct relay *r, pid_t pid, int signals);

#endif
