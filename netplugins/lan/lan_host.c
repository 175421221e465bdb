/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drivers' hold on the host: handles, events, what belongs to nobody. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "netplugins/lan/lan.h"

#define LOOK_MS 200 /* between two looks at the shims */

void lan_alias(const struct lan_kind *kind, const char *id,
	       char buf[static NLK_ALIAS_MAX])
{
	snprintf(buf, NLK_ALIAS_MAX, "berth:%s:%s", kind->driver, id);
}

/* ---- opening --------------------------------------------------------------- */

int lan_host_open(const struct lan_kind *kind, void **ret, struct err *err)
{
	struct lan_host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return err_set(err, -ENOMEM, "host");
	host->kind = kind;
	(void)pthread_mutex_init(&host->parent_lock, NULL);
	(void)pthread_mutex_init(&host->shim_lock, NULL);
	(void)pthread_mutex_init(&host->lock, NULL);
	r = nlk_open(&host->nlk, err);
	if (r == 0)
		r = nlk_open(&host->slow, err);
	if (r == 0)
		r = nlk_monitor_open(&host->monitor, err);
	if (r == 0 && kind->own_mac)
		r = fw_open(&host->fw, err);
	if (r < 0) {
		lan_host_close(host);
		return r;
	}
	*ret = host;
	return 0;
}

void lan_host_close(void *ctx)
{
	struct lan_host *host = ctx;

	while (host->seats) {
		struct lan_seat *s = host->seats;

		host->seats = s->next;
		free(s);
	}
	fw_close(host->fw);
	nlk_monitor_close(host->monitor);
	nlk_close(host->slow);
	nlk_close(host->nlk);
	pthread_mutex_destroy(&host->lock);
	pthread_mutex_destroy(&host->shim_lock);
	pthread_mutex_destroy(&host->parent_lock);
	free(host);
}

void lan_load_begin(void *ctx)
{
	struct lan_host *host = ctx;

	host->loading = true;
}

static void stir(struct lan_host *host)
{
	pthread_mutex_lock(&host->lock);
	host->stirred = true;
	pthread_mutex_unlock(&host->lock);
}

int lan_load_end(void *ctx, struct err *err)
{
	struct lan_host *host = ctx;
	int r;

	host->loading = false;
	r = lan_shim_sync_all(host, err);
	if (r < 0)
		stir(host);
	return r;
}

/* ---- events ---------------------------------------------------------------- */

size_t lan_fds(void *ctx, int fds[static 8])
{
	struct lan_host *host = ctx;

	fds[0] = nlk_monitor_fd(host->monitor);
	return 1;
}

/* The parent is there, with these values. */
static void see_link(struct lan_network *ln, const struct nlk_link *l)
{
	if (l->name[0])
		memcpy(ln->seen, l->name, sizeof(ln->seen));
	if (!l->mtu || l->mtu == ln->mtu)
		return;
	/* The kernel makes what is on it smaller, and never greater again. */
	ln->grown |= l->mtu > ln->mtu;
	ln->lost = true;
}

static bool is_awaited(const struct lan_network *ln, const char *name)
{
	return strcmp(name, ln->parent) == 0 ||
	       (ln->vlan && strcmp(name, ln->root) == 0);
}

static void look_again(struct lan_host *host, struct lan_network *ln)
{
	struct nlk_link link;

	if (nlk_link_get(host->nlk, NULL, ln->index, &link, NULL) == 0)
		see_link(ln, &link);
	else
		ln->lost = ln->gone = true;
}

static void tell_network(struct lan_host *host, struct lan_network *ln,
			 const struct nlk_event *e)
{
	bool own = ln->index && !ln->gone;

	if (e->type == NLK_LOST)
		look_again(host, ln);
	else if (e->type == NLK_LINK_NEW && own && e->link.index == ln->index)
		see_link(ln, &e->link);
	else if (e->type == NLK_LINK_NEW && !own &&
		 is_awaited(ln, e->link.name))
		ln->lost = true;
	else if (e->type == NLK_LINK_DEL && own && e->link.index == ln->index)
		ln->lost = ln->gone = true;
	else if ((e->type == NLK_ADDR_NEW || e->type == NLK_ADDR_DEL) && own &&
		 e->index == ln->index)
		host->stirred = true;
}

/* Its MTU may be another. */
static bool is_shim(const struct lan_host *host, const struct nlk_event *e)
{
	char prefix[NLK_ALIAS_MAX];

	lan_alias(host->kind, "shim:", prefix);
	return e->type == NLK_LINK_NEW &&
	       strncmp(e->link.alias, prefix, strlen(prefix)) == 0;
}

static void on_nlk_event(void *ctx, const struct nlk_event *e)
{
	struct lan_host *host = ctx;

	pthread_mutex_lock(&host->lock);
	/* the shims' own, or a route that leads to one */
	if (e->type == NLK_LINK_DEL || e->type == NLK_ROUTE_DEL ||
	    e->type == NLK_LOST || is_shim(host, e))
		host->stirred = true;
	for (struct lan_network *ln = host->networks; ln; ln = ln->next)
		tell_network(host, ln, e);
	pthread_mutex_unlock(&host->lock);
}

/* Something happened that shims may want: others may change routes all the time, and
 * looking reads them all, so not at once again.  What is left is seen in a second. */
static bool shims_are_due(struct lan_host *host)
{
	bool due;

	if (clock_mono_ms() - host->looked_ms < LOOK_MS)
		return false;
	pthread_mutex_lock(&host->lock);
	due = host->stirred;
	host->stirred = false;
	pthread_mutex_unlock(&host->lock);
	return due && lan_shim_any(host);
}

