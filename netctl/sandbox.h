/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - bring a link that a driver made into a network namespace and give it
 * its name, addresses and routes there; and take it out again.  What libnetwork does
 * with the answer to Join (docs/protocol.md).
 */
#ifndef NETCTL_SANDBOX_H
#define NETCTL_SANDBOX_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/ip.h"

#define SANDBOX_ROUTES_MAX 32
#define SANDBOX_ID_MAX     64

struct sandbox_route {
	struct ip_prefix dst;
	struct ip_addr via; /* none: on the link */
};

struct sandbox_plug {
	const char *src;           /* the link's name on the host */
	const char *name;          /* the one it gets: sandbox_name() */
	struct mac_addr mac;       /* none: as it is */
	struct ip_prefix addrs[2]; /* family 0: none */
	struct ip_addr gateways[2];
	struct sandbox_route routes[SANDBOX_ROUTES_MAX];
	size_t route_count;
	bool no_default; /* no default route, whether there is one or not */
};

/* What a namespace is, to tell it from a later one at the same path: the kernel gives
 * an inode out again at once, a cookie (SO_NETNS_COOKIE) not in its life. */
struct sandbox_id {
	char s[SANDBOX_ID_MAX]; /* "boot:cookie:inode" */
};

/*
 * sandbox_path() - where the namespace is that was typed.
 * @word: a name of "ip netns", a pid, or a path (with a slash).
 * @ret:  owned.
 * Return: 0; -ENOMEM; -EINVAL.
 */
int sandbox_path(const char *word, char **ret, struct err *err);

/* Return: a descriptor; -ENOENT; -EINVAL: no network namespace. */
int sandbox_open(const char *path, struct sandbox_id *ret_id, struct err *err);
/* Is it the one netctl runs in? */
bool sandbox_is_own(const struct sandbox_id *id);

/*
 * sandbox_find() - the namespace @id, at @path or, where something else is there now,
 * with a process in it.
 * Return: a descriptor; -ENOENT: it is gone; any other error: that is not known.
 */
int sandbox_find(const char *path, const char *id, struct err *err);

/*
 * sandbox_name() - the name for a link: @name, or @prefix and the lowest free number.
 * Return: 0; -EEXIST; -EINVAL; -ENOSPC.
 */
int sandbox_name(int netns, const char *prefix, const char *name,
		 char ret[static IFNAMSIZ], struct err *err);

/* sandbox_mac() - what a link on the host has, to be told by in there. */
int sandbox_mac(const char *link, struct mac_addr *ret, struct err *err);

/*
 * sandbox_plug() - move, rename, address, up, routes; "lo" is brought up as well.
 *
 * A default route of that family that is there already stays.  IPv6 is turned off on a
 * link that gets no IPv6 address.
 *
 * @ret_default: is a default route by this link now?
 * Return: 0; -errno: the link is back on the host as far as that could be done.
 */
int sandbox_plug(int netns, const struct sandbox_plug *plug, bool *ret_default,
		 struct err *err);

/*
 * sandbox_pull() - @name, or @src where it has not been renamed yet, back to the host as
 * @src.  One that has another MAC than @mac is somebody else's, and stays.
 * Return: 0, also when there is no such link.
 */
int sandbox_pull(int netns, const char *name, const char *src,
		 const struct mac_addr *mac, struct err *err);

#endif
