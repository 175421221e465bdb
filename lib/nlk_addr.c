/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of links. */
#include "lib/nlk.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_priv.h"

static struct nlk_msg addr_msg(int type, int flags, int index,
			       const struct ip_prefix *p)
{
	struct ifaddrmsg ifa = { .ifa_family = p->addr.family,
				 .ifa_prefixlen = p->len,
				 .ifa_index = (uint32_t)index };
	struct nlk_msg b = nlk_msg_new(type, flags, &ifa, sizeof(ifa));

	nlk_put_ip(&b, IFA_LOCAL, &p->addr);
	nlk_put_ip(&b, IFA_ADDRESS, &p->addr);
	return b;
}

struct addr_text {
	char s[PREFIX_STR_MAX + 32];
};

static struct addr_text addr_text(int index, const struct ip_prefix *p)
{
	char buf[PREFIX_STR_MAX];
	struct addr_text t;

	snprintf(t.s, sizeof(t.s), "%s on link #%d", ip_prefix_str(p, buf),
		 index);
	return t;
}

struct addr_list {
	struct nlk_list list;
	int index; /* 0: all */
};

int nlk_addr_decode(struct nlmsghdr *h, struct nlk_addr *ret)
{
	struct nlattr *tb[IFA_MAX + 1];
	const struct ifaddrmsg *ifa;
	struct ip_addr ip;

	if (nlmsg_parse(h, sizeof(*ifa), tb, IFA_MAX, NULL) < 0)
		return -EBADMSG;
	ifa = nlmsg_data(h);
	/* IFA_ADDRESS is the other end's where the link is point to point */
	ip = nlk_ip_decode(ifa->ifa_family,
			   tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS]);
	if (ip_is_none(&ip))
		return -ENOMSG;
	*ret = (struct nlk_addr){
		.index = (int)ifa->ifa_index,
		.p = { .addr = ip, .len = ifa->ifa_prefixlen },
		.other = tb[IFA_ADDRESS] ? nlk_ip_decode(ifa->ifa_family,
							 tb[IFA_ADDRESS])
					 : ip,
		.scope = ifa->ifa_scope,
		.flags = tb[IFA_FLAGS] ? nla_get_u32(tb[IFA_FLAGS])
				       : ifa->ifa_flags,
	};
	return 0;
}

static int collect_addr(void *ctx, struct nlmsghdr *h)
{
	struct addr_list *l = ctx;
	struct nlk_addr row;
	int r = nlk_addr_decode(h, &row);

	if (r < 0)
		return r == -ENOMSG ? 0 : r;
	/* a kernel without strict checking sends every link's */
	if (l->index && l->index != row.index)
		return 0;
	return nlk_list_add(&l->list, &row);
}

static void addr_list_fini(struct addr_list *l)
{
	nlk_list_fini(&l->list);
}

static void forget_addrs(void *ctx)
{
	((struct addr_list *)ctx)->list.count = 0;
}

static int read_addrs(struct nlk *nlk, struct addr_list *l, struct err *err)
{
	struct ifaddrmsg ifa = { .ifa_index = (uint32_t)l->index };

	return nlk_dump(nlk, RTM_GETADDR, &ifa, sizeof(ifa), NULL, collect_addr,
			forget_addrs, l, err, "addresses");
}

int nlk_addr_each(struct nlk *nlk, int index,
		  int (*fn)(void *ctx, int index, const struct ip_prefix *p),
		  void *ctx, struct err *err)
{
	_cleanup_(addr_list_fini) struct addr_list l = {
		.list.item = sizeof(struct nlk_addr), .index = index
	};
	int r = read_addrs(nlk, &l, err);

	for (size_t i = 0; r >= 0 && i < l.list.count; i++) {
		const struct nlk_addr *a =
			&((struct nlk_addr *)(void *)l.list.items)[i];

		r = fn(ctx, a->index, &a->p);
	}
	return r < 0 ? r : 0;
}

int nlk_addr_walk(struct nlk *nlk,
		  int (*fn)(void *ctx, const struct nlk_addr *a), void *ctx,
		  struct err *err)
{
	_cleanup_(addr_list_fini) struct addr_list l = {
		.list.item = sizeof(struct nlk_addr)
	};
	int r = read_addrs(nlk, &l, err);

	for (size_t i = 0; r >= 0 && i < l.list.count; i++)
		r = fn(ctx, &((struct nlk_addr *)(void *)l.list.items)[i]);
	return r < 0 ? r : 0;
}

struct wanted {
	const struct ip_prefix *p;
	bool found;
};

static int is_wanted(void *ctx, int index, const struct ip_prefix *p)
{
	struct wanted *w = ctx;

	(void)index;
	if (p->len == w->p->len && ip_equal(&p->addr, &w->p->addr))
		w->found = true;
	return 0;
}

static int addr_add(struct nlk *nlk, int index, const struct ip_prefix *p,
		    uint32_t flags, struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		addr_msg(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, p);
	struct wanted w = { .p = p };
	int r;

	if (ip_is_none(&p->addr))
		return err_set(err, -EINVAL, "no address for link #%d", index);
	if (p->addr.family == AF_INET6)
		nlk_put_u32(&b, IFA_FLAGS, IFA_F_NODAD | flags);
	if (p->addr.family == AF_INET && p->len < 31) {
		struct ip_addr last = ip_prefix_last(p);

		nlk_put_ip(&b, IFA_BROADCAST, &last);
	}
	r = nlk_call(nlk, &b, NULL, NULL, err, "address",
		     addr_text(index, p).s);
	if (r != -EEXIST)
		return r;
	/* v6: also the same address with another prefix length */
	if (nlk_addr_each(nlk, index, is_wanted, &w, NULL) == 0 && w.found)
		return 0;
	return r;
}

int nlk_addr_add(struct nlk *nlk, int index, const struct ip_prefix *p,
		 struct err *err)
{
	return addr_add(nlk, index, p, 0, err);
}

int nlk_addr_add_bare(struct nlk *nlk, int index, const struct ip_prefix *p,
		      struct err *err)
{
	return addr_add(nlk, index, p, IFA_F_NOPREFIXROUTE, err);
}

int nlk_addr_del(struct nlk *nlk, int index, const struct ip_prefix *p,
		 struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		addr_msg(RTM_DELADDR, 0, index, p);
	int r = nlk_call(nlk, &b, NULL, NULL, err, "address",
			 addr_text(index, p).s);

	return r == -EADDRNOTAVAIL || r == -ENODEV ? 0 : r;
}
