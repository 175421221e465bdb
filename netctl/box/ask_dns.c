// SPDX-License-Identifier: GPL-2.0-or-later
/* --dns, its siblings, and --network-alias. */
#include "netctl/box/ask_dns.h"

#include <errno.h>
#include <string.h>

#include "lib/base.h"
#include "lib/ip.h"
#include "netctl/jget.h"

#define SERVERS_MAX 3 /* as the C library asks */

/* A line of resolv.conf is made of them. */
static int words(json_object *rec, const char *key, const char *flag,
		 const struct cli_list *list, struct err *err)
{
	json_object *out = json_object_new_array();

	jset(rec, key, out);
	for (size_t i = 0; i < list->n; i++) {
		if (!*list->v[i] || strpbrk(list->v[i], " \t\r\n"))
			return err_set(err, -EINVAL, "%s \"%s\" is no word",
				       flag, list->v[i]);
		json_object_array_add(out, json_object_new_string(list->v[i]));
	}
	return 0;
}

static int servers(const struct ctl *ctl, struct err *err)
{
	const struct cli_list *list = &ctl->box.dns;
	int r = 0;

	if (list->n > SERVERS_MAX)
		return err_set(err, -EINVAL, "--dns: %d servers at most",
			       SERVERS_MAX);
	for (size_t i = 0; r == 0 && i < list->n; i++) {
		struct ip_addr a;

		r = ip_parse(list->v[i], &a, err);
		if (r < 0)
			return err_wrap(err, r, "--dns");
		if (ip_is_loopback(&a) || ip_is_any(&a))
			r = err_set(err, -EINVAL,
				    "--dns %s: berth-dns would ask the host "
				    "there, not the container: write it to "
				    "the container's resolv.conf",
				    list->v[i]);
	}
	return r;
}

/* What would be ignored: resolv.conf is the other container's, names are of networks. */
static int of_network(const struct ctl_box *x, struct err *err)
{
	const char *net = x->networks.n ? x->networks.v[0] : "none";
	bool joins = strncmp(net, "container:", 10) == 0;
	bool named =
		!joins && strcmp(net, "none") != 0 && strcmp(net, "host") != 0;
	const struct {
		const char *flag;
		bool given, goes;
	} flags[] = {
		{ "--dns", x->dns.n, !joins },
		{ "--dns-search", x->dns_search.n, !joins },
		{ "--dns-option", x->dns_options.n, !joins },
		{ "--network-alias", x->aliases.n, named },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].given && !flags[i].goes)
			return err_set(err, -EINVAL,
				       "%s and --network %s contradict each "
				       "other",
				       flags[i].flag, net);
	return 0;
}

int box_ask_dns(const struct ctl *ctl, json_object *rec, struct err *err)
{
	const struct ctl_box *x = &ctl->box;
	int r = of_network(x, err);

	if (r == 0)
		r = servers(ctl, err);

	if (r == 0)
		r = words(rec, "Dns", "--dns", &x->dns, err);
	if (r == 0)
		r = words(rec, "DnsSearch", "--dns-search", &x->dns_search,
			  err);
	if (r == 0)
		r = words(rec, "DnsOptions", "--dns-option", &x->dns_options,
			  err);
	if (r == 0)
		r = words(rec, "Aliases", "--network-alias", &x->aliases, err);
	return r;
}
