/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * etcd_seen.h - calls of etcd, and what the answers say of etcd itself.
 *
 * Its revision only grows.  An answer below what had been seen before it was asked for,
 * or of another cluster, means that the data is another's or a backup: then it is
 * neither read nor written until the daemon begins anew, which says that this is the
 * truth now.
 */
#ifndef LIB_ETCD_SEEN_H
#define LIB_ETCD_SEEN_H

#include <pthread.h>

#include "lib/etcd.h"

struct etcd_seen {
	pthread_mutex_t lock;
	uint64_t away_ms; /* since when; 0: it answers */
	char away_why[256];
	bool full;          /* NOSPACE */
	char back_why[256]; /* "": its data is what it was */
	uint64_t cluster_id;
	int64_t revision; /* highest seen */
};

void etcd_seen_init(struct etcd_seen *s);
void etcd_seen_fini(struct etcd_seen *s);

/* As etcd_range() and etcd_txn_run() with repeat; -ESTALE: it went back. */
int etcd_seen_range(struct etcd_seen *s, struct etcd *e,
		    const struct etcd_range *q, struct etcd_kvs *ret,
		    struct err *err);
int etcd_seen_txn(struct etcd_seen *s, struct etcd *e, const struct etcd_txn *t,
		  struct etcd_result *ret, struct err *err);
/* etcd_seen_ready() - for who can do without: -EAGAIN when it did not answer a moment
 * ago, -ESTALE; @err says since when and why. */
int etcd_seen_ready(struct etcd_seen *s, struct err *err);
/* etcd_seen_line() - what is wrong with it, for people; false: nothing. */
bool etcd_seen_line(struct etcd_seen *s, char *buf, size_t size);

#endif
