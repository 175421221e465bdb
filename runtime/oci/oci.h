/* SPDX-License-Identifier: GPL-2.0-or-later */
/* oci.h - what every command of berth-oci is given, and where it says things. */
#ifndef RUNTIME_OCI_OCI_H
#define RUNTIME_OCI_OCI_H

#include <stdbool.h>

#include "lib/err.h"

#define OCI_VERSION      "1.1.0" /* of the runtime spec */
#define OCI_ROOT_DEFAULT "/run/berth-oci"

struct oci {
	const char *root; /* --root: one directory a container below it */
	int log_fd;       /* --log; -EBADF: stderr alone */
	bool log_json;    /* --log-format json */
	bool debug;       /* --debug */
};

/* One command.  @argv[0] is its name.  Return: the exit status; -errno with
 * @err filled. */
typedef int oci_command(struct oci *oci, int argc, char **argv,
			struct err *err);

oci_command cmd_create, cmd_run, cmd_start, cmd_state, cmd_kill, cmd_delete,
	cmd_exec, cmd_list, cmd_ps, cmd_pause, cmd_resume, cmd_spec,
	cmd_features, cmd_update;

/* oci_main() - the whole program.  Return: the exit status. */
int oci_main(int argc, char **argv);

/* oci_log() - a line of @level ("error", "warning", "debug") to --log as logrus
 * writes it, which is what containerd and podman read. */
void oci_log(const struct oci *oci, const char *level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct option;
/*
 * oci_option() - the next option of a command, as getopt_long() gives it; 0 at
 * the end.
 *
 * Return: > 0; 0; -EINVAL with the option that there isn't, or isn't complete.
 */
int oci_option(int argc, char **argv, const char *shorts,
	       const struct option *longs, struct err *err);
/* oci_one_id() - the one operand that is left.  -EINVAL. */
int oci_one_id(int argc, char **argv, const char **ret_id, struct err *err);

#endif
