/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The driver's hold on the host: handles, events, what belongs to nobody. */
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/netns.h"
#include "netplugins/bridge/bridge.h"

void bridge_alias(const struct bridge_kind *kind, const char *id,
		  char buf[static NLK_ALIAS_MAX])
{
	snprintf(buf, NLK_ALIAS_MAX, "berth:%s:%s", kind->driver, id);
}

/* ---- opening --------------------------------------------------------------- */

static int open_parts(struct bridge_host *host, const struct plugd *d,
		      struct err *err)
{
	const struct dp_config cfg = {
		.driver = host->kind->driver,
		.bpf_dir = d->dirs.bpf_dir,
		.cgroup = d->dirs.cgroup,
		.masq_first = host->cfg.masq_first,
		.masq_last = host->cfg.masq_last,
		.flow_table = host->cfg.flow_table,
		.conntrack_auto = host->cfg.conntrack_auto,
	};
	int r = nlk_open(&host->nlk, err);

	if (r == 0)
		r = nlk_open(&host->slow, err);
	if (r == 0)
		r = nlk_monitor_open(&host->monitor, err);
	if (r == 0)
		r = dp_open(&cfg, &host->dp, err);
	if (r == 0) {
		host->announce_fd = bridge_announce_open(err);
		r = host->announce_fd < 0 ? host->announce_fd : 0;
	}
	if (r == 0)
		r = bridge_reaper_open(host, &host->reaper, err);
	return r;
}

int bridge_host_open(const struct plugd *d, const struct bridge_kind *kind,
		     const struct bridge_config *cfg,
		     const struct net_memo *memo, void **ret, struct err *err)
{
	struct bridge_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return err_set(err, -ENOMEM, "host");
	host->kind = kind;
	host->memo = memo;
	if (cfg)
		host->cfg = *cfg;
	host->announce_fd = -EBADF;
	(void)pthread_mutex_init(&host->lock, NULL);
	(void)pthread_mutex_init(&host->forward_lock, NULL);
	r = open_parts(host, d, err);
	if (r < 0) {
		bridge_host_close(host);
		return r;
	}
	*ret = host;
	return 0;
}

void bridge_host_close(void *ctx)
{
	struct bridge_host *host = ctx;

	bridge_reaper_close(host->reaper);
	if (host->announce_fd >= 0)
		close(host->announce_fd);
	dp_close(host->dp);
	nlk_monitor_close(host->monitor);
	nlk_close(host->slow);
	nlk_close(host->nlk);
	pthread_mutex_destroy(&host->lock);
	pthread_mutex_destroy(&host->forward_lock);
	free(host);
}

void bridge_load_begin(void *ctx)
{
	struct bridge_host *host = ctx;

	host->loading = true;
	dp_load_begin(host->dp);
}

int bridge_load_end(void *ctx, struct err *err)
{
	struct bridge_host *host = ctx;
	int r, forward;

	/* The guard comes with the rules: what an earlier life turned on is
	 * never without it. */
	forward = bridge_forward_guard(host, err);
	r = dp_load_end(host->dp, err);
	host->loading = false;
	if (forward == 0)
		forward = bridge_forward_load(host, r < 0 ? NULL : err);
	return r < 0 ? r : forward;
}

/* ---- events ---------------------------------------------------------------- */

size_t bridge_fds(void *ctx, int fds[static 8])
{
	struct bridge_host *host = ctx;
	size_t n = dp_fds(host->dp, fds);

	fds[n] = nlk_monitor_fd(host->monitor);
	return n + 1;
}

static bool is_own_addr(const struct bridge_network *br,
			const struct ip_prefix *p)
{
	return ip_equal(&p->addr, &br->base.v4.gateway.addr) ||
	       ip_equal(&p->addr, &br->base.v6.gateway.addr);
}

static bool is_there(struct bridge_host *host, const struct bridge_network *br)
{
	struct nlk_link link;

	return nlk_link_get(host->nlk, br->name, 0, &link, NULL) == 0 &&
	       link.index == br->index;
}

static void on_nlk_event(void *ctx, const struct nlk_event *e)
{
	struct bridge_host *host = ctx;

	pthread_mutex_lock(&host->lock);
	for (struct bridge_network *br = host->networks; br; br = br->next) {
		if (!br->index)
			continue;
		if (e->type == NLK_LINK_DEL && e->link.index == br->index)
			br->lost = true;
		else if (e->type == NLK_ADDR_DEL && e->index == br->index &&
			 is_own_addr(br, &e->addr))
			br->lost = true;
		else if (e->type == NLK_LOST && !is_there(host, br))
			br->lost = true;
	}
	pthread_mutex_unlock(&host->lock);
}

int bridge_event(void *ctx, struct err *err)
{
	struct bridge_host *host = ctx;
	int r = nlk_monitor_read(host->monitor, on_nlk_event, host, err);
	int forward, repaired;

	/* What fails in one part must not keep the others from being mended;
	 * the first error is told. */
	forward = bridge_forward_follow(host, r < 0 ? NULL : err);
	if (r >= 0)
		r = forward;
	repaired = dp_event(host->dp, r < 0 ? NULL : err);
	return r < 0 ? r : repaired;
}

