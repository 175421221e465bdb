// SPDX-License-Identifier: GPL-2.0-or-later
/* The server's life, and which networks it answers. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "runtime/names/serve_priv.h"

#define DNS_PORT    53
#define GOOD_FOR_MS 30000 /* then the first resolver is tried again */
#define STACK_SIZE  (256u << 10)

void serve_lock(struct serve *s)
{
	__atomic_add_fetch(&s->waiting, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&s->lock);
	__atomic_sub_fetch(&s->waiting, 1, __ATOMIC_RELAXED);
}

void serve_unlock(struct serve *s)
{
	pthread_mutex_unlock(&s->lock);
}

int serve_watch(struct serve *s, struct watch *w, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = w };

	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, w->fd, &e) < 0
		       ? err_set(err, -errno, "epoll: %m")
		       : 0;
}

void serve_unwatch(struct serve *s, const struct watch *w)
{
	(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, w->fd, NULL);
}

struct served *serve_find_locked(struct serve *s, uint64_t id)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->served[i]->id == id)
			return s->served[i];
	return guest_find_locked(s, id);
}

struct serve_scope serve_scope_of(const struct served *v)
{
	const struct guest *g = v->guest;

	if (g)
		return (struct serve_scope){ .nets = g->nets,
					     .count = g->count,
					     .forwards = g->forwards };
	return (struct serve_scope){ .nets = &v->net,
				     .count = 1,
				     .forwards = !v->net.internal };
}

int serve_asker(const struct served *v, const union upstream_sock *from,
		struct ip_addr *ret)
{
	/* whatever asks there is in the container */
	*ret = v->guest ? v->guest->who : upstream_addr(from);
	return v->guest || serve_may_ask(&v->net, ret) ? 0 : -EPERM;
}

/* ---- resolvers ---------------------------------------------------------- */

/* A host whose resolv.conf names a gateway that we answer on asks itself. */
static bool ourselves(const struct serve *s, const union upstream_sock *at)
{
	struct ip_addr a = upstream_addr(at);

	for (size_t i = 0; i < s->count; i++)
		if (ip_equal(&s->served[i]->net.gateway[0], &a) ||
		    ip_equal(&s->served[i]->net.gateway[1], &a))
			return true;
	return false;
}

static void follow_locked(struct serve *s)
{
	char was[sizeof(s->up.problem)];

	memcpy(was, s->up.problem, sizeof(was));
	if (!upstreams_follow(&s->up, clock_mono_ms()))
		return;
	if (*s->up.problem && strcmp(s->up.problem, was) != 0)
		log_warn("err=\"%s\"", s->up.problem);
	else
		log_info("resolvers=%zu file=%s", s->up.list.count, s->up.path);
}

/* Its own servers, where it has some; @ret_good: when their .first was made that. */
static struct upstream_list *list_of(struct serve *s, const struct served *v,
				     uint64_t **ret_good)
{
	struct guest *g = v->guest;
	bool own = g && g->servers.count;

	*ret_good = own ? &g->good_ms : &s->good_ms;
	return own ? &g->servers : &s->up.list;
}

void serve_upstreams_locked(struct serve *s, const struct served *v,
			    struct upstream_list *ret)
{
	struct upstream_list *l;
	uint64_t *good_ms;

	follow_locked(s);
	*ret = (struct upstream_list){ 0 };
	l = list_of(s, v, &good_ms);
	if (l->first && clock_mono_ms() - *good_ms > GOOD_FOR_MS)
		l->first = 0;
	for (size_t i = 0; i < l->count; i++) {
		if (ourselves(s, &l->at[i]))
			continue;
		if (i == l->first)
			ret->first = ret->count;
		ret->at[ret->count++] = l->at[i];
	}
}

static bool same_server(const union upstream_sock *a,
			const union upstream_sock *b)
{
	struct ip_addr x = upstream_addr(a), y = upstream_addr(b);

	return ip_equal(&x, &y) && (a->sa.sa_family != AF_INET6 ||
				    a->v6.sin6_scope_id == b->v6.sin6_scope_id);
}

