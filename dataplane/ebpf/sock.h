/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock.h - published ports for this host's own programs, by cgroup socket hooks,
 * and the maps that say which port leads where (bpf/sock_map.h).
 *
 * connect() and sendmsg() to 127.0.0.0/8, ::1 or ::ffff:127.0.0.0/104 with a
 * published port are sent to the container instead, and so are those to the
 * addresses in nat_local (nat.h fills it while a network is on the eBPF
 * dataplane; else nftables translates those); getpeername() and
 * recvmsg() show what the program asked for.  bind() to a port that we hold is
 * refused with EADDRINUSE.  Only sockets of the network namespace that
 * sock_open() was called in are touched.
 *
 * Programs and maps are pinned under <bpf-dir>/berth/v1/<driver>/ and work on
 * without the daemon.  The handle is not locked: one thread at a time.
 *
 * What a hook cannot do:
 * - a client that bound itself to a loopback address first keeps its way and
 *   is refused by the empty port: its packets could not be answered;
 * - ::1 leads to a container without IPv6 by ::ffff:a.b.c.d: TCP and connected
 *   UDP only (ENETUNREACH from an IPV6_V6ONLY socket); sendmsg() to ::1 from an
 *   unconnected socket gets ECONNREFUSED (EPERM before Linux 5.18);
 * - a connected socket keeps its container: when that goes, UDP sockets are ended
 *   (sockdiag.h, where the kernel can: CONFIG_INET_DIAG_DESTROY), TCP has its own
 *   ways to find out;
 * - getsockname() shows the host's address toward the container;
 * - bind() to :: with IPV6_V6ONLY is refused also when only IPv4 is held;
 * - SCTP has no such hooks: its ports are only in the maps.
 */
#ifndef DATAPLANE_EBPF_SOCK_H
#define DATAPLANE_EBPF_SOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/portmap.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

struct sock;

/* SO_MARK of a socket that may bind to a port that its own daemon's hooks hold: its
 * claims.  This and the driver's place in DP_DRIVERS: another of our daemons may
 * not.  Marks of claims differ in the last byte alone. */
#define SOCK_CLAIM_MARK 0x62740001u

/* Ranges with more ports than this are kept as prefixes. */
#define SOCK_SINGLES_MAX 64u

struct sock_config {
	const char *driver;  /* "berth-bridge" */
	const char *bpf_dir; /* NULL: /sys/fs/bpf; mounted when it is none */
	const char *cgroup;  /* NULL: the cgroup v2 root from mountinfo */
};

/*
 * sock_open() - look at what is there; changes nothing in the kernel.
 *
 * Return: 0; -EOPNOTSUPP without cgroup v2 (@err says what to do); -EBUSY when
 * another process has the pins.
 */
int sock_open(const struct sock_config *cfg, struct sock **ret,
	      struct err *err);
void sock_close(struct sock *sock); /* leaves the kernel as it is; NULL: fine */
DEFINE_CLEANUP(struct sock, sock_close)

/*
 * sock_is_other() - are the pins of another layout, by a daemon of another
 * version?  They are never read.  What comes gets maps of its own, which the
 * hooks go over to in sock_load_end(), when all is in them, each in one step
 * (attach does it where nothing is loading).  Until then the old programs go on
 * with the old maps; connections from before no longer show what they asked for.
 */
bool sock_is_other(const struct sock *sock);
uint32_t sock_claim_mark(const struct sock *sock);

/* Where the driver's pins are: others pin there too.  Borrowed for the handle's
 * life; locked when it is there. */
struct pin_dir;
struct pin_dir *sock_pins(struct sock *sock);

/* Are the hooks for every process, as far as this cgroup namespace shows them?
 * Not when sock_config.cgroup is another directory than the root. */
bool sock_sees_everybody(const struct sock *sock);

/*
 * sock_attach() - load, attach and pin, or replace the programs of an earlier
 * daemon in place.  About 10 ms; publish and hold do it when it was not done.
 * The second call does nothing.
 */
