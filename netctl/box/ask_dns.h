/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ask_dns.h - what "run" was told of names and resolvers, for the record. */
#ifndef NETCTL_BOX_ASK_DNS_H
#define NETCTL_BOX_ASK_DNS_H

#include <json-c/json.h>

#include "netctl/cli.h"

/* box_ask_dns() - --dns, --dns-search, --dns-option, --network-alias into @rec.  -EINVAL. */
int box_ask_dns(const struct ctl *ctl, json_object *rec, struct err *err);

#endif
