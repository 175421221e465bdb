/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The networks a daemon knows and who works on which. */
#include "netplugins/net_table.h"

#include <search.h>
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"

int net_table_init(struct net_table *t)
{
	*t = (struct net_table){ .last = &t->first };
	return -pthread_mutex_init(&t->lock, NULL);
}

struct net_slot *net_slot_of(struct net_endpoint *ep)
{
	return container_of(ep, struct net_slot, ep);
}

static int id_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The id as its owner has it in this tree; NULL: not there. */
static char *id_find(void *const *tree, const char *id)
{
	char *const *node = tfind(id, tree, id_cmp);

	return node ? *node : NULL;
}

int net_slot_claim(struct net_table *t, struct net_slot *s, struct err *err)
{
	char *const *node;
	int r = 0;

	pthread_mutex_lock(&t->lock);
	node = tsearch(s->ep.id, &t->slots, id_cmp);
	if (!node)
		r = err_set(err, -ENOMEM, "endpoint %.12s", s->ep.id);
	else if (*node != s->ep.id)
		r = err_set(err, -EEXIST,
			    "endpoint %.12s is there already, on network %.12s",
			    s->ep.id,
			    container_of(*node, struct net_slot, ep.id[0])
				    ->ep.network->id);
	else
		s->table = t;
	pthread_mutex_unlock(&t->lock);
	return r;
}

static void give_back(struct net_slot *s)
{
	struct net_table *t = s->table;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	tdelete(s->ep.id, &t->slots, id_cmp);
	pthread_mutex_unlock(&t->lock);
}

void net_slot_free(struct net_slot *s)
{
	if (!s)
		return;
	give_back(s);
	portmap_free(&s->ep.ports);
	portmap_free(&s->asked);
	json_object_put(s->options);
	free(s->ep.options);
	free(s);
}

struct net_slot *net_slot_find(struct net_network *net, const char *id)
{
	for (struct net_endpoint *ep = net->endpoints; ep; ep = ep->next)
		if (strcmp(ep->id, id) == 0)
			return net_slot_of(ep);
	return NULL;
}

void net_slot_link(struct net_network *net, struct net_slot *s)
{
	s->ep.network = net;
	s->ep.next = net->endpoints;
	net->endpoints = &s->ep;
}

void net_slot_unlink(struct net_network *net, struct net_slot *s)
{
	struct net_endpoint **at = &net->endpoints;

	while (*at && *at != &s->ep)
		at = &(*at)->next;
	if (*at)
		*at = s->ep.next;
	s->ep.next = NULL;
}

void net_network_free(struct net_network *net)
{
	if (!net)
		return;
	while (net->endpoints) {
		struct net_slot *s = net_slot_of(net->endpoints);

		net_slot_unlink(net, s);
		net_slot_free(s);
	}
	if (net->driver->network_fini)
		net->driver->network_fini(net);
	free(net->v4.aux);
	free(net->v6.aux);
	free(net);
}

static void entry_free(struct net_entry *e)
{
	net_network_free(e->net);
	free(e->request);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

void net_table_fini(struct net_table *t)
{
	while (t->first) {
		struct net_entry *e = t->first;

		t->first = e->next;
		tdelete(e->id, &t->by_id, id_cmp);
		entry_free(e);
	}
	pthread_mutex_destroy(&t->lock);
}

static struct net_entry *find(struct net_table *t, const char *id)
{
	char *own = id_find(&t->by_id, id);

	return own ? container_of(own, struct net_entry, id[0]) : NULL;
}

static struct net_entry *add(struct net_table *t, const char *id)
{
	struct net_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	snprintf(e->id, sizeof(e->id), "%s", id);
	/* the mutex cannot fail for default attributes on Linux */
	(void)pthread_mutex_init(&e->lock, NULL);
	if (!tsearch(e->id, &t->by_id, id_cmp)) {
		entry_free(e);
		return NULL;
	}
	e->refs = 1; /* the table's */
	e->prev = t->last;
	*t->last = e;
	t->last = &e->next;
	t->count++;
	return e;
}

static void put_ref(struct net_table *t, struct net_entry *e)
{
	bool last;

	pthread_mutex_lock(&t->lock);
	last = --e->refs == 0;
	pthread_mutex_unlock(&t->lock);
	if (last)
		entry_free(e);
}

/* Take a reference, then the lock: the order that cannot deadlock. */
static struct net_entry *find_ref(struct net_table *t, const char *id,
				  bool make, int *why)
{
	struct net_entry *e;

	pthread_mutex_lock(&t->lock);
	e = find(t, id);
	*why = -ENOENT;
	if (!e && make) {
		e = add(t, id);
		*why = -ENOMEM;
	}
	if (e)
		e->refs++;
	pthread_mutex_unlock(&t->lock);
	return e;
}

int net_table_get(struct net_table *t, const char *id, bool make,
		  struct net_hold *ret)
{
	for (;;) {
		bool unlinked;
		int why;
		struct net_entry *e = find_ref(t, id, make, &why);

		if (!e)
			return why;
		pthread_mutex_lock(&e->lock);
		/* While we waited it may have been deleted, or its maker may
		 * have failed. */
		if (!e->unlinked && (e->net || make)) {
			*ret = (struct net_hold){ .table = t, .entry = e };
			return 0;
		}
		unlinked = e->unlinked;
		pthread_mutex_unlock(&e->lock);
		put_ref(t, e);
		if (!unlinked)
			return -ENOENT;
	}
}

static void unlink_entry(struct net_table *t, struct net_entry *e)
{
	pthread_mutex_lock(&t->lock);
	tdelete(e->id, &t->by_id, id_cmp);
	*e->prev = e->next;
	if (e->next)
		e->next->prev = e->prev;
	else
		t->last = e->prev;
	t->count--;
	e->refs--; /* the holder has another */
	pthread_mutex_unlock(&t->lock);
	e->unlinked = true;
}

void net_hold_fini(struct net_hold *h)
{
	struct net_entry *e = take_ptr(h->entry);

	if (!e)
		return;
	if (!e->net && !e->unlinked)
		unlink_entry(h->table, e);
	pthread_mutex_unlock(&e->lock);
	put_ref(h->table, e);
}

/* All entries there are now, each with a reference; ended by NULL. */
static struct net_entry **snapshot(struct net_table *t)
{
	struct net_entry **list;
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	list = calloc(t->count + 1, sizeof(struct net_entry *));
	for (struct net_entry *e = t->first; list && e; e = e->next) {
		e->refs++;
		list[n++] = e;
	}
	pthread_mutex_unlock(&t->lock);
	return list;
}

int net_table_each(struct net_table *t,
		   int (*fn)(void *ctx, struct net_entry *e), void *ctx)
{
	_cleanup_free_ struct net_entry **list = snapshot(t);
	int r = 0;

	if (!list)
		return -ENOMEM;
	for (struct net_entry **at = list; *at; at++) {
		struct net_hold h = { .table = t, .entry = *at };

		pthread_mutex_lock(&h.entry->lock);
		if (r >= 0 && h.entry->net)
			r = fn(ctx, h.entry);
		/* Whoever is making it is waiting for its turn. */
		if (h.entry->net) {
			net_hold_fini(&h);
			continue;
		}
		pthread_mutex_unlock(&h.entry->lock);
		put_ref(t, h.entry);
	}
	return r < 0 ? r : 0;
}
