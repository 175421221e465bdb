/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every program, in each form that a kernel's features ask for, loads on this
 * one; and what that costs the verifier, as the kernel counts it.
 */
#include "lib/test/test.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bpf/guard.skel.h"
#include "bpf/publish.skel.h"
#include "bpf/reinject.skel.h"
#include "bpf/sock.skel.h"
#include "lib/base.h"

/* A tenth of what a kernel takes. */
#define VERIFIED_MOST 100000u

struct form {
	const char *name;
	void *(*open)(void);
	struct bpf_object *(*object)(void *skel);
	int (*load)(void *skel);
	void (*destroy)(void *skel);
};

#define SKEL(kind)                                          \
	static struct bpf_object *kind##_object(void *skel) \
	{                                                   \
		return ((struct kind##_bpf *)skel)->obj;    \
	}                                                   \
	static int kind##_load(void *skel)                  \
	{                                                   \
		return kind##_bpf__load(skel);              \
	}                                                   \
	static void kind##_destroy(void *skel)              \
	{                                                   \
		kind##_bpf__destroy(skel);                  \
	}
#define FORM(form, kind, set)                                 \
	static void *form##_open(void)                        \
	{                                                     \
		struct kind##_bpf *skel = kind##_bpf__open(); \
                                                              \
		if (skel)                                     \
			set;                                  \
		return skel;                                  \
	}

SKEL(publish)
SKEL(guard)
SKEL(sock)
SKEL(reinject)
FORM(publish, publish, skel->rodata->csum_ipv6 = 1)
FORM(publish_plain, publish, skel->rodata->csum_ipv6 = 0)
FORM(guard, guard, (void)skel)
FORM(sock, sock, skel->rodata->can_set_retval = 1)
FORM(sock_plain, sock, skel->rodata->can_set_retval = 0)
FORM(reinject, reinject, skel->rodata->mark = 1)

#define ROW(text, form, kind)                                                 \
	{                                                                     \
		text, form##_open, kind##_object, kind##_load, kind##_destroy \
	}
static const struct form forms[] = {
	ROW("published ports and masquerade", publish, publish),
	ROW("published ports and masquerade, before Linux 6.16", publish_plain,
	    publish),
	ROW("the guard", guard, guard),
	ROW("socket hooks", sock, sock),
	ROW("socket hooks, before Linux 5.18", sock_plain, sock),
	ROW("host rules asked again", reinject, reinject),
};

static void tell(const struct bpf_program *prog)
{
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	assert_int_equal(
		bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len), 0);
	print_message("# %-20s %5u instructions, %6u bytes of code, %6u "
		      "looked at by the verifier\n",
		      bpf_program__name(prog), info.xlated_prog_len / 8,
		      info.jited_prog_len, info.verified_insns);
	assert_in_range(info.verified_insns, 1, VERIFIED_MOST);
}

static void loads(void **state)
{
	const struct form *form = *state;
	void *skel = form->open();
	struct bpf_program *prog;
	int r;

	assert_non_null(skel);
	r = form->load(skel);
	if (r < 0)
		fail_msg("%s", strerror(-r));
	bpf_object__for_each_program(prog, form->object(skel)) tell(prog);
	form->destroy(skel);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(forms)];
	struct utsname u;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	(void)TEST_ROWS(tests, forms, loads);
	uname(&u);
	printf("# Linux %s\n", u.release);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
