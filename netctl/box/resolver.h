/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolver.h - 127.0.0.11 inside a container, answered by berth-dns.
 *
 * Two sockets in the container's namespace, at ports that the kernel chose, and a table of
 * rules there ("berth_dns") that leads 127.0.0.11:53 to them, so that a server of the
 * container's own can have 0.0.0.0:53.  berth-dns gets the sockets by RUN_DIR/berth-dns.guests
 * (docs/dns.md) and has them until this end closes.  They are kept here: while berth-dns
 * restarts, questions wait in them.  The rules go with the namespace.
 */
#ifndef NETCTL_BOX_RESOLVER_H
#define NETCTL_BOX_RESOLVER_H

#include <json-c/json.h>
#include <poll.h>
#include <sys/types.h>

#include "lib/base.h"
#include "netctl/cli.h"

#define RESOLVER_ADDRESS "127.0.0.11"

struct resolver;

/*
 * resolver_new() - answered on return, or as soon as berth-dns has the time.
 * @pid: the container's.
 * @says: what berth-dns is told; a reference is taken.
 * Return: 0, also where berth-dns is away: it is told when it is there again; -EREMOTEIO: it
 * refused; -errno: nothing of it is left.
 */
int resolver_new(const struct ctl *ctl, pid_t pid, json_object *says,
		 struct resolver **ret, struct err *err);
void resolver_free(struct resolver *r);
DEFINE_CLEANUP(struct resolver, resolver_free)

/* resolver_poll(), resolver_step() - a turn of its owner's loop: whether berth-dns is there
 * still, and, when it was away, telling it again.  @r: NULL: nothing.
 * Return: ms until the next turn is due; -1: when @p is ready. */
int resolver_poll(const struct resolver *r, struct pollfd *p);
void resolver_step(struct resolver *r, const struct pollfd *p);

#endif
