/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config.json: what is taken, and each refusal by its text. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/base.h"
#include "runtime/oci/caps.h"
#include "runtime/oci/mount_opts.h"
#include "runtime/oci/signame.h"
#include "runtime/oci/spec.h"

struct row {
	const char *name, *process, *rest, *msg; /* msg NULL: taken */
};

#define NS          "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]}"
#define LINUX(more) "\"linux\":{\"namespaces\":[{\"type\":\"mount\"}]," more "}"

static const struct row rows[] = {
	{ "smallest", "", NS, NULL },
	{ "unknown field", "", NS ",\"vm\":{\"x\":1}", NULL },
	{ "no mount namespace", "", "\"linux\":{}",
	  "linux.namespaces: a new \"mount\" namespace is needed" },
	{ "namespace twice", "",
	  "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
	  "{\"type\":\"mount\"}]}",
	  "linux.namespaces: \"mount\" is there twice" },
	{ "namespace unknown", "",
	  "\"linux\":{\"namespaces\":[{\"type\":\"time\"}]}",
	  "linux.namespaces: type \"time\" is not one of user, mount, pid, "
	  "network, ipc, uts, cgroup" },
	{ "namespace path relative", "",
	  "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
	  "{\"type\":\"network\",\"path\":\"ns\"}]}",
	  "linux.namespaces: path \"ns\" of network is not absolute" },
	{ "maps without a user namespace", "",
	  LINUX("\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}"
		"]"),
	  "linux.uidMappings need a \"user\" namespace" },
	{ "user namespace without maps", "",
	  "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
	  "{\"type\":\"user\"}]}",
	  "linux.namespaces: a new \"user\" namespace needs "
	  "linux.uidMappings and gidMappings" },
	{ "id map above 2^32-1", "",
	  LINUX("\"uidMappings\":[{\"hostID\":4294967296}]"),
	  "linux.uidMappings[0].hostID: not in 0..4294967295" },
	{ "host name without its namespace", "", NS ",\"hostname\":\"a\"",
	  "hostname: needs a \"uts\" namespace" },
	{ "wrong type of terminal", ",\"terminal\":1", NS,
	  "process.terminal: not true or false" },
	{ "wrong type of an argument", ",\"args\":[1]", NS,
	  "process.args[0]: not a string" },
	{ "no arguments", ",\"args\":[]", NS, "process.args: empty" },
	{ "relative directory", ",\"cwd\":\"x\"", NS,
	  "process.cwd: \"x\" is not absolute" },
	{ "user that is no id", ",\"user\":{\"uid\":4294967295}", NS,
	  "process.user.uid: 4294967295 is no id" },
	{ "group that is no id", ",\"user\":{\"gid\":4294967295}", NS,
	  "process.user.gid: 4294967295 is no id" },
	{ "further group that is no id",
	  ",\"user\":{\"additionalGids\":[1,4294967295]}", NS,
	  "process.user.additionalGids: 4294967295 is no id" },
	{ "user that is the last id", ",\"user\":{\"uid\":4294967294}", NS,
	  NULL },
	{ "oom score", ",\"oomScoreAdj\":-1001", NS,
	  "process.oomScoreAdj: not in -1000..1000" },
	{ "limit that is all",
	  ",\"rlimits\":[{\"type\":\"RLIMIT_CORE\","
	  "\"soft\":18446744073709551615,\"hard\":18446744073709551615}]",
	  NS, NULL },
	{ "apparmor", ",\"apparmorProfile\":\"p\"", NS,
	  "process.apparmorProfile: not supported" },
	{ "selinux", ",\"selinuxLabel\":\"p\"", NS,
	  "process.selinuxLabel: not supported" },
	{ "scheduler", ",\"scheduler\":{\"policy\":\"SCHED_BATCH\"}", NS,
	  "process.scheduler: not supported" },
	{ "intelRdt", "", LINUX("\"intelRdt\":{}"),
	  "linux.intelRdt: not supported" },
	{ "personality", "", LINUX("\"personality\":{}"),
	  "linux.personality: not supported" },
	{ "mount over the root", "",
	  NS ",\"mounts\":[{\"destination\":\"/..//.\"}]",
	  "mounts[0].destination: \"/..//.\" would cover the root" },
	{ "mount without a destination", "", NS ",\"mounts\":[{}]",
	  "mounts[0].destination: missing" },
	{ "id-mapped mount", "",
	  NS ",\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":[{}]}]",
	  "mounts[0].uidMappings: id-mapped mounts are not supported" },
	{ "relative hook", "",
	  NS ",\"hooks\":{\"poststop\":[{\"path\":\"x\"}]}",
	  "hooks: path \"x\" is not absolute" },
	{ "hook timeout negative", "",
	  NS ",\"hooks\":{\"poststop\":[{\"path\":\"/x\",\"timeout\":-1}]}",
	  "poststop[0].timeout: not in 0..4294967295" },
};

static int parse(const char *process, const char *rest, struct spec **ret,
		 struct err *err)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},"
		 "\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]%s},%s}",
		 process, rest);
	return spec_parse(text, strlen(text), ret, err);
}

static void spec_row(void **state)
{
	const struct row *row = *state;
	_cleanup_(spec_freep) struct spec *spec = NULL;
	struct err err = { 0 };
	int r = parse(row->process, row->rest, &spec, &err);

	if (row->msg && strncmp(row->msg, "poststop", 8) == 0)
		assert_non_null(strstr(err.msg, row->msg));
	else
		assert_string_equal(err.msg, row->msg ? row->msg : "");
	assert_int_equal(r == 0, row->msg == NULL);
	assert_true((spec != NULL) == (r == 0));
}

