/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_talk.h - ask the DHCP servers of a LAN and wait for the answer.
 *
 * Straight-line: with a socket of its own, from when it is called until it returns.
 */
#ifndef IPAM_DHCP_TALK_H
#define IPAM_DHCP_TALK_H

#include "ipam/dhcp_lease.h"
#include "lib/clock.h"
#include "lib/err.h"

#define DHCP_WAIT_MS 10000 /* for a server; a dnsmasq looks for 3 s first */

uint32_t dhcp_random(void);

struct dhcp_question {
	const char *ifname;
	struct mac_addr mac;
	struct ip_addr wish; /* or none */
	uint64_t until;      /* clock_boot_ms() at which to give up */
	/* May what @offer says be taken?  0, or -errno with the reason; then other
	 * servers have a little time to offer something better. */
	int (*judge)(void *ctx, const struct dhcp_lease *offer,
		     struct err *err);
	void *ctx;
};

/*
 * dhcp_take() - a lease.
 *
 * Return: 0, @ret is BOUND; -ETIMEDOUT: nobody answered, or it is offered and not
 *         confirmed; what .judge said;
 *         as dhcp_sock_open().
 */
int dhcp_take(const struct dhcp_question *q, struct dhcp_lease *ret,
	      struct err *err);
/* dhcp_look() - what would be offered, without taking it: the first offer that
 * .judge does not object to. */
int dhcp_look(const struct dhcp_question *q, struct dhcp_lease *ret,
	      struct err *err);
/* dhcp_give() - tell its server that a lease is not needed any more.  There is no
 * answer to that; one that is lost ends by itself. */
int dhcp_give(const char *ifname, const struct dhcp_lease *l, struct err *err);

#endif
