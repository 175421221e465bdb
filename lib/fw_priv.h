/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_priv.h - what the files of fw share and nobody else sees. */
#ifndef LIB_FW_PRIV_H
#define LIB_FW_PRIV_H

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <pthread.h>
#include <string.h>

#include "lib/fw.h"

#define FW_RECV_SIZE   32768 /* what the kernel puts in one dump message */
#define FW_KEY_MAX     64    /* bytes: NFT_DATA_VALUE_MAXLEN */
#define FW_REQUEST_MAX 1024  /* one that reads */
#define FW_DUMP_TRIES  10    /* a dump is overtaken by somebody's change */

struct fw {
	struct mnl_socket *sk;
	pthread_mutex_t lock; /* one request and its answers at a time */
	uint32_t portid, seq;
	size_t sndbuf;
	char *recv; /* FW_RECV_SIZE */
};

/* A message of a batch, enough to name its object when the kernel refuses. */
struct fw_msg {
	size_t off;        /* in the batch's buffer */
	uint32_t key_type; /* of elements */
	bool map;
};

/*
 * The buffer holds the messages one after another, the first is the batch's
 * begin.  Consecutive elements of one set share a message while @open.
 */
struct fw_batch {
	struct fw *fw;
	char *buf;
	size_t len, size;
	struct fw_msg *msgs; /* [0] is the begin */
	size_t msg_count, msg_size;
	uint32_t set_id;
	bool open;
	uint16_t open_type, open_flags;
	size_t open_list; /* offset of the list of elements */
	int failed;       /* the first call that failed, and why */
	struct err why;
};

static inline uint16_t fw_msg_type(const struct nlmsghdr *h)
{
	return (uint16_t)(h->nlmsg_type & 0xff);
}

/*
 * Walk the attributes of a message after its fixed header of @off bytes, or
 * those in a nest; NULL at the end.
 *
 *	for (a = fw_attrs(h, off); a; a = fw_attrs_next(h, a))
 */
static inline const struct nlattr *fw_attr_ok(const void *a, const void *end)
{
	int left = (int)((const char *)end - (const char *)a);

	return mnl_attr_ok(a, left) ? a : NULL;
}

static inline const struct nlattr *fw_attrs(const struct nlmsghdr *h,
					    size_t off)
{
	return fw_attr_ok(mnl_nlmsg_get_payload_offset(h, off),
			  mnl_nlmsg_get_payload_tail(h));
}

static inline const struct nlattr *fw_attrs_next(const struct nlmsghdr *h,
						 const struct nlattr *a)
{
	return fw_attr_ok(mnl_attr_next(a), mnl_nlmsg_get_payload_tail(h));
}

static inline const struct nlattr *fw_nested(const struct nlattr *nest)
{
	return fw_attr_ok(mnl_attr_get_payload(nest),
			  (const char *)nest + nest->nla_len);
}

static inline const struct nlattr *fw_nested_next(const struct nlattr *nest,
						  const struct nlattr *a)
{
	return fw_attr_ok(mnl_attr_next(a), (const char *)nest + nest->nla_len);
}

/* The first attribute of that type; NULL: none, or @nest is NULL. */
static inline const struct nlattr *fw_attr_find(const struct nlmsghdr *h,
						uint16_t type)
{
	const struct nlattr *a = fw_attrs(h, sizeof(struct nfgenmsg));

	while (a && mnl_attr_get_type(a) != type)
		a = fw_attrs_next(h, a);
	return a;
}

static inline const struct nlattr *fw_nested_find(const struct nlattr *nest,
						  uint16_t type)
{
	const struct nlattr *a = nest ? fw_nested(nest) : NULL;

	while (a && mnl_attr_get_type(a) != type)
		a = fw_nested_next(nest, a);
	return a;
}

/* In host order; UINT32_MAX: not there. */
static inline uint32_t fw_nested_u32(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a = fw_nested_find(nest, type);

	if (!a || mnl_attr_get_payload_len(a) != sizeof(uint32_t))
		return UINT32_MAX;
	return be32toh(mnl_attr_get_u32(a));
}

/* Do they fit into a request?  @name: NULL is fine. */
static inline bool fw_names_ok(const struct fw_table *t, const char *name)
{
	return strlen(t->name) < NFT_NAME_MAXLEN &&
	       (!name || strlen(name) < NFT_NAME_MAXLEN);
}

/* Remember the batch's first failure. */
void fw_batch_fail(struct fw_batch *b, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Room for @need more bytes; false: remembered. */
bool fw_batch_room(struct fw_batch *b, size_t need);

/*
 * fw_batch_msg() - begin a message of at most @need bytes, header included.
 * NULL: the batch has failed.  fw_batch_end() takes over what was put.
 */
struct nlmsghdr *fw_batch_msg(struct fw_batch *b, const struct fw_table *t,
			      uint16_t type, uint16_t flags, size_t need);
void fw_batch_end(struct fw_batch *b, const struct nlmsghdr *h);

/* False, and remembered, unless @name is 1..@max - 1 bytes long. */
bool fw_name_ok(struct fw_batch *b, const char *what, const char *name);

/*
 * fw_request() - one request, its answers to @fn until the kernel is done; at
 * NLM_F_DUMP that is the whole dump.  Takes the lock.
 *
 * Return: 0; -EINTR: the dump was overtaken by a change, ask again; the
 * kernel's errno.
 */
int fw_request(struct fw *fw, struct nlmsghdr *h,
	       int (*fn)(const struct nlmsghdr *h, void *ctx), void *ctx);

/* All objects of @type in all tables; as fw_request(). */
int fw_dump(struct fw *fw, uint16_t type,
	    int (*fn)(const struct nlmsghdr *h, void *ctx), void *ctx);

/* Begin a request in @buf. */
struct nlmsghdr *fw_msg_put(void *buf, uint16_t type, uint16_t flags,
			    uint8_t family);

/* One element in the shape NFTA_SET_ELEM_LIST_ELEMENTS wants. */
void fw_elem_put(struct nlmsghdr *h, const struct fw_set *s,
		 const struct fw_elem *e, bool with_data);

/* Text for errors. */
void fw_key_str(uint32_t key_type, const uint8_t *key, size_t len, char *buf,
		size_t size);
/* @bad: offset of the attribute the kernel refused in the message; 0: none */
void fw_msg_str(const struct fw_msg *m, const struct nlmsghdr *h, size_t bad,
		char *buf, size_t size);

#endif
