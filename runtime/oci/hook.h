/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hook.h - the programs of config.json's hooks. */
#ifndef RUNTIME_OCI_HOOK_H
#define RUNTIME_OCI_HOOK_H

#include <json-c/json.h>

#include "lib/err.h"
#include "runtime/oci/spec.h"

/*
 * hook_run() - run the hooks of @point in order, each with @state on its stdin.
 *
 * A hook past its timeout is killed.  The first that fails ends it; of poststart
 * and poststop the others run as well, and the first failure is told.
 *
 * Return: 0; -ETIMEDOUT; -EIO with the hook's path and how it ended.
 */
int hook_run(const struct spec *spec, enum spec_point point, json_object *state,
	     struct err *err);

#endif
