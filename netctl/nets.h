/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nets.h - networks made without Docker: pools of an IpamDriver, a network of a
 * NetworkDriver, and the record of both.  What libnetwork's controller does.
 *
 * Everything or nothing, also when netctl is killed: book.h.
 */
#ifndef NETCTL_NETS_H
#define NETCTL_NETS_H

#include "netctl/book.h"
#include "netctl/nets_spec.h"

/*
 * nets_create() - @ret: owned; the network's record.
 * Return: 0; -EEXIST: the name is taken; -EINVAL; as the drivers said.
 */
int nets_create(const struct ctl *ctl, struct book *b,
		const struct net_spec *spec, json_object **ret,
		struct err *err);

/*
 * nets_remove() - endpoints whose namespace is gone go with it.
 * With ctl->force it goes on where the driver refuses.
 * Return: 0; -EBUSY: there are others; as the driver said: it stays on record and
 *         the same call goes on.
 */
int nets_remove(const struct ctl *ctl, struct book *b, json_object *net,
		struct err *err);

/* nets_in_use() - is a namespace that lives attached to it?  Return: 0; what the
 * disk said. */
int nets_in_use(struct book *b, json_object *net, bool *ret, struct err *err);

/*
 * nets_settle() - undo what a killed netctl left half made, carry on what it was
 * removing.  What can't be is told on stderr and stays for the next time.
 */
void nets_settle(const struct ctl *ctl, struct book *b);

/* nets_open() - book_open() and nets_settle(). */
int nets_open(const struct ctl *ctl, bool make, struct book **ret,
	      struct err *err);

/*
 * nets_list() - what is on record, for a listing: nothing where there is nothing.
 * -EBUSY where another netctl is at work for longer than 3 s.
 * @nets, @eps: owned arrays; @eps may be NULL.
 */
int nets_list(const struct ctl *ctl, json_object **nets, json_object **eps,
	      struct err *err);

/* "State" of a record. */
#define NETS_MAKING   "making"
#define NETS_THERE    "there"
#define NETS_REMOVING "removing"

#endif
