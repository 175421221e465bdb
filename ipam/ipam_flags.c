/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flags of berth-ipam. */
#include "ipam/ipam_core.h"

static int add_default(struct plugd *d, void *config, const char *value,
		       struct err *err)
{
	int r = ipam_config_add(config, value, err);

	(void)d;
	return r < 0 ? err_wrap(err, r, "--default-pool") : 0;
}

static struct cluster_at *cluster_of(void *config)
{
	struct ipam_config *cfg = config;

	return &cfg->cluster.at;
}

CLUSTER_AT_SETTERS(cluster_of)

const struct plugd_flag ipam_flags[] = {
	{ "default-pool", "CIDR:SIZE,...",
	  "cut pools of /SIZE for networks without --subnet; again for "
	  "more",
	  add_default },
	CLUSTER_AT_FLAGS("the cluster's etcd: pools that hosts share "
			 "(none: no such pools)"),
	{ 0 },
};
