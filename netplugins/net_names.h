/* SPDX-License-Identifier: GPL-2.0-or-later */
/* net_names.h - names of links, and the numbers they are made of. */
#ifndef NETPLUGINS_NET_NAMES_H
#define NETPLUGINS_NET_NAMES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_NAME_TRIES 5 /* names that an id gives */

uint64_t net_hash(const char *s, uint64_t seed);
/* @prefix (two characters) and the @nth eleven hex digits of a Docker id; of its
 * hash for another id.  @nth: below NET_NAME_TRIES. */
void net_link_name(const char *prefix, const char *id, unsigned int nth,
		   char buf[static IFNAMSIZ]);
/* A name the kernel takes for a link, 1..@max bytes? */
bool net_link_name_valid(const char *s, size_t max);

#endif
