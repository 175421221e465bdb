/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pools come and go.
 *
 * Each request is: announce it in the journal, lock, look, then in one transaction
 * the record and the intent's end (ipam_*_apply).  A failure before that takes the
 * intent back; a crash leaves it for ipam_recover.c, which runs the same again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"
#include "lib/fail.h"
#include "lib/log.h"

const char ipam_method_pool[] = "IpamDriver.RequestPool",
	   ipam_method_pool_release[] = "IpamDriver.ReleasePool";

int ipam_put(struct store *s, const char *kind, const char *id,
	     const char *parent, const struct ipam_record *rec, struct err *err)
{
	_cleanup_free_ char *text = ipam_record_print(rec);

	return text ? store_put(s, kind, id, parent, text, err)
		    : ipam_no_memory(err);
}

/* A fail point's errno, with a text for the peer. */
static int step(int r, const char *id, struct err *err)
{
	return r < 0 ? err_set(err, r, "pool %s: %s", id, strerror(-r)) : 0;
}

/* ---- request ------------------------------------------------------------- */

/* What the record of @range says with @refs users. */
static struct ipam_record record_of(const struct ipam_range *range,
				    uint32_t refs)
{
	struct ipam_record rec = {
		.pool = range->net->prefix,
		.sub = range->sub,
		.refs = refs,
		.born = range->born,
		.automatic = range->automatic,
		.cluster = range->cluster,
	};

	snprintf(rec.id, sizeof(rec.id), "%s", range->id);
	snprintf(rec.space, sizeof(rec.space), "%s", range->net->space);
	snprintf(rec.dhcp, sizeof(rec.dhcp), "%s", range->dhcp);
	snprintf(rec.time, sizeof(rec.time), "%s", range->created);
	return rec;
}

static int pool_commit(struct ipam_range *range, uint32_t refs,
		       const struct ip_addr *gateway,
		       const struct ipam_intent *i, struct err *err)
{
	_cleanup_(json_putp) json_object *answer =
		ipam_pool_answer(range->id, &range->net->prefix, gateway);
	_cleanup_(store_rollbackp) struct store *s = range->net->core->d->state;
	struct ipam_record rec = record_of(range, refs);
	int r = store_begin(s, err);

	if (r == 0)
		r = ipam_put(s, POOL_KIND, range->id, "", &rec, err);
	if (r == 0)
		r = ipam_intent_done(i, &rec, answer, err);
	if (r == 0)
		r = step(FAILPOINT("ipam.pool.recorded"), range->id, err);
	return r < 0 ? r : store_commit(s, err);
}

static int net_apply(struct ipam_net *net, const struct ipam_record *rec,
		     const struct ipam_intent *i, struct err *err)
{
	struct ipam_range *range = ipam_range_find(net, rec->id);
	bool fresh = !range;
	int r;

	if (fresh)
		range = ipam_range_add(net, rec);
	if (!range)
		return ipam_no_memory(err);
	r = pool_commit(range, range->refs + 1, &rec->addr, i, err);
	if (r == 0) {
		range->refs++;
		range->unsure += i->redo;
	} else if (fresh) {
		ipam_range_drop(net, range);
	}
	return r;
}

static int pool_apply(struct ipam_core *core, const struct ipam_record *rec,
		      const struct ipam_intent *i, struct err *err)
{
	struct ipam_net *net = ipam_net_find(core, &rec->pool);
	int r;

	if (!net)
		net = ipam_net_add(core, rec->space, &rec->pool);
	if (!net)
		return ipam_no_memory(err);
	ipam_net_take(net);
	r = net_apply(net, rec, i, err);
	ipam_net_give(net);
	return r;
}

static int check_space(const char *space, struct err *err)
{
	if (strcmp(space, IPAM_SPACE_LOCAL) == 0 ||
	    strcmp(space, IPAM_SPACE_GLOBAL) == 0)
		return 0;
	return err_set(err, -EINVAL,
		       "there is no address space \"%.80s\" here: there are "
		       "%s and %s",
		       space, IPAM_SPACE_LOCAL, IPAM_SPACE_GLOBAL);
}

/* Its networks may have containers, whose addresses are known by the damaged PoolID
 * only. */
static int check_doubt(struct ipam_core *core, const struct ipam_record *rec,
		       struct err *err)
{
	const struct ipam_doubt *d = ipam_doubt_find(core, &rec->pool);

