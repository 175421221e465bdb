/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The packet socket of the DHCP client. */
#include "ipam/dhcp_sock.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "lib/base.h"

#define JUNK_MAX 64 /* frames passed over in one go */

/* UDP over IPv4, no fragment, to port 68, received and without a VLAN's tag: that one
 * is another network's, whose link takes the tag off and shows it there. */
static const struct sock_filter code[] = {
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
		 (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 11),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS,
		 (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 9, 0),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 7),
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 14 + 9),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 17, 0, 5),
	BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 14 + 6),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x3fff, 3, 0),
	BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 14),
	BPF_STMT(BPF_LD | BPF_H | BPF_IND, 14 + 2),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, DHCP_CLIENT_PORT, 1, 0),
	BPF_STMT(BPF_RET | BPF_K, 0),
	BPF_STMT(BPF_RET | BPF_K, DHCP_FRAME_MAX),
};

/* The interface's index, if it can carry what we send. */
static int usable(int fd, const char *ifname, struct err *err)
{
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return err_set(err, -errno, "interface %s: %s", ifname,
			       errno == ENODEV ? "there is none of that name"
					       : strerror(errno));
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return err_set(err, -EINVAL,
			       "interface %s is no Ethernet: no DHCP there",
			       ifname);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return err_set(err, -errno, "interface %s: %s", ifname,
			       strerror(errno));
	if (!(ifr.ifr_flags & IFF_UP))
		return err_set(err, -ENETDOWN,
			       "interface %s is down: ip link set %s up",
			       ifname, ifname);
	return ioctl(fd, SIOCGIFINDEX, &ifr) < 0
		       ? err_set(err, -errno, "interface %s: %s", ifname,
				 strerror(errno))
		       : ifr.ifr_ifindex;
}

int dhcp_sock_open(const char *ifname, struct err *err)
{
	/* the kernel does not write to it */
	struct sock_fprog prog = {
		.len = ARRAY_SIZE(code),
		.filter = (struct sock_filter *)(uintptr_t)code
	};
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL) };
	/* no protocol: nothing arrives before the filter is there */
	_cleanup_close_ int fd =
		socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, r;

	if (fd < 0)
		return err_set(err, -errno, "packet socket: %s",
			       strerror(errno));
	r = usable(fd, ifname, err);
	if (r < 0)
		return r;
	to.sll_ifindex = r;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)))
		return err_set(err, -errno, "packet socket on %s: %s", ifname,
			       strerror(errno));
	return take_fd(fd);
}

int dhcp_sock_send(int fd, const char *ifname, const struct dhcp_way *way,
		   const struct dhcp_msg *m, struct err *err)
{
	uint8_t buf[DHCP_FRAME_MAX];
	int len = dhcp_frame_build(way, m, buf, sizeof(buf));

	if (len < 0)
		return err_set(err, len, "DHCP message: %s", strerror(-len));
	return send(fd, buf, (size_t)len, 0) < 0
		       ? err_set(err, -errno, "DHCP on %s: %s", ifname,
				 strerror(errno))
		       : 0;
}

/* Has the sender's kernel left the UDP checksum to a device that is none?  So do
 * the two ends of a veth pair. */
static bool summed(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET ||
		    c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		return !(aux.tp_status & TP_STATUS_CSUMNOTREADY);
	}
	return true;
}

int dhcp_sock_recv(int fd, struct mac_addr *ret_from, struct dhcp_msg *ret)
{
	for (int i = 0; i < JUNK_MAX; i++) {
		uint8_t buf[DHCP_FRAME_MAX];
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		} control;
		struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = &control,
				      .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n < 0)
			return -errno;
		if (dhcp_frame_parse(buf, (size_t)n, summed(&msg), ret_from,
				     ret) == 0)
			return 0;
	}
	return -EAGAIN;
}
