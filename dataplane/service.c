/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Balanced ports: claim the port, make the tables, let the maps lead to them; and
 * keep the tables to who is alive.
 *
 * A service is open while a network has the eBPF dataplane.  Tables come before
 * the entry that leads to them and go after it.  What can't be brought up to date
 * is tried again every second.
 */
#include "dataplane/service.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/dp_priv.h"
#include "dataplane/service_priv.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/sockdiag.h"

void service_free(struct service *s)
{
	if (!s)
		return;
	claim_free(s->claim);
	free(s);
}

const char *dp_service_id(const struct dp_service *s,
			  char buf[static DP_SERVICE_ID_MAX])
{
	const bool v6 = s->host_ip.family == AF_INET6;
	char ip[IP_STR_MAX];

	ip_str(&s->host_ip, ip);
	snprintf(buf, DP_SERVICE_ID_MAX, "%s%s%s%s%u/%s", v6 ? "[" : "", ip,
		 v6 ? "]" : "", ip[0] ? ":" : "", s->port,
		 proto_name(s->proto));
	return buf;
}

bool dp_member_same(const struct dp_member *a, const struct dp_member *b)
{
	return ip_equal(&a->ip, &b->ip) && a->port == b->port;
}

bool dp_member_equal(const struct dp_member *a, const struct dp_member *b)
{
	return dp_member_same(a, b) && a->weight == b->weight &&
	       strcmp(a->network, b->network) == 0;
}

static struct port_range range_of(const struct service *s)
{
	return (struct port_range){ .host_ip = s->svc.host_ip,
				    .proto = s->svc.proto,
				    .host_first = s->svc.port,
				    .port_first = s->svc.port,
				    .count = 1 };
}

static uint32_t pool_of(const struct service *s, bool v6)
{
	return 2 * s->svc.number + v6;
}

/* Does the host address let clients of that family in? */
static bool has_family(const struct service *s, bool v6)
{
	const struct ip_addr *ip = &s->svc.host_ip;

	return ip_is_none(ip) || (ip->family == AF_INET6) == v6;
}

/* ---- tables -------------------------------------------------------------- */

/* A UDP socket of this host that connected leads to its container for good (see
 * dp_abort_clients()).  One that was only taken off the list goes on. */
static void abort_clients(struct dp *dp, const struct sock_backend *b)
{
	struct ip_addr ip = { .family = b->ip4 ? AF_INET : AF_INET6 };

	memcpy(ip.bytes, b->ip4 ? (const void *)&b->ip4 : b->ip6,
	       ip_bytes(&ip));
	for (size_t i = 0; i < dp->st.ports.count; i++) {
		const struct state_port *p = dp->st.ports.items[i];

		if (!p->leaving && (ip_equal(&p->port.ip4, &ip) ||
				    ip_equal(&p->port.ip6, &ip)))
			return;
	}
	(void)sockdiag_abort_udp(&ip, b->port, b->port, NULL);
}

static bool holds(const struct service_live *l, uint64_t id)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->items[i].id == id)
			return true;
	return false;
}

static int set_pool(struct dp *dp, const struct service *s, bool v6,
		    const struct service_live *live, struct err *err)
{
	_cleanup_free_ struct sock_backend *table = NULL;

	if (!live->count)
		return sock_pool_set(dp->sock, pool_of(s, v6), NULL, err);
	table = calloc(SOCK_POOL_SLOTS, sizeof(*table));
	if (!table)
		return err_set(err, -ENOMEM, "balanced port %s", s->id);
	service_table(live, table);
	return sock_pool_set(dp->sock, pool_of(s, v6), table, err);
}

/* Make the table anew where it is not what it should be.  Return: 1: it was; 0;
 * -errno. */
static int fill_family(struct dp *dp, struct service *s, bool v6,
		       const struct service_live *want, struct err *err)
{
	struct service_live *have = &s->live[v6];
	int r;

	if (have->told && service_live_equal(have, want))
		return 0;
	r = set_pool(dp, s, v6, want, err);
	if (r < 0) {
		have->told = false;
		return r;
	}
	for (size_t i = 0; s->svc.proto == IPPROTO_UDP && i < have->count; i++)
		if (!holds(want, have->items[i].id))
			abort_clients(dp, &have->items[i].to);
	*have = *want;
	have->told = true;
	return 1;
}

