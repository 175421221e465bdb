/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipam_api.h - the IpamDriver protocol and /Berth.Ipam*, from JSON to the
 * core's calls and back (docs/protocol-ipam.md).
 */
#ifndef IPAM_IPAM_API_H
#define IPAM_IPAM_API_H

#include "lib/jdec.h"
#include "lib/plugd_events.h"
#include "lib/plugd_metrics.h"
#include "lib/rpc.h"

/* The methods; their handlers' ctx is a struct ipam_core. */
extern const struct rpc_method ipam_api_methods[];       /* Docker's */
extern const struct rpc_method ipam_api_berth_methods[]; /* ours */
extern const struct plugd_event ipam_events[];           /* likewise */
extern const struct plugd_metric ipam_metrics[];         /* ipam_metrics.c */

/* A request body's table, for who generates requests: a method's fields, or
 * NULL when it has none. */
const struct jdec_field *ipam_api_fields(const char *method);

#endif
