/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-macvlan: a parent interface for each network, a macvlan for each
 * endpoint. */
#include "netplugins/macvlan/macvlan.h"

int main(int argc, char **argv)
{
	return net_main(&macvlan_driver, argc, argv);
}
