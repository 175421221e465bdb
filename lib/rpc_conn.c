// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of the plugin server, once the gate (rpc_gate.c) has let them in:
 * how many, for how long.
 *
 * A connection lives until its peer closes it: dockerd keeps two in a pool,
 * and when a pooled one is closed under a request, dockerd asks again with an
 * empty body.  So an idle one is never timed out, and where we must end it
 * (shutdown, no room) only our receiving side is closed: what the peer has
 * sent by then is still read and answered, what it sends later fails at once
 * with nothing written, and Go's client repeats that one whole.
 */
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/rpc_priv.h"

#define CONN_MAX        64
#define MHD_CONN_MAX    1024  /* never met: 0.9.75 hangs there */
#define CONN_PRESSED    56    /* from here on the slow make room */
#define PRESSED_MS      1000  /* a request this young is never cut */
#define RECEIVE_MAX_MS  30000 /* request line to end of body */
#define SEND_MAX_MS     30000
#define DRAIN_IDLE_MS   200
#define STOP_MAX_S      10
#define CONN_POOL_BYTES (32u << 10)

static uint64_t now_ms(void)
{
	return rpc_now_us() / 1000;
}

static void phase_set_locked(struct rpc_conn *c, enum rpc_phase phase)
{
	c->phase = phase;
	c->since_ms = now_ms();
}

void rpc_phase_set(struct rpc_conn *c, enum rpc_phase phase)
{
	pthread_mutex_lock(&c->rpc->lock);
	phase_set_locked(c, phase);
	pthread_mutex_unlock(&c->rpc->lock);
}

bool rpc_sending(struct rpc_conn *c)
{
	bool stopping;

	pthread_mutex_lock(&c->rpc->lock);
	phase_set_locked(c, RPC_SENDING);
	stopping = c->rpc->stopping;
	pthread_mutex_unlock(&c->rpc->lock);
	return stopping;
}

/* Only one big body is in memory at a time; the others wait in their sockets. */
void rpc_big_take(struct rpc_conn *c)
{
	struct rpc *rpc = c->rpc;

	if (c->big)
		return;
	pthread_mutex_lock(&rpc->lock);
	phase_set_locked(c, RPC_WORKING);
	while (rpc->big && !rpc->stopping)
		pthread_cond_wait(&rpc->moved, &rpc->lock);
	c->big = !rpc->big; /* on stop nobody waits for a slow one */
	rpc->big = true;
	phase_set_locked(c, RPC_RECEIVING);
	pthread_mutex_unlock(&rpc->lock);
}

/* Forget the request, keep the connection. */
void rpc_request_clear(struct rpc_conn *c)
{
	free(c->body);
	c->body = NULL;
	c->len = c->size = 0;
	c->checked = c->too_big = false;
	c->method = NULL;
	c->page = false;
	c->seq = 0;
	if (!c->big)
		return;
	pthread_mutex_lock(&c->rpc->lock);
	c->rpc->big = c->big = false;
	pthread_cond_broadcast(&c->rpc->moved);
	pthread_mutex_unlock(&c->rpc->lock);
}

/* ---- libmicrohttpd's callbacks ----------------------------------------- */