void serve_good_locked(struct serve *s, uint64_t served,
		       const union upstream_sock *who, const uint8_t *reply)
{
	const struct served *v = serve_find_locked(s, served);
	struct upstream_list *l;
	uint64_t *good_ms;

	if (!v)
		return;
	l = list_of(s, v, &good_ms);
	if (wire_reply_failed(reply))
		return;
	for (size_t i = 0; i < l->count; i++) {
		if (l->first == i || !same_server(&l->at[i], who))
			continue;
		l->first = i;
		*good_ms = clock_mono_ms();
	}
}

/* ---- networks ----------------------------------------------------------- */

/* What its sockets depend on. */
static bool same_sockets(const struct serve_net *a, const struct serve_net *b)
{
	return strcmp(a->net, b->net) == 0 &&
	       strcmp(a->ifname, b->ifname) == 0 &&
	       ip_equal(&a->gateway[0], &b->gateway[0]) &&
	       ip_equal(&a->gateway[1], &b->gateway[1]);
}

static int check(const struct serve_net *n, struct err *err)
{
	if (!*n->net || !*n->ifname)
		return err_set(err, -EINVAL,
			       "network \"%s\" on bridge \"%s\": both must "
			       "have a name",
			       n->net, n->ifname);
	return 0;
}

struct serve_list {
	struct served *
		*list; /* owned, as are the first .count, without sockets */
	size_t count;
};

static void nets_done(struct serve_list *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
}

/* All of them as if none was there yet. */
static int nets_make(struct serve_list *n, const struct serve_net *nets,
		     size_t count, struct err *err)
{
	int r = 0;

	n->list = calloc(count ? count : 1, sizeof(struct served *));
	if (!n->list)
		return err_set(err, -ENOMEM, "no memory for networks");
	for (; r == 0 && n->count < count; n->count++) {
		struct served *v = calloc(1, sizeof(*v));

		if (!v)
			return err_set(err, -ENOMEM, "no memory for networks");
		for (size_t i = 0; i < ARRAY_SIZE(v->socks); i++)
			v->socks[i].watch.fd = -EBADF;
		v->net = nets[n->count];
		n->list[n->count] = v;
		r = check(&v->net, err);
	}
	return r;
}

/* Those that stay take the places of their new selves. */
static void keep_locked(struct serve *s, struct serve_list *n)
{
	for (size_t i = 0; i < n->count; i++) {
		struct served *fresh = n->list[i];
		bool stays = false;

		for (size_t k = 0; k < s->count; k++) {
			if (!same_sockets(&s->served[k]->net, &fresh->net))
				continue;
			s->served[k]->net = fresh->net;
			n->list[i] = s->served[k];
			s->served[k] = s->served[--s->count];
			free(fresh);
			stays = true;
			break;
		}
		if (!stays)
			fresh->id = ++s->next_id;
	}
}

static void open_locked(struct serve *s, struct served *v)
{
	char was[sizeof(v->problem)], net[NAMES_NET_MAX + 8];
	bool answered = v->ifindex;

	memcpy(was, v->problem, sizeof(was));
	served_open(s, v);
	log_quote(net, sizeof(net), v->net.net);
	if (*v->problem && strcmp(v->problem, was) != 0)
		log_warn("net=%s bridge=%s err=\"%s\"", net, v->net.ifname,
			 v->problem);
	else if (!answered && v->ifindex)
		log_info("net=%s bridge=%s msg=answered", net, v->net.ifname);
}

int serve_nets_set(struct serve *s, const struct serve_net *nets, size_t count,
		   struct err *err)
{
	_cleanup_(nets_done) struct serve_list n = { 0 };
	struct served **old;
	size_t old_count;
	int r = nets_make(&n, nets, count, err);

	if (r < 0)
		return r;
	serve_lock(s);
	s->changes++;
	keep_locked(s, &n);
	old = s->served;
	old_count = s->count;
	s->served = n.list;
	s->count = n.count;
	for (size_t i = 0; i < old_count; i++) {
		forward_drop(s, old[i]->id);
		conn_shut_locked(s, old[i]->id);
		served_close(s, old[i]); /* before another takes its address */
	}
	for (size_t i = 0; i < s->count; i++)
		open_locked(s, s->served[i]);
	serve_unlock(s);
	n = (struct serve_list){ .list = old, .count = old_count };
	return 0;
}

