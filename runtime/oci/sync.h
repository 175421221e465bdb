/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sync.h - what the runtime and a container's process to be tell each other. */
#ifndef RUNTIME_OCI_SYNC_H
#define RUNTIME_OCI_SYNC_H

#include "lib/err.h"

enum sync_what {
	SYNC_GO = 1, /* to the process: go on */
	SYNC_PID,    /* from the helper that joins: the process' pid */
	SYNC_HOOKS,  /* from it: the mounts are there, it is time for hooks */
	SYNC_NOTIFY, /* from it: a seccomp notify descriptor, by its number */
	SYNC_READY,  /* from it: only 'start' is missing */
	SYNC_FAILED, /* from it: what err says */
};

struct sync_msg {
	enum sync_what what;
	int value; /* pid, descriptor or errno */
	struct err err;
};

/* sync_pair() - two close-on-exec ends.  -errno. */
int sync_pair(int ret[static 2], struct err *err);
/* sync_send() - from the runtime; -EPIPE where nobody listens. */
int sync_send(int fd, enum sync_what what, int value, const struct err *err);
/* sync_tell() - from the process, by write(2) alone: the one call a filter may
 * not keep for an agent.  SIGPIPE where the runtime is gone. */
int sync_tell(int fd, enum sync_what what, int value, const struct err *err);
/*
 * sync_recv() - the next message.
 *
 * Return: 0; -EPIPE when the other end is gone; what the other end says failed.
 */
int sync_recv(int fd, struct sync_msg *ret, struct err *err);
/* sync_expect() - the next one, which must be @what. */
int sync_expect(int fd, enum sync_what what, struct err *err);

#endif
