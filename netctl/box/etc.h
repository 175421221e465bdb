/* SPDX-License-Identifier: GPL-2.0-or-later */
/* etc.h - what a container sees as /etc/hostname, hosts and resolv.conf. */
#ifndef NETCTL_BOX_ETC_H
#define NETCTL_BOX_ETC_H

#include "netctl/box/box.h"

/* box_etc() - all three, in the container's directory.  What --dns and its siblings said
 * ("Dns", "DnsSearch", "DnsOptions" of the record) is in the host's place.
 * @host: it has the host's network, and so its resolver. */
int box_etc(struct box *b, const char *hostname, bool host, struct err *err);
/* box_etc_hosts() - hosts anew: @addrs is an array of "10.1.0.2/16" texts of its own. */
int box_etc_hosts(struct box *b, const char *hostname, json_object *addrs,
		  struct err *err);

/* box_etc_inside() - resolv.conf anew: RESOLVER_ADDRESS is asked, not the host's servers,
 * nor those of --dns, which that one asks. */
int box_etc_inside(struct box *b, struct err *err);

/* box_etc_resolv() - @text, a resolv.conf, without servers at loopback addresses, which
 * are nobody in another network namespace.  @ret_servers: how many are left.
 * Return: owned; NULL: out of memory. */
char *box_etc_resolv(const char *text, size_t *ret_servers);

#endif
