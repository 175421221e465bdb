// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * TCP: a thread a connection, which reads a question, answers it, reads the next.
 *
 * Each step has CONN_IDLE_MS; a source that has CONNS_SOURCE connections gets no more.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "runtime/names/serve_priv.h"

#define STACK_SIZE (128u << 10)

/* All of @size, to the reader or from it.  Return: 0; -errno. */
static int move_all(int fd, uint8_t *data, size_t size, bool out)
{
	uint64_t now, until = clock_mono_ms() + CONN_IDLE_MS;
	struct pollfd p = { .fd = fd, .events = out ? POLLOUT : POLLIN };
	ssize_t n;

	while (size) {
		now = clock_mono_ms();
		if (now >= until)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(until - now)) < 0 && errno != EINTR)
			return -errno;
		n = out ? send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL)
			: recv(fd, data, size, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

/* What we can say ourselves.  Return: as serve_answer(); -ESHUTDOWN: end. */
static int answer(struct conn *c, const uint8_t *in, size_t size,
		  struct wire_query *q, uint8_t *out)
{
	struct serve_scope scope;
	struct served *v;
	int n = -ESHUTDOWN;

	serve_lock(c->s);
	v = c->s->stopping ? NULL : serve_find_locked(c->s, c->served);
	if (v) {
		scope = serve_scope_of(v);
		n = serve_answer(c->s->names, &scope, in, size, true, q, out);
	}
	serve_unlock(c->s);
	return n;
}

/* Send it on.  Return: the length of what is in @buf; -errno: end. */
static int ask(struct conn *c, uint8_t *msg, size_t len,
	       const struct wire_query *q, uint8_t *buf)
{
	struct upstream_list list = { 0 };
	struct served *v;
	size_t good = 0;
	bool may;
	int n;

	serve_lock(c->s);
	may = quota_take(&c->s->quota, &c->who, clock_mono_ms());
	v = serve_find_locked(c->s, c->served);
	if (v)
		serve_upstreams_locked(c->s, v, &list);
	serve_unlock(c->s);
	if (!may)
		return serve_refuse(msg, q, WIRE_REFUSED, buf);
	n = upstream_ask(&list, c->fd, msg, len, q, buf, &good);
	if (n == -ECONNABORTED)
		return n;
	if (n < 0)
		return serve_refuse(msg, q, WIRE_SERVFAIL, buf);
	serve_lock(c->s);
	serve_good_locked(c->s, c->served, &list.at[good], buf);
	serve_unlock(c->s);
	return n;
}

/* One question and its answer.  Return: 0: the next; -errno: end. */
static int turn(struct conn *c, uint8_t *in, uint8_t *out)
{
	uint8_t head[2] = { 0 };
	struct wire_query q;
	uint16_t size;
	int n, r;

	r = move_all(c->fd, head, sizeof(head), false);
	if (r < 0)
		return r;
	size = (uint16_t)(head[0] << 8 | head[1]);
	if (!size)
		return -EBADMSG;
	r = move_all(c->fd, in, size, false);
	if (r < 0)
		return r;
	n = answer(c, in, size, &q, out + 2);
	if (n == 0)
		n = ask(c, in, size, &q, out + 2);
	if (n < 0)
		return n;
	out[0] = (uint8_t)(n >> 8);
	out[1] = (uint8_t)n;
	return move_all(c->fd, out, (size_t)n + 2, true);
}

static void conn_end_locked(struct conn *c)
{
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	c->s->conn_count--;
	pthread_cond_signal(&c->s->conn_gone);
	close(c->fd);
	free(c);
}

static void *conn_run(void *arg)
{
	struct conn *c = arg;
	struct serve *s = c->s;
	_cleanup_free_ uint8_t *in = malloc(WIRE_MSG_MAX);
	_cleanup_free_ uint8_t *out = malloc(WIRE_MSG_MAX + 2);

	while (in && out && turn(c, in, out) == 0)
		;
	serve_lock(s);
	conn_end_locked(c);
	serve_unlock(s);
	return NULL;
}

static size_t of_source(const struct serve *s, const struct ip_addr *who)
{
	size_t n = 0;

	for (const struct conn *c = s->conns; c; c = c->next)
		n += ip_equal(&c->who, who);
	return n;
}

static int thread_start(struct conn *c)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attr, conn_run, c);
	pthread_attr_destroy(&attr);
	return -r;
}

void serve_turn_away(struct serve *s, int listener)
{
	int fd;

	closep(&s->spare);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	closep(&fd);
	s->spare = fcntl(s->ctl, F_DUPFD_CLOEXEC, 0);
}

void conn_accept_locked(struct serve *s, struct serve_sock *k)
{
	union upstream_sock from;
	socklen_t size = sizeof(from);
	_cleanup_close_ int fd = accept4(k->watch.fd, &from.sa, &size,
					 SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ip_addr who;
	struct conn *c;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		serve_turn_away(s, k->watch.fd);
	if (fd < 0 || s->stopping)
		return;
	if (serve_asker(k->of, &from, &who) < 0 || s->conn_count >= CONNS_MAX ||
	    of_source(s, &who) >= CONNS_SOURCE)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	*c = (struct conn){ .next = s->conns,
			    .at = &s->conns,
			    .s = s,
			    .fd = fd,
			    .served = k->of->id,
			    .who = who };
	if (c->next)
		c->next->at = &c->next;
	s->conns = c;
	s->conn_count++;
	(void)take_fd(fd);
	if (thread_start(c) < 0)
		conn_end_locked(c);
}

void conn_shut_locked(struct serve *s, uint64_t served)
{
	for (struct conn *c = s->conns; c; c = c->next)
		if (!served || c->served == served)
			shutdown(c->fd, SHUT_RDWR);
}
