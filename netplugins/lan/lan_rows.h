/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lan_rows.h - tests of the drivers' options, a row each: one network, or a second one
 * beside it on the same parent. */
#ifndef NETPLUGINS_LAN_LAN_ROWS_H
#define NETPLUGINS_LAN_LAN_ROWS_H

#include "lib/test/test.h"

#include "netplugins/lan/lan.h"

struct lan_row {
	const char *name, *options; /* JSON */
	const char *beside; /* JSON: of a network that was there before */
	bool internal, ipv6, no_pool;
	const char *msg; /* part of the error, NULL: accepted */
	int (*check)(const struct lan_network *ln);
	const char *join; /* "GW4 GW6 ROUTES SERVICE", NULL: not looked at */
	int skip;         /* GwAllocCheck: 1 no, 2 yes for both; 0: not asked */
};

int lan_rows_run(const struct net_driver *driver, const struct lan_row *rows,
		 size_t count);

#endif
