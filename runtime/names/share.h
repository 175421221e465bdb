/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.h - names of a cluster's hosts: tells etcd what is called how here, and a
 * struct names what the others tell (NAMES_HOSTS).  docs/cluster.md has the keys.
 *
 * One key a network and host, so that whatever changes at once is one put, and one event
 * for each host of the network.  It hangs on the lease that berth-overlay has for this
 * host: names go when the endpoints do, and who is alive is decided once.
 */
#ifndef RUNTIME_NAMES_SHARE_H
#define RUNTIME_NAMES_SHARE_H

#include "lib/cluster_at.h"
#include "runtime/names/names.h"

/* A record: etcd takes requests of 1.5 MB.  What is above is not told, and said. */
#define SHARE_VALUE_MAX (256u << 10)
#define SHARE_HOSTS_MAX 1024 /* of a network; others are not read, and said */

struct share_config {
	struct cluster_at at;  /* with members; its strings borrowed for good */
	unsigned int relist_s; /* a little more or less between two; 0: 45 */
	unsigned int limit_ms; /* for what is asked of one network; 0: 8000 */
};

struct share_net {
	char net[NAMES_NET_MAX];
	struct ip_prefix subnet[2]; /* addresses elsewhere are not believed */
};

struct share; /* locks for itself */

/*
 * share_new() - with a thread of its own; etcd need not answer.
 *
 * @names: borrowed until share_free().
 * Return: 0; -EINVAL: a name that can't be a part of a key; as etcd_open().
 */
int share_new(struct names *names, const struct share_config *cfg,
	      struct share **ret, struct err *err);
/* What was told stays: the daemon may be back at once. */
void share_free(struct share *s);
DEFINE_CLEANUP(struct share, share_free)

/*
 * share_nets_set() - the networks that this host is in, and no others: of one that is
 * not among them any more the names are taken back.
 * Return: 0; -ENOMEM: all as before.
 */
int share_nets_set(struct share *s, const struct share_net *nets, size_t count,
		   struct err *err);

/*
 * share_kick() - what is known of this host's names is all there is, or again: told
 * soon.  Until the first one what an earlier life told stays.
 * share_changed() - some changed; told when it is known what others there are.
 */
void share_kick(struct share *s);
void share_changed(struct share *s);

/* share_problems() - one line each of what is wrong. */
void share_problems(struct share *s, void (*line)(void *arg, const char *text),
		    void *arg);

#endif
