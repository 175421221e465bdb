/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may reach a published port: comparing. */
#include "dataplane/policy.h"

bool dp_policy_is_none(const struct dp_policy *p)
{
	return !p->count && !p->rate;
}

static bool rule_equal(const struct dp_policy_rule *a,
		       const struct dp_policy_rule *b)
{
	return a->allow == b->allow && a->net.len == b->net.len &&
	       ip_equal(&a->net.addr, &b->net.addr);
}

bool dp_policy_equal(const struct dp_policy *a, const struct dp_policy *b)
{
	if (a->count != b->count || a->rate != b->rate || a->burst != b->burst)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (!rule_equal(&a->rules[i], &b->rules[i]))
			return false;
	return true;
}

bool dp_policy_allows_others(const struct dp_policy *p)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (p->rules[i].allow)
			return false;
	return true;
}