	if (!d)
		return 0;
	return err_set(err, -EEXIST,
		       "the record of pool %s is damaged, so what is in use of "
		       "it is not known: remove its networks first, or see "
		       "netctl ipam gc",
		       d->id);
}

static int check_overlap(struct ipam_core *core, const struct ipam_record *rec,
			 struct err *err)
{
	struct ipam_net *net = ipam_net_find(core, &rec->pool);
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];

	if (!net)
		return 0;
	if (net->prefix.len == rec->pool.len &&
	    strcmp(net->space, rec->space) == 0)
		return 0;
	return err_set(err, -EEXIST,
		       "pool %s overlaps pool %s of address space %s: choose "
		       "another with --subnet",
		       ip_prefix_str(&rec->pool, a),
		       ip_prefix_str(&net->prefix, b), net->space);
}

static int check_sub(const struct ipam_pool_req *q, struct err *err)
{
	char a[PREFIX_STR_MAX], b[PREFIX_STR_MAX];

	if (ip_is_none(&q->sub.addr))
		return 0;
	if (ip_is_none(&q->pool.addr))
		return err_set(err, -EINVAL,
			       "range %s has no pool: give --subnet, too",
			       ip_prefix_str(&q->sub, a));
	if (q->sub.len >= q->pool.len &&
	    ip_prefix_contains(&q->pool, &q->sub.addr))
		return 0;
	return err_set(err, -EINVAL, "range %s is not inside pool %s",
		       ip_prefix_str(&q->sub, a), ip_prefix_str(&q->pool, b));
}

static int check_dhcp(const struct ipam_pool_req *q, struct err *err)
{
	if (!q->dhcp)
		return 0;
	if (q->v6)
		return err_set(err, -EINVAL, "there is no DHCP for IPv6");
	if (!ip_is_none(&q->sub.addr))
		return err_set(err, -EINVAL,
			       "with berth.dhcp the DHCP server chooses the "
			       "addresses: leave out --ip-range");
	return 0;
}

static int check(const struct ipam_pool_req *q, struct err *err)
{
	char a[PREFIX_STR_MAX];
	int r = check_space(q->space, err);

	if (r == 0)
		r = check_dhcp(q, err);
	if (r == 0)
		r = check_sub(q, err);
	if (r < 0 || ip_is_none(&q->pool.addr))
		return r;
	ip_prefix_str(&q->pool, a);
	if (q->pool.len == 0)
		return err_set(err, -EINVAL,
			       "pool %s is every address there is: choose a "
			       "part with --subnet",
			       a);
	if (q->v6 != (q->pool.addr.family == AF_INET6))
		return err_set(err, -EINVAL, "pool %s is not of IPv%d", a,
			       q->v6 ? 6 : 4);
	return 0;
}

/* All of a pool are shared with other hosts, or none is: who did not ask them would
 * hand out theirs. */
static int check_cluster(struct ipam_core *core, const struct ipam_record *rec,
			 struct err *err)
{
	struct ipam_net *net = ipam_net_find(core, &rec->pool);
	int r = 0;

	if (!net || net->prefix.len != rec->pool.len)
		return 0;
	ipam_net_take(net);
	if (net->ranges && net->ranges->cluster != rec->cluster)
		r = err_set(err, -EEXIST,
			    "pool %s is in use %s berth.cluster: say the same "
			    "with --ipam-opt",
			    net->ranges->id,
			    net->ranges->cluster ? "with" : "without");
	ipam_net_give(net);
	return r;
}

/* All of a PoolID get their addresses from the same. */
static int check_same(struct ipam_core *core, const struct ipam_record *rec,
		      struct err *err)
{
	const struct ipam_range *range = ipam_range_peek(core, rec->id);

	if (!range)
		return 0;
	if (strcmp(range->dhcp, rec->dhcp) == 0)
		return 0;
	return err_set(
		err, -EEXIST,
		"pool %s is in use %s%s: say the same with --ipam-opt", rec->id,
		*range->dhcp ? "with berth.dhcp.parent=" : "without berth.dhcp",
		range->dhcp);
}

/* From what was asked for to what it is to be. */
static int fill(struct ipam_core *core, struct ipam_record *rec,
		struct err *err)
{
	int r = 0;

