// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An endpoint's records: its own, and one for each address and its MAC, which make
 * that no two have the same.  All of one endpoint are written and removed by one
 * transaction that demands what was seen of them before; where that fails it reads
 * them, and one decides again.  So a transaction of which nobody knows whether it was
 * done is simply sent again: if it was, what it reads is ours.
 *
 * Each of them writes this host's member record of the network as well: what the
 * others watch, and whose revision tells them that something here is new.  Who reads
 * what is new by revision sees none go: the last of them are named below node/NODE/,
 * where nobody else writes.
 */
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "netplugins/overlay/cluster_priv.h"

#define TRIES  8
#define CLAIMS 4 /* the endpoint, two addresses, a MAC */

struct claims {
	char net[CL_KEY_MAX], member[CL_KEY_MAX], in[CL_KEY_MAX];
	char key[CLAIMS][CL_KEY_MAX]; /* the first: the endpoint's record */
	char what[CLAIMS][64];        /* for people */
	int64_t mod[CLAIMS];          /* as seen; 0: not there */
	struct cl_owner owner[CLAIMS];
	uint64_t lease[CLAIMS];
	bool same;  /* the endpoint's record is as it is to be */
	bool again; /* it is said to have gone: no more */
	size_t count;
	char *text, *owner_text; /* owned */
};

static void claims_clear(struct claims *k)
{
	free(k->text);
	free(k->owner_text);
}

static void claim_add(struct cluster *c, struct claims *k, const char *kind,
		      const char *net, const char *value)
{
	cl_key(c, k->key[k->count], "%s/%s/%s", kind, net, value);
	snprintf(k->what[k->count], sizeof(k->what[0]), "%s %s",
		 *kind == 'a' ? "address" : "MAC", value);
	k->count++;
}

static int claims_of(struct cluster *c, const struct cl_net *n,
		     const struct ov_endpoint *ep, struct claims *k,
		     struct err *err)
{
	struct ov_endpoint own = *ep;
	struct cl_owner owner = { 0 };
	char text[IP_STR_MAX], mac[MAC_STR_MAX];

	memcpy(own.node, c->node, sizeof(own.node));
	memcpy(owner.node, c->node, sizeof(owner.node));
	memcpy(owner.id, ep->id, sizeof(owner.id));
	k->text = cl_endpoint_encode(&own);
	k->owner_text = cl_owner_encode(&owner);
	if (!k->text || !k->owner_text)
		return err_set(err, -ENOMEM, "endpoint %.12s", ep->id);
	cl_key(c, k->net, "net/%s", n->key);
	cl_key(c, k->member, "member/%s/%s", n->key, c->node);
	cl_key(c, k->in, "node/%s/net/%s", c->node, n->key);
	cl_key(c, k->key[0], "node/%s/ep/%s/%s", c->node, n->key, ep->id);
	k->count = 1;
	if (!ip_is_none(&ep->addr4))
		claim_add(c, k, "addr", n->key, ip_str(&ep->addr4, text));
	if (!ip_is_none(&ep->addr6))
		claim_add(c, k, "addr", n->key, ip_str(&ep->addr6, text));
	if (!mac_is_none(&ep->mac))
		claim_add(c, k, "mac", n->key, mac_str(&ep->mac, mac));
	return 0;
}

static void gets(struct etcd_txn *t, const struct claims *k, bool other)
{
	for (size_t i = 0; i < k->count; i++) {
		struct etcd_range q = { .key = k->key[i] };

		if (other)
			etcd_txn_else_get(t, &q);
		else
			etcd_txn_get(t, &q);
	}
}

