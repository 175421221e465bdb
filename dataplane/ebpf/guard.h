/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.h - the guard at containers' ports that no change of the firewall takes
 * away (bpf/guard.bpf.c).
 *
 * Two programs at each port's clsact, one map entry a port.  Pins: guard_port,
 * guard_rate, guard_way, guard_count, guard_meta (maps) and guard_in_<ifindex>,
 * guard_out_<ifindex>.
 * All of it works on without the daemon.  A port without an entry passes
 * nothing.  Not locked: the facade's.
 */
#ifndef DATAPLANE_EBPF_GUARD_H
#define DATAPLANE_EBPF_GUARD_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/ebpf/pin.h"
#include "dataplane/rate.h"
#include "dataplane/shortcut.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

struct guard;

/* What is told of one port. */
struct guard_conf {
	char ifname[IFNAMSIZ]; /* the host's side of the veth */
	char bridge[IFNAMSIZ];
	struct mac_addr mac;
	struct ip_addr ip4, ip6;           /* none: the family is dropped */
	struct ip_prefix subnet4, subnet6; /* none: family off */
	bool source;               /* only from its own MAC and addresses */
	bool apart;                /* not to and from others of its network */
	bool internal4, internal6; /* nothing leaves the subnet */
	bool open; /* its link has a carrier and is in its bridge: what is led
		    * to it past the bridge may come in */
	struct dp_rates rate;
	int ingress; /* a program that calls guard_in() and rate_out() itself,
		      * in place of ours; borrowed until the port is deleted or told
		      * anew; -1: none */
};

/* A port of such a bridge that is nobody's endpoint. */
struct guard_other {
	int ifindex, bridge;
};

/*
 * guard_open() - look at what is there; changes nothing in the kernel.
 * @pins: borrowed for the handle's life.
 */
int guard_open(struct pin_dir *pins, struct guard **ret, struct err *err);
/*
 * guard_is_other() - are the pins of another layout, by a daemon of another
 * version?  They are never read: guard_start() makes new maps, and each port
 * goes over with guard_port_add(), in one step, its entry before its programs;
 * until then the old programs guard it by the old maps.  Buckets and counters
 * begin anew.
 */
bool guard_is_other(const struct guard *g);
void guard_close(
	struct guard *g); /* leaves the kernel as it is; NULL is fine */
DEFINE_CLEANUP(struct guard, guard_close)

/* Programs and maps, those of an earlier daemon taken over.  Twice: 0. */
int guard_start(struct guard *g, struct err *err);
/* Remove all of it: the last network is gone.  Twice: 0. */
int guard_stop(struct guard *g, struct err *err);

/*
 * guard_port_add() - guard the port, or change how; what passes meanwhile meets
 * the old guard or the new one.  The same again: 0, and what is missing is put
 * back.  Starts where it was not.
 *
 * Return: 0; -ENODEV: no such interface or bridge; -EOPNOTSUPP: a kernel
 * without clsact or BPF in it.  What was there before stays on failure.
 */
int guard_port_add(struct guard *g, const struct guard_conf *conf,
		   struct err *err);
/* The interface gone, or not guarded: 0. */
int guard_port_del(struct guard *g, const char *ifname, struct err *err);
/* All the other ports there are, in place of those told before. */
int guard_set_others(struct guard *g, const struct guard_other *list,
		     size_t count, struct err *err);

/*
 * guard_port_link() - a link is up or not, and a port of that bridge: if it is a
 * port of ours, it is or is not led to past the bridge from now on.
 * @master: interface index; 0: none.
 */
void guard_port_link(struct guard *g, int ifindex, bool up, int master);

/*
 * guard_shortcut_set() - have frames between endpoints of @bridge go the short way
 * (bpf/lib/short.h): ports with .source and .open, without .apart and .ingress.  In
 * place of what was said of @bridge before; the same again: 0.  @s: copied.
 * Before guard_start(), and while loading, it is only noted.  At most half of
 * GUARD_WAY_MAX endpoints have it, whole bridges at a time, those that came first;
 * the others' frames go by the bridge.
 *
 * Return: 0; -ENODEV: bridge or wire is not there; -EOPNOTSUPP: see
 * guard_port_add().  After a failure @bridge has none.
 */
int guard_shortcut_set(struct guard *g, const char *bridge,
		       const struct dp_shortcut *s, struct err *err);
/* Has any bridge it? */
bool guard_shortcut_any(const struct guard *g);
/* By the bridge again.  It had none: 0. */
int guard_shortcut_del(struct guard *g, const char *bridge, struct err *err);

/*
 * guard_load_begin(), guard_load_end() - say everything again after a restart;
 * load_end removes what was not said.  In between guard_port_add() takes a
 * port whose interface is gone (nothing passes there), or that can't be
 * guarded now: guard_follow() tries again, guard_check() tells.
 */
void guard_load_begin(struct guard *g);
int guard_load_end(struct guard *g, struct err *err);

/* guard_lost() - the kernel told of a filter that went; 0: events were lost.
 * Return: it may be one of ours, guard_follow() is due. */
bool guard_lost(struct guard *g, int ifindex);
/*
 * guard_follow() - put back what others took away, where guard_lost() said so;
 * on @tick look at some of the other ports as well.  Each is logged.
 * Return: number put back; -errno: tried again next time.
 */
int guard_follow(struct guard *g, bool tick, struct err *err);
/* Guards that are missing or differ: one line each. Return: their number. */
int guard_check(struct guard *g, void (*fn)(void *ctx, const char *line),
		void *ctx);

#endif
