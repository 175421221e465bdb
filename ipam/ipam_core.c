/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses come and go, in the way of ipam_pools.c.
 *
 * An address is taken in the pool before it is recorded, and untaken where the
 * request fails.
 */
#include "ipam/ipam_core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/ipam_priv.h"
#include "lib/fail.h"

const char ipam_method_addr[] = "IpamDriver.RequestAddress",
	   ipam_method_addr_release[] = "IpamDriver.ReleaseAddress";

/* A number tells by itself which store it is of. */
void ipam_core_sending(struct ipam_core *core, uint64_t seq)
{
	journal_sending(core->d->state, seq);
	journal_sending(core->d->run, seq);
}

void ipam_core_delivered(struct ipam_core *core, uint64_t seq)
{
	journal_settle(core->d->state, seq);
	journal_settle(core->d->run, seq);
}

struct store *ipam_store_of(struct ipam_core *core, enum ipam_use use)
{
	return use == IPAM_ENDPOINT ? core->d->run : core->d->state;
}

static const char *kind_of(enum ipam_use use)
{
	return use == IPAM_ENDPOINT ? LEASE_KIND : RESERVED_KIND;
}

/* A fail point's errno, with a text for the peer. */
static int step(int r, const struct ip_addr *a, struct err *err)
{
	char text[IP_STR_MAX];

	return r < 0 ? err_set(err, r, "address %s: %s", ip_str(a, text),
			       strerror(-r))
		     : 0;
}

/* Steps of the two kinds have names of their own, or a test would only ever
 * meet the one that comes first. */
static int step_intent(enum ipam_use use, const struct ip_addr *a,
		       struct err *err)
{
	return step(use == IPAM_ENDPOINT ? FAILPOINT("ipam.lease.intent")
					 : FAILPOINT("ipam.reserve.intent"),
		    a, err);
}

static int step_recorded(enum ipam_use use, const struct ip_addr *a,
			 struct err *err)
{
	return step(use == IPAM_ENDPOINT ? FAILPOINT("ipam.lease.recorded")
					 : FAILPOINT("ipam.reserve.recorded"),
		    a, err);
}

static void step_done(enum ipam_use use)
{
	/* what is recorded stands */
	(void)(use == IPAM_ENDPOINT ? FAILPOINT("ipam.lease.done")
				    : FAILPOINT("ipam.reserve.done"));
}

/* ---- request ------------------------------------------------------------- */

static struct ip_prefix answer_of(const struct ipam_net *net,
				  const struct ip_addr *a)
{
	return (struct ip_prefix){ .addr = *a, .len = net->prefix.len };
}

static struct ipam_record record_of(const struct ipam_lease *l)
{
	struct ipam_record rec = {
		.addr = l->addr,
		.mac = l->mac,
		.refs = l->refs,
		.fixed = l->fixed,
		.born = l->range->born,
	};

	snprintf(rec.id, sizeof(rec.id), "%s", l->range->id);
	snprintf(rec.use, sizeof(rec.use), "%s", ipam_use_to_string(l->use));
	ipam_time(rec.time, l->since);
	return rec;
}

/* Where the next search begins; only what endpoints took is remembered. */
static int put_cursor(struct store *s, const struct ipam_range *range,
		      struct err *err)
{
	struct ipam_record rec = { .addr = range->at.next,
				   .born = range->born };

	snprintf(rec.id, sizeof(rec.id), "%s", range->id);
	return ipam_put(s, CURSOR_KIND, range->id, "", &rec, err);
}

static int put_address(struct store *s, const struct ipam_net *net,
		       enum ipam_use use, const struct ipam_record *rec,
		       struct err *err)
{
	char id[IP_STR_MAX], pool[PREFIX_STR_MAX];

	return ipam_put(s, kind_of(use), ip_str(&rec->addr, id),
			ip_prefix_str(&net->prefix, pool), rec, err);
}

