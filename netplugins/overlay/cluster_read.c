// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What other hosts have, of the networks that are here.
 *
 * Each host has a member record in each of its networks, and writes it again whenever
 * something of it changes there.  So a list of a network's members, a few bytes a host,
 * tells which hosts have to be read again, and only members need be watched.  A host
 * that dies has no members any more.
 *
 * Only the cluster's thread is here.
 */
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "netplugins/overlay/cluster_priv.h"

#define PAGE        1000
#define FETCH_BATCH 16 /* hosts a transaction */
#define COUNT_BATCH 100

/* What is asked of each. */
enum { GOT_MEMBER, GOT_HOST, GOT_NET, GOT_EPS, GOT_MAX };

typedef char node_name[OV_NODE_MAX];

static struct cl_peer *peer_find(struct cl_net *n, const char *node)
{
	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->peers[i].node, node))
			return &n->peers[i];
	return NULL;
}

static struct cl_peer *peer_add(struct cl_net *n, const char *node)
{
	struct cl_peer *p =
		realloc(n->peers, (n->count + 1) * sizeof(*n->peers));

	if (!p)
		return NULL;
	n->peers = p;
	p += n->count++;
	memset(p, 0, sizeof(*p));
	snprintf(p->node, sizeof(p->node), "%s", node);
	return p;
}

static void peer_drop(struct cl_net *n, struct cl_peer *p)
{
	free(p->eps);
	*p = n->peers[--n->count];
}

/* Have they an address or the MAC in common? */
static bool meets(const struct ov_endpoint *a, const struct ov_endpoint *b)
{
	return mac_equal(&a->mac, &b->mac) ||
	       (!ip_is_none(&a->addr4) && ip_equal(&a->addr4, &b->addr4)) ||
	       (!ip_is_none(&a->addr6) && ip_equal(&a->addr6, &b->addr6));
}

static bool is_had(const struct cl_net *n, const struct ov_endpoint *ep)
{
	for (size_t i = 0; i < n->count; i++)
		for (size_t k = 0; k < n->peers[i].count; k++)
			if (meets(&n->peers[i].eps[k].ep, ep))
				return true;
	return false;
}

/* Under ->lock.  One of ours that was cut off need not wait for the next list where
 * who had its address is gone. */
static void changed(struct cluster *c, struct cl_net *n)
{
	cl_changed(c, n);
	for (const struct cl_mine *m = n->mine; m; m = m->next)
		n->freed |= m->fenced && !m->gone && !is_had(n, &m->ep);
}

/* ---- reading hosts ---- */

/* Of a host that is read whole. */
static int eps_all(struct cl_net *n, struct cl_peer *p, const char *prefix,
		   const struct etcd_kvs *got)
{
	struct cl_theirs *eps = calloc(got->count + 1, sizeof(*eps));

	if (!eps)
		return -ENOMEM;
	free(p->eps);
	p->eps = eps;
	p->count = 0;
	for (size_t i = 0; i < got->count; i++) {
		eps[p->count].create_rev = got->v[i].create_rev;
		if (cl_endpoint_decode(&got->v[i], prefix, p->node, &n->net,
				       &eps[p->count].ep) == 0)
			p->count++;
	}
	p->total = got->total;
	p->ignored = got->total - p->count;
	return 0;
}

static struct cl_theirs *ep_find(struct cl_peer *p, const char *id)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->eps[i].ep.id, id))
			return &p->eps[i];
	return NULL;
}

/* @id is of @kvs, keys below a prefix of @len. */
static bool is_among(const struct etcd_kvs *kvs, size_t len, const char *id)
{
	for (size_t i = 0; i < kvs->count; i++)
		if (!strcmp(kvs->v[i].key + len, id))
			return true;
	return false;
}

