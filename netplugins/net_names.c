/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of links, and the numbers they are made of. */
#include "netplugins/net_names.h"

#include <stdio.h>
#include <string.h>

#define NAME_HEX 11

uint64_t net_hash(const char *s, uint64_t seed)
{
	uint64_t h = 0xcbf29ce484222325 + seed;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

void net_link_name(const char *prefix, const char *id, unsigned int nth,
		   char buf[static IFNAMSIZ])
{
	if (strspn(id, "0123456789abcdef") == 64)
		snprintf(buf, IFNAMSIZ, "%.2s%.*s", prefix, NAME_HEX,
			 id + (size_t)nth * NAME_HEX);
	else
		snprintf(buf, IFNAMSIZ, "%.2s%011llx", prefix,
			 (unsigned long long)(net_hash(id, nth) >> 20));
}

bool net_link_name_valid(const char *s, size_t max)
{
	size_t len = strlen(s);

	if (len == 0 || len > max || strcmp(s, ".") == 0 ||
	    strcmp(s, "..") == 0)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s == '/' || *s == ':' || *s == '%' ||
		    *s > '~')
			return false;
	return true;
}