static int commit(struct ipam_hold *h, const struct ipam_lease *l,
		  const struct ipam_intent *i, struct err *err)
{
	struct ip_prefix prefix = answer_of(h->net, &l->addr);
	_cleanup_(json_putp) json_object *answer = ipam_addr_answer(&prefix);
	_cleanup_(store_rollbackp) struct store *s = i->store;
	struct ipam_record rec = record_of(l);
	int r = store_begin(s, err);

	if (r == 0)
		r = put_address(s, h->net, l->use, &rec, err);
	if (r == 0 && l->use == IPAM_ENDPOINT && !l->fixed)
		r = put_cursor(s, l->range, err);
	/* another PoolID of the pool may have reserved it before */
	snprintf(rec.id, sizeof(rec.id), "%s", h->range->id);
	rec.born = h->range->born;
	if (r == 0)
		r = ipam_intent_done(i, &rec, answer, err);
	if (r == 0)
		r = step_recorded(l->use, &l->addr, err);
	return r < 0 ? r : store_commit(s, err);
}

/* @rec->addr is taken in the pool. */
static int add_new(struct ipam_hold *h, const struct ipam_record *rec,
		   enum ipam_use use, const struct ipam_intent *i,
		   struct err *err)
{
	struct ipam_lease *l = ipam_lease_add(h->net, rec, use, h->range);
	int r;

	if (!l)
		return ipam_no_memory(err);
	r = commit(h, l, i, err);
	if (r < 0)
		ipam_lease_drop(h->net, l);
	else
		l->unsure = i->redo;
	return r;
}

static int taken(const struct ipam_lease *l, struct err *err)
{
	char a[IP_STR_MAX], mac[MAC_STR_MAX], since[32];

	ip_str(&l->addr, a);
	mac_str(&l->mac, mac);
	ipam_time(since, l->since);
	if (l->damaged)
		return err_set(err, -EADDRINUSE,
			       "Address already in use: the record of %s of "
			       "pool %s is damaged, so nobody can say by whom; "
			       "remove its container, or see netctl ipam check",
			       a, l->range->id);
	if (l->use == IPAM_GATEWAY)
		return err_set(err, -EADDRINUSE,
			       "Address already in use: %s is the gateway of "
			       "pool %s",
			       a, l->range->id);
	if (l->use == IPAM_AUX)
		return err_set(err, -EADDRINUSE,
			       "Address already in use: %s is reserved "
			       "(--aux-address) in pool %s",
			       a, l->range->id);
	return err_set(err, -EADDRINUSE,
		       "Address already in use: %s of pool %s, by %s since %s",
		       a, l->range->id, *mac ? mac : "an endpoint", since);
}

static int outside(const struct ipam_net *net, const struct ip_addr *a,
		   struct err *err)
{
	char addr[IP_STR_MAX], pool[PREFIX_STR_MAX];

	ip_str(a, addr);
	ip_prefix_str(&net->prefix, pool);
	if (!ip_prefix_contains(&net->prefix, a))
		return err_set(err, -EINVAL, "address %s is not in pool %s",
			       addr, pool);
	return err_set(err, -EINVAL,
		       "address %s is the %s of pool %s: nobody can have it",
		       addr,
		       net->prefix.addr.family == AF_INET6
			       ? "subnet-router anycast address"
		       : ip_equal(a, &net->prefix.addr) ? "network address"
							: "broadcast address",
		       pool);
}

static int full(const struct ipam_range *range, struct err *err)
{
	char text[PREFIX_STR_MAX];
	bool sub = !ip_is_none(&range->sub.addr);

	ip_prefix_str(&range->at.prefix, text);
	return err_set(err, -ENOSPC,
		       "%s %s is full: remove containers, or make a network "
		       "with a larger %s",
		       sub ? "range" : "pool", text,
		       sub ? "--ip-range" : "--subnet");
}

static int take(struct ipam_hold *h, struct ipam_record *rec, enum ipam_use use,
		struct err *err)
{
	int r;

