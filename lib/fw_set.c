/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_set.c - sets, maps and their elements.
 *
 * Elements are the hot path (one per endpoint and port), so they are put
 * straight into the batch; those of one set that follow each other share a
 * message, up to what a netlink attribute can hold.
 */
#include <arpa/inet.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

#define SET_MSG_MAX  4096
#define ELEM_MSG_MAX 640 /* header and two names */
#define ELEM_MAX \
	640            /* two keys, data, a chain's name; twice of it in a
			  * tree, less the data */
#define LIST_MAX 60000 /* an attribute is at most 65,535 bytes */

/* nft(8) keeps the byte order of keys and data in the set's user data. */
static uint32_t type_byteorder(uint32_t type)
{
	switch (type) {
	case FW_TYPE_MARK:
	case FW_TYPE_IFINDEX:
	case FW_TYPE_IFNAME:
		return 1;
	case FW_TYPE_IPV4:
	case FW_TYPE_IPV6:
	case FW_TYPE_ETHER:
	case FW_TYPE_ETHERTYPE:
	case FW_TYPE_L4PROTO:
	case FW_TYPE_PORT:
	case FW_TYPE_ICMP:
	case FW_TYPE_ICMP6:
		return 2;
	default:
		return 0; /* a concatenation: each part's own */
	}
}

static uint32_t set_flags(const struct fw_set *s)
{
	uint32_t flags = 0;

	if (s->data_len || s->verdict_map)
		flags |= NFT_SET_MAP;
	if (s->interval)
		flags |= NFT_SET_INTERVAL;
	if (s->interval && s->concat)
		flags |= NFT_SET_CONCAT;
	if (s->dynamic)
		flags |= NFT_SET_EVAL;
	if (s->timeout_ms)
		flags |= NFT_SET_TIMEOUT;
	return flags;
}

/* How nft(8) is to print it: the caller's, or the types' byte order. */
static int set_userdata(struct nftnl_set *n, const struct fw_set *s)
{
	struct nftnl_udata_buf *ud;
	int r;

	if (s->userdata) {
		r = nftnl_set_set_data(n, NFTNL_SET_USERDATA, s->userdata,
				       s->userdata_len);
		return r < 0 ? -ENOMEM : 0;
	}
	ud = nftnl_udata_buf_alloc(64);
	if (!ud)
		return -ENOMEM;
	nftnl_udata_put_u32(ud, NFTNL_UDATA_SET_KEYBYTEORDER,
			    type_byteorder(s->key_type));
	if (s->data_len)
		nftnl_udata_put_u32(ud, NFTNL_UDATA_SET_DATABYTEORDER,
				    type_byteorder(s->data_type));
	r = nftnl_set_set_data(n, NFTNL_SET_USERDATA, nftnl_udata_buf_data(ud),
			       nftnl_udata_buf_len(ud));
	nftnl_udata_buf_free(ud);
	return r < 0 ? -ENOMEM : 0;
}

static int set_fill(struct nftnl_set *n, const struct fw_table *t,
		    const struct fw_set *s, uint32_t id)
{
	if (nftnl_set_set_str(n, NFTNL_SET_TABLE, t->name) < 0 ||
	    nftnl_set_set_str(n, NFTNL_SET_NAME, s->name) < 0)
		return -ENOMEM;
	nftnl_set_set_u32(n, NFTNL_SET_ID, id);
	nftnl_set_set_u32(n, NFTNL_SET_FLAGS, set_flags(s));
	nftnl_set_set_u32(n, NFTNL_SET_KEY_TYPE, s->key_type);
	nftnl_set_set_u32(n, NFTNL_SET_KEY_LEN, s->key_len);
	if (s->verdict_map) {
		nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
		nftnl_set_set_u32(n, NFTNL_SET_DATA_LEN, 0);
	} else if (s->data_len) {
		nftnl_set_set_u32(n, NFTNL_SET_DATA_TYPE, s->data_type);
		nftnl_set_set_u32(n, NFTNL_SET_DATA_LEN, s->data_len);
	}
	if (s->interval && s->concat &&
	    nftnl_set_set_data(n, NFTNL_SET_DESC_CONCAT, s->field_len,
			       s->field_count) < 0)
		return -ENOMEM;
	if (s->timeout_ms)
		nftnl_set_set_u64(n, NFTNL_SET_TIMEOUT, s->timeout_ms);
	return set_userdata(n, s);
}

