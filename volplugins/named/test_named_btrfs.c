/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named volumes on btrfs, against btrfs(8). */
#include "lib/test/test.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "volplugins/named/rig.h"

#define MIB (1u << 20)

static struct rig rig;
static bool usable;

static int setup(void **state)
{
	(void)state;
	usable = rig_open(&rig, "mkfs.btrfs -q", "loop,commit=1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (usable)
		rig_close(&rig);
	return 0;
}

#define NEED_RIG()              \
	({                      \
		(void)state;    \
		if (!usable)    \
			skip(); \
	})

static struct vol_volume *made(const char *name, const char *opts)
{
	struct vol_volume *v = rig_volume(&rig, name, opts);
	struct err err = { 0 };

	if (named_driver.create(v, &err) < 0)
		fail_msg("%s", err.msg);
	return v;
}

static void removed(struct vol_volume *v)
{
	struct err err = { 0 };

	if (named_driver.remove(v, &err) < 0)
		fail_msg("%s", err.msg);
	assert_false(rig_has(&rig, v->name));
}

static void quotas_wait_for_a_size(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v = made("plain", "{\"uid\":\"7\"}");
	_cleanup_free_ struct vol_volume *w = NULL;
	struct vol_usage u = { 0 };

	rig_shell(&rig, "btrfs subvolume show plain/_data");
	rig_shell(&rig, "test $(stat -c %u:%a plain/_data) = 7:755");
	rig_shell(&rig, "grep -qx backing=btrfs plain/meta");
	rig_shell(&rig, "! btrfs qgroup show .");
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_false(u.used_known);
	assert_int_equal(named_driver.mount(v, NULL), 0);

	w = made("sized", "{\"size\":\"10m\"}");
	rig_shell(&rig, "btrfs qgroup show -r sized/_data | grep -q 10.00MiB");
	/* and now the first has a figure too */
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_true(u.used_known);
	assert_int_equal(u.limit_bytes, 0);
	removed(v);
	removed(w);
	named_driver.remove(v, NULL); /* again */
	rig_settle(&rig);
	rig_shell(&rig, "test $(btrfs subvolume list . | wc -l) = 0");
}

static void limit_and_usage(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v =
		made("v", "{\"size\":\"10m\",\"backing\":\"btrfs\"}");
	struct vol_usage u = { 0 };

	assert_int_equal(named_driver.mount(v, NULL), 0);
	rig_shell(&rig, "! dd if=/dev/zero of=v/_data/x bs=1M count=20");
	rig_shell(&rig, "sync");
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_int_equal(u.limit_bytes, 10 * MIB);
	assert_in_range(u.used_bytes, 9 * MIB, 10 * MIB);
	assert_int_equal(u.age_s, 0);
	/* what is in a subvolume of its own is told, though not limited */
	rig_shell(&rig, "rm v/_data/x; btrfs subvolume create v/_data/n;"
			"dd if=/dev/zero of=v/_data/n/x bs=1M count=30; sync");
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_in_range(u.used_bytes, 30 * MIB, 31 * MIB);
	removed(v);
}

static void resized(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v = made("v", "{\"size\":\"10m\"}");
	struct err err = { 0 };

	/* also from full, where the kernel has nothing left for itself */
	rig_shell(&rig, "dd if=/dev/zero of=v/_data/x bs=1M count=8; sync;"
			"btrfs qgroup limit 8M v/_data");
	assert_int_equal(rig_resize(v, 20 * MIB, NULL), 0);
	rig_shell(&rig, "dd if=/dev/zero of=v/_data/y bs=1M count=8");
	assert_int_equal(rig_resize(v, 10 * MIB, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "bytes are used, more than the "
					"10485760 asked for"));
	rig_shell(&rig, "btrfs qgroup show -r v/_data | grep -q 20.00MiB");
	rig_shell(&rig, "rm v/_data/y");
	assert_int_equal(rig_resize(v, 10 * MIB, NULL), 0);
	rig_shell(&rig, "! dd if=/dev/zero of=v/_data/y bs=1M count=8");
	assert_int_equal(rig_resize(v, 1000, &err), -EINVAL);
	assert_int_equal(rig_resize(v, 0, NULL), 0);
	rig_shell(&rig, "dd if=/dev/zero of=v/_data/y bs=1M count=20");
	removed(v);
}

/* Until it is written down it is not so: neither a new limit, nor a first one. */
static void unwritten_resize_is_taken_back(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v = made("v", "{\"size\":\"20m\"}");
	_cleanup_free_ struct vol_volume *w = made("w", "{}");
	struct err err = { 0 };

	rig_shell(&rig, "mkdir v/meta.new w/meta.new");
	assert_int_equal(named_driver.resize(v, 10 * MIB, &err), -EISDIR);
	assert_string_equal(err.msg,
			    "volume v: write file meta: Is a directory");
	rig_shell(&rig, "btrfs qgroup show -r v/_data | grep -q 20.00MiB");
	assert_int_equal(named_driver.resize(v, 30 * MIB, NULL), -EISDIR);
	rig_shell(&rig, "btrfs qgroup show -r v/_data | grep -q 20.00MiB");
	assert_int_equal(named_driver.resize(w, 10 * MIB, NULL), -EISDIR);
	rig_shell(&rig, "dd if=/dev/zero of=w/_data/x bs=1M count=20");
	rig_shell(&rig, "rmdir v/meta.new w/meta.new");
	assert_int_equal(named_driver.resize(v, 10 * MIB, NULL), 0);
	rig_shell(&rig, "btrfs qgroup show -r v/_data | grep -q 10.00MiB");
	removed(v);
	removed(w);
}

static void refused_with_the_reason(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v =
		rig_volume(&rig, "v", "{\"size\":\"4k\"}");
	_cleanup_free_ struct vol_volume *w =
		rig_volume(&rig, "w",
			   "{\"size\":\"4m\",\"fs\":\"xfs\","
			   "\"backing\":\"btrfs\"}");
	_cleanup_free_ struct vol_volume *p =
		rig_volume(&rig, "p", "{\"backing\":\"project\"}");
	struct err err = { 0 };

	assert_int_equal(named_driver.create(v, &err), -EINVAL);
	assert_string_equal(err.msg, "size=4096: nothing fits in less than 1m "
				     "on btrfs");
	assert_int_equal(named_driver.create(w, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "this is btrfs"));
	assert_int_equal(named_driver.create(p, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "backing=project can't be used here: "
					"the file system is neither ext4 nor "
					"xfs"));
	rig_shell(&rig, "test -z \"$(ls .staging)\" && test \"$(ls)\" = ''");
}

static void taken_back_only_when_empty(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v = made("v", "{\"size\":\"5m\"}");

	rig_shell(&rig, "touch v/_data/file");
	assert_int_equal(named_driver.unmake(v, NULL), -ENOTEMPTY);
	rig_shell(&rig, "btrfs subvolume show v/_data; rm v/_data/file");
	rig_shell(&rig, "btrfs subvolume create v/_data/n");
	assert_int_equal(named_driver.unmake(v, NULL), -ENOTEMPTY);
	rig_shell(&rig, "btrfs subvolume delete v/_data/n");
	assert_int_equal(named_driver.unmake(v, NULL), 0);
	assert_int_equal(named_driver.unmake(v, NULL), 0);
	assert_false(rig_has(&rig, "v"));
}

static void removed_whole_but_not_with_a_mount(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v = made("v", "{}");
	struct err err = { 0 };
	char want[256];

	rig_shell(&rig, "cd v/_data; mkdir -p d m; btrfs subvolume create d/s;"
			"btrfs subvolume snapshot -r d/s s2; touch rock;"
			"chattr +i rock; mount -t tmpfs none d/s");
	assert_int_equal(named_driver.remove(v, &err), -EBUSY);
	snprintf(want, sizeof(want),
		 "volume v stays: \"%s/berth-named/volumes/v/_data/d/s\" is a "
		 "mount point: unmount it first",
		 rig.fs.dir);
	assert_string_equal(err.msg, want);
	rig_shell(&rig, "umount v/_data/d/s; test -e v/_data/rock");
	removed(v);
	rig_shell(&rig, "test -z \"$(ls .trash)\"");
	rig_shell(&rig, "test $(btrfs subvolume list . | wc -l) = 0");
}

/* What lost its limit, or its subvolume. */
static void limit_comes_back(void **state)
{
	NEED_RIG();
	_cleanup_free_ struct vol_volume *v = made("v", "{\"size\":\"5m\"}");
	_cleanup_free_ struct vol_volume *w = made("w", "{}");
	struct err err = { 0 };

	rig_shell(&rig, "btrfs quota disable .");
	assert_int_equal(named_driver.mount(v, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "quotas of the file system were turned "
					"off, so its size can't be kept: btrfs "
					"quota enable /tmp/"));
	assert_int_equal(named_driver.mount(w, &err), 0);
	rig_shell(&rig, "btrfs quota enable .");
	assert_int_equal(named_driver.mount(v, &err), 0);
	rig_shell(&rig, "btrfs qgroup show -r v/_data | grep -q 5.00MiB");
	/* as a backup would bring them back */
	for (const char *const *n = (const char *const[]){ "v", "w", NULL }; *n;
	     n++) {
		char line[256];

		snprintf(line, sizeof(line),
			 "btrfs subvolume delete %s/_data; mkdir %s/_data;"
			 "touch %s/_data/f",
			 *n, *n, *n);
		rig_shell(&rig, line);
	}
	assert_int_equal(named_driver.mount(v, &err), -ENOTDIR);
	assert_non_null(strstr(err.msg, "not a subvolume any more"));
	assert_int_equal(named_driver.mount(w, &err), 0);
	assert_int_equal(named_driver.unmake(w, &err), -ENOTEMPTY);
	removed(v);
	removed(w);
	rig_settle(&rig);
}

static void leftovers_go_at_start(void **state)
{
	NEED_RIG();
	rig_shell(&rig,
		  "for d in .staging/half .trash/123; do mkdir -p $d; echo "
		  "backing=btrfs >$d/meta; btrfs subvolume create $d/_data;"
		  "touch $d/_data/f; done; mkdir .staging/none;"
		  "echo backing=btrfs >.staging/none/meta");
	rig_restart(&rig);
	rig_settle(&rig);
	rig_shell(&rig, "test -z \"$(ls .staging)\"");
	rig_shell(&rig, "test $(btrfs subvolume list . | wc -l) = 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotas_wait_for_a_size),
		cmocka_unit_test(limit_and_usage),
		cmocka_unit_test(resized),
		cmocka_unit_test(unwritten_resize_is_taken_back),
		cmocka_unit_test(refused_with_the_reason),
		cmocka_unit_test(taken_back_only_when_empty),
		cmocka_unit_test(removed_whole_but_not_with_a_mount),
		cmocka_unit_test(limit_comes_back),
		cmocka_unit_test(leftovers_go_at_start),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
