/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - how berth-dns is told of a container's own 127.0.0.11.
 *
 * Whoever keeps the container makes the two sockets in its namespace and connects to
 * RUN_DIR/GUEST_DOOR (a packet socket, root's).  One packet each way: what berth-dns shall
 * know, with the sockets; {"Err":""}, or why not.  It answers there until the connection
 * ends; after its own restart it is told again.  So it enters no namespace, and needs no
 * right to.
 */
#ifndef RUNTIME_NAMES_GUEST_H
#define RUNTIME_NAMES_GUEST_H

#include "lib/jdec.h"
#include "runtime/names/names.h"

#define GUEST_DOOR     "berth-dns.guests"
#define GUEST_SAYS_MAX 32768 /* bytes of a packet */
#define GUEST_NETS_MAX 64
#define GUEST_LOOPBACK 1 /* lo's index in each namespace */

/* With a packet: bound to lo and its 127.0.0.11, UDP with IP_PKTINFO, TCP listening. */
enum { GUEST_UDP, GUEST_TCP, GUEST_FDS };

struct guest_net {
	char key[NAMES_NET_MAX];     /* "Key" */
	char domain[NAMES_NAME_MAX]; /* "Domain": as serve_net's */
	struct ip_prefix subnet4, subnet6;
	struct ip_addr host4, host6; /* "Host4", "Host6": this host's there */
};

struct guest_says {
	struct ip_addr address;     /* its own: limits are this source's */
	bool forward;               /* the host's resolvers may be asked */
	struct jdec_array servers;  /* const char *: in their place */
	struct jdec_array networks; /* struct guest_net: asked in this order */
};

/* jdec_free() a struct guest_says. */
extern const struct jdec_field guest_fields[];

#endif
