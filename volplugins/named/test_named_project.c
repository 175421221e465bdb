/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named volumes with project quotas, where this kernel has them (integration/vm
 * runs this where they are). */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/prjquota.h"
#include "volplugins/named/rig.h"

#define MIB (1u << 20)
/* ext4 lets root's CAP_SYS_RESOURCE pass; containers do not have it */
#define DD "setpriv --bounding-set -sys_resource dd if=/dev/zero bs=1M "

static struct vol_volume *made(struct rig *rig, const char *name,
			       const char *opts)
{
	struct vol_volume *v = rig_volume(rig, name, opts);
	struct err err = { 0 };

	if (named_driver.create(v, &err) < 0)
		fail_msg("%s", err.msg);
	return v;
}

static uint32_t project_of(struct vol_volume *v)
{
	return to_named(v)->meta.project;
}

static struct prjquota figures(struct rig *rig, uint32_t id)
{
	struct prjquota q;

	assert_int_equal(prjquota_get(rig->volumes, id, &q, NULL), 0);
	return q;
}

static void limits(struct rig *rig)
{
	_cleanup_free_ struct vol_volume *v =
		made(rig, "v", "{\"size\":\"10m\"}");
	_cleanup_free_ struct vol_volume *w =
		made(rig, "w", "{\"backing\":\"project\",\"uid\":\"7\"}");
	struct vol_usage u = { 0 };
	struct err err = { 0 };

	rig_shell(rig, "grep -qx backing=project v/meta");
	rig_shell(rig, "lsattr -pd v/_data | grep -q ' *19[0-9]\\{8\\}.*P'");
	rig_shell(rig, "test $(stat -c %u:%a w/_data) = 7:755");
	assert_int_not_equal(project_of(v), project_of(w));
	assert_int_equal(named_driver.mount(v, NULL), 0);
	rig_shell(rig, "mkdir v/_data/s;"
		       "! " DD "of=v/_data/s/x count=20");
	/* the file system as the container sees it has the volume's size */
	rig_shell(rig, "test $(df --output=size -k v/_data | tail -1) = 10240");
	assert_int_equal(named_driver.usage(v, &u, NULL), 0);
	assert_int_equal(u.limit_bytes, 10 * MIB);
	assert_in_range(u.used_bytes, 9 * MIB, 10 * MIB);
	u = (struct vol_usage){ 0 };
	assert_int_equal(named_driver.usage(w, &u, NULL), 0);
	assert_int_equal(u.limit_bytes, 0);
	assert_true(u.used_known && u.used_bytes < MIB);
	assert_int_equal(rig_resize(v, 5 * MIB, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "more than the 5242880 asked for"));
	assert_int_equal(rig_resize(v, 30 * MIB, NULL), 0);
	rig_shell(rig, DD "of=v/_data/y count=15");
	rig_shell(rig, "rm v/_data/s/x v/_data/y");
	assert_int_equal(rig_resize(v, 5 * MIB, NULL), 0);
	rig_shell(rig, "! " DD "of=v/_data/y count=10");
	assert_int_equal(named_driver.remove(v, NULL), 0);
	rig_settle(rig);
	assert_int_equal(figures(rig, project_of(v)).limit, 0);
	assert_int_equal(figures(rig, project_of(v)).inodes, 0);
	assert_int_equal(named_driver.unmake(w, NULL), 0);
	assert_int_equal(figures(rig, project_of(w)).inodes, 0);
}

/* A container's root can do this to its own files, and to _data. */
static void left_its_project(struct rig *rig)
{
	_cleanup_free_ struct vol_volume *v =
		made(rig, "v", "{\"size\":\"10m\"}");
	_cleanup_free_ struct vol_volume *w =
		made(rig, "w", "{\"size\":\"10m\"}");
	struct err err = { 0 };
	char line[256];

	/* the whole of v says that it is of w's project */
	snprintf(line, sizeof(line),
		 "mkdir -p v/_data/a/b/c; touch v/_data/a/b/c/f;"
		 "chattr -R -p %u v/_data",
		 project_of(w));
	rig_shell(rig, line);
	assert_int_equal(named_driver.mount(v, &err), -EXDEV);
	assert_non_null(strstr(err.msg, "not in project"));
	/* what it says to do about it helps */
	snprintf(line, sizeof(line), "cd v; %s", strstr(err.msg, "chattr"));
	*strstr(line, " puts") = '\0';
	rig_shell(rig, line);
	if (named_driver.mount(v, &err) < 0)
		fail_msg("%s", err.msg);
	snprintf(line, sizeof(line), "chattr -R -p %u v/_data", project_of(w));
	rig_shell(rig, line);
	assert_int_equal(named_driver.remove(v, &err), 0);
	rig_settle(rig);
	assert_int_equal(figures(rig, project_of(w)).limit, 10 * MIB);
	assert_int_equal(figures(rig, project_of(v)).limit, 0);
	/* a limit that somebody took away comes back with the next mount */
	assert_int_equal(prjquota_limit(rig->volumes, project_of(w), 0, NULL),
			 0);
	assert_int_equal(named_driver.mount(w, NULL), 0);
	assert_int_equal(figures(rig, project_of(w)).limit, 10 * MIB);
	/* a copy has the same meta, and takes nothing away */
	rig_shell(rig, "cp -a w .trash/1");
	rig_restart(rig);
	rig_settle(rig);
	assert_int_equal(figures(rig, project_of(w)).limit, 10 * MIB);
	w->host = rig->host;
	assert_int_equal(named_driver.remove(w, NULL), 0);
	rig_settle(rig);
}

static void leftovers(struct rig *rig)
{
	_cleanup_free_ struct vol_volume *v =
		made(rig, "v", "{\"size\":\"10m\"}");

	rig_shell(rig, "mv v .staging/v");
	rig_restart(rig);
	rig_settle(rig);
	rig_shell(rig, "test -z \"$(ls .staging)\"");
	assert_int_equal(figures(rig, project_of(v)).limit, 0);
	assert_int_equal(figures(rig, project_of(v)).inodes, 0);
}

static void all(const char *mkfs, const char *mount)
{
	struct rig rig;

	if (!rig_open(&rig, mkfs, mount))
		skip();
	limits(&rig);
	left_its_project(&rig);
	leftovers(&rig);
	rig_close(&rig);
}

static void on_ext4(void **state)
{
	(void)state;
	all("mkfs.ext4 -q -O quota,project", "loop,prjquota");
}

static void on_xfs(void **state)
{
	(void)state;
	all("mkfs.xfs -q", "loop,prjquota");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_ext4),
		cmocka_unit_test(on_xfs),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
