// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The cluster's one thread: keeps the lease, tells what could not be told, lists what
 * others have, and waits for the watch to say that something changed.
 *
 * The watch is a hint: an event says which host to read again, what it says of that
 * host is not used.  etcd 3.4 loses events, so everything is listed again now and then,
 * and whenever the watch or etcd was away.
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "netplugins/overlay/cluster_priv.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 3000 /* all is well 5 s after it answers again */
#define REOPEN_MS      100  /* between two watches, when networks come and go */
#define TURN_MS        60000
#define FETCH_MAX      64 /* hosts of one network, of one look at the watch */

struct turn {
	struct cluster *c;
	struct etcd_watch *watch;             /* owned; NULL: none */
	unsigned int gen;                     /* of the networks it is of */
	size_t member;                        /* whom it is with */
	uint64_t opened_ms, tell_ms, list_ms; /* when; due from then on */
	struct backoff backoff;
	bool tell_more; /* at once, when all else had its turn */
	bool check_more;
};

/* What was told of: hosts of one network. */
struct rung {
	char net[CL_NAME_MAX];
	char nodes[FETCH_MAX][OV_NODE_MAX];
	size_t count;
};

static void watch_close(struct turn *t)
{
	etcd_watch_close(take_ptr(t->watch));
}

/* The keys of the networks here, owned; @fresh: only those never listed. */
static char (*net_keys(struct cluster *c, bool fresh,
		       size_t *count))[CL_NAME_MAX]
{
	char(*keys)[CL_NAME_MAX];
	size_t n = 0;

	pthread_mutex_lock(&c->lock);
	for (struct cl_net *net = c->nets; net; net = net->next)
		n++;
	keys = calloc(n + 1, sizeof(*keys));
	*count = 0;
	for (struct cl_net *net = c->nets; keys && net; net = net->next)
		if (!net->gone && (!fresh || !net->rev))
			memcpy(keys[(*count)++], net->key, sizeof(*keys));
	pthread_mutex_unlock(&c->lock);
	return keys;
}

/* When etcd is full, what others have goes on being read.  What needs a new lease then is
 * not asked for again at once. */
static int tell(struct turn *t, struct err *err)
{
	struct cluster *c = t->c;
	int r;

	if (clock_boot_ms() < t->tell_ms)
		return 0;
	r = cl_own_tell(c, err);
	t->tell_more = r == 1;
	if (r == -ENOSPC) {
		cl_write_begin(c);
		if (!c->lease)
			t->tell_ms =
				clock_boot_ms() + backoff_between(2000, 4000);
		cl_write_end(c);
	}
	return r == -ENOSPC || r == 1 ? 0 : r;
}

static int check(struct turn *t, struct err *err)
{
	int r = cl_own_check(t->c, err);

	t->check_more = r == 1;
	return r == 1 ? 0 : r;
}

/* Is etcd not to be asked of the next network either? */
static bool is_over(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT || r == -EACCES || r == -ESTALE;
}

/* One that can't be listed does not keep the others from it. */
static int list_nets(struct cluster *c, char (*keys)[CL_NAME_MAX], size_t count,
		     struct err *err)
{
	int r = 0, ret = 0;

	for (size_t i = 0; i < count && !is_over(r); i++) {
		r = cl_list(c, keys[i], err);
		if (r == 0)
			r = cl_lease_keep(c, err);
		if (r < 0)
			ret = r;
	}
	return ret;
}

static int list(struct turn *t, struct err *err)
{
	struct cluster *c = t->c;
	uint64_t now = clock_boot_ms(), s = (uint64_t)c->relist_s * 1000;
	_cleanup_free_ char(*keys)[CL_NAME_MAX] = NULL;
	size_t count;
	bool all;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	all = c->relist || now >= t->list_ms;
	c->relist = false;
	pthread_mutex_unlock(&c->lock);
	keys = net_keys(c, !all, &count);
	if (!keys)
		return err_set(err, -ENOMEM, "etcd");
	if (all || t->check_more)
		r = check(t, err);
	if (r == 0 && all)
		r = tell(t, err);
	if (r == 0)
		r = list_nets(c, keys, count, err);
	if (r == 0 && all)
		t->list_ms = now + backoff_between(s * 2 / 3, s * 4 / 3);
	if (r < 0) {
		pthread_mutex_lock(&c->lock);
		c->relist = c->relist || all;
		pthread_mutex_unlock(&c->lock);
	}
	return r;
}

