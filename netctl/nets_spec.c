// SPDX-License-Identifier: GPL-2.0-or-later
/* What "network create" was told. */
#include "netctl/nets_spec.h"

#include <string.h>

#include "lib/base.h"
#include "netctl/jget.h"

json_object *net_spec_pairs(const struct cli_list *list)
{
	json_object *o = json_object_new_object();

	for (size_t i = 0; o && i < list->n; i++) {
		const char *eq = strchr(list->v[i], '=');
		_cleanup_free_ char *key =
			strndup(list->v[i], (size_t)(eq - list->v[i]));

		if (key)
			jset_str(o, key, eq + 1);
	}
	return o;
}

const char *net_spec_subnet(const struct net_spec *s, const struct ip_addr *a)
{
	for (size_t i = 0; i < s->subnets.n; i++) {
		struct ip_prefix p;

		if (ip_prefix_parse(s->subnets.v[i], &p, NULL) == 0 &&
		    ip_prefix_contains(&p, a))
			return s->subnets.v[i];
	}
	return NULL;
}

const char *net_spec_given(const struct net_spec *s,
			   const struct cli_list *list, const char *subnet)
{
	for (size_t i = 0; i < list->n; i++) {
		struct ip_prefix p;
		struct ip_addr a;

		if (ip_prefix_parse(list->v[i], &p, NULL) == 0)
			a = p.addr;
		else if (ip_parse(list->v[i], &a, NULL) < 0)
			continue;
		if (net_spec_subnet(s, &a) == subnet)
			return list->v[i];
	}
	return "";
}

static int no_subnet(struct err *err, const char *flag, const char *value)
{
	return err_set(err, -EINVAL, "--%s %s is in no --subnet", flag, value);
}

int net_spec_aux(const char *text, struct ip_addr *ret, struct err *err)
{
	const char *eq = strchr(text, '=');

	if (!eq || eq == text)
		return err_set(err, -EINVAL,
			       "--aux-address \"%s\": write NAME=ADDRESS",
			       text);
	return ip_parse(eq + 1, ret, err);
}

/* Each subnet once, and none in another. */
static int check_subnets(const struct net_spec *s, struct err *err)
{
	struct ip_prefix a, b;

	for (size_t i = 0; i < s->subnets.n; i++)
		for (size_t k = 0; k < i; k++)
			if (ip_prefix_parse(s->subnets.v[i], &a, NULL) == 0 &&
			    ip_prefix_parse(s->subnets.v[k], &b, NULL) == 0 &&
			    ip_prefix_overlaps(&a, &b))
				return err_set(err, -EINVAL,
					       "--subnet %s and %s overlap",
					       s->subnets.v[k],
					       s->subnets.v[i]);
	return 0;
}

static int twice(struct err *err, const char *flag, const char *subnet)
{
	return err_set(err, -EINVAL, "--%s is given twice for %s", flag,
		       subnet);
}

static int check_names(const struct net_spec *s, struct err *err)
{
	for (size_t i = 0; i < s->aux.n; i++)
		for (size_t k = 0; k < i; k++) {
			size_t len = strcspn(s->aux.v[i], "=") + 1;

			if (strncmp(s->aux.v[i], s->aux.v[k], len) == 0)
				return twice(err, "aux-address", s->aux.v[i]);
		}
	return 0;
}

int net_spec_check(const struct net_spec *s, struct err *err)
{
	struct ip_prefix p;
	struct ip_addr a;
	int r;

	if (!*s->name || strlen(s->name) > 255 ||
	    s->name[strcspn(s->name, "/ \t\n")] || s->name[0] == '-')
		return err_set(err, -EINVAL, "\"%s\" is no name of a network",
			       s->name);
	for (size_t i = 0; i < s->subnets.n; i++) {
		r = ip_prefix_parse(s->subnets.v[i], &p, err);
		if (r < 0)
			return r;
		if (p.addr.family == AF_INET6 && !s->ipv6)
			return err_set(err, -EINVAL, "--subnet %s needs --ipv6",
				       s->subnets.v[i]);
	}
	for (size_t i = 0; i < s->gateways.n; i++) {
		r = ip_parse(s->gateways.v[i], &a, err);
		if (r < 0)
			return r;
		if (!net_spec_subnet(s, &a))
			return no_subnet(err, "gateway", s->gateways.v[i]);
		if (net_spec_given(s, &s->gateways, net_spec_subnet(s, &a)) !=
		    s->gateways.v[i])
			return twice(err, "gateway", net_spec_subnet(s, &a));
	}
	for (size_t i = 0; i < s->ranges.n; i++) {
		r = ip_prefix_parse(s->ranges.v[i], &p, err);
		if (r < 0)
			return r;
		if (!net_spec_subnet(s, &p.addr))
			return no_subnet(err, "ip-range", s->ranges.v[i]);
		if (net_spec_given(s, &s->ranges,
				   net_spec_subnet(s, &p.addr)) !=
		    s->ranges.v[i])
			return twice(err, "ip-range",
				     net_spec_subnet(s, &p.addr));
	}
	for (size_t i = 0; i < s->aux.n; i++) {
		r = net_spec_aux(s->aux.v[i], &a, err);
		if (r < 0)
			return r;
		if (!net_spec_subnet(s, &a))
			return no_subnet(err, "aux-address", s->aux.v[i]);
	}
	r = check_subnets(s, err);
	return r < 0 ? r : check_names(s, err);
}
