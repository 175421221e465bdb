/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nft_text.h - is what we put into the kernel what nft(8) makes of a text?
 *
 * nft reads the text in a network namespace beside the test's.  What is compared
 * lies in a directory of this program's own: others run at the same time.
 */
#ifndef DATAPLANE_TEST_NFT_TEXT_H
#define DATAPLANE_TEST_NFT_TEXT_H

#include "dataplane/test/dp_test.h"

static int oracle_ns = -EBADF, test_ns = -EBADF;
static char nft_dir[] = "/tmp/test-text-XXXXXX";

/* Once, before the tests.  Return: false when there can be no such namespace. */
static inline bool nft_text_begin(void)
{
	test_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (!mkdtemp(nft_dir) || setenv("D", nft_dir, 1) < 0 ||
	    unshare(CLONE_NEWNET) < 0)
		return false;
	oracle_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return setns(test_ns, CLONE_NEWNET) == 0;
}

static inline void nft_text_end(void)
{
	sh("rm -rf \"$D\"");
}

/* The rules here are those of TEXT, a file, but for the elements of sets and maps;
 * and nft reads back what it lists. */
static inline void nft_is_text(const char *text)
{
	assert_int_equal(setenv("TEXT", text, 1), 0);
	assert_int_equal(sh("nft list ruleset >$D/ours && "
			    "awk '/elements = {/{e = 1} !e{print} /}$/{e = 0}' "
			    "$D/ours >$D/rules"),
			 0);
	assert_int_equal(setns(oracle_ns, CLONE_NEWNET), 0);
	assert_int_equal(sh("nft -f $TEXT && nft list ruleset >$D/text"), 0);
	assert_int_equal(setns(test_ns, CLONE_NEWNET), 0);
	sh("diff $D/text $D/rules");
	assert_string_equal(out, "");
	assert_int_equal(sh("nft flush ruleset && nft -f $D/ours && "
			    "nft list ruleset >$D/again && "
			    "diff $D/ours $D/again"),
			 0);
}

#endif
