// SPDX-License-Identifier: GPL-2.0-or-later
/* berth-dns, put together and taken apart. */
#include "runtime/names/dns.h"

#include <stdio.h>

#include "runtime/names/guest.h"

int dns_open(struct plugd *d, struct dns **ret, struct err *err)
{
	_cleanup_(dns_closep) struct dns *dns = calloc(1, sizeof(*dns));
	struct serve_config cfg = { 0 };
	int r;

	if (!dns)
		return err_set(err, -ENOMEM, "no memory for names");
	dns->d = d;
	if (asprintf(&dns->door, "%s/" GUEST_DOOR, d->dirs.run_dir) < 0) {
		dns->door = NULL;
		return err_set(err, -ENOMEM, "no memory for names");
	}
	cfg.door = dns->door;
	clock_gettime(CLOCK_BOOTTIME, &dns->started);
	r = names_new(&dns->names, err);
	if (r == 0)
		r = names_user_open(d->state, dns->names, &dns->user, err);
	if (r == 0)
		r = serve_new(dns->names, &cfg, &dns->serve, err);
	if (r == 0)
		r = sources_open(dns->names, dns->serve, d->prog->config,
				 d->dirs.plugin_dir, &dns->sources, err);
	if (r == 0)
		*ret = take_ptr(dns);
	return r;
}

void dns_close(struct dns *dns)
{
	if (!dns)
		return;
	sources_close(dns->sources);
	serve_free(dns->serve);
	names_user_close(dns->user);
	names_free(dns->names);
	free(dns->door);
	free(dns);
}

void dns_tick(struct dns *dns)
{
	serve_tick(dns->serve);
}
