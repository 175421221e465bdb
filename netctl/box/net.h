/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - a container's network namespace in its networks (plug.h).
 *
 * The namespace's identity is in the record (NetnsID, NetnsOwned) before anything is
 * attached, and by it everything that is attached is found again.
 */
#ifndef NETCTL_BOX_NET_H
#define NETCTL_BOX_NET_H

#include <sys/types.h>

#include "netctl/box/box.h"

/* Of "Networks": what kind, the name behind "container:". */
enum box_net { BOX_NET_NONE, BOX_NET_HOST, BOX_NET_CONTAINER, BOX_NET_NAMED };
enum box_net box_net_kind(json_object *rec, const char **ret_name);

/*
 * box_net_of() - the namespace of another container that runs.
 * @ret_box: that container; box_free() it, whatever is returned.
 * Return: a descriptor; -ENOENT; -ESRCH: it does not run.
 */
int box_net_of(const struct ctl *ctl, const char *name, struct box *ret_box,
	       struct err *err);

/* box_net_check() - are there such networks?  Before anything is made. */
int box_net_check(const struct ctl *ctl, json_object *rec, struct err *err);

/*
 * box_net_join() - lo up, and all networks of the record, in the namespace of @pid.
 * @ret_addrs: owned array of texts "10.1.0.2/16".
 * On failure box_net_leave() undoes what was done.
 */
int box_net_join(const struct ctl *ctl, struct box *b, pid_t pid,
		 json_object **ret_addrs, struct err *err);
/* box_net_leave() - twice is harmless; an error: it stays on record. */
int box_net_leave(const struct ctl *ctl, struct box *b, struct err *err);

/* box_net_endpoints() - of the record's namespace, with Network (a name) in each.
 * @ret: owned array. */
int box_net_endpoints(const struct ctl *ctl, const struct box *b,
		      json_object **ret, struct err *err);

#endif
