// SPDX-License-Identifier: GPL-2.0-or-later
/* test_box.c - "run": options as a record, the record as a config.json, restarts, and what a
 * container's users, hosts and capabilities are. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/ask.h"
#include "netctl/box/caps.h"
#include "netctl/box/config.h"
#include "netctl/box/etc.h"
#include "netctl/box/life.h"
#include "netctl/box/restart.h"
#include "netctl/box/user.h"
#include "netctl/jget.h"

/* ---- numbers ------------------------------------------------------------------ */

struct number {
	const char *name;
	int (*fn)(const char *text, int64_t *ret, struct err *err);
	int64_t want; /* -1: refused */
};

static const struct number numbers[] = {
	{ "64m", box_ask_bytes, 64 << 20 },
	{ "1g", box_ask_bytes, 1 << 30 },
	{ "1GB", box_ask_bytes, 1 << 30 },
	{ "8192k", box_ask_bytes, 8 << 20 },
	{ "7.5MiB", box_ask_bytes, 7864320 },
	{ "67108864", box_ask_bytes, 64 << 20 },
	{ "67108864b", box_ask_bytes, 64 << 20 },
	{ "1m", box_ask_bytes, -1 },
	{ "m", box_ask_bytes, -1 },
	{ "-64m", box_ask_bytes, -1 },
	{ "64x", box_ask_bytes, -1 },
	{ "64mm", box_ask_bytes, -1 },
	{ "99999999999g", box_ask_bytes, -1 },
	{ "99999999999999999999", box_ask_bytes, -1 },
	{ "1.5", box_ask_cpus, 1500000000 },
	{ "2", box_ask_cpus, 2000000000 },
	{ ".5", box_ask_cpus, 500000000 },
	{ "0.01", box_ask_cpus, 10000000 },
	{ "0.001", box_ask_cpus, -1 },
	{ "0", box_ask_cpus, -1 },
	{ "-1", box_ask_cpus, -1 },
	{ "x", box_ask_cpus, -1 },
	{ ".", box_ask_cpus, -1 },
	{ "1.5.5", box_ask_cpus, -1 },
};

static void number_row(void **state)
{
	const struct number *row = *state;
	struct err err = { 0 };
	int64_t got = -1;
	int r = row->fn(row->name, &got, &err);

	assert_int_equal(r, row->want < 0 ? -EINVAL : 0);
	if (r == 0)
		assert_int_equal(got, row->want);
	else
		assert_non_null(strstr(err.msg, row->name));
}

/* ---- restarts -------------------------------------------------------------------- */

struct policy {
	const char *name; /* as typed */
	const char *want; /* NULL: refused */
	int64_t max, count;
	int code;
	bool stopped, due;
};

static const struct policy policies[] = {
	{ "no", "no", 0, 0, 1, false, false },
	{ "always", "always", 0, 99, 0, false, true },
	{ "always", "always", 0, 99, 0, true, false },
	{ "unless-stopped", "unless-stopped", 0, 0, 0, false, true },
	{ "unless-stopped", "unless-stopped", 0, 0, 0, true, false },
	{ "on-failure", "on-failure", 0, 99, 1, false, true },
	{ "on-failure", "on-failure", 0, 0, 0, false, false },
	{ "on-failure:2", "on-failure", 2, 1, 1, false, true },
	{ "on-failure:2", "on-failure", 2, 2, 1, false, false },
	{ "on-failure:2", "on-failure", 2, 1, 1, true, false },
	{ "always:3", NULL, 0, 0, 0, false, false },
	{ "on-failure:", NULL, 0, 0, 0, false, false },
	{ "on-failure:-1", NULL, 0, 0, 0, false, false },
	{ "on-failure:x", NULL, 0, 0, 0, false, false },
	{ "sometimes", NULL, 0, 0, 0, false, false },
	{ "", NULL, 0, 0, 0, false, false },
};

