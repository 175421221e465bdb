/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks_priv.h - what the files of the blocks share.
 *
 * ->io is held over whatever asks etcd or changes which nets, blocks and claims there
 * are; ->lock, for moments, over each look at them and each change.  So with ->io they
 * can be read without ->lock, but for .claimed and .shut.
 */
#ifndef IPAM_BLOCKS_PRIV_H
#define IPAM_BLOCKS_PRIV_H

#include <pthread.h>

#include "ipam/blocks.h"
#include "lib/etcd_seen.h"

#define SHARE_KIND   "share" /* state.db, id = pool */
#define BLOCK_KIND   "block" /* state.db, id = first address, parent = pool */
#define CLAIM_KIND   "claim" /* state.db, id = address, parent = pool */

#define BL_KEY_MAX   320
#define BL_BITS      6 /* a block has at most 64 addresses, */
#define BL_PART_BITS 4 /* and is at most a 16th of the pool */
#define BL_TRIES     16
#define BL_ALL       "the cluster" /* in .whose: no host's, all hosts' */

struct bl_block {
	struct ip_addr first;
	uint64_t
		claimed; /* bits of addresses that are somebody's by themselves */
	bool shut;       /* nothing is handed out of it */
	char whose[CLUSTER_NODE_MAX]; /* another host's by now; "": ours */
	uint64_t idle_ms;             /* not used since; 0: used */
};

/* An address that an endpoint here may have, outside our blocks; or, only while a
 * request is under way, one for all hosts. */
struct bl_claim {
	struct ip_addr addr;
	enum ipam_use use;
	unsigned int pending;         /* requests under way */
	bool going;                   /* nobody's any more, but in etcd */
	char whose[CLUSTER_NODE_MAX]; /* as a block's */
};

struct bl_net {
	struct bl_net *next;
	struct ip_prefix pool, sub, area; /* .area: .sub, or .pool */
	uint8_t block_len;                /* a block's prefix length */
	bool joined;                      /* etcd has said so, */
	uint64_t joined_ms;               /* in this life; 0: before */
	unsigned int pending;             /* requests under way */
	char why[256];                    /* it can't be joined again; "" */
	struct pool *shape;               /* owned; empty */
	struct bl_block *blocks;          /* owned */
	struct bl_claim *claims;          /* owned */
	size_t block_count, claim_count;
};

struct blocks {
	struct store *state; /* borrowed */
	struct blocks_user user;
	struct etcd *etcd; /* owned; NULL: no --store */
	struct etcd_seen seen;
	char prefix[CLUSTER_PREFIX_MAX];
	char node[CLUSTER_NODE_MAX], machine[65];
	char *member, *owner; /* owned: values of this host's records */
	unsigned int relist_ms, rest_ms, limit_ms;
	pthread_mutex_t io, lock;
	struct bl_net *nets; /* owned */
	pthread_t thread;
	pthread_cond_t wake;
	bool started, stop, due;
	bool look; /* etcd lacks this host: list at once */
};

void bl_unlockp(pthread_mutex_t **lock);
/* ->io, with so much time for etcd: who waits for it has a client that waits. */
void bl_begin(struct blocks *b);
void bl_endp(struct blocks **b);
int bl_no_memory(struct err *err);

/* ---- blocks_keys.c ------------------------------------------------------- */

/* On our disk and in etcd; what is unused is zero. */
struct bl_record {
	struct ip_prefix pool, sub;
	struct ip_addr addr;
	uint32_t block; /* prefix length */
	bool joined;
	uint64_t claimed;
	char node[CLUSTER_NODE_MAX], machine[65];
	char use[12];
};

char *bl_encode(const struct bl_record *rec); /* owned; NULL: no memory */
int bl_decode(const char *text, struct bl_record *ret, struct err *err);
/* Of etcd: what can't be read is zero. */
struct bl_record bl_of(const struct etcd_kv *kv);

