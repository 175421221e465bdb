/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A new link of whatever kind, with its mark, or nothing. */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "lib/nlk_priv.h"

static int create(struct nlk *nlk, const struct nlk_new *n, struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b = nlk_msg_new(
		RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	struct nlattr *info, *data;

	nlk_put_str(&b, IFLA_IFNAME, n->name);
	nlk_put_u32(&b, IFLA_GROUP, NLK_LINK_GROUP);
	nlk_put_mac(&b, n->mac);
	if (n->mtu)
		nlk_put_u32(&b, IFLA_MTU, n->mtu);
	if (n->lower)
		nlk_put_u32(&b, IFLA_LINK, (uint32_t)n->lower);
	info = nlk_nest(&b, IFLA_LINKINFO);
	nlk_put_str(&b, IFLA_INFO_KIND, n->kind);
	if (n->put_data) {
		data = nlk_nest(&b, IFLA_INFO_DATA);
		n->put_data(&b, n->conf);
		nlk_nest_end(&b, data);
	}
	nlk_nest_end(&b, info);
	return nlk_call(nlk, &b, NULL, NULL, err, "link", n->name);
}

/* The kernel ignores the alias of a link that it makes. */
static int mark(struct nlk *nlk, const struct nlk_new *n, struct err *err)
{
	struct ifinfomsg ifi = { 0 };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_SETLINK, 0, &ifi, sizeof(ifi));

	nlk_put_str(&b, IFLA_IFNAME, n->name);
	nlk_put_str(&b, IFLA_IFALIAS, n->alias);
	return nlk_call(nlk, &b, NULL, NULL, err, "link", n->name);
}

int nlk_make(struct nlk *nlk, const struct nlk_new *n, struct err *err)
{
	_cleanup_(nlk_undo_fini) struct nlk_undo undo = { .nlk = nlk };
	int r = nlk_new_check(n->name, n->alias, err);

	if (r == 0)
		r = create(nlk, n, err);
	if (r == -EEXIST)
		(void)nlk_tell_holder(nlk, n->name, err);
	if (r < 0)
		return r;
	undo.name = n->name;
	r = mark(nlk, n, err);
	if (r < 0)
		return r;
	undo.name = NULL;
	return 0;
}
