/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon of a network driver: plugd around the core. */
#include <stdlib.h>

#include "netplugins/net_core.h"

#define FLAGS_MAX 16

struct config {
	const struct net_driver *driver;
	uint32_t gc_grace_s;
	void *own; /* the driver's */
};

void *net_flag_config(void *config)
{
	return ((struct config *)config)->own;
}

static int set_grace(struct plugd *d, void *config, const char *value,
		     struct err *err)
{
	struct config *cfg = config;

	(void)d;
	return opts_duration(value, &cfg->gc_grace_s, err);
}

static int start(struct plugd *d, void **ret, struct err *err)
{
	const struct config *cfg = d->prog->config;
	const struct net_core_config core_cfg = {
		.driver = cfg->driver,
		.plugd = d,
		.driver_config = cfg->own,
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

static void sending(void *ctx, uint64_t seq)
{
	net_core_sending(ctx, seq);
}

static void delivered(void *ctx, uint64_t seq)
{
	net_core_delivered(ctx, seq);
}

static void tick(void *ctx)
{
	net_core_tick(ctx);
}

/* The core's flags and the driver's, in one list. */
static void list_flags(const struct net_driver *driver,
		       struct plugd_flag ret[static FLAGS_MAX])
{
	size_t n = 0;

	ret[n++] = (struct plugd_flag){
		"gc-grace", "DURATION",
		"remove endpoints nobody uses after this long (10m)", set_grace
	};
	for (const struct plugd_flag *f = driver->flags; f && f->name; f++)
		if (n + 1 < FLAGS_MAX)
			ret[n++] = *f;
}

int net_main(const struct net_driver *driver, int argc, char **argv)
{
	static const char *const implements[] = { "NetworkDriver", NULL };
	static const struct rpc_method *const tables[] = { net_core_methods,
							   net_berth_methods,
							   NULL };
	_cleanup_free_ void *own = calloc(1, driver->config_size + 1);
	struct config cfg = { .driver = driver, .gc_grace_s = 600, .own = own };
	struct plugd_flag flags[FLAGS_MAX] = { 0 };
	const struct plugd_program prog = {
		.name = driver->name,
		.summary = driver->summary,
		.implements = implements,
		.flags = flags,
		.config = &cfg,
		.tables = tables,
		.start = start,
		.stop = stop,
		.sending = sending,
		.delivered = delivered,
		.tick = tick,
		.metrics = net_metrics,
		.events = net_events,
	};

	if (!own)
		return 1;
	list_flags(driver, flags);
	return plugd_main(&prog, argc, argv);
}
