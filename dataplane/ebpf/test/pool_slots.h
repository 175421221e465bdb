/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool_slots.h - look into pinned maps of published ports. */
#ifndef DATAPLANE_EBPF_TEST_POOL_SLOTS_H
#define DATAPLANE_EBPF_TEST_POOL_SLOTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/ip.h"

/* Slots of pool @number that lead to port @port of @who; none: all that lead
 * anywhere.  @dir: of the pins.  Return: -1: there is no such pool. */
int pool_slots(const char *dir, unsigned int number, const struct ip_addr *who,
	       int port);

/* What is published on any address, single ports of TCP and UDP, as text: a line
 * an entry.  Return: their number; 0, where the map is not there, too. */
size_t any_ports(const char *dir, char *buf, size_t size);
/* Is @port, of either protocol and family, among them? */
bool any_port(const char *dir, unsigned int port);

#endif
