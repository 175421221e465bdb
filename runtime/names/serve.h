/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.h - DNS on the gateways of networks, and on 127.0.0.11 in containers: names from a
 * struct names, the rest from the host's resolvers.
 *
 * A network is answered on its own gateway addresses, port 53 UDP and TCP, to who asks
 * through its own bridge from its own subnets; nobody else.  Of an internal network
 * nothing leaves this host.  Sockets and threads are made here; the kernel keeps
 * nothing of them when the process ends.
 */
#ifndef RUNTIME_NAMES_SERVE_H
#define RUNTIME_NAMES_SERVE_H

#include <net/if.h>
#include <stdint.h>

#include "runtime/names/names.h"

struct serve_net {
	char net[NAMES_NET_MAX]; /* its key in struct names */
	char ifname[IFNAMSIZ];   /* the bridge; it need not be there yet */
	struct ip_addr
		gateway[2]; /* this host's, one a family; family 0: none */
	struct ip_prefix subnet[2]; /* who may ask; PTR is ours in there */
	bool internal;              /* forward nothing */
	char domain
		[NAMES_NAME_MAX]; /* "shop": web is web.shop as well; "": none */
};

struct serve_config {
	const char *resolv_conf; /* borrowed; NULL: /etc/resolv.conf */
	uint16_t port;           /* to answer on, and the upstreams'; 0: 53 */
	const char
		*door; /* borrowed; where containers' own 127.0.0.11 is told of
			   * (guest.h); NULL: nowhere */
};

struct serve; /* locks for itself */

/*
 * serve_new() - start the threads; no network is answered yet.
 *
 * @names: borrowed until serve_free().
 */
int serve_new(struct names *names, const struct serve_config *cfg,
	      struct serve **ret, struct err *err);
void serve_free(struct serve *s);

/*
 * serve_nets_set() - answer these networks and no others.
 *
 * Copied.  A network whose bridge, gateways and key stay keeps its sockets and what
 * waits in them; its subnets, domain and .internal are exchanged.  A bridge that is
 * not there, an address that is taken: the network waits, serve_problems() says so,
 * and serve_tick() tries again.
 *
 * Return: 0; -EINVAL: a network without key or bridge; -ENOMEM: all as before.
 */
int serve_nets_set(struct serve *s, const struct serve_net *nets, size_t count,
		   struct err *err);

/* serve_tick() - about once a second: sockets for bridges that have come, or have been
 * made anew; the door's file where somebody deleted it. */
void serve_tick(struct serve *s);

/* serve_problems() - one line each of what is not answered, and why. */
void serve_problems(struct serve *s, void (*line)(void *arg, const char *text),
		    void *arg);

DEFINE_CLEANUP(struct serve, serve_free)

#endif
