/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table that can't be put in use, and a device of somebody else: libdevmapper is
 * played by this test, which has one device. */
#include "lib/test/test.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/dmx.h"

#define NAME "berth-test"

struct table {
	char target[32], params[64];
	uint64_t sectors;
	bool readonly;
	char more
		[64]; /* .params of a second line; more_sectors 0: there is none */
	uint64_t more_sectors;
};

struct dm_task {
	int type, error;
	bool secure;
	char name[DMX_NAME_MAX];
	struct table t;
};

/* When a new table is refused: never, while the old one is in use still, or when
 * that is gone (a target's own look at it). */
enum refusal { NEVER, BEFORE, AFTER };

static struct {
	bool there, suspended;
	char uuid[DMX_UUID_MAX];
	struct table live, next; /* .sectors 0: none */
	enum refusal refusal;
	unsigned int changes; /* what was done to it */
} dev;

static const struct table first = { .target = "linear",
				    .params = "8:0 0",
				    .sectors = 100 };

struct dm_task *__wrap_dm_task_create(int type);
struct dm_task *__wrap_dm_task_create(int type)
{
	struct dm_task *t = calloc(1, sizeof(*t));

	t->type = type;
	return t;
}

void __wrap_dm_task_destroy(struct dm_task *t);
void __wrap_dm_task_destroy(struct dm_task *t)
{
	/* a copy of a key is wiped by who is told to */
	if (strcmp(t->t.target, "crypt") == 0 || t->type == DM_DEVICE_TABLE)
		assert_true(t->secure);
	free(t);
}

int __wrap_dm_task_set_name(struct dm_task *t, const char *name);
int __wrap_dm_task_set_name(struct dm_task *t, const char *name)
{
	snprintf(t->name, sizeof(t->name), "%s", name);
	return 1;
}

int __wrap_dm_task_set_uuid(struct dm_task *t, const char *uuid);
int __wrap_dm_task_set_uuid(struct dm_task *t, const char *uuid)
{
	(void)t;
	return strncmp(uuid, DMX_UUID_OURS, strlen(DMX_UUID_OURS)) == 0;
}

int __wrap_dm_task_add_target(struct dm_task *t, uint64_t start, uint64_t size,
			      const char *target, const char *params);
int __wrap_dm_task_add_target(struct dm_task *t, uint64_t start, uint64_t size,
			      const char *target, const char *params)
{
	if (start) {
		assert_true(start == t->t.sectors && !t->t.more_sectors);
		snprintf(t->t.more, sizeof(t->t.more), "%s", params);
		t->t.more_sectors = size;
		return 1;
	}
	snprintf(t->t.target, sizeof(t->t.target), "%s", target);
	snprintf(t->t.params, sizeof(t->t.params), "%s", params);
	t->t.sectors = size;
	return 1;
}

int __wrap_dm_task_set_ro(struct dm_task *t);
int __wrap_dm_task_set_ro(struct dm_task *t)
{
	t->t.readonly = true;
	return 1;
}

int __wrap_dm_task_secure_data(struct dm_task *t);
int __wrap_dm_task_secure_data(struct dm_task *t)
{
	t->secure = true;
	return 1;
}

/* As the kernel: the new table is out of its hands in either case. */
static int resume(void)
{
	struct table new = dev.next;

	dev.next = (struct table){ 0 };
	if (new.sectors &&new.sectors != first.sectors) {
		if (dev.refusal == AFTER)
			dev.live = new;
		if (dev.refusal != NEVER)
			return EINVAL;
	}
	if (new.sectors)
		dev.live = new;
	/* what was put in use and refused is so again */
	if (dev.refusal == AFTER && dev.live.sectors != first.sectors)
		return EINVAL;
	dev.suspended = false;
	return 0;
}

static int act(struct dm_task *t)
{
	switch (t->type) {
	case DM_DEVICE_CREATE:
		return dev.there ? EBUSY : 0;
	case DM_DEVICE_RELOAD:
		dev.next = t->t;
		return 0;
	case DM_DEVICE_SUSPEND:
		dev.suspended = true;
		return 0;
	case DM_DEVICE_RESUME:
		return resume();
	case DM_DEVICE_CLEAR:
		dev.next = (struct table){ 0 };
		return 0;
	case DM_DEVICE_REMOVE:
		dev.there = false;
		return 0;
	case DM_DEVICE_TARGET_MSG:
		return 0;
	default:
		return EOPNOTSUPP;
	}
}

