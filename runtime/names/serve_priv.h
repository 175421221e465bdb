/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve_priv.h - what the files of the server share.
 *
 * One thread (serve_loop.c) waits for all UDP sockets, the listening ones, and the
 * answers of the host's resolvers, with epoll; a TCP connection has a thread of its own.
 * One thread for UDP because an answer takes some microseconds, and questions that are
 * sent on wait in a table, not in a stack.  One lock: the loop holds it while it works
 * through what is ready, never while it waits; a TCP thread while it makes an answer.
 */
#ifndef RUNTIME_NAMES_SERVE_PRIV_H
#define RUNTIME_NAMES_SERVE_PRIV_H

#include <pthread.h>
#include <sys/stat.h>

#include "lib/sockdiag.h"
#include "runtime/names/quota.h"
#include "runtime/names/serve.h"
#include "runtime/names/upstream.h"

#define FORWARDS_MAX    1024 /* outstanding, of all */
#define FORWARDS_SOURCE 256  /* of one source */
#define CONNS_MAX       256  /* TCP, of all */
#define CONNS_SOURCE    32   /* of one source */
#define CONN_IDLE_MS    5000
#define ADDRS_MAX       256 /* of one name, in one answer */

enum watch_kind {
	WATCH_UDP,
	WATCH_LISTEN,
	WATCH_FORWARD,
	WATCH_WAKE,
	WATCH_DOOR,
	WATCH_GUEST,
};

struct watch {
	enum watch_kind kind;
	int fd; /* owned; -EBADF */
};

struct served;
struct guest;

struct serve_sock {
	struct watch watch; /* first */
	struct served *of;
};

struct served {
	struct serve_net net;       /* a guest's: not used */
	struct guest *guest;        /* whose these are; NULL: a network's */
	uint64_t id;                /* of this one, never used again */
	unsigned int ifindex;       /* 0: no sockets */
	struct serve_sock socks[4]; /* UDP and TCP of each gateway */
	char problem[256];          /* "": it is answered */
};

/* Where a question is answered from, in this order. */
struct serve_scope {
	const struct serve_net *nets; /* borrowed */
	size_t count;
	bool forwards; /* the host's resolvers are asked */
};

/* A container whose own 127.0.0.11 we answer (serve_guest.c). */
struct guest {
	struct watch watch; /* first; who told us of it, and ends it */
	struct guest *next; /* owned */
	struct served
		served; /* .socks[0] UDP, [1] TCP; .ifindex 0: not told yet */
	struct serve_net
		*nets; /* owned; .ifname, .gateway, .internal: not used */
	size_t count;
	bool forwards;
	struct ip_addr who;           /* what it asks counts as this source's */
	struct upstream_list servers; /* its own; none: the host's */
	uint64_t good_ms;             /* as serve.good_ms */
};

/* A question that one of the host's resolvers has. */
struct forward {
	struct watch watch; /* first; .fd: to the resolver */
	int client;         /* borrowed: the network's or guest's UDP socket */
	uint64_t served;
	struct ip_addr who; /* whose question it is */
	union upstream_sock from;
	struct wire_query q;
	uint8_t *query; /* owned; with the id it was sent with */
	size_t len;
	struct upstream_list list;
	unsigned int tries;
	uint64_t until_ms; /* of this try */
};

/* A TCP connection. */
struct conn {
	struct conn *next, **at;
	struct serve *s;
	int fd;
	uint64_t served;
	struct ip_addr who;
};

/* Questions that are taken from a socket at once, and their answers. */
#define BATCH_MAX   32
#define UDP_ASK_MAX 4096 /* nobody asks by more; what is cut is no question */
struct serve_letter {
	union upstream_sock from;
	_Alignas(struct cmsghdr) char control[128];
	uint8_t in[UDP_ASK_MAX], out[WIRE_UDP_MAX];
};

