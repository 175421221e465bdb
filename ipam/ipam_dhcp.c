/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses that a LAN's DHCP server leases.
 *
 * The server is asked before any lock is taken, as it may take seconds.  What it leased
 * is on record (dhcp_keep.h) before the address is handed out in the way of any
 * other; where that fails nobody has the address, and the lease is given back.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ipam/dhcp_talk.h"
#include "ipam/ipam_priv.h"
#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"

/* ---- a pool --------------------------------------------------------------------- */

/* RFC 6890: 0/8 and 127/8 are no LAN's, 169.254/16 has no server, and what is above
 * is of groups or nobody's. */
static bool is_for_hosts(const struct ip_addr *a)
{
	return a->bytes[0] != 0 && a->bytes[0] != 127 && a->bytes[0] < 224 &&
	       (a->bytes[0] != 169 || a->bytes[1] != 254);
}

static int judge_pool(void *ctx, const struct dhcp_lease *offer,
		      struct err *err)
{
	const struct ipam_record *rec = ctx;
	char server[IP_STR_MAX], addr[IP_STR_MAX];

	if (!is_for_hosts(&offer->addr))
		return err_set(err, -EINVAL,
			       "the DHCP server %s on %s offers %s, which no "
			       "host can have: mend the server, or give "
			       "--subnet and --gateway",
			       ip_str(&offer->server, server), rec->dhcp,
			       ip_str(&offer->addr, addr));
	if (offer->mask >= 8 && offer->mask <= 30)
		return 0;
	return err_set(err, -EINVAL,
		       "the DHCP server %s on %s does not say how large its "
		       "subnet is: give --subnet and --gateway",
		       ip_str(&offer->server, server), rec->dhcp);
}

/* Is the router of @offer one of @pool's hosts, and not whom it is offered to? */
static bool is_router(const struct ip_prefix *pool,
		      const struct dhcp_lease *offer)
{
	const struct ip_addr *router = &offer->router;
	struct ip_addr first = ip_prefix_first(pool),
		       last = ip_prefix_last(pool);

	return ip_prefix_contains(pool, router) && !ip_equal(router, &first) &&
	       !ip_equal(router, &last) && !ip_equal(router, &offer->addr);
}

int ipam_dhcp_find(struct ipam_core *core, struct ipam_record *rec,
		   struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *nlk = NULL;
	struct dhcp_question q = { .ifname = rec->dhcp,
				   .judge = judge_pool,
				   .ctx = rec };
	struct dhcp_lease offer;
	struct nlk_link link = { 0 };
	int r = nlk_open(&nlk, err);

	if (r == 0)
		r = nlk_link_get(nlk, rec->dhcp, 0, &link, err);
	if (r < 0)
		return err_wrap(err, r, "berth.dhcp.parent");
	/* as this host: no address is set aside for somebody who never comes */
	q.mac = link.mac;
	q.until = core->dhcp_until ? core->dhcp_until
				   : clock_boot_ms() + DHCP_WAIT_MS;
	r = dhcp_look(&q, &offer, err);
	if (r < 0)
		return r;
	rec->automatic = true;
	rec->pool = (struct ip_prefix){ .addr = offer.addr, .len = offer.mask };
	rec->pool.addr = ip_prefix_first(&rec->pool);
	rec->addr = is_router(&rec->pool, &offer) ? offer.router
						  : (struct ip_addr){ 0 };
	return 0;
}

int ipam_dhcp_check(struct ipam_core *core, const struct ipam_record *rec,
		    struct err *err)
{
	char pool[PREFIX_STR_MAX], gateway[IP_STR_MAX];
	bool used = false;
	int r = ipam_auto_in_use(core, &rec->pool, &used, err);

	if (r < 0 || !used)
		return r;
	ip_prefix_str(&rec->pool, pool);
	ip_str(&rec->addr, gateway);
	return err_set(
		err, -EEXIST,
		"the DHCP server on %s gives addresses of %s, where this "
		"host or another network is: Docker takes that only "
		"when it is told, so add --subnet %s%s%s",
		rec->dhcp, pool, pool, *gateway ? " --gateway " : "", gateway);
}

