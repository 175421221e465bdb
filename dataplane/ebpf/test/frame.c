/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames from text. */
#include "dataplane/ebpf/test/frame.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/ebpf/test/frame_priv.h"
#include "lib/test/test.h"

struct end {
	uint8_t addr[16];
	uint16_t port;
};

struct line {
	char proto[8];
	struct end src, dst;
	bool v6;
	char words[256];    /* each after a space, one space at the end */
	const char *inside; /* NULL: none */
};

static void bad(const char *text, const char *at)
{
	fail_msg("frame \"%s\": what is \"%s\"?", text, at);
}

/* "1.2.3.4:5", "[fd00::1]:5", without the port, or an address alone. */
static void read_end(const char *text, const char *at, size_t len,
		     struct end *ret, bool *v6)
{
	char buf[80], *port = NULL, *addr = buf;

	if (len >= sizeof(buf))
		bad(text, at);
	memcpy(buf, at, len);
	buf[len] = '\0';
	if (buf[0] == '[') {
		char *end = strchr(buf, ']');

		if (!end)
			bad(text, at);
		addr = buf + 1;
		*end = '\0';
		port = end[1] == ':' ? end + 2 : NULL;
	} else if (strchr(buf, ':') && strchr(buf, '.')) {
		port = strchr(buf, ':');
		*port++ = '\0';
	}
	*v6 = strchr(addr, ':') != NULL;
	if (inet_pton(*v6 ? AF_INET6 : AF_INET, addr, ret->addr) != 1)
		bad(text, at);
	ret->port = port ? (uint16_t)atoi(port) : 0;
}

static void read_line(const char *text, struct line *l)
{
	const char *at = text, *arrow, *end, *brace = strchr(text, '{');
	size_t n;

	memset(l, 0, sizeof(*l));
	while (*at == ' ')
		at++;
	n = strcspn(at, " ");
	if (n >= sizeof(l->proto))
		bad(text, at);
	memcpy(l->proto, at, n);
	at += n + strspn(at + n, " ");
	arrow = strchr(at, '>');
	if (!arrow)
		bad(text, at);
	end = arrow + strcspn(arrow, " ");
	read_end(text, at, (size_t)(arrow - at), &l->src, &l->v6);
	read_end(text, arrow + 1, (size_t)(end - arrow - 1), &l->dst, &l->v6);
	n = brace ? (size_t)(brace - end) : strlen(end);
	snprintf(l->words, sizeof(l->words), "%.*s ", (int)n, end);
	l->inside = brace ? brace + 1 : NULL;
}

static bool has(const struct line *l, const char *word)
{
	char find[32];

	snprintf(find, sizeof(find), " %s ", word);
	return strstr(l->words, find) != NULL;
}

/* The number after "WORD=". */
static unsigned number(const struct line *l, const char *word, unsigned none)
{
	char find[32];
	const char *at;

	snprintf(find, sizeof(find), " %s=", word);
	at = strstr(l->words, find);
	return at ? (unsigned)strtoul(at + strlen(find), NULL, 10) : none;
}

/* ---- transport ----------------------------------------------------------- */

static uint8_t tcp_flags(const struct line *l)
{
	static const struct {
		char letter;
		uint8_t bit;
	} flags[] = { { 'S', 2 }, { 'A', 16 }, { 'F', 1 }, { 'R', 4 } };
	const char *at = l->words + 1;
	uint8_t bits = 0;

	if (!isupper((unsigned char)*at))
		return 16; /* what is in the middle of a connection */
	for (; isupper((unsigned char)*at); at++)
		for (size_t i = 0; i < 4; i++)
			if (flags[i].letter == *at)
				bits |= flags[i].bit;
	return bits;
}

static size_t build_network(const struct line *l, uint8_t *to, size_t room);

static size_t build_icmp(const struct line *l, uint8_t *to, size_t room)
{
	unsigned id = number(l, "ask", number(l, "answer", 0));
	struct line in;

	if (l->inside) {
		to[0] = l->v6 ? 1 : 3;
		to[1] = l->v6 ? 4 : 3;
		read_line(l->inside, &in);
		*strrchr(in.words, '}') = '\0';
		return 8 + build_network(&in, to + 8, room - 8);
	}
	if (has(l, "other"))
		to[0] = l->v6 ? 130 : 13;
	else if (strstr(l->words, " ask="))
		to[0] = l->v6 ? 128 : 8;
	else
		to[0] = l->v6 ? 129 : 0;
	frame_put16(to + 4, id);
	return 8 + number(l, "len", 4);
}

static size_t build_transport(const struct line *l, uint8_t *to, size_t room)
{
	unsigned payload = number(l, "len", 4);

	memset(to, 0, room);
	frame_put16(to, l->src.port);
	frame_put16(to + 2, l->dst.port);
	if (strcmp(l->proto, "tcp") == 0) {
		to[12] = 5 << 4;
		to[13] = tcp_flags(l);
		frame_put32(to + 4, number(l, "seq", to[13] & 2 ? 0 : 1));
		frame_put32(to + 8, number(l, "ack", to[13] & 16 ? 1 : 0));
		return 20 + payload;
	}
	if (strcmp(l->proto, "udp") == 0) {
		frame_put16(to + 4, 8 + payload);
		return 8 + payload;
	}
	if (strcmp(l->proto, "sctp") == 0) {
		to[12] = has(l, "init") ? 1 : 0;
		return 16 + payload;
	}
	frame_put16(to, 0);
	frame_put16(to + 2, 0);
	return strcmp(l->proto, "icmp") == 0 ? build_icmp(l, to, room)
					     : 4 + payload;
}