static bool set_ok(struct fw_batch *b, const struct fw_set *s)
{
	uint32_t sum = 0;

	if (!fw_name_ok(b, "set", s->name))
		return false;
	for (size_t i = 0; i < s->field_count && i < sizeof(s->field_len); i++)
		sum += (s->field_len[i] + 3u) & ~3u;
	if (s->key_len == 0 || s->key_len > FW_KEY_MAX ||
	    s->data_len > FW_KEY_MAX || (s->verdict_map && s->data_len) ||
	    s->userdata_len > NFT_USERDATA_MAXLEN ||
	    (s->interval && s->concat &&
	     (s->field_count < 2 || s->field_count > sizeof(s->field_len) ||
	      sum != s->key_len))) {
		fw_batch_fail(b, -EINVAL, "set %s: bad key or data length",
			      s->name);
		return false;
	}
	return true;
}

static void set_put(struct nftnl_set **n)
{
	if (*n)
		nftnl_set_free(*n);
}

void fw_set_add(struct fw_batch *b, const struct fw_table *t,
		const struct fw_set *s)
{
	_cleanup_(set_put) struct nftnl_set *n = NULL;
	struct nlmsghdr *h;

	if (!set_ok(b, s))
		return;
	n = nftnl_set_alloc();
	if (!n || set_fill(n, t, s, ++b->set_id) < 0) {
		fw_batch_fail(b, -ENOMEM, "set %s: out of memory", s->name);
		return;
	}
	h = fw_batch_msg(b, t, NFT_MSG_NEWSET, NLM_F_CREATE, SET_MSG_MAX);
	if (!h)
		return;
	nftnl_set_nlmsg_build_payload(h, n);
	b->msgs[b->msg_count - 1].map = set_flags(s) & NFT_SET_MAP;
	fw_batch_end(b, h);
}

void fw_set_flush(struct fw_batch *b, const struct fw_table *t, const char *set)
{
	struct nlmsghdr *h;

	if (!fw_name_ok(b, "set", set))
		return;
	/* elements of a set, none named: all of them */
	h = fw_batch_msg(b, t, NFT_MSG_DELSETELEM, 0, ELEM_MSG_MAX);
	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	fw_batch_end(b, h);
}

/* ---- elements ----------------------------------------------------------- */

static void value_put(struct nlmsghdr *h, uint16_t type, const void *p,
		      size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);

	mnl_attr_put(h, NFTA_DATA_VALUE, len, p);
	mnl_attr_nest_end(h, nest);
}

static void verdict_put(struct nlmsghdr *h, const struct fw_elem *e)
{
	struct nlattr *data = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);

	mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(e->verdict));
	if (e->chain)
		mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, e->chain);
	mnl_attr_nest_end(h, nest);
	mnl_attr_nest_end(h, data);
}

/* A tree knows only where ranges begin and where they have ended. */
static void tree_end_put(struct nlmsghdr *h, const struct fw_set *s,
			 const void *last)
{
	uint8_t end[FW_KEY_MAX];
	struct nlattr *nest;
	size_t i = s->key_len;

	memcpy(end, last, s->key_len);
	while (i > 0 && ++end[i - 1] == 0)
		i--;
	if (i == 0)
		return; /* up to the highest key */
	nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	value_put(h, NFTA_SET_ELEM_KEY, end, s->key_len);
	mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS,
			 htonl(NFT_SET_ELEM_INTERVAL_END));
	mnl_attr_nest_end(h, nest);
}

void fw_elem_put(struct nlmsghdr *h, const struct fw_set *s,
		 const struct fw_elem *e, bool with_data)
{
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	const void *last = e->key_end ? e->key_end : e->key;

	value_put(h, NFTA_SET_ELEM_KEY, e->key, s->key_len);
	if (s->interval && s->concat)
		value_put(h, NFTA_SET_ELEM_KEY_END, last, s->key_len);
	if (with_data && s->verdict_map)
		verdict_put(h, e);
	else if (with_data && s->data_len)
		value_put(h, NFTA_SET_ELEM_DATA, e->data, s->data_len);
	mnl_attr_nest_end(h, nest);
	if (s->interval && !s->concat)
		tree_end_put(h, s, last);
}

static struct nlmsghdr *at(const struct fw_batch *b, size_t off)
{
	return (struct nlmsghdr *)(void *)(b->buf + off);
}

