/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of shared names make their networks and names of. */
#ifndef RUNTIME_NAMES_TEST_SHARE_TEST_H
#define RUNTIME_NAMES_TEST_SHARE_TEST_H

#include "lib/test/test.h"

#include <stdio.h>

#include "runtime/names/share_priv.h"

static inline struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p = { 0 };

	assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

static inline struct name_record record(const char *name, const char *addr,
					bool ptr)
{
	struct name_record r = { .ptr = ptr };

	snprintf(r.name, sizeof(r.name), "%s", name);
	assert_int_equal(ip_parse(addr, &r.addr, NULL), 0);
	return r;
}

static inline struct share_net network(const char *key)
{
	struct share_net n = { .subnet = { prefix("10.9.0.0/24"),
					   prefix("fd00:9::/64") } };

	snprintf(n.net, sizeof(n.net), "%s", key);
	return n;
}

#endif