	if (ip_is_none(&rec->pool.addr)) {
		rec->automatic = true;
		r = ipam_auto_choose(core, rec->v6, &rec->pool, err);
	} else if (rec->automatic) { /* ipam_dhcp_find()'s */
		r = ipam_dhcp_check(core, rec, err);
	}
	if (r < 0)
		return r;
	rec->pool.addr = ip_prefix_first(&rec->pool);
	rec->sub.addr = ip_prefix_first(&rec->sub);
	/* the whole pool as a range is no range */
	if (rec->sub.len == rec->pool.len)
		rec->sub = (struct ip_prefix){ 0 };
	ipam_id(rec->id, rec->space, &rec->pool, &rec->sub);
	rec->born = ipam_born();
	ipam_now(rec->time);
	r = check_doubt(core, rec, err);
	if (r == 0)
		r = check_same(core, rec, err);
	if (r == 0)
		r = check_overlap(core, rec, err);
	return r < 0 ? r : check_cluster(core, rec, err);
}

/* Under pools_lock. */
static int request_locked(struct ipam_core *core, struct ipam_intent *i,
			  struct ipam_record *rec, struct err *err)
{
	int r = ipam_ready(&core->stale, err);

	if (r == 0)
		r = ipam_begin(i, rec, err);
	if (r == 0)
		r = fill(core, rec, err);
	if (r == 0)
		r = step(FAILPOINT("ipam.pool.intent"), rec->id, err);
	return r < 0 ? r : pool_apply(core, rec, i, err);
}

/* @r: what came of the look at others. */
static int request(struct ipam_core *core, struct ipam_intent *i,
		   struct ipam_record *rec, int r, struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;

	pthread_mutex_lock(lock);
	if (r == 0)
		r = request_locked(core, i, rec, err);
	if (r < 0) {
		ipam_abort(&core->stale, i);
		return r;
	}
	(void)FAILPOINT("ipam.pool.done"); /* what is recorded stands */
	return 0;
}

int ipam_pool_run(struct ipam_core *core, struct ipam_intent *i,
		  struct ipam_record *rec, struct err *err)
{
	bool joined;
	int r = 0;

	/* which takes its time */
	if (*rec->dhcp && ip_is_none(&rec->pool.addr))
		r = ipam_dhcp_find(core, rec, err);
	if (r == 0)
		r = ipam_cluster_join(core, rec, err);
	joined = r == 0;
	r = request(core, i, rec, r, err);
	if (joined)
		ipam_cluster_joined(core, rec);
	return r;
}

int ipam_pool_request(struct ipam_core *core, const struct ipam_pool_req *q,
		      char ret_id[static IPAM_ID_MAX],
		      struct ip_prefix *ret_pool, struct ip_addr *ret_gateway,
		      uint64_t *ret_seq, struct err *err)
{
	struct ipam_record rec = { .pool = q->pool,
				   .sub = q->sub,
				   .v6 = q->v6 };
	struct ipam_intent i;
	int r = check(q, err);

	if (r == 0)
		r = ipam_cluster_judge(core, q, err);
	if (r < 0)
		return r;
	rec.cluster = q->cluster;
	snprintf(rec.space, sizeof(rec.space), "%s",
		 q->cluster ? IPAM_SPACE_GLOBAL : q->space);
	snprintf(rec.dhcp, sizeof(rec.dhcp), "%s", q->dhcp ? q->dhcp : "");
	i = ipam_announce(core->d->state, ipam_method_pool, &rec);
	r = ipam_pool_run(core, &i, &rec, err);
	if (r < 0)
		return r;
	snprintf(ret_id, IPAM_ID_MAX, "%s", rec.id);
	*ret_pool = rec.pool;
	*ret_gateway = rec.addr;
	*ret_seq = i.seq;
	return 0;
}

/* ---- release ------------------------------------------------------------- */

/* Reserved addresses of a range that goes: each goes with it, or to another
 * PoolID of the same pool whose network reserved it as well. */
struct bequest {
	struct ipam_range *from, *to;
	struct err *err;
};

static int bequeath(void *ctx, struct ipam_lease *l)
{
	struct bequest *b = ctx;
	struct store *s = b->from->net->core->d->state;
	char id[IP_STR_MAX];
	struct ipam_record rec = { .addr = l->addr, .refs = l->refs - 1 };

	if (l->range != b->from || l->use == IPAM_ENDPOINT)
		return 0;
	ip_str(&l->addr, id);
	if (!b->to || l->refs < 2)
		return store_del(s, RESERVED_KIND, id, b->err);
	if (l->damaged) /* stays so until somebody says what it is */
		return 0;
	snprintf(rec.id, sizeof(rec.id), "%s", b->to->id);
	snprintf(rec.use, sizeof(rec.use), "%s", ipam_use_to_string(l->use));
	rec.fixed = l->fixed;
	rec.born = b->to->born;
	ipam_time(rec.time, l->since);
	return ipam_put(s, RESERVED_KIND, id, "", &rec, b->err);
}

