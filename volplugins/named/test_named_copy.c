/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots and copies of named volumes, on the file systems that matter: btrfs by
 * subvolumes, images where blocks can be shared and where not. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "volplugins/named/freeze.h"
#include "volplugins/named/rig.h"

/* Who has to wait while it is copied?  Those are thawed after a minute, and then
 * the copy is given up. */
static int freezes;

int __real_freeze_begin(int root, struct freeze *ret, struct err *err);
int __wrap_freeze_begin(int root, struct freeze *ret, struct err *err);
int __wrap_freeze_begin(int root, struct freeze *ret, struct err *err)
{
	freezes++;
	return __real_freeze_begin(root, ret, err);
}

/* Who deletes?  The start must not wait for it. */
static pthread_t me;
static atomic_int emptied; /* by the test's own thread */

int __real_tree_empty(int fd, bool (*over)(void *ctx), void *ctx,
		      struct err *err);
int __wrap_tree_empty(int fd, bool (*over)(void *ctx), void *ctx,
		      struct err *err);
int __wrap_tree_empty(int fd, bool (*over)(void *ctx), void *ctx,
		      struct err *err)
{
	if (pthread_equal(me, pthread_self()))
		emptied++;
	return __real_tree_empty(fd, over, ctx, err);
}

struct row {
	const char *name;
	const char *mkfs, *mount;
	const char *opts;
	bool shares; /* snapshot's own bytes are not known, or hardly any */
	int freezes; /* of check_copies(), one of them in vain */
};

static const struct row rows[] = {
	{ "btrfs", "mkfs.btrfs -q", "loop,commit=1", "{\"size\":\"20m\"}", true,
	  0 },
	{ "btrfs without a size", "mkfs.btrfs -q", "loop,commit=1", "{}", true,
	  0 },
	{ "image on ext4", "mkfs.ext4 -q", "loop",
	  "{\"size\":\"20m\",\"backing\":\"image\"}", false, 3 },
	{ "image on btrfs", "mkfs.btrfs -q", "loop,commit=1",
	  "{\"size\":\"20m\",\"backing\":\"image\"}", true, 0 },
};

static struct rig rig;

static struct vol_volume *volume(const char *name, const char *opts)
{
	return rig_volume(&rig, name, opts);
}

