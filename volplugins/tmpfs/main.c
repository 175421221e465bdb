/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-tmpfs: the daemon for volumes in memory. */
#include "volplugins/tmpfs/tmpfs.h"

int main(int argc, char **argv)
{
	return vol_main(&tmpfs_driver, argc, argv);
}
