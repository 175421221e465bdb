/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * macvlan.h - the macvlan driver: what netplugins/lan does, with macvlan's modes.
 * Each container has a MAC of its own.
 */
#ifndef NETPLUGINS_MACVLAN_MACVLAN_H
#define NETPLUGINS_MACVLAN_MACVLAN_H

#include "netplugins/lan/lan.h"

#define MACVLAN_DRIVER "berth-macvlan"

extern const struct net_driver macvlan_driver;

#endif
