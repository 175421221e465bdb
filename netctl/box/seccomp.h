/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seccomp.h - which system calls a container may make: Docker's default, a file, or all.
 *
 * Docker's default allows what programs use and refuses, by EPERM, what only reaches into
 * the kernel: namespaces, mounts, modules, keys, BPF, and what else needs a capability that
 * the container has not got.  One that has it may.
 */
#ifndef NETCTL_BOX_SECCOMP_H
#define NETCTL_BOX_SECCOMP_H

#include <json-c/json.h>

#include "lib/err.h"
#include "netctl/cli.h"

/*
 * box_seccomp_ask() - --security-opt into @rec: seccomp=unconfined, seccomp=builtin,
 * seccomp=FILE (read now), no-new-privileges[=true|false].  -EINVAL; what the file said.
 */
int box_seccomp_ask(const struct ctl *ctl, json_object *rec, struct err *err);

/*
 * box_seccomp() - linux.seccomp of config.json.
 * @caps: an array of the container's "CAP_*".
 * @ret: owned; NULL: it may make all.
 * Return: 0; -EINVAL: the file is no profile.
 */
int box_seccomp(json_object *rec, json_object *caps, json_object **ret,
		struct err *err);

#endif
