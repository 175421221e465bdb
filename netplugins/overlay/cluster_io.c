// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls of etcd.  What its answers say of etcd itself, and that nothing is written when
 * its data went back, is lib/etcd_seen's.
 */
#include "netplugins/overlay/cluster_priv.h"

/* A call of the thread has as long as a request: who ends it waits for it. */
static void limit(struct cluster *c, struct etcd *e)
{
	if (e == c->ro)
		etcd_limit(e, c->limit_ms);
}

int cl_range(struct cluster *c, struct etcd *e, const struct etcd_range *q,
	     struct etcd_kvs *ret, struct etcd_head *head, struct err *err)
{
	limit(c, e);
	return etcd_seen_range(&c->seen, e, q, ret, head, err);
}

int cl_txn(struct cluster *c, struct etcd *e, const struct etcd_txn *t,
	   struct etcd_result *ret, struct err *err)
{
	limit(c, e);
	return etcd_seen_txn(&c->seen, e, t, ret, err);
}

int cl_ready(struct cluster *c, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (c->twin_why[0])
		r = err_set(err, -EEXIST, "%s", c->twin_why);
	pthread_mutex_unlock(&c->lock);
	return r < 0 ? r : etcd_seen_ready(&c->seen, err);
}
