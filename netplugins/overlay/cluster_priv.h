/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster_priv.h - what the files of the cluster share.
 *
 * Two locks.  ->write is held over a writing transaction, and by whoever changes what
 * this host has (networks, its endpoints); ->lock, taken after it, for moments, by
 * whoever reads or changes anything.  So with ->write what this host has can be read
 * without ->lock.  What other hosts have is changed by the thread alone.
 */
#ifndef NETPLUGINS_OVERLAY_CLUSTER_PRIV_H
#define NETPLUGINS_OVERLAY_CLUSTER_PRIV_H

#include <pthread.h>

#include "lib/etcd_seen.h"
#include "netplugins/overlay/cluster.h"

_Static_assert(OV_NODE_MAX == CLUSTER_NODE_MAX, "one name of a host");

#define CL_KEY_MAX  448
#define CL_NAME_MAX CLUSTER_NET_MAX
#define CL_WHY_MAX  256

/* An endpoint of this host. */
struct cl_mine {
	struct ov_endpoint ep;
	bool told, fenced;
	bool due;             /* to be told; with .gone: to be taken back */
	bool gone;            /* nobody's any more */
	bool alone;           /* .due: not by cl_claim_many() */
	char why[CL_WHY_MAX]; /* .fenced */
	struct cl_mine *next;
};

/* Of one network, whoever is in it: what is above is not read, and counted. */
#define CL_HOSTS_MAX     1024
#define CL_ENDPOINTS_MAX 4096 /* of a host */

/* The last of a network that are not there any more, as node/NODE/net/NET says them. */
#define CL_WENT      8
#define CL_WENT_TEXT (CL_WENT * 65 + 1)

/* An endpoint of another host. */
struct cl_theirs {
	struct ov_endpoint ep;
	int64_t create_rev; /* of its record: of two that say one address the
			     * older is right */
};

/* Another host, in one network. */
struct cl_peer {
	char node[OV_NODE_MAX];
	int64_t rev;    /* of its member record when it was read; 0: never */
	uint64_t total; /* records of endpoints, valid or not */
	uint64_t ignored;
	bool big;            /* more than etcd answers at once: none is read */
	struct ov_host host; /* .vtep none: not there */
	int64_t host_rev;
	struct cl_theirs *eps; /* owned */
	size_t count;
};

struct cl_net {
	struct ov_network net;
	char key[CL_NAME_MAX];
	unsigned int born;  /* which of that name that this host had */
	int64_t create_rev; /* of its record: which network of that name */
	bool told;          /* this host is a member, by this lease */
	bool due;           /* to be told; with .gone: to be left */
	bool gone;          /* left */
	bool member;        /* its member record was there at the last check */
	char why[CL_WHY_MAX];   /* it is another's by now; "": no */
	char went[CL_WENT][65]; /* of this host; "": none */
	unsigned int went_next;
	struct cl_mine *mine;  /* owned */
	struct cl_peer *peers; /* owned */
	size_t count;
	uint64_t too_many; /* hosts that are not read */
	size_t twice;      /* endpoints not shown: an older one says the same */
	int64_t rev;       /* etcd's, when it was listed; 0: never */
	uint64_t serial;
	bool changed; /* since .changed() */
	bool freed;   /* what a fenced one of ours waits for may be free */
	struct cl_net *next;
};

/* How often something changed of late, and when that was followed. */
struct cl_pace {
	unsigned int count;
	uint64_t changed_ms, done_ms;
};

/* A host in a network that comes and goes; so many are kept in mind. */
#define CL_FLAPS 32
struct cl_flap {
	char net[CL_NAME_MAX], node[OV_NODE_MAX]; /* "": free */
	struct cl_pace pace;
	bool held; /* to be read when its time has come */
};

struct cluster {
	struct ov_dir dir;
	struct etcd *rw, *ro;            /* under ->write; the thread's */
	char prefix[CLUSTER_PREFIX_MAX]; /* "/berth/NAME/" */
	char node[OV_NODE_MAX], machine[65];
	unsigned int lease_s, linger_s, relist_s, grace_s, limit_ms;
	int fd, wake; /* eventfds: for the driver; for the thread */
	pthread_t thread;
	struct cl_flap flaps[CL_FLAPS]; /* the thread's */

	pthread_mutex_t write;
	uint64_t lease; /* 0: none */

