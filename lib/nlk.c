/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rtnetlink socket: builds a message, sends it, reads the answer and keeps
 * the kernel's own errno and words.
 *
 * libnl's callbacks run inside nl_recvmsgs().  on_error takes the errno before
 * libnl folds it; on_seq drops what belongs to an older request; on_in drops
 * what does not come from the kernel.
 */
#include "lib/nlk.h"

#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/netns.h"
#include "lib/nlk_priv.h"

#define DUMP_TRIES 20

static int on_in(struct nl_msg *msg, void *arg)
{
	(void)arg;
	return nlmsg_get_src(msg)->nl_pid == 0 ? NL_OK : NL_SKIP;
}

static int on_seq(struct nl_msg *msg, void *arg)
{
	struct nlk *nlk = arg;

	return nlmsg_hdr(msg)->nlmsg_seq == nlk->seq ? NL_OK : NL_SKIP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct nlk *nlk = arg;
	int r = 0;

	if (nlk->on_msg && nlk->msg_err == 0)
		r = nlk->on_msg(nlk->ctx, nlmsg_hdr(msg));
	if (r < 0)
		nlk->msg_err = r;
	return NL_OK;
}

static int on_interrupted(struct nl_msg *msg, void *arg)
{
	struct nlk *nlk = arg;

	(void)msg;
	nlk->interrupted = true;
	return NL_OK;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct nlk *nlk = arg;

	(void)msg;
	nlk->done = true;
	return NL_STOP;
}

/* A dump that fails half way says so in its last message. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	struct nlk *nlk = arg;
	int code = 0;

	if (nlmsg_datalen(h) >= (int)sizeof(code))
		memcpy(&code, nlmsg_data(h), sizeof(code));
	if (code < 0)
		nlk->kerr = code;
	nlk->done = true;
	return NL_STOP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *h = (void *)((char *)e - NLMSG_HDRLEN);
	struct nlk *nlk = arg;
	int off = sizeof(*e);
	struct nlattr *msg;

	(void)from;
	nlk->done = true;
	nlk->kerr = e->error;
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return NL_STOP;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		off += (int)NLMSG_ALIGN(e->msg.nlmsg_len - sizeof(e->msg));
	msg = nlmsg_find_attr(h, off, NLMSGERR_ATTR_MSG);
	if (msg)
		nla_strlcpy(nlk->ext, msg, sizeof(nlk->ext));
	return NL_STOP;
}

static void set_callbacks(struct nlk *nlk)
{
	nl_cb_set(nlk->cb, NL_CB_MSG_IN, NL_CB_CUSTOM, on_in, nlk);
	nl_cb_set(nlk->cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_seq, nlk);
	nl_cb_set(nlk->cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, nlk);
	nl_cb_set(nlk->cb, NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, nlk);
	nl_cb_set(nlk->cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, nlk);
	nl_cb_set(nlk->cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, nlk);
	nl_cb_err(nlk->cb, NL_CB_CUSTOM, on_error, nlk);
}

int nlk_open(struct nlk **ret, struct err *err)
{
	return nlk_open_family(NETLINK_ROUTE, ret, err);
}

static int open_here(void *ctx, struct err *err)
{
	return nlk_open(ctx, err);
}

int nlk_open_in(int netns, struct nlk **ret, struct err *err)
{
	return netns_run(netns, open_here, ret, err);
}

int nlk_open_family(int protocol, struct nlk **ret, struct err *err)
{
	_cleanup_(nlk_closep) struct nlk *nlk = calloc(1, sizeof(*nlk));
	int fd, one = 1, r;

	if (!nlk)
		return err_set(err, -ENOMEM, "netlink socket: out of memory");
	pthread_mutex_init(&nlk->lock, NULL);
	nlk->sk = nl_socket_alloc();
	nlk->cb = nl_cb_alloc(NL_CB_DEFAULT);
	if (!nlk->sk || !nlk->cb)
		return err_set(err, -ENOMEM, "netlink socket: out of memory");
	set_callbacks(nlk);
	errno = 0;
	r = nl_connect(nlk->sk, protocol);
	if (r < 0)
		return err_set(err, errno ? -errno : -EIO, "netlink socket: %s",
			       nl_geterror(r));
	nl_socket_disable_msg_peek(nlk->sk);
	nl_socket_set_msg_buf_size(nlk->sk, NLK_BUFFER);

	/* Old kernels lack these; we lose words and filters, not errors. */
	fd = nl_socket_get_fd(nlk->sk);
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
			 sizeof(one));
	*ret = take_ptr(nlk);
	return 0;
}

void nlk_close(struct nlk *nlk)
{
	if (!nlk)
		return;
	if (nlk->cb)
		nl_cb_put(nlk->cb);
	nl_socket_free(nlk->sk);
	pthread_mutex_destroy(&nlk->lock);
	free(nlk);
}

/* ---- messages ----------------------------------------------------------- */

struct nlk_msg nlk_msg_new(int type, int flags, const void *hdr, size_t size)
{
	struct nlk_msg b = { .m = nlmsg_alloc_simple(type, flags) };

	if (!b.m)
		b.failed = -ENOMEM;
	nlk_put_raw(&b, hdr, size);
	return b;
}

void nlk_msg_fini(struct nlk_msg *b)
{
	nlmsg_free(take_ptr(b->m));
}

void nlk_put(struct nlk_msg *b, int type, const void *data, size_t size)
{
	if (b->failed == 0 && nla_put(b->m, type, (int)size, data) < 0)
		b->failed = -EMSGSIZE;
}

void nlk_put_u8(struct nlk_msg *b, int type, uint8_t v)
{
	nlk_put(b, type, &v, sizeof(v));
}