/* Somebody may have deleted its file. */
static void keep_door_locked(struct serve *s)
{
	int was = s->door.fd;
	struct err err = { 0 };

	if (door_open(s, &err) < 0 && was >= 0)
		log_warn("op=names.guest err=\"%s\"", err.msg);
}

void serve_tick(struct serve *s)
{
	serve_lock(s);
	follow_locked(s);
	keep_door_locked(s);
	for (size_t i = 0; i < s->count; i++)
		open_locked(s, s->served[i]);
	serve_unlock(s);
}

void serve_problems(struct serve *s, void (*line)(void *arg, const char *text),
		    void *arg)
{
	char text[512];

	serve_lock(s);
	if (*s->up.problem)
		line(arg, s->up.problem);
	for (size_t i = 0; i < s->count; i++) {
		if (!*s->served[i]->problem)
			continue;
		snprintf(text, sizeof(text),
			 "network %s: its names are not answered: %s",
			 s->served[i]->net.net, s->served[i]->problem);
		line(arg, text);
	}
	serve_unlock(s);
}

/* ---- life --------------------------------------------------------------- */

/* What waits has one or two each; the soft limit is 1024 in most places. */
static void raise_descriptor_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 &&
	    lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim); /* fewer may wait */
	}
}

static int thread_start(struct serve *s)
{
	pthread_attr_t attr;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = pthread_create(&s->loop, &attr, serve_loop, s);
	pthread_attr_destroy(&attr);
	return -r;
}

static void serve_close(struct serve *s)
{
	if (!s)
		return;
	door_close(s);
	closep(&s->wake.fd);
	closep(&s->ctl);
	closep(&s->spare);
	closep(&s->epoll);
	pthread_cond_destroy(&s->conn_gone);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
DEFINE_CLEANUP(struct serve, serve_close)

int serve_new(struct names *names, const struct serve_config *cfg,
	      struct serve **ret, struct err *err)
{
	_cleanup_(serve_closep) struct serve *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "no memory for the server");
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->conn_gone, NULL);
	s->names = names;
	s->port = cfg->port ? cfg->port : DNS_PORT;
	s->up.path = cfg->resolv_conf ? cfg->resolv_conf : "/etc/resolv.conf";
	s->up.port = s->port;
	s->door_path = cfg->door;
	s->door.fd = -EBADF;
	if (getrandom(&s->quota.seed, sizeof(s->quota.seed), GRND_NONBLOCK) < 0)
		s->quota.seed = (uintptr_t)s; /* early at boot */
	raise_descriptor_limit();
	s->wake.kind = WATCH_WAKE;
	s->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	s->ctl = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	s->spare = fcntl(s->ctl, F_DUPFD_CLOEXEC, 0);
	if (s->wake.fd < 0 || s->epoll < 0 || s->ctl < 0 || s->spare < 0)
		return err_set(err, -errno, "descriptors for the server: %m");
	r = serve_watch(s, &s->wake, err);
	if (r == 0)
		r = door_open(s, err);
	if (r < 0)
		return r;
	r = thread_start(s);
	if (r < 0)
		return err_set(err, r, "a thread for the server: %s",
			       strerror(-r));
	*ret = take_ptr(s);
	return 0;
}

void serve_free(struct serve *s)
{
	const uint64_t one = 1;

	if (!s)
		return;
	serve_lock(s);
	s->stopping = true;
	conn_shut_locked(s, 0);
	serve_unlock(s);
	/* an eventfd takes it always */
	(void)!write(s->wake.fd, &one, sizeof(one));
	pthread_join(s->loop, NULL);
	serve_lock(s);
	while (s->conn_count)
		pthread_cond_wait(&s->conn_gone, &s->lock);
	serve_unlock(s);
	forward_drop(s, 0);
	for (size_t i = 0; i < s->count; i++) {
		served_close(s, s->served[i]);
		free(s->served[i]);
	}
	free(s->served);
	serve_close(s);
}
