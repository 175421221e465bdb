/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An endpoint's link: made here, moved by dockerd, found again. */
#include <stdio.h>
#include <string.h>

#include "lib/netns.h"
#include "netplugins/lan/lan.h"
#include "netplugins/net_names.h"

static struct lan_network *net_of(const struct net_endpoint *ep)
{
	return lan_of(ep->network);
}

static struct lan_host *host_of(const struct net_endpoint *ep)
{
	return ep->network->host;
}

struct nlk_stack_conf lan_link_conf(const struct net_endpoint *ep,
				    const char *name, const char *alias)
{
	const struct lan_network *ln = net_of(ep);
	const struct lan_options *o = &ln->opt;
	const struct lan_kind *kind = ln->kind;
	bool alone = kind->is_alone && kind->is_alone(o);
	struct nlk_stack_conf conf = {
		.kind = kind->stack,
		.name = name,
		.alias = alias,
		.lower = ln->index,
		.mode = kind->modes[o->mode],
		.flags = kind->flags ? kind->flags[o->flag] : 0,
		/* the kernel takes the parent's for its own */
		.mtu = o->mtu < ln->mtu ? o->mtu : 0,
	};

	/* It would become the parent's as well. */
	if (kind->own_mac && (!alone || ep->mac_given))
		conf.mac = ep->mac;
	return conf;
}

/* ---- add ------------------------------------------------------------------ */

static int add_link(const struct net_endpoint *ep, const char *name,
		    const char *alias, struct err *err)
{
	struct lan_host *host = host_of(ep);
	const struct nlk_stack_conf conf = lan_link_conf(ep, name, alias);
	int r = nlk_stack_add(host->nlk, &conf, err);

	/* Left by a request that was cut off. */
	if (r == -EEXIST && nlk_link_del(host->slow, name, alias, NULL) == 0)
		r = nlk_stack_add(host->nlk, &conf, err);
	return r;
}

static int add_named(struct net_endpoint *ep, struct err *err)
{
	char alias[NLK_ALIAS_MAX], name[IFNAMSIZ];
	int r = -EEXIST;

	lan_alias(net_of(ep)->kind, ep->id, alias);
	for (unsigned int nth = 0; r == -EEXIST && nth < NET_NAME_TRIES;
	     nth++) {
		net_link_name(net_of(ep)->kind->prefix, ep->id, nth, name);
		r = add_link(ep, name, alias, err);
	}
	if (r < 0)
		return lan_parent_explain(host_of(ep), net_of(ep), r, err);
	memcpy(ep->ifname, name, sizeof(name));
	memcpy(ep->peer, name, sizeof(name));
	return 0;
}

static int sync_shim(struct net_endpoint *ep, struct err *err)
{
	struct lan_host *host = host_of(ep);

	/* While it loads the seats are not complete: lan_load_end(). */
	if (!net_of(ep)->opt.host_access || host->loading)
		return 0;
	return lan_shim_sync(host, net_of(ep)->parent, err);
}

/* What goes through to the parent has its MAC. */
static int learn_mac(struct net_endpoint *ep, struct err *err)
{
	struct nlk_link link;
	int r;

	/* dockerd would set what it is told, and an ipvlan link refuses that. */
	if (!net_of(ep)->kind->own_mac)
		return 0;
	r = nlk_link_get(host_of(ep)->nlk, ep->ifname, 0, &link, err);
	if (r == 0 && mac_is_none(&ep->mac))
		ep->mac = link.mac;
	return r;
}

static int add_new(struct net_endpoint *ep, struct err *err)
{
	int r = add_named(ep, err);

	if (r == 0)
		r = learn_mac(ep, err);
	if (r == 0)
		r = NET_STEP("lan.endpoint.link", err);
	if (r == 0)
		r = sync_shim(ep, err);
	if (r == 0)
		r = NET_STEP("lan.endpoint.shim", err);
	return r;
}

/* ---- found again ---------------------------------------------------------- */

/* The endpoint's own in this namespace.  -ENODEV. */
static int find_here(struct net_endpoint *ep, struct nlk_link *ret,
		     struct err *err)
{
	char alias[NLK_ALIAS_MAX];
	int r = nlk_link_get(host_of(ep)->nlk, ep->ifname, 0, ret, err);