static bool elem_msg_fits(const struct fw_batch *b, const struct fw_table *t,
			  const struct fw_set *s, uint16_t type, uint16_t flags)
{
	const struct nlmsghdr *h = at(b, b->msgs[b->msg_count - 1].off);
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);
	const struct nlattr *table, *set, *list;

	if (!b->open || b->open_type != type || b->open_flags != flags ||
	    g->nfgen_family != t->family)
		return false;
	/* as elem_msg_start() put them */
	table = mnl_nlmsg_get_payload_offset(h, sizeof(*g));
	set = mnl_attr_next(table);
	list = mnl_attr_next(set);
	return list->nla_len < LIST_MAX &&
	       strcmp(mnl_attr_get_str(table), t->name) == 0 &&
	       strcmp(mnl_attr_get_str(set), s->name) == 0;
}

static bool elem_msg_start(struct fw_batch *b, const struct fw_table *t,
			   const struct fw_set *s, uint16_t type,
			   uint16_t flags)
{
	struct nlmsghdr *h = fw_batch_msg(b, t, type, flags, ELEM_MSG_MAX);
	struct fw_msg *m;

	if (!h)
		return false;
	m = &b->msgs[b->msg_count - 1];
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, s->name);
	b->open_list = (size_t)((char *)mnl_attr_nest_start(
					h, NFTA_SET_ELEM_LIST_ELEMENTS) -
				b->buf);
	b->open = true;
	b->open_type = type;
	b->open_flags = flags;
	m->key_type = s->key_type;
	m->map = s->data_len || s->verdict_map;
	fw_batch_end(b, h);
	return true;
}

static bool elem_ok(struct fw_batch *b, const struct fw_set *s,
		    const struct fw_elem *e, bool with_data)
{
	if (!fw_name_ok(b, "set", s->name))
		return false;
	if (e->key && s->key_len && s->key_len <= FW_KEY_MAX &&
	    s->data_len <= FW_KEY_MAX &&
	    (!with_data || !s->data_len || e->data) &&
	    (!e->chain || strlen(e->chain) < NFT_CHAIN_MAXNAMELEN))
		return true;
	fw_batch_fail(b, -EINVAL, "set %s: an element lacks key or data",
		      s->name);
	return false;
}

static void elem_add(struct fw_batch *b, const struct fw_table *t,
		     const struct fw_set *s, const struct fw_elem *e,
		     uint16_t type, uint16_t flags)
{
	bool with_data = type == NFT_MSG_NEWSETELEM;
	struct nlmsghdr *h;

	if (b->failed || !elem_ok(b, s, e, with_data))
		return;
	if (!elem_msg_fits(b, t, s, type, flags) &&
	    !elem_msg_start(b, t, s, type, flags))
		return;
	if (!fw_batch_room(b, ELEM_MAX))
		return;
	h = at(b, b->msgs[b->msg_count - 1].off);
	fw_elem_put(h, s, e, with_data);
	mnl_attr_nest_end(h, (struct nlattr *)(void *)(b->buf + b->open_list));
	fw_batch_end(b, h);
}

void fw_elem_add(struct fw_batch *b, const struct fw_table *t,
		 const struct fw_set *s, const struct fw_elem *e, bool excl)
{
	elem_add(b, t, s, e, NFT_MSG_NEWSETELEM,
		 (uint16_t)(NLM_F_CREATE | (excl ? NLM_F_EXCL : 0)));
}

void fw_elem_del(struct fw_batch *b, const struct fw_table *t,
		 const struct fw_set *s, const struct fw_elem *e)
{
	elem_add(b, t, s, e, NFT_MSG_DELSETELEM, 0);
}

void fw_elem_del_if_there(struct fw_batch *b, const struct fw_table *t,
			  const struct fw_set *s, const struct fw_elem *e)
{
	char buf[ELEM_MSG_MAX + ELEM_MAX];
	struct nlmsghdr *h;
	struct nlattr *list;
	struct fw_set whole = *s;
	int r;

	if (b->failed || !elem_ok(b, s, e, false) ||
	    !fw_name_ok(b, "table", t->name))
		return;
	h = fw_msg_put(buf, NFT_MSG_GETSETELEM, 0, t->family);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, s->name);
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	/* of a tree, ask for the start alone */
	whole.interval = s->interval && s->concat;
	fw_elem_put(h, &whole, e, false);
	mnl_attr_nest_end(h, list);
	r = fw_request(b->fw, h, NULL, NULL);
	if (r == 0)
		fw_elem_del(b, t, s, e);
	else if (r != -ENOENT)
		fw_batch_fail(b, r, "set %s: looking up an element: %s",
			      s->name, strerror(-r));
}
