// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The inet table's chains of the form that does without connection tracking
 * (ruleset.h), after those of ruleset_filter.c that do not ask it.
 *
 * The programs do all that is translated.  What comes here they did not take, so
 * all of it ends: nothing is opened by a program that is away or a map that is
 * late, and nothing leaves with a container's own address.
 */
#include "dataplane/nft/ruleset_match.h"

static const uint8_t syn_ack[1] = { 0x12 };
/* TCP, and not the first segment of a connection */
#define TCP_LATER                                                        \
	FW_L4PROTO(IPPROTO_TCP), FW_TH(0, 13, 1), FW_AND(0, syn_ack, 1), \
		FW_NE8(0, 0x02)

/* clang-format off */
/* Whose connection is gone is told so. */
/* oifname != @nets tcp flags & (syn | ack) != syn counter reject with tcp reset */
static const struct fw_expr from_1[] = {
	OIF_NOT_IN("nets"), TCP_LATER, FW_COUNTER,
	FW_REJECT(NFT_REJECT_TCP_RST, 0), FW_END,
};
/* oifname != @nets counter drop */
static const struct fw_expr from_2[] = {
	OIF_NOT_IN("nets"), DROP,
};

static const struct chain_rule from[] = {
	{ from_1, "no such connection" },
	{ from_2, "not masqueraded" },
	{ NULL, NULL },
};

/* fib daddr type local goto astray */
static const struct fw_expr input_1[] = {
	FW_FIB_DADDR_TYPE(RTN_LOCAL), FW_GOTO("astray"), FW_END,
};

static const struct chain_rule input[] = {
	{ input_1, NULL },
	{ NULL, NULL },
};

/*
 * What is for a published port: somebody detached the interface's program.  Refused
 * by this host's stack a client would give up; dropped it asks again, and the
 * program is back by then.
 */
/* ip daddr . meta l4proto . th dport @addr4 goto lost */
static const struct fw_expr astray_1[] = {
	DEST4, FW_LOOKUP(0, "addr4"), FW_GOTO("lost"), FW_END,
};
/* ip daddr . meta l4proto . th dport @addr4r goto lost */
static const struct fw_expr astray_2[] = {
	DEST4, FW_LOOKUP(0, "addr4r"), FW_GOTO("lost"), FW_END,
};
/* meta nfproto ipv4 meta l4proto . th dport @any4 goto lost */
static const struct fw_expr astray_3[] = {
	FW_IS_IP4, PORT, FW_LOOKUP(0, "any4"), FW_GOTO("lost"), FW_END,
};
/* meta nfproto ipv4 meta l4proto . th dport @any4r goto lost */
static const struct fw_expr astray_4[] = {
	FW_IS_IP4, PORT, FW_LOOKUP(0, "any4r"), FW_GOTO("lost"), FW_END,
};
/* ip6 daddr . meta l4proto . th dport @addr6 goto lost */
static const struct fw_expr astray_5[] = {
	DEST6, FW_LOOKUP(0, "addr6"), FW_GOTO("lost"), FW_END,
};
/* ip6 daddr . meta l4proto . th dport @addr6r goto lost */
static const struct fw_expr astray_6[] = {
	DEST6, FW_LOOKUP(0, "addr6r"), FW_GOTO("lost"), FW_END,
};
/* meta nfproto ipv6 meta l4proto . th dport @any6 goto lost */
static const struct fw_expr astray_7[] = {
	FW_IS_IP6, PORT, FW_LOOKUP(0, "any6"), FW_GOTO("lost"), FW_END,
};
/* meta nfproto ipv6 meta l4proto . th dport @any6r goto lost */
static const struct fw_expr astray_8[] = {
	FW_IS_IP6, PORT, FW_LOOKUP(0, "any6r"), FW_GOTO("lost"), FW_END,
};

static const struct chain_rule astray[] = {
	{ astray_1, NULL },
	{ astray_2, NULL },
	{ astray_3, NULL },
	{ astray_4, NULL },
	{ astray_5, NULL },
	{ astray_6, NULL },
	{ astray_7, NULL },
	{ astray_8, NULL },
	{ NULL, NULL },
};

/* A connection that is gone (its container began anew) is told so by the stack. */
/* tcp flags & (syn | ack) != syn accept */
static const struct fw_expr lost_1[] = {
	TCP_LATER, ACCEPT,
};
/* This host's own client, which had the port before it was published. */
/* socket wildcard 0 accept */
static const struct fw_expr lost_2[] = {
	FW_SOCKET(0, NFT_SOCKET_WILDCARD), FW_EQ8(0, 0), ACCEPT,
};
/* socket wildcard 1 accept */
static const struct fw_expr lost_3[] = {
	FW_SOCKET(0, NFT_SOCKET_WILDCARD), FW_EQ8(0, 1), ACCEPT,
};
/* counter drop */
static const struct fw_expr lost_4[] = {
	DROP,
};

static const struct chain_rule lost[] = {
	{ lost_1, NULL },
	{ lost_2, NULL },
	{ lost_3, NULL },
	{ lost_4, "its program is away" },
	{ NULL, NULL },
};

const struct chain_def ruleset_untracked_chains[] = {
	{ { .name = "from" },
	  from },
	{ { .name = "input",
	    .type = "filter",
	    .hook = NF_INET_LOCAL_IN,
	    .priority = NF_IP_PRI_FILTER - 5 },
	  input },
	{ { .name = "astray" },
	  astray },
	{ { .name = "lost" },
	  lost },
	{ { .name = NULL }, NULL },
};
/* clang-format on */
