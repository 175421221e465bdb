/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw.h - nftables through libmnl and libnftnl, the only place that sees them:
 * a batch of additions and deletions that the kernel takes whole or not at all.
 *
 * Rules are written as a list of small expression structs (struct fw_expr),
 * close to what `nft --debug=netlink` prints, so that a rule can be compared
 * with nft(8)'s own compilation of the same text.  A tiny vocabulary on
 * purpose: what dataplane/nft needs and no more.
 *
 * Thread-safe: one netlink socket and one mutex a handle, bound to the netns
 * it was opened in.
 */
#ifndef LIB_FW_H
#define LIB_FW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"

struct fw;
struct fw_batch;

int fw_open(struct fw **ret, struct err *err);
void fw_close(struct fw *fw);
DEFINE_CLEANUP(struct fw, fw_close)

/* A batch grows without limit in memory and is sent in one transaction. */
struct fw_batch *fw_batch_new(struct fw *fw); /* NULL: out of memory */
void fw_batch_free(struct fw_batch *b);
DEFINE_CLEANUP(struct fw_batch, fw_batch_free)

/*
 * fw_commit() - send the batch; consumes its content (reusable afterwards).
 *
 * Return: 0; the kernel's errno for the first message it refused, @err naming
 * that object ("element 10.0.0.2 . tcp . 80 of map pub4: File exists"), with
 * its extended-ack text where there is one.  On failure nothing was changed.
 * Every fw_batch call that fails (memory, a bad argument) is remembered and
 * reported here, so callers write straight lines.
 */
int fw_commit(struct fw_batch *b, struct err *err);

/* family: NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_BRIDGE */
struct fw_table {
	uint8_t family;
	const char *name;
};

/* Adding a table, chain or set that is there is success; it stays as it is.
 * Deleting or flushing one that is not makes the transaction fail with -ENOENT:
 * add and then delete it where that is not known. */
void fw_table_add(struct fw_batch *b, const struct fw_table *t);
void fw_table_del(struct fw_batch *b, const struct fw_table *t);

struct fw_chain {
	const char *name;
	const char *type; /* "filter", "nat", "route"; NULL: not a base chain */
	uint32_t hook;    /* NF_INET_* / NF_BR_* */
	int32_t priority;
	bool policy_drop;
};

void fw_chain_add(struct fw_batch *b, const struct fw_table *t,
		  const struct fw_chain *c);
void fw_chain_flush(struct fw_batch *b, const struct fw_table *t,
		    const char *chain);
/* -EBUSY while rules or map elements jump to it. */
void fw_chain_del(struct fw_batch *b, const struct fw_table *t,
		  const char *chain);

/* nft(8)'s datatype ids, so that nft list prints keys as people write them. */
enum fw_type {
	FW_TYPE_INTEGER = 4,    /* of any length, see fw_typeof.h */
	FW_TYPE_IPV4 = 7,       /* 4 bytes */
	FW_TYPE_IPV6 = 8,       /* 16 */
	FW_TYPE_ETHER = 9,      /* 6 */
	FW_TYPE_ETHERTYPE = 10, /* 2, network order */
	FW_TYPE_L4PROTO = 12,   /* 1 */
	FW_TYPE_PORT = 13,      /* 2, network order */
	FW_TYPE_MARK = 19,      /* 4, host order */
	FW_TYPE_IFINDEX = 20,   /* 4, host order */
	FW_TYPE_ICMP = 14,      /* 1 */
	FW_TYPE_ICMP6 = 29,     /* 1 */
	FW_TYPE_IFNAME = 41,    /* 16, padded with NULs */
};
/* Concatenated types: ipv4 . port is FW_TYPES2(FW_TYPE_IPV4, FW_TYPE_PORT). */
#define FW_TYPES2(a, b)       ((uint32_t)(a) << 6 | (uint32_t)(b))
#define FW_TYPES3(a, b, c)    (FW_TYPES2(a, b) << 6 | (uint32_t)(c))
#define FW_TYPES4(a, b, c, d) (FW_TYPES3(a, b, c) << 6 | (uint32_t)(d))

/* A set or map.  Key and data are raw bytes; each part of a concatenation is
 * padded with NULs to a multiple of 4 bytes (nft's own layout, and that of
 * consecutive registers), and key_len is the padded sum.  Interval sets of
 * concatenations are pipapo and take a key and a key_end (inclusive) in each
 * element; interval sets of one field are trees, key_end inclusive as well.
 * Only @name, key_len, data_len and the flags are looked at by fw_elem_*. */
