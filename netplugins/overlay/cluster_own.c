// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What this host has, and that etcd is told of it: at once where it answers, later
 * where it does not, again after its lease was lost.
 */
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "netplugins/overlay/cluster_priv.h"

#define SPELL_MS     1000 /* then the thread's other work has its turn */
#define MEMBER_BATCH 100

struct cl_mine *cl_mine_find(struct cl_net *n, const char *id)
{
	struct cl_mine *m;

	for (m = n->mine; m && strcmp(m->ep.id, id) != 0; m = m->next)
		;
	return m;
}

void cl_mine_free(struct cluster *c, struct cl_net *n, struct cl_mine *m)
{
	struct cl_mine **at;

	pthread_mutex_lock(&c->lock);
	for (at = &n->mine; *at != m; at = &(*at)->next)
		;
	*at = m->next;
	pthread_mutex_unlock(&c->lock);
	free(m);
}

static void net_remove(struct cluster *c, struct cl_net *n)
{
	struct cl_net **at;

	pthread_mutex_lock(&c->lock);
	for (at = &c->nets; *at != n; at = &(*at)->next)
		;
	*at = n->next;
	pthread_mutex_unlock(&c->lock);
	cl_net_free(n);
}

/* The network is another's by now. */
static void net_lost(struct cluster *c, struct cl_net *n, const struct err *why)
{
	pthread_mutex_lock(&c->lock);
	snprintf(n->why, sizeof(n->why), "%.*s", CL_WHY_MAX - 1, why->msg);
	n->due = false;
	cl_changed(c, n);
	pthread_mutex_unlock(&c->lock);
}

static void mine_is(struct cluster *c, struct cl_net *n, struct cl_mine *m,
		    bool fenced, const struct err *why)
{
	pthread_mutex_lock(&c->lock);
	if (m->fenced != fenced)
		cl_changed(c, n);
	m->fenced = fenced;
	m->told = !fenced;
	m->due = m->alone = false;
	snprintf(m->why, sizeof(m->why), "%.*s", CL_WHY_MAX - 1,
		 fenced ? why->msg : "");
	pthread_mutex_unlock(&c->lock);
}

static struct cl_mine *mine_due(struct cl_net *n)
{
	struct cl_mine *m;

	for (m = n->mine; m && !m->due; m = m->next)
		;
	return m;
}

/* Return: 1: again. */
static int stumble(struct cluster *c, struct cl_net *n, int r)
{
	if (r == -ENOENT) {
		cl_lease_lost(c);
		return 1;
	}
	if (r == -ENONET) {
		n->told = false;
		n->due = true;
		return 1;
	}
	return r;
}

static int mine_settle(struct cluster *c, struct cl_net *n, struct cl_mine *m,
		       struct err *err)
{
	struct err why = { 0 };
	int r;

	if (m->gone) {
		r = cl_disclaim(c, n, &m->ep, err);
		if (r < 0)
			return stumble(c, n, r);
		cl_mine_free(c, n, m);
		return 1;
	}
	r = cl_claim(c, n, &m->ep, &why);
	if (r == 0 || r == -EADDRINUSE) {
		mine_is(c, n, m, r < 0, &why);
		return 1;
	}
	return stumble(c, n, err_set(err, r, "%s", why.msg));
}

/* @ret: what can be told at once: what was told, by a lease that is no more. */
static size_t many_due(struct cl_net *n, struct cl_mine *ret[static CL_MANY])
{
	size_t count = 0;

	for (struct cl_mine *m = n->mine; m && count < CL_MANY; m = m->next)
		if (m->due && !m->gone && !m->fenced && !m->alone)
			ret[count++] = m;
	return count;
}

/* Where one of them can't be each is asked for alone.  Return: 1: again. */
static int many_settle(struct cluster *c, struct cl_net *n, struct cl_mine **m,
		       size_t count, struct err *err)
{
	const struct ov_endpoint *eps[CL_MANY];
	struct err why = { 0 };
	int r;

	for (size_t i = 0; i < count; i++)
		eps[i] = &m[i]->ep;
	r = cl_claim_many(c, n, eps, count, 0, c->lease, err);
	if (r < 0)
		return stumble(c, n, r);
	for (size_t i = 0; i < count; i++)
		if (r == 1)
			mine_is(c, n, m[i], false, &why);
		else
			m[i]->alone = true;
	return 1;
}

/* Those that are due, of a network that is told. */
static int all_settle(struct cluster *c, struct cl_net *n, struct err *err)
{
	struct cl_mine *many[CL_MANY], *m = mine_due(n);
	size_t count = many_due(n, many);

	if (count > 1)
		return many_settle(c, n, many, count, err);
	return m ? mine_settle(c, n, m, err) : 0;
}

