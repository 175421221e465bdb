/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the IPAM core tells: pools, addresses, what is wrong, what is left over. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"

struct telling {
	struct ipam_core *core;
	int (*pool)(void *ctx, const struct ipam_pool_info *p);
	int (*lease)(void *ctx, const struct ipam_lease_info *l);
	ipam_line_fn *line;
	void *ctx;
	const struct ipam_range *range; /* NULL: all */
	unsigned int leases, reserved;
};

/* ---- pools ----------------------------------------------------------------- */

static int count_lease(void *ctx, struct ipam_lease *l)
{
	struct telling *t = ctx;

	if (l->range != t->range)
		return 0;
	if (l->use == IPAM_ENDPOINT)
		t->leases++;
	else
		t->reserved++;
	return 0;
}

static int tell_range(struct telling *t, const struct ipam_range *range)
{
	struct pool_stats stats = pool_count(range->net->pool);
	struct ipam_pool_info info = {
		.id = range->id,
		.space = range->net->space,
		.created = range->created,
		.pool = range->net->prefix,
		.sub = range->sub,
		.dhcp = range->dhcp,
		.automatic = range->automatic,
		.cluster = range->cluster,
		.refs = range->refs,
		.resting = stats.resting,
		.usable = pool_size(range->net->pool, &range->at),
	};

	t->range = range;
	t->leases = t->reserved = 0;
	(void)ipam_lease_each(range->net, count_lease, t);
	info.leases = t->leases;
	info.reserved = t->reserved;
	return t->pool(t->ctx, &info);
}

static int tell_net(void *ctx, struct ipam_net *net)
{
	int r = 0;

	ipam_net_take(net);
	for (const struct ipam_range *range = net->ranges; range && r >= 0;
	     range = range->next)
		r = tell_range(ctx, range);
	ipam_net_give(net);
	return r;
}

/* Not whose it was, only that it is there. */
static int tell_doubt(struct telling *t, const struct ipam_doubt *d)
{
	struct ipam_pool_info info = {
		.id = d->id,
		.space = "",
		.created = d->found,
		.pool = d->pool,
		.dhcp = "",
		.damaged = true,
		.refs = 1,
	};

	return t->pool(t->ctx, &info);
}

int ipam_pools_each(struct ipam_core *core,
		    int (*fn)(void *ctx, const struct ipam_pool_info *p),
		    void *ctx, struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	struct telling t = { .pool = fn, .ctx = ctx };
	int r;

	pthread_mutex_lock(lock);
	r = ipam_nets_each(core, tell_net, &t);
	for (const struct ipam_doubt *d = core->doubt; d && r >= 0; d = d->next)
		r = tell_doubt(&t, d);
	return r == -ENOMEM ? ipam_no_memory(err) : r;
}

/* ---- addresses --------------------------------------------------------------- */

static int tell_lease(void *ctx, struct ipam_lease *l)
{
	const struct telling *t = ctx;
	char since[32];
	struct ipam_lease_info info = {
		.pool_id = l->range->id,
		.since = since,
		.addr = { .addr = l->addr, .len = l->range->net->prefix.len },
		.mac = l->mac,
		.use = l->use,
		.fixed = l->fixed,
		.refs = l->refs,
	};

	struct dhcp_kept kept;

	if (t->range && l->range != t->range)
		return 0;
	if (*l->range->dhcp && l->use == IPAM_ENDPOINT &&
	    dhcp_keep_find(l->range->net->core->dhcp, &l->addr, &kept))
		info.dhcp = &kept;
	ipam_time(since, l->since);
	return t->lease(t->ctx, &info);
}

static int tell_leases(void *ctx, struct ipam_net *net)
{
	int r;

	ipam_net_take(net);
	r = ipam_lease_each(net, tell_lease, ctx);
	ipam_net_give(net);
	return r;
}

static int tell_leases_of(struct ipam_core *core, const char *id,
			  struct telling *t, struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };

	ipam_hold_take(core, id, &h);
	if (!h.range)
		return err_set(err, -ENOENT, "there is no pool %.100s", id);
	t->range = h.range;
	return ipam_lease_each(h.net, tell_lease, t);
}

int ipam_leases_each(struct ipam_core *core, const char *pool_id,
		     int (*fn)(void *ctx, const struct ipam_lease_info *l),
		     void *ctx, struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	struct telling t = { .lease = fn, .ctx = ctx };
	int r;

	pthread_mutex_lock(lock);
	r = pool_id ? tell_leases_of(core, pool_id, &t, err)
		    : ipam_nets_each(core, tell_leases, &t);
	return r == -ENOMEM ? ipam_no_memory(err) : r;
}

/* ---- what is wrong ------------------------------------------------------------- */

void ipam_problems(struct ipam_core *core, ipam_line_fn *fn, void *ctx)
{
	problems_of_store(core->d->state, fn, ctx);
	problems_of_store(core->d->run, fn, ctx);
	problems_each(&core->problems, fn, ctx);
	ipam_dhcp_problems(core, fn, ctx);
	blocks_problems(core->blocks, fn, ctx);
}

