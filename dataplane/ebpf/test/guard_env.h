/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_env.h - what tests of the guard's programs share: frames as text, and pins. */
#ifndef DATAPLANE_EBPF_TEST_GUARD_ENV_H
#define DATAPLANE_EBPF_TEST_GUARD_ENV_H

#include <stddef.h>
#include <stdint.h>

#include "dataplane/ebpf/pin.h"

/* "0242 0a 00" into @to, of room for @max.  Return: bytes. */
size_t guard_unhex(const char *s, uint8_t *to, size_t max);
/* What is pinned by that name.  Return: owned; fails the test. */
int guard_pinned(const struct pin_dir *pins, const char *name);

#endif
