/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vol_api_priv.h - what vol_api.c (Docker's methods) and vol_api_berth.c (our
 * own) share. */
#ifndef VOLPLUGINS_VOL_API_PRIV_H
#define VOLPLUGINS_VOL_API_PRIV_H

#include "lib/rpc.h"
#include "volplugins/vol_core.h"
#include "volplugins/vol_record.h"

/* Decode a body that only names a volume. */
int vol_api_name(const struct rpc_call *call, struct vol_request *q,
		 struct err *err);
/* vol_api_fields() of the methods in vol_api_copy.c. */
const struct jdec_field *vol_api_copy_fields(const char *method);
/* The "Status" of Get and of /Berth.Volume.  -ENOMEM. */
int vol_api_status(const struct vol_info *v, json_object *to);

#endif
