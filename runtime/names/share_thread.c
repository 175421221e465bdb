// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The one thread of share: tells what is due, reads what others say, and waits for the
 * watch to say that something changed.
 *
 * The watch is a hint: an event says which network to read again.  etcd 3.4 loses events,
 * so all is read again now and then, and whenever the watch or etcd was away.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "runtime/names/share_priv.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 4000
#define PAUSE_MS       100 /* between two tellings: what comes together goes so */
#define TURN_MS        60000

struct turn {
	struct share *s;
	struct etcd_watch *watch; /* owned; NULL: none */
	unsigned int gen;         /* of the networks it is of */
	size_t member;            /* whom it is with */
	uint64_t list_ms, tell_ms;
	struct backoff backoff;
};

static void failed(struct turn *t, const struct err *err)
{
	char why[256];

	if (!t->backoff.ms)
		log_warn("op=names.cluster state=away err=%s",
			 log_quote(why, sizeof(why), err->msg));
	backoff_failed(&t->backoff, BACKOFF_MIN_MS, BACKOFF_MAX_MS);
	etcd_watch_close(take_ptr(t->watch));
	t->list_ms = 0;
}

static bool stopped(struct share *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

bool share_step(struct share *s)
{
	etcd_limit(s->etcd, s->limit_ms);
	return !stopped(s);
}

/* ---- networks ------------------------------------------------------------------ */

/* One that is left is taken back first: it may be there again, anew. */
static int settle_gone(struct share *s, struct err *err)
{
	struct share_one **at = &s->nets, *n;
	int r = 0;

	while (share_step(s)) {
		pthread_mutex_lock(&s->lock);
		for (at = &s->nets; (n = *at) && !n->gone; at = &n->next)
			;
		pthread_mutex_unlock(&s->lock);
		if (!n)
			return 0;
		r = share_untell(s, n->net.net, err);
		if (r < 0)
			return r;
		r = names_set(s->names, NAMES_HOSTS, n->net.net, NULL, 0, err);
		if (r < 0)
			return r;
		pthread_mutex_lock(&s->lock);
		for (at = &s->nets; *at != n; at = &(*at)->next)
			;
		*at = n->next;
		/* what was read since of one that is back went with it */
		for (struct share_one *o = s->nets; o; o = o->next)
			if (!strcmp(o->net.net, n->net.net))
				o->unsaid = o->dirty = true;
		pthread_mutex_unlock(&s->lock);
		share_one_free(n);
	}
	return 0;
}

/* Networks are put at the head by others, and freed by this thread alone. */
static struct share_one *first(struct share *s)
{
	struct share_one *n;

	pthread_mutex_lock(&s->lock);
	n = s->nets;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static int tell(struct turn *t, struct err *err)
{
	struct share *s = t->s;
	bool kicked, ready;
	int r = 0;

	if (clock_boot_ms() < t->tell_ms)
		return 0;
	pthread_mutex_lock(&s->lock);
	kicked = s->kicked;
	ready = s->ready;
	if (ready)
		s->kicked = false;
	pthread_mutex_unlock(&s->lock);
	if (!ready)
		return 0;
	for (struct share_one *n = first(s); n; n = n->next) {
		n->due = n->due || kicked;
		if (r == 0 && n->due && share_step(s))
			r = share_tell(s, n, err);
	}
	t->tell_ms = clock_boot_ms() + PAUSE_MS;
	return r;
}

static int list(struct turn *t, struct err *err)
{
	uint64_t ms = (uint64_t)t->s->relist_s * 1000;
	bool all = clock_boot_ms() >= t->list_ms;
	int r = 0;

	for (struct share_one *n = first(t->s); r == 0 && n; n = n->next) {
		if (!all && !n->dirty)
			continue;
		if (!share_step(t->s))
			return 0;
		r = share_fetch(t->s, n, err);
		if (r == 0)
			n->dirty = false;
	}
	if (r == 0 && all)
		t->list_ms = clock_boot_ms() +
			     backoff_between(ms * 2 / 3, ms * 4 / 3);
	return r;
}

/* ---- the watch ------------------------------------------------------------------ */

static int watch_open(struct turn *t, struct err *err)
{
	struct share *s = t->s;
	_cleanup_free_ struct etcd_watch_range *ranges = NULL;
	_cleanup_free_ char(*keys)[2][SHARE_KEY_MAX] = NULL;
	char host[SHARE_KEY_MAX];
	size_t n = 0, all = 1;
	int64_t since;
	int r;

	pthread_mutex_lock(&s->seen.lock);
	since = s->seen.revision + 1;
	pthread_mutex_unlock(&s->seen.lock);
	pthread_mutex_lock(&s->lock);
	for (struct share_one *o = s->nets; o; o = o->next)
		all++;
	ranges = calloc(all, sizeof(*ranges));
	keys = calloc(all, sizeof(*keys));
	share_key(s, host, "node/%s/host", s->node);
	for (struct share_one *o = s->nets; ranges && keys && o; o = o->next) {
		share_key(s, keys[n][0], "names/%s/", o->net.net);
		share_key(s, keys[n][1], "names/%s0", o->net.net);
		ranges[n] = (struct etcd_watch_range){ keys[n][0], keys[n][1],
						       since };
		n++;
	}
	t->gen = s->gen;
	pthread_mutex_unlock(&s->lock);
	if (!ranges || !keys)
		return err_set(err, -ENOMEM, "names of the cluster");
	ranges[n++] = (struct etcd_watch_range){ host, NULL, since };
	t->member = etcd_member(s->etcd);
	t->list_ms = 0; /* what was before it */
	r = etcd_watch_open(s->etcd, ranges, n, &t->watch, err);
	return r < 0 ? r : share_host_look(s, err);
}

static int watch_have(struct turn *t, struct err *err)
{
	bool other;

	pthread_mutex_lock(&t->s->lock);
	other = t->gen != t->s->gen;
	pthread_mutex_unlock(&t->s->lock);
	(void)share_step(t->s);
	if (t->watch && !other && t->member == etcd_member(t->s->etcd))
		return 0;
	etcd_watch_close(take_ptr(t->watch));
	return watch_open(t, err);
}

/* Is it news of @n? */
static bool is_news(const struct share *s, const struct share_one *n,
		    const char *node, const struct etcd_event *e)
{
	if (!strcmp(node, s->node) && !e->deleted && n->told &&
	    !strcmp(e->kv.value, n->told))
		return false;
	return e->deleted || e->kv.mod_rev > n->rev;
}

static void event(struct share *s, const struct etcd_event *e)
{
	char prefix[SHARE_KEY_MAX];
	const char *at, *slash;

	share_key(s, prefix, "names/");
	if (strncmp(e->kv.key, prefix, strlen(prefix)) != 0) {
		pthread_mutex_lock(&s->lock);
		s->host_due = true;
		pthread_mutex_unlock(&s->lock);
		return;
	}
	at = e->kv.key + strlen(prefix);
	slash = strchr(at, '/');
	for (struct share_one *n = first(s); slash && n; n = n->next)
		if (strlen(n->net.net) == (size_t)(slash - at) &&
		    !strncmp(n->net.net, at, (size_t)(slash - at)) &&
		    is_news(s, n, slash + 1, e))
			n->dirty = true;
}

static void wait_watch(struct turn *t, unsigned int ms)
{
	struct etcd_events got = { 0 };
	struct err err = { 0 };
	int r;

	/* What came with it goes with it. */
	for (unsigned int i = 0; i < 256; i++) {
		r = etcd_watch_next(t->watch, t->s->wake, ms, &got, &err);
		for (size_t k = 0; r > 0 && k < got.count; k++)
			event(t->s, &got.v[k]);
		etcd_events_clear(&got);
		if (r <= 0)
			break;
		ms = 0;
	}
	if (r < 0)
		failed(t, &err);
}

/* ---- turns ---------------------------------------------------------------------- */

static int host(struct turn *t, struct err *err)
{
	struct share *s = t->s;
	bool due;
	int r;

	pthread_mutex_lock(&s->lock);
	due = s->host_due || clock_boot_ms() >= t->list_ms;
	s->host_due = false;
	pthread_mutex_unlock(&s->lock);
	r = due ? share_host_look(s, err) : 0;
	if (r < 0) {
		pthread_mutex_lock(&s->lock);
		s->host_due = true;
		pthread_mutex_unlock(&s->lock);
	}
	return r;
}

/* Not before it is known which networks are here. */
static int clean(struct share *s, struct err *err)
{
	bool known;
	int r;

	pthread_mutex_lock(&s->lock);
	known = s->gen;
	pthread_mutex_unlock(&s->lock);
	if (s->cleaned || !known)
		return 0;
	r = share_clean(s, err);
	s->cleaned = r == 0;
	return r;
}

static int round_once(struct turn *t, struct err *err)
{
	int r;

	if (!share_step(t->s))
		return 0;
	r = host(t, err);
	if (r == 0)
		r = clean(t->s, err);
	if (r == 0)
		r = settle_gone(t->s, err);
	if (r == 0)
		r = watch_have(t, err);
	if (r == 0)
		r = list(t, err);
	/* after what was read of ours */
	return r == 0 ? tell(t, err) : r;
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
		log_info("op=names.cluster state=answers");
}

static unsigned int until(struct turn *t)
{
	uint64_t now = clock_boot_ms(), next = now + TURN_MS;
	bool due, ready;

	if (backoff_left_ms(&t->backoff))
		return backoff_left_ms(&t->backoff);
	if (t->list_ms < next)
		next = t->list_ms;
	pthread_mutex_lock(&t->s->lock);
	ready = t->s->ready;
	due = t->s->kicked && ready;
	pthread_mutex_unlock(&t->s->lock);
	for (struct share_one *n = first(t->s); n; n = n->next) {
		due = due || (n->due && ready && t->s->lease);
		if (n->dirty)
			next = now;
	}
	if (due && t->tell_ms < next)
		next = t->tell_ms;
	return next > now ? (unsigned int)(next - now) : 0;
}

static void wait_turn(struct turn *t)
{
	struct pollfd p = { .fd = t->s->wake, .events = POLLIN };
	unsigned int ms = until(t);
	eventfd_t n;

	if (t->watch)
		wait_watch(t, ms);
	else
		poll(&p, 1, (int)ms);
	(void)eventfd_read(t->s->wake, &n);
}

void *share_thread(void *arg)
{
	struct turn t = { .s = arg };

	while (!stopped(t.s)) {
		round_do(&t);
		wait_turn(&t);
	}
	etcd_watch_close(t.watch);
	return NULL;
}
