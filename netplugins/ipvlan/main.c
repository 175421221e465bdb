/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-ipvlan: a parent interface for each network, an ipvlan for each
 * endpoint. */
#include "netplugins/ipvlan/ipvlan.h"

int main(int argc, char **argv)
{
	return net_main(&ipvlan_driver, argc, argv);
}
