/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_text.c - names for objects of a batch, for the one that was refused. */
#include <arpa/inet.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

const char *fw_family_str(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	case NFPROTO_BRIDGE:
		return "bridge";
	case NFPROTO_ARP:
		return "arp";
	case NFPROTO_NETDEV:
		return "netdev";
	default:
		return "unknown";
	}
}

static size_t type_len(uint32_t type)
{
	switch (type) {
	case FW_TYPE_IPV4:
	case FW_TYPE_MARK:
	case FW_TYPE_IFINDEX:
		return 4;
	case FW_TYPE_IPV6:
	case FW_TYPE_IFNAME:
		return 16;
	case FW_TYPE_ETHER:
		return 6;
	case FW_TYPE_ETHERTYPE:
	case FW_TYPE_PORT:
		return 2;
	case FW_TYPE_L4PROTO:
	case FW_TYPE_ICMP:
	case FW_TYPE_ICMP6:
		return 1;
	default:
		return 0;
	}
}

static void l4proto_str(uint8_t proto, char *buf, size_t size)
{
	const char *name = proto == IPPROTO_TCP    ? "tcp"
			   : proto == IPPROTO_UDP  ? "udp"
			   : proto == IPPROTO_SCTP ? "sctp"
						   : NULL;

	if (name)
		snprintf(buf, size, "%s", name);
	else
		snprintf(buf, size, "%u", proto);
}

static void hex_str(const uint8_t *p, size_t len, const char *sep, char *buf,
		    size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < len && n + 4 < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%02x", i ? sep : "",
				      p[i]);
}

static void field_str(uint32_t type, const uint8_t *p, char *buf, size_t size)
{
	uint32_t v = 0;

	memcpy(&v, p, type_len(type) < 4 ? type_len(type) : 4);
	switch (type) {
	case FW_TYPE_IPV4:
		inet_ntop(AF_INET, p, buf, (socklen_t)size);
		break;
	case FW_TYPE_IPV6:
		inet_ntop(AF_INET6, p, buf, (socklen_t)size);
		break;
	case FW_TYPE_IFNAME:
		snprintf(buf, size, "%.16s", (const char *)p);
		break;
	case FW_TYPE_ETHER:
		hex_str(p, 6, ":", buf, size);
		break;
	case FW_TYPE_PORT:
		snprintf(buf, size, "%u", p[0] << 8 | p[1]);
		break;
	case FW_TYPE_L4PROTO:
		l4proto_str(p[0], buf, size);
		break;
	case FW_TYPE_ETHERTYPE:
		snprintf(buf, size, "0x%02x%02x", p[0], p[1]);
		break;
	default:
		snprintf(buf, size, "%u", v);
		break;
	}
}

void fw_key_str(uint32_t key_type, const uint8_t *key, size_t len, char *buf,
		size_t size)
{
	size_t n = 0, off = 0;
	int shift = 24;

	while (shift > 0 && !(key_type >> shift & 0x3f))
		shift -= 6;
	buf[0] = '\0';
	for (; shift >= 0; shift -= 6) {
		uint32_t type = key_type >> shift & 0x3f;
		char one[64];
		int w;

		if (type_len(type) == 0 || off + type_len(type) > len) {
			hex_str(key, len, "", buf, size);
			return;
		}
		field_str(type, key + off, one, sizeof(one));
		off += (type_len(type) + 3) & ~3u;
		w = snprintf(buf + n, size - n, "%s%s", n ? " . " : "", one);
		if (w < 0 || (size_t)w >= size - n)
			return;
		n += (size_t)w;
	}
}

static const char *msg_attr_str(const struct nlmsghdr *h, uint16_t type)
{
	const struct nlattr *a = fw_attr_find(h, type);

	return a ? mnl_attr_get_str(a) : "";
}

/* The element at offset @bad, or the only one. */
static const struct nlattr *elem_find(const struct nlmsghdr *h, size_t bad)
{
	const struct nlattr *list =
		fw_attr_find(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	const struct nlattr *a = list ? fw_nested(list) : NULL, *only = a;

	for (; a; a = fw_nested_next(list, a)) {
		size_t off = (size_t)((const char *)a - (const char *)h);

		if (bad >= off && bad < off + a->nla_len)
			return a;
		if (a != only)
			only = NULL;
	}
	return only;
}

static void elem_str(const struct fw_msg *m, const struct nlmsghdr *h,
		     size_t bad, char *buf, size_t size)
{
	const char *set = msg_attr_str(h, NFTA_SET_ELEM_LIST_SET);
	const struct nlattr *elem = elem_find(h, bad), *key;
	const char *kind = m->map ? "map" : "set";
	char text[160];

	key = fw_nested_find(elem, NFTA_SET_ELEM_KEY);
	key = fw_nested_find(key, NFTA_DATA_VALUE);
	if (!key) {
		snprintf(buf, size, "elements of %s %s", kind, set);
		return;
	}
	fw_key_str(m->key_type, mnl_attr_get_payload(key),
		   mnl_attr_get_payload_len(key), text, sizeof(text));
	snprintf(buf, size, "element %s of %s %s", text, kind, set);
}

static void rule_str(const struct nlmsghdr *h, char *buf, size_t size)
{
	const struct nlattr *ud = fw_attr_find(h, NFTA_RULE_USERDATA);
	/* user data begins with type, length, then our comment */
	const char *comment = ud ? mnl_attr_get_payload(ud) : NULL;

	if (comment)
		comment += 2;
	snprintf(buf, size, "rule %s%s%sin chain %s of table %s",
		 comment ? "\"" : "", comment ? comment : "",
		 comment ? "\" " : "", msg_attr_str(h, NFTA_RULE_CHAIN),
		 msg_attr_str(h, NFTA_RULE_TABLE));
}

void fw_msg_str(const struct fw_msg *m, const struct nlmsghdr *h, size_t bad,
		char *buf, size_t size)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(h);

	switch (fw_msg_type(h)) {
	case NFT_MSG_NEWTABLE:
	case NFT_MSG_DELTABLE:
		snprintf(buf, size, "table %s %s",
			 fw_family_str(g->nfgen_family),
			 msg_attr_str(h, NFTA_TABLE_NAME));
		break;
	case NFT_MSG_NEWCHAIN:
	case NFT_MSG_DELCHAIN:
		snprintf(buf, size, "chain %s of table %s %s",
			 msg_attr_str(h, NFTA_CHAIN_NAME),
			 fw_family_str(g->nfgen_family),
			 msg_attr_str(h, NFTA_CHAIN_TABLE));
		break;
	case NFT_MSG_NEWRULE:
	case NFT_MSG_DELRULE:
		rule_str(h, buf, size);
		break;
	case NFT_MSG_NEWSET:
		snprintf(buf, size, "%s %s", m->map ? "map" : "set",
			 msg_attr_str(h, NFTA_SET_NAME));
		break;
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		elem_str(m, h, bad, buf, size);
		break;
	default:
		snprintf(buf, size, "nftables message %u", fw_msg_type(h));
		break;
	}
}
