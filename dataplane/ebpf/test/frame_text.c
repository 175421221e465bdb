/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames to text, with their checksums looked at. */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/ebpf/test/frame.h"
#include "dataplane/ebpf/test/frame_priv.h"

uint32_t frame_sum_add(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += frame_get16(p + i);
	return len % 2 ? sum + (uint32_t)(p[len - 1] << 8) : sum;
}

uint16_t frame_sum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

uint16_t frame_sum_l4(const struct frame_sum *s, const uint8_t *l4, size_t len)
{
	size_t n = s->v6 ? 16 : 4;
	uint32_t sum = 0;

	if (s->proto != IPPROTO_ICMP) {
		sum = frame_sum_add(sum, s->src, n);
		sum = frame_sum_add(sum, s->dst, n);
		sum += s->proto + (uint32_t)len;
	}
	return frame_sum_fold(frame_sum_add(sum, l4, len));
}

size_t frame_sum_at(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
		return 6;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return 2;
	default:
		return 0;
	}
}

struct out {
	char *buf;
	size_t size, len;
};

static void say(struct out *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, o->size - o->len, fmt, ap);
	va_end(ap);
	if (n > 0 && o->len + (size_t)n < o->size)
		o->len += (size_t)n;
}

struct head {
	struct frame_sum s;
	const uint8_t *l4, *end;
	unsigned ttl, frag_id, opt, ext;
	bool first, later, bad;
};

static bool read_v4(const uint8_t *p, const uint8_t *end, struct head *h)
{
	size_t head = (p[0] & 15u) * 4u;
	unsigned off = frame_get16(p + 6);

	if (p + 20 > end || p + head > end)
		return false;
	h->s = (struct frame_sum){ false, p[9], p + 12, p + 16 };
	h->ttl = p[8];
	h->opt = (unsigned)head - 20;
	h->later = off & 0x1fff;
	h->first = off & 0x2000 && !h->later;
	h->frag_id = frame_get16(p + 4);
	h->bad = frame_sum_fold(frame_sum_add(0, p, head)) != 0;
	h->l4 = p + head;
	h->end = p + frame_get16(p + 2);
	return h->end <= end;
}

static bool read_v6(const uint8_t *p, const uint8_t *end, struct head *h)
{
	uint8_t next = p[6];

	h->s = (struct frame_sum){ true, 0, p + 8, p + 24 };
	h->ttl = p[7];
	h->l4 = p + 40;
	h->end = p + 40 + frame_get16(p + 4);
	while (next == 0 || next == 43 || next == 44 || next == 60) {
		if (next == 44) {
			h->later = frame_get16(h->l4 + 2) & 0xfff8;
			h->first = !h->later;
			h->frag_id = frame_get16(h->l4 + 6);
		} else {
			h->ext++;
		}
		next = h->l4[0];
		h->l4 += 8;
	}
	h->s.proto = next;
	return h->end <= end && h->l4 <= h->end;
}

static void say_end(struct out *o, const struct head *h, const uint8_t *addr,
		    const uint8_t *port)
{
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(h->s.v6 ? AF_INET6 : AF_INET, addr, ip, sizeof(ip));
	if (port && h->s.v6)
		say(o, "[%s]:%u", ip, frame_get16(port));
	else if (port)
		say(o, "%s:%u", ip, frame_get16(port));
	else
		say(o, "%s", ip);
}

static const char *name_of(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		return "gre";
	}
}

static void say_packet(struct out *o, const uint8_t *p, const uint8_t *end,
		       bool v6, bool inside);

static void say_icmp(struct out *o, const struct head *h)
{
	uint8_t type = h->l4[0];

	if (type == (h->s.v6 ? 128 : 8)) {
		say(o, " ask=%u", frame_get16(h->l4 + 4));
	} else if (type == (h->s.v6 ? 129 : 0)) {
		say(o, " answer=%u", frame_get16(h->l4 + 4));
	} else if (type == (h->s.v6 ? 1 : 3)) {
		say(o, " error { ");
		say_packet(o, h->l4 + 8, h->end, h->s.v6, true);
		say(o, " }");
	} else {
		say(o, " other");
	}
}

static void say_words(struct out *o, const struct head *h)
{
	if (h->s.proto == IPPROTO_TCP && !h->later && h->l4[13] != 16)
		say(o, " %s%s%s%s", h->l4[13] & 2 ? "S" : "",
		    h->l4[13] & 16 ? "A" : "", h->l4[13] & 1 ? "F" : "",
		    h->l4[13] & 4 ? "R" : "");
	if (h->s.proto == IPPROTO_SCTP)
		say(o, " %s", h->l4[12] == 1 ? "init" : "data");
	if (h->first)
		say(o, " first=%u", h->frag_id);
	if (h->later)
		say(o, " later=%u", h->frag_id);
	if (h->ttl != 64)
		say(o, " ttl=%u", h->ttl);
	if (h->opt)
		say(o, " opt=%u", h->opt);
	if (h->ext)
		say(o, " ext=%u", h->ext);
	if (h->s.proto == IPPROTO_UDP && !h->later &&
	    frame_get16(h->l4 + 6) == 0)
		say(o, " nosum");
}

static bool sum_holds(const struct head *h)
{
	size_t at = frame_sum_at(h->s.proto);

	if (h->bad)
		return false;
	if (!at || h->later ||
	    (h->s.proto == IPPROTO_UDP && frame_get16(h->l4 + at) == 0))
		return true;
	return frame_sum_l4(&h->s, h->l4, (size_t)(h->end - h->l4)) == 0;
}

static void say_packet(struct out *o, const uint8_t *p, const uint8_t *end,
		       bool v6, bool inside)
{
	struct head h = { 0 };
	bool ports;

	if (!(v6 ? read_v6(p, end, &h) : read_v4(p, end, &h))) {
		say(o, "cut off");
		return;
	}
	ports = !h.later &&
		(h.s.proto == IPPROTO_TCP || h.s.proto == IPPROTO_UDP ||
		 h.s.proto == IPPROTO_SCTP);
	say(o, "%s ", name_of(h.s.proto));
	say_end(o, &h, h.s.src, ports ? h.l4 : NULL);
	say(o, ">");
	say_end(o, &h, h.s.dst, ports ? h.l4 + 2 : NULL);
	say_words(o, &h);
	/* the transport's own in a packet that is quoted is nobody's care */
	if (inside ? h.bad : !sum_holds(&h))
		say(o, " badsum");
	if (!h.later &&
	    (h.s.proto == IPPROTO_ICMP || h.s.proto == IPPROTO_ICMPV6))
		say_icmp(o, &h);
}

char *frame_text(const uint8_t *bytes, size_t len, char *buf, size_t size)
{
	struct out o = { buf, size, 0 };
	unsigned type = len >= ETH_HLEN ? frame_get16(bytes + 12) : 0;

	buf[0] = '\0';
	if (type == ETH_P_IP || type == ETH_P_IPV6)
		say_packet(&o, bytes + ETH_HLEN, bytes + len,
			   type == ETH_P_IPV6, false);
	else
		say(&o, "type 0x%04x", type);
	return buf;
}