int cl_net_settle(struct cluster *c, struct cl_net *n, struct err *err)
{
	struct cl_mine *m = mine_due(n);
	struct err why = { 0 };
	int r;

	if (n->gone && m)
		return mine_settle(c, n, m, err);
	if (n->gone) {
		r = cl_net_untell(c, n, err);
		if (r == 0)
			net_remove(c, n);
		return r;
	}
	if (!n->told && n->due) {
		r = cl_net_tell(c, n, &why);
		if (r == -EEXIST) {
			net_lost(c, n, &why);
			return 0;
		}
		return r < 0 ? stumble(c, n, err_set(err, r, "%s", why.msg))
			     : 1;
	}
	return n->told ? all_settle(c, n, err) : 0;
}

static struct cl_net *net_due(struct cluster *c)
{
	struct cl_net *n;

	for (n = c->nets; n; n = n->next)
		if (n->gone || (!n->told && n->due) || (n->told && mine_due(n)))
			return n;
	return NULL;
}

/* Under ->write.  Those that are cut off, where what they wait for may be free. */
static void freed_is_due(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	for (struct cl_net *n = c->nets; n; n = n->next) {
		for (struct cl_mine *m = n->mine; n->freed && m; m = m->next)
			m->due |= m->fenced;
		n->freed = false;
	}
	pthread_mutex_unlock(&c->lock);
}

/* One thing, so that a request's turn comes between two.  Return: 1: there may be
 * more. */
static int tell_one(struct cluster *c, struct err *err)
{
	struct cl_net *n;
	int r;

	cl_write_begin(c);
	r = cl_lease_have(c, err);
	if (r == 0) {
		freed_is_due(c);
		n = net_due(c);
		if (n)
			r = cl_net_settle(c, n, err);
		if (n && r == 0)
			r = 1;
	}
	cl_write_end(c);
	return r;
}

int cl_own_tell(struct cluster *c, struct err *err)
{
	uint64_t until = clock_boot_ms() + SPELL_MS;
	int r;

	do {
		r = tell_one(c, err);
		if (r == 1 && cl_lease_keep(c, err) < 0)
			return -EAGAIN;
	} while (r == 1 && clock_boot_ms() < until);
	return r;
}

/* What is etcd's own of this host. */
struct own {
	struct cluster *c;
	char ep[CL_KEY_MAX], net[CL_KEY_MAX], host[CL_KEY_MAX];
	bool host_there, grace;
};

/* "NETWORK/ID" -> both, into @net. */
static const char *split(const char *s, char net[static CL_NAME_MAX])
{
	const char *slash = strchr(s, '/');

	if (!slash || slash - s >= CL_NAME_MAX)
		return NULL;
	memcpy(net, s, (size_t)(slash - s));
	net[slash - s] = '\0';
	return slash + 1;
}

/* Is it to be removed? */
static bool own_endpoint(struct own *o, const struct etcd_kv *kv)
{
	char net[CL_NAME_MAX];
	const char *id = split(kv->key + strlen(o->ep), net);
	struct cl_net *n = id ? cl_net_by_key(o->c, net) : NULL;
	struct cl_mine *m = n ? cl_mine_find(n, id) : NULL;

	if (m && m->told && kv->lease == o->c->lease)
		m->due = m->gone; /* it is there */
	return id && !m && o->grace;
}

static bool own_net(struct own *o, const struct etcd_kv *kv)
{
	struct cl_net *n = cl_net_by_key(o->c, kv->key + strlen(o->net));

	if (n && n->member && kv->lease == o->c->lease)
		n->due = n->gone;
	return !n && o->grace;
}

static bool own_record(struct own *o, const struct etcd_kv *kv)
{
	if (!strcmp(kv->key, o->host)) {
		o->host_there = kv->lease && kv->lease == o->c->lease;
		return false;
	}
	if (!strncmp(kv->key, o->ep, strlen(o->ep)))
		return own_endpoint(o, kv);
	if (!strncmp(kv->key, o->net, strlen(o->net)))
		return own_net(o, kv);
	return false;
}

static int endpoint_remove(struct own *o, const struct etcd_kv *kv,
			   struct err *err)
{
	char net[CL_NAME_MAX];
	const char *id = split(kv->key + strlen(o->ep), net);

	return cl_disclaim_kv(o->c, net, id, kv, err);
}

/* One that is nobody's, if it still is. */
static int own_remove(struct own *o, const struct etcd_kv *kv, struct err *err)
{
	int r = 0;

	cl_write_begin(o->c);
	if (own_record(o, kv))
		r = !strncmp(kv->key, o->ep, strlen(o->ep))
			    ? endpoint_remove(o, kv, err)
			    : cl_net_untell_key(o->c, kv->key + strlen(o->net),
						err);
	cl_write_end(o->c);
	return r;
}

/* @stale: of each of @kvs, is it nobody's?  One at a time, so that a request's turn
 * comes between two. */
