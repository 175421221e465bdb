// SPDX-License-Identifier: GPL-2.0-or-later
/* test_box_mount.c - "run -v" and "run --mount" as elements of a record's Mounts. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/ask_mount.h"
#include "netctl/jget.h"

/* ---- -v ---------------------------------------------------------------------------- */

struct volume {
	const char *name; /* as typed */
	const char *want; /* "TYPE WHAT TARGET ro|rw"; NULL: refused */
};

static const struct volume volumes[] = {
	{ "site:/www", "volume site /www rw" },
	{ "site:/www:ro", "volume site /www ro" },
	{ "site:/www:rw", "volume site /www rw" },
	{ "/srv:/www", "bind /srv /www rw" },
	{ "/srv:/www:ro", "bind /srv /www ro" },
	{ "site:/www:nocopy,ro", "volume site /www ro" },
	{ "site:/a//b/./c/../d/", "volume site /a/b/d rw" },
	{ "site:/../../x", "volume site /x rw" },
	{ "/www", "volume ? /www rw" },
	{ "/www/", "volume ? /www rw" },
	{ "/", NULL },
	{ "/a/..", NULL },
	{ "/www:ro", NULL },
	{ "/srv:/www:nocopy", NULL },
	{ "site", NULL },
	{ "site:www", NULL },
	{ "site:/", NULL },
	{ "site:/www:z", NULL },
	{ "../x:/www", NULL },
	{ "s:/www", NULL },
	{ ":/www", NULL },
	{ "site:", NULL },
};

static void volume_row(void **state)
{
	const struct volume *row = *state;
	_cleanup_(json_putp) json_object *m = NULL;
	struct err err = { 0 };
	char got[256];
	int r = box_ask_volume(row->name, "berth-named", &m, &err);

	assert_int_equal(r, row->want ? 0 : -EINVAL);
	if (r < 0) {
		assert_non_null(strstr(err.msg, row->name));
		return;
	}
	assert_int_equal(jget_bool(m, "Anonymous"),
			 strlen(jget_str(m, "Name")) == 64);
	assert_int_equal(jget_bool(m, "NoCopy"),
			 strstr(row->name, "nocopy") != NULL);
	snprintf(got, sizeof(got), "%s %s %s %s", jget_str(m, "Type"),
		 jget_bool(m, "Anonymous") ? "?"
		 : *jget_str(m, "Name")    ? jget_str(m, "Name")
					   : jget_str(m, "Source"),
		 jget_str(m, "Target"), jget_bool(m, "ReadOnly") ? "ro" : "rw");
	assert_string_equal(got, row->want);
	if (strcmp(jget_str(m, "Type"), "volume") == 0) {
		assert_string_equal(jget_str(m, "Driver"), "berth-named");
		assert_int_equal(strlen(jget_str(m, "MountID")), 64);
	}
}

/* ---- --mount ------------------------------------------------------------------------- */

