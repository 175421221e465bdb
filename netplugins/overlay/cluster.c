// SPDX-License-Identifier: GPL-2.0-or-later
/* The directory that lives in etcd: what the driver calls. */
#include "netplugins/overlay/cluster.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "netplugins/overlay/cluster_priv.h"

struct cl_net *cl_net_find(struct cluster *c, const char *net_id)
{
	struct cl_net *n;

	for (n = c->nets; n; n = n->next)
		if (!n->gone && !strcmp(n->net.id, net_id))
			break;
	return n;
}

struct cl_net *cl_net_by_key(struct cluster *c, const char *key)
{
	struct cl_net *n;

	for (n = c->nets; n && strcmp(n->key, key) != 0; n = n->next)
		;
	return n;
}

void cl_net_free(struct cl_net *n)
{
	struct cl_mine *m, *next;

	if (!n)
		return;
	for (m = n->mine; m; m = next) {
		next = m->next;
		free(m);
	}
	for (size_t i = 0; i < n->count; i++)
		free(n->peers[i].eps);
	free(n->peers);
	free(n);
}
DEFINE_CLEANUP(struct cl_net, cl_net_free)

void cl_wake(struct cluster *c)
{
	(void)eventfd_write(c->wake, 1);
}

void cl_write_begin(struct cluster *c)
{
	pthread_mutex_lock(&c->write);
	etcd_limit(c->rw, c->limit_ms);
}

void cl_write_end(struct cluster *c)
{
	etcd_limit(c->rw, 0);
	pthread_mutex_unlock(&c->write);
}

void cl_changed(struct cluster *c, struct cl_net *n)
{
	n->serial++;
	n->changed = true;
	(void)eventfd_write(c->fd, 1);
}

bool cl_is_away(int r)
{
	return r == -EAGAIN || r == -ETIMEDOUT || r == -EPROTO ||
	       r == -EBADMSG || r == -EACCES || r == -ENOSPC ||
	       r == -EMSGSIZE || r == -ENOENT || r == -ENONET;
}

/* ---- networks ---- */

/* What can't be done now the thread does. */
static void settle_now(struct cluster *c, struct cl_net *n)
{
	int r = cl_ready(c, NULL);

	if (r == 0)
		r = cl_lease_have(c, NULL);
	while (r == 0) {
		bool more = !n->gone || n->mine;

		r = cl_net_settle(c, n, NULL);
		if (r == 0 && !more)
			return; /* @n is freed */
		if (r == 0)
			break;
		r = r == 1 ? 0 : r;
	}
	cl_wake(c);
}

/* Left while etcd was away, and here again as another: etcd has to hear of the first
 * before it can be asked for the second.  Return: 0: it has. */
static int join_after(struct cluster *c, struct cl_net *n, const char *what,
		      const char *key, struct err *err)
{
	settle_now(c, n);
	if (!cl_net_by_key(c, key))
		return 0;
	return err_set(err, -EAGAIN,
		       "etcd has not heard yet that network %s was left, and "
		       "%s is another now: ask again when etcd answers",
		       key, what);
}

static int join_known(struct cluster *c, struct cl_net *n,
		      const struct ov_network *net, const char *key,
		      struct err *err)
{
	const char *what;

	if (!n)
		return 0;
	if (!n->gone && strcmp(n->net.id, net->id) != 0)
		return err_set(err, -EEXIST,
			       "this host has network %s of the cluster "
			       "already: network %.12s",
			       key, n->net.id);
	if (!n->gone && n->why[0])
		return err_set(err, -EEXIST, "%s", n->why);
	if (!n->gone)
		return 1;
	what = cl_net_differs(&n->net, net);
	if (what)
		return join_after(c, n, what, key, err);
	/* Left while etcd was away, and here again. */
	pthread_mutex_lock(&c->lock);
	n->gone = false;
	n->due = true;
	n->told = false;
	memcpy(n->net.id, net->id, sizeof(n->net.id));
	c->gen++;
	pthread_mutex_unlock(&c->lock);
	return 1;
}

static int join_new(struct cluster *c, struct ov_network *net, const char *key,
		    struct err *err)
{
	_cleanup_(cl_net_freep) struct cl_net *n = calloc(1, sizeof(*n));
	struct err why = { 0 };
	int r;

