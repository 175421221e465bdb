/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ip.h - addresses, prefixes and MACs as values: parse, print, compare.
 *
 * Pure arithmetic, no I/O.  All members are in network order.  An address of
 * family 0 is "none"; struct ip_addr { 0 } is therefore none.
 */
#ifndef LIB_IP_H
#define LIB_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct ip_addr {
	uint8_t family;    /* AF_INET, AF_INET6, or 0: none */
	uint8_t bytes[16]; /* the first 4 for AF_INET, the rest 0 */
};

struct ip_prefix {
	struct ip_addr addr; /* host bits kept: "10.0.0.9/8" stays .9 */
	uint8_t len;         /* bits, 0..32 or 0..128 */
};

struct mac_addr {
	uint8_t bytes[6]; /* all zero: none */
};

#define IP_STR_MAX     46 /* INET6_ADDRSTRLEN */
#define PREFIX_STR_MAX 50 /* with "/128" */
#define MAC_STR_MAX    18

/* Parse text; a zone ("%eth0"), leading zeros, trailing text or the all-zero MAC
 * (which is none) are -EINVAL. */
int ip_parse(const char *s, struct ip_addr *ret, struct err *err);
int ip_prefix_parse(const char *s, struct ip_prefix *ret, struct err *err);
int mac_parse(const char *s, struct mac_addr *ret, struct err *err);

/* Print into @buf and return it; "" for none. */
const char *ip_str(const struct ip_addr *a, char buf[static IP_STR_MAX]);
const char *ip_prefix_str(const struct ip_prefix *p,
			  char buf[static PREFIX_STR_MAX]);
const char *mac_str(const struct mac_addr *m, char buf[static MAC_STR_MAX]);

bool ip_is_none(const struct ip_addr *a);
bool ip_is_any(const struct ip_addr *a);      /* 0.0.0.0 or :: */
bool ip_is_loopback(const struct ip_addr *a); /* 127/8, ::1, ::ffff:127/104 */
bool ip_equal(const struct ip_addr *a, const struct ip_addr *b);
int ip_cmp(const struct ip_addr *a, const struct ip_addr *b);
unsigned int ip_bytes(const struct ip_addr *a); /* 4, 16, or 0 */

/* The lowest / highest address of a prefix (network / broadcast for v4). */
struct ip_addr ip_prefix_first(const struct ip_prefix *p);
struct ip_addr ip_prefix_last(const struct ip_prefix *p);
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b);

bool mac_is_none(const struct mac_addr *m);
bool mac_equal(const struct mac_addr *a, const struct mac_addr *b);
/* mac_check() - -EINVAL, with the reason, for a multicast or all-zero MAC. */
int mac_check(const struct mac_addr *m, struct err *err);
/* mac_from_ip() - 02:42:a.b.c.d as Docker does for v4; for v6 a locally
 * administered MAC from a hash of the address. */
struct mac_addr mac_from_ip(const struct ip_addr *a);
/* ip_from_mac() - the EUI-64 link-local address fe80::/64 (RFC 4291 app. A). */
struct ip_addr ip_from_mac(const struct mac_addr *m);

#endif
