// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * DNS messages.
 *
 * ldns is lax: it reads what follows a question as far as it understands it, and takes
 * memory for each name.  So a question is walked here first, every byte of it, and what
 * does not end where it says is FORMERR.  ldns gets only questions that passed, and
 * makes the answers.
 */
#include "runtime/names/wire.h"

#include <ldns/ldns.h>
#include <string.h>

#define FLAG_QR   0x8000
#define OPCODE    0x7800
#define FLAG_TC   0x0200
#define FLAG_RD   0x0100
#define RCODE     0x000f
#define CLASS_IN  1
#define TYPE_OPT  41
#define TYPE_IXFR 251 /* AXFR 252, MAILB, MAILA, ANY 255 */
#define TYPE_ANY  255

#define JUMPS_MAX 16
#define WIRE_NAME 255 /* octets, with the root's */
#define EXTRA_MAX 4   /* OPT, TSIG; nobody sends more */

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

uint16_t wire_id(const uint8_t *msg)
{
	return get16(msg);
}

void wire_id_set(uint8_t *msg, uint16_t id)
{
	put16(msg, id);
}

bool wire_truncated(const uint8_t *msg)
{
	return get16(msg + 2) & FLAG_TC;
}

/* ---- questions ---------------------------------------------------------- */

/* The byte after the name at @pos; 0: it is none.  A pointer leads strictly backwards,
 * never into the header. */
static size_t name_end(const uint8_t *msg, size_t len, size_t pos)
{
	size_t octets = 0, end = 0, low = pos, to;
	int jumps = 0;

	for (;;) {
		if (pos >= len)
			return 0;
		if (msg[pos] >= 0xc0) {
			if (pos + 2 > len || ++jumps > JUMPS_MAX)
				return 0;
			to = get16(msg + pos) & 0x3fffu;
			end = end ? end : pos + 2;
			if (to < WIRE_HEADER || to >= low)
				return 0;
			low = pos = to;
			continue;
		}
		if (msg[pos] > 63)
			return 0;
		octets += msg[pos] + 1u;
		if (octets > WIRE_NAME)
			return 0;
		if (msg[pos] == 0)
			return end ? end : pos + 1;
		pos += msg[pos] + 1u;
	}
}