#define OK(op, ...)                                         \
	do {                                                \
		struct err why = { 0 };                     \
                                                            \
		if (named_driver.op(__VA_ARGS__, &why) < 0) \
			fail_msg(#op ": %s", why.msg);      \
	} while (0)

static void write_text(struct vol_volume *v, const char *text)
{
	char line[512];

	OK(mount, v);
	snprintf(line, sizeof(line), "echo %s >%s/_data/file", text, v->name);
	rig_shell(&rig, line);
}

static void has_text(struct vol_volume *v, const char *text)
{
	char line[512];

	OK(mount, v);
	snprintf(line, sizeof(line), "test \"$(cat %s/_data/file)\" = %s",
		 v->name, text);
	rig_shell(&rig, line);
	OK(unmount, v);
}

static void erase_text(struct vol_volume *v)
{
	char line[512];

	OK(mount, v);
	snprintf(line, sizeof(line), "rm %s/_data/file", v->name);
	rig_shell(&rig, line);
}

struct seen {
	int count;
	struct vol_snapshot last;
};

static void look_at(void *ctx, const struct vol_snapshot *s)
{
	struct seen *seen = ctx;

	seen->count++;
	seen->last = *s;
}

static int snapshots(struct vol_volume *v, struct seen *seen)
{
	*seen = (struct seen){ 0 };
	OK(snapshots, v, look_at, seen);
	return seen->count;
}

static void check_copies(const struct row *row)
{
	_cleanup_free_ struct vol_volume *v = volume("v", row->opts);
	_cleanup_free_ struct vol_volume *c = volume("c", "{\"from\":\"v@s\"}");
	_cleanup_free_ struct vol_volume *d = volume("d", "{\"from\":\"v\"}");
	struct err err = { 0 };
	struct seen seen;

	freezes = 0;
	OK(create, v);
	assert_int_equal(snapshots(v, &seen), 0);
	assert_int_equal(named_driver.snapshot_del(v, "s", NULL), -ENOENT);
	write_text(v, "one");
	OK(snapshot_add, v, "s"); /* mounted */
	assert_int_equal(named_driver.snapshot_add(v, "s", &err), -EEXIST);
	assert_int_equal(snapshots(v, &seen), 1);
	assert_string_equal(seen.last.name, "s");
	assert_int_equal(strlen(seen.last.created), 20);
	if (!row->shares)
		assert_true(seen.last.own_known &&
			    seen.last.own_bytes < (20u << 20));
	write_text(v, "two");
	OK(clone, d, v, ""); /* mounted */
	OK(unmount, v);
	OK(clone, c, v, "s");
	OK(clone, c, NULL, "s"); /* it is there */
	has_text(v, "two");
	has_text(c, "one");
	has_text(d, "two");
	OK(rollback, v, "s");
	has_text(v, "one");
	write_text(v, "three");
	OK(unmount, v);
	OK(rollback, v, "s");
	has_text(v, "one");
	assert_int_equal(snapshots(v, &seen), 1);
	assert_int_equal(named_driver.rollback(v, "t", &err), -ENOENT);
	assert_int_equal(freezes, row->freezes); /* while it was mounted */
	rig_shell(&rig, "test -z \"$(ls .staging)\"");
	OK(remove, v); /* and its snapshots */
	has_text(c, "one");
	OK(remove, c);
	OK(remove, d);
	rig_settle(&rig);
}

/* Of a volume that nobody uses nobody waits for the copy. */
static void check_idle(const struct row *row)
{
	_cleanup_free_ struct vol_volume *v = volume("v", row->opts);
	_cleanup_free_ struct vol_volume *c = volume("c", "{\"from\":\"v\"}");
	_cleanup_free_ struct vol_volume *d = volume("d", "{\"from\":\"v@s\"}");

	OK(create, v);
	write_text(v, "one");
	OK(unmount, v);
	freezes = 0;
	OK(snapshot_add, v, "s");
	OK(clone, c, v, "");
	OK(clone, d, v, "s");
	assert_int_equal(freezes, 0);
	has_text(c, "one");
	has_text(d, "one");
	OK(remove, c);
	OK(remove, d);
	OK(remove, v);
	rig_settle(&rig);
}

/* A copy is taken back as long as nobody has written to it. */
static void check_unmake(const struct row *row)
{
	_cleanup_free_ struct vol_volume *v = volume("v", row->opts);
	_cleanup_free_ struct vol_volume *c = volume("c", "{\"from\":\"v\"}");
	_cleanup_free_ struct vol_volume *w = volume("w", row->opts);
	struct err err = { 0 };

	OK(create, v);
	write_text(v, "one");
	OK(unmount, v);
	strcpy(c->created, "2026-11-28T10:00:00Z");
	OK(clone, c, v, "");
	OK(unmake, c);
	assert_false(rig_has(&rig, "c"));
	OK(unmake, c);
	OK(clone, c, v, "");
	/* records are lost, and a later Create finds it: not its own to take back */
	strcpy(c->created, "2026-11-28T10:00:01Z");
	assert_int_equal(named_driver.clone(c, v, "", &err), VOL_FOUND);
	assert_int_equal(named_driver.unmake(c, &err), -ENOTEMPTY);
	assert_non_null(strstr(err.msg, "was there before"));
	has_text(c, "one");
	strcpy(c->created, "2026-11-28T10:00:00Z");
	write_text(c, "more");
	OK(unmount, c);
	assert_int_equal(named_driver.unmake(c, &err), -ENOTEMPTY);
	assert_non_null(strstr(err.msg, "was written to since"));
	has_text(c, "more");
	/* taken up for what it is, and for nothing else */
	OK(clone, c, v, "");
	strcpy(to_named(c)->opts.from, "w");
	assert_int_equal(named_driver.clone(c, w, "", &err), -EEXIST);
	assert_non_null(strstr(err.msg, "is no copy of w"));
	strcpy(to_named(c)->opts.from, "v");
	OK(remove, c);
	/* nothing in it, but in its snapshot */
	OK(snapshot_add, v, "s");
	erase_text(v);
	OK(unmount, v);
	assert_int_equal(named_driver.unmake(v, &err), -ENOTEMPTY);
	assert_int_equal(named_driver.create(v, &err), VOL_FOUND);
	OK(rollback, v, "s");
	has_text(v, "one");
	OK(unmount, v);
	OK(remove, v);
	rig_settle(&rig);
}

/* While others wait nothing is copied for long: then things are as they were. */
static void check_in_time(const struct row *row)
{
	_cleanup_free_ struct vol_volume *v = volume("v", row->opts);
	_cleanup_free_ struct vol_volume *c = volume("c", "{\"from\":\"v\"}");
	int want = row->freezes ? -ETIME : 0; /* it copies */
	struct err err = { 0 };

	OK(create, v);
	write_text(v, "one");
	OK(unmount, v);
	OK(snapshot_add, v, "s");
	write_text(v, "two");
	OK(unmount, v);
	v->until_ms = c->until_ms = 1; /* long ago */
	assert_int_equal(named_driver.clone(c, v, "", &err), want);
	assert_int_equal(named_driver.rollback(v, "s", &err), want);
	if (want < 0)
		assert_string_equal(err.msg,
				    "volume v stays as it is: there is too "
				    "much to copy while others wait: ask for "
				    "it again");
	v->until_ms = c->until_ms = 0;
	rig_shell(&rig, "test -z \"$(ls .staging)\"");
	has_text(v, want < 0 ? "two" : "one");
	assert_int_equal(rig_has(&rig, "c"), want == 0);
	if (want < 0)
		OK(clone, c, v, "");
	has_text(c, "two");
	OK(remove, c);
	OK(remove, v);
	rig_settle(&rig);
}

/* What a killed daemon leaves at each step is gone at the next start. */
static void check_leftovers(const struct row *row)
{
	_cleanup_free_ struct vol_volume *v = volume("v", row->opts);
	_cleanup_free_ struct vol_volume *u = NULL;
	struct seen seen;
	int fd;

	OK(create, v);
	write_text(v, "one");
	OK(snapshot_add, v, "s");
	OK(unmount, v);
	rig_shell(&rig, "touch v/snapshots/.new; cp v/meta .staging/");
	rig_shell(&rig, "mkdir .staging/c;"
			"cp v/meta .staging/c/; touch .staging/c/image");
	emptied = 0;
	rig_restart(&rig);
	assert_int_equal(emptied, 0);
	rig_settle(&rig);
	free(v);
	v = volume("v", row->opts);
	rig_shell(&rig, "test -z \"$(ls .staging)\"");
	assert_int_equal(snapshots(v, &seen), 1);
	/* filled, and the daemon dies */
	u = volume("u", row->opts);
	fd = named_driver.stage(u, NULL);
	assert_true(fd >= 0);
	rig_shell(&rig, "test -e .staging/u && test ! -e u");
	close(fd);
	rig_restart(&rig);
	free(u);
	u = volume("u", row->opts);
	free(v);
	v = volume("v", row->opts);
	rig_shell(&rig, "test -z \"$(ls .staging)\"");
	/* and once more, to its end */
	fd = named_driver.stage(u, NULL);
	assert_true(fd >= 0);
	close(fd);
	OK(settle, u);
	assert_int_equal(named_driver.stage(u, NULL), -EEXIST);
	OK(create, u);
	OK(remove, u);
	OK(remove, v);
	rig_settle(&rig);
}

static void row_test(void **state)
{
	const struct row *row = *state;

	if (!rig_open(&rig, row->mkfs, row->mount))
		skip();
	check_copies(row);
	check_idle(row);
	check_unmake(row);
	check_in_time(row);
	check_leftovers(row);
	rig_close(&rig);
}

/* ---- what is refused ------------------------------------------------------------- */

static void refused(void **state)
{
	_cleanup_free_ struct vol_volume *plain = NULL, *v = NULL, *c = NULL;
	struct err err = { 0 };

	(void)state;
	if (!rig_open(&rig, "mkfs.btrfs -q", "loop,commit=1"))
		skip();
	plain = volume("plain", "{\"backing\":\"directory\"}");
	v = volume("v", "{}");
	c = volume("c", "{\"from\":\"plain\"}");
	OK(create, plain);
	assert_int_equal(named_driver.snapshot_add(plain, "s", &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "volume plain is backing=directory, "
					"which cannot be snapshotted"));
	assert_int_equal(named_driver.clone(c, plain, "", &err), -EOPNOTSUPP);
	assert_int_equal(named_driver.clone(c, NULL, "", &err), -ENOENT);
	/* no snapshot holds what is in a subvolume of its own */
	OK(create, v);
	OK(snapshot_add, v, "s");
	rig_shell(&rig, "btrfs subvolume create v/_data/own");
	assert_int_equal(named_driver.rollback(v, "s", &err), -ENOTEMPTY);
	assert_non_null(strstr(err.msg, "which no snapshot holds"));
	/* and a snapshot can't be written to */
	rig_shell(&rig, "! touch v/snapshots/s/x 2>/dev/null");
	OK(remove, v);
	OK(remove, plain);
	rig_settle(&rig);
	rig_shell(&rig, "test $(btrfs subvolume list . | wc -l) = 0");
	rig_close(&rig);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1] = {
		cmocka_unit_test(refused),
	};

	TEST_ROWS(tests + 1, rows, row_test);
	me = pthread_self();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
