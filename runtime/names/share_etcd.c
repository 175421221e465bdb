// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is asked of etcd for names.
 *
 * A network is read by its highest revision: what has a later one, and how many keys
 * there are.  Where that does not add up (a key is gone) all of it is read, in pages.
 */
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "runtime/names/share_priv.h"

#define PAGE 16 /* keys of SHARE_VALUE_MAX, in base64, are below 8 MiB */

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "names of the cluster");
}

int share_host_look(struct share *s, struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	char key[SHARE_KEY_MAX];
	int r;

	share_key(s, key, "node/%s/host", s->node);
	r = etcd_seen_range(&s->seen, s->etcd,
			    &(struct etcd_range){ .key = key }, &kvs, NULL,
			    err);
	if (r < 0)
		return r;
	s->lease = kvs.count ? kvs.v[0].lease : 0;
	etcd_kvs_clear(&kvs);
	pthread_mutex_lock(&s->lock);
	s->homeless = !s->lease;
	for (struct share_one *n = s->nets; n; n = n->next)
		if (n->lease != s->lease)
			n->due = true;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* ---- this host's ------------------------------------------------------------- */

int share_untell(struct share *s, const char *net, struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	struct etcd_result res = { 0 };
	char key[SHARE_KEY_MAX];
	int r;

	if (!t)
		return no_memory(err);
	share_key(s, key, "names/%s/%s", net, s->node);
	etcd_txn_del(t, key, NULL);
	r = FAILPOINT("share.untell");
	if (r < 0)
		err_set(err, r, "%s", key);
	else
		r = etcd_seen_txn(&s->seen, s->etcd, t, &res, err);
	etcd_result_clear(&res);
	return r;
}

/* Return: 1: it is told; 0: the lease is another by now. */
static int put(struct share *s, const struct share_one *n, const char *text,
	       struct err *err)
{
	_cleanup_(etcd_txn_freep) struct etcd_txn *t = etcd_txn_new();
	char host[SHARE_KEY_MAX], key[SHARE_KEY_MAX];
	struct etcd_result res = { 0 };
	int r;

	if (!t)
		return no_memory(err);
	share_key(s, host, "node/%s/host", s->node);
	share_key(s, key, "names/%s/%s", n->net.net, s->node);
	/* A second time it is the same text: no harm. */
	etcd_txn_if_lease(t, host, s->lease);
	etcd_txn_put(t, key, text, s->lease);
	r = FAILPOINT("share.put");
	if (r < 0)
		err_set(err, r, "%s", key);
	else
		r = etcd_seen_txn(&s->seen, s->etcd, t, &res, err);
	if (r == 0)
		r = res.done;
	etcd_result_clear(&res);
	return r;
}

int share_tell(struct share *s, struct share_one *n, struct err *err)
{
	_cleanup_free_ char *text = NULL;
	size_t left_out = 0;
	int r = 0;

	if (!s->lease)
		return 0;
	text = share_encode(s->names, &n->net, s->node, &left_out);
	if (!text)
		return no_memory(err);
	pthread_mutex_lock(&s->lock);
	n->left_out = left_out;
	pthread_mutex_unlock(&s->lock);
	if (n->told && n->lease == s->lease && !strcmp(n->told, text)) {
		n->due = false;
		return 0;
	}
	/* It may expire while this is done. */
	for (unsigned int i = 0; r == 0 && i < 3 && s->lease; i++) {
		r = put(s, n, text, err);
		if (r == 0 || r == -ENOENT)
			r = share_host_look(s, err);
	}
	if (r <= 0)
		return r;
	free(n->told);
	n->told = take_ptr(text);
	n->lease = s->lease;
	n->own = true;
	n->due = false;
	return 0;
}

static bool is_mine(struct share *s, const char *net)
{
	bool mine = false;

	pthread_mutex_lock(&s->lock);
	for (const struct share_one *n = s->nets; n; n = n->next)
		mine = mine || !strcmp(n->net.net, net);
	pthread_mutex_unlock(&s->lock);
	return mine;
}

/* The name of the first network from @from on; 0: there is none. */
static int next_net(struct share *s, const char *from, const char *end,
		    char net[static SHARE_KEY_MAX], struct err *err)
{
	struct etcd_range q = { .key = from, .end = end, .limit = 1 };
	struct etcd_kvs kvs = { 0 };
	char prefix[SHARE_KEY_MAX];
	size_t len = 0;
	int r = etcd_seen_range(&s->seen, s->etcd, &q, &kvs, NULL, err);

	if (r < 0)
		return r;
	share_key(s, prefix, "names/");
	if (kvs.count && !strncmp(kvs.v[0].key, prefix, strlen(prefix))) {
		const char *at = kvs.v[0].key + strlen(prefix);

		len = strcspn(at, "/");
		snprintf(net, SHARE_KEY_MAX, "%.*s", (int)len, at);
	}
	etcd_kvs_clear(&kvs);
	return len > 0 && len < NAMES_NET_MAX;
}

/* Is there a record of ours?  To ask is a read; to remove what is not there a write. */
static int has_own(struct share *s, const char *net, struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	char key[SHARE_KEY_MAX];
	int r;

	share_key(s, key, "names/%.71s/%s", net, s->node);
	r = etcd_seen_range(
		&s->seen, s->etcd,
		&(struct etcd_range){ .key = key, .count_only = true }, &kvs,
		NULL, err);
	if (r == 0)
		r = kvs.total > 0;
	etcd_kvs_clear(&kvs);
	return r;
}

/* Network by network: the names of all hosts of a cluster are much. */
int share_clean(struct share *s, struct err *err)
{
	char from[SHARE_KEY_MAX], end[SHARE_KEY_MAX], net[SHARE_KEY_MAX];
	int r;

	share_key(s, from, "names/");
	share_key(s, end, "names0");
	r = 0;
	while (share_step(s) && (r = next_net(s, from, end, net, err)) > 0) {
		if (!is_mine(s, net))
			r = has_own(s, net, err);
		else
			r = 0;
		if (r > 0)
			r = share_untell(s, net, err);
		if (r < 0)
			return r;
		share_key(s, from, "names/%.71s0", net);
	}
	return r;
}

/* ---- the others' --------------------------------------------------------------- */

static struct share_peer *peer_get(struct share_one *n, const char *node)
{
	_cleanup_free_ char *copy = NULL;
	struct share_peer *p;

	for (size_t i = 0; i < n->count; i++)
		if (!strcmp(n->peers[i].node, node))
			return &n->peers[i];
	copy = strdup(node);
	p = reallocarray(n->peers, n->count + 1, sizeof(*p));
	if (p)
		n->peers = p;
	if (!p || !copy)
		return NULL;
	p = &n->peers[n->count++];
	*p = (struct share_peer){ .node = take_ptr(copy) };
	return p;
}

static int take(struct share *s, struct share_one *n, const struct etcd_kv *kv,
		const char *prefix, bool *changed, struct err *err)
{
	const char *node = kv->key + strlen(prefix);
	struct share_peer *p;

	if (kv->mod_rev > n->rev)
		n->rev = kv->mod_rev;
	if (!strcmp(node, s->node)) {
		/* of an earlier life: it stays if it is true */
		n->own = n->due = true;
		n->lease = kv->lease;
		free(n->told);
		n->told = strdup(kv->value);
		return n->told ? 0 : no_memory(err);
	}
	p = peer_get(n, node);
	if (!p)
		return no_memory(err);
	p->seen = true;
	if (p->mod == kv->mod_rev)
		return 0;
	/* its key is counted all the same */
	if (p >= n->peers + SHARE_HOSTS_MAX)
		return 0;
	*changed = true;
	if (share_decode(kv->value, kv->value_len, &n->net, p) < 0)
		return no_memory(err);
	p->mod = kv->mod_rev;
	return 0;
}

struct page {
	char prefix[SHARE_KEY_MAX], end[SHARE_KEY_MAX];
	char from[2 * SHARE_KEY_MAX];
	int64_t min_mod, limit;
	uint64_t total; /* of the first page: of all */
};

/* Return: 1: there is more. */
static int page_read(struct share *s, struct share_one *n, struct page *p,
		     bool first, bool *changed, struct err *err)
{
	struct etcd_range q = {
		.key = p->from,
		.end = p->end,
		.limit = p->limit,
		.min_mod = p->min_mod,
	};
	struct etcd_kvs kvs = { 0 };
	int r = etcd_seen_range(&s->seen, s->etcd, &q, &kvs, NULL, err);

	if (r == -EMSGSIZE && p->limit > 1) { /* who writes as much as that? */
		p->limit = 1;
		return page_read(s, n, p, first, changed, err);
	}
	if (r < 0)
		return r;
	if (first)
		p->total = kvs.total;
	for (size_t i = 0; r == 0 && i < kvs.count; i++)
		if (!strncmp(kvs.v[i].key, p->prefix, strlen(p->prefix)))
			r = take(s, n, &kvs.v[i], p->prefix, changed, err);
	if (r == 0 && kvs.more && kvs.count &&
	    strlen(kvs.v[kvs.count - 1].key) < SHARE_KEY_MAX) {
		snprintf(p->from, sizeof(p->from), "%s\x01",
			 kvs.v[kvs.count - 1].key);
		r = 1;
	}
	etcd_kvs_clear(&kvs);
	return r;
}

static int read_from(struct share *s, struct share_one *n, int64_t min_mod,
		     uint64_t *total, bool *changed, struct err *err)
{
	struct page p = { .min_mod = min_mod, .limit = PAGE };
	bool first = true;
	int r;

	share_key(s, p.prefix, "names/%s/", n->net.net);
	share_key(s, p.end, "names/%s0", n->net.net);
	memcpy(p.from, p.prefix, sizeof(p.prefix));
	do {
		r = page_read(s, n, &p, first, changed, err);
		first = false;
	} while (r > 0);
	*total = p.total;
	return r;
}

static int read_all(struct share *s, struct share_one *n, bool *changed,
		    struct err *err)
{
	uint64_t total;
	size_t kept = 0;
	int r;

	for (size_t i = 0; i < n->count; i++)
		n->peers[i].seen = false;
	n->own = false;
	r = read_from(s, n, 0, &total, changed, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n->count; i++) {
		if (n->peers[i].seen) {
			n->peers[kept++] = n->peers[i];
			continue;
		}
		*changed = true;
		free(n->peers[i].node);
		free(n->peers[i].recs);
	}
	n->count = kept;
	if (!n->own) {
		free(take_ptr(n->told));
		n->due = true;
	}
	return 0;
}

static void count_wrong(struct share *s, struct share_one *n)
{
	size_t refused = 0, bad = 0;

	for (size_t i = 0; i < n->count; i++) {
		refused += n->peers[i].refused;
		bad += n->peers[i].bad;
	}
	pthread_mutex_lock(&s->lock);
	n->refused = refused;
	n->bad = bad;
	n->hosts = n->count;
	pthread_mutex_unlock(&s->lock);
}

static int publish(struct share *s, struct share_one *n, struct err *err)
{
	_cleanup_free_ struct name_record *recs = NULL;
	size_t count = 0, at = 0;

	for (size_t i = 0; i < n->count; i++)
		count += n->peers[i].count;
	recs = calloc(count + 1, sizeof(*recs));
	if (!recs)
		return no_memory(err);
	for (size_t i = 0; i < n->count; i++) {
		const struct share_peer *p = &n->peers[i];

		if (p->count)
			memcpy(&recs[at], p->recs, p->count * sizeof(*recs));
		at += p->count;
	}
	count_wrong(s, n);
	return names_set(s->names, NAMES_HOSTS, n->net.net, recs, count, err);
}

int share_fetch(struct share *s, struct share_one *n, struct err *err)
{
	bool changed = n->rev == 0 || n->unsaid;
	uint64_t total = 0;
	int r = 0, said;

	if (n->rev)
		r = read_from(s, n, n->rev + 1, &total, &changed, err);
	if (r == 0 && (!n->rev || total != share_known(n)))
		r = read_all(s, n, &changed, err);
	/* what was read is true, whatever was not */
	said = changed ? publish(s, n, r < 0 ? NULL : err) : 0;
	n->unsaid = said < 0;
	return r < 0 ? r : said;
}
