/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/test/test.h"

#include <stdio.h>
#include <stdlib.h>

bool test_local6(const char *addr)
{
	char cmd[160];

	snprintf(cmd, sizeof(cmd),
		 "ip -6 route show table local | grep -q '^local %.64s '",
		 addr);
	return TEST_WITHIN_S(30, system(cmd) == 0);
}
