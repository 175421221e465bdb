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
	const char *src;     /* the link's name on the host */
	const char *prefix;  /* of the name it gets: "eth" */
	const char *name;    /* the whole of it; NULL: prefix and a number */
	struct mac_addr mac; /* none: as it is */
	struct ip_prefix addrs[2]; /* family 0: none */
	struct ip_addr gateways[2];
	struct sandbox_route routes[SANDBOX_ROUTES_MAX];
	size_t route_count;
	bool no_default; /* no default route, whether there is one or not */
};

/* What a namespace is, to tell it from a later one at the same path. */
struct sandbox_id {
	char s[SANDBOX_ID_MAX]; /* boot, device and inode */
};

/*
 * sandbox_path() - where the namespace is that was typed.
 * @word: a name of "ip netns", a pid, or a path (with a slash).
 * @ret:  owned.
 * Return: 0; -ENOMEM; -EINVAL.
 */
int sandbox_path(const char *word, char **ret, struct err *err);

/* Return: a descriptor; -ENOENT; -EINVAL: no network namespace, or the host's own. */
int sandbox_open(const char *path, struct sandbox_id *ret_id, struct err *err);

/*
 * sandbox_plug() - move, rename, address, up, routes; "lo" is brought up as well.
 *
 * A default route of that family that is there already stays.  IPv6 is turned off on a
 * link that gets no IPv6 address.
 *
 * @ret_name: the link's name in there.
 * @ret_default: is a default route by this link now?
 * Return: 0; -errno: the link is back on the host as far as that could be done.
 */
int sandbox_plug(int netns, const struct sandbox_plug *plug,
		 char ret_name[static IFNAMSIZ], bool *ret_default,
		 struct err *err);

/* sandbox_pull() - @name back to the host, as @src.  No such link: 0. */
int sandbox_pull(int netns, const char *name, const char *src, struct err *err);

#endif