/* Of all networks that were listed, from then on. */
static int watch_open(struct turn *t, struct err *err)
{
	struct cluster *c = t->c;
	_cleanup_free_ struct etcd_watch_range *ranges = NULL;
	_cleanup_free_ char(*keys)[2][CL_KEY_MAX] = NULL;
	size_t n = 0, all = 0;
	bool fresh = false;
	struct cl_net *net;

	pthread_mutex_lock(&c->lock);
	for (net = c->nets; net; net = net->next)
		all++;
	ranges = calloc(all + 1, sizeof(*ranges));
	keys = calloc(all + 1, sizeof(*keys));
	for (net = c->nets; ranges && keys && net; net = net->next) {
		if (!net->gone && !net->rev)
			fresh = true;
		if (net->gone || !net->rev)
			continue;
		cl_key(c, keys[n][0], "member/%s/", net->key);
		cl_key(c, keys[n][1], "member/%s0", net->key);
		ranges[n].key = keys[n][0];
		ranges[n].end = keys[n][1];
		ranges[n++].since = net->rev + 1;
	}
	t->gen = fresh ? c->gen - 1 : c->gen; /* once more, when it is listed */
	pthread_mutex_unlock(&c->lock);
	if (!ranges || !keys)
		return err_set(err, -ENOMEM, "etcd");
	t->opened_ms = clock_boot_ms();
	t->member = etcd_member(c->ro);
	return n ? etcd_watch_open(c->ro, ranges, n, &t->watch, err) : 0;
}

static int watch_have(struct turn *t, struct err *err)
{
	struct cluster *c = t->c;
	bool other;

	pthread_mutex_lock(&c->lock);
	other = t->gen != c->gen;
	pthread_mutex_unlock(&c->lock);
	if (!other && t->watch && t->member == etcd_member(c->ro))
		return 0;
	if (!other && !t->watch && t->opened_ms) /* there is no network */
		return 0;
	if (clock_boot_ms() < t->opened_ms + REOPEN_MS)
		return 0;
	watch_close(t);
	return watch_open(t, err);
}

/* Does it answer again?  Asked without ->write, for which requests would wait. */
static int probe(struct cluster *c, struct err *err)
{
	struct etcd_kvs kvs = { 0 };
	char key[CL_KEY_MAX];
	int r;

	cl_key(c, key, "node/%s/host", c->node);
	r = cl_range(c, c->ro, &(struct etcd_range){ .key = key }, &kvs, NULL,
		     err);
	etcd_kvs_clear(&kvs);
	return r;
}

static int round_once(struct turn *t, struct err *err)
{
	int r = 0;

	if (t->backoff.ms)
		r = probe(t->c, err);
	if (r == 0)
		r = cl_lease_keep(t->c, err);
	if (r == 0)
		r = tell(t, err);
	if (r == 0)
		r = list(t, err);
	if (r == 0)
		r = cl_flap_fetch(t->c, err);
	if (r == 0)
		r = watch_have(t, err);
	return r;
}

