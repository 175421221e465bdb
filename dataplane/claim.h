/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim.h - hold published host ports, so that nobody else on this host takes
 * them and a clash is an error that names the holder.
 *
 * Up to CLAIM_SOCKETS_MAX ports of one publish are each held by a bound, never
 * listening socket (two where both families are meant).  More are held as
 * ranges: looked for once among the host's sockets (sock_diag), and kept from
 * the ephemeral allocator by net.ipv4.ip_local_reserved_ports; that nobody
 * binds them later is the socket hooks' part (dataplane/ebpf/sock.h).
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

#define CLAIM_SOCKETS_MAX 64 /* ports of one publish */

struct claim;

/* What all claims of one network namespace share; starts zeroed. */
struct claim_host {
	struct claim *ranges;          /* borrowed: those held as ranges */
	uint64_t reserved[65536 / 64]; /* ports that we reserved */
	uint16_t cursor;               /* where the search for a free port
					  * goes on */
	bool adopting; /* after a restart: a port that is wanted and reserved
			* already was reserved by us */
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

/* claim_forget() - an earlier daemon reserved @ports (a bitmap), and nobody
 * wants them any more but who claimed them since. */
void claim_forget(struct claim_host *host, const uint64_t *ports);

/*
 * claim_keep() - keep the ephemeral allocator from @first..@last, and nothing
 * else: nobody is asked for them, and a bind to one succeeds.
 * claim_leave() - free the claim, and leave what it keeps as it is.
 */
int claim_keep(struct claim_host *host, uint16_t first, uint16_t last,
	       struct claim **ret, struct err *err);
void claim_leave(struct claim *c); /* NULL is fine */

/* ---- between claim.c and claim_range.c ---------------------------------- */

struct claim {
	struct claim_host *host;
	int *fds; /* owned */
	size_t fd_count;
	bool by_range;
	struct portmap ports; /* by_range: what is reserved */
	struct claim *next;   /* by_range */
};

/* Ports of one protocol that have a socket, on whatever address: the host's
 * sockets are walked once for all ranges of a publish. */
struct claim_busy {
	struct claim_busy *next;
	uint8_t proto;
	uint64_t ports[65536 / 64];
};

void claim_busy_free(struct claim_busy *b); /* NULL is fine */
DEFINE_CLEANUP(struct claim_busy, claim_busy_free)

/* Does nobody hold a port of @r?  @list is filled as needed.  Return: as
 * claim_take(). */
int claim_range_check(const struct port_range *r, struct claim_busy **list,
		      struct err *err);
int claim_reserve(struct claim *c, struct err *err);
void claim_release(struct claim *c);
/* ip_local_reserved_ports as a bitmap of 65536 / 64 words. */
int claim_reserved_read(uint64_t *ret, struct err *err);
/* What the kernel said of a bind to @r, as one line naming the holder. */
int claim_refused(const struct port_range *r, uint32_t port, int code,
		  struct err *err);

#endif
