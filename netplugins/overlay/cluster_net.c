// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Networks: made once, whoever asks first, and joined by all who say the same.
 *
 * One transaction makes a network: its record, its VNI and its subnets, if none of
 * them is there.  Subnets of one cluster never overlap, so of those that begin at or
 * before ours only the last can reach into it; it is read before, and the transaction
 * demands that since then none has come between it and the end of ours.
 *
 * The last member takes the network away, in a transaction that demands that there
 * is no other.  Who leaves and is not the last rewrites the network's record with it,
 * so that of two that leave at once one sees that it is the last.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "netplugins/net_names.h"
#include "netplugins/overlay/cluster_priv.h"

#define TRIES     8
#define VNI_TRIES 64
#define VNI_FIRST 0x10000U /* below is Swarm's and for those who choose */

/* A network that is to be made. */
struct making {
	uint32_t vni;
	struct {
		char key[CL_KEY_MAX];                  /* its record */
		char from[CL_KEY_MAX], to[CL_KEY_MAX]; /* to be empty */
		struct ip_prefix subnet;
	} sub[2];
	size_t count;
};

static bool prefix_same(const struct ip_prefix *a, const struct ip_prefix *b)
{
	struct ip_addr x = ip_prefix_first(a), y = ip_prefix_first(b);

	if (ip_is_none(&a->addr) || ip_is_none(&b->addr))
		return ip_is_none(&a->addr) && ip_is_none(&b->addr);
	return a->len == b->len && ip_equal(&x, &y);
}

const char *cl_net_differs(const struct ov_network *has,
			   const struct ov_network *asked)
{
	if (!prefix_same(&has->pool4, &asked->pool4))
		return "the IPv4 subnet";
	if (!prefix_same(&has->pool6, &asked->pool6))
		return "the IPv6 subnet";
	if (has->encrypt != asked->encrypt)
		return "berth.encrypt";
	return asked->vni && asked->vni != has->vni ? "the VNI" : NULL;
}

static int other(const struct cl_net *n, const struct cl_net_record *rec,
		 const char *what, const char *theirs, struct err *err)
{
	return err_set(err, -EEXIST,
		       "network %s of the cluster (made by host %s) has %s "
		       "%s: ask for the same, or for another name or subnet",
		       n->key, rec->node[0] ? rec->node : "?", what, theirs);
}

/* Is the network that is there the one that is asked for? */
static int same(const struct cl_net *n, const struct cl_net_record *rec,
		struct err *err)
{
	char text[PREFIX_STR_MAX];

	if (!prefix_same(&n->net.pool4, &rec->pool4))
		return other(n, rec, "the IPv4 subnet",
			     ip_is_none(&rec->pool4.addr)
				     ? "(none)"
				     : ip_prefix_str(&rec->pool4, text),
			     err);
	if (!prefix_same(&n->net.pool6, &rec->pool6))
		return other(n, rec, "the IPv6 subnet",
			     ip_is_none(&rec->pool6.addr)
				     ? "(none)"
				     : ip_prefix_str(&rec->pool6, text),
			     err);
	if (n->net.encrypt != rec->encrypt)
		return other(n, rec, "berth.encrypt",
			     rec->encrypt ? "on" : "off", err);
	snprintf(text, sizeof(text), "%" PRIu32, rec->vni);
	if (n->net.vni && n->net.vni != rec->vni)
		return other(n, rec, "VNI", text, err);
	return 0;
}

static void told(struct cluster *c, struct cl_net *n, int64_t create_rev,
		 uint32_t vni)
{
	pthread_mutex_lock(&c->lock);
	n->create_rev = create_rev;
	n->net.vni = vni;
	n->net.known = true;
	n->told = true;
	n->due = false;
	if (n->why[0])
		cl_changed(c, n); /* its endpoints are no more cut off */
	n->why[0] = '\0';
	pthread_mutex_unlock(&c->lock);
}

/* Return: 1: member; 0: the network went meanwhile. */
static int member_put(struct cluster *c, struct cl_net *n, const char *key,
		      int64_t create_rev, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char member[CL_KEY_MAX];
	bool done;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", n->key);
	etcd_txn_if_create(t, key, create_rev);
	cl_key(c, member, "member/%s/%s", n->key, c->node);
	etcd_txn_put(t, member, "", c->lease);
	cl_key(c, member, "node/%s/net/%s", c->node, n->key);
	etcd_txn_put(t, member, "", c->lease);
	r = cl_txn(c, c->rw, t, &res, err);
	done = res.done;
	etcd_result_clear(&res);
	return r < 0 ? r : done;
}

