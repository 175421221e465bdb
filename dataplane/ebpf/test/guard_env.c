/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lib/test/test.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/ebpf/test/guard_env.h"

size_t guard_unhex(const char *s, uint8_t *to, size_t max)
{
	unsigned int v;
	size_t n = 0;

	for (; *s; s++) {
		if (*s == ' ')
			continue;
		assert_true(n < max);
		assert_int_equal(sscanf(s, "%2x", &v), 1);
		to[n++] = (uint8_t)v;
		s++;
	}
	return n;
}

int guard_pinned(const struct pin_dir *pins, const char *name)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(pins, name, path));

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	return fd;
}