	if (!n)
		return err_set(err, -ENOMEM, "network %.12s", net->id);
	n->net = *net;
	n->net.known = false;
	n->due = true;
	n->serial = 1;
	snprintf(n->key, sizeof(n->key), "%s", key);
	r = cl_ready(c, &why);
	if (r == 0)
		r = cl_lease_have(c, &why);
	if (r == 0)
		r = cl_net_tell(c, n, &why);
	if (r == -ENOENT) {
		cl_lease_lost(c);
		r = -EAGAIN;
	}
	if (r < 0 && !(net->known && net->vni && cl_is_away(r)))
		return err_set(err, r, "%s", why.msg);
	*net = n->net;
	net->known = true;
	pthread_mutex_lock(&c->lock);
	n->born = ++c->born;
	n->next = c->nets;
	c->nets = take_ptr(n);
	c->gen++;
	pthread_mutex_unlock(&c->lock);
	cl_wake(c);
	return 0;
}

static int cl_join(struct ov_dir *dir, struct ov_network *net, struct err *err)
{
	struct cluster *c = cl_of(dir);
	char key[CL_NAME_MAX];
	struct cl_net *n;
	int r = cluster_net_name(net, key, err);

	if (r < 0)
		return r;
	if (net->vni > OV_VNI_MAX)
		return err_set(err, -EINVAL, "VNI %u: not in 1..%u", net->vni,
			       OV_VNI_MAX);
	cl_write_begin(c);
	n = cl_net_by_key(c, key);
	r = join_known(c, n, net, key, err);
	if (r == 1) {
		net->vni = n->net.vni;
		net->known = true;
		cl_wake(c);
	}
	if (r == 0)
		r = join_new(c, net, key, err);
	cl_write_end(c);
	return r < 0 ? r : 0;
}

static int cl_leave(struct ov_dir *dir, const char *net_id, struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct cl_net *n;

	(void)err;
	cl_write_begin(c);
	n = cl_net_find(c, net_id);
	if (n) {
		pthread_mutex_lock(&c->lock);
		n->gone = true;
		c->gen++;
		for (struct cl_mine *m = n->mine; m; m = m->next)
			m->gone = m->due = true;
		pthread_mutex_unlock(&c->lock);
		settle_now(c, n);
	}
	cl_write_end(c);
	return 0;
}

/* ---- endpoints ---- */

static bool endpoint_same(const struct ov_endpoint *a,
			  const struct ov_endpoint *b)
{
	return ip_equal(&a->addr4, &b->addr4) &&
	       ip_equal(&a->addr6, &b->addr6) && mac_equal(&a->mac, &b->mac) &&
	       a->multicast == b->multicast;
}

/* Of this host's own first: it is there whether etcd answers or not. */
static int here(const struct cl_net *n, const struct ov_endpoint *ep,
		struct err *err)
{
	char text[IP_STR_MAX];

	for (const struct cl_mine *m = n->mine; m; m = m->next) {
		const struct ip_addr *a = NULL;

		if (m->gone || !strcmp(m->ep.id, ep->id))
			continue;
		if (!ip_is_none(&ep->addr4) &&
		    ip_equal(&ep->addr4, &m->ep.addr4))
			a = &ep->addr4;
		else if (!ip_is_none(&ep->addr6) &&
			 ip_equal(&ep->addr6, &m->ep.addr6))
			a = &ep->addr6;
		if (a)
			return err_set(err, -EADDRINUSE,
				       "address %s is endpoint %.12s's on this "
				       "host",
				       ip_str(a, text), m->ep.id);
		if (!mac_is_none(&ep->mac) && mac_equal(&ep->mac, &m->ep.mac))
			return err_set(
				err, -EADDRINUSE,
				"MAC %s is endpoint %.12s's on this host",
				mac_str(&ep->mac, text), m->ep.id);
	}
	return 0;
}

static int tell_now(struct cluster *c, struct cl_net *n,
		    const struct ov_endpoint *ep, struct err *err)
{
	int r = cl_ready(c, err);

	for (unsigned int i = 0; i < 3; i++) {
		if (r == 0)
			r = cl_lease_have(c, err);
		if (r == 0 && !n->told)
			r = cl_net_tell(c, n, err);
		if (r == 0)
			r = cl_claim(c, n, ep, err);
		if (r != -ENOENT && r != -ENONET)
			return r;
		if (r == -ENOENT)
			cl_lease_lost(c);
		/* what can't be done at once here the thread does */
		pthread_mutex_lock(&c->lock);
		n->told = false;
		n->due = true;
		pthread_mutex_unlock(&c->lock);
		r = 0;
	}
	return -EAGAIN;
}

/* Of an endpoint that is there already.  One that was taken back and not told yet comes
 * again, unless another has been given what it had. */
