/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, prefixes and MACs: parsing, printing and comparing, no I/O. */
#include "lib/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"

#define QUOTE_MAX 80 /* of a wrong value in a message */

static int refuse(struct err *err, const char *s, const char *is_not)
{
	char quoted[QUOTE_MAX];

	return err_set(err, -EINVAL, "%s is not %s",
		       log_quote(quoted, sizeof(quoted), s), is_not);
}

/* inet_pton() takes no zone, no sign, no trailing text, and no leading zero
 * in a dotted part. */
static bool parse_addr(const char *s, struct ip_addr *ret)
{
	struct ip_addr a = { .family = AF_INET };

	if (inet_pton(AF_INET, s, a.bytes) != 1) {
		a = (struct ip_addr){ .family = AF_INET6 };
		if (inet_pton(AF_INET6, s, a.bytes) != 1)
			return false;
	}
	*ret = a;
	return true;
}

int ip_parse(const char *s, struct ip_addr *ret, struct err *err)
{
	if (!parse_addr(s, ret))
		return refuse(err, s, "an IP address");
	return 0;
}

unsigned int ip_bytes(const struct ip_addr *a)
{
	return a->family == AF_INET ? 4 : a->family == AF_INET6 ? 16 : 0;
}

/* 1 to 3 digits, no leading zero: -1 for anything else. */
static int parse_len(const char *s)
{
	int len = 0;

	if (!s[0] || strlen(s) > 3 || (s[0] == '0' && s[1]))
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		len = len * 10 + (*s - '0');
	}
	return len;
}

