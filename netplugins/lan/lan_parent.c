/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent of a network: found, made where it is ours to make, shared. */
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netns.h"
#include "netplugins/lan/lan.h"
#include "netplugins/net_names.h"

/* ---- from the options ----------------------------------------------------- */

/* NAME.ID, ID a VLAN's: what it is made of when it is not there. */
static void split_vlan(struct lan_network *ln)
{
	const char *dot = strrchr(ln->parent, '.');
	unsigned long id;
	char *end;

	if (!dot || dot == ln->parent || dot[1] < '1' || dot[1] > '9')
		return;
	id = strtoul(dot + 1, &end, 10);
	if (*end || id > 4094)
		return;
	ln->vlan = (uint16_t)id;
	snprintf(ln->root, sizeof(ln->root), "%.*s", (int)(dot - ln->parent),
		 ln->parent);
}

int lan_parent_init(struct lan_network *ln, struct err *err)
{
	const char *name = ln->opt.parent;

	/* As Docker: what is internal has a parent that leads nowhere, whatever
	 * was said, and the other way round. */
	ln->own = ln->base.internal || !name[0];
	if (name[0] && !net_link_name_valid(name, IFNAMSIZ - 1))
		return err_set(err, -EINVAL,
			       "parent: \"%s\" is not a name for a link (1 to "
			       "%d characters without blanks, slashes and "
			       "colons)",
			       name, IFNAMSIZ - 1);
	if (strcmp(name, "lo") == 0)
		return err_set(err, -EINVAL,
			       "parent: the loopback interface leads to no "
			       "network; leave parent out for one without a "
			       "way out");
	if (ln->own) {
		snprintf(ln->parent, sizeof(ln->parent), "dm-%.12s",
			 ln->base.id);
		return 0;
	}
	memcpy(ln->parent, name, strlen(name) + 1);
	split_vlan(ln);
	return 0;
}

/* ---- shared ---------------------------------------------------------------- */

int lan_claim(struct lan_host *host, struct lan_network *ln, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&host->lock);
	for (const struct lan_network *o = host->networks; o && r == 0;
	     o = o->next) {
		const char *why;

		if (o == ln || strcmp(o->parent, ln->parent) != 0)
			continue;
		why = ln->kind->clash(&ln->opt, &o->opt);
		if (why)
			r = err_set(err, -EBUSY,
				    "parent %s is that of network %.12s: %s",
				    ln->parent, o->base.id, why);
	}
	if (r == 0 && !ln->claimed) {
		ln->claimed = true;
		ln->next = host->networks;
		host->networks = ln;
	}
	pthread_mutex_unlock(&host->lock);
	return r;
}

void lan_release(struct lan_host *host, struct lan_network *ln)
{
	if (!host)
		return;
	pthread_mutex_lock(&host->lock);
	for (struct lan_network **at = &host->networks; *at; at = &(*at)->next)
		if (*at == ln) {
			*at = ln->next;
			break;
		}
	ln->claimed = false;
	pthread_mutex_unlock(&host->lock);
}

bool lan_parent_used(struct lan_host *host, const char *name)
{
	bool used = false;

	pthread_mutex_lock(&host->lock);
	for (const struct lan_network *o = host->networks; o; o = o->next)
		used |= strcmp(o->parent, name) == 0;
	pthread_mutex_unlock(&host->lock);
	return used;
}

int lan_parent_index(struct lan_host *host, const char *name)
{
	struct nlk_link link;
	int index = 0;

	pthread_mutex_lock(&host->lock);
	for (const struct lan_network *o = host->networks; o; o = o->next)
		if (strcmp(o->parent, name) == 0 && o->index && !o->gone)
			index = o->index;
	pthread_mutex_unlock(&host->lock);
	/* It may be gone, and the event still to come. */
	if (nlk_link_get(host->nlk, NULL, index, &link, NULL) < 0)
		return 0;
	return index;
}

/* ---- made ------------------------------------------------------------------ */

/* The mark of a parent that we make: the network's own, or that of a VLAN, which
 * networks share. */
static void parent_alias(const struct lan_network *ln,
			 char buf[static NLK_ALIAS_MAX])
{
	char id[IFNAMSIZ + 8];

	if (ln->own) {
		memcpy(buf, ln->alias, sizeof(ln->alias));
		return;
	}
	snprintf(id, sizeof(id), "parent:%s", ln->parent);
	lan_alias(ln->kind, id, buf);
}

