/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim.h - hold published host ports, so that nobody else on this host takes
 * them and a clash is an error that names the holder.
 *
 * A port is held by the socket hooks (dataplane/ebpf/sock.h): they refuse every
 * later bind to it.  Only then is it tried by a bind of our own, which is closed
 * again; more than CLAIM_TRY_MAX ports of one publish are looked for among the
 * host's sockets instead (sock_diag).  The ephemeral allocator, which no hook
 * sees, is kept off by net.ipv4.ip_local_reserved_ports (claim_reserve.c).
 *
 * Where that is not the same as a socket of our own, there is one, bound and
 * never listening, for each port: see claim.c.
 *
 * A kernel without SCTP sockets can have no SCTP holder: nothing to claim.
 */
#ifndef DATAPLANE_CLAIM_H
#define DATAPLANE_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/portmap.h"
#include "lib/base.h"
#include "lib/err.h"

#define CLAIM_TRY_MAX    64 /* ports of one publish */
#define CLAIM_PORT_WORDS (65536 / 64)

struct claim;
struct sock;

/* What all claims of one network namespace share; starts zeroed, but for
 * @sock. */
struct claim_host {
	struct sock *sock; /* borrowed: the hooks */
	uint16_t cursor;   /* where the search for a free port goes on */
	bool adopting; /* after a restart: a port that is wanted and reserved
			    * already was reserved by us */
	bool leaving;  /* the daemon ends: claims that are freed stay held
			    * and reserved */

	/* of claim_reserve.c */
	uint16_t refs[65536];              /* claims by port */
	uint64_t ours[CLAIM_PORT_WORDS];   /* ports that we reserved ... */
	uint64_t others[CLAIM_PORT_WORDS]; /* ... and others did */
	uint64_t others_ms;                /* when that was read; 0: never */
	uint32_t live, stale;              /* ours with and without refs */
	uint32_t eph_first, eph_last; /* ip_local_port_range; 0: not read */
};

/* Asked before a port is tried: is it free among our own?  Return: 0;
 * -EADDRINUSE with the endpoint's name in @err (which may be NULL). */
typedef int (*claim_own_fn)(void *ctx, const struct port_range *r,
			    struct err *err);

/*
 * claim_take() - hold all host ports of @m; those to be chosen are chosen and
 * written back in place.  All or none.
 *
 * @host:   borrowed for the claim's life.
 * @own:    is called for each range, and for each port tried.
 * @ret:    owned; claim_free() lets go of the ports.
 *
 * Return: 0; -EADDRINUSE, naming port and holder; -EADDRNOTAVAIL when the host
 * address is not on this host.
 */
int claim_take(struct claim_host *host, struct portmap *m, claim_own_fn own,
	       void *ctx, struct claim **ret, struct err *err);
void claim_free(struct claim *c); /* NULL is fine */
DEFINE_CLEANUP(struct claim, claim_free)

/*
 * What most claims are need not be kept: claim_is_plain() - is @c no more than
 * that the hooks hold each range of @m?  Then claim_shed() frees its memory alone,
 * and claim_again() makes it anew of @m and @c->whole, to be freed.
 */
bool claim_is_plain(const struct claim *c, const struct portmap *m);
void claim_shed(struct claim *c);
int claim_again(struct claim_host *host, const struct portmap *m, bool whole,
		struct claim **ret, struct err *err);

/*
 * A claim of several parts: claim_add() hangs @more, which is what claim_take() gave
 * for @r alone, behind @c; claim_part() takes it out again (owned by the caller then;
 * NULL: there is none for @r).  claim_free() frees all that hangs together.
 */
void claim_add(struct claim *c, struct claim *more, const struct port_range *r);
struct claim *claim_part(struct claim *c, const struct port_range *r);
bool claim_has(const struct claim *c, const struct port_range *r); /* such */

/* claim_forget() - an earlier daemon held @ports (a bitmap), and nobody wants
 * them any more but who claimed them since. */
void claim_forget(struct claim_host *host, const uint64_t *ports);

/*
 * claim_keep() - keep the ephemeral allocator from @first..@last, and nothing
 * else: nobody is asked for them, and a bind to one succeeds.
 */
int claim_keep(struct claim_host *host, uint16_t first, uint16_t last,
	       struct claim **ret, struct err *err);

/*
 * claim_tick() - once a second: reserve what a new ip_local_port_range has come
 * to hold, and take off the list what is claimed no more.
 */
void claim_tick(struct claim_host *host);

/* ---- between claim.c, claim_range.c and claim_reserve.c ------------------ */

struct claim {
	struct claim_host *host;
	int *fds; /* owned */
	size_t fd_count;
	struct portmap held; /* by the hooks */
	size_t counted;      /* of held: those in host->refs */
	bool whole; /* all of it is reserved, not what is ephemeral alone */
	bool keeps; /* claim_keep(): no hooks */
	struct claim *next;      /* owned: claim_add() */
	struct port_range alone; /* of one that hangs behind another */
};

/* Ports of one protocol that have a socket, on whatever address: the host's
 * sockets are walked once for all ranges of a publish. */
struct claim_busy {
	struct claim_busy *next;
	uint8_t proto;
	uint64_t ports[CLAIM_PORT_WORDS];
};

void claim_busy_free(struct claim_busy *b); /* NULL is fine */
DEFINE_CLEANUP(struct claim_busy, claim_busy_free)

/* Does nobody hold a port of @r?  @list is filled as needed.  Return: as
 * claim_take(). */
int claim_range_check(const struct port_range *r, struct claim_busy **list,
		      struct err *err);
/* Count what of @c->held is not counted yet, and reserve it. */
int claim_reserve(struct claim *c, struct err *err);
/* Take back from @keep on what claim_reserve() did. */
void claim_unreserve(struct claim *c, size_t keep);
/* Does somebody else reserve @port? */
bool claim_is_others(struct claim_host *host, uint32_t port);
void claim_ephemeral(struct claim_host *host, uint32_t *first, uint32_t *last);
/* What the kernel said of a bind to @r, as one line naming the holder. */
int claim_refused(const struct port_range *r, uint32_t port, int code,
		  struct err *err);

#endif
