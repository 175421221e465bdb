/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host as the programs see it: where packets come in and go out, with
 * which address, and which addresses are its own.
 *
 * Everything is read anew and compared: a thousand bridges are some
 * milliseconds, and happen when links, addresses or routes change, not for
 * each container.
 */
#include "dataplane/ebpf/nat.h"

#include <bpf/bpf.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <stdio.h>

#include "dataplane/ebpf/nat_priv.h"
#include "dataplane/ebpf/nat_source.h"
#include "lib/fail.h"

struct link {
	struct nlk_link l;
	enum nat_link_kind kind;
};

struct host {
	const struct nat_view *view;
	struct link *links; /* owned; sorted by index */
	size_t link_count, link_room;
	struct nlk_addr *addrs; /* owned; in the kernel's order */
	size_t addr_count, addr_room;
};

static void host_fini(struct host *h)
{
	free(h->links);
	free(h->addrs);
}

/* ---- reading ------------------------------------------------------------ */

/* Room for one more. Return: the array, moved; NULL: no memory. */
static void *grow(void *items, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 32;
	void *p;

	if (count < *room)
		return items;
	p = reallocarray(items, more, size);
	if (p)
		*room = more;
	return p;
}

static int on_link(void *ctx, const struct nlk_link *l)
{
	struct host *h = ctx;
	enum nat_link_kind kind = h->view->kind(h->view->ctx, l);
	struct link *p;

	if (kind == NAT_KIND_OTHER)
		return 0;
	p = grow(h->links, h->link_count, &h->link_room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	h->links = p;
	p[h->link_count++] = (struct link){ .l = *l, .kind = kind };
	return 0;
}

static int on_addr(void *ctx, const struct nlk_addr *a)
{
	struct host *h = ctx;
	struct nlk_addr *p;

	/* not the host's, or not yet.  The scope says nothing of who may ask
	 * for it: an address of an LVS server or of anycast has "host". */
	if (ip_is_loopback(&a->p.addr) || (a->flags & IFA_F_DADFAILED) ||
	    ((a->flags & IFA_F_TENTATIVE) && !(a->flags & IFA_F_OPTIMISTIC)))
		return 0;
	p = grow(h->addrs, h->addr_count, &h->addr_room, sizeof(*p));
	if (!p)
		return -ENOMEM;
	h->addrs = p;
	p[h->addr_count++] = *a;
	return 0;
}

static int by_index(const void *va, const void *vb)
{
	const struct link *a = va, *b = vb;

	return (a->l.index > b->l.index) - (a->l.index < b->l.index);
}

static struct link *find_link(const struct host *h, int index)
{
	const struct link want = { .l.index = index };

	if (h->link_count == 0)
		return NULL;
	return bsearch(&want, h->links, h->link_count, sizeof(want), by_index);
}

static int read_host(struct nat *nat, struct host *h, struct err *err)
{
	struct nlk *nlk = nat->cfg.nlk;
	int r = nlk_link_each(nlk, on_link, h, err);

	if (r == 0 && h->link_count)
		qsort(h->links, h->link_count, sizeof(*h->links), by_index);
	if (r == 0)
		r = nlk_addr_walk(nlk, on_addr, h, err);
	return r;
}

/* ---- what the maps are to have -------------------------------------------- */

/* Traffic comes in by it, with an Ethernet header, and at no other before. */
static bool is_uplink(const struct link *l)
{
	return (l->kind == NAT_KIND_UPLINK || l->kind == NAT_KIND_CLOSED) &&
	       l->l.type == ARPHRD_ETHER && !l->l.master;
}

/* Both maps, as one says that the other is to be asked. */
static int list_links(struct nlk *nlk, const struct host *h,
		      struct maps_list *ret, struct maps_list *sources,
		      struct err *err)
{
	const struct nat_addrs all = { h->addrs, h->addr_count };
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->link_count; i++) {
		const struct link *l = &h->links[i];
		__u32 key = (__u32)l->l.index;
		struct nat_link value = { 0 };

		if (l->kind == NAT_KIND_OURS) {
			value.flags = NAT_LINK_OURS;
		} else if (is_uplink(l)) {
			r = nat_source_list(nlk, &all, l->l.index, &value,
					    sources, err);
			if (l->kind == NAT_KIND_CLOSED)
				value.flags |= NAT_LINK_CLOSED;
		} else {
			continue;
		}
		if (r == 0)
			r = maps_list_add(ret, &key, &value, err);
	}
	return r;
}