static void policy_row(void **state)
{
	const struct policy *row = *state;
	struct restart got = { 0 };
	int r = box_ask_restart(row->name, &got.name, &got.max, NULL);

	assert_int_equal(r, row->want ? 0 : -EINVAL);
	if (r < 0)
		return;
	assert_string_equal(got.name, row->want);
	assert_int_equal(got.max, row->max);
	assert_int_equal(restart_due(&got, row->count, row->code, row->stopped),
			 row->due);
}

static void pauses_grow_to_a_minute(void **state)
{
	unsigned int ms = 0;

	(void)state;
	for (unsigned int want = 100; want < 60000; want *= 2) {
		ms = restart_pause_ms(ms, 5);
		assert_int_equal(ms, want);
	}
	assert_int_equal(restart_pause_ms(ms, 5), 60000);
	assert_int_equal(restart_pause_ms(60000, 5), 60000);
	assert_int_equal(restart_pause_ms(60000, 10000), 100);
}

/* ---- the whole of it ----------------------------------------------------------------- */

static char *const root_args[] = { (char[]){ "/usr" }, (char[]){ "prog" },
				   (char[]){ "-x" }, NULL };

static void ask(struct ctl *ctl, const char *want_err, json_object **ret)
{
	struct err err = { 0 };
	int r;

	ctl->args = (char **)(uintptr_t)root_args;
	ctl->arg_count = 3;
	r = box_ask(ctl, NULL, ret, &err);
	if (!want_err) {
		assert_string_equal(err.msg, "");
		assert_int_equal(r, 0);
		return;
	}
	assert_true(r < 0);
	if (!strstr(err.msg, want_err))
		fail_msg("\"%s\" is not in: %s", want_err, err.msg);
}

/* At @pointer ("/process/args/0"), as text. */
static const char *at(json_object *o, const char *pointer)
{
	json_object *v = NULL;

	if (json_pointer_get(o, pointer, &v) < 0)
		return "(none)";
	return json_object_get_string(v);
}

static const char *mount_at(json_object *config, const char *target)
{
	json_object *list = jget_array(config, "mounts");
	const char *found = "(none)";

	for (size_t i = 0; i < jget_len(list); i++) {
		json_object *m = json_object_array_get_idx(list, i);

		if (strcmp(jget_str(m, "destination"), target) == 0)
			found = json_object_to_json_string_ext(
				m, JSON_C_TO_STRING_PLAIN |
					   JSON_C_TO_STRING_NOSLASHESCAPE);
	}
	return found;
}

