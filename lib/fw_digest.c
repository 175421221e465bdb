/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_digest.c - is a set as it should be?  Without keeping its elements.
 *
 * An element that should be there is written as the message that would add it,
 * and read back by the same walk as the kernel's dump: what the two say
 * differently (order of attributes, flags, counters) is not looked at.
 */
#include <stdio.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t hash(uint64_t h, const void *p, size_t len)
{
	const uint8_t *b = p;

	/* the length as well: parts must not run into each other */
	h = (h ^ len) * FNV_PRIME;
	for (size_t i = 0; i < len; i++)
		h = (h ^ b[i]) * FNV_PRIME;
	return h;
}

static uint64_t hash_attr(uint64_t h, const struct nlattr *a)
{
	return a ? hash(h, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a))
		 : hash(h, NULL, 0);
}

/* A key, a range's end, or data: a value or a verdict. */
static uint64_t hash_data(uint64_t h, const struct nlattr *elem, uint16_t type)
{
	const struct nlattr *nest = fw_nested_find(elem, type);
	const struct nlattr *verdict = fw_nested_find(nest, NFTA_DATA_VERDICT);

	h = hash_attr(h, fw_nested_find(nest, NFTA_DATA_VALUE));
	h = hash_attr(h, fw_nested_find(verdict, NFTA_VERDICT_CODE));
	return hash_attr(h, fw_nested_find(verdict, NFTA_VERDICT_CHAIN));
}

static void add_elem(struct fw_digest *d, const struct nlattr *elem)
{
	uint32_t flags = fw_nested_u32(elem, NFTA_SET_ELEM_FLAGS);
	uint8_t end = flags != UINT32_MAX && flags & NFT_SET_ELEM_INTERVAL_END;
	uint64_t h = hash(FNV_START, &end, sizeof(end));

	h = hash_data(h, elem, NFTA_SET_ELEM_KEY);
	h = hash_data(h, elem, NFTA_SET_ELEM_KEY_END);
	h = hash_data(h, elem, NFTA_SET_ELEM_DATA);
	/* summed up, so bits of like elements must not stay alike */
	h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
	d->sum += h ^ h >> 27;
	d->count += !end;
}

static int add_list(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *list =
		fw_attr_find(h, NFTA_SET_ELEM_LIST_ELEMENTS);

	for (const struct nlattr *a = list ? fw_nested(list) : NULL; a;
	     a = fw_nested_next(list, a))
		add_elem(ctx, a);
	return 0;
}

void fw_digest_add(struct fw_digest *d, const struct fw_set *s,
		   const struct fw_elem *e)
{
	char buf[FW_REQUEST_MAX];
	struct nlmsghdr *h = fw_msg_put(buf, NFT_MSG_NEWSETELEM, 0, 0);
	struct nlattr *list =
		mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);

	fw_elem_put(h, s, e, true);
	mnl_attr_nest_end(h, list);
	(void)add_list(h, d); /* cannot fail */
}

int fw_set_digest(struct fw *fw, const struct fw_table *t, const char *set,
		  struct fw_digest *ret, struct err *err)
{
	struct fw_digest d = { 0 };
	char buf[FW_REQUEST_MAX];
	int r = -ENAMETOOLONG;

	for (int i = 0; i < FW_DUMP_TRIES && fw_names_ok(t, set); i++) {
		struct nlmsghdr *h = fw_msg_put(buf, NFT_MSG_GETSETELEM,
						NLM_F_DUMP, t->family);

		mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, t->name);
		mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
		d = (struct fw_digest){ 0 };
		r = fw_request(fw, h, add_list, &d);
		if (r != -EINTR)
			break;
	}
	if (r < 0)
		return err_set(err, r, "set %s of table %s %s: %s", set,
			       fw_family_str(t->family), t->name, strerror(-r));
	*ret = d;
	return 0;
}