static void failed(struct turn *t, const struct err *err)
{
	char why[CL_WHY_MAX];

	if (!t->backoff.ms)
		log_warn("op=cluster state=away err=%s",
			 log_quote(why, sizeof(why), err->msg));
	backoff_failed(&t->backoff, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
	watch_close(t);
	t->opened_ms = 0;
	pthread_mutex_lock(&t->c->lock);
	t->c->gen++; /* so that it is opened again */
	t->c->relist = true;
	pthread_mutex_unlock(&t->c->lock);
}

static void round_do(struct turn *t)
{
	struct err err = { 0 };
	int r;

	if (backoff_left_ms(&t->backoff))
		return;
	r = round_once(t, &err);
	if (r < 0) {
		failed(t, &err);
		return;
	}
	if (backoff_well(&t->backoff))
		log_info("op=cluster state=answers");
}

/* "…member/NET/NODE"; is it news? */
static bool event_parse(struct cluster *c, const struct etcd_event *e,
			char net[static CL_NAME_MAX],
			char node[static OV_NODE_MAX])
{
	char prefix[CL_KEY_MAX];
	const char *s, *slash;
	bool news = false;
	struct cl_net *n;

	cl_key(c, prefix, "member/");
	if (strncmp(e->kv.key, prefix, strlen(prefix)) != 0)
		return false;
	s = e->kv.key + strlen(prefix);
	slash = strchr(s, '/');
	if (!slash || slash - s >= CL_NAME_MAX ||
	    strlen(slash + 1) >= OV_NODE_MAX ||
	    !cluster_word_valid(slash + 1) || !strcmp(slash + 1, c->node))
		return false;
	memcpy(net, s, (size_t)(slash - s));
	net[slash - s] = '\0';
	strcpy(node, slash + 1);
	pthread_mutex_lock(&c->lock);
	n = cl_net_by_key(c, net);
	if (n && !n->gone) {
		news = true;
		for (size_t i = 0; i < n->count; i++)
			if (!strcmp(n->peers[i].node, node))
				news = e->kv.mod_rev > n->peers[i].rev;
	}
	pthread_mutex_unlock(&c->lock);
	return news;
}

static int rung_do(struct cluster *c, struct rung *g, struct err *err)
{
	int r = g->count ? cl_fetch(c, g->net, g->nodes, g->count, err) : 0;

	g->count = 0;
	return r;
}

static int rung_add(struct cluster *c, struct rung *g, const char *net,
		    const char *node, struct err *err)
{
	int r = 0;

	if (cl_flap_hold(c, net, node))
		return 0;
	if (g->count == FETCH_MAX || (g->count && strcmp(g->net, net) != 0))
		r = rung_do(c, g, err);
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->nodes[i], node))
			return r;
	memcpy(g->net, net, sizeof(g->net));
	memcpy(g->nodes[g->count++], node, sizeof(g->nodes[0]));
	return r;
}

/* Return: <0: the watch is over. */
static int events_take(struct turn *t, unsigned int ms, struct rung *g,
		       struct err *err)
{
	char net[CL_NAME_MAX], node[OV_NODE_MAX];
	struct etcd_events got = { 0 };
	int r = etcd_watch_next(t->watch, t->c->wake, ms, &got, err);
	int have = r;

	for (size_t i = 0; r >= 0 && i < got.count; i++)
		if (event_parse(t->c, &got.v[i], net, node))
			r = rung_add(t->c, g, net, node, err);
	etcd_events_clear(&got);
	return r < 0 ? r : have;
}

static void wait_watch(struct turn *t, unsigned int ms)
{
	_cleanup_free_ struct rung *g = calloc(1, sizeof(*g));
	struct err err = { 0 };
	int r;

	if (!g)
		return;
	r = events_take(t, ms, g, &err);
	/* What came with it goes with it. */
	for (unsigned int i = 0; r > 0 && i < 256; i++)
		r = events_take(t, 0, g, &err);
	if (r >= 0)
		r = rung_do(t->c, g, &err);
	if (r < 0)
		failed(t, &err);
}

static unsigned int until(const struct turn *t)
{
	uint64_t now = clock_boot_ms(), next = now + TURN_MS;

	if (backoff_left_ms(&t->backoff))
		return backoff_left_ms(&t->backoff);
	if (t->tell_more || t->check_more)
		return 0;
	if (t->tell_ms > now && t->tell_ms < next)
		next = t->tell_ms;
	if (t->list_ms < next)
		next = t->list_ms;
	if (cl_flap_next(t->c) < next)
		next = cl_flap_next(t->c);
	if (cl_host_next(t->c, t->tell_ms) < next)
		next = cl_host_next(t->c, t->tell_ms);
	pthread_mutex_lock(&t->c->lock);
	if (t->c->keep_ms < next)
		next = t->c->keep_ms;
	if (t->gen != t->c->gen && t->opened_ms + REOPEN_MS < next)
		next = t->opened_ms + REOPEN_MS;
	pthread_mutex_unlock(&t->c->lock);
	return next > now ? (unsigned int)(next - now) : 0;
}

static void wait_turn(struct turn *t)
{
	struct pollfd p = { .fd = t->c->wake, .events = POLLIN };
	unsigned int ms = until(t);
	eventfd_t n;

	if (t->watch)
		wait_watch(t, ms);
	else
		poll(&p, 1, (int)ms);
	(void)eventfd_read(t->c->wake, &n);
}

static bool stopped(struct cluster *c)
{
	bool stop;

	pthread_mutex_lock(&c->lock);
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return stop;
}

void *cl_thread(void *arg)
{
	struct turn t = { .c = arg };

	while (!stopped(t.c)) {
		round_do(&t);
		wait_turn(&t);
	}
	watch_close(&t);
	return NULL;
}
