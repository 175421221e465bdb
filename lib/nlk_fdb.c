/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a MAC is, and who has an address: RTM_*NEIGH. */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/nlk_priv.h"
#include "lib/nlk_vxlan.h"

/* ---- one entry --------------------------------------------------------------- */

struct entry {
	struct ndmsg ndm;
	const struct mac_addr *mac; /* NULL: none given */
	const struct ip_addr *ip;   /* of NDA_DST; NULL: none given */
	const char *what;
};

static int change(struct nlk *nlk, int type, int flags, const struct entry *e,
		  struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(type, flags, &e->ndm, sizeof(e->ndm));
	char mac[MAC_STR_MAX] = "", ip[IP_STR_MAX] = "";
	const char *name = "";

	if (e->ip && !ip_is_none(e->ip)) {
		nlk_put_ip(&b, NDA_DST, e->ip);
		name = ip_str(e->ip, ip);
	}
	if (e->mac) {
		nlk_put(&b, NDA_LLADDR, e->mac->bytes, sizeof(e->mac->bytes));
		if (!mac_is_none(e->mac))
			name = mac_str(e->mac, mac);
	}
	return nlk_call(nlk, &b, NULL, NULL, err, e->what, name);
}

static int absent_is_fine(int r)
{
	return r == -ENOENT || r == -ENODEV ? 0 : r;
}

static struct entry fdb_entry(int index, const struct nlk_fdb *f)
{
	return (struct entry){
		.ndm = { .ndm_family = AF_BRIDGE,
			 .ndm_ifindex = index,
			 .ndm_state = NUD_NOARP | NUD_PERMANENT,
			 .ndm_flags = NTF_SELF },
		.mac = &f->mac,
		.ip = &f->dst,
		.what = "forwarding entry",
	};
}

int nlk_fdb_add(struct nlk *nlk, int index, const struct nlk_fdb *f,
		struct err *err)
{
	const struct entry e = fdb_entry(index, f);
	bool all = mac_is_none(&f->mac);
	int r = change(nlk, RTM_NEWNEIGH,
		       NLM_F_CREATE | (all ? NLM_F_APPEND : NLM_F_REPLACE), &e,
		       err);

	return r == -EEXIST ? 0 : r;
}

int nlk_fdb_del(struct nlk *nlk, int index, const struct nlk_fdb *f,
		struct err *err)
{
	const struct entry e = fdb_entry(index, f);

	return absent_is_fine(change(nlk, RTM_DELNEIGH, 0, &e, err));
}

static struct entry port_entry(int index, const struct mac_addr *mac)
{
	return (struct entry){
		.ndm = { .ndm_family = AF_BRIDGE,
			 .ndm_ifindex = index,
			 .ndm_state = NUD_NOARP,
			 .ndm_flags = NTF_MASTER },
		.mac = mac,
		.what = "bridge's entry",
	};
}

int nlk_port_mac_add(struct nlk *nlk, int index, const struct mac_addr *mac,
		     struct err *err)
{
	const struct entry e = port_entry(index, mac);

	return change(nlk, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &e, err);
}

int nlk_port_mac_del(struct nlk *nlk, int index, const struct mac_addr *mac,
		     struct err *err)
{
	const struct entry e = port_entry(index, mac);

	return absent_is_fine(change(nlk, RTM_DELNEIGH, 0, &e, err));
}

int nlk_neigh_add(struct nlk *nlk, int index, const struct nlk_neigh *n,
		  struct err *err)
{
	const struct entry e = {
		.ndm = { .ndm_family = n->ip.family,
			 .ndm_ifindex = index,
			 .ndm_state = NUD_PERMANENT },
		.mac = &n->mac,
		.ip = &n->ip,
		.what = "neighbour",
	};

	return change(nlk, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &e, err);
}

/* ---- all of them ------------------------------------------------------------- */

struct row {
	bool master, permanent, own;
	struct mac_addr mac;
	struct ip_addr ip;
};

struct table {
	int index;
	struct nlk_list list; /* struct row */
};