/* @got: of gets(). */
static void seen(struct claims *k, const struct etcd_kvs *got)
{
	for (size_t i = 0; i < k->count; i++) {
		const struct etcd_kv *kv = got[i].count ? &got[i].v[0] : NULL;

		k->mod[i] = kv ? kv->mod_rev : 0;
		k->lease[i] = kv ? kv->lease : 0;
		memset(&k->owner[i], 0, sizeof(k->owner[i]));
		if (i == 0)
			k->same = kv && !strcmp(kv->value, k->text);
		else if (kv && cl_owner_decode(kv, &k->owner[i]) < 0)
			snprintf(k->owner[i].node, OV_NODE_MAX, "?");
	}
}

/* ---- who went --------------------------------------------------------------------- */

/* @more: goes by the same transaction; NULL: none does. */
static void went_text(const struct cl_net *n, const char *more,
		      char buf[static CL_WENT_TEXT])
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < CL_WENT; i++) {
		const char *id =
			more && i == n->went_next % CL_WENT ? more : n->went[i];

		if (*id)
			len += (size_t)snprintf(buf + len, CL_WENT_TEXT - len,
						"%s%s", len ? " " : "", id);
	}
}

static void went_add(struct cl_net *n, const char *id)
{
	char *at = n->went[n->went_next++ % CL_WENT];

	snprintf(at, sizeof(n->went[0]), "%s", id);
}

/* It comes again: what is there is never said to have gone.  Return: it was. */
static bool went_forget(struct cl_net *n, const char *id)
{
	bool was = false;

	for (size_t i = 0; i < CL_WENT; i++) {
		if (strcmp(n->went[i], id) != 0)
			continue;
		n->went[i][0] = '\0';
		was = true;
	}
	return was;
}

/* ---- to have ---------------------------------------------------------------------- */

static bool mine_has(const struct cl_net *n, const char *id)
{
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		if (!m->gone && !strcmp(m->ep.id, id))
			return true;
	return false;
}

/* May it be taken?  What of this host no endpoint has any more is taken over. */
static int decide(struct cluster *c, const struct cl_net *n,
		  const struct ov_endpoint *ep, const struct claims *k,
		  struct err *err)
{
	for (size_t i = 1; i < k->count; i++) {
		const struct cl_owner *o = &k->owner[i];
		bool here = !strcmp(o->node, c->node);

		if (!k->mod[i] || (here && !strcmp(o->id, ep->id)) ||
		    (here && !mine_has(n, o->id)))
			continue;
		return err_set(err, -EADDRINUSE,
			       "%s is endpoint %.12s's on host %s", k->what[i],
			       o->id, o->node);
	}
	return 0;
}

/* Is all there, by our lease?  Then there is nothing to write. */
static bool told(const struct cluster *c, const struct ov_endpoint *ep,
		 const struct claims *k)
{
	for (size_t i = 0; i < k->count; i++)
		if (!k->mod[i] || k->lease[i] != c->lease ||
		    (i && (strcmp(k->owner[i].node, c->node) != 0 ||
			   strcmp(k->owner[i].id, ep->id) != 0)))
			return false;
	return k->same;
}

/* Return: 1: written; 0: decide again by what was read. */
static int claim_once(struct cluster *c, const struct cl_net *n,
		      struct claims *k, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char went[CL_WENT_TEXT];
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", n->key);
	went_text(n, NULL, went);
	etcd_txn_if_create(t, k->net, n->create_rev);
	for (size_t i = 0; i < k->count; i++) {
		etcd_txn_if_mod(t, k->key[i], k->mod[i]);
		etcd_txn_put(t, k->key[i], i ? k->owner_text : k->text,
			     c->lease);
	}
	etcd_txn_put(t, k->member, "", c->lease);
	if (k->again)
		etcd_txn_put(t, k->in, went, c->lease);
	gets(t, k, true);
	etcd_txn_else_get(t, &(struct etcd_range){ .key = k->net });
	r = cl_txn(c, c->rw, t, &res, err);
	if (r < 0)
		return r;
	if (!res.done) {
		const struct etcd_kvs *net = &res.got[k->count];

		seen(k, res.got);
		if (!net->count || net->v[0].create_rev != n->create_rev)
			r = err_set(err, -ENONET,
				    "network %s is gone from the cluster",
				    n->key);
	}
	if (r == 0)
		r = res.done;
	etcd_result_clear(&res);
	return r;
}

