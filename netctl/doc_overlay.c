/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Doctor: rules of this host that let no packet of other hosts' overlay networks in. */
#include "netctl/doc.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_vxlan.h"

#define OURS "berth-" /* tables */

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	default:
		return "inet";
	}
}

static const char *fix_of(struct doc *d, const struct fw_barrier *b,
			  uint16_t port)
{
	if (strcmp(b->table, "firewalld") == 0)
		return doc_text(d,
				"firewall-cmd --permanent --add-port=%u/udp; "
				"firewall-cmd --reload",
				port);
	if (b->family != NFPROTO_INET && strcmp(b->table, "filter") == 0)
		return doc_text(d,
				"%s -I %s -p udp --dport %u -j ACCEPT (by the "
				"tool that keeps these rules, as ufw allow "
				"%u/udp, so that it stays)",
				b->family == NFPROTO_IPV4 ? "iptables"
							  : "ip6tables",
				b->chain, port, port);
	return doc_text(d,
			"nft insert rule %s %s %s udp dport %u accept (and in "
			"the file that it is loaded from)",
			family_name(b->family), b->table, b->chain, port);
}

/* Does the wire itself go by IPv6?  Where it is encrypted that does not say. */
static bool is_by_ipv6(struct doc *d, const struct doc_bridge *b)
{
	struct nlk_vxlan wire = { .index = 0 };
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "bx-%.12s", b->id);
	return d->nlk && nlk_vxlan_get(d->nlk, name, &wire, NULL) == 0 &&
	       wire.local.family == AF_INET6;
}

static bool is_refused(struct doc *d, const struct doc_bridge *b,
		       struct fw_barrier *ret)
{
	struct fw_udp to = {
		.family = is_by_ipv6(d, b) ? NFPROTO_IPV6 : NFPROTO_IPV4,
		.port = b->wire_port,
		.answers = b->encrypted, /* both ends send from that port */
	};
	struct fw_barrier other;

	if (fw_udp_refused(d->fw, &to, OURS, ret, NULL) != 1)
		return false;
	to.family = NFPROTO_IPV4;
	return !b->encrypted ||
	       fw_udp_refused(d->fw, &to, OURS, &other, NULL) == 1;
}

void doc_check_overlay_port(struct doc *d)
{
	for (size_t i = 0; d->fw && i < d->bridge_count; i++) {
		const struct doc_bridge *b = &d->bridges[i];
		struct fw_barrier at;

		if (!b->wire_port || !is_refused(d, b, &at))
			continue;
		doc_find(
			d, DOC_BAD,
			doc_text(d,
				 "UDP port %u is closed to all by %s of chain "
				 "%s, table %s %s",
				 b->wire_port,
				 at.policy ? "the policy" : "a rule", at.chain,
				 family_name(at.family), at.table),
			doc_text(d,
				 "nothing that other hosts send to network "
				 "%.12s gets in: its containers here and there "
				 "do not reach each other",
				 b->id),
			fix_of(d, &at, b->wire_port));
	}
}
