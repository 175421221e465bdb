/* SPDX-License-Identifier: GPL-2.0-or-later */
/* etc.h - what a container sees as /etc/hostname, hosts and resolv.conf. */
#ifndef NETCTL_BOX_ETC_H
#define NETCTL_BOX_ETC_H

#include "netctl/box/box.h"

/* box_etc() - all three, in the container's directory. @host: it has the host's network,
 * and so its resolver. */
int box_etc(struct box *b, const char *hostname, bool host, struct err *err);
/* box_etc_hosts() - hosts anew: @addrs is an array of "10.1.0.2/16" texts of its own. */
int box_etc_hosts(struct box *b, const char *hostname, json_object *addrs,
		  struct err *err);

/* box_etc_servers() - resolv.conf anew: @servers, an array of addresses, in place of the
 * host's, which they ask for what they do not know. */
int box_etc_servers(struct box *b, json_object *servers, struct err *err);

/* box_etc_resolv() - @text, a resolv.conf, without servers at loopback addresses, which
 * are nobody in another network namespace.  @ret_servers: how many are left.
 * Return: owned; NULL: out of memory. */
char *box_etc_resolv(const char *text, size_t *ret_servers);

#endif
