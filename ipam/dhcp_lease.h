/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_lease.h - a DHCP client's state machine (RFC 2131, figure 5), one a lease.
 *
 * Pure: no I/O, no clock and no lock.  The caller asks what to send, and when, and
 * hands over what arrived.  Times are milliseconds of CLOCK_BOOTTIME.
 *
 *   SELECTING ----> REQUESTING ----> BOUND --T1--> RENEWING --T2--> REBINDING
 *       ^               |  NAK,        ^               |                |
 *       |<--------------'  silence     '--- ACK -------+----------------+
 *       |                                              |
 *       '------- .lost: the lease ran out, or its server said NAK
 *
 * The address is a container's, and we are not in it.  So every message is a
 * broadcast that asks for a broadcast, and a lease is renewed by the REQUEST of
 * a client that has rebooted (RFC 2131, 4.3.2, INIT-REBOOT): to one with the address
 * as source the server would answer that address alone, and on a bridge we do
 * not see that.
 *
 * Whoever is on the LAN can answer.  Taken is what fits the exchange (xid,
 * client, state), until T2 of the lease's own server only, and a NAK never of
 * another.
 */
#ifndef IPAM_DHCP_LEASE_H
#define IPAM_DHCP_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipam/dhcp_msg.h"

#define DHCP_NEVER ((uint64_t)INT64_MAX) /* the most that a record can hold */

enum dhcp_state {
	DHCP_SELECTING,
	DHCP_REQUESTING,
	DHCP_BOUND,
	DHCP_RENEWING,
	DHCP_REBINDING,
	DHCP_STATE_MAX,
};

struct dhcp_lease {
	enum dhcp_state state;
	bool lost;           /* it was ours; asked for again */
	struct mac_addr mac; /* who asks */
	struct ip_addr wish; /* asked for while SELECTING, or none */
	/* What the server said; of an offer from REQUESTING on. */
	struct ip_addr addr, server, router;
	struct mac_addr server_mac;    /* whose frame it came in */
	uint8_t mask;                  /* 0: not said */
	uint64_t t1_ms, t2_ms, end_ms; /* DHCP_NEVER: for ever */
	/* The exchange under way. */
	uint32_t xid;
	uint32_t tries;
	uint64_t asked_ms; /* its first message */
	uint64_t next_ms;  /* when to say something again */
};

enum dhcp_event {
	DHCP_NOTHING,
	DHCP_OFFERED, /* take it with dhcp_lease_accept(), or leave it */
	DHCP_LEASED,  /* anew, or again after it was lost */
	DHCP_RENEWED,
	DHCP_REFUSED, /* a NAK: SELECTING again, .lost if it was leased */
};

const char *dhcp_state_to_string(const struct dhcp_lease *l);

/* dhcp_lease_init() - from SELECTING on.  @wish: ask for this one; none: any.
 * @xid: random. */
void dhcp_lease_init(struct dhcp_lease *l, const struct mac_addr *mac,
		     const struct ip_addr *wish, uint32_t xid, uint64_t now);
/*
 * dhcp_lease_due() - pass the time.
 *
 * @xid: random; of the exchange that begins now, if one does.
 * @ret_ran_out: the lease has just been lost.
 * Return: is @ret to be sent now?  When to call again is in .next_ms.
 */
bool dhcp_lease_due(struct dhcp_lease *l, uint64_t now, uint32_t xid,
		    struct dhcp_msg *ret, bool *ret_ran_out);
/*
 * dhcp_lease_input() - @m came in a frame of @from.
 *
 * @ret_offer: with DHCP_OFFERED: the lease as it would be.
 */
enum dhcp_event dhcp_lease_input(struct dhcp_lease *l, uint64_t now,
				 const struct dhcp_msg *m,
				 const struct mac_addr *from,
				 struct dhcp_lease *ret_offer);
/* dhcp_lease_accept() - take what was offered; dhcp_lease_due() has the REQUEST. */
void dhcp_lease_accept(struct dhcp_lease *l, const struct dhcp_lease *offer,
		       uint64_t now);
/* The message that gives it back, and its way: to the server alone. */
void dhcp_lease_release(const struct dhcp_lease *l, uint32_t xid,
			struct dhcp_msg *ret, struct dhcp_way *ret_way);
/* Where all else goes: to everybody. */
struct dhcp_way dhcp_lease_way(const struct dhcp_lease *l);

#endif
