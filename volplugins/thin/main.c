/* SPDX-License-Identifier: GPL-2.0-or-later */
/* berth-thin: the daemon for thin volumes. */
#include "volplugins/thin/thin.h"

int main(int argc, char **argv)
{
	return vol_main(&thin_driver, argc, argv);
}