static int fill(struct dp *dp, struct service *s, struct err *err)
{
	_cleanup_free_ struct dp_member_state *members =
		calloc(SERVICE_LIVE_MAX, sizeof(*members));
	_cleanup_free_ struct service_live *want = calloc(1, sizeof(*want));
	int r = 0, n = 0;
	size_t count;

	if (!members || !want)
		return err_set(err, -ENOMEM, "balanced port %s", s->id);
	count = service_members(&dp->st, &s->svc, members);
	for (int v6 = 0; r >= 0 && v6 < 2; v6++) {
		if (!has_family(s, v6))
			continue;
		service_find_live(members, count, v6, want);
		r = fill_family(dp, s, v6, want, err);
		n += r > 0;
	}
	return r < 0 ? r : n;
}

/* ---- open, close --------------------------------------------------------- */

/* As far as it goes; again: the rest. */
static void close_service(struct dp *dp, struct service *s)
{
	const struct port_range r = range_of(s);

	(void)sock_balance_del(dp->sock, &r, pool_of(s, false),
			       pool_of(s, true), NULL);
	for (int v6 = 0; v6 < 2; v6++) {
		(void)sock_pool_set(dp->sock, pool_of(s, v6), NULL, NULL);
		s->live[v6].told = false;
		s->live[v6].count = 0;
	}
	s->open = false;
}

static int step(const char *what, int r, struct err *err)
{
	return r < 0 ? err_set(err, r, "test: %s", what) : 0;
}

/* Return: 1: something was done; 0; -errno. */
static int open_service(struct dp *dp, struct service *s, struct err *err)
{
	const struct port_range range = range_of(s);
	int r = fill(dp, s, err);

	if (r < 0 || s->open)
		return r;
	r = step("dp.service.filled", FAILPOINT("dp.service.filled"), err);
	if (r == 0)
		r = sock_balance_add(dp->sock, &range, pool_of(s, false),
				     pool_of(s, true), err);
	s->open = r == 0;
	return r < 0 ? r : 1;
}

bool service_may_open(const struct dp *dp)
{
	return dp->st.networks.count && dp_fast_runs(dp);
}

int dp_services_follow(struct dp *dp)
{
	struct err err = { "" };
	bool late = false;
	int n = 0;

	for (size_t i = 0; !dp->loading && i < dp->services.count; i++) {
		struct service *s = dp->services.items[i];
		int r = 0;

		if (service_may_open(dp))
			r = open_service(dp, s, late ? NULL : &err);
		else if (s->open || s->live[0].told || s->live[1].told)
			close_service(dp, s);
		n += r > 0;
		late = late || r < 0;
	}
	if (late && !dp->services_told)
		log_warn("event=balance-late text=\"%s; tried again every "
			 "second\"",
			 err.msg);
	dp->services_late = false;
	dp->services_told = late;
	return n;
}

static bool is_wanted(void *ctx, uint32_t number)
{
	const struct dp *dp = ctx;

	for (size_t i = 0; i < dp->services.count; i++) {
		const struct service *s = dp->services.items[i];

		if (s->svc.number == number / 2)
			return true;
	}
	return false;
}

int dp_services_load(struct dp *dp, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < dp->services.count; i++)
		r = fill(dp, dp->services.items[i], err);
	return r < 0 ? r : 0;
}

void dp_services_loaded(struct dp *dp)
{
	(void)sock_pool_sweep(dp->sock, is_wanted, dp, NULL);
	(void)dp_services_follow(dp);
}

void dp_services_fini(struct dp *dp)
{
	for (size_t i = 0; i < dp->services.count; i++)
		service_free(dp->services.items[i]);
	free(dp->services.items);
	dp->services = (struct tab){ 0 };
}

/* ---- add, del ------------------------------------------------------------ */

struct own_ctx {
	const struct dp *dp;
	const char *id;
};

