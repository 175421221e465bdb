/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw.c - the nftables socket, batches and what the kernel says to them.
 *
 * The kernel works through a batch inside sendmsg(2), so that all its answers
 * are queued when that returns and nothing ever waits.  Only the last message
 * asks for an acknowledgement; errors come unasked, in the batch's order.
 */
#include "lib/fw.h"

#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "lib/fail.h"
#include "lib/fw_priv.h"

#define BATCH_SIZE_FIRST 4096
#define BATCH_EDGE       (sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))
#define BATCH_SIZE_KEEP  (1u << 20) /* a bigger buffer is given back */

static int socket_setup(struct fw *fw, struct err *err)
{
	int fd, one = 1;
	struct timeval patience = { .tv_sec = 10 };
	socklen_t len = sizeof(int);
	int sndbuf = 0;

	fw->sk = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (!fw->sk || mnl_socket_bind(fw->sk, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_set(err, -errno, "nftables socket: %s",
			       strerror(errno));
	fd = mnl_socket_get_fd(fw->sk);
	fw->portid = mnl_socket_get_portid(fw->sk);
	/* kernels without these answer all the same, only less clearly */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, &len) < 0)
		return err_set(err, -errno, "nftables socket: %s",
			       strerror(errno));
	fw->sndbuf = (size_t)sndbuf;
	return 0;
}

int fw_open(struct fw **ret, struct err *err)
{
	_cleanup_(fw_closep) struct fw *fw = calloc(1, sizeof(*fw));
	int r;

	if (!fw)
		return err_set(err, -ENOMEM, "nftables socket: out of memory");
	pthread_mutex_init(&fw->lock, NULL);
	fw->recv = malloc(FW_RECV_SIZE);
	if (!fw->recv)
		return err_set(err, -ENOMEM, "nftables socket: out of memory");
	r = socket_setup(fw, err);
	if (r < 0)
		return r;
	*ret = take_ptr(fw);
	return 0;
}

void fw_close(struct fw *fw)
{
	if (!fw)
		return;
	if (fw->sk)
		mnl_socket_close(fw->sk);
	pthread_mutex_destroy(&fw->lock);
	free(fw->recv);
	free(fw);
}

uint32_t fw_portid(const struct fw *fw)
{
	return fw->portid;
}

/* ---- the batch's memory ------------------------------------------------- */

void fw_batch_fail(struct fw_batch *b, int code, const char *fmt, ...)
{
	va_list ap;

	if (b->failed)
		return;
	b->failed = code;
	va_start(ap, fmt);
	vsnprintf(b->why.msg, sizeof(b->why.msg), fmt, ap);
	va_end(ap);
}

bool fw_batch_room(struct fw_batch *b, size_t need)
{
	size_t size = b->size ? b->size : BATCH_SIZE_FIRST;
	char *buf;

	if (b->failed)
		return false;
	if (b->size >= b->len + need)
		return true;
	while (size < b->len + need)
		size *= 2;
	buf = realloc(b->buf, size);
	if (!buf) {
		fw_batch_fail(b, -ENOMEM, "nftables batch: out of memory");
		return false;
	}
	b->buf = buf;
	b->size = size;
	return true;
}

static bool msg_note(struct fw_batch *b)
{
	if (b->msg_count == b->msg_size) {
		size_t size = b->msg_size ? b->msg_size * 2 : 16;
		struct fw_msg *msgs = realloc(b->msgs, size * sizeof(*msgs));

		if (!msgs) {
			fw_batch_fail(b, -ENOMEM,
				      "nftables batch: out of memory");
			return false;
		}
		b->msgs = msgs;
		b->msg_size = size;
	}
	b->msgs[b->msg_count++] = (struct fw_msg){ .off = b->len };
	return true;
}

static struct nlmsghdr *msg_at(const struct fw_batch *b, size_t i)
{
	return (struct nlmsghdr *)(void *)(b->buf + b->msgs[i].off);
}

struct nlmsghdr *fw_batch_msg(struct fw_batch *b, const struct fw_table *t,
			      uint16_t type, uint16_t flags, size_t need)
{
	b->open = false;
	if (!fw_batch_room(b, need) || !fw_name_ok(b, "table", t->name) ||
	    !msg_note(b))
		return NULL;
	return nftnl_nlmsg_build_hdr(b->buf + b->len, type, t->family, flags,
				     0);
}

