/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-ipam: pools and addresses for any network driver. */
#include "ipam/ipam_api.h"
#include "ipam/ipam_core.h"

static int start(struct plugd *d, void **ret, struct err *err)
{
	struct ipam_core *core;
	int r = ipam_core_open(d, d->prog->config, &core, err);

	if (r == 0)
		*ret = core;
	return r;
}

static void stop(void *ctx)
{
	ipam_core_close(ctx);
}

static void sending(void *ctx, uint64_t seq)
{
	ipam_core_sending(ctx, seq);
}

static void delivered(void *ctx, uint64_t seq)
{
	ipam_core_delivered(ctx, seq);
}

static void tick(void *ctx)
{
	ipam_core_tick(ctx);
}

int main(int argc, char **argv)
{
	static const char *const implements[] = { "IpamDriver", NULL };
	static const struct rpc_method *const tables[] = {
		ipam_api_methods, ipam_api_berth_methods, NULL
	};
	struct ipam_config config = { .count = 0 };
	const struct plugd_program prog = {
		.name = "berth-ipam",
		.summary = "pools and addresses for networks",
		.implements = implements,
		.flags = ipam_flags,
		.config = &config,
		.tables = tables,
		.start = start,
		.stop = stop,
		.sending = sending,
		.delivered = delivered,
		.tick = tick,
		.metrics = ipam_metrics,
		.events = ipam_events,
	};

	return plugd_main(&prog, argc, argv);
}