static int own_check(void *ctx, const struct port_range *r, struct err *err)
{
	const struct own_ctx *own = ctx;
	int code = dp_publish_clash(own->dp, r, NULL, err);

	return code < 0 ? code : dp_service_clash(own->dp, r, own->id, err);
}

static void choose_number(const struct dp *dp, struct dp_service *svc)
{
	uint32_t number = svc->number;

	/* a record with a number that another has by now gets another */
	for (number = number ? number : 1;
	     is_wanted((void *)(uintptr_t)dp, 2 * number);)
		number++;
	svc->number = number;
}

static int new_service(struct dp *dp, struct dp_service *svc,
		       struct service **ret, struct err *err)
{
	_cleanup_(service_freep) struct service *s = calloc(1, sizeof(*s));
	_cleanup_(portmap_free) struct portmap ports = { 0 };
	struct own_ctx own = { dp, NULL };
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "balanced port");
	choose_number(dp, svc);
	s->svc = *svc;
	dp_service_id(svc, s->id);
	r = portmap_add(&ports, &svc->host_ip, svc->proto, svc->port, svc->port,
			svc->port, err);
	if (r < 0)
		return r;
	r = claim_take(&dp->host, &ports, own_check, &own, &s->claim, err);
	if (r < 0 && !dp->loading)
		return r;
	if (r < 0 && err)
		err->msg[0] = '\0'; /* dp_check() tells */
	r = step("dp.service.claimed", FAILPOINT("dp.service.claimed"), err);
	if (r < 0)
		return r;
	*ret = take_ptr(s);
	return 0;
}

/* While loading the maps are made at its end, but are to be told now. */
static int add_service(struct dp *dp, struct service *s, struct err *err)
{
	const struct port_range range = range_of(s);
	int r = tab_put(&dp->services, s);

	if (r < 0)
		return err_set(err, r, "balanced port %s", s->id);
	if (dp->loading) {
		r = sock_balance_add(dp->sock, &range, pool_of(s, false),
				     pool_of(s, true), err);
		s->open = r == 0;
	} else {
		r = open_service(dp, s, err);
	}
	if (r >= 0)
		r = step("dp.service.open", FAILPOINT("dp.service.open"), err);
	if (r >= 0)
		return 0;
	(void)tab_take(&dp->services, s->id); /* still the caller's */
	close_service(dp, s);
	return r;
}

/* The list of members is another one. */
static int replace(struct dp *dp, struct service *s, struct dp_service *svc,
		   struct err *err)
{
	struct dp_service before = s->svc;
	int r;

	svc->number = before.number;
	s->svc = *svc;
	r = dp->loading || !service_may_open(dp) ? 0 : open_service(dp, s, err);
	if (r >= 0)
		r = step("dp.service.replaced",
			 FAILPOINT("dp.service.replaced"), err);
	if (r >= 0)
		return 0;
	s->svc = before;
	(void)dp_services_follow(dp);
	return r;
}

int dp_service_add(struct dp *dp, struct dp_service *svc, struct err *err)
{
	DP_LOCKED(dp);
	_cleanup_(service_freep) struct service *s = NULL;
	char id[DP_SERVICE_ID_MAX];
	struct service *old = tab_find(&dp->services, dp_service_id(svc, id));
	int r = service_check(dp, svc, old ? &old->svc : NULL, err);

	if (r < 0)
		return r;
	if (old)
		return replace(dp, old, svc, err);
	r = new_service(dp, svc, &s, err);
	if (r == 0)
		r = add_service(dp, s, err);
	if (r == 0)
		s = NULL; /* the table's now */
	return r;
}

/* Flows to whomever, also to one that was taken off the list before. */
static void forget_flows(struct dp *dp, const struct service *s)
{
	const struct nat_filter filter = { .host = s->svc.host_ip,
					   .proto = s->svc.proto,
					   .first = s->svc.port,
					   .count = 1 };

	if (dp_fast_runs(dp))
		(void)nat_flow_forget(dp->fast.nat, &filter, 1, NULL);
}