struct serve {
	struct names *names; /* borrowed */
	uint16_t port;
	int epoll, ctl; /* ctl: for ioctls */
	int spare;      /* given up to turn someone away without it */
	struct watch wake;
	pthread_t loop;
	pthread_mutex_t lock;
	unsigned int waiting; /* for .lock, beside the loop; atomic */
	pthread_cond_t conn_gone;
	bool stopping;
	uint64_t changes; /* of .served, so that the loop knows stale events */
	uint64_t next_id;
	struct served **served;
	size_t count;
	const char *door_path; /* borrowed; NULL: no guests */
	struct watch door;
	struct stat door_made; /* its file */
	struct guest *guests;  /* owned */
	size_t guest_count;
	struct upstreams up;
	uint64_t good_ms; /* when .up.list.first was last not the first */
	struct quota quota;
	struct forward *forwards[FORWARDS_MAX]; /* the first .forward_count */
	size_t forward_count;
	struct conn *conns;
	size_t conn_count;
	uint32_t holder; /* the last socket that had a port of ours, by inode */
	char holder_name[SOCKDIAG_OWNER_MAX];
	/* the loop's */
	struct serve_letter letters[BATCH_MAX];
	uint8_t in[WIRE_MSG_MAX], out[WIRE_UDP_MIN];
};

/* ---- serve.c ------------------------------------------------------------- */
/* For all but the loop, which would have the lock again before anyone wakes. */
void serve_lock(struct serve *s);
void serve_unlock(struct serve *s);
struct served *serve_find_locked(struct serve *s, uint64_t id);
int serve_watch(struct serve *s, struct watch *w, struct err *err);
/* Before @w->fd is closed: epoll itself forgets a socket only when the last descriptor of
 * it is closed, and who handed us a guest's has others. */
void serve_unwatch(struct serve *s, const struct watch *w);
/* The resolvers that a question to @v may be sent to, none of them ourselves. */
void serve_upstreams_locked(struct serve *s, const struct served *v,
			    struct upstream_list *ret);
struct serve_scope serve_scope_of(const struct served *v);
/* Whose is what came to @v from there?  Return: 0; -EPERM: he gets no answer. */
int serve_asker(const struct served *v, const union upstream_sock *from,
		struct ip_addr *ret);
/* There is no descriptor for who waits at @listener: unless it is taken from there, the
 * loop is woken for it again and again. */
void serve_turn_away(struct serve *s, int listener);
/* @who has said @reply, which the asker at @served gets.  Of its resolvers it is asked
 * first from now on, unless it is one who can't: nobody else could, but the next time
 * another may. */
void serve_good_locked(struct serve *s, uint64_t served,
		       const union upstream_sock *who, const uint8_t *reply);

/* ---- serve_sock.c -------------------------------------------------------- */
void served_close(struct serve *s, struct served *v);
/* Sockets as its bridge is now.  .problem. */
void served_open(struct serve *s, struct served *v);

/* ---- serve_answer.c ------------------------------------------------------ */
/*
 * serve_answer() - what we can say ourselves.
 *
 * Return: the length of the answer in @buf; 0: it is for the host's resolvers;
 * -EBADMSG: say nothing.
 */
int serve_answer(struct names *names, const struct serve_scope *scope,
		 const uint8_t *msg, size_t len, bool tcp,
		 struct wire_query *ret_q, uint8_t *buf);
/* Only a code.  Return: as serve_answer(). */
int serve_refuse(const uint8_t *msg, const struct wire_query *q,
		 enum wire_rcode rcode, uint8_t *buf);
bool serve_may_ask(const struct serve_net *net, const struct ip_addr *who);

/* ---- serve_forward.c (the loop's; locked) -------------------------------- */
/* Return: 0; -EDQUOT, -EBUSY, -ENOENT (no resolver), -errno: answer that. */
int forward_begin(struct serve *s, const struct serve_sock *k,
		  const union upstream_sock *from, const struct ip_addr *who,
		  const struct wire_query *q, const uint8_t *msg, size_t len);
void forward_input(struct serve *s, struct forward *f);
void forward_due(struct serve *s, uint64_t now_ms);
void forward_drop(struct serve *s, uint64_t served); /* 0: all */

/* ---- serve_tcp.c --------------------------------------------------------- */
void conn_accept_locked(struct serve *s, struct serve_sock *k);
void conn_shut_locked(struct serve *s, uint64_t served); /* 0: all */

/* ---- serve_guest.c ------------------------------------------------------- */
/* Listen at .door_path; without one, and where we do, 0. */
int door_open(struct serve *s, struct err *err);
void door_close(struct serve *s);
/* (the loop's; locked) */
void door_accept(struct serve *s);
void guest_input(struct serve *s, struct guest *g);
struct served *guest_find_locked(struct serve *s, uint64_t id);

/* ---- serve_loop.c -------------------------------------------------------- */
void *serve_loop(void *serve);

#endif