void fw_batch_end(struct fw_batch *b, const struct nlmsghdr *h)
{
	b->len = (size_t)((const char *)h - b->buf) + NLMSG_ALIGN(h->nlmsg_len);
}

static void batch_reset(struct fw_batch *b)
{
	if (b->size > BATCH_SIZE_KEEP) {
		free(take_ptr(b->buf));
		b->size = 0;
	}
	b->len = 0;
	b->msg_count = 0;
	b->open = false;
	b->failed = 0;
	b->why.msg[0] = '\0';
	if (fw_batch_room(b, BATCH_EDGE) && msg_note(b))
		fw_batch_end(b, nftnl_batch_begin(b->buf, 0));
}

struct fw_batch *fw_batch_new(struct fw *fw)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->fw = fw;
	batch_reset(b);
	if (b->failed)
		return NULL;
	return take_ptr(b);
}

void fw_batch_free(struct fw_batch *b)
{
	if (!b)
		return;
	free(b->buf);
	free(b->msgs);
	free(b);
}

/* ---- talking to the kernel ---------------------------------------------- */

struct answer {
	uint32_t first_seq, last_seq; /* begin and last message of the batch */
	bool acked;
	int error; /* of the first message refused, negative */
	uint32_t error_seq;
	size_t bad_attr; /* offset in that message; 0: not said */
	char text[160];
};

static void answer_ext(struct answer *a, const struct nlmsghdr *h,
		       const struct nlmsgerr *e)
{
	const struct nlattr *attr;
	size_t off = sizeof(*e);

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		off += NLMSG_ALIGN(e->msg.nlmsg_len - sizeof(e->msg));
	for (attr = fw_attrs(h, off); attr; attr = fw_attrs_next(h, attr)) {
		uint16_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(a->text, sizeof(a->text), "%.*s", (int)len,
				 mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_OFFS &&
			 len == sizeof(uint32_t))
			a->bad_attr = mnl_attr_get_u32(attr);
	}
}

static void answer_msg(struct answer *a, const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

	if (h->nlmsg_type != NLMSG_ERROR ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(*e) ||
	    h->nlmsg_seq - a->first_seq > a->last_seq - a->first_seq)
		return;
	if (e->error == 0) {
		a->acked = h->nlmsg_seq == a->last_seq;
		return;
	}
	if (a->error)
		return;
	a->error = e->error;
	a->error_seq = h->nlmsg_seq;
	answer_ext(a, h, e);
}

static void answers_read(struct fw *fw, struct answer *a)
{
	int fd = mnl_socket_get_fd(fw->sk);

	for (;;) {
		ssize_t n = recv(fd, fw->recv, FW_RECV_SIZE, MSG_DONTWAIT);
		int left = (int)n;
		const struct nlmsghdr *h = (const void *)fw->recv;

		/* overrun by thousands of errors: the first one is there */
		if (n < 0 && (errno == EINTR || errno == ENOBUFS))
			continue;
		if (n <= 0)
			return;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			answer_msg(a, h);
	}
}