static void options_become_a_config(void **state)
{
	_cleanup_(json_putp) json_object *rec = NULL, *config = NULL;
	struct ctl ctl = {
		.box = { .env = { .v = { "A=1", "PATH=/p" }, .n = 2 },
			 .workdir = "/tmp",
			 .memory = "64m",
			 .cpus = "0.5",
			 .pids = "9",
			 .read_only = true,
			 .volumes = { .v = { "/srv/a:/m/sub:ro", "/srv/b:/m" },
				      .n = 2 },
			 .tmpfs = { .v = { "/t:size=1m,exec" }, .n = 1 } },
	};
	struct box_place place = { .dir = "/d",
				   .hostname = "h",
				   .cgroup = "/c",
				   .user = { .uid = 5,
					     .gid = 6,
					     .groups = { 7 },
					     .group_count = 1 } };

	(void)state;
	ask(&ctl, NULL, &rec);
	assert_int_equal(box_config(rec, &place, &config, NULL), 0);
	assert_string_equal(at(config, "/root/path"), "/usr");
	assert_string_equal(at(config, "/root/readonly"), "true");
	assert_string_equal(at(config, "/process/args"),
			    "[ \"prog\", \"-x\" ]");
	assert_string_equal(at(config, "/process/env"),
			    "[ \"HOSTNAME=h\", \"A=1\", \"PATH=\\/p\" ]");
	assert_string_equal(at(config, "/process/cwd"), "/tmp");
	assert_string_equal(at(config, "/process/user/uid"), "5");
	assert_string_equal(at(config, "/process/user/additionalGids"),
			    "[ 7 ]");
	/* another user than root: bounding only */
	assert_string_equal(at(config, "/process/capabilities/effective"),
			    "(none)");
	assert_string_equal(at(config, "/linux/resources/memory/limit"),
			    "67108864");
	assert_string_equal(at(config, "/linux/resources/cpu/quota"), "50000");
	assert_string_equal(at(config, "/linux/resources/pids/limit"), "9");
	assert_string_equal(at(config, "/linux/cgroupsPath"), "/c");
	assert_string_equal(at(config, "/linux/namespaces/5/type"), "network");
	assert_string_equal(mount_at(config, "/m/sub"),
			    "{\"destination\":\"/m/sub\",\"type\":\"bind\","
			    "\"source\":\"/srv/a\",\"options\":[\"rbind\","
			    "\"rprivate\",\"rro\"]}");
	assert_string_equal(mount_at(config, "/t"),
			    "{\"destination\":\"/t\",\"type\":\"tmpfs\","
			    "\"source\":\"tmpfs\",\"options\":[\"noexec\","
			    "\"nosuid\",\"nodev\",\"size=1m\",\"exec\"]}");
	assert_non_null(strstr(mount_at(config, "/etc/hosts"), "/d/hosts"));
	/* the outer one first, or it would hide the inner */
	assert_string_equal(at(config, "/mounts/10/destination"), "/m");
	assert_string_equal(at(config, "/mounts/11/destination"), "/m/sub");
}

static void networks_are_namespaces(void **state)
{
	_cleanup_(json_putp) json_object *rec = NULL, *host = NULL,
					 *shared = NULL;
	struct ctl ctl = { 0 };
	struct box_place place = {
		.dir = "/d", .hostname = "h", .cgroup = "/c", .netns = ""
	};

	(void)state;
	ask(&ctl, NULL, &rec);
	assert_int_equal(box_config(rec, &place, &host, NULL), 0);
	assert_string_equal(at(host, "/linux/namespaces/5"), "(none)");
	place.netns = "/proc/1/fd/9";
	assert_int_equal(box_config(rec, &place, &shared, NULL), 0);
	assert_string_equal(at(shared, "/linux/namespaces/5/path"),
			    "/proc/1/fd/9");
	assert_string_equal(at(shared, "/process/capabilities/effective/0"),
			    "CAP_CHOWN");
}

static void contradictions_are_refused(void **state)
{
	_cleanup_(json_putp) json_object *rec = NULL;
	struct ctl none = { .ip = "10.0.0.1" };
	struct ctl host = { .box.networks = { .v = { "host" }, .n = 1 },
			    .ports = { .v = { "80:80" }, .n = 1 } };
	struct ctl two = { .box.networks = { .v = { "a1", "none" }, .n = 2 } };
	struct ctl twice = { .box.networks = { .v = { "a1", "a1" }, .n = 2 } };
	struct ctl port = { .box.networks = { .v = { "a1" }, .n = 1 },
			    .ports = { .v = { "x" }, .n = 1 } };
	struct ctl over = { .box.volumes = { .v = { "/a:/m", "/b:/m" },
					     .n = 2 } };
	struct ctl cwd = { .box.workdir = "tmp" };
	struct ctl gone = { .box = { .remove = true, .restart = "always" } };
	struct ctl name = { .box.name = "-x" };
	struct ctl dns = { .box = { .networks = { .v = { "container:x" },
						  .n = 1 },
				    .dns = { .v = { "10.0.0.1" }, .n = 1 } } };
	struct ctl alias = { .box.aliases = { .v = { "web" }, .n = 1 } };
	struct ctl bytes = { .box.env = { .v = { "A=\xff" }, .n = 1 } };

	(void)state;
	ask(&none, "--ip 10.0.0.1 needs a --network", &rec);
	ask(&host, "--publish 80:80 needs a --network", &rec);
	ask(&two, "goes with no other", &rec);
	ask(&twice, "given twice", &rec);
	ask(&port, "is no port to publish", &rec);
	ask(&over, "two mounts at /m", &rec);
	ask(&cwd, "does not begin with /", &rec);
	ask(&gone, "contradict", &rec);
	ask(&name, "--name", &rec);
	ask(&dns, "--dns and --network container:x contradict", &rec);
	ask(&alias, "--network-alias and --network none contradict", &rec);
	ask(&bytes, "not UTF-8", &rec);
}