/* An endpoint that was here and is nobody's any more is taken back whole before another
 * has what was its: its record would name it still, and be the older one. */
static int take_over(struct cluster *c, const struct cl_net *n,
		     const struct ov_endpoint *ep, const struct claims *k,
		     struct err *err)
{
	int r = 0;

	for (size_t i = 1; r == 0 && i < k->count; i++)
		if (k->mod[i] && strcmp(k->owner[i].id, ep->id) != 0)
			r = cl_disclaim_id(c, n->key, k->owner[i].id, err);
	return r;
}

int cl_claim(struct cluster *c, struct cl_net *n, const struct ov_endpoint *ep,
	     struct err *err)
{
	_cleanup_(claims_clear) struct claims k = { 0 };
	int r = claims_of(c, n, ep, &k, err);

	k.again = went_forget(n, ep->id);
	if (r == 0)
		r = FAILPOINT("cluster.claim");
	/* At first as if nothing were there: it mostly is so. */
	for (unsigned int i = 0; r == 0 && i < TRIES; i++) {
		r = claim_once(c, n, &k, err);
		if (r != 0)
			break;
		r = decide(c, n, ep, &k, err);
		if (r == 0 && told(c, ep, &k))
			return 0;
		if (r == 0)
			r = take_over(c, n, ep, &k, err);
	}
	if (r == 0)
		return err_set(err, -EAGAIN, "endpoint %.12s: fought over",
			       ep->id);
	return r < 0 ? r : 0;
}

/* ---- to have no more -------------------------------------------------------------- */

static void claims_free(struct claims *k)
{
	if (k)
		claims_clear(k);
	free(k);
}
DEFINE_CLEANUP(struct claims, claims_free)

/* Demand and write what @ep is to have.  @was: by the lease that it has now; 0: nothing
 * is there yet. */
static int claim_put(struct cluster *c, const struct cl_net *n,
		     const struct ov_endpoint *ep, uint64_t was, uint64_t lease,
		     struct etcd_txn *t, struct err *err)
{
	_cleanup_(claims_freep) struct claims *k = calloc(1, sizeof(*k));
	int r = k ? claims_of(c, n, ep, k, err)
		  : err_set(err, -ENOMEM, "endpoint %.12s", ep->id);

	for (size_t i = 0; r == 0 && i < k->count; i++) {
		if (was)
			etcd_txn_if_lease(t, k->key[i], was);
		else
			etcd_txn_if_mod(t, k->key[i], 0);
		etcd_txn_put(t, k->key[i], i ? k->owner_text : k->text, lease);
	}
	return r;
}

int cl_claim_many(struct cluster *c, struct cl_net *n,
		  const struct ov_endpoint *const *eps, size_t count,
		  uint64_t was, uint64_t lease, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char key[CL_KEY_MAX], went[CL_WENT_TEXT];
	bool again = false, done;
	int r = 0;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", n->key);
	cl_key(c, key, "net/%s", n->key);
	etcd_txn_if_create(t, key, n->create_rev);
	for (size_t i = 0; r == 0 && i < count; i++) {
		again |= went_forget(n, eps[i]->id);
		r = claim_put(c, n, eps[i], was, lease, t, err);
	}
	went_text(n, NULL, went);
	cl_key(c, key, "member/%s/%s", n->key, c->node);
	etcd_txn_put(t, key, "", lease);
	cl_key(c, key, "node/%s/net/%s", c->node, n->key);
	if (again || was)
		etcd_txn_put(t, key, went, lease);
	if (r == 0)
		r = FAILPOINT("cluster.claim");
	if (r == 0)
		r = cl_txn(c, c->rw, t, &res, err);
	done = res.done;
	etcd_result_clear(&res);
	return r < 0 ? r : done;
}

