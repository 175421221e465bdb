/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses come and go, in the way of ipam_pools.c.
 *
 * An address is taken in the pool before the intent is written, so that two
 * callers never write the same one, and untaken where the request fails.
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

static int begin(struct ipam_core *core, enum ipam_use use, const char *method,
		 const struct ipam_record *rec, uint64_t *ret, struct err *err)
{
	_cleanup_free_ char *body = ipam_record_print(rec);
	char key[160], addr[IP_STR_MAX];
	int r = step(FAILPOINT("ipam.addr.request"), &rec->addr, err);

	if (r < 0)
		return r;
	if (!body)
		return ipam_no_memory(err);
	snprintf(key, sizeof(key), "%.100s %s", rec->id,
		 ip_str(&rec->addr, addr));
	return journal_begin(ipam_store_of(core, use), method, key, body, ret,
			     err);
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

static int commit(struct ipam_net *net, const struct ipam_lease *l,
		  uint64_t seq, struct err *err)
{
	struct ip_prefix prefix = answer_of(net, &l->addr);
	_cleanup_(json_putp) json_object *answer = ipam_addr_answer(&prefix);
	_cleanup_(ipam_rollbackp) struct store *s =
		ipam_store_of(net->core, l->use);
	struct ipam_record rec = record_of(l);
	int r;

	if (!answer)
		return ipam_no_memory(err);
	r = store_begin(s, err);
	if (r == 0)
		r = put_address(s, net, l->use, &rec, err);
	if (r == 0 && l->use == IPAM_ENDPOINT && !l->fixed)
		r = put_cursor(s, l->range, err);
	if (r == 0)
		r = journal_commit(s, seq, json_object_to_json_string(answer),
				   err);
	if (r == 0)
		r = step_recorded(l->use, &l->addr, err);
	return r < 0 ? r : store_commit(s, err);
}

int ipam_addr_apply(struct ipam_hold *h, const struct ipam_record *rec,
		    uint64_t seq, struct err *err)
{
	struct ipam_lease *l = ipam_lease_find(h->net, &rec->addr);
	enum ipam_use use;
	int r = ipam_use_parse(rec->use, &use, err);

	if (r < 0)
		return r;
	if (l) { /* reserved by one more network */
		l->refs++;
		r = commit(h->net, l, seq, err);
		if (r < 0)
			l->refs--;
		return r;
	}
	l = ipam_lease_add(h->net, rec, use, h->range);
	if (!l)
		return ipam_no_memory(err);
	r = commit(h->net, l, seq, err);
	if (r < 0)
		ipam_lease_drop(h->net, l);
	return r;
}

static int taken(const struct ipam_lease *l, struct err *err)
{
	char a[IP_STR_MAX], mac[MAC_STR_MAX], since[32];

	ip_str(&l->addr, a);
	mac_str(&l->mac, mac);
	ipam_time(since, l->since);
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

static int take(struct ipam_hold *h, struct ipam_record *rec, struct err *err)
{
	int r;

	if (rec->fixed)
		r = pool_take_exact(h->net->pool, &rec->addr);
	else
		r = pool_take(h->net->pool, &h->range->at, &rec->addr);
	if (r == -ENOSPC)
		return full(h->range, err);
	if (r == -ERANGE)
		return outside(h->net, &rec->addr, err);
	if (r == -EADDRINUSE) /* lost to a failure that a restart mends */
		return err_set(err, r, "Address already in use: restart %s",
			       h->net->core->d->prog->name);
	return r < 0 ? ipam_no_memory(err) : 0;
}

static int take_new(struct ipam_hold *h, struct ipam_record *rec,
		    enum ipam_use use, uint64_t *ret_seq, struct err *err)
{
	struct ipam_core *core = h->net->core;
	struct pool_range before = h->range->at;
	uint64_t seq = 0;
	int r = take(h, rec, err);

	if (r < 0)
		return r;
	r = begin(core, use, ipam_method_addr, rec, &seq, err);
	if (r == 0)
		r = step_intent(use, &rec->addr, err);
	if (r == 0)
		r = ipam_addr_apply(h, rec, seq, err);
	if (r < 0) {
		pool_untake(h->net->pool, &rec->addr);
		h->range->at = before;
		if (seq)
			ipam_abort(&h->net->stale, ipam_store_of(core, use),
				   seq);
		return r;
	}
	*ret_seq = seq;
	step_done(use);
	return 0;
}

static uint32_t users_of(const struct ipam_net *net)
{
	uint32_t n = 0;

	for (const struct ipam_range *r = net->ranges; r; r = r->next)
		n += r->refs;
	return n;
}

/* Reserved already, for the same use: macvlan networks of one wire have one
 * router.  Counted up to the number of networks there are, so that a repeated
 * request changes nothing. */
static int reserve_again(struct ipam_hold *h, struct ipam_lease *l,
			 uint64_t *ret_seq, struct err *err)
{
	struct ipam_core *core = h->net->core;
	struct ipam_record rec = record_of(l);
	uint64_t seq = 0;
	int r;

	if (l->refs >= users_of(h->net))
		return 0;
	snprintf(rec.id, sizeof(rec.id), "%s", h->range->id);
	r = begin(core, l->use, ipam_method_addr, &rec, &seq, err);
	if (r < 0)
		return r;
	r = ipam_addr_apply(h, &rec, seq, err);
	if (r < 0)
		ipam_abort(&h->net->stale, core->d->state, seq);
	else
		*ret_seq = seq;
	return r;
}

static int take_again(struct ipam_hold *h, const struct ipam_addr_req *q,
		      struct ipam_lease *l, uint64_t *ret_seq, struct err *err)
{
	l->recovered = 0;
	if (l->use != q->use)
		return taken(l, err);
	if (l->use != IPAM_ENDPOINT)
		return reserve_again(h, l, ret_seq, err);
	if (mac_is_none(&l->mac) || !mac_equal(&l->mac, &q->mac))
		return taken(l, err);
	return 0; /* its answer was lost */
}

int ipam_addr_request(struct ipam_core *core, const struct ipam_addr_req *q,
		      struct ip_prefix *ret, uint64_t *ret_seq, struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	struct ipam_record rec = { .addr = q->addr, .mac = q->mac, .refs = 1 };
	struct ipam_lease *l = NULL;
	int r;

	ipam_hold_take(core, q->pool_id, &h);
	if (!h.range)
		return err_set(err, -ENOENT,
			       "there is no pool %.100s: it was released",
			       q->pool_id);
	r = ipam_ready(&h.net->stale, err);
	if (r < 0)
		return r;
	h.range->recovered = 0; /* its peer knows of it */
	rec.fixed = !ip_is_none(&q->addr);
	rec.born = h.range->born;
	snprintf(rec.id, sizeof(rec.id), "%s", h.range->id);
	snprintf(rec.use, sizeof(rec.use), "%s", ipam_use_to_string(q->use));
	ipam_now(rec.time);
	if (rec.fixed)
		l = ipam_lease_find(h.net, &q->addr);
	r = l ? take_again(&h, q, l, ret_seq, err)
	      : take_new(&h, &rec, q->use, ret_seq, err);
	if (r == 0)
		*ret = answer_of(h.net, &rec.addr);
	return r;
}

/* ---- release ------------------------------------------------------------- */

/* What becomes of the record: a reserved one is counted down or gone, a lease
 * is kept as one that rests. */
static int put_released(struct store *s, const struct ipam_lease *l,
			const struct ipam_record *rec, struct err *err)
{
	char id[IP_STR_MAX];

	if (l->use == IPAM_ENDPOINT || rec->refs)
		return put_address(s, l->range->net, l->use, rec, err);
	return store_del(s, RESERVED_KIND, ip_str(&l->addr, id), err);
}

static int release_commit(struct ipam_hold *h, const struct ipam_lease *l,
			  const struct ipam_record *rec,
			  const struct ip_addr *freed, uint64_t seq,
			  struct err *err)
{
	_cleanup_(ipam_rollbackp) struct store *s =
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

static int release(struct ipam_hold *h, struct ipam_lease *l, uint64_t *ret_seq,
		   struct err *err)
{
	struct ipam_core *core = h->net->core;
	struct ipam_record rec = record_of(l);
	enum ipam_use use = l->use;
	uint64_t seq = 0;
	int r;

	snprintf(rec.id, sizeof(rec.id), "%s", h->range->id);
	r = begin(core, use, ipam_method_addr_release, &rec, &seq, err);
	if (r < 0)
		return r;
	r = step(use == IPAM_ENDPOINT
			 ? FAILPOINT("ipam.lease_release.intent")
			 : FAILPOINT("ipam.reserve_release.intent"),
		 &rec.addr, err);
	if (r == 0)
		r = ipam_addr_release_apply(h, l, seq, err);
	if (r < 0) {
		ipam_abort(&h->net->stale, ipam_store_of(core, use), seq);
		return r;
	}
	*ret_seq = seq;
	(void)(use == IPAM_ENDPOINT ? FAILPOINT("ipam.lease_release.done")
				    : FAILPOINT("ipam.reserve_release.done"));
	return 0;
}

static int release_if(struct ipam_core *core, const char *pool_id,
		      const struct ip_addr *addr, const struct mac_addr *mac,
		      uint64_t *ret_seq, struct err *err)
{
	_cleanup_(ipam_hold_give) struct ipam_hold h = { 0 };
	struct ipam_lease *l;
	int r;

	ipam_hold_take(core, pool_id, &h);
	if (!h.range)
		return 0;
	r = ipam_ready(&h.net->stale, err);
	if (r < 0)
		return r;
	h.range->recovered = 0;
	l = ipam_lease_find(h.net, addr);
	if (!l)
		return 0;
	if (mac && (l->use != IPAM_ENDPOINT || !mac_equal(&l->mac, mac)))
		return err_set(err, -ESTALE,
			       "the address belongs to another by now");
	return release(&h, l, ret_seq, err);
}

int ipam_addr_release(struct ipam_core *core, const char *pool_id,
		      const struct ip_addr *addr, uint64_t *ret_seq,
		      struct err *err)
{
	return release_if(core, pool_id, addr, NULL, ret_seq, err);
}

int ipam_addr_forget(struct ipam_core *core, const char *pool_id,
		     const struct ip_addr *addr, const struct mac_addr *mac,
		     uint64_t *ret_seq, struct err *err)
{
	return release_if(core, pool_id, addr, mac, ret_seq, err);
}
