// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of names.
 *
 * A lock that readers share guards only pointers: what they lead to is never changed
 * (names_priv.h).  A writer builds the new part first and takes the lock for the
 * exchange; the old one is freed after, when no reader that came before is left.
 */
#include "runtime/names/names_priv.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#define NETS_MAX 65536 /* far more than a host has; bounds who tells */

struct net {
	char key[NAMES_NET_MAX];
	struct names_part *parts[NAMES_SOURCES]; /* NULL: nothing told */
};

struct names {
	pthread_rwlock_t lock;
	struct net **nets; /* sorted by key */
	size_t count;
};

int names_new(struct names **ret, struct err *err)
{
	struct names *n = calloc(1, sizeof(*n));

	if (!n)
		return err_set(err, -ENOMEM, "no memory for names");
	pthread_rwlock_init(&n->lock, NULL);
	*ret = n;
	return 0;
}

static void net_free(struct net *net)
{
	for (int i = 0; net && i < NAMES_SOURCES; i++)
		names_part_free(net->parts[i]);
	free(net);
}
DEFINE_CLEANUP(struct net, net_free)

void names_free(struct names *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++)
		net_free(n->nets[i]);
	free(n->nets);
	pthread_rwlock_destroy(&n->lock);
	free(n);
}

/* Where @key is, or would be. */
static size_t place(const struct names *n, const char *key, bool *ret_there)
{
	size_t low = 0, high = n->count, mid;
	int c;

	while (low < high) {
		mid = low + (high - low) / 2;
		c = strcmp(n->nets[mid]->key, key);
		if (c == 0) {
			*ret_there = true;
			return mid;
		}
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_there = false;
	return low;
}

static const struct net *net_find(const struct names *n, const char *key)
{
	bool there;
	size_t i = place(n, key, &there);

	return there ? n->nets[i] : NULL;
}

static bool net_empty(const struct net *net)
{
	for (int i = 0; i < NAMES_SOURCES; i++)
		if (net->parts[i])
			return false;
	return true;
}

static int net_insert(struct names *n, size_t at, const char *key,
		      struct err *err)
{
	struct net **nets, *net;

	if (n->count >= NETS_MAX)
		return err_set(err, -ENOSPC, "names of %d networks are known",
			       NETS_MAX);
	nets = realloc(n->nets, (n->count + 1) * sizeof(*nets));
	if (!nets)
		return -ENOMEM;
	n->nets = nets;
	net = calloc(1, sizeof(*net));
	if (!net)
		return -ENOMEM;
	memcpy(net->key, key, strlen(key) + 1);
	memmove(&nets[at + 1], &nets[at], (n->count - at) * sizeof(*nets));
	nets[at] = net;
	n->count++;
	return 0;
}

/* Put @part in its place; @part is then what was there. */
static int exchange_locked(struct names *n, enum names_source source,
			   const char *key, struct names_part **part,
			   struct net **ret_gone, struct err *err)
{
	struct names_part *was;
	bool there;
	size_t at = place(n, key, &there);
	int r;

	if (!there) {
		if (!*part)
			return 0;
		r = net_insert(n, at, key, err);
		if (r < 0)
			return r;
	}
	was = n->nets[at]->parts[source];
	n->nets[at]->parts[source] = *part;
	*part = was;
	if (net_empty(n->nets[at])) {
		*ret_gone = n->nets[at];
		n->count--;
		memmove(&n->nets[at], &n->nets[at + 1],
			(n->count - at) * sizeof(*n->nets));
	}
	return 0;
}

int names_set(struct names *n, enum names_source source, const char *net,
	      const struct name_record *recs, size_t count, struct err *err)
{
	_cleanup_(names_part_freep) struct names_part *part = NULL;
	_cleanup_(net_freep) struct net *gone = NULL;
	int r;

	if (!*net || strlen(net) >= NAMES_NET_MAX)
		return err_set(err, -EINVAL, "\"%s\" can't be a network's name",
			       net);
	r = names_part_new(recs, count, &part, err);
	if (r < 0)
		return err_wrap(err, r, "network %s", net);
	pthread_rwlock_wrlock(&n->lock);
	r = exchange_locked(n, source, net, &part, &gone, err);
	pthread_rwlock_unlock(&n->lock);
	return r == -ENOMEM ? err_set(err, r, "network %s: no memory", net) : r;
}

/* ---- look-ups ----------------------------------------------------------- */

static bool among(const struct ip_addr *list, size_t count,
		  const struct ip_addr *a)
{
	for (size_t i = 0; i < count; i++)
		if (ip_equal(&list[i], a))
			return true;
	return false;
}

/* Two sources may tell the same: this host's endpoints come back from the cluster. */
static int collect(const struct net *net, const char *name, int family,
		   struct ip_addr *ret, size_t max)
{
	const struct part_rec *rec;
	size_t n, got = 0;
	int r = -ENOENT;

	for (int s = 0; s < NAMES_SOURCES; s++) {
		rec = names_part_find(net->parts[s], name, &n);
		for (size_t i = 0; rec && i < n; i++) {
			if (r < 0)
				r = 0;
			if (rec[i].addr.family != family ||
			    among(ret, got, &rec[i].addr))
				continue;
			if (got < max)
				ret[got++] = rec[i].addr;
			r++;
		}
	}
	return r;
}

int names_find(struct names *n, const char *net, const char *name, int family,
	       struct ip_addr *ret, size_t max)
{
	const struct net *of;
	int r;

	pthread_rwlock_rdlock(&n->lock);
	of = net_find(n, net);
	r = of ? collect(of, name, family, ret, max) : -ENOENT;
	pthread_rwlock_unlock(&n->lock);
	return r;
}

int names_reverse(struct names *n, const char *net, const struct ip_addr *addr,
		  char ret[static NAMES_NAME_MAX])
{
	const char *name = NULL;
	const struct net *of;

	pthread_rwlock_rdlock(&n->lock);
	of = net_find(n, net);
	for (int s = 0; of && !name && s < NAMES_SOURCES; s++)
		name = names_part_reverse(of->parts[s], addr);
	if (name)
		memcpy(ret, name, strlen(name) + 1);
	pthread_rwlock_unlock(&n->lock);
	return name ? 0 : -ENOENT;
}

/* ---- listing ------------------------------------------------------------ */

/* Of those that come next in each part the first by name. */
static int next_of(const struct net *net, const size_t at[NAMES_SOURCES])
{
	const struct part_rec *best = NULL, *rec;
	int ret = -1;

	for (int s = 0; s < NAMES_SOURCES; s++) {
		if (!net->parts[s] || at[s] >= net->parts[s]->count)
			continue;
		rec = &net->parts[s]->recs[at[s]];
		if (best && strcasecmp(best->name, rec->name) <= 0)
			continue;
		best = rec;
		ret = s;
	}
	return ret;
}

static int each_of(const struct net *net,
		   int (*fn)(void *arg, enum names_source source,
			     const struct name_record *rec),
		   void *arg)
{
	size_t at[NAMES_SOURCES] = { 0 };
	const struct part_rec *rec;
	struct name_record out;
	int s, r = 0;

	while (r == 0 && (s = next_of(net, at)) >= 0) {
		rec = &net->parts[s]->recs[at[s]++];
		out = (struct name_record){ .addr = rec->addr,
					    .ptr = rec->ptr };
		memcpy(out.name, rec->name, strlen(rec->name) + 1);
		r = fn(arg, (enum names_source)s, &out);
	}
	return r;
}

int names_each(struct names *n, const char *net,
	       int (*fn)(void *arg, enum names_source source,
			 const struct name_record *rec),
	       void *arg)
{
	const struct net *of;
	int r;

	pthread_rwlock_rdlock(&n->lock);
	of = net_find(n, net);
	r = of ? each_of(of, fn, arg) : 0;
	pthread_rwlock_unlock(&n->lock);
	return r;
}

int names_nets(struct names *n, char (**ret)[NAMES_NET_MAX], size_t *ret_count)
{
	char(*list)[NAMES_NET_MAX];

	pthread_rwlock_rdlock(&n->lock);
	list = calloc(n->count + 1, sizeof(*list));
	*ret_count = list ? n->count : 0;
	for (size_t i = 0; i < *ret_count; i++)
		memcpy(list[i], n->nets[i]->key, sizeof(*list));
	pthread_rwlock_unlock(&n->lock);
	*ret = list;
	return list ? 0 : -ENOMEM;
}
