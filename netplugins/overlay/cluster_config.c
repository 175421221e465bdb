// SPDX-License-Identifier: GPL-2.0-or-later
/* What a cluster is told when it begins. */
#include <stdio.h>

#include "lib/clock.h"
#include "netplugins/overlay/cluster_priv.h"

#define LEASE_S  30
#define LINGER_S 600
#define RELIST_S 45
#define GRACE_S  60
#define LIMIT_MS 8000

int cl_config_take(struct cluster *c, const struct cluster_config *cfg,
		   struct err *err)
{
	int r = cluster_at_names(&cfg->at, c->prefix, c->node, c->machine, err);

	if (r < 0)
		return r;
	snprintf(c->key, sizeof(c->key), "%s", cfg->key ? cfg->key : "");
	c->vtep = cfg->vtep;
	c->lease_s = cfg->lease_s ? cfg->lease_s : LEASE_S;
	c->linger_s = cfg->linger_s ? cfg->linger_s : LINGER_S;
	c->relist_s = cfg->relist_s ? cfg->relist_s : RELIST_S;
	c->grace_s = cfg->grace_s ? cfg->grace_s : GRACE_S;
	c->limit_ms = cfg->limit_ms ? cfg->limit_ms : LIMIT_MS;
	c->begin_ms = clock_boot_ms();
	c->host_due = true;
	return 0;
}
