/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc.h - the plugin server: POST /Type.Method with a JSON body on a unix
 * socket, and GET /metrics.  The only user of libmicrohttpd.
 *
 * One thread a connection (64 at most, 256 KiB stacks); a handler is a plain
 * function that may block.  Peers other than uid 0 are refused at accept
 * (SO_PEERCRED).  What HTTP-level trouble is answered here, before a handler
 * is looked for: see the table in rpc.c and docs/protocol.md.
 */
#ifndef LIB_RPC_H
#define LIB_RPC_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

#define RPC_BODY_MAX (16u << 20) /* bytes */

struct rpc;

struct rpc_call {
	const char *method; /* "NetworkDriver.Join", without the slash */
	json_object *body;  /* borrowed; NULL: the request had none */
	uint64_t seq;       /* the journal's number, 0: nothing to settle; the
			     * handler sets it, .delivered gets it back */
	bool usual; /* set by the handler: an error that peers ask for, as
		     * whether something is there; the log has it as debug */
	/* Set by the handler: it waited so long for what may come; that is none of
	 * the time that it took. */
	uint64_t waited_us;
	struct rpc *rpc; /* for rpc_retry_alone(); NULL: nobody's */
	int fd;          /* for rpc_peer(); borrowed */
};

struct rpc_method {
	const char *name; /* "NetworkDriver.Join" */
	/*
	 * @ret: an object to be sent; left NULL for "{}".  Owned by the server.
	 * Return: 0, or -errno with its text in @err.  -EBADMSG is answered
	 * with 400, everything else with 200 and {"Err": text, "Error": text,
	 * "Code": "EEXIST"} (IPAM reads Error, the rest Err): a 404 would be
	 * taken for "not implemented" by dockerd.  Methods of VolumeDriver
	 * but Get have 500 in place of the 200.
	 */
	int (*handle)(void *ctx, struct rpc_call *call, json_object **ret,
		      struct err *err);
};

struct rpc_config {
	int listen_fd; /* taken: closed by rpc_stop() */
	const struct rpc_method *const *tables; /* NULL-ended list of tables,
						 * each ended by { 0 } */
	void *ctx;
	const struct rpc_method *own; /* the skeleton's methods, ended by
				       * { 0 }, looked at last; may be NULL */
	void *own_ctx;
	/* Around the answer of @seq: it is about to go, it reached the peer's
	 * socket.  May be NULL. */
	void (*sending)(void *ctx, uint64_t seq);
	void (*delivered)(void *ctx, uint64_t seq);
	/* GET /metrics: @ret is the answer, owned by the server, in the format of
	 * prom.h; of .own_ctx.  NULL: there is no such page.  -errno: 500. */
	int (*page)(void *ctx, struct rpc *rpc, char **ret, size_t *ret_len,
		    struct err *err);
	/* A request succeeded, its answer is about to go; of .own_ctx.  @answer: borrowed,
	 * NULL: {}.  May be NULL. */
	void (*done)(void *ctx, const struct rpc_call *call,
		     json_object *answer);
	const char *driver; /* for the log line of each request */
	bool held;          /* the socket was listening before this process */
};

struct rpc;

/*
 * rpc_start() - serve until rpc_stop().  Returns at once.
 *
 * Return: 0; -errno with text.
 */
int rpc_start(const struct rpc_config *cfg, struct rpc **ret, struct err *err);
/*
 * rpc_stop() - take no new request, let those under way finish (up to 10 s),
 * then close.  The socket file is left alone.  NULL is fine.
 *
 * Return: true; false when a handler still runs: its thread, @rpc and what
 * the handler uses must be left alone, and the process end.
 */
bool rpc_stop(struct rpc *rpc);
DEFINE_CLEANUP(struct rpc, rpc_stop)

/*
 * rpc_retry_alone() - is this request, which came without a body, the only one
 * of its method that does?
 *
 * dockerd repeats what a killed daemon had not answered all at the same moment:
 * after half a second (after some more where our socket is younger than that, so
 * that one of them may have found nobody) no other will come.  Blocks that long;
 * false at once where there is another, and on stop.
 */
bool rpc_retry_alone(const struct rpc_call *call);

/*
 * rpc_peer() - the process that made the connection, for as long as it lives.
 *
 * Return: a pidfd, readable when it has ended; -errno.  @ret_pid: its number.
 */
int rpc_peer(const struct rpc_call *call, int *ret_pid, struct err *err);

/* rpc_tick() - call about once a second: ends requests that are sent, and
 * answers that are read, too slowly. */
void rpc_tick(struct rpc *rpc);

/* rpc_relisten() - serve @fd (taken) instead of the socket given before. */
int rpc_relisten(struct rpc *rpc, int fd, struct err *err);

/* Own time of handlers, from request read to answer queued: one bucket list
 * per method, for /Berth.Metrics.  @ret: owned. */
json_object *rpc_metrics(struct rpc *rpc);
/* The same for .page: families berth_connections and berth_request*, each sample with
 * the label driver. */
struct prom;
void rpc_prom(struct rpc *rpc, struct prom *p);

#endif
