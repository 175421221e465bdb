/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd.h - etcd v3 through its JSON gateway: ranges, transactions, leases, watches.
 *
 * Errors are the same everywhere, so that a caller can decide by them:
 *   -EAGAIN     no member could be asked, or none has a leader: nothing was done
 *   -ETIMEDOUT  a member was asked and did not answer: the outcome is unknown
 *   -EACCES     user, password or role refuse it
 *   -ENOSPC     the NOSPACE alarm is up: only what frees space is done
 *   -ENOENT     no such lease
 *   -ERANGE     the revision was compacted
 *   -EMSGSIZE   the answer is above 8 MiB: ask for less
 *   -EBADMSG    not what etcd answers
 *   -EPROTO     TLS, a redirect, or a refusal that etcd explains in @err
 * Where one member fails, the others are asked.
 */
#ifndef LIB_ETCD_H
#define LIB_ETCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

#define ETCD_MEMBERS_MAX 16
#define ETCD_MEMBER_LEN  128
#define ETCD_OPS_MAX     128 /* etcd's own default, a list of a transaction */

struct etcd_config {
	char member[ETCD_MEMBERS_MAX][ETCD_MEMBER_LEN]; /* "HOST:PORT" */
	size_t member_count;
	const char *ca, *cert,
		*key;            /* PEM files; .ca: HTTPS, and nothing else */
	const char *auth;        /* file: "USER:PASSWORD" in its first line */
	unsigned int timeout_ms; /* a member has this long; 0: 2000 */
};

/*
 * etcd_config_members() - "etcd://HOST:PORT[,HOST:PORT...]" into .member; IPv6 in
 * brackets.
 * Return: 0; -EINVAL: @err shows how it is written.
 */
int etcd_config_members(struct etcd_config *cfg, const char *url,
			struct err *err);

/* Any thread may call; one call at a time is on its way, the others wait. */
struct etcd;

/* etcd_open() - no traffic yet.  @cfg: copied, but for the strings it points to.
 * Return: 0; -EINVAL for what can't work; -EACCES: .auth can't be read. */
int etcd_open(const struct etcd_config *cfg, struct etcd **ret,
	      struct err *err);
void etcd_close(struct etcd *e);
DEFINE_CLEANUP(struct etcd, etcd_close)

/*
 * etcd_renew() - connections made before are not used by calls that begin from now on:
 * this host has another address, so nothing comes back by them.  Waits for nobody; a
 * watch is its owner's to open again.
 */
void etcd_renew(struct etcd *e);

/* etcd_member() - which of the members is asked first now. */
size_t etcd_member(struct etcd *e);

/*
 * etcd_limit() - calls that are not done in @ms from now, however many members are
 * asked, end with -EAGAIN or -ETIMEDOUT.  0: no more of that.  Waits for no call.
 */
void etcd_limit(struct etcd *e, unsigned int ms);

struct etcd_head {
	uint64_t cluster_id, member_id;
	int64_t revision;
};

struct etcd_kv {
	char *key;   /* owned; "" where etcd's had a NUL in it */
	char *value; /* owned; ends with a NUL that .value_len doesn't count */
	size_t value_len;
	int64_t create_rev, mod_rev;
	uint64_t lease; /* 0: none */
};

struct etcd_kvs {
	struct etcd_kv *v; /* owned */
	size_t count;
	uint64_t total; /* keys of the range, whatever the limit and filter */
	bool more;      /* the limit cut it */
};

void etcd_kvs_clear(struct etcd_kvs *kvs);

struct etcd_range {
	const char *key;
	const char *end;   /* NULL: the one key; else up to, without */
	int64_t limit;     /* 0: none */
	int64_t min_mod;   /* those changed since, this revision too; 0: all */
	bool count_only;   /* .total alone */
	bool highest_only; /* the last key of the range alone */
};

/* etcd_prefix_end() - the end of all that begins with @prefix, into @buf of
 * strlen(prefix) + 1 bytes. */
void etcd_prefix_end(const char *prefix, char *buf);

int etcd_range(struct etcd *e, const struct etcd_range *q, struct etcd_kvs *ret,
	       struct etcd_head *head, struct err *err);

