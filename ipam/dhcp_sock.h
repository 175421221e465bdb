/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_sock.h - a packet socket that sees the DHCP answers which arrive by one
 * interface, whoever they are for.
 *
 * A UDP socket would not do: the answer is for an address that this host does not
 * have, and for the MAC of a link that is not there yet or is in a container.
 */
#ifndef IPAM_DHCP_SOCK_H
#define IPAM_DHCP_SOCK_H

#include "ipam/dhcp_msg.h"
#include "lib/err.h"

#define DHCP_HEAR_MAX 64 /* answers listened to in one go */

/*
 * dhcp_sock_open() - on @ifname, in this thread's network namespace.
 *
 * Return: the descriptor, non-blocking; -ENODEV, -ENETDOWN, -EINVAL (no Ethernet).
 */
int dhcp_sock_open(const char *ifname, struct err *err);
int dhcp_sock_send(int fd, const char *ifname, const struct dhcp_way *way,
		   const struct dhcp_msg *m, struct err *err);
/*
 * dhcp_sock_recv() - the next answer of a server; what is none is passed over, but no
 * more than some at a time.
 *
 * @ret_from: the frame's sender.
 * Return: 0; -EAGAIN when there is none now; what the kernel says of a dead one.
 */
int dhcp_sock_recv(int fd, struct mac_addr *ret_from, struct dhcp_msg *ret);

#endif
