/* SPDX-License-Identifier: GPL-2.0-or-later */
/* num.h - addresses as numbers, to count with. */
#ifndef IPAM_NUM_H
#define IPAM_NUM_H

#include "ipam/runs.h"
#include "lib/ip.h"

static inline runs_num num_of(const struct ip_addr *a)
{
	runs_num n = 0;

	for (unsigned int i = 0; i < ip_bytes(a); i++)
		n = n << 8 | a->bytes[i];
	return n;
}

static inline struct ip_addr num_to_ip(uint8_t family, runs_num n)
{
	struct ip_addr a = { .family = family };

	for (unsigned int i = ip_bytes(&a); i-- > 0; n >>= 8)
		a.bytes[i] = (uint8_t)n;
	return a;
}

#endif
