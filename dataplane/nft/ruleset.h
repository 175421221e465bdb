/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset.h - the driver's two nftables tables: inet (publish, masquerade,
 * isolate) and bridge (source guard), in one of two forms.
 *
 * Chains and rules are static.  A network, a port or a publish is nothing but
 * elements of sets and maps, so a change costs microseconds and no rule is
 * ever made per port.  docs/dataplane.md shows the text and says why.
 *
 * Each call is one transaction (a table with changes each); when one fails
 * because something was removed behind our back, the whole ruleset is made
 * anew from @st in one transaction.  The caller changes @st before it calls.
 * Not thread-safe: under the facade's lock.
 */
#ifndef DATAPLANE_NFT_RULESET_H
#define DATAPLANE_NFT_RULESET_H

#include "dataplane/state.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/fw.h"

struct ruleset;

/* @driver: the tables' name; copied. */
int ruleset_open(const char *driver, struct ruleset **ret, struct err *err);
void ruleset_close(struct ruleset *rs); /* leaves the kernel; NULL is fine */
DEFINE_CLEANUP(struct ruleset, ruleset_close)

struct fw *ruleset_fw(struct ruleset *rs); /* borrowed */

/* The device that brings packets in again (dataplane/ebpf/reinject.h), for
 * networks with DP_FW_RESPECT; 0: there are none.  Counts from the next call
 * that changes anything. */
void ruleset_set_again(struct ruleset *rs, int index);

/*
 * ruleset_set_tracked() - which form the tables have from the next call on that
 * changes anything (then both are made anew, in one transaction).  false: without
 * connection tracking: no NAT, no rule that asks it, so this host need not have it
 * in use.  Only while tc programs translate all there is to translate; what they do
 * not take is closed.  At the beginning: true.
 *
 * Where the kernel refuses that form the tables get the other one, and
 * ruleset_can_untracked() is false from then on.
 */
void ruleset_set_tracked(struct ruleset *rs, bool tracked);
bool ruleset_is_tracked(
	const struct ruleset *rs); /* as they are in the kernel */
bool ruleset_is_as_set(const struct ruleset *rs); /* no change is due */
bool ruleset_can_untracked(const struct ruleset *rs);

/* Make both tables anew from @st in one transaction; without networks they are
 * removed. */
int ruleset_rebuild(struct ruleset *rs, const struct state *st,
		    struct err *err);

/* What one call changes: each pair is old -> new, NULL for none. */
struct ruleset_change {
	const struct dp_network *net_old, *net_new;
	const struct dp_port *port_old, *port_new;
	const struct dp_publish *pub_old, *pub_new;
};

/* @change->net_old, net_new are also the networks that the port or publish
 * belongs to; with both the same pointer the network itself is unchanged. */
int ruleset_apply(struct ruleset *rs, const struct state *st,
		  const struct ruleset_change *change, struct err *err);

/* Bring the sets of others' links and the forwarding guard up to @st. */
int ruleset_links(struct ruleset *rs, const struct state *st, struct err *err);

/* Does the table of another driver guard forwarding of that family?  Return: 1; 0,
 * also without such a table; -errno. */
int ruleset_stops(struct ruleset *rs, const char *driver, bool v6,
		  struct err *err);

/*
 * ruleset_check() - compare the kernel with @st: tables, rules a chain,
 * elements a set.  @fn may be NULL.  Return: number of differences; -errno.
 */
int ruleset_check(struct ruleset *rs, const struct state *st,
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err);

/* The short form, for every second: are the tables there (or, without networks,
 * gone)?  Return: number of differences; -errno. */
int ruleset_missing(struct ruleset *rs, const struct state *st,
		    struct err *err);

/* Is @e a change to one of our tables that we did not make? */
bool ruleset_is_ours(const struct ruleset *rs, const struct fw_event *e);

#endif