/* ---- check ------------------------------------------------------------------ */

struct report {
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int count;
};

static void report_line(void *ctx, const char *line)
{
	struct report *rep = ctx;

	rep->count++;
	rep->fn(rep->ctx, line);
}

static void check_network(struct bridge_host *host,
			  const struct bridge_network *br, struct report *rep)
{
	struct nlk_link link;
	char line[160];

	if (nlk_link_get(host->nlk, br->name, 0, &link, NULL) < 0)
		snprintf(line, sizeof(line),
			 "network %.12s: its bridge %s is gone", br->base.id,
			 br->name);
	else if (!link.up)
		snprintf(line, sizeof(line),
			 "network %.12s: its bridge %s is down: ip link set %s "
			 "up",
			 br->base.id, br->name, br->name);
	else
		return;
	report_line(rep, line);
}

int bridge_check(void *ctx, void (*fn)(void *ctx, const char *line), void *arg,
		 struct err *err)
{
	struct bridge_host *host = ctx;
	struct report rep = { .fn = fn, .ctx = arg };
	int r = dp_check(host->dp, report_line, &rep, err);

	if (r >= 0)
		r = bridge_overlap_report(host, report_line, &rep, err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&host->lock);
	for (const struct bridge_network *br = host->networks; br;
	     br = br->next)
		check_network(host, br, &rep);
	pthread_mutex_unlock(&host->lock);
	bridge_forward_check(host, report_line, &rep);
	return rep.count;
}

int bridge_counters(void *ctx,
		    void (*fn)(void *ctx, const char *name, uint64_t value),
		    void *arg, struct err *err)
{
	struct bridge_host *host = ctx;

	return dp_counts(host->dp, fn, arg, err);
}

int bridge_port_stats(struct net_endpoint *ep, const struct port_range *range,
		      struct dp_stats *ret, struct err *err)
{
	struct bridge_host *host = ep->network->host;

	return dp_port_stats(host->dp, ep->id, range, ret, err);
}

int bridge_endpoint_stats(struct net_endpoint *ep, struct dp_stats *ret,
			  struct err *err)
{
	struct bridge_host *host = ep->network->host;

	return dp_endpoint_stats(host->dp, ep->id, ret, err);
}

int bridge_trace(void *ctx, unsigned int wait_ms, size_t max,
		 void (*fn)(void *ctx, const struct trace_drop *d), void *arg,
		 uint64_t *ret_lost, struct err *err)
{
	struct bridge_host *host = ctx;

	return dp_trace(host->dp, wait_ms, max, fn, arg, ret_lost, err);
}

/* ---- gc ---------------------------------------------------------------------- */

/* Marked links, collected before any is judged: the judge takes locks. */
struct marked {
	char prefix[64]; /* of our aliases */
	struct item {
		char name[IFNAMSIZ], id[65];
	} * items; /* owned */
	size_t count, room;
};

static int collect(void *ctx, const struct nlk_link *l)
{
	struct marked *m = ctx;
	const char *id = l->alias + strlen(m->prefix);
	struct item *it;

	if (strncmp(l->alias, m->prefix, strlen(m->prefix)) != 0 ||
	    strcmp(id, DP_LINK_ID) == 0)
		return 0;
	if (m->count == m->room) {
		size_t room = m->room ? m->room * 2 : 64;
		struct item *items =
			reallocarray(m->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		m->items = items;
		m->room = room;
	}
	it = &m->items[m->count++];
	snprintf(it->name, sizeof(it->name), "%s", l->name);
	snprintf(it->id, sizeof(it->id), "%s", id);
	return 0;
}

static int gc_link(struct bridge_host *host, const struct item *it, bool dry,
		   struct report *rep, struct err *err)
{
	char alias[NLK_ALIAS_MAX], line[160];
	struct nlk_link link;
	int r;

	/* The other end of a pair that is gone by now. */
	if (!dry &&
	    nlk_link_get(host->nlk, it->name, 0, &link, NULL) == -ENODEV)
		return 0;
	bridge_alias(host->kind, it->id, alias);
	r = dry ? 0 : nlk_link_del(host->slow, it->name, alias, err);
	if (r == -EPERM)
		return 0;
	if (r < 0)
		return r;
	snprintf(line, sizeof(line),
		 "link %s: belongs to %.12s, which is not on "
		 "record",
		 it->name, it->id);
	report_line(rep, line);
	return 0;
}

int bridge_gc(void *ctx, bool dry, bool (*known)(void *ctx, const char *id),
	      void (*fn)(void *ctx, const char *line), void *arg,
	      struct err *err)
{
	struct bridge_host *host = ctx;
	struct report rep = { .fn = fn, .ctx = arg };
	struct marked m = { 0 };
	int r;

	snprintf(m.prefix, sizeof(m.prefix), "berth:%s:", host->kind->driver);
	bridge_reaper_flush(host->reaper);
	r = nlk_link_each(host->nlk, collect, &m, err);
	for (size_t i = 0; r == 0 && i < m.count; i++)
		if (!known(arg, m.items[i].id))
			r = gc_link(host, &m.items[i], dry, &rep, err);
	free(m.items);
	return r < 0 ? r : rep.count;
}
