/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who may reach published ports: berth.allow, berth.deny, berth.limit. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "netplugins/bridge/bridge.h"

/* ---- lists of networks ---------------------------------------------------- */

/* "10.0.0.0/8", or an address alone. */
static int parse_net(const char *key, const char *text, struct ip_prefix *ret,
		     struct err *err)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char shown[96], good[PREFIX_STR_MAX];
	struct ip_prefix net;
	struct ip_addr first;

	if (ip_prefix_parse(text, ret, NULL) < 0) {
		if (ip_parse(text, &ret->addr, NULL) < 0)
			return err_set(err, -EINVAL,
				       "%s: %s is not a network: write them "
				       "as 192.168.0.0/16,2001:db8::/32",
				       key,
				       log_quote(shown, sizeof(shown), text));
		ret->len = (uint8_t)(8 * ip_bytes(&ret->addr));
	}
	first = ip_prefix_first(ret);
	if (!ip_equal(&first, &ret->addr)) {
		net = (struct ip_prefix){ .addr = first, .len = ret->len };
		return err_set(err, -EINVAL,
			       "%s: \"%s\" is an address in a network: write "
			       "%s, or the address alone",
			       key, text, ip_prefix_str(&net, good));
	}
	if (ret->addr.family == AF_INET6 && ret->len >= 96 &&
	    memcmp(ret->addr.bytes, mapped, sizeof(mapped)) == 0)
		return err_set(err, -EINVAL,
			       "%s: \"%s\" is IPv4 as IPv6 writes it, and "
			       "never comes by a wire: write it as IPv4",
			       key, text);
	return 0;
}

static int parse_list(const char *key, const char *text, bool allow,
		      struct dp_policy *ret, struct err *err)
{
	char item[64];
	bool more = *text;
	int r = 0;

	while (r == 0 && more) {
		size_t len = strcspn(text, ",");

		if (ret->count == DP_POLICY_MAX)
			return err_set(err, -EINVAL,
				       "%s: more than %d networks in "
				       "berth.allow and berth.deny together",
				       key, DP_POLICY_MAX);
		snprintf(item, sizeof(item), "%.*s", (int)len, text);
		r = parse_net(key, item, &ret->rules[ret->count].net, err);
		ret->rules[ret->count++].allow = allow;
		more = text[len] == ',';
		text += len + more;
	}
	return r;
}

/* ---- the limit ------------------------------------------------------------ */

/* Digits only: strtoul() takes signs and blanks. */
static const char *parse_number(const char *s, uint32_t max, uint32_t *ret)
{
	size_t len = strspn(s, "0123456789");
	unsigned long n = len && len < 9 ? strtoul(s, NULL, 10) : 0;

	*ret = (uint32_t)n;
	return n >= 1 && n <= max ? s + len : NULL;
}

/* "20/s" or "20/s:100" */
static int parse_limit(const char *text, struct dp_policy *ret, struct err *err)
{
	const char *s = parse_number(text, DP_POLICY_RATE_MAX, &ret->rate);
	char shown[64];

	ret->burst = ret->rate;
	if (s && strncmp(s, "/s", 2) == 0) {
		s += 2;
		if (*s == ':')
			s = parse_number(s + 1, DP_POLICY_BURST_MAX,
					 &ret->burst);
		if (s && !*s)
			return 0;
	}
	return err_set(err, -EINVAL,
		       "berth.limit: %s is not a number of new connections a "
		       "second: write 20/s, or 20/s:100 for up to 100 at once "
		       "(1 to %d)",
		       log_quote(shown, sizeof(shown), text),
		       DP_POLICY_RATE_MAX);
}

/* ---- together ------------------------------------------------------------- */

bool bridge_policy_is_none(const struct bridge_policy *p)
{
	return !p->allow[0] && !p->deny[0] && !p->limit[0];
}

int bridge_policy_parse(const struct bridge_policy *p, struct dp_policy *ret,
			struct err *err)
{
	int r;

	*ret = (struct dp_policy){ 0 };
	r = parse_list("berth.allow", p->allow, true, ret, err);
	if (r == 0)
		r = parse_list("berth.deny", p->deny, false, ret, err);
	if (r == 0 && p->limit[0])
		r = parse_limit(p->limit, ret, err);
	return r;
}

/* What the dataplane would refuse as well, but before anything is made, and by
 * the options' names. */
int bridge_policy_init(struct bridge_network *br, struct err *err)
{
	const struct bridge_options *o = &br->opt;
	int r = bridge_policy_parse(&o->policy, &br->policy, err);
	const char *key = o->policy.allow[0]  ? "berth.allow"
			  : o->policy.deny[0] ? "berth.deny"
					      : "berth.limit";

	if (r < 0 || dp_policy_is_none(&br->policy))
		return r;
	if (o->dataplane == DP_NFT)
		return err_set(err, -EINVAL, "%s needs -o berth.dataplane=ebpf",
			       key);
	if (o->firewall == DP_FW_RESPECT)
		return err_set(err, -EINVAL,
			       "%s needs -o berth.dataplane=ebpf, which "
			       "berth.firewall=respect does not have: leave "
			       "one of the two out",
			       key);
	if (br->base.internal)
		return err_set(err, -EINVAL,
			       "%s: an internal network publishes nothing: "
			       "leave one of the two out",
			       key);
	if (o->trusted[0] || o->mode4 != DP_GW_NAT || o->mode6 != DP_GW_NAT)
		return err_set(err, -EINVAL,
			       "%s judges published ports, and containers of "
			       "this network are reached past them: use "
			       "gateway mode nat and no "
			       "trusted_host_interfaces",
			       key);
	return 0;
}