static int own_sweep(struct own *o, const struct etcd_kvs *kvs,
		     const bool *stale, struct err *err)
{
	uint64_t until = clock_boot_ms() + SPELL_MS;
	int r = 0;

	for (size_t i = 0; r == 0 && i < kvs->count; i++) {
		if (!stale[i])
			continue;
		if (clock_boot_ms() >= until)
			return 1;
		r = own_remove(o, &kvs->v[i], err);
		if (r == 0)
			r = cl_lease_keep(o->c, err);
	}
	return r;
}

/* Under ->write.  What stays due was not there: to be told again; what is fenced may
 * be free now. */
static void all_due(struct cluster *c)
{
	pthread_mutex_lock(&c->lock);
	for (struct cl_net *n = c->nets; n; n = n->next) {
		n->due = true;
		for (struct cl_mine *m = n->mine; m; m = m->next)
			m->due = true;
	}
	pthread_mutex_unlock(&c->lock);
}

static void due_is_untold(struct cluster *c, bool host_there)
{
	pthread_mutex_lock(&c->lock);
	c->host_due = c->host_due || !host_there;
	c->host_told = c->host_told && host_there;
	for (struct cl_net *n = c->nets; n; n = n->next) {
		if (n->due)
			n->told = false;
		for (struct cl_mine *m = n->mine; m; m = m->next)
			if (m->due)
				m->told = false;
	}
	pthread_mutex_unlock(&c->lock);
}

/* From @at on; it is set to whose turn is next. */
static int members_look_some(struct cluster *c, struct cl_net **at,
			     struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	struct cl_net *n = *at;
	char key[CL_KEY_MAX];
	size_t count;
	int r;

	if (!t)
		return err_set(err, -ENOMEM, "etcd");
	for (count = 0; n && count < MEMBER_BATCH; n = n->next, count++) {
		cl_key(c, key, "member/%s/%s", n->key, c->node);
		etcd_txn_get(t, &(struct etcd_range){ .key = key });
	}
	r = cl_txn(c, c->rw, t, &res, err);
	if (r == 0 && !res.done)
		r = err_set(err, -EBADMSG, "etcd's answer: not succeeded");
	for (size_t i = 0; r == 0 && i < count; i++, *at = (*at)->next)
		(*at)->member =
			res.got[i].count && res.got[i].v[0].lease == c->lease;
	etcd_result_clear(&res);
	return r;
}

/* Under ->write.  They are not below this host's own node/NODE/: any host may take one
 * away, or write it with a lease of its own. */
static int members_look(struct cluster *c, struct err *err)
{
	struct cl_net *n = c->nets;
	int r = 0;

	while (r == 0 && n)
		r = members_look_some(c, &n, err);
	return r;
}

/* Return: owned; which of @ret are nobody's; NULL: @r says why. */
static bool *own_read(struct own *o, struct etcd_kvs *ret, int *r,
		      struct err *err)
{
	struct cluster *c = o->c;
	char key[CL_KEY_MAX], end[CL_KEY_MAX];
	bool *stale = NULL;

	cl_key(c, key, "node/%s/", c->node);
	cl_key(c, end, "node/%s0", c->node);
	cl_write_begin(c);
	*r = cl_range(c, c->rw, &(struct etcd_range){ .key = key, .end = end },
		      ret, NULL, err);
	if (*r == 0)
		*r = members_look(c, err);
	if (*r == 0) {
		stale = calloc(ret->count + 1, sizeof(*stale));
		if (!stale)
			*r = err_set(err, -ENOMEM, "etcd");
	}
	if (stale) {
		all_due(c);
		for (size_t i = 0; i < ret->count; i++)
			stale[i] = own_record(o, &ret->v[i]);
		due_is_untold(c, o->host_there);
	}
	cl_write_end(c);
	return stale;
}

static bool grace_is_over(struct cluster *c)
{
	bool over;

	pthread_mutex_lock(&c->lock);
	over = !c->loading &&
	       clock_boot_ms() - c->begin_ms > (uint64_t)c->grace_s * 1000;
	pthread_mutex_unlock(&c->lock);
	return over;
}

int cl_own_check(struct cluster *c, struct err *err)
{
	struct own o = { .c = c, .grace = grace_is_over(c) };
	_cleanup_free_ bool *stale = NULL;
	struct etcd_kvs kvs = { 0 };
	int r;

	cl_key(c, o.ep, "node/%s/ep/", c->node);
	cl_key(c, o.net, "node/%s/net/", c->node);
	cl_key(c, o.host, "node/%s/host", c->node);
	stale = own_read(&o, &kvs, &r, err);
	/* Where the host's record is not by our lease the rest may be another machine's
	 * that has our name: who it is is found out first. */
	if (stale && o.host_there)
		r = own_sweep(&o, &kvs, stale, err);
	etcd_kvs_clear(&kvs);
	return r;
}
