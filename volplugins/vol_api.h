/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vol_api.h - the VolumeDriver protocol and /Berth.Volume*, from JSON to the
 * core's calls and back (docs/protocol-volumes.md).
 */
#ifndef VOLPLUGINS_VOL_API_H
#define VOLPLUGINS_VOL_API_H

#include "lib/jdec.h"
#include "lib/plugd_events.h"
#include "lib/plugd_metrics.h"
#include "lib/rpc.h"

/* The methods; their handlers' ctx is a struct vol_core. */
extern const struct rpc_method vol_api_methods[];       /* Docker's */
extern const struct rpc_method vol_api_berth_methods[]; /* ours */
extern const struct plugd_event vol_events[];           /* likewise */
extern const struct plugd_metric vol_metrics[];         /* vol_metrics.c */
extern const struct rpc_method vol_api_copy_methods[];  /* ours, of copies */

/* A request body's table, for who generates requests: a method's fields, or
 * NULL when it has none. */
const struct jdec_field *vol_api_fields(const char *method);

#endif
