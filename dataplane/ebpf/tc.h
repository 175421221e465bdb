/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tc.h - programs at an interface's tc hooks, that stay when the daemon ends.
 *
 * Where the kernel has tcx (Linux 6.6) a program is a link, pinned as
 * "<name>_<in|out>_<ifindex>" in the driver's directory, before other tcx
 * programs of that hook; nobody's `tc qdisc del` takes it away.  Elsewhere it is
 * a clsact filter of priority 1 with a handle of the driver's own, which goes
 * with the interface; the clsact goes with its last filter.  There a hook has
 * room for one @name.
 *
 * Attaching and detaching with tcx waits for an RCU grace period under the
 * kernel's rtnl lock: 7 to 23 ms here, against 0.05 ms with clsact.  So tcx is
 * for what is attached once (uplinks); for endpoints it is clsact.
 *
 * A program lets others' have their say by returning TC_ACT_UNSPEC, and ends
 * the matter by TC_ACT_OK.
 * Acts in the network namespace it was opened in.  Not locked.
 */
#ifndef DATAPLANE_EBPF_TC_H
#define DATAPLANE_EBPF_TC_H

#include <stdbool.h>

#include "dataplane/ebpf/pin.h"
#include "lib/base.h"
#include "lib/err.h"

struct tc;

enum tc_hook { TC_IN, TC_OUT };

/* @pins: borrowed for the handle's life; must exist before tc_attach().
 * @want_tcx: false: clsact even where the kernel has tcx (for tests). */
int tc_open(const struct pin_dir *pins, bool want_tcx, struct tc **ret,
	    struct err *err);
void tc_close(struct tc *tc); /* leaves the kernel as it is; NULL is fine */
DEFINE_CLEANUP(struct tc, tc_close)

bool tc_has_tcx(const struct tc *tc);

/*
 * tc_attach() - have @prog run there.  What an earlier call or daemon attached
 * under @name is replaced in place: no packet passes without one of them.
 * Return: 0; -ENODEV: no such interface; -EOPNOTSUPP: the kernel has neither.
 */
int tc_attach(struct tc *tc, const char *name, int ifindex, enum tc_hook hook,
	      int prog, struct err *err);
/* Absent, or the interface gone: 0. */
int tc_detach(struct tc *tc, const char *name, int ifindex, enum tc_hook hook,
	      struct err *err);
/* Does @prog run there?  Return: 1; 0: no, or no such interface; -errno. */
int tc_is_attached(struct tc *tc, const char *name, int ifindex,
		   enum tc_hook hook, int prog, struct err *err);
/* Unpin what belongs to interfaces that are gone, and detach what @keep (NULL:
 * keeps nothing) does not want. Return: number removed; -errno. */
int tc_sweep(struct tc *tc, const char *name,
	     bool (*keep)(void *ctx, int ifindex, enum tc_hook hook), void *ctx,
	     struct err *err);

#endif
