// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gate of the plugin server: one thread that accepts, checks the peer, and
 * hands a connection to libmicrohttpd, which gives it a thread, when its
 * request can be read without waiting.
 *
 * So a peer that sends slowly, or nothing, costs a descriptor and no thread,
 * and a thousand of them keep nobody waiting.  We only look (MSG_PEEK): a
 * request counts as whole when its head has ended and as much of the body is
 * there as Content-Length says, or PEEK_BYTES of it.  A slow one is handed over
 * all the same after a second while half of the threads are free.
 *
 * Running out of descriptors makes us wait, not spin; and the listening socket
 * can be exchanged while serving.
 */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/log.h"
#include "lib/rpc_priv.h"

#define PEEK_BYTES     16384
#define WAITERS_MAX    2000
#define SLOW_MS        1000  /* from here on a sender is slow */
#define WAIT_MAX_MS    30000 /* first byte to a whole request */
#define STOP_IDLE_MS   200   /* on stop: the time to say something */
#define LOOK_MS        250
#define NO_FD_PAUSE_MS 100
#define EVENTS         32

/* A connection whose request is not here yet. */
struct waiter {
	struct waiter *next, *prev; /* oldest first */
	int fd;                     /* owned */
	bool spoke;                 /* part of a request is here */
	uint64_t since_ms;          /* accepted, or first spoke */
};

struct gate {
	struct rpc *rpc;
	int epoll_fd;
	struct waiter *first, *last;
	unsigned int count, slow; /* slow: those that spoke */
};

/* ---- is the request here? ---------------------------------------------- */

/* The value of Content-Length in a head; 0 when there is none. */
static uint64_t length_of(const char *head, const char *end)
{
	static const char name[] = "content-length:";
	const char *line = head;

	while (line && line < end) {
		if (end - line > (ptrdiff_t)sizeof(name) &&
		    !strncasecmp(line, name, sizeof(name) - 1))
			return strtoull(line + sizeof(name) - 1, NULL, 10);
		line = memchr(line, '\n', (size_t)(end - line));
		line = line ? line + 1 : NULL;
	}
	return 0;
}

/* @buf: @len bytes and a NUL. */
static bool request_whole(const char *buf, size_t len)
{
	const char *end = memmem(buf, len, "\r\n\r\n", 4);

	if (len >= PEEK_BYTES)
		return true; /* whatever it is: no use in waiting here */
	if (!end)
		return false;
	return len - (size_t)(end + 4 - buf) >= length_of(buf, end);
}

enum look {
	LOOK_WAIT,
	LOOK_READY,
	LOOK_GONE,
};

static enum look look(struct waiter *w, struct gate *g)
{
	char buf[PEEK_BYTES + 1];
	ssize_t n = recv(w->fd, buf, PEEK_BYTES, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? LOOK_WAIT
							 : LOOK_GONE;
	if (n == 0)
		return LOOK_GONE;
	buf[n] = '\0';
	if (request_whole(buf, (size_t)n))
		return LOOK_READY;
	if (!w->spoke) {
		w->spoke = true;
		w->since_ms = rpc_now_us() / 1000;
		g->slow++;
	}
	return LOOK_WAIT;
}

/* ---- those who wait ---------------------------------------------------- */

static void waiter_add(struct gate *g, struct waiter *w)
{
	w->prev = g->last;
	if (g->last)
		g->last->next = w;
	else
		g->first = w;
	g->last = w;
	g->count++;
}

/* Take it off the list.  Return: its descriptor, owned. */
static int waiter_remove(struct gate *g, struct waiter *w)
{
	int fd = w->fd;

	if (w->prev)
		w->prev->next = w->next;
	else
		g->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	else
		g->last = w->prev;
	g->count--;
	g->slow -= w->spoke;
	free(w);
	return fd;
}

static void waiter_drop(struct gate *g, struct waiter *w)
{
	close(waiter_remove(g, w)); /* leaves the epoll set with it */
}

static void waiter_serve(struct gate *g, struct waiter *w)
{
	int fd = waiter_remove(g, w);

	epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	rpc_conn_serve(g->rpc, fd);
}

/* Something came for @w, or its peer closed one side. */
static void waiter_event(struct gate *g, struct waiter *w, uint32_t events)
{
	enum look what = look(w, g);

	if (what == LOOK_GONE)
		waiter_drop(g, w);
	else if (what == LOOK_READY || (events & (EPOLLRDHUP | EPOLLHUP)))
		waiter_serve(g, w);
}

/* The slow: to a thread of their own while there are many, or out. */
static void waiters_age(struct gate *g)
{
	uint64_t now = rpc_now_us() / 1000;
	struct waiter *next;

	for (struct waiter *w = g->first; w && g->slow; w = next) {
		uint64_t age = now - w->since_ms;

		next = w->next;
		if (!w->spoke || age < SLOW_MS)
			continue;
		if (rpc_conn_half_free(g->rpc))
			waiter_serve(g, w);
		else if (age > WAIT_MAX_MS)
			waiter_drop(g, w);
	}
}

/*
 * On stop, end the waiters that had their time.  Our receiving side is closed
 * first: what is here by then is served, what comes later fails at the peer
 * with nothing written, and Go's client asks the next daemon.
 */
static void waiters_end(struct gate *g)
{
	uint64_t now = rpc_now_us() / 1000;
	struct waiter *next;

	for (struct waiter *w = g->first; w; w = next) {
		next = w->next;
		if (now - w->since_ms < STOP_IDLE_MS)
			continue;
		shutdown(w->fd, SHUT_RD);
		if (look(w, g) == LOOK_READY)
			waiter_serve(g, w);
		else
			waiter_drop(g, w);
	}
}

/* ---- accepting --------------------------------------------------------- */

static bool peer_allowed(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return false;
	if (cred.uid == 0 || cred.uid == geteuid())
		return true;
	log_warn("op=connect peer_uid=%u peer_pid=%d err=\"refused: only root "
		 "may use this socket\"",
		 cred.uid, cred.pid);
	return false;
}

static void gate_admit(struct gate *g, int fd)
{
	struct waiter *w = calloc(1, sizeof(*w));
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET,
				 .data.ptr = w };

