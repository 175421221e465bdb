/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ask.h - what "run" was told, checked, as a container's record.
 *
 * The record's members: Name, Root, Args, Env (texts NAME=VALUE), Cwd, User, Hostname,
 * Labels, Networks ("host", "none", "container:NAME" or names), Ip, Ip6, Mac, Ports (as typed),
 * Mounts (ask_mount.h), ReadOnly, Memory (bytes), NanoCpus, PidsLimit, CapAdd, CapDrop, RestartName,
 * RestartMax, AutoRemove, Stdin, Tty, StopSignal.  A number that was not given is 0.  Of an
 * image: Image (its id), ImageName, Layers (diff_ids, the lowest first) in place of Root,
 * which is said when it is mounted.
 */
#ifndef NETCTL_BOX_ASK_H
#define NETCTL_BOX_ASK_H

#include <json-c/json.h>

#include "lib/err.h"
#include "netctl/cli.h"
#include "netctl/image/image.h"

/* box_ask() - @image: what is run; NULL: a root directory.  @ret: owned.
 * Return: 0; -EINVAL, saying what would be right. */
int box_ask(const struct ctl *ctl, const struct image *image, json_object **ret,
	    struct err *err);

/* The parts of it: Memory, NanoCpus, PidsLimit, RestartName and RestartMax, ... */
int box_ask_limits(const struct ctl *ctl, json_object *rec, struct err *err);
/* ... and, for tests, smaller ones. */
/* "64m", "1.5GiB" -> bytes, as Docker reads them: b, k, m, g, t.  -EINVAL; -ERANGE. */
int box_ask_size(const char *text, int64_t *ret);
/* One of --memory. */
int box_ask_bytes(const char *text, int64_t *ret, struct err *err);
/* "1.5" -> billionths. */
int box_ask_cpus(const char *text, int64_t *ret, struct err *err);
/* "no", "always", "unless-stopped", "on-failure[:N]".  @ret_name: of these. */
int box_ask_restart(const char *text, const char **ret_name, int64_t *ret_max,
		    struct err *err);
/* Lines NAME=VALUE, NAME, "# ..." into the array @env. */
int box_ask_env_file(const char *path, json_object *env, struct err *err);

#endif
