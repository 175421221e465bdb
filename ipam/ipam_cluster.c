/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools that are shared with the hosts of a cluster: where the core and the blocks meet.
 *
 * etcd is asked before any lock is taken, as it may take its time.  What it said is in
 * memory then, and a request that finds itself short of something under the lock
 * (-EXFULL) gets that and looks again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/blocks.h"
#include "ipam/ipam_priv.h"
#include "lib/log.h"

/* ---- what the blocks ask ---------------------------------------------------- */

/* Under pools_lock.  NULL: none that is shared. */
static struct ipam_net *net_of(struct ipam_core *core,
			       const struct ip_prefix *pool)
{
	struct ipam_net *net = ipam_net_find(core, pool);

	if (!net || net->prefix.len != pool->len)
		return NULL;
	for (const struct ipam_range *r = net->ranges; r; r = r->next)
		if (r->cluster)
			return net;
	return NULL;
}

static bool has_pool(void *ctx, const struct ip_prefix *pool)
{
	struct ipam_core *core = ctx;
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;

	pthread_mutex_lock(lock);
	return net_of(core, pool) || ipam_doubt_find(core, pool);
}

static int find_endpoint(void *ctx, struct ipam_lease *l)
{
	const struct ip_prefix *part = ctx;

	/* a gateway is the cluster's, whoever has its block */
	return l->use == IPAM_ENDPOINT && ip_prefix_contains(part, &l->addr)
		       ? -EBUSY
		       : 0;
}

static bool unused(void *ctx, const struct ip_prefix *pool,
		   const struct ip_prefix *part, void (*fn)(void *arg),
		   void *arg)
{
	struct ipam_core *core = ctx;
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	struct ip_prefix p = *part;
	struct ipam_net *net;
	bool used;

	pthread_mutex_lock(lock);
	/* whose endpoints are not all known */
	used = ipam_doubt_find(core, pool);
	net = net_of(core, pool);
	if (net)
		ipam_net_take(net);
	if (net && !used)
		used = ipam_lease_each(net, find_endpoint, &p) < 0;
	if (!used)
		fn(arg);
	if (net)
		ipam_net_give(net);
	return !used;
}

int ipam_cluster_open(struct ipam_core *core, struct err *err)
{
	struct blocks_user user = { .ctx = core,
				    .has_pool = has_pool,
				    .unused = unused };

	return blocks_open(core->d->state, &core->config.cluster, &user,
			   &core->blocks, err);
}

void ipam_cluster_check(struct ipam_core *core)
{
	struct err err = { 0 };
	char why[200];

	if (blocks_check(core->blocks, &err) < 0)
		log_warn("op=blocks err=%s",
			 log_quote(why, sizeof(why), err.msg));
}

/* ---- requests ------------------------------------------------------------------ */

int ipam_cluster_judge(struct ipam_core *core, const struct ipam_pool_req *q,
		       struct err *err)
{
	if (!q->cluster)
		return 0;
	if (!core->config.cluster.at.etcd.member_count)
		return err_set(err, -EINVAL,
			       "berth.cluster shares a pool between hosts: "
			       "start %s with --store etcd://HOST:PORT",
			       core->d->prog->name);
	if (q->dhcp)
		return err_set(err, -EINVAL,
			       "berth.cluster and berth.dhcp: either the "
			       "cluster or a DHCP server has the addresses");
	if (ip_is_none(&q->pool.addr))
		return err_set(err, -EINVAL,
			       "berth.cluster needs a --subnet: by it the "
			       "hosts know that it is one pool");
	return 0;
}

int ipam_cluster_join(struct ipam_core *core, const struct ipam_record *rec,
		      struct err *err)
{
	struct ip_prefix sub = rec->sub;

	if (!rec->cluster)
		return 0;
	/* the whole pool as a range is no range */
	if (sub.len == rec->pool.len)
		sub = (struct ip_prefix){ 0 };
	return blocks_join(core->blocks, &rec->pool, &sub, err);
}

void ipam_cluster_joined(struct ipam_core *core, const struct ipam_record *rec)
{
	if (rec->cluster)
		blocks_join_done(core->blocks, &rec->pool);
}

int ipam_cluster_take(struct ipam_hold *h, struct ip_addr *addr,
		      enum ipam_use use)
{
	struct ipam_net *net = h->net;
	struct blocks *b = net->core->blocks;

	if (pool_look(net->pool, addr) == POOL_OUTSIDE && !ip_is_none(addr))
		return -ERANGE;
	if (!ip_is_none(addr))
		return blocks_may(b, &net->prefix, addr, use)
			       ? pool_take_exact(net->pool, addr)
			       : -EXFULL;
	return use == IPAM_ENDPOINT ? blocks_take(b, &net->prefix, net->pool,
						  &h->range->at, addr)
				    : -EXFULL;
}

/* false: there is no such pool by now: the next look says so. */
static bool prefix_of(struct ipam_core *core, const char *id,
		      struct ip_prefix *ret)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };

	ipam_hold_take(core, id, &h);
	if (h.range)
		*ret = h.net->prefix;
	return h.range;
}

int ipam_cluster_more(struct ipam_core *core, struct ipam_record *rec,
		      struct ipam_more *more, struct err *err)
{
	enum ipam_use use;
	int r = ipam_use_parse(rec->use, &use, err);

	if (r < 0 || !prefix_of(core, rec->id, &more->pool))
		return r;
	if (more->tries++ > 16)
		return err_set(err, -EAGAIN,
			       "addresses of pool %.100s are fought over",
			       rec->id);
	if (!ip_is_none(&more->addr))
		return err_set(err, -EAGAIN,
			       "the address was given back to the cluster "
			       "meanwhile");
	r = blocks_more(core->blocks, &more->pool, &rec->addr, use, err);
	if (r < 0 || ip_is_none(&rec->addr))
		return r;
	/* a gateway that others have is as good as asked for by name */
	rec->fixed = true;
	more->addr = rec->addr;
	return 0;
}

void ipam_cluster_done(struct ipam_core *core, const struct ipam_more *more)
{
	if (!ip_is_none(&more->addr))
		blocks_more_done(core->blocks, &more->pool, &more->addr);
}
