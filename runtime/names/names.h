/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.h - what is called how: for each network the names of its endpoints, by who
 * told them.  Memory only; every source tells what it knows again.
 *
 * A source replaces all it has told of one network at once, so a reader sees the old
 * names or the new ones.  A name has as many addresses as endpoints bear it, of all
 * sources together (F099).  Names are compared without case (RFC 4343).
 */
#ifndef RUNTIME_NAMES_NAMES_H
#define RUNTIME_NAMES_NAMES_H

#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

#define NAMES_NET_MAX \
	72 /* a network's key, with the NUL: the name that its hosts
			    * agree on ("n.shop", an overlay's), or Docker's id */
#define NAMES_NAME_MAX 254 /* RFC 1035 2.3.4, as text without the last dot */

/* This host, as a container reaches it; nothing else is called so. */
#define NAMES_HOST "host.berth.internal"

/* Who tells: each its own part of a network. */
enum names_source {
	NAMES_DOCKER, /* containers here, by the Docker API */
	NAMES_USER,   /* netctl */
	NAMES_HOSTS,  /* the cluster's other hosts */
	NAMES_SOURCES
};

struct name_record {
	char name[NAMES_NAME_MAX];
	struct ip_addr addr; /* IPv4 or IPv6: one of both is two records */
	bool ptr;            /* the name that a reverse lookup gives */
};

struct names; /* locks for itself */

int names_new(struct names **ret, struct err *err);
void names_free(struct names *names);

/* May it be told?  Labels of letters, digits, '-' and '_', of 63 at most; no name of an
 * address, "localhost" or what ends in it; @err says what is wrong. */
int names_valid(const char *name, struct err *err);

/*
 * names_set() - all that @source tells of @net; none: it knows the network no more.
 *
 * @recs: copied.  Records that are alike count once.
 * Return: 0; -EINVAL: a name that names_valid() refuses; -ENOMEM: all as before.
 */
int names_set(struct names *names, enum names_source source, const char *net,
	      const struct name_record *recs, size_t count, struct err *err);

/*
 * names_find() - the addresses of @name in @net, of all sources.
 *
 * @max: as many are written at most.
 * Return: how many there are, perhaps more than @max; -ENOENT: nobody is called so;
 * 0: somebody is, but has no address of this family.
 */
int names_find(struct names *names, const char *net, const char *name,
	       int family, struct ip_addr *ret, size_t max);

/* names_reverse() - how @addr is called in @net.  -ENOENT. */
int names_reverse(struct names *names, const char *net,
		  const struct ip_addr *addr, char ret[static NAMES_NAME_MAX]);

/* names_each() - all of @net, one after another, sorted by name; @fn must not call back
 * into @names.  Stops with what @fn returns if not 0. */
int names_each(struct names *names, const char *net,
	       int (*fn)(void *arg, enum names_source source,
			 const struct name_record *rec),
	       void *arg);

/* names_nets() - the networks of which something is known, sorted.  @ret: owned, free().
 * Return: 0; -ENOMEM. */
int names_nets(struct names *names, char (**ret)[NAMES_NET_MAX],
	       size_t *ret_count);

#endif
