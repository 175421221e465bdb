/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon of a network driver: plugd around the core. */
#include <stdlib.h>
#include <string.h>

#include "netplugins/net_core.h"

struct config {
	const struct net_driver *driver;
	uint32_t gc_grace_s;
};

static int set_grace(struct plugd *d, void *config, const char *value,
		     struct err *err)
{
	static const struct {
		const char *suffix;
		unsigned long factor;
	} units[] = { { "s", 1 }, { "m", 60 }, { "h", 3600 } };
	struct config *cfg = config;
	char *end;
	unsigned long n;

	(void)d;
	errno = 0;
	n = strtoul(value, &end, 10);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (strcmp(end, units[i].suffix) == 0 && end != value &&
		    value[0] != '-' && errno == 0 && n > 0 &&
		    n <= 30ul * 86400 / units[i].factor) {
			cfg->gc_grace_s = (uint32_t)(n * units[i].factor);
			return 0;
		}
	return err_set(err, -EINVAL,
		       "--gc-grace %s: not a duration like 10s, 10m or 1h, up "
		       "to 30 days",
		       value);
}

static int start(struct plugd *d, void **ret, struct err *err)
{
	const struct config *cfg = d->prog->config;
	const struct net_core_config core_cfg = {
		.driver = cfg->driver,
		.plugd = d,
		.gc_grace_s = cfg->gc_grace_s,
	};
	struct net_core *core;
	int r = net_core_open(&core_cfg, &core, err);

	if (r < 0)
		return r;
	*ret = core;
	return 0;
}

static void stop(void *ctx)
{
	net_core_close(ctx);
}

static void delivered(void *ctx, uint64_t seq)
{
	net_core_delivered(ctx, seq);
}

static void tick(void *ctx)
{
	net_core_tick(ctx);
}

int net_main(const struct net_driver *driver, int argc, char **argv)
{
	static const char *const implements[] = { "NetworkDriver", NULL };
	static const struct rpc_method *const tables[] = { net_core_methods,
							   net_berth_methods,
							   NULL };
	static const struct plugd_flag flags[] = {
		{ "gc-grace", "DURATION",
		  "remove endpoints nobody uses after this long (10m)",
		  set_grace },
		{ 0 },
	};
	struct config cfg = { .driver = driver, .gc_grace_s = 600 };
	const struct plugd_program prog = {
		.name = driver->name,
		.summary = driver->summary,
		.implements = implements,
		.flags = flags,
		.config = &cfg,
		.tables = tables,
		.start = start,
		.stop = stop,
		.delivered = delivered,
		.tick = tick,
	};

	return plugd_main(&prog, argc, argv);
}