/* ---- an address ------------------------------------------------------------------ */

/* What is asked for, and of which pool. */
struct wanted {
	struct ipam_core *core;
	const struct ipam_record *rec;
	struct ip_prefix pool;
	struct dhcp_kept kept;
};

/* Has somebody here got it?  Not locked.  With the same MAC, too: the driver will
 * refuse the second, and what dockerd gives back then would be the first one's. */
static bool handed_out(struct ipam_core *core, const char *id,
		       const struct ip_addr *a)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->lock;
	const struct ipam_range *range;

	pthread_mutex_lock(lock);
	range = ipam_range_peek(core, id);
	return range && ipam_lease_find(range->net, a);
}

static int judge_address(void *ctx, const struct dhcp_lease *offer,
			 struct err *err)
{
	const struct wanted *w = ctx;
	char server[IP_STR_MAX], got[IP_STR_MAX], text[PREFIX_STR_MAX];
	char mac[MAC_STR_MAX];
	const struct ip_addr *a = &offer->addr, *wish = &w->rec->addr;
	struct ip_addr first = ip_prefix_first(&w->pool),
		       last = ip_prefix_last(&w->pool);

	ip_str(&offer->server, server);
	ip_str(a, got);
	ip_prefix_str(&w->pool, text);
	if (!ip_prefix_contains(&w->pool, a))
		return err_set(err, -EINVAL,
			       "the DHCP server %s on %s offers %s, which is "
			       "not in the network's subnet %s",
			       server, w->kept.ifname, got, text);
	if (w->rec->fixed && !ip_equal(a, wish))
		return err_set(err, -EADDRNOTAVAIL,
			       "the DHCP server %s on %s offers %s instead of "
			       "%s: another host has that, or it is not in the "
			       "server's range",
			       server, w->kept.ifname, got, ip_str(wish, text));
	if (ip_equal(a, &offer->router) || ip_equal(a, &offer->server) ||
	    (w->pool.len < 31 && (ip_equal(a, &first) || ip_equal(a, &last))))
		return err_set(err, -EINVAL,
			       "the DHCP server %s on %s offers %s, which no "
			       "container can have",
			       server, w->kept.ifname, got);
	if (handed_out(w->core, w->rec->id, a))
		return err_set(err, -EADDRINUSE,
			       "the DHCP server %s on %s offers %s, which an "
			       "endpoint here has: is there one with the same "
			       "MAC %s? (netctl ipam leases %s)",
			       server, w->kept.ifname, got,
			       mac_str(&w->rec->mac, mac), got);
	return 0;
}

/* false: no DHCP there, or what is asked for is in use: the rest says by whom. */
static bool prepare(struct ipam_core *core, const struct ipam_record *rec,
		    struct wanted *ret)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->lock;
	const struct ipam_range *range;

	*ret = (struct wanted){ .core = core, .rec = rec };
	pthread_mutex_lock(lock);
	range = ipam_range_peek(core, rec->id);
	if (!range || !*range->dhcp ||
	    (rec->fixed && ipam_lease_find(range->net, &rec->addr)))
		return false;
	ret->pool = range->net->prefix;
	ret->kept.born = range->born;
	snprintf(ret->kept.ifname, sizeof(ret->kept.ifname), "%s", range->dhcp);
	snprintf(ret->kept.pool_id, sizeof(ret->kept.pool_id), "%s", rec->id);
	return true;
}

static int step(int r, struct err *err)
{
	return r < 0 ? err_set(err, r, "DHCP lease: %s", strerror(-r)) : 0;
}

