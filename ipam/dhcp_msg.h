/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_msg.h - DHCP messages (RFC 2131, 2132, 3396, 6842), to and from bytes, and the
 * Ethernet, IPv4 and UDP headers around them.
 *
 * Pure: no I/O, no clock, no memory of its own.  What is parsed comes from whoever is
 * on the LAN: every length is checked, and what is not well formed is no message.
 */
#ifndef IPAM_DHCP_MSG_H
#define IPAM_DHCP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/ip.h"

#define DHCP_CLIENT_PORT 68
#define DHCP_SERVER_PORT 67
#define DHCP_FRAME_MAX   1514 /* of a frame that is built or looked at */
#define DHCP_FOREVER     UINT32_MAX

enum dhcp_type {
	DHCP_NONE,
	DHCP_DISCOVER,
	DHCP_OFFER,
	DHCP_REQUEST,
	DHCP_DECLINE,
	DHCP_ACK,
	DHCP_NAK,
	DHCP_RELEASE,
};

/* Addresses are of IPv4, or none where the message does not have them. */
struct dhcp_msg {
	enum dhcp_type type;
	uint32_t xid;
	uint16_t secs;
	bool reply;             /* of a server */
	bool broadcast;         /* let the answer be one */
	struct mac_addr chaddr; /* also the client id: 01 and this */
	struct ip_addr ciaddr, yiaddr;
	struct ip_addr requested, server, router; /* options 50, 54, 3 */
	uint8_t mask;                 /* option 1 in bits; 0: none */
	uint32_t lease_s, t1_s, t2_s; /* options 51, 58, 59; 0: none */
	char text[64];                /* option 56, printable */
};

/* Who sends to whom. */
struct dhcp_way {
	struct mac_addr from, to;      /* to none: to all */
	struct ip_addr ip_from, ip_to; /* none: 0.0.0.0, 255.255.255.255 */
};

/*
 * dhcp_msg_build() - @m as BOOTP, with client id, host name left out, and the
 * parameters we look at asked for.
 *
 * Return: its length, at least 300 (older relays want that); -ENOBUFS.
 */
int dhcp_msg_build(const struct dhcp_msg *m, uint8_t *buf, size_t size);
/*
 * dhcp_msg_parse() - a message of either side.
 *
 * Split options are joined, overloaded fields read.  A client id that is not that
 * of the chaddr makes it another's: -EBADMSG as all that is wrong.
 */
int dhcp_msg_parse(const uint8_t *buf, size_t len, struct dhcp_msg *ret);

/* dhcp_frame_build() - the same as a whole Ethernet frame of a client. */
int dhcp_frame_build(const struct dhcp_way *way, const struct dhcp_msg *m,
		     uint8_t *buf, size_t size);
/*
 * dhcp_frame_parse() - a server's answer out of a frame: UDP to port 68, whole.
 *
 * @summed:   the UDP checksum can be looked at; a frame of this host may not have
 *            been given one yet.
 * @ret_from: the frame's sender.
 * Return: 0; -EBADMSG.
 */
int dhcp_frame_parse(const uint8_t *buf, size_t len, bool summed,
		     struct mac_addr *ret_from, struct dhcp_msg *ret);

#endif
