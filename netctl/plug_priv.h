/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plug_priv.h - what plug.c (in) and plug_out.c (out) share. */
#ifndef NETCTL_PLUG_PRIV_H
#define NETCTL_PLUG_PRIV_H

#include "netctl/plug.h"

/* A request of the network's driver; @body gets the two ids.  As client_call(). */
int plug_call(const struct ctl *ctl, json_object *net, json_object *ep,
	      const char *method, json_object *body, json_object **ret,
	      struct err *err);

#endif
