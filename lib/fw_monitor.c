/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_monitor.c - changes of the ruleset by anybody, as they happen.
 *
 * All events of one transaction carry the port id of the socket that sent it,
 * so that a socket filter on the first message's header tells ours from others'
 * exactly, and our own 60,000 elements never wake anybody.
 */
#include <arpa/inet.h>
#include <linux/filter.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

#define RCVBUF (4 << 20)

struct fw_monitor {
	struct mnl_socket *sk;
	char buf[FW_RECV_SIZE];
};

int fw_monitor_open(struct fw_monitor **ret, struct err *err)
{
	_cleanup_(fw_monitor_closep) struct fw_monitor *m =
		calloc(1, sizeof(*m));
	int fd, rcvbuf = RCVBUF, group = NFNLGRP_NFTABLES;

	if (!m)
		return err_set(err, -ENOMEM, "nftables monitor: out of memory");
	m->sk = mnl_socket_open2(NETLINK_NETFILTER,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!m->sk || mnl_socket_bind(m->sk, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_set(err, -errno, "nftables monitor: %s",
			       strerror(errno));
	fd = mnl_socket_get_fd(m->sk);
	/* without it an overrun comes earlier, which is reported */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcvbuf,
			 sizeof(rcvbuf));
	if (mnl_socket_setsockopt(m->sk, NETLINK_ADD_MEMBERSHIP, &group,
				  sizeof(group)) < 0)
		return err_set(err, -errno, "nftables monitor: %s",
			       strerror(errno));
	*ret = take_ptr(m);
	return 0;
}

void fw_monitor_close(struct fw_monitor *m)
{
	if (!m)
		return;
	if (m->sk)
		mnl_socket_close(m->sk);
	free(m);
}

int fw_monitor_fd(const struct fw_monitor *m)
{
	return mnl_socket_get_fd(m->sk);
}

int fw_monitor_ignore(struct fw_monitor *m, uint32_t portid, struct err *err)
{
	struct sock_filter code[] = {
		/* loads are big-endian, the header is in host order */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct nlmsghdr, nlmsg_pid)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(portid), 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog prog = { .len = ARRAY_SIZE(code), .filter = code };

	if (setsockopt(fw_monitor_fd(m), SOL_SOCKET, SO_ATTACH_FILTER, &prog,
		       sizeof(prog)) < 0)
		return err_set(err, -errno, "nftables monitor: filter: %s",
			       strerror(errno));
	return 0;
}

/* Where a message of this type has its table's and chain's names; 0: none. */
struct names_at {
	uint16_t table, chain;
	bool deleted;
};

static const struct names_at names_at[] = {
	[NFT_MSG_NEWTABLE] = { NFTA_TABLE_NAME, 0, false },
	[NFT_MSG_DELTABLE] = { NFTA_TABLE_NAME, 0, true },
	[NFT_MSG_NEWCHAIN] = { NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, false },
	[NFT_MSG_DELCHAIN] = { NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, true },
	[NFT_MSG_NEWRULE] = { NFTA_RULE_TABLE, NFTA_RULE_CHAIN, false },
	[NFT_MSG_DELRULE] = { NFTA_RULE_TABLE, NFTA_RULE_CHAIN, true },
	[NFT_MSG_NEWSET] = { NFTA_SET_TABLE, 0, false },
	[NFT_MSG_DELSET] = { NFTA_SET_TABLE, 0, true },
	[NFT_MSG_NEWSETELEM] = { NFTA_SET_ELEM_LIST_TABLE, 0, false },
	[NFT_MSG_DELSETELEM] = { NFTA_SET_ELEM_LIST_TABLE, 0, true },
};

static bool event_parse(const struct nlmsghdr *h, struct fw_event *e)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	uint16_t type = fw_msg_type(h);
	const struct nlattr *a;

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*g) ||
	    type >= ARRAY_SIZE(names_at) || !names_at[type].table)
		return false;
	*e = (struct fw_event){ .deleted = names_at[type].deleted,
				.family = g->nfgen_family,
				.portid = h->nlmsg_pid };
	for (a = fw_attrs(h, sizeof(*g)); a; a = fw_attrs_next(h, a)) {
		uint16_t t = mnl_attr_get_type(a);

		if (t == names_at[type].table)
			snprintf(e->table, sizeof(e->table), "%s",
				 mnl_attr_get_str(a));
		else if (names_at[type].chain && t == names_at[type].chain)
			snprintf(e->chain, sizeof(e->chain), "%s",
				 mnl_attr_get_str(a));
	}
	return true;
}

static bool event_same(const struct fw_event *a, const struct fw_event *b)
{
	return a->deleted == b->deleted && a->family == b->family &&
	       a->portid == b->portid && strcmp(a->table, b->table) == 0 &&
	       strcmp(a->chain, b->chain) == 0;
}

int fw_monitor_read(struct fw_monitor *m,
		    void (*fn)(void *ctx, const struct fw_event *e), void *ctx,
		    struct err *err)
{
	struct fw_event last = { 0 }, e;
	int count = 0;

	for (;;) {
		ssize_t n = mnl_socket_recvfrom(m->sk, m->buf, sizeof(m->buf));
		const struct nlmsghdr *h = (const void *)m->buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOBUFS || errno == ENOSPC)) {
			e = (struct fw_event){ .lost = true };
			fn(ctx, &e);
			count++;
			continue;
		}
		if (n < 0 && errno != EAGAIN)
			return err_set(err, -errno, "nftables monitor: %s",
				       strerror(errno));
		if (n <= 0)
			return count;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			/* one is enough for elements of one set */
			if (!event_parse(h, &e) ||
			    (count > 0 && event_same(&e, &last)))
				continue;
			fn(ctx, &e);
			last = e;
			count++;
		}
	}
}
