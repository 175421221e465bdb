/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-ipam: pools and addresses for any network driver. */
#include "ipam/ipam_api.h"
#include "ipam/ipam_core.h"

static int add_default(struct plugd *d, void *config, const char *value,
		       struct err *err)
{
	int r = ipam_config_add(config, value, err);

	(void)d;
	return r < 0 ? err_wrap(err, r, "--default-pool") : 0;
}

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
	static const struct plugd_flag flags[] = {
		{ "default-pool", "CIDR:SIZE,...",
		  "cut pools of /SIZE for networks without --subnet; again for "
		  "more",
		  add_default },
		{ 0 },
	};
	struct ipam_config config = { .count = 0 };
	const struct plugd_program prog = {
		.name = "berth-ipam",
		.summary = "pools and addresses for networks",
		.implements = implements,
		.flags = flags,
		.config = &config,
		.tables = tables,
		.start = start,
		.stop = stop,
		.sending = sending,
		.delivered = delivered,
		.tick = tick,
	};

	return plugd_main(&prog, argc, argv);
}