int sock_attach(struct sock *sock, struct err *err);
/* sock_ready() - attach, and put right what an earlier sock_load_end() could not:
 * what is held from here on is held at once, also while loading (but for
 * sock_is_other(): when that is over). */
int sock_ready(struct sock *sock, struct err *err);
/* Unpin and remove everything: the last network is gone. Twice: 0. */
int sock_detach(struct sock *sock, struct err *err);

/*
 * sock_publish_add() - let @ports lead to the container.  All or nothing.  The
 * same again: 0.
 *
 * @ip4, @ip6: the container's; none or NULL: it has none.
 * Return: 0; -EEXIST when a port leads elsewhere; -E2BIG; -ENOMEM.
 */
int sock_publish_add(struct sock *sock, const struct portmap *ports,
		     const struct ip_addr *ip4, const struct ip_addr *ip6,
		     struct err *err);
/* Remove it; ports that are not there, or lead elsewhere, are left alone. */
int sock_publish_del(struct sock *sock, const struct portmap *ports,
		     const struct ip_addr *ip4, const struct ip_addr *ip6,
		     struct err *err);

/* ---- ports of several containers (sock_pool.c) --------------------------- */

/*
 * sock_balance_add() - let @port's host port (its container side means nothing)
 * lead to pool @pool4 for clients of IPv4, @pool6 of IPv6.  All or nothing.  The
 * same again: 0.  sock_balance_del() - as sock_publish_del().
 */
int sock_balance_add(struct sock *sock, const struct port_range *port,
		     uint32_t pool4, uint32_t pool6, struct err *err);
int sock_balance_del(struct sock *sock, const struct port_range *port,
		     uint32_t pool4, uint32_t pool6, struct err *err);
/*
 * sock_pool_set() - the table of pool @number (not 0) from now on, in one step:
 * SOCK_POOL_SLOTS backends.  NULL: there is none, new connections are refused.
 * Also while loading; attaches where that was not done.
 * Return: 0; -E2BIG: too many pools.
 */
struct sock_backend; /* bpf/sock_map.h */
int sock_pool_set(struct sock *sock, uint32_t number,
		  const struct sock_backend *table, struct err *err);
/* Is its table another one?  Return: 1; 0; -errno. */
int sock_pool_differs(struct sock *sock, uint32_t number,
		      const struct sock_backend *table, struct err *err);
/* Remove the pools that @wanted says no of. */
int sock_pool_sweep(struct sock *sock,
		    bool (*wanted)(void *ctx, uint32_t number), void *ctx,
		    struct err *err);

/*
 * sock_range_hold() - refuse bind() to @r's host ports on its address, or, where
 * it has none, on any.  Does not look at who is bound already.  Holds on an
 * address are counted: what was held twice is released by the second
 * sock_range_release().  Those on any address are not: a port has one holder.
 */
int sock_range_hold(struct sock *sock, const struct port_range *r,
		    struct err *err);
int sock_range_release(struct sock *sock, const struct port_range *r,
		       struct err *err);

/*
 * sock_load_begin(), sock_load_end() - say everything again after a restart.
 * In between the calls above only collect; load_end makes the kernel's content
 * the same without a moment in which something of both is missing, and
 * removes what was not said.  Where it fails what was said is kept: it may be
 * called again, and the next publish or hold does.  When nothing is to be
 * loaded: 0.
 */
void sock_load_begin(struct sock *sock);
int sock_load_end(struct sock *sock, struct err *err);
/* Ports, as a bitmap of 65536 / 64 words, that an earlier daemon held and
 * sock_load_end() let go.  Borrowed for the handle's life. */
const uint64_t *sock_load_dropped(const struct sock *sock);

/* Hooks that are missing or detached: one line each. Return: their number. */
int sock_check(struct sock *sock, void (*fn)(void *ctx, const char *line),
	       void *ctx, struct err *err);

#endif
