/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlk_priv.h - what the files of nlk share: one request, one answer.
 *
 * Messages are built with libnl's nlmsg_/nla_ calls rather than libnl-route's
 * objects: those can't say alias, port flags and peer in one message, and fold
 * the kernel's errors.  Only lib/nlk*.c and
 * lib/sockdiag.c include this.
 */
#ifndef LIB_NLK_PRIV_H
#define LIB_NLK_PRIV_H

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <pthread.h>

#include "lib/nlk.h"

#define NLK_BUFFER 32768 /* the kernel fills at most that in one dump part */

struct nlk {
	pthread_mutex_t lock; /* one request at a time */
	struct nl_sock *sk;
	struct nl_cb *cb;
	uint32_t seq;
	/* the request under way */
	int (*on_msg)(void *ctx, struct nlmsghdr *h);
	void *ctx;
	int msg_err;            /* the first negative return of on_msg */
	int kerr;               /* errno of the answer, negative */
	char ext[ERR_MSG_MAX];  /* NLMSGERR_ATTR_MSG, or "" */
	bool done, interrupted; /* NLM_F_DUMP_INTR was seen */
};

/* nlk_open() of another netlink family, NETLINK_SOCK_DIAG. */
int nlk_open_family(int protocol, struct nlk **ret, struct err *err);

/* A message being built; the first failure sticks and nlk_call reports it. */
struct nlk_msg {
	struct nl_msg *m; /* owned */
	int failed;
};

struct nlk_msg nlk_msg_new(int type, int flags, const void *hdr, size_t size);
void nlk_msg_fini(struct nlk_msg *b);
void nlk_put(struct nlk_msg *b, int type, const void *data, size_t size);
void nlk_put_u8(struct nlk_msg *b, int type, uint8_t v);
void nlk_put_u32(struct nlk_msg *b, int type, uint32_t v);
void nlk_put_str(struct nlk_msg *b, int type, const char *s);
void nlk_put_ip(struct nlk_msg *b, int type, const struct ip_addr *ip);
void nlk_put_raw(struct nlk_msg *b, const void *data, size_t size);
struct nlattr *nlk_nest(struct nlk_msg *b, int type);
void nlk_nest_end(struct nlk_msg *b, struct nlattr *nest);

/*
 * nlk_call() - send @b, read the whole answer.
 *
 * @on_msg: called under the lock for each message of the answer, may be NULL;
 *          its first negative return is returned, the rest is read and dropped.
 * @what, @name: begin the error's text.
 *
 * Return: 0; -EINTR when a dump was interrupted; the kernel's errno.
 */
int nlk_call(struct nlk *nlk, struct nlk_msg *b,
	     int (*on_msg)(void *ctx, struct nlmsghdr *h), void *ctx,
	     struct err *err, const char *what, const char *name);

/*
 * nlk_dump() - nlk_call() of a dump until one comes through whole.
 * @reset: called before each attempt: forget what the last one gave.
 */
int nlk_dump(struct nlk *nlk, int type, const void *hdr, size_t size,
	     void (*add)(struct nlk_msg *b, void *ctx),
	     int (*on_msg)(void *ctx, struct nlmsghdr *h),
	     void (*reset)(void *ctx), void *ctx, struct err *err,
	     const char *what);

/* A growing array of equal items: what a dump collects. */
struct nlk_list {
	char *items; /* owned */
	size_t item, count, room;
};

void nlk_list_fini(struct nlk_list *l);
int nlk_list_add(struct nlk_list *l, const void *item);

/* ---- making links (nlk_link.c) ------------------------------------------- */

#define NLK_LINK_GROUP 0x62727468 /* "brth": made by us, not marked yet */

/* -EINVAL for a name or alias that a link cannot have. */
int nlk_new_check(const char *name, const char *alias, struct err *err);
/* After -EEXIST: say who bears the name. Return: true if @name is taken. */
bool nlk_tell_holder(struct nlk *nlk, const char *name, struct err *err);
void nlk_put_mac(struct nlk_msg *b, const struct mac_addr *mac); /* none: no */

/* A link just made, deleted again unless disarmed. */
struct nlk_undo {
	struct nlk *nlk;
	const char *name; /* NULL: disarmed */
};
void nlk_undo_fini(struct nlk_undo *u);

/* A link to be made; all is borrowed. */
struct nlk_new {
	const char *name, *alias, *kind;
	const struct mac_addr *mac; /* none: the kernel's choice */
	uint32_t mtu;               /* 0: the kernel's default */
	int lower;                  /* ifindex, or 0 */
	/* What goes into IFLA_INFO_DATA; NULL: nothing. */
	void (*put_data)(struct nlk_msg *b, const void *conf);
	const void *conf;
};
/* nlk_make.c: the link, down, with its alias.  Everything or nothing.
 * -EEXIST: the name is taken, and @err says by whom, or what the kind says. */
int nlk_make(struct nlk *nlk, const struct nlk_new *n, struct err *err);

/* Decoders, shared with the monitor. Return: 0; -ENOMSG: not to be shown. */
int nlk_link_decode(struct nlmsghdr *h, struct nlk_link *ret);
int nlk_addr_decode(struct nlmsghdr *h, struct nlk_addr *ret);
struct ip_addr nlk_ip_decode(int family, const struct nlattr *a);

#endif