	lan_alias(net_of(ep)->kind, ep->id, alias);
	if (r == 0 && strcmp(ret->alias, alias) != 0)
		r = err_set(err, -ENODEV, "link %s is another's", ep->ifname);
	return r;
}

/* Return: fd; -ENODEV: it has none, or none that we can see. */
static int open_sandbox(const struct net_endpoint *ep)
{
	int fd = ep->sandbox[0] ? netns_open(ep->sandbox, NULL) : -ENODEV;

	return fd < 0 ? -ENODEV : fd;
}

static int find_or_attach(struct net_endpoint *ep, struct err *err)
{
	_cleanup_close_ int netns = -EBADF;
	struct nlk_link link;
	int r = find_here(ep, &link, err);

	if (r != -ENODEV)
		return r;
	netns = open_sandbox(ep);
	/* Without a sandbox the sweep will judge; without a parent, as after a
	 * start, it waits. */
	if (netns < 0 || !net_of(ep)->index)
		return ep->sandbox[0] ? 0 : r;
	r = lan_find_in(netns, ep, &link, err);
	/* A parent that went into another namespace took it along. */
	if (r == -ENODEV || (r == 0 && link.peer_index != net_of(ep)->index))
		return lan_attach(ep, netns, err);
	if (r == 0 && lan_seat_refit(host_of(ep), ep->id, false)) {
		r = lan_refit(ep, netns, err);
		if (r < 0) /* at the next try */
			(void)lan_seat_refit(host_of(ep), ep->id, true);
	}
	return r;
}

static int add_back(struct net_endpoint *ep, struct err *err)
{
	int r = find_or_attach(ep, err);

	return r < 0 ? r : sync_shim(ep, err);
}

int lan_endpoint_add(struct net_endpoint *ep, struct err *err)
{
	struct err undo = { 0 };
	int r = lan_seat_take(ep, err);

	if (r < 0)
		return r;
	if (ep->ifname[0])
		return add_back(ep, err);
	r = add_new(ep, err);
	if (r < 0 && lan_endpoint_del(ep, &undo) < 0)
		err_wrap(err, r, "%s; left behind", undo.msg);
	return r;
}

int lan_endpoint_place(struct net_endpoint *ep, struct err *err)
{
	_cleanup_close_ int netns = -EBADF;
	struct nlk_link link;
	int r;

	if (!ep->ifname[0])
		return NET_LINK_GONE;
	r = find_here(ep, &link, err);
	if (r == 0)
		return NET_LINK_HERE;
	if (r != -ENODEV)
		return r;
	if (!ep->sandbox[0])
		return NET_LINK_GONE;
	/* dockerd leaves the file for a minute when the namespace is gone.  In a
	 * living one it is, or gets it again when the parent is back. */
	netns = netns_open(ep->sandbox, NULL);
	return netns == -EINVAL ? NET_LINK_GONE : NET_LINK_AWAY;
}

/* ---- del ------------------------------------------------------------------ */

/* Its name is not known where a crash cut the request that chose it. */
static int del_here(struct net_endpoint *ep, struct err *err)
{
	struct lan_host *host = host_of(ep);
	char alias[NLK_ALIAS_MAX], name[IFNAMSIZ];
	int r = 0;

	lan_alias(net_of(ep)->kind, ep->id, alias);
	for (unsigned int nth = 0; r == 0 && nth < NET_NAME_TRIES; nth++) {
		net_link_name(net_of(ep)->kind->prefix, ep->id, nth, name);
		r = nlk_link_del(host->slow, name, alias, err);
		if (r == -EPERM) /* another's */
			r = 0;
	}
	return r < 0 ? r : lan_attach_clear(ep, err);
}

/* A container that nobody took down keeps it, and its MAC with it. */
static int del_there(struct net_endpoint *ep, struct err *err)
{
	_cleanup_close_ int netns = open_sandbox(ep);

	return netns < 0 ? 0 : lan_detach(ep, netns, err);
}

int lan_endpoint_del(struct net_endpoint *ep, struct err *err)
{
	int r = del_here(ep, err);

	if (r == 0)
		r = del_there(ep, err);
	if (r == 0)
		r = NET_STEP("lan.endpoint.unlink", err);
	if (r < 0)
		return r;
	lan_seat_give(host_of(ep), ep->id);
	r = sync_shim(ep, err);
	return r < 0 ? r : NET_STEP("lan.endpoint.unshim", err);
}