void bl_key(const struct blocks *b, char buf[static BL_KEY_MAX],
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "ipam/KIND/POOL/" and, if @a is an address, that, as hexadecimal digits. */
void bl_net_key(const struct blocks *b, const struct bl_net *n,
		const char *kind, const struct ip_addr *a,
		char buf[static BL_KEY_MAX]);
/* "ipam/pool4/0a090000": sorts as the pools do. */
void bl_pool_key(const struct blocks *b, const struct ip_addr *a,
		 char buf[static BL_KEY_MAX]);
/* The address at the end of a key; false: none of @family. */
bool bl_key_addr(const char *key, uint8_t family, struct ip_addr *ret);

struct ip_prefix bl_block_of(const struct bl_net *n, const struct ip_addr *a);
uint64_t bl_bit(const struct bl_net *n, const struct ip_addr *a);
/* The record of @a; NULL: none. */
const struct etcd_kv *bl_kv_of(const struct etcd_kvs *kvs,
			       const struct ip_addr *a);
/* Bits of those addresses of the block at @first that are in @addrs. */
uint64_t bl_claimed_in(const struct bl_net *n, const struct etcd_kvs *addrs,
		       const struct ip_addr *first);

/* ---- blocks_keep.c: memory and state.db; under ->io ------------------------- */

int bl_load(struct blocks *b, struct err *err);
/* Also under ->lock alone. */
struct bl_net *bl_net_find(struct blocks *b, const struct ip_prefix *pool);
struct bl_block *bl_block_find(struct bl_net *n, const struct ip_addr *a);
struct bl_claim *bl_claim_find(struct bl_net *n, const struct ip_addr *a);

int bl_net_add(struct blocks *b, const struct ip_prefix *pool,
	       const struct ip_prefix *sub, struct bl_net **ret,
	       struct err *err);
/* Once more on record. */
int bl_net_save(struct blocks *b, const struct bl_net *n, struct err *err);
/* Nothing is held of it any more; before it is left. */
int bl_net_shut(struct blocks *b, struct bl_net *n, struct err *err);
/* When it is left. */
int bl_net_drop(struct blocks *b, struct bl_net *n, struct err *err);
void bl_net_free(struct bl_net *n);
int bl_block_add(struct blocks *b, struct bl_net *n,
		 const struct ip_addr *first, uint64_t claimed,
		 struct err *err);
/* The record; what is in memory goes by bl_block_forget(). */
int bl_block_unsave(struct blocks *b, const struct bl_block *k,
		    struct err *err);
void bl_block_forget(struct blocks *b, struct bl_net *n,
		     const struct ip_addr *first);
/* Set or clear bits of a block that is there. */
int bl_block_claimed(struct blocks *b, struct bl_net *n,
		     const struct ip_addr *first, uint64_t claimed,
		     struct err *err);
/* One that is there stays, and is not going. */
int bl_claim_add(struct blocks *b, struct bl_net *n, const struct ip_addr *a,
		 enum ipam_use use, struct err *err);
/* Only in memory, for .whose: an endpoint's here that is another's by now. */
int bl_claim_note(struct blocks *b, struct bl_net *n, const struct ip_addr *a,
		  struct err *err);
/* As bl_block_unsave(): it is going. */
int bl_claim_unsave(struct blocks *b, struct bl_claim *k, struct err *err);
void bl_claim_forget(struct blocks *b, struct bl_net *n,
		     const struct ip_addr *a);

/* ---- blocks_txn.c: etcd; under ->io --------------------------------------- */

/* All that etcd has of a pool. */
struct bl_list {
	bool pool, member;         /* is there one? */
	struct bl_record rec, own; /* the pool's; this host's member record */
	int64_t mod, create;       /* of the pool's */
	struct etcd_result res;    /* owned: */
	struct etcd_kvs *blocks, *addrs, *members;
};

int bl_ask(struct blocks *b, struct err *err);
int bl_list(struct blocks *b, const struct bl_net *n, struct bl_list *ret,
	    struct err *err);
bool bl_is_member(const struct bl_list *l, const char *node);
void bl_list_clear(struct bl_list *l);
int bl_join(struct blocks *b, struct bl_net *n, struct err *err);
/* @node: this host, or one that is gone for ever. */
int bl_leave(struct blocks *b, const struct bl_net *n, const char *node,
	     struct err *err);

/* ---- blocks_claim.c: etcd; under ->io ------------------------------------- */

/* One more block.  -ENOSPC. */
int bl_take(struct blocks *b, struct bl_net *n, struct err *err);
/* The same one again.  Return: 1; 0: it is another's by now. */
int bl_retake(struct blocks *b, struct bl_net *n, const struct ip_addr *first,
	      struct err *err);
/* As it is in etcd now: 0: not this host's.  Before it goes from the disk. */
int bl_give_look(struct blocks *b, const struct bl_net *n,
		 const struct ip_addr *first, int64_t *ret_mod,
		 struct err *err);
/* @mod: what was looked at; no other is taken away. */
int bl_give(struct blocks *b, const struct bl_net *n,
	    const struct ip_addr *first, int64_t mod, struct err *err);
/* An address by itself. */
int bl_claim(struct blocks *b, struct bl_net *n, const struct ip_addr *a,
	     enum ipam_use use, struct err *err);
int bl_unclaim_look(struct blocks *b, const struct bl_net *n,
		    const struct ip_addr *a, int64_t *ret_mod, struct err *err);
int bl_unclaim(struct blocks *b, const struct bl_net *n,
	       const struct ip_addr *a, int64_t mod, struct err *err);
/* The one that all hosts have; chosen where there is none. */
int bl_gateway(struct blocks *b, struct bl_net *n, struct ip_addr *ret,
	       struct err *err);

/* ---- blocks_settle.c ------------------------------------------------------- */

/* At the start: compare with etcd, where it answers. */
int bl_check(struct blocks *b, struct err *err);
/* A count of requests under way. */
unsigned int bl_pending(struct blocks *b, const unsigned int *n);
/* Nobody here needs it any more: all of it goes back. */
int bl_net_leave(struct blocks *b, struct bl_net *n, struct err *err);
/* Compare with etcd, and give back what is not used.  Under ->io. */
int bl_settle(struct blocks *b, bool list, struct err *err);
void *bl_thread(void *arg);

#endif
