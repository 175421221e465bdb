/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A start that takes long, and is told to who waits for it. */
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "lib/plugd.h"

void plugd_starting(void)
{
	char text[64];

	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%d000000",
		 PLUGD_STEP_S);
	(void)sd_notify(0, text);
}