static int make_own(struct lan_host *host, struct lan_network *ln,
		    struct err *err)
{
	const struct nlk_stack_conf conf = {
		.kind = NLK_DUMMY,
		.name = ln->parent,
		.alias = ln->alias,
		.mtu = ln->opt.mtu,
	};
	const struct nlk_bridge_conf bridge = {
		.name = ln->parent,
		.alias = ln->alias,
		.mtu = ln->opt.mtu,
	};
	int r = nlk_stack_add(host->nlk, &conf, err);

	/* A kernel without dummies: a bridge without ports leads nowhere too. */
	if (r == -EOPNOTSUPP)
		r = nlk_bridge_add(host->nlk, &bridge, err);
	return r;
}

struct same_vlan {
	int root;
	uint16_t id;
	char name[IFNAMSIZ];
};

static int on_vlan(void *ctx, const struct nlk_link *l)
{
	struct same_vlan *v = ctx;

	if (l->vlan == v->id && l->peer_index == v->root && !l->peer_elsewhere)
		memcpy(v->name, l->name, sizeof(v->name));
	return 0;
}

static int make_vlan(struct lan_host *host, struct lan_network *ln,
		     struct err *err)
{
	char alias[NLK_ALIAS_MAX];
	struct nlk_stack_conf conf = { .kind = NLK_VLAN,
				       .name = ln->parent,
				       .alias = alias,
				       .mode = ln->vlan };
	struct same_vlan same = { .id = ln->vlan };
	struct nlk_link root;
	int r = nlk_link_get(host->nlk, ln->root, 0, &root, NULL);

	if (r == -ENODEV)
		return err_set(err, r,
			       "parent %s does not exist, and neither does %s, "
			       "of which it would be VLAN %u",
			       ln->parent, ln->root, ln->vlan);
	if (r < 0)
		return err_set(err, r, "parent %s: %s", ln->root, strerror(-r));
	parent_alias(ln, alias);
	conf.lower = same.root = root.index;
	r = nlk_stack_add(host->nlk, &conf, err);
	if (r == -EOPNOTSUPP)
		return err_set(err, r,
			       "parent %s does not exist, and this kernel "
			       "makes no VLANs (8021q): make it yourself, or "
			       "choose another parent",
			       ln->parent);
	if (r == -EEXIST &&
	    nlk_link_each(host->nlk, on_vlan, &same, NULL) == 0 && same.name[0])
		return err_set(err, r,
			       "VLAN %u of %s is there as link %s: say "
			       "parent=%s",
			       ln->vlan, ln->root, same.name, same.name);
	return r;
}

static int make(struct lan_host *host, struct lan_network *ln, struct err *err)
{
	int r;

	if (ln->own)
		r = make_own(host, ln, err);
	else if (ln->vlan)
		r = make_vlan(host, ln, err);
	else
		r = err_set(err, -ENODEV,
			    "parent %s does not exist: give the name of an "
			    "interface of this host (ip -br link)",
			    ln->parent);
	return r < 0 ? r : NET_STEP("lan.parent.link", err);
}

/* What we made is the containers' way, not the host's: it has no addresses. */
static int close_ip6(const struct nlk_link *link, struct err *err)
{
	return sysctl_set_ip6(link->name, "disable_ipv6", "1", err);
}

static int finish_own(struct lan_host *host, const struct nlk_link *link,
		      struct err *err)
{
	int r = close_ip6(link, err);

	if (r == 0 && !link->up)
		r = nlk_link_up(host->nlk, link->index, true, err);
	return r;
}

static int judge(const struct lan_network *ln, const struct nlk_link *link,
		 const char *alias, struct err *err)
{
	if (ln->own && strcmp(link->alias, alias) != 0)
		return err_set(err, -EEXIST,
			       "link %s exists and is not ours: remove it",
			       ln->parent);
	if (strncmp(link->alias, "berth:", 6) == 0 &&
	    strcmp(link->alias, alias) != 0)
		return err_set(err, -EBUSY,
			       "parent %s was made by Berth for something else "
			       "(alias %s): choose another",
			       ln->parent, link->alias);
	if (link->type != ARPHRD_ETHER)
		return err_set(err, -EINVAL,
			       "parent %s is no Ethernet interface: %s needs "
			       "one",
			       ln->parent, ln->kind->what);
	return 0;
}

static int find_or_make(struct lan_host *host, struct lan_network *ln,
			const char *alias, struct nlk_link *link,
			struct err *err)
{
	int r = nlk_link_get(host->nlk, ln->parent, 0, link, err);