	if (h->range->cluster)
		r = ipam_cluster_take(h, &rec->addr, use);
	else if (!ip_is_none(&rec->addr))
		r = pool_take_exact(h->net->pool, &rec->addr);
	else
		r = pool_take(h->net->pool, &h->range->at, &rec->addr);
	if (r == -EXFULL)
		return r; /* ipam_addr_run() looks for more */
	if (r == -ENOSPC)
		return full(h->range, err);
	if (r == -ERANGE)
		return outside(h->net, &rec->addr, err);
	if (r == -EADDRINUSE) /* lost to a failure that a restart mends */
		return err_set(err, r, "Address already in use: restart %s",
			       h->net->core->d->prog->name);
	return r < 0 ? ipam_no_memory(err) : 0;
}

static int take_new(struct ipam_hold *h, struct ipam_intent *i,
		    struct ipam_record *rec, enum ipam_use use, struct err *err)
{
	struct pool_range before = h->range->at;
	int r = ipam_begin(i, rec, err);

	if (r == 0)
		r = take(h, rec, use, err);
	if (r < 0)
		return r;
	r = step_intent(use, &rec->addr, err);
	if (r == 0)
		r = add_new(h, rec, use, i, err);
	if (r < 0) {
		pool_untake(h->net->pool, &rec->addr);
		h->range->at = before;
		return r;
	}
	step_done(use);
	return 0;
}

/* It has it already, and its answer was lost. */
static int take_none(struct ipam_hold *h, const struct ipam_intent *i,
		     const struct ip_addr *a, struct err *err)
{
	struct ip_prefix prefix = answer_of(h->net, a);
	_cleanup_(json_putp) json_object *answer = ipam_addr_answer(&prefix);

	return answer ? ipam_intent_idle(i, answer, err) : ipam_no_memory(err);
}

/* Reserved already, for the same use: macvlan networks of one wire have one
 * router.  Counted up to the number of networks there are, so that a repeated
 * request changes nothing. */
static int reserve_again(struct ipam_hold *h, struct ipam_intent *i,
			 struct ipam_record *rec, struct ipam_lease *l,
			 struct err *err)
{
	int r;

	if (l->refs >= ipam_net_users(h->net))
		return take_none(h, i, &l->addr, err);
	r = ipam_begin(i, rec, err);
	if (r < 0)
		return r;
	l->refs++;
	r = commit(h, l, i, err);
	if (r < 0)
		l->refs--;
	else
		l->unsure += i->redo;
	return r;
}

/* Reserved, and its record damaged: who reserves it says what it is. */
static int mend(struct ipam_hold *h, struct ipam_intent *i,
		const struct ipam_record *rec, struct ipam_lease *l,
		enum ipam_use use, struct err *err)
{
	enum ipam_use before = l->use;
	int r = ipam_begin(i, rec, err);

	if (r < 0)
		return r;
	ipam_known(&l->unsure, l->refs);
	l->use = use;
	r = commit(h, l, i, err);
	if (r < 0)
		l->use = before;
	else
		l->damaged = false;
	return r;
}

static int take_again(struct ipam_hold *h, struct ipam_intent *i,
		      struct ipam_record *rec, struct ipam_lease *l,
		      enum ipam_use use, struct err *err)
{
	if (l->damaged && l->use != IPAM_ENDPOINT && use != IPAM_ENDPOINT)
		return mend(h, i, rec, l, use, err);
	/* not asked for by name: a DHCP server leased it twice */
	if (l->use != use || !rec->fixed)
		return taken(l, err);
	if (l->use != IPAM_ENDPOINT) {
		ipam_known(&l->unsure, l->refs);
		return reserve_again(h, i, rec, l, err);
	}
	/* It has one user, who was told: this is another with the same MAC, whose
	 * end would free it. */
	if (!l->unsure || mac_is_none(&l->mac) ||
	    !mac_equal(&l->mac, &rec->mac))
		return taken(l, err);
	ipam_known(&l->unsure, l->refs);
	return take_none(h, i, &l->addr, err);
}