/* Is it another network's?  Our own, of another host that is faster, is joined. */
static int taken(const struct cl_net *n, const struct etcd_kv *kv,
		 const struct ip_prefix *subnet, struct err *err)
{
	struct cl_subnet_record rec;
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];

	if (cl_subnet_decode(kv, &rec) < 0)
		return err_set(err, -EEXIST,
			       "%s in etcd can't be read: look at it, and "
			       "remove it if nobody needs it",
			       kv->key);
	if (!strcmp(rec.net, n->key) ||
	    !ip_prefix_overlaps(&rec.subnet, subnet))
		return 0;
	return err_set(err, -EEXIST,
		       "subnet %s overlaps %s, which is network %s's of the "
		       "cluster",
		       ip_prefix_str(subnet, a), ip_prefix_str(&rec.subnet, b),
		       rec.net);
}

/* What has to be empty for @subnet to be free; @m: one more .sub. */
static int subnet_look(struct cluster *c, const struct cl_net *n,
		       const struct ip_prefix *subnet, struct making *m,
		       struct err *err)
{
	struct ip_addr first = ip_prefix_first(subnet);
	struct ip_addr last = ip_prefix_last(subnet);
	char low[CL_KEY_MAX], high[CL_KEY_MAX + 1], end[CL_KEY_MAX];
	struct etcd_kvs kvs = { 0 };
	int r;

	if (ip_is_none(&subnet->addr))
		return 0;
	m->sub[m->count].subnet = *subnet;
	m->sub[m->count].subnet.addr = first;
	cl_subnet_key(c, &first, m->sub[m->count].key);
	cl_subnet_key(c, &last, end);
	cl_key(c, low, "sub%c/", first.family == AF_INET ? '4' : '6');
	/* A blank is below all that follows a key in another one. */
	snprintf(high, sizeof(high), "%s ", m->sub[m->count].key);
	r = cl_range(c, c->rw,
		     &(struct etcd_range){
			     .key = low, .end = high, .highest_only = true },
		     &kvs, NULL, err);
	if (r < 0)
		return r;
	if (kvs.count)
		r = taken(n, &kvs.v[0], subnet, err);
	snprintf(m->sub[m->count].from, CL_KEY_MAX, "%.*s%s", CL_KEY_MAX - 2,
		 kvs.count ? kvs.v[0].key : low, kvs.count ? " " : "");
	snprintf(m->sub[m->count].to, CL_KEY_MAX, "%.*s ", CL_KEY_MAX - 2, end);
	m->count++;
	etcd_kvs_clear(&kvs);
	return r;
}

static int making_txn(struct cluster *c, const struct cl_net *n,
		      const struct making *m, struct etcd_txn *t)
{
	struct cl_net_record rec = { .vni = m->vni, .encrypt = n->net.encrypt };
	_cleanup_free_ char *text = NULL;
	char key[CL_KEY_MAX];

	memcpy(rec.name, n->net.name, sizeof(rec.name));
	memcpy(rec.node, c->node, sizeof(rec.node));
	for (size_t i = 0; i < m->count; i++)
		*(m->sub[i].subnet.addr.family == AF_INET ? &rec.pool4
							  : &rec.pool6) =
			m->sub[i].subnet;
	text = cl_net_encode(&rec);
	if (!text)
		return -ENOMEM;
	cl_key(c, key, "net/%s", n->key);
	etcd_txn_if_mod(t, key, 0);
	etcd_txn_put(t, key, text, 0);
	cl_key(c, key, "vni/%06" PRIx32, m->vni);
	etcd_txn_if_mod(t, key, 0);
	etcd_txn_put(t, key, n->key, 0);
	etcd_txn_else_get(t, &(struct etcd_range){ .key = key });
	cl_key(c, key, "member/%s/%s", n->key, c->node);
	etcd_txn_put(t, key, "", c->lease);
	cl_key(c, key, "node/%s/net/%s", c->node, n->key);
	etcd_txn_put(t, key, "", c->lease);
	for (size_t i = 0; i < m->count; i++) {
		struct cl_subnet_record sub = { .subnet = m->sub[i].subnet };
		_cleanup_free_ char *v = NULL;

		memcpy(sub.net, n->key, sizeof(sub.net));
		v = cl_subnet_encode(&sub);
		if (!v)
			return -ENOMEM;
		etcd_txn_if_none(t, m->sub[i].from, m->sub[i].to);
		etcd_txn_put(t, m->sub[i].key, v, 0);
		etcd_txn_else_get(t,
				  &(struct etcd_range){ .key = m->sub[i].from,
							.end = m->sub[i].to });
	}
	return 0;
}

