/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockdiag.h - which sockets hold which ports, and whose they are.
 *
 * Acts in the calling thread's network namespace; nothing is kept open.
 */
#ifndef LIB_SOCKDIAG_H
#define LIB_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ip.h"

struct sockdiag_entry {
	struct ip_addr addr; /* as bound; 0.0.0.0 or ::, not none */
	uint32_t inode, uid;
	uint16_t port;
	uint8_t proto;
	bool v6only;
	bool connected; /* UDP with a peer: most often a client's own port */
};

/*
 * sockdiag_each() - every socket that a bind to a port of @first..@last on
 * @addr would meet: TCP that listens or is bound only (the latter from Linux
 * 6.8), UDP whatever its state.
 *
 * @addr: NULL or none: any address of both families.
 * @fn:   a value other than 0 ends the walk and is returned.
 *
 * Return: 0; what @fn said; -EOPNOTSUPP when the kernel can't tell (modules
 * tcp_diag, udp_diag).  SCTP on a kernel without it: 0.
 */
int sockdiag_each(uint8_t proto, const struct ip_addr *addr, uint16_t first,
		  uint16_t last,
		  int (*fn)(void *ctx, const struct sockdiag_entry *e),
		  void *ctx, struct err *err);

/* sockdiag_find() - the first of them. Return: 1; 0: none; -errno. */
int sockdiag_find(uint8_t proto, const struct ip_addr *addr, uint16_t first,
		  uint16_t last, struct sockdiag_entry *ret, struct err *err);

/*
 * sockdiag_abort_udp() - end what is connected by UDP to ports @first..@last of
 * @peer: each such socket is connected no more.  recv() and poll() give
 * ECONNABORTED, send() EDESTADDRREQ until the program connects anew.  IPv4 peers of IPv6 sockets are found, too.
 *
 * Return: how many; -EOPNOTSUPP: a kernel without CONFIG_INET_DIAG_DESTROY and
 * with such a socket; -errno.
 */
int sockdiag_abort_udp(const struct ip_addr *peer, uint16_t first,
		       uint16_t last, struct err *err);

#define SOCKDIAG_OWNER_MAX 48

/*
 * sockdiag_owner() - "nginx (pid 1234)", whoever holds socket @inode; "" when
 * no process that we may see does.  Reads all of /proc: for error texts only.
 * Return: @buf.
 */
const char *sockdiag_owner(uint32_t inode, char buf[static SOCKDIAG_OWNER_MAX]);

#endif
