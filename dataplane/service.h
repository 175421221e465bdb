/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service.h - one host port balanced over several containers.
 *
 * A service has members: those it is told, by address, and those that name it
 * (dp_port.join).  A member is alive while an endpoint with its address is on its
 * network; new connections go to members that are alive, each its share (Maglev),
 * and one that comes or goes moves few of the others' clients.  What is under way
 * stays where it is: it ends with its endpoint or with the service.  While nobody
 * is alive the port is refused (TCP) as one where nobody listens.
 *
 * Only the eBPF dataplane does this; while no network of it is there the service
 * waits, and holds its port.
 */
#ifndef DATAPLANE_SERVICE_H
#define DATAPLANE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/maglev.h"
#include "lib/err.h"
#include "lib/ip.h"

struct dp;

#define DP_MEMBERS_MAX      64 /* told, and as many that joined */
#define DP_WEIGHT_MAX       MAGLEV_WEIGHT_MAX
#define DP_SERVICE_NAME_MAX 64
#define DP_SERVICE_ID_MAX   65

struct dp_member {
	char network[65];  /* "": the one that has the address */
	struct ip_addr ip; /* the container's, of either family: both of its
			    * addresses are used */
	uint16_t port;     /* 0: the host port's number */
	uint16_t weight;   /* 1..DP_WEIGHT_MAX */
};

struct dp_service {
	struct ip_addr host_ip; /* none: any address of both families */
	uint8_t proto;          /* IPPROTO_TCP, _UDP, _SCTP */
	uint16_t port;
	char name[DP_SERVICE_NAME_MAX]; /* which endpoints may join; "": none */
	uint32_t number; /* of its maps: chosen where it is 0.  Kept on record,
			  * so that the next daemon finds them */
	struct dp_member members[DP_MEMBERS_MAX];
	uint32_t count;
};

/* An endpoint is a member of all services of that name while it lives. */
struct dp_join {
	char name[DP_SERVICE_NAME_MAX]; /* "": of none */
	uint16_t port, weight;          /* as in struct dp_member */
};

/* "8080/tcp", "10.0.0.1:53/udp", "[::1]:80/tcp". Return: @buf. */
const char *dp_service_id(const struct dp_service *s,
			  char buf[static DP_SERVICE_ID_MAX]);
bool dp_member_equal(const struct dp_member *a, const struct dp_member *b);
/* The same container port, whatever the weight. */
bool dp_member_same(const struct dp_member *a, const struct dp_member *b);

/*
 * dp_service_add() - claim the host port and balance it.  Again, with other
 * members: they take the place of the old ones, and no flow ends.  Networks and
 * the number are filled in in @svc.  While loading a port that somebody else has
 * and a member whose network is gone are no failure: dp_check() tells.
 *
 * Return: 0; -EINVAL, -ENOENT: a member that can't be one (@err says why);
 * -EADDRINUSE, naming the holder; -EADDRNOTAVAIL; -EEXIST: there with another
 * name.
 */
int dp_service_add(struct dp *dp, struct dp_service *svc, struct err *err);
/* Close the port and end its flows.  Not there: 0. */
int dp_service_del(struct dp *dp, const struct dp_service *svc,
		   struct err *err);
/* The endpoint is about to go: no new connection to it from now on, in any
 * service.  dp_port_add() takes it back. */
void dp_service_leave(struct dp *dp, const char *endpoint);

/* A member as it is now. */
struct dp_member_state {
	struct ip_addr ip4, ip6;        /* none: not known, it is not alive */
	const struct dp_member *told;   /* NULL: it joined */
	char network[65], endpoint[65]; /* endpoint "": not alive */
	uint16_t port, weight;
};

typedef void (*dp_service_fn)(void *ctx, const struct dp_service *svc,
			      const struct dp_member_state *members,
			      size_t count);
/* @fn must not call into the dataplane. */
int dp_service_each(struct dp *dp, dp_service_fn fn, void *ctx,
		    struct err *err);

#endif
