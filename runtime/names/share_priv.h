/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share_priv.h - what the files of share have in common.
 *
 * All but what is said to be under ->lock belongs to the thread.
 */
#ifndef RUNTIME_NAMES_SHARE_PRIV_H
#define RUNTIME_NAMES_SHARE_PRIV_H

#include <pthread.h>

#include "lib/etcd_seen.h"
#include "runtime/names/share.h"

#define SHARE_KEY_MAX 320

/* What one key of another host says. */
struct share_peer {
	char *node; /* owned: all behind "names/NET/" */
	int64_t mod;
	struct name_record *recs; /* owned */
	size_t count;
	unsigned int refused; /* names and addresses that are not believed */
	bool bad;             /* it is none of ours at all */
	bool seen;            /* in the list that is being read */
};

struct share_one {
	struct share_net net;
	bool gone;   /* to be taken back, then freed; set under ->lock */
	bool due;    /* to be told */
	bool dirty;  /* to be read */
	bool own;    /* ours is there */
	bool unsaid; /* what was read is not in ->names yet */
	char *told;  /* owned; what is there of ours by .lease; NULL: nothing */
	uint64_t lease;
	int64_t rev;              /* highest seen of its keys */
	struct share_peer *peers; /* owned */
	size_t count;
	struct share_one *next;
	/* under ->lock: for people */
	size_t left_out, refused, bad, hosts;
};

struct share {
	struct names *names;
	struct etcd *etcd; /* owned */
	struct etcd_seen seen;
	char prefix[CLUSTER_PREFIX_MAX], node[CLUSTER_NODE_MAX];
	unsigned int relist_s, limit_ms;
	int wake; /* eventfd */
	pthread_t thread;
	bool cleaned; /* what an earlier life told of other networks is gone */
	uint64_t lease; /* of the host's record; 0: there is none */

	pthread_mutex_t lock;
	bool stop, kicked, ready, host_due;
	unsigned int gen;       /* grows when a network comes or goes */
	struct share_one *nets; /* owned */
	bool homeless;          /* no lease: told nothing */
};

static inline size_t share_known(const struct share_one *n)
{
	return n->count + n->own;
}

void share_key(const struct share *s, char buf[static SHARE_KEY_MAX],
	       const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void share_one_free(struct share_one *n);
void share_peers_clear(struct share_one *n);

/* share_record.c: pure. */
/* Owned text of what DOCKER and USER say of the network; NULL: out of memory. */
char *share_encode(struct names *names, const struct share_net *net,
		   const char *node, size_t *left_out);
/* @peer->node is whose it must be.  Fills the rest; what is not believed is counted.
 * -ENOMEM. */
int share_decode(const char *text, size_t len, const struct share_net *net,
		 struct share_peer *peer);

/* share_etcd.c: the thread's. */
/* This host's lease, by its record. */
int share_host_look(struct share *s, struct err *err);
/* What this host told of networks it is not in, in an earlier life. */
int share_clean(struct share *s, struct err *err);
int share_tell(struct share *s, struct share_one *n, struct err *err);
int share_untell(struct share *s, const char *net, struct err *err);
/* What others say of @n, as far as it changed; into ->names. */
int share_fetch(struct share *s, struct share_one *n, struct err *err);

/* share_thread.c */
/* A network's turn begins: it has ->limit_ms, however many there are.  false: the thread
 * is to end. */
bool share_step(struct share *s);
void *share_thread(void *arg);

#endif
