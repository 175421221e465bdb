/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - DNS messages: a question in, an answer out.  Bytes only, no I/O.  The only
 * user of ldns.
 *
 * Questions come from containers and are looked at strictly, in place, without memory
 * of their own, before ldns sees a byte of them.
 */
#ifndef RUNTIME_NAMES_WIRE_H
#define RUNTIME_NAMES_WIRE_H

#include "runtime/names/names.h"

#define WIRE_HEADER  12
#define WIRE_MSG_MAX 65535
#define WIRE_UDP_MIN 512  /* RFC 1035: to who says nothing of EDNS */
#define WIRE_UDP_MAX 1232 /* no fragments on any link of IPv6 */
#define WIRE_TTL_S   5

enum wire_rcode {
	WIRE_NOERROR,
	WIRE_FORMERR,
	WIRE_SERVFAIL,
	WIRE_NXDOMAIN,
	WIRE_NOTIMP,
	WIRE_REFUSED,
	WIRE_BADVERS = 16, /* only in an answer with EDNS */
};

enum wire_type {
	WIRE_A = 1,
	WIRE_PTR = 12,
	WIRE_AAAA = 28,
};

struct wire_query {
	uint16_t id, type;
	bool recurse; /* RD */
	bool edns;    /* it has an OPT record */
	uint16_t
		udp_size; /* what the asker takes by UDP, within the limits above */
	size_t question; /* bytes at WIRE_HEADER; 0: it can't be sent back */
	/* In lower case, without the last dot.  "": the root, or with a byte that no
	 * name of ours has. */
	char name[NAMES_NAME_MAX];
};

/*
 * wire_query_parse() - what is asked.
 *
 * Return: WIRE_NOERROR; another rcode, with which it is answered at once (@ret says
 * enough for wire_answer_build()); -EBADMSG: no answer at all, it is none or too short.
 */
int wire_query_parse(const uint8_t *msg, size_t len, struct wire_query *ret);

/* wire_ptr_addr() - the address of "2.0.9.10.in-addr.arpa".  -ENOENT: it is none. */
int wire_ptr_addr(const char *name, struct ip_addr *ret);

struct wire_answer {
	enum wire_rcode rcode;
	bool ours;                   /* AA */
	bool forwards;               /* RA */
	const struct ip_addr *addrs; /* borrowed; of the question's family */
	size_t count;
	const char *ptr; /* borrowed; NULL: none */
};

/*
 * wire_answer_build() - the answer to @q, which was read from @msg.
 *
 * Records that do not fit into @max (at least WIRE_UDP_MIN) are all left out, and TC set.
 * Return: its length; -ENOMEM; -EINVAL: .ptr can't be a name.
 */
int wire_answer_build(const uint8_t *msg, const struct wire_query *q,
		      const struct wire_answer *a, uint8_t *buf, size_t max);

uint16_t wire_id(const uint8_t *msg);
void wire_id_set(uint8_t *msg, uint16_t id);
bool wire_truncated(const uint8_t *msg);

/*
 * wire_reply_fits() - may @reply be the answer to @query (same id, same question byte by
 * byte)?  One that only says what is wrong need not repeat the question.
 */
bool wire_reply_fits(const uint8_t *reply, size_t len, const uint8_t *query,
		     const struct wire_query *q);

/* wire_reply_failed() - the server could not, or would not: another may. */
bool wire_reply_failed(const uint8_t *reply);

/* wire_reply_cut() - for one that is longer than its asker takes: header and question
 * remain, TC set.  Return: the new length. */
size_t wire_reply_cut(uint8_t *reply, const struct wire_query *q);

#endif
