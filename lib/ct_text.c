/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Conntrack entries from /proc/net/nf_conntrack, one a line:
 *
 *   ipv4 2 udp 17 29 src=.. dst=.. sport=.. dport=.. [UNREPLIED]
 *   src=.. dst=.. sport=.. dport=.. mark=0 zone=0 use=2
 *
 * The first src, dst, sport, dport are the original direction's.
 */
#include "lib/ct_text.h"

#include <arpa/inet.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/base.h"

static void set_addr(struct nf_conntrack *ct, int family,
		     enum nf_conntrack_attr v4, enum nf_conntrack_attr v6,
		     const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(family, text, bytes) == 1)
		nfct_set_attr(ct, family == AF_INET ? v4 : v6, bytes);
}

static uint16_t number(const char *text)
{
	return (uint16_t)strtoul(text, NULL, 10);
}

/* One "key=value"; @seen counts the src= so far. */
static void set_word(struct nf_conntrack *ct, int family, const char *key,
		     const char *value, int seen)
{
	if (strcmp(key, "src") == 0 && seen == 1)
		set_addr(ct, family, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC,
			 value);
	else if (strcmp(key, "src") == 0 && seen == 2)
		set_addr(ct, family, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC,
			 value);
	else if (strcmp(key, "zone") == 0 && number(value))
		nfct_set_attr_u16(ct, ATTR_ZONE, number(value));
	if (seen != 1)
		return;
	if (strcmp(key, "dst") == 0)
		set_addr(ct, family, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST,
			 value);
	else if (strcmp(key, "sport") == 0)
		nfct_set_attr_u16(ct, ATTR_ORIG_PORT_SRC, htons(number(value)));
	else if (strcmp(key, "dport") == 0)
		nfct_set_attr_u16(ct, ATTR_ORIG_PORT_DST, htons(number(value)));
	else if (strcmp(key, "type") == 0)
		nfct_set_attr_u8(ct, ATTR_ICMP_TYPE, (uint8_t)number(value));
	else if (strcmp(key, "code") == 0)
		nfct_set_attr_u8(ct, ATTR_ICMP_CODE, (uint8_t)number(value));
	else if (strcmp(key, "id") == 0)
		nfct_set_attr_u16(ct, ATTR_ICMP_ID, htons(number(value)));
}

static void set_words(struct nf_conntrack *ct, int family, char *words)
{
	char *save = NULL, *word = strtok_r(words, " \n", &save);
	int seen = 0;

	for (; word; word = strtok_r(NULL, " \n", &save)) {
		char *eq = strchr(word, '=');

		if (!eq)
			continue;
		*eq = '\0';
		seen += strcmp(word, "src") == 0;
		set_word(ct, family, word, eq + 1, seen);
	}
}

struct nf_conntrack *ct_text_parse(char *line)
{
	struct nf_conntrack *ct;
	char *save = NULL, *word[4];
	int family;

	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strtok_r(i ? NULL : line, " \n", &save);
		if (!word[i])
			return NULL;
	}
	family = strcmp(word[0], "ipv4") == 0   ? AF_INET
		 : strcmp(word[0], "ipv6") == 0 ? AF_INET6
						: 0;
	ct = family ? nfct_new() : NULL;
	if (!ct)
		return NULL;
	nfct_set_attr_u8(ct, ATTR_ORIG_L3PROTO, (uint8_t)family);
	nfct_set_attr_u8(ct, ATTR_ORIG_L4PROTO, (uint8_t)number(word[3]));
	set_words(ct, family, save);
	return ct;
}

void ct_text_complete(struct nf_conntrack *ct)
{
	nfct_attr_unset(ct, ATTR_REPL_IPV4_SRC);
	nfct_attr_unset(ct, ATTR_REPL_IPV6_SRC);
}
