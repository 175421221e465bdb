/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-bridge: a bridge for each network, a veth pair for each endpoint. */
#include "netplugins/bridge/bridge.h"

int main(int argc, char **argv)
{
	return net_main(&bridge_driver, argc, argv);
}
