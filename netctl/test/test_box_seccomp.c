/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the default profile lets a container do, with and without a capability. */
#include "lib/test/test.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base.h"
#include "lib/jdec.h"
#include "netctl/box/seccomp.h"
#include "netctl/jget.h"

struct row {
	const char *name; /* of the test */
	const char *cap, *call;
	uint64_t arg;
	int want; /* 0: allowed; else the errno */
};

static const struct row rows[] = {
	{ "files", "", "openat", 0, 0 },
	{ "threads", "", "clone", CLONE_VM | CLONE_THREAD, 0 },
	{ "no user namespace", "", "clone", CLONE_NEWUSER, EPERM },
	{ "no network namespace", "", "clone", CLONE_NEWNET | CLONE_VM, EPERM },
	{ "one by SYS_ADMIN", "CAP_SYS_ADMIN", "clone", CLONE_NEWNET, 0 },
	{ "clone3 is not there", "", "clone3", 0, ENOSYS },
	{ "clone3 by SYS_ADMIN", "CAP_SYS_ADMIN", "clone3", 0, 0 },
	{ "no mount", "", "mount", 0, EPERM },
	{ "mount by SYS_ADMIN", "CAP_SYS_ADMIN", "mount", 0, 0 },
	{ "no unshare", "CAP_SYS_CHROOT", "unshare", 0, EPERM },
	{ "no keys", "CAP_SYS_ADMIN", "keyctl", 0, EPERM },
	{ "no io_uring", "CAP_SYS_ADMIN", "io_uring_setup", 0, EPERM },
	{ "no userfaultfd", "", "userfaultfd", 0, EPERM },
	{ "no kexec", "CAP_SYS_BOOT", "kexec_load", 0, EPERM },
	{ "no module", "", "init_module", 0, EPERM },
	{ "module", "CAP_SYS_MODULE", "init_module", 0, 0 },
	{ "no bpf", "", "bpf", 0, EPERM },
	{ "bpf", "CAP_BPF", "bpf", 0, 0 },
	{ "no handles", "", "open_by_handle_at", 0, EPERM },
	{ "handles", "CAP_DAC_READ_SEARCH", "open_by_handle_at", 0, 0 },
	{ "no clock", "", "clock_settime", 0, EPERM },
	{ "TCP", "", "socket", AF_INET, 0 },
	{ "netlink", "", "socket", AF_NETLINK, 0 },
	{ "no AF_ALG", "", "socket", AF_ALG, EPERM },
	{ "NFC", "", "socket", AF_NFC, 0 },
	{ "no AF_VSOCK", "CAP_SYS_ADMIN", "socket", AF_VSOCK, EPERM },
	{ "XDP", "", "socket", AF_XDP, 0 },
	{ "personality asked for", "", "personality", 0xffffffff, 0 },
	{ "32 bits", "", "personality", 8, 0 },
	{ "no fixed addresses", "", "personality", 0x40000, EPERM },
};

static bool fits(json_object *rule, uint64_t value)
{
	json_object *args = jget_array(rule, "args"), *arg, *v = NULL;
	const char *op;
	uint64_t is;

	if (!jget_len(args))
		return true;
	arg = json_object_array_get_idx(args, 0);
	assert_int_equal(jget_int(arg, "index"), 0);
	op = jget_str(arg, "op");
	assert_true(json_object_object_get_ex(arg, "value", &v));
	is = json_object_get_uint64(v);
	if (strcmp(op, "SCMP_CMP_EQ") == 0)
		return value == is;
	if (strcmp(op, "SCMP_CMP_LT") == 0)
		return value < is;
	if (strcmp(op, "SCMP_CMP_GT") == 0)
		return value > is;
	assert_string_equal(op, "SCMP_CMP_MASKED_EQ");
	return (value & is) == (uint64_t)jget_int(arg, "valueTwo");
}

static bool names(json_object *rule, const char *call)
{
	json_object *list = jget_array(rule, "names");

	for (size_t i = 0; i < jget_len(list); i++)
		if (strcmp(json_object_get_string(
				   json_object_array_get_idx(list, i)),
			   call) == 0)
			return true;
	return false;
}

static int says(json_object *profile, const struct row *row)
{
	json_object *rules = jget_array(profile, "syscalls");

	for (size_t i = 0; i < jget_len(rules); i++) {
		json_object *rule = json_object_array_get_idx(rules, i);

		if (!names(rule, row->call) || !fits(rule, row->arg))
			continue;
		return strcmp(jget_str(rule, "action"), "SCMP_ACT_ALLOW") == 0
			       ? 0
			       : (int)jget_int(rule, "errnoRet");
	}
	assert_string_equal(jget_str(profile, "defaultAction"),
			    "SCMP_ACT_ERRNO");
	return (int)jget_int(profile, "defaultErrnoRet");
}

static void one(void **state)
{
	_cleanup_(json_putp) json_object *rec = json_object_new_object();
	_cleanup_(json_putp) json_object *caps = json_object_new_array();
	_cleanup_(json_putp) json_object *profile = NULL;
	const struct row *row = *state;
	struct err err = { 0 };

	json_object_array_add(caps, json_object_new_string("CAP_CHOWN"));
	json_object_array_add(caps, json_object_new_string(row->cap));
	assert_int_equal(box_seccomp(rec, caps, &profile, &err), 0);
	assert_int_equal(says(profile, row), row->want);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	(void)TEST_ROWS(tests, rows, one);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