/* ---- capabilities -------------------------------------------------------------------- */

static json_object *one(const char *text)
{
	json_object *list = json_object_new_array();

	if (text)
		json_object_array_add(list, json_object_new_string(text));
	return list;
}

static size_t caps(const char *add, const char *drop)
{
	_cleanup_(json_putp) json_object *a = one(add), *d = one(drop);
	_cleanup_(json_putp) json_object *got = NULL;

	assert_int_equal(box_caps(a, d, &got, NULL), 0);
	return jget_len(got);
}

static void capabilities_as_docker(void **state)
{
	_cleanup_(json_putp) json_object *bad = one("FLY"), *none = one(NULL);
	json_object *got = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(caps(NULL, NULL), 14);
	assert_int_equal(caps("NET_ADMIN", NULL), 15);
	assert_int_equal(caps("cap_net_admin", "cap_chown"), 14);
	assert_int_equal(caps(NULL, "ALL"), 0);
	assert_int_equal(caps("CHOWN", "all"), 1);
	assert_int_equal(caps("ALL", NULL), 41);
	assert_int_equal(caps("ALL", "SYS_ADMIN"), 40);
	assert_int_equal(box_caps(bad, none, &got, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "--cap-add FLY"));
}

/* ---- files -------------------------------------------------------------------------- */

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void users_of_a_root(void **state)
{
	char root[] = "/tmp/test_box.XXXXXX", etc[64], event[512];
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct box_user u;
	struct err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(etc, sizeof(etc), "%s/etc", root);
	assert_int_equal(mkdir(etc, 0755), 0);
	assert_int_equal(box_user(root, "", &u, NULL), 0);
	assert_int_equal(u.uid, 0);
	put_file(etc, "passwd", "root:x:0:0::/:\nweb:x:80:81::/:\nbad\n");
	put_file(etc, "group", "log:x:90:web,db\nops:x:91:db\nweb:x:81:web\n");
	assert_int_equal(box_user(root, "web", &u, NULL), 0);
	assert_int_equal(u.uid, 80);
	assert_int_equal(u.gid, 81);
	assert_int_equal(u.group_count, 2);
	assert_int_equal(u.groups[0], u.gid);
	assert_int_equal(u.groups[1], 90);
	assert_int_equal(box_user(root, "80", &u, NULL), 0);
	assert_int_equal(u.gid, 81);
	assert_int_equal(box_user(root, "web:ops", &u, NULL), 0);
	assert_int_equal(u.gid, 91);
	assert_int_equal(u.group_count, 1);
	assert_int_equal(box_user(root, "7:8", &u, NULL), 0);
	assert_int_equal(u.uid, 7);
	assert_int_equal(u.gid, 8);
	assert_int_equal(box_user(root, "7", &u, NULL), 0);
	assert_int_equal(u.gid, 0);
	assert_int_equal(box_user(root, "bad", &u, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no user \"bad\""));
	assert_int_equal(box_user(root, "web:none", &u, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "no group \"none\""));
	/* a link out of the root leads nowhere */
	snprintf(etc, sizeof(etc), "%s/etc/passwd", root);
	assert_int_equal(unlink(etc), 0);
	assert_int_equal(symlink("/etc/passwd", etc), 0);
	assert_int_equal(box_user(root, "daemon", &u, NULL), -ENOENT);
	assert_int_equal(unlink(etc), 0);
	/* what is no file is not so much as opened: it may be a device of the host's */
	assert_int_equal(mkfifo(etc, 0600), 0);
	assert_true(inotify_add_watch(watch, etc, IN_OPEN) >= 0);
	assert_int_equal(box_user(root, "web", &u, NULL), -ENOENT);
	assert_int_equal(read(watch, event, sizeof(event)), -1);
	assert_int_equal(errno, EAGAIN);
	close(watch);
	assert_int_equal(unlink(etc), 0);
	snprintf(etc, sizeof(etc), "%s/etc/group", root);
	assert_int_equal(unlink(etc), 0);
	snprintf(etc, sizeof(etc), "%s/etc", root);
	assert_int_equal(rmdir(etc), 0);
	assert_int_equal(rmdir(root), 0);
}

