/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What links counted, also those in a container: asked for by the number that this
 * namespace has for the other one. */
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk.h"
#include "lib/nlk_priv.h"

static int decode(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *tb[IFLA_MAX + 1];
	struct rtnl_link_stats64 st = { 0 };
	struct nlk_counts *ret = ctx;
	size_t len;
	int peer;

	if (nlmsg_parse(h, sizeof(struct ifinfomsg), tb, IFLA_MAX, NULL) < 0 ||
	    !tb[IFLA_STATS64])
		return -EBADMSG;
	/* Kernels before 5.10 leave it out where both have one number. */
	peer = tb[IFLA_LINK] ? (int)nla_get_u32(tb[IFLA_LINK])
			     : ((struct ifinfomsg *)nlmsg_data(h))->ifi_index;
	len = (size_t)nla_len(tb[IFLA_STATS64]); /* it grows with kernels */
	memcpy(&st, nla_data(tb[IFLA_STATS64]),
	       len < sizeof(st) ? len : sizeof(st));
	*ret = (struct nlk_counts){ .rx_packets = st.rx_packets,
				    .rx_bytes = st.rx_bytes,
				    .tx_packets = st.tx_packets,
				    .tx_bytes = st.tx_bytes,
				    .peer_index = peer };
	return 0;
}

int nlk_link_counts(struct nlk *nlk, int nsid, int index,
		    struct nlk_counts *ret, struct err *err)
{
	struct ifinfomsg ifi = { .ifi_index = index };
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(RTM_GETLINK, 0, &ifi, sizeof(ifi));
	struct nlk_counts got = { 0 };
	char label[16];
	int r;

	if (index <= 0)
		return err_set(err, -ENODEV, "link #%d: no such index possible",
			       index);
	if (nsid >= 0)
		nlk_put_u32(&b, IFLA_TARGET_NETNSID, (uint32_t)nsid);
	snprintf(label, sizeof(label), "#%d", index);
	r = nlk_call(nlk, &b, decode, &got, err, "link", label);
	if (r == 0)
		*ret = got;
	return r;
}
