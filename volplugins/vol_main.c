/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume daemon: the skeleton, the core and one driver. */
#include <assert.h>
#include <stddef.h>

#include "volplugins/vol_api.h"
#include "volplugins/vol_core.h"

#define FLAGS_MAX 8 /* with the { 0 } */

/* What .start needs to know before there is a core. */
struct config {
	const struct vol_driver *driver;
	uint32_t grace_s;
	_Alignas(max_align_t) unsigned char own[VOL_CONFIG_MAX]; /* its */
};

void *vol_config(const struct plugd *d)
{
	struct config *config = d->prog->config;

	return config->own;
}

static int set_grace(struct plugd *d, void *config, const char *value,
		     struct err *err)
{
	struct config *cfg = config;

	(void)d;
	return opts_duration(value, &cfg->grace_s, err);
}

static int start(struct plugd *d, void **ret, struct err *err)
{
	const struct config *config = d->prog->config;
	struct vol_core *core;
	int r = vol_core_open(config->driver, d, config->grace_s, &core, err);

	if (r == 0)
		*ret = core;
	return r;
}

static void stop(void *ctx)
{
	vol_core_close(ctx);
}

static void sending(void *ctx, uint64_t seq)
{
	vol_core_sending(ctx, seq);
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
		vol_api_methods, vol_api_berth_methods, vol_api_copy_methods,
		NULL
	};
	struct plugd_flag flags[FLAGS_MAX] = {
		{ "gc-grace", "DURATION",
		  "drop a volume's users when no container has it mounted "
		  "for this long (10m)",
		  set_grace },
	};
	struct config config = { .driver = driver, .grace_s = 600 };
	struct plugd_program prog = {
		.name = driver->name,
		.summary = driver->summary,
		.implements = implements,
		.flags = flags,
		.config = &config,
		.tables = tables,
		.start = start,
		.stop = stop,
		.sending = sending,
		.delivered = delivered,
		.tick = tick,
		.metrics = vol_metrics,
		.events = vol_events,
	};

	assert(driver->config_size <= sizeof(config.own));
	for (size_t i = 0; driver->flags && driver->flags[i].name; i++) {
		assert(i + 2 < FLAGS_MAX);
		flags[i + 1] = driver->flags[i];
	}
	return plugd_main(&prog, argc, argv);
}
