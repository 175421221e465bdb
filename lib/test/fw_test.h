/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_test.h - what the tests of fw share: a namespace and nft(8)'s answers. */
#ifndef LIB_TEST_FW_TEST_H
#define LIB_TEST_FW_TEST_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fw.h"
#include "lib/fw_expr.h"

#define OUT_MAX (1 << 16)

/* A network namespace of our own; false: said SKIP. */
static inline bool fw_test_netns(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	printf("1..0 # SKIP no network namespace: not root\n");
	return false;
}

/* Run a shell command, its output in @out. Return: wait status. */
static inline int sh(char out[static OUT_MAX], const char *cmd)
{
	FILE *f = popen(cmd, "r");
	size_t n;
	char rest[256];

	if (!f)
		return -1;
	n = fread(out, 1, OUT_MAX - 1, f);
	out[n] = '\0';
	while (fread(rest, 1, sizeof(rest), f) > 0)
		continue;
	return pclose(f);
}

#endif
