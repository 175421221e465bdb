// SPDX-License-Identifier: GPL-2.0-or-later
/* One question to the host's resolvers, for a thread that waits for the answer. */
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/clock.h"
#include "runtime/names/upstream.h"

struct ask {
	int client, fd;
	uint8_t *query;
	size_t len;
	const struct wire_query *q;
	uint8_t *buf;
	uint64_t until_ms; /* of this try */
};

/* Return: 0: @fd is ready; -ETIMEDOUT; -ECONNABORTED. */
static int ready(const struct ask *a, short events)
{
	struct pollfd p[] = { { .fd = a->fd, .events = events },
			      { .fd = a->client } };
	uint64_t now;
	int r;

	for (;;) {
		now = clock_mono_ms();
		if (now >= a->until_ms)
			return -ETIMEDOUT;
		r = poll(p, 2, (int)(a->until_ms - now));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r <= 0)
			continue;
		if (p[1].revents & (POLLHUP | POLLERR | POLLNVAL))
			return -ECONNABORTED;
		if (p[0].revents)
			return 0;
	}
}

static int by_udp(struct ask *a)
{
	ssize_t n;
	int r;

	if (send(a->fd, a->query, a->len, 0) < 0)
		return -errno;
	for (;;) {
		r = ready(a, POLLIN);
		if (r < 0)
			return r;
		n = recv(a->fd, a->buf, WIRE_MSG_MAX, MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return -errno; /* ECONNREFUSED: nobody is there */
		if (n >= 0 &&
		    wire_reply_fits(a->buf, (size_t)n, a->query, a->q))
			return (int)n;
	}
}

static int write_all(const struct ask *a, const uint8_t *data, size_t size)
{
	ssize_t n;
	int r;

	while (size) {
		r = ready(a, POLLOUT);
		if (r < 0)
			return r;
		n = send(a->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int read_all(const struct ask *a, uint8_t *data, size_t size)
{
	ssize_t n;
	int r;

	while (size) {
		r = ready(a, POLLIN);
		if (r < 0)
			return r;
		n = recv(a->fd, data, size, MSG_DONTWAIT);
		if (n == 0)
			return -ECONNRESET;
		if (n < 0 && errno != EAGAIN)
			return -errno;
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

static int by_tcp(struct ask *a)
{
	uint16_t size = htons((uint16_t)a->len);
	int r = write_all(a, (uint8_t *)&size, sizeof(size));

	if (r == 0)
		r = write_all(a, a->query, a->len);
	if (r == 0)
		r = read_all(a, (uint8_t *)&size, sizeof(size));
	if (r < 0)
		return r;
	size = ntohs(size);
	r = read_all(a, a->buf, size);
	if (r < 0)
		return r;
	return wire_reply_fits(a->buf, size, a->query, a->q) ? size : -EBADMSG;
}

static int ask_by(struct ask *a, const union upstream_sock *at, int type)
{
	_cleanup_close_ int fd = socket(at->sa.sa_family,
					type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* connected: the kernel takes a port at random, and drops what comes from
	 * anyone else */
	if (connect(fd, &at->sa, upstream_len(at)) < 0 && errno != EINPROGRESS)
		return -errno;
	a->fd = fd;
	wire_id_set(a->query, upstream_random_id());
	return type == SOCK_DGRAM ? by_udp(a) : by_tcp(a);
}

/* A truncated answer is asked for again by TCP; without one there is none. */
static int ask_one(struct ask *a, const union upstream_sock *at)
{
	int n = ask_by(a, at, SOCK_DGRAM), r;

	if (n < 0 || !wire_truncated(a->buf))
		return n;
	r = ask_by(a, at, SOCK_STREAM);
	return r < 0 && r != -ECONNABORTED ? -ETIMEDOUT : r;
}

int upstream_ask(const struct upstream_list *list, int client, uint8_t *query,
		 size_t len, const struct wire_query *q, uint8_t *buf,
		 size_t *ret_good)
{
	struct ask a = {
		.client = client, .query = query, .len = len, .q = q, .buf = buf
	};
	unsigned int tries = upstream_tries(list->count);
	int r = -ETIMEDOUT;

	for (unsigned int i = 0; list->count && i < tries; i++) {
		size_t who = (list->first + i) % list->count;

		a.until_ms = clock_mono_ms() + upstream_try_ms(list->count);
		r = ask_one(&a, &list->at[who]);
		if (r == -ECONNABORTED)
			break;
		if (r < 0 || (wire_reply_failed(buf) && i + 1 < list->count))
			continue;
		*ret_good = who;
		break;
	}
	wire_id_set(query, q->id);
	if (r > 0)
		wire_id_set(buf, q->id);
	return r;
}
