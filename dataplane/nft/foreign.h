/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * foreign.h - our few rules in somebody else's FORWARD chain.
 *
 * Docker and other tools of the iptables kind set FORWARD's policy to DROP; an
 * accept in our own table does not override that.  So where table ip or ip6
 * `filter` has a base chain FORWARD, each of our bridges has one accept rule
 * per direction there: in DOCKER-USER where it exists (before its trailing
 * RETURN, after the admin's own rules), else at the head of FORWARD.  The rules
 * hold only what iptables itself writes, and bear the comment
 * `berth:<driver>:<network id>`.  Nothing without that comment is touched.
 * firewalld rejects what is forwarded from an interface that no zone of its
 * knows: the same two rules at the head of its chain filter_FORWARD, after each
 * of its reloads.  (firewalld 2.1 and later may own its table: -EPERM then.)
 */
#ifndef DATAPLANE_NFT_FOREIGN_H
#define DATAPLANE_NFT_FOREIGN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/fw.h"

struct foreign_net {
	char bridge[IFNAMSIZ];
	char id[65];
	bool out; /* false: internal; one rule, for what is bridged within it
		   * and passes here because bridge netfilter is on */
};

/*
 * foreign_sync() - make what is missing, remove ours that is not wanted (a
 * network that is gone, duplicates, another place after Docker came or went).
 * One transaction a table; reads five chains at most when all is right.
 *
 * @driver: "berth-bridge"; only rules with its name are looked at.
 * @moved: how many of these were only taken from one place to another, as when Docker
 *         hangs DOCKER-USER in anew; NULL: not asked for.
 *
 * Return: rules added and removed, 0: all was right; -errno, a family that
 * failed does not keep the other from being put right.
 */
int foreign_sync(struct fw *fw, const char *driver,
		 const struct foreign_net *nets, size_t count, int *moved,
		 struct err *err);

/* foreign_check() - as foreign_sync(), but tell @fn what it would do. */
int foreign_check(struct fw *fw, const char *driver,
		  const struct foreign_net *nets, size_t count,
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err);

/* foreign_cares() - could this event have touched our rules there? */
bool foreign_cares(const struct fw_event *e);

#endif