static int collect(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[NDA_MAX + 1];
	struct row row = { .master = false };
	struct table *t = ctx;
	const struct ndmsg *ndm;

	if (nlmsg_parse(h, sizeof(*ndm), tb, NDA_MAX, NULL) < 0)
		return -EBADMSG;
	ndm = nlmsg_data(h);
	if (ndm->ndm_ifindex != t->index)
		return 0;
	row.master = tb[NDA_MASTER];
	/* of a device's neighbours, NOARP are the kernel's own: groups */
	row.permanent = ndm->ndm_state & (ndm->ndm_family == AF_BRIDGE
						  ? NUD_PERMANENT | NUD_NOARP
						  : NUD_PERMANENT);
	row.own = ndm->ndm_family == AF_BRIDGE &&
		  ndm->ndm_state == NUD_PERMANENT && row.master;
	if (tb[NDA_LLADDR] &&
	    nla_len(tb[NDA_LLADDR]) == (int)sizeof(row.mac.bytes))
		memcpy(row.mac.bytes, nla_data(tb[NDA_LLADDR]),
		       sizeof(row.mac.bytes));
	if (tb[NDA_DST])
		row.ip = nlk_ip_decode(nla_len(tb[NDA_DST]) == 4 ? AF_INET
								 : AF_INET6,
				       tb[NDA_DST]);
	return nlk_list_add(&t->list, &row);
}

static void forget(void *ctx)
{
	((struct table *)ctx)->list.count = 0;
}

static void table_fini(struct table *t)
{
	nlk_list_fini(&t->list);
}

static int read_fdb(struct nlk *nlk, struct table *t, struct err *err)
{
	const struct ndmsg ndm = { .ndm_family = AF_BRIDGE,
				   .ndm_ifindex = t->index };

	return nlk_dump(nlk, RTM_GETNEIGH, &ndm, sizeof(ndm), NULL, collect,
			forget, t, err, "forwarding entries");
}

static const struct row *row_at(const struct table *t, size_t i)
{
	return &((const struct row *)(const void *)t->list.items)[i];
}

int nlk_fdb_each(struct nlk *nlk, int index,
		 int (*fn)(void *ctx, const struct nlk_fdb *e), void *ctx,
		 struct err *err)
{
	_cleanup_(table_fini) struct table t = { .index = index,
						 .list.item =
							 sizeof(struct row) };
	int r = read_fdb(nlk, &t, err);

	for (size_t i = 0; r >= 0 && i < t.list.count; i++) {
		const struct row *row = row_at(&t, i);
		const struct nlk_fdb e = { .mac = row->mac,
					   .dst = row->ip,
					   .learnt = !row->permanent };

		if (!row->master && !ip_is_none(&row->ip))
			r = fn(ctx, &e);
	}
	return r < 0 ? r : 0;
}

int nlk_port_mac_each(struct nlk *nlk, int index,
		      int (*fn)(void *ctx, const struct mac_addr *mac),
		      void *ctx, struct err *err)
{
	_cleanup_(table_fini) struct table t = { .index = index,
						 .list.item =
							 sizeof(struct row) };
	int r = read_fdb(nlk, &t, err);

	for (size_t i = 0; r >= 0 && i < t.list.count; i++) {
		const struct row *row = row_at(&t, i);

		if (row->master && row->permanent && !row->own)
			r = fn(ctx, &row->mac);
	}
	return r < 0 ? r : 0;
}

static int each_of(struct nlk *nlk, int index, uint8_t family,
		   int (*fn)(void *ctx, const struct nlk_neigh *n), void *ctx,
		   struct err *err)
{
	_cleanup_(table_fini) struct table t = { .index = index,
						 .list.item =
							 sizeof(struct row) };
	const struct ndmsg ndm = { .ndm_family = family };
	int r = nlk_dump(nlk, RTM_GETNEIGH, &ndm, sizeof(ndm), NULL, collect,
			 forget, &t, err, "neighbours");

	for (size_t i = 0; r >= 0 && i < t.list.count; i++) {
		const struct row *row = row_at(&t, i);
		const struct nlk_neigh n = { .ip = row->ip, .mac = row->mac };

		if (row->permanent && !mac_is_none(&row->mac))
			r = fn(ctx, &n);
	}
	return r < 0 ? r : 0;
}

int nlk_neigh_each(struct nlk *nlk, int index,
		   int (*fn)(void *ctx, const struct nlk_neigh *n), void *ctx,
		   struct err *err)
{
	int r = each_of(nlk, index, AF_INET, fn, ctx, err);

	return r < 0 ? r : each_of(nlk, index, AF_INET6, fn, ctx, err);
}
