/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recording the fail points that children pass. */
#include "lib/test/fail_passes.h"

#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base.h"

/* In memory; the children have it open, too, and open it by that. */
static int record = -EBADF;

void fail_passes_begin(void)
{
	char path[32];

	record = memfd_create("passes", MFD_CLOEXEC);
	assert_true(record >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", record);
	setenv("BERTH_FP_LOG", path, 1);
}

void fail_passes_end(void)
{
	unsetenv("BERTH_FP_LOG");
	closep(&record);
}

off_t fail_passes_length(void)
{
	return lseek(record, 0, SEEK_END);
}

void fail_passes_clear(void)
{
	assert_int_equal(ftruncate(record, 0), 0);
}

void fail_passes_take(struct fail_passes *ret)
{
	FILE *f = fdopen(dup(record), "r");
	struct fail_pass *p = ret->at;

	assert_non_null(f);
	rewind(f);
	for (; fscanf(f, "%63s", p->point) == 1; p++) {
		assert_true(p - ret->at < (int)ARRAY_SIZE(ret->at) - 1);
		p->end = ftell(f);
		p->nth = 1;
		for (const struct fail_pass *q = ret->at; q < p; q++)
			p->nth += strcmp(q->point, p->point) == 0;
	}
	fclose(f);
	ret->count = (int)(p - ret->at);
	assert_true(ret->count > 0);
	fail_passes_clear();
}