static int take_any(struct ipam_hold *h, struct ipam_intent *i,
		    struct ipam_record *rec, const struct ipam_asked *asked,
		    struct err *err)
{
	struct ipam_lease *l = NULL;
	enum ipam_use use;
	int r = ipam_use_parse(rec->use, &use, err);

	if (r == 0)
		r = ipam_ready(&h->net->stale, err);
	if (r < 0)
		return r;
	ipam_known(&h->range->unsure, h->range->refs);
	rec->born = h->range->born;
	ipam_now(rec->time);
	if (!ip_is_none(&rec->addr))
		l = ipam_lease_find(h->net, &rec->addr);
	if (l)
		return take_again(h, i, rec, l, use, err);
	r = ipam_dhcp_leased(h->range, rec, asked, err);
	return r < 0 ? r : take_new(h, i, rec, use, err);
}

static int no_pool(struct ipam_core *core, const char *id, struct err *err)
{
	bool damaged;

	pthread_mutex_lock(&core->lock);
	damaged = ipam_in_doubt(core, id);
	pthread_mutex_unlock(&core->lock);
	if (damaged)
		return err_set(err, -ENOENT,
			       "the record of pool %.100s is damaged: remove "
			       "its network and make it anew",
			       id);
	return err_set(err, -ENOENT, "there is no pool %.100s: it was released",
		       id);
}

static int run_locked(struct ipam_core *core, struct ipam_intent *i,
		      struct ipam_record *rec, const struct ipam_asked *asked,
		      struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	int r;

	ipam_hold_take(core, rec->id, &h);
	r = h.range ? take_any(&h, i, rec, asked, err)
		    : no_pool(core, rec->id, err);
	if (r < 0 && r != -EXFULL)
		ipam_abort(h.net ? &h.net->stale : NULL, i);
	else if (r == 0)
		rec->pool = answer_of(h.net, &rec->addr);
	return r;
}

/* As often as something is lacking that the cluster gives. */
static int run_shared(struct ipam_core *core, struct ipam_intent *i,
		      struct ipam_record *rec, const struct ipam_asked *asked,
		      struct err *err)
{
	struct ipam_more more = { .tries = 0 };
	int r;

	for (;;) {
		r = run_locked(core, i, rec, asked, err);
		if (r != -EXFULL)
			break;
		r = ipam_cluster_more(core, rec, &more, err);
		if (r < 0) {
			ipam_abort(NULL, i);
			break;
		}
	}
	ipam_cluster_done(core, &more);
	return r;
}

int ipam_addr_run(struct ipam_core *core, struct ipam_intent *i,
		  struct ipam_record *rec, struct err *err)
{
	struct ipam_asked asked;
	int r = ipam_dhcp_take(core, rec, &asked, err);

	if (r < 0)
		ipam_abort(NULL, i);
	else
		r = run_shared(core, i, rec, &asked, err);
	ipam_dhcp_done(core, &asked);
	return r;
}

int ipam_addr_request(struct ipam_core *core, const struct ipam_addr_req *q,
		      struct ip_prefix *ret, uint64_t *ret_seq, struct err *err)
{
	struct ipam_record rec = { .addr = q->addr,
				   .mac = q->mac,
				   .refs = 1,
				   .fixed = !ip_is_none(&q->addr) };
	struct ipam_intent i;
	int r;

	snprintf(rec.id, sizeof(rec.id), "%s", q->pool_id);
	snprintf(rec.use, sizeof(rec.use), "%s", ipam_use_to_string(q->use));
	i = ipam_announce(ipam_store_of(core, q->use), ipam_method_addr, &rec);
	r = ipam_addr_run(core, &i, &rec, err);
	if (r < 0)
		return r;
	*ret = rec.pool;
	*ret_seq = i.seq;
	return 0;
}

/* ---- release ------------------------------------------------------------- */