static void resolv_conf_without_loopback(void **state)
{
	size_t servers;
	_cleanup_free_ char *got =
		box_etc_resolv("search example.org\n"
			       "nameserver 127.0.0.53\n"
			       "nameserver 10.0.0.1\n"
			       "nameserver\t::1\n"
			       "nameserver 2001:db8::1%eth0\n"
			       "options ndots:2",
			       &servers);

	(void)state;
	assert_int_equal(servers, 2);
	assert_string_equal(got, "search example.org\n"
				 "nameserver 10.0.0.1\n"
				 "nameserver 2001:db8::1%eth0\n"
				 "options ndots:2\n");
}

static void env_files(void **state)
{
	_cleanup_(json_putp) json_object *env = json_object_new_array();
	struct err err = { 0 };

	char dir[] = "/tmp/test_box.XXXXXX", path[64], none[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/env", dir);
	snprintf(none, sizeof(none), "%s/none", dir);
	put_file(dir, "env",
		 "# no\n\nA=1\n  B=two words\r\nTEST_BOX_SET\n"
		 "TEST_BOX_UNSET\nC=\n");
	assert_int_equal(setenv("TEST_BOX_SET", "yes", 1), 0);
	assert_int_equal(box_ask_env_file(path, env, NULL), 0);
	assert_string_equal(
		json_object_to_json_string_ext(env, JSON_C_TO_STRING_PLAIN),
		"[\"A=1\",\"B=two words\",\"TEST_BOX_SET=yes\",\"C=\"]");
	put_file(dir, "env", "A=1\nnot a name=1\n");
	assert_int_equal(box_ask_env_file(path, env, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "line 2"));
	assert_int_equal(box_ask_env_file(none, env, NULL), -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void exit_codes_of_what_cannot_run(void **state)
{
	(void)state;
	assert_int_equal(life_exit_code("exec: \"x\": executable file not "
					"found in $PATH"),
			 127);
	assert_int_equal(life_exit_code("exec: \"/x\": stat /x: no such file "
					"or directory"),
			 127);
	assert_int_equal(life_exit_code("exec: \"/x\": permission denied"),
			 126);
	assert_int_equal(life_exit_code("exec: \"/x\": Exec format error"),
			 126);
	assert_int_equal(life_exit_code("mount /x: no such file or directory"),
			 125);
}

int main(void)
{
	const struct CMUnitTest alone[] = {
		cmocka_unit_test(pauses_grow_to_a_minute),
		cmocka_unit_test(options_become_a_config),
		cmocka_unit_test(networks_are_namespaces),
		cmocka_unit_test(contradictions_are_refused),
		cmocka_unit_test(capabilities_as_docker),
		cmocka_unit_test(users_of_a_root),
		cmocka_unit_test(resolv_conf_without_loopback),
		cmocka_unit_test(env_files),
		cmocka_unit_test(exit_codes_of_what_cannot_run),
	};
	struct CMUnitTest tests[ARRAY_SIZE(numbers) + ARRAY_SIZE(policies) +
				ARRAY_SIZE(alone)];
	size_t n = TEST_ROWS(tests, numbers, number_row);

	n += TEST_ROWS(tests + n, policies, policy_row);
	memcpy(tests + n, alone, sizeof(alone));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