/* Those that the host says are gone.  @got: what is there and has changed. */
static void eps_less(struct cl_peer *p, const char *went, size_t prefix_len,
		     const struct etcd_kvs *got)
{
	struct cl_theirs *old;
	char id[65];
	size_t len;

	for (; *went; went += len + (went[len] == ' ')) {
		len = strcspn(went, " ");
		snprintf(id, sizeof(id), "%.*s", (int)len, went);
		old = ep_find(p, id);
		if (!old || is_among(got, prefix_len, id))
			continue;
		*old = p->eps[--p->count];
		p->total--;
	}
}

/* Of one whose changed records were read.  Return: 0; 1: there is more to it, records
 * are gone that nobody told of, or can't be read: read it whole. */
static int eps_more(struct cl_net *n, struct cl_peer *p, const char *prefix,
		    const char *went, const struct etcd_kvs *got)
{
	struct cl_theirs *eps, *old;
	struct ov_endpoint ep;
	uint64_t added = 0;

	if (got->total > CL_ENDPOINTS_MAX)
		return 1;
	eps = realloc(p->eps, (p->count + got->count + 1) * sizeof(*eps));
	if (!eps)
		return -ENOMEM;
	p->eps = eps;
	for (size_t i = 0; i < got->count; i++) {
		if (cl_endpoint_decode(&got->v[i], prefix, p->node, &n->net,
				       &ep) < 0)
			return 1;
		old = ep_find(p, ep.id);
		if (!old) {
			old = &p->eps[p->count++];
			added++;
		}
		old->ep = ep;
		old->create_rev = got->v[i].create_rev;
	}
	p->total += added;
	if (p->total != got->total)
		eps_less(p, went, strlen(prefix), got);
	return p->total != got->total || p->ignored;
}

/* Since when the host of @p says @key: of two that say one key the first has it, and
 * that is not who was there before under another one. */
static int64_t key_since(const struct cl_peer *p, const struct etcd_kvs *host,
			 const char *key)
{
	if (!host->count)
		return 0;
	if (!p->host.since)
		return host->v[0].create_rev;
	if (strcmp(p->host.key, key) == 0)
		return p->host.since;
	/* it said so before it had it */
	return *key && strcmp(p->host.next, key) == 0 ? p->host.next_since
						      : host->v[0].mod_rev;
}

static int64_t next_since(const struct cl_peer *p, const struct etcd_kvs *host,
			  const char *next)
{
	if (!host->count)
		return 0;
	return strcmp(p->host.next, next) ? host->v[0].mod_rev
					  : p->host.next_since;
}

/* Under ->lock.  @got: what fetch_gets() asked for.  Return: 1: read it whole. */
static int peer_take(struct cluster *c, struct cl_net *n, const char *node,
		     bool whole, const struct etcd_kvs *got)
{
	struct cl_peer *p = peer_find(n, node);
	struct cl_host_record host = { 0 };
	char prefix[CL_KEY_MAX];
	const char *went;
	int r;

	if (!got[GOT_MEMBER].count) {
		if (p) {
			cl_flap_note(c, n->key, node);
			peer_drop(n, p);
			changed(c, n);
		}
		return 0;
	}
	if (!p && !whole)
		return 1;
	if (!p && n->count >= CL_HOSTS_MAX)
		return 0; /* counted when they are listed */
	if (!p)
		p = peer_add(n, node);
	if (!p)
		return -ENOMEM;
	cl_key(c, prefix, "node/%s/ep/%s/", node, n->key);
	went = got[GOT_NET].count ? got[GOT_NET].v[0].value : "";
	r = whole ? eps_all(n, p, prefix, &got[GOT_EPS])
		  : eps_more(n, p, prefix, went, &got[GOT_EPS]);
	if (r != 0) {
		p->rev = 0;
		return r;
	}
	if (!got[GOT_HOST].count ||
	    cl_host_decode(&got[GOT_HOST].v[0], node, &host) < 0)
		p->ignored++;
	if (p->host.node[0] && (!ip_equal(&p->host.vtep, &host.vtep) ||
				strcmp(p->host.key, host.key) != 0))
		cl_flap_note(c, n->key, node);
	snprintf(p->host.node, sizeof(p->host.node), "%s", node);
	p->host.vtep = host.vtep;
	p->host.since = key_since(p, &got[GOT_HOST], host.key);
	p->host.next_since = next_since(p, &got[GOT_HOST], host.next);
	memcpy(p->host.next, host.next, sizeof(p->host.next));
	memcpy(p->host.key, host.key, sizeof(p->host.key));
	p->big = false;
	p->host_rev = got[GOT_HOST].count ? got[GOT_HOST].v[0].mod_rev : 0;
	p->rev = got[GOT_MEMBER].v[0].mod_rev;
	changed(c, n);
	return 0;
}

