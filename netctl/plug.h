/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plug.h - an endpoint of a network in somebody's network namespace: address from the
 * IpamDriver, CreateEndpoint, Join, the link moved, the ports published.
 *
 * Everything or nothing, also when netctl is killed: book.h.
 */
#ifndef NETCTL_PLUG_H
#define NETCTL_PLUG_H

#include "netctl/book.h"

/* What "attach" was told; all borrowed, as typed. */
struct plug_spec {
	const char *netns;           /* name, pid or path */
	const char *ip, *ip6, *mac;  /* NULL: not said */
	const char *ifname;          /* NULL: as the driver says */
	struct cli_list ports, opts; /* -p, -o */
	bool no_default_route;
};

/*
 * plug_attach() - @net: a record of nets.h.  @ret: owned; the endpoint's record.
 * Endpoints of @net whose namespace is gone are taken away first.
 * Return: 0; -EEXIST: it is attached; -EBUSY: @net is not whole; as the drivers said.
 */
int plug_attach(const struct ctl *ctl, struct book *b, json_object *net,
		const struct plug_spec *spec, json_object **ret,
		struct err *err);

/* plug_find() - the endpoint of @net in the namespace @word, also if that is gone.
 * @ret: owned.  -ENOENT. */
int plug_find(struct book *b, json_object *net, const char *word,
	      json_object **ret, struct err *err);

/*
 * plug_detach() - undo an endpoint at any stage.  With ctl->force it goes on where the
 * driver refuses.  An error: it stays on record, and the same call goes on.
 */
int plug_detach(const struct ctl *ctl, struct book *b, json_object *net,
		json_object *ep, struct err *err);

/* Is the namespace of this record there?  True also where that is not known. */
bool plug_alive(json_object *ep);

#endif
