/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seccomp_calls.h - system calls by what they are for, and the capability they are for. */
#ifndef NETCTL_BOX_SECCOMP_CALLS_H
#define NETCTL_BOX_SECCOMP_CALLS_H

#include <stddef.h>

/* Allowed together. */
struct seccomp_calls {
	const char *cap;   /* whoever has it; NULL: all */
	const char *names; /* between blanks */
};

/* Ended by { 0 }.  Not in it: clone, clone3, socket and personality, which are allowed for
 * some arguments (seccomp.c). */
extern const struct seccomp_calls seccomp_calls[];

#endif