/* @since: the revision up to which it was read; 0: never.  @big: count its endpoints,
 * no more. */
static void fetch_gets(struct cluster *c, const char *net, const char *node,
		       int64_t since, bool big, struct etcd_txn *t)
{
	char key[CL_KEY_MAX], end[CL_KEY_MAX];

	cl_key(c, key, "member/%s/%s", net, node);
	etcd_txn_get(t, &(struct etcd_range){ .key = key });
	cl_key(c, key, "node/%s/host", node);
	etcd_txn_get(t, &(struct etcd_range){ .key = key });
	cl_key(c, key, "node/%s/net/%s", node, net);
	etcd_txn_get(t, &(struct etcd_range){ .key = key });
	cl_key(c, key, "node/%s/ep/%s/", node, net);
	cl_key(c, end, "node/%s/ep/%s0", node, net);
	etcd_txn_get(t,
		     &(struct etcd_range){ .key = key,
					   .end = end,
					   .limit = CL_ENDPOINTS_MAX,
					   .count_only = big,
					   .min_mod = since ? since + 1 : 0 });
}

static void since_when(struct cluster *c, const char *net, node_name *nodes,
		       size_t count, int64_t *ret)
{
	const struct cl_peer *p;
	struct cl_net *n;

	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, net);
	for (size_t i = 0; i < count; i++) {
		p = n ? peer_find(n, nodes[i]) : NULL;
		ret[i] = p ? p->rev : 0;
	}
	pthread_mutex_unlock(&c->lock);
}

/* Return: how many were to be read whole and were not; they come to the front. */
static int fetch_once(struct cluster *c, const char *net, node_name *nodes,
		      size_t count, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	int64_t since[FETCH_BATCH];
	struct etcd_result res = { 0 };
	struct cl_net *n;
	int r, again = 0;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", net);
	since_when(c, net, nodes, count, since);
	for (size_t i = 0; i < count; i++)
		fetch_gets(c, net, nodes[i], since[i], false, t);
	r = cl_txn(c, c->ro, t, &res, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, net);
	for (size_t i = 0; n && r >= 0 && i < count; i++) {
		r = peer_take(c, n, nodes[i], !since[i], &res.got[GOT_MAX * i]);
		if (r == 1)
			memmove(nodes[again++], nodes[i], sizeof(nodes[i]));
	}
	pthread_mutex_unlock(&c->lock);
	etcd_result_clear(&res);
	return r < 0 ? err_set(err, r, "network %s", net) : again;
}

static int fetch_batch(struct cluster *c, const char *net, node_name *nodes,
		       size_t count, struct err *err)
{
	int r = fetch_once(c, net, nodes, count, err);

	/* Those are read whole now: none is left. */
	return r > 0 ? fetch_once(c, net, nodes, (size_t)r, err) : r;
}

/* A host whose records are more than etcd answers at once: it has no endpoints, and is
 * not in the way of others. */
