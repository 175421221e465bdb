/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-overlay: a bridge for each network on each host, joined by VXLAN. */
#include "netplugins/overlay/overlay.h"

int main(int argc, char **argv)
{
	return net_main(&overlay_driver, argc, argv);
}