/* Each address that is handed out is taken in the pool and on the disk. */
static int verify_lease(void *ctx, struct ipam_lease *l)
{
	struct telling *t = ctx;
	_cleanup_free_ char *text = NULL;
	char line[256], addr[IP_STR_MAX];
	bool lease = l->use == IPAM_ENDPOINT;
	struct ipam_record rec;

	t->leases++;
	ip_str(&l->addr, addr);
	if (pool_look(l->range->net->pool, &l->addr) != POOL_TAKEN) {
		snprintf(line, sizeof(line),
			 "address %s of pool %s is handed out, but free in the "
			 "pool",
			 addr, l->range->id);
		t->line(t->ctx, line);
	}
	if (l->damaged) /* told since the start */
		return 0;
	if (store_get(ipam_store_of(t->core, l->use),
		      lease ? LEASE_KIND : RESERVED_KIND, addr, &text,
		      NULL) == 0 &&
	    ipam_record_parse(text, &rec, NULL) == 0 && !rec.rest &&
	    strcmp(rec.id, l->range->id) == 0)
		return 0;
	snprintf(line, sizeof(line),
		 "address %s of pool %s is handed out, but not on record", addr,
		 l->range->id);
	t->line(t->ctx, line);
	return 0;
}

static int verify_net(void *ctx, struct ipam_net *net)
{
	struct telling *t = ctx;
	struct pool_stats stats;
	char line[256], pool[PREFIX_STR_MAX];

	ipam_net_take(net);
	t->leases = 0;
	(void)ipam_lease_each(net, verify_lease, t);
	stats = pool_count(net->pool);
	if (stats.taken != t->leases) {
		snprintf(line, sizeof(line),
			 "pool %s: %llu addresses are taken, %u handed out: "
			 "restart %s",
			 ip_prefix_str(&net->prefix, pool),
			 (unsigned long long)stats.taken, t->leases,
			 t->core->d->prog->name);
		t->line(t->ctx, line);
	}
	ipam_net_give(net);
	return 0;
}

int ipam_check(struct ipam_core *core, ipam_line_fn *fn, void *ctx,
	       struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	struct telling t = { .core = core, .line = fn, .ctx = ctx };

	(void)err;
	ipam_problems(core, fn, ctx);
	pthread_mutex_lock(lock);
	return ipam_nets_each(core, verify_net, &t);
}

void ipam_blocks_each(struct ipam_core *core, const struct ip_prefix *pool,
		      void (*fn)(void *ctx, const struct ip_prefix *block),
		      void *ctx)
{
	blocks_each(core->blocks, pool, fn, ctx);
}

int ipam_forget_node(struct ipam_core *core, const char *node, bool dry,
		     ipam_line_fn *fn, void *ctx, struct err *err)
{
	return blocks_forget(core->blocks, node, dry, fn, ctx, err);
}

/* ---- what is left over ----------------------------------------------------------- */

struct leftover {
	char id[IP_STR_MAX];
	char *json; /* owned */
};

struct leftovers {
	struct ipam_core *core;
	struct leftover *v; /* owned */
	size_t count;
};

static void leftovers_fini(struct leftovers *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->v[i].json);
	free(l->v);
}

static int collect_leftover(void *ctx, const char *id, const char *parent,
			    const char *json)
{
	struct leftovers *l = ctx;
	struct ipam_record rec;
	struct leftover *grew;

	(void)parent;
	/* what can't be read stays, for who can */
	if (strlen(id) >= IP_STR_MAX || ipam_record_parse(json, &rec, NULL) < 0)
		return 0;
	if (ipam_record_lives(l->core, &rec) || ipam_in_doubt(l->core, rec.id))
		return 0;
	grew = reallocarray(l->v, l->count + 1, sizeof(*grew));
	if (!grew)
		return -ENOMEM;
	l->v = grew;
	snprintf(grew[l->count].id, sizeof(grew->id), "%s", id);
	grew[l->count].json = strdup(json);
	return grew[l->count++].json ? 0 : -ENOMEM;
}

/* Unless it is another's by now: an address of a pool that lives is written under
 * the lock of its network alone.  Return: 1 when it is gone; 0. */
static int leftover_del(struct store *s, const struct leftover *l,
			struct err *err)
{
	_cleanup_free_ char *now = NULL;
	int r = store_begin(s, err);

	if (r < 0)
		return r;
	r = store_get(s, LEASE_KIND, l->id, &now, err);
	if (r < 0 || strcmp(now, l->json) != 0) {
		store_rollback(s);
		return r == -ENOENT ? 0 : r;
	}
	r = store_del(s, LEASE_KIND, l->id, err);
	if (r < 0) {
		store_rollback(s);
		return r;
	}
	r = store_commit(s, err);
	return r < 0 ? r : 1;
}

/* A sweep that failed is all that leaves something (ipam_pools.c). */
int ipam_gc(struct ipam_core *core, bool dry, ipam_line_fn *fn, void *ctx,
	    struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	_cleanup_(leftovers_fini) struct leftovers l = { .core = core };
	struct store *s = core->d->run;
	int r, gone = 0;

	pthread_mutex_lock(lock);
	r = store_each(s, LEASE_KIND, NULL, collect_leftover, &l, err);
	if (r == -ENOMEM)
		return ipam_no_memory(err);
	for (size_t i = 0; r >= 0 && i < l.count; i++) {
		char line[128];

		snprintf(line, sizeof(line),
			 "record of address %s, whose pool is gone", l.v[i].id);
		r = dry ? 1 : leftover_del(s, &l.v[i], err);
		if (r > 0) {
			fn(ctx, line);
			gone++;
		}
	}
	return r < 0 ? r : gone;
}
