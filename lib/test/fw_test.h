/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_test.h - what the tests of fw share: a namespace and nft(8)'s answers. */
#ifndef LIB_TEST_FW_TEST_H
#define LIB_TEST_FW_TEST_H

#include "lib/test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fw.h"
#include "lib/fw_expr.h"

#define OUT_MAX (1 << 16)

/* Run the tests with @fw open in a network namespace of their own, or say SKIP.
 * Return: what main() returns. */
int fw_test_run(struct fw **fw, const struct CMUnitTest *tests, size_t count);
/* Run a shell command, its output in @out. Return: wait status. */
int sh(char out[static OUT_MAX], const char *cmd);

#endif
