/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_typeof.h - "typeof" of a set's key, in nft(8)'s own form.
 *
 * nft has no type for what is read from a raw offset, and reads its own listing back
 * only if the set is declared by what is looked up in it ("typeof iifname .
 * @th,64,128"); else a saved ruleset leaves a host without a firewall at boot.  nft keeps
 * that in the set's user data, as entries of type, length and value; these are the bytes
 * that nft 1.0.6 makes.  In a key a raw part is of FW_TYPE_INTEGER.
 */
#ifndef LIB_FW_TYPEOF_H
#define LIB_FW_TYPEOF_H

/* clang-format off */
#define FW_UD(type, n)   (type), 4, (n), 0, 0, 0

/* Parts of a key: @i: the how manieth, from 0.  Lengths are in FW_TYPEOF_x_LEN. */
#define FW_TYPEOF_IIFNAME(i)                                             \
	(i), 14, FW_UD(0, 9), 1, 6, FW_UD(0, 6)
#define FW_TYPEOF_IP4_SADDR(i)                                           \
	(i), 20, FW_UD(0, 7), 1, 12, FW_UD(0, 12), FW_UD(1, 11)
#define FW_TYPEOF_IP6_SADDR(i)                                           \
	(i), 20, FW_UD(0, 7), 1, 12, FW_UD(0, 13), FW_UD(1, 8)
#define FW_TYPEOF_ETHER_SADDR(i)                                         \
	(i), 20, FW_UD(0, 7), 1, 12, FW_UD(0, 17), FW_UD(1, 2)
/* @th,OFF,BITS */
#define FW_TYPEOF_TH(i, off, bits)                                       \
	(i), 38, FW_UD(0, 7), 1, 30, FW_UD(0, 0), FW_UD(1, 0), FW_UD(2, 3), \
	FW_UD(3, off), FW_UD(4, bits)
#define FW_TYPEOF_IIFNAME_LEN 16
#define FW_TYPEOF_ADDR_LEN    22
#define FW_TYPEOF_TH_LEN      40

/* A set whose key is one TH alone; and a map of it to verdicts. */
#define FW_TYPEOF_ONE(th_off, th_bits)                                   \
	FW_UD(0, 2), FW_TYPEOF_TH(3, th_off, th_bits)
#define FW_TYPEOF_ONE_VERDICT(th_off, th_bits)                           \
	FW_UD(0, 2), FW_UD(1, 0), FW_TYPEOF_TH(3, th_off, th_bits),      \
	4, 8, FW_UD(0, 1), 1, 0, FW_UD(6, 0)
/* A set whose key is several parts, of @len bytes in all. */
#define FW_TYPEOF_CONCAT(len, ...)                                       \
	FW_UD(0, 0), 3, (len) + 8, FW_UD(0, 13), 1, (len), __VA_ARGS__
/* clang-format on */

#endif