static int inherit(void *ctx, struct ipam_lease *l)
{
	const struct bequest *b = ctx;

	if (l->range == b->from && l->use != IPAM_ENDPOINT && b->to &&
	    l->refs > 1) {
		l->range = b->to;
		l->refs--;
	}
	return 0;
}

static int release_commit(struct ipam_range *range, struct bequest *b,
			  uint64_t seq, struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = range->net->core->d->state;
	struct ipam_record rec = record_of(range, range->refs - 1);
	int r = store_begin(s, err);

	if (r == 0 && rec.refs)
		r = ipam_put(s, POOL_KIND, range->id, "", &rec, err);
	else if (r == 0)
		r = store_del(s, POOL_KIND, range->id, err);
	if (r == 0 && !rec.refs)
		r = ipam_lease_each(range->net, bequeath, b);
	if (r == 0 && seq)
		r = journal_commit(s, seq, "{}", err);
	if (r == 0)
		r = step(FAILPOINT("ipam.pool_release.recorded"), range->id,
			 err);
	return r < 0 ? r : store_commit(s, err);
}

int ipam_pool_release_apply(struct ipam_hold *h, uint64_t seq, struct err *err)
{
	struct bequest b = { .from = h->range, .err = err };
	struct ipam_core *core = h->net->core;
	char id[IPAM_ID_MAX];
	struct err why = { 0 };
	int r;

	b.to = h->net->ranges == h->range ? h->range->next : h->net->ranges;
	r = release_commit(h->range, &b, seq, err);
	if (r < 0 || --h->range->refs)
		return r;
	(void)ipam_lease_each(h->net, inherit, &b);
	snprintf(id, sizeof(id), "%s", h->range->id);
	ipam_range_drop(h->net, take_ptr(h->range));
	(void)FAILPOINT("ipam.pool_release.dropped");
	/* the next start does it where this fails: .born tells them apart */
	if (ipam_sweep(core, &h->net->prefix, id, h->net->gone, &why) < 0)
		log_warn("op=sweep pool=%s err=\"%s\"", id, why.msg);
	return 0;
}

/* Under pools_lock. */
static int release_locked(struct ipam_core *core, struct ipam_intent *i,
			  const struct ipam_record *rec, struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	int r = ipam_ready(&core->stale, err);

	if (r < 0)
		return r;
	ipam_hold_take(core, rec->id, &h);
	if (!h.range)
		r = ipam_doubt_end(core, rec->id, err);
	if (!h.range)
		return r < 0 ? r : ipam_intent_idle(i, NULL, err);
	r = ipam_ready(&h.net->stale, err);
	if (r == 0)
		r = ipam_begin(i, rec, err);
	if (r < 0)
		return r;
	r = step(FAILPOINT("ipam.pool_release.intent"), rec->id, err);
	if (r < 0)
		return r;
	ipam_known(&h.range->unsure, h.range->refs);
	return ipam_pool_release_apply(&h, i->seq, err);
}

int ipam_pool_release_run(struct ipam_core *core, struct ipam_intent *i,
			  const struct ipam_record *rec, struct err *err)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	int r;

	pthread_mutex_lock(lock);
	r = release_locked(core, i, rec, err);
	if (r < 0) {
		ipam_abort(&core->stale, i);
		return r;
	}
	(void)FAILPOINT("ipam.pool_release.done");
	ipam_dhcp_settle(core);
	blocks_settle(core->blocks);
	return 0;
}

int ipam_pool_release(struct ipam_core *core, const char *id, uint64_t *ret_seq,
		      struct err *err)
{
	struct ipam_record rec = { 0 };
	struct ipam_intent i;
	int r;

	snprintf(rec.id, sizeof(rec.id), "%s", id);
	i = ipam_announce(core->d->state, ipam_method_pool_release, &rec);
	r = ipam_pool_release_run(core, &i, &rec, err);
	if (r == 0)
		*ret_seq = i.seq;
	return r;
}
