/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rpc_priv.h - what rpc.c (requests), rpc_gate.c (accepting), rpc_conn.c
 * (connections), rpc_retry.c (empty requests) and rpc_stat.c (times of handlers)
 * share.
 */
#ifndef LIB_RPC_PRIV_H
#define LIB_RPC_PRIV_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdint.h>

#include "lib/rpc.h"

#define RPC_THREAD_STACK (256u << 10)

/* Where a connection stands; decides who may cut it, and when. */
enum rpc_phase {
	RPC_IDLE,      /* nothing asked, or everything answered */
	RPC_RECEIVING, /* request line seen, body not yet complete */
	RPC_WORKING,   /* a handler runs, or it waits for its turn */
	RPC_SENDING,   /* the answer is queued */
};

struct rpc_conn {
	struct rpc *rpc;
	struct rpc_conn *next, *prev; /* rpc->conns, oldest first */
	int fd;                       /* borrowed: libmicrohttpd's */
	enum rpc_phase phase;
	uint64_t since_ms; /* of this phase, CLOCK_MONOTONIC */

	/* The request under way. */
	bool checked; /* head looked at */
	bool big;     /* holds rpc->big */
	bool too_big; /* the body outgrew RPC_BODY_MAX: refused at its end */
	char *body;   /* owned */
	size_t len, size;
	uint64_t seq;
	bool usual;                      /* of rpc_call */
	uint64_t waited_us;              /* likewise */
	const struct rpc_method *method; /* borrowed */
	void *ctx;                       /* borrowed: for .handle */
	bool page;                       /* GET /metrics, and no .method */
};

/* Empty requests of one method that came together; under rpc->lock. */
struct rpc_meet {
	struct rpc_meet *next;
	const char *method; /* borrowed */
	int count, here;    /* who came; who has not left yet */
	uint64_t end_ms;    /* who comes from here on is another group's */
};

#define RPC_BUCKETS 96

struct rpc_stat {
	const char *method;
	uint64_t count, errors, sum_us, max_us;
	uint32_t buckets[RPC_BUCKETS];
};

struct rpc {
	struct rpc_config cfg;
	struct MHD_Daemon *mhd;
	pthread_t gate;
	bool gate_runs;
	int listen_fd, wake_fd;

	pthread_mutex_t lock; /* all below */
	pthread_cond_t moved; /* a connection ended; .big is free */
	struct rpc_conn *conns, *last;
	int count;  /* of .conns */
	int handed; /* accepted, not yet in .conns */
	bool stopping;
	struct rpc_meet *meets; /* owned */
	uint64_t listens_ms;    /* since when; 0: before this process */
	bool big;               /* a body above RPC_BODY_BIG is in memory */
	struct rpc_stat *stats;
	size_t stat_count;
};

uint64_t rpc_now_us(void);

/* rpc.c */
enum MHD_Result rpc_on_access(void *cls, struct MHD_Connection *con,
			      const char *url, const char *method,
			      const char *version, const char *data,
			      size_t *size, void **con_cls);

/* rpc_conn.c */
void rpc_phase_set(struct rpc_conn *c, enum rpc_phase phase);
bool rpc_sending(struct rpc_conn *c); /* true: and close after it */
void rpc_big_take(struct rpc_conn *c);
void rpc_request_clear(struct rpc_conn *c);
int rpc_conns_start(struct rpc *rpc, struct err *err);
/* Give a connection (taken) a thread; waits while all are busy. */
void rpc_conn_serve(struct rpc *rpc, int fd);
bool rpc_conn_half_free(struct rpc *rpc);
bool rpc_stopping(struct rpc *rpc);
bool rpc_conns_full_locked(const struct rpc *rpc);
void rpc_conns_stopping(struct rpc *rpc);
bool rpc_conns_stop(struct rpc *rpc); /* false: a handler hangs */

/* rpc_gate.c */
int rpc_gate_start(struct rpc *rpc, struct err *err);
void rpc_gate_stop(struct rpc *rpc);

/* rpc_retry.c */
void rpc_meets_free(struct rpc *rpc);

/* rpc_stat.c */
int rpc_stat_open(struct rpc *rpc);
void rpc_stat_add(struct rpc *rpc, const char *method, uint64_t us, int code);

#endif
