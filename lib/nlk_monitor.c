/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel tells of itself: links, addresses, routes that come and go.
 *
 * The socket is read with recvmsg() because libnl turns ENOBUFS, which says
 * that events were lost, into the code for "out of memory".
 */
#include "lib/nlk.h"

#include <linux/rtnetlink.h>
#include <netlink/socket.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/nlk_priv.h"

#define EVENT_BUFFER (4 << 20) /* bytes the kernel may queue for us */

struct nlk_monitor {
	struct nl_sock *sk;
	char *buf; /* NLK_BUFFER bytes */
};

static int join(struct nlk_monitor *m, struct err *err)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
				      RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_ROUTE };
	int fd = nl_socket_get_fd(m->sk);

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			       &groups[i], sizeof(groups[i])) < 0)
			return err_set(err, -errno,
				       "netlink events, group %d: %s",
				       groups[i], strerror(errno));
	return 0;
}

int nlk_monitor_open(struct nlk_monitor **ret, struct err *err)
{
	_cleanup_(nlk_monitor_closep) struct nlk_monitor *m =
		calloc(1, sizeof(*m));
	int room = EVENT_BUFFER, fd, r;

	if (m) {
		m->sk = nl_socket_alloc();
		m->buf = malloc(NLK_BUFFER);
	}
	if (!m || !m->sk || !m->buf)
		return err_set(err, -ENOMEM, "netlink events: out of memory");
	errno = 0;
	r = nl_connect(m->sk, NETLINK_ROUTE);
	if (r < 0)
		return err_set(err, errno ? -errno : -EIO, "netlink events: %s",
			       nl_geterror(r));
	fd = nl_socket_get_fd(m->sk);
	/* A smaller buffer only means that NLK_LOST comes sooner. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room,
				 sizeof(room));
	r = join(m, err);
	if (r < 0)
		return r;
	*ret = take_ptr(m);
	return 0;
}

int nlk_monitor_add_tc(struct nlk_monitor *m, struct err *err)
{
	int group = RTNLGRP_TC;

	if (setsockopt(nl_socket_get_fd(m->sk), SOL_NETLINK,
		       NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return err_set(err, -errno, "netlink events, group %d: %s",
			       group, strerror(errno));
	return 0;
}

void nlk_monitor_close(struct nlk_monitor *m)
{
	if (!m)
		return;
	nl_socket_free(m->sk);
	free(m->buf);
	free(m);
}

int nlk_monitor_fd(const struct nlk_monitor *m)
{
	return nl_socket_get_fd(m->sk);
}

static bool decode_tc(struct nlmsghdr *h, struct nlk_event *e)
{
	const struct tcmsg *tcm = nlmsg_data(h);

	if (nlmsg_datalen(h) < (int)sizeof(*tcm))
		return false;
	e->type = NLK_TC_DEL;
	e->index = tcm->tcm_ifindex;
	return true;
}

/* Return: false for what no event tells of. */
static bool decode(struct nlmsghdr *h, struct nlk_event *e)
{
	struct nlk_addr addr;

	*e = (struct nlk_event){ 0 };
	switch (h->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		e->type = h->nlmsg_type == RTM_NEWLINK ? NLK_LINK_NEW
						       : NLK_LINK_DEL;
		return nlk_link_decode(h, &e->link) == 0;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		e->type = h->nlmsg_type == RTM_NEWADDR ? NLK_ADDR_NEW
						       : NLK_ADDR_DEL;
		if (nlk_addr_decode(h, &addr) < 0)
			return false;
		e->index = addr.index;
		e->addr = addr.p;
		return true;
	case RTM_NEWROUTE:
		e->type = NLK_ROUTE_NEW;
		return true;
	case RTM_DELROUTE:
		e->type = NLK_ROUTE_DEL;
		return true;
	case RTM_DELQDISC:
	case RTM_DELTFILTER:
		return decode_tc(h, e);
	default:
		return false;
	}
}

static int deliver(struct nlk_monitor *m, int size,
		   void (*fn)(void *ctx, const struct nlk_event *e), void *ctx)
{
	struct nlmsghdr *h = (struct nlmsghdr *)(void *)m->buf;
	struct nlk_event e;
	int n = 0;

	for (; nlmsg_ok(h, size); h = nlmsg_next(h, &size)) {
		if (!decode(h, &e))
			continue;
		fn(ctx, &e);
		n++;
	}
	return n;
}

int nlk_monitor_read(struct nlk_monitor *m,
		     void (*fn)(void *ctx, const struct nlk_event *e),
		     void *ctx, struct err *err)
{
	const struct nlk_event lost = { .type = NLK_LOST };
	int n = 0;

	for (;;) {
		struct iovec iov = { .iov_base = m->buf,
				     .iov_len = NLK_BUFFER };
		struct sockaddr_nl from = { 0 };
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };
		ssize_t size = recvmsg(nlk_monitor_fd(m), &msg, MSG_DONTWAIT);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0 && errno == EAGAIN)
			return n;
		if (size < 0 && errno != ENOBUFS)
			return err_set(err, -errno, "netlink events: %s",
				       strerror(errno));
		if (size < 0 || (msg.msg_flags & MSG_TRUNC)) {
			fn(ctx, &lost);
			n++;
		} else if (from.nl_pid == 0) {
			n += deliver(m, (int)size, fn, ctx);
		}
	}
}