static int put_again(struct cluster *c, const struct cl_net *n,
		     struct cl_mine *old, const struct ov_endpoint *ep,
		     bool living, struct err *err)
{
	struct err why = { 0 };
	int r;

	if (!endpoint_same(&old->ep, ep))
		return err_set(err, -EEXIST,
			       "endpoint %.12s is there with other addresses",
			       ep->id);
	if (!old->gone)
		return old->fenced && !living
			       ? err_set(err, -EADDRINUSE, "%s", old->why)
			       : 0;
	r = here(n, ep, &why);
	if (r < 0 && !living)
		return err_set(err, r, "%s", why.msg);
	pthread_mutex_lock(&c->lock);
	old->gone = old->told = false;
	old->due = true;
	old->fenced = r < 0;
	snprintf(old->why, sizeof(old->why), "%.*s", CL_WHY_MAX - 1, why.msg);
	pthread_mutex_unlock(&c->lock);
	cl_wake(c);
	return 0;
}

/* @r: what came of telling it. */
static int mine_add(struct cluster *c, struct cl_net *n,
		    const struct ov_endpoint *ep, int r, const struct err *why,
		    struct err *err)
{
	struct cl_mine *m = calloc(1, sizeof(*m));

	if (!m)
		return err_set(err, -ENOMEM, "endpoint %.12s", ep->id);
	m->ep = *ep;
	memcpy(m->ep.node, c->node, sizeof(m->ep.node));
	m->told = r == 0;
	m->due = r < 0;
	m->fenced = r == -EADDRINUSE || (r < 0 && ep->cut);
	if (m->fenced)
		snprintf(m->why, sizeof(m->why), "%s%.*s",
			 r == -EADDRINUSE ? "" : "as before: ", CL_WHY_MAX - 20,
			 why->msg);
	pthread_mutex_lock(&c->lock);
	m->next = n->mine;
	n->mine = m;
	if (m->fenced || n->why[0])
		cl_changed(c, n);
	pthread_mutex_unlock(&c->lock);
	if (r < 0)
		cl_wake(c);
	return 0;
}

/* What lives is kept whatever comes of it: were it forgotten, nobody would cut it off,
 * or tell it when it may be told. */
static int put(struct cluster *c, struct cl_net *n,
	       const struct ov_endpoint *ep, bool living, struct err *err)
{
	struct cl_mine *old = cl_mine_find(n, ep->id);
	struct err why = { 0 };
	int r;

	if (old)
		return put_again(c, n, old, ep, living, err);
	r = n->why[0] ? err_set(&why, -EEXIST, "%s", n->why) : 0;
	if (r == 0)
		r = here(n, ep, &why);
	if (r == 0)
		r = tell_now(c, n, ep, &why);
	if (r < 0 && !living && !cl_is_away(r))
		return err_set(err, r, "%s", why.msg);
	return mine_add(c, n, ep, r, &why, err);
}

static int cl_put(struct ov_dir *dir, const char *net_id,
		  const struct ov_endpoint *ep, bool living, struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct cl_net *n;
	int r;

	if (!cluster_word_valid(ep->id) || mac_is_none(&ep->mac))
		return err_set(err, -EINVAL,
			       "endpoint %.12s: an id and a MAC are needed",
			       ep->id);
	cl_write_begin(c);
	n = cl_net_find(c, net_id);
	r = n ? 0 : err_set(err, -ENOENT, "network %.12s: not joined", net_id);
	if (r == 0)
		r = put(c, n, ep, living, err);
	cl_write_end(c);
	return r;
}

static int cl_del(struct ov_dir *dir, const char *net_id,
		  const char *endpoint_id, struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct cl_net *n;
	struct cl_mine *m;

	(void)err;
	cl_write_begin(c);
	n = cl_net_find(c, net_id);
	m = n ? cl_mine_find(n, endpoint_id) : NULL;
	if (m) {
		pthread_mutex_lock(&c->lock);
		m->gone = m->due = true;
		pthread_mutex_unlock(&c->lock);
		if (n->told && cl_ready(c, NULL) == 0 &&
		    cl_disclaim(c, n, &m->ep, NULL) == 0)
			cl_mine_free(c, n, m);
		else
			cl_wake(c);
	} else if (n && n->told && cluster_word_valid(endpoint_id) &&
		   strlen(endpoint_id) < sizeof(m->ep.id) &&
		   cl_ready(c, NULL) == 0) {
		/* Of an earlier life that ended before it said so.  If it can't be
		 * done now it is when the grace is over. */
		(void)cl_disclaim_id(c, n->key, endpoint_id, NULL);
	}
	cl_write_end(c);
	return 0;
}

