/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DHCP messages, to and from bytes. */
#include "ipam/dhcp_msg.h"

#include <errno.h>
#include <string.h>

#include "lib/base.h"

/* BOOTP's fixed part, by offset. */
enum {
	AT_OP = 0, /* htype, hlen, hops */
	AT_XID = 4,
	AT_SECS = 8,
	AT_FLAGS = 10,
	AT_CIADDR = 12,
	AT_YIADDR = 16,
	AT_CHADDR = 28,
	AT_SNAME = 44,
	AT_FILE = 108,
	AT_COOKIE = 236,
	AT_OPTIONS = 240,
	BOOTP_MIN = 300,
};

enum {
	OP_REQUEST = 1,
	OP_REPLY = 2,
	FLAG_BROADCAST = 0x8000,
	OPT_PAD = 0,
	OPT_MASK = 1,
	OPT_ROUTER = 3,
	OPT_REQUESTED = 50,
	OPT_LEASE = 51,
	OPT_OVERLOAD = 52,
	OPT_TYPE = 53,
	OPT_SERVER = 54,
	OPT_PARAMETERS = 55,
	OPT_TEXT = 56,
	OPT_T1 = 58,
	OPT_T2 = 59,
	OPT_CLIENT_ID = 61,
	OPT_END = 255,
};