static bool letter(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

/* The name at @p, which has passed name_end() and has no pointers, as text. */
static void name_text(const uint8_t *p, char ret[static NAMES_NAME_MAX])
{
	size_t n = 0;
	uint8_t c;

	for (uint8_t len = *p++; len; len = *p++) {
		if (n)
			ret[n++] = '.';
		for (; len; len--, p++) {
			c = (uint8_t)(*p >= 'A' && *p <= 'Z' ? *p + 'a' - 'A'
							     : *p);
			if (!letter(c)) {
				ret[0] = '\0';
				return;
			}
			ret[n++] = (char)c;
		}
	}
	ret[n] = '\0';
}

static int question_parse(const uint8_t *msg, size_t len, struct wire_query *q)
{
	size_t end = name_end(msg, len, WIRE_HEADER);

	/* Nothing stands before it that a pointer could lead to. */
	if (!end || end + 4 > len)
		return WIRE_FORMERR;
	name_text(msg + WIRE_HEADER, q->name);
	q->type = get16(msg + end);
	q->question = end + 4 - WIRE_HEADER;
	if (get16(msg + end + 2) != CLASS_IN)
		return WIRE_REFUSED;
	if (q->type >= TYPE_IXFR && q->type <= TYPE_ANY)
		return WIRE_REFUSED;
	return WIRE_NOERROR;
}

static int opt_parse(const uint8_t *msg, size_t pos, size_t end,
		     struct wire_query *q)
{
	uint16_t size = get16(msg + end + 2);

	if (q->edns || end != pos + 1) /* twice, or with a name */
		return WIRE_FORMERR;
	q->edns = true;
	if (size > q->udp_size)
		q->udp_size = size < WIRE_UDP_MAX ? size : WIRE_UDP_MAX;
	return msg[end + 5] ? WIRE_BADVERS : WIRE_NOERROR;
}

/* What stands after the question; all of it has to end with the message. */
static int extra_parse(const uint8_t *msg, size_t len, size_t count,
		       struct wire_query *q)
{
	size_t pos = WIRE_HEADER + q->question, end;
	int r, verdict = WIRE_NOERROR;

	for (size_t i = 0; i < count; i++) {
		end = name_end(msg, len, pos);
		if (!end || end + 10 > len ||
		    get16(msg + end + 8) > len - end - 10)
			return WIRE_FORMERR;
		if (get16(msg + end) == TYPE_OPT) {
			r = opt_parse(msg, pos, end, q);
			if (r == WIRE_FORMERR)
				return r;
			verdict = r;
		}
		pos = end + 10 + get16(msg + end + 8);
	}
	return pos == len ? verdict : WIRE_FORMERR;
}

int wire_query_parse(const uint8_t *msg, size_t len, struct wire_query *ret)
{
	struct wire_query q = { .udp_size = WIRE_UDP_MIN };
	int r, extra = WIRE_FORMERR;
	uint16_t flags;

	if (len < WIRE_HEADER || len > WIRE_MSG_MAX)
		return -EBADMSG;
	flags = get16(msg + 2);
	if (flags & FLAG_QR)
		return -EBADMSG;
	q.id = get16(msg);
	q.recurse = flags & FLAG_RD;
	if (flags & OPCODE) {
		r = WIRE_NOTIMP;
	} else if (get16(msg + 4) != 1 || get16(msg + 6) || get16(msg + 8) ||
		   get16(msg + 10) > EXTRA_MAX) {
		r = WIRE_FORMERR;
	} else {
		r = question_parse(msg, len, &q);
		if (r != WIRE_FORMERR)
			extra = extra_parse(msg, len, get16(msg + 10), &q);
		if (r == WIRE_NOERROR || extra == WIRE_FORMERR)
			r = extra;
	}
	*ret = q;
	return r;
}

/* ---- reverse names ------------------------------------------------------ */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "2.0.9.10": decimal numbers without leading zeros, the last first. */
static int ptr4(const char *s, size_t len, struct ip_addr *ret)
{
	char text[IP_STR_MAX] = "", *at = text;
	size_t end = len, start;

	if (len > 15)
		return -ENOENT;
	for (int i = 0; i < 4; i++) {
		for (start = end; start && s[start - 1] != '.';)
			start--;
		memcpy(at, s + start, end - start);
		at += end - start;
		if (start == 0)
			break;
		*at++ = '.';
		end = start - 1;
	}
	return ip_parse(text, ret, NULL) < 0 || ret->family != AF_INET ? -ENOENT
								       : 0;
}

static int ptr6(const char *s, size_t len, struct ip_addr *ret)
{
	struct ip_addr a = { .family = AF_INET6 };

	if (len != 63)
		return -ENOENT;
	for (unsigned int i = 0; i < 32; i++) {
		int v = hex(s[2 * i]);

		if (v < 0 || (i < 31 && s[2 * i + 1] != '.'))
			return -ENOENT;
		a.bytes[15 - i / 2] |= (uint8_t)(i & 1 ? v << 4 : v);
	}
	*ret = a;
	return 0;
}

static bool ends_in(const char *name, const char *end, size_t *ret_before)
{
	size_t len = strlen(name), n = strlen(end);

	if (len <= n || strcmp(name + len - n, end) != 0)
		return false;
	*ret_before = len - n;
	return true;
}

int wire_ptr_addr(const char *name, struct ip_addr *ret)
{
	struct ip_addr a;
	size_t len;
	int r = -ENOENT;

	if (ends_in(name, ".in-addr.arpa", &len))
		r = ptr4(name, len, &a);
	else if (ends_in(name, ".ip6.arpa", &len))
		r = ptr6(name, len, &a);
	if (r == 0)
		*ret = a;
	return r;
}

/* ---- answers ------------------------------------------------------------ */

static void pkt_freep(ldns_pkt **p)
{
	ldns_pkt_free(*p);
}

static void rr_freep(ldns_rr **rr)
{
	ldns_rr_free(*rr);
}

static void wire_freep(uint8_t **p)
{
	LDNS_FREE(*p);
}

/* Taken by @pkt, with the question's own spelling as owner. */
static int push(ldns_pkt *pkt, ldns_rr_type type, ldns_rdf *data)
{
	const ldns_rr *asked = ldns_rr_list_rr(ldns_pkt_question(pkt), 0);
	_cleanup_(rr_freep) ldns_rr *rr = data ? ldns_rr_new() : NULL;
	ldns_rdf *owner;

	if (!rr || !ldns_rr_push_rdf(rr, data)) {
		ldns_rdf_deep_free(data);
		return -ENOMEM;
	}
	owner = ldns_rdf_clone(ldns_rr_owner(asked));
	if (!owner)
		return -ENOMEM;
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, type);
	ldns_rr_set_class(rr, LDNS_RR_CLASS_IN);
	ldns_rr_set_ttl(rr, WIRE_TTL_S);
	if (!ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr))
		return -ENOMEM;
	rr = NULL;
	return 0;
}