/*
 * A transaction: when all _if_ hold what was added plainly is done, else the _else_.
 * Lack of memory while it is put together is told by etcd_txn_run().
 */
struct etcd_txn;
struct etcd_txn *etcd_txn_new(void); /* owned; NULL: out of memory */
void etcd_txn_free(struct etcd_txn *t);
DEFINE_CLEANUP(struct etcd_txn, etcd_txn_free)

/* @rev: 0: there is no such key. */
void etcd_txn_if_mod(struct etcd_txn *t, const char *key, int64_t rev);
void etcd_txn_if_create(struct etcd_txn *t, const char *key, int64_t rev);
void etcd_txn_if_value(struct etcd_txn *t, const char *key, const char *value);
void etcd_txn_if_lease(struct etcd_txn *t, const char *key, uint64_t lease);
/* No key is in it. */
void etcd_txn_if_none(struct etcd_txn *t, const char *key, const char *end);
void etcd_txn_put(struct etcd_txn *t, const char *key, const char *value,
		  uint64_t lease);
void etcd_txn_del(struct etcd_txn *t, const char *key, const char *end);
void etcd_txn_get(struct etcd_txn *t, const struct etcd_range *q);
/* Does it put anything, if all _if_ hold?  An etcd that is full refuses all such. */
bool etcd_txn_puts(const struct etcd_txn *t);
void etcd_txn_else_get(struct etcd_txn *t, const struct etcd_range *q);

struct etcd_result {
	bool done;            /* all _if_ held */
	struct etcd_kvs *got; /* owned; of the _get of that branch, in order */
	size_t got_count;
	struct etcd_head head;
};

void etcd_result_clear(struct etcd_result *res);

/*
 * etcd_txn_run() - as often as one likes; @t stays.
 *
 * @repeat: may be asked of a second member when the outcome at the first is unknown.
 *          Then its _if_ must fail once it is done, and its _else_get read back what
 *          decides who did it.  Without: -ETIMEDOUT.
 */
int etcd_txn_run(struct etcd *e, const struct etcd_txn *t, bool repeat,
		 struct etcd_result *ret, struct err *err);

/* @ttl_s: asked for; etcd may give more.  @ret_ttl_s: given. */
int etcd_lease_grant(struct etcd *e, unsigned int ttl_s, uint64_t *ret,
		     unsigned int *ret_ttl_s, struct err *err);
/* -ENOENT: it has expired, all that was attached to it is gone. */
int etcd_lease_keep(struct etcd *e, uint64_t lease, unsigned int *ret_ttl_s,
		    struct err *err);
/* Of an unknown one: 0. */
int etcd_lease_revoke(struct etcd *e, uint64_t lease, struct err *err);

/* Changes as they come.  A hint: etcd 3.4 loses some.  One thread at a time. */
struct etcd_watch;

struct etcd_watch_range {
	const char *key, *end;
	int64_t since; /* revision; 0: from now on */
};

/* etcd_watch_open() - one connection for all of @ranges. */
int etcd_watch_open(struct etcd *e, const struct etcd_watch_range *ranges,
		    size_t count, struct etcd_watch **ret, struct err *err);
void etcd_watch_close(struct etcd_watch *w);
DEFINE_CLEANUP(struct etcd_watch, etcd_watch_close)

struct etcd_event {
	bool deleted;
	struct etcd_kv kv; /* of a deleted one: key and .mod_rev */
};

struct etcd_events {
	struct etcd_event *v; /* owned */
	size_t count;
	struct etcd_head head;
	bool created; /* a range of them is watched from now on; no events */
};

void etcd_events_clear(struct etcd_events *events);

/*
 * etcd_watch_next() - wait.  @wake_fd: readable: return at once; -1: none.
 * Return: 1: @ret holds what came; 0: nothing did; else it is over: open another
 *         (-ERANGE: .since was compacted).
 */
int etcd_watch_next(struct etcd_watch *w, int wake_fd, unsigned int timeout_ms,
		    struct etcd_events *ret, struct err *err);

#endif
