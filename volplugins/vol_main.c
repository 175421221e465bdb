/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume daemon: the skeleton, the core and one driver. */
#include "volplugins/vol_api.h"
#include "volplugins/vol_core.h"

/* What .start needs to know before there is a core. */
struct config {
	const struct vol_driver *driver;
};

static int start(struct plugd *d, void **ret, struct err *err)
{
	const struct config *config = d->prog->config;
	struct vol_core *core;
	int r = vol_core_open(config->driver, d, &core, err);

	if (r == 0)
		*ret = core;
	return r;
}

static void stop(void *ctx)
{
	vol_core_close(ctx);
}

static void delivered(void *ctx, uint64_t seq)
{
	vol_core_delivered(ctx, seq);
}

static void tick(void *ctx)
{
	vol_core_tick(ctx);
}

int vol_main(const struct vol_driver *driver, int argc, char **argv)
{
	static const char *const implements[] = { "VolumeDriver", NULL };
	static const struct rpc_method *const tables[] = {
		vol_api_methods, vol_api_berth_methods, NULL
	};
	struct config config = { .driver = driver };
	struct plugd_program prog = {
		.name = driver->name,
		.summary = driver->summary,
		.implements = implements,
		.config = &config,
		.tables = tables,
		.start = start,
		.stop = stop,
		.delivered = delivered,
		.tick = tick,
	};

	return plugd_main(&prog, argc, argv);
}
