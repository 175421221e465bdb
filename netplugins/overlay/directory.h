/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * directory.h - what this host knows of an overlay network beyond itself: which
 * other hosts are in it, and which endpoints are behind them.
 *
 * Two things fill a directory: a static list of peers (berth.peers, peers.c: hosts
 * only, the endpoints are learnt by the kernel) and a cluster's etcd (cluster.c:
 * hosts and endpoints, nothing is learnt).  The driver does not know which it is.
 *
 * A directory never touches the kernel's network objects: the driver compares what
 * a view says with what the kernel has (ov_table.h) when it is told to look.
 */
#ifndef NETPLUGINS_OVERLAY_DIRECTORY_H
#define NETPLUGINS_OVERLAY_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/ip.h"

#define OV_VNI_MAX   0xffffffU /* RFC 7348: 24 bits; 0 is not given out */
#define OV_NODE_MAX  64
#define OV_PEERS_MAX 64 /* of berth.peers */
#define OV_KEY_MAX   64 /* WireGuard's public key in base64, with the 0 */

/* A network, as all hosts have it.  Docker tells a plugin no name, and each host its
 * own id: what is one network is said by berth.name=, else by its subnets. */
struct ov_network {
	char id[65];   /* this host's NetworkID */
	char name[65]; /* berth.name; "": none */
	struct ip_prefix pool4, pool6;
	uint32_t vni; /* asked for; 0: any.  Filled by ov_dir_join */
	struct ip_addr peers[OV_PEERS_MAX];       /* berth.peers; of no use to a
					     * cluster */
	char peer_keys[OV_PEERS_MAX][OV_KEY_MAX]; /* "": none given */
	size_t peer_count;
	bool encrypt;
	bool known; /* this host's own records have it: ->vni is what it got */
};

/* An endpoint somewhere. */
struct ov_endpoint {
	char id[65];
	char node[OV_NODE_MAX];
	struct mac_addr mac;
	struct ip_addr addr4, addr6; /* none: the family is off */
	struct ip_addr vtep, also;   /* of its node; filled in views */
	bool multicast;              /* wants what is sent to many */
	bool cut; /* of .put(): its link is down since an earlier life */
};

/* Another host that has (or may have) endpoints of the network. */
struct ov_host {
	char node[OV_NODE_MAX];
	struct ip_addr vtep;
	char key[OV_KEY_MAX]; /* WireGuard's; "": none told */
	int64_t since; /* it says .key; of two of one key the lower has it */
	char next[OV_KEY_MAX]; /* that it will have soon; "": none */
	int64_t next_since;
	struct ip_addr also; /* where it may send from as well; none: nowhere */
};

/* What is known of a network now.  ov_view_free() when done. */
struct ov_view {
	uint64_t serial; /* grows with each change */
	bool learn;      /* endpoints are not known: flood and learn */
	bool stale;      /* the cluster has not answered for a while */
	bool partial;    /* it was not read since this daemon started: what
				* is missing may be there */
	struct ov_host *hosts; /* owned; never this host */
	size_t host_count;
	struct ov_endpoint *endpoints; /* owned; never of this host */
	size_t endpoint_count;
	char (*fenced)
		[65]; /* owned; endpoints of this host whose address or MAC
			     * another has by now: to be cut off */
	size_t fenced_count;
};

void ov_view_free(struct ov_view *v);

struct ov_dir;

/* One implementation's table. */
struct ov_dir_ops {
	/*
	 * .join() - this host has the network from now on.
	 * @net: ->vni is filled.  A second call with the same changes nothing.
	 * Return: 0; -EEXIST when the name, a subnet or the VNI is another
	 * network's (@err says whose); -EINVAL; -EAGAIN/-ETIMEDOUT when the
	 * cluster does not answer and the network is not ->known; -ESTALE when
	 * the cluster's data is older than what it said before.
	 */
	int (*join)(struct ov_dir *dir, struct ov_network *net,
		    struct err *err);
	/* The network leaves this host: its endpoints here go with it.  The last host
	 * takes the network itself away.  Of an unknown one: 0. */
	int (*leave)(struct ov_dir *dir, const char *net_id, struct err *err);
	/*
	 * .put() - an endpoint of this host, told to the others before it returns
	 * (or as soon as the cluster answers again: then @err stays empty).
	 * @living: it is there already, from an earlier life: a container has it.
	 * Then it is never refused for what others have: it is fenced in views
	 * until it may be told.  One that is .cut is fenced, too, as long as the
	 * cluster can't say that it may be told.
	 * Return: 0; -EADDRINUSE when another endpoint has its address or MAC (@err
	 * says which, and where); -ESTALE, as .join().
	 */
	int (*put)(struct ov_dir *dir, const char *net_id,
		   const struct ov_endpoint *ep, bool living, struct err *err);
	int (*del)(struct ov_dir *dir, const char *net_id,
		   const char *endpoint_id, struct err *err);
	/* @ret: owned by the caller.  -ENOENT: not joined. */
	int (*view)(struct ov_dir *dir, const char *net_id, struct ov_view *ret,
		    struct err *err);
	/* Of a view only ->fenced and its count: the others' endpoints, however many,
	 * are not looked at. */
	int (*fenced)(struct ov_dir *dir, const char *net_id,
		      struct ov_view *ret, struct err *err);
	/* Readable (an eventfd) when some view changed; -1: never does. */
	int (*fd)(struct ov_dir *dir);
	/* Clears .fd.  @fn is told each network whose view changed since. */
	void (*changed)(struct ov_dir *dir,
			void (*fn)(void *ctx, const char *net_id), void *ctx);
	/* Lines on what is wrong, for netctl doctor. */
	void (*check)(struct ov_dir *dir,
		      void (*fn)(void *ctx, const char *line), void *ctx);
	/* What was told to the cluster stays: the daemon may be back at once. */
	void (*close)(struct ov_dir *dir);
};

/* The first member of each implementation. */
struct ov_dir {
	const struct ov_dir_ops *ops;
};

#endif
