/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool_slots.h - look into the table of a pinned pool. */
#ifndef DATAPLANE_EBPF_TEST_POOL_SLOTS_H
#define DATAPLANE_EBPF_TEST_POOL_SLOTS_H

#include "lib/ip.h"

/* Slots of pool @number that lead to port @port of @who; none: all that lead
 * anywhere.  @dir: of the pins.  Return: -1: there is no such pool. */
int pool_slots(const char *dir, unsigned int number, const struct ip_addr *who,
	       int port);

#endif