static const struct volume mount_rows[] = {
	{ "dst=/x", "volume ? /x rw" },
	{ "dst=/x,src=", "volume ? /x rw" },
	{ "type=volume,src=site,dst=/x", "volume site /x rw" },
	{ "TYPE=Volume,Source=site,Destination=/x/../y/,ro",
	  "volume site /y ro" },
	{ "source=site,target=/x,readonly=true,volume-nocopy",
	  "volume site /x ro nocopy" },
	{ "source=site,target=/x,ro=0,volume-nocopy=false",
	  "volume site /x rw" },
	{ "source=site,target=/x,volume-driver=d,volume-opt=a=b=c,"
	  "volume-opt=e=f",
	  "volume site /x rw by d {\"a\":\"b=c\",\"e\":\"f\"}" },
	{ "\"volume-opt=o=a,b\"\"c\",source=site,\"target=/x,y\"",
	  "volume site /x,y rw {\"o\":\"a,b\\\"c\"}" },
	{ "source=site,target=/x,volume-subpath=a/../b",
	  "volume site /x rw sub a/../b" },
	{ "type=bind,src=/usr,dst=/x", "bind /usr /x rw" },
	{ "type=bind,src=/usr,dst=/x,bind-propagation=rslave,"
	  "bind-nonrecursive,ro",
	  "bind /usr /x ro rslave alone" },
	{ "type=tmpfs,dst=/x", "tmpfs  /x rw" },
	{ "type=tmpfs,dst=/x,tmpfs-size=64m,tmpfs-mode=1770,ro",
	  "tmpfs  /x ro size=67108864,mode=1770,ro" },
	{ "type=tmpfs,dst=/x,tmpfs-size=1048576", "tmpfs  /x rw size=1048576" },
	{ "type=tmpfs,dst=/x,tmpfs-size=64MB", "tmpfs  /x rw size=67108864" },
	{ "type=tmpfs,dst=/x,tmpfs-size=1.5gib",
	  "tmpfs  /x rw size=1610612736" },
	{ "type=tmpfs,dst=/x,tmpfs-size=2 k", "tmpfs  /x rw size=2048" },
	{ "type=bind,src=/usr,dst=/x,bind-propagation=RSlave",
	  "bind /usr /x rw rslave" },
	{ "type=bind,src=/usr,dst=/x,bind-recursive=enabled",
	  "bind /usr /x rw" },
	{ "type=bind,src=/usr,dst=/x,bind-recursive=disabled",
	  "bind /usr /x rw alone" },
	{ "type=bind,src=/usr,dst=/x,ro,bind-recursive=writable",
	  "bind /usr /x ro writable below" },
	{ "type=bind,src=/usr,dst=/x,ro,bind-recursive=readonly,"
	  "bind-propagation=rprivate",
	  "bind /usr /x ro rprivate" },
	{ "src=site,dst=/x,consistency=cached", "volume site /x rw" },
};

static void mount_row(void **state)
{
	const struct volume *row = *state;
	_cleanup_(json_putp) json_object *m = NULL;
	struct err err = { 0 };
	char got[256];
	int r = box_ask_mount(row->name, "berth-named", &m, &err);

	assert_string_equal(err.msg, "");
	assert_int_equal(r, 0);
	snprintf(got, sizeof(got), "%s %s %s %s%s%s%s%s%s%s%s%s%s%s%s",
		 jget_str(m, "Type"),
		 jget_bool(m, "Anonymous") ? "?"
		 : *jget_str(m, "Name")    ? jget_str(m, "Name")
					   : jget_str(m, "Source"),
		 jget_str(m, "Target"), jget_bool(m, "ReadOnly") ? "ro" : "rw",
		 jget_bool(m, "NoCopy") ? " nocopy" : "",
		 strcmp(jget_str(m, "Driver"), "d") == 0 ? " by d" : "",
		 jget(m, "DriverOpts") ? " " : "",
		 jget(m, "DriverOpts") ? json_object_to_json_string_ext(
						 jget(m, "DriverOpts"),
						 JSON_C_TO_STRING_PLAIN)
				       : "",
		 *jget_str(m, "Subpath") ? " sub " : "", jget_str(m, "Subpath"),
		 *jget_str(m, "Propagation") || *jget_str(m, "Options") ? " "
									: "",
		 jget_str(m, "Propagation"), jget_str(m, "Options"),
		 jget_bool(m, "NonRecursive") ? " alone" : "",
		 jget_bool(m, "WritableBelow") ? " writable below" : "");
	assert_string_equal(got, row->want);
}

