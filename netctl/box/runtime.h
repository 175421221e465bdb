/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runtime.h - berth-oci, run as the program it is: an OCI runtime.
 *
 * Another process does what must not be done in ours: namespaces, and a copy of itself
 * that no container can write to.  Its state is in RUN_DIR/netctl/oci.
 */
#ifndef NETCTL_BOX_RUNTIME_H
#define NETCTL_BOX_RUNTIME_H

#include <stdbool.h>

#include "lib/base.h"
#include "lib/err.h"
#include "netctl/box/relay.h"
#include "netctl/cli.h"

struct runtime {
	char *bin, *root; /* owned */
};

/* runtime_find() - the program beside netctl, or where it is installed.
 * runtime_free() it in any case.  -ENOENT. */
int runtime_find(const struct ctl *ctl, struct runtime *ret, struct err *err);
void runtime_free(struct runtime *rt);

/*
 * runtime_run() - "berth-oci --root ROOT ARGS..." to its end.
 *
 * @args:  ended by NULL.
 * @log:   a file for what it says, made anew; NULL: what it says is @err's text.
 * @stdio: what it has as 0, 1 and 2, and the container with it; NULL: nothing.
 * Return: 0; -ECANCELED: it failed, @err has its words.
 */
int runtime_run(const struct runtime *rt, const char *const *args,
		const char *log, const int *stdio, struct err *err);
/*
 * runtime_front() - the same in the foreground, signals passed on.
 * @relay: its input and outputs; NULL: our own, for who has a terminal of its own.
 * @ret_said: what it says of a failure of its own; "" where the status is its command's.
 * Return: its exit status; -errno.
 */
#define RUNTIME_SAID_MAX 8192
int runtime_front(const struct runtime *rt, const char *const *args,
		  struct relay *relay, char ret_said[static RUNTIME_SAID_MAX],
		  struct err *err);

#endif
