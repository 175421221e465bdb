/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fail_passes.h - which fail points the children of a test pass, in order: a test
 * tries those, and no point that its scenario never comes to.
 *
 * One recording at a time, of this process' children (lib/fail.h, BERTH_FP_LOG).
 */
#ifndef LIB_TEST_FAIL_PASSES_H
#define LIB_TEST_FAIL_PASSES_H

#include <sys/types.h>

struct fail_pass {
	char point[64];
	int nth;   /* pass of this point, from 1 */
	off_t end; /* of what was recorded up to here */
};

struct fail_passes {
	int count;
	struct fail_pass at[512];
};

/* fail_passes_begin() - children forked from now on are recorded.
 * fail_passes_end() - no more; what was not taken is lost. */
void fail_passes_begin(void);
void fail_passes_end(void);
/* fail_passes_length() - what was recorded so far; as an .end. */
off_t fail_passes_length(void);
/* fail_passes_clear() - forget that. */
void fail_passes_clear(void);
/* fail_passes_take() - what was recorded since fail_passes_begin() or _clear(), which
 * it does as well.  None at all, or too many for @ret, fails the test. */
void fail_passes_take(struct fail_passes *ret);

#endif
