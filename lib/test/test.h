/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test.h - cmocka wants these before it, in this order; include only this. */
#ifndef LIB_TEST_TEST_H
#define LIB_TEST_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * TEST_ROWS() - one test a row of the array @rows, by the row's .name, at the
 * head of @tests; @fn gets the row as *state.  Return: their number.
 */
#define TEST_ROWS(tests, rows, fn)                                          \
	test_rows((tests), (rows), sizeof(rows) / sizeof((rows)[0]),        \
		  sizeof((rows)[0]), offsetof(__typeof__((rows)[0]), name), \
		  (fn))
size_t test_rows(struct CMUnitTest *tests, const void *rows, size_t count,
		 size_t size, size_t name_offset, CMUnitTestFunction fn);

struct timespec;
/* test_ms_since() - by CLOCK_MONOTONIC.  test_cpu_ms() - of this thread. */
double test_ms_since(const struct timespec *start);
double test_cpu_ms(void);

/*
 * TEST_WITHIN_S() - @cond, looked at every 10 ms until it holds or @s seconds have
 * passed.  For what the kernel does after the call that asked for it: a BPF link
 * that was let go is detached by a worker.
 */
#define TEST_WITHIN_S(s, cond)                 \
	({                                     \
		int left_ = (s)*100;           \
		while (!(cond) && left_-- > 0) \
			test_pause_ms(10);     \
		left_ >= 0;                    \
	})
void test_pause_ms(unsigned int ms);

/* test_local6() - wait until @addr is one of this namespace's: the route that makes
 * it so comes by a worker, after "ip addr add".  Return: it is. */
bool test_local6(const char *addr);

/* test_rmdir() - remove the directory with all that is in it. */
void test_rmdir(const char *dir);

#endif