static int lease(struct wanted *w, const struct dhcp_taking *t, struct err *err)
{
	struct ipam_core *core = w->core;
	struct dhcp_question q = { .ifname = w->kept.ifname,
				   .mac = w->rec->mac,
				   .wish = w->rec->addr,
				   .judge = judge_address,
				   .ctx = w };
	struct err why = { 0 };
	int r;

	if (ip_is_none(&q.wish))
		q.wish = dhcp_keep_hint(core->dhcp, q.ifname, &w->pool, &q.mac);
	q.until = core->dhcp_until ? core->dhcp_until
				   : clock_boot_ms() + DHCP_WAIT_MS;
	r = dhcp_take(&q, &w->kept.lease, err);
	if (r < 0)
		return r;
	r = step(FAILPOINT("dhcp.leased"), err);
	if (r == 0)
		r = dhcp_keep_add(core->dhcp, &w->kept, err);
	/* where this fails, too, the server takes it back in time */
	if (r < 0 && dhcp_keep_alone(core->dhcp, t, &w->kept.lease.addr) &&
	    dhcp_give(q.ifname, &w->kept.lease, &why) < 0)
		log_warn("op=dhcp.release err=\"%s\"", why.msg);
	return r;
}

int ipam_dhcp_take(struct ipam_core *core, struct ipam_record *rec,
		   struct ipam_asked *ret, struct err *err)
{
	struct wanted w;
	char addr[IP_STR_MAX], mac[MAC_STR_MAX], server[IP_STR_MAX];
	int r;

	*ret = (struct ipam_asked){ 0 };
	if (strcmp(rec->use, ipam_use_to_string(IPAM_ENDPOINT)) != 0 ||
	    !prepare(core, rec, &w))
		return 0;
	if (mac_is_none(&rec->mac))
		return err_set(err, -EINVAL,
			       "a DHCP server leases to a MAC, and the request "
			       "has none");
	ret->asked = true;
	ret->born = w.kept.born;
	dhcp_keep_begin(core->dhcp, &ret->taking, w.kept.ifname, &rec->mac);
	r = lease(&w, &ret->taking, err);
	if (r < 0)
		return r;
	rec->addr = w.kept.lease.addr;
	log_info("op=dhcp event=leased address=%s mac=%s parent=%s server=%s",
		 ip_str(&rec->addr, addr), mac_str(&rec->mac, mac),
		 w.kept.ifname, ip_str(&w.kept.lease.server, server));
	return step(FAILPOINT("dhcp.recorded"), err);
}

int ipam_dhcp_leased(const struct ipam_range *range,
		     const struct ipam_record *rec,
		     const struct ipam_asked *asked, struct err *err)
{
	char a[IP_STR_MAX];

	if (!*range->dhcp ||
	    strcmp(rec->use, ipam_use_to_string(IPAM_ENDPOINT)) != 0 ||
	    (asked->asked && asked->born == range->born))
		return 0;
	ip_str(&rec->addr, a);
	return err_set(err, -EADDRINUSE,
		       "%s of pool %s was just released, and no DHCP server "
		       "is asked for it yet: try again",
		       *a ? a : "an address", range->id);
}

/* ---- whose they are ---------------------------------------------------------------- */

static bool used(void *ctx, const struct dhcp_kept *e)
{
	struct ipam_core *core = ctx;
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->lock;
	const struct ipam_range *range;
	const struct ipam_lease *l;

	pthread_mutex_lock(lock);
	if (ipam_in_doubt(core, e->pool_id))
		return true;
	range = ipam_range_peek(core, e->pool_id);
	if (!range || range->born != e->born)
		return false;
	l = ipam_lease_find(range->net, &e->lease.addr);
	if (l && l->damaged)
		return true; /* its container may run */
	return l && l->use == IPAM_ENDPOINT && l->range == range &&
	       mac_equal(&l->mac, &e->lease.mac);
}

void ipam_dhcp_settle(struct ipam_core *core)
{
	dhcp_keep_settle(core->dhcp, used, core);
}

void ipam_dhcp_done(struct ipam_core *core, struct ipam_asked *asked)
{
	if (!asked->asked)
		return;
	dhcp_keep_end(core->dhcp, &asked->taking);
	ipam_dhcp_settle(core);
}

/* ---- telling ------------------------------------------------------------------------ */

struct telling {
	struct ipam_core *core;
	ipam_line_fn *line;
	void *ctx;
	struct ip_addr gateway;
};