/* .want: what the error says. */
static const struct volume mount_errors[] = {
	{ "", "there is no \"\"" },
	{ "type=volume,src=site", "target, the path" },
	{ "type=npipe,dst=/x", "type is volume, bind or tmpfs" },
	{ "dst=x", "\"x\" is no path" },
	{ "dst=/x/..", "is no path" },
	{ "dst", "dst wants a value" },
	{ "dst=/x,volume-driver=", "volume-driver wants a value" },
	{ "dst=/x,rw", "there is no \"rw\"" },
	{ "dst=/x,size=1", "tmpfs-size" },
	{ "dst=/x,ro=2", "write true or false" },
	{ "dst=/x,volume-opt=a", "volume-opt=KEY=VALUE" },
	{ "dst=/x,src=/usr", "type=bind" },
	{ "dst=/x,ro", "without a name" },
	{ "dst=/x,volume-subpath=a", "without a name" },
	{ "src=site,dst=/x,volume-subpath=/a", "relative path within" },
	{ "src=site,dst=/x,volume-subpath=a/../../b", "relative path within" },
	{ "dst=/x,tmpfs-size=1m", "tmpfs-size does not go with type=volume" },
	{ "type=bind,src=/usr,dst=/x,volume-nocopy",
	  "volume-nocopy does not go with type=bind: write type=volume" },
	{ "type=tmpfs,dst=/x,bind-nonrecursive",
	  "bind-nonrecursive does not go with type=tmpfs" },
	{ "src=v,dst=/x,tmpfs-size=1m,volume-nocopy",
	  "tmpfs-size does not go with type=volume: write type=tmpfs" },
	{ "type=bind,volume-opt=a=b,src=/usr,dst=/x,bind-nonrecursive",
	  "volume-opt does not go with type=bind" },
	{ "type=bind,src=/usr,dst=/x,bind-recursive=x",
	  "enabled, disabled, writable or readonly" },
	{ "type=bind,src=/usr,dst=/x,bind-recursive=writable",
	  "want readonly as well" },
	{ "type=bind,src=/usr,dst=/x,ro,bind-recursive=readonly",
	  "wants bind-propagation=rprivate" },
	{ "type=tmpfs,dst=/x,tmpfs-size=1bb", "tmpfs-size" },
	{ "type=tmpfs,dst=/x,tmpfs-size=.5m", "tmpfs-size" },
	{ "type=bind,dst=/x", "source, a path of the host's" },
	{ "type=bind,src=usr,dst=/x", "source, a path of the host's" },
	{ "type=bind,src=/usr/none/at/all,dst=/x",
	  "bind source path does not exist: /usr/none/at/all" },
	{ "type=bind,src=/usr,dst=/x,bind-propagation=rshared",
	  "rprivate, private, rslave or slave" },
	{ "type=tmpfs,src=a,dst=/x", "leave it out" },
	{ "type=tmpfs,dst=/x,tmpfs-size=0", "tmpfs-size" },
	{ "type=tmpfs,dst=/x,tmpfs-size=1mm", "tmpfs-size" },
	{ "type=tmpfs,dst=/x,tmpfs-size=99999999999g", "tmpfs-size" },
	{ "type=tmpfs,dst=/x,tmpfs-mode=9", "octal" },
	{ "type=tmpfs,dst=/x,tmpfs-mode=17777", "octal" },
	{ "\"dst=/x", "is written" },
	{ "\"dst=/x\"y", "is written" },
	{ "dst=/x\"", "is written" },
};

static void mount_error(void **state)
{
	const struct volume *row = *state;
	json_object *m = NULL;
	struct err err = { 0 };

	assert_int_equal(box_ask_mount(row->name, "berth-named", &m, &err),
			 -EINVAL);
	assert_null(m);
	assert_non_null(strstr(err.msg, "--mount "));
	if (!strstr(err.msg, row->want))
		fail_msg("\"%s\" is not in: %s", row->want, err.msg);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(volumes) + ARRAY_SIZE(mount_rows) +
				ARRAY_SIZE(mount_errors)];
	size_t n = TEST_ROWS(tests, volumes, volume_row);

	n += TEST_ROWS(tests + n, mount_rows, mount_row);
	n += TEST_ROWS(tests + n, mount_errors, mount_error);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("box_mount", tests, n, NULL, NULL);
}
