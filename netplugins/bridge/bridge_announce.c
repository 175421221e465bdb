/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tell the neighbours on a bridge who has an address now.
 *
 * An address that is given again with another MAC (docker run --mac-address)
 * would not answer until their entries expire, half a minute or more.  So a new
 * endpoint is announced: a gratuitous ARP request (RFC 5227, 3) and an
 * unsolicited neighbour advertisement (RFC 4861, 7.2.6), both broadcast from
 * the bridge itself.  Neighbours without an entry make none from it.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip6.h>
#include <string.h>
#include <sys/socket.h>

#include "netplugins/bridge/bridge.h"

struct arp_frame {
	struct ether_header eth;
	struct ether_arp arp;
} __attribute__((packed));

struct advert_frame {
	struct ether_header eth;
	struct ip6_hdr ip;
	struct nd_neighbor_advert na;
	struct nd_opt_hdr opt;
	uint8_t mac[ETH_ALEN];
} __attribute__((packed));

int bridge_announce_open(struct err *err)
{
	/* protocol 0: it only sends */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_set(err, -errno, "packet socket: %s",
			       strerror(errno));
	return fd;
}

static void transmit(int fd, int ifindex, const void *frame, size_t size)
{
	const struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_ifindex = ifindex,
	};

	/* What is lost costs the neighbours a moment, nothing else. */
	(void)!sendto(fd, frame, size, 0, (const struct sockaddr *)&to,
		      sizeof(to));
}

static void announce4(int fd, int ifindex, const struct net_endpoint *ep)
{
	const uint8_t *ip = ep->addr4.addr.bytes;
	struct arp_frame f = {
		.eth.ether_type = htons(ETHERTYPE_ARP),
		.arp.ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				.ar_pro = htons(ETHERTYPE_IP),
				.ar_hln = ETH_ALEN,
				.ar_pln = 4,
				.ar_op = htons(ARPOP_REQUEST) },
	};

	memset(f.eth.ether_dhost, 0xff, ETH_ALEN);
	memcpy(f.eth.ether_shost, ep->mac.bytes, ETH_ALEN);
	memcpy(f.arp.arp_sha, ep->mac.bytes, ETH_ALEN);
	memcpy(f.arp.arp_spa, ip, 4);
	memcpy(f.arp.arp_tpa, ip, 4);
	transmit(fd, ifindex, &f, sizeof(f));
}

/* The sum of @size (even) bytes as 16-bit words in network order. */
static uint32_t sum16(const void *data, size_t size, uint32_t sum)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t advert_checksum(const struct advert_frame *f)
{
	const size_t size = sizeof(*f) - offsetof(struct advert_frame, na);
	uint32_t sum = sum16(&f->ip.ip6_src, 32, 0); /* both addresses */

	sum += (uint32_t)size + IPPROTO_ICMPV6;
	sum = sum16(&f->na, size, sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static void announce6(int fd, int ifindex, const struct net_endpoint *ep)
{
	static const uint8_t all_nodes_mac[] = { 0x33, 0x33, 0, 0, 0, 1 };
	static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };
	struct advert_frame f = {
		.eth.ether_type = htons(ETHERTYPE_IPV6),
		.opt = { .nd_opt_type = ND_OPT_TARGET_LINKADDR,
			 .nd_opt_len = 1 },
	};

	memcpy(f.eth.ether_dhost, all_nodes_mac, ETH_ALEN);
	memcpy(f.eth.ether_shost, ep->mac.bytes, ETH_ALEN);
	f.ip.ip6_flow = htonl(6u << 28);
	f.ip.ip6_plen = htons(sizeof(f) - offsetof(struct advert_frame, na));
	f.ip.ip6_nxt = IPPROTO_ICMPV6;
	f.ip.ip6_hlim = 255;
	memcpy(&f.ip.ip6_src, ep->addr6.addr.bytes, 16);
	memcpy(&f.ip.ip6_dst, all_nodes, 16);
	f.na.nd_na_type = ND_NEIGHBOR_ADVERT;
	f.na.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
	memcpy(&f.na.nd_na_target, ep->addr6.addr.bytes, 16);
	memcpy(f.mac, ep->mac.bytes, ETH_ALEN);
	f.na.nd_na_cksum = advert_checksum(&f);
	transmit(fd, ifindex, &f, sizeof(f));
}

void bridge_announce(int fd, int ifindex, const struct net_endpoint *ep)
{
	if (!ip_is_none(&ep->addr4.addr))
		announce4(fd, ifindex, ep);
	if (!ip_is_none(&ep->addr6.addr))
		announce6(fd, ifindex, ep);
}
