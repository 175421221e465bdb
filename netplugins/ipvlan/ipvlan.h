/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipvlan.h - the ipvlan driver: what netplugins/lan does, with ipvlan's modes and
 * flags.  All containers have their parent's MAC.
 */
#ifndef NETPLUGINS_IPVLAN_IPVLAN_H
#define NETPLUGINS_IPVLAN_IPVLAN_H

#include "netplugins/lan/lan.h"

#define IPVLAN_DRIVER "berth-ipvlan"

extern const struct net_driver ipvlan_driver;

#endif