static int send_all(struct fw *fw, const void *buf, size_t len)
{
	int fd = mnl_socket_get_fd(fw->sk);

	/* one datagram must fit; the kernel doubles the value */
	if (len + 1024 > fw->sndbuf) {
		int want = (int)len;

		if (len > INT32_MAX / 2)
			return -EMSGSIZE;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &want,
			       sizeof(want)) < 0 &&
		    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &want, sizeof(want)) <
			    0)
			return -errno;
		fw->sndbuf = len * 2;
	}
	for (;;) {
		if (mnl_socket_sendto(fw->sk, buf, len) >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

static int commit_result(const struct fw_batch *b, const struct answer *a,
			 struct err *err)
{
	char what[256];
	size_t i = a->error_seq - a->first_seq;

	if (!a->error && a->acked)
		return 0;
	if (!a->error)
		return err_set(err, -EIO,
			       "nftables: no answer from the kernel");
	if (i == 0) /* the batch itself: permission, memory, commit */
		snprintf(what, sizeof(what), "nftables transaction");
	else
		fw_msg_str(&b->msgs[i], msg_at(b, i), a->bad_attr, what,
			   sizeof(what));
	if (a->text[0])
		return err_set(err, a->error, "%s: %s (%s)", what,
			       strerror(-a->error), a->text);
	return err_set(err, a->error, "%s: %s", what, strerror(-a->error));
}

static int batch_send(struct fw_batch *b, struct err *err)
{
	struct fw *fw = b->fw;
	struct answer a = { 0 };
	int r = FAILPOINT("fw.commit");

	if (r < 0)
		return err_set(err, r, "nftables transaction: %s",
			       strerror(-r));
	pthread_mutex_lock(&fw->lock);
	a.first_seq = fw->seq + 1;
	for (size_t i = 0; i < b->msg_count; i++)
		msg_at(b, i)->nlmsg_seq = ++fw->seq;
	a.last_seq = fw->seq - 1; /* before the end */
	r = send_all(fw, b->buf, b->len);
	if (r == 0)
		answers_read(fw, &a);
	pthread_mutex_unlock(&fw->lock);
	if (r < 0)
		return err_set(err, r, "nftables transaction of %zu bytes: %s",
			       b->len, strerror(-r));
	return commit_result(b, &a, err);
}

int fw_commit(struct fw_batch *b, struct err *err)
{
	int r = 0;

	if (!b->failed && b->msg_count > 1) {
		size_t last = b->msg_count - 1;

		if (fw_batch_room(b, BATCH_EDGE) && msg_note(b)) {
			fw_batch_end(b, nftnl_batch_end(b->buf + b->len, 0));
			msg_at(b, last)->nlmsg_flags |= NLM_F_ACK;
			r = batch_send(b, err);
		}
	}
	if (b->failed)
		r = err_set(err, b->failed, "%s", b->why.msg);
	batch_reset(b);
	return r;
}

struct nlmsghdr *fw_msg_put(void *buf, uint16_t type, uint16_t flags,
			    uint8_t family)
{
	return nftnl_nlmsg_build_hdr(buf, type, family, flags, 0);
}

/* Answers to one message: 1: finished, 0: more to come, -errno. */
static int request_msg(const struct nlmsghdr *h, bool dump, bool *interrupted,
		       int (*fn)(const struct nlmsghdr *h, void *ctx),
		       void *ctx)
{
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		*interrupted = true;
	if (h->nlmsg_type == NLMSG_DONE)
		return 1;
	if (h->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

		if (mnl_nlmsg_get_payload_len(h) < sizeof(*e))
			return -EBADMSG;
		return e->error < 0 ? e->error : 1;
	}
	if (fn) {
		int r = fn(h, ctx);

		if (r < 0)
			return r;
	}
	return dump ? 0 : 1;
}

static int request_answers(struct fw *fw, uint32_t seq, bool dump,
			   int (*fn)(const struct nlmsghdr *h, void *ctx),
			   void *ctx)
{
	bool interrupted = false;
	int done = 0, failed = 0;

	while (!done) {
		ssize_t n = mnl_socket_recvfrom(fw->sk, fw->recv, FW_RECV_SIZE);
		const struct nlmsghdr *h = (const void *)fw->recv;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
			int r;

			if (h->nlmsg_seq != seq)
				continue; /* left over by a failed reader */
			/* once failed, only look for the dump's end */
			r = request_msg(h, dump, &interrupted,
					failed ? NULL : fn, ctx);
			if (r < 0 && !failed)
				failed = r;
			if (r == 1 || h->nlmsg_type == NLMSG_ERROR ||
			    (r < 0 && !dump))
				done = 1;
		}
	}
	if (failed)
		return failed;
	return interrupted ? -EINTR : 0;
}

int fw_request(struct fw *fw, struct nlmsghdr *h,
	       int (*fn)(const struct nlmsghdr *h, void *ctx), void *ctx)
{
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
	int r;

	pthread_mutex_lock(&fw->lock);
	h->nlmsg_seq = ++fw->seq;
	r = send_all(fw, h, h->nlmsg_len);
	if (r == 0)
		r = request_answers(fw, h->nlmsg_seq, dump, fn, ctx);
	pthread_mutex_unlock(&fw->lock);
	return r;
}

int fw_dump(struct fw *fw, uint16_t type,
	    int (*fn)(const struct nlmsghdr *h, void *ctx), void *ctx)
{
	char buf[FW_REQUEST_MAX];

	return fw_request(fw, fw_msg_put(buf, type, NLM_F_DUMP, NFPROTO_UNSPEC),
			  fn, ctx);
}