static int push_records(ldns_pkt *pkt, const struct wire_answer *a)
{
	const struct ip_addr *ip;
	ldns_rdf *name;
	bool v4;

	for (size_t i = 0; i < a->count; i++) {
		ip = &a->addrs[i];
		v4 = ip->family == AF_INET;
		if (push(pkt, v4 ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_AAAA,
			 ldns_rdf_new_frm_data(v4 ? LDNS_RDF_TYPE_A
						  : LDNS_RDF_TYPE_AAAA,
					       ip_bytes(ip), ip->bytes)) < 0)
			return -ENOMEM;
	}
	if (!a->ptr)
		return 0;
	name = ldns_dname_new_frm_str(a->ptr);
	return name ? push(pkt, LDNS_RR_TYPE_PTR, name) : -EINVAL;
}

/* Header, question and OPT. */
static ldns_pkt *pkt_new(const uint8_t *msg, const struct wire_query *q,
			 const struct wire_answer *a)
{
	_cleanup_(pkt_freep) ldns_pkt *pkt = ldns_pkt_new();
	_cleanup_(rr_freep) ldns_rr *asked = NULL;
	size_t pos = WIRE_HEADER;

	if (!pkt)
		return NULL;
	ldns_pkt_set_id(pkt, q->id);
	ldns_pkt_set_qr(pkt, true);
	ldns_pkt_set_opcode(pkt, (ldns_pkt_opcode)(msg[2] >> 3 & 15));
	ldns_pkt_set_aa(pkt, a->ours);
	ldns_pkt_set_rd(pkt, q->recurse);
	ldns_pkt_set_ra(pkt, a->forwards);
	ldns_pkt_set_rcode(pkt, (uint8_t)(a->rcode & RCODE));
	if (q->edns) {
		ldns_pkt_set_edns_udp_size(pkt, WIRE_UDP_MAX);
		ldns_pkt_set_edns_extended_rcode(pkt, (uint8_t)(a->rcode >> 4));
	}
	if (!q->question)
		return take_ptr(pkt);
	if (ldns_wire2rr(&asked, msg, WIRE_HEADER + q->question, &pos,
			 LDNS_SECTION_QUESTION) != LDNS_STATUS_OK ||
	    !ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, asked))
		return NULL;
	asked = NULL;
	return take_ptr(pkt);
}

int wire_answer_build(const uint8_t *msg, const struct wire_query *q,
		      const struct wire_answer *a, uint8_t *buf, size_t max)
{
	_cleanup_(pkt_freep) ldns_pkt *pkt = pkt_new(msg, q, a);
	_cleanup_(wire_freep) uint8_t *out = NULL;
	struct wire_answer bare = *a;
	size_t len = 0;
	int r;

	if (!pkt)
		return -ENOMEM;
	r = push_records(pkt, a);
	if (r < 0)
		return r;
	/* a message without question: 12 bytes, ldns makes them as well */
	if (ldns_pkt2wire(&out, pkt, &len) != LDNS_STATUS_OK)
		return -ENOMEM;
	if (len <= max) {
		memcpy(buf, out, len);
		return (int)len;
	}
	if (!a->count && !a->ptr)
		return -EINVAL; /* never: it has 512 */
	bare.count = 0;
	bare.ptr = NULL;
	r = wire_answer_build(msg, q, &bare, buf, max);
	if (r > 0)
		put16(buf + 2, get16(buf + 2) | FLAG_TC);
	return r;
}

/* ---- others' answers ---------------------------------------------------- */

bool wire_reply_failed(const uint8_t *reply)
{
	switch (get16(reply + 2) & RCODE) {
	case WIRE_FORMERR:
	case WIRE_SERVFAIL:
	case WIRE_NOTIMP:
	case WIRE_REFUSED:
		return true;
	default:
		return false;
	}
}

bool wire_reply_fits(const uint8_t *reply, size_t len, const uint8_t *query,
		     const struct wire_query *q)
{
	uint16_t flags;

	if (len < WIRE_HEADER || get16(reply) != get16(query))
		return false;
	flags = get16(reply + 2);
	if (!(flags & FLAG_QR) || (flags & OPCODE))
		return false;
	if (get16(reply + 4) == 0)
		return wire_reply_failed(reply) && len == WIRE_HEADER;
	return get16(reply + 4) == 1 && len >= WIRE_HEADER + q->question &&
	       memcmp(reply + WIRE_HEADER, query + WIRE_HEADER, q->question) ==
		       0;
}

size_t wire_reply_cut(uint8_t *reply, const struct wire_query *q)
{
	put16(reply + 2, get16(reply + 2) | FLAG_TC);
	put16(reply + 6, 0);
	put16(reply + 8, 0);
	put16(reply + 10, 0);
	return WIRE_HEADER + q->question;
}
