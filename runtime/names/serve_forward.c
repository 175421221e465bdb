// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Questions by UDP that the host's resolvers get.
 *
 * Each has a socket of its own, connected, so that its port is random and the kernel
 * drops what others send to it; and an id of its own.  The answer goes back as it is,
 * but for the id, and cut where it is longer than the asker takes: that one asks again
 * by TCP, where the resolver is asked by TCP in its turn (upstream_ask.c).
 */
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "runtime/names/serve_priv.h"

static void forward_free(struct forward *f)
{
	if (!f)
		return;
	closep(&f->watch.fd);
	free(f->query);
	free(f);
}
DEFINE_CLEANUP(struct forward, forward_free)

static void forward_end(struct serve *s, struct forward *f)
{
	for (size_t i = 0; i < s->forward_count; i++)
		if (s->forwards[i] == f)
			s->forwards[i] = s->forwards[--s->forward_count];
	forward_free(f);
}

static size_t of_source(const struct serve *s, const struct ip_addr *who)
{
	size_t n = 0;

	for (size_t i = 0; i < s->forward_count; i++)
		n += ip_equal(&s->forwards[i]->who, who);
	return n;
}

/* To the next resolver that takes it. */
static int send_on(struct serve *s, struct forward *f)
{
	const union upstream_sock *at;
	struct err err;
	int r = -ETIMEDOUT;

	while (f->tries < upstream_tries(f->list.count)) {
		at = &f->list.at[(f->list.first + f->tries++) % f->list.count];
		closep(&f->watch.fd);
		f->watch.fd =
			socket(at->sa.sa_family,
			       SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (f->watch.fd < 0)
			return -errno;
		wire_id_set(f->query, upstream_random_id());
		f->until_ms = clock_mono_ms() + upstream_try_ms(f->list.count);
		if (connect(f->watch.fd, &at->sa, upstream_len(at)) == 0 &&
		    send(f->watch.fd, f->query, f->len, 0) >= 0)
			return serve_watch(s, &f->watch, &err);
		r = -errno;
	}
	return r;
}

int forward_begin(struct serve *s, const struct serve_sock *k,
		  const union upstream_sock *from, const struct ip_addr *who,
		  const struct wire_query *q, const uint8_t *msg, size_t len)
{
	_cleanup_(forward_freep) struct forward *f = NULL;
	int r;

	if (!quota_take(&s->quota, who, clock_mono_ms()))
		return -EDQUOT;
	if (s->forward_count >= FORWARDS_MAX ||
	    (s->forward_count >= FORWARDS_SOURCE &&
	     of_source(s, who) >= FORWARDS_SOURCE))
		return -EBUSY;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->watch = (struct watch){ .kind = WATCH_FORWARD, .fd = -EBADF };
	serve_upstreams_locked(s, k->of, &f->list);
	if (!f->list.count)
		return -ENOENT;
	f->query = malloc(len);
	if (!f->query)
		return -ENOMEM;
	memcpy(f->query, msg, len);
	f->len = len;
	f->client = k->watch.fd;
	f->served = k->of->id;
	f->from = *from;
	f->who = *who;
	f->q = *q;
	r = send_on(s, f);
	if (r == 0)
		s->forwards[s->forward_count++] = take_ptr(f);
	return r;
}

static void reply(const struct forward *f, const uint8_t *msg, size_t len)
{
	/* one that can't be sent is asked for again */
	(void)sendto(f->client, msg, len, MSG_DONTWAIT, &f->from.sa,
		     upstream_len(&f->from));
}

static void give_up(struct serve *s, struct forward *f)
{
	int n;

	wire_id_set(f->query, f->q.id);
	n = serve_refuse(f->query, &f->q, WIRE_SERVFAIL, s->out);
	if (n > 0)
		reply(f, s->out, (size_t)n);
	forward_end(s, f);
}

void forward_input(struct serve *s, struct forward *f)
{
	const struct upstream_list *l = &f->list;
	ssize_t n = recv(f->watch.fd, s->in, sizeof(s->in), 0);
	size_t len = n > 0 ? (size_t)n : 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n >= 0 && !wire_reply_fits(s->in, len, f->query, &f->q))
		return; /* nobody's, or somebody who guesses */
	/* ECONNREFUSED; or it can't, and there is another to be asked */
	if (n < 0 || (wire_reply_failed(s->in) && f->tries < l->count)) {
		if (send_on(s, f) < 0)
			give_up(s, f);
		return;
	}
	serve_good_locked(s, f->served,
			  &l->at[(l->first + f->tries - 1) % l->count], s->in);
	wire_id_set(s->in, f->q.id);
	if (len > f->q.udp_size)
		len = wire_reply_cut(s->in, &f->q);
	reply(f, s->in, len);
	forward_end(s, f);
}

void forward_due(struct serve *s, uint64_t now_ms)
{
	for (size_t i = s->forward_count; i-- > 0;) {
		struct forward *f = s->forwards[i];

		if (f->until_ms <= now_ms && send_on(s, f) < 0)
			give_up(s, f);
	}
}

void forward_drop(struct serve *s, uint64_t served)
{
	for (size_t i = s->forward_count; i-- > 0;)
		if (!served || s->forwards[i]->served == served)
			forward_end(s, s->forwards[i]);
}
