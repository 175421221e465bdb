/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-named: the daemon for named volumes. */
#include "volplugins/named/named.h"

int main(int argc, char **argv)
{
	return vol_main(&named_driver, argc, argv);
}
