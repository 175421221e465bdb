/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conntrack.h - does this host's packet path need connection tracking?
 *
 * Our tables have two forms (nft/ruleset.h).  The tracked one can do all; it has the
 * kernel track every connection of this host, be it Berth's or not.  The untracked
 * one asks nothing and translates nothing: what the tc programs do not take is
 * closed.  So it is for hosts on which these do everything: each network is theirs,
 * nothing is left to nftables (docs/dataplane.md has the list), and they see all
 * that comes and goes.  Whatever is not known to be so counts as if it were not.
 *
 * Where others' rules track connections anyway the untracked form gains nothing, and
 * is not chosen either.
 *
 * Asked before each change of networks, and after changes of links, addresses,
 * others' rules and of what the programs do, by events and once a second.
 */
#ifndef DATAPLANE_CONNTRACK_H
#define DATAPLANE_CONNTRACK_H

#include <stdbool.h>

#include "dataplane/state.h"

/* What is known of the host. */
struct conntrack_view {
	const struct state *st;
	bool programs; /* run, at all interfaces, and stand not aside */
	bool hooks;    /* the socket hooks are there, and for every process */
	bool lent;     /* a bridge of ours has a port that is no endpoint's */
	bool links;    /* some link is not seen by the programs: without an
			* Ethernet header, a VRF */
	bool bare;     /* where the default route leads has no address */
	bool refused;  /* the kernel does not take the untracked form */
	bool sctp;     /* some port of it is published */
	bool others;   /* others' rules track */
};

/* Return: what connection tracking is needed for, as the log says it; NULL: for
 * nothing. */
const char *conntrack_why(const struct conntrack_view *v);

#endif
