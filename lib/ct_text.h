/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ct_text.h - the lines of /proc/net/nf_conntrack; only lib/ct.c includes it. */
#ifndef LIB_CT_TEXT_H
#define LIB_CT_TEXT_H

struct nf_conntrack;

/*
 * ct_text_parse() - an entry from its line, which is cut into words.
 *
 * It has what tells and deletes it: protocols, the original tuple, the zone,
 * and the address that answers.  Return: owned; NULL: not understood.
 */
struct nf_conntrack *ct_text_parse(char *line);
/* Take out the half of the reply's tuple, which would confuse the kernel. */
void ct_text_complete(struct nf_conntrack *ct);

#endif
