/* SPDX-License-Identifier: GPL-2.0-or-later */
/* names_user.h - names that users told by netctl: in state.db, and in a struct names. */
#ifndef RUNTIME_NAMES_NAMES_USER_H
#define RUNTIME_NAMES_NAMES_USER_H

#include "lib/store.h"
#include "runtime/names/names.h"

#define NAMES_USER_MAX \
	10000 /* of all networks: each change tells a network's anew */

struct names_user; /* locks for itself */

/* names_user_open() - tell @names what is on record.  Both borrowed. */
int names_user_open(struct store *store, struct names *names,
		    struct names_user **ret, struct err *err);
void names_user_close(struct names_user *u);
DEFINE_CLEANUP(struct names_user, names_user_close)

/* names_user_add() - @alias: not what a reverse lookup gives.
 * Return: 0, also when it is known; -EINVAL; -ENOSPC; what the store said: all as
 * before. */
int names_user_add(struct names_user *u, const char *net, const char *name,
		   const struct ip_addr *addr, bool alias, struct err *err);

/* names_user_remove() - @addr: none for all of @name.
 * Return: 0; -ENOENT: no user told it; -ENOMEM, what the store said: all as before. */
int names_user_remove(struct names_user *u, const char *net, const char *name,
		      const struct ip_addr *addr, struct err *err);

/* names_user_nets() - each network that has some, once.  As names_each(). */
int names_user_nets(struct names_user *u, int (*fn)(void *arg, const char *net),
		    void *arg);

#endif