	pthread_mutex_t lock;
	bool stop;
	bool host_due;    /* its record is to be written */
	bool host_told;   /* it says what is here */
	uint64_t keep_ms; /* when the lease is to be kept; without: to be had */
	struct ip_addr vtep;
	char key[OV_KEY_MAX], next[OV_KEY_MAX];
	struct cl_pace told_pace; /* of .vtep */
	struct cl_net *nets;      /* owned */
	unsigned int gen;  /* grows when a network comes or goes, and with
			      * what else the watch is to be opened anew for */
	unsigned int born; /* grows with each network */
	bool relist;
	char twin_why[CL_WHY_MAX]; /* another machine has our name */
	bool loading;
	uint64_t begin_ms; /* of the grace */

	struct etcd_seen seen; /* locks for itself */
};

static inline struct cluster *cl_of(struct ov_dir *dir)
{
	return container_of(dir, struct cluster, dir);
}

void cl_wake(struct cluster *c);
/* ->write, for at most .limit_ms: what etcd has not done by then fails. */
void cl_write_begin(struct cluster *c);
void cl_write_end(struct cluster *c);
/* Under ->lock: a view is another from now on. */
void cl_changed(struct cluster *c, struct cl_net *n);
/* Under either lock. */
struct cl_net *cl_net_find(struct cluster *c, const char *net_id);
struct cl_net *cl_net_by_key(struct cluster *c, const char *key);
void cl_net_free(struct cl_net *n);
/* Does this error mean that etcd is not to be had now? */
bool cl_is_away(int r);

/* cluster_config.c */
int cl_config_take(struct cluster *c, const struct cluster_config *cfg,
		   struct err *err);

/* cluster_io.c: etcd, and what its answers say of it. */
int cl_range(struct cluster *c, struct etcd *e, const struct etcd_range *q,
	     struct etcd_kvs *ret, struct etcd_head *head, struct err *err);
int cl_txn(struct cluster *c, struct etcd *e, const struct etcd_txn *t,
	   struct etcd_result *ret, struct err *err);
/* Not now: it was away a moment ago.  @err says since when and why. */
int cl_ready(struct cluster *c, struct err *err);

