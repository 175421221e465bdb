// SPDX-License-Identifier: GPL-2.0-or-later
/* What is wrong with the cluster, in lines for netctl doctor. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "netplugins/overlay/cluster_priv.h"

static void check_peer(const struct cluster *c, const struct cl_net *n,
		       const struct cl_peer *p, FILE *f)
{
	if (p->big)
		fprintf(f,
			"network %.12s: the records of host %s are more than "
			"etcd answers at once: all %" PRIu64 " are ignored\n",
			n->net.id, p->node, p->total);
	else if (p->total > CL_ENDPOINTS_MAX)
		fprintf(f,
			"network %.12s: host %s has %" PRIu64
			" endpoints: no more than %d are read\n",
			n->net.id, p->node, p->total, CL_ENDPOINTS_MAX);
	else if (p->ignored)
		fprintf(f,
			"network %.12s: %" PRIu64
			" records of host %s are not as a host "
			"writes them: ignored\n",
			n->net.id, p->ignored, p->node);
	if (!ip_is_none(&c->vtep) && ip_equal(&p->host.vtep, &c->vtep))
		fprintf(f,
			"host %s says that this host's address is its "
			"own: ignored\n",
			p->node);
}

static void check_net(const struct cluster *c, const struct cl_net *n, FILE *f)
{
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		if (m->fenced && !m->gone)
			fprintf(f,
				"endpoint %.12s of network %.12s is cut off: "
				"%s\n",
				m->ep.id, n->net.id, m->why);
	if (n->why[0])
		fprintf(f, "network %.12s is cut off: %s\n", n->net.id, n->why);
	if (n->too_many)
		fprintf(f,
			"network %.12s: %" PRIu64
			" hosts are more than the %d that are read: ignored\n",
			n->net.id, n->too_many, CL_HOSTS_MAX);
	if (n->twice)
		fprintf(f,
			"network %.12s: %zu endpoints of other hosts have an "
			"address or MAC that an older one has: ignored\n",
			n->net.id, n->twice);
	for (size_t i = 0; i < n->count; i++)
		check_peer(c, n, &n->peers[i], f);
}

void cl_check(struct ov_dir *dir, void (*fn)(void *ctx, const char *line),
	      void *ctx)
{
	struct cluster *c = cl_of(dir);
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	etcd_seen_lines(&c->seen, fn, ctx);
	pthread_mutex_lock(&c->lock);
	if (c->twin_why[0])
		fprintf(f, "%s\n", c->twin_why);
	for (const struct cl_net *n = c->nets; n; n = n->next)
		check_net(c, n, f);
	pthread_mutex_unlock(&c->lock);
	if (fclose(f) != 0)
		return;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		fn(ctx, line);
}