void nlk_put_u32(struct nlk_msg *b, int type, uint32_t v)
{
	nlk_put(b, type, &v, sizeof(v));
}

void nlk_put_str(struct nlk_msg *b, int type, const char *s)
{
	nlk_put(b, type, s, strlen(s) + 1);
}

void nlk_put_ip(struct nlk_msg *b, int type, const struct ip_addr *ip)
{
	nlk_put(b, type, ip->bytes, ip_bytes(ip));
}

void nlk_put_raw(struct nlk_msg *b, const void *data, size_t size)
{
	void *room;

	if (b->failed < 0)
		return;
	room = nlmsg_reserve(b->m, size, NLMSG_ALIGNTO);
	if (room)
		memcpy(room, data, size);
	else
		b->failed = -EMSGSIZE;
}

struct nlattr *nlk_nest(struct nlk_msg *b, int type)
{
	struct nlattr *nest = b->failed ? NULL : nla_nest_start(b->m, type);

	if (!nest && b->failed == 0)
		b->failed = -EMSGSIZE;
	return nest;
}

void nlk_nest_end(struct nlk_msg *b, struct nlattr *nest)
{
	if (b->failed == 0)
		nla_nest_end(b->m, nest);
}

/* ---- one request -------------------------------------------------------- */

/* Under the lock. Return: 0, or what libnl or the socket said. */
static int exchange(struct nlk *nlk, struct nlk_msg *b, struct err *err)
{
	int r;

	nl_complete_msg(nlk->sk, b->m);
	nlk->seq = nlmsg_hdr(b->m)->nlmsg_seq;
	errno = 0;
	r = nl_send(nlk->sk, b->m);
	while (r >= 0 && !nlk->done) {
		errno = 0;
		r = nl_recvmsgs(nlk->sk, nlk->cb);
		if (nlk->done)
			return 0;
	}
	if (r >= 0)
		return 0;
	return err_set(err, errno ? -errno : -EIO, "%s", nl_geterror(r));
}

static int kernel_verdict(const struct nlk *nlk, struct err *err)
{
	int r = nlk->kerr;

	if (r == 0)
		return 0;
	if (nlk->ext[0])
		return err_set(err, r, "%s", nlk->ext);
	if (r == -EPERM)
		return err_set(err, r, "%s (needs CAP_NET_ADMIN)",
			       strerror(-r));
	return err_set(err, r, "%s", strerror(-r));
}

static void unlockp(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}

static int call_locked(struct nlk *nlk, struct nlk_msg *b,
		       int (*on_msg)(void *ctx, struct nlmsghdr *h), void *ctx,
		       struct err *err)
{
	_cleanup_(unlockp) pthread_mutex_t *lock = &nlk->lock;
	int r;

	pthread_mutex_lock(lock);
	nlk->on_msg = on_msg;
	nlk->ctx = ctx;
	nlk->msg_err = nlk->kerr = 0;
	nlk->done = nlk->interrupted = false;
	nlk->ext[0] = '\0';
	r = exchange(nlk, b, err);
	if (r == 0)
		r = kernel_verdict(nlk, err);
	if (r == 0 && nlk->msg_err)
		r = err_set(err, nlk->msg_err, "%s", strerror(-nlk->msg_err));
	if (r == 0 && nlk->interrupted)
		r = -EINTR;
	return r;
}

int nlk_call(struct nlk *nlk, struct nlk_msg *b,
	     int (*on_msg)(void *ctx, struct nlmsghdr *h), void *ctx,
	     struct err *err, const char *what, const char *name)
{
	struct err why = { 0 };
	int r = b->failed;

	if (r == 0)
		r = call_locked(nlk, b, on_msg, ctx, &why);
	if (r == 0)
		return 0;
	return err_set(err, r, "%s%s%s: %s", what, name[0] ? " " : "", name,
		       why.msg[0] ? why.msg : strerror(-r));
}

int nlk_dump(struct nlk *nlk, int type, const void *hdr, size_t size,
	     void (*add)(struct nlk_msg *b, void *ctx),
	     int (*on_msg)(void *ctx, struct nlmsghdr *h),
	     void (*reset)(void *ctx), void *ctx, struct err *err,
	     const char *what)
{
	for (int i = 0; i < DUMP_TRIES; i++) {
		_cleanup_(nlk_msg_fini) struct nlk_msg b =
			nlk_msg_new(type, NLM_F_DUMP, hdr, size);
		int r;

		if (add)
			add(&b, ctx);
		reset(ctx);
		r = nlk_call(nlk, &b, on_msg, ctx, err, what, "");
		if (r != -EINTR)
			return r;
	}
	return err_set(err, -EAGAIN,
		       "%s: changed during each of %d looks, try again", what,
		       DUMP_TRIES);
}

void nlk_list_fini(struct nlk_list *l)
{
	free(take_ptr(l->items));
	l->count = l->room = 0;
}

int nlk_list_add(struct nlk_list *l, const void *item)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		char *p = reallocarray(l->items, room, l->item);

		if (!p)
			return -ENOMEM;
		l->items = p;
		l->room = room;
	}
	memcpy(l->items + l->count * l->item, item, l->item);
	l->count++;
	return 0;
}

struct ip_addr nlk_ip_decode(int family, const struct nlattr *a)
{
	struct ip_addr ip = { 0 };
	size_t want = family == AF_INET ? 4 : 16;

	if (!a || (size_t)nla_len(a) != want)
		return ip;
	ip.family = (uint8_t)family;
	memcpy(ip.bytes, nla_data(a), want);
	return ip;
}