/* cluster_keys.c */
void cl_key(const struct cluster *c, char buf[static CL_KEY_MAX],
	    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* "sub4/0a010000": sorts as the subnets do. */
void cl_subnet_key(const struct cluster *c, const struct ip_addr *a,
		   char buf[static CL_KEY_MAX]);

struct cl_net_record {
	char name[65], node[OV_NODE_MAX];
	struct ip_prefix pool4, pool6;
	uint32_t vni;
	bool encrypt;
};
struct cl_subnet_record {
	struct ip_prefix subnet;
	char net[CL_NAME_MAX];
};
struct cl_owner { /* of an address or a MAC */
	char node[OV_NODE_MAX], id[65];
};
struct cl_host_record {
	char node[OV_NODE_MAX], machine[65];
	char key[OV_KEY_MAX],
		next[OV_KEY_MAX]; /* next: that it will have soon */
	struct ip_addr vtep;
};

/* Owned text; NULL: out of memory. */
char *cl_net_encode(const struct cl_net_record *r);
char *cl_subnet_encode(const struct cl_subnet_record *r);
char *cl_owner_encode(const struct cl_owner *r);
char *cl_host_encode(const struct cl_host_record *r);
char *cl_endpoint_encode(const struct ov_endpoint *ep);

/* Return: 0; -EBADMSG: nothing that we would write. */
int cl_net_decode(const struct etcd_kv *kv, struct cl_net_record *ret);
int cl_subnet_decode(const struct etcd_kv *kv, struct cl_subnet_record *ret);
int cl_owner_decode(const struct etcd_kv *kv, struct cl_owner *ret);
/* Of @node: its own name must be in it. */
int cl_host_decode(const struct etcd_kv *kv, const char *node,
		   struct cl_host_record *ret);
/* The same, of which only .node and .machine need be there. */
int cl_host_writer(const struct etcd_kv *kv, const char *node,
		   struct cl_host_record *ret);
/* Below @prefix, ".../ep/NETWORK/" of @node: what the key says must be in it, and
 * its addresses in the network. */
int cl_endpoint_decode(const struct etcd_kv *kv, const char *prefix,
		       const char *node, const struct ov_network *net,
		       struct ov_endpoint *ret);

/* cluster_net.c; under ->write. */
/* What @asked wants otherwise than the network of its name that is there; NULL: nothing. */
const char *cl_net_differs(const struct ov_network *has,
			   const struct ov_network *asked);
int cl_net_tell(struct cluster *c, struct cl_net *n, struct err *err);
int cl_net_untell(struct cluster *c, struct cl_net *n, struct err *err);
/* The same of a network that this host has told in an earlier life. */
int cl_net_untell_key(struct cluster *c, const char *net_key, struct err *err);
/* All of a network that @n describes (.key, .create_rev, .net): 1: it is gone; 0: some host
 * is in it, or it is another by now. */
int cl_net_remove(struct cluster *c, const struct cl_net *n, struct err *err);

/* cluster_claim.c; under ->write. */
/* Return: 0; -EADDRINUSE; -ENONET: the network is another or gone. */
int cl_claim(struct cluster *c, struct cl_net *n, const struct ov_endpoint *ep,
	     struct err *err);
/* Up to CL_MANY at once, by @lease: what of them is there is by lease @was; 0: nothing
 * is.  Return: 1: all is written; 0: nothing, for something is otherwise. */
#define CL_MANY 30 /* etcd does 128 operations at once, four of each */
int cl_claim_many(struct cluster *c, struct cl_net *n,
		  const struct ov_endpoint *const *eps, size_t count,
		  uint64_t was, uint64_t lease, struct err *err);
int cl_disclaim(struct cluster *c, struct cl_net *n,
		const struct ov_endpoint *ep, struct err *err);

/* The same of an endpoint that nobody has here any more: its record says of what. */
int cl_disclaim_id(struct cluster *c, const char *net_key, const char *id,
		   struct err *err);
/* @kv: that record, as it was read. */
int cl_disclaim_kv(struct cluster *c, const char *net_key, const char *id,
		   const struct etcd_kv *kv, struct err *err);

/* cluster_lease.c; under ->write. */
/* A lease, and this host's record by it. */
int cl_lease_have(struct cluster *c, struct err *err);
/* It is gone: all must be told again. */
void cl_lease_lost(struct cluster *c);
/* Without ->write, by the thread, as often as it likes: keeps the lease when it is
 * time.  Return: 0, even if it is gone; -errno: etcd could not be asked. */
int cl_lease_keep(struct cluster *c, struct err *err);

/* Its record's text, owned. */
char *cl_host_text(struct cluster *c);

/* cluster_linger.c; when all other threads have ended: what was told outlives this
 * daemon by .linger_s.  What fails is logged. */
void cl_linger(struct cluster *c);

/* cluster_read.c: what other hosts have; the thread's. */
int cl_list(struct cluster *c, const char *key, struct err *err);
int cl_fetch(struct cluster *c, const char *key, char (*nodes)[OV_NODE_MAX],
	     size_t count, struct err *err);

/* cluster_flap.c: who changes too often is followed now and then. */
void cl_pace_note(struct cl_pace *p);
/* When it may be followed again; it is for whoever does so to set .done_ms. */
uint64_t cl_pace_next(const struct cl_pace *p);
/* When this host's record, which changes too often, is to be written, perhaps some time
 * ago; UINT64_MAX: it need not be, or at once by whom it was changed.
 * @not_before_ms: nothing is told before. */
uint64_t cl_host_next(struct cluster *c, uint64_t not_before_ms);
/* The rest is the thread's.  That host went, or says another address or key. */
void cl_flap_note(struct cluster *c, const char *net, const char *node);
/* Is it not to be read now?  cl_flap_fetch() does it in time, then. */
bool cl_flap_hold(struct cluster *c, const char *net, const char *node);
/* When the next is due; UINT64_MAX: none is. */
uint64_t cl_flap_next(const struct cluster *c);
/* Read those that are due. */
int cl_flap_fetch(struct cluster *c, struct err *err);

/* cluster_view.c */
int cl_view(struct ov_dir *dir, const char *net_id, struct ov_view *ret,
	    struct err *err);

int cl_fenced(struct ov_dir *dir, const char *net_id, struct ov_view *ret,
	      struct err *err);

/* cluster_check.c */
void cl_check(struct ov_dir *dir, void (*fn)(void *ctx, const char *line),
	      void *ctx);

/* cluster_own.c: what this host has.  The first three under ->write. */
struct cl_mine *cl_mine_find(struct cl_net *n, const char *id);
void cl_mine_free(struct cluster *c, struct cl_net *n, struct cl_mine *m);
/* Do what is due of @n; a left one is freed by it.  Return: 1: and once more, please;
 * 0; -errno: etcd could not be asked. */
int cl_net_settle(struct cluster *c, struct cl_net *n, struct err *err);
/* These two end after about a second.  Return: 0; 1: there is more to do; -errno: etcd
 * could not be asked. */
/* Tell etcd what is due. */
int cl_own_tell(struct cluster *c, struct err *err);
/* Compare what etcd has of this host with what it should: what is missing is due, what
 * nobody put is removed, when the grace is over. */
int cl_own_check(struct cluster *c, struct err *err);

/* cluster_thread.c */
void *cl_thread(void *arg);

#endif
