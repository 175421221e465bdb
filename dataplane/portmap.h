/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * portmap.h - published ports as ranges: a list of "these host ports lead to
 * those container ports", coalesced from the one-entry-a-port Docker sends.
 *
 * Pure data, no I/O.
 */
#ifndef DATAPLANE_PORTMAP_H
#define DATAPLANE_PORTMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ip.h"

/* One line: host ports host_first.. lead to container ports port_first..,
 * count of each.  host_first 0: to be chosen from choose_first..choose_last
 * (0..0: the ephemeral range); count is 1 then. */
struct port_range {
	struct ip_addr host_ip; /* none: any address of both families */
	uint8_t proto;          /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t host_first, port_first;
	uint32_t count; /* 1..65535 */
	uint16_t choose_first, choose_last;
	bool live; /* came while its container ran: stands by itself, so that it
		    * can go again without a touch to the others */
	uint32_t stat; /* the dataplane's own: its counter; not compared, not
			* kept on record */
};

struct portmap {
	struct port_range *ranges; /* owned */
	size_t count;
};

void portmap_free(struct portmap *m);
int portmap_copy(const struct portmap *from, struct portmap *to,
		 struct err *err);

/*
 * portmap_add() - append one entry as Docker sends it.
 * @host_last: != @host_first: one port of host_first..host_last is to be chosen.
 * Return: 0; -EINVAL for a protocol or port that can't be; -ENOMEM.
 */
int portmap_add(struct portmap *m, const struct ip_addr *host_ip, uint8_t proto,
		uint16_t host_first, uint16_t host_last, uint16_t port,
		struct err *err);
/*
 * portmap_normalize() - sort, drop doubles, join neighbours into ranges, but for
 * those that are live.  What another one covers is a double; what a live one covers
 * that only if it is live and on the same address.
 * Return: 0; -EEXIST when one host port is asked to lead to two container ports.
 */
int portmap_normalize(struct portmap *m, struct err *err);
bool portmap_equal(const struct portmap *a, const struct portmap *b);
/* Do they lead from the same to the same, and is one live as the other is? */
bool port_range_same(const struct port_range *a, const struct port_range *b);
/* The one of @m that is the same as @r.  Borrowed; NULL: none. */
struct port_range *portmap_find(const struct portmap *m,
				const struct port_range *r);
int portmap_append(struct portmap *m, const struct port_range *r,
		   struct err *err);
/* "0.0.0.0:8080-8090->80-90/tcp" into @buf. Return: @buf. */
const char *port_range_str(const struct port_range *r, char *buf, size_t size);
/* Ports in all ranges together. */
uint32_t portmap_total(const struct portmap *m);
const char *proto_name(uint8_t proto); /* "tcp", "udp", "sctp", or "?" */

#endif
