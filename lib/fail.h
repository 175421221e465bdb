/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fail.h - named points at which a test makes a daemon die, fail or wait.
 *
 * BERTH_FP=name:kill | name:err=ENOSPC | name:sleep=MS, more separated by ','
 * and each optionally followed by ':nth=K' (only the K-th pass, from 1; every
 * pass without it).  Read once, at the first pass.  Unset: one load and a branch.
 *
 * The names of a binary are the strings in its ELF section "berth_fp", which
 * FAILPOINT() fills; --list-failpoints prints them, so a test can tell that
 * one was never hit.  BERTH_FP_LOG=FILE appends each name passed to FILE.
 */
#ifndef LIB_FAIL_H
#define LIB_FAIL_H

#include <stdio.h>

/* FAILPOINT() - 0, or the negative errno the test asked for.  @name: literal,
 * "area.step", the same name at one place only. */
#define FAILPOINT(name)                                                 \
	({                                                              \
		static const char fp_[] __attribute__((                 \
			section("berth_fp"), used, aligned(1))) = name; \
		fail_point(fp_);                                        \
	})

int fail_point(const char *name);

/* fail_list() - print the names compiled into this binary, one a line. */
void fail_list(FILE *out);

#endif