static const uint8_t cookie[4] = { 99, 130, 83, 99 };

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, unsigned int n)
{
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static void put32(uint8_t *p, uint32_t n)
{
	put16(p, n >> 16);
	put16(p + 2, n & 0xffff);
}

/* 0.0.0.0 is none. */
static struct ip_addr get_ip(const uint8_t *p)
{
	struct ip_addr a = { .family = AF_INET };

	memcpy(a.bytes, p, 4);
	return get32(p) ? a : (struct ip_addr){ 0 };
}

/* ---- building -------------------------------------------------------------- */

static uint8_t *add(uint8_t *at, uint8_t code, const void *data, uint8_t len)
{
	at[0] = code;
	at[1] = len;
	memcpy(at + 2, data, len);
	return at + 2 + len;
}

static uint8_t *add_ip(uint8_t *at, uint8_t code, const struct ip_addr *a)
{
	return ip_is_none(a) ? at : add(at, code, a->bytes, 4);
}

static uint8_t *add32(uint8_t *at, uint8_t code, uint32_t n)
{
	uint8_t bytes[4];

	put32(bytes, n);
	return n ? add(at, code, bytes, 4) : at;
}

int dhcp_msg_build(const struct dhcp_msg *m, uint8_t *buf, size_t size)
{
	static const uint8_t wanted[] = { OPT_MASK,   OPT_ROUTER, OPT_LEASE,
					  OPT_SERVER, OPT_T1,     OPT_T2 };
	uint8_t id[7] = { 1 }, type = (uint8_t)m->type;
	uint8_t *at = buf + AT_OPTIONS;

	if (size < BOOTP_MIN + 64) /* more than all options together */
		return -ENOBUFS;
	memset(buf, 0, BOOTP_MIN + 64);
	memcpy(id + 1, m->chaddr.bytes, 6);
	buf[AT_OP] = m->reply ? OP_REPLY : OP_REQUEST;
	buf[AT_OP + 1] = 1; /* Ethernet */
	buf[AT_OP + 2] = 6;
	put32(buf + AT_XID, m->xid);
	put16(buf + AT_SECS, m->secs);
	put16(buf + AT_FLAGS, m->broadcast ? FLAG_BROADCAST : 0);
	memcpy(buf + AT_CIADDR, m->ciaddr.bytes, 4);
	memcpy(buf + AT_YIADDR, m->yiaddr.bytes, 4);
	memcpy(buf + AT_CHADDR, m->chaddr.bytes, 6);
	memcpy(buf + AT_COOKIE, cookie, 4);
	at = add(at, OPT_TYPE, &type, 1);
	at = add(at, OPT_CLIENT_ID, id, sizeof(id));
	at = add_ip(at, OPT_REQUESTED, &m->requested);
	at = add_ip(at, OPT_SERVER, &m->server);
	at = add_ip(at, OPT_ROUTER, &m->router);
	at = add32(at, OPT_MASK, m->mask ? UINT32_MAX << (32 - m->mask) : 0);
	at = add32(at, OPT_LEASE, m->lease_s);
	at = add32(at, OPT_T1, m->t1_s);
	at = add32(at, OPT_T2, m->t2_s);
	if (m->type == DHCP_DISCOVER || m->type == DHCP_REQUEST)
		at = add(at, OPT_PARAMETERS, wanted, sizeof(wanted));
	*at++ = OPT_END;
	return at - buf < BOOTP_MIN ? BOOTP_MIN : (int)(at - buf);
}

/* ---- parsing ---------------------------------------------------------------- */

/* An option's bytes, also where they come in pieces (RFC 3396). */
struct piece {
	uint8_t code, len;
	bool over; /* longer than there is room for */
	uint8_t data[64];
};

enum {
	P_MASK,
	P_ROUTER,
	P_REQUESTED,
	P_LEASE,
	P_OVERLOAD,
	P_TYPE,
	P_SERVER,
	P_TEXT,
	P_T1,
	P_T2,
	P_CLIENT_ID,
	P_MAX,
};

static void collect(struct piece *p, const uint8_t *data, size_t len)
{
	size_t room = sizeof(p->data) - p->len;

	p->over |= len > room;
	if (len > room)
		len = room;
	memcpy(p->data + p->len, data, len);
	p->len = (uint8_t)(p->len + len);
}

/* The options of one field.  One that leaves it ends it: -EBADMSG. */
static int walk(struct piece pieces[P_MAX], const uint8_t *at, size_t len)
{
	const uint8_t *end = at + len;

	while (at < end && *at != OPT_END) {
		uint8_t code = *at++;

		if (code == OPT_PAD)
			continue;
		if (at == end || *at > end - at - 1)
			return -EBADMSG;
		for (int i = 0; i < P_MAX; i++)
			if (pieces[i].code == code)
				collect(&pieces[i], at + 1, *at);
		at += 1 + *at;
	}
	return 0;
}

/* 0 where it is not there; -EBADMSG for another length. */
static int want32(const struct piece *p, uint32_t *ret)
{
	*ret = p->len ? get32(p->data) : 0;
	return p->len == 0 || (p->len == 4 && !p->over) ? 0 : -EBADMSG;
}

static int want_ip(const struct piece *p, struct ip_addr *ret)
{
	uint32_t n;

	*ret = p->len >= 4 ? get_ip(p->data) : (struct ip_addr){ 0 };
	return want32(p, &n);
}

/* Only bits from the left are a mask; one of none or all is of no use. */
static int want_mask(const struct piece *p, uint8_t *ret)
{
	uint32_t n;
	int r = want32(p, &n);

	*ret = 0;
	if (r < 0 || !n)
		return r;
	if (~n & (~n + 1))
		return -EBADMSG;
	*ret = (uint8_t)__builtin_popcount(n);
	return 0;
}

/* Somebody's text on its way to our log: nothing but what prints. */
static void want_text(const struct piece *p, char ret[static 64])
{
	size_t n = p->len < 63 ? p->len : 63;

	memcpy(ret, p->data, n);
	ret[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (ret[i] < ' ' || ret[i] > '~' || ret[i] == '"' ||
		    ret[i] == '\\')
			ret[i] = '?';
}

static bool is_anothers(const struct piece *p, const struct mac_addr *mac)
{
	return p->len && (p->len != 7 || p->over || p->data[0] != 1 ||
			  memcmp(p->data + 1, mac->bytes, 6) != 0);
}

static int take_options(const struct piece pieces[P_MAX], struct dhcp_msg *m)
{
	const struct piece *type = &pieces[P_TYPE], *router = &pieces[P_ROUTER];

	if (type->len != 1 || type->data[0] < DHCP_DISCOVER ||
	    type->data[0] > DHCP_RELEASE)
		return -EBADMSG;
	m->type = (enum dhcp_type)type->data[0];
	if (is_anothers(&pieces[P_CLIENT_ID], &m->chaddr))
		return -EBADMSG;
	if (router->len) {
		if (router->len % 4)
			return -EBADMSG;
		m->router = get_ip(router->data); /* the first is the best */
	}
	want_text(&pieces[P_TEXT], m->text);
	return want_ip(&pieces[P_REQUESTED], &m->requested) < 0 ||
			       want_ip(&pieces[P_SERVER], &m->server) < 0 ||
			       want_mask(&pieces[P_MASK], &m->mask) < 0 ||
			       want32(&pieces[P_LEASE], &m->lease_s) < 0 ||
			       want32(&pieces[P_T1], &m->t1_s) < 0 ||
			       want32(&pieces[P_T2], &m->t2_s) < 0
		       ? -EBADMSG
		       : 0;
}

int dhcp_msg_parse(const uint8_t *buf, size_t len, struct dhcp_msg *ret)
{
	static const uint8_t codes[P_MAX] = {
		[P_MASK] = OPT_MASK,
		[P_ROUTER] = OPT_ROUTER,
		[P_REQUESTED] = OPT_REQUESTED,
		[P_LEASE] = OPT_LEASE,
		[P_OVERLOAD] = OPT_OVERLOAD,
		[P_TYPE] = OPT_TYPE,
		[P_SERVER] = OPT_SERVER,
		[P_TEXT] = OPT_TEXT,
		[P_T1] = OPT_T1,
		[P_T2] = OPT_T2,
		[P_CLIENT_ID] = OPT_CLIENT_ID,
	};
	struct piece pieces[P_MAX] = { 0 };
	uint8_t overload;
	int r;

	*ret = (struct dhcp_msg){ 0 };
	if (len < AT_OPTIONS || memcmp(buf + AT_COOKIE, cookie, 4) != 0 ||
	    buf[AT_OP + 1] != 1 || buf[AT_OP + 2] != 6 ||
	    (buf[AT_OP] != OP_REQUEST && buf[AT_OP] != OP_REPLY))
		return -EBADMSG;
	ret->reply = buf[AT_OP] == OP_REPLY;
	ret->xid = get32(buf + AT_XID);
	ret->secs = get16(buf + AT_SECS);
	ret->broadcast = get16(buf + AT_FLAGS) & FLAG_BROADCAST;
	ret->ciaddr = get_ip(buf + AT_CIADDR);
	ret->yiaddr = get_ip(buf + AT_YIADDR);
	memcpy(ret->chaddr.bytes, buf + AT_CHADDR, 6);
	for (int i = 0; i < P_MAX; i++)
		pieces[i].code = codes[i];
	r = walk(pieces, buf + AT_OPTIONS, len - AT_OPTIONS);
	overload = pieces[P_OVERLOAD].len == 1 ? pieces[P_OVERLOAD].data[0] : 0;
	if (r == 0 && overload & 1)
		r = walk(pieces, buf + AT_FILE, AT_COOKIE - AT_FILE);
	if (r == 0 && overload & 2)
		r = walk(pieces, buf + AT_SNAME, AT_FILE - AT_SNAME);
	return r < 0 ? r : take_options(pieces, ret);
}

/* ---- frames -------------------------------------------------------------------- */

enum { ETH_LEN = 14, IP_LEN = 20, UDP_LEN = 8 };

/* Of the Internet checksum; @len may be odd. */
static uint32_t sum(uint32_t n, const uint8_t *p, size_t len)
{
	for (; len > 1; len -= 2, p += 2)
		n += get16(p);
	return len ? n + (uint32_t)(p[0] << 8) : n;
}

static uint16_t fold(uint32_t n)
{
	while (n >> 16)
		n = (n & 0xffff) + (n >> 16);
	return (uint16_t)~n;
}

/* The UDP packet at @udp, with its pseudo header: 0 when its sum is right. */
static uint16_t udp_sum(const uint8_t *ip, const uint8_t *udp, size_t len)
{
	return fold(sum(sum(17 + (uint32_t)len, ip + 12, 8), udp, len));
}

int dhcp_frame_build(const struct dhcp_way *way, const struct dhcp_msg *m,
		     uint8_t *buf, size_t size)
{
	uint8_t *ip = buf + ETH_LEN, *udp = ip + IP_LEN;
	size_t head = ETH_LEN + IP_LEN + UDP_LEN;
	uint16_t check;
	int len;

	if (size < head)
		return -ENOBUFS;
	len = dhcp_msg_build(m, buf + head, size - head);
	if (len < 0)
		return len;
	memset(buf, 0, head);
	memset(buf, 0xff, 6);
	if (!mac_is_none(&way->to))
		memcpy(buf, way->to.bytes, 6);
	memcpy(buf + 6, way->from.bytes, 6);
	put16(buf + 12, 0x0800);
	ip[0] = 0x45;
	put16(ip + 2, (unsigned int)(IP_LEN + UDP_LEN + len));
	ip[8] = 64;
	ip[9] = 17;
	memcpy(ip + 12, way->ip_from.bytes, 4);
	memset(ip + 16, 0xff, 4);
	if (!ip_is_none(&way->ip_to))
		memcpy(ip + 16, way->ip_to.bytes, 4);
	put16(ip + 10, fold(sum(0, ip, IP_LEN)));
	put16(udp, m->reply ? DHCP_SERVER_PORT : DHCP_CLIENT_PORT);
	put16(udp + 2, m->reply ? DHCP_CLIENT_PORT : DHCP_SERVER_PORT);
	put16(udp + 4, (unsigned int)(UDP_LEN + len));
	check = udp_sum(ip, udp, UDP_LEN + (size_t)len);
	put16(udp + 6, check ? check : 0xffff);
	return (int)head + len;
}

/* The UDP packet in a frame; @ret_len: as far as its own header says. */
static const uint8_t *udp_of(const uint8_t *buf, size_t len, size_t *ret_len)
{
	const uint8_t *ip = buf + ETH_LEN;
	size_t head, total;

	if (len < ETH_LEN + IP_LEN || get16(buf + 12) != 0x0800 ||
	    ip[0] >> 4 != 4)
		return NULL;
	head = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2); /* short frames are padded */
	if (head < IP_LEN || total > len - ETH_LEN || total < head + UDP_LEN ||
	    ip[9] != 17 || get16(ip + 6) & 0x3fff /* a fragment */ ||
	    fold(sum(0, ip, head)) != 0)
		return NULL;
	*ret_len = get16(ip + head + 4);
	return *ret_len >= UDP_LEN && *ret_len <= total - head ? ip + head
							       : NULL;
}

int dhcp_frame_parse(const uint8_t *buf, size_t len, bool summed,
		     struct mac_addr *ret_from, struct dhcp_msg *ret)
{
	size_t udp_len;
	const uint8_t *udp = udp_of(buf, len, &udp_len);
	int r;

	if (!udp || get16(udp) != DHCP_SERVER_PORT ||
	    get16(udp + 2) != DHCP_CLIENT_PORT)
		return -EBADMSG;
	if (summed && get16(udp + 6) &&
	    udp_sum(buf + ETH_LEN, udp, udp_len) != 0)
		return -EBADMSG;
	r = dhcp_msg_parse(udp + UDP_LEN, udp_len - UDP_LEN, ret);
	if (r < 0 || !ret->reply)
		return -EBADMSG;
	memcpy(ret_from->bytes, buf + 6, 6);
	return 0;
}
