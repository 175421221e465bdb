// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of a cluster's hosts: what others see of it. */
#include "runtime/names/share.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "runtime/names/share_priv.h"

void share_key(const struct share *s, char buf[static SHARE_KEY_MAX],
	       const char *fmt, ...)
{
	size_t n = strlen(s->prefix);
	va_list ap;

	memcpy(buf, s->prefix, n);
	va_start(ap, fmt);
	vsnprintf(buf + n, SHARE_KEY_MAX - n, fmt, ap);
	va_end(ap);
}

void share_peers_clear(struct share_one *n)
{
	for (size_t i = 0; i < n->count; i++) {
		free(n->peers[i].node);
		free(n->peers[i].recs);
	}
	free(take_ptr(n->peers));
	n->count = 0;
}

void share_one_free(struct share_one *n)
{
	share_peers_clear(n);
	free(n->told);
	free(n);
}

static void wake(struct share *s)
{
	(void)eventfd_write(s->wake, 1);
}

int share_new(struct names *names, const struct share_config *cfg,
	      struct share **ret, struct err *err)
{
	struct share *s = calloc(1, sizeof(*s));
	char machine[65];
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "names of the cluster");
	s->names = names;
	s->relist_s = cfg->relist_s ? cfg->relist_s : 45;
	s->limit_ms = cfg->limit_ms ? cfg->limit_ms : 8000;
	s->host_due = true;
	s->wake = -EBADF;
	pthread_mutex_init(&s->lock, NULL);
	etcd_seen_init(&s->seen, "netctl restart berth-dns");
	r = cluster_at_names(&cfg->at, s->prefix, s->node, machine, err);
	if (r == 0)
		r = etcd_open(&cfg->at.etcd, &s->etcd, err);
	if (r == 0) {
		s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		r = s->wake < 0 ? -errno : 0;
	}
	if (r == 0)
		r = -pthread_create(&s->thread, NULL, share_thread, s);
	if (r == 0) {
		*ret = s;
		return 0;
	}
	if (err && !err->msg[0])
		err_set(err, r, "names of the cluster: %s", strerror(-r));
	s->stop = true; /* there is no thread */
	etcd_close(s->etcd);
	closep(&s->wake);
	etcd_seen_fini(&s->seen);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return r;
}

void share_free(struct share *s)
{
	struct share_one *n;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	wake(s);
	pthread_join(s->thread, NULL);
	while ((n = s->nets)) {
		s->nets = n->next;
		share_one_free(n);
	}
	etcd_close(s->etcd);
	closep(&s->wake);
	etcd_seen_fini(&s->seen);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static struct share_one *find(struct share *s, const char *net)
{
	for (struct share_one *n = s->nets; n; n = n->next)
		if (!n->gone && !strcmp(n->net.net, net))
			return n;
	return NULL;
}

static bool has(const struct share_net *nets, size_t count, const char *net)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(nets[i].net, net))
			return true;
	return false;
}

static bool same(const struct share_net *a, const struct share_net *b)
{
	bool is = true;

	for (size_t i = 0; i < 2; i++)
		is = is && a->subnet[i].len == b->subnet[i].len &&
		     ip_equal(&a->subnet[i].addr, &b->subnet[i].addr);
	return is;
}

/* Those of @nets that are new, or have other subnets; NULL: none, or no memory. */
static int fresh(struct share *s, const struct share_net *nets, size_t count,
		 struct share_one **ret)
{
	for (size_t i = 0; i < count; i++) {
		struct share_one *n = find(s, nets[i].net);

		if (n && same(&n->net, &nets[i]))
			continue;
		n = calloc(1, sizeof(*n));
		if (!n)
			return -ENOMEM;
		n->net = nets[i];
		n->due = n->dirty = true;
		n->next = *ret;
		*ret = n;
	}
	return 0;
}

int share_nets_set(struct share *s, const struct share_net *nets, size_t count,
		   struct err *err)
{
	struct share_one *more = NULL, *n;
	int r;

	pthread_mutex_lock(&s->lock);
	r = fresh(s, nets, count, &more);
	for (n = s->nets; r == 0 && n; n = n->next) {
		bool again = false;

		for (struct share_one *m = more; m; m = m->next)
			again = again || !strcmp(m->net.net, n->net.net);
		if (again || !has(nets, count, n->net.net))
			n->gone = true;
	}
	while ((n = more)) {
		more = n->next;
		if (r < 0) {
			share_one_free(n);
			continue;
		}
		n->next = s->nets;
		s->nets = n;
	}
	s->gen++;
	pthread_mutex_unlock(&s->lock);
	wake(s);
	return r < 0 ? err_set(err, r, "names of the cluster") : 0;
}

static void kick(struct share *s, bool ready)
{
	pthread_mutex_lock(&s->lock);
	s->kicked = true;
	s->ready = s->ready || ready;
	pthread_mutex_unlock(&s->lock);
	wake(s);
}

void share_kick(struct share *s)
{
	kick(s, true);
}

void share_changed(struct share *s)
{
	kick(s, false);
}

static void net_problems(const struct share_one *n,
			 void (*line)(void *arg, const char *text), void *arg)
{
	char text[256];

	if (n->left_out) {
		snprintf(text, sizeof(text),
			 "network %s: %zu names of this host are not told to "
			 "the others: there is room for %u KiB of them",
			 n->net.net, n->left_out, SHARE_VALUE_MAX >> 10);
		line(arg, text);
	}
	if (n->refused || n->bad) {
		snprintf(text, sizeof(text),
			 "network %s: %zu records of other hosts, and %zu "
			 "names or addresses in others, are ignored: they are "
			 "not what a host may say",
			 n->net.net, n->bad, n->refused);
		line(arg, text);
	}
	if (n->hosts > SHARE_HOSTS_MAX) {
		snprintf(text, sizeof(text),
			 "network %s: names of %zu hosts are not read: %d is "
			 "the most",
			 n->net.net, n->hosts - SHARE_HOSTS_MAX,
			 SHARE_HOSTS_MAX);
		line(arg, text);
	}
}

void share_problems(struct share *s, void (*line)(void *arg, const char *text),
		    void *arg)
{
	char text[512];

	etcd_seen_lines(&s->seen, line, arg);
	pthread_mutex_lock(&s->lock);
	if (s->homeless && s->nets) {
		snprintf(text, sizeof(text),
			 "names of this host are not told to the others: etcd "
			 "has no record of node %s: is berth-overlay running, "
			 "with the same --cluster and --node?",
			 s->node);
		line(arg, text);
	}
	for (const struct share_one *n = s->nets; n; n = n->next)
		if (!n->gone)
			net_problems(n, line, arg);
	pthread_mutex_unlock(&s->lock);
}
