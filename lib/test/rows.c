/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of cases as tests, each with its own name. */
#include "lib/test/test.h"

#include <string.h>

size_t test_rows(struct CMUnitTest *tests, const void *rows, size_t count,
		 size_t size, size_t name_offset, CMUnitTestFunction fn)
{
	for (size_t i = 0; i < count; i++) {
		const char *row = (const char *)rows + i * size;

		tests[i] = (struct CMUnitTest){
			.test_func = fn,
			.initial_state = (void *)(uintptr_t)row,
		};
		memcpy(&tests[i].name, row + name_offset,
		       sizeof(tests[i].name));
	}
	return count;
}