int dp_service_del(struct dp *dp, const struct dp_service *svc, struct err *err)
{
	DP_LOCKED(dp);
	char id[DP_SERVICE_ID_MAX];
	struct service *s = tab_find(&dp->services, dp_service_id(svc, id));
	int r;

	if (!s)
		return 0;
	r = step("dp.service.del", FAILPOINT("dp.service.del"), err);
	if (r < 0)
		return r;
	(void)tab_take(&dp->services, id);
	close_service(dp, s);
	forget_flows(dp, s);
	service_free(s);
	/* what stays the next start removes */
	(void)dp_hooks_stop(dp, NULL);
	return 0;
}

void dp_service_leave(struct dp *dp, const char *endpoint)
{
	DP_LOCKED(dp);
	struct state_port *p = tab_find(&dp->st.ports, endpoint);

	if (!p)
		return;
	p->leaving = true;
	(void)dp_services_follow(dp);
}

void dp_services_on_link(struct dp *dp, const struct nlk_event *e)
{
	struct nlk_link link;

	for (size_t i = 0; dp->services.count && i < dp->st.ports.count; i++) {
		struct state_port *p = dp->st.ports.items[i];
		int r;

		if (!p->index || p->index != e->link.index)
			continue;
		/* leaving a bridge is told in the same words */
		r = nlk_link_get(dp->nlk, p->port.ifname, 0, &link, NULL);
		if (r != -ENODEV && (r < 0 || link.index == p->index))
			continue;
		p->leaving = true;
		dp->services_late = true;
	}
}

/* ---- looking ------------------------------------------------------------- */

int dp_service_each(struct dp *dp, dp_service_fn fn, void *ctx, struct err *err)
{
	DP_LOCKED(dp);
	_cleanup_free_ struct dp_member_state *members =
		calloc(SERVICE_LIVE_MAX, sizeof(*members));

	if (!members)
		return err_set(err, -ENOMEM, "balanced ports");
	for (size_t i = 0; i < dp->services.count; i++) {
		const struct service *s = dp->services.items[i];

		fn(ctx, &s->svc, members,
		   service_members(&dp->st, &s->svc, members));
	}
	return 0;
}

static int check_family(struct dp *dp, const struct service *s, bool v6,
			struct err *err)
{
	_cleanup_free_ struct sock_backend *table =
		calloc(SOCK_POOL_SLOTS, sizeof(*table));
	const struct service_live *l = &s->live[v6];

	if (!table)
		return err_set(err, -ENOMEM, "balanced port %s", s->id);
	if (l->count)
		service_table(l, table);
	return sock_pool_differs(dp->sock, pool_of(s, v6),
				 l->count ? table : NULL, err);
}

/* Return: 1: its maps are wrong; 0; -errno. */
static int check_maps(struct dp *dp, const struct service *s, struct err *err)
{
	int r = 0;

	if (!service_may_open(dp))
		return 0;
	if (!s->open)
		return 1;
	for (int v6 = 0; r == 0 && v6 < 2; v6++)
		if (has_family(s, v6))
			r = check_family(dp, s, v6, err);
	return r;
}

int dp_services_check(struct dp *dp, void (*fn)(void *ctx, const char *line),
		      void *ctx, struct err *err)
{
	char line[320];
	int n = 0;

	for (size_t i = 0; i < dp->services.count; i++) {
		const struct service *s = dp->services.items[i];
		int r = check_maps(dp, s, err);

		if (r < 0)
			return r;
		if (r > 0) {
			snprintf(line, sizeof(line),
				 "balanced port %s: its eBPF maps are not up "
				 "to date",
				 s->id);
			fn(ctx, line);
			n++;
		}
		if (service_may_open(dp) && dp->fast.ipsec) {
			snprintf(line, sizeof(line),
				 "balanced port %s: closed to all but this "
				 "host, as nftables balances "
				 "nothing: " DP_IPSEC_TEXT,
				 s->id);
			fn(ctx, line);
			n++;
		}
		if (!s->claim) {
			snprintf(line, sizeof(line),
				 "balanced port %s: another process took the "
				 "port while this daemon was away",
				 s->id);
			fn(ctx, line);
			n++;
		}
	}
	return n;
}
