/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd_seen.h - calls of etcd, and what the answers say of etcd itself.
 *
 * Its revision only grows.  An answer below what had been seen before it was asked for,
 * or of another cluster, means that the data is another's or a backup: what this host
 * has told is not in it, and what is in it may be long gone.  Then it is neither read nor
 * written until someone says that this is the truth now.
 */
#ifndef LIB_ETCD_SEEN_H
#define LIB_ETCD_SEEN_H

#include <pthread.h>

#include "lib/etcd.h"

struct etcd_seen {
	pthread_mutex_t lock;
	const char *until; /* borrowed; how someone says so */
	uint64_t away_ms;  /* since when; 0: it answers */
	char away_why[256];
	bool full;          /* NOSPACE */
	char back_why[256]; /* "": its data is what it was */
	uint64_t cluster_id;
	int64_t revision;     /* highest seen */
	unsigned int adopted; /* how often it was said */
};

/* etcd_seen_init() - @until: "netctl overlay adopt", as people read it; borrowed. */
void etcd_seen_init(struct etcd_seen *s, const char *until);
void etcd_seen_fini(struct etcd_seen *s);

/* As etcd_range() and etcd_txn_run() with repeat; -ESTALE: it went back.
 * @head: NULL: not asked for. */
int etcd_seen_range(struct etcd_seen *s, struct etcd *e,
		    const struct etcd_range *q, struct etcd_kvs *ret,
		    struct etcd_head *head, struct err *err);
int etcd_seen_txn(struct etcd_seen *s, struct etcd *e, const struct etcd_txn *t,
		  struct etcd_result *ret, struct err *err);
/* etcd_seen_note() - of another call, as of a lease: what it returned, and said. */
void etcd_seen_note(struct etcd_seen *s, int r, const struct err *err);
/* etcd_seen_adopt() - etcd's data is the truth now, whatever was seen.  False: it had not
 * gone back, and nothing is changed. */
bool etcd_seen_adopt(struct etcd_seen *s);
/* etcd_seen_back() - did it go back?  etcd_seen_away_ms() - how long it has not
 * answered; 0: it does. */
bool etcd_seen_back(struct etcd_seen *s);
uint64_t etcd_seen_away_ms(struct etcd_seen *s);
/* etcd_seen_ready() - for who can do without: -EAGAIN when it did not answer a moment
 * ago, -ESTALE; @err says since when and why. */
int etcd_seen_ready(struct etcd_seen *s, struct err *err);
/* etcd_seen_lines() - what is wrong with it, for people, a line each. */
void etcd_seen_lines(struct etcd_seen *s,
		     void (*line)(void *arg, const char *text), void *arg);

#endif
