/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sup.h - the supervisor: one process that holds the plugins' sockets and
 * keeps their daemons running behind them.
 *
 * It lives under <run-dir>/netctl/: "lock" (flock for its life, its pid
 * inside), "ctl.sock" (requests, below), "notify.sock" (READY=1 of the
 * daemons), <driver>.log and <driver>.log.1.  Whoever holds the lock is the
 * supervisor; there is one a run directory.
 *
 * Requests are one JSON object a packet (SOCK_SEQPACKET), answered by one:
 *   {"Op":"up","Drivers":[..],"BinDir":..,"PluginDir":..,..,"Flags":[..]}
 *   {"Op":"restart", the same}       new process behind the held socket
 *   {"Op":"down","Drivers":[..]}     no Drivers: all, then the supervisor ends
 *   {"Op":"status"}
 * answer: {"Started":[..],"Already":[..]}, or {"Err":text,"Tail":stderr}.
 */
#ifndef NETCTL_SUP_H
#define NETCTL_SUP_H

#include <json-c/json.h>
#include <limits.h>

#include "lib/err.h"
#include "netctl/cli.h"

/*
 * sup_request() - send @req to the running supervisor and wait for the answer.
 *
 * @ret: owned; may be NULL.
 * Return: 0; -ENOENT when no supervisor runs; -ETIMEDOUT; -EREMOTEIO with the
 *         supervisor's words in @err, and the daemon's last lines on stderr.
 */
int sup_request(const struct ctl *ctl, json_object *req, json_object **ret,
		struct err *err);

/*
 * sup_ensure() - make sure a supervisor runs, in the background.
 *
 * Forks; must be called while the process has one thread.
 * Return: 0; -errno.
 */
int sup_ensure(const struct ctl *ctl, struct err *err);

/*
 * sup_foreground() - be the supervisor until a signal or `netctl down`, with
 * @req as first request.
 *
 * Return: 0; -EBUSY when one runs already; -errno.
 */
int sup_foreground(const struct ctl *ctl, json_object *req, struct err *err);

/* sup_bin_dir() - of the running netctl: what else is Berth's is beside it. */
int sup_bin_dir(char buf[static PATH_MAX], struct err *err);
/* sup_find_binary() - @dir/@name or one of the fixed places. Owned.
 * -ENOENT with the places in @err. */
int sup_find_binary(const char *dir, const char *name, char **ret,
		    struct err *err);

#endif
