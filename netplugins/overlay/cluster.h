/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster.h - the directory that lives in etcd: networks, hosts and endpoints of
 * all hosts of a cluster.  docs/cluster.md has the keys and transactions.
 */
#ifndef NETPLUGINS_OVERLAY_CLUSTER_H
#define NETPLUGINS_OVERLAY_CLUSTER_H

#include "lib/cluster_at.h"
#include "netplugins/overlay/directory.h"

#define CLUSTER_NET_MAX 144 /* "n.shop", "p.10.1.0.0-24" */

struct cluster_config {
	struct cluster_at at;
	struct ip_addr vtep;   /* where the others reach this host */
	const char *key;       /* WireGuard's, public; NULL: none */
	unsigned int lease_s;  /* a host is dead after; 0: 30 */
	unsigned int linger_s; /* ... after it ended in good order; 0: 600 */
	unsigned int relist_s; /* a little more or less between two; 0: 45 */
	unsigned int grace_s;  /* for .put() of what was there before, after
				* cluster_loading(false); 0: 60 */
	/* What a call has of etcd's time, however many members it has.  A request waits
	 * for one that is under way, too, and dockerd gives it 30 s.  0: 8000 */
	unsigned int limit_ms;
};

/*
 * cluster_open() - the directory, with a thread of its own; etcd need not answer.
 *
 * .join() and .put() are asked of etcd at once where it answers; where it does not,
 * .put(), .del(), .leave() and the .join() of a known network are kept in mind and
 * done when it does.  What of this node nobody has put again .grace_s after this,
 * or after cluster_loading() has ended, is removed.
 *
 * An address that is told of an endpoint of this node which nobody has put is free for
 * another of this node: put what is there before what is new.
 *
 * @cfg: the paths in .at are borrowed for good, all else is copied.
 * Return: 0; -EINVAL: a name that can't be a part of a key; as etcd_open().
 */
int cluster_open(const struct cluster_config *cfg, struct ov_dir **ret,
		 struct err *err);

/* cluster_loading() - what is there from an earlier life is being put (@is), however long
 * that takes: nothing of this node is removed meanwhile.  With !@is it is over. */
void cluster_loading(struct ov_dir *dir, bool is);

/*
 * cluster_net_name() - what a network is called in keys, the same on all its hosts.
 * Return: 0; -EINVAL: neither name nor subnet, or a name that can't be in a key.
 */
int cluster_net_name(const struct ov_network *net,
		     char buf[static CLUSTER_NET_MAX], struct err *err);

/* cluster_host_set() - this host has another address or key: told to the others.
 * @next: the key that it will have soon; NULL: none. */
int cluster_host_set(struct ov_dir *dir, const struct ip_addr *vtep,
		     const char *key, const char *next, struct err *err);

/* cluster_host_told() - what cluster_host_set() said last is on record, for all to read. */
bool cluster_host_told(struct ov_dir *dir);

/*
 * cluster_adopt() - take etcd's data as it is now for true, after it went back
 * (restored from a backup, another etcd): this host tells all it has again.
 * Return: 1; 0: it did not go back, and nothing is changed.
 */
int cluster_adopt(struct ov_dir *dir, struct err *err);

/*
 * cluster_reap() - networks that no host is in: those whose hosts all died without
 * leaving them.  A host that is only cut off from etcd for longer than its lease is in
 * none, either: so this is for who knows that it is gone.
 *
 * Not those that this host is in.  Each is removed by a transaction that demands that
 * still no host is in it; where one has come in between it stays.
 *
 * @dry: remove nothing.
 * @fn:  called for each that is (or would be) removed: its name, subnets, VNI, and who
 *       made it; and for one that can't be read, which stays.
 * Return: 0; -errno: etcd could not be asked, @fn was called for what was done before.
 */
int cluster_reap(struct ov_dir *dir, bool dry,
		 void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err);

#endif