static uint32_t vni_next(const struct cl_net *n, unsigned int try)
{
	if (n->net.vni)
		return n->net.vni;
	return VNI_FIRST + (uint32_t)((net_hash(n->key, 0) + try) %
				      (OV_VNI_MAX + 1 - VNI_FIRST));
}

/* Why it was not made.  Return: 0: try again; 1: with the next VNI. */
static int making_why(const struct cl_net *n, const struct making *m,
		      const struct etcd_result *res, struct err *err)
{
	const struct etcd_kvs *vni = &res->got[0];
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++)
		for (size_t k = 0; r == 0 && k < res->got[i + 1].count; k++)
			r = taken(n, &res->got[i + 1].v[k], &m->sub[i].subnet,
				  err);
	if (r < 0 || !vni->count || !strcmp(vni->v[0].value, n->key))
		return r;
	if (n->net.vni)
		return err_set(err, -EEXIST,
			       "VNI %" PRIu32 " is network %s's of the cluster",
			       m->vni, vni->v[0].value);
	return 1;
}

/* Return: 1: made; 0: look again. */
static int net_make(struct cluster *c, struct cl_net *n, unsigned int *vni_try,
		    struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	_cleanup_free_ struct making *m = calloc(1, sizeof(*m));
	struct etcd_result res = { 0 };
	int r;

	if (!t || !m)
		return err_set(err, -ENOMEM, "network %s", n->key);
	m->vni = vni_next(n, *vni_try);
	r = subnet_look(c, n, &n->net.pool4, m, err);
	if (r == 0)
		r = subnet_look(c, n, &n->net.pool6, m, err);
	if (r < 0)
		return r;
	if (making_txn(c, n, m, t) < 0)
		return err_set(err, -ENOMEM, "network %s", n->key);
	r = FAILPOINT("cluster.net");
	if (r < 0)
		return err_set(err, r, "network %s", n->key);
	r = cl_txn(c, c->rw, t, &res, err);
	if (r == 0 && !res.done)
		r = making_why(n, m, &res, err);
	if (r == 1)
		++*vni_try;
	if (r >= 0)
		r = res.done;
	if (r == 1)
		told(c, n, res.head.revision, m->vni);
	etcd_result_clear(&res);
	return r;
}

/* Return: 1: it is ours too; 0: it is not there (any more). */
static int net_join(struct cluster *c, struct cl_net *n, struct err *err)
{
	struct cl_net_record rec;
	struct etcd_kvs kvs = { 0 };
	char key[CL_KEY_MAX];
	int r;

	cl_key(c, key, "net/%s", n->key);
	r = cl_range(c, c->rw, &(struct etcd_range){ .key = key }, &kvs, NULL,
		     err);
	if (r < 0 || !kvs.count)
		return r;
	if (cl_net_decode(&kvs.v[0], &rec) < 0)
		r = err_set(err, -EEXIST, "%s in etcd can't be read", key);
	else
		r = same(n, &rec, err);
	if (r == 0)
		r = member_put(c, n, key, kvs.v[0].create_rev, err);
	if (r == 1)
		told(c, n, kvs.v[0].create_rev, rec.vni);
	etcd_kvs_clear(&kvs);
	return r;
}

int cl_net_tell(struct cluster *c, struct cl_net *n, struct err *err)
{
	unsigned int vni_try = 0;
	int r = 0;

	for (unsigned int i = 0; r == 0 && i < VNI_TRIES; i++) {
		r = net_join(c, n, err);
		if (r == 0)
			r = net_make(c, n, &vni_try, err);
	}
	if (r == 0)
		return err_set(err, -EAGAIN, "network %s: others were faster",
			       n->key);
	return r < 0 ? r : 0;
}

/* All of the network, if nobody else is in it. */
static void all_of(struct cluster *c, const struct cl_net *n,
		   struct etcd_txn *t)
{
	static const char *const below[] = { "member", "addr", "mac" };
	char key[CL_KEY_MAX], end[CL_KEY_MAX];

	cl_key(c, key, "net/%s", n->key);
	etcd_txn_if_create(t, key, n->create_rev);
	etcd_txn_del(t, key, NULL);
	etcd_txn_else_get(t, &(struct etcd_range){ .key = key });
	cl_key(c, key, "member/%s/", n->key);
	cl_key(c, end, "member/%s/%s", n->key, c->node);
	etcd_txn_if_none(t, key, end);
	cl_key(c, key, "member/%s/%s ", n->key, c->node);
	cl_key(c, end, "member/%s0", n->key);
	etcd_txn_if_none(t, key, end);
	cl_key(c, key, "vni/%06" PRIx32, n->net.vni);
	etcd_txn_del(t, key, NULL);
	cl_key(c, key, "node/%s/net/%s", c->node, n->key);
	etcd_txn_del(t, key, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		cl_key(c, key, "%s/%s/", below[i], n->key);
		cl_key(c, end, "%s/%s0", below[i], n->key);
		etcd_txn_del(t, key, end);
	}
	for (int i = 0; i < 2; i++) {
		const struct ip_prefix *p = i ? &n->net.pool6 : &n->net.pool4;
		struct ip_addr first = ip_prefix_first(p);

		if (ip_is_none(&p->addr))
			continue;
		cl_subnet_key(c, &first, key);
		etcd_txn_del(t, key, NULL);
	}
}