	if (!w) {
		close(fd);
		return;
	}
	w->fd = fd;
	w->since_ms = rpc_now_us() / 1000;
	waiter_add(g, w);
	/* Mostly the request is here already. */
	switch (look(w, g)) {
	case LOOK_READY:
		waiter_serve(g, w);
		return;
	case LOOK_GONE:
		waiter_drop(g, w);
		return;
	case LOOK_WAIT:
		break;
	}
	if (epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0)
		waiter_serve(g, w); /* no memory to watch it: a thread, then */
}

/* No descriptor or too many waiters: the oldest goes, or we hold on. */
static void gate_full(struct gate *g)
{
	const struct timespec pause = { .tv_nsec = NO_FD_PAUSE_MS * 1000000L };
	uint64_t now = rpc_now_us() / 1000;

	if (g->first && now - g->first->since_ms >= SLOW_MS)
		waiter_drop(g, g->first);
	else
		nanosleep(&pause, NULL);
}

static void gate_accept(struct gate *g)
{
	int fd;

	if (g->count >= WAITERS_MAX) {
		gate_full(g);
		return;
	}
	fd = accept4(g->rpc->listen_fd, NULL, NULL,
		     SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			gate_full(g);
		return;
	}
	if (peer_allowed(fd))
		gate_admit(g, fd);
	else
		close(fd);
}

/* ---- the thread -------------------------------------------------------- */

static int watch(const struct gate *g, int fd, void *tag)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = tag };

	return epoll_ctl(g->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* Told to look at another listening socket, or to stop. */
static void gate_told(struct gate *g)
{
	uint64_t told;

	(void)!read(g->rpc->wake_fd, &told, sizeof(told));
	if (rpc_stopping(g->rpc))
		epoll_ctl(g->epoll_fd, EPOLL_CTL_DEL, g->rpc->listen_fd, NULL);
	else
		(void)watch(g, g->rpc->listen_fd, &g->rpc->listen_fd);
}

static void *gate_main(void *arg)
{
	struct gate *g = arg;
	struct rpc *rpc = g->rpc;
	bool stopping = false;

	while (!stopping || g->count) {
		struct epoll_event e[EVENTS];
		int n = epoll_wait(g->epoll_fd, e, EVENTS,
				   stopping  ? LOOK_MS / 4
				   : g->slow ? LOOK_MS
					     : -1);

		/* One waiter's end never frees another that is in @e. */
		for (int i = 0; i < n; i++) {
			if (e[i].data.ptr == &rpc->wake_fd)
				gate_told(g);
			else if (e[i].data.ptr != &rpc->listen_fd)
				waiter_event(g, e[i].data.ptr, e[i].events);
		}
		for (int i = 0; i < n && !rpc_stopping(rpc); i++)
			if (e[i].data.ptr == &rpc->listen_fd)
				gate_accept(g);
		waiters_age(g);
		stopping = rpc_stopping(rpc);
		if (stopping)
			waiters_end(g);
	}
	close(g->epoll_fd);
	free(g);
	return NULL;
}

static int set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

static void gate_wake(struct rpc *rpc)
{
	uint64_t one = 1;

	(void)!write(rpc->wake_fd, &one, sizeof(one));
}

int rpc_relisten(struct rpc *rpc, int fd, struct err *err)
{
	_cleanup_close_ int new_fd = fd;

	if (set_nonblock(new_fd) < 0 ||
	    dup3(new_fd, rpc->listen_fd, O_CLOEXEC) < 0)
		return err_set(err, -errno, "new listening socket: %m");
	pthread_mutex_lock(&rpc->lock);
	rpc->listens_ms = rpc_now_us() / 1000;
	pthread_mutex_unlock(&rpc->lock);
	gate_wake(rpc); /* the old one left its set when it was closed */
	return 0;
}

static struct gate *gate_new(struct rpc *rpc, struct err *err)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g) {
		err_set(err, -ENOMEM, "the plugin server");
		return NULL;
	}
	g->rpc = rpc;
	g->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (g->epoll_fd >= 0 && set_nonblock(rpc->listen_fd) == 0 &&
	    watch(g, rpc->listen_fd, &rpc->listen_fd) == 0 &&
	    watch(g, rpc->wake_fd, &rpc->wake_fd) == 0)
		return g;
	err_set(err, -errno, "the listening socket: %m");
	if (g->epoll_fd >= 0)
		close(g->epoll_fd);
	free(g);
	return NULL;
}

int rpc_gate_start(struct rpc *rpc, struct err *err)
{
	struct gate *g = gate_new(rpc, err);
	pthread_attr_t attr;
	int r;

	if (!g)
		return -EIO;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, RPC_THREAD_STACK);
	r = -pthread_create(&rpc->gate, &attr, gate_main, g);
	pthread_attr_destroy(&attr);
	if (r < 0) {
		close(g->epoll_fd);
		free(g);
		return err_set(err, r, "the accepting thread: %s",
			       strerror(-r));
	}
	rpc->gate_runs = true;
	return 0;
}

/* No new connection from here on; the backlog stays for who listens next. */
void rpc_gate_stop(struct rpc *rpc)
{
	if (!rpc->gate_runs)
		return;
	gate_wake(rpc);
	pthread_join(rpc->gate, NULL);
	rpc->gate_runs = false;
}