static void spec_version(void **state)
{
	static const char text[] =
		"{\"ociVersion\":\"2.0.0\",\"root\":{\"path\":\"r\"},"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"a\"]}," NS "}";
	_cleanup_(spec_freep) struct spec *spec = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(spec_parse(text, strlen(text), &spec, &err),
			 -EOPNOTSUPP);
	assert_string_equal(err.msg, "ociVersion: \"2.0.0\" is not 1.x");
}

static void spec_values(void **state)
{
	_cleanup_(spec_freep) struct spec *spec = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(parse(",\"user\":{\"uid\":7,\"additionalGids\":[1,2]},"
			       "\"consoleSize\":{\"height\":24,\"width\":80}",
			       NS, &spec, &err),
			 0);
	assert_int_equal(spec->process.user.uid, 7);
	assert_int_equal(spec->process.user.umask, SPEC_UNSET);
	assert_int_equal(spec->process.user.groups.count, 2);
	assert_int_equal(((uint32_t *)spec->process.user.groups.items)[1], 2);
	assert_int_equal(spec->process.rows, 24);
	assert_int_equal(spec->process.cols, 80);
	assert_int_equal(spec->process.oom_score_adj, INT32_MIN);
	assert_string_equal(SPEC_TEXT(spec->process.args, 0), "a");
	assert_int_equal(spec_ns_new(spec), 0x00020000);
}

static void mount_options(void **state)
{
	static const char *texts[] = { "rbind",   "ro",     "noatime",
				       "rnosuid", "rslave", "size=1m",
				       "rw" };
	const struct jdec_array arr = { texts, ARRAY_SIZE(texts) };
	_cleanup_(mount_opts_fini) struct mount_opts o = { 0 };

	(void)state;
	assert_int_equal(mount_opts_parse(&arr, &o, NULL), 0);
	assert_true(o.bind && o.bind_rec);
	/* the last of ro and rw counts */
	assert_int_equal(o.set, MOUNT_ATTR_NOATIME);
	assert_int_equal(o.clear, MOUNT_ATTR__ATIME | MOUNT_ATTR_RDONLY);
	assert_int_equal(o.rec_set, MOUNT_ATTR_NOSUID);
	assert_int_equal(o.propagation, MS_SLAVE);
	assert_true(o.propagation_rec);
	assert_int_equal(o.data_count, 1);
	assert_string_equal(o.data[0], "size=1m");
}

static void mount_option_refused(void **state)
{
	static const char *texts[] = { "tmpcopyup" };
	const struct jdec_array arr = { texts, 1 };
	_cleanup_(mount_opts_fini) struct mount_opts o = { 0 };

	(void)state;
	assert_int_equal(mount_opts_parse(&arr, &o, NULL), -EOPNOTSUPP);
}

static void cap_names(void **state)
{
	(void)state;
	assert_int_equal(caps_number("CAP_CHOWN"), 0);
	assert_int_equal(caps_number("CAP_SYS_ADMIN"), 21);
	assert_int_equal(caps_number("CAP_CHECKPOINT_RESTORE"), 40);
	assert_int_equal(caps_number("CAP_NO_SUCH"), -ENOENT);
	assert_null(caps_name(41));
}

static void cap_fit(void **state)
{
	struct caps c = { .bounding = 0xff,
			  .effective = 0x0f,
			  .permitted = 0x0f,
			  .inheritable = 0x3c,
			  .ambient = 0x3f };
	char text[64];

	(void)state;
	assert_true(caps_fit(&c, 0x17) == 0x28);
	assert_true(c.bounding == 0xff);
	assert_true(c.effective == 0x07);
	assert_true(c.permitted == 0x07);
	assert_true(c.inheritable == 0x14);
	assert_true(c.ambient == 0x17);
	assert_true(caps_fit_ambient(&c) == 0x13);
	assert_true(c.ambient == 0x04);
	assert_true(caps_fit(&c, UINT64_MAX) == 0);
	caps_text(0x21, text, sizeof(text));
	assert_string_equal(text, "CAP_CHOWN CAP_KILL");
	caps_text(0x21, text, 8);
	assert_string_equal(text, "CAP_CHO");
	caps_text(0, text, sizeof(text));
	assert_string_equal(text, "");
}

static void signal_names(void **state)
{
	(void)state;
	assert_int_equal(signame_parse("TERM", NULL), 15);
	assert_int_equal(signame_parse("sigkill", NULL), 9);
	assert_int_equal(signame_parse("64", NULL), 64);
	assert_int_equal(signame_parse("SIGRTMIN+3", NULL), 37);
	assert_int_equal(signame_parse("SIGRTMAX-1", NULL), 63);
	assert_int_equal(signame_parse("0", NULL), -EINVAL);
	assert_int_equal(signame_parse("65", NULL), -EINVAL);
	assert_int_equal(signame_parse("SIGRTMIN+99", NULL), -EINVAL);
	assert_int_equal(signame_parse("", NULL), -EINVAL);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 7];
	const struct CMUnitTest more[] = {
		cmocka_unit_test(spec_version),
		cmocka_unit_test(spec_values),
		cmocka_unit_test(mount_options),
		cmocka_unit_test(mount_option_refused),
		cmocka_unit_test(cap_names),
		cmocka_unit_test(cap_fit),
		cmocka_unit_test(signal_names),
	};
	size_t n = TEST_ROWS(tests, rows, spec_row);

	memcpy(tests + n, more, sizeof(more));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