/* ---- the rest ---- */

static int cl_fd(struct ov_dir *dir)
{
	return cl_of(dir)->fd;
}

static void cl_tell_changed(struct ov_dir *dir,
			    void (*fn)(void *ctx, const char *net_id),
			    void *ctx)
{
	struct cluster *c = cl_of(dir);
	_cleanup_free_ char(*ids)[65] = NULL;
	size_t n = 0, count = 0;
	eventfd_t was;

	(void)eventfd_read(c->fd, &was);
	pthread_mutex_lock(&c->lock);
	for (struct cl_net *net = c->nets; net; net = net->next)
		n++;
	ids = calloc(n + 1, sizeof(*ids));
	for (struct cl_net *net = c->nets; ids && net; net = net->next) {
		if (!net->changed || net->gone)
			continue;
		net->changed = false;
		memcpy(ids[count++], net->net.id, sizeof(*ids));
	}
	pthread_mutex_unlock(&c->lock);
	for (size_t i = 0; i < count; i++)
		fn(ctx, ids[i]);
}

void cluster_loading(struct ov_dir *dir, bool is)
{
	struct cluster *c = cl_of(dir);

	pthread_mutex_lock(&c->lock);
	c->loading = is;
	c->begin_ms = clock_boot_ms();
	pthread_mutex_unlock(&c->lock);
}

int cluster_adopt(struct ov_dir *dir, struct err *err)
{
	struct cluster *c = cl_of(dir);
	struct err was = { 0 };
	char why[CL_WHY_MAX];

	(void)err;
	cl_write_begin(c);
	(void)etcd_seen_ready(&c->seen, &was);
	if (!etcd_seen_adopt(&c->seen)) {
		cl_write_end(c);
		return 0;
	}
	log_warn("op=cluster.adopt was=%s",
		 log_quote(why, sizeof(why), was.msg));
	pthread_mutex_lock(&c->lock);
	c->relist = true;
	c->gen++;
	for (struct cl_net *n = c->nets; n; n = n->next) {
		n->create_rev = 0;
		for (size_t i = 0; i < n->count; i++)
			n->peers[i].rev = 0;
	}
	pthread_mutex_unlock(&c->lock);
	cl_lease_lost(c);
	cl_write_end(c);
	return 1;
}

static void cl_close(struct ov_dir *dir)
{
	struct cluster *c = cl_of(dir);
	struct cl_net *n, *next;

	if (c->thread) {
		pthread_mutex_lock(&c->lock);
		c->stop = true;
		pthread_mutex_unlock(&c->lock);
		cl_wake(c);
		pthread_join(c->thread, NULL);
		cl_linger(c);
	}
	for (n = c->nets; n; n = next) {
		next = n->next;
		cl_net_free(n);
	}
	etcd_close(c->rw);
	etcd_close(c->ro);
	closep(&c->fd);
	closep(&c->wake);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->write);
	etcd_seen_fini(&c->seen);
	free(c);
}

static const struct ov_dir_ops cluster_ops = {
	.join = cl_join,
	.leave = cl_leave,
	.put = cl_put,
	.del = cl_del,
	.view = cl_view,
	.fenced = cl_fenced,
	.fd = cl_fd,
	.changed = cl_tell_changed,
	.check = cl_check,
	.close = cl_close,
};

int cluster_open(const struct cluster_config *cfg, struct ov_dir **ret,
		 struct err *err)
{
	struct cluster *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_set(err, -ENOMEM, "cluster");
	c->dir.ops = &cluster_ops;
	etcd_seen_init(&c->seen, "netctl overlay adopt");
	pthread_mutex_init(&c->lock, NULL);
	pthread_mutex_init(&c->write, NULL);
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = c->fd < 0 || c->wake < 0 ? err_set(err, -errno, "eventfd") : 0;
	if (r == 0)
		r = cl_config_take(c, cfg, err);
	if (r == 0)
		r = etcd_open(&cfg->at.etcd, &c->rw, err);
	if (r == 0)
		r = etcd_open(&cfg->at.etcd, &c->ro, err);
	if (r == 0 && pthread_create(&c->thread, NULL, cl_thread, c) != 0)
		r = err_set(err, -EAGAIN, "a thread for the cluster");
	if (r < 0) {
		c->thread = 0;
		cl_close(&c->dir);
		return r;
	}
	*ret = &c->dir;
	return 0;
}