static int look(struct cluster *c, struct claims *k, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "etcd");
	gets(t, k, false);
	r = cl_txn(c, c->rw, t, &res, err);
	if (r == 0 && !res.done)
		r = err_set(err, -EBADMSG, "etcd's answer: not succeeded");
	if (r == 0)
		seen(k, res.got);
	etcd_result_clear(&res);
	return r;
}

/* Return: 1: what is ours of it is gone; 0: look again. */
static int disclaim_once(struct cluster *c, const struct cl_net *net,
			 const struct ov_endpoint *ep, const struct claims *k,
			 bool ring, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char went[CL_WENT_TEXT];
	unsigned int n = 0;
	bool done;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "etcd");
	for (size_t i = 0; i < k->count; i++) {
		if (!k->mod[i] ||
		    (i && (strcmp(k->owner[i].node, c->node) != 0 ||
			   strcmp(k->owner[i].id, ep->id) != 0)))
			continue;
		etcd_txn_if_mod(t, k->key[i], k->mod[i]);
		etcd_txn_del(t, k->key[i], NULL);
		n++;
	}
	if (n == 0)
		return 1;
	went_text(net, ep->id, went);
	if (ring) {
		etcd_txn_put(t, k->in, went, c->lease);
		etcd_txn_put(t, k->member, "", c->lease);
	}
	r = cl_txn(c, c->rw, t, &res, err);
	done = res.done;
	etcd_result_clear(&res);
	return r < 0 ? r : done;
}

int cl_disclaim(struct cluster *c, struct cl_net *n,
		const struct ov_endpoint *ep, struct err *err)
{
	_cleanup_(claims_clear) struct claims k = { 0 };
	bool ring = n->told && c->lease;
	int r = claims_of(c, n, ep, &k, err);

	if (r == 0)
		r = FAILPOINT("cluster.disclaim");
	for (unsigned int i = 0; r == 0 && i < TRIES; i++) {
		r = look(c, &k, err);
		if (r == 0)
			r = disclaim_once(c, n, ep, &k, ring, err);
		/* Full: only what frees space is done.  The others see it when
		 * they count. */
		if (r == -ENOSPC && ring) {
			ring = false;
			r = 0;
		}
	}
	if (r == 0)
		return err_set(err, -EAGAIN, "endpoint %.12s: fought over",
			       ep->id);
	if (r > 0)
		went_add(n, ep->id);
	return r < 0 ? r : 0;
}

int cl_disclaim_kv(struct cluster *c, const char *net_key, const char *id,
		   const struct etcd_kv *kv, struct err *err)
{
	_cleanup_free_ struct cl_net *none = calloc(1, sizeof(*none));
	const struct cl_net *n = cl_net_by_key(c, net_key);
	struct ov_endpoint ep = { 0 };
	char prefix[CL_KEY_MAX];

	if (!none)
		return err_set(err, -ENOMEM, "etcd");
	snprintf(none->key, sizeof(none->key), "%s", net_key);
	none->told = n && n->told;
	cl_key(c, prefix, "node/%s/ep/%s/", c->node, net_key);
	if (cl_endpoint_decode(kv, prefix, c->node, &none->net, &ep) < 0)
		snprintf(ep.id, sizeof(ep.id), "%.64s", id);
	return cl_disclaim(c, none, &ep, err);
}

int cl_disclaim_id(struct cluster *c, const char *net_key, const char *id,
		   struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	char key[CL_KEY_MAX];
	int r;

	cl_key(c, key, "node/%s/ep/%s/%s", c->node, net_key, id);
	r = cl_range(c, c->rw, &(struct etcd_range){ .key = key }, &kvs, NULL,
		     err);
	if (r == 0 && kvs.count)
		r = cl_disclaim_kv(c, net_key, id, &kvs.v[0], err);
	etcd_kvs_clear(&kvs);
	return r;
}
