/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-dns: names for networks that Docker does not serve. */
#include "runtime/names/dns.h"

static int start(struct plugd *d, void **ret, struct err *err)
{
	struct dns *dns;
	int r = dns_open(d, &dns, err);

	if (r == 0)
		*ret = dns;
	return r;
}

static void stop(void *ctx)
{
	dns_close(ctx);
}

static void tick(void *ctx)
{
	dns_tick(ctx);
}

int main(int argc, char **argv)
{
	static const char *const implements[] = { NULL };
	static const struct rpc_method *const tables[] = { names_api_methods,
							   NULL };
	struct sources_config config = { .docker = NULL };
	const struct plugd_program prog = {
		.name = "berth-dns",
		.summary = "names for networks that Docker does not serve",
		.implements = implements,
		.flags = sources_flags,
		.config = &config,
		.tables = tables,
		.start = start,
		.stop = stop,
		.tick = tick,
	};

	return plugd_main(&prog, argc, argv);
}
