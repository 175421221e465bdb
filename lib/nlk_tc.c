/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Traffic control: what hangs at an interface's clsact. */
#include "lib/nlk.h"

#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "lib/nlk_priv.h"

static int count_filter(void *ctx, struct nlmsghdr *h)
{
	int *n = ctx;

	if (h->nlmsg_type == RTM_NEWTFILTER)
		++*n;
	return 0;
}

static void forget_filters(void *ctx)
{
	*(int *)ctx = 0;
}

int nlk_filter_count(struct nlk *nlk, int index, struct err *err)
{
	static const uint32_t hooks[] = {
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
		TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
	};
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		struct tcmsg tcm = { .tcm_family = AF_UNSPEC,
				     .tcm_ifindex = index,
				     .tcm_parent = hooks[i] };
		int n = 0, r;

		r = nlk_dump(nlk, RTM_GETTFILTER, &tcm, sizeof(tcm), NULL,
			     count_filter, forget_filters, &n, err, "filters");
		if (r < 0)
			return r;
		count += n;
	}
	return count;
}