struct fw_set {
	const char *name;
	uint32_t key_type, key_len;   /* enum fw_type or FW_TYPESn; bytes */
	uint32_t data_type, data_len; /* 0: a set */
	bool verdict_map;             /* data is a verdict */
	bool interval, concat;
	uint8_t field_len[8]; /* interval && concat: bytes, unpadded */
	uint8_t field_count;
	bool dynamic;
	uint32_t timeout_ms;  /* 0: none */
	const void *userdata; /* fw_typeof.h, for a key that nft(8) has no type
			       * for; NULL: made from the types */
	uint32_t userdata_len;
};

void fw_set_add(struct fw_batch *b, const struct fw_table *t,
		const struct fw_set *s);

struct fw_elem {
	const void *key, *key_end; /* key_end NULL: exact */
	const void *data;
	uint32_t verdict;  /* of a verdict map: NFT_JUMP, NFT_GOTO, NF_DROP.. */
	const char *chain; /* of a jump or goto */
};

/* excl: -EEXIST when it is there; otherwise an equal one is fine, and one with
 * other data still is -EEXIST. */
void fw_elem_add(struct fw_batch *b, const struct fw_table *t,
		 const struct fw_set *s, const struct fw_elem *e, bool excl);
/* An absent element makes the transaction fail with -ENOENT.  Only the key
 * (and key_end) are looked at. */
void fw_elem_del(struct fw_batch *b, const struct fw_table *t,
		 const struct fw_set *s, const struct fw_elem *e);
/* As fw_elem_del(), and nothing where it is absent now: it is looked up in what
 * is committed (5.x kernels have no destroy), not in what @b will do. */
void fw_elem_del_if_there(struct fw_batch *b, const struct fw_table *t,
			  const struct fw_set *s, const struct fw_elem *e);
void fw_set_flush(struct fw_batch *b, const struct fw_table *t,
		  const char *set);

/* Rules: see fw_expr.h for the expressions. */
struct fw_expr;
struct fw_rule {
	const char *chain;
	const struct fw_expr *exprs; /* ended by FW_END */
	const char *comment;         /* NULL: none */
	uint64_t handle;             /* position: insert before it; 0: append */
	bool insert;                 /* at the head (handle 0) */
};

/* Adding twice makes two. @handle, of either: -ENOENT when it is not there. */
void fw_rule_add(struct fw_batch *b, const struct fw_table *t,
		 const struct fw_rule *r);
void fw_rule_del(struct fw_batch *b, const struct fw_table *t,
		 const char *chain, uint64_t handle);

/* ---- reading ----------------------------------------------------------- */

/* fw_generation() - a number, never 0, that is another one after each change of
 * this host's ruleset by anybody.  Costs microseconds whatever is there. */
int fw_generation(struct fw *fw, uint32_t *ret, struct err *err);
/* -ENOENT: no such table. */
int fw_table_find(struct fw *fw, const struct fw_table *t, struct err *err);
int fw_chain_find(struct fw *fw, const struct fw_table *t, const char *chain,
		  bool *ret_is_base, struct err *err);
/* fw_chain_policy() - NF_ACCEPT or NF_DROP of a base chain; NF_ACCEPT for any
 * other chain. */
int fw_chain_policy(struct fw *fw, const struct fw_table *t, const char *chain,
		    uint32_t *ret, struct err *err);
/*
 * fw_rule_each() - the rules of a chain in order.  @summary is the rule's
 * iifname/oifname/verdict as far as it is made only of those.
 */
struct fw_rule_info {
	uint64_t handle;
	char comment[160];
	char iifname[16], oifname[16]; /* "" when not compared */
	uint32_t verdict;              /* NF_ACCEPT.., or UINT32_MAX: other */
	char jump[64];                 /* chain of a jump or goto; "" */
	bool simple; /* nothing but iifname/oifname, counter, verdict or jump,
		      * comment */
	/* The packet's own destination port is compared (after DNAT that is
	 * not the port it was sent to); of several: the lowest, the highest. */
	bool dport;
	uint16_t dport_first, dport_last;
};
int fw_rule_each(struct fw *fw, const struct fw_table *t, const char *chain,
		 int (*fn)(void *ctx, const struct fw_rule_info *r), void *ctx,
		 struct err *err);