int lan_event(void *ctx, struct err *err)
{
	struct lan_host *host = ctx;
	uint32_t generation = host->generation;
	int r = nlk_monitor_read(host->monitor, on_nlk_event, host, err);

	if (r >= 0 && host->fw)
		r = fw_generation(host->fw, &generation, err);
	if (r < 0)
		return r;
	if (generation != host->generation)
		stir(host);
	host->generation = generation;
	if (!shims_are_due(host))
		return 0;
	r = lan_shim_sync_all(host, err);
	host->looked_ms = clock_mono_ms();
	if (r < 0)
		stir(host); /* again in a second */
	return r;
}

/* ---- check ------------------------------------------------------------------ */

struct report {
	void (*fn)(void *ctx, const char *line);
	void *ctx;
	int count;
};

static void report_line(struct report *rep, const char *line)
{
	rep->count++;
	rep->fn(rep->ctx, line);
}

/* Under host->lock. */
static void check_network(struct lan_host *host, const struct lan_network *ln,
			  struct report *rep)
{
	struct nlk_link link;
	char line[240];

	if (nlk_link_get(host->nlk, NULL, ln->index, &link, NULL) < 0)
		snprintf(line, sizeof(line),
			 "network %.12s: its parent %s is gone: %u endpoints "
			 "wait for one of that name",
			 ln->base.id, ln->parent,
			 lan_seat_count(host, ln->base.id));
	else if (strcmp(link.name, ln->parent) != 0)
		snprintf(line, sizeof(line),
			 "network %.12s: its parent %s is called %s now, and "
			 "will not be found when berth starts again: rename "
			 "it back, or make the network again",
			 ln->base.id, ln->parent, link.name);
	else if (!link.up)
		snprintf(line, sizeof(line),
			 "network %.12s: its parent %s is down: ip link set %s "
			 "up",
			 ln->base.id, ln->parent, ln->parent);
	else if (link.mtu < ln->opt.mtu)
		snprintf(line, sizeof(line),
			 "network %.12s: its parent %s carries %u bytes, its "
			 "containers are for %u: ip link set %s mtu %u",
			 ln->base.id, ln->parent, link.mtu, ln->opt.mtu,
			 ln->parent, ln->opt.mtu);
	else
		return;
	report_line(rep, line);
}

int lan_check(void *ctx, void (*fn)(void *ctx, const char *line), void *arg,
	      struct err *err)
{
	struct lan_host *host = ctx;
	struct report rep = { .fn = fn, .ctx = arg };

	(void)err;
	pthread_mutex_lock(&host->lock);
	for (const struct lan_network *ln = host->networks; ln; ln = ln->next)
		check_network(host, ln, &rep);
	pthread_mutex_unlock(&host->lock);
	return rep.count;
}

/* ---- gc ---------------------------------------------------------------------- */

/* Marked links, collected before any is judged: the judge takes locks. */
struct marked {
	const char *prefix;
	struct item {
		char name[IFNAMSIZ], alias[NLK_ALIAS_MAX];
	} * items; /* owned */
	size_t count, room;
};

static int collect(void *ctx, const struct nlk_link *l)
{
	struct marked *m = ctx;
	struct item *it;

	if (strncmp(l->alias, m->prefix, strlen(m->prefix)) != 0)
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
	memcpy(it->name, l->name, sizeof(it->name));
	memcpy(it->alias, l->alias, sizeof(it->alias));
	return 0;
}

/* "parent:eth0.10", "shim:eth0", an id, or "ID:again". */
static bool is_known(struct lan_host *host, const char *mark,
		     bool (*known)(void *ctx, const char *id), void *arg)
{
	char id[65];

	if (strncmp(mark, "parent:", 7) == 0)
		return lan_parent_used(host, mark + 7);
	if (strncmp(mark, "shim:", 5) == 0)
		return lan_shim_wanted(host, mark + 5);
	snprintf(id, sizeof(id), "%.*s", (int)strcspn(mark, ":"), mark);
	return known(arg, id);
}

static int gc_link(struct lan_host *host, const struct item *it, bool dry,
		   const char *mark, struct report *rep, struct err *err)
{
	char line[240];
	int r = dry ? 0 : nlk_link_del(host->slow, it->name, it->alias, err);

	if (r == -EPERM)
		return 0;
	if (r < 0)
		return r;
	snprintf(line, sizeof(line),
		 "link %s: belongs to %.12s, which is not on record", it->name,
		 mark);
	report_line(rep, line);
	return 0;
}

int lan_gc(void *ctx, bool dry, bool (*known)(void *ctx, const char *id),
	   void (*fn)(void *ctx, const char *line), void *arg, struct err *err)
{
	struct lan_host *host = ctx;
	struct report rep = { .fn = fn, .ctx = arg };
	char prefix[NLK_ALIAS_MAX];
	struct marked m = { .prefix = prefix };
	int r;

	lan_alias(host->kind, "", prefix);
	r = nlk_link_each(host->nlk, collect, &m, err);
	for (size_t i = 0; r == 0 && i < m.count; i++) {
		const char *mark = m.items[i].alias + strlen(prefix);

		if (!is_known(host, mark, known, arg))
			r = gc_link(host, &m.items[i], dry, mark, &rep, err);
	}
	free(m.items);
	if (r == 0 && !dry)
		r = lan_shim_gc(host, err);
	return r < 0 ? r : rep.count;
}