	/* Made by us and not marked yet when the daemon died: this deletes only
	 * what bears our group. */
	if (r == 0 && !link->alias[0] && (ln->own || ln->vlan) &&
	    nlk_link_del(host->slow, ln->parent, alias, NULL) == 0)
		r = -ENODEV;
	if (r != -ENODEV)
		return r;
	r = make(host, ln, err);
	return r < 0 ? r : nlk_link_get(host->nlk, ln->parent, 0, link, err);
}

static int check_mtu(const struct lan_network *ln, const struct nlk_link *link,
		     struct err *err)
{
	if (ln->opt.mtu <= link->mtu)
		return 0;
	return err_set(err, -EINVAL,
		       "com.docker.network.driver.mtu=%u: parent %s carries "
		       "%u at most",
		       ln->opt.mtu, ln->parent, link->mtu);
}

static void note(struct lan_host *host, struct lan_network *ln,
		 const struct nlk_link *link)
{
	pthread_mutex_lock(&host->lock);
	ln->index = link->index;
	ln->mtu = link->mtu;
	memcpy(ln->seen, link->name, sizeof(ln->seen));
	ln->gone = false;
	pthread_mutex_unlock(&host->lock);
}

static int parent_add(struct lan_host *host, struct lan_network *ln, bool fresh,
		      struct err *err)
{
	char alias[NLK_ALIAS_MAX];
	struct nlk_link link = { 0 };
	int r;

	parent_alias(ln, alias);
	r = find_or_make(host, ln, alias, &link, err);
	if (r == 0)
		r = judge(ln, &link, alias, err);
	if (r == 0 && strcmp(link.alias, alias) == 0)
		r = finish_own(host, &link, err);
	if (r == 0 && fresh)
		r = check_mtu(ln, &link, err);
	if (r == 0)
		note(host, ln, &link);
	return r;
}

int lan_parent_add(struct lan_host *host, struct lan_network *ln, bool fresh,
		   struct err *err)
{
	char alias[NLK_ALIAS_MAX];
	struct nlk_link link;
	int r, index;

	parent_alias(ln, alias);
	pthread_mutex_lock(&host->lock);
	index = ln->gone ? 0 : ln->index;
	pthread_mutex_unlock(&host->lock);
	/* It goes on as long as it lives, whatever it is called by now.  When it
	 * is gone another link may have its index. */
	if (index && nlk_link_get(host->nlk, NULL, index, &link, NULL) == 0) {
		note(host, ln, &link);
		/* An MTU that grew beyond 1280 brought the kernel's defaults. */
		return strcmp(link.alias, alias) != 0 ? 0
						      : close_ip6(&link, err);
	}
	pthread_mutex_lock(&host->parent_lock);
	r = parent_add(host, ln, fresh, err);
	pthread_mutex_unlock(&host->parent_lock);
	return r;
}

int lan_parent_del(struct lan_host *host, struct lan_network *ln,
		   struct err *err)
{
	char alias[NLK_ALIAS_MAX];
	int r = 0;

	if (!ln->own && !ln->vlan)
		return 0;
	parent_alias(ln, alias);
	pthread_mutex_lock(&host->parent_lock);
	if (!lan_parent_used(host, ln->parent))
		r = nlk_link_del(host->slow, ln->parent, alias, err);
	pthread_mutex_unlock(&host->parent_lock);
	return r == -EPERM ? 0 : r; /* the user's */
}

/* ---- explained ------------------------------------------------------------- */

int lan_parent_explain(struct lan_host *host, const struct lan_network *ln,
		       int r, struct err *err)
{
	const char *what = ln->kind->what;
	struct nlk_link link = { 0 }, master = { 0 };

	if (r == -EOPNOTSUPP)
		return err_set(err, r,
			       "this kernel has no %s: it is module %s of "
			       "Debian's kernels",
			       what, what);
	if ((r != -EBUSY && r != -EINVAL) ||
	    nlk_link_get(host->nlk, NULL, ln->index, &link, NULL) < 0)
		return r;
	if (link.master &&
	    nlk_link_get(host->nlk, NULL, link.master, &master, NULL) == 0)
		return err_set(err, -EBUSY,
			       "parent %s is part of %s %s, which takes what "
			       "it receives: say parent=%s",
			       link.name, master.kind, master.name,
			       master.name);
	return err_set(err, -EBUSY,
		       "parent %s is taken by links of another kind or mode: "
		       "macvlan, ipvlan and passthru do not share a parent "
		       "(netctl network ls, ip -d link)",
		       link.name);
}