/*
 * fw_tracks() - does a table, but those named @except, keep connection tracking in
 * use: a NAT chain, a rule that asks, marks or turns it off, iptables' words for the
 * same?  (Not seen: other users than nftables, as OVS and legacy iptables.)
 * Reads all rules where there is no NAT chain: 1 us each.
 * Return: 1; 0; -errno.
 */
int fw_tracks(struct fw *fw, const char *except, struct err *err);

/* A chain with rules that drop, reject, or hand a packet to a program. */
struct fw_refusal {
	struct fw_table table; /* borrowed, as .chain */
	const char *chain;
	size_t rules;
};

/*
 * fw_refuse_each() - each chain that refuses something and is come to from a base
 * chain of one of @hooks: bits 1 << NF_INET_* (linux/netfilter.h; NF_INET_INGRESS: of
 * family netdev, too).  Policies are not looked at.  A rule that jumps where a map says
 * is taken to reach each chain of its table.  (Not seen: legacy iptables, as above.)
 * Return: 0; what @fn said, which ends it; -errno.
 */
int fw_refuse_each(struct fw *fw, uint32_t hooks,
		   int (*fn)(void *ctx, const struct fw_refusal *f), void *ctx,
		   struct err *err);

/* Where something is refused to all. */
struct fw_barrier {
	uint8_t family;
	char table[64], chain[64]; /* of the base chain */
	bool policy;               /* by its policy; else by a rule */
};

/* UDP packets that come from others. */
struct fw_udp {
	uint8_t family;     /* NFPROTO_IPV4 or NFPROTO_IPV6 */
	uint16_t port;      /* of this host */
	const char *not_by; /* a link that none comes by; NULL: not known */
	bool answers; /* one that comes may be an answer to what this host sent, and
			 * be let in as such */
};

/*
 * fw_udp_refused() - is there a base chain at input that lets no such packet in, whoever
 * sends it?  (What this host sends to itself is none.)
 * A rule with a condition that can't be read may let it pass, so what is found is so,
 * and not all is found.  (Not seen: legacy iptables, as above.)
 * @except: tables whose names begin so are not looked at.
 * Return: 1: @ret is the first; 0; -errno.
 */
int fw_udp_refused(struct fw *fw, const struct fw_udp *to, const char *except,
		   struct fw_barrier *ret, struct err *err);

/*
 * What a set holds, in two numbers: sets with the same elements, in whatever
 * order, have the same.  Begin with { 0 }.
 */
struct fw_digest {
	size_t count;
	uint64_t sum; /* of keys, ranges' ends and data */
};

/* fw_digest_add() - the element as fw_elem_add() would have it made. */
void fw_digest_add(struct fw_digest *d, const struct fw_set *s,
		   const struct fw_elem *e);
/* fw_set_digest() - of what is in the kernel's set now. */
int fw_set_digest(struct fw *fw, const struct fw_table *t, const char *set,
		  struct fw_digest *ret, struct err *err);

/* ---- events ------------------------------------------------------------ */

struct fw_monitor;
int fw_monitor_open(struct fw_monitor **ret, struct err *err);
void fw_monitor_close(struct fw_monitor *m);
DEFINE_CLEANUP(struct fw_monitor, fw_monitor_close)
int fw_monitor_fd(const struct fw_monitor *m);
/* fw_monitor_ignore() - events of this socket's changes (fw_portid()) are
 * dropped in the kernel and never wake a poller; one port id a monitor. */
int fw_monitor_ignore(struct fw_monitor *m, uint32_t portid, struct err *err);
struct fw_event {
	bool deleted; /* else added */
	bool lost;    /* the socket overran: take a full look */
	uint8_t family;
	char table[64], chain[64]; /* chain "" for table and set events */
	uint32_t portid;           /* who did it; ours is fw_portid() */
};
/* Reads all there is, without blocking; equal events in a row (the elements of
 * one set) are reported once.  Return: events; -errno. */
int fw_monitor_read(struct fw_monitor *m,
		    void (*fn)(void *ctx, const struct fw_event *e), void *ctx,
		    struct err *err);
uint32_t fw_portid(const struct fw *fw);

/* As nft(8) calls a family of tables: a constant string. */
const char *fw_family_str(uint8_t family);

#endif