static struct rpc_conn *conn_of(struct MHD_Connection *con)
{
	const union MHD_ConnectionInfo *i = MHD_get_connection_info(
		con, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

/* libmicrohttpd tells of a connection later, from its own thread. */
static void handed_add(struct rpc *rpc, int n)
{
	pthread_mutex_lock(&rpc->lock);
	rpc->handed += n;
	pthread_mutex_unlock(&rpc->lock);
}

static void conn_begin(struct rpc *rpc, struct MHD_Connection *con,
		       void **context)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(con, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct rpc_conn *c = i ? calloc(1, sizeof(*c)) : NULL;

	*context = c; /* NULL: rpc_on_access() closes it */
	if (!c) {
		handed_add(rpc, -1);
		return;
	}
	c->rpc = rpc;
	c->fd = i->connect_fd;
	pthread_mutex_lock(&rpc->lock);
	phase_set_locked(c, RPC_IDLE);
	c->prev = rpc->last;
	if (rpc->last)
		rpc->last->next = c;
	else
		rpc->conns = c;
	rpc->last = c;
	rpc->count++;
	rpc->handed--;
	pthread_mutex_unlock(&rpc->lock);
}

static void conn_end(struct rpc_conn *c)
{
	struct rpc *rpc = c->rpc;

	rpc_request_clear(c);
	pthread_mutex_lock(&rpc->lock);
	if (c->prev)
		c->prev->next = c->next;
	else
		rpc->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		rpc->last = c->prev;
	rpc->count--;
	pthread_cond_broadcast(&rpc->moved);
	pthread_mutex_unlock(&rpc->lock);
	free(c);
}

static void on_connection(void *cls, struct MHD_Connection *con, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		conn_begin(cls, con, context);
	else if (*context)
		conn_end(*context);
}

/* The request line is here: from now on the peer is expected to go on. */
static void *on_request_line(void *cls, const char *uri,
			     struct MHD_Connection *con)
{
	struct rpc_conn *c = conn_of(con);

	(void)cls;
	(void)uri;
	if (c) {
		rpc_request_clear(c);
		rpc_phase_set(c, RPC_RECEIVING);
	}
	return c;
}

static void on_completed(void *cls, struct MHD_Connection *con, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct rpc *rpc = cls;
	struct rpc_conn *c = *con_cls;

	(void)con;
	if (!c)
		return;
	if (c->seq && code == MHD_REQUEST_TERMINATED_COMPLETED_OK &&
	    rpc->cfg.delivered)
		rpc->cfg.delivered(rpc->cfg.ctx, c->seq);
	rpc_request_clear(c);
	rpc_phase_set(c, RPC_IDLE);
}

/* Paths are compared as they came: "%4a" is not "J", and "%00" ends nothing. */
static size_t on_unescape(void *cls, struct MHD_Connection *con, char *s)
{
	(void)cls;
	(void)con;
	return strlen(s);
}

/* ---- making room ------------------------------------------------------- */

static void conn_cut(const struct rpc_conn *c)
{
	shutdown(c->fd, c->phase == RPC_IDLE ? SHUT_RD : SHUT_RDWR);
}

static void cut_overdue_locked(struct rpc *rpc, uint64_t now)
{
	for (struct rpc_conn *c = rpc->conns; c; c = c->next) {
		uint64_t age = now - c->since_ms;

		if ((c->phase == RPC_RECEIVING && age > RECEIVE_MAX_MS) ||
		    (c->phase == RPC_SENDING && age > SEND_MAX_MS))
			conn_cut(c);
	}
}

/* The slowest sender goes first, then the longest idle. */
static void cut_slowest_locked(struct rpc *rpc, uint64_t now)
{
	struct rpc_conn *found = NULL;

	for (struct rpc_conn *c = rpc->conns; c; c = c->next) {
		if (c->phase > RPC_RECEIVING || now - c->since_ms < PRESSED_MS)
			continue;
		if (!found || c->phase > found->phase ||
		    (c->phase == found->phase && c->since_ms < found->since_ms))
			found = c;
	}
	if (found)
		conn_cut(found);
}

void rpc_tick(struct rpc *rpc)
{
	pthread_mutex_lock(&rpc->lock);
	cut_overdue_locked(rpc, now_ms());
	pthread_mutex_unlock(&rpc->lock);
}

/* ---- in and out -------------------------------------------------------- */

static struct timespec deadline_in(unsigned int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += (long)(ms % 1000) * 1000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	return ts;
}

/* Wait until there is room for one more.  On stop there always is. */
static void room_wait(struct rpc *rpc)
{
	pthread_mutex_lock(&rpc->lock);
	if (rpc->count + rpc->handed >= CONN_PRESSED)
		cut_slowest_locked(rpc, now_ms());
	while (rpc->count + rpc->handed >= CONN_MAX && !rpc->stopping) {
		struct timespec ts = deadline_in(100);

		cut_slowest_locked(rpc, now_ms());
		pthread_cond_timedwait(&rpc->moved, &rpc->lock, &ts);
	}
	rpc->handed++;
	pthread_mutex_unlock(&rpc->lock);
}

bool rpc_conn_half_free(struct rpc *rpc)
{
	bool free;

	pthread_mutex_lock(&rpc->lock);
	free = rpc->count + rpc->handed < CONN_MAX / 2;
	pthread_mutex_unlock(&rpc->lock);
	return free;
}

bool rpc_conns_full_locked(const struct rpc *rpc)
{
	return rpc->count + rpc->handed >= CONN_MAX;
}

bool rpc_stopping(struct rpc *rpc)
{
	bool stopping;

	pthread_mutex_lock(&rpc->lock);
	stopping = rpc->stopping;
	pthread_mutex_unlock(&rpc->lock);
	return stopping;
}

void rpc_conn_serve(struct rpc *rpc, int fd)
{
	const struct sockaddr addr = { .sa_family = AF_UNIX };

	room_wait(rpc);
	/* Takes the descriptor, whatever it returns. */
	if (MHD_add_connection(rpc->mhd, fd, &addr, sizeof(sa_family_t)) !=
	    MHD_YES)
		handed_add(rpc, -1);
}

int rpc_conns_start(struct rpc *rpc, struct err *err)
{
	rpc->mhd = MHD_start_daemon(
		MHD_USE_THREAD_PER_CONNECTION |
			MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET |
			MHD_USE_SUPPRESS_DATE_NO_CLOCK,
		0, NULL, NULL, rpc_on_access, rpc, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, rpc, MHD_OPTION_URI_LOG_CALLBACK,
		on_request_line, rpc, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		rpc, MHD_OPTION_UNESCAPE_CALLBACK, on_unescape, NULL,
		MHD_OPTION_CONNECTION_LIMIT, MHD_CONN_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONN_POOL_BYTES,
		MHD_OPTION_THREAD_STACK_SIZE, (size_t)RPC_THREAD_STACK,
		MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
	return rpc->mhd ? 0
			: err_set(err, -ENOMEM,
				  "the HTTP server does not start: %m");
}

/* Close what has been idle for a moment; a young one may be about to ask. */
static void cut_idle_locked(struct rpc *rpc, uint64_t now)
{
	for (struct rpc_conn *c = rpc->conns; c; c = c->next)
		if (c->phase == RPC_IDLE && now - c->since_ms >= DRAIN_IDLE_MS)
			conn_cut(c);
}

static bool works_locked(const struct rpc *rpc)
{
	for (const struct rpc_conn *c = rpc->conns; c; c = c->next)
		if (c->phase == RPC_WORKING)
			return true;
	return false;
}

/* Wait for all to finish.  Return: false when a handler did not in time. */
static bool drain(struct rpc *rpc)
{
	uint64_t end = now_ms() + STOP_MAX_S * 1000;
	bool done;

	pthread_mutex_lock(&rpc->lock);
	while (rpc->count + rpc->handed && now_ms() < end) {
		struct timespec ts = deadline_in(DRAIN_IDLE_MS / 4);

		cut_idle_locked(rpc, now_ms());
		pthread_cond_timedwait(&rpc->moved, &rpc->lock, &ts);
	}
	done = !works_locked(rpc);
	pthread_mutex_unlock(&rpc->lock);
	return done;
}

void rpc_conns_stopping(struct rpc *rpc)
{
	pthread_mutex_lock(&rpc->lock);
	rpc->stopping = true;
	pthread_cond_broadcast(&rpc->moved);
	pthread_mutex_unlock(&rpc->lock);
}

bool rpc_conns_stop(struct rpc *rpc)
{
	if (!rpc->mhd)
		return true;
	if (!drain(rpc))
		return false;
	MHD_stop_daemon(take_ptr(rpc->mhd));
	return true;
}
