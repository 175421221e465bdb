/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ct.h - forget tracked connections, so that new rules apply to old flows.
 *
 * Acts in the calling thread's network namespace.  Costs 6 us when nothing is
 * tracked there, 0.2 ms up to 1000 entries where the kernel has
 * /proc/net/nf_conntrack, else 13 ms (262,144 buckets) and 1 us an entry, once
 * for the whole list.  TCP rarely needs it: conntrack reopens a closed entry by
 * itself.
 */
#ifndef LIB_CT_H
#define LIB_CT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ip.h"

/* A connection matches when everything said here holds. */
struct ct_filter {
	struct ip_addr orig_dst;  /* where the first packet went; none: any
				   * address of this host; 0.0.0.0, ::: any of
				   * that family */
	struct ip_addr reply_src; /* who answers: the container. Set: orig_dst
				   * none means any address at all */
	uint16_t first, last;     /* original destination port; 0..0: any */
	uint8_t proto;            /* IPPROTO_TCP, _UDP, _SCTP; 0: any */
};

/*
 * ct_flush() - delete the entries that match any of @filters.
 *
 * Return: their number; -EPERM; otherwise what the kernel said.  A kernel
 * without connection tracking has none: 0.
 */
int ct_flush(const struct ct_filter *filters, size_t count, struct err *err);

/* One filter: host ports @first..@last of @orig_dst (NULL or none: any address
 * of this host). */
int ct_flush_port(uint8_t proto, const struct ip_addr *orig_dst, uint16_t first,
		  uint16_t last, struct err *err);
/* One filter: whatever container @ip answers. */
int ct_flush_addr(const struct ip_addr *ip, struct err *err);

#endif
