/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doctor: rules of this host that let no packet of other hosts' overlay networks in.
 *
 * What comes encrypted meets them twice: as WireGuard's, by the family that the hosts
 * reach each other by, and what was in it again, by IPv6 from the link.
 */
#include "netctl/doc.h"

#include <linux/netfilter.h>
#include <stdio.h>
#include <string.h>

#include "lib/nlk_vxlan.h"
#include "lib/nlk_wg.h"

#define OURS       "berth-" /* tables */
#define WG_LINK    "berth-wg"
#define VXLAN_PORT 4789

/* Families, as bits. */
enum { BY_IPV4 = 1, BY_IPV6 = 2 };

/* Is it what iptables, and what is built on it, calls INPUT? */
static bool is_iptables(const struct fw_barrier *b)
{
	return b->family != NFPROTO_INET && strcmp(b->table, "filter") == 0 &&
	       strcmp(b->chain, "INPUT") == 0;
}

static const char *fix_of(struct doc *d, const struct fw_barrier *b,
			  uint16_t port)
{
	if (strcmp(b->table, "firewalld") == 0)
		return doc_text(d,
				"firewall-cmd --permanent --add-port=%u/udp; "
				"firewall-cmd --reload",
				port);
	if (is_iptables(b))
		return doc_text(d,
				"%s -I INPUT -p udp --dport %u -j ACCEPT (by "
				"the tool that keeps these rules, as ufw allow "
				"%u/udp, so that it stays)",
				b->family == NFPROTO_IPV4 ? "iptables"
							  : "ip6tables",
				port, port);
	return doc_text(d,
			"nft insert rule %s %s %s udp dport %u accept (and in "
			"the file that it is loaded from)",
			fw_family_str(b->family), b->table, b->chain, port);
}

/* By @link, of which our rules let nothing but VXLAN in. */
static const char *fix_of_link(struct doc *d, const struct fw_barrier *b,
			       uint16_t port, const char *link)
{
	if (strcmp(b->table, "firewalld") == 0)
		return doc_text(d,
				"firewall-cmd --permanent --zone=trusted "
				"--add-interface=%s; firewall-cmd --reload",
				link);
	if (is_iptables(b))
		return doc_text(d,
				"ip6tables -I INPUT -i %s -p udp --dport %u -j "
				"ACCEPT (by the tool that keeps these rules, "
				"as ufw allow in on %s to any port %u proto "
				"udp, so that it stays)",
				link, port, link, port);
	return doc_text(d,
			"nft insert rule %s %s %s iifname %s udp dport %u "
			"accept (and in the file that it is loaded from)",
			fw_family_str(b->family), b->table, b->chain, link,
			port);
}

/* @link: that it would come by; "": any. */
static void tell(struct doc *d, const struct doc_bridge *b,
		 const struct fw_barrier *at, uint16_t port, const char *link)
{
	doc_find(d, DOC_BAD,
		 doc_text(d,
			  "UDP port %u%s%s is closed to all by %s of chain %s, "
			  "table %s %s",
			  port, *link ? " of " : "", link,
			  at->policy ? "the policy" : "a rule", at->chain,
			  fw_family_str(at->family), at->table),
		 doc_text(d,
			  "nothing that other hosts send to network %.12s gets "
			  "in: its containers here and there do not reach each "
			  "other",
			  b->id),
		 *link ? fix_of_link(d, at, port, link) : fix_of(d, at, port));
}

/* What the wire itself goes by. */
static unsigned int wire_families(struct doc *d, const struct doc_bridge *b)
{
	struct nlk_vxlan wire = { .index = 0 };
	char name[IFNAMSIZ];

	snprintf(name, sizeof(name), "bx-%.12s", b->id);
	return d->nlk && nlk_vxlan_get(d->nlk, name, &wire, NULL) == 0 &&
			       wire.local.family == AF_INET6
		       ? BY_IPV6
		       : BY_IPV4;
}

/* What WireGuard's peers are reached by; 0: that is not known. */
static unsigned int peer_families(struct doc *d)
{
	_cleanup_(nlk_wg_closep) struct nlk_wg *wg = NULL;
	struct nlk_wg_device dev;
	unsigned int by = 0;
	struct nlk_link link;

	/* without the link nothing need be loaded to ask for it */
	if (!d->nlk || nlk_link_get(d->nlk, WG_LINK, 0, &link, NULL) < 0 ||
	    nlk_wg_open(&wg, NULL) < 0 ||
	    nlk_wg_get(wg, WG_LINK, &dev, NULL) < 0)
		return 0;
	for (size_t i = 0; i < dev.peer_count; i++)
		if (!ip_is_none(&dev.peers[i].endpoint))
			by |= dev.peers[i].endpoint.family == AF_INET6
				      ? BY_IPV6
				      : BY_IPV4;
	nlk_wg_device_fini(&dev);
	return by;
}

static bool is_same(const struct fw_barrier *a, const struct fw_barrier *b)
{
	return a->family == b->family && strcmp(a->table, b->table) == 0 &&
	       strcmp(a->chain, b->chain) == 0;
}

/* Where it is not known which one it is, one that is open may be it. */
static void check_way(struct doc *d, const struct doc_bridge *b)
{
	/* WireGuard's ends both send from that port */
	struct fw_udp to = { .port = b->wire_port,
			     .not_by = WG_LINK,
			     .answers = b->encrypted };
	unsigned int by = b->encrypted ? peer_families(d) : wire_families(d, b);
	unsigned int asked = by ? by : BY_IPV4 | BY_IPV6, closed = 0;
	struct fw_barrier at4, at6;

	to.family = NFPROTO_IPV4;
	if (asked & BY_IPV4 &&
	    fw_udp_refused(d->fw, &to, OURS, &at4, NULL) == 1)
		closed |= BY_IPV4;
	to.family = NFPROTO_IPV6;
	if (asked & BY_IPV6 &&
	    fw_udp_refused(d->fw, &to, OURS, &at6, NULL) == 1)
		closed |= BY_IPV6;
	if (!by && closed != asked)
		return;
	if (closed & BY_IPV4)
		tell(d, b, &at4, b->wire_port, "");
	if (closed & BY_IPV6 && !(closed & BY_IPV4 && is_same(&at4, &at6)))
		tell(d, b, &at6, b->wire_port, "");
}

static void check_inside(struct doc *d, const struct doc_bridge *b)
{
	const struct fw_udp to = { .family = NFPROTO_IPV6, .port = VXLAN_PORT };
	struct fw_barrier at;

	if (fw_udp_refused(d->fw, &to, OURS, &at, NULL) == 1)
		tell(d, b, &at, VXLAN_PORT, WG_LINK);
}

void doc_check_overlay_port(struct doc *d)
{
	for (size_t i = 0; d->fw && i < d->bridge_count; i++) {
		const struct doc_bridge *b = &d->bridges[i];

		if (b->wire_port)
			check_way(d, b);
		if (b->wire_port && b->encrypted)
			check_inside(d, b);
	}
}