int ip_prefix_parse(const char *s, struct ip_prefix *ret, struct err *err)
{
	const char *slash = strchr(s, '/');
	char text[IP_STR_MAX];
	struct ip_addr addr;
	int len;

	if (!slash || (size_t)(slash - s) >= sizeof(text))
		return refuse(err, s, "a prefix like 10.1.0.0/16");
	memcpy(text, s, (size_t)(slash - s));
	text[slash - s] = '\0';
	len = parse_len(slash + 1);
	if (!parse_addr(text, &addr) || len < 0)
		return refuse(err, s, "a prefix like 10.1.0.0/16");
	if ((unsigned int)len > ip_bytes(&addr) * 8)
		return err_set(err, -EINVAL,
			       "prefix length of %s/%d is above %u", text, len,
			       ip_bytes(&addr) * 8);
	*ret = (struct ip_prefix){ .addr = addr, .len = (uint8_t)len };
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool parse_mac(const char *s, struct mac_addr *ret)
{
	struct mac_addr m;

	if (strlen(s) != MAC_STR_MAX - 1)
		return false;
	for (size_t i = 0; i < sizeof(m.bytes); i++) {
		int hi = hex(s[3 * i]), lo = hex(s[3 * i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		if (i < 5 &&
		    (s[3 * i + 2] != s[2] || (s[2] != ':' && s[2] != '-')))
			return false;
		m.bytes[i] = (uint8_t)(hi << 4 | lo);
	}
	*ret = m;
	return true;
}

int mac_parse(const char *s, struct mac_addr *ret, struct err *err)
{
	struct mac_addr m;

	/* all zero would be "none": asked for, and ignored */
	if (!parse_mac(s, &m) || mac_is_none(&m))
		return refuse(err, s, "a MAC address like 02:42:0a:01:00:02");
	*ret = m;
	return 0;
}

const char *ip_str(const struct ip_addr *a, char buf[static IP_STR_MAX])
{
	buf[0] = '\0';
	if (a->family)
		inet_ntop(a->family, a->bytes, buf, IP_STR_MAX);
	return buf;
}

const char *ip_prefix_str(const struct ip_prefix *p,
			  char buf[static PREFIX_STR_MAX])
{
	char addr[IP_STR_MAX];

	buf[0] = '\0';
	if (p->addr.family)
		snprintf(buf, PREFIX_STR_MAX, "%s/%u", ip_str(&p->addr, addr),
			 p->len);
	return buf;
}

const char *mac_str(const struct mac_addr *m, char buf[static MAC_STR_MAX])
{
	buf[0] = '\0';
	if (!mac_is_none(m))
		snprintf(buf, MAC_STR_MAX, "%02x:%02x:%02x:%02x:%02x:%02x",
			 m->bytes[0], m->bytes[1], m->bytes[2], m->bytes[3],
			 m->bytes[4], m->bytes[5]);
	return buf;
}

bool ip_is_none(const struct ip_addr *a)
{
	return a->family == 0;
}

bool ip_is_any(const struct ip_addr *a)
{
	static const uint8_t zero[16];

	return a->family && memcmp(a->bytes, zero, ip_bytes(a)) == 0;
}

bool ip_is_loopback(const struct ip_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t one[16] = { [15] = 1 };

	if (a->family == AF_INET)
		return a->bytes[0] == 127;
	if (a->family != AF_INET6)
		return false;
	if (memcmp(a->bytes, mapped, sizeof(mapped)) == 0)
		return a->bytes[12] == 127;
	return memcmp(a->bytes, one, sizeof(one)) == 0;
}

int ip_cmp(const struct ip_addr *a, const struct ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_bytes(a));
}

bool ip_equal(const struct ip_addr *a, const struct ip_addr *b)
{
	return ip_cmp(a, b) == 0;
}

/* The mask of byte @i of a prefix of @len bits. */
static uint8_t mask_byte(unsigned int len, unsigned int i)
{
	if (len >= 8 * (i + 1))
		return 0xff;
	if (len <= 8 * i)
		return 0;
	return (uint8_t)(0xff << (8 - len % 8));
}

struct ip_addr ip_prefix_first(const struct ip_prefix *p)
{
	struct ip_addr a = p->addr;

	for (unsigned int i = 0; i < ip_bytes(&a); i++)
		a.bytes[i] &= mask_byte(p->len, i);
	return a;
}

struct ip_addr ip_prefix_last(const struct ip_prefix *p)
{
	struct ip_addr a = p->addr;

	for (unsigned int i = 0; i < ip_bytes(&a); i++)
		a.bytes[i] |= (uint8_t)~mask_byte(p->len, i);
	return a;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
	if (!p->addr.family || p->addr.family != a->family)
		return false;
	for (unsigned int i = 0; i < ip_bytes(a); i++)
		if ((a->bytes[i] ^ p->addr.bytes[i]) & mask_byte(p->len, i))
			return false;
	return true;
}

bool ip_prefix_overlaps(const struct ip_prefix *a, const struct ip_prefix *b)
{
	/* two prefixes are disjoint or one holds the other */
	return ip_prefix_contains(a, &b->addr) ||
	       ip_prefix_contains(b, &a->addr);
}

bool mac_is_none(const struct mac_addr *m)
{
	static const struct mac_addr zero;

	return mac_equal(m, &zero);
}

bool mac_equal(const struct mac_addr *a, const struct mac_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

int mac_check(const struct mac_addr *m, struct err *err)
{
	char buf[MAC_STR_MAX];

	if (mac_is_none(m))
		return err_set(err, -EINVAL,
			       "MAC address 00:00:00:00:00:00 means none");
	if (m->bytes[0] & 1)
		return err_set(err, -EINVAL,
			       "MAC address %s is a multicast address",
			       mac_str(m, buf));
	return 0;
}

struct mac_addr mac_from_ip(const struct ip_addr *a)
{
	struct mac_addr m = { .bytes = { 0x02, 0x42 } };
	uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */

	if (a->family == AF_INET) {
		memcpy(m.bytes + 2, a->bytes, 4);
		return m;
	}
	for (unsigned int i = 0; i < ip_bytes(a); i++)
		hash = (hash ^ a->bytes[i]) * 0x100000001b3;
	for (unsigned int i = 1; i < sizeof(m.bytes); i++)
		m.bytes[i] = (uint8_t)(hash >> (8 * i));
	m.bytes[1] |= 0x80; /* never 02:42, which speaks of an IPv4 address */
	return m;
}

struct ip_addr ip_from_mac(const struct mac_addr *m)
{
	struct ip_addr a = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } };

	memcpy(a.bytes + 8, m->bytes, 3);
	a.bytes[8] ^= 2; /* the universal/local bit is inverted */
	a.bytes[11] = 0xff;
	a.bytes[12] = 0xfe;
	memcpy(a.bytes + 13, m->bytes + 3, 3);
	return a;
}