/* What becomes of the record: a reserved one is counted down or gone, a lease
 * is kept as one that rests.  A damaged one would only seem to know what it is. */
static int put_released(struct store *s, const struct ipam_lease *l,
			const struct ipam_record *rec, struct err *err)
{
	char id[IP_STR_MAX];

	if (l->damaged && l->use != IPAM_ENDPOINT && rec->refs)
		return 0;
	if (l->use == IPAM_ENDPOINT || rec->refs)
		return put_address(s, l->range->net, l->use, rec, err);
	return store_del(s, RESERVED_KIND, ip_str(&l->addr, id), err);
}

static int release_commit(struct ipam_hold *h, const struct ipam_lease *l,
			  const struct ipam_record *rec,
			  const struct ip_addr *freed, uint64_t seq,
			  struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s =
		ipam_store_of(h->net->core, l->use);
	char id[IP_STR_MAX];
	int r = store_begin(s, err);

	if (r == 0)
		r = put_released(s, l, rec, err);
	if (r == 0 && l->use == IPAM_ENDPOINT && !ip_is_none(freed))
		r = store_del(s, LEASE_KIND, ip_str(freed, id), err);
	if (r == 0 && seq)
		r = journal_commit(s, seq, "{}", err);
	if (r == 0)
		r = step(l->use == IPAM_ENDPOINT
				 ? FAILPOINT("ipam.lease_release.recorded")
				 : FAILPOINT("ipam.reserve_release.recorded"),
			 &l->addr, err);
	return r < 0 ? r : store_commit(s, err);
}

/* Another PoolID of the same pool, for what two networks reserved. */
static struct ipam_range *heir(struct ipam_hold *h, struct ipam_lease *l)
{
	if (l->range != h->range || h->range->refs > 1)
		return l->range;
	for (struct ipam_range *r = h->net->ranges; r; r = r->next)
		if (r != h->range)
			return r;
	return l->range;
}

int ipam_addr_release_apply(struct ipam_hold *h, struct ipam_lease *l,
			    uint64_t seq, struct err *err)
{
	bool shared = l->use != IPAM_ENDPOINT && l->refs > 1;
	struct ipam_range *to = shared ? heir(h, l) : l->range;
	struct ipam_record rec = record_of(l);
	struct ip_addr freed = { 0 };
	int r = shared ? 0 : pool_room(h->net->pool, &freed);

	if (r < 0)
		return ipam_no_memory(err);
	snprintf(rec.id, sizeof(rec.id), "%s", to->id);
	rec.born = to->born;
	rec.refs--;
	if (l->use == IPAM_ENDPOINT)
		rec.rest = h->net->rests + 1;
	r = release_commit(h, l, &rec, &freed, seq, err);
	if (r < 0)
		return r;
	if (shared) {
		l->refs--;
		l->range = to;
		return 0;
	}
	/* there is room; what was only reserved had no peers to be kept from */
	if (l->use == IPAM_ENDPOINT) {
		h->net->rests++;
		(void)pool_give(h->net->pool, &l->addr);
	} else {
		(void)pool_drop(h->net->pool, &l->addr);
	}
	ipam_lease_drop(h->net, l);
	return 0;
}

/* An operation writes one store only, and its intent lies in that one.  What was
 * announced in the other was given back and handed out anew while it waited. */
static int move(struct ipam_intent *i, struct store *to, struct err *err)
{
	int r = i->seq ? journal_abort(i->store, i->seq, err) : 0;

	if (r < 0)
		return r;
	i->seq = 0;
	i->store = to;
	return 0;
}

static int release(struct ipam_hold *h, struct ipam_intent *i,
		   const struct ipam_record *rec, struct ipam_lease *l,
		   struct err *err)
{
	struct store *s = ipam_store_of(h->net->core, l->use);
	enum ipam_use use = l->use;
	int r = i->store == s ? 0 : move(i, s, err);

