/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, prefixes and MACs as text: what parses prints and parses again. */
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *s = malloc(size + 1);
	char buf[PREFIX_STR_MAX];
	struct ip_addr a, a2;
	struct ip_prefix p, p2;
	struct mac_addr m, m2;

	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = '\0';
	if (ip_parse(s, &a, NULL) == 0 &&
	    (ip_parse(ip_str(&a, buf), &a2, NULL) < 0 || !ip_equal(&a, &a2)))
		abort();
	if (ip_prefix_parse(s, &p, NULL) == 0 &&
	    (ip_prefix_parse(ip_prefix_str(&p, buf), &p2, NULL) < 0 ||
	     p.len != p2.len || !ip_equal(&p.addr, &p2.addr) ||
	     !ip_prefix_contains(&p, &p.addr)))
		abort();
	if (mac_parse(s, &m, NULL) == 0 &&
	    (mac_parse(mac_str(&m, buf), &m2, NULL) < 0 || !mac_equal(&m, &m2)))
		abort();
	return 0;
}