static int fetch_big(struct cluster *c, const char *net, const char *node,
		     struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	struct cl_peer *p;
	struct cl_net *n;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", net);
	fetch_gets(c, net, node, 0, true, t);
	r = cl_txn(c, c->ro, t, &res, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, net);
	r = n ? peer_take(c, n, node, true, res.got) : 0;
	p = n ? peer_find(n, node) : NULL;
	if (p)
		p->big = true;
	pthread_mutex_unlock(&c->lock);
	etcd_result_clear(&res);
	return r < 0 ? err_set(err, r, "network %s", net) : 0;
}

int cl_fetch(struct cluster *c, const char *key, char (*nodes)[OV_NODE_MAX],
	     size_t count, struct err *err)
{
	size_t batch = FETCH_BATCH, n;
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i += n) {
		n = count - i < batch ? count - i : batch;
		r = fetch_batch(c, key, nodes + i, n, err);
		r = r > 0 ? 0 : r;
		if (r == -EMSGSIZE && n > 1) { /* hosts with very many */
			batch = 1;
			n = 0;
			r = 0;
		}
		if (r == -EMSGSIZE)
			r = fetch_big(c, key, nodes[i], err);
		if (r == 0)
			r = cl_lease_keep(c, err);
	}
	return r;
}

/* ---- listing ---- */

struct member {
	node_name node;
	int64_t rev;
};

struct members {
	struct member *v; /* owned; in the order of their names */
	size_t count;
	uint64_t total; /* with those that are too many */
	int64_t rev;    /* etcd's, at the first page */
};

static void members_clear(struct members *m)
{
	free(m->v);
}

static int members_add(struct members *m, const struct etcd_kvs *kvs,
		       size_t prefix_len)
{
	struct member *v =
		realloc(m->v, (m->count + kvs->count + 1) * sizeof(*m->v));

	if (!v)
		return -ENOMEM;
	m->v = v;
	for (size_t i = 0; i < kvs->count && m->count <= CL_HOSTS_MAX; i++) {
		const char *key = kvs->v[i].key;

		if (strlen(key) <= prefix_len ||
		    strlen(key + prefix_len) >= OV_NODE_MAX ||
		    !cluster_word_valid(key + prefix_len))
			continue;
		strcpy(v[m->count].node, key + prefix_len);
		v[m->count++].rev = kvs->v[i].mod_rev;
	}
	return 0;
}

static int members_list(struct cluster *c, const char *net, struct members *m,
			struct err *err)
{
	char key[CL_KEY_MAX], end[CL_KEY_MAX], prefix[CL_KEY_MAX];
	struct etcd_range q = { .key = key, .end = end, .limit = PAGE };
	struct etcd_head head;
	bool more = true;
	int r = 0;

	cl_key(c, prefix, "member/%s/", net);
	cl_key(c, end, "member/%s0", net);
	memcpy(key, prefix, sizeof(key));
	while (r == 0 && more && m->count <= CL_HOSTS_MAX) {
		struct etcd_kvs kvs = { 0 };

		r = cl_range(c, c->ro, &q, &kvs, &head, err);
		if (r < 0)
			break;
		if (!m->rev) {
			m->rev = head.revision;
			m->total = kvs.total;
		}
		if (members_add(m, &kvs, strlen(prefix)) < 0)
			r = err_set(err, -ENOMEM, "network %s", net);
		more = kvs.more && kvs.count;
		if (more)
			snprintf(key, sizeof(key), "%.*s ", CL_KEY_MAX - 2,
				 kvs.v[kvs.count - 1].key);
		etcd_kvs_clear(&kvs);
	}
	return r;
}

static int member_cmp(const void *key, const void *m)
{
	return strcmp(key, ((const struct member *)m)->node);
}

static const struct member *member_find(const struct members *m,
					const char *node)
{
	return m->count ? bsearch(node, m->v, m->count, sizeof(*m->v),
				  member_cmp)
			: NULL;
}

