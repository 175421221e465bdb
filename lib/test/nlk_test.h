/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlk_test.h - what the tests of nlk share: a network namespace of each test's
 * own, and links to begin with. */
#ifndef LIB_TEST_NLK_TEST_H
#define LIB_TEST_NLK_TEST_H

#include "lib/test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/nlk.h"

#define ALIAS "berth:test:0123456789ab"

struct nlk_env {
	struct nlk *nlk;
	struct nlk_monitor *mon;
	struct err err;
};

int nlk_env_new(void **state);
int nlk_env_free(void **state);
#define NLK_TEST(f) \
	cmocka_unit_test_setup_teardown(f, nlk_env_new, nlk_env_free)
/* Run them, each a SKIP where it gets no namespace.  Return: main()'s. */
int nlk_test_run(const struct CMUnitTest *tests, size_t count);

/* Without a namespace the test ends here. */
#define NEED_NETNS()                                    \
	do {                                            \
		if (!((struct nlk_env *)*state)->nlk) { \
			skip();                         \
			return;                         \
		}                                       \
	} while (0)

struct nlk_link env_link(struct nlk_env *e, const char *name);
/* br-t.  Return: its index. */
int env_bridge(struct nlk_env *e);
/* h0 and c0; @master 0: on no bridge. */
int env_veth(struct nlk_env *e, int master, bool hairpin);

#endif