/* Only ourselves.  @kv: the network's record, to be written again so that one who
 * leaves now looks again; NULL: there is none of ours.  Return: 1: done. */
static int member_del(struct cluster *c, const struct cl_net *n,
		      const struct etcd_kv *kv, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char key[CL_KEY_MAX];
	bool done;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", n->key);
	cl_key(c, key, "member/%s/%s", n->key, c->node);
	etcd_txn_del(t, key, NULL);
	cl_key(c, key, "node/%s/net/%s", c->node, n->key);
	etcd_txn_del(t, key, NULL);
	if (kv) {
		etcd_txn_if_mod(t, kv->key, kv->mod_rev);
		etcd_txn_put(t, kv->key, kv->value, 0);
	}
	r = cl_txn(c, c->rw, t, &res, err);
	done = res.done;
	etcd_result_clear(&res);
	return r < 0 ? r : done;
}

/* Take all of it.  Return: 1: done; 0: not: @res has its record as it is, if there is one;
 * the caller's to clear. */
static int remove_all(struct cluster *c, const struct cl_net *n,
		      struct etcd_result *res, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", n->key);
	all_of(c, n, t);
	r = cl_txn(c, c->rw, t, res, err);
	return r < 0 ? r : res->done;
}

int cl_net_remove(struct cluster *c, const struct cl_net *n, struct err *err)
{
	struct etcd_result res = { 0 };
	int r = remove_all(c, n, &res, err);

	if (r >= 0)
		etcd_result_clear(&res);
	return r;
}

/* Return: 1: it is left; 0: look again. */
static int leave_once(struct cluster *c, const struct cl_net *n,
		      struct err *err)
{
	struct etcd_result res = { 0 };
	const struct etcd_kv *kv = NULL;
	int r = remove_all(c, n, &res, err);

	if (r < 0)
		return r;
	if (r == 1) {
		etcd_result_clear(&res);
		return 1;
	}
	if (res.got[0].count && res.got[0].v[0].create_rev == n->create_rev)
		kv = &res.got[0].v[0];
	r = FAILPOINT("cluster.leave");
	if (r == 0)
		r = member_del(c, n, kv, err);
	if (r == -ENOSPC) /* it may only free space now */
		r = member_del(c, n, NULL, err);
	etcd_result_clear(&res);
	return r;
}

int cl_net_untell(struct cluster *c, struct cl_net *n, struct err *err)
{
	int r = 0;

	if (!n->create_rev) /* etcd was never told by this daemon */
		return cl_net_untell_key(c, n->key, err);
	for (unsigned int i = 0; r == 0 && i < TRIES; i++)
		r = leave_once(c, n, err);
	if (r == 0)
		return err_set(err, -EAGAIN, "network %s: others were faster",
			       n->key);
	return r < 0 ? r : 0;
}

int cl_net_untell_key(struct cluster *c, const char *net_key, struct err *err)
{
	_cleanup_free_ struct cl_net *n = calloc(1, sizeof(*n));
	struct cl_net_record rec;
	struct etcd_kvs kvs = { 0 };
	char key[CL_KEY_MAX];
	int r;

	if (!n)
		return err_set(err, -ENOMEM, "network %s", net_key);
	snprintf(n->key, sizeof(n->key), "%s", net_key);
	cl_key(c, key, "net/%s", n->key);
	r = cl_range(c, c->rw, &(struct etcd_range){ .key = key }, &kvs, NULL,
		     err);
	if (r < 0)
		return r;
	if (kvs.count && cl_net_decode(&kvs.v[0], &rec) == 0) {
		n->create_rev = kvs.v[0].create_rev;
		n->net.vni = rec.vni;
		n->net.pool4 = rec.pool4;
		n->net.pool6 = rec.pool6;
	}
	etcd_kvs_clear(&kvs);
	if (n->create_rev > 0)
		return cl_net_untell(c, n, err);
	r = member_del(c, n, NULL, err);
	return r < 0 ? r : 0;
}
