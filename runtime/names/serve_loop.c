// SPDX-License-Identifier: GPL-2.0-or-later
/* The thread that waits for all sockets but TCP connections. */
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "runtime/names/serve_priv.h"

#define EVENTS_MAX 64
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

/* A question of @len bytes is in l->in.  Return: how long the answer is in l->out; <= 0: there
 * is none now. */
static int on_question(struct serve *s, struct serve_sock *k,
		       struct serve_letter *l, size_t len)
{
	struct serve_scope scope = serve_scope_of(k->of);
	struct wire_query q;
	struct ip_addr who;
	int n, r;

	if (serve_asker(k->of, &l->from, &who) < 0)
		return 0; /* an answer would tell that we are here */
	n = serve_answer(s->names, &scope, l->in, len, false, &q, l->out);
	if (n != 0)
		return n;
	r = forward_begin(s, k, &l->from, &who, &q, l->in, len);
	return r == 0 ? 0
		      : serve_refuse(l->in, &q,
				     r == -EDQUOT ? WIRE_REFUSED
						  : WIRE_SERVFAIL,
				     l->out);
}

static struct mmsghdr message(struct serve_letter *l, struct iovec *part)
{
	return (struct mmsghdr){ .msg_hdr = {
					 .msg_name = &l->from,
					 .msg_namelen = sizeof(l->from),
					 .msg_iov = part,
					 .msg_iovlen = 1,
				 } };
}

/* One that can't be sent is asked for again. */
static void send_all(int fd, struct mmsghdr *m, unsigned int count)
{
	unsigned int done = 0;

	while (done < count) {
		int n = sendmmsg(fd, m + done, count - done, MSG_DONTWAIT);

		done += n > 0 ? (unsigned int)n : 1;
	}
}

/* What is more is told again when the other sockets had their turn. */
static void on_udp(struct serve *s, struct serve_sock *k)
{
	struct iovec part[BATCH_MAX];
	struct mmsghdr m[BATCH_MAX];
	unsigned int answers = 0;
	int got;

	for (size_t i = 0; i < BATCH_MAX; i++) {
		struct serve_letter *l = &s->letters[i];

		part[i] = (struct iovec){ l->in, sizeof(l->in) };
		m[i] = message(l, &part[i]);
		m[i].msg_hdr.msg_control = l->control;
		m[i].msg_hdr.msg_controllen = sizeof(l->control);
	}
	got = recvmmsg(k->watch.fd, m, BATCH_MAX, MSG_DONTWAIT, NULL);
	/* < 0: EAGAIN, or what an ICMP error left */
	for (int i = 0; i < got; i++) {
		struct serve_letter *l = &s->letters[i];
		int n = came_by(&m[i].msg_hdr) == k->of->ifindex
				? on_question(s, k, l, m[i].msg_len)
				: 0;
		socklen_t to = upstream_len(&l->from);

		if (n <= 0)
			continue;
		part[answers] = (struct iovec){ l->out, (size_t)n };
		m[answers] = message(l, &part[answers]);
		m[answers++].msg_hdr.msg_namelen = to;
	}
	send_all(k->watch.fd, m, answers);
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
