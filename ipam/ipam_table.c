/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPAM core's tables: pools by prefix, PoolIDs, and the addresses of each. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"

int ipam_no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

void ipam_unlockp(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

/* ---- trees --------------------------------------------------------------- */

/* Prefixes that overlap count as equal: those in the tree never do. */
static int by_prefix(const void *a, const void *b)
{
	const struct ipam_net *x = a, *y = b;

	if (ip_prefix_overlaps(&x->prefix, &y->prefix))
		return 0;
	return ip_cmp(&x->prefix.addr, &y->prefix.addr);
}

static int by_id(const void *a, const void *b)
{
	const struct ipam_range *x = a, *y = b;

	return strcmp(x->id, y->id);
}

static int by_addr(const void *a, const void *b)
{
	const struct ipam_lease *x = a, *y = b;

	return ip_cmp(&x->addr, &y->addr);
}

/* ---- nets ---------------------------------------------------------------- */

static void net_free(void *p)
{
	struct ipam_net *net = p;

	while (net->ranges) {
		struct ipam_range *range = net->ranges;

		net->ranges = range->next;
		free(range);
	}
	tdestroy(net->leases, free);
	pool_free(net->pool);
	pthread_mutex_destroy(&net->lock);
	free(net);
}

struct ipam_net *ipam_net_find(struct ipam_core *core,
			       const struct ip_prefix *p)
{
	struct ipam_net key = { .prefix = *p }, **at;

	at = tfind(&key, &core->nets, by_prefix);
	return at ? *at : NULL;
}

void ipam_net_take(struct ipam_net *net)
{
	pthread_mutex_lock(&net->core->lock);
	net->refs++;
	pthread_mutex_unlock(&net->core->lock);
	pthread_mutex_lock(&net->lock);
}

void ipam_net_give(struct ipam_net *net)
{
	struct ipam_core *core = net->core;
	bool last;

	pthread_mutex_unlock(&net->lock);
	pthread_mutex_lock(&core->lock);
	last = --net->refs == 0 && net->gone;
	pthread_mutex_unlock(&core->lock);
	if (last)
		net_free(net);
}

struct ipam_net *ipam_net_add(struct ipam_core *core, const char *space,
			      const struct ip_prefix *prefix)
{
	struct ipam_net *net = calloc(1, sizeof(*net));
	bool linked;

	if (!net)
		return NULL;
	net->core = core;
	net->prefix = *prefix;
	net->prefix.addr = ip_prefix_first(prefix);
	snprintf(net->space, sizeof(net->space), "%s", space);
	pthread_mutex_init(&net->lock, NULL);
	net->pool = pool_new(prefix);
	pthread_mutex_lock(&core->lock);
	linked = net->pool && tsearch(net, &core->nets, by_prefix);
	pthread_mutex_unlock(&core->lock);
	if (!linked) {
		net_free(net);
		return NULL;
	}
	return net;
}

struct walk {
	int (*net)(void *ctx, struct ipam_net *net);
	int (*lease)(void *ctx, struct ipam_lease *l);
	void *ctx;
	int r;
};

static void walk_net(const void *node, VISIT which, void *ctx)
{
	struct walk *w = ctx;

	if ((which == postorder || which == leaf) && w->r >= 0)
		w->r = w->net(w->ctx, *(struct ipam_net *const *)node);
}

int ipam_nets_each(struct ipam_core *core,
		   int (*fn)(void *ctx, struct ipam_net *net), void *ctx)
{
	struct walk w = { .net = fn, .ctx = ctx };

	twalk_r(core->nets, walk_net, &w);
	return w.r < 0 ? w.r : 0;
}

/* ---- ranges -------------------------------------------------------------- */

struct ipam_range *ipam_range_find(struct ipam_net *net, const char *id)
{
	for (struct ipam_range *r = net->ranges; r; r = r->next)
		if (strcmp(r->id, id) == 0)
			return r;
	return NULL;
}

struct ipam_range *ipam_range_add(struct ipam_net *net,
				  const struct ipam_record *rec)
{
	struct ipam_range *range = calloc(1, sizeof(*range));
	bool linked;

	if (!range)
		return NULL;
	range->net = net;
	range->sub = rec->sub;
	range->at.prefix = ip_is_none(&rec->sub.addr) ? net->prefix : rec->sub;
	range->automatic = rec->automatic;
	range->cluster = rec->cluster;
	range->born = rec->born;
	snprintf(range->dhcp, sizeof(range->dhcp), "%s", rec->dhcp);
	snprintf(range->created, sizeof(range->created), "%s", rec->time);
	snprintf(range->id, sizeof(range->id), "%s", rec->id);
	pthread_mutex_lock(&net->core->lock);
	linked = tsearch(range, &net->core->ranges, by_id);
	pthread_mutex_unlock(&net->core->lock);
	if (!linked) {
		free(range);
		return NULL;
	}
	range->next = net->ranges;
	net->ranges = range;
	return range;
}

struct of_range {
	const struct ipam_range *range; /* or */
	const struct ipam_doubt *doubt;
	struct ipam_lease *found;
};

static int collect_lease(void *ctx, struct ipam_lease *l)
{
	struct of_range *of = ctx;

	if (of->doubt ? l->doubt == of->doubt : l->range == of->range) {
		l->next = of->found;
		of->found = l;
	}
	return 0;
}

/* Without memory for that it is not used again. */
static void set_free(struct ipam_net *net, struct ipam_lease *l)
{
	struct ip_addr freed;

	if (pool_room(net->pool, &freed) == 0)
		(void)pool_drop(net->pool, &l->addr);
	ipam_lease_drop(net, l);
}

/* A range that goes, of a pool that stays: what it handed out is free.  Where the
 * record is damaged nobody can say that it was this range, and Docker has released what
 * its containers had: so it is another's. */
static void range_empty(struct ipam_net *net, const struct ipam_range *range)
{
	struct of_range of = { .range = range };

	(void)ipam_lease_each(net, collect_lease, &of);
	while (of.found) {
		struct ipam_lease *l = of.found;

		of.found = l->next;
		if (l->damaged && l->use == IPAM_ENDPOINT)
			l->range = net->ranges;
		else
			set_free(net, l);
	}
}

void ipam_doubt_empty(struct ipam_net *net, const struct ipam_doubt *doubt)
{
	struct of_range of = { .doubt = doubt };

	(void)ipam_lease_each(net, collect_lease, &of);
	while (of.found) {
		struct ipam_lease *l = of.found;

		of.found = l->next;
		set_free(net, l);
	}
}

void ipam_range_drop(struct ipam_net *net, struct ipam_range *range)
{
	struct ipam_range **at = &net->ranges;

	while (*at != range)
		at = &(*at)->next;
	*at = range->next;
	pthread_mutex_lock(&net->core->lock);
	tdelete(range, &net->core->ranges, by_id);
	if (!net->ranges && !net->gone) {
		tdelete(net, &net->core->nets, by_prefix);
		net->gone = true;
	}
	pthread_mutex_unlock(&net->core->lock);
	if (!net->gone)
		range_empty(net, range);
	free(range);
}

uint32_t ipam_net_users(const struct ipam_net *net)
{
	uint32_t n = 0;

	for (const struct ipam_range *r = net->ranges; r; r = r->next)
		n += r->refs;
	return n;
}

struct ipam_range *ipam_range_peek(struct ipam_core *core, const char *id)
{
	struct ipam_range key = { 0 }, **at;

	snprintf(key.id, sizeof(key.id), "%s", id);
	at = tfind(&key, &core->ranges, by_id);
	return at ? *at : NULL;
}

bool ipam_record_lives(struct ipam_core *core, const struct ipam_record *rec)
{
	const struct ipam_range *range = ipam_range_peek(core, rec->id);
	struct ip_prefix one = { .addr = rec->addr };

	one.len = (uint8_t)(ip_bytes(&rec->addr) * 8);
	if (rec->rest)
		return !ip_is_none(&rec->addr) && ipam_net_find(core, &one);
	return range && range->born == rec->born;
}

void ipam_hold_take(struct ipam_core *core, const char *id,
		    struct ipam_hold *ret)
{
	struct ipam_range key = { 0 }, **at;
	struct ipam_net *net = NULL;

	*ret = (struct ipam_hold){ 0 };
	snprintf(key.id, sizeof(key.id), "%s", id);
	pthread_mutex_lock(&core->lock);
	at = tfind(&key, &core->ranges, by_id);
	if (at) {
		net = (*at)->net;
		net->refs++;
	}
	pthread_mutex_unlock(&core->lock);
	if (!net)
		return;
	pthread_mutex_lock(&net->lock);
	ret->net = net;
	ret->range = ipam_range_find(net, id); /* gone meanwhile? */
}

void ipam_hold_give(struct ipam_hold *h)
{
	if (h->net)
		ipam_net_give(h->net);
	*h = (struct ipam_hold){ 0 };
}

/* ---- leases -------------------------------------------------------------- */

struct ipam_lease *ipam_lease_find(struct ipam_net *net,
				   const struct ip_addr *a)
{
	struct ipam_lease key = { .addr = *a }, **at;

	at = tfind(&key, &net->leases, by_addr);
	return at ? *at : NULL;
}

enum ipam_use ipam_use_peek(struct ipam_core *core, const char *id,
			    const struct ip_addr *a)
{
	enum ipam_use use = IPAM_ENDPOINT;
	const struct ipam_range *range;
	const struct ipam_lease *l;

	pthread_mutex_lock(&core->lock);
	range = ipam_range_peek(core, id);
	l = range ? ipam_lease_find(range->net, a) : NULL;
	if (l)
		use = l->use;
	pthread_mutex_unlock(&core->lock);
	return use;
}

struct ipam_lease *ipam_lease_add(struct ipam_net *net,
				  const struct ipam_record *rec,
				  enum ipam_use use, struct ipam_range *range)
{
	struct ipam_lease *l = calloc(1, sizeof(*l));
	struct tm tm = { 0 };
	bool linked;

	if (!l)
		return NULL;
	l->addr = rec->addr;
	l->mac = rec->mac;
	l->use = use;
	l->fixed = rec->fixed;
	l->refs = rec->refs;
	l->range = range;
	if (strptime(rec->time, "%Y-%m-%dT%H:%M:%SZ", &tm))
		l->since = timegm(&tm);
	pthread_mutex_lock(&net->core->lock);
	linked = tsearch(l, &net->leases, by_addr);
	pthread_mutex_unlock(&net->core->lock);
	if (!linked) {
		free(l);
		return NULL;
	}
	return l;
}

void ipam_lease_drop(struct ipam_net *net, struct ipam_lease *l)
{
	pthread_mutex_lock(&net->core->lock);
	tdelete(l, &net->leases, by_addr);
	pthread_mutex_unlock(&net->core->lock);
	free(l);
}

static void walk_lease(const void *node, VISIT which, void *ctx)
{
	struct walk *w = ctx;

	if ((which == postorder || which == leaf) && w->r >= 0)
		w->r = w->lease(w->ctx, *(struct ipam_lease *const *)node);
}

int ipam_lease_each(struct ipam_net *net,
		    int (*fn)(void *ctx, struct ipam_lease *l), void *ctx)
{
	struct walk w = { .lease = fn, .ctx = ctx };

	twalk_r(net->leases, walk_lease, &w);
	return w.r < 0 ? w.r : 0;
}

/* ---- the rest ------------------------------------------------------------ */

static void nothing(void *p)
{
	(void)p;
}

void ipam_table_free(struct ipam_core *core)
{
	tdestroy(take_ptr(core->ranges), nothing);
	tdestroy(take_ptr(core->nets), net_free);
}
