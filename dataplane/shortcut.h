/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shortcut.h - the short way of a network: frames from endpoint to endpoint past the
 * bridge, here and to other hosts.  Pure data.
 */
#ifndef DATAPLANE_SHORTCUT_H
#define DATAPLANE_SHORTCUT_H

#include <net/if.h>
#include <stddef.h>

#include "lib/ip.h"

/* An endpoint of another host, and what it may send from: these addresses, and with
 * .ip6 the fe80:: of its MAC. */
struct dp_far {
	struct mac_addr mac;
	struct ip_addr ip4, ip6; /* none: nothing of that family */
};

struct dp_shortcut {
	char wire[IFNAMSIZ];      /* the link to the other hosts, a port of the
				   * bridge that finds each .far by its MAC */
	const struct dp_far *far; /* borrowed; a MAC that is there twice, or is
				   * an endpoint's here, goes by the bridge */
	size_t far_count;
};

#endif