	if (r == 0)
		r = ipam_begin(i, rec, err);
	if (r == 0)
		r = step(use == IPAM_ENDPOINT
				 ? FAILPOINT("ipam.lease_release.intent")
				 : FAILPOINT("ipam.reserve_release.intent"),
			 &rec->addr, err);
	if (r == 0)
		r = ipam_addr_release_apply(h, l, i->seq, err);
	if (r < 0)
		return r;
	(void)(use == IPAM_ENDPOINT ? FAILPOINT("ipam.lease_release.done")
				    : FAILPOINT("ipam.reserve_release.done"));
	return 0;
}

/* @rec: with a use it is of a certain endpoint's lease. */
static bool is_meant(const struct ipam_lease *l, const struct ipam_record *rec)
{
	char since[32];

	if (!*rec->use)
		return true;
	ipam_time(since, l->since);
	return l->use == IPAM_ENDPOINT && mac_equal(&l->mac, &rec->mac) &&
	       (!*rec->time || strcmp(since, rec->time) == 0);
}

static int release_any(struct ipam_hold *h, struct ipam_intent *i,
		       const struct ipam_record *rec, struct err *err)
{
	struct ipam_lease *l;
	int r = ipam_ready(&h->net->stale, err);

	if (r < 0)
		return r;
	ipam_known(&h->range->unsure, h->range->refs);
	l = ipam_lease_find(h->net, &rec->addr);
	if (!l)
		return ipam_intent_idle(i, NULL, err);
	if (!is_meant(l, rec))
		return err_set(err, -ESTALE,
			       "the address belongs to another by now");
	ipam_known(&l->unsure, l->refs);
	return release(h, i, rec, l, err);
}

static int release_locked(struct ipam_core *core, struct ipam_intent *i,
			  const struct ipam_record *rec, bool *ret_dhcp,
			  struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	int r;

	ipam_hold_take(core, rec->id, &h);
	r = h.range ? release_any(&h, i, rec, err)
		    : ipam_intent_idle(i, NULL, err);
	*ret_dhcp = h.range && *h.range->dhcp;
	if (r < 0)
		ipam_abort(h.net ? &h.net->stale : NULL, i);
	return r;
}

int ipam_addr_release_run(struct ipam_core *core, struct ipam_intent *i,
			  const struct ipam_record *rec, struct err *err)
{
	bool dhcp;
	int r = release_locked(core, i, rec, &dhcp, err);

	if (r == 0 && dhcp)
		ipam_dhcp_settle(core);
	if (r == 0)
		blocks_settle(core->blocks);
	return r;
}

static int release_addr(struct ipam_core *core, struct ipam_record *rec,
			const char *pool_id, uint64_t *ret_seq, struct err *err)
{
	enum ipam_use use = ipam_use_peek(core, pool_id, &rec->addr);
	struct ipam_intent i;
	int r;

	snprintf(rec->id, sizeof(rec->id), "%s", pool_id);
	i = ipam_announce(ipam_store_of(core, use), ipam_method_addr_release,
			  rec);
	r = ipam_addr_release_run(core, &i, rec, err);
	if (r == 0)
		*ret_seq = i.seq;
	return r;
}

int ipam_addr_release(struct ipam_core *core, const char *pool_id,
		      const struct ip_addr *addr, uint64_t *ret_seq,
		      struct err *err)
{
	struct ipam_record rec = { .addr = *addr };

	return release_addr(core, &rec, pool_id, ret_seq, err);
}

int ipam_addr_forget(struct ipam_core *core, const char *pool_id,
		     const struct ip_addr *addr, const struct mac_addr *mac,
		     const char *since, uint64_t *ret_seq, struct err *err)
{
	struct ipam_record rec = { .addr = *addr, .mac = *mac };

	snprintf(rec.use, sizeof(rec.use), "%s",
		 ipam_use_to_string(IPAM_ENDPOINT));
	snprintf(rec.time, sizeof(rec.time), "%s", since);
	return release_addr(core, &rec, pool_id, ret_seq, err);
}
