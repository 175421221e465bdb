/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPsec policies by NETLINK_XFRM: how many there are, and that some changed.
 *
 * Whoever made a policy (strongSwan, ip-xfrm(8), PF_KEY), the kernel tells of it
 * here.  What the events say is not read: the counts are asked for.
 */
#include "lib/nlk_xfrm.h"

#include <linux/xfrm.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/nlk_priv.h"

struct nlk_xfrm {
	struct nlk *nlk; /* owned: questions */
	int events;      /* owned */
};

static int listen_to_policies(struct nlk_xfrm *x, struct err *err)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	int group = XFRMNLGRP_POLICY;

	x->events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			   NETLINK_XFRM);
	if (x->events < 0)
		return err_set(err, -errno, "IPsec policies, socket: %s",
			       strerror(errno));
	/* without a port of its own it would count as the sender, the kernel */
	if (bind(x->events, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    setsockopt(x->events, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
		       sizeof(group)) < 0)
		return err_set(err, -errno, "IPsec policies, events: %s",
			       strerror(errno));
	return 0;
}

int nlk_xfrm_open(struct nlk_xfrm **ret, struct err *err)
{
	_cleanup_(nlk_xfrm_closep) struct nlk_xfrm *x = calloc(1, sizeof(*x));
	int r;

	*ret = NULL;
	if (!x)
		return err_set(err, -ENOMEM, "IPsec policies: out of memory");
	x->events = -1;
	r = listen_to_policies(x, err);
	if (r == -EPROTONOSUPPORT)
		return 0;
	if (r == 0)
		r = nlk_open_family(NETLINK_XFRM, &x->nlk, err);
	if (r == 0)
		*ret = take_ptr(x);
	return r;
}

void nlk_xfrm_close(struct nlk_xfrm *x)
{
	if (!x)
		return;
	nlk_close(x->nlk);
	if (x->events >= 0)
		close(x->events);
	free(x);
}

int nlk_xfrm_fd(const struct nlk_xfrm *x)
{
	return x->events;
}

int nlk_xfrm_read(struct nlk_xfrm *x, struct err *err)
{
	int changed = 0;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof(from);
		char head[64]; /* the rest of a message is cut off */
		ssize_t n = recvfrom(x->events, head, sizeof(head), 0,
				     (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EAGAIN)
			return changed;
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return err_set(err, -errno, "IPsec policies: %s",
				       strerror(errno));
		if (n >= 0 ? from.nl_pid == 0 : errno == ENOBUFS)
			changed = 1;
	}
}

/* ---- questions ----------------------------------------------------------- */

static int on_counts(void *ctx, struct nlmsghdr *h)
{
	struct nlattr *a = nlmsg_find_attr(h, sizeof(uint32_t), XFRMA_SPD_INFO);
	struct xfrmu_spdinfo n;
	int *any = ctx;

	if (!a || nla_len(a) < (int)sizeof(n))
		return -EPROTO;
	memcpy(&n, nla_data(a), sizeof(n));
	/* the other three are sockets' own: an IKE daemon exempts its own */
	*any = n.incnt || n.outcnt || n.fwdcnt;
	return 0;
}

static int on_default(void *ctx, struct nlmsghdr *h)
{
	const struct xfrm_userpolicy_default *d = nlmsg_data(h);
	int *any = ctx;

	if (nlmsg_datalen(h) < (int)sizeof(*d))
		return -EPROTO;
	*any = d->in == XFRM_USERPOLICY_BLOCK ||
	       d->fwd == XFRM_USERPOLICY_BLOCK ||
	       d->out == XFRM_USERPOLICY_BLOCK;
	return 0;
}

static int ask(struct nlk_xfrm *x, int type, const void *body, size_t size,
	       int (*on_msg)(void *ctx, struct nlmsghdr *h), struct err *err)
{
	_cleanup_(nlk_msg_fini) struct nlk_msg b =
		nlk_msg_new(type, 0, body, size);
	int any = -1, r;

	r = nlk_call(x->nlk, &b, on_msg, &any, err, "IPsec policies", "");
	if (r == 0 && any < 0)
		return err_set(err, -EPROTO,
			       "IPsec policies: the kernel did not say");
	return r < 0 ? r : any;
}

int nlk_xfrm_any(struct nlk_xfrm *x, struct err *err)
{
	const struct xfrm_userpolicy_default none = { 0 };
	const uint32_t flags = UINT32_MAX;
	int r = ask(x, XFRM_MSG_GETSPDINFO, &flags, sizeof(flags), on_counts,
		    err);

	if (r != 0)
		return r;
	r = ask(x, XFRM_MSG_GETDEFAULT, &none, sizeof(none), on_default, err);
	return r == -EINVAL ? 0 : r; /* before Linux 5.15: none blocks */
}