int __wrap_dm_task_run(struct dm_task *t);
int __wrap_dm_task_run(struct dm_task *t)
{
	t->error = 0;
	if (t->type == DM_DEVICE_CREATE || strcmp(t->name, NAME) == 0) {
		if (t->type == DM_DEVICE_INFO || t->type == DM_DEVICE_TABLE)
			return 1;
		t->error = act(t);
		dev.changes += t->error == 0;
	} else {
		t->error = ENXIO;
	}
	return t->error == 0;
}

int __wrap_dm_task_get_errno(struct dm_task *t);
int __wrap_dm_task_get_errno(struct dm_task *t)
{
	return t->error;
}

int __wrap_dm_task_get_info(struct dm_task *t, struct dm_info *info);
int __wrap_dm_task_get_info(struct dm_task *t, struct dm_info *info)
{
	(void)t;
	*info = (struct dm_info){ .exists = dev.there,
				  .suspended = dev.suspended,
				  .live_table = dev.live.sectors != 0,
				  .read_only = dev.live.readonly };
	return 1;
}

const char *__wrap_dm_task_get_uuid(const struct dm_task *t);
const char *__wrap_dm_task_get_uuid(const struct dm_task *t)
{
	(void)t;
	return dev.uuid;
}

void *__wrap_dm_get_next_target(struct dm_task *t, void *next, uint64_t *start,
				uint64_t *length, char **target, char **params);
void *__wrap_dm_get_next_target(struct dm_task *t, void *next, uint64_t *start,
				uint64_t *length, char **target, char **params)
{
	(void)t;
	*start = next ? dev.live.sectors : 0;
	*length = next ? dev.live.more_sectors : dev.live.sectors;
	*target = dev.live.sectors ? dev.live.target : NULL;
	*params = next ? dev.live.more : dev.live.params;
	return !next && dev.live.more_sectors ? &dev : NULL;
}

#define FLAG(fn)                            \
	int __wrap_##fn(struct dm_task *t); \
	int __wrap_##fn(struct dm_task *t)  \
	{                                   \
		(void)t;                    \
		return 1;                   \
	}
FLAG(dm_task_no_open_count)
FLAG(dm_task_no_flush)
FLAG(dm_task_deferred_remove)

int __wrap_dm_task_set_sector(struct dm_task *t, uint64_t sector);
int __wrap_dm_task_set_sector(struct dm_task *t, uint64_t sector)
{
	(void)t;
	return sector == 0;
}

int __wrap_dm_task_set_message(struct dm_task *t, const char *text);
int __wrap_dm_task_set_message(struct dm_task *t, const char *text)
{
	(void)t;
	return *text != '\0';
}

void __wrap_dm_task_update_nodes(void);
void __wrap_dm_task_update_nodes(void)
{
}

static int setup(void **state)
{
	(void)state;
	memset(&dev, 0, sizeof(dev));
	dev.there = true;
	dev.live = first;
	snprintf(dev.uuid, sizeof(dev.uuid), "%s1", DMX_UUID_OURS);
	return 0;
}

/* ---- tests ------------------------------------------------------------------ */

static const struct dmx_table larger = { .target = "linear",
					 .sectors = 200,
					 .params = "8:0 0" };

static void reloaded(void **state)
{
	(void)state;
	assert_int_equal(dmx_reload(NAME, &larger, NULL), 0);
	assert_int_equal(dev.live.sectors, 200);
	assert_false(dev.suspended);
}

static void of_two_lines(void **state)
{
	const struct dmx_table more = { .target = "linear",
					.sectors = 50,
					.params = "8:16 7" };
	struct dmx_table t = larger;
	char buf[DMX_PARAMS_MAX];
	uint64_t sectors = 0;

	(void)state;
	t.next = &more;
	assert_int_equal(dmx_reload(NAME, &t, NULL), 0);
	assert_int_equal(dev.live.more_sectors, 50);
	assert_string_equal(dev.live.more, "8:16 7");
	assert_int_equal(
		dmx_table(NAME, "linear", buf, sizeof(buf), &sectors, NULL), 0);
	assert_int_equal(sectors, 250);
	assert_string_equal(buf, "8:0 0");

	/* refused, it has both again */
	dev.live.sectors = first.sectors;
	dev.refusal = AFTER;
	assert_int_equal(dmx_reload(NAME, &larger, NULL), -EINVAL);
	assert_int_equal(dev.live.sectors, first.sectors);
	assert_int_equal(dev.live.more_sectors, 50);
	assert_string_equal(dev.live.more, "8:16 7");
}