/* Under ->lock: who is gone goes.  @ret: owned; who is to be read. */
static int compare(struct cluster *c, struct cl_net *n, const struct members *m,
		   node_name **ret, size_t *count)
{
	node_name *nodes = calloc(m->count + 1, sizeof(*nodes));
	const struct cl_peer *p;

	if (!nodes)
		return -ENOMEM;
	for (size_t i = 0; i < n->count;)
		if (member_find(m, n->peers[i].node)) {
			i++;
		} else {
			peer_drop(n, &n->peers[i]);
			changed(c, n);
		}
	n->too_many = m->count > CL_HOSTS_MAX ? m->total - m->count : 0;
	*count = 0;
	for (size_t i = 0; i < m->count; i++) {
		if (!strcmp(m->v[i].node, c->node))
			continue;
		p = peer_find(n, m->v[i].node);
		if (!p || p->rev != m->v[i].rev)
			strcpy(nodes[(*count)++], m->v[i].node);
	}
	*ret = nodes;
	return 0;
}

/* Those of @nodes whose number of records is another than ours come to the front. */
static int count_batch(struct cluster *c, const char *net, node_name *nodes,
		       size_t count, size_t *ret, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	char key[CL_KEY_MAX], end[CL_KEY_MAX];
	struct etcd_result res = { 0 };
	const struct cl_peer *p;
	struct cl_net *n;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "network %s", net);
	for (size_t i = 0; i < count; i++) {
		cl_key(c, key, "node/%s/ep/%s/", nodes[i], net);
		cl_key(c, end, "node/%s/ep/%s0", nodes[i], net);
		etcd_txn_get(t, &(struct etcd_range){ .key = key,
						      .end = end,
						      .count_only = true });
	}
	r = cl_txn(c, c->ro, t, &res, err);
	*ret = 0;
	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, net);
	for (size_t i = 0; n && r == 0 && i < count; i++) {
		p = peer_find(n, nodes[i]);
		if (p && p->total == res.got[i].total)
			continue;
		if (*ret != i)
			memcpy(nodes[*ret], nodes[i], sizeof(nodes[i]));
		++*ret;
	}
	pthread_mutex_unlock(&c->lock);
	etcd_result_clear(&res);
	return r;
}

/* A host that could not write its member record (NOSPACE) is told by its number of
 * records. */
static int count_all(struct cluster *c, const char *net, struct err *err)
{
	_cleanup_free_ node_name *nodes = NULL;
	size_t count = 0, batch, differ;
	struct cl_net *n;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, net);
	nodes = n ? calloc(n->count + 1, sizeof(*nodes)) : NULL;
	for (size_t i = 0; nodes && i < n->count; i++)
		strcpy(nodes[count++], n->peers[i].node);
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; r == 0 && i < count; i += batch) {
		batch = count - i < COUNT_BATCH ? count - i : COUNT_BATCH;
		r = count_batch(c, net, nodes + i, batch, &differ, err);
		if (r == 0)
			r = cl_fetch(c, net, nodes + i, differ, err);
	}
	return r;
}

int cl_list(struct cluster *c, const char *key, struct err *err)
{
	_cleanup_(members_clear) struct members m = { 0 };
	_cleanup_free_ node_name *nodes = NULL;
	unsigned int born;
	size_t count = 0;
	struct cl_net *n;
	int r = members_list(c, key, &m, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, key);
	born = n ? n->born : 0;
	r = n ? compare(c, n, &m, &nodes, &count) : 0;
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		return err_set(err, r, "network %s", key);
	r = cl_fetch(c, key, nodes, count, err);
	if (r == 0)
		r = count_all(c, key, err);
	if (r == 0)
		r = FAILPOINT("cluster.listed");
	if (r < 0)
		return r;
	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, key);
	/* One that was left and made anew meanwhile has its own list to come. */
	if (n && n->born != born)
		n = NULL;
	if (n && !n->rev)
		cl_changed(c, n);
	if (n)
		n->rev = m.rev;
	pthread_mutex_unlock(&c->lock);
	return 0;
}
