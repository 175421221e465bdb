// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A daemon that ends in good order will mostly be back: an upgrade, a restart.  Its
 * containers run on meanwhile, and nobody keeps its lease.  So what it told is put by a
 * longer one before it ends; a host that is really gone goes with that.  The next life
 * tells all by a lease of its own again (cluster_lease.c).
 */
#include <stdio.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "netplugins/overlay/cluster_priv.h"

/* Each is written only where it is by this host's lease still: what another has by now
 * stays his, and what is not done goes with that lease. */
struct stay {
	struct cluster *c;
	uint64_t lease; /* the longer one */
	size_t count;
};

static int host_linger(struct stay *l, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	_cleanup_free_ char *text = cl_host_text(l->c);
	struct etcd_result res = { 0 };
	char key[CL_KEY_MAX];
	bool done;
	int r;

	if (!t || !text)
		return err_set(err, -ENOMEM, "node %s", l->c->node);
	cl_key(l->c, key, "node/%s/host", l->c->node);
	etcd_txn_if_lease(t, key, l->c->lease);
	etcd_txn_put(t, key, text, l->lease);
	r = cl_txn(l->c, l->c->rw, t, &res, err);
	done = res.done;
	etcd_result_clear(&res);
	if (r == 0 && !done)
		r = err_set(err, -ENOENT, "the lease had run out");
	return r;
}

static int eps_linger(struct stay *l, struct cl_net *n,
		      const struct ov_endpoint **eps, size_t count,
		      struct err *err)
{
	int r = cl_claim_many(l->c, n, eps, count, l->c->lease, l->lease, err);

	if (r == 1)
		l->count += count;
	if (r != 0 || count < 2)
		return r < 0 ? r : 0;
	/* one of them is not as it should be */
	for (size_t i = 0; r >= 0 && i < count; i++)
		r = eps_linger(l, n, eps + i, 1, err);
	return r < 0 ? r : 0;
}

/* What berth-dns told of this host hangs on the same lease. */
static int names_linger(struct stay *l, const struct cl_net *n, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	struct etcd_kvs kvs = { 0 };
	char key[CL_KEY_MAX];
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", n->key);
	cl_key(l->c, key, "names/%s/%s", n->key, l->c->node);
	r = cl_range(l->c, l->c->rw, &(struct etcd_range){ .key = key }, &kvs,
		     NULL, err);
	if (r == 0 && kvs.count && kvs.v[0].lease == l->c->lease) {
		etcd_txn_if_mod(t, key, kvs.v[0].mod_rev);
		etcd_txn_put(t, key, kvs.v[0].value, l->lease);
		r = cl_txn(l->c, l->c->rw, t, &res, err);
		etcd_result_clear(&res);
	}
	etcd_kvs_clear(&kvs);
	return r;
}

static int net_linger(struct stay *l, struct cl_net *n, struct err *err)
{
	const struct ov_endpoint *eps[CL_MANY];
	struct cl_mine *m = n->mine;
	size_t count;
	int r = 0;

	if (n->gone || !n->told)
		return 0;
	do { /* once without any: the membership is told with them */
		for (count = 0; m && count < CL_MANY; m = m->next)
			if (m->told && !m->gone)
				eps[count++] = &m->ep;
		r = eps_linger(l, n, eps, count, err);
	} while (r == 0 && m);
	return r < 0 ? r : names_linger(l, n, err);
}

static int all_linger(struct stay *l, struct err *err)
{
	struct cluster *c = l->c;
	unsigned int ttl;
	int r = FAILPOINT("cluster.linger");

	if (r == 0)
		r = etcd_lease_grant(c->rw, c->linger_s, &l->lease, &ttl, err);
	if (r == 0)
		r = host_linger(l, err);
	for (struct cl_net *n = c->nets; r == 0 && n; n = n->next)
		r = net_linger(l, n, err);
	return r;
}

void cl_linger(struct cluster *c)
{
	struct stay l = { .c = c };
	struct err err = { 0 };
	char why[CL_WHY_MAX];

	if (!c->lease || c->linger_s <= c->lease_s || cl_ready(c, NULL) < 0)
		return;
	cl_write_begin(c);
	if (all_linger(&l, &err) == 0)
		log_info("op=cluster.linger endpoints=%zu s=%u", l.count,
			 c->linger_s);
	else
		log_warn("op=cluster.linger event=\"the others will take this "
			 "host for dead in %u s\" err=%s",
			 c->lease_s, log_quote(why, sizeof(why), err.msg));
	cl_write_end(c);
}
