/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cluster_at.h - which cluster a daemon is of, and who it is there: the flags that all
 * daemons with state between hosts have (docs/cluster.md).
 */
#ifndef LIB_CLUSTER_AT_H
#define LIB_CLUSTER_AT_H

#include "lib/etcd.h"

#define CLUSTER_NODE_MAX   64 /* with the NUL; a cluster's name as well */
#define CLUSTER_PREFIX_MAX 96 /* "/berth/NAME/" */

struct cluster_at {
	struct etcd_config etcd; /* without members: no cluster */
	const char *name;        /* NULL: "berth" */
	const char *node;        /* like no other's; NULL: this host's name */
	const char *machine;     /* tells two hosts with one .node apart; NULL:
				  * what /etc/machine-id says */
};

/*
 * cluster_at_flag() - take one of --store, --store-ca, --store-cert, --store-key,
 * --store-auth, --cluster and --node.
 *
 * @name:  without the dashes.
 * @value: borrowed for good.
 * Return: 0; -EINVAL: @err says how it is written; -ENOENT: none of these.
 */
int cluster_at_flag(struct cluster_at *at, const char *name, const char *value,
		    struct err *err);

/* cluster_at_names() - with what was left out put in.  -EINVAL: a name that can't be a
 * part of a key. */
int cluster_at_names(const struct cluster_at *at,
		     char prefix[static CLUSTER_PREFIX_MAX],
		     char node[static CLUSTER_NODE_MAX],
		     char machine[static 65], struct err *err);

/* May it stand between two '/' of a key? */
bool cluster_word_valid(const char *s);

/* For a program's table: a setter is not told its flag's name.  @of_: from the void
 * pointer that plugd gives to the struct cluster_at. */
#define CLUSTER_AT_SETTER(fn_, name_, of_)                                     \
	static int set_##fn_(struct plugd *d, void *config, const char *value, \
			     struct err *err)                                  \
	{                                                                      \
		(void)d;                                                       \
		return cluster_at_flag(of_(config), name_, value, err);        \
	}
#define CLUSTER_AT_SETTERS(of_)                          \
	CLUSTER_AT_SETTER(store, "store", of_)           \
	CLUSTER_AT_SETTER(store_ca, "store-ca", of_)     \
	CLUSTER_AT_SETTER(store_cert, "store-cert", of_) \
	CLUSTER_AT_SETTER(store_key, "store-key", of_)   \
	CLUSTER_AT_SETTER(store_auth, "store-auth", of_) \
	CLUSTER_AT_SETTER(cluster, "cluster", of_)       \
	CLUSTER_AT_SETTER(node, "node", of_)
#define CLUSTER_AT_FLAGS(what_)                                               \
	{ "store", "etcd://HOST:PORT[,...]", what_, set_store },              \
		{ "store-ca", "FILE",                                         \
		  "HTTPS, and the CA of etcd's certificate", set_store_ca },  \
		{ "store-cert", "FILE", "this host's certificate",            \
		  set_store_cert },                                           \
		{ "store-key", "FILE", "its key", set_store_key },            \
		{ "store-auth", "FILE", "USER:PASSWORD in its first line",    \
		  set_store_auth },                                           \
		{ "cluster", "NAME",                                          \
		  "hosts of one cluster say the same (berth)", set_cluster }, \
	{                                                                     \
		"node", "NAME", "this host, like no other (its host name)",   \
			set_node                                              \
	}

#endif
