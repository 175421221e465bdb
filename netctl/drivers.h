/* SPDX-License-Identifier: GPL-2.0-or-later */
/* drivers.h - Berth's daemons by name, and asking all of one kind. */
#ifndef NETCTL_DRIVERS_H
#define NETCTL_DRIVERS_H

#include <json-c/json.h>

#include "lib/err.h"
#include "netctl/cli.h"

enum driver_kind {
	DRIVER_NETWORK,
	DRIVER_VOLUME,
	DRIVER_IPAM,
	DRIVER_NAMES,
	DRIVER_ANY,
};

struct driver {
	const char *name; /* binary, plugin and socket */
	enum driver_kind kind;
};

extern const struct driver drivers[]; /* ended by { 0 } */

/* driver_find() - by name.  NULL with @err: what the names are. */
const struct driver *driver_find(const char *name, struct err *err);

/*
 * driver_command() - what an administrator types to start (or restart) the
 * daemon here: netctl, or systemctl where its unit is installed and systemd
 * runs the host.
 *
 * Return: @buf.
 */
#define DRIVER_COMMAND_MAX 64
const char *driver_command(const char *name, bool restart,
			   char buf[static DRIVER_COMMAND_MAX]);

/* driver_sock() - the path of its socket.  Owned; NULL: out of memory. */
char *driver_sock(const struct ctl *ctl, const char *name);

/*
 * driver_call() - POST @body to /@method of one daemon.
 * @body: borrowed; NULL: {}.  @ret: owned; may be NULL.
 * Return: as client_call().
 */
int driver_call(const struct ctl *ctl, const char *name, const char *method,
		json_object *body, json_object **ret, struct err *err);

/*
 * driver_collect() - call every daemon of @kind and join the arrays found at
 * @key of their answers.  Each row is an object with a member "Driver"; what
 * was a text in the array is its member "Text".
 *
 * A daemon that has no socket does not count as long as another of its kind
 * answers; one that fails is told on stderr and makes the result CLI_FAILED.
 *
 * @body: borrowed; may be NULL.
 * @ret:  owned array.
 * Return: 0; CLI_FAILED: some are missing from @ret; -errno: none answered.
 */
int driver_collect(const struct ctl *ctl, enum driver_kind kind,
		   const char *method, const char *key, json_object *body,
		   json_object **ret, struct err *err);

#endif
