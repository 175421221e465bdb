/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A firewall of the tests' own. */
#include "lib/test/fw_test.h"

#include <sched.h>
#include <stdbool.h>

static bool own_netns(void)
{
	if (unshare(CLONE_NEWNET) == 0)
		return true;
	printf("1..0 # SKIP no network namespace: not root\n");
	return false;
}

int fw_test_run(struct fw **fw, const struct CMUnitTest *tests, size_t count)
{
	struct err err = { 0 };
	int failed;

	if (!own_netns())
		return 0;
	if (fw_open(fw, &err) < 0) {
		fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("fw", tests, count, NULL, NULL);
	fw_close(*fw);
	return failed;
}

int sh(char out[static OUT_MAX], const char *cmd)
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
