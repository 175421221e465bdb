/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Users that are gone without a word are dropped; podman's is not. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/mounts.h"
#include "volplugins/test/fake.h"
#include "volplugins/vol_priv.h"

/* Nobody has it; the fake's paths are nowhere. */
int __wrap_mounts_elsewhere(struct mounts_query *queries, size_t count,
			    struct err *err);
int __wrap_mounts_elsewhere(struct mounts_query *queries, size_t count,
			    struct err *err)
{
	(void)queries;
	(void)count;
	(void)err;
	return 0;
}

#define PODMAN_ID \
	"2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2"

static void count_line(void *ctx, const char *line)
{
	int *n = ctx;

	CHECK(!strstr(line, PODMAN_ID));
	++*n;
}

static void swept(struct life *l, void *arg)
{
	static const char *const ids[] = { "a", PODMAN_ID, "b" };
	bool by_hand = *(bool *)arg;
	struct vol_entry *e;
	int lines = 0;

	CHECK(create(l, "v", NULL) == 0);
	CHECK(create(l, "w", NULL) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		CHECK(mount_id(l, "v", ids[i]) == 0);
	CHECK(mount_id(l, "w", PODMAN_ID) == 0);
	e = vol_entry_take(l->core, "v");
	CHECK(e);
	e->last_mount -= 3600;
	vol_entry_give(e);
	l->core->grace_s = 0;
	CHECK(vol_stale_sweep(l->core, by_hand, true, count_line, &lines,
			      NULL) == 2);
	CHECK(users(l, "v") == 3);
	CHECK(vol_stale_sweep(l->core, by_hand, false, count_line, &lines,
			      NULL) == 2);
	CHECK(lines == 4);
	CHECK(users(l, "v") == 1);
	CHECK(users(l, "w") == 1);
	CHECK(unmount_id(l, "v", PODMAN_ID) == 0);
	CHECK(users(l, "v") == 0);
}

static void podman_is_not_swept(void **state)
{
	bool by_hand = false;

	(void)state;
	assert_int_equal(live(swept, &by_hand, NULL), 0);
	assert_int_equal(fake_teardown(NULL), 0);
	assert_int_equal(fake_setup(NULL), 0);
	by_hand = true;
	assert_int_equal(live(swept, &by_hand, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(podman_is_not_swept, fake_setup,
						fake_teardown),
	};

	fake_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
