// SPDX-License-Identifier: GPL-2.0-or-later
/* The thread that waits for all sockets but TCP connections. */
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "runtime/names/serve_priv.h"

#define EVENTS_MAX 64
#define BATCH_MAX  64 /* of one socket; then the others have their turn */
#define DUE_MS     50 /* how late a resolver's silence may be noticed */

/* The interface it came by; 0: not told. */
static unsigned int came_by(struct msghdr *m)
{
	struct in6_pktinfo six;
	struct in_pktinfo four;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&four, CMSG_DATA(c), sizeof(four));
			return (unsigned int)four.ipi_ifindex;
		}
		if (c->cmsg_level == IPPROTO_IPV6 &&
		    c->cmsg_type == IPV6_PKTINFO) {
			memcpy(&six, CMSG_DATA(c), sizeof(six));
			return six.ipi6_ifindex;
		}
	}
	return 0;
}

/* A question of @len bytes is in s->in. */
static void on_question(struct serve *s, struct serve_sock *k,
			const union upstream_sock *from, size_t len)
{
	struct serve_scope scope = serve_scope_of(k->of);
	struct wire_query q;
	struct ip_addr who;
	int n, r;

	if (serve_asker(k->of, from, &who) < 0)
		return; /* an answer would tell that we are here */
	n = serve_answer(s->names, &scope, s->in, len, false, &q, s->out);
	if (n == 0) {
		r = forward_begin(s, k, from, &who, &q, s->in, len);
		if (r == 0)
			return;
		n = serve_refuse(s->in, &q,
				 r == -EDQUOT ? WIRE_REFUSED : WIRE_SERVFAIL,
				 s->out);
	}
	if (n > 0) /* one that can't be sent is asked for again */
		(void)sendto(k->watch.fd, s->out, (size_t)n, MSG_DONTWAIT,
			     &from->sa, upstream_len(from));
}

static void on_udp(struct serve *s, struct serve_sock *k)
{
	union upstream_sock from;
	char control[128];
	ssize_t n;

	for (int i = 0; i < BATCH_MAX; i++) {
		struct iovec part = { s->in, sizeof(s->in) };
		struct msghdr m = { .msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &part,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };

		n = recvmsg(k->watch.fd, &m, 0);
		if (n < 0)
			return; /* EAGAIN, or what an ICMP error left */
		if (came_by(&m) == k->of->ifindex)
			on_question(s, k, &from, (size_t)n);
	}
}

/* Somebody with the right to ("ss -K") closed a listener under us, which would wake us for
 * ever.  A network's sockets are made anew (serve_tick()); a guest's are its own loss. */
static void on_hangup(struct serve *s, struct serve_sock *k)
{
	struct served *v = k->of;

	if (v->guest) {
		serve_unwatch(s, &k->watch);
		return;
	}
	forward_drop(s, v->id);
	conn_shut_locked(s, v->id);
	served_close(s, v);
	s->changes++;
}

static void on_event(struct serve *s, struct watch *w, uint32_t events)
{
	if (w->kind == WATCH_LISTEN && (events & (EPOLLHUP | EPOLLERR))) {
		on_hangup(s, container_of(w, struct serve_sock, watch));
		return;
	}
	switch (w->kind) {
	case WATCH_UDP:
		on_udp(s, container_of(w, struct serve_sock, watch));
		break;
	case WATCH_LISTEN:
		conn_accept_locked(s,
				   container_of(w, struct serve_sock, watch));
		break;
	case WATCH_FORWARD:
		forward_input(s, container_of(w, struct forward, watch));
		break;
	case WATCH_DOOR:
		door_accept(s);
		break;
	case WATCH_GUEST:
		guest_input(s, container_of(w, struct guest, watch));
		break;
	case WATCH_WAKE:
		break; /* .stopping */
	}
}

void *serve_loop(void *serve)
{
	struct epoll_event events[EVENTS_MAX];
	struct serve *s = serve;
	uint64_t changes = 0;
	bool stopping = false, due = false;
	int n;

	while (!stopping) {
		n = epoll_wait(s->epoll, events, EVENTS_MAX, due ? DUE_MS : -1);
		while (__atomic_load_n(&s->waiting, __ATOMIC_RELAXED))
			sched_yield();
		pthread_mutex_lock(&s->lock);
		/* After a change an event may be of a socket that is gone: what is
		 * ready is told again. */
		for (int i = 0; changes == s->changes && i < n; i++)
			on_event(s, events[i].data.ptr, events[i].events);
		forward_due(s, clock_mono_ms());
		changes = s->changes;
		due = s->forward_count > 0;
		stopping = s->stopping;
		pthread_mutex_unlock(&s->lock);
	}
	return NULL;
}