static uint8_t proto_of(const struct line *l)
{
	if (strcmp(l->proto, "tcp") == 0)
		return IPPROTO_TCP;
	if (strcmp(l->proto, "udp") == 0)
		return IPPROTO_UDP;
	if (strcmp(l->proto, "sctp") == 0)
		return IPPROTO_SCTP;
	if (strcmp(l->proto, "icmp") == 0)
		return l->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	return IPPROTO_GRE;
}

static void set_sum(const struct line *l, uint8_t *l4, size_t len)
{
	const struct frame_sum s = { .v6 = l->v6,
				     .proto = proto_of(l),
				     .src = l->src.addr,
				     .dst = l->dst.addr };
	size_t at = frame_sum_at(s.proto);

	if (!at || number(l, "later", 0) || has(l, "nosum"))
		return;
	/* of a fragment there is no telling */
	frame_put16(l4 + at, frame_sum_l4(&s, l4, len));
	if (has(l, "badsum"))
		l4[at] ^= 0x55;
}

/* ---- network ------------------------------------------------------------- */

static size_t build_v4(const struct line *l, uint8_t *to, size_t room)
{
	size_t head = 20 + number(l, "opt", 0), len;
	unsigned later = number(l, "later", 0), first = number(l, "first", 0);

	memset(to, 0, head);
	to[0] = (uint8_t)(0x40 | head / 4);
	frame_put16(to + 4, later | first);
	frame_put16(to + 6, later          ? 185
			    : first        ? 0x2000
			    : has(l, "df") ? 0x4000
					   : 0);
	to[8] = (uint8_t)number(l, "ttl", 64);
	to[9] = proto_of(l);
	memset(to + 20, 1, head - 20); /* no-operation options */
	memcpy(to + 12, l->src.addr, 4);
	memcpy(to + 16, l->dst.addr, 4);
	len = build_transport(l, to + head, room - head);
	set_sum(l, to + head, len);
	frame_put16(to + 2, (unsigned)(head + len));
	frame_put16(to + 10, frame_sum_fold(frame_sum_add(0, to, head)));
	return head + len;
}

static size_t add_ext(uint8_t *at, uint8_t **next, uint8_t type)
{
	memset(at, 0, 8);
	at[0] = **next;
	**next = type;
	*next = at;
	return 8;
}

static size_t build_v6(const struct line *l, uint8_t *to, size_t room)
{
	unsigned later = number(l, "later", 0), first = number(l, "first", 0);
	uint8_t *next = to + 6;
	size_t head = 40, len;

	memset(to, 0, 40);
	to[0] = 0x60;
	to[6] = proto_of(l);
	to[7] = (uint8_t)number(l, "ttl", 64);
	memcpy(to + 8, l->src.addr, 16);
	memcpy(to + 24, l->dst.addr, 16);
	if (has(l, "hops"))
		head += add_ext(to + head, &next, 0);
	for (unsigned i = number(l, "dst", has(l, "dst")); i > 0; i--)
		head += add_ext(to + head, &next, 60);
	if (has(l, "routing"))
		head += add_ext(to + head, &next, 43);
	if (later || first) {
		head += add_ext(to + head, &next, 44);
		frame_put16(to + head - 6, later ? 185 << 3 : 1);
		frame_put16(to + head - 2, later | first);
	}
	len = build_transport(l, to + head, room - head);
	set_sum(l, to + head, len);
	frame_put16(to + 4, (unsigned)(head - 40 + len));
	return head + len;
}

static size_t build_network(const struct line *l, uint8_t *to, size_t room)
{
	return l->v6 ? build_v6(l, to, room) : build_v4(l, to, room);
}

static size_t build_arp(const struct line *l, uint8_t *to)
{
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(to, 0, 28);
	memcpy(to, head, sizeof(head));
	memcpy(to + 14, l->src.addr, 4);
	memcpy(to + 24, l->dst.addr, 4);
	return 28;
}

const uint8_t frame_smac[6] = { 2, 0, 0, 0, 0, 9 };

void frame_make(struct frame *f, const char *text, const uint8_t dmac[6])
{
	struct line l;
	size_t at = ETH_HLEN;
	bool arp;

	read_line(text, &l);
	arp = strcmp(l.proto, "arp") == 0;
	memset(f, 0, sizeof(*f));
	memcpy(f->bytes, dmac, 6);
	if (has(&l, "elsewhere"))
		f->bytes[5] ^= 0x55;
	if (has(&l, "group"))
		memset(f->bytes, 0xff, 6);
	memcpy(f->bytes + 6, frame_smac, 6);
	if (has(&l, "tag")) {
		frame_put16(f->bytes + at - 2, ETH_P_8021Q);
		frame_put16(f->bytes + at, 10);
		at += 4;
	}
	frame_put16(f->bytes + at - 2, arp    ? ETH_P_ARP
				       : l.v6 ? ETH_P_IPV6
					      : ETH_P_IP);
	at += arp ? build_arp(&l, f->bytes + at)
		  : build_network(&l, f->bytes + at, FRAME_MAX - at);
	f->len = at;
	if (number(&l, "short", 0))
		f->len = number(&l, "short", 0);
	f->gso = number(&l, "gso", 0);
}