static int find_gateway(void *ctx, struct ipam_lease *l)
{
	struct telling *t = ctx;

	if (l->use == IPAM_GATEWAY)
		t->gateway = l->addr;
	return 0;
}

/* The network's gateway, where berth-ipam keeps it; or none. */
static void gateway_of(struct telling *t, const char *pool_id)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &t->core->lock;
	struct ipam_range *range;

	t->gateway = (struct ip_addr){ 0 };
	pthread_mutex_lock(lock);
	range = ipam_range_peek(t->core, pool_id);
	if (range)
		(void)ipam_lease_each(range->net, find_gateway, t);
}

static void tell_state(const struct telling *t, const struct dhcp_kept *e,
		       const char *addr, const char *server)
{
	const struct dhcp_lease *l = &e->lease;
	uint64_t now = clock_boot_ms();
	long long left =
		l->end_ms > now ? (long long)(l->end_ms - now) / 1000 : 0;
	char line[400];

	if (e->releasing)
		snprintf(line, sizeof(line),
			 "DHCP lease of %s is not given back to %s on %s (%s): "
			 "it ends in %lld s",
			 addr, server, e->ifname, e->why, left);
	else if (l->lost)
		snprintf(line, sizeof(line),
			 "DHCP lease of %s is lost: %s on %s has not renewed "
			 "it, and another host may get the address. It is "
			 "asked for until the container stops. %s",
			 addr, server, e->ifname, e->why);
	else if (l->state == DHCP_REBINDING || *e->why)
		snprintf(line, sizeof(line),
			 "DHCP lease of %s is not renewed by %s on %s: it ends "
			 "in %lld s. %s",
			 addr, server, e->ifname, left, e->why);
	else
		return;
	t->line(t->ctx, line);
}

static void tell(void *ctx, const struct dhcp_kept *e)
{
	struct telling *t = ctx;
	char addr[IP_STR_MAX], server[IP_STR_MAX], router[IP_STR_MAX];
	char gateway[IP_STR_MAX], line[400];

	ip_str(&e->lease.addr, addr);
	ip_str(&e->lease.server, server);
	tell_state(t, e, addr, server);
	gateway_of(t, e->pool_id);
	if (e->releasing || ip_is_none(&t->gateway) ||
	    ip_is_none(&e->lease.router) ||
	    ip_equal(&t->gateway, &e->lease.router))
		return;
	snprintf(line, sizeof(line),
		 "DHCP server %s on %s has %s go by router %s, but its "
		 "network's "
		 "gateway is %s: make the network with --gateway %s",
		 server, e->ifname, addr, ip_str(&e->lease.router, router),
		 ip_str(&t->gateway, gateway), router);
	t->line(t->ctx, line);
}

static int tell_bare(void *ctx, struct ipam_lease *l)
{
	const struct telling *t = ctx;
	char addr[IP_STR_MAX], line[400];
	struct dhcp_kept kept;

	if (l->use != IPAM_ENDPOINT || !*l->range->dhcp)
		return 0;
	if (dhcp_keep_find(t->core->dhcp, &l->addr, &kept) &&
	    kept.born == l->range->born &&
	    (l->damaged || mac_equal(&kept.lease.mac, &l->mac)))
		return 0;
	snprintf(line, sizeof(line),
		 "address %s of pool %s is in use without a DHCP lease on "
		 "record, and is not renewed: restart its container",
		 ip_str(&l->addr, addr), l->range->id);
	t->line(t->ctx, line);
	return 0;
}

static int tell_bare_of(void *ctx, struct ipam_net *net)
{
	ipam_net_take(net);
	(void)ipam_lease_each(net, tell_bare, ctx);
	ipam_net_give(net);
	return 0;
}

void ipam_dhcp_problems(struct ipam_core *core, ipam_line_fn *fn, void *ctx)
{
	_cleanup_(ipam_unlockp) pthread_mutex_t *lock = &core->pools_lock;
	struct telling t = { .core = core, .line = fn, .ctx = ctx };

	dhcp_keep_each(core->dhcp, tell, &t);
	pthread_mutex_lock(lock);
	(void)ipam_nets_each(core, tell_bare_of, &t);
}
