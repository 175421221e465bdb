/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A volume of ours and one of dockerd's by one name: no verb takes the wrong one. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netctl/cmds.h"
#include "netctl/test/fake_api.h"

#define VOLUME(name, driver) "{\"Name\":\"" name "\",\"Driver\":\"" driver "\"}"

static const struct fake_answer dockerd[] = {
	{ "GET /volumes",
	  "{\"Volumes\":[" VOLUME("data", "local") "," VOLUME(
		  "theirs", "local") "," VOLUME("one", "berth-named") "]}" },
	{ "GET /containers/json?all=1",
	  "[{\"State\":\"exited\",\"Mounts\":[{\"Name\":\"theirs\"}]}]" },
	{ "DELETE /volumes/data", "{}" },
	{ "DELETE /volumes/one", "{}" },
	{ NULL, NULL },
};

static const struct fake_answer named[] = {
	{ "POST /Berth.Volumes",
	  "{\"Volumes\":[{\"Name\":\"data\",\"Users\":0},"
	  "{\"Name\":\"one\",\"Users\":0}]}" },
	{ "POST /VolumeDriver.Create", "{}" },
	{ "POST /Berth.VolumeRename", "{}" },
	{ NULL, NULL },
};

static char dir[] = "/tmp/test_volumes.XXXXXX", docker_sock[64], named_sock[64];
static struct fake_api docker_api, named_api;

static int make_dir(void **unused)
{
	(void)unused;
	if (!mkdtemp(dir))
		return -1;
	snprintf(docker_sock, sizeof(docker_sock), "%s/docker.sock", dir);
	snprintf(named_sock, sizeof(named_sock), "%s/berth-named.sock", dir);
	return 0;
}

static int drop_dir(void **unused)
{
	(void)unused;
	test_rmdir(dir);
	return 0;
}

/* What the verb returns; both apis' .asked can be read then. */
static int run(const struct cmd *cmd, struct ctl *ctl, const char *first,
	       const char *second, struct err *err)
{
	char a[64], b[64],
		*args[] = { first ? a : NULL, second ? b : NULL, NULL };
	int r;

	snprintf(a, sizeof(a), "%s", first ? first : "");
	snprintf(b, sizeof(b), "%s", second ? second : "");

	ctl->plugin_dir = ctl->state_dir = dir;
	ctl->docker = docker_sock;
	ctl->timeout_ms = 3000;
	ctl->args = args;
	while (args[ctl->arg_count])
		ctl->arg_count++;
	fake_api_start(&docker_api, docker_sock, dockerd);
	fake_api_start(&named_api, named_sock, named);
	r = cmd->run(ctl, err);
	fake_api_end(&docker_api);
	fake_api_end(&named_api);
	return r;
}

static void rm_takes_no_other_drivers(void **unused)
{
	struct ctl ctl = { 0 }, snaps = { .snapshots = true }, plain = { 0 };
	struct err err = { 0 };

	(void)unused;
	assert_int_equal(run(&cmd_volume_rm, &ctl, "data", NULL, &err),
			 -ENOTUNIQ);
	assert_null(strstr(docker_api.asked, "DELETE"));
	assert_non_null(strstr(err.msg, "dockerd's of driver local"));
	assert_non_null(strstr(err.msg, "'docker volume rm data'"));
	assert_non_null(strstr(err.msg, "'netctl volume rename data NEW'"));
	assert_int_equal(run(&cmd_volume_rm, &snaps, "data", NULL, NULL),
			 -ENOTUNIQ);
	assert_null(strstr(named_api.asked, "Snapshot"));
	assert_int_equal(run(&cmd_volume_rm, &plain, "one", NULL, &err), 0);
	assert_non_null(strstr(docker_api.asked, "DELETE /volumes/one"));
}

static void prune_takes_no_other_drivers(void **unused)
{
	struct ctl ctl = { .all = true, .force = true, .format = OUT_JSON };
	struct err err = { 0 };

	(void)unused;
	assert_int_equal(run(&cmd_volume_prune, &ctl, NULL, NULL, &err),
			 CLI_FAILED);
	assert_null(strstr(docker_api.asked, "DELETE /volumes/data"));
	assert_non_null(strstr(docker_api.asked, "DELETE /volumes/one"));
}

static void no_second_one_is_made(void **unused)
{
	struct ctl create = { 0 }, again = { 0 }, clone = { 0 },
		   restore = { 0 };
	struct err err = { 0 };

	(void)unused;
	assert_int_equal(run(&cmd_volume_create, &create, "theirs", NULL, &err),
			 -EEXIST);
	assert_string_equal(err.msg, "there is a volume theirs already, of "
				     "driver local");
	assert_null(strstr(named_api.asked, "Create"));
	/* the same once more is the daemon's to judge */
	assert_int_equal(run(&cmd_volume_create, &again, "one", NULL, &err), 0);
	assert_non_null(strstr(named_api.asked, "Create"));
	assert_int_equal(run(&cmd_volume_clone, &clone, "one", "theirs", &err),
			 -EEXIST);
	assert_null(strstr(named_api.asked, "Create"));
	assert_int_equal(
		run(&cmd_volume_restore, &restore, "/dev/null", "theirs", &err),
		-EEXIST);
	assert_null(strstr(named_api.asked, "Stage"));
}

/* The way out that rm tells of. */
static void double_one_is_renamed(void **unused)
{
	struct ctl ctl = { 0 };
	struct err err = { 0 };

	(void)unused;
	assert_int_equal(run(&cmd_volume_rename, &ctl, "data", "new", &err), 0);
	assert_non_null(strstr(named_api.asked, "Rename"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rm_takes_no_other_drivers),
		cmocka_unit_test(prune_takes_no_other_drivers),
		cmocka_unit_test(no_second_one_is_made),
		cmocka_unit_test(double_one_is_renamed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