static void key_leaves_no_copies(void **state)
{
	static const struct dmx_table t = { .target = "crypt",
					    .sectors = 200,
					    .params = "aes 00 0 8:0 0",
					    .secret = true };

	(void)state;
	assert_int_equal(dmx_reload(NAME, &t, NULL), 0);
	dev.refusal = BEFORE;
	assert_int_equal(dmx_reload(NAME, &larger, NULL), -EINVAL);
	assert_string_equal(dev.live.params, t.params);
	dev.there = false;
	assert_int_equal(dmx_create(NAME, "BERTH-2", &t, NULL), 0);
}

static void refused_it_keeps_its_table(void **state)
{
	static const enum refusal when[] = { BEFORE, AFTER };

	for (size_t i = 0; i < ARRAY_SIZE(when); i++) {
		struct err err = { 0 };

		setup(state);
		dev.live.readonly = true;
		dev.refusal = when[i];
		assert_int_equal(dmx_reload(NAME, &larger, &err), -EINVAL);
		assert_non_null(strstr(err.msg, NAME));
		assert_false(dev.suspended);
		assert_int_equal(dev.live.sectors, first.sectors);
		assert_string_equal(dev.live.params, first.params);
		assert_true(dev.live.readonly);
		assert_int_equal(dev.next.sectors, 0);
	}
}

/* Each of the functions says whose it is, and does nothing. */
static void somebody_elses(void **state)
{
	char buf[DMX_PARAMS_MAX], path[DMX_PATH_MAX];
	struct dmx_info info;
	struct err err = { 0 };

	(void)state;
	snprintf(dev.uuid, sizeof(dev.uuid), "LVM-abc");
	assert_int_equal(dmx_find(NAME, &info, &err), -EPERM);
	assert_non_null(strstr(err.msg, NAME));
	assert_non_null(strstr(err.msg, "\"LVM-abc\""));
	err.msg[0] = '\0';
	assert_int_equal(dmx_create(NAME, "BERTH-2", &larger, &err), -EPERM);
	assert_non_null(strstr(err.msg, "\"LVM-abc\""));
	assert_int_equal(dmx_reload(NAME, &larger, NULL), -EPERM);
	assert_int_equal(dmx_suspend(NAME, NULL), -EPERM);
	assert_int_equal(dmx_resume(NAME, NULL), -EPERM);
	assert_int_equal(dmx_remove(NAME, NULL), -EPERM);
	assert_int_equal(dmx_remove_last(NAME, NULL), -EPERM);
	assert_int_equal(dmx_message(NAME, "delete 1", NULL), -EPERM);
	assert_int_equal(
		dmx_table(NAME, "linear", buf, sizeof(buf), NULL, NULL),
		-EPERM);
	assert_int_equal(dmx_open(NAME, 0, path, NULL), -EPERM);
	assert_int_equal(dev.changes, 0);
}

static void ours_or_none(void **state)
{
	struct dmx_info info;

	(void)state;
	assert_int_equal(dmx_find(NAME, &info, NULL), 0);
	assert_int_equal(dmx_create(NAME, "BERTH-1", &larger, NULL), -EEXIST);
	assert_int_equal(dmx_message(NAME, "delete 1", NULL), 0);
	assert_int_equal(dmx_remove(NAME, NULL), 0);
	assert_false(dev.there);
	assert_int_equal(dmx_remove(NAME, NULL), 0);
	assert_int_equal(dmx_remove_last("another", NULL), 0);
	assert_int_equal(dmx_suspend("another", NULL), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(reloaded, setup),
		cmocka_unit_test_setup(of_two_lines, setup),
		cmocka_unit_test_setup(key_leaves_no_copies, setup),
		cmocka_unit_test_setup(refused_it_keeps_its_table, setup),
		cmocka_unit_test_setup(somebody_elses, setup),
		cmocka_unit_test_setup(ours_or_none, setup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