static int list_local(const struct host *h, struct maps_list *ret,
		      struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < h->addr_count; i++) {
		const struct nlk_addr *a = &h->addrs[i];
		const struct link *l = find_link(h, a->index);
		struct nat_local value = { 0 };
		__u32 key[4];

		if (l && l->kind == NAT_KIND_OURS &&
		    h->view->is_gateway(h->view->ctx, &l->l, &a->p.addr))
			value.bridge = (__u32)a->index;
		nat_addr(key, &a->p.addr);
		r = maps_list_add(ret, key, &value, err);
	}
	return r;
}

/* ---- uplinks ------------------------------------------------------------- */

static bool has_uplink(const struct nat *nat, int index)
{
	for (size_t i = 0; i < nat->uplink_count; i++)
		if (nat->uplinks[i] == index)
			return true;
	return false;
}

static bool keep_uplink(void *ctx, int ifindex, enum tc_hook hook)
{
	return hook == TC_IN && has_uplink(ctx, ifindex);
}

static int program(const struct nat *nat)
{
	return bpf_program__fd(nat->skel->progs.publish_uplink);
}

/* Return: 1: it was not there; 0; -errno. */
static int have_program(struct nat *nat, int index, struct err *err)
{
	int r = tc_is_attached(nat->cfg.tc, NAT_UPLINK_NAME, index, TC_IN,
			       program(nat), err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = FAILPOINT("nat.uplink");
	if (r < 0)
		return err_set(err, r, "test: nat.uplink");
	r = tc_attach(nat->cfg.tc, NAT_UPLINK_NAME, index, TC_IN, program(nat),
		      err);
	return r < 0 ? r : 1;
}

static int sync_uplinks(struct nat *nat, const struct host *h, int *back,
			struct err *err)
{
	int *now = calloc(h->link_count + 1, sizeof(*now)), n = 0, r = 0;
	size_t count = 0;
	int failed = 0;
	bool same;

	if (!now)
		return err_set(err, -ENOMEM, "uplinks: out of memory");
	for (size_t i = 0; i < h->link_count; i++) {
		int index = h->links[i].l.index;

		if (!is_uplink(&h->links[i]))
			continue;
		r = have_program(nat, index, failed ? NULL : err);
		if (r == -ENODEV) /* gone since */
			continue;
		if (r < 0) { /* the others shall have it */
			failed = failed ? failed : r;
			continue;
		}
		now[count++] = index;
		n += r > 0;
		*back += r > 0 && has_uplink(nat, index);
	}
	same = nat->uplinks && count == nat->uplink_count &&
	       memcmp(now, nat->uplinks, count * sizeof(*now)) == 0;
	if (failed) {
		free(now); /* what has the program by now is found again */
		return failed;
	}
	free(nat->uplinks);
	nat->uplinks = now;
	nat->uplink_count = count;
	r = same ? 0
		 : tc_sweep(nat->cfg.tc, NAT_UPLINK_NAME, keep_uplink, nat,
			    err);
	return r < 0 ? r : n + r;
}

int nat_host_mend(struct nat *nat, struct err *err)
{
	int n = 0, failed = 0;

	for (size_t i = 0; nat->skel && i < nat->uplink_count; i++) {
		int r = have_program(nat, nat->uplinks[i], failed ? NULL : err);

		if (r < 0 && r != -ENODEV)
			failed = failed ? failed : r;
		n += r > 0;
	}
	return failed ? failed : n;
}

/* ---- all of it ----------------------------------------------------------- */

#define SOURCES "addresses by subnet" /* what errors call nat_source */

struct lists {
	struct maps_list links, local, sources;
};

static void lists_fini(struct lists *l)
{
	maps_list_fini(&l->links);
	maps_list_fini(&l->local);
	maps_list_fini(&l->sources);
}

#define LISTS_INIT                                                      \
	{                                                               \
		.links = { .key_size = sizeof(__u32),                   \
			   .value_size = sizeof(struct nat_link) },     \
		.local = { .key_size = 16,                              \
			   .value_size = sizeof(struct nat_local) },    \
		.sources = { .key_size = sizeof(struct nat_source_key), \
			     .value_size = sizeof(struct nat_source) }, \
	}

static int read_lists(struct nat *nat, struct host *h, struct lists *ret,
		      struct err *err)
{
	int r = read_host(nat, h, err);

	if (r == 0)
		r = list_links(nat->cfg.nlk, h, &ret->links, &ret->sources,
			       err);
	return r == 0 ? list_local(h, &ret->local, err) : r;
}

int nat_host_sync(struct nat *nat, const struct nat_view *view, int *back,
		  struct err *err)
{
	_cleanup_(host_fini) struct host h = { .view = view };
	_cleanup_(lists_fini) struct lists l = LISTS_INIT;
	int r = read_lists(nat, &h, &l, err), n = 0;

	*back = 0;
	if (r < 0)
		return r;
	/* addresses before programs: a flow of none would go astray */
	r = maps_sync(bpf_map__fd(nat->skel->maps.nat_local),
		      "this host's addresses", &l.local, err);
	if (r >= 0) {
		n += r;
		r = maps_sync(bpf_map__fd(nat->skel->maps.nat_source), SOURCES,
			      &l.sources, err);
	}
	if (r >= 0) {
		n += r;
		r = maps_sync(bpf_map__fd(nat->skel->maps.nat_link), "links",
			      &l.links, err);
	}
	if (r >= 0) {
		n += r;
		r = sync_uplinks(nat, &h, back, err);
	}
	return r < 0 ? r : n + r;
}

static int report(int wrong, const char *what,
		  void (*fn)(void *ctx, const char *line), void *ctx)
{
	char line[128];

	if (wrong == 0)
		return 0;
	snprintf(line, sizeof(line), "eBPF map of %s: %d entries are wrong",
		 what, wrong);
	fn(ctx, line);
	return 1;
}

int nat_host_check(struct nat *nat, const struct nat_view *view,
		   void (*fn)(void *ctx, const char *line), void *ctx,
		   struct err *err)
{
	_cleanup_(host_fini) struct host h = { .view = view };
	_cleanup_(lists_fini) struct lists l = LISTS_INIT;
	int r = read_lists(nat, &h, &l, err), links, local, sources, n = 0;
	char line[128];

	if (r < 0)
		return r;
	local = maps_differ(bpf_map__fd(nat->skel->maps.nat_local),
			    "this host's addresses", &l.local, err);
	links = maps_differ(bpf_map__fd(nat->skel->maps.nat_link), "links",
			    &l.links, err);
	sources = maps_differ(bpf_map__fd(nat->skel->maps.nat_source), SOURCES,
			      &l.sources, err);
	if (local < 0 || links < 0 || sources < 0)
		return local < 0 ? local : links < 0 ? links : sources;
	n += report(local, "this host's addresses", fn, ctx);
	n += report(links, "links", fn, ctx);
	n += report(sources, SOURCES, fn, ctx);
	for (size_t i = 0; i < h.link_count; i++) {
		const struct nlk_link *link = &h.links[i].l;

		if (!is_uplink(&h.links[i]) ||
		    tc_is_attached(nat->cfg.tc, NAT_UPLINK_NAME, link->index,
				   TC_IN, program(nat), NULL) != 0)
			continue;
		snprintf(line, sizeof(line),
			 "link %s: the eBPF program for published ports is "
			 "not attached",
			 link->name);
		fn(ctx, line);
		n++;
	}
	return n;
}
