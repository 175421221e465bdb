// SPDX-License-Identifier: GPL-2.0-or-later
/* Keys and records of a cluster's pools, as text and back. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ipam/blocks_priv.h"
#include "ipam/num.h"
#include "lib/jdec.h"

static const struct jdec_field fields[] = {
	JDEC_FIELD("pool", JDEC_PREFIX, struct bl_record, pool, 0),
	JDEC_FIELD("range", JDEC_PREFIX, struct bl_record, sub, 0),
	JDEC_FIELD("address", JDEC_IP, struct bl_record, addr, 0),
	JDEC_FIELD("block", JDEC_U32, struct bl_record, block, 0),
	JDEC_FIELD("joined", JDEC_BOOL, struct bl_record, joined, 0),
	JDEC_FIELD("claimed", JDEC_U64, struct bl_record, claimed, 0),
	JDEC_FIELD("node", JDEC_STR, struct bl_record, node, 0),
	JDEC_FIELD("machine", JDEC_STR, struct bl_record, machine, 0),
	JDEC_FIELD("use", JDEC_STR, struct bl_record, use, 0),
	{ 0 },
};

char *bl_encode(const struct bl_record *rec)
{
	_cleanup_(json_putp) json_object *o = jdec_to_json(fields, rec);
	const char *text =
		o ? json_object_to_json_string_ext(
			    o, JSON_C_TO_STRING_PLAIN |
				       JSON_C_TO_STRING_NOSLASHESCAPE)
		  : NULL;

	return text ? strdup(text) : NULL;
}

int bl_decode(const char *text, struct bl_record *ret, struct err *err)
{
	_cleanup_(json_putp) json_object *o = NULL;
	int r = jdec_parse(text, strlen(text), &o, err);

	*ret = (struct bl_record){ 0 };
	return r < 0 ? r : jdec_object(o, fields, ret, err);
}

struct bl_record bl_of(const struct etcd_kv *kv)
{
	struct bl_record rec;

	if (bl_decode(kv->value, &rec, NULL) < 0)
		rec = (struct bl_record){ .node = "?" };
	return rec;
}

/* ---- keys ---------------------------------------------------------------- */

void bl_key(const struct blocks *b, char buf[static BL_KEY_MAX],
	    const char *fmt, ...)
{
	int n = snprintf(buf, BL_KEY_MAX, "%sipam/", b->prefix);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + n, (size_t)(BL_KEY_MAX - n), fmt, ap);
	va_end(ap);
}

static const char *hex(const struct ip_addr *a, char buf[static 33])
{
	buf[0] = '\0';
	for (unsigned int i = 0; i < ip_bytes(a); i++)
		snprintf(buf + 2 * i, 3, "%02x", a->bytes[i]);
	return buf;
}

void bl_net_key(const struct blocks *b, const struct bl_net *n,
		const char *kind, const struct ip_addr *a,
		char buf[static BL_KEY_MAX])
{
	struct ip_addr none = { 0 };
	char pool[33], addr[33];

	bl_key(b, buf, "%s/%s-%u/%s", kind, hex(&n->pool.addr, pool),
	       n->pool.len, hex(a ? a : &none, addr));
}

void bl_pool_key(const struct blocks *b, const struct ip_addr *a,
		 char buf[static BL_KEY_MAX])
{
	char text[33];

	bl_key(b, buf, "pool%c/%s", a->family == AF_INET ? '4' : '6',
	       hex(a, text));
}

bool bl_key_addr(const char *key, uint8_t family, struct ip_addr *ret)
{
	const char *s = strrchr(key, '/');
	struct ip_addr a = { .family = family };
	unsigned int byte;

	if (!s || strlen(++s) != ip_bytes(&a) * 2)
		return false;
	for (unsigned int i = 0; i < ip_bytes(&a); i++) {
		if (sscanf(s + 2 * i, "%2x", &byte) != 1)
			return false;
		a.bytes[i] = (uint8_t)byte;
	}
	*ret = a;
	return true;
}

/* ---- blocks --------------------------------------------------------------- */

struct ip_prefix bl_block_of(const struct bl_net *n, const struct ip_addr *a)
{
	struct ip_prefix p = { .addr = *a, .len = n->block_len };

	p.addr = ip_prefix_first(&p);
	return p;
}

uint64_t bl_bit(const struct bl_net *n, const struct ip_addr *a)
{
	struct ip_prefix p = bl_block_of(n, a);

	return UINT64_C(1) << (unsigned int)(num_of(a) - num_of(&p.addr));
}

/* ---- lists of them ---------------------------------------------------------- */

const struct etcd_kv *bl_kv_of(const struct etcd_kvs *kvs,
			       const struct ip_addr *a)
{
	struct ip_addr at;

	for (size_t i = 0; i < kvs->count; i++)
		if (bl_key_addr(kvs->v[i].key, a->family, &at) &&
		    ip_equal(&at, a))
			return &kvs->v[i];
	return NULL;
}

uint64_t bl_claimed_in(const struct bl_net *n, const struct etcd_kvs *addrs,
		       const struct ip_addr *first)
{
	struct ip_prefix block = bl_block_of(n, first);
	struct ip_addr a;
	uint64_t bits = 0;

	for (size_t i = 0; i < addrs->count; i++)
		if (bl_key_addr(addrs->v[i].key, first->family, &a) &&
		    ip_prefix_contains(&block, &a))
			bits |= bl_bit(n, &a);
	return bits;
}
